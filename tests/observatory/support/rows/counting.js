// Generated rows of what is counted.

/** A project, with a conversation in it. */
const CONVERSATION = `project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Counted ' || gen_random_uuid()) returning id, owner_id),
    conversation as (
      insert into observatory.conversations (project_id, owner_id, session_id)
      select p.id, p.owner_id, gen_random_uuid()::text from project as p returning id, project_id, owner_id)`;

/** Statements by table. */
export const rows = {
  'observatory.usage_records': `with ${CONVERSATION}
    insert into observatory.usage_records (
      owner_id, api_message_id, part, project_id, conversation_id, message_id, entry_uuid, kind, model, source, variant, geo, is_sidechain,
      input_tokens, output_tokens, cache_read_tokens, cache_creation_5m_tokens, cache_creation_1h_tokens, web_searches, cost_micro_usd,
      reported_cost_micro_usd, price, priced_at, occurred_at, created_at)
    select c.owner_id, 'msg_' || n, n % 2, c.project_id, c.id, gen_random_uuid(), 'entry ' || n,
      (array['message', 'advisor', 'compaction', 'auxiliary', 'web_search'])[1 + n % 5], 'model-' || n % 5,
      (array['claude', 'codex', 'gemini', 'opencode'])[1 + n % 4], (array['', 'fast'])[1 + n % 2], (array['', 'us'])[1 + n % 2], n % 3 = 0,
      n, n + 1, n + 2, n + 3, n + 4, n % 2, n, n + 1, jsonb_build_object('n', n), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n)
    from conversation as c, generate_series(1, $1::int) as n`,
  'observatory.daily_rollups': `with ${CONVERSATION}
    insert into observatory.daily_rollups (
      project_id, day, user_id, model, source, requests, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens,
      web_searches, cost_micro_usd, unpriced)
    select c.project_id, date '2025-01-01' + n, c.owner_id, 'model-' || n % 5, 'claude', n, n + 1, n + 2, n + 3, n + 4, n % 3, n * 10, n % 2
    from conversation as c, generate_series(1, $1::int) as n`,
  'observatory.activity_rollups': `with ${CONVERSATION}
    insert into observatory.activity_rollups (
      project_id, day, hour, user_id, prompts, messages, tool_calls, errors, sessions, raw_tokens)
    select c.project_id, date '2025-01-01' + n, n % 24, c.owner_id, n, n + 1, n + 2, n % 7, n % 3, n * 100
    from conversation as c, generate_series(1, $1::int) as n`,
  'observatory.tool_rollups': `with ${CONVERSATION}
    insert into observatory.tool_rollups (project_id, day, user_id, tool_name, calls, errors, timed, duration_ms, buckets)
    select c.project_id, date '2025-01-01' + n, c.owner_id, 'Tool' || n % 5, n, n % 7, n, n * 100, array_fill(n::bigint, array[24])
    from conversation as c, generate_series(1, $1::int) as n`,
  'private.reprice_receipts': `with ${CONVERSATION}
    insert into private.reprice_receipts (
      project_id, user_id, at, is_dry_run, lists, records, changed, newly_priced, unpriced, before_micro, after_micro, last_at, last_id,
      finished_at)
    select c.project_id, c.owner_id, timestamptz '2026-01-01' + make_interval(mins => n), n % 2 = 0, array['list ' || n], n, n + 1, n + 2,
      n + 3, n * 10, n * 20, timestamptz '2026-01-02' + make_interval(mins => n), gen_random_uuid(),
      timestamptz '2026-01-03' + make_interval(mins => n)
    from conversation as c, generate_series(1, $1::int) as n`,
  'private.fork_pairs': `with project as (
      insert into observatory.projects (owner_id, name) values (gen_random_uuid(), 'Forked ' || gen_random_uuid()) returning id, owner_id),
    conversations as (
      insert into observatory.conversations (project_id, owner_id, session_id)
      select p.id, p.owner_id, gen_random_uuid()::text from project as p, generate_series(1, 2 * $1::int) returning id),
    numbered as (select c.id, row_number() over (order by c.id) as n from conversations as c)
    insert into private.fork_pairs (one, other, since, is_first, is_settled)
    select a.id, b.id, timestamptz '2026-01-01' + make_interval(mins => a.n::int), (array[true, false, null])[1 + a.n % 3], a.n % 4 = 1
    from numbered as a inner join numbered as b on b.n = a.n + 1
    where a.n % 2 = 1`,
  'private.pricing': `update private.pricing
    set is_due = true, is_partial = true, last_owner = gen_random_uuid(), last_id = gen_random_uuid() where $1::int > 0`,
};
