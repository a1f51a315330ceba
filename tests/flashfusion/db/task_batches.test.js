// Tasks that end in batches: each by its own lease.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, close, onBehalf, sql } from '../../support/stack.js';
import {
  cancel,
  claim,
  clear,
  completeAll,
  enqueue,
  heartbeat,
  lapse,
  load,
  makeAgent,
  makeUser,
  refused,
  stored,
  user,
} from '../support/tasks.js';

before(() => sql(`update private.limit_rules set burst = 100000 where name = 'tasks'`));
after(async () => {
  await sql(`update private.limit_rules set burst = 300 where name = 'tasks'`);
  await clear();
  await close();
});

const held = ({ id, lease_token }, more = {}) => ({ id, lease_token, ...more });
const inQueue = async (agent) =>
  Number((await sql('select count(*) from private.task_queue where agent_id = $1', [agent]))[0].count);

test('tasks of several users end at once, each with its result, and the next of each lane take their slots', async () => {
  const [agent, subs] = [await makeAgent(), [await makeUser(), await makeUser()]];
  for (const sub of subs) await load(agent, sub, 12);
  const tasks = await claim(agent, 100);
  assert.equal(tasks.length, 10, 'five slots each');
  const ended = await completeAll(tasks.map((task, n) => held(task, { result: { n }, execution_time_ms: n })));
  assert.deepEqual(
    ended,
    tasks.map(({ id }) => ({ id, status: 'completed' })),
    'in their order',
  );
  for (const [n, { id }] of tasks.entries()) {
    const row = await stored(id);
    assert.deepEqual(
      [row.status, row.result, Number(row.execution_time_ms), row.lease_token, row.locked_by],
      ['completed', { n }, n, null, null],
    );
    assert.ok(row.completed_at >= row.started_at);
  }
  assert.equal(await inQueue(agent), 10, 'all slots are taken again');
  const next = await claim(agent, 100);
  assert.equal(next.length, 10);
  await completeAll(next.map((task) => held(task)));
  const last = await claim(agent, 100);
  assert.deepEqual([last.length, new Set(last.map(({ user_id: sub }) => sub)).size], [4, 2]);
  assert.equal((await stored(next[0].id)).result, null, 'a result may be left out');
});

test('a task whose lease has ended, or is another worker’s, keeps no other from its end', async () => {
  const [agent, sub, other] = [await makeAgent(), await makeUser(), await makeUser()];
  await load(agent, sub, 3);
  await load(agent, other, 1);
  const tasks = await claim(agent, 10);
  const [late, stolen, good] = tasks.filter((task) => task.user_id === sub);
  const theirs = tasks.find((task) => task.user_id === other);
  await lapse(late.id);
  const sent = [
    held(late),
    held(stolen, { lease_token: good.lease_token }),
    held(good),
    held(theirs, { lease_token: randomUUID() }),
    { id: randomUUID(), lease_token: randomUUID() },
  ];
  const ended = await completeAll(sent);
  assert.deepEqual(
    ended.map(({ status }) => status),
    ['lease_lost', 'lease_lost', 'completed', 'lease_lost', 'lease_lost'],
  );
  for (const { id } of [late, stolen, theirs]) assert.equal((await stored(id)).status, 'running');
  assert.deepEqual(await completeAll([held(good)]), [{ id: good.id, status: 'lease_lost' }], 'a second time');
  assert.equal((await heartbeat(stolen)).cancel_requested, false, 'its own lease is worth what it was');
});

test('a cancelled task that is completed all the same stays completed', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  const { id } = await enqueue(sub, agent);
  const [task] = await claim(agent);
  assert.equal((await cancel(sub, id)).cancel_requested, true);
  assert.deepEqual(await completeAll([held(task)]), [{ id, status: 'completed' }]);
  assert.equal((await stored(id)).status, 'completed');
});

test('a batch that is not valid ends no task', async () => {
  const [agent, sub] = [await makeAgent(), await makeUser()];
  await enqueue(sub, agent);
  const [task] = await claim(agent);
  const good = held(task);
  for (const tasks of [
    [],
    {},
    'none',
    null,
    [good, 1],
    [good, null],
    [good, { id: randomUUID() }],
    [good, { ...good, id: 'x' }],
    [good, { id: randomUUID(), lease_token: 'x' }],
    [{ ...good, execution_time_ms: 'soon' }],
    [{ ...good, execution_time_ms: 1.5 }],
    [good, good],
    [good, { ...good, id: good.id.toUpperCase() }],
    [good, ...Array.from({ length: 100 }, () => ({ id: randomUUID(), lease_token: randomUUID() }))],
  ]) {
    await assert.rejects(completeAll(tasks), refused('RG615', 422), JSON.stringify(tasks).slice(0, 200));
  }
  const large = [good, { id: randomUUID(), lease_token: randomUUID(), result: 'x'.repeat(262_144) }];
  await assert.rejects(completeAll(large), refused('RG617', 422));
  assert.equal((await stored(task.id)).status, 'running');
  assert.deepEqual(await completeAll([good]), [{ id: task.id, status: 'completed' }]);
});

test('two workers whose batches have the same users in other orders do not wait for each other', async () => {
  const [agent, subs] = [await makeAgent(), [await makeUser('pro'), await makeUser('pro'), await makeUser('pro')]];
  for (const sub of subs) await load(agent, sub, 20);
  const tasks = await claim(agent, 60);
  assert.equal(tasks.length, 60);
  const batches = Array.from({ length: 6 }, (_, n) => {
    const part = tasks.filter((_, at) => at % 6 === n).map((task) => held(task));
    return n % 2 ? part.reverse() : part;
  });
  // Beside them, requests that take each user's lock for themselves.
  const [ended] = await Promise.all([
    Promise.all(batches.map(completeAll)),
    ...subs.flatMap((sub) => Array.from({ length: 5 }, () => enqueue(sub, agent))),
  ]);
  assert.ok(ended.flat().every(({ status }) => status === 'completed'));
});

test('only the edge calls it, and only for workers', async () => {
  const tasks = JSON.stringify([{ id: randomUUID(), lease_token: randomUUID() }]);
  const run = (who) => as(who, (query) => query('select flashfusion.complete_tasks(tasks => $1)', [tasks]));
  for (const role of ['anon', 'authenticated', 'service_role'])
    await assert.rejects(run({ role, claims: { sub: randomUUID() } }), { code: '42501' }, role);
  await assert.rejects(run(user()), refused('RG659', 403));
  await assert.rejects(run(onBehalf({ role: 'anon' })), refused('RG659', 403));
});
