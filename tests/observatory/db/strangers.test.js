// What a statement costs of which a stranger gets nothing: about the same whether there is a foreign conversation or none. Otherwise its time would
// say. The same goes for each function that takes an id.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, close, onBehalf, sql } from '../../support/stack.js';
import { blocksRead, work } from '../../support/statistics.js';
import { call, makeConversation, makeProject, user } from '../support/search.js';
import { Session, send } from '../support/transcripts.js';

const LENGTH = 500;
/**
 * Blocks: those of the conversation's entries in an index, whose pages may be half empty, and the look-up of the caller's projects, eight, which an
 * absent one does not need. To read the conversation's rows takes more than eighty.
 */
const MAX_MORE = 32;
/**
 * How many blocks more or less a function may read for a foreign id: the row of the id, and the rows that say who may see it. A read of a project
 * is refused before anything is read of it. A call that stores a session of the caller's own differs from one execution to the next.
 */
const WRITES = ['invite', 'ingest_batch', 'attach_file', 'delete_project'];
const mostOf = ({ kind, name }) => {
  if (kind === 'session') return 50;
  return kind === 'project' && !WRITES.includes(name) ? 3 : MAX_MORE;
};

const [owner, stranger, outsider] = [randomUUID(), randomUUID(), randomUUID()];
let long;
/** Ids of what the stranger may not see, and of a search of the stranger's. */
const ids = {};

/** Messages and calls of a conversation, as an upload stores them. */
const fill = async ({ id, project_id, owner_id }, length) => {
  await sql(
    `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, entry_type, role, content, seq)
     select $1, $2, $3, 'entry ' || n, 'user', (array['user', 'assistant'])[1 + n % 2], repeat('text ', 200), n * 1000
     from generate_series(1, $4::int) as n`,
    [project_id, id, owner_id, length],
  );
  await sql(
    `insert into observatory.tool_calls (project_id, conversation_id, owner_id, tool_use_id, tool_name, output, started_at)
     select $1, $2, $3, 'call ' || n, 'Read', repeat('text ', 200), now() - n * interval '1 second' from generate_series(1, $4::int) as n`,
    [project_id, id, owner_id, length],
  );
};

/** A user for whom the edge vouches. */
const vouched = (sub) => onBehalf({ role: 'authenticated', claims: { sub } });

/** A session of the owner's, with hundreds of everything that is read by its ids. */
const sendSession = async (project) => {
  const one = new Session();
  for (let n = 0; n < 150; n += 1) {
    one.user(`text ${n} ${'word '.repeat(100)}`);
    one.tool('Read', { file_path: `/src/text${n}.rs` }, {}, { output: `text ${n}` });
  }
  const { conversation_id: conversation } = await send(owner, one.file, one.text, { project });
  await sql(
    `insert into observatory.conversations (project_id, owner_id, session_id, agent_id, parent_conversation_id, started_at)
     select $1, $2, $3, 'agent' || n, $4, now() from generate_series(1, 300) as n`,
    [project, owner, one.id, conversation],
  );
  const { search_id: search, results } = await call(owner, 'search', { q: 'text', project });
  await call(owner, 'search_opened', { search_id: search, message_id: results[0].message_id });
  const { id: share } = await call(owner, 'share', { id: conversation });
  await sql(
    `insert into private.share_views (share_id, day) select $1, current_date - n from generate_series(1, 300) as n`,
    [share],
  );
  const invited = `person-${randomUUID()}@example.org`;
  await as(vouched(owner), (query) => query(`select observatory.invite($1, 'viewer', $2)`, [project, invited]));
  const [{ id: invitation }] = await sql('select id from observatory.project_invitations where project_id = $1', [
    project,
  ]);
  Object.assign(ids, {
    project,
    limited: project,
    conversation,
    share,
    invitation,
    session: one.id,
    message: results[0].message_id,
  });
};

