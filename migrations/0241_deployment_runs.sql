-- 0241: deployment runs. How the edge carries out deployments, under a lease.
-- migrate:up
-- The edge stands in line with what the deployment's user writes.
create function private.queue_writes_of_deployment(deployment_id uuid) returns void
  language sql volatile
  set search_path = ''
  as $$
select private.lock_user(d.user_id)
from clixen.deployments as d
where d.id = queue_writes_of_deployment.deployment_id
$$;
revoke execute on function private.queue_writes_of_deployment(uuid) from public;

-- Takes a deployment up: {deployment, lease, ...}, or {deployment} alone where it is over or somebody else is at it, and null in its
-- place where it is gone.
create function edge.claim_deployment(deployment_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  made clixen.deployments;
  flow clixen.mvp_workflows;
  run private.deployment_runs;
begin
  perform private.queue_writes_of_deployment(claim_deployment.deployment_id);
  select * into made from clixen.deployments as d where d.id = claim_deployment.deployment_id for update;
  if not found then
    return '{"deployment": null}';
  end if;
  if made.status not in ('pending', 'deploying') then
    return jsonb_build_object('deployment', to_jsonb(made));
  end if;
  select * into run from private.deployment_runs as r where r.deployment_id = made.id for update;
  if run.lease is not null and run.lease_until > clock_timestamp() then
    return jsonb_build_object('deployment', to_jsonb(made));
  end if;
  update private.deployment_runs as r
  set lease = gen_random_uuid(), lease_until = clock_timestamp() + interval '90 seconds', attempts = r.attempts + 1
  where r.deployment_id = made.id
  returning * into run;
  if run.attempts > 5 then
    return jsonb_build_object('deployment', edge.finish_deployment(made.id, run.lease, jsonb_build_object(
      'status', 'failed', 'error_message', 'Interrupted five times; given up'
    )));
  end if;
  update clixen.deployments as d set status = 'deploying' where d.id = made.id returning * into made;
  select * into strict flow from clixen.mvp_workflows as w where w.id = made.workflow_id;
  return jsonb_build_object(
    'deployment', to_jsonb(made), 'lease', run.lease, 'name', flow.name,
    'n8n_workflow_id', flow.n8n_workflow_id, 'serves', flow.last_deployed_at is not null,
    -- Whether an earlier attempt may have made it in n8n, and died before it could say so.
    'may_exist', flow.n8n_workflow_id is null and (run.attempts > 1 or made.deployment_version > 1)
  );
end
$$;
comment on function edge.claim_deployment(uuid) is
  'Gives the edge a deployment to carry out, with a lease. Definer: the edge has no right on any table.';
revoke execute on function edge.claim_deployment(uuid) from public;
grant execute on function edge.claim_deployment(uuid) to edge;

-- The workflow that a deployment sends, or the one that served before; null where there is none, or the lease is lost. By itself: what
-- cannot be read must not keep anybody from ending the deployment.
create function edge.deployment_workflow(deployment_id uuid, lease uuid, before boolean) returns jsonb
  language sql stable security definer
  set search_path = ''
  as $$
select case when deployment_workflow.before then (
    select b.workflow
    from clixen.deployments as e
    join private.deployment_runs as b on b.deployment_id = e.id
    where e.workflow_id = d.workflow_id and e.status = 'deployed'
    order by e.deployment_version desc
    limit 1
  ) else r.workflow end
from private.deployment_runs as r
join clixen.deployments as d on d.id = r.deployment_id
where r.deployment_id = deployment_workflow.deployment_id and r.lease = deployment_workflow.lease
$$;
comment on function edge.deployment_workflow(uuid, uuid, boolean) is
  'Gives the edge what it is to send to n8n. Definer: the edge has no right on any table.';
revoke execute on function edge.deployment_workflow(uuid, uuid, boolean) from public;
grant execute on function edge.deployment_workflow(uuid, uuid, boolean) to edge;

-- What a deployment may use of n8n, all of it its owner's: {slug, named, deployed, had_error_workflow}. `named` has, of the ids that the
-- workflow names, those of the owner's own workflows that are in n8n, each with its id there; a workflow is named by its id here or in
-- n8n. `deployed` has the ids in n8n of all of the owner's. Null if the lease is lost.
create function edge.own_workflows(deployment_id uuid, lease uuid, named text[]) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner uuid;
  flow_id uuid;
begin
  select d.user_id, d.workflow_id into owner, flow_id
  from private.deployment_runs as r
  join clixen.deployments as d on d.id = r.deployment_id
  where r.deployment_id = own_workflows.deployment_id and r.lease = own_workflows.lease;
  if not found then
    return null;
  end if;
  return jsonb_build_object(
    'slug', private.n8n_slug(owner),
    'named', (
      select coalesce(jsonb_object_agg(n.id, w.n8n_workflow_id), '{}')
      from unnest(own_workflows.named) as n (id)
      join clixen.mvp_workflows as w on w.n8n_workflow_id = n.id
        or w.id = case when n.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then n.id::uuid end
      where w.user_id = owner and w.n8n_workflow_id is not null
    ),
    'deployed', to_jsonb(array(
      select w.n8n_workflow_id
      from clixen.mvp_workflows as w
      where w.user_id = owner and w.n8n_workflow_id is not null
      -- This one first: the list is for workflows that it runs.
      order by w.id = flow_id desc, w.last_deployed_at desc nulls last, w.id
      limit 1000
    )),
    'had_error_workflow', exists (
      select
      from clixen.deployments as d
      join private.deployment_runs as r on r.deployment_id = d.id
      where d.workflow_id = flow_id and d.status in ('deployed', 'rolled_back')
        and r.workflow #> '{settings,errorWorkflow}' is not null
    )
  );
end
$$;
comment on function edge.own_workflows(uuid, uuid, text[]) is
  'Tells the edge which workflows of n8n a deployment''s owner has. Definer: the edge has no right on any table.';
revoke execute on function edge.own_workflows(uuid, uuid, text[]) from public;
grant execute on function edge.own_workflows(uuid, uuid, text[]) to edge;

-- A workflow of the deployment's owner that the deployed one runs: {workflow_id, name, workflow}, as it was last deployed. Null where it is
-- not the owner's, was never deployed, or the lease is lost.
create function edge.called_workflow(deployment_id uuid, lease uuid, n8n_workflow_id text) returns jsonb
  language sql stable security definer
  set search_path = ''
  as $$
select jsonb_build_object('workflow_id', w.id, 'name', w.name, 'workflow', b.workflow)
from private.deployment_runs as r
join clixen.deployments as d on d.id = r.deployment_id
join clixen.mvp_workflows as w on w.user_id = d.user_id and w.n8n_workflow_id = called_workflow.n8n_workflow_id
join clixen.deployments as e on e.workflow_id = w.id and e.status = 'deployed'
join private.deployment_runs as b on b.deployment_id = e.id
where r.deployment_id = called_workflow.deployment_id and r.lease = called_workflow.lease
order by e.deployment_version desc
limit 1
$$;
comment on function edge.called_workflow(uuid, uuid, text) is
  'Gives the edge a workflow that is to let the deployed one run it. Definer: the edge has no right on any table.';
revoke execute on function edge.called_workflow(uuid, uuid, text) from public;
grant execute on function edge.called_workflow(uuid, uuid, text) to edge;

-- Writes down what n8n calls the workflow, as soon as it is known, and lengthens the lease; false where the lease is lost.
create function edge.note_deployment(deployment_id uuid, lease uuid, n8n_workflow_id text) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  flow clixen.mvp_workflows;
begin
  perform private.queue_writes_of_deployment(note_deployment.deployment_id);
  select w.* into flow
  from private.deployment_runs as r
  join clixen.deployments as d on d.id = r.deployment_id and d.status = 'deploying'
  join clixen.mvp_workflows as w on w.id = d.workflow_id
  where r.deployment_id = note_deployment.deployment_id and r.lease = note_deployment.lease
  for update of r, w;
  if not found then
    -- Unless a later attempt finds it by name, nothing here will ever know of it: the workflow was deleted meanwhile, or made twice.
    insert into private.n8n_removals (n8n_workflow_id) values (note_deployment.n8n_workflow_id) on conflict do nothing;
    return false;
  end if;
  update private.deployment_runs as r set lease_until = clock_timestamp() + interval '90 seconds'
  where r.deployment_id = note_deployment.deployment_id;
  if flow.n8n_workflow_id is distinct from note_deployment.n8n_workflow_id then
    update clixen.mvp_workflows as w set n8n_workflow_id = note_deployment.n8n_workflow_id where w.id = flow.id;
    delete from private.n8n_removals as o where o.n8n_workflow_id = note_deployment.n8n_workflow_id;
    insert into private.n8n_removals (n8n_workflow_id)
    select flow.n8n_workflow_id where flow.n8n_workflow_id is not null
    on conflict do nothing;
  end if;
  return true;
end
$$;
comment on function edge.note_deployment(uuid, uuid, text) is
  'Keeps the workflow''s id in n8n. Definer: the edge has no right on any table.';
revoke execute on function edge.note_deployment(uuid, uuid, text) from public;
grant execute on function edge.note_deployment(uuid, uuid, text) to edge;

-- Ends a deployment, for whoever has its lease: {status, error_message, deployment_url, n8n_workflow_id, n8n_response}. Gives the
-- deployment, or null if it is gone.
create function edge.finish_deployment(deployment_id uuid, lease uuid, outcome jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  made clixen.deployments;
  run private.deployment_runs;
  is_deployed constant boolean := outcome ->> 'status' = 'deployed';
begin
  perform private.queue_writes_of_deployment(finish_deployment.deployment_id);
  select * into made from clixen.deployments as d where d.id = finish_deployment.deployment_id for update;
  if not found then
    return null;
  end if;
  select * into run from private.deployment_runs as r
  where r.deployment_id = made.id and r.lease = finish_deployment.lease;
  if run.deployment_id is null or made.status <> 'deploying' and made.status <> 'pending' then
    return to_jsonb(made);
  end if;

  update clixen.deployments as d set
    status = case when is_deployed then 'deployed' else 'failed' end,
    n8n_workflow_id = case when is_deployed then outcome ->> 'n8n_workflow_id' end,
    n8n_response = outcome -> 'n8n_response',
    error_message = case when not is_deployed then left(outcome ->> 'error_message', 2000) end,
    deployment_url = case when is_deployed then outcome ->> 'deployment_url' end,
    completed_at = clock_timestamp(),
    duration_ms = extract(epoch from clock_timestamp() - d.started_at) * 1000
  where d.id = made.id
  returning * into made;
  if is_deployed and run.of_version is not null then
    update clixen.deployments as d set status = 'rolled_back'
    where d.workflow_id = made.workflow_id and d.status = 'deployed'
      and d.deployment_version > run.of_version and d.deployment_version < made.deployment_version;
  end if;
  -- What never served is never brought back.
  update private.deployment_runs as r
  set lease = null, workflow = case when is_deployed then r.workflow else '{}' end
  where r.deployment_id = made.id;
  if is_deployed then
    update clixen.mvp_workflows as w set
      -- What has been changed meanwhile is not what is deployed.
      status = case
        when w.status <> 'archived' and w.n8n_workflow_json = run.workflow then 'deployed'
        when w.status = 'deployed' then 'draft'
        else w.status
      end,
      deployment_status = 'deployed', deployment_url = made.deployment_url, deployment_error = null,
      last_deployed_at = made.completed_at
    where w.id = made.workflow_id;
  else
    update clixen.mvp_workflows as w set
      -- What serves goes on serving.
      status = case when w.status <> 'archived' and w.last_deployed_at is null and w.n8n_workflow_json = run.workflow then 'failed'
        else w.status end,
      deployment_status = 'failed', deployment_error = made.error_message
    where w.id = made.workflow_id;
  end if;
  return to_jsonb(made);
end
$$;
comment on function edge.finish_deployment(uuid, uuid, jsonb) is
  'Ends a deployment with what came of it. Definer: the edge has no right on any table.';
revoke execute on function edge.finish_deployment(uuid, uuid, jsonb) from public;
grant execute on function edge.finish_deployment(uuid, uuid, jsonb) to edge;

-- Deployments that nobody is at any more, oldest first, and workflows to be taken out of n8n: {deployments: [id], removals: [id]}.
create function edge.unfinished_deployments(most int) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  stuck jsonb;
  due text[];
begin
  select coalesce(jsonb_agg(d.id order by d.started_at), '[]') into stuck
  from (
    select o.id, o.started_at
    from clixen.deployments as o
    join private.deployment_runs as r on r.deployment_id = o.id
    where o.status in ('pending', 'deploying') and r.lease_until < clock_timestamp()
    order by o.started_at
    limit most
  ) as d;
  -- Some other row may have taken it up meanwhile.
  delete from private.n8n_removals as r
  where exists (select from clixen.mvp_workflows as w where w.n8n_workflow_id = r.n8n_workflow_id);
  due := array(select o.n8n_workflow_id from private.n8n_removals as o where o.due_at < now() order by o.due_at limit most);
  return jsonb_build_object('deployments', stuck, 'removals', to_jsonb(due));
end
$$;
comment on function edge.unfinished_deployments(int) is
  'What is left to be done in n8n. Definer: the edge has no right on any table.';
revoke execute on function edge.unfinished_deployments(int) from public;
grant execute on function edge.unfinished_deployments(int) to edge;

-- Whether somebody may have interrupted deployments taken up: whoever may call this.
create function clixen.may_finish_deployments() returns boolean
  language sql stable
  set search_path = ''
  as $$ select true $$;
revoke execute on function clixen.may_finish_deployments() from public;
grant execute on function clixen.may_finish_deployments() to service_role;

-- migrate:down
drop function clixen.may_finish_deployments();
drop function edge.unfinished_deployments(int);
drop function edge.finish_deployment(uuid, uuid, jsonb);
drop function edge.note_deployment(uuid, uuid, text);
drop function edge.called_workflow(uuid, uuid, text);
drop function edge.own_workflows(uuid, uuid, text[]);
drop function edge.deployment_workflow(uuid, uuid, boolean);
drop function edge.claim_deployment(uuid);
drop function private.queue_writes_of_deployment(uuid);
