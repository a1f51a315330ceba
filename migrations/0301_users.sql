-- 0301: users of flashfusion. Created on sign-up where this database has the accounts (auth.users), else at the user's first call.
-- migrate:up
create table flashfusion.users (
  id                   uuid primary key, -- the token's sub: identity belongs to the issuer
  auth_id              uuid generated always as (id) stored,
  email                text,
  username             text,
  full_name            text,
  avatar_url           text,
  subscription_tier    text not null default 'free',
  api_usage_count      bigint not null default 0,
  api_usage_limit      bigint not null default 1000,
  created_at           timestamptz not null default now(),
  updated_at           timestamptz not null default now(),
  last_login_at        timestamptz,
  is_active            boolean not null default true,
  preferences          jsonb not null default '{}',
  onboarding_completed boolean not null default false,
  constraint users_auth_id unique (auth_id),
  constraint users_email check (char_length(email) <= 254 and email ~ '^[^[:space:][:cntrl:]@]+@[^[:space:][:cntrl:]@]+$'),
  -- Letters, digits and _ only, so that no two spellings look alike.
  constraint users_username check (username ~ '^[A-Za-z][A-Za-z0-9_]{2,38}$'),
  constraint users_full_name_length check (char_length(full_name) between 1 and 200),
  constraint users_avatar_url check (avatar_url ~ '^https://' and char_length(avatar_url) <= 2000),
  constraint users_subscription_tier check (subscription_tier in ('free', 'pro', 'team', 'enterprise')),
  constraint users_api_usage check (api_usage_count >= 0 and api_usage_limit >= 0),
  constraint users_preferences check (jsonb_typeof(preferences) = 'object' and octet_length(preferences::text) <= 16384)
);
comment on table flashfusion.users is 'One row per user of flashfusion. Users never set tier, limits and counters.';
-- Not unique: a refused second row would reveal the first one, and the first to enter an address would keep it.
comment on column flashfusion.users.email is
  'The issuer''s, if the token also has email_verified: true; of an account in auth.users once it is confirmed. ensure_user takes another one.';
comment on column flashfusion.users.username is 'Chosen by the user, shown beside public projects. Unique without regard to case.';
comment on column flashfusion.users.api_usage_count is 'Calls in the current month that count against api_usage_limit.';
comment on column flashfusion.users.last_login_at is 'When the user last called ensure_user with a session: noted at most once a minute.';
comment on column flashfusion.users.is_active is 'false: service_role has deactivated the user, who reads and deletes what is there, and changes nothing.';

create index users_email on flashfusion.users (lower(normalize(email, nfc) collate "C"));
create unique index users_username_key on flashfusion.users (lower(username collate "C"));
create index users_created_at on flashfusion.users (created_at desc);

alter table flashfusion.users enable row level security;
alter table flashfusion.users force row level security;
create policy owner_select on flashfusion.users for select to authenticated
  using (id = (select auth.uid()));
create policy owner_update on flashfusion.users for update to authenticated
  using (id = (select auth.uid()) and is_active)
  with check (id = (select auth.uid()) and is_active);
grant select on flashfusion.users to authenticated;
grant update (username, full_name, avatar_url, preferences, onboarding_completed) on flashfusion.users to authenticated;
grant select, insert, update, delete on flashfusion.users to service_role;
select private.scope_table('flashfusion.users');
select private.limit_writes('flashfusion.users', 'flashfusion', true);

-- Trigger: changes of tier, address and state are security events.
create function private.watch_flashfusion_user() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if new.subscription_tier <> old.subscription_tier then
    perform private.note_security_event(
      'tier_changed', new.id, jsonb_build_object('from', old.subscription_tier, 'to', new.subscription_tier)
    );
  end if;
  if new.email is distinct from old.email then
    perform private.note_security_event('email_changed', new.id, '{}');
  end if;
  return null;
end
$$;

create trigger users_erased before insert or update on flashfusion.users
  for each statement execute function private.refuse_erased_caller();
create trigger users_filter before update or delete on flashfusion.users
  for each statement execute function private.require_filter();
create trigger users_updated_at
  before update of id, email, username, full_name, avatar_url, subscription_tier, is_active, preferences, onboarding_completed
  on flashfusion.users for each row execute function private.update_updated_at();
create trigger users_audit
  after insert or delete
  or update of id, email, username, full_name, avatar_url, subscription_tier, api_usage_limit, is_active, preferences,
  onboarding_completed
  on flashfusion.users for each row execute function private.audit();
create trigger users_watch after update of subscription_tier, email on flashfusion.users
  for each row execute function private.watch_flashfusion_user();

