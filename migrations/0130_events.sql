-- 0130: events. What people do on sites and in apps, each event once, in partitions by month.
-- migrate:up
create sequence analytics.ingest_seq;

create table analytics.events (
  id           uuid not null,
  -- Not an enum: its comparison is not leakproof, so row-level security would keep it from using an index.
  type         text not null,
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
  constraint events_type check (type in ('page_view', 'user_action', 'conversion', 'system')),
  constraint events_name_length check (char_length(name) between 1 and 120),
  constraint events_session_id_length check (char_length(session_id) <= 200),
  constraint events_anonymous_id_length check (char_length(anonymous_id) <= 200),
  constraint events_device_type check (device_type in ('desktop', 'mobile', 'tablet', 'bot', 'other')),
  constraint events_country check (country ~ '^[A-Z0-9]{2}$')
) partition by range (id);
comment on table analytics.events is
  'One row per event. The time inside a UUIDv7 id chooses the partition, so that the primary key finds every repetition of an id, whenever it arrives.';
comment on column analytics.events.id is
  'The client''s id if it is a UUIDv7; for any other UUID a digest of it in the partition events_undated, always the same one.';
comment on column analytics.events.type is 'One of page_view, user_action, conversion and system.';
comment on column analytics.events.user_id is
  'The user of the token; without a token the user that the caller claims to be, which proves nothing.';
comment on column analytics.events.user_is_verified is 'Whether a token or service_role named the user.';
comment on column analytics.events.occurred_at is 'The client''s clock, at most 24 hours ahead of ours.';
comment on column analytics.events.ingest_seq is
  'Grows with every event. process_pending_events remembers the last one that it has seen; a flag would need a second write of every row.';
comment on column analytics.events.metadata is 'What a server adds to its own events; properties are the product''s.';

create index events_received_at on analytics.events using brin (received_at);
create index events_ingest_seq on analytics.events (ingest_seq);
-- Both ascending, so that a comparison of rows finds a minute of a name.
create index events_name on analytics.events (name, occurred_at);
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
select private.scope_table('analytics.events');

alter sequence analytics.ingest_seq owned by analytics.events.ingest_seq;

-- Trigger: a transaction that writes events holds this lock from before it draws a number to its end.
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
  'Shows settled_ingest_seq that events are being written. Definer: it is a helper that no request role may call.';
revoke execute on function analytics.hold_ingest_seq() from public;

-- The other transactions that hold this lock.
create function analytics.event_writers() returns text[]
  language sql volatile
  set search_path = ''
  as $$
select array(
  select l.virtualtransaction
  from pg_catalog.pg_locks as l
  where l.locktype = 'advisory' and l.objsubid = 1 and (l.classid::bigint << 32 | l.objid::bigint) = hashtextextended('analytics.events', 0)
    and l.database = (select d.oid from pg_catalog.pg_database as d where d.datname = current_database())
    and l.pid is distinct from pg_backend_pid()
)
$$;
revoke execute on function analytics.event_writers() from public;

create trigger events_erased before insert or update on analytics.events
  for each statement execute function private.refuse_erased_caller();
create trigger events_hold_ingest_seq before insert on analytics.events
  for each statement execute function analytics.hold_ingest_seq();

select private.index_mentions('analytics.events', array[
  'name', 'session_id', 'anonymous_id', 'properties', 'metadata', 'user_agent', 'referrer', 'url'
], 'private.forget_events');

-- The first id of a time: a UUIDv7 begins with milliseconds since 1970.
create function analytics.first_id(moment timestamptz) returns uuid
  language sql immutable strict
  set search_path = ''
  as $$
select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;
revoke execute on function analytics.first_id(timestamptz) from public;

-- The milliseconds since 1970 that a UUIDv7 begins with.
create function analytics.id_milliseconds(id uuid) returns bigint
  language sql immutable strict
  set search_path = ''
  as $$ select ('x' || replace(left(id::text, 13), '-', ''))::bit(48)::bigint $$;
revoke execute on function analytics.id_milliseconds(uuid) from public;

-- The id under which an event is stored whose own id has no time: always the same for the same id, and of a time before 2000,
-- which is the partition events_undated.
create function analytics.undated_id(id uuid) returns uuid
  language sql immutable strict
  set search_path = ''
  as $$ select ('00000000-0000-7' || right(md5(id::text), 3) || '-8' || substr(md5(id::text), 1, 15))::uuid $$;
