// Answers that Rust of a system streams: each piece passes as it comes, and the work goes on when the client hangs up. The hook is
// that of tests/core/system/hooks.rs, in a bundle of its own; the service that it calls is a stand-in whose pieces the tests send.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { build } from '../../../dev/build.js';
import { waitFor } from '../../../dev/process.js';
import { bundleIn } from '../../../dev/workerd.js';
import { startEdge } from '../../support/edge.js';
import { drop, make } from '../../support/fixtures.js';
import { assertHealthy } from '../../support/health_assert.js';
import { close, sql, stack, userToken } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';

const PATH = '/v1/streamed';
const MB = 1024 * 1024;
/** Milliseconds after which a client that takes nothing is given up. */
const PATIENCE_MS = 1500;

const MANIFEST = {
  name: 'streams',
  schemas: ['sample'],
  request_headers: [],
  error_codes: ['ST001'],
  variables: [{ name: 'STREAM_URL', kind: 'upstream' }],
  errors: [{ code: 'ST001', name: 'stream_refused', status: 409 }],
  jobs: [],
  endpoints: ['own', 'openai'].map((shape) => ({
    method: 'POST',
    path: shape === 'own' ? PATH : `${PATH}/openai`,
    access: 'user',
    call: 'sample.test_stream',
    stream: 'pass_on',
    error_shape: shape,
    arguments: { options: { body: 'value' } },
  })),
};

