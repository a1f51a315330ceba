-- 0511: messages of assistant. Who sees a conversation sees its messages. Members add their own questions; answers and instructions come
-- from functions. What was said stays: only service_role deletes a message without its conversation. How much of a conversation goes
-- along with a question is decided here, too (private.history).
-- migrate:up
create table assistant.messages (
  id              uuid constraint messages_pkey primary key default private.uuid_v7(),
  conversation_id uuid not null,
  role            text not null default 'user',
  content         text not null,
  token_count     bigint,
  model_used      text,
  latency_ms      bigint,
  metadata        jsonb not null default '{}',
  -- The time of the row, not of its transaction: messages of one request keep their order.
  created_at      timestamptz not null default clock_timestamp(),
  constraint messages_conversation foreign key (conversation_id) references assistant.conversations (id) on delete cascade,
  constraint messages_role check (role in ('user', 'assistant', 'system')),
  constraint messages_content check (char_length(content) between 1 and 200000),
  constraint messages_question check (role <> 'user' or content ~ '\S'),
  constraint messages_token_count check (token_count >= 0),
  constraint messages_model_used check (char_length(model_used) between 1 and 200),
  constraint messages_latency_ms check (latency_ms >= 0),
  constraint messages_metadata check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 65536)
-- Rows are only added: without these, a table of millions would wait for millions more before it is vacuumed and analysed.
) with (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
comment on table assistant.messages is 'What members and the assistant have said in conversations.';
comment on column assistant.messages.token_count is 'As the provider counted them, or an estimate.';

create index messages_in_order on assistant.messages (conversation_id, created_at, id);
create index messages_by_role on assistant.messages (conversation_id, role);
create index messages_created_at on assistant.messages using brin (created_at);
create index messages_tokens on assistant.messages (conversation_id) include (token_count) where token_count is not null;
-- The policies by_tenant read by these three: a conversation's messages, the newest ones of a tenant, and its newest answers by one model.
-- Without statistics, each tenant counts as one of two hundred, so that a page is read in order, also of a large tenant; and ANALYZE, whose
-- rows may be newer than what it sees of conversations, does not look for their tenants.
create index messages_by_tenant on assistant.messages (private.tenant_of(conversation_id), conversation_id, created_at, id);
alter index assistant.messages_by_tenant alter column 1 set statistics 0;
create index messages_newest_by_tenant on assistant.messages (private.tenant_of(conversation_id), created_at);
alter index assistant.messages_newest_by_tenant alter column 1 set statistics 0;
create index messages_newest_by_model on assistant.messages (private.tenant_of(conversation_id), model_used, created_at desc)
  where model_used is not null;
alter index assistant.messages_newest_by_model alter column 1 set statistics 0;

alter table assistant.messages enable row level security;
alter table assistant.messages force row level security;
-- Who sees all conversations of the tenant sees all messages that by_tenant leaves, without a look at the conversation of each. For the
-- others the policies of conversations apply within this one: what the caller does not see is not there. With the offset each conversation is
-- looked up by its id; without it, the planner reads all conversations of the tenant first.
create policy member_select on assistant.messages for select to authenticated
  using (
    not (select (assistant.me()).is_private)
    or exists (select from assistant.conversations as c where c.id = conversation_id offset 0)
  );
-- For the indexes by tenant: without these, each message of another tenant's conversation is looked at, and the time that this takes says that
-- there are some. Restrictive, and the first ones by their names: what comes after another policy must be leakproof to be looked for in an index.
create policy by_tenant_select on assistant.messages as restrictive for select to authenticated
  using (private.tenant_of(conversation_id) = (select (assistant.me()).tenant_id));
create policy by_tenant_update on assistant.messages as restrictive for update to authenticated
  using (private.tenant_of(conversation_id) = (select (assistant.me()).tenant_id))
  with check (private.tenant_of(conversation_id) = (select (assistant.me()).tenant_id));
create policy author_insert on assistant.messages for insert to authenticated
  with check (
    role = 'user'
    and exists (select from assistant.conversations as c where c.id = conversation_id and c.user_id = (select (assistant.me()).id))
  );
create policy author_update on assistant.messages for update to authenticated
  using (exists (select from assistant.conversations as c where c.id = conversation_id and c.user_id = (select (assistant.me()).id)))
  with check (
    exists (select from assistant.conversations as c where c.id = conversation_id and c.user_id = (select (assistant.me()).id))
  );
create policy office_delete on assistant.messages for delete to service_role
  using (true);
grant select, insert (conversation_id, role, content, metadata), update (metadata) on assistant.messages to authenticated;
grant select, insert, update, delete on assistant.messages to service_role;
select private.scope_table('assistant.messages', array['insert', 'update']);

-- Trigger: completes a message. In a batch PostgREST sends null for a column that only some of the messages have.
create function private.complete_assistant_message() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  new.role := coalesce(new.role, 'user');
  new.metadata := coalesce(new.metadata, '{}');
  -- An estimate: a token has three bytes or more in most texts.
  new.token_count := coalesce(new.token_count, ceil(octet_length(new.content) / 3.0)::bigint);
  return new;
end
$$;
revoke execute on function private.complete_assistant_message() from public;

-- Whether a part of a message, as providers take them, is a file.
create function private.is_file_part(part jsonb) returns boolean
  language sql immutable
  set search_path = ''
  as $$
select coalesce(part ->> 'type' in (
  'image', 'image_url', 'input_image', 'file', 'input_file', 'document', 'audio', 'input_audio', 'video', 'video_url'
), false)
$$;
revoke execute on function private.is_file_part(jsonb) from public;

-- Whether an object has one of the fields in which clients send files beside a text.
create function private.has_files(fields jsonb) returns boolean
  language sql immutable
  set search_path = ''
  as $$ select coalesce(fields ?| array['attachments', 'experimental_attachments', 'files', 'images', 'audio'], false) $$;
revoke execute on function private.has_files(jsonb) from public;

-- Whether a text is nothing but a file: a data URL, or the list of parts that providers take, as JSON.
create function private.is_file(content text) returns boolean
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  parts jsonb;
begin
  if content ~ '^\s*\[\s*\{' then
    begin
      parts := content::jsonb;
    exception
      -- No JSON, or nested too deeply for it: a text.
      when data_exception or program_limit_exceeded then
        null;
    end;
  end if;
  return coalesce(content ~ '^\s*data:[a-z]+/[A-Za-z0-9.+-]+[;,]', false)
    or exists (select from jsonb_array_elements(parts) as part where private.is_file_part(part));
end
$$;
revoke execute on function private.is_file(text) from public;

create function private.refuse_attachment() returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform private.refuse(
    422, 'RG689', 'Attachments are not supported: send text', null, 'Send content as plain text, without images, audio or other files.'
  );
end
$$;
revoke execute on function private.refuse_attachment() from public;

-- Trigger of what the data API writes: messages are text. Files come in three ways: beside the text, as the list of parts that
-- providers take, which PostgREST stores as its JSON, and as a data URL.
create function private.refuse_attachments() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in this schema.
  security definer
  set search_path = ''
  as $$
begin
  if private.has_files(new.metadata) or private.is_file(new.content) then
    perform private.refuse_attachment();
  end if;
  return new;
end
$$;
revoke execute on function private.refuse_attachments() from public;

-- Trigger: a new message moves its conversation to the top of lists.
create function private.touch_conversations() returns trigger
  language plpgsql
  -- Definer: updated_at is not the user's to write.
  security definer
  set search_path = ''
  as $$
begin
  -- In the order of their ids, so that two batches never wait for each other.
  if (select count(distinct n.conversation_id) > 1 from new_rows as n) then
    perform from assistant.conversations as c
    where c.id in (select n.conversation_id from new_rows as n)
    order by c.id
    for no key update;
  end if;
  update assistant.conversations as c set updated_at = greatest(c.updated_at, n.last)
  from (select r.conversation_id, max(r.created_at) as last from new_rows as r group by r.conversation_id) as n
  where c.id = n.conversation_id;
  return null;
end
$$;
revoke execute on function private.touch_conversations() from public;

create trigger messages_erased before insert or update on assistant.messages
  for each statement execute function private.refuse_erased_caller();
create trigger messages_filter before update or delete on assistant.messages
  for each statement execute function private.require_filter();
create trigger messages_keep before update of conversation_id on assistant.messages
  for each row when (new.conversation_id <> old.conversation_id) execute function private.refuse_another_place();
create trigger messages_complete before insert on assistant.messages
  for each row execute function private.complete_assistant_message();
create trigger messages_refuse_attachments before insert or update of content, metadata on assistant.messages
  for each row when (current_user in ('authenticated', 'service_role')) execute function private.refuse_attachments();
create trigger messages_touch after insert on assistant.messages referencing new table as new_rows
  for each statement execute function private.touch_conversations();
-- What service_role changes. A conversation that is deleted takes its messages along: that is in the log once.
create trigger messages_audit after delete or update of role, content on assistant.messages
  for each row when (pg_trigger_depth() = 0) execute function private.audit();
select private.limit_writes('assistant.messages', 'assistant');

select private.index_mentions('assistant.messages', array['content', 'metadata']);

-- The conversation of a message that the present statement has made, or that was stored after the statement began.
create function private.conversation_of_new(message uuid) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return (select m.conversation_id from assistant.messages as m where m.id = conversation_of_new.message);
end
$$;
revoke execute on function private.conversation_of_new(uuid) from public;

-- The tenant of a message, which stays in its conversation: see private.tenant_of.
create function private.tenant_of_message(message uuid) returns uuid
  language plpgsql immutable strict security definer
  cost 1000
  set search_path = ''
  as $$
declare
  conversation uuid := (select m.conversation_id from assistant.messages as m where m.id = tenant_of_message.message);
begin
  if conversation is null then
    conversation := private.conversation_of_new(message);
  end if;
  if conversation is null then
    raise foreign_key_violation using
      schema = 'assistant', table = 'feedback', constraint = 'feedback_message',
      message = 'insert or update on table "feedback" violates foreign key constraint "feedback_message"',
      detail = format('Key (message_id)=(%s) is not present in table "messages".', tenant_of_message.message);
  end if;
  return private.tenant_of(conversation);
end
$$;
comment on function private.tenant_of_message(uuid) is
  'The tenant of a message. Definer: policies and indexes ask it before it is known whether the caller may see the message; no request can call it.';
revoke execute on function private.tenant_of_message(uuid) from public;
grant execute on function private.tenant_of_message(uuid) to authenticated, service_role;

-- Stores a message of a turn, and returns its id. It returns null, and changes nothing, for an id that is known, so that a repeated call
-- is harmless, and for a text without characters. A text that is too long is cut, and metadata.truncated says so.
create function private.add_message(
  conversation uuid, id uuid, role text, content text, tokens bigint default null, model text default null,
  latency_ms bigint default null, metadata jsonb default '{}'
) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  most constant int := 200000;
  made uuid;
begin
  if coalesce(add_message.content, '') = '' then
    return null;
  end if;
  insert into assistant.messages as m (id, conversation_id, role, content, token_count, model_used, latency_ms, metadata)
  values (
    coalesce(add_message.id, private.uuid_v7()), add_message.conversation, add_message.role, left(add_message.content, most),
    add_message.tokens, add_message.model, add_message.latency_ms,
    coalesce(add_message.metadata, '{}')
      || case when char_length(add_message.content) > most then '{"truncated": true}'::jsonb else '{}' end
  )
  on conflict on constraint messages_pkey do nothing
  returning m.id into made;
  return made;
end
$$;
revoke execute on function private.add_message(uuid, uuid, text, text, bigint, text, bigint, jsonb) from public;

-- What a provider is sent of a conversation, as [{role, content}]: the tenant's system prompt, which always goes along, and the newest
-- messages, oldest first, whole, until the budget of tokens is spent. The newest one always goes along. No answer goes without its
-- question, and none that a later one has replaced (metadata.superseded). `until`: the message that is the newest one, whatever was said
-- after it.
create function private.history(conversation uuid, budget bigint, until uuid default null) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  -- However few tokens they have.
  most constant int := 500;
  message record;
  prompt text;
  seen bigint := 0;
  taken bigint := 0;
  spent bigint := 0;
  is_start boolean := false;
  until_at timestamptz := 'infinity';
  until_id uuid := 'ffffffff-ffff-ffff-ffff-ffffffffffff';
begin
  if history.until is not null then
    select m.created_at, m.id into strict until_at, until_id
    from assistant.messages as m
    where m.conversation_id = history.conversation and m.id = history.until;
  end if;
  for message in
    select m.role, coalesce(m.token_count, ceil(octet_length(m.content) / 3.0)::bigint) as tokens
    from assistant.messages as m
    where m.conversation_id = history.conversation and (m.created_at, m.id) <= (until_at, until_id)
      and (not m.metadata ? 'superseded' or m.id = until_id)
    order by m.created_at desc, m.id desc
    limit most
  loop
    seen := seen + 1;
    spent := spent + message.tokens;
    exit when spent > history.budget and seen > 1;
    -- A history begins with a question, or with instructions before one.
    is_start := message.role = 'user' or (message.role = 'system' and is_start);
    if is_start or seen = 1 then
      taken := seen;
    end if;
  end loop;
  select t.system_prompt into prompt
  from assistant.conversations as c inner join assistant.tenants as t on t.id = c.tenant_id
  where c.id = history.conversation;
  return case when prompt ~ '\S' then jsonb_build_array(jsonb_build_object('role', 'system', 'content', prompt)) else '[]' end || coalesce((
    select jsonb_agg(jsonb_build_object('role', m.role, 'content', m.content) order by m.created_at, m.id)
    from (
      -- The same rows in the same order: the index gives them, however long the conversation is.
      select m.* from assistant.messages as m
      where m.conversation_id = history.conversation and (m.created_at, m.id) <= (until_at, until_id)
        and (not m.metadata ? 'superseded' or m.id = until_id)
      order by m.created_at desc, m.id desc
      limit taken
    ) as m
  ), '[]');
end
$$;
revoke execute on function private.history(uuid, bigint, uuid) from public;

-- migrate:down
delete from private.mention_places where relation = 'assistant.messages';
drop function private.history(uuid, bigint, uuid);
drop function private.add_message(uuid, uuid, text, text, bigint, text, bigint, jsonb);
drop table assistant.messages;
drop function private.tenant_of_message(uuid);
drop function private.conversation_of_new(uuid);
drop function private.touch_conversations();
drop function private.refuse_attachments();
drop function private.refuse_attachment();
drop function private.is_file(text);
drop function private.has_files(jsonb);
drop function private.is_file_part(jsonb);
drop function private.complete_assistant_message();
