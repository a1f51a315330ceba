// What belongs to no system: the edge's own functions, health, and the data API's routes themselves.
import { createHash } from 'node:crypto';
import { HOLDERS, OPEN } from '../credentials.js';
import { USERS } from '../personas.js';

const data = (path, body) => ({ path, body, call: HOLDERS });

/** Executed by the edge's own token, and at PostgREST only. */
const edges = { execute: [], database: { execute: ['edge'] } };
const STAFF = ['admin', 'service'];
const staff = { execute: [], database: { execute: STAFF, depends: null } };
/** Of API tokens: the edge calls on behalf of users, and of servers. */
const ofTokens = { execute: [], vouched: { execute: [...USERS, 'service'] }, depends: 'the caller' };
/**
 * Routes of the services behind the edge: who may ask, by path and methods. What each of them lets a caller do the service
 * decides; the edge's door is tried here, in front of none.
 */
const handedOn = (call, paths) =>
  Object.fromEntries(
    Object.entries(paths).flatMap(([path, methods]) =>
      methods
        .split(' ')
        .map((method) => [`${method} ${path}`, { path: path.replaceAll(/\{\*?\w+\}/g, 'nothing'), call }]),
    ),
  );
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
    'edge.data_api(text[])': {
      arguments: () => ({ schemas: [] }),
      execute: [],
      database: { execute: [...USERS, 'service'] },
    },
    // It becomes each of the users whom the edge names: nobody else may call it.
    'edge.changes(jsonb, boolean)': { arguments: () => ({ subscriptions: [] }), ...edges },
    'edge.new_changes(jsonb, boolean)': { arguments: () => ({ subscriptions: [], is_opening: false }), ...edges },
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
    'GET /openapi.json': { call: OPEN },
    'GET /docs': { call: 'everybody' },
    'GET /docs/style.css': { call: 'everybody' },
    'GET /docs/filter.js': { call: 'everybody' },
    'POST /v1/admin/gdpr/export': { body: byAddress, call: HOLDERS },
    'POST /v1/admin/gdpr/erase': { body: byAddress, call: HOLDERS },
    'POST /v1/tokens': { body: newToken, call: HOLDERS },
    'GET /v1/tokens': { call: HOLDERS },
    'DELETE /v1/tokens/{id}': { path: '/v1/tokens/00000000-0000-4000-8000-000000000000', call: HOLDERS },
    // A table of no system: 404 to those whom it lets in.
    'GET /v1/changes': { path: '/v1/changes?table=nothing.nothing', call: ['user'] },
    'POST /v1/admin/keys/rewrap': { body: () => ({}), call: ['service'] },
    ...handedOn('everybody', {
      '/auth/v1/authorize': 'GET',
      '/auth/v1/callback': 'GET POST',
      '/auth/v1/verify': 'GET',
      '/auth/v1/.well-known/jwks.json': 'GET',
      '/auth/v1/.well-known/openid-configuration': 'GET',
      '/auth/v1/sso/saml/metadata': 'GET',
      '/auth/v1/sso/saml/acs': 'POST',
      '/storage/v1/object/public/{*rest}': 'GET',
      '/storage/v1/object/sign/{*rest}': 'GET',
      '/storage/v1/render/image/public/{*rest}': 'GET',
      '/storage/v1/render/image/sign/{*rest}': 'GET',
      '/storage/v1/object/upload/sign/{*rest}': 'PUT',
      '/storage/v1/upload/resumable/sign': 'POST',
      '/storage/v1/upload/resumable/sign/{*rest}': 'GET PATCH DELETE',
    }),
    ...handedOn(HOLDERS, {
      '/auth/v1/health': 'GET',
      '/auth/v1/settings': 'GET',
      '/auth/v1/sso': 'POST',
      '/auth/v1/logout': 'POST',
      '/auth/v1/user': 'GET PUT',
      '/auth/v1/user/identities/authorize': 'GET',
      '/auth/v1/user/identities/{identity}': 'DELETE',
      '/auth/v1/user/oauth/grants': 'GET DELETE',
      '/auth/v1/reauthenticate': 'GET',
      '/auth/v1/factors': 'POST',
      '/auth/v1/factors/recovery-codes': 'GET POST DELETE',
      '/auth/v1/factors/recovery-codes/regenerate': 'POST',
      '/auth/v1/factors/recovery-codes/verify': 'POST',
      '/auth/v1/factors/{factor}': 'DELETE',
      '/auth/v1/factors/{factor}/challenge': 'POST',
      '/auth/v1/factors/{factor}/verify': 'POST',
      '/auth/v1/passkeys': 'GET',
      '/auth/v1/passkeys/{*rest}': 'GET POST PATCH DELETE',
      '/auth/v1/oauth/authorizations/{*rest}': 'GET POST',
      '/auth/v1/verify': 'POST',
      '/auth/v1/token': 'POST',
      '/auth/v1/signup': 'POST',
      '/auth/v1/otp': 'POST',
      '/auth/v1/magiclink': 'POST',
      '/auth/v1/recover': 'POST',
      '/auth/v1/resend': 'POST',
      '/realtime/v1/websocket': 'GET',
      '/realtime/v1/api/broadcast': 'POST',
      '/realtime/v1/api/broadcast/{*rest}': 'POST',
      '/storage/v1/bucket': 'GET POST',
      '/storage/v1/bucket/{*rest}': 'GET POST PUT DELETE',
      '/storage/v1/object/{*rest}': 'GET POST PUT DELETE',
      '/storage/v1/render/image/authenticated/{*rest}': 'GET',
      '/storage/v1/upload/resumable': 'POST',
      '/storage/v1/upload/resumable/{*rest}': 'GET POST PATCH DELETE',
      '/storage/v1/cdn/{*rest}': 'DELETE',
      '/storage/v1/iceberg/{*rest}': 'GET POST PUT DELETE',
      '/storage/v1/vector/{*rest}': 'POST',
    }),
    ...handedOn(OPEN, { '/functions/v1/{*rest}': 'GET POST PUT PATCH DELETE' }),
    ...handedOn(['service'], {
      '/auth/v1/invite': 'POST',
      '/auth/v1/admin/{*rest}': 'GET POST PUT PATCH DELETE',
    }),
    'GET /rest/v1/{relation}': data('/rest/v1/nothing?limit=0'),
    'POST /rest/v1/{relation}': data('/rest/v1/nothing', () => ({})),
    'PATCH /rest/v1/{relation}': data('/rest/v1/nothing?name=eq.nothing', () => ({ name: 'nothing' })),
    'PUT /rest/v1/{relation}': data('/rest/v1/nothing?id=eq.nothing', () => ({})),
    'DELETE /rest/v1/{relation}': data('/rest/v1/nothing?name=eq.nothing'),
    'GET /rest/v1/rpc/{function}': data('/rest/v1/rpc/nothing'),
    'POST /rest/v1/rpc/{function}': data('/rest/v1/rpc/nothing', () => ({})),
  },
};
