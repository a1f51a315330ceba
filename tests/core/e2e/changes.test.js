// GET /v1/changes through the edge: who hears what, how a stream begins, goes on after a cut and ends, and what is refused.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../../../dev/paths.js';
import { freePort } from '../../../dev/process.js';
import { launch } from '../../support/browser.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';
import { makeToken } from '../support/api_tokens.js';
import { listen } from '../support/listen.js';

const opened = [];
after(async () => {
  for (const stream of opened) stream.close?.();
  await close();
});

const open = async (options) => {
  const stream = await listen(options);
  opened.push(stream);
  if (stream.status === 200) assert.deepEqual(await stream.next(), { event: 'ready', table: 'sample.projects' });
  return stream;
};
const someone = async (options) => {
  const sub = randomUUID();
  return { sub, token: await userToken(sub, options) };
};
const add = async (sub) =>
  (await sql(`insert into sample.projects (user_id, name) values ($1, $2) returning id`, [sub, randomUUID()]))[0].id;
/** The events of a stream up to the insert of a row, which tells that nothing else will come that was written before it. */
const upTo = async (stream, id, ms = 5000) => {
  const found = [];
  for (;;) {
    const event = await stream.next(ms);
    assert.ok(event, 'the row is told');
    found.push([event.event, event.key.id]);
    if (event.key.id === id) return found;
  }
};

test('an owner hears of a write through the edge, in all windows, and nobody else does', async () => {
  const [owner, other] = [await someone(), await someone()];
  const windows = [await open(owner), await open(owner)];
  const theirs = await open(other);
  const [{ headers }] = [windows[0].response];
  assert.equal(headers.get('content-type'), 'text/event-stream; charset=utf-8');
  assert.match(headers.get('cache-control'), /no-store/);
  const added = await ask('/rest/v1/projects', {
    token: owner.token,
    json: { name: 'told' },
    headers: { prefer: 'return=representation' },
  });
  assert.equal(added.status, 201, added.text);
  const { id } = added.body[0];
  for (const window of windows) {
    const { at, ...event } = await window.next();
    assert.deepEqual(event, { event: 'insert', table: 'sample.projects', key: { id } });
    assert.ok(Math.abs(new Date(at) - Date.now()) < 60_000);
  }
  const own = await add(other.sub);
  assert.deepEqual(await upTo(theirs, own), [['insert', own]], 'nothing of the owner’s came before');
});

test('after a cut a stream goes on where it was, by Last-Event-ID or by since', async () => {
  const owner = await someone();
  const first = await open(owner);
  const one = await add(owner.sub);
  assert.deepEqual(await upTo(first, one), [['insert', one]]);
  first.close();
  await first.ended;
  const two = await add(owner.sub);
  await sql('delete from sample.projects where id = $1', [one]);
  for (const where of [{ lastId: first.id }, { since: first.id }, { since: 'nonsense', lastId: first.id }]) {
    const again = await open({ ...owner, ...where });
    assert.deepEqual([(await again.next())?.key?.id, (await again.next())?.key?.id], [two, one]);
    again.close();
  }
  const fresh = await open(owner);
  const three = await add(owner.sub);
  assert.deepEqual(await upTo(fresh, three), [['insert', three]], 'without either it begins now');
});

test('many changes after a cut come in parts, all of them once', async () => {
  const owner = await someone();
  const first = await open(owner);
  const since = first.id;
  first.close();
  await sql(`insert into sample.projects (user_id, name) select $1, 'row ' || n from generate_series(1, 4500) as n`, [
    owner.sub,
  ]);
  const last = await add(owner.sub);
  const again = await open({ ...owner, since });
  const told = await upTo(again, last);
  assert.equal(told.length, 4501);
  assert.equal(new Set(told.map(([, id]) => id)).size, 4501);
  await sql('delete from sample.projects where user_id = $1', [owner.sub]);
});

test('ids tell nothing: two of the same moment differ, and none is a number', async () => {
  const owner = await someone();
  const [one, two] = [await open(owner), await open(owner)];
  assert.notEqual(one.id, two.id);
  assert.match(one.id, /^[\w-]{48}$/);
});

test('a stream ends when the token does', async () => {
  const owner = await someone({ ttl: 4 });
  const stream = await open(owner);
  assert.deepEqual(await stream.next(8000), { event: 'end', reason: 'expired' });
  await stream.ended;
});

