-- 0413: tool calls of observatory: what an agent's tools were asked and what they answered.
-- migrate:up
create table observatory.tool_calls (
  id               uuid constraint tool_calls_pkey primary key default gen_random_uuid(),
  project_id       uuid not null,
  conversation_id  uuid not null,
  owner_id         uuid not null default auth.uid(),
  message_id       uuid,
  tool_use_id      text not null,
  tool_name        text not null,
  input            jsonb,
  output           text,
  output_truncated boolean not null default false,
  status           text not null default 'pending',
  is_error         boolean not null default false,
  is_copy          boolean not null default false,
  error_message    text,
  started_at       timestamptz,
  completed_at     timestamptz,
  duration_ms      bigint,
  duration_source  text,
  file_path        text,
  spawned_agent_id text,
  metadata         jsonb not null default '{}',
  -- The clock's time, not the transaction's: a row that is stored after a share link was created must be later than the link.
  created_at       timestamptz not null default clock_timestamp(),
  updated_at       timestamptz not null default clock_timestamp(),
  constraint tool_calls_conversation foreign key (conversation_id, project_id)
    references observatory.conversations (id, project_id) on update cascade on delete cascade,
  constraint tool_calls_message foreign key (message_id) references observatory.messages (id) on delete cascade,
  constraint tool_calls_use unique (conversation_id, tool_use_id),
  constraint tool_calls_tool_use_id check (char_length(tool_use_id) between 1 and 200),
  constraint tool_calls_tool_name check (char_length(tool_name) between 1 and 200),
  constraint tool_calls_input check (octet_length(input::text) <= 1048576),
  constraint tool_calls_output check (octet_length(output) <= 1048576),
  constraint tool_calls_status check (status in ('pending', 'completed', 'failed', 'rejected', 'interrupted')),
  constraint tool_calls_error_message check (char_length(error_message) <= 20000),
  constraint tool_calls_duration check (duration_ms >= 0 and (duration_ms is null) = (duration_source is null)),
  constraint tool_calls_duration_source check (duration_source in ('hook', 'result', 'pair')),
  constraint tool_calls_file_path check (char_length(file_path) <= 1024),
  constraint tool_calls_spawned_agent_id check (char_length(spawned_agent_id) <= 200),
  constraint tool_calls_metadata check (jsonb_typeof(metadata) = 'object' and pg_column_size(metadata) <= 65536)
);
comment on table observatory.tool_calls is 'Calls of tools, each once in its conversation.';
comment on column observatory.tool_calls.message_id is 'Null until the transcript is stored: hooks report a call earlier.';
comment on column observatory.tool_calls.output is 'At most 256 KB; output_truncated says that there is more.';
comment on column observatory.tool_calls.updated_at is 'When the result of the call was last stored.';
comment on column observatory.tool_calls.duration_source is
  'Where the duration is from, the best first: hook (the agent measured it), result (the tool''s result says it), pair (from one event to the other).';

-- With the project, as messages_order: for each message, a list of messages with their calls would also read all calls of the caller's projects.
create index tool_calls_message on observatory.tool_calls (message_id, project_id);
create index tool_calls_by_name on observatory.tool_calls (project_id, tool_name, started_at desc);
-- With the project, as messages_order.
create index tool_calls_started on observatory.tool_calls (conversation_id, started_at, id, project_id);
create index tool_calls_errors on observatory.tool_calls (project_id, started_at desc) where is_error;
create index tool_calls_slowest on observatory.tool_calls (tool_name, duration_ms desc) where duration_ms is not null;
create index tool_calls_owner on observatory.tool_calls (owner_id);
create index tool_calls_spawned on observatory.tool_calls (owner_id, spawned_agent_id) where spawned_agent_id is not null;
create index tool_calls_spawned_agents on observatory.tool_calls (conversation_id, spawned_agent_id) where spawned_agent_id is not null;
-- Calls whose outputs are in files of their own (0423).
create index tool_calls_persisted on observatory.tool_calls (conversation_id) where metadata ? 'persisted_output_path';
create index tool_calls_by_file on observatory.tool_calls (project_id, file_path) where file_path is not null;

