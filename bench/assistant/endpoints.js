// The calls of assistant's endpoints, for npm run bench -- scale.

import { BY_KEY } from '../scale/lists.js';
import { personCalls } from '../scale/person.js';
import { member, TENANTS, tenant } from './load.js';

/** Users at once: each is a member of a tenant of their own. The first two tenants and the last one have rows that reads are about. */
const USERS = 100;
const of = (n) => `2 + ${n}`;
const account = (n, u) => `md5('account ' || (${of(n)}) || ' ${u}')::uuid`;
/** Usage events at full size. */
const EVENTS = 1_000_000;
const SEALED = `v1${`.${'A'.repeat(40)}`.repeat(4)}`;

const invitation = (n) => `md5('invitation ' || ${n})::uuid`;
/** Open invitations; more of them where there are more rows. */
const INVITATIONS = `insert into assistant.users (id, tenant_id, email, name)
  select ${invitation('n')}, ${tenant(`2 + n % ${TENANTS - 2}`)}, 'invited' || n || '@example.org', 'Invited ' || n
  from generate_series(0, $1::int - 1) as n`;
const CONVERSATIONS = `insert into assistant.conversations (id, tenant_id, user_id, title)
  select md5('own conversation ' || n)::uuid, ${tenant(of('n'))}, ${member(of('n'), 2)}, 'Own' from generate_series(0, ${USERS - 1}) as n`;
const MESSAGES = `insert into assistant.messages (conversation_id, role, content, token_count)
  select md5('own conversation ' || n)::uuid, (array['user', 'assistant'])[1 + k % 2], repeat('some words ', 20), 50
  from generate_series(0, ${USERS - 1}) as n, generate_series(1, 20) as k`;
const USAGE = `insert into private.usage_events (
    tenant_id, event_id, user_id, at, day, provider, model, prompt_tokens, completion_tokens, cost_micro, source, payload_hash)
  select ${tenant(`n % ${TENANTS}`)}, 'request ' || n, ${member(`n % ${TENANTS}`, 2)}, t.at, t.at::date, 'openai', 'gpt-5-mini', 900, 210, 645, 'request',
    sha256(n::text::bytea)
  from generate_series(1, $1::int) as n, lateral (select now() - interval '2 days' - n * interval '365 days' / $1::int as at) as t`;
const PRICE = `insert into private.model_prices (provider, model, effective_from, input_micro, output_micro)
  values ('openai', 'gpt-5-mini', '2025-01-01', 250000, 2000000) on conflict do nothing`;

/** Turns of two days at full size; and one of each user that goes on, in a conversation of its own. */
const TURNS = 100_000;
const open = (n) => `md5('open turn ' || ${n})::uuid`;
const ENDED = `insert into private.chat_turns (
    id, tenant_id, provider, model, prompt_estimate, started_at, seen_at, ended_at, ending, has_answer, prompt_tokens, completion_tokens, is_estimated)
  select md5('turn ' || n)::uuid, ${tenant(`n % ${TENANTS}`)}, 'openai', 'gpt-5-mini', 900, t.at, t.at, t.at, 'whole', false, 900, 210, false
  from generate_series(1, $1::int) as n, lateral (select now() - n * interval '2 days' / $1::int as at) as t`;
const OPEN = [
  `insert into assistant.conversations (id, tenant_id, user_id, title)
   select md5('open conversation ' || n)::uuid, ${tenant(of('n'))}, ${member(of('n'), 2)}, 'Open' from generate_series(0, ${USERS - 1}) as n`,
  `insert into private.chat_turns (id, tenant_id, user_id, conversation_id, question_id, answer_id, provider, model, prompt_estimate, seen_at)
   select ${open('n')}, ${tenant(of('n'))}, ${member(of('n'), 2)}, md5('open conversation ' || n)::uuid, gen_random_uuid(), gen_random_uuid(),
     'openai', 'gpt-5-mini', 900, now()
   from generate_series(0, ${USERS - 1}) as n`,
];

