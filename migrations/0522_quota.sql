-- 0522: quota. How many requests a minute a tenant may send, and how many tokens it may use on a day of its time zone. A request reserves an
-- estimate before it asks the model, and is settled with what it has used: requests at once cannot pass a limit that has room for one.
-- migrate:up
-- Trigger: a tenant has its budget before anybody uses it, so no first request has to make it.
create function private.set_tenant_budget() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
begin
  perform private.set_budget('assistant.tokens', new.id, 'day', new.daily_token_limit, private.tenant_zone(new.id));
  return null;
end
$$;
revoke execute on function private.set_tenant_budget() from public;

-- Trigger: the budget of a tenant goes with it.
create function private.delete_tenant_budget() returns trigger
  language plpgsql
  -- Definer: as above.
  security definer
  set search_path = ''
  as $$
begin
  delete from private.budgets as b where b.scope = 'assistant.tokens' and b.owner = old.id;
  return null;
end
$$;
revoke execute on function private.delete_tenant_budget() from public;

create trigger tenants_set_budget after insert or update of daily_token_limit, features on assistant.tenants
  for each row execute function private.set_tenant_budget();
create trigger tenants_delete_budget after delete on assistant.tenants
  for each row execute function private.delete_tenant_budget();

select private.set_budget('assistant.tokens', t.id, 'day', t.daily_token_limit, private.tenant_zone(t.id)) from assistant.tenants as t;

-- Whose request a reservation is, until it is ended. The row stays for a week, as reservations do, so that an end that is sent again is known.
create table private.usage_requests (
  id         uuid constraint usage_requests_pkey primary key,
  tenant_id  uuid not null,
  user_id    uuid,
  provider   text not null,
  started_at timestamptz not null default now(),
  constraint usage_requests_user foreign key (tenant_id, user_id) references assistant.users (tenant_id, id) on delete set null (user_id)
);
comment on table private.usage_requests is 'Requests that assistant.begin_request has let in. The id is that of the reservation.';

create index usage_requests_user on private.usage_requests (tenant_id, user_id);
create index usage_requests_started_at on private.usage_requests using brin (started_at);

alter table private.usage_requests enable row level security;
alter table private.usage_requests force row level security;

-- The RateLimit fields of a tenant, as headers. `wait`: seconds until the next request of the minute, if this one is refused for want of it.
-- They are those of private.rate_limit_fields, which reads any policies and takes ten times as long: all requests of a tenant wait meanwhile.
create function private.quota_fields(
  rate bigint, used_up_at timestamptz, moment timestamptz, wait int, tokens bigint, left_tokens bigint, starts_at timestamptz,
  ends_at timestamptz
) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  refill constant numeric := 60.0 / rate;
  -- The time that the requests of the last minute take at the tenant's rate.
  taken constant numeric := greatest(0, extract(epoch from used_up_at - moment));
  left_requests constant bigint := case when wait is null then greatest(0, rate - ceil(taken / refill)) else 0 end;
  -- Until there is one more.
  next_request constant bigint := coalesce(wait, ceil(taken - floor(taken / refill) * refill));
  -- The largest integer of a structured field.
  day_tokens constant bigint := least(tokens, 999999999999999);
  day_left constant bigint := least(left_tokens, 999999999999999);
  next_day constant bigint := greatest(0, ceil(extract(epoch from ends_at - moment)));
  is_minute constant boolean := left_requests::float8 / rate <= day_left::float8 / greatest(day_tokens, 1);
begin
  return jsonb_build_object(
    'RateLimit-Policy', '"minute";q=' || rate || ';w=60, "day";q=' || day_tokens || ';qu="tokens";w='
      || round(extract(epoch from ends_at - starts_at)),
    'RateLimit', '"minute";r=' || left_requests || ';t=' || next_request || ', "day";r=' || day_left || ';t=' || next_day,
    'RateLimit-Limit', case when is_minute then rate else day_tokens end::text,
    'RateLimit-Remaining', case when is_minute then left_requests else day_left end::text,
    'RateLimit-Reset', case when is_minute then next_request else next_day end::text
  );
end
$$;
revoke execute on function private.quota_fields(bigint, timestamptz, timestamptz, int, bigint, bigint, timestamptz, timestamptz) from public;

