// Tokens of every kind against an edge that trusts issuers of every kind and, for each, against a PostgREST that has all
// their keys: two checks that must agree. The attacks are data, in tests/core/support/attacks/.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { postgrest } from '../../../dev/postgrest.js';
import { freePort } from '../../../dev/process.js';
import { authenticatorUrl } from '../../../dev/stack.js';
import { startEdge } from '../../support/edge.js';
import { drop } from '../../support/fixtures.js';
import { assertHealthy } from '../../support/health_assert.js';
import { rawRequest } from '../../support/raw_http.js';
import { ask, close, edgeToken, made, sql, stack, userToken } from '../../support/stack.js';
import { attacks, oddities, skews } from '../support/attacks/index.js';
import { makeKey, publicJwk, startIssuers } from '../support/issuers.js';
import { honest, startKeyServer } from '../support/key_server.js';

const EDGE_KID = 'edge';

const issuers = await startIssuers();
const attacker = await startKeyServer();
const attackerKey = makeKey('ES256');
const attackerJwk = publicJwk(attackerKey, { kid: 'attacker', alg: 'ES256' });
// A verifier that follows a reference would find the key that fits.
for (const path of ['/jwks', '/x5u']) attacker.answers[path] = honest([attackerJwk]);
issuers.server.answers['/attacker'] = honest([attackerJwk]);

const table = await attacks(issuers, {
  edgeKey: made.edge_signing_key,
  edgeKid: EDGE_KID,
  attacker: { key: attackerKey, jwk: attackerJwk, url: attacker.url },
});

let data;
let upstream;
let edge;

before(async () => {
  await sql(`
    -- Not in SQL: such a function is inlined into the statement that PostgREST prepares, whose plan the next role on the
    -- connection reuses without a look at who may execute the function.
    create function sample_more.token_bearer() returns jsonb language plpgsql stable as $$
      begin
        return jsonb_build_object('role', current_user, 'sub', current_setting('request.jwt.claims', true)::jsonb ->> 'sub');
      end
    $$;
    revoke execute on function sample_more.token_bearer() from public;
    grant execute on function sample_more.token_bearer() to anon, authenticated, service_role`);
  data = mkdtempSync(join(tmpdir(), 'rowgate-tokens-'));
  upstream = postgrest({
    data,
    databaseUrl: await authenticatorUrl(stack.database_url, made.authenticator_password),
    port: await freePort(),
    adminPort: await freePort(),
    jwks: { keys: [...issuers.trusted, { kty: 'oct', kid: EDGE_KID, alg: 'HS256', k: made.edge_signing_key }] },
    logFile: join(data, 'log'),
    say: () => {},
  });
  await upstream.part.start();
  edge = await startEdge({ POSTGREST_URL: upstream.url, ISSUERS: JSON.stringify(issuers.entries) });
});

after(async () => {
  await edge?.stop();
  await upstream?.part.stop();
  await attacker.close();
  await issuers.server.close();
  await drop('drop function if exists sample_more.token_bearer()');
  if (data) rmSync(data, { recursive: true, force: true });
  await close();
});

/**
 * Who the database says the token's bearer is, or how it was refused. Rows that are asked at once may share a user, who may
 * hold few connections: 429 says nothing of the token.
 */
const bearer = async (url, token) => {
  const headers = { authorization: `Bearer ${token}`, 'accept-profile': 'sample_more' };
  const { status, body, headers: answered } = await ask(url, { base: '', headers });
  if (status === 429) {
    await sleep(100);
    return bearer(url, token);
  }
  if (status === 401) assert.match(answered.get('www-authenticate'), /^Bearer/);
  return status === 200 ? { verdict: '200', who: JSON.stringify(body) } : { verdict: `${status} ${body?.code}` };
};

/** What the edge and PostgREST say to a token. */
const judged = async (token) => {
  const [atEdge, atPostgrest] = await Promise.all([
    bearer(`${edge.url}/rest/v1/rpc/token_bearer`, token),
    bearer(`${upstream.url}/rpc/token_bearer`, token),
  ]);
  return { edge: atEdge, postgrest: atPostgrest };
};

/** What is not as the row says. */
const unlike = async ([name, attack, twin, code, [verdict, why] = ['401 PGRST301']]) => {
  const bad = await judged(attack);
  const good = await judged(twin);
  const checks = [
    ['the edge', bad.edge.verdict, `401 ${code}`],
    [`PostgREST (${why ?? 'which agrees'})`, bad.postgrest.verdict, verdict],
    ['the edge, of the twin', good.edge.verdict, '200'],
    ['PostgREST, of the twin', good.postgrest.verdict, '200'],
    ['who the twin is', good.edge.who, good.postgrest.who],
  ];
  return checks
    .filter(([, is, wanted]) => is !== wanted)
    .map(([who, is, wanted]) => `${name}: ${who}: ${is}, not ${wanted}`);
};

/** Asks of so many rows at a time what is not as they say. */
const allUnlike = async (rows, check = unlike, atOnce = 8) => {
  const found = [];
  for (let at = 0; at < rows.length; at += atOnce) {
    found.push(...(await Promise.all(rows.slice(at, at + atOnce).map(check))));
  }
  return found.flat();
};

