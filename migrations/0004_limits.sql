-- 0004: limits. GCRA rate limits in one upsert: per bucket, one time stamp that says when the next call is due.
-- migrate:up
create table private.limit_rules (
  name    text primary key,
  burst   bigint not null,
  refill  interval not null,
  shared  bigint not null,
  constraint limit_rules_burst check (burst between 1 and 100000),
  constraint limit_rules_shared check (shared between 1 and 100000),
  constraint limit_rules_refill check (refill > interval '0')
);
comment on table private.limit_rules is
  'How often something may be done. Change a row to change the limit: burst calls at once, one more each refill; callers whom nobody vouches for share one bucket with its own, stricter burst.';
alter table private.limit_rules enable row level security;
alter table private.limit_rules force row level security;

-- Unlogged: after a crash every bucket is full again, which harms nobody and spares the log a write per request.
create unlogged table private.rate_limits (
  bucket text primary key,
  tat    timestamptz not null
);
comment on table private.rate_limits is 'One row per bucket: the theoretical arrival time of its next call (GCRA).';
create index rate_limits_tat on private.rate_limits (tat);
alter table private.rate_limits enable row level security;
alter table private.rate_limits force row level security;

-- Takes one token of a bucket. Gives null if there was one, otherwise the seconds until there is one again.
create function private.take_token(bucket text, burst bigint, refill interval) returns int
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  moment constant timestamptz := clock_timestamp();
  due timestamptz;
  taken boolean;
begin
  insert into private.rate_limits as r (bucket, tat)
  values (take_token.bucket, moment + take_token.refill)
  on conflict on constraint rate_limits_pkey do update
    set tat = greatest(r.tat, moment) + take_token.refill
    where greatest(r.tat, moment) - moment <= take_token.refill * (take_token.burst - 1)
  returning r.tat into due;
  taken := found;

  -- Full buckets need no row. A few are swept at each call, so the table keeps the size of what is in use. After the
  -- upsert, and skipping what is locked: two callers who sweep each other's bucket must not wait for each other.
  delete from private.rate_limits as r
  where r.bucket in (
    select old.bucket from private.rate_limits as old
    where old.tat < moment - interval '1 minute'
    order by old.tat
    limit 2
    for update skip locked
  );

  if taken then
    return null;
  end if;

  select r.tat into due from private.rate_limits as r where r.bucket = take_token.bucket;
  return greatest(1, ceil(extract(epoch from due - moment - take_token.refill * (take_token.burst - 1))))::int;
end
$$;

