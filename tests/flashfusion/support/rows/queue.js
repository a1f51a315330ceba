// Generated rows of services, agents, tasks, code generations and usage.

/** Statements by table. */
export const rows = {
  'flashfusion.ai_services': `insert into flashfusion.ai_services (
      name, provider, model_name, api_endpoint, capabilities, pricing_model, cost_per_1k_tokens, max_tokens, context_window,
      supports_streaming, supports_function_calling, is_active, created_at, updated_at)
    select 'Service ' || n, 'provider' || n % 5, 'model-' || n, 'https://api.example.org/' || n, jsonb_build_array('code', n),
      (array['per_token', 'per_request', 'free'])[1 + n % 3], n * 0.001, n + 1, n + 1000, n % 2 = 0, n % 3 = 0, n % 5 > 0,
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'flashfusion.agents': `insert into flashfusion.agents (
      name, type, capabilities, status, created_at, updated_at, last_activity_at, version, is_active)
    select 'Agent ' || n, 'type' || n % 5, jsonb_build_array('code', n), (array['online', 'offline', 'busy'])[1 + n % 3],
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2026-01-03' + make_interval(mins => n), n::text, n % 5 > 0
    from generate_series(1, $1::int) as n`,
  'private.agent_settings': `insert into private.agent_settings (agent_id, config, health_check_url)
    select a.id, jsonb_build_object('n', a.place), 'https://agent.example.org/' || a.place
    from (select id, row_number() over (order by name) as place from flashfusion.agents limit $1::int) as a`,
  'flashfusion.agent_tasks': `with agent as (
      insert into flashfusion.agents (name, type) values ('Agent ' || gen_random_uuid(), 'generated') returning id)
    insert into flashfusion.agent_tasks (
      agent_id, user_id, task_type, task_data, status, priority, result, error_message, execution_time_ms, created_at, started_at,
      completed_at, retry_count, max_retries, run_at, idempotency_key, errors, dead_at)
    select (select id from agent), gen_random_uuid(), 'type' || n % 7, jsonb_build_object('n', n),
      (array['pending', 'running', 'retrying', 'completed', 'failed', 'cancelled', 'dead'])[1 + n % 7], n % 10,
      jsonb_build_object('done', n), 'Error ' || n, n, timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n), timestamptz '2026-01-03' + make_interval(mins => n), n % 3, 3,
      timestamptz '2026-01-01' + make_interval(mins => n), 'key ' || n, array[jsonb_build_object('attempt', n)],
      timestamptz '2026-01-04' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'private.task_requests': `insert into private.task_requests (task_id, request_hash)
    select t.id, sha256(t.id::text::bytea) from flashfusion.agent_tasks as t limit $1::int`,
  'private.task_contacts': `insert into private.task_contacts (id, contacts)
    select t.id, array[t.id || '@example.org'] from flashfusion.agent_tasks as t limit $1::int`,
  'private.task_queue': `insert into private.task_queue (
      task_id, agent_id, user_id, task_type, priority, run_at, attempt, turn, cancelled, lease_token, lease_until, locked_by)
    select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'type' || n % 7, n % 10,
      timestamptz '2026-01-01' + make_interval(mins => n), n % 3 + 1, n, n % 4 = 0, gen_random_uuid(),
      timestamptz '2099-01-01' + make_interval(mins => n), 'worker ' || n
    from generate_series(1, $1::int) as n`,
  'private.task_backlog': `insert into private.task_backlog (task_id, agent_id, user_id, task_type, priority, run_at, attempt, is_due)
    select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'type' || n % 7, n % 10,
      timestamptz '2099-01-01' + make_interval(mins => n), n % 3, false
    from generate_series(1, $1::int) as n`,
  'private.task_heads': `insert into private.task_heads (user_id, agent_id, priority, run_at, task_id)
    select gen_random_uuid(), gen_random_uuid(), n % 10, timestamptz '2026-01-01' + make_interval(mins => n), gen_random_uuid()
    from generate_series(1, $1::int) as n`,
  'private.task_vacancies': `insert into private.task_vacancies (user_id, agent_id)
    select gen_random_uuid(), gen_random_uuid() from generate_series(1, $1::int)`,
  'private.task_pauses': `insert into private.task_pauses (agent_id, user_id, until, reason, created_at)
    select (select id from flashfusion.agents order by name limit 1), gen_random_uuid(),
      timestamptz '2026-01-02' + make_interval(mins => n), 'Reason ' || n, timestamptz '2026-01-01' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'flashfusion.code_generations': `with service as (
      insert into flashfusion.ai_services (name, provider, model_name) values ('Service', 'generated', gen_random_uuid()::text)
      returning id),
    project as (
      insert into flashfusion.projects (user_id, name) select gen_random_uuid(), 'Project of generation ' || n
      from generate_series(1, $1::int) as n returning id, user_id)
    insert into flashfusion.code_generations (
      project_id, user_id, ai_service_id, prompt, generated_code, file_path, language, framework, generation_type, status,
      error_message, tokens_used, cost_estimate, quality_score, created_at, completed_at, metadata)
    select p.id, p.user_id, (select id from service), 'Prompt ' || n, 'code ' || n,
      'src/' || n || '.js', 'language ' || n % 3, 'framework ' || n % 4, (array['code', 'test', 'fix'])[1 + n % 3],
      (array['pending', 'completed', 'failed'])[1 + n % 3], 'Error ' || n, n, n * 10, n % 10,
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n),
      jsonb_build_object('n', n)
    from (select id, user_id, row_number() over ()::int as n from project) as p`,
  'private.generation_reservations': `insert into private.generation_reservations (
      generation_id, reservation, user_id, project_id, ai_service_id, created_at)
    select g.id, gen_random_uuid(), g.user_id, g.project_id, g.ai_service_id, g.created_at
    from flashfusion.code_generations as g limit $1::int`,
  'flashfusion.usage_analytics': `insert into flashfusion.usage_analytics (
      user_id, project_id, event_type, event_data, "timestamp", session_id, ip_address, user_agent, api_tokens_used, cost_incurred)
    select gen_random_uuid(), gen_random_uuid(), 'type' || n % 5, jsonb_build_object('n', n), now() - make_interval(secs => n),
      gen_random_uuid(), inet '203.0.113.0/24', 'Agent ' || n, n, n * 3
    from generate_series(1, $1::int) as n`,
  'private.usage_totals': `insert into private.usage_totals (user_id, month, part, events, tokens, cost_micro)
    select gen_random_uuid(), date '2026-01-01', n % 16, n, n + 1, n + 2 from generate_series(1, $1::int) as n`,
};
