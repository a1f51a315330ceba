// Parts that die, on a system of this file's own.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { token as sign } from '../../dev/issuer.js';
import { waitFor } from '../../dev/process.js';
import { startStack } from '../../dev/stack.js';
import { startProxy } from '../support/proxy.js';
import { freshEmail, ask as request } from '../support/stack.js';

const SECRET = 'only for this test: an HS256 secret of an issuer';
const data = mkdtempSync(join(tmpdir(), 'rowgate-faults-'));
let stack;
let token;

before(async () => {
  stack = await startStack({ data, throwAway: true, quiet: true });
  token = await sign(stack.keys, { issuer: stack.issuer.issuer, sub: randomUUID() });
  assert.equal((await projects()).status, 200);
});
after(async () => {
  await stack?.stop();
  rmSync(data, { recursive: true, force: true });
});

const ask = (path, options) => request(path, { ...options, base: stack.edgeUrl });
const projects = (options) => ask('/rest/v1/projects', { token, ...options });

/** What a client sees while the database is away. */
const away = async () => {
  const cases = [
    ['read', () => projects()],
    ['write', () => projects({ json: { name: 'lost' } })],
    ['public form', () => ask('/v1/leads', { json: { email: freshEmail() } })],
  ];
  for (const [name, work] of cases) {
    const start = performance.now();
    const answer = await work();
    const took = performance.now() - start;
    assert.deepEqual([answer.status, answer.body.code], [503, 'RG401'], name);
    assert.match(answer.headers.get('retry-after'), /^[1-9]\d*$/);
    assert.deepEqual([answer.body.details, answer.text.includes('127.0.0.1')], [null, false], 'no internals');
    // The contract of this fault, not a benchmark: an answer well before any time-out.
    assert.ok(took < 1000, `${name} took ${took} ms`);
  }
  const ready = await ask('/readyz');
  assert.deepEqual([ready.status, ready.body.checks], [503, { database: 'unreachable', keys: 'ok' }]);
  assert.ok(ready.headers.get('retry-after'));
  assert.equal((await ask('/healthz')).status, 200);
  const forged = await ask('/rest/v1/projects', { token: `${token.slice(0, -4)}AAAA` });
  assert.deepEqual([forged.status, forged.body.code], [401, 'RG203'], 'a forged token is still told so');
  const page = await ask('/v1/leads', {
    method: 'POST',
    body: new URLSearchParams({ email: 'typed@example.org' }),
    headers: { accept: 'text/html' },
  });
  assert.equal(page.status, 503);
  assert.ok(page.text.includes('typed@example.org'), 'a visitor keeps what was typed');
};

const back = () => waitFor('the edge to serve again', async () => (await projects()).status === 200, { seconds: 30 });

test('PostgREST is killed: 503 with Retry-After at once, then service again without a restart of the edge', async () => {
  const edge = stack.edge.part.pid;
  await stack.postgrest.part.kill();
  await away();
  await stack.postgrest.part.start();
  await back();
  assert.equal((await projects({ json: { name: `after ${randomUUID()}` } })).status, 201);
  assert.equal(stack.edge.part.pid, edge);
});

test('PostgreSQL is killed: the same, and what was acknowledged is there', async () => {
  const name = `kept ${randomUUID()}`;
  assert.equal((await projects({ json: { name } })).status, 201);
  await stack.postgres.part.kill();
  const broken = await projects();
  assert.equal(broken.status, 503, broken.text);
  assert.ok(broken.headers.get('retry-after'));
  await stack.postgres.part.start();
  await back();
  const kept = await ask(`/rest/v1/projects?select=name&name=eq.${encodeURIComponent(name)}`, { token });
  assert.deepEqual(kept.body, [{ name }]);
});

test('the issuer is gone: known keys serve on; without any, 503 names the keys', async () => {
  await stack.issuer.close();
  assert.equal((await projects()).status, 200);
  await stack.edge.part.stop();
  await stack.edge.part.start();
  const answer = await projects();
  assert.deepEqual([answer.status, answer.body.code], [503, 'RG210']);
  assert.ok(answer.headers.get('retry-after'));
  const ready = await ask('/readyz');
  assert.deepEqual([ready.status, ready.body.checks], [503, { database: 'ok', keys: 'unreachable' }]);
  assert.equal((await ask('/v1/leads', { json: { email: freshEmail() } })).status, 201, 'who needs no key is served');
});

