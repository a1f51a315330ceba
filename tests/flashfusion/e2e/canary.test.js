// A key that was put in is found afterwards nowhere: in no table, no file of PostgreSQL's, no log and no answer; and what a dump
// has opens nothing.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { dataFilesWith } from '../../support/data_files.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, edgeToken, made, sql, stack, userToken } from '../../support/stack.js';
import { unseal } from '../../support/unseal.js';
import { startProvider } from '../support/providers.js';
import { KEY_COLUMN, sealedKey } from '../support/sealed.js';

/** Begins every secret of this file. */
const CANARY = `canary${randomBytes(12).toString('hex')}`;
const canaryKey = () => `sk-proj-${CANARY}${randomBytes(30).toString('hex')}`.slice(0, 120);

const answers = [];
let provider;
let edge;
let lonely;
before(async () => {
  provider = await startProvider('openai');
  edge = await startEdge({ OPENAI_URL: provider.url });
  // Its database is away.
  lonely = await startEdge({ POSTGREST_URL: 'http://127.0.0.1:9' });
});
after(async () => {
  await edge.stop();
  await lonely.stop();
  await provider.stop();
  await close();
});

/** Sends, and keeps the answer with its headers. */
const send = async (path, options) => {
  const answer = await ask(path, { base: edge.url, ...options });
  answers.push(`${answer.text}\n${[...answer.headers].flat().join('\n')}`);
  return answer;
};

/** Requests that carry a key, those that succeed and those that fail. */
const useEverything = async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const headers = { 'idempotency-key': randomUUID() };
  const key = canaryKey();
  const json = { service: 'openai', alias: 'canary', key, verify: true };
  const first = await send('/v1/keys', { token, headers, json });
  assert.equal(first.status, 201, first.text);
  await send('/v1/keys', { token, headers, json });
  await send('/v1/keys', { token, json });
  await send('/v1/keys', { token, headers, json: { ...json, alias: 'other' } });
  for (const wrong of [
    { ...json, service: 'groq' },
    { ...json, service: 'none' },
    { ...json, key: `${key} ${key}` },
    { ...json, key: [key] },
    { ...json, more: key },
    { ...json, key: key.padEnd(5000, 'A') },
    { ...json, expires_at: 'never', key: canaryKey() },
    [json],
  ])
    await send('/v1/keys', { token, json: wrong });
  const type = (value) => ({ 'content-type': value });
  const text = JSON.stringify(json);
  for (const [headers_, body] of [
    [type('application/json'), text.slice(0, -4)],
    [type('application/json'), text.replace('"key"', '"key":"","key"')],
    [type('application/json'), `${text}${key}`],
    [type('text/plain'), text],
    [type('application/x-www-form-urlencoded'), `service=openai&key=${key}`],
    [{ ...type('application/json'), 'content-encoding': 'gzip' }, text],
  ])
    await send('/v1/keys', { token, method: 'POST', headers: headers_, body });
  await send('/v1/keys', { json });
  await send('/v1/keys', { token: 'no.good.token', json });
  await send('/v1/keys', { base: lonely.url, token, json });
  await send(`/v1/keys/${first.body.id}`, { token, json });

  for (const mode of ['right', 'broken', 'redirects']) {
    provider.mode = mode;
    await send(`/v1/keys/${first.body.id}/verify`, { token, method: 'POST' });
  }
  provider.mode = 'right';
  const next = canaryKey();
  const rotated = await send(`/v1/keys/${first.body.id}/rotate`, { token, json: { key: next } });
  assert.equal(rotated.status, 201, rotated.text);
  await send(`/v1/keys/${rotated.body.id}/confirm`, { token, method: 'POST' });
  for (const path of ['user_api_keys?select=*', 'user_api_keys?select=sealed', 'api_key_secrets', 'notifications'])
    await send(`/rest/v1/${path}`, { token });

  const [{ id: project }] = await sql(
    `insert into flashfusion.projects (user_id, name) values ($1, 'canary') returning id`,
    [sub],
  );
  const [{ id: deployment }] = await sql(
    `insert into flashfusion.deployments (user_id, project_id, deployment_target) values ($1, $2, 'test') returning id`,
    [sub, project],
  );
  const put = (path, body) =>
    send(path, { token, method: 'PUT', headers: type('application/json'), body: JSON.stringify(body) });
  const environment = { A_SECRET: `${CANARY} with spaces\nand lines`, ANOTHER: canaryKey() };
  const stored = await put(`/v1/deployments/${deployment}/environment`, { environment });
  assert.equal(stored.status, 200, stored.text);
  await put(`/v1/deployments/${randomUUID()}/environment`, { environment });
  await put(`/v1/deployments/${deployment}/environment`, { environment: canaryKey() });
  await put(`/v1/deployments/${deployment}/environment`, { environment, more: CANARY });
  const [{ id: integration }] = await sql(
    `insert into flashfusion.integrations (user_id, integration_type, integration_name) values ($1, 'github', 'canary') returning id`,
    [sub],
  );
  const credentials = { token: canaryKey() };
  assert.equal((await put(`/v1/integrations/${integration}/credentials`, { credentials })).status, 200);
  for (const table of ['deployments', 'integrations']) await send(`/rest/v1/${table}?select=*`, { token });
  return { sub, id: rotated.body.id, key: next, deployment, environment, integration, credentials };
};

