-- 0150: WhatsApp accounts. The customers' WhatsApp business accounts, one row per phone number. Owners read their own and write their own
-- fields; Meta's fields come by the webhook, and staff may correct them.
-- migrate:up
create table whatsapp.accounts (
  id                        uuid constraint accounts_pkey primary key default pg_catalog.gen_random_uuid(),
  -- The erasure of a lead leaves the account: it belongs to a customer, and its content to a business.
  lead_id                   uuid constraint accounts_lead references marketing.leads on delete set null,
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  owner_id                  uuid not null default auth.uid(),
  business_account_id       text not null,
  phone_number_id           text not null,
  phone_number              text not null,
  display_name              text,
  webhook_verify_token_hash bytea,
  is_verified               boolean not null default false,
  is_active                 boolean not null default true,
  verification_status       text,
  quality_rating            text,
  messaging_limit_tier      text,
  throughput_level          text,
  name_status               text,
  messages_sent_today       bigint not null default 0,
  messages_limit_daily      bigint,
  last_message_sent_at      timestamptz,
  last_webhook_at           timestamptz,
  created_at                timestamptz not null default now(),
  updated_at                timestamptz not null default now(),
  constraint accounts_business_account_id check (business_account_id ~ '^[0-9]{1,32}$'),
  constraint accounts_phone_number_id_form check (phone_number_id ~ '^[0-9]{1,32}$'),
  constraint accounts_phone_number check (phone_number ~ '^[+]?[0-9][0-9 ()./-]{3,30}$'),
  constraint accounts_display_name check (char_length(display_name) between 1 and 200),
  constraint accounts_webhook_verify_token_hash check (octet_length(webhook_verify_token_hash) = 32),
  -- Meta's words, which may gain new ones.
  constraint accounts_verification_status check (verification_status ~ '^[A-Z0-9_]{1,64}$'),
  constraint accounts_quality_rating check (quality_rating ~ '^[A-Z0-9_]{1,64}$'),
  constraint accounts_messaging_limit_tier check (messaging_limit_tier ~ '^[A-Z0-9_]{1,64}$'),
  constraint accounts_throughput_level check (throughput_level ~ '^[A-Z0-9_]{1,64}$'),
  constraint accounts_name_status check (name_status ~ '^[A-Z0-9_]{1,64}$'),
  constraint accounts_messages_sent_today check (messages_sent_today >= 0),
  constraint accounts_messages_limit_daily check (messages_limit_daily >= 0)
);
comment on table whatsapp.accounts is
  'A phone number of a customer''s WhatsApp business account. Its access token is sealed in private.whatsapp_access_tokens.';
comment on column whatsapp.accounts.lead_id is 'The lead that became this customer; null when that person was erased.';
comment on column whatsapp.accounts.is_verified is
  'Whether staff have verified that the account belongs to its owner. Only then does the webhook write to it.';
comment on column whatsapp.accounts.is_active is 'The owner''s own switch.';
comment on column whatsapp.accounts.verification_status is 'Meta''s latest word on the standing of the business account.';
comment on column whatsapp.accounts.webhook_verify_token_hash is 'SHA-256 of a random token that Meta shows when it subscribes.';
comment on column whatsapp.accounts.messages_sent_today is 'Messages sent on the UTC day of last_message_sent_at.';
comment on column whatsapp.accounts.messages_limit_daily is 'The number of messages that messaging_limit_tier allows; null if there is no limit or it is unknown.';

-- Anybody may enter any number, so a number is unique among verified accounts only: entering another person's number first
-- neither blocks its owner nor receives its webhooks, which look here.
create unique index accounts_phone_number_id on whatsapp.accounts (phone_number_id) where is_verified;
create index accounts_business on whatsapp.accounts (business_account_id) where is_verified;
-- An owner has each number once.
create unique index accounts_owner on whatsapp.accounts (owner_id, phone_number_id);
create index accounts_lead_id on whatsapp.accounts (lead_id);
-- For the webhook, to which anybody can show a token.
create index accounts_verify_token on whatsapp.accounts (webhook_verify_token_hash) where is_active;

