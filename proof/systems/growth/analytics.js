// analytics: events are sent by anybody through one function, and read by the business.
import { OPEN } from '../../credentials.js';
import { VOUCHED } from '../../personas.js';

const STAFF = ['admin', 'service'];
const kept = {};
const sent = { insert: ['service'] };

const columns = (names, decision = kept) => Object.fromEntries(names.map((name) => [name, decision]));

/** A UUIDv7 of now. */
const id = () => {
  const time = Date.now().toString(16).padStart(12, '0');
  const random = crypto.randomUUID();
  return `${time.slice(0, 8)}-${time.slice(8)}-7${random.slice(15)}`;
};

export default {
  relations: {
    'analytics.events': {
      fixture: (add, { owner }, marker) =>
        add('analytics.events', {
          id: id(),
          type: 'page_view',
          name: marker,
          user_id: owner.sub,
          properties: {},
          metadata: {},
          is_bot: false,
          user_is_verified: false,
          received_at: new Date().toISOString(),
          occurred_at: new Date().toISOString(),
          ingest_seq: 0,
        }),
      draft: (_, marker) => ({ id: id(), type: 'page_view', name: marker, occurred_at: new Date().toISOString() }),
      change: { name: 'changed' },
      states: { 'of a bot': { is_bot: true }, 'without a user': { user_id: null } },
      // A user's events are not the user's to read: they are what the business has seen.
      owner: null,
      select: STAFF,
      insert: [],
      'insert for another': null,
      update: [],
      delete: [],
      columns: columns([
        ...[
          'id',
          'type',
          'name',
          'user_id',
          'user_is_verified',
          'session_id',
          'anonymous_id',
          'properties',
          'metadata',
          'user_agent',
          'referrer',
        ],
        ...[
          'url',
          'device_type',
          'browser',
          'os',
          'country',
          'region',
          'is_bot',
          'received_at',
          'occurred_at',
          'ingest_seq',
        ],
      ]),
    },
    'analytics.metrics': {
      fixture: (add, _, marker) =>
        add('analytics.metrics', {
          id: crypto.randomUUID(),
          name: marker,
          type: 'gauge',
          value_numeric: 1,
          dimensions: {},
          tags: [],
          timestamp: new Date().toISOString(),
          created_at: new Date().toISOString(),
        }),
      draft: (_, marker) => ({ name: marker, value_numeric: 1 }),
      change: { name: 'changed' },
      owner: null,
      select: STAFF,
      insert: ['service'],
      'insert for another': null,
      update: [],
      delete: ['service'],
      columns: {
        ...columns(['id', 'dimensions_hash', 'created_at']),
        ...columns(
          [
            ...['name', 'description', 'type', 'value_numeric', 'value_json', 'dimensions', 'tags', 'timestamp'],
            ...['time_window_start', 'time_window_end', 'granularity', 'source', 'aggregation', 'sample_count'],
          ],
          sent,
        ),
      },
    },
    'analytics.event_aggregations': {
      fixture: (add, _, marker) =>
        add('analytics.event_aggregations', {
          id: crypto.randomUUID(),
          event_type: 'page_view',
          event_name: marker,
          time_bucket: '2026-01-01T00:00:00Z',
          granularity: 'day',
          event_count: 1,
          unique_users: 1,
          unique_sessions: 1,
          created_at: new Date().toISOString(),
          updated_at: new Date().toISOString(),
        }),
      draft: (_, marker) => ({ id: crypto.randomUUID(), event_name: marker }),
      change: { event_count: 5 },
      states: { 'of all events': { event_type: null } },
      owner: null,
      select: STAFF,
      insert: [],
      'insert for another': null,
      update: [],
      delete: [],
      columns: columns([
        ...['id', 'event_type', 'event_name', 'time_bucket', 'granularity', 'event_count', 'unique_users'],
        ...['unique_sessions', 'dimensions', 'dimensions_hash', 'created_at', 'updated_at'],
      ]),
    },
  },
  cleanUp: (sql) => sql(`delete from analytics.events where name ~ '^call-'`),
  functions: {
    'analytics.track_events(jsonb)': {
      arguments: (marker) => ({ events: [{ name: marker }] }),
      depends: 'place and device',
      ...VOUCHED,
    },
    'analytics.first_id(timestamp with time zone)': { execute: [] },
    'analytics.id_milliseconds(uuid)': { execute: [] },
    'analytics.undated_id(uuid)': { execute: [] },
    'analytics.make_partition(text, uuid, uuid)': { execute: [] },
    'analytics.make_event_partitions(integer)': { execute: [] },
    'analytics.drop_event_partitions(timestamp with time zone)': { execute: [] },
    'analytics.delete_undated_events(timestamp with time zone)': { execute: [] },
    'analytics.event_writers()': { execute: [] },
    'analytics.settled_ingest_seq()': { execute: [] },
    'analytics.read_time(text)': { execute: [] },
    'analytics.event_time(jsonb)': { execute: [] },
    'analytics.aggregation_id(text, text, text, timestamp with time zone, text)': {
      execute: [],
    },
    'analytics.wider(text, text, timestamp with time zone)': { execute: [] },
    'analytics.add_events(bigint, bigint)': { execute: [] },
    'analytics.process_pending_events(bigint)': { execute: [] },
    'analytics.drop_old_counts(timestamp with time zone, timestamp with time zone)': { execute: [] },
  },
  routes: {
    'POST /v1/events': { body: (marker) => ({ name: marker }), call: OPEN },
  },
};
