// What months have used: as it is read, and whether a job refreshes the two summaries within its time limit while others read them.
import pg from 'pg';
import { median, p99, rounded } from '../figures.js';
import { ADMIN, SIZES as LOADED, load, MEMBERS, member, message, READER, ratingsOf, TENANTS, tenant } from './load.js';

/** Days: the rows of sums by day, member and model. */
export const SIZES = { ...LOADED, days: 10_000_000 };
export const only = 'migrated database';

/** What PostgreSQL gives a job: the statement timeout of the role edge. */
const LIMIT = 8000;
const RUNS = 5;
const READERS = 4;
const DAYS = 395;
const PART = 250_000;

/** Each member, and the tenant as a whole, on each day of thirteen months with as many models as the number of rows asks for. */
const USAGE = `
  insert into private.usage_days (
    tenant_id, day, user_id, model, requests, prompt_tokens, completion_tokens, cost_micro, unpriced, estimated
  )
  select ${tenant('o.t')}, current_date - o.day::int, case when o.u < ${MEMBERS} then ${member('o.t', 'o.u')} end, 'model-' || o.model,
    10, 9000, 2100, 6450, 0, 0
  from generate_series($1::bigint, $2::bigint) as g (n), lateral (
    select g.n % ${TENANTS} as t, g.n / ${TENANTS} % ${MEMBERS + 1} as u, g.n / ${TENANTS * (MEMBERS + 1)} % ${DAYS} as day,
      g.n / ${TENANTS * (MEMBERS + 1) * DAYS} as model
  ) as o`;
const MONTHS = `
  insert into private.usage_months
  select tenant_id, date_trunc('month', day::timestamp)::date, user_id, sum(requests), sum(prompt_tokens), sum(completion_tokens),
    sum(cost_micro), 0, 0
  from private.usage_days group by 1, 2, 3`;
/** As rating a message makes them. */
const SNAPSHOTS = `
  insert into private.feedback_snapshots (message_id, conversation_id, tenant_id, user_id, owner_id, rating, role, model, content, before)
  select f.message_id, c.id, c.tenant_id, f.user_id, c.user_id, f.rating, m.role, m.model_used, m.content,
    jsonb_build_array(jsonb_build_object('role', 'user', 'content', m.content))
  from assistant.feedback as f
  inner join assistant.messages as m on m.id = f.message_id
  inner join assistant.conversations as c on c.id = m.conversation_id`;

/** What each summary is: its job, what changes between two runs of it, and what is read meanwhile. */
const SUMMARIES = [
  {
    name: 'usage by month',
    job: 'refresh_usage_summary',
    sizes: ({ days }) => `${days} rows of days`,
    change: `update private.usage_months set requests = requests + 1 where month = date_trunc('month', current_date::timestamp)::date`,
    read: 'select count(*) from assistant.monthly_usage_summary()',
  },
  {
    name: 'ratings by message',
    job: 'refresh_feedback_summary',
    sizes: (sizes) => `${sizes.messages} messages, ${ratingsOf(sizes)} ratings`,
    change: `insert into assistant.feedback (message_id, user_id, rating)
      select ${message('n * 200 + 1')}, ${member(0, 9)}, 1 from generate_series(0, 999) as n
      on conflict on constraint feedback_once do update set rating = -feedback.rating`,
    read: 'select count(*) from assistant.message_feedback_summary()',
  },
];

/** What is asked of the sums, as whom, and within how many ms. */
const READS = [
  { name: 'a month of a tenant by day and model', as: ADMIN, query: 'select assistant.usage_summary(null)' },
  { name: 'a month of a member by day and model', as: READER, query: 'select assistant.usage_summary(null)' },
  { name: 'this day, and what is left of it', as: ADMIN, query: 'select assistant.current_day_usage()' },
];
const MOST = 5;

const connect = async ({ databaseUrl }, role, claims = {}) => {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  // As PostgREST does it: the role's timeout with the role.
  await client.query(`select set_config('request.jwt.claims', $1, false)`, [JSON.stringify({ role, ...claims })]);
  await client.query(`set role ${role}`);
  return client;
};

