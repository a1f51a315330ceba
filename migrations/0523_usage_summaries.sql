-- 0523: usage summaries. What a month or a day has used, live; and two materialized views of thirteen months, behind functions that show
-- members their own and admins their tenant's.
-- migrate:up
-- What was used on some days, by day and model: of a member or, without one, of the tenant as a whole; with the events that are not in the
-- sums yet.
create function private.usage_between(tenant uuid, member uuid, first_day date, last_day date)
  returns table (
    day date, model text, requests bigint, prompt_tokens bigint, completion_tokens bigint, cost_micro bigint, unpriced bigint,
    estimated bigint
  )
  language plpgsql stable
  set search_path = ''
  as $$
#variable_conflict use_column
begin
  return query
    select u.day, u.model, sum(u.requests)::bigint, sum(u.prompt_tokens)::bigint, sum(u.completion_tokens)::bigint,
      sum(u.cost_micro)::bigint, sum(u.unpriced)::bigint, sum(u.estimated)::bigint
    from (
      select d.day, d.model, d.requests, d.prompt_tokens, d.completion_tokens, d.cost_micro, d.unpriced, d.estimated
      from private.usage_days as d
      where d.tenant_id = tenant and d.user_id = member and d.day between first_day and last_day
      union all
      select d.day, d.model, d.requests, d.prompt_tokens, d.completion_tokens, d.cost_micro, d.unpriced, d.estimated
      from private.usage_days as d
      where member is null and d.tenant_id = tenant and d.user_id is null and d.day between first_day and last_day
      union all
      select e.day, e.model, 1, e.prompt_tokens, e.completion_tokens, coalesce(e.cost_micro, 0), (e.cost_micro is null)::int,
        e.is_estimated::int
      from private.usage_pending as p
      -- Few of a tenant's events, each by its key.
      cross join lateral (
        select o.* from private.usage_events as o where o.tenant_id = p.tenant_id and o.event_id = p.event_id offset 0
      ) as e
      where p.tenant_id = tenant and e.day between first_day and last_day and (member is null or e.user_id = member)
    ) as u
    group by u.day, u.model;
end
$$;
revoke execute on function private.usage_between(uuid, uuid, date, date) from public;

-- The sums of these, as JSON.
create function private.usage_totals_between(tenant uuid, member uuid, first_day date, last_day date) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return (
    select jsonb_build_object(
      'requests', coalesce(sum(u.requests), 0), 'prompt_tokens', coalesce(sum(u.prompt_tokens), 0),
      'completion_tokens', coalesce(sum(u.completion_tokens), 0),
      'total_tokens', coalesce(sum(u.prompt_tokens + u.completion_tokens), 0), 'cost_micro', coalesce(sum(u.cost_micro), 0),
      'unpriced', coalesce(sum(u.unpriced), 0), 'estimated', coalesce(sum(u.estimated), 0)
    )
    from private.usage_between(tenant, member, first_day, last_day) as u
  );
end
$$;
revoke execute on function private.usage_totals_between(uuid, uuid, date, date) from public;

-- What a month has used, by day and model: an admin's tenant as a whole, or a member's own usage. Without a month, the one that it is in the
-- tenant's time zone.
create function assistant.usage_summary(month text default null) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  caller constant assistant.member := private.require_member();
  is_admin constant boolean := caller.role in ('admin', 'owner');
  member constant uuid := case when not is_admin then caller.id end;
  zone constant text := private.tenant_zone(caller.tenant_id);
  first_day date;
  last_day date;
begin
  if month !~ '^20\d\d-(0[1-9]|1[0-2])$' then
    perform private.refuse(422, 'RG695', 'The month is not valid', left(month, 100), 'Send a month such as 2026-11.');
  end if;
  first_day := coalesce((month || '-01')::date, date_trunc('month', now() at time zone zone)::date);
  last_day := (first_day + interval '1 month - 1 day')::date;
  return (
    select jsonb_build_object(
      'month', to_char(first_day, 'YYYY-MM'), 'of', case when is_admin then 'tenant' else 'member' end, 'time_zone', zone,
      'totals', private.usage_totals_between(caller.tenant_id, member, first_day, last_day),
      'days', coalesce(jsonb_agg(
        to_jsonb(u) || jsonb_build_object('total_tokens', u.prompt_tokens + u.completion_tokens) order by u.day, u.model
      ), '[]')
    )
    from private.usage_between(caller.tenant_id, member, first_day, last_day) as u
  );
