// Ingest: messages a second in the database and through the edge, lines that are there already, and the memory of the edge while a file
// of 87 MB passes.
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { gzipSync } from 'node:zlib';
import pg from 'pg';
import { token } from '../../dev/issuer.js';
import { SetupError } from '../../dev/setup.js';
import { rounded } from '../figures.js';
import { cpuTime } from '../machine.js';
import { nestedPlans } from '../nested_plans.js';

/**
 * Messages in the database and through the edge, of four users together; megabytes of the large file. A connection plans its first
 * batches anew each time: there are enough messages that the figure is the lasting rate.
 */
export const SIZES = { ingested: 100_000, sent: 20_000, megabytes: 87 };
export const only = undefined;

const SENDERS = 4;
/** Lines of a batch, as the edge makes them. */
const BATCH = 500;
/** Rows of a request to PostgREST. */
const ROWS = 100;
const MB = 1024 * 1024;

/** As random as need be, and the same each time. */
const number = (seed) => createHash('md5').update(seed).digest().readUInt32BE();
const WORDS =
  'build test error the file_102.rs getUserById a user_id of connection pool retry in v2.1.173 to fix cache token why'.split(
    ' ',
  );
const prose = (seed, count) =>
  Array.from({ length: count }, (_, at) => WORDS[number(`${seed} ${at}`) % WORDS.length]).join(' ');

/** The lines of a session: a prompt, then tools with their results, an answer in two lines of one response, over and over. */
function* linesOf(session, cwd) {
  let parent = null;
  for (let n = 0; ; n += 1) {
    const uuid = randomUUID();
    const step = n % 10;
    const base = {
      parentUuid: parent,
      isSidechain: false,
      userType: 'external',
      cwd,
      sessionId: session,
      version: '2.1.240',
      gitBranch: 'main',
      uuid,
      timestamp: new Date(Date.UTC(2026, 9, 1) + n * 2000).toISOString(),
    };
    const response = `msg_${session}_${Math.floor(n / 2)}`;
    const assistant = (content) => ({
      ...base,
      type: 'assistant',
      requestId: `req_${response}`,
      message: {
        id: response,
        type: 'message',
        role: 'assistant',
        model: 'claude-opus-5',
        content: [content],
        stop_reason: null,
        usage: {
          input_tokens: 10 + step,
          output_tokens: 20 + n,
          cache_read_input_tokens: 20_000,
          cache_creation_input_tokens: 300,
        },
      },
    });
    const tool = `toolu_${session}_${Math.floor(n / 2)}`;
    if (step === 0) yield { ...base, type: 'user', message: { role: 'user', content: prose(`p ${n}`, 40) } };
    else if (step === 9) yield assistant({ type: 'text', text: prose(`a ${n}`, 60) });
    else if (step % 2 === 1)
      yield assistant({
        type: 'tool_use',
        id: tool,
        name: 'Bash',
        input: { command: `cargo test ${n}`, description: prose(`d ${n}`, 5) },
      });
    else
      yield {
        ...base,
        type: 'user',
        message: {
          role: 'user',
          content: [
            {
              type: 'tool_result',
              tool_use_id: `toolu_${session}_${Math.floor((n - 1) / 2)}`,
              content: prose(`o ${n}`, 120),
            },
          ],
        },
        toolUseResult: { stdout: prose(`o ${n}`, 120), stderr: '', interrupted: false },
      };
    parent = uuid;
  }
}

/** So many lines of a session, or so many bytes of them. */
const session = ({ count = Number.POSITIVE_INFINITY, bytes = Number.POSITIVE_INFINITY }) => {
  const id = randomUUID();
  const texts = [];
  let length = 0;
  for (const record of linesOf(id, `/home/me/${id}`)) {
    if (texts.length >= count || length >= bytes) break;
    const text = JSON.stringify(record);
    texts.push(text);
    length += text.length + 1;
  }
  return { file: `projects/-home-me-${id}/${id}.jsonl`, texts };
};

/** What the edge makes of a session: the arguments of each call. */
const batchesOf = ({ file, texts }) => {
  const made = [];
  let start = 0;
  for (let at = 0; at < texts.length; at += BATCH) {
    const lines = texts.slice(at, at + BATCH);
    const offsets = [];
    let end = start;
    for (const line of lines) {
      offsets.push(end);
      end += Buffer.byteLength(line) + 1;
    }
    made.push([JSON.stringify(lines), offsets, '{"lines": {}, "by": {}, "skipped": {}}', file, start, end]);
    start = end;
  }
  return made;
};

