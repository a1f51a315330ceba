-- 0025: budgets. How much an owner may spend in a period. A caller reserves an amount before it spends, and settles with what it has
-- spent: two requests cannot pass a limit that has room for one.
-- migrate:up
-- The first instant at which clocks in a time zone show a time, or, if they skip it, the one at which they go on.
create function private.local_instant(local timestamp, time_zone text) returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
declare
  -- Of a time that clocks show twice, PostgreSQL takes the second one.
  latest constant timestamptz := local at time zone time_zone;
  earlier constant timestamptz := latest - interval '1 hour';
begin
  return case when earlier at time zone time_zone >= local then earlier else latest end;
end
$$;
revoke execute on function private.local_instant(timestamp, text) from public;

-- When a period began that holds a time, by the clocks of a time zone. A day has 23 or 25 hours where they change.
create function private.period_start(period text, at timestamptz, time_zone text default 'UTC') returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return case
    when period = 'total' then '-infinity'
    -- Clocks that are changed show an hour twice: each is one of its own.
    when period = 'hour' or time_zone = 'UTC' then date_trunc(period, at, time_zone)
    else private.local_instant(date_trunc(period, at at time zone time_zone), time_zone)
  end;
end
$$;
revoke execute on function private.period_start(text, timestamptz, text) from public;

-- When it ends.
create function private.period_end(period text, at timestamptz, time_zone text default 'UTC') returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return case period
    when 'total' then 'infinity'
    when 'hour' then date_trunc('hour', at, time_zone) + interval '1 hour'
    else private.local_instant(date_trunc(period, at at time zone time_zone) + ('1 ' || period)::interval, time_zone)
  end;
end
$$;
revoke execute on function private.period_end(text, timestamptz, text) from public;

create table private.budget_rules (
  scope       text constraint budget_rules_pkey primary key,
  period      text not null,
  limit_micro bigint not null,
  description text not null,
  time_zone   text not null default 'UTC',
  constraint budget_rules_scope check (scope ~ '^[a-z][a-z0-9_.]{0,59}$'),
  constraint budget_rules_period check (period in ('hour', 'day', 'month', 'year', 'total')),
  constraint budget_rules_limit check (limit_micro between 0 and 1000000000000000)
);
comment on table private.budget_rules is
  'The budget of owners who have none of their own yet, by scope. The migration of a system inserts its scopes; change a row to change what new owners get.';
comment on column private.budget_rules.scope is 'What is spent: the schema of a system and a word, such as flashfusion.calls.';
comment on column private.budget_rules.time_zone is 'By whose clocks a period begins: a name of pg_timezone_names.';

alter table private.budget_rules enable row level security;
alter table private.budget_rules force row level security;

create table private.budgets (
  scope        text not null,
  owner        uuid not null,
  period       text not null,
  period_start timestamptz not null,
  limit_micro  bigint not null,
  used         bigint not null default 0,
  reserved     bigint not null default 0,
  time_zone    text not null default 'UTC',
  constraint budgets_pkey primary key (scope, owner),
  constraint budgets_scope check (scope ~ '^[a-z][a-z0-9_.]{0,59}$'),
  constraint budgets_period check (period in ('hour', 'day', 'month', 'year', 'total')),
  constraint budgets_limit check (limit_micro between 0 and 1000000000000000),
  constraint budgets_used check (used >= 0 and reserved >= 0)
  -- Every call updates one row: with room in its page, the row stays out of the index.
) with (fillfactor = 50);
comment on table private.budgets is
  'One row per scope and owner (a user or a tenant): the limit in the current period, what is spent, and what is reserved. The unit is the scope''s: micro-USD, tokens or calls.';
comment on column private.budgets.period_start is
  'The period that used counts; it may lie ahead after a change of the time zone. The first call of a later period starts again at 0.';
comment on column private.budgets.used is 'What was settled in the period. More than the limit where a call has spent more than it had reserved.';
comment on column private.budgets.reserved is 'The sum of reservations that are neither settled nor released; they count in whichever period they are in.';

create index budgets_owner on private.budgets (owner);

alter table private.budgets enable row level security;
alter table private.budgets force row level security;

create table private.reservations (
  id          uuid constraint reservations_pkey primary key default private.uuid_v7(),
  scope       text not null,
  owner       uuid not null,
  amount      bigint not null,
  created_at  timestamptz not null default now(),
  expires_at  timestamptz not null,
  released_at timestamptz,
  constraint reservations_amount check (amount between 0 and 1000000000000000),
  constraint reservations_budget foreign key (scope, owner) references private.budgets (scope, owner) on delete cascade
);
comment on table private.reservations is 'Amounts that are reserved. A reservation is deleted when it is settled, and a week after it was released.';
comment on column private.reservations.released_at is
  'When the job release_reservations gave the amount back, because nobody had settled in time. What is settled later still counts as spent.';

