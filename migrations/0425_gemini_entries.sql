-- 0425: the reader of Gemini CLI's chats: a header, a line for each message, and patches ({"$set": ...}); older versions write one object
-- with all messages.
-- migrate:up
-- The text of a message's content: a text, a part, or a list of parts.
create function private.gemini_text(content jsonb) returns text
  language sql immutable
  set search_path = ''
  as $$
select case jsonb_typeof(content)
  when 'string' then content #>> '{}'
  when 'object' then content ->> 'text'
  when 'array' then (
    select string_agg(
      case jsonb_typeof(c.part)
        when 'string' then c.part #>> '{}'
        when 'object' then coalesce(c.part ->> 'text', case when c.part ? 'inlineData' then '[image]' end)
      end,
      E'\n' order by c.n
    )
    from jsonb_array_elements(content) with ordinality as c (part, n)
  )
end
$$;
revoke execute on function private.gemini_text(jsonb) from public;

-- What a response used. What was read from the cache is a part of the input; thoughts and the input of tools are not in the other numbers.
create function private.gemini_usage(tokens jsonb) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  input constant bigint := private.entry_count(tokens -> 'input');
  cached constant bigint := least(private.entry_count(tokens -> 'cached'), input);
begin
  if jsonb_typeof(tokens) is distinct from 'object' then
    return null;
  end if;
  return jsonb_build_object(
    'input', input - cached + private.entry_count(tokens -> 'tool'),
    'output', private.entry_count(tokens -> 'output') + private.entry_count(tokens -> 'thoughts'), 'cache_read', cached,
    'cache_write_5m', 0, 'cache_write_1h', 0, 'web_searches', 0
  );
end
$$;
revoke execute on function private.gemini_usage(jsonb) from public;

-- The calls of tools in a message, each with its result.
create function private.gemini_tools(calls jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select jsonb_agg(t.tool order by c.n, t.place)
from jsonb_array_elements(case when jsonb_typeof(calls) = 'array' then calls else '[]' end) with ordinality as c (call, n)
cross join lateral (values
  (1, jsonb_build_object('use', jsonb_build_object(
    'id', private.entry_id(c.call ->> 'id'), 'name', left(c.call ->> 'name', 200), 'input', c.call -> 'args'
  ))),
  (2, case when c.call ->> 'status' in ('success', 'error', 'cancelled') or c.call ? 'result' then jsonb_build_object('result', jsonb_build_object(
    'id', private.entry_id(c.call ->> 'id'), 'is_error', c.call ->> 'status' = 'error',
    'output', coalesce(
      c.call #>> '{result,0,functionResponse,response,output}', c.call #>> '{result,0,functionResponse,response,error}',
      case when jsonb_typeof(c.call -> 'resultDisplay') = 'string' then c.call ->> 'resultDisplay' end
    ),
    'facts', case when c.call ->> 'status' = 'cancelled' then '{"rejected": true}'::jsonb end
  )) end)
) as t (place, tool)
where c.call ->> 'id' <> '' and t.tool is not null
$$;
revoke execute on function private.gemini_tools(jsonb) from public;

-- Reads lines of Gemini CLI, as private.claude_entries does. `state` is the last entry's facts -> 'state' of the lines before: {session,
-- chain}, where `chain` has the ids of the last messages. A message is written again whenever it changes; a line with a list of messages
-- has all of them, as they are then; $rewindTo takes away a message and what follows it. What was taken away stays stored.
create function private.gemini_entries(lines json, offsets bigint[], state jsonb) returns setof private.entry
  language plpgsql stable
  set search_path = ''
  as $$
declare
  line record;
  fields jsonb;
  item record;
  one private.entry;
  next_ private.entry;
  session text := state ->> 'session';
  chain text[] := coalesce(private.texts(state -> 'chain'), '{}');
  place int;
  parts int;
