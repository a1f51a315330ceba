// Rewrapping moves keys, environments and credentials to the newest key, and workers open them before and afterwards.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after as afterAll, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { forgetForeignSeals } from '../../support/sealed_rows.js';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { addKey } from '../support/sealed.js';

let old;
let both;
before(async () => {
  old = await startEdge();
  both = await startEdge({ KEK_2: randomBytes(32).toString('base64url') });
});
afterAll(async () => {
  await old.stop();
  await both.stop();
  await forgetForeignSeals(sql);
  await close();
});

test('what was sealed under KEK_1 is under KEK_2 afterwards, and opens', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const { key, answer } = await addKey({ token }, {}, old.url);
  const [{ id: integration }] = await sql(
    `insert into flashfusion.integrations (user_id, integration_type, integration_name) values ($1, 'github', 'Mine') returning id`,
    [sub],
  );
  const path = `/v1/integrations/${integration}/credentials`;
  const credentials = { token: 'a secret' };
  await ask(path, {
    base: old.url,
    method: 'PUT',
    token,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ credentials }),
  });
  const endpoints = ['POST /v1/keys/{id}/use', 'POST /v1/integrations/{id}/credentials/use'];
  const json = { name: 'a worker', endpoints, access: 'write' };
  const worker = (await ask('/v1/tokens', { base: both.url, token, json })).body.token;
  const opened = async (base) => [
    (await ask(`/v1/keys/${answer.body.id}/use`, { base, token: worker, json: {} })).body.key,
    (await ask(`${path}/use`, { base, token: worker, json: {} })).body.credentials,
  ];
  assert.deepEqual(await opened(both.url), [key, credentials]);
  const versions = async () =>
    (
      await sql(
        `select key_version::int as version from private.api_key_secrets where user_id = $1
         union all select key_version::int from private.integration_credentials where user_id = $1`,
        [sub],
      )
    ).map(({ version }) => version);
  assert.deepEqual(await versions(), [1, 1]);
  let after = null;
  do {
    const done = await ask('/v1/admin/keys/rewrap', { base: both.url, token: stack.service_key, json: { after } });
    assert.equal(done.status, 200, done.text);
    ({ after } = done.body);
  } while (after);
  assert.deepEqual(await versions(), [2, 2]);
  assert.deepEqual(await opened(both.url), [key, credentials]);
});
