// The hot statements of one system in the database: reads as the caller against service_role; and reads and the functions of endpoints with
// fresh, stale and no statistics.
import pg from 'pg';
import { median } from '../figures.js';
import { isSteady, securityRow, shown, statisticsRow } from './aims.js';
import { as, checkedAnswer, explained, medians, OFFICE, planOf, preparedReads } from './ask.js';
import { callOf, preparedCalls } from './endpoints.js';

/** Runs of each side on each connection; the first few read from disk. */
const RUNS = 18;
const COLD = 3;
/** PL/pgSQL makes five plans of a statement before it keeps one. */
const OWN_PLANS = 5;
const SESSION = 8;
/** A read whose runs take longer than this altogether has `MIN_SESSION` runs. */
const PATIENCE_MS = 10_000;
const MIN_SESSION = 3;

/** Everything that is not PostgreSQL's own. */
const OURS = `n.nspname !~ '^pg_' and n.nspname not in ('information_schema', 'bench_early')`;
const RELATIONS = `select c.oid from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'm', 'i', 'I') and ${OURS}`;
/** Nothing is known of a table. */
const FORGET = [
  `delete from pg_statistic where starelid in (${RELATIONS})`,
  `delete from pg_statistic_ext_data where stxoid in (select oid from pg_statistic_ext where stxrelid in (${RELATIONS}))`,
  `update pg_class set reltuples = -1, relpages = 0, relallvisible = 0 where oid in (${RELATIONS})`,
];

/** Rows that a table had when its stale statistics were made. */
const EARLY = 1000;
/**
 * Copies of each table's first rows, analysed as the table would be. The columns have the same numbers, as no table has lost one. How many pages
 * are visible to all is never stale: vacuum writes it together with the map that it is about.
 */
const COPIES = `do $$
declare
  relation record;
  statistics record;
begin
  create schema bench_early;
  for relation in
    select c.oid from pg_class as c inner join pg_namespace as n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'm') and ${OURS}
      and not exists (select from pg_attribute as a where a.attrelid = c.oid and a.attisdropped)
  loop
    execute format('create table bench_early.t%s as select * from %s limit ${EARLY}', relation.oid, relation.oid::regclass);
    update pg_attribute as c set attoptions = a.attoptions, attstattarget = a.attstattarget from pg_attribute as a
    where a.attrelid = relation.oid and (a.attoptions is not null or a.attstattarget >= 0) and c.attnum = a.attnum
      and c.attrelid = format('bench_early.t%s', relation.oid)::regclass;
    for statistics in select s.oid from pg_statistic_ext as s where s.stxrelid = relation.oid
    loop
      execute regexp_replace(pg_get_statisticsobjdef(statistics.oid), '^CREATE STATISTICS \\S+(.*) FROM \\S+$',
        format('create statistics bench_early.s%s\\1 from bench_early.t%s', statistics.oid, relation.oid));
    end loop;
    execute format('analyze bench_early.t%s', relation.oid);
    update pg_class as c set relallvisible = t.relallvisible from pg_class as t
    where c.oid = format('bench_early.t%s', relation.oid)::regclass and t.oid = relation.oid;
  end loop;
end $$`;
const COPY = `from pg_class as c inner join pg_class as t on t.oid = substr(c.relname, 2)::oid
  where c.relnamespace = 'bench_early'::regnamespace and c.relkind = 'r'`;

/** What the planner may believe one day. Stale: what was true of the first thousand rows of each table. */
export const STATISTICS = {
  fresh: ['analyze'],
  stale: [
    COPIES,
    ...FORGET,
    // Of a partitioned table, what all of its partitions have together.
    `update pg_statistic as s set starelid = t.oid, stainherit = t.relkind = 'p' ${COPY} and s.starelid = c.oid`,
    `update pg_statistic_ext_data as d set stxoid = substr(e.stxname, 2)::oid, stxdinherit = t.relkind = 'p'
      from pg_statistic_ext as e inner join pg_statistic_ext as o on o.oid = substr(e.stxname, 2)::oid inner join pg_class as t on t.oid = o.stxrelid
      where e.stxnamespace = 'bench_early'::regnamespace and d.stxoid = e.oid`,
    `update pg_class as k set reltuples = c.reltuples, relallvisible = c.relallvisible,
      relpages = case t.relkind when 'p' then t.relpages else c.relpages end ${COPY} and k.oid = t.oid`,
    'drop schema bench_early cascade',
  ],
  none: FORGET,
};

const mean = (a, b) => Object.fromEntries(Object.keys(a).map((key) => [key, (a[key] + b[key]) / 2]));

/** One side of a comparison: on each connection a plan of its statement, cached as PostgREST caches it. */
class Side {
  constructor(name, clients, claims, text) {
    const places = clients.map((client) => ({ client, planning: [], found: [] }));
    Object.assign(this, { name, places, claims, text });
  }

  async prepare() {
    for (const { client, planning } of this.places) {
      for (let n = 0; n < COLD + 5; n += 1) planning.push((await explained(client, this.claims, this.text)).planning);
      await as(client, this.claims, () => client.query(`prepare ${this.name} as ${this.text}`));
    }
  }

