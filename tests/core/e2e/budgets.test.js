// Budgets through the edge: simultaneous requests pass a limit no more often than there is room.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { after, test } from 'node:test';
import { close, sql, stack } from '../../support/stack.js';

after(close);

const RUNS = 10;
const REQUESTS = 200;
const CONNECTIONS = 10;
/** The rule of the scope sample.calls. */
const ROOM = 37;

const { hostname, port } = new URL(stack.edge_url);

const spend = (agent, body) =>
  new Promise((resolve, reject) => {
    const sent = request(
      {
        hostname,
        port,
        agent,
        method: 'POST',
        path: '/v1/spend',
        headers: {
          authorization: `Bearer ${stack.service_key}`,
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
        },
      },
      (answer) => {
        let text = '';
        answer.on('data', (chunk) => {
          text += chunk;
        });
        answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: JSON.parse(text) }));
        answer.on('error', reject);
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });

test('200 requests at once over ten connections: as many pass as there is room for, in each of ten runs', async () => {
  for (let run = 0; run < RUNS; run += 1) {
    const owner = randomUUID();
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    const body = JSON.stringify({ owner, amount: 1 });
    const answers = await Promise.all(Array.from({ length: REQUESTS }, () => spend(agent, body)));
    agent.destroy();
    const passed = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status !== 200);
    assert.equal(passed.length, ROOM, `run ${run}`);
    assert.equal(new Set(passed.map((answer) => answer.body.reservation)).size, ROOM);
    for (const answer of refused) {
      assert.deepEqual([answer.status, answer.body.code], [429, 'RG574']);
      const wait = Number(answer.headers['retry-after']);
      assert.ok(wait > 0 && wait <= 86_400, `${wait}`);
      const fields = ['ratelimit-policy', 'ratelimit', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'];
      assert.deepEqual(
        fields.map((name) => answer.headers[name]),
        [`"sample.calls";q=${ROOM};qu="calls";w=86400`, `"sample.calls";r=0;t=${wait}`, `${ROOM}`, '0', `${wait}`],
      );
    }
    const [kept] = await sql(
      `select b.used::int, b.reserved::int, count(r.id)::int as reservations from private.budgets as b
      join private.reservations as r using (scope, owner) where b.owner = $1 group by b.used, b.reserved`,
      [owner],
    );
    assert.deepEqual(kept, { used: 0, reserved: ROOM, reservations: ROOM });
  }
});

test('a budget without a period is used up until somebody raises it: nothing says to try again', async () => {
  const owner = randomUUID();
  await sql(
    `insert into private.budgets (scope, owner, period, period_start, limit_micro)
    values ('sample.calls', $1, 'total', '-infinity', 5)`,
    [owner],
  );
  const agent = new Agent();
  try {
    const refused = await spend(agent, JSON.stringify({ owner, amount: 6 }));
    assert.deepEqual([refused.status, refused.body.code, refused.headers['retry-after']], [429, 'RG574', undefined]);
    assert.deepEqual(
      [refused.headers.ratelimit, refused.headers['ratelimit-reset']],
      ['"sample.calls";r=5', undefined],
    );
  } finally {
    agent.destroy();
  }
});

test('a page of an allowed origin may read the fields of rate limits', async () => {
  const answer = await fetch(`${stack.edge_url}/v1/spend`, { headers: { origin: 'http://localhost:3000' } });
  const readable = answer.headers.get('access-control-expose-headers').split(/, */);
  for (const name of ['ratelimit', 'ratelimit-policy', 'ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset']) {
    assert.ok(readable.includes(name), name);
  }
});
