-- 0010: jobs. Work that is due every few minutes, hourly or daily. The edge's cron runs it, and each run leaves a row.
-- migrate:up
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
comment on table private.job_runs is 'One row per run: how many rows it dealt with, why it failed, or that it was skipped, for another run was at it. Kept for 90 days.';

create index job_runs_job on private.job_runs (job, started_at desc);
create index job_runs_started_at on private.job_runs using brin (started_at);

alter table private.job_runs enable row level security;
alter table private.job_runs force row level security;

-- Runs a job by its name: {job, rows, more, error, skipped}. While there is more it is to be asked for again at once. A second run of
-- the same job does nothing but say so. Definer: the edge has no right on any table.
create function edge.run_job(job text) returns jsonb
  language plpgsql volatile security definer
  set search_path = ''
  as $$
declare
  jobs constant text[] := array[
    'process_pending_events', 'abandon_inactive_sessions', 'make_event_partitions', 'cleanup_old_data', 'clean_audit',
    'clean_telemetry'
  ];
  started_at constant timestamptz := clock_timestamp();
  -- What a job deals with at once, where there may be much of it: well within the time that a statement of the edge's has.
  batch constant bigint := case job when 'process_pending_events' then 20000 else 5000 end;
  idle boolean := false;
  done bigint := 0;
  fault text;
begin
  if job is null or not job = any (jobs) then
    perform private.refuse(404, 'RG570', 'There is no such job', array_to_string(jobs, ', '), 'Ask for one of these.');
  end if;
  if not pg_try_advisory_xact_lock(hashtextextended('job ' || job, 0)) then
    idle := true;
  else
    begin
      done := case job
        when 'process_pending_events' then analytics.process_pending_events(batch)
        when 'abandon_inactive_sessions' then onboarding.abandon_inactive_sessions()
        when 'make_event_partitions' then analytics.make_event_partitions()
        when 'cleanup_old_data' then marketing.cleanup_old_data()
        when 'clean_audit' then private.clean_audit()
        when 'clean_telemetry' then private.clean_telemetry()
      end;
    exception
      -- A statement's time is up: not among others.
      when query_canceled or others then
        fault := sqlstate || ': ' || left(sqlerrm, 500);
    end;
  end if;
  insert into private.job_runs (job, started_at, finished_at, rows, error, skipped)
  values (run_job.job, started_at, clock_timestamp(), done, fault, idle);
  return jsonb_build_object('job', job, 'rows', done, 'more', fault is null and done >= case job when 'process_pending_events' then 1 else batch end, 'error', fault, 'skipped', idle);
end
$$;
comment on function edge.run_job(text) is
  'Runs a job by its name and writes down how it went. Definer: the edge has no right on any table.';
revoke execute on function edge.run_job(text) from public;
grant execute on function edge.run_job(text) to edge;

-- Notes a run of a job that is the edge's own.
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
  'Writes down how a job of the edge''s went. Definer: the edge has no right on any table.';
revoke execute on function edge.note_job(text, bigint, bigint, text) from public;
grant execute on function edge.note_job(text, bigint, bigint, text) to edge;

-- migrate:down
drop function edge.note_job(text, bigint, bigint, text);
drop function edge.run_job(text);
drop table private.job_runs;
