-- 0178: person indexes. Whoever is asked for, or erased, is found by indexes at any size: by the address of a lead that was deleted,
-- and by the session and the browser that a form has named. Before, each of these read all leads or all events, and among many
-- millions an admin's request would not have ended in time. While they are made, writes wait: a second or two for a million rows.
-- migrate:up
-- squawk-ignore-file require-concurrent-index-creation
create index leads_deleted on marketing.leads (email_normalized) where deleted_at is not null;
-- Of their beginnings: what a form names may be longer than an index can hold, and no lead must be refused for it.
create index leads_named_session on marketing.leads (left(metadata ->> 'session_id', 200))
  where metadata ->> 'session_id' is not null;
create index leads_named_browser on marketing.leads (left(metadata ->> 'anonymous_id', 200))
  where metadata ->> 'anonymous_id' is not null;
create index leads_last_session on marketing.leads (left(last_touch -> 'fields' ->> 'session_id', 200))
  where last_touch -> 'fields' ->> 'session_id' is not null;
create index leads_last_browser on marketing.leads (left(last_touch -> 'fields' ->> 'anonymous_id', 200))
  where last_touch -> 'fields' ->> 'anonymous_id' is not null;
create index events_anonymous_id on analytics.events (anonymous_id, occurred_at) where anonymous_id is not null;

-- Whom an address is: {email, emails, leads, users, sessions, anonymous, phones, unproven}; emails are all ways in which it was
-- written. A public form may say anything: a session or an anonymous id that it names is taken only if no token says that it is
-- somebody else's and no other lead names it; a phone number only if whoever asks has said it, too. What is not taken is listed as
-- unproven, for a person to look at.
create or replace function private.person(email text, phones text[]) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  address constant text := marketing.normalize_email(email);
  emails text[];
  leads uuid[];
  users uuid[];
  own_sessions text[];
  named_sessions text[];
  named_anonymous text[];
  named_phones text[];
  sessions text[];
  anonymous text[];
begin
  select array_agg(distinct written.email) into emails
  from (
    select unnest(array[btrim(person.email), lower(btrim(person.email)), address])
    union
    select unnest(array[l.email::text, lower(l.email::text), l.last_touch -> 'fields' ->> 'email'])
    from marketing.leads as l
    -- Each half by an index of its own.
    where l.email_normalized = address and l.deleted_at is null or l.email_normalized = address and l.deleted_at is not null
  ) as written (email)
  where written.email is not null;

  select
    array_agg(distinct l.id), array_agg(distinct said.phone) filter (where said.phone is not null),
    array_agg(distinct said.session) filter (where said.session is not null),
    array_agg(distinct said.anonymous) filter (where said.anonymous is not null)
  into leads, named_phones, named_sessions, named_anonymous
  from marketing.leads as l
  cross join lateral (
    values
      (l.metadata ->> 'session_id', l.metadata ->> 'anonymous_id', l.phone_number),
      (l.last_touch -> 'fields' ->> 'session_id', l.last_touch -> 'fields' ->> 'anonymous_id', l.last_touch -> 'fields' ->> 'phone_number')
  ) as said (session, anonymous, phone)
  where l.email_normalized = address and l.deleted_at is null or l.email_normalized = address and l.deleted_at is not null;

  -- Profiles have their address from a verified token.
  select array_agg(p.id) into users from clixen.user_profiles as p
  where lower(p.email) = any (emails) and p.email = any (emails);
  if to_regclass('auth.users') is not null then
    execute 'select $1 || array_agg(u.id) from auth.users as u where lower(u.email) = any ($2)' into users using users, emails;
  end if;

  -- Sessions that were signed in as one of the users and as nobody else.
  select array_agg(distinct e.session_id) into own_sessions
  from analytics.events as e
  where e.user_id = any (users) and e.user_is_verified and e.session_id is not null;
  select array_agg(candidate.id) into sessions
  from (
    select unnest(own_sessions) as id
    union
    select unnest(emails)
    union
    select s.id from unnest(named_sessions) as s (id) where not exists (
      select from marketing.leads as l
      where l.email_normalized <> address and (
          left(l.metadata ->> 'session_id', 200) = left(s.id, 200) and l.metadata ->> 'session_id' = s.id
          or left(l.last_touch -> 'fields' ->> 'session_id', 200) = left(s.id, 200) and l.last_touch -> 'fields' ->> 'session_id' = s.id
        )
    )
  ) as candidate
  where candidate.id is not null and not exists (
    select from analytics.events as e
    where e.session_id = candidate.id and e.user_is_verified and e.user_id <> all (coalesce(users, '{}'))
  );
  select array_agg(candidate.id) into anonymous
  from (
    select unnest(emails) as id
    union
    select a.id from unnest(named_anonymous) as a (id) where not exists (
      select from marketing.leads as l
      where l.email_normalized <> address
        and (
          left(l.metadata ->> 'anonymous_id', 200) = left(a.id, 200) and l.metadata ->> 'anonymous_id' = a.id
          or left(l.last_touch -> 'fields' ->> 'anonymous_id', 200) = left(a.id, 200) and l.last_touch -> 'fields' ->> 'anonymous_id' = a.id
        )
    )
  ) as candidate
  where candidate.id is not null;

  return jsonb_build_object(
    'email', address, 'emails', to_jsonb(emails), 'leads', coalesce(to_jsonb(leads), '[]'), 'users', coalesce(to_jsonb(users), '[]'),
    'sessions', coalesce(to_jsonb(sessions), '[]'), 'anonymous', coalesce(to_jsonb(anonymous), '[]'),
    'phones', coalesce(to_jsonb(phones), '[]'),
    'unproven', jsonb_strip_nulls(jsonb_build_object(
      'phones', (select jsonb_agg(p) from unnest(named_phones) as p where p <> all (coalesce(phones, '{}'))),
      'sessions', (
        select jsonb_agg(s) from unnest(own_sessions || named_sessions) as s where s <> all (coalesce(sessions, '{}'))
      ),
      'anonymous_ids', (select jsonb_agg(a) from unnest(named_anonymous) as a where a <> all (coalesce(anonymous, '{}')))
    ))
  );
