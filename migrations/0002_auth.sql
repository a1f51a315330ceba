-- 0002: auth. How policies and functions read the verified claims of a request. Where these functions exist already
-- (Supabase's), those are used and nothing is touched.
-- migrate:up
create schema if not exists auth;
grant usage on schema auth to anon, authenticated, edge, service_role;

do $$
begin
  if to_regprocedure('auth.jwt()') is null then
    -- After a transaction the setting is '', not null.
    create function auth.jwt() returns jsonb
      language sql stable
      as $f$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $f$;
    comment on function auth.jwt() is 'The claims of the verified token. Made by rowgate 0002.';
  end if;

  if to_regprocedure('auth.uid()') is null then
    create function auth.uid() returns uuid
      language sql stable
      as $f$ select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid $f$;
    comment on function auth.uid() is 'The user: the token''s sub. Made by rowgate 0002.';
  end if;

  if to_regprocedure('auth.role()') is null then
    create function auth.role() returns text
      language sql stable
      as $f$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'role' $f$;
    comment on function auth.role() is 'The database role that the token asserts. Made by rowgate 0002.';
  end if;
end
$$;

do $$
declare
  made record;
begin
  for made in
    select p.oid::regprocedure as signature
    from pg_proc as p
    where p.pronamespace = 'auth'::regnamespace
      and obj_description(p.oid, 'pg_proc') like '%Made by rowgate 0002.'
  loop
    execute format('grant execute on function %s to anon, authenticated, edge, service_role', made.signature);
  end loop;
end
$$;

-- migrate:down
do $$
declare
  made record;
begin
  for made in
    select p.oid::regprocedure as signature
    from pg_proc as p
    where p.pronamespace = 'auth'::regnamespace
      and obj_description(p.oid, 'pg_proc') like '%Made by rowgate 0002.'
  loop
    execute format('drop function %s', made.signature);
  end loop;

  -- The schema is ours to drop if nothing of anybody's is left in it.
  begin
    drop schema auth;
  exception
    when dependent_objects_still_exist then
      revoke usage on schema auth from edge;
  end;
end
$$;
