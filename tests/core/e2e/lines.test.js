// Bodies of lines: read as they arrive, gzip too, and stored in batches; at flat memory, and resumable at any break.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { waitFor } from '../../../dev/process.js';
import { startEdge } from '../../support/edge.js';
import { drop, make } from '../../support/fixtures.js';
import { ask, close, freshEmail, made, sql, stack, userToken } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';

const MB = 1024 * 1024;
const PATH = '/v1/lines';

const MANIFEST = {
  name: 'lines',
  schemas: ['sample'],
  request_headers: [],
  variables: [],
  errors: [],
  jobs: [],
  endpoints: [
    ['user', PATH, '80 MB'],
    ['open', `${PATH}/open`, '80 MB'],
    ['user', `${PATH}/small`, '1 MB'],
  ].map(([access, path, limit]) => ({
    method: 'POST',
    path,
    access,
    call: 'sample.test_lines',
    accepts: ['ndjson'],
    body_limit: limit,
    line_limit: '64 KB',
    arguments: {
      lines: { body: 'lines' },
      file: { query: 'file', required: true },
      first: { batch: 'line' },
      start: { batch: 'start' },
      end: { batch: 'end' },
    },
  })),
};

let edge;
let patient;
let proxy;
let token;

before(async () => {
  await make(
    `create table sample.test_batches (file text, first bigint, start bigint, "end" bigint, count int, by uuid, bytes int);
     create function sample.test_lines(lines jsonb, file text, first bigint, start bigint, "end" bigint) returns jsonb
       language plpgsql volatile security definer set search_path = '' as $$
       begin
         if lines @? '$[*].refuse' then
           raise exception 'refused' using errcode = 'P0001';
         end if;
         insert into sample.test_batches values (file, first, start, "end", jsonb_array_length(lines), auth.uid(), length(lines::text));
         return jsonb_build_object(
           'objects', (select count(*) from jsonb_array_elements(lines) as l where jsonb_typeof(l) = 'object'),
           'skipped', coalesce((select jsonb_object_agg(why, n) from (select l #>> '{}' as why, count(*) as n
             from jsonb_array_elements(lines) as l where jsonb_typeof(l) = 'string' group by 1) as s), '{}'),
           'file', file);
       end $$;
     revoke execute on function sample.test_lines(jsonb, text, bigint, bigint, bigint) from public;
     grant execute on function sample.test_lines(jsonb, text, bigint, bigint, bigint) to authenticated`,
    '/test_batches',
  );
  proxy = await startProxy(new URL(stack.postgrest_url).port);
  patient = await startEdge({}, [], undefined, [MANIFEST]);
  edge = await startEdge(
    { POSTGREST_URL: proxy.url, LIMITS: JSON.stringify({ deadline_ms: 4000, upload_ms: 1500 }) },
    [],
    undefined,
    [MANIFEST],
  );
  token = await userToken();
});
after(async () => {
  await edge?.stop();
  await patient?.stop();
  await proxy?.close();
  await drop('drop function sample.test_lines(jsonb, text, bigint, bigint, bigint); drop table sample.test_batches');
  await close();
});

const send = (
  body,
  { file = randomUUID(), base = edge.url, path = PATH, type = 'application/x-ndjson', ...more } = {},
) =>
  ask(`${path}?file=${file}`, {
    base,
    token,
    method: 'POST',
    body,
    duplex: 'half',
    ...more,
    headers: { ...(type && { 'content-type': type }), ...more.headers },
  });
const batches = (file) =>
  sql(
    'select first::int, start::int, "end"::int, count, by, bytes from sample.test_batches where file = $1 order by start',
    [file],
  );
const line = (n, padding = 100) => `${JSON.stringify({ n, text: 'x'.repeat(padding) })}\n`;
const lines = (count, padding) => Array.from({ length: count }, (_, n) => line(n, padding)).join('');

