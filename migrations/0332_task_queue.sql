-- 0332: task queue. Which task runs next. Apart from the users' table, so that it stays small and can be emptied by TRUNCATE.
--
-- A lane is one user's tasks for one agent. Each lane has so many slots, by the user's tier. A task with a slot is a row of
-- private.task_queue: ready, or leased to a worker. All others wait in private.task_backlog. A task that is completed leaves a
-- vacancy, and the next claim of any worker gives all vacancies to the best waiting tasks of their lanes. So the queue has a few rows
-- for each user, however many tasks wait.
--
-- Fairness: a task that gets a slot also gets a turn, one after the last turn of its user, but at least the one that is being
-- served now. Workers take tasks in the order of turns (start-time fair queueing), so one user's many tasks take one turn each,
-- and everybody else's first task has the next turn.
--
-- A transaction that stays open keeps PostgreSQL from removing rows that are deleted after its start. What is counted or
-- remembered for each task is therefore in sequences, which have one row for ever; the queue is often truncated, and gets the rows
-- that it had (rotate_task_queue); and reads start behind the deleted rows (task_front, task_heads).
-- migrate:up
-- The turn that is being served, and the one from which claims of all tasks read.
create sequence private.task_turn minvalue 0 start 0;
create sequence private.task_front minvalue 0 start 0;
-- Second of the last sweep.
create sequence private.task_swept minvalue 0 start 0;
-- The user up to whom free slots were looked for: the first sixty bits of the id.
create sequence private.task_refilled minvalue 0 start 0;
-- The same for tasks whose time has come.
create sequence private.task_promoted minvalue 0 start 0;
-- Tasks that have left the queue; the value at which the queue is rotated next.
create sequence private.task_departures minvalue 0 start 0;
create sequence private.task_rotation_due minvalue 0 start 0;
-- Until then pg_sequence_last_value gives null.
select setval('private.task_turn', 0), setval('private.task_front', 0), setval('private.task_swept', 0),
  setval('private.task_refilled', 0), setval('private.task_promoted', 0),
  setval('private.task_departures', 0), setval('private.task_rotation_due', 1024);

create table private.task_queue (
  task_id     uuid not null,
  agent_id    uuid not null,
  user_id     uuid not null,
  task_type   text not null,
  -- squawk-ignore prefer-bigint-over-smallint
  priority    smallint not null,
  run_at      timestamptz not null,
  -- squawk-ignore prefer-bigint-over-int
  attempt     int not null,
  turn        bigint not null,
  cancelled   boolean not null default false,
  -- Of the worker that has the task; null: ready.
  lease_token uuid,
  lease_until timestamptz,
  locked_by   text,
  constraint task_queue_pkey primary key (task_id)
) with (fillfactor = 70);
comment on table private.task_queue is 'Tasks that have a slot: ready, or leased to a worker.';
comment on column private.task_queue.attempt is 'Attempts that were begun. An attempt counts when it begins: a worker may die of it.';
comment on column private.task_queue.cancelled is 'The owner has cancelled the task while a worker has it. It keeps slot and Idempotency-Key until the worker lets go.';

create index task_queue_ready on private.task_queue (turn, priority) where lease_token is null;
-- Not "where lease_token is not null": a search for one lease would imply that, and with statistics from when there were no leases it
-- would read this whole index instead of the primary key.
create index task_queue_lease_until on private.task_queue (lease_until) where locked_by is not null;
create index task_queue_user_id on private.task_queue (user_id, turn);

alter table private.task_queue enable row level security;
alter table private.task_queue force row level security;

create table private.task_backlog (
  task_id   uuid primary key,
  agent_id  uuid not null,
  user_id   uuid not null,
  task_type text not null,
  -- squawk-ignore prefer-bigint-over-smallint
  priority  smallint not null,
  run_at    timestamptz not null,
  -- squawk-ignore prefer-bigint-over-int
  attempt   int not null,
  is_due    boolean not null
);
comment on table private.task_backlog is 'Tasks that wait: for their time (not is_due), or for a slot of their lane.';

