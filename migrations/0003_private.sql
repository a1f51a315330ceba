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

-- migrate:down
drop function private.internal_function(text, text, regtype);
drop function private.update_updated_at();
-- The schema stays: dbmate's own table is in it.
comment on schema private is null;
