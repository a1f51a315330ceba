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

-- migrate:down
drop function private.update_updated_at();
-- The schema stays: dbmate's own table is in it.
comment on schema private is null;
