-- 0005: requests. What a request says, and who sends it: its verified token, and the claims that the edge signs.
-- migrate:up
-- A header of the request. The client chooses it: use it as data, never as proof.
create function private.request_header(name text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return nullif(current_setting('request.headers', true), '')::jsonb ->> name;
end
$$;

-- The claims that the edge has verified, or null: the origin of the request (net, addr, country) and, in a call on behalf of a
-- user, the user's role (caller) and what the edge has seen of the request (region, city, human, stamp, device_type, browser, os,
-- is_bot). The edge's key signs tokens of anon and edge only, without an issuer; a claim of this name in any other token is the
-- holder's own and is ignored.
create function private.edge_claim() returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
declare
  claims constant jsonb := nullif(current_setting('request.jwt.claims', true), '')::jsonb;
begin
  return case when claims ->> 'role' in ('anon', 'edge') and claims ->> 'iss' is null then claims -> 'edge' end;
end
$$;

-- The role of the caller. The edge calls some functions as the role edge on behalf of a user; then it is the role that the edge
-- has verified.
create function private.caller_role() returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  asserted constant text := auth.role();
begin
  return case when asserted = 'edge' then coalesce(private.edge_claim() ->> 'caller', asserted) else asserted end;
end
$$;

-- The user, as auth.uid() gives it; older versions of Supabase's read it from a setting of its own. Most callers have no sub, and
-- skip the slower auth.uid().
create function private.user_id() returns uuid
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return case
    when nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub' is not null
      or nullif(current_setting('request.jwt.claim.sub', true), '') is not null then auth.uid()
  end;
end
$$;

-- The user who calls, or a refusal. For functions that the edge calls on behalf of users: no grant can tell whether there is a
-- user.
create function private.require_user() returns uuid
  language plpgsql stable
  set search_path = ''
  as $$
declare
  caller constant uuid := private.user_id();
begin
  if caller is null then
    perform private.refuse(403, 'RG520', 'This is for users only', null, 'Sign in.');
  end if;
  return caller;
end
$$;

-- Whether the verified token is an admin's. Policies call it as `(select private.is_admin())`, once per statement and with the
-- rights of the caller, so request roles may execute it; without usage of this schema they cannot call it by name.
create function private.is_admin() returns boolean
  -- Not in SQL: that would be planned at every call.
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce(auth.jwt() -> 'app_metadata' ->> 'role' = 'admin', false);
end
$$;
revoke execute on function private.is_admin() from public;
grant execute on function private.is_admin() to authenticated;

-- Ends the request unless the caller is an admin, the back office, or an operator, who is connected to the database without
-- PostgREST.
create function private.require_admin() returns boolean
  language plpgsql stable
  -- Definer: the caller may call nothing else in this schema.
  security definer
  set search_path = ''
  as $$
begin
  if (session_user <> 'authenticator' and nullif(current_setting('request.jwt.claims', true), '') is null)
    or auth.role() = 'service_role' or private.is_admin() then
    return true;
  end if;
  perform private.refuse(403, 'RG571', 'Only admins may do this', null, 'Sign in as somebody whose app_metadata.role is admin.');
  return false;
end
$$;
revoke execute on function private.require_admin() from public;

-- What a limit counts by: the user, the back office, the hashed address that the edge has verified, or one key for all other
-- callers.
create function private.caller_key() returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return coalesce(
    'user ' || private.user_id()::text,
    case when private.caller_role() = 'service_role' then 'service' end,
    'addr ' || (private.edge_claim() ->> 'addr'),
    'nobody'
  );
end
$$;

-- The items of a body that is a list, an object that has a list under a name, or one item; null if it is none of these.
create function private.batch_of(body jsonb, list text) returns jsonb
  language plpgsql immutable
  set search_path = ''
  as $$
begin
  return case
    when jsonb_typeof(body) = 'array' then body
    when jsonb_typeof(body) <> 'object' then null
    when jsonb_typeof(body -> list) = 'array' then body -> list
    else jsonb_build_array(body)
  end;
end
$$;
revoke execute on function private.batch_of(jsonb, text) from public;

-- migrate:down
drop function private.batch_of(jsonb, text);
drop function private.caller_key();
drop function private.require_admin();
drop function private.is_admin();
drop function private.require_user();
drop function private.user_id();
drop function private.caller_role();
drop function private.edge_claim();
drop function private.request_header(text);