const INGEST = {
  name: 'ingest',
  text: `select observatory.ingest_batch(lines => $1, offsets => $2, redactions => $3, file => $4, start => $5, "end" => $6) as answer`,
};

/** Sends batches over a connection of each user's, as the edge does; gives how many messages are new, and how long it took. */
const store = async ({ databaseUrl }, senders, signal) => {
  const clients = [];
  for (const { user } of senders) {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    const claims = { role: 'edge', sub: user, edge: { caller: 'authenticated' } };
    await client.query(`select set_config('request.jwt.claims', $1, false)`, [JSON.stringify(claims)]);
    await client.query('set role edge');
    clients.push(client);
  }
  try {
    let messages = 0;
    const begun = performance.now();
    await Promise.all(
      senders.map(async ({ batches }, at) => {
        for (const values of batches) {
          signal.throwIfAborted();
          const { rows } = await clients[at].query({ ...INGEST, values });
          messages += rows[0].answer.messages;
        }
      }),
    );
    return { messages, seconds: (performance.now() - begun) / 1000 };
  } finally {
    for (const client of clients) await client.end();
  }
};

/** Statements of a stored batch whose plans are shown: those that take longest. */
const SHOWN = 4;

/** The plans of what stores a batch, as it runs. Calls of functions are left out: what they do is a statement of its own. */
const planOfStore = async (stack) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    const [values] = batchesOf(session({ count: BATCH }));
    const claims = { role: 'edge', sub: randomUUID(), edge: { caller: 'authenticated' } };
    await client.query(`select set_config('request.jwt.claims', $1, false)`, [JSON.stringify(claims)]);
    const plans = await nestedPlans(client, async () => {
      await client.query('set role edge');
      await client.query({ ...INGEST, values });
    });
    const shown = plans.filter(({ nodes }) => !/^(Result|Function Scan)/.test(nodes)).slice(0, SHOWN);
    if (shown.length < SHOWN) throw new SetupError(`Only ${shown.length} statements of ingest have plans.`);
    return shown.map(({ took, nodes }) => `${rounded(took)} ms of a batch\n${nodes}`).join('\n\n');
  } finally {
    await client.end();
  }
};

/** So that every response is priced. */
const PRICE = `insert into private.model_prices (
    provider, model, effective_from, input_micro, output_micro, cache_read_micro, cache_write_micro, cache_write_1h_micro)
  values ('anthropic', 'claude-opus-5', '2020-01-01', 5000000, 25000000, 500000, 6250000, 10000000) on conflict do nothing`;

/**
 * Empty tables with the columns of messages, vectors, tool calls and usage records, and with the indexes that their specification names;
 * without foreign keys, triggers and policies. `floor` has the rows that go there, each with the call of ingest that stored it.
 */
const FLOOR = [
  'create schema bench_floor',
  ...['messages', 'tool_calls', 'usage_records'].map(
    (table) =>
      `create table bench_floor.${table} (like observatory.${table} including defaults including constraints including generated)`,
  ),
  'create table bench_floor.message_search (like private.message_search including defaults)',
  `create index on bench_floor.message_search using gin (search) with (fastupdate = on, gin_pending_list_limit = 1024)`,
  ...[
    'unique index on bench_floor.messages (id)',
    'unique index on bench_floor.messages (conversation_id, entry_uuid)',
    'index on bench_floor.messages (conversation_id, seq)',
    'index on bench_floor.messages (project_id, occurred_at desc, id desc)',
    'index on bench_floor.messages (parent_id) where parent_id is not null',
    'index on bench_floor.messages (conversation_id, parent_uuid)',
    'index on bench_floor.messages (api_message_id) where api_message_id is not null',
    'index on bench_floor.messages using brin (created_at)',
    'unique index on bench_floor.tool_calls (id)',
    'unique index on bench_floor.tool_calls (conversation_id, tool_use_id)',
    'index on bench_floor.tool_calls (message_id)',
    'index on bench_floor.tool_calls (project_id, tool_name, started_at desc)',
    'index on bench_floor.tool_calls (conversation_id, started_at)',
    'index on bench_floor.tool_calls (project_id, started_at desc) where is_error',
    'index on bench_floor.tool_calls (tool_name, duration_ms desc) where duration_ms is not null',
    'index on bench_floor.tool_calls (project_id, file_path) where file_path is not null',
    'unique index on bench_floor.usage_records (id)',
    'unique index on bench_floor.usage_records (owner_id, api_message_id, part)',
  ].map((index) => `create ${index}`),
  'create table bench_floor.floor (id uuid, owner_id uuid, project_id uuid, occurred_at timestamptz, words text, batch bigint)',
];

