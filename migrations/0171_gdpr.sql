-- 0171: gdpr. Everything that growth holds on a person, found by the e-mail address: to be handed out, or erased.
-- migrate:up
-- Whom an address is: {email, emails, leads, users, sessions, anonymous, phones, unproven}; emails are all ways in which it was
-- written. A public form may say anything: a session or an anonymous id that it names is taken only if no token says that it is
-- somebody else's and no other lead names it; a phone number only if whoever asks has said it, too. What is not taken is listed as
-- unproven, for a person to look at.
create function private.person(email text, phones text[]) returns jsonb
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
    select unnest(array[btrim(person.email), lower(btrim(person.email) collate "C"), address])
    union
    select unnest(array[l.email, lower(l.email collate "C"), l.last_touch -> 'fields' ->> 'email'])
    from marketing.leads as l
    -- Each half by an index of its own.
    where l.email_normalized = address and l.deleted_at is null or l.email_normalized = address and l.deleted_at is not null
    union
    select i.submission -> 'fields' ->> 'email'
    from marketing.leads as l
    inner join marketing.lead_interactions as i on i.lead_id = l.id and i.interaction_type = 'submission'
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
    union all
    select i.submission -> 'fields' ->> 'session_id', i.submission -> 'fields' ->> 'anonymous_id', i.submission -> 'fields' ->> 'phone_number'
    from marketing.lead_interactions as i
    where i.lead_id = l.id and i.interaction_type = 'submission'
  ) as said (session, anonymous, phone)
  where l.email_normalized = address and l.deleted_at is null or l.email_normalized = address and l.deleted_at is not null;

  -- Profiles have their address from a verified token.
  select array_agg(p.id) into users from clixen.user_profiles as p
  where lower(normalize(p.email, nfc) collate "C") = any (emails);
  if to_regclass('auth.users') is not null then
    execute 'select $1 || array_agg(u.id) from auth.users as u where lower(normalize(u.email, nfc) collate "C") = any ($2)' into users using users, emails;
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
    ) and not exists (
      select from marketing.lead_interactions as i
      where left(i.submission -> 'fields' ->> 'session_id', 200) = left(s.id, 200) and i.submission -> 'fields' ->> 'session_id' = s.id
        and i.lead_id <> all (leads)
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
    ) and not exists (
      select from marketing.lead_interactions as i
      where left(i.submission -> 'fields' ->> 'anonymous_id', 200) = left(a.id, 200) and i.submission -> 'fields' ->> 'anonymous_id' = a.id
        and i.lead_id <> all (leads)
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

-- A list of texts in JSON, as an array.
create function private.texts(list jsonb) returns text[]
  language sql immutable strict
  set search_path = ''
  as $$ select array(select jsonb_array_elements_text(list)) $$;

-- The events of a person: under their ids, in their sessions, and those that hold the address where events usually have one.
create function private.events_of(person jsonb) returns setof analytics.events
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

-- Assignments of a person's units, by whatever their keys say.
create function private.assignments_of(person jsonb) returns setof experiments.assignments
  language sql stable
  set search_path = ''
  as $$
select a.* from experiments.assignments as a
where a.unit_key = any (
  array(
    select kind.name || ':' || unit.value
    from (
      select jsonb_array_elements_text((person -> 'users') || (person -> 'emails') || (person -> 'sessions')) as value
    ) as unit
    cross join (values ('user'), ('claimed'), ('session')) as kind (name)
  )
)
union
select a.* from experiments.assignments as a where a.user_id = any (private.texts(person -> 'users')::uuid[])
union
select a.* from experiments.assignments as a where a.session_id = any (private.texts(person -> 'sessions'))
$$;

-- Deletes events, and takes them out of what they have added up to. Gives how many.
create function private.forget_events(ids uuid[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- A day has 24 hours here, whatever the caller's zone is.
  set timezone = 'UTC'
  as $$
declare
  seen bigint;
  gone jsonb;
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

  left_users as (
    delete from private.event_actors as a
    using (select distinct c.id, c.type, c.name, c.bucket, c.bucket_end, c.user_id from counters as c where c.user_id is not null) as c
    where a.aggregation_id = c.id and a.kind = 'u' and a.actor = c.user_id and not exists (
      select from analytics.events as e
      where e.user_id = c.user_id and e.occurred_at >= c.bucket and e.occurred_at < c.bucket_end
        and (c.name is null or (e.name = c.name and e.type = c.type)) and e.ingest_seq <= seen
    )
    returning a.aggregation_id
  ),

  left_sessions as (
    delete from private.event_actors as a
    using (
      select distinct c.id, c.type, c.name, c.bucket, c.bucket_end, c.session_id from counters as c where c.session_id is not null
    ) as c
    where a.aggregation_id = c.id and a.kind = 's' and a.actor = md5(c.session_id)::uuid and not exists (
      select from analytics.events as e
      where e.session_id = c.session_id and e.occurred_at >= c.bucket and e.occurred_at < c.bucket_end
        and (c.name is null or (e.name = c.name and e.type = c.type)) and e.ingest_seq <= seen
    )
    returning a.aggregation_id
  ),

  minus as (
    select c.id, count(*) as events,
      (select count(*) from left_users as u where u.aggregation_id = c.id) as users,
      (select count(*) from left_sessions as s where s.aggregation_id = c.id) as sessions
    from counters as c
    group by c.id
    union all
    select analytics.aggregation_id(l.type, l.name, 'hour', l.hour, d.dimensions::text), count(*), null, null
    from lost as l
    cross join lateral (
      values (jsonb_build_object('country', l.country)), (jsonb_build_object('device_type', l.device_type))
    ) as d (dimensions)
    group by 1
  )

  update analytics.event_aggregations as a set
    event_count = a.event_count - m.events, unique_users = a.unique_users - m.users,
    unique_sessions = a.unique_sessions - m.sessions, updated_at = now()
  from minus as m
  where a.id = m.id;

  delete from analytics.event_aggregations as a
  where a.event_count = 0;

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

-- Everything on an address, by table.
create function marketing.gdpr_export_user_data(email text, phones text[] default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  person jsonb;
begin
  perform private.require_admin();
  perform private.require_address(email);
  person := private.person(email, phones);
  return jsonb_build_object(
    'email', person -> 'email',
    'exported_at', now(),
    'unproven', person -> 'unproven',
    'marketing.leads', (
      select coalesce(jsonb_agg(to_jsonb(l) order by l.created_at), '[]') from marketing.leads as l
      where l.id = any (private.texts(person -> 'leads')::uuid[])
    ),
    'marketing.lead_interactions', (
      select coalesce(jsonb_agg(to_jsonb(i) order by i.created_at), '[]') from marketing.lead_interactions as i
      where i.lead_id = any (private.texts(person -> 'leads')::uuid[])
    ),
    'onboarding.sessions', (
      select coalesce(jsonb_agg(to_jsonb(s) - 'session_token_hash' order by s.created_at), '[]') from onboarding.sessions as s
      where s.lead_id = any (private.texts(person -> 'leads')::uuid[])
    ),
    'onboarding.step_activities', (
      select coalesce(jsonb_agg(to_jsonb(a) order by a.created_at), '[]')
      from onboarding.step_activities as a
      inner join onboarding.sessions as s on s.id = a.session_id
      where s.lead_id = any (private.texts(person -> 'leads')::uuid[])
    ),
    'analytics.events', (
      select coalesce(jsonb_agg(to_jsonb(e) - 'ingest_seq' order by e.occurred_at), '[]') from private.events_of(person) as e
    ),
    'experiments.assignments', (
      select coalesce(jsonb_agg(to_jsonb(a) order by a.assigned_at), '[]') from private.assignments_of(person) as a
    ),
    'whatsapp.accounts', (
      select coalesce(jsonb_agg(to_jsonb(a) - 'webhook_verify_token_hash' order by a.created_at), '[]') from whatsapp.accounts as a
      where a.lead_id = any (private.texts(person -> 'leads')::uuid[])
    ),
    'private.webhook_inbox', (
      select coalesce(jsonb_agg(jsonb_build_object('received_at', w.received_at, 'field', w.field, 'payload', w.payload) order by w.id), '[]')
      from private.webhook_inbox as w
      where w.id in (
        select i.id
        from jsonb_array_elements_text(person -> 'phones') as phone (number)
        cross join lateral private.webhook_inbox_of_phone(phone.number) as i (id)
      )
    ),
    'private.consent_records', (
      select coalesce(jsonb_agg(to_jsonb(c) - 'id' - 'address_hash' order by c.at), '[]') from private.consent_records as c
      where c.address_hash = private.address_hash(person ->> 'email')
    )
  );
end
$$;
comment on function marketing.gdpr_export_user_data(text, text[]) is
  'Everything that growth holds on an e-mail address, and on phone numbers that whoever asks has made sure of. Definer: it reads what no role may read; only admins and the back office get past its first line.';

create function marketing.gdpr_delete_user_data(email text, phones text[] default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  person jsonb;
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

  delete from experiments.assignments as a where a.id in (select own.id from private.assignments_of(person) as own);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('experiments.assignments', rows_);

  delete from onboarding.step_activities as a
  using onboarding.sessions as s
  where s.id = a.session_id and s.lead_id = any (leads);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('onboarding.step_activities', rows_);
  delete from onboarding.sessions as s where s.lead_id = any (leads);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('onboarding.sessions', rows_);

  delete from private.webhook_inbox as w
  where w.id in (
    select i.id
    from jsonb_array_elements_text(person -> 'phones') as phone (number)
    cross join lateral private.webhook_inbox_of_phone(phone.number) as i (id)
  );
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('private.webhook_inbox', rows_);

  delete from marketing.lead_interactions as i where i.lead_id = any (leads);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('marketing.lead_interactions', rows_);
  delete from marketing.leads as l where l.id = any (leads);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('marketing.leads', rows_);

  return jsonb_build_object(
    'erased_at', now(),
    'erased', erased,
    'unproven', person -> 'unproven',
    'kept', jsonb_build_object('whatsapp.accounts', accounts, 'private.consent_records', (
      select count(*) from private.consent_records as c where c.address_hash = private.address_hash(person ->> 'email')
    ))
  );
end
$$;
comment on function marketing.gdpr_delete_user_data(text, text[]) is
  'Erases everything that growth holds on an e-mail address, and on phone numbers that whoever asks has made sure of, and counts it by table; consent records, which hold a hash only, stay. Definer: it deletes what no role may delete; only admins and the back office get past its first line.';

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
revoke execute on function private.events_of(jsonb) from public;
revoke execute on function private.forget_events(uuid[]) from public;
revoke execute on function marketing.gdpr_export_user_data(text, text[]) from public;
revoke execute on function marketing.gdpr_delete_user_data(text, text[]) from public;
grant execute on function marketing.gdpr_export_user_data(text, text[]) to authenticated, service_role;
grant execute on function marketing.gdpr_delete_user_data(text, text[]) to authenticated, service_role;

-- migrate:down
drop function marketing.gdpr_delete_user_data(text, text[]);
drop function marketing.gdpr_export_user_data(text, text[]);
drop function private.forget_events(uuid[]);
drop function private.assignments_of(jsonb);
drop function private.events_of(jsonb);
drop function private.texts(jsonb);
drop function private.person(text, text[]);
drop function private.require_address(text);
