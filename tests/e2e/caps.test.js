// Caps: what LIMITS says is what holds, each with its code; rows are capped whichever way they are asked for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEdge } from '../support/edge.js';
import { drop, make } from '../support/fixtures.js';
import { ask, close, stack, userToken } from '../support/stack.js';

const ROWS = 10;

let edge;
let token;

before(async () => {
  await make(
    `create function clixen.test_series(count int) returns setof int language sql stable
       as 'select generate_series(1, count)';
     create function clixen.test_answer() returns int language sql stable as 'select 42';
     create table clixen.test_steps (
       id int primary key, parent int references clixen.test_steps (id), next int references clixen.test_steps (id)
     );
     alter table clixen.test_steps enable row level security;
     create policy everybody on clixen.test_steps for select to authenticated using (true);
     insert into clixen.test_steps select n, case when n > 1 then 1 end, null from generate_series(1, 40) as n;
     grant select on clixen.test_steps to authenticated;
     grant execute on function clixen.test_series(int), clixen.test_answer() to authenticated`,
    '/test_steps',
  );
  token = await userToken();
  edge = await startEdge({
    LIMITS: JSON.stringify({ rows: ROWS, embed_depth: 2, uri_bytes: 500, body_bytes: 1000 }),
  });
});
after(async () => {
  await edge?.stop();
  await drop('drop table clixen.test_steps; drop function clixen.test_series(int), clixen.test_answer()');
  await close();
});

const get = (path, options) => ask(`/rest/v1/${path}`, { base: edge.url, token, ...options });

test('no way of asking gives more rows than the cap', async () => {
  const ways = [
    ['test_steps', {}],
    ['test_steps?limit=40', {}],
    ['test_steps?limit=99999999999999999999', {}],
    ['test_steps?limit=x', {}],
    ['test_steps?limit=', {}],
    ['test_steps?limit', {}],
    ['test_steps?limit=5&limit=40', {}],
    ['test_steps?offset=3', {}],
    ['test_steps', { range: '0-39' }],
    ['test_steps', { range: '3-' }],
    ['test_steps?limit=40', { range: '0-39' }],
    ['test_steps', { range: '0-39, 0-39' }],
    ['test_steps', { range: 'items=0-39' }],
    ['test_steps', { range: '00-39' }],
    ['test_steps', { prefer: 'count=exact' }],
    ['rpc/test_series?count=40', {}],
    ['rpc/test_series?count=40&limit=30', {}],
    ['rpc/test_series?count=40', { range: '0-39' }],
  ];
  for (const [path, headers] of ways) {
    const answer = await get(path, { headers });
    assert.ok(answer.status < 300 || answer.status === 400, `${path}: ${answer.text}`);
    if (answer.status < 300) {
      assert.ok(answer.body.length <= ROWS, `${path} ${JSON.stringify(headers)}: ${answer.body.length}`);
    }
  }
  const posted = await get('rpc/test_series', { json: { count: 40 } });
  assert.equal(posted.body.length, ROWS);
  const embedded = await get('test_steps?id=eq.1&select=id,steps:test_steps!parent(id)&steps.limit=30');
  assert.equal(embedded.body[0].steps.length, ROWS, embedded.text);
  assert.equal((await get('rpc/test_answer')).body, 42, 'one value is no row');
});

test('a range within the cap is answered as PostgREST does', async () => {
  for (const range of ['3-5', '38-45', '5-5']) {
    const answer = await get('test_steps?order=id', { headers: { range } });
    const direct = await ask('/test_steps?order=id', { base: stack.postgrest_url, token, headers: { range } });
    assert.deepEqual([answer.status, answer.body], [direct.status, direct.body], range);
    assert.equal(answer.headers.get('content-range'), direct.headers.get('content-range'));
  }
});

test('depth, address and body are held to theirs', async () => {
  const embed = (depth) => `test_steps?limit=1&select=${'a:test_steps!parent('.repeat(depth)}id${')'.repeat(depth)}`;
  assert.equal((await get(embed(2))).status, 200);
  const cases = [
    [await get(embed(3)), 400, 'RG313', /2 levels/],
    [await get(embed(3).replace('select=', 'select=id->>a"b,')), 400, 'RG313', /2 levels/],
    [await get(`test_steps?id=in.(${'1,'.repeat(300)}1)`), 414, 'RG305', /500 bytes/],
    [await get('projects', { json: { name: 'x'.repeat(1000) } }), 413, 'RG302', /1000 bytes/],
  ];
  for (const [answer, status, code, details] of cases) {
    assert.deepEqual([answer.status, answer.body.code], [status, code], answer.text);
    assert.match(answer.body.details, details);
  }
});
