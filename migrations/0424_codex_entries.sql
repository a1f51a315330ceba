-- 0424: the reader of Codex CLI's rollouts. Its lines have no ids, so the reader makes them of what a fork copies unchanged: the turn, and
-- the place in it. So the copies in a fork or a subagent's file, whose times are those of the fork, have the ids of the originals, and count
-- once.
-- migrate:up
-- The object that a text of JSON has; null if it has none.
create function private.object_of(words text) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  found_ jsonb;
begin
  if left(ltrim(words), 1) = '{' then
    found_ := words::jsonb;
  end if;
  return case when jsonb_typeof(found_) = 'object' then found_ end;
exception
  when data_exception then
    return null;
end
$$;
revoke execute on function private.object_of(text) from public;

-- The texts of a list of Codex's content items, or of any with a text; a text as it is.
create function private.codex_text(content jsonb) returns text
  language sql immutable
  set search_path = ''
  as $$
select case jsonb_typeof(content)
  when 'string' then content #>> '{}'
  when 'array' then (
    select string_agg(coalesce(c.item ->> 'text', case when c.item ->> 'type' like '%image%' then '[image]' end), E'\n\n' order by c.n)
    from jsonb_array_elements(content) with ordinality as c (item, n)
    where jsonb_typeof(c.item) = 'object'
  )
end
$$;
revoke execute on function private.codex_text(jsonb) from public;

