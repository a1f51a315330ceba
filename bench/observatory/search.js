// Lists, threads and searches of observatory, at the sizes that the figures are about: in the database, as the member who reads, and
// through the edge, by a hundred members at once.
import pg from 'pg';
import { conversation, SIZES as LOADED, load, OWNER, PROJECT, STRANGER, WORDS } from './load.js';
import { measureReaders } from './readers.js';

/** `seconds`: of each load of readers. */
export const SIZES = { ...LOADED, seconds: 20 };
export const only = undefined;

const RUNS = 40;
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const p99 = (values) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * 0.99))];
const rounded = (ms) => Number(ms.toPrecision(3));

/** The statement that finds what matches, as private.search_hits makes it. */
const hits = (q, project = PROJECT) =>
  `select s.message_id, s.occurred_at, ts_rank_cd(s.search, private.search_query('${q}'), 32) from private.message_search as s
   where s.project_id = ${project} and s.search @@ private.search_query('${q}') order by s.occurred_at desc, s.message_id desc limit 1000`;
const search = (q, more = '') => `select observatory.search('${q}', ${PROJECT}${more})`;

/** What is asked, as whom, and within how many ms. `plan`: the statement inside, which the plan of a function's call does not show. */
const ROWS = [
  {
    name: 'project list of a user with 100 projects',
    most: 5,
    query: 'select * from observatory.projects order by last_activity_at desc, id limit 50',
  },
  {
    name: 'conversation list, 50 of a project’s 2,000',
    most: 10,
    query: `select * from observatory.conversations where project_id = ${PROJECT} order by last_message_at desc, id desc limit 50`,
  },
  {
    name: 'a page of 100 messages with their tool calls',
    most: 10,
    query: `select observatory.thread(${conversation(7)})`,
    plan: `select m.id from observatory.messages as m where m.conversation_id = ${conversation(7)} order by m.seq, m.id limit 100`,
  },
  { name: 'search: a rare term', most: 5, query: search(WORDS.rare), plan: hits(WORDS.rare) },
  { name: 'search: a common term', most: 15, query: search(WORDS.common), plan: hits(WORDS.common) },
  {
    name: 'search: two common words',
    most: 150,
    query: search(`${WORDS.common} ${WORDS.second}`),
    plan: hits(`${WORDS.common} ${WORDS.second}`),
  },
  {
    name: 'search: a word that only foreign projects have',
    most: 5,
    query: search(WORDS.foreign),
    plan: hits(WORDS.foreign),
  },
  { name: 'search: an identifier', most: 15, query: search('getUser1201ById'), plan: hits('getUser1201ById') },
  {
    name: 'search: a common term, of one tool',
    most: 50,
    query: search(WORDS.common, `, tool => 'Grep'`),
  },
  {
    name: 'search: a rare term through all 101 projects',
    most: 150,
    query: `select observatory.search('${WORDS.rare}')`,
  },
  {
    name: 'search of a stranger with one small project: a term that the large one has a million times',
    most: 5,
    as: STRANGER,
    query: `select observatory.search('${WORDS.common}')`,
  },
  { name: 'suggestions', most: 5, query: `select observatory.suggest('file_12', ${PROJECT})` },
  { name: 'similar messages', most: 150, query: `select observatory.similar(md5('message 1007')::uuid)` },
];

/** Runs the body in a transaction as PostgREST would, and rolls it back. */
const as = async (client, sub, body) => {
  await client.query('begin');
  try {
    await client.query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'authenticated', sub }),
    ]);
    return await body();
  } finally {
    await client.query('rollback');
  }
};

/** Milliseconds inside the server, planning included. */
const times = async (client, { query, as: sub = OWNER }) => {
  const found = [];
  for (let n = 0; n < RUNS; n += 1) {
    const { rows } = await as(client, sub, () => client.query(`explain (analyze, timing off, format json) ${query}`));
    const [plan] = rows[0]['QUERY PLAN'];
    // The first few read from disk.
    if (n >= 5) found.push(plan['Planning Time'] + plan['Execution Time']);
  }
  return found;
};

const planOf = async (client, { query, plan, as: sub = OWNER }) => {
  const text = `explain (analyze, buffers) ${plan ?? query}`;
  const { rows } = plan ? await client.query(text) : await as(client, sub, () => client.query(text));
  return rows.map((row) => row['QUERY PLAN']).join('\n');
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, data, stopping, options, say }) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const sql = async (text, values) => (await client.query(text, values)).rows;
  try {
    await load(sql, { ...options, say, signal: stopping.signal });
    const rows = [];
    for (const row of ROWS) {
      stopping.signal.throwIfAborted();
      const found = await times(client, row);
      const made = {
        name: row.name,
        aim: `under ${row.most} ms`,
        reached: `${rounded(median(found))} ms, p99 ${rounded(p99(found))} ms`,
        met: median(found) < row.most,
        plan: await planOf(client, row),
      };
      rows.push(made);
      say(`${made.name}: ${made.reached} (${made.aim})`);
    }
    const { seconds } = options;
    return [...rows, ...(await measureReaders({ stack, data, sql, seconds, stopping, say }))];
  } finally {
    await client.end();
  }
};
