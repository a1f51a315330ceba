-- 0130: events. What people do on sites and in apps, each event once, in partitions by month.
-- migrate:up
create type analytics.event_type as enum ('page_view', 'user_action', 'conversion', 'system');

create sequence analytics.ingest_seq;

create table analytics.events (
  id           uuid not null,
  type         analytics.event_type not null,
  name         text not null,
  user_id      uuid,
  user_is_verified boolean not null default false,
  session_id   text,
  anonymous_id text,
  properties   jsonb not null default '{}',
  metadata     jsonb not null default '{}',
  user_agent   text,
  referrer     text,
  url          text,
  device_type  text,
  browser      text,
  os           text,
  country      text,
  region       text,
  is_bot       boolean not null default false,
  received_at  timestamptz not null default now(),
  occurred_at  timestamptz not null,
  ingest_seq   bigint not null default nextval('analytics.ingest_seq'),
  constraint events_pkey primary key (id),
  constraint events_name_length check (char_length(name) between 1 and 120),
  constraint events_session_id_length check (char_length(session_id) <= 200),
  constraint events_anonymous_id_length check (char_length(anonymous_id) <= 200),
  constraint events_device_type check (device_type in ('desktop', 'mobile', 'tablet', 'bot', 'other')),
  constraint events_country check (country ~ '^[A-Z0-9]{2}$')
) partition by range (id);
comment on table analytics.events is
  'One row per event. The time inside a UUIDv7 id chooses the partition, so that the primary key finds every repetition of an id, whenever it comes.';
comment on column analytics.events.id is
  'The client''s, where it is a UUIDv7; of any other UUID a digest in the partition events_undated, the same one each time.';
comment on column analytics.events.user_id is
  'The user of the token; of a caller without one what the caller says, which is a claim and no proof.';
comment on column analytics.events.user_is_verified is 'Whether a token, or the back office, said who the user is.';
comment on column analytics.events.occurred_at is 'The client''s clock, at most 24 hours ahead of ours.';
comment on column analytics.events.ingest_seq is
  'Grows with every event. What process_pending_events has seen is told by it, not by a flag, which would write every row twice.';
comment on column analytics.events.metadata is 'What a server says of its own events; properties are the product''s.';

create index events_received_at on analytics.events using brin (received_at);
create index events_ingest_seq on analytics.events (ingest_seq);
create index events_name on analytics.events (name, occurred_at desc);
create index events_type on analytics.events (type, occurred_at desc);
create index events_session_id on analytics.events (session_id, occurred_at);
create index events_user_id on analytics.events (user_id, occurred_at) where user_id is not null;
create index events_properties on analytics.events using gin (properties jsonb_path_ops);
create index events_anonymous_id on analytics.events (anonymous_id, occurred_at) where anonymous_id is not null;

alter table analytics.events enable row level security;
alter table analytics.events force row level security;
create policy admin_select on analytics.events for select to authenticated
  using ((select private.is_admin()));
grant select on analytics.events to authenticated, service_role;

alter sequence analytics.ingest_seq owned by analytics.events.ingest_seq;

-- Everything that was given an ingest_seq below what this gives has been committed or rolled back. It waits for the batches
-- that are being written, and lets go at once: raising an error is how a lock is given back before the transaction's end.
create function analytics.settled_ingest_seq() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  last bigint;
begin
  begin
    perform pg_advisory_xact_lock(hashtextextended('analytics.events', 0));
    select s.last_value into last from analytics.ingest_seq as s;
    raise exception using errcode = 'LETGO', message = 'let go';
  exception
    when sqlstate 'LETGO' then
      return last;
  end;
end
$$;
revoke execute on function analytics.settled_ingest_seq() from public;

-- Trigger: whoever writes events holds this before a number is drawn, until the end of the transaction.
create function analytics.hold_ingest_seq() returns trigger
  language plpgsql
  -- Definer: a helper that no request role may call by itself.
  security definer
  set search_path = ''
  as $$
begin
  perform pg_advisory_xact_lock_shared(hashtextextended('analytics.events', 0));
  return null;
end
$$;
comment on function analytics.hold_ingest_seq() is
  'Holds back the count of events while some are being written. Definer: it is a helper that no request role may call.';
revoke execute on function analytics.hold_ingest_seq() from public;

create trigger events_erased before insert or update on analytics.events
  for each statement execute function private.refuse_erased_caller();
create trigger events_hold_ingest_seq before insert on analytics.events
  for each statement execute function analytics.hold_ingest_seq();

select private.watch_mentions('analytics.events', array[
  'name', 'session_id', 'anonymous_id', 'properties', 'metadata', 'user_agent', 'referrer', 'url'
], 'private.forget_events');

-- The first id of a time, in milliseconds since 1970: a UUIDv7 begins with them.
create function analytics.first_id(moment timestamptz) returns uuid
  language sql immutable strict
  set search_path = ''
  as $$
select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;
revoke execute on function analytics.first_id(timestamptz) from public;

