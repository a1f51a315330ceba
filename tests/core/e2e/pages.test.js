// Answers in pages: a text of any length, of which the database and the edge hold one page at a time.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { get } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../../dev/process.js';
import { startEdge } from '../../support/edge.js';
import { withUpstream } from '../../support/fake_upstream.js';
import { drop, make } from '../../support/fixtures.js';
import { ask, close, sql, userToken } from '../../support/stack.js';

const PATH = '/v1/paged';

const MANIFEST = {
  name: 'paged',
  schemas: ['sample'],
  request_headers: [],
  variables: [],
  errors: [],
  jobs: [],
  endpoints: ['caller', 'vouched'].map((identity) => ({
    method: 'GET',
    path: identity === 'caller' ? PATH : `${PATH}/vouched`,
    access: 'user',
    identity,
    call: `sample.test_pages${identity === 'caller' ? '' : '_vouched'}`,
    arguments: { run: { query: 'run', required: true }, pages: { query: 'pages', type: 'integer', default: 3 } },
    pages: { content_type: 'application/x-ndjson', file_name: 'pages.jsonl' },
  })),
};

const BODY = (name) => `
  create function sample.${name}(run text, pages int, after jsonb) returns jsonb
    language plpgsql volatile security definer set search_path = '' as $$
  declare
    at constant int := coalesce((after ->> 'at')::int, 0);
  begin
    insert into sample.test_page_calls values (run, at, auth.uid());
    if run like 'refuse at ' || at || '%' then
      raise sqlstate 'PT422' using message = 'refused';
    elsif run like 'loop%' then
      return jsonb_build_object('text', 'x', 'next', '{"at": 1}'::jsonb);
    elsif run like 'void%' then
      return null;
    elsif run like 'number%' then
      return '{"text": 5, "next": null}';
    elsif run like 'slow%' and at = 1 then
      perform pg_sleep(6);
    end if;
    return jsonb_build_object(
      'text', case when run like 'large%' then repeat('{"a":"0123456789abcdef"}' || chr(10), 40000) else '{"page":' || at || ',"ü":"\\"\\n"}' || chr(10) end,
      'next', case when at + 1 < pages then jsonb_build_object('at', at + 1) end
    );
  end $$;
  revoke execute on function sample.${name}(text, int, jsonb) from public`;

let edge;
let token;
const sub = randomUUID();

before(async () => {
  await make(
    `create table sample.test_page_calls (run text, at int, by uuid);
     ${BODY('test_pages')}; ${BODY('test_pages_vouched')};
     grant execute on function sample.test_pages(text, int, jsonb) to authenticated;
     grant execute on function sample.test_pages_vouched(text, int, jsonb) to edge`,
    '/rpc/test_pages?run=x&pages=1&after=null',
  );
  edge = await startEdge({}, [], undefined, [MANIFEST]);
  token = await userToken(sub);
});
after(async () => {
  await edge?.stop();
  await drop(
    `drop function sample.test_pages(text, int, jsonb); drop function sample.test_pages_vouched(text, int, jsonb);
     drop table sample.test_page_calls`,
  );
  await close();
});

const through = (query, { path = PATH, ...options } = {}) =>
  ask(`${path}?${query}`, { base: edge.url, token, ...options });
/** Sends a request whose answer the test reads, or leaves. */
const open = (base, query, bearer = token) =>
  new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${bearer}` };
    const request = get(encodeURI(`${base}${PATH}?${query}`), { agent: false, headers }, (answer) => {
      answer.on('error', () => {});
      resolve(answer);
    });
    request.on('error', reject);
  });
const calls = (run) => sql('select at, by from sample.test_page_calls where run = $1 order by at', [run]);
const name = (kind = 'run') => `${kind} ${randomUUID()}`;

for (const path of [PATH, `${PATH}/vouched`]) {
  test(`${path}: the answer is the pages one after the other, a file of the manifest's type`, async () => {
    const run = name();
    const answer = await through(`run=${run}`, { path });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.text, [0, 1, 2].map((at) => `{"page":${at},"ü":"\\"\\n"}\n`).join(''));
    assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
    assert.equal(answer.headers.get('content-disposition'), 'attachment; filename="pages.jsonl"');
    assert.match(answer.headers.get('cache-control'), /no-store/);
    assert.deepEqual(
      await calls(run),
      [0, 1, 2].map((at) => ({ at, by: sub })),
      'each page is asked for once, with the caller’s rights',
    );
  });
}

test('one page is an answer, and the client cannot say where the first one begins', async () => {
  const run = name();
  const answer = await through(`run=${run}&pages=1&after={"at":5}`);
  assert.equal(answer.text, '{"page":0,"ü":"\\"\\n"}\n');
  assert.deepEqual(await calls(run), [{ at: 0, by: sub }]);
});

test('an error of the first page has its own status; so has a bad argument, and nobody', async () => {
  const refused = await through(`run=${name('refuse at 0')}`);
  assert.deepEqual([refused.status, refused.body.message], [422, 'refused']);
  assert.equal((await through('pages=3')).body.code, 'RG325');
  assert.equal((await through(`run=${name()}`, { token: undefined })).status, 401);
  for (const kind of ['void', 'number']) {
    const broken = await through(`run=${name(kind)}`);
    assert.deepEqual([broken.status, broken.body.code], [502, 'RG403'], `${kind}: ${broken.text}`);
  }
});

