// What happens while an answer comes: the tenant is closed, the member is deactivated, the conversation is deleted; and requests at once.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { assertHealthy } from '../../support/health_assert.js';
import { ask, close, sql } from '../../support/stack.js';
import {
  chat,
  company,
  conversationOf,
  eventsOf,
  heldQuestion,
  MODEL,
  messagesOf,
  reserved,
  send,
  settled,
  startChat,
} from '../support/chat_edge.js';
import { USAGE } from '../support/provider.js';
import { budget } from '../support/usage.js';

let provider;
let edge;
let stop;
before(async () => {
  ({ provider, edge, stop } = await startChat());
});
after(async () => {
  try {
    await assertHealthy(edge);
  } finally {
    await stop();
    await close();
  }
});

const keyed = (key) => ({ headers: { 'idempotency-key': key } });

/** A turn of which half has come: {message, key, held, rest}. `rest()` is what comes after it. */
const halfWay = async (token) => {
  const [message, key] = [heldQuestion(), randomUUID()];
  const sent = send(edge, token, { message }, keyed(key));
  const held = await provider.held(message);
  held.begin();
  held.say('one');
  const events = eventsOf(await sent);
  for (;;) {
    const { value } = await events.next();
    if (value.includes('"one"')) break;
  }
  const rest = async () => {
    held.say(' two');
    held.end();
    const all = [];
    for await (const each of events) all.push(each);
    return all;
  };
  return { message, key, rest };
};

const OUT = {
  'the tenant is closed': ({ tenant }) =>
    sql('update assistant.tenants set is_active = false where id = $1', [tenant.id]),
  'the member is deactivated': ({ member }) =>
    sql('update assistant.users set is_active = false where id = $1', [member.id]),
};
for (const [what, happen] of Object.entries(OUT)) {
  test(`${what} while an answer comes: it comes to its end and is counted, and nothing further is answered`, async () => {
    const { tenant, member, token } = await company();
    const { message, key, rest } = await halfWay(token);
    await happen({ tenant, member });
    const events = await rest();
    assert.equal(events.at(-1), '[DONE]');
    assert.ok(events.some((data) => data.includes('" two"')));
    const [used] = await settled(tenant);
    assert.deepEqual([used.prompt, used.completion], [USAGE.prompt_tokens, USAGE.completion_tokens]);
    assert.equal(await reserved(tenant), 0);
    const { id } = await conversationOf(tenant);
    assert.equal((await messagesOf(id)).at(-1).content, 'one two');
    const before_ = provider.requests.length;
    // Neither the stored answer of the turn nor another one.
    for (const answer of [
      await chat(edge, token, { message }, keyed(key)),
      await chat(edge, token, { message: 'What now?' }),
      await chat(edge, token, { message: 'And?', conversation_id: id }),
      await chat(edge, token, { messages: [{ role: 'user', content: 'x' }] }, { path: '/v1/chat/completions' }),
      await ask('/v1/models', { base: edge.url, token }),
      await ask(`/v1/models/${MODEL}`, { base: edge.url, token }),
      await ask('/v1/usage/summary', { base: edge.url, token }),
    ])
      assert.equal(answer.status, 403, JSON.stringify(answer.body));
    assert.equal(provider.requests.length, before_);
  });
}

test('the conversation is deleted while an answer comes: it comes to its end, is counted, and is stored nowhere', async () => {
  const { tenant, token } = await company();
  const { message, key, rest } = await halfWay(token);
  const { id } = await conversationOf(tenant);
  const deleted = await ask(`/rest/v1/conversations?id=eq.${id}`, {
    base: edge.url,
    token,
    method: 'DELETE',
    headers: { 'content-profile': 'assistant' },
  });
  assert.equal(deleted.status, 204, deleted.text);
  assert.equal((await rest()).at(-1), '[DONE]');
  await settled(tenant);
  assert.equal(await reserved(tenant), 0);
  assert.deepEqual(await messagesOf(id), []);
  const again = await chat(edge, token, { message }, keyed(key));
  assert.deepEqual([again.status, again.body.code], [404, 'RG686']);
});

test('twenty requests at once under one key, each with another question: one is asked and stored', async () => {
  const { tenant, token } = await company();
  const key = randomUUID();
  const before_ = provider.requests.length;
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => chat(edge, token, { message: `Question ${n} of ${key}` }, keyed(key))),
  );
  const passed = answers.filter(({ status }) => status === 200);
  assert.equal(passed.length, 1);
  // A member has three requests in the database at once.
  for (const { status, body } of answers.filter((answer) => answer.status !== 200))
    assert.ok(
      ['422 RG503', '409 RG684', '429 RG518'].includes(`${status} ${body.code}`),
      `${status} ${JSON.stringify(body)}`,
    );
  assert.equal(provider.requests.length, before_ + 1);
  await settled(tenant);
  const { id } = await conversationOf(tenant);
  assert.deepEqual(
    (await messagesOf(id)).map(({ role }) => role),
    ['user', 'assistant'],
  );
  assert.equal((await budget(tenant.id)).used, USAGE.total_tokens);
});
