// What a public address meets: many requests at once, and hostile input.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { waitFor } from '../../../dev/process.js';
import { startEdge } from '../../support/edge.js';
import { assertHealthy } from '../../support/health_assert.js';
import { rawRequest } from '../../support/raw_http.js';
import { close, made, ask as request, sql, userToken } from '../../support/stack.js';
import { sendConcurrently } from '../support/concurrent.js';

const KB = 1024;
const MB = 1024 * KB;
/** Requests of one isolate that may wait for PostgREST, where `LIMITS` says nothing else. */
const WAITING = 500;
/** Posts at the same moment; fewer where the system lets a process have fewer open files: the runtime keeps two for each connection. */
const crowdSize = () => {
  const [, limit] = /^Max open files\s+(\d+)/m.exec(readFileSync(`/proc/${edge.part.pid}/limits`, 'utf8'));
  return Math.min(10_000, Math.floor((Number(limit) - 2000) / 2));
};

const owner = randomUUID();
const run = randomUUID().slice(0, 8);
let edge;
let token;
let project;

before(async () => {
  edge = await startEdge({ LIMITS: JSON.stringify({ upload_ms: 2000 }) });
  token = await userToken(owner);
  [project] = await sql('insert into sample.projects (user_id, name) values ($1, $2) returning id, name', [
    owner,
    'own',
  ]);
});
after(async () => {
  await edge?.stop();
  // Thousands of rows would slow down and mislead the tests that look at these tables next.
  await sql('delete from sample_more.entries where email like $1', [`%@${run}.example.org`]);
  await sql('truncate private.rate_limits');
  await close();
});

const ask = (path, options) => request(path, { base: edge.url, ...options });

/** Addresses of which the per-address limit has seen nothing. */
let addresses = 0;
const address = () => {
  addresses += 1;
  return `10.${addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`;
};

const inLeads = async (pattern) => {
  const rows = await sql(
    'select email::text, submission_count::int as times from sample_more.entries where email like $1',
    [pattern],
  );
  return new Map(rows.map(({ email, times }) => [email, times]));
};

const tally = (answers) => {
  const counts = {};
  for (const { status, text } of answers) {
    const outcome = `${status} ${/"code":"\w+"/.exec(text) ?? ''}`;
    counts[outcome] = (counts[outcome] ?? 0) + 1;
  }
  return JSON.stringify(counts);
};

test('10,000 posts at once: what is acknowledged is stored, the rest gets Retry-After', async (t) => {
  const name = (n) => `concurrent${n}@${run}.example.org`;
  const shared = (n) => n % 10 === 0;
  const size = crowdSize();
  const start = performance.now();
  const { answers, most } = await sendConcurrently(edge.url, size, (n) => ({
    path: '/v1/entries',
    headers: { 'content-type': 'application/json', 'cf-connecting-ip': shared(n) ? '192.0.2.1' : address() },
    body: JSON.stringify({ email: name(n) }),
  }));
  const seconds = (performance.now() - start) / 1000;
  t.diagnostic(`${most} in flight, ${seconds.toFixed(1)} s, ${edge.megabytes().toFixed()} MB: ${tally(answers)}`);
  // A request that was answered with Retry-After must not be stored afterwards either.
  let stored = await inLeads(`concurrent%@${run}.example.org`);
  for (let before = -1; before !== stored.size; await sleep(1000)) {
    before = stored.size;
    stored = await inLeads(`concurrent%@${run}.example.org`);
  }
  const acknowledged = answers.filter(({ status }) => status === 201);
  for (const { n } of acknowledged) assert.equal(stored.get(name(n)), 1, name(n));
  assert.deepEqual([...stored.keys()].sort(), acknowledged.map(({ n }) => name(n)).sort());

  const rest = answers.filter(({ status }) => status !== 201);
  const odd = rest.filter(({ status, headers }) => !([429, 503].includes(status) && headers['retry-after'] >= 1));
  assert.equal(odd.length, 0, tally(odd));
  const ofShared = acknowledged.filter(({ n }) => shared(n)).length;
  assert.ok(ofShared > 0 && ofShared <= 30 + Math.ceil(seconds / 2) + 1, `${ofShared} of one address`);
  const served = answers.filter(({ status }) => status !== 503).length;
  assert.ok(served >= WAITING, `${served}: every request within the limit was served`);
  assert.equal(answers.length, size);
  assert.ok(edge.megabytes() < 1000, `${edge.megabytes()} MB`);
  const next = await ask('/v1/entries', { json: { email: name('after') }, headers: { 'cf-connecting-ip': address() } });
  assert.equal(next.status, 201, 'and it serves on');
});

