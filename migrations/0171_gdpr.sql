-- 0171: gdpr. Everything that growth holds on a person, found by the e-mail address: to be handed out, or erased.
-- migrate:up
-- Whom an address is: {email, emails, leads, users, sessions, anonymous, phones, unproven}; emails are all ways in which it was
-- written. A public form may say anything: a session or an anonymous id that it names is taken only if no token says that it is
-- somebody else's and no other lead names it; a phone number only if whoever asks has said it, too. What is not taken is listed as
-- unproven, for a person to look at.
--
-- Every way to somebody is a statement of its own with an index for it, and may take no other: a plan that hangs on the statistics of
-- the moment read whole tables when these were missing or old, for minutes.
create function private.person(email text, phones text[]) returns jsonb
  language plpgsql stable
  set search_path = ''
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
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
  sessions text[] := '{}';
  anonymous text[] := '{}';
  candidate text;
begin
  leads := array(select l.id from marketing.leads as l where l.email_normalized = address and l.deleted_at is null);
  leads := leads || array(select l.id from marketing.leads as l where l.email_normalized = address and l.deleted_at is not null);
  emails := array(
    select written.email
    from (
      select unnest(array[btrim(person.email), lower(btrim(person.email) collate "C"), address]) as email
      union
      select unnest(array[l.email, lower(l.email collate "C"), l.last_touch -> 'fields' ->> 'email'])
      from marketing.leads as l
      where l.id = any (leads)
      union
      select i.submission -> 'fields' ->> 'email'
      from marketing.lead_interactions as i
      where i.lead_id = any (leads) and i.interaction_type = 'submission'
    ) as written
    where written.email is not null
  );

  select
    array_agg(distinct said.phone) filter (where said.phone is not null),
    array_agg(distinct said.session) filter (where said.session is not null),
    array_agg(distinct said.anonymous) filter (where said.anonymous is not null)
  into named_phones, named_sessions, named_anonymous
  from marketing.leads as l
  cross join lateral (
    values
      (l.metadata ->> 'session_id', l.metadata ->> 'anonymous_id', l.phone_number),
      (l.last_touch -> 'fields' ->> 'session_id', l.last_touch -> 'fields' ->> 'anonymous_id', l.last_touch -> 'fields' ->> 'phone_number')
    union all
    select i.submission -> 'fields' ->> 'session_id', i.submission -> 'fields' ->> 'anonymous_id', i.submission -> 'fields' ->> 'phone_number'
    from marketing.lead_interactions as i
    where i.lead_id = l.id and i.interaction_type = 'submission'
  ) as said (session, anonymous, phone)
  where l.id = any (leads);

  -- Profiles have their address from a verified token.
  users := array(
    select p.id from clixen.user_profiles as p where lower(normalize(p.email, nfc) collate "C") = any (emails)
  );
  if to_regclass('auth.users') is not null then
    -- An address that its account has not confirmed may be anybody's.
    execute 'select $1 || array(
      select u.id from auth.users as u
      where lower(normalize(u.email, nfc) collate "C") = any ($2) and to_jsonb(u) ->> ''email_confirmed_at'' is not null
    )' into users using users, emails;
  end if;

  -- Sessions that were signed in as one of the users and as nobody else.
  own_sessions := array_remove(array(
    select distinct e.session_id from analytics.events as e where e.user_id = any (users) and e.user_is_verified
  ), null);
  for candidate in select distinct c.id from unnest(own_sessions || emails || named_sessions) as c (id) where c.id is not null loop
    continue when exists (
      select from analytics.events as e
      where e.session_id = candidate and e.user_is_verified and e.user_id <> all (users)
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
    'email', address, 'emails', to_jsonb(emails), 'leads', to_jsonb(leads), 'users', to_jsonb(users),
    'sessions', to_jsonb(sessions), 'anonymous', to_jsonb(anonymous), 'phones', coalesce(to_jsonb(phones), '[]'),
    'unproven', jsonb_strip_nulls(jsonb_build_object(
      'phones', (select jsonb_agg(p) from unnest(named_phones) as p where p <> all (coalesce(phones, '{}'))),
      'sessions', (select jsonb_agg(s) from unnest(own_sessions || named_sessions) as s where s <> all (sessions)),
      'anonymous_ids', (select jsonb_agg(a) from unnest(named_anonymous) as a where a <> all (anonymous))
    ))
  );
