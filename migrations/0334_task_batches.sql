-- 0334: task batches. Workers that claim tasks in batches end them in batches: each statement starts once for all of them, and the
-- disk is waited for once.
-- migrate:up
-- Ends tasks with their results. The answer has them in the order in which they were sent: those whose lease has ended keep no other
-- from its end.
create function flashfusion.complete_tasks(tasks jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  uuid_pattern constant text := '^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$';
  task jsonb;
  ids uuid[] := '{}';
  leases uuid[] := '{}';
  results jsonb[] := '{}';
  times bigint[] := '{}';
  owners uuid[];
  agents uuid[];
  done uuid[];
  departed bigint;
  lane record;
begin
  perform private.require_task_worker();
  if jsonb_typeof(complete_tasks.tasks) is distinct from 'array' or jsonb_array_length(complete_tasks.tasks) not between 1 and 100 then
    perform private.refuse(
      422, 'RG615', 'The tasks are not valid', 'An array of 1 to 100 tasks', 'Send {"tasks": [{"id": "...", "lease_token": "..."}]}.'
    );
  end if;
  for task in select t.task from jsonb_array_elements(complete_tasks.tasks) as t (task) loop
    if jsonb_typeof(task) <> 'object'
      or not coalesce(task ->> 'id' ~ uuid_pattern and task ->> 'lease_token' ~ uuid_pattern, false)
      or not coalesce(task ->> 'execution_time_ms' ~ '^[0-9]{1,15}$', true)
    then
      perform private.refuse(
        422, 'RG615', 'The tasks are not valid', format('id and lease_token: UUIDs; execution_time_ms: a whole number; task %s', cardinality(ids)),
        'Correct it.'
      );
    end if;
    if (task ->> 'id')::uuid = any (ids) then
      perform private.refuse(422, 'RG615', 'The tasks are not valid', format('%s is there twice', task ->> 'id'), 'Send it once.');
    end if;
    if octet_length((task -> 'result')::text) > 262144 then
      perform private.refuse(
        422, 'RG617', 'The result is too large', format('At most 256 KB; task %s', task ->> 'id'), 'Store it elsewhere, and send where.'
      );
    end if;
    ids := ids || (task ->> 'id')::uuid;
    leases := leases || (task ->> 'lease_token')::uuid;
    results := results || (task -> 'result');
    times := times || (task ->> 'execution_time_ms')::bigint;
  end loop;

  -- In one order: two workers that wait for each other's users would wait for ever.
  owners := array(
    select distinct q.user_id from private.task_queue as q where q.task_id = any (ids) and q.lease_token = any (leases) order by q.user_id
  );
  for n in 1..cardinality(owners) loop
    perform private.lock_tasks(owners[n], true);
  end loop;

  with sent as materialized (
    select s.id, s.lease_token, s.result, s.execution_time_ms
    from unnest(ids, leases, results, times) as s (id, lease_token, result, execution_time_ms)
  ),

  gone as (
    delete from private.task_queue as q using sent as s
    where q.task_id = s.id and q.lease_token = s.lease_token and q.user_id = any (owners) and q.lease_until >= clock_timestamp()
    returning q.task_id, q.user_id, q.agent_id, s.result, s.execution_time_ms
  ),

  shown as (
    update flashfusion.agent_tasks as t set
      status = 'completed', result = g.result, error_message = null, completed_at = clock_timestamp(),
      execution_time_ms = coalesce(
        greatest(g.execution_time_ms, 0), extract(epoch from clock_timestamp() - t.started_at) * 1000
      ),
      lease_token = null, lease_expires_at = null, locked_by = null
    from gone as g
    where t.id = g.task_id
  )

  select array_agg(g.task_id), array_agg(g.user_id), array_agg(g.agent_id), max(nextval('private.task_departures'))
  into done, owners, agents, departed
  from gone as g;
  for lane in
    select l.user_id, l.agent_id, count(*)::int as departed from unnest(owners, agents) as l (user_id, agent_id)
    group by l.user_id, l.agent_id
  loop
    perform private.fill_slots(lane.user_id, lane.agent_id, lane.departed);
  end loop;

  return jsonb_build_object('tasks', (
    select jsonb_agg(
      jsonb_build_object('id', s.id, 'status', case when s.id = any (done) then 'completed' else 'lease_lost' end) order by s.place
    )
    from unnest(ids) with ordinality as s (id, place)
  ));
end
$$;
comment on function flashfusion.complete_tasks(jsonb) is
  'Ends tasks with their results. Definer: the queue is in the schema private. Executable by the edge only, for workers.';
revoke execute on function flashfusion.complete_tasks(jsonb) from public;
grant execute on function flashfusion.complete_tasks(jsonb) to edge;

-- migrate:down
drop function flashfusion.complete_tasks(jsonb);
