-- 0132: event aggregations. Counts of events by minute, hour, day, week and month; always equal to a fresh count.
-- migrate:up
create table analytics.event_aggregations (
  id              uuid primary key,
  event_type      text,
  event_name      text,
  time_bucket     timestamptz not null,
  granularity     text not null, -- not an enum, as the type of events
  event_count     bigint not null,
  unique_users    bigint,
  unique_sessions bigint,
  dimensions      jsonb,
  dimensions_hash text generated always as (md5(dimensions::text)) stored,
  created_at      timestamptz not null default now(),
  updated_at      timestamptz not null default now(),
  constraint event_aggregations_event_type check (event_type in ('page_view', 'user_action', 'conversion', 'system')),
  constraint event_aggregations_granularity check (granularity in ('minute', 'hour', 'day', 'week', 'month')),
  constraint event_aggregations_counts check (event_count >= 0 and unique_users >= 0 and unique_sessions >= 0)
);
comment on table analytics.event_aggregations is
  'One row for each type and name, bucket of time (UTC; weeks begin on Monday) and dimension. Days, weeks and months also have one row of all events together, without type and name; hours also have one for each {"country"} and each {"device_type"}, without unique counts.';
comment on column analytics.event_aggregations.id is 'A digest of the bucket and of what is counted, so that a count finds its row without a look-up.';
comment on column analytics.event_aggregations.granularity is 'One of minute, hour, day, week and month.';
comment on column analytics.event_aggregations.unique_users is 'Distinct user_ids. Values of several buckets cannot be added up: a user of two days is one user.';
comment on column analytics.event_aggregations.dimensions is 'Null: all dimensions together.';

create unique index event_aggregations_bucket on analytics.event_aggregations
  (event_type, event_name, granularity, time_bucket, dimensions_hash) nulls not distinct;
create index event_aggregations_time on analytics.event_aggregations (granularity, time_bucket desc);
create index event_aggregations_name on analytics.event_aggregations (event_name, granularity, time_bucket desc);
create index event_aggregations_dimensions on analytics.event_aggregations using gin (dimensions jsonb_path_ops);

alter table analytics.event_aggregations enable row level security;
alter table analytics.event_aggregations force row level security;
create policy admin_select on analytics.event_aggregations for select to authenticated
  using ((select private.is_admin()));
grant select on analytics.event_aggregations to authenticated, service_role;
select private.scope_table('analytics.event_aggregations');

create trigger event_aggregations_erased before insert or update on analytics.event_aggregations
  for each statement execute function private.refuse_erased_caller();

select private.index_mentions('analytics.event_aggregations', array['event_name']);

-- Who is counted in a bucket. Buckets are too large to be counted anew for every late event, and unique counts cannot be added up: so
-- each actor of a bucket is stored once.
create table private.event_actors (
  aggregation_id uuid not null,
  -- 'u': a user; 's': a session, as a digest. One byte, because there are many rows.
  -- squawk-ignore ban-char-field
  kind           "char" not null,
  actor          uuid not null,
  constraint event_actors_pkey primary key (aggregation_id, kind, actor),
  constraint event_actors_kind check (kind in ('u', 's'))
);
comment on table private.event_actors is
  'Users and sessions of each minute, hour, day, week and month of analytics.event_aggregations. Without a foreign key: checking each of a million rows would cost more than everything else.';

alter table private.event_actors enable row level security;
alter table private.event_actors force row level security;

create table private.event_watermark (
  one        boolean primary key default true,
  ingest_seq bigint not null default 0,
  actors_deleted_to timestamptz not null default '-infinity',
  unsettled_seq bigint,
  unsettled_writers text[],
  updated_at timestamptz not null default now(),
  constraint event_watermark_one check (one)
);
comment on table private.event_watermark is 'Events up to this ingest_seq are in the aggregations. A transaction that changes aggregations locks this row first.';
comment on column private.event_watermark.actors_deleted_to is
  'Hours, days, weeks and months that began until then have no actors any more: drop_old_counts goes on behind it.';

comment on column private.event_watermark.unsettled_seq is
  'The last number that was drawn when the batches of unsettled_writers were being written: see analytics.settled_ingest_seq.';

alter table private.event_watermark enable row level security;
alter table private.event_watermark force row level security;

insert into private.event_watermark default values;

