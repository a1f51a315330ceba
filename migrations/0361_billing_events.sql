-- 0361: billing events. Every event of Stripe's, each stored and applied once, in any order of arrival. One that cannot be applied yet
-- is stored and applied later: Stripe repeats for days what is not answered with 200.
-- migrate:up
create table private.billing_events (
  event_id        text constraint billing_events_pkey primary key,
  id              bigint generated always as identity constraint billing_events_id unique,
  type            text not null,
  created         timestamptz not null,
  payload         jsonb not null,
  processed_at    timestamptz,
  received_at     timestamptz not null default now(),
  kind            text not null,
  livemode        boolean,
  api_version     text,
  customer_id     text,
  subscription_id text,
  path            text,
  fetched         jsonb,
  fetching_since  timestamptz,
  outcome         text,
  attempts        bigint not null default 0,
  due_at          timestamptz,
  constraint billing_events_event_id check (event_id ~ '^[A-Za-z0-9_]{1,255}$'),
  constraint billing_events_type_length check (char_length(type) between 1 and 200),
  constraint billing_events_kind check (kind in ('snapshot', 'thin')),
  constraint billing_events_path check (path ~ '^v[12]/[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*$' and char_length(path) <= 500),
  constraint billing_events_outcome_length check (char_length(outcome) <= 500)
);
comment on table private.billing_events is 'Stripe''s events, each stored once. They name people: private.clean_billing_events deletes them after 90 days.';
comment on column private.billing_events.created is 'Stripe''s time of the event, in whole seconds for snapshots.';
comment on column private.billing_events.kind is 'snapshot: the event has its object. thin: it names the object, and the edge fetches it.';
comment on column private.billing_events.path is 'Of a thin event: the path of its object in Stripe''s API, below STRIPE_URL.';
comment on column private.billing_events.fetched is 'The object of a thin event, until it is applied.';
comment on column private.billing_events.fetching_since is 'When the edge last began to fetch the object of a thin event.';
comment on column private.billing_events.outcome is
  'applied; outdated (something newer had come); ignored; erased user (bound to one whose events are emptied); unknown customer or unknown subscription (waits for it); not fetched; gone; failed, with the error. Null: not tried.';
comment on column private.billing_events.processed_at is 'Null while there is something left to do.';
comment on column private.billing_events.due_at is 'When to try again.';

create index billing_events_customer on private.billing_events (customer_id, created, event_id);
create index billing_events_due_at on private.billing_events (due_at) where due_at is not null;
create index billing_events_received_at on private.billing_events using brin (received_at);

alter table private.billing_events enable row level security;
alter table private.billing_events force row level security;

select private.index_mentions('private.billing_events', array['payload', 'fetched']);

create table private.subscription_clocks (
  subscription_id text constraint subscription_clocks_pkey primary key,
  at              timestamptz not null,
  rank            bigint not null,
  event_id        text not null,
  applied_at      timestamptz not null
);
comment on table private.subscription_clocks is 'The event that each row of flashfusion.billing shows: its time, its rank within a second, and when it was applied.';

alter table private.subscription_clocks enable row level security;
alter table private.subscription_clocks force row level security;

-- migrate:down
delete from private.mention_places where relation = 'private.billing_events';
drop table private.subscription_clocks;
drop table private.billing_events;