export const load = async ({ sql, size, say }) => {
  await sql('set session_replication_role = replica');
  await sql(ENDED, [Math.ceil(TURNS * size)]);
  for (const statement of OPEN) await sql(statement);
  await sql(INVITATIONS, [Math.max(USERS, Math.ceil(100_000 * size))]);
  await sql(CONVERSATIONS);
  await sql(MESSAGES);
  await sql(USAGE, [Math.ceil(EVENTS * size)]);
  await sql(PRICE);
  await sql('set session_replication_role = default');
  // The load of tenants passed over the trigger that makes their budgets.
  await sql(
    `select private.set_budget('assistant.tokens', t.id, 'day', t.daily_token_limit, private.tenant_zone(t.id)) from assistant.tenants as t`,
  );
  for (const table of ['assistant.users', 'private.usage_events', 'private.chat_turns'])
    await sql(`vacuum analyze ${table}`);
  say('invitations and usage events');
};

const someone = { sub: (n) => account(n, 2) };
const admin = { sub: (n) => account(n, 1) };
const server = { role: 'service_role' };
const invited = {
  sub: (n) => `md5('invited account ' || ${n})::uuid`,
  email: 'invited{n}@example.org',
  email_verified: true,
};

const numbered = (value) => (n) => `replace('${JSON.stringify(value)}', '{n}', (${n})::text)::jsonb`;
const own = (n) => `'conversation_id', md5('own conversation ' || ${n})::uuid`;

/** Ten events of a tenant. */
const events = (
  n,
) => `events => (select jsonb_agg(jsonb_build_object('event_id', 'new ' || k, 'tenant_id', ${tenant(of(n))}, 'user_id',
  ${member(of(n), 2)}, 'at', now(), 'provider', 'openai', 'model', 'gpt-5-mini', 'prompt_tokens', 1200, 'completion_tokens', 300))
  from generate_series(1, 10) as k)`;

const LOCKED = 'A tenant’s row is found by its key, and locked: each caller is of another tenant.';

export const endpoints = () => ({
  'POST /v1/admin/tenants': {
    caller: server,
    with: (n) =>
      `tenant => ${numbered({ name: 'New', slug: 'new-{n}', llm_provider: 'openai', llm_model: 'gpt-5-mini', owner_email: 'owner{n}@example.org' })(n)}`,
    holds: `answer ->> 'owner_id' is not null`,
    why: 'A tenant and its owner’s invitation are added.',
  },
  'PATCH /v1/admin/tenants/{id}': {
    caller: server,
    with: (n) => `tenant => ${tenant(of(n))}, changes => '{"max_tokens": 900}'`,
    holds: `answer ->> 'llm_model' = 'gpt-5-mini'`,
    why: BY_KEY,
  },
  'POST /v1/admin/tenants/{id}/members': {
    caller: admin,
    with: (n) => `tenant => ${tenant(of(n))}, email => 'new' || ${n} || '@example.org'`,
    holds: `answer ->> 'status' = 'invited'`,
    why: LOCKED,
    grows: 'It counts the tenant’s open invitations, of which there are at most 500.',
    times: 3,
  },
  'PATCH /v1/admin/members/{id}': {
    caller: admin,
    with: (n) => `member => ${member(of(n), 3)}, role => 'admin'`,
    holds: `answer ->> 'role' = 'admin'`,
    why: LOCKED,
  },
  'GET /v1/members/invitations': {
    caller: invited,
    holds: `jsonb_array_length(answer -> 'invitations') = 1`,
    why: 'Invitations are found by the caller’s address.',
  },
  'POST /v1/members/invitations/{id}/join': {
    caller: invited,
    with: (n) => `id => ${invitation(n)}`,
    holds: `answer ->> 'role' = 'member'`,
    why: LOCKED,
  },
  'POST /v1/members/leave': { caller: someone, holds: `answer ->> 'status' = 'left'`, why: LOCKED },
  'PUT /v1/admin/tenants/{id}/provider-key': {
    caller: admin,
    with: (n) => `tenant => ${tenant(of(n))}, sealed => '${SEALED}', key_version => 1, last_four => 'abcd'`,
    holds: `answer ->> 'last_four' = 'abcd'`,
    why: BY_KEY,
  },
  'DELETE /v1/admin/tenants/{id}/provider-key': {
    caller: admin,
    with: (n) => `tenant => ${tenant(of(n))}`,
    holds: `answer ->> 'status' = 'removed'`,
    why: BY_KEY,
  },
  'POST /v1/usage/events': {
    caller: server,
    with: events,
    holds: `(answer ->> 'accepted')::int = 10`,
    why: 'Ten rows are added, each after its id was looked up by the index of its tenant.',
  },
  'GET /v1/usage/summary': { reads: ['usage of a month, of a tenant', 'usage of a month, of a member'] },
  'POST /v1/chat': {
    caller: someone,
    with: (n) => `request => jsonb_build_object('message', 'What is a monad?', ${own(n)})`,
    holds: `answer ->> 'turn' is not null`,
    why: 'The conversation’s last messages are read by their index, and the tenant’s budget is reserved: each caller is of another tenant.',
  },
  'POST /v1/chat/completions': {
    caller: someone,
    with: `request => '{"model": "gpt-5-mini", "messages": [{"role": "user", "content": "What is a monad?"}]}'`,
    holds: `answer ->> 'turn' is not null`,
    why: 'The tenant’s budget is reserved: each caller is of another tenant.',
  },
  'GET /v1/models': { reads: ['the tenant’s language model'] },
  'GET /v1/models/{model}': {
    caller: someone,
    with: `model => 'gpt-5-mini'`,
    holds: `answer ->> 'id' = 'gpt-5-mini'`,
    why: BY_KEY,
  },
});

