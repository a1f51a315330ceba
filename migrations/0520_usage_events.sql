-- 0520: usage events. Each use of a model once, by the id of its event: what is sent again changes nothing, in any order.
-- migrate:up
create table private.usage_events (
  tenant_id         uuid not null,
  event_id          text not null,
  user_id           uuid,
  at                timestamptz not null,
  day               date not null,
  provider          text not null,
  model             text not null,
  prompt_tokens     bigint not null,
  completion_tokens bigint not null,
  cost_micro        bigint,
  is_estimated      boolean not null default false,
  source            text not null,
  payload_hash      bytea not null,
  created_at        timestamptz not null default now(),
  constraint usage_events_pkey primary key (tenant_id, event_id),
  constraint usage_events_tenant foreign key (tenant_id) references assistant.tenants (id) on delete cascade,
  constraint usage_events_user foreign key (tenant_id, user_id) references assistant.users (tenant_id, id) on delete set null (user_id),
  constraint usage_events_event_id check (char_length(event_id) between 1 and 200),
  constraint usage_events_provider check (provider ~ '^[a-z0-9][a-z0-9._-]{0,59}$'),
  constraint usage_events_model check (char_length(model) between 1 and 200),
  constraint usage_events_tokens check (prompt_tokens between 0 and 1000000000 and completion_tokens between 0 and 1000000000),
  constraint usage_events_cost check (cost_micro between 0 and 1000000000000000),
  constraint usage_events_source check (source in ('request', 'chat', 'import', 'increment')),
  constraint usage_events_payload_hash check (octet_length(payload_hash) = 32)
);
comment on table private.usage_events is
  'What was used, by event. Append-only: sums are made of it, and an event that is sent again is compared with it. It holds no text of anybody''s.';
comment on column private.usage_events.user_id is 'The member. Null: nobody''s, or a member''s who was deleted.';
comment on column private.usage_events.day is 'The day of the tenant''s time zone, as the zone was when the event came.';
comment on column private.usage_events.cost_micro is 'Null: there was no price, which is not 0.';
comment on column private.usage_events.is_estimated is 'Whether the numbers of tokens are an estimate, because the provider has not said them.';

-- The user first: of an index that begins with the tenant the planner may believe that it finds one event as fast as the key does.
create index usage_events_user on private.usage_events (user_id, tenant_id);

alter table private.usage_events enable row level security;
alter table private.usage_events force row level security;

-- Trigger: an event does not change. That its member was deleted, it forgets.
create function private.keep_usage_event() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  if new.user_id is null and to_jsonb(new) - 'user_id' = to_jsonb(old) - 'user_id' then
    return new;
  end if;
  raise insufficient_privilege using message = 'private.usage_events is append-only';
end
$$;
revoke execute on function private.keep_usage_event() from public;

create trigger usage_events_append_only before update on private.usage_events
  for each row execute function private.keep_usage_event();