test('an erased user hears the end, and cannot listen again', async () => {
  const owner = await someone();
  const stream = await open(owner);
  await sql('select private.mark_erased($1)', [owner.sub]);
  assert.deepEqual(await stream.next(), { event: 'end', reason: 'erased' });
  await stream.ended;
  const again = await listen(owner);
  assert.deepEqual([again.status, again.body.code], [403, 'RG521']);
});

test('what is refused, in the one shape', async () => {
  const { sub, token } = await someone();
  const stream = await open({ token });
  const other = await userToken();
  const cases = [
    [{}, 401, 'RG213'],
    [{ token, table: '' }, 400, 'RG325'],
    [{ token, table: 'projects' }, 400, 'RG325'],
    [{ token, table: 'sample.projects;' }, 400, 'RG325'],
    [{ token, table: `sample.${'x'.repeat(3000)}` }, 400, 'RG325'],
    [{ token, table: 'sample.nothing' }, 404, 'RG590'],
    [{ token, table: 'sample.user_profiles' }, 404, 'RG590'],
    [{ token, table: 'private.changes' }, 404, 'RG590'],
    [{ token, since: '0' }, 400, 'RG325'],
    [{ token, since: `${Date.now()}000` }, 400, 'RG325'],
    [{ token, lastId: 'nonsense' }, 400, 'RG325'],
    [{ token, table: 'sample_more.entries', since: stream.id }, 400, 'RG325'],
    [{ token: stack.service_key }, 403, 'RG214'],
    [{ token: (await makeToken(token, { systems: ['sample'], access: 'write' })).token }, 403, 'RG219'],
    [{ token: (await makeToken(token, { endpoints: ['GET /v1/changes'] })).token }, 403, 'RG219'],
    [{ token: made.publishable_key }, 401, 'RG213'],
  ];
  for (const [options, status, code] of cases) {
    const { response, body } = await listen(options);
    assert.deepEqual([response.status, body.code], [status, code], JSON.stringify(options));
    assert.deepEqual(Object.keys(body).sort(), ['code', 'details', 'hint', 'message']);
  }
  // Somebody else's id opens what is the caller's own.
  const mine = await open({ token: other, since: stream.id });
  await add(sub);
  assert.equal(await mine.next(1500), null);
});

test('what is older than a day is refused with 410', async () => {
  const owner = await someone();
  const stream = await open(owner);
  const [before] = await sql('select stamp::text, cleared::text from private.change_clock');
  await sql('update private.change_clock set stamp = stamp + 10, cleared = stamp + 5');
  try {
    const refused = await listen({ ...owner, since: stream.id });
    assert.deepEqual([refused.status, refused.body.code], [410, 'RG591']);
  } finally {
    await sql('update private.change_clock set cleared = $1', [before.cleared]);
  }
});

test('HEAD asks the same and opens nothing', async () => {
  const { token } = await someone();
  const head = (table) => ask(`/v1/changes?table=${table}`, { token, method: 'HEAD' });
  const good = await head('sample.projects');
  assert.deepEqual([good.status, good.headers.get('content-type')], [200, 'text/event-stream; charset=utf-8']);
  assert.equal((await head('sample.nothing')).status, 404);
});

test('a user and an isolate have so many listeners, and one that hangs up makes room', async () => {
  const edge = await startEdge({ LIMITS: JSON.stringify({ listeners: 3, user_listeners: 2 }) });
  try {
    const [owner, other] = [await someone(), await someone()];
    const base = edge.url;
    const first = await open({ ...owner, base });
    await open({ ...owner, base });
    const refused = await listen({ ...owner, base });
    assert.deepEqual([refused.status, refused.body.code], [429, 'RG340']);
    assert.ok(Number(refused.response.headers.get('retry-after')) > 0);
    await open({ ...other, base });
    const full = await listen({ ...(await someone()), base });
    assert.deepEqual([full.status, full.body.code], [429, 'RG340']);
    first.close();
    await first.ended;
    let stream = {};
    for (let tries = 0; tries < 200 && stream.status !== 200; tries++) {
      await sleep(100);
      stream = await listen({ ...owner, base });
    }
    opened.push(stream);
    assert.equal(stream.status, 200);
    // Those who are left still hear: who asked for all has gone.
    await stream.next();
    const id = await add(owner.sub);
    assert.equal((await stream.next()).key.id, id);
  } finally {
    for (const stream of opened) stream.close?.();
    await edge.stop();
  }
});

