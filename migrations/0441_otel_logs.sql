-- 0441: logs of OpenTelemetry. A coding agent that exports its events as logs says what each request cost, also of requests that are in no
-- transcript, how long tools took, and which transcripts it has deleted. https://opentelemetry.io/docs/specs/otlp/#otlphttp
-- migrate:up
create table private.otel_events (
  id          bigint generated always as identity constraint otel_events_pkey primary key,
  owner_id    uuid not null,
  session_id  text not null,
  digest      uuid not null,
  event       text not null,
  sequence    bigint,
  tool_use_id text,
  request_id  text,
  attributes  jsonb not null default '{}',
  at          timestamptz not null,
  received_at timestamptz not null default clock_timestamp(),
  applied_at  timestamptz,
  constraint otel_events_once unique (owner_id, session_id, digest),
  constraint otel_events_attributes check (jsonb_typeof(attributes) = 'object' and octet_length(attributes::text) <= 16384)
);
comment on table private.otel_events is
  'Events of coding agents that came as logs of OpenTelemetry, each once. private.clean_live deletes them after 90 days.';
comment on column private.otel_events.digest is
  'Identifies the record: an exporter repeats a request without an answer. The sequence is not enough: it begins anew when a session is resumed.';
comment on column private.otel_events.attributes is 'Only what applying the event needs; empty for other events.';
comment on column private.otel_events.applied_at is 'Null: its session, or the call of its tool, is not known yet.';

create index otel_events_waiting on private.otel_events (owner_id, session_id) where applied_at is null;
create index otel_events_age on private.otel_events using brin (received_at);

create table private.otel_sessions (
  id         uuid not null default gen_random_uuid(),
  owner_id   uuid not null,
  session_id text not null,
  last_at    timestamptz not null,
  lost_at    timestamptz,
  constraint otel_sessions_pkey primary key (owner_id, session_id),
  constraint otel_sessions_id unique (id)
);
comment on table private.otel_sessions is
  'Sessions that OpenTelemetry has reported, some of them nothing else. private.clean_live deletes them a year after their last event.';
comment on column private.otel_sessions.lost_at is 'When its owner was notified that its transcript was deleted before it was sent.';

create index otel_sessions_age on private.otel_sessions using brin (last_at);

alter table private.otel_events enable row level security;
alter table private.otel_events force row level security;
alter table private.otel_sessions enable row level security;
alter table private.otel_sessions force row level security;

create trigger otel_events_erased before insert on private.otel_events
  for each statement execute function private.refuse_erased_caller();
create trigger otel_sessions_erased before insert or update on private.otel_sessions
  for each statement execute function private.refuse_erased_caller();

-- The elements of a list; none of anything else.
create function private.elements_of(list jsonb) returns setof jsonb
  language sql immutable
  set search_path = ''
  as $$
select e from jsonb_array_elements(case when jsonb_typeof(list) = 'array' then list else '[]' end) as e
$$;
revoke execute on function private.elements_of(jsonb) from public;

