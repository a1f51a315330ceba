// The calls of flashfusion's endpoints, for npm run bench -- scale.
import { randomUUID } from 'node:crypto';
import { event, subscription } from '../../tests/flashfusion/support/stripe.js';
import { BY_KEY } from '../scale/lists.js';
import { personCalls } from '../scale/person.js';
import { fillSlots } from './queue.js';

/** Deployments and integrations, each of one of the thousand users, and events of billing, at full size. */
const FULL = { deployments: 100_000, integrations: 100_000, events: 100_000 };
/** Users at once, and those who have tasks. */
const USERS = 100;
const MANY = 1000;
const SEALED = `v1${`.${'A'.repeat(40)}`.repeat(4)}`;

/** The first twenty keys are another user's. */
const user = (n) => `md5('user ' || 1 + ${n})::uuid`;
const key = (n, at) => `md5('key ' || (1 + ${n}) * 20 + ${at})::uuid`;
const notification = (n) => `md5('own notification ' || ${n})::uuid`;
const pending = (n) => `md5('pending key ' || ${n})::uuid`;
const deployment = (n) => `md5('deployment ' || ${n})::uuid`;
const integration = (n) => `md5('integration ' || ${n})::uuid`;

/** Each hundred users has a key that waits to take the place of another one. */
const PENDING = [
  `insert into flashfusion.user_api_keys (id, user_id, service_name, key_alias, last_four, fingerprint, status, rotated_from)
   select ${pending('n')}, k.user_id, k.service_name, k.key_alias, 'abcd', md5('p' || n) || md5('q' || n), 'pending', k.id
   from generate_series(0, ${USERS - 1}) as n inner join flashfusion.user_api_keys as k on k.id = ${key('n', 3)}`,
  `insert into private.api_key_secrets (key_id, user_id, sealed, key_version)
   select k.id, k.user_id, '${SEALED}', 1 from flashfusion.user_api_keys as k where k.status = 'pending'`,
  `update flashfusion.users as u set subscription_tier = 'enterprise', email = 'user' || n || '@example.org'
   from generate_series(0, ${USERS - 1}) as n where u.id = ${user('n')}`,
];
/** Each of them has one that is unread. */
const NOTIFICATIONS = `insert into flashfusion.notifications (id, user_id, title, message)
  select ${notification('n')}, ${user('n')}, 'Done', 'Your task has ended.' from generate_series(0, ${USERS - 1}) as n`;
const PROJECTS = `insert into flashfusion.projects (id, user_id, name)
  select md5('project ' || n)::uuid, ${user('n')}, 'Project ' || n from generate_series(0, ${MANY - 2}) as n`;
const DEPLOYMENTS = [
  `insert into flashfusion.deployments (id, project_id, user_id, deployment_target, version, environment_variables)
   select ${deployment('n')}, md5('project ' || n % ${MANY - 1})::uuid, ${user(`n % ${MANY - 1}`)}, 'cloud', 1 + n / ${MANY - 1}, '{DEBUG}'
   from generate_series(0, $1::int - 1) as n`,
  `insert into private.deployment_environments (deployment_id, user_id, sealed, key_version)
   select ${deployment('n')}, ${user(`n % ${MANY - 1}`)}, '${SEALED}', 1 from generate_series(0, $1::int - 1) as n`,
];
const INTEGRATIONS = [
  `insert into flashfusion.integrations (id, user_id, integration_type, integration_name, credentials)
   select ${integration('n')}, ${user(`n % ${MANY - 1}`)}, 'github', 'Integration ' || n, '{access_token}' from generate_series(0, $1::int - 1) as n`,
  `insert into private.integration_credentials (integration_id, user_id, sealed, key_version)
   select ${integration('n')}, ${user(`n % ${MANY - 1}`)}, '${SEALED}', 1 from generate_series(0, $1::int - 1) as n`,
];
const BILLING = [
  `insert into private.billing_events (event_id, type, created, payload, processed_at, kind, customer_id, outcome)
   select 'evt_old_' || n, 'customer.subscription.updated', now(), jsonb_build_object('n', n), now(), 'snapshot', 'cus_old_' || n % 1000, 'applied'
   from generate_series(1, $1::int) as n`,
  `insert into private.billing_customers (stripe_customer_id, user_id) select 'cus_' || n, ${user('n')} from generate_series(0, $1::int - 1) as n`,
];

