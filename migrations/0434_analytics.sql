-- 0434: analytics. What a project's sessions did, used and cost, from the rollups.
-- migrate:up
-- What analytics are about: the projects, and the days of UTC, both included. Ends the request if the caller does not see the project, or
-- if the days are none. Without a project: all that the caller sees. Without days: the last 30.
create function private.analytics_range(project uuid, first_ text, last_ text, out projects uuid[], out first_day date, out last_day date)
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if project is null then
    projects := observatory.visible_projects();
  else
    if private.role_in(project, 'read') is null then
      perform private.refuse(404, 'RG660', 'There is no such project', null, 'GET /rest/v1/projects lists yours.');
    end if;
    projects := array[project];
  end if;
  begin
    if first_ !~ '^\d{4}-\d\d-\d\d$' or last_ !~ '^\d{4}-\d\d-\d\d$' then
      raise invalid_datetime_format;
    end if;
    last_day := coalesce(last_::date, (now() at time zone 'UTC')::date);
    first_day := coalesce(first_::date, last_day - 29);
  exception
    when data_exception then
      first_day := null;
  end;
  if first_day is null or first_day > last_day or last_day - first_day >= 400 then
    perform private.refuse(
      422, 'RG673', 'These are no days that analytics cover', 'from and to are days such as 2026-11-27, and lie at most 400 days apart',
      'Send from before to, or neither.'
    );
  end if;
end
$$;
revoke execute on function private.analytics_range(uuid, text, text) from public;

-- Sums of usage in the form that all answers have. A cost is null where nothing has a price.
create function private.usage_sums(
  requests numeric, input numeric, output numeric, cache_read numeric, cache_creation numeric, web_searches numeric, cost numeric,
  unpriced numeric
) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return jsonb_build_object(
    'requests', coalesce(requests, 0), 'input_tokens', coalesce(input, 0), 'output_tokens', coalesce(output, 0),
    'cache_read_tokens', coalesce(cache_read, 0), 'cache_creation_tokens', coalesce(cache_creation, 0),
    'total_tokens', coalesce(input + output + cache_read + cache_creation, 0), 'web_searches', coalesce(web_searches, 0),
    'cost_micro_usd', case when unpriced > 0 then nullif(coalesce(cost, 0), 0) else coalesce(cost, 0) end, 'unpriced', coalesce(unpriced, 0)
  );
end
$$;
revoke execute on function private.usage_sums(numeric, numeric, numeric, numeric, numeric, numeric, numeric, numeric) from public;

-- Usage in some projects on some days, grouped by the given columns of the rollup; the other columns are null.
create function private.usage_by(columns text[], projects uuid[], first_day date, last_day date)
  returns table (
    day date, user_id uuid, model text, source text, requests numeric, input numeric, output numeric, cache_read numeric,
    cache_creation numeric, web_searches numeric, cost numeric, unpriced numeric, last_day_ date
  )
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return query execute format(
    'select %s, sum(r.requests), sum(r.input_tokens), sum(r.output_tokens), sum(r.cache_read_tokens), sum(r.cache_creation_tokens),
       sum(r.web_searches), sum(r.cost_micro_usd), sum(r.unpriced), max(r.day)
     from observatory.daily_rollups as r
     where r.project_id = any ($1) and r.day between $2 and $3
     group by %s',
    (
      select string_agg(case when k.name = any (columns) then format('r.%I', k.name) else 'null::' || k.type end, ', ' order by k.n)
      from (values (1, 'day', 'date'), (2, 'user_id', 'uuid'), (3, 'model', 'text'), (4, 'source', 'text')) as k (n, name, type)
    ),
    (select string_agg(format('r.%I', c), ', ') from unnest(columns) as c)
  ) using projects, first_day, last_day;
end
$$;
revoke execute on function private.usage_by(text[], uuid[], date, date) from public;

