// The task queue in the database: order, delays, retries, leases, fairness, and what other queues got wrong.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { close, sql, stack, transaction } from '../../support/stack.js';
import { withoutStatistics } from '../../support/statistics.js';
import { rows as generated } from '../support/generated_rows.js';
import {
  call,
  cancel,
  claim,
  clear,
  complete,
  due,
  enqueue,
  fail,
  heartbeat,
  lapse,
  load,
  makeAgent,
  makeUser,
  pause,
  refused,
  snooze,
  stored,
  sweep,
  user,
  WORKER,
} from '../support/tasks.js';

before(() => sql(`update private.limit_rules set burst = 100000 where name = 'tasks'`));
after(async () => {
  await sql(`update private.limit_rules set burst = 300 where name = 'tasks'`);
  await clear();
  await close();
});

/** A connection of its own, for a transaction that stays open. */
const connection = async () => {
  const client = new pg.Client({ connectionString: stack.database_url });
  await client.connect();
  return client;
};
/** Leaves no task of other tests, and no page of the queue. */
const empty = async () => {
  await sql('delete from private.task_backlog');
  await sql('delete from private.task_queue');
  await sql('delete from private.task_vacancies');
  await sql('select private.rotate_task_queue()');
};
const inQueue = async (id) =>
  (await sql('select attempt, lease_token, cancelled from private.task_queue where task_id = $1', [id]))[0];
const waiting = async (id) =>
  (await sql('select attempt, is_due, run_at from private.task_backlog where task_id = $1', [id]))[0];

test('tasks that are due do not wait for thousands of another user’s', async () => {
  await empty();
  const agent = await makeAgent();
  const flood = await makeUser();
  const others = await Promise.all(Array.from({ length: 30 }, () => makeUser()));
  const delayed = (users, count, run_at) =>
    sql(
      `with made as (
         insert into flashfusion.agent_tasks (agent_id, user_id, task_type, run_at)
         select $1, u.id, 'test', ${run_at} from unnest($2::uuid[]) as u (id), generate_series(1, $3::int) returning *
       )
       insert into private.task_backlog (task_id, agent_id, user_id, task_type, priority, run_at, attempt, is_due)
       select id, agent_id, user_id, task_type, priority, run_at, 0, false from made`,
      [agent, users, count],
    );
  await delayed([flood], 3000, `now() - interval '1 hour'`);
  await delayed(others, 1, `now() - interval '1 second'`);
  await delayed(others, 2, `now() + interval '1 hour'`);
  // The second one begins again with the first user.
  for (let n = 0; n < 2; n += 1) {
    const [{ promoted }] = await sql('select private.promote_tasks()::int as promoted');
    assert.ok(promoted >= 200 && promoted <= 400, `${promoted}`);
  }
  const ready = await sql('select count(*)::int as n from private.task_queue where user_id = any ($1)', [others]);
  assert.deepEqual(ready, [{ n: 30 }]);
  const left = await sql(
    'select count(*)::int as n from private.task_backlog where user_id = any ($1) and not is_due',
    [others],
  );
  assert.deepEqual(left, [{ n: 60 }], 'those whose time has not come');
  await empty();
});

test('a task from its request to its result', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const made = await enqueue(sub, agent, { task_data: { a: 1 } });
  assert.deepEqual([made.status, made.priority, made.retry_count], ['pending', 5, 0]);
  const [task, ...others] = await claim(agent, 10, { lease_seconds: 30 });
  assert.deepEqual(others, []);
  assert.deepEqual([task.id, task.task_data, task.user_id, task.attempt], [made.id, { a: 1 }, sub, 1]);
  const running = await stored(made.id);
  assert.deepEqual([running.status, running.locked_by, running.lease_token], ['running', 'tester', task.lease_token]);
  const left = new Date(task.lease_expires_at) - Date.now();
  assert.ok(left > 20_000 && left <= 30_000, 'the lease has the length that was asked for');
  assert.deepEqual(await claim(agent, 10), [], 'nobody else gets it');
  assert.deepEqual(await complete(task, { result: { b: 2 } }), { id: made.id, status: 'completed' });
  const done = await stored(made.id);
  assert.deepEqual([done.status, done.result, done.lease_token, done.locked_by], ['completed', { b: 2 }, null, null]);
  assert.ok(done.completed_at >= done.started_at && Number(done.execution_time_ms) >= 0);
  assert.equal(await inQueue(made.id), undefined);
  await assert.rejects(complete(task), refused('RG611', 409), 'a second time');
});

test('the urgent tasks of a user go first, also before those that had a slot already', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  for (const priority of [5, 9, 5, 7, 5, 6, 4, 8]) await enqueue(sub, agent, { priority });
  await enqueue(sub, agent, { priority: 0 });
  const order = [];
  for (let task = (await claim(agent))[0]; task; [task] = await claim(agent)) {
    order.push(task.priority);
    await complete(task);
  }
  assert.deepEqual(order, [0, 4, 5, 5, 5, 6, 7, 8, 9]);
});

test('a task with a delay waits for its time', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent, { delay_seconds: 3600 });
  const at = await enqueue(sub, agent, { run_at: new Date(Date.now() + 7200_000).toISOString() });
  await sweep();
  assert.deepEqual(await claim(agent, 10), []);
  assert.equal((await waiting(id)).is_due, false);
  await due(id);
  assert.deepEqual(
    (await claim(agent, 10)).map((task) => task.id),
    [id],
  );
  assert.equal((await waiting(at.id)).is_due, false);
});

