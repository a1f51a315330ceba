-- 0230: workflows. n8n workflows as their owners have them, each in one of the owner's projects.
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
  -- Not enums: their comparison is not leakproof, and under row-level security finds nothing in an index.
  status                text not null default 'draft',
  version               bigint not null default 1,
  deployment_status     text not null default 'not_deployed',
  deployment_url        text,
  deployment_error      text,
  last_deployed_at      timestamptz,
  execution_count       bigint not null default 0,
  last_execution_at     timestamptz,
  avg_execution_time_ms bigint,
  created_at            timestamptz not null default now(),
  updated_at            timestamptz not null default now(),
  constraint mvp_workflows_id_user_id unique (id, user_id),
  constraint mvp_workflows_project foreign key (project_id, user_id) references clixen.projects (id, user_id) on delete cascade,
  constraint mvp_workflows_name_length check (char_length(name) between 1 and 255),
  constraint mvp_workflows_description_length check (char_length(description) <= 2000),
  constraint mvp_workflows_n8n_workflow_id check (n8n_workflow_id ~ '^[A-Za-z0-9_-]{1,64}$'),
  -- An edge's body has a megabyte; as jsonb it is written with a few spaces more.
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
comment on table clixen.mvp_workflows is 'An n8n workflow of a user: what it is, and how far it has come.';
comment on column clixen.mvp_workflows.status is
  'validated is the owner''s word, and ends with the next change; deployed and failed are said by functions only.';
comment on column clixen.mvp_workflows.version is 'Grows with every change of n8n_workflow_json.';
comment on column clixen.mvp_workflows.deployment_status is 'Of what was last sent to n8n: updating where an earlier one still serves.';

-- The owner is in it at the end, for the policies: else the planner, who does not know that a project has one owner, reads all of the
-- user's workflows beside the project's.
create index mvp_workflows_project on clixen.mvp_workflows (project_id, updated_at desc, id desc, user_id);
create index mvp_workflows_status on clixen.mvp_workflows (user_id, status, created_at desc);
create index mvp_workflows_in_progress on clixen.mvp_workflows (user_id, deployment_status)
  where deployment_status in ('deploying', 'failed', 'updating');
create unique index mvp_workflows_n8n_workflow_id on clixen.mvp_workflows (n8n_workflow_id) where n8n_workflow_id is not null;
create index mvp_workflows_last_deployed_at on clixen.mvp_workflows (user_id, last_deployed_at desc) where last_deployed_at is not null;
create index mvp_workflows_name on clixen.mvp_workflows (project_id, lower(name), user_id);

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

-- Trigger, before each statement: what one user writes happens one after the other. Most of it ends in the counters of the same
-- projects and the same profile, reached by different ways, and would otherwise end in deadlocks. Before each row: so does what the
-- back office adds to what is a user's; a profile that is made meanwhile counts it.
create function private.queue_writes() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  patience constant text := current_setting('lock_timeout');
begin
  if tg_level = 'ROW' then
    perform pg_advisory_xact_lock(hashtextextended(new.user_id::text, 220));
    return new;
  end if;
  if (select auth.uid()) is not null then
    -- Not for long: whoever waits holds a connection that others could use.
    perform set_config('lock_timeout', '1s', true);
    perform pg_advisory_xact_lock(hashtextextended((select auth.uid())::text, 220));
    perform set_config('lock_timeout', patience, true);
  end if;
  return null;
exception
  when lock_not_available then
    perform private.refuse(
      429, 'RG529', 'Your other writes are still under way', null, 'Send fewer at once; try again after the time in Retry-After.', 1
    );
    return null;
end
$$;

-- Trigger: a changed workflow is another version, which nobody has validated yet. What deployments say of it only they say: owners
-- may write the status, but not these words.
create function private.keep_workflow() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  if tg_op = 'UPDATE' and new.n8n_workflow_json is distinct from old.n8n_workflow_json then
    new.version := old.version + 1;
    if new.status = old.status and new.status <> 'archived' then
      new.status := 'draft';
    end if;
  end if;
  if current_user = 'authenticated' and new.status in ('deployed', 'failed')
    and (tg_op = 'INSERT' or new.status is distinct from old.status) then
    raise exception 'permission denied for table %', tg_table_name using
      errcode = 'insufficient_privilege', hint = 'Set draft, validated or archived; POST /v1/workflows/{id}/deploy sets the others.';
  end if;
  return new;
end
$$;

create trigger mvp_workflows_erased before insert or update on clixen.mvp_workflows
  for each statement execute function private.refuse_erased_caller();
create trigger mvp_workflows_filter before update or delete on clixen.mvp_workflows
  for each statement execute function private.require_filter();
create trigger mvp_workflows_queue before insert or update or delete on clixen.mvp_workflows
  for each statement execute function private.queue_writes();
create trigger mvp_workflows_queue_added before insert on clixen.mvp_workflows
  for each row when (auth.uid() is null) execute function private.queue_writes();
create trigger mvp_workflows_keep before insert or update of n8n_workflow_json, status on clixen.mvp_workflows
  for each row execute function private.keep_workflow();
-- Not of what deployments and executions write.
create trigger mvp_workflows_updated_at before update of
    user_id, project_id, name, description, n8n_workflow_json, original_prompt, status
  on clixen.mvp_workflows for each row execute function private.update_updated_at();
create trigger mvp_workflows_audit after insert or delete or update of
    user_id, project_id, name, description, n8n_workflow_id, n8n_workflow_json, original_prompt, status, deployment_status
  on clixen.mvp_workflows for each row execute function private.audit();

create trigger projects_queue before insert or update or delete on clixen.projects
  for each statement execute function private.queue_writes();

-- migrate:down
drop trigger projects_queue on clixen.projects;
drop table clixen.mvp_workflows;
drop function private.keep_workflow();
drop function private.queue_writes();
