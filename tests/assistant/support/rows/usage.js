// Generated rows of usage.
import { MEMBER } from './people.js';

/** Statements by table. */
export const rows = {
  'assistant.usage_metrics': `with ${MEMBER}
    insert into assistant.usage_metrics (
      tenant_id, user_id, date, total_tokens, prompt_tokens, completion_tokens, request_count, estimated_cost, created_at)
    select m.tenant_id, case when n % 2 = 0 then m.id end, date '2026-01-01' + n, 3 * n, 2 * n, n, n, n * 100,
      timestamptz '2026-01-01' + make_interval(mins => n)
    from member as m, generate_series(1, $1::int) as n`,
  'private.usage_events': `with ${MEMBER}
    insert into private.usage_events (
      tenant_id, event_id, user_id, at, day, provider, model, prompt_tokens, completion_tokens, cost_micro, is_estimated, source,
      payload_hash, created_at)
    select m.tenant_id, 'event ' || n, case when n % 2 = 0 then m.id end, timestamptz '2026-01-01' + make_interval(mins => n),
      date '2026-01-01' + n % 30, (array['openai', 'groq'])[1 + n % 2], 'model-' || n % 5, n, n + 1, case when n % 3 > 0 then n * 7 end,
      n % 4 = 0, (array['request', 'chat', 'import', 'increment'])[1 + n % 4], sha256(n::text::bytea),
      timestamptz '2026-01-02' + make_interval(mins => n)
    from member as m, generate_series(1, $1::int) as n`,
  'private.usage_pending': `with ${MEMBER},
    events as (
      insert into private.usage_events (
        tenant_id, event_id, at, day, provider, model, prompt_tokens, completion_tokens, source, payload_hash)
      select m.tenant_id, 'pending ' || n, timestamptz '2026-01-01', '2026-01-01', 'openai', 'model', n, n, 'import', sha256(n::text::bytea)
      from member as m, generate_series(1, $1::int) as n returning tenant_id, event_id)
    insert into private.usage_pending (tenant_id, event_id, reservation)
    select e.tenant_id, e.event_id, gen_random_uuid() from events as e`,
  'private.usage_days': `with ${MEMBER}
    insert into private.usage_days (
      tenant_id, day, user_id, model, requests, prompt_tokens, completion_tokens, cost_micro, unpriced, estimated)
    select m.tenant_id, date '2026-01-01' + n, case when n % 2 = 0 then m.id end, 'model-' || n % 5, n, n + 1, n + 2, n * 7, n % 3, n % 4
    from member as m, generate_series(1, $1::int) as n`,
  'private.usage_months': `with ${MEMBER}
    insert into private.usage_months (
      tenant_id, month, user_id, requests, prompt_tokens, completion_tokens, cost_micro, unpriced, estimated)
    select m.tenant_id, date '2026-01-01' + make_interval(months => n), case when n % 2 = 0 then m.id end, n, n + 1, n + 2, n * 7, n % 3, n % 4
    from member as m, generate_series(1, $1::int) as n`,
  'private.usage_requests': `with ${MEMBER}
    insert into private.usage_requests (id, tenant_id, user_id, provider, started_at)
    select gen_random_uuid(), m.tenant_id, case when n % 2 = 0 then m.id end, (array['openai', 'groq'])[1 + n % 2],
      timestamptz '2026-01-01' + make_interval(mins => n)
    from member as m, generate_series(1, $1::int) as n`,
};
