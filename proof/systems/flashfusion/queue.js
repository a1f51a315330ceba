// flashfusion: services and agents are public; tasks, generations and usage are their owner's alone, and functions write them.
import { randomUUID } from 'node:crypto';
import { OPEN } from '../../credentials.js';
import { ANYBODY, USERS } from '../../personas.js';

const OWN = ['owner', 'service'];
const id = randomUUID();
const byOffice = { insert: ['service'], update: ['service'] };
const each = (says, ...names) => Object.fromEntries(names.map((name) => [name, says]));
/** Columns that nobody writes by hand. */
const shown = (...names) => each({}, ...names);

/** Of a function that the edge calls for workers: neither for users nor on its own behalf. */
const WORKERS = { execute: [], database: { execute: [] }, vouched: { execute: ['service'] } };
/** Of a function that the edge calls for users. */
const VOUCHED = { execute: [], vouched: { execute: USERS } };

const service = (marker) => ({ name: marker, provider: 'proof', model_name: `model-${randomUUID()}` });
const agent = (marker) => ({ name: `${marker} ${randomUUID()}`, type: 'proof' });

/**
 * What rows refer to: an agent, a service, and a project of everybody. They come and go with a fixture, and hold its marker where
 * the lists of the catalogue do not show it.
 */
const withParts = async (add, people, marker) => {
  const { id: agentId } = await add('flashfusion.agents', { ...agent('Agent'), version: marker });
  const { id: serviceId } = await add('flashfusion.ai_services', {
    ...service('Service'),
    api_endpoint: `https://example.org/${marker}`,
  });
  const projects = new Map();
  for (const { sub } of Object.values(people))
    projects.set(sub, (await add('flashfusion.projects', { user_id: sub, name: `of ${marker}` })).id);
  return { agentId, serviceId, projects };
};

/** Those of the last fixture, for drafts. */
let last;

const task = (sub, marker, { agentId, projects } = last) => ({
  agent_id: agentId,
  project_id: projects.get(sub),
  user_id: sub,
  task_type: 'proof',
  error_message: marker,
});
const generation = (sub, marker, { serviceId, projects } = last) => ({
  project_id: projects.get(sub),
  user_id: sub,
  ai_service_id: serviceId,
  prompt: marker,
});
const use = (sub, marker) => ({ user_id: sub, event_type: 'proof', event_data: { marker } });
const lease = () => ({ task_id: randomUUID(), lease_token: randomUUID() });

