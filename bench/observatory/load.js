// Rows at the sizes that the figures are about: one project with a million messages, among ten thousand small ones with ten messages each.
import { inParts, REPLICA, withoutIndexes } from '../load.js';

/** Rows for each statement. */
const PART = 50_000;
/** Messages of each conversation of the large project. */
export const LENGTH = 500;
const SENTENCES = 20_000;
const USERS = 100;

export const SIZES = { messages: 1_000_000, projects: 10_000 };

/** The owner of the large project, of whose users the others are members. */
export const OWNER = '00000000-0000-4000-8000-000000000001';
/** A member of all projects, who made most of the small ones. */
export const EVERYWHERE = '00000000-0000-4000-8000-0000000000ee';
/** A member of nothing but a small project. */
export const STRANGER = '00000000-0000-4000-8000-0000000000ff';
/** Ids, as SQL. */
export const PROJECT = `md5('large project')::uuid`;
export const conversation = (n) => `md5('conversation ' || ${n})::uuid`;
const message = (n) => `md5('message ' || ${n})::uuid`;
/** As long as in transcripts: the size of an index decides on plans. */
const entry = (n) => `md5('entry ' || ${n})::uuid`;
const user = (n) => `case ${n} % ${USERS} when 0 then '${OWNER}'::uuid else md5('user ' || ${n} % ${USERS})::uuid end`;
const small = (n) => `md5('small project ' || ${n})::uuid`;

/** Words that searches look for, and in how many messages of the large project they are. */
export const WORDS = { rare: 'rareneedle', common: 'commonword', second: 'secondword', foreign: 'foreignneedle' };

/** A number that looks like chance and is the same each time. */
const chance = (n, salt, most) => `((hashint8extended(${n}, ${salt}) & 2147483647) % ${most})`;

/** A vocabulary of 50,000 words, used as Zipf has it, in sentences of a dozen; and identifiers among them. */
const SENTENCE_TABLE = `
create unlogged table private.bench_sentences as
select s.n, string_agg(
  case when w.n = 11 and s.n % 5 = 0 then 'src/mod_' || s.n % 300 || '/file_' || s.n || '.rs'
    when w.n = 11 and s.n % 5 = 1 then 'getUser' || s.n || 'ById'
    else translate(to_hex(floor(exp(ln(50000) * ${chance('s.n * 100 + w.n', 1, 1_000_000)} / 1000000.0))::int + 4096), '0123456789abcdef', 'bcdfghjklmnaeiou')
  end, ' ' order by w.n) as words
from generate_series(0, ${SENTENCES - 1}) as s (n), generate_series(1, 12) as w (n) group by s.n`;

const pick = (salt) =>
  `inner join private.bench_sentences as s${salt} on s${salt}.n = ${chance('g.n', salt, SENTENCES)}`;

/** The messages from $1 to $2 of the large project. Every second is the assistant's and calls a tool. */
const MESSAGES = `
insert into observatory.messages (
  id, project_id, conversation_id, owner_id, entry_uuid, parent_uuid, parent_id, depth, seq, entry_type, role, content, content_blocks,
  occurred_at, created_at)
select ${message('g.n')}, ${PROJECT}, ${conversation(`g.n / ${LENGTH}`)}, ${user(`g.n / ${LENGTH}`)}, ${entry('g.n')},
  case when g.n % ${LENGTH} > 0 then ${entry('g.n - 1')} end, case when g.n % ${LENGTH} > 0 then ${message('g.n - 1')} end, g.n % ${LENGTH},
  (g.n % ${LENGTH}) * 700, (array['user', 'assistant'])[1 + g.n % 2], (array['user', 'assistant'])[1 + g.n % 2],
  concat_ws(' ', s2.words, s3.words, case when g.n % 3 > 0 then s4.words end, case when g.n % 100 < 93 then '${WORDS.common}' end,
    case when g.n % 2 = 0 then '${WORDS.second}' end, case when g.n % greatest($3::int / 10, 1) = 7 then '${WORDS.rare}' end),
  case when g.n % 2 = 1 then jsonb_build_array(jsonb_build_object('type', 'tool_use', 'id', 'toolu_' || g.n)) end,
  now() - (($3 - g.n)::bigint * 15) * interval '1 second', now()
from generate_series($1::int, $2::int) as g (n) ${pick(2)} ${pick(3)} ${pick(4)}`;

