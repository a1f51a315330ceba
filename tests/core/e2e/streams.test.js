// Bodies: streamed both ways without a copy, held to their limits, and each delay blamed on who causes it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../../dev/process.js';
import { startEdge } from '../../support/edge.js';
import { drop, make } from '../../support/fixtures.js';
import { ask, close, freshEmail, made, sql, stack, userToken } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';

const KB = 1024;
const MB = 1024 * KB;

let edge;
let patient;
let proxy;
let token;
const sub = randomUUID();

before(async () => {
  await make(
    `create function sample.test_megabytes(count int) returns text language sql stable
       as $$ select repeat('0123456789abcdef', count * 65536) $$;
     create function sample.test_length(text) returns int language sql stable as 'select length($1)';
     grant execute on function sample.test_megabytes(int), sample.test_length(text) to authenticated`,
    '/rpc/test_megabytes?count=0',
  );
  proxy = await startProxy(new URL(stack.postgrest_url).port);
  patient = await startEdge();
  edge = await startEdge({
    POSTGREST_URL: proxy.url,
    LIMITS: JSON.stringify({ deadline_ms: 1500, upload_ms: 3000 }),
  });
  token = await userToken(sub);
});
after(async () => {
  await edge?.stop();
  await patient?.stop();
  await proxy?.close();
  await drop('drop function sample.test_megabytes(int), sample.test_length(text)');
  await close();
});

const through = (path, options) => ask(path, { base: edge.url, token, ...options });

/** Sends a request in pieces over a socket of its own: a list of texts and pauses in ms. Gives the status, or none. */
const pieces = (head, parts, { end = false, headers = {}, bearer = token } = {}) =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(edge.url);
    const socket = connect(Number(port), hostname, async () => {
      const lines = [head, `Host: ${hostname}`, `Authorization: Bearer ${bearer}`, 'Content-Type: application/json'];
      for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
      socket.write(`${[...lines, 'Connection: close', '', ''].join('\r\n')}`);
      for (const part of parts) {
        if (typeof part === 'number') await sleep(part);
        else if (!socket.destroyed) socket.write(part);
      }
      if (end) socket.destroy();
    });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve({ status: Number(text.split(' ')[1]) || undefined, text }));
  });

const chunked = (text) => `${text.length.toString(16)}\r\n${text}\r\n`;

test('a read of 50 MB passes through at flat memory', async () => {
  const read = async () => {
    const response = await fetch(`${patient.url}/rest/v1/rpc/test_megabytes?count=50`, {
      headers: { authorization: `Bearer ${token}` },
    });
    assert.equal(response.status, 200);
    let length = 0;
    let most = 0;
    for await (const chunk of response.body) {
      length += chunk.length;
      most = Math.max(most, patient.megabytes());
    }
    assert.equal(length, 50 * MB + 2, 'all of it, in quotes');
    return most;
  };
  const three = async () => Math.max(...(await Promise.all([read(), read(), read()])));
  // Pieces of an answer that is counted are V8's to free, and it lets some 64 MB of them come together.
  const before = await three();
  const most = await three();
  assert.ok(most - before < 30, `${before} MB, then ${most} MB, for 150 MB of answers`);
});

test('writes of 900 KB pass through at flat memory, with and without a declared length', async () => {
  const text = 'x'.repeat(900 * KB);
  const write = async (body) => {
    const answer = await through('/rest/v1/rpc/test_length', {
      base: patient.url,
      method: 'POST',
      body,
      duplex: 'half',
      headers: { 'content-type': 'text/plain' },
    });
    assert.deepEqual([answer.status, answer.text], [200, `${text.length}`]);
  };
  const stream = () => new Blob([text]).stream();
  const round = () => Promise.all(Array.from({ length: 20 }, (_, n) => write(n % 2 ? text : stream())));
  // The runtime's allocator keeps what its threads have freed, and has settled after some 500 MB.
  for (let n = 0; n < 30; n++) await round();
  const before = patient.megabytes();
  let most = before;
  for (let n = 0; n < 30; n++) {
    await round();
    most = Math.max(most, patient.megabytes());
  }
  assert.ok(most - before < 60, `${before} MB, then ${most} MB, for 540 MB of bodies`);
});