end
$$;
comment on function assistant.usage_summary(text) is
  'What a month has used. Definer: sums by model are in the schema private; members get their own usage, admins that of their tenant.';
revoke execute on function assistant.usage_summary(text) from public;
grant execute on function assistant.usage_summary(text) to authenticated;

-- What the tenant's day has used so far and what is left of it: {date, time_zone, own, tenant, quota}. Only admins see `tenant`.
create function assistant.current_day_usage() returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  caller constant assistant.member := private.require_member();
  zone constant text := private.tenant_zone(caller.tenant_id);
  today constant date := (now() at time zone zone)::date;
begin
  return jsonb_build_object(
    'date', today, 'time_zone', zone, 'own', private.usage_totals_between(caller.tenant_id, caller.id, today, today),
    'tenant', case when caller.role in ('admin', 'owner')
      then private.usage_totals_between(caller.tenant_id, null, today, today)
    end,
    'quota', private.budget_of('assistant.tokens', caller.tenant_id) - 'period'
  );
end
$$;
comment on function assistant.current_day_usage() is
  'What this day has used, and what is left of it. Definer: sums and budgets are in the schema private; only admins get the tenant''s sums.';
revoke execute on function assistant.current_day_usage() from public;
grant execute on function assistant.current_day_usage() to authenticated;

-- Null instead of 0, here and in the other summary: before it refreshes, PostgreSQL sorts all rows that have no null in any column, to look for
-- equal ones. That takes longer than everything else.
create materialized view private.monthly_usage_summary as
select m.tenant_id, m.month, m.user_id, m.requests, m.prompt_tokens, m.completion_tokens, m.cost_micro,
  nullif(m.unpriced, 0) as unpriced, nullif(m.estimated, 0) as estimated
from private.usage_months as m
where m.month >= (date_trunc('month', now() at time zone 'UTC') - interval '12 months')::date;
comment on materialized view private.monthly_usage_summary is
  'What each member and each tenant as a whole (without user_id) has used in each of the last thirteen months, as of the last refresh.';
-- The view is made here; nobody reads it yet.
-- squawk-ignore require-concurrent-index-creation
create unique index monthly_usage_summary_once on private.monthly_usage_summary (tenant_id, month, user_id) nulls not distinct;

-- Snapshots say where a message is without reading millions of messages.
create materialized view private.message_feedback_summary as
select f.message_id, s.conversation_id, s.tenant_id, nullif(count(*) filter (where f.rating = 1), 0) as ups,
  nullif(count(*) filter (where f.rating = -1), 0) as downs, max(f.created_at) as last_at
from assistant.feedback as f
inner join private.feedback_snapshots as s on s.message_id = f.message_id and s.user_id = f.user_id
where f.created_at >= now() - interval '13 months'
group by f.message_id, s.conversation_id, s.tenant_id;
comment on materialized view private.message_feedback_summary is
  'How messages were rated in the last thirteen months, as of the last refresh.';
-- squawk-ignore require-concurrent-index-creation
create unique index message_feedback_summary_once on private.message_feedback_summary (message_id);
-- squawk-ignore require-concurrent-index-creation
create index message_feedback_summary_place on private.message_feedback_summary (tenant_id, conversation_id);

-- Refreshes a summary while others read it, and returns how many rows it has.
create function private.refresh_summary(summary regclass) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- Sorting millions of rows in less takes longer than a job may.
  set work_mem = '64MB'
  as $$
declare
  rows_ bigint;
begin
  execute format('refresh materialized view concurrently %s', summary);
  execute format('select count(*) from %s', summary) into rows_;
  return rows_;
end
$$;
revoke execute on function private.refresh_summary(regclass) from public;

create function private.refresh_usage_summary() returns bigint
  language sql volatile
  set search_path = ''
  as $$ select private.refresh_summary('private.monthly_usage_summary') $$;