create index task_backlog_lane on private.task_backlog (user_id, agent_id, priority, run_at, task_id) where is_due;
create index task_backlog_run_at on private.task_backlog (run_at) where not is_due;
create index task_backlog_delayed on private.task_backlog (user_id, run_at) where not is_due;

alter table private.task_backlog enable row level security;
alter table private.task_backlog force row level security;

create table private.task_heads (
  user_id  uuid,
  agent_id uuid,
  -- squawk-ignore prefer-bigint-over-smallint
  priority smallint not null,
  run_at   timestamptz not null,
  task_id  uuid not null,
  constraint task_heads_pkey primary key (user_id, agent_id)
) with (fillfactor = 50);
comment on table private.task_heads is
  'No waiting task of a lane comes before this place, so that nobody reads the deleted rows before it. Written at few departures: each version of a row would have to be read, too.';

alter table private.task_heads enable row level security;
alter table private.task_heads force row level security;

create table private.task_vacancies (
  user_id  uuid not null,
  agent_id uuid not null
);
comment on table private.task_vacancies is
  'Slots that completed tasks have left, until the next claim. One statement fills those of ten tasks in little more than the time that it would take for one.';

alter table private.task_vacancies enable row level security;
alter table private.task_vacancies force row level security;

create table private.task_pauses (
  id         uuid primary key default gen_random_uuid(),
  agent_id   uuid constraint task_pauses_agent_id references flashfusion.agents (id) on delete cascade,
  user_id    uuid,
  until      timestamptz not null,
  reason     text,
  created_at timestamptz not null default now(),
  constraint task_pauses_reason_length check (char_length(reason) <= 500)
);
comment on table private.task_pauses is 'Tasks of an agent, of a user, or of both together (null: of all) that do not start until a time.';

create index task_pauses_agent_id on private.task_pauses (agent_id) where agent_id is not null;

alter table private.task_pauses enable row level security;
alter table private.task_pauses force row level security;

-- Waits until nobody else changes which tasks of a user have slots. A departure holds the lock shared: it takes one task for the
-- one that leaves, beside others who do the same.
create function private.lock_tasks(user_id uuid, shared boolean) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  if shared then
    perform pg_advisory_xact_lock_shared(hashtextextended(user_id::text, 321));
  else
    perform pg_advisory_xact_lock(hashtextextended(user_id::text, 321));
  end if;
end
$$;
revoke execute on function private.lock_tasks(uuid, boolean) from public;

-- The slots of each lane of a user.
create function private.task_slots(user_id uuid) returns int
  language plpgsql stable
  set search_path = ''
  as $$
begin
  -- As private.entitlements_of has it, without JSON: each departure asks.
  return coalesce((
    select t.concurrent_tasks::int
    from flashfusion.users as u
    inner join private.tiers as t on t.tier in (u.subscription_tier, 'free')
    where u.id = task_slots.user_id
    order by t.tier = u.subscription_tier desc
    limit 1
  ), 1);
end
$$;
revoke execute on function private.task_slots(uuid) from public;

create function private.is_paused(agent_id uuid, user_id uuid) returns boolean
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return exists (
    select from private.task_pauses as p
    where (p.agent_id is null or p.agent_id = is_paused.agent_id) and (p.user_id is null or p.user_id = is_paused.user_id)
      and p.until > clock_timestamp()
  );
end
$$;
revoke execute on function private.is_paused(uuid, uuid) from public;

-- The turn after the last one of a user.
create function private.next_turn(user_id uuid) returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return 1 + greatest(
    pg_sequence_last_value('private.task_turn'),
    (select q.turn from private.task_queue as q where q.user_id = next_turn.user_id order by q.turn desc limit 1)
  );
end
$$;
revoke execute on function private.next_turn(uuid) from public;

