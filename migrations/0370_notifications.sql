-- 0370: notifications. What the system has to say to a user. Only functions write them; the user reads them, marks them as read and
-- deletes them.
-- migrate:up
create table flashfusion.notifications (
  id         uuid primary key default gen_random_uuid(),
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  user_id    uuid not null,
  title      text not null,
  message    text not null,
  type       text not null default 'info',
  is_read    boolean not null default false,
  action_url text,
  metadata   jsonb not null default '{}',
  created_at timestamptz not null default now(),
  read_at    timestamptz,
  dedupe_key text,
  constraint notifications_title_length check (char_length(title) between 1 and 200),
  constraint notifications_message_length check (char_length(message) <= 2000),
  -- Text, not an enum: each part of the system adds its own.
  constraint notifications_type check (type ~ '^[a-z][a-z0-9_]{0,59}$'),
  constraint notifications_action_url check (action_url ~ '^(https://|/([^/\\]|$))' and char_length(action_url) <= 2000),
  constraint notifications_metadata check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384),
  constraint notifications_dedupe_key_length check (char_length(dedupe_key) between 1 and 300),
  constraint notifications_read_at check (is_read = (read_at is not null))
);
comment on table flashfusion.notifications is 'What the system has to say to a user: expiry of keys, dead tasks, payments. Written by functions only.';
comment on column flashfusion.notifications.action_url is 'An https address, or a path of the application.';
comment on column flashfusion.notifications.dedupe_key is 'A user gets one notification of a key, however often its cause is found.';

-- The planner does not know the user of a request. Of an average one it would sort all notifications, which takes long for one who has
-- many; expecting many of each it reads an index in order, as far as a page goes.
alter table flashfusion.notifications alter column user_id set (n_distinct = 10);

-- The list of unread ones, newest first, is read in the order of this index and ends at its limit.
create index notifications_unread on flashfusion.notifications (user_id, created_at desc, id desc) where not is_read;
-- The same for the filter is_read=is.false: PostgreSQL does not see that it means the other one.
create index notifications_unread_is on flashfusion.notifications (user_id, created_at desc, id desc) where is_read is false;
create index notifications_created_at on flashfusion.notifications (user_id, created_at desc, id desc);
-- Nobody writes a key for a name: functions make it of ids and words.
create unique index notifications_dedupe on flashfusion.notifications (user_id, dedupe_key) where dedupe_key is not null;
create index notifications_age on flashfusion.notifications using brin (created_at);

alter table flashfusion.notifications enable row level security;
alter table flashfusion.notifications force row level security;
create policy owner_select on flashfusion.notifications for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_update on flashfusion.notifications for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on flashfusion.notifications for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, update (is_read), delete on flashfusion.notifications to authenticated;
grant select, insert, update, delete on flashfusion.notifications to service_role;
select private.scope_table('flashfusion.notifications');
-- A separate allowance: marking a full inbox as read would use up that of a user's other writes.
insert into private.daily_allowances (name, rows) values ('notifications', 500000);
select private.limit_writes('flashfusion.notifications', 'notifications', true);

-- Trigger: read_at follows is_read.
create function private.set_notification_read_at() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  if new.is_read and new.read_at is null then
    new.read_at := now();
  elsif not new.is_read then
    new.read_at := null;
  end if;
  return new;
end
$$;

create trigger notifications_erased before insert or update on flashfusion.notifications
  for each statement execute function private.refuse_erased_caller();
create trigger notifications_filter before update or delete on flashfusion.notifications
  for each statement execute function private.require_filter();
create trigger notifications_read_at before insert or update of is_read, read_at on flashfusion.notifications
  for each row execute function private.set_notification_read_at();
create trigger notifications_watch_deletes after delete on flashfusion.notifications referencing old table as old_rows
  for each statement execute function private.watch_deletes();

select private.index_mentions('flashfusion.notifications', array['title', 'message', 'action_url', 'metadata']);
select private.track_changes('flashfusion.notifications', 'array[user_id]');

