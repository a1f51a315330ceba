// The task queue under everything at once: many connections do anything, some are cut off, and what must always hold is looked at all
// the time. STRESS_SECONDS makes it longer.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { close, onBehalf, sql, stack } from '../../support/stack.js';
import { claim, clear, complete, emptyQueue, makeAgent, makeUser, sweep, user } from '../support/tasks.js';

const SECONDS = Number(process.env.STRESS_SECONDS ?? 4);
const below = (n) => Math.floor(Math.random() * n);
const one = (list) => list[below(list.length)];
const chance = (share) => Math.random() < share;

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

const connect = async () => {
  const client = new pg.Client({ connectionString: stack.database_url });
  // The statement that was under way says so, too.
  client.on('error', () => {});
  await client.connect();
  return client;
};
const isCutOff = ({ code, message }) => code === '57P01' || /terminated|not queryable|ECONNRESET/.test(message);

/** A request as PostgREST makes it. */
const request = async (client, { role, claims, headers = {} }, name, given) => {
  await client.query('begin');
  try {
    await client.query(
      `select set_config('role', $1, true), set_config('request.jwt.claims', $2, true), set_config('request.headers', $3, true)`,
      [role, JSON.stringify({ role, ...claims }), JSON.stringify(headers)],
    );
    const names = Object.keys(given);
    const list = names.map((key, at) => `${key} => $${at + 1}`).join(', ');
    const { rows } = await client.query(`select flashfusion.${name}(${list}) as result`, Object.values(given));
    await client.query('commit');
    return rows[0].result;
  } catch (error) {
    if (!isCutOff(error)) await client.query('rollback');
    throw error;
  }
};
const WORKER = onBehalf({ role: 'service_role' });

/** What does not hold, in one snapshot. A user whose tier changes may have more tasks than slots after it has fallen. */
const WRONG = `
  select 'a lane has more than its slots: ' || l.user_id || ' ' || l.agent_id || ' ' || count(*) as wrong
  from (
    select user_id, agent_id from private.task_queue union all select user_id, agent_id from private.task_vacancies
  ) as l
  where l.user_id <> all ($2)
  group by l.user_id, l.agent_id
  having count(*) > (select private.task_slots(l.user_id))
  union all
  select 'in both tables: ' || q.task_id from private.task_queue as q inner join private.task_backlog as b on b.task_id = q.task_id
  union all
  select t.status || ', queue ' || coalesce(q.task_id::text, '-') || ', backlog ' || coalesce(b.task_id::text, '-') || ': ' || t.id
  from flashfusion.agent_tasks as t
  left join private.task_queue as q on q.task_id = t.id
  left join private.task_backlog as b on b.task_id = t.id
  where t.agent_id = any ($1) and not case
    when t.status = 'running' then q.lease_token = t.lease_token and b.task_id is null
    when t.status in ('pending', 'retrying') then coalesce(q.lease_token is null, true) and (q.task_id is null) <> (b.task_id is null)
    else q.task_id is null and b.task_id is null
  end`;

