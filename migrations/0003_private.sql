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
  language sql stable
  set search_path = ''
  as $$ select nullif(current_setting('request.headers', true), '')::jsonb ->> name $$;

-- Where the edge says the request came from: {net, addr, country}, or null. The edge's key may sign for anon only; a
-- claim of this name in a user's token is that user's own and is not believed.
create function private.edge_claim() returns jsonb
  language sql stable
  set search_path = ''
  as $$
select claims -> 'edge'
from (select nullif(current_setting('request.jwt.claims', true), '')::jsonb as claims) as request
where claims ->> 'role' = 'anon' and claims ->> 'iss' is null
$$;

-- Who a limit counts for: the user, the back office, the hashed address that the edge vouches for, or everybody together.
create function private.caller_key() returns text
  language sql stable
  set search_path = ''
  as $$
select coalesce(
  'user ' || (select auth.uid())::text,
  case when (select auth.role()) = 'service_role' then 'service' end,
  'addr ' || (private.edge_claim() ->> 'addr'),
  'nobody'
)
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
drop function private.edge_claim();
drop function private.request_header(text);
drop function private.refuse(int, text, text, text, text, int);
-- The schema stays: dbmate's own table is in it.
comment on schema private is null;
