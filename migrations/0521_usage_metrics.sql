-- 0521: usage metrics. What each member of a tenant, and the tenant as a whole, used on each day of the tenant: sums of usage events.
-- migrate:up
create table assistant.usage_metrics (
  id                uuid constraint usage_metrics_pkey primary key default gen_random_uuid(),
  tenant_id         uuid not null,
  user_id           uuid,
  date              date not null,
  total_tokens      bigint not null default 0,
  prompt_tokens     bigint not null default 0,
  completion_tokens bigint not null default 0,
  request_count     bigint not null default 0,
  estimated_cost    bigint not null default 0,
  created_at        timestamptz not null default now(),
  -- In this order: an index on (tenant_id, user_id) would otherwise be a part of it.
  constraint usage_metrics_once unique nulls not distinct (tenant_id, date, user_id),
  constraint usage_metrics_tenant foreign key (tenant_id) references assistant.tenants (id) on delete cascade,
  constraint usage_metrics_user foreign key (tenant_id, user_id) references assistant.users (tenant_id, id) on delete cascade,
  constraint usage_metrics_total check (total_tokens = prompt_tokens + completion_tokens),
  constraint usage_metrics_counts check (
    prompt_tokens >= 0 and completion_tokens >= 0 and request_count >= 0 and estimated_cost >= 0
  )
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
comment on table assistant.usage_metrics is 'Tokens, requests and cost by day: a row for each member, and one for the whole tenant.';
comment on column assistant.usage_metrics.user_id is 'The member. Null: the sum of the tenant, which stays when a member is erased.';
comment on column assistant.usage_metrics.date is 'The day in the tenant''s time zone.';
comment on column assistant.usage_metrics.estimated_cost is 'In micro-USD.';

create index usage_metrics_days on assistant.usage_metrics (tenant_id, date desc) include (total_tokens, request_count, estimated_cost);
create index usage_metrics_days_of_user on assistant.usage_metrics (user_id, date desc) where user_id is not null;
create index usage_metrics_date on assistant.usage_metrics using brin (date);
create index usage_metrics_days_of_tenant on assistant.usage_metrics (tenant_id, date desc) where user_id is null;
create index usage_metrics_by_user on assistant.usage_metrics (tenant_id, user_id);
create index usage_metrics_created_at on assistant.usage_metrics (tenant_id, created_at desc);
create index usage_metrics_by_cost on assistant.usage_metrics (tenant_id, estimated_cost desc, date);

alter table assistant.usage_metrics enable row level security;
alter table assistant.usage_metrics force row level security;
-- One comparison, so that the caller is looked up twice and not three times. Not as a boolean: of one that it does not know the planner expects
-- half of the rows.
create policy member_select on assistant.usage_metrics for select to authenticated
  using (
    tenant_id = (select (assistant.me()).tenant_id)
    and nullif(user_id is not distinct from coalesce((select (assistant.me()).usage_of), user_id), false) is not null
  );
create policy office_insert on assistant.usage_metrics for insert to service_role
  with check (true);
create policy office_update on assistant.usage_metrics for update to service_role
  using (true)
  with check (true);
grant select on assistant.usage_metrics to authenticated;
grant select, insert, update on assistant.usage_metrics to service_role;

create trigger usage_metrics_erased before insert or update on assistant.usage_metrics
  for each statement execute function private.refuse_erased_caller();
create trigger usage_metrics_filter before update or delete on assistant.usage_metrics
  for each statement execute function private.require_filter();

-- The same by model, and what has no price.
create table private.usage_days (
  tenant_id         uuid not null,
  day               date not null,
  user_id           uuid,
  model             text not null,
  requests          bigint not null,
  prompt_tokens     bigint not null,
  completion_tokens bigint not null,
  cost_micro        bigint not null,
  unpriced          bigint not null,
  estimated         bigint not null,
  constraint usage_days_once unique nulls not distinct (tenant_id, user_id, day, model),
  constraint usage_days_tenant foreign key (tenant_id) references assistant.tenants (id) on delete cascade,
  constraint usage_days_user foreign key (tenant_id, user_id) references assistant.users (tenant_id, id) on delete cascade
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
comment on table private.usage_days is
  'Sums of usage events by tenant, day, member and model. As in usage_metrics, rows without user_id are the tenant''s as a whole, and stay when members go.';
comment on column private.usage_days.unpriced is 'Requests without a price. They add 0 to cost_micro.';
comment on column private.usage_days.estimated is 'Requests whose numbers of tokens are estimates.';

alter table private.usage_days enable row level security;
alter table private.usage_days force row level security;

-- The same by month: what a summary of many months is made of within the time of a job.
create table private.usage_months (
  tenant_id         uuid not null,
  month             date not null,
  user_id           uuid,
  requests          bigint not null,
  prompt_tokens     bigint not null,
  completion_tokens bigint not null,
  cost_micro        bigint not null,
  unpriced          bigint not null,
  estimated         bigint not null,
  constraint usage_months_once unique nulls not distinct (tenant_id, user_id, month),
  constraint usage_months_tenant foreign key (tenant_id) references assistant.tenants (id) on delete cascade,
  constraint usage_months_user foreign key (tenant_id, user_id) references assistant.users (tenant_id, id) on delete cascade
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
comment on table private.usage_months is 'Sums of usage events by tenant, month and member; without user_id those of the tenant as a whole.';
comment on column private.usage_months.month is 'Its first day.';

alter table private.usage_months enable row level security;
alter table private.usage_months force row level security;

-- Waits until no other transaction folds a tenant's events, and keeps others waiting until the end of this one.
create function private.lock_usage(tenant uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(tenant::text, 521));
end
$$;
revoke execute on function private.lock_usage(uuid) from public;

-- Adds a tenant's pending events to the sums and settles their reservations, many at once; returns how many. The caller holds the
-- tenant's lock. Locks are taken in this order: that one; members, by id; usage_metrics; usage_days;
-- usage_months; the budget.
create function private.fold_usage(tenant uuid, most bigint default 1000) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- The statement takes longer to plan than to run.
  set plan_cache_mode = force_generic_plan
  as $$
declare
  ids constant text[] := array(
    select p.event_id from private.usage_pending as p where p.tenant_id = fold_usage.tenant order by p.event_id limit most
  );
  members uuid[];
  reservations uuid[];
  amounts bigint[];
begin
  if cardinality(ids) = 0 then
    return 0;
  end if;
  -- A deletion of a member locks the member first and then the rows of sums, so this does, too.
  members := array(
    select distinct e.user_id from private.usage_events as e where e.tenant_id = fold_usage.tenant and e.event_id = any (ids)
  );
  perform from assistant.users as u
  where u.tenant_id = fold_usage.tenant and u.id = any (members)
  order by u.id
  for key share;

  with taken as (
    delete from private.usage_pending as p
    where p.tenant_id = fold_usage.tenant and p.event_id = any (ids)
    returning p.event_id, p.reservation
  ),

  events as (
    select e.*, t.reservation
    from taken as t
    -- One row each, by the key, also where the planner expects few events of a tenant.
    cross join lateral (
      select o.* from private.usage_events as o where o.tenant_id = fold_usage.tenant and o.event_id = t.event_id offset 0
    ) as e
  ),

  metrics as (
    insert into assistant.usage_metrics as m (
      tenant_id, user_id, date, total_tokens, prompt_tokens, completion_tokens, request_count, estimated_cost
    )
    select fold_usage.tenant, e.user_id, e.day, sum(e.prompt_tokens + e.completion_tokens), sum(e.prompt_tokens), sum(e.completion_tokens),
      count(*), coalesce(sum(e.cost_micro), 0)
    from events as e
    group by grouping sets ((e.day, e.user_id), (e.day))
    -- Events of nobody are in the tenant's row only.
    having grouping(e.user_id) = 1 or e.user_id is not null
    on conflict on constraint usage_metrics_once do update set
      total_tokens = m.total_tokens + excluded.total_tokens,
      prompt_tokens = m.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = m.completion_tokens + excluded.completion_tokens,
      request_count = m.request_count + excluded.request_count,
      estimated_cost = m.estimated_cost + excluded.estimated_cost
  ),

  days as (
    insert into private.usage_days as d (
      tenant_id, day, user_id, model, requests, prompt_tokens, completion_tokens, cost_micro, unpriced, estimated
    )
    select fold_usage.tenant, e.day, e.user_id, e.model, count(*), sum(e.prompt_tokens), sum(e.completion_tokens),
      coalesce(sum(e.cost_micro), 0), count(*) filter (where e.cost_micro is null), count(*) filter (where e.is_estimated)
    from events as e
    group by grouping sets ((e.day, e.model, e.user_id), (e.day, e.model))
    having grouping(e.user_id) = 1 or e.user_id is not null
    on conflict on constraint usage_days_once do update set
      requests = d.requests + excluded.requests,
      prompt_tokens = d.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = d.completion_tokens + excluded.completion_tokens,
      cost_micro = d.cost_micro + excluded.cost_micro,
      unpriced = d.unpriced + excluded.unpriced,
      estimated = d.estimated + excluded.estimated
  ),

  months as (
    insert into private.usage_months as m (
      tenant_id, month, user_id, requests, prompt_tokens, completion_tokens, cost_micro, unpriced, estimated
    )
    select fold_usage.tenant, date_trunc('month', e.day::timestamp)::date, e.user_id, count(*), sum(e.prompt_tokens),
      sum(e.completion_tokens), coalesce(sum(e.cost_micro), 0), count(*) filter (where e.cost_micro is null),
      count(*) filter (where e.is_estimated)
    from events as e
    group by grouping sets ((2, e.user_id), (2))
    having grouping(e.user_id) = 1 or e.user_id is not null
    on conflict on constraint usage_months_once do update set
      requests = m.requests + excluded.requests,
      prompt_tokens = m.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = m.completion_tokens + excluded.completion_tokens,
      cost_micro = m.cost_micro + excluded.cost_micro,
      unpriced = m.unpriced + excluded.unpriced,
      estimated = m.estimated + excluded.estimated
  )

  select array_agg(e.reservation), array_agg(e.prompt_tokens + e.completion_tokens) into reservations, amounts
  from events as e
  where e.reservation is not null;

  perform private.settle_all(reservations, amounts);
  return cardinality(ids);
end
$$;
revoke execute on function private.fold_usage(uuid, bigint) from public;

-- The same without waiting: where another transaction folds, or holds a row for longer than a request may wait, the events stay pending, and
-- the next transaction that folds takes them. So nobody's usage is refused because it cannot be added up now.
create function private.try_fold_usage(tenant uuid, most bigint default 1000) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  if not pg_try_advisory_xact_lock(hashtextextended(tenant::text, 521)) then
    return 0;
  end if;
  return private.fold_usage(tenant, most);
exception
  when lock_not_available or deadlock_detected then
    return 0;
end
$$;
revoke execute on function private.try_fold_usage(uuid, bigint) from public;

-- Folds an event that this transaction has stored, unless others of its tenant are pending. The transaction waits for the disk and holds the
-- sums and the budget until then: among many requests at once, the next one that begins folds all of them, and does not wait for the disk.
create function private.fold_event(tenant uuid, event_id text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  if not exists (
    select from private.usage_pending as p where p.tenant_id = tenant and p.event_id <> fold_event.event_id
  ) then
    perform private.try_fold_usage(tenant);
  end if;
end
$$;
revoke execute on function private.fold_event(uuid, text) from public;

-- Folds what is pending, of all tenants; returns how many events. Requests fold what they write themselves, unless another one is folding.
create function private.fold_pending_usage(most bigint default 5000) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  tenant uuid;
  folded bigint := 0;
begin
  for tenant in select distinct p.tenant_id from private.usage_pending as p order by p.tenant_id loop
    folded := folded + private.try_fold_usage(tenant, most - folded);
    exit when folded >= most;
  end loop;
  return folded;
end
$$;
revoke execute on function private.fold_pending_usage(bigint) from public;

insert into private.jobs (name, function, schedule, description) values (
  'fold_usage', 'private.fold_pending_usage', '*/5 * * * *', 'Adds usage events to the sums that no request has added.'
);

-- Stores a batch of usage events: an array, {"events": [...]}, or one event. Each counts once, however often it is sent. One that is
-- malformed is named in `rejected` and concerns no other. One whose id has another event stored ends the request, and nothing of it is kept.
create function assistant.add_usage_events(events jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  batch constant jsonb := private.batch_of(events, 'events');
  item record;
  outcome text;
  accepted bigint := 0;
  duplicates bigint := 0;
  rejected jsonb := '[]';
  conflicts jsonb := '[]';
  tenant uuid;
  tenants uuid[] := '{}';
begin
  if batch is null or jsonb_array_length(batch) not between 1 and 1000 then
    perform private.refuse(
      422, 'RG694', 'These are not usage events', 'An array of 1 to 1000 events', 'Send {"events": [{"event_id": "...", ...}]}.'
    );
  end if;
  -- In one order, so that two batches with the same events wait for each other only once.
  for item in
    select e.value as event, e.ordinality - 1 as index, coalesce(
      f.fault, case
        when t.id is null then 'tenant_unknown'
        when e.value ->> 'user_id' is not null and u.id is null then 'user_unknown'
      end
    ) as fault
    from jsonb_array_elements(batch) with ordinality as e
    -- Each event is judged once, and its tenant and its member are looked up by their keys. Without an offset the condition is judged again
    -- wherever it stands, even for each member of the tenant, if the planner expects few of them.
    cross join lateral (select private.usage_event_fault(e.value) as fault offset 0) as f
    left join lateral (
      select o.id from assistant.tenants as o where o.id = case when f.fault is null then (e.value ->> 'tenant_id')::uuid end offset 0
    ) as t on true
    left join lateral (
      select o.id from assistant.users as o
      where o.tenant_id = t.id and o.id = case when f.fault is null then (e.value ->> 'user_id')::uuid end
      offset 0
    ) as u on true
    order by t.id, (e.value ->> 'event_id') collate "C", e.ordinality
  loop
    if item.fault is not null then
      rejected := rejected || jsonb_build_object('index', item.index, 'code', item.fault);
      continue;
    end if;
    tenant := (item.event ->> 'tenant_id')::uuid;
    outcome := private.record_usage(
      tenant, item.event ->> 'event_id', (item.event ->> 'user_id')::uuid, private.usage_time(item.event ->> 'at'),
      item.event ->> 'provider', item.event ->> 'model', (item.event ->> 'prompt_tokens')::bigint,
      (item.event ->> 'completion_tokens')::bigint, source => 'import'
    );
    case outcome
      when 'new' then
        accepted := accepted + 1;
        if tenants[cardinality(tenants)] is distinct from tenant then
          tenants := tenants || tenant;
        end if;
      when 'known' then
        duplicates := duplicates + 1;
      else
        conflicts := conflicts || (item.event -> 'event_id');
    end case;
  end loop;
  if conflicts <> '[]' then
    perform private.refuse(
      409, 'RG685', 'An event of this id has been stored with other values', left(conflicts::text, 2000),
      'Nothing of this request was stored. Give each event an id of its own.'
    );
  end if;
  foreach tenant in array tenants loop
    perform private.try_fold_usage(tenant);
  end loop;
  return jsonb_build_object(
    'accepted', accepted, 'duplicates', duplicates,
    'rejected', (select coalesce(jsonb_agg(r order by (r -> 'index')::bigint), '[]') from jsonb_array_elements(rejected) as r)
  );
end
$$;
comment on function assistant.add_usage_events(jsonb) is
  'Stores a batch of usage events of any tenants, each once. Definer: events and sums are in the schema private; for service_role only.';
revoke execute on function assistant.add_usage_events(jsonb) from public;
grant execute on function assistant.add_usage_events(jsonb) to service_role;

-- Adds usage of a day that is not known by events: one request, atomically in every sum. It is stored as an event of a new id, so that sums
-- always equal the events; it counts again if it is called again.
create function assistant.increment_usage_metrics(
  tenant uuid, "user" uuid, date date, prompt bigint, completion bigint, cost bigint default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  id constant text := 'increment ' || gen_random_uuid();
  noon constant timestamptz := (increment_usage_metrics.date + time '12:00') at time zone private.tenant_zone(tenant);
begin
  if coalesce(prompt not between 0 and 1000000000 or completion not between 0 and 1000000000, true)
    or cost not between 0 and 1000000000000000
    or coalesce(increment_usage_metrics.date not between '2020-01-01' and (now() + interval '1 day')::date, true) then
    perform private.refuse(
      422, 'RG694', 'This is not usage of a day', null, 'Amounts are not negative; the date is not in the future.'
    );
  end if;
  if not exists (select from assistant.tenants as t where t.id = tenant) then
    perform private.refuse(404, 'RG691', 'There is no such tenant');
  end if;
  if "user" is not null and not exists (select from assistant.users as u where u.tenant_id = tenant and u.id = "user") then
    perform private.refuse(404, 'RG692', 'The tenant has no such member');
  end if;
  perform private.record_usage(tenant, id, "user", noon, 'unknown', 'unknown', prompt, completion, cost, source => 'increment');
  perform private.try_fold_usage(tenant);
  return jsonb_build_object('event_id', id);
end
$$;
comment on function assistant.increment_usage_metrics(uuid, uuid, date, bigint, bigint, bigint) is
  'Adds usage of a day. Definer: events and sums are in the schema private; for service_role only.';
revoke execute on function assistant.increment_usage_metrics(uuid, uuid, date, bigint, bigint, bigint) from public;
grant execute on function assistant.increment_usage_metrics(uuid, uuid, date, bigint, bigint, bigint) to service_role;

-- migrate:down
drop function assistant.increment_usage_metrics(uuid, uuid, date, bigint, bigint, bigint);
drop function assistant.add_usage_events(jsonb);
delete from private.jobs where name = 'fold_usage';
drop function private.fold_pending_usage(bigint);
drop function private.fold_event(uuid, text);
drop function private.try_fold_usage(uuid, bigint);
drop function private.fold_usage(uuid, bigint);
drop function private.lock_usage(uuid);
drop table private.usage_months;
drop table private.usage_days;
drop table assistant.usage_metrics;
