// Reads that are kept for others: CACHED_READS, on the runtime that has Cloudflare's cache, and on one that has none.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { edge as wranglerEdge } from '../../../dev/edge.js';
import { freePort } from '../../../dev/process.js';
import { startEdge, variables } from '../../support/edge.js';
import { drop, make } from '../../support/fixtures.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';

const SECONDS = 3;
const PLANS = '/rest/v1/test_plans?select=name,price&order=name';

let data;
let proxy;
let edge;

before(async () => {
  await make(
    `create table sample.test_plans (name text primary key, price int, hidden boolean not null default false);
     alter table sample.test_plans enable row level security;
     create policy everybody on sample.test_plans for select to anon using (not hidden);
     create policy users on sample.test_plans for select to authenticated using (true);
     grant usage on schema sample to anon;
     grant select on sample.test_plans to anon, authenticated;
     create view sample.test_asked as select 1 as id, current_setting('request.headers', true) as headers,
       current_setting('request.jwt.claims', true)::jsonb -> 'edge' as claim;
     grant select on sample.test_asked to anon, authenticated;
     create function sample.test_twins(a int) returns int language sql stable as 'select 1';
     create function sample.test_twins(a text) returns int language sql stable as 'select 2';
     grant execute on function sample.test_twins(int), sample.test_twins(text) to anon;
     insert into sample.test_plans values ('free', 0, false), ('team', 20, false), ('secret', 99, true)`,
    '/test_plans',
  );
  data = mkdtempSync(join(tmpdir(), 'rowgate-cached-'));
  proxy = await startProxy(new URL(stack.postgrest_url).port);
  edge = wranglerEdge({
    data,
    port: await freePort(),
    variables: variables({
      POSTGREST_URL: proxy.url,
      CACHED_READS: JSON.stringify({ 'sample.test_plans': SECONDS, 'sample.test_asked': SECONDS }),
      ALLOWED_ORIGINS: 'https://a.example,https://b.example',
    }),
    logFile: join(data, 'log'),
    say: () => {},
  });
  await edge.part.start();
});
after(async () => {
  await edge?.part.stop();
  await proxy?.close();
  if (data) rmSync(data, { recursive: true, force: true });
  await drop(
    'drop function sample.test_twins(int), sample.test_twins(text); drop table sample.test_plans; drop view sample.test_asked; revoke usage on schema sample from anon',
  );
  await close();
});

const get = async (path, { headers, ...options } = {}) => {
  const before = proxy.requests;
  const answer = await ask(path, { base: edge.url, key: made.publishable_key, headers, ...options });
  return { ...answer, upstream: proxy.requests - before };
};

test('the second reader is answered from the cache, until its time is over', async () => {
  const first = await get(PLANS);
  assert.deepEqual([first.status, first.upstream, first.body.length], [200, 1, 2], first.text);
  assert.equal(first.headers.get('cache-control'), `public, max-age=${SECONDS}`);
  assert.match(first.headers.get('etag'), /^"[0-9a-f]{32}"$/);
  await sql(`update sample.test_plans set price = 25 where name = 'team'`);
  const second = await get(PLANS);
  assert.deepEqual([second.status, second.upstream, second.text], [200, 0, first.text]);
  assert.equal(second.headers.get('etag'), first.headers.get('etag'));
  assert.equal(second.headers.get('content-range'), first.headers.get('content-range'));
  assert.match(second.headers.get('cache-control'), /^public, max-age=[1-3]$/);
  assert.equal(
    [...second.headers.keys()].find((name) => name.startsWith('x-rowgate')),
    undefined,
  );
  await sleep(SECONDS * 1000 + 200);
  const third = await get(PLANS);
  assert.deepEqual([third.upstream, third.body[1].price], [1, 25]);
  assert.notEqual(third.headers.get('etag'), first.headers.get('etag'));
});

test('who has it already gets 304 and no body', async () => {
  const { headers } = await get(PLANS);
  const etag = headers.get('etag');
  for (const value of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
    const known = await get(PLANS, { headers: { 'if-none-match': value } });
    assert.deepEqual([known.status, known.text, known.headers.get('etag')], [304, '', etag], value);
    assert.match(known.headers.get('cache-control'), /^public/);
    assert.equal(known.headers.get('content-type'), null);
  }
  for (const value of ['"other"', etag.slice(1, -1), '']) {
    assert.equal((await get(PLANS, { headers: { 'if-none-match': value } })).status, 200, value);
  }
});

test('another query, Accept, Range, Prefer or schema is another answer', async () => {
  const others = [
    [PLANS.replace('order=name', 'order=name.desc'), {}],
    [`${PLANS}&limit=1`, {}],
    [PLANS, { accept: 'text/csv' }],
    [PLANS, { range: '0-0' }],
    [PLANS, { prefer: 'count=planned' }],
  ];
  const base = await get(PLANS);
  for (const [path, headers] of others) {
    const first = await get(path, { headers });
    assert.deepEqual([first.upstream, first.status < 300], [1, true], `${path} ${JSON.stringify(headers)}`);
    assert.notEqual(first.text + first.headers.get('content-range'), base.text + base.headers.get('content-range'));
    const again = await get(path, { headers });
    assert.deepEqual([again.upstream, again.status, again.text], [0, first.status, first.text]);
  }
  const elsewhere = await get(PLANS, { headers: { 'accept-profile': 'sample_more' } });
  assert.deepEqual([elsewhere.status, elsewhere.upstream], [404, 1]);
});

test('a part of the rows keeps its 206', async () => {
  const headers = { range: '0-0', prefer: 'count=estimated' };
  for (const upstream of [1, 0]) {
    const part = await get(PLANS, { headers });
    assert.deepEqual([part.status, part.upstream, part.headers.get('content-range')], [206, upstream, '0-0/2']);
  }
});

