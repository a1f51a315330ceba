-- 0017: mentions. Where a text names a person: an address in a link, a phone number in a note. The writer may be somebody else, so such
-- a text is neither exported nor erased with the person's own data; the receipt of an erasure says where it is, and can have it erased.
-- Each system lists its columns of free text here, each with an index of the contacts that they name.
-- migrate:up
-- The contacts that texts name, as keys: e-mail addresses, phone numbers that begin with +, and WhatsApp user ids; null if there
-- are none. The key of an address has the ASCII letters around its @ only: a search compares the rest afterwards. At most 10,000: of a text
-- full of numbers each request would write tens of thousands of keys to an index.
create function private.contacts_in(texts text[]) returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  text text := array_to_string(texts, E'\n');
  has_at boolean;
  letters constant text := 'abcdefghijklmnopqrstuvwxyz0123456789._+-';
  word text;
  before text;
  after text;
  keys text[];
begin
  -- Every row that is written comes here, and most texts end here. A pattern takes as long to prepare as to match a few hundred characters.
  if octet_length(text) <= 300 and strpos(text, '@') + strpos(text, '+') + strpos(text, '%') + strpos(text, '.') = 0 then
    return null;
  end if;
  if text !~ '[@+%]|[A-Z][A-Z][.]' then
    return null;
  end if;
  -- By strpos: for one character LIKE takes several times as long.
  has_at := strpos(text, '@') > 0;
  -- A zone of time, +00:00, which most JSON has, is no phone number.
  if not has_at
    and (strpos(text, '+') = 0 or text !~ '[+][0-9][0-9 ()./-]{4}|[+][0-9][0-9 ()./-]*[%\\]')
    and (strpos(text, '%') = 0 or text !~ '%(?:25)*(?:40|2[Bb][0-9])')
    -- The first pattern takes a third of the time of the second.
    and (text !~ '[A-Z][A-Z][.%]' or text !~ '[A-Z][A-Z](?:[.]|%(?:25)*2[Ee])')
  then
    return null;
  end if;
  -- Decode characters as page addresses and JSON write them.
  if text like '%\%%' then
    text := regexp_replace(text, '%(?:25)*40', '@', 'g');
    text := regexp_replace(text, '%(?:25)*2[Bb]', '+', 'g');
    text := regexp_replace(text, '%(?:25)*2[Ee]', '.', 'g');
    text := regexp_replace(text, '%(?:25)*2[Dd]', '-', 'g');
    text := regexp_replace(text, '%(?:25)*5[Ff]', '_', 'g');
    text := regexp_replace(text, '%(?:25)*[0-9A-Fa-f]{2}', ' ', 'g');
  end if;
  if text like '%\\%' then
    text := regexp_replace(text, '\\(?:u[0-9a-f]{4}|.)', ' ', 'g');
  end if;

  if text ~ '[A-Z][A-Z][.]' then
    keys := array(
      select (regexp_matches(text, '(?:^|[^A-Za-z0-9])([A-Z]{2}[.](?:ENT[.])?[0-9A-Za-z]{8,128})', 'g'))[1] limit 10000
    );
  end if;
  if text like '%+%' and text ~ '[+][0-9][0-9 ()./-]{4}' then
    keys := keys || array(
      select digits
      from (select regexp_matches(text, '[+]([0-9][0-9 ()./-]{4,28})', 'g') limit 10000) as f (found_),
        regexp_replace(f.found_[1], '[^0-9]', '', 'g') as digits
      where char_length(digits) between 5 and 20
    );
  end if;
  if has_at or text like '%@%' then
    -- No regular expression: in a long run of letters it would try every end. An index holds no longer addresses anyway. Not by
    -- subscripts: each access to an array of texts walks over all elements before it.
    foreach word in array (string_to_array(lower(text collate "C"), '@'))[:10001] loop
      after := left(word, 255);
      if before is not null then
        keys := keys || (before || '@' || rtrim(left(after, char_length(after) - char_length(ltrim(after, letters))), '._+-'));
      end if;
      before := right(word, 200);
      before := ltrim(substr(before, char_length(rtrim(before, letters)) + 1), '._+-');
    end loop;
  end if;
  if array_length(keys, 1) = 1 and char_length(keys[1]) > 1 then
    return keys;
  end if;
  return nullif(array(select distinct key from unnest(keys) as key where char_length(key) > 1 order by key limit 10000), '{}');
