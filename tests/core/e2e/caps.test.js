// Caps: what LIMITS says is what holds, each with its code; rows are capped whichever way they are asked for.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { drop, make } from '../../support/fixtures.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';

const ROWS = 10;
const ANSWER = 200_000;

let edge;
let token;

before(async () => {
  await make(
    `create function sample.test_series(count int) returns setof int language sql stable
       as 'select generate_series(1, count)';
     create function sample_more.test_text(bytes int) returns text language sql stable as $$select repeat('x', bytes)$$;
     create function sample.test_name_project(name text) returns text language sql volatile
       as 'insert into sample.projects (name) values (name) returning repeat(name, 3)';
     create function sample.test_answer() returns int language sql stable as 'select 42';
     create table sample.test_steps (
       id int primary key, parent int references sample.test_steps (id), next int references sample.test_steps (id)
     );
     alter table sample.test_steps enable row level security;
     create policy everybody on sample.test_steps for select to authenticated using (true);
     insert into sample.test_steps select n, case when n > 1 then 1 end, null from generate_series(1, 40) as n;
     grant select on sample.test_steps to authenticated;
     grant execute on function sample.test_series(int), sample.test_answer(), sample.test_name_project(text) to authenticated;
     grant execute on function sample_more.test_text(int) to anon, authenticated, service_role`,
    '/test_steps',
  );
  token = await userToken();
  edge = await startEdge({
    LIMITS: JSON.stringify({
      rows: ROWS,
      embed_depth: 2,
      embeds: 3,
      uri_bytes: 500,
      body_bytes: 1000,
      answer_bytes: ANSWER,
    }),
  });
});
after(async () => {
  await edge?.stop();
  await drop(
    'drop table sample.test_steps; drop function sample.test_series(int), sample.test_answer(), sample.test_name_project(text), sample_more.test_text(int)',
  );
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
    [
      await get(
        'test_steps?select=id,a:test_steps!parent(id),b:test_steps!parent(id,c:test_steps!parent(id)),d:test_steps!next(id)',
      ),
      400,
      'RG320',
      /3 in all/,
    ],
    [await get(`test_steps?id=in.(${'1,'.repeat(300)}1)`), 414, 'RG305', /500 bytes/],
    [await get('projects', { json: { name: 'x'.repeat(1000) } }), 413, 'RG302', /1000 bytes/],
  ];
  for (const [answer, status, code, details] of cases) {
    assert.deepEqual([answer.status, answer.body.code], [status, code], answer.text);
    assert.match(answer.body.details, details);
  }
});

test('an answer is held to its bytes for everybody but servers', async () => {
  const read = async (base, bytes, headers = { authorization: `Bearer ${token}` }) => {
    const answer = await fetch(`${base}/rest/v1/rpc/test_text?bytes=${bytes}`, {
      headers: { 'accept-profile': 'sample_more', ...headers },
    });
    try {
      return [answer.status, (await answer.text()).length];
    } catch {
      return [answer.status, 'broken off'];
    }
  };
  // Two bytes are quotation marks.
  for (const bytes of [0, 1, 16_000, 16_381, 16_382, 16_383, 65_536, ANSWER - 2]) {
    assert.deepEqual(await read(edge.url, bytes), [200, bytes + 2], `${bytes}`);
  }
  for (const bytes of [ANSWER - 1, ANSWER * 2, 20_000_000]) {
    for (const headers of [undefined, { apikey: made.publishable_key }]) {
      assert.deepEqual(await read(edge.url, bytes, headers), [200, 'broken off'], `${bytes}`);
    }
  }
  await edge.logged(({ event, id }) => event === 'answer_too_large' && id);
  const server = { authorization: `Bearer ${stack.service_key}`, apikey: stack.service_key };
  assert.deepEqual(await read(edge.url, 20_000_000, server), [200, 20_000_002]);
  const strict = await startEdge({ LIMITS: JSON.stringify({ answer_bytes: 100 }) });
  const free = await startEdge({ LIMITS: JSON.stringify({ answer_bytes: 0 }) });
  try {
    assert.deepEqual(await read(strict.url, 98), [200, 100]);
    // What is written by then is not undone: a refusal would have a client write it again.
    const name = 'x'.repeat(80);
    const writes = [
      ['projects', { json: { name }, headers: { prefer: 'return=representation' } }],
      [
        'projects?name=like.xxx*',
        { method: 'PATCH', json: { name: `${name}y` }, headers: { prefer: 'return=representation' } },
      ],
      ['rpc/test_name_project', { json: { name: `${name}z` } }],
    ];
    for (const [path, options] of writes) {
      const { status, body } = await ask(`/rest/v1/${path}`, { base: strict.url, token, ...options });
      assert.deepEqual([status, body.code], [502, 'RG408'], path);
      assert.match(body.hint, /is kept/);
    }
    const written = await get('projects?select=name&order=name');
    assert.deepEqual(written.body, [{ name: `${name}y` }, { name: `${name}z` }]);
    const headers = { 'accept-profile': 'sample_more' };
    const refused = await ask('/rest/v1/rpc/test_text?bytes=99', { base: strict.url, token, headers });
    assert.deepEqual([refused.status, refused.body.code], [400, 'RG406'], 'what is known before the head is said');
    assert.deepEqual(await read(free.url, 70_000_000), [200, 70_000_002]);
  } finally {
    await strict.stop();
    await free.stop();
  }
});

