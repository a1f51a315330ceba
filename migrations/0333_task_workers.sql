-- 0333: task workers. How workers take tasks, keep them, and end them. A worker proves by a lease token that it still has a task:
-- its calls after the end of its lease are refused.
-- migrate:up
-- Ends the request unless the edge calls for a worker: for service_role, or for the API token of a worker.
create function private.require_task_worker() returns void
  language plpgsql stable
  set search_path = ''
  as $$
begin
  if private.caller_role() is distinct from 'service_role' then
    perform private.refuse(403, 'RG659', 'This is for workers only', null, 'Use a service_role token, or the API token of a worker.');
  end if;
end
$$;
revoke execute on function private.require_task_worker() from public;

-- Ends a failed attempt of a task that was taken out of the queue: it is tried again after attempt^4 seconds, or is dead. The
-- caller holds the user's lock.
create function private.end_attempt(task private.task_queue, error text, may_retry boolean) returns text
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  row_ flashfusion.agent_tasks;
  state text;
  -- A tenth more or less, so that tasks that failed together do not come back together.
  again constant timestamptz := clock_timestamp() + make_interval(secs => (task.attempt::float8 ^ 4) * (0.9 + 0.2 * random()));
  noted constant jsonb := jsonb_build_object(
    'attempt', task.attempt, 'at', clock_timestamp(), 'worker', task.locked_by, 'error', left(end_attempt.error, 2000)
  );
begin
  select * into row_ from flashfusion.agent_tasks as t where t.id = task.task_id for update;
  if not found then
    return 'deleted';
  end if;
  state := case
    when task.cancelled then 'cancelled'
    when not may_retry then 'failed'
    when task.attempt > row_.max_retries then 'dead'
    else 'retrying'
  end;
  update flashfusion.agent_tasks as t set
    status = state,
    error_message = left(end_attempt.error, 2000),
    errors = (t.errors || noted)[greatest(1, cardinality(t.errors) - 23):],
    retry_count = least(task.attempt, t.max_retries),
    run_at = case when state = 'retrying' then again else t.run_at end,
    completed_at = case when state <> 'retrying' then clock_timestamp() end,
    dead_at = case when state = 'dead' then clock_timestamp() end,
    idempotency_key = case when state <> 'cancelled' then t.idempotency_key end,
    lease_token = null, lease_expires_at = null, locked_by = null
  where t.id = task.task_id;
  if state = 'retrying' then
    perform private.shelve_task(
      task.task_id, task.agent_id, task.user_id, task.task_type, task.priority, again, task.attempt
    );
  elsif state = 'cancelled' then
    delete from private.task_requests as r where r.task_id = task.task_id;
  elsif state = 'dead' then
    perform private.notify(
      task.user_id, 'task_dead', 'task_dead ' || task.task_id, 'A task has failed',
      format('The task %s has failed %s times and is not tried again.', row_.task_type, task.attempt), null,
      jsonb_build_object('task_id', task.task_id, 'task_type', row_.task_type)
    );
  end if;
  return state;
end
$$;
revoke execute on function private.end_attempt(private.task_queue, text, boolean) from public;

-- After a task has left the queue: counts it, and gives its slot to the next.
create function private.release_slot(user_id uuid, agent_id uuid) returns int
  language plpgsql volatile
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  departed constant bigint := nextval('private.task_departures');
begin
  return private.fill_slots(release_slot.user_id, release_slot.agent_id, 1);
end
$$;
revoke execute on function private.release_slot(uuid, uuid) from public;

-- Ends the attempts whose lease has ended, page by page: a task that cannot be ended now does not keep those behind it waiting.
-- Each is checked again while it is locked: its worker may have ended it, or kept it, and another may have it by now.
create function private.reap_tasks(pages int default 20) returns bigint
  language plpgsql volatile
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  -- An index finds what is before a time that is fixed: clock_timestamp() in a condition is evaluated for each row, of leases that go on, too.
  moment constant timestamptz := clock_timestamp();
  after_ record;
  expired private.task_queue;
  page private.task_queue[];
  gone private.task_queue;
  reaped bigint := 0;