end
$$;
-- An index expression calls the function with the rights of the writer of the row; it reads nothing but its argument.
grant execute on function private.contacts_in(text[]) to authenticated, service_role;

-- The key of one contact: an address, a phone number in any notation, or a WhatsApp user id; null if it is none of these.
create function private.contact_key(contact text) returns text
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  return case
    when strpos(contact, '@') > 0 or contact ~ '^[A-Z]{2}[.]' then (private.contacts_in(array[contact]))[1]
    when char_length(regexp_replace(contact, '[^0-9]', '', 'g')) between 5 and 20
      then regexp_replace(regexp_replace(contact, '[^0-9]', '', 'g'), '^00', '')
  end;
end
$$;

-- The keys of several contacts, each once.
create function private.contact_keys(contacts text[]) returns text[]
  language sql immutable
  set search_path = ''
  as $$ select array(select distinct k from unnest(contacts) as c, private.contact_key(c) as k where k is not null) $$;

-- A regular expression that finds contacts in texts in any notation, but not as a part of longer ones.
create function private.contacts_pattern(contacts text[]) returns text
  language sql immutable
  set search_path = ''
  as $$
select string_agg(
  case
    when strpos(contact, '@') > 0 or contact ~ '^[A-Z]{2}[.]' then
      -- Also after a character that a page address or JSON writes as an escape.
      '(?:(?<![a-z0-9._+-])|(?<=%[0-9a-f][0-9a-f])|(?<=\\[bfnrt]))'
      || replace(replace(regexp_replace(contact, '([][!"#$%&''()*,./:;<=>?\\^`{|}~-])', '\\\1', 'g'), '+', '(?:[+]|%(?:25)*2b)'), '@', '(?:@|%(?:25)*40)')
      || '(?![a-z0-9_+-]|[.][a-z0-9])'
    else '(?<![0-9])(?:[+]|%(?:25)*2b|00)?' || array_to_string(string_to_array(private.contact_key(contact), null), '[ ()./-]*') || '(?![0-9])'
  end,
  '|'
)
from unnest(contacts) as contact
where private.contact_key(contact) is not null
$$;

-- A text with a word in place of what the pattern finds; null where nothing else is left and null is allowed.
create function private.redact(content text, pattern text, may_be_null boolean, word text) returns text
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  if may_be_null and content collate "C" ~* ('^\s*(?:' || pattern || ')\s*$') then
    return null;
  end if;
  return regexp_replace(content collate "C", pattern, word, 'gi');
end
$$;

