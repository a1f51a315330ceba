// The task queue where transactions meet: who waits for whom, and what is left when they have passed.
import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import pg from 'pg';
import { close, onBehalf, sql, stack } from '../../support/stack.js';
import {
  cancel,
  claim,
  clear,
  complete,
  emptyQueue,
  enqueue,
  lapse,
  load,
  makeAgent,
  makeUser,
  pause,
  refused,
  stored,
  sweep,
} from '../support/tasks.js';

const NOBODY = '00000000-0000-0000-0000-000000000000';
before(async () => {
  await sql(`update private.limit_rules set burst = 100000 where name = 'tasks'`);
  await emptyQueue();
});
after(async () => {
  await sql(`update private.limit_rules set burst = 300 where name = 'tasks'`);
  await emptyQueue();
  await clear();
  await close();
});

const open = new Set();
afterEach(async () => {
  for (const client of open) await client.end();
  open.clear();
});
/** A transaction on a connection of its own. A statement that waits for a lock fails. */
const transaction = async (level = 'read committed') => {
  const client = new pg.Client({ connectionString: stack.database_url });
  await client.connect();
  open.add(client);
  await client.query(`begin isolation level ${level}`);
  await client.query(`set local lock_timeout = '3s'`);
  return {
    query: async (text, values) => (await client.query(text, values)).rows,
    end: async (how = 'commit') => {
      await client.query(how);
      await client.end();
      open.delete(client);
    },
    /** Calls as the edge does for a worker. */
    claim: async (agent, quantity) => {
      const { role, claims } = onBehalf({ role: 'service_role' });
      await client.query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
        role,
        JSON.stringify({ role, ...claims }),
      ]);
      const text = `select flashfusion.claim_tasks('tester', agents => $1, quantity => $2) as result`;
      return (await client.query(text, [[agent], quantity])).rows[0].result.tasks;
    },
    pid: client.processID,
  };
};
/** Until a connection waits for a lock. */
const waits = async ({ pid }) => {
  for (let n = 0; n < 200; n += 1) {
    const [{ kind }] = await sql('select wait_event_type as kind from pg_stat_activity where pid = $1', [pid]);
    if (kind === 'Lock') return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.fail('it does not wait');
};
const places = (id) =>
  sql(
    `select 'queue' as place from private.task_queue where task_id = $1
     union all select 'backlog' from private.task_backlog where task_id = $1`,
    [id],
  );
const waiting = async (where, value) =>
  (await sql(`select count(*)::int as n from private.task_backlog where ${where} = $1`, [value]))[0].n;

test('who deletes a task waits for no claim that is just giving it a slot, and the slot is free again later', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await load(agent, sub, 6);
  const tasks = await claim(agent, 5);
  await complete(tasks[0]);
  const [{ task_id: id }] = await sql('select task_id from private.task_backlog where user_id = $1', [sub]);
  const worker = await transaction();
  await worker.query('select private.fill_vacancies(10)');
  const owner = await transaction();
  await owner.query('delete from flashfusion.agent_tasks where id = $1', [id]);
  const claimed = worker.claim(agent, 5);
  await waits(worker);
  await owner.end();
  assert.deepEqual(await claimed, []);
  await worker.end();
  assert.deepEqual(await places(id), [{ place: 'queue' }]);
  await lapse(id);
  await claim(agent, 5);
  assert.deepEqual(await places(id), []);
});

test('a claim that empties the queue and one who deletes a task do not wait for each other', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await load(agent, sub, 2);
  const [{ id }] = await sql('select id from flashfusion.agent_tasks where user_id = $1 limit 1', [sub]);
  const worker = await transaction();
  assert.deepEqual(await worker.query('select private.rotate_task_queue() as rotated'), [{ rotated: true }]);
  const owner = await transaction();
  const deleted = owner.query('delete from flashfusion.agent_tasks where id = $1', [id]);
  await waits(owner);
  assert.equal((await worker.claim(agent, 2)).length, 2);
  await worker.end();
  await deleted;
  await owner.end();
  assert.deepEqual(await places(id), []);
});

test('claims that note where the waiting tasks of the same lanes begin do not wait for each other', async () => {
  const [agent, subs] = [await makeAgent(), [await makeUser(), await makeUser()]];
  for (const sub of subs) await load(agent, sub, 7);
  // The first time no lane has a note, the second time each has.
  for (const round of [1, 2]) {
    const [one, other] = [await transaction(), await transaction()];
    const note = ({ query }, sub) => query('select private.move_head($1, $2, true)', [sub, agent]);
    for (const { query } of [one, other])
      for (const sub of subs) await query('select private.lock_tasks($1, true)', [sub]);
    await note(one, subs[0]);
    await note(other, subs[1]);
    await note(one, subs[1]);
    await note(other, subs[0]);
    await Promise.all([one.end(), other.end()]);
    const noted = await sql('select user_id from private.task_heads where agent_id = $1', [agent]);
    assert.equal(noted.length, 2, `round ${round}`);
  }
});