-- Every transaction that drew a number up to the result has committed or rolled back. It waits up to a second for the batches that are being
-- written, and does not block new ones, as a request for their lock would. Where one of them takes longer, the result is the last number
-- of the earlier call that met such a batch, or null while a batch of that time is still being written. The caller has locked the watermark.
create function analytics.settled_ingest_seq() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  last constant bigint := (select s.last_value from analytics.ingest_seq as s);
  -- After the number: who has drawn it or an earlier one holds the lock, or has ended.
  writers constant text[] := analytics.event_writers();
  earlier private.event_watermark;
begin
  for attempt in 1 .. 50 loop
    if not analytics.event_writers() && writers then
      return last;
    end if;
    perform pg_sleep(0.02);
  end loop;
  select w.* into earlier from private.event_watermark as w;
  if earlier.unsettled_writers && analytics.event_writers() then
    return null;
  end if;
  update private.event_watermark as w set unsettled_seq = last, unsettled_writers = writers;
  return earlier.unsettled_seq;
end
$$;
revoke execute on function analytics.settled_ingest_seq() from public;

-- The id of the row that counts something.
create function analytics.aggregation_id(
  type text, name text, granularity text, bucket timestamptz, dimension text default null
) returns uuid
  language sql immutable
  set search_path = ''
  as $$
select md5(
  coalesce(type, '') || E'\x1f' || coalesce(name, '') || E'\x1f' || granularity || E'\x1f'
    || extract(epoch from bucket)::bigint::text || E'\x1f' || coalesce(dimension, '')
)::uuid
$$;
revoke execute on function analytics.aggregation_id(text, text, text, timestamptz, text) from public;

-- The rows of days, weeks and months that an hour is part of.
create function analytics.wider(type text, name text, hour timestamptz)
  returns table (type text, name text, granularity text, bucket timestamptz)
  language sql immutable
  set search_path = ''
  as $$
select s.type, s.name, s.granularity, date_trunc(s.granularity, wider.hour, 'UTC')
from (
  values
    (wider.type, wider.name, 'day'), (null, null, 'day'),
    (wider.type, wider.name, 'week'), (null, null, 'week'),
    (wider.type, wider.name, 'month'), (null, null, 'month')
) as s (type, name, granularity)
$$;
revoke execute on function analytics.wider(text, text, timestamptz) from public;

-- Adds a range of events to their aggregations. It reads no other events: a minute may have millions.
create function analytics.add_events(after bigint, upto bigint) returns void
  language sql volatile
  set search_path = ''
  set work_mem = '64MB'
  as $$
with fresh as materialized (
  select e.type, e.name, e.user_id, md5(e.session_id)::uuid as session, e.country, e.device_type,
    date_trunc('minute', e.occurred_at, 'UTC') as minute, date_trunc('hour', e.occurred_at, 'UTC') as hour
  from analytics.events as e
  where e.ingest_seq > after and e.ingest_seq <= upto
),

minutes as materialized (
  select f.type, f.name, f.minute, f.hour, count(*) as events,
    analytics.aggregation_id(f.type, f.name, 'minute', f.minute) as id,
    analytics.aggregation_id(f.type, f.name, 'hour', f.hour) as hour_id
  from fresh as f
  group by f.type, f.name, f.minute, f.hour
),

hours as materialized (
  select m.type, m.name, m.hour, sum(m.events) as events, m.hour_id as id
  from minutes as m
  group by m.type, m.name, m.hour, m.hour_id
),

actors as (
  select f.type, f.name, f.minute, 'u'::"char" as kind, f.user_id as actor from fresh as f where f.user_id is not null
  union
  select f.type, f.name, f.minute, 's'::"char", f.session from fresh as f where f.session is not null
),

came_that_minute as (
  insert into private.event_actors (aggregation_id, kind, actor)
  select m.id, a.kind, a.actor
  from actors as a
  inner join minutes as m on m.type = a.type and m.name = a.name and m.minute = a.minute
  on conflict on constraint event_actors_pkey do nothing
  returning aggregation_id, kind, actor
),

-- An actor that the minute already has is in its hour, too.
came_that_hour as (
  insert into private.event_actors (aggregation_id, kind, actor)
  select distinct m.hour_id, c.kind, c.actor
  from came_that_minute as c
  inner join minutes as m on m.id = c.aggregation_id
  on conflict on constraint event_actors_pkey do nothing
  returning aggregation_id, kind, actor
),

parts as materialized (
  select h.id as hour_id, h.events, w.type, w.name, w.granularity, w.bucket,
    analytics.aggregation_id(w.type, w.name, w.granularity, w.bucket) as id
  from hours as h
  cross join lateral analytics.wider(h.type, h.name, h.hour) as w
),