-- The result of a call: {id, is_error, output, facts}. Older versions wrap it in JSON, newer ones write its code and time above it.
create function private.codex_result(item jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  output constant jsonb := item -> 'output';
  wrapped constant jsonb := case jsonb_typeof(output) when 'string' then private.object_of(output #>> '{}') when 'object' then output end;
  words text := case when jsonb_typeof(output) in ('string', 'array') then private.codex_text(output) end;
  code text;
  seconds text;
begin
  if wrapped ?| array['output', 'content'] then
    words := coalesce(private.codex_text(wrapped -> 'output'), private.codex_text(wrapped -> 'content'), words);
    code := wrapped #>> '{metadata,exit_code}';
    seconds := wrapped #>> '{metadata,duration_seconds}';
  else
    code := substring(words from '^Exit code: (-?[0-9]{1,9})');
    seconds := substring(words from '^(?:Exit code: [^\n]{1,20}\n)?Wall time: ([0-9.]{1,12}) seconds');
  end if;
  return jsonb_strip_nulls(jsonb_build_object(
    'id', private.entry_id(item ->> 'call_id'), 'output', words,
    'is_error', coalesce(code <> '0', false) or wrapped -> 'success' = 'false',
    'facts', case when seconds ~ '^[0-9]{1,9}([.][0-9]{1,9})?$' then jsonb_build_object('duration_ms', round(seconds::numeric * 1000)) end
  ));
end
$$;
revoke execute on function private.codex_result(jsonb) from public;

-- What a response used, from an event token_count. What was read from or written to the cache is a part of the input, and reasoning a part
-- of the output. Without numbers of the last response it is what the totals have grown by. Null if the totals stand still: the event is
-- repeated then; and for the first totals of a fork, which are its parent's.
create function private.codex_usage(info jsonb, before jsonb, is_fork boolean) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  totals constant jsonb := info -> 'total_token_usage';
  used jsonb := info -> 'last_token_usage';
  input bigint;
  cached bigint;
  written bigint;
begin
  if jsonb_typeof(totals) = 'object' and totals = before then
    return null;
  end if;
  if jsonb_typeof(used) is distinct from 'object' then
    if jsonb_typeof(totals) is distinct from 'object' or (before is null and is_fork) then
      return null;
    end if;
    select jsonb_object_agg(f.key, case
      -- Smaller totals than before: Codex has begun to count anew.
      when private.entry_count(totals -> 'total_tokens') < private.entry_count(before -> 'total_tokens') then private.entry_count(f.value)
      else greatest(private.entry_count(f.value) - private.entry_count(before -> f.key), 0)
    end) into used
    from jsonb_each(totals) as f;
  end if;
  input := private.entry_count(used -> 'input_tokens');
  cached := least(private.entry_count(used -> 'cached_input_tokens'), input);
  written := least(private.entry_count(used -> 'cache_write_input_tokens'), input - cached);
  if input + private.entry_count(used -> 'output_tokens') = 0 then
    return null;
  end if;
  return jsonb_build_object(
    'input', input - cached - written, 'output', private.entry_count(used -> 'output_tokens'), 'cache_read', cached,
    'cache_write_5m', written, 'cache_write_1h', 0, 'web_searches', 0
  );
end
$$;
revoke execute on function private.codex_usage(jsonb, jsonb, boolean) from public;

-- Reads lines of Codex CLI, as private.claude_entries does. `state` is what the reader has returned for the lines before: the last
-- entry's facts -> 'state'. {session, is_fork, fork_of, scope, items, responses, model, totals, last}
create function private.codex_entries(lines json, offsets bigint[], state jsonb) returns setof private.entry
  language plpgsql stable
  set search_path = ''
  as $$
declare
  line record;
  one private.entry;
  next_ private.entry;
  item jsonb;
  subtype text;
  session text := state ->> 'session';
  is_fork boolean := coalesce((state ->> 'is_fork')::boolean, false);
  fork_of text := state ->> 'fork_of';
  scope text := state ->> 'scope';
  items bigint := coalesce((state ->> 'items')::bigint, 0);
  responses bigint := coalesce((state ->> 'responses')::bigint, 0);
  model text := state ->> 'model';
  totals jsonb := state -> 'totals';
  last text := state ->> 'last';
begin
  for line in
    select l.n, l.words, l.words::jsonb as v
    from json_array_elements_text(lines) with ordinality as l (words, n)
    where l.words is not null
    order by l.n
  loop
    if one.uuid is not null then
      return next one;
    end if;
    one := next_;
    item := case when jsonb_typeof(line.v -> 'payload') = 'object' then line.v -> 'payload' else '{}' end;
    subtype := left(item ->> 'type', 100);
    one.pos := offsets[line.n];
    one.uuid := 'h:' || left(encode(sha256(convert_to(line.words, 'UTF8')), 'hex'), 32);
    one.parent := last;
    one.kind := left(coalesce(nullif(line.v ->> 'type', ''), 'unknown'), 100);
    one.at := private.entry_time(line.v ->> 'timestamp');
    one.is_sidechain := false;
    one.is_meta := false;
    one.redactions := 0;
    one.metadata := jsonb_strip_nulls(jsonb_build_object('subtype', subtype));

    if one.kind = 'session_meta' then
      -- A fork has the line of its parent as well, below its own.
      if session is null then
        -- session_id is the parent's in the file of a subagent.
        session := private.entry_id(coalesce(item ->> 'id', item ->> 'session_id'));
        fork_of := private.entry_id(item ->> 'forked_from_id');
        is_fork := coalesce(item ->> 'forked_from_id', item ->> 'parent_thread_id', item #>> '{source,subagent,thread_spawn,parent_thread_id}') is not null;
        scope := coalesce(session, '');
        one.facts := jsonb_strip_nulls(jsonb_build_object(
          'cwd', left(item ->> 'cwd', 1024), 'version', left(item ->> 'cli_version', 60), 'branch', left(item #>> '{git,branch}', 250)
        ));
        one.metadata := jsonb_strip_nulls(jsonb_build_object(
          'parent_session', private.entry_id(coalesce(item ->> 'parent_thread_id', item #>> '{source,subagent,thread_spawn,parent_thread_id}')),
          'originator', left(item ->> 'originator', 100)
        ));
      end if;
    elsif one.kind = 'turn_context' then
      model := coalesce(left(item ->> 'model', 200), model);
      -- A turn goes on after a second context of the same id, which is written after a compaction.
      if item ->> 'turn_id' <> '' and scope is distinct from private.entry_id(item ->> 'turn_id') then
        scope := private.entry_id(item ->> 'turn_id');
        items := 0;
        responses := 0;
      end if;
      one.facts := jsonb_strip_nulls(jsonb_build_object('cwd', left(item ->> 'cwd', 1024)));
      one.metadata := jsonb_strip_nulls(jsonb_build_object('model', model, 'effort', left(item ->> 'effort', 60)));
    elsif one.kind = 'event_msg' and subtype = 'token_count' then
      one.usage := private.codex_usage(item -> 'info', totals, is_fork);
      if jsonb_typeof(item #> '{info,total_token_usage}') = 'object' then
        totals := item #> '{info,total_token_usage}';
      end if;
      if one.usage is not null then
        responses := responses + 1;
        one.uuid := private.entry_id('codex:' || coalesce(scope, '') || ':r' || responses);
        one.api_id := one.uuid;
        one.model := model;
      end if;
    elsif one.kind = 'event_msg' and subtype in ('thread_name_updated', 'session_name_updated') then
      one.kind := 'ai-title';
      one.content := left(coalesce(item ->> 'name', item ->> 'title'), 500);
    elsif one.kind = 'event_msg' and pg_column_size(item) <= 4096 then
      -- Response items repeat what a person and the agent say.
      one.metadata := case when subtype in ('user_message', 'agent_message', 'agent_reasoning') then one.metadata else item - 'type' || one.metadata end;
    elsif one.kind = 'compacted' then
      one.kind := 'system';
      one.role := 'system';
      one.content := item ->> 'message';
      one.logical_parent := last;
      one.metadata := '{"subtype": "compact_boundary"}';
    elsif one.kind = 'response_item' then
      items := items + 1;
      one.uuid := private.entry_id('codex:' || coalesce(scope, '') || ':' || items);
      case
        when subtype = 'message' then
          one.role := case item ->> 'role' when 'assistant' then 'assistant' when 'user' then 'user' else 'system' end;
          one.kind := one.role;
          one.content := private.codex_text(item -> 'content');
          -- What Codex writes on the user's behalf.
          one.is_meta := one.role = 'system'
            or (one.role = 'user' and coalesce(one.content ~ '^\s*(<(user_instructions|environment_context|turn_aborted|permissions)|# AGENTS[.]md instructions)', false));
          one.model := case when one.role = 'assistant' then model end;
        when subtype in ('function_call', 'custom_tool_call', 'local_shell_call') then
          one.kind := 'assistant';
          one.role := 'assistant';
          one.model := model;
          one.tools := jsonb_build_array(jsonb_build_object('use', jsonb_build_object(
            'id', coalesce(private.entry_id(item ->> 'call_id'), one.uuid),
            'name', left(coalesce(nullif(item ->> 'name', ''), replace(subtype, '_call', '')), 200),
            'input', case
              when subtype = 'local_shell_call' then item -> 'action'
              else coalesce(private.object_of(item ->> 'arguments'), jsonb_build_object('input', coalesce(item -> 'input', item -> 'arguments')))
            end
          )));
          one.blocks := jsonb_build_array((one.tools #> '{0,use}') - 'input' || '{"type": "tool_use"}');
        when subtype in ('function_call_output', 'custom_tool_call_output', 'local_shell_call_output') and item ->> 'call_id' <> '' then
          one.kind := 'user';
          one.role := 'user';
          one.tools := jsonb_build_array(jsonb_build_object('result', private.codex_result(item)));
          one.blocks := jsonb_build_array(jsonb_build_object('type', 'tool_result', 'tool_use_id', one.tools #> '{0,result,id}'));
        when subtype = 'reasoning' then
          one.kind := 'reasoning';
          one.blocks := (
            select jsonb_agg(jsonb_build_object('type', 'thinking', 'thinking', s ->> 'text'))
            from jsonb_array_elements(case when jsonb_typeof(item -> 'summary') = 'array' then item -> 'summary' else '[]' end) as s
            where s ->> 'text' <> ''
          );
        else
          one.kind := coalesce(subtype, 'response_item');
          one.metadata := case when pg_column_size(item) <= 4096 then item - 'encrypted_content' else one.metadata end;
      end case;
    end if;
    if one.role is not null then
      last := one.uuid;
      -- If the parent has the entry, too, the parent owns it.
      one.forked_from := fork_of;
    end if;
    one.session := session;
  end loop;
  if one.uuid is not null then
    one.facts := coalesce(one.facts, '{}') || jsonb_build_object('state', jsonb_strip_nulls(jsonb_build_object(
      'session', session, 'is_fork', is_fork, 'fork_of', fork_of, 'scope', scope, 'items', items, 'responses', responses, 'model', model, 'totals', totals, 'last', last
    )));
    return next one;
  end if;
end
$$;
revoke execute on function private.codex_entries(json, bigint[], jsonb) from public;

-- migrate:down
drop function private.codex_entries(json, bigint[], jsonb);
drop function private.codex_usage(jsonb, jsonb, boolean);
drop function private.codex_result(jsonb);
drop function private.codex_text(jsonb);
drop function private.object_of(text);
