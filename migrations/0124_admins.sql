-- 0124: admins. What only they may do, asked by functions: past a definer's function no policy asks.
-- migrate:up
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

-- migrate:down
drop function private.require_admin();
