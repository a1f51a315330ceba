// The hot reads of flashfusion, for npm run bench -- scale.
import { createHash } from 'node:crypto';
import { explainedBy, owned, user } from '../scale/lists.js';
import { SIZES as BILLING, loadNotifications, USERS } from './billing.js';
import { SIZES as KEYS, loadKeys, USER } from './keys.js';
import { addTasks, addUsers, SIZES as QUEUE } from './queue.js';

/** Uses of the services, and the users of whom tasks and uses are, in turn. */
const USES = 1_000_000;
const MANY = 1000;

/** As PostgreSQL casts an MD5 to a uuid. */
const uuidOf = (text) =>
  createHash('md5')
    .update(text)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
const FIRST = uuidOf('user 0');

/** In the partitions of this month and the next ones: it has no rows yet. */
const LOAD_USES = `insert into flashfusion.usage_analytics (user_id, event_type, event_data, api_tokens_used, cost_incurred, "timestamp")
  select md5('user ' || n % ${MANY})::uuid, 'generation', jsonb_build_object('model', 'model-' || n % 7), n % 20011, n % 4001,
    date_trunc('month', now()) + n * interval '27 days' / $1::int
  from generate_series(0, $1::int - 1) as n`;

export const load = async ({ sql, client, size, say, signal }) => {
  const part = (full) => Math.ceil(full * size);
  await loadNotifications(client, part(BILLING.notifications));
  say('notifications');
  await loadKeys(client, part(KEYS.keys));
  say('keys');
  const [{ id: agent }] = await sql(
    `insert into flashfusion.agents (name, type) values ('Bench', 'bench'), ('Other', 'other') returning id`,
  );
  await sql(
    `insert into flashfusion.ai_services (name, provider, model_name)
     select 'Service ' || n, 'provider-' || n % 5, 'model-' || n from generate_series(1, 50) as n`,
  );
  await addUsers(client, MANY, 'free');
  await addTasks(client, { agent, count: part(QUEUE.tasks), users: MANY }, signal);
  say('tasks');
  await sql('set session_replication_role = replica');
  await sql(LOAD_USES, [part(USES)]);
  await sql('set session_replication_role = origin');
  await sql('vacuum analyze flashfusion.usage_analytics, flashfusion.agent_tasks');
};

const NEWEST = 'order by created_at desc, id desc limit 50';
const notifications = (at, name, where) =>
  owned(USERS[at], { name, from: 'flashfusion.notifications', where, rest: NEWEST });

const INDEX = 'An index gives the newest rows of one user; it becomes a level deeper.';
const FEW = 'A table of a few rows, which does not grow.';
const SAID = {
  'the newest 50 notifications': INDEX,
  'the newest 50 unread ones, one in a hundred is':
    'The index of unread rows gives the newest; at a hundredth of the size the user has ten of them.',
  'the newest 50 unread ones, all are': INDEX,
  'the newest 50 unread ones, of a user with a thousand': INDEX,
  'the keys of a user': INDEX,
  'those that never expire': INDEX,
  'the latest 50 tasks of a user': 'An index gives the newest ones; at a hundredth of the size the user has ten.',
  'the latest 50 uses of a user':
    'An index of each month gives the newest ones; at a hundredth of the size the user has ten.',
  'the profile': 'A look-up of one row.',
  'the agents, as rows': FEW,
  'GET /v1/services': FEW,
  'GET /v1/agents': FEW,
  'the same services, of a user': FEW,
};

const list = () => [
  notifications(0, 'the newest 50 notifications'),
  notifications(0, 'the newest 50 unread ones, one in a hundred is', 'not is_read'),
  notifications(1, 'the newest 50 unread ones, all are', 'is_read = false'),
  notifications(2, 'the newest 50 unread ones, of a user with a thousand', 'is_read is false'),
  owned(USER, { name: 'the keys of a user', from: 'flashfusion.user_api_keys', rest: NEWEST }),
  owned(USER, {
    name: 'those that never expire',
    from: 'flashfusion.user_api_keys',
    where: 'expires_at is null and revoked_at is null',
    rest: '',
  }),
  owned(FIRST, { name: 'the latest 50 tasks of a user', from: 'flashfusion.agent_tasks', rest: NEWEST }),
  owned(FIRST, {
    name: 'the latest 50 uses of a user',
    from: 'flashfusion.usage_analytics',
    rest: 'order by "timestamp" desc, id desc limit 50',
  }),
  owned(FIRST, { name: 'the profile', from: 'flashfusion.users', rest: '', key: 'id' }),
  {
    name: 'the agents, as rows',
    claims: { role: 'anon' },
    query: 'select * from flashfusion.agents order by type, id',
    bare: 'select * from flashfusion.agents where is_active order by type, id',
  },
  ...['services', 'agents'].map((what) => ({
    name: `GET /v1/${what}`,
    claims: { role: 'anon' },
    query: `select flashfusion.list_${what}()`,
  })),
  {
    name: 'the same services, of a user',
    claims: user(FIRST),
    query: 'select * from flashfusion.ai_services order by provider, model_name',
    bare: 'select * from flashfusion.ai_services where is_active order by provider, model_name',
  },
];

export const reads = () => explainedBy(list(), SAID);