-- The same in JSON, field names included.
create function private.redact(content jsonb, pattern text, word text) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  if content::text collate "C" !~* pattern then
    return content;
  end if;
  return case jsonb_typeof(content)
    when 'object' then (
      select jsonb_object_agg(private.redact(f.key, pattern, false, word), private.redact(f.value, pattern, word)) from jsonb_each(content) as f
    )
    when 'array' then (
      select jsonb_agg(private.redact(e.value, pattern, word) order by e.ordinality) from jsonb_array_elements(content) with ordinality as e
    )
    else to_jsonb(private.redact(content #>> '{}', pattern, false, word))
  end;
end
$$;

create table private.mention_places (
  relation text constraint mention_places_pkey primary key,
  columns  text[] not null,
  keys     text not null,
  beside   text,
  remedy   text not null
);
comment on table private.mention_places is 'Tables of free text that may name a person, each with an index of the contacts in it.';
comment on column private.mention_places.keys is 'The expression of the index: the contacts that a row names, or null.';
comment on column private.mention_places.beside is
  'A table (id, contacts) with the contacts that rows name in columns which are not in keys. For columns that are updated often: an update of an indexed column writes every index.';
comment on column private.mention_places.remedy is
  'How a mention is erased: redact removes it from the texts; any other value is the name of a function that deletes rows by their ids.';

alter table private.mention_places enable row level security;
alter table private.mention_places force row level security;

-- The texts of a list of JSON, for indexes: these may not have jsonb[]::text.
create function private.json_texts(list jsonb[]) returns text[]
  language plpgsql immutable strict
  set search_path = ''
  as $$
begin
  return array(select e::text from unnest(list) as e);
end
$$;
-- As private.contacts_in.
grant execute on function private.json_texts(jsonb[]) to authenticated, service_role;

-- Lists a table and creates its index.
create function private.index_mentions(
  relation regclass, columns text[], remedy text default 'redact', keys text default null, beside regclass default null
) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  -- An index may not have text[]::text, so lists are appended as they are.
  expression constant text := coalesce(index_mentions.keys, (
    select format('private.contacts_in(array[%s]%s%s)',
      string_agg(format('%I::text', a.attname), ', ' order by a.attnum) filter (where a.atttypid not in ('text[]'::regtype, 'jsonb[]'::regtype)),
      coalesce(string_agg(format(' || %I', a.attname), '' order by a.attnum) filter (where a.atttypid = 'text[]'::regtype), ''),
      coalesce(
        string_agg(format(' || private.json_texts(%I)', a.attname), '' order by a.attnum) filter (where a.atttypid = 'jsonb[]'::regtype), ''
      ))
    from pg_catalog.pg_attribute as a
    where a.attrelid = index_mentions.relation and a.attname = any (index_mentions.columns)
  ));
begin
  -- For all rows: a condition on the expression would compute it a second time for each row that is written.
  execute format(
    'create index %I on %s using gin ((%s)) with (fastupdate = off)',
    (select c.relname || '_mentions' from pg_catalog.pg_class as c where c.oid = index_mentions.relation),
    index_mentions.relation, expression
  );
  insert into private.mention_places (relation, columns, keys, beside, remedy)
  values (
    index_mentions.relation::text, index_mentions.columns, expression, index_mentions.beside::text, index_mentions.remedy
  );
end
$$;

-- The condition on the rows of a listed table: $1 is the keys, $2 the pattern.
create function private.mention_condition(place private.mention_places) returns text
  language sql stable
  set search_path = ''
  as $$
select format(
  '((%s) && $1%s) and array_to_string(array[%s], chr(10)) collate "C" ~* $2', place.keys,
  -- An array, so that the planner can use both indexes.
  case when place.beside is not null then format(' or id = any (array(select b.id from %s as b where b.contacts && $1))', place.beside) else '' end,
  (select string_agg(format('%I::text', c), ', ') from unnest(place.columns) as c)
)
$$;

-- How many rows mention a person, by table and at most 10,000, without the rows of these ids: {"table": [id, ...]}.
create function private.mentions(contacts text[], but jsonb default '{}') returns jsonb
  language plpgsql stable
  set search_path = ''
  -- Search each table by its index, even where the statistics favour another plan.
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  set jit = off
  as $$
declare
  pattern constant text := private.contacts_pattern(contacts);
  keys constant text[] := private.contact_keys(contacts);
  place private.mention_places;
  rows_ bigint;
  counts jsonb := '{}';
begin
  for place in select p.* from private.mention_places as p order by p.relation loop
    execute format(
      'select count(*) from (select from %s where %s and id::text <> all ($3) limit 10000) as mentioning',
      place.relation, private.mention_condition(place)
    ) into rows_ using keys, pattern, array(select jsonb_array_elements_text(but -> place.relation));
    if rows_ > 0 then
      counts := counts || jsonb_build_object(place.relation, rows_);
    end if;
  end loop;
  return counts;
end
$$;

-- The statement that erases the mentions in rows of a listed table and gives the number of rows: of the ids in %s, with $1, the pattern, and $2, the
-- word in place of a mention.
create function private.mention_remedy(place private.mention_places) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  remedy text;
begin
  if place.remedy <> 'redact' then
    remedy := private.internal_function(place.remedy, 'uuid[]', 'bigint');
    if remedy is null then
      raise undefined_function using message = format('%s(uuid[]) is no function that erases mentions', place.remedy);
    end if;
    return format('select %s(%%s)', remedy);
  end if;
  return format('with changed as (update %s set %s where id = any (%%s) returning 1) select count(*) from changed', place.relation, (
    select string_agg(
      format(
        case a.atttypid
          when 'jsonb'::regtype then '%1$I = private.redact(%1$I, $1, $2)'
          when 'text[]'::regtype then '%1$I = array(select private.redact(one, $1, false, $2) from unnest(%1$I) as one)'
          when 'jsonb[]'::regtype then '%1$I = array(select private.redact(one, $1, $2) from unnest(%1$I) as one)'
          else '%1$I = private.redact(%1$I::text, $1, %2$L, $2)'
        end,
        a.attname, not a.attnotnull
      ),
      ', '
    )
    from pg_catalog.pg_attribute as a
    where a.attrelid = place.relation::regclass and a.attname = any (place.columns)
  ));
end
$$;

-- Erases the mentions in these rows of a table, with a word in their place; null if the table accepts it of none.
create function private.try_remedy(remedy text, ids text[], pattern text, word text) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  rows_ bigint;
begin
  execute format(remedy, quote_literal(ids)) into rows_ using pattern, word;
  return rows_;
exception
  -- PGRST: a trigger has refused the change.
  when integrity_constraint_violation or data_exception or sqlstate 'PGRST' then
    return null;
end
$$;

-- Erases mentions, at most 2,000 of a table, and returns how many rows had one, by table. Where a table refuses the statement, its rows are changed
-- one by one, so that one row does not block the others. Without the mention a text may equal another one in a unique index, or be too long: such
-- a row gets five random characters, fewer than any contact has. A row that is still refused stays, and private.mentions counts it.
create function private.erase_mentions(contacts text[]) returns jsonb
  language plpgsql volatile
  set search_path = ''
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  set jit = off
  as $$
declare
  pattern constant text := private.contacts_pattern(contacts);
  keys constant text[] := private.contact_keys(contacts);
  place private.mention_places;
  remedy text;
  ids text[];
  id text;
  word text;
  rows_ bigint;
  counts jsonb := '{}';
begin
  for place in select p.* from private.mention_places as p order by p.relation loop
    execute format('select array(select id::text from %s where %s limit 2000)', place.relation, private.mention_condition(place))
    into ids using keys, pattern;
    continue when ids = '{}';
    remedy := private.mention_remedy(place);
    rows_ := private.try_remedy(remedy, ids, pattern, '[erased]');
    if rows_ is null then
      rows_ := 0;
      foreach id in array ids loop
        foreach word in array array['[erased]', left(md5(gen_random_uuid()::text), 5), left(md5(gen_random_uuid()::text), 5)] loop
          continue when private.try_remedy(remedy, array[id], pattern, word) is null;
          rows_ := rows_ + 1;
          exit;
        end loop;
      end loop;
    end if;
    if rows_ > 0 then
      counts := counts || jsonb_build_object(place.relation, rows_);
    end if;
  end loop;
  return counts;
end
$$;

-- migrate:down
drop function private.erase_mentions(text[]);
drop function private.try_remedy(text, text[], text, text);
drop function private.mention_remedy(private.mention_places);
drop function private.mentions(text[], jsonb);
drop function private.mention_condition(private.mention_places);
drop function private.index_mentions(regclass, text[], text, text, regclass);
drop function private.json_texts(jsonb[]);
drop table private.mention_places;
drop function private.redact(jsonb, text, text);
drop function private.redact(text, text, boolean, text);
drop function private.contacts_pattern(text[]);
drop function private.contact_keys(text[]);
drop function private.contact_key(text);
drop function private.contacts_in(text[]);