-- Notifies a user, once per dedupe_key; null: every time. Returns the id; null if the user has that notification, or is erased.
-- Longer texts are cut: a notification must not fail what it reports.
create function private.notify(
  user_id uuid, kind text, dedupe_key text, title text, message text, action_url text default null, metadata jsonb default '{}'
) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  made uuid;
begin
  if exists (select from private.erased_users as e where e.id = notify.user_id) then
    return null;
  end if;
  insert into flashfusion.notifications (user_id, type, dedupe_key, title, message, action_url, metadata)
  values (
    notify.user_id, notify.kind, notify.dedupe_key, left(notify.title, 200), left(notify.message, 2000), notify.action_url,
    coalesce(notify.metadata, '{}')
  )
  on conflict do nothing
  returning id into made;
  return made;
end
$$;
revoke execute on function private.notify(uuid, text, text, text, text, text, jsonb) from public;

-- Marks the caller's notifications as read: those of these ids or, with `everything`, all that are unread, 10,000 at a time. Ids
-- of other users' notifications are passed over like ids that do not exist. {"read", "more"}
create function flashfusion.read_notifications(ids uuid[] default null, everything boolean default false) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  most constant int := 10000;
  marked int;
begin
  if (read_notifications.ids is null) = (read_notifications.everything is not true) or cardinality(read_notifications.ids) > 1000 then
    -- As private.refuse does, which users cannot call: this function has no more rights than they have.
    raise sqlstate 'PGRST' using
      message = jsonb_build_object(
        'code', 'RG640', 'message', 'Name the notifications that were read', 'details', null,
        'hint', 'Send {"ids": ["<id>", ...]} with at most 1,000 ids, or {"all": true}.'
      )::text,
      detail = '{"status": 422, "headers": {}}';
  end if;
  if read_notifications.everything then
    update flashfusion.notifications as n set is_read = true
    where n.id = any (array(
      select u.id from flashfusion.notifications as u
      where u.user_id = (select auth.uid()) and not u.is_read
      order by u.created_at desc, u.id desc
      limit most
    ));
  else
    update flashfusion.notifications as n set is_read = true
    where n.id = any (read_notifications.ids) and n.user_id = (select auth.uid()) and not n.is_read;
  end if;
  get diagnostics marked = row_count;
  return jsonb_build_object('read', marked, 'more', marked = most);
end
$$;
comment on function flashfusion.read_notifications(uuid[], boolean) is
  'Marks some or all of the caller''s notifications as read. {"read": how many, "more": whether to call again}';
revoke execute on function flashfusion.read_notifications(uuid[], boolean) from public;
grant execute on function flashfusion.read_notifications(uuid[], boolean) to authenticated;

-- Deletes notifications that were read more than 90 days ago or are older than a year, and returns how many.
create function private.clean_notifications() returns bigint
  language plpgsql volatile
  set search_path = ''
  -- By index: where nothing is old, a scan that is expected to end soon would read all.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  deleted bigint;
begin
  delete from flashfusion.notifications as n
  where n.id = any (array(
    select old.id from flashfusion.notifications as old
    where old.created_at < now() - interval '90 days'
      and (old.read_at < now() - interval '90 days' or old.created_at < now() - interval '365 days')
    limit 5000
    for update skip locked
  ));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function private.clean_notifications() from public;

insert into private.jobs (name, function, schedule, description) values (
  'clean_notifications', 'private.clean_notifications', '17 3 * * *',
  'Deletes notifications 90 days after they were read, and all after a year.'
);

-- migrate:down
delete from private.daily_allowances where name = 'notifications';
delete from private.jobs where name = 'clean_notifications';
delete from private.mention_places where relation = 'flashfusion.notifications';
select private.untrack_changes('flashfusion.notifications');
drop function private.clean_notifications();
drop function flashfusion.read_notifications(uuid[], boolean);
drop function private.notify(uuid, text, text, text, text, text, jsonb);
drop table flashfusion.notifications;
drop function private.set_notification_read_at();
