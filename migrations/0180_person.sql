-- 0180: person. Finds everything that growth stores about a person.
-- migrate:up
-- Leads by the normalized address, deleted ones included.
create function private.leads_of(person jsonb) returns uuid[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  address constant text := person ->> 'email';
begin
  return array(select l.id from marketing.leads as l where l.email_normalized = address and l.deleted_at is null)
    || array(select l.id from marketing.leads as l where l.email_normalized = address and l.deleted_at is not null);
end
$$;
revoke execute on function private.leads_of(jsonb) from public;

-- Hook: the spellings of a person's address in forms, at most 50: anybody can send a form with another one.
create function private.growth_addresses_of(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  leads constant uuid[] := private.leads_of(person);
begin
  return to_jsonb(array(
    select written.email
    from (
      select unnest(array[l.email, lower(l.email collate "C"), l.last_touch -> 'fields' ->> 'email']) as email
      from marketing.leads as l
      where l.id = any (leads)
      union
      select s.email
      from (
        select i.submission -> 'fields' ->> 'email' as email
        from marketing.lead_interactions as i
        where i.lead_id = any (leads) and i.interaction_type = 'submission'
        limit 10000
      ) as s
    ) as written
    where written.email is not null
    limit 50
  ));
end
$$;
revoke execute on function private.growth_addresses_of(jsonb) from public;

-- Hook: the keys of a person's rows: {leads, sessions, anonymous, unproven}. A public form may contain anything: a session or an
-- anonymous id in it counts only if no token gives it to somebody else, no other lead names it, and the session has fewer than 10,000 events; a
-- phone number only if the caller has named it, too. What does not count is listed as unproven, for a person to look at.
create function private.growth_found(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  emails constant text[] := private.texts(person -> 'emails');
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  phones constant text[] := private.texts(person -> 'phones');
  leads constant uuid[] := private.leads_of(person);
  own_sessions text[];
  named_sessions text[];
  named_anonymous text[];
  named_phones text[];
  sessions text[] := '{}';
  anonymous text[] := '{}';
  candidate text;
begin
  select
    array_agg(distinct given.phone) filter (where given.phone is not null),
    array_agg(distinct given.session) filter (where given.session is not null),
    array_agg(distinct given.anonymous) filter (where given.anonymous is not null)
  into named_phones, named_sessions, named_anonymous
  from marketing.leads as l
  cross join lateral (
    values
      (l.metadata ->> 'session_id', l.metadata ->> 'anonymous_id', l.phone_number),
      (l.last_touch -> 'fields' ->> 'session_id', l.last_touch -> 'fields' ->> 'anonymous_id', l.last_touch -> 'fields' ->> 'phone_number')
    union all
    (
      select i.submission -> 'fields' ->> 'session_id', i.submission -> 'fields' ->> 'anonymous_id', i.submission -> 'fields' ->> 'phone_number'
      from marketing.lead_interactions as i
      where i.lead_id = l.id and i.interaction_type = 'submission'
      limit 10000
    )
  ) as given (session, anonymous, phone)
  where l.id = any (leads);

  -- Sessions that were signed in as one of the users and as nobody else. Anybody may have sent any number of events under the id of a user or of
  -- a session: so many are looked at.
  own_sessions := array_remove(array(
    select distinct e.session_id
    from (
      select claimed.session_id, claimed.user_is_verified from analytics.events as claimed where claimed.user_id = any (users) limit 100000
    ) as e
    where e.user_is_verified
    limit 10000
  ), null);
  for candidate in select distinct c.id from unnest(own_sessions || emails || named_sessions) as c (id) where c.id is not null loop
    continue when (
      select count(*) = 10000 or bool_or(e.user_is_verified and e.user_id <> all (users))
      from (
        select said.user_id, said.user_is_verified from analytics.events as said where said.session_id = candidate limit 10000
      ) as e
    );
    continue when candidate <> all (own_sessions || emails) and (
      exists (
        select from marketing.leads as l
        where left(l.metadata ->> 'session_id', 200) = left(candidate, 200) and l.metadata ->> 'session_id' = candidate
          and l.id <> all (leads)
      )
      or exists (
        select from marketing.leads as l
        where left(l.last_touch -> 'fields' ->> 'session_id', 200) = left(candidate, 200)
          and l.last_touch -> 'fields' ->> 'session_id' = candidate and l.id <> all (leads)
      )
      or exists (
        select from marketing.lead_interactions as i
        where left(i.submission -> 'fields' ->> 'session_id', 200) = left(candidate, 200)
          and i.submission -> 'fields' ->> 'session_id' = candidate and i.lead_id <> all (leads)
      )
    );
    sessions := sessions || candidate;
  end loop;
  for candidate in select distinct c.id from unnest(emails || named_anonymous) as c (id) where c.id is not null loop
    continue when candidate <> all (emails) and (
      exists (
        select from marketing.leads as l
        where left(l.metadata ->> 'anonymous_id', 200) = left(candidate, 200) and l.metadata ->> 'anonymous_id' = candidate
          and l.id <> all (leads)
      )
      or exists (
        select from marketing.leads as l
        where left(l.last_touch -> 'fields' ->> 'anonymous_id', 200) = left(candidate, 200)
          and l.last_touch -> 'fields' ->> 'anonymous_id' = candidate and l.id <> all (leads)
      )
      or exists (
        select from marketing.lead_interactions as i
        where left(i.submission -> 'fields' ->> 'anonymous_id', 200) = left(candidate, 200)
          and i.submission -> 'fields' ->> 'anonymous_id' = candidate and i.lead_id <> all (leads)
      )
    );
    anonymous := anonymous || candidate;
  end loop;

  return jsonb_build_object(
    'leads', to_jsonb(leads), 'sessions', to_jsonb(sessions), 'anonymous', to_jsonb(anonymous),
    'unproven', jsonb_strip_nulls(jsonb_build_object(
      'phones', (select jsonb_agg(p) from unnest(named_phones) as p where p <> all (phones)),
      'sessions', (select jsonb_agg(s) from unnest(own_sessions || named_sessions) as s where s <> all (sessions)),
      'anonymous_ids', (select jsonb_agg(a) from unnest(named_anonymous) as a where a <> all (anonymous))
    ))
  );
end
$$;
revoke execute on function private.growth_found(jsonb) from public;

-- The ids of a person's events, at most so many: under the ids of the person's users, sessions and browsers. Last those that a token gives to the
-- users: an erasure in parts finds the sessions by them.
create function private.events_by_key(person jsonb, most int) returns uuid[]
  language plpgsql stable
  set search_path = ''
  -- By index: a scan that is expected to end soon would read all events of those who have few.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  sessions constant text[] := private.texts(person #> '{systems,growth,sessions}');
  anonymous constant text[] := private.texts(person #> '{systems,growth,anonymous}');
  ids uuid[];
begin
  ids := array(
    select e.id from analytics.events as e
    where e.session_id = any (sessions) and not (e.user_is_verified and e.user_id = any (users))
    limit most
  );
  -- An event that a token gives to another user belongs to that user.
  ids := ids || array(
    select e.id from analytics.events as e where e.anonymous_id = any (anonymous) and not e.user_is_verified limit most
  );
  ids := ids || array(select e.id from analytics.events as e where e.user_id = any (users) and not e.user_is_verified limit most);
  ids := ids || array(select e.id from analytics.events as e where e.user_id = any (users) and e.user_is_verified limit most);
  return array(select i.id from unnest(ids) with ordinality as i (id, n) group by i.id order by min(i.n) limit most);
end
$$;
revoke execute on function private.events_by_key(jsonb, int) from public;

-- The ids of events, at most so many, with a person's address in one of the usual properties. Anybody can send such events.
create function private.events_by_address(person jsonb, most int) returns uuid[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  ids uuid[] := '{}';
  place jsonb;
begin
  for place in
    select p.properties
    from jsonb_array_elements_text(person -> 'emails') as written (email)
    cross join lateral (
      values
        (jsonb_build_object('email', written.email)), (jsonb_build_object('Email', written.email)),
        (jsonb_build_object('user', jsonb_build_object('email', written.email))),
        (jsonb_build_object('customer', jsonb_build_object('email', written.email)))
    ) as p (properties)
  loop
    -- An event may have the address in two places.
    ids := array(
      select distinct i.id
      from unnest(ids || array(select e.id from analytics.events as e where e.properties @> place limit most)) as i (id)
      limit most
    );
    exit when cardinality(ids) = most;
  end loop;
  return ids;
end
$$;
revoke execute on function private.events_by_address(jsonb, int) from public;

-- The ids of the assignments of a person's units, by all their keys, at most so many.
create function private.assignments_of(person jsonb, most int) returns uuid[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  sessions constant text[] := private.texts(person #> '{systems,growth,sessions}');
  keys constant text[] := array(
    select kind.name || ':' || unit.value
    from (select jsonb_array_elements_text((person -> 'users') || (person -> 'emails') || (person #> '{systems,growth,sessions}')) as value) as unit
    cross join (values ('user'), ('claimed'), ('session')) as kind (name)
  );
  ids uuid[] := '{}';
begin
  ids := ids || array(select a.id from experiments.assignments as a where a.unit_key = any (keys) limit most);
  ids := ids || array(select a.id from experiments.assignments as a where a.user_id = any (users) limit most);
  ids := ids || array(select a.id from experiments.assignments as a where a.session_id = any (sessions) limit most);
  return array(select distinct i.id from unnest(ids) as i (id) limit most);
end
$$;
revoke execute on function private.assignments_of(jsonb, int) from public;

-- The rows of the webhook inbox for a person's phone numbers and WhatsApp user ids.
create function private.webhooks_of(person jsonb) returns bigint[]
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return array(
    select distinct i.id
    from jsonb_array_elements_text(person -> 'phones') as phone (number)
    cross join lateral private.webhook_inbox_of_phone(phone.number) as i (id)
  );
end
$$;
revoke execute on function private.webhooks_of(jsonb) from public;

-- WhatsApp accounts that belong to a person: those of a lead, and those that the person has made as a user.
create function private.whatsapp_accounts_of(person jsonb) returns uuid[]
  language plpgsql stable
  set search_path = ''
  as $$
declare
  leads constant uuid[] := private.texts(person #> '{systems,growth,leads}')::uuid[];
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  accounts uuid[];
begin
  accounts := array(select a.id from whatsapp.accounts as a where a.lead_id = any (leads));
  accounts := accounts || array(select a.id from whatsapp.accounts as a where a.owner_id = any (users));
  return array(select distinct i.id from unnest(accounts) as i (id));
end
$$;
revoke execute on function private.whatsapp_accounts_of(jsonb) from public;

-- Hook: the ids of a person's own rows, by table, at most 10,000 of each.
create function private.growth_rows_of(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  leads constant uuid[] := private.texts(person #> '{systems,growth,leads}')::uuid[];
  onboarded constant uuid[] := array(select s.id from onboarding.sessions as s where s.lead_id = any (leads) limit 10000);
  accounts constant uuid[] := private.whatsapp_accounts_of(person);
begin
  return jsonb_build_object(
    'marketing.leads', to_jsonb(leads),
    'marketing.lead_interactions', to_jsonb(array(
      select i.id from marketing.lead_interactions as i where i.lead_id = any (leads) limit 10000
    )),
    'onboarding.sessions', to_jsonb(onboarded),
    'onboarding.step_activities', to_jsonb(array(
      select a.id from onboarding.step_activities as a where a.session_id = any (onboarded) limit 10000
    )),
    'analytics.events', to_jsonb((private.events_by_key(person, 10000) || private.events_by_address(person, 10000))[:10000]),
    'experiments.assignments', to_jsonb(private.assignments_of(person, 10000)),
    'whatsapp.accounts', to_jsonb(accounts),
    'whatsapp.templates', to_jsonb(array(select t.id from whatsapp.templates as t where t.account_id = any (accounts))),
    'private.webhook_inbox', to_jsonb(private.webhooks_of(person))
  );
end
$$;
revoke execute on function private.growth_rows_of(jsonb) from public;

insert into private.hooks (system, event, function) values
('growth', 'person_addresses', 'private.growth_addresses_of'),
('growth', 'person_found', 'private.growth_found'),
('growth', 'person_rows', 'private.growth_rows_of');

-- migrate:down
delete from private.hooks where system = 'growth' and event in ('person_addresses', 'person_found', 'person_rows');
drop function private.growth_rows_of(jsonb);
drop function private.whatsapp_accounts_of(jsonb);
drop function private.webhooks_of(jsonb);
drop function private.assignments_of(jsonb, int);
drop function private.events_by_address(jsonb, int);
drop function private.events_by_key(jsonb, int);
drop function private.growth_found(jsonb);
drop function private.growth_addresses_of(jsonb);
drop function private.leads_of(jsonb);