export default {
  relations: {
    'flashfusion.ai_services': {
      alone: true,
      fixture: (add, _, marker) => add('flashfusion.ai_services', service(marker)),
      draft: (_, marker) => service(marker),
      change: { name: 'changed' },
      states: { 'without streaming': { supports_streaming: false } },
      owner: null,
      select: ANYBODY,
      insert: ['service'],
      'insert for another': null,
      update: ['service'],
      delete: ['service'],
      columns: each(
        byOffice,
        ...[
          'id',
          'name',
          'provider',
          'model_name',
          'api_endpoint',
          'capabilities',
          'pricing_model',
          'cost_per_1k_tokens',
        ],
        ...['max_tokens', 'context_window', 'supports_streaming', 'supports_function_calling', 'is_active'],
        ...['created_at', 'updated_at'],
      ),
    },
    'flashfusion.agents': {
      alone: true,
      fixture: (add, _, marker) => add('flashfusion.agents', agent(marker)),
      draft: (_, marker) => agent(marker),
      sample: { name: () => `Agent ${randomUUID()}` },
      change: { version: '2' },
      states: { 'when busy': { status: 'busy' } },
      owner: null,
      select: ANYBODY,
      insert: ['service'],
      'insert for another': null,
      update: ['service'],
      delete: ['service'],
      columns: each(
        byOffice,
        ...['id', 'name', 'type', 'capabilities', 'status', 'created_at', 'updated_at', 'last_activity_at', 'version'],
        'is_active',
      ),
    },
    'flashfusion.agent_tasks': {
      alone: true,
      fixture: async (add, people, marker) => {
        const parts = await withParts(add, people, marker);
        last = parts;
        return add('flashfusion.agent_tasks', task(people.owner.sub, marker, parts));
      },
      draft: ({ sub }, marker) => task(sub, marker),
      forAnother: ({ owner }, marker) => task(owner.sub, marker),
      change: { error_message: 'changed' },
      states: { 'when completed': { status: 'completed' } },
      owner: 'user_id',
      'give away': [],
      select: OWN,
      insert: [],
      'insert for another': [],
      update: [],
      delete: ['service'],
      columns: shown(
        ...['id', 'agent_id', 'project_id', 'user_id', 'task_type', 'task_data', 'status', 'priority', 'result'],
        ...[
          'error_message',
          'execution_time_ms',
          'created_at',
          'started_at',
          'completed_at',
          'retry_count',
          'max_retries',
        ],
        ...['run_at', 'lease_expires_at', 'lease_token', 'locked_by', 'idempotency_key', 'errors', 'dead_at'],
      ),
    },
    'flashfusion.code_generations': {
      alone: true,
      fixture: async (add, people, marker) => {
        const parts = await withParts(add, people, marker);
        last = parts;
        return add('flashfusion.code_generations', generation(people.owner.sub, marker, parts));
      },
      draft: ({ sub }, marker) => generation(sub, marker),
      forAnother: ({ owner }, marker) => generation(owner.sub, marker),
      change: { file_path: 'changed.js' },
      states: { 'when completed': { status: 'completed' } },
      owner: 'user_id',
      'give away': [],
      select: OWN,
      insert: [],
      'insert for another': [],
      update: ['owner'],
      delete: OWN,
      columns: {
        ...shown('id', 'project_id', 'user_id', 'ai_service_id', 'prompt', 'generated_code', 'language', 'framework'),
        ...shown(
          'generation_type',
          'status',
          'error_message',
          'tokens_used',
          'cost_estimate',
          'created_at',
          'completed_at',
        ),
        ...each({ update: ['owner'] }, 'file_path', 'quality_score', 'metadata'),
      },
    },
    'flashfusion.usage_analytics': {
      alone: true,
      fixture: (add, { owner }, marker) => add('flashfusion.usage_analytics', use(owner.sub, marker)),
      draft: ({ sub }, marker) => use(sub, marker),
      forAnother: ({ owner }, marker) => use(owner.sub, marker),
      change: { event_type: 'changed' },
      states: { 'of tokens': { api_tokens_used: 5 } },
      owner: 'user_id',
      'give away': [],
      select: OWN,
      insert: [],
      'insert for another': [],
      update: [],
      delete: [],
      columns: shown(
        ...['id', 'user_id', 'project_id', 'event_type', 'event_data', 'timestamp', 'session_id', 'ip_address'],
        ...['user_agent', 'api_tokens_used', 'cost_incurred'],
      ),
    },
  },
  functions: {
    'flashfusion.list_services()': { execute: ANYBODY, depends: null },
    'flashfusion.list_agents()': { execute: ANYBODY, depends: null },
    'flashfusion.price(flashfusion.ai_services)': {
      arguments: (_, fixtures) => ({ service: fixtures['flashfusion.ai_services'] }),
      execute: ANYBODY,
    },
    'flashfusion.config(flashfusion.agents)': {
      arguments: (_, fixtures) => ({ agent: fixtures['flashfusion.agents'] }),
      execute: ['service'],
    },
    'flashfusion.health_check_url(flashfusion.agents)': {
      arguments: (_, fixtures) => ({ agent: fixtures['flashfusion.agents'] }),
      execute: ['service'],
    },
    'flashfusion.agent_settings(uuid, jsonb, text)': {
      arguments: (_, fixtures) => ({ agent_id: fixtures['flashfusion.agents'].id }),
      execute: ['service'],
    },
    'flashfusion.enqueue_task(uuid, text, jsonb, uuid, bigint, bigint, bigint, timestamp with time zone)': {
      // Of no agent: a task would keep the fixture from being removed.
      arguments: () => ({ agent_id: randomUUID(), task_type: 'proof' }),
      depends: 'the user whom the edge vouches for',
      ...VOUCHED,
    },
    'flashfusion.cancel_task(uuid)': {
      arguments: (_, fixtures) => ({ id: fixtures['flashfusion.agent_tasks'].id }),
      depends: 'the user whom the edge vouches for',
      ...VOUCHED,
      // The owner's own. Others get 404.
      touches: ['flashfusion.agent_tasks'],
    },
    'flashfusion.claim_tasks(text, uuid[], text[], bigint, bigint)': {
      arguments: () => ({ worker: 'proof', types: ['none'] }),
      depends: 'that the edge calls for a worker',
      ...WORKERS,
    },
    'flashfusion.heartbeat_task(uuid, uuid, bigint)': {
      arguments: lease,
      depends: 'that the edge calls for a worker',
      ...WORKERS,
    },
    'flashfusion.complete_task(uuid, uuid, jsonb, bigint)': {
      arguments: lease,
      depends: 'that the edge calls for a worker',
      ...WORKERS,
    },
    'flashfusion.complete_tasks(jsonb)': {
      arguments: () => ({ tasks: [{ id: randomUUID(), lease_token: randomUUID() }] }),
      depends: 'that the edge calls for a worker',
      ...WORKERS,
    },
    'flashfusion.fail_task(uuid, uuid, text, boolean)': {
      arguments: () => ({ ...lease(), error: 'none' }),
      depends: 'that the edge calls for a worker',
      ...WORKERS,
    },
    'flashfusion.snooze_task(uuid, uuid, bigint)': {
      arguments: () => ({ ...lease(), seconds: 5 }),
      depends: 'that the edge calls for a worker',
      ...WORKERS,
    },
    'flashfusion.pause_tasks(timestamp with time zone, uuid, uuid, text)': {
      arguments: () => ({ until: '2026-01-01T00:00:00Z', agent_id: randomUUID() }),
      depends: 'that the edge calls for a worker',
      ...WORKERS,
    },
    'flashfusion.start_generation(uuid, uuid, text, text, text, text, text, jsonb)': {
      arguments: (marker) => ({ project_id: randomUUID(), ai_service_id: randomUUID(), prompt: marker }),
      execute: USERS,
    },
    'flashfusion.finish_generation(uuid, text, text, bigint, bigint, bigint, bigint)': {
      arguments: (_, fixtures) => ({ id: fixtures['flashfusion.code_generations'].id }),
      execute: ['service'],
      touches: ['flashfusion.code_generations'],
    },
    'flashfusion.usage_summary(date)': { execute: USERS },
  },
  routes: {
    'GET /v1/services': { call: OPEN },
    'GET /v1/agents': { call: OPEN },
    'POST /v1/tasks': { body: () => ({ agent_id: id, task_type: 'proof' }), call: ['user'] },
    'POST /v1/tasks/{id}/cancel': { path: `/v1/tasks/${id}/cancel`, call: ['user'] },
    'POST /v1/workers/claim': { body: () => ({ worker: 'proof', types: ['none'] }), call: ['service'] },
    'POST /v1/workers/heartbeat': { body: () => ({ id, lease_token: id }), call: ['service'] },
    'POST /v1/workers/complete': { body: () => ({ id, lease_token: id }), call: ['service'] },
    'POST /v1/workers/complete-batch': { body: () => ({ tasks: [{ id, lease_token: id }] }), call: ['service'] },
    'POST /v1/workers/fail': { body: () => ({ id, lease_token: id, error: 'none' }), call: ['service'] },
    'POST /v1/workers/snooze': { body: () => ({ id, lease_token: id, seconds: 5 }), call: ['service'] },
    'POST /v1/workers/pause': { body: () => ({ until: '2026-01-01T00:00:00Z', agent_id: id }), call: ['service'] },
  },
  cleanUp: async (sql, people) => {
    const subs = people.map(({ sub }) => sub);
    for (const table of ['agent_tasks', 'code_generations', 'usage_analytics'])
      await sql(`delete from flashfusion.${table} where user_id = any ($1)`, [subs]);
  },
};
