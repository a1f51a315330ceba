// The hot reads of flashfusion, for npm run bench -- scale.
import { createHash } from 'node:crypto';
import { embedded, explainedBy, owned, ownedWith, selected, user } from '../scale/lists.js';
import { SIZES as BILLING, loadNotifications, USERS } from './billing.js';
import { SIZES as KEYS, loadKeys, USER } from './keys.js';
import { addTasks, addUsers, SIZES as QUEUE } from './queue.js';

/** Uses of the services, projects with one generation of code and one subscription each, and the users of whom all these are, in turn. */
const USES = 1_000_000;
const PROJECTS = 100_000;
const MANY = 1000;

/** As PostgreSQL casts an MD5 to a uuid. */
const uuidOf = (text) =>
  createHash('md5')
    .update(text)
    .digest('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
const FIRST = uuidOf('user 0');
const SECOND = uuidOf('user 1');

/** In the partitions of this month and the next ones: it has no rows yet. */
const LOAD_USES = `insert into flashfusion.usage_analytics (user_id, event_type, event_data, api_tokens_used, cost_incurred, "timestamp")
  select md5('user ' || n % ${MANY})::uuid, 'generation', jsonb_build_object('model', 'model-' || n % 7), n % 20011, n % 4001,
    date_trunc('month', now()) + n * interval '27 days' / $1::int
  from generate_series(0, $1::int - 1) as n`;

/** Every tenth project is public. */
const LOAD_PROJECTS = [
  `insert into flashfusion.projects (id, user_id, name, is_public, created_at, last_accessed_at)
   select md5('read project ' || n)::uuid, md5('user ' || n % ${MANY})::uuid, 'Read ' || n, n / ${MANY} % 10 = 0, t.at, t.at
   from generate_series(0, $1::int - 1) as n, lateral (select now() - n * interval '1 minute' as at) as t`,
  `insert into flashfusion.code_generations (project_id, user_id, ai_service_id, prompt, generated_code, status, created_at)
   select md5('read project ' || n % greatest($1::int / 10, ${MANY}))::uuid, md5('user ' || n % ${MANY})::uuid, s.id, 'A form', repeat('some code ', 50),
     'completed', now() - n * interval '1 minute'
   from generate_series(0, $1::int - 1) as n, (select id from flashfusion.ai_services order by model_name limit 1) as s`,
  `insert into flashfusion.billing (user_id, subscription_id, plan_name, status, stripe_customer_id, last_event_at, created_at)
   select md5('user ' || n % ${MANY})::uuid, 'sub_read_' || n, 'Pro', 'canceled', 'cus_read_' || n % ${MANY}, now(), now() - n * interval '1 minute'
   from generate_series(0, $1::int - 1) as n`,
];

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
  for (const statement of LOAD_PROJECTS) await sql(statement, [Math.max(MANY, part(PROJECTS))]);
  await sql('set session_replication_role = origin');
  await sql(
    'vacuum analyze flashfusion.usage_analytics, flashfusion.agent_tasks, flashfusion.projects, flashfusion.code_generations, flashfusion.billing',
  );
};

const NEWEST = 'order by created_at desc, id desc limit 50';
const notifications = (at, name, where) =>
  owned(USERS[at], { name, from: 'flashfusion.notifications', where, rest: NEWEST });

/** A task whose id is known, with its agent. */
const TASK_WITH_AGENT =
  ({ id }) =>
  (own) =>
    selected({
      columns: 't.id, t.status, t.result, row_to_json(a) as agent',
      from: `flashfusion.agent_tasks as t left join lateral (
      select a.name, a.type from flashfusion.agents as a where a.id = t.agent_id and a.is_active) as a on true`,
      conditions: [`t.id = '${id}'`, own('t')],
    });
const PROJECTS_WITH_CODE = (own) =>
  selected({
    columns: 'p.id, p.name, e.list as code_generations',
    from: `flashfusion.projects as p ${embedded({
      from: 'flashfusion.code_generations as c',
      columns: 'c.id, c.status, c.created_at',
      on: `c.project_id = p.id and ${own('c')}`,
      rest: 'order by c.created_at desc limit 3',
    })}`,
    conditions: [own('p')],
    rest: 'order by p.last_accessed_at desc, p.id desc limit 20',
  });
const withEmbedded = (name, query) => ownedWith(FIRST, name, query);

