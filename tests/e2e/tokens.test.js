// Tokens of every kind against the edge and, for each, against PostgREST: two checks that must agree.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { generateKeyPair, importJWK, SignJWT } from 'jose';
import { ask, close, edgeToken, made, stack, userToken } from '../support/stack.js';

after(close);

const encode = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const now = Math.floor(Date.now() / 1000);
const sub = randomUUID();
const claims = { iss: stack.issuer, aud: 'authenticated', role: 'authenticated', sub, iat: now, exp: now + 600 };
const header = { alg: 'ES256', kid: made.issuer.kid, typ: 'JWT' };
const key = await importJWK(made.issuer, 'ES256');
const sign = (payload, head = header, by = key) => new SignJWT(payload).setProtectedHeader(head).sign(by);
const without = (name) => Object.fromEntries(Object.entries(claims).filter(([each]) => each !== name));

const { privateKey: otherKey } = await generateKeyPair('ES256');
const good = await sign(claims);
const [head, body, signature] = good.split('.');
const flipped = Buffer.from(signature, 'base64url');
flipped[10] ^= 1;
const { d: _, ...publicJwk } = made.issuer;
const publicText = JSON.stringify(publicJwk);
const hmac = (text, secret) => `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;

/** name, token, what the edge answers, whether PostgREST agrees (it has no issuer to compare with) */
const CASES = [
  ['good', good, 200],
  ['audience in a list', await sign({ ...claims, aud: ['other', 'authenticated'] }), 200],
  ['expired within the leeway', await sign({ ...claims, exp: now - 15 }), 200],
  ['expired', await sign({ ...claims, exp: now - 60 }), 401],
  ['not yet valid', await sign({ ...claims, nbf: now + 60 }), 401],
  ['issued in the future', await sign({ ...claims, iat: now + 60 }), 401],
  ['another audience', await sign({ ...claims, aud: 'other' }), 401],
  ['no audience', await sign(without('aud')), 401, 'PostgREST lets an absent audience pass'],
  ['no expiry', await sign(without('exp')), 401, 'PostgREST needs no exp'],
  ['another issuer', await sign({ ...claims, iss: 'https://elsewhere.example' }), 401, 'PostgREST knows no issuers'],
  ['no issuer', await sign(without('iss')), 401, 'PostgREST knows no issuers'],
  ['no subject', await sign(without('sub')), 401, 'PostgREST needs no sub'],
  ['role edge from an issuer', await sign({ ...claims, role: 'edge' }), 401, 'PostgREST takes any role it may become'],
  ['role postgres', await sign({ ...claims, role: 'postgres' }), 401, 'answered 403 there'],
  ['a stranger’s key under our kid', await sign(claims, header, otherKey), 401],
  ['a stranger’s key without kid', await sign(claims, { alg: 'ES256' }, otherKey), 401],
  ['an unknown kid', await sign(claims, { ...header, kid: 'unknown' }), 401, 'PostgREST then tries every key'],
  ['one bit of the signature flipped', `${head}.${body}.${flipped.toString('base64url')}`, 401],
  ['claims replaced', `${head}.${encode({ ...claims, sub: randomUUID() })}.${signature}`, 401],
  ['no signature', `${head}.${body}.`, 401],
  ['alg none', `${encode({ alg: 'none' })}.${body}.`, 401],
  ['alg None', `${encode({ alg: 'None' })}.${body}.`, 401],
  ['alg none with a signature', `${encode({ alg: 'none' })}.${body}.${signature}`, 401],
  [
    'HS256 with the public key as secret',
    hmac(`${encode({ alg: 'HS256', kid: made.issuer.kid })}.${body}`, publicText),
    401,
  ],
  ['HS256 with an empty secret', hmac(`${encode({ alg: 'HS256' })}.${body}`, ''), 401],
  ['two parts', `${head}.${body}`, 401],
  ['five parts', `${good}.x.y`, 401],
  ['padding', `${good}=`, 401],
  ['no base64', '%%%.%%%.%%%', 401],
  ['crit', await new SignJWT(claims).setProtectedHeader({ ...header, crit: ['b64'], b64: true }).sign(key), 401],
  ['empty', '', 401],
];

for (const [name, token, wanted, differs] of CASES) {
  test(`token: ${name} -> ${wanted}`, async () => {
    const asked = { headers: { authorization: `Bearer ${token}` } };
    const edge = await ask('/rest/v1/projects?limit=0', asked);
    assert.equal(edge.status, wanted, edge.text);
    if (wanted === 401) {
      assert.match(edge.headers.get('www-authenticate'), /^Bearer/);
      assert.match(edge.body.code, /^RG20\d$/);
    }
    const postgrest = await ask('/projects?limit=0', { ...asked, base: stack.postgrest_url });
    if (differs) assert.notEqual(postgrest.status, wanted, 'the noted difference is none any more');
    else assert.equal(postgrest.status, wanted, `PostgREST: ${postgrest.text}`);
  });
}

test('what is not one Bearer token is 401 everywhere a token is looked at', async () => {
  for (const value of [
    'Bearer',
    `bearer${good}`,
    `Basic ${good}`,
    good,
    `Bearer ${good}, Bearer ${good}`,
    `Bearer ${good} x`,
  ]) {
    for (const path of ['/rest/v1/projects', '/v1/leads']) {
      const method = path === '/v1/leads' ? 'POST' : 'GET';
      const answer = await ask(path, { method, headers: { authorization: value, apikey: made.publishable_key } });
      assert.deepEqual([answer.status, answer.body.code], [401, 'RG201'], value.slice(0, 20));
    }
  }
});

test('an Authorization with a character that no header has is refused, not overlooked', async () => {
  const { connect } = await import('node:net');
  const { hostname, port } = new URL(stack.edge_url);
  const status = (value) =>
    new Promise((resolve, reject) => {
      const socket = connect(Number(port), hostname, () => {
        const lines = ['GET /rest/v1/projects HTTP/1.1', `Host: ${hostname}`, `apikey: ${made.publishable_key}`];
        socket.write(
          Buffer.from([...lines, `Authorization: ${value}`, 'Connection: close', '', ''].join('\r\n'), 'latin1'),
        );
      });
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk;
      });
      socket.on('error', reject).on('end', () => resolve(Number(text.split(' ')[1])));
    });
  for (const value of ['Bearer \x7f', '\x7f', 'Bearer \xff\xfe', `Bearer ${good}\x01`]) {
    assert.ok([400, 401].includes(await status(value)), JSON.stringify(value).slice(0, 30));
  }
  assert.equal(await status(`Bearer ${good}`), 200);
});

test('the edge’s own tokens are no key to the edge', async () => {
  for (const role of ['anon', 'edge', 'authenticated', 'service_role']) {
    const answer = await ask('/rest/v1/projects', { token: await edgeToken({ role, sub, iss: stack.issuer }) });
    assert.equal(answer.status, 401, role);
  }
});

test('the local issuer publishes its public key only, and signs what it is asked for', async () => {
  const token = await userToken(sub, { claims: { app_metadata: { role: 'admin' } }, ttl: 5 });
  const payload = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
  assert.deepEqual(
    [payload.sub, payload.role, payload.exp - payload.iat, payload.app_metadata],
    [sub, 'authenticated', 5, { role: 'admin' }],
  );
  const { keys } = await fetch(stack.jwks_url).then((answer) => answer.json());
  assert.deepEqual(keys, [publicJwk]);
  assert.equal(keys[0].d, undefined);
});
