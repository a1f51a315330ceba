-- 0230: workflows. n8n workflows as their owners edit them, each in one of the owner's projects.
-- migrate:up
create table clixen.mvp_workflows (
  id                    uuid constraint mvp_workflows_pkey primary key default pg_catalog.gen_random_uuid(),
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  user_id               uuid not null default auth.uid(),
  project_id            uuid not null,
  name                  text not null,
  description           text,
  n8n_workflow_id       text,
  n8n_workflow_json     jsonb not null default '{}',
  original_prompt       text,
  -- Not an enum: its comparison is not leakproof, so row-level security would keep it from using an index.
  status                text not null default 'draft',
  version               bigint not null default 1,
  deployment_status     text not null default 'not_deployed',
  deployment_url        text,
  deployment_error      text,
  last_deployed_at      timestamptz,
  execution_count       bigint not null default 0,
  last_execution_at     timestamptz,
  avg_execution_time_ms double precision,
  created_at            timestamptz not null default now(),
  updated_at            timestamptz not null default now(),
  constraint mvp_workflows_id_user_id unique (id, user_id),
  constraint mvp_workflows_project foreign key (project_id, user_id) references clixen.projects (id, user_id) on delete cascade,
  constraint mvp_workflows_name_length check (char_length(name) between 1 and 255),
  constraint mvp_workflows_description_length check (char_length(description) <= 2000),
  constraint mvp_workflows_n8n_workflow_id check (n8n_workflow_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  -- A request body has at most a megabyte; as jsonb it is written with a few more spaces.
  constraint mvp_workflows_n8n_workflow_json check (
    jsonb_typeof(n8n_workflow_json) = 'object' and octet_length(n8n_workflow_json::text) <= 1572864
  ),
  constraint mvp_workflows_original_prompt_length check (char_length(original_prompt) <= 20000),
  constraint mvp_workflows_status check (status in ('draft', 'validated', 'deployed', 'failed', 'archived')),
  constraint mvp_workflows_deployment_status check (
    deployment_status in ('not_deployed', 'deploying', 'deployed', 'failed', 'updating')
  ),
  constraint mvp_workflows_version check (version > 0),
  constraint mvp_workflows_executions check (execution_count >= 0 and avg_execution_time_ms >= 0)
);
comment on table clixen.mvp_workflows is 'An n8n workflow of a user and its deployment status.';
comment on column clixen.mvp_workflows.status is
  'validated is the owner''s word, and ends with the next change that does not repeat it; deployed and failed are said by functions only.';
comment on column clixen.mvp_workflows.version is 'Grows with every change of n8n_workflow_json.';
comment on column clixen.mvp_workflows.last_deployed_at is 'Null while no version serves: before the first deployment, and after it was archived.';
comment on column clixen.mvp_workflows.avg_execution_time_ms is 'With fractions: rounded after each of many executions it would drift away from their mean.';
comment on column clixen.mvp_workflows.deployment_status is 'The status of the last deployment: updating if an earlier one still serves.';

-- The owner is a column of it for the policies: the planner does not know that a project has one owner, and would otherwise also
-- read all of the user's workflows. Right after the project, so that it is also the cheapest one for a planner without statistics.
create index mvp_workflows_project on clixen.mvp_workflows (project_id, user_id, updated_at desc, id desc);
-- With the id, by which lists end: what need not be sorted is read in order also where the planner takes it for a few rows.
create index mvp_workflows_status on clixen.mvp_workflows (user_id, status, created_at desc, id desc);
create index mvp_workflows_in_progress on clixen.mvp_workflows (user_id, deployment_status)
  where deployment_status in ('deploying', 'failed', 'updating');
create unique index mvp_workflows_n8n_workflow_id on clixen.mvp_workflows (n8n_workflow_id) where n8n_workflow_id is not null;
create index mvp_workflows_last_deployed_at on clixen.mvp_workflows (user_id, last_deployed_at desc) where last_deployed_at is not null;
create index mvp_workflows_name on clixen.mvp_workflows (project_id, user_id, lower(name));

alter table clixen.mvp_workflows enable row level security;
alter table clixen.mvp_workflows force row level security;
create policy owner_select on clixen.mvp_workflows for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on clixen.mvp_workflows for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on clixen.mvp_workflows for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on clixen.mvp_workflows for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on clixen.mvp_workflows to authenticated;
grant insert (user_id, project_id, name, description, n8n_workflow_json, original_prompt, status) on clixen.mvp_workflows
  to authenticated;
grant update (project_id, name, description, n8n_workflow_json, original_prompt, status) on clixen.mvp_workflows to authenticated;
grant select, insert, update, delete on clixen.mvp_workflows to service_role;
select private.scope_table('clixen.mvp_workflows');
select private.limit_writes('clixen.mvp_workflows', 'clixen', true);

-- Trigger of statements that set the status, before private.set_workflow_version: where the changed workflow is said to be validated, it makes
-- the new version, and the status stays. A row does not show whether a statement has set a column to the value that it had.
create function private.keep_validated() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  if new.n8n_workflow_json is distinct from old.n8n_workflow_json then
    new.version := old.version + 1;
  end if;
  return new;
end
$$;

-- Trigger: a change of the workflow is a new version, which is not validated unless the same statement says so. Owners may write the status,
-- but only deployments set deployed and failed.
create function private.set_workflow_version() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  if tg_op = 'UPDATE' and new.n8n_workflow_json is distinct from old.n8n_workflow_json then
    if new.status = old.status and new.status <> 'archived' and not (new.status = 'validated' and new.version > old.version) then
      new.status := 'draft';
    end if;
    new.version := old.version + 1;
  end if;
  if current_user = 'authenticated' and new.status in ('deployed', 'failed')
    and (tg_op = 'INSERT' or new.status is distinct from old.status) then
    raise exception 'permission denied for table %', tg_table_name using
      errcode = 'insufficient_privilege', hint = 'Set draft, validated or archived; POST /v1/workflows/{id}/deploy sets the others.';
  end if;
  return new;
end
$$;

-- Trigger: counts the workflows of projects and users.
create function clixen.update_mvp_workflow_counters() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  changes private.row_change[] := '{}';
begin
  if tg_op <> 'DELETE' then
    changes := array(select row(n.project_id, n.user_id, n.created_at, 1)::private.row_change from new_rows as n);
  end if;
  if tg_op <> 'INSERT' then
    changes := changes || array(select row(o.project_id, o.user_id, o.created_at, -1)::private.row_change from old_rows as o);
  end if;
  update clixen.projects as p set workflow_count = p.workflow_count + n.change
  from (
    select c.parent_id, sum(c.change) as change from unnest(changes) as c group by c.parent_id having sum(c.change) <> 0
  ) as n
  where p.id = n.parent_id;
  perform private.count_for_profiles('workflows', changes);
  return null;
end
$$;
comment on function clixen.update_mvp_workflow_counters() is
  'Trigger of workflows. Definer: counters and totals are not the user''s to write.';
revoke execute on function clixen.update_mvp_workflow_counters() from public;

create trigger mvp_workflows_erased before insert or update on clixen.mvp_workflows
  for each statement execute function private.refuse_erased_caller();
create trigger mvp_workflows_filter before update or delete on clixen.mvp_workflows
  for each statement execute function private.require_filter();
create trigger mvp_workflows_queue before insert or update or delete on clixen.mvp_workflows
  for each statement execute function private.queue_writes();
create trigger mvp_workflows_queue_added before insert on clixen.mvp_workflows
  for each row when (auth.uid() is null) execute function private.queue_writes();
-- By its name the first of the two.
create trigger mvp_workflows_before_keep before update of status on clixen.mvp_workflows
  for each row when (new.status = 'validated' and old.status = 'validated') execute function private.keep_validated();
create trigger mvp_workflows_keep before insert or update of n8n_workflow_json, status on clixen.mvp_workflows
  for each row execute function private.set_workflow_version();
-- Not for the columns that deployments and executions write.
create trigger mvp_workflows_updated_at before update of
    user_id, project_id, name, description, n8n_workflow_json, original_prompt, status
  on clixen.mvp_workflows for each row execute function private.update_updated_at();
create trigger mvp_workflows_audit after insert or delete or update of
    user_id, project_id, name, description, n8n_workflow_id, n8n_workflow_json, original_prompt, status, deployment_status
  on clixen.mvp_workflows for each row execute function private.audit();
create trigger mvp_workflows_remove_from_n8n after delete on clixen.mvp_workflows
  referencing old table as old_rows
  for each statement execute function private.queue_n8n_removal();
-- Also where a deployment that began before the workflow was archived ends after it.
create trigger mvp_workflows_take_down after update of status, deployment_status on clixen.mvp_workflows
  for each row when (
    new.status = 'archived' and (old.status <> 'archived' or new.deployment_status in ('deployed', 'failed'))
  ) execute function private.queue_n8n_removal_of_archived();
create trigger mvp_workflows_watch_deletes after delete on clixen.mvp_workflows referencing old table as old_rows
  for each statement execute function private.watch_deletes();
create trigger mvp_workflows_watch_owner after update of user_id on clixen.mvp_workflows
  for each row when (old.user_id <> new.user_id) execute function private.watch_owner();
-- One trigger for each kind of statement: a trigger of several kinds cannot have old_rows and new_rows.
create trigger mvp_workflows_counters_insert after insert on clixen.mvp_workflows referencing new table as new_rows
  for each statement execute function clixen.update_mvp_workflow_counters();
create trigger mvp_workflows_counters_update after update on clixen.mvp_workflows referencing old table as old_rows new table as new_rows
  for each statement execute function clixen.update_mvp_workflow_counters();
create trigger mvp_workflows_counters_delete after delete on clixen.mvp_workflows referencing old table as old_rows
  for each statement execute function clixen.update_mvp_workflow_counters();
create trigger mvp_workflows_activity_insert after insert on clixen.mvp_workflows referencing new table as new_rows
  for each statement execute function clixen.update_project_activity();
create trigger mvp_workflows_activity_update after update on clixen.mvp_workflows referencing old table as old_rows new table as new_rows
  for each statement execute function clixen.update_project_activity();
create trigger mvp_workflows_activity_delete after delete on clixen.mvp_workflows referencing old table as old_rows
  for each statement execute function clixen.update_project_activity();

select private.index_mentions('clixen.mvp_workflows', array[
  'name', 'description', 'n8n_workflow_json', 'original_prompt', 'deployment_error', 'deployment_url'
]);
select private.track_changes('clixen.mvp_workflows', 'array[user_id]');

-- Counts an execution that n8n has reported to service_role.
create function clixen.record_execution(n8n_workflow_id text, finished_at timestamptz, duration_ms bigint) returns boolean
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  -- As private.lock_user does, which service_role may not call.
  perform pg_advisory_xact_lock(hashtextextended(w.user_id::text, 220))
  from clixen.mvp_workflows as w where w.n8n_workflow_id = record_execution.n8n_workflow_id;
  update clixen.mvp_workflows as w set
    avg_execution_time_ms = coalesce(w.avg_execution_time_ms, 0)
      + (greatest(record_execution.duration_ms, 0) - coalesce(w.avg_execution_time_ms, 0)) / (w.execution_count + 1),
    execution_count = w.execution_count + 1,
    last_execution_at = greatest(w.last_execution_at, record_execution.finished_at)
  where w.n8n_workflow_id = record_execution.n8n_workflow_id;
  return found;
end
$$;
comment on function clixen.record_execution(text, timestamptz, bigint) is
  'Counts an execution of a deployed workflow. For service_role, with its own right on the table.';
revoke execute on function clixen.record_execution(text, timestamptz, bigint) from public;
grant execute on function clixen.record_execution(text, timestamptz, bigint) to service_role;

-- migrate:down
delete from private.mention_places where relation = 'clixen.mvp_workflows';
select private.untrack_changes('clixen.mvp_workflows');
drop function clixen.record_execution(text, timestamptz, bigint);
drop table clixen.mvp_workflows;
drop function clixen.update_mvp_workflow_counters();
drop function private.set_workflow_version();
drop function private.keep_validated();
