-- 0341: usage analytics. What users use, and what it costs, in micro-USD. Rows are in partitions by month; totals stay.
-- migrate:up
create table flashfusion.usage_analytics (
  id              uuid not null default gen_random_uuid(),
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  user_id         uuid not null,
  -- Without a foreign key: the usage of a project stays when the project is deleted.
  project_id      uuid,
  event_type      text not null,
  event_data      jsonb not null default '{}',
  "timestamp"     timestamptz not null default now(),
  session_id      uuid,
  ip_address      inet,
  user_agent      text,
  api_tokens_used bigint not null default 0,
  cost_incurred   bigint not null default 0,
  constraint usage_analytics_pkey primary key (id, "timestamp"),
  constraint usage_analytics_event_type check (event_type ~ '^[a-z][a-z0-9_.:-]{0,99}$'),
  constraint usage_analytics_event_data check (jsonb_typeof(event_data) = 'object' and octet_length(event_data::text) <= 32768),
  constraint usage_analytics_user_agent_length check (char_length(user_agent) <= 512),
  constraint usage_analytics_amounts check (api_tokens_used >= 0 and cost_incurred >= 0),
  constraint usage_analytics_ip_address check (
    ip_address is null or masklen(ip_address) <= case family(ip_address) when 4 then 24 else 48 end
  )
) partition by range ("timestamp");
comment on table flashfusion.usage_analytics is 'One row for each use that counts. Written by functions only; users read their own.';
comment on column flashfusion.usage_analytics.cost_incurred is 'In micro-USD, rounded up once for each use.';
comment on column flashfusion.usage_analytics.ip_address is 'The network only: 24 bits of an IPv4 address, 48 of an IPv6 address.';

create index usage_analytics_user_id on flashfusion.usage_analytics (user_id, "timestamp" desc);
create index usage_analytics_project_id on flashfusion.usage_analytics (project_id, "timestamp" desc) where project_id is not null;
create index usage_analytics_timestamp on flashfusion.usage_analytics using brin ("timestamp");

alter table flashfusion.usage_analytics enable row level security;
alter table flashfusion.usage_analytics force row level security;
create policy owner_select on flashfusion.usage_analytics for select to authenticated
  using (user_id = (select auth.uid()));
grant select on flashfusion.usage_analytics to authenticated, service_role;
select private.scope_table('flashfusion.usage_analytics');

create trigger usage_analytics_erased before insert or update on flashfusion.usage_analytics
  for each statement execute function private.refuse_erased_caller();

select private.index_mentions('flashfusion.usage_analytics', array['event_data', 'user_agent']);

create table private.usage_totals (
  user_id    uuid not null,
  month      date not null,
  -- Spread over several rows: on one, everything that a user does would wait for what the user did before.
  -- squawk-ignore prefer-bigint-over-smallint
  part       smallint not null,
  events     bigint not null,
  tokens     bigint not null,
  cost_micro bigint not null,
  constraint usage_totals_pkey primary key (user_id, month, part),
  constraint usage_totals_month check (extract(day from month) = 1)
) with (fillfactor = 70);
comment on table private.usage_totals is 'Sums of flashfusion.usage_analytics by user and month of UTC, for invoices. They stay when the rows are deleted.';

alter table private.usage_totals enable row level security;
alter table private.usage_totals force row level security;

-- Makes the partitions up to some months from now, and returns how many.
create function private.make_usage_partitions() returns bigint
  language plpgsql volatile
  set search_path = ''
  -- Every writer waits behind this lock, and gives up after a second: give up before that, and try again in an hour.
  set lock_timeout = '500ms'
  as $$
declare
  this_month constant date := date_trunc('month', now() at time zone 'UTC')::date;
  month date;
  name text;
  made bigint := 0;
begin
  perform pg_advisory_xact_lock(hashtextextended('usage_partitions', 0));
  for n in -1..3 loop
    month := (this_month + n * interval '1 month')::date;
    name := 'usage_analytics_' || to_char(month, 'YYYY_MM');
    if to_regclass('private.' || name) is null then
      execute format(
        'create table private.%I partition of flashfusion.usage_analytics for values from (%L) to (%L)',
        name, month::timestamp at time zone 'UTC', (month + interval '1 month')::timestamp at time zone 'UTC'
      );
      execute format('alter table private.%I enable row level security', name);
      execute format('alter table private.%I force row level security', name);
      execute format('comment on table private.%I is %L', name, 'A month of flashfusion.usage_analytics.');
      made := made + 1;
    end if;
  end loop;
  return made;
end
$$;
revoke execute on function private.make_usage_partitions() from public;

