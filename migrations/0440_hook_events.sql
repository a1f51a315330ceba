-- 0440: hook events. What a coding agent reports while it works. An event makes a conversation before its transcript arrives, and reports what
-- no transcript has: the true durations of tools, and whether a session goes on.
-- migrate:up
create table observatory.hook_events (
  id              uuid primary key default gen_random_uuid(),
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  owner_id        uuid not null,
  session_id      text not null,
  agent_id        text,
  project_id      uuid,
  conversation_id uuid,
  event           text not null,
  tool_use_id     text,
  prompt_id       text,
  payload         jsonb not null default '{}',
  redaction_count bigint not null default 0,
  at              timestamptz not null default clock_timestamp(),
  applied_at      timestamptz,
  attempts        bigint not null default 0,
  failure         text,
  constraint hook_events_conversation foreign key (conversation_id, project_id)
    references observatory.conversations (id, project_id) on update cascade on delete cascade,
  constraint hook_events_session_length check (char_length(session_id) between 1 and 200),
  constraint hook_events_agent_length check (char_length(agent_id) between 1 and 200),
  -- Text, not an enum: new versions of the agent bring new events.
  constraint hook_events_event check (event ~ '^[A-Za-z][A-Za-z0-9_]{0,59}$'),
  constraint hook_events_tool_use_length check (char_length(tool_use_id) between 1 and 200),
  constraint hook_events_prompt_length check (char_length(prompt_id) between 1 and 200),
  constraint hook_events_payload check (jsonb_typeof(payload) = 'object' and octet_length(payload::text) <= 65536),
  constraint hook_events_place check ((conversation_id is null) = (project_id is null))
);
comment on table observatory.hook_events is
  'Events that coding agents send while they work, redacted. The function of POST /v1/hooks writes them; private.clean_live deletes them after 90 days.';
comment on column observatory.hook_events.payload is
  'The event without values that have columns. In an event beyond 64 KB long values are cut, and "cut" is true. Empty for MessageDisplay, which repeats the transcript.';
comment on column observatory.hook_events.at is 'When it arrived: events have no time of their own.';
comment on column observatory.hook_events.applied_at is 'Null: it waits for the upload that holds its owner''s lock, or for the job apply_hooks.';
comment on column observatory.hook_events.failure is 'The SQLSTATE of the last attempt to apply it.';

-- An event that two entries of the agent's settings send is stored once.
create unique index hook_events_once on observatory.hook_events (owner_id, session_id, event, tool_use_id) where tool_use_id is not null;
create index hook_events_waiting on observatory.hook_events (owner_id, session_id) where applied_at is null;
-- With the project for the policies, as messages_order.
create index hook_events_of_conversation on observatory.hook_events (conversation_id, at, project_id);
create index hook_events_of_owner on observatory.hook_events (owner_id, at);
create index hook_events_of_project on observatory.hook_events (project_id, at);
create index hook_events_age on observatory.hook_events using brin (at);

alter table observatory.hook_events enable row level security;
alter table observatory.hook_events force row level security;
create policy member_select on observatory.hook_events for select to authenticated
  using (
    project_id = any ((select observatory.visible_projects())::uuid[])
    and conversation_id <> all ((select observatory.hidden_conversations())::uuid[])
  );
grant select on observatory.hook_events to authenticated;
grant select, insert, update, delete on observatory.hook_events to service_role;

create trigger hook_events_erased before insert or update on observatory.hook_events
  for each statement execute function private.refuse_erased_caller();
create trigger hook_events_filter before update or delete on observatory.hook_events
  for each statement execute function private.require_filter();

select private.index_mentions(
  'observatory.hook_events', array['payload'], 'redact', 'private.contacts_in(array[left(payload::text, 20000)])'
);

-- Without an allowance the events of one user could fill the disk.
insert into private.daily_allowances (name, bytes, rows) values ('live_events', 2147483648, 1000000);