-- The same for activity. active_days counts days with any activity.
create function private.activity_by(columns text[], projects uuid[], first_day date, last_day date)
  returns table (
    day date, hour bigint, user_id uuid, prompts numeric, messages numeric, tool_calls numeric, errors numeric, sessions numeric,
    raw_tokens numeric, active_days bigint, last_day_ date
  )
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return query execute format(
    'select %s, sum(r.prompts), sum(r.messages), sum(r.tool_calls), sum(r.errors), sum(r.sessions), sum(r.raw_tokens),
       %s, max(r.day)
     from observatory.activity_rollups as r
     where r.project_id = any ($1) and r.day between $2 and $3
     group by %s',
    (
      select string_agg(case when k.name = any (columns) then format('r.%I', k.name) else 'null::' || k.type end, ', ' order by k.n)
      from (values (1, 'day', 'date'), (2, 'hour', 'bigint'), (3, 'user_id', 'uuid')) as k (n, name, type)
    ),
    -- count(distinct) costs a sort.
    case when 'day' = any (columns) then '1::bigint' else 'count(distinct r.day)' end,
    (select string_agg(format('r.%I', c), ', ') from unnest(columns) as c)
  ) using projects, first_day, last_day;
end
$$;
revoke execute on function private.activity_by(text[], uuid[], date, date) from public;

-- The whole, and each day. raw_tokens is what the lines of transcripts add up to as they stand; total_tokens counts each response once.
create function observatory.analytics_overview(project uuid default null, "from" text default null, "to" text default null) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  range_ constant record := private.analytics_range(project, "from", "to");
  answer jsonb;
begin
  with used as materialized (
    select u.* from private.usage_by(array['day'], range_.projects, range_.first_day, range_.last_day) as u
  ),

  by_user as materialized (
    select a.* from private.activity_by(array['day', 'user_id'], range_.projects, range_.first_day, range_.last_day) as a
  ),

  done as materialized (
    select
      b.day, sum(b.prompts) as prompts, sum(b.messages) as messages, sum(b.tool_calls) as tool_calls, sum(b.errors) as errors,
      sum(b.sessions) as sessions, sum(b.raw_tokens) as raw_tokens, count(*) as users
    from by_user as b
    group by b.day
  )

  select jsonb_build_object(
    'project_id', analytics_overview.project, 'from', range_.first_day, 'to', range_.last_day,
    'totals', (
      select private.usage_sums(
        sum(u.requests), sum(u.input), sum(u.output), sum(u.cache_read), sum(u.cache_creation), sum(u.web_searches), sum(u.cost),
        sum(u.unpriced)
      )
      from used as u
    ) || (
      select jsonb_build_object(
        'prompts', coalesce(sum(d.prompts), 0), 'messages', coalesce(sum(d.messages), 0), 'tool_calls', coalesce(sum(d.tool_calls), 0),
        'errors', coalesce(sum(d.errors), 0), 'sessions', coalesce(sum(d.sessions), 0), 'raw_tokens', coalesce(sum(d.raw_tokens), 0),
        'active_days', count(*), 'users', (select count(distinct b.user_id) from by_user as b)
      )
      from done as d
    ),
    'incomplete_conversations', (
      select count(*)
      from observatory.conversations as c
      where c.project_id = any (range_.projects) and c.missing_agents > 0 and c.deleted_at is null
        and c.last_message_at >= range_.first_day at time zone 'UTC' and c.started_at < (range_.last_day + 1) at time zone 'UTC'
    ),
    'days', (
      select coalesce(jsonb_agg(
        jsonb_build_object('day', day) || private.usage_sums(
          u.requests, u.input, u.output, u.cache_read, u.cache_creation, u.web_searches, u.cost, u.unpriced
        ) || jsonb_build_object(
          'prompts', coalesce(d.prompts, 0), 'messages', coalesce(d.messages, 0), 'tool_calls', coalesce(d.tool_calls, 0),
          'errors', coalesce(d.errors, 0), 'sessions', coalesce(d.sessions, 0), 'raw_tokens', coalesce(d.raw_tokens, 0),
          'users', coalesce(d.users, 0)
        ) order by day
      ), '[]')
      from used as u
      full join done as d using (day)
    )
  ) into answer;
  return answer;
end
$$;
comment on function observatory.analytics_overview(uuid, text, text) is
  'Sums of the caller''s projects, by day. Definer: it looks up the caller''s projects once, then reads their rollups without policies.';
revoke execute on function observatory.analytics_overview(uuid, text, text) from public;
grant execute on function observatory.analytics_overview(uuid, text, text) to authenticated;

-- A percentile of durations, from counts in buckets of powers of two, interpolated within the bucket. Null without calls.
create function private.percentile_of(buckets numeric[], share double precision) returns bigint
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  wanted constant numeric := (select sum(b.calls) from unnest(buckets) as b (calls)) * share;
  before numeric := 0;
