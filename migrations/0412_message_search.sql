-- 0412: message search. What of a message is searched, as a vector of words. It stands beside the messages: a column of theirs that users
-- may not read would break `select=*`, and one that they may read would be searched row by row under the policies.
-- migrate:up
-- English, with its stems, but without its list of words to leave out: is, by and on are parts of identifiers.
create text search dictionary private.english_stems (template = pg_catalog.snowball, language = english);
create text search configuration private.english (copy = pg_catalog.english);
alter text search configuration private.english alter mapping replace pg_catalog.english_stem with private.english_stems;

-- Scripts that are written without spaces. Their words are pairs of characters.
create function private.dense_script() returns text
  language sql immutable
  set search_path = ''
  as $$
select '[\u0E00-\u0E7F\u0E80-\u0EFF\u1000-\u109F\u1780-\u17FF\u3040-\u30FF\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7AF\uF900-\uFAFF\U00020000-\U0003FFFF]+'
$$;
revoke execute on function private.dense_script() from public;

-- A text with the parts of its identifiers as words: of camelCase, snake_case, paths, versions and addresses.
create function private.split_identifiers(words text) returns text
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  -- Not by translate, which looks at each character for each of these: it would take six times as long.
  parts text := replace(replace(replace(replace(replace(replace(replace(replace(replace(
    words, '_', ' '), '.', ' '), '/', ' '), E'\\', ' '), ':', ' '), '@', ' '), '#', ' '), '=', ' '), '-', ' ');
begin
  -- Before all capitals, also where a word begins with them: a pattern that looks at the character before takes twice as long.
  if parts ~ '[a-z0-9][A-Z]' then
    parts := regexp_replace(parts, '[A-Z]+', ' \&', 'g');
  end if;
  -- HTTPServer is HTTP and Server.
  if parts ~ '[A-Z][A-Z][a-z]' then
    parts := regexp_replace(parts, '[A-Z](?=[A-Z][a-z])', '\& ', 'g');
  end if;
  -- v2.1.173 is found as 2.1.173, too.
  if strpos(parts, 'v') > 0 and parts ~ 'v[0-9]' then
    parts := regexp_replace(parts, '\mv(?=\d)', '\& ', 'g');
  end if;
  return parts;
end
$$;
revoke execute on function private.split_identifiers(text) from public;

-- The overlapping pairs of characters of a run without spaces; of one character itself.
create function private.character_pairs(run text) returns text
  language sql immutable strict
  set search_path = ''
  as $$
select coalesce(string_agg(c.one || c.next, ' ' order by c.n) filter (where c.next is not null), run)
from (
  select u.one, lead(u.one) over (order by u.n) as next, u.n from unnest(string_to_array(run, null)) with ordinality as u (one, n)
) as c
$$;
revoke execute on function private.character_pairs(text) from public;

-- A text in the form in which it is searched.
create function private.searchable(words text) returns text
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  -- The usual text is ASCII, and normal as it is.
  return case when octet_length(words) = char_length(words) then words else normalize(words, nfc) end;
end
$$;
revoke execute on function private.searchable(text) from public;

-- The vector of a text: its words as they are, the stems of its words and of the parts of its identifiers, and pairs and single
-- characters of scripts without spaces. `most`: of how many characters.
create function private.vector_of(words text, most int) returns tsvector
  language plpgsql immutable strict
  set search_path = ''
  as $$
declare
  -- Nearly no text is too long, and left() walks through all of it.
  cut constant text := case when octet_length(words) <= most then words else left(words, most) end;
  is_ascii constant boolean := octet_length(cut) = char_length(cut);
  plain constant text := case when is_ascii then cut else private.searchable(cut) end;
  vector constant tsvector :=
    to_tsvector('pg_catalog.simple', plain) || to_tsvector('private.english', private.split_identifiers(plain));
  dense text;
begin
  if not is_ascii and plain ~ private.dense_script() then
    select string_agg(private.character_pairs(f.run[1]), ' ') || ' ' || string_agg(array_to_string(string_to_array(f.run[1], null), ' '), ' ')
    into dense
    from regexp_matches(left(plain, most / 4), private.dense_script(), 'g') as f (run);
    if dense is not null then
      return vector || to_tsvector('pg_catalog.simple', dense);
    end if;
  end if;
  return vector;
end
$$;
revoke execute on function private.vector_of(text, int) from public;

-- The same, of a long text the beginning: a vector has at most a megabyte.
create function private.search_vector(words text, most int default 200000) returns tsvector
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  -- Of such a text no vector is too large. An exception handler would be a subtransaction for each message.
  if octet_length(words) <= 20000 then
    return private.vector_of(words, most);
  end if;
  begin
    return private.vector_of(words, most);
  exception
    -- Tens of thousands of long words that are all different.
    when program_limit_exceeded then
      return case when most > 1000 then private.search_vector(words, most / 4) else '' end;
  end;
end
$$;
revoke execute on function private.search_vector(text, int) from public;

