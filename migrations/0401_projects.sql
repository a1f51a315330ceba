-- 0401: projects of observatory, their directories and members, and the three lists of projects that every policy of observatory asks for.
-- migrate:up
create table observatory.projects (
  id               uuid constraint projects_pkey primary key default gen_random_uuid(),
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  owner_id         uuid not null default auth.uid(),
  name             text not null,
  root_path        text,
  description      text,
  settings         jsonb not null default '{}',
  metadata         jsonb not null default '{}',
  is_active        boolean not null default true,
  last_activity_at timestamptz not null default now(),
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  deleted_at       timestamptz,
  constraint projects_name check (char_length(name) between 1 and 120 and btrim(name) <> ''),
  constraint projects_root_path check (char_length(root_path) between 1 and 1024),
  constraint projects_description check (char_length(description) <= 2000),
  constraint projects_settings check (jsonb_typeof(settings) = 'object' and octet_length(settings::text) <= 16384),
  constraint projects_metadata check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384)
);
comment on table observatory.projects is 'Groups the coding sessions of a user, usually of one repository. Members share it.';
comment on column observatory.projects.root_path is 'Where the project is on its owner''s machine. Further paths are in project_paths.';
comment on column observatory.projects.deleted_at is 'When the project was deleted: nobody sees it any more, and a job deletes its rows.';

-- An owner has few of all projects. With statistics of a time at which most were one owner's, the plan would read the whole table for the
-- projects of a member, and compare each of them with an array.
alter table observatory.projects alter column owner_id set (n_distinct = -0.1);

create unique index projects_root on observatory.projects (owner_id, root_path) where deleted_at is null;
-- Two spellings of one name are the same name; the characters are those of private.invisible().
create unique index projects_owner_name on observatory.projects (owner_id, lower(normalize(regexp_replace(
  name,
  '[\u00AD\u034F\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E'
  '\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U000110BD\U000110CD\U00013430-\U0001343F\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]',
  '', 'g'
), nfc) collate "C")) where deleted_at is null;
create index projects_activity on observatory.projects (owner_id, last_activity_at desc, id);
create index projects_active on observatory.projects (owner_id) where is_active;
create index projects_deleted on observatory.projects (id) where deleted_at is not null;
do $$
begin
  execute format(
    'create index projects_name_trigrams on observatory.projects using gin (name %I.gin_trgm_ops)',
    (
      select n.nspname
      from pg_catalog.pg_extension as e
      inner join pg_catalog.pg_namespace as n on n.oid = e.extnamespace
      where e.extname = 'pg_trgm'
    )
  );
end
$$;

-- Directories on users' machines, and the projects that they belong to. A project may have several.
create table observatory.project_paths (
  id         uuid constraint project_paths_pkey primary key default gen_random_uuid(),
  owner_id   uuid not null default auth.uid(),
  path       text not null,
  project_id uuid not null,
  created_at timestamptz not null default now(),
  constraint project_paths_owner_path unique (owner_id, path),
  constraint project_paths_project foreign key (project_id) references observatory.projects (id) on delete cascade,
  constraint project_paths_path check (char_length(path) between 1 and 1024)
);
comment on table observatory.project_paths is
  'By which directories on a user''s machine a project is known. Only that user writes them: they decide where the user''s sessions go.';
create index project_paths_project on observatory.project_paths (project_id);

alter table observatory.projects enable row level security;
alter table observatory.projects force row level security;
alter table observatory.project_paths enable row level security;
alter table observatory.project_paths force row level security;

create trigger projects_erased before insert or update on observatory.projects
  for each statement execute function private.refuse_erased_caller();
create trigger projects_keep before update of owner_id on observatory.projects
  for each row when (current_user = 'authenticated' and new.owner_id <> old.owner_id) execute function private.refuse_another_user();
create trigger projects_filter before update or delete on observatory.projects
  for each statement execute function private.require_filter();
create trigger projects_updated_at before update of owner_id, name, root_path, description, settings, metadata, is_active
  on observatory.projects for each row execute function private.update_updated_at();
create trigger projects_audit
  after insert or delete or update of owner_id, name, root_path, description, settings, metadata, is_active, deleted_at
  on observatory.projects for each row execute function private.audit();
