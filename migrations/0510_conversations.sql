-- 0510: conversations of assistant. Members see those of their tenant, or their own only where the tenant's features say so; admins see
-- them all.
-- migrate:up
create table assistant.conversations (
  id          uuid constraint conversations_pkey primary key default private.uuid_v7(),
  tenant_id   uuid not null default assistant.my_tenant(),
  user_id     uuid not null default assistant.my_id(),
  title       text not null default 'New conversation',
  metadata    jsonb not null default '{}',
  is_archived boolean not null default false,
  created_at  timestamptz not null default now(),
  updated_at  timestamptz not null default now(),
  constraint conversations_user foreign key (tenant_id, user_id) references assistant.users (tenant_id, id) on delete cascade,
  -- Without it a list by id looks through the conversations of all tenants for those of one.
  constraint conversations_tenant_id_id unique (tenant_id, id),
  constraint conversations_title check (char_length(title) between 1 and 200 and title ~ '\S'),
  constraint conversations_metadata check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384)
-- Each new message updates its conversation, and moves it in most of the indexes.
) with (autovacuum_vacuum_scale_factor = 0.05);
comment on table assistant.conversations is 'Conversations of members with their tenant''s assistant.';
comment on column assistant.conversations.updated_at is 'When the conversation was changed, or got its latest message.';
comment on column assistant.conversations.user_id is 'The member who began it: a row of assistant.users, not an account.';

-- The planner does not know the tenant of a request. Of an average one it would sort all conversations, which takes long for a large one;
-- told that each is large it reads an index in order, as far as a page goes.
alter table assistant.conversations alter column tenant_id set (n_distinct = 100);
-- A member has one tenant, says the dependency: taken for independent, the two let it expect few conversations of a member, and it would sort all.
create statistics assistant.conversations_one_tenant (dependencies) on user_id, tenant_id from assistant.conversations;

create index conversations_recent on assistant.conversations (tenant_id, updated_at desc, id desc) where not is_archived;
-- With the tenant, which the policies ask for: otherwise the planner joins this index with one of the tenant's, as it overlooks the dependency there.
create index conversations_recent_of_user on assistant.conversations (user_id, tenant_id, updated_at desc, id desc) where not is_archived;
create index conversations_by_user on assistant.conversations (tenant_id, user_id, is_archived);
create index conversations_newest on assistant.conversations (tenant_id, created_at desc);
create index conversations_archived on assistant.conversations (tenant_id, updated_at desc) where is_archived;
create index conversations_by_metadata on assistant.conversations using gin (metadata);

alter table assistant.conversations enable row level security;
alter table assistant.conversations force row level security;
-- Not as a boolean: of one that it does not know the planner expects half of the rows, and it would sort what it could read in order.
create policy member_select on assistant.conversations for select to authenticated
  using (
    tenant_id = (select (assistant.me()).tenant_id)
    and ((select nullif((assistant.me()).is_private, true)) is not null or user_id = (select (assistant.me()).id))
  );
create policy owner_insert on assistant.conversations for insert to authenticated
  with check (tenant_id = (select (assistant.me()).tenant_id) and user_id = (select (assistant.me()).id));
create policy owner_update on assistant.conversations for update to authenticated
  using (
    tenant_id = (select (assistant.me()).tenant_id) and (user_id = (select (assistant.me()).id) or (select assistant.is_admin()))
  )
  with check (
    tenant_id = (select (assistant.me()).tenant_id) and (user_id = (select (assistant.me()).id) or (select assistant.is_admin()))
  );
create policy owner_delete on assistant.conversations for delete to authenticated
  using (
    tenant_id = (select (assistant.me()).tenant_id) and (user_id = (select (assistant.me()).id) or (select assistant.is_admin()))
  );
grant select, insert (tenant_id, user_id, title, metadata, is_archived), update (title, metadata, is_archived), delete
  on assistant.conversations to authenticated;
grant select, insert, update, delete on assistant.conversations to service_role;
select private.scope_table('assistant.conversations', array['insert', 'update', 'delete']);

-- Trigger: in a batch PostgREST sends null for a column that only some of the conversations have.
create function private.complete_assistant_conversation() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  new.title := coalesce(new.title, 'New conversation');
  new.metadata := coalesce(new.metadata, '{}');
  new.is_archived := coalesce(new.is_archived, false);
  return new;
