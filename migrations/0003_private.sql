-- 0003: private. The schema that PostgREST does not expose: tables and helpers that only definer functions use.
-- migrate:up
-- dbmate's own table is in this schema, so it may exist already.
create schema if not exists private;
comment on schema private is 'Not exposed by PostgREST: limits, idempotency, audit, and helpers of definer functions.';
revoke all on schema private from public;

create function private.update_updated_at() returns trigger
  language plpgsql
  set search_path = ''
  as $$
begin
  new.updated_at := now();
  return new;
end
$$;

-- The full name of a function that only the owner of the schema may call, from its name, the types of its arguments ('' takes
-- defaults for all of them, too) and of its result; null if there is none. Rows of tables that name functions, such as jobs, can
-- name no other ones.
create function private.internal_function(name text, arguments text, result regtype) returns text
  language sql stable
  set search_path = ''
  as $$
select format('%I.%I', n.nspname, p.proname)
from pg_catalog.pg_proc as p
inner join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
where n.nspname = split_part(internal_function.name, '.', 1) and p.proname = split_part(internal_function.name, '.', 2)
  and p.prokind = 'f' and p.prorettype = internal_function.result and not p.proretset
  and (oidvectortypes(p.proargtypes) = internal_function.arguments or (internal_function.arguments = '' and p.pronargs = p.pronargdefaults))
  and p.proowner = (
    select own.proowner from pg_catalog.pg_proc as own where own.oid = 'private.internal_function(text, text, regtype)'::regprocedure
  )
  and not exists (
    select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a where a.grantee <> p.proowner
  )
$$;
revoke execute on function private.internal_function(text, text, regtype) from public;

-- An id that begins with its time, in milliseconds (RFC 9562, version 7): ids in the order of time keep the inserts of a large index on
-- its last pages. 74 bits are random. It tells its time, so it is not for ids whose making is nobody's business.
create function private.uuid_v7(at timestamptz default clock_timestamp()) returns uuid
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  -- Version 4 becomes 7 by two bits; the variant is the same.
  return encode(
    set_bit(set_bit(
      overlay(
        uuid_send(gen_random_uuid()) placing substring(int8send(floor(extract(epoch from at) * 1000)::bigint) from 3) from 1 for 6
      ), 52, 1), 53, 1),
    'hex'
  )::uuid;
end
$$;
revoke execute on function private.uuid_v7(timestamptz) from public;
-- A column's default runs with the rights of the role that inserts the row.
grant execute on function private.uuid_v7(timestamptz) to authenticated, edge, service_role;

-- migrate:down
drop function private.uuid_v7(timestamptz);
drop function private.internal_function(text, text, regtype);
drop function private.update_updated_at();
-- The schema stays: dbmate's own table is in it.
comment on schema private is null;