test('a failed attempt is repeated after attempt^4 seconds, a tenth more or less, until there are too many', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent, { max_retries: 3 });
  for (const attempt of [1, 2, 3]) {
    const [task] = await claim(agent);
    assert.equal(task.attempt, attempt);
    assert.equal((await fail(task, { error: `broke ${attempt}` })).status, 'retrying');
    const wait = (new Date((await waiting(id)).run_at) - Date.now()) / 1000;
    assert.ok(wait > attempt ** 4 * 0.9 - 1 && wait < attempt ** 4 * 1.1 + 1, `attempt ${attempt}: ${wait} s`);
    assert.equal((await stored(id)).retry_count, attempt);
    await due(id);
  }
  const [last] = await claim(agent);
  assert.equal((await fail(last, { error: 'broke 4' })).status, 'dead');
  const dead = await stored(id);
  assert.deepEqual([dead.status, dead.error_message, dead.retry_count], ['dead', 'broke 4', 3]);
  assert.ok(dead.dead_at);
  assert.deepEqual(
    dead.errors.map(({ attempt, error, worker }) => [attempt, error, worker]),
    [1, 2, 3, 4].map((attempt) => [attempt, `broke ${attempt}`, 'tester']),
  );
  assert.deepEqual([await inQueue(id), await waiting(id)], [undefined, undefined]);
  const told = await sql(`select type, metadata from flashfusion.notifications where user_id = $1`, [sub]);
  assert.deepEqual(told, [{ type: 'task_dead', metadata: { task_id: id, task_type: 'test' } }]);
});

test('waits of tasks that fail together differ', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser('team')];
  for (let n = 0; n < 20; n += 1) await enqueue(sub, agent);
  const tasks = await claim(agent, 20);
  assert.equal(tasks.length, 20);
  for (const task of tasks) await fail(task);
  const [{ spread }] = await sql(
    `select extract(epoch from max(b.run_at - e.at) - min(b.run_at - e.at))::float8 as spread
     from private.task_backlog b join flashfusion.agent_tasks t on t.id = b.task_id,
     lateral (select (t.errors[1] ->> 'at')::timestamptz as at) as e where b.agent_id = $1`,
    [agent],
  );
  assert.ok(spread > 0.02, `${spread} s`);
});

test('a worker may say that another attempt is of no use', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  const [task] = await claim(agent);
  assert.equal((await fail(task, { retry: false })).status, 'failed');
  const ended = await stored(id);
  assert.deepEqual([ended.status, ended.errors.length, ended.dead_at], ['failed', 1, null]);
});

test('a zombie does nothing: neither with a lease that has ended nor with one of another attempt', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await enqueue(sub, agent);
  const [zombie] = await claim(agent);
  await sql(`update private.task_queue set lease_until = clock_timestamp() - interval '1 second' where task_id = $1`, [
    zombie.id,
  ]);
  const everything = async (task) => {
    for (const act of [complete, fail, heartbeat, (one) => snooze(one, 5)]) {
      await assert.rejects(act(task), refused('RG611', 409));
    }
  };
  // Nobody has noticed yet that its lease has ended.
  await everything(zombie);
  await lapse(zombie.id);
  await claim(agent);
  await due(zombie.id);
  const [second] = await claim(agent);
  assert.deepEqual([second.id, second.attempt], [zombie.id, 2]);
  await everything(zombie);
  await everything({ id: zombie.id, lease_token: randomUUID() });
  await everything({ id: randomUUID(), lease_token: second.lease_token });
  assert.equal((await complete(second)).status, 'completed');
});

test('an attempt counts when its lease ends: a task that kills its workers ends as a dead letter', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent, { max_retries: 2 });
  for (const attempt of [1, 2, 3]) {
    const [task] = await claim(agent);
    assert.equal(task.attempt, attempt);
    await lapse(id);
    assert.deepEqual(await claim(agent), [], 'the claim that notices does not get it again at once');
    if (attempt < 3) await due(id);
  }
  const dead = await stored(id);
  assert.deepEqual([dead.status, dead.errors.length], ['dead', 3]);
  assert.match(dead.errors[2].error, /lease/);
});

test('the reaper checks again what it ends: a heartbeat in time wins, and so does another attempt', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  await claim(agent);
  await lapse(id);
  const worker = await connection();
  await worker.query('begin');
  // The worker's transaction has extended the lease and is not committed: the reaper still sees the old one.
  await worker.query(
    `update private.task_queue set lease_until = clock_timestamp() + interval '1 minute' where task_id = $1`,
    [id],
  );
  assert.deepEqual(await sql('select private.reap_tasks()::int as reaped'), [{ reaped: 0 }], 'it does not wait');
  await worker.query('commit');
  assert.deepEqual(await sql('select private.reap_tasks()::int as reaped'), [{ reaped: 0 }]);
  assert.equal((await stored(id)).status, 'running');

  await worker.end();
});

test('the reaper has read several tasks: those that change before their turn are checked again', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await load(agent, sub, 3);
  const [first, kept, taken] = await claim(agent, 3);
  await lapse(first.id, kept.id, taken.id);
  await sql(`update private.task_queue set lease_until = lease_until - interval '1 minute' where task_id = $1`, [
    first.id,
  ]);
  // While it ends the first, the second gets a heartbeat, and the third is another worker's, whose lease has ended as well.
  await sql(`create function private.meanwhile() returns trigger language plpgsql set search_path = '' as $$ begin
    update private.task_queue set lease_until = clock_timestamp() + interval '1 minute' where task_id = '${kept.id}';
    update private.task_queue set attempt = 2, lease_token = gen_random_uuid() where task_id = '${taken.id}';
    return null; end $$`);
  await sql(`create trigger meanwhile after update on flashfusion.agent_tasks for each row when (new.id = '${first.id}')
    execute function private.meanwhile()`);
  try {
    assert.deepEqual(await sql('select private.reap_tasks()::int as reaped'), [{ reaped: 1 }]);
  } finally {
    await sql('drop trigger meanwhile on flashfusion.agent_tasks; drop function private.meanwhile()');
  }
  assert.deepEqual([(await stored(first.id)).status, (await stored(kept.id)).status], ['retrying', 'running']);
  assert.deepEqual([(await inQueue(kept.id)).attempt, (await inQueue(taken.id)).attempt], [1, 2]);
});

