-- 0360: billing. What each tier entitles to, which price of Stripe's gives which tier, and one row for each subscription. A user's tier and
-- limits follow the subscriptions in the same transaction.
-- migrate:up
create table private.tiers (
  tier             text constraint tiers_pkey primary key,
  rank             bigint not null constraint tiers_rank unique,
  api_usage_limit  bigint not null,
  concurrent_tasks bigint not null,
  keys             bigint not null,
  projects         bigint not null,
  constraint tiers_limits check (rank >= 0 and api_usage_limit >= 0 and concurrent_tasks >= 0 and keys >= 0 and projects >= 0)
);
comment on table private.tiers is 'What each tier entitles to. Of several subscriptions the one of the highest rank counts. Operators change the limits.';
comment on column private.tiers.api_usage_limit is 'Calls a month that count; copied to users.api_usage_limit.';
comment on column private.tiers.concurrent_tasks is 'Tasks of one user for one agent that run at the same time.';
comment on column private.tiers.keys is 'Stored API keys of one user.';
comment on column private.tiers.projects is 'Projects of one user.';

alter table private.tiers enable row level security;
alter table private.tiers force row level security;

insert into private.tiers (tier, rank, api_usage_limit, concurrent_tasks, keys, projects) values
('free', 0, 1000, 5, 20, 50),
('pro', 1, 50000, 20, 100, 500),
('team', 2, 250000, 50, 500, 2000),
('enterprise', 3, 5000000, 200, 2000, 10000);

-- What a tier entitles to: {tier, rank, api_usage_limit, concurrent_tasks, keys, projects}. An unknown tier is the free one.
create function private.entitlements_of(tier text) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  found_ jsonb;
begin
  select to_jsonb(t) into found_ from private.tiers as t where t.tier = entitlements_of.tier;
  if not found then
    select to_jsonb(t) into strict found_ from private.tiers as t where t.tier = 'free';
  end if;
  return found_;
end
$$;
revoke execute on function private.entitlements_of(text) from public;

create table private.price_tiers (
  price_id   text constraint price_tiers_pkey primary key,
  tier       text not null,
  plan_name  text not null,
  is_offered boolean not null default true,
  constraint price_tiers_tier foreign key (tier) references private.tiers (tier) on delete restrict,
  constraint price_tiers_price_id check (price_id ~ '^[A-Za-z0-9_.-]{1,200}$'),
  constraint price_tiers_plan_name_length check (char_length(plan_name) between 1 and 120)
);
comment on table private.price_tiers is 'The tier that each of Stripe''s prices gives. Operators write it; a subscription to another price gives none.';
comment on column private.price_tiers.is_offered is 'Whether POST /v1/billing/checkout sells it. Subscriptions that are there keep their tier.';
create index price_tiers_tier on private.price_tiers (tier);

alter table private.price_tiers enable row level security;
alter table private.price_tiers force row level security;

create table private.billing_customers (
  stripe_customer_id text constraint billing_customers_pkey primary key,
  user_id            uuid not null,
  created_at         timestamptz not null default now(),
  constraint billing_customers_id check (char_length(stripe_customer_id) between 1 and 200)
);
comment on table private.billing_customers is
  'Which user a customer of Stripe''s is. Only a checkout session that this system has opened for the user says so.';
create index billing_customers_user_id on private.billing_customers (user_id, created_at desc);

alter table private.billing_customers enable row level security;
alter table private.billing_customers force row level security;

create table flashfusion.billing (
  id                   uuid primary key default gen_random_uuid(),
  -- The token's sub. No foreign key: the record of what was paid stays when the user is erased.
  user_id              uuid not null,
  subscription_id      text not null,
  plan_name            text not null,
  billing_cycle        text,
  amount               bigint,
  currency             text,
  status               text not null,
  current_period_start timestamptz,
  current_period_end   timestamptz,
  created_at           timestamptz not null default now(),
  updated_at           timestamptz not null default now(),
  metadata             jsonb not null default '{}',
  stripe_customer_id   text not null,
  price_id             text,
  cancel_at_period_end boolean not null default false,
  last_event_at        timestamptz not null,
  constraint billing_subscription_id unique (subscription_id),
  constraint billing_subscription_id_length check (char_length(subscription_id) between 1 and 200),
  constraint billing_stripe_customer_id_length check (char_length(stripe_customer_id) between 1 and 200),
  constraint billing_price_id_length check (char_length(price_id) <= 200),
  constraint billing_plan_name_length check (char_length(plan_name) between 1 and 250),
  constraint billing_billing_cycle_length check (char_length(billing_cycle) <= 60),
  constraint billing_currency check (currency ~ '^[a-z]{3}$'),
  -- No list: Stripe's status is an open set, and an unknown one is stored as it is.
  constraint billing_status_length check (char_length(status) between 1 and 60),
  constraint billing_metadata check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384)
);
comment on table flashfusion.billing is 'One row for each subscription at Stripe. Written by its events only; its user reads it.';
comment on column flashfusion.billing.amount is 'What a billing cycle costs, in the smallest unit of the currency; null where the price has no fixed amount.';
comment on column flashfusion.billing.billing_cycle is 'day, week, month or year; for longer ones with the number, such as 3 months.';
comment on column flashfusion.billing.status is
  'Stripe''s: trialing, active, past_due, canceled, unpaid, incomplete, incomplete_expired, paused, or one that is newer.';
