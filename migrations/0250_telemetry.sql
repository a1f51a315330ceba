-- 0250: telemetry. What users do in the builder, as their own browsers report it: read by its user, proof of nothing.
-- migrate:up
create table clixen.telemetry_events (
  id             uuid constraint telemetry_events_pkey primary key default pg_catalog.gen_random_uuid(),
  -- Null if no user caused it.
  user_id        uuid default auth.uid(),
  event_type     text not null,
  event_category text not null, -- not an enum, as the status of workflows
  -- Ids without foreign keys: telemetry of a project stays when the project is deleted.
  project_id     uuid,
  workflow_id    uuid,
  session_id     uuid,
  event_data     jsonb not null default '{}',
  duration_ms    bigint,
  success        boolean,
  error_message  text,
  user_agent     text,
  ip_address     inet,
  referer        text,
  created_at     timestamptz not null default now(),
  constraint telemetry_events_event_type check (event_type ~ '^[a-z][a-z0-9_.:-]{0,99}$'),
  constraint telemetry_events_event_category check (
    event_category in ('auth', 'workflow', 'deployment', 'engagement', 'error', 'performance')
  ),
  constraint telemetry_events_event_data check (jsonb_typeof(event_data) = 'object' and octet_length(event_data::text) <= 32768),
  constraint telemetry_events_duration_ms check (duration_ms >= 0),
  constraint telemetry_events_error_message_length check (char_length(error_message) <= 2000),
  constraint telemetry_events_ip_address check (
    ip_address is null or masklen(ip_address) <= case family(ip_address) when 4 then 24 else 48 end
  )
);
comment on table clixen.telemetry_events is 'What happened in the builder, as its users'' browsers report it.';
comment on column clixen.telemetry_events.ip_address is 'The network only: 24 bits of an IPv4 address, 48 of an IPv6 address.';

-- The planner does not know the user of a request. Of an average one it would sort all events, which takes long for one who has
-- many; expecting many of each it reads an index in order, as far as a page goes.
alter table clixen.telemetry_events alter column user_id set (n_distinct = 100);

create index telemetry_events_user_id on clixen.telemetry_events (user_id, created_at desc, id desc) where user_id is not null;
create index telemetry_events_category on clixen.telemetry_events (event_category, event_type, created_at desc);
-- With the user of the policy: a planner without statistics joins two indexes otherwise, and reads all events of a user.
create index telemetry_events_workflow_id on clixen.telemetry_events (workflow_id, user_id, created_at desc, id desc) where workflow_id is not null;
create index telemetry_events_created_at on clixen.telemetry_events using brin (created_at);

alter table clixen.telemetry_events enable row level security;
alter table clixen.telemetry_events force row level security;
create policy owner_select on clixen.telemetry_events for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on clixen.telemetry_events for insert to authenticated
  with check (user_id = (select auth.uid()));
grant select on clixen.telemetry_events to authenticated;
grant insert (
  user_id, event_type, event_category, project_id, workflow_id, session_id, event_data, duration_ms, success, error_message
) on clixen.telemetry_events to authenticated;
grant select, insert, update, delete on clixen.telemetry_events to service_role;
select private.scope_table('clixen.telemetry_events');

insert into private.limit_rules (name, burst, refill, shared) values ('telemetry', 300, '100 milliseconds', 1);
insert into private.daily_allowances (name, bytes, rows) values ('telemetry', 52428800, 200000);

-- Trigger: refuses rows of erased users, adds what the browser's headers say, and cuts an address to its network.
create function private.prepare_telemetry_event() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  -- Rows of service_role: beside other writes of the user, but not beside the user's erasure.
  if (select auth.uid()) is null then
    perform pg_advisory_xact_lock_shared(hashtextextended(new.user_id::text, 220));
    perform private.refuse_erased(new.user_id);
  end if;
  if (select auth.uid()) is not null then
    new.user_agent := left(private.request_header('user-agent'), 512);
    new.referer := left(private.request_header('referer'), 2000);
  end if;
  new.ip_address := network(set_masklen(
    new.ip_address, least(masklen(new.ip_address), case family(new.ip_address) when 4 then 24 else 48 end)
  ));
  return new;
end
$$;

-- Trigger: counts each statement as a batch, whichever way it came in.
create function private.limit_telemetry() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  bytes bigint;
  rows_ bigint;
begin
  if (select auth.uid()) is null then
    return null;
  end if;
  if tg_when = 'BEFORE' then
    perform private.limit_caller('telemetry');
    perform private.require_allowance('telemetry');
    return null;
  end if;
  select coalesce(sum(pg_column_size(n)), 0), count(*) into bytes, rows_ from new_rows as n;
  if rows_ > 500 then
    perform private.refuse(413, 'RG527', 'There are too many telemetry events', 'At most 500 a batch', 'Send them in several batches.');
  elsif rows_ > 0 then
    perform private.use_allowance('telemetry', bytes, rows_);
  end if;
  return null;
end
$$;

create trigger telemetry_events_erased before insert or update on clixen.telemetry_events
  for each statement execute function private.refuse_erased_caller();
create trigger telemetry_events_filter before update or delete on clixen.telemetry_events
  for each statement execute function private.require_filter();
create trigger telemetry_events_keep before insert on clixen.telemetry_events
  for each row execute function private.prepare_telemetry_event();
create trigger telemetry_events_limit before insert on clixen.telemetry_events
  for each statement execute function private.limit_telemetry();
create trigger telemetry_events_batch after insert on clixen.telemetry_events referencing new table as new_rows
  for each statement execute function private.limit_telemetry();

select private.index_mentions('clixen.telemetry_events', array['event_data', 'error_message', 'user_agent', 'referer']);