select private.make_usage_partitions();

-- Drops the months that ended more than a year ago, and returns how many. Their totals stay. In a new month the calls of users who
-- have made none yet count from 0, as their budgets do.
create function private.clean_usage() returns bigint
  language plpgsql volatile
  set search_path = ''
  -- As make_usage_partitions.
  set lock_timeout = '500ms'
  as $$
declare
  old record;
  changed bigint;
begin
  update flashfusion.users as u set api_usage_count = 0
  from private.budgets as b
  where b.scope = 'flashfusion.calls' and b.owner = u.id
    and b.period_start < private.period_start(b.period, clock_timestamp(), b.time_zone)
    and u.api_usage_count > 0;
  -- Nobody ends a generation whose row was deleted a month ago.
  delete from private.generation_reservations as r
  where r.created_at < now() - interval '30 days'
    and not exists (select from flashfusion.code_generations as g where g.id = r.generation_id);
  -- Last: these locks keep all writers waiting.
  changed := private.make_usage_partitions();
  for old in
    select c.oid::regclass as name
    from pg_catalog.pg_inherits as i
    join pg_catalog.pg_class as c on c.oid = i.inhrelid
    where i.inhparent = 'flashfusion.usage_analytics'::regclass
      and to_date(right(c.relname, 7), 'YYYY_MM') < date_trunc('month', now() at time zone 'UTC') - interval '13 months'
  loop
    execute format('drop table %s', old.name);
    changed := changed + 1;
  end loop;
  return changed;
end
$$;
revoke execute on function private.clean_usage() from public;

-- Records a use with what it costs, and adds it to the totals. Call it late: the user's total stays locked until the end.
create function private.spend(
  user_id uuid, project_id uuid, event_type text, tokens bigint, cost_micro bigint, data jsonb default '{}',
  network_ inet default null
) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  made uuid;
begin
  insert into flashfusion.usage_analytics (
    user_id, project_id, event_type, event_data, "timestamp", ip_address, api_tokens_used, cost_incurred
  )
  values (
    spend.user_id, spend.project_id, spend.event_type, coalesce(spend.data, '{}'), now(),
    network(set_masklen(network_, least(masklen(network_), case family(network_) when 4 then 24 else 48 end))),
    coalesce(spend.tokens, 0), coalesce(spend.cost_micro, 0)
  )
  returning id into made;
  insert into private.usage_totals as t (user_id, month, part, events, tokens, cost_micro)
  values (
    spend.user_id, date_trunc('month', now() at time zone 'UTC')::date, pg_backend_pid() % 16, 1, coalesce(spend.tokens, 0),
    coalesce(spend.cost_micro, 0)
  )
  on conflict on constraint usage_totals_pkey do update set
    events = t.events + 1, tokens = t.tokens + excluded.tokens, cost_micro = t.cost_micro + excluded.cost_micro;
  return made;
end
$$;
revoke execute on function private.spend(uuid, uuid, text, bigint, bigint, jsonb, inet) from public;

-- What the caller has used in a month: {month, events, tokens, cost_micro, calls}. `calls` is the budget of calls, now.
create function flashfusion.usage_summary(month date default null) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  first_day constant date := date_trunc('month', coalesce(usage_summary.month, (now() at time zone 'UTC')::date))::date;
begin
  return (
    select jsonb_build_object(
      'month', first_day, 'events', coalesce(sum(t.events), 0), 'tokens', coalesce(sum(t.tokens), 0),
      'cost_micro', coalesce(sum(t.cost_micro), 0), 'calls', private.budget_of('flashfusion.calls', caller)
    )
    from private.usage_totals as t
    where t.user_id = caller and t.month = first_day
  );
end
$$;
comment on function flashfusion.usage_summary(date) is
  'What the caller has used in a month. Definer: totals and budgets are in the schema private.';
revoke execute on function flashfusion.usage_summary(date) from public;
grant execute on function flashfusion.usage_summary(date) to authenticated;

insert into private.jobs (name, function, schedule, description) values (
  'clean_usage', 'private.clean_usage', '7 * * * *', 'Makes partitions of usage, drops those of more than thirteen months ago, and counts the calls of a new month from 0.'
);

-- migrate:down
delete from private.jobs where name = 'clean_usage';
delete from private.mention_places where relation = 'flashfusion.usage_analytics';
drop function flashfusion.usage_summary(date);
drop function private.spend(uuid, uuid, text, bigint, bigint, jsonb, inet);
drop function private.clean_usage();
drop function private.make_usage_partitions();
drop table private.usage_totals;
drop table flashfusion.usage_analytics;
