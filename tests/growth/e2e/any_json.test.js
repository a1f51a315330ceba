// Batches of events and exposures through the edge: any JSON, in any field of any item, costs that item and no other.
import { randomUUID } from 'node:crypto';
import { after, beforeEach } from 'node:test';
import { testAnyItem } from '../../support/any_item.js';
import { close, sql } from '../../support/stack.js';
import { anEvent } from '../support/events.js';

after(close);
beforeEach(() => sql('truncate private.rate_limits'));

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

for (const [path, endpoint] of Object.entries(ENDPOINTS)) testAnyItem(path, endpoint);
