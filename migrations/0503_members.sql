-- 0503: members. service_role creates tenants. Admins invite people by e-mail address, change their roles and deactivate them. Nothing
-- here says who has an account: an invitation of an address that nobody has looks like any other.
-- migrate:up
create table private.former_members (
  member_id uuid constraint former_members_pkey primary key
    constraint former_members_member references assistant.users (id) on delete cascade,
  auth_id   uuid not null,
  left_at   timestamptz not null default now()
);
comment on table private.former_members is
  'Whose account a member had who has left: what was said stays with the tenant, until that person is erased.';
create index former_members_account on private.former_members (auth_id);

alter table private.former_members enable row level security;
alter table private.former_members force row level security;

-- Stores the settings of a new tenant or, with an id, of one that is there. Settings that are left out keep their value or get their default.
create function private.store_tenant(settings jsonb, tenant uuid default null) returns assistant.tenants
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  known constant text[] := array[
    'name', 'slug', 'llm_provider', 'llm_model', 'temperature', 'max_tokens', 'system_prompt', 'features', 'rate_limit_per_minute',
    'daily_token_limit', 'branding', 'is_active'
  ];
  columns_ text;
  wrong text;
  stored assistant.tenants;
begin
  if jsonb_typeof(settings) is distinct from 'object' then
    wrong := 'the settings are no object';
  else
    select 'no such setting: ' || left(f.key, 100) into wrong
    from jsonb_object_keys(settings) as f (key) where f.key <> all (known) order by f.key limit 1;
  end if;
  if wrong is null then
    columns_ := (select string_agg(format('%I', f.key), ', ' order by f.key) from jsonb_object_keys(settings) as f (key));
    begin
      if store_tenant.tenant is null then
        columns_ := coalesce(columns_, 'name');
        execute format(
          'insert into assistant.tenants (%1$s) select %1$s from jsonb_populate_record(null::assistant.tenants, $1) returning *', columns_
        ) into stored using settings;
      elsif columns_ is not null then
        execute format(
          'update assistant.tenants as t set (%1$s) = (select %1$s from jsonb_populate_record(null::assistant.tenants, $1))
           where t.id = $2 returning t.*',
          columns_
        ) into stored using settings, store_tenant.tenant;
      else
        select t.* into stored from assistant.tenants as t where t.id = store_tenant.tenant;
      end if;
    exception
      when unique_violation then
        perform private.refuse(409, 'RG696', 'Another tenant has this slug', null, 'Choose another slug.');
      when check_violation then
        get stacked diagnostics wrong = constraint_name;
        wrong := 'not allowed: ' || regexp_replace(wrong, '^tenants_', '');
      when not_null_violation then
        get stacked diagnostics wrong = column_name;
        wrong := 'missing: ' || wrong;
      when data_exception then
        wrong := 'a value is of the wrong type or too large';
    end;
  end if;
  if wrong is not null then
    perform private.refuse(422, 'RG699', 'A setting is invalid', wrong, 'Correct it and send it again.');
  end if;
  if stored.id is null then
    perform private.refuse(404, 'RG691', 'There is no such tenant', null, 'GET /rest/v1/tenants shows yours.');
  end if;
  return stored;
end
$$;
revoke execute on function private.store_tenant(jsonb, uuid) from public;

-- Invites an address into a tenant, as somebody with this role there: 'admin', 'owner' or 'service'. An invitation that is open is renewed.
create function private.invite(tenant uuid, email text, role text, name text, as_role text) returns assistant.users
  language plpgsql volatile
  set search_path = ''
  as $$
#variable_conflict use_column
declare
  address constant text := private.normalize_email(btrim(email));
  known assistant.users;
  wrong text;
