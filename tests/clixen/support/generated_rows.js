// Generated rows of the tables of clixen, as one statement each; $1 is how many rows. Values differ from row to row and fill what is
// optional.

/** Statements by table. */
export const rows = {
  'private.n8n_slugs': `insert into private.n8n_slugs (user_id, slug)
    select gen_random_uuid(), 'u' || lpad(to_hex(n), 24, '0') from generate_series(1, $1::int) as n`,
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
  'private.security_events': `insert into private.security_events (at, kind, user_id, actor, actor_role, request_id, details)
    select timestamptz '2026-01-01' + make_interval(secs => n), (array['tier_changed', 'email_changed', 'bulk_delete'])[1 + n % 3],
      gen_random_uuid(), gen_random_uuid(), 'authenticated', 'request ' || n, jsonb_build_object('n', n) from generate_series(1, $1::int) as n`,
  'private.n8n_removals': `insert into private.n8n_removals (n8n_workflow_id, due_at, attempts)
    select 'removed' || n, timestamptz '2026-01-01' + make_interval(mins => n), n from generate_series(1, $1::int) as n`,
  'clixen.mvp_workflows': `with made as (
      insert into clixen.projects (user_id, name) values (gen_random_uuid(), 'Of workflows') returning id, user_id
    )
    insert into clixen.mvp_workflows (
      user_id, project_id, name, description, n8n_workflow_id, n8n_workflow_json, original_prompt, status, version, deployment_status,
      deployment_url, deployment_error, last_deployed_at, execution_count, last_execution_at, avg_execution_time_ms, created_at, updated_at)
    select made.user_id, made.id, 'Workflow ' || n, 'Description ' || n, 'n8n' || n, jsonb_build_object('nodes', jsonb_build_array(n)),
      'Prompt ü ' || n, (array['draft', 'validated', 'deployed', 'failed', 'archived'])[1 + n % 5], n,
      (array['not_deployed', 'deploying', 'deployed', 'failed', 'updating'])[1 + n % 5], 'https://n8n.example.org/webhook/' || n, 'Error ' || n,
      timestamptz '2026-01-03' + make_interval(mins => n), n, timestamptz '2026-01-04' + make_interval(mins => n), n * 3,
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n)
    from made, generate_series(1, $1::int) as n`,
  'clixen.mvp_chat_sessions': `with made as (
      insert into clixen.projects (user_id, name) values (gen_random_uuid(), 'Of chats') returning id, user_id
    )
    insert into clixen.mvp_chat_sessions (
      user_id, project_id, title, status, message_count, last_message_at, workflow_created, workflow_deployed, user_satisfied,
      created_at, updated_at)
    select made.user_id, made.id, 'Chat ' || n, (array['active', 'completed', 'archived'])[1 + n % 3], n,
      timestamptz '2026-01-03' + make_interval(mins => n), n % 2 = 0, n % 4 = 0, n % 3 = 0, timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n)
    from made, generate_series(1, $1::int) as n`,
  'clixen.mvp_chat_messages': `with project as (
      insert into clixen.projects (user_id, name) values (gen_random_uuid(), 'Of messages') returning id, user_id
    ),
    session as (
      insert into clixen.mvp_chat_sessions (user_id, project_id) select user_id, id from project returning id, user_id
    )
    insert into clixen.mvp_chat_messages (
      session_id, user_id, content, role, agent_type, processing_time_ms, tokens_used, metadata, created_at)
    select session.id, session.user_id, 'Message ü ' || n, (enum_range(null::clixen.chat_role))[1 + n % 3],
      (enum_range(null::clixen.agent_type))[1 + n % 4], n, n * 2, jsonb_build_object('n', n),
      timestamptz '2026-01-01' + make_interval(mins => n)
    from session, generate_series(1, $1::int) as n`,
  'clixen.deployments': `with project as (
      insert into clixen.projects (user_id, name) values (gen_random_uuid(), 'Of deployments') returning id, user_id
    ),
    workflow as (
      insert into clixen.mvp_workflows (user_id, project_id, name) select user_id, id, 'Deployed' from project returning id, user_id
    )
    insert into clixen.deployments (
      user_id, workflow_id, n8n_workflow_id, deployment_version, status, n8n_response, error_message, deployment_url, started_at,
      completed_at, duration_ms, created_at)
    select workflow.user_id, workflow.id, 'n8n' || n, n, (array['deployed', 'failed', 'rolled_back'])[1 + n % 3],
      jsonb_build_object('n', n), 'Error ' || n, 'https://n8n.example.org/webhook/' || n, timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n), n, timestamptz '2026-01-01' + make_interval(mins => n)
    from workflow, generate_series(1, $1::int) as n`,
  'private.deployment_runs': `with project as (
      insert into clixen.projects (user_id, name) values (gen_random_uuid(), 'Of runs') returning id, user_id
    ),
    workflow as (
      insert into clixen.mvp_workflows (user_id, project_id, name) select user_id, id, 'Run' from project returning id, user_id
    ),
    made as (
      insert into clixen.deployments (user_id, workflow_id, deployment_version, status)
      select workflow.user_id, workflow.id, n, 'deployed' from workflow, generate_series(1, $1::int) as n returning id, workflow_id, deployment_version as n
    )
    insert into private.deployment_runs (deployment_id, workflow_id, workflow, workflow_version, of_version, lease, lease_until, attempts)
    select id, workflow_id, jsonb_build_object('n', n), n, n + 1, gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => n::int), n % 6 from made`,
  'clixen.telemetry_events': `insert into clixen.telemetry_events (
      user_id, event_type, event_category, project_id, workflow_id, session_id, event_data, duration_ms, success, error_message,
      user_agent, ip_address, referer, created_at)
    select gen_random_uuid(), 'event.' || n % 9, (array['auth', 'workflow', 'deployment', 'engagement', 'error', 'performance'])[1 + n % 6], gen_random_uuid(), gen_random_uuid(),
      gen_random_uuid(), jsonb_build_object('n', n), n, n % 2 = 0, 'Error ' || n, 'Mozilla/5.0 ' || n, ('192.0.' || n % 256 || '.0/24')::inet,
      'https://www.example.org/' || n, timestamptz '2026-01-01' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
};