test('an upstream that refuses or is slow', async (t) => {
  const proxy = await startProxy(new URL(stack.postgrestUrl).port);
  const { edge: made } = await import('../../dev/edge.js');
  const { freePort } = await import('../../dev/process.js');
  const issuers = [{ issuer: 'https://id.test', audience: 'authenticated', secret: SECRET, roles: ['authenticated'] }];
  const variables = {
    POSTGREST_URL: proxy.url,
    EDGE_SIGNING_KEY: stack.keys.edge_signing_key,
    ISSUERS: JSON.stringify(issuers),
    PUBLISHABLE_KEYS: stack.keys.publishable_key,
  };
  const logFile = join(data, 'log', 'slow.log');
  const slow = made({ data: join(data, 'log'), port: await freePort(), variables, logFile, say: () => {} });
  await slow.part.start();
  const through = (path, options) => request(path, { ...options, base: slow.url });
  const key = {
    key: stack.keys.publishable_key,
    headers: { 'content-profile': 'marketing', 'accept-profile': 'marketing' },
  };
  try {
    await t.test('a read is sent once more after a refused connection, a write is not', async () => {
      assert.equal((await through('/rest/v1/leads', key)).status, 403);
      for (const socket of proxy.open) socket.destroy();
      proxy.refuse = 1;
      assert.equal((await through('/rest/v1/leads', key)).status, 403, 'PostgREST’s own answer, at the second try');
      assert.equal(proxy.refuse, 0);
      for (const socket of proxy.open) socket.destroy();
      proxy.refuse = 2;
      assert.equal((await through('/rest/v1/leads', key)).status, 503, 'not a third time');
      for (const socket of proxy.open) socket.destroy();
      proxy.refuse = 1;
      const written = await through('/v1/leads', { json: { email: freshEmail() } });
      assert.deepEqual([written.status, written.body.code], [503, 'RG401']);
    });

    await t.test('30 s of slowness: 504 at the deadline, and the same key later gives one row', async () => {
      proxy.delay = 30_000;
      const email = freshEmail();
      const lead = { json: { email }, headers: { 'idempotency-key': randomUUID() } };
      const start = performance.now();
      const late = await through('/v1/leads', lead);
      const seconds = (performance.now() - start) / 1000;
      assert.deepEqual([late.status, late.body.code], [504, 'RG402']);
      assert.ok(seconds > 9 && seconds < 15, `${seconds} s`);
      proxy.delay = 0;
      for (const socket of proxy.open) socket.destroy();
      for (let n = 0; n < 2; n++) assert.equal((await through('/v1/leads', lead)).status, 201);
      const client = new pg.Client({ connectionString: stack.databaseUrl });
      await client.connect();
      const { rows } = await client.query('select submission_count from marketing.leads where email = $1', [email]);
      await client.end();
      assert.deepEqual(rows, [{ submission_count: '1' }]);
    });
  } finally {
    await slow.part.stop();
    await proxy.close();
  }
});

test('a half-configured edge serves nothing and names the variable', async () => {
  const { edge } = await import('../../dev/edge.js');
  const { freePort } = await import('../../dev/process.js');
  const variables = { POSTGREST_URL: stack.postgrestUrl, EDGE_SIGNING_KEY: 'short', ISSUERS: '[]' };
  const logFile = join(data, 'log', 'half.log');
  const half = edge({ data: join(data, 'log'), port: await freePort(), variables, logFile, say: () => {} });
  half.part.ready = (_, given) => {
    const answers = () =>
      fetch(`${half.url}/healthz`).then(
        () => true,
        () => false,
      );
    return waitFor('an answer', answers, { given });
  };
  await half.part.start();
  try {
    for (const path of ['/healthz', '/rest/v1/projects', '/forms/website-form']) {
      const answer = await request(path, { base: half.url });
      assert.deepEqual([answer.status, answer.body.code], [500, 'RG901']);
      assert.match(answer.body.details, /^EDGE_SIGNING_KEY: at least 32 random bytes/);
    }
  } finally {
    await half.part.stop();
  }
});
