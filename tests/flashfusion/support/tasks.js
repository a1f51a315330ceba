// Tasks of flashfusion for the tests: queued by users, taken by workers.
import { randomUUID } from 'node:crypto';
import { as, onBehalf, sql } from '../../support/stack.js';

/** A user as the edge vouches for them. */
export const user = (sub = randomUUID(), headers = {}) => onBehalf({ role: 'authenticated', claims: { sub }, headers });

/** The edge's call for a worker. */
export const WORKER = onBehalf({ role: 'service_role' });

/** Calls a function of the schema by named arguments, and gives its result. */
export const call = (who, name, given) =>
  as(who, async (query) => {
    const names = Object.keys(given).filter((key) => given[key] !== undefined);
    const list = names.map((key, at) => `${key} => $${at + 1}`).join(', ');
    const values = names.map((key) =>
      given[key] !== null && typeof given[key] === 'object' && !Array.isArray(given[key])
        ? JSON.stringify(given[key])
        : given[key],
    );
    return (await query(`select flashfusion.${name}(${list}) as result`, values))[0].result;
  });

/** An agent of its own for a test, so that its tasks are nobody else's. */
export const makeAgent = async () =>
  (
    await sql(`insert into flashfusion.agents (name, type) values ($1, 'tester') returning id`, [
      `Agent ${randomUUID()}`,
    ])
  )[0].id;

/** A user's tier decides on the slots: 5, 20, 50, 200. */
export const makeUser = async (subscription_tier = 'free') => {
  const sub = randomUUID();
  await sql('insert into flashfusion.users (id, subscription_tier) values ($1, $2)', [sub, subscription_tier]);
  return sub;
};

export const enqueue = (sub, agent_id, given = {}, headers = {}) =>
  call(user(sub, headers), 'enqueue_task', { agent_id, task_type: 'test', ...given });
export const cancel = (sub, id) => call(user(sub), 'cancel_task', { id });
export const claim = async (agent, quantity = 1, given = {}) =>
  (await call(WORKER, 'claim_tasks', { worker: 'tester', agents: [agent], quantity, ...given })).tasks;
const held = ({ id, lease_token }) => ({ task_id: id, lease_token });
export const complete = (task, given = {}) => call(WORKER, 'complete_task', { ...held(task), ...given });
/** Several at once, each with fields of its own. */
export const completeAll = async (tasks) =>
  (await call(WORKER, 'complete_tasks', { tasks: JSON.stringify(tasks) })).tasks;
export const fail = (task, given = {}) => call(WORKER, 'fail_task', { ...held(task), error: 'it broke', ...given });
export const heartbeat = (task, given = {}) => call(WORKER, 'heartbeat_task', { ...held(task), ...given });
export const snooze = (task, seconds) => call(WORKER, 'snooze_task', { ...held(task), seconds });
export const pause = (given) => call(WORKER, 'pause_tasks', given);

/** A task's row. */
export const stored = async (id) => (await sql('select * from flashfusion.agent_tasks where id = $1', [id]))[0];

/** Lets the next claim look at everything again: it does so once a second by itself. */
export const sweep = () => sql(`select setval('private.task_swept', 0)`);

/** The time of a waiting task has come. */
export const due = async (id) => {
  await sql(`update private.task_backlog set run_at = clock_timestamp() - interval '1 second' where task_id = $1`, [
    id,
  ]);
  await sweep();
};

/** The lease of a task ends now. */
export const lapse = async (...ids) => {
  await sql(
    `update private.task_queue set lease_until = clock_timestamp() - interval '1 second' where task_id = any ($1)`,
    [ids],
  );
  await sweep();
};

/** Queues many tasks at once, as enqueue_task would one by one. */
export const load = async (agent, sub, count) => {
  await sql(
    `with made as (
       insert into flashfusion.agent_tasks (agent_id, user_id, task_type) select $1, $2, 'test' from generate_series(1, $3::int)
       returning *
     )
     insert into private.task_backlog (task_id, agent_id, user_id, task_type, priority, run_at, attempt, is_due)
     select id, agent_id, user_id, task_type, priority, run_at, 0, true from made`,
    [agent, sub, count],
  );
  await sql('select private.fill_slots($1, $2, 1000)', [sub, agent]);
};

/** A refusal by code and status. */
export const refused = (code, status) => (error) => {
  if (error.code !== 'PGRST') throw error;
  const found = [JSON.parse(error.message).code, JSON.parse(error.detail).status];
  if (found[0] !== code || found[1] !== status) throw new Error(`refused with ${found}: ${error.message}`);
  return true;
};

/** Removes what the tests of a file have made. */
export const clear = async () => {
  await sql('delete from private.task_pauses');
  await sql(`delete from flashfusion.agent_tasks where task_type = 'test'`);
  await sql('delete from private.task_queue');
  await sql(`delete from flashfusion.agents where type = 'tester'`);
};

/** Takes every task out of the queue, whichever test has made it. */
export const emptyQueue = async () => {
  for (const table of ['pauses', 'backlog', 'queue', 'vacancies', 'heads'])
    await sql(`delete from private.task_${table}`);
};
