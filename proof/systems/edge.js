// What belongs to no system: the edge's own functions, health, and the data API's routes themselves.
import { HOLDERS } from '../credentials.js';

const data = (path, body) => ({ path, body, call: HOLDERS });

/** Executed by the edge's own token, and at PostgREST only. */
const edges = { execute: [], database: { execute: ['edge'] } };
const STAFF = ['admin', 'service'];
const staff = { execute: [], database: { execute: STAFF, depends: null } };
const byAddress = (marker) => ({ email: `${marker}@example.org` });
export default {
  relations: {},
  functions: {
    // The edge does not serve the schema: even its own token opens it at PostgREST only.
    'edge.ready()': { execute: [], database: { execute: ['edge'] } },
    'edge.note_job(text, bigint, bigint, text)': {
      arguments: (marker) => ({ job: marker, took_ms: 1, rows: 0, error: null }),
      ...edges,
    },
    // The caller's own token opens them.
    'edge.export_person(text, text[])': { arguments: byAddress, depends: null, ...staff },
    'edge.erase_person(text, text[], boolean)': { arguments: byAddress, depends: null, ...staff },
    'edge.run_job(text)': {
      arguments: () => ({ job: 'clean_core' }),
      execute: [],
      database: { execute: ['edge'] },
    },
  },
  routes: {
    'GET /healthz': { call: 'everybody' },
    'GET /readyz': { call: 'everybody' },
    'POST /v1/admin/gdpr/export': { body: byAddress, call: HOLDERS },
    'POST /v1/admin/gdpr/erase': { body: byAddress, call: HOLDERS },
    'GET /rest/v1/{relation}': data('/rest/v1/nothing?limit=0'),
    'POST /rest/v1/{relation}': data('/rest/v1/nothing', () => ({})),
    'PATCH /rest/v1/{relation}': data('/rest/v1/nothing?name=eq.nothing', () => ({ name: 'nothing' })),
    'PUT /rest/v1/{relation}': data('/rest/v1/nothing?id=eq.nothing', () => ({})),
    'DELETE /rest/v1/{relation}': data('/rest/v1/nothing?name=eq.nothing'),
    'GET /rest/v1/rpc/{function}': data('/rest/v1/rpc/nothing'),
    'POST /rest/v1/rpc/{function}': data('/rest/v1/rpc/nothing', () => ({})),
  },
};
