// GET /v1/changes through the edge: who gets which events, how a stream begins, goes on after a cut and ends, and what is refused.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
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
/** The events of a stream up to the insert of a row, so that nothing else will come that was written before it. */
const upTo = async (stream, id, ms = 5000) => {
  const found = [];
  for (;;) {
    const event = await stream.next(ms);
    assert.ok(event, 'an event of the row comes');
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
    json: { name: 'new' },
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
  const events = await upTo(again, last);
  assert.equal(events.length, 4501);
  assert.equal(new Set(events.map(([, id]) => id)).size, 4501);
  await sql('delete from sample.projects where user_id = $1', [owner.sub]);
});

test('ids show nothing: two of the same moment differ, and none is a number', async () => {
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

test('a token with unfit claims opens nothing, and others hear as before', async () => {
  const owner = await someone();
  const theirs = await open(owner);
  const sub = randomUUID();
  const nested = JSON.parse(`${'['.repeat(400)}${']'.repeat(400)}`);
  const cases = [
    [{ sub: 'no-uuid' }, 401, 'RG206'],
    [{ sub: '' }, 401, 'RG206'],
    [{ sub: `{${sub}}` }, 401, 'RG206'],
    [{ sub: sub.replaceAll('-', '') }, 401, 'RG206'],
    [{ sub: 7 }, 401, 'RG202'],
    [{ sub, nested }, 401, 'RG202'],
    [{ sub, name: '\ud800' }, 401, 'RG202'],
    // As the data API answers it: PostgreSQL has no such character.
    [{ sub, name: '\0' }, 400, '22P05'],
  ];
  for (const [claims, status, code] of cases) {
    const refused = await listen({ token: await userToken(owner.sub, { claims }) });
    assert.deepEqual([refused.status, refused.body?.code], [status, code], JSON.stringify(claims).slice(0, 80));
    const id = await add(owner.sub);
    assert.deepEqual(await upTo(theirs, id), [['insert', id]]);
  }
});

test('an id that was changed, cut, extended or made up opens nothing', async () => {
  const { token } = await someone();
  const { id } = await open({ token });
  const flipped = Array.from(id, (letter, at) => id.slice(0, at) + (letter === 'A' ? 'B' : 'A') + id.slice(at + 1));
  const forged = [
    ...flipped.filter((_, at) => at % 5 === 0),
    id.slice(0, -1),
    `${id}A`,
    id + id,
    id.toUpperCase(),
    'A'.repeat(48),
    'A'.repeat(7000),
    'é',
    '=',
  ];
  for (const since of forged) {
    const { status, body } = await listen({ token, since });
    assert.deepEqual([status, body?.code], [400, 'RG325'], since);
  }
  // Of another edge, with a key of its own.
  const edge = await startEdge({ EDGE_SIGNING_KEY: randomBytes(32).toString('base64url') });
  try {
    const { status, body } = await listen({ token, base: edge.url, since: id });
    assert.deepEqual([status, body.code], [400, 'RG325']);
  } finally {
    await edge.stop();
  }
});

test('the functions of the feed are out of reach for users of the data API, and no other method opens it', async () => {
  const { sub, token } = await someone();
  const subscriptions = [{ claims: { sub, role: 'authenticated' }, table: 'sample.projects' }];
  for (const name of ['changes', 'new_changes'])
    for (const profile of [{ 'content-profile': 'edge' }, { 'content-profile': 'private' }, {}]) {
      const answer = await ask(`/rest/v1/rpc/${name}`, {
        token,
        json: { subscriptions, is_opening: false },
        headers: profile,
      });
      assert.ok([404, 406].includes(answer.status), `${name} ${answer.text}`);
    }
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    const answer = await ask('/v1/changes?table=sample.projects', { token, method });
    assert.equal(answer.status, 405, method);
  }
});

test('a user whose rights end gets nothing of what comes then, in a stream that is open', async () => {
  await sql(`create table sample.feed_members (user_id uuid); grant select on sample.feed_members to authenticated;
    create policy feed_members on sample.projects as restrictive for select to authenticated using (
      not exists (select from sample.feed_members as m where m.user_id = (select auth.uid()))
    )`);
  try {
    const owner = await someone();
    const stream = await open(owner);
    const one = await add(owner.sub);
    assert.deepEqual(await upTo(stream, one), [['insert', one]]);
    await sql('insert into sample.feed_members values ($1)', [owner.sub]);
    await add(owner.sub);
    assert.equal(await stream.next(2000), null);
    await sql('delete from sample.feed_members');
    const last = await add(owner.sub);
    assert.deepEqual(await upTo(stream, last), [['insert', last]]);
  } finally {
    await sql('drop policy feed_members on sample.projects; drop table sample.feed_members');
  }
});

test('what is older than a day is refused with 410', async () => {
  const owner = await someone();
  const stream = await open(owner);
  const [before] = await sql('select last_deleted::text from private.change_positions');
  await sql('update private.change_positions set last_assigned = last_assigned + 10, last_deleted = last_assigned + 5');
  try {
    const refused = await listen({ ...owner, since: stream.id });
    assert.deepEqual([refused.status, refused.body.code], [410, 'RG591']);
  } finally {
    await sql('update private.change_positions set last_deleted = $1', [before.last_deleted]);
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

test('one poll answers for all, listeners of one user as well as different users', async () => {
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

test('two isolates stream the same', async () => {
  const edges = await Promise.all([startEdge(), startEdge()]);
  try {
    const owner = await someone();
    const streams = await Promise.all(edges.map(({ url: base }) => open({ ...owner, base })));
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push(await add(owner.sub));
    for (const stream of streams) {
      const events = await upTo(stream, ids.at(-1));
      assert.deepEqual(
        events,
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
    const last = await add(owner.sub);
    const { at, ...event } = await again.next();
    assert.deepEqual(event, { event: 'insert', table: 'sample.projects', key: { id: last } }, 'it stays open');
  } finally {
    for (const stream of opened) stream.close?.();
    await edge.stop();
    await proxy.close();
  }
});

test('a listener polls so often; then others do, and without others it ends and can go on', async () => {
  const edge = await startEdge({ LIMITS: JSON.stringify({ listener_polls: 4 }) });
  try {
    const base = edge.url;
    const owner = await someone();
    const first = await open({ ...owner, base });
    const second = await open({ ...owner, base });
    // Each of them polls three times more: it takes both of them to get through these.
    const ids = [];
    for (let n = 0; n < 4; n++) {
      ids.push(await add(owner.sub));
      for (const stream of [first, second]) assert.equal((await stream.next()).key.id, ids[n], `event ${n}`);
    }
    for (const stream of [first, second])
      assert.deepEqual(await stream.next(20_000), { event: 'end', reason: 'again' });
    const missed = await add(owner.sub);
    const again = await open({ ...owner, base, lastId: first.id });
    assert.deepEqual(await upTo(again, missed), [['insert', missed]]);
  } finally {
    for (const stream of opened) stream.close?.();
    await edge.stop();
  }
});

/** A client of plain TCP that asks for a stream and never reads. */
const silent = (base, token, query = '') => {
  const { hostname, port } = new URL(base);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {});
  socket.pause();
  const lines = [`GET /v1/changes?table=sample.projects${query} HTTP/1.1`, `Host: ${hostname}`];
  socket.write([...lines, `Authorization: Bearer ${token}`, '', ''].join('\r\n'));
  return socket;
};

/** Waits until a user has room for a further listener, and opens it. */
const openWhenFree = async (options) => {
  let stream = {};
  for (let tries = 0; tries < 200 && stream.status !== 200; tries++) {
    await sleep(100);
    stream = await listen(options);
  }
  opened.push(stream);
  assert.equal(stream.status, 200, 'there is room again');
  return stream;
};

/** Adds so many changes of a row that one of its owner's streams may have missed. */
const addChanges = async (id, owner, count) => {
  await sql(
    `insert into private.changes (relation, verb, key, audience)
     select 'sample.projects', 'update', jsonb_build_object('id', $1::uuid), array[$2::uuid] from generate_series(1, $3::int)`,
    [id, owner, count],
  );
  // One call gives positions to 50,000, unless another one is giving them.
  for (let isOpen = true; isOpen; ) {
    await sql('select private.assign_positions()');
    [{ isOpen }] = await sql('select exists (select from private.changes where position is null) as "isOpen"');
  }
};
const removeChanges = (id) => sql(`delete from private.changes where key = jsonb_build_object('id', $1::uuid)`, [id]);

test('a client that reads slowly what it has missed gets nothing after its token has expired', async () => {
  const sub = randomUUID();
  const id = await add(sub);
  let socket;
  try {
    const first = await open({ token: await userToken(sub) });
    first.close();
    await addChanges(id, sub, 250_000);
    socket = silent(stack.edge_url, await userToken(sub, { ttl: 4 }), `&since=${first.id}`);
    await sleep(6000);
    let text = '';
    socket.setEncoding('latin1').on('data', (chunk) => {
      text += chunk;
    });
    const ended = new Promise((resolve) => socket.on('close', resolve));
    socket.resume();
    while (!/"reason":"\w+"/.test(text) && !socket.closed) await Promise.race([sleep(100), ended]);
    assert.match(text, /"reason":"expired"/);
    // Without the marks of the chunks: they stand amid events, too.
    const events = text.replace(/\r\n[0-9a-f]+\r\n/g, '').match(/^event: update$/gm)?.length ?? 0;
    assert.ok(events > 0 && events < 250_000, `${events} events`);
  } finally {
    socket?.destroy();
    await removeChanges(id);
  }
});

test('a client that does not read what it has missed is given up before all of it is read', async () => {
  const proxy = await startProxy(new URL(stack.postgrest_url).port);
  const edge = await startEdge({
    POSTGREST_URL: proxy.url,
    LIMITS: JSON.stringify({ upload_ms: 1500, user_listeners: 1 }),
  });
  const owner = await someone();
  const id = await add(owner.sub);
  let socket;
  try {
    const first = await open(owner);
    const since = first.id;
    first.close();
    // 125 answers: more of them than the sockets of this machine hold for a client.
    await addChanges(id, owner.sub, 250_000);
    socket = silent(edge.url, owner.token, `&since=${since}`);
    while (proxy.requests === 0) await sleep(20);
    await openWhenFree({ ...owner, base: edge.url });
    assert.ok(proxy.requests < 80, `${proxy.requests} requests: the rest is not read for nobody`);
  } finally {
    socket?.destroy();
    for (const stream of opened) stream.close?.();
    await edge.stop();
    await proxy.close();
    await removeChanges(id);
  }
});

test('a client that does not read holds up nobody, and is given up in time', async () => {
  const edge = await startEdge({ LIMITS: JSON.stringify({ upload_ms: 1500, user_listeners: 2 }) });
  let socket;
  try {
    const base = edge.url;
    const owner = await someone();
    socket = silent(base, owner.token);
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
    const events = await upTo(reads, last, 30_000);
    assert.equal(events.length, 40_001);
    await openWhenFree({ ...owner, base });
    assert.ok(edge.megabytes() - before < 60, `${edge.megabytes() - before} MB more`);
  } finally {
    socket?.destroy();
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
          onEvent: (event) => globalThis.heard.push([event.event, event.key?.id ?? null]),
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
      const options = { url, token: () => 'a.b.c', table: 'sample.projects', onEvent: () => {} };
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

test('examples/changes/changes.js begins anew where its id is refused, and throws every other refusal', async () => {
  const refusals = { 410: 'RG591', 400: 'RG325', 403: 'RG219' };
  const { listen: follow } = await import('../../../examples/changes/changes.js');
  for (const status of Object.keys(refusals).map(Number)) {
    const ids = [];
    const server = createServer((request, response) => {
      const id = request.headers['last-event-id'];
      ids.push(id ?? null);
      if (id) response.writeHead(status).end(JSON.stringify({ code: refusals[status] }));
      else response.end(`id: a${ids.length}\nevent: ready\ndata: {"table":"sample.projects"}\n\n`);
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    const stop = new AbortController();
    let ready = 0;
    try {
      const over = follow({
        url: `http://127.0.0.1:${server.address().port}`,
        token: () => 'token',
        table: 'sample.projects',
        onEvent: () => {
          ready += 1;
          if (ready === 2) stop.abort();
        },
        signal: stop.signal,
      });
      if (status === 403) await assert.rejects(over, { code: 'RG219' });
      else await over;
      assert.deepEqual(ids, status === 403 ? [null, 'a1'] : [null, 'a1', null]);
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }
});
