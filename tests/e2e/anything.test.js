// Batches through the edge: any JSON whatever, in any field of any item, costs that item and no other.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { anything, batches, seed, spoiled, UNSTORABLE } from '../support/anything.js';
import { anEvent } from '../support/events.js';
import { ask, close, sql, userToken } from '../support/stack.js';

after(close);
beforeEach(() => sql('truncate private.rate_limits'));

const VALUES = [...anything(250), ...UNSTORABLE];

const running = async () => {
  const [{ id }] = await sql(
    `insert into experiments.experiments (name, control_variant, test_variants, status)
     values ($1, '{"id": "control", "weight": 0.5}', '[{"id": "test", "weight": 0.5}]', 'running') returning id`,
    [`test ${randomUUID()}`],
  );
  return id;
};

/** Each endpoint: what is a good item, its fields, how large a call may be, and how many of the good ones are stored. */
const ENDPOINTS = {
  '/v1/events': {
    prepare: () => ({
      good: anEvent,
      stored: (ids) => sql('select from analytics.events where id = any ($1)', [ids]),
    }),
    fields: [
      ...['id', 'type', 'name', 'user_id', 'session_id', 'anonymous_id', 'properties', 'metadata', 'referrer', 'url'],
      ...['occurred_at', 'timestamp', 'anything'],
    ],
    name: 'id',
    items: 500,
    bytes: 500_000,
    status: 202,
  },
  '/v1/telemetry': {
    prepare: async () => {
      const sub = randomUUID();
      return {
        token: await userToken(sub),
        good: () => ({ session_id: randomUUID(), event_type: 'opened', event_category: 'workflow' }),
        stored: (ids) =>
          sql('select from clixen.telemetry_events where session_id = any ($1::uuid[]) and user_id = $2', [ids, sub]),
      };
    },
    fields: [
      ...['id', 'event_type', 'event_category', 'project_id', 'workflow_id', 'event_data', 'duration_ms', 'success'],
      ...['error_message', 'anything'],
    ],
    name: 'session_id',
    items: 500,
    bytes: 500_000,
    status: 202,
  },
  '/v1/experiments/exposures': {
    prepare: async () => {
      const experiment_id = await running();
      return {
        good: () => ({ experiment_id, session_id: randomUUID() }),
        stored: (ids) =>
          sql('select from experiments.assignments where session_id = any ($1) and exposure_count = 1', [ids]),
      };
    },
    fields: ['experiment_id', 'variant_id', 'user_id', 'at', 'anything'],
    name: 'session_id',
    items: 100,
    bytes: 60_000,
    status: 200,
  },
};

for (const [path, { prepare, fields, name, items, bytes, status }] of Object.entries(ENDPOINTS)) {
  test(`${path}: any JSON in any field of an item costs that item only`, { timeout: 170_000 }, async () => {
    const { token, good, stored } = await prepare();
    const lists = batches(spoiled(good, fields, VALUES), items - 2, bytes - 1000).filter(
      (list) => Buffer.byteLength(list.join()) < bytes,
    );
    assert.ok(lists.flat().length > VALUES.length * fields.length * 0.9, 'hardly one is too large for a call');
    for (const list of lists) {
      const [first, last] = [good(), good()];
      const body = `[${JSON.stringify(first)},${list.join(',')},${JSON.stringify(last)}]`;
      const answer = await ask(path, { method: 'POST', body, token, headers: { 'content-type': 'application/json' } });
      assert.equal(answer.status, status, `SEED=${seed} ${answer.text}`);
      const { accepted, duplicates = 0, rejected } = answer.body;
      assert.equal(accepted + duplicates + rejected.length, list.length + 2, `SEED=${seed}`);
      assert.equal((await stored([first[name], last[name]])).length, 2, `SEED=${seed}`);
    }
  });
}