const INDEX = 'An index gives the newest rows of one user; it becomes a level deeper.';
const TEN = 'An index gives the newest ones; at a hundredth of the size the user has a few, at a tenth half a page.';
const FEW = 'A table of a few rows, which does not grow.';
const SAID = {
  'the newest 50 notifications': INDEX,
  'the newest 50 unread ones, one in a hundred is':
    'The index of unread rows gives the newest; at a hundredth of the size the user has ten of them.',
  'the newest 50 unread ones, all are': INDEX,
  'the newest 50 unread ones, of a user with a thousand': INDEX,
  'how many are unread': 'The index of unread rows has them: the user has read all but one in a hundred.',
  'the keys of a user': INDEX,
  'those that never expire': INDEX,
  'the latest 50 tasks of a user': 'An index gives the newest ones; at a hundredth of the size the user has ten.',
  'the failed tasks of a user: none': {
    why: 'All of the user’s tasks are read: an index of statuses would be written at each change of one.',
    grows: 'The user has one in a thousand of the tasks.',
  },
  'the uses of a user since a day': {
    why: 'An index of each month gives them.',
    grows: 'All of them are read: the user has one in a thousand.',
  },
  'the latest 20 generations of code of a project': TEN,
  'the latest 50 uses of a user':
    'An index of each month gives the newest ones; at a hundredth of the size the user has ten.',
  'a task with its agent': 'A look-up of two rows.',
  'the latest 20 projects of a user, with their number': TEN,
  'the latest 20 projects of a user, each with 3 generations of code': {
    why: 'An index gives the newest projects, and another one the generations of each.',
    grows: 'At a hundredth of the size the user has one project, at a tenth half a page.',
    times: 20,
  },
  'the latest 20 public projects': 'An index of public projects gives the newest ones.',
  'the latest 20 generations of code of a user': TEN,
  'the deployments of a user, the latest 20': TEN,
  'the integrations of a user, the latest 20': TEN,
  'the subscription of a user': 'An index gives the newest one.',
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
  owned(USERS[0], {
    name: 'how many are unread',
    from: 'flashfusion.notifications',
    where: 'not is_read',
    columns: 'count(*)',
  }),
  owned(USER, { name: 'the keys of a user', from: 'flashfusion.user_api_keys', rest: NEWEST }),
  owned(USER, {
    name: 'those that never expire',
    from: 'flashfusion.user_api_keys',
    where: 'expires_at is null and revoked_at is null',
    rest: '',
  }),
  owned(FIRST, { name: 'the latest 50 tasks of a user', from: 'flashfusion.agent_tasks', rest: NEWEST }),
  {
    ...owned(FIRST, {
      name: 'the failed tasks of a user: none',
      from: 'flashfusion.agent_tasks',
      where: `status = 'failed'`,
      rest: NEWEST,
    }),
    empty: true,
  },
  owned(FIRST, {
    name: 'the uses of a user since a day',
    from: 'flashfusion.usage_analytics',
    where: `"timestamp" >= date_trunc('month', now()) + interval '20 days'`,
    rest: 'order by "timestamp"',
  }),
  owned(FIRST, {
    name: 'the latest 20 generations of code of a project',
    from: 'flashfusion.code_generations',
    where: `project_id = md5('read project 0')::uuid`,
    rest: 'order by created_at desc limit 20',
  }),
  owned(FIRST, {
    name: 'the latest 50 uses of a user',
    from: 'flashfusion.usage_analytics',
    rest: 'order by "timestamp" desc, id desc limit 50',
  }),
  {
    ...withEmbedded('a task with its agent', TASK_WITH_AGENT({})),
    place: 'select id from flashfusion.agent_tasks order by created_at, id limit 1',
    query: (row) => withEmbedded('', TASK_WITH_AGENT(row)).query,
    bare: (row) => withEmbedded('', TASK_WITH_AGENT(row)).bare,
  },
  owned(FIRST, {
    name: 'the latest 20 projects of a user, with their number',
    from: 'flashfusion.projects',
    rest: 'order by last_accessed_at desc, id desc limit 20',
    counted: true,
  }),
  withEmbedded('the latest 20 projects of a user, each with 3 generations of code', PROJECTS_WITH_CODE),
  {
    name: 'the latest 20 public projects',
    claims: { role: 'anon' },
    query: 'select * from flashfusion.public_projects order by created_at desc, id desc limit 20',
    bare: `select p.id, p.name, p.description, p.project_type, p.framework, p.template, p.deployment_url, p.created_at, u.username as owner
      from flashfusion.projects as p left join flashfusion.users as u on u.id = p.user_id
      where p.is_public and u.is_active is distinct from false order by p.created_at desc, p.id desc limit 20`,
  },
  owned(FIRST, {
    name: 'the latest 20 generations of code of a user',
    from: 'flashfusion.code_generations',
    rest: 'order by created_at desc, id desc limit 20',
  }),
  // Of endpoints.js.
  ...['deployments', 'integrations'].map((table) =>
    owned(SECOND, {
      name: `the ${table} of a user, the latest 20`,
      from: `flashfusion.${table}`,
      rest: 'order by created_at desc, id desc limit 20',
    }),
  ),
  owned(FIRST, {
    name: 'the subscription of a user',
    from: 'flashfusion.billing',
    rest: 'order by created_at desc limit 1',
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