test('a body over the limit is 413 and writes nothing, however it is sent', async () => {
  const name = randomUUID();
  const large = JSON.stringify({ name, description: 'x'.repeat(MB) });
  const declared = await through('/rest/v1/projects', { json: JSON.parse(large) });
  const streamed = await through('/rest/v1/projects', {
    method: 'POST',
    body: new Blob([large]).stream(),
    duplex: 'half',
    headers: { 'content-type': 'application/json' },
  });
  for (const answer of [declared, streamed]) {
    assert.deepEqual([answer.status, answer.body?.code], [413, 'RG302'], answer.text);
  }
  // A whole document within the limit, and then more.
  const parts = [chunked(JSON.stringify({ name })), chunked(' '.repeat(MB)), '0\r\n\r\n'];
  const padded = await pieces('POST /rest/v1/projects HTTP/1.1', parts, {
    headers: { 'Transfer-Encoding': 'chunked' },
  });
  assert.equal(padded.status, 413, padded.text.slice(0, 300));
  assert.deepEqual(await sql('select 1 from sample.projects where name = $1', [name]), []);
  const small = await pieces('POST /rest/v1/projects HTTP/1.1', [chunked(JSON.stringify({ name })), '0\r\n\r\n'], {
    headers: { 'Transfer-Encoding': 'chunked' },
  });
  assert.equal(small.status, 201, small.text);
});

test('a body that is shorter than it says writes nothing', async () => {
  const name = randomUUID();
  const body = JSON.stringify({ name });
  const head = 'POST /rest/v1/projects HTTP/1.1';
  await pieces(head, [body, 300], { end: true, headers: { 'Content-Length': body.length + 10 } });
  await pieces(head, [chunked(body), 300], { end: true, headers: { 'Transfer-Encoding': 'chunked' } });
  // workerd answers what is no number itself.
  for (const value of ['x', '-1', '1, 2', '99999999999999999999']) {
    const answer = await pieces(head, [body], { headers: { 'Content-Length': value } });
    assert.ok(answer.status >= 400, `${value}: ${answer.text.slice(0, 100)}`);
  }
  await sleep(500);
  assert.deepEqual(await sql('select 1 from sample.projects where name = $1', [name]), []);
  assert.equal((await through('/rest/v1/projects?limit=1')).status, 200, 'and the edge goes on');
  const failures = edge.log().filter(({ event }) => event === 'fetch_failed');
  assert.deepEqual(failures, [], 'nobody says that the database cannot be reached');
});

