// Generated rows of users, projects, billing and notifications.

/** Statements by table. */
export const rows = {
  'flashfusion.users': `insert into flashfusion.users (
      id, email, username, full_name, avatar_url, subscription_tier, api_usage_count, api_usage_limit, created_at, updated_at,
      last_login_at, is_active, preferences, onboarding_completed)
    select gen_random_uuid(), 'user' || n || '@example.org', 'user_' || n, 'Name ' || n, 'https://example.org/' || n || '.png',
      (array['free', 'pro', 'team', 'enterprise'])[1 + n % 4], n, 1000 + n, timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n), timestamptz '2026-01-03' + make_interval(mins => n), n % 7 > 0,
      jsonb_build_object('theme', n), n % 2 = 0
    from generate_series(1, $1::int) as n`,
  'flashfusion.projects': `insert into flashfusion.projects (
      user_id, name, description, project_type, framework, template, repository_url, deployment_url, status, config, features,
      created_at, updated_at, last_accessed_at, is_public, version)
    select gen_random_uuid(), 'Project ' || n, 'Description ' || n, 'type ' || n % 5, 'framework ' || n % 3, 'template ' || n % 4,
      'https://git.example.org/' || n, 'https://app.example.org/' || n,
      (array['draft', 'active', 'building', 'deployed', 'failed', 'archived'])[1 + n % 6], jsonb_build_object('n', n),
      jsonb_build_array(n), timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2026-01-03' + make_interval(mins => n), n % 2 = 0, n
    from generate_series(1, $1::int) as n`,
  'private.tiers': `insert into private.tiers (tier, rank, api_usage_limit, concurrent_tasks, keys, projects)
    select 'tier ' || n, 100 + n, n, n + 1, n + 2, n + 3 from generate_series(1, $1::int) as n`,
  'private.price_tiers': `insert into private.price_tiers (price_id, tier, plan_name, is_offered)
    select 'price_' || n, (array['pro', 'team'])[1 + n % 2], 'Plan ' || n, n % 3 > 0 from generate_series(1, $1::int) as n`,
  'private.billing_customers': `insert into private.billing_customers (stripe_customer_id, user_id, created_at)
    select 'cus_' || n, gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => n) from generate_series(1, $1::int) as n`,
  'flashfusion.billing': `insert into flashfusion.billing (
      user_id, subscription_id, plan_name, billing_cycle, amount, currency, status, current_period_start, current_period_end,
      created_at, updated_at, metadata, stripe_customer_id, price_id, cancel_at_period_end, last_event_at)
    select gen_random_uuid(), 'sub_' || n, 'Plan ' || n, (array['month', 'year', '3 months'])[1 + n % 3], n * 100, 'eur',
      (array['active', 'trialing', 'canceled', 'paused', 'new_status'])[1 + n % 5], timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-02-01' + make_interval(mins => n), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02', jsonb_build_object('prices', jsonb_build_array('price_' || n)), 'cus_of_' || n, 'price_' || n, n % 2 = 0,
      timestamptz '2026-01-03' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'private.billing_events': `insert into private.billing_events (
      event_id, type, created, payload, processed_at, received_at, kind, livemode, api_version, customer_id, subscription_id, path,
      fetched, fetching_since, outcome, attempts, due_at)
    select 'evt_' || n, (array['customer.subscription.updated', 'invoice.paid'])[1 + n % 2], timestamptz '2026-01-01' + make_interval(mins => n),
      jsonb_build_object('n', n), case when n % 2 = 0 then timestamptz '2026-01-02' end, timestamptz '2026-01-01' + make_interval(mins => n),
      (array['snapshot', 'thin'])[1 + n % 2], n % 2 = 0, '2026-10-28.endive', 'cus_' || n, 'sub_' || n, 'v1/subscriptions/sub_' || n,
      jsonb_build_object('n', n), timestamptz '2026-01-03', 'outcome ' || n, n, timestamptz '2026-01-04' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'private.subscription_clocks': `insert into private.subscription_clocks (subscription_id, at, rank, event_id, applied_at)
    select 'sub_' || n, timestamptz '2026-01-01' + make_interval(mins => n), n % 3, 'evt_' || n, timestamptz '2026-01-02' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'flashfusion.notifications': `insert into flashfusion.notifications (
      user_id, title, message, type, is_read, action_url, metadata, created_at, read_at, dedupe_key)
    select gen_random_uuid(), 'Title ' || n, 'Message ' || n, (array['key_expiry', 'dead_task', 'billing'])[1 + n % 3], n % 2 = 0,
      'https://example.org/' || n, jsonb_build_object('n', n), timestamptz '2026-01-01' + make_interval(mins => n),
      case when n % 2 = 0 then timestamptz '2026-01-02' + make_interval(mins => n) end, 'key ' || n
    from generate_series(1, $1::int) as n`,
};
