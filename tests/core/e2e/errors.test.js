// Errors keep their facts: lists, ranges, codes without a body, and one answer for each SQLSTATE. On the real PostgREST.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { drop, make } from '../../support/fixtures.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';

const GONE = `
  drop function if exists sample_more.test_raise(text, text), sample.test_lock(), sample.test_deep(int), sample.test_cross(int, int), sample.test_rows(text);
  drop table if exists sample.test_routes, sample.test_places`;

const MADE = `
  create table sample.test_places (id int primary key, name text);
  create table sample.test_routes (
    id int primary key,
    starts int references sample.test_places (id),
    ends int references sample.test_places (id)
  );
  insert into sample.test_places select n, 'place ' || n from generate_series(1, 6) as n;
  grant select, insert, update, delete on sample.test_places, sample.test_routes to authenticated;
  create function sample_more.test_raise(state text, words text default '') returns int language plpgsql stable as $$
    begin
      raise exception 'secret_table %', words using errcode = state, detail = 'secret_detail', hint = 'secret_hint';
    end $$;
  create function sample.test_lock() returns int language plpgsql set lock_timeout = '50ms' as $$
    begin
      lock table sample.test_places in access exclusive mode;
      return 1;
    end $$;
  create function sample.test_deep(n int) returns int language plpgsql as $$
    begin
      return sample.test_deep(n + 1);
    end $$;
  -- PostgreSQL looks for deadlocks after a second, which is when roles give up waiting for a lock.
  create function sample.test_cross(one int, other int) returns int language plpgsql set lock_timeout = '5s' as $$
    begin
      update sample.test_places set name = 'crossed' where id = one;
      perform pg_sleep(0.5);
      update sample.test_places set name = 'crossed' where id = other;
      return 1;
    end $$;
  create function sample.test_rows(state text) returns setof sample.test_places language plpgsql stable as $$
    begin
      perform sample_more.test_raise(state);
    end $$;
  grant execute on function sample.test_cross(int, int), sample.test_rows(text) to authenticated;
  grant execute on function sample_more.test_raise(text, text) to anon, authenticated;
  grant execute on function sample.test_lock(), sample.test_deep(int) to authenticated;`;

let token;

before(async () => {
  await sql(GONE);
  await make(MADE, '/rpc/test_lock');
  token = await userToken();
});
after(async () => {
  await drop(GONE);
  await close();
});

const rest = (path, options) => ask(`/rest/v1${path}`, { token, ...options });
const MARKETING = { 'content-profile': 'sample_more' };
const raise = (state, options) => rest('/rpc/test_raise', { json: { state }, headers: MARKETING, ...options });
const code = ({ headers }) => headers.get('proxy-status');

test('details that are a list stay one', async () => {
  const path = '/test_routes?select=id,test_places(name)';
  const answer = await rest(path);
  const upstream = await ask(path, { base: stack.postgrest_url, token });
  assert.deepEqual([answer.status, answer.body], [300, upstream.body]);
  assert.equal(answer.body.code, 'PGRST201');
  assert.deepEqual(
    answer.body.details.map(({ cardinality }) => cardinality),
    ['many-to-one', 'many-to-one'],
  );
});

test('a range beyond the rows is answered with their number', async () => {
  for (const [method, offset] of [
    ['GET', 6],
    ['GET', 50],
    ['HEAD', 50],
  ]) {
    const path = `/test_places?select=id&offset=${offset}`;
    const headers = { prefer: 'count=exact' };
    const answer = await rest(path, { method, headers });
    const upstream = await ask(path, { base: stack.postgrest_url, token, method, headers });
    assert.equal(answer.status, upstream.status);
    assert.equal(answer.headers.get('content-range'), '*/6');
    if (offset === 50) assert.deepEqual([answer.status, code(answer)], [416, 'PostgREST; error=PGRST103']);
  }
});

