-- 0422: storing entries of a transcript: messages, what they say about their conversations, and everything that follows from them.
-- migrate:up
-- Stores the messages of entries. A stored entry does not change, except for its parent: a compaction writes the entries that it preserves once
-- more, below its boundary. Then the parent that is named last in the file counts, in whatever order the lines are sent; a repetition without a
-- parent removes none. A message whose parent is stored, or earlier in the batch, gets its place in the thread at once; private.link_entries
-- places the others. Returns the ids of new messages, the positions of their entries, and numbers.
create function private.store_messages(owner uuid, places jsonb, file_id uuid, entries private.entry[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  answer jsonb;
  given bigint;
  -- Ids of a batch differ in their last 24 bits: random bytes for each take five times as long, and neighbours share pages of the indexes.
  stem constant text := left(gen_random_uuid()::text, 30);
  -- The following arrays have an element for each entry of the batch. Only new messages have an id.
  ids uuid[];
  conversations uuid[];
  projects uuid[];
  above text[];
  parents uuid[];
  -- The message below which children of an entry are placed: its own or, if it has none, the nearest one above. And that message's depth.
  tops uuid[];
  depths bigint[];
  branches bigint[];
  -- False: the parent comes later in the batch, or this is true of an entry above.
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
      case when k.is_new and k.is_message then (stem || lpad(to_hex(k.n), 6, '0'))::uuid end as id
    from (
      select
        e.n, p.conversation_id, p.project_id, e.above, e.is_message, p.conversation_id || ' ' || e.uuid as key,
        -- Decided first: most lines of a repeated upload are known.
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
    -- Skips entries that are no messages. They may form a circle.
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
      -- So that the sums of millions of lines are no more than a bigint holds.
      least(coalesce((f.usage ->> 'input')::bigint, 0), 1000000000000), least(coalesce((f.usage ->> 'output')::bigint, 0), 1000000000000),
      least(coalesce((f.usage ->> 'cache_read')::bigint, 0), 1000000000000),
      least(coalesce((f.usage ->> 'cache_write_5m')::bigint, 0) + coalesce((f.usage ->> 'cache_write_1h')::bigint, 0), 1000000000000),
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
    'ids', coalesce(to_jsonb(array_agg(a.id order by a.seq)), '[]'),
    'messages', count(*) filter (where a.entry_type in ('user', 'assistant', 'system', 'summary', 'attachment')),
    'unknown', count(*) filter (where a.role is null and a.entry_type not in (
      'summary', 'attachment', 'ai-title', 'custom-title', 'agent-name', 'agent-setting', 'permission-mode', 'mode', 'last-prompt',
      'bridge-session', 'pr-link', 'queue-operation', 'file-history-snapshot', 'file-history-delta', 'worktree-state', 'relocated', 'tag',
      'agent-color', 'content-replacement', 'isolation-latch', 'artifact-comment-monitor', 'artifact-autoreact-ledger'
    )),
    'fresh', count(*),
    'positions', coalesce(to_jsonb(array_agg(a.seq)), '[]'),
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

-- Updates conversations with what new entries say about them, such as the model and the directory.
create function private.note_facts(places jsonb, entries private.entry[]) returns void
  -- Not in SQL: that would be planned at every call.
  language plpgsql volatile
  set search_path = ''
  as $$
begin
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
  where c.id = f.conversation_id;
end
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
  -- The lines of Claude Code's sessions are in order, and name theirs.
  if file_agent is not null or conversation ->> 'source' is distinct from 'claude' or exists (
    select from unnest(entries) as e where e.session is null
  ) then
    entries := array(
      select row(
        e.pos, e.uuid, e.parent, e.logical_parent, coalesce(e.session, conversation ->> 'session'), coalesce(e.agent, file_agent), e.kind,
        e.role, e.at, e.is_sidechain, e.is_meta, e.api_id, e.request_id, e.model, e.stop_reason, e.content, e.blocks, e.usage, e.tools,
        e.forked_from, e.facts, e.metadata, e.redactions
      )::private.entry
      from unnest(entries) as e
      order by e.pos
    );
  end if;

  -- Always in the same order, so that two uploads cannot deadlock.
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
  cross join lateral (
    select
      bool_or(e.kind = 'custom-title') as has_custom, bool_or(e.kind in ('ai-title', 'summary')) as has_title,
      array_agg(e.facts ->> 'worktree_name') filter (where e.kind = 'worktree-state') as worktrees,
      min(e.pos) filter (where e.role = 'user') as prompted_at
    from unnest(fresh) as e
    where e.session = c.session_id and e.agent is not distinct from c.agent_id
  ) as said
  where c.id = any (titled || array(select (p ->> 'conversation_id')::uuid from jsonb_array_elements(places) as p))
    and (
      said.has_custom
      -- A title that a person wrote here stays until the transcript has one that a person wrote.
      or (c.title_source is distinct from 'custom' and (said.has_title or c.id = any (titled)))
      or c.title = any (said.worktrees)
      or (
        coalesce(c.title_source, 'prompt') = 'prompt' and said.prompted_at is not null
        -- Any earlier prompt will do: for the first one, a plan that was made on a small table sorts all prompts of the conversation.
        and (c.title is null or not exists (
          select from observatory.messages as m
          where m.conversation_id = c.id and m.seq < said.prompted_at and m.role = 'user' and not m.is_meta and m.content <> ''
            and m.content !~ '^\s*<' and (not m.is_sidechain or m.agent_id is not null) and not m.metadata ? 'is_compact_summary'
        ))
      )
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
      perform private.apply_spilled_outputs(owner, session_, null);
    end loop;
  end if;

  perform private.link_entries(array(select (p ->> 'conversation_id')::uuid from jsonb_array_elements(places) as p), entries);
  perform private.count_usage(owner, entries);
  -- Some agents write a message again while it grows.
  if conversation ->> 'source' in ('gemini', 'opencode') then
    ids := ids || private.grow_messages(places, entries);
  end if;
  perform private.settle_copies(
    owner, array(select (p ->> 'conversation_id')::uuid from jsonb_array_elements(places) as p),
    array(select distinct e.uuid from unnest(entries) as e where e.kind <> 'progress')
  );
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

-- migrate:down
drop function private.store_entries(uuid, jsonb, private.entry[]);
drop function private.note_facts(jsonb, private.entry[]);
drop function private.store_messages(uuid, jsonb, uuid, private.entry[]);