test('a refused body does not break the connection for the next request', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const { hostname, port } = new URL(edge.url);
  const send = (method, path, body, bearer) =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' };
      const sent = request({ agent, hostname, port, method, path, headers }, (answer) => {
        answer.resume();
        answer.on('end', () => resolve([answer.statusCode, sent.reusedSocket]));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  const body = 'x'.repeat(1.2 * MB);
  try {
    assert.equal((await send('GET', '/healthz', undefined, token))[0], 200);
    for (const [path, bearer, status] of [
      ['/rest/v1/projects', token, 413],
      ['/v1/entries', token, 413],
      ['/rest/v1/projects', `${token.slice(0, -4)}AAAA`, 401],
      ['/nothing', token, 404],
    ]) {
      assert.deepEqual(await send('POST', path, body, bearer), [status, true], path);
      assert.deepEqual(await send('GET', '/healthz', undefined, token), [200, true], `after ${path}`);
    }
  } finally {
    agent.destroy();
  }
});

test('bodies of unknown length cannot fill the isolate', async () => {
  const part = 'x'.repeat(900 * KB);
  const statuses = await Promise.all(
    Array.from({ length: 30 }, async () =>
      pieces('POST /rest/v1/projects HTTP/1.1', [chunked(part), 1500, '0\r\n\r\n'], {
        headers: { 'Transfer-Encoding': 'chunked' },
        bearer: await userToken(),
      }),
    ),
  );
  const busy = statuses.filter(({ status }) => status === 503);
  assert.ok(busy.length > 5 && busy.length < 30, `${statuses.map(({ status }) => status)}`);
  assert.ok(busy.every(({ text }) => text.includes('RG314') && /retry-after: \d/i.test(text)));
  const later = await through('/rest/v1/projects', {
    method: 'POST',
    body: new Blob([JSON.stringify({ name: randomUUID() })]).stream(),
    duplex: 'half',
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(later.status, 201, 'and they are free again');
});

test('a slow client has its own time; the database’s begins when the body is there', async () => {
  const body = JSON.stringify({ name: randomUUID() });
  const [head, headers] = ['POST /rest/v1/projects HTTP/1.1', { 'Content-Length': body.length }];
  const patient = await pieces(head, [body.slice(0, 5), 2000, body.slice(5)], { headers });
  assert.equal(patient.status, 201, 'longer than the deadline of 1.5 s, within the 3 s for uploads');
  for (const [parts, how] of [
    [[body.slice(0, 5), 4000], headers],
    [[chunked(body.slice(0, 5)), 4000], { 'Transfer-Encoding': 'chunked' }],
  ]) {
    const late = await pieces(head, parts, { headers: how });
    assert.equal(late.status, 408, late.text);
    assert.match(late.text, /RG310/);
  }
  proxy.delay = 5000;
  try {
    const slow = await through('/rest/v1/projects', { json: { name: randomUUID() } });
    assert.deepEqual([slow.status, slow.body.code], [504, 'RG402'], 'the database’s own slowness');
  } finally {
    proxy.delay = 0;
  }
});

test('an answer may take longer to be read than the deadline', async () => {
  const response = await fetch(`${edge.url}/rest/v1/rpc/test_megabytes?count=20`, {
    headers: { authorization: `Bearer ${token}` },
  });
  let length = 0;
  let waited = false;
  for await (const chunk of response.body) {
    if (!waited) await sleep(2500);
    waited = true;
    length += chunk.length;
  }
  assert.equal(length, 20 * MB + 2);
});

test('clients who do not send their bodies keep nobody else out', async () => {
  const limits = { waiting: 20, upload_ms: 4000 };
  const slow = await startEdge({ LIMITS: JSON.stringify(limits) });
  const { hostname, port } = new URL(slow.url);
  const sockets = [];
  try {
    const bearer = await userToken();
    const lengths = ['Content-Length: 100000', 'Transfer-Encoding: chunked'];
    for (let n = 0; n < 60; n++) {
      const socket = connect(Number(port), hostname);
      sockets.push(socket);
      const lines = [
        'POST /rest/v1/projects HTTP/1.1',
        `Host: ${hostname}`,
        `apikey: ${made.publishable_key}`,
        `CF-Connecting-IP: 198.51.100.${n}`,
      ];
      socket.write([...lines, 'Content-Type: application/json', lengths[n % 2], '', '1', '{'].join('\r\n'));
    }
    await sleep(1000);
    assert.equal((await ask('/rest/v1/projects?limit=1', { base: slow.url, token: bearer })).status, 200);
    const written = await ask('/rest/v1/projects', { base: slow.url, token: bearer, json: { name: 'meanwhile' } });
    assert.equal(written.status, 201);
    assert.equal((await ask('/v1/entries', { base: slow.url, json: { email: freshEmail() } })).status, 201);
    await waitFor('them to be given up', () => slow.log().filter(({ status }) => status === 408).length === 60);
  } finally {
    for (const socket of sockets) socket.destroy();
    await slow.stop();
  }
});

/** A request to an edge, whose client hangs up after so many ms. */
const hangUp = (url, milliseconds) =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname, () => {
      const lines = [`GET /rest/v1/projects?name=eq.${'y'.repeat(2000)} HTTP/1.1`, `Host: ${hostname}`];
      socket.write([...lines, `apikey: ${made.publishable_key}`, '', ''].join('\r\n'));
      setTimeout(() => {
        socket.resetAndDestroy();
        resolve();
      }, milliseconds);
    });
    socket.on('error', () => resolve());
  });

