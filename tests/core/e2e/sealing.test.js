// Sealed columns: rows move to the edge's newest key in batches, interrupted and beside readers and writers; and each key's encryptions
// are counted. On real parts, with two tables of the test and those of the systems.
import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startEdge } from '../../support/edge.js';
import { forgetForeignSeals, sealedRows } from '../../support/sealed_rows.js';
import { as, ask, close, made, sql, stack, transaction, userToken } from '../../support/stack.js';
import { unseal } from '../../support/unseal.js';

const ROWS = 100_000;
/** The tables that are registered, by name. */
const places = {};
const KEKS = { 1: Buffer.from(made.kek_1, 'base64url'), 2: randomBytes(32) };

const encrypt = (key, context, data) => {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(context));
  const bytes = Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
  return `${nonce.toString('base64url')}.${bytes.toString('base64url')}`;
};
const decrypt = (key, context, nonce, text) => {
  const data = Buffer.from(text, 'base64url');
  const cipher = createDecipheriv('aes-256-gcm', key, Buffer.from(nonce, 'base64url')).setAAD(Buffer.from(context));
  cipher.setAuthTag(data.subarray(-16));
  return Buffer.concat([cipher.update(data.subarray(0, -16)), cipher.final()]);
};
const contextOf = ({ relation, id, owner }) => ['v1', places[relation].context, id, owner].join('\0');
const secretOf = ({ id }) => `secret of ${id}`;
const seal = (row, version) => {
  const key = randomBytes(32);
  const context = contextOf(row);
  return `v1.${encrypt(KEKS[version], `${context}\0KEK_${version}`, key)}.${encrypt(key, context, Buffer.from(secretOf(row)))}`;
};
const open = (row, keks = KEKS) => {
  const [, keyNonce, wrapped, nonce, data] = row.sealed.split('.');
  const context = contextOf(row);
  const key = decrypt(keks[row.version], `${context}\0KEK_${row.version}`, keyNonce, wrapped);
  return decrypt(key, context, nonce, data).toString();
};

const select = (relation) => {
  const { row_column: row, owner } = places[relation];
  return `select '${relation}' as relation, t.${row}::text as id, (${owner})::text as owner, t.sealed, t.key_version::int as version
    from ${relation} as t`;
};
/** Rows of a table, by their ids. */
const read = (relation, ids) => sql(`${select(relation)} where t.${places[relation].row_column} = any ($1)`, [ids]);
/** Seals rows of a table under the first key. */
const sealAll = async (relation, ids) => {
  for (let from = 0; from < ids.length; from += 10_000) {
    const rows = await read(relation, ids.slice(from, from + 10_000));
    await sql(
      `update ${relation} as t set sealed = r.sealed from unnest($1::uuid[], $2::text[]) as r (id, sealed)
       where t.${places[relation].row_column} = r.id`,
      [rows.map(({ id }) => id), rows.map((row) => seal(row, 1))],
    );
  }
};
/** Makes rows in a table of the test. Gives their ids. */
const insert = async (relation, quantity) => {
  const ids = await sql(
    `insert into ${relation} (id, owner, sealed, key_version)
     select gen_random_uuid(), gen_random_uuid(), '-', 1 from generate_series(1, $1::int) returning id`,
    [quantity],
  );
  await sealAll(
    relation,
    ids.map(({ id }) => id),
  );
  return ids.map(({ id }) => id);
};

const both = () => startEdge({ KEK_2: KEKS[2].toString('base64url') });
/** Before the test's own tables: those of systems have what their tests stored. */
const START = { relation: 'sealing_test.keys' };
const rewrap = (edge, after = START) =>
  ask('/v1/admin/keys/rewrap', { base: edge.url, method: 'POST', token: stack.service_key, json: { after } });

before(async () => {
  await sql(`
    create schema sealing_test;
    create table sealing_test.keys (id uuid primary key, owner uuid, sealed text, key_version bigint);
    create table sealing_test.owners (id uuid primary key, owner uuid);
    create table sealing_test.notes (id uuid primary key, owner uuid, sealed text, key_version bigint);
    select private.register_sealed_column('sealing_test.keys', 'sealing_test.keys.secret', 'id', 't.owner');
    select private.register_sealed_column('sealing_test.notes', 'sealing_test.notes.text', 'id',
      '(select n.owner from sealing_test.notes as n where n.id = t.id)')`);
  for (const { relation, ...place } of await sql('select * from private.sealed_columns')) places[relation] = place;
});
after(async () => {
  await forgetForeignSeals(sql);
  await sql(
    `drop schema sealing_test cascade; delete from private.sealed_columns where relation like 'sealing_test.%'`,
  );
  await close();
});

/** Of these quantities, what is left goes into the first table. */
const QUANTITIES = { 'private.whatsapp_access_tokens': 20_000, 'private.api_key_secrets': 5000 };

