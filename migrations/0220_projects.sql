-- 0220: projects. Owners read and write their own; nobody sees another's.
-- migrate:up
create table clixen.projects (
  id               uuid primary key default gen_random_uuid(),
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
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
  -- Children refer to their project and its owner together, so that nobody can attach one to another user's project.
  constraint projects_id_user_id unique (id, user_id)
);
comment on table clixen.projects is 'A user''s container of workflows and chats.';

-- The planner does not know the user of a request. By statistics it would expect no more projects of one than the user with the most has had: for
-- two of them the summaries would count deployments once for each project, and for fewer than a page has it would not read them in its order.
-- Without statistics it expects one project in two hundred.
alter table clixen.projects alter column user_id set statistics 0;

create index projects_activity on clixen.projects (user_id, last_activity_at desc, id desc);
-- Two spellings of one name are the same name; the characters are those of private.invisible().
create unique index projects_user_name on clixen.projects (user_id, lower(normalize(regexp_replace(
  name,
  '[\u00AD\u034F\u0600-\u0605\u061C\u06DD\u070F\u0890\u0891\u08E2\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E'
  '\u2060-\u206F\u2800\u3164\uFE00-\uFE0F\uFEFF\uFFA0\uFFF0-\uFFFB\U000110BD\U000110CD\U00013430-\U0001343F\U0001BCA0-\U0001BCA3\U0001D159\U0001D173-\U0001D17A\U000E0000-\U000E0FFF]',
  '', 'g'
), nfc) collate "C"));
create index projects_created_at on clixen.projects (user_id, created_at desc);

alter table clixen.projects enable row level security;
alter table clixen.projects force row level security;
create policy owner_select on clixen.projects for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on clixen.projects for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on clixen.projects for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on clixen.projects for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on clixen.projects to authenticated;
-- Not id: a user who may choose one could test whether it is taken.
grant insert (user_id, name, description, color) on clixen.projects to authenticated;
grant update (name, description, color) on clixen.projects to authenticated;
grant select, insert, update, delete on clixen.projects to service_role;
select private.scope_table('clixen.projects');
select private.limit_writes('clixen.projects', 'clixen', true);

-- Trigger: counts the projects of a user; refuses one for an erased user.
create function private.count_projects() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  if tg_op <> 'DELETE' then
    perform private.lock_user(new.user_id);
    perform private.refuse_erased(new.user_id);
    update clixen.user_profiles as p set total_projects = p.total_projects + 1 where p.id = new.user_id;
  end if;
  if tg_op <> 'INSERT' then
    perform private.lock_user(old.user_id);
    update clixen.user_profiles as p set total_projects = greatest(p.total_projects - 1, 0) where p.id = old.user_id;
  end if;
  return null;
end
$$;

create trigger projects_erased before insert or update on clixen.projects
  for each statement execute function private.refuse_erased_caller();
create trigger projects_filter before update or delete on clixen.projects
  for each statement execute function private.require_filter();
create trigger projects_queue before insert or update or delete on clixen.projects
  for each statement execute function private.queue_writes();
create trigger projects_count after insert or delete or update of user_id on clixen.projects
  for each row execute function private.count_projects();
create trigger projects_updated_at before update of user_id, name, description, color on clixen.projects
  for each row execute function private.update_updated_at();
create trigger projects_audit after insert or delete or update of user_id, name, description, color on clixen.projects
  for each row execute function private.audit();
create trigger projects_watch_deletes after delete on clixen.projects referencing old table as old_rows
  for each statement execute function private.watch_deletes();
create trigger projects_watch_owner after update of user_id on clixen.projects
  for each row when (old.user_id <> new.user_id) execute function private.watch_owner();

select private.index_mentions('clixen.projects', array['name', 'description']);
select private.track_changes('clixen.projects', 'array[user_id]');

-- Trigger of tables with a project_id: updates the project's last activity.
create function clixen.update_project_activity() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  touched uuid[];
begin
  if tg_op = 'INSERT' then
    touched := array(select distinct n.project_id from new_rows as n);
  elsif tg_op = 'DELETE' then
    touched := array(select distinct o.project_id from old_rows as o);
  else
    touched := array(select n.project_id from new_rows as n union select o.project_id from old_rows as o);
  end if;
  -- The time now, as messages have it, not the transaction's.
  update clixen.projects as p set last_activity_at = greatest(p.last_activity_at, clock_timestamp()) where p.id = any (touched);
  return null;
end
$$;
comment on function clixen.update_project_activity() is
  'Trigger of workflows and chat sessions. Definer: last_activity_at is not the user''s to write.';
revoke execute on function clixen.update_project_activity() from public;

-- The caller's first project, created at the first call together with the profile; simultaneous first calls create one.
create function clixen.get_or_create_default_project(user_id uuid default auth.uid()) returns clixen.projects
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := (select auth.uid());
  project clixen.projects;
begin
  if get_or_create_default_project.user_id is distinct from caller then
    perform private.refuse(403, 'RG528', 'This is another user''s project', null, 'Leave user_id out, or send your own.');
  end if;
  perform clixen.create_user_profile();
  perform private.lock_user(caller);
  select * into project from clixen.projects as p where p.user_id = caller order by p.created_at, p.id limit 1;
  if not found then
    insert into clixen.projects (user_id, name, description)
    values (caller, 'My first project', 'Made for you at your first visit')
    returning * into project;
  end if;
  return project;
end
$$;
comment on function clixen.get_or_create_default_project(uuid) is
  'The caller''s first project. Definer: it creates the profile, which users may not insert.';
revoke execute on function clixen.get_or_create_default_project(uuid) from public;
grant execute on function clixen.get_or_create_default_project(uuid) to authenticated;

-- migrate:down
delete from private.mention_places where relation = 'clixen.projects';
select private.untrack_changes('clixen.projects');
drop function clixen.get_or_create_default_project(uuid);
drop function clixen.update_project_activity();
drop table clixen.projects;
drop function private.count_projects();