begin
  select '-infinity'::timestamptz as lease_until, '00000000-0000-0000-0000-000000000000'::uuid as task_id into after_;
  for n in 1..pages loop
    page := array(
      select row(q.*)::private.task_queue from private.task_queue as q
      where q.locked_by is not null and q.lease_until < moment and q.lease_until >= after_.lease_until
        and (q.lease_until, q.task_id) > (after_.lease_until, after_.task_id)
      order by q.lease_until, q.task_id
      limit 50
    );
    foreach expired in array page loop
      begin
        if pg_try_advisory_xact_lock_shared(hashtextextended(expired.user_id::text, 321)) then
          delete from private.task_queue as q
          where q.task_id in (
            select l.task_id from private.task_queue as l
            where l.task_id = expired.task_id and l.lease_token = expired.lease_token
              and l.attempt = expired.attempt and l.lease_until < clock_timestamp()
            for update skip locked
          )
          returning q.* into gone;
          if found then
            perform private.end_attempt(gone, format('The lease of %s ended', gone.locked_by), true);
            perform private.release_slot(gone.user_id, gone.agent_id);
            reaped := reaped + 1;
          end if;
        end if;
      exception
        when others then
          raise warning 'task % cannot be reaped: %', expired.task_id, sqlerrm;
      end;
    end loop;
    exit when cardinality(page) < 50;
    after_.lease_until := expired.lease_until;
    after_.task_id := expired.task_id;
  end loop;
  return reaped;
end
$$;
revoke execute on function private.reap_tasks(int) from public;

-- Gives slots to some tasks whose time has come, or lets them wait for one, and returns how many. It waits for nobody.
create function private.promote_due(due private.task_backlog[]) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  task private.task_backlog;
  promoted bigint := 0;
begin
  foreach task in array due loop
    if pg_try_advisory_xact_lock(hashtextextended(task.user_id::text, 321)) then
      delete from private.task_backlog as b where b.task_id = task.task_id and not b.is_due;
      if found then
        perform private.place_task(
          task.task_id, task.agent_id, task.user_id, task.task_type, task.priority, task.run_at, task.attempt
        );
        promoted := promoted + 1;
      end if;
    end if;
  end loop;
  return promoted;
end
$$;
revoke execute on function private.promote_due(private.task_backlog[]) from public;

-- Gives slots to tasks whose time has come, at most so many, in the order of their times, and returns how many. Where more are due, also to
-- five of each of the next users, as many tasks again: nobody's task waits for all of another user's. It continues where the last
-- call of anybody ended, as private.refill_next does.
create function private.promote_tasks(most int default 200) returns bigint
  language plpgsql volatile
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  -- As in private.reap_tasks.
  moment constant timestamptz := clock_timestamp();
  place constant bigint := pg_sequence_last_value('private.task_promoted');
  after_ uuid := rpad(lpad(to_hex(place), 15, '0'), 32, 'f')::uuid;
  next_ record;
  due private.task_backlog[];
  promoted bigint;
  others bigint := 0;
begin
  due := array(
    select row(b.*)::private.task_backlog from private.task_backlog as b
    where not b.is_due and b.run_at <= moment
    order by b.run_at
    limit most
  );
  promoted := private.promote_due(due);
  if cardinality(due) < most then
    return promoted;
  end if;
  -- More users are looked at than have tasks that are due.
  for n in 1..5 * most loop
    exit when others >= most;
    select b.user_id, b.run_at into next_ from private.task_backlog as b
    where not b.is_due and b.user_id > after_
    order by b.user_id, b.run_at
    limit 1;
    -- At the end it begins again, with the next call.
    after_ := coalesce(next_.user_id, '00000000-0000-0000-0000-000000000000');
    exit when next_.user_id is null;
    if next_.run_at <= moment then
      others := others + private.promote_due(array(
        select row(b.*)::private.task_backlog from private.task_backlog as b
        where not b.is_due and b.user_id = next_.user_id and b.run_at <= moment
        order by b.run_at
        limit 5
      ));
    end if;
  end loop;
  perform setval('private.task_promoted', ('x' || left(translate(after_::text, '-', ''), 15))::bit(60)::bigint);
  return promoted + others;