test('anything at once, on connections of which some are cut off: no lane too full, no task lost or done twice, and all end', async (t) => {
  const agents = await Promise.all([1, 2, 3].map(makeAgent));
  const steady = await Promise.all(['free', 'free', 'free', 'pro'].map((tier) => makeUser(tier)));
  const changing = await Promise.all([1, 2].map(() => makeUser()));
  const users = [...steady, ...changing];
  const known = [];
  const held = [];
  const faults = new Set();
  const done = new Map();
  const counts = {};
  const isHeld = () => held.length > 0;
  // Mostly nobody else uses the lease afterwards; sometimes two do, or one later.
  const lease = () => {
    const at = below(held.length);
    return chance(0.2) ? held[at] : held.splice(at, 1)[0];
  };
  const inSomeTime = (ms) => new Date(Date.now() + ms).toISOString();
  const scope = () =>
    one([{ user_id: one(users) }, { agent_id: one(agents) }, { user_id: one(users), agent_id: one(agents) }, {}]);
  const noteDone = (id, mark) => {
    if (done.has(id)) faults.add(`${id} was completed twice`);
    done.set(id, mark);
  };

  const acts = {
    enqueue: [
      8,
      async (client) => {
        const headers = chance(0.2) ? { 'idempotency-key': `${below(50)}` } : {};
        const { id } = await request(client, user(one(users), headers), 'enqueue_task', {
          agent_id: headers['idempotency-key'] ? agents[0] : one(agents),
          task_type: 'test',
          priority: headers['idempotency-key'] ? 5 : below(10),
          delay_seconds: chance(0.2) && !headers['idempotency-key'] ? 1 : 0,
        });
        known.push(id);
      },
    ],
    claim: [
      8,
      async (client) => {
        const given = { worker: 'tester', quantity: 1 + below(8), lease_seconds: one([1, 60]) };
        if (chance(0.5)) given.agents = [one(agents)];
        const { tasks } = await request(client, WORKER, 'claim_tasks', given);
        held.push(...tasks);
      },
    ],
    complete: [
      5,
      async (client) => {
        if (!isHeld()) return;
        const { id, lease_token } = lease();
        const mark = randomUUID();
        await request(client, WORKER, 'complete_task', { task_id: id, lease_token, result: JSON.stringify(mark) });
        noteDone(id, mark);
      },
    ],
    'complete-batch': [
      3,
      async (client) => {
        const tasks = new Map();
        for (let n = 1 + below(10); n > 0 && isHeld(); n -= 1) {
          const { id, lease_token } = lease();
          tasks.set(id, { id, lease_token: chance(0.1) ? randomUUID() : lease_token, result: randomUUID() });
        }
        if (tasks.size === 0) return;
        const answer = await request(client, WORKER, 'complete_tasks', { tasks: JSON.stringify([...tasks.values()]) });
        for (const { id, status } of answer.tasks) if (status === 'completed') noteDone(id, tasks.get(id).result);
      },
    ],
    fail: [
      3,
      async (client) => {
        if (!isHeld()) return;
        const { id, lease_token } = lease();
        await request(client, WORKER, 'fail_task', { task_id: id, lease_token, error: 'it broke', retry: chance(0.8) });
      },
    ],
    snooze: [
      2,
      async (client) => {
        if (!isHeld()) return;
        const { id, lease_token } = lease();
        await request(client, WORKER, 'snooze_task', { task_id: id, lease_token, seconds: 1 });
      },
    ],
    heartbeat: [
      2,
      async (client) => {
        if (!isHeld()) return;
        const { id, lease_token } = one(held);
        await request(client, WORKER, 'heartbeat_task', { task_id: id, lease_token, lease_seconds: one([1, 60]) });
      },
    ],
    cancel: [
      2,
      async (client) => {
        if (known.length === 0) return;
        const id = one(known);
        const [row] = (await client.query('select user_id from flashfusion.agent_tasks where id = $1', [id])).rows;
        if (row) await request(client, user(row.user_id), 'cancel_task', { id });
      },
    ],
    pause: [0.5, (client) => request(client, WORKER, 'pause_tasks', { until: inSomeTime(below(300)), ...scope() })],
    'end a pause': [0.5, (client) => request(client, WORKER, 'pause_tasks', { until: inSomeTime(-1000), ...scope() })],
    delete: [
      2,
      async (client) => {
        if (known.length > 0) await client.query('delete from flashfusion.agent_tasks where id = $1', [one(known)]);
      },
    ],
    'change a tier': [
      0.5,
      (client) =>
        client.query('update flashfusion.users set subscription_tier = $2 where id = $1', [
          one(changing),
          one(['free', 'pro', 'team']),
        ]),
    ],
    // Time passes: leases end, delays are over, and the next claim looks at everything again.
    'a lease ends': [
      1,
      async (client) => {
        if (!isHeld()) return;
        const { id, lease_token } = one(held);
        await client.query(
          `update private.task_queue set lease_until = clock_timestamp() - interval '1 second'
           where task_id = $1 and lease_token = $2`,
          [id, lease_token],
        );
      },
    ],
    'delays are over': [
      0.5,
      (client) =>
        client.query(`update private.task_backlog set run_at = clock_timestamp() where task_id in (
          select b.task_id from private.task_backlog as b where not b.is_due limit 5 for update skip locked)`),
    ],
    'a second passes': [3, (client) => client.query(`select setval('private.task_swept', 0)`)],
    'the job': [0.5, (client) => client.query('select private.sweep_tasks()')],
    rotate: [0.5, (client) => client.query('select private.rotate_task_queue()')],
  };
  const tickets = Object.entries(acts).flatMap(([name, [weight]]) => Array.from({ length: weight * 2 }, () => name));

  let over = false;
  const clients = [];
  const actor = async (n) => {
    while (!over) {
      const name = one(tickets);
      try {
        clients[n] ??= await connect();
        await acts[name][1](clients[n]);
        counts[name] = (counts[name] ?? 0) + 1;
      } catch (error) {
        if (isCutOff(error)) clients[n] = undefined;
        else if (error.code !== 'PGRST') faults.add(`${name}: ${error.code} ${error.message} ${error.where ?? ''}`);
        else if (!/"RG61[012]"/.test(error.message)) faults.add(`${name}: ${error.message}`);
      }
    }
    await clients[n]?.end();
  };
  const killer = async () => {
    while (!over) {
      await sleep(20 + below(60));
      const pid = one(clients)?.processID;
      if (pid) await sql('select pg_terminate_backend($1)', [pid]);
      counts.cuts = (counts.cuts ?? 0) + 1;
    }
  };
  const watcher = async () => {
    while (!over) {
      for (const { wrong } of await sql(WRONG, [agents, changing])) faults.add(wrong);
      counts.looks = (counts.looks ?? 0) + 1;
      await sleep(10);
    }
  };
  const all = Promise.all([killer(), watcher(), watcher(), ...Array.from({ length: 12 }, (_, n) => actor(n))]);
  await sleep(SECONDS * 1000);
  // On a machine that has other work, too, longer: without enough tasks nothing was tried.
  for (let n = 0; n < 600 && done.size <= 50; n += 1) await sleep(100);
  over = true;
  await all;
  t.diagnostic(JSON.stringify(counts));
  assert.deepEqual([...faults], []);
  assert.deepEqual(await sql(WRONG, [agents, changing]), []);

  // What is left ends with claims alone and the job, as no operator is there. Workers that were cut off have lost their leases.
  await sql('delete from private.task_pauses');
  const left = async () =>
    (
      await sql(
        `select (select count(*)::int from flashfusion.agent_tasks where agent_id = any ($1) and status in ('pending', 'running', 'retrying'))
         + (select count(*)::int from private.task_queue where agent_id = any ($1))
         + (select count(*)::int from private.task_backlog where agent_id = any ($1)) as n`,
        [agents],
      )
    )[0].n;
  for (let n = 0; n < 500 && (await left()) > 0; n += 1) {
    await sql(
      `update private.task_queue set lease_until = clock_timestamp() - interval '1 second' where lease_token is not null`,
    );
    await sql('update private.task_backlog set run_at = clock_timestamp() where not is_due');
    await sweep();
    for (const task of await claim(agents[0], 100, { agents })) {
      const mark = randomUUID();
      await complete(task, { result: JSON.stringify(mark) });
      noteDone(task.id, mark);
    }
    if (n % 10 === 9) await sql('select private.sweep_tasks()');
  }
  assert.equal(await left(), 0);
  assert.deepEqual([...faults], []);
  // Who was answered that a task is completed has its result in the row.
  const rows = await sql('select id, status, result from flashfusion.agent_tasks where agent_id = any ($1)', [agents]);
  assert.deepEqual(
    rows.filter(({ id, status, result }) => done.has(id) && (status !== 'completed' || result !== done.get(id))),
    [],
  );
  // Others were deleted.
  const kept = rows.filter(({ id }) => done.has(id)).length;
  assert.ok(kept > 10 && done.size > 50, `${done.size} completed, ${kept} of them kept`);
});
