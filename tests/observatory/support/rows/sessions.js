// Generated rows of conversations, messages and tool calls.

/** A project and, in it, a conversation. */
export const CONVERSATION = `project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Project ' || gen_random_uuid()) returning id, owner_id),
    conversation as (
      insert into observatory.conversations (project_id, owner_id, session_id)
      select p.id, p.owner_id, gen_random_uuid()::text from project as p returning id, project_id, owner_id)`;

/** Statements by table. */
export const rows = {
  'observatory.conversations': `with project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Project with sessions') returning id, owner_id)
    insert into observatory.conversations (
      project_id, owner_id, session_id, agent_id, source, source_path, title, title_source, status, model, cli_version, git_branch, cwd,
      message_count, tool_call_count, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens, cost_micro_usd, raw_tokens,
      unpriced, missing_agents, is_unplaced, forked_from, started_at, last_message_at, ended_at, live_since, live, metadata, created_at,
      updated_at)
    select p.id, p.owner_id, 'session ' || n, case when n % 3 = 0 then 'agent ' || n end,
      (array['claude', 'codex', 'gemini', 'opencode'])[1 + n % 4], 'file-' || n || '.jsonl', 'Title ' || n,
      (array['custom', 'ai', 'summary', 'prompt'])[1 + n % 4], (array['active', 'idle', 'ended', 'failed', 'archived'])[1 + n % 5],
      'model-' || n % 5, '2.1.' || n, 'branch-' || n, '/home/user/' || n, 0, 0, 0, 0, 0, 0, 0, n, 0, n % 2, n % 2 = 1, 'session ' || n + 1,
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2026-01-03' + make_interval(mins => n), timestamptz '2026-01-01' + make_interval(mins => n),
      jsonb_build_object('l', n), jsonb_build_object('n', n),
      timestamptz '2026-01-04' + make_interval(mins => n), timestamptz '2026-01-05' + make_interval(mins => n)
    from project as p, generate_series(1, $1::int) as n`,
  'observatory.messages': `with ${CONVERSATION}
    insert into observatory.messages (
      project_id, conversation_id, owner_id, entry_uuid, parent_uuid, depth, branch, seq, entry_type, role, is_sidechain, is_meta,
      is_copy, agent_id, api_message_id, request_id, model, stop_reason, content, content_blocks, input_tokens, output_tokens,
      cache_read_tokens, cache_creation_tokens, redaction_count, forked_from, file_id, occurred_at, created_at, metadata)
    select c.project_id, c.id, c.owner_id, 'entry ' || n, 'entry ' || n - 1, n, n % 2, n * 1000, 'assistant',
      (array['user', 'assistant'])[1 + n % 2], n % 2 = 0, n % 3 = 0, n % 5 = 0, 'agent ' || n, 'msg_' || n, 'req_' || n, 'model-' || n % 5,
      'end_turn', 'Text ' || n, jsonb_build_array(jsonb_build_object('type', 'text', 'text', 'Text ' || n)), n, n + 1, n + 2, n + 3,
      n % 4, 'session ' || n, gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n), jsonb_build_object('n', n)
    from conversation as c, generate_series(1, $1::int) as n`,
  'observatory.tool_calls': `with ${CONVERSATION}
    insert into observatory.tool_calls (
      project_id, conversation_id, owner_id, tool_use_id, tool_name, input, output, output_truncated, status, is_error, is_copy,
      error_message, started_at, completed_at, duration_ms, duration_source, file_path, spawned_agent_id, metadata, created_at, updated_at)
    select c.project_id, c.id, c.owner_id, 'toolu_' || n, 'Tool' || n % 5, jsonb_build_object('n', n), 'Output ' || n, n % 2 = 0,
      (array['pending', 'completed', 'failed', 'rejected', 'interrupted'])[1 + n % 5], n % 5 = 2, n % 7 = 0, 'Error ' || n,
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n), n,
      (array['hook', 'result', 'pair'])[1 + n % 3], 'src/file_' || n || '.rs', 'agent ' || n, jsonb_build_object('n', n),
      timestamptz '2026-01-03' + make_interval(mins => n), timestamptz '2026-01-04' + make_interval(mins => n)
    from conversation as c, generate_series(1, $1::int) as n`,
};