select private.index_mentions('flashfusion.users', array['email', 'username', 'full_name', 'avatar_url', 'preferences']);

-- The row of a user, created at the first call; simultaneous first calls create one. An erased user gets none.
create function private.flashfusion_user(user_id uuid, email text default null) returns flashfusion.users
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  found_ flashfusion.users;
begin
  select * into found_ from flashfusion.users as u where u.id = flashfusion_user.user_id;
  if not found then
    perform private.lock_flashfusion_user(flashfusion_user.user_id);
    perform private.refuse_erased(flashfusion_user.user_id);
    insert into flashfusion.users (id, email) values (flashfusion_user.user_id, flashfusion_user.email)
    on conflict do nothing;
    -- A subscription may have come before the user did.
    perform private.apply_entitlements(flashfusion_user.user_id);
    select * into strict found_ from flashfusion.users as u where u.id = flashfusion_user.user_id;
  end if;
  return found_;
end
$$;
revoke execute on function private.flashfusion_user(uuid, text) from public;

-- The caller's row, created at the first call. For functions that users call: refuses callers who are not users, and those whom
-- service_role has deactivated.
create function private.flashfusion_caller() returns flashfusion.users
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  caller constant uuid := (select auth.uid());
  claims constant jsonb := (select auth.jwt());
  found_ flashfusion.users;
begin
  if caller is null then
    perform private.refuse(403, 'RG630', 'This is for users only', null, 'Sign in.');
  end if;
  -- Only the boolean: some issuers let users write a text.
  found_ := private.flashfusion_user(caller, case when claims -> 'email_verified' = 'true' then private.email_of(claims -> 'email') end);
  if not found_.is_active then
    perform private.refuse(403, 'RG632', 'This account is deactivated', null, 'Ask the operator.');
  end if;
  return found_;
end
$$;
revoke execute on function private.flashfusion_caller() from public;

create function flashfusion.ensure_user() returns flashfusion.users
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller flashfusion.users := private.flashfusion_caller();
  address text;
begin
  -- An API token is no login.
  if private.api_token() is null and coalesce(caller.last_login_at < now() - interval '1 minute', true) then
    update flashfusion.users as u set last_login_at = now() where u.id = caller.id returning * into caller;
    -- The former address may be somebody else's by now, who wants to have their data exported or erased.
    address := private.caller_email();
    if address <> private.normalize_email(caller.email) or (address is not null and caller.email is null) then
      update flashfusion.users as u set email = address where u.id = caller.id returning * into caller;
    end if;
  end if;
  return caller;
end
$$;
comment on function flashfusion.ensure_user() is
  'The caller''s row, created at the first call. It notes last_login_at and another verified address. Definer: users may not insert it, since tier, limits and counters are not theirs to set.';
revoke execute on function flashfusion.ensure_user() from public;
grant execute on function flashfusion.ensure_user() to authenticated;

-- Hook: creates the row when an account is created in this database.
create function private.create_flashfusion_user(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform private.flashfusion_user((account ->> 'id')::uuid, account ->> 'email');
  return null;
end
$$;
revoke execute on function private.create_flashfusion_user(jsonb) from public;

-- Hook: the address is the one that the account has confirmed.
create function private.change_flashfusion_user(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  update flashfusion.users as u set email = account ->> 'email'
  where u.id = (account ->> 'id')::uuid and u.email is distinct from account ->> 'email';
  return null;
end
$$;
revoke execute on function private.change_flashfusion_user(jsonb) from public;

-- Hook: the users who have one of a person's addresses. Rows have their address from a verified token.
create function private.flashfusion_users_of(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  emails constant text[] := private.texts(person -> 'emails');
begin
  return to_jsonb(array(
    select u.id from flashfusion.users as u where lower(normalize(u.email, nfc) collate "C") = any (emails)
  ));
end
$$;
revoke execute on function private.flashfusion_users_of(jsonb) from public;

insert into private.hooks (system, event, function) values
('flashfusion', 'account_created', 'private.create_flashfusion_user'),
('flashfusion', 'account_changed', 'private.change_flashfusion_user'),
('flashfusion', 'person_users', 'private.flashfusion_users_of');

-- migrate:down
delete from private.mention_places where relation = 'flashfusion.users';
delete from private.hooks where system = 'flashfusion' and event in ('account_created', 'account_changed', 'person_users');
drop function private.flashfusion_users_of(jsonb);
drop function private.change_flashfusion_user(jsonb);
drop function private.create_flashfusion_user(jsonb);
drop function flashfusion.ensure_user();
drop function private.flashfusion_caller();
drop function private.flashfusion_user(uuid, text);
drop table flashfusion.users;
drop function private.watch_flashfusion_user();
