-- 0426: the reader of opencode's export: a line with the session's info, and one for each message, {info, parts}; or the whole export in one
-- line. A fork copies messages under new ids, with their times. So the reader makes ids of times and texts, and copies have those of the
-- originals.
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

-- Reads lines of opencode's export, as private.claude_entries does. `state` is the last entry's facts -> 'state' of the lines before:
-- {session, fork_of, prompt, last}.
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
  fork_of text := state ->> 'fork_of';
  prompt text := state ->> 'prompt';
  last text := state ->> 'last';
begin
  for line in
    select l.n, l.words, l.words::jsonb as whole
    from json_array_elements_text(lines) with ordinality as l (words, n)
    where l.words is not null
    order by l.n
  loop
    -- As private.gemini_entries.
    for item in
      select 0::bigint as place, line.whole as message
      union all
      select e.n, e.message
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
        -- If the parent has the entry, too, the parent owns it.
        one.forked_from := fork_of;
        one.facts := jsonb_strip_nulls(jsonb_build_object('cwd', left(info #>> '{path,cwd}', 1024)));
        one.metadata := jsonb_strip_nulls(jsonb_build_object(
          'id', private.entry_id(info ->> 'id'), 'provider', left(coalesce(info ->> 'providerID', info #>> '{model,providerID}'), 100), 'agent', left(info ->> 'agent', 100)
        ));
      else
        one.uuid := 'h:' || left(encode(sha256(convert_to(line.words || item.place, 'UTF8')), 'hex'), 32);
        one.kind := 'unknown';
        if info ->> 'id' like 'ses%' then
          one.kind := case when info ->> 'title' <> '' and info ->> 'title' not like 'New session - %' then 'ai-title' else 'session' end;
          one.content := case when one.kind = 'ai-title' then left(info ->> 'title', 500) end;
          fork_of := private.entry_id(coalesce(info ->> 'fork_session_id', info ->> 'parentID'));
        end if;
        one.facts := jsonb_strip_nulls(jsonb_build_object('cwd', left(info ->> 'directory', 1024), 'version', left(info ->> 'version', 60)));
        one.metadata := jsonb_strip_nulls(jsonb_build_object('parent_session', private.entry_id(info ->> 'parentID')));
      end if;
      one.session := session;
    end loop;
  end loop;
  if one.uuid is not null then
    one.facts := coalesce(one.facts, '{}')
      || jsonb_build_object('state', jsonb_strip_nulls(jsonb_build_object('session', session, 'fork_of', fork_of, 'prompt', prompt, 'last', last)));
    return next one;
  end if;
end
$$;
revoke execute on function private.opencode_entries(json, bigint[], jsonb) from public;

-- migrate:down
drop function private.opencode_entries(json, bigint[], jsonb);
drop function private.opencode_tools(jsonb);
drop function private.opencode_usage(jsonb);
drop function private.opencode_time(jsonb);
