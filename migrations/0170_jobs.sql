-- 0170: jobs. What has to be done every few minutes, hourly or daily; the edge's cron asks for it, and each run leaves a row.
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

-- Deletes what is kept for 90 days only: events by whole months and what they were minute by minute, leads that are spam or
-- were deleted, sign-ups that were given up or belong to nobody, runs of jobs; and keys and webhooks that have had their time. A part
-- at a time: whoever runs it runs it again while it gives 5,000 or more.
create function marketing.cleanup_old_data() returns bigint
  language plpgsql volatile
  set search_path = ''
  as $$
declare
  before constant timestamptz := now() - interval '90 days';
  part constant int := 5000;
  old uuid[];
  gone bigint := 0;
  rows_ bigint;
begin
  gone := gone + analytics.drop_old_events(before)
    -- A month's bucket began up to 31 days before its last event.
    + analytics.drop_old_counts(before, before - interval '31 days');

  old := array(
    select l.id from marketing.leads as l where l.is_spam and l.created_at < before and l.updated_at < before limit part
  ) || array(select l.id from marketing.leads as l where l.deleted_at < before limit part);
  -- Before the leads: without them nobody could find these.
  delete from onboarding.sessions as s where s.lead_id = any (old);
  get diagnostics rows_ = row_count;
  gone := gone + rows_;
  delete from marketing.leads as l where l.id = any (old);
  get diagnostics rows_ = row_count;
  gone := gone + rows_;

  delete from onboarding.sessions as s
  where s.id in (
    select old_.id from onboarding.sessions as old_
    where old_.last_activity_at < before and (old_.status = 'abandoned' or old_.lead_id is null)
    limit part
  );
  get diagnostics rows_ = row_count;
  gone := gone + rows_;

  delete from private.job_runs as r
  where r.id in (select old_.id from private.job_runs as old_ where old_.started_at < before limit part);
  get diagnostics rows_ = row_count;
  gone := gone + rows_;
  delete from private.idempotency_keys as k
  where (k.operation, k.caller, k.key) in (
    select old_.operation, old_.caller, old_.key from private.idempotency_keys as old_ where old_.expires_at < now() limit part
  );
  get diagnostics rows_ = row_count;
  gone := gone + rows_;
  -- Messages of people: no longer than it takes to see what went wrong.
  return gone + private.clean_webhook_inbox(now() - interval '30 days');
end
$$;

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
revoke execute on function marketing.cleanup_old_data() from public;
revoke execute on function edge.run_job(text) from public;
grant execute on function edge.run_job(text) to edge;

-- migrate:down
drop function edge.run_job(text);
drop function marketing.cleanup_old_data();
drop table private.job_runs;