-- How many tokens settling a tenant's pending events would free, less what they have used. In PL/pgSQL, because SQL functions with settings
-- are planned at every call.
create function private.pending_tokens(tenant uuid) returns bigint
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return (
    select coalesce(sum(r.amount - e.tokens), 0)::bigint
    from private.usage_pending as p
    -- One row each, by the key, whatever the planner knew when the session began.
    cross join lateral (
      select o.prompt_tokens + o.completion_tokens as tokens
      from private.usage_events as o where o.tenant_id = p.tenant_id and o.event_id = p.event_id offset 0
    ) as e
    cross join lateral (
      select o.amount from private.reservations as o where o.id = p.reservation and o.released_at is null offset 0
    ) as r
    where p.tenant_id = pending_tokens.tenant
  );
end
$$;
revoke execute on function private.pending_tokens(uuid) from public;

-- Lets a request of a tenant in, and gives {reservation, expires_at, fields}; ends it with 429 where the tenant's minute or day has no room.
-- `fields` are the RateLimit fields that tell so, as headers. What a refused request has taken is rolled back. Locks are taken in this
-- order: the tenant's turn; its bucket; its lock of usage, if something is to be folded; its budget. All are held until the end, so call
-- this late.
create function private.begin_usage(tenant uuid, estimate bigint) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  moment timestamptz;
  bucket_ constant text := 'assistant ' || tenant;
  rate bigint;
  tokens bigint;
  wait int;
  used_up_at timestamptz;
  free bigint;
  is_due boolean;
  got private.reserved;
  fields jsonb;
begin
  select t.rate_limit_per_minute, t.daily_token_limit into rate, tokens from assistant.tenants as t where t.id = begin_usage.tenant;
  -- Many requests of a tenant wait for its rows, so they do not wait for the disk as well. A crash can lose the last reservations together
  -- with everything else of their transactions; what ends a request commits after them and waits for the disk.
  -- One request of the tenant at a time, in the order in which they came. Of those that wait for a row, all would wake whenever one goes on.
  perform set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock(hashtextextended(tenant::text, 522));
  -- From here on no other request of the tenant begins until this transaction ends.
  wait := private.take_token(bucket_, rate, interval '1 minute' / rate);
  moment := clock_timestamp();
  select r.tat into used_up_at from private.rate_limits as r where r.bucket = bucket_;
  if wait is not null then
    fields := private.quota_fields(
      rate, used_up_at, moment, wait, tokens,
      (private.budget_of('assistant.tokens', tenant) ->> 'left')::bigint,
      private.period_start('day', moment, private.tenant_zone(tenant)), private.period_end('day', moment, private.tenant_zone(tenant))
    );
    perform private.refuse(
      429, 'RG682', 'The tenant has sent too many requests this minute',
      format('At most %s a minute', rate), 'Try again after the time in Retry-After.', wait, fields
    );
  end if;
  -- Ended requests hold what they had reserved until they are folded. Fold them if that makes room, or if the first of them is old, and only
  -- if this request has room then: what a refused request has folded is rolled back. On a new day `free` is too small until the first request,
  -- which does no harm.
  select b.limit_micro - b.used - b.reserved, coalesce((
    select p.since < moment - interval '250 milliseconds'
    from private.usage_pending as p where p.tenant_id = begin_usage.tenant order by p.event_id limit 1
  ), false) into free, is_due
  from private.budgets as b
  where b.scope = 'assistant.tokens' and b.owner = begin_usage.tenant;
  if (free < estimate or is_due) and free + private.pending_tokens(tenant) >= estimate then
    if free < estimate then
      perform private.lock_usage(tenant);
      perform private.fold_usage(tenant, null);
    else
      perform private.try_fold_usage(tenant);
    end if;
  end if;
  got := private.try_reserve('assistant.tokens', tenant, estimate, interval '15 minutes');
  fields := private.quota_fields(
    rate, used_up_at, moment, null, tokens, got.left, got.starts_at, got.ends_at
  );
  if got.reservation is null then
    perform private.refuse(
      429, 'RG683', 'The tenant''s tokens of this day are used up',
      format('%s of %s left, the request may need %s', got.left, tokens, estimate),
      'Try again after the time in Retry-After, or ask for fewer tokens.', greatest(1, ceil(extract(epoch from got.ends_at - moment)))::int,
      fields
    );
  end if;
  return jsonb_build_object('reservation', got.reservation, 'expires_at', moment + interval '15 minutes', 'fields', fields);
end
$$;
revoke execute on function private.begin_usage(uuid, bigint) from public;

-- Reserves tokens for a request of a member. Ends with 429 where the tenant has no room.
create function assistant.begin_request(tenant uuid, "user" uuid, estimate bigint) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  provider_ text;
  is_member boolean;
  begun jsonb;
