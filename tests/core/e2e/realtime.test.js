// Channels through the edge with @supabase/supabase-js, unmodified, in Node: as a page of an allowed origin, and as a server. The service
// is a small server that speaks its protocol, or that of a project of your own (docs/services.md).
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, mock, test } from 'node:test';
import { token } from '../../../dev/issuer.js';
import { startEdge } from '../../support/edge.js';
import { close, made, stack, userToken } from '../../support/stack.js';
import { changes, conversation, cut, heartbeats, refused, tokens } from '../support/clients/realtime.js';
import { realtime } from '../support/phoenix.js';
import { clients, needsStandIn, startProject } from '../support/project.js';

const SITE = 'https://www.example.org';
let project;
let edge;

before(async () => {
  project = await startProject({ realtime: realtime() });
  edge = await startEdge({ ...project.variables, ALLOWED_ORIGINS: SITE });
  // Leaving, the client starts a timer of ten seconds, for which the process would wait.
  const { setTimeout } = globalThis;
  mock.method(globalThis, 'setTimeout', (...given) => setTimeout(...given).unref());
});
after(async () => {
  await edge?.stop();
  await project?.stop();
  await close();
});

const connect = (origin) => clients(edge.url, project.key, origin);

const run = (program, more = {}) =>
  program({
    connect: connect(SITE),
    control: async (what, ...given) => project.realtime[what](...given),
    room: `room ${randomUUID()}`,
    ...more,
  });

test('two clients in a room: presence, broadcasts and bytes', async () => {
  const payload = { text: 'ä 😀', list: [1, null] };
  assert.deepEqual(await run(conversation), {
    tracked: ['ok', 'ok'],
    acknowledged: 'ok',
    echo: { event: 'note', payload },
    note: { event: 'note', payload },
    reply: { event: 'reply', payload: { text: 'good' } },
    bytes: [3, 0, 255, 7],
    overHttp: { success: true },
    letters: [payload, payload],
    left: 'ok',
  });
});

test('changes of rows reach those who asked for them', needsStandIn, async () => {
  const first = { name: 'First', position: 1 };
  assert.deepEqual(await run(changes), {
    said: ['postgres_changes', 'ok', 'Subscribed to PostgreSQL'],
    inserts: [['INSERT', 'projects', first, {}]],
    kinds: [
      ['INSERT', 'Other'],
      ['INSERT', 'First'],
      ['UPDATE', 'First'],
      ['DELETE', undefined],
    ],
    last: ['DELETE', 'projects', {}, { name: 'First' }],
  });
});

test('a client joins again after its connection was cut and after its channel failed', needsStandIn, async () => {
  assert.deepEqual(await run(cut), { meanwhile: 'ok', welcome: { event: 'welcome', payload: { n: 1 } } });
});

test('heartbeats are answered, and without an answer the client opens another connection', needsStandIn, async () => {
  assert.equal(await run(heartbeats), 'ok');
});

test('tokens are renewed in a channel, and the service ends it for one that has expired', needsStandIn, async () => {
  const [good, renewed] = [await userToken(), await userToken()];
  const expired = await userToken(undefined, { ttl: -60 });
  const { message, ...seen } = await run(tokens, { good, renewed, expired });
  assert.deepEqual(seen, { atJoin: [good], later: [renewed] });
  assert.match(message, /^Token has expired \d+ seconds ago$/);
});

test('the service’s refusal reaches the client', needsStandIn, async () => {
  const refusal = await run(refused, { token: 'x.y.z' });
  assert.deepEqual(refusal, {
    status: 'CHANNEL_ERROR',
    message: 'MalformedJWT: The token provided is not a valid JWT',
  });
});

test('a back-office token opens no channel for a page, and one for a server', needsStandIn, async () => {
  const secret = await token(made, { issuer: stack.issuer, role: 'service_role' });
  const room = `room ${randomUUID()}`;
  const joined = () => project.realtime.tokens(room);
  const { status } = await run(refused, { room, token: secret });
  assert.deepEqual([status, joined()], ['CHANNEL_ERROR', []]);
  const client = connect()({ accessToken: async () => secret });
  await client.realtime.setAuth();
  await new Promise((resolve) => client.channel(room).subscribe(resolve));
  assert.deepEqual(joined(), [secret]);
  await client.removeAllChannels();
});

test('a page of another origin opens none', async () => {
  const there = project.received.length;
  const { status } = await run(refused, { connect: connect('https://other.example'), token: null });
  assert.equal(status, 'CHANNEL_ERROR');
  assert.equal(project.received.length, there);
});
