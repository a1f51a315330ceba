-- 0331: agent tasks. Tasks that users hand to agents, as their owners see them. Workers use the queue in the schema private (0332).
-- migrate:up
create table flashfusion.agent_tasks (
  id                uuid primary key default gen_random_uuid(),
  agent_id          uuid not null,
  project_id        uuid,
  -- The token's sub. Identity belongs to the issuer, so there is no foreign key.
  user_id           uuid not null,
  task_type         text not null,
  task_data         jsonb not null default '{}',
  status            text not null default 'pending',
  -- squawk-ignore prefer-bigint-over-smallint
  priority          smallint not null default 5,
  result            jsonb,
  error_message     text,
  execution_time_ms bigint,
  created_at        timestamptz not null default now(),
  started_at        timestamptz,
  completed_at      timestamptz,
  -- squawk-ignore prefer-bigint-over-int
  retry_count       int not null default 0,
  -- squawk-ignore prefer-bigint-over-int
  max_retries       int not null default 3,
  run_at            timestamptz not null default now(),
  lease_expires_at  timestamptz,
  lease_token       uuid,
  locked_by         text,
  idempotency_key   text,
  errors            jsonb[] not null default '{}',
  dead_at           timestamptz,
  constraint agent_tasks_agent_id foreign key (agent_id) references flashfusion.agents (id) on delete restrict,
  constraint agent_tasks_project_id foreign key (project_id, user_id) references flashfusion.projects (id, user_id)
    on delete cascade
-- Room for the versions of a row in its own page: most changes write no index.
) with (fillfactor = 80);
comment on table flashfusion.agent_tasks is 'Tasks of users for agents. Written by functions only.';
comment on column flashfusion.agent_tasks.priority is '0 to 9; lower goes first among the tasks of one user.';
comment on column flashfusion.agent_tasks.errors is 'The last 25 failed attempts: {attempt, at, worker, error}.';
comment on column flashfusion.agent_tasks.run_at is 'The task does not start before this time.';
comment on column flashfusion.agent_tasks.idempotency_key is
  'The Idempotency-Key of the request. Null again once the task is cancelled and no worker has it any more.';
comment on column flashfusion.agent_tasks.lease_token is 'Of the worker that has the task, and must name it. Only service_role and API tokens of workers can call as a worker.';

create index agent_tasks_user_id on flashfusion.agent_tasks (user_id, created_at desc, id desc);
create unique index agent_tasks_idempotency on flashfusion.agent_tasks (user_id, idempotency_key) where idempotency_key is not null;
-- With the user for the policies: an agent has tasks of everybody.
create index agent_tasks_agent_id on flashfusion.agent_tasks (agent_id, user_id, created_at desc);
create index agent_tasks_project_id on flashfusion.agent_tasks (project_id, user_id) where project_id is not null;
create index agent_tasks_dead on flashfusion.agent_tasks (dead_at desc) where dead_at is not null;
-- For clean_tasks. Not of completed_at: the end of a task would write every index.
create index agent_tasks_age on flashfusion.agent_tasks using brin (created_at);

alter table flashfusion.agent_tasks enable row level security;
alter table flashfusion.agent_tasks force row level security;
create policy owner_select on flashfusion.agent_tasks for select to authenticated
  using (user_id = (select auth.uid()));
grant select on flashfusion.agent_tasks to authenticated;
-- Not insert and update: a row that is not in the queue would never run.
grant select, delete on flashfusion.agent_tasks to service_role;
select private.scope_table('flashfusion.agent_tasks');

-- Of updates only those that name the key, as a cancellation does: nobody else who has an account updates a task, and workers do so all
-- the time.
create trigger agent_tasks_erased before insert or update of id, user_id, idempotency_key on flashfusion.agent_tasks
  for each statement execute function private.refuse_erased_caller();
create trigger agent_tasks_filter before update of id, user_id, idempotency_key or delete on flashfusion.agent_tasks
  for each statement execute function private.require_filter();
create trigger agent_tasks_audit after delete on flashfusion.agent_tasks
  for each row execute function private.audit();
create trigger agent_tasks_watch_deletes after delete on flashfusion.agent_tasks referencing old table as old_rows
  for each statement execute function private.watch_deletes();