/** Fills `floor`. Texts are made before the clock runs. */
const FLOOR_ROWS = `
insert into bench_floor.floor
select m.id, m.owner_id, m.project_id, m.occurred_at, private.search_text(m),
  (row_number() over (partition by m.conversation_id order by m.seq) - 1) / ${BATCH}
from observatory.messages as m where m.owner_id = any ($1)`;

/** What stores the rows of one call: a transaction, as a call is one. */
const COPY = `
with given as materialized (select f.* from bench_floor.floor as f where f.owner_id = $1 and f.batch = $2),
messages as (
  insert into bench_floor.messages
  select m.* from given as g inner join observatory.messages as m on m.id = g.id),
vectors as (
  insert into bench_floor.message_search (message_id, project_id, occurred_at, search)
  select g.id, g.project_id, g.occurred_at, private.search_vector(g.words) from given as g where g.words <> ''),
calls as (
  insert into bench_floor.tool_calls
  select t.* from given as g inner join observatory.tool_calls as t on t.message_id = g.id),
used as (
  insert into bench_floor.usage_records (COLUMNS)
  select VALUES from given as g inner join observatory.usage_records as u on u.message_id = g.id)
select count(*)::int as messages from given`;

/** How many messages a second go into the tables if nothing is read, checked, counted or linked: no ingest can be faster here. */
const floor = async (stack, senders, signal) => {
  const connect = async () => {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    return client;
  };
  const clients = await Promise.all(senders.map(connect));
  try {
    for (const statement of FLOOR) await clients[0].query(statement);
    await clients[0].query(FLOOR_ROWS, [senders.map(({ user }) => user)]);
    await clients[0].query('create index on bench_floor.floor (owner_id, batch)');
    await clients[0].query('analyze bench_floor.floor');
    // All but what PostgreSQL computes.
    const { rows } = await clients[0].query(
      `select string_agg(attname, ', ') as columns, string_agg('u.' || attname, ', ') as values from pg_attribute
       where attrelid = 'observatory.usage_records'::regclass and attnum > 0 and not attisdropped and attgenerated = ''`,
    );
    const text = COPY.replace('COLUMNS', rows[0].columns).replace('VALUES', rows[0].values);
    let messages = 0;
    const begun = performance.now();
    await Promise.all(
      senders.map(async ({ user, batches }, at) => {
        for (let batch = 0; batch < batches.length; batch += 1) {
          signal.throwIfAborted();
          const answer = await clients[at].query({ name: 'copy', text, values: [user, batch] });
          messages += answer.rows[0].messages;
        }
      }),
    );
    return messages / ((performance.now() - begun) / 1000);
  } finally {
    await clients[0].query('drop schema if exists bench_floor cascade');
    for (const client of clients) await client.end();
  }
};

