-- 0240: deployments. Each time a workflow is sent to n8n: opened by its owner, carried out by the edge alone, so that no user can claim
-- that a workflow is deployed.
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
comment on table clixen.deployments is 'One attempt to deploy a workflow to n8n, and its outcome. Written by functions only.';
comment on column clixen.deployments.n8n_workflow_id is 'Null until it is deployed.';
comment on column clixen.deployments.n8n_response is 'The last answer of n8n, or the findings of the validation.';
comment on column clixen.deployments.status is 'rolled_back: it was deployed, and a rollback has replaced it by an earlier version.';

-- With the user, who is one for each workflow, for the foreign key: without statistics the planner would also read all of the user's deployments.
create unique index deployments_version on clixen.deployments (workflow_id, deployment_version, user_id);
create index deployments_user_id on clixen.deployments (user_id, created_at desc);
create index deployments_open on clixen.deployments (started_at) where status in ('pending', 'deploying');
create unique index deployments_one_at_a_time on clixen.deployments (workflow_id) where status in ('pending', 'deploying');

alter table clixen.deployments enable row level security;
alter table clixen.deployments force row level security;
create policy owner_select on clixen.deployments for select to authenticated
  using (user_id = (select auth.uid()));
grant select on clixen.deployments to authenticated;
grant select, insert, update, delete on clixen.deployments to service_role;
select private.scope_table('clixen.deployments');

-- Trigger: counts the successful deployments of users, and marks chat sessions whose workflow was deployed.
create function clixen.update_deployment_counters() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  served constant text[] := '{deployed,rolled_back}';
  changes private.row_change[] := '{}';
begin
  if tg_op <> 'DELETE' then
    changes := array(
      select row(null, n.user_id, coalesce(n.completed_at, n.created_at), 1)::private.row_change
      from new_rows as n where n.status = any (served)
    );
  end if;
  if tg_op <> 'INSERT' then
    changes := changes || array(
      select row(null, o.user_id, coalesce(o.completed_at, o.created_at), -1)::private.row_change
      from old_rows as o where o.status = any (served)
    );
  end if;
  perform private.count_for_profiles('deployments', changes);
  if tg_op <> 'DELETE' then
    update clixen.mvp_chat_sessions as s set workflow_deployed = true
    from new_rows as n
    where n.status = 'deployed' and s.workflow_id = n.workflow_id and s.user_id = n.user_id and not s.workflow_deployed;
  end if;
  return null;
end
$$;
comment on function clixen.update_deployment_counters() is
  'Trigger of deployments. Definer: totals are not the user''s to write.';
revoke execute on function clixen.update_deployment_counters() from public;

-- Trigger: n8n refused the edge's API key.
create function private.watch_deployment() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if new.n8n_response -> 'status' in ('401', '403') then
    perform private.note_security_event('n8n_refused_key', new.user_id, jsonb_build_object('deployment', new.id));
  end if;
  return null;
end
$$;

create trigger deployments_erased before insert or update on clixen.deployments
  for each statement execute function private.refuse_erased_caller();
create trigger deployments_filter before update or delete on clixen.deployments
  for each statement execute function private.require_filter();
create trigger deployments_audit after insert or delete or update on clixen.deployments
  for each row execute function private.audit();
create trigger deployments_watch after update of status on clixen.deployments
  for each row when (new.status = 'failed') execute function private.watch_deployment();
-- One trigger for each kind of statement: a trigger of several kinds cannot have old_rows and new_rows.
create trigger deployments_counters_insert after insert on clixen.deployments referencing new table as new_rows
  for each statement execute function clixen.update_deployment_counters();
create trigger deployments_counters_update after update on clixen.deployments referencing old table as old_rows new table as new_rows
  for each statement execute function clixen.update_deployment_counters();
create trigger deployments_counters_delete after delete on clixen.deployments referencing old table as old_rows
  for each statement execute function clixen.update_deployment_counters();

select private.index_mentions('clixen.deployments', array['n8n_response', 'error_message', 'deployment_url']);

-- What a deployment sends, and which worker carries it out.
create table private.deployment_runs (
  deployment_id    uuid constraint deployment_runs_pkey primary key
    constraint deployment_runs_deployment references clixen.deployments on delete cascade,
  -- By this name private.mentions knows a row.
  id               uuid generated always as (deployment_id) stored,
  workflow_id      uuid not null,
  workflow         jsonb not null,
  workflow_version bigint not null,
  of_version       bigint,
  lease            uuid,
  lease_until      timestamptz not null default now() + interval '30 seconds',
  attempts         bigint not null default 0
);
comment on table private.deployment_runs is
  'The workflow as it was when its deployment was opened, and the lease of the worker that carries it out. A failed deployment has none; of those that served, the copies stay that a rollback can restore.';
comment on column private.deployment_runs.of_version is 'The version that a rollback restores.';
comment on column private.deployment_runs.lease_until is 'Until then no other worker takes it up; the one that opened it has some seconds to begin.';

