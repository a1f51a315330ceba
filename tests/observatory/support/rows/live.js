// Generated rows of what agents report while they work, and of notices.

/** Statements by table. */
export const rows = {
  'observatory.hook_events': `with project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Project with events') returning id, owner_id),
    conversation as (
      insert into observatory.conversations (project_id, owner_id, session_id)
      select p.id, p.owner_id, gen_random_uuid()::text from project as p returning id, project_id, owner_id)
    insert into observatory.hook_events (
      owner_id, session_id, agent_id, project_id, conversation_id, event, tool_use_id, prompt_id, payload, redaction_count, at, applied_at,
      attempts, failure)
    select c.owner_id, 'session ' || n % 10, case when n % 3 = 0 then 'agent ' || n end, c.project_id, c.id,
      (array['PreToolUse', 'PostToolUse', 'Stop', 'UserPromptSubmit'])[1 + n % 4], 'toolu_' || n, 'prompt ' || n,
      jsonb_build_object('n', n), n % 3, timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n), n % 4, (array['55P03', '40P01'])[1 + n % 2]
    from conversation as c, generate_series(1, $1::int) as n`,
  'observatory.notices': `insert into observatory.notices (user_id, kind, dedupe_key, title, details, created_at, read_at)
    select gen_random_uuid(), (array['transcripts_deleted', 'other'])[1 + n % 2], 'key ' || n, 'Title ' || n, jsonb_build_object('n', n),
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'private.otel_events': `insert into private.otel_events (
      owner_id, session_id, digest, event, sequence, tool_use_id, request_id, attributes, at, received_at, applied_at)
    select gen_random_uuid(), 'session ' || n % 10, gen_random_uuid(), (array['api_request', 'tool_result', 'user_prompt'])[1 + n % 3], n,
      'toolu_' || n, 'req_' || n, jsonb_build_object('n', n), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n), timestamptz '2026-01-03' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'private.otel_sessions': `insert into private.otel_sessions (owner_id, session_id, last_at, lost_at)
    select gen_random_uuid(), 'session ' || n, timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
};