/** Closes the connections that the edges have left open. */
const idleProxy = async () => {
  for (const socket of proxy.open) socket.destroy();
  await waitFor('the proxy to be idle', () => proxy.open.size === 0);
};

test('a client that hangs up while PostgREST works keeps the request upstream until its deadline', async () => {
  await idleProxy();
  const fresh = await startEdge({ POSTGREST_URL: proxy.url, LIMITS: JSON.stringify({ deadline_ms: 3000 }) });
  proxy.delay = 60_000;
  try {
    const hanging = hangUp(fresh.url, 400);
    await waitFor('the request to be upstream', () => proxy.open.size === 1);
    await hanging;
    await sleep(500);
    assert.deepEqual([proxy.open.size, fresh.log().filter(({ status }) => status === 499)], [1, []]);
    await waitFor('the connection upstream to be closed', () => proxy.open.size === 0);
    await fresh.logged(({ status }) => status === 499);
  } finally {
    proxy.delay = 0;
    await fresh.stop();
  }
});

test('a client that hangs up in the middle of an answer ends it', async () => {
  await idleProxy();
  const stop = new AbortController();
  const response = await fetch(`${edge.url}/rest/v1/rpc/test_megabytes?count=50`, {
    headers: { authorization: `Bearer ${token}` },
    signal: stop.signal,
  });
  await response.body.getReader().read();
  assert.equal(proxy.open.size, 1);
  stop.abort();
  await waitFor('the connection upstream to be closed', () => proxy.open.size === 0);
});

test('clients that hang up leave nothing in memory', async () => {
  await idleProxy();
  // All of them are upstream at once.
  const limits = { deadline_ms: 150, address_connections: 0, anonymous_connections: 0 };
  const fresh = await startEdge({ POSTGREST_URL: proxy.url, LIMITS: JSON.stringify(limits) });
  proxy.delay = 60_000;
  try {
    const hungUp = () => fresh.log().filter(({ status }) => status === 499).length;
    // A client whose request the edge has not begun to read when it hangs up leaves no line, and nothing else.
    const many = async (count) => {
      const begun = hungUp();
      for (let n = 0; n < count / 50 || (hungUp() - begun < 0.95 * count && n < count / 10); n++) {
        await Promise.all(Array.from({ length: 50 }, () => hangUp(fresh.url, 60)));
        // The other end of each connection is in this process, too.
        await waitFor('the edge to let go', () => proxy.open.size < 10);
      }
    };
    // The collector takes its time before it finds how much memory is worth keeping.
    await many(4000);
    const before = fresh.megabytes();
    await many(4000);
    const grown = fresh.megabytes() - before;
    // 26 KB each, if they stayed: 104 MB.
    assert.ok(grown < 70, `${grown} MB for 4,000 clients who hung up`);
    assert.ok(hungUp() > 7500);
  } finally {
    proxy.delay = 0;
    await fresh.stop();
  }
});

test('a client that hangs up while the rate limiter or the cache is asked is let go, too', async () => {
  const around = `import edge from './entry.js';
    const limit = async () => { await scheduler.wait(60_000); return { success: true }; };
    export default { fetch: (request, env, ctx) => edge.fetch(request, { ...env, RATE_LIMITER: { limit } }, ctx) };`;
  const limited = await startEdge({}, [], around);
  try {
    await Promise.all(Array.from({ length: 50 }, () => hangUp(limited.url, 200)));
    await waitFor('each to be logged', () => limited.log().filter(({ status }) => status === 499).length === 50);
  } finally {
    await limited.stop();
  }
});
