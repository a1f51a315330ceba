// Lists, threads and searches of observatory, at the sizes that the figures are about: in the database, as the member who reads, and
// through the edge, by a hundred members at once.
import pg from 'pg';
import { conversation, EVERYWHERE, SIZES as LOADED, load, OWNER, PROJECT, STRANGER, WORDS } from './load.js';
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

const PROJECTS = 'select * from observatory.projects order by last_activity_at desc, id limit 50';
const CONVERSATIONS = `select * from observatory.conversations where project_id = ${PROJECT} order by last_message_at desc, id desc limit 50`;
/** The same tables and indexes, without rules about who may see what, and without the function that answers. */
const BARE = 'the rows alone, read without policies';
/** Everything that matches, ordered by rank: what the function's limit of a thousand candidates saves. */
const ranked = (q) => ({
  name: 'all that match, ranked',
  query: `select s.message_id from private.message_search as s
    where s.project_id = ${PROJECT} and s.search @@ private.search_query('${q}')
    order by ts_rank_cd(s.search, private.search_query('${q}'), 32) desc, s.occurred_at desc limit 20`,
});

/**
 * What is asked, as whom, and within how many ms. `plan`: the statement inside, which the plan of a function's call does not show. `rival`:
 * what does the same in a simpler way, asked by the owner of the database.
 */
export const ROWS = [
  {
    name: 'project list: 50 of 101',
    most: 5,
    query: PROJECTS,
    rival: {
      name: BARE,
      query: `select p.* from observatory.project_members as m inner join observatory.projects as p on p.id = m.project_id
        where m.user_id = '${OWNER}' order by p.last_activity_at desc, p.id limit 50`,
    },
  },
  {
    name: 'project list: 50 of all projects, by one who has made most of them',
    most: 50,
    as: EVERYWHERE,
    query: PROJECTS,
    rival: {
      name: BARE,
      query: `select p.* from observatory.project_members as m inner join observatory.projects as p on p.id = m.project_id
        where m.user_id = '${EVERYWHERE}' order by p.last_activity_at desc, p.id limit 50`,
    },
  },
  {
    name: 'conversation list, 50 of a project’s 2,000',
    most: 10,
    query: CONVERSATIONS,
    rival: { name: BARE, query: CONVERSATIONS },
  },
  {
    name: 'conversation list of the same project, by a member of all projects',
    most: 25,
    as: EVERYWHERE,
    query: CONVERSATIONS,
  },
  {
    name: 'a page of 100 messages with their tool calls',
    most: 10,
    query: `select observatory.thread(${conversation(7)})`,
    plan: `select m.id from observatory.messages as m where m.conversation_id = ${conversation(7)} order by m.seq, m.id limit 100`,
    rival: {
      name: 'the rows alone, without depth, cut texts, subagents and links',
      query: `select m.*, t.* from (
          select * from observatory.messages where conversation_id = ${conversation(7)} order by seq, id limit 100) as m
        left join observatory.tool_calls as t on t.message_id = m.id`,
    },
  },
  {
    name: 'search: a rare term',
    most: 5,
    query: search(WORDS.rare),
    plan: hits(WORDS.rare),
    rival: ranked(WORDS.rare),
  },
  {
    name: 'search: a common term',
    most: 15,
    query: search(WORDS.common),
    plan: hits(WORDS.common),
    rival: ranked(WORDS.common),
  },
  {
    name: 'search: two common words',
    most: 150,
    query: search(`${WORDS.common} ${WORDS.second}`),
    plan: hits(`${WORDS.common} ${WORDS.second}`),
    rival: ranked(`${WORDS.common} ${WORDS.second}`),
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
    name: 'search: a rare term, by a member of all projects: the 200 most active',
    most: 150,
    as: EVERYWHERE,
    query: `select observatory.search('${WORDS.rare}')`,
  },
  {
    name: 'search of a stranger with one small project: a term that the large one has a million times',
    most: 5,
    as: STRANGER,
    query: `select observatory.search('${WORDS.common}')`,
  },
  {
    name: 'suggestions',
    most: 5,
    query: `select observatory.suggest('file_7', ${PROJECT})`,
    plan: `select s.term, s.kind, s.uses from observatory.search_terms as s
      where s.project_id = ${PROJECT} and s.folded ~>=~ 'file_7' and s.folded ~<~ ('file_7' || U&'\\+10FFFF') limit 5000`,
    rival: {
      name: 'names counted in the tool calls themselves',
      query: `select regexp_replace(t.file_path, '^.*/', '') as term, count(*) from observatory.tool_calls as t
        where t.project_id = ${PROJECT} and t.file_path like '%/file_7%' group by 1 order by 2 desc limit 10`,
    },
  },
  { name: 'similar messages', most: 150, query: `select observatory.similar(md5('message 1007')::uuid)` },
];

/** Those that readers.js asks. */
const READ_AT_ONCE = [
  'project list: 50 of 101',
  'conversation list, 50 of a project’s 2,000',
  'a page of 100 messages with their tool calls',
  'search: a rare term',
  'suggestions',
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
const explained = ({ rows }) => {
  const [plan] = rows[0]['QUERY PLAN'];
  return plan['Planning Time'] + plan['Execution Time'];
};
const times = async (client, { query, as: sub = OWNER }) => {
  const found = [];
  for (let n = 0; n < RUNS; n += 1) {
    const took = explained(
      await as(client, sub, () => client.query(`explain (analyze, timing off, format json) ${query}`)),
    );
    // The first few read from disk.
    if (n >= 5) found.push(took);
  }
  return found;
};

/** What the rival takes, as text. It may take seconds: a few times will do. */
const rivalOf = async (client, { name, query }, most) => {
  const found = [];
  for (let n = 0; n < 6; n += 1) {
    const took = explained(await client.query(`explain (analyze, timing off, format json) ${query}`));
    if (n >= 1) found.push(took);
  }
  return `${name}: ${rounded(median(found))} ms, ${rounded(median(found) / most)} times as long`;
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
        ...(row.rival && { rival: await rivalOf(client, row.rival, median(found)) }),
      };
      rows.push(made);
      say(`${made.name}: ${made.reached} (${made.aim})${made.rival ? `; ${made.rival}` : ''}`);
    }
    const { seconds } = options;
    // What readers ask is what is measured above, each by itself.
    const asked = rows.filter(({ name }) => READ_AT_ONCE.includes(name));
    const plan = asked.map(({ name, plan: text }) => `${name}\n${text}`).join('\n\n');
    return [...rows, ...(await measureReaders({ stack, data, sql, seconds, stopping, say, plan }))];
  } finally {
    await client.end();
  }
};