end
$$;

-- A list of texts in JSON, as an array.
create function private.texts(list jsonb) returns text[]
  language sql immutable strict
  set search_path = ''
  as $$ select array(select jsonb_array_elements_text(list)) $$;

-- The events of a person: under their ids, in their sessions, and those that hold the address where events usually have one.
create function private.events_of(person jsonb) returns setof analytics.events
  language plpgsql stable
  set search_path = ''
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  set jit = off
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  sessions constant text[] := private.texts(person -> 'sessions');
  anonymous constant text[] := private.texts(person -> 'anonymous');
  ids uuid[] := '{}';
  place jsonb;
begin
  ids := ids || array(select e.id from analytics.events as e where e.user_id = any (users));
  ids := ids || array(select e.id from analytics.events as e where e.session_id = any (sessions));
  -- One that a token gives to somebody else is theirs.
  ids := ids || array(
    select e.id from analytics.events as e
    where e.anonymous_id = any (anonymous) and not (e.user_is_verified and e.user_id <> all (users))
  );
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
    ids := ids || array(select e.id from analytics.events as e where e.properties @> place);
  end loop;
  ids := array(select distinct i.id from unnest(ids) as i (id));
  return query select e.* from analytics.events as e where e.id = any (ids);
end
$$;

-- Assignments of a person's units, by whatever their keys say.
create function private.assignments_of(person jsonb) returns setof experiments.assignments
  language plpgsql stable
  set search_path = ''
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  set jit = off
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  sessions constant text[] := private.texts(person -> 'sessions');
  keys constant text[] := array(
    select kind.name || ':' || unit.value
    from (select jsonb_array_elements_text((person -> 'users') || (person -> 'emails') || (person -> 'sessions')) as value) as unit
    cross join (values ('user'), ('claimed'), ('session')) as kind (name)
  );
  ids uuid[] := '{}';
begin
  ids := ids || array(select a.id from experiments.assignments as a where a.unit_key = any (keys));
  ids := ids || array(select a.id from experiments.assignments as a where a.user_id = any (users));
  ids := ids || array(select a.id from experiments.assignments as a where a.session_id = any (sessions));
  return query select a.* from experiments.assignments as a where a.id = any (ids);
end
$$;

-- What the inbox has of a person's phone numbers and WhatsApp user ids.
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

