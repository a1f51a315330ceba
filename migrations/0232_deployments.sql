-- 0232: deployments. Each time a workflow is sent to n8n: opened by its owner, carried out by the edge alone, so that nobody can say
-- of a workflow that it is deployed.
-- migrate:up
create table clixen.deployments (
  id                 uuid constraint deployments_pkey primary key default pg_catalog.gen_random_uuid(),
  user_id            uuid not null,
  workflow_id        uuid not null,
  n8n_workflow_id    text,
  deployment_version bigint not null,
  status             text not null default 'pending', -- not an enum, as the status of workflows
  n8n_response       jsonb,
  error_message      text,
  deployment_url     text,
  started_at         timestamptz not null default now(),
  completed_at       timestamptz,
  duration_ms        bigint,
  created_at         timestamptz not null default now(),
  constraint deployments_workflow foreign key (workflow_id, user_id)
    references clixen.mvp_workflows (id, user_id) on delete cascade,
  constraint deployments_status check (status in ('pending', 'deploying', 'deployed', 'failed', 'rolled_back')),
  constraint deployments_deployment_version check (deployment_version > 0),
  constraint deployments_duration_ms check (duration_ms >= 0),
  constraint deployments_error_message_length check (char_length(error_message) <= 2000)
);
comment on table clixen.deployments is 'A workflow sent to n8n once, and what came of it. Written by functions only.';
comment on column clixen.deployments.n8n_workflow_id is 'Null until it is deployed.';
comment on column clixen.deployments.n8n_response is 'What n8n said at the end, or the findings of validation.';
comment on column clixen.deployments.status is 'rolled_back: it was deployed, and an earlier version has taken its place.';

create unique index deployments_version on clixen.deployments (workflow_id, deployment_version);
create index deployments_user_id on clixen.deployments (user_id, created_at desc);
create index deployments_open on clixen.deployments (status, started_at) where status in ('pending', 'deploying');
create unique index deployments_one_at_a_time on clixen.deployments (workflow_id) where status in ('pending', 'deploying');

alter table clixen.deployments enable row level security;
alter table clixen.deployments force row level security;
create policy owner_select on clixen.deployments for select to authenticated
  using (user_id = (select auth.uid()));
grant select on clixen.deployments to authenticated;
grant select, insert, update, delete on clixen.deployments to service_role;
create trigger deployments_erased before insert or update on clixen.deployments
  for each statement execute function private.refuse_erased_caller();
create trigger deployments_filter before update or delete on clixen.deployments
  for each statement execute function private.require_filter();
create trigger deployments_audit after insert or delete or update on clixen.deployments
  for each row execute function private.audit();

-- What a deployment sends, and who is at it.
create table private.deployment_runs (
  deployment_id    uuid constraint deployment_runs_pkey primary key
    constraint deployment_runs_deployment references clixen.deployments on delete cascade,
  workflow         jsonb not null,
  workflow_version bigint not null,
  of_version       bigint,
  lease            uuid,
  lease_until      timestamptz not null default now() + interval '30 seconds',
  attempts         bigint not null default 0
);
comment on table private.deployment_runs is 'The workflow as it was when its deployment was opened, and the lease of whoever carries it out.';
comment on column private.deployment_runs.of_version is 'The deployment that is brought back, where it is a rollback.';
comment on column private.deployment_runs.lease_until is 'Until then nobody else takes it up; whoever has opened it has some seconds to begin.';
alter table private.deployment_runs enable row level security;
alter table private.deployment_runs force row level security;

-- Workflows of n8n that nothing here has any more.
create table private.n8n_removals (
  n8n_workflow_id text constraint n8n_removals_pkey primary key,
  due_at          timestamptz not null default now() + interval '2 minutes',
  attempts        bigint not null default 0
);
comment on table private.n8n_removals is 'Workflows to be taken out of n8n: their rows are gone here, or archived.';
create index n8n_removals_due_at on private.n8n_removals (due_at);
alter table private.n8n_removals enable row level security;
alter table private.n8n_removals force row level security;

-- Trigger: a deleted workflow does not run on in n8n.
create function private.remove_from_n8n() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  insert into private.n8n_removals (n8n_workflow_id)
  -- Of one whose id was never heard of the mark that its name ends in.
  select coalesce(g.n8n_workflow_id, 'mark:' || left(replace(g.id::text, '-', ''), 16))
  from gone as g
  where g.n8n_workflow_id is not null or g.deployment_status <> 'not_deployed'
  on conflict do nothing;
  return null;
end
$$;
create trigger mvp_workflows_remove_from_n8n after delete on clixen.mvp_workflows
  referencing old table as gone
  for each statement execute function private.remove_from_n8n();

-- Trigger: neither does an archived one. Another deployment makes it anew.
create function private.take_down() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  insert into private.n8n_removals (n8n_workflow_id)
  select old.n8n_workflow_id where old.n8n_workflow_id is not null
  on conflict do nothing;
  update clixen.mvp_workflows as w set n8n_workflow_id = null, deployment_status = 'not_deployed', deployment_url = null
  where w.id = new.id;
  return null;
