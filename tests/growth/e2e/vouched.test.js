// Leads, events, sessions and experiments have the place and device that the edge has seen, whatever a body or a caller's own token
// says in its place.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { ask, close, freshEmail, sql } from '../../support/stack.js';
import { CLAIMED, claiming, post, startEdgeInBrest } from '../../support/vouched.js';
import { anEvent } from '../support/events.js';

let edge;
before(async () => {
  edge = await startEdgeInBrest();
});
beforeEach(() => sql('truncate private.rate_limits'));
after(async () => {
  await edge?.stop();
  await sql(`delete from experiments.experiments where name = 'vouched'`);
  await close();
});

test('a lead is where the edge has seen it, and as suspect; what its form claims is a field as any other', async () => {
  for (const token of [undefined, await claiming()]) {
    const email = freshEmail();
    await post(edge, '/v1/leads', { email, ...CLAIMED, _ts: '1.0' }, token);
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
    await post(edge, '/v1/events', { events: [event], ...CLAIMED }, token);
    const [row] = await sql('select * from analytics.events where name = $1', [event.name]);
    assert.deepEqual(
      [row.country, row.region, row.device_type, row.browser, row.os, row.is_bot, row.user_id, row.user_is_verified],
      ['FR', 'Bretagne', 'desktop', 'Firefox', 'Linux', false, user, user !== null],
    );
  }
});

test('a session of onboarding has the network that the edge has seen', async () => {
  const marker = randomUUID();
  await post(edge, '/v1/onboarding/sessions', { business_data: { marker, ...CLAIMED } }, await claiming());
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
    const { assignments } = await post(
      edge,
      '/v1/experiments/assign',
      { session_id, country: 'US', ...CLAIMED },
      token,
    );
    assert.ok(assignments.some((each) => each.experiment_id === id));
    const exposures = [{ experiment_id: id, country: 'US', ...CLAIMED }];
    const answer = await post(
      edge,
      '/v1/experiments/exposures',
      { session_id, country: 'US', exposures, ...CLAIMED },
      token,
    );
    assert.equal(answer.accepted, 1, JSON.stringify(answer));
  }
  const rows = await sql('select distinct country from experiments.assignments where experiment_id = $1', [id]);
  assert.deepEqual(rows, [{ country: 'FR' }]);
});