-- What check constraints would check. PostgreSQL reads the text of each of them again in every statement, which took a fifth of the time
-- of a task. Only functions write the table, and they refuse or cut what a caller sends.
create function private.check_task() returns trigger
  language plpgsql
  set search_path = ''
  as $$
declare
  broken constant text := case
    when not (new.task_type ~ '^[a-z][a-z0-9_.:-]{0,99}$') then 'agent_tasks_task_type'
    when not (jsonb_typeof(new.task_data) = 'object' and octet_length(new.task_data::text) <= 65536) then 'agent_tasks_task_data'
    when not (new.priority between 0 and 9) then 'agent_tasks_priority'
    when not (new.max_retries between 0 and 20) then 'agent_tasks_max_retries'
    when not (char_length(new.idempotency_key) between 1 and 255) then 'agent_tasks_idempotency_key_length'
  end;
begin
  if broken is not null then
    raise check_violation using constraint = broken, message = format('a task breaks the rule %s', broken);
  end if;
  return null;
end
$$;
revoke execute on function private.check_task() from public;
create trigger agent_tasks_check after insert or update of task_type, task_data, priority, max_retries, idempotency_key
  on flashfusion.agent_tasks for each row execute function private.check_task();

-- The contacts that results and errors name. Few tasks have a row here, and an index of these columns would be written at every end
-- of a task, with all other indexes of the table.
create table private.task_contacts (
  id       uuid constraint task_contacts_pkey primary key references flashfusion.agent_tasks (id) on delete cascade,
  contacts text[] not null
);
comment on table private.task_contacts is 'The contacts that the result and the errors of a task name, by the id of the task. Only tasks that name some.';

create index task_contacts_contacts on private.task_contacts using gin (contacts) with (fastupdate = off);

alter table private.task_contacts enable row level security;
alter table private.task_contacts force row level security;

-- Trigger: the rules of an outcome, and private.task_contacts. One for both: every end of a task comes here.
create function private.note_task_outcome() returns trigger
  language plpgsql
  set search_path = ''
  as $$
declare
  broken constant text := case
    when new.status not in ('pending', 'running', 'retrying', 'completed', 'failed', 'cancelled', 'dead') then 'agent_tasks_status'
    when octet_length(new.result::text) > 262144 then 'agent_tasks_result'
    when char_length(new.error_message) > 2000 then 'agent_tasks_error_message_length'
    when cardinality(new.errors) > 25 then 'agent_tasks_errors'
    when new.retry_count < 0 then 'agent_tasks_retry_count'
  end;
  named text[];
begin
  if broken is not null then
    raise check_violation using constraint = broken, message = format('a task breaks the rule %s', broken);
  end if;
  -- Every contact has one of these characters, and most outcomes have none: then nobody is asked.
  if concat(new.result, new.error_message, new.errors) ~ '[@+%.]' then
    named := private.contacts_in(
      array[new.result::text, new.error_message] || case when new.errors <> '{}' then private.json_texts(new.errors) end
    );
  end if;
  if named is not null then
    insert into private.task_contacts as c (id, contacts) values (new.id, named)
    on conflict on constraint task_contacts_pkey do update set contacts = excluded.contacts;
  elsif tg_op = 'UPDATE' and (old.result is not null or old.error_message is not null or old.errors <> '{}') then
    delete from private.task_contacts as c where c.id = new.id;
  end if;
  return null;
end
$$;
revoke execute on function private.note_task_outcome() from public;

create trigger agent_tasks_outcome_insert after insert on flashfusion.agent_tasks for each row
  when (
    new.status <> 'pending' or new.result is not null or new.error_message is not null or new.errors <> '{}' or new.retry_count <> 0
  )
  execute function private.note_task_outcome();
create trigger agent_tasks_outcome after update of status, result, error_message, errors, retry_count
  on flashfusion.agent_tasks for each row execute function private.note_task_outcome();
-- As an index does, they also see what is written while other triggers are off.
alter table flashfusion.agent_tasks
  enable always trigger agent_tasks_outcome_insert,
  enable always trigger agent_tasks_outcome;

select private.index_mentions(
  'flashfusion.agent_tasks', array['task_data', 'result', 'error_message', 'errors'],
  keys => 'private.contacts_in(array[task_data::text])', beside => 'private.task_contacts'
);