end
$$;
create trigger mvp_workflows_take_down after update of status on clixen.mvp_workflows
  for each row when (new.status = 'archived' and old.status <> 'archived') execute function private.take_down();

insert into private.limit_rules (name, burst, refill, shared) values ('deployments', 30, '10 seconds', 1);

-- Opens the deployment of a workflow as it is now, or, with a version, of one that was deployed before; version 0 stands for the
-- last one that was another. One at a time: one that nobody is at any more gives way. Gives the deployment.
create function clixen.open_deployment(workflow_id uuid, of_version bigint default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := (select auth.uid());
  stored jsonb;
  flow clixen.mvp_workflows;
  made clixen.deployments;
  source private.deployment_runs;
begin
  perform pg_advisory_xact_lock(hashtextextended(caller::text, 220));
  stored := private.idempotency_begin(
    'open_deployment', jsonb_build_object('workflow_id', open_deployment.workflow_id, 'of_version', open_deployment.of_version)
  );
  if stored is not null then
    select * into made from clixen.deployments as d where d.id = (stored ->> 'id')::uuid and d.user_id = caller;
    if found then
      return to_jsonb(made);
    end if;
  end if;

  perform private.limit_caller('deployments');
  select * into flow from clixen.mvp_workflows as w
  where w.id = open_deployment.workflow_id and w.user_id = caller
  for update;
  if not found then
    perform private.refuse(404, 'RG522', 'You have no such workflow', null, 'Take an id of GET /rest/v1/mvp_workflows.');
  end if;
  if flow.status = 'archived' then
    perform private.refuse(409, 'RG523', 'The workflow is archived', null, 'Set its status to draft.');
  end if;

  -- Whoever was at it is gone; what it has done in n8n is found again by name.
  update clixen.deployments as d set
    status = 'failed', completed_at = clock_timestamp(), error_message = 'Interrupted; a later deployment took its place',
    duration_ms = extract(epoch from clock_timestamp() - d.started_at) * 1000
  from private.deployment_runs as r
  where d.workflow_id = flow.id and d.status in ('pending', 'deploying') and r.deployment_id = d.id
    and r.lease_until < clock_timestamp();
  select * into made from clixen.deployments as d
  where d.workflow_id = flow.id and d.status in ('pending', 'deploying');
  if found then
    perform private.refuse(
      409, 'RG524', 'A deployment of this workflow is under way', made.id::text,
      'Wait for it: GET /rest/v1/deployments?id=eq.<id>. With its Idempotency-Key you get its answer.', 5
    );
  end if;

  if open_deployment.of_version is null then
    source.workflow := flow.n8n_workflow_json;
    source.workflow_version := flow.version;
  else
    select r.* into source
    from clixen.deployments as d
    join private.deployment_runs as r on r.deployment_id = d.id
    where d.workflow_id = flow.id and d.status in ('deployed', 'rolled_back') and (
      d.deployment_version = nullif(open_deployment.of_version, 0)
      -- Before the one that serves, and another than that.
      or (open_deployment.of_version = 0 and d.status = 'deployed' and exists (
        select from (
          select l.deployment_version, lr.workflow
          from clixen.deployments as l
          join private.deployment_runs as lr on lr.deployment_id = l.id
          where l.workflow_id = flow.id and l.status = 'deployed'
          order by l.deployment_version desc
          limit 1
        ) as live
        where d.deployment_version < live.deployment_version and r.workflow <> live.workflow
      ))
    )
    order by d.deployment_version desc
    limit 1;
    if not found then
      perform private.refuse(
        404, 'RG525', 'No such version of this workflow was deployed', null,
        'Take a deployment_version of GET /rest/v1/deployments?status=in.(deployed,rolled_back).'
      );
    end if;
    source.of_version := (
      select d.deployment_version from clixen.deployments as d where d.id = source.deployment_id
    );
  end if;

  insert into clixen.deployments (user_id, workflow_id, deployment_version)
  values (
    caller, flow.id,
    (select coalesce(max(d.deployment_version), 0) + 1 from clixen.deployments as d where d.workflow_id = flow.id)
  )
  returning * into made;
  insert into private.deployment_runs (deployment_id, workflow, workflow_version, of_version)
  values (made.id, source.workflow, source.workflow_version, source.of_version);
  update clixen.mvp_workflows as w set
    deployment_status = case when w.last_deployed_at is null then 'deploying' else 'updating' end,
    deployment_error = null
  where w.id = flow.id;
  perform private.idempotency_end('open_deployment', jsonb_build_object('id', made.id));
  return to_jsonb(made);
end
$$;
comment on function clixen.open_deployment(uuid, bigint) is
  'Opens a deployment of a workflow of the caller''s, which the edge then carries out. Definer: nobody writes deployments by hand.';

-- The edge stands in line with what the deployment's user writes.
create function private.queue_writes_of_deployment(deployment_id uuid) returns void
  language sql volatile
  set search_path = ''
  as $$
select pg_advisory_xact_lock(hashtextextended(d.user_id::text, 220))
from clixen.deployments as d
where d.id = queue_writes_of_deployment.deployment_id
$$;

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

-- Notes what came of taking a workflow out. What failed is due again after a pause that doubles.
create function edge.removed_from_n8n(n8n_workflow_id text, is_out boolean) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  if is_out then
    delete from private.n8n_removals as r where r.n8n_workflow_id = removed_from_n8n.n8n_workflow_id;
  else
    update private.n8n_removals as r
    set attempts = r.attempts + 1, due_at = now() + interval '2 minutes' * 2 ^ least(r.attempts, 9)
    where r.n8n_workflow_id = removed_from_n8n.n8n_workflow_id;
  end if;
  return found;
end
$$;
comment on function edge.removed_from_n8n(text, boolean) is 'Notes whether n8n has a workflow no more. Definer: the edge has no right on any table.';

-- What the back office hears from n8n of a workflow's executions.
create function clixen.record_execution(n8n_workflow_id text, finished_at timestamptz, duration_ms bigint) returns boolean
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(w.user_id::text, 220))
  from clixen.mvp_workflows as w where w.n8n_workflow_id = record_execution.n8n_workflow_id;
  update clixen.mvp_workflows as w set
    avg_execution_time_ms =
      (coalesce(w.avg_execution_time_ms, 0) * w.execution_count + greatest(record_execution.duration_ms, 0)) / (w.execution_count + 1),
    execution_count = w.execution_count + 1,
    last_execution_at = greatest(w.last_execution_at, record_execution.finished_at)
  where w.n8n_workflow_id = record_execution.n8n_workflow_id;
  return found;