begin
  if wanted is null or wanted = 0 then
    return null;
  end if;
  for n in 1..24 loop
    if before + buckets[n] >= wanted then
      return round((2::numeric ^ (n - 1)) * (1 + (wanted - before) / buckets[n]));
    end if;
    before := before + buckets[n];
  end loop;
  return 16777216;
end
$$;
revoke execute on function private.percentile_of(numeric[], double precision) from public;

create function observatory.analytics_tools(project uuid default null, "from" text default null, "to" text default null) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  -- Without statistics, all calls would be taken for few, and be sorted on disk instead of summed up as they are read.
  set enable_sort = off
  set jit = off
  as $$
declare
  range_ constant record := private.analytics_range(project, "from", "to");
  answer jsonb;
begin
  with tools as materialized (
    select
      r.tool_name, sum(r.calls) as calls, sum(r.errors) as errors, sum(r.timed) as timed, sum(r.duration_ms) as duration_ms,
      array[
        sum(r.buckets[1]), sum(r.buckets[2]), sum(r.buckets[3]), sum(r.buckets[4]), sum(r.buckets[5]), sum(r.buckets[6]),
        sum(r.buckets[7]), sum(r.buckets[8]), sum(r.buckets[9]), sum(r.buckets[10]), sum(r.buckets[11]), sum(r.buckets[12]),
        sum(r.buckets[13]), sum(r.buckets[14]), sum(r.buckets[15]), sum(r.buckets[16]), sum(r.buckets[17]), sum(r.buckets[18]),
        sum(r.buckets[19]), sum(r.buckets[20]), sum(r.buckets[21]), sum(r.buckets[22]), sum(r.buckets[23]), sum(r.buckets[24])
      ] as buckets
    from observatory.tool_rollups as r
    where r.project_id = any (range_.projects) and r.day between range_.first_day and range_.last_day
    group by r.tool_name
  )

  select jsonb_build_object(
    'project_id', analytics_tools.project, 'from', range_.first_day, 'to', range_.last_day, 'distinct_tools', count(*),
    'tools', coalesce(jsonb_agg(
      jsonb_build_object(
        'tool_name', t.tool_name, 'calls', t.calls, 'errors', t.errors, 'error_rate', round(t.errors / nullif(t.calls, 0), 4), 'timed', t.timed,
        'average_ms', round(t.duration_ms / nullif(t.timed, 0)), 'p50_ms', private.percentile_of(t.buckets, 0.5),
        'p95_ms', private.percentile_of(t.buckets, 0.95), 'p99_ms', private.percentile_of(t.buckets, 0.99)
      ) order by t.calls desc, t.tool_name
    ) filter (where t.place <= 500), '[]')
  ) into answer
  from (select t.*, row_number() over (order by t.calls desc, t.tool_name) as place from tools as t) as t;
  return answer;
end
$$;
comment on function observatory.analytics_tools(uuid, text, text) is
  'Calls of tools in the caller''s projects: the 500 that were called most. Definer, as observatory.analytics_overview().';
revoke execute on function observatory.analytics_tools(uuid, text, text) from public;
grant execute on function observatory.analytics_tools(uuid, text, text) to authenticated;

create function observatory.analytics_models(project uuid default null, "from" text default null, "to" text default null) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  range_ constant record := private.analytics_range(project, "from", "to");
  answer jsonb;
begin
  select jsonb_build_object(
    'project_id', analytics_models.project, 'from', range_.first_day, 'to', range_.last_day, 'distinct_models', count(*),
    'models', coalesce(jsonb_agg(
      jsonb_build_object('model', m.model, 'source', m.source) || private.usage_sums(
        m.requests, m.input, m.output, m.cache_read, m.cache_creation, m.web_searches, m.cost, m.unpriced
      ) || jsonb_build_object(
        'cache_hit_rate', round(m.cache_read / nullif(m.input + m.cache_read + m.cache_creation, 0), 4), 'last_day', m.last_day_
      ) order by m.place
    ) filter (where m.place <= 500), '[]')
  ) into answer
  from (
    select u.*, row_number() over (order by u.input + u.output + u.cache_read + u.cache_creation desc, u.model, u.source) as place
    from private.usage_by(array['model', 'source'], range_.projects, range_.first_day, range_.last_day) as u
  ) as m;
  return answer;