/** A service whose requests wait for what the tests say. */
const startStandIn = async () => {
  const requests = new Map();
  const server = createServer((incoming, answer) => {
    const id = incoming.url.slice(1);
    answer.on('close', () => requests.get(id)?.closed?.());
    requests.set(id, { ...requests.get(id), incoming, answer });
    incoming.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    /** The answer to a request, once it has come. */
    answer: async (id) => {
      await waitFor('the service to be called', () => requests.has(id));
      return requests.get(id).answer;
    },
    connections: () =>
      new Promise((resolve, reject) => {
        server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
      }),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
};

let edge;
let service;

before(async () => {
  await build('test');
  await make(
    `create table sample.test_streams (id text primary key, outcome jsonb not null);
     create function sample.test_stream(options jsonb) returns jsonb language plpgsql stable set search_path = '' as $$
       begin
         if options ? 'sqlstate' then raise exception 'no stream for you' using errcode = options ->> 'sqlstate'; end if;
         return options;
       end $$;
     create function edge.test_stream_ended(id text, outcome jsonb) returns void language sql volatile security definer
       set search_path = '' as 'insert into sample.test_streams values (id, outcome)';
     revoke execute on function sample.test_stream(jsonb), edge.test_stream_ended(text, jsonb) from public;
     grant execute on function sample.test_stream(jsonb) to authenticated;
     grant execute on function edge.test_stream_ended(text, jsonb) to edge`,
    '/test_streams',
  );
  service = await startStandIn();
  edge = await startEdge(
    { STREAM_URL: service.url, LIMITS: JSON.stringify({ upload_ms: PATIENCE_MS, caller_connections: 0 }) },
    [],
    undefined,
    [MANIFEST],
    bundleIn('build/test'),
  );
});
after(async () => {
  try {
    if (edge) await assertHealthy(edge);
  } finally {
    await edge?.stop();
    service?.close();
    await drop(
      'drop function edge.test_stream_ended(text, jsonb), sample.test_stream(jsonb); drop table sample.test_streams',
    );
    await close();
  }
});

const hangUp = (sent, how) => (how === 'reset' ? sent.socket.resetAndDestroy() : sent.destroy());

/** Sends a request, of a user of its own unless told otherwise: the database gives each user a share of its connections. */
const send = async (options, path, token) => {
  const body = JSON.stringify(options);
  const sent = request(edge.url + path, {
    method: 'POST',
    agent: false,
    headers: {
      authorization: `Bearer ${token ?? (await userToken())}`,
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
    },
  });
  sent.end(body);
  return sent;
};

/** The answer to a request, which the test reads and may leave. */
const answerTo = (sent) =>
  new Promise((resolve, reject) => {
    sent.on('error', reject);
    sent.on('response', (answer) => {
      answer.on('error', () => {});
      resolve({
        status: answer.statusCode,
        headers: answer.headers,
        /** The next piece; none at the end. */
        next: async () => {
          for (;;) {
            const piece = answer.read();
            if (piece !== null) return piece.toString();
            if (answer.readableEnded || answer.destroyed) return undefined;
            await Promise.race([once(answer, 'readable'), once(answer, 'end'), once(answer, 'close')]).catch(() => {});
          }
        },
        /** The number of pieces until the end, and their bytes. */
        count: async () => {
          let [pieces, bytes] = [0, 0];
          answer.on('data', ({ length }) => {
            pieces += 1;
            bytes += length;
          });
          await once(answer, 'end');
          return { pieces, bytes };
        },
        hangUp: (how) => hangUp(sent, how),
      });
    });
  });

const ask = async (options, { path = PATH, token } = {}) => answerTo(await send(options, path, token));

/** The rest of an answer. */
const rest = async (answer) => {
  let text = '';
  for (let piece = await answer.next(); piece !== undefined; piece = await answer.next()) text += piece;
  return text;
};

const whole = async (options, more) => {
  const answer = await ask(options, more);
  const text = await rest(answer);
  return { status: answer.status, headers: answer.headers, text, body: text && JSON.parse(text) };
};

/** What a hook said at its end. */
const outcomeOf = async (id) => {
  let rows = [];
  await waitFor(
    'the hook to end',
    async () => {
      rows = await sql('select outcome from sample.test_streams where id = $1', [id]);
      return rows.length > 0;
    },
    { seconds: 20 },
  );
  return rows[0].outcome;
};

/** A stream of which the client has the first piece. */
const begun = async (options = {}, more = {}) => {
  const id = randomUUID();
  const asked = ask({ id, ...options }, more);
  const answer = await Promise.race([
    service.answer(id),
    asked.then(({ status }) => assert.fail(`answered ${status}`)),
  ]);
  answer.writeHead(200, { 'content-type': 'text/event-stream' });
  answer.write('first');
  const client = await asked;
  assert.deepEqual([client.status, await client.next()], [200, 'first']);
  return { id, answer, client };
};

const isClosed = (answer) => waitFor('the service’s connection to be closed', () => answer.destroyed || answer.closed);

test('each piece reaches the client before the service sends the next one', async () => {
  const { id, answer, client } = await begun();
  assert.equal(client.headers['content-type'], 'text/event-stream');
  assert.equal(client.headers['cache-control'], 'private, no-store');
  assert.ok(client.headers['x-request-id']);
  for (let n = 0; n < 20; n++) {
    answer.write(`piece ${n}`);
    assert.equal(await client.next(), `piece ${n}`);
  }
  answer.end();
  assert.equal(await client.next(), undefined);
  const length = 'first'.length + Array.from({ length: 20 }, (_, n) => `piece ${n}`).join('').length;
  assert.deepEqual(await outcomeOf(id), { end: 'whole', read: length, written: length, why_gone: null });
});

test('after what a hook has written at the end of a long stream, its user reads from the primary', async () => {
  const replica = await startProxy(new URL(stack.postgrest_url).port);
  const variables = { STREAM_URL: service.url, POSTGREST_READ_URL: replica.url };
  const own = await startEdge(variables, [], undefined, [MANIFEST], bundleIn('build/test'));
  try {
    const [id, token] = [randomUUID(), await userToken()];
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const asked = fetch(own.url + PATH, { method: 'POST', headers, body: JSON.stringify({ id }) });
    const answer = await service.answer(id);
    answer.writeHead(200, { 'content-type': 'text/event-stream' });
    answer.write('first');
    // Longer than a write at the beginning would count.
    await sleep(6000);
    answer.end();
    assert.equal(await (await asked).text(), 'first');
    const read = await fetch(`${own.url}/rest/v1/projects?select=id`, { headers });
    assert.deepEqual([read.status, replica.requests], [200, 0]);
  } finally {
    await own.stop();
    await replica.close();
  }
});

test('large answers pass whole, to many clients at once', async () => {
  const part = 'x'.repeat(64 * 1024);
  await Promise.all(
    Array.from({ length: 20 }, async () => {
      const { answer, client } = await begun();
      for (let n = 0; n < 32; n++) answer.write(part);
      answer.end();
      assert.equal((await rest(client)).length, 2 * MB);
    }),
  );
});

test('streams of one user begin in turns, and none is refused', async () => {
  const token = await userToken();
  const start = performance.now();
  const times = await Promise.all(
    Array.from({ length: 12 }, async () => {
      assert.equal((await whole({ instead: 'answer' }, { token })).status, 202);
      return performance.now() - start;
    }),
  );
  // What src/isolate/turns.rs gives one caller: 40 ms at once and twenty for each stream.
  for (const [n, time] of times.sort((a, b) => a - b).entries()) {
    const most = (40 + time) / 20 + 2;
    assert.ok(n + 1 <= most, `${n + 1} answers, at most ${most}`);
  }
});

test('pieces of one user’s streams that come fast are joined, and none is lost', async () => {
  const token = await userToken();
  const [streams, pieces] = [10, 200];
  const start = performance.now();
  const all = [];
  // One after the other: the database gives a user few connections.
  for (let n = 0; n < streams; n += 1) all.push(await begun({}, { token }));
  const counting = all.map(({ client }) => client.count());
  for (let n = 0; n < pieces; n += 1) {
    for (const { answer } of all) answer.write('piece');
    await sleep(2);
  }
  for (const { answer } of all) answer.end();
  const counts = await Promise.all(counting);
  // What src/isolate/turns.rs gives one caller: 40 ms at once and two for each piece; the last piece of a stream has no turn.
  const most = (40 + performance.now() - start) / 2 + 2 * streams;
  const passed = counts.reduce((sum, count) => sum + count.pieces, 0);
  assert.ok(passed <= most, `${passed} pieces of ${streams * pieces}, at most ${most}`);
  assert.deepEqual(
    counts.map(({ bytes }) => bytes),
    all.map(() => pieces * 'piece'.length),
  );
  for (const { id } of all) assert.equal((await outcomeOf(id)).end, 'whole');
});

test('streams of one user that are full at any time wait for their turns, too', async () => {
  const token = await userToken();
  const [streams, bytes, full] = [10, 160 * 1024, 8 * 1024];
  const all = [];
  for (let n = 0; n < streams; n += 1) all.push(await begun({}, { token }));
  const start = performance.now();
  const counting = all.map(({ client }) => client.count());
  for (const { answer } of all) answer.end('x'.repeat(bytes));
  const counts = await Promise.all(counting);
  const took = performance.now() - start;
  assert.deepEqual(
    counts.map((count) => count.bytes),
    all.map(() => bytes),
  );
  // Two milliseconds for each piece, and one for 2 KB; 40 at once, and the first and the last piece of a stream have no turn.
  const least = streams * (bytes / full - 2) * (2 + full / 2048) - 40;
  assert.ok(took > least, `${took} ms, at least ${least}`);
});

test('an error before the head is an ordinary answer, in OpenAI’s form where the manifest says so', async () => {
  const refused = await whole({ instead: 'refuse' });
  assert.deepEqual([refused.status, refused.body.code, refused.body.details], [409, 'ST001', 'as it was told']);
  assert.deepEqual(Object.keys(refused.body), ['code', 'message', 'details', 'hint']);
  const path = `${PATH}/openai`;
  const same = await whole({ instead: 'refuse' }, { path });
  assert.deepEqual(same.body, {
    ...refused.body,
    error: { message: 'The hook refuses: as it was told', type: 'invalid_request_error', param: null, code: 'ST001' },
  });
  assert.equal((await whole({ instead: 'nothing' })).body.code, 'RG902');
  // Of every stage: the body, the function, the token.
  for (const [options, status, type, code] of [
    [undefined, 400, 'invalid_request_error', 'RG301'],
    [{ sqlstate: '42501' }, 403, 'permission_error', '42501'],
    [{ sqlstate: 'PT429' }, 429, 'rate_limit_error', 'PT429'],
    [{ sqlstate: 'XX000' }, 502, 'server_error', 'RG403'],
  ]) {
    const { status: got, body } = await whole(options ?? '\0', { path });
    const inner = status === 429 ? 'rate_limit_exceeded' : code;
    assert.deepEqual([got, body.error.type, body.error.code, body.code], [status, type, inner, code]);
    assert.ok(body.error.message.startsWith(body.message));
  }
  const bad = await fetch(edge.url + path, { method: 'POST', headers: { authorization: 'Bearer x' } });
  const { type, code } = (await bad.json()).error;
  assert.deepEqual([type, code], ['authentication_error', 'invalid_api_key']);
});

test('a hook may answer whole; it has the request with its body', async () => {
  const { status, body } = await whole({ instead: 'answer' });
  assert.deepEqual([status, body], [202, { body: JSON.stringify({ instead: 'answer' }).length }]);
});

test('an error after the head ends the answer and is logged', async () => {
  const { client } = await begun({ instead: 'break' });
  assert.equal(await client.next(), undefined);
  const [line] = await edge.logged(({ event }) => event === 'stream_broke');
  assert.deepEqual([line.code, line.message], ['RG902', 'as it was told']);
});

test('a service that is late, breaks off or pauses for too long ends the work', async () => {
  const late = randomUUID();
  assert.equal((await whole({ id: late, head_ms: 200 })).body.code, 'RG402');
  assert.equal((await outcomeOf(late)).end, 'late');
  const broken = await begun();
  broken.answer.destroy();
  assert.equal((await outcomeOf(broken.id)).end, 'broken');
  const slow = await begun({ idle_ms: 300 });
  assert.equal((await outcomeOf(slow.id)).end, 'slow');
  await isClosed(slow.answer);
});

/** A client may go with a reset, which the runtime sees at once, or close its end, which shows only when something is sent to it. */
const HANG_UPS = ['reset', 'close'];

for (const how of HANG_UPS) {
  for (const watch of [['signal'], ['write'], undefined]) {
    const sign = watch?.[0] ?? 'either';
    test(`a hang-up (${how}) shows by ${sign}; the service is read on, and its end is stored`, async () => {
      const { id, answer, client } = await begun({ drain_ms: 20_000, ...(watch && { watch }) });
      client.hangUp(how);
      let sent = 'first'.length;
      for (let n = 0; n < 10; n++) {
        await sleep(50);
        answer.write('more');
        sent += 'more'.length;
      }
      await sleep(500);
      answer.end('last');
      const { why_gone, ...outcome } = await outcomeOf(id);
      assert.ok(watch ? why_gone === sign : ['signal', 'write'].includes(why_gone), `${why_gone}`);
      assert.deepEqual([outcome.end, outcome.read], ['whole', sent + 'last'.length]);
      assert.ok(outcome.written < sent, `${outcome.written} of ${sent} written`);
    });
  }
}

test('a hang-up shows while the service sends nothing', async () => {
  const { id, answer, client } = await begun({ watch: ['signal'] });
  client.hangUp('reset');
  assert.deepEqual(await outcomeOf(id), { end: 'dropped', read: 5, written: 5, why_gone: 'signal' });
  await isClosed(answer);
});

test('a hook that watches for neither sign works to the end of the service’s answer', async () => {
  const { id, answer, client } = await begun({ watch: [] });
  client.hangUp('reset');
  for (let n = 0; n < 10; n++) {
    await sleep(50);
    answer.write('more');
  }
  answer.end();
  const { end, read, why_gone } = await outcomeOf(id);
  assert.deepEqual([end, read, why_gone], ['whole', 45, null]);
});

test('a client that hangs up before the head leaves the work to its end', async () => {
  for (const how of HANG_UPS) {
    const id = randomUUID();
    const sent = await send({ id, drain_ms: 20_000 }, PATH);
    sent.on('error', () => {});
    const answer = await service.answer(id);
    hangUp(sent, how);
    if (how === 'reset') await edge.logged(({ status }) => status === 499);
    await sleep(300);
    answer.write('half of it');
    await sleep(300);
    answer.end(', and the rest');
    const { end, read, why_gone } = await outcomeOf(id);
    assert.deepEqual([end, read], ['whole', 24], how);
    assert.ok(['signal', 'write'].includes(why_gone), `${how}: ${why_gone}`);
  }
});

test('a service is let go when the hook drops its answer', async () => {
  const { id, answer, client } = await begun();
  client.hangUp('reset');
  answer.write('more');
  const outcome = await outcomeOf(id);
  assert.equal(outcome.end, 'dropped');
  await isClosed(answer);
});

test('a client that does not read slows the service down, and is given up in time', async () => {
  const id = randomUUID();
  const { hostname, port } = new URL(edge.url);
  const socket = connect(Number(port), hostname);
  socket.pause();
  socket.on('error', () => {});
  const body = JSON.stringify({ id });
  socket.write(
    [
      `POST ${PATH} HTTP/1.1`,
      `Host: ${hostname}`,
      `Authorization: Bearer ${await userToken()}`,
      'Content-Type: application/json',
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n'),
  );
  const answer = await service.answer(id);
  answer.on('error', () => {});
  answer.writeHead(200, { 'content-type': 'text/event-stream' });
  const before = edge.megabytes();
  const part = Buffer.alloc(MB, 'x');
  let buffered = 0;
  for (let n = 0; n < 64; n++) answer.write(part);
  await sleep(PATIENCE_MS / 2);
  buffered = answer.writableLength;
  assert.ok(buffered > 32 * MB, `${buffered} bytes are with the service still`);
  const { end, why_gone } = await outcomeOf(id);
  assert.deepEqual([end, why_gone], ['dropped', 'write']);
  assert.ok(edge.megabytes() - before < 40, 'none of it is in memory');
  await isClosed(answer);
  // A client that reads on after all sees that this is not the end of the answer.
  let last = '';
  socket.on('data', (data) => {
    last = (last + data).slice(-7);
  });
  socket.resume();
  await once(socket, 'close');
  assert.notEqual(last, '\r\n0\r\n\r\n');
});

test('200 clients that hang up leave no connection, no task and little memory', async () => {
  const many = async (how) => {
    const all = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const one = await begun();
        one.client.hangUp(how);
        one.answer.write('more');
        return one.id;
      }),
    );
    for (const id of all) assert.equal((await outcomeOf(id)).end, 'dropped');
    await waitFor('the service’s connections to be closed', async () => (await service.connections()) === 0);
  };
  await many('reset');
  const before = edge.megabytes();
  for (const how of [...HANG_UPS, ...HANG_UPS]) await many(how);
  const grown = edge.megabytes() - before;
  assert.ok(grown < 40, `${grown} MB`);
});
