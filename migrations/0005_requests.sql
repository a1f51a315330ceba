-- 0005: requests. What a request says, and who sends it: its verified token, and the claims that the edge signs.
-- migrate:up
-- A header of the request. The client chooses it: use it as data, never as proof. A name that is not in the text of the headers is
-- in none of them, without parsing them; a text with escapes may write it in another way.
create function private.request_header(name text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  headers constant text := nullif(current_setting('request.headers', true), '');
begin
  return case
    when strpos(headers, name) > 0 or strpos(headers, E'\\') > 0 then headers::jsonb ->> name
  end;
end
$$;

-- The claims that the edge has verified, or null: the origin of the request (net, addr, country) and, in a call on behalf of a
-- user, the user's role (caller) and what the edge has seen of the request (region, city, human, stamp, device_type, browser, os,
-- is_bot). The edge's key signs tokens of anon and edge only, without an issuer; a claim of this name in any other token is the
-- holder's own and is ignored. Who has read the request's claims already passes them.
create function private.edge_claim(claims jsonb default nullif(current_setting('request.jwt.claims', true), '')::jsonb) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
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

-- Whether the caller has the role service_role. Claims without its name in their text are not parsed, as in user_id.
create function private.is_server() returns boolean
  language plpgsql stable
  set search_path = ''
  as $$
declare
  claims constant text := coalesce(current_setting('request.jwt.claims', true), '');
begin
  if strpos(claims, 'service_role') = 0 and strpos(claims, E'\\') = 0 then
    return false;
  end if;
  return coalesce(private.caller_role() = 'service_role', false);
end
$$;

-- The user, as auth.uid() gives it; older versions of Supabase's read it from a setting of its own. Most callers have no sub, and
-- skip the slower auth.uid(): claims whose text has neither the name nor an escape, by which JSON may write it, are not parsed.
create function private.user_id() returns uuid
  language plpgsql stable
  set search_path = ''
  as $$
declare
  claims constant text := coalesce(current_setting('request.jwt.claims', true), '');
begin
  if strpos(claims, '"sub"') = 0 and strpos(claims, E'\\') = 0
    and coalesce(current_setting('request.jwt.claim.sub', true), '') = ''
  then
    return null;
  end if;
  return auth.uid();
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
-- One expression without a setting: PostgreSQL puts it in the place of the call. It is parsed here, so that no search path has a say in it.
create function private.is_admin() returns boolean
  language sql stable
  return coalesce(auth.jwt() -> 'app_metadata' ->> 'role' = 'admin', false);
revoke execute on function private.is_admin() from public;
grant execute on function private.is_admin() to authenticated;

-- Ends the request unless the caller is an admin, service_role, or an operator, who is connected to the database without
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

-- Ends the request of a caller who has used an API token (0027). For what concerns all systems, or accounts themselves: the scope of a
-- token names systems.
create function private.refuse_api_token() returns void
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if nullif(current_setting('request.jwt.claims', true), '')::jsonb -> 'api_token' is not null then
    perform private.refuse(403, 'RG219', 'The API token does not open this', null, 'Sign in: no API token does this.');
  end if;
end
$$;
revoke execute on function private.refuse_api_token() from public;

-- What a limit counts by: the user, service_role, the hashed address that the edge has verified, or one key for all other
-- callers.
create function private.caller_key() returns text
  language plpgsql stable
  set search_path = ''
  as $$
declare
  caller constant uuid := private.user_id();
begin
  return case
    when caller is not null then 'user ' || caller::text
    when private.is_server() then 'service'
    else coalesce('addr ' || (private.edge_claim() ->> 'addr'), 'nobody')
  end;
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
drop function private.refuse_api_token();
drop function private.require_admin();
drop function private.is_admin();
drop function private.require_user();
drop function private.user_id();
drop function private.is_server();
drop function private.caller_role();
drop function private.edge_claim(jsonb);
drop function private.request_header(text);