test('100,000 rows of all tables move to the new key: killed half-way, beside readers and writers, and none is lost', async () => {
  assert.deepEqual(
    Object.keys(places).sort(),
    [...Object.keys(sealedRows), 'sealing_test.keys', 'sealing_test.notes'].sort(),
    'every table with sealed values has rows here: tests/<system>/support/sealed_rows.js',
  );
  /** The ids of this test's rows, by table. */
  const mine = {};
  const made_ = Object.entries(sealedRows).filter(([, { insert: text }]) => text);
  for (const [relation, { insert: text }] of made_) {
    const rows = await sql(text, [QUANTITIES[relation] ?? 1000]);
    mine[relation] = rows.map(({ id }) => id);
    await sealAll(relation, mine[relation]);
  }
  mine['sealing_test.notes'] = await insert('sealing_test.notes', 500);
  mine['sealing_test.keys'] = await insert('sealing_test.keys', ROWS - Object.values(mine).flat().length);
  const all = async () =>
    (await Promise.all(Object.entries(mine).map(([relation, ids]) => read(relation, ids)))).flat();
  const left = async () => (await all()).filter(({ version }) => version < 2).length;

  let edge = await both();
  let reads = 0;
  let isReading = true;
  // Somebody reads and opens rows of all tables all the time.
  const reading = (async () => {
    while (isReading) {
      for (const [relation, ids] of Object.entries(mine)) {
        const from = Math.floor(Math.random() * ids.length);
        const found = await read(relation, ids.slice(from, from + 20));
        for (const row of found) assert.equal(open(row), secretOf(row));
        reads += found.length;
      }
    }
  })();
  // Other tests store texts that were never sealed, which fail; of these rows none may.
  const ours = new Set(Object.values(mine).flat());
  const failedOf = (answer) => answer.body.failed.filter(({ row }) => ours.has(row));
  try {
    let after = null;
    let answer;
    for (let batches = 0; batches < 80; batches += 1) {
      answer = await rewrap(edge, after);
      assert.deepEqual([answer.status, failedOf(answer)], [200, []], answer.text);
      after = answer.body.after;
    }
    // The edge dies in the middle of a batch: where growth is served, of one with WhatsApp's tokens.
    const dying = rewrap(edge, after).catch(() => undefined);
    await sleep(10);
    process.kill(-edge.part.pid, 'SIGKILL');
    await edge.stop();
    await dying;
    const half = await left();
    assert.ok(half > 0 && half < ROWS - 12_000, `${half} rows are left`);

    // PostgREST's connections die in the middle of batches, several times.
    edge = await both();
    let broken = 0;
    for (let n = 0; n < 100 && broken < 5; n += 1) {
      const asked = rewrap(edge, null);
      await sleep(Math.random() * 60);
      await sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'`);
      answer = await asked;
      if (answer.status === 200) assert.deepEqual(failedOf(answer), [], answer.text);
      else broken += 1;
    }
    assert.ok(broken > 0, 'a batch broke');
    assert.ok((await left()) > 0, 'not all is done by then');

    // An owner stores a new secret meanwhile.
    const hot = mine['sealing_test.keys'].toSorted().at(-1);
    const row = { relation: 'sealing_test.keys', id: hot, owner: randomUUID() };
    await sql('update sealing_test.keys set owner = $2, sealed = $3, key_version = 2 where id = $1', [
      hot,
      row.owner,
      seal(row, 2),
    ]);
    after = null;
    do {
      answer = await rewrap(edge, after);
      // A connection that has just died.
      if (answer.status >= 500) continue;
      assert.deepEqual([answer.status, failedOf(answer)], [200, []], answer.text);
      after = answer.body.after;
    } while (after !== null || answer.status !== 200);
  } finally {
    isReading = false;
    await reading;
    await edge.stop();
  }
  assert.equal(await left(), 0);
  assert.ok(reads > 100, `${reads} rows were read meanwhile`);
  const rows = await all();
  assert.equal(rows.length, ROWS);
  // Without KEK_1.
  for (const row of rows) assert.equal(open(row, { 2: KEKS[2] }), secretOf(row));
  for (const relation of Object.keys(mine)) {
    const row = rows.find((one) => one.relation === relation);
    const place = { ...row, column: places[relation].context, row: row.id };
    assert.equal(await unseal(KEKS[2].toString('base64url'), place), secretOf(row));
  }
  for (const [relation, { parent }] of made_) {
    await sql(`delete from ${relation} where ${places[relation].row_column} = any ($1)`, [mine[relation]]);
    await sql(`delete from ${parent} where id = any ($1)`, [mine[relation]]);
  }
});

