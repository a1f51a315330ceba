-- 0450: search of observatory. Every function here first finds out which projects the caller may see, and looks at nothing else.
-- migrate:up
-- Trigger: what a tool was asked or has answered was changed, for instance by the erasure of a person.
create function private.index_changed_calls() returns trigger
  language plpgsql
  security definer
  set search_path = ''
  as $$
begin
  perform private.index_vectors(array(
    select new.message_id where new.message_id is not null
    union all
    select m.id
    from observatory.messages as m
    where m.parent_id = new.message_id and m.content_blocks @> jsonb_build_array(jsonb_build_object('tool_use_id', new.tool_use_id))
  ));
  return null;
end
$$;
revoke execute on function private.index_changed_calls() from public;
-- The result of a call comes after it, and is indexed with its own message.
create trigger tool_calls_search after update of tool_name, input, output, error_message on observatory.tool_calls
  for each row when (
    old.tool_name <> new.tool_name or old.input <> new.input or old.output is distinct from new.output and old.output is not null
    or old.error_message is distinct from new.error_message and old.error_message is not null
  ) execute function private.index_changed_calls();

-- What one word or phrase of a query matches: its words as they are, or the stems of the parts of its identifiers, one after the other.
create function private.search_term(words text) returns tsquery
  language plpgsql immutable strict
  set search_path = ''
  -- A text without words raises a notice.
  set client_min_messages = warning
  as $$
declare
  plain constant tsquery := phraseto_tsquery('pg_catalog.simple', words);
  parts constant tsquery := phraseto_tsquery('private.english', private.split_identifiers(words));
  dense tsquery;
  rest tsquery;
  found_ tsquery := case when numnode(parts) = 0 or plain = parts then plain else plain || parts end;
  run text;
begin
  if octet_length(words) = char_length(words) or words !~ private.dense_script() then
    return found_;
  end if;
  for run in select f.run[1] from regexp_matches(words, private.dense_script(), 'g') as f (run) loop
    dense := coalesce(dense && phraseto_tsquery('pg_catalog.simple', private.character_pairs(run)),
      phraseto_tsquery('pg_catalog.simple', private.character_pairs(run)));
  end loop;
  rest := phraseto_tsquery('pg_catalog.simple', regexp_replace(words, private.dense_script(), ' ', 'g'));
  if numnode(rest) > 0 then
    dense := dense && rest;
  end if;
  return case when numnode(found_) = 0 then dense else found_ || dense end;
end
$$;
revoke execute on function private.search_term(text) from public;

-- The query of what somebody has typed: words, all of which must be there; "phrases"; or between alternatives; -word and -"phrase" for
-- what must not be there. Ends the request if there is nothing to look for.
create function private.search_query(q text) returns tsquery
  language plpgsql stable
  set search_path = ''
  as $$
declare
  given constant text := private.searchable(coalesce(q, ''));
  part text[];
  term tsquery;
  clause tsquery;
  alternatives tsquery;
  without tsquery;
  parts bigint := 0;
begin
  if char_length(given) > 500 then
    perform private.refuse(422, 'RG668', 'The query cannot be searched for', 'It has more than 500 characters', 'Send fewer words.');
  end if;
  for part in select m from regexp_matches(given, '(-?)(?:"([^"]*)"?|([^\s"]+))', 'g') as m loop
    parts := parts + 1;
    if parts > 40 then
      perform private.refuse(422, 'RG668', 'The query cannot be searched for', 'It has more than 40 words', 'Send fewer words.');
    end if;
    if part[1] = '' and lower(part[3] collate "C") = 'or' then
      if clause is not null then
        alternatives := case when alternatives is null then clause else alternatives || clause end;
        clause := null;
      end if;
      continue;
    end if;
    term := private.search_term(coalesce(part[2], part[3]));
    continue when numnode(term) = 0;
    if part[1] = '-' then
      without := case when without is null then term else without || term end;
    else
      clause := case when clause is null then term else clause && term end;
    end if;
  end loop;
  if alternatives is not null then
    clause := case when clause is null then alternatives else alternatives || clause end;
  end if;
  if clause is null then
    perform private.refuse(
      422, 'RG668', 'The query cannot be searched for', 'It has no word to look for', 'Send a word, a phrase in quotation marks, or an identifier.'
    );
  end if;
  return case when without is null then clause else clause && !!without end;