create index deployment_runs_workflow_id on private.deployment_runs (workflow_id);

alter table private.deployment_runs enable row level security;
alter table private.deployment_runs force row level security;

select private.index_mentions('private.deployment_runs', array['workflow']);

-- Deletes copies of a workflow that no rollback needs: of those that served, the latest 20 stay, and of the ones before them the one that a
-- rollback without a version restores, if it is not among these.
create function private.forget_old_copies(workflow_id uuid) returns void
  language sql volatile
  set search_path = ''
  as $$
with served as materialized (
  select r.deployment_id, r.workflow, d.status, row_number() over (order by d.deployment_version desc) as place
  from private.deployment_runs as r
  -- Of the workflow's copies only, however many deployments the planner expects to have served.
  cross join lateral (select o.status, o.deployment_version from clixen.deployments as o where o.id = r.deployment_id offset 0) as d
  where r.workflow_id = forget_old_copies.workflow_id and d.status in ('deployed', 'rolled_back')
)
delete from private.deployment_runs as r
using served as s, served as live
where r.deployment_id = s.deployment_id and s.place > 20 and live.place = 1 and (
  s.status <> 'deployed' or s.workflow = live.workflow
  or exists (select from served as o where o.place < s.place and o.status = 'deployed' and o.workflow <> live.workflow)
)
$$;
revoke execute on function private.forget_old_copies(uuid) from public;

insert into private.limit_rules (name, burst, refill, shared) values ('deployments', 30, '10 seconds', 1);

-- Opens a deployment of a workflow as it is now, or, with a version, of one that was deployed before; version 0 stands for the
-- latest one with another content. One at a time: it replaces one whose lease has ended. Returns the deployment.
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
  perform private.lock_user(caller);
  stored := private.idempotency_begin(
    'clixen.open_deployment', jsonb_build_object('workflow_id', open_deployment.workflow_id, 'of_version', open_deployment.of_version)
  );
  if stored is not null then
    select * into made from clixen.deployments as d where d.id = (stored ->> 'id')::uuid and d.user_id = caller;
    if found then
      return to_jsonb(made);
    end if;
  end if;

  perform private.limit_caller('deployments');
  perform private.require_allowance('clixen');
  select * into flow from clixen.mvp_workflows as w
  where w.id = open_deployment.workflow_id and w.user_id = caller
  for update;
  if not found then
    perform private.refuse(404, 'RG522', 'You have no such workflow', null, 'Take an id of GET /rest/v1/mvp_workflows.');
  end if;
  if flow.status = 'archived' then
    perform private.refuse(409, 'RG523', 'The workflow is archived', null, 'Set its status to draft.');
  end if;

  -- The worker of an ended lease has stopped; what it created in n8n is found again by name.
  update clixen.deployments as d set
    status = 'failed', completed_at = clock_timestamp(), error_message = 'Interrupted; a later deployment took its place',
    duration_ms = extract(epoch from clock_timestamp() - d.started_at) * 1000
  from private.deployment_runs as r
  where d.workflow_id = flow.id and d.status in ('pending', 'deploying') and r.deployment_id = d.id
    and r.lease_until < clock_timestamp();
  delete from private.deployment_runs as r
  where r.workflow_id = flow.id and exists (
    -- Of the workflow's copies only, however many deployments the planner expects to have failed.
    select from clixen.deployments as d where d.id = r.deployment_id and d.status = 'failed' offset 0
  );
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
      -- An earlier version than the one that serves, with another content.
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
  insert into private.deployment_runs (deployment_id, workflow_id, workflow, workflow_version, of_version)
  values (made.id, flow.id, source.workflow, source.workflow_version, source.of_version);
  update clixen.mvp_workflows as w set
    deployment_status = case when w.last_deployed_at is null then 'deploying' else 'updating' end,
    deployment_error = null
  where w.id = flow.id;
  perform private.idempotency_end('clixen.open_deployment', jsonb_build_object('id', made.id));
  perform private.use_allowance('clixen', pg_column_size(source.workflow), 1);
  return to_jsonb(made);
end
$$;
comment on function clixen.open_deployment(uuid, bigint) is
  'Opens a deployment of one of the caller''s workflows, which the edge then carries out. Definer: users may not write deployments.';
revoke execute on function clixen.open_deployment(uuid, bigint) from public;
grant execute on function clixen.open_deployment(uuid, bigint) to authenticated;

-- migrate:down
delete from private.limit_rules where name = 'deployments';
delete from private.mention_places where relation in ('clixen.deployments', 'private.deployment_runs');
drop function clixen.open_deployment(uuid, bigint);
drop function private.forget_old_copies(uuid);
drop table private.deployment_runs;
drop table clixen.deployments;
drop function private.watch_deployment();
drop function clixen.update_deployment_counters();
