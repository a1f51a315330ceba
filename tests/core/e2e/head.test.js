// PostgREST 12 closes a connection after each answer to HEAD, without saying so. No request may be lost for that: neither a write,
// which the edge never sends twice, nor another HEAD.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { withUpstream } from '../../support/fake_upstream.js';
import { ask, close, userToken } from '../../support/stack.js';

after(close);

const PROJECTS = '/rest/v1/projects';
const LOOPS = 8;
const ROUNDS = 100;

/** One loop's requests of each round, one after the other. */
const KINDS = [['HEAD', 'POST'], ['HEAD'], ['POST']];

const requestOf = (method, path) =>
  method === 'HEAD'
    ? [path, { method, headers: { prefer: 'count=exact' } }]
    : [PROJECTS, { json: { name: randomUUID() }, headers: { prefer: 'return=minimal' } }];

/** How often each outcome came. */
const counted = (outcomes) => {
  const counts = {};
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
  return counts;
};

/** Sends requests again and again, each loop as a user of its own. Gives how often each outcome came. */
const outcomes = async (base, path, loops) => {
  const found = [];
  await Promise.all(
    loops.map(async (methods) => {
      const token = await userToken(randomUUID());
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const method of methods) {
          const [address, options] = requestOf(method, path);
          const { status, text } = await ask(address, { base, token, ...options });
          found.push(status < 500 ? `${method} ${status}` : `${method} ${status} ${text}`);
        }
      }
    }),
  );
  return counted(found);
};

/** Loops of one kind alone, and of all kinds at once. */
const MIXES = [[KINDS[0]], Array.from({ length: LOOPS }, (_, at) => KINDS[at % KINDS.length])];

/** All requests of the loops have these outcomes. */
const wanted = (loops, status) => {
  const requests = (method) => loops.filter((methods) => methods.includes(method)).length * ROUNDS;
  return { [`HEAD ${status}`]: requests('HEAD'), 'POST 201': requests('POST') };
};

for (const [what, path, status] of [
  ['answered', `${PROJECTS}?select=id`, 200],
  ['refused', `${PROJECTS}?nothing=eq.1`, 400],
]) {
  test(`after a HEAD that is ${what} other requests arrive, alone and at once`, async () => {
    const edge = await startEdge();
    try {
      for (const loops of MIXES) {
        assert.deepEqual(await outcomes(edge.url, path, loops), wanted(loops, status));
      }
    } finally {
      await edge.stop();
    }
  });
}

/** Answers as PostgREST 12 does, but takes its time to close a connection after HEAD, and loses what comes on it meanwhile. */
const slowToClose = (response, { method, socket }) => {
  if (socket.isClosing) {
    socket.destroy();
    return;
  }
  response.writeHead(method === 'HEAD' ? 200 : 201, { server: 'postgrest/12.0.2' }).end();
  if (method !== 'HEAD') return;
  socket.isClosing = true;
  setTimeout(() => socket.destroy(), 20);
};

test('a connection that takes its time to close loses no request', () =>
  withUpstream(slowToClose, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url });
    try {
      for (const loops of MIXES) {
        assert.deepEqual(await outcomes(edge.url, PROJECTS, loops), wanted(loops, 200));
      }
    } finally {
      await edge.stop();
    }
  }));
