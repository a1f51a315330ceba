-- 0452: search history of observatory: what a user has looked for and opened, and what the owners of a project learn of that.
-- migrate:up
create table observatory.search_history (
  id                uuid constraint search_history_pkey primary key default gen_random_uuid(),
  user_id           uuid not null,
  project_id        uuid,
  query             text not null,
  filters           jsonb not null default '{}',
  results           bigint not null,
  at                timestamptz not null default now(),
  opened_message_id uuid,
  -- Without a foreign key: one that is set to null beside another one, in one deletion, is checked against a row that no longer exists.
  opened_project_id uuid,
  opened_at         timestamptz,
  constraint search_history_project foreign key (project_id) references observatory.projects (id) on delete set null,
  constraint search_history_message foreign key (opened_message_id) references observatory.messages (id) on delete set null,
  constraint search_history_query check (char_length(query) <= 600),
  constraint search_history_filters check (jsonb_typeof(filters) = 'object' and octet_length(filters::text) <= 4096),
  constraint search_history_results check (results >= 0)
);
comment on table observatory.search_history is 'One row for each search, without secrets. Its user reads and deletes it; owners of projects see sums.';
comment on column observatory.search_history.project_id is 'The project that was searched; null for a search through several.';
comment on column observatory.search_history.results is 'How many messages were found, at most 1,000.';
comment on column observatory.search_history.opened_message_id is 'The result that was opened last.';

create index search_history_user on observatory.search_history (user_id, at desc, id desc);
create index search_history_project_at on observatory.search_history (project_id, at desc) where project_id is not null;
create index search_history_opened on observatory.search_history (opened_message_id) where opened_message_id is not null;
create index search_history_opened_in on observatory.search_history (opened_project_id, at desc) where opened_project_id is not null;
create index search_history_at on observatory.search_history using brin (at);

alter table observatory.search_history enable row level security;
alter table observatory.search_history force row level security;
create policy owner_select on observatory.search_history for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_delete on observatory.search_history for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on observatory.search_history to authenticated, service_role;
select private.scope_table('observatory.search_history');

create trigger search_history_erased before insert or update on observatory.search_history
  for each statement execute function private.refuse_erased_caller();
create trigger search_history_filter before update or delete on observatory.search_history
  for each statement execute function private.require_filter();

select private.index_mentions('observatory.search_history', array['query', 'filters']);

-- Notes a search, and returns its id. A search that continues one of the last seconds, as somebody types, takes its place. In a
-- transaction that only reads, such as that of a token for reading, nothing is noted.
create function private.note_search(caller uuid, project uuid, q text, filters jsonb, results bigint) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  words constant text := left(private.redact_secrets(q), 600);
  given constant jsonb := case when filters = '{}' then filters else private.redact_secrets_in(filters) end;
  last_one record;
  noted uuid;
begin
  if current_setting('transaction_read_only') = 'on' then
    return null;
  end if;
  select r.id, r.query, r.project_id, r.filters, r.at, r.opened_at into last_one
  from observatory.search_history as r
  where r.user_id = caller
  order by r.at desc, r.id desc
  limit 1;
  if last_one.at > now() - interval '10 seconds' and last_one.opened_at is null
    and last_one.project_id is not distinct from note_search.project and last_one.filters = given
    and starts_with(words, last_one.query)
  then
    update observatory.search_history as h
    set query = words, results = note_search.results, at = now()
    where h.id = last_one.id
    returning h.id into noted;
  end if;
  if noted is null then
    insert into observatory.search_history (user_id, project_id, query, filters, results)
    values (caller, note_search.project, words, given, note_search.results)
    returning id into noted;
  end if;
  return noted;
end
$$;
revoke execute on function private.note_search(uuid, uuid, text, jsonb, bigint) from public;