end
$$;
revoke execute on function private.promote_tasks(int) from public;

-- Gives free slots to waiting tasks of so many lanes, and more until the end of a user: after a pause, for a user with a higher tier,
-- and where a departure has failed. It begins after a user and gives the last one that it has seen; null: there are no more. Only
-- users of lanes that have free slots are locked.
create function private.refill_lanes(after_user uuid, most int) returns uuid
  language plpgsql volatile
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  lane record;
  seen uuid := refill_lanes.after_user;
begin
  select refill_lanes.after_user as user_id, 'ffffffff-ffff-ffff-ffff-ffffffffffff'::uuid as agent_id into lane;
  for n in 1..2147483647 loop
    select b.user_id, b.agent_id into lane from private.task_backlog as b
    where b.is_due and (b.user_id, b.agent_id) > (lane.user_id, lane.agent_id)
    order by b.user_id, b.agent_id
    limit 1;
    if not found then
      return null;
    end if;
    exit when n > most and lane.user_id <> seen;
    seen := lane.user_id;
    if private.task_slots(lane.user_id) > (
        select count(*) from private.task_queue as q where q.user_id = lane.user_id and q.agent_id = lane.agent_id
      )
      and not private.is_paused(lane.agent_id, lane.user_id)
      and pg_try_advisory_xact_lock(hashtextextended(lane.user_id::text, 321))
    then
      perform private.close_vacancies(lane.user_id, lane.agent_id);
      perform private.fill_slots(lane.user_id, lane.agent_id, 1000, false);
    end if;
  end loop;
  return seen;
end
$$;
revoke execute on function private.refill_lanes(uuid, int) from public;

-- The greatest id that has other first sixty bits and is less.
create function private.user_before(user_id uuid) returns uuid
  language sql immutable
  set search_path = ''
  as $$
select rpad(lpad(to_hex(greatest(('x' || left(translate(user_id::text, '-', ''), 15))::bit(60)::bigint - 1, 0)), 15, '0'), 32, 'f')::uuid
$$;
revoke execute on function private.user_before(uuid) from public;

-- Goes on where the last call of anybody ended, and at the end begins again: no lane is passed over for ever. Not for more than a
-- thousand lanes at once: each may be a lock until the end of the transaction, and a database has room for about six thousand.
create function private.refill_next(most int) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  place constant bigint := pg_sequence_last_value('private.task_refilled');
  seen uuid := private.refill_lanes(rpad(lpad(to_hex(place), 15, '0'), 32, 'f')::uuid, most);
  next_ bigint;
begin
  if seen is null then
    seen := private.refill_lanes('00000000-0000-0000-0000-000000000000', most);
  end if;
  next_ := coalesce(('x' || left(translate(seen::text, '-', ''), 15))::bit(60)::bigint, 0);
  if next_ <> place then
    perform setval('private.task_refilled', next_);
  end if;
end
$$;
revoke execute on function private.refill_next(int) from public;

-- Job: what claims do beside, for a queue that nobody asks, and what they leave.
create function private.sweep_tasks() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  done bigint;
begin
  delete from private.task_pauses as p where p.until < clock_timestamp() - interval '1 hour';
  done := private.reap_tasks() + private.promote_tasks(1000);
  perform private.refill_next(1000);
  return done;
end
$$;
revoke execute on function private.sweep_tasks() from public;

