// POST /v1/events as scripts, browsers and servers send them, from the request to the row and to what rows add up to.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { launch } from '../../support/browser.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, freshEmail, sql, stack, userToken } from '../../support/stack.js';
import { anEvent } from '../support/events.js';

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser.close();
  await close();
});
beforeEach(() => sql('truncate private.rate_limits'));

const send = (body, type = 'application/json', more = {}) =>
  ask('/v1/events', { method: 'POST', body, ...more, headers: { 'content-type': type, ...more.headers } });
const named = async (name) => sql('select * from analytics.events where name = $1 order by id', [name]);

const FORMS = {
  'one event': (events) => [JSON.stringify(events[0]), 'application/json', 1],
  'an array': (events) => [JSON.stringify(events), 'application/json; charset=utf-8', 3],
  'an envelope': (events) => [JSON.stringify({ events }), 'application/json', 3],
  NDJSON: (events) => [events.map((event) => JSON.stringify(event)).join('\n'), 'application/x-ndjson', 3],
  'NDJSON with CR LF and a last line feed': (events) => [
    events.map((event) => `${JSON.stringify(event)}\r\n`).join(''),
    'application/x-ndjson',
    3,
  ],
  'an array as text': (events) => [JSON.stringify(events), 'text/plain;charset=UTF-8', 3],
  'lines as text': (events) => [events.map((event) => JSON.stringify(event)).join('\n'), 'text/plain', 3],
};

for (const [form, make] of Object.entries(FORMS)) {
  test(`${form}: each is stored once, and once more is a duplicate`, async () => {
    const name = `é 王 😀 ${randomUUID()}`;
    const [body, type, count] = make([1, 2, 3].map((n) => anEvent({ name, properties: { n } })));
    for (const [accepted, duplicates] of [
      [count, 0],
      [0, count],
    ]) {
      const { status, body: answer } = await send(body, type);
      assert.equal(status, 202);
      assert.deepEqual(answer, { accepted, duplicates, rejected: [] });
    }
    const rows = await named(name);
    assert.deepEqual(rows.map(({ properties }) => properties.n).sort(), [1, 2, 3].slice(0, count));
  });
}

test('a bad event among good ones is named by its place, for each kind of fault', async () => {
  const name = `test ${randomUUID()}`;
  const good = JSON.stringify(anEvent({ name }));
  const lines = [
    good,
    '{',
    '{"name":"\\u0000"}',
    '{"name":"\\ud800"}',
    '7',
    `{"name":"${'x'.repeat(121)}"}`,
    JSON.stringify(anEvent({ name })),
  ];
  const { status, body } = await send(lines.join('\n'), 'application/x-ndjson');
  assert.equal(status, 202);
  assert.deepEqual(body, {
    accepted: 2,
    duplicates: 0,
    rejected: [
      { index: 1, code: 'malformed' },
      { index: 2, code: 'malformed' },
      { index: 3, code: 'malformed' },
      { index: 4, code: 'malformed' },
      { index: 5, code: 'name_too_long' },
    ],
  });
  assert.equal((await named(name)).length, 2);
});

test('500 events, 32 KB an event and 512 KB a batch are the most', async () => {
  const name = `test ${randomUUID()}`;
  const small = (count) => JSON.stringify(Array.from({ length: count }, () => ({ name })));
  assert.deepEqual((await send(small(500))).body, { accepted: 500, duplicates: 0, rejected: [] });
  const many = await send(small(501));
  assert.deepEqual([many.status, many.body.code], [413, 'RG541']);
  const filled = (bytes) => {
    const empty = JSON.stringify({ name, properties: { x: '' } }).length;
    return JSON.stringify({ name, properties: { x: 'x'.repeat(bytes - empty) } });
  };
  const answer = await send(`[${filled(32 * 1024)},${filled(32 * 1024 + 1)}]`);
  assert.deepEqual(answer.body, { accepted: 1, duplicates: 0, rejected: [{ index: 1, code: 'too_large' }] });
  const padded = (bytes) => `[${filled(30_000)}${' '.repeat(bytes - filled(30_000).length - 2)}]`;
  assert.equal((await send(padded(512 * 1024))).status, 202);
  const large = await send(padded(512 * 1024 + 1));
  assert.deepEqual([large.status, large.body.code], [413, 'RG302']);
});

