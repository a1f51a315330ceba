-- 0451: search terms of observatory. What a project's sessions are about, for suggestions: names of tools, of files, and words that were
-- looked for and found. And messages that are like another one.
-- migrate:up
create table observatory.search_terms (
  id         uuid constraint search_terms_pkey primary key default gen_random_uuid(),
  project_id uuid not null,
  user_id    uuid not null,
  kind       text not null,
  term       text not null,
  folded     text not null generated always as (lower(term collate "C")) stored,
  uses       bigint not null default 1,
  constraint search_terms_project foreign key (project_id) references observatory.projects (id) on delete cascade,
  -- By user, so that uploads of several members never wait for each other.
  -- The kind first: queries filter by it.
  constraint search_terms_once unique (project_id, kind, user_id, term),
  constraint search_terms_kind check (kind in ('tool', 'file', 'word')),
  constraint search_terms_term check (char_length(term) between 1 and 200),
  constraint search_terms_uses check (uses > 0)
);
comment on table observatory.search_terms is
  'Terms that searches are completed to, each with its uses by user. They stand in the project''s own messages and tool calls.';
comment on column observatory.search_terms.user_id is 'Whose session has the tool or the file; who has found the word.';
create index search_terms_user on observatory.search_terms (user_id);
create index search_terms_prefix on observatory.search_terms (project_id, folded text_pattern_ops);

create table private.stale_terms (
  id         bigint generated always as identity constraint stale_terms_pkey primary key,
  project_id uuid not null constraint stale_terms_project references observatory.projects (id) on delete cascade,
  checked_to text,
  waiting_at timestamptz not null default clock_timestamp()
);
comment on table private.stale_terms is
  'Projects of which messages were deleted: words that members found there may stand in no message any more. Nobody sees them until a job has looked.';
comment on column private.stale_terms.checked_to is
  'The last word that the job has looked for. Those after it wait for its next runs; what is deleted from then on adds another row, for another pass. Null: not begun.';
comment on column private.stale_terms.waiting_at is 'Since when the project waits for its turn: some of its words are looked for at a time.';

-- One row for each deletion, not for each project: nobody who deletes waits for the job, or for somebody else.
create index stale_terms_project_id on private.stale_terms (project_id);

alter table private.stale_terms enable row level security;
alter table private.stale_terms force row level security;

-- Projects of the caller's whose words have still to be looked for, since messages were deleted: mostly none.
create function observatory.unchecked_words() returns uuid[]
  language plpgsql stable security definer
  set search_path = ''
  as $$
begin
  return array(
    select t.project_id from private.stale_terms as t where t.project_id = any ((select observatory.visible_projects())::uuid[])
  );
end
$$;
comment on function observatory.unchecked_words() is
  'Projects of the caller''s whose words are shown only after a job has looked for them. Definer: the list is in the schema private.';
revoke execute on function observatory.unchecked_words() from public;
grant execute on function observatory.unchecked_words() to authenticated;

alter table observatory.search_terms enable row level security;
alter table observatory.search_terms force row level security;
create policy member_select on observatory.search_terms for select to authenticated
  using (
    project_id = any ((select observatory.visible_projects())::uuid[])
    and (kind <> 'word' or project_id <> all ((select observatory.unchecked_words())::uuid[]))
  );
grant select on observatory.search_terms to authenticated, service_role;

create trigger search_terms_erased before insert or update on observatory.search_terms
  for each statement execute function private.refuse_erased_caller();

-- The terms of tool calls: the tool and, of a file, its name. None that names a person.
create function private.call_terms(tool_name text, file_path text) returns table (kind text, term text)
  language sql immutable
  set search_path = ''
  rows 2
  as $$
select t.kind, left(t.term, 200)
from (
  values ('tool', tool_name), ('file', private.searchable(nullif(regexp_replace(file_path, '^.*[/\\]', ''), '')))
) as t (kind, term)
where t.term is not null and private.contacts_in(array[t.term]) is null
$$;
revoke execute on function private.call_terms(text, text) from public;

