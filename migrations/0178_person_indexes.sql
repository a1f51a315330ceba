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

-- migrate:down
drop index analytics.events_anonymous_id;
drop index marketing.lead_interactions_browser;
drop index marketing.lead_interactions_session;
drop index marketing.leads_last_browser;
drop index marketing.leads_last_session;
drop index marketing.leads_named_browser;
drop index marketing.leads_named_session;
drop index marketing.leads_deleted;