-- A text of an event; null for another type, an empty text or one that is too long.
create function private.event_text(value jsonb, most int default 200) returns text
  language sql immutable
  return case when jsonb_typeof(value) = 'string' and char_length(value #>> '{}') between 1 and most then value #>> '{}' end;
revoke execute on function private.event_text(jsonb, int) from public;

-- A count of an event, also one that is written as a text or with a fraction; null if it is none.
create function private.event_number(value jsonb) returns bigint
  language sql immutable
  return case when value #>> '{}' ~ '^[0-9]{1,12}([.][0-9]{1,30})?$' then round((value #>> '{}')::numeric)::bigint end;
revoke execute on function private.event_number(jsonb) from public;

-- What is stored of an event beside its columns.
create function private.hook_payload(event jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  most constant int := 65536;
  body jsonb := case
    when jsonb_typeof(event) = 'object' then event - array['session_id', 'hook_event_name', 'agent_id', 'tool_use_id', 'prompt_id'] else '{}'
  end;
begin
  -- The agent sends such an event for every piece of text that it shows.
  if event ->> 'hook_event_name' = 'MessageDisplay' then
    return '{}';
  end if;
  if octet_length(body::text) > most then
    select jsonb_object_agg(
      f.key, case when octet_length(f.value::text) <= 2000 then f.value else to_jsonb(left(f.value #>> '{}', 2000)) end
    ) || '{"cut": true}' into body
    from jsonb_each(body) as f;
  end if;
  return case when octet_length(body::text) > most then '{"cut": true}' else body end;
end
$$;
revoke execute on function private.hook_payload(jsonb) from public;

-- Whether a user may write in a project. Not by the caller's claims: the job that applies events has none.
create function private.may_write_live(project uuid, owner uuid) returns boolean
  language sql stable
  set search_path = ''
  as $$
select exists (
  select from observatory.project_members as m
  inner join observatory.projects as p on p.id = m.project_id
  where m.project_id = project and m.user_id = owner and m.role in ('editor', 'owner') and p.deleted_at is null
)
$$;
revoke execute on function private.may_write_live(uuid, uuid) from public;

-- Finds or creates the conversation of a session, or of a subagent in it, and locks it. Null if it is deleted, or is in a project in which its
-- sender may not write any more. A session of which no event has named the directory yet (is_unplaced) moves to the directory's project. The
-- caller holds the owner's lock.
create function private.live_conversation(owner uuid, session text, agent text, cwd text, at timestamptz)
  returns observatory.conversations
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  found_ observatory.conversations;
  main observatory.conversations;
  project uuid;
begin
  select c.* into found_ from observatory.conversations as c
  where c.owner_id = owner and c.session_id = session and c.agent_id is not distinct from agent
  for no key update;
  if found then
    if found_.deleted_at is not null or not private.may_write_live(found_.project_id, owner) then
      return null;
    end if;
    if found_.is_unplaced and cwd is not null then
      perform private.place_conversation(found_.id, private.project_for(owner, null, cwd));
      select c.* into found_ from observatory.conversations as c where c.id = found_.id;
    end if;
    return found_;
  end if;
  if agent is not null then
    main := private.live_conversation(owner, session, null, cwd, at);
    if main.id is null then
      return null;
    end if;
    project := main.project_id;
  else
    project := private.project_for(owner, null, cwd);
  end if;
  insert into observatory.conversations (
    project_id, owner_id, session_id, agent_id, parent_conversation_id, source, cwd, live_since, is_unplaced
  )
  values (project, owner, session, agent, main.id, 'claude', cwd, at, agent is null and cwd is null)
  on conflict do nothing
  returning * into found_;
  if found_.id is null then
    -- Another member of the project has sent a session of this name: this one goes to a project of its sender's own.
    insert into observatory.conversations (project_id, owner_id, session_id, agent_id, source, cwd, live_since)
    values (private.project_for(owner, null, null), owner, session, agent, 'claude', cwd, at)
    returning * into found_;
  end if;
  return found_;
end
$$;
revoke execute on function private.live_conversation(uuid, text, text, text, timestamptz) from public;

-- Updates the tool calls of a session from its events. It reads all events of a call, not only new ones, so that the order in which events and
-- transcript arrive does not matter. The transcript's values take precedence, except for the duration.
create function private.apply_tool_events(owner uuid, session text, events uuid[]) returns void
  language sql volatile
  set search_path = ''
  as $$
with calls as (
  select distinct e.tool_use_id from observatory.hook_events as e
  where e.id = any (events) and e.tool_use_id is not null
),

seen as (
  select
    e.tool_use_id, max(e.agent_id) as agent_id,
    min(e.at) filter (where e.event = 'PreToolUse') as began,
    min(e.at) filter (where e.event in ('PostToolUse', 'PostToolUseFailure')) as ended,
    max(private.event_number(e.payload -> 'duration_ms')) filter (where e.event in ('PostToolUse', 'PostToolUseFailure')) as took,
    max(private.event_text(e.payload -> 'tool_name')) as tool_name,
    (array_agg(e.payload -> 'tool_input' order by e.at, e.id) filter (where jsonb_typeof(e.payload -> 'tool_input') = 'object'))[1] as input,
    (array_agg(e.payload -> 'tool_response' order by e.at, e.id) filter (where e.event = 'PostToolUse' and not e.payload ? 'cut'))[1] as output,
    max(left(coalesce(e.payload ->> 'error', e.payload ->> 'reason'), 2000)) as error_message,
    case
      when bool_or(e.event = 'PostToolUse') then 'completed'
      when bool_or(e.event = 'PostToolUseFailure' and e.payload -> 'is_interrupt' = 'true') then 'interrupted'
      when bool_or(e.event = 'PostToolUseFailure') then 'failed'
      when bool_or(e.event = 'PermissionDenied') then 'rejected'
      else 'pending'
    end as status
  from calls
  -- Each by its key: the planner expects one or two events of a session, and would read all for each hook.
  cross join unnest(array['PreToolUse', 'PermissionRequest', 'PermissionDenied', 'PostToolUse', 'PostToolUseFailure']) as k (event)
  cross join lateral (
    select h.* from observatory.hook_events as h
    where h.owner_id = owner and h.session_id = session and h.event = k.event and h.tool_use_id = calls.tool_use_id
    offset 0
  ) as e
  group by e.tool_use_id
)

insert into observatory.tool_calls as t (
  project_id, conversation_id, owner_id, tool_use_id, tool_name, input, output, status, is_error, error_message, started_at, completed_at,
  duration_ms, duration_source
)
select
  c.project_id, c.id, owner, s.tool_use_id, s.tool_name, s.input,
  left(case when jsonb_typeof(s.output) = 'string' then s.output #>> '{}' else s.output::text end, 100000),
  s.status, s.status in ('failed', 'interrupted'), s.error_message, s.began, s.ended,
  -- The time from Pre to Post includes how long a person took to allow the call.
  coalesce(s.took, case when s.ended > s.began then floor(extract(epoch from s.ended - s.began) * 1000)::bigint end),
  case when s.took is not null then 'hook' when s.ended > s.began then 'pair' end
from seen as s
inner join observatory.conversations as c
  on c.owner_id = owner and c.session_id = session and c.agent_id is not distinct from s.agent_id
where s.tool_name is not null
order by c.id, s.tool_use_id
on conflict on constraint tool_calls_use do update set
  input = case when t.message_id is null then coalesce(excluded.input, t.input) else t.input end,
  started_at = case when t.message_id is null then coalesce(excluded.started_at, t.started_at) else t.started_at end,
  -- The transcript's result has a line of its own.
  output = case when t.metadata ? 'result_entry' then t.output else coalesce(excluded.output, t.output) end,
  status = case when t.metadata ? 'result_entry' then t.status else excluded.status end,
  is_error = case when t.metadata ? 'result_entry' then t.is_error else excluded.is_error end,
  error_message = case when t.metadata ? 'result_entry' then t.error_message else excluded.error_message end,
  completed_at = case when t.metadata ? 'result_entry' then t.completed_at else coalesce(excluded.completed_at, t.completed_at) end,
  duration_ms = case
    when excluded.duration_source = 'hook' or coalesce(t.duration_source = 'pair', true) then coalesce(excluded.duration_ms, t.duration_ms)
    else t.duration_ms
  end,
  duration_source = case
    when excluded.duration_source = 'hook' or coalesce(t.duration_source = 'pair', true) then coalesce(excluded.duration_source, t.duration_source)
    else t.duration_source
  end
$$;
revoke execute on function private.apply_tool_events(uuid, text, uuid[]) from public;

-- Applies the events of a session that have not been applied, a thousand at most.
create function private.apply_waiting_events(owner uuid, session text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  waiting constant uuid[] := array(
    select e.id
    -- By the session, and not in the order of all events of the owner.
    from (
      select h.id, h.at from observatory.hook_events as h
      where h.owner_id = owner and h.session_id = session and h.applied_at is null
      offset 0
    ) as e
    order by e.at, e.id
    limit 1000
  );
  one record;
  conversation observatory.conversations;
begin
  if waiting <> '{}' then
    -- The session itself before its subagents.
    for one in
      select
        e.agent_id, min(e.at) as first_at, max(e.at) as last_at,
        (array_agg(e.payload ->> 'cwd' order by e.at, e.id) filter (where private.event_text(e.payload -> 'cwd', 1024) is not null))[1] as cwd,
        -- As private.set_title does with the first prompt.
        (array_agg(nullif(btrim(left(regexp_replace(left(e.payload ->> 'prompt', 2000), '\s+', ' ', 'g'), 200)), '') order by e.at, e.id)
          filter (where e.event = 'UserPromptSubmit' and e.payload ->> 'prompt' !~ '^\s*(<|$)'))[1] as title,
        jsonb_strip_nulls(jsonb_build_object(
          'agent_type', max(private.event_text(e.payload -> 'agent_type')),
          'permission_mode', (array_agg(private.event_text(e.payload -> 'permission_mode') order by e.at desc, e.id desc)
            filter (where e.payload ? 'permission_mode'))[1],
          'last_assistant_message', (array_agg(left(e.payload ->> 'last_assistant_message', 2000) order by e.at desc, e.id desc)
            filter (where e.payload ? 'last_assistant_message'))[1],
          'compact_summary', (array_agg(left(e.payload ->> 'compact_summary', 2000) order by e.at desc, e.id desc)
            filter (where e.payload ? 'compact_summary'))[1]
        )) as live
      from observatory.hook_events as e
      where e.id = any (waiting)
      group by e.agent_id
      order by e.agent_id nulls first
    loop
      conversation := private.live_conversation(owner, session, one.agent_id, one.cwd, one.first_at);
      if conversation.id is null then
        delete from observatory.hook_events as e where e.id = any (waiting) and e.agent_id is not distinct from one.agent_id;
        continue;
      end if;
      update observatory.hook_events as e set conversation_id = conversation.id, project_id = conversation.project_id
      where e.id = any (waiting) and e.agent_id is not distinct from one.agent_id;
      update observatory.conversations as c set
        live_since = least(c.live_since, one.first_at),
        cwd = coalesce(c.cwd, one.cwd),
        title = coalesce(c.title, one.title),
        title_source = case when c.title is null and one.title is not null then 'prompt' else c.title_source end,
        status = case when c.status = 'archived' and state.status <> 'active' then c.status else coalesce(state.status, c.status) end,
        ended_at = case
          when state.status = 'ended' then state.at
          when state.status is null then c.ended_at
        end,
        live = c.live || one.live
      from (select 1) as always
      -- The status follows the latest event that has one, not the one that was applied last.
      left join lateral (
        select e.at, case e.event
          when 'SessionEnd' then 'ended' when 'SubagentStop' then 'ended' when 'Stop' then 'idle' when 'StopFailure' then 'failed' else 'active'
        end as status
        from observatory.hook_events as e
        where e.conversation_id = conversation.id and e.event in (
          'SessionStart', 'UserPromptSubmit', 'PreToolUse', 'SubagentStart', 'Stop', 'StopFailure', 'SubagentStop', 'SessionEnd'
        )
        order by e.at desc, e.id desc
        limit 1
      ) as state on true
      where c.id = conversation.id;
      update observatory.projects as p set last_activity_at = one.last_at
      where p.id = conversation.project_id and coalesce(p.last_activity_at < one.last_at - interval '1 minute', true);
    end loop;
    perform private.apply_tool_events(owner, session, waiting);
    update observatory.hook_events as e set applied_at = clock_timestamp(), failure = null where e.id = any (waiting);
  end if;
end
$$;
revoke execute on function private.apply_waiting_events(uuid, text) from public;

-- Applies what hooks and OpenTelemetry have reported of a session. Call it with the owner's lock. A failure fails no upload: the events
-- stay, and the job apply_hooks tries again. `patience` is how long it waits for a lock.
create function private.apply_hook_events(owner uuid, session text, patience text default current_setting('lock_timeout')) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  usual_timeout constant text := current_setting('lock_timeout');
begin
  -- Set in each block, so that the block's failure ends it: what notes the failure would fail by it as well, and with it the request.
  begin
    perform set_config('lock_timeout', patience, true);
    perform private.apply_waiting_events(owner, session);
    perform set_config('lock_timeout', usual_timeout, true);
  exception
    when others then
      -- Without events that somebody else holds.
      update observatory.hook_events as e set attempts = e.attempts + 1, failure = sqlstate
      where e.id = any (array(
        select w.id from observatory.hook_events as w
        where w.owner_id = owner and w.session_id = session and w.applied_at is null
        for no key update skip locked
      ));
  end;
  begin
    perform set_config('lock_timeout', patience, true);
    perform private.apply_otel_events(owner, session);
    perform set_config('lock_timeout', usual_timeout, true);
  exception
    when others then
      raise warning 'events of OpenTelemetry are left: % %', sqlstate, sqlerrm;
  end;
end
$$;
revoke execute on function private.apply_hook_events(uuid, text, text) from public;

-- Applies the events of a session, unless an upload of the same owner is under way, which applies them at its end. It does not wait for that:
-- the agent waits for the answer. Returns whether it has applied them.
create function private.apply_if_free(owner uuid, session text) returns boolean
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  is_free constant boolean := pg_try_advisory_xact_lock(hashtextextended(owner::text, 420));
begin
  if is_free then
    perform private.apply_hook_events(owner, session, '20ms');
  end if;
  return is_free;
end
$$;
revoke execute on function private.apply_if_free(uuid, text) from public;

-- Takes one event of the caller's agent. The edge has taken secrets out of it, and counted them.
create function observatory.take_hook(event jsonb, redactions bigint default 0) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant uuid := private.require_user();
  session constant text := private.event_text(event -> 'session_id');
  name constant text := event ->> 'hook_event_name';
  payload constant jsonb := private.hook_payload(event || (
    select coalesce(jsonb_object_agg(p.name, private.redact_path(event ->> p.name)), '{}')
    from unnest(array['transcript_path', 'agent_transcript_path']) as p (name)
    where event ->> p.name <> ''
  ));
begin
  if session is null or coalesce(name !~ '^[A-Za-z][A-Za-z0-9_]{0,59}$', true) then
    perform private.refuse(
      400, 'RG331', 'This is no event of a coding agent', null, 'Send the JSON of one hook event, with session_id and hook_event_name.'
    );
  end if;
  perform private.require_allowance('live_events');
  insert into observatory.hook_events (owner_id, session_id, agent_id, event, tool_use_id, prompt_id, payload, redaction_count)
  values (
    owner, session, private.event_text(event -> 'agent_id'), name, private.event_text(event -> 'tool_use_id'),
    private.event_text(event -> 'prompt_id'), payload, greatest(redactions, 0)
  )
  on conflict do nothing;
  if found then
    perform private.apply_if_free(owner, session);
    perform private.use_allowance('live_events', octet_length(payload::text) + 200, 1);
  end if;
  return true;
end
$$;
comment on function observatory.take_hook(jsonb, bigint) is
  'Stores one event of the caller''s agent, and applies it. Definer: nobody writes events but through the edge, which redacts them.';
revoke execute on function observatory.take_hook(jsonb, bigint) from public;
grant execute on function observatory.take_hook(jsonb, bigint) to edge;

-- Job: applies events that arrived while an upload was under way, and those that failed. Returns the number of sessions.
create function private.apply_hooks() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  one record;
  applied bigint := 0;
begin
  for one in
    select e.owner_id, e.session_id from observatory.hook_events as e
    where e.applied_at is null and e.attempts < 20
    group by e.owner_id, e.session_id
    order by min(e.at)
    limit 50
  loop
    applied := applied + private.apply_if_free(one.owner_id, one.session_id)::int;
  end loop;
  -- Sessions with new events of OpenTelemetry alone; older ones wait for their transcript.
  for one in
    select distinct e.owner_id, e.session_id from private.otel_events as e
    inner join observatory.conversations as c on c.owner_id = e.owner_id and c.session_id = e.session_id
    where e.applied_at is null and e.received_at > now() - interval '1 hour' and (e.event <> 'tool_result' or exists (
      select from observatory.tool_calls as t where t.conversation_id = c.id and t.tool_use_id = e.tool_use_id
    ))
    limit 50
  loop
    perform private.apply_if_free(one.owner_id, one.session_id);
  end loop;
  return applied;
end
$$;
revoke execute on function private.apply_hooks() from public;

insert into private.jobs (name, function, schedule, more_from, description) values
('apply_hooks', 'private.apply_hooks', '*/5 * * * *', 50, 'Applies events of coding agents that came while an upload was under way.');

-- migrate:down
delete from private.jobs where name = 'apply_hooks';
delete from private.mention_places where relation = 'observatory.hook_events';
delete from private.daily_allowances where name = 'live_events';
drop function private.apply_hooks();
drop function observatory.take_hook(jsonb, bigint);
drop function private.apply_if_free(uuid, text);
drop function private.apply_hook_events(uuid, text, text);
drop function private.apply_waiting_events(uuid, text);
drop function private.apply_tool_events(uuid, text, uuid[]);
drop function private.live_conversation(uuid, text, text, text, timestamptz);
drop function private.may_write_live(uuid, uuid);
drop function private.hook_payload(jsonb);
drop function private.event_number(jsonb);
drop function private.event_text(jsonb, int);
drop table observatory.hook_events;
