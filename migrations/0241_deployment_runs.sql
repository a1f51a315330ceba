-- 0241: deployment runs. How the edge carries out deployments, with a lease.
-- migrate:up
-- Takes the lock of the deployment's user: the edge's writes queue with the user's own.
create function private.queue_writes_of_deployment(deployment_id uuid) returns void
  language sql volatile
  set search_path = ''
  as $$
select private.lock_user(d.user_id)
from clixen.deployments as d
where d.id = queue_writes_of_deployment.deployment_id
$$;
revoke execute on function private.queue_writes_of_deployment(uuid) from public;

-- Takes up a deployment: {deployment, lease, ...}; {deployment} alone if it is finished or another worker has it; {deployment:
-- null} if it does not exist.
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
  -- Nor while the workflow is being removed from n8n: the deployment would find it by its mark, and it would be gone.
  if run.lease is not null and run.lease_until > clock_timestamp() or exists (
    select from private.n8n_removals as o where o.workflow_id = made.workflow_id and o.claimed_until > clock_timestamp()
  ) then
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
    'deployment', to_jsonb(made), 'lease', run.lease, 'workflow_id', flow.id, 'name', flow.name,
    'n8n_workflow_id', flow.n8n_workflow_id, 'serves', flow.last_deployed_at is not null,
    -- Whether an earlier attempt may have created it in n8n and then stopped before recording it.
    'may_exist', flow.n8n_workflow_id is null and (run.attempts > 1 or made.deployment_version > 1)
  );
end
$$;
comment on function edge.claim_deployment(uuid) is
  'Gives the edge a deployment to carry out, with a lease. Definer: the edge has no right on any table.';
revoke execute on function edge.claim_deployment(uuid) from public;
grant execute on function edge.claim_deployment(uuid) to edge;

-- The workflow that a deployment sends, or the one that served before; null if there is none, or the lease is lost. A function of
-- its own: a workflow that cannot be read must not prevent the end of the deployment.
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
  'Gives the edge the workflow to send to n8n. Definer: the edge has no right on any table.';
revoke execute on function edge.deployment_workflow(uuid, uuid, boolean) from public;
grant execute on function edge.deployment_workflow(uuid, uuid, boolean) to edge;

-- What a deployment may use of n8n, all of it its owner's: {slug, named, deployed, had_error_workflow}. `named` maps the ids in
-- the workflow, here or in n8n, to the n8n ids of the owner's own deployed workflows. `deployed` has the n8n ids of all of the
-- owner's workflows. Null if the lease is lost.
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
      -- By the two ids, however few workflows the planner expects of the owner.
      cross join lateral (
        select o.user_id, o.n8n_workflow_id from clixen.mvp_workflows as o
        where o.n8n_workflow_id = n.id
          or o.id = case when n.id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then n.id::uuid end
        offset 0
      ) as w
      where w.user_id = owner and w.n8n_workflow_id is not null
    ),
    'deployed', to_jsonb(array(
      select w.n8n_workflow_id
      -- By the owner alone: the planner may take all that are in n8n for few.
      from (
        select o.id, o.n8n_workflow_id, o.last_deployed_at from clixen.mvp_workflows as o where o.user_id = owner
        offset 0
      ) as w
      where w.n8n_workflow_id is not null
      -- This workflow first: the list is for the workflows that it calls.
      order by w.id = flow_id desc, w.last_deployed_at desc nulls last, w.id
      limit 1000
    )),
    'had_error_workflow', exists (
      select
      from private.deployment_runs as r
      where r.workflow_id = flow_id and r.workflow #> '{settings,errorWorkflow}' is not null and exists (
        select from clixen.deployments as d where d.id = r.deployment_id and d.status in ('deployed', 'rolled_back') offset 0
      )
    )
  );
end
$$;
comment on function edge.own_workflows(uuid, uuid, text[]) is
  'Gives the edge the n8n workflows of a deployment''s owner. Definer: the edge has no right on any table.';
revoke execute on function edge.own_workflows(uuid, uuid, text[]) from public;
grant execute on function edge.own_workflows(uuid, uuid, text[]) to edge;

-- A workflow of the deployment's owner that the deployed one calls: {workflow_id, name, workflow}, as it was last deployed. Null
-- if it is another user's, was never deployed, or the lease is lost.
create function edge.called_workflow(deployment_id uuid, lease uuid, n8n_workflow_id text) returns jsonb
  language sql stable security definer
  set search_path = ''
  as $$
