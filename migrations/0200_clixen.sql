-- 0200: clixen. Its schema, and the queue in which one user's writes happen one after the other.
-- migrate:up
create schema clixen;
comment on schema clixen is 'clixen: a workflow builder with chat.';
-- The edge calls as itself the functions whose answers depend on what it has seen.
grant usage on schema clixen to authenticated, service_role, edge;

-- What a user writes in a day by the data API, in all tables together.
insert into private.daily_allowances (name, bytes, rows) values ('clixen', 209715200, 100000);

insert into private.system_schemas (schema, system) values
('clixen', 'clixen');

-- Waits until no other transaction writes for a user, and keeps others waiting until the end of this one.
create function private.lock_user(user_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(lock_user.user_id::text, 220));
end
$$;
revoke execute on function private.lock_user(uuid) from public;

-- Trigger. Before each statement: one user's writes run one after the other. Most of them end in the counters of the same
-- projects and the same profile, by different ways, and would deadlock. Before each row: the same for rows that service_role
-- adds for a user; a profile that is created meanwhile counts them.
create function private.queue_writes() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  usual_timeout constant text := current_setting('lock_timeout');
begin
  if tg_level = 'ROW' then
    perform private.lock_user(new.user_id);
    return new;
  end if;
  if (select auth.uid()) is not null then
    -- Not for long: a waiting request holds a connection that others could use.
    perform set_config('lock_timeout', '1s', true);
    perform private.lock_user((select auth.uid()));
    perform set_config('lock_timeout', usual_timeout, true);
  end if;
  return null;
exception
  when lock_not_available then
    perform private.refuse(
      429, 'RG529', 'Your other writes are still under way', null, 'Send fewer at once; try again after the time in Retry-After.', 1
    );
    return null;
end
$$;

-- migrate:down
delete from private.daily_allowances where name = 'clixen';
delete from private.system_schemas where system = 'clixen';
drop function private.queue_writes();
drop function private.lock_user(uuid);
drop schema clixen;