end
$$;

-- The events of a person: under their ids, in their sessions, and those that hold the address where events usually have one.
create or replace function private.events_of(person jsonb) returns setof analytics.events
  language sql stable
  set search_path = ''
  as $$
select e.* from analytics.events as e where e.user_id = any (private.texts(person -> 'users')::uuid[])
union
select e.* from analytics.events as e where e.session_id = any (private.texts(person -> 'sessions'))
union
-- One that a token gives to somebody else is theirs.
select e.* from analytics.events as e
where e.anonymous_id = any (private.texts(person -> 'anonymous'))
  and not (e.user_is_verified and e.user_id <> all (private.texts(person -> 'users')::uuid[]))
union
select e.*
from jsonb_array_elements_text(person -> 'emails') as written (email)
cross join lateral (
  values
    (jsonb_build_object('email', written.email)), (jsonb_build_object('Email', written.email)),
    (jsonb_build_object('user', jsonb_build_object('email', written.email))),
    (jsonb_build_object('customer', jsonb_build_object('email', written.email)))
) as place (properties)
cross join lateral (
  select told.* from analytics.events as told where told.properties @> place.properties
) as e
$$;

-- migrate:down
create or replace function private.events_of(person jsonb) returns setof analytics.events
  language sql stable
  set search_path = ''
  as $$
select e.* from analytics.events as e where e.user_id = any (private.texts(person -> 'users')::uuid[])
union
select e.* from analytics.events as e where e.session_id = any (private.texts(person -> 'sessions'))
union
-- There is no index for it: read only where there is somebody to look for. One that a token gives to somebody else is theirs.
select e.* from analytics.events as e
where jsonb_array_length(person -> 'anonymous') > jsonb_array_length(person -> 'emails')
  and e.anonymous_id = any (private.texts(person -> 'anonymous'))
  and not (e.user_is_verified and e.user_id <> all (private.texts(person -> 'users')::uuid[]))
union
select e.*
from jsonb_array_elements_text(person -> 'emails') as written (email)
cross join lateral (
  values
    (jsonb_build_object('email', written.email)), (jsonb_build_object('Email', written.email)),
    (jsonb_build_object('user', jsonb_build_object('email', written.email))),
    (jsonb_build_object('customer', jsonb_build_object('email', written.email)))
) as place (properties)
cross join lateral (
  select told.* from analytics.events as told where told.properties @> place.properties
) as e
$$;

