// flashfusion: tasks from their request to their result, sealed keys, notifications, Stripe's events.
import { randomBytes, randomUUID } from 'node:crypto';
import { event, idOf, seconds, signature, subscription } from '../../../tests/flashfusion/support/stripe.js';
import { pick, rows, visitor, write } from './tools.js';

/** Users of the largest tier, agents, and notifications. */
export const prepare = async (sql, { users, service, ask }) => {
  const subs = users.map(({ sub }) => sub);
  await sql(
    `insert into flashfusion.users (id, subscription_tier) select u, 'enterprise' from unnest($1::uuid[]) as u`,
    [subs],
  );
  const agents = await sql(
    `insert into flashfusion.agents (name, type) select 'Agent ' || n, 'tester' from generate_series(1, 5) as n returning id`,
  );
  const notifications = await sql(
    `insert into flashfusion.notifications (user_id, title, message)
     select u, 'Title ' || n, 'What has happened' from unnest($1::uuid[]) as u, generate_series(1, 20) as n returning id, user_id as sub`,
    [subs],
  );
  const first = Object.fromEntries(notifications.map(({ id, sub }) => [sub, id]));
  const json = { name: 'soak', endpoints: ['POST /v1/keys/{id}/use'], access: 'write' };
  const { body } = await ask({ method: 'POST', path: '/v1/tokens', token: service, json });
  return { agents: agents.map(({ id }) => id), notifications: first, worker: body.token };
};

export const stored = {
  tasks: 'select id::text from flashfusion.agent_tasks',
  'completed tasks': `select id::text from flashfusion.agent_tasks where status = 'completed'`,
  'revoked keys': `select id::text from flashfusion.user_api_keys where status = 'revoked'`,
  'events of Stripe': 'select event_id from private.billing_events',
};

const READS = 'data API: reads';
const WRITES = 'data API: writes';
const QUEUE = 'task queue';

export const kinds = ({ flashfusion: { agents, notifications, worker: opener }, users, service, stripe, key }) => {
  const read = (name, share, path) => ({
    ...{ name, group: READS, share },
    run: ({ ask }) => ask(rows('flashfusion', path, pick(users).token)),
  });
  return [
    read('flashfusion: tasks', 4, 'agent_tasks?select=id,status,result&order=created_at.desc&limit=50'),
    read('flashfusion: notifications', 4, 'notifications?is_read=is.false&order=created_at.desc&limit=50'),
    {
      name: 'flashfusion: public projects, anonymous',
      group: READS,
      share: 3,
      run: ({ ask }) =>
        ask(
          rows('flashfusion', 'public_projects?order=created_at.desc,id.desc&limit=20', undefined, {
            headers: { apikey: key, ...visitor() },
          }),
        ),
    },
    {
      name: 'GET /v1/services, /v1/agents',
      group: READS,
      share: 1,
      run: async ({ ask }) => {
        await ask({ path: '/v1/services', headers: visitor() });
        await ask({ path: '/v1/agents', headers: visitor() });
      },
    },
    {
      name: 'flashfusion: a notification, marked',
      group: WRITES,
      share: 1,
      run: async ({ ask }) => {
        const { sub, token } = pick(users);
        const path = `notifications?id=eq.${notifications[sub]}`;
        await ask(write('flashfusion', 'PATCH', path, token, { is_read: pick([true, false]) }));
      },
    },
    {
      name: 'POST /v1/tasks',
      group: QUEUE,
      share: 4,
      run: async ({ ask, acknowledge }) => {
        const json = {
          agent_id: pick(agents),
          task_type: 'test',
          task_data: { text: 'seven' },
          priority: pick([1, 2, 3]),
        };
        const headers = { 'idempotency-key': randomUUID() };
        const { body } = await ask({ method: 'POST', path: '/v1/tasks', token: pick(users).token, json, headers });
        acknowledge('tasks', body.id);
      },
    },
    {
      name: 'tasks claimed, kept and completed',
      group: QUEUE,
      share: 2,
      run: async ({ ask, acknowledge }) => {
        const worker = (path, json) => ask({ method: 'POST', path: `/v1/workers/${path}`, token: service, json });
        const { body } = await worker('claim', {
          worker: `worker ${pick([1, 2, 3])}`,
          quantity: 10,
          lease_seconds: 60,
        });
        const [first, ...others] = body.tasks.map(({ id, lease_token }) => ({ id, lease_token }));
        if (!first) return;
        await worker('heartbeat', { ...first, lease_seconds: 60 });
        await worker('complete', { ...first, result: { letters: 5 } });
        acknowledge('completed tasks', first.id);
        if (others.length === 0) return;
        const done = await worker('complete-batch', {
          tasks: others.map((task) => ({ ...task, result: { letters: 5 } })),
        });
        const completed = done.body.tasks.filter(({ status }) => status === 'completed');
        acknowledge('completed tasks', ...completed.map(({ id }) => id));
      },
    },
    {
      name: 'a key: sealed, opened by a worker, revoked',
      group: 'sealed keys',
      share: 0.7,
      run: async ({ ask, acknowledge }) => {
        const { token } = pick(users);
        const json = { service: 'openai', alias: randomUUID(), key: `sk-proj-${randomBytes(60).toString('hex')}` };
        const { body } = await ask({ method: 'POST', path: '/v1/keys', token, json });
        await ask({ method: 'POST', path: `/v1/keys/${body.id}/use`, token: opener, json: {} });
        await ask({ method: 'DELETE', path: `/v1/keys/${body.id}`, token });
        acknowledge('revoked keys', body.id);
      },
    },
    {
      name: 'POST /v1/billing/webhook',
      group: 'public endpoints',
      share: 0.7,
      run: async ({ ask, acknowledge }) => {
        const made = event('customer.subscription.updated', subscription({ customer: idOf('cus') }), {
          created: seconds(),
        });
        const body = JSON.stringify(made);
        const headers = { 'content-type': 'application/json', 'stripe-signature': signature(body, stripe) };
        await ask({ method: 'POST', path: '/v1/billing/webhook', body, headers });
        acknowledge('events of Stripe', made.id);
      },
    },
  ];
};