const CALLS = `
insert into observatory.tool_calls (
  id, project_id, conversation_id, owner_id, message_id, tool_use_id, tool_name, input, output, status, started_at, duration_ms,
  duration_source, file_path)
select md5('call ' || g.n)::uuid, ${PROJECT}, ${conversation(`g.n / ${LENGTH}`)}, ${user(`g.n / ${LENGTH}`)}, ${message('g.n')}, 'toolu_' || g.n,
  (array['Bash', 'Read', 'Edit', 'Grep', 'Write'])[1 + g.n / 2 % 5], jsonb_build_object('command', 'ls ' || g.n), 'ok', 'completed',
  now() - (($3 - g.n)::bigint * 15) * interval '1 second', g.n % 5000, 'result', 'src/mod_' || g.n % 300 || '/file_' || g.n % 20000 || '.rs'
from generate_series($1::int, $2::int) as g (n) where g.n % 2 = 1`;

const VECTORS = `
insert into private.message_search (message_id, project_id, occurred_at, search)
select m.id, m.project_id, m.occurred_at, private.search_vector(m.content) || array_to_tsvector(array_remove(
  array[' role ' || m.role, case when g.n % 2 = 1 then ' tool ' || (array['Bash', 'Read', 'Edit', 'Grep', 'Write'])[1 + g.n / 2 % 5] end], null))
from generate_series($1::int, $2::int) as g (n) inner join observatory.messages as m on m.id = ${message('g.n')}`;

/** Each small project has one session of so many messages. In every hundredth project they have a word that the large project has not. */
const SMALL_LENGTH = 10;
const smallEntry = (n, k) => `md5('small entry ' || ${n} || ' ' || ${k})::uuid`;
const smallMessage = (n, k) => `md5('small message ' || ${n} || ' ' || ${k})::uuid`;
const SMALL = `from generate_series($1::int, $2::int) as i (n) inner join observatory.projects as p on p.id = ${small('i.n')}`;
const SMALL_CONVERSATIONS = `
insert into observatory.conversations (
  id, project_id, owner_id, session_id, title, status, message_count, tool_call_count, started_at, last_message_at)
select md5('small conversation ' || i.n)::uuid, p.id, p.owner_id, 'small ' || i.n, 'Small ' || i.n, 'ended', ${SMALL_LENGTH}, ${SMALL_LENGTH / 2},
  p.last_activity_at - interval '10 minutes', p.last_activity_at ${SMALL}`;
const SMALL_MESSAGES = `
insert into observatory.messages (
  id, project_id, conversation_id, owner_id, entry_uuid, parent_uuid, parent_id, depth, seq, entry_type, role, content, content_blocks,
  occurred_at, created_at)
select ${smallMessage('i.n', 'g.k')}, p.id, md5('small conversation ' || i.n)::uuid, p.owner_id, ${smallEntry('i.n', 'g.k')},
  case when g.k > 0 then ${smallEntry('i.n', 'g.k - 1')} end, case when g.k > 0 then ${smallMessage('i.n', 'g.k - 1')} end, g.k, g.k * 700,
  (array['user', 'assistant'])[1 + g.k % 2], (array['user', 'assistant'])[1 + g.k % 2],
  concat_ws(' ', s.words, case when i.n % 100 = 0 then '${WORDS.foreign}' end, case when i.n % 10 = 0 and g.k = 3 then '${WORDS.rare}' end),
  case when g.k % 2 = 1 then jsonb_build_array(jsonb_build_object('type', 'tool_use', 'id', 'toolu_' || g.k)) end,
  p.last_activity_at - (${SMALL_LENGTH} - g.k) * interval '1 minute', p.last_activity_at
${SMALL} cross join generate_series(0, ${SMALL_LENGTH - 1}) as g (k)
inner join private.bench_sentences as s on s.n = ${chance(`i.n * ${SMALL_LENGTH}::bigint + g.k`, 5, SENTENCES)}`;
const SMALL_CALLS = `
insert into observatory.tool_calls (
  project_id, conversation_id, owner_id, message_id, tool_use_id, tool_name, input, output, status, started_at, duration_ms,
  duration_source, file_path)
select p.id, md5('small conversation ' || i.n)::uuid, p.owner_id, ${smallMessage('i.n', 'g.k')}, 'toolu_' || g.k,
  (array['Bash', 'Read', 'Edit', 'Grep', 'Write'])[1 + g.k / 2 % 5], jsonb_build_object('command', 'ls ' || g.k), 'ok', 'completed',
  p.last_activity_at, g.k * 100, 'result', 'src/mod_' || i.n % 300 || '/file_' || g.k || '.rs'
${SMALL} cross join generate_series(1, ${SMALL_LENGTH - 1}, 2) as g (k)`;
const SMALL_VECTORS = `
insert into private.message_search (message_id, project_id, occurred_at, search)
select m.id, m.project_id, m.occurred_at, private.search_vector(m.content) || array_to_tsvector(array[' role ' || m.role])
${SMALL} cross join generate_series(0, ${SMALL_LENGTH - 1}) as g (k) inner join observatory.messages as m on m.id = ${smallMessage('i.n', 'g.k')}`;