end
$$;
revoke execute on function private.complete_assistant_conversation() from public;

-- Trigger: a conversation stays in its tenant and with its user, a message in its conversation, feedback with its message. Nobody changes that, service_role neither.
create function private.refuse_another_place() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  raise insufficient_privilege using
    message = format('what a row of %I.%I belongs to does not change', tg_table_schema, tg_table_name);
end
$$;
revoke execute on function private.refuse_another_place() from public;

-- The tenant of a conversation that the present statement has made, or that was stored after the statement began.
create function private.tenant_of_new(conversation uuid) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return (select c.tenant_id from assistant.conversations as c where c.id = tenant_of_new.conversation);
end
$$;
revoke execute on function private.tenant_of_new(uuid) from public;

-- The tenant of a conversation, which never changes while the conversation is there: conversations_keep. So it is immutable, and an index of
-- messages begins with it. In such an index the messages of another tenant's conversation are not where the caller's would be, and finding
-- none takes the same time as if there were no such conversation. An index that is made while conversations are missing would be wrong: it
-- is refused.
create function private.tenant_of(conversation uuid) returns uuid
  language plpgsql immutable strict security definer
  -- It reads a row: the planner had better read an index that has the tenant than call it for each row that another index finds.
  cost 1000
  set search_path = ''
  as $$
declare
  tenant uuid := (select c.tenant_id from assistant.conversations as c where c.id = tenant_of.conversation);
begin
  if tenant is null then
    tenant := private.tenant_of_new(conversation);
  end if;
  if tenant is null then
    raise foreign_key_violation using
      schema = 'assistant', table = 'messages', constraint = 'messages_conversation',
      message = 'insert or update on table "messages" violates foreign key constraint "messages_conversation"',
      detail = format('Key (conversation_id)=(%s) is not present in table "conversations".', tenant_of.conversation);
  end if;
  return tenant;
end
$$;
comment on function private.tenant_of(uuid) is
  'The tenant of a conversation. Definer: policies and indexes ask it before it is known whether the caller may see the conversation; no request can call it.';
revoke execute on function private.tenant_of(uuid) from public;
grant execute on function private.tenant_of(uuid) to authenticated, service_role;

create trigger conversations_erased before insert or update on assistant.conversations
  for each statement execute function private.refuse_erased_caller();
create trigger conversations_complete before insert on assistant.conversations
  for each row execute function private.complete_assistant_conversation();
create trigger conversations_keep before update of tenant_id, user_id on assistant.conversations
  for each row when (new.tenant_id <> old.tenant_id or new.user_id <> old.user_id) execute function private.refuse_another_place();
create trigger conversations_filter before update or delete on assistant.conversations
  for each statement execute function private.require_filter();
create trigger conversations_updated_at before update of title, metadata, is_archived on assistant.conversations
  for each row execute function private.update_updated_at();
create trigger conversations_audit after delete or update of title, metadata, is_archived on assistant.conversations
  for each row execute function private.audit();
-- As private.limit_writes does it, but without the updates that messages make: those count themselves.
create trigger conversations_allowance before insert or update of title, metadata, is_archived on assistant.conversations
  for each statement execute function private.require_allowance_of_user('assistant');
create trigger conversations_use_inserts after insert on assistant.conversations referencing new table as new_rows
  for each statement execute function private.use_allowance_of_user('assistant');
create trigger conversations_use_updates after update on assistant.conversations referencing new table as new_rows
  for each statement when (pg_trigger_depth() = 0) execute function private.use_allowance_of_user('assistant');

select private.index_mentions('assistant.conversations', array['title', 'metadata']);
-- Of those who may see it, the member who began it: a tenant without private conversations would have each message looked up for everybody.
select private.track_changes(
  'assistant.conversations',
  'array(select u.auth_id from assistant.users as u where u.id = r.user_id and u.is_active and u.auth_id is not null)'
);

-- migrate:down
delete from private.mention_places where relation = 'assistant.conversations';
select private.untrack_changes('assistant.conversations');
drop table assistant.conversations;
drop function private.tenant_of(uuid);
drop function private.tenant_of_new(uuid);
drop function private.refuse_another_place();
drop function private.complete_assistant_conversation();
