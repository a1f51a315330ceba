// Health, the one error shape, CORS, and request ids.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { withUpstream } from '../../support/fake_upstream.js';
import { hangUp } from '../../support/hang_up.js';
import { ask, close, made, userToken } from '../../support/stack.js';

after(close);

const SITE = 'http://localhost:3000';

test('/healthz asks nobody, /readyz names each part', async () => {
  const health = await ask('/healthz', { headers: { authorization: 'nonsense' } });
  assert.deepEqual([health.status, health.body], [200, { status: 'ok' }]);
  const ready = await ask('/readyz');
  assert.deepEqual([ready.status, ready.body], [200, { status: 'ready', checks: { database: 'ok', keys: 'ok' } }]);
});

test('many who ask /readyz at once cause one call of the database at a time, and each gets an answer', async () => {
  let [open, most, calls] = [0, 0, 0];
  let status = 200;
  const answer = (response) => {
    calls += 1;
    open += 1;
    most = Math.max(most, open);
    const end = () => {
      open -= 1;
      response.writeHead(status, { 'content-type': 'application/json' }).end('{"missing":[]}');
    };
    setTimeout(end, 300);
  };
  await withUpstream(answer, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url });
    try {
      const ready = () => ask('/readyz', { base: edge.url });
      const many = await Promise.all(Array.from({ length: 200 }, ready));
      assert.deepEqual([...new Set(many.map((each) => each.status))], [200]);
      assert.ok(most === 1 && calls < 20, `${most} at once, ${calls} in all`);
      // Whose client hangs up has asked all the same.
      for (let n = 0; n < 5; n += 1) await hangUp(edge.url, '/readyz', { milliseconds: 50 });
      assert.equal((await ready()).status, 200);
      assert.equal(most, 1);
      // Nobody is told what was true before.
      status = 503;
      assert.equal((await ready()).status, 503);
    } finally {
      await edge.stop();
    }
  });
});

test('every error has the one shape, CORS headers and an id', async () => {
  const key = made.publishable_key;
  const cases = [
    ['/nowhere', {}, 404],
    ['/healthz', { method: 'POST' }, 405],
    ['/rest/v1/projects', {}, 401],
    ['/rest/v1/projects', { key }, 403],
    ['/rest/v1/nothing', { token: await userToken() }, 404],
    ['/v1/entries', { json: {} }, 422],
    ['/v1/entries', { method: 'POST', body: 'x' }, 415],
  ];
  for (const [path, options, status] of cases) {
    const answer = await ask(path, { ...options, headers: { origin: SITE } });
    assert.equal(answer.status, status, path);
    assert.deepEqual(Object.keys(answer.body), ['code', 'message', 'details', 'hint'], path);
    assert.equal(answer.headers.get('access-control-allow-origin'), SITE);
    assert.match(answer.headers.get('vary'), /Origin/);
    assert.ok(answer.headers.get('access-control-expose-headers').includes('content-range'));
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
    assert.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8');
  }
});

test('only listed origins are allowed, exactly, and only they with credentials', async () => {
  for (const origin of [SITE, 'http://localhost:5173']) {
    const { headers } = await ask('/healthz', { headers: { origin } });
    assert.equal(headers.get('access-control-allow-origin'), origin);
    assert.equal(headers.get('access-control-allow-credentials'), 'true');
  }
  for (const origin of [
    'http://localhost:3001',
    'https://localhost:3000',
    `${SITE}.evil.example`,
    'null',
    '*',
    'http://LOCALHOST:3000',
  ]) {
    const { headers } = await ask('/healthz', { headers: { origin } });
    assert.equal(headers.get('access-control-allow-origin'), null, origin);
    assert.equal(headers.get('access-control-allow-credentials'), null, origin);
  }
});

test('a preflight is answered for every path that exists', async () => {
  const asked = {
    method: 'OPTIONS',
    headers: {
      origin: SITE,
      'access-control-request-method': 'PATCH',
      'access-control-request-headers': 'apikey,authorization,content-profile,content-type,prefer,x-client-info',
    },
  };
  const answer = await ask('/rest/v1/projects', asked);
  assert.equal(answer.status, 204);
  // A beacon's preflight is for a request with credentials.
  assert.deepEqual(
    ['origin', 'credentials'].map((name) => answer.headers.get(`access-control-allow-${name}`)),
    [SITE, 'true'],
  );
  assert.ok(answer.headers.get('access-control-allow-methods').includes('PATCH'));
  const allowed = answer.headers.get('access-control-allow-headers').split(', ');
  for (const name of asked.headers['access-control-request-headers'].split(','))
    assert.ok(allowed.includes(name), name);
  const stranger = await ask('/rest/v1/projects', {
    ...asked,
    headers: { ...asked.headers, origin: 'https://evil.example' },
  });
  assert.deepEqual([stranger.status, stranger.headers.get('access-control-allow-headers')], [204, null]);
  assert.equal(stranger.headers.get('access-control-allow-credentials'), null);
  assert.equal((await ask('/nowhere', asked)).status, 404);
});

test('a preflight allows each header that it asks for, and nothing that is no name of a header', async () => {
  const allowed = async (names, origin = SITE) => {
    const headers = { origin, 'access-control-request-method': 'POST', ...(names && { [ASKED]: names }) };
    const answer = await ask('/v1/entries', { method: 'OPTIONS', headers });
    assert.equal(answer.status, 204, names);
    return answer.headers.get('access-control-allow-headers');
  };
  const ASKED = 'access-control-request-headers';
  for (const [names, wanted] of [
    ['sentry-trace,x-region,x-upsert,cache-control,x-requested-with', undefined],
    ['x-datadog-trace-id', undefined],
    ['X-Upper-Case , a,,b\t', 'x-upper-case, a, b'],
    ["!#$%&'*+-.^_`|~09az", undefined],
    ['*', undefined],
    ['x'.repeat(4096), undefined],
  ]) {
    assert.equal(await allowed(names), wanted ?? names.replaceAll(',', ', '));
  }
  const usual = await allowed(undefined);
  assert.match(usual, /apikey, authorization/);
  for (const odd of ['x y', 'x:y', 'x-a, "b"', 'x(1)', 'x-a;b', 'x=1', '{x}', ', ,', 'x'.repeat(4097)]) {
    assert.equal(await allowed(odd), usual, odd);
  }
  assert.equal(await allowed('x-a', 'https://evil.example'), null);
});

test('a well-formed request id is taken over, any other is replaced', async () => {
  const token = await userToken();
  const id = async (sent) =>
    (await ask('/rest/v1/projects?limit=0', { token, headers: { 'x-request-id': sent } })).headers.get('x-request-id');
  assert.equal(await id('order-42.retry_1'), 'order-42.retry_1');
  for (const odd of ['short', 'has space in it', 'x'.repeat(129), 'semi;colon;;', 'ünïcödë-id']) {
    assert.match(await id(encodeURI(odd) === odd ? odd : odd.normalize()), /^[0-9a-f]{32}$/, odd);
  }
});