alter table observatory.tool_calls enable row level security;
alter table observatory.tool_calls force row level security;
create policy member_select on observatory.tool_calls for select to authenticated
  using (
    project_id = any ((select observatory.visible_projects())::uuid[])
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
  );
create policy editor_insert on observatory.tool_calls for insert to authenticated
  with check (
    project_id = any ((select observatory.editable_projects())::uuid[]) and owner_id = (select auth.uid())
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
    -- So that nobody can attach a call to a message of another project.
    and (message_id is null or exists (
      select from observatory.messages as m where m.id = tool_calls.message_id and m.conversation_id = tool_calls.conversation_id
    ))
  );
create policy editor_update on observatory.tool_calls for update to authenticated
  using (project_id = any ((select observatory.editable_projects())::uuid[]))
  with check (project_id = any ((select observatory.editable_projects())::uuid[]));
create policy owner_delete on observatory.tool_calls for delete to authenticated
  using (project_id = any ((select observatory.owned_projects())::uuid[]));
grant select, delete on observatory.tool_calls to authenticated;
grant insert (
  project_id, conversation_id, message_id, tool_use_id, tool_name, input, output, status, is_error, error_message, started_at, completed_at,
  file_path, metadata
) on observatory.tool_calls to authenticated;
grant update (output, status, is_error, error_message, completed_at, metadata) on observatory.tool_calls to authenticated;
grant select, insert, update, delete on observatory.tool_calls to service_role;
select private.scope_table('observatory.tool_calls', array['insert', 'update', 'delete']);
select private.limit_writes('observatory.tool_calls', 'observatory', true);

-- Trigger: sets updated_at to the time of the clock when the result of a call is stored.
create function private.stamp_tool_call() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  new.updated_at := clock_timestamp();
  return new;
end
$$;
revoke execute on function private.stamp_tool_call() from public;

create trigger tool_calls_erased before insert or update on observatory.tool_calls
  for each statement execute function private.refuse_erased_caller();
create trigger tool_calls_keep before update of owner_id on observatory.tool_calls
  for each row when (current_user = 'authenticated' and new.owner_id <> old.owner_id) execute function private.refuse_another_user();
create trigger tool_calls_filter before update or delete on observatory.tool_calls
  for each statement execute function private.require_filter();
-- Not when the call becomes a copy or gets a duration: a share link shows only results that are older than the link.
create trigger tool_calls_updated_at before update on observatory.tool_calls
  for each row when (
    (old.output, old.status, old.is_error, old.error_message, old.completed_at)
    is distinct from (new.output, new.status, new.is_error, new.error_message, new.completed_at)
  ) execute function private.stamp_tool_call();
create trigger tool_calls_redact
  before insert or update of tool_use_id, tool_name, input, output, error_message, file_path, metadata on observatory.tool_calls
  for each row when (current_user in ('authenticated', 'service_role')) execute function private.redact_direct_write(
    'tool_use_id', 'tool_name', 'input', 'output', 'error_message', 'file_path', 'metadata'
  );

-- Only the beginning of long texts: the whole text would cost a fifth of the time of an upload.
select private.index_mentions(
  'observatory.tool_calls', array['input', 'output', 'error_message', 'file_path', 'metadata'], 'redact',
  -- left() walks through the whole of a text.
  'private.contacts_in(array[left(input::text, 20000), case when octet_length(output) <= 20000 then output else left(output, 20000) end, error_message, file_path, left(metadata::text, 20000)])'
);
-- A GIN index has an entry for a row without contacts, too: uploads collect them, as one by one they take three times as long.
alter index observatory.tool_calls_mentions set (fastupdate = on, gin_pending_list_limit = 256);

-- migrate:down
delete from private.mention_places where relation = 'observatory.tool_calls';
drop table observatory.tool_calls;
drop function private.stamp_tool_call();
