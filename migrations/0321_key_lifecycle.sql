-- 0321: the life of a key. Added, rotated with an overlap, confirmed, revoked; and opened for workers.
-- migrate:up
-- The service of a name that a user has sent, or a refusal.
create function private.key_service(name text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  plain constant text := lower(btrim(name) collate "C");
begin
  if exists (select from private.key_services as s where s.name = plain) then
    return plain;
  end if;
  if plain ~ '^[a-z][a-z0-9_.-]{0,59}$' and exists (
    select from flashfusion.ai_services as s where lower(s.provider collate "C") = plain and s.is_active
  ) then
    return plain;
  end if;
  perform private.refuse(
    422, 'RG600', 'There is no such service', null,
    'Send one of: ' || (select string_agg(s.name, ', ' order by s.name) from private.key_services as s)
  );
  return null;
end
$$;
revoke execute on function private.key_service(text) from public;

-- Refuses a key that plainly is another provider's: only the edge has seen the key, and names the provider whose form it has. What is odd
-- about the form otherwise is a warning, since providers change their forms; null if nothing is.
create function private.check_key_hint(service text, hint text, shape_warning text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  wanted constant text[] := (select s.providers from private.key_services as s where s.name = check_key_hint.service);
begin
  if hint is null then
    return case when wanted <> '{}' then 'The key does not have the form of this service''s keys' end;
  end if;
  if hint <> service and hint <> all (coalesce(wanted, '{}')) then
    if shape_warning is not null then
      return 'The key begins like one of ' || hint;
    end if;
    perform private.refuse(
      422, 'RG327', 'This is a key of another provider', 'It has the form of a key of ' || hint,
      'Name the key''s own service, or send the key that belongs to this one.'
    );
  end if;
  return case shape_warning
    when 'length' then 'The key does not have the usual length of this service''s keys'
    when 'characters' then 'The key has characters that this service''s keys usually do not have'
  end;
end
$$;
revoke execute on function private.check_key_hint(text, text, text) from public;

-- Refuses a text that the edge has not sealed for the caller: what is sealed for another owner could never be opened.
create function private.require_sealed(owner_id text, caller uuid, sealed text, key_version bigint) returns void
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if owner_id is distinct from caller::text or key_version is null or key_version not between 1 and 99
    or sealed is null or sealed !~ '^v1([.][A-Za-z0-9_-]{16,}){4}$' then
    perform private.refuse(422, 'RG326', 'This is not sealed for its owner', null, 'Send the secret itself to the endpoint.');
  end if;
end
$$;
revoke execute on function private.require_sealed(text, uuid, text, bigint) from public;

-- Refuses names of sealed values that are none, or too many.
create function private.require_names(names text[]) returns void
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if names is null or cardinality(names) > 200 or exists (
    select from unnest(names) as n where n is null or n !~ '^[A-Za-z_][A-Za-z0-9_.-]{0,127}$'
  ) then
    perform private.refuse(
      422, 'RG606', 'A name is not one', null, 'At most 200 names of letters, digits, _, - and ., each of at most 128 characters.'
    );
  end if;
end
$$;
revoke execute on function private.require_names(text[]) from public;

-- The time at which a key expires, of the text that a user has sent; null for a key that never does.
create function private.key_expiry(words text) returns timestamptz
  language plpgsql stable
  set search_path = ''
  as $$
declare
  moment timestamptz;
begin
  if words is null then
    return null;
  end if;
  if words ~ '^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)$' then
    moment := words::timestamptz;
  end if;
  if moment is null or moment <= now() or moment > now() + interval '10 years' then
    raise datetime_field_overflow;
  end if;
  return moment;
exception
  when data_exception then
    perform private.refuse(
      422, 'RG606', 'expires_at is no time within the next ten years', null, 'Send a time such as 2027-01-31T00:00:00Z, or leave it out.'
    );
    return null;
end
$$;
revoke execute on function private.key_expiry(text) from public;

-- What endpoints answer with: the row, what is odd about the key and, until the edge has asked the key's service, `requested`.
create function private.key_answer(made flashfusion.user_api_keys, warning text, verify boolean) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return to_jsonb(made)
    || jsonb_build_object('warning', warning, 'verification', case when key_answer.verify then 'requested' end);
end
$$;
revoke execute on function private.key_answer(flashfusion.user_api_keys, text, boolean) from public;

-- The row that a retried request has made, by the answer that was stored for it.
create function private.stored_key(caller uuid, stored jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  known flashfusion.user_api_keys;
begin
  select * into known from flashfusion.user_api_keys as k where k.id = (stored ->> 'id')::uuid and k.user_id = caller;
  if not found then
    perform private.refuse(404, 'RG602', 'You have no such key', null, 'It was deleted meanwhile.');
  end if;
  return private.key_answer(known, stored ->> 'warning', false);
end
$$;
revoke execute on function private.stored_key(uuid, jsonb) from public;

-- Stores a key's row and its sealed text, or refuses it. The caller holds the user's lock.
create function private.store_key(made flashfusion.user_api_keys, sealed text, key_version bigint) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  broken text;
begin
  perform private.require_allowance('flashfusion');
  -- Of the caller's own keys only: the fingerprints of two users never meet.
  if exists (
    select from flashfusion.user_api_keys as k
    where k.user_id = made.user_id and k.fingerprint = made.fingerprint and k.revoked_at is null
  ) then
    perform private.refuse(
      409, 'RG601', 'This key is stored already', null, 'Use the stored one, or delete it first: GET /rest/v1/user_api_keys.'
    );
  end if;
  insert into flashfusion.user_api_keys select (made).*;
  insert into private.api_key_secrets (key_id, user_id, sealed, key_version)
  values (made.id, made.user_id, store_key.sealed, store_key.key_version);
  -- Revoked keys stay as rows.
  perform private.use_allowance('flashfusion', octet_length(store_key.sealed) + 1000, 1);
exception
  when unique_violation then
    get stacked diagnostics broken = constraint_name;
    if broken = 'user_api_keys_alias' then
      perform private.refuse(
        409, 'RG605', 'An active key of this service has this alias', null,
        'Choose another alias, or replace that key: POST /v1/keys/{id}/rotate.'
      );
    end if;
    raise;
  when check_violation then
    perform private.refuse(422, 'RG606', 'The alias must have 1 to 100 characters, and a scope at most 50 ids', null, 'Shorten it.');
end
$$;
revoke execute on function private.store_key(flashfusion.user_api_keys, text, bigint) from public;

create function flashfusion.add_key(
  service text, owner_id text, key_id uuid, sealed text, key_version bigint, fingerprint text, prefix text, last_four text,
  hint text default null, shape_warning text default null, alias text default null, expires_at text default null,
  agents uuid[] default '{}', projects uuid[] default '{}', verify boolean default false
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant flashfusion.users := private.flashfusion_caller();
  known_service constant text := private.key_service(add_key.service);
  warning constant text := private.check_key_hint(known_service, add_key.hint, add_key.shape_warning);
  allowed bigint;
  stored jsonb;
  made flashfusion.user_api_keys;
begin
  perform private.require_sealed(add_key.owner_id, owner.id, add_key.sealed, add_key.key_version);
  perform private.lock_flashfusion_user(owner.id);
  -- Without the sealed text, which is another one at each attempt; the fingerprint stands for the key.
  stored := private.idempotency_begin('flashfusion.add_key', jsonb_build_object(
    'service', known_service, 'alias', add_key.alias, 'expires_at', add_key.expires_at, 'agents', add_key.agents,
    'projects', add_key.projects, 'fingerprint', add_key.fingerprint
  ));
  if stored is not null then
    return private.stored_key(owner.id, stored);
  end if;

  if add_key.verify then
    perform private.limit_caller('key-verifications');
  end if;
  allowed := (private.entitlements_of(owner.subscription_tier) ->> 'keys')::bigint;
  if (select count(*) from flashfusion.user_api_keys as k where k.user_id = owner.id and k.revoked_at is null) >= allowed then
    perform private.refuse(
      403, 'RG607', 'Your plan has no room for another key', format('At most %s', allowed), 'Delete one, or take a larger plan.'
    );
  end if;
  made.id := add_key.key_id;
  made.user_id := owner.id;
  made.service_name := known_service;
  made.key_alias := add_key.alias;
  made.is_active := true;
  made.created_at := now();
  made.updated_at := now();
  made.usage_count := 0;
  made.key_prefix := add_key.prefix;
  made.last_four := add_key.last_four;
  made.fingerprint := add_key.fingerprint;
  made.status := 'active';
  made.expires_at := private.key_expiry(add_key.expires_at);
  made.agents := coalesce(add_key.agents, '{}');
  made.projects := coalesce(add_key.projects, '{}');
  perform private.store_key(made, add_key.sealed, add_key.key_version);
  perform private.idempotency_end('flashfusion.add_key', jsonb_build_object('id', made.id, 'warning', warning));
  return private.key_answer(made, warning, add_key.verify);
end
$$;
comment on function flashfusion.add_key(
  text, text, uuid, text, bigint, text, text, text, text, text, text, text, uuid[], uuid[], boolean
) is
  'Stores a key that the edge has sealed for the caller: only the edge may call it. Definer: users may not write keys, and nobody has a right on the sealed ones.';
revoke execute on function flashfusion.add_key(
  text, text, uuid, text, bigint, text, text, text, text, text, text, text, uuid[], uuid[], boolean
) from public;
grant execute on function flashfusion.add_key(
  text, text, uuid, text, bigint, text, text, text, text, text, text, text, uuid[], uuid[], boolean
) to edge;

-- One of the caller's keys, locked, or a refusal: the same one for another user's key and for an absent one.
create function private.own_key(caller uuid, key_id uuid) returns flashfusion.user_api_keys
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  found_ flashfusion.user_api_keys;
begin
  select * into found_ from flashfusion.user_api_keys as k
  where k.id = own_key.key_id and k.user_id = own_key.caller
  for update;
  if not found then
    perform private.refuse(404, 'RG602', 'You have no such key', null, 'Take an id of GET /rest/v1/user_api_keys.');
  end if;
  return found_;
end
$$;
revoke execute on function private.own_key(uuid, uuid) from public;

-- The successor of a key: pending, so that both can be used until it is confirmed.
create function flashfusion.rotate_key(
  replaces uuid, owner_id text, key_id uuid, sealed text, key_version bigint, fingerprint text, prefix text, last_four text,
  hint text default null, shape_warning text default null, expires_at text default null, verify boolean default false
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant flashfusion.users := private.flashfusion_caller();
  warning text;
  stored jsonb;
  old flashfusion.user_api_keys;
  made flashfusion.user_api_keys;
begin
  perform private.require_sealed(rotate_key.owner_id, owner.id, rotate_key.sealed, rotate_key.key_version);
  perform private.lock_flashfusion_user(owner.id);
  stored := private.idempotency_begin('flashfusion.rotate_key', jsonb_build_object(
    'replaces', rotate_key.replaces, 'expires_at', rotate_key.expires_at, 'fingerprint', rotate_key.fingerprint
  ));
  if stored is not null then
    return private.stored_key(owner.id, stored);
  end if;

  if rotate_key.verify then
    perform private.limit_caller('key-verifications');
  end if;
  old := private.own_key(owner.id, rotate_key.replaces);
  if old.status not in ('active', 'invalid', 'expired') then
    perform private.refuse(
      409, 'RG604', 'This key cannot be used', 'It is ' || old.status, 'Rotate one that is active, or add a new one: POST /v1/keys.'
    );
  end if;
  if exists (select from flashfusion.user_api_keys as k where k.rotated_from = old.id and k.status = 'pending') then
    perform private.refuse(
      409, 'RG608', 'This key has a successor that waits for its confirmation', null,
      'Confirm it, POST /v1/keys/{id}/confirm, or delete it: DELETE /v1/keys/{id}.'
    );
  end if;
  warning := private.check_key_hint(old.service_name, rotate_key.hint, rotate_key.shape_warning);
  made := old;
  made.id := rotate_key.key_id;
  made.is_active := true;
  made.created_at := now();
  made.updated_at := now();
  made.last_used_at := null;
  made.usage_count := 0;
  made.key_prefix := rotate_key.prefix;
  made.last_four := rotate_key.last_four;
  made.fingerprint := rotate_key.fingerprint;
  made.status := 'pending';
  made.verified_at := null;
  made.expires_at := private.key_expiry(rotate_key.expires_at);
  made.rotated_from := old.id;
  perform private.store_key(made, rotate_key.sealed, rotate_key.key_version);
  perform private.idempotency_end('flashfusion.rotate_key', jsonb_build_object('id', made.id, 'warning', warning));
  return private.key_answer(made, warning, rotate_key.verify);
end
$$;
comment on function flashfusion.rotate_key(uuid, text, uuid, text, bigint, text, text, text, text, text, text, boolean) is
  'Stores the successor of one of the caller''s keys, which the edge has sealed: only the edge may call it. Definer: users may not write keys, and nobody has a right on the sealed ones.';
revoke execute on function flashfusion.rotate_key(uuid, text, uuid, text, bigint, text, text, text, text, text, text, boolean) from public;
grant execute on function flashfusion.rotate_key(uuid, text, uuid, text, bigint, text, text, text, text, text, text, boolean) to edge;

-- Ends a key for good: without its sealed text no key of the edge opens it.
create function private.end_key(key_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  delete from private.api_key_secrets as s where s.key_id = end_key.key_id;
  update flashfusion.user_api_keys as k set status = 'revoked', is_active = false, revoked_at = now()
  where k.id = end_key.key_id and k.status <> 'revoked';
end
$$;
revoke execute on function private.end_key(uuid) from public;

create function flashfusion.confirm_key(id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant flashfusion.users := private.flashfusion_caller();
  made flashfusion.user_api_keys;
begin
  perform private.lock_flashfusion_user(owner.id);
  made := private.own_key(owner.id, confirm_key.id);
  -- The former key is revoked only for one that can be used.
  if made.status <> 'pending' or made.expires_at <= clock_timestamp() or not made.is_active then
    perform private.refuse(
      409, 'RG603', 'This key does not wait for a confirmation',
      'It is ' || case
        when made.status <> 'pending' then made.status
        when made.is_active then 'expired'
        else 'switched off'
      end,
      'Confirm the key that rotate has returned.'
    );
  end if;
  if made.rotated_from is not null then
    perform private.end_key(made.rotated_from);
  end if;
  update flashfusion.user_api_keys as k set status = 'active' where k.id = made.id returning * into made;
  return to_jsonb(made);
exception
  when unique_violation then
    perform private.refuse(
      409, 'RG605', 'An active key of this service has this alias', null, 'Change the alias of one of them, then confirm again.'
    );
    return null;
end
$$;
comment on function flashfusion.confirm_key(uuid) is
  'Puts one of the caller''s pending keys in the place of the one that it replaces, which is revoked. Definer: users may not write the status.';
revoke execute on function flashfusion.confirm_key(uuid) from public;
grant execute on function flashfusion.confirm_key(uuid) to authenticated;

create function flashfusion.revoke_key(id uuid) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  owner constant flashfusion.users := private.flashfusion_caller();
begin
  perform private.lock_flashfusion_user(owner.id);
  perform private.own_key(owner.id, revoke_key.id);
  perform private.end_key(revoke_key.id);
  return true;
end
$$;
comment on function flashfusion.revoke_key(uuid) is
  'Revokes one of the caller''s keys and deletes the sealed text. Definer: users may not write the status, and nobody has a right on the sealed keys.';
revoke execute on function flashfusion.revoke_key(uuid) from public;
grant execute on function flashfusion.revoke_key(uuid) to authenticated;

-- Uses of what is sealed, by users' own tokens: each leaves rows in logs that nobody deletes from.
insert into private.limit_rules (name, burst, refill, shared) values ('secret-uses', 300, '2 seconds', 1);

-- The API token of a worker that names an endpoint, or a refusal. A user's token opens what is the user's, so often; a worker's token, which has no
-- user, opens what is anybody's. service_role by itself opens nothing.
create function private.require_worker(endpoint text) returns jsonb
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  token constant jsonb := private.api_token();
begin
  if (token -> 'endpoints' ? require_worker.endpoint) is not true then
    perform private.refuse(
      403, 'RG609', 'Only an API token that names this endpoint opens this', null, 'Send an API token whose endpoints name this endpoint: POST /v1/tokens.'
    );
  end if;
  perform private.limit_caller('secret-uses');
  return token;
end
$$;
revoke execute on function private.require_worker(text) from public;

-- Whether the caller's API token opens what is a user's, who must not be deactivated.
create function private.opens_for(owner uuid) returns boolean
  language plpgsql stable
  set search_path = ''
  as $$
declare
  caller constant uuid := private.user_id();
begin
  if caller is not null and caller <> owner then
    return false;
  end if;
  if exists (select from flashfusion.users as u where u.id = owner and not u.is_active) then
    perform private.refuse(403, 'RG632', 'This account is deactivated', null, 'Ask the operator.');
  end if;
  return true;
end
$$;
revoke execute on function private.opens_for(uuid) from public;

-- Releases the sealed text of a key to a worker, and counts and records the use. A pending key can be used, too: workers try it
-- before its owner confirms it.
create function flashfusion.open_key(key_id uuid, task_id uuid default null, lease_token uuid default null) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  token constant jsonb := private.require_worker('POST /v1/keys/{id}/use');
  used flashfusion.user_api_keys;
  secret private.api_key_secrets;
  agent uuid;
  project uuid;
begin
  -- The lock lets a revocation end before, or wait: what is revoked is not opened.
  select * into used from flashfusion.user_api_keys as k where k.id = open_key.key_id for update;
  if not found or not private.opens_for(used.user_id) then
    perform private.refuse(404, 'RG602', 'You have no such key', null, 'Take an id of GET /rest/v1/user_api_keys.');
  end if;
  select * into secret from private.api_key_secrets as s where s.key_id = used.id;
  if not found or not used.is_active or used.expires_at <= clock_timestamp() then
    perform private.refuse(
      409, 'RG604', 'This key cannot be used',
      'It is ' || case
        when used.status in ('expired', 'revoked') then used.status
        when not used.is_active then 'switched off'
        else 'expired'
      end,
      'Take another key: GET /rest/v1/user_api_keys?status=eq.active.'
    );
  end if;
  -- The lease proves for which agent and project the worker works: its own word proves nothing.
  if open_key.task_id is not null then
    select t.agent_id, t.project_id into agent, project
    from private.task_queue as q
    join flashfusion.agent_tasks as t on t.id = q.task_id
    where q.task_id = open_key.task_id and q.lease_token = open_key.lease_token and q.lease_until >= clock_timestamp()
      and q.user_id = used.user_id;
    if not found then
      perform private.refuse(
        409, 'RG611', 'The lease has ended', 'No task of the key''s owner has this lease',
        'Drop the work. Send heartbeats before the lease ends.'
      );
    end if;
  end if;
  if used.agents <> '{}' and (agent = any (used.agents)) is not true then
    perform private.refuse(
      403, 'RG609', 'The scope of this key does not have this agent', agent::text,
      'Send task_id and lease_token of a running task of an agent that it has.'
    );
  end if;
  if used.projects <> '{}' and (project = any (used.projects)) is not true then
    perform private.refuse(
      403, 'RG609', 'The scope of this key does not have this project', project::text,
      'Send task_id and lease_token of a running task of a project that it has.'
    );
  end if;
  update flashfusion.user_api_keys as k set usage_count = k.usage_count + 1, last_used_at = clock_timestamp()
  where k.id = used.id
  returning * into used;
  perform private.note_security_event('api_key_opened', used.user_id, jsonb_build_object(
    'key_id', used.id, 'token', token ->> 'id', 'task_id', open_key.task_id, 'agent_id', agent, 'project_id', project
  ));
  return jsonb_build_object(
    'stored', jsonb_build_object('row', used.id, 'owner', used.user_id, 'sealed', secret.sealed, 'key_version', secret.key_version),
    'answer', jsonb_build_object(
      'id', used.id, 'service_name', used.service_name, 'key_alias', used.key_alias, 'status', used.status, 'expires_at', used.expires_at,
      'usage_count', used.usage_count, 'last_used_at', used.last_used_at
    )
  );
end
$$;
comment on function flashfusion.open_key(uuid, uuid, uuid) is
  'The sealed text of a key, for the edge, which opens it for a worker: only the edge may call it. Definer: nobody has a right on the sealed keys.';
revoke execute on function flashfusion.open_key(uuid, uuid, uuid) from public;
grant execute on function flashfusion.open_key(uuid, uuid, uuid) to edge;

-- migrate:down
drop function flashfusion.open_key(uuid, uuid, uuid);
drop function private.opens_for(uuid);
drop function private.require_worker(text);
delete from private.limit_rules where name = 'secret-uses';
drop function flashfusion.revoke_key(uuid);
drop function flashfusion.confirm_key(uuid);
drop function private.end_key(uuid);
drop function flashfusion.rotate_key(uuid, text, uuid, text, bigint, text, text, text, text, text, text, boolean);
drop function private.own_key(uuid, uuid);
drop function flashfusion.add_key(
  text, text, uuid, text, bigint, text, text, text, text, text, text, text, uuid[], uuid[], boolean
);
drop function private.store_key(flashfusion.user_api_keys, text, bigint);
drop function private.stored_key(uuid, jsonb);
drop function private.key_answer(flashfusion.user_api_keys, text, boolean);
drop function private.key_expiry(text);
drop function private.require_names(text[]);
drop function private.require_sealed(text, uuid, text, bigint);
drop function private.check_key_hint(text, text, text);
drop function private.key_service(text);