-- Notes where the waiting tasks of a lane begin, unless somebody else is just doing so: a claim does it for several lanes, and two claims
-- that wait for each other's would wait for ever.
create function private.move_head(user_id uuid, agent_id uuid, from_head boolean) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  head private.task_heads;
begin
  if not pg_try_advisory_xact_lock(hashtextextended(move_head.user_id::text || move_head.agent_id, 322)) then
    return;
  end if;
  select * into head from private.task_heads as h
  where h.user_id = move_head.user_id and h.agent_id = move_head.agent_id and move_head.from_head;
  insert into private.task_heads as h (user_id, agent_id, priority, run_at, task_id)
  select b.user_id, b.agent_id, b.priority, b.run_at, b.task_id from private.task_backlog as b
  where b.user_id = move_head.user_id and b.agent_id = move_head.agent_id and b.is_due
    and (b.priority, b.run_at, b.task_id) >= (
      coalesce(head.priority, -1), coalesce(head.run_at, '-infinity'), coalesce(head.task_id, '00000000-0000-0000-0000-000000000000')
    )
  order by b.priority, b.run_at, b.task_id
  limit 1
  on conflict on constraint task_heads_pkey do update
    set priority = excluded.priority, run_at = excluded.run_at, task_id = excluded.task_id;
end
$$;
revoke execute on function private.move_head(uuid, uuid, boolean) from public;

-- Gives slots that are free to the best waiting tasks of some lanes, in each to at most so many, and returns how many. The caller has
-- locked the users, and sets what the planner may do.
create function private.fill_lanes(users uuid[], agents uuid[], most bigint[], from_head boolean default true) returns int
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  filled int;
  place int;
begin
  -- A lane is as private.task_slots, private.is_paused and private.next_turn have it.
  with lane as materialized (
    select
      l.user_id, l.agent_id,
      least(l.most, coalesce((
        select t.concurrent_tasks::int
        from flashfusion.users as u
        inner join private.tiers as t on t.tier in (u.subscription_tier, 'free')
        where u.id = l.user_id
        order by t.tier = u.subscription_tier desc
        limit 1
      ), 1) - (
        select count(*) from private.task_queue as q where q.user_id = l.user_id and q.agent_id = l.agent_id
      )) as free,
      greatest(
        pg_sequence_last_value('private.task_turn'),
        (select q.turn from private.task_queue as q where q.user_id = l.user_id order by q.turn desc limit 1)
      ) as turn,
      coalesce(h.priority, -1) as priority, coalesce(h.run_at, '-infinity') as run_at,
      coalesce(h.task_id, '00000000-0000-0000-0000-000000000000') as task_id
    from unnest(fill_lanes.users, fill_lanes.agents, fill_lanes.most) as l (user_id, agent_id, most)
    left join private.task_heads as h on h.user_id = l.user_id and h.agent_id = l.agent_id and fill_lanes.from_head
    where not exists (
      select from private.task_pauses as p
      where (p.agent_id is null or p.agent_id = l.agent_id) and (p.user_id is null or p.user_id = l.user_id)
        and p.until > clock_timestamp()
    )
  ),

  best as materialized (
    select w.task_id, l.turn
    from lane as l
    cross join lateral (
      select b.task_id from private.task_backlog as b
      where b.user_id = l.user_id and b.agent_id = l.agent_id and b.is_due
        and (b.priority, b.run_at, b.task_id) >= (l.priority, l.run_at, l.task_id)
      order by b.priority, b.run_at, b.task_id
      limit greatest(l.free, 0)
      for update skip locked
    ) as w
  ),

  gone as (
    delete from private.task_backlog as b using best where b.task_id = best.task_id returning b.*, best.turn
  )

  insert into private.task_queue (task_id, agent_id, user_id, task_type, priority, run_at, attempt, turn)
  select g.task_id, g.agent_id, g.user_id, g.task_type, g.priority, g.run_at, g.attempt,
    g.turn + row_number() over (partition by g.user_id order by g.priority, g.run_at, g.task_id)
  from gone as g;
  get diagnostics filled = row_count;
  if filled > 0 and random() < 0.03 * filled then
    place := 1 + floor(random() * cardinality(users))::int;
    perform private.move_head(users[place], agents[place], from_head);
  end if;
  return filled;
end
$$;
revoke execute on function private.fill_lanes(uuid[], uuid[], bigint[], boolean) from public;

-- As fill_lanes, for one lane.
create function private.fill_slots(user_id uuid, agent_id uuid, most int, from_head boolean default true) returns int
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  return private.fill_lanes(array[fill_slots.user_id], array[fill_slots.agent_id], array[most]::bigint[], from_head);
end
$$;
revoke execute on function private.fill_slots(uuid, uuid, int, boolean) from public;

