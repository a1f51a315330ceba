-- 0181: GDPR. Exports or erases everything that growth stores about a person.
-- migrate:up
-- Hook: a person's rows, by table. Of events, assignments, onboarding sessions and their activities up to 20,000 are counted.
create function private.growth_export(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  leads constant text[] := private.texts(person #> '{systems,growth,leads}');
  accounts constant text[] := private.whatsapp_accounts_of(person)::text[];
  most constant int := 20000;
  onboarded constant uuid[] := array(select s.id from onboarding.sessions as s where s.lead_id = any (leads::uuid[]) limit most);
  activities constant uuid[] := array(select a.id from onboarding.step_activities as a where a.session_id = any (onboarded) limit most);
  events uuid[];
  one record;
  further int;
  all_ jsonb := '{"left_off": {}}';
begin
  for one in
    select t.*
    from (
      values
        ('marketing.leads', 't.id = any ($1::uuid[])', 't.created_at', leads),
        ('marketing.lead_interactions', 't.lead_id = any ($1::uuid[])', 't.created_at', leads),
        ('onboarding.sessions', 't.id = any ($1::uuid[])', 't.created_at', onboarded::text[]),
        ('onboarding.step_activities', 't.id = any ($1::uuid[])', 't.created_at', activities::text[]),
        ('experiments.assignments', 't.id = any ($1::uuid[])', 't.assigned_at', private.assignments_of(person, most)::text[]),
        ('whatsapp.accounts', 't.id = any ($1::uuid[])', 't.created_at', accounts),
        ('whatsapp.templates', 't.account_id = any ($1::uuid[])', 't.created_at', accounts),
        ('private.webhook_inbox', 't.id = any ($1::bigint[])', 't.received_at', private.webhooks_of(person)::text[]),
        ('private.consent_records', 't.address_hash = any ($1::bytea[])', 't.at', array[private.address_hash(person ->> 'email')::text])
    ) as t (relation, condition, rank, keys)
  loop
    all_ := private.export_rows(
      all_, one.relation,
      case one.relation
        when 'onboarding.sessions' then 'to_jsonb(t) - ''session_token_hash'''
        when 'whatsapp.accounts' then 'to_jsonb(t) - ''webhook_verify_token_hash'''
        when 'private.webhook_inbox' then 'jsonb_build_object(''received_at'', t.received_at, ''field'', t.field, ''payload'', t.payload)'
        when 'private.consent_records' then 'to_jsonb(t) - ''id'' - ''address_hash'''
        else 'to_jsonb(t)'
      end,
      format('%s as t where %s', one.relation, one.condition), one.rank, one.keys
    );
  end loop;

  -- Anybody can send millions of events with the address: they come last.
  events := private.events_by_key(person, most);
  events := events || array(
    select distinct e.id from unnest(private.events_by_address(person, most)) as e (id) where not e.id = any (events)
  );
  all_ := private.export_rows(
    all_, 'analytics.events', 'to_jsonb(t) - ''ingest_seq'' - ''n''',
    '(select e.*, i.n from unnest($1::uuid[]) with ordinality as i (id, n) inner join analytics.events as e on e.id = i.id) as t', 't.n',
    events[:10001]::text[]
  );
  further := cardinality(events) - jsonb_array_length(all_ -> 'analytics.events');
  if further > 0 then
    all_ := jsonb_set(all_, '{left_off,analytics.events}', to_jsonb(further));
  end if;
  return all_;
end
$$;
revoke execute on function private.growth_export(jsonb) from public;

-- Hook: counts what stays. A WhatsApp account belongs to a customer, by contract: it stays until its owner's account is deleted, without the
-- lead. Consent records have only a hash of the address.
create function private.growth_kept(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  accounts constant uuid[] := private.whatsapp_accounts_of(person);
begin
  return jsonb_build_object(
    'whatsapp.accounts', cardinality(accounts),
    'whatsapp.templates', (select count(*) from whatsapp.templates as t where t.account_id = any (accounts)),
    'private.consent_records', (
      select count(*) from private.consent_records as c where c.address_hash = private.address_hash(person ->> 'email')
    )
  );
end
$$;
revoke execute on function private.growth_kept(jsonb) from public;

-- Deletes onboarding sessions, which the caller has locked, with their activities, and counts both. A session may have 2,000 activities: while the
-- sessions have more than 20,000 together, only that many activities go.
create function private.delete_onboardings(ids uuid[], out sessions bigint, out activities bigint)
  language plpgsql volatile
  set search_path = ''
  set enable_seqscan = off
  set jit = off
  as $$
declare
  most constant int := 20000;
begin
  delete from onboarding.step_activities as a
  where a.id = any (array(select o.id from onboarding.step_activities as o where o.session_id = any (ids) limit most));
  get diagnostics activities = row_count;
  sessions := 0;
  if activities < most then
    delete from onboarding.sessions as s where s.id = any (ids);
    get diagnostics sessions = row_count;
  end if;
end
$$;
revoke execute on function private.delete_onboardings(uuid[]) from public;

-- Hook: erases a person's rows, and counts them by table. Of what others can send in any number a part: 1,000 events, 20,000 assignments, 20,000
-- interactions, onboarding sessions and activities. The leads stay until nothing is left that is found only through them.
create function private.growth_erase(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  leads constant uuid[] := private.texts(person #> '{systems,growth,leads}')::uuid[];
  part constant int := 1000;
  most constant int := 20000;
  onboarded uuid[];
  onboardings record;
  ids uuid[];
  erased jsonb := '{}';
  left_ jsonb := '{}';
  is_last boolean;
  rows_ bigint;
begin
  -- First, and in one order: submissions and onboardings that have begun end before, and those that come find no lead.
  perform from marketing.leads as l where l.id = any (leads) order by l.id for update;

  ids := private.events_by_key(person, most);
  is_last := cardinality(ids) <= part;
  if is_last then
    ids := ids || array(select e.id from unnest(private.events_by_address(person, most)) as e (id) where not e.id = any (ids));
  end if;
  erased := erased || jsonb_build_object('analytics.events', private.forget_events(ids[:part]));
  if cardinality(ids) > part then
    left_ := left_ || jsonb_build_object('analytics.events', cardinality(ids) - part);
  end if;

  ids := private.assignments_of(person, 2 * most);
  delete from experiments.assignments as a where a.id = any (ids[:most]);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('experiments.assignments', rows_);
  if cardinality(ids) > most then
    is_last := false;
    left_ := left_ || jsonb_build_object('experiments.assignments', cardinality(ids) - most);
  end if;

  if not is_last then
    return erased || jsonb_build_object('left', left_ || jsonb_build_object('marketing.leads', cardinality(leads)));
  end if;

  ids := array(select i.id from marketing.lead_interactions as i where i.lead_id = any (leads) limit 2 * most);
  delete from marketing.lead_interactions as i where i.id = any (ids[:most]);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('marketing.lead_interactions', rows_);
  if cardinality(ids) > most then
    return erased || jsonb_build_object('left', left_ || jsonb_build_object(
      'marketing.leads', cardinality(leads), 'marketing.lead_interactions', cardinality(ids) - most
    ));
  end if;

  onboarded := array(select s.id from onboarding.sessions as s where s.lead_id = any (leads) limit 2 * most);
  -- What their holders are about to do comes first, so that all of it is counted.
  perform from onboarding.sessions as s where s.id = any (onboarded[:most]) order by s.id for update;
  select d.sessions, d.activities into onboardings from private.delete_onboardings(onboarded[:most]) as d;
  erased := erased || jsonb_build_object('onboarding.step_activities', onboardings.activities, 'onboarding.sessions', onboardings.sessions);
  if cardinality(onboarded) > onboardings.sessions then
    return erased || jsonb_build_object('left', left_ || jsonb_build_object(
      'marketing.leads', cardinality(leads), 'onboarding.sessions', cardinality(onboarded) - onboardings.sessions
    ));
  end if;

  delete from private.webhook_inbox as w where w.id = any (private.webhooks_of(person));
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('private.webhook_inbox', rows_);

  delete from marketing.leads as l where l.id = any (leads);
  get diagnostics rows_ = row_count;
  erased := erased || jsonb_build_object('marketing.leads', rows_);
  return erased || jsonb_build_object('left', left_);
end
$$;
revoke execute on function private.growth_erase(jsonb) from public;

create table private.users_to_forget (
  user_id uuid constraint users_to_forget_pkey primary key,
  at      timestamptz not null default now()
);
comment on table private.users_to_forget is 'Users whose account was deleted, until the job forget_erased_users has deleted their events and assignments.';

alter table private.users_to_forget enable row level security;
alter table private.users_to_forget force row level security;

-- Deletes events and assignments under the ids of deleted accounts, at most 500 events and 5,000 assignments, and returns how many. The deletion
-- of an account does not wait for it: there may be any number, also of events that others have sent with the user's id.
create function private.forget_erased_users() returns bigint
  language plpgsql volatile
  set search_path = ''
  -- By index: most users have no event left, and a scan that is expected to end soon would read all.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  part constant int := 500;
  erased uuid[];
  ids uuid[];
  rows_ bigint;
begin
  erased := array(select u.user_id from private.users_to_forget as u order by u.at, u.user_id limit 50 for update skip locked);
  ids := array(
    select e.id from unnest(erased) as u (id)
    cross join lateral (select e.id from analytics.events as e where e.user_id = u.id limit part) as e
    limit part
  );
  delete from experiments.assignments as a
  where a.id = any (private.assignments_of(jsonb_build_object(
    'emails', '[]'::jsonb, 'users', to_jsonb(erased), 'systems', '{"growth": {"sessions": []}}'::jsonb
  ), 10 * part));
  get diagnostics rows_ = row_count;
  if cardinality(ids) < part and rows_ < 10 * part then
    delete from private.users_to_forget as u where u.user_id = any (erased);
  end if;
  return rows_ + case when cardinality(ids) > 0 then private.forget_events(ids) else 0 end;
end
$$;
revoke execute on function private.forget_erased_users() from public;

insert into private.jobs (name, function, schedule, more_from, description) values (
  'forget_erased_users', 'private.forget_erased_users', '*/5 * * * *', 1,
  'Deletes events and assignments of deleted accounts.'
);

-- Hook: an account was deleted. The WhatsApp accounts of its user go, with their templates and access tokens: nobody could verify the number
-- under another account. Events and assignments are left to the job forget_erased_users.
create function private.erase_growth_account(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  erased constant uuid := (account ->> 'id')::uuid;
  accounts constant uuid[] := array(select a.id from whatsapp.accounts as a where a.owner_id = erased);
  templates constant bigint := (select count(*) from whatsapp.templates as t where t.account_id = any (accounts));
begin
  insert into private.users_to_forget (user_id) values (erased) on conflict do nothing;
  delete from whatsapp.accounts as a where a.id = any (accounts);
  return jsonb_build_object('whatsapp.accounts', cardinality(accounts), 'whatsapp.templates', templates);
end
$$;
revoke execute on function private.erase_growth_account(jsonb) from public;

insert into private.hooks (system, event, function) values
('growth', 'account_erased', 'private.erase_growth_account'),
('growth', 'person_export', 'private.growth_export'),
('growth', 'person_kept', 'private.growth_kept'),
('growth', 'person_erase', 'private.growth_erase');

-- The names under which growth's clients call the core's functions.
create function marketing.gdpr_export_user_data(email text, phones text[] default null) returns jsonb
  language sql volatile
  set search_path = ''
  as $$ select edge.export_person(email, phones) $$;
comment on function marketing.gdpr_export_user_data(text, text[]) is 'edge.export_person by its earlier name.';
revoke execute on function marketing.gdpr_export_user_data(text, text[]) from public;
grant execute on function marketing.gdpr_export_user_data(text, text[]) to authenticated, service_role;

create function marketing.gdpr_delete_user_data(email text, phones text[] default null, mentions boolean default false)
  returns jsonb
  language sql volatile
  set search_path = ''
  as $$ select edge.erase_person(email, phones, mentions) $$;
comment on function marketing.gdpr_delete_user_data(text, text[], boolean) is 'edge.erase_person by its earlier name.';
revoke execute on function marketing.gdpr_delete_user_data(text, text[], boolean) from public;
grant execute on function marketing.gdpr_delete_user_data(text, text[], boolean) to authenticated, service_role;

-- migrate:down
drop function marketing.gdpr_delete_user_data(text, text[], boolean);
drop function marketing.gdpr_export_user_data(text, text[]);
delete from private.hooks where system = 'growth' and event in ('account_erased', 'person_export', 'person_kept', 'person_erase');
drop function private.erase_growth_account(jsonb);
delete from private.jobs where name = 'forget_erased_users';
drop function private.forget_erased_users();
drop table private.users_to_forget;
drop function private.growth_erase(jsonb);
drop function private.delete_onboardings(uuid[]);
drop function private.growth_kept(jsonb);
drop function private.growth_export(jsonb);
