// Keys through the edge: what is sent to POST /v1/keys is found nowhere afterwards, and opens nowhere but in its own place.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, made, userToken } from '../../support/stack.js';
import { unseal } from '../../support/unseal.js';
import { startProvider } from '../support/providers.js';
import { addKey, KEY_COLUMN, openaiKey, sealedKey } from '../support/sealed.js';

const KEK_2 = randomBytes(32).toString('base64url');
const NAMES = ['openai', 'anthropic', 'google', 'groq', 'mistral'];

const providers = {};
let edge;
let newer;
before(async () => {
  for (const name of NAMES) providers[name] = await startProvider(name);
  edge = await startEdge({
    OPENAI_URL: providers.openai.url,
    ANTHROPIC_URL: providers.anthropic.url,
    GOOGLE_AI_URL: providers.google.url,
    GROQ_URL: providers.groq.url,
    MISTRAL_URL: providers.mistral.url,
  });
  newer = await startEdge({ KEK_2 });
});
after(async () => {
  await edge.stop();
  await newer.stop();
  for (const provider of Object.values(providers)) await provider.stop();
  await close();
});

const user = async (sub = randomUUID()) => ({ sub, token: await userToken(sub) });
const add = (who, more, base = edge.url) => addKey(who, more, base);
const act = (who, method, path, json, headers = {}) =>
  ask(`/v1/keys/${path}`, {
    base: edge.url,
    method,
    token: who.token,
    headers: { ...headers, ...(json && { 'content-type': 'application/json' }) },
    ...(json && { body: JSON.stringify(json) }),
  });
const listed = async (who, query = 'select=*') =>
  (await ask(`/rest/v1/user_api_keys?${query}`, { base: edge.url, token: who.token })).body;

test('a key is stored sealed, and answered with its last four characters', async () => {
  const who = await user();
  const { key, answer } = await add(who, { alias: 'Main', expires_at: '2027-10-31T00:00:00Z' });
  assert.equal(answer.status, 201, answer.text);
  const { body } = answer;
  assert.deepEqual(
    [body.service_name, body.key_alias, body.status, body.last_four, body.key_prefix, body.warning],
    ['openai', 'Main', 'active', key.slice(-4), key.slice(0, 8), null],
  );
  assert.match(answer.headers.get('cache-control'), /no-store/);
  const row = await sealedKey(body.id);
  assert.equal(await unseal(made.kek_1, { ...row, column: KEY_COLUMN, row: body.id, owner: who.sub }), key);
  const { warning, verification, ...columns } = body;
  assert.deepEqual(await listed(who), [columns]);
});

test('what is sealed opens in its own row, for its own owner, column and version, and nowhere else', async () => {
  const people = [await user(), await user()];
  const places = [];
  for (const who of people)
    for (const [base, kek] of [
      [edge.url, made.kek_1],
      [newer.url, KEK_2],
    ])
      for (let n = 0; n < 2; n += 1) {
        const { key, answer } = await add(who, { alias: randomUUID() }, base);
        places.push({
          key,
          kek,
          row: answer.body.id,
          owner: who.sub,
          column: KEY_COLUMN,
          ...(await sealedKey(answer.body.id)),
        });
      }
  let refused = 0;
  const columns = [KEY_COLUMN, 'flashfusion.deployments.environment_variables', 'flashfusion.integrations.credentials'];
  for (const of_ of places)
    for (const to of places)
      for (const column of columns)
        for (const version of [1, 2])
          for (const kek of [made.kek_1, KEK_2]) {
            const place = { sealed: of_.sealed, row: to.row, owner: to.owner, column, version };
            const own = of_ === to && column === KEY_COLUMN && version === of_.version && kek === of_.kek;
            if (own) assert.equal(await unseal(kek, place), of_.key);
            else {
              await assert.rejects(unseal(kek, place), JSON.stringify(place));
              refused += 1;
            }
          }
  assert.equal(refused, 8 * 8 * 3 * 2 * 2 - 8);
  // Nor are the parts of two of them one: wrapped keys and ciphertexts do not mix.
  const [one, other] = places.map(({ sealed }) => sealed.split('.'));
  for (const mixed of [
    [...one.slice(0, 3), ...other.slice(3)],
    [...other.slice(0, 3), ...one.slice(3)],
  ])
    await assert.rejects(unseal(places[0].kek, { ...places[0], sealed: mixed.join('.') }));
});

