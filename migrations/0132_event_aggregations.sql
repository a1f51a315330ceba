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

-- Who is counted in a bucket. Hours, days, weeks and months are too large to be counted anew for every late event, and unique
-- counts cannot be added up: so each actor of a bucket is stored once.
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
  'Users and sessions of each hour, day, week and month of analytics.event_aggregations. Without a foreign key: checking each of a million rows would cost more than everything else.';

alter table private.event_actors enable row level security;
alter table private.event_actors force row level security;

create table private.event_watermark (
  one        boolean primary key default true,
  ingest_seq bigint not null default 0,
  updated_at timestamptz not null default now(),
  constraint event_watermark_one check (one)
);
comment on table private.event_watermark is 'Events up to this ingest_seq are in the aggregations. A transaction that changes aggregations locks this row first.';

alter table private.event_watermark enable row level security;
alter table private.event_watermark force row level security;

insert into private.event_watermark default values;

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

-- Counts minutes anew from the events themselves: they are small. Rows of minutes without events are deleted.
create function analytics.recount(touched jsonb) returns void
  language sql volatile
  set search_path = ''
  -- Right after a clean-up the planner takes a partition for empty, and then for cheapest what reads all of it for each name.
  set enable_seqscan = off
  as $$
with buckets as materialized (
  select t.type, t.name, t.bucket
  from jsonb_to_recordset(touched) as t (type text, name text, bucket timestamptz)
),

counted as materialized (
  select b.type, b.name, b.bucket, c.events, c.users, c.sessions
  from buckets as b
  cross join lateral (
    select count(*) as events, count(distinct e.user_id) as users, count(distinct e.session_id collate "C") as sessions
    from analytics.events as e
    -- Conditions that only the index on names has: by any other one, each name would read the events of all names.
    where e.type is not distinct from b.type
      and (e.name, e.occurred_at) >= (b.name, b.bucket) and (e.name, e.occurred_at) < (b.name, b.bucket + interval '1 minute')
  ) as c
),

emptied as (
  delete from analytics.event_aggregations as a
  -- From the counts to the rows: the other way round the planner might read all rows.
  where a.id = any (array(
    select analytics.aggregation_id(c.type, c.name, 'minute', c.bucket) from counted as c where c.events = 0
  ))
)

insert into analytics.event_aggregations as a (
  id, event_type, event_name, granularity, time_bucket, event_count, unique_users, unique_sessions
)
select analytics.aggregation_id(c.type, c.name, 'minute', c.bucket), c.type, c.name, 'minute', c.bucket, c.events, c.users, c.sessions
from counted as c
where c.events > 0
on conflict (id) do update set
  event_count = excluded.event_count, unique_users = excluded.unique_users, unique_sessions = excluded.unique_sessions,
  updated_at = now()
$$;
revoke execute on function analytics.recount(jsonb) from public;

-- Adds a range of events to their aggregations, except the minutes.
create function analytics.add_events(after bigint, upto bigint) returns void
  language sql volatile
  set search_path = ''
  set work_mem = '64MB'
  as $$
with fresh as materialized (
  select e.type, e.name, e.user_id, md5(e.session_id)::uuid as session, e.country, e.device_type,
    date_trunc('hour', e.occurred_at, 'UTC') as hour
  from analytics.events as e
  where e.ingest_seq > after and e.ingest_seq <= upto
),

hours as materialized (
  select f.type, f.name, f.hour, count(*) as events, analytics.aggregation_id(f.type, f.name, 'hour', f.hour) as id
  from fresh as f
  group by f.type, f.name, f.hour
),

actors as (
  select f.type, f.name, f.hour, 'u'::"char" as kind, f.user_id as actor from fresh as f where f.user_id is not null
  union
  select f.type, f.name, f.hour, 's'::"char", f.session from fresh as f where f.session is not null
),

came_that_hour as (
  insert into private.event_actors (aggregation_id, kind, actor)
  select h.id, a.kind, a.actor
  from actors as a
  inner join hours as h on h.type = a.type and h.name = a.name and h.hour = a.hour
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
    select came_that_hour.aggregation_id, came_that_hour.kind from came_that_hour
    union all
    select came_wider.aggregation_id, came_wider.kind from came_wider
  ) as c
  group by c.aggregation_id
),

counted as (
  select h.id, h.type, h.name, 'hour' as granularity, h.hour as bucket, null::jsonb as dimensions, h.events
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
  -- The most expensive events, each with a name of its own, take half a millisecond each; usual ones a fiftieth of that.
  part bigint := 1000;
  began timestamptz;
  seen bigint;
  settled bigint;
  low bigint;
  upper bigint;
  rows_ bigint;
  done bigint := 0;
begin
  select w.ingest_seq into seen from private.event_watermark as w for update skip locked;
  if not found then
    return 0;
  end if;
  settled := analytics.settled_ingest_seq();
  low := seen;
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
    part := case when clock_timestamp() - began < interval '150 milliseconds' then least(part * 4, 50000) else greatest(part / 2, 500) end;
    exit when done >= most or clock_timestamp() - started > interval '1500 milliseconds';
  end loop;
  if done = 0 then
    return 0;
  end if;

  perform analytics.recount((
    select jsonb_agg(to_jsonb(t))
    from (
      select distinct e.type, e.name, date_trunc('minute', e.occurred_at, 'UTC') as bucket
      from analytics.events as e
      where e.ingest_seq > seen and e.ingest_seq <= low
    ) as t
  ));
  update private.event_watermark as w set ingest_seq = low, updated_at = now();
  return done;
end
$$;
revoke execute on function analytics.process_pending_events(bigint) from public;

-- Deletes minutes before a time, and the actors of buckets before another time, whose events are all deleted: actors are personal
-- data, and these counts cannot change any more. At most 100,000 of each; returns how many.
create function analytics.drop_old_counts(minutes_before timestamptz, actors_before timestamptz) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
  rows_ bigint;
begin
  delete from analytics.event_aggregations as a
  where a.id = any (array(
    select old.id from analytics.event_aggregations as old
    where old.granularity = 'minute' and old.time_bucket < minutes_before
    limit 100000
  ));
  get diagnostics deleted = row_count;

  -- Bucket by bucket, the oldest first.
  delete from private.event_actors as a
  where a.ctid = any (array(
    select who.ctid
    from (
      select old.id from analytics.event_aggregations as old
      where old.time_bucket < actors_before and old.granularity <> 'minute' and old.dimensions is null
        and exists (select from private.event_actors as any_ where any_.aggregation_id = old.id)
      limit 1000
    ) as old
    inner join private.event_actors as who on who.aggregation_id = old.id
    limit 100000
  ));
  get diagnostics rows_ = row_count;
  return deleted + rows_;
end
$$;
revoke execute on function analytics.drop_old_counts(timestamptz, timestamptz) from public;

insert into private.jobs (name, function, schedule, more_from, description) values (
  'process_pending_events', 'analytics.process_pending_events', '*/5 * * * *', 1,
  'Adds new events to their aggregations.'
);

-- migrate:down
delete from private.jobs where name = 'process_pending_events';
delete from private.mention_places where relation = 'analytics.event_aggregations';
drop function analytics.drop_old_counts(timestamptz, timestamptz);
drop function analytics.process_pending_events(bigint);
drop function analytics.add_events(bigint, bigint);
drop function analytics.recount(jsonb);
drop function analytics.wider(text, text, timestamptz);
drop function analytics.aggregation_id(text, text, text, timestamptz, text);
drop table private.event_watermark;
drop table private.event_actors;
drop table analytics.event_aggregations;
