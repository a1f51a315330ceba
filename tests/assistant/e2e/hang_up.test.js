// Clients of the chat that hang up: what was said is stored and what was used is settled, by the runtime's signal alone, by a write that
// fails alone, and by the database's sweeper alone. On workerd itself.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../../dev/process.js';
import { assertHealthy } from '../../support/health_assert.js';
import { close, sql } from '../../support/stack.js';
import {
  chat,
  company,
  conversationOf,
  dropOptions,
  heldQuestion,
  MODEL,
  makeOptions,
  messagesOf,
  OPTIONS_PATH,
  reserved,
  settled,
  startChat,
  storedAnswer,
  withOptions,
} from '../support/chat_edge.js';
import { USAGE } from '../support/provider.js';
import { runJob } from '../support/usage.js';

let provider;
let edge;
let stop;
before(async () => {
  await makeOptions();
  ({ provider, edge, stop } = await startChat({ manifests: withOptions() }));
});
after(async () => {
  try {
    await assertHealthy(edge);
  } finally {
    await stop();
    await dropOptions();
    await close();
  }
});

/** A client may go with a reset, which the runtime sees at once, or close its end, which shows only when something is sent to it. */
const HANG_UPS = {
  reset: (sent) => sent.socket.resetAndDestroy(),
  close: (sent) => sent.destroy(),
};

/** A request on a connection of its own, whose answer the test reads and may leave. */
const sendRaw = (path, token, body, to = edge) => {
  const text = JSON.stringify(body);
  const sent = request(to.url + path, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
      accept: 'text/event-stream',
    },
  });
  sent.on('error', () => {});
  sent.end(text);
  return sent;
};

/** A client that has the first token of an answer: {tenant, held, hangUp, until}. */
const begun = async (options = {}, { path = OPTIONS_PATH, to = edge, at = provider } = {}) => {
  const { tenant, member, token } = await company();
  const message = heldQuestion();
  const chatted = path === OPTIONS_PATH ? { request: { message }, options } : options(message);
  const sent = sendRaw(path, token, chatted, to);
  const answered = once(sent, 'response');
  const held = await at.held(message);
  held.begin();
  const [answer] = await answered;
  assert.equal(answer.statusCode, 200);
  answer.on('error', () => {});
  let text = '';
  answer.on('data', (piece) => {
    text += piece;
  });
  const until = (word) => waitFor(`the client to read ${word}`, () => text.includes(word));
  held.say('one');
  await until('one');
  return { tenant, member, token, message, held, until, answer, hangUp: (how) => HANG_UPS[how](sent) };
};

const isClosed = (held) => waitFor('the provider’s connection to be closed', () => held.record.closed);

/** Tokens go on for a while after a hang-up. */
const goOn = async (held, count = 10) => {
  for (let n = 0; n < count; n += 1) {
    await sleep(50);
    held.say(` and ${n}`);
  }
  return `one${Array.from({ length: count }, (_, n) => ` and ${n}`).join('')}`;
};

const assertStored = async (tenant, { content, end, usage }) => {
  const [used, ...others] = await settled(tenant);
  assert.deepEqual(others, []);
  const answer = await storedAnswer(tenant);
  assert.deepEqual([answer.role, answer.content, answer.metadata.end], ['assistant', content, end]);
  assert.deepEqual([used.source, used.is_estimated], ['chat', usage === undefined]);
  if (usage) assert.deepEqual([used.prompt, used.completion], [usage.prompt_tokens, usage.completion_tokens]);
  else assert.equal(used.completion, Math.ceil(Buffer.byteLength(content) / 3));
  assert.equal(await reserved(tenant), 0);
  return answer;
};

for (const how of Object.keys(HANG_UPS)) {
  for (const watch of [['signal'], ['write'], undefined]) {
    test(`a hang-up (${how}) that shows by ${watch?.[0] ?? 'either'}: the provider is read to its usage`, async () => {
      const { tenant, held, hangUp } = await begun(watch && { watch });
      hangUp(how);
      const content = await goOn(held);
      held.end();
      await assertStored(tenant, { content, end: 'hung_up', usage: USAGE });
    });
  }
}

for (const how of Object.keys(HANG_UPS)) {
  test(`a provider that does not come to its end after a hang-up (${how}) is cancelled, and its usage estimated`, async () => {
    const { tenant, held, hangUp } = await begun({ drain_ms: 600 });
    hangUp(how);
    held.say(' two');
    await isClosed(held);
    await assertStored(tenant, { content: 'one two', end: 'hung_up' });
  });
}

test('a hang-up shows while the provider says nothing', async () => {
  const { tenant, held, hangUp } = await begun({ watch: ['signal'], drain_ms: 300 });
  hangUp('reset');
  await isClosed(held);
  await assertStored(tenant, { content: 'one', end: 'hung_up' });
});

test('a client that closes after the last event has not hung up', async () => {
  for (const how of [...Object.keys(HANG_UPS), ...Object.keys(HANG_UPS)]) {
    const { tenant, held, until, hangUp } = await begun();
    held.end();
    await until('[DONE]');
    hangUp(how);
    await assertStored(tenant, { content: 'one', end: 'whole', usage: USAGE });
  }
});

