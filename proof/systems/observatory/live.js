// observatory: what hooks and OpenTelemetry report is seen by the members of the project; notices are their user's alone.
import { randomUUID } from 'node:crypto';
import { USERS } from '../../personas.js';
import { conversation, mended, OWN, own, READERS } from './projects.js';

const all = (names, says) => Object.fromEntries(names.map((name) => [name, says]));
/** Of a function that the edge calls for users. */
const VOUCHED = { execute: [], vouched: { execute: USERS } };
const event = (who) => ({ project_id: own(who).project, conversation_id: own(who).conversation, owner_id: who.sub });

export default {
  relations: {
    'observatory.hook_events': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id, project_id } = await conversation(add, people, marker, sql);
        return add('observatory.hook_events', {
          ...{ project_id, conversation_id: id, owner_id: people.owner.sub },
          ...{ session_id: marker, event: 'Stop', payload: { last_assistant_message: marker } },
        });
      },
      draft: (who, marker) => ({ ...event(who), session_id: marker, event: 'Stop' }),
      forAnother: ({ owner }, marker) => ({ ...event(owner), session_id: marker, event: 'Stop' }),
      change: { prompt_id: 'changed' },
      states: { 'of a tool': { event: 'PreToolUse', tool_use_id: 'toolu' } },
      owner: 'owner_id',
      'give away': ['service'],
      select: READERS,
      insert: ['service'],
      'insert for another': ['service'],
      update: ['service'],
      delete: ['service'],
      columns: all(
        [
          ...[
            'id',
            'owner_id',
            'session_id',
            'agent_id',
            'project_id',
            'conversation_id',
            'event',
            'tool_use_id',
            'prompt_id',
          ],
          ...['payload', 'redaction_count', 'at', 'applied_at', 'attempts', 'failure'],
        ],
        mended,
      ),
    },
    'observatory.notices': {
      alone: true,
      fixture: (add, { owner }, marker) =>
        add('observatory.notices', {
          ...{ user_id: owner.sub, kind: 'proof', dedupe_key: marker, title: marker },
          read_at: '2026-01-01T00:00:00Z',
        }),
      draft: ({ sub }, marker) => ({ user_id: sub, kind: 'proof', dedupe_key: marker, title: marker }),
      forAnother: ({ owner }, marker) => ({ user_id: owner.sub, kind: 'proof', dedupe_key: marker, title: marker }),
      // A time of reading is the database's own; only that there is none can be sent.
      change: { read_at: null },
      states: { 'of another kind': { kind: 'other' } },
      owner: 'user_id',
      'give away': ['service'],
      select: OWN,
      insert: ['service'],
      'insert for another': ['service'],
      update: OWN,
      delete: OWN,
      columns: {
        ...all(['id', 'user_id', 'kind', 'dedupe_key', 'title', 'details', 'created_at'], mended),
        read_at: { insert: ['service'], update: OWN },
      },
    },
  },
  functions: {
    'observatory.take_hook(jsonb, bigint)': {
      ...VOUCHED,
      arguments: () => ({ event: { session_id: randomUUID(), hook_event_name: 'Stop', cwd: '/for/drafts' } }),
      depends: 'the user whom the edge vouches for',
    },
    'observatory.take_otel(jsonb)': {
      ...VOUCHED,
      arguments: () => ({ request: { resourceLogs: [] } }),
      depends: 'the user whom the edge vouches for',
    },
  },
  routes: {
    'POST /v1/hooks': {
      body: () => ({ session_id: randomUUID(), hook_event_name: 'Stop', cwd: '/proof' }),
      call: ['user'],
    },
    'POST /v1/otlp/v1/logs': { body: () => ({ resourceLogs: [] }), call: ['user'] },
  },
  cleanUp: async (sql, people) => {
    const subs = people.map(({ sub }) => sub);
    await sql('delete from observatory.hook_events where owner_id = any ($1)', [subs]);
    await sql('delete from observatory.notices where user_id = any ($1)', [subs]);
  },
};
