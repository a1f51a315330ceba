-- 0171: gdpr. Everything that growth holds on a person, found by the e-mail address: to be handed out, or erased.
-- migrate:up

-- Whom an address is: {email, emails, leads, users, sessions, anonymous, phones}; emails are all ways in which it was written. A
-- session that was signed in as one of the users is theirs as a whole.
create function private.person(email text) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  address constant text := marketing.normalize_email(email);
  emails text[];
  leads uuid[];
  users uuid[];
  sessions text[];
  anonymous text[];
  phones text[];
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
    array_agg(l.id), array_agg(l.phone_number) filter (where l.phone_number is not null),
    array_agg(said.session) filter (where said.session is not null),
    array_agg(said.anonymous) filter (where said.anonymous is not null)
  into leads, phones, sessions, anonymous
  from marketing.leads as l
  cross join lateral (
    values
      (l.metadata ->> 'session_id', l.metadata ->> 'anonymous_id'),
      (l.last_touch -> 'fields' ->> 'session_id', l.last_touch -> 'fields' ->> 'anonymous_id')
  ) as said (session, anonymous)
  where l.email_normalized = address;

  select array_agg(p.id) into users from clixen.user_profiles as p where p.email = any (emails);
  if to_regclass('auth.users') is not null then
    execute 'select $1 || array_agg(u.id) from auth.users as u where lower(u.email) = any ($2)'
    into users using users, emails;
  end if;

  select sessions || array_agg(distinct e.session_id) into sessions
  from (
    select u.session_id from analytics.events as u where u.user_id = any (users)
    union all
    select told.session_id
    from unnest(emails) as written (email)
    cross join lateral (
      select e.session_id from analytics.events as e where e.properties @> jsonb_build_object('email', written.email)
    ) as told
  ) as e
  where e.session_id is not null;

  return jsonb_build_object(
    'email', address, 'emails', to_jsonb(emails), 'leads', coalesce(to_jsonb(leads), '[]'), 'users', coalesce(to_jsonb(users), '[]'),
    'sessions', (select coalesce(jsonb_agg(distinct s), '[]') from unnest(sessions) as s where s is not null),
    'anonymous', (select coalesce(jsonb_agg(distinct a), '[]') from unnest(anonymous) as a where a is not null),
    'phones', (select coalesce(jsonb_agg(distinct p), '[]') from unnest(phones) as p where p is not null)
  );
end
$$;

-- A list of texts in JSON, as an array.
create function private.texts(list jsonb) returns text[]
  language sql immutable strict
  set search_path = ''
  as $$ select array(select jsonb_array_elements_text(list)) $$;

-- The events of a person.
create function private.events_of(person jsonb) returns setof analytics.events
  language sql stable
  set search_path = ''
  as $$
select e.* from analytics.events as e where e.user_id = any (private.texts(person -> 'users')::uuid[])
union
select e.* from analytics.events as e where e.session_id = any (private.texts(person -> 'sessions'))
union
-- There is no index for it: read only where there is somebody to look for.
select e.* from analytics.events as e
where person -> 'anonymous' <> '[]' and e.anonymous_id = any (private.texts(person -> 'anonymous'))
union
select e.*
from jsonb_array_elements_text(person -> 'emails') as written (email)
cross join lateral (
  select told.* from analytics.events as told where told.properties @> jsonb_build_object('email', written.email)
) as e
$$;

-- Deletes events, and takes them out of what they have added up to. Gives how many.
create function private.forget_events(ids uuid[]) returns bigint
  language plpgsql volatile
  set search_path = ''
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
create function marketing.gdpr_export_user_data(email text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  person jsonb;
begin
  perform private.require_admin();
  perform private.require_address(email);
  person := private.person(email);
  return jsonb_build_object(
    'email', person -> 'email',
    'exported_at', now(),
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
      select coalesce(jsonb_agg(to_jsonb(a) order by a.assigned_at), '[]') from experiments.assignments as a
      where a.user_id = any (private.texts(person -> 'users')::uuid[]) or a.session_id = any (private.texts(person -> 'sessions'))
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
comment on function marketing.gdpr_export_user_data(text) is
  'Everything that growth holds on an e-mail address. Definer: it reads what no role may read; only admins and the back office get past its first line.';

create function marketing.gdpr_delete_user_data(email text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  person jsonb;
  leads uuid[];
  erased jsonb := '{}';
  rows_ bigint;
begin
  perform private.require_admin();
  perform private.require_address(email);
  person := private.person(email);
  leads := private.texts(person -> 'leads')::uuid[];

  select private.forget_events(array_agg(e.id)) into rows_ from private.events_of(person) as e;
  erased := erased || jsonb_build_object('analytics.events', coalesce(rows_, 0));

  delete from experiments.assignments as a
  where a.user_id = any (private.texts(person -> 'users')::uuid[]) or a.session_id = any (private.texts(person -> 'sessions'));
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
    'kept', jsonb_build_object('private.consent_records', (
      select count(*) from private.consent_records as c where c.address_hash = private.address_hash(person ->> 'email')
    ))
  );
end
$$;
comment on function marketing.gdpr_delete_user_data(text) is
  'Erases everything that growth holds on an e-mail address, and counts it by table; consent records, which hold a hash only, stay. Definer: it deletes what no role may delete; only admins and the back office get past its first line.';

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
revoke execute on function private.person(text) from public;
revoke execute on function private.texts(jsonb) from public;
revoke execute on function private.events_of(jsonb) from public;
revoke execute on function private.forget_events(uuid[]) from public;
revoke execute on function marketing.gdpr_export_user_data(text) from public;
revoke execute on function marketing.gdpr_delete_user_data(text) from public;
grant execute on function marketing.gdpr_export_user_data(text) to authenticated, service_role;
grant execute on function marketing.gdpr_delete_user_data(text) to authenticated, service_role;

-- migrate:down
drop function marketing.gdpr_delete_user_data(text);
drop function marketing.gdpr_export_user_data(text);
drop function private.forget_events(uuid[]);
drop function private.events_of(jsonb);
drop function private.texts(jsonb);
drop function private.person(text);
drop function private.require_address(text);
