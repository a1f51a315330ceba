// Analytics of a project with a million messages of a hundred users in ninety days, among ten thousand projects.
import pg from 'pg';
import { median, p99, rounded } from '../figures.js';

export const SIZES = { messages: 1_000_000, projects: 10_000 };
export const only = 'migrated database';

const RUNS = 40;
const DAYS = 90;
const USERS = 100;
/** Messages of each conversation. */
const LENGTH = 500;
/** Rows for each statement. */
const PART = 50_000;
const OWNER = '00000000-0000-4000-8000-000000000001';
export const PROJECT = `md5('analysed project')::uuid`;
const user = (n) =>
  `case ${n} % ${USERS} when 0 then '${OWNER}'::uuid else md5('analysed user ' || ${n} % ${USERS})::uuid end`;
const conversation = (n) => `md5('analysed conversation ' || ${n})::uuid`;
const entry = (n) => `md5('analysed entry ' || ${n})::uuid`;
/** Conversations of a user follow one another; all together fill the days, in ten hours of each. */
const AT = `date_trunc('day', now()) - (g.n::bigint * ${DAYS} / $3)::int * interval '1 day' + (8 + g.n % 10) * interval '1 hour'`;

const STATEMENTS = {
  messages: `insert into observatory.messages (
      project_id, conversation_id, owner_id, entry_uuid, parent_uuid, seq, entry_type, role, content, input_tokens, output_tokens, occurred_at)
    select ${PROJECT}, ${conversation(`g.n / ${LENGTH}`)}, ${user('g.n')}, ${entry('g.n')}, ${entry('g.n - 1')}, g.n, r.role, r.role, 'text', 10, g.n % 500, ${AT}
    from generate_series($1::int, $2::int) as g (n), lateral (select (array['user', 'assistant'])[1 + g.n % 2] as role) as r`,
  'tool calls': `insert into observatory.tool_calls (
      project_id, conversation_id, owner_id, tool_use_id, tool_name, status, is_error, started_at, duration_ms, duration_source)
    select ${PROJECT}, ${conversation(`g.n / ${LENGTH}`)}, ${user('g.n')}, 'toolu_analysed_' || g.n,
      (array['Bash', 'Read', 'Edit', 'Grep', 'Write', 'Task', 'WebFetch', 'TodoWrite'])[1 + g.n / 2 % 8], 'completed', g.n % 50 = 1, ${AT},
      g.n % 5000, 'result'
    from generate_series($1::int, $2::int) as g (n) where g.n % 2 = 1`,
  'usage records': `insert into observatory.usage_records (
      owner_id, api_message_id, project_id, conversation_id, message_id, entry_uuid, kind, model, source, input_tokens, output_tokens,
      cache_read_tokens, cost_micro_usd, price, priced_at, occurred_at)
    select ${user('g.n')}, 'msg_analysed_' || g.n, ${PROJECT}, ${conversation(`g.n / ${LENGTH}`)}, gen_random_uuid(), ${entry('g.n')}, 'message',
      'model-' || g.n / 2 % 3, 'claude', 10, g.n % 500, 50000, case when g.n % 100 <> 1 then 1234 end,
      case when g.n % 100 <> 1 then '{}'::jsonb end, case when g.n % 100 <> 1 then now() end, ${AT}
    from generate_series($1::int, $2::int) as g (n) where g.n % 2 = 1`,
};

/** Loads the project, the small ones and their rollups; those of the large one are counted afterwards. */
export const load = async (sql, { messages, projects }, { say, signal }) => {
  await sql('set session_replication_role = replica');
  await sql(`insert into observatory.projects (id, owner_id, name) values (${PROJECT}, '${OWNER}', 'Analysed')`);
  await sql(
    `insert into observatory.project_members (project_id, user_id, role)
     select distinct on (u.id) ${PROJECT}, u.id, case when u.id = '${OWNER}' then 'owner' else 'viewer' end
     from generate_series(0, ${USERS - 1}) as n, lateral (select ${user('n')} as id) as u`,
  );
  await sql(
    `insert into observatory.conversations (id, project_id, owner_id, session_id, started_at, last_message_at, missing_agents)
     select ${conversation('g.n')}, ${PROJECT}, ${user('g.n')}, 'analysed session ' || g.n, ${AT}, ${AT}, case when g.n % 10 = 0 then 1 else 0 end
     from generate_series($1::int, $2::int) as g (n)`,
    [0, Math.ceil(messages / LENGTH), Math.ceil(messages / LENGTH) + 1],
  );
  // Small ones, each with what a user of it did on every day.
  await sql(
    `with made as (
       insert into observatory.projects (owner_id, name) select gen_random_uuid(), 'Small ' || n from generate_series(1, $1::int) as n
       returning id, owner_id),
     daily as (
       insert into observatory.daily_rollups (
         project_id, day, user_id, model, source, requests, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens,
         web_searches, cost_micro_usd, unpriced)
       select m.id, current_date - n, m.owner_id, 'model-1', 'claude', 10, 10, 10, 10, 10, 0, 100, 0
       from made as m, generate_series(0, ${DAYS - 1}) as n)
     insert into observatory.activity_rollups (project_id, day, hour, user_id, prompts, messages, tool_calls, errors, sessions, raw_tokens)
     select m.id, current_date - n, 10, m.owner_id, 1, 1, 1, 0, 1, 1 from made as m, generate_series(0, ${DAYS - 1}) as n`,
    [projects],
  );
  for (const [name, statement] of Object.entries(STATEMENTS)) {
    const start = performance.now();
    for (let from = 0; from < messages; from += PART) {
      signal.throwIfAborted();
      await sql(statement, [from, Math.min(from + PART, messages) - 1, messages]);
    }
    say(`${name}: ${Math.round((performance.now() - start) / 1000)} s`);
  }
  await sql('set session_replication_role = default');
  const tables = ['projects', 'project_members', 'conversations', 'messages', 'tool_calls', 'usage_records'];
  for (const table of tables) await sql(`vacuum analyze observatory.${table}`);
};

