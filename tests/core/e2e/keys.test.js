// The issuer's keys: fetched once for everybody, and whether or not the client that needed them first waits for them.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jwks } from '../../../dev/issuer.js';
import { startEdge, variables } from '../../support/edge.js';
import { ask, close, made, userToken } from '../../support/stack.js';
import { compact, makeKey, publicJwk } from '../support/issuers.js';
import { honest, startKeyServer } from '../support/key_server.js';

after(close);

const SLOWNESS_MS = 1500;

/** An edge whose issuer takes its time, and how often that was asked. */
const withSlowIssuer = async (body) => {
  let asked = 0;
  const server = createServer(async (_, response) => {
    asked += 1;
    await sleep(SLOWNESS_MS);
    response.end(JSON.stringify(jwks(made)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const [issuer] = JSON.parse(variables().ISSUERS);
  issuer.jwks_url = `http://127.0.0.1:${server.address().port}/jwks`;
  const edge = await startEdge({ ISSUERS: JSON.stringify([issuer]) });
  try {
    await body(edge, () => asked);
  } finally {
    await edge.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
};

test('fifty first requests at once wait for one fetch', () =>
  withSlowIssuer(async (edge, asked) => {
    const tokens = await Promise.all(Array.from({ length: 50 }, () => userToken()));
    const answers = await Promise.all(tokens.map((token) => ask('/rest/v1/projects', { base: edge.url, token })));
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    assert.equal(asked(), 1);
  }));

test('a client that hangs up while keys are fetched costs the others nothing', () =>
  withSlowIssuer(async (edge, asked) => {
    const token = await userToken();
    const { hostname, port } = new URL(edge.url);
    await new Promise((resolve) => {
      const socket = connect(Number(port), hostname, async () => {
        const lines = ['GET /rest/v1/projects HTTP/1.1', `Host: ${hostname}`, `Authorization: Bearer ${token}`];
        socket.write([...lines, '', ''].join('\r\n'));
        await sleep(SLOWNESS_MS / 3);
        socket.resetAndDestroy();
        resolve();
      });
      socket.on('error', () => {});
    });
    assert.equal(asked(), 1, 'it has asked');
    const answer = await ask('/rest/v1/projects', { base: edge.url, token });
    assert.deepEqual([answer.status, asked()], [200, 1], answer.text);
  }));

test('a key set serves as far as it can, and what is left out of it is one line in the log', async () => {
  const server = await startKeyServer();
  const good = makeKey('ES256');
  const [twin, other, stray] = [makeKey('ES256'), makeKey('ES256'), makeKey('ES256')];
  const rsa = makeKey('RS256');
  const offCurve = { ...publicJwk(stray), x: publicJwk(twin).x, kid: 'off-curve' };
  const large = { kty: 'EC', kid: 'x'.repeat(64 * 1024) };
  const sets = {
    mixed: [
      publicJwk(good, { kid: 'good' }),
      publicJwk(twin, { kid: 'twin' }),
      publicJwk(other, { kid: 'twin' }),
      publicJwk(rsa, { kid: 'twin' }),
      { kty: 'oct', kid: 'shared', k: 'c2VjcmV0' },
      offCurve,
    ],
    empty: [],
    large: [publicJwk(good, { kid: 'good' }), large],
  };
  const issuer = (name) => `https://${name}.issuer.test/`;
  const entries = Object.entries(sets).map(([name, keys]) => {
    server.answers[`/${name}`] = honest(keys);
    const jwks_url = `${server.url}/${name}`;
    return { issuer: issuer(name), audience: 'authenticated', roles: ['authenticated'], jwks_url };
  });
  const edge = await startEdge({ ISSUERS: JSON.stringify(entries) });
  try {
    /** Whether the edge takes a token; PostgREST, which has none of these keys, does not. */
    const taken = async (name, kid, key, alg = 'ES256') => {
      const now = Math.floor(Date.now() / 1000);
      const claims = {
        iss: issuer(name),
        aud: 'authenticated',
        role: 'authenticated',
        sub: randomUUID(),
        exp: now + 600,
      };
      const token = compact({ alg, kid }, claims, alg, key);
      const { status, body } = await ask('/rest/v1/projects', { base: edge.url, token });
      return `${status} ${body.code}`;
    };
    const [yes, no, unavailable] = ['401 PGRST301', '401 RG203', '503 RG210'];
    for (let n = 0; n < 3; n += 1) {
      assert.equal(await taken('mixed', 'good', good), yes);
      assert.equal(await taken('mixed', 'twin', rsa, 'RS256'), yes, 'the only one of its name and algorithm');
      assert.equal(await taken('mixed', 'twin', twin), no);
      assert.equal(await taken('mixed', 'twin', other), no);
      assert.equal(await taken('mixed', 'off-curve', stray), no);
      assert.equal(await taken('empty', 'good', good), unavailable);
      assert.equal(await taken('large', 'good', good), unavailable);
    }
    const lines = await edge.logged(({ event }) => event === 'keys_skipped', 3);
    const found = Object.fromEntries(
      lines.map(({ issuer: name, why, usable, skipped }) => [name, [why, usable, skipped]]),
    );
    assert.equal(lines.length, 3);
    assert.deepEqual(found, {
      [issuer('mixed')]: [null, 3, 3],
      [issuer('empty')]: ['it has no usable key', 0, 0],
      [issuer('large')]: ['it has more than 64 KB', 0, 0],
    });
    const refused = await edge.logged(({ event }) => event === 'key_refused');
    assert.deepEqual(
      refused.map(({ kid }) => kid),
      ['off-curve'],
      'once, not for each token',
    );
  } finally {
    await edge.stop();
    await server.close();
  }
});
