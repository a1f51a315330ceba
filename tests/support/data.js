// Generated data of every table, as one statement each; $1 is how many rows. Values differ from row to row and fill what is optional.

/** Statements by table. */
export const data = {
  'private.limit_rules': `insert into private.limit_rules (name, burst, refill, shared)
    select 'rule ' || n, 1 + n % 100, make_interval(secs => n), 1 + n % 10 from generate_series(1, $1::int) as n`,
  'private.rate_limits': `insert into private.rate_limits (bucket, tat)
    select 'bucket ' || n, timestamptz '2026-01-01' + make_interval(mins => n) from generate_series(1, $1::int) as n`,
  'private.idempotency_keys': `insert into private.idempotency_keys (operation, caller, key, request_hash, answer, expires_at)
    select 'capture_lead', 'caller ' || n, 'key ' || n, sha256(n::text::bytea), jsonb_build_object('n', n), timestamptz '2026-01-01' + make_interval(hours => n)
    from generate_series(1, $1::int) as n`,
  'private.audit_log': `insert into private.audit_log (at, actor, actor_role, request_id, operation, relation, row_id, columns)
    select timestamptz '2026-01-01' + make_interval(secs => n), gen_random_uuid(), 'authenticated', 'request ' || n,
      (array['INSERT', 'UPDATE', 'DELETE'])[1 + n % 3], 'clixen.projects', n::text, array['name', 'color']
    from generate_series(1, $1::int) as n`,
  'marketing.leads': `insert into marketing.leads (
      email, email_normalized, email_domain, phone_number, company_name, first_name, last_name, source, status, notes,
      interested_features, utm_source, utm_medium, utm_campaign, utm_content, utm_term, referrer, landing_page, first_touch,
      last_touch, user_agent, network, country_code, region, city, submission_key, metadata, submission_count, spam_score,
      spam_reason, is_spam, opt_in_status, opted_in_at, created_at, updated_at, deleted_at)
    select 'Person' || n || '@Example.org', 'person' || n || '@example.org', 'example.org', '+49 30 ' || n, 'Company ' || n, 'First ' || n,
      'Last ' || n, (enum_range(null::marketing.lead_source))[1 + n % 5], (enum_range(null::marketing.lead_status))[1 + n % 5],
      repeat('Notes ' || n || E'\\n', 5), array['a', 'b ' || n], 'source ' || n % 7, 'cpc', 'campaign ' || n % 3, 'content', 'term ü ' || n,
      'https://example.org/?n=' || n, 'https://www.example.org/' || n, jsonb_build_object('n', n), jsonb_build_object('n', -n),
      'Mozilla/5.0 ' || n, ('192.0.' || n % 256 || '.0/24')::inet, 'DE', 'Berlin', 'Berlin', 'key ' || n,
      jsonb_build_object('size', n, 'color', 'red'), n, n % 101, case when n % 9 = 0 then 'honeypot' end, n % 9 = 0,
      (array['none', 'pending', 'confirmed', 'revoked'])[1 + n % 4], timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-03' + make_interval(mins => n),
      case when n % 11 = 0 then timestamptz '2026-02-01' end
    from generate_series(1, $1::int) as n`,
  'experiments.experiments': `insert into experiments.experiments (
      name, description, hypothesis, is_active, traffic_percentage, control_variant, test_variants, targeting_rules, start_date,
      end_date, status, results, winner_variant_id, hash_seed, hash_version, bucket_version, namespace, unit, primary_metric,
      created_by, created_at, updated_at)
    select 'Experiment ' || n, 'Description ' || n, 'Hypothesis ' || n, n % 3 > 0, n % 101, '{"id": "control", "weight": 0.5}',
      jsonb_build_array(jsonb_build_object('id', 'test ' || n, 'name', 'Test ' || n, 'weight', 0.5)),
      jsonb_build_object('countries', jsonb_build_array(chr(65 + n % 26) || 'A')), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-03-01' + make_interval(mins => n), (enum_range(null::experiments.experiment_status))[1 + n % 5],
      jsonb_build_object('n', n), case when n % 2 = 0 then 'test ' || n end, 'seed ' || n, 1 + n % 2, n,
      jsonb_build_object('id', 'namespace ' || n, 'start', 0.1, 'end', 0.9), (enum_range(null::experiments.unit_kind))[1 + n % 2],
      'metric ' || n, gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02'
    from generate_series(1, $1::int) as n`,
  'experiments.assignments': `with made as (
      insert into experiments.experiments (name, control_variant, test_variants)
      values ('Assigned', '{"id": "a", "weight": 0.5}', '[{"id": "b", "weight": 0.5}]') returning id
    )
    insert into experiments.assignments (
      experiment_id, unit_key, user_id, session_id, variant_id, bucket_version, source, assigned_at, first_exposure_at,
      last_exposure_at, exposure_count, country)
    select made.id, 'user:' || n, gen_random_uuid(), 'session ' || n, 'b', n, (enum_range(null::experiments.assignment_source))[1 + n % 2],
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2026-01-03' + make_interval(mins => n), n, chr(65 + n % 26) || 'A'
    from made, generate_series(1, $1::int) as n`,
  'private.erased_users': `insert into private.erased_users (id, at)
    select gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => n) from generate_series(1, $1::int) as n`,
  'clixen.projects': `insert into clixen.projects (user_id, name, description, color, workflow_count, last_activity_at, created_at, updated_at)
    select gen_random_uuid(), 'Project ' || n, 'Description ' || n, '#' || lpad(to_hex(n), 6, '0'), n,
      timestamptz '2026-01-03' + make_interval(mins => n), timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02'
    from generate_series(1, $1::int) as n`,
  'clixen.user_profiles': `insert into clixen.user_profiles (
      id, email, full_name, avatar_url, tier, preferences, onboarding_completed, first_workflow_created_at, first_deployment_at,
      total_workflows_created, total_deployments, total_projects, created_at, updated_at)
    select gen_random_uuid(), 'user' || n || '@example.org', 'Name ' || n, 'https://example.org/' || n || '.png',
      (array['free', 'pro', 'enterprise'])[1 + n % 3], jsonb_build_object('theme', n), n % 2 = 0, timestamptz '2026-01-01',
      timestamptz '2026-01-02', n, n, n, timestamptz '2026-01-01', timestamptz '2026-01-03'
    from generate_series(1, $1::int) as n`,
};