/** What the edge says for a worker. */
const SERVER = JSON.stringify({ role: 'edge', edge: { caller: 'service_role' } });

export const load = async ({ sql, client, size, say }) => {
  const part = (name) => Math.max(MANY, Math.ceil(FULL[name] * size));
  await sql('set session_replication_role = replica');
  for (const statement of PENDING) await sql(statement);
  await sql(NOTIFICATIONS);
  await sql(PROJECTS);
  for (const statement of DEPLOYMENTS) await sql(statement, [part('deployments')]);
  for (const statement of INTEGRATIONS) await sql(statement, [part('integrations')]);
  for (const statement of BILLING) await sql(statement, [part('events')]);
  await sql(`insert into private.price_tiers (price_id, tier, plan_name) values ('price_pro', 'pro', 'Pro')`);
  await sql('set session_replication_role = default');
  // A hundred users have a higher tier than their tasks were loaded with: the first call would fill all of their slots.
  await fillSlots(client);
  // Tasks that workers have.
  await sql(`select set_config('request.jwt.claims', $1, false)`, [SERVER]);
  await sql(`select flashfusion.claim_tasks('bench', quantity => ${USERS}, lease_seconds => 3600)`);
  await sql(`select set_config('request.jwt.claims', '', false)`);
  await sql(
    'vacuum analyze flashfusion.deployments, flashfusion.integrations, private.deployment_environments, private.integration_credentials, private.billing_events, private.billing_customers',
  );
  say('deployments, integrations, events of billing');
};

const owner = { sub: user };
const worker = { role: 'service_role' };
/** A worker's API token, which names the endpoint. */
const holder = (endpoint) => ({
  ...worker,
  api_token: { id: randomUUID(), systems: [], endpoints: [endpoint], access: 'write' },
});

/** A task that a worker has: its id and its lease. */
const LEASED = `select array_agg(q.task_id order by q.task_id) as ids, array_agg(q.lease_token order by q.task_id) as leases from private.task_queue as q
  where q.lease_token is not null`;
const element = (list, n) => `('{${list}}'::uuid[])[1 + ${n}]`;
/** Arguments of a call that names a leased task. */
const leased =
  (more = '') =>
  (n, { ids, leases }) =>
    `task_id => ${element(ids, n)}, lease_token => ${element(leases, n)}${more}`;

/** What the edge says of a key that it has sealed. */
const sealedKey = (n) =>
  `owner_id => (${user(n)})::text, key_id => gen_random_uuid(), sealed => '${SEALED}', key_version => 1,
   fingerprint => md5(random()::text) || md5(random()::text), prefix => 'sk-proj-', last_four => 'cdef'`;
const sealedValues = (n) =>
  `owner_id => (${user(n)})::text, sealed => '${SEALED}', key_version => 1, names => '{FIRST,SECOND}'`;

const CHANGED = {
  ...event('customer.subscription.updated', { ...subscription({ customer: 'cus_{n}' }), id: 'sub_{n}' }),
  id: 'evt_new_{n}',
};