-- Holds the caller of this request to a rule of limit_rules; ends the request with 429 where it is exceeded. A request
-- that is refused later is rolled back with its token: it has written nothing, and what it cost is the edge's to bound.
create function private.limit_caller(rule text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  rules private.limit_rules;
  caller constant text := private.caller_key();
  wait int;
begin
  -- The back office is trusted with everything else, too.
  if caller = 'service' then
    return;
  end if;
  select * into strict rules from private.limit_rules as r where r.name = limit_caller.rule;
  wait := private.take_token(
    rule || ' ' || caller,
    case when caller = 'nobody' then rules.shared else rules.burst end,
    rules.refill
  );
  if wait is not null then
    perform private.refuse(
      429, 'RG501', 'Too many requests', null, 'Try again after the time in Retry-After.', retry_after => wait
    );
  end if;
end
$$;

-- How much may be written within a day (UTC).
create table private.daily_allowances (
  name      text primary key,
  bytes     bigint,
  rows      bigint,
  all_bytes bigint,
  all_rows  bigint,
  constraint daily_allowances_positive check (bytes > 0 and rows > 0 and all_bytes > 0 and all_rows > 0)
);
comment on table private.daily_allowances is
  'How much may be written within a day of UTC: bytes and rows of one user or address, all_bytes and all_rows of all anonymous callers together; null: no limit. Change a row to change an allowance. The back office has none.';
alter table private.daily_allowances enable row level security;
alter table private.daily_allowances force row level security;

-- Unlogged, as rate_limits: after a crash the day begins anew.
create unlogged table private.daily_usage (
  day    date not null,
  name   text not null,
  caller text not null,
  -- What all anonymous callers have used is spread over several rows: on one, each of them would wait for the one before.
  part   bigint not null,
  bytes  bigint not null,
  rows   bigint not null,
  constraint daily_usage_pkey primary key (day, name, caller, part)
);
comment on table private.daily_usage is 'What has been written today, by caller as private.caller_key names them; and by "anonymous", all of those together.';
alter table private.daily_usage enable row level security;
alter table private.daily_usage force row level security;

-- Ends the request with 429 if its caller, or all anonymous callers together, have used up today's allowance. It locks nothing and
-- takes nothing: what is written is counted by use_allowance, at the end. So a caller who crosses the line may still write what is under
-- way.
create function private.require_allowance(name text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  who constant text := private.caller_key();
  moment constant timestamp := now() at time zone 'UTC';
  allowed private.daily_allowances;
  used_bytes bigint;
  used_rows bigint;
  spent text;
begin
  if who = 'service' then
    return;
  end if;
  select * into allowed from private.daily_allowances as a where a.name = require_allowance.name;
  -- Looked up one by one: this is asked before every batch, and a join would cost more than the rest of it.
  select u.bytes, u.rows into used_bytes, used_rows
  from private.daily_usage as u
  where u.day = moment::date and u.name = allowed.name and u.caller = who and u.part = 0;
  if used_bytes >= allowed.bytes or used_rows >= allowed.rows then
    spent := case when used_bytes >= allowed.bytes then 'bytes' else 'rows' end || ' of one caller';
  elsif who not like 'user %' and (allowed.all_bytes is not null or allowed.all_rows is not null) then
    select sum(u.bytes), sum(u.rows) into used_bytes, used_rows
    from private.daily_usage as u
    where u.day = moment::date and u.name = allowed.name and u.caller = 'anonymous';
    if used_bytes >= allowed.all_bytes or used_rows >= allowed.all_rows then
      spent := case when used_bytes >= allowed.all_bytes then 'bytes' else 'rows' end || ' of all anonymous callers';
    end if;
  end if;
  if spent is not null then
    perform private.refuse(
      429, 'RG517', 'The daily allowance is used up', format('%s: %s', name, spent), 'Try again after the time in Retry-After.',
      retry_after => ceil(extract(epoch from date_trunc('day', moment) + interval '1 day' - moment))::int
    );
  end if;
end
$$;

-- Counts what the caller has written. Last in its transaction: the rows stay locked until the end of it.
create function private.use_allowance(name text, bytes bigint, rows bigint) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  who constant text := private.caller_key();
  today constant date := (now() at time zone 'UTC')::date;
  fresh boolean;
begin
  if who = 'service' then
    return;
  end if;
  with counted as (
    insert into private.daily_usage as u (day, name, caller, part, bytes, rows)
    select today, a.name, each.caller, each.part, use_allowance.bytes, use_allowance.rows
    from private.daily_allowances as a
    cross join (values (1, who, 0), (2, 'anonymous', pg_backend_pid() % 16)) as each (place, caller, part)
    where a.name = use_allowance.name and (each.place = 1 or who not like 'user %')
    -- Its own row first, everywhere.
    order by each.place
    on conflict on constraint daily_usage_pkey do update
      set bytes = u.bytes + excluded.bytes, rows = u.rows + excluded.rows
    returning xmax = 0 as fresh
  )
  select bool_or(counted.fresh) into fresh from counted;

  -- Each new row takes two of earlier days with it, so that the table keeps the size of a day. As in take_token, skipping what is
  -- locked.
  if fresh then
    delete from private.daily_usage as u
    where (u.day, u.name, u.caller, u.part) in (
      select old.day, old.name, old.caller, old.part from private.daily_usage as old
      where old.day < today
      order by old.day
      limit 2
      for update skip locked
    );
  end if;
end
$$;

-- migrate:down
drop function private.use_allowance(text, bigint, bigint);
drop function private.require_allowance(text);
drop table private.daily_usage;
drop table private.daily_allowances;
drop function private.limit_caller(text);
drop function private.take_token(text, bigint, interval);
drop table private.rate_limits;
drop table private.limit_rules;