const bytes = (...parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const deep = (open, close) => `${open.repeat(10_000)}${close.repeat(10_000)}`;

/** JSON that is none, or none that a database could keep, given a field's name and a good value of it. */
const JSONS = {
  'invalid UTF-8': (name) => bytes(`{"${name}":"`, [0xff], '"}'),
  'invalid UTF-8 in a name': (name, value) => bytes(`{"${name}":"${value}","`, [0xff], '":1}'),
  'a NUL in two bytes': (name) => bytes(`{"${name}":"`, [0xc0, 0x80], '"}'),
  'a surrogate in UTF-8': (name) => bytes(`{"${name}":"`, [0xed, 0xa0, 0x80], '"}'),
  'half a character': (name) => bytes(`{"${name}":"`, [0xf0, 0x9f, 0x98], '"}'),
  'a NUL': (name) => `{"${name}":"a\0b"}`,
  'an escaped NUL': (name) => `{"${name}":"a\\u0000b"}`,
  'an escaped NUL in a name': (name, value) => `{"${name}":"${value}","a\\u0000":1}`,
  'a lone surrogate': (name) => `{"${name}":"\\ud800"}`,
  'a lone low surrogate': (name) => `{"${name}":"a\\udc00b"}`,
  'a lone surrogate in a name': (name, value) => `{"${name}":"${value}","\\ud800":1}`,
  'surrogates the wrong way round': (name) => `{"${name}":"\\udc00\\ud800"}`,
  'UTF-16': (name, value) => Buffer.from(`{"${name}":"${value}"}`, 'utf16le'),
  '10,000 lists': () => deep('[', ']'),
  '10,000 lists that are left open': () => '['.repeat(10_000),
  '10,000 objects': () => `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}`,
  '10,000 lists in a field': (name) => `{"${name}":${deep('[', ']')}}`,
  '10,000 lists in another field': (name, value) => `{"${name}":"${value}","other":${deep('[', ']')}}`,
  'a number of 60,000 digits': (name) => `{"${name}":${'9'.repeat(60_000)}}`,
  'broken off': (name, value) => `{"${name}":"${value}"`,
  'two documents': (name, value) => `{"${name}":"${value}"}{"${name}":"${value}"}`,
  nothing: () => '',
};

/** Forms, urlencoded. */
const FORMS = {
  'invalid UTF-8': (name) => bytes(`${name}=`, [0xff]),
  'escaped invalid UTF-8': (name) => `${name}=%ff`,
  'an escaped surrogate': (name) => `${name}=%ed%a0%80`,
  'half an escaped character': (name) => `${name}=%f0%9f%98`,
  'an escaped NUL': (name) => `${name}=a%00b`,
  'an escaped NUL in a name': (name, value) => `a%00b=x&${name}=${value}`,
  'a NUL': (name) => `${name}=a\0b`,
};
/** More of either, that PostgREST refuses and a lead's endpoint understands (tests/growth/e2e/encodings.test.js). */
const DATA_JSONS = { ...JSONS, 'a byte order mark': (name, value) => `\ufeff{"${name}":"${value}"}` };
const DATA_FORMS = { ...FORMS, 'invalid UTF-8 in a name': (name, value) => `%ff=x&${name}=${value}` };
/** More of them, that only the edge has to read. */
const LEAD_FORMS = {
  ...FORMS,
  'half an escape': (name) => `${name}=a%4`,
  '60,000 names': () => '&'.repeat(60_000),
  '15,000 fields': (name, value) => `${'a=1&'.repeat(15_000)}${name}=${value}`,
  '8,000 values of a list': (name, value) => `${'a[]=1&'.repeat(8000)}${name}=${value}`,
};

const parts = (...all) => {
  const each = all.flatMap(([head, value]) => [
    '--b\r\nContent-Disposition: form-data; ',
    head,
    '\r\n\r\n',
    value,
    '\r\n',
  ]);
  return bytes(...each, '--b--');
};
const MULTIPARTS = {
  'invalid UTF-8': (name) => parts([`name="${name}"`, [0xff]]),
  'a NUL': (name) => parts([`name="${name}"`, 'a\0b']),
  'a NUL in a name': (name, value) => parts([`name="${name}"`, value], ['name="a\0b"', 'x']),
  'no name': (name, value) => parts([`name="${name}"`, value], ['nothing', 'x']),
  'an odd name': (name, value) => parts([`name="${name}"`, value], ["name*=utf-8''%ff", 'x']),
  'a head without end': () => `--b\r\n${'A: b\r\n'.repeat(9000)}`,
  'parts without end': () => '--b\r\n'.repeat(10_000),
  'no end': (name, value) => parts([`name="${name}"`, value]).subarray(0, -3),
  'another boundary': (name, value) => `${parts([`name="${name}"`, value])}`.replaceAll('--b', '--c'),
};

const CSVS = {
  'invalid UTF-8': () => bytes('name\n', [0xff]),
  'invalid UTF-8 in a name': () => bytes('name,', [0xff], '\nx,y\n'),
  'a surrogate': () => bytes('name\n', [0xed, 0xa0, 0x80]),
  'a NUL': () => 'name\na\0b\n',
  nothing: () => '',
  'names only': () => 'name',
};

const bearer = () => `Authorization: Bearer ${token}`;
const email = `hurt@${run}.example.org`;
const json = { type: 'application/json', bodies: JSONS };
const form = { type: 'application/x-www-form-urlencoded', bodies: FORMS };
const lead = { first: 'POST /v1/entries', name: 'email', value: email };
const insert = { first: 'POST /rest/v1/projects', headers: () => [bearer()], name: 'name', value: 'hurt' };

/** Where bodies go: the request's first line, what it carries, and a field with a value that would be taken. */
const PLACES = {
  'a lead in JSON': { ...lead, ...json },
  'a lead as a form': { ...lead, ...form, bodies: LEAD_FORMS },
  'a lead in parts': { ...lead, type: 'multipart/form-data; boundary=b', bodies: MULTIPARTS },
  'a function of the public through the data API': {
    ...lead,
    ...json,
    first: 'POST /rest/v1/rpc/say',
    headers: () => [`apikey: ${made.publishable_key}`, 'Content-Profile: sample_more'],
    wrap: (body) => bytes('{"word":"x","change":', body, '}'),
  },
  'an insert in JSON': { ...insert, type: json.type, bodies: DATA_JSONS },
  'an insert as a form': { ...insert, type: form.type, bodies: DATA_FORMS },
  'an insert in CSV': { ...insert, type: 'text/csv', bodies: CSVS },
  'an update in JSON': { ...insert, type: json.type, bodies: DATA_JSONS, first: 'PATCH /rest/v1/projects?name=eq.own' },
  'an update as a form': {
    ...insert,
    type: form.type,
    bodies: DATA_FORMS,
    first: 'PATCH /rest/v1/projects?name=eq.own',
  },
};

const send = ({ first, headers = () => [], type, name, value, wrap = (body) => body }, build) =>
  rawRequest(edge.url, `${first} HTTP/1.1`, {
    headers: [`Content-Type: ${type}`, `CF-Connecting-IP: ${address()}`, ...headers()],
    body: wrap(build(name, value)),
  });

const assertRefused = ({ status, text }) =>
  assert.ok(status >= 400 && status < 500, `${status} ${text.split('\r\n\r\n')[1]?.slice(0, 300)}`);

/** Nothing of all this may be there: neither a row more nor one that has changed. */
const assertNothingWritten = async () => {
  assert.deepEqual([...(await inLeads(`hurt%@${run}.example.org`)).keys()], []);
  const rows = await sql('select id, name from sample.projects where user_id = $1', [owner]);
  assert.deepEqual(rows, [project]);
};

for (const [name, place] of Object.entries(PLACES)) {
  test(`bodies that hurt: ${name}`, async (t) => {
    for (const [what, build] of Object.entries(place.bodies)) {
      await t.test(what, async () => assertRefused(await send(place, build)));
    }
    await assertNothingWritten();
  });
}

test('a field that is named twice: refused in a lead; in the data API PostgREST’s, which takes the last', async () => {
  const twice = await ask('/v1/entries', {
    method: 'POST',
    body: `{"email":"hurt1@${run}.example.org","email":"hurt2@${run}.example.org"}`,
    headers: { 'content-type': 'application/json' },
  });
  assert.deepEqual([twice.status, twice.body.code], [400, 'RG301']);
  const row = await ask('/rest/v1/projects?select=name', {
    token,
    method: 'POST',
    body: '{"name":"first","name":"second"}',
    headers: { 'content-type': 'application/json', prefer: 'return=representation' },
  });
  assert.deepEqual([row.status, row.body], [201, [{ name: 'second' }]]);
  await sql('delete from sample.projects where user_id = $1 and name = $2', [owner, 'second']);
  await assertNothingWritten();
});

const QUERIES = [
  'name=eq.%ff',
  'name=eq.%00',
  '%00=eq.1',
  '%ff=eq.1',
  'name=eq.%ed%a0%80',
  'name=eq.%F0%9F%98',
  'name=eq.%c0%80',
  'select=%00',
  'columns=%00',
  'on_conflict=%ff',
  'order=%ff',
  'limit=%00',
  'or=(name.eq.%00)',
  'name=in.(%ff)',
  'name=fts(%00).x',
  'apikey=%ff',
  'or=(a.eq.1)&or=(',
  `select=${'a('.repeat(2000)}`,
  `select=${'('.repeat(3900)}`,
  `or=${'(and'.repeat(1900)}`,
  `or=${'('.repeat(3900)}`,
  `not.and=(${'not.or('.repeat(900)}`,
  `name=in.(${'%22'.repeat(1000)}`,
  '__proto__=eq.1',
  '=',
  'name=cs.{',
  'name=match.(',
  `name=imatch.${'('.repeat(2000)}`,
  'limit=-1',
  `${'a'.repeat(7000)}=x`,
  `name=eq.${'a'.repeat(17_000)}`,
];

test('queries that hurt: 4xx', async (t) => {
  for (const query of QUERIES) {
    await t.test(query.slice(0, 60), async () => {
      for (const method of ['GET', 'DELETE']) {
        assertRefused(
          await rawRequest(edge.url, `${method} /rest/v1/projects?${query} HTTP/1.1`, { headers: [bearer()] }),
        );
      }
    });
  }
  await assertNothingWritten();
});

test('paths that hurt: 4xx', async (t) => {
  const relations = ['%00', '%ff', 'projects%00', '%ed%a0%80', 'rpc/%00', 'rpc/%ff', '..%2frpc', '%2e%2e%2fx', '%zz'];
  const paths = [
    ...relations.map((name) => `/rest/v1/${name}`),
    ...['projects%2f..%2fx', '\xff', 'projects;x', '__proto__', 'a'.repeat(9000)].map((name) => `/rest/v1/${name}`),
    ...['/rest/v1//projects', '/forms/%00', '/forms/%ff', '/%', '/%00', '//', `/${'a/'.repeat(4000)}`],
  ];
  for (const path of paths) {
    await t.test(JSON.stringify(path.slice(0, 60)), async () => {
      for (const method of ['GET', 'POST', 'DELETE']) {
        const headers = [bearer(), 'Content-Type: application/json'];
        assertRefused(await rawRequest(edge.url, `${method} ${path} HTTP/1.1`, { headers, body: '{}' }));
      }
    });
  }
});

const ODD = ['\xff', '\x7f', '\xed\xa0\x80', 'a\tb', ',', 'x'.repeat(10_000)];
/** Headers that decide something: what they cannot be read as is refused. */
const STRICT = ['accept', 'accept-profile', 'apikey', 'authorization', 'content-profile', 'x-read-preference'];
/** Headers that only say something: what cannot be read is left out, kept as it is, or refused. */
const LENIENT = [
  ...['if-none-match', 'origin', 'prefer', 'range', 'range-unit', 'referer', 'traceparent', 'tracestate', 'cookie'],
  ...['user-agent', 'x-client-info', 'x-request-id', 'cf-connecting-ip', 'sec-fetch-mode', '__proto__', 'constructor'],
];

test('headers that hurt: 4xx where they decide something, and never 5xx', async (t) => {
  const get = 'GET /rest/v1/projects?limit=1 HTTP/1.1';
  const read = (line) => {
    const own = line.startsWith('authorization:') ? [] : [bearer()];
    return rawRequest(edge.url, get, { headers: [...own, line] });
  };
  let count = 0;
  const post = (line, type = 'Content-Type: application/json') => {
    count += 1;
    const email = `header${count}@${run}.example.org`;
    const from = line.startsWith('cf-connecting-ip:') ? [] : [`CF-Connecting-IP: ${address()}`];
    return rawRequest(edge.url, 'POST /v1/entries HTTP/1.1', {
      headers: [type, ...from, line],
      body: JSON.stringify({ email }),
    });
  };
  for (const name of [...STRICT, ...LENIENT]) {
    await t.test(name, async () => {
      assertRefused(await read(`${name}: a\x00b`));
      assertRefused(await post(`${name}: a\x00b`));
      for (const value of ODD) {
        const line = `${name}: ${value}`;
        const answer = await read(line);
        // A list without entries accepts what there is.
        if (STRICT.includes(name) && line !== 'accept: ,') assertRefused(answer);
        else assert.ok([200, 206, 400].includes(answer.status), `${line.slice(0, 40)}: ${answer.text.slice(0, 300)}`);
        const posted = await post(line);
        if (['apikey', 'authorization'].includes(name)) assertRefused(posted);
        else assert.equal(posted.status, 201, `${line.slice(0, 40)}: ${posted.text.slice(0, 300)}`);
      }
    });
  }
  await t.test('content-type', async () => {
    for (const value of ODD) assertRefused(await post('X-Other: x', `Content-Type: ${value}`));
  });
  await t.test('idempotency-key', async () => {
    for (const value of [...ODD.filter((each) => each !== ','), '', ' ']) {
      assertRefused(await post(`Idempotency-Key: ${value}`));
    }
  });
  assert.equal((await inLeads(`header%@${run}.example.org`)).size, ODD.length * (STRICT.length - 2 + LENIENT.length));
});

test('leads whose bodies are huge: 413, however they are sent, at flat memory', async () => {
  const types = ['application/json', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=b'];
  // As much as the edge reads and throws away for its answer to be heard; a longer one may find a broken connection.
  const large = 'x'.repeat(5 * MB);
  const round = () =>
    Promise.all(
      types.flatMap((type) =>
        [large, () => new Blob([large]).stream()].map(async (body) => {
          const answer = await ask('/v1/entries', {
            method: 'POST',
            body: typeof body === 'function' ? body() : body,
            duplex: 'half',
            headers: { 'content-type': type },
          });
          assert.deepEqual([answer.status, answer.body?.code], [413, 'RG302'], answer.text);
        }),
      ),
    );
  await round();
  const before_ = edge.megabytes();
  for (let n = 0; n < 5; n++) await round();
  const grown = edge.megabytes() - before_;
  assert.ok(grown < 40, `${grown} MB for 150 MB`);
});

test('leads whose bodies are not as long as they say: nothing is written', async () => {
  const body = JSON.stringify({ email });
  const type = 'Content-Type: application/json';
  const chunk = (text, length = text.length.toString(16)) => `${length}\r\n${text}\r\n`;
  const lies = [
    ['too short, then nothing', [`Content-Length: ${body.length + 10}`], body, [408]],
    ['too long', [`Content-Length: ${body.length - 1}`], body, [400]],
    ['a chunk without end', ['Transfer-Encoding: chunked'], chunk(body), [408]],
    ['a chunk shorter than it says', ['Transfer-Encoding: chunked'], chunk(body, 'fff'), [408]],
    ['a chunk longer than there are numbers', ['Transfer-Encoding: chunked'], chunk(body, 'f'.repeat(16)), [400, 408]],
    ['a chunk of less than nothing', ['Transfer-Encoding: chunked'], chunk(body, '-1'), [400]],
    ['a chunk of no length', ['Transfer-Encoding: chunked'], chunk(body, 'zz'), [400]],
    ['packed, and cut off', ['Content-Encoding: gzip'], gzipSync(body).subarray(0, -9), [400]],
    ['packed a thousand times', ['Content-Encoding: gzip'], gzipSync('x'.repeat(30 * MB)), [413]],
    // The runtime answers these itself, before there is a request; on Cloudflare, what stands in front of it.
    ['two lengths', ['Content-Length: 3', `Content-Length: ${body.length}`], body, [400, 500]],
    ['a length with a sign', [`Content-Length: +${body.length}`], body, [400, 500]],
    ['a length in hexadecimal', ['Content-Length: 0x1b'], body, [400, 500]],
    ['an encoding that nobody knows', ['Transfer-Encoding: xchunked'], body, [400, 500]],
    ['chunked twice', ['Transfer-Encoding: chunked, chunked'], body, [400, 500]],
  ];
  for (const [what, headers, sent, statuses] of lies) {
    const from = `CF-Connecting-IP: ${address()}`;
    const answer = await rawRequest(edge.url, 'POST /v1/entries HTTP/1.1', {
      headers: [type, from, ...headers],
      body: sent,
    });
    assert.ok(statuses.includes(answer.status), `${what}: ${answer.text.slice(0, 300)}`);
  }
  await assertNothingWritten();
});

/** How many more megabytes the edge has at most while something goes on. */
const mostMegabytes = async (going, of = edge) => {
  const start = of.megabytes();
  let most = start;
  const watch = setInterval(() => {
    most = Math.max(most, of.megabytes());
  }, 10);
  await going.finally(() => clearInterval(watch));
  return most - start;
};

test('packed bodies that become a thousand times as large are unpacked up to the limit only', async () => {
  const packed = gzipSync(Buffer.alloc(60 * MB));
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const send_ = () => {
    const from = { 'cf-connecting-ip': address() };
    return ask('/v1/entries', { method: 'POST', body: packed, headers: { ...headers, ...from } });
  };
  const answers = Promise.all(Array.from({ length: 10 }, send_));
  const more = await mostMegabytes(answers);
  for (const { status, text } of await answers) assert.equal(status, 413, text);
  assert.ok(more < 50, `${more} MB`);
});

test('bodies that come byte by byte take no more memory than others', async (t) => {
  const text = (n) => `{"name":"byte by byte ${n}"${' '.repeat(40_000)}}`;
  const sent = (n) => {
    const headers = [`Authorization: Bearer ${token}`, 'Content-Type: application/json', 'Transfer-Encoding: chunked'];
    const body = [...text(n)].map((byte) => `1\r\n${byte}\r\n`).join('');
    return rawRequest(edge.url, 'POST /rest/v1/projects HTTP/1.1', { headers, body: `${body}0\r\n\r\n` });
  };
  const answers = Promise.all([sent(1), sent(2)]);
  const more = await mostMegabytes(answers);
  t.diagnostic(`${more} MB`);
  for (const answer of await answers) assert.equal(answer.status, 201, answer.text);
  await sql(`delete from sample.projects where user_id = $1 and name like 'byte by byte %'`, [owner]);
  assert.ok(more < 50, `${more} MB`);
});

test('large bodies that do not go on fill a part of the memory only: the rest gets Retry-After', async (t) => {
  // Until all have come, none may end, on a busy machine either.
  const slow = await startEdge({ LIMITS: JSON.stringify({ upload_ms: 4500 }) });
  t.after(async () => {
    await slow.stop();
    await sql('delete from sample.projects where name = any ($1)', [[`before ${run}`, `after ${run}`]]);
  });
  // The first request takes memory for good.
  const first = await ask('/v1/samples/add', {
    base: slow.url,
    token,
    json: { name: `before ${run}`, more: 'x'.repeat(500_000) },
  });
  assert.equal(first.status, 200, first.text);
  const headers = [`Authorization: Bearer ${token}`, 'Content-Type: application/json', 'Content-Length: 1000000'];
  const body = `{"name":"${'x'.repeat(900_000)}`;
  const answers = Promise.all(
    Array.from({ length: 240 }, () => rawRequest(slow.url, 'POST /v1/samples/add HTTP/1.1', { headers, body })),
  );
  const more = await mostMegabytes(answers, slow);
  const refused = (await answers).filter(({ status }) => status === 503);
  for (const { text } of refused) assert.match(text, /^retry-after: \d+/im);
  const ended = (await answers).filter(({ status }) => status === 408);
  assert.equal(refused.length + ended.length, 240);
  assert.ok(refused.length >= 20 && ended.length >= 20, `${refused.length} refused, ${ended.length} ended`);
  // 30 of them take 50 MB, as none is refused.
  t.diagnostic(`${more} MB`);
  assert.ok(more < 330, `${more} MB`);
  const next = await ask('/v1/samples/add', { base: slow.url, token, json: { name: `after ${run}` } });
  assert.equal(next.status, 200, next.text);
});

test('large bodies of clients that hang up leave their room', async () => {
  const { hostname, port } = new URL(edge.url);
  const head = [
    ...['POST /v1/samples/add HTTP/1.1', `Host: ${hostname}`, `Authorization: Bearer ${token}`],
    ...['Content-Type: application/json', 'Content-Length: 1000000', '', ''],
  ];
  const hangUp = async () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => {});
    socket.write(`${head.join('\r\n')}{"name":"${'x'.repeat(900_000)}`);
    await sleep(300);
    socket.resetAndDestroy();
  };
  for (let round = 0; round < 3; round += 1) await Promise.all(Array.from({ length: 20 }, hangUp));
  // The runtime learns of hang-ups when it is there to.
  await waitFor('a large body to have room', async () => {
    const next = await ask('/v1/samples/add', { token, json: { name: `large ${run}`, more: 'x'.repeat(500_000) } });
    assert.ok([200, 503].includes(next.status), next.text);
    return next.status === 200;
  });
  await sql('delete from sample.projects where name = $1', [`large ${run}`]);
});

test('hours of this leave nothing in memory', async () => {
  const places = Object.values(PLACES);
  const round = () =>
    Promise.all(places.flatMap((place) => Object.values(place.bodies).map((build) => send(place, build))));
  for (let n = 0; n < 3; n++) await round();
  const before_ = edge.megabytes();
  for (let n = 0; n < 15; n++) await round();
  const grown = edge.megabytes() - before_;
  assert.ok(grown < 30, `${grown} MB`);
  await assertNothingWritten();
});

test('after all of that the edge has not panicked, and still answers', () => assertHealthy(edge));