test('a page of an allowed origin may read it, another one may not', async () => {
  const edge = await startEdge({ ALLOWED_ORIGINS: 'https://app.example' });
  try {
    const { token } = await someone();
    const allowed = async (origin) => {
      const stream = await open({ token, base: edge.url, headers: { origin } });
      stream.close();
      return stream.response.headers.get('access-control-allow-origin');
    };
    assert.equal(await allowed('https://app.example'), 'https://app.example');
    assert.equal(await allowed('https://other.example'), null);
  } finally {
    await edge.stop();
  }
});

test('a preflight allows the header that a reader sends when it connects again', async () => {
  const edge = await startEdge({ ALLOWED_ORIGINS: 'https://app.example' });
  try {
    const { status, headers } = await ask('/v1/changes?table=sample.projects', {
      base: edge.url,
      method: 'OPTIONS',
      headers: {
        origin: 'https://app.example',
        'access-control-request-method': 'GET',
        'access-control-request-headers': 'authorization,last-event-id',
      },
    });
    assert.equal(status, 204);
    assert.match(headers.get('access-control-allow-headers'), /last-event-id/i);
  } finally {
    await edge.stop();
  }
});

test('one question answers for all, listeners of one user as well as different users', async () => {
  const proxy = await startProxy(new URL(stack.postgrest_url).port);
  const edge = await startEdge({ POSTGREST_URL: proxy.url });
  try {
    const base = edge.url;
    /** Requests to PostgREST in two and a half seconds. */
    const asked = async () => {
      const before = proxy.requests;
      await sleep(2500);
      return proxy.requests - before;
    };
    const owner = await someone();
    const streams = [await open({ ...owner, base })];
    const alone = await asked();
    assert.ok(alone > 1, 'it asks by itself');
    for (let n = 0; n < 14; n++) streams.push(await open({ ...owner, base }));
    const together = await asked();
    const id = await add(owner.sub);
    for (const stream of streams) assert.equal((await stream.next()).key.id, id);
    const others = [];
    for (let n = 0; n < 15; n++) {
      const other = await someone();
      others.push([other, await open({ ...other, base })]);
    }
    const different = await asked();
    // Each listener that asked for itself would make it 15 and 30 times as many.
    assert.ok(together < 3 * alone, `${together} requests for 15 listeners, ${alone} for one`);
    assert.ok(different < 3 * alone, `${different} requests for 16 users, ${alone} for one`);
    for (const [other, stream] of others) {
      const row = await add(other.sub);
      assert.equal((await stream.next()).key.id, row);
    }
  } finally {
    for (const stream of opened) stream.close?.();
    await edge.stop();
    await proxy.close();
  }
});

test('two isolates tell the same', async () => {
  const edges = await Promise.all([startEdge(), startEdge()]);
  try {
    const owner = await someone();
    const streams = await Promise.all(edges.map(({ url: base }) => open({ ...owner, base })));
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push(await add(owner.sub));
    for (const stream of streams) {
      const told = await upTo(stream, ids.at(-1));
      assert.deepEqual(
        told,
        ids.map((id) => ['insert', id]),
      );
    }
    // The id of one is good for the other.
    streams[0].close();
    const more = await add(owner.sub);
    const moved = await open({ ...owner, base: edges[1].url, lastId: streams[0].id });
    assert.deepEqual(await upTo(moved, more), [['insert', more]]);
  } finally {
    for (const stream of opened) stream.close?.();
    await Promise.all(edges.map((edge) => edge.stop()));
  }
});

test('while the database is away nothing is lost, and a stream that waits too long ends', async () => {
  const proxy = await startProxy(new URL(stack.postgrest_url).port);
  const edge = await startEdge({ POSTGREST_URL: proxy.url });
  const away = (isAway) => {
    proxy.refuse = isAway ? Number.POSITIVE_INFINITY : 0;
    if (isAway) for (const socket of proxy.open) socket.destroy();
  };
  try {
    const base = edge.url;
    const owner = await someone();
    const stream = await open({ ...owner, base });
    away(true);
    const id = await add(owner.sub);
    await edge.logged(({ event }) => event === 'changes_failed');
    away(false);
    assert.equal((await stream.next(15_000)).key.id, id);
    away(true);
    const missed = await add(owner.sub);
    assert.deepEqual(await stream.next(40_000), { event: 'end', reason: 'again' });
    await stream.ended;
    const refused = await listen({ ...owner, base, lastId: stream.id });
    assert.deepEqual([refused.status, refused.body.code], [503, 'RG401']);
    away(false);
    const again = await open({ ...owner, base, lastId: stream.id });
    assert.deepEqual(await upTo(again, missed), [['insert', missed]]);
  } finally {
    for (const stream of opened) stream.close?.();
    await edge.stop();
    await proxy.close();
  }
});

