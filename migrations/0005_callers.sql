-- 0005: callers. Who sends the request, from its verified token and from the claims that the edge signs.
-- migrate:up
-- A header of the request: the client's own words, for data and never for trust.
create function private.request_header(name text) returns text
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return nullif(current_setting('request.headers', true), '')::jsonb ->> name;
end
$$;

-- What the edge vouches for, or null: where the request came from (net, addr, country) and, in a call on behalf of somebody, who
-- that is (caller) and what the edge has seen of the request (region, city, human, stamp, device_type, browser, os, is_bot). The
-- edge's key signs for anon and edge only, without an issuer; a claim of this name in anybody else's token is their own word and is
-- not believed.
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

-- The role of the caller. The edge calls some functions on behalf of others, as the role edge: then it is the role that it has
-- verified.
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

-- The user, as auth.uid() says, which older versions of Supabase's read from a setting of its own. Most callers here have no sub,
-- and need not wait for it to be looked at.
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

-- The user who calls, or a refusal: for what the edge calls on behalf of users, of whom no grant knows whether there is one.
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

-- Ends the request unless an admin, the back office, or an operator asks: who is connected to the database without PostgREST.
create function private.require_admin() returns boolean
  language plpgsql stable
  -- Definer: whoever asks may call nothing else in this schema.
  security definer
  set search_path = ''
  as $$
begin
  if session_user <> 'authenticator' and nullif(current_setting('request.jwt.claims', true), '') is null then
    return true;
  end if;
  if (select auth.role()) = 'service_role' or (select auth.jwt()) -> 'app_metadata' ->> 'role' = 'admin' then
    return true;
  end if;
  perform private.refuse(403, 'RG571', 'Only admins may do this', null, 'Sign in as somebody whose app_metadata.role is admin.');
  return false;
end
$$;
revoke execute on function private.require_admin() from public;

-- Who a limit counts for: the user, the back office, the hashed address that the edge vouches for, or everybody together.
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

-- migrate:down
drop function private.caller_key();
drop function private.require_admin();
drop function private.require_user();
drop function private.user_id();
drop function private.caller_role();
drop function private.edge_claim();
drop function private.request_header(text);
