-- 0500: assistant. Its schema, and who the caller is: the four functions that its policies and column defaults ask.
-- migrate:up
create schema assistant;
comment on schema assistant is 'assistant: tenants, their people, conversations with language models, feedback and usage.';
-- anon has nothing here. The edge calls as itself the functions whose answers depend on what it has seen.
grant usage on schema assistant to authenticated, service_role, edge;

-- What a user writes in a day, in all tables together.
insert into private.daily_allowances (name, bytes, rows) values ('assistant', 209715200, 100000);

insert into private.system_schemas (schema, system) values
('assistant', 'assistant');

create type assistant.member as (id uuid, tenant_id uuid, role text, is_private boolean, usage_of uuid);
comment on type assistant.member is
  'A caller as a member of a tenant. is_private: the caller sees their own conversations only, as features.private_conversations says of members, but not of admins and owners. usage_of: whose usage the caller sees, their own; null for admins and owners, who see everybody''s and the tenant''s as a whole.';

-- The caller as a member of a tenant; all null for everybody else, and outside of the scope of the caller's API token. One call a statement and
-- field: policies write (select (assistant.me()).tenant_id). No second policy holds the reads of a table to the scope whose rows are compared
-- with that: it would be checked for each row. Both tables are made later, in 0501 and 0502. In PL/pgSQL, because SQL functions with settings
-- are planned at every call.
create function assistant.me() returns assistant.member
  language plpgsql stable security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.user_in_scope('assistant', 'read');
  known assistant.member;
begin
  select
    u.id, u.tenant_id, u.role,
    u.role not in ('admin', 'owner') and t.features @> '{"private_conversations": true}',
    case when u.role not in ('admin', 'owner') then u.id end
  into known
  from assistant.users as u
  inner join assistant.tenants as t on t.id = u.tenant_id
  where u.auth_id = caller and u.is_active and t.is_active;
  return known;
end
$$;
comment on function assistant.me() is
  'The active member of an active tenant that the caller is, or nulls. Definer: it reads past the policies of users and tenants, which are made of it; it shows the caller''s own row only.';
revoke execute on function assistant.me() from public;
grant execute on function assistant.me() to authenticated;

-- The defaults of columns. In policies they would take longer than the field by itself.
create function assistant.my_tenant() returns uuid
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return (assistant.me()).tenant_id;
end
$$;
revoke execute on function assistant.my_tenant() from public;
grant execute on function assistant.my_tenant() to authenticated;

create function assistant.my_id() returns uuid
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return (assistant.me()).id;
end
$$;
revoke execute on function assistant.my_id() from public;
grant execute on function assistant.my_id() to authenticated;

-- Whether the caller is an admin or an owner of a tenant.
create function assistant.is_admin() returns boolean
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce((assistant.me()).role in ('admin', 'owner'), false);
end
$$;
revoke execute on function assistant.is_admin() from public;
grant execute on function assistant.is_admin() to authenticated;

-- The defaults of columns run with the rights of the role that inserts the row.
grant execute on function assistant.my_tenant(), assistant.my_id(), assistant.me() to service_role;

-- The caller as a member of a tenant, or a refusal.
create function private.require_member() returns assistant.member
  language plpgsql stable
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  known constant assistant.member := assistant.me();
begin
  perform private.refuse_erased(caller);
  if known.id is null then
    perform private.refuse(
      403, 'RG680', 'You are no active member of a tenant', null, 'Join one: GET /v1/members/invitations lists your invitations.'
    );
  end if;
  return known;
end
$$;
revoke execute on function private.require_member() from public;

-- The caller's role in a tenant: 'admin' or 'owner', or 'service' for service_role. Everybody else is refused; somebody else's tenant
-- is refused like one that does not exist.
create function private.require_tenant_admin(tenant uuid) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  known assistant.member;
begin
  if private.is_server() then
    if exists (select from assistant.tenants as t where t.id = require_tenant_admin.tenant) then
      return 'service';
    end if;
  else
    perform private.refuse_erased(private.require_user());
    known := assistant.me();
  end if;
  if known.tenant_id is null or known.tenant_id is distinct from require_tenant_admin.tenant then
    perform private.refuse(404, 'RG691', 'There is no such tenant', null, 'GET /rest/v1/tenants shows yours.');
  elsif known.role not in ('admin', 'owner') then
    perform private.refuse(403, 'RG681', 'Only an admin of the tenant may do this', null, 'Ask an admin or owner of the tenant.');
  end if;
  return known.role;
end
$$;
revoke execute on function private.require_tenant_admin(uuid) from public;

-- Waits until no other transaction changes the members of a tenant, and keeps others waiting until the end of this one: what must hold for
-- all of them together, such as that an owner stays, is checked by one at a time. Taken before any row of the tenant. The class 521 of
-- such locks is for the counting of a tenant's usage, 522 for its requests that begin.
create function private.lock_tenant(tenant uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(lock_tenant.tenant::text, 520));
end
$$;
revoke execute on function private.lock_tenant(uuid) from public;

-- migrate:down
delete from private.daily_allowances where name = 'assistant';
drop function private.lock_tenant(uuid);
drop function private.require_tenant_admin(uuid);
drop function private.require_member();
drop function assistant.is_admin();
drop function assistant.my_id();
drop function assistant.my_tenant();
drop function assistant.me();
drop type assistant.member;
delete from private.system_schemas where system = 'assistant';
drop schema assistant;
