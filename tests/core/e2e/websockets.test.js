// WebSockets to the realtime service: who may open one, and what passes. A small server stands in the service's place; it speaks
// Phoenix's messages as far as they are read here (https://supabase.com/docs/guides/realtime/protocol).
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import WebSocket from 'ws';
import { token } from '../../../dev/issuer.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, made, stack, userToken } from '../../support/stack.js';
import { startService } from '../support/services.js';

const SITE = 'https://www.example.org';
const PROJECT_KEY = 'sb_publishable_0123456789abcdef';
let service;
let edge;

/** Random, so that compression makes it no shorter. It begins like a broadcast, which is no text. */
const LONG_MESSAGE = Buffer.from([3, ...randomBytes(60_000)]);
/** Sends so many long messages, each after the last one has left. */
const sendMany = (socket, count) => {
  if (count > 0) socket.send(LONG_MESSAGE, (error) => !error && sendMany(socket, count - 1));
};

before(async () => {
  // It says back what it hears.
  const socket = (each) => {
    each.on('message', (data, isBinary) => {
      if (!isBinary && `${data}` === 'leave') each.close(4001, 'left');
      else if (!isBinary && `${data}` === 'read no more') each.pause();
      else if (!isBinary && `${data}`.startsWith('send ')) sendMany(each, Number(`${data}`.slice(5)));
      else each.send(data, { binary: isBinary });
    });
  };
  service = await startService({ socket, answer: (response) => response.writeHead(403).end('no') });
  edge = await startEdge({ REALTIME_URL: service.url, SUPABASE_PUBLISHABLE_KEY: PROJECT_KEY, ALLOWED_ORIGINS: SITE });
});
after(async () => {
  await edge?.stop();
  await service?.stop();
  await close();
});

const serviceToken = () => token(made, { issuer: stack.issuer, role: 'service_role' });

/** Opens one; gives it once it is open, or the status of the refusal and its body. */
const open = (query, headers = {}) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`${edge.url.replace('http', 'ws')}/realtime/v1/websocket?${query}`, { headers });
    socket.on('open', () => resolve({ socket }));
    socket.on('unexpected-response', async (_, response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, text, code: text.startsWith('{') ? JSON.parse(text).code : undefined });
    });
    socket.on('error', reject);
  });

const heard = async (socket, sent) => {
  const next = once(socket, 'message');
  socket.send(sent);
  const [data, isBinary] = await next;
  return isBinary ? data : `${data}`;
};

const join = (access_token) => JSON.stringify(['1', '1', 'realtime:room', 'phx_join', { config: {}, access_token }]);

test('a WebSocket opens with the project’s key, and messages pass both ways', async () => {
  const { socket } = await open(`apikey=${made.publishable_key}&vsn=2.0.0&other=1`, { origin: SITE });
  assert.equal(service.last().url, `/websocket?vsn=2.0.0&apikey=${PROJECT_KEY}`);
  assert.equal(service.last().headers.origin, undefined);
  const heartbeat = JSON.stringify([null, '2', 'phoenix', 'heartbeat', {}]);
  assert.equal(await heard(socket, heartbeat), heartbeat);
  const user = join(await userToken());
  assert.equal(await heard(socket, user), user);
  const bytes = Buffer.from([3, 0, 255, 7]);
  assert.ok((await heard(socket, bytes)).equals(bytes));
  assert.equal((await heard(socket, Buffer.alloc(0))).length, 0);
  assert.equal(
    await heard(socket, Buffer.from(heartbeat)),
    heartbeat,
    'a text that is sent as bytes goes on as a text',
  );
  // A page that knows the edge's own key has it in the place of a token while nobody is signed in.
  assert.deepEqual(JSON.parse(await heard(socket, join(made.publishable_key))), JSON.parse(join(PROJECT_KEY)));
  const closed = once(socket, 'close');
  socket.send('leave');
  const [code, reason] = await closed;
  assert.deepEqual([code, `${reason}`], [4001, 'left'], 'the service closes with its own code');
});

test('who hangs up is gone at the service', async () => {
  const arrived = new Promise((resolve) => service.sockets.once('connection', resolve));
  const { socket } = await open(`apikey=${PROJECT_KEY}`, { origin: SITE });
  const closed = once(await arrived, 'close');
  socket.close(1000, 'bye');
  const [code] = await closed;
  assert.equal(code, 1000);
});