let used;
test('a key, an environment and credentials go in, well and wrongly', async () => {
  used = await useEverything();
  assert.ok(
    provider.requests.some(({ headers }) => headers.authorization?.includes(CANARY)),
    'the service was asked',
  );
});

test('no answer has it', () => {
  assert.ok(answers.length > 30);
  for (const answer of answers) assert.ok(!answer.includes(CANARY), answer.slice(0, 300));
});

test('no row of any table has it', async () => {
  const tables = await sql(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'm') and n.nspname !~ '^(pg_|information_schema)'`,
  );
  assert.ok(tables.length > 50);
  for (const { name } of tables) {
    const found = await sql(`select 1 from ${name} as t where t::text like '%' || $1 || '%' limit 1`, [CANARY]);
    assert.deepEqual(found, [], name);
  }
});

test('no file of the system has it: neither tables nor the write-ahead log nor a log', async () => {
  await sql('checkpoint');
  // What is looked for would be found: the name that the row has beside the key, and a word of every log.
  const named = dataFilesWith('A_SECRET');
  for (const folder of ['base', 'pg_wal'])
    assert.ok(
      named.some((path) => path.includes(folder)),
      named.join(),
    );
  assert.ok(dataFilesWith('checkpoint').some((path) => path.endsWith('.log')));
  assert.deepEqual(dataFilesWith(CANARY), []);
  for (const one of [edge, lonely]) assert.ok(!JSON.stringify(one.log()).includes(CANARY));
});

test('what a dump has opens with no key but KEK_1', async () => {
  const place = { ...(await sealedKey(used.id)), column: KEY_COLUMN, row: used.id, owner: used.sub };
  assert.equal(await unseal(made.kek_1, place), used.key);
  const secrets = (await sql('select secret from private.secrets')).map(({ secret }) =>
    secret.subarray(0, 32).toString('base64url'),
  );
  for (const key of [made.edge_signing_key, made.issuer.d, made.fingerprint_key, ...secrets])
    await assert.rejects(unseal(Buffer.from(key, 'base64url').subarray(0, 32).toString('base64url'), place));
  // Nor does the database give it to the holder of the edge's own key.
  const token = await edgeToken({ role: 'edge' });
  const answer = await ask('/rpc/key_to_verify', {
    base: stack.postgrest_url,
    token,
    headers: { 'content-profile': 'edge' },
    json: { key_id: used.id },
  });
  assert.equal(answer.status, 200, answer.text);
  assert.ok(!answer.text.includes(CANARY));
});

test('the environment of a deployment and the credentials of an integration open in their own places only', async () => {
  const [environment] = await sql(
    'select sealed, key_version::int as version from private.deployment_environments where deployment_id = $1',
    [used.deployment],
  );
  const [credentials] = await sql(
    'select sealed, key_version::int as version from private.integration_credentials where integration_id = $1',
    [used.integration],
  );
  const places = [
    { ...environment, column: 'flashfusion.deployments.environment_variables', row: used.deployment, owner: used.sub },
    { ...credentials, column: 'flashfusion.integrations.credentials', row: used.integration, owner: used.sub },
  ];
  const opened = await Promise.all(places.map((place) => unseal(made.kek_1, place)));
  assert.deepEqual(opened.map(JSON.parse), [used.environment, used.credentials]);
  for (const [one, other] of [places, [...places].reverse()])
    for (const moved of [
      { column: other.column },
      { row: other.row },
      { owner: randomUUID() },
      { version: 2 },
      { sealed: other.sealed },
    ])
      await assert.rejects(unseal(made.kek_1, { ...one, ...moved }), JSON.stringify(moved));
  const [row] = await sql('select environment_variables from flashfusion.deployments where id = $1', [used.deployment]);
  assert.deepEqual(row.environment_variables.sort(), ['ANOTHER', 'A_SECRET']);
});