test('users, writes, errors, HEAD and relations that are not listed are never kept', async () => {
  const token = await userToken();
  await get(PLANS);
  for (let n = 0; n < 2; n++) {
    const own = await get(PLANS, { token });
    assert.deepEqual([own.upstream, own.body.length], [1, 3], 'a user sees the hidden one');
    assert.equal(own.headers.get('cache-control'), 'private, no-store');
    const failed = await get('/rest/v1/test_plans?select=nothing');
    assert.deepEqual([failed.status, failed.upstream], [400, 1]);
    assert.equal(failed.headers.get('cache-control'), 'private, no-store');
    const other = await get('/rest/v1/projects');
    assert.deepEqual([other.upstream, other.headers.get('cache-control')], [1, 'private, no-store']);
  }
  const nobody = await get(PLANS, { key: undefined });
  assert.deepEqual([nobody.status, nobody.upstream], [401, 0], 'the key is asked for all the same');
  // Last: PostgREST 12 closes the connection after it, and a read that meets this is sent once more.
  for (let n = 0; n < 2; n++) assert.ok((await get(PLANS, { method: 'HEAD' })).upstream >= 1);
});

test('what others get as well depends on nothing of the first reader but what selects it', async () => {
  const headers = {
    'x-client-info': 'of-the-first',
    'x-request-id': 'of-the-first-reader',
    'idempotency-key': 'of-the-first',
    'content-type': 'text/of-the-first',
    'cf-connecting-ip': '203.0.113.7',
    traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  };
  const read = await get('/rest/v1/test_asked', { headers });
  assert.equal(read.upstream, 1, read.text);
  assert.ok(!/of-the-first|4bf92f35/.test(read.text), read.text);
  assert.deepEqual(read.body[0].claim, { shared: true });
  const own = await get('/rest/v1/test_asked', { headers, token: await userToken() });
  assert.match(own.body[0].headers, /of-the-first-reader/, 'a user’s read is not shared, and has all of it');
});

test('nobody can pass their answer off as another’s', async () => {
  const plain = await get(PLANS);
  // fetch sends these as the bytes that they are.
  for (const name of ['accept', 'range', 'prefer', 'range-unit']) {
    const odd = await get(PLANS, { headers: { [name]: 'text/csv, \u00e9' } });
    assert.deepEqual([odd.status, odd.body.code, odd.upstream], [400, 'RG309', 0], name);
  }
  assert.equal((await get(PLANS)).text, plain.text);
  const fresh = await get(PLANS, { headers: { 'x-read-preference': 'primary' } });
  assert.deepEqual([fresh.status, fresh.upstream, fresh.headers.get('cache-control')], [200, 1, 'private, no-store']);
});

test('an ambiguous function call shows neither function, and is not cached', async () => {
  const answer = await get('/rest/v1/rpc/test_twins?a=1');
  assert.deepEqual([answer.status, answer.body.code], [300, 'PGRST203'], answer.text);
  assert.deepEqual([answer.body.hint, answer.body.details], [null, null]);
  assert.equal(answer.headers.get('cache-control'), 'private, no-store');
});

test('each origin gets its own CORS headers from the one kept answer', async () => {
  for (const origin of ['https://a.example', 'https://b.example', 'https://c.example']) {
    const answer = await get(PLANS, { headers: { origin } });
    const allowed = origin === 'https://c.example' ? null : origin;
    assert.equal(answer.headers.get('access-control-allow-origin'), allowed);
    const vary = answer.headers.get('vary').split(', ');
    const selecting = ['Accept', 'Accept-Profile', 'Range', 'Range-Unit', 'Prefer', 'X-Read-Preference'];
    for (const name of ['Origin', 'Apikey', 'Authorization', ...selecting]) {
      assert.ok(vary.includes(name), `${name} in ${vary}`);
    }
  }
});

test('an answer that is too large to be kept is passed through', async () => {
  await sql(`insert into sample.test_plans select repeat('x', 2000) || n, n from generate_series(1, 1500) as n`);
  const path = '/rest/v1/test_plans?select=name,price&price=gt.0&order=price';
  for (let n = 0; n < 2; n++) {
    const large = await get(path);
    assert.deepEqual([large.status, large.body.length, large.headers.get('etag')], [200, 1000, null]);
    assert.equal(large.headers.get('cache-control'), 'private, no-store');
  }
  // An answer of several pieces that is kept: 800 KB.
  const kept = '/rest/v1/test_plans?select=name,price&price=gt.1000&order=price&limit=400';
  const expected = Array.from({ length: 400 }, (_, n) => ({ name: `${'x'.repeat(2000)}${n + 1001}`, price: n + 1001 }));
  for (let n = 0; n < 2; n++) {
    const answer = await get(kept);
    assert.deepEqual([answer.status, answer.upstream], [200, n === 0 ? 1 : 0]);
    assert.deepEqual(answer.body, expected);
  }
  await sql(`delete from sample.test_plans where length(name) > 100`);
});

test('a runtime without the cache answers the same, every time anew', async () => {
  const bare = await startEdge({ CACHED_READS: JSON.stringify({ 'sample.test_plans': 60 }) });
  try {
    const read = (headers) => ask(PLANS, { base: bare.url, key: made.publishable_key, headers });
    const first = await read();
    assert.deepEqual([first.status, first.body.length], [200, 2]);
    assert.equal((await read({ 'if-none-match': first.headers.get('etag') })).status, 304);
    assert.equal((await read()).status, 200);
  } finally {
    await bare.stop();
  }
});