comment on column flashfusion.billing.current_period_start is 'The earliest of the subscription''s items; current_period_end is their latest.';
comment on column flashfusion.billing.price_id is 'Of the item with the highest tier. metadata.prices has those of all items.';
comment on column flashfusion.billing.metadata is
  'prices; and, where Stripe says so, cancel_at, trial_end, pause_collection (the status stays as it is), paused (why the status is paused) and invoice (the last one''s id and outcome).';
comment on column flashfusion.billing.last_event_at is 'Stripe''s time of the event that this row shows. An older one changes nothing.';

create index billing_user_id on flashfusion.billing (user_id, created_at desc);
create index billing_status on flashfusion.billing (user_id, status);
create index billing_customer on flashfusion.billing (stripe_customer_id);
create index billing_prices on flashfusion.billing using gin ((metadata -> 'prices'));

alter table flashfusion.billing enable row level security;
alter table flashfusion.billing force row level security;
create policy owner_select on flashfusion.billing for select to authenticated
  using (user_id = (select auth.uid()));
grant select on flashfusion.billing to authenticated;
grant select, insert, update, delete on flashfusion.billing to service_role;
select private.scope_table('flashfusion.billing');

-- The statuses of subscriptions that give their tier. While a payment is overdue they do: Stripe retries, and then changes the
-- status to unpaid, paused or canceled. A status that is not known gives nothing.
create function private.entitling_statuses() returns text[]
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return array['active', 'trialing', 'past_due'];
end
$$;
revoke execute on function private.entitling_statuses() from public;

-- Sets a user's tier and limits to what the user's subscriptions give. It changes no user who does not exist. The caller keeps others from
-- doing so meanwhile.
create function private.set_entitlements(user_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  entitled jsonb;
begin
  select private.entitlements_of(t.tier) into entitled
  from flashfusion.billing as b
  inner join private.price_tiers as p on b.metadata -> 'prices' ? p.price_id
  inner join private.tiers as t on t.tier = p.tier
  where b.user_id = set_entitlements.user_id and b.status = any (private.entitling_statuses())
  order by t.rank desc
  limit 1;
  entitled := coalesce(entitled, private.entitlements_of('free'));
  update flashfusion.users as u
  set subscription_tier = entitled ->> 'tier', api_usage_limit = (entitled ->> 'api_usage_limit')::bigint
  where u.id = set_entitlements.user_id
    and (u.subscription_tier, u.api_usage_limit) is distinct from (entitled ->> 'tier', (entitled ->> 'api_usage_limit')::bigint);
end
$$;
revoke execute on function private.set_entitlements(uuid) from public;

-- The same for one user, who is locked, while no price changes its tier.
create function private.apply_entitlements(user_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform private.lock_flashfusion_user(apply_entitlements.user_id);
  -- A change of a price waits for this transaction, or this one for the change: private.follow_price_tier.
  lock table flashfusion.billing in row exclusive mode;
  perform private.set_entitlements(apply_entitlements.user_id);
end
$$;
revoke execute on function private.apply_entitlements(uuid) from public;

-- Trigger of billing: a user's tier follows each change of a subscription, by any role.
create function private.follow_subscription() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if tg_op <> 'INSERT' then
    perform private.apply_entitlements(old.user_id);
  end if;
  if tg_op = 'INSERT' or (tg_op = 'UPDATE' and new.user_id <> old.user_id) then
    perform private.apply_entitlements(new.user_id);
  end if;
  return null;
end
$$;

create trigger billing_erased before insert or update on flashfusion.billing
  for each statement execute function private.refuse_erased_caller();
create trigger billing_filter before update or delete on flashfusion.billing
  for each statement execute function private.require_filter();
create trigger billing_updated_at before update on flashfusion.billing
  for each row execute function private.update_updated_at();
create trigger billing_audit after insert or update or delete on flashfusion.billing
  for each row execute function private.audit();
create trigger billing_entitles after insert or delete or update of user_id, status, metadata on flashfusion.billing
  for each row execute function private.follow_subscription();

select private.index_mentions('flashfusion.billing', array['plan_name', 'metadata']);

-- Trigger of price_tiers and tiers: a change reaches the users who have such a subscription or tier. One lock keeps all of them from
-- changing meanwhile: of locks of single users a database has room for about six thousand.
create function private.follow_price_tier() returns trigger
  language plpgsql
  set search_path = ''
  as $$
declare
  price constant text := case when tg_op = 'DELETE' then old.price_id else new.price_id end;
  one uuid;
begin
  lock table flashfusion.billing in share mode;
  for one in
    select distinct b.user_id from flashfusion.billing as b
    where b.metadata -> 'prices' ? price and b.status = any (private.entitling_statuses())
    order by b.user_id
  loop
    perform private.set_entitlements(one);
  end loop;
  return null;
end
$$;
create trigger price_tiers_follow after insert or delete or update of tier on private.price_tiers
  for each row execute function private.follow_price_tier();

create function private.follow_tier() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  update flashfusion.users as u set api_usage_limit = new.api_usage_limit
  where u.subscription_tier = new.tier and u.api_usage_limit <> new.api_usage_limit;
  return null;
end
$$;
create trigger tiers_follow after update of api_usage_limit on private.tiers
  for each row execute function private.follow_tier();

-- migrate:down
delete from private.mention_places where relation = 'flashfusion.billing';
drop table flashfusion.billing;
drop function private.follow_subscription();
drop function private.apply_entitlements(uuid);
drop function private.set_entitlements(uuid);
drop function private.entitling_statuses();
drop table private.billing_customers;
drop table private.price_tiers;
drop function private.follow_price_tier();
drop function private.entitlements_of(text);
drop table private.tiers;
drop function private.follow_tier();