/**
 * Loads everything, without triggers and foreign keys; counts and vectors are written as an upload would.
 * @param {Function} sql of one connection
 * @param {{messages: number, projects: number, client?: import('pg').Client, say: Function, signal: AbortSignal}} options client: that of `sql`
 */
export const load = async (sql, { messages, projects, client, say, signal }) => {
  const parts = (name, total, statement) => {
    const more = statement.includes('$3') ? [total] : [];
    return inParts(sql, { name, statement, total, part: PART, more, begin: REPLICA, client, say, signal });
  };
  const conversations = Math.ceil(messages / LENGTH);
  await sql(REPLICA);
  await sql(SENTENCE_TABLE);
  await sql('create unique index on private.bench_sentences (n)');
  await sql('analyze private.bench_sentences');
  await sql(
    `insert into observatory.projects (id, owner_id, name, last_activity_at) values (${PROJECT}, '${OWNER}', 'Large', now())`,
  );
  // The large one's owner has a hundred of them.
  await parts(
    'small projects',
    projects,
    `insert into observatory.projects (id, owner_id, name, last_activity_at)
     select ${small('n')}, case when n % 100 = 0 then '${OWNER}'::uuid when n = 1 then '${STRANGER}'::uuid else '${EVERYWHERE}'::uuid end,
       'Project ' || n, now() - n * interval '1 minute' from generate_series($1::int, $2::int) as n`,
  );
  await sql(
    `insert into observatory.project_members (project_id, user_id, role)
     select p.id, p.owner_id, 'owner' from observatory.projects as p
     union all select p.id, '${EVERYWHERE}', 'viewer' from observatory.projects as p where p.owner_id <> '${EVERYWHERE}'
     union all select ${PROJECT}, ${user('n')}, 'viewer' from generate_series(1, ${USERS - 1}) as n`,
  );
  await parts(
    'conversations',
    conversations,
    `insert into observatory.conversations (
       id, project_id, owner_id, session_id, title, status, message_count, tool_call_count, started_at, last_message_at)
     select ${conversation('n')}, ${PROJECT}, ${user('n')}, 'session ' || n, 'Session ' || n, (array['active', 'ended'])[1 + n % 2], ${LENGTH}, ${LENGTH / 2},
       now() - (($3 - n)::bigint * ${LENGTH * 15}) * interval '1 second', now() - (($3 - n - 1)::bigint * ${LENGTH * 15}) * interval '1 second'
     from generate_series($1::int, $2::int) as n`,
  );
  const tables = ['observatory.messages', 'observatory.tool_calls', 'private.message_search'];
  const rows = async () => {
    await parts('messages', messages, MESSAGES);
    await parts('tool calls', messages, CALLS);
    await parts('vectors', messages, VECTORS);
    await parts('conversations of small projects', projects, SMALL_CONVERSATIONS);
    await parts('messages of small projects', projects, SMALL_MESSAGES);
    await parts('tool calls of small projects', projects, SMALL_CALLS);
    await parts('vectors of small projects', projects, SMALL_VECTORS);
    await sql(
      `insert into observatory.search_terms (project_id, user_id, kind, term, uses)
       select c.project_id, c.owner_id, t.kind, t.term, count(*) from observatory.tool_calls as c, private.call_terms(c.tool_name, c.file_path) as t
       group by 1, 2, 3, 4`,
    );
  };
  await withoutIndexes(sql, tables, rows, { client, say, signal });
  await sql('drop table private.bench_sentences');
  await sql('set session_replication_role = default');
  for (const table of ['projects', 'project_members', 'conversations', 'messages', 'tool_calls', 'search_terms'])
    await sql(`vacuum analyze observatory.${table}`);
  await sql('vacuum analyze private.message_search');
};
