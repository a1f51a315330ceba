-- 0411: messages of observatory: the entries of conversations, each once in its conversation. What is searched stands beside them (0412).
-- migrate:up
create table observatory.messages (
  id                    uuid constraint messages_pkey primary key default gen_random_uuid(),
  project_id            uuid not null,
  conversation_id       uuid not null,
  owner_id              uuid not null default auth.uid(),
  entry_uuid            text not null,
  parent_uuid           text,
  parent_id             uuid,
  depth                 bigint not null default 0,
  branch                bigint not null default 0,
  seq                   bigint not null default (extract(epoch from clock_timestamp()) * 1000000)::bigint,
  entry_type            text not null,
  role                  text,
  is_sidechain          boolean not null default false,
  is_meta               boolean not null default false,
  is_copy               boolean not null default false,
  agent_id              text,
  api_message_id        text,
  request_id            text,
  model                 text,
  stop_reason           text,
  content               text,
  content_blocks        jsonb,
  input_tokens          bigint not null default 0,
  output_tokens         bigint not null default 0,
  cache_read_tokens     bigint not null default 0,
  cache_creation_tokens bigint not null default 0,
  redaction_count       bigint not null default 0,
  forked_from           text,
  file_id               uuid,
  occurred_at           timestamptz not null default now(),
  -- The clock's time, not the transaction's: a row that is stored after a share link was created must be later than the link.
  created_at            timestamptz not null default clock_timestamp(),
  metadata              jsonb not null default '{}',
  constraint messages_conversation foreign key (conversation_id, project_id)
    references observatory.conversations (id, project_id) on update cascade on delete cascade,
  constraint messages_parent foreign key (parent_id) references observatory.messages (id) on delete set null,
  constraint messages_entry unique (conversation_id, entry_uuid),
  constraint messages_not_its_parent check (parent_id <> id),
  constraint messages_entry_uuid check (char_length(entry_uuid) between 1 and 200),
  constraint messages_parent_uuid check (char_length(parent_uuid) <= 200),
  constraint messages_depth check (depth >= 0 and branch >= 0),
  constraint messages_entry_type check (char_length(entry_type) between 1 and 100),
  constraint messages_role check (role in ('user', 'assistant', 'system') or role ~ '^[a-z_]{1,40}$'),
  constraint messages_texts check (
    char_length(agent_id) <= 200 and char_length(api_message_id) <= 200 and char_length(request_id) <= 200
    and char_length(model) <= 200 and char_length(stop_reason) <= 100 and char_length(forked_from) <= 200
  ),
  constraint messages_content check (octet_length(content) <= 1048576),
  constraint messages_tokens check (
    input_tokens >= 0 and output_tokens >= 0 and cache_read_tokens >= 0 and cache_creation_tokens >= 0 and redaction_count >= 0
  ),
  -- What uploads store is smaller. By the size as stored, as a text would be made of each.
  constraint messages_content_blocks check (pg_column_size(content_blocks) <= 8388608),
  constraint messages_metadata check (jsonb_typeof(metadata) = 'object' and pg_column_size(metadata) <= 65536)
);
comment on table observatory.messages is 'Entries of conversations. Unknown types are kept, without a role.';
comment on column observatory.messages.entry_uuid is 'The entry''s uuid or, where it has none, h: and a digest of its line.';
comment on column observatory.messages.parent_id is 'The nearest message above; null at a root, and until the parent is stored.';
comment on column observatory.messages.seq is 'Where the entry begins in its file, in bytes: times in transcripts are not in order.';
comment on column observatory.messages.branch is '0: the main branch. Another one begins at a prompt that was edited later.';
comment on column observatory.messages.is_copy is 'Whether another conversation of the same user owns the entry. Copies count nowhere.';
comment on column observatory.messages.content is 'The text, at most a megabyte; metadata.content_bytes has the size of a longer one.';
comment on column observatory.messages.occurred_at is 'The entry''s own time or, without a valid one, the time when it was stored.';

