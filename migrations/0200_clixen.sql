-- 0200: clixen. Its schema, and the queue in which one user's writes happen one after the other.
-- migrate:up
create schema clixen;
comment on schema clixen is 'clixen: a workflow builder with chat.';
-- The edge calls as itself what depends on what it has seen.
grant usage on schema clixen to authenticated, service_role, edge;

-- Waits until this transaction is the only one that writes for a user, and holds that until its end.
create function private.lock_user(user_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform pg_advisory_xact_lock(hashtextextended(lock_user.user_id::text, 220));
end
$$;
revoke execute on function private.lock_user(uuid) from public;

-- Trigger, before each statement: what one user writes happens one after the other. Most of it ends in the counters of the same
-- projects and the same profile, reached by different ways, and would otherwise end in deadlocks. Before each row: so does what the
-- back office adds to what is a user's; a profile that is made meanwhile counts it.
create function private.queue_writes() returns trigger
  language plpgsql security definer
  set search_path = ''
  as $$
declare
  patience constant text := current_setting('lock_timeout');
begin
  if tg_level = 'ROW' then
    perform private.lock_user(new.user_id);
    return new;
  end if;
  if (select auth.uid()) is not null then
    -- Not for long: whoever waits holds a connection that others could use.
    perform set_config('lock_timeout', '1s', true);
    perform private.lock_user((select auth.uid()));
    perform set_config('lock_timeout', patience, true);
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
drop function private.queue_writes();
drop function private.lock_user(uuid);
drop schema clixen;
