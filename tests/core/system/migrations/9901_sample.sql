-- 9901: sample. The system that the core's own tests use: a table of users' own rows, and profiles that follow accounts.
-- migrate:up
create schema sample;
comment on schema sample is 'sample: tables of the core''s own tests.';
grant usage on schema sample to authenticated, service_role, edge;
create schema sample_more;
comment on schema sample_more is 'sample: a second schema of the core''s own tests.';
grant usage on schema sample_more to anon, authenticated, service_role, edge;

insert into private.system_schemas (schema, system) values
('sample', 'sample'),
('sample_more', 'sample');

create type sample.mood as enum ('good', 'bad');
create sequence sample.numbers;

create table sample.projects (
  id               uuid primary key default gen_random_uuid(),
  user_id          uuid not null default auth.uid(),
  name             text not null,
  description      text,
  color            text not null default '#6366f1',
  workflow_count   bigint not null default 0,
  last_activity_at timestamptz not null default now(),
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  constraint projects_name_length check (char_length(name) between 1 and 120),
  constraint projects_description_length check (char_length(description) <= 2000),
  constraint projects_color check (color ~ '^#[0-9a-fA-F]{6}$'),
  constraint projects_workflow_count check (workflow_count >= 0),
  constraint projects_id_user_id unique (id, user_id)
);
comment on table sample.projects is 'Rows that belong to one user each.';

create index projects_activity on sample.projects (user_id, last_activity_at desc, id desc);
-- Two spellings of one name are the same name; the characters are those of private.invisible().
create unique index projects_user_name on sample.projects (user_id, lower(normalize(regexp_replace(
  name,
  '[\u00AD\u034F\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E'
  '\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U000110BD\U000110CD\U00013430-\U0001343F\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]',
  '', 'g'
), nfc) collate "C"));
create index projects_created_at on sample.projects (user_id, created_at desc);

alter table sample.projects enable row level security;
alter table sample.projects force row level security;
create policy owner_select on sample.projects for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on sample.projects for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on sample.projects for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on sample.projects for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on sample.projects to authenticated;
-- Not id: a user who may choose one could test whether it is taken.
grant insert (user_id, name, description, color) on sample.projects to authenticated;
grant update (name, description, color) on sample.projects to authenticated;
grant select, insert, update, delete on sample.projects to service_role;
select private.scope_table('sample.projects');
insert into private.daily_allowances (name, bytes, rows) values ('sample', 104857600, 100000);
select private.limit_writes('sample.projects', 'sample', true);

-- Trigger: counts the projects of a user; refuses one for an erased user.
create function private.count_sample_projects() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if tg_op <> 'DELETE' then
    perform private.refuse_erased(new.user_id);
    update sample.user_profiles as p set total_projects = p.total_projects + 1 where p.id = new.user_id;
  end if;
  if tg_op <> 'INSERT' then
    update sample.user_profiles as p set total_projects = p.total_projects - 1 where p.id = old.user_id;
  end if;
  return null;
end
$$;

create trigger projects_erased before insert or update on sample.projects
  for each statement execute function private.refuse_erased_caller();
create trigger projects_filter before update or delete on sample.projects
  for each statement execute function private.require_filter();
create trigger projects_count after insert or delete or update of user_id on sample.projects
  for each row execute function private.count_sample_projects();
create trigger projects_updated_at before update of user_id, name, description, color on sample.projects
  for each row execute function private.update_updated_at();
create trigger projects_audit after insert or delete or update of user_id, name, description, color on sample.projects
  for each row execute function private.audit();
create trigger projects_watch_deletes after delete on sample.projects referencing old table as old_rows
  for each statement execute function private.watch_deletes();
create trigger projects_watch_owner after update of user_id on sample.projects
  for each row when (old.user_id <> new.user_id) execute function private.watch_owner();

select private.index_mentions('sample.projects', array['name', 'description']);
select private.track_changes('sample.projects', 'array[user_id]');

create table sample.user_profiles (
  id             uuid primary key,
  email          text,
  full_name      text,
  tier           text not null default 'free',
  total_projects bigint not null default 0,
  created_at     timestamptz not null default now(),
  constraint user_profiles_tier check (tier in ('free', 'pro', 'enterprise'))
);
comment on table sample.user_profiles is 'One row per user. Users never set tier and totals.';

create index user_profiles_email on sample.user_profiles (lower(normalize(email, nfc) collate "C"));

alter table sample.user_profiles enable row level security;
alter table sample.user_profiles force row level security;
create policy owner_select on sample.user_profiles for select to authenticated
  using (id = (select auth.uid()));
create policy owner_update on sample.user_profiles for update to authenticated
  using (id = (select auth.uid()))
  with check (id = (select auth.uid()));
grant select on sample.user_profiles to authenticated;
grant update (full_name) on sample.user_profiles to authenticated;
grant select, insert, update, delete on sample.user_profiles to service_role;
select private.scope_table('sample.user_profiles');
select private.limit_writes('sample.user_profiles', 'sample', true);

