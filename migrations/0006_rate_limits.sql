-- 0006: rate limits. GCRA in one upsert: each bucket is one time stamp, the time at which its next call is due.
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
  'How often something may be done. Change a row to change the limit: burst calls at once, one more each refill; callers without a verified address share one bucket with its own, stricter burst.';

alter table private.limit_rules enable row level security;
alter table private.limit_rules force row level security;

-- Unlogged: after a crash every bucket is full again, which does no harm, and no request writes to the log.
create unlogged table private.rate_limits (
  bucket text primary key,
  tat    timestamptz not null
);
comment on table private.rate_limits is 'One row per bucket: the theoretical arrival time of its next call (GCRA).';

create index rate_limits_tat on private.rate_limits (tat);

alter table private.rate_limits enable row level security;
alter table private.rate_limits force row level security;

-- Takes one token of a bucket. Returns null if there was one, otherwise the seconds until there is one again.
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

  -- Full buckets need no row. Every eighth call deletes some, so that the table stays as large as what is in use. It does so after
  -- the upsert and skips locked rows: two callers who delete each other's bucket must not wait for each other.
  if random() < 0.125 then
    delete from private.rate_limits as r
    where r.bucket in (
      select old.bucket from private.rate_limits as old
      where old.tat < moment - interval '1 minute'
      order by old.tat
      limit 16
      for update skip locked
    );
  end if;

  if taken then
    return null;
  end if;

  select r.tat into due from private.rate_limits as r where r.bucket = take_token.bucket;
  return greatest(1, ceil(extract(epoch from due - moment - take_token.refill * (take_token.burst - 1))))::int;
end
$$;

-- Applies a rule of limit_rules to the caller and ends the request with 429 where it is exceeded. A request that fails later
-- rolls its token back: it has written nothing, and the edge bounds what it costs.
create function private.limit_caller(rule text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  rules private.limit_rules;
  caller constant text := private.caller_key();
  wait int;
begin
  -- The back office has no limits.
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

-- Applies the limit of an endpoint, as its manifest has it and the edge's token says: calls a minute, at once, and at once of all
-- callers without a verified address together.
create function private.limit_endpoint(endpoint jsonb) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  caller constant text := private.caller_key();
  wait int;
begin
  if caller = 'service' then
    return;
  end if;
  if current_setting('transaction_read_only')::boolean then
    perform private.refuse(
      500, 'RG573', 'An endpoint with a limit calls a function that is volatile', endpoint ->> 'bucket',
      'Declare the function volatile, or leave the limit out of the manifest.'
    );
  end if;
  wait := private.take_token(
    'endpoint ' || (endpoint ->> 'bucket') || ' ' || caller,
    (endpoint ->> case when caller = 'nobody' then 'shared' else 'burst' end)::bigint,
    interval '1 minute' / (endpoint ->> 'per_minute')::int
  );
  if wait is not null then
    perform private.refuse(
      429, 'RG501', 'Too many requests', null, 'Try again after the time in Retry-After.', retry_after => wait
    );
  end if;
end
$$;

-- migrate:down
drop function private.limit_endpoint(jsonb);
drop function private.limit_caller(text);
drop function private.take_token(text, bigint, interval);
drop table private.rate_limits;
drop table private.limit_rules;