create trigger projects_redact before insert or update of name, root_path, description, settings, metadata on observatory.projects
  for each row when (current_user in ('authenticated', 'service_role'))
  execute function private.redact_direct_write('name', 'root_path', 'description', 'settings', 'metadata');
create trigger project_paths_erased before insert or update on observatory.project_paths
  for each statement execute function private.refuse_erased_caller();
create trigger project_paths_filter before update or delete on observatory.project_paths
  for each statement execute function private.require_filter();
-- Directories that transcripts name are without secrets, too: the two are compared.
create trigger project_paths_redact before insert or update of path on observatory.project_paths
  for each row when (current_user in ('authenticated', 'service_role')) execute function private.redact_direct_write('path');

select private.index_mentions('observatory.projects', array['name', 'root_path', 'description', 'settings', 'metadata']);
select private.index_mentions('observatory.project_paths', array['path']);

-- Trigger: the root of a project is one of its owner's paths.
create function private.keep_project_root() returns trigger
  language plpgsql
  -- Definer: members who are not the owner do not see the owner's paths.
  security definer
  set search_path = ''
  as $$
begin
  if tg_op = 'UPDATE' and new.root_path is distinct from old.root_path then
    delete from observatory.project_paths as p
    where p.owner_id = old.owner_id and p.path = old.root_path and p.project_id = new.id;
  end if;
  if new.root_path is not null and new.deleted_at is null then
    insert into observatory.project_paths (owner_id, path, project_id) values (new.owner_id, new.root_path, new.id)
    on conflict on constraint project_paths_owner_path do update set project_id = excluded.project_id;
  end if;
  return null;
end
$$;
revoke execute on function private.keep_project_root() from public;
-- Trigger: only the owner of a project sets its name and its root_path. A name that another project of the owner has is refused, which would
-- show editors the names of projects that they do not see.
create function private.refuse_another_owner() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
begin
  if new.owner_id <> private.user_id() then
    perform private.refuse(
      403, 'RG666', 'Only the owner of this project may do this', 'name and root_path are among those of the owner''s other projects',
      'Ask the owner. A directory of your own goes into project_paths.'
    );
  end if;
  return new;
end
$$;
revoke execute on function private.refuse_another_owner() from public;
create trigger projects_of_owner before update of name, root_path on observatory.projects
  for each row when (
    current_user = 'authenticated' and (new.name, new.root_path) is distinct from (old.name, old.root_path)
  )
  execute function private.refuse_another_owner();
create trigger projects_root after insert or update of root_path on observatory.projects
  for each row execute function private.keep_project_root();

create table observatory.project_members (
  id           uuid constraint project_members_pkey primary key default gen_random_uuid(),
  project_id   uuid not null,
  user_id      uuid not null,
  role         text not null,
  display_name text,
  added_by     uuid,
  created_at   timestamptz not null default now(),
  constraint project_members_once unique (project_id, user_id),
  constraint project_members_project foreign key (project_id) references observatory.projects (id) on delete cascade,
  constraint project_members_role check (role in ('viewer', 'editor', 'owner')),
  constraint project_members_display_name check (char_length(display_name) between 1 and 120)
);
comment on table observatory.project_members is
  'Who may see a project (viewer), write in it (editor), and decide about it (owner). The user of projects.owner_id always stays its owner.';
comment on column observatory.project_members.display_name is 'How the project''s owners call the member. Other names of users are not known here.';
create index project_members_user on observatory.project_members (user_id, project_id);
-- An erasure looks for those that a user has added, but not for the owner that each project begins with.
create index project_members_added_by on observatory.project_members (added_by) where added_by <> user_id;

-- Projects that the caller may see. One call a statement: policies write it as (select observatory.visible_projects())::uuid[].
-- PL/pgSQL keeps the plan of each session, here always the generic one; SQL would plan the statement at every call, as would PL/pgSQL for some
-- users, which takes longer than to run it. Usually no project is deleted, so those of the caller's are looked for all at once, in the index of
-- deleted ones; nothing of other users is read, such as their deleted projects in an index that waits for its vacuum. Outside of the scope of the
-- caller's API token there is none, so that a policy that asks for these projects needs no second one for the scope, which would be checked for
-- each row.
create function observatory.visible_projects() returns uuid[]
  language plpgsql stable security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  as $$
declare
  caller constant uuid := private.user_in_scope('observatory', 'read');