test('an error of a later page breaks the answer off', async () => {
  for (const kind of ['refuse at 2', 'loop']) {
    const run = name(kind);
    await assert.rejects(
      through(`run=${run}&pages=5`),
      (error) => error instanceof TypeError || error.name === 'AbortError' || /terminated|aborted/.test(`${error}`),
      kind,
    );
    assert.ok((await calls(run)).length <= 3);
  }
});

test('a page is asked for when the client has taken the one before', async () => {
  const run = name('large');
  const answer = await open(edge.url, `run=${run}&pages=40`);
  assert.equal(answer.statusCode, 200);
  // Sockets hold a few megabytes on the way.
  await sleep(1500);
  const before = (await calls(run)).length;
  assert.ok(before < 30, `${before} of 40 pages while nobody reads`);
  let length = 0;
  for await (const chunk of answer) length += chunk.length;
  assert.equal(length, 40 * 40_000 * '{"a":"0123456789abcdef"}\n'.length);
  assert.equal((await calls(run)).length, 40);
});

test('a client that hangs up while a later page is read keeps its place until the database has answered', async () => {
  const limited = await startEdge({ LIMITS: JSON.stringify({ waiting: 3 }) }, [], undefined, [MANIFEST]);
  const sleeping = async () => {
    const [{ count }] = await sql("select count(*)::int from pg_stat_activity where wait_event = 'PgSleep'");
    return count;
  };
  const other = await userToken();
  const status = async () => (await through(`run=${name()}&pages=1`, { base: limited.url, token: other })).status;
  try {
    const answers = await Promise.all([1, 2, 3].map(() => open(limited.url, `run=${name('slow')}`)));
    await waitFor('the second pages to be read', async () => (await sleeping()) === 3);
    for (const answer of answers) answer.socket.resetAndDestroy();
    await sleep(300);
    assert.deepEqual([await status(), await sleeping()], [503, 3]);
    await waitFor('the database to be done with them', async () => (await sleeping()) === 0);
    await waitFor('their places to be free', async () => (await status()) === 200);
  } finally {
    await limited.stop();
  }
});

test('a caller may take three answers at once, and others theirs', async () => {
  const large = () => open(edge.url, `run=${name('large')}&pages=40`);
  const answers = await Promise.all([large(), large(), large()]);
  const refused = await through(`run=${name()}`);
  assert.deepEqual([refused.status, refused.body.code], [429, 'RG407']);
  assert.equal((await through(`run=${name()}`, { token: await userToken() })).status, 200);
  const head = await through(`run=${name('large')}`, { token: await userToken(), method: 'HEAD' });
  assert.equal(head.status, 200);
  for await (const _ of answers[0]);
  assert.equal((await through(`run=${name()}`)).status, 200);
  for (const answer of answers.slice(1)) answer.socket.resetAndDestroy();
  assert.deepEqual(await Promise.all([1, 2, 3].map(async () => (await large()).statusCode)), [200, 200, 200]);
});

test('an answer whose client takes nothing breaks off in time', async () => {
  const limited = await startEdge({ LIMITS: JSON.stringify({ upload_ms: 1500 }) }, [], undefined, [MANIFEST]);
  const run = name('large');
  try {
    const answer = await open(limited.url, `run=${run}&pages=40`);
    let asked = 0;
    await waitFor('the sockets on the way to be full', async () => {
      const before = asked;
      asked = (await calls(run)).length;
      await sleep(1000);
      return asked > 0 && asked === before;
    });
    await sleep(3000);
    await assert.rejects(async () => {
      for await (const _ of answer);
    }, /aborted/);
  } finally {
    await limited.stop();
  }
});

test('long pages of one user are parsed in turns: the page of another user, sent after them, is given before the last of them', async () => {
  const page = JSON.stringify({ text: '{"a":"0123456789abcdef"}\n'.repeat(80_000), next: null });
  const long = [];
  const answer = async (response, { url }) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    if (!url.includes('vouched')) {
      response.write(page.slice(0, -1));
      long.push(response);
      return;
    }
    // Until the edge has all of the long pages but their last bytes.
    response.write(' ');
    await sleep(500);
    for (const each of long) each.end(page.slice(-1));
    response.end('{"text": "x", "next": null}');
  };
  await withUpstream(answer, async (POSTGREST_URL) => {
    const LIMITS = JSON.stringify({ caller_connections: 0 });
    const isolate = await startEdge({ POSTGREST_URL, LIMITS }, [], undefined, [MANIFEST]);
    try {
      const given = [];
      const read = async (who, bearer, path) => {
        const headers = { authorization: `Bearer ${bearer}` };
        const response = await fetch(`${isolate.url}${path}?run=x`, { headers });
        given.push(`${who} ${response.status}`);
        await response.text();
      };
      const all = Array.from({ length: 8 }, () => read('flood', token, PATH));
      await waitFor('the edge to ask for the pages', () => long.length === 8);
      await Promise.all([...all, read('other', await userToken(), `${PATH}/vouched`)]);
      assert.deepEqual([...new Set(given)].sort(), ['flood 200', 'other 200']);
      assert.notEqual(given.at(-1), 'other 200', `${given}`);
    } finally {
      await isolate.stop();
    }
  });
});
