-- 0512: feedback. Members rate messages that they see, each message once; what they rated is kept beside it.
-- migrate:up
create table assistant.feedback (
  id         uuid constraint feedback_pkey primary key default gen_random_uuid(),
  message_id uuid not null,
  user_id    uuid not null default assistant.my_id(),
  rating     bigint not null,
  comment    text,
  created_at timestamptz not null default now(),
  constraint feedback_once unique (message_id, user_id),
  constraint feedback_message foreign key (message_id) references assistant.messages (id) on delete cascade,
  constraint feedback_user foreign key (user_id) references assistant.users (id) on delete cascade,
  constraint feedback_rating check (rating in (1, -1)),
  constraint feedback_comment check (char_length(comment) <= 5000 and comment ~ '\S')
);
comment on table assistant.feedback is 'Ratings of messages by members: 1 is good, -1 is not.';
comment on column assistant.feedback.user_id is 'The member: a row of assistant.users, not an account.';

create index feedback_ratings on assistant.feedback (message_id) include (rating);
create index feedback_newest_of_user on assistant.feedback (user_id, created_at desc);
create index feedback_bad on assistant.feedback (message_id) where rating = -1;
-- The policies by_tenant read by these four, for the reasons of messages_by_tenant.
create index feedback_by_tenant on assistant.feedback (private.tenant_of_message(message_id), message_id);
alter index assistant.feedback_by_tenant alter column 1 set statistics 0;
create index feedback_newest on assistant.feedback (private.tenant_of_message(message_id), created_at desc, id desc);
alter index assistant.feedback_newest alter column 1 set statistics 0;
create index feedback_newest_by_tenant on assistant.feedback (private.tenant_of_message(message_id), user_id, created_at desc);
alter index assistant.feedback_newest_by_tenant alter column 1 set statistics 0;
create index feedback_newest_by_rating on assistant.feedback (private.tenant_of_message(message_id), rating, created_at desc);
alter index assistant.feedback_newest_by_rating alter column 1 set statistics 0;

alter table assistant.feedback enable row level security;
alter table assistant.feedback force row level security;
-- Who sees all conversations of the tenant sees all feedback that by_tenant leaves. For the others the policies of messages apply within this
-- one: what the caller does not see is not there. With the offset each message is looked up by its id; without it, the planner may read all
-- messages first.
create policy member_select on assistant.feedback for select to authenticated
  using (
    not (select (assistant.me()).is_private) or exists (select from assistant.messages as m where m.id = message_id offset 0)
  );
create policy by_tenant_select on assistant.feedback as restrictive for select to authenticated
  using (private.tenant_of_message(message_id) = (select (assistant.me()).tenant_id));
create policy by_tenant_update on assistant.feedback as restrictive for update to authenticated
  using (private.tenant_of_message(message_id) = (select (assistant.me()).tenant_id))
  with check (private.tenant_of_message(message_id) = (select (assistant.me()).tenant_id));
create policy by_tenant_delete on assistant.feedback as restrictive for delete to authenticated
  using (private.tenant_of_message(message_id) = (select (assistant.me()).tenant_id));
create policy owner_insert on assistant.feedback for insert to authenticated
  with check (user_id = (select (assistant.me()).id) and exists (select from assistant.messages as m where m.id = message_id offset 0));
create policy owner_update on assistant.feedback for update to authenticated
  using (user_id = (select (assistant.me()).id) and exists (select from assistant.messages as m where m.id = message_id offset 0))
  with check (user_id = (select (assistant.me()).id) and exists (select from assistant.messages as m where m.id = message_id offset 0));
create policy owner_delete on assistant.feedback for delete to authenticated
  using (user_id = (select (assistant.me()).id) and exists (select from assistant.messages as m where m.id = message_id offset 0));
-- An upsert updates every column that it sends. The message and the member stay what they are: feedback_keep.
grant select, insert (message_id, user_id, rating, comment), update (message_id, user_id, rating, comment), delete
  on assistant.feedback to authenticated;
grant select, insert, update, delete on assistant.feedback to service_role;
select private.scope_table('assistant.feedback', array['insert', 'update', 'delete']);

create table private.feedback_snapshots (
  id              uuid constraint feedback_snapshots_pkey primary key default pg_catalog.gen_random_uuid(),
  -- Without foreign keys to the message and its conversation: the snapshot stays when they are deleted.
  message_id      uuid not null,
  conversation_id uuid not null,
  tenant_id       uuid not null,
  user_id         uuid not null,
  owner_id        uuid not null,
  rating          bigint not null,
  role            text not null,
  model           text,
  content         text not null,
  before          jsonb not null,
  taken_at        timestamptz not null default now(),
  -- With what the summary of ratings reads.
  constraint feedback_snapshots_message unique (message_id, user_id) include (conversation_id, tenant_id),
  constraint feedback_snapshots_user foreign key (tenant_id, user_id) references assistant.users (tenant_id, id) on delete cascade,
  constraint feedback_snapshots_owner foreign key (tenant_id, owner_id) references assistant.users (tenant_id, id) on delete cascade
);
comment on table private.feedback_snapshots is
  'What was rated, as it was when it was rated. It stays when the conversation is deleted, and goes with the person who rated or whose conversation it was.';
