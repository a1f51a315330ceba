-- 0232: chat messages. The messages of chat sessions, the user's and the agents'.
-- migrate:up
create type clixen.chat_role as enum ('user', 'assistant', 'system');
create type clixen.agent_type as enum ('system', 'orchestrator', 'workflow_designer', 'deployment');

create table clixen.mvp_chat_messages (
  id                 uuid constraint mvp_chat_messages_pkey primary key default pg_catalog.gen_random_uuid(),
  session_id         uuid not null,
  user_id            uuid not null default auth.uid(),
  content            text not null,
  role               clixen.chat_role not null default 'user',
  agent_type         clixen.agent_type,
  processing_time_ms bigint,
  tokens_used        bigint,
  metadata           jsonb not null default '{}',
  -- The time of the row, not of its transaction: messages of one request keep their order.
  created_at         timestamptz not null default clock_timestamp(),
  constraint mvp_chat_messages_session foreign key (session_id, user_id)
    references clixen.mvp_chat_sessions (id, user_id) on delete cascade,
  constraint mvp_chat_messages_content_length check (char_length(content) between 1 and 100000),
  constraint mvp_chat_messages_measures check (processing_time_ms >= 0 and tokens_used >= 0),
  constraint mvp_chat_messages_metadata check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 65536)
);
comment on table clixen.mvp_chat_messages is 'One message of a session, the user''s or an agent''s.';

create index mvp_chat_messages_session on clixen.mvp_chat_messages (session_id, created_at, id, user_id);
create index mvp_chat_messages_user_id on clixen.mvp_chat_messages (user_id, created_at desc);
create index mvp_chat_messages_created_at on clixen.mvp_chat_messages using brin (created_at);
-- The planner takes the chat and its user for independent, expects fewer messages of a chat than a page has, and would sort all of a long one.
-- A chat has one user, says the dependency. By n_distinct the planner expects a quarter of the messages for a user that it does not know, or as
-- many as the user with the most has, if that is less. With a smaller share it would look for the last messages of an old chat among all of the
-- user's; with a larger one it would read the whole table to count a user's.
create statistics clixen.mvp_chat_messages_one_user (dependencies) on session_id, user_id from clixen.mvp_chat_messages;
alter table clixen.mvp_chat_messages alter column user_id set (n_distinct = 4);

alter table clixen.mvp_chat_messages enable row level security;
alter table clixen.mvp_chat_messages force row level security;
create policy owner_select on clixen.mvp_chat_messages for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on clixen.mvp_chat_messages for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on clixen.mvp_chat_messages for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on clixen.mvp_chat_messages for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on clixen.mvp_chat_messages to authenticated;
grant insert (session_id, user_id, content, role, agent_type, processing_time_ms, tokens_used, metadata)
  on clixen.mvp_chat_messages to authenticated;
grant update (content, metadata) on clixen.mvp_chat_messages to authenticated;
grant select, insert, update, delete on clixen.mvp_chat_messages to service_role;
select private.scope_table('clixen.mvp_chat_messages');
select private.limit_writes('clixen.mvp_chat_messages', 'clixen', true);

-- Trigger: in a batch PostgREST sends null for a column that only some of the messages have.
create function private.complete_chat_message() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  new.role := coalesce(new.role, 'user');
  new.metadata := coalesce(new.metadata, '{}');
  return new;
end
$$;

-- Trigger: counts the messages of sessions, and sets the time of the last one.
create function clixen.update_mvp_chat_counters() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  touched uuid[];
begin
  if tg_op = 'INSERT' then
    update clixen.mvp_chat_sessions as s set
      message_count = s.message_count + n.count,
      last_message_at = greatest(s.last_message_at, n.last)
    from (select r.session_id, count(*) as count, max(r.created_at) as last from new_rows as r group by r.session_id) as n
    where s.id = n.session_id;
    return null;
  end if;
  if tg_op = 'DELETE' then
    touched := array(select distinct o.session_id from old_rows as o);
  else
    touched := array(
      select changed.session_id
      from (
        select n.session_id, n.created_at, 1 as count from new_rows as n
        union all
        select o.session_id, o.created_at, -1 from old_rows as o
      ) as changed
      group by changed.session_id, changed.created_at
      having sum(changed.count) <> 0
    );
  end if;
  -- Counted anew, to find the last one that is left. In a statement after the lock, which sees what was committed before it.
  perform from clixen.mvp_chat_sessions as s where s.id = any (touched) order by s.id for no key update;
  update clixen.mvp_chat_sessions as s set message_count = n.count, last_message_at = n.last
  from (
    select t.id, (select count(*) from clixen.mvp_chat_messages as m where m.session_id = t.id) as count,
      (select max(m.created_at) from clixen.mvp_chat_messages as m where m.session_id = t.id) as last
    from (select distinct unnest(touched) as id) as t
  ) as n
  where s.id = n.id;
  return null;
end
$$;
comment on function clixen.update_mvp_chat_counters() is
  'Trigger of messages. Definer: message_count and last_message_at are not the user''s to write.';
revoke execute on function clixen.update_mvp_chat_counters() from public;

create trigger mvp_chat_messages_erased before insert or update on clixen.mvp_chat_messages
  for each statement execute function private.refuse_erased_caller();
create trigger mvp_chat_messages_filter before update or delete on clixen.mvp_chat_messages
  for each statement execute function private.require_filter();
create trigger mvp_chat_messages_queue before insert or update or delete on clixen.mvp_chat_messages
  for each statement execute function private.queue_writes();
create trigger mvp_chat_messages_queue_added before insert on clixen.mvp_chat_messages
  for each row when (auth.uid() is null) execute function private.queue_writes();
create trigger mvp_chat_messages_complete before insert on clixen.mvp_chat_messages
  for each row execute function private.complete_chat_message();
-- Not for inserts: the message itself shows who wrote it and when.
create trigger mvp_chat_messages_audit after delete or update on clixen.mvp_chat_messages
  for each row execute function private.audit();
create trigger mvp_chat_messages_watch_deletes after delete on clixen.mvp_chat_messages referencing old table as old_rows
  for each statement execute function private.watch_deletes();
-- One trigger for each kind of statement: a trigger of several kinds cannot have old_rows and new_rows.
create trigger mvp_chat_messages_counters_insert after insert on clixen.mvp_chat_messages referencing new table as new_rows
  for each statement execute function clixen.update_mvp_chat_counters();
create trigger mvp_chat_messages_counters_update after update on clixen.mvp_chat_messages referencing old table as old_rows new table as new_rows
  for each statement execute function clixen.update_mvp_chat_counters();
create trigger mvp_chat_messages_counters_delete after delete on clixen.mvp_chat_messages referencing old table as old_rows
  for each statement execute function clixen.update_mvp_chat_counters();

select private.index_mentions('clixen.mvp_chat_messages', array['content', 'metadata']);

-- migrate:down
delete from private.mention_places where relation = 'clixen.mvp_chat_messages';
drop table clixen.mvp_chat_messages;
drop function clixen.update_mvp_chat_counters();
drop function private.complete_chat_message();
drop type clixen.agent_type;
drop type clixen.chat_role;
