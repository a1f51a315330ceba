-- 0422: ingest: stores lines of transcripts. Sent again, in other parts or by two senders at once, they change nothing.
-- migrate:up
insert into private.daily_allowances (name, bytes, rows) values ('transcripts', 21474836480, 10000000);

-- Whose format a line is in.
create function private.transcript_source(line jsonb) returns text
  language sql immutable
  set search_path = ''
  as $$
select case
  when line ->> 'type' = 'session_meta' then 'codex'
  when line ? 'projectHash' or line ? '$set' then 'gemini'
  when line #>> '{info,sessionID}' is not null or line #>> '{info,id}' like 'ses\_%' then 'opencode'
  else 'claude'
end
$$;
revoke execute on function private.transcript_source(jsonb) from public;

-- Reads lines by their agent's reader. `state` is what that has to know of the file's earlier lines.
create function private.entries_of(source text, lines text[], offsets bigint[], state jsonb) returns setof private.entry
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if source = 'claude' then
    return query select e.* from private.claude_entries(lines, offsets) as e;
  elsif source in ('codex', 'gemini', 'opencode')
    and to_regprocedure(format('private.%I(json, bigint[], jsonb)', source || '_entries')) is not null
  then
    return query execute format('select e.* from private.%I($1, $2, $3) as e', source || '_entries') using to_json(lines), offsets, state;
  else
    perform private.refuse(
      422, 'RG665', 'No agent of this name is known', format('source: %s', source), 'Send source=claude, codex, gemini or opencode, or none.'
    );
  end if;
end
$$;
revoke execute on function private.entries_of(text, text[], bigint[], jsonb) from public;

