-- 0404: entries: one form for the lines of all agents' transcripts, and the functions that the agents' readers share.
-- migrate:up
create type private.entry as (
  pos            bigint,
  uuid           text,
  parent         text,
  logical_parent text,
  session        text,
  agent          text,
  kind           text,
  role           text,
  at             timestamptz,
  is_sidechain   boolean,
  is_meta        boolean,
  api_id         text,
  request_id     text,
  model          text,
  stop_reason    text,
  content        text,
  blocks         jsonb,
  usage          jsonb,
  tools          jsonb,
  forked_from    text,
  facts          jsonb,
  metadata       jsonb,
  redactions     int
);
comment on type private.entry is
  'A line of a transcript. pos: its first byte in the file. uuid: its id, or h: and a hash of the line. parent: the uuid of the line before it in the conversation. logical_parent: the same across a compaction. usage: {input, output, cache_read, cache_write_5m, cache_write_1h, web_searches, tier, variant, extra: [{n, kind, model, ...}]}. tools: [{use: {id, name, input}}, {result: {id, is_error, output, facts}}]. facts: what it says about the conversation: cwd, version, branch, title and title_source, leaf, worktree_name, pr. metadata: what else is stored with the message.';

-- A time that a line names: ISO 8601 with a zone. Null for any other text.
create function private.entry_time(words text) returns timestamptz
  language plpgsql stable strict
  set search_path = ''
  as $$
begin
  -- A fast path for the form in which agents write times: a pattern takes several times as long. The seven characters that are no digits are
  -- in their places.
  if words like '____-__-__T__:__:__.___Z' and translate(words, '0123456789', '') = '--T::.Z' and words collate "C" between '1' and '3'
    and substr(words, 12, 2) <= '23' and substr(words, 15, 2) <= '59' and substr(words, 18, 2) <= '59'
    and substr(words, 6, 2) between '01' and '12' and substr(words, 9, 2) between '01' and '28'
  then
    return words::timestamptz;
  end if;
  if words !~ '^[12]\d{3}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:?\d\d)$' then
    return null;
  end if;
  begin
    return words::timestamptz;
  exception
    when data_exception then
      return null;
  end;
end
$$;
revoke execute on function private.entry_time(text) from public;

-- An id that a line names. Agents write at most 200 characters; a longer one becomes a hash.
create function private.entry_id(words text) returns text
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  if words = '' then
    return null;
  end if;
  if char_length(words) > 200 then
    return 'h:' || left(encode(sha256(convert_to(words, 'UTF8')), 'hex'), 32);
  end if;
  return words;
end
$$;
revoke execute on function private.entry_id(text) from public;

-- A number of tokens or of anything else that is counted; 0 for any other value.
create function private.entry_count(value jsonb) returns bigint
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  if jsonb_typeof(value) = 'number' and value::numeric between 0 and 1000000000000000 then
    return trunc(value::numeric)::bigint;
  end if;
  return 0;
end
$$;
revoke execute on function private.entry_count(jsonb) from public;

-- The texts of a list of blocks, one below the other. An image becomes [image], a document [document].
create function private.blocks_text(blocks jsonb) returns text
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  if jsonb_typeof(blocks) <> 'array' then
    return case jsonb_typeof(blocks) when 'string' then blocks #>> '{}' end;
  end if;
  return (
    select string_agg(
      case
        when jsonb_typeof(b.block) = 'string' then b.block #>> '{}'
        when b.block ->> 'type' = 'text' then b.block ->> 'text'
        when b.block ->> 'type' in ('image', 'document') then '[' || (b.block ->> 'type') || ']'
      end,
      E'\n' order by b.n
    )
    from jsonb_array_elements(blocks) with ordinality as b (block, n)
  );
end
$$;
revoke execute on function private.blocks_text(jsonb) from public;

-- The blocks of a message, in Claude Code's form and in the order thinking, text, tools, for agents that store these separately. Null if the
-- message has only text, which is in its content.
create function private.entry_blocks(thoughts jsonb, content text, tools jsonb) returns jsonb
  language sql immutable
  set search_path = ''
  as $$
select case when jsonb_agg(b.block) filter (where b.place <> 2) is not null then jsonb_agg(b.block order by b.place, b.n) end
from (
  select 1 as place, t.n, jsonb_build_object('type', 'thinking', 'thinking', t.one) as block
  from jsonb_array_elements(coalesce(thoughts, '[]')) with ordinality as t (one, n)
  union all
  select 2, 0, jsonb_build_object('type', 'text', 'text', content) where content <> ''
  union all
  select 3, t.n, case
    when t.one ? 'use' then jsonb_build_object('type', 'tool_use', 'id', t.one #> '{use,id}', 'name', t.one #> '{use,name}')
    else jsonb_build_object('type', 'tool_result', 'tool_use_id', t.one #> '{result,id}')
  end
  from jsonb_array_elements(coalesce(tools, '[]')) with ordinality as t (one, n)
) as b
$$;
revoke execute on function private.entry_blocks(jsonb, text, jsonb) from public;

-- migrate:down
drop function private.entry_blocks(jsonb, text, jsonb);
drop function private.blocks_text(jsonb);
drop function private.entry_count(jsonb);
drop function private.entry_id(text);
drop function private.entry_time(text);
drop type private.entry;