-- Fills vacancies, at most so many, of users whom nobody has locked.
create function private.fill_vacancies(most int) returns int
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  users uuid[];
  agents uuid[];
  counts bigint[];
begin
  -- A row here is never updated, and none moves while this transaction has locks: its place is as good as a key.
  with taken as (
    delete from private.task_vacancies as v
    where v.ctid = any (array(
      select f.ctid from private.task_vacancies as f
      where pg_try_advisory_xact_lock_shared(hashtextextended(f.user_id::text, 321))
      limit most
      for update skip locked
    ))
    returning v.user_id, v.agent_id
  ),

  lane as (
    select t.user_id, t.agent_id, count(*) as most from taken as t group by t.user_id, t.agent_id
  )

  select array_agg(l.user_id), array_agg(l.agent_id), array_agg(l.most) into users, agents, counts from lane as l;
  return case when users is null then 0 else private.fill_lanes(users, agents, counts) end;
end
$$;
revoke execute on function private.fill_vacancies(int) from public;

-- Deletes the vacancies of a lane, before the caller, who has locked the user for itself, counts and fills the free slots. A lane has
-- never more vacancies than free slots: claims that fill them at the same time do not see each other's tasks.
create function private.close_vacancies(user_id uuid, agent_id uuid) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  delete from private.task_vacancies as v where v.user_id = close_vacancies.user_id and v.agent_id = close_vacancies.agent_id;
end
$$;
revoke execute on function private.close_vacancies(uuid, uuid) from public;

-- Makes a task wait.
create function private.shelve_task(
  task_id uuid, agent_id uuid, user_id uuid, task_type text, priority smallint, run_at timestamptz, attempt int
) returns void
  language plpgsql volatile
  set search_path = ''
  as $$
begin
  insert into private.task_backlog (task_id, agent_id, user_id, task_type, priority, run_at, attempt, is_due)
  values (
    shelve_task.task_id, shelve_task.agent_id, shelve_task.user_id, shelve_task.task_type, shelve_task.priority,
    shelve_task.run_at, shelve_task.attempt, shelve_task.run_at <= clock_timestamp()
  );
  -- The place is that of due tasks, and only who has locked the user for itself makes a due task wait: then nobody notes another place.
  if shelve_task.run_at <= clock_timestamp() then
    delete from private.task_heads as h
    where h.user_id = shelve_task.user_id and h.agent_id = shelve_task.agent_id
      and (h.priority, h.run_at, h.task_id) > (shelve_task.priority, shelve_task.run_at, shelve_task.task_id);
  end if;
end
$$;
revoke execute on function private.shelve_task(uuid, uuid, uuid, text, smallint, timestamptz, int) from public;

-- Puts a task into its lane: into a free slot, into that of a ready task which is less urgent and waits instead, or among those
-- that wait.
create function private.place_task(
  task_id uuid, agent_id uuid, user_id uuid, task_type text, priority smallint, run_at timestamptz, attempt int
) returns void
  language plpgsql volatile
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
declare
  less_urgent private.task_queue;
  turn_ bigint;
  slots int;
  taken int;
