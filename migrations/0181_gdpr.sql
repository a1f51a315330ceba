-- 0181: GDPR. Exports or erases everything that growth stores about a person.
-- migrate:up
-- Hook: a person's rows, by table.
create function private.growth_export(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  leads constant uuid[] := private.texts(person #> '{systems,growth,leads}')::uuid[];
  onboarded constant uuid[] := array(select s.id from onboarding.sessions as s where s.lead_id = any (leads));
  hooks constant bigint[] := private.webhooks_of(person);
begin
  return jsonb_build_object(
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
revoke execute on function private.growth_export(jsonb) from public;

-- Hook: counts what stays. An account belongs to a customer, by contract: it stays, without the lead. Consent records have only a
-- hash of the address.
create function private.growth_kept(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  leads constant uuid[] := private.texts(person #> '{systems,growth,leads}')::uuid[];
begin
  return jsonb_build_object(
    'whatsapp.accounts', (select count(*) from whatsapp.accounts as a where a.lead_id = any (leads)),
    'private.consent_records', (
      select count(*) from private.consent_records as c where c.address_hash = private.address_hash(person ->> 'email')
    )
  );
end
$$;
revoke execute on function private.growth_kept(jsonb) from public;

-- Hook: erases a person's rows, and counts them by table.
create function private.growth_erase(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  leads constant uuid[] := private.texts(person #> '{systems,growth,leads}')::uuid[];
  onboarded uuid[];
  erased jsonb := '{}';
  rows_ bigint;
begin
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
  return erased;
end
$$;
revoke execute on function private.growth_erase(jsonb) from public;

insert into private.hooks (system, event, function) values
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
delete from private.hooks where system = 'growth' and event in ('person_export', 'person_kept', 'person_erase');
drop function private.growth_erase(jsonb);
drop function private.growth_kept(jsonb);
drop function private.growth_export(jsonb);
