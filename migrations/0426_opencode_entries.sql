-- 0426: the reader of opencode's export: a line with the session's info, and one for each message ({info, parts} in version 1 of opencode, one
-- object in version 2); or the whole export in one line. A fork copies messages under new ids, with their times. So the reader makes ids of
-- times and texts, and copies have those of the originals; it needs neither the fork's boundary nor the numbers of the database's rows.
-- migrate:up
-- A time in milliseconds since 1970; null if it is none.
create function private.opencode_time(value jsonb) returns timestamptz
  language sql immutable
  set search_path = ''
  as $$
select case when value #>> '{}' ~ '^[1-9][0-9]{11,12}([.][0-9]{1,6})?$' then to_timestamp((value #>> '{}')::float8 / 1000) end
$$;
revoke execute on function private.opencode_time(jsonb) from public;

-- What a response used: what was read from and written to the cache stands beside the input, reasoning beside the output. A cost of 0 is an
-- unknown one.
create function private.opencode_usage(info jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select case when jsonb_typeof(info -> 'tokens') = 'object' then jsonb_strip_nulls(jsonb_build_object(
  'input', private.entry_count(info #> '{tokens,input}'),
  'output', private.entry_count(info #> '{tokens,output}') + private.entry_count(info #> '{tokens,reasoning}'),
  'cache_read', private.entry_count(info #> '{tokens,cache,read}'),
  'cache_write_5m', private.entry_count(info #> '{tokens,cache,write}'), 'cache_write_1h', 0, 'web_searches', 0,
  'reported_cost_micro_usd', case when jsonb_typeof(info -> 'cost') = 'number' and (info ->> 'cost')::numeric between 0.000001 and 1000000
    then round((info ->> 'cost')::numeric * 1000000) end
)) end
$$;
revoke execute on function private.opencode_usage(jsonb) from public;

-- The calls of tools among a message's parts, each with its result once it has one.
create function private.opencode_tools(parts jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_agg(t.tool order by p.n, t.place)
from jsonb_array_elements(case when jsonb_typeof(parts) = 'array' then parts else '[]' end) with ordinality as p (part, n)
cross join lateral (values
  (1, jsonb_build_object('use', jsonb_build_object(
    'id', private.entry_id(p.part ->> 'callID'), 'name', left(p.part ->> 'tool', 200), 'input', p.part #> '{state,input}'
  ))),
  (2, case when p.part #>> '{state,status}' in ('completed', 'error') then jsonb_build_object('result', jsonb_build_object(
    'id', private.entry_id(p.part ->> 'callID'), 'is_error', p.part #>> '{state,status}' = 'error',
    'output', coalesce(p.part #>> '{state,output}', p.part #>> '{state,error}'),
    'facts', case when private.entry_count(p.part #> '{state,time,end}') > private.entry_count(p.part #> '{state,time,start}') then jsonb_build_object(
      'duration_ms', private.entry_count(p.part #> '{state,time,end}') - private.entry_count(p.part #> '{state,time,start}')
    ) end
  )) end)
) as t (place, tool)
where p.part ->> 'type' = 'tool' and p.part ->> 'callID' <> '' and t.tool is not null
$$;
revoke execute on function private.opencode_tools(jsonb) from public;

-- A message of version 2 as version 1 writes it; anything else as it is. The response of a compaction is a message of its own type.
create function private.opencode_message(message jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select case when message ->> 'type' in ('user', 'assistant', 'compaction') and not message ?| array['info', 'role'] then jsonb_build_object(
  'info', message - '{content,text,summary,recent,files,native}'::text[] || jsonb_build_object(
    'role', case message ->> 'type' when 'user' then 'user' else 'assistant' end,
    'modelID', message #> '{model,id}', 'providerID', message #> '{model,providerID}'
  ),
  'parts', case
    when message ->> 'type' <> 'assistant' then jsonb_build_array(jsonb_build_object('type', 'text', 'text', coalesce(message -> 'text', message -> 'summary')))
    else (
      select jsonb_agg(
        case when p.part ->> 'type' = 'tool' then jsonb_build_object('type', 'tool', 'callID', p.part -> 'id', 'tool', p.part -> 'name', 'state', jsonb_build_object(
          'status', p.part #> '{state,status}', 'input', p.part #> '{state,input}', 'error', p.part #> '{state,error,message}',
          'output', (
            select string_agg(c.item ->> 'text', E'\n' order by c.n)
            from jsonb_array_elements(
              case when jsonb_typeof(p.part #> '{state,content}') = 'array' then p.part #> '{state,content}' else '[]' end
            ) with ordinality as c (item, n)
          ),
          'time', jsonb_build_object('start', p.part #> '{time,ran}', 'end', p.part #> '{time,completed}')
        )) else p.part end
        order by p.n
      )
      from jsonb_array_elements(case when jsonb_typeof(message -> 'content') = 'array' then message -> 'content' else '[]' end)
        with ordinality as p (part, n)
    )
  end
) else message end
$$;
revoke execute on function private.opencode_message(jsonb) from public;

-- Reads lines of opencode's export, as private.claude_entries does. `state` is the last entry's facts -> 'state' of the lines before:
-- {session, since, fork_of, prompt, last}.
create function private.opencode_entries(lines json, offsets bigint[], state jsonb) returns setof private.entry
  language plpgsql stable
  set search_path = ''
  as $$
declare
  line record;
  item record;
  one private.entry;
  next_ private.entry;
  info jsonb;
  session text := state ->> 'session';
  since timestamptz := state ->> 'since';
  fork_of text := state ->> 'fork_of';
  prompt text := state ->> 'prompt';
  last text := state ->> 'last';
  parts int;
begin
  for line in
    select l.n, l.words, l.words::jsonb as whole
    from json_array_elements_text(lines) with ordinality as l (words, n)
    where l.words is not null
    order by l.n
  loop
    parts := 0;
    -- As private.gemini_entries.
    for item in
      select 0::bigint as place, private.opencode_message(line.whole) as message
      union all
      select e.n, private.opencode_message(e.message)
      from jsonb_array_elements(case when jsonb_typeof(line.whole -> 'messages') = 'array' then line.whole -> 'messages' else '[]' end)
        with ordinality as e (message, n)
      where jsonb_typeof(e.message) = 'object'
      order by 1
    loop
      if one.uuid is not null then
        return next one;
      end if;
      one := next_;
      info := case when jsonb_typeof(item.message -> 'info') = 'object' then item.message -> 'info' else item.message end;
      one.pos := offsets[line.n] + item.place;
      one.is_sidechain := false;
      one.is_meta := false;
      one.redactions := 0;
      one.metadata := '{}';
      one.at := private.opencode_time(info #> '{time,created}');
      session := coalesce(session, private.entry_id(coalesce(info ->> 'sessionID', case when info ->> 'id' like 'ses%' then info ->> 'id' end)));
      if info ->> 'role' in ('user', 'assistant') then
        one.role := info ->> 'role';
        one.kind := one.role;
        one.content := (
          select string_agg(p.part ->> 'text', E'\n\n' order by p.n)
          from jsonb_array_elements(case when jsonb_typeof(item.message -> 'parts') = 'array' then item.message -> 'parts' else '[]' end)
            with ordinality as p (part, n)
          where p.part ->> 'type' = 'text' and p.part -> 'synthetic' is distinct from 'true'
        );
        -- The text of a response grows while it is written; a prompt does not change.
        one.uuid := 'opencode:' || md5(concat_ws(' ', info #>> '{time,created}', case one.role
          when 'user' then coalesce(one.content, info ->> 'id') else concat_ws(' ', prompt, info ->> 'modelID')
        end));
        if one.role = 'user' then
          prompt := one.uuid;
        else
          one.api_id := one.uuid;
          one.model := left(coalesce(info ->> 'modelID', info #>> '{model,modelID}'), 200);
          one.stop_reason := left(info ->> 'finish', 60);
          one.usage := private.opencode_usage(info);
          one.tools := private.opencode_tools(item.message -> 'parts');
          one.blocks := private.entry_blocks((
            select jsonb_agg(p.part -> 'text' order by p.n)
            from jsonb_array_elements(case when jsonb_typeof(item.message -> 'parts') = 'array' then item.message -> 'parts' else '[]' end)
              with ordinality as p (part, n)
            where p.part ->> 'type' = 'reasoning' and p.part ->> 'text' <> ''
          ), one.content, one.tools);
        end if;
        one.parent := last;
        last := one.uuid;
        -- If another session has the entry, too, that one owns it: the parent, or, for what is older than its own session, any.
        one.forked_from := coalesce(fork_of, case when one.at < since then session end);
        one.facts := jsonb_strip_nulls(jsonb_build_object('cwd', left(info #>> '{path,cwd}', 1024)));
        one.metadata := jsonb_strip_nulls(jsonb_build_object(
          'id', private.entry_id(info ->> 'id'), 'provider', left(coalesce(info ->> 'providerID', info #>> '{model,providerID}'), 100), 'agent', left(info ->> 'agent', 100)
        ));
      else
        one.uuid := 'h:' || left(encode(sha256(convert_to(line.words || item.place, 'UTF8')), 'hex'), 32);
        one.kind := 'unknown';
        if info ->> 'id' like 'ses%' then
          one.kind := case when info ->> 'title' <> '' and info ->> 'title' !~ '^(New|Child) session - ' then 'ai-title' else 'session' end;
          one.content := case when one.kind = 'ai-title' then left(info ->> 'title', 500) end;
          since := one.at;
          -- The export's name for fork_session_id of the database; version 1 does not mark forks. parentID is the session whose tool started
          -- this one: a subagent's session, which copies nothing.
          fork_of := private.entry_id(info #>> '{fork,sessionID}');
        end if;
        one.facts := jsonb_strip_nulls(jsonb_build_object('cwd', left(coalesce(info ->> 'directory', info #>> '{location,directory}'), 1024), 'version', left(info ->> 'version', 60)));
        one.metadata := jsonb_strip_nulls(jsonb_build_object('parent_session', private.entry_id(info ->> 'parentID')));
      end if;
      one.session := session;
      parts := private.count_parts(parts, one.tools);
    end loop;
  end loop;
  if one.uuid is not null then
    one.facts := coalesce(one.facts, '{}')
      || jsonb_build_object('state', jsonb_strip_nulls(jsonb_build_object('session', session, 'since', since, 'fork_of', fork_of, 'prompt', prompt, 'last', last)));
    return next one;
  end if;
end
$$;
revoke execute on function private.opencode_entries(json, bigint[], jsonb) from public;

-- migrate:down
drop function private.opencode_entries(json, bigint[], jsonb);
drop function private.opencode_message(jsonb);
drop function private.opencode_tools(jsonb);
drop function private.opencode_usage(jsonb);
drop function private.opencode_time(jsonb);