export const endpoints = () => ({
  'POST /v1/keys': {
    caller: owner,
    with: (n) => `service => 'openai', alias => 'Another', ${sealedKey(n)}`,
    holds: `answer ->> 'status' = 'active'`,
    why: 'The user’s own keys are counted by their index, and rows go into three tables.',
  },
  'POST /v1/keys/{id}/rotate': {
    caller: owner,
    with: (n) => `replaces => ${key(n, 2)}, ${sealedKey(n)}`,
    holds: `answer ->> 'status' = 'pending'`,
    why: BY_KEY,
  },
  'POST /v1/keys/{id}/confirm': {
    caller: owner,
    with: (n) => `id => ${pending(n)}`,
    holds: `answer ->> 'status' = 'active'`,
    why: 'The key and the one before are found by their keys.',
  },
  'DELETE /v1/keys/{id}': { caller: owner, with: (n) => `id => ${key(n, 4)}`, holds: 'answer', why: BY_KEY },
  'POST /v1/keys/{id}/verify': {
    caller: owner,
    with: (n) => `id => ${key(n, 5)}`,
    holds: `answer ->> 'status' = 'active'`,
    why: BY_KEY,
  },
  'PUT /v1/deployments/{id}/environment': {
    caller: owner,
    with: (n) => `deployment_id => ${deployment(n)}, ${sealedValues(n)}`,
    holds: `answer -> 'environment_variables' ? 'FIRST'`,
    why: BY_KEY,
  },
  'PUT /v1/integrations/{id}/credentials': {
    caller: owner,
    with: (n) => `integration_id => ${integration(n)}, ${sealedValues(n)}`,
    holds: `answer -> 'credentials' ? 'FIRST'`,
    why: BY_KEY,
  },
  'POST /v1/keys/{id}/use': {
    caller: holder('POST /v1/keys/{id}/use'),
    with: (n) => `key_id => ${key(n, 6)}`,
    holds: `answer #>> '{answer,usage_count}' = '1'`,
    why: BY_KEY,
  },
  'POST /v1/deployments/{id}/environment/use': {
    caller: holder('POST /v1/deployments/{id}/environment/use'),
    with: (n) => `deployment_id => ${deployment(n)}`,
    holds: `answer #>> '{stored,row}' is not null`,
    why: BY_KEY,
  },
  'POST /v1/integrations/{id}/credentials/use': {
    caller: holder('POST /v1/integrations/{id}/credentials/use'),
    with: (n) => `integration_id => ${integration(n)}`,
    holds: `answer #>> '{stored,row}' is not null`,
    why: BY_KEY,
  },
  'GET /v1/services': { reads: ['GET /v1/services'] },
  'GET /v1/agents': { reads: ['GET /v1/agents'] },
  'POST /v1/tasks': {
    caller: owner,
    place: `select a.id from flashfusion.agents as a where a.name = 'Bench'`,
    with: (_, { id }) => `agent_id => '${id}', task_type => 'bench', task_data => '{"n": 1}'`,
    holds: `answer ->> 'status' = 'pending'`,
    why: 'A row for the user and one for the queue, wherever the queue ends.',
  },
  'POST /v1/tasks/{id}/cancel': {
    caller: owner,
    place: `select array(select (select t.id from flashfusion.agent_tasks as t where t.user_id = ${user('n')} order by t.created_at desc, t.id desc limit 1)
      from generate_series(0, ${USERS - 1}) as n order by n) as ids`,
    with: (n, { ids }) => `id => ${element(ids, n)}`,
    holds: `answer ->> 'status' = 'cancelled'`,
    why: 'The task is found by its key, in the queue or among those that wait. Where a user has fewer tasks than slots, each has a slot, and lanes are asked for the next task; at full size the task waits.',
  },
  'POST /v1/workers/claim': {
    caller: worker,
    with: (n) => `worker => 'worker ' || ${n}`,
    holds: `jsonb_array_length(answer -> 'tasks') = 1`,
    why: 'A claim reads the front of a short queue, however many tasks wait behind it.',
    contends: 'Claims that are rolled back leave the front where it was, so that a hundred workers meet there.',
  },
  'POST /v1/workers/heartbeat': {
    caller: worker,
    place: LEASED,
    with: leased(),
    holds: `answer ->> 'lease_expires_at' is not null`,
    why: BY_KEY,
  },
  'POST /v1/workers/complete': {
    caller: worker,
    place: LEASED,
    with: leased(`, result => '{"done": true}'`),
    holds: `answer ->> 'status' = 'completed'`,
    why: BY_KEY,
  },
  'POST /v1/workers/complete-batch': {
    caller: worker,
    place: LEASED,
    with: (n, { ids, leases }) =>
      `tasks => jsonb_build_array(jsonb_build_object('id', ${element(ids, n)}, 'lease_token', ${element(leases, n)}, 'result', '{}'::jsonb))`,
    holds: `answer #>> '{tasks,0,status}' = 'completed'`,
    why: BY_KEY,
  },
  'POST /v1/workers/fail': {
    caller: worker,
    place: LEASED,
    with: leased(`, error => 'A fault'`),
    holds: `answer ->> 'status' = 'retrying'`,
    why: BY_KEY,
  },
  'POST /v1/workers/snooze': {
    caller: worker,
    place: LEASED,
    with: leased(', seconds => 60'),
    holds: `answer ->> 'status' = 'pending'`,
    why: BY_KEY,
  },
  'POST /v1/workers/pause': {
    caller: worker,
    // Of the free tier, whose users have five tasks in the queue at each size.
    with: (n) => `until => now() + interval '1 hour', user_id => ${user(`${USERS} + ${n}`)}`,
    holds: `answer ->> 'until' is not null`,
    why: 'The user’s ready tasks leave the queue, which has a few of each user.',
  },
  'POST /v1/notifications/read': {
    caller: { sub: user },
    with: (n) => `ids => array[${notification(n)}]`,
    holds: `answer ->> 'read' = '1'`,
    why: BY_KEY,
  },
  'POST /v1/billing/webhook': {
    caller: { role: 'anon' },
    with: (n) => `event => replace('${JSON.stringify(CHANGED)}', '{n}', (${n})::text)::jsonb`,
    holds: `answer ->> 'outcome' = 'applied'`,
    why: 'The event is stored by its id, and its subscription found by its own.',
  },
  'POST /v1/billing/checkout': {
    caller: owner,
    with: `price => 'price_pro'`,
    holds: `answer ->> 'customer' like 'cus_%'`,
    why: BY_KEY,
  },
  'POST /v1/billing/portal': { caller: owner, holds: `answer ->> 'customer' like 'cus_%'`, why: BY_KEY },
  'POST /v1/jobs/fetch_thin_events':
    'Its function only checks the right to it. The work is the job’s, which reads what is due by an index.',
});

