-- 0471: what a share link shows to somebody without an account: the messages that were there when it was made, without secrets and without
-- what it hides.
-- migrate:up
-- A text as strangers see it: its beginning, once more without secrets, and without the names of home directories.
create function private.shown_text(words text, hide_paths boolean) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  shown text := private.redact_secrets(left(words, 20000)) || case when char_length(words) > 20000 then ' […]' else '' end;
begin
  if hide_paths then
    -- On Windows case does not count, and a name may have blanks.
    shown := regexp_replace(
      shown, '[a-z]:[\\/]+users[\\/]+[^\\/[:space:]"''`:;,)]+( [^\\/[:space:]"''`:;,)]+){0,2}(?=[\\/])', '~', 'gi'
    );
    shown := regexp_replace(shown, '[a-z]:[\\/]+users[\\/]+[^\\/[:space:]"''`:;,)]+', '~', 'gi');
    shown := regexp_replace(shown, '/(home|Users)/[^/[:space:]"''`:;,)\\]+', '~', 'g');
    -- The names of an agent's own folders are paths with hyphens.
    shown := regexp_replace(shown, '(^|[/\\[:space:]"''`])-(home|Users)-[^-/\\[:space:]"''`]+', '\1-~', 'g');
  end if;
  return shown;
end
$$;
revoke execute on function private.shown_text(text, boolean) from public;

-- The subagents that a link of a session shows, as ids of agents. Not by their parents, which may be found later: a link shows no more than
-- what was there when it was made. What a subagent says is the output of a tool.
create function private.shown_agents(link observatory.share_links) returns text[]
  language sql stable
  set search_path = ''
  as $$
select array(
  select a.agent_id
  from observatory.conversations as c
  inner join observatory.conversations as a
    on a.owner_id = c.owner_id and a.session_id = c.session_id and a.project_id = c.project_id and a.agent_id is not null
  where c.id = link.conversation_id and c.agent_id is null and a.deleted_at is null
    and (link.include_later or a.created_at <= link.created_at) and 'tool_outputs' <> all (link.hide)
  order by a.started_at, a.agent_id
  limit 500
)
$$;
revoke execute on function private.shown_agents(observatory.share_links) from public;

-- What a link says of a subagent: its id, its type, and its title, which is made of the prompt that its tool was given. A title may come later
-- than the link, from a later line or a person: a link that does not grow shows the first prompt that was there, as private.set_title does.
create function private.shown_agent(agent observatory.conversations, link observatory.share_links) returns jsonb
  language sql stable
  set search_path = ''
  as $$
select jsonb_build_object(
  'id', agent.agent_id, 'type', private.shown_text(left(agent.metadata ->> 'agent_type', 200), 'paths' = any (link.hide)),
  'title', case when 'tool_inputs' <> all (link.hide) then private.shown_text(
    case when link.include_later then agent.title else (
      select nullif(btrim(left(regexp_replace(left(m.content, 2000), '\s+', ' ', 'g'), 200)), '')
      from observatory.messages as m
      where m.conversation_id = agent.id and m.role = 'user' and not m.is_meta and m.content <> '' and m.content !~ '^\s*<'
        and not m.metadata ? 'is_compact_summary' and m.created_at <= link.created_at
      order by m.seq, m.id
      limit 1
    ) end,
    'paths' = any (link.hide)
  ) end
)
$$;
revoke execute on function private.shown_agent(observatory.conversations, observatory.share_links) from public;

-- The parts of a message: its text, thinking and calls of tools, in order.
create function private.shown_parts(message observatory.messages, link observatory.share_links, agents text[]) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  hide_paths constant boolean := 'paths' = any (link.hide);
  block jsonb;
  call observatory.tool_calls;
  part jsonb;
  parts jsonb := '[]';
  -- What a page has room for: a message may have hundreds of outputs.
  room bigint := 300000;
  is_listed constant boolean := coalesce(jsonb_typeof(message.content_blocks) = 'array', false);