test('tasks that the reaper cannot end do not keep others from it, however many come first', async () => {
  const agent = await makeAgent();
  const [stuck, free] = [await makeUser('enterprise'), await makeUser('enterprise')];
  await load(agent, stuck, 120);
  await load(agent, free, 60);
  const tasks = [...(await claim(agent, 100)), ...(await claim(agent, 100))];
  assert.equal(tasks.length, 180);
  await lapse(...tasks.map(({ id }) => id));
  await sql(
    // All at the same time, which is more than a page.
    `update private.task_queue set lease_until = now() - interval '1 minute' where user_id = $1 and agent_id = $2`,
    [stuck, agent],
  );
  const busy = await connection();
  await busy.query('begin');
  await busy.query(`select private.lock_tasks($1, false)`, [stuck]);
  assert.deepEqual(await sql('select private.reap_tasks()::int as reaped'), [{ reaped: 60 }]);
  await busy.query('rollback');
  assert.deepEqual(await sql('select private.reap_tasks()::int as reaped'), [{ reaped: 120 }]);
  await busy.end();
});

test('a task that cannot be ended because of an error does not keep others from the reaper', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await load(agent, sub, 3);
  const tasks = await claim(agent, 3);
  await lapse(...tasks.map(({ id }) => id));
  // A dead letter that the owner cannot be notified of.
  await sql(`create function private.faulty_task() returns trigger language plpgsql set search_path = '' as
    $$ begin if new.id = '${tasks[0].id}' then raise exception 'refused'; end if; return new; end $$`);
  await sql(
    'create trigger faulty before update on flashfusion.agent_tasks for each row execute function private.faulty_task()',
  );
  try {
    assert.deepEqual(await sql('select private.reap_tasks()::int as reaped'), [{ reaped: 2 }]);
    assert.equal((await inQueue(tasks[0].id)).attempt, 1, 'it stays as it was');
  } finally {
    await sql('drop trigger faulty on flashfusion.agent_tasks; drop function private.faulty_task()');
  }
  assert.deepEqual(await sql('select private.reap_tasks()::int as reaped'), [{ reaped: 1 }]);
});

test('an agent shows when a worker last took a task of it, noted once a minute', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const seen = async () =>
    (
      await sql('select last_activity_at as at, xmin::text as version from flashfusion.agents where id = $1', [agent])
    )[0];
  assert.deepEqual(await claim(agent), []);
  assert.equal((await seen()).at, null);
  const take = async () => {
    await enqueue(sub, agent);
    await sweep();
    for (const task of await claim(agent)) await complete(task);
    return seen();
  };
  const first = await take();
  assert.ok(Date.now() - first.at < 60_000);
  assert.deepEqual(await take(), first, 'not again within the minute');
  await sql(`update flashfusion.agents set last_activity_at = now() - interval '2 minutes' where id = $1`, [agent]);
  assert.ok((await take()).at >= first.at);
});

test('what a failed attempt says of a person is found and erased with the others’ words', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  const address = `${randomUUID()}@example.org`;
  const [first] = await claim(agent);
  await fail(first, { error: `no mailbox "${address}"\nwas found` });
  await due(id);
  const [second] = await claim(agent);
  // The row's own message is the last one.
  await fail(second, { error: 'something else' });
  const mentions = async () => (await sql('select private.mentions(array[$1]) as found', [address]))[0].found;
  assert.deepEqual(await mentions(), { 'flashfusion.agent_tasks': 1 });
  const [{ erased }] = await sql('select private.erase_mentions(array[$1]) as erased', [address]);
  assert.deepEqual(erased, { 'flashfusion.agent_tasks': 1 });
  assert.deepEqual(await mentions(), {});
  assert.deepEqual(
    (await stored(id)).errors.map(({ error }) => error),
    ['no mailbox "[erased]"\nwas found', 'something else'],
  );
});

test('contacts of a result and of errors are kept beside the task, and no longer than its texts name them', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  const contacts = async () =>
    (await sql('select contacts from private.task_contacts where id = $1', [id]))[0]?.contacts;
  const [first, second] = [`${randomUUID()}@example.org`, `${randomUUID()}@example.org`];
  await fail((await claim(agent))[0], { error: `no mailbox ${first}` });
  assert.deepEqual(await contacts(), [first]);
  await due(id);
  await complete((await claim(agent))[0], { result: { to: second } });
  assert.deepEqual(await contacts(), [first, second].sort(), 'a row of errors stays');
  for (const address of [first, second]) {
    const [{ erased }] = await sql('select private.erase_mentions(array[$1]) as erased', [address]);
    assert.deepEqual(erased, { 'flashfusion.agent_tasks': 1 });
  }
  assert.equal(await contacts(), undefined);
  const task = await stored(id);
  assert.deepEqual([task.result, task.errors[0].error], [{ to: '[erased]' }, 'no mailbox [erased]']);
  await sql(`update flashfusion.agent_tasks set error_message = $2 where id = $1`, [id, first]);
  await sql('delete from flashfusion.agent_tasks where id = $1', [id]);
  assert.equal(await contacts(), undefined, 'of a deleted task');
});

test('a search for a person reads tasks by their indexes', async () => {
  const [{ condition }] = await sql(
    `select private.mention_condition(p) as condition from private.mention_places as p where p.relation = 'flashfusion.agent_tasks'`,
  );
  await transaction(async (query) => {
    // Of a few rows the whole of another index that ends with the id costs the same.
    await query(generated['flashfusion.agent_tasks'], [2000]);
    await query('analyze flashfusion.agent_tasks');
    for (const kind of ['seqscan', 'indexscan', 'indexonlyscan']) await query(`set local enable_${kind} = off`);
    const rows = await query(`explain select from flashfusion.agent_tasks where ${condition}`, [['a@b.example'], 'a']);
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
    for (const index of ['agent_tasks_mentions', 'task_contacts_contacts', 'agent_tasks_pkey'])
      assert.match(plan, new RegExp(`Bitmap Index Scan on ${index}`));
  });
});

