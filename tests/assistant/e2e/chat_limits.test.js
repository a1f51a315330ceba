// The chat at its limits: providers that send too much or what is no answer, clients that read nothing, and the forms that a client may
// ask for. The providers here break OpenAI's API; those that follow it are in ../support/provider.js.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { startEdge } from '../../support/edge.js';
import { assertHealthy } from '../../support/health_assert.js';
import { close, sql } from '../../support/stack.js';
import { chat, company, conversationOf, messagesOf, send, settled, storedAnswer } from '../support/chat_edge.js';
import { USAGE } from '../support/provider.js';
import { forget } from '../support/world.js';

const PATIENCE_MS = 1500;
const chunk = (content, finish_reason = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: content === undefined ? {} : { content }, finish_reason }] })}\n\n`;
const STOP = chunk(undefined, 'stop');
const STREAM = { 'content-type': 'text/event-stream' };
const whole =
  (text, headers = STREAM, status = 200) =>
  (answer) =>
    answer.writeHead(status, headers).end(text);

/** Writes the same piece until the connection ends. */
const endless = (piece) => async (answer) => {
  answer.writeHead(200, STREAM);
  const gone = once(answer, 'close');
  while (!answer.closed && !answer.destroyed)
    if (!answer.write(piece)) await Promise.race([once(answer, 'drain'), gone]);
};

/** What is answered, by question. */
const ANSWERS = {
  'a large chunk': whole(chunk('x'.repeat(150_000)) + STOP),
  'an endless answer': endless(chunk('y'.repeat(50_000))),
  'an endless line': endless(`data: ${'z'.repeat(100_000)}`),
  'an endless event': endless(`data: ${'z'.repeat(100_000)}\n`),
  gzip: whole(gzipSync(chunk('unzipped') + STOP), { ...STREAM, 'content-encoding': 'gzip' }),
  'a page': whole('<html><body>Sign in</body></html>', { 'content-type': 'text/html' }),
  nothing: whole(''),
  'no content': whole(undefined, {}, 204),
  'JSON that is no answer': whole('{"status": "ok"}', { 'content-type': 'application/json' }),
  'it stays open': (answer) => answer.writeHead(200, STREAM).write(chunk('all') + STOP),
  // Of tokens that become more than the connection to the client holds.
  'a long answer': async (answer) => {
    answer.writeHead(200, STREAM);
    for (let n = 0; n < 600; n += 1) if (!answer.write(chunk('w').repeat(100))) await once(answer, 'drain');
    answer.end(`${STOP}data: ${JSON.stringify({ choices: [], usage: USAGE })}\n\n`);
  },
};

let server;
let edge;
const tenants = [];
before(async () => {
  server = createServer(async (asked, answer) => {
    const parts = [];
    for await (const part of asked) parts.push(part);
    const { messages } = JSON.parse(Buffer.concat(parts));
    answer.on('error', () => {});
    const given = ANSWERS[messages.at(-1).content] ?? whole(chunk('yes') + STOP);
    await given(answer);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  edge = await startEdge({
    LLM_PROVIDER_URLS: `openai=http://127.0.0.1:${server.address().port}/v1`,
    LIMITS: JSON.stringify({ caller_connections: 0, upload_ms: PATIENCE_MS }),
  });
});
after(async () => {
  try {
    if (edge) await assertHealthy(edge);
  } finally {
    await edge?.stop();
    server?.closeAllConnections();
    server?.close();
    await forget(...tenants);
    await close();
  }
});
const member = async () => {
  const one = await company();
  tenants.push(one.tenant);
  return one;
};

test('a large chunk, a compressed answer and one whose stream stays open are whole', async () => {
  for (const [message, text] of [
    ['a large chunk', 'x'.repeat(150_000)],
    ['gzip', 'unzipped'],
    ['it stays open', 'all'],
  ]) {
    const { tenant, token } = await member();
    const answer = await chat(edge, token, { message });
    assert.deepEqual([answer.status, answer.text, answer.finish, answer.done], [200, text, 'stop', true], message);
    assert.deepEqual((await storedAnswer(tenant)).content, text);
    assert.equal(answer.rowgate.end, 'whole');
  }
});

