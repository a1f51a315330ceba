// Answers that PostgREST itself does not give, but what stands in its place or in front of it may.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, test } from 'node:test';
import { startEdge } from '../support/edge.js';
import { ask, close, stack, userToken } from '../support/stack.js';

after(close);

/** Runs the body with an upstream that answers everything alike. */
const withUpstream = async (answer, body) => {
  const server = createServer((_, response) => answer(response));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
};

const redirect = (response) =>
  response.writeHead(301, { location: 'https://inside.example:3000/projects?limit=1000' }).end();

test('a redirect is neither followed nor told', () =>
  withUpstream(redirect, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url });
    try {
      const answer = await ask('/rest/v1/projects', { base: edge.url, token: await userToken() });
      assert.deepEqual([answer.status, answer.body.code], [502, 'RG403']);
      assert.ok(!JSON.stringify([...answer.headers]).includes('inside.example'));
      assert.ok(edge.log().some(({ event, status }) => event === 'upstream_failed' && status === 301));
    } finally {
      await edge.stop();
    }
  }));

test('a read that a standby cancels is answered by the primary', () => {
  const conflict = { code: '40001', message: 'canceling statement due to conflict with recovery' };
  const cancel = (response) =>
    response.writeHead(500, { 'content-type': 'application/json' }).end(JSON.stringify(conflict));
  return withUpstream(cancel, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: stack.postgrest_url, POSTGREST_READ_URL: url });
    try {
      const answer = await ask('/rest/v1/projects', { base: edge.url, token: await userToken() });
      assert.deepEqual([answer.status, answer.body], [200, []]);
    } finally {
      await edge.stop();
    }
  });
});