-- Milliseconds since 1970 that a UUIDv7 begins with.
create function analytics.id_milliseconds(id uuid) returns bigint
  language sql immutable strict
  set search_path = ''
  as $$ select ('x' || replace(left(id::text, 13), '-', ''))::bit(48)::bigint $$;
revoke execute on function analytics.id_milliseconds(uuid) from public;

-- What an event is stored under that came with an id which tells no time: of the same id always the same, before the year
-- 2000, where events_undated is.
create function analytics.undated_id(id uuid) returns uuid
  language sql immutable strict
  set search_path = ''
  as $$ select ('00000000-0000-7' || right(md5(id::text), 3) || '-8' || substr(md5(id::text), 1, 15))::uuid $$;
revoke execute on function analytics.undated_id(uuid) from public;

-- Makes one partition. Row-level security holds in it by itself, should somebody be granted it by mistake.
create function analytics.make_partition(name text, low uuid, high uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  execute format(
    'create table analytics.%I partition of analytics.events for values from (%L) to (%L)', make_partition.name, low, high
  );
  execute format('alter table analytics.%I enable row level security', make_partition.name);
  execute format('alter table analytics.%I force row level security', make_partition.name);
  execute format(
    'comment on table analytics.%I is %L', make_partition.name, 'A part of analytics.events, reached through it only.'
  );
end
$$;
revoke execute on function analytics.make_partition(text, uuid, uuid) from public;

-- The months that have a partition.
create table private.event_months (
  month date primary key,
  constraint event_months_first_day check (extract(day from month) = 1)
);
comment on table private.event_months is 'Months of which analytics.events has a partition; there is none missing between the first and the last.';

alter table private.event_months enable row level security;
alter table private.event_months force row level security;

-- Makes the partitions up to some months from now; gives how many. Two at once wait for each other.
create function analytics.make_event_partitions(ahead int default 3) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- Everybody who writes would wait behind it: rather later.
  set lock_timeout = '2s'
  as $$
declare
  this_month constant date := date_trunc('month', now() at time zone 'UTC')::date;
  next date;
  made bigint := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('analytics.make_event_partitions', 0));
  -- Last month's, too: events may be five days late.
  select coalesce(max(m.month) + interval '1 month', this_month - interval '1 month') into next from private.event_months as m;
  while next <= this_month + ahead * interval '1 month' loop
    perform analytics.make_partition(
      'events_' || to_char(next, 'YYYY_MM'),
      analytics.first_id(next::timestamp at time zone 'UTC'),
      analytics.first_id((next + interval '1 month')::timestamp at time zone 'UTC')
    );
    insert into private.event_months (month) values (next);
    made := made + 1;
    next := next + interval '1 month';
  end loop;
  return made;
end
$$;
revoke execute on function analytics.make_event_partitions(int) from public;

-- Drops the partitions of months that ended before a time, and what is as old in events_undated, at most 100,000; gives how
-- many events, of partitions as statistics have it. What they added up to stays.
create function analytics.drop_old_events(before timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  set lock_timeout = '2s'
  as $$
declare
  old date;
  rows_ bigint;
  gone bigint := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('analytics.make_event_partitions', 0));
  for old in
    select m.month from private.event_months as m
    where (m.month + interval '1 month')::timestamp at time zone 'UTC' <= before
    order by m.month
  loop
    select greatest(c.reltuples, 0) into rows_
    from pg_catalog.pg_class as c
    where c.oid = to_regclass('analytics.events_' || to_char(old, 'YYYY_MM'));
    execute format('alter table analytics.events detach partition analytics.%I', 'events_' || to_char(old, 'YYYY_MM'));
    execute format('drop table analytics.%I', 'events_' || to_char(old, 'YYYY_MM'));
    delete from private.event_months as m where m.month = old;
    gone := gone + rows_;
  end loop;
  delete from analytics.events as e
  where e.id in (
    select u.id from analytics.events as u
    where u.id < analytics.first_id('2000-01-01 00:00:00+00') and u.occurred_at < before
    limit 100000
  );
  get diagnostics rows_ = row_count;
  return gone + rows_;
end
$$;
revoke execute on function analytics.drop_old_events(timestamptz) from public;

insert into private.jobs (name, function, schedule, description) values (
  'make_event_partitions', 'analytics.make_event_partitions', '17 3 * * *',
  'Makes the partitions of events for the next three months.'
);

select analytics.make_partition('events_undated', analytics.first_id('1970-01-01 00:00:00+00'), analytics.first_id('2000-01-01 00:00:00+00'));
select analytics.make_event_partitions();

-- migrate:down
delete from private.jobs where name = 'make_event_partitions';
delete from private.mention_places where relation = 'analytics.events';
drop function analytics.drop_old_events(timestamptz);
drop function analytics.make_event_partitions(int);
drop table private.event_months;
drop function analytics.make_partition(text, uuid, uuid);
drop function analytics.undated_id(uuid);
drop function analytics.id_milliseconds(uuid);
drop function analytics.first_id(timestamptz);
drop function analytics.settled_ingest_seq();
drop table analytics.events;
drop function analytics.hold_ingest_seq();
drop type analytics.event_type;