comment on column private.feedback_snapshots.user_id is 'Who rated.';
comment on column private.feedback_snapshots.owner_id is 'Whose conversation it was.';
comment on column private.feedback_snapshots.before is 'At most ten messages before it, oldest first, as far as 64 KB hold them whole: [{role, content, created_at}].';

create index feedback_snapshots_user on private.feedback_snapshots (tenant_id, user_id);
create index feedback_snapshots_owner on private.feedback_snapshots (tenant_id, owner_id);

alter table private.feedback_snapshots enable row level security;
alter table private.feedback_snapshots force row level security;

select private.index_mentions('private.feedback_snapshots', array['content', 'before']);

-- Trigger: keeps what was rated.
create function private.take_feedback_snapshot() returns trigger
  language plpgsql
  -- Definer: no request role may write snapshots.
  security definer
  set search_path = ''
  as $$
declare
  taken bigint;
begin
  -- For each row: one statement can rate thousands of messages.
  if private.user_id() is not null then
    perform private.require_allowance('assistant');
  end if;
  insert into private.feedback_snapshots as s (
    message_id, conversation_id, tenant_id, user_id, owner_id, rating, role, model, content, before
  )
  select m.id, c.id, c.tenant_id, new.user_id, c.user_id, new.rating, m.role, m.model_used, m.content, coalesce((
    select jsonb_agg(
      jsonb_build_object('role', b.role, 'content', b.content, 'created_at', b.created_at) order by b.created_at, b.id
    )
    from (
      select ten.*, sum(octet_length(ten.content)) over (order by ten.created_at desc, ten.id desc) as bytes
      from (
        select e.id, e.role, e.content, e.created_at
        from assistant.messages as e
        where e.conversation_id = m.conversation_id and (e.created_at, e.id) < (m.created_at, m.id)
        order by e.created_at desc, e.id desc
        limit 10
      ) as ten
    ) as b
    where b.bytes <= 65536
  ), '[]')
  from assistant.messages as m inner join assistant.conversations as c on c.id = m.conversation_id
  where m.id = new.message_id
  on conflict on constraint feedback_snapshots_message do update set
    rating = excluded.rating, content = excluded.content, before = excluded.before, taken_at = excluded.taken_at
  returning octet_length(s.content) + octet_length(s.before::text) into taken;
  -- It outlives the conversation, and is much larger than the rating.
  if private.user_id() is not null then
    perform private.use_allowance('assistant', taken, 0);
  end if;
  return null;
end
$$;
revoke execute on function private.take_feedback_snapshot() from public;

-- Trigger: a rating that is taken back takes its snapshot along; one that goes with its message leaves it.
create function private.drop_feedback_snapshot() returns trigger
  language plpgsql
  -- Definer: no request role may delete snapshots.
  security definer
  set search_path = ''
  as $$
begin
  delete from private.feedback_snapshots as s
  where s.message_id = old.message_id and s.user_id = old.user_id
    and exists (select from assistant.messages as m where m.id = old.message_id);
  return null;
end
$$;
revoke execute on function private.drop_feedback_snapshot() from public;

create trigger feedback_erased before insert or update on assistant.feedback
  for each statement execute function private.refuse_erased_caller();
create trigger feedback_filter before update or delete on assistant.feedback
  for each statement execute function private.require_filter();
create trigger feedback_keep before update of message_id, user_id on assistant.feedback
  for each row when (new.message_id <> old.message_id or new.user_id <> old.user_id) execute function private.refuse_another_place();
create trigger feedback_snapshot after insert on assistant.feedback
  for each row execute function private.take_feedback_snapshot();
create trigger feedback_snapshot_again after update of rating on assistant.feedback
  for each row when (new.rating <> old.rating) execute function private.take_feedback_snapshot();
-- Not for each statement: a conversation that is deleted deletes the feedback of each of its messages by itself.
create trigger feedback_drop_snapshot after delete on assistant.feedback
  for each row execute function private.drop_feedback_snapshot();
select private.limit_writes('assistant.feedback', 'assistant');

select private.index_mentions('assistant.feedback', array['comment']);

-- migrate:down
delete from private.mention_places where relation in ('assistant.feedback', 'private.feedback_snapshots');
drop table assistant.feedback;
drop function private.drop_feedback_snapshot();
drop function private.take_feedback_snapshot();
drop table private.feedback_snapshots;
