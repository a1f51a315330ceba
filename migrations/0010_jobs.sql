-- 0010: jobs. Work that is due every few minutes, hourly or daily: each system lists its own in private.jobs, the edge's cron runs them,
-- and each run leaves a row.
-- migrate:up
create table private.jobs (
  name        text constraint jobs_pkey primary key,
  function    text not null,
  schedule    text not null,
  more_from   bigint not null default 5000,
  description text not null,
  constraint jobs_name check (name ~ '^[a-z][a-z0-9_]{0,59}$'),
  constraint jobs_function check (function ~ '^[a-z_][a-z0-9_]*[.][a-z_][a-z0-9_]*$'),
  constraint jobs_schedule check (schedule ~ '^[0-9*,/-]+( [0-9*,/-]+){4}$'),
  constraint jobs_more_from check (more_from > 0)
);
comment on table private.jobs is 'The jobs of all systems that are one SQL function each. Only the owner of this table writes it; the migration of a system inserts its jobs.';
comment on column private.jobs.function is
  'The function to call, with its schema and without arguments. It gives the number of rows that it has processed. Only the owner of this table may execute it.';
comment on column private.jobs.schedule is 'When it is due, as a cron expression in UTC; one of the crons in wrangler.toml. The edge starts the job at that time: the core''s jobs are listed in src/jobs.rs, those of a system in its manifest; a test compares them.';
comment on column private.jobs.more_from is 'A run that has processed at least this many rows is followed by another one at once.';

alter table private.jobs enable row level security;
alter table private.jobs force row level security;

create table private.job_runs (
  id          bigint generated always as identity primary key,
  job         text not null,
  started_at  timestamptz not null,
  finished_at timestamptz not null,
  rows        bigint not null default 0,
  error       text,
  skipped     boolean not null default false,
  constraint job_runs_order check (finished_at >= started_at)
);
comment on table private.job_runs is 'One row per run: how many rows it processed, why it failed, or that it was skipped because another run was active. Kept for 90 days.';

create index job_runs_job on private.job_runs (job, started_at desc);
create index job_runs_started_at on private.job_runs using brin (started_at);

alter table private.job_runs enable row level security;
alter table private.job_runs force row level security;

-- Deletes rows of a table that are older than a time, at most so many, and returns how many. It skips rows that another run has
-- locked. A job runs at most fifty times in a row: one whose table may get more rows than that works off in a day runs every hour, and
-- takes 20,000 at a time where no trigger or foreign key makes a row expensive.
create function private.delete_older(relation regclass, time_column text, before timestamptz, most bigint default 5000) returns bigint
  language plpgsql volatile
  set search_path = ''
  -- By index: where nothing is old, a scan that is expected to end soon would read all.
  set enable_seqscan = off
  set jit = off
  as $$
declare
  deleted bigint;
begin
  execute format(
    'delete from %1$s where id = any (array(select old.id from %1$s as old where old.%2$I < $1 limit $2 for update skip locked))',
    delete_older.relation, delete_older.time_column
  ) using delete_older.before, delete_older.most;
  get diagnostics deleted = row_count;
  return deleted;
end
$$;
revoke execute on function private.delete_older(regclass, text, timestamptz, bigint) from public;

-- Runs a job by its name and gives {job, rows, more, error, skipped}. While there is more, the caller asks again at once. A second run
-- at the same time does nothing and says `skipped`.
create function edge.run_job(job text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  started_at constant timestamptz := clock_timestamp();
  known private.jobs;
  call text;
  is_running boolean := false;
  done bigint := 0;
  fault text;
begin
  select j.* into known from private.jobs as j where j.name = run_job.job;
  if not found then
    perform private.refuse(
      404, 'RG570', 'There is no such job', (select string_agg(j.name, ', ' order by j.name) from private.jobs as j),
      'Ask for one of these.'
    );
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('job ' || job, 0)) then
    is_running := true;
  else
    begin
      call := private.internal_function(known.function, '', 'bigint');
      if call is null then
        raise undefined_function using message = format('%s() is no function of a job', known.function);
      end if;
      execute format('select %s()', call) into done;
    exception
      -- `others` does not include a statement time-out.
      when query_canceled or others then
        fault := sqlstate || ': ' || left(sqlerrm, 500);
    end;
  end if;
  insert into private.job_runs (job, started_at, finished_at, rows, error, skipped)
  values (run_job.job, started_at, clock_timestamp(), done, fault, is_running);
  return jsonb_build_object(
    'job', job, 'rows', done, 'more', fault is null and done >= known.more_from, 'error', fault, 'skipped', is_running
  );
end
$$;
comment on function edge.run_job(text) is
  'Runs a job by its name and records the run. Definer: the edge has no right on any table.';
revoke execute on function edge.run_job(text) from public;
grant execute on function edge.run_job(text) to edge;

-- Records a run of a job that the edge itself carries out.
create function edge.note_job(job text, took_ms bigint, rows bigint, error text) returns boolean
  language plpgsql volatile security definer
  set search_path = ''
  as $$
begin
  insert into private.job_runs (job, started_at, finished_at, rows, error)
  values (
    note_job.job, clock_timestamp() - make_interval(secs => greatest(note_job.took_ms, 0) / 1000.0), clock_timestamp(),
    note_job.rows, left(note_job.error, 500)
  );
  return true;
end
$$;
comment on function edge.note_job(text, bigint, bigint, text) is
  'Records a run of a job of the edge''s own. Definer: the edge has no right on any table.';
revoke execute on function edge.note_job(text, bigint, bigint, text) from public;
grant execute on function edge.note_job(text, bigint, bigint, text) to edge;

-- Deletes what the core keeps for a time, in parts, and returns how many rows: runs of jobs after 90 days, and expired
-- Idempotency-Keys.
create function private.clean_core() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  deleted bigint;
begin
  delete from private.idempotency_keys as k
  where k.ctid = any (array(
    select old.ctid from private.idempotency_keys as old where old.expires_at < now() limit 20000 for update skip locked
  ));
  get diagnostics deleted = row_count;
  return deleted + private.delete_older('private.job_runs', 'started_at', now() - interval '90 days', 20000);
end
$$;
revoke execute on function private.clean_core() from public;

insert into private.jobs (name, function, schedule, description) values (
  'clean_core', 'private.clean_core', '7 * * * *', 'Deletes runs of jobs after 90 days, and expired Idempotency-Keys.'
);

-- migrate:down
drop function private.clean_core();
drop function edge.note_job(text, bigint, bigint, text);
drop function edge.run_job(text);
drop function private.delete_older(regclass, text, timestamptz, bigint);
drop table private.job_runs;
drop table private.jobs;
