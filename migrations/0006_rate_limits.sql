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
    where r.bucket = any (array(
      select old.bucket from private.rate_limits as old
      where old.tat < moment - interval '1 minute'
      order by old.tat
      limit 16
      for update skip locked
    ));
  end if;

  if taken then
    return null;
  end if;

  select r.tat into due from private.rate_limits as r where r.bucket = take_token.bucket;
  return greatest(1, ceil(extract(epoch from due - moment - take_token.refill * (take_token.burst - 1))))::int;
end
$$;

-- The headers that tell a client about limits, as an object of texts for private.refuse or for an endpoint's answer: RateLimit-Policy and
-- RateLimit of draft-ietf-httpapi-ratelimit-headers-11, lists of structured fields (RFC 9651), and the three older names, for the policy of
-- which the smallest part is left. A policy is {name, q, unit, w, r, t}: q, the quota; unit, what it counts (requests without it); w, the
-- seconds of its window; r, how much is left; t, the seconds until there is more. Only unit, w and t may be null. Null without policies.
create function private.rate_limit_fields(policies jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  -- The largest integer of a structured field.
  most constant numeric := 999999999999999;
  one jsonb;
  name text;
  quota bigint;
  remaining bigint;
  seconds bigint;
  policy text[];
  state text[];
  least_left numeric;
  oldest jsonb;
begin
  for one in select p.value from jsonb_array_elements(policies) as p (value) loop
    name := '"' || regexp_replace(regexp_replace(one ->> 'name', '[^ -~]', '', 'g'), '(["\\])', '\\\1', 'g') || '"';
    quota := greatest(0, least((one ->> 'q')::numeric, most));
    remaining := greatest(0, least((one ->> 'r')::numeric, most));
    seconds := case when one ->> 't' is not null then greatest(0, least(ceil((one ->> 't')::numeric), most)) end;
    policy := policy || (name || ';q=' || quota
      || coalesce(';qu="' || regexp_replace(one ->> 'unit', '[^a-z0-9_.-]', '', 'g') || '"', '')
      || case when one ->> 'w' is not null then ';w=' || greatest(1, least(ceil((one ->> 'w')::numeric), most)) else '' end);
    state := state || (name || ';r=' || remaining || coalesce(';t=' || seconds, ''));
    if least_left is null or remaining::numeric / greatest(quota, 1) < least_left then
      least_left := remaining::numeric / greatest(quota, 1);
      oldest := jsonb_build_object('RateLimit-Limit', quota::text, 'RateLimit-Remaining', remaining::text)
        || case when seconds is null then '{}' else jsonb_build_object('RateLimit-Reset', seconds::text) end;
    end if;
  end loop;
  return oldest || jsonb_build_object(
    'RateLimit-Policy', array_to_string(policy, ', '), 'RateLimit', array_to_string(state, ', ')
  );
end
$$;

-- The headers of a limit that is exceeded: `burst` calls in the time that they take to refill.
create function private.spent_bucket(name text, burst bigint, refill interval, wait int) returns jsonb
  language sql stable
  set search_path = ''
  as $$
select private.rate_limit_fields(jsonb_build_array(jsonb_build_object(
  'name', name, 'q', burst, 'w', extract(epoch from refill * burst), 'r', 0, 't', wait
)))
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
  burst bigint;
  wait int;
begin
  -- service_role has no limits.
  if caller = 'service' then
    return;
  end if;
  select * into strict rules from private.limit_rules as r where r.name = limit_caller.rule;
  burst := case when caller = 'nobody' then rules.shared else rules.burst end;
  wait := private.take_token(rule || ' ' || caller, burst, rules.refill);
  if wait is not null then
    perform private.refuse(
      429, 'RG501', 'Too many requests', null, 'Try again after the time in Retry-After.', wait,
      private.spent_bucket(rule, burst, rules.refill, wait)
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
  burst constant bigint := endpoint ->> case when caller = 'nobody' then 'shared' else 'burst' end;
  refill constant interval := interval '1 minute' / (endpoint ->> 'per_minute')::int;
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
  wait := private.take_token('endpoint ' || (endpoint ->> 'bucket') || ' ' || caller, burst, refill);
  if wait is not null then
    perform private.refuse(
      429, 'RG501', 'Too many requests', null, 'Try again after the time in Retry-After.', wait,
      private.spent_bucket('endpoint', burst, refill, wait)
    );
  end if;
end
$$;

-- migrate:down
drop function private.limit_endpoint(jsonb);
drop function private.limit_caller(text);
drop function private.spent_bucket(text, bigint, interval, int);
drop function private.rate_limit_fields(jsonb);
drop function private.take_token(text, bigint, interval);
drop table private.rate_limits;
drop table private.limit_rules;
