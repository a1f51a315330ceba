// The task queue in the database: fairness, the time of a claim, and throughput, also beside a transaction that stays open.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { median, p99, rounded } from '../figures.js';
import { nestedPlans } from '../nested_plans.js';

/** Tasks that wait, connections of workers, seconds of a measurement without and with an open transaction. */
export const SIZES = { tasks: 1_000_000, workers: 16, seconds: 60, held: 600 };
export const only = 'migrated database';

const PART = 250_000;
const BATCH = 10;
const ROUNDS = 3;
/** More tasks than are done in a second. */
const MOST = 5000;
/** As the edge calls for a worker. */
const CLAIMS = JSON.stringify({ role: 'edge', edge: { caller: 'service_role' } });

const connect = async ({ databaseUrl }) => {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`select set_config('request.jwt.claims', $1, false)`, [CLAIMS]);
  return client;
};
const claim = async (client, quantity, worker = 'bench') => {
  const text = 'select flashfusion.claim_tasks($1, quantity => $2, lease_seconds => 600) as claimed';
  return (await client.query({ name: 'claim', text, values: [worker, quantity] })).rows[0].claimed.tasks;
};
const complete = (client, { id, lease_token: lease }) =>
  client.query({
    name: 'complete',
    text: `select flashfusion.complete_task($1, $2, '{"done": true}')`,
    values: [id, lease],
  });

/** Users are numbered from 0. */
export const addUsers = (client, count, tier) =>
  client.query(
    `insert into flashfusion.users (id, subscription_tier) select md5('user ' || n)::uuid, $2 from generate_series(0, $1::int - 1) as n
     on conflict (id) do update set subscription_tier = excluded.subscription_tier`,
    [count, tier],
  );

/** Gives tasks that wait the free slots of all users, as the sweeps of claims do. */
export const fillSlots = async (client) => {
  let seen = '00000000-0000-0000-0000-000000000000';
  while (seen) seen = (await client.query('select private.refill_lanes($1, 500) as seen', [seen])).rows[0].seen;
};

/** Adds tasks that wait, without triggers; of `users` users in turn, beginning with `first`. */
export const addTasks = async (client, { agent, count, users, first = 0 }, signal) => {
  for (let from = 0; from < count; from += PART) {
    signal.throwIfAborted();
    await client.query('set session_replication_role = replica');
    await client.query(
      `with made as (
         insert into flashfusion.agent_tasks (agent_id, user_id, task_type, task_data)
         select $1, md5('user ' || $4::int + n % $5::int)::uuid, 'bench', jsonb_build_object('n', n)
         from generate_series($2::int, $3::int) as n
         returning *
       )
       insert into private.task_backlog (task_id, agent_id, user_id, task_type, priority, run_at, attempt, is_due)
       select id, agent_id, user_id, task_type, priority, run_at + random() * interval '1 millisecond', 0, true from made`,
      [agent, from, Math.min(from + PART, count) - 1, first, users],
    );
    await client.query('set session_replication_role = default');
  }
  await client.query('analyze private.task_backlog');
  await fillSlots(client);
};

const empty = (client) =>
  client.query(
    'truncate flashfusion.agent_tasks, private.task_backlog, private.task_queue, private.task_heads, private.task_vacancies cascade',
  );

/** The plan of the statement that claims, as it runs inside the function. */
const planOfClaim = async (client) => {
  const plans = await nestedPlans(client, () => claim(client, 1));
  return plans.find(({ query }) => query.includes('for update skip locked'))?.nodes ?? '';
};

/** What a worker does again and again, for pgbench: the places of a batch are columns, since \gset takes one row. */
const script = ({ claimed, completed }) => `select ${Array.from(
  { length: BATCH },
  (_, n) => `t -> ${n} ->> 'id' as id${n}, t -> ${n} ->> 'lease_token' as lease${n}`,
).join(', ')}
from (select ${claimed} as t) as claimed \\gset
${Array.from({ length: BATCH }, (_, n) => `${completed(`:id${n}`, `:lease${n}`)};`).join('\n')}
`;

const QUEUE = {
  claimed: `flashfusion.claim_tasks('bench', quantity => ${BATCH}, lease_seconds => 600) -> 'tasks'`,
  completed: (id, lease) => `select flashfusion.complete_task(${id}, ${lease}, '{"done": true}')`,
};