test('the columns of a task have rules, whoever writes them', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  for (const [rule, change] of [
    ['task_type', `task_type = 'No Type'`],
    ['task_data', `task_data = '[]'`],
    ['task_data', `task_data = jsonb_build_object('a', repeat('a', 65536))`],
    ['priority', 'priority = 10'],
    ['max_retries', 'max_retries = 21'],
    ['idempotency_key_length', `idempotency_key = ''`],
    ['status', `status = 'gone'`],
    ['result', `result = to_jsonb(repeat('a', 262144))`],
    ['error_message_length', `error_message = repeat('a', 2001)`],
    ['errors', `errors = array_fill('{}'::jsonb, array[26])`],
    ['retry_count', 'retry_count = -1'],
  ]) {
    const broken = { code: '23514', constraint: `agent_tasks_${rule}` };
    await assert.rejects(sql(`update flashfusion.agent_tasks set ${change} where id = $1`, [id]), broken, change);
    const [column, value] = change.split(/ = (.*)/s);
    const columns = ['agent_id', 'user_id', 'task_type'].filter((name) => name !== column);
    const insert = `insert into flashfusion.agent_tasks (${[...columns, column]}) select agent_id, user_id, ${
      columns.length === 3 ? 'task_type, ' : ''
    }${value} from flashfusion.agent_tasks where id = $1`;
    await assert.rejects(sql(insert, [id]), broken, insert);
  }
});

test('snoozing burns no attempt', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent, { max_retries: 0 });
  for (let n = 0; n < 10; n += 1) {
    const [task] = await claim(agent);
    assert.equal(task.attempt, 1);
    assert.equal((await snooze(task, 600)).status, 'pending');
    assert.deepEqual(await claim(agent), []);
    assert.equal((await stored(id)).status, 'pending');
    await due(id);
  }
  const [task] = await claim(agent);
  assert.equal((await complete(task)).status, 'completed');
});

test('a snoozed task that has failed before is still one that is retried', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  const [first] = await claim(agent);
  await fail(first);
  await due(id);
  const [second] = await claim(agent);
  const given = await snooze(second, 600);
  const row = await stored(id);
  assert.deepEqual([given.status, row.status, row.retry_count], ['retrying', 'retrying', 1]);
  assert.equal(new Date(given.run_at).getTime(), row.run_at.getTime());
});

test('heartbeats keep a task for as long as the worker likes', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  const [task] = await claim(agent, 1, { lease_seconds: 1 });
  const kept = await heartbeat(task, { lease_seconds: 3600 });
  assert.ok(new Date(kept.lease_expires_at) - Date.now() > 3_500_000);
  assert.equal(kept.cancel_requested, false);
  await sql('select pg_sleep(1.1)');
  await sql('select private.reap_tasks()');
  assert.equal((await stored(id)).status, 'running');
  assert.equal((await complete(task)).status, 'completed');
});

test('a cancelled task that waits or is ready leaves the queue, and the next takes its slot', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const made = [];
  for (let n = 0; n < 7; n += 1) made.push(await enqueue(sub, agent, {}, { 'idempotency-key': `key ${n}` }));
  const ready = made[0].id;
  const later = made[6].id;
  assert.ok((await inQueue(ready)) && (await waiting(later)));
  for (const id of [ready, later]) {
    assert.deepEqual(
      [(await cancel(sub, id)).status, (await stored(id)).status, (await stored(id)).idempotency_key],
      ['cancelled', 'cancelled', null],
    );
    assert.deepEqual([await inQueue(id), await waiting(id)], [undefined, undefined]);
  }
  assert.equal((await claim(agent, 10)).length, 5);
  assert.equal((await cancel(sub, ready)).status, 'cancelled', 'again');
  assert.notEqual((await enqueue(sub, agent, {}, { 'idempotency-key': 'key 0' })).id, ready, 'its key is free');
});

test('a cancelled task that a worker has keeps slot and idempotency key until the worker lets go', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const headers = { 'idempotency-key': randomUUID() };
  const { id } = await enqueue(sub, agent, {}, headers);
  for (let n = 0; n < 5; n += 1) await enqueue(sub, agent);
  const tasks = await claim(agent, 10);
  assert.equal(tasks.length, 5);
  const task = tasks.find((one) => one.id === id);
  const asked = await cancel(sub, id);
  assert.deepEqual([asked.status, asked.cancel_requested], ['running', true]);
  assert.equal((await heartbeat(task)).cancel_requested, true, 'the worker learns of it');
  await sweep();
  assert.deepEqual(await claim(agent, 10), [], 'its slot is taken');
  assert.equal((await enqueue(sub, agent, {}, headers)).id, id, 'its key is taken');
  assert.equal((await fail(task, { error: 'stopped' })).status, 'cancelled');
  const ended = await stored(id);
  assert.deepEqual([ended.status, ended.idempotency_key], ['cancelled', null]);
  assert.equal((await claim(agent, 10)).length, 1, 'its slot is free');
  assert.notEqual((await enqueue(sub, agent, {}, headers)).id, id, 'its key is free');
});

test('a cancelled task whose worker has died is cancelled when its lease ends; one that is finished stays so', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const dying = await enqueue(sub, agent);
  await claim(agent);
  await cancel(sub, dying.id);
  await lapse(dying.id);
  await claim(agent);
  assert.equal((await stored(dying.id)).status, 'cancelled');
  const finished = await enqueue(sub, agent);
  const [task] = await claim(agent);
  await cancel(sub, finished.id);
  assert.equal((await complete(task)).status, 'completed');
  await assert.rejects(cancel(sub, finished.id), refused('RG612', 409));
  await assert.rejects(cancel(await makeUser(), finished.id), refused('RG610', 404), 'another user’s is none');
});

test('the same key is the same task, by fifty at once too; with another body it is refused', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser('team')];
  const headers = { 'idempotency-key': randomUUID() };
  const made = await Promise.all(
    Array.from({ length: 50 }, () => enqueue(sub, agent, { task_data: { a: 1 } }, headers)),
  );
  assert.equal(new Set(made.map(({ id }) => id)).size, 1);
  for (const other of [
    { task_data: { a: 2 } },
    { task_data: { a: 1 }, priority: 4 },
    { task_type: 'other', task_data: { a: 1 } },
  ]) {
    await assert.rejects(enqueue(sub, agent, other, headers), refused('RG503', 422));
  }
  assert.notEqual(
    (await enqueue(await makeUser(), agent, { task_data: { a: 2 } }, headers)).id,
    made[0].id,
    'of another user',
  );
  // Also after it has ended.
  const [task] = await claim(agent);
  await complete(task);
  assert.equal((await enqueue(sub, agent, { task_data: { a: 1 } }, headers)).id, made[0].id);
});