/** A request over a socket of its own, which sends texts and waits so many ms between them; then closes, or waits for the answer. */
const slowly = (parts, { file, hangUp = false, headers = ['Transfer-Encoding: chunked'] }) =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(edge.url);
    const socket = connect(Number(port), hostname, async () => {
      const head = [`POST ${PATH}?file=${file} HTTP/1.1`, `Host: ${hostname}`, `Authorization: Bearer ${token}`];
      socket.write([...head, 'Content-Type: application/jsonl', ...headers, 'Connection: close', '', ''].join('\r\n'));
      for (const part of parts) {
        if (typeof part === 'number') await sleep(part);
        else if (!socket.destroyed) socket.write(part);
      }
      if (hangUp) socket.destroy();
    });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      const body = text.split('\r\n\r\n').slice(1).join('');
      resolve({ status: Number(text.split(' ')[1]) || undefined, body: /^\{.*\}$/m.exec(body)?.[0] });
    });
  });
const chunked = (text) => `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`;

test('lines of every kind are counted, and a bad one costs no other', async () => {
  const file = randomUUID();
  const good = ['{"a":1}', '  {"a":[2]}\r', '{"ü":"ß"}'];
  const bad = ['{"a":', '5', '{"a":"\\u0000"}', '{"a":1,"a":2}', `{"a":"${'x'.repeat(65 * 1024)}"}`];
  const body = `\ufeff${[good[0], '', bad[0], good[1], bad[1], bad[2], '  ', bad[3], bad[4], good[2]].join('\n')}`;
  const answer = await send(body, { file });
  assert.equal(answer.status, 200, answer.text);
  const offset = Buffer.byteLength(body);
  assert.deepEqual(answer.body, {
    objects: 3,
    skipped: { malformed: 4, too_large: 1 },
    file,
    lines: 10,
    offset,
  });
  const [only, ...others] = await batches(file);
  assert.deepEqual([only.first, only.start, only.end, only.count, others.length], [1, 0, offset, 8, 0]);
});

test('a system takes lines by its manifest alone', async () => {
  const [one, two] = [freshEmail(), freshEmail()];
  const entry = (email) => `${JSON.stringify({ email })}\n`;
  const body = `${entry(one)}${entry(two)}${entry(one.toUpperCase())}${entry('nobody')}not JSON\n`;
  const take = () =>
    ask('/v1/entries/lines', {
      token: stack.service_key,
      method: 'POST',
      body,
      headers: { 'content-type': 'application/x-ndjson' },
    });
  const skipped = { malformed: 1, no_email: 1 };
  const wanted = { bad_line: 4, lines: 5, offset: body.length, skipped };
  assert.deepEqual((await take()).body, { added: 2, repeated: 1, ...wanted });
  assert.deepEqual((await take()).body, { added: 0, repeated: 3, ...wanted });
});

test('a body is stored in batches, one after the other, whose positions meet', async () => {
  const file = randomUUID();
  const body = lines(1203);
  const answer = await send(body, { file });
  assert.deepEqual(answer.body, { objects: 1203, skipped: {}, file, lines: 1203, offset: body.length }, answer.text);
  const stored = await batches(file);
  assert.deepEqual(
    stored.map(({ first, count }) => [first, count]),
    [
      [1, 500],
      [501, 500],
      [1001, 203],
    ],
  );
  for (const [at, { start }] of stored.entries()) assert.equal(start, at === 0 ? 0 : stored[at - 1].end);
});