test('an error that has no body names its code in a header, and one that has a body, too', async () => {
  const object = { accept: 'application/vnd.pgrst.object+json' };
  const cases = [
    ['/test_places?nothing=eq.1', {}, 400, '42703'],
    ['/test_places?id=eq.x', {}, 400, '22P02'],
    ['/nothing', {}, 404, '42P01'],
    ['/test_places?select=id', { headers: object }, 406, 'PGRST116'],
    ['/test_routes?select=test_places(id)', {}, 300, 'PGRST201'],
    ['/rpc/nothing', {}, 404, 'PGRST202'],
    ['/rpc/test_rows?state=PT404', {}, 404, 'PT404'],
    ['/rpc/test_rows?state=P0002', {}, 404, 'P0002'],
    ['/rpc/test_rows?state=55P03', {}, 503, '55P03'],
    ['/rpc/test_rows?state=XX000', {}, 502, 'RG403'],
    ['/rpc/test_rows?state=57014', {}, 504, 'RG402'],
    // Codes of the edge itself.
    ['/test_places', { headers: { 'accept-profile': 'private' } }, 406, 'PGRST106'],
    ['/a.b/c', {}, 404, 'RG101'],
    ['/test_places', { token: 'a.b.c' }, 401, 'RG202'],
  ];
  for (const [path, options, status, wanted] of cases) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await rest(path, {
        method,
        ...options,
        headers: { origin: 'http://localhost:3000', ...options.headers },
      });
      const found = [answer.status, code(answer)];
      assert.deepEqual(found, [status, `PostgREST; error=${wanted}`], `${method} ${path}`);
      assert.match(answer.headers.get('access-control-expose-headers'), /proxy-status/);
      if (method === 'GET') assert.equal(answer.body.code, wanted);
      else assert.equal(answer.text, '');
    }
  }
  const good = await rest('/test_places?select=id', { method: 'HEAD' });
  assert.deepEqual([good.status, code(good)], [200, null]);
});

test('each SQLSTATE has its status, in words that are not PostgreSQL’s', async () => {
  const cases = [
    ['21000', 400],
    ['53400', 400],
    ['54000', 400],
    ['54001', 400],
    ['54023', 400],
    ['55000', 409],
    ['55006', 409],
    ['55P03', 503, '1'],
    ['P0002', 404],
    ['P0003', 409],
    ['P0004', 400],
  ];
  for (const options of [{}, { token: undefined, key: made.publishable_key }]) {
    for (const [state, status, retryAfter = null] of cases) {
      const { headers, body, ...answer } = await raise(state, options);
      assert.deepEqual([answer.status, headers.get('retry-after')], [status, retryAfter], state);
      assert.deepEqual([body.code, body.details], [state, null]);
      assert.ok(body.message.length > 10 && body.hint.length > 10, state);
      assert.ok(!answer.text.includes('secret'), answer.text);
    }
    for (const state of ['XX000', '38000', '42P17', 'F0000', '58030', '25000']) {
      const { status, body, text } = await raise(state, options);
      assert.deepEqual([status, body.code], [502, 'RG403'], state);
      assert.ok(!text.includes('secret'), text);
    }
  }
  const safe = await rest('/rpc/test_raise', {
    json: { state: '21000', words: 'DELETE requires a WHERE clause' },
    headers: MARKETING,
  });
  assert.deepEqual([safe.status, safe.body.code], [400, 'RG307'], 'pg-safeupdate');
});

test('what PostgreSQL itself finds wrong with a request is the request’s fault', async () => {
  const merge = { prefer: 'resolution=merge-duplicates' };
  const twice = [
    { id: 7, name: 'a' },
    { id: 7, name: 'b' },
  ];
  const upsert = await rest('/test_places', { json: twice, headers: merge });
  assert.deepEqual([upsert.status, upsert.body.code], [400, '21000'], upsert.text);
  const deep = await rest('/rpc/test_deep', { json: { n: 1 } });
  assert.deepEqual([deep.status, deep.body.code], [400, '54001'], deep.text);
});

test('a lock that is not to be had says when to come again', async () => {
  const holder = sql('do $$ begin lock table sample.test_places in share mode; perform pg_sleep(1); end $$');
  await sleep(300);
  const answer = await rest('/rpc/test_lock', { json: {} });
  await holder;
  assert.deepEqual([answer.status, answer.body.code, answer.headers.get('retry-after')], [503, '55P03', '1']);
});

test('one of two deadlocked requests is answered with Retry-After', async () => {
  const cross = (one, other) => rest('/rpc/test_cross', { json: { one, other } });
  const answers = await Promise.all([cross(1, 2), cross(2, 1)]);
  const found = answers.map(({ status, body, headers }) => [status, body?.code ?? body, headers.get('retry-after')]);
  assert.deepEqual(
    found.sort(([a], [b]) => a - b),
    [
      [200, 1, null],
      [503, '40P01', '1'],
    ],
  );
});

test('an application chooses its own status and words, 5xx too', async () => {
  for (const [state, retryAfter] of [
    ['PT503', '1'],
    ['PT500', null],
    ['PT429', '1'],
    ['PT402', null],
  ]) {
    for (const options of [{}, { token: undefined, key: made.publishable_key }]) {
      const { status, headers, body } = await raise(state, options);
      assert.deepEqual([status, headers.get('retry-after')], [Number(state.slice(2)), retryAfter], state);
      assert.deepEqual(body, { code: state, message: 'secret_table ', details: 'secret_detail', hint: 'secret_hint' });
    }
  }
});