-- Deletes events, and takes them out of what they have added up to. Gives how many.
create function private.forget_events(ids uuid[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- A day has 24 hours here, whatever the caller's zone is.
  set timezone = 'UTC'
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  seen bigint;
  gone jsonb;
  gone_from jsonb;
  counted record;
begin
  -- Nobody counts meanwhile.
  select w.ingest_seq into seen from private.event_watermark as w for update;
  with deleted as (
    delete from analytics.events as e where e.id = any (ids)
    returning e.type, e.name, e.user_id, e.session_id, e.country, e.device_type, e.occurred_at, e.ingest_seq
  )

  select jsonb_agg(to_jsonb(d) || jsonb_build_object('hour', date_trunc('hour', d.occurred_at, 'UTC'))) into gone from deleted as d;
  if gone is null then
    return 0;
  end if;

  with lost as materialized (
    select d.type, d.name, d.user_id, d.session_id, d.country, d.device_type, d.hour
    from jsonb_to_recordset(gone) as d (
      type analytics.event_type, name text, user_id uuid, session_id text, country text, device_type text, hour timestamptz,
      ingest_seq bigint
    )
    where d.ingest_seq <= seen
  ),

  -- The rows that counted each of them, and what they counted: a span of time, of all events or of one type and name.
  counters as materialized (
    select l.user_id, l.session_id, c.type, c.name, c.bucket, c.bucket + c.length as bucket_end,
      analytics.aggregation_id(c.type, c.name, c.granularity, c.bucket) as id
    from lost as l
    cross join lateral (
      select l.type, l.name, 'hour'::analytics.granularity as granularity, l.hour as bucket, interval '1 hour' as length
      union all
      select w.type, w.name, w.granularity, w.bucket, ('1 ' || w.granularity::text)::interval
      from analytics.wider(l.type, l.name, l.hour) as w
    ) as c
  ),

  -- From what is gone to whom it counted, never the other way: offset keeps the planner to it, and + 0 from another index.
  left_users as (
    delete from private.event_actors as a
    where a.ctid = any (array(
      select found_.ctid
      from (select distinct c.id, c.type, c.name, c.bucket, c.bucket_end, c.user_id from counters as c where c.user_id is not null) as c
      cross join lateral (
        select b.ctid from private.event_actors as b where b.aggregation_id = c.id and b.kind = 'u' and b.actor = c.user_id offset 0
      ) as found_
      where not exists (
        select from analytics.events as e
        where e.user_id = c.user_id and e.occurred_at >= c.bucket and e.occurred_at < c.bucket_end
          and (c.name is null or (e.name = c.name and e.type = c.type)) and e.ingest_seq + 0 <= seen
        offset 0
      )
    ))
    returning a.aggregation_id
  ),

  left_sessions as (
    delete from private.event_actors as a
    where a.ctid = any (array(
      select found_.ctid
      from (
        select distinct c.id, c.type, c.name, c.bucket, c.bucket_end, c.session_id from counters as c where c.session_id is not null
      ) as c
      cross join lateral (
        select b.ctid from private.event_actors as b
        where b.aggregation_id = c.id and b.kind = 's' and b.actor = md5(c.session_id)::uuid offset 0
      ) as found_
      where not exists (
        select from analytics.events as e
        where e.session_id = c.session_id and e.occurred_at >= c.bucket and e.occurred_at < c.bucket_end
          and (c.name is null or (e.name = c.name and e.type = c.type)) and e.ingest_seq + 0 <= seen
        offset 0
      )
    ))
    returning a.aggregation_id
  ),

  left_by as (
    select u.aggregation_id as id, count(*) as users, 0 as sessions from left_users as u group by u.aggregation_id
    union all
    select s.aggregation_id, 0, count(*) from left_sessions as s group by s.aggregation_id
  ),

  minus as (
    select m.id, sum(m.events) as events, sum(m.users) as users, sum(m.sessions) as sessions
    from (
      select c.id, 1 as events, 0 as users, 0 as sessions from counters as c
      union all
      select analytics.aggregation_id(l.type, l.name, 'hour', l.hour, d.dimensions::text), 1, null, null
      from lost as l
      cross join lateral (
        values (jsonb_build_object('country', l.country)), (jsonb_build_object('device_type', l.device_type))
      ) as d (dimensions)
      union all
      select l.id, 0, l.users, l.sessions from left_by as l
    ) as m
    group by m.id
  )

  select jsonb_agg(to_jsonb(m)) into gone_from from minus as m;

  for counted in
    select m.id, m.events, m.users, m.sessions
    from jsonb_to_recordset(gone_from) as m (id uuid, events bigint, users bigint, sessions bigint)
  loop
    update analytics.event_aggregations as a set
      event_count = a.event_count - counted.events, unique_users = a.unique_users - counted.users,
      unique_sessions = a.unique_sessions - counted.sessions, updated_at = now()
    where a.id = counted.id;
    delete from analytics.event_aggregations as a where a.id = counted.id and a.event_count = 0;
  end loop;

  perform analytics.recount((
    select jsonb_agg(to_jsonb(t))
    from (
      select distinct d.type, d.name, date_trunc('minute', d.occurred_at, 'UTC') as bucket
      from jsonb_to_recordset(gone) as d (type text, name text, occurred_at timestamptz)
    ) as t
  ));
  return jsonb_array_length(gone);
end
$$;

-- By what a person may be mentioned: addresses as they were written, and phone numbers.
create function private.contacts_of(person jsonb) returns text[]
  language sql immutable
  set search_path = ''
  as $$ select private.texts((person -> 'emails') || (person -> 'phones')) $$;

-- How many rows mention a person and are not their own, by table. What is their own mentions them, too: it is read, and passed over.
create function private.mentions_beside(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  set jit = off
  as $$
declare
  leads constant uuid[] := private.texts(person -> 'leads')::uuid[];
  onboarded constant uuid[] := array(select s.id from onboarding.sessions as s where s.lead_id = any (leads));
begin
  return private.mentions(private.contacts_of(person), jsonb_build_object(
    'marketing.leads', to_jsonb(leads),
    'marketing.lead_interactions', to_jsonb(array(select i.id from marketing.lead_interactions as i where i.lead_id = any (leads))),
    'onboarding.sessions', to_jsonb(onboarded),
    'onboarding.step_activities', to_jsonb(array(select a.id from onboarding.step_activities as a where a.session_id = any (onboarded))),
    'analytics.events', to_jsonb(array(select e.id from private.events_of(person) as e)),
    'experiments.assignments', to_jsonb(array(select a.id from private.assignments_of(person) as a)),
    'private.webhook_inbox', to_jsonb(private.webhooks_of(person))
  ));
end
$$;

-- Everything on an address, by table.
create function marketing.gdpr_export_user_data(email text, phones text[] default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  person jsonb;
  leads uuid[];
  onboarded uuid[];
  hooks bigint[];
begin
  perform private.require_admin();
  perform private.require_address(email);
  person := private.person(email, phones);
  leads := private.texts(person -> 'leads')::uuid[];
  onboarded := array(select s.id from onboarding.sessions as s where s.lead_id = any (leads));
  hooks := private.webhooks_of(person);
  return jsonb_build_object(
    'email', person -> 'email',
    'exported_at', now(),
    'unproven', person -> 'unproven',
    'mentions', private.mentions_beside(person),
    'marketing.leads', (
      select coalesce(jsonb_agg(to_jsonb(l) order by l.created_at), '[]') from marketing.leads as l
      where l.id = any (leads)
    ),
    'marketing.lead_interactions', (
      select coalesce(jsonb_agg(to_jsonb(i) order by i.created_at), '[]') from marketing.lead_interactions as i
      where i.lead_id = any (leads)
    ),
    'onboarding.sessions', (
      select coalesce(jsonb_agg(to_jsonb(s) - 'session_token_hash' order by s.created_at), '[]') from onboarding.sessions as s
      where s.id = any (onboarded)
    ),
    'onboarding.step_activities', (
      select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at), '[]') from onboarding.step_activities as a
      where a.session_id = any (onboarded)
    ),
    'analytics.events', (
      select coalesce(jsonb_agg(to_jsonb(e) - 'ingest_seq' order by e.occurred_at), '[]') from private.events_of(person) as e
    ),
    'experiments.assignments', (
      select coalesce(jsonb_agg(to_jsonb(a) order by a.assigned_at), '[]') from private.assignments_of(person) as a
    ),
    'whatsapp.accounts', (
      select coalesce(jsonb_agg(to_jsonb(a) - 'webhook_verify_token_hash' order by a.created_at), '[]') from whatsapp.accounts as a
      where a.lead_id = any (leads)
    ),
    'private.webhook_inbox', (
      select coalesce(jsonb_agg(jsonb_build_object('received_at', w.received_at, 'field', w.field, 'payload', w.payload) order by w.id), '[]')
      from private.webhook_inbox as w
      where w.id = any (hooks)
    ),
    'private.consent_records', (
      select coalesce(jsonb_agg(to_jsonb(c) - 'id' - 'address_hash' order by c.at), '[]') from private.consent_records as c
      where c.address_hash = private.address_hash(person ->> 'email')
    )
  );
end
$$;
comment on function marketing.gdpr_export_user_data(text, text[]) is
  'Everything that growth holds on an e-mail address, and on phone numbers that whoever asks has made sure of; of what only mentions them, how many rows, by table. Definer: it reads what no role may read; only admins and the back office get past its first line.';

create function marketing.gdpr_delete_user_data(email text, phones text[] default null, mentions boolean default false)
  returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  person jsonb;
  onboarded uuid[];
  erased_mentions jsonb := '{}';
  leads uuid[];
  accounts bigint;
  erased jsonb := '{}';
  rows_ bigint;
begin
  perform private.require_admin();
  perform private.require_address(email);
  person := private.person(email, phones);
  leads := private.texts(person -> 'leads')::uuid[];
  -- A customer's, by contract: kept, without the lead.
  select count(*) into accounts from whatsapp.accounts as a where a.lead_id = any (leads);

  select private.forget_events(array_agg(e.id)) into rows_ from private.events_of(person) as e;
  erased := erased || jsonb_build_object('analytics.events', coalesce(rows_, 0));

  delete from experiments.assignments as a where a.id = any (array(select own.id from private.assignments_of(person) as own));
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('experiments.assignments', rows_);

  onboarded := array(select s.id from onboarding.sessions as s where s.lead_id = any (leads));
  delete from onboarding.step_activities as a where a.session_id = any (onboarded);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('onboarding.step_activities', rows_);
  delete from onboarding.sessions as s where s.id = any (onboarded);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('onboarding.sessions', rows_);

  delete from private.webhook_inbox as w where w.id = any (private.webhooks_of(person));
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('private.webhook_inbox', rows_);

  delete from marketing.lead_interactions as i where i.lead_id = any (leads);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('marketing.lead_interactions', rows_);
  delete from marketing.leads as l where l.id = any (leads);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('marketing.leads', rows_);

  if gdpr_delete_user_data.mentions then
    erased_mentions := private.erase_mentions(private.contacts_of(person));
  end if;

  return jsonb_build_object(
    'erased_at', now(),
    'erased', erased,
    'erased_mentions', erased_mentions,
    -- What is left.
    'mentions', private.mentions(private.contacts_of(person)),
    'unproven', person -> 'unproven',
    'kept', jsonb_build_object('whatsapp.accounts', accounts, 'private.consent_records', (
      select count(*) from private.consent_records as c where c.address_hash = private.address_hash(person ->> 'email')
    ))
  );
end
$$;
comment on function marketing.gdpr_delete_user_data(text, text[], boolean) is
  'Erases everything that growth holds on an e-mail address, and on phone numbers that whoever asks has made sure of, and counts it by table; consent records, which hold a hash only, stay. What only mentions them stays, too, and is counted, unless it is asked to be erased. Definer: it deletes what no role may delete; only admins and the back office get past its first line.';

create function private.require_address(email text) returns void
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if marketing.is_email(btrim(email)) is not true then
    perform private.refuse(422, 'RG572', 'The e-mail address is missing or not one', null, 'Send {"email": "name@example.org"}.');
  end if;
end
$$;

revoke execute on function private.require_address(text) from public;
revoke execute on function private.person(text, text[]) from public;
revoke execute on function private.assignments_of(jsonb) from public;
revoke execute on function private.texts(jsonb) from public;
revoke execute on function private.webhooks_of(jsonb) from public;
revoke execute on function private.contacts_of(jsonb) from public;
revoke execute on function private.mentions_beside(jsonb) from public;
revoke execute on function private.events_of(jsonb) from public;
revoke execute on function private.forget_events(uuid[]) from public;
revoke execute on function marketing.gdpr_export_user_data(text, text[]) from public;
revoke execute on function marketing.gdpr_delete_user_data(text, text[], boolean) from public;
grant execute on function marketing.gdpr_export_user_data(text, text[]) to authenticated, service_role;
grant execute on function marketing.gdpr_delete_user_data(text, text[], boolean) to authenticated, service_role;

-- migrate:down
drop function marketing.gdpr_delete_user_data(text, text[], boolean);
drop function marketing.gdpr_export_user_data(text, text[]);
drop function private.mentions_beside(jsonb);
drop function private.contacts_of(jsonb);
drop function private.forget_events(uuid[]);
drop function private.webhooks_of(jsonb);
drop function private.assignments_of(jsonb);
drop function private.events_of(jsonb);
drop function private.texts(jsonb);
drop function private.person(text, text[]);
drop function private.require_address(text);
