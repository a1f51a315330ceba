-- 0504: provider keys. With which key the edge asks a tenant's provider. Admins and service_role send it; the edge seals it before it is
-- stored, and no request shows it again.
-- migrate:up
create table private.provider_keys (
  tenant_id   uuid constraint provider_keys_pkey primary key
    constraint provider_keys_tenant references assistant.tenants (id) on delete cascade,
  sealed      text not null,
  key_version bigint not null,
  hint        text,
  last_four   text not null,
  set_at      timestamptz not null default now(),
  constraint provider_keys_sealed check (octet_length(sealed) between 1 and 16384),
  constraint provider_keys_key_version check (key_version > 0),
  constraint provider_keys_hint check (char_length(hint) <= 60),
  constraint provider_keys_last_four check (char_length(last_four) <= 4)
);
comment on table private.provider_keys is 'Tenants'' keys of their providers, sealed by the edge for their tenant; the database cannot open them.';
comment on column private.provider_keys.hint is 'Whose keys have this shape, such as openai. Null: anybody''s.';

alter table private.provider_keys enable row level security;
alter table private.provider_keys force row level security;

create trigger provider_keys_erased before insert or update on private.provider_keys
  for each statement execute function private.refuse_erased_caller();
create trigger provider_keys_audit after insert or delete or update on private.provider_keys
  for each row execute function private.audit('tenant_id');

select private.register_sealed_column('private.provider_keys', 'assistant.tenants.provider_key', 'tenant_id', 't.tenant_id');

create function assistant.set_provider_key(
  tenant uuid, sealed text, key_version bigint, last_four text, prefix text default null, hint text default null,
  shape_warning text default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  moment timestamptz;
begin
  perform private.require_tenant_admin(set_provider_key.tenant);
  if set_provider_key.key_version not between 1 and 99 or set_provider_key.key_version is null or set_provider_key.last_four is null
    or set_provider_key.sealed is null or set_provider_key.sealed !~ '^v1([.][A-Za-z0-9_-]{16,}){4}$' then
    perform private.refuse(
      422, 'RG699', 'This is no sealed key', null, 'Send the key itself to PUT /v1/admin/tenants/{id}/provider-key.'
    );
  end if;
  insert into private.provider_keys as k (tenant_id, sealed, key_version, hint, last_four)
  values (
    set_provider_key.tenant, set_provider_key.sealed, set_provider_key.key_version, set_provider_key.hint, set_provider_key.last_four
  )
  on conflict on constraint provider_keys_pkey do update set
    sealed = excluded.sealed, key_version = excluded.key_version, hint = excluded.hint, last_four = excluded.last_four,
    set_at = excluded.set_at
  returning k.set_at into moment;
  return jsonb_build_object(
    'tenant_id', set_provider_key.tenant, 'hint', set_provider_key.hint, 'last_four', set_provider_key.last_four,
    'shape_warning', set_provider_key.shape_warning, 'set_at', moment
  );
end
$$;
comment on function assistant.set_provider_key(uuid, text, bigint, text, text, text, text) is
  'Stores a key that the edge has sealed: only the edge may call it, on behalf of an admin of the tenant or service_role. Definer: nobody has a right on the table.';
revoke execute on function assistant.set_provider_key(uuid, text, bigint, text, text, text, text) from public;
grant execute on function assistant.set_provider_key(uuid, text, bigint, text, text, text, text) to edge;

-- The answer is the same whether there was one.
create function assistant.remove_provider_key(tenant uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  perform private.require_tenant_admin(remove_provider_key.tenant);
  delete from private.provider_keys as k where k.tenant_id = remove_provider_key.tenant;
  return jsonb_build_object('status', 'removed');
end
$$;
comment on function assistant.remove_provider_key(uuid) is
  'Deletes a tenant''s key. Definer: nobody has a right on the table; the caller is an admin of the tenant or service_role.';
revoke execute on function assistant.remove_provider_key(uuid) from public;
grant execute on function assistant.remove_provider_key(uuid) to authenticated, service_role;

-- Trigger: a tenant with another provider loses the key, which would otherwise be sent to that provider.
create function private.forget_provider_key() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
begin
  delete from private.provider_keys as k where k.tenant_id = new.id;
  return null;
end
$$;
comment on function private.forget_provider_key() is 'Trigger of assistant.tenants. Definer: nobody has a right on the table of keys.';
revoke execute on function private.forget_provider_key() from public;
create trigger tenants_forget_provider_key after update of llm_provider on assistant.tenants
  for each row when (old.llm_provider <> new.llm_provider) execute function private.forget_provider_key();

-- migrate:down
drop trigger tenants_forget_provider_key on assistant.tenants;
drop function private.forget_provider_key();
delete from private.sealed_columns where relation = 'private.provider_keys';
drop function assistant.remove_provider_key(uuid);
drop function assistant.set_provider_key(uuid, text, bigint, text, text, text, text);
drop table private.provider_keys;