begin
  perform private.lock_tasks(place_task.user_id, false);
  if place_task.run_at > clock_timestamp() or private.is_paused(place_task.agent_id, place_task.user_id) then
    perform private.shelve_task(task_id, agent_id, user_id, task_type, priority, run_at, attempt);
    return;
  end if;
  slots := private.task_slots(place_task.user_id);
  select count(*) into taken from private.task_queue as q where q.user_id = place_task.user_id and q.agent_id = place_task.agent_id;
  if taken < slots then
    perform private.close_vacancies(place_task.user_id, place_task.agent_id);
    -- Free slots are for those that wait already.
    if exists (
      select from private.task_backlog as b where b.user_id = place_task.user_id and b.agent_id = place_task.agent_id and b.is_due
    ) then
      taken := taken + private.fill_slots(place_task.user_id, place_task.agent_id, slots);
    end if;
  end if;
  select * into less_urgent from private.task_queue as q
  where q.user_id = place_task.user_id and q.agent_id = place_task.agent_id and q.lease_token is null
    and q.priority > place_task.priority
  order by q.priority desc, q.run_at desc, q.task_id desc
  limit 1
  for update skip locked;
  if taken < slots then
    turn_ := private.next_turn(place_task.user_id);
  elsif less_urgent.task_id is not null then
    delete from private.task_queue as q where q.task_id = less_urgent.task_id;
    perform private.shelve_task(
      less_urgent.task_id, less_urgent.agent_id, less_urgent.user_id, less_urgent.task_type, less_urgent.priority,
      less_urgent.run_at, less_urgent.attempt
    );
    turn_ := less_urgent.turn;
  else
    perform private.shelve_task(task_id, agent_id, user_id, task_type, priority, run_at, attempt);
    return;
  end if;
  insert into private.task_queue (task_id, agent_id, user_id, task_type, priority, run_at, attempt, turn)
  values (
    place_task.task_id, place_task.agent_id, place_task.user_id, place_task.task_type, place_task.priority, place_task.run_at,
    place_task.attempt, turn_
  );
  if less_urgent.task_id is not null then
    -- The turns of the lane go to its ready tasks in their order.
    with ready as materialized (
      select q.task_id, q.turn, q.priority, q.run_at from private.task_queue as q
      where q.user_id = place_task.user_id and q.agent_id = place_task.agent_id and q.lease_token is null
      for update skip locked
    ),

    dealt as (
      select r.task_id, t.turn
      from (
        select ready.*, row_number() over (order by ready.priority, ready.run_at, ready.task_id) as place from ready
      ) as r
      join (select ready.turn, row_number() over (order by ready.turn) as place from ready) as t on t.place = r.place
      where r.turn <> t.turn
    )

    update private.task_queue as q set turn = d.turn
    from dealt as d
    where q.task_id = d.task_id;
  end if;
end
$$;
revoke execute on function private.place_task(uuid, uuid, uuid, text, smallint, timestamptz, int) from public;

-- Takes a task out of the queue: 'removed', 'running' if a worker has it and is asked to stop, or null if it is in neither table.
create function private.remove_task(task_id uuid, agent_id uuid, user_id uuid) returns text
  language plpgsql volatile
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
begin
  perform private.lock_tasks(remove_task.user_id, false);
  delete from private.task_backlog as b where b.task_id = remove_task.task_id;
  if found then
    return 'removed';
  end if;
  delete from private.task_queue as q where q.task_id = remove_task.task_id and q.lease_token is null;
  if found then
    perform nextval('private.task_departures');
    perform private.fill_slots(remove_task.user_id, remove_task.agent_id, 1);
    return 'removed';
  end if;
  update private.task_queue as q set cancelled = true where q.task_id = remove_task.task_id;
  return case when found then 'running' end;
end
$$;
revoke execute on function private.remove_task(uuid, uuid, uuid) from public;

-- Trigger: a claim that empties the queue has locked it, and takes tasks afterwards. Who deletes tasks waits for it before, not after: it
-- could wait for one of them.
create function private.await_rotation() returns trigger
  language plpgsql
  -- Definer: the role that deletes tasks has no right here.
  security definer
  set search_path = ''
  as $$
begin
  lock table private.task_queue in row exclusive mode;
  return null;
end
$$;
revoke execute on function private.await_rotation() from public;

create trigger agent_tasks_await before delete on flashfusion.agent_tasks
  for each statement execute function private.await_rotation();

-- Trigger: tasks that are deleted leave the queue. It does not wait for a locked row: the transaction with the lock may wait for the deleted task.
-- Then a worker gets no task for the row, and the lease of the row ends by itself.
create function private.dequeue_deleted_tasks() returns trigger
  language plpgsql
  -- Definer: the role that deletes tasks has no right here.
  security definer
  set search_path = ''
  set plan_cache_mode = force_generic_plan
  set enable_seqscan = off
  set enable_hashjoin = off
  set enable_mergejoin = off
  set jit = off
  as $$