test('an endless answer is cut, stored as far as a message goes, and counted', async () => {
  const { tenant, token } = await member();
  const answer = await chat(edge, token, { message: 'an endless answer' });
  assert.deepEqual([answer.status, answer.error.code, answer.rowgate.end, answer.done], [200, 'RG412', 'cut', true]);
  assert.ok(answer.text.length > 1_000_000 && answer.text.length < 2_000_000, `${answer.text.length}`);
  const stored = await storedAnswer(tenant);
  assert.equal(stored.content, answer.text.slice(0, 200_000));
  assert.ok((await settled(tenant))[0].completion > 300_000);
});

test('what is no answer is 502, or an error in the stream, and costs nothing', async () => {
  const messages = ['an endless line', 'an endless event', 'a page', 'nothing', 'no content', 'JSON that is no answer'];
  for (const message of messages) {
    const { tenant, token } = await member();
    const { status, body, error } = await chat(edge, token, { message });
    // What comes without a pause is read in turns: by its limit the head of the answer has been sent.
    const expected = message.startsWith('an endless') ? 200 : 502;
    const { code, message: text, details = text } = body ?? error;
    assert.deepEqual([status, code], [expected, 'RG412'], message);
    assert.match(details, /What it sent is no answer$/, message);
    assert.deepEqual(await sql('select 1 from private.usage_events where tenant_id = $1', [tenant.id]), [], message);
    const { id } = await conversationOf(tenant);
    assert.deepEqual(
      (await messagesOf(id)).map(({ role }) => role),
      ['user'],
    );
  }
});

test('a client that reads nothing has gone: the provider is read to its end, and what was said is stored', async () => {
  const { tenant, token } = await member();
  const body = JSON.stringify({ message: 'a long answer' });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const sent = request(`${edge.url}/v1/chat`, { method: 'POST', agent: false, headers });
  sent.on('error', () => {});
  sent.end(body);
  const [answer] = await once(sent, 'response');
  answer.on('error', () => {}).pause();
  const [used] = await settled(tenant);
  assert.deepEqual([used.is_estimated, used.completion], [false, USAGE.completion_tokens]);
  const stored = await storedAnswer(tenant);
  assert.equal(stored.metadata.end, 'hung_up');
  sent.destroy();
});

test('the form is what the request asks for, and a form that there is not begins nothing', async () => {
  const { tenant, token } = await member();
  const form = async (path, headers) => {
    const answer = await send(edge, token, { message: 'yes?' }, { path, headers });
    const text = await answer.text();
    if (answer.headers.has('x-vercel-ai-ui-message-stream')) return 'ui';
    return text.includes('chat.completion.chunk') ? 'openai' : JSON.parse(text).end && 'json';
  };
  const ui = { 'x-vercel-ai-ui-message-stream': 'v1' };
  for (const [path, headers, wanted] of [
    ['/v1/chat', {}, 'openai'],
    ['/v1/chat', { accept: 'text/event-stream' }, 'openai'],
    ['/v1/chat', { accept: 'application/json' }, 'json'],
    ['/v1/chat', { accept: 'application/json, text/event-stream' }, 'openai'],
    ['/v1/chat', ui, 'ui'],
    ['/v1/chat', { ...ui, accept: 'application/json' }, 'ui'],
    ['/v1/chat?format=ui', { accept: 'application/json' }, 'ui'],
    ['/v1/chat?format=openai', ui, 'openai'],
    ['/v1/chat?format=json', ui, 'json'],
  ])
    assert.equal(await form(path, headers), wanted, `${path} ${JSON.stringify(headers)}`);
  const begun = await sql('select id from private.chat_turns where tenant_id = $1', [tenant.id]);
  const refused = await chat(edge, token, { message: 'yes?' }, { path: '/v1/chat?format=xml' });
  assert.deepEqual([refused.status, refused.body.code], [400, 'RG325']);
  assert.match(refused.body.details, /ui, openai or json/);
  assert.deepEqual(await sql('select id from private.chat_turns where tenant_id = $1', [tenant.id]), begun);
});

test('no text and no token is in the log', () => {
  const log = readFileSync(edge.part.logFile, 'utf8');
  for (const word of ['yes?', 'unzipped', 'Sign in', 'eyJ']) assert.ok(!log.includes(word), word);
});
