-- 0300: flashfusion. Its schema, and the lock under which one user's writes happen one after the other.
-- migrate:up
create schema flashfusion;
comment on schema flashfusion is 'flashfusion: a platform for AI apps and agents.';
-- anon reads the public catalogue. The edge calls as itself the functions whose answers depend on what it has seen.
grant usage on schema flashfusion to anon, authenticated, service_role, edge;

-- What a user writes in a day, in all tables together.
insert into private.daily_allowances (name, bytes, rows) values ('flashfusion', 104857600, 50000);

insert into private.system_schemas (schema, system) values
('flashfusion', 'flashfusion');

-- Waits until no other transaction changes what is counted or limited for a user, and keeps others waiting until the end of this
-- one. Locks are taken in this order: the user's, rows of projects, keys or tasks, rows of billing, the user's row.
create function private.lock_flashfusion_user(user_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  usual_timeout constant text := current_setting('lock_timeout');
begin
  -- Not for long: a waiting request holds a connection that others could use.
  perform set_config('lock_timeout', '1s', true);
  perform pg_advisory_xact_lock(hashtextextended(lock_flashfusion_user.user_id::text, 320));
  perform set_config('lock_timeout', usual_timeout, true);
exception
  when lock_not_available then
    perform private.refuse(
      429, 'RG631', 'Your other writes are still under way', null, 'Send fewer at once; try again after the time in Retry-After.', 1
    );
end
$$;
revoke execute on function private.lock_flashfusion_user(uuid) from public;

-- migrate:down
delete from private.daily_allowances where name = 'flashfusion';
delete from private.system_schemas where system = 'flashfusion';
drop function private.lock_flashfusion_user(uuid);
drop schema flashfusion;
