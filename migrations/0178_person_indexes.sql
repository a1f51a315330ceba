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
create index lead_interactions_session on marketing.lead_interactions (left(submission -> 'fields' ->> 'session_id', 200))
  where submission -> 'fields' ->> 'session_id' is not null;
create index lead_interactions_browser on marketing.lead_interactions (left(submission -> 'fields' ->> 'anonymous_id', 200))
  where submission -> 'fields' ->> 'anonymous_id' is not null;
create index events_anonymous_id on analytics.events (anonymous_id, occurred_at) where anonymous_id is not null;

-- Whom a lead's texts name beside whom the lead is of. Definer: an index that is made of a function calls it as whoever writes the
-- row, who may call nothing else of this schema.
create function private.lead_mentions(email text, texts text[]) returns text[]
  language plpgsql immutable security definer
  set search_path = ''
  as $$
begin
  return nullif(array_remove(private.contacts_in(texts), private.contact_key(email)), '{}');
end
$$;

grant execute on function private.lead_mentions(text, text[]) to authenticated, service_role;

-- Assignments whose unit's key names somebody. Gives how many.
create function private.forget_assignments(ids uuid[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  forgotten bigint;
begin
  delete from experiments.assignments as a where a.id = any (ids);
  get diagnostics forgotten = row_count;
  return forgotten;
end
$$;

select private.watch_mentions('marketing.leads', array[
  'phone_number', 'company_name', 'first_name', 'last_name', 'notes', 'interested_features', 'utm_source', 'utm_medium',
  'utm_campaign', 'utm_content', 'utm_term', 'referrer', 'landing_page', 'first_touch', 'last_touch', 'metadata', 'user_agent'
], 'redact', 'private.lead_mentions(email, array[''+'' || ltrim(phone_number, ''+''), company_name, first_name, last_name, notes, '
  || 'utm_source, utm_medium, utm_campaign, utm_content, utm_term, referrer, landing_page, first_touch::text, last_touch::text, '
  || 'metadata::text, user_agent] || interested_features)');
select private.watch_mentions('marketing.lead_interactions', array['subject', 'description', 'outcome', 'metadata', 'submission']);
select private.watch_mentions('onboarding.sessions', array['user_agent', 'business_data', 'whatsapp_config', 'bot_config']);
select private.watch_mentions(
  'onboarding.step_activities', array['activity_type', 'field_name', 'field_value', 'error_message', 'metadata']
);
select private.watch_mentions('analytics.events', array[
  'name', 'session_id', 'anonymous_id', 'properties', 'metadata', 'user_agent', 'referrer', 'url'
], 'private.forget_events');
select private.watch_mentions('analytics.event_aggregations', array['event_name']);
select private.watch_mentions('analytics.metrics', array['name', 'description', 'value_json', 'dimensions', 'tags', 'source']);
select private.watch_mentions('experiments.assignments', array['unit_key', 'session_id'], 'private.forget_assignments');
select private.watch_mentions('experiments.experiments', array['name', 'description', 'hypothesis']);
select private.watch_mentions('whatsapp.accounts', array['display_name']);
select private.watch_mentions('whatsapp.templates', array[
  'header_content', 'body_text', 'footer_text', 'buttons', 'components', 'rejected_reason'
]);
select private.watch_mentions('private.webhook_inbox', array['payload'], 'redact', 'mentions');

-- migrate:down
drop index private.webhook_inbox_mentions;
drop index whatsapp.templates_mentions;
drop index whatsapp.accounts_mentions;
drop index experiments.experiments_mentions;
drop index experiments.assignments_mentions;
drop index analytics.metrics_mentions;
drop index analytics.event_aggregations_mentions;
drop index analytics.events_mentions;
drop index onboarding.step_activities_mentions;
drop index onboarding.sessions_mentions;
drop index marketing.lead_interactions_mentions;
drop index marketing.leads_mentions;
delete from private.mention_places;
drop function private.forget_assignments(uuid[]);
drop function private.lead_mentions(text, text[]);
drop index analytics.events_anonymous_id;
drop index marketing.lead_interactions_browser;
drop index marketing.lead_interactions_session;
drop index marketing.leads_last_browser;
drop index marketing.leads_last_session;
drop index marketing.leads_named_browser;
drop index marketing.leads_named_session;
drop index marketing.leads_deleted;