  async run(at) {
    const { client, found } = this.places[at];
    found.push(await explained(client, this.claims, `execute ${this.name}`));
  }

  async end() {
    const figures = [];
    for (const { client, planning, found } of this.places) {
      await client.query(`deallocate ${this.name}`);
      figures.push({ ...medians(found.slice(COLD)), planning: median(planning.slice(COLD)) });
    }
    return mean(...figures);
  }
}

/**
 * As the user and as service_role, in turns. Each on both connections: the processes of two may run on cores that are not equally fast at the
 * time. And each once before the other.
 */
const security = async (clients, read) => {
  const user = new Side('hot_read', clients, read.claims, read.query);
  const bare = new Side('bare_read', clients, OFFICE, read.bare);
  for (const side of [user, bare]) await side.prepare();
  for (let n = 0; n < RUNS; n += 1) {
    await user.run(0);
    await bare.run(1);
    await bare.run(0);
    await user.run(1);
  }
  return securityRow(read.name, await user.end(), await bare.end());
};

const shortest = (found) => Math.min(...found.map(({ ms }) => ms));

/**
 * What a session of its own reads and how long that takes, by all runs but the first, which looks things up in the catalogs. Blocks: the most of
 * any run. Time: the shortest run, as everything else on the machine only adds to it; of those with the cached plan, if they take longer.
 */
const inSession = async (connect, { claims, query }) => {
  const client = await connect();
  try {
    const found = [];
    const start = performance.now();
    for (let n = 0; n < SESSION && (n < MIN_SESSION || performance.now() - start < PATIENCE_MS); n += 1)
      found.push(await explained(client, claims, query));
    const warm = found.slice(1);
    const cached = found.slice(OWN_PLANS);
    const ms = Math.max(...[found.slice(1, OWN_PLANS), cached].filter(({ length }) => length).map(shortest));
    return { ...medians(warm), ms, blocks: Math.max(...warm.map(({ blocks }) => blocks)) };
  } finally {
    await client.end();
  }
};

/** Every read, and every call of a function, in every state of the statistics. */
const statistics = async ({ client, connect, reads, signal, say }) => {
  const figures = new Map(reads.map((read) => [read, {}]));
  const plans = new Map();
  for (const [state, statements] of Object.entries(STATISTICS)) {
    for (const statement of statements) await client.query(statement);
    for (const [read, states] of figures) {
      signal.throwIfAborted();
      states[state] = await inSession(connect, read);
      if (isSteady(states.fresh, states[state])) continue;
      say(`${read.name}: ${shown(states[state])} with ${state} statistics, ${shown(states.fresh)} with fresh ones`);
      plans.set(read, await planOf(client, read));
    }
  }
  for (const statement of STATISTICS.fresh) await client.query(statement);
  return [...figures].map(([read, states]) => ({
    ...statisticsRow(read.name, states),
    ...(plans.has(read) && { plan: plans.get(read) }),
  }));
};

/** The calls of functions, in the form of reads, each asked once. */
const callsOf = async (client, sql, { calls, endpoints, size }) => {
  const made = [];
  for (const call of await preparedCalls(endpoints, calls, size, sql)) {
    const first = await callOf(call, sql);
    await checkedAnswer(client, first);
    made.push(first);
  }
  return made;
};

/**
 * Measures on a system of its own.
 * @param {{stack: object, stopping: AbortController, options: {size: number}, list: {load: Function, reads: Function}, calls: object,
 * endpoints: Map<string, object>, say: Function}} parts list, calls, endpoints: what reads.js, endpoints.js and the manifest of a system have
 * @returns {Promise<object[]>} rows of the table
 */
export const measure = async ({ stack, stopping, options: { size }, list, calls, endpoints, say }) => {
  const { signal } = stopping;
  const connect = async () => {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    return client;
  };
  const clients = [await connect(), await connect()];
  const [client] = clients;
  const sql = async (text, values) => (await client.query(text, values)).rows;
  try {
    // It would make fresh statistics in the middle of the others.
    await sql('alter system set autovacuum = off');
    await sql('select pg_reload_conf()');
    await list.load({ sql, client, size, say, signal });
    await calls.load?.({ sql, client, size, say, signal });
    const reads = await preparedReads(client, list.reads({ size }));
    for (const statement of STATISTICS.fresh) await sql(statement);
    const rows = [];
    for (const read of reads.filter(({ bare }) => bare)) {
      signal.throwIfAborted();
      const row = await security(clients, read);
      if (!row.met) row.plan = await planOf(client, read);
      rows.push(row);
      say(`${row.name}: ${row.reached}; ${row.rival} (${row.aim})`);
    }
    const called = await callsOf(client, sql, { calls, endpoints, size });
    return [...rows, ...(await statistics({ client, connect, reads: [...reads, ...called], signal, say }))];
  } finally {
    for (const each of clients) await each.end();
  }
};
