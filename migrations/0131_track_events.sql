-- 0131: track events. Takes a batch of events from the edge.
-- migrate:up
insert into private.limit_rules (name, burst, refill, shared) values ('events', 300, '100 milliseconds', 300);
insert into private.daily_allowances (name, bytes, rows, all_bytes, all_rows) values ('events', 209715200, 500000, 5368709120, 10000000);

-- A time as text, or null: ISO 8601, UTC if it names no zone.
create function analytics.read_time(words text) returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if words !~ '^\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?\s?(Z|[+-]\d\d(:?\d\d)?)?$' then
    return null;
  end if;
  return (case when words ~ '(Z|[+-]\d\d(:?\d\d)?)$' and words ~ '^.{16}' then words else words || 'Z' end)::timestamptz;
exception
  when data_exception then
    return null;
end
$$;
revoke execute on function analytics.read_time(text) from public;

-- The time that an event names: a text, or milliseconds since 1970 as Date.now() gives them. Null if it is neither.
create function analytics.event_time(value jsonb) returns timestamptz
  language sql stable
  set search_path = ''
  as $$
select case
    when jsonb_typeof(value) = 'number' and (value #>> '{}')::numeric between 0 and 253402300799999
      -- Truncated to microseconds: JSON has numbers too small for the double precision that to_timestamp takes.
      then to_timestamp(trunc((value #>> '{}')::numeric, 3) / 1000)
    -- A fast path for years that PostgreSQL supports and days that every month has: the full check costs ten times as much.
    when value #>> '{}' ~ '^[12]\d{3}-(0[1-9]|1[0-2])-(0[1-9]|1\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?Z$'
      then (value #>> '{}')::timestamptz
    when jsonb_typeof(value) = 'string' then analytics.read_time(value #>> '{}')
  end
$$;
revoke execute on function analytics.event_time(jsonb) from public;

-- Takes a batch of events: an array, {"events": [...]}, or one event. Each is stored once, refused, or a duplicate, independently
-- of the others. A text in place of an event is the edge's own refusal of it. Executable by the edge only, which has verified
-- place and device.
create function analytics.track_events(events jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  batch constant jsonb := private.batch_of(events, 'events');
  is_server constant boolean := coalesce(private.caller_role() = 'service_role', false);
  -- The device and place of a server are not its users'.
  seen constant jsonb := case when is_server then '{}' else coalesce(private.edge_claim(), '{}') end;
  caller constant uuid := (select auth.uid());
  place constant text := seen ->> 'country';
  agent constant text := left(private.request_header('user-agent'), 512);
  device constant text := seen ->> 'device_type';
  bot constant boolean := coalesce((seen ->> 'is_bot')::boolean, false);
  moment constant timestamptz := now();
  first_id uuid;
  end_id uuid;
  refused jsonb;
  valid bigint;
  stored bigint;
  answer jsonb;
  stored_bytes bigint;
begin
  if batch is null then
    perform private.refuse(
      400, 'RG540', 'Events must be an object, or an array of objects', null, 'Send {"name": "...", "type": "page_view"}.'
    );
  end if;
  if jsonb_array_length(batch) > 500 then
    perform private.refuse(413, 'RG541', 'There are too many events', 'At most 500 a batch', 'Send them in several batches.');
  end if;
  perform private.limit_caller('events');
  perform private.require_allowance('events');
  -- Of what was sent, without what the edge has seen: a retry may come from another network.
  answer := private.idempotency_begin('analytics.track_events', batch);
  if answer is not null then
    return answer;
  end if;
  select
    analytics.first_id(min(m.month)::timestamp at time zone 'UTC'),
    analytics.first_id((max(m.month) + interval '1 month')::timestamp at time zone 'UTC')
  into first_id, end_id
  from private.event_months as m;

  with raw as (
    select item.position - 1 as index, item.event,
      jsonb_typeof(item.event) as kind,
      item.event ->> 'name' as name,
      item.event ->> 'type' as type,
      item.event ->> 'id' as id,
      item.event ->> 'user_id' as user_id,
      item.event ->> 'session_id' as session_id,
      item.event ->> 'anonymous_id' as anonymous_id,
      coalesce(nullif(item.event -> 'occurred_at', 'null'), nullif(item.event -> 'timestamp', 'null')) as named_time
    from jsonb_array_elements(batch) with ordinality as item (event, position)
  ),

  read as materialized (
    select raw.*,
      case when raw.id ~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then raw.id::uuid end as given_id,
      raw.id ~* '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$' as dated,
      analytics.event_time(raw.named_time) as named_at
    from raw
  ),

  placed as materialized (
    select read.*,
      coalesce(
        read.named_at,
        case when read.dated then to_timestamp(analytics.id_milliseconds(read.given_id) / 1000.0) end,
        moment
      ) as at,
      case
        when read.id is null
          then overlay(overlay(pg_catalog.gen_random_uuid()::text placing left(analytics.first_id(moment)::text, 13) from 1 for 13) placing '7' from 15 for 1)::uuid
        when read.dated then read.given_id
        else analytics.undated_id(read.given_id)
      end as stored_id
    from read
  ),

  checked as materialized (
    select placed.*,
      case
        when placed.kind = 'string' then
          case when placed.event #>> '{}' in ('malformed', 'too_large') then placed.event #>> '{}' else 'malformed' end
        when placed.kind <> 'object' then 'malformed'
        -- The edge counts the bytes that were sent; as jsonb the event is larger.
        when pg_column_size(placed.event) > 262144 then 'too_large'
        when jsonb_typeof(placed.event -> 'name') is distinct from 'string' or btrim(placed.name) = '' then 'name_missing'
        when char_length(placed.name) > 120 then 'name_too_long'
        when coalesce(placed.type, 'user_action') not in ('page_view', 'user_action', 'conversion', 'system') then 'type_unknown'
        when placed.id is not null and placed.given_id is null then 'id_invalid'
        when placed.user_id is not null and placed.user_id !~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then 'user_id_invalid'
        when char_length(placed.session_id) > 200 or jsonb_typeof(placed.event -> 'session_id') in ('object', 'array') then 'session_id_invalid'
        when char_length(placed.anonymous_id) > 200 or jsonb_typeof(placed.event -> 'anonymous_id') in ('object', 'array') then 'anonymous_id_invalid'
        when jsonb_typeof(placed.event -> 'properties') not in ('object', 'null') then 'properties_invalid'
        when jsonb_typeof(placed.event -> 'metadata') not in ('object', 'null') then 'metadata_invalid'
        when placed.named_time is not null and placed.named_at is null then 'time_invalid'
        when placed.at < moment - interval '5 days' then 'too_old'
        when placed.dated and (placed.given_id < first_id or placed.given_id >= end_id) then 'id_time'
      end as code
    from placed
  ),

  written as (
    insert into analytics.events (
      id, type, name, user_id, session_id, anonymous_id, properties, metadata, user_agent, referrer, url,
      device_type, browser, os, country, region, is_bot, received_at, occurred_at, user_is_verified
    )
    select
      checked.stored_id,
      coalesce(checked.type, 'user_action'),
      checked.name,
      coalesce(caller, checked.user_id::uuid),
      checked.session_id,
      checked.anonymous_id,
      coalesce(nullif(checked.event -> 'properties', 'null'), '{}'),
      coalesce(nullif(checked.event -> 'metadata', 'null'), '{}'),
      case when is_server then left(checked.event ->> 'user_agent', 512) else agent end,
      left(checked.event ->> 'referrer', 2000),
      left(checked.event ->> 'url', 2000),
      device,
      left(seen ->> 'browser', 40),
      left(seen ->> 'os', 40),
      -- A server names the country of its users; for any other caller it is what the edge has seen.
      case when not is_server then place when checked.event ->> 'country' ~ '^[A-Z0-9]{2}$' then checked.event ->> 'country' end,
      left(seen ->> 'region', 100),
      bot,
      moment,
      least(checked.at, moment + interval '24 hours'),
      caller is not null or is_server and checked.user_id is not null
    from checked
    where checked.code is null
    -- In one order in every batch: two batches of the same events must not deadlock.
    order by checked.stored_id
    on conflict (id) do nothing
    returning 1
  )

  select
    (select count(*) from checked where checked.code is null),
    (select count(*) from written),
    (
      select coalesce(jsonb_agg(jsonb_build_object('index', checked.index, 'code', checked.code) order by checked.index), '[]')
      from checked where checked.code is not null
    )
  into valid, stored, refused;
  answer := jsonb_build_object('accepted', stored, 'duplicates', valid - stored, 'rejected', refused);
  perform private.idempotency_end('analytics.track_events', answer);
  -- The bytes that are stored: the events, and the answer under an Idempotency-Key even if no event is new.
  stored_bytes := case when stored > 0 then pg_column_size(batch) else 0 end + private.idempotency_bytes(answer);
  if stored_bytes > 0 then
    perform private.use_allowance('events', stored_bytes, stored);
  end if;
  return answer;
end
$$;
comment on function analytics.track_events(jsonb) is
  'Takes at most 500 events. The same batch with the same Idempotency-Key gives the first answer again and stores nothing. Definer: the public has no right on the table, and this function decides what is stored.';
revoke execute on function analytics.track_events(jsonb) from public;
grant execute on function analytics.track_events(jsonb) to edge;

-- migrate:down
delete from private.daily_allowances where name = 'events';
delete from private.limit_rules where name = 'events';
drop function analytics.track_events(jsonb);
drop function analytics.event_time(jsonb);
drop function analytics.read_time(text);
