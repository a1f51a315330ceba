-- 0181: GDPR. Exports or erases everything that growth stores about a person.
-- migrate:up
-- Everything about an address, by table.
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
  'Everything that growth stores about an e-mail address, and about phone numbers that the caller has verified; of rows that only mention them, the number by table. Definer: it reads what no role may read; only admins and the back office get past its first line.';
revoke execute on function marketing.gdpr_export_user_data(text, text[]) from public;
grant execute on function marketing.gdpr_export_user_data(text, text[]) to authenticated, service_role;

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
  -- An account belongs to a customer, by contract: it stays, without the lead.
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
    -- The mentions that are left.
    'mentions', private.mentions(private.contacts_of(person)),
    'unproven', person -> 'unproven',
    'kept', jsonb_build_object('whatsapp.accounts', accounts, 'private.consent_records', (
      select count(*) from private.consent_records as c where c.address_hash = private.address_hash(person ->> 'email')
    ))
  );
end
$$;
comment on function marketing.gdpr_delete_user_data(text, text[], boolean) is
  'Erases everything that growth stores about an e-mail address, and about phone numbers that the caller has verified, and counts it by table. Consent records, which have only a hash, stay. Rows that only mention the person stay, too, and are counted, unless their erasure is requested. Definer: it deletes what no role may delete; only admins and the back office get past its first line.';
revoke execute on function marketing.gdpr_delete_user_data(text, text[], boolean) from public;
grant execute on function marketing.gdpr_delete_user_data(text, text[], boolean) to authenticated, service_role;

-- migrate:down
drop function marketing.gdpr_delete_user_data(text, text[], boolean);
drop function marketing.gdpr_export_user_data(text, text[]);
