-- 0133: event erasure. Deletes events and subtracts them from their aggregations.
-- migrate:up
-- Deletes events, subtracts them from their aggregations, and returns how many.
create function private.forget_events(ids uuid[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- A day has 24 hours here, in whatever time zone the caller is.
  set timezone = 'UTC'
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  seen bigint;
  removed jsonb;
  reductions jsonb;
  counted record;
begin
  -- The lock keeps process_pending_events out.
  select w.ingest_seq into seen from private.event_watermark as w for update;
  with deleted as (
    delete from analytics.events as e where e.id = any (ids)
    returning e.type, e.name, e.user_id, e.session_id, e.country, e.device_type, e.occurred_at, e.ingest_seq
  )

  select jsonb_agg(to_jsonb(d)) into removed from deleted as d;
  if removed is null then
    return 0;
  end if;

  with lost as materialized (
    select d.type, d.name, d.user_id, d.session_id, d.country, d.device_type,
      date_trunc('minute', d.occurred_at, 'UTC') as minute, date_trunc('hour', d.occurred_at, 'UTC') as hour
    from jsonb_to_recordset(removed) as d (
      type text, name text, user_id uuid, session_id text, country text, device_type text, occurred_at timestamptz,
      ingest_seq bigint
    )
    where d.ingest_seq <= seen
  ),

  -- The rows that counted each event, and what they count: a span of time, of all events or of one type and name.
  counters as materialized (
    select l.user_id, l.session_id, c.type, c.name, c.bucket, c.bucket + c.length as bucket_end,
      analytics.aggregation_id(c.type, c.name, c.granularity, c.bucket) as id
    from lost as l
    cross join lateral (
      select l.type, l.name, 'minute' as granularity, l.minute as bucket, interval '1 minute' as length
      union all
      select l.type, l.name, 'hour', l.hour, interval '1 hour'
      union all
      select w.type, w.name, w.granularity, w.bucket, ('1 ' || w.granularity)::interval
      from analytics.wider(l.type, l.name, l.hour) as w
    ) as c
  ),

  -- From the deleted events to their actors, never the other way: offset 0 makes the planner follow. Comparisons of rows and + 0
  -- keep it off all indexes but one.
  left_users as (
    delete from private.event_actors as a
    where a.ctid = any (array(
      select found_.ctid
      from (select distinct c.id, c.type, c.name, c.bucket, c.bucket_end, c.user_id from counters as c where c.user_id is not null) as c
      cross join lateral (
        select b.ctid from private.event_actors as b where b.aggregation_id = c.id and b.kind = 'u' and b.actor = c.user_id offset 0
      ) as found_
      where not exists (
        select from analytics.events as e
        where e.user_id is not null
          and (e.user_id, e.occurred_at) >= (c.user_id, c.bucket) and (e.user_id, e.occurred_at) < (c.user_id, c.bucket_end)
          and (c.name is null or (e.name = c.name and e.type = c.type)) and e.ingest_seq + 0 <= seen
        offset 0
      )
    ))
    returning a.aggregation_id
  ),

  left_sessions as (
    delete from private.event_actors as a
    where a.ctid = any (array(
      select found_.ctid
      from (
        select distinct c.id, c.type, c.name, c.bucket, c.bucket_end, c.session_id from counters as c where c.session_id is not null
      ) as c
      cross join lateral (
        select b.ctid from private.event_actors as b
        where b.aggregation_id = c.id and b.kind = 's' and b.actor = md5(c.session_id)::uuid offset 0
      ) as found_
      where not exists (
        select from analytics.events as e
        where (e.session_id, e.occurred_at) >= (c.session_id, c.bucket) and (e.session_id, e.occurred_at) < (c.session_id, c.bucket_end)
          and (c.name is null or (e.name = c.name and e.type = c.type)) and e.ingest_seq + 0 <= seen
        offset 0
      )
    ))
    returning a.aggregation_id
  ),

  left_by as (
    select u.aggregation_id as id, count(*) as users, 0 as sessions from left_users as u group by u.aggregation_id
    union all
    select s.aggregation_id, 0, count(*) from left_sessions as s group by s.aggregation_id
  ),

  minus as (
    select m.id, sum(m.events) as events, sum(m.users) as users, sum(m.sessions) as sessions
    from (
      select c.id, 1 as events, 0 as users, 0 as sessions from counters as c
      union all
      select analytics.aggregation_id(l.type, l.name, 'hour', l.hour, d.dimensions::text), 1, null, null
      from lost as l
      cross join lateral (
        values (jsonb_build_object('country', l.country)), (jsonb_build_object('device_type', l.device_type))
      ) as d (dimensions)
      union all
      select l.id, 0, l.users, l.sessions from left_by as l
    ) as m
    group by m.id
  )

  select jsonb_agg(to_jsonb(m)) into reductions from minus as m;

  for counted in
    select m.id, m.events, m.users, m.sessions
    from jsonb_to_recordset(reductions) as m (id uuid, events bigint, users bigint, sessions bigint)
  loop
    update analytics.event_aggregations as a set
      event_count = a.event_count - counted.events, unique_users = a.unique_users - counted.users,
      unique_sessions = a.unique_sessions - counted.sessions, updated_at = now()
    where a.id = counted.id;
    delete from analytics.event_aggregations as a where a.id = counted.id and a.event_count = 0;
  end loop;
  return jsonb_array_length(removed);
end
$$;
revoke execute on function private.forget_events(uuid[]) from public;

-- migrate:down
drop function private.forget_events(uuid[]);
