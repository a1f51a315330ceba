// Reads on a replica: POSTGREST_READ_URL is a second PostgREST whose sessions may only read, as a replica's may.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { postgrestKeys } from '../../../dev/issuer.js';
import { postgrest } from '../../../dev/postgrest.js';
import { freePort, waitFor } from '../../../dev/process.js';
import { authenticatorUrl } from '../../../dev/stack.js';
import { startEdge } from '../../support/edge.js';
import { hangUp } from '../../support/hang_up.js';
import { ask, close, freshEmail, made, stack, userToken } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';

let data;
let replica;
let proxies;
let edge;

before(async () => {
  data = mkdtempSync(join(tmpdir(), 'rowgate-replica-'));
  const url = await authenticatorUrl(stack.database_url, made.authenticator_password);
  replica = postgrest({
    data,
    // libpq does not read a plus as a space.
    databaseUrl: `${url}${url.includes('?') ? '&' : '?'}options=${encodeURIComponent('-c default_transaction_read_only=on')}`,
    port: await freePort(),
    adminPort: await freePort(),
    jwks: postgrestKeys(made),
    logFile: join(data, 'log'),
    say: () => {},
  });
  await replica.part.start();
  proxies = {
    primary: await startProxy(new URL(stack.postgrest_url).port),
    replica: await startProxy(new URL(replica.url).port),
  };
  edge = await startEdge({ POSTGREST_URL: proxies.primary.url, POSTGREST_READ_URL: proxies.replica.url });
});
after(async () => {
  await edge?.stop();
  for (const proxy of Object.values(proxies ?? {})) await proxy.close();
  await replica?.part.stop();
  if (data) rmSync(data, { recursive: true, force: true });
  await close();
});

/** Sends a request; gives its status and how many requests either upstream has seen of it. */
const where = async (path, options) => {
  const before = [proxies.primary.requests, proxies.replica.requests];
  const { status } = await ask(path, { base: edge.url, ...options });
  return [status, proxies.primary.requests - before[0], proxies.replica.requests - before[1]];
};
const PROJECTS = '/rest/v1/projects?select=name';

test('reads go to the replica, writes to the primary', async () => {
  const token = await userToken();
  assert.deepEqual(await where(PROJECTS, { token }), [200, 0, 1]);
  assert.deepEqual(await where(PROJECTS, { token, method: 'HEAD' }), [200, 0, 1]);
  assert.deepEqual(await where('/v1/entries', { json: { email: freshEmail() } }), [201, 1, 0]);
  const headers = { 'accept-profile': 'sample_more' };
  assert.deepEqual(await where('/rest/v1/entries', { key: made.publishable_key, headers }), [403, 0, 1]);
  const writes = [
    ['POST', '/rest/v1/projects', { name: 'a' }, 201],
    ['PATCH', '/rest/v1/projects?name=eq.a', { color: '#111111' }, 204],
    ['DELETE', '/rest/v1/projects?name=eq.a', undefined, 204],
    ['POST', '/rest/v1/rpc/none', {}, 404],
  ];
  for (const [method, path, body, status] of writes) {
    const sent = { token, method, ...(body && { body: JSON.stringify(body) }) };
    assert.deepEqual(
      await where(path, { ...sent, headers: { 'content-type': 'application/json' } }),
      [status, 1, 0],
      `${method} ${path}`,
    );
  }
});

test('who has written reads from the primary for five seconds, and nobody else does', async (t) => {
  const [writer, other] = [await userToken(), await userToken()];
  assert.deepEqual(await where(PROJECTS, { token: writer }), [200, 0, 1]);
  assert.deepEqual(await where('/rest/v1/projects', { token: writer, json: { name: randomUUID() } }), [201, 1, 0]);
  const written = performance.now();
  assert.deepEqual(await where(PROJECTS, { token: writer }), [200, 1, 0]);
  assert.deepEqual(await where(PROJECTS, { token: other }), [200, 0, 1]);
  await new Promise((resolve) => setTimeout(resolve, 4000 - (performance.now() - written)));
  assert.deepEqual(await where(PROJECTS, { token: writer }), [200, 1, 0], 'still after four seconds');
  await new Promise((resolve) => setTimeout(resolve, 5500 - (performance.now() - written)));
  assert.deepEqual(await where(PROJECTS, { token: writer }), [200, 0, 1], 'no longer after five and a half');
  await t.test('also where the write failed after all: it may have been the answer that was lost', async () => {
    assert.deepEqual(await where('/rest/v1/projects', { token: other, json: { name: '' } }), [400, 1, 0]);
    assert.deepEqual(await where(PROJECTS, { token: other }), [200, 1, 0]);
  });
});

test('a slow write counts from its end, also when its client has hung up', async () => {
  const token = await userToken();
  proxies.primary.delay = 6000;
  await hangUp(edge.url, '/v1/entries', { token, method: 'POST', json: { email: freshEmail() }, milliseconds: 500 });
  proxies.primary.delay = 0;
  await waitFor('the write to end', () => edge.log().some(({ status }) => status === 499));
  assert.deepEqual(await where(PROJECTS, { token }), [200, 1, 0]);
});

test('a header insists on the primary', async () => {
  const token = await userToken();
  const headers = { 'x-read-preference': 'primary' };
  assert.deepEqual(await where(PROJECTS, { token, headers }), [200, 1, 0]);
  const odd = await ask(PROJECTS, { base: edge.url, token, headers: { 'x-read-preference': 'nearest' } });
  assert.deepEqual([odd.status, odd.body.code], [400, 'RG309']);
  const preflight = await ask(PROJECTS, {
    method: 'OPTIONS',
    headers: { origin: stack.edge_url, 'access-control-request-method': 'GET' },
  });
  assert.match(preflight.headers.get('access-control-allow-headers'), /x-read-preference/);
});

test('while the replica is down reads go to the primary', async () => {
  const token = await userToken();
  for (const socket of proxies.replica.open) socket.destroy();
  proxies.replica.refuse = 1;
  assert.deepEqual((await where(PROJECTS, { token })).slice(0, 2), [200, 1]);
  const ready = await ask('/readyz', { base: edge.url });
  assert.deepEqual([ready.status, ready.body.checks], [200, { database: 'ok', replica: 'ok', keys: 'ok' }]);
  await replica.part.kill();
  assert.deepEqual((await where(PROJECTS, { token })).slice(0, 2), [200, 1]);
  const unready = await ask('/readyz', { base: edge.url });
  assert.deepEqual([unready.status, unready.body.checks.replica], [503, 'unreachable']);
});
