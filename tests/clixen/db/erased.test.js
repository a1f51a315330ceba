// Erasure and the writes of the same user that are under way beside it: what was begun before is erased, what comes later is refused,
// and neither waits for the other in turn.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { as, close, sql, stack, transaction } from '../../support/stack.js';
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
  assert.equal((await erasing)['clixen.projects'], 1);
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
    await assert.rejects(
      as(who, async (query) => {
        await query(`set local lock_timeout = '1s'`);
        await query(`insert into sample.projects (name) values ('another system''s')`);
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

test('the core finds the users of an address by their profiles, and erases an account in clixen, too', () =>
  transaction(async (query) => {
    const sub = randomUUID();
    const email = `Jane.${sub}@profiles.example`;
    await query('insert into clixen.user_profiles (id, email) values ($1, $2)', [sub, email]);
    await query(`insert into clixen.projects (user_id, name) values ($1, 'mine')`, [sub]);
    const [{ person }] = await query('select private.person($1, null) as person', [email.toLowerCase()]);
    assert.deepEqual(person.users, [sub]);
    const [{ erased }] = await query('select private.erase_account($1) as erased', [sub]);
    assert.deepEqual([erased.clixen['clixen.projects'], erased.clixen['clixen.user_profiles']], [1, 1]);
  }));

test('an account that is created has a profile; its address is the confirmed one', () =>
  transaction(async (query) => {
    const id = randomUUID();
    const email = async () => (await query('select email from clixen.user_profiles where id = $1', [id]))[0].email;
    await query('select private.call_hooks($1, $2)', ['account_created', { id, email: null }]);
    assert.equal(await email(), null);
    await query('select private.call_hooks($1, $2)', ['account_changed', { id, email: 'now@profiles.example' }]);
    assert.equal(await email(), 'now@profiles.example');
  }));
