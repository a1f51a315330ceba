// The hot reads of clixen, for npm run bench -- scale. What the measured user has stays as it is; everybody else grows with the size.
import { embedded, explainedBy, owned, ownedWith, selected } from '../scale/lists.js';
import { load as loadRows, project, SESSION, USER } from './load.js';

/** The least that load.js can make, which is what the measured user has; and the rows of all together at full size. */
const LEAST = { workflows: 10_000, messages: 110_000 };
const FULL = { workflows: 1_000_000, messages: 1_000_000 };

export const load = ({ sql, size, say, signal }) => {
  const sizes = Object.entries(FULL).map(([name, full]) => [
    name,
    LEAST[name] + Math.ceil((full - LEAST[name]) * size),
  ]);
  return loadRows(sql, { ...Object.fromEntries(sizes), say, signal });
};

const MESSAGES = 'clixen.mvp_chat_messages';
const page = ({ at, id }) => ({
  name: 'a page of 50 in its middle, by key',
  from: MESSAGES,
  where: `session_id = ${SESSION} and created_at >= '${at}' and (created_at > '${at}' or id > '${id}')`,
  rest: 'order by created_at, id limit 50',
});

const withEmbedded = (name, query) => ownedWith(USER, name, query);
const WORKFLOW = `md5('workflow of one 4')::uuid`;
const PROJECTS_WITH_WORKFLOWS = (own) =>
  selected({
    columns: 'p.id, p.name, e.list as workflows',
    from: `clixen.projects as p ${embedded({
      from: 'clixen.mvp_workflows as w',
      columns: 'w.id, w.name, w.status',
      on: `w.project_id = p.id and ${own('w')}`,
      rest: 'order by w.updated_at desc, w.id desc limit 5',
    })}`,
    conditions: [own('p')],
    rest: 'order by p.last_activity_at desc, p.id desc limit 20',
  });
const WORKFLOW_WITH_DEPLOYMENTS = (own) =>
  selected({
    columns: 'w.*, p.name as project, e.list as deployments',
    from: `clixen.mvp_workflows as w left join clixen.projects as p on p.id = w.project_id and ${own('p')} ${embedded({
      from: 'clixen.deployments as d',
      columns: 'd.id, d.status, d.deployment_version',
      on: `d.workflow_id = w.id and ${own('d')}`,
      rest: 'order by d.deployment_version desc',
    })}`,
    conditions: [`w.id = ${WORKFLOW}`, own('w')],
  });

const OWN = 'The user has as many rows at any size, and an index begins with the user, the project or the chat.';
const SAID = {
  'the dashboard': 'All of the user’s 10,000 workflows are counted, whatever others have.',
  'the summaries of 100 projects': 'Each project’s workflows and chats are counted by their indexes.',
  'the profile': OWN,
  'the latest 20 projects': OWN,
  'the workflows of a project': OWN,
  'the second page of them, with their number': OWN,
  'a workflow': OWN,
  'a workflow with its project and its deployments': OWN,
  'the latest 20 projects, each with 5 workflows':
    'An index gives the newest workflows of each project. At a hundredth of the size half of all workflows are this user’s: the planner takes those of a project for few, reads all hundred and sorts them.',
  'failed workflows': OWN,
  'workflows that are being deployed': OWN,
  'the chats of a project': OWN,
  'the latest 20 open chats of a user': OWN,
  'the first 50 of a chat’s 10,000 messages': OWN,
  'its last 50 messages': OWN,
  'the deployments of a workflow': OWN,
  'the latest 50 events of a user': OWN,
  'a page of 50 in its middle, by key': OWN,
};

const list = () => [
  ...[
    { name: 'the dashboard', from: 'clixen.mvp_user_dashboard_stats', rest: '' },
    {
      name: 'the summaries of 100 projects',
      from: 'clixen.mvp_project_summary',
      rest: 'order by last_activity_at desc, id desc',
    },
    { name: 'the profile', from: 'clixen.user_profiles', rest: '', key: 'id' },
    {
      name: 'the latest 20 projects',
      from: 'clixen.projects',
      rest: 'order by last_activity_at desc, id desc limit 20',
    },
    {
      name: 'the workflows of a project',
      from: 'clixen.mvp_workflows',
      columns: 'id, name, status, deployment_status, updated_at',
      where: `project_id = ${project(7)}`,
      rest: 'order by updated_at desc, id desc limit 20',
    },
    {
      name: 'the second page of them, with their number',
      from: 'clixen.mvp_workflows',
      columns: 'id, name, status, deployment_status, updated_at',
      where: `project_id = ${project(7)}`,
      rest: 'order by updated_at desc, id desc limit 20 offset 20',
      counted: true,
    },
    { name: 'a workflow', from: 'clixen.mvp_workflows', where: `id = ${WORKFLOW}` },
    {
      name: 'failed workflows',
      from: 'clixen.mvp_workflows',
      columns: 'id, name, status',
      where: `status = 'failed'`,
      rest: 'order by created_at desc, id desc limit 20',
    },
    {
      name: 'workflows that are being deployed',
      from: 'clixen.mvp_workflows',
      columns: 'id, name',
      where: `deployment_status in ('deploying', 'updating')`,
      rest: '',
    },
    {
      name: 'the chats of a project',
      from: 'clixen.mvp_chat_sessions',
      where: `project_id = ${project(7)}`,
      rest: 'order by last_message_at desc, id desc limit 20',
    },
    {
      name: 'the latest 20 open chats of a user',
      from: 'clixen.mvp_chat_sessions',
      where: `status = 'active'`,
      rest: 'order by last_message_at desc limit 20',
    },
    {
      name: 'the first 50 of a chat’s 10,000 messages',
      from: MESSAGES,
      where: `session_id = ${SESSION}`,
      rest: 'order by created_at, id limit 50',
    },
    {
      name: 'its last 50 messages',
      from: MESSAGES,
      where: `session_id = ${SESSION}`,
      rest: 'order by created_at desc, id desc limit 50',
    },
    {
      name: 'the deployments of a workflow',
      from: 'clixen.deployments',
      where: `workflow_id = ${WORKFLOW}`,
      rest: 'order by deployment_version desc limit 20',
    },
    {
      name: 'the latest 50 events of a user',
      from: 'clixen.telemetry_events',
      rest: 'order by created_at desc, id desc limit 50',
    },
  ].map((read) => owned(USER, read)),
  withEmbedded('a workflow with its project and its deployments', WORKFLOW_WITH_DEPLOYMENTS),
  withEmbedded('the latest 20 projects, each with 5 workflows', PROJECTS_WITH_WORKFLOWS),
  {
    ...owned(USER, page({})),
    place: `select created_at::text as at, id from ${MESSAGES} where session_id = ${SESSION} order by created_at, id offset 5000 limit 1`,
    query: (row) => owned(USER, page(row)).query,
    bare: (row) => owned(USER, page(row)).bare,
  },
];

export const reads = () => explainedBy(list(), SAID);