-- Leases ready tasks to a worker: {tasks: [...]}. Once a second, and where nothing is ready, it also looks for lanes with free slots.
create function flashfusion.claim_tasks(
  worker text, agents uuid[] default null, types text[] default null, quantity bigint default 1, lease_seconds bigint default 60
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  -- Without statistics, or with those of a moment when workers had all tasks, the planner takes the ready ones for few and would sort them.
  set enable_sort = off
  set jit = off
  as $$
declare
  wanted constant int := least(greatest(coalesce(quantity, 1), 1), 100);
  lease constant interval := make_interval(secs => least(greatest(coalesce(lease_seconds, 60), 1), 3600));
  this_second constant bigint := extract(epoch from clock_timestamp())::bigint;
  takes_all constant boolean := agents is null and types is null;
  turn_ bigint;
  last_turn bigint;
  departed bigint;
  claimed jsonb := '[]';
  more jsonb;
  paused boolean;
  sweeps boolean := false;
begin
  perform private.require_task_worker();
  if coalesce(worker, '') !~ '^[[:graph:]]([[:graph:] ]{0,98}[[:graph:]])?$' then
    perform private.refuse(422, 'RG616', 'The worker has no valid name', 'At most 100 printable characters', 'Send {"worker": "host-1"}.');
  end if;
  -- A claim that is lost in a crash of the database leaves its tasks ready: nobody has to wait for the disk.
  perform set_config('synchronous_commit', 'off', true);
  departed := pg_sequence_last_value('private.task_departures');
  if departed >= pg_sequence_last_value('private.task_rotation_due') then
    perform private.rotate_task_queue();
  end if;
  -- A worker that takes only some tasks passes others, so it may not move the place from which all are read.
  turn_ := case when takes_all then pg_sequence_last_value('private.task_front') else 0 end;
  if pg_sequence_last_value('private.task_swept') < this_second then
    sweeps := true;
    perform setval('private.task_swept', this_second);
    perform private.reap_tasks(1);
    perform private.promote_tasks();
    perform private.refill_next(20);
    -- Also what is ready before the front: rows whose transaction took long, or whose claim was rolled back.
    turn_ := 0;
  end if;
  perform private.fill_vacancies(2 * wanted + 10);
  paused := exists (select from private.task_pauses as p where p.until > clock_timestamp());

  for round in 1..3 loop
    with ready as materialized (
      select q.task_id from private.task_queue as q
      where q.lease_token is null and q.turn >= turn_
        and (claim_tasks.types is null or q.task_type = any (claim_tasks.types))
        and (claim_tasks.agents is null or q.agent_id = any (claim_tasks.agents))
        and (not paused or not private.is_paused(q.agent_id, q.user_id))
      order by q.turn, q.priority
      limit wanted - jsonb_array_length(claimed)
      for update skip locked
    ),

    leased as (
      update private.task_queue as q
      set lease_token = gen_random_uuid(), lease_until = clock_timestamp() + lease, locked_by = worker, attempt = q.attempt + 1
      from ready as r
      where q.task_id = r.task_id
      returning q.task_id, q.turn, q.priority, q.lease_token, q.lease_until, q.attempt
    ),

    shown as (
      update flashfusion.agent_tasks as t
      set status = 'running', started_at = clock_timestamp(), locked_by = worker, lease_token = l.lease_token,
        lease_expires_at = l.lease_until, retry_count = l.attempt - 1
      from leased as l
      where t.id = l.task_id
      returning t.id, t.agent_id, t.project_id, t.user_id, t.task_type, t.task_data, t.max_retries, l.attempt, l.lease_token,
        l.lease_until, l.turn, l.priority
    )

    select jsonb_agg(
      jsonb_build_object(
        'id', s.id, 'agent_id', s.agent_id, 'project_id', s.project_id, 'user_id', s.user_id, 'task_type', s.task_type,
        'task_data', s.task_data, 'priority', s.priority, 'attempt', s.attempt, 'max_retries', s.max_retries,
        'lease_token', s.lease_token, 'lease_expires_at', s.lease_until
      ) order by s.turn, s.priority
    ), max(s.turn)
    into more, last_turn
    from shown as s;
    claimed := claimed || coalesce(more, '[]');
    if last_turn > pg_sequence_last_value('private.task_turn') then
      perform setval('private.task_turn', last_turn);
    end if;
    if takes_all and last_turn > pg_sequence_last_value('private.task_front') then
      perform setval('private.task_front', last_turn);
    end if;
    exit when jsonb_array_length(claimed) >= wanted;
    if turn_ > 0 then
      turn_ := 0;
    else
      exit when round = 3 or jsonb_array_length(claimed) > 0;
      perform private.refill_next(20);
    end if;
  end loop;
  if sweeps and claimed <> '[]' then
    update flashfusion.agents as a set last_activity_at = now()
    where a.id in (
      select g.id from flashfusion.agents as g
      where g.id in (select (t.task ->> 'agent_id')::uuid from jsonb_array_elements(claimed) as t (task))
        and coalesce(g.last_activity_at < now() - interval '1 minute', true)
      for update skip locked
    );
  end if;
  return jsonb_build_object('tasks', claimed);
end
$$;
comment on function flashfusion.claim_tasks(text, uuid[], text[], bigint, bigint) is
  'Leases tasks to a worker. Definer: the queue is in the schema private. Executable by the edge only, for workers.';
revoke execute on function flashfusion.claim_tasks(text, uuid[], text[], bigint, bigint) from public;
grant execute on function flashfusion.claim_tasks(text, uuid[], text[], bigint, bigint) to edge;

-- Ends the request of a worker whose lease has ended.
create function private.refuse_lease() returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  perform private.refuse(
    409, 'RG611', 'The lease has ended', 'The task is another worker''s by now, has ended, or is tried again later',
    'Drop the work. Send heartbeats before the lease ends.'
  );
end
$$;
revoke execute on function private.refuse_lease() from public;

-- Waits for the lock of the user whose task a worker has, or ends the request if the worker has it no longer.
create function private.await_lease(task_id uuid, lease_token uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  owner uuid;
begin
  select q.user_id into owner from private.task_queue as q
  where q.task_id = await_lease.task_id and q.lease_token = await_lease.lease_token and q.lease_until >= clock_timestamp();
  if not found then
    perform private.refuse_lease();
  end if;
  perform private.lock_tasks(owner, true);
end
$$;
revoke execute on function private.await_lease(uuid, uuid) from public;

-- Takes the task of a lease out of the queue. The user's lock comes before that of the row, as everywhere: the condition takes it.
create function private.leave_queue(task_id uuid, lease_token uuid) returns private.task_queue
  language plpgsql volatile
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  task private.task_queue;
begin
  perform private.require_task_worker();
  loop
    delete from private.task_queue as q
    where q.task_id = leave_queue.task_id and q.lease_token = leave_queue.lease_token and q.lease_until >= clock_timestamp()
      and pg_try_advisory_xact_lock_shared(hashtextextended(q.user_id::text, 321))
    returning q.* into task;
    exit when found;
    perform private.await_lease(leave_queue.task_id, leave_queue.lease_token);
  end loop;
  return task;
end
$$;
revoke execute on function private.leave_queue(uuid, uuid) from public;

-- Keeps a task for longer. The answer says whether its owner has cancelled it.
create function flashfusion.heartbeat_task(task_id uuid, lease_token uuid, lease_seconds bigint default 60) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  task private.task_queue;
begin
  perform private.require_task_worker();
  perform set_config('synchronous_commit', 'off', true);
  update private.task_queue as q
  set lease_until = clock_timestamp() + make_interval(secs => least(greatest(coalesce(lease_seconds, 60), 1), 3600))
  where q.task_id = heartbeat_task.task_id and q.lease_token = heartbeat_task.lease_token and q.lease_until >= clock_timestamp()
  returning q.* into task;
  if not found then
    perform private.refuse_lease();
  end if;
  update flashfusion.agent_tasks as t set lease_expires_at = task.lease_until where t.id = task.task_id;
  return jsonb_build_object('id', task.task_id, 'lease_expires_at', task.lease_until, 'cancel_requested', task.cancelled);
end
$$;
comment on function flashfusion.heartbeat_task(uuid, uuid, bigint) is
  'Extends the lease of a task. Definer: the queue is in the schema private. Executable by the edge only, for workers.';
revoke execute on function flashfusion.heartbeat_task(uuid, uuid, bigint) from public;
grant execute on function flashfusion.heartbeat_task(uuid, uuid, bigint) to edge;

-- One statement: most of the time of a statement is its start. The next claim fills the slot.
create function flashfusion.complete_task(
  task_id uuid, lease_token uuid, result jsonb default null, execution_time_ms bigint default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  departed bigint;
begin
  -- `perform` begins a query, and conditions do not.
  if not private.is_server() then
    perform private.require_task_worker();
  end if;
  if octet_length(complete_task.result::text) > 262144 then
    perform private.refuse(422, 'RG617', 'The result is too large', 'At most 256 KB', 'Store it elsewhere, and send where.');
  end if;
  loop
    with gone as (
      delete from private.task_queue as q
      where q.task_id = complete_task.task_id and q.lease_token = complete_task.lease_token and q.lease_until >= clock_timestamp()
        and pg_try_advisory_xact_lock_shared(hashtextextended(q.user_id::text, 321))
      returning q.task_id, q.user_id, q.agent_id
    ),

    shown as (
      update flashfusion.agent_tasks as t set
        status = 'completed', result = complete_task.result, error_message = null, completed_at = clock_timestamp(),
        execution_time_ms = coalesce(
          greatest(complete_task.execution_time_ms, 0), extract(epoch from clock_timestamp() - t.started_at) * 1000
        ),
        lease_token = null, lease_expires_at = null, locked_by = null
      from gone as g
      where t.id = g.task_id
    ),

    vacant as (
      insert into private.task_vacancies (user_id, agent_id) select g.user_id, g.agent_id from gone as g
    )

    select nextval('private.task_departures') into departed from gone as g;
    exit when found;
    perform private.await_lease(complete_task.task_id, complete_task.lease_token);
  end loop;
  return jsonb_build_object('id', complete_task.task_id, 'status', 'completed');
end
$$;
comment on function flashfusion.complete_task(uuid, uuid, jsonb, bigint) is
  'Ends a task with its result. Definer: the queue is in the schema private. Executable by the edge only, for workers.';
revoke execute on function flashfusion.complete_task(uuid, uuid, jsonb, bigint) from public;
grant execute on function flashfusion.complete_task(uuid, uuid, jsonb, bigint) to edge;

-- Ends an attempt without a result. Without `retry` it is the last one.
create function flashfusion.fail_task(task_id uuid, lease_token uuid, error text, retry boolean default true) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  task constant private.task_queue := private.leave_queue(fail_task.task_id, fail_task.lease_token);
  state text;
begin
  state := private.end_attempt(task, coalesce(nullif(error, ''), 'No reason was given'), coalesce(retry, true));
  perform private.release_slot(task.user_id, task.agent_id);
  return jsonb_build_object('id', task.task_id, 'status', state, 'attempt', task.attempt);
end
$$;
comment on function flashfusion.fail_task(uuid, uuid, text, boolean) is
  'Ends an attempt that has failed. Definer: the queue is in the schema private. Executable by the edge only, for workers.';
revoke execute on function flashfusion.fail_task(uuid, uuid, text, boolean) from public;
grant execute on function flashfusion.fail_task(uuid, uuid, text, boolean) to edge;

-- Gives a task back for later, as if it had not been begun: no attempt is counted.
create function flashfusion.snooze_task(task_id uuid, lease_token uuid, seconds bigint) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  task constant private.task_queue := private.leave_queue(snooze_task.task_id, snooze_task.lease_token);
  again constant timestamptz := clock_timestamp() + make_interval(secs => least(greatest(coalesce(seconds, 60), 1), 2592000));
  state constant text := case when task.cancelled then 'cancelled' when task.attempt > 1 then 'retrying' else 'pending' end;
begin
  if task.cancelled then
    perform private.end_attempt(task, 'Cancelled', false);
  else
    update flashfusion.agent_tasks as t set
      status = state, run_at = again,
      retry_count = task.attempt - 1, lease_token = null, lease_expires_at = null, locked_by = null
    where t.id = task.task_id;
    perform private.shelve_task(
      task.task_id, task.agent_id, task.user_id, task.task_type, task.priority, again, task.attempt - 1
    );
  end if;
  perform private.release_slot(task.user_id, task.agent_id);
  return jsonb_build_object('id', task.task_id, 'status', state) || case when task.cancelled then '{}' else jsonb_build_object('run_at', again) end;
end
$$;
comment on function flashfusion.snooze_task(uuid, uuid, bigint) is
  'Gives a task back for later. Definer: the queue is in the schema private. Executable by the edge only, for workers.';
revoke execute on function flashfusion.snooze_task(uuid, uuid, bigint) from public;
grant execute on function flashfusion.snooze_task(uuid, uuid, bigint) to edge;

-- Starts no task of an agent, of a user, of both together, or of anybody, until a time; a time that is past ends the pause.
create function flashfusion.pause_tasks(
  until timestamptz, agent_id uuid default null, user_id uuid default null, reason text default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  task private.task_queue;
begin
  perform private.require_task_worker();
  delete from private.task_pauses as p
  where p.agent_id is not distinct from pause_tasks.agent_id and p.user_id is not distinct from pause_tasks.user_id;
  if pause_tasks.until > clock_timestamp() then
    insert into private.task_pauses (agent_id, user_id, until, reason)
    values (pause_tasks.agent_id, pause_tasks.user_id, pause_tasks.until, left(pause_tasks.reason, 500));
    -- Ready tasks wait, too, as far as nobody is busy with their lane, and not more than there are locks for; claims pass those that stay.
    for task in
      -- In two parts, of which one runs: a condition with `or` would read the tasks of all users for one of them.
      select q.* from private.task_queue as q
      where q.user_id = pause_tasks.user_id and q.lease_token is null
        and (pause_tasks.agent_id is null or q.agent_id = pause_tasks.agent_id)
      union all
      select q.* from private.task_queue as q
      where pause_tasks.user_id is null and q.lease_token is null
        and (pause_tasks.agent_id is null or q.agent_id = pause_tasks.agent_id)
      limit 1000
    loop
      if pg_try_advisory_xact_lock(hashtextextended(task.user_id::text, 321)) then
        delete from private.task_queue as q where q.task_id = task.task_id and q.lease_token is null;
        if found then
          perform private.shelve_task(
            task.task_id, task.agent_id, task.user_id, task.task_type, task.priority, task.run_at, task.attempt
          );
        end if;
      end if;
    end loop;
  elsif pause_tasks.user_id is not null then
    perform private.refill_lanes(private.user_before(pause_tasks.user_id), 1);
  else
    perform private.refill_next(1000);
  end if;
  return jsonb_build_object('agent_id', pause_tasks.agent_id, 'user_id', pause_tasks.user_id, 'until', pause_tasks.until);
end
$$;
comment on function flashfusion.pause_tasks(timestamptz, uuid, uuid, text) is
  'Pauses tasks until a time. Definer: the queue is in the schema private. Executable by the edge only, for workers.';
revoke execute on function flashfusion.pause_tasks(timestamptz, uuid, uuid, text) from public;
grant execute on function flashfusion.pause_tasks(timestamptz, uuid, uuid, text) to edge;

insert into private.jobs (name, function, schedule, description) values (
  'sweep_tasks', 'private.sweep_tasks', '*/5 * * * *',
  'Ends attempts whose lease has ended, and starts tasks whose time has come.'
);

-- migrate:down
delete from private.jobs where name = 'sweep_tasks';
drop function flashfusion.pause_tasks(timestamptz, uuid, uuid, text);
drop function flashfusion.snooze_task(uuid, uuid, bigint);
drop function flashfusion.fail_task(uuid, uuid, text, boolean);
drop function flashfusion.complete_task(uuid, uuid, jsonb, bigint);
drop function flashfusion.heartbeat_task(uuid, uuid, bigint);
drop function private.leave_queue(uuid, uuid);
drop function private.await_lease(uuid, uuid);
drop function private.refuse_lease();
drop function flashfusion.claim_tasks(text, uuid[], text[], bigint, bigint);
drop function private.sweep_tasks();
drop function private.refill_next(int);
drop function private.user_before(uuid);
drop function private.refill_lanes(uuid, int);
drop function private.promote_tasks(int);
drop function private.promote_due(private.task_backlog[]);
drop function private.reap_tasks(int);
drop function private.release_slot(uuid, uuid);
drop function private.end_attempt(private.task_queue, text, boolean);
drop function private.require_task_worker();
