// Telemetry has the network that the edge has seen, whatever a body or a caller's own token says in its place.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ask, close, sql, userToken } from '../../support/stack.js';
import { CLAIMED, claiming, post, startEdgeInBrest } from '../../support/vouched.js';

let edge;
before(async () => {
  edge = await startEdgeInBrest();
});
beforeEach(() => sql('truncate private.rate_limits'));
after(async () => {
  await edge?.stop();
  await close();
});

test('telemetry has the network that the edge has seen, and no user has another’s', async () => {
  const sub = randomUUID();
  const event = { event_type: 'vouched', event_category: 'auth', ...CLAIMED, user_id: randomUUID() };
  await post(edge, '/v1/telemetry', { events: [event], ...CLAIMED }, await claiming(sub));
  const rows = await sql('select user_id, ip_address from clixen.telemetry_events where user_id = any ($1)', [
    [sub, event.user_id],
  ]);
  assert.deepEqual(rows, [{ user_id: sub, ip_address: '203.0.113.0/24' }]);
});

test('telemetry is read from gzip, too', async () => {
  const body = gzipSync(JSON.stringify([{ event_type: 'zipped', event_category: 'y' }]));
  const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
  const sent = await ask('/v1/telemetry', { method: 'POST', body, headers, token: await userToken() });
  assert.equal(sent.status, 202, sent.text);
});
