// What belongs to no system: the edge's own functions, health, and the data API's routes themselves.
import { createHash } from 'node:crypto';
import { HOLDERS } from '../credentials.js';
import { USERS } from '../personas.js';

const data = (path, body) => ({ path, body, call: HOLDERS });

/** Executed by the edge's own token, and at PostgREST only. */
const edges = { execute: [], database: { execute: ['edge'] } };
const STAFF = ['admin', 'service'];
const staff = { execute: [], database: { execute: STAFF, depends: null } };
/** Of API tokens: the edge calls on behalf of users, and of servers. */
const ofTokens = { execute: [], vouched: { execute: [...USERS, 'service'] }, depends: 'the caller' };
const newToken = (marker) => ({ name: marker, endpoints: ['GET /v1/nothing'] });
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
    'edge.sealed_batch(jsonb, integer, bigint)': {
      arguments: () => ({ after: null, most: 1, below: 1 }),
      ...edges,
      depends: 'that the caller is a server',
    },
    'edge.rewrapped(jsonb)': { arguments: () => ({ rows: [] }), ...edges },
    // The caller's own token opens them.
    'edge.export_person(text, text[])': { arguments: byAddress, depends: null, ...staff },
    'edge.erase_person(text, text[], boolean)': { arguments: byAddress, depends: null, ...staff },
    'edge.exchange_api_token(text)': { arguments: () => ({ token_hash: '00' }), ...edges },
    'edge.create_api_token(text, text, text, jsonb, jsonb, text, timestamp with time zone)': {
      arguments: (marker) => ({
        ...newToken(marker),
        token_hash: createHash('sha256').update(marker).digest('hex'),
        prefix: 'rgt_proof1',
      }),
      ...ofTokens,
    },
    'edge.api_tokens()': { arguments: () => ({}), ...ofTokens },
    'edge.revoke_api_token(uuid)': {
      arguments: () => ({ token_id: '00000000-0000-4000-8000-000000000000' }),
      ...ofTokens,
    },
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
    'POST /v1/tokens': { body: newToken, call: HOLDERS },
    'GET /v1/tokens': { call: HOLDERS },
    'DELETE /v1/tokens/{id}': { path: '/v1/tokens/00000000-0000-4000-8000-000000000000', call: HOLDERS },
    'POST /v1/admin/keys/rewrap': { body: () => ({}), call: ['service'] },
    'GET /rest/v1/{relation}': data('/rest/v1/nothing?limit=0'),
    'POST /rest/v1/{relation}': data('/rest/v1/nothing', () => ({})),
    'PATCH /rest/v1/{relation}': data('/rest/v1/nothing?name=eq.nothing', () => ({ name: 'nothing' })),
    'PUT /rest/v1/{relation}': data('/rest/v1/nothing?id=eq.nothing', () => ({})),
    'DELETE /rest/v1/{relation}': data('/rest/v1/nothing?name=eq.nothing'),
    'GET /rest/v1/rpc/{function}': data('/rest/v1/rpc/nothing'),
    'POST /rest/v1/rpc/{function}': data('/rest/v1/rpc/nothing', () => ({})),
  },
};