-- Events that no sum has yet, each with the reservation that it ends. Written with the event, so that an event counts if it is stored.
create table private.usage_pending (
  tenant_id   uuid not null,
  event_id    text not null,
  reservation uuid,
  since       timestamptz not null default clock_timestamp(),
  constraint usage_pending_pkey primary key (tenant_id, event_id),
  constraint usage_pending_event foreign key (tenant_id, event_id) references private.usage_events (tenant_id, event_id) on delete cascade
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
comment on table private.usage_pending is 'Usage events that are stored and not yet in the sums. Few at any time: private.fold_usage takes them.';

alter table private.usage_pending enable row level security;
alter table private.usage_pending force row level security;

-- What tokens cost by the prices of a time, in micro-USD; null where there is no price. A name that the list does not have is looked up by
-- the rules of the loaded lists.
create function private.cost_of_tokens(provider text, model text, at timestamptz, prompt bigint, completion bigint) returns bigint
  language plpgsql stable
  set search_path = ''
  as $$
declare
  price private.model_prices := private.price_of(provider, model, at, prompt);
begin
  if price.model is null then
    select p.* into price
    from private.find_model(cost_of_tokens.provider, cost_of_tokens.model) as m
    cross join lateral private.price_of(m.provider, m.model, cost_of_tokens.at, cost_of_tokens.prompt) as p;
  end if;
  if price.model is null then
    return null;
  end if;
  return private.cost_micro(price, prompt, completion);
end
$$;
revoke execute on function private.cost_of_tokens(text, text, timestamptz, bigint, bigint) from public;

-- Stores an event once, and gives 'new'; 'known' if the same event is there, 'conflict' if another one of this id is. Neither adds anything
-- to any sum. `cost_micro` replaces the cost by the list of prices.
create function private.record_usage(
  tenant uuid, event_id text, member uuid, at timestamptz, provider text, model text, prompt bigint, completion bigint,
  cost_micro bigint default null, reservation uuid default null, source text default 'request', is_estimated boolean default false
) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- The time as a number: as text it would depend on the time zone of the session.
  hash constant bytea := sha256(convert_to(jsonb_build_array(
    (extract(epoch from at) * 1000000)::bigint, member, provider, model, prompt, completion
  )::text, 'UTF8'));
  known bytea;
begin
  insert into private.usage_events (
    tenant_id, event_id, user_id, at, day, provider, model, prompt_tokens, completion_tokens, cost_micro, is_estimated, source, payload_hash
  )
  values (
    tenant, record_usage.event_id, member, record_usage.at, (record_usage.at at time zone private.tenant_zone(tenant))::date,
    record_usage.provider, record_usage.model, prompt, completion,
    coalesce(
      record_usage.cost_micro,
      private.cost_of_tokens(record_usage.provider, record_usage.model, record_usage.at, prompt, completion)
    ),
    record_usage.is_estimated, record_usage.source, hash
  )
  on conflict on constraint usage_events_pkey do nothing;
  if found then
    insert into private.usage_pending (tenant_id, event_id, reservation) values (tenant, record_usage.event_id, record_usage.reservation);
    return 'new';
  end if;
  select e.payload_hash into strict known
  from private.usage_events as e
  where e.tenant_id = tenant and e.event_id = record_usage.event_id;
  return case when known = hash then 'known' else 'conflict' end;
end
$$;
revoke execute on function private.record_usage(
  uuid, text, uuid, timestamptz, text, text, bigint, bigint, bigint, uuid, text, boolean
) from public;

-- A time with its zone, in the notation of RFC 3339; null if it is none.
create function private.usage_time(words text) returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if words ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$' then
    return words::timestamptz;
  end if;
  return null;
exception
  when data_exception then
    return null;
end
$$;
revoke execute on function private.usage_time(text) from public;

-- Why an item of a batch is no event; null for an event. It looks only at the item.
create function private.usage_event_fault(item jsonb) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  id constant text := '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$';
  named text;
begin
  if jsonb_typeof(item) <> 'object' then
    return 'malformed';
  end if;
  select k into named from jsonb_object_keys(item) as k
  where k not in ('event_id', 'tenant_id', 'user_id', 'at', 'provider', 'model', 'prompt_tokens', 'completion_tokens')
  limit 1;
  return case
    -- A misspelt user_id would be nobody's usage.
    when named is not null then 'field_unknown'
    when jsonb_typeof(item -> 'event_id') is distinct from 'string' or char_length(item ->> 'event_id') not between 1 and 200
      then 'event_id_invalid'
    when coalesce(item ->> 'tenant_id' !~* id, true) then 'tenant_id_invalid'
    when item ->> 'user_id' !~* id then 'user_id_invalid'
    when coalesce(private.usage_time(item ->> 'at') not between '2020-01-01T00:00:00Z' and now() + interval '1 day', true) then 'at_invalid'
    when coalesce(item ->> 'provider' !~ '^[a-z0-9][a-z0-9._-]{0,59}$', true) then 'provider_invalid'
    when jsonb_typeof(item -> 'model') is distinct from 'string' or char_length(item ->> 'model') not between 1 and 200 then 'model_invalid'
    when jsonb_typeof(item -> 'prompt_tokens') is distinct from 'number' or item ->> 'prompt_tokens' !~ '^\d{1,9}$' then 'prompt_tokens_invalid'
    when jsonb_typeof(item -> 'completion_tokens') is distinct from 'number' or item ->> 'completion_tokens' !~ '^\d{1,9}$'
      then 'completion_tokens_invalid'
  end;
end
$$;
revoke execute on function private.usage_event_fault(jsonb) from public;

-- migrate:down
drop function private.usage_event_fault(jsonb);
drop function private.usage_time(text);
drop function private.record_usage(uuid, text, uuid, timestamptz, text, text, bigint, bigint, bigint, uuid, text, boolean);
drop function private.cost_of_tokens(text, text, timestamptz, bigint, bigint);
drop table private.usage_pending;
drop table private.usage_events;
drop function private.keep_usage_event();
