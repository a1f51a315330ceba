// Generated rows of the tables of the core, as one statement each; $1 is how many rows. Values differ from row to row and fill what is
// optional.

/** Statements by table. */
export const rows = {
  'private.limit_rules': `insert into private.limit_rules (name, burst, refill, shared)
    select 'rule ' || n, 1 + n % 100, make_interval(secs => n), 1 + n % 10 from generate_series(1, $1::int) as n`,
  'private.rate_limits': `insert into private.rate_limits (bucket, tat)
    select 'bucket ' || n, timestamptz '2026-01-01' + make_interval(mins => n) from generate_series(1, $1::int) as n`,
  'private.daily_allowances': `insert into private.daily_allowances (name, bytes, rows, all_bytes, all_rows)
    select 'allowance ' || n, n, n, 1000 + n, 1000 + n from generate_series(1, $1::int) as n`,
  'private.daily_usage': `insert into private.daily_usage (day, name, caller, part, bytes, rows)
    select date '2026-01-01' + n % 5, 'events', 'addr ' || n, n % 3, n, n from generate_series(1, $1::int) as n`,
  'private.idempotency_keys': `insert into private.idempotency_keys (operation, caller, key, request_hash, answer, expires_at)
    select 'capture_lead', 'caller ' || n, 'key ' || n, sha256(n::text::bytea), jsonb_build_object('n', n), timestamptz '2026-01-01' + make_interval(hours => n)
    from generate_series(1, $1::int) as n`,
  'private.audit_log': `insert into private.audit_log (at, actor, actor_role, request_id, operation, relation, row_id, columns)
    select timestamptz '2026-01-01' + make_interval(secs => n), gen_random_uuid(), 'authenticated', 'request ' || n,
      (array['INSERT', 'UPDATE', 'DELETE'])[1 + n % 3], 'sample.projects', n::text, array['name', 'color']
    from generate_series(1, $1::int) as n`,
  'private.erased_users': `insert into private.erased_users (id, at)
    select gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => n) from generate_series(1, $1::int) as n`,
  'private.secrets': `insert into private.secrets (name, secret) select 'secret ' || n, sha256(n::text::bytea) from generate_series(1, $1::int) as n`,
  // There is one row from the start.
  'private.connection_shares': 'update private.connection_shares set caller = $1::int',
  'private.mention_places': `insert into private.mention_places (relation, columns, keys, remedy)
    select 'made up ' || n, array['name'], 'null', 'redact' from generate_series(1, $1::int) as n`,
  'private.hooks': `insert into private.hooks (system, event, function)
    select 'made_up_' || n, 'person_kept', 'private.united' from generate_series(1, $1::int) as n`,
  'private.jobs': `insert into private.jobs (name, function, schedule, more_from, description)
    select 'job_' || n, 'private.job_' || n, n % 60 || ' * * * *', n, 'Job ' || n from generate_series(1, $1::int) as n`,
  'private.job_runs': `insert into private.job_runs (job, started_at, finished_at, rows, error, skipped)
    select 'process_pending_events', timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n), n,
      case when n % 5 = 0 then 'Error ' || n end, n % 7 = 0 from generate_series(1, $1::int) as n`,
  // Of the system of these tests.
  'sample.projects': `insert into sample.projects (user_id, name) select md5(n::text)::uuid, 'Project ' || n from generate_series(1, $1::int) as n`,
  'sample.user_profiles': `insert into sample.user_profiles (id, full_name) select md5(n::text)::uuid, 'Name ' || n from generate_series(1, $1::int) as n`,
  'sample_more.entries': `insert into sample_more.entries (email) select n || '@example.org' from generate_series(1, $1::int) as n`,
};