const inDatabase = async ({ stack, stopping, options, say }) => {
  const admin = new pg.Client({ connectionString: stack.databaseUrl });
  await admin.connect();
  await admin.query(PRICE);
  await admin.end();
  const count = Math.ceil(options.ingested / SENDERS / BATCH) * BATCH;
  const senders = Array.from({ length: SENDERS }, () => ({
    user: randomUUID(),
    batches: batchesOf(session({ count })),
  }));
  const first = await store(stack, senders, stopping.signal);
  if (first.messages !== count * SENDERS)
    throw new SetupError(`${count * SENDERS} messages were sent, ${first.messages} were stored.`);
  const again = await store(stack, senders, stopping.signal);
  if (again.messages !== 0) throw new SetupError(`Sent again, ${again.messages} messages were new.`);
  const rate = first.messages / first.seconds;
  const faster = first.seconds / again.seconds;
  const plan = await planOfStore(stack);
  const most = await floor(stack, senders, stopping.signal);
  const rows = [
    {
      name: 'ingest in the database, batches of 500 lines, 4 connections',
      aim: '5,000 messages/s',
      reached: `${Math.round(rate)} messages/s`,
      met: rate >= 5000,
      rival: `the floor below: ${Math.round(most)} messages/s`,
      plan,
    },
    {
      name: 'lines that are there already',
      aim: 'at least 4 times as fast',
      reached: `${rounded(faster)} times as fast: ${Math.round(first.messages / again.seconds)} lines/s`,
      met: faster >= 4,
    },
    {
      name: 'the floor: the same rows copied into empty tables with the specified indexes alone, and their vectors made; nothing read, checked, counted or linked',
      aim: 'no slower than ingest',
      reached: `${Math.round(most)} messages/s; ingest reaches ${Math.round((100 * rate) / most)} % of it`,
      met: most >= rate,
    },
  ];
  for (const { name, reached } of rows) say(`${name}: ${reached}`);
  return rows;
};

/** What reads most while a batch is stored: whether entries are there already, in this conversation and in another one. */
const planOfIngest = async (stack) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    await client.query('analyze observatory.messages');
    const { rows } = await client.query(
      `explain (analyze, buffers) select m.id, o.id from observatory.messages as m
       left join observatory.messages as o on o.owner_id = m.owner_id and o.entry_uuid = m.entry_uuid and o.conversation_id <> m.conversation_id
       where m.conversation_id = (select id from observatory.conversations limit 1) order by m.seq, m.id limit ${BATCH}`,
    );
    return rows.map((row) => row['QUERY PLAN']).join('\n');
  } finally {
    await client.end();
  }
};