test('gzip gives the same, and what is no gzip is 400', async () => {
  const file = randomUUID();
  const body = lines(700);
  const headers = { 'content-encoding': 'gzip' };
  const zipped = gzipSync(body);
  const answer = await send(zipped, { file, headers });
  assert.deepEqual(answer.body, { objects: 700, skipped: {}, file, lines: 700, offset: body.length }, answer.text);
  for (const broken of [
    Buffer.from('no gzip'),
    zipped.subarray(0, zipped.length - 20),
    Buffer.concat([zipped, zipped]),
  ]) {
    const refused = await send(broken, { headers });
    assert.deepEqual(
      [refused.status, refused.body.code, refused.body.progress.offset % 5],
      [400, 'RG301', 0],
      refused.text,
    );
  }
  const brotli = await send(body, { headers: { 'content-encoding': 'br' } });
  assert.deepEqual([brotli.status, brotli.headers.get('accept-encoding')], [415, 'gzip']);
});

test('an empty body makes one call', async () => {
  const file = randomUUID();
  for (const body of ['', '\n\n'])
    assert.deepEqual((await send(body, { file })).body, {
      objects: 0,
      skipped: {},
      file,
      lines: body.length,
      offset: body.length,
    });
});

test('blank lines count, and make no calls', async () => {
  const file = randomUUID();
  const blank = ' \r\n\n'.repeat(5000);
  const body = `${blank}${lines(501)}${blank}`;
  const answer = await send(body, { file });
  const wanted = { objects: 501, skipped: {}, file, lines: 20_501, offset: body.length };
  assert.deepEqual(answer.body, wanted, answer.text);
  assert.deepEqual(
    (await batches(file)).map(({ first, count }) => [first, count]),
    [
      [1, 500],
      [10_501, 1],
    ],
  );
});

test('gzip is limited also before it is decompressed', async () => {
  const zipped = gzipSync(line(1));
  const [head, rest] = [zipped.subarray(0, 10), zipped.subarray(10)];
  const named = Buffer.from(head);
  named[3] = 8; // FNAME
  const emptyBlock = Buffer.from([0, 0, 0, 0xff, 0xff]);
  const kinds = {
    'a long name': (bytes) => [named, Buffer.alloc(bytes, 'n'), Buffer.from([0]), rest],
    'many empty blocks': (bytes) => [head, Buffer.alloc(bytes, emptyBlock), rest],
  };
  for (const [kind, parts] of Object.entries(kinds))
    for (const [bytes, status] of [
      [500_000, 200],
      [2_000_000, 413],
    ]) {
      const body = new Blob(parts(bytes)).stream();
      const path = `${PATH}/small`;
      const answer = await send(body, { base: patient.url, path, headers: { 'content-encoding': 'gzip' } });
      assert.deepEqual([answer.status, answer.body.code], [status, status === 413 ? 'RG302' : undefined], kind);
      assert.equal(answer.body.lines ?? answer.body.progress.lines, status === 413 ? 0 : 1, kind);
    }
});

test('the caller calls, and arguments are checked before the body is read', async () => {
  const file = randomUUID();
  const sub = randomUUID();
  assert.equal((await send(line(1), { file, token: await userToken(sub) })).status, 200);
  assert.equal((await batches(file))[0].by, sub);
  assert.equal((await send(line(1), { token: undefined })).body.code, 'RG213');
  const missing = await ask(PATH, {
    base: edge.url,
    token,
    method: 'POST',
    body: line(1),
    headers: { 'content-type': 'application/jsonl' },
  });
  assert.deepEqual([missing.status, missing.body.code, missing.body.progress], [400, 'RG325', undefined]);
  assert.equal((await send(line(1), { type: 'application/x-www-form-urlencoded' })).status, 415);
  assert.equal((await send(new Blob([line(1)]).stream(), { type: '' })).status, 200);
});