revoke execute on function private.refresh_usage_summary() from public;

create function private.refresh_feedback_summary() returns bigint
  language sql volatile
  set search_path = ''
  as $$ select private.refresh_summary('private.message_feedback_summary') $$;
revoke execute on function private.refresh_feedback_summary() from public;

-- Neither run is followed by another one: a summary is as new as it can be.
insert into private.jobs (name, function, schedule, more_from, description) values
(
  'refresh_usage_summary', 'private.refresh_usage_summary', '7 * * * *', 1000000000000,
  'Refreshes what the assistant''s tenants have used by month.'
),
(
  'refresh_feedback_summary', 'private.refresh_feedback_summary', '17 3 * * *', 1000000000000,
  'Refreshes how the assistant''s messages were rated.'
);

-- What the last months have used: a member's own; for admins the tenant as a whole, without user_id, and each member. Up to an hour old.
create function assistant.monthly_usage_summary() returns table (
  month date, user_id uuid, requests bigint, prompt_tokens bigint, completion_tokens bigint, total_tokens bigint, cost_micro bigint,
  unpriced bigint, estimated bigint
)
  language plpgsql stable security definer
  set search_path = ''
  as $$
#variable_conflict use_column
declare
  caller constant assistant.member := private.require_member();
begin
  return query
    select s.month, s.user_id, s.requests, s.prompt_tokens, s.completion_tokens, s.prompt_tokens + s.completion_tokens, s.cost_micro,
      coalesce(s.unpriced, 0), coalesce(s.estimated, 0)
    from private.monthly_usage_summary as s
    where s.tenant_id = caller.tenant_id and (s.user_id = caller.id or caller.role in ('admin', 'owner'))
    order by s.month desc, s.user_id nulls first;
end
$$;
comment on function assistant.monthly_usage_summary() is
  'What the last thirteen months have used. Definer: materialized views know no policies; members get their own rows, admins those of their tenant.';
revoke execute on function assistant.monthly_usage_summary() from public;
grant execute on function assistant.monthly_usage_summary() to authenticated;

-- How messages were rated that the caller sees, in one conversation or all. Up to a day old.
create function assistant.message_feedback_summary(conversation uuid default null) returns table (
  message_id uuid, conversation_id uuid, ups bigint, downs bigint, last_at timestamptz
)
  language plpgsql stable security definer
  set search_path = ''
  as $$
#variable_conflict use_column
declare
  caller constant assistant.member := private.require_member();
begin
  return query
    select s.message_id, s.conversation_id, coalesce(s.ups, 0), coalesce(s.downs, 0), s.last_at
    from private.message_feedback_summary as s
    -- As the policy of conversations has it. What was deleted since the refresh is not shown.
    inner join assistant.conversations as c on c.id = s.conversation_id and c.tenant_id = caller.tenant_id
    inner join assistant.messages as m on m.id = s.message_id
    where s.tenant_id = caller.tenant_id
      and (message_feedback_summary.conversation is null or s.conversation_id = message_feedback_summary.conversation)
      and (not caller.is_private or c.user_id = caller.id)
    order by s.last_at desc, s.message_id;
end
$$;
comment on function assistant.message_feedback_summary(uuid) is
  'How messages were rated. Definer: materialized views know no policies; callers get the messages of conversations that they see.';
revoke execute on function assistant.message_feedback_summary(uuid) from public;
grant execute on function assistant.message_feedback_summary(uuid) to authenticated;

-- migrate:down
drop function assistant.message_feedback_summary(uuid);
drop function assistant.monthly_usage_summary();
delete from private.jobs where name in ('refresh_usage_summary', 'refresh_feedback_summary');
drop function private.refresh_feedback_summary();
drop function private.refresh_usage_summary();
drop function private.refresh_summary(regclass);
drop materialized view private.message_feedback_summary;
drop materialized view private.monthly_usage_summary;
drop function assistant.current_day_usage();
drop function assistant.usage_summary(text);
drop function private.usage_totals_between(uuid, uuid, date, date);
drop function private.usage_between(uuid, uuid, date, date);