before(async () => {
  const [theirs, own] = [await makeProject(owner), await makeProject(stranger)];
  long = await makeConversation(theirs, owner);
  await fill(long, LENGTH);
  for (let n = 0; n < 50; n += 1)
    await fill(await makeConversation(n % 2 ? theirs : own, n % 2 ? owner : stranger), 80);
  await sendSession(theirs);
  ids.search = (await call(stranger, 'search', { q: 'text' })).search_id;
  for (const table of ['projects', 'project_members', 'conversations', 'messages', 'tool_calls'])
    await sql(`vacuum analyze observatory.${table}`);
});
after(async () => {
  await sql('delete from observatory.projects where owner_id = any ($1)', [[owner, stranger]]);
  await close();
});

const reads = {
  'messages of a conversation':
    'select * from observatory.messages where conversation_id = $1 order by seq, id limit 100',
  'messages of a conversation, the last ones':
    'select * from observatory.messages where conversation_id = $1 order by seq desc, id desc limit 100',
  'messages of a conversation, without an order': 'select * from observatory.messages where conversation_id = $1',
  'messages of a conversation, counted': 'select count(*) from observatory.messages where conversation_id = $1',
  'messages of a conversation, by time':
    'select * from observatory.messages where conversation_id = $1 order by occurred_at limit 50',
  'prompts of a conversation': `select * from observatory.messages where conversation_id = $1 and role = 'user' order by seq, id`,
  'messages of several conversations': `select * from observatory.messages
    where conversation_id = any (array[$1, '${randomUUID()}']::uuid[]) order by seq, id limit 100`,
  'a change of messages': `update observatory.messages set metadata = '{}' where conversation_id = $1`,
  'tool calls of a conversation':
    'select * from observatory.tool_calls where conversation_id = $1 order by started_at, id limit 100',
  'tool calls of a conversation, counted': 'select count(*) from observatory.tool_calls where conversation_id = $1',
  'a conversation': 'select * from observatory.conversations where id = $1',
};

test('of a foreign conversation, a stranger’s statement does no more than of one that is not there', async () => {
  for (const [name, text] of Object.entries(reads))
    for (const sub of [stranger, outsider])
      await as(user(sub), async (query) => {
        const [absent, foreign] = [await work(query, text, [randomUUID()]), await work(query, text, [long.id])];
        assert.ok(
          Math.abs(foreign.blocks - absent.blocks) <= MAX_MORE,
          `${name}: ${foreign.blocks} blocks, and ${absent.blocks} of an absent one\n${foreign.plan}\n${absent.plan}`,
        );
      });
});

test('the same statements find what is there for those who may see it', async () => {
  for (const [name, text] of Object.entries(reads)) {
    if (!text.startsWith('select')) continue;
    await as(user(owner), async (query) => assert.ok((await work(query, text, [long.id])).rows > 0, name));
  }
});

/** A line of a transcript of a session. */
const LINE = `jsonb_build_object('type', 'user', 'uuid', gen_random_uuid(), 'sessionId', $1::text, 'cwd', '/home/me/strange',
  'timestamp', '2026-11-20T10:00:00Z', 'message', '{"role": "user", "content": "text"}'::jsonb)::text`;
const ingest = (session, project) =>
  `ingest_batch(json_build_array(${LINE}), array[0], '{}', ${session} || '.jsonl', ${project}, "end" => 300)`;