-- Attributes of OpenTelemetry as an object. Values of other types than text, number and boolean are left out.
create function private.otel_attributes(list jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select coalesce(jsonb_object_agg(a ->> 'key', v.value), '{}')
from private.elements_of(list) as a
cross join lateral (
  select coalesce(a #> '{value,stringValue}', a #> '{value,intValue}', a #> '{value,doubleValue}', a #> '{value,boolValue}') as value
) as v
where char_length(a ->> 'key') between 1 and 200 and jsonb_typeof(v.value) in ('string', 'number', 'boolean')
$$;
revoke execute on function private.otel_attributes(jsonb) from public;

-- The time of a log record, in nanoseconds since 1970; the current time if that is invalid or in the future.
create function private.otel_time(nanoseconds jsonb) returns timestamptz
  language sql stable
  set search_path = ''
  as $$
select case
  when nanoseconds #>> '{}' ~ '^[1-9][0-9]{17,18}$' then least(to_timestamp(((nanoseconds #>> '{}')::numeric / 1000000000)::float8), clock_timestamp())
  else clock_timestamp()
end
$$;
revoke execute on function private.otel_time(jsonb) from public;

-- The records in a request of an exporter. Those without a session or an event are not of a coding agent.
create function private.otel_records(request jsonb)
  returns table (
    session_id text, digest uuid, event text, sequence bigint, tool_use_id text, request_id text, attributes jsonb, at timestamptz
  )
  language sql stable
  set search_path = ''
  as $$
select
  private.event_text(coalesce(a.attributes -> 'session.id', r.attributes -> 'session.id')), md5(record::text)::uuid,
  substring(coalesce(a.attributes ->> 'event.name', record ->> 'eventName', record #>> '{body,stringValue}') from '^(?:claude_code[.])?([a-z][a-z0-9_]{0,59})$'),
  private.event_number(a.attributes -> 'event.sequence'), private.event_text(a.attributes -> 'tool_use_id'),
  private.event_text(a.attributes -> 'request_id'), a.attributes, private.otel_time(record -> 'timeUnixNano')
from private.elements_of(request -> 'resourceLogs') as resource
-- With an offset each list is made an object once, and not wherever it stands above.
cross join lateral (select private.otel_attributes(resource #> '{resource,attributes}') as attributes offset 0) as r
cross join lateral private.elements_of(resource -> 'scopeLogs') as scope
cross join lateral private.elements_of(scope -> 'logRecords') as record
cross join lateral (select private.otel_attributes(record -> 'attributes') as attributes offset 0) as a
$$;
revoke execute on function private.otel_records(jsonb) from public;

-- What is stored of an event's attributes: they name the user's account as well, and may have what the user typed.
create function private.otel_kept(event text, attributes jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select coalesce(jsonb_object_agg(f.key, f.value), '{}')
from jsonb_each(attributes) as f
where octet_length(f.value::text) <= 500 and f.key = any (case event
  when 'api_request' then array[
    'model', 'cost_usd', 'cost_usd_micros', 'duration_ms', 'input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_creation_tokens',
    'query_source', 'speed', 'agent.name', 'skill.name'
  ]
  when 'tool_result' then array['tool_name', 'success', 'duration_ms']
  when 'compaction' then array['trigger', 'success', 'duration_ms', 'pre_tokens', 'post_tokens']
  when 'retention_sweep' then array['transcripts_deleted', 'period_days']
  else '{}'
end)
$$;
revoke execute on function private.otel_kept(text, jsonb) from public;

-- The cost that an agent reports for a request, in millionths of a dollar.
create function private.otel_cost(attributes jsonb) returns bigint
  language sql immutable
  set search_path = ''
  as $$
select coalesce(
  private.event_number(attributes -> 'cost_usd_micros'),
  case when attributes ->> 'cost_usd' ~ '^[0-9]{1,6}([.][0-9]{1,30})?(e-[0-9]{1,2})?$'
    then round((attributes ->> 'cost_usd')::numeric * 1000000)::bigint end
)
$$;
revoke execute on function private.otel_cost(jsonb) from public;

-- Applies what OpenTelemetry has reported of a session, as far as the session is known. Costs belong to the responses in its transcript; a
-- request without one stands for itself until the transcript brings it. Call it with the owner's lock.
create function private.apply_otel_events(owner uuid, session text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  conversations constant uuid[] := array(
    select c.id from observatory.conversations as c where c.owner_id = owner and c.session_id = session and c.deleted_at is null
  );
  main observatory.conversations;
begin
  if conversations = '{}' then
    return;
  end if;
  -- Records of requests whose responses are stored now. Mostly there are none, and triggers run for statements that change nothing, too.
  if exists (
    select from observatory.usage_records as u where u.conversation_id = any (conversations) and u.kind = 'auxiliary'
  ) then
    with found_ as (
      select distinct on (u.id) u.id, u.reported_cost_micro_usd, m.api_message_id
      from observatory.usage_records as u
      cross join lateral (
        select o.api_message_id from observatory.messages as o
        where o.owner_id = owner and o.request_id = substr(u.api_message_id, 6) and o.api_message_id is not null
        offset 0
      ) as m
      where u.conversation_id = any (conversations) and u.kind = 'auxiliary' and u.api_message_id like 'otel:%'
      order by u.id, m.api_message_id
    ),

    moved as (
      update observatory.usage_records as u set reported_cost_micro_usd = f.reported_cost_micro_usd
      from found_ as f
      where u.owner_id = owner and u.api_message_id = f.api_message_id and u.part = 0
    )

    delete from observatory.usage_records as u using found_ as f where u.id = f.id;
  end if;

  if not exists (select from private.otel_events as e where e.owner_id = owner and e.session_id = session and e.applied_at is null) then
    return;
  end if;
  select c.* into main from observatory.conversations as c
  where c.id = any (conversations) and c.agent_id is null
  for no key update;
  if not found or not private.may_write_live(main.project_id, owner) then
    return;
  end if;

  with requests as (
    select distinct on (e.request_id)
      e.id, e.request_id, e.attributes, e.at, private.otel_cost(e.attributes) as cost, m.api_message_id
    from private.otel_events as e
    left join lateral (
      select o.api_message_id from observatory.messages as o
      where o.owner_id = owner and o.request_id = e.request_id and o.api_message_id is not null
      offset 0
    ) as m on true
    where e.owner_id = owner and e.session_id = session and e.applied_at is null and e.event = 'api_request' and e.request_id is not null
    order by e.request_id, e.id, m.api_message_id
  ),

  known as (
    update observatory.usage_records as u set reported_cost_micro_usd = r.cost
    from requests as r
    where u.owner_id = owner and u.api_message_id = r.api_message_id and u.part = 0
  )

  insert into observatory.usage_records (
    owner_id, api_message_id, part, project_id, conversation_id, entry_uuid, kind, model, source, variant, input_tokens, output_tokens,
    cache_read_tokens, cache_creation_5m_tokens, cost_micro_usd, price, priced_at, reported_cost_micro_usd, occurred_at
  )
  select
    owner, 'otel:' || r.request_id, 0, main.project_id, main.id, left('otel:' || r.request_id, 200), 'auxiliary', n.model, 'claude', n.variant,
    n.input, n.output, n.cache_read, n.cache_write, p.cost_micro, p.price, case when p.price is not null then now() end, r.cost, r.at
  from requests as r
  cross join lateral (
    select
      private.event_text(r.attributes -> 'model') as model,
      case when r.attributes ->> 'speed' = 'fast' then 'fast' else '' end as variant,
      coalesce(private.event_number(r.attributes -> 'input_tokens'), 0) as input,
      coalesce(private.event_number(r.attributes -> 'output_tokens'), 0) as output,
      coalesce(private.event_number(r.attributes -> 'cache_read_tokens'), 0) as cache_read,
      coalesce(private.event_number(r.attributes -> 'cache_creation_tokens'), 0) as cache_write
  ) as n
  cross join lateral private.priced_model('claude', n.model) as l
  cross join lateral private.usage_cost(
    l.provider, l.listed, n.variant, '', r.at, n.input, n.output, n.cache_read, n.cache_write, 0, 0
  ) as p
  where r.api_message_id is null and n.model is not null
  order by 2
  on conflict on constraint usage_records_once do nothing;

  -- Measured by the agent, like the durations of hooks, which come first.
  update observatory.tool_calls as t set duration_ms = e.took, duration_source = 'hook'
  from (
    select distinct on (o.tool_use_id) o.tool_use_id, private.event_number(o.attributes -> 'duration_ms') as took
    from private.otel_events as o
    where o.owner_id = owner and o.session_id = session and o.applied_at is null and o.event = 'tool_result'
    order by o.tool_use_id, o.id
  ) as e
  where t.conversation_id = any (conversations) and t.tool_use_id = e.tool_use_id and e.took is not null
    and t.duration_source is distinct from 'hook';

  update observatory.conversations as c set live = c.live || jsonb_build_object('compaction', e.compaction)
  from (
    select jsonb_strip_nulls(jsonb_build_object(
      'at', o.at, 'trigger', o.attributes -> 'trigger',
      'pre_tokens', private.event_number(o.attributes -> 'pre_tokens'), 'post_tokens', private.event_number(o.attributes -> 'post_tokens')
    )) as compaction
    from private.otel_events as o
    where o.owner_id = owner and o.session_id = session and o.applied_at is null and o.event = 'compaction'
    order by o.at desc, o.id desc
    limit 1
  ) as e
  where c.id = main.id;

  update private.otel_events as e set applied_at = clock_timestamp()
  where e.owner_id = owner and e.session_id = session and e.applied_at is null and (
    e.event <> 'tool_result' or exists (
      select from observatory.tool_calls as t where t.conversation_id = any (conversations) and t.tool_use_id = e.tool_use_id offset 0
    )
  );
end
$$;
revoke execute on function private.apply_otel_events(uuid, text) from public;

-- Notifies a user of sessions whose transcripts the agent has deleted before any of them was sent: those without an event for as long as the
-- agent keeps transcripts. Each session is in one notice.
create function private.note_retention_sweep(owner uuid, swept_at timestamptz, period_days bigint, deleted bigint) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  before constant timestamptz := swept_at - make_interval(days => least(period_days, 36500)::int);
  lost text[];
begin
  lost := array(
    select s.session_id
    from (
      select c.session_id, greatest(c.last_message_at, c.created_at, (
        select max(e.at) from observatory.hook_events as e where e.conversation_id = c.id
      )) as last_at
      from observatory.conversations as c
      where c.owner_id = owner and c.source = 'claude' and c.deleted_at is null
      union all
      select o.session_id, o.last_at from private.otel_sessions as o where o.owner_id = owner
    ) as s
    where not exists (select from observatory.ingest_files as f where f.owner_id = owner and f.session_id = s.session_id)
      and not exists (
        select from private.otel_sessions as o where o.owner_id = owner and o.session_id = s.session_id and o.lost_at is not null
      )
    group by s.session_id
    having max(s.last_at) < before
    order by max(s.last_at) desc, s.session_id
    limit least(deleted, 1000)
  );
  if lost = '{}' then
    return;
  end if;
  insert into private.otel_sessions as o (owner_id, session_id, last_at, lost_at)
  select owner, name, before, now() from unnest(lost) as name
  order by name
  on conflict on constraint otel_sessions_pkey do update set lost_at = excluded.lost_at;
  perform private.notice(
    owner, 'transcripts_deleted', 'transcripts_deleted:' || md5(array_to_string(lost, ',')),
    case when cardinality(lost) = 1 then 'Claude Code has deleted the transcript of a session that was never sent'
      else format('Claude Code has deleted the transcripts of %s sessions that were never sent', cardinality(lost)) end,
    jsonb_build_object(
      'deleted', deleted, 'period_days', period_days, 'swept_at', swept_at, 'sessions', to_jsonb(lost[:50]), 'count', cardinality(lost)
    )
  );
end
$$;
revoke execute on function private.note_retention_sweep(uuid, timestamptz, bigint, bigint) from public;

-- Trigger: a session is deleted here. Its owner wants no notice that its transcript is not here.
create function private.forget_otel_session() returns trigger
  language plpgsql
  -- Definer: request roles may do nothing in the schema private.
  security definer
  set search_path = ''
  as $$
begin
  delete from private.otel_sessions as o where o.owner_id = old.owner_id and o.session_id = old.session_id;
  return null;
end
$$;
revoke execute on function private.forget_otel_session() from public;
create trigger conversations_forget_otel after update of deleted_at on observatory.conversations
  for each row when (old.deleted_at is null and new.deleted_at is not null and old.agent_id is null)
  execute function private.forget_otel_session();
create trigger conversations_forget_otel_delete after delete on observatory.conversations
  for each row when (old.deleted_at is null and old.agent_id is null) execute function private.forget_otel_session();

-- Takes a request of an OpenTelemetry exporter: logs in OTLP's JSON. The edge has taken secrets out of it. The answer is OTLP's, too.
create function observatory.take_otel(request jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant uuid := private.require_user();
  sessions text[];
  sweeps jsonb;
  sweep record;
  session text;
  rejected bigint;
  bytes bigint;
  rows_ bigint;
begin
  if jsonb_typeof(request) <> 'object' or jsonb_typeof(coalesce(request -> 'resourceLogs', '[]')) <> 'array' then
    perform private.refuse(
      400, 'RG332', 'This is no export of logs', 'resourceLogs is no list', 'Export logs by OTLP, with the protocol http/json.'
    );
  end if;
  perform private.require_allowance('live_events');
  with sent as materialized (
    select r.* from private.otel_records(request) as r
  ),

  stored as (
    insert into private.otel_events (owner_id, session_id, digest, event, sequence, tool_use_id, request_id, attributes, at)
    select distinct on (s.session_id, s.digest)
      owner, s.session_id, s.digest, s.event, s.sequence, s.tool_use_id, s.request_id, private.otel_kept(s.event, s.attributes), s.at
    from sent as s
    where s.session_id is not null and s.event is not null
    order by s.session_id, s.digest
    on conflict on constraint otel_events_once do nothing
    returning session_id, event, attributes, at
  ),

  heard as (
    insert into private.otel_sessions as o (owner_id, session_id, last_at)
    select owner, s.session_id, max(s.at) from stored as s
    group by s.session_id
    order by s.session_id
    on conflict on constraint otel_sessions_pkey do update set last_at = greatest(o.last_at, excluded.last_at)
  )

  select
    (select count(*) from sent as s where s.session_id is null or s.event is null),
    array_agg(distinct s.session_id order by s.session_id), coalesce(sum(octet_length(s.attributes::text) + 200), 0), count(*),
    jsonb_agg(s.attributes || jsonb_build_object('at', s.at)) filter (where s.event = 'retention_sweep')
  into rejected, sessions, bytes, rows_, sweeps
  from stored as s;

  -- Once for all sweeps of a request, as each reads all of the owner's sessions: the latest one, with the shortest period.
  select s.at, min(s.period_days) over () as period_days, sum(s.deleted) over () as deleted into sweep
  from (
    select (e.one ->> 'at')::timestamptz as at, coalesce(private.event_number(e.one -> 'period_days'), 30) as period_days,
      private.event_number(e.one -> 'transcripts_deleted') as deleted
    from private.elements_of(sweeps) as e (one)
  ) as s
  where s.deleted > 0
  order by s.at desc
  limit 1;
  if found then
    perform private.note_retention_sweep(owner, sweep.at, sweep.period_days, sweep.deleted::bigint);
  end if;
  foreach session in array coalesce(sessions, '{}') loop
    perform private.apply_if_free(owner, session);
  end loop;
  if rows_ > 0 then
    perform private.use_allowance('live_events', bytes, rows_);
  end if;
  return jsonb_build_object('partialSuccess', case when rejected = 0 then '{}'::jsonb else jsonb_build_object(
    'rejectedLogRecords', rejected, 'errorMessage', 'Records without session.id and event.name are no events of a coding agent.'
  ) end);
end
$$;
comment on function observatory.take_otel(jsonb) is
  'Stores events of the caller''s agent that came as logs of OpenTelemetry, and applies them. Definer: nobody writes them but through the edge, which redacts them.';
revoke execute on function observatory.take_otel(jsonb) from public;
grant execute on function observatory.take_otel(jsonb) to edge;

-- migrate:down
drop function observatory.take_otel(jsonb);
drop trigger conversations_forget_otel on observatory.conversations;
drop trigger conversations_forget_otel_delete on observatory.conversations;
drop function private.forget_otel_session();
drop function private.note_retention_sweep(uuid, timestamptz, bigint, bigint);
drop function private.apply_otel_events(uuid, text);
drop function private.otel_cost(jsonb);
drop function private.otel_kept(text, jsonb);
drop function private.otel_records(jsonb);
drop function private.otel_time(jsonb);
drop function private.otel_attributes(jsonb);
drop function private.elements_of(jsonb);
drop table private.otel_sessions;
drop table private.otel_events;