/** The same by a worker that ends its tasks as it claims them, in batches: one row of one column. */
const BATCHES = `select jsonb_agg(jsonb_build_object('id', t -> 'id', 'lease_token', t -> 'lease_token', 'result', jsonb '{"done": true}')) as tasks
from (select ${QUEUE.claimed} as claimed) as c, jsonb_array_elements(c.claimed) as t \\gset
select flashfusion.complete_tasks(:tasks);
`;

/**
 * The rival: one table that has the columns of agent_tasks, with `for update skip locked` and nothing else. It knows no fairness, no
 * lease that ends, no cancelling, no pause, no attempts, no rights, and no search for a person.
 */
const PLAIN = {
  claimed: 'plain_queue.claim()',
  completed: (id, lease) => `select plain_queue.complete(${id}, ${lease}, '{"done": true}')`,
};
const PLAIN_QUEUE = `
  create schema plain_queue;
  create table plain_queue.tasks (like flashfusion.agent_tasks including defaults) with (fillfactor = 80);
  alter table plain_queue.tasks add primary key (id);
  create index on plain_queue.tasks (priority, created_at) where status = 'pending';
  create index on plain_queue.tasks (user_id, created_at desc, id desc);
  create function plain_queue.claim() returns jsonb language plpgsql set plan_cache_mode = force_generic_plan as $$
    declare
      claimed jsonb;
    begin
      perform set_config('synchronous_commit', 'off', true);
      with ready as materialized (
        select t.id from plain_queue.tasks as t where t.status = 'pending' order by t.priority, t.created_at
        limit ${BATCH} for update skip locked
      ), leased as (
        update plain_queue.tasks as t set status = 'running', started_at = clock_timestamp(), lease_token = gen_random_uuid()
        from ready as r where t.id = r.id
        returning t.id, t.lease_token, t.task_data
      )
      select jsonb_agg(to_jsonb(l)) into claimed from leased as l;
      return claimed;
    end $$;
  create function plain_queue.complete(id uuid, lease uuid, result jsonb) returns void language plpgsql as $$
    begin
      update plain_queue.tasks as t
      set status = 'completed', result = complete.result, completed_at = clock_timestamp(), lease_token = null
      where t.id = complete.id and t.lease_token = lease;
      if not found then raise 'the lease has ended'; end if;
    end $$`;

/** Fills the rival's table with as many tasks of as many users. */
const fillPlainQueue = async (client, count, users) => {
  await client.query(PLAIN_QUEUE);
  await client.query(
    `insert into plain_queue.tasks (agent_id, user_id, task_type, task_data)
     select gen_random_uuid(), md5('user ' || n % $2::int)::uuid, 'bench', jsonb_build_object('n', n) from generate_series(1, $1::int) as n`,
    [count, users],
  );
  await client.query('vacuum analyze plain_queue.tasks');
};

/**
 * Claims and completes for some seconds, by pgbench: a client in JavaScript takes as much of the cores as the database.
 * Gives the tasks of each second.
 */
