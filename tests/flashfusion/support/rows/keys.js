// Generated rows of keys, deployments and integrations.

/** A text of the form of a sealed one. */
const SEALED = `'v1.' || repeat('a', 16) || '.' || repeat('b', 64) || '.' || repeat('c', 16) || '.' || lpad(n::text, 40, 'd')`;

/** Statements by table. */
export const rows = {
  'private.key_services': `insert into private.key_services (name, title, providers)
    select 'service-' || n, 'Service ' || n, array['provider-' || n] from generate_series(1, $1::int) as n`,
  'flashfusion.user_api_keys': `insert into flashfusion.user_api_keys (
      id, user_id, service_name, key_alias, is_active, created_at, updated_at, last_used_at, usage_count, key_prefix, last_four, fingerprint,
      status, verified_at, expires_at, rotated_from, revoked_at)
    select gen_random_uuid(), gen_random_uuid(), 'service-' || n % 5, 'Key ' || n, n % 5 <> 4 and n % 3 > 0,
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2026-01-03' + make_interval(mins => n), n, 'sk-', right('000' || n, 4), md5(n::text) || md5('x' || n),
      (array['pending', 'active', 'invalid', 'expired', 'revoked'])[1 + n % 5], timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2099-01-01' + make_interval(mins => n), null, case when n % 5 = 4 then timestamptz '2026-01-04' end
    from generate_series(1, $1::int) as n`,
  'private.api_key_secrets': `insert into private.api_key_secrets (key_id, user_id, sealed, key_version, created_at)
    select k.id, k.user_id, ${SEALED}, 1 + n % 3, timestamptz '2026-01-01' + make_interval(mins => n::int)
    from (select k.id, k.user_id, row_number() over (order by k.created_at) as n from flashfusion.user_api_keys as k) as k
    where n <= $1::int`,
  'flashfusion.deployments': `with made as (
      insert into flashfusion.projects (user_id, name)
      select gen_random_uuid(), 'Deployed ' || n from generate_series(1, $1::int) as n
      returning id, user_id, substring(name from '\\d+')::int as n
    )
    insert into flashfusion.deployments (
      project_id, user_id, deployment_target, deployment_url, domain, status, build_logs, error_message, environment_variables,
      deployment_config, created_at, deployed_at, is_production)
    select id, user_id, 'target ' || n, 'https://' || n || '.example.org', n || '.example.org',
      (array['pending', 'building', 'deploying', 'deployed', 'failed', 'cancelled'])[1 + n % 6], 'Logs ' || n, 'Error ' || n,
      array['NAME_' || n], jsonb_build_object('n', n), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n), n % 2 = 0
    from made`,
  // Its trigger has made most of them.
  'private.key_reminders': `insert into private.key_reminders (key_id, due_at)
    select k.id, k.created_at from flashfusion.user_api_keys as k limit $1::int on conflict do nothing`,
  'private.deployment_environments': `insert into private.deployment_environments (deployment_id, user_id, sealed, key_version, updated_at)
    select d.id, d.user_id, ${SEALED}, 1 + n % 3, timestamptz '2026-01-01' + make_interval(mins => n::int)
    from (select d.id, d.user_id, row_number() over (order by d.created_at) as n from flashfusion.deployments as d) as d
    where n <= $1::int`,
  'flashfusion.integrations': `insert into flashfusion.integrations (
      user_id, integration_type, integration_name, config, credentials, status, last_sync_at, sync_frequency, created_at, updated_at, metadata)
    select gen_random_uuid(), 'type-' || n % 5, 'Integration ' || n, jsonb_build_object('n', n), array['name_' || n],
      (array['pending', 'connected', 'error', 'disconnected'])[1 + n % 4], timestamptz '2026-01-03' + make_interval(mins => n),
      (array['manual', 'realtime', 'hourly', 'daily', 'weekly'])[1 + n % 5], timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n), jsonb_build_object('n', n)
    from generate_series(1, $1::int) as n`,
  'private.integration_credentials': `insert into private.integration_credentials (integration_id, user_id, sealed, key_version, updated_at)
    select i.id, i.user_id, ${SEALED}, 1 + n % 3, timestamptz '2026-01-01' + make_interval(mins => n::int)
    from (select i.id, i.user_id, row_number() over (order by i.created_at) as n from flashfusion.integrations as i) as i
    where n <= $1::int`,
};
