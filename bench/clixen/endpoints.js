// The calls of clixen's endpoints, for npm run bench -- scale.
import { BY_KEY } from '../scale/lists.js';

/** One of the many users, and their workflow of a number: each has twenty. */
const caller = { sub: (n) => `md5('user ' || ${n})::uuid` };
const workflow = (n) => `md5('workflow ' || ${n})::uuid`;

/** What a deployment has deployed, which an earlier version needs to be deployed again. */
export const load = ({ sql }) =>
  sql(
    `insert into private.deployment_runs (deployment_id, workflow_id, workflow, workflow_version)
     select d.id, w.id, w.n8n_workflow_json, w.version from clixen.deployments as d inner join clixen.mvp_workflows as w on w.id = d.workflow_id`,
  );

const EVENTS = JSON.stringify(
  Array.from({ length: 10 }, (_, n) => ({
    event_type: 'chat.sent',
    event_category: 'engagement',
    event_data: { nodes: n, words: 'a few more words' },
  })),
);

export const endpoints = () => ({
  'POST /v1/workflows/validate': 'The edge answers it without the database.',
  'POST /v1/workflows/{id}/deploy': {
    caller,
    with: (n) => `workflow_id => ${workflow(`${n} * 20 + 1`)}`,
    holds: `answer ->> 'status' = 'pending'`,
    why: 'A workflow and its deployments are found by their indexes; a hundred callers share two cores.',
  },
  'POST /v1/workflows/{id}/rollback': {
    // Every second user has a workflow that was deployed and is not being deployed.
    caller: { sub: (n) => `md5('user ' || ${n} * 2)::uuid` },
    with: (n) => `workflow_id => ${workflow(`${n} * 40 + case ${n} when 57 then 5 else 4 end`)}, of_version => 1`,
    holds: `answer ->> 'status' = 'pending'`,
    why: 'The same, and the deployed version is found by its number.',
  },
  'POST /v1/telemetry': {
    caller,
    with: `events => '${EVENTS}'`,
    holds: `(answer ->> 'accepted')::int = 10`,
    why: 'Ten rows are added to the table and its indexes: a deeper index costs one page more for each.',
  },
  'POST /v1/jobs/finish_deployments':
    'Its function only checks the right to it. The work is the job’s, which reads by the index of unfinished deployments.',
});

const ADDED = 'A row is added to the table and its indexes.';

export const writes = () => ({
  'a project is added': {
    caller,
    write: (n) => `insert into clixen.projects (name) values ('New ' || ${n})`,
    why: ADDED,
  },
  'a chat is begun': {
    caller,
    write: (n) =>
      `insert into clixen.mvp_chat_sessions (project_id, title) values (md5('project ' || ${n} * 2)::uuid, 'New')`,
    why: ADDED,
  },
  'a workflow is renamed': {
    caller,
    write: (n) => `update clixen.mvp_workflows set name = 'Renamed' where id = ${workflow(`${n} * 20 + 1`)}`,
    why: BY_KEY,
  },
  'a workflow is deleted': {
    caller,
    write: (n) => `delete from clixen.mvp_workflows where id = ${workflow(`${n} * 20 + 2`)}`,
    why: 'The row is found by its key, and so are those that refer to it.',
  },
});

export const functions = () => ({
  'clixen.create_user_profile': { caller, holds: 'jsonb_array_length(answer) = 1', why: BY_KEY },
  'clixen.get_or_create_default_project': {
    caller,
    holds: 'jsonb_array_length(answer) = 1',
    why: 'An index gives the first project of a user.',
  },
});
