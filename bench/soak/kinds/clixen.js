// clixen: workflows and their chats, by the data API; validation; telemetry.
import { randomUUID } from 'node:crypto';
import { pick, rows, visitor, write } from './tools.js';

/** A project with a workflow and a session of each user. */
export const prepare = async (sql, { users }) => {
  const subs = users.map(({ sub }) => sub);
  const made = await sql(
    `with p as (insert into clixen.projects (user_id, name) select u, 'Soaked' from unnest($1::uuid[]) as u returning id, user_id),
       w as (insert into clixen.mvp_workflows (user_id, project_id, name) select user_id, id, 'Flow' from p returning id, user_id),
       s as (insert into clixen.mvp_chat_sessions (user_id, project_id) select user_id, id from p returning id, user_id)
     select p.user_id as sub, p.id as project, w.id as workflow, s.id as session from p join w using (user_id) join s using (user_id)`,
    [subs],
  );
  const places = Object.fromEntries(made.map(({ sub, ...place }) => [sub, place]));
  return { places };
};

export const stored = {
  projects: 'select id::text from clixen.projects',
  'chat messages': 'select content from clixen.mvp_chat_messages',
  workflows: 'select description from clixen.mvp_workflows',
  telemetry: 'select session_id::text from clixen.telemetry_events',
};

const READS = 'data API: reads';
const WRITES = 'data API: writes';
const WORKFLOW = {
  name: 'Orders',
  nodes: [
    {
      ...{
        id: '3f0c2b6e-6f0b-4b83-9b1e-2f6f5d0e7a11',
        name: 'Webhook',
        type: 'n8n-nodes-base.webhook',
        typeVersion: 2,
      },
      ...{ position: [0, 0], parameters: { path: 'orders', httpMethod: 'POST' } },
      webhookId: 'b0e5c7f4-51a9-4f0d-8e0c-0b7c0c9f2d35',
    },
  ],
  connections: {},
  settings: { executionOrder: 'v1' },
};

export const kinds = ({ clixen: { places }, users, key, listened }) => {
  const someone = () => {
    const user = pick(users);
    return { ...user, ...places[user.sub] };
  };
  const read = (name, share, path, more) => ({
    ...{ name, group: READS, share },
    run: ({ ask }) => {
      const one = someone();
      return ask(rows('clixen', path(one), one.token, more));
    },
  });
  return [
    read('clixen: projects', 8, () => 'projects?select=id,name,color&order=created_at.desc&limit=50'),
    read('clixen: workflows of a project', 5, ({ project }) => `mvp_workflows?project_id=eq.${project}&limit=50`),
    read(
      'clixen: messages of a session',
      6,
      ({ session }) => `mvp_chat_messages?session_id=eq.${session}&order=created_at.desc&limit=50`,
    ),
    read(
      'clixen: a session with its project',
      2,
      ({ session }) => `mvp_chat_sessions?id=eq.${session}&select=*,projects(name)`,
    ),
    read('clixen: HEAD with a count', 1, () => 'projects', { method: 'HEAD', headers: { prefer: 'count=exact' } }),
    {
      name: 'clixen: projects of a user who has just come',
      group: READS,
      share: 4,
      run: async ({ ask, newcomer }) => ask(rows('clixen', 'projects?limit=50', await newcomer())),
    },
    {
      name: 'clixen: a project',
      group: WRITES,
      share: 2,
      run: async ({ ask, acknowledge, changed }) => {
        const { sub, token } = someone();
        const { body } = await ask(write('clixen', 'POST', 'projects', token, { name: randomUUID() }));
        acknowledge('projects', body[0].id);
        if (listened.includes(sub)) changed('clixen.projects', body[0].id);
      },
    },
    {
      name: 'clixen: a project, which is deleted again',
      group: WRITES,
      share: 1,
      run: async ({ ask }) => {
        const { token } = someone();
        const { body } = await ask(write('clixen', 'POST', 'projects', token, { name: randomUUID() }));
        await ask(write('clixen', 'DELETE', `projects?id=eq.${body[0].id}`, token));
      },
    },
    {
      name: 'clixen: a message',
      group: WRITES,
      share: 4,
      run: async ({ ask, acknowledge }) => {
        const { token, session } = someone();
        const content = randomUUID();
        await ask(write('clixen', 'POST', 'mvp_chat_messages', token, { session_id: session, content }));
        acknowledge('chat messages', content);
      },
    },
    {
      name: 'clixen: a workflow, changed',
      group: WRITES,
      share: 2,
      run: async ({ ask, replace }) => {
        const { token, workflow } = someone();
        const description = randomUUID();
        const { body } = await ask(write('clixen', 'PATCH', `mvp_workflows?id=eq.${workflow}`, token, { description }));
        if (body.length === 1) replace('workflows', workflow, description);
      },
    },
    {
      name: 'POST /v1/workflows/validate',
      group: 'public endpoints',
      share: 1,
      run: ({ ask }) =>
        ask({ method: 'POST', path: '/v1/workflows/validate', json: WORKFLOW, headers: { apikey: key, ...visitor() } }),
    },
    {
      name: 'POST /v1/telemetry',
      group: 'public endpoints',
      share: 3,
      run: async ({ ask, acknowledge }) => {
        const session_id = randomUUID();
        const json = [{ event_type: 'chat_opened', event_category: 'engagement', session_id }];
        await ask({ method: 'POST', path: '/v1/telemetry', token: someone().token, json });
        acknowledge('telemetry', session_id);
      },
    },
  ];
};