select jsonb_build_object('workflow_id', w.id, 'name', w.name, 'workflow', b.workflow)
from private.deployment_runs as r
join clixen.deployments as d on d.id = r.deployment_id
join clixen.mvp_workflows as w on w.user_id = d.user_id and w.n8n_workflow_id = called_workflow.n8n_workflow_id
-- Of the workflow's copies only, however many deployments the planner expects to be deployed.
cross join lateral (select o.deployment_id, o.workflow from private.deployment_runs as o where o.workflow_id = w.id offset 0) as b
cross join lateral (select o.deployment_version, o.status from clixen.deployments as o where o.id = b.deployment_id offset 0) as e
where r.deployment_id = called_workflow.deployment_id and r.lease = called_workflow.lease and e.status = 'deployed'
order by e.deployment_version desc
limit 1
$$;
comment on function edge.called_workflow(uuid, uuid, text) is
  'Gives the edge a workflow that must allow the deployed one to call it. Definer: the edge has no right on any table.';
revoke execute on function edge.called_workflow(uuid, uuid, text) from public;
grant execute on function edge.called_workflow(uuid, uuid, text) to edge;

-- Records the workflow's id in n8n as soon as it is known, and extends the lease; false if the lease is lost.
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
    -- The workflow was deleted meanwhile, or created twice: unless a later attempt finds it by name, nothing else would remove it
    -- from n8n.
    insert into private.n8n_removals (n8n_workflow_id, workflow_id)
    select note_deployment.n8n_workflow_id, (select d.workflow_id from clixen.deployments as d where d.id = note_deployment.deployment_id)
    on conflict do nothing;
    return false;
  end if;
  update private.deployment_runs as r set lease_until = clock_timestamp() + interval '90 seconds'
  where r.deployment_id = note_deployment.deployment_id;
  if flow.n8n_workflow_id is distinct from note_deployment.n8n_workflow_id then
    update clixen.mvp_workflows as w set n8n_workflow_id = note_deployment.n8n_workflow_id where w.id = flow.id;
    delete from private.n8n_removals as o where o.n8n_workflow_id = note_deployment.n8n_workflow_id;
    insert into private.n8n_removals (n8n_workflow_id, workflow_id)
    select flow.n8n_workflow_id, flow.id where flow.n8n_workflow_id is not null
    on conflict do nothing;
  end if;
  return true;
end
$$;
comment on function edge.note_deployment(uuid, uuid, text) is
  'Records the workflow''s id in n8n. Definer: the edge has no right on any table.';
revoke execute on function edge.note_deployment(uuid, uuid, text) from public;
grant execute on function edge.note_deployment(uuid, uuid, text) to edge;

-- Ends a deployment, for the holder of its lease: {status, error_message, deployment_url, n8n_workflow_id, n8n_response}. Returns
-- the deployment, or null if it does not exist.
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
  if is_deployed then
    update private.deployment_runs as r set lease = null where r.deployment_id = made.id;
    perform private.forget_old_copies(made.workflow_id);
    update clixen.mvp_workflows as w set
      -- A workflow that was changed meanwhile is not the deployed one.
      status = case
        when w.status <> 'archived' and w.n8n_workflow_json = run.workflow then 'deployed'
        when w.status = 'deployed' then 'draft'
        else w.status
      end,
      deployment_status = 'deployed', deployment_url = made.deployment_url, deployment_error = null,
      last_deployed_at = made.completed_at
    where w.id = made.workflow_id;
  else
    -- A rollback never restores a version that did not serve.
    delete from private.deployment_runs as r where r.deployment_id = made.id;
    update clixen.mvp_workflows as w set
      -- If an earlier version still serves, the status stays.
      status = case when w.status <> 'archived' and w.last_deployed_at is null and w.n8n_workflow_json = run.workflow then 'failed'
        else w.status end,
      deployment_status = 'failed', deployment_error = made.error_message
    where w.id = made.workflow_id;
  end if;
  return to_jsonb(made);
end
$$;
comment on function edge.finish_deployment(uuid, uuid, jsonb) is
  'Ends a deployment with its outcome. Definer: the edge has no right on any table.';
revoke execute on function edge.finish_deployment(uuid, uuid, jsonb) from public;
grant execute on function edge.finish_deployment(uuid, uuid, jsonb) to edge;

