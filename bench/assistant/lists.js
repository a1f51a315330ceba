// Lists of conversations, messages and feedback in the database, as a member reads them, at the sizes that the figures are about.
import pg from 'pg';
import { median, p99, rounded } from '../figures.js';
import {
  ADMIN,
  conversation,
  SIZES as LOADED,
  LONG,
  load,
  member,
  message,
  NEWCOMER,
  READER,
  STRANGER,
} from './load.js';

export const SIZES = LOADED;
export const only = 'migrated database';

const RUNS = 40;
const SORTED = 'order by updated_at desc, id desc';
const FIRST = `is_archived = false ${SORTED}`;
/** The position of a row in the list of the tenant: where a page ends. */
const after = (skipped) =>
  `select updated_at::text as at, id from assistant.conversations where ${FIRST} offset ${skipped} limit 1`;
const beyond = ({ at, id }) =>
  `is_archived = false and updated_at <= '${at}' and (updated_at < '${at}' or (updated_at = '${at}' and id < '${id}')) ${SORTED}`;

/** What is asked, as whom, and within how many ms. `place`: the row that the statement begins after, by the number of messages. */
const ROWS = [
  {
    name: 'list of a member’s 1,000 conversations',
    most: 5,
    query: `select * from assistant.conversations where user_id = ${member(0, 0)} and ${FIRST} limit 1000`,
  },
  {
    name: 'the latest 1,000 of a tenant’s 50,000 conversations',
    most: 5,
    query: `select * from assistant.conversations where ${FIRST} limit 1000`,
  },
  {
    name: 'a page of 50 of them, far down: after 20,000',
    most: 5,
    place: (messages) => after(Math.floor(messages / 500)),
    query: (row) => `select * from assistant.conversations where ${beyond(row)} limit 50`,
  },
  {
    name: 'the latest 5 by id, of a tenant that has none',
    most: 5,
    as: NEWCOMER,
    query: 'select * from assistant.conversations order by id desc limit 5',
  },
  {
    name: 'the latest 100 of a conversation’s 10,000 messages',
    most: 5,
    query: `select * from assistant.messages where conversation_id = ${LONG} order by created_at desc, id desc limit 100`,
  },
  {
    name: 'the same of an admin, of a colleague’s conversation',
    most: 5,
    as: ADMIN,
    query: `select * from assistant.messages where conversation_id = ${LONG} order by created_at desc, id desc limit 100`,
  },
  {
    name: 'the same of a stranger: none',
    most: 1,
    as: STRANGER,
    query: `select * from assistant.messages where conversation_id = ${LONG} order by created_at desc, id desc limit 100`,
  },
  {
    name: 'the same of a conversation that there is not',
    most: 1,
    as: STRANGER,
    query: `select * from assistant.messages where conversation_id = md5('none')::uuid order by created_at desc, id desc limit 100`,
  },
  {
    name: 'the latest 50 messages of a tenant’s 500,000',
    most: 5,
    query: 'select * from assistant.messages order by created_at desc, id desc limit 50',
  },
  {
    name: 'the same of a tenant that has none',
    most: 5,
    as: NEWCOMER,
    query: 'select * from assistant.messages order by created_at desc, id desc limit 50',
  },
  {
    name: 'the feedback of a message',
    most: 1,
    query: `select * from assistant.feedback where message_id = ${message(1)}`,
  },
  {
    name: 'search in the titles of a member’s 1,000 conversations',
    most: 10,
    query: `select * from assistant.conversations where user_id = ${member(0, 0)} and title ilike '%SOUP%' ${SORTED} limit 50`,
  },
  {
    name: 'search in the titles of a tenant’s 50,000, for what none has',
    most: 150,
    query: `select * from assistant.conversations where title ilike '%nowhere%' ${SORTED} limit 50`,
  },
  {
    name: 'a new message of a member',
    most: 5,
    query: `insert into assistant.messages (conversation_id, content) values (${conversation(2_000)}, 'One more question about ' || md5(random()::text)) returning id`,
  },
  {
    name: 'a rating, with its snapshot',
    most: 5,
    query: `insert into assistant.feedback (message_id, rating) values (${message(201)}, 1) returning id`,
  },
  {
    name: 'the history of a conversation of 10,000 messages, 4,000 tokens',
    most: 5,
    owner: true,
    query: `select private.history(${LONG}, 4000)`,
  },
  {
    name: 'a conversation of 10,000 messages is deleted',
    most: 4000,
    runs: 3,
    query: `delete from assistant.conversations where id = ${LONG}`,
  },
];

/** Runs the body in a transaction as PostgREST would, or as the database's owner, and rolls it back. */
const as = async (client, { as: sub = READER, owner }, body) => {
  await client.query('begin');
  try {
    if (!owner)
      await client.query(
        `select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`,
        [JSON.stringify({ role: 'authenticated', sub })],
      );
    return await body();
  } finally {
    await client.query('rollback');
  }
};

/** The statement, with the place that it begins after. */
const statementOf = async (client, row, { messages }) => {
  if (!row.place) return row.query;
  const { rows } = await as(client, row, () => client.query(row.place(messages)));
  return row.query(rows[0]);
};

/** Milliseconds inside the server, planning included. */
const times = async (client, row, query) => {
  const runs = row.runs ?? RUNS;
  const found = [];
  for (let n = 0; n < runs; n += 1) {
    const { rows } = await as(client, row, () => client.query(`explain (analyze, timing off, format json) ${query}`));
    const [plan] = rows[0]['QUERY PLAN'];
    // The first few read from disk.
    if (n >= Math.min(5, runs - 1)) found.push(plan['Planning Time'] + plan['Execution Time']);
  }
  return found;
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, stopping, options, say }) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    await load(async (text, values) => (await client.query(text, values)).rows, {
      ...options,
      say,
      signal: stopping.signal,
    });
    const rows = [];
    for (const row of ROWS) {
      stopping.signal.throwIfAborted();
      const query = await statementOf(client, row, options);
      const found = await times(client, row, query);
      const plan = await as(client, row, () => client.query(`explain (analyze, buffers) ${query}`));
      const made = {
        name: row.name,
        aim: `under ${row.most} ms`,
        reached: `${rounded(median(found))} ms, p99 ${rounded(p99(found))} ms`,
        met: median(found) < row.most,
        plan: plan.rows.map((line) => line['QUERY PLAN']).join('\n'),
      };
      rows.push(made);
      say(`${made.name}: ${made.reached} (${made.aim})`);
    }
    return rows;
  } finally {
    await client.end();
  }
};