begin
  for line in
    select l.n, l.words, l.words::jsonb as whole
    from json_array_elements_text(lines) with ordinality as l (words, n)
    where l.words is not null
    order by l.n
  loop
    parts := 0;
    fields := case when jsonb_typeof(line.whole -> '$set') = 'object' then line.whole -> '$set' else line.whole end;
    -- A row of each message with its whole line would be large, so the messages are read one after the other.
    for item in
      select 0::bigint as place, case when jsonb_typeof(fields -> 'messages') = 'array' or not fields ? 'id' then null else fields end as message
      union all
      select e.n, e.message
      from jsonb_array_elements(case when jsonb_typeof(fields -> 'messages') = 'array' then fields -> 'messages' else '[]' end)
        with ordinality as e (message, n)
      where jsonb_typeof(e.message) = 'object'
      order by 1
    loop
      if one.uuid is not null then
        return next one;
      end if;
      one := next_;
      session := coalesce(session, private.entry_id(fields ->> 'sessionId'));
      -- Entries of one line follow one another, too.
      one.pos := offsets[line.n] + item.place;
      one.is_sidechain := false;
      one.is_meta := false;
      one.redactions := 0;
      one.metadata := '{}';
      if item.message is null or coalesce(item.message ->> 'id', '') = '' then
        one.uuid := 'h:' || left(encode(sha256(convert_to(line.words || item.place, 'UTF8')), 'hex'), 32);
        one.kind := case when line.whole ? '$set' then 'patch' when line.whole ? '$rewindTo' then 'rewind' when fields ? 'sessionId' then 'session' else 'unknown' end;
        one.at := private.entry_time(coalesce(fields ->> 'startTime', fields ->> 'timestamp'));
        one.facts := jsonb_strip_nulls(jsonb_build_object('cwd', left(coalesce(fields ->> 'cwd', fields #>> '{directories,0}'), 1024)));
        if fields ->> 'summary' <> '' then
          one.kind := 'summary';
          one.content := left(fields ->> 'summary', 500);
        end if;
        if line.whole ? '$rewindTo' then
          place := array_position(chain, private.entry_id(line.whole ->> '$rewindTo'));
          chain := case when place is null then '{}' else chain[:place - 1] end;
        elsif jsonb_typeof(fields -> 'messages') = 'array' then
          chain := '{}';
        end if;
      else
        one.uuid := private.entry_id(item.message ->> 'id');
        place := array_position(chain, one.uuid);
        if place is null then
          chain := array_append(chain[greatest(cardinality(chain) - 200, 1):], one.uuid);
          place := cardinality(chain);
        end if;
        one.parent := chain[place - 1];
        one.at := private.entry_time(item.message ->> 'timestamp');
        one.role := case item.message ->> 'type' when 'user' then 'user' when 'gemini' then 'assistant' else 'system' end;
        one.kind := one.role;
        one.content := private.gemini_text(item.message -> 'content');
        if one.role = 'assistant' then
          one.api_id := private.entry_id('gemini:' || one.uuid);
          one.model := left(item.message ->> 'model', 200);
          one.usage := private.gemini_usage(item.message -> 'tokens');
          one.tools := private.gemini_tools(item.message -> 'toolCalls');
          one.blocks := private.entry_blocks((
            select jsonb_agg(concat_ws(E'\n', t ->> 'subject', t ->> 'description'))
            from jsonb_array_elements(case when jsonb_typeof(item.message -> 'thoughts') = 'array' then item.message -> 'thoughts' else '[]' end) as t
          ), one.content, one.tools);
        elsif one.role = 'system' then
          one.metadata := jsonb_build_object('subtype', left(item.message ->> 'type', 100));
        end if;
      end if;
      one.session := session;
      parts := private.count_parts(parts, one.tools);
    end loop;
  end loop;
  if one.uuid is not null then
    one.facts := coalesce(one.facts, '{}')
      || jsonb_build_object('state', jsonb_strip_nulls(jsonb_build_object('session', session, 'chain', to_jsonb(chain))));
    return next one;
  end if;
end
$$;
revoke execute on function private.gemini_entries(json, bigint[], jsonb) from public;

-- Messages of Gemini CLI and opencode are written again while they grow, under the same id. The longest text counts, and the highest
-- numbers, so the order in which versions come does not matter. Returns the messages that have changed.
create function private.grow_messages(places jsonb, entries private.entry[]) returns uuid[]
  language sql volatile
  set search_path = ''
  as $$
with version as (
  select distinct on (p.conversation_id, n.uuid)
    p.conversation_id, n.uuid, n.model, n.usage, n.redactions, private.cut(n.content, 1048576) as content,
    case when octet_length(n.blocks::text) <= 1048576 then n.blocks end as blocks
  from unnest(entries) as n
  inner join jsonb_to_recordset(places) as p (session text, agent text, conversation_id uuid)
    on p.session = n.session and p.agent is not distinct from n.agent
  where n.role is not null
  order by p.conversation_id, n.uuid, octet_length(n.content) desc nulls last, octet_length(n.blocks::text) desc nulls last,
    private.entry_count(n.usage -> 'output') desc, n.pos
),

compared as (
  select
    v.model, v.redactions, v.content, v.blocks, m.id,
    -- As private.store_messages.
    least(private.entry_count(v.usage -> 'input'), 1000000000000) as input,
    least(private.entry_count(v.usage -> 'output'), 1000000000000) as output,
    least(private.entry_count(v.usage -> 'cache_read'), 1000000000000) as cache_read,
    least(private.entry_count(v.usage -> 'cache_write_5m'), 1000000000000) as cache_write,
    octet_length(v.content) > coalesce(octet_length(m.content), 0) as has_more_text,
    octet_length(v.blocks::text) > coalesce(octet_length(m.content_blocks::text), 0) as has_more_blocks
  from version as v
  inner join observatory.messages as m on m.conversation_id = v.conversation_id and m.entry_uuid = v.uuid
),

grown as (
  update observatory.messages as m set
    content = case when c.has_more_text then c.content else m.content end,
    content_blocks = case when c.has_more_blocks then c.blocks else m.content_blocks end,
    -- A share link shows what was there when it was made: what has grown since is later.
    created_at = case when c.has_more_text or c.has_more_blocks then clock_timestamp() else m.created_at end,
    model = coalesce(m.model, c.model),
    input_tokens = greatest(m.input_tokens, c.input), output_tokens = greatest(m.output_tokens, c.output),
    cache_read_tokens = greatest(m.cache_read_tokens, c.cache_read), cache_creation_tokens = greatest(m.cache_creation_tokens, c.cache_write),
    redaction_count = greatest(m.redaction_count, c.redactions)
  from compared as c
  where m.id = c.id and (
    c.has_more_text or c.has_more_blocks
    or c.output > m.output_tokens or c.input > m.input_tokens
  )
  returning m.id
)

select coalesce(array_agg(g.id), '{}') from grown as g
$$;
revoke execute on function private.grow_messages(jsonb, private.entry[]) from public;

-- migrate:down
drop function private.grow_messages(jsonb, private.entry[]);
drop function private.gemini_entries(json, bigint[], jsonb);
drop function private.gemini_tools(jsonb);
drop function private.gemini_usage(jsonb);
drop function private.gemini_text(jsonb);