test('what cannot be queued is refused', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const [{ id: foreign }] = await sql(
    `insert into flashfusion.projects (user_id, name) values ($1, 'another''s') returning id`,
    [await makeUser()],
  );
  await assert.rejects(enqueue(sub, randomUUID()), refused('RG613', 422));
  await assert.rejects(enqueue(sub, agent, { project_id: foreign }), refused('RG614', 422));
  await assert.rejects(
    enqueue(sub, agent, { project_id: randomUUID() }),
    refused('RG614', 422),
    'with the same answer',
  );
  for (const bad of [
    { task_type: 'Not a type' },
    { priority: 10 },
    { priority: -1 },
    { max_retries: 21 },
    { delay_seconds: 40_000_000 },
    { task_data: { a: 'x'.repeat(65_536) } },
  ]) {
    await assert.rejects(enqueue(sub, agent, bad), refused('RG615', 422), JSON.stringify(bad).slice(0, 50));
  }
  await sql('update flashfusion.agents set is_active = false where id = $1', [agent]);
  await assert.rejects(enqueue(sub, agent), refused('RG613', 422));
  await sql('update flashfusion.users set is_active = false where id = $1', [sub]);
  await assert.rejects(enqueue(sub, agent), refused('RG632', 403));
});

test('an agent, a user or everybody is paused until a time', async () => {
  const [agent, other] = [await makeAgent(), await makeAgent()];
  const [sub, second] = [await makeUser(), await makeUser()];
  const soon = new Date(Date.now() + 3600_000).toISOString();
  const past = new Date(0).toISOString();
  for (const [scope, reaches] of [
    [{ agent_id: agent }, [agent]],
    [{ user_id: sub }, [agent, other]],
    [{ agent_id: agent, user_id: sub }, [agent]],
    [{}, [agent, other]],
  ]) {
    await enqueue(sub, agent);
    await enqueue(sub, other);
    await pause({ until: soon, ...scope });
    // Also what is queued while it is paused.
    await enqueue(sub, agent);
    for (const one of [agent, other]) {
      await sweep();
      const found = await claim(one, 10);
      assert.equal(found.length > 0, !reaches.includes(one), JSON.stringify(scope));
      for (const task of found) await complete(task);
    }
    await pause({ until: past, ...scope });
    const found = await claim(agent, 10);
    assert.equal(found.length, 2, 'all of them afterwards');
    for (const task of [...found, ...(await claim(other, 10))]) await complete(task);
  }
  // A pause ends by itself.
  await enqueue(second, agent);
  await pause({ until: soon, agent_id: agent });
  await sql(`update private.task_pauses set until = clock_timestamp() - interval '1 second'`);
  await sql('select private.sweep_tasks()');
  assert.equal((await claim(agent, 10)).length, 1);
});

test('one user with many tasks and 999 with one: all 999 are claimed within the first 1,000, in batches of 10', async () => {
  const agent = await makeAgent();
  const big = await makeUser('enterprise');
  await load(agent, big, 20_000);
  const others = Array.from({ length: 999 }, () => randomUUID());
  // They come later, while the big one is being served.
  for (const task of await claim(agent, 10)) await complete(task);
  await sql(`insert into flashfusion.users (id) select unnest($1::uuid[])`, [others]);
  await sql(
    `with made as (
       insert into flashfusion.agent_tasks (agent_id, user_id, task_type) select $1, u, 'test' from unnest($2::uuid[]) as u returning *
     )
     select private.place_task(id, agent_id, user_id, task_type, priority, clock_timestamp(), 0) from made`,
    [agent, others],
  );
  const served = new Set();
  for (let batch = 0; batch < 100; batch += 1) {
    const tasks = await claim(agent, 10);
    assert.equal(tasks.length, 10);
    for (const task of tasks) {
      if (task.user_id !== big) served.add(task.user_id);
      await complete(task);
    }
  }
  assert.equal(served.size, 999);
});

test('users who both have much take turns', async () => {
  const agent = await makeAgent();
  const [first, second] = [await makeUser('pro'), await makeUser('pro')];
  await load(agent, first, 500);
  await load(agent, second, 100);
  const counts = { [first]: 0, [second]: 0 };
  for (let n = 0; n < 15; n += 1) {
    for (const task of await claim(agent, 10)) {
      counts[task.user_id] += 1;
      await complete(task);
    }
  }
  assert.ok(Math.abs(counts[first] - counts[second]) <= 20, JSON.stringify(counts));
});

test('no user has more tasks of an agent under way than the tier has slots, with eight workers at once', async () => {
  const agent = await makeAgent();
  const users = [];
  for (const tier of ['free', 'free', 'pro']) users.push({ sub: await makeUser(tier), most: tier === 'pro' ? 20 : 5 });
  for (const { sub } of users) await load(agent, sub, 150);
  const most = Object.fromEntries(users.map(({ sub }) => [sub, 0]));
  const seen = new Map();
  const worker = async (n) => {
    for (let idle = 0; idle < 5; ) {
      const tasks = await claim(agent, 7, { worker: `worker ${n}` });
      idle = tasks.length > 0 ? 0 : idle + 1;
      const rows = await sql(
        'select user_id, count(*)::int as count from private.task_queue where agent_id = $1 group by 1',
        [agent],
      );
      for (const { user_id: sub, count } of rows) most[sub] = Math.max(most[sub], count);
      for (const task of tasks) {
        seen.set(task.id, (seen.get(task.id) ?? 0) + 1);
        await complete(task);
      }
    }
  };
  await Promise.all(Array.from({ length: 8 }, (_, n) => worker(n)));
  assert.equal(seen.size, 450, 'all were done');
  assert.deepEqual(
    [...seen.values()].filter((times) => times !== 1),
    [],
    'once each',
  );
  for (const { sub, most: slots } of users) assert.ok(most[sub] <= slots, `${most[sub]} of ${slots}`);
});