begin
  return array(
    select m.project_id
    from observatory.project_members as m
    where m.user_id = caller
      and m.project_id <> all (array(
        select p.id
        from observatory.projects as p
        where p.id = any (array(select o.project_id from observatory.project_members as o where o.user_id = caller)) and p.deleted_at is not null
      ))
  );
end
$$;
comment on function observatory.visible_projects() is
  'Projects that the caller may see. Definer: it reads members past their policies, which are made of it; it returns no project of others.';
revoke execute on function observatory.visible_projects() from public;
grant execute on function observatory.visible_projects() to authenticated;

create function observatory.editable_projects() returns uuid[]
  language plpgsql stable security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  as $$
declare
  caller constant uuid := private.user_in_scope('observatory', 'write');
begin
  return array(
    select m.project_id
    from observatory.project_members as m
    where m.user_id = caller and m.role in ('editor', 'owner')
      and m.project_id <> all (array(
        select p.id
        from observatory.projects as p
        where p.id = any (array(select o.project_id from observatory.project_members as o where o.user_id = caller)) and p.deleted_at is not null
      ))
  );
end
$$;
comment on function observatory.editable_projects() is
  'Projects that the caller may write in. Definer, as observatory.visible_projects().';
revoke execute on function observatory.editable_projects() from public;
grant execute on function observatory.editable_projects() to authenticated;

create function observatory.owned_projects() returns uuid[]
  language plpgsql stable security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  as $$
declare
  caller constant uuid := private.user_in_scope('observatory', 'write');
begin
  return array(
    select m.project_id
    from observatory.project_members as m
    where m.user_id = caller and m.role = 'owner'
      and m.project_id <> all (array(
        select p.id
        from observatory.projects as p
        where p.id = any (array(select o.project_id from observatory.project_members as o where o.user_id = caller)) and p.deleted_at is not null
      ))
  );
end
$$;
comment on function observatory.owned_projects() is
  'Projects that the caller decides about. Definer, as observatory.visible_projects().';
revoke execute on function observatory.owned_projects() from public;
grant execute on function observatory.owned_projects() to authenticated;

