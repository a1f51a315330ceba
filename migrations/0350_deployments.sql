-- 0350: deployments of projects. Owners ask for them; workers carry them out. The values of their environment variables
-- are sealed by the edge, and lie in the schema private.
-- migrate:up
create table flashfusion.deployments (
  id                    uuid constraint deployments_pkey primary key default pg_catalog.gen_random_uuid(),
  project_id            uuid not null,
  user_id               uuid not null default auth.uid(),
  deployment_target     text not null,
  deployment_url        text,
  domain                text,
  status                text not null default 'pending',
  build_logs            text,
  error_message         text,
  environment_variables text[] not null default '{}',
  deployment_config     jsonb not null default '{}',
  created_at            timestamptz not null default now(),
  deployed_at           timestamptz,
  version               bigint not null,
  is_production         boolean not null default false,
  -- The sealed environment refers to its deployment and its owner together.
  constraint deployments_id_user_id unique (id, user_id),
  constraint deployments_project foreign key (project_id, user_id)
    references flashfusion.projects (id, user_id) on delete cascade,
  constraint deployments_deployment_target_length check (char_length(deployment_target) between 1 and 60),
  constraint deployments_deployment_url check (deployment_url ~ '^https?://' and char_length(deployment_url) <= 2000),
  constraint deployments_domain check (domain ~ '^[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$'),
  constraint deployments_status check (status in ('pending', 'building', 'deploying', 'deployed', 'failed', 'cancelled')),
  constraint deployments_build_logs_length check (octet_length(build_logs) <= 1048576),
  constraint deployments_error_message_length check (char_length(error_message) <= 2000),
  constraint deployments_environment_variables_length check (cardinality(environment_variables) <= 200),
  constraint deployments_deployment_config check (
    jsonb_typeof(deployment_config) = 'object' and octet_length(deployment_config::text) <= 65536
  ),
  constraint deployments_version_positive check (version > 0)
);
comment on table flashfusion.deployments is 'Deployments of a user''s projects.';
comment on column flashfusion.deployments.environment_variables is
  'Names only. PUT /v1/deployments/{id}/environment stores the values, sealed; a worker of the owner opens them.';
comment on column flashfusion.deployments.version is 'Counts the deployments of a project, from 1.';

-- With the user, who is one for each project, for the foreign key: without statistics the planner would also read all of the user's deployments.
create unique index deployments_project_version on flashfusion.deployments (project_id, version desc, user_id);
create index deployments_user_id on flashfusion.deployments (user_id, created_at desc, id desc);
create index deployments_open on flashfusion.deployments (created_at) where status in ('pending', 'building', 'deploying');

alter table flashfusion.deployments enable row level security;
alter table flashfusion.deployments force row level security;
create policy owner_select on flashfusion.deployments for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on flashfusion.deployments for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on flashfusion.deployments for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on flashfusion.deployments for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on flashfusion.deployments to authenticated;
grant insert (project_id, user_id, deployment_target, domain, deployment_config, is_production) on flashfusion.deployments to authenticated;
grant update (domain, deployment_config, is_production) on flashfusion.deployments to authenticated;
-- The names are those of what is sealed, so only the function writes them.
grant select, delete on flashfusion.deployments to service_role;
grant insert (
  id, project_id, user_id, deployment_target, deployment_url, domain, status, build_logs, error_message, deployment_config, created_at,
  deployed_at, is_production
) on flashfusion.deployments to service_role;
grant update (
  deployment_target, deployment_url, domain, status, build_logs, error_message, deployment_config, created_at, deployed_at, is_production
) on flashfusion.deployments to service_role;
select private.scope_table('flashfusion.deployments');
select private.limit_writes('flashfusion.deployments', 'flashfusion');

-- Trigger: the version of a deployment.
create function private.number_deployment() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  -- Of one project's deployments only one counts at a time.
  perform from flashfusion.projects as p where p.id = new.project_id and p.user_id = new.user_id for update;
  -- Here, as the foreign key refuses at the end of the statement: until then, the version would keep the owner of the project waiting. A
  -- row in the name of somebody else is left to the policy, or the error would tell whose project it is.
  if not found and new.user_id = (select auth.uid()) then
    raise foreign_key_violation using
      schema = 'flashfusion', table = 'deployments', constraint = 'deployments_project',
      message = 'insert or update on table "deployments" violates foreign key constraint "deployments_project"',
      detail = 'Key is not present in table "projects".';
  end if;
  new.version := (select coalesce(max(d.version), 0) + 1 from flashfusion.deployments as d where d.project_id = new.project_id);
  return new;
end
$$;
comment on function private.number_deployment() is 'Trigger of deployments. Definer: the version is not the user''s to write.';
revoke execute on function private.number_deployment() from public;

create trigger deployments_erased before insert or update on flashfusion.deployments
  for each statement execute function private.refuse_erased_caller();
create trigger deployments_filter before update or delete on flashfusion.deployments
  for each statement execute function private.require_filter();
create trigger deployments_number before insert on flashfusion.deployments
  for each row execute function private.number_deployment();
