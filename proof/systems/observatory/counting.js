// observatory: what was counted everybody who sees a project reads, and nobody writes.
import { randomUUID } from 'node:crypto';
import { USERS } from '../../personas.js';
import { message, own, READERS, readByAll } from './projects.js';

/** Columns that nobody writes by hand. */
const shown = (...names) => Object.fromEntries(names.map((name) => [name, {}]));
/** What is the same for all tables here. */
const counted = (columns, { fixture, draft, change, states, everybody = false }) => ({
  alone: true,
  fixture,
  draft,
  forAnother: ({ owner }, marker) => draft(owner, marker),
  change,
  states,
  owner: null,
  select: READERS,
  insert: [],
  'insert for another': [],
  update: [],
  delete: [],
  // Everybody's conversation and tool call, to draft in, have been counted.
  columns: everybody ? readByAll(shown(...columns)) : shown(...columns),
});

const usage = (project_id, conversation_id, message_id, owner_id, marker) => ({
  owner_id,
  api_message_id: marker,
  project_id,
  conversation_id,
  message_id,
  entry_uuid: marker,
  kind: 'message',
  model: marker,
  source: 'claude',
  occurred_at: '2026-01-01T00:00:00Z',
});
const daily = (project_id, user_id) => ({
  ...{
    project_id,
    user_id,
    model: 'a-model',
    day: '2026-01-01',
    source: 'claude',
    requests: 1,
    input_tokens: 1,
    output_tokens: 1,
  },
  ...{ cache_read_tokens: 0, cache_creation_tokens: 0, web_searches: 0, cost_micro_usd: 1, unpriced: 0 },
});
const activity = (project_id, user_id) => ({
  ...{
    project_id,
    user_id,
    day: '2026-01-01',
    hour: 1,
    prompts: 1,
    messages: 1,
    tool_calls: 0,
    errors: 0,
    sessions: 0,
  },
  raw_tokens: 0,
});
const tools = (project_id, user_id) => ({
  ...{ project_id, user_id, tool_name: 'ATool', day: '2026-01-01', calls: 1, errors: 0, timed: 0, duration_ms: 0 },
  buckets: Array(24).fill(0),
});
/** A row about the shared project of the owner's. */
const about = (relation, row) => async (add, people, marker, sql) => {
  const { id, project_id, conversation_id } = await message(add, people, marker, sql);
  return add(relation, row({ id, project_id, conversation_id }, people.owner.sub, marker));
};
const range = { project: randomUUID(), from: '2026-01-01', to: '2026-01-31' };
const analytics = Object.fromEntries(
  ['overview', 'tools', 'models', 'activity', 'users'].map((name) => [
    `observatory.analytics_${name}(uuid, text, text)`,
    {
      arguments: (_, fixtures) => ({ ...range, project: fixtures['observatory.projects'].id }),
      execute: USERS,
      depends: null,
    },
  ]),
);

export default {
  relations: {
    'observatory.usage_records': counted(
      [
        ...['id', 'owner_id', 'api_message_id', 'part', 'project_id', 'conversation_id', 'message_id', 'entry_uuid'],
        ...['kind', 'model', 'source', 'variant', 'geo', 'is_sidechain', 'input_tokens', 'output_tokens'],
        ...['cache_read_tokens', 'cache_creation_5m_tokens', 'cache_creation_1h_tokens', 'total_tokens'],
        ...[
          'web_searches',
          'cost_micro_usd',
          'reported_cost_micro_usd',
          'price',
          'priced_at',
          'occurred_at',
          'created_at',
        ],
      ],
      {
        fixture: about('observatory.usage_records', ({ id, project_id, conversation_id }, sub, marker) =>
          usage(project_id, conversation_id, id, sub, marker),
        ),
        draft: (who, marker) => usage(own(who).project, own(who).conversation, own(who).message, who.sub, marker),
        change: { model: 'changed' },
        states: { 'with tokens': { input_tokens: 5 } },
      },
    ),
    'observatory.daily_rollups': counted(Object.keys(daily()), {
      fixture: about('observatory.daily_rollups', ({ project_id }, sub) => daily(project_id, sub)),
      draft: (who) => daily(own(who).project, who.sub),
      change: { requests: 2 },
      states: { 'without a price': { cost_micro_usd: null, unpriced: 1 } },
    }),
    'observatory.activity_rollups': counted(Object.keys(activity()), {
      everybody: true,
      // The message in it has made one of its own, in another hour.
      fixture: about('observatory.activity_rollups', ({ project_id }, sub) => activity(project_id, sub)),
      draft: (who) => activity(own(who).project, who.sub),
      change: { prompts: 2 },
      states: { 'with errors': { errors: 1 } },
    }),
    'observatory.tool_rollups': counted(Object.keys(tools()), {
      everybody: true,
      fixture: about('observatory.tool_rollups', ({ project_id }, sub) => tools(project_id, sub)),
      draft: (who) => tools(own(who).project, who.sub),
      change: { calls: 2 },
      states: { 'with errors': { errors: 1 } },
    }),
  },
  functions: {
    ...analytics,
    'observatory.reprice(uuid, text, boolean)': {
      // Of no project: members who are no owners get 403.
      arguments: () => ({ project: randomUUID(), dry_run: true }),
      execute: USERS,
      depends: null,
    },
  },
  routes: {
    ...Object.fromEntries(
      ['overview', 'tools', 'models', 'activity', 'users'].map((name) => [
        `GET /v1/analytics/${name}`,
        { path: `/v1/analytics/${name}`, call: ['user'] },
      ]),
    ),
    'POST /v1/projects/{id}/reprice': {
      path: `/v1/projects/${randomUUID()}/reprice`,
      body: () => ({}),
      call: ['user'],
    },
  },
};