test('without a key, by another site, or without an upgrade there is none', async () => {
  const there = service.received.length;
  const refusals = [
    [await open('vsn=2.0.0'), 401, 'RG207'],
    [await open('apikey=rgpub_aaaaaaaaaaaaaaaaaaaa'), 401, 'RG208'],
    [await open(`apikey=${PROJECT_KEY}`, { origin: 'https://other.example' }), 403, 'RG220'],
    [await open(`apikey=${PROJECT_KEY}`, { origin: 'null' }), 403, 'RG220'],
    [await open(`apikey=${await serviceToken()}`, { origin: SITE }), 403, 'RG209'],
  ];
  for (const [refused, status, code] of refusals) assert.deepEqual([refused.status, refused.code], [status, code]);
  const plain = await ask('/realtime/v1/websocket', { base: edge.url, key: PROJECT_KEY });
  assert.deepEqual([plain.status, plain.body.code], [426, 'RG104']);
  assert.equal(service.received.length, there);
});

test('a back-office token in a message closes the WebSocket of a page, and passes from a server', async () => {
  const secret = await serviceToken();
  const escaped = join(secret).replace('access', '\\u0061ccess');
  const old = JSON.stringify({
    topic: 'realtime:a',
    event: 'access_token',
    payload: { access_token: secret },
    ref: '1',
  });
  const older = join(secret).replace('access_token', 'user_token');
  // Version 1.0.0 of the protocol decodes bytes as text: https://github.com/phoenixframework/phoenix, v1_json_serializer.ex.
  const bytes = [old, ` \n${old}`, escaped].map((text) => Buffer.from(text));
  for (const message of [join(secret), escaped, old, older, join('sb_secret_0123456789'), ...bytes]) {
    const { socket } = await open(`apikey=${PROJECT_KEY}`, { origin: SITE });
    const closed = once(socket, 'close', { signal: AbortSignal.timeout(10_000) });
    let echoed = 0;
    socket.on('message', () => {
      echoed += 1;
    });
    socket.send(message);
    const [code, reason] = await closed;
    assert.deepEqual([code, `${reason}`, echoed], [1008, 'RG209', 0], `${message}`.slice(0, 60));
  }
  // In fragments it is the same message.
  const { socket: inParts } = await open(`apikey=${PROJECT_KEY}`, { origin: SITE });
  const over = once(inParts, 'close', { signal: AbortSignal.timeout(10_000) });
  const middle = old.indexOf('access_token":') + 4;
  inParts.send(old.slice(0, middle), { fin: false });
  inParts.send(old.slice(middle), { fin: true });
  assert.equal((await over)[0], 1008);
  const { socket } = await open(`apikey=${secret}`);
  assert.equal(service.last().url, `/websocket?apikey=${secret}`);
  assert.equal(await heard(socket, join(secret)), join(secret));
  socket.close();
});

test('many messages keep their order, and a long one passes whole', async () => {
  const { socket } = await open(`apikey=${PROJECT_KEY}`, { origin: SITE });
  const got = [];
  const all = new Promise((resolve) => {
    socket.on('message', (data) => {
      got.push(`${data}`);
      if (got.length === 201) resolve();
    });
  });
  const sent = Array.from({ length: 200 }, (_, n) => `["1","${n}","t","e",${n % 2 ? '{"access_token":"x"}' : '{}'}]`);
  sent.push(`["1","1","t","e",{"text":"${'x'.repeat(500_000)}"}]`);
  for (const each of sent) socket.send(each);
  await all;
  assert.deepEqual(got, sent);
  socket.close();
});

test('a service that reads no more loses the WebSocket of a page that goes on sending', async () => {
  const { socket } = await open(`apikey=${PROJECT_KEY}`, { origin: SITE });
  const closed = once(socket, 'close', { signal: AbortSignal.timeout(20_000) });
  socket.send('read no more');
  sendMany(socket, 1000);
  const [code, reason] = await closed;
  assert.deepEqual([code, `${reason}`], [1013, 'slow']);
});

test('a page that does not read what it is sent loses its WebSocket, and one that reads gets all', async () => {
  const arrived = new Promise((resolve) => service.sockets.once('connection', resolve));
  const { socket: silent } = await open(`apikey=${PROJECT_KEY}`, { origin: SITE });
  const closed = once(await arrived, 'close', { signal: AbortSignal.timeout(20_000) });
  silent.send('send 1000');
  silent.pause();
  const [code, reason] = await closed;
  assert.deepEqual([code, `${reason}`], [1013, 'slow']);
  silent.terminate();
  const { socket } = await open(`apikey=${PROJECT_KEY}`, { origin: SITE });
  let count = 0;
  const all = new Promise((resolve, reject) => {
    socket.on('close', (code) => reject(new Error(`closed by ${code} after ${count} messages`)));
    socket.on('message', () => {
      count += 1;
      if (count === 60) resolve();
    });
  });
  socket.send('send 60');
  await all;
  socket.removeAllListeners('close').close();
});