create trigger deployments_audit after insert or delete or update on flashfusion.deployments
  for each row execute function private.audit();
create trigger deployments_watch_deletes after delete on flashfusion.deployments referencing old table as old_rows
  for each statement execute function private.watch_deletes();

select private.index_mentions(
  'flashfusion.deployments',
  array['deployment_target', 'deployment_url', 'domain', 'build_logs', 'error_message', 'deployment_config']
);

create table private.deployment_environments (
  deployment_id uuid constraint deployment_environments_pkey primary key,
  user_id       uuid not null,
  sealed        text not null,
  key_version   bigint not null,
  updated_at    timestamptz not null default now(),
  constraint deployment_environments_owner foreign key (deployment_id, user_id)
    references flashfusion.deployments (id, user_id) on delete cascade,
  constraint deployment_environments_sealed check (octet_length(sealed) between 1 and 131072),
  constraint deployment_environments_key_version check (key_version > 0)
);
comment on table private.deployment_environments is
  'Environment variables of deployments: one JSON object of names and values, sealed by the edge; the database cannot open it.';

alter table private.deployment_environments enable row level security;
alter table private.deployment_environments force row level security;

create trigger deployment_environments_erased before insert or update on private.deployment_environments
  for each statement execute function private.refuse_erased_caller();
create trigger deployment_environments_audit after insert or delete or update on private.deployment_environments
  for each row execute function private.audit('deployment_id');

select private.register_sealed_column(
  'private.deployment_environments', 'flashfusion.deployments.environment_variables', 'deployment_id', 't.user_id'
);

-- Stores the environment of one of the caller's deployments, in place of the one before; without variables it deletes it.
create function flashfusion.set_environment(
  deployment_id uuid, owner_id text, sealed text, key_version bigint, names text[]
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant flashfusion.users := private.flashfusion_caller();
begin
  perform private.require_sealed(set_environment.owner_id, owner.id, set_environment.sealed, set_environment.key_version);
  perform private.require_names(set_environment.names);
  update flashfusion.deployments as d set environment_variables = set_environment.names
  where d.id = set_environment.deployment_id and d.user_id = owner.id;
  if not found then
    perform private.refuse(404, 'RG650', 'You have no such deployment', null, 'Take an id of GET /rest/v1/deployments.');
  end if;
  if cardinality(set_environment.names) = 0 then
    delete from private.deployment_environments as e where e.deployment_id = set_environment.deployment_id;
  else
    insert into private.deployment_environments as e (deployment_id, user_id, sealed, key_version)
    values (set_environment.deployment_id, owner.id, set_environment.sealed, set_environment.key_version)
    on conflict on constraint deployment_environments_pkey do update
      set sealed = excluded.sealed, key_version = excluded.key_version, updated_at = now();
    -- The row above counts by itself.
    perform private.use_allowance('flashfusion', octet_length(set_environment.sealed), 0);
  end if;
  return jsonb_build_object('deployment_id', set_environment.deployment_id, 'environment_variables', set_environment.names);
end
$$;
comment on function flashfusion.set_environment(uuid, text, text, bigint, text[]) is
  'Stores environment variables that the edge has sealed: only the edge may call it, on behalf of the deployment''s owner. Definer: nobody has a right on the table.';
revoke execute on function flashfusion.set_environment(uuid, text, text, bigint, text[]) from public;
grant execute on function flashfusion.set_environment(uuid, text, text, bigint, text[]) to edge;

-- Releases what is sealed to a worker, and records the use.
create function flashfusion.open_environment(deployment_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  token constant jsonb := private.require_worker('POST /v1/deployments/{id}/environment/use');
  secret private.deployment_environments;
begin
  select * into secret from private.deployment_environments as s where s.deployment_id = open_environment.deployment_id;
  if not found or not private.opens_for(secret.user_id) then
    perform private.refuse(404, 'RG650', 'You have no such deployment, or it has no environment variables', null, 'Take an id of GET /rest/v1/deployments.');
  end if;
  perform private.note_security_event(
    'environment_opened', secret.user_id, jsonb_build_object('deployment_id', secret.deployment_id, 'token', token ->> 'id')
  );
  return jsonb_build_object(
    'stored', jsonb_build_object(
      'row', secret.deployment_id, 'owner', secret.user_id, 'sealed', secret.sealed, 'key_version', secret.key_version
    ),
    'answer', jsonb_build_object('deployment_id', secret.deployment_id)
  );
end
$$;
comment on function flashfusion.open_environment(uuid) is
  'The sealed environment of a deployment, for the edge, which opens it for a worker: only the edge may call it. Definer: nobody has a right on the table.';
revoke execute on function flashfusion.open_environment(uuid) from public;
grant execute on function flashfusion.open_environment(uuid) to edge;

-- migrate:down
delete from private.mention_places where relation = 'flashfusion.deployments';
delete from private.sealed_columns where relation = 'private.deployment_environments';
drop function flashfusion.open_environment(uuid);
drop function flashfusion.set_environment(uuid, text, text, bigint, text[]);
drop table private.deployment_environments;
drop table flashfusion.deployments;
drop function private.number_deployment();