-- The request behind a task that has an Idempotency-Key.
create table private.task_requests (
  task_id      uuid primary key references flashfusion.agent_tasks (id) on delete cascade,
  request_hash bytea not null
);
comment on table private.task_requests is 'Digests of the requests of tasks with an Idempotency-Key: the same key with another body is refused.';

alter table private.task_requests enable row level security;
alter table private.task_requests force row level security;

insert into private.limit_rules (name, burst, refill, shared) values ('tasks', 300, '100 milliseconds', 1);
insert into private.daily_allowances (name, bytes, rows) values ('tasks', 209715200, 100000);

-- A task as its owner sees it in answers.
create function private.shown_task(task flashfusion.agent_tasks) returns jsonb
  language plpgsql stable
  set search_path = ''
  as $$
begin
  return jsonb_build_object(
    'id', task.id, 'agent_id', task.agent_id, 'project_id', task.project_id, 'task_type', task.task_type, 'status', task.status,
    'priority', task.priority, 'run_at', task.run_at, 'max_retries', task.max_retries, 'retry_count', task.retry_count,
    'created_at', task.created_at
  );
end
$$;
revoke execute on function private.shown_task(flashfusion.agent_tasks) from public;

-- Queues a task of the caller. With an Idempotency-Key, a repeated request gets the same task for as long as it exists.
create function flashfusion.enqueue_task(
  agent_id uuid, task_type text, task_data jsonb default null, project_id uuid default null, priority bigint default 5,
  max_retries bigint default 3, delay_seconds bigint default 0, run_at timestamptz default null
) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := (private.flashfusion_caller()).id;
  sent_key constant text := private.request_header('idempotency-key');
  due constant timestamptz := greatest(
    coalesce(enqueue_task.run_at, now() + make_interval(secs => coalesce(enqueue_task.delay_seconds, 0))), now()
  );
  data constant jsonb := coalesce(enqueue_task.task_data, '{}');
  hash bytea;
  known flashfusion.agent_tasks;
  task flashfusion.agent_tasks;
begin
  if sent_key is not null then
    if char_length(sent_key) not between 1 and 255 then
      perform private.refuse(400, 'RG502', 'The Idempotency-Key must have 1 to 255 characters', null, 'Use a UUID.');
    end if;
    hash := sha256(convert_to(jsonb_build_array(
      enqueue_task.agent_id, enqueue_task.task_type, data, enqueue_task.project_id, enqueue_task.priority,
      enqueue_task.max_retries, enqueue_task.delay_seconds, enqueue_task.run_at
    )::text, 'UTF8'));
    perform private.lock_flashfusion_user(caller);
    select * into known from flashfusion.agent_tasks as t where t.user_id = caller and t.idempotency_key = sent_key;
    if found then
      if hash is distinct from (select r.request_hash from private.task_requests as r where r.task_id = known.id) then
        perform private.refuse(
          422, 'RG503', 'This Idempotency-Key was used with another body', null,
          'Use a new key for a new request; repeat a request with its own body.'
        );
      end if;
      return private.shown_task(known);
    end if;
  end if;
  perform private.limit_caller('tasks');
  perform private.require_allowance('tasks');
  if not exists (select from flashfusion.agents as a where a.id = enqueue_task.agent_id and a.is_active) then
    perform private.refuse(422, 'RG613', 'There is no such agent', null, 'GET /v1/agents lists them.');
  end if;
  if enqueue_task.project_id is not null and not exists (
    select from flashfusion.projects as p where p.id = enqueue_task.project_id and p.user_id = caller
  ) then
    perform private.refuse(422, 'RG614', 'There is no such project of yours', null, 'Leave project_id out, or send one of your own.');
  end if;
  if jsonb_typeof(data) <> 'object' or octet_length(data::text) > 65536
    or coalesce(enqueue_task.task_type, '') !~ '^[a-z][a-z0-9_.:-]{0,99}$'
    or enqueue_task.priority not between 0 and 9 or enqueue_task.max_retries not between 0 and 20
    or due > now() + interval '1 year' then
    perform private.refuse(
      422, 'RG615', 'The task is not valid',
      'task_type: letters, digits and _.:-; task_data: an object of at most 64 KB; priority: 0 to 9; max_retries: 0 to 20; at most a year ahead'
    );
  end if;

  insert into flashfusion.agent_tasks (
    agent_id, user_id, project_id, task_type, task_data, priority, max_retries, run_at, idempotency_key
  )
  values (
    enqueue_task.agent_id, caller, enqueue_task.project_id, enqueue_task.task_type, data, enqueue_task.priority::smallint,
    enqueue_task.max_retries::int, due, sent_key
  )
  returning * into task;
  if sent_key is not null then
    insert into private.task_requests (task_id, request_hash) values (task.id, hash);
  end if;
  perform private.place_task(task.id, task.agent_id, caller, task.task_type, task.priority, due, 0);
  perform private.use_allowance('tasks', pg_column_size(data) + 500, 1);
  return private.shown_task(task);