begin
  select u.* into known
  from assistant.users as u
  where u.tenant_id = invite.tenant and private.normalize_email(u.email) = address and (u.is_active or u.auth_id is not null);
  wrong := case
    when private.is_email(btrim(email)) is not true then 'email: this is no e-mail address'
    when invite.role in ('member', 'admin', 'owner') is not true then 'role: member, admin or owner'
    when char_length(invite.name) not between 1 and 120 or invite.name !~ '\S' then 'name: 1 to 120 characters, not blanks only'
    when known.id is null and (
      select count(*) from assistant.users as u where u.tenant_id = invite.tenant and u.is_active and u.auth_id is null
    ) >= 500 then 'a tenant has at most 500 open invitations'
  end;
  if wrong is not null then
    perform private.refuse(422, 'RG699', 'This invitation is not possible', wrong, 'Correct it and send it again.');
  elsif known.auth_id is not null then
    perform private.refuse(
      409, 'RG697', 'This is a member already', case when not known.is_active then 'deactivated' end,
      'PATCH /v1/admin/members/{id} changes members.'
    );
  elsif 'owner' in (invite.role, known.role) and invite.as_role not in ('owner', 'service') then
    perform private.refuse(403, 'RG681', 'Only an owner of the tenant may do this', null, 'Ask an owner of the tenant.');
  elsif known.id is not null then
    update assistant.users as u set role = invite.role, name = coalesce(invite.name, u.name) where u.id = known.id returning u.* into known;
  else
    insert into assistant.users (tenant_id, email, role, name)
    values (invite.tenant, btrim(email), invite.role, invite.name)
    returning * into known;
  end if;
  return known;
end
$$;
revoke execute on function private.invite(uuid, text, text, text, text) from public;

-- A member as admins see them.
create function private.shown_member(member assistant.users) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return jsonb_build_object(
    'id', member.id, 'tenant_id', member.tenant_id, 'email', member.email, 'name', member.name, 'role', member.role,
    'status', case when not member.is_active then 'deactivated' when member.auth_id is null then 'invited' else 'active' end
  );
end
$$;
revoke execute on function private.shown_member(assistant.users) from public;

-- Ends the request if a tenant would be left without an owner who has joined.
create function private.keep_an_owner(member assistant.users) returns void
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if member.role = 'owner' and member.is_active and member.auth_id is not null and not exists (
    select from assistant.users as u
    where u.tenant_id = member.tenant_id and u.role = 'owner' and u.is_active and u.auth_id is not null and u.id <> member.id
  ) then
    perform private.refuse(409, 'RG693', 'This is the tenant''s last owner', null, 'Make another member an owner first.');
  end if;
end
$$;
revoke execute on function private.keep_an_owner(assistant.users) from public;