/** Calls of every function that takes an id, by what it is the id of. */
const calls = {
  project: [
    `search('text', $1)`,
    `suggest('text', $1)`,
    'search_analytics($1)',
    ...['overview', 'tools', 'models', 'activity', 'users'].map((name) => `analytics_${name}($1)`),
    'verify_audit($1)',
    'delete_project($1)',
    `invite($1, 'viewer', 'somebody@example.org')`,
    ingest('gen_random_uuid()', '$1::text'),
    `attach_file(gen_random_uuid() || '/tool-results/a.txt', 'text', 4, 0, project => $1)`,
  ],
  limited: ['reprice($1)'],
  conversation: ['thread($1)', 'transcript_page($1)', 'share($1)', 'delete_conversation($1)'],
  message: ['similar($1)', 'search_opened($2, $1)'],
  share: [
    'revoke_share($1)',
    `view_count(jsonb_populate_record(null::observatory.share_links, jsonb_build_object('id', $1::uuid)))`,
  ],
  invitation: ['accept_invitation($1)', 'decline_invitation($1)'],
  session: [
    ingest('$1::text', 'null'),
    `attach_file($1 || '/tool-results/a.txt', 'text', 4, 0)`,
    `take_hook(jsonb_build_object('session_id', $1::text, 'hook_event_name', 'Stop'))`,
    `take_otel(jsonb_build_object('resourceLogs', jsonb_build_array(jsonb_build_object('scopeLogs', jsonb_build_array(
      jsonb_build_object('logRecords', jsonb_build_array(jsonb_build_object('attributes', jsonb_build_array(
        jsonb_build_object('key', 'event.name', 'value', '{"stringValue": "user_prompt"}'::jsonb),
        jsonb_build_object('key', 'session.id', 'value', jsonb_build_object('stringValue', $1::text)))))))))))`,
  ],
};
const listed = Object.entries(calls).flatMap(([kind, texts]) =>
  texts.map((text) => ({ kind, text, name: text.split('(')[0] })),
);

/** What a caller reads for the id of something, and what is refused. */
const readOf = (sub, { kind, text, name }, id) =>
  as(
    ['invite', 'ingest_batch', 'attach_file', 'take_hook', 'take_otel'].includes(name) ? vouched(sub) : user(sub),
    (query) =>
      blocksRead(
        query,
        `select observatory.${text}`,
        kind === 'message' && text.includes('$2') ? [id, ids.search] : [id],
      ),
  );

test('no function that takes an id is left out', async () => {
  const rows = await sql(
    `select distinct proname::text as name from pg_proc
     where pronamespace = 'observatory'::regnamespace and pronargs > 0
       and (has_function_privilege('authenticated', oid, 'execute') or has_function_privilege('edge', oid, 'execute'))`,
  );
  // Who has the token of a link may read it; the other one looks at nothing but its argument.
  const others = ['shared', 'is_own'];
  assert.deepEqual(new Set([...listed.map(({ name }) => name), ...others]), new Set(rows.map(({ name }) => name)));
});

test('of a foreign id, a function reads no more for a stranger than of one that is not there', async () => {
  for (const one of listed)
    for (const sub of [stranger, outsider]) {
      // Catalogs that are read anew, as after an ANALYZE meanwhile, count too, once; what an id tells is there each time.
      let absent;
      let foreign;
      for (let n = 0; n < 5 && !(Math.abs(foreign?.blocks - absent?.blocks) <= mostOf(one)); n += 1) {
        [absent, foreign] = [await readOf(sub, one, randomUUID()), await readOf(sub, one, ids[one.kind])];
        assert.equal(foreign.code, absent.code, one.text);
      }
      assert.ok(
        Math.abs(foreign.blocks - absent.blocks) <= mostOf(one),
        `${one.text}: ${foreign.blocks} blocks, and ${absent.blocks} of an absent id`,
      );
    }
});

test('the same functions read more for those who may see it', async () => {
  // Of these the owner has few rows to read.
  const short = ['transcript_page', 'search_opened'];
  for (const one of listed) {
    if (!['project', 'conversation', 'message'].includes(one.kind) || short.includes(one.name)) continue;
    const [absent, own] = [await readOf(owner, one, randomUUID()), await readOf(owner, one, ids[one.kind])];
    assert.equal(own.code, null, one.text);
    assert.ok(
      own.blocks - absent.blocks > mostOf(one),
      `${one.text}: ${own.blocks} blocks, and ${absent.blocks} of an absent id`,
    );
  }
});