const throughput = async ({ databaseUrl }, { workers, seconds, work = script(QUEUE) }, signal) => {
  const folder = await mkdtemp(join(tmpdir(), 'rowgate-bench-'));
  try {
    const file = join(folder, 'worker.sql');
    await writeFile(file, work);
    const options = ['--no-vacuum', '--protocol=prepared', '--jobs=1', '--progress=1'];
    const { stderr } = await promisify(execFile)(
      'pgbench',
      [...options, `--client=${workers}`, `--time=${seconds}`, `--file=${file}`, databaseUrl],
      { signal, maxBuffer: 2 ** 24, env: { ...process.env, PGOPTIONS: `-c request.jwt.claims=${CLAIMS}` } },
    );
    if (/\babort/i.test(stderr)) throw new Error(stderr);
    return [...stderr.matchAll(/^progress: .* s, ([\d.]+) tps/gm)].map(([, tps]) => Number(tps) * BATCH);
  } finally {
    await rm(folder, { recursive: true });
  }
};
const rate = (perSecond) => perSecond.reduce((sum, count) => sum + count, 0) / perSecond.length;

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, stopping, options, say }) => {
  const { signal } = stopping;
  const client = await connect(stack);
  const rows = [];
  const note = (row) => {
    rows.push(row);
    say(`${row.name}: ${row.reached} (${row.aim})`);
  };
  try {
    const [{ id: agent }] = (
      await client.query(`insert into flashfusion.agents (name, type) values ('Bench', 'bench') returning id`)
    ).rows;

    // One user with all but 999, and 999 with one each, who come later.
    await addUsers(client, 1, 'enterprise');
    await addTasks(client, { agent, count: options.tasks, users: 1 }, signal);
    await client.query(
      `insert into flashfusion.users (id) select md5('user ' || n)::uuid from generate_series(1, 999) as n`,
    );
    await addTasks(client, { agent, count: 999, users: 999, first: 1 }, signal);
    const served = new Set();
    const fairly = [];
    for (let batch = 0; batch < 1000 / BATCH; batch += 1) {
      const start = performance.now();
      const tasks = await claim(client, BATCH);
      fairly.push(performance.now() - start);
      for (const { user_id: user } of tasks) served.add(user);
      for (const task of tasks) await complete(client, task);
    }
    note({
      name: `one user with ${options.tasks} tasks, 999 with one: users served by the first 1,000 claims, in batches of ${BATCH}`,
      aim: 'all 1,000',
      reached: `${served.size}; a batch takes ${rounded(median(fairly))} ms`,
      met: served.size === 1000,
    });

    const single = [];
    for (let n = 0; n < 150; n += 1) {
      const start = performance.now();
      await claim(client, 1);
      // The first ones plan.
      if (n >= 20) single.push(performance.now() - start);
    }
    note({
      name: `claim of one task of ${options.tasks}`,
      aim: 'under 2 ms',
      reached: `${rounded(median(single))} ms, p99 ${rounded(p99(single))} ms`,
      met: median(single) < 2,
      plan: await planOfClaim(client),
    });

    await empty(client);
    await addUsers(client, 1000, 'free');
    await addTasks(client, { agent, count: options.tasks, users: 1000 }, signal);
    const measured = { workers: options.workers, seconds: options.seconds };
    await throughput(stack, { ...measured, seconds: 5 }, signal);
    await fillPlainQueue(client, options.tasks, 1000);
    // In turns, since the machine is not the same at every minute.
    const rounds = [];
    for (let round = 0; round < ROUNDS; round += 1) {
      const ours = rate(await throughput(stack, { ...measured, seconds: measured.seconds / ROUNDS }, signal));
      const batches = rate(
        await throughput(stack, { ...measured, seconds: measured.seconds / ROUNDS, work: BATCHES }, signal),
      );
      const plain = rate(
        await throughput(stack, { ...measured, seconds: measured.seconds / ROUNDS, work: script(PLAIN) }, signal),
      );
      rounds.push({ ours, batches, plain });
    }
    const alone = median(rounds.map(({ ours }) => ours));
    const plain = median(rounds.map((round) => round.plain));
    const share = median(rounds.map((round) => round.ours / round.plain));
    note({
      name: `claim and complete, ${options.workers} workers, 1,000 users, ${options.tasks} tasks`,
      aim: 'at least 2,000 a second',
      reached: `${Math.round(alone)} a second`,
      met: alone >= 2000,
      rival: `one table with \`for update skip locked\`, and no fairness, leases or rights: ${Math.round(plain)} a second; ${rounded(share)} of it`,
    });
    note({
      name: 'the same by workers that complete what they have claimed in one call',
      aim: 'more than one by one',
      reached: `${Math.round(median(rounds.map(({ batches }) => batches)))} a second`,
      met: median(rounds.map((round) => round.batches / round.ours)) > 1,
    });

    await addTasks(client, { agent, count: options.held * MOST, users: 1000 }, signal);
    const before = rate(await throughput(stack, measured, signal));
    const held = await connect(stack);
    await held.query('begin isolation level repeatable read');
    await held.query('select count(*) from private.limit_rules');
    const beside = await throughput(stack, { workers: options.workers, seconds: options.held }, signal);
    await held.query('rollback');
    await held.end();
    const last = rate(beside.slice(-options.seconds));
    const { rows: dead } = await client.query(
      `select pg_size_pretty(pg_total_relation_size('private.task_queue')) as size`,
    );
    note({
      name: `the same beside a transaction that stays open for ${options.held} s: its last ${options.seconds} s`,
      aim: 'at least two thirds of before',
      reached: `${Math.round(last)} a second of ${Math.round(before)}, ${Math.round((100 * last) / before)} %; the queue takes ${dead[0].size}`,
      met: last >= (before * 2) / 3,
    });
    return rows;
  } finally {
    await client.end();
  }
};