begin
  delete from private.task_backlog as b
  where b.task_id in (
    select w.task_id from private.task_backlog as w
    where w.task_id = any (array(select o.id from old_rows as o))
    for update skip locked
  );
  delete from private.task_queue as q
  where q.task_id in (
    select l.task_id from private.task_queue as l
    where l.task_id = any (array(select o.id from old_rows as o))
    for update skip locked
  );
  return null;
end
$$;
revoke execute on function private.dequeue_deleted_tasks() from public;

create trigger agent_tasks_dequeue after delete on flashfusion.agent_tasks referencing old table as old_rows
  for each statement execute function private.dequeue_deleted_tasks();

-- Truncates the queue, and gives it the rows that it had: however long a transaction stays open, its deleted rows are gone.
-- Claims call it, before they lock anything. Returns whether it did: not if the lock would take longer than a moment, since
-- everybody waits behind it.
create function private.rotate_task_queue() returns boolean
  language plpgsql volatile
  set search_path = ''
  set lock_timeout = '25ms'
  set enable_seqscan = off
  set jit = off
  as $$
declare
  departed bigint;
  queue private.task_queue[];
  heads private.task_heads[];
  vacancies private.task_vacancies[];
begin
  -- A transaction with the snapshot of its start does not see all rows, and would lose the others.
  if current_setting('transaction_isolation') <> 'read committed' then
    return false;
  end if;
  departed := pg_sequence_last_value('private.task_departures');
  -- Others do not try at the same time, and not at once again.
  perform setval('private.task_rotation_due', departed + 512);
  lock table private.task_queue, private.task_heads, private.task_vacancies in access exclusive mode;
  queue := array(select row(q.*)::private.task_queue from private.task_queue as q limit 50001);
  -- Everybody waits meanwhile: of very many lanes the rows are left to autovacuum.
  if cardinality(queue) > 50000 then
    perform setval('private.task_rotation_due', departed + cardinality(queue));
    return false;
  end if;
  -- Only of lanes in which tasks wait: the others' would be ever more.
  heads := array(
    select row(h.*)::private.task_heads from private.task_heads as h
    where exists (
      select from private.task_backlog as b where b.user_id = h.user_id and b.agent_id = h.agent_id and b.is_due offset 0
    )
  );
  vacancies := array(select row(v.*)::private.task_vacancies from private.task_vacancies as v);
  truncate private.task_queue, private.task_heads, private.task_vacancies;
  insert into private.task_queue select q.* from unnest(queue) as q;
  insert into private.task_heads select h.* from unnest(heads) as h;
  insert into private.task_vacancies select v.* from unnest(vacancies) as v;
  -- Copying costs as much as there are rows: the next time not before as many have left.
  perform setval('private.task_rotation_due', departed + greatest(1024, cardinality(queue)));
  return true;
exception
  when lock_not_available then
    return false;
end
$$;
revoke execute on function private.rotate_task_queue() from public;

-- migrate:down
drop trigger agent_tasks_dequeue on flashfusion.agent_tasks;
drop trigger agent_tasks_await on flashfusion.agent_tasks;
drop function private.await_rotation();
drop function private.rotate_task_queue();
drop function private.dequeue_deleted_tasks();
drop function private.remove_task(uuid, uuid, uuid);
drop function private.place_task(uuid, uuid, uuid, text, smallint, timestamptz, int);
drop function private.shelve_task(uuid, uuid, uuid, text, smallint, timestamptz, int);
drop function private.close_vacancies(uuid, uuid);
drop function private.fill_vacancies(int);
drop function private.fill_slots(uuid, uuid, int, boolean);
drop function private.fill_lanes(uuid[], uuid[], bigint[], boolean);
drop function private.move_head(uuid, uuid, boolean);
drop function private.next_turn(uuid);
drop function private.is_paused(uuid, uuid);
drop function private.task_slots(uuid);
drop function private.lock_tasks(uuid, boolean);
drop table private.task_pauses;
drop table private.task_vacancies;
drop table private.task_heads;
drop table private.task_backlog;
drop table private.task_queue;
drop sequence private.task_rotation_due;
drop sequence private.task_departures;
drop sequence private.task_promoted;
drop sequence private.task_refilled;
drop sequence private.task_swept;
drop sequence private.task_front;
drop sequence private.task_turn;