end
$$;
comment on function observatory.analytics_models(uuid, text, text) is
  'What models used and cost in the caller''s projects. Definer, as observatory.analytics_overview().';
revoke execute on function observatory.analytics_models(uuid, text, text) from public;
grant execute on function observatory.analytics_models(uuid, text, text) to authenticated;

create function observatory.analytics_activity(project uuid default null, "from" text default null, "to" text default null) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  range_ constant record := private.analytics_range(project, "from", "to");
  answer jsonb;
begin
  with hours as materialized (
    select a.* from private.activity_by(array['day', 'hour'], range_.projects, range_.first_day, range_.last_day) as a
  )

  select jsonb_build_object(
    'project_id', analytics_activity.project, 'from', range_.first_day, 'to', range_.last_day,
    'days', coalesce((
      select jsonb_agg(to_jsonb(d) order by d.day)
      from (
        select
          h.day, sum(h.prompts) as prompts, sum(h.messages) as messages, sum(h.tool_calls) as tool_calls, sum(h.errors) as errors,
          sum(h.sessions) as sessions
        from hours as h
        group by h.day
      ) as d
    ), '[]'),
    'hours', coalesce((
      select jsonb_agg(to_jsonb(w) order by w.weekday, w.hour)
      from (
        select
          extract(isodow from h.day)::int as weekday, h.hour, sum(h.prompts) as prompts, sum(h.messages) as messages,
          sum(h.tool_calls) as tool_calls
        from hours as h
        group by 1, 2
      ) as w
    ), '[]')
  ) into answer;
  return answer;
end
$$;
comment on function observatory.analytics_activity(uuid, text, text) is
  'When the caller''s projects were worked on: each day, and each hour of a week. Definer, as observatory.analytics_overview().';
revoke execute on function observatory.analytics_activity(uuid, text, text) from public;
grant execute on function observatory.analytics_activity(uuid, text, text) to authenticated;

create function observatory.analytics_users(project uuid default null, "from" text default null, "to" text default null) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  range_ constant record := private.analytics_range(project, "from", "to");
  answer jsonb;
begin
  with used as materialized (
    select u.* from private.usage_by(array['user_id'], range_.projects, range_.first_day, range_.last_day) as u
  ),

  done as materialized (
    select a.* from private.activity_by(array['user_id'], range_.projects, range_.first_day, range_.last_day) as a
  )

  select jsonb_build_object(
    'project_id', analytics_users.project, 'from', range_.first_day, 'to', range_.last_day, 'distinct_users', count(*),
    'users', coalesce(jsonb_agg(x.shown order by x.place) filter (where x.place <= 500), '[]')
  ) into answer
  from (
    select
      jsonb_build_object('user_id', user_id) || private.usage_sums(
        u.requests, u.input, u.output, u.cache_read, u.cache_creation, u.web_searches, u.cost, u.unpriced
      ) || jsonb_build_object(
        'prompts', coalesce(d.prompts, 0), 'messages', coalesce(d.messages, 0), 'tool_calls', coalesce(d.tool_calls, 0),
        'errors', coalesce(d.errors, 0), 'sessions', coalesce(d.sessions, 0), 'raw_tokens', coalesce(d.raw_tokens, 0),
        'active_days', coalesce(d.active_days, 0), 'last_day', d.last_day_
      ) as shown,
      row_number() over (order by d.messages desc nulls last, user_id) as place
    from used as u
    full join done as d using (user_id)
  ) as x;
  return answer;
end
$$;
comment on function observatory.analytics_users(uuid, text, text) is
  'What users did in the caller''s projects, for all members to see. Definer, as observatory.analytics_overview().';
revoke execute on function observatory.analytics_users(uuid, text, text) from public;
grant execute on function observatory.analytics_users(uuid, text, text) to authenticated;

-- migrate:down
drop function observatory.analytics_users(uuid, text, text);
drop function observatory.analytics_activity(uuid, text, text);
drop function observatory.analytics_models(uuid, text, text);
drop function observatory.analytics_tools(uuid, text, text);
drop function private.percentile_of(numeric[], double precision);
drop function observatory.analytics_overview(uuid, text, text);
drop function private.activity_by(text[], uuid[], date, date);
drop function private.usage_by(text[], uuid[], date, date);
drop function private.usage_sums(numeric, numeric, numeric, numeric, numeric, numeric, numeric, numeric);
drop function private.analytics_range(uuid, text, text);
