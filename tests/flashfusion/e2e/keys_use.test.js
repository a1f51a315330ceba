// POST /v1/keys/{id}/use: who gets a key, with which token, and that the answer stays nowhere.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { addKey, openaiKey } from '../support/sealed.js';
import { claim, clear, enqueue, makeAgent } from '../support/tasks.js';

const USE = 'POST /v1/keys/{id}/use';
const ENVIRONMENT = 'POST /v1/deployments/{id}/environment/use';
const CREDENTIALS = 'POST /v1/integrations/{id}/credentials/use';

let edge;
before(async () => {
  edge = await startEdge();
});
after(async () => {
  await edge.stop();
  await clear();
  await close();
});

const user = async () => {
  const sub = randomUUID();
  return { sub, token: await userToken(sub) };
};
/** An API token, made with another token. */
const apiToken = async (token, scope) => {
  const json = { name: 'a worker', systems: [], endpoints: [USE], access: 'write', ...scope };
  const answer = await ask('/v1/tokens', { base: edge.url, token, json });
  assert.equal(answer.status, 201, answer.text);
  return answer.body;
};
const use = (path, token, json = {}) => ask(path, { base: edge.url, token, json });
const useKey = (id, token, json) => use(`/v1/keys/${id}/use`, token, json);

test('a worker gets the key; each use is counted, and the answer is stored nowhere', async () => {
  const who = await user();
  const { key, answer } = await addKey(who, { alias: 'Main' }, edge.url);
  const { id } = answer.body;
  for (const [n, owner] of [who.token, stack.service_key].entries()) {
    const { token } = await apiToken(owner);
    const found = await useKey(id, token);
    assert.equal(found.status, 200, found.text);
    assert.deepEqual(
      [found.body.key, found.body.id, found.body.key_alias, found.body.usage_count],
      [key, id, 'Main', n + 1],
    );
    assert.match(found.headers.get('cache-control'), /no-store/);
    // Under an Idempotency-Key, too, nothing is kept.
    const headers = { 'idempotency-key': randomUUID() };
    await ask(`/v1/keys/${id}/use`, { base: edge.url, token, headers, json: {} });
    await sql('update flashfusion.user_api_keys set usage_count = $2 where id = $1', [id, n + 1]);
  }
  const tables = await sql(
    `select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where c.relkind = 'r' and n.nspname !~ '^(pg_|information_schema)'`,
  );
  for (const { name } of tables)
    assert.deepEqual(
      await sql(`select 1 from ${name} as t where t::text like '%' || $1 || '%' limit 1`, [key]),
      [],
      name,
    );
  assert.ok(!JSON.stringify(edge.log()).includes(key));
});

test('no other token gets one', async () => {
  const [who, stranger] = [await user(), await user()];
  const { key, answer } = await addKey(who, {}, edge.url);
  const { id } = answer.body;
  const tokens = {
    'the owner’s session': [who.token, 403],
    service_role: [stack.service_key, 403],
    'a token of the system': [(await apiToken(who.token, { systems: ['flashfusion'], endpoints: [] })).token, 403],
    'a token of another endpoint': [(await apiToken(who.token, { endpoints: [ENVIRONMENT] })).token, 403],
    'a stranger’s token': [(await apiToken(stranger.token)).token, 404],
    'a token that reads': [(await apiToken(who.token, { access: 'read' })).token, 403],
    'the anon key': [undefined, 401],
  };
  for (const [label, [token, status]] of Object.entries(tokens)) {
    const answer_ = await ask(`/v1/keys/${id}/use`, {
      base: edge.url,
      json: {},
      ...(token ? { token } : { key: made.publishable_key }),
    });
    assert.equal(answer_.status, status, `${label}: ${answer_.text}`);
    assert.ok(!answer_.text.includes(key));
  }
  const [row] = await sql(
    'select usage_count::int as uses, last_used_at from flashfusion.user_api_keys where id = $1',
    [id],
  );
  assert.deepEqual(row, { uses: 0, last_used_at: null });
});

