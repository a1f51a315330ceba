// Batches of telemetry through the edge: any JSON, in any field of any item, costs that item and no other.
import { randomUUID } from 'node:crypto';
import { after, beforeEach } from 'node:test';
import { testAnyItem } from '../../support/any_item.js';
import { close, sql, userToken } from '../../support/stack.js';

after(close);
beforeEach(() => sql('truncate private.rate_limits'));

/** Each endpoint: what is a good item, its fields, how large a call may be, and how many of the good ones are stored. */
const ENDPOINTS = {
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
};

for (const [path, endpoint] of Object.entries(ENDPOINTS)) testAnyItem(path, endpoint);