create function assistant.create_tenant(tenant jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  stored assistant.tenants;
  owner assistant.users;
begin
  stored := private.store_tenant(case jsonb_typeof(tenant) when 'object' then tenant - 'owner_email' else tenant end);
  if tenant ->> 'owner_email' is not null then
    owner := private.invite(stored.id, tenant ->> 'owner_email', 'owner', null, 'service');
  end if;
  return to_jsonb(stored) || jsonb_build_object('owner_id', owner.id);
end
$$;
comment on function assistant.create_tenant(jsonb) is
  'Creates a tenant and, with owner_email, invites its owner. Definer: it calls functions of the schema private; for service_role only.';
revoke execute on function assistant.create_tenant(jsonb) from public;
grant execute on function assistant.create_tenant(jsonb) to service_role;

create function assistant.change_tenant(tenant uuid, changes jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  return to_jsonb(private.store_tenant(coalesce(changes, 'null'), coalesce(tenant, '00000000-0000-0000-0000-000000000000')));
end
$$;
comment on function assistant.change_tenant(uuid, jsonb) is
  'Changes any setting of a tenant, its limits too. Definer: it calls functions of the schema private; for service_role only.';
revoke execute on function assistant.change_tenant(uuid, jsonb) from public;
grant execute on function assistant.change_tenant(uuid, jsonb) to service_role;

create function assistant.invite_member(tenant uuid, email text, role text default 'member', name text default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  perform private.require_tenant_admin(invite_member.tenant);
  perform private.require_allowance('assistant');
  perform private.lock_tenant(invite_member.tenant);
  perform private.use_allowance('assistant', 500, 1);
  -- Once more: while this call waited, somebody may have changed what the caller is.
  return private.shown_member(private.invite(
    invite_member.tenant, invite_member.email, invite_member.role, invite_member.name,
    private.require_tenant_admin(invite_member.tenant)
  ));
end
$$;
comment on function assistant.invite_member(uuid, text, text, text) is
  'Invites an address into a tenant of which the caller is an admin. Definer: users insert no members; the caller''s role is checked first.';
revoke execute on function assistant.invite_member(uuid, text, text, text) from public;
grant execute on function assistant.invite_member(uuid, text, text, text) to authenticated, service_role;

-- Of another tenant's member it says what it says of nobody.
create function assistant.change_member(member uuid, role text default null, is_active boolean default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
#variable_conflict use_column
declare
  is_server constant boolean := private.is_server();
  tenant uuid;
  as_role text;
  known assistant.users;
  wrong text;
begin
  if is_server then
    tenant := (select u.tenant_id from assistant.users as u where u.id = change_member.member);
  else
    tenant := (private.require_member()).tenant_id;
    perform private.require_allowance('assistant');
  end if;
  if tenant is not null then
    -- Before the lock, too: who may not do this must not keep others waiting.
    perform private.require_tenant_admin(tenant);
    perform private.lock_tenant(tenant);
    as_role := private.require_tenant_admin(tenant);
    select u.* into known from assistant.users as u where u.id = change_member.member and u.tenant_id = tenant;
  end if;
  if known.id is null then
    perform private.refuse(404, 'RG692', 'There is no such member', null, 'GET /rest/v1/users lists your tenant''s.');
  end if;
  wrong := case
    when change_member.role is null and change_member.is_active is null then 'send role or is_active'
    when change_member.role not in ('member', 'admin', 'owner') then 'role: member, admin or owner'
    when change_member.is_active and not known.is_active and known.auth_id is null then 'is_active: invite this person again'
  end;
  if wrong is not null then
    perform private.refuse(422, 'RG699', 'This change is not possible', wrong, 'Correct it and send it again.');
  elsif 'owner' in (change_member.role, known.role) and as_role not in ('owner', 'service') then
    perform private.refuse(403, 'RG681', 'Only an owner of the tenant may do this', null, 'Ask an owner of the tenant.');
  elsif coalesce(change_member.role <> 'owner', false) or coalesce(not change_member.is_active, false) then
    perform private.keep_an_owner(known);
  end if;
  update assistant.users as u
  set role = coalesce(change_member.role, u.role), is_active = coalesce(change_member.is_active, u.is_active)
  where u.id = known.id
  returning u.* into known;
  perform private.use_allowance('assistant', 500, 1);
  return private.shown_member(known);
end
$$;
comment on function assistant.change_member(uuid, text, boolean) is
  'Changes the role of a member, or deactivates them: at their next request they are out. Definer: users change no roles; the caller is an admin of the member''s tenant.';
revoke execute on function assistant.change_member(uuid, text, boolean) from public;
grant execute on function assistant.change_member(uuid, text, boolean) to authenticated, service_role;

-- The open invitations of the caller's verified address. They end after 30 days.
create function private.open_member_invitations() returns setof assistant.users
  language plpgsql stable
  set search_path = ''
  as $$
declare
  address constant text := private.caller_email();
begin
  return query
  select u.*
  from assistant.users as u
  inner join assistant.tenants as t on t.id = u.tenant_id and t.is_active
  where private.normalize_email(u.email) = address
    and u.auth_id is null and u.is_active and u.updated_at > now() - interval '30 days';
end
$$;
revoke execute on function private.open_member_invitations() from public;

create function assistant.my_invitations() returns jsonb
  language plpgsql stable security definer
  set search_path = ''
  as $$
begin
  perform private.require_user();
  return jsonb_build_object('invitations', (
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', i.id, 'tenant_id', i.tenant_id, 'tenant', t.name, 'role', i.role, 'expires_at', i.updated_at + interval '30 days'
    ) order by i.updated_at desc, i.id), '[]')
    from private.open_member_invitations() as i
    inner join assistant.tenants as t on t.id = i.tenant_id
  ));
end
$$;
comment on function assistant.my_invitations() is
  'Open invitations of the caller''s verified address. Definer: a tenant''s name is not shown to others before they are members.';
revoke execute on function assistant.my_invitations() from public;
grant execute on function assistant.my_invitations() to authenticated;

create function assistant.join_tenant(id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
#variable_conflict use_column
declare
  caller constant uuid := private.require_user();
  known assistant.users;
begin
  perform private.refuse_erased(caller);
  select i.* into known from private.open_member_invitations() as i where i.id = join_tenant.id;
  if found then
    perform private.lock_tenant(known.tenant_id);
    if exists (select from assistant.users as u where u.auth_id = caller) then
      perform private.refuse(
        409, 'RG697', 'You are a member of a tenant already', null, 'Leave it first: POST /v1/members/leave.'
      );
    end if;
    begin
      update assistant.users as u set auth_id = caller, last_active_at = now()
      where u.id in (select i.id from private.open_member_invitations() as i where i.id = known.id)
      returning u.* into known;
    exception
      when unique_violation then
        perform private.refuse(
          409, 'RG697', 'You are a member of a tenant already', null, 'Leave it first: POST /v1/members/leave.'
        );
    end;
  end if;
  if not found then
    perform private.refuse(404, 'RG692', 'You have no such invitation', null, 'GET /v1/members/invitations lists yours.');
  end if;
  return jsonb_build_object('id', known.id, 'tenant_id', known.tenant_id, 'role', known.role);
end
$$;
comment on function assistant.join_tenant(uuid) is
  'Makes the caller the member whom an invitation of their verified address has named. Definer: users write no members; it asks for such an invitation first.';
revoke execute on function assistant.join_tenant(uuid) from public;
grant execute on function assistant.join_tenant(uuid) to authenticated;

-- What the member has said stays with the tenant. Somebody who comes back is a new member: by then the address may be another person's. With a
-- tenant, it leaves that one only: a request that is repeated late must not leave the next one.
create function assistant.leave_tenant(tenant uuid default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := private.require_user();
  known assistant.users;
begin
  perform private.refuse_erased(caller);
  select u.* into known from assistant.users as u where u.auth_id = caller;
  if found then
    perform private.lock_tenant(known.tenant_id);
    select u.* into known from assistant.users as u where u.auth_id = caller;
  end if;
  if not found then
    perform private.refuse(
      403, 'RG680', 'You are no active member of a tenant', null, 'Join one: GET /v1/members/invitations lists your invitations.'
    );
  end if;
  if known.tenant_id <> leave_tenant.tenant then
    perform private.refuse(404, 'RG691', 'There is no such tenant', null, 'GET /rest/v1/tenants shows yours.');
  end if;
  perform private.keep_an_owner(known);
  insert into private.former_members (member_id, auth_id) values (known.id, caller);
  update assistant.users as u set auth_id = null, is_active = false, last_active_at = coalesce(u.last_active_at, now())
  where u.id = known.id;
  return jsonb_build_object('status', 'left');
end
$$;
comment on function assistant.leave_tenant(uuid) is
  'Ends the caller''s membership, also a deactivated one. Definer: users write no members; it changes the caller''s own row.';
revoke execute on function assistant.leave_tenant(uuid) from public;
grant execute on function assistant.leave_tenant(uuid) to authenticated;

-- Job: deletes invitations that ended.
create function private.clean_member_invitations() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
begin
  delete from assistant.users as u
  where u.id = any (array(
    select i.id from assistant.users as i
    where i.auth_id is null and i.last_active_at is null and i.updated_at < now() - interval '30 days'
    limit 5000
    for update skip locked
  ));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function private.clean_member_invitations() from public;

insert into private.jobs (name, function, schedule, more_from, description) values (
  'clean_member_invitations', 'private.clean_member_invitations', '17 3 * * *', 5000, 'Deletes invitations to tenants after 30 days.'
);

-- migrate:down
delete from private.jobs where name = 'clean_member_invitations';
drop function private.clean_member_invitations();
drop function assistant.leave_tenant(uuid);
drop function assistant.join_tenant(uuid);
drop function assistant.my_invitations();
drop function private.open_member_invitations();
drop function assistant.change_member(uuid, text, boolean);
drop function assistant.invite_member(uuid, text, text, text);
drop function assistant.change_tenant(uuid, jsonb);
drop function assistant.create_tenant(jsonb);
drop function private.keep_an_owner(assistant.users);
drop function private.shown_member(assistant.users);
drop function private.invite(uuid, text, text, text, text);
drop function private.store_tenant(jsonb, uuid);
drop table private.former_members;