alter table whatsapp.accounts enable row level security;
alter table whatsapp.accounts force row level security;
-- An owner's own accounts; all for admins. A range, because no index serves `owner_id = ... or is_admin()`.
create policy owner_select on whatsapp.accounts for select to authenticated
  using (
    owner_id >= case when (select private.is_admin()) then '00000000-0000-0000-0000-000000000000' else (select auth.uid()) end
    and owner_id <= case when (select private.is_admin()) then 'ffffffff-ffff-ffff-ffff-ffffffffffff' else (select auth.uid()) end
  );
create policy owner_insert on whatsapp.accounts for insert to authenticated
  with check (owner_id = (select auth.uid()) or (select private.is_admin()));
create policy owner_update on whatsapp.accounts for update to authenticated
  using (owner_id = (select auth.uid()) or (select private.is_admin()))
  with check (owner_id = (select auth.uid()) or (select private.is_admin()));
create policy owner_delete on whatsapp.accounts for delete to authenticated
  using (owner_id = (select auth.uid()) or (select private.is_admin()));
grant select, delete on whatsapp.accounts to authenticated;
-- Not lead_id: a user who may name one could test whether it exists.
grant insert (owner_id, business_account_id, phone_number_id, phone_number, display_name, is_active)
  on whatsapp.accounts to authenticated;
grant update (display_name, is_active) on whatsapp.accounts to authenticated;
-- For admins, who have the same role: the trigger accounts_staff keeps owners out.
grant update (
  lead_id, owner_id, business_account_id, phone_number_id, phone_number, webhook_verify_token_hash, is_verified,
  verification_status, quality_rating, messaging_limit_tier, throughput_level, name_status, messages_limit_daily
) on whatsapp.accounts to authenticated;
grant select, insert, update, delete on whatsapp.accounts to service_role;
select private.scope_table('whatsapp.accounts');
-- What a user writes in a day by the data API, in both tables together.
insert into private.daily_allowances (name, bytes, rows) values ('whatsapp', 52428800, 50000);
select private.limit_writes('whatsapp.accounts', 'whatsapp', true);

create function whatsapp.own_accounts() returns uuid[]
  language plpgsql stable security definer
  set search_path = ''
  as $$
begin
  return array(select a.id from whatsapp.accounts as a where a.owner_id = (select auth.uid()));
end
$$;
comment on function whatsapp.own_accounts() is
  'Accounts that the caller owns. Definer: the policies of templates, which are made of it, need no policies of accounts; it returns none of others.';
revoke execute on function whatsapp.own_accounts() from public;
grant execute on function whatsapp.own_accounts() to authenticated;

-- Trigger of columns that only admins may set. Owners and admins share the role authenticated, so grants cannot tell them apart;
-- this raises the error of a missing grant.
create function private.whatsapp_staff_only() returns trigger
  language plpgsql
  -- Definer: the caller may call nothing in this schema.
  security definer
  set search_path = ''
  as $$
begin
  if not private.is_admin() then
    raise exception 'permission denied for table %', tg_table_name using
      errcode = 'insufficient_privilege', hint = 'What Meta says of it, and whose it is, only admins change.';
  end if;
  return new;
end
$$;

create trigger accounts_erased before insert or update on whatsapp.accounts
  for each statement execute function private.refuse_erased_caller();
create trigger accounts_filter before update or delete on whatsapp.accounts
  for each statement execute function private.require_filter();
create trigger accounts_staff before update of
    lead_id, owner_id, business_account_id, phone_number_id, phone_number, webhook_verify_token_hash, is_verified,
    verification_status, quality_rating, messaging_limit_tier, throughput_level, name_status, messages_limit_daily
  on whatsapp.accounts
  for each row when (current_user = 'authenticated') execute function private.whatsapp_staff_only();
create trigger accounts_updated_at before update on whatsapp.accounts
  for each row execute function private.update_updated_at();
-- Not for the counters and times that change with every message.
create trigger accounts_audit after insert or delete or update of
    lead_id, owner_id, business_account_id, phone_number_id, phone_number, display_name, webhook_verify_token_hash,
    is_verified, is_active, verification_status, quality_rating, messaging_limit_tier, throughput_level, name_status,
    messages_limit_daily
  on whatsapp.accounts for each row execute function private.audit();

select private.index_mentions('whatsapp.accounts', array['display_name']);

-- migrate:down
delete from private.daily_allowances where name = 'whatsapp';
delete from private.mention_places where relation = 'whatsapp.accounts';
drop function whatsapp.own_accounts();
drop table whatsapp.accounts;
drop function private.whatsapp_staff_only();