test('what is no batch at all is refused', async () => {
  const cases = [
    ['', 'application/json', 400, 'RG301'],
    ['[', 'application/json', 400, 'RG301'],
    ['hello', 'text/plain', 400, 'RG301'],
    [Buffer.from([0xff]), 'application/json', 400, 'RG301'],
    ['{}', 'text/html', 415, 'RG303'],
    ['{}', 'multipart/form-data; boundary=x', 415, 'RG303'],
  ];
  for (const [body, type, status, code] of cases) {
    const answer = await send(body, type);
    assert.deepEqual([answer.status, answer.body.code], [status, code], `${type} ${body}`);
  }
  const scalar = await send('5');
  assert.deepEqual([scalar.status, scalar.body.rejected], [202, [{ index: 0, code: 'malformed' }]]);
});

test('the edge adds country, region, device and bot flag; the caller’s own word for them is not taken', async () => {
  const around = `import edge from './entry.js';
    const cf = (request) => { const r = new Request(request, { cf: {} }); Object.defineProperty(r, 'cf', { value: { country: 'FR', region: 'Bretagne', city: 'Brest' } }); return r; };
    export default { fetch: (request, env, ctx) => edge.fetch(cf(request), env, ctx) };`;
  const edge = await startEdge({}, [], around);
  try {
    const phone =
      'Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1';
    const cases = [
      [phone, ['mobile', 'Safari', 'iOS', false]],
      ['Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)', ['bot', null, null, true]],
    ];
    for (const [agent, wanted] of cases) {
      const event = anEvent({ country: 'US', device_type: 'desktop', is_bot: false, region: 'x' });
      const { status } = await send(
        JSON.stringify({ events: [event], context: { device_type: 'tablet', is_bot: true } }),
        'application/json',
        {
          base: edge.url,
          headers: { 'user-agent': agent, 'cf-connecting-ip': '203.0.113.9' },
        },
      );
      assert.equal(status, 202);
      const [row] = await named(event.name);
      assert.deepEqual([row.device_type, row.browser, row.os, row.is_bot], wanted);
      assert.deepEqual([row.country, row.region, row.user_agent], ['FR', 'Bretagne', agent]);
    }
  } finally {
    await edge.stop();
  }
});

test('a browser whose name is no ASCII loses no event', async () => {
  const event = anEvent();
  const { status } = await send(JSON.stringify(event), 'application/json', {
    headers: { 'user-agent': 'Bröwser/1 \u00ff' },
  });
  assert.equal(status, 202);
  assert.equal((await named(event.name)).length, 1);
});

test('a token makes its user the event’s, a bad one is refused', async () => {
  const sub = randomUUID();
  const event = anEvent({ user_id: randomUUID() });
  assert.equal((await send(JSON.stringify(event), 'application/json', { token: await userToken(sub) })).status, 202);
  assert.equal((await named(event.name))[0].user_id, sub);
  assert.equal((await send(JSON.stringify(anEvent()), 'application/json', { token: 'x.y.z' })).status, 401);
});

