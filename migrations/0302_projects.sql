-- 0302: projects of flashfusion. Owners read and write their own; everybody reads what a view shows of the public ones.
-- migrate:up
create table flashfusion.projects (
  id               uuid primary key default gen_random_uuid(),
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  user_id          uuid not null default auth.uid(),
  name             text not null,
  description      text,
  project_type     text not null default 'web',
  framework        text,
  template         text,
  repository_url   text,
  deployment_url   text,
  status           text not null default 'draft',
  config           jsonb not null default '{}',
  features         jsonb not null default '[]',
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  last_accessed_at timestamptz not null default now(),
  is_public        boolean not null default false,
  version          bigint not null default 1,
  constraint projects_name_length check (char_length(name) between 1 and 120),
  constraint projects_description_length check (char_length(description) <= 2000),
  constraint projects_project_type_length check (char_length(project_type) between 1 and 60),
  constraint projects_framework_length check (char_length(framework) <= 60),
  constraint projects_template_length check (char_length(template) <= 120),
  constraint projects_repository_url check (repository_url ~ '^https://' and char_length(repository_url) <= 2000),
  constraint projects_deployment_url check (deployment_url ~ '^https://' and char_length(deployment_url) <= 2000),
  constraint projects_status check (status in ('draft', 'active', 'building', 'deployed', 'failed', 'archived')),
  constraint projects_config check (jsonb_typeof(config) = 'object' and octet_length(config::text) <= 65536),
  constraint projects_features check (jsonb_typeof(features) in ('array', 'object') and octet_length(features::text) <= 65536),
  constraint projects_version check (version >= 1),
  -- Children refer to their project and its owner together, so that nobody can attach one to another user's project.
  constraint projects_id_user_id unique (id, user_id)
);
comment on table flashfusion.projects is 'A user''s app projects.';
comment on column flashfusion.projects.is_public is 'Whether flashfusion.public_projects shows the project to everybody.';
comment on column flashfusion.projects.version is 'Counts the changes of what the project is: its name, code, configuration and state.';

create index projects_last_accessed on flashfusion.projects (user_id, last_accessed_at desc, id desc);
create index projects_public on flashfusion.projects (created_at desc, id desc) where is_public;

alter table flashfusion.projects enable row level security;
alter table flashfusion.projects force row level security;
create policy owner_select on flashfusion.projects for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on flashfusion.projects for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on flashfusion.projects for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on flashfusion.projects for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on flashfusion.projects to authenticated;
-- Not id: a user who may choose one could test whether it is taken.
grant insert (
  user_id, name, description, project_type, framework, template, repository_url, deployment_url, status, config, features, is_public
) on flashfusion.projects to authenticated;
grant update (
  name, description, project_type, framework, template, repository_url, deployment_url, status, config, features, is_public,
  last_accessed_at
) on flashfusion.projects to authenticated;
grant select, insert, update, delete on flashfusion.projects to service_role;
select private.scope_table('flashfusion.projects');

select private.limit_writes('flashfusion.projects', 'flashfusion');

create trigger projects_erased before insert or update on flashfusion.projects
  for each statement execute function private.refuse_erased_caller();
create trigger projects_filter before update or delete on flashfusion.projects
  for each statement execute function private.require_filter();
create trigger projects_updated_at
  before update of user_id, name, description, project_type, framework, template, repository_url, deployment_url, status, config,
  features, is_public
  on flashfusion.projects for each row execute function private.update_updated_at();
create trigger projects_audit
  after insert or delete
  or update of user_id, name, description, project_type, framework, template, repository_url, deployment_url, status, config,
  features, is_public
  on flashfusion.projects for each row execute function private.audit();
create trigger projects_watch_deletes after delete on flashfusion.projects referencing old table as old_rows
  for each statement execute function private.watch_deletes();
create trigger projects_watch_owner after update of user_id on flashfusion.projects
  for each row when (old.user_id <> new.user_id) execute function private.watch_owner();

select private.index_mentions(
  'flashfusion.projects', array['name', 'description', 'repository_url', 'deployment_url', 'config', 'features']
);
select private.track_changes('flashfusion.projects', 'array[user_id]');

-- Trigger: a change of what a project is makes its next version.
create function private.count_project_version() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  if (old.name, old.description, old.project_type, old.framework, old.template, old.repository_url, old.deployment_url, old.status, old.config, old.features)
    is distinct from
    (new.name, new.description, new.project_type, new.framework, new.template, new.repository_url, new.deployment_url, new.status, new.config, new.features)
    and new.version = old.version
  then
    new.version := old.version + 1;
  end if;
  return new;
end
$$;
create trigger projects_version before update on flashfusion.projects
  for each row execute function private.count_project_version();

-- Trigger: a user has at most as many projects as the tier entitles to.
create function private.limit_projects() returns trigger
  language plpgsql
  -- Definer: request roles may call nothing in the schema private.
  security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := (select auth.uid());
  tier text;
  most bigint;
begin
  if caller is null then
    return null;
  end if;
  -- Otherwise two requests at once would each count without the other's rows.
  perform private.lock_flashfusion_user(caller);
  tier := coalesce((select u.subscription_tier from flashfusion.users as u where u.id = caller), 'free');
  most := (private.entitlements_of(tier) ->> 'projects')::bigint;
  if (select count(*) from flashfusion.projects as p where p.user_id = caller) > most then
    perform private.refuse(
      403, 'RG633', 'You have as many projects as your tier allows', format('The tier %s allows %s', tier, most),
      'Delete a project, or choose a higher tier.'
    );
  end if;
  return null;
end
$$;
create trigger projects_limit after insert on flashfusion.projects
  for each statement execute function private.limit_projects();

-- Conditions of a request see only what the view shows. Those on texts are evaluated on the rows of `shown`: the planner moves none of them
-- behind `offset 0`. Those on id and created_at may be evaluated before: the operators of their types are leakproof. A barrier around the whole
-- would also hide that a request wants the newest few, and all public projects would be sorted for them.
create view flashfusion.public_projects with (security_invoker = false) as
select
  p.id, shown.name, shown.description, shown.project_type, shown.framework, shown.template, shown.deployment_url, p.created_at, shown.owner
from flashfusion.projects as p
cross join lateral (
  select s.name, s.description, s.project_type, s.framework, s.template, s.deployment_url, u.username as owner
  from flashfusion.projects as s
  left join flashfusion.users as u on u.id = s.user_id
  where s.id = p.id and s.is_public and u.is_active is distinct from false
  offset 0
) as shown
where p.is_public;
comment on view flashfusion.public_projects is
  'What everybody may see of public projects. With its owner''s rights: anon has none on the tables, and may see these columns of these rows only.';
grant select on flashfusion.public_projects to anon, authenticated, service_role;
-- PostgREST answers a write of a read-only view with a server error; this trigger refuses it instead.
create trigger public_projects_read_only instead of insert or update or delete on flashfusion.public_projects
  for each row execute function private.refuse_change();

-- migrate:down
delete from private.mention_places where relation = 'flashfusion.projects';
select private.untrack_changes('flashfusion.projects');
drop view flashfusion.public_projects;
drop table flashfusion.projects;
drop function private.limit_projects();
drop function private.count_project_version();