test('forty embeds beside each other are refused; as many as there may be are served', async () => {
  const embeds = (count) =>
    ask(
      `/rest/v1/test_steps?limit=1&select=${Array.from({ length: count }, (_, n) => `e${n}:test_steps!parent(id)`)}`,
      { token },
    );
  assert.equal((await embeds(20)).status, 200);
  for (const count of [21, 40]) {
    const answer = await embeds(count);
    assert.deepEqual([answer.status, answer.body.code], [400, 'RG320']);
  }
});

test('casts are those of the list, and system columns are named nowhere', async () => {
  const at = (path, options) => ask(`/rest/v1/${path}`, { token, ...options });
  const cast = await at('test_steps?select=id::text,double:id::double precision,stamp:parent::text&id=eq.2');
  assert.deepEqual(cast.body, [{ id: '2', double: 2, stamp: '1' }]);
  const cases = [
    ['RG321', 'select=id::regclass'],
    ['RG321', 'select=id::REGROLE'],
    ['RG321', 'select=id::text,s:test_steps!parent(id::regnamespace)'],
    ['RG321', 'select=...test_steps!next(x:id::oid)'],
    ['RG321', 'select=id::pg_catalog'],
    ['RG322', 'select=ctid'],
    ['RG322', 'select=id,n:"xmin"::text'],
    ['RG322', 'select=id,s:test_steps!parent(tableoid)'],
    ['RG322', 'xmax=eq.1'],
    ['RG322', 'or=(id.eq.1,and(cmin.eq.1,id.eq.2))'],
    ['RG322', 'select=id,s:test_steps!parent(id)&s.cmax=eq.1'],
    ['RG322', 'order=ctid'],
    ['RG322', 'select=id,test_steps!next(id)&order=test_steps(ctid)'],
  ];
  for (const [code, query] of cases) {
    for (const path of ['test_steps', 'rpc/test_series']) {
      const answer = await at(`${path}?${path.startsWith('rpc') ? 'count=1&' : ''}${query}`);
      assert.deepEqual([answer.status, answer.body.code], [400, code], `${path} ${query}: ${answer.text}`);
    }
    const posted = await at(`rpc/test_series?${query}`, { json: { count: 1 } });
    assert.deepEqual([posted.status, posted.body.code], [400, code]);
  }
});

/** Texts near a good `select`, always the same ones. */
const selects = (count) => {
  let seed = 1;
  const random = (below) => {
    seed = (seed * 48271) % 2147483647;
    return Math.floor((seed / 2147483647) * below);
  };
  const good = [
    'id',
    'n:id::text,parent',
    '"id",x:parent::text,next',
    'id,steps:test_steps!parent(id)',
    'id,a:test_steps!next(*)',
    '*,n:id::text',
    'x:parent::text,y:id::int',
    'parent,id.max()',
    'id::regclass',
    'ctid,id',
    'a:id::regclass,x:ctid',
    'id,a:test_steps!next(id::regclass)',
  ];
  const parts =
    'id ctid "ctid" "id" ::regclass ::text : " "a" -> ->> . ... ( ) , ! !inner !parent test_steps test_steps!parent( * n: count() .max() - \\ a"b _ $ ä'.split(
      ' ',
    );
  return Array.from({ length: count }, () => {
    let text = good[random(good.length)];
    for (let changes = random(3); changes > 0; changes--) {
      const at = random(text.length + 1);
      const part = [...parts, ' ', '\t'][random(parts.length + 2)];
      text = text.slice(0, at) + part + text.slice(at + (random(3) === 0 ? 1 : 0));
    }
    return text;
  });
};

test('what is near a good select is refused where it would leak, and answered as PostgREST does elsewhere', async () => {
  // The number of a table of PostgreSQL's own, which a cast to regclass names.
  await sql('insert into sample.test_steps values (1259, 1, 1259)');
  const leaks = /pg_class|"\(\d+,\d+\)"/;
  const seen = { leaks: 0, served: 0, alike: 0, refused: 0 };
  for (const select of new Set(selects(2000))) {
    const query = `test_steps?id=eq.1259&select=${encodeURIComponent(select)}`;
    const [found, direct] = await Promise.all([
      ask(`/rest/v1/${query}`, { token }),
      ask(`/${query}`, { base: stack.postgrest_url, token }),
    ]);
    const leaked = direct.status === 200 && leaks.test(direct.text);
    assert.ok(!leaks.test(found.text), `${select}: ${found.text.slice(0, 300)}`);
    if (leaked) {
      seen.leaks++;
      assert.ok(['RG321', 'RG322'].includes(found.body?.code), `${select}: ${found.text.slice(0, 300)}`);
    } else if (/RG32[12]|RG313|RG320/.test(found.body?.code)) {
      seen.refused++;
      assert.match(select, /::|ctid|\(/, `${select}: ${found.text}`);
    } else {
      seen[found.status === 200 ? 'served' : 'alike']++;
      assert.deepEqual(
        [found.status, found.text.length > 0 && found.body],
        [direct.status, direct.text.length > 0 && direct.body],
        select,
      );
    }
  }
  assert.ok(seen.leaks >= 10 && seen.served >= 50 && seen.alike >= 100, JSON.stringify(seen));
});
