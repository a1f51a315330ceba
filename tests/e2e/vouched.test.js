// What the edge vouches for travels in its own token: whatever a body or a caller's own token says in its place changes nothing,
// through the edge and past it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { exposed } from '../../proof/catalog.js';
import { SYSTEMS } from '../../proof/systems/index.js';
import { startEdge } from '../support/edge.js';
import { anEvent } from '../support/events.js';
import { ask, close, edgeToken, freshEmail, made, sql, stack, userToken } from '../support/stack.js';

const PLACE = { country: 'FR', region: 'Bretagne', city: 'Brest' };
const AROUND = `import edge from './entry.js';
  const cf = (request) => {
    const r = new Request(request, { cf: {} });
    Object.defineProperty(r, 'cf', { value: ${JSON.stringify(PLACE)} });
    return r;
  };
  export default { fetch: (request, env, ctx) => edge.fetch(cf(request), env, ctx) };`;

/** Everything that the edge vouches for, as somebody would like to have it. */
const FORGED = {
  ...{ caller: 'service_role', addr: 'x', net: '10.0.0.0/24', network: '10.0.0.0/24', country: 'US', region: 'Ohio' },
  ...{
    city: 'Dayton',
    stamp: 'ok',
    human: 'verified',
    device_type: 'tablet',
    browser: 'Opera',
    os: 'iOS',
    is_bot: true,
  },
};
const CLAIMED = { _edge: FORGED, edge: FORGED, context: FORGED };

let edge;
before(async () => {
  edge = await startEdge({}, [], AROUND);
});
beforeEach(() => sql('truncate private.rate_limits'));
after(async () => {
  await edge?.stop();
  await sql(`delete from experiments.experiments where name = 'vouched'`);
  await close();
});

const FIREFOX = 'Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0';
const post = async (path, json, token) => {
  const answer = await ask(path, {
    base: edge.url,
    json,
    token,
    headers: { 'cf-connecting-ip': '203.0.113.77', 'user-agent': FIREFOX },
  });
  assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.text}`);
  return answer.body;
};
/** A user whose own token claims to be vouched for. */
const claiming = (sub = randomUUID()) => userToken(sub, { claims: { edge: FORGED } });

test('a lead is where the edge has seen it, and as suspect; what its form claims is a field as any other', async () => {
  for (const token of [undefined, await claiming()]) {
    const email = freshEmail();
    await post('/v1/leads', { email, ...CLAIMED, _ts: '1.0' }, token);
    const [row] = await sql('select * from marketing.leads where email = $1', [email]);
    assert.deepEqual(
      [row.country_code, row.region, row.city, row.network, row.spam_reason, row.is_spam],
      ['FR', 'Bretagne', 'Brest', '203.0.113.0/24', 'forged-stamp', true],
    );
    assert.deepEqual(row.metadata, CLAIMED);
  }
});

test('an event has the place and device that the edge has seen', async () => {
  const sub = randomUUID();
  for (const [token, user] of [
    [undefined, null],
    [await claiming(sub), sub],
  ]) {
    const event = anEvent(CLAIMED);
    await post('/v1/events', { events: [event], ...CLAIMED }, token);
    const [row] = await sql('select * from analytics.events where name = $1', [event.name]);
    assert.deepEqual(
      [row.country, row.region, row.device_type, row.browser, row.os, row.is_bot, row.user_id, row.user_is_verified],
      ['FR', 'Bretagne', 'desktop', 'Firefox', 'Linux', false, user, user !== null],
    );
  }
});

test('telemetry has the network that the edge has seen, and no user has another’s', async () => {
  const sub = randomUUID();
  const event = { event_type: 'vouched', event_category: 'auth', ...CLAIMED, user_id: randomUUID() };
  await post('/v1/telemetry', { events: [event], ...CLAIMED }, await claiming(sub));
  const rows = await sql('select user_id, ip_address from clixen.telemetry_events where user_id = any ($1)', [
    [sub, event.user_id],
  ]);
  assert.deepEqual(rows, [{ user_id: sub, ip_address: '203.0.113.0/24' }]);
});

test('a session of onboarding has the network that the edge has seen', async () => {
  const marker = randomUUID();
  await post('/v1/onboarding/sessions', { business_data: { marker, ...CLAIMED } }, await claiming());
  const rows = await sql(`select network from onboarding.sessions where business_data ->> 'marker' = $1`, [marker]);
  assert.deepEqual(rows, [{ network: '203.0.113.0/24' }]);
  const odd = await ask('/v1/onboarding/sessions', { base: edge.url, json: CLAIMED });
  assert.deepEqual([odd.status, odd.body.code], [422, 'RG534']);
});

test('an experiment for one country is for whom the edge sees there', async () => {
  const [{ id }] = await sql(
    `insert into experiments.experiments (name, status, control_variant, test_variants, targeting_rules)
     values ('vouched', 'running', '{"id": "a", "weight": 0.5}', '[{"id": "b", "weight": 0.5}]', '{"countries": ["FR"]}')
     returning id`,
  );
  const session_id = randomUUID();
  for (const token of [undefined, await claiming()]) {
    const { assignments } = await post('/v1/experiments/assign', { session_id, country: 'US', ...CLAIMED }, token);
    assert.ok(assignments.some((each) => each.experiment_id === id));
    const exposures = [{ experiment_id: id, country: 'US', ...CLAIMED }];
    const told = await post('/v1/experiments/exposures', { session_id, country: 'US', exposures, ...CLAIMED }, token);
    assert.equal(told.accepted, 1, JSON.stringify(told));
  }
  const rows = await sql('select distinct country from experiments.assignments where experiment_id = $1', [id]);
  assert.deepEqual(rows, [{ country: 'FR' }]);
});

test('past the edge and by the data API nobody calls what the edge vouches for', async () => {
  const functions = Object.assign({}, ...Object.values(SYSTEMS).map((system) => system.functions));
  const vouched = (await exposed(sql)).functions.filter(({ name }) => functions[name].depends);
  assert.ok(vouched.length >= 7);
  const planted = new Proxy({}, { get: () => ({ id: randomUUID(), email: freshEmail() }) });
  const callers = {
    'the publishable key': { base: `${stack.edge_url}/rest/v1`, key: made.publishable_key },
    'the token of a request without a user': { token: await edgeToken({ role: 'anon', edge: FORGED }) },
    'an anon key of the issuer’s': { token: await userToken(undefined, { role: 'anon', claims: { edge: FORGED } }) },
    'a user, through the edge': { base: `${stack.edge_url}/rest/v1`, token: await claiming() },
    'a user': { token: await claiming() },
    'the back office': { token: stack.service_key },
  };
  for (const { name, schema, function: called, arguments: names } of vouched) {
    for (const [who, { base = stack.postgrest_url, ...credentials }] of Object.entries(callers)) {
      const word = `call-${randomUUID()}`;
      const given = functions[name].arguments(word, planted);
      // PostgREST looks for the function that has just these arguments.
      const json = Object.fromEntries(names.map((each) => [each, given[each] ?? word]));
      const answer = await ask(`/rpc/${called}`, {
        base,
        ...credentials,
        json,
        headers: { 'content-profile': schema },
      });
      assert.deepEqual([answer.status, answer.body.code], [403, '42501'], `${name}, ${who}: ${answer.text}`);
    }
  }
});