begin
  if not is_listed or message.content_blocks = '[]' then
    return case when message.content <> ''
      then jsonb_build_array(jsonb_build_object('type', 'text', 'text', private.shown_text(message.content, hide_paths))) else parts end;
  end if;
  for block in select b.value from jsonb_array_elements(message.content_blocks) as b limit 200 loop
    part := null;
    case block ->> 'type'
      when 'text' then
        part := jsonb_build_object('type', 'text', 'text', private.shown_text(block ->> 'text', hide_paths));
      when 'thinking' then
        continue when 'thinking' = any (link.hide) or coalesce(block ->> 'thinking', '') = '';
        part := jsonb_build_object('type', 'thinking', 'text', private.shown_text(block ->> 'thinking', hide_paths));
      when 'image' then
        part := jsonb_build_object('type', 'image');
      when 'tool_use' then
        select t.* into call
        from observatory.tool_calls as t
        where t.conversation_id = message.conversation_id and t.tool_use_id = block ->> 'id'
          and (link.include_later or t.created_at <= link.created_at);
        part := jsonb_strip_nulls(jsonb_build_object(
          'type', 'tool', 'name', left(coalesce(call.tool_name, block ->> 'name'), 200),
          'input', case when 'tool_inputs' <> all (link.hide)
            then private.shown_text(left(coalesce(call.input, block -> 'input')::text, 20000), hide_paths) end,
          -- A result that came after the link was made is later.
          'status', case when link.include_later or call.updated_at <= link.created_at then call.status end,
          'output', case when 'tool_outputs' <> all (link.hide) and (link.include_later or call.updated_at <= link.created_at)
            then private.shown_text(call.output, hide_paths) end,
          'agent', case when call.spawned_agent_id = any (agents) and (link.include_later or call.updated_at <= link.created_at)
            then call.spawned_agent_id end
        ));
      else
        null;
    end case;
    continue when part is null;
    parts := parts || part;
    room := room - octet_length(part::text);
    if room < 0 then
      return parts || '{"type": "text", "text": "[…]"}'::jsonb;
    end if;
  end loop;
  return parts;
end
$$;
revoke execute on function private.shown_parts(observatory.messages, observatory.share_links, text[]) from public;