export const writes = () => ({
  'a conversation is begun': {
    caller: someone,
    write: () => `insert into assistant.conversations (title) values ('New')`,
    why: 'A row is added to the table and its indexes.',
  },
  'a conversation is renamed': {
    caller: someone,
    write: (n) =>
      `update assistant.conversations set title = 'Renamed' where id = md5('own conversation ' || ${n})::uuid`,
    why: BY_KEY,
  },
  'a message is added': {
    caller: someone,
    write: (n) =>
      `insert into assistant.messages (conversation_id, content) values (md5('own conversation ' || ${n})::uuid, 'A question')`,
    why: 'The conversation is found by its key, and a row is added to the table and its indexes.',
  },
  'an answer is rated, or rated anew': {
    caller: someone,
    write: (n) => `insert into assistant.feedback (message_id, user_id, rating)
      select m.id, ${member(of(n), 2)}, 1 from assistant.messages as m where m.conversation_id = md5('own conversation ' || ${n})::uuid
      and m.role = 'assistant' order by m.created_at desc, m.id desc limit 1
      on conflict (message_id, user_id) do update set rating = excluded.rating`,
    why: 'The message is found by its index, and a rating by its key.',
  },
});

const SUMMARY =
  '`npm run bench -- assistant --part summaries` measures how it is read, beside the job that refreshes it.';

export const functions = () => ({
  'assistant.monthly_usage_summary': SUMMARY,
  'assistant.message_feedback_summary': SUMMARY,
  ...personCalls({
    email: (n) => `'member-2@tenant-' || ${of(n)} || '.example.org'`,
    table: 'assistant.conversations',
    grows: 'A member has a ten-thousandth of all conversations and messages.',
  }),
});

export const steps = () => ({
  'edge.save_chat': {
    with: (n) => `turn => ${open(n)}, content => repeat('some words ', 500)`,
    holds: `answer = 'true'`,
    why: 'The turn is found by its key.',
  },
  'edge.end_chat': {
    with: (n) =>
      `turn => ${open(n)}, outcome => '{"end": "whole", "content": "A monad is a monoid.", "prompt_tokens": 900, "completion_tokens": 210, "model": "gpt-5-mini"}'`,
    holds: `(answer ->> 'is_new')::boolean`,
    why: 'The turn is found by its key; its answer, its usage and the sums of the tenant’s day are written: each caller is of another tenant.',
  },
});
