// Onboarding through the edge: anybody may start a session; only the holder of its token may continue it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, edgeToken, freshEmail, sql, stack, userToken } from '../../support/stack.js';

after(close);
beforeEach(() => sql('truncate private.rate_limits'));

const start = async (json = {}, options = {}) => {
  const answer = await ask('/v1/onboarding/sessions', { json, ...options });
  assert.equal(answer.status, 201, answer.text);
  return answer.body;
};
const holding = (token, more = {}) => ({
  headers: { ...(token !== undefined && { 'x-session-token': token }), ...more },
});
const progress = (token) => ask('/v1/onboarding/session', holding(token));
const change = (token, body, more) =>
  ask('/v1/onboarding/session', {
    method: 'PATCH',
    body: JSON.stringify(body),
    ...holding(token, { 'content-type': 'application/json', ...more }),
  });
const activity = (token, json) =>
  ask('/v1/onboarding/activities', { json, ...holding(token, { 'content-type': 'application/json' }) });

const STEPS = ['business_info', 'whatsapp_integration', 'bot_setup', 'testing'];

test('a journey from the start to the end, step by step', async () => {
  const { session_token: token, session } = await start({ email: freshEmail() });
  assert.match(token, /^rgs_[0-9a-f]{64}$/);
  assert.deepEqual(
    [session.current_step, session.status, session.progress_percentage],
    ['business_info', 'not_started', 0],
  );
  for (const [at, step] of STEPS.entries()) {
    const data = step === 'testing' ? {} : { data: { name: `Zoë ${step} 😀` } };
    const { status, body } = await change(token, { step, ...data, completed: true });
    assert.equal(status, 200);
    assert.equal(body.progress_percentage, (at + 1) * 25);
    assert.equal(body.current_step, STEPS[at + 1] ?? 'complete');
    const said = await activity(token, { step, activity_type: 'step_complete', time_spent_seconds: 5 });
    assert.deepEqual([said.status, said.body], [201, { accepted: 1 }]);
  }
  const { body, headers } = await progress(token);
  assert.deepEqual([body.status, body.business_data], ['completed', { name: 'Zoë business_info 😀' }]);
  assert.equal(headers.get('cache-control'), 'private, no-store');
});

test('the token is nowhere but in the answer', async () => {
  const { session_token: token } = await start();
  await change(token, { step: 'business_info', data: { name: 'x' } });
  for (const table of [
    'onboarding.sessions',
    'onboarding.step_activities',
    'private.idempotency_keys',
    'private.audit_log',
    'private.rate_limits',
  ]) {
    const rows = await sql(`select from ${table} as t where t::text ~ $1`, [token.slice(4)]);
    assert.equal(rows.length, 0, table);
  }
});

test('without the right token nothing is read and nothing is written, and every wrong one gets the same no', async () => {
  const { session_token: token } = await start({ business_data: { name: 'secret plans' } });
  const [{ id, hash }] = await sql(
    `select id, encode(session_token_hash, 'hex') as hash from onboarding.sessions where business_data ->> 'name' = 'secret plans'
     order by created_at desc limit 1`,
  );
  const wrong = [
    undefined,
    '',
    'x',
    id,
    hash,
    `rgs_${hash}`,
    token.slice(0, -1),
    `${token}0`,
    token.toUpperCase(),
    `rgs_${'0'.repeat(64)}`,
    "' or true --",
  ];
  const answers = new Set();
  for (const each of wrong) {
    for (const answer of [
      await progress(each),
      await change(each, { step: 'business_info', data: { name: 'stolen' } }),
      await activity(each, { activity_type: 'step_view' }),
    ]) {
      assert.equal(answer.status, 401, `${each}`);
      assert.ok(answer.headers.get('www-authenticate'));
      answers.add(answer.text);
    }
  }
  assert.equal(answers.size, 1);
  assert.match([...answers][0], /RG530/);
  assert.equal((await progress(token)).body.business_data.name, 'secret plans');
  // In an address, where logs keep it, it is of no use.
  assert.equal((await ask(`/v1/onboarding/session?session_token=${token}&x-session-token=${token}`)).status, 401);
  const past = await fetch(`${stack.postgrest_url}/rpc/progress?session_token=${token}`, {
    headers: { authorization: `Bearer ${await edgeToken({ role: 'anon' })}`, 'accept-profile': 'onboarding' },
  });
  assert.equal(past.status, 405);
});

test('one session’s token is no key to another, nor is a user’s or an admin’s', async () => {
  const first = await start({ business_data: { name: 'first' } });
  const second = await start({ business_data: { name: 'second' } });
  await change(second.session_token, { step: 'business_info', data: { name: 'changed' } });
  assert.equal((await progress(first.session_token)).body.business_data.name, 'first');
  const admin = await userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });
  assert.equal((await ask('/v1/onboarding/session', { token: admin })).status, 401);
  const read = await ask('/rest/v1/sessions?select=business_data,session_token_hash', {
    token: await userToken(),
    headers: { 'accept-profile': 'onboarding' },
  });
  assert.deepEqual(read.body, []);
});

test('no step is passed over', async () => {
  const { session_token: token } = await start();
  for (const step of STEPS.slice(1)) {
    const { status, body } = await change(token, { step, completed: true });
    assert.deepEqual([status, body.code], [409, 'RG531'], step);
  }
  for (const body of [
    { step: 'business_info', current_step: 'testing' },
    { step: 'business_info', status: 'completed' },
    { step: 'complete', completed: true },
    { progress_percentage: 100 },
    [],
    5,
    null,
  ]) {
    const answer = await change(token, body);
    assert.ok(answer.status >= 400 && answer.status < 500, `${JSON.stringify(body)} ${answer.status}`);
  }
  const { body } = await progress(token);
  assert.deepEqual([body.progress_percentage, body.current_step], [0, 'business_info']);
});

test('whether an e-mail is known does not show', async () => {
  const known = freshEmail();
  await ask('/v1/leads', { json: { email: known } });
  const shape = ({ session }) => JSON.stringify({ ...session, started_at: 0, last_activity_at: 0 });
  const seen = new Set([
    shape(await start({ email: known })),
    shape(await start({ email: freshEmail() })),
    shape(await start()),
  ]);
  assert.equal(seen.size, 1);
});

test('what is no JSON, too much, or of another kind is refused', async () => {
  const { session_token: token } = await start();
  const patch = (body, type) =>
    ask('/v1/onboarding/session', { method: 'PATCH', body, ...holding(token, { 'content-type': type }) });
  assert.equal((await patch('{', 'application/json')).status, 400);
  assert.equal((await patch('{"step":"business_info","step":"testing"}', 'application/json')).status, 400);
  assert.equal((await patch('{"step":"\\u0000"}', 'application/json')).status, 400);
  assert.equal((await patch('a=b', 'application/x-www-form-urlencoded')).status, 415);
  assert.equal((await patch(JSON.stringify({ x: 'x'.repeat(70_000) }), 'application/json')).status, 413);
  assert.equal((await ask('/v1/onboarding/session', { method: 'DELETE' })).status, 405);
});

test('the token is in no log', async () => {
  const edge = await startEdge();
  try {
    const { session_token: token } = await start({}, { base: edge.url });
    await ask('/v1/onboarding/session', { base: edge.url, ...holding(token) });
    await edge.logged(({ event }) => event === 'request', 2);
    const lines = JSON.stringify(edge.log());
    assert.ok(lines.includes('"request"') && !lines.includes(token.slice(4)));
  } finally {
    await edge.stop();
  }
});