create index reservations_budget on private.reservations (scope, owner, expires_at);
create index reservations_due on private.reservations (expires_at) where released_at is null;
create index reservations_released on private.reservations (released_at) where released_at is not null;

alter table private.reservations enable row level security;
alter table private.reservations force row level security;

-- Sets an owner's limit. Another period starts at 0. Another time zone keeps what is used in the current period, and its next period begins
-- no earlier than that of the old zone: nobody gains a period by changing the zone.
create function private.set_budget(
  scope text, owner uuid, period text, limit_micro bigint, time_zone text default 'UTC'
) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  moment constant timestamptz := clock_timestamp();
  start constant timestamptz := private.period_start(period, moment, time_zone);
begin
  insert into private.budgets as b (scope, owner, period, period_start, limit_micro, time_zone)
  values (set_budget.scope, set_budget.owner, set_budget.period, start, set_budget.limit_micro, set_budget.time_zone)
  on conflict on constraint budgets_pkey do update set
    limit_micro = excluded.limit_micro,
    period = excluded.period,
    time_zone = excluded.time_zone,
    period_start = case
      when b.period <> excluded.period or b.period = 'total' then excluded.period_start
      when b.time_zone = excluded.time_zone then greatest(b.period_start, excluded.period_start)
      -- The last period of the new zone that begins before the current one of the old zone ends, also where nothing is used yet: else a
      -- change at each midnight of some zone would begin a period every hour. After several changes that may end late: a whole period
      -- from now is enough.
      else private.period_start(b.period, least(
        private.period_end(b.period, greatest(moment, b.period_start), b.time_zone), moment + ('1 ' || b.period)::interval
      ) - interval '1 microsecond', excluded.time_zone)
    end,
    used = case
      when b.period = excluded.period and b.period_start >= private.period_start(b.period, moment, b.time_zone) then b.used
      else 0
    end;
end
$$;
revoke execute on function private.set_budget(text, uuid, text, bigint, text) from public;

create type private.reserved as (
  reservation uuid,
  "left"      bigint,
  limit_      bigint,
  starts_at   timestamptz,
  ends_at     timestamptz
);
comment on type private.reserved is
  'What private.try_reserve has done: the reservation, or null; what the owner has left after it; the limit; and its period, with infinite ends for a budget without one.';

-- Reserves an amount, unless the owner has no room for it in this period. The check and the increment are one statement: simultaneous
-- calls wait for each other on the owner's row, which stays locked until the end of the transaction, so call this late. A reservation
-- counts in full until it is settled or released; after its ttl the job release_reservations releases it.
create function private.try_reserve(scope text, owner uuid, amount bigint, ttl interval) returns private.reserved
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  moment constant timestamptz := clock_timestamp();
  known private.budgets;
  outcome private.reserved;
begin
  if coalesce(try_reserve.amount not between 0 and 1000000000000000, true)
    or coalesce(try_reserve.ttl not between interval '1 second' and interval '7 days', true) then
    raise invalid_parameter_value using message = 'private.try_reserve: an amount of 0 to 10^15, and a ttl of a second to seven days';
  end if;
  for attempt in 1..5 loop
    update private.budgets as b set
      period_start = greatest(b.period_start, private.period_start(b.period, moment, b.time_zone)),
      used = case when b.period_start >= private.period_start(b.period, moment, b.time_zone) then b.used else 0 end,
      reserved = b.reserved + try_reserve.amount
    where b.scope = try_reserve.scope and b.owner = try_reserve.owner
      and case when b.period_start >= private.period_start(b.period, moment, b.time_zone) then b.used else 0 end
        + b.reserved + try_reserve.amount <= b.limit_micro
    returning b.* into known;
    if found then
      insert into private.reservations (scope, owner, amount, expires_at)
      values (try_reserve.scope, try_reserve.owner, try_reserve.amount, moment + try_reserve.ttl)
      returning id into outcome.reservation;
      exit;
    end if;
    select b.* into known from private.budgets as b where b.scope = try_reserve.scope and b.owner = try_reserve.owner;
    if found then
      if known.period_start < private.period_start(known.period, moment, known.time_zone) then
        known.used := 0;
        known.period_start := private.period_start(known.period, moment, known.time_zone);
      end if;
      -- Since the update somebody may have made the row, or released something: there is room after all.
      continue when attempt < 5 and known.used + known.reserved + try_reserve.amount <= known.limit_micro;
      exit;
    end if;
    -- The owner's first call. An erased user has no row, and must get none: the lock is that of private.mark_erased.
    if not pg_try_advisory_xact_lock_shared(hashtextextended(try_reserve.owner::text, 222)) then
      perform private.refuse(403, 'RG521', 'This account is being deleted', null, 'Sign up again.');
    end if;
    perform private.refuse_erased(try_reserve.owner);
    insert into private.budgets (scope, owner, period, period_start, limit_micro, time_zone)
    select r.scope, try_reserve.owner, r.period, private.period_start(r.period, moment, r.time_zone), r.limit_micro, r.time_zone
    from private.budget_rules as r where r.scope = try_reserve.scope
    on conflict do nothing;
    if not found and not exists (select from private.budget_rules as r where r.scope = try_reserve.scope) then
      raise no_data_found using message = format('no budget %s for %s, and no rule', try_reserve.scope, try_reserve.owner);
    end if;
  end loop;
  outcome.left := greatest(0, known.limit_micro - known.used - known.reserved);
  outcome.limit_ := known.limit_micro;
  outcome.starts_at := known.period_start;
  outcome.ends_at := private.period_end(known.period, greatest(moment, known.period_start), known.time_zone);
  return outcome;
