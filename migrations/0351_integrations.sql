-- 0351: integrations. Accounts of users at other services. Their credentials are sealed by the edge, and lie in the schema private.
-- migrate:up
create table flashfusion.integrations (
  id               uuid constraint integrations_pkey primary key default pg_catalog.gen_random_uuid(),
  user_id          uuid not null default auth.uid(),
  integration_type text not null,
  integration_name text not null,
  config           jsonb not null default '{}',
  credentials      text[] not null default '{}',
  status           text not null default 'pending',
  last_sync_at     timestamptz,
  sync_frequency   text not null default 'manual',
  created_at       timestamptz not null default now(),
  updated_at       timestamptz not null default now(),
  metadata         jsonb not null default '{}',
  -- The sealed credentials refer to their integration and its owner together.
  constraint integrations_id_user_id unique (id, user_id),
  constraint integrations_integration_type check (integration_type ~ '^[a-z][a-z0-9_-]{0,59}$'),
  constraint integrations_integration_name_length check (char_length(integration_name) between 1 and 120),
  constraint integrations_config check (jsonb_typeof(config) = 'object' and octet_length(config::text) <= 65536),
  constraint integrations_credentials_length check (cardinality(credentials) <= 200),
  constraint integrations_status check (status in ('pending', 'connected', 'error', 'disconnected')),
  constraint integrations_sync_frequency check (sync_frequency in ('manual', 'realtime', 'hourly', 'daily', 'weekly')),
  constraint integrations_metadata check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384)
);
comment on table flashfusion.integrations is 'Accounts of users at other services.';
comment on column flashfusion.integrations.credentials is
  'Names only. PUT /v1/integrations/{id}/credentials stores the values, sealed; a worker of the owner opens them.';
comment on column flashfusion.integrations.status is 'Written by workers and service_role.';

create index integrations_user_id on flashfusion.integrations (user_id, created_at desc, id desc);
create index integrations_sync on flashfusion.integrations (sync_frequency, last_sync_at) where status = 'connected';

alter table flashfusion.integrations enable row level security;
alter table flashfusion.integrations force row level security;
create policy owner_select on flashfusion.integrations for select to authenticated
  using (user_id = (select auth.uid()));
create policy owner_insert on flashfusion.integrations for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy owner_update on flashfusion.integrations for update to authenticated
  using (user_id = (select auth.uid()))
  with check (user_id = (select auth.uid()));
create policy owner_delete on flashfusion.integrations for delete to authenticated
  using (user_id = (select auth.uid()));
grant select, delete on flashfusion.integrations to authenticated;
grant insert (user_id, integration_type, integration_name, config, sync_frequency, metadata) on flashfusion.integrations to authenticated;
grant update (integration_name, config, sync_frequency, metadata) on flashfusion.integrations to authenticated;
-- The names are those of what is sealed, so only the function writes them.
grant select, delete on flashfusion.integrations to service_role;
grant insert (
  id, user_id, integration_type, integration_name, config, status, last_sync_at, sync_frequency, created_at, metadata
) on flashfusion.integrations to service_role;
grant update (
  integration_type, integration_name, config, status, last_sync_at, sync_frequency, created_at, updated_at, metadata
) on flashfusion.integrations to service_role;
select private.scope_table('flashfusion.integrations');
select private.limit_writes('flashfusion.integrations', 'flashfusion');

create trigger integrations_erased before insert or update on flashfusion.integrations
  for each statement execute function private.refuse_erased_caller();
create trigger integrations_filter before update or delete on flashfusion.integrations
  for each statement execute function private.require_filter();
create trigger integrations_updated_at
  before update of integration_type, integration_name, config, credentials, sync_frequency, metadata on flashfusion.integrations
  for each row execute function private.update_updated_at();
create trigger integrations_audit after insert or delete or update on flashfusion.integrations
  for each row execute function private.audit();
create trigger integrations_watch_deletes after delete on flashfusion.integrations referencing old table as old_rows
  for each statement execute function private.watch_deletes();

select private.index_mentions('flashfusion.integrations', array['integration_name', 'config', 'metadata']);

