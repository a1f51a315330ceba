-- 0140: events. What people do on sites and in apps, each once, in partitions by month.
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

alter sequence analytics.ingest_seq owned by analytics.events.ingest_seq;

create index events_received_at on analytics.events using brin (received_at);
create index events_ingest_seq on analytics.events (ingest_seq);
create index events_name on analytics.events (name, occurred_at desc);
create index events_type on analytics.events (type, occurred_at desc);
create index events_session_id on analytics.events (session_id, occurred_at);
create index events_user_id on analytics.events (user_id, occurred_at) where user_id is not null;
create index events_properties on analytics.events using gin (properties jsonb_path_ops);

alter table analytics.events enable row level security;
alter table analytics.events force row level security;
create policy admin_select on analytics.events for select to authenticated
  using (((select auth.jwt()) -> 'app_metadata' ->> 'role') = 'admin');
grant select on analytics.events to authenticated, service_role;

insert into private.limit_rules (name, burst, refill, shared) values ('events', 300, '100 milliseconds', 300);
insert into private.daily_allowances (name, bytes, rows, all_bytes, all_rows) values ('events', 209715200, 500000, 5368709120, 10000000);

-- The first id of a time, in milliseconds since 1970: a UUIDv7 begins with them.
create function analytics.first_id(moment timestamptz) returns uuid
  language sql immutable strict
  set search_path = ''
  as $$
select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

-- Milliseconds since 1970 that a UUIDv7 begins with.
create function analytics.id_milliseconds(id uuid) returns bigint
  language sql immutable strict
  set search_path = ''
  as $$ select ('x' || replace(left(id::text, 13), '-', ''))::bit(48)::bigint $$;

-- What an event is stored under that came with an id which tells no time: of the same id always the same, before the year
-- 2000, where events_undated is.
create function analytics.undated_id(id uuid) returns uuid
  language sql immutable strict
  set search_path = ''
  as $$ select ('00000000-0000-7' || right(md5(id::text), 3) || '-8' || substr(md5(id::text), 1, 15))::uuid $$;

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
create trigger events_erased before insert or update on analytics.events
  for each statement execute function private.refuse_erased_caller();
create trigger events_hold_ingest_seq before insert on analytics.events
  for each statement execute function analytics.hold_ingest_seq();

-- A time in words, or null: ISO 8601, UTC where it names no zone.
create function analytics.read_time(words text) returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if words !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?\s?(Z|[+-]\d\d(:?\d\d)?)?$' then
    return null;
  end if;
  return (case when words ~ '(Z|[+-]\d\d(:?\d\d)?)$' and words ~ '^.{16}' then words else words || 'Z' end)::timestamptz;
exception
  when data_exception then
    return null;
end
$$;

-- The time that an event names: words, or milliseconds since 1970 as Date.now() gives them. Null where it is neither.
create function analytics.event_time(value jsonb) returns timestamptz
  language sql stable
  set search_path = ''
  as $$