end
$$;
revoke execute on function private.try_reserve(text, uuid, bigint, interval) from public;

-- The same, which returns the reservation and ends the request with 429 where there is no room.
create function private.reserve(scope text, owner uuid, amount bigint, ttl interval) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  outcome constant private.reserved := private.try_reserve(scope, owner, amount, ttl);
  wait int;
begin
  if outcome.reservation is null then
    wait := case when isfinite(outcome.ends_at)
      then greatest(1, ceil(extract(epoch from outcome.ends_at - clock_timestamp()))::int) end;
    perform private.refuse(
      429, 'RG574', 'The budget is used up', format('%s: %s of %s left', scope, outcome.left, outcome.limit_),
      case when wait is null then 'Ask for a higher limit.'
        else 'Try again after the time in Retry-After, or ask for a higher limit.' end,
      wait,
      private.rate_limit_fields(jsonb_build_array(jsonb_build_object(
        'name', scope, 'q', outcome.limit_, 'unit', nullif(split_part(scope, '.', 2), ''), 'r', outcome.left, 't', wait,
        'w', case when wait is not null then extract(epoch from outcome.ends_at - outcome.starts_at) end
      )))
    );
  end if;
  return outcome.reservation;
end
$$;
revoke execute on function private.reserve(text, uuid, bigint, interval) from public;