revoke execute on function analytics.undated_id(uuid) from public;

-- Makes one partition, with row-level security of its own, in case somebody is granted it by mistake.
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
comment on table private.event_months is 'Months of which analytics.events has a partition, without gaps.';

alter table private.event_months enable row level security;
alter table private.event_months force row level security;

-- Makes the partitions up to some months from now and returns how many. Two runs at once wait for each other.
create function analytics.make_event_partitions(ahead int default 3) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- Every writer waits behind this lock, and gives up after a second: give up before that, and try again in an hour.
  set lock_timeout = '500ms'
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

-- What happened before this time may have been deleted.
create function private.events_since() returns timestamptz
  language sql stable
  set search_path = ''
  as $$ select now() - interval '90 days' $$;
revoke execute on function private.events_since() from public;

-- Drops the partitions of months that ended before a time, and returns how many events they had, as the statistics estimate. Their
-- aggregations stay. A job of its own: a reader of all events, such as a backup, makes it fail, and nothing else with it; and no other
-- work is done under its lock, which keeps all writers waiting.
create function analytics.drop_event_partitions(before timestamptz default private.events_since()) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- As make_event_partitions.
  set lock_timeout = '500ms'
  as $$
declare
  old date;
  rows_ bigint;
  deleted bigint := 0;
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
    deleted := deleted + rows_;
  end loop;
  return deleted;
end
$$;
revoke execute on function analytics.drop_event_partitions(timestamptz) from public;

-- Deletes events that are older than a time and whose month does not end with it, at most 100,000, and returns how many: those of
-- events_undated, and those of later months, whose ids a clock that was ahead has made. Their aggregations stay.
create function analytics.delete_undated_events(before timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- Only the index of types has the oldest events of a type first: any other plan reads all events.
  set enable_seqscan = off
  set enable_bitmapscan = off
  set enable_sort = off
  set jit = off
  as $$
declare
  most constant bigint := 100000;
  part text;
  rows_ bigint;
  deleted bigint := 0;
begin
  for part in
    select 'events_undated'
    union all
    select 'events_' || to_char(m.month, 'YYYY_MM') from private.event_months as m
    where m.month::timestamp at time zone 'UTC' >= before
  loop
    execute format(
      'delete from analytics.%1$I as e
      where e.ctid = any (array(
        select oldest.row_
        from unnest(array[''page_view'', ''user_action'', ''conversion'', ''system'']) as kind (type)
        cross join lateral (
          select u.ctid as row_ from analytics.%1$I as u
          where u.type = kind.type and u.occurred_at < $1
          order by u.occurred_at
          limit $2
        ) as oldest
        limit $2
      ))',
      part
    ) using before, most - deleted;
    get diagnostics rows_ = row_count;
    deleted := deleted + rows_;
    exit when deleted >= most;
  end loop;
  return deleted;
end
$$;
revoke execute on function analytics.delete_undated_events(timestamptz) from public;

-- Each hour, as one may meet a reader that does not end in time.
insert into private.jobs (name, function, schedule, description) values
('make_event_partitions', 'analytics.make_event_partitions', '7 * * * *', 'Makes the partitions of events for the next three months.'),
('drop_event_partitions', 'analytics.drop_event_partitions', '7 * * * *', 'Drops the partitions of events that are past their 90 days.');

select analytics.make_partition('events_undated', analytics.first_id('1970-01-01 00:00:00+00'), analytics.first_id('2000-01-01 00:00:00+00'));
select analytics.make_event_partitions();

-- migrate:down
delete from private.jobs where name in ('make_event_partitions', 'drop_event_partitions');
delete from private.mention_places where relation = 'analytics.events';
drop function analytics.delete_undated_events(timestamptz);
drop function analytics.drop_event_partitions(timestamptz);
drop function private.events_since();
drop function analytics.make_event_partitions(int);
drop table private.event_months;
drop function analytics.make_partition(text, uuid, uuid);
drop function analytics.undated_id(uuid);
drop function analytics.id_milliseconds(uuid);
drop function analytics.first_id(timestamptz);
drop table analytics.events;
drop function analytics.event_writers();
drop function analytics.hold_ingest_seq();
