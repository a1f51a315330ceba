-- 0210: user profiles. What clixen stores about a user: created on sign-up where this database has the accounts (auth.users), else at the
-- user's first call.
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
  constraint user_profiles_email check (char_length(email) <= 254 and email ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'),
  constraint user_profiles_full_name_length check (char_length(full_name) between 1 and 200),
  constraint user_profiles_avatar_url check (avatar_url ~ '^https://' and char_length(avatar_url) <= 2000),
  constraint user_profiles_tier check (tier in ('free', 'pro', 'enterprise')),
  constraint user_profiles_preferences check (jsonb_typeof(preferences) = 'object' and octet_length(preferences::text) <= 16384),
  constraint user_profiles_totals check (total_workflows_created >= 0 and total_deployments >= 0 and total_projects >= 0)
);
comment on table clixen.user_profiles is 'One row per user of clixen. Users never set tier and totals.';
-- Not unique: a refused second profile would reveal the first one, and the first to enter an address would keep it.
comment on column clixen.user_profiles.email is
  'The issuer''s, if the token also has email_verified: true; of an account in auth.users once it is confirmed.';
comment on column clixen.user_profiles.total_workflows_created is 'Workflows that the user has created and not deleted.';
comment on column clixen.user_profiles.total_deployments is 'Deployments that succeeded, of workflows that are not deleted.';
comment on column clixen.user_profiles.first_workflow_created_at is 'Stays when that workflow is deleted; so does first_deployment_at.';

create index user_profiles_email on clixen.user_profiles (lower(normalize(email, nfc) collate "C"));
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
select private.scope_table('clixen.user_profiles');
select private.limit_writes('clixen.user_profiles', 'clixen', true);

-- Trigger: changes of tier and address are security events.
create function private.watch_profile() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if new.tier <> old.tier then
    perform private.note_security_event('tier_changed', new.id, jsonb_build_object('from', old.tier, 'to', new.tier));
  end if;
  if new.email is distinct from old.email then
    perform private.note_security_event('email_changed', new.id, '{}');
  end if;
  return null;
end
$$;

create trigger user_profiles_erased before insert or update on clixen.user_profiles
  for each statement execute function private.refuse_erased_caller();
create trigger user_profiles_filter before update or delete on clixen.user_profiles
  for each statement execute function private.require_filter();
create trigger user_profiles_updated_at before update of id, email, full_name, avatar_url, tier, preferences, onboarding_completed
  on clixen.user_profiles for each row execute function private.update_updated_at();
create trigger user_profiles_audit
  after insert or delete or update of id, email, full_name, avatar_url, tier, preferences, onboarding_completed
  on clixen.user_profiles for each row execute function private.audit();
create trigger user_profiles_watch after update of tier, email on clixen.user_profiles
  for each row execute function private.watch_profile();

select private.index_mentions('clixen.user_profiles', array['email', 'full_name', 'avatar_url', 'preferences']);

-- Creates a user's profile if there is none. It counts projects under the lock that their writers take.
create function private.make_profile(user_id uuid, email text) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform private.lock_user(make_profile.user_id);
  perform pg_advisory_xact_lock(hashtextextended(make_profile.user_id::text, 221));
  insert into clixen.user_profiles (
    id, email, total_projects, total_workflows_created, first_workflow_created_at, total_deployments, first_deployment_at
  )
  select make_profile.user_id, make_profile.email, projects.count, workflows.count, workflows.first, served.count, served.first
  from (select count(*) as count from clixen.projects as p where p.user_id = make_profile.user_id) as projects,
    (
      select count(*) as count, min(w.created_at) as first
      from clixen.mvp_workflows as w where w.user_id = make_profile.user_id
    ) as workflows,
    (
      select count(*) as count, min(coalesce(d.completed_at, d.created_at)) as first
      from clixen.deployments as d
      where d.user_id = make_profile.user_id and d.status in ('deployed', 'rolled_back')
    ) as served
  on conflict do nothing;
end
$$;

-- A row that a statement has added or removed, as counters see it.
create type private.row_change as (
  parent_id uuid,
  user_id   uuid,
  at        timestamptz,
  change    int -- 1: added, -1: removed; a changed row is both
);