/** Of reads.js. */
const project = (n) => `md5('read project ' || 1 + ${n})::uuid`;

export const writes = () => ({
  'a project is added': {
    caller: owner,
    write: (n) => `insert into flashfusion.projects (name, is_public) values ('New ' || ${n}, true)`,
    why: 'The user’s projects are counted by their index, and a row is added.',
  },
  'a project is changed': {
    caller: owner,
    write: (n) => `update flashfusion.projects set name = 'Changed', status = 'active' where id = ${project(n)}`,
    why: BY_KEY,
  },
  'a project is deleted': {
    caller: owner,
    write: (n) => `delete from flashfusion.projects where id = ${project(n)}`,
    why: 'The row is found by its key, and so are those that refer to it.',
  },
});

export const functions = () => ({
  'flashfusion.ensure_user': { caller: owner, holds: `answer -> 0 ->> 'last_login_at' is not null`, why: BY_KEY },
  'flashfusion.usage_summary': {
    caller: owner,
    holds: `(answer -> 0 ->> 'events')::int >= 0`,
    why: 'The month of a user has sixteen sums at most.',
  },
  'flashfusion.start_generation': {
    caller: owner,
    with: (n) =>
      `project_id => md5('project ' || ${n})::uuid, ai_service_id => (select min(s.id::text)::uuid from flashfusion.ai_services as s where s.is_active),
       prompt => 'A form'`,
    holds: `answer -> 0 ->> 'status' = 'pending'`,
    why: 'A row is added to its table, and a call is reserved of the user’s budget.',
  },
  ...personCalls({
    email: (n) => `'user' || ${n} || '@example.org'`,
    table: 'flashfusion.agent_tasks',
    grows: 'A user has a thousandth of all tasks, deployments and integrations.',
  }),
});

export const steps = () => ({
  'edge.key_to_verify': {
    with: (n) => `key_id => ${key(n, 5)}`,
    holds: `answer ->> 'sealed' is not null`,
    why: BY_KEY,
  },
  'edge.key_verified': {
    with: (n) => `key_id => ${key(n, 5)}, is_valid => true`,
    holds: `answer ->> 'id' is not null`,
    why: BY_KEY,
  },
  'edge.sealed_batch': {
    with: (n) =>
      `after => jsonb_build_object('relation', 'private.api_key_secrets', 'row', ${key(n, 5)}), most => 200, below => 2`,
    holds: `jsonb_array_length(answer -> 'rows') = 200`,
    why: 'It reads on by the key of the last row.',
  },
  'edge.claim_billing_events':
    'The job’s: it reads by the index of events that wait to be fetched, which is empty as a rule.',
  'edge.finish_billing_event': 'The job’s: it does for one event what `POST /v1/stripe` does.',
});
