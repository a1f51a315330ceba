// Turns of the chat, as the edge begins, saves and ends them.
import { as, onBehalf, sql } from '../../support/stack.js';
import { signedIn } from './usage.js';

const vouched = async (member, text, request, { key, ...claims } = {}) => {
  const who = onBehalf({ ...signedIn(member, claims), headers: key ? { 'idempotency-key': key } : {} });
  const [{ result }] = await as(who, (query) => query(text, [JSON.stringify(request)]));
  return result;
};

/** Begins a turn of a member's: the request's fields, or its message. `key`: the Idempotency-Key. */
export const beginChat = (member, request, options) =>
  vouched(
    member,
    'select assistant.begin_chat($1) as result',
    typeof request === 'string' ? { message: request } : request,
    options,
  );

export const beginCompletion = (member, request, options) =>
  vouched(member, 'select assistant.begin_completion($1) as result', request, options);

const asEdge = async (text, values) => (await as({ role: 'edge' }, (query) => query(text, values)))[0].result;

export const saveChat = (turn, content) => asEdge('select edge.save_chat($1, $2) as result', [turn, content]);

/** Ends a turn: what differs from an answer that came whole. */
export const endChat = (turn, outcome = {}) =>
  asEdge('select edge.end_chat($1, $2) as result', [
    turn,
    JSON.stringify({
      ...{ end: 'whole', content: 'An answer', finish_reason: 'stop', prompt_tokens: 20, completion_tokens: 5 },
      ...{ model: 'a-model', latency_ms: 900, first_token_ms: 90, error: null, upstream_id: 'chatcmpl-1' },
      ...outcome,
    }),
  ]);

/** What a turn looks like of which the edge has not told for a while. */
export const forgetTurn = (turn, ago = '3 minutes') =>
  sql(
    `update private.chat_turns set started_at = started_at - $2::interval, seen_at = seen_at - $2::interval where id = $1`,
    [turn, ago],
  );

export const messagesOf = (conversation) =>
  sql(
    'select id, role, content, token_count::int, model_used, latency_ms::int, metadata from assistant.messages where conversation_id = $1 order by created_at, id',
    [conversation],
  );

export const turnOf = async (turn) => (await sql('select * from private.chat_turns where id = $1', [turn]))[0];

/** The usage event of a turn. */
export const eventOf = async (turn) =>
  (
    await sql(
      `select user_id, provider, model, prompt_tokens::int as prompt, completion_tokens::int as completion, is_estimated, source
       from private.usage_events where event_id = $1`,
      [`chat ${turn}`],
    )
  )[0];