-- Makes messages of an upload searchable.
create function private.index_messages(ids uuid[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform private.index_vectors(ids);
end
$$;
revoke execute on function private.index_messages(uuid[]) from public;

-- Adds uses of terms, or takes them away. A term is deleted with its last use.
create function private.add_terms(changes observatory.search_terms[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  less record;
begin
  insert into observatory.search_terms as s (project_id, user_id, kind, term, uses)
  select c.project_id, c.user_id, c.kind, c.term, sum(c.uses)
  from unnest(changes) as c
  -- A change of a text, such as an erasure, must not fail for its terms.
  where exists (select from observatory.projects as p where p.id = c.project_id)
  group by c.project_id, c.user_id, c.kind, c.term
  having sum(c.uses) > 0
  order by c.project_id, c.user_id, c.kind, c.term
  on conflict on constraint search_terms_once do update set uses = s.uses + excluded.uses;
  for less in
    select c.project_id, c.user_id, c.kind, c.term, -sum(c.uses) as uses
    from unnest(changes) as c
    group by c.project_id, c.user_id, c.kind, c.term
    having sum(c.uses) < 0
    order by c.project_id, c.user_id, c.kind, c.term
  loop
    delete from observatory.search_terms as s
    where s.project_id = less.project_id and s.user_id = less.user_id and s.kind = less.kind and s.term = less.term and s.uses <= less.uses;
    update observatory.search_terms as s set uses = s.uses - less.uses
    where s.project_id = less.project_id and s.user_id = less.user_id and s.kind = less.kind and s.term = less.term;
  end loop;
end
$$;
revoke execute on function private.add_terms(observatory.search_terms[]) from public;

-- Those of these conversations that are deleted. The terms of what they held went at their deletion.
create function private.deleted_among(conversation_ids uuid[]) returns uuid[]
  language sql stable
  set search_path = ''
  as $$
select array(select c.id from observatory.conversations as c where c.id = any (deleted_among.conversation_ids) and c.deleted_at is not null)
$$;
revoke execute on function private.deleted_among(uuid[]) from public;

-- Trigger: counts the terms of tool calls that are stored, change their owner or are deleted.
create function private.count_terms() returns trigger
  language plpgsql
  -- Definer: users write no terms themselves.
  security definer
  set search_path = ''
  as $$
declare
  changes observatory.search_terms[] := '{}';
  deleted uuid[];
begin
  if tg_op = 'INSERT' then
    deleted := private.deleted_among(array(select distinct n.conversation_id from new_rows as n));
    changes := array(
      select row(null, n.project_id, n.owner_id, t.kind, t.term, null, n.calls)::observatory.search_terms
      from (
        -- The same few tools and files, over and over.
        select r.project_id, r.owner_id, r.tool_name, r.file_path, count(*) as calls
        from new_rows as r
        where not r.is_copy and r.conversation_id <> all (deleted)
        group by r.project_id, r.owner_id, r.tool_name, r.file_path
      ) as n
      cross join private.call_terms(n.tool_name, n.file_path) as t
    );
  elsif tg_op = 'DELETE' then
    deleted := private.deleted_among(array(select distinct o.conversation_id from old_rows as o));
    changes := array(
      select row(null, o.project_id, o.owner_id, t.kind, t.term, null, -1)::observatory.search_terms
      from old_rows as o, private.call_terms(o.tool_name, o.file_path) as t
      where not o.is_copy and o.conversation_id <> all (deleted)
    );
  else
    deleted := private.deleted_among(array(select o.conversation_id from old_rows as o union select n.conversation_id from new_rows as n));
    changes := array(
      select row(null, v.project_id, v.owner_id, t.kind, t.term, null, v.calls)::observatory.search_terms
      -- Not by a join of the two: that is planned for one row, and would compare each of ten thousand with all others.
      from (
        select r.project_id, r.owner_id, r.tool_name, r.file_path, sum(r.sign) as calls
        from (
          select n.project_id, n.owner_id, n.tool_name, n.file_path, n.is_copy, n.conversation_id, 1 as sign from new_rows as n
          union all
          select o.project_id, o.owner_id, o.tool_name, o.file_path, o.is_copy, o.conversation_id, -1 from old_rows as o
        ) as r
        where not r.is_copy and r.conversation_id <> all (deleted)
        group by r.project_id, r.owner_id, r.tool_name, r.file_path
        having sum(r.sign) <> 0
      ) as v
      cross join private.call_terms(v.tool_name, v.file_path) as t
    );
  end if;
  if changes <> '{}' then
    perform private.add_terms(changes);
  end if;
  return null;
end
$$;
revoke execute on function private.count_terms() from public;
-- One trigger for each kind of statement: a trigger of several kinds cannot have old_rows and new_rows.
create trigger tool_calls_terms_insert after insert on observatory.tool_calls referencing new table as new_rows
  for each statement execute function private.count_terms();
create trigger tool_calls_terms_update after update on observatory.tool_calls referencing old table as old_rows new table as new_rows
  for each statement execute function private.count_terms();
create trigger tool_calls_terms_delete after delete on observatory.tool_calls referencing old table as old_rows
  for each statement execute function private.count_terms();

-- Notes projects whose words a job has to look for.
create function private.doubt_words(project_ids uuid[]) returns void
  language sql volatile
  set search_path = ''
  as $$
insert into private.stale_terms (project_id)
select p.id
from observatory.projects as p
where p.id = any (doubt_words.project_ids) and exists (
  select from observatory.search_terms as s where s.project_id = p.id and s.kind = 'word'
)
order by p.id
$$;
revoke execute on function private.doubt_words(uuid[]) from public;

-- Adds the terms of all that conversations hold, or takes them away, by the sign. PL/pgSQL plans for the conversations that are given; SQL would
-- for any ten of them, and read all calls where a conversation is believed to have many.
create function private.add_contents_terms(conversation_ids uuid[], sign int) returns void
  language plpgsql volatile
  set search_path = ''
  -- By index, also where conversations are believed to have most of the calls.
  set enable_seqscan = off
  set jit = off
  as $$
begin
  perform private.add_terms(array(
    select row(null, c.project_id, c.owner_id, t.kind, t.term, null, add_contents_terms.sign * c.calls)::observatory.search_terms
    from (
      select r.project_id, r.owner_id, r.tool_name, r.file_path, count(*) as calls
      from observatory.tool_calls as r
      where r.conversation_id = any (add_contents_terms.conversation_ids) and not r.is_copy
      group by r.project_id, r.owner_id, r.tool_name, r.file_path
    ) as c
    cross join private.call_terms(c.tool_name, c.file_path) as t
  ));
end
$$;
revoke execute on function private.add_contents_terms(uuid[], int) from public;

-- Trigger: a conversation is deleted. Its terms are not suggested from then on.
create function private.count_deleted_terms() returns trigger
  language plpgsql
  -- Definer: users write no terms themselves.
  security definer
  set search_path = ''
  as $$
declare
  changed record;
begin
  -- Not by a join, as in private.roll_conversations.
  for changed in
    select c.sign, array_agg(c.id) as ids, array_agg(distinct c.project_id) as projects
    from (
      select r.id, sum(r.sign)::int as sign, (array_agg(r.project_id) filter (where r.is_new))[1] as project_id
      from (
        select n.id, n.project_id, true as is_new, (n.deleted_at is null)::int as sign from new_rows as n
        union all
        select o.id, o.project_id, false, -(o.deleted_at is null)::int from old_rows as o
      ) as r
      group by r.id
      having sum(r.sign) <> 0
    ) as c
    where exists (select from observatory.projects as p where p.id = c.project_id and p.deleted_at is null offset 0)
    group by c.sign
  loop
    perform private.add_contents_terms(changed.ids, changed.sign);
    perform private.doubt_words(changed.projects);
  end loop;
  return null;
end
$$;
revoke execute on function private.count_deleted_terms() from public;
create trigger conversations_deleted_terms after update on observatory.conversations
  referencing old table as old_rows new table as new_rows
  for each statement execute function private.count_deleted_terms();

-- Trigger: as private.roll_contents_again.
create function private.count_terms_again() returns trigger
  language plpgsql
  -- Definer: users write no terms themselves.
  security definer
  set search_path = ''
  as $$
begin
  if exists (select from observatory.projects as p where p.id = old.project_id and p.deleted_at is null) then
    perform private.add_contents_terms(array[old.id], 1);
  end if;
  return null;
end
$$;
revoke execute on function private.count_terms_again() from public;
create trigger "Count terms again" after delete on observatory.conversations
  for each row when (old.deleted_at is not null) execute function private.count_terms_again();

-- Trigger: messages were deleted. The job looks for their words later, so that a deletion takes no longer.
create function private.note_stale_terms() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
begin
  perform private.doubt_words(array(
    select distinct o.project_id
    from old_rows as o
    -- Of a deleted conversation the words were doubted at its deletion. Asked once, not for each row.
    where o.conversation_id <> all ((select private.deleted_among(array(select distinct r.conversation_id from old_rows as r)))::uuid[])
  ));
  return null;
end
$$;
revoke execute on function private.note_stale_terms() from public;
create trigger messages_stale_terms after delete on observatory.messages referencing old table as old_rows
  for each statement execute function private.note_stale_terms();

-- Looks for at most so many words, for some seconds, and deletes those that stand in no message of their project any more. Returns how many it has
-- looked for. Projects take turns: of each, 200 words at a time.
create function private.delete_stale_terms(most bigint default 2000, seconds float8 default 2) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  until_ constant timestamptz := clock_timestamp() + make_interval(secs => seconds);
  stale record;
  terms text[];
  last_term text;
  asked bigint;
  left_out text;
  is_there boolean;
  looked_for bigint := 0;
begin
  loop
    asked := least(200, most - looked_for);
    exit when asked <= 0 or clock_timestamp() > until_;
    select t.id, t.project_id, coalesce(t.checked_to, '') as checked_to into stale
    from private.stale_terms as t
    where t.checked_to is not null
      or not exists (select from private.stale_terms as o where o.project_id = t.project_id and o.checked_to is not null)
    order by t.waiting_at, t.id
    limit 1
    for update skip locked;
    exit when not found;
    if stale.checked_to = '' then
      delete from private.stale_terms as t where t.project_id = stale.project_id and t.checked_to is null and t.id <> stale.id;
    end if;
    terms := array(
      select distinct s.term
      from observatory.search_terms as s
      where s.project_id = stale.project_id and s.kind = 'word' and s.term > stale.checked_to
      order by s.term
      limit asked
    );
    last_term := null;
    -- Messages of deleted conversations whose rows are still there.
    left_out := case when exists (
      select from observatory.conversations as c where c.project_id = stale.project_id and c.deleted_at is not null
    ) then
      -- By the id of each, not as a join with all deleted ones.
      ' and (
         select c.deleted_at from observatory.messages as m inner join observatory.conversations as c on c.id = m.conversation_id
         where m.id = v.message_id
       ) is null'
    end;
    for n in 1..cardinality(terms) loop
      exit when clock_timestamp() > until_;
      -- A query of its own for each word: which plan is the best depends on how rare it is.
      begin
        execute format(
          'select exists (select from private.message_search as v where v.project_id = %L and v.search @@ %L::tsquery%s)',
          stale.project_id, phraseto_tsquery('pg_catalog.simple', terms[n]), left_out
        ) into is_there;
      exception
        when query_canceled then
          -- The time of the statement is over. The word stays, and the next run goes on behind it.
          raise warning 'delete_stale_terms: a word of % takes too long', stale.project_id;
          is_there := true;
      end;
      if not is_there then
        delete from observatory.search_terms as s
        where s.project_id = stale.project_id and s.kind = 'word' and s.term = terms[n];
      end if;
      last_term := terms[n];
      looked_for := looked_for + 1;
    end loop;
    if cardinality(terms) < asked and last_term is not distinct from terms[cardinality(terms)] then
      delete from private.stale_terms as t where t.id = stale.id;
    else
      update private.stale_terms as t set checked_to = coalesce(last_term, stale.checked_to), waiting_at = clock_timestamp()
      where t.id = stale.id;
    end if;
  end loop;
  return looked_for;
end
$$;
revoke execute on function private.delete_stale_terms(bigint, float8) from public;

-- Terms that begin with what was typed, most used first: {suggestions: [{term, kind, uses}]}. Of the caller's own searches those that
-- found something.
create function observatory.suggest(q text, project uuid default null, "limit" bigint default 10) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  projects constant uuid[] := private.searched_projects(suggest.project);
  unchecked constant uuid[] := array(select t.project_id from private.stale_terms as t where t.project_id = any (projects));
  prefix constant text := lower(private.searchable(btrim(coalesce(suggest.q, ''))) collate "C");
begin
  if "limit" is null or "limit" not between 1 and 50 then
    perform private.refuse(400, 'RG669', 'The limit is not one of this list', 'It is 1 to 50', 'Leave it out for 10.');
  end if;
  -- One character has too many completions.
  if char_length(prefix) not between 2 and 200 then
    return jsonb_build_object('suggestions', '[]'::jsonb);
  end if;
  return jsonb_build_object('suggestions', coalesce((
    select jsonb_agg(jsonb_build_object('term', f.term, 'kind', f.kind, 'uses', f.uses) order by f.uses desc, f.term)
    from (
      select a.term, min(a.kind) as kind, sum(a.uses) as uses
      from (
        select t.term, t.kind, t.uses
        from unnest(projects) as p (id)
        cross join lateral (
          select s.term, s.kind, s.uses
          from observatory.search_terms as s
          -- The operators of text_pattern_ops: byte by byte, and no pattern that could be typed.
          where s.project_id = p.id and s.folded ~>=~ prefix and s.folded ~<~ (prefix || U&'\+10FFFF')
            and (s.kind <> 'word' or p.id <> all (unchecked))
          -- Without an order: all with the beginning would have to be read.
          limit 5000
        ) as t
        union all
        select h.query, 'search', count(*)
        from (
          select r.query, r.project_id
          from observatory.search_history as r
          where r.user_id = caller and r.results > 0
          order by r.at desc
          limit 200
        ) as h
        where starts_with(lower(h.query collate "C"), prefix) and (h.project_id is null or h.project_id = any (projects))
        group by h.query
      ) as a
      group by a.term
      order by sum(a.uses) desc, a.term
      limit suggest."limit"
    ) as f
  ), '[]'));
end
$$;
comment on function observatory.suggest(text, uuid, bigint) is
  'Completes a search by terms of projects that the caller may see, and by their own searches. Definer: it finds out the projects first.';
revoke execute on function observatory.suggest(text, uuid, bigint) from public;
grant execute on function observatory.suggest(text, uuid, bigint) to authenticated;

-- Messages that are like a message, most alike first: {results}. They share rare words with it. Of its 24 longest words up to twelve are taken that
-- are in 2 to 300 messages of its project, those first that fewest of the project's latest 200 messages have. Of the latest thousand messages that
-- have one of these words, the hundred that share most of them are compared by their trigrams.
create function observatory.similar(message_id uuid, "limit" bigint default 10) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  wanted constant uuid := message_id;
  most constant bigint := "limit";
  projects uuid[] := private.searched_projects(null);
  message observatory.messages;
  words text;
  exact tsquery;
  in_latest bigint;
  too_many int;
  shared_by bigint;
  are_unknown constant boolean := private.words_are_unknown();
  latest tsvector[];
  rare tsquery;
  rare_count int := 0;
  common tsquery;
  query tsquery;
  candidates uuid[];
begin
  select m.* into message
  from observatory.messages as m
  where m.id = wanted and cardinality(private.deleted_among(array[m.conversation_id])) = 0;
  if private.role_in(message.project_id, 'read') is null then
    perform private.refuse(404, 'RG670', 'There is no such message', null, 'Take an id of a search or of a thread.');
  end if;
  -- It may be in none of the most active ones.
  if message.project_id <> all (projects) then
    projects := projects || message.project_id;
  end if;
  if most is null or most not between 1 and 50 then
    perform private.refuse(400, 'RG669', 'The limit is not one of this list', 'It is 1 to 50', 'Leave it out for 10.');
  end if;
  words := left(private.search_text(message), 2000);
  latest := private.latest_vectors(message.project_id);
  -- In a large project a word that five of the latest 200 messages have is expected in more than 300. Once there are some rare words it is not
  -- counted: to count such words takes half of the time.
  too_many := case when private.has_more_messages(message.project_id, 12000) then 5 else 20 end;
  for exact, in_latest in
    select l.exact, l.in_latest
    from (
      select w.lexeme, w.exact, (select count(*) from unnest(latest) as v (search) where v.search @@ w.exact) as in_latest
      from (
        select u.lexeme, private.exact_word(u.lexeme) as exact
        from unnest(tsvector_to_array(private.search_vector(words))) as u (lexeme)
        where char_length(u.lexeme) between 3 and 100 or u.lexeme ~ ('^' || private.dense_script() || '$')
        order by char_length(u.lexeme) desc, u.lexeme
        limit 24
      ) as w
    ) as l
    order by l.in_latest, char_length(l.lexeme) desc, l.lexeme
  loop
    common := coalesce(common || exact, exact);
    if cardinality(latest) < 200 then
      shared_by := in_latest;
    elsif in_latest >= (case when rare_count < 4 then 20 else too_many end) then
      continue;
    else
      execute format(
        'select count(*) from (
           select from private.message_search as s where s.project_id%s = %L and s.search @@ %L::tsquery limit 301
         ) as s',
        case when are_unknown then '::text' end, message.project_id, exact
      ) into shared_by;
    end if;
    if shared_by between 2 and 300 then
      rare := coalesce(rare || exact, exact);
      rare_count := rare_count + 1;
      exit when rare_count = 12;
    end if;
  end loop;
  query := coalesce(rare, common);
  if query is null then
    return jsonb_build_object('results', '[]'::jsonb);
  end if;
  candidates := array(
    select (h).message_id
    from unnest(private.without_copies((private.shown_hits(projects, query, null, null, null)).hits)) as h
    where not exists (
      select from observatory.messages as m
      where m.id = (h).message_id and m.owner_id = message.owner_id and m.entry_uuid = message.entry_uuid
    )
    order by
      -- The rank of cover density grows with each repetition of a word; this one hardly does.
      (select ts_rank(s.search, query) from private.message_search as s where s.message_id = (h).message_id) desc nulls last,
      (h).occurred_at desc, (h).message_id desc
    limit 100
  );
  return jsonb_build_object('results', coalesce((
    select jsonb_agg(jsonb_build_object(
      'message_id', r.id, 'project_id', r.project_id, 'conversation_id', r.conversation_id, 'title', r.title, 'entry_type', r.entry_type,
      'role', r.role, 'occurred_at', r.occurred_at, 'seq', r.seq, 'similarity', round(r.alike::numeric, 3),
      'excerpt', left(regexp_replace(left(r.full_text, 2000), '\s+', ' ', 'g'), 300)
    ) order by r.alike desc, r.occurred_at desc, r.id)
    from (
      select c.*
      from (
        select m.*, o.title, private.similarity(left(words, 1000), left(m.full_text, 1000)) as alike
        from unnest(candidates) as k (id)
        -- Each by its id, however many rows the planner expects.
        cross join lateral (
          select c.id, c.project_id, c.conversation_id, c.entry_type, c.role, c.occurred_at, c.seq, private.search_text(c) as full_text
          from observatory.messages as c
          where c.id = k.id
          offset 0
        ) as m
        cross join lateral (
          select c.title from observatory.conversations as c where c.id = m.conversation_id and c.deleted_at is null offset 0
        ) as o
        offset 0
      ) as c
      where c.alike > 0.1
      order by c.alike desc, c.occurred_at desc, c.id
      limit most
    ) as r
  ), '[]'));
end
$$;
comment on function observatory.similar(uuid, bigint) is
  'Messages like a message, in projects that the caller may see. Definer: vectors are in the schema private; it finds out the projects first.';
revoke execute on function observatory.similar(uuid, bigint) from public;
grant execute on function observatory.similar(uuid, bigint) to authenticated;

-- migrate:down
drop function observatory.similar(uuid, bigint);
drop function observatory.suggest(text, uuid, bigint);
drop function private.delete_stale_terms(bigint, float8);
drop trigger messages_stale_terms on observatory.messages;
drop function private.note_stale_terms();
drop trigger conversations_deleted_terms on observatory.conversations;
drop function private.count_deleted_terms();
drop trigger "Count terms again" on observatory.conversations;
drop function private.count_terms_again();
drop function private.add_contents_terms(uuid[], int);
drop function private.doubt_words(uuid[]);
drop trigger tool_calls_terms_delete on observatory.tool_calls;
drop trigger tool_calls_terms_update on observatory.tool_calls;
drop trigger tool_calls_terms_insert on observatory.tool_calls;
drop function private.count_terms();
drop function private.deleted_among(uuid[]);
drop function private.add_terms(observatory.search_terms[]);
drop function private.index_messages(uuid[]);
drop function private.call_terms(text, text);
drop table observatory.search_terms;
drop function observatory.unchecked_words();
drop table private.stale_terms;