test('the queue is not emptied by a transaction that does not see all its rows', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const old = await transaction('repeatable read');
  await old.query('select count(*) from private.limit_rules');
  const { id } = await enqueue(sub, agent);
  assert.deepEqual(await old.query('select private.rotate_task_queue() as rotated'), [{ rotated: false }]);
  await old.end();
  assert.deepEqual(await places(id), [{ place: 'queue' }]);
});

test('thousands of users with waiting tasks: no call takes more locks than a database has, and all get their slots', async () => {
  const agent = await makeAgent();
  /** Runs a statement, and gives how many users it has locked. PostgreSQL has room for about six thousand locks of all transactions. */
  const locked = async (text, values) => {
    const one = await transaction();
    await one.query(text, values);
    const [{ n }] = await one.query(
      `select count(*)::int as n from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
    );
    await one.end();
    return n;
  };
  const asWorker = `select set_config('request.jwt.claims', '${JSON.stringify({ role: 'service_role' })}', true)`;
  await sql(
    `insert into private.task_backlog (task_id, agent_id, user_id, task_type, priority, run_at, attempt, is_due)
     select gen_random_uuid(), $1, gen_random_uuid(), 'test', 5, now(), 0, true from generate_series(1, 4000)`,
    [agent],
  );
  const most = [];
  for (let n = 0; n < 10 && (await waiting('agent_id', agent)) > 0; n += 1)
    most.push(await locked('select private.sweep_tasks()'));
  assert.equal(await waiting('agent_id', agent), 0);
  for (const time of ['infinity', '-infinity']) {
    most.push(await locked(`${asWorker}; select flashfusion.pause_tasks('${time}', agent_id => '${agent}')`));
    if (time === 'infinity')
      assert.deepEqual(await claim(agent, 10), [], 'those that keep their slots are not started');
  }
  assert.ok(Math.max(...most) <= 2100, JSON.stringify(most));
  for (const table of ['backlog', 'queue', 'heads'])
    await sql(`delete from private.task_${table} where agent_id = $1`, [agent]);
});

test('a user’s lanes are all looked at, also where a look ends among them', async () => {
  const sub = 'ffffffff-ffff-4fff-bfff-ffffffffffff';
  const agents = await Promise.all([1, 2, 3].map(makeAgent));
  await sql(
    `insert into private.task_backlog (task_id, agent_id, user_id, task_type, priority, run_at, attempt, is_due)
     select gen_random_uuid(), a, $1, 'test', 5, now(), 0, true from unnest($2::uuid[]) as a`,
    [sub, agents],
  );
  assert.equal(await waiting('user_id', sub), 3);
  let seen = 'ffffffff-ffff-4fff-bfff-000000000000';
  while (seen) [{ seen }] = await sql('select private.refill_lanes($1, 1) as seen', [seen]);
  assert.equal(await waiting('user_id', sub), 0);
});

test('a lane that is full is looked at without a lock: its user waits for nobody', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await load(agent, sub, 7);
  const sweeping = await transaction();
  await sweeping.query(`select private.refill_lanes('${NOBODY}', 10000)`);
  const other = await transaction();
  await other.query('select private.lock_tasks($1, false)', [sub]);
  await Promise.all([sweeping.end(), other.end()]);
});

test('after a pause that ends by itself tasks get their slots, also while other users’ tasks are ready all the time', async () => {
  const [agent, paused, busy] = [await makeAgent(), await makeUser(), await makeUser('enterprise')];
  await load(agent, paused, 3);
  await load(agent, busy, 60);
  await pause({ user_id: paused, until: new Date(Date.now() + 300).toISOString() });
  assert.equal(await waiting('user_id', paused), 3);
  await new Promise((resolve) => setTimeout(resolve, 400));
  for (let n = 0; n < 10; n += 1) {
    await sweep();
    assert.equal((await claim(agent, 1)).length, 1);
  }
  assert.equal(await waiting('user_id', paused), 0);
});

test('cancelling twice is the same as once', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  const once = await cancel(sub, id);
  assert.deepEqual([once.status, once.cancel_requested], ['cancelled', false]);
  assert.deepEqual(await cancel(sub, id), once);
  assert.equal((await stored(id)).status, 'cancelled');
});

test('a task that is deleted while its owner cancels it is not there', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  const busy = await transaction();
  await busy.query('select private.lock_tasks($1, false)', [sub]);
  const cancelled = assert.rejects(cancel(sub, id), refused('RG610', 404));
  for (let n = 0; n < 200; n += 1) {
    const [{ waits }] = await sql(
      `select count(*)::int as waits from pg_locks where locktype = 'advisory' and not granted`,
    );
    if (waits > 0) break;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  await sql('delete from flashfusion.agent_tasks where id = $1', [id]);
  await busy.end();
  await cancelled;
});
