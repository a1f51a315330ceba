// Answers that PostgREST itself does not give, but what stands in its place or in front of it may.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { freePort, waitFor } from '../../../dev/process.js';
import { startEdge } from '../../support/edge.js';
import { withUpstream } from '../../support/fake_upstream.js';
import { ask, close, stack, userToken } from '../../support/stack.js';

after(close);

const redirect = (response) =>
  response.writeHead(301, { location: 'https://inside.example:3000/projects?limit=1000' }).end();

test('a redirect is neither followed nor shown', () =>
  withUpstream(redirect, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url });
    try {
      const answer = await ask('/rest/v1/projects', { base: edge.url, token: await userToken() });
      assert.deepEqual([answer.status, answer.body.code], [502, 'RG403']);
      assert.ok(!JSON.stringify([...answer.headers]).includes('inside.example'));
      await edge.logged(({ event, status }) => event === 'upstream_failed' && status === 301);
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

/** Answers as a standby that is behind. With x-read-preference: replica it says what it has. */
const behind =
  (seen) =>
  (response, { method, headers }) => {
    const preference = headers['x-read-preference'];
    seen.push(`${method} ${preference ?? ''}`.trim());
    if (preference === 'replica')
      return response.writeHead(200, { 'content-type': 'application/json' }).end('[{"name":"old"}]');
    const body = JSON.stringify({ code: 'RG578', message: 'This copy of the database is behind' });
    response.writeHead(421, { 'content-type': 'application/json' }).end(method === 'HEAD' ? undefined : body);
  };
const withEdge = async (variables, body) => {
  const edge = await startEdge(variables);
  try {
    await body(async (options) =>
      ask('/rest/v1/projects?select=name', { base: edge.url, token: await userToken(), ...options }),
    );
  } finally {
    await edge.stop();
  }
};

test('a read of a standby that is behind is answered by the primary', async () => {
  const seen = [];
  await withUpstream(behind(seen), (url) =>
    withEdge({ POSTGREST_URL: stack.postgrest_url, POSTGREST_READ_URL: url }, async (read) => {
      const { status, body } = await read();
      assert.deepEqual([status, body, seen], [200, [], ['GET']]);
      assert.deepEqual([(await read({ method: 'HEAD' })).status, seen], [200, ['GET', 'HEAD']]);
    }),
  );
});

test('only while the primary is away a standby that is behind says what it has', async () => {
  const seen = [];
  await withUpstream(behind(seen), async (replica) => {
    for (const [fails, status, code, last] of [
      [503, 200, undefined, 'GET replica'],
      // It is there: busy, or at a fault.
      [504, 504, 'RG402', 'GET'],
      [500, 502, 'RG403', 'GET'],
    ]) {
      seen.length = 0;
      await withUpstream(
        (response) => response.writeHead(fails).end(),
        (primary) =>
          withEdge({ POSTGREST_URL: primary, POSTGREST_READ_URL: replica }, async (read) => {
            const answer = await read();
            assert.deepEqual([answer.status, answer.body.code, seen.at(-1)], [status, code, last], `${fails}`);
          }),
      );
    }
    seen.length = 0;
    const nobody = `http://127.0.0.1:${await freePort()}`;
    await withEdge({ POSTGREST_URL: nobody, POSTGREST_READ_URL: replica }, async (read) => {
      const { status, body } = await read();
      assert.deepEqual([status, body, seen], [200, [{ name: 'old' }], ['GET', 'GET replica']]);
    });
  });
});

test('a primary’s address that leads to a standby is an outage, and nothing that a client could mend', () =>
  withUpstream(behind([]), (url) =>
    withEdge({ POSTGREST_URL: url }, async (read) => {
      for (const options of [{}, { json: { name: 'x' } }]) {
        const { status, body, headers } = await read(options);
        assert.deepEqual([status, body.code, headers.get('retry-after') !== null], [503, 'RG401', true]);
      }
    }),
  ));

test('a failure that is not PostgREST’s is never reported as the client’s mistake', () => {
  const broken = (response) => response.writeHead(500, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
  return withUpstream(broken, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url });
    try {
      const token = await userToken();
      for (const type of ['text/csv', 'application/x-www-form-urlencoded', 'application/json']) {
        for (const method of ['POST', 'GET']) {
          const body = method === 'POST' ? 'name=x' : undefined;
          const headers = { 'content-type': type };
          const answer = await ask('/rest/v1/projects', { base: edge.url, token, method, body, headers });
          assert.deepEqual([answer.status, answer.body.code], [502, 'RG403'], `${method} ${type}`);
        }
      }
      const failed = await edge.logged(({ event, status }) => event === 'upstream_failed' && status === 500, 6);
      assert.equal(failed.length, 6);
    } finally {
      await edge.stop();
    }
  });
});

test('while the limit is reached, requests get Retry-After and health does not; then it serves on', () => {
  const held = [];
  const slow = (response, request) => {
    response.setHeader('content-type', 'application/json');
    if (request.url === '/rpc/ready') response.end('{"database":"ok"}');
    else held.push(response);
  };
  return withUpstream(slow, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url, LIMITS: JSON.stringify({ waiting: 3 }) });
    try {
      const token = await userToken();
      const read = () => ask('/rest/v1/projects', { base: edge.url, token });
      const first = Array.from({ length: 3 }, read);
      await waitFor('three to be upstream', () => held.length === 3);
      const more = [await read(), await ask('/v1/entries', { base: edge.url, json: { email: 'a@example.org' } })];
      more.push(await ask('/rest/v1/projects', { base: edge.url, token, json: { name: 'x' } }));
      for (const { status, body, headers } of more) {
        assert.deepEqual([status, body.code, headers.get('retry-after')], [503, 'RG404', '1']);
      }
      assert.equal((await ask('/readyz', { base: edge.url })).status, 200);
      for (const response of held) response.end('[]');
      for (const answer of await Promise.all(first)) assert.equal(answer.status, 200);
      held.length = 0;
      const again = read();
      await waitFor('it to be upstream', () => held.length === 1);
      held[0].end('[]');
      assert.equal((await again).status, 200);
    } finally {
      await edge.stop();
    }
  });
});