test('a client that does not read holds up nobody, and is given up in time', async () => {
  const edge = await startEdge({ LIMITS: JSON.stringify({ upload_ms: 1500, user_listeners: 2 }) });
  const { hostname, port } = new URL(edge.url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  try {
    const base = edge.url;
    const owner = await someone();
    socket.pause();
    socket.write(
      [
        'GET /v1/changes?table=sample.projects HTTP/1.1',
        `Host: ${hostname}`,
        `Authorization: Bearer ${owner.token}`,
        '',
        '',
      ].join('\r\n'),
    );
    const reads = await open({ ...owner, base });
    const full = await listen({ ...owner, base });
    assert.deepEqual([full.status, full.body.code], [429, 'RG340']);
    const before = edge.megabytes();
    // More than the sockets of this machine hold for a client.
    await sql(
      `insert into sample.projects (user_id, name) select $1, 'row ' || n from generate_series(1, 10000) as n`,
      [owner.sub],
    );
    for (let n = 0; n < 3; n++)
      await sql(`update sample.projects set color = $2 where user_id = $1`, [owner.sub, `#00000${n}`]);
    const last = await add(owner.sub);
    const told = await upTo(reads, last, 30_000);
    assert.equal(told.length, 40_001);
    let next = {};
    for (let tries = 0; tries < 100 && next.status !== 200; tries++) {
      await sleep(100);
      next = await listen({ ...owner, base });
    }
    opened.push(next);
    assert.equal(next.status, 200, 'its place is free');
    assert.ok(edge.megabytes() - before < 60, `${edge.megabytes() - before} MB more`);
  } finally {
    socket.destroy();
    for (const stream of opened) stream.close?.();
    await edge.stop();
    await sql(`delete from sample.projects where name like 'row %'`);
  }
});

test('a page of another origin hears by examples/changes/changes.js, also after a cut', async () => {
  const port = await freePort();
  const page = createServer((request, response) => {
    const isModule = request.url === '/changes.js';
    response.writeHead(200, { 'content-type': isModule ? 'text/javascript' : 'text/html' });
    response.end(
      isModule ? readFileSync(join(root, 'examples', 'changes', 'changes.js')) : '<!doctype html><title>page</title>',
    );
  });
  await new Promise((resolve) => page.listen(port, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${port}`;
  const edge = await startEdge({ ALLOWED_ORIGINS: origin });
  const front = await startProxy(new URL(edge.url).port);
  const browser = await launch();
  try {
    const owner = await someone();
    const tab = await browser.newPage();
    await tab.goto(origin);
    await tab.evaluate(
      async ({ url, token }) => {
        const { listen } = await import('/changes.js');
        globalThis.heard = [];
        globalThis.abort = new AbortController();
        globalThis.over = listen({
          url,
          token: () => token,
          table: 'sample.projects',
          told: (event) => globalThis.heard.push([event.event, event.key?.id ?? null]),
          signal: globalThis.abort.signal,
        }).then(() => 'over');
      },
      { url: front.url, token: owner.token },
    );
    const heard = (count) =>
      tab
        .waitForFunction((wanted) => globalThis.heard.length >= wanted && globalThis.heard, count, { polling: 100 })
        .then((found) => found.jsonValue());
    await heard(1);
    const one = await add(owner.sub);
    assert.deepEqual(await heard(2), [
      ['ready', null],
      ['insert', one],
    ]);
    for (const open of front.open) open.destroy();
    const two = await add(owner.sub);
    assert.deepEqual((await heard(4)).slice(2), [
      ['ready', null],
      ['insert', two],
    ]);
    const over = await tab.evaluate(() => {
      globalThis.abort.abort();
      return globalThis.over;
    });
    assert.equal(over, 'over');
    const refused = await tab.evaluate(async (url) => {
      const { listen } = await import('/changes.js');
      const options = { url, token: () => 'a.b.c', table: 'sample.projects', told: () => {} };
      return listen({ ...options, signal: new AbortController().signal }).catch(({ code }) => code);
    }, front.url);
    assert.match(refused, /^RG20/);
  } finally {
    await browser.close();
    await front.close();
    await edge.stop();
    page.closeAllConnections();
    page.close();
  }
});