-- Deployments whose lease has ended, oldest first, and workflows to remove from n8n: {deployments: [id], removals: [id]}.
create function edge.unfinished_deployments(most int) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  -- By the index of open deployments, the oldest first.
  set enable_seqscan = off
  set enable_bitmapscan = off
  set enable_sort = off
  set jit = off
  as $$
declare
  stuck jsonb;
  due text[];
begin
  select coalesce(jsonb_agg(d.id order by d.started_at), '[]') into stuck
  from (
    select o.id, o.started_at
    from clixen.deployments as o
    where o.status in ('pending', 'deploying') and exists (
      -- For each open one, however many the planner expects.
      select from private.deployment_runs as r where r.deployment_id = o.id and r.lease_until < clock_timestamp() offset 0
    )
    order by o.started_at
    limit most
  ) as d;
  -- Another row may use the n8n workflow by now, or a later deployment has found it by its mark.
  delete from private.n8n_removals as r
  where exists (select from clixen.mvp_workflows as w where w.n8n_workflow_id = r.n8n_workflow_id)
    or r.n8n_workflow_id like 'mark:%'
      and exists (select from clixen.mvp_workflows as w where w.id = r.workflow_id and w.n8n_workflow_id is not null);
  due := array(
    select o.n8n_workflow_id
    from private.n8n_removals as o
    where o.due_at < now()
      -- A deployment that is under way may be about to find it by its mark.
      and not exists (
        select from clixen.deployments as d where d.workflow_id = o.workflow_id and d.status in ('pending', 'deploying')
      )
    order by o.due_at
    limit most
  );
  return jsonb_build_object('deployments', stuck, 'removals', to_jsonb(due));
end
$$;
comment on function edge.unfinished_deployments(int) is
  'The deployments and removals that are left to do in n8n. Definer: the edge has no right on any table.';
revoke execute on function edge.unfinished_deployments(int) from public;
grant execute on function edge.unfinished_deployments(int) to edge;

-- Claims a removal for the longest time that it can take: a look through all workflows of n8n, at 15 seconds a page. False if a
-- deployment has taken up the n8n workflow since the removal was listed, or may be about to.
create function edge.claim_removal(n8n_workflow_id text) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  -- Deployments of the workflow wait, and then see the claim.
  perform private.lock_user(w.user_id)
  from private.n8n_removals as r
  join clixen.mvp_workflows as w on w.id = r.workflow_id
  where r.n8n_workflow_id = claim_removal.n8n_workflow_id;
  update private.n8n_removals as r set claimed_until = clock_timestamp() + interval '11 minutes'
  where r.n8n_workflow_id = claim_removal.n8n_workflow_id
    and (r.claimed_until is null or r.claimed_until < clock_timestamp())
    and not exists (
      select from clixen.mvp_workflows as w
      where w.n8n_workflow_id = r.n8n_workflow_id
        or r.n8n_workflow_id like 'mark:%' and w.id = r.workflow_id and w.n8n_workflow_id is not null
    )
    and not exists (
      select from clixen.deployments as d where d.workflow_id = r.workflow_id and d.status in ('pending', 'deploying')
    );
  return found;
end
$$;
comment on function edge.claim_removal(text) is
  'Lets the edge remove a workflow from n8n that no deployment has taken up. Definer: the edge has no right on any table.';
revoke execute on function edge.claim_removal(text) from public;
grant execute on function edge.claim_removal(text) to edge;

-- Whether the caller may have interrupted deployments finished: true for whom it is granted to.
create function clixen.may_finish_deployments() returns boolean
  language sql stable
  set search_path = ''
  as $$ select true $$;
revoke execute on function clixen.may_finish_deployments() from public;
grant execute on function clixen.may_finish_deployments() to service_role;

-- migrate:down
drop function clixen.may_finish_deployments();
drop function edge.claim_removal(text);
drop function edge.unfinished_deployments(int);
drop function edge.finish_deployment(uuid, uuid, jsonb);
drop function edge.note_deployment(uuid, uuid, text);
drop function edge.called_workflow(uuid, uuid, text);
drop function edge.own_workflows(uuid, uuid, text[]);
drop function edge.deployment_workflow(uuid, uuid, boolean);
drop function edge.claim_deployment(uuid);
drop function private.queue_writes_of_deployment(uuid);
