-- 0200: clixen. Its schema, and the queue in which one user's writes happen one after the other.
-- migrate:up
create schema clixen;
comment on schema clixen is 'clixen: a workflow builder with chat.';
-- The edge calls as itself what depends on what it has seen.
grant usage on schema clixen to authenticated, service_role, edge;

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
    perform pg_advisory_xact_lock(hashtextextended(new.user_id::text, 220));
    return new;
  end if;
  if (select auth.uid()) is not null then
    -- Not for long: whoever waits holds a connection that others could use.
    perform set_config('lock_timeout', '1s', true);
    perform pg_advisory_xact_lock(hashtextextended((select auth.uid())::text, 220));
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
drop schema clixen;