-- A page of a shared conversation or of one of its subagents, at most 50 messages, fewer if they are long. The token is all that a reader
-- needs; every other token has one answer, and so has a subagent that the link does not show.
create function observatory.shared(token text, after text default null, agent text default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  most constant bigint := 50;
  most_bytes constant bigint := 500000;
  link observatory.share_links;
  conversation observatory.conversations;
  message observatory.messages;
  agents text[];
  is_prompt_hidden boolean;
  is_output_hidden boolean;
  shown jsonb := '[]';
  after_seq bigint := -1;
  after_id uuid := '00000000-0000-0000-0000-000000000000';
  parts jsonb;
  last text;
  next text;
  seen bigint := 0;
  bytes bigint := 0;
begin
  select l.* into link
  from private.share_tokens as k
  inner join observatory.share_links as l on l.id = k.share_id
  inner join observatory.projects as p on p.id = l.project_id and p.deleted_at is null
  where k.hash = sha256(private.from_base64url(shared.token, 32)) and l.revoked_at is null and l.expires_at > now()
    -- Who may not write in the project any more follows it by no link that goes on growing.
    and (not l.include_later or exists (
      select from observatory.project_members as m
      where m.project_id = l.project_id and m.user_id = l.created_by and m.role in ('editor', 'owner')
    ));
  if found then
    select c.* into conversation
    from observatory.conversations as c
    where c.id = link.conversation_id and c.deleted_at is null;
    agents := private.shown_agents(link);
    if shared.agent is not null and conversation.id is not null then
      select a.* into conversation
      from observatory.conversations as a
      where a.owner_id = conversation.owner_id and a.session_id = conversation.session_id and a.agent_id = shared.agent
        and a.agent_id = any (agents);
    end if;
  end if;
  if conversation.id is null then
    perform private.refuse(
      404, 'RG667', 'This share link does not work', 'It never did, has expired or was revoked', 'Ask who gave it to you for a new one.'
    );
  end if;
  if shared.after is null and shared.agent is null then
    -- A call with an API token that may only read is in a read-only transaction: its view is not counted.
    if current_setting('transaction_read_only') = 'off' then
      insert into private.share_views as v (share_id, day) values (link.id, (now() at time zone 'UTC')::date)
      on conflict on constraint share_views_pkey do update set views = v.views + 1;
    end if;
  elsif shared.after ~ '^[0-9]{1,18}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then
    after_seq := split_part(shared.after, '_', 1)::bigint;
    after_id := split_part(shared.after, '_', 2)::uuid;
  elsif shared.after is not null then
    perform private.refuse(400, 'RG669', 'This cursor is not valid', null, 'Take next of the page before.');
  end if;
  -- The prompt of a subagent is the input of the tool that started it.
  is_prompt_hidden := shared.agent is not null and 'tool_inputs' = any (link.hide);
  is_output_hidden := 'tool_outputs' = any (link.hide);
  for message in
    select m.*
    from observatory.messages as m
    where m.conversation_id = conversation.id and (m.seq, m.id) > (after_seq, after_id)
      and m.role in ('user', 'assistant') and not (m.role = 'user' and is_prompt_hidden) and not m.is_meta
      -- Older agents write what a subagent says into the file of the session itself.
      and not (m.is_sidechain and conversation.agent_id is null and (is_output_hidden or (m.role = 'user' and 'tool_inputs' = any (link.hide))))
      -- Output of commands, and summaries of what tools have given.
      and not (m.role = 'user' and is_output_hidden and not private.is_asked(false, m.content, null, m.metadata))
      and (link.include_later or m.created_at <= link.created_at)
    order by m.seq, m.id
    limit most + 1
  loop
    seen := seen + 1;
    if seen > most or bytes > most_bytes then
      next := last;
      exit;
    end if;
    last := message.seq || '_' || message.id;
    parts := private.shown_parts(message, link, agents);
    -- Results of tools are shown with their calls.
    continue when parts = '[]';
    bytes := bytes + octet_length(parts::text);
    shown := shown || jsonb_build_object('role', message.role, 'at', message.occurred_at, 'parts', parts);
  end loop;
  return jsonb_build_object(
    'title', coalesce(private.shown_text(link.title, 'paths' = any (link.hide)), 'A conversation'), 'source', conversation.source,
    'started_at', conversation.started_at, 'shared_at', link.created_at, 'expires_at', link.expires_at, 'hide', link.hide,
    'include_later', link.include_later, 'messages', shown, 'next', next,
    'agent', case when shared.agent is not null then private.shown_agent(conversation, link) end,
    'agents', case when shared.after is null and shared.agent is null then (
      select coalesce(jsonb_agg(private.shown_agent(a, link) order by a.started_at, a.agent_id), '[]')
      from observatory.conversations as a
      where a.owner_id = conversation.owner_id and a.session_id = conversation.session_id and a.agent_id = any (agents)
    ) else '[]' end
  );
end
$$;
comment on function observatory.shared(text, text, text) is
  'A page of a shared conversation, for anybody who has the link''s token. Definer: a stranger reads what the link shows, past every policy; only the edge calls it, which limits attempts.';
revoke execute on function observatory.shared(text, text, text) from public;
grant execute on function observatory.shared(text, text, text) to edge;

-- migrate:down
drop function observatory.shared(text, text, text);
drop function private.shown_parts(observatory.messages, observatory.share_links, text[]);
drop function private.shown_agent(observatory.conversations, observatory.share_links);
drop function private.shown_agents(observatory.share_links);
drop function private.shown_text(text, boolean);