test('a revoked token, a revoked key and a scope end it', async () => {
  const who = await user();
  const { answer } = await addKey(who, { alias: 'one' }, edge.url);
  const { id, token } = await apiToken(who.token);
  assert.equal((await useKey(answer.body.id, token)).status, 200);
  const revoked = await ask(`/v1/tokens/${id}`, { base: edge.url, method: 'DELETE', token: who.token });
  assert.ok(revoked.status < 300, revoked.text);
  assert.equal((await useKey(answer.body.id, token)).status, 401);

  const { token: other } = await apiToken(who.token);
  await ask(`/v1/keys/${answer.body.id}`, { base: edge.url, method: 'DELETE', token: who.token });
  assert.equal((await useKey(answer.body.id, other)).body.code, 'RG604');

  const [{ id: project }] = await sql(
    `insert into flashfusion.projects (user_id, name) values ($1, 'Mine') returning id`,
    [who.sub],
  );
  const { key, answer: limited } = await addKey(who, { alias: 'limited', projects: [project] }, edge.url);
  assert.equal(limited.status, 201, limited.text);
  assert.equal((await useKey(limited.body.id, other)).body.code, 'RG609');
  const word = await useKey(limited.body.id, other, { project_id: project });
  assert.equal(word.body.code, 'RG609', 'a word is no proof');
  const agent = await makeAgent();
  await enqueue(who.sub, agent, { project_id: project });
  const [{ id: task_id, lease_token }] = await claim(agent);
  const wrong = await useKey(limited.body.id, other, { task_id, lease_token: randomUUID() });
  assert.deepEqual([wrong.status, wrong.body.code], [409, 'RG611']);
  assert.equal((await useKey(limited.body.id, other, { task_id, lease_token })).body.key, key);
});

test('old and new open until the new one is confirmed', async () => {
  const who = await user();
  const { key, answer } = await addKey(who, { alias: 'Main' }, edge.url);
  const { token } = await apiToken(who.token);
  const next = openaiKey();
  const rotated = await ask(`/v1/keys/${answer.body.id}/rotate`, {
    base: edge.url,
    token: who.token,
    json: { key: next },
  });
  assert.equal((await useKey(answer.body.id, token)).body.key, key);
  assert.equal((await useKey(rotated.body.id, token)).body.key, next);
  await ask(`/v1/keys/${rotated.body.id}/confirm`, { base: edge.url, method: 'POST', token: who.token });
  assert.equal((await useKey(answer.body.id, token)).body.code, 'RG604');
  assert.equal((await useKey(rotated.body.id, token)).body.key, next);
});

test('a sealed text that was moved to another row opens nothing', async () => {
  const [who, other] = [await user(), await user()];
  const [mine, theirs] = [await addKey(who, {}, edge.url), await addKey(other, {}, edge.url)];
  await sql(
    `update private.api_key_secrets as s set sealed = o.sealed, key_version = o.key_version
     from private.api_key_secrets as o where s.key_id = $1 and o.key_id = $2`,
    [mine.answer.body.id, theirs.answer.body.id],
  );
  const { token } = await apiToken(who.token);
  const answer = await useKey(mine.answer.body.id, token);
  assert.deepEqual([answer.status, answer.body.code], [500, 'RG902']);
  assert.ok(!answer.text.includes(theirs.key));
});

test('environments and credentials open for a worker, as the objects that were sent', async () => {
  const who = await user();
  const [{ id: project }] = await sql(
    `insert into flashfusion.projects (user_id, name) values ($1, 'Mine') returning id`,
    [who.sub],
  );
  const [{ id: deployment }] = await sql(
    `insert into flashfusion.deployments (user_id, project_id, deployment_target) values ($1, $2, 'vercel') returning id`,
    [who.sub, project],
  );
  const [{ id: integration }] = await sql(
    `insert into flashfusion.integrations (user_id, integration_type, integration_name) values ($1, 'github', 'Mine') returning id`,
    [who.sub],
  );
  const value = { PEM: '-----BEGIN\nä "quoted" \\ \u{1F511}\n-----END', EMPTY: '', N: '1' };
  const { token } = await apiToken(who.token, { endpoints: [ENVIRONMENT, CREDENTIALS] });
  for (const [path, field] of [
    [`/v1/deployments/${deployment}/environment`, 'environment'],
    [`/v1/integrations/${integration}/credentials`, 'credentials'],
  ]) {
    const stored = await ask(path, {
      base: edge.url,
      method: 'PUT',
      token: who.token,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ [field]: value }),
    });
    assert.equal(stored.status, 200, stored.text);
    const opened = await use(`${path}/use`, token);
    assert.deepEqual([opened.status, opened.body[field]], [200, value], opened.text);
    assert.equal((await use(`${path}/use`, who.token)).status, 403);
    assert.equal((await use(`${path}/use`, stack.service_key)).status, 403);
  }
});