create or replace function private.person(email text, phones text[]) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  address constant text := marketing.normalize_email(email);
  emails text[];
  leads uuid[];
  users uuid[];
  own_sessions text[];
  named_sessions text[];
  named_anonymous text[];
  named_phones text[];
  sessions text[];
  anonymous text[];
begin
  select array_agg(distinct written.email) into emails
  from (
    select unnest(array[btrim(person.email), lower(btrim(person.email)), address])
    union
    select unnest(array[l.email::text, lower(l.email::text), l.last_touch -> 'fields' ->> 'email'])
    from marketing.leads as l
    where l.email_normalized = address
  ) as written (email)
  where written.email is not null;

  select
    array_agg(distinct l.id), array_agg(distinct said.phone) filter (where said.phone is not null),
    array_agg(distinct said.session) filter (where said.session is not null),
    array_agg(distinct said.anonymous) filter (where said.anonymous is not null)
  into leads, named_phones, named_sessions, named_anonymous
  from marketing.leads as l
  cross join lateral (
    values
      (l.metadata ->> 'session_id', l.metadata ->> 'anonymous_id', l.phone_number),
      (l.last_touch -> 'fields' ->> 'session_id', l.last_touch -> 'fields' ->> 'anonymous_id', l.last_touch -> 'fields' ->> 'phone_number')
  ) as said (session, anonymous, phone)
  where l.email_normalized = address;

  -- Profiles have their address from a verified token.
  select array_agg(p.id) into users from clixen.user_profiles as p where p.email = any (emails);
  if to_regclass('auth.users') is not null then
    execute 'select $1 || array_agg(u.id) from auth.users as u where lower(u.email) = any ($2)' into users using users, emails;
  end if;

  -- Sessions that were signed in as one of the users and as nobody else.
  select array_agg(distinct e.session_id) into own_sessions
  from analytics.events as e
  where e.user_id = any (users) and e.user_is_verified and e.session_id is not null;
  select array_agg(candidate.id) into sessions
  from (
    select unnest(own_sessions) as id
    union
    select unnest(emails)
    union
    select s.id from unnest(named_sessions) as s (id) where not exists (
      select from marketing.leads as l
      where l.email_normalized <> address and (l.metadata ->> 'session_id' = s.id or l.last_touch -> 'fields' ->> 'session_id' = s.id)
    )
  ) as candidate
  where candidate.id is not null and not exists (
    select from analytics.events as e
    where e.session_id = candidate.id and e.user_is_verified and e.user_id <> all (coalesce(users, '{}'))
  );
  select array_agg(candidate.id) into anonymous
  from (
    select unnest(emails) as id
    union
    select a.id from unnest(named_anonymous) as a (id) where not exists (
      select from marketing.leads as l
      where l.email_normalized <> address
        and (l.metadata ->> 'anonymous_id' = a.id or l.last_touch -> 'fields' ->> 'anonymous_id' = a.id)
    )
  ) as candidate
  where candidate.id is not null;

  return jsonb_build_object(
    'email', address, 'emails', to_jsonb(emails), 'leads', coalesce(to_jsonb(leads), '[]'), 'users', coalesce(to_jsonb(users), '[]'),
    'sessions', coalesce(to_jsonb(sessions), '[]'), 'anonymous', coalesce(to_jsonb(anonymous), '[]'),
    'phones', coalesce(to_jsonb(phones), '[]'),
    'unproven', jsonb_strip_nulls(jsonb_build_object(
      'phones', (select jsonb_agg(p) from unnest(named_phones) as p where p <> all (coalesce(phones, '{}'))),
      'sessions', (
        select jsonb_agg(s) from unnest(own_sessions || named_sessions) as s where s <> all (coalesce(sessions, '{}'))
      ),
      'anonymous_ids', (select jsonb_agg(a) from unnest(named_anonymous) as a where a <> all (coalesce(anonymous, '{}')))
    ))
  );
end
$$;

drop index analytics.events_anonymous_id;
drop index marketing.leads_last_browser;
drop index marketing.leads_last_session;
drop index marketing.leads_named_browser;
drop index marketing.leads_named_session;
drop index marketing.leads_deleted;