/** Milliseconds of each read until a promise is settled, by several readers at once. */
const readingWhile = async (clients, query, promise) => {
  const found = [];
  let done = false;
  const reader = async (client) => {
    while (!done) {
      const start = performance.now();
      await client.query(query);
      found.push(performance.now() - start);
    }
  };
  const readers = Promise.all(clients.map(reader));
  try {
    await promise;
  } finally {
    done = true;
    await readers;
  }
  return found;
};

/** Runs a job as the edge does, and gives its milliseconds. */
const runJob = async (client, name) => {
  const start = performance.now();
  const { rows } = await client.query('select edge.run_job($1) as run', [name]);
  if (rows[0].run.error) throw new Error(`${name}: ${JSON.stringify(rows[0].run)}`);
  return performance.now() - start;
};

/** Sums of usage, and snapshots of ratings. */
export const loadSums = async (sql, days, signal) => {
  await sql('set session_replication_role = replica');
  for (let from = 0; from < days; from += PART) {
    signal.throwIfAborted();
    await sql(USAGE, [from, Math.min(from + PART, days) - 1]);
  }
  await sql(MONTHS);
  await sql(SNAPSHOTS);
  await sql('set session_replication_role = default');
  for (const table of ['usage_days', 'usage_months', 'feedback_snapshots'])
    await sql(`vacuum analyze private.${table}`);
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, stopping, options, say }) => {
  const { signal } = stopping;
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  const clients = [client];
  try {
    await client.connect();
    const sql = async (text, values) => (await client.query(text, values)).rows;
    await load(sql, { ...options, say, signal });
    await loadSums(sql, options.days, signal);
    say(`days: ${options.days}`);
    const edge = await connect(stack, 'edge');
    clients.push(edge);
    await edge.query(`set statement_timeout = ${LIMIT}`);
    const readers = [];
    for (let n = 0; n < READERS; n += 1) readers.push(await connect(stack, 'authenticated', { sub: READER }));
    clients.push(...readers);
    const rows = [];
    const note = (row) => {
      rows.push(row);
      say(`${row.name}: ${row.reached} (${row.aim})`);
    };
    for (const { name, as, query } of READS) {
      const reader = await connect(stack, 'authenticated', { sub: as });
      clients.push(reader);
      const found = [];
      for (let run = 0; run < 60; run += 1) {
        const start = performance.now();
        await reader.query(query);
        // The first ones plan, and read from disk.
        if (run >= 10) found.push(performance.now() - start);
      }
      note({
        name: `${name}; ${options.days} rows of days`,
        aim: `under ${MOST} ms`,
        reached: `${rounded(median(found))} ms, p99 ${rounded(p99(found))} ms`,
        met: median(found) < MOST,
      });
    }
    for (const { name, job, sizes, change, read } of SUMMARIES) {
      const [alone, taken, beside] = [[], [], []];
      for (let run = 0; run < RUNS; run += 1) {
        signal.throwIfAborted();
        await sql(change);
        const pause = new Promise((resolve) => setTimeout(resolve, 1000));
        alone.push(...(await readingWhile(readers, read, pause)));
        beside.push(
          ...(await readingWhile(
            readers,
            read,
            runJob(edge, job).then((ms) => taken.push(ms)),
          )),
        );
      }
      note({
        name: `${name}: refreshed while ${READERS} read it; ${sizes(options)}`,
        aim: `under ${LIMIT / 1000} s`,
        reached: `${rounded(median(taken) / 1000)} s, at most ${rounded(Math.max(...taken) / 1000)} s; a read ${rounded(median(beside))} ms, p99 ${rounded(p99(beside))} ms, of ${rounded(median(alone))} ms and ${rounded(p99(alone))} ms without`,
        met: Math.max(...taken) < LIMIT,
      });
    }
    return rows;
  } finally {
    await Promise.all(clients.map((each) => each.end()));
  }
};