for (const [aim, rows] of Object.entries(table)) {
  test(`${rows.length} attacks are refused and their good twins are not: ${aim}`, async () => {
    assert.equal(new Set(rows.map(([name]) => name)).size, rows.length, 'a name stands for one case');
    assert.deepEqual(await allUnlike(rows), []);
  });
}

test('what the header refers to was never asked for', () => {
  assert.deepEqual(attacker.asked, {});
  assert.equal(issuers.server.asked['/attacker'], undefined);
});

test('what looks odd and is good passes here and there', async () => {
  const rows = oddities(issuers);
  const check = async ([name, token, [wanted] = ['200']]) => {
    const { edge: here, postgrest: there } = await judged(token);
    const same = here.verdict === wanted && there.verdict === wanted && here.who === there.who;
    return same ? [] : [`${name}: ${JSON.stringify([here, there])}, not ${wanted}`];
  };
  assert.deepEqual(await allUnlike(rows, check), []);
});

test('clocks may differ by 30 seconds, here and there', async () => {
  const second = () => Math.floor(Date.now() / 1000);
  for (const issuer of [issuers.es, issuers.rs, issuers.ed, issuers.hs]) {
    for (let tries = 1; ; tries += 1) {
      // PostgREST's clock may be a second late: only near a second's start does one more or less decide.
      await sleep(1000 - (Date.now() % 1000));
      const began = second();
      const rows = skews(issuer);
      const found = await allUnlike(rows, unlike, rows.length);
      if (second() !== began && tries < 10) continue;
      assert.deepEqual(found, []);
      assert.equal(second(), began, 'this machine is too slow to send them within a second');
      break;
    }
  }
});

test('a token in the query is judged like one in a header', async () => {
  const token = issuers.rs.token({ role: 'service_role', sub: undefined });
  const forged = issuers.rs.token({ role: 'service_role', sub: undefined }, { alg: 'none' });
  const cases = [
    [token, 200, undefined],
    ...['\n', '\r\n', ' ', '\t', '\0', '=', '.', '%0A', '\u00a0', '\ud83d\ude00'].flatMap((more) => [
      [token + more, 401, 'RG202'],
      [more + token, 401, 'RG202'],
    ]),
    [token.replace('.', '\n.'), 401, 'RG202'],
    [forged, 401, 'RG202'],
    [issuers.rs.token(), 401, 'RG208'],
    ['', 401, 'RG208'],
  ];
  for (const [key, status, code] of cases) {
    const path = `/rest/v1/rpc/token_bearer?apikey=${encodeURIComponent(key)}`;
    const answer = await ask(path, { base: edge.url, headers: { 'accept-profile': 'sample_more' } });
    assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(key).slice(-30));
  }
});

test('what is not one Bearer token is 401 everywhere a token is looked at', async () => {
  const good = await userToken();
  for (const value of [
    'Bearer',
    `bearer${good}`,
    `Basic ${good}`,
    good,
    `Bearer ${good}, Bearer ${good}`,
    `Bearer ${good} x`,
  ]) {
    for (const path of ['/rest/v1/projects', '/v1/entries']) {
      const method = path === '/v1/entries' ? 'POST' : 'GET';
      const answer = await ask(path, { method, headers: { authorization: value, apikey: made.publishable_key } });
      assert.deepEqual([answer.status, answer.body.code], [401, 'RG201'], value.slice(0, 20));
    }
  }
});

test('an Authorization with a character that no header has is refused, not overlooked', async () => {
  const good = await userToken();
  const status = async (...values) => {
    const headers = [`apikey: ${made.publishable_key}`, ...values.map((value) => `Authorization: ${value}`)];
    return (await rawRequest(stack.edge_url, 'GET /rest/v1/projects HTTP/1.1', { headers })).status;
  };
  for (const value of ['Bearer \x7f', '\x7f', 'Bearer \xff\xfe', `Bearer ${good}\x01`]) {
    assert.ok([400, 401].includes(await status(value)), JSON.stringify(value).slice(0, 30));
  }
  assert.equal(await status(`Bearer ${good}`, `Bearer ${good}`), 401, 'twice');
  assert.equal(await status(`Bearer ${good}`), 200);
  assert.equal(await status(`bEARER ${good}`), 200, 'the scheme’s name may be written as one likes');
});

test('the edge’s own tokens are no key to the edge', async () => {
  for (const role of ['anon', 'edge', 'authenticated', 'service_role']) {
    const answer = await ask('/rest/v1/projects', {
      token: await edgeToken({ role, sub: randomUUID(), iss: stack.issuer }),
    });
    assert.deepEqual([answer.status, answer.body.code], [401, 'RG203'], role);
  }
});

test('the local issuer publishes its public key only, and signs what it is asked for', async () => {
  const sub = randomUUID();
  const token = await userToken(sub, { claims: { app_metadata: { role: 'admin' } }, ttl: 5 });
  const payload = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  assert.deepEqual(
    [payload.sub, payload.role, payload.exp - payload.iat, payload.app_metadata],
    [sub, 'authenticated', 5, { role: 'admin' }],
  );
  const { keys } = await fetch(stack.jwks_url).then((answer) => answer.json());
  const { d: _, ...publicKey } = made.issuer;
  assert.deepEqual(keys, [publicKey]);
});

test('after all of it the edge has not panicked, and still answers', () => assertHealthy(edge));