test('the queue is rotated: its rows stay, its pages go, and workers go on meanwhile', async () => {
  await empty();
  const agent = await makeAgent();
  const sub = await makeUser('team');
  await load(agent, sub, 300);
  const size = async () => (await sql(`select pg_relation_size('private.task_queue')::int as size`))[0].size;
  // A transaction that stays open: without rotation nothing that was deleted after its start could go.
  const open = await connection();
  await open.query('begin isolation level repeatable read');
  await open.query('select count(*) from private.limit_rules');
  const done = new Set();
  let rotations = 0;
  const work = async () => {
    while (done.size < 300) {
      for (const task of await claim(agent, 5)) {
        await complete(task);
        done.add(task.id);
      }
    }
  };
  const rotate = async () => {
    while (done.size < 300) {
      const [{ rotated }] = await sql('select private.rotate_task_queue() as rotated');
      rotations += rotated ? 1 : 0;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  await Promise.all([work(), work(), work(), rotate()]);
  assert.equal(done.size, 300);
  assert.ok(rotations > 0);
  await sql('select private.rotate_task_queue()');
  assert.equal(await size(), 0, 'what was deleted takes no room');
  // A reader of the whole queue delays the rotation, but no claim waits.
  const reader = await connection();
  await reader.query('begin');
  await reader.query('select count(*) from private.task_queue');
  assert.deepEqual(await sql('select private.rotate_task_queue() as rotated'), [{ rotated: false }]);
  await reader.query('rollback');
  await open.query('rollback');
  await Promise.all([reader.end(), open.end()]);
});

/** How many slots of completed tasks of a user wait for the next claim. */
const vacancies = async (sub) =>
  (await sql('select count(*)::int as n from private.task_vacancies where user_id = $1', [sub]))[0].n;
/** As many tasks as a lane has slots, completed, and some more that wait. */
const vacate = async (agent, sub, waits) => {
  const [{ slots }] = await sql('select private.task_slots($1) as slots', [sub]);
  const made = [];
  for (let n = 0; n < slots + waits; n += 1) made.push((await enqueue(sub, agent)).id);
  const tasks = await claim(agent, slots);
  assert.equal(tasks.length, slots);
  for (const task of tasks) await complete(task);
  assert.equal(await vacancies(sub), slots);
  return made.slice(slots);
};

test('the next claim, of any worker, gives the slots of completed tasks to those that wait', async () => {
  const [agent, other, sub] = [await makeAgent(), await makeAgent(), await makeUser()];
  const [first, second] = await vacate(agent, sub, 2);
  assert.ok((await waiting(first)) && (await waiting(second)));
  const slots = await vacancies(sub);
  await sql('select private.rotate_task_queue()');
  assert.equal(await vacancies(sub), slots, 'a rotation keeps them');
  assert.deepEqual(await claim(other), []);
  assert.equal((await inQueue(first)).lease_token, null);
  assert.equal(await waiting(first), undefined);
  assert.equal(await vacancies(sub), 0);
  const order = [];
  for (let [task] = await claim(agent); task; [task] = await claim(agent)) {
    order.push(task.id);
    await complete(task);
  }
  assert.deepEqual(order, [first, second]);
});

test('a slot of a completed task is not for a new task while others wait, unless it is more urgent', async () => {
  for (const priority of [5, 0]) {
    const [agent, sub] = [await makeAgent(), await makeUser()];
    const waits = await vacate(agent, sub, 2);
    const { id } = await enqueue(sub, agent, { priority });
    const order = [];
    for (let [task] = await claim(agent); task; [task] = await claim(agent)) {
      order.push(task.id);
      await complete(task);
    }
    assert.deepEqual(order, priority === 0 ? [id, ...waits] : [...waits, id]);
  }
});

test('two claims at once fill no lane beyond its slots, also where vacancies were filled by others', async () => {
  const fills = {
    'new tasks': { waits: 0, fill: (sub, agent) => Promise.all([1, 2, 3].map(() => enqueue(sub, agent))) },
    'a sweep': {
      waits: 3,
      fill: () => sql(`select private.refill_lanes('00000000-0000-0000-0000-000000000000', 10000)`),
    },
  };
  for (const [name, { waits, fill }] of Object.entries(fills)) {
    const [agent, sub] = [await makeAgent(), await makeUser()];
    const [{ slots }] = await sql('select private.task_slots($1) as slots', [sub]);
    const queued = async () =>
      (await sql('select count(*)::int as n from private.task_queue where user_id = $1', [sub]))[0].n;
    for (let n = 0; n < slots + waits; n += 1) await enqueue(sub, agent);
    const [last, ...first] = await claim(agent, slots);
    for (const task of first.slice(0, 3)) await complete(task);
    await fill(sub, agent);
    for (let n = 0; n < 5; n += 1) await enqueue(sub, agent);
    assert.equal(await queued(), slots, name);
    await complete(last);
    const claims = await Promise.all([1, 2].map(connection));
    for (const client of claims) {
      await client.query('begin');
      await client.query('select private.fill_vacancies(1)');
    }
    for (const client of claims) {
      await client.query('commit');
      await client.end();
    }
    assert.equal(await queued(), slots, `${name}, then two claims`);
  }
});

test('a user who is just queueing a task keeps no claim waiting, and the vacancies are filled later', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const [first] = await vacate(agent, sub, 1);
  const busy = await connection();
  await busy.query('begin');
  await busy.query('select private.lock_tasks($1, false)', [sub]);
  assert.deepEqual(await claim(await makeAgent()), []);
  assert.ok((await vacancies(sub)) > 0);
  assert.ok(await waiting(first));
  await busy.query('rollback');
  await busy.end();
  assert.equal((await claim(agent))[0].id, first);
});

test('a lease is found by the id of its task, also with statistics from when no task was leased', async () => {
  const client = await connection();
  await client.query('begin');
  await client.query('truncate private.task_queue');
  await client.query(
    `insert into private.task_queue (task_id, agent_id, user_id, task_type, priority, run_at, attempt, turn)
     select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'test', 5, now(), 0, n from generate_series(1, 1000) as n`,
  );
  await client.query('analyze private.task_queue');
  await client.query('set local enable_seqscan = off; set local plan_cache_mode = force_generic_plan');
  await client.query(
    `prepare lookup (uuid, uuid) as select user_id from private.task_queue as q
     where q.task_id = $1 and q.lease_token = $2 and q.lease_until >= clock_timestamp()`,
  );
  const { rows } = await client.query('explain (format json) execute lookup (null, null)');
  const [{ Plan: plan }] = rows[0]['QUERY PLAN'];
  await client.query('rollback');
  await client.end();
  assert.equal(plan['Index Name'], 'task_queue_pkey');
});

/** The blocks that a call reads, five times: the first one also makes plans. */
const blocksOf = async (query, called) => {
  const found = [];
  for (let n = 0; n < 5; n += 1) {
    const [row] = await query(`explain (analyze, buffers, timing off, format json) select ${called}`);
    const [{ Plan: plan }] = row['QUERY PLAN'];
    found.push(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']);
  }
  return found;
};

/** What the planner may believe of a queue: nothing, or what was true when workers had every task. */
const BELIEFS = {
  none: withoutStatistics(['private.task_queue']),
  'all leased': [
    `update private.task_queue set lease_token = task_id, lease_until = now() + interval '1 hour', locked_by = 'somebody'`,
    'analyze private.task_queue',
    `update private.task_queue set lease_token = null, lease_until = null, locked_by = null`,
  ],
};

test('a claim reads the front of the queue with any statistics, and does not sort it', async () => {
  const agent = await makeAgent();
  await transaction(async (query) => {
    await query('truncate private.task_queue');
    await query(
      `with made as (
         insert into flashfusion.agent_tasks (agent_id, user_id, task_type) select $1, gen_random_uuid(), 'test' from generate_series(1, 4000)
         returning *
       )
       insert into private.task_queue (task_id, agent_id, user_id, task_type, priority, run_at, attempt, turn)
       select id, agent_id, user_id, task_type, priority, run_at, 0, row_number() over () from made`,
      [agent],
    );
    await query(`select set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: WORKER.role, ...WORKER.claims }),
    ]);
    for (const [state, statements] of Object.entries(BELIEFS)) {
      for (const statement of statements) await query(statement);
      const found = await blocksOf(query, `flashfusion.claim_tasks('tester', array['${agent}'::uuid])`);
      // The first one in a second also looks after what others have left.
      assert.ok(Math.min(...found) <= 60, `${state}: ${found} blocks`);
    }
  });
});

test('what a claim does each second reads neither the leases that go on nor the tasks that are not due', () =>
  transaction(async (query) => {
    for (const table of ['queue', 'backlog']) await query(`truncate private.task_${table}`);
    await query(
      `insert into private.task_queue (task_id, agent_id, user_id, task_type, priority, run_at, attempt, turn, lease_token, lease_until, locked_by)
       select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'test', 5, now(), 1, n, gen_random_uuid(),
         now() + interval '1 hour' + n * interval '1 second', 'somebody'
       from generate_series(1, 4000) as n`,
    );
    await query(
      `insert into private.task_backlog (task_id, agent_id, user_id, task_type, priority, run_at, attempt, is_due)
       select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'test', 5, now() + interval '1 hour' + n * interval '1 second', 0, false
       from generate_series(1, 4000) as n`,
    );
    await query('analyze private.task_queue, private.task_backlog');
    for (const called of ['private.reap_tasks(1)', 'private.promote_tasks()']) {
      const found = await blocksOf(query, called);
      assert.ok(Math.min(...found) <= 10, `${called}: ${found} blocks`);
    }
  }));

test('a pause of one user reads only that user’s tasks in the queue', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await transaction(async (query) => {
    await query('truncate private.task_queue');
    await query(
      `insert into private.task_queue (task_id, agent_id, user_id, task_type, priority, run_at, attempt, turn)
       select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'test', 5, now(), 0, n from generate_series(1, 4000) as n`,
    );
    await query('analyze private.task_queue');
    await query(`select set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: WORKER.role, ...WORKER.claims }),
    ]);
    for (const more of ['', `, agent_id => '${agent}'`]) {
      const found = await blocksOf(
        query,
        `flashfusion.pause_tasks(now() + interval '1 hour', user_id => '${sub}'${more})`,
      );
      assert.ok(Math.min(...found) <= 30, `${more}: ${found} blocks`);
    }
  });
});

