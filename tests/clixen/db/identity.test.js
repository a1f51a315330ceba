// Two spellings of a project's name are one name.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { CHARACTERS } from '../../support/characters.js';
import { as, close, sql } from '../../support/stack.js';

after(close);

test('two spellings of a project’s name are one name', async () => {
  const who = { role: 'authenticated', claims: { sub: randomUUID() } };
  const add = (name) => as(who, (query) => query('insert into clixen.projects (name) values ($1)', [name]));
  await add('Caf\u00e9 Pläne');
  for (const name of [
    'Cafe\u0301 Pläne',
    'cAF\u00e9 pLäNE',
    'Caf\u00e9\u200b Pläne',
    'Ca\u{e0041}f\u00e9 Pl\u00adäne',
    'Cafe\u034f\u0301 Pl\u3164äne',
  ])
    await assert.rejects(add(name), { constraint: 'projects_user_name' }, name);
  for (const name of ['Cafe Pläne', 'CAF\u00c9 Pläne', 'Café Plane']) await add(name);
});

test('the index of names passes over the characters that are invisible elsewhere, and over no others', async () => {
  const [{ definition }] = await sql(`select pg_get_indexdef('clixen.projects_user_name'::regclass) as definition`);
  const [, characters] = /regexp_replace\(name, '(\[[^']+\])'/.exec(definition);
  const rows = await sql(`select c from ${CHARACTERS} where (c ~ $1) <> (c ~ private.invisible())`, [characters]);
  assert.deepEqual(rows, []);
  const known = await sql(`select c from ${CHARACTERS} where c ~ private.invisible()`);
  for (const { c } of known) assert.match(c, /[\p{Default_Ignorable_Code_Point}\p{Cf}\u2800\u{1d159}]/u);
  const [{ missing }] = await sql(
    `select count(*)::int as missing from unnest($1::text[]) as c where c !~ private.invisible()`,
    [
      Array.from({ length: 0x1ffff }, (_, n) => n)
        .filter((n) => n < 0xd800 || n > 0xdfff)
        .map((n) => String.fromCodePoint(n))
        .filter((c) => /[\p{Default_Ignorable_Code_Point}\p{Cf}]/u.test(c)),
    ],
  );
  assert.equal(missing, 0);
});
