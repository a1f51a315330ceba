-- 0231: chat sessions. Conversations in which a user describes an automation.
-- migrate:up
create table clixen.mvp_chat_sessions (
  id                uuid constraint mvp_chat_sessions_pkey primary key default pg_catalog.gen_random_uuid(),
  user_id           uuid not null default auth.uid(),
  project_id        uuid not null,
  workflow_id       uuid,
  title             text not null default 'New chat',
  status            text not null default 'active', -- not an enum, as the status of workflows
  message_count     bigint not null default 0,
  last_message_at   timestamptz,
  workflow_created  boolean not null default false,
  workflow_deployed boolean not null default false,
  user_satisfied    boolean,
  created_at        timestamptz not null default now(),
  updated_at        timestamptz not null default now(),
  constraint mvp_chat_sessions_id_user_id unique (id, user_id),
  constraint mvp_chat_sessions_project foreign key (project_id, user_id) references clixen.projects (id, user_id) on delete cascade,
  constraint mvp_chat_sessions_workflow foreign key (workflow_id, user_id)
    references clixen.mvp_workflows (id, user_id) on delete set null (workflow_id),
  constraint mvp_chat_sessions_title_length check (char_length(title) between 1 and 200),
  constraint mvp_chat_sessions_status check (status in ('active', 'completed', 'archived')),
  constraint mvp_chat_sessions_message_count check (message_count >= 0)
);
comment on table clixen.mvp_chat_sessions is 'A conversation that should end in a workflow.';
comment on column clixen.mvp_chat_sessions.workflow_created is 'Whether it has ever had a workflow.';
comment on column clixen.mvp_chat_sessions.workflow_deployed is 'Whether its workflow was ever deployed while it was the session''s.';

-- The owner is the last column, as in the index of workflows.
create index mvp_chat_sessions_project on clixen.mvp_chat_sessions (project_id, last_message_at desc, id desc, user_id);
create index mvp_chat_sessions_workflow_id on clixen.mvp_chat_sessions (workflow_id, user_id) where workflow_id is not null;
create index mvp_chat_sessions_status on clixen.mvp_chat_sessions (user_id, status, last_message_at desc);

alter table clixen.mvp_chat_sessions enable row level security;
alter table clixen.mvp_chat_sessions force row level security;
create policy owner_select on clixen.mvp_chat_sessions for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on clixen.mvp_chat_sessions for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on clixen.mvp_chat_sessions for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on clixen.mvp_chat_sessions for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on clixen.mvp_chat_sessions to authenticated;
grant insert (user_id, project_id, workflow_id, title, status, user_satisfied) on clixen.mvp_chat_sessions to authenticated;
grant update (project_id, workflow_id, title, status, user_satisfied) on clixen.mvp_chat_sessions to authenticated;
grant select, insert, update, delete on clixen.mvp_chat_sessions to service_role;
select private.scope_table('clixen.mvp_chat_sessions');
select private.limit_writes('clixen.mvp_chat_sessions', 'clixen', true);

-- Trigger: remembers whether the session has had a workflow, and a deployed one.
create function private.mark_chat_session() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  is_deployed boolean;
begin
  if new.workflow_id is not null then
    -- Waits for a deployment that is just ending: what service_role does is not serialized with it.
    select w.last_deployed_at is not null into is_deployed from clixen.mvp_workflows as w
    where w.id = new.workflow_id and w.user_id = new.user_id
    for share;
    new.workflow_created := true;
    new.workflow_deployed := new.workflow_deployed or coalesce(is_deployed, false);
  end if;
  return new;
end
$$;

-- Trigger: a workflow that is deployed marks the sessions that have it, after it has waited for a statement of service_role that is giving it to one.
create function private.mark_sessions_of_workflow() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  update clixen.mvp_chat_sessions as s set workflow_deployed = true where s.workflow_id = new.id and not s.workflow_deployed;
  return null;
end
$$;
revoke execute on function private.mark_sessions_of_workflow() from public;
create trigger mvp_workflows_mark_sessions after update of last_deployed_at on clixen.mvp_workflows
  for each row when (new.last_deployed_at is not null) execute function private.mark_sessions_of_workflow();

create trigger mvp_chat_sessions_erased before insert or update on clixen.mvp_chat_sessions
  for each statement execute function private.refuse_erased_caller();
create trigger mvp_chat_sessions_filter before update or delete on clixen.mvp_chat_sessions
  for each statement execute function private.require_filter();
create trigger mvp_chat_sessions_queue before insert or update or delete on clixen.mvp_chat_sessions
  for each statement execute function private.queue_writes();
create trigger mvp_chat_sessions_queue_added before insert on clixen.mvp_chat_sessions
  for each row when (auth.uid() is null) execute function private.queue_writes();
create trigger mvp_chat_sessions_keep before insert or update of workflow_id on clixen.mvp_chat_sessions
  for each row execute function private.mark_chat_session();
create trigger mvp_chat_sessions_updated_at before update of user_id, project_id, workflow_id, title, status, user_satisfied
  on clixen.mvp_chat_sessions for each row execute function private.update_updated_at();
create trigger mvp_chat_sessions_audit after insert or delete or update of user_id, project_id, workflow_id, title, status
  on clixen.mvp_chat_sessions for each row execute function private.audit();
create trigger mvp_chat_sessions_watch_deletes after delete on clixen.mvp_chat_sessions referencing old table as old_rows
  for each statement execute function private.watch_deletes();
-- One trigger for each kind of statement: a trigger of several kinds cannot have old_rows and new_rows.
create trigger mvp_chat_sessions_activity_insert after insert on clixen.mvp_chat_sessions referencing new table as new_rows
  for each statement execute function clixen.update_project_activity();
create trigger mvp_chat_sessions_activity_update after update on clixen.mvp_chat_sessions referencing old table as old_rows new table as new_rows
  for each statement execute function clixen.update_project_activity();
create trigger mvp_chat_sessions_activity_delete after delete on clixen.mvp_chat_sessions referencing old table as old_rows
  for each statement execute function clixen.update_project_activity();

select private.index_mentions('clixen.mvp_chat_sessions', array['title']);
select private.track_changes('clixen.mvp_chat_sessions', 'array[user_id]');

-- migrate:down
delete from private.mention_places where relation = 'clixen.mvp_chat_sessions';
select private.untrack_changes('clixen.mvp_chat_sessions');
drop trigger mvp_workflows_mark_sessions on clixen.mvp_workflows;
drop function private.mark_sessions_of_workflow();
drop table clixen.mvp_chat_sessions;
drop function private.mark_chat_session();