test('64 MB of lines pass through at flat memory, plain and as gzip', async () => {
  const piece = Buffer.from(lines(1000, 1000));
  const of = (megabytes) => {
    const count = Math.ceil((megabytes * MB) / piece.length);
    return Buffer.concat(Array.from({ length: count }, () => piece));
  };
  /** The most memory while a body passes. */
  const watched = async (whole, headers, encode = (bytes) => bytes) => {
    let most = 0;
    const watching = setInterval(() => {
      most = Math.max(most, patient.megabytes());
    }, 20);
    try {
      const answer = await send(encode(whole), { base: patient.url, headers });
      const wanted = [200, (whole.length / piece.length) * 1000, whole.length];
      assert.deepEqual([answer.status, answer.body.lines, answer.body.offset], wanted, answer.text);
    } finally {
      clearInterval(watching);
    }
    return most;
  };
  for (const [name, ...how] of [['plain'], ['gzip', { 'content-encoding': 'gzip' }, gzipSync]]) {
    // The runtime's own memory grows with its first megabytes of any body: as many of them pass in small bodies first.
    let before = 0;
    for (let body = 0; body < 6; body++) before = Math.max(before, await watched(of(16), ...how));
    const most = await watched(of(64), ...how);
    assert.ok(most - before < 40, `${name}: ${before} MB for 16 MB at a time, then ${most} MB for 64 MB`);
  }
});

test('gzip that becomes a thousand times as large does not fill the memory', async () => {
  const zeros = gzipSync(Buffer.alloc(400 * MB, 'x'));
  const before = patient.megabytes();
  let most = 0;
  const watching = setInterval(() => {
    most = Math.max(most, patient.megabytes());
  }, 10);
  const answer = await send(zeros, { base: patient.url, headers: { 'content-encoding': 'gzip' } });
  clearInterval(watching);
  assert.deepEqual([answer.status, answer.body.code], [413, 'RG302'], answer.text);
  assert.ok(most - before < 60, `${before} MB, then ${most} MB`);
});

test('a batch that is refused ends it, says how far it got, and the client goes on from there', async () => {
  const file = randomUUID();
  const body = `${lines(700)}${JSON.stringify({ refuse: true })}\n${lines(700)}`;
  const answer = await send(body, { file });
  assert.deepEqual([answer.status, answer.body.code, answer.body.message], [400, 'P0001', 'refused'], answer.text);
  const { progress } = answer.body;
  assert.deepEqual(progress, { objects: 500, skipped: {}, file, lines: 500, offset: lines(500).length });
  assert.deepEqual(
    (await batches(file)).map(({ end }) => end),
    [progress.offset],
    'what was stored stays stored',
  );
  const rest = body.slice(progress.offset).replace('"refuse"', '"accept"');
  const again = await send(rest, { file });
  assert.deepEqual([again.status, again.body.objects, again.body.offset], [200, 901, rest.length], again.text);
});

test('a large body that is refused at its beginning gets its answer', async () => {
  const body = `{"refuse":true}\n${lines(40_000, 1000)}`;
  for (const sent of [body, new Blob([body]).stream()]) {
    const answer = await send(sent, { base: patient.url });
    assert.deepEqual([answer.status, answer.body.code, answer.body.progress.offset], [400, 'P0001', 0], answer.text);
  }
});

test('a database that is away ends it with its own error, and the place', async () => {
  const body = lines(1200);
  proxy.refuse = 0;
  const gone = await startEdge({ POSTGREST_URL: 'http://127.0.0.1:9' }, [], undefined, [MANIFEST]);
  try {
    const answer = await send(body, { base: gone.url });
    assert.deepEqual(
      [answer.status, answer.body.code, answer.body.progress],
      [503, 'RG401', { lines: 0, offset: 0 }],
      answer.text,
    );
    assert.equal(answer.headers.get('retry-after'), '1');
  } finally {
    await gone.stop();
  }
});

test('a body that is too large is refused by its length, or where it becomes too large', async () => {
  const large = Buffer.alloc(81 * MB, line(1, 1000));
  const declared = await send(large.subarray(0, 81 * MB), { base: patient.url }).catch((error) => error);
  if (!(declared instanceof Error)) assert.deepEqual([declared.status, declared.body.code], [413, 'RG302']);
  const file = randomUUID();
  const zipped = gzipSync(large);
  const answer = await send(zipped, { base: patient.url, file, headers: { 'content-encoding': 'gzip' } });
  assert.deepEqual([answer.status, answer.body.code], [413, 'RG302'], answer.text);
  const [{ end }] = (await batches(file)).slice(-1);
  assert.equal(answer.body.progress.offset, end);
  assert.ok(end > 78 * MB, `${end}`);
});