end
$$;
comment on function clixen.record_execution(text, timestamptz, bigint) is
  'Counts an execution of a deployed workflow: for the back office, whose right on the table it needs.';

-- Whether somebody may have interrupted deployments taken up: whoever may call this.
create function clixen.may_finish_deployments() returns boolean
  language sql stable
  set search_path = ''
  as $$ select true $$;

revoke execute on function clixen.may_finish_deployments() from public;
revoke execute on function private.queue_writes_of_deployment(uuid) from public;
revoke execute on function clixen.open_deployment(uuid, bigint) from public;
revoke execute on function edge.claim_deployment(uuid) from public;
revoke execute on function edge.deployment_workflow(uuid, uuid, boolean) from public;
revoke execute on function edge.own_workflows(uuid, uuid, text[]) from public;
revoke execute on function edge.called_workflow(uuid, uuid, text) from public;
revoke execute on function edge.note_deployment(uuid, uuid, text) from public;
revoke execute on function edge.finish_deployment(uuid, uuid, jsonb) from public;
revoke execute on function edge.unfinished_deployments(int) from public;
revoke execute on function edge.removed_from_n8n(text, boolean) from public;
revoke execute on function clixen.record_execution(text, timestamptz, bigint) from public;
grant execute on function clixen.may_finish_deployments() to service_role;
grant execute on function clixen.open_deployment(uuid, bigint) to authenticated;
grant execute on function edge.claim_deployment(uuid) to edge;
grant execute on function edge.deployment_workflow(uuid, uuid, boolean) to edge;
grant execute on function edge.own_workflows(uuid, uuid, text[]) to edge;
grant execute on function edge.called_workflow(uuid, uuid, text) to edge;
grant execute on function edge.note_deployment(uuid, uuid, text) to edge;
grant execute on function edge.finish_deployment(uuid, uuid, jsonb) to edge;
grant execute on function edge.unfinished_deployments(int) to edge;
grant execute on function edge.removed_from_n8n(text, boolean) to edge;
grant execute on function clixen.record_execution(text, timestamptz, bigint) to service_role;

-- migrate:down
drop function clixen.may_finish_deployments();
drop function clixen.record_execution(text, timestamptz, bigint);
drop function edge.removed_from_n8n(text, boolean);
drop function edge.unfinished_deployments(int);
drop function edge.finish_deployment(uuid, uuid, jsonb);
drop function edge.note_deployment(uuid, uuid, text);
drop function edge.called_workflow(uuid, uuid, text);
drop function edge.own_workflows(uuid, uuid, text[]);
drop function edge.deployment_workflow(uuid, uuid, boolean);
drop function edge.claim_deployment(uuid);
drop function private.queue_writes_of_deployment(uuid);
drop function clixen.open_deployment(uuid, bigint);
delete from private.limit_rules where name = 'deployments';
drop trigger mvp_workflows_take_down on clixen.mvp_workflows;
drop function private.take_down();
drop trigger mvp_workflows_remove_from_n8n on clixen.mvp_workflows;
drop function private.remove_from_n8n();
drop table private.n8n_removals;
drop table private.deployment_runs;
drop table clixen.deployments;
