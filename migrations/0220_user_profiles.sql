-- 0220: user profiles. What clixen knows of a user: made on sign-up where this database keeps the accounts (auth.users), else at
-- the user's first call; gone, with all that is theirs, when the account is deleted.
-- migrate:up
create table clixen.user_profiles (
  id                        uuid primary key,      -- the token's sub: identity belongs to the issuer
  email                     text,
  full_name                 text,
  avatar_url                text,
  tier                      text not null default 'free',
  preferences               jsonb not null default '{}',
  onboarding_completed      boolean not null default false,
  first_workflow_created_at timestamptz,
  first_deployment_at       timestamptz,
  total_workflows_created   bigint not null default 0,
  total_deployments         bigint not null default 0,
  total_projects            bigint not null default 0,
  created_at                timestamptz not null default now(),
  updated_at                timestamptz not null default now(),
  constraint user_profiles_email_length check (char_length(email) between 3 and 254),
  constraint user_profiles_full_name_length check (char_length(full_name) between 1 and 200),
  constraint user_profiles_avatar_url check (avatar_url ~ '^https://' and char_length(avatar_url) <= 2000),
  constraint user_profiles_tier check (tier in ('free', 'pro', 'enterprise')),
  constraint user_profiles_preferences check (jsonb_typeof(preferences) = 'object' and octet_length(preferences::text) <= 16384),
  constraint user_profiles_totals check (total_workflows_created >= 0 and total_deployments >= 0 and total_projects >= 0)
);
comment on table clixen.user_profiles is 'One row per user of clixen. Tier and totals are never the user''s to set.';
comment on column clixen.user_profiles.email is 'As the issuer says; null where another profile has it already.';
create unique index user_profiles_email on clixen.user_profiles (lower(email));
create index user_profiles_tier on clixen.user_profiles (tier);
create index user_profiles_created_at on clixen.user_profiles (created_at desc);

alter table clixen.user_profiles enable row level security;
alter table clixen.user_profiles force row level security;
create policy owner_select on clixen.user_profiles for select to authenticated
  using (id = (select auth.uid()));
create policy owner_update on clixen.user_profiles for update to authenticated
  using (id = (select auth.uid()))
  with check (id = (select auth.uid()));
grant select on clixen.user_profiles to authenticated;
grant update (full_name, avatar_url, preferences, onboarding_completed) on clixen.user_profiles to authenticated;
grant select, insert, update, delete on clixen.user_profiles to service_role;

create trigger user_profiles_filter before update or delete on clixen.user_profiles
  for each statement execute function private.require_filter();
create trigger user_profiles_updated_at before update on clixen.user_profiles
  for each row execute function private.update_updated_at();
create trigger user_profiles_audit after insert or update or delete on clixen.user_profiles
  for each row execute function private.audit();

-- Makes a user's profile if there is none. Somebody else may have the address: two issuers may know one person.
create function private.make_profile(user_id uuid, email text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  projects constant bigint := (select count(*) from clixen.projects as p where p.user_id = make_profile.user_id);
begin
  insert into clixen.user_profiles (id, email, total_projects)
  values (make_profile.user_id, make_profile.email, projects)
  on conflict do nothing;
  insert into clixen.user_profiles (id, total_projects)
  values (make_profile.user_id, projects)
  on conflict do nothing;
end
$$;

-- The caller's profile, made at the first call.
create function clixen.ensure_user_profile() returns clixen.user_profiles
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := (select auth.uid());
  email constant text := nullif(btrim((select auth.jwt()) ->> 'email'), '');
  profile clixen.user_profiles;
begin
  if caller is null then
    perform private.refuse(403, 'RG520', 'A profile is for users only', null, 'Sign in.');
  end if;
  select * into profile from clixen.user_profiles as p where p.id = caller;
  if not found then
    perform private.make_profile(caller, case when char_length(email) between 3 and 254 then email end);
    select * into strict profile from clixen.user_profiles as p where p.id = caller;
  end if;
  return profile;
end
$$;
comment on function clixen.ensure_user_profile() is
  'The caller''s profile, made at the first call. Definer: users may not insert profiles, for tier and totals are not theirs.';
revoke execute on function clixen.ensure_user_profile() from public;
grant execute on function clixen.ensure_user_profile() to authenticated;

-- Trigger: a profile on sign-up, where this database keeps the accounts.
create function clixen.create_user_profile() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  perform private.make_profile(new.id, case when char_length(new.email) between 3 and 254 then new.email::text end);
  return null;
end
$$;
comment on function clixen.create_user_profile() is
  'Trigger of auth.users. Definer: whoever keeps the accounts has no right here.';
revoke execute on function clixen.create_user_profile() from public;

-- Erases what clixen has of a user, and gives the rows by table. For the back office, and for the trigger below.
create function clixen.erase_user(user_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  projects bigint;
  profiles bigint;
begin
  delete from clixen.projects as p where p.user_id = erase_user.user_id;
  get diagnostics projects = row_count;
  delete from clixen.user_profiles as p where p.id = erase_user.user_id;
  get diagnostics profiles = row_count;
  delete from private.idempotency_keys as k where k.caller = erase_user.user_id::text;
  return jsonb_build_object('projects', projects, 'user_profiles', profiles);
end
$$;
comment on function clixen.erase_user(uuid) is
  'Erases what clixen has of a user. Definer: it reaches tables of the schema private; the back office only.';
revoke execute on function clixen.erase_user(uuid) from public;
grant execute on function clixen.erase_user(uuid) to service_role;

create function clixen.erase_deleted_user() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  perform clixen.erase_user(old.id);
  return null;
end
$$;
comment on function clixen.erase_deleted_user() is 'Trigger of auth.users. Definer: whoever keeps the accounts has no right here.';
revoke execute on function clixen.erase_deleted_user() from public;

-- Trigger: how many projects a user has.
create function private.count_projects() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if tg_op = 'INSERT' then
    update clixen.user_profiles as p set total_projects = p.total_projects + 1 where p.id = new.user_id;
  elsif tg_op = 'DELETE' then
    update clixen.user_profiles as p set total_projects = greatest(p.total_projects - 1, 0) where p.id = old.user_id;
  end if;
  return null;
end
$$;
create trigger projects_count after insert or delete on clixen.projects
  for each row execute function private.count_projects();

do $$
begin
  if to_regclass('auth.users') is not null then
    create trigger rowgate_clixen_sign_up after insert on auth.users
      for each row execute function clixen.create_user_profile();
    create trigger rowgate_clixen_erase after delete on auth.users
      for each row execute function clixen.erase_deleted_user();
  end if;
end
$$;

-- migrate:down
drop trigger projects_count on clixen.projects;
drop function private.count_projects();
-- With the triggers on auth.users, which only the owner of that table could drop by name; on Supabase that is somebody else.
drop function clixen.erase_deleted_user() cascade;
drop function clixen.create_user_profile() cascade;
drop function clixen.erase_user(uuid);
drop function clixen.ensure_user_profile();
drop function private.make_profile(uuid, text);
drop table clixen.user_profiles;
