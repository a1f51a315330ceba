// The calls of the core's endpoints, for npm run bench -- scale.

const caller = { sub: (n) => `md5('user ' || ${n})::uuid` };
const PAGE = 'The edge answers it without the database.';
const DATA_API = 'The data API: its usual reads and writes are in the lists of each system.';
const OF_SYSTEMS = 'What it reads is the systems’ rows.';

/** Rows of a day, and users whose rows change. */
const FULL = { changes: 1_000_000 };
const USERS = 100;
/** Changes that a listener has missed, of all users. */
const MISSED = 100;

/** A table whose rows their owner sees, and as many changes as have been made to it within a day. */
const WATCHED = [
  'create schema bench_changes',
  'create table bench_changes.watched (id uuid primary key, user_id uuid not null, title text not null)',
  'alter table bench_changes.watched enable row level security',
  'alter table bench_changes.watched force row level security',
  'create policy owner_select on bench_changes.watched for select to authenticated using (user_id = (select auth.uid()))',
  'grant usage on schema bench_changes to authenticated',
  'grant select on bench_changes.watched to authenticated',
  `select private.track_changes('bench_changes.watched', 'array[user_id]')`,
];
const CHANGES = [
  `insert into bench_changes.watched (id, user_id, title)
   select md5('watched ' || n)::uuid, md5('user ' || n % ${USERS})::uuid, 'Row ' || n from generate_series(1, $1::int) as n`,
  `insert into private.changes (relation, verb, key, audience, position)
   select 'bench_changes.watched'::regclass, 'update', jsonb_build_object('id', md5('watched ' || n)::uuid), array[md5('user ' || n % ${USERS})::uuid],
     (extract(epoch from now() - interval '1 day') * 1000000)::bigint + n * 86400000000 / $1::int
   from generate_series(1, $1::int) as n`,
];

export const load = async ({ sql, size, say }) => {
  for (const statement of WATCHED) await sql(statement);
  await sql('set session_replication_role = replica');
  for (const statement of CHANGES) await sql(statement, [Math.ceil(FULL.changes * size)]);
  await sql('set session_replication_role = default');
  await sql('update private.change_positions set last_assigned = (select max(c.position) from private.changes as c)');
  await sql('vacuum analyze bench_changes.watched, private.changes, private.change_positions');
  say('changes of a day');
};

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
  // By the number of listeners: npm run bench -- changes.
  'GET /v1/changes': {
    caller: { role: 'edge' },
    place: `select c.position as since from private.changes as c order by c.position desc offset ${MISSED} limit 1`,
    with: (n, { since }) =>
      `subscriptions => jsonb_build_array(jsonb_build_object('table', 'bench_changes.watched', 'since', ${since},
        'claims', jsonb_build_object('role', 'authenticated', 'sub', md5('user ' || ${n})::uuid)))`,
    // The role is that of the user then.
    holds: `jsonb_array_length(answer #> '{0,events}') = ${MISSED / USERS}`,
    why: 'An index of positions gives what was changed since the last poll; whether the user sees a row is asked by its key.',
  },
  'POST /v1/admin/gdpr/export': `${OF_SYSTEMS} “marketing.gdpr_export_user_data” in the list of each system is it, and “everything that is held on a person” in that of growth.`,
  'POST /v1/admin/gdpr/erase': `${OF_SYSTEMS} “marketing.gdpr_delete_user_data” in the list of each system is it.`,
  'POST /v1/tokens': {
    caller,
    with: (n) =>
      `token_hash => encode(sha256(convert_to('new token ' || ${n}, 'UTF8')), 'hex'), prefix => 'rgt_9fK2Qx', name => 'Import', endpoints => '["GET /v1/nothing"]'`,
    holds: `answer ->> 'name' = 'Import'`,
    why: 'The user’s tokens are counted by their index, and one is added. A hundred users queue for the ends of the logs’ indexes, which each of them writes: that makes their p99.',
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
  'POST /v1/admin/keys/rewrap': `${OF_SYSTEMS} “edge.sealed_batch” in the list of flashfusion is it.`,
  ...Object.fromEntries(
    [
      ...['GET', 'POST', 'PATCH', 'PUT', 'DELETE'].map((method) => `${method} /rest/v1/{relation}`),
      ...['GET', 'POST'].map((method) => `${method} /rest/v1/rpc/{function}`),
    ].map((endpoint) => [endpoint, DATA_API]),
  ),
});

export const steps = () => ({
  'edge.ready': {
    holds: `answer ->> 'database' = 'ok'`,
    why: 'It counts the texts that each key has encrypted: a row for each.',
  },
  'edge.exchange_api_token': { reads: ['a request with an API token: who sends it'] },
  'edge.new_changes': 'edge.changes calls it: `GET /v1/changes`.',
  'edge.run_job': 'It runs a job, each of which works in parts.',
  'edge.note_job': 'One row for each run of a job.',
  'edge.rewrapped': 'One row by its key for each text that `edge.sealed_batch` gives.',
});