-- Ends reservations: of each, the amount at its place is spent in the current period, and the rest of what was reserved is free again.
-- Returns how many this call has ended: not those that are settled or unknown, so a repeated call counts nothing. What was released
-- meanwhile still counts as spent.
create function private.settle_all(reservations uuid[], amounts bigint[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  moment constant timestamptz := clock_timestamp();
  settled bigint;
begin
  if exists (select from unnest(amounts) as a where (a between 0 and 1000000000000000) is not true) then
    raise invalid_parameter_value using message = 'private.settle: an amount of 0 to 10^15';
  end if;
  -- The budgets' rows first, as private.reserve and private.release_reservations do, and in one order: no deadlocks.
  perform from private.budgets as b
  where (b.scope, b.owner) in (select r.scope, r.owner from private.reservations as r where r.id = any (reservations))
  order by b.scope, b.owner
  for no key update;

  with ended as (
    delete from private.reservations as r
    using unnest(reservations, amounts) as s (id, amount)
    where r.id = s.id
    returning r.scope, r.owner, s.amount as spent, case when r.released_at is null then r.amount else 0 end as freed
  ),

  sums as (
    select e.scope, e.owner, sum(e.spent) as spent, sum(e.freed) as freed, count(*) as ended from ended as e group by e.scope, e.owner
  ),

  counted as (
    update private.budgets as b set
      period_start = greatest(b.period_start, private.period_start(b.period, moment, b.time_zone)),
      used = case when b.period_start >= private.period_start(b.period, moment, b.time_zone) then b.used else 0 end + s.spent,
      reserved = b.reserved - s.freed
    from sums as s
    where b.scope = s.scope and b.owner = s.owner
  )

  select coalesce(sum(s.ended), 0) into settled from sums as s;
  return settled;
end
$$;
revoke execute on function private.settle_all(uuid[], bigint[]) from public;

-- Ends one reservation, and returns whether this call has done it.
create function private.settle(reservation uuid, actual bigint) returns boolean
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.settle_all(array[settle.reservation], array[settle.actual]) = 1;
end
$$;
revoke execute on function private.settle(uuid, bigint) from public;

-- Ends a reservation of which nothing was spent.
create function private.release(reservation uuid) returns boolean
  language sql volatile
  set search_path = ''
  as $$ select private.settle(release.reservation, 0) $$;
revoke execute on function private.release(uuid) from public;

-- What an owner has: {period, time_zone, limit, used, reserved, left, ends_at}; the scope's rule for an owner without a row.
create function private.budget_of(scope text, owner uuid) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  moment constant timestamptz := clock_timestamp();
  known private.budgets;
begin
  select b.* into known from private.budgets as b where b.scope = budget_of.scope and b.owner = budget_of.owner;
  if not found then
    select r.period, r.time_zone, r.limit_micro, 0, 0, moment
    into known.period, known.time_zone, known.limit_micro, known.used, known.reserved, known.period_start
    from private.budget_rules as r where r.scope = budget_of.scope;
  end if;
  if known.period is null then
    return null;
  end if;
  if known.period_start < private.period_start(known.period, moment, known.time_zone) then
    known.used := 0;
  end if;
  return jsonb_build_object(
    'period', known.period, 'time_zone', known.time_zone, 'limit', known.limit_micro, 'used', known.used, 'reserved', known.reserved,
    'left', greatest(0, known.limit_micro - known.used - known.reserved),
    'ends_at', nullif(private.period_end(known.period, greatest(moment, known.period_start), known.time_zone), 'infinity')
  );
end
$$;
revoke execute on function private.budget_of(text, uuid) from public;

-- Gives back what was reserved and not settled in time, and deletes what was released a week ago. Returns the number of reservations.
create function private.release_reservations(most bigint default 1000) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  budget record;
  freed bigint;
  rows_ bigint;
  released bigint := 0;
begin
  for budget in
    select distinct due.scope, due.owner
    from (
      select r.scope, r.owner from private.reservations as r
      where r.released_at is null and r.expires_at < now()
      order by r.expires_at
      limit most
    ) as due
    order by due.scope, due.owner
  loop
    -- A budget that a request holds is left to the next run.
    perform from private.budgets as b where b.scope = budget.scope and b.owner = budget.owner for no key update skip locked;
    continue when not found;
    with ended as (
      update private.reservations as r set released_at = now()
      where r.scope = budget.scope and r.owner = budget.owner and r.released_at is null and r.expires_at < now()
      returning r.amount
    )
    select count(*), coalesce(sum(ended.amount), 0) into rows_, freed from ended;
    update private.budgets as b set reserved = b.reserved - freed where b.scope = budget.scope and b.owner = budget.owner;
    released := released + rows_;
  end loop;
  delete from private.reservations as r
  where r.id = any (array(
    select old.id from private.reservations as old where old.released_at < now() - interval '7 days' limit most for update skip locked
  ));
  get diagnostics rows_ = row_count;
  return released + rows_;
end
$$;
revoke execute on function private.release_reservations(bigint) from public;

insert into private.jobs (name, function, schedule, more_from, description) values (
  'release_reservations', 'private.release_reservations', '*/5 * * * *', 1000,
  'Gives back amounts of budgets that were reserved and not settled in time.'
);

-- Hook: the budgets of an erased user, and their reservations with them.
create function private.erase_budgets(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  rows_ bigint;
begin
  delete from private.budgets as b where b.owner = (account ->> 'id')::uuid;
  get diagnostics rows_ = row_count;
  return jsonb_build_object('budgets', rows_);
end
$$;
revoke execute on function private.erase_budgets(jsonb) from public;

-- Hook: a person's budgets. They have no text, and are deleted with the account only: otherwise an erasure would raise the limit.
create function private.export_budgets(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
begin
  return jsonb_build_object('private.budgets', (
    select coalesce(jsonb_agg(to_jsonb(b) order by b.scope, b.owner), '[]') from private.budgets as b where b.owner = any (users)
  ));
end
$$;
revoke execute on function private.export_budgets(jsonb) from public;

-- Hook: how many of them an erasure leaves.
create function private.count_budgets(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
begin
  return jsonb_build_object('private.budgets', (select count(*) from private.budgets as b where b.owner = any (users)));
end
$$;
revoke execute on function private.count_budgets(jsonb) from public;

insert into private.hooks (system, event, function) values
('budgets', 'account_erased', 'private.erase_budgets'),
('budgets', 'person_export', 'private.export_budgets'),
('budgets', 'person_kept', 'private.count_budgets');

-- migrate:down
delete from private.hooks where system = 'budgets';
drop function private.count_budgets(jsonb);
drop function private.export_budgets(jsonb);
drop function private.erase_budgets(jsonb);
delete from private.jobs where name = 'release_reservations';
drop function private.release_reservations(bigint);
drop function private.budget_of(text, uuid);
drop function private.release(uuid);
drop function private.settle(uuid, bigint);
drop function private.settle_all(uuid[], bigint[]);
drop function private.reserve(text, uuid, bigint, interval);
drop function private.try_reserve(text, uuid, bigint, interval);
drop type private.reserved;
drop function private.set_budget(text, uuid, text, bigint, text);
drop table private.reservations;
drop table private.budgets;
drop table private.budget_rules;
drop function private.period_end(text, timestamptz, text);
drop function private.period_start(text, timestamptz, text);
drop function private.local_instant(timestamp, text);
