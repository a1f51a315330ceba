// The calls of clixen's endpoints, for npm run bench -- scale.
import { BY_KEY } from '../scale/lists.js';
import { personCalls } from '../scale/person.js';

/** One of the many users, and their workflow of a number: each has twenty. */
const caller = { sub: (n) => `md5('user ' || ${n})::uuid` };
const workflow = (n) => `md5('workflow ' || ${n})::uuid`;

/** Users at once. */
const USERS = 100;
/** What a deployment has deployed, which an earlier version needs to be deployed again. */
const COPIES = `insert into private.deployment_runs (deployment_id, workflow_id, workflow, workflow_version, lease_until)
  select d.id, w.id, w.n8n_workflow_json, w.version, now() - interval '1 minute' from clixen.deployments as d inner join clixen.mvp_workflows as w on w.id = d.workflow_id`;
const waiting = (n) => `md5('waiting deployment ' || ${n})::uuid`;
const leased = (n) => `md5('leased deployment ' || ${n})::uuid`;
const lease = (n) => `md5('lease ' || ${n})::uuid`;
/** A workflow of the same user that has an id in n8n: two of each eight have one. */
const called = (n) => workflow(`${n} * 20 + 12 + 4 * (${n} % 2)`);
/** Of each user a deployment that waits for the edge, and one that the edge carries out. */
const OPEN = [
  [waiting, 7, 'pending', 'null::uuid', "now() - interval '1 second'"],
  [leased, 8, 'deploying', lease('n'), "now() + interval '1 day'"],
].flatMap(([id, at, status, held, until]) => [
  `insert into clixen.deployments (id, user_id, workflow_id, deployment_version, status)
   select ${id('n')}, ${caller.sub('n')}, ${workflow(`n * 20 + ${at}`)}, 10, '${status}' from generate_series(0, ${USERS - 1}) as n`,
  `insert into private.deployment_runs (deployment_id, workflow_id, workflow, workflow_version, lease, lease_until)
   select ${id('n')}, w.id, w.n8n_workflow_json, w.version, ${held}, ${until}
   from generate_series(0, ${USERS - 1}) as n inner join clixen.mvp_workflows as w on w.id = ${workflow(`n * 20 + ${at}`)}`,
]);

export const load = async ({ sql }) => {
  await sql(COPIES);
  await sql('set session_replication_role = replica');
  for (const statement of OPEN) await sql(statement);
  await sql('set session_replication_role = default');
  for (const table of ['clixen.deployments', 'private.deployment_runs']) await sql(`vacuum analyze ${table}`);
};

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
    why: 'The row is found by its key, and its new version costs each index an entry.',
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
  ...personCalls({ email: (n) => `'user' || 1 + ${n} || '@example.org'`, table: 'clixen.mvp_workflows' }),
});

const holder = (n) => `deployment_id => ${leased(n)}, lease => ${lease(n)}`;
const BY_LEASE = 'A deployment and its lease are found by their keys.';

export const steps = () => ({
  'edge.claim_deployment': {
    with: (n) => `deployment_id => ${waiting(n)}`,
    holds: `answer ->> 'lease' is not null`,
    why: 'A deployment and its workflow are found by their keys.',
  },
  'edge.deployment_workflow': {
    with: (n) => `${holder(n)}, before => false`,
    holds: 'answer is not null',
    why: BY_LEASE,
  },
  'edge.own_workflows': {
    with: (n) => `${holder(n)}, named => array[left(md5(${called(n)}::text), 16)]`,
    holds: `answer -> 'named' <> '{}'`,
    why: 'The user’s workflows are found by their index: five of them are in n8n.',
  },
  'edge.called_workflow': {
    with: (n) => `${holder(n)}, n8n_workflow_id => left(md5(${called(n)}::text), 16)`,
    holds: `answer ->> 'name' is not null`,
    why: 'The user’s workflow is found by its id in n8n, and its copies by their index.',
  },
  'edge.note_deployment': {
    with: (n) => `${holder(n)}, n8n_workflow_id => left(md5('new ' || ${n}), 16)`,
    holds: `answer = 'true'`,
    why: BY_LEASE,
  },
  'edge.finish_deployment': {
    with: (n) =>
      `${holder(n)}, outcome => '{"status": "deployed", "n8n_workflow_id": "abcdefgh12345678", "deployment_url": "https://example.org/x"}'`,
    holds: `answer ->> 'status' = 'deployed'`,
    why: 'The same, and the workflow’s copies are found by their index.',
  },
  'edge.unfinished_deployments': {
    with: 'most => 10',
    holds: `jsonb_array_length(answer -> 'deployments') = 10`,
    why: 'An index has the open deployments, the oldest first; it is a job, which one caller runs.',
  },
  'edge.claim_removal': 'One row by its key, once for each deleted workflow.',
  'edge.removed_from_n8n': 'One row by its key, once for each deleted workflow.',
});