test('claims rotate the queue by themselves', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await enqueue(sub, agent);
  await sql(`select setval('private.task_rotation_due', pg_sequence_last_value('private.task_departures'))`);
  // TRUNCATE gives the table a file of its own.
  const file = async () => (await sql(`select pg_relation_filenode('private.task_queue') as file`))[0].file;
  const first = await file();
  assert.equal((await claim(agent)).length, 1);
  const second = await file();
  assert.notEqual(second, first);
  assert.equal((await claim(agent)).length, 0);
  assert.equal(await file(), second, 'once');
});

test('claims of everything start behind what was served, and miss nothing that is committed late', async () => {
  const agent = await makeAgent();
  const sub = await makeUser('team');
  const everything = (quantity) => claim(agent, quantity, { agents: null });
  await empty();
  await load(agent, sub, 100);
  const late = await connection();
  await late.query('begin');
  const lateUser = await makeUser();
  const [{ id }] = (
    await late.query(
      `insert into flashfusion.agent_tasks (agent_id, user_id, task_type) values ($1, $2, 'test') returning id`,
      [agent, lateUser],
    )
  ).rows;
  await late.query(`select private.place_task($1, $2, $3, 'test', 5::smallint, clock_timestamp(), 0)`, [
    id,
    agent,
    lateUser,
  ]);
  for (let n = 0; n < 5; n += 1) for (const task of await everything(10)) await complete(task);
  await late.query('commit');
  const front = (await sql(`select pg_sequence_last_value('private.task_front')::int as front`))[0].front;
  const [{ turn }] = await sql('select turn::int from private.task_queue where task_id = $1', [id]);
  assert.ok(turn < front, 'its turn has passed');
  await sweep();
  assert.equal((await everything(1))[0].id, id, 'the next look at everything finds it first');
  await late.end();
});

