// The calls of the core's endpoints, for npm run bench -- scale.

const caller = { sub: (n) => `md5('user ' || ${n})::uuid` };
const PAGE = 'The edge answers it without the database.';
const DATA_API = 'The data API: its usual reads and writes are in the lists of each system.';
const OF_SYSTEMS = 'What it reads is the systems’ rows.';

export const endpoints = () => ({
  'GET /healthz': PAGE,
  'GET /readyz': 'It asks PostgREST for its own state, and reads no table.',
  'GET /openapi.json': {
    caller,
    with: `schemas => array(select n.nspname::text from pg_namespace as n where n.nspname in ('clixen', 'marketing', 'flashfusion', 'observatory', 'assistant'))`,
    holds: `(answer -> 'paths') ? '/rest/v1/leads'`,
    why: 'It reads the catalogs, which are as large at any size; the edge caches it.',
  },
  'GET /docs': PAGE,
  'GET /docs/style.css': PAGE,
  'GET /docs/filter.js': PAGE,
  'GET /v1/changes': 'npm run bench -- changes measures it, by the number of listeners.',
  'POST /v1/admin/gdpr/export': `${OF_SYSTEMS} “everything that is held on a person” in the list of growth is it.`,
  'POST /v1/admin/gdpr/erase': `${OF_SYSTEMS} “marketing.gdpr_delete_user_data” in the list of growth is it.`,
  'POST /v1/tokens': {
    caller,
    with: (n) =>
      `token_hash => encode(sha256(convert_to('new token ' || ${n}, 'UTF8')), 'hex'), prefix => 'rgt_9fK2Qx', name => 'Import', endpoints => '["GET /v1/nothing"]'`,
    holds: `answer ->> 'name' = 'Import'`,
    why: 'The user’s tokens are counted by their index, and one is added. A hundred users queue for the ends of the logs’ indexes, which each of them writes: it makes their p99, and a fifth fewer calls a second.',
  },
  'GET /v1/tokens': {
    caller,
    holds: 'jsonb_array_length(answer) = 10',
    why: 'The user’s ten tokens are found by their index.',
  },
  'DELETE /v1/tokens/{id}': {
    caller,
    with: (n) => `token_id => md5('token ' || ${n} * 10)::uuid`,
    holds: `answer ->> 'name' like 'Token %'`,
    why: 'The token is found by its key.',
  },
  'POST /v1/admin/keys/rewrap':
    'An operator’s, once for each new key: it goes through all that is sealed, a batch at a time.',
  ...Object.fromEntries(
    [
      ...['GET', 'POST', 'PATCH', 'PUT', 'DELETE'].map((method) => `${method} /rest/v1/{relation}`),
      ...['GET', 'POST'].map((method) => `${method} /rest/v1/rpc/{function}`),
    ].map((endpoint) => [endpoint, DATA_API]),
  ),
});