-- Notes that the caller has opened a result of a search of theirs. Words of the query that the message has become suggestions for the
-- project's members: they stand in the project anyway.
create function observatory.search_opened(search_id uuid, message_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  message observatory.messages;
  noted observatory.search_history;
begin
  select m.* into message
  from observatory.messages as m
  where m.id = search_opened.message_id and cardinality(private.deleted_among(array[m.conversation_id])) = 0;
  if private.role_in(message.project_id, 'read') is not null then
    update observatory.search_history as h
    set opened_message_id = message.id, opened_project_id = message.project_id, opened_at = now()
    where h.id = search_opened.search_id and h.user_id = caller
    returning h.* into noted;
  end if;
  if noted.id is null then
    perform private.refuse(404, 'RG670', 'There is no such message', 'Or no such search of yours', 'Take both ids of GET /v1/search.');
  end if;
  insert into observatory.search_terms as s (project_id, user_id, kind, term)
  select distinct message.project_id, caller, 'word', w.word
  from regexp_split_to_table(noted.query, '[\s"]+') as w (word)
  inner join private.message_search as v on v.message_id = message.id
  where char_length(w.word) between 3 and 60 and w.word !~ '^-' and lower(w.word collate "C") <> 'or'
    and private.contacts_in(array[w.word]) is null
    and v.search @@ phraseto_tsquery('pg_catalog.simple', w.word)
    -- A user adds at most 2,000 words to a project, each of which has to be looked for when messages are deleted.
    and (
      (
        select count(*) from (
          select from observatory.search_terms as s
          where s.project_id = message.project_id and s.kind = 'word' and s.user_id = caller
          limit 2000
        ) as known
      ) < 2000
      or exists (
        select from observatory.search_terms as s
        where s.project_id = message.project_id and s.kind = 'word' and s.user_id = caller and s.term = w.word
      )
    )
  order by w.word
  on conflict on constraint search_terms_once do update set uses = s.uses + 1;
  return jsonb_build_object('search_id', noted.id, 'message_id', message.id);
end
$$;
comment on function observatory.search_opened(uuid, uuid) is
  'Notes which result of a search the caller has opened. Definer: users write neither history nor terms themselves.';
revoke execute on function observatory.search_opened(uuid, uuid) from public;
grant execute on function observatory.search_opened(uuid, uuid) to authenticated;

-- What members have looked for in a project in the last 90 days, for its owners: how often, by how many, what was opened, what found
-- nothing. Who it was is not shown. Searches through several projects count only where one of this project was opened.
create function observatory.search_analytics(project uuid) returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  projects constant uuid[] := private.searched_projects(search_analytics.project);
  caller constant uuid := private.require_user();
  hidden constant uuid[] := private.hidden_in(projects);
begin
  if search_analytics.project is null then
    perform private.refuse(404, 'RG660', 'There is no such project', null, 'Take an id of GET /rest/v1/projects.');
  end if;
  if not exists (
    select from observatory.project_members as m where m.project_id = projects[1] and m.user_id = caller and m.role = 'owner'
  ) then
    perform private.refuse(403, 'RG666', 'Only an owner of the project may do this', null, 'Ask an owner of the project.');
  end if;
  return (
    with looked as materialized (
      select h.user_id, btrim(lower(h.query collate "C")) as query, h.results, h.opened_project_id = projects[1] as is_opened,
        h.opened_message_id
      from observatory.search_history as h
      where (h.project_id = projects[1] or h.opened_project_id = projects[1]) and h.at > now() - interval '90 days'
    ),

    by_query as (
      select l.query, count(*) as searches, count(*) filter (where l.is_opened) as opened,
        count(*) filter (where l.results = 0) as without_result
      from looked as l
      group by l.query
    )

    select jsonb_build_object(
      'days', 90, 'searches', count(*), 'searchers', count(distinct l.user_id), 'opened', count(*) filter (where l.is_opened),
      'without_result', count(*) filter (where l.results = 0),
      'queries', coalesce((
        select jsonb_agg(to_jsonb(q) order by q.searches desc, q.query)
        from (select b.* from by_query as b order by b.searches desc, b.query limit 50) as q
      ), '[]'),
      'missing', coalesce((
        select jsonb_agg(jsonb_build_object('query', q.query, 'searches', q.without_result) order by q.without_result desc, q.query)
        from (select b.* from by_query as b where b.without_result > 0 order by b.without_result desc, b.query limit 50) as q
      ), '[]'),
      'messages', coalesce((
        select jsonb_agg(jsonb_build_object('message_id', q.opened_message_id, 'opened', q.opened) order by q.opened desc, q.opened_message_id)
        from (
          select o.opened_message_id, count(*) as opened
          from looked as o
          inner join observatory.messages as m on m.id = o.opened_message_id and m.conversation_id <> all (hidden)
          where o.is_opened
          group by o.opened_message_id
          order by 2 desc, 1
          limit 20
        ) as q
      ), '[]')
    )
    from looked as l
  );
end
$$;
comment on function observatory.search_analytics(uuid) is
  'What was looked for in a project, for its owners. Definer: the history is each user''s own; what it shows names nobody.';
revoke execute on function observatory.search_analytics(uuid) from public;
grant execute on function observatory.search_analytics(uuid) to authenticated;

-- Deletes searches of half a year ago.
create function private.clean_search_history() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
begin
  delete from observatory.search_history as h
  where h.id = any (array(
    select old.id from observatory.search_history as old where old.at < now() - interval '180 days' limit 5000 for update skip locked
  ));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function private.clean_search_history() from public;

insert into private.jobs (name, function, schedule, description, more_from) values (
  'clean_search_history', 'private.clean_search_history', '7 * * * *', 'Deletes searches of observatory after 180 days.', 5000
);

-- migrate:down
delete from private.jobs where name = 'clean_search_history';
delete from private.mention_places where relation = 'observatory.search_history';
drop function private.clean_search_history();
drop function observatory.search_analytics(uuid);
drop function observatory.search_opened(uuid, uuid);
drop function private.note_search(uuid, uuid, text, jsonb, bigint);
drop table observatory.search_history;