begin
  if coalesce(estimate not between 0 and 1000000000, true) then
    perform private.refuse(422, 'RG694', 'The estimate is no number of tokens', null, 'Send a whole number that is not negative.');
  end if;
  select t.llm_provider, exists (
    select from assistant.users as u where u.tenant_id = t.id and u.id = begin_request."user" and u.is_active and u.auth_id is not null
  ) into provider_, is_member
  from assistant.tenants as t where t.id = begin_request.tenant and t.is_active;
  if not found then
    perform private.refuse(404, 'RG691', 'There is no such active tenant');
  end if;
  if not is_member then
    perform private.refuse(404, 'RG692', 'The tenant has no such active member');
  end if;
  begun := private.begin_usage(tenant, estimate);
  insert into private.usage_requests (id, tenant_id, user_id, provider)
  values ((begun ->> 'reservation')::uuid, begin_request.tenant, begin_request."user", provider_);
  return begun;
end
$$;
comment on function assistant.begin_request(uuid, uuid, bigint) is
  'Reserves tokens of a tenant for a request of a member. Definer: budgets are in the schema private; for service_role only.';
revoke execute on function assistant.begin_request(uuid, uuid, bigint) from public;
grant execute on function assistant.begin_request(uuid, uuid, bigint) to service_role;

-- Ends a request with what it has used. Sent again, it gives the same answer and counts nothing. A request whose reservation has been
-- released meanwhile still counts.
create function assistant.end_request(reservation uuid, prompt bigint, completion bigint, model text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  event_ constant text := 'request ' || reservation;
  known private.usage_requests;
  outcome text;
  answer jsonb;
begin
  if coalesce(prompt not between 0 and 1000000000 or completion not between 0 and 1000000000, true)
    or coalesce(char_length(model) not between 1 and 200, true) then
    perform private.refuse(
      422, 'RG694', 'This is not the usage of a request', null, 'Send numbers of tokens that are not negative, and the model.'
    );
  end if;
  select r.* into known
  from private.usage_requests as r
  inner join assistant.tenants as t on t.id = r.tenant_id
  where r.id = end_request.reservation;
  if not found then
    perform private.refuse(422, 'RG694', 'There is no such reservation', null, 'Take the one that assistant.begin_request gives.');
  end if;
  outcome := private.record_usage(
    known.tenant_id, event_, known.user_id, now(), known.provider, model, prompt, completion, reservation => end_request.reservation
  );
  select jsonb_build_object(
    'is_new', outcome = 'new', 'prompt_tokens', e.prompt_tokens, 'completion_tokens', e.completion_tokens,
    'total_tokens', e.prompt_tokens + e.completion_tokens, 'cost_micro', e.cost_micro
  ) into answer
  from private.usage_events as e
  where e.tenant_id = known.tenant_id and e.event_id = event_
    -- An end that is sent again is the same at another time.
    and (e.prompt_tokens, e.completion_tokens, e.model) = (end_request.prompt, end_request.completion, end_request.model);
  if not found then
    perform private.refuse(409, 'RG685', 'The request was ended with other values', reservation::text, 'End each request once.');
  end if;
  perform private.fold_event(known.tenant_id, event_);
  return answer;
end
$$;
comment on function assistant.end_request(uuid, bigint, bigint, text) is
  'Counts what a request has used. Definer: events and budgets are in the schema private; for service_role only.';
revoke execute on function assistant.end_request(uuid, bigint, bigint, text) from public;
grant execute on function assistant.end_request(uuid, bigint, bigint, text) to service_role;

-- Forgets requests a week after their reservations have expired, and returns how many.
create function private.clean_usage_requests() returns bigint
  language sql volatile
  set search_path = ''
  as $$ select private.delete_older('private.usage_requests', 'started_at', now() - interval '8 days', 20000) $$;
revoke execute on function private.clean_usage_requests() from public;

insert into private.jobs (name, function, schedule, description) values (
  'clean_usage_requests', 'private.clean_usage_requests', '7 * * * *', 'Forgets requests of the assistant whose reservations are gone.'
);

-- migrate:down
delete from private.jobs where name = 'clean_usage_requests';
drop function private.clean_usage_requests();
drop function assistant.end_request(uuid, bigint, bigint, text);
drop function assistant.begin_request(uuid, uuid, bigint);
drop function private.begin_usage(uuid, bigint);
drop function private.pending_tokens(uuid);
drop function private.quota_fields(bigint, timestamptz, timestamptz, int, bigint, bigint, timestamptz, timestamptz);
drop table private.usage_requests;
delete from private.budgets where scope = 'assistant.tokens';
drop trigger tenants_delete_budget on assistant.tenants;
drop trigger tenants_set_budget on assistant.tenants;
drop function private.delete_tenant_budget();
drop function private.set_tenant_budget();
