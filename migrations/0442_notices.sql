-- 0442: notices. Messages of observatory to a user. Only functions write them; the user reads them, marks them as read and deletes them.
-- migrate:up
create table observatory.notices (
  id         uuid primary key default gen_random_uuid(),
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  user_id    uuid not null,
  kind       text not null,
  dedupe_key text not null,
  title      text not null,
  details    jsonb not null default '{}',
  created_at timestamptz not null default now(),
  read_at    timestamptz,
  constraint notices_once unique (user_id, dedupe_key),
  constraint notices_kind check (kind ~ '^[a-z][a-z0-9_]{0,59}$'),
  constraint notices_dedupe_key_length check (char_length(dedupe_key) between 1 and 300),
  constraint notices_title_length check (char_length(title) between 1 and 300),
  constraint notices_details check (jsonb_typeof(details) = 'object' and octet_length(details::text) <= 16384)
);
comment on table observatory.notices is 'Messages of observatory to a user, such as that transcripts were deleted before they were sent. Written by functions only.';
comment on column observatory.notices.dedupe_key is 'A user gets one notice of a key, however often its cause is found.';
comment on column observatory.notices.details is 'Counts and ids for programs.';

create index notices_latest on observatory.notices (user_id, created_at desc, id desc);
create index notices_unread on observatory.notices (user_id, created_at desc, id desc) where read_at is null;
create index notices_age on observatory.notices using brin (created_at);

alter table observatory.notices enable row level security;
alter table observatory.notices force row level security;
create policy owner_select on observatory.notices for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_update on observatory.notices for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on observatory.notices for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, update (read_at), delete on observatory.notices to authenticated;
grant select, insert, update, delete on observatory.notices to service_role;
select private.scope_table('observatory.notices');
select private.limit_writes('observatory.notices', 'observatory', true);

-- Trigger: read_at is the time of the request that sets it, not a time that a client chooses.
create function private.set_notice_read_at() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  if new.read_at is not null then
    new.read_at := coalesce(old.read_at, now());
  end if;
  return new;
end
$$;
revoke execute on function private.set_notice_read_at() from public;

create trigger notices_erased before insert or update on observatory.notices
  for each statement execute function private.refuse_erased_caller();
create trigger notices_filter before update or delete on observatory.notices
  for each statement execute function private.require_filter();
create trigger notices_read_at before update of read_at on observatory.notices
  for each row execute function private.set_notice_read_at();

select private.index_mentions('observatory.notices', array['title', 'details']);

-- Notifies a user, once per dedupe_key. Returns the id; null if the user has that notice, or is erased.
create function private.notice(user_id uuid, kind text, dedupe_key text, title text, details jsonb default '{}') returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  made uuid;
begin
  if exists (select from private.erased_users as e where e.id = notice.user_id) then
    return null;
  end if;
  insert into observatory.notices (user_id, kind, dedupe_key, title, details)
  values (notice.user_id, notice.kind, notice.dedupe_key, left(notice.title, 300), coalesce(notice.details, '{}'))
  on conflict on constraint notices_once do nothing
  returning id into made;
  return made;
end
$$;
revoke execute on function private.notice(uuid, text, text, text, jsonb) from public;

-- Deletes, in parts, what the live sources leave: events of hooks and of OpenTelemetry after 90 days, notices 90 days after they were read
-- or after a year, and sessions of which OpenTelemetry has reported nothing for a year. Of those, one that was in a notice stays as long as
-- there is something of the session here: the next sweep would report it again.
create function private.clean_live() returns bigint
  language plpgsql volatile
  set search_path = ''
  -- By index: where nothing is old, a scan that is expected to end soon would read all.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  notices bigint;
  sessions bigint;
begin
  delete from observatory.notices as n
  where n.id = any (array(
    select old.id from observatory.notices as old
    where old.created_at < now() - interval '90 days'
      and (old.read_at < now() - interval '90 days' or old.created_at < now() - interval '365 days')
    limit 5000
    for update skip locked
  ));
  get diagnostics notices = row_count;
  delete from private.otel_sessions as o
  where o.id = any (array(
    select old.id from private.otel_sessions as old
    where old.last_at < now() - interval '365 days'
      and (old.lost_at is null or not exists (
        select from observatory.conversations as c
        where c.owner_id = old.owner_id and c.session_id = old.session_id and c.deleted_at is null
      ))
    limit 5000
    for update skip locked
  ));
  get diagnostics sessions = row_count;
  return notices + sessions
    + private.delete_older('observatory.hook_events', 'at', now() - interval '90 days', 20000)
    + private.delete_older('private.otel_events', 'received_at', now() - interval '90 days', 20000);
end
$$;
revoke execute on function private.clean_live() from public;

insert into private.jobs (name, function, schedule, description) values (
  'clean_live', 'private.clean_live', '7 * * * *', 'Deletes events of coding agents after 90 days, and notices that were read.'
);

-- migrate:down
delete from private.jobs where name = 'clean_live';
delete from private.mention_places where relation = 'observatory.notices';
drop function private.clean_live();
drop function private.notice(uuid, text, text, text, jsonb);
drop table observatory.notices;
drop function private.set_notice_read_at();
