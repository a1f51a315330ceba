// The examples of the endpoints of keys, deployments and integrations get answers that fit their schemas.
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { startEdge } from '../../support/edge.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, sql, userToken } from '../../support/stack.js';
import { startProvider } from '../support/providers.js';
import { addKey } from '../support/sealed.js';

const flashfusion = systems().find(({ name }) => name === 'flashfusion');
const manifest = {
  ...flashfusion,
  endpoints: flashfusion.endpoints.filter(({ path }) => /^\/v1\/(keys|deployments|integrations)\b/.test(path)),
};

let provider;
let edge;
before(async () => {
  provider = await startProvider('openai');
  edge = await startEdge({ OPENAI_URL: provider.url });
});
after(async () => {
  await edge.stop();
  await provider.stop();
  await close();
});

const user = async () => {
  const sub = randomUUID();
  return { sub, token: await userToken(sub) };
};
/** A user with a key. */
const withKey = async () => {
  const who = await user();
  return { ...who, id: (await addKey(who, { alias: 'Main' }, edge.url)).answer.body.id };
};
const ofKey = (verb) => async () => {
  const { id, token } = await withKey();
  return { path: `/v1/keys/${id}${verb}`, token };
};
const deployment = async () => {
  const { sub, token } = await user();
  const [{ id: project }] = await sql(
    `insert into flashfusion.projects (user_id, name) values ($1, 'Examples') returning id`,
    [sub],
  );
  const [{ id }] = await sql(
    `insert into flashfusion.deployments (user_id, project_id, deployment_target) values ($1, $2, 'vercel') returning id`,
    [sub, project],
  );
  return { path: `/v1/deployments/${id}/environment`, token };
};
const integration = async () => {
  const { sub, token } = await user();
  const [{ id }] = await sql(
    `insert into flashfusion.integrations (user_id, integration_type, integration_name) values ($1, 'github', 'Examples') returning id`,
    [sub],
  );
  return { path: `/v1/integrations/${id}/credentials`, token };
};

/** An API token of a user's for one endpoint. */
const worker = async (token, endpoint) => {
  const json = { name: 'examples', endpoints: [endpoint], access: 'write' };
  return (await ask('/v1/tokens', { base: edge.url, token, json })).body.token;
};
const USES = {
  'POST /v1/keys/{id}/use': ofKey('/use'),
  'POST /v1/deployments/{id}/environment/use': deployment,
  'POST /v1/integrations/{id}/credentials/use': integration,
};
/** What a worker needs to use something: a sealed value, and a token. */
const uses = Object.entries(USES).map(([endpoint, prepare]) => [
  endpoint,
  async () => {
    const { path, token } = await prepare();
    if (!path.endsWith('/use'))
      await ask(path, {
        base: edge.url,
        method: 'PUT',
        token,
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ [path.split('/').at(-1)]: { NAME: 'value' } }),
      });
    return { path: path.replace(/(\/use)?$/, '/use'), token: await worker(token, endpoint) };
  },
]);

test('each example gets an answer that fits its schema', () =>
  sendExamples(manifest, (path, options) => ask(path, { base: edge.url, ...options }), {
    'POST /v1/keys': user,
    'POST /v1/keys/{id}/rotate': ofKey('/rotate'),
    'POST /v1/keys/{id}/confirm': async () => {
      const { id, token } = await withKey();
      const json = { key: `sk-proj-${'b'.repeat(60)}` };
      const rotated = await ask(`/v1/keys/${id}/rotate`, { base: edge.url, token, json });
      return { path: `/v1/keys/${rotated.body.id}/confirm`, token };
    },
    'DELETE /v1/keys/{id}': ofKey(''),
    'POST /v1/keys/{id}/verify': ofKey('/verify'),
    'PUT /v1/deployments/{id}/environment': deployment,
    'PUT /v1/integrations/{id}/credentials': integration,
    ...Object.fromEntries(uses),
  }));