-- An actor that the hour has already is in all its wider buckets, too.
came_wider as (
  insert into private.event_actors (aggregation_id, kind, actor)
  select distinct p.id, c.kind, c.actor
  from came_that_hour as c
  inner join parts as p on p.hour_id = c.aggregation_id
  on conflict on constraint event_actors_pkey do nothing
  returning aggregation_id, kind
),

newcomers as (
  select c.aggregation_id, count(*) filter (where c.kind = 'u') as users, count(*) filter (where c.kind = 's') as sessions
  from (
    select came_that_minute.aggregation_id, came_that_minute.kind from came_that_minute
    union all
    select came_that_hour.aggregation_id, came_that_hour.kind from came_that_hour
    union all
    select came_wider.aggregation_id, came_wider.kind from came_wider
  ) as c
  group by c.aggregation_id
),

counted as (
  select m.id, m.type, m.name, 'minute' as granularity, m.minute as bucket, null::jsonb as dimensions, m.events
  from minutes as m
  union all
  select h.id, h.type, h.name, 'hour', h.hour, null, h.events
  from hours as h
  union all
  select p.id, p.type, p.name, p.granularity, p.bucket, null, sum(p.events)
  from parts as p
  group by p.id, p.type, p.name, p.granularity, p.bucket
  union all
  select analytics.aggregation_id(d.type, d.name, 'hour', d.hour, d.dimensions::text), d.type, d.name, 'hour', d.hour, d.dimensions, d.events
  from (
    select f.type, f.name, f.hour, count(*) as events,
      case grouping(f.country)
        when 0 then jsonb_build_object('country', f.country) else jsonb_build_object('device_type', f.device_type)
      end as dimensions
    from fresh as f
    group by f.type, f.name, f.hour, grouping sets ((f.country), (f.device_type))
  ) as d
)

insert into analytics.event_aggregations as a (
  id, event_type, event_name, granularity, time_bucket, dimensions, event_count, unique_users, unique_sessions
)
select c.id, c.type, c.name, c.granularity, c.bucket, c.dimensions, c.events,
  case when c.dimensions is null then coalesce(n.users, 0) end, case when c.dimensions is null then coalesce(n.sessions, 0) end
from counted as c
left join newcomers as n on n.aggregation_id = c.id
on conflict (id) do update set
  event_count = a.event_count + excluded.event_count,
  unique_users = a.unique_users + excluded.unique_users,
  unique_sessions = a.unique_sessions + excluded.unique_sessions,
  updated_at = now()
$$;
revoke execute on function analytics.add_events(bigint, bigint) from public;

-- Adds the events since the last run, late ones included, and returns how many: at most `most`, and no more than a few seconds'
-- worth. The caller repeats it until there are none. A second run at the same time does nothing.
create function analytics.process_pending_events(most bigint default 20000) returns bigint
  language plpgsql volatile
  set search_path = ''
  set work_mem = '64MB'
  as $$
declare
  started constant timestamptz := clock_timestamp();
  -- The most expensive events, each with a name of its own, take half a millisecond each; usual ones a fiftieth of that. No part has
  -- more than 5,000: expensive events behind cheap ones must not fill the time of a run, which would begin with the same ones again.
  part bigint := 1000;
  began timestamptz;
  settled bigint;
  low bigint;
  upper bigint;
  rows_ bigint;
  done bigint := 0;
begin
  select w.ingest_seq into low from private.event_watermark as w for update skip locked;
  if not found then
    return 0;
  end if;
  settled := analytics.settled_ingest_seq();
  loop
    began := clock_timestamp();
    -- Numbers that were drawn for duplicates belong to no event.
    select max(s.ingest_seq), count(*) into upper, rows_
    from (
      select e.ingest_seq from analytics.events as e
      where e.ingest_seq > low and e.ingest_seq <= settled
      order by e.ingest_seq limit least(most - done, part)
    ) as s;
    exit when rows_ = 0;
    perform analytics.add_events(low, upper);
    low := upper;
    done := done + rows_;
    part := case when clock_timestamp() - began < interval '150 milliseconds' then least(part * 4, 5000) else greatest(part / 2, 500) end;
    exit when done >= most or clock_timestamp() - started > interval '1500 milliseconds';
  end loop;
  if done > 0 then
    update private.event_watermark as w set ingest_seq = low, updated_at = now();
  end if;
  return done;
