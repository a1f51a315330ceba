-- 0120: onboarding sessions. How far a sign-up has come, without an account: the holder of a session's token goes on with it.
-- migrate:up
create table onboarding.sessions (
  id                                uuid primary key default pg_catalog.gen_random_uuid(),
  lead_id                           uuid,
  session_token_hash                bytea not null,
  -- Computed from the four times, so that no write can skip a step.
  current_step                      text not null generated always as (
    case
      when business_info_completed_at is null then 'business_info'
      when whatsapp_integration_completed_at is null then 'whatsapp_integration'
      when bot_setup_completed_at is null then 'bot_setup'
      when testing_completed_at is null then 'testing'
      else 'complete'
    end
  ) stored,
  status                            text not null default 'not_started', -- not an enum, as the status of leads
  -- squawk-ignore prefer-bigint-over-smallint
  progress_percentage               smallint not null generated always as (
    25 * num_nonnulls(
      business_info_completed_at, whatsapp_integration_completed_at, bot_setup_completed_at, testing_completed_at
    )
  ) stored,
  business_info_completed_at        timestamptz,
  whatsapp_integration_completed_at timestamptz,
  bot_setup_completed_at            timestamptz,
  testing_completed_at              timestamptz,
  completed_at                      timestamptz,
  started_at                        timestamptz not null default now(),
  last_activity_at                  timestamptz not null default now(),
  abandoned_at                      timestamptz,
  user_agent                        text,
  network                           inet,
  business_data                     jsonb not null default '{}',
  whatsapp_config                   jsonb not null default '{}',
  bot_config                        jsonb not null default '{}',
  created_at                        timestamptz not null default now(),
  updated_at                        timestamptz not null default now(),
  constraint sessions_lead foreign key (lead_id) references marketing.leads on delete set null,
  constraint sessions_status check (status in ('not_started', 'in_progress', 'completed', 'abandoned')),
  constraint sessions_token_hash_length check (octet_length(session_token_hash) = 32),
  constraint sessions_user_agent_length check (char_length(user_agent) <= 512),
  constraint sessions_business_data check (jsonb_typeof(business_data) = 'object'),
  constraint sessions_whatsapp_config check (jsonb_typeof(whatsapp_config) = 'object'),
  constraint sessions_bot_config check (jsonb_typeof(bot_config) = 'object'),
  constraint sessions_steps_in_order check (
    (business_info_completed_at is not null or whatsapp_integration_completed_at is null)
    and (whatsapp_integration_completed_at is not null or bot_setup_completed_at is null)
    and (bot_setup_completed_at is not null or testing_completed_at is null)
  ),
  constraint sessions_completed check (
    (status = 'completed') = (completed_at is not null) and (status = 'completed') = (testing_completed_at is not null)
  ),
  constraint sessions_abandoned check ((status = 'abandoned') = (abandoned_at is not null)),
  constraint sessions_not_started check (status <> 'not_started' or business_info_completed_at is null)
);
comment on table onboarding.sessions is
  'One onboarding, found by the hash of its token. It is personal data: what the person typed, their network and browser, their activities. A lead''s sessions are erased with the lead.';
comment on column onboarding.sessions.lead_id is
  'The lead whose address was given at the start; nobody proved that it is theirs. An erasure of a lead deletes its sessions first: without this id they cannot be found.';
comment on column onboarding.sessions.session_token_hash is
  'SHA-256 of the token, which is stored nowhere. The hash gives no access.';
comment on column onboarding.sessions.current_step is 'One of business_info, whatsapp_integration, bot_setup, testing and complete, in this order.';
comment on column onboarding.sessions.status is 'One of not_started, in_progress, completed and abandoned.';
comment on column onboarding.sessions.network is 'The caller''s network, /24 or /48, as the edge has verified it; never an address.';
comment on column onboarding.sessions.business_data is 'Answers of the step business_info.';
comment on column onboarding.sessions.whatsapp_config is 'Answers of the step whatsapp_integration; never a secret: those are sealed with the account.';
comment on column onboarding.sessions.bot_config is 'Answers of the step bot_setup.';

create unique index sessions_token_hash on onboarding.sessions (session_token_hash);
create index sessions_lead_id on onboarding.sessions (lead_id);
create index sessions_last_activity_at on onboarding.sessions (last_activity_at) where status = 'in_progress';
create index sessions_step on onboarding.sessions (current_step, status);
create index sessions_started_at on onboarding.sessions (started_at desc);
create index sessions_completed_at on onboarding.sessions (completed_at) where completed_at is not null;
-- Those that the job cleanup_old_data deletes one day.
create index sessions_to_delete on onboarding.sessions (last_activity_at) where status = 'abandoned' or lead_id is null;

alter table onboarding.sessions enable row level security;
alter table onboarding.sessions force row level security;
create policy admin_select on onboarding.sessions for select to authenticated
  using ((select private.is_admin()));
grant select on onboarding.sessions to authenticated, service_role;
select private.scope_table('onboarding.sessions');

create trigger sessions_erased before insert or update on onboarding.sessions
  for each statement execute function private.refuse_erased_caller();
create trigger sessions_updated_at before update on onboarding.sessions
  for each row execute function private.update_updated_at();

select private.index_mentions('onboarding.sessions', array['user_agent', 'business_data', 'whatsapp_config', 'bot_config']);

-- migrate:down
delete from private.mention_places where relation = 'onboarding.sessions';
drop table onboarding.sessions;
