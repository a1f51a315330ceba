-- 0001: roles. The roles that PostgREST may switch to; nobody may do anything until it is granted.
-- Roles that exist already (Supabase's) stay as they are; a rollback drops only those created here.
-- migrate:up
do $$
begin
  -- Row-level security is forced, for table owners too: definer functions work only if their owner bypasses it.
  if not exists (select from pg_roles where rolname = current_user and (rolsuper or rolbypassrls)) then
    raise exception 'the role % may not run these migrations', current_user
      using hint = 'Use a superuser or a role with BYPASSRLS; on Supabase, the role postgres.';
  end if;
end
$$;

do $$
declare
  wanted constant jsonb := '[
    {"name": "authenticator", "options": "login noinherit",             "timeout": "8s"},
    {"name": "anon",          "options": "nologin noinherit",           "timeout": "2s"},
    {"name": "authenticated", "options": "nologin noinherit",           "timeout": "8s"},
    {"name": "edge",          "options": "nologin noinherit",           "timeout": "8s"},
    {"name": "service_role",  "options": "nologin noinherit bypassrls", "timeout": "60s"}
  ]';
  role jsonb;
begin
  for role in select value from jsonb_array_elements(wanted) loop
    if to_regrole(role ->> 'name') is null then
      execute format('create role %I %s', role ->> 'name', role ->> 'options');
      execute format('alter role %I set statement_timeout = %L', role ->> 'name', role ->> 'timeout');
      -- A request that waits for a lock holds a connection that others could use.
      execute format('alter role %I set lock_timeout = %L', role ->> 'name', '1s');
      -- For all requests, as PostgREST logs in with this role: on an SSD a block costs about the same wherever it is. With PostgreSQL's default the
      -- planner, which without statistics expects few rows, reads all of a list and sorts them, where an index gives the first fifty in order.
      -- Another value of the server's is its operator's choice.
      if role ->> 'name' = 'authenticator' and current_setting('random_page_cost') = '4' then
        alter role authenticator set random_page_cost = 1.2;
      end if;
      -- Compiling a plan takes longer than the requests that are served here.
      if role ->> 'name' = 'authenticator' then
        alter role authenticator set jit = off;
      end if;
      execute format('comment on role %I is %L', role ->> 'name', 'made by rowgate 0001');
    end if;
    if role ->> 'name' <> 'authenticator'
      and not pg_has_role('authenticator', (role ->> 'name')::regrole, 'member') then
      execute format('grant %I to authenticator', role ->> 'name');
    end if;
  end loop;
end
$$;

-- Functions are executable by nobody until granted. A revoke `in schema` would have no effect: the global default of the creating
-- role grants to public.
alter default privileges revoke execute on functions from public;

-- migrate:down
alter default privileges grant execute on functions to public;

do $$
declare
  made record;
begin
  for made in
    select rolname
    from pg_roles
    where shobj_description(oid, 'pg_authid') = 'made by rowgate 0001'
    order by rolname
  loop
    -- The creator of a role may drop the role, but may drop what it was granted only as its member.
    execute format('grant %I to current_user', made.rolname);
    execute format('drop owned by %I', made.rolname);
    begin
      execute format('drop role %I', made.rolname);
    exception
      when dependent_objects_still_exist then
        raise notice 'role % is kept: another database of this server uses it', made.rolname;
    end;
  end loop;
end
$$;