-- The texts in a JSON value, one below the other. Field names are left out.
create function private.texts_in_json(content jsonb) returns text
  -- Not in SQL: that would be planned at every call.
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return (
    select string_agg(v #>> '{}', E'\n')
    from jsonb_path_query(content, 'strict $.** ? (@.type() == "string")', silent => true) as v
  );
end
$$;
revoke execute on function private.texts_in_json(jsonb) from public;

-- How many characters of each result of a message are searched. A vector has the first 200,000 characters of all; more are not read.
create function private.searched_of_each(blocks jsonb) returns int
  language sql immutable
  return 200000 / least(greatest(jsonb_array_length(blocks), 4), 200);
revoke execute on function private.searched_of_each(jsonb) from public;

-- What of a message is searched and highlighted: its text, what its tools were asked, and what the tools answered whose results it has: of
-- at most 200 calls and 200 results, as a message may name thousands.
create function private.search_text(message observatory.messages) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  blocks constant jsonb := (message).content_blocks;
  asked text;
  answered text;
  most int;
begin
  if jsonb_typeof(blocks) is distinct from 'array' then
    return (message).content;
  end if;
  select string_agg(concat_ws(E'\n', t.tool_name, left(private.texts_in_json(t.input), 20000)), E'\n' order by t.tool_use_id) into asked
  from (select c.* from observatory.tool_calls as c where c.message_id = (message).id order by c.tool_use_id limit 200) as t;
  -- Most messages have no result. A statement that finds nothing takes longer than this check.
  if blocks @? '$[*].tool_use_id' then
    most := private.searched_of_each(blocks);
    select string_agg(left(concat_ws(E'\n', left(t.output, most), t.error_message), most), E'\n' order by t.tool_use_id) into answered
    from (select distinct b.block ->> 'tool_use_id' as tool_use_id from jsonb_array_elements(blocks) as b (block) order by 1 limit 200) as b
    -- Each by itself: for a list of ids the planner may read all calls of the conversation.
    cross join lateral (
      select c.tool_use_id, c.output, c.error_message
      from observatory.tool_calls as c
      where c.conversation_id = (message).conversation_id and c.tool_use_id = b.tool_use_id
      limit 1
    ) as t;
  end if;
  return concat_ws(E'\n', (message).content, asked, answered);
end
$$;
revoke execute on function private.search_text(observatory.messages) from public;

create table private.message_search (
  -- No foreign key: it would look at each message of an upload by itself. private.index_vectors locks the messages as a key would, and a
  -- trigger deletes the vectors of deleted messages.
  message_id  uuid constraint message_search_pkey primary key,
  project_id  uuid not null,
  occurred_at timestamptz not null,
  is_copy     boolean not null default false,
  search      tsvector not null
) with (autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
comment on table private.message_search is
  'The words of messages. Only functions that first find out which projects the caller may see search it.';
comment on column private.message_search.is_copy is
  'A copy is here only if another project has the entry itself: who sees only the project of a fork finds the whole fork.';
comment on column private.message_search.search is 'Words with their places, and marks for filters, which have none: '' role user'', '' tool Bash''.';

-- A common word is looked for by time, a rare one by the words. Uploads add to the list of pending words, which every search reads: it
-- stays short.
create index message_search_latest on private.message_search (project_id, occurred_at desc, message_id desc);
create index message_search_words on private.message_search using gin (search) with (fastupdate = on, gin_pending_list_limit = 1024);

alter table private.message_search enable row level security;
alter table private.message_search force row level security;

-- Makes the vectors of messages anew, and removes those of messages without words and of copies whose entry the project has itself. For a
-- whole batch at once; of one message private.search_text gives the same text.
create function private.index_vectors(ids uuid[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  with message as materialized (
    select
      m.id, m.project_id, m.conversation_id, m.occurred_at, m.role, m.content, m.content_blocks, m.is_copy,
      case when jsonb_typeof(m.content_blocks) = 'array' then private.searched_of_each(m.content_blocks) end as searched_of_each,
      m.is_copy and exists (
        select
        -- By the entry, and not by the project, however few messages the planner expects there.
        from (
          select o.project_id, o.is_copy from observatory.messages as o
          where o.owner_id = m.owner_id and o.entry_uuid = m.entry_uuid
          offset 0
        ) as o
        where o.project_id = m.project_id and not o.is_copy
      ) as is_repeated
    from observatory.messages as m
    where m.id = any (ids)
    -- A deletion of one of them waits until its vector is stored, and deletes that, too.
    for key share of m
  ),

  -- The message's own text, then its calls, then the results that it has. Most messages have one of these: nothing is sorted for all.
  made as materialized (
    select
      m.id, m.project_id, m.is_copy,
      -- A time that a cursor can hold.
      least(greatest(m.occurred_at, '1970-01-01 00:00:00+00'), '9999-01-01 00:00:00+00') as occurred_at,
      case when not m.is_repeated then
        nullif(private.search_vector(concat_ws(E'\n', m.content, called.words, returned.words)), '')
        || array_to_tsvector(array_remove(called.tools || returned.tools || (' role ' || m.role), null))
      end as search
    from message as m
    -- By index, however many rows the planner expects.
    left join lateral (
      select
        string_agg(nullif(concat_ws(E'\n', t.tool_name, left((
          -- As private.texts_in_json, which takes several times as long for the usual few texts.
          select string_agg(case
            when jsonb_typeof(f.value) = 'string' then f.value #>> '{}'
            when jsonb_typeof(f.value) in ('object', 'array') then private.texts_in_json(f.value)
          end, E'\n')
          from jsonb_each(case when jsonb_typeof(t.input) = 'object' then t.input else jsonb_build_object('', t.input) end) as f
        ), 20000)), ''), E'\n' order by t.tool_use_id) as words,
        array_agg(' tool ' || t.tool_name) as tools
      from (
        select c.tool_use_id, c.tool_name, c.input from observatory.tool_calls as c where c.message_id = m.id order by c.tool_use_id limit 200
      ) as t
      where m.content_blocks @> '[{"type": "tool_use"}]' and not m.is_repeated
    ) as called on true
    left join lateral (
      select
        string_agg(nullif(case
          -- left() walks through the whole of a text.
          when t.bytes < m.searched_of_each then concat_ws(E'\n', t.output, t.error_message)
          else left(concat_ws(E'\n', left(t.output, m.searched_of_each), t.error_message), m.searched_of_each)
        end, ''), E'\n' order by b.tool_use_id) as words,
        array_agg(' tool ' || t.tool_name) as tools
      from (
        select distinct l.block ->> 'tool_use_id' as tool_use_id
        from jsonb_array_elements(case when jsonb_typeof(m.content_blocks) = 'array' then m.content_blocks else '[]' end) as l (block)
        order by 1
        limit 200
      ) as b
      -- Each by itself: for a list of ids the planner may read all calls of the conversation.
      cross join lateral (
        select
          c.tool_name, c.output, c.error_message, coalesce(octet_length(c.output), 0) + coalesce(octet_length(c.error_message), 0) as bytes
        from observatory.tool_calls as c
        where c.conversation_id = m.conversation_id and c.tool_use_id = b.tool_use_id
        limit 1
      ) as t
      where m.content_blocks @? '$[*].tool_use_id' and not m.is_repeated
    ) as returned on true
  ),

  removed as (
    delete from private.message_search as s where s.message_id = any (array(select made.id from made where made.search is null))
  )

  insert into private.message_search as s (message_id, project_id, occurred_at, is_copy, search)
  select made.id, made.project_id, made.occurred_at, made.is_copy, made.search from made where made.search is not null
  on conflict on constraint message_search_pkey do update
  set project_id = excluded.project_id, occurred_at = excluded.occurred_at, is_copy = excluded.is_copy, search = excluded.search
  where (s.project_id, s.occurred_at, s.is_copy, s.search)
    is distinct from (excluded.project_id, excluded.occurred_at, excluded.is_copy, excluded.search);
end
$$;
revoke execute on function private.index_vectors(uuid[]) from public;

-- Trigger: a message that the data API has written is found, too. Uploads call private.index_messages once a batch.
create function private.index_direct_writes() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
begin
  perform private.index_vectors(array[new.id]);
  return null;
end
$$;
revoke execute on function private.index_direct_writes() from public;
create trigger messages_search_insert after insert on observatory.messages
  for each row when (current_user in ('authenticated', 'service_role')) execute function private.index_direct_writes();
-- Also where a person is erased from a text. Where an entry gets another owner, private.settle_entries does this for all copies at once.
create trigger messages_search_update after update of project_id, content, role, occurred_at on observatory.messages
  for each row when (
    (old.project_id, old.content, old.role, old.occurred_at) is distinct from (new.project_id, new.content, new.role, new.occurred_at)
  ) execute function private.index_direct_writes();

-- Trigger: the vectors of deleted messages go with them.
create function private.delete_vectors() returns trigger
  language plpgsql
  -- Definer: request roles may do nothing in the schema private.
  security definer
  set search_path = ''
  as $$
begin
  -- By index, also where an earlier statement of the session deleted many messages.
  delete from private.message_search as s where s.message_id = any (array(select o.id from old_rows as o));
  return null;
end
$$;
revoke execute on function private.delete_vectors() from public;
create trigger messages_search_delete after delete on observatory.messages referencing old table as old_rows
  for each statement execute function private.delete_vectors();

-- migrate:down
drop trigger messages_search_delete on observatory.messages;
drop trigger messages_search_update on observatory.messages;
drop trigger messages_search_insert on observatory.messages;
drop function private.delete_vectors();
drop function private.index_direct_writes();
drop function private.index_vectors(uuid[]);
drop table private.message_search;
drop function private.search_text(observatory.messages);
drop function private.searched_of_each(jsonb);
drop function private.texts_in_json(jsonb);
drop function private.search_vector(text, int);
drop function private.vector_of(text, int);
drop function private.searchable(text);
drop function private.character_pairs(text);
drop function private.split_identifiers(text);
drop function private.dense_script();
drop text search configuration private.english;
drop text search dictionary private.english_stems;