-- A number as it is stored: whole and not negative; null if it is not one.
create function private.telemetry_number(said jsonb) returns bigint
  language sql immutable
  set search_path = ''
  as $$
select case when jsonb_typeof(said) = 'number' then case when said::numeric between 0 and 1e15 then trunc(said::numeric)::bigint end end
$$;
revoke execute on function private.telemetry_number(jsonb) from public;

-- Takes a batch: an invalid event is reported and does not affect the others. An event with an `id` is stored once, however often
-- it is sent; a batch with an Idempotency-Key is stored once, whether or not its events have ids.
create function clixen.track_telemetry(events jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  batch constant jsonb := private.batch_of(events, 'events');
  caller constant uuid := private.require_user();
  net constant inet := (private.edge_claim() ->> 'net')::inet;
  uuid_form constant text := '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$';
  refused jsonb;
  valid bigint;
  stored bigint;
  answer jsonb;
begin
  if batch is null then
    perform private.refuse(
      400, 'RG526', 'Telemetry must be an object, or an array of objects', null,
      'Send {"event_type": "...", "event_category": "workflow"}.'
    );
  end if;
  if jsonb_array_length(batch) > 500 then
    perform private.refuse(413, 'RG527', 'There are too many telemetry events', 'At most 500 a batch', 'Send them in several batches.');
  end if;
  answer := private.idempotency_begin('clixen.track_telemetry', batch);
  if answer is not null then
    return answer;
  end if;

  with raw as (
    select item.position - 1 as index, item.event as e, jsonb_typeof(item.event) as kind
    from jsonb_array_elements(batch) with ordinality as item (event, position)
  ),

  checked as materialized (
    select raw.*,
      case
        when raw.kind = 'string' and raw.e #>> '{}' = 'too_large' or pg_column_size(raw.e) > 65536 then 'too_large'
        when raw.kind <> 'object' then 'malformed'
        when coalesce(raw.e ->> 'event_type', '') !~ '^[a-z][a-z0-9_.:-]{0,99}$' then 'event_type_invalid'
        when coalesce(raw.e ->> 'event_category', '') not in ('auth', 'workflow', 'deployment', 'engagement', 'error', 'performance')
          then 'event_category_unknown'
        when raw.e ->> 'id' !~* uuid_form then 'id_invalid'
        when raw.e ->> 'project_id' !~* uuid_form then 'project_id_invalid'
        when raw.e ->> 'workflow_id' !~* uuid_form then 'workflow_id_invalid'
        when raw.e ->> 'session_id' !~* uuid_form then 'session_id_invalid'
        when jsonb_typeof(raw.e -> 'event_data') not in ('object', 'null') then 'event_data_invalid'
        when octet_length((raw.e -> 'event_data')::text) > 32768 then 'too_large'
        when jsonb_typeof(raw.e -> 'success') not in ('boolean', 'null') then 'success_invalid'
        when jsonb_typeof(raw.e -> 'duration_ms') is distinct from 'null' and raw.e ? 'duration_ms'
          and private.telemetry_number(raw.e -> 'duration_ms') is null then 'duration_ms_invalid'
      end as code
    from raw
  ),

  written as (
    insert into clixen.telemetry_events (
      id, user_id, event_type, event_category, project_id, workflow_id, session_id, event_data, duration_ms, success,
      error_message, ip_address
    )
    select
      -- Derived from user and id: users cannot collide with each other's ids.
      case when j.e ->> 'id' is null then pg_catalog.gen_random_uuid()
        else left(encode(sha256(convert_to(caller::text || lower((j.e ->> 'id') collate "C"), 'UTF8')), 'hex'), 32)::uuid end as id,
      caller, j.e ->> 'event_type', j.e ->> 'event_category',
      (j.e ->> 'project_id')::uuid, (j.e ->> 'workflow_id')::uuid, (j.e ->> 'session_id')::uuid,
      coalesce(nullif(j.e -> 'event_data', 'null'), '{}'), private.telemetry_number(j.e -> 'duration_ms'),
      (nullif(j.e -> 'success', 'null'))::boolean, left(j.e ->> 'error_message', 2000), net
    from checked as j
    where j.code is null
    order by 1
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
  perform private.idempotency_end('clixen.track_telemetry', answer);
  -- The trigger has counted the events.
  if private.idempotency_bytes(answer) > 0 then
    perform private.use_allowance('telemetry', private.idempotency_bytes(answer), 0);
  end if;
  return answer;
end
$$;
comment on function clixen.track_telemetry(jsonb) is
  'Stores a batch of the caller''s telemetry. Executable by the edge only, which has seen the network. Definer: the edge has no right on the table, and users may not write ids.';
revoke execute on function clixen.track_telemetry(jsonb) from public;
grant execute on function clixen.track_telemetry(jsonb) to edge;

-- Deletes telemetry that is older than 180 days, 20,000 rows at most, and returns how many.
create function private.clean_telemetry() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.delete_older('clixen.telemetry_events', 'created_at', now() - interval '180 days', 20000);
end
$$;

insert into private.jobs (name, function, schedule, description) values (
  'clean_telemetry', 'private.clean_telemetry', '7 * * * *',
  'Deletes telemetry after 180 days.'
);

-- migrate:down
delete from private.jobs where name = 'clean_telemetry';
delete from private.daily_allowances where name = 'telemetry';
delete from private.limit_rules where name = 'telemetry';
delete from private.mention_places where relation = 'clixen.telemetry_events';
drop function private.clean_telemetry();
drop function clixen.track_telemetry(jsonb);
drop function private.telemetry_number(jsonb);
drop table clixen.telemetry_events;
drop function private.limit_telemetry();
drop function private.prepare_telemetry_event();