create table private.integration_credentials (
  integration_id uuid constraint integration_credentials_pkey primary key,
  user_id        uuid not null,
  sealed         text not null,
  key_version    bigint not null,
  updated_at     timestamptz not null default now(),
  constraint integration_credentials_owner foreign key (integration_id, user_id)
    references flashfusion.integrations (id, user_id) on delete cascade,
  constraint integration_credentials_sealed check (octet_length(sealed) between 1 and 131072),
  constraint integration_credentials_key_version check (key_version > 0)
);
comment on table private.integration_credentials is
  'Credentials of integrations: one JSON object of names and values, sealed by the edge; the database cannot open it.';

alter table private.integration_credentials enable row level security;
alter table private.integration_credentials force row level security;

create trigger integration_credentials_erased before insert or update on private.integration_credentials
  for each statement execute function private.refuse_erased_caller();
create trigger integration_credentials_audit after insert or delete or update on private.integration_credentials
  for each row execute function private.audit('integration_id');

select private.register_sealed_column(
  'private.integration_credentials', 'flashfusion.integrations.credentials', 'integration_id', 't.user_id'
);

-- Stores the credentials of one of the caller's integrations, in place of those before; without any it deletes them.
create function flashfusion.set_credentials(
  integration_id uuid, owner_id text, sealed text, key_version bigint, names text[]
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant flashfusion.users := private.flashfusion_caller();
begin
  perform private.require_sealed(set_credentials.owner_id, owner.id, set_credentials.sealed, set_credentials.key_version);
  perform private.require_names(set_credentials.names);
  update flashfusion.integrations as i set credentials = set_credentials.names
  where i.id = set_credentials.integration_id and i.user_id = owner.id;
  if not found then
    perform private.refuse(404, 'RG651', 'You have no such integration', null, 'Take an id of GET /rest/v1/integrations.');
  end if;
  if cardinality(set_credentials.names) = 0 then
    delete from private.integration_credentials as c where c.integration_id = set_credentials.integration_id;
  else
    insert into private.integration_credentials as c (integration_id, user_id, sealed, key_version)
    values (set_credentials.integration_id, owner.id, set_credentials.sealed, set_credentials.key_version)
    on conflict on constraint integration_credentials_pkey do update
      set sealed = excluded.sealed, key_version = excluded.key_version, updated_at = now();
    -- The row above counts by itself.
    perform private.use_allowance('flashfusion', octet_length(set_credentials.sealed), 0);
  end if;
  return jsonb_build_object('integration_id', set_credentials.integration_id, 'credentials', set_credentials.names);
end
$$;
comment on function flashfusion.set_credentials(uuid, text, text, bigint, text[]) is
  'Stores credentials that the edge has sealed: only the edge may call it, on behalf of the integration''s owner. Definer: nobody has a right on the table.';
revoke execute on function flashfusion.set_credentials(uuid, text, text, bigint, text[]) from public;
grant execute on function flashfusion.set_credentials(uuid, text, text, bigint, text[]) to edge;

-- Releases what is sealed to a worker, and records the use.
create function flashfusion.open_credentials(integration_id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  token constant jsonb := private.require_worker('POST /v1/integrations/{id}/credentials/use');
  secret private.integration_credentials;
begin
  select * into secret from private.integration_credentials as s where s.integration_id = open_credentials.integration_id;
  if not found or not private.opens_for(secret.user_id) then
    perform private.refuse(404, 'RG651', 'You have no such integration, or it has no credentials', null, 'Take an id of GET /rest/v1/integrations.');
  end if;
  perform private.note_security_event(
    'credentials_opened', secret.user_id, jsonb_build_object('integration_id', secret.integration_id, 'token', token ->> 'id')
  );
  return jsonb_build_object(
    'stored', jsonb_build_object(
      'row', secret.integration_id, 'owner', secret.user_id, 'sealed', secret.sealed, 'key_version', secret.key_version
    ),
    'answer', jsonb_build_object('integration_id', secret.integration_id)
  );
end
$$;
comment on function flashfusion.open_credentials(uuid) is
  'The sealed credentials of an integration, for the edge, which opens it for a worker: only the edge may call it. Definer: nobody has a right on the table.';
revoke execute on function flashfusion.open_credentials(uuid) from public;
grant execute on function flashfusion.open_credentials(uuid) to edge;

-- migrate:down
delete from private.mention_places where relation = 'flashfusion.integrations';
delete from private.sealed_columns where relation = 'private.integration_credentials';
drop function flashfusion.open_credentials(uuid);
drop function flashfusion.set_credentials(uuid, text, text, bigint, text[]);
drop table private.integration_credentials;
drop table flashfusion.integrations;