end
$$;
revoke execute on function analytics.process_pending_events(bigint) from public;

-- Deletes minutes before a time with their actors, and the actors of wider buckets before another time, whose events are all deleted:
-- actors are personal data, and these counts cannot change any more. At most 20,000 minutes and 100,000 actors of each; returns how many.
-- A job of its own, as it keeps the counting of events waiting. The bucket of a month begins up to 31 days before its last event.
create function analytics.drop_old_counts(
  minutes_before timestamptz default private.events_since(),
  actors_before timestamptz default private.events_since() - interval '31 days'
) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- The oldest first, by the index of granularities: any other plan reads rows of all times. From the counts to their actors, never the
  -- other way: offset 0 makes the planner follow.
  set enable_seqscan = off
  set enable_bitmapscan = off
  set enable_sort = off
  set jit = off
  as $$
declare
  started constant timestamptz := clock_timestamp();
  most constant bigint := 100000;
  spans constant text[] := array['hour', 'day', 'week', 'month'];
  minutes uuid[];
  done_to timestamptz;
  bucket timestamptz;
  rows_ bigint;
  deleted bigint;
  dropped bigint := 0;
begin
  select w.actors_deleted_to into done_to from private.event_watermark as w for update skip locked;
  if not found then
    return 0;
  end if;
  minutes := array(
    select old.id from analytics.event_aggregations as old
    where old.granularity = 'minute' and old.time_bucket < minutes_before
    order by old.time_bucket
    limit 20000
  );
  delete from private.event_actors as a
  where a.ctid = any (array(
    select who.ctid
    from unnest(minutes) as old (id)
    cross join lateral (select a.ctid from private.event_actors as a where a.aggregation_id = old.id offset 0) as who
    limit most
  ));
  get diagnostics deleted = row_count;
  -- Otherwise some actors may be left, which are found by their minute.
  if deleted < most then
    delete from analytics.event_aggregations as a where a.id = any (minutes);
    get diagnostics rows_ = row_count;
    deleted := deleted + rows_;
  end if;

  -- The counts stay, so the watermark says which of them have been here before.
  loop
    select oldest.time_bucket into bucket
    from unnest(spans) as span (granularity)
    cross join lateral (
      select a.time_bucket from analytics.event_aggregations as a
      where a.granularity = span.granularity and a.time_bucket > done_to and a.time_bucket < actors_before
      order by a.time_bucket
      limit 1
    ) as oldest
    order by oldest.time_bucket
    limit 1;
    exit when not found;
    delete from private.event_actors as a
    where a.ctid = any (array(
      select who.ctid
      from unnest(spans) as span (granularity)
      cross join lateral (
        select a.id from analytics.event_aggregations as a
        where a.granularity = span.granularity and a.time_bucket >= bucket and a.time_bucket <= bucket and a.dimensions is null
        -- An order that only this index has.
        order by a.time_bucket
        offset 0
      ) as old
      cross join lateral (select a.ctid from private.event_actors as a where a.aggregation_id = old.id offset 0) as who
      limit most - dropped
    ));
    get diagnostics rows_ = row_count;
    dropped := dropped + rows_;
    exit when dropped >= most;
    done_to := bucket;
    exit when clock_timestamp() - started > interval '2 seconds';
  end loop;
  update private.event_watermark as w set actors_deleted_to = done_to where w.actors_deleted_to < done_to;
  return deleted + dropped;
end
$$;
revoke execute on function analytics.drop_old_counts(timestamptz, timestamptz) from public;

insert into private.jobs (name, function, schedule, more_from, description) values
('process_pending_events', 'analytics.process_pending_events', '*/5 * * * *', 1, 'Adds new events to their aggregations.'),
('drop_old_counts', 'analytics.drop_old_counts', '7 * * * *', 1, 'Deletes counts of minutes, and who was counted, that are past their time.');

-- migrate:down
delete from private.jobs where name in ('process_pending_events', 'drop_old_counts');
delete from private.mention_places where relation = 'analytics.event_aggregations';
drop function analytics.drop_old_counts(timestamptz, timestamptz);
drop function analytics.process_pending_events(bigint);
drop function analytics.add_events(bigint, bigint);
drop function analytics.wider(text, text, timestamptz);
drop function analytics.settled_ingest_seq();
drop function analytics.aggregation_id(text, text, text, timestamptz, text);
drop table private.event_watermark;
drop table private.event_actors;
drop table analytics.event_aggregations;