/** Sends a file through the edge. fetch would not say that it is gzip. */
const send = async ({ stack, user }, { file, body, zipped = false }) => {
  const bearer = await token(stack.keys, { issuer: stack.issuer.issuer, sub: user });
  const url = new URL(`/v1/transcripts?file=${encodeURIComponent(file)}`, stack.edgeUrl);
  const answer = await new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${bearer}`,
      'content-type': 'application/jsonl',
      'content-length': body.length,
      ...(zipped && { 'content-encoding': 'gzip' }),
    };
    // A connection of its own: the edge closes one that has been idle while a body was made.
    const sent = request(url, { method: 'POST', agent: false, headers });
    sent.on('error', reject);
    sent.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => resolve({ status: response.statusCode, text: Buffer.concat(chunks).toString() }));
      response.on('error', reject);
    });
    sent.end(body);
  });
  if (answer.status !== 200) throw new SetupError(`A transcript was answered ${answer.status}: ${answer.text}`);
  return JSON.parse(answer.text);
};

const throughTheEdge = async ({ stack, stopping, options, say }) => {
  const count = Math.ceil(options.sent / SENDERS);
  const senders = Array.from({ length: SENDERS }, () => {
    const { file, texts } = session({ count });
    return { user: randomUUID(), file, body: gzipSync(`${texts.join('\n')}\n`), zipped: true };
  });
  const begun = performance.now();
  const answers = await Promise.all(senders.map((sender) => send({ stack, user: sender.user }, sender)));
  const seconds = (performance.now() - begun) / 1000;
  stopping.signal.throwIfAborted();
  const messages = answers.reduce((sum, answer) => sum + answer.messages, 0);
  if (messages !== count * SENDERS)
    throw new SetupError(`${count * SENDERS} messages were sent, ${messages} were stored.`);
  const rate = messages / seconds;
  const reached = `${Math.round(rate)} messages/s`;
  say(`ingest through the edge: ${reached}`);
  const plain = await throughPostgrest({ stack, stopping, options });
  const rival = `texts of the same messages inserted by PostgREST, 100 a request, without tool calls, usage and redaction: ${Math.round(plain)} messages/s; the edge makes ${rounded(rate / plain)} of it`;
  say(rival);
  return [
    {
      name: 'ingest through the edge, 4 uploads of gzip at once',
      aim: '2,000 messages/s',
      reached,
      met: rate >= 2000,
      rival,
      plan: await planOfIngest(stack),
    },
  ];
};

/**
 * The rival: the texts of the same messages as rows of the table, which PostgREST inserts by a hundred without the edge. Nothing is redacted;
 * there are no tool calls, no usage, no order, and what is sent again would be a fault.
 */
const throughPostgrest = async ({ stack, stopping, options }) => {
  const count = Math.ceil(options.sent / SENDERS);
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    const senders = [];
    for (let n = 0; n < SENDERS; n += 1) {
      const user = randomUUID();
      const { rows } = await client.query(
        `with made as (insert into observatory.projects (owner_id, name) values ($1, $2) returning id)
         insert into observatory.conversations (project_id, owner_id, session_id) select id, $1, $2 from made returning id, project_id`,
        [user, `plain ${user}`],
      );
      const bodies = [];
      const { texts } = session({ count });
      for (let at = 0; at < texts.length; at += ROWS)
        bodies.push(
          JSON.stringify(
            texts.slice(at, at + ROWS).map((text) => {
              const { uuid, parentUuid, type, timestamp, message } = JSON.parse(text);
              const blocks = typeof message.content === 'string' ? null : message.content;
              return {
                ...{
                  project_id: rows[0].project_id,
                  conversation_id: rows[0].id,
                  entry_uuid: uuid,
                  parent_uuid: parentUuid,
                },
                ...{ entry_type: type, role: message.role, occurred_at: timestamp, content_blocks: blocks },
                content: blocks === null ? message.content : blocks.map(({ text: words }) => words ?? '').join(' '),
              };
            }),
          ),
        );
      senders.push({ bodies, bearer: await token(stack.keys, { issuer: stack.issuer.issuer, sub: user }) });
    }
    const begun = performance.now();
    await Promise.all(
      senders.map(async ({ bodies, bearer }) => {
        for (const body of bodies) {
          stopping.signal.throwIfAborted();
          const answer = await fetch(`${stack.postgrestUrl}/messages`, {
            method: 'POST',
            headers: {
              ...{
                authorization: `Bearer ${bearer}`,
                'content-type': 'application/json',
                'content-profile': 'observatory',
              },
              prefer: 'return=minimal',
            },
            body,
          });
          if (answer.status !== 201)
            throw new SetupError(`PostgREST answered ${answer.status}: ${await answer.text()}`);
        }
      }),
    );
    return (count * SENDERS) / ((performance.now() - begun) / 1000);
  } finally {
    await client.end();
  }
};

const megabytes = ({ pid }) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

const large = async ({ stack, stopping, options, say }) => {
  const user = randomUUID();
  const { part } = stack.edge;
  const make = (bytes) => {
    const { file, texts } = session({ bytes });
    return { file, body: Buffer.from(`${texts.join('\n')}\n`), count: texts.length };
  };
  // The runtime's own memory grows with its first megabytes of any body.
  for (let n = 0; n < 4; n += 1) await send({ stack, user }, make(2 * MB));
  const one = make(options.megabytes * MB);
  stopping.signal.throwIfAborted();
  const before = megabytes(part);
  let peak = before;
  const watch = setInterval(() => {
    peak = Math.max(peak, megabytes(part));
  }, 20);
  const cpu = cpuTime(part);
  const begun = performance.now();
  const answer = await send({ stack, user }, one).finally(() => clearInterval(watch));
  const seconds = (performance.now() - begun) / 1000;
  if (answer.messages !== one.count)
    throw new SetupError(`${one.count} messages were sent, ${answer.messages} were stored.`);
  const size = one.body.length / MB;
  const perMegabyte = (cpuTime(part) - cpu) / 1000 / size;
  const rows = [
    {
      name: `memory of the edge while a file of ${Math.round(size)} MB passes`,
      aim: 'flat: at most 48 MB more',
      reached: `${Math.round(peak - before)} MB more, ${Math.round(peak)} MB at most, with the runtime; ${rounded(seconds)} s`,
      met: peak - before <= 48,
    },
    {
      name: 'CPU of the edge for a megabyte of a transcript: read, secrets taken out, sent on',
      aim: 'under 30 ms',
      reached: `${rounded(perMegabyte)} ms`,
      met: perMegabyte < 30,
    },
  ];
  for (const { name, reached } of rows) say(`${name}: ${reached}`);
  return rows;
};

/** @param {{stack: object, stopping: AbortController, options: object, say: Function}} parts */
export const measure = async (parts) => [
  ...(await inDatabase(parts)),
  ...(await throughTheEdge(parts)),
  ...(await large(parts)),
];
