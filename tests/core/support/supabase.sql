-- What a new Supabase project has before anything is migrated into it, as far as these migrations meet it: its roles, the schema
-- auth with its tables and functions and their owner, the schema extensions, and the rights that the role postgres has on them.
-- An imitation, written from Supabase's public documentation; run by a superuser in an empty database.
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit bypassrls;
create role authenticator login noinherit password 'authenticator';
create role supabase_auth_admin nologin noinherit createrole;
create role supabase_admin nologin superuser;
-- Migrations run as this one: no superuser, but past row-level security.
create role postgres_of_supabase login password 'postgres' createdb createrole bypassrls;
grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role, authenticator to postgres_of_supabase with admin option;
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';

create schema extensions authorization postgres_of_supabase;
grant usage on schema extensions to anon, authenticated, service_role;
create extension pgcrypto with schema extensions;

create schema auth authorization supabase_auth_admin;
grant usage on schema auth to anon, authenticated, service_role, postgres_of_supabase;
set role supabase_auth_admin;
create table auth.users (
  instance_id         uuid,
  id                  uuid not null primary key,
  aud                 varchar(255),
  role                varchar(255),
  email               varchar(255),
  encrypted_password  varchar(255),
  email_confirmed_at  timestamptz,
  raw_app_meta_data   jsonb,
  raw_user_meta_data  jsonb,
  created_at          timestamptz,
  updated_at          timestamptz,
  phone               text unique,
  is_anonymous        boolean not null default false
);
create unique index users_email_partial_key on auth.users (email);
alter table auth.users enable row level security;
create table auth.refresh_tokens (id bigserial primary key, token varchar(255), user_id varchar(255));
grant all on auth.users, auth.refresh_tokens to postgres_of_supabase;

create function auth.uid() returns uuid language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.sub', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')
  )::uuid
$$;
create function auth.role() returns text language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim.role', true), ''),
    (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role')
  )::text
$$;
create function auth.email() returns text language sql stable as $$
  select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'email'
$$;
create function auth.jwt() returns jsonb language sql stable as $$
  select coalesce(
    nullif(current_setting('request.jwt.claim', true), ''),
    nullif(current_setting('request.jwt.claims', true), '')
  )::jsonb
$$;
grant execute on function auth.uid(), auth.role(), auth.email(), auth.jwt() to public;
reset role;

-- What is made in public is everybody's there.
grant usage, create on schema public to postgres_of_supabase;
grant usage on schema public to anon, authenticated, service_role;
alter default privileges for role postgres_of_supabase in schema public grant all on tables to anon, authenticated, service_role;
alter default privileges for role postgres_of_supabase in schema public grant all on functions to anon, authenticated, service_role;

-- What clients are told of as it happens.
create publication supabase_realtime;