test('bad input is refused without repeating the key, and stores nothing', async () => {
  const who = await user();
  const key = openaiKey();
  for (const [json, status, code] of [
    [{ service: 'no-such-service', key }, 422, 'RG600'],
    [{ service: 'anthropic', key }, 422, 'RG327'],
    [{ service: 'openai', key: '' }, 422, 'RG316'],
    [{ service: 'openai', key: 'short' }, 422, 'RG316'],
    [{ service: 'openai', key: null }, 422, 'RG316'],
    [{ service: 'openai' }, 422, 'RG316'],
    [{ service: 'openai', key: `${key} ${key}` }, 422, 'RG316'],
    [{ service: 'openai', key: `${key}é` }, 422, 'RG316'],
    [{ service: 'openai', key: key.repeat(200) }, 413, 'RG302'],
    [{ service: 'openai', key: key.padEnd(4097, 'A') }, 422, 'RG316'],
    [{ service: 'openai', key: { key } }, 422, 'RG316'],
    [{ service: 'openai', key, api_key: key }, 422, 'RG316'],
    [{ service: 'openai', key, expires_at: '2020-01-01T00:00:00Z' }, 422, 'RG606'],
    [{ service: 'openai', key, expires_at: key }, 422, 'RG606'],
    [{ service: 'openai', key, alias: 'a'.repeat(101) }, 422, 'RG606'],
    [{ service: 'openai', key, projects: [randomUUID()] }, 422, 'RG606'],
    [{ service: 'openai', key, projects: 'all' }, 400, '22P02'],
    [{ service: 'openai', key, verify: 'perhaps' }, 400, 'RG325'],
    [{ key }, 400, 'RG325'],
    [[key], 400, 'RG301'],
  ]) {
    const answer = await ask('/v1/keys', { base: edge.url, token: who.token, json });
    assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(json).slice(0, 100));
    assert.ok(!answer.text.includes(key), answer.text);
  }
  assert.deepEqual(await listed(who), []);
});

test('a form that providers do not use is a warning', async () => {
  const who = await user();
  const odd = await add(who, { key: `sk-proj-${'a'.repeat(20)}`, alias: 'short' });
  assert.deepEqual([odd.answer.status, typeof odd.answer.body.warning], [201, 'string'], odd.answer.text);
  const unknown = await add(who, { service: 'mistral', key: randomBytes(16).toString('hex') });
  assert.deepEqual([unknown.answer.status, unknown.answer.body.warning], [201, null]);
});

test('a key that is stored already is 409, and a stranger’s own copy is not', async () => {
  const [who, other] = [await user(), await user()];
  const { key } = await add(who, { alias: 'one' });
  const again = await add(who, { key, alias: 'two' });
  assert.deepEqual([again.answer.status, again.answer.body.code], [409, 'RG601']);
  assert.ok(!again.answer.text.includes(who.sub));
  const theirs = await add(other, { key, alias: 'one' });
  assert.equal(theirs.answer.status, 201);
  const [mine] = await listed(who);
  assert.notEqual(theirs.answer.body.fingerprint, mine.fingerprint);
});

test('a repeated request stores one key, and another one under its Idempotency-Key is 422', async () => {
  const who = await user();
  const headers = { 'idempotency-key': randomUUID() };
  const key = openaiKey();
  const send = (json) => ask('/v1/keys', { base: edge.url, token: who.token, headers, json });
  const answers = await Promise.all(Array.from({ length: 3 }, () => send({ service: 'openai', key })));
  assert.deepEqual(
    answers.map(({ status }) => status),
    [201, 201, 201],
  );
  assert.equal(new Set(answers.map(({ body }) => body.id)).size, 1);
  assert.equal((await send({ service: 'openai', key: openaiKey() })).body.code, 'RG503');
  assert.equal((await listed(who)).length, 1);
});

test('a rotation overlaps until it is confirmed; a revocation destroys what is sealed', async () => {
  const who = await user();
  const { answer: first } = await add(who, { alias: 'Main' });
  const next = openaiKey();
  const rotated = await act(who, 'POST', `${first.body.id}/rotate`, { key: next });
  assert.equal(rotated.status, 201, rotated.text);
  assert.deepEqual([rotated.body.status, rotated.body.rotated_from], ['pending', first.body.id]);
  assert.ok((await sealedKey(first.body.id)) && (await sealedKey(rotated.body.id)));
  assert.equal((await act(who, 'POST', `${first.body.id}/confirm`)).body.code, 'RG603');
  const confirmed = await act(who, 'POST', `${rotated.body.id}/confirm`);
  assert.deepEqual([confirmed.status, confirmed.body.status], [200, 'active'], confirmed.text);
  assert.equal(await sealedKey(first.body.id), undefined);
  const place = { ...(await sealedKey(rotated.body.id)), column: KEY_COLUMN, row: rotated.body.id, owner: who.sub };
  assert.equal(await unseal(made.kek_1, place), next);

  const stranger = await user();
  const absent = await act(stranger, 'DELETE', randomUUID());
  const foreign = await act(stranger, 'DELETE', rotated.body.id);
  assert.deepEqual([foreign.status, foreign.text], [404, absent.text]);
  for (let n = 0; n < 2; n += 1) assert.equal((await act(who, 'DELETE', rotated.body.id)).status, 204);
  assert.equal(await sealedKey(rotated.body.id), undefined);
  assert.deepEqual(
    (await listed(who)).map(({ status }) => status),
    ['revoked', 'revoked'],
  );
});