-- With the project for the policies: the planner does not know that a conversation is in one project, and would otherwise also read all
-- messages of the caller's projects in another index.
create index messages_order on observatory.messages (conversation_id, seq, id, project_id);
create index messages_latest on observatory.messages (project_id, occurred_at desc, id desc);
create index messages_by_parent on observatory.messages (parent_id) where parent_id is not null;
-- With the project for the policies, too: it is the smallest index of a conversation's messages, which a count or a list in another order
-- reads. Without the project it would find all messages of a foreign conversation first, and the time that this takes says that there are some.
create index messages_by_parent_uuid on observatory.messages (conversation_id, parent_uuid, project_id);
create index messages_api_message on observatory.messages (api_message_id) where api_message_id is not null;
create index messages_owner_entry on observatory.messages (owner_id, entry_uuid);
create index messages_request on observatory.messages (owner_id, request_id) where request_id is not null;
-- Messages from which titles are derived.
create index messages_titles on observatory.messages (conversation_id, entry_type, seq)
  where entry_type in ('custom-title', 'ai-title', 'summary', 'worktree-state') or metadata ? 'session_summary';
create index messages_summaries on observatory.messages (owner_id, (metadata ->> 'leafUuid')) where entry_type = 'summary';
create index messages_created_at on observatory.messages using brin (created_at);

alter table observatory.messages enable row level security;
alter table observatory.messages force row level security;
create policy member_select on observatory.messages for select to authenticated
  using (
    project_id = any ((select observatory.visible_projects())::uuid[])
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
  );
create policy editor_insert on observatory.messages for insert to authenticated
  with check (
    project_id = any ((select observatory.editable_projects())::uuid[]) and owner_id = (select auth.uid())
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
  );
create policy editor_update on observatory.messages for update to authenticated
  using (project_id = any ((select observatory.editable_projects())::uuid[]))
  with check (project_id = any ((select observatory.editable_projects())::uuid[]));
create policy owner_delete on observatory.messages for delete to authenticated
  using (project_id = any ((select observatory.owned_projects())::uuid[]));
grant select, delete on observatory.messages to authenticated;
grant insert (
  project_id, conversation_id, entry_uuid, parent_uuid, entry_type, role, content, content_blocks, occurred_at, metadata
) on observatory.messages to authenticated;
grant update (is_meta, metadata) on observatory.messages to authenticated;
grant select, insert, update, delete on observatory.messages to service_role;
select private.scope_table('observatory.messages', array['insert', 'update', 'delete']);
select private.limit_writes('observatory.messages', 'observatory', true);

create trigger messages_erased before insert or update on observatory.messages
  for each statement execute function private.refuse_erased_caller();
create trigger messages_keep before update of owner_id on observatory.messages
  for each row when (current_user = 'authenticated' and new.owner_id <> old.owner_id) execute function private.refuse_another_user();
create trigger messages_filter before update or delete on observatory.messages
  for each statement execute function private.require_filter();
create trigger messages_redact
  before insert or update of entry_uuid, parent_uuid, entry_type, content, content_blocks, metadata on observatory.messages
  for each row when (current_user in ('authenticated', 'service_role')) execute function private.redact_direct_write(
    'entry_uuid', 'parent_uuid', 'entry_type', 'content', 'content_blocks', 'metadata'
  );

-- Only the beginning of long texts: the whole text would cost a fifth of the time of an upload.
select private.index_mentions(
  'observatory.messages', array['content', 'content_blocks', 'metadata'], 'redact',
  -- left() walks through the whole of a text.
  'private.contacts_in(array[case when octet_length(content) <= 20000 then content else left(content, 20000) end, left(content_blocks::text, 20000), left(metadata::text, 20000)])'
);
-- A GIN index has an entry for a row without contacts, too: uploads collect them, as one by one they take three times as long.
alter index observatory.messages_mentions set (fastupdate = on, gin_pending_list_limit = 256);

-- migrate:down
delete from private.mention_places where relation = 'observatory.messages';
drop table observatory.messages;
