// Generated rows of conversations, messages and feedback.
import { MEMBER } from './people.js';

/** A member and, of that member, a conversation. */
export const CONVERSATION = `${MEMBER},
    conversation as (
      insert into assistant.conversations (tenant_id, user_id) select m.tenant_id, m.id from member as m returning id, user_id)`;

/** Statements by table. */
export const rows = {
  'assistant.conversations': `with ${MEMBER}
    insert into assistant.conversations (tenant_id, user_id, title, metadata, is_archived, created_at, updated_at)
    select m.tenant_id, m.id, 'Title ' || n, jsonb_build_object('n', n), n % 3 = 0, timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n)
    from member as m, generate_series(1, $1::int) as n`,
  'assistant.messages': `with ${CONVERSATION}
    insert into assistant.messages (
      conversation_id, role, content, token_count, model_used, latency_ms, metadata, created_at)
    select c.id, (array['user', 'assistant', 'system'])[1 + n % 3], 'Text ' || n, n, 'model-' || n % 5, n * 10, jsonb_build_object('n', n),
      timestamptz '2026-01-01' + make_interval(mins => n)
    from conversation as c, generate_series(1, $1::int) as n`,
  'assistant.feedback': `with ${CONVERSATION},
    message as (
      insert into assistant.messages (conversation_id, content)
      select c.id, 'Text ' || n from conversation as c, generate_series(1, $1::int) as n returning id)
    insert into assistant.feedback (message_id, user_id, rating, comment, created_at)
    select m.id, c.user_id, case when n % 2 = 0 then 1 else -1 end, 'Comment ' || n, timestamptz '2026-01-01' + make_interval(mins => n::int)
    from conversation as c, (select id, row_number() over (order by id) as n from message) as m`,
  'private.feedback_snapshots': `with ${MEMBER}
    insert into private.feedback_snapshots (
      message_id, conversation_id, tenant_id, user_id, owner_id, rating, role, model, content, before, taken_at)
    select gen_random_uuid(), gen_random_uuid(), m.tenant_id, m.id, m.id, case when n % 2 = 0 then 1 else -1 end, 'assistant',
      'model-' || n % 5, 'Text ' || n, jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Text ' || n)),
      timestamptz '2026-01-01' + make_interval(mins => n)
    from member as m, generate_series(1, $1::int) as n`,
  'private.chat_turns': `with ${CONVERSATION}
    insert into private.chat_turns (
      id, tenant_id, user_id, conversation_id, question_id, answer_id, provider, model, prompt_estimate, said, said_estimate, started_at,
      seen_at, ended_at, ending, finish_reason, has_answer, prompt_tokens, completion_tokens, is_estimated)
    select gen_random_uuid(), m.tenant_id, m.id, case when n % 3 > 0 then c.id end, case when n % 3 > 0 then gen_random_uuid() end,
      case when n % 3 > 0 then gen_random_uuid() end, (array['openai', 'groq'])[1 + n % 2], 'model-' || n % 5, n,
      case when n % 2 = 0 then 'Text ' || n end, n, timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-02' + make_interval(mins => n), case when n % 2 > 0 then timestamptz '2026-01-03' + make_interval(mins => n) end,
      case when n % 2 > 0 then (array['whole', 'hung_up', 'lost'])[1 + n % 3] end, case when n % 2 > 0 then 'stop' end, n % 2 > 0,
      case when n % 2 > 0 then n end, case when n % 2 > 0 then n + 1 end, case when n % 2 > 0 then n % 5 = 0 end
    from member as m, conversation as c, generate_series(1, $1::int) as n`,
};
