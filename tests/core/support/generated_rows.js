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
  'private.sealed_columns': `insert into private.sealed_columns (relation, context, row_column, owner)
    select 'made.up_' || n, 'made.up.column_' || n, 'id', 't.owner' from generate_series(1, $1::int) as n`,
  'private.kek_use': `insert into private.kek_use (key_version, day, part, encryptions)
    select 50 + n % 7, date '2026-01-01' + n, n % 16, n from generate_series(1, $1::int) as n`,
  'private.secret_patterns': `insert into private.secret_patterns (place, provider, prefix, pattern)
    select 1000 + n, 'made up ' || n, 'made_' || n, '()made_' || n from generate_series(1, $1::int) as n`,
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
  'private.model_prices': `insert into private.model_prices (provider, model, effective_from, above_tokens, input_micro, output_micro,
      cache_read_micro, cache_write_micro, cache_write_1h_micro, web_search_micro, list)
    select 'made-up', 'model ' || n, timestamptz '2026-01-01' + make_interval(days => n), n, n, 2 * n, n, n, n, n, 'list ' || n
    from generate_series(1, $1::int) as n`,
  'private.model_rules': `insert into private.model_rules (provider, place, model, kind, words)
    select 'made-up', n, 'model ' || n, (array['equals', 'starts_with', 'contains'])[1 + n % 3], 'model-' || n from generate_series(1, $1::int) as n`,
  'private.budget_rules': `insert into private.budget_rules (scope, period, limit_micro, description)
    select 'made_up.scope_' || n, 'month', n, 'Rule ' || n from generate_series(1, $1::int) as n`,
  'private.budgets': `insert into private.budgets (scope, owner, period, period_start, limit_micro, used, reserved)
    select 'made_up.calls', md5(n::text)::uuid, 'day', timestamptz '2026-01-01' + make_interval(days => n), 100 + n, n, n
    from generate_series(1, $1::int) as n`,
  'private.reservations': `with owners as (
      insert into private.budgets (scope, owner, period, period_start, limit_micro)
      select 'made_up.reserved', md5(n::text)::uuid, 'day', '2026-01-01', 100 + n from generate_series(1, $1::int) as n returning scope, owner
    )
    insert into private.reservations (scope, owner, amount, expires_at, released_at)
    select o.scope, o.owner, 7, timestamptz '2026-01-01', case when o.owner::text < '8' then timestamptz '2026-01-02' end from owners as o`,
  'private.system_schemas': `insert into private.system_schemas (schema, system)
    select 'made_up_' || n, 'made_up' from generate_series(1, $1::int) as n`,
  'private.api_tokens': `insert into private.api_tokens (user_id, name, token_hash, prefix, scopes, last_used_at, expires_at, revoked_at)
    select md5(n::text)::uuid, 'Token ' || n, sha256(('token ' || n)::bytea), 'rgt_' || lpad(n::text, 6, '0'),
      '{"systems": ["sample"], "endpoints": [], "access": "read"}', timestamptz '2026-01-01' + make_interval(days => n),
      timestamptz '2030-01-01' + make_interval(days => n), case when n % 3 = 0 then timestamptz '2026-02-01' end
    from generate_series(1, $1::int) as n`,
  'private.tracked_tables': `insert into private.tracked_tables (relation, key_columns, key_condition, has_audience)
    select (1000000 + n)::oid::regclass, 'id uuid', 't.id = k.id', n % 2 = 0 from generate_series(1, $1::int) as n`,
  'private.changes': `insert into private.changes (relation, verb, key, audience, position)
    select 'sample.projects', (array['insert', 'update', 'delete'])[1 + n % 3], jsonb_build_object('id', md5(n::text)::uuid),
      array[md5('user ' || n)::uuid], n from generate_series(1, $1::int) as n`,
  'private.change_positions': `update private.change_positions set last_assigned = last_assigned + $1::int`,
  // Of the system of these tests.
  'sample.projects': `insert into sample.projects (user_id, name) select md5(n::text)::uuid, 'Project ' || n from generate_series(1, $1::int) as n`,
  'sample.user_profiles': `insert into sample.user_profiles (id, full_name) select md5(n::text)::uuid, 'Name ' || n from generate_series(1, $1::int) as n`,
  'sample_more.entries': `insert into sample_more.entries (email) select n || '@example.org' from generate_series(1, $1::int) as n`,
};
