// assistant: members read their own usage, admins their tenant's; functions and service_role count.
import { randomUUID } from 'node:crypto';
import { byOffice, columns, MAKERS, MEMBERS, OFFICE, OWN_OR_MANAGED, own, owner } from './tenants.js';

/** The row has no text: the id of a draft is that of its word. */
const idIn = (word) => word.slice(word.indexOf('-') + 1);

const EVENT = {
  tenant_id: randomUUID(),
  at: '2026-01-01T00:00:00Z',
  provider: 'openai',
  model: 'a-model',
  prompt_tokens: 1,
  completion_tokens: 1,
};

export default {
  relations: {
    'assistant.usage_metrics': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id, tenant_id } = await owner(people, marker, sql);
        // A day of its own.
        const [{ date }] = await sql(`select (date '1900-01-01' + floor(random() * 40000)::int)::text as date`);
        return add('assistant.usage_metrics', { id: idIn(marker), tenant_id, user_id: id, date });
      },
      draft: (who, word, people) => ({
        tenant_id: own(who, people).tenant,
        date: '2026-02-01',
        ...(who.role === 'service_role' && { id: idIn(word) }),
      }),
      forAnother: (people, word) => ({
        id: idIn(word),
        tenant_id: own(people.owner, people).tenant,
        user_id: people.owner.sub,
        date: '2026-02-01',
      }),
      change: { request_count: 7 },
      owner: 'user_id',
      'give away': OFFICE,
      select: OWN_OR_MANAGED,
      insert: OFFICE,
      'insert for another': OFFICE,
      update: OFFICE,
      delete: [],
      columns: columns([
        { ...byOffice, read: MAKERS.filter((name) => name !== 'member') },
        ...[
          'id',
          'tenant_id',
          'user_id',
          'date',
          'total_tokens',
          'prompt_tokens',
          'completion_tokens',
          'request_count',
        ],
        ...['estimated_cost', 'created_at'],
      ]),
    },
  },
  functions: {
    // Of no tenant: nothing is counted.
    'assistant.add_usage_events(jsonb)': {
      arguments: (marker) => ({ events: [{ ...EVENT, event_id: marker }] }),
      execute: OFFICE,
      depends: null,
    },
    'assistant.increment_usage_metrics(uuid, uuid, date, bigint, bigint, bigint)': {
      arguments: () => ({ tenant: randomUUID(), user: null, date: '2026-01-01', prompt: 1, completion: 1, cost: 1 }),
      execute: OFFICE,
    },
    'assistant.begin_request(uuid, uuid, bigint)': {
      arguments: () => ({ tenant: randomUUID(), user: randomUUID(), estimate: 1 }),
      execute: OFFICE,
    },
    'assistant.end_request(uuid, bigint, bigint, text)': {
      arguments: () => ({ reservation: randomUUID(), prompt: 1, completion: 1, model: 'a-model' }),
      execute: OFFICE,
    },
    'assistant.usage_summary(text)': { arguments: () => ({ month: '2026-01' }), execute: MEMBERS, depends: null },
    'assistant.current_day_usage()': { execute: MEMBERS },
    'assistant.monthly_usage_summary()': { execute: MEMBERS },
    'assistant.message_feedback_summary(uuid)': { execute: MEMBERS },
  },
  routes: {
    'POST /v1/usage/events': { body: (marker) => ({ events: [{ ...EVENT, event_id: marker }] }), call: ['service'] },
    'GET /v1/usage/summary': { call: ['user'] },
  },
};