create trigger user_profiles_erased before insert or update on sample.user_profiles
  for each statement execute function private.refuse_erased_caller();
create trigger user_profiles_filter before update or delete on sample.user_profiles
  for each statement execute function private.require_filter();

select private.index_mentions('sample.user_profiles', array['email', 'full_name']);

create function private.create_sample_profile(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  insert into sample.user_profiles (id, email) values ((account ->> 'id')::uuid, account ->> 'email') on conflict do nothing;
  return null;
end
$$;
revoke execute on function private.create_sample_profile(jsonb) from public;

create function private.change_sample_profile(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  update sample.user_profiles as p set email = account ->> 'email' where p.id = (account ->> 'id')::uuid;
  return null;
end
$$;
revoke execute on function private.change_sample_profile(jsonb) from public;

create function private.erase_sample_account(account jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  erased constant uuid := (account ->> 'id')::uuid;
  projects bigint;
begin
  delete from sample.user_profiles as p where p.id = erased;
  delete from sample.projects as p where p.user_id = erased;
  get diagnostics projects = row_count;
  return jsonb_build_object('projects', projects);
end
$$;
revoke execute on function private.erase_sample_account(jsonb) from public;

create function private.sample_users_of(person jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  set enable_seqscan = off
  set enable_indexscan = off
  set enable_indexonlyscan = off
  set jit = off
  as $$
declare
  emails constant text[] := private.texts(person -> 'emails');
begin
  return to_jsonb(array(
    select p.id from sample.user_profiles as p where lower(normalize(p.email, nfc) collate "C") = any (emails)
  ));
end
$$;
revoke execute on function private.sample_users_of(jsonb) from public;

create function private.sample_rows_of(person jsonb) returns jsonb
  language sql stable
  set search_path = ''
  as $$
select jsonb_build_object('sample.user_profiles', person -> 'users', 'sample.projects', to_jsonb(array(
  select p.id from sample.projects as p where p.user_id = any (private.texts(person -> 'users')::uuid[])
)))
$$;
revoke execute on function private.sample_rows_of(jsonb) from public;

create function private.sample_export(person jsonb) returns jsonb
  language sql stable
  set search_path = ''
  as $$
select jsonb_build_object(
  'sample.user_profiles', array(
    select to_jsonb(u) from sample.user_profiles as u where u.id = any (private.texts(person -> 'users')::uuid[])
  ),
  'sample.projects', array(
    select to_jsonb(p) from sample.projects as p where p.user_id = any (private.texts(person -> 'users')::uuid[])
  )
)
$$;
revoke execute on function private.sample_export(jsonb) from public;

create function private.sample_erase(person jsonb) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  users constant uuid[] := private.texts(person -> 'users')::uuid[];
  profiles bigint;
  projects bigint;
begin
  delete from sample.user_profiles as p where p.id = any (users);
  get diagnostics profiles = row_count;
  delete from sample.projects as p where p.user_id = any (users);
  get diagnostics projects = row_count;
  return jsonb_build_object('sample.user_profiles', profiles, 'sample.projects', projects);
end
$$;
revoke execute on function private.sample_erase(jsonb) from public;

insert into private.hooks (system, event, function) values
('sample', 'person_users', 'private.sample_users_of'),
('sample', 'account_created', 'private.create_sample_profile'),
('sample', 'account_changed', 'private.change_sample_profile'),
('sample', 'account_erased', 'private.erase_sample_account'),
('sample', 'person_rows', 'private.sample_rows_of'),
('sample', 'person_export', 'private.sample_export'),
('sample', 'person_erase', 'private.sample_erase');

-- For service_role.
create function sample.erase_user(user_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  return private.erase_account(erase_user.user_id);
end
$$;
comment on function sample.erase_user(uuid) is 'Erases a user. Definer: no role may call the core''s function; for service_role only.';
revoke execute on function sample.erase_user(uuid) from public;
grant execute on function sample.erase_user(uuid) to service_role;

-- A helper that nobody may call.
create function sample_more.field_of(item jsonb, field text) returns text
  language sql immutable
  set search_path = ''
  as $$ select item ->> field $$;
revoke execute on function sample_more.field_of(jsonb, text) from public;

-- migrate:down
delete from private.daily_allowances where name = 'sample';
delete from private.system_schemas where system = 'sample';
drop function sample_more.field_of(jsonb, text);
drop function sample.erase_user(uuid);
delete from private.hooks where system = 'sample';
drop function private.sample_erase(jsonb);
drop function private.sample_export(jsonb);
drop function private.sample_rows_of(jsonb);
drop function private.sample_users_of(jsonb);
drop function private.erase_sample_account(jsonb);
drop function private.change_sample_profile(jsonb);
drop function private.create_sample_profile(jsonb);
delete from private.mention_places where relation in ('sample.projects', 'sample.user_profiles');
select private.untrack_changes('sample.projects');
drop table sample.user_profiles;
drop table sample.projects;
drop function private.count_sample_projects();
drop sequence sample.numbers;
drop type sample.mood;
drop schema sample_more;
drop schema sample;
