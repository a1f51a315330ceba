// What sealing a key costs at the edge, and what keys cost in the database where there are many.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { token } from '../../dev/issuer.js';
import { SetupError } from '../../dev/setup.js';
import { median, p99, rounded } from '../figures.js';
import { cpuTime } from '../machine.js';

export const SIZES = { keys: 1_000_000, seals: 600 };
export const only = undefined;

export const USER = '00000000-0000-4000-8000-000000000001';
const PER_USER = 20;

/** Twenty keys of each user, all but a few active; every tenth never expires. */
const LOAD = `insert into flashfusion.user_api_keys (
    id, user_id, service_name, key_alias, is_active, last_four, fingerprint, status, expires_at, created_at, revoked_at)
  select md5('key ' || n)::uuid, case when n <= ${PER_USER} then '${USER}' else md5('user ' || n / ${PER_USER})::uuid end,
    (array['openai', 'anthropic', 'groq'])[1 + n % 3], 'Key ' || n, n % 20 <> 7, 'wxyz', md5('a' || n) || md5('b' || n),
    case when n % 20 = 7 then 'revoked' else 'active' end,
    case when n % 10 > 0 then now() + make_interval(days => 1 + n % 700) end, now() - make_interval(mins => n),
    case when n % 20 = 7 then now() end
  from generate_series(1, $1::int) as n`;
const LOAD_SECRETS = `insert into private.api_key_secrets (key_id, user_id, sealed, key_version)
  select k.id, k.user_id, 'v1.' || repeat('a', 16) || '.' || repeat('b', 64) || '.' || repeat('c', 16) || '.' || repeat('d', 150), 1
  from flashfusion.user_api_keys as k where k.revoked_at is null`;
const LOAD_REMINDERS = `insert into private.key_reminders (key_id, due_at)
  select k.id, private.next_key_reminder(k.expires_at, now()) from flashfusion.user_api_keys as k
  where k.revoked_at is null and private.next_key_reminder(k.expires_at, now()) is not null`;

/** Without triggers: what an insert costs is not the question. */
export const loadKeys = async (client, keys) => {
  await client.query('set session_replication_role = replica');
  await client.query(LOAD, [keys]);
  await client.query(LOAD_SECRETS);
  await client.query(LOAD_REMINDERS);
  await client.query('set session_replication_role = origin');
  await client.query('vacuum analyze flashfusion.user_api_keys, private.api_key_secrets, private.key_reminders');
};

/** What is asked of the database: as whom, what it must take at most, and which index is for it. */
const QUERIES = [
  {
    name: 'the keys of a user',
    query: 'select * from flashfusion.user_api_keys order by created_at desc, id desc limit 50',
    most: 2,
    index: 'user_api_keys_user_id',
  },
  {
    name: 'those that never expire',
    query: 'select id from flashfusion.user_api_keys where expires_at is null and revoked_at is null',
    most: 2,
    index: 'user_api_keys_never_expires',
  },
  {
    name: 'one use of a key, counted and recorded',
    query: `select flashfusion.open_key(md5('key 30')::uuid)`,
    as: 'worker',
    most: 5,
  },
  {
    name: 'the reminders that are due',
    query:
      'select key_id from private.key_reminders where due_at <= now() order by due_at limit 1000 for update skip locked',
    as: 'owner of the database',
    most: 20,
    index: 'key_reminders_due_at',
  },
];

const CLAIMS = {
  user: { role: 'authenticated', sub: USER },
  worker: {
    role: 'edge',
    edge: { caller: 'service_role' },
    api_token: { id: randomUUID(), systems: [], endpoints: ['POST /v1/keys/{id}/use'], access: 'write' },
  },
};

const inDatabase = async (client, { query, as = 'user' }, body) => {
  await client.query('begin');
  try {
    const claims = CLAIMS[as];
    if (claims)
      await client.query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
        claims.role,
        JSON.stringify(claims),
      ]);
    return await body(`explain (analyze, buffers, format text) ${query}`);
  } finally {
    await client.query('rollback');
  }
};

const planOf = async (client, row) =>
  inDatabase(client, row, async (text) => (await client.query(text)).rows.map((line) => line['QUERY PLAN']).join('\n'));

const database = async ({ stack, stopping, options, say }) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    say(`making ${options.keys} keys`);
    await loadKeys(client, options.keys);
    const rows = [];
    for (const row of QUERIES) {
      stopping.signal.throwIfAborted();
      const times = [];
      let plan;
      for (let n = 0; n < 33; n += 1) {
        plan = await planOf(client, row);
        const [planning, execution] = [/Planning Time: ([\d.]+)/, /Execution Time: ([\d.]+)/].map((found) =>
          Number(found.exec(plan)[1]),
        );
        // The first few read from disk.
        if (n >= 3) times.push(planning + execution);
      }
      const reached = `${rounded(median(times))} ms, p99 ${rounded(p99(times))} ms`;
      const met = median(times) < row.most && (row.index === undefined || plan.includes(row.index));
      rows.push({ name: `${row.name}, of ${options.keys} keys`, aim: `under ${row.most} ms`, reached, met, plan });
      say(`${row.name}: ${reached}`);
    }
    return rows;
  } finally {
    await client.end();
  }
};

/** The CPU of the edge's process for a request that is sealed and then refused by the database, beyond that of one that is only refused. */
const sealing = async ({ stack, stopping, options, say }) => {
  const bearer = await token(stack.keys, { issuer: stack.issuer.issuer, sub: USER });
  const send = async (path, json) => {
    const start = performance.now();
    const answer = await fetch(`${stack.edgeUrl}/v1/keys/${randomUUID()}/${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, ...(json && { 'content-type': 'application/json' }) },
      body: json && JSON.stringify(json),
    });
    const { code } = await answer.json();
    if (code !== 'RG602') throw new SetupError(`A request was answered ${answer.status} ${code}.`);
    return performance.now() - start;
  };
  const kinds = {
    sealed: { send: () => send('rotate', { key: `sk-proj-${'a'.repeat(100)}` }), times: [], cpu: 0 },
    plain: { send: () => send('confirm'), times: [], cpu: 0 },
  };
  const { part } = stack.edge;
  const rounds = 10;
  const each = Math.ceil(options.seals / rounds);
  // In turns, so that what else the machine does meets both. What is called often is compiled once more, by and by.
  for (let round = -2; round < rounds; round += 1)
    for (const kind of Object.values(kinds)) {
      stopping.signal.throwIfAborted();
      const before = cpuTime(part);
      const times = [];
      for (let n = 0; n < each; n += 1) times.push(await kind.send());
      if (round < 0) continue;
      kind.times.push(...times);
      kind.cpu += (cpuTime(part) - before) / 1000 / (each * rounds);
    }
  const { sealed, plain } = kinds;
  const ms = sealed.cpu - plain.cpu;
  const reached = `${rounded(ms)} ms of CPU; the whole request ${rounded(median(sealed.times))} ms, one that is not sealed ${rounded(median(plain.times))} ms`;
  say(`sealing a key: ${reached}`);
  return [
    {
      name: 'sealing a key at the edge, its fingerprint and the larger call included',
      aim: 'under 1 ms',
      reached,
      met: ms < 1,
    },
  ];
};

/** @param {{stack: object, stopping: AbortController, options: object, say: Function}} parts */
export const measure = async (parts) => [...(await sealing(parts)), ...(await database(parts))];