/** A key of each service's form. */
const KEYS = {
  openai: openaiKey,
  anthropic: () => `sk-ant-api03-${randomBytes(69).toString('base64url')}AAA`.slice(0, 108),
  google: () => `AIza${randomBytes(27).toString('base64url').slice(0, 35)}`,
  groq: () => `gsk_${randomBytes(26).toString('hex')}`,
  mistral: () => randomBytes(16).toString('hex'),
};

for (const name of NAMES)
  test(`${name}: a verification asks it once, and its word is the key's status`, async () => {
    const who = await user();
    const provider = providers[name];
    const key = KEYS[name]();
    provider.good.add(key);
    provider.requests.length = 0;
    const { answer: good } = await add(who, { service: name, key, alias: 'good', verify: true });
    assert.deepEqual([good.status, good.body.verification, good.body.status], [201, 'valid', 'active'], good.text);
    assert.ok(good.body.verified_at);
    assert.equal(provider.requests.length, 1);
    const [{ method, url }] = provider.requests;
    assert.equal(method, 'GET');
    assert.ok(!url.includes(key), 'no key in an address');

    const { answer: bad } = await add(who, { service: name, key: KEYS[name](), alias: 'bad', verify: true });
    assert.deepEqual([bad.status, bad.body.verification, bad.body.status], [201, 'invalid', 'invalid'], bad.text);
    assert.ok(await sealedKey(bad.body.id), 'it is stored all the same');

    provider.good.delete(key);
    const revoked = await act(who, 'POST', `${good.body.id}/verify`);
    assert.deepEqual([revoked.status, revoked.body.verification, revoked.body.status], [200, 'invalid', 'invalid']);
    provider.good.add(key);
    const again = await act(who, 'POST', `${good.body.id}/verify`);
    assert.deepEqual([again.body.verification, again.body.status], ['valid', 'active']);
  });

test('a service that is slow, broken, limited or redirects says nothing about the key', async () => {
  const who = await user();
  const { answer } = await add(who, { alias: 'one' });
  for (const mode of ['slow', 'broken', 'limits', 'redirects']) {
    providers.openai.mode = mode;
    try {
      const found = await act(who, 'POST', `${answer.body.id}/verify`);
      assert.deepEqual([found.status, found.body.verification, found.body.status], [200, 'unknown', 'active'], mode);
    } finally {
      providers.openai.mode = 'right';
    }
  }
  providers.openai.mode = 'forbids';
  try {
    assert.equal((await act(who, 'POST', `${answer.body.id}/verify`)).body.verification, 'invalid');
  } finally {
    providers.openai.mode = 'right';
  }
});

test('where no service is configured, nothing is asked', async () => {
  const who = await user();
  const { answer } = await add(who, { verify: true }, newer.url);
  assert.deepEqual([answer.status, answer.body.verification, answer.body.status], [201, 'unavailable', 'active']);
  const { answer: other } = await add(who, { service: 'cohere', key: 'a1'.repeat(20), verify: true });
  assert.equal(other.body.verification, 'unavailable');
  assert.equal(
    (await act(await user(), 'POST', `${answer.body.id}/verify`)).body.code,
    'RG602',
    'nor for somebody else',
  );
});

test('without KEK_1 or FINGERPRINT_KEY the endpoint names the variable', async () => {
  const who = await user();
  for (const variable of ['KEK_1', 'FINGERPRINT_KEY']) {
    const without = await startEdge({ [variable]: '' });
    try {
      const { answer } = await add(who, {}, without.url);
      assert.deepEqual(
        [answer.status, answer.body.code, answer.body.details],
        [501, 'RG903', `${variable} is not set`],
      );
      // What needs none of them works.
      assert.equal((await ask('/rest/v1/user_api_keys', { base: without.url, token: who.token })).status, 200);
    } finally {
      await without.stop();
    }
  }
});

test('nobody but a user stores a key', async () => {
  const json = { service: 'openai', key: openaiKey() };
  const anon = await ask('/v1/keys', { base: edge.url, key: made.publishable_key, json });
  assert.equal(anon.status, 401, anon.text);
  assert.equal((await ask('/v1/keys', { base: edge.url, json })).status, 401);
});

test('twenty a minute', async () => {
  const who = await user();
  const statuses = [];
  for (let n = 0; n < 21; n += 1) statuses.push((await add(who, { alias: `n ${n}` })).answer.status);
  assert.deepEqual(statuses, [...Array(20).fill(201), 429]);
});

test('keys that never expire can be listed through the data API', async () => {
  const who = await user();
  const { answer } = await add(who, { alias: 'forever' });
  await add(who, { alias: 'for a time', expires_at: '2027-10-31T00:00:00Z' });
  const found = await listed(who, 'select=id&expires_at=is.null&revoked_at=is.null');
  assert.deepEqual(found, [{ id: answer.body.id }]);
});
