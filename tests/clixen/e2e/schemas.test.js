// The examples of clixen's manifest get answers that fit their schemas.
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { startEdge } from '../../support/edge.js';
import { examplesOf, sendExamples } from '../../support/schemas.js';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { startN8n } from '../support/n8n.js';

const clixen = systems().find(({ name }) => name === 'clixen');
const validate = clixen.endpoints.find(({ path }) => path === '/v1/workflows/validate');
const [flow] = examplesOf(validate.request);

let n8n;
let edge;
before(async () => {
  n8n = await startN8n();
  edge = await startEdge({ N8N_URL: n8n.url, N8N_API_KEY: n8n.key });
});
after(async () => {
  await edge?.stop();
  await n8n?.stop();
  await close();
});

const here = (path, options) => ask(path, { base: edge.url, ...options });

/** A workflow, and its user's token. */
const workflow = async () => {
  const user = randomUUID();
  const [{ id }] = await sql(
    `with project as (insert into clixen.projects (user_id, name) values ($1, 'Examples') returning id)
     insert into clixen.mvp_workflows (user_id, project_id, name, n8n_workflow_json)
     select $1, project.id, $2, $3 from project returning id`,
    [user, flow.name, flow],
  );
  return { id, token: await userToken(user) };
};
const deploy = async () => {
  const { id, token } = await workflow();
  return { path: `/v1/workflows/${id}/deploy`, token };
};
/** A workflow that was deployed, changed and deployed again. */
const rollback = async () => {
  const { id, token } = await workflow();
  const path = `/v1/workflows/${id}`;
  await here(`${path}/deploy`, { method: 'POST', token });
  await sql(
    `update clixen.mvp_workflows set n8n_workflow_json = jsonb_set(n8n_workflow_json, '{nodes,0,notes}', '"changed"') where id = $1`,
    [id],
  );
  await here(`${path}/deploy`, { method: 'POST', token });
  return { path: `${path}/rollback`, token };
};
const user = async () => ({ token: await userToken() });

test('each example gets an answer that fits its schema', () =>
  sendExamples(clixen, here, {
    'POST /v1/workflows/validate': user,
    'POST /v1/workflows/{id}/deploy': deploy,
    'POST /v1/workflows/{id}/rollback': rollback,
    'POST /v1/telemetry': user,
    'POST /v1/jobs/finish_deployments': async () => ({ token: stack.service_key }),
  }));
