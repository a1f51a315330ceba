-- The accounts of `npm run dev`: tables of Supabase Auth's names and columns, as far as dev/accounts uses them. Not a migration: in
-- production another system owns them. Can be run again and again.
create schema if not exists auth;

create table if not exists auth.users (
  id                       uuid         constraint users_pkey primary key default gen_random_uuid(),
  aud                      varchar(255) not null default 'authenticated',
  role                     varchar(255) not null default 'authenticated',
  email                    varchar(255) not null constraint users_email_key unique,
  encrypted_password       varchar(255) not null,
  email_confirmed_at       timestamptz,
  recovery_token           varchar(255),
  recovery_sent_at         timestamptz,
  email_change             varchar(255),
  email_change_token_new   varchar(255),
  email_change_sent_at     timestamptz,
  last_sign_in_at          timestamptz,
  raw_app_meta_data        jsonb        not null default '{"provider": "email", "providers": ["email"]}',
  raw_user_meta_data       jsonb        not null default '{}',
  is_anonymous             boolean      not null default false,
  banned_until             timestamptz,
  deleted_at               timestamptz,
  created_at               timestamptz  not null default now(),
  updated_at               timestamptz  not null default now()
);
-- By this comment dev/accounts knows its own table from one of Supabase Auth's.
comment on table auth.users is 'Made by dev/accounts: the accounts of npm run dev.';
create index if not exists users_recovery_token on auth.users (recovery_token);
create index if not exists users_email_change_token_new on auth.users (email_change_token_new);

create table if not exists auth.sessions (
  id           uuid        constraint sessions_pkey primary key default gen_random_uuid(),
  user_id      uuid        not null constraint sessions_user_id_fkey references auth.users on delete cascade,
  aal          text        not null default 'aal1',
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  refreshed_at timestamptz
);
create index if not exists sessions_user_id on auth.sessions (user_id);

-- How the holder of a session has signed in: the claim amr.
create table if not exists auth.mfa_amr_claims (
  id                    uuid        constraint mfa_amr_claims_pkey primary key default gen_random_uuid(),
  session_id            uuid        not null constraint mfa_amr_claims_session_id_fkey references auth.sessions on delete cascade,
  authentication_method text        not null,
  created_at            timestamptz not null default now(),
  updated_at            timestamptz not null default now(),
  constraint mfa_amr_claims_session_id_authentication_method unique (session_id, authentication_method)
);

create table if not exists auth.refresh_tokens (
  id         bigint       generated always as identity constraint refresh_tokens_pkey primary key,
  token      varchar(255) not null constraint refresh_tokens_token_key unique,
  parent     varchar(255),
  session_id uuid         not null constraint refresh_tokens_session_id_fkey references auth.sessions on delete cascade,
  user_id    varchar(255) not null,
  revoked    boolean      not null default false,
  created_at timestamptz  not null default now(),
  updated_at timestamptz  not null default now()
);
create unique index if not exists refresh_tokens_active on auth.refresh_tokens (session_id) where not revoked;
create index if not exists refresh_tokens_session_id on auth.refresh_tokens (session_id);

-- The roles of requests may use the schema, for auth.uid(). Nothing in these tables is theirs.
alter table auth.users enable row level security;
alter table auth.sessions enable row level security;
alter table auth.mfa_amr_claims enable row level security;
alter table auth.refresh_tokens enable row level security;
revoke all on auth.users, auth.sessions, auth.mfa_amr_claims, auth.refresh_tokens
  from public, anon, authenticated, service_role, authenticator, edge;

select private.attach_account_triggers();