select case
    when jsonb_typeof(value) = 'number' and (value #>> '{}')::numeric between 0 and 253402300799999
      -- Of whole microseconds: the least numbers of JSON are none of double precision, which to_timestamp takes.
      then to_timestamp(trunc((value #>> '{}')::numeric, 3) / 1000)
    -- Years that PostgreSQL has, and days that every month has, need no second look, which is ten times as dear.
    when value #>> '{}' ~ '^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z$'
      then (value #>> '{}')::timestamptz
    when jsonb_typeof(value) = 'string' then analytics.read_time(value #>> '{}')
  end
$$;

-- Takes a batch of events: an array, {"events": [...]}, or one event. Each is stored once, refused, or known already, and none
-- stands in another's way. A text in an event's place is the edge's own refusal of it. Executable by the edge only, which vouches for
-- place and device.
create function analytics.track_events(events jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  enveloped constant boolean := jsonb_typeof(events) = 'object' and jsonb_typeof(events -> 'events') = 'array';
  batch constant jsonb := case
    when jsonb_typeof(events) = 'array' then events
    when enveloped then events -> 'events'
    when jsonb_typeof(events) = 'object' then jsonb_build_array(events)
  end;
  served constant boolean := coalesce(private.caller_role() = 'service_role', false);
  -- A server's own device and place are none of its users'.
  seen constant jsonb := case when served then '{}' else coalesce(private.edge_claim(), '{}') end;
  caller constant uuid := (select auth.uid());
  place constant text := seen ->> 'country';
  agent constant text := left(private.request_header('user-agent'), 512);
  device constant text := seen ->> 'device_type';
  bot constant boolean := coalesce((seen ->> 'is_bot')::boolean, false);
  moment constant timestamptz := now();
  first_id uuid;
  end_id uuid;
  refused jsonb;
  good bigint;
  stored bigint;
  answer jsonb;
  kept bigint;
begin
  if batch is null then
    perform private.refuse(
      400, 'RG540', 'Events must be an object, or an array of objects', null, 'Send {"name": "...", "type": "page_view"}.'
    );
  end if;
  if jsonb_array_length(batch) > 500 then
    perform private.refuse(413, 'RG541', 'There are too many events', 'At most 500 a batch', 'Send them in several batches.');
  end if;
  perform private.limit_caller('events');
  perform private.require_allowance('events');
  -- Of what was sent, and not of what the edge has seen: a retry may come from another network.
  answer := private.idempotency_begin('track_events', batch);
  if answer is not null then
    return answer;
  end if;
  select
    analytics.first_id(min(m.month)::timestamp at time zone 'UTC'),
    analytics.first_id((max(m.month) + interval '1 month')::timestamp at time zone 'UTC')
  into first_id, end_id
  from private.event_months as m;

  with raw as (
    select item.position - 1 as index, item.event,
      jsonb_typeof(item.event) as kind,
      item.event ->> 'name' as name,
      item.event ->> 'type' as type,
      item.event ->> 'id' as id,
      item.event ->> 'user_id' as user_id,
      item.event ->> 'session_id' as session_id,
      item.event ->> 'anonymous_id' as anonymous_id,
      coalesce(nullif(item.event -> 'occurred_at', 'null'), nullif(item.event -> 'timestamp', 'null')) as told
    from jsonb_array_elements(batch) with ordinality as item (event, position)
  ),

  read as materialized (
    select raw.*,
      case when raw.id ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then raw.id::uuid end as given_id,
      raw.id ~* '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' as dated,
      analytics.event_time(raw.told) as told_at
    from raw
  ),

  placed as materialized (
    select read.*,
      coalesce(
        read.told_at,
        case when read.dated then to_timestamp(analytics.id_milliseconds(read.given_id) / 1000.0) end,
        moment
      ) as at,
      case
        when read.id is null
          then overlay(overlay(pg_catalog.gen_random_uuid()::text placing left(analytics.first_id(moment)::text, 13) from 1 for 13) placing '7' from 15 for 1)::uuid
        when read.dated then read.given_id
        else analytics.undated_id(read.given_id)
      end as stored_id
    from read
  ),

  judged as materialized (
    select placed.*,
      case
        when placed.kind = 'string' then
          case when placed.event #>> '{}' in ('malformed', 'too_large') then placed.event #>> '{}' else 'malformed' end
        when placed.kind <> 'object' then 'malformed'
        -- The edge counts the bytes as they were sent; here they are spaced out and sorted.
        when pg_column_size(placed.event) > 262144 then 'too_large'
        when jsonb_typeof(placed.event -> 'name') is distinct from 'string' or btrim(placed.name) = '' then 'name_missing'
        when char_length(placed.name) > 120 then 'name_too_long'
        when coalesce(placed.type, 'user_action') not in ('page_view', 'user_action', 'conversion', 'system') then 'type_unknown'
        when placed.id is not null and placed.given_id is null then 'id_invalid'
        when placed.user_id is not null and placed.user_id !~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then 'user_id_invalid'
        when char_length(placed.session_id) > 200 or jsonb_typeof(placed.event -> 'session_id') in ('object', 'array') then 'session_id_invalid'
        when char_length(placed.anonymous_id) > 200 or jsonb_typeof(placed.event -> 'anonymous_id') in ('object', 'array') then 'anonymous_id_invalid'
        when jsonb_typeof(placed.event -> 'properties') not in ('object', 'null') then 'properties_invalid'
        when jsonb_typeof(placed.event -> 'metadata') not in ('object', 'null') then 'metadata_invalid'
        when placed.told is not null and placed.told_at is null then 'time_invalid'
        when placed.at < moment - interval '5 days' then 'too_old'
        when placed.dated and (placed.given_id < first_id or placed.given_id >= end_id) then 'id_time'
      end as code
    from placed
  ),

  written as (
    insert into analytics.events (
      id, type, name, user_id, session_id, anonymous_id, properties, metadata, user_agent, referrer, url,
      device_type, browser, os, country, region, is_bot, received_at, occurred_at, user_is_verified
    )
    select
      judged.stored_id,
      coalesce(judged.type, 'user_action')::analytics.event_type,
      judged.name,
      coalesce(caller, judged.user_id::uuid),
      judged.session_id,
      judged.anonymous_id,
      coalesce(nullif(judged.event -> 'properties', 'null'), '{}'),
      coalesce(nullif(judged.event -> 'metadata', 'null'), '{}'),
      case when served then left(judged.event ->> 'user_agent', 512) else agent end,
      left(judged.event ->> 'referrer', 2000),
      left(judged.event ->> 'url', 2000),
      device,
      left(seen ->> 'browser', 40),
      left(seen ->> 'os', 40),
      -- A server says where its own users are; anybody else is where the edge sees them.
      case when not served then place when judged.event ->> 'country' ~ '^[A-Z0-9]{2}$' then judged.event ->> 'country' end,
      left(seen ->> 'region', 100),
      bot,
      moment,
      least(judged.at, moment + interval '24 hours'),
      caller is not null or served and judged.user_id is not null
    from judged
    where judged.code is null
    -- In one order everywhere: two batches of the same events must not wait for each other.
    order by judged.stored_id
    on conflict (id) do nothing
    returning 1
  )

  select
    (select count(*) from judged where judged.code is null),
    (select count(*) from written),
    (
      select coalesce(jsonb_agg(jsonb_build_object('index', judged.index, 'code', judged.code) order by judged.index), '[]')
      from judged where judged.code is not null
    )
  into good, stored, refused;
  answer := jsonb_build_object('accepted', stored, 'duplicates', good - stored, 'rejected', refused);
  perform private.idempotency_end('track_events', answer);
  -- What is kept of it: the events and, whatever became of them, the answer under an Idempotency-Key.
  kept := case when stored > 0 then pg_column_size(batch) else 0 end + private.idempotency_bytes(answer);
  if kept > 0 then
    perform private.use_allowance('events', kept, stored);
  end if;
  return answer;
end
$$;
comment on function analytics.track_events(jsonb) is
  'Takes at most 500 events. The same batch with the same Idempotency-Key gives the first answer again and stores nothing. Definer: the public has no right on the table; what is stored of a caller is decided here.';

select analytics.make_partition('events_undated', analytics.first_id('1970-01-01 00:00:00+00'), analytics.first_id('2000-01-01 00:00:00+00'));
select analytics.make_event_partitions();

revoke execute on function analytics.first_id(timestamptz) from public;
revoke execute on function analytics.id_milliseconds(uuid) from public;
revoke execute on function analytics.undated_id(uuid) from public;
revoke execute on function analytics.make_partition(text, uuid, uuid) from public;
revoke execute on function analytics.make_event_partitions(int) from public;
revoke execute on function analytics.drop_old_events(timestamptz) from public;
revoke execute on function analytics.settled_ingest_seq() from public;
revoke execute on function analytics.hold_ingest_seq() from public;
revoke execute on function analytics.read_time(text) from public;
revoke execute on function analytics.event_time(jsonb) from public;
revoke execute on function analytics.track_events(jsonb) from public;
grant execute on function analytics.track_events(jsonb) to edge;

-- migrate:down
delete from private.limit_rules where name = 'events';
delete from private.daily_allowances where name = 'events';
drop table analytics.events;
drop function analytics.track_events(jsonb);
drop function analytics.event_time(jsonb);
drop function analytics.read_time(text);
drop function analytics.hold_ingest_seq();
drop function analytics.settled_ingest_seq();
drop function analytics.drop_old_events(timestamptz);
drop function analytics.make_event_partitions(int);
drop table private.event_months;
drop function analytics.make_partition(text, uuid, uuid);
drop function analytics.undated_id(uuid);
drop function analytics.id_milliseconds(uuid);
drop function analytics.first_id(timestamptz);
drop type analytics.event_type;