end
$$;
revoke execute on function private.search_query(text) from public;

-- A query for exactly one word of a vector, of any characters.
create function private.exact_word(word text) returns tsquery
  language sql immutable strict
  return ('''' || replace(replace(left(word, 300), '\', '\\'), '''', '''''') || '''')::tsquery;
revoke execute on function private.exact_word(text) from public;

create type private.search_hit as (
  message_id  uuid,
  occurred_at timestamptz,
  bucket      int,
  is_copy     boolean
);

-- Whether the planner knows nothing about words: their table was never analysed, as right after it was restored from a dump. It would then
-- take every word for rare and every project for small, and read all messages that have a common word.
create function private.words_are_unknown() returns boolean
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return (select c.reltuples < 0 from pg_catalog.pg_class as c where c.oid = 'private.message_search'::regclass);
end
$$;
revoke execute on function private.words_are_unknown() from public;

-- The vectors of the latest messages of a project: 200, or all that it has.
create function private.latest_vectors(project uuid) returns tsvector[]
  language plpgsql stable
  set search_path = ''
  -- By the index of the latest.
  set enable_bitmapscan = off
  set enable_sort = off
  set jit = off
  as $$
begin
  return array(
    select s.search from private.message_search as s
    where s.project_id = latest_vectors.project
    order by s.occurred_at desc, s.message_id desc
    limit 200
  );
end
$$;
revoke execute on function private.latest_vectors(uuid) from public;

-- Whether a project has more messages with words than so many: counted in the index of the latest.
create function private.has_more_messages(project uuid, than int) returns boolean
  language plpgsql stable
  set search_path = ''
  set enable_bitmapscan = off
  set enable_seqscan = off
  set jit = off
  as $$
begin
  return exists (
    select from private.message_search as s where s.project_id = has_more_messages.project offset has_more_messages.than
  );
end
$$;
revoke execute on function private.has_more_messages(uuid, int) from public;

-- Whether matches are sooner found by time than by their words. `size`: bytes of all vectors, a message has 600 on average. To read a message
-- by time costs 0.35 µs, and to read a match by the words 1.55 µs. By time all messages of the project are read at most, and usually a thousand
-- divided by the share of those that match.
create function private.is_common(latest tsvector[], query tsquery, size bigint) returns boolean
  language plpgsql immutable
  set search_path = ''
  as $$
declare
  looked_at constant float8 := cardinality(latest);
  share float8;
begin
  if looked_at < 200 then
    return true;
  end if;
  share := (select count(*) from unnest(latest) as v (search) where v.search @@ query) / looked_at;
  -- A share of fewer than five could be chance.
  return share * 1.55 >= 0.35 or share >= 5 / looked_at and share * size / 600 * 1.55 >= 1000 / share * 0.35;
end
$$;
revoke execute on function private.is_common(tsvector[], tsquery, bigint) from public;

-- The latest messages of a project that match, found by time.
create function private.hits_by_time(
  project uuid, query tsquery, ranked_by tsquery, since timestamptz, latest timestamptz, most bigint
) returns private.search_hit[]
  language plpgsql stable
  set search_path = ''
  set enable_bitmapscan = off
  set enable_sort = off
  set jit = off
  as $$
begin
  return array(
    select row(s.message_id, s.occurred_at, floor(16 * ts_rank_cd(s.search, ranked_by, 32))::int, s.is_copy)::private.search_hit
    from private.message_search as s
    where s.project_id = hits_by_time.project and s.search @@ query
      and s.occurred_at between coalesce(since, '-infinity') and coalesce(latest, 'infinity')
    order by s.occurred_at desc, s.message_id desc
    limit most
  );
end
$$;
revoke execute on function private.hits_by_time(uuid, tsquery, tsquery, timestamptz, timestamptz, bigint) from public;

-- The latest thousand messages of these projects that match, with their ranks. `marks` are filters; nothing later than `latest` is looked
-- at. Project by project: a plan for one project knows how common the words are and how large the project is; where it does not, a look at
-- the project's latest messages decides.
create function private.search_hits(
  projects uuid[], query tsquery, marks tsquery, since timestamptz, latest timestamptz
) returns private.search_hit[]
  language plpgsql stable
  set search_path = ''
  set jit = off
  as $$
declare
  most constant int := 1000;
  wanted constant tsquery := case when marks is null then query else query && marks end;
  are_unknown constant boolean := private.words_are_unknown();
  size constant bigint := pg_relation_size('private.message_search');
  project uuid;
  floor_ timestamptz := since;
  found_ private.search_hit[];
  hits private.search_hit[] := '{}';
begin
  foreach project in array projects loop
    if are_unknown and private.is_common(private.latest_vectors(project), wanted, size) then
      found_ := private.hits_by_time(project, wanted, query, floor_, latest, most);
    else
      execute format(
        'select array_agg(row(h.message_id, h.occurred_at, h.bucket, h.is_copy)::private.search_hit)
         from (
           select s.message_id, s.occurred_at, floor(16 * ts_rank_cd(s.search, %2$L::tsquery, 32))::int as bucket, s.is_copy
           from private.message_search as s
           where s.project_id%7$s = %1$L and s.search @@ %3$L::tsquery%4$s%5$s
           order by s.occurred_at desc, s.message_id desc
           limit %6$s
         ) as h',
        project, query, wanted,
        case when floor_ is not null then format(' and s.occurred_at >= %L', floor_) end,
        case when latest is not null then format(' and s.occurred_at <= %L', latest) end, most,
        -- As a text, which no index has: by the words only.
        case when are_unknown then '::text' end
      ) into found_;
    end if;
    continue when coalesce(cardinality(found_), 0) = 0;
    hits := hits || found_;
    if cardinality(hits) > most then
      hits := array(select h from unnest(hits) as h order by (h).occurred_at desc, (h).message_id desc limit most);
    end if;
    if cardinality(hits) = most then
      -- Of the other projects only what is later counts.
      floor_ := greatest(floor_, (select min((h).occurred_at) from unnest(hits) as h));
    end if;
  end loop;
  return hits;
end
$$;
revoke execute on function private.search_hits(uuid[], tsquery, tsquery, timestamptz, timestamptz) from public;

-- Hits whose conversations are not deleted.
create function private.without_hidden(hits private.search_hit[], projects uuid[]) returns private.search_hit[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  hidden constant uuid[] := private.hidden_in(projects);
begin
  if cardinality(hidden) = 0 then
    return hits;
  end if;
  return array(
    select h from unnest(hits) as h
    where exists (select from observatory.messages as m where m.id = (h).message_id and m.conversation_id <> all (hidden))
  );
end
$$;
revoke execute on function private.without_hidden(private.search_hit[], uuid[]) from public;

-- The latest thousand messages that match, as private.search_hits, of conversations that are not deleted; and whether there may be more. Usually
-- nothing is hidden, and one look is enough. Until the job has deleted a large session, its messages may be the latest thousands: then the next
-- older ones are looked at, for a second.
create function private.shown_hits(
  projects uuid[], query tsquery, marks tsquery, since timestamptz, latest timestamptz, out hits private.search_hit[], out is_capped boolean
)
  language plpgsql stable
  set search_path = ''
  as $$
declare
  most constant int := 1000;
  until_ constant timestamptz := clock_timestamp() + interval '1 second';
  found_ private.search_hit[] := private.search_hits(projects, query, marks, since, latest);
  before timestamptz := latest;
  earliest timestamptz;
begin
  is_capped := cardinality(found_) >= most;
  hits := private.without_hidden(found_, projects);
  if not is_capped or cardinality(hits) = cardinality(found_) then
    return;
  end if;
  loop
    earliest := (select min((h).occurred_at) from unnest(found_) as h);
    -- A thousand of one time.
    exit when earliest >= before or clock_timestamp() > until_;
    before := earliest;
    found_ := private.search_hits(projects, query, marks, since, before);
    is_capped := cardinality(found_) >= most;
    hits := array(
      select u.h
      from (select unnest(hits) union select unnest(private.without_hidden(found_, projects))) as u (h)
      order by (u.h).occurred_at desc, (u.h).message_id desc
      limit most
    );
    exit when not is_capped or cardinality(hits) = most;
  end loop;
end
$$;
revoke execute on function private.shown_hits(uuid[], tsquery, tsquery, timestamptz, timestamptz) from public;

-- Hits, each entry once: copies of an entry that is among them itself, or in another copy, are left out.
create function private.without_copies(hits private.search_hit[]) returns private.search_hit[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  ids uuid[];
begin
  -- Mostly there is none.
  if not exists (select from unnest(hits) as h where (h).is_copy) then
    return hits;
  end if;
  ids := array(select (h).message_id from unnest(hits) as h);
  return array(
    select h
    from unnest(hits) as h
    where not (h).is_copy or not exists (
      select
      from observatory.messages as m
      cross join lateral (
        select o.id, o.is_copy, o.conversation_id from observatory.messages as o
        where o.owner_id = m.owner_id and o.entry_uuid = m.entry_uuid
        offset 0
      ) as o
      where m.id = (h).message_id and o.id = any (ids) and (o.is_copy, o.conversation_id) < (m.is_copy, m.conversation_id)
    )
  );
end
$$;
revoke execute on function private.without_copies(private.search_hit[]) from public;

-- The part of a text where the words of a query are, as HTML: the text is escaped, and each word found is in a <mark>.
create function private.highlight(words text, query tsquery) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  -- Two characters that nobody uses stand for the marks until the text is escaped.
  opening constant text := U&'\E000';
  closing constant text := U&'\E001';
  plain constant text := translate(left(words, 100000), opening || closing, '');
  -- Of a part only: ts_headline reads every word.
  shown text := ts_headline(
    'private.english', left(plain, 20000), query,
    format('StartSel=%s, StopSel=%s, MaxFragments=2, MaxWords=24, MinWords=8, FragmentDelimiter=" … "', opening, closing)
  );
  word text;
  place int;
begin
  if strpos(shown, opening) = 0 then
    -- A part of an identifier, of a text without spaces, or a word that stands far below. querytree leaves out what must not be there.
    for word in
      select replace(m[1], '''''', '''') from regexp_matches(querytree(query), '''((?:[^'']|'''')+)''', 'g') as m
      order by char_length(m[1]) desc, m[1]
    loop
      place := strpos(lower(plain collate "C"), word);
      if place > 0 then
        shown := substr(plain, greatest(place - 80, 1), least(place, 81) - 1) || opening || substr(plain, place, char_length(word)) || closing
          || substr(plain, place + char_length(word), 120);
        exit;
      end if;
    end loop;
  end if;
  shown := left(shown, 2000);
  if strpos(shown, opening) > 0 and strpos(reverse(shown), opening) < coalesce(nullif(strpos(reverse(shown), closing), 0), 2001) then
    shown := shown || closing;
  end if;
  shown := replace(replace(replace(replace(shown, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;');
  return replace(replace(shown, opening, '<mark>'), closing, '</mark>');
end
$$;
revoke execute on function private.highlight(text, tsquery) from public;

-- The projects that a search looks into: one, or all that the caller may see, the most active first. Ends the request for a project that
-- the caller may not see or that is not there.
create function private.searched_projects(project uuid) returns uuid[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  visible uuid[];
begin
  if project is not null then
    if private.role_in(project, 'read') is null then
      perform private.refuse(404, 'RG660', 'There is no such project', null, 'Take an id of GET /rest/v1/projects.');
    end if;
    return array[project];
  end if;
  visible := observatory.visible_projects();
  return array(
    select p.id from observatory.projects as p where p.id = any (visible) order by p.last_activity_at desc, p.id limit 200
  );
end
$$;
revoke execute on function private.searched_projects(uuid) from public;

-- Messages that match a query, best first and, of those that match as well, latest first: {search_id, results, count, is_capped, next}.
-- Of more than a thousand the latest thousand are looked at.
create function observatory.search(
  q text, project uuid default null, role text default null, tool text default null, since timestamptz default null,
  until timestamptz default null, cursor text default null, "limit" bigint default 20
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  projects constant uuid[] := private.searched_projects(search.project);
  query tsquery;
  marks tsquery;
  after text[];
  latest timestamptz;
  hits private.search_hit[];
  page private.search_hit[];
  last_one private.search_hit;
  is_capped boolean;
  results jsonb;
  search_id uuid;
begin
  query := private.search_query(search.q);
  if "limit" is null or "limit" not between 1 and 100 then
    perform private.refuse(400, 'RG669', 'The limit is not one of this list', 'It is 1 to 100', 'Leave it out for 20.');
  end if;
  marks := private.exact_word(' role ' || search.role);
  if search.tool is not null then
    marks := coalesce(marks && private.exact_word(' tool ' || search.tool), private.exact_word(' tool ' || search.tool));
  end if;
  latest := search.until;
  if search.cursor is not null then
    -- Nothing later than what the first page was chosen from: it would push other messages out of the thousand. A message of an older session
    -- that was stored since may be on this page.
    after := private.cursor_parts(search.cursor, '^-?\d{1,18}[.]\d{1,2}[.]-?\d{1,18}[.][0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$');
    latest := least(latest, 'epoch'::timestamptz + after[1]::bigint * interval '1 microsecond');
  end if;

  select s.hits, s.is_capped into hits, is_capped from private.shown_hits(projects, query, marks, search.since, latest) as s;
  hits := private.without_copies(hits);
  if after is null then
    latest := (select max((h).occurred_at) from unnest(hits) as h);
  end if;
  page := array(
    select h from unnest(hits) as h
    where after is null or ((h).bucket, (h).occurred_at, (h).message_id)
      < (after[2]::int, 'epoch'::timestamptz + after[3]::bigint * interval '1 microsecond', after[4]::uuid)
    order by (h).bucket desc, (h).occurred_at desc, (h).message_id desc
    limit search."limit" + 1
  );
  if cardinality(page) > search."limit" then
    page := page[1:search."limit"];
    last_one := page[search."limit"];
  end if;

  select jsonb_agg(jsonb_build_object(
    'message_id', m.id, 'project_id', m.project_id, 'conversation_id', m.conversation_id, 'title', c.title, 'entry_type', m.entry_type,
    'role', m.role, 'occurred_at', m.occurred_at, 'seq', m.seq, 'is_copy', m.is_copy, 'rank', p.bucket,
    'highlight', private.highlight(private.search_text(m), query)
  ) order by p.n) into results
  from unnest(page) with ordinality as p (message_id, occurred_at, bucket, is_copy, n)
  inner join observatory.messages as m on m.id = p.message_id
  inner join observatory.conversations as c on c.id = m.conversation_id and c.deleted_at is null;

  if after is null then
    search_id := private.note_search(
      caller, case when search.project is not null or cardinality(projects) = 1 then projects[1] end, search.q,
      jsonb_strip_nulls(jsonb_build_object('role', search.role, 'tool', search.tool, 'since', search.since, 'until', search.until)),
      cardinality(hits)
    );
  end if;
  return jsonb_build_object(
    'search_id', search_id, 'results', coalesce(results, '[]'), 'count', cardinality(hits), 'is_capped', is_capped,
    'next', case when last_one is not null then private.cursor_of(
      (extract(epoch from latest) * 1000000)::bigint::text, last_one.bucket::text,
      (extract(epoch from last_one.occurred_at) * 1000000)::bigint::text, last_one.message_id::text
    ) end
  );
end
$$;
comment on function observatory.search(text, uuid, text, text, timestamptz, timestamptz, text, bigint) is
  'Searches messages of projects that the caller may see. Definer: vectors are in the schema private; it finds out the projects first.';
revoke execute on function observatory.search(text, uuid, text, text, timestamptz, timestamptz, text, bigint) from public;
grant execute on function observatory.search(text, uuid, text, text, timestamptz, timestamptz, text, bigint) to authenticated;

-- migrate:down
drop function observatory.search(text, uuid, text, text, timestamptz, timestamptz, text, bigint);
drop function private.searched_projects(uuid);
drop function private.highlight(text, tsquery);
drop function private.shown_hits(uuid[], tsquery, tsquery, timestamptz, timestamptz);
drop function private.without_hidden(private.search_hit[], uuid[]);
drop function private.without_copies(private.search_hit[]);
drop function private.search_hits(uuid[], tsquery, tsquery, timestamptz, timestamptz);
drop function private.hits_by_time(uuid, tsquery, tsquery, timestamptz, timestamptz, bigint);
drop function private.is_common(tsvector[], tsquery, bigint);
drop function private.has_more_messages(uuid, int);
drop function private.latest_vectors(uuid);
drop function private.words_are_unknown();
drop type private.search_hit;
drop function private.exact_word(text);
drop function private.search_query(text);
drop function private.search_term(text);
drop trigger tool_calls_search on observatory.tool_calls;
drop function private.index_changed_calls();