test('a body may take longer than the limit of others, and may not pause so long', async () => {
  const file = randomUUID();
  const steady = await slowly([...Array.from({ length: 5 }, (_, n) => [chunked(line(n)), 700]).flat(), '0\r\n\r\n'], {
    file,
  });
  assert.equal(steady.status, 200, steady.body);
  assert.equal(JSON.parse(steady.body).lines, 5);
  assert.ok((await batches(file)).length >= 2, 'lines that came slowly were stored before the end');
  const paused = randomUUID();
  const late = await slowly([chunked(line(1)), 1200, chunked(line(2)), chunked('{"half"'), 5000], { file: paused });
  assert.equal(late.status, 408, late.body);
  const { code, progress } = JSON.parse(late.body);
  assert.deepEqual([code, progress.lines], ['RG310', 2]);
  assert.equal(progress.offset, line(1).length * 2);
});

test('when the client hangs up, what was stored stays stored, and the half line is not', async () => {
  const file = randomUUID();
  await slowly([chunked(lines(600)), chunked('{"half": '), 1500], { file, hangUp: true });
  await sleep(500);
  const stored = await batches(file);
  assert.deepEqual(
    stored.map(({ first, count }) => [first, count]),
    [[1, 500]],
  );
  const short = randomUUID();
  const body = lines(600);
  await slowly([body, 300], { file: short, hangUp: true, headers: [`Content-Length: ${body.length + 100}`] });
  await sleep(500);
  assert.deepEqual(
    (await batches(short)).map(({ count }) => count),
    [500],
  );
});

test('one caller has as many bodies at once as connections, and others are not kept out', async () => {
  const file = randomUUID();
  const slow = () => slowly([chunked(line(1)), 1000, '0\r\n\r\n'], { file });
  const many = Array.from({ length: 6 }, slow);
  await sleep(300);
  assert.equal((await send(line(1), { token: await userToken() })).status, 200, 'another caller');
  const statuses = (await Promise.all(many)).map(({ status }) => status);
  assert.deepEqual(statuses.sort(), [200, 200, 200, 429, 429, 429]);
  assert.equal((await send(line(1))).status, 200, 'and the places are free again');
});

test('half lines of many callers cannot fill the isolate', async () => {
  const half = `{"half":"${'x'.repeat(60 * 1024)}`;
  const { hostname, port } = new URL(edge.url);
  const answers = await Promise.all(
    Array.from({ length: 330 }, async (_, n) => {
      const address = `198.51.${n % 100}.${(n / 100) | 0}`;
      return new Promise((resolve) => {
        const socket = connect(Number(port), hostname, () => {
          const head = [`POST ${PATH}/open?file=many HTTP/1.1`, `Host: ${hostname}`, `CF-Connecting-IP: ${address}`];
          const more = ['Content-Type: application/jsonl', 'Transfer-Encoding: chunked', 'Connection: close', '', ''];
          socket.write([...head, `apikey: ${made.publishable_key}`, ...more].join('\r\n') + chunked(half));
        });
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk;
        });
        socket.on('error', () => {});
        socket.on('close', () => resolve(/RG\d{3}/.exec(text)?.[0]));
      });
    }),
  );
  const full = answers.filter((code) => code === 'RG314').length;
  const late = answers.filter((code) => code === 'RG310').length;
  assert.ok(full > 20 && late > 200 && full + late === 330, `${full} full, ${late} late of ${answers.length}`);
  await waitFor('the memory to be free again', async () => (await send(line(1))).status === 200);
});
