// The issuer's keys: fetched once for everybody, and whether or not the client that needed them first waits for them.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jwks } from '../../dev/issuer.js';
import { startEdge, variables } from '../support/edge.js';
import { ask, close, made, userToken } from '../support/stack.js';

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