test('a client that has the finish_reason and closes before the usage has come has not hung up', async () => {
  const { tenant, held, until, hangUp } = await begun();
  held.finish();
  await until('"finish_reason":"stop"');
  hangUp('reset');
  await sleep(300);
  held.finalUsage();
  await assertStored(tenant, { content: 'one', end: 'whole', usage: USAGE });
});

test('a client that hangs up before the provider’s head leaves the turn to its end', async () => {
  for (const how of Object.keys(HANG_UPS)) {
    const { tenant, token } = await company();
    const message = heldQuestion();
    const sent = sendRaw('/v1/chat', token, { message });
    const held = await provider.held(message);
    HANG_UPS[how](sent);
    await sleep(300);
    held.begin();
    held.say('one');
    const content = await goOn(held);
    held.end();
    await assertStored(tenant, { content, end: 'hung_up', usage: USAGE });
  }
});

test('a hang-up of the endpoint in OpenAI’s shape is settled, and stores no message', async () => {
  const asked = (message) => ({ model: MODEL, stream: true, messages: [{ role: 'user', content: message }] });
  const { tenant, held, hangUp } = await begun(asked, { path: '/v1/chat/completions' });
  hangUp('reset');
  await goOn(held);
  held.end();
  const [used] = await settled(tenant);
  assert.deepEqual([used.prompt, used.completion, used.is_estimated], [21, 8, false]);
  assert.deepEqual(await sql('select 1 from assistant.conversations where tenant_id = $1', [tenant.id]), []);
});

test('a retry after a hang-up gets what is stored, and costs nothing', async () => {
  const { tenant, token } = await company();
  const message = heldQuestion();
  const key = randomUUID();
  const controller = new AbortController();
  const sent = chat(edge, token, { message }, { headers: { 'idempotency-key': key }, signal: controller.signal });
  const held = await provider.held(message);
  held.begin();
  held.say('one');
  await sleep(200);
  controller.abort();
  await assert.rejects(sent);
  const content = await goOn(held);
  held.end();
  await assertStored(tenant, { content, end: 'hung_up', usage: USAGE });
  const again = await chat(edge, token, { message }, { headers: { 'idempotency-key': key } });
  assert.deepEqual([again.status, again.text, again.usage], [200, content, USAGE]);
  assert.equal(provider.asked(message).length, 1);
  assert.equal((await settled(tenant)).length, 1);
});

test('50 clients that hang up at once leave no connection and no reservation', async () => {
  const all = await Promise.all(Array.from({ length: 50 }, () => begun({ drain_ms: 500 })));
  for (const [n, { hangUp }] of all.entries()) hangUp(n % 2 ? 'reset' : 'close');
  for (const { held } of all) held.say(' more');
  for (const { tenant, held } of all) {
    await isClosed(held);
    await assertStored(tenant, { content: 'one more', end: 'hung_up' });
  }
});

/** The turn looks as if the edge had died a while ago. */
const forgotten = (tenant) =>
  sql(`update private.chat_turns set seen_at = now() - interval '10 minutes' where tenant_id = $1`, [tenant.id]);

test('the sweeper alone: an edge that dies leaves what was saved, settled by an estimate, once', async () => {
  const dying = await startChat({ manifests: withOptions() });
  try {
    const { tenant, token, held } = await begun({ watch: [], save_ms: 100 }, { to: dying.edge, at: dying.provider });
    held.say(' two');
    await waitFor('the answer to be saved', async () => {
      const [turn] = await sql('select said from private.chat_turns where tenant_id = $1', [tenant.id]);
      return turn?.said === 'one two';
    });
    process.kill(dying.edge.part.pid, 'SIGKILL');
    await isClosed(held);
    await runJob('end_lost_turns');
    assert.deepEqual(await sql('select 1 from private.usage_events where tenant_id = $1', [tenant.id]), [], 'not yet');
    await forgotten(tenant);
    for (let n = 0; n < 2; n += 1) {
      await runJob('end_lost_turns');
      await assertStored(tenant, { content: 'one two', end: 'lost' });
    }
    const { id } = await conversationOf(tenant);
    const next = await chat(edge, token, { message: 'usage last', conversation_id: id });
    assert.equal(next.status, 200);
    assert.equal((await messagesOf(id)).length, 4);
  } finally {
    await dying.edge.stop();
    await dying.provider.stop();
  }
});

test('an end that comes after the sweeper changes nothing; the client has the whole answer', async () => {
  const { tenant, held, until } = await begun({ watch: [], save_ms: 600_000 });
  await forgotten(tenant);
  await runJob('end_lost_turns');
  const before_ = await settled(tenant);
  held.say(' two');
  await until(' two');
  held.end();
  await until('[DONE]');
  await sleep(500);
  assert.deepEqual(await settled(tenant), before_);
  assert.equal(await reserved(tenant), 0);
});

test('a turn that is alive is not swept, however long it takes', async () => {
  const { tenant, held, until } = await begun({ save_ms: 100 });
  await forgotten(tenant);
  await waitFor('the turn to be seen again', async () => {
    const [turn] = await sql(
      `select seen_at > now() - interval '1 minute' as is_seen from private.chat_turns where tenant_id = $1`,
      [tenant.id],
    );
    return turn.is_seen;
  });
  await runJob('end_lost_turns');
  held.end();
  await until('[DONE]');
  await assertStored(tenant, { content: 'one', end: 'whole', usage: USAGE });
});