test('a deleted task or project leaves nothing in the queue', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const [{ id: project }] = await sql(
    `insert into flashfusion.projects (user_id, name) values ($1, 'with tasks') returning id`,
    [sub],
  );
  for (let n = 0; n < 7; n += 1) await enqueue(sub, agent, { project_id: project, task_data: { n } });
  const [task] = await claim(agent);
  await sql('delete from flashfusion.projects where id = $1', [project]);
  const left = await sql(
    'select task_id from private.task_queue where user_id = $1 union all select task_id from private.task_backlog where user_id = $1',
    [sub],
  );
  assert.deepEqual(left, []);
  await assert.rejects(complete(task), refused('RG611', 409));
});

test('a worker names itself, and takes at most a hundred tasks', async () => {
  const agent = await makeAgent();
  await load(agent, await makeUser('enterprise'), 150);
  for (const worker of ['', ' ', 'a'.repeat(101), 'a\nb']) {
    await assert.rejects(claim(agent, 1, { worker }), refused('RG616', 422), JSON.stringify(worker));
  }
  assert.equal((await claim(agent, 1000)).length, 100);
  assert.equal((await claim(agent, 0)).length, 1);
});

test('workers may ask for some types only', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await enqueue(sub, agent, { task_type: 'test' });
  const other = await enqueue(sub, agent, { task_type: 'test.other' });
  const found = await claim(agent, 10, { types: ['test.other', 'test.third'] });
  assert.deepEqual(
    found.map(({ id }) => id),
    [other.id],
  );
  await sql('delete from flashfusion.agent_tasks where id = $1', [other.id]);
});

test('nobody but the edge calls the functions of the queue, and a user sees only their own tasks', async () => {
  const [agent, sub, stranger] = [await makeAgent(), await makeUser(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  for (const role of ['anon', 'authenticated', 'service_role']) {
    for (const [name, given] of [
      ['claim_tasks', { worker: 'me' }],
      ['enqueue_task', { agent_id: agent, task_type: 'test' }],
      ['complete_task', { task_id: id, lease_token: randomUUID() }],
    ]) {
      await assert.rejects(call({ role, claims: { sub } }, name, given), { code: '42501' }, `${role} ${name}`);
    }
  }
  const { as } = await import('../../support/stack.js');
  const seen = (who) => as(who, (query) => query('select id from flashfusion.agent_tasks where id = $1', [id]));
  assert.equal((await seen({ role: 'authenticated', claims: { sub } })).length, 1);
  assert.equal((await seen({ role: 'authenticated', claims: { sub: stranger } })).length, 0);
  for (const change of [
    `update flashfusion.agent_tasks set status = 'completed' where id = '${id}'`,
    `delete from flashfusion.agent_tasks where id = '${id}'`,
    `insert into flashfusion.agent_tasks (agent_id, user_id, task_type) values ('${agent}', '${sub}', 'test')`,
  ]) {
    const who = { role: 'authenticated', claims: { sub } };
    await assert.rejects(
      as(who, (query) => query(change)),
      { code: '42501' },
      change,
    );
  }
  assert.ok(user(sub));
});

test('a task is deleted a year after its end, and not one that waits', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const add = async (created, ended, status) =>
    (
      await sql(
        `insert into flashfusion.agent_tasks (agent_id, user_id, task_type, status, created_at, completed_at, idempotency_key)
         values ($1, $2, 'x', $3, now() - make_interval(days => $4), now() - make_interval(days => $5), gen_random_uuid())
         returning id`,
        [agent, sub, status, created, ended],
      )
    )[0].id;
  const old = [await add(366, 366, 'completed'), await add(800, 400, 'dead'), await add(366, 366, 'cancelled')];
  const kept = [await add(366, 364, 'completed'), await add(800, null, 'pending'), await add(1, 1, 'failed')];
  const { as } = await import('../../support/stack.js');
  const [{ run }] = await as({ role: 'edge' }, (query) => query(`select edge.run_job('clean_tasks') as run`));
  assert.deepEqual([run.error, run.rows >= old.length], [null, true]);
  const left = await sql('delete from flashfusion.agent_tasks where user_id = $1 returning id', [sub]);
  assert.deepEqual(left.map(({ id }) => id).toSorted(), kept.toSorted());
});

test('everybody reads active agents; settings are for service_role', async () => {
  const agent = await makeAgent();
  const { as } = await import('../../support/stack.js');
  const settings = { agent_id: agent, config: { key: 'hidden' }, health_check_url: 'https://agent.example/health' };
  assert.deepEqual(await call({ role: 'service_role' }, 'agent_settings', settings), settings);
  assert.deepEqual(await call({ role: 'service_role' }, 'agent_settings', { agent_id: agent }), settings, 'read alone');
  for (const who of [{ role: 'anon' }, { role: 'authenticated', claims: { sub: randomUUID() } }]) {
    const [row] = await as(who, (query) => query('select * from flashfusion.agents where id = $1', [agent]));
    assert.equal(row.id, agent);
    assert.doesNotMatch(JSON.stringify(row), /hidden|health/);
    await assert.rejects(call(who, 'agent_settings', { agent_id: agent }), { code: '42501' });
  }
  await sql('update flashfusion.agents set is_active = false where id = $1', [agent]);
  assert.deepEqual(
    await as({ role: 'anon' }, (query) => query('select * from flashfusion.agents where id = $1', [agent])),
    [],
  );
  const listed = await as({ role: 'anon' }, (query) => query('select flashfusion.list_agents() as list'));
  assert.ok(!JSON.stringify(listed).includes(agent));
});