test('a damaged row costs that row, and a key that is gone is named', async () => {
  await sql('truncate sealing_test.keys, sealing_test.notes');
  await insert('sealing_test.keys', 5);
  const [bad] = await sql(`update sealing_test.keys set owner = gen_random_uuid()
    where id = (select id from sealing_test.keys limit 1) returning id`);
  const edge = await both();
  const answer = await rewrap(edge);
  assert.deepEqual(
    [answer.body.rewrapped, answer.body.failed],
    [4, [{ relation: 'sealing_test.keys', row: bad.id }]],
    answer.text,
  );
  await edge.stop();
  const late = await startEdge({ KEK_1: '', KEK_2: KEKS[2].toString('base64url') });
  const refused = await rewrap(late);
  assert.deepEqual([refused.status, refused.body.code], [501, 'RG903']);
  assert.match(refused.text, /KEK_1/);
  await late.stop();
});

test('only servers may rewrap', async () => {
  for (const [token, status] of [
    [undefined, 401],
    [await userToken(), 403],
  ]) {
    const answer = await ask('/v1/admin/keys/rewrap', { method: 'POST', token, key: made.publishable_key });
    assert.equal(answer.status, status, answer.text);
  }
  for (const role of ['anon', 'authenticated', 'service_role'])
    await assert.rejects(
      as({ role }, (query) => query('select edge.sealed_batch(null, 1, 99)')),
      /permission denied/,
    );
});

test('a rewrapped text is stored only over the one that was read, and never with another value', async () => {
  await sql('truncate sealing_test.keys, sealing_test.notes');
  await insert('sealing_test.keys', 1);
  const [row] = await sql(select('sealing_test.keys'));
  const [version, , , nonce, data] = row.sealed.split('.');
  const text = (parts) => [version, 'bm9uY2Vub25jZQ', 'd3JhcHBlZA', ...parts].join('.');
  const stored = async (more) => {
    const rows = [
      { relation: row.relation, row: row.id, old: row.sealed, sealed: text([nonce, data]), key_version: 2, ...more },
    ];
    const [{ count }] = await sql('select edge.rewrapped($1)::int as count', [JSON.stringify(rows)]);
    return count;
  };
  for (const stale of [
    { old: `${row.sealed}x` },
    { row: randomUUID() },
    { key_version: 1 },
    { sealed: text([nonce, `${data}x`]) },
    { sealed: text([`${nonce}x`, data]) },
    { relation: 'pg_catalog.pg_authid' },
  ])
    assert.equal(await stored(stale), 0, JSON.stringify(stale));
  assert.equal(await stored({}), 1);
  assert.equal(await stored({}), 0, 'the second time it is another text');
});

test('who seals waits for nobody else who does, and each part of a day’s count is used again', async () => {
  const insert = `insert into sealing_test.keys values (gen_random_uuid(), gen_random_uuid(), 'x', 44)`;
  const parts = () => sql('select encryptions::int as n from private.kek_use where key_version = 44 order by 1');
  try {
    for (let n = 0; n < 5; n += 1) await sql(insert);
    assert.deepEqual(await parts(), [{ n: 5 }]);
    await transaction(async (one) => {
      await one(insert);
      await one(
        `insert into private.kek_use select 44, current_date, n, 1 from generate_series(0, 15) as n on conflict do nothing`,
      );
      await transaction(async (other) => {
        // The place of a new part is drawn.
        await other(`select setseed(0.5)`);
        await other(`set local lock_timeout = '1s'`);
        await other(insert);
        assert.equal((await other('select from private.kek_use where key_version = 44')).length, 2);
      });
    });
  } finally {
    await sql('delete from private.kek_use where key_version = 44');
    await sql('truncate sealing_test.keys');
  }
});

test('encryptions are counted by key; a worn key is named by /readyz, and then refused', async () => {
  const use = async () => {
    const rows = await sql('select key_version::int as v, encryptions::float8 as n from private.kek_usage');
    return Object.fromEntries(rows.map(({ v, n }) => [v, n]));
  };
  const insertUnder = (version) =>
    sql(
      `insert into sealing_test.keys select gen_random_uuid(), gen_random_uuid(), 'x', $1 from generate_series(1, 7)`,
      [version],
    );
  const first = await use();
  await insertUnder(41);
  await sql(`update sealing_test.keys set key_version = 42 where key_version = 41`);
  const second = await use();
  assert.deepEqual([second[41], second[42]], [7, 7]);
  assert.equal(second[1], first[1]);
  try {
    await sql(`insert into private.kek_use values (42, '2026-01-01', 0, 2147483648 - 8)`);
    assert.equal((await ask('/readyz')).body.missing?.includes('KEK_43') ?? false, false);
    await insertUnder(42);
    const ready = await ask('/readyz');
    assert.deepEqual([ready.status, ready.body.missing.includes('KEK_43')], [200, true], ready.text);
    await sql(`update private.kek_use set encryptions = 4026531840 where key_version = 42 and day = '2026-01-01'`);
    await assert.rejects(insertUnder(42), ({ message }) => /RG912/.test(message) && /KEK_42/.test(message));
    await insertUnder(43);
  } finally {
    await sql('delete from private.kek_use where key_version >= 41');
    await sql('truncate sealing_test.keys');
  }
});