-- The caller's role in one project that is not deleted: null in one that is not theirs, and for an API token without this access ('read' or
-- 'write'). Functions that concern one project ask this; the three above look up every project of the caller.
create function private.role_in(project uuid, access text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  caller constant uuid := private.user_in_scope('observatory', role_in.access);
begin
  return (
    select m.role
    from observatory.project_members as m
    where m.project_id = role_in.project and m.user_id = caller
      and not exists (select from observatory.projects as p where p.id = m.project_id and p.deleted_at is not null offset 0)
  );
end
$$;
revoke execute on function private.role_in(uuid, text) from public;

-- Trigger: the owner of a project is a member of it.
create function private.add_project_owner() returns trigger
  language plpgsql
  -- Definer: nobody may insert members.
  security definer
  set search_path = ''
  as $$
begin
  insert into observatory.project_members (project_id, user_id, role, added_by) values (new.id, new.owner_id, 'owner', new.owner_id)
  on conflict on constraint project_members_once do update set role = excluded.role;
  return null;
end
$$;
revoke execute on function private.add_project_owner() from public;
create trigger projects_owner after insert or update of owner_id on observatory.projects
  for each row execute function private.add_project_owner();

-- Trigger: as long as a project is there, the user of its owner_id is its owner.
create function private.keep_project_owner() returns trigger
  language plpgsql
  -- Definer: the rule holds for every caller.
  security definer
  set search_path = ''
  as $$
begin
  if (tg_op = 'DELETE' or new.role <> 'owner' or new.user_id <> old.user_id or new.project_id <> old.project_id)
    and exists (select from observatory.projects as p where p.id = old.project_id and p.owner_id = old.user_id)
  then
    perform private.refuse(
      403, 'RG666', 'Only the owner of this project may do this', 'The user who made a project stays its owner',
      'Delete the project, or leave this member as it is.'
    );
  end if;
  return case when tg_op = 'DELETE' then old else new end;
end
$$;
revoke execute on function private.keep_project_owner() from public;
create trigger project_members_owner before update or delete on observatory.project_members
  for each row execute function private.keep_project_owner();

alter table observatory.project_members enable row level security;
alter table observatory.project_members force row level security;

-- A project that has just been made is in no list yet. The owner comes first: comparing an id with each of a list of thousands takes long,
-- and who has so many projects has made most of them.
create policy member_select on observatory.projects for select to authenticated
  using (
    (owner_id = (select private.user_in_scope('observatory', 'read')) and deleted_at is null)
    or id = any ((select observatory.visible_projects())::uuid[])
  );
create policy owner_insert on observatory.projects for insert to authenticated
  with check (owner_id = (select auth.uid()));
create policy editor_update on observatory.projects for update to authenticated
  using (id = any ((select observatory.editable_projects())::uuid[]))
  with check (id = any ((select observatory.editable_projects())::uuid[]));
create policy owner_delete on observatory.projects for delete to authenticated
  using (id = any ((select observatory.owned_projects())::uuid[]));
grant select, delete on observatory.projects to authenticated;
-- Not id: a user who may choose one could test whether it is taken.
grant insert (name, root_path, description, settings) on observatory.projects to authenticated;
grant update (name, root_path, description, settings, metadata, is_active) on observatory.projects to authenticated;
grant select, insert, update, delete on observatory.projects to service_role;
select private.scope_table('observatory.projects', array['insert', 'update', 'delete']);
select private.limit_writes('observatory.projects', 'observatory', true);

create policy own_select on observatory.project_paths for select to authenticated
  using (owner_id = (select auth.uid()));
create policy own_insert on observatory.project_paths for insert to authenticated
  with check (owner_id = (select auth.uid()) and project_id = any ((select observatory.editable_projects())::uuid[]));
create policy own_update on observatory.project_paths for update to authenticated
  using (owner_id = (select auth.uid()))
  with check (owner_id = (select auth.uid()) and project_id = any ((select observatory.editable_projects())::uuid[]));
create policy own_delete on observatory.project_paths for delete to authenticated
  using (owner_id = (select auth.uid()));
grant select, delete on observatory.project_paths to authenticated;
grant insert (path, project_id) on observatory.project_paths to authenticated;
grant update (path, project_id) on observatory.project_paths to authenticated;
grant select, insert, update, delete on observatory.project_paths to service_role;
select private.scope_table('observatory.project_paths');
select private.limit_writes('observatory.project_paths', 'observatory', true);

create policy member_select on observatory.project_members for select to authenticated
  using (project_id = any ((select observatory.visible_projects())::uuid[]));
create policy owner_update on observatory.project_members for update to authenticated
  using (project_id = any ((select observatory.owned_projects())::uuid[]))
  with check (project_id = any ((select observatory.owned_projects())::uuid[]));
-- An owner removes anybody, and every member may leave.
create policy owner_delete on observatory.project_members for delete to authenticated
  using (user_id = (select auth.uid()) or project_id = any ((select observatory.owned_projects())::uuid[]));
grant select, delete on observatory.project_members to authenticated;
grant update (role, display_name) on observatory.project_members to authenticated;
grant select, insert, update, delete on observatory.project_members to service_role;
select private.scope_table('observatory.project_members', array['update', 'delete']);
select private.limit_writes('observatory.project_members', 'observatory', true);

create trigger project_members_erased before insert or update on observatory.project_members
  for each statement execute function private.refuse_erased_caller();
create trigger project_members_keep before update of user_id on observatory.project_members
  for each row when (current_user = 'authenticated' and new.user_id <> old.user_id) execute function private.refuse_another_user();
create trigger project_members_filter before update or delete on observatory.project_members
  for each statement execute function private.require_filter();
create trigger project_members_audit after insert or delete or update of role, user_id on observatory.project_members
  for each row execute function private.audit();
create trigger project_members_redact before insert or update of display_name on observatory.project_members
  for each row when (current_user in ('authenticated', 'service_role')) execute function private.redact_direct_write('display_name');

select private.index_mentions('observatory.project_members', array['display_name']);

-- migrate:down
delete from private.mention_places
where relation in ('observatory.projects', 'observatory.project_paths', 'observatory.project_members');
drop table observatory.project_members;
drop table observatory.project_paths;
drop table observatory.projects;
drop function private.keep_project_owner();
drop function private.add_project_owner();
drop function private.role_in(uuid, text);
drop function observatory.owned_projects();
drop function observatory.editable_projects();
drop function observatory.visible_projects();
drop function private.refuse_another_owner();
drop function private.keep_project_root();