export const CALLS = Object.fromEntries(
  [
    ['overview', 50],
    ['models', 50],
    ['tools', 150],
    ['activity', 50],
    ['users', 50],
  ].map(([name, most]) => [
    `${name} of ${DAYS} days, ${USERS} users`,
    { most, query: `select observatory.analytics_${name}(${PROJECT}, (current_date - ${DAYS - 1})::text)` },
  ]),
);
/** What the overview asks, which the plan of a function's call does not show. */
const PLAN = `explain (analyze, buffers) select r.day, r.user_id, sum(r.messages) from observatory.activity_rollups as r
  where r.project_id = any (array[${PROJECT}]) and r.day between current_date - ${DAYS - 1} and current_date group by r.day, r.user_id`;
const PLAN_OF_USAGE = `explain (analyze, buffers) select r.day, sum(r.requests), sum(r.cost_micro_usd) from observatory.daily_rollups as r
  where r.project_id = any (array[${PROJECT}]) and r.day between current_date - ${DAYS - 1} and current_date group by r.day`;

/** The rival: the same sums of the rows themselves. */
const WITHOUT_ROLLUPS = `explain (analyze, timing off, format json)
  with range_ as (select current_date - ${DAYS - 1} as first_day),
  used as (
    select (u.occurred_at at time zone 'UTC')::date as day, count(*) as requests, sum(u.total_tokens) as tokens, sum(u.cost_micro_usd) as cost
    from observatory.usage_records as u, range_ as r where u.project_id = ${PROJECT} and u.occurred_at >= r.first_day group by 1),
  done as (
    select (m.occurred_at at time zone 'UTC')::date as day, count(*) as messages, count(distinct m.owner_id) as users
    from observatory.messages as m, range_ as r where m.project_id = ${PROJECT} and m.occurred_at >= r.first_day and not m.is_copy group by 1),
  called as (
    select (t.started_at at time zone 'UTC')::date as day, count(*) as calls, count(*) filter (where t.is_error) as errors
    from observatory.tool_calls as t, range_ as r where t.project_id = ${PROJECT} and t.started_at >= r.first_day and not t.is_copy group by 1)
  select * from used full join done using (day) full join called using (day) order by day`;

/** Runs a statement as the owner of the project, in a transaction that is rolled back, and gives the server's time for it. */
const timed = async (client, query) => {
  await client.query('begin');
  try {
    await client.query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'authenticated', sub: OWNER }),
    ]);
    const { rows } = await client.query(`explain (analyze, timing off, format json) ${query}`);
    return rows[0]['QUERY PLAN'][0]['Planning Time'] + rows[0]['QUERY PLAN'][0]['Execution Time'];
  } finally {
    await client.query('rollback');
  }
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, stopping, options, say }) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const sql = async (text, values) => (await client.query(text, values)).rows;
  try {
    await load(sql, options, { say, signal: stopping.signal });
    const rows = [];
    const add = (row) => {
      rows.push(row);
      say(`${row.name}: ${row.reached} (${row.aim})`);
    };
    const start = performance.now();
    await sql(`select private.recount_rollups(${PROJECT})`);
    const seconds = (performance.now() - start) / 1000;
    for (const table of ['daily_rollups', 'activity_rollups', 'tool_rollups'])
      await sql(`vacuum analyze observatory.${table}`);
    const [{ wrong }] = await sql(`select private.recount_rollups(${PROJECT})::int as wrong`);
    add({
      name: `rollups of ${options.messages} messages, counted from nothing`,
      aim: 'equal to a recount',
      reached: `${rounded(seconds)} s, ${wrong} rows differ`,
      met: wrong === 0,
    });
    for (const [name, { query, most }] of Object.entries(CALLS)) {
      stopping.signal.throwIfAborted();
      const found = [];
      for (let n = 0; n < RUNS; n += 1) found.push(await timed(client, query));
      // The first few read from disk.
      const warm = found.slice(5);
      let rival;
      if (name.startsWith('overview')) {
        const counted = [];
        for (let n = 0; n < 4; n += 1) {
          const [{ 'QUERY PLAN': plans }] = await sql(WITHOUT_ROLLUPS);
          counted.push(plans[0]['Planning Time'] + plans[0]['Execution Time']);
        }
        const took = median(counted.slice(1));
        rival = `the rows themselves summed up: ${rounded(took)} ms, ${rounded(took / median(warm))} times as long`;
      }
      add({
        name,
        aim: `under ${most} ms`,
        reached: `${rounded(median(warm))} ms, p99 ${rounded(p99(warm))} ms`,
        met: median(warm) < most,
        ...(rival && {
          rival,
          plan: [...(await sql(PLAN_OF_USAGE)), ...(await sql(PLAN))].map((row) => row['QUERY PLAN']).join('\n'),
        }),
      });
    }
    return rows;
  } finally {
    await client.end();
  }
};
