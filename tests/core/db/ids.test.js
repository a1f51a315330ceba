// Ids in the order of time (RFC 9562, version 7).
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, sql, transaction } from '../../support/stack.js';

after(close);

test('an id has version, variant and its time, and is random beside them', async () => {
  const rows = await sql(
    `select private.uuid_v7('2026-11-27T01:02:03.4567Z')::text as id from generate_series(1, 1000)`,
  );
  const ids = rows.map(({ id }) => id);
  assert.equal(new Set(ids).size, 1000);
  const time = Date.parse('2026-11-27T01:02:03.456Z').toString(16).padStart(12, '0');
  const bits = new Set();
  for (const id of ids) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const digits = id.replaceAll('-', '');
    assert.equal(digits.slice(0, 12), time);
    for (const [place, digit] of [...digits].entries()) bits.add(`${place} ${digit}`);
  }
  // Each of the random digits has been each of its values: 16, but for the variant's, which has two random bits.
  for (let place = 13; place < 32; place++) {
    const values = [...bits].filter((bit) => bit.startsWith(`${place} `)).length;
    assert.equal(values, place === 16 ? 4 : 16, `digit ${place}`);
  }
});

test('ids are in the order of their times', async () => {
  const rows = await sql(
    `select private.uuid_v7(at) as id from generate_series(timestamptz '1970-01-01', '2300-01-01', '97 days 0.001 s') as at order by at`,
  );
  const ids = rows.map(({ id }) => id);
  assert.deepEqual(ids.toSorted(), ids);
  const [{ is_now: isNow }] = await sql(
    `select private.uuid_v7() between private.uuid_v7(now() - interval '1 s') and private.uuid_v7(now() + interval '10 s') as is_now`,
  );
  assert.ok(isNow);
});

test('a row that a request inserts may have one as its default', () =>
  transaction(async (query) => {
    await query('create temporary table made (id uuid default private.uuid_v7(), n int)');
    await query('grant insert (n), select on made to authenticated, service_role');
    for (const role of ['authenticated', 'service_role']) {
      await query(`set local role ${role}`);
      const [{ id }] = await query('insert into pg_temp.made (n) values (1) returning id');
      assert.equal(id[14], '7');
      await query('reset role');
    }
  }));