-- Adds the changes of a statement to the totals of its users: of workflows or of deployments. Its lock admits other changes of
-- the same user, but not the creation of the profile, which counts all rows and would miss uncommitted ones. The creation of a
-- profile waits for no row after it has the lock, so there is no deadlock.
create function private.count_for_profiles(counted text, changes private.row_change[]) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  users constant uuid[] := array(
    select c.user_id
    from unnest(changes) as c
    group by c.user_id
    -- Also where as many rows were added as removed.
    having sum(c.change) <> 0 or min(c.at) filter (where c.change > 0) <> min(c.at) filter (where c.change < 0)
    order by c.user_id
  );
  user_id uuid;
begin
  if users = '{}' then
    return;
  end if;
  foreach user_id in array users loop
    perform pg_advisory_xact_lock_shared(hashtextextended(user_id::text, 221));
  end loop;
  update clixen.user_profiles as p set
    total_workflows_created = greatest(p.total_workflows_created + case counted when 'workflows' then n.change else 0 end, 0),
    first_workflow_created_at = least(p.first_workflow_created_at, case counted when 'workflows' then n.first end),
    total_deployments = greatest(p.total_deployments + case counted when 'deployments' then n.change else 0 end, 0),
    first_deployment_at = least(p.first_deployment_at, case counted when 'deployments' then n.first end)
  from (
    select c.user_id, sum(c.change) as change, min(c.at) filter (where c.change > 0) as first
    from unnest(changes) as c
    group by c.user_id
  ) as n
  where p.id = n.user_id and p.id = any (users);
end
$$;
revoke execute on function private.count_for_profiles(text, private.row_change[]) from public;

-- The caller's profile, created at the first call.
create function clixen.create_user_profile() returns clixen.user_profiles
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := (select auth.uid());
  claims constant jsonb := (select auth.jwt());
  profile clixen.user_profiles;
begin
  if caller is null then
    perform private.refuse(403, 'RG520', 'A profile is for users only', null, 'Sign in.');
  end if;
  select * into profile from clixen.user_profiles as p where p.id = caller;
  if not found then
    -- Only the boolean: some issuers let users write a text.
    perform private.make_profile(
      caller, case when claims -> 'email_verified' = 'true' then private.email_of(claims -> 'email') end
    );
    select * into strict profile from clixen.user_profiles as p where p.id = caller;
  end if;
  return profile;
end
$$;
comment on function clixen.create_user_profile() is
  'The caller''s profile, created at the first call. Definer: users may not insert profiles, since tier and totals are not theirs to set.';
revoke execute on function clixen.create_user_profile() from public;
grant execute on function clixen.create_user_profile() to authenticated;

-- Hook: creates a profile when an account is created in this database.
create function private.create_clixen_profile(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform private.make_profile((account ->> 'id')::uuid, account ->> 'email');
  return null;
end
$$;
revoke execute on function private.create_clixen_profile(jsonb) from public;

-- Hook: the address of the profile is the one that the account has confirmed.
create function private.change_clixen_profile(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  update clixen.user_profiles as p set email = account ->> 'email'
  where p.id = (account ->> 'id')::uuid and p.email is distinct from account ->> 'email';
  return null;
end
$$;
revoke execute on function private.change_clixen_profile(jsonb) from public;

-- Hook: the users whose profile has one of a person's addresses. Profiles have their address from a verified token.
create function private.clixen_users_of(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  emails constant text[] := private.texts(person -> 'emails');
begin
  return to_jsonb(array(
    select p.id from clixen.user_profiles as p where lower(normalize(p.email, nfc) collate "C") = any (emails)
  ));
end
$$;
revoke execute on function private.clixen_users_of(jsonb) from public;

insert into private.hooks (system, event, function) values
('clixen', 'account_created', 'private.create_clixen_profile'),
('clixen', 'account_changed', 'private.change_clixen_profile'),
('clixen', 'person_users', 'private.clixen_users_of');

-- migrate:down
delete from private.mention_places where relation = 'clixen.user_profiles';
delete from private.hooks where system = 'clixen' and event in ('account_created', 'account_changed', 'person_users');
drop function private.clixen_users_of(jsonb);
drop function private.change_clixen_profile(jsonb);
drop function private.create_clixen_profile(jsonb);
drop function clixen.create_user_profile();
drop function private.count_for_profiles(text, private.row_change[]);
drop type private.row_change;
drop function private.make_profile(uuid, text);
drop table clixen.user_profiles;
drop function private.watch_profile();
