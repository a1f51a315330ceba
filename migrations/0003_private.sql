-- 0003: private. A schema that PostgREST does not expose, and what every later file uses of it.
-- migrate:up
-- dbmate keeps its own table in this schema, so it may exist.
create schema if not exists private;
comment on schema private is 'Not exposed by PostgREST: limits, idempotency, audit, and helpers of definer functions.';
revoke all on schema private from public;

-- Ends a request with a status, a code of docs/errors.md and words for the caller (PostgREST's sqlstate PGRST).
create function private.refuse(
  status int, code text, message text, details text default null, hint text default null, retry_after int default null
) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  raise sqlstate 'PGRST' using
    message = jsonb_build_object('code', code, 'message', message, 'details', details, 'hint', hint)::text,
    detail = jsonb_build_object(
      'status', status,
      'headers', case when retry_after is null then '{}'::jsonb
        else jsonb_build_object('Retry-After', retry_after::text) end
    )::text;
end
$$;

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

create function private.update_updated_at() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  new.updated_at := now();
  return new;
end
$$;

-- migrate:down
drop function private.update_updated_at();
drop function private.caller_key();
drop function private.require_user();
drop function private.caller_role();
drop function private.user_id();
drop function private.edge_claim();
drop function private.request_header(text);
drop function private.refuse(int, text, text, text, text, int);
-- The schema stays: dbmate's own table is in it.
comment on schema private is null;
