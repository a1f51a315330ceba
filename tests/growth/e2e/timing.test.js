// The time of an answer does not tell whether an e-mail address is known: it is a whole number of steps.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, stack } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';

/** Of src/endpoint.rs, in milliseconds; a step is up to a quarter longer. */
const STEP = 100;
const LONGEST_STEP = 125;

let proxy;
let edge;
before(async () => {
  proxy = await startProxy(new URL(stack.postgrest_url).port);
  edge = await startEdge({ POSTGREST_URL: proxy.url });
});
after(async () => {
  await edge?.stop();
  await proxy?.close();
  await close();
});

let addresses = 0;
/** An answer, and the milliseconds that it took. */
const timed = async (path, json) => {
  addresses += 1;
  const headers = { accept: 'application/json', 'cf-connecting-ip': `198.18.7.${addresses}` };
  const start = performance.now();
  const { status } = await ask(path, { json, headers, base: edge.url });
  return { status, ms: performance.now() - start };
};

// How long an answer takes at most is no business of a test. The runtime's timers are a millisecond early at most.
const isAtStep = ({ status, ms }, wanted, steps, name) => {
  assert.equal(status, wanted, name);
  assert.ok(ms >= steps * STEP - 1, `${name}: ${ms} ms`);
};

test('a lead is answered at the end of a step, new, known, spam or refused', async () => {
  const email = `${randomUUID()}@timing.example`;
  const leads = {
    new: [{ email }, 201],
    known: [{ email, first_name: 'Zoë', notes: 'Again.' }, 201],
    'known, with consent': [{ email, consent: 'on' }, 201],
    'known, from a program': [{ email, _gotcha: 'x' }, 201],
    'new, from a program': [{ email: `bot-${email}`, _gotcha: 'x' }, 201],
    'no address': [{ email: 'x' }, 422],
  };
  for (const [name, [lead, status]] of Object.entries(leads)) isAtStep(await timed('/v1/leads', lead), status, 1, name);
});

test('a session of onboarding is answered at the end of a step, whether or not its address is a lead’s', async () => {
  const email = `${randomUUID()}@timing.example`;
  isAtStep(await timed('/v1/leads', { email }), 201, 1, 'the lead');
  for (const address of [email, `un${email}`]) {
    isAtStep(await timed('/v1/onboarding/sessions', { email: address }), 201, 1, address);
  }
});

test('an answer that misses its step waits for the end of the next', async () => {
  proxy.delay = LONGEST_STEP + 20;
  try {
    isAtStep(await timed('/v1/leads', { email: `${randomUUID()}@timing.example` }), 201, 2, 'late');
  } finally {
    proxy.delay = 0;
  }
});
