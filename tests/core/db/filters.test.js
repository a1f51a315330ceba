// Writes without a filter, sent to PostgREST past the edge: the database refuses them itself.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, ask, close, sql, stack, userToken } from '../../support/stack.js';

after(close);

const owner = randomUUID();
let token;
const postgrest = (path, options) => ask(path, { base: stack.postgrest_url, token, ...options });
const write = (method, query, body) =>
  postgrest(`/projects${query}`, {
    method,
    headers: { 'content-type': 'application/json', prefer: 'return=representation' },
    ...(body && { body: JSON.stringify(body) }),
  });

before(async () => {
  token = await userToken(owner);
  const made = await postgrest('/projects', { json: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] });
  assert.equal(made.status, 201);
});

test('an update or a delete that names no rows is refused', async () => {
  const cases = [
    ['DELETE', ''],
    ['DELETE', '?id'],
    ['DELETE', '?select=name'],
    ['DELETE', '?order=id&limit=100'],
    ['PATCH', '', { color: '#000000' }],
    ['PATCH', '?select=name', { color: '#000000' }],
    ['PATCH', '?columns=color', [{ color: '#000000', name: 'x' }]],
    ['PATCH', '?order=id&limit=100', { color: '#000000' }],
    // Conditions that no row can fail.
    ...[
      'id=not.in.()',
      'id=not.in.()&name=not.in.()',
      'or=(id.not.in.())',
      'or=(id.eq.00000000-0000-0000-0000-000000000000,name.not.in.())',
      'or=(name.fts(english).x,name.in.(a,"),(b"),id.not.in.())',
      'and=(id.not.in.(),or(name.not.in.(),name.eq(any).{a}))',
      'not.or=(id.in.())',
      'not.and=(id.in.(),name.eq.x)',
      'or=(not.and(id.in.(),name.like(all).{x}),name.eq.y)',
      'or=(description.is.null,description.not.is.null)',
      'or=(description.not.is.null,description.is.null)',
      'or=(name.eq.x,description.is.null,description.not.is.null)',
      'id=not.in.()&order=id&limit=100',
    ].flatMap((query) => [
      ['DELETE', `?${query}`],
      ['PATCH', `?${query}`, { color: '#000000' }],
    ]),
  ];
  for (const [method, query, body] of cases) {
    const answer = await write(method, query, body);
    assert.deepEqual([answer.status, answer.body.code], [400, 'RG511'], `${method} ${query}: ${answer.text}`);
  }
  const service = await postgrest('/projects', { method: 'DELETE', token: stack.service_key });
  assert.deepEqual([service.status, service.body.code], [400, 'RG511'], 'nor may service_role');
  const rows = await sql(
    `select count(*)::int, count(*) filter (where color = '#000000')::int as black
    from sample.projects where user_id = $1`,
    [owner],
  );
  assert.deepEqual(rows, [{ count: 3, black: 0 }]);
});

test('one that names rows goes through', async () => {
  const cases = [
    ['PATCH', '?name=eq.a', { color: '#111111' }, 1],
    ['PATCH', '?or=(name.eq.a,name.eq.b)', { color: '#222222' }, 2],
    ['PATCH', '?name=in.(a,b)&order=id&limit=1', { color: '#333333' }, 1],
    ['PATCH', '?id=not.is.null&select=name', { color: '#444444' }, 3],
    ['PATCH', '?id=not.in.()&name=eq.a', { color: '#555555' }, 1],
    ['PATCH', '?or=(id.in.(),name.eq.a)', { color: '#555555' }, 1],
    ['PATCH', '?or=(name.in.(a,"),(b"),id.in.())', { color: '#555555' }, 1],
    ['PATCH', '?and=(id.not.in.(),name.eq(any).{a})', { color: '#555555' }, 1],
    ['PATCH', '?and=(description.is.null,description.not.is.null)', { color: '#555555' }, 0],
    ['PATCH', '?or=(description.not.is.null,color.is.null)', { color: '#555555' }, 0],
    ['PATCH', '?not.or=(id.not.in.())', { color: '#555555' }, 0],
    ['DELETE', '?id=in.()', undefined, 0],
    // Of these the statement shows no value; the edge sees it.
    ['PATCH', '?name=like(all).{}', { color: '#555555' }, 3],
    ['PATCH', '?name=like.*', { color: '#555555' }, 3],
    ['PATCH', '?name=eq.a', {}, 0],
    ['DELETE', '?name=eq.none', undefined, 0],
    ['DELETE', '?name=in.(a,b)&order=id&limit=1', undefined, 1],
    ['DELETE', '?id=not.is.null', undefined, 2],
  ];
  for (const [method, query, body, count] of cases) {
    const answer = await write(method, query, body);
    assert.deepEqual([answer.status, answer.body.length], [200, count], `${method} ${query}: ${answer.text}`);
  }
});

test('a condition that every row meets is seen in PostgREST’s words, old and new', async () => {
  const cases = [
    [`NOT "s"."t"."a" = ANY('{}')`, true],
    [` "s"."t"."a" = ANY('{}') `, false],
    [`NOT to_jsonb("s"."t"."a")->$1->>$2::int = ANY('{}') `, true],
    [`NOT "s"."t "" AND x"."a OR (b" = ANY('{}') AND  ( NOT "s"."t"."a" = ANY('{}') )`, true],
    [`NOT "s"."t"."a" = ANY('{}')  AND  "s"."t"."b" = $1`, false],
    [` ( "s"."t"."a" IS NULL OR  "s"."t"."a" IS NOT NULL)`, true],
    [` ( "s"."t"."a" IS NOT NULL OR  "s"."t"."a" IS NULL)`, true],
    [` ( "s"."t"."a" IS NULL OR  "s"."t"."b" IS NOT NULL)`, false],
    [` ( "s"."t"."a" IS NULL OR NOT "s"."t"."a" IS TRUE)`, false],
    [`NOT ( "s"."t"."a" = ANY('{}')  OR  "s"."t"."b" = ANY (f(unnest($1::text[]))))`, false],
    [`NOT ( "s"."t"."a" = ANY('{}')  AND  "s"."t"."b" = ANY (f(unnest($1::text[]))))`, true],
  ];
  for (const [conditions, wanted] of cases) {
    const [{ holds }] = await sql('select private.holds_for_all($1) as holds', [conditions]);
    assert.equal(holds, wanted, conditions);
  }
});

test('functions and people at a prompt write as they like', async () => {
  await as({ role: 'authenticated', claims: { sub: owner } }, async (query) => {
    await query(`insert into sample.projects (name) values ('d')`);
    await query(`update sample.projects set color = '#555555'`);
    assert.deepEqual(await query('select color from sample.projects'), [{ color: '#555555' }]);
    await query('delete from sample.projects');
  });
});