end
$$;
comment on function flashfusion.enqueue_task(uuid, text, jsonb, uuid, bigint, bigint, bigint, timestamptz) is
  'Queues a task of the caller. Definer: users may not write tasks, since a task is also a row of the queue.';
revoke execute on function flashfusion.enqueue_task(uuid, text, jsonb, uuid, bigint, bigint, bigint, timestamptz) from public;
grant execute on function flashfusion.enqueue_task(uuid, text, jsonb, uuid, bigint, bigint, bigint, timestamptz) to edge;

-- Cancels a task of the caller. A task that a worker has stays as it is until the worker lets go: its next heartbeat says so.
create function flashfusion.cancel_task(id uuid) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  caller constant uuid := (private.flashfusion_caller()).id;
  task flashfusion.agent_tasks;
  state text;
begin
  select * into task from flashfusion.agent_tasks as t where t.id = cancel_task.id and t.user_id = caller;
  if not found then
    perform private.refuse(404, 'RG610', 'There is no such task', null, 'Read flashfusion.agent_tasks.');
  end if;
  state := private.remove_task(task.id, task.agent_id, caller);
  if state = 'removed' then
    update flashfusion.agent_tasks as t
    set status = 'cancelled', completed_at = clock_timestamp(), idempotency_key = null
    where t.id = task.id
    returning * into task;
    delete from private.task_requests as r where r.task_id = task.id;
  else
    -- It may have ended meanwhile.
    select * into task from flashfusion.agent_tasks as t where t.id = cancel_task.id;
    if task.status in ('completed', 'failed', 'dead') then
      perform private.refuse(409, 'RG612', 'The task has ended', format('It is %s', task.status));
    end if;
  end if;
  if task.id is null then
    perform private.refuse(404, 'RG610', 'There is no such task', 'It has just been deleted', 'Read flashfusion.agent_tasks.');
  end if;
  return private.shown_task(task) || jsonb_build_object('cancel_requested', state is not distinct from 'running');
end
$$;
comment on function flashfusion.cancel_task(uuid) is
  'Cancels a task of the caller. Definer: users may not write tasks, since a task is also a row of the queue.';
revoke execute on function flashfusion.cancel_task(uuid) from public;
grant execute on function flashfusion.cancel_task(uuid) to edge;

-- Deletes tasks that ended more than a year ago, and returns how many.
create function private.clean_tasks() returns bigint
  language plpgsql volatile
  set search_path = ''
  -- By index: where nothing is old, a scan that is expected to end soon would read all.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  deleted bigint;
begin
  delete from flashfusion.agent_tasks as t
  where t.id = any (array(
    select old.id from flashfusion.agent_tasks as old
    where old.created_at < now() - interval '365 days' and old.completed_at < now() - interval '365 days'
    limit 5000
    for update skip locked
  ));
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function private.clean_tasks() from public;

insert into private.jobs (name, function, schedule, description) values (
  'clean_tasks', 'private.clean_tasks', '7 * * * *', 'Deletes tasks a year after their end.'
);

-- migrate:down
delete from private.jobs where name = 'clean_tasks';
drop function private.clean_tasks();
delete from private.daily_allowances where name = 'tasks';
delete from private.limit_rules where name = 'tasks';
delete from private.mention_places where relation = 'flashfusion.agent_tasks';
drop function flashfusion.cancel_task(uuid);
drop function flashfusion.enqueue_task(uuid, text, jsonb, uuid, bigint, bigint, bigint, timestamptz);
drop function private.shown_task(flashfusion.agent_tasks);
drop table private.task_requests;
drop table private.task_contacts;
drop table flashfusion.agent_tasks;
drop function private.note_task_outcome();
drop function private.check_task();
