// Erasure and the writes of the same user that are under way beside it: what was begun before is erased, what comes later is refused,
// and neither waits for the other in turn.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { as, close, sql, stack } from '../../support/stack.js';
import { add, owner } from '../support/rows.js';

after(close);

const refused = (error) => {
  assert.equal(error.code, 'PGRST', error.message);
  assert.equal(JSON.parse(error.message).code, 'RG521');
  assert.equal(JSON.parse(error.detail).status, 403);
  return true;
};
const erase = (sub) =>
  as(
    { role: 'service_role' },
    async (query) => (await query('select clixen.erase_user($1) as counts', [sub]))[0].counts,
  );

test('an erasure waits for a write of its user that is under way, and takes what it made', async () => {
  const who = owner();
  const { sub } = who.claims;
  let erasing;
  await as(who, async (query) => {
    await query(`insert into clixen.projects (name) values ('under way')`);
    erasing = erase(sub);
    await sleep(300);
  });
  assert.equal((await erasing).projects, 1);
  assert.deepEqual(await sql('select from clixen.projects where user_id = $1', [sub]), []);
});

test('a write that meets an erasure under way is refused at once, without Retry-After', async () => {
  const who = owner();
  const { sub } = who.claims;
  const client = new pg.Client({ connectionString: stack.database_url });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('select clixen.erase_user($1)', [sub]);
    const account = { business_account_id: '1', phone_number_id: '2', phone_number: '+49 30 1234' };
    await assert.rejects(
      as(who, async (query) => {
        await query(`set local lock_timeout = '1s'`);
        await query(
          `insert into whatsapp.accounts (business_account_id, phone_number_id, phone_number)
           select business_account_id, phone_number_id, phone_number from jsonb_populate_record(null::whatsapp.accounts, $1)`,
          [account],
        );
      }),
      refused,
    );
    await client.query('rollback');
  } finally {
    await client.end();
  }
  // The erasure did not come about.
  await add(who, 'projects', { name: 'still there' });
});

test('erasures beside many writes of the same user: nothing is left, nothing waits for ever', async () => {
  for (let round = 0; round < 5; round += 1) {
    const who = owner();
    const { sub } = who.claims;
    const writes = Array.from({ length: 12 }, (_, n) =>
      as(who, async (query) => {
        if (n % 3 === 0) await query('select clixen.get_or_create_default_project()');
        else if (n % 3 === 1) await query(`insert into clixen.projects (name) values ($1)`, [randomUUID()]);
        else await query(`insert into clixen.telemetry_events (event_type, event_category) values ('x', 'auth')`);
      }).catch((error) => refused(error)),
    );
    await Promise.all([...writes, sleep(round * 3).then(() => erase(sub))]);
    for (const table of ['projects', 'telemetry_events'])
      assert.deepEqual(await sql(`select from clixen.${table} where user_id = $1`, [sub]), [], table);
    assert.deepEqual(await sql('select from clixen.user_profiles where id = $1', [sub]), []);
  }
});