-- Entries with the numbers of secrets that the edge took out of their lines. `by_line` has them by the line's place in the batch, from 0.
create function private.with_redactions(entries private.entry[], offsets bigint[], base bigint, by_line jsonb) returns private.entry[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  one record;
begin
  for one in
    select e.n, (r.secrets)::int as secrets
    from jsonb_each_text(by_line) as r (index, secrets)
    inner join (
      select u.pos, n from unnest(entries) with ordinality as u (
        pos, uuid, parent, logical_parent, session, agent, kind, role, at, is_sidechain, is_meta, api_id, request_id, model, stop_reason,
        content, blocks, usage, tools, forked_from, facts, metadata, redactions, n
      )
    ) as e on e.pos = base + offsets[r.index::int + 1]
  loop
    entries[one.n::int].redactions := one.secrets;
  end loop;
  return entries;
end
$$;
revoke execute on function private.with_redactions(private.entry[], bigint[], bigint, jsonb) from public;

-- The sums of two objects of numbers.
create function private.add_counts(one jsonb, other jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select coalesce(jsonb_object_agg(s.key, s.total), '{}')
from (
  select e.key, sum(e.value::bigint) as total
  from (select * from jsonb_each_text(one) union all select * from jsonb_each_text(other)) as e
  group by e.key
) as s
$$;
revoke execute on function private.add_counts(jsonb, jsonb) from public;

-- Which session, subagent and file a path names: {session, agent, name}. The session of a subagent's file that lies beside the sessions
-- stands in its lines only.
create function private.transcript_place(path text) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  parts constant text[] := string_to_array(replace(path, E'\\', '/'), '/');
  name constant text := left(parts[cardinality(parts)], 255);
  base constant text := left(regexp_replace(name, '[.](jsonl|json)$', ''), 200);
  folders constant int[] := array_positions(parts, 'subagents');
  folder constant int := folders[cardinality(folders)];
  run constant int := array_position(parts, 'workflows', coalesce(folder, 1));
begin
  return jsonb_build_object(
    'name', nullif(name, ''),
    'session', case
      when folder > 1 then left(parts[folder - 1], 200)
      when base not like 'agent-%' then nullif(base, '')
    end,
    'agent', case
      when base like 'agent-_%' then substr(base, 7)
      -- The journal of a workflow is a conversation of its own, beside those of the workflow's agents.
      when folder > 1 and run = folder + 1 and base = 'journal' then left('workflow-' || parts[run + 1], 200)
    end
  );
end
$$;
revoke execute on function private.transcript_place(text) from public;

-- The conversation of a session or of a subagent in it, which is made if it is not there. It stays in the project that it is in, wherever
-- its file is now. `given` has project, path, source and cwd for a new one.
create function private.conversation_for(owner uuid, session text, agent text, given jsonb) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  found_ record;
  parent uuid;
  project uuid;
  made uuid;
begin
  for found_ in
    select c.id, c.project_id, c.deleted_at is not null or p.deleted_at is not null as is_deleted
    from observatory.conversations as c
    inner join observatory.projects as p on p.id = c.project_id
    where c.owner_id = conversation_for.owner and c.session_id = conversation_for.session
      and c.agent_id is not distinct from conversation_for.agent
  loop
    if not found_.is_deleted then
      -- The sender may have left the project, or be a viewer of it now.
      if found_.project_id = any (observatory.editable_projects()) then
        return found_.id;
      end if;
      perform private.refuse(
        403, 'RG661', 'You may not write in this project', format('The session %s is in it', session), 'Ask an owner of the project for the role editor.'
      );
    end if;
    -- A job removes it. Until then it must not stand in the way of the new one.
    update observatory.conversations as c set session_id = 'deleted:' || gen_random_uuid() where c.id = found_.id;
  end loop;

  if agent is null then
    if coalesce(given ->> 'project', given ->> 'cwd') is null then
      -- The lines so far name no directory: where the sessions of the same folder are.
      select f.project_id into project
      from observatory.ingest_files as f
      where f.owner_id = conversation_for.owner and given ->> 'path' ~ '/'
        and regexp_replace(f.path, '/[^/]*$', '') = regexp_replace(given ->> 'path', '/[^/]*$', '')
        and f.project_id = any (observatory.editable_projects())
      order by f.updated_at desc
      limit 1;
    end if;
    project := coalesce(project, private.project_for(owner, given ->> 'project', given ->> 'cwd'));
  else
    -- Where the session's own file is, that says when it comes.
    parent := private.conversation_for(owner, session, null, given - 'path');
    select c.project_id into project from observatory.conversations as c where c.id = parent;
  end if;
  insert into observatory.conversations (project_id, owner_id, session_id, agent_id, parent_conversation_id, source, source_path)
  values (project, owner, session, agent, parent, given ->> 'source', left(given ->> 'path', 1024))
  on conflict do nothing
  returning id into made;
  if made is null then
    -- Another member of the project has sent a session of this name: this one goes to a project of its sender's own.
    insert into observatory.conversations (project_id, owner_id, session_id, agent_id, parent_conversation_id, source, source_path)
    values (private.project_for(owner, null, null), owner, session, agent, null, given ->> 'source', left(given ->> 'path', 1024))
    returning id into made;
  end if;
  return made;
end
$$;
revoke execute on function private.conversation_for(uuid, text, text, jsonb) from public;

-- Notes on the messages that summaries name what those say: older versions write the summary of a session into the file of a later one,
-- which may come before or after it. `uuids` are entries that are new, `ids` new messages. Returns the conversations that have one now.
create function private.note_summaries(owner uuid, uuids text[], ids uuid[]) returns uuid[]
  language sql volatile
  set search_path = ''
  as $$
with noted as (
  update observatory.messages as m
  set metadata = m.metadata || jsonb_build_object('session_summary', left(s.content, 500), 'session_summary_entry', s.entry_uuid)
  from (
    select distinct on (s.metadata ->> 'leafUuid') s.metadata ->> 'leafUuid' as leaf, s.content, s.entry_uuid
    from observatory.messages as s
    where s.owner_id = note_summaries.owner and s.entry_type = 'summary' and s.content <> ''
      and s.metadata ->> 'leafUuid' = any (
        note_summaries.uuids || array(
          select n.metadata ->> 'leafUuid' from observatory.messages as n where n.id = any (note_summaries.ids) and n.entry_type = 'summary'
        )
      )
    order by s.metadata ->> 'leafUuid', s.entry_uuid desc
  ) as s
  where m.owner_id = note_summaries.owner and m.entry_uuid = s.leaf and m.metadata ->> 'session_summary_entry' is distinct from s.entry_uuid
  returning m.conversation_id
)

select coalesce(array_agg(distinct noted.conversation_id), '{}') from noted
$$;
revoke execute on function private.note_summaries(uuid, text[], uuid[]) from public;

-- The title of a conversation: the last one that a person gave, the agent's, a summary's, or the beginning of the first prompt. A title
-- that is the name of a worktree was not given by a person.
create function private.set_title(conversation_id uuid) returns void
  language sql volatile
  set search_path = ''
  as $$
update observatory.conversations as c set title = t.title, title_source = t.source
from (
  select u.title, u.source
  from (
    (
      select 1 as place, n.title, n.source
      from (
        select
          nullif(btrim(left(case
            when m.entry_type in ('custom-title', 'ai-title', 'summary') then m.content else m.metadata ->> 'session_summary'
          end, 500)), '') as title,
          case m.entry_type when 'custom-title' then 'custom' when 'ai-title' then 'ai' else 'summary' end as source,
          case m.entry_type when 'custom-title' then 1 when 'ai-title' then 2 else 3 end as strength,
          m.seq, m.created_at
        from observatory.messages as m
        where m.conversation_id = set_title.conversation_id
          and (m.entry_type in ('custom-title', 'ai-title', 'summary', 'worktree-state') or m.metadata ? 'session_summary')
          and case m.entry_type
            when 'custom-title' then not exists (
              select from observatory.messages as w
              where w.conversation_id = set_title.conversation_id and w.entry_type = 'worktree-state'
                and w.metadata #>> '{worktreeSession,worktreeName}' = m.content
            )
            when 'ai-title' then true
            -- One that names a message is noted at that message.
            when 'summary' then not m.metadata ? 'leafUuid'
            else m.metadata ? 'session_summary'
          end
      ) as n
      where n.title is not null
      -- A document that is written anew has its title at the same place.
      order by n.strength, n.seq desc, n.created_at desc
      limit 1
    )
    union all
    (
      select 2, nullif(btrim(left(regexp_replace(left(m.content, 2000), '\s+', ' ', 'g'), 200)), ''), 'prompt'
      from observatory.messages as m
      where m.conversation_id = set_title.conversation_id and m.role = 'user' and not m.is_meta and m.content <> ''
        and m.content !~ '^\s*<' and (not m.is_sidechain or m.agent_id is not null) and not m.metadata ? 'is_compact_summary'
      order by m.seq, m.id
      limit 1
    )
  ) as u
  where u.title is not null
  order by u.place
  limit 1
) as t
where c.id = set_title.conversation_id and (c.title, c.title_source) is distinct from (t.title, t.source)
$$;
revoke execute on function private.set_title(uuid) from public;

-- Attaches subagents to the conversations whose tools started them, at any depth. `agents` are ids of subagents that have come or have been
-- named. Those that have not come are counted by triggers (0433).
create function private.settle_agents(owner uuid, agents text[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  update observatory.conversations as c set parent_conversation_id = s.parent_id
  from (
    select distinct on (child.id) child.id, t.conversation_id as parent_id
    from observatory.conversations as child
    inner join observatory.tool_calls as t on t.spawned_agent_id = child.agent_id and t.owner_id = child.owner_id
    inner join observatory.conversations as parent on parent.id = t.conversation_id
    where child.owner_id = settle_agents.owner and child.agent_id = any (settle_agents.agents)
      and parent.session_id = child.session_id and parent.project_id = child.project_id and parent.id <> child.id
      -- An agent that claims to have started the one that started it.
      and parent.parent_conversation_id is distinct from child.id
    order by child.id, t.conversation_id
  ) as s
  where c.id = s.id and c.parent_conversation_id is distinct from s.parent_id;
end
$$;
revoke execute on function private.settle_agents(uuid, text[]) from public;

-- A text in at most so many bytes of UTF-8.
create function private.cut(words text, bytes int) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  if octet_length(words) <= bytes then
    return words;
  end if;
  return left(words, case when octet_length(words) = char_length(words) then bytes else bytes / 4 end);
end
$$;
revoke execute on function private.cut(text, int) from public;

-- Stores the tool calls of entries, and what they returned. The first result in the file counts, as it does however the file is cut. Returns
-- how many calls are new.
create function private.store_tool_calls(owner uuid, places jsonb, entries private.entry[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  added bigint;
begin
  with place as (
    select p.* from jsonb_to_recordset(places) as p (session text, agent text, conversation_id uuid, project_id uuid)
  ),

  part as materialized (
    select p.conversation_id, p.project_id, e.pos, t.n, e.uuid, e.at, t.one -> 'use' as use, t.one -> 'result' as result,
      coalesce(t.one #>> '{use,id}', t.one #>> '{result,id}') as tool_use_id
    from unnest(entries) as e
    inner join place as p on p.session = e.session and p.agent is not distinct from e.agent
    cross join jsonb_array_elements(e.tools) with ordinality as t (one, n)
    where e.tools is not null
  ),

  used as (
    select distinct on (part.conversation_id, part.tool_use_id) part.* from part
    where part.use is not null and part.tool_use_id is not null
    order by part.conversation_id, part.tool_use_id, part.pos, part.n
  ),

  returned as (
    select distinct on (part.conversation_id, part.tool_use_id) part.*, part.result -> 'facts' as facts, part.result ->> 'output' as output,
      part.result -> 'is_error' = 'true' as is_error
    from part
    where part.result is not null and part.tool_use_id is not null
    order by part.conversation_id, part.tool_use_id, part.pos, part.n
  ),

  call as (
    select
      coalesce(u.conversation_id, r.conversation_id) as conversation_id,
      coalesce(u.project_id, r.project_id) as project_id,
      coalesce(u.tool_use_id, r.tool_use_id) as tool_use_id,
      m.id as message_id, u.at as started_at, u.use, r.uuid as result_uuid, r.at as completed_at, r.output, r.is_error, r.facts,
      case when r.uuid is null then 'pending'
        when r.facts -> 'rejected' = 'true' or (r.is_error and r.output like 'The user doesn''t want to proceed%') then 'rejected'
        when r.facts -> 'interrupted' = 'true' or (r.is_error and r.output like '[Request interrupted by user%') then 'interrupted'
        when r.is_error then 'failed' else 'completed'
      end as status
    from used as u
    full outer join returned as r on r.conversation_id = u.conversation_id and r.tool_use_id = u.tool_use_id
    left join observatory.messages as m on m.conversation_id = u.conversation_id and m.entry_uuid = u.uuid
  ),

  written as (
    insert into observatory.tool_calls as t (
      id, project_id, conversation_id, owner_id, message_id, tool_use_id, tool_name, input, output, output_truncated, status, is_error,
      error_message, started_at, completed_at, duration_ms, duration_source, file_path, spawned_agent_id, metadata
    )
    select
      gen_random_uuid(), call.project_id, call.conversation_id, owner, call.message_id, call.tool_use_id,
      coalesce(nullif(call.use ->> 'name', ''), 'unknown'),
      case
        when pg_column_size(call.use -> 'input') <= 200000 then call.use -> 'input'
        -- Enough to recognise it by. The line has the rest.
        else jsonb_build_object('cut', left(call.use ->> 'input', 50000))
      end,
      private.cut(call.output, 262144), coalesce(octet_length(call.output) > 262144, false) or coalesce(call.facts ? 'persisted_output_path', false),
      call.status, coalesce(call.is_error, false), case when call.is_error then left(call.output, 2000) end,
      call.started_at, call.completed_at,
      (call.facts ->> 'duration_ms')::bigint, case when call.facts ? 'duration_ms' then 'result' end,
      left(coalesce(
        call.use #>> '{input,file_path}', call.use #>> '{input,notebook_path}', call.use #>> '{input,path}', call.facts ->> 'file_path'
      ), 1024),
      call.facts ->> 'agent_id',
      case when call.result_uuid is null then '{}' else coalesce(nullif(call.facts, 'null'), '{}') || jsonb_build_object('result_entry', call.result_uuid) end
    from call
    order by call.conversation_id, call.tool_use_id
    on conflict on constraint tool_calls_use do update set
      message_id = coalesce(t.message_id, excluded.message_id),
      tool_name = case when t.message_id is null and excluded.message_id is not null then excluded.tool_name else t.tool_name end,
      input = case when t.message_id is null and excluded.message_id is not null then excluded.input else t.input end,
      started_at = case when t.message_id is null and excluded.message_id is not null then excluded.started_at else t.started_at end,
      file_path = coalesce(t.file_path, excluded.file_path),
      output = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.output else t.output end,
      output_truncated = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.output_truncated else t.output_truncated end,
      status = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.status else t.status end,
      is_error = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.is_error else t.is_error end,
      error_message = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.error_message else t.error_message end,
      completed_at = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then excluded.completed_at else t.completed_at end,
      duration_ms = case when t.duration_source = 'hook' or excluded.duration_ms is null then t.duration_ms else excluded.duration_ms end,
      duration_source = case when t.duration_source = 'hook' or excluded.duration_ms is null then t.duration_source else excluded.duration_source end,
      spawned_agent_id = coalesce(t.spawned_agent_id, excluded.spawned_agent_id),
      metadata = case when excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry' then t.metadata || excluded.metadata else t.metadata end
    where (t.message_id is null and excluded.message_id is not null) or (excluded.metadata ? 'result_entry' and not t.metadata ? 'result_entry')
    returning t.xmax = 0 as is_new
  )

  select count(*) filter (where written.is_new) into added from written;
  return added;
end
$$;
revoke execute on function private.store_tool_calls(uuid, jsonb, private.entry[]) from public;

-- Stores the messages of entries. An entry that is there already keeps what it has; only its parent may be another one: a compaction writes
-- the entries that it preserves a second time, below its boundary. What stands last in the file counts, however late it comes; a second
-- writing without a parent takes none away. A message whose parent is stored, or comes before it in the batch, gets its place in the thread
-- with its row; private.link_entries places the others. Returns the ids of new messages, the positions of their entries, and numbers.
create function private.store_messages(owner uuid, places jsonb, file_id uuid, entries private.entry[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  answer jsonb;
  given bigint;
  -- Of each entry of the batch. Only new messages have an id.
  ids uuid[];
  conversations uuid[];
  projects uuid[];
  above text[];
  parents uuid[];
  -- What hangs below an entry hangs at this message, of this depth: at the entry's own or, if it has none, at the one above it.
  tops uuid[];
  depths bigint[];
  branches bigint[];
  -- False: its parent comes later in the batch, or it hangs below such a one.
  is_placed boolean[];
  -- The place of entries in the batch, by conversation and uuid.
  found_at jsonb;
  place int;
  target text;
  top uuid;
  depth_ bigint;
  branch_ bigint;
begin
  select
    coalesce(array_agg(g.id), '{}'), array_agg(g.conversation_id), array_agg(g.project_id), array_agg(g.above),
    coalesce(jsonb_object_agg(g.key, g.n) filter (where g.is_new), '{}'), count(*) filter (where g.is_message)
  into ids, conversations, projects, above, found_at, given
  from (
    select
      k.n, k.conversation_id, k.project_id, k.above, k.key, k.is_message, k.is_new,
      case when k.is_new and k.is_message then gen_random_uuid() end as id
    from (
      select
        e.n, p.conversation_id, p.project_id, e.above, e.is_message, p.conversation_id || ' ' || e.uuid as key,
        -- Before anything else is computed: most lines of a repeated upload are known.
        e.is_first and known.is_known is null as is_new
      from (
        select
          u.n, u.uuid, u.session, u.agent, coalesce(u.parent, u.logical_parent) as above, u.kind <> 'progress' as is_message,
          row_number() over (
            partition by u.session collate "C", u.agent collate "C", u.uuid collate "C" order by u.kind = 'progress', u.pos, u.n
          ) = 1 as is_first
        from unnest(entries) with ordinality as u (
          pos, uuid, parent, logical_parent, session, agent, kind, role, at, is_sidechain, is_meta, api_id, request_id, model, stop_reason,
          content, blocks, usage, tools, forked_from, facts, metadata, redactions, n
        )
      ) as e
      left join jsonb_to_recordset(places) as p (session text, agent text, conversation_id uuid, project_id uuid)
        on p.session = e.session and p.agent is not distinct from e.agent
      left join lateral (
        select true as is_known from observatory.messages as m where m.conversation_id = p.conversation_id and m.entry_uuid = e.uuid limit 1
      ) as known on true
    ) as k
    order by k.n
  ) as g;

  parents := array_fill(null::uuid, array[cardinality(ids)]);
  tops := parents;
  depths := array_fill(0::bigint, array[cardinality(ids)]);
  branches := depths;
  is_placed := array_fill(true, array[cardinality(ids)]);
  for n in 1 .. cardinality(ids) loop
    top := null;
    depth_ := -1;
    branch_ := 0;
    target := above[n];
    -- Entries that are no messages are passed. They may form a circle.
    for passed in 1 .. 50 loop
      exit when target is null;
      place := (found_at ->> (conversations[n] || ' ' || target))::int;
      if place < n then
        top := tops[place];
        depth_ := depths[place];
        branch_ := branches[place];
        is_placed[n] := is_placed[place];
        exit;
      elsif place is not null or passed = 50 then
        is_placed[n] := false;
        exit;
      end if;
      select m.id, m.depth, m.branch into top, depth_, branch_
      from observatory.messages as m
      where m.conversation_id = conversations[n] and m.entry_uuid = target;
      exit when found;
      depth_ := -1;
      branch_ := 0;
      target := (select l.parent_uuid from private.entry_links as l where l.conversation_id = conversations[n] and l.entry_uuid = target);
    end loop;
    if not is_placed[n] then
      top := null;
      depth_ := -1;
      branch_ := 0;
    end if;
    parents[n] := top;
    tops[n] := coalesce(ids[n], top);
    depths[n] := depth_ + (ids[n] is not null)::int;
    branches[n] := branch_;
  end loop;

  with added as (
    insert into observatory.messages (
      id, project_id, conversation_id, owner_id, entry_uuid, parent_uuid, parent_id, depth, branch, seq, entry_type, role, is_sidechain,
      is_meta, agent_id, api_message_id, request_id, model, stop_reason, content, content_blocks, input_tokens, output_tokens,
      cache_read_tokens, cache_creation_tokens, redaction_count, forked_from, file_id, occurred_at, metadata
    )
    select
      f.id, f.project_id, f.conversation_id, owner, f.uuid, f.parent, f.parent_id, f.depth, f.branch, f.pos, f.kind, f.role, f.is_sidechain,
      f.is_meta, f.agent, f.api_id, f.request_id, f.model, f.stop_reason,
      case when octet_length(f.content) > 1048576 then private.cut(f.content, 1048576) else f.content end,
      case when pg_column_size(f.blocks) <= 1048576 then f.blocks end,
      coalesce((f.usage ->> 'input')::bigint, 0), coalesce((f.usage ->> 'output')::bigint, 0), coalesce((f.usage ->> 'cache_read')::bigint, 0),
      coalesce((f.usage ->> 'cache_write_5m')::bigint, 0) + coalesce((f.usage ->> 'cache_write_1h')::bigint, 0),
      coalesce(f.redactions, 0), f.forked_from, store_messages.file_id, coalesce(f.at, now()),
      coalesce(f.metadata, '{}')
        || case when octet_length(f.content) > 1048576 then jsonb_build_object('content_bytes', octet_length(f.content)) else '{}' end
    from unnest(entries, ids, conversations, projects, parents, depths, branches) as f (
      pos, uuid, parent, logical_parent, session, agent, kind, role, at, is_sidechain, is_meta, api_id, request_id, model, stop_reason,
      content, blocks, usage, tools, forked_from, facts, metadata, redactions, id, conversation_id, project_id, parent_id, depth, branch
    )
    where f.id is not null
    on conflict on constraint messages_entry do nothing
    returning id, entry_type, role, seq
  )

  select jsonb_build_object(
    'ids', coalesce(jsonb_agg(a.id order by a.seq), '[]'),
    'messages', count(*) filter (where a.entry_type in ('user', 'assistant', 'system', 'summary', 'attachment')),
    'unknown', count(*) filter (where a.role is null and a.entry_type not in (
      'summary', 'attachment', 'ai-title', 'custom-title', 'agent-name', 'agent-setting', 'permission-mode', 'mode', 'last-prompt',
      'bridge-session', 'pr-link', 'queue-operation', 'file-history-snapshot', 'file-history-delta', 'worktree-state', 'relocated', 'tag',
      'agent-color', 'content-replacement', 'isolation-latch', 'artifact-comment-monitor', 'artifact-autoreact-ledger'
    )),
    'fresh', count(*),
    'positions', coalesce(jsonb_agg(a.seq), '[]'),
    'given', given
  ) into answer
  from added as a;

  if (answer ->> 'fresh')::bigint < given then
    with place as (
      select p.* from jsonb_to_recordset(places) as p (session text, agent text, conversation_id uuid, project_id uuid)
    )

    update observatory.messages as m set parent_uuid = l.parent
    from (
      select distinct on (p.conversation_id, e.uuid) p.conversation_id, e.uuid, e.parent, e.pos
      from unnest(entries) as e
      inner join place as p on p.session = e.session and p.agent is not distinct from e.agent
      where e.kind <> 'progress' and e.parent is not null
      order by p.conversation_id, e.uuid, e.pos desc
    ) as l
    where m.conversation_id = l.conversation_id and m.entry_uuid = l.uuid and m.parent_uuid is distinct from l.parent and l.pos > m.seq;
  end if;
  return answer;
end
$$;
revoke execute on function private.store_messages(uuid, jsonb, uuid, private.entry[]) from public;

-- What new entries say about their conversations.
create function private.note_facts(places jsonb, entries private.entry[]) returns void
  language sql volatile
  set search_path = ''
  as $$
update observatory.conversations as c set
  -- A hook may have said before when the session ended.
  started_at = least(c.started_at, f.first_at, c.ended_at),
  last_message_at = greatest(c.last_message_at, f.last_at),
  model = coalesce(f.model, c.model),
  cli_version = coalesce(f.version, c.cli_version),
  git_branch = coalesce(f.branch, c.git_branch),
  cwd = coalesce(f.cwd, c.cwd),
  forked_from = coalesce(c.forked_from, f.forked_from)
from (
  select p.conversation_id,
    min(e.at) filter (where e.at between '2000-01-01' and now() + interval '1 day') as first_at,
    max(e.at) filter (where e.at between '2000-01-01' and now() + interval '1 day') as last_at,
    (array_agg(e.model order by e.pos desc) filter (where e.role = 'assistant' and e.model <> '<synthetic>'))[1] as model,
    (array_agg(e.facts ->> 'version' order by e.pos desc) filter (where e.facts ->> 'version' <> ''))[1] as version,
    (array_agg(e.facts ->> 'branch' order by e.pos desc) filter (where e.facts ->> 'branch' <> ''))[1] as branch,
    (array_agg(e.facts ->> 'cwd' order by e.pos desc) filter (where e.facts ->> 'cwd' <> ''))[1] as cwd,
    (array_agg(e.forked_from order by e.pos) filter (where e.forked_from <> p.session))[1] as forked_from
  from unnest(entries) as e
  inner join jsonb_to_recordset(places) as p (session text, agent text, conversation_id uuid)
    on p.session = e.session and p.agent is not distinct from e.agent
  group by p.conversation_id
  order by p.conversation_id
) as f
where c.id = f.conversation_id
$$;
revoke execute on function private.note_facts(jsonb, private.entry[]) from public;

-- Stores entries of one user, whose lock the caller holds. `conversation` has {project, source, session, agent, path, file_id}: where the
-- entries are from; session and agent are those of entries that name none. Returns what is new.
create function private.store_entries(owner uuid, conversation jsonb, entries private.entry[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- The subagent of the file, if it is one's.
  file_agent constant text := conversation ->> 'agent';
  places jsonb := '[]';
  place record;
  found_id uuid;
  stored jsonb;
  fresh private.entry[];
  ids uuid[];
  calls bigint;
  agents text[];
  agents_answer boolean;
  agents_start boolean;
  has_spilled boolean;
  titled uuid[];
  session_ text;
begin
  entries := array(
    select row(
      e.pos, e.uuid, e.parent, e.logical_parent, coalesce(e.session, conversation ->> 'session'), coalesce(e.agent, file_agent), e.kind,
      e.role, e.at, e.is_sidechain, e.is_meta, e.api_id, e.request_id, e.model, e.stop_reason, e.content, e.blocks, e.usage, e.tools,
      e.forked_from, e.facts, e.metadata, e.redactions
    )::private.entry
    from unnest(entries) as e
    order by e.pos
  );

  -- In one order in every upload: two must not wait for each other's conversations.
  for place in
    select e.session, e.agent, (array_agg(e.facts ->> 'cwd' order by e.pos) filter (where e.facts ->> 'cwd' <> ''))[1] as cwd
    from unnest(entries) as e
    group by e.session, e.agent
    order by e.session, e.agent nulls first
  loop
    found_id := private.conversation_for(owner, place.session, place.agent, conversation || jsonb_build_object('cwd', place.cwd));
    places := places || jsonb_build_object(
      'session', place.session, 'agent', place.agent, 'conversation_id', found_id,
      'project_id', (select c.project_id from observatory.conversations as c where c.id = found_id)
    );
  end loop;

  stored := private.store_messages(owner, places, (conversation ->> 'file_id')::uuid, entries);
  ids := array(select jsonb_array_elements_text(stored -> 'ids'))::uuid[];
  calls := private.store_tool_calls(owner, places, entries);
  fresh := case
    when (stored ->> 'fresh')::bigint = cardinality(entries) then entries
    else array(
      select e from unnest(entries) as e where e.pos = any (array(select jsonb_array_elements_text(stored -> 'positions'))::bigint[]) order by e.pos
    )
  end;
  perform private.note_facts(places, fresh);

  if exists (select from observatory.messages as m where m.owner_id = store_entries.owner and m.entry_type = 'summary') then
    titled := private.note_summaries(owner, array(select e.uuid from unnest(fresh) as e), ids);
  end if;
  perform private.set_title(c.id)
  from observatory.conversations as c
  left join lateral (
    select m.seq
    from observatory.messages as m
    where m.conversation_id = c.id and m.role = 'user' and not m.is_meta and m.content <> '' and m.content !~ '^\s*<'
      and (not m.is_sidechain or m.agent_id is not null) and not m.metadata ? 'is_compact_summary'
    order by m.seq, m.id
    limit 1
  ) as first_prompt on true
  where c.id = any (titled || array(select (p ->> 'conversation_id')::uuid from jsonb_array_elements(places) as p))
    and exists (
      select from unnest(fresh) as e
      where e.session = c.session_id and e.agent is not distinct from c.agent_id and (
        e.kind = 'custom-title'
        -- What a person wrote here stays until a person writes something there.
        or (c.title_source is distinct from 'custom' and e.kind in ('ai-title', 'summary'))
        or (e.kind = 'worktree-state' and c.title = e.facts ->> 'worktree_name')
        or (
          coalesce(c.title_source, 'prompt') = 'prompt' and e.role = 'user' and (c.title is null or e.pos <= first_prompt.seq)
        )
      )
      union all
      select where c.id = any (titled) and c.title_source is distinct from 'custom'
    );

  select
    array_agg(distinct e.agent) filter (where e.agent is not null), coalesce(bool_or(e.tools @? '$[*].result.facts.agent_id'), false),
    coalesce(bool_or(e.tools @? '$[*].use ? (@.name == "Task" || @.name == "Agent")'), false),
    coalesce(bool_or(e.tools @? '$[*].result.facts.persisted_output_path'), false)
  into agents, agents_answer, agents_start, has_spilled
  from unnest(entries) as e;
  if agents is not null or agents_answer then
    perform private.settle_agents(owner, agents || array(
      select distinct t.one #>> '{result,facts,agent_id}'
      from unnest(entries) as e cross join jsonb_array_elements(e.tools) as t (one)
      where agents_answer and e.tools is not null and t.one #> '{result,facts}' ? 'agent_id'
    ));
  end if;
  if agents is not null or agents_start then
    for session_, agents in
      select e.session, case when bool_or(e.tools @? '$[*].use ? (@.name == "Task" || @.name == "Agent")') then null else array_agg(distinct e.agent) end
      from unnest(entries) as e
      where e.agent is not null or e.tools @? '$[*].use ? (@.name == "Task" || @.name == "Agent")'
      group by e.session
      order by e.session
    loop
      perform private.apply_agent_metas(owner, session_, agents);
    end loop;
  end if;
  if has_spilled then
    for session_ in
      select distinct e.session from unnest(entries) as e where e.tools @? '$[*].result.facts.persisted_output_path' order by 1
    loop
      perform private.apply_spilled_outputs(owner, session_);
    end loop;
  end if;

  perform private.link_entries(array(select (p ->> 'conversation_id')::uuid from jsonb_array_elements(places) as p), entries);
  perform private.count_usage(owner, entries);
  -- Other agents write a message again while it grows.
  if conversation ->> 'source' in ('gemini', 'opencode') then
    ids := ids || private.grow_messages(places, entries);
  end if;
  perform private.settle_copies(owner, array(select distinct e.uuid from unnest(entries) as e where e.kind <> 'progress'));
  perform private.index_messages(ids);
  for session_ in select distinct p ->> 'session' from jsonb_array_elements(places) as p order by 1 loop
    perform private.apply_hook_events(owner, session_);
  end loop;

  return jsonb_build_object(
    'messages', stored -> 'messages', 'unknown', stored -> 'unknown', 'tool_calls', calls,
    'duplicates', (stored ->> 'given')::bigint - (stored ->> 'fresh')::bigint,
    'progress', cardinality(entries) - (stored ->> 'given')::bigint
  ) || coalesce(
    (
      select jsonb_build_object('conversation_id', p -> 'conversation_id', 'project_id', p -> 'project_id')
      from jsonb_array_elements(places) with ordinality as each (p, n)
      order by p ->> 'session' = conversation ->> 'session' and p ->> 'agent' is not distinct from file_agent desc, n
      limit 1
    ),
    '{}'
  );
end
$$;
revoke execute on function private.store_entries(uuid, jsonb, private.entry[]) from public;

-- Takes a batch of lines of a transcript. `lines` are texts of JSON objects, null for one that cannot be stored; `offsets` where they begin
-- in the body, whose first byte is byte `base` of the file. `redactions` has what the edge has seen: {lines: {index: secrets}, by: {provider:
-- secrets}, skipped: {index: reason}}. The reason "unfinished" is the end of the body in the middle of a line: the file goes on there.
create function observatory.ingest_batch(
  lines json, offsets bigint[], redactions jsonb, file text, project text default null, session text default null,
  source text default null, base bigint default 0, start bigint default 0, "end" bigint default 0
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant uuid := private.require_user();
  -- Of a very long path the end: it names the file.
  path constant text := right(replace(private.redact_secrets(file), E'\\', '/'), 1024);
  place constant jsonb := private.transcript_place(path);
  session_ text := coalesce(nullif(left(private.redact_secrets(ingest_batch.session), 200), ''), place ->> 'session');
  is_named constant boolean := session_ is not null;
  agent_ constant text := place ->> 'agent';
  first_line jsonb;
  head bytea;
  known observatory.ingest_files;
  is_known boolean;
  at constant bigint := base + start;
  next_offset bigint := base + "end";
  kept_lines text[] := array(select l.line from json_array_elements_text(lines) as l (line));
  kept_offsets bigint[];
  entries private.entry[];
  answer jsonb := jsonb_build_object('messages', 0, 'tool_calls', 0, 'duplicates', 0, 'progress', 0, 'unknown', 0);
  body text;
  skipped jsonb;
  errors jsonb;
  lines_ bigint;
  dropped bigint;
begin
  if base < 0 or path = '' or place ->> 'name' is null then
    perform private.refuse(
      422, 'RG664', 'It is not clear which session this is', 'file names no file, or offset is below 0',
      'Send the path of the transcript as file, such as file=projects/-home-me-app/<session>.jsonl.'
    );
  end if;
  perform private.require_allowance('transcripts');
  perform private.lock_observatory_owner(owner);

  select l.line::jsonb into first_line from unnest(kept_lines) as l (line) where l.line is not null limit 1;
  session_ := coalesce(session_, private.entry_id(first_line ->> 'sessionId'));
  if session_ is null then
    -- Nothing but the end of a subagent's file may have no session.
    if first_line is null then
      return answer || jsonb_build_object('next_offset', '0');
    end if;
    perform private.refuse(
      422, 'RG664', 'It is not clear which session this is', 'Neither file nor the first line names a session', 'Send session=<id>.'
    );
  end if;

  select f.* into known from observatory.ingest_files as f
  where f.owner_id = owner and f.session_id = session_ and f.agent_id is not distinct from agent_ and f.name = place ->> 'name';
  is_known := found;
  if is_known and exists (
    select from observatory.conversations as c
    inner join observatory.projects as p on p.id = c.project_id
    where c.id = known.conversation_id and (c.deleted_at is not null or p.deleted_at is not null)
  ) then
    delete from observatory.ingest_files as f where f.id = known.id;
    is_known := false;
  end if;
  if not is_known then
    known := null;
    known.id := gen_random_uuid();
    known.generation := 1;
    known.byte_offset := 0;
    known.line_no := 0;
    known.lines := 0;
    known.skipped := '{}';
    known.errors := '[]';
    known.source := coalesce(ingest_batch.source, private.transcript_source(first_line));
  end if;

  -- The first line of the file, which may follow a byte order mark.
  if at = 0 and base + offsets[1] <= 3 and kept_lines[1] is not null then
    head := sha256(convert_to(kept_lines[1], 'UTF8'));
    if known.head_hash is distinct from head then
      -- Without the beginning, if the session was deleted while it was sent.
      if known.head_hash is not null or known.byte_offset > 0 then
        known.generation := known.generation + 1;
        known.byte_offset := 0;
        known.line_no := 0;
        known.lines := 0;
        known.skipped := '{}';
        known.errors := '[]';
        known.reader_state := null;
      end if;
      known.head_hash := head;
    end if;
  end if;
  -- Where lines alone name the session, those before in this body may all have been broken, and so have left nothing. Otherwise they have
  -- been deleted meanwhile.
  if at > known.byte_offset and (is_known or base > 0 or is_named) then
    perform private.refuse(
      409, 'RG663', 'Something before this is missing', known.byte_offset::text, 'Go on from the offset in details.'
    );
  end if;

  -- What the file has already.
  select count(*) into dropped from unnest(offsets) as o where base + o < known.byte_offset;
  if next_offset <= known.byte_offset then
    return answer || jsonb_build_object(
      'duplicates', dropped, 'conversation_id', known.conversation_id, 'project_id', known.project_id, 'next_offset', known.byte_offset::text
    );
  end if;
  select coalesce(jsonb_object_agg(s.reason, s.lines), '{}') into skipped
  from (
    select r.reason, count(*) as lines
    from jsonb_each_text(redactions -> 'skipped') as r (index, reason)
    where base + offsets[r.index::int + 1] >= known.byte_offset
    group by r.reason
  ) as s;
  select coalesce(jsonb_agg(jsonb_build_object('offset', base + offsets[r.index::int + 1], 'code', r.reason) order by r.index::int), '[]')
  into errors
  from jsonb_each_text(redactions -> 'skipped') as r (index, reason)
  where base + offsets[r.index::int + 1] >= known.byte_offset and r.reason <> 'unfinished';
  if skipped ? 'unfinished' then
    next_offset := base + offsets[cardinality(offsets)];
  end if;
  kept_offsets := array(select base + o from unnest(offsets) with ordinality as u (o, n) where base + o >= known.byte_offset order by n);
  if dropped > 0 then
    kept_lines := array(
      select l.line from unnest(kept_lines) with ordinality as l (line, n) where base + offsets[l.n] >= known.byte_offset order by l.n
    );
  end if;
  body := array_to_string(kept_lines, E'\n') || E'\n';
  lines_ := cardinality(array_remove(kept_lines, null));

  if lines_ > 0 then
    entries := array(
      select e from private.entries_of(known.source, kept_lines, kept_offsets, known.reader_state) as e
    );
    known.reader_state := coalesce((entries[cardinality(entries)]).facts -> 'state', known.reader_state);
    if redactions -> 'lines' <> '{}' then
      entries := private.with_redactions(entries, offsets, base, redactions -> 'lines');
    end if;
    answer := private.store_entries(
      owner,
      jsonb_build_object(
        'project', private.redact_secrets(project), 'source', known.source, 'session', session_, 'agent', agent_, 'path', path,
        'file_id', known.id
      ),
      entries
    );
    known.conversation_id := coalesce(known.conversation_id, (answer ->> 'conversation_id')::uuid);
    known.project_id := coalesce(known.project_id, (answer ->> 'project_id')::uuid);
  end if;

  if known.conversation_id is null and errors <> '[]' then
    known.conversation_id := private.conversation_for(
      owner, session_, agent_, jsonb_build_object('project', private.redact_secrets(project), 'source', known.source, 'path', path)
    );
    select c.project_id into known.project_id from observatory.conversations as c where c.id = known.conversation_id;
  end if;
  if known.conversation_id is not null then
    insert into observatory.ingest_files as f (
      id, owner_id, project_id, conversation_id, session_id, agent_id, name, path, source, generation, head_hash, byte_offset, line_no,
      lines, skipped, errors, reader_state
    ) values (
      known.id, owner, known.project_id, known.conversation_id, session_, agent_, place ->> 'name', path, known.source, known.generation,
      known.head_hash, next_offset, known.line_no + cardinality(kept_offsets) - (skipped ? 'unfinished')::int, known.lines + lines_,
      private.add_counts(known.skipped, skipped - 'unfinished'),
      jsonb_path_query_array(known.errors || errors, '$[0 to 19]'),
      known.reader_state
    )
    on conflict on constraint ingest_files_pkey do update set
      path = excluded.path, generation = excluded.generation, head_hash = excluded.head_hash, byte_offset = excluded.byte_offset,
      line_no = excluded.line_no, lines = excluded.lines, skipped = excluded.skipped, errors = excluded.errors,
      reader_state = excluded.reader_state, updated_at = now();
    update observatory.conversations as c set source_path = path
    where c.id = known.conversation_id and c.session_id = place ->> 'session' and c.agent_id is not distinct from agent_
      and c.source_path is distinct from path;
    if lines_ > 0 then
      insert into private.transcript_chunks (file_id, generation, start_offset, end_offset, body)
      values (known.id, known.generation, kept_offsets[1], next_offset, body);
      update observatory.projects as p set last_activity_at = now()
      where p.id = known.project_id and p.last_activity_at < now() - interval '1 minute';
      perform private.use_allowance('transcripts', octet_length(body), cardinality(entries));
    end if;
  end if;

  return answer || jsonb_build_object(
    'duplicates', (answer ->> 'duplicates')::bigint + dropped, 'skipped', skipped,
    -- Nothing but blank lines, or the beginning of the first one: it is as if nothing had come.
    'next_offset', case when known.conversation_id is null then 0 else next_offset end::text,
    'redacted', coalesce(redactions -> 'by', '{}'),
    'redactions', (select coalesce(sum(r.value::bigint), 0) from jsonb_each_text(redactions -> 'by') as r)
  );
end
$$;
comment on function observatory.ingest_batch(json, bigint[], jsonb, text, text, text, text, bigint, bigint, bigint) is
  'Stores a batch of lines of a transcript. Executable by the edge only, which has taken the secrets out of them. Definer: users have no right to write most of it, and this function decides what is stored where.';
revoke execute on function observatory.ingest_batch(json, bigint[], jsonb, text, text, text, text, bigint, bigint, bigint) from public;
grant execute on function observatory.ingest_batch(json, bigint[], jsonb, text, text, text, text, bigint, bigint, bigint) to edge;

-- migrate:down
drop function observatory.ingest_batch(json, bigint[], jsonb, text, text, text, text, bigint, bigint, bigint);
drop function private.store_entries(uuid, jsonb, private.entry[]);
drop function private.note_facts(jsonb, private.entry[]);
drop function private.store_messages(uuid, jsonb, uuid, private.entry[]);
drop function private.store_tool_calls(uuid, jsonb, private.entry[]);
drop function private.cut(text, int);
drop function private.settle_agents(uuid, text[]);
drop function private.set_title(uuid);
drop function private.note_summaries(uuid, text[], uuid[]);
drop function private.conversation_for(uuid, text, text, jsonb);
drop function private.add_counts(jsonb, jsonb);
drop function private.with_redactions(private.entry[], bigint[], bigint, jsonb);
drop function private.transcript_place(text);
drop function private.entries_of(text, text[], bigint[], jsonb);
drop function private.transcript_source(jsonb);
delete from private.daily_allowances where name = 'transcripts';
