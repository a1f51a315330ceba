-- 0002: auth. How policies and functions read the verified claims of a request. Functions that exist already (Supabase's) are
-- used unchanged.
-- migrate:up
do $$
begin
  if to_regnamespace('auth') is null then
    create schema auth;
    grant usage on schema auth to anon, authenticated, service_role;
  end if;

  if to_regprocedure('auth.jwt()') is null then
    -- After a transaction the setting is '', not null.
    create function auth.jwt() returns jsonb
      language sql stable
      as $f$ select nullif(current_setting('request.jwt.claims', true), '')::jsonb $f$;
    comment on function auth.jwt() is 'The claims of the verified token. Made by rowgate 0002.';
  end if;

  if to_regprocedure('auth.uid()') is null then
    -- A sub that is not a uuid, such as a back-office token's, is not a user.
    -- One expression: PostgreSQL puts it in the place of the call. With a query inside it would be planned at every call. The claims are
    -- json, of which two values are read in the time that jsonb takes for one. Of a text of 36 characters with four hyphens in their places the
    -- rest are hexadecimal digits: a regular expression that counts them takes twice as long.
    create function auth.uid() returns uuid
      language sql stable
      as $f$
      select case
        when nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub' like '________-____-____-____-____________'
          then substring(
            current_setting('request.jwt.claims', true)::json ->> 'sub', '^[0-9a-fA-F]+(?:-[0-9a-fA-F]+){4}$'
          )::uuid
      end
      $f$;
    comment on function auth.uid() is 'The user: the token''s sub. Made by rowgate 0002.';
  end if;

  if to_regprocedure('auth.role()') is null then
    create function auth.role() returns text
      language sql stable
      as $f$ select nullif(current_setting('request.jwt.claims', true), '')::json ->> 'role' $f$;
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
    execute format('grant execute on function %s to anon, authenticated, service_role', made.signature);
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

  -- Drop the schema only if these migrations created it and nothing else is left in it.
  begin
    drop schema auth;
  exception
    when dependent_objects_still_exist or insufficient_privilege then
      raise notice 'the schema auth is kept: it is not of these migrations';
  end;
end
$$;