test('from a page of another origin: fetch, and sendBeacon as the page goes away', async () => {
  const origin = createServer((_, response) => {
    response.setHeader('content-type', 'text/html');
    response.end('<!doctype html><title>shop</title>');
  });
  await new Promise((resolve) => origin.listen(0, '127.0.0.1', resolve));
  const site = `http://127.0.0.1:${origin.address().port}`;
  const edge = await startEdge({ ALLOWED_ORIGINS: site });
  try {
    const [fetched, beacon, blob] = [anEvent(), anEvent(), anEvent()];
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.goto(site);
    const seen = await page.evaluate(
      async ({ url, fetched, beacon, blob }) => {
        const answer = await fetch(url, {
          method: 'POST',
          body: JSON.stringify(fetched),
          headers: { 'content-type': 'application/json' },
          keepalive: true,
        });
        addEventListener('pagehide', () => {
          navigator.sendBeacon(url, JSON.stringify([beacon]));
          // Its type makes the browser ask first, with credentials as for every beacon.
          navigator.sendBeacon(url, new Blob([JSON.stringify([blob])], { type: 'application/json' }));
        });
        return [answer.status, await answer.json()];
      },
      { url: `${edge.url}/v1/events`, fetched, beacon, blob },
    );
    assert.deepEqual(seen, [202, { accepted: 1, duplicates: 0, rejected: [] }]);
    await page.goto('about:blank');
    for (const event of [fetched, beacon, blob]) {
      let rows = [];
      for (let tries = 0; tries < 50 && rows.length === 0; tries += 1) {
        rows = await named(event.name);
        if (rows.length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
      }
      assert.equal(rows.length, 1, event.name);
      assert.match(rows[0].user_agent, /Chrome/);
    }
    // The same from a page that is not on the list, and from one that is then.
    const [refused, last] = [anEvent(), anEvent()];
    for (const [from, event] of [
      [site.replace('127.0.0.1', 'localhost'), refused],
      [site, last],
    ]) {
      await page.goto(from);
      await page.evaluate(
        ({ url, event }) => navigator.sendBeacon(url, new Blob([JSON.stringify(event)], { type: 'application/json' })),
        { url: `${edge.url}/v1/events`, event },
      );
    }
    let rows = [];
    for (let tries = 0; tries < 50 && rows.length === 0; tries += 1) {
      rows = await named(last.name);
      if (rows.length === 0) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal(rows.length, 1);
    assert.deepEqual(await named(refused.name), []);
    await context.close();
  } finally {
    await edge.stop();
    origin.closeAllConnections();
    await new Promise((resolve) => origin.close(resolve));
  }
});

test('a retry with its Idempotency-Key stores nothing twice, with ids or without, also from another network', async () => {
  const name = `test ${randomUUID()}`;
  const key = randomUUID();
  const lines = `{"name":"${name}"}\n{"name":"${name}","id":"${randomUUID()}"}\n{`;
  const from = (ip, body = lines) =>
    send(body, 'application/x-ndjson', { headers: { 'idempotency-key': key, 'cf-connecting-ip': ip } });
  const first = await from('203.0.113.1');
  assert.deepEqual(first.body, { accepted: 2, duplicates: 0, rejected: [{ index: 2, code: 'malformed' }] });
  const again = await Promise.all(['203.0.113.1', '198.51.100.2', '2001:db8::3'].map((ip) => from(ip)));
  for (const { status, body } of again) assert.deepEqual([status, body], [202, first.body]);
  assert.equal((await named(name)).length, 2);
  const other = await from('203.0.113.1', `{"name":"${name}"}`);
  assert.deepEqual([other.status, other.body.code], [422, 'RG503']);
});

test('an address that has used up its day gets the time until the next one, and can still fill in a form', async () => {
  const headers = { 'cf-connecting-ip': '203.0.113.201' };
  await sql(`update private.daily_allowances set rows = 2, all_rows = 4 where name = 'events'`);
  await sql('truncate private.daily_usage');
  try {
    const two = () => send(JSON.stringify([anEvent(), anEvent()]), 'application/json', { headers });
    assert.equal((await two()).status, 202);
    const refused = await two();
    assert.deepEqual([refused.status, refused.body.code], [429, 'RG517']);
    const wait = Number(refused.headers.get('retry-after'));
    assert.ok(wait > 0 && wait <= 86_400, `${wait}`);
    headers['cf-connecting-ip'] = '203.0.113.202';
    assert.equal((await two()).status, 202, 'another address');
    headers['cf-connecting-ip'] = '203.0.113.203';
    assert.equal((await two()).status, 429, 'all of them together');
    const lead = { json: { email: freshEmail() }, headers: { 'cf-connecting-ip': '203.0.113.201' } };
    assert.equal((await ask('/v1/leads', lead)).status, 201);
  } finally {
    await sql(`update private.daily_allowances set rows = 500000, all_rows = 10000000 where name = 'events'`);
    await sql('truncate private.daily_usage');
  }
});

test('a flood from one address gets Retry-After', async () => {
  await sql(`update private.limit_rules set burst = 3, refill = '10 seconds' where name = 'events'`);
  try {
    const headers = { 'cf-connecting-ip': '203.0.113.77' };
    const statuses = [];
    for (let n = 0; n < 6; n += 1) statuses.push((await send('{"name":"x"}', 'application/json', { headers })).status);
    assert.ok(statuses.includes(429), `${statuses}`);
    const other = await send('{"name":"x"}', 'application/json', { headers: { 'cf-connecting-ip': '198.51.100.7' } });
    assert.equal(other.status, 202, 'another address');
  } finally {
    await sql(`update private.limit_rules set burst = 300, refill = '100 milliseconds' where name = 'events'`);
  }
});

test('admins read events through the data API, and nobody else does', async () => {
  const headers = { 'accept-profile': 'analytics' };
  const event = anEvent();
  await send(JSON.stringify(event));
  const path = `/rest/v1/events?name=eq.${encodeURIComponent(event.name)}&select=id,name`;
  const admin = await userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });
  assert.deepEqual((await ask(path, { token: admin, headers })).body, [{ id: event.id, name: event.name }]);
  assert.deepEqual((await ask(path, { token: await userToken(), headers })).body, []);
  assert.equal((await ask(path, { key: stack.anon_key, headers })).status, 403);
});
