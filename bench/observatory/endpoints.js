// The calls of observatory's endpoints, for npm run bench -- scale.

import { BY_KEY } from '../scale/lists.js';
import { personCalls } from '../scale/person.js';
import { PROJECT as ANALYSED } from './analytics.js';
import { OWNER } from './load.js';

/** Users at once: each has a project of their own, with a session, an invitation and a link. */
const USERS = 100;
const user = (n) => `md5('user ' || 1 + ${n})::uuid`;
const project = (n) => `md5('own project ' || ${n})::uuid`;
/** Another project of each of them, into which nobody has been invited yet. */
const inviting = (n) => `md5('inviting project ' || ${n})::uuid`;
const conversation = (n) => `md5('own conversation ' || ${n})::uuid`;
const message = (n, k) => `md5('own message ' || ${n} || ' ' || ${k})::uuid`;
const entry = (n, k) => `md5('own entry ' || ${n} || ' ' || ${k})::uuid`;
const invitation = (n) => `md5('invitation ' || ${n})::uuid`;
const link = (n) => `md5('link ' || ${n})::uuid`;
const search = (n) => `md5('search ' || ${n})::uuid`;
const token = (n) => `sha256(convert_to('link ' || ${n}, 'UTF8'))`;
/** The invited are other users. */
const guest = (n) => `md5('guest ' || ${n})::uuid`;
const MESSAGES = 100;
/** Entries of each project's audit chain, at full size. */
const ENTRIES = 1000;
const entriesOf = (size) => Math.ceil(ENTRIES * size);
/** Invitations, links, searches and uploaded files of others, at full size. */
const FULL = { invitations: 100_000, links: 100_000, searches: 1_000_000, files: 100_000 };

const OWN = [
  `insert into observatory.projects (id, owner_id, name, last_activity_at) select ${project('n')}, ${user('n')}, 'Own', now() from $USERS`,
  `insert into observatory.project_members (project_id, user_id, role) select ${project('n')}, ${user('n')}, 'owner' from $USERS`,
  `insert into observatory.projects (id, owner_id, name, last_activity_at) select ${inviting('n')}, ${user('n')}, 'Inviting', now() from $USERS`,
  `insert into observatory.project_members (project_id, user_id, role) select ${inviting('n')}, ${user('n')}, 'owner' from $USERS`,
  `insert into observatory.conversations (id, project_id, owner_id, session_id, title, status, message_count, started_at, last_message_at)
   select ${conversation('n')}, ${project('n')}, ${user('n')}, 'own session ' || n, 'Own', 'ended', ${MESSAGES}, now() - interval '1 hour', now() from $USERS`,
  `insert into observatory.messages (id, project_id, conversation_id, owner_id, entry_uuid, parent_uuid, seq, entry_type, role, content, occurred_at, created_at)
   select ${message('n', 'k')}, ${project('n')}, ${conversation('n')}, ${user('n')}, ${entry('n', 'k')}, ${entry('n', 'k - 1')}, k * 700, r.role, r.role,
     repeat('some words of a message ', 20), now() - (100 - k) * interval '1 second', now()
   from $USERS, generate_series(1, ${MESSAGES}) as k, lateral (select (array['user', 'assistant'])[1 + k % 2] as role) as r`,
];
/** Persons whose address is known, each with a project and a session of their own. */
const person = (n) => `md5('person ' || ${n})::uuid`;
const personal = (n) => `md5('personal project ' || ${n})::uuid`;
const session = (n) => `md5('personal conversation ' || ${n})::uuid`;
const PERSONS = [
  `insert into flashfusion.users (id, email) select ${person('n')}, 'person' || n || '@example.org' from $USERS`,
  `insert into observatory.projects (id, owner_id, name, last_activity_at) select ${personal('n')}, ${person('n')}, 'Personal', now() from $USERS`,
  `insert into observatory.project_members (project_id, user_id, role) select ${personal('n')}, ${person('n')}, 'owner' from $USERS`,
  `insert into observatory.conversations (id, project_id, owner_id, session_id, title, status, message_count, started_at, last_message_at)
   select ${session('n')}, ${personal('n')}, ${person('n')}, 'personal session ' || n, 'Personal', 'ended', ${MESSAGES}, now() - interval '1 hour', now() from $USERS`,
  `insert into observatory.messages (id, project_id, conversation_id, owner_id, entry_uuid, parent_uuid, seq, entry_type, role, content, occurred_at, created_at)
   select md5('personal message ' || n || ' ' || k)::uuid, ${personal('n')}, ${session('n')}, ${person('n')}, md5('personal entry ' || n || ' ' || k)::uuid,
     md5('personal entry ' || n || ' ' || k - 1)::uuid, k * 700, 'user', 'user', repeat('some words of a message ', 20), now() - (100 - k) * interval '1 second', now()
   from $USERS, generate_series(1, ${MESSAGES}) as k`,
];
const BLOCKS_OF_A_CHAIN =
  'In how many blocks the entries of a chain and the versions of its row are depends on the order in which they were added.';
const AUDIT = `select private.note_audit(${project('n')}, 'update', 'projects', ${project('n')})
  from generate_series(0, ${USERS - 1}) as n, generate_series(1, $1::int) as k`;
/** Uploaded files at full size, each of one session and in two chunks; the first hundred are of the sessions above. */
const FILES = [
  `insert into observatory.ingest_files (id, owner_id, project_id, conversation_id, session_id, name, path, source, byte_offset, line_no)
   select md5('file ' || n)::uuid, ${user(`n % ${USERS}`)}, ${project(`n % ${USERS}`)}, ${conversation('n')}, 'file session ' || n, 'a.jsonl',
     'projects/a.jsonl', 'claude', 20000, 100 from generate_series(0, $1::int - 1) as n`,
  `insert into private.transcript_chunks (file_id, generation, start_offset, end_offset, body)
   select md5('file ' || n)::uuid, 1, k * 10000, (k + 1) * 10000, repeat('{"type": "user"}' || chr(10), 100) from generate_series(0, $1::int - 1) as n,
     generate_series(0, 1) as k`,
];
/** Others' first, which are of the small projects' owners. */
const GROWING = {
  invitations: `insert into observatory.project_invitations (id, project_id, user_id, role, invited_by, created_at)
    select ${invitation('n')}, ${project(`n % ${USERS}`)}, ${guest('n')}, 'viewer', ${user(`n % ${USERS}`)}, now() - n * interval '1 second' from generate_series(0, $1::int - 1) as n`,
  links: `with made as (
      insert into observatory.share_links (id, project_id, conversation_id, created_by, title, expires_at, created_at)
      select ${link('n')}, ${project(`n % ${USERS}`)}, ${conversation(`n % ${USERS}`)}, ${user(`n % ${USERS}`)}, 'Own', now() + interval '30 days', now() - (n / ${USERS}) * interval '1 second'
      from generate_series(0, $1::int - 1) as n)
    insert into private.share_tokens (share_id, hash) select ${link('n')}, sha256(${token('n')}) from generate_series(0, $1::int - 1) as n`,
  searches: `insert into observatory.search_history (id, user_id, project_id, query, results, at)
    select ${search('n')}, ${user(`n % ${USERS}`)}, ${project(`n % ${USERS}`)}, 'words ' || n % 1000, 3, now() - n * interval '7 seconds'
    from generate_series(0, $1::int - 1) as n`,
};

export const load = async ({ sql, size, say }) => {
  await sql('set session_replication_role = replica');
  for (const statement of [...OWN, ...PERSONS])
    await sql(statement.replace('$USERS', `generate_series(0, ${USERS - 1}) as n`));
  const part = (name) => Math.max(USERS, Math.ceil(FULL[name] * size));
  for (const [name, statement] of Object.entries(GROWING)) await sql(statement, [part(name)]);
  for (const statement of FILES) await sql(statement, [part('files')]);
  await sql(`insert into private.model_prices (provider, model, effective_from, input_micro, output_micro)
    values ('anthropic', 'claude-opus-5', '2020-01-01', 5000000, 25000000) on conflict do nothing`);
  await sql('set session_replication_role = default');
  await sql(AUDIT, [entriesOf(size)]);
  for (const table of ['project_invitations', 'share_links', 'search_history', 'messages', 'conversations', 'projects'])
    await sql(`vacuum analyze observatory.${table}`);
  await sql('vacuum analyze observatory.ingest_files, private.transcript_chunks, private.share_tokens');
  say('projects of a hundred users, invitations, links, searches');
};

const someone = { sub: user };
const owner = { sub: () => `'${OWNER}'` };
const invited = { sub: guest };

const SESSION = '00000000-0000-4000-8000-00000{n}';
/** Twenty lines of a session that is uploaded for the first time. {n} becomes the number of the user in seven digits. */
const LINES = Array.from({ length: 20 }, (_, at) => {
  const uuid = (k) => `00000000-0000-4000-8000-0000000000${String(k).padStart(2, '0')}`;
  const common = {
    ...{
      parentUuid: at > 0 ? uuid(at - 1) : null,
      uuid: uuid(at),
      isSidechain: false,
      userType: 'external',
      cwd: '/home/me/new',
    },
    ...{ sessionId: SESSION, version: '2.1.240', gitBranch: 'main' },
    timestamp: new Date(Date.UTC(2026, 9, 1) + at * 2000).toISOString(),
  };
  const words = 'words of a message that somebody has written or a model has answered '.repeat(5);
  if (at % 2 === 0) return JSON.stringify({ ...common, type: 'user', message: { role: 'user', content: words } });
  const said = { id: `msg_${at}`, type: 'message', role: 'assistant', model: 'claude-opus-5', stop_reason: null };
  const usage = {
    input_tokens: 10,
    output_tokens: 200,
    cache_read_input_tokens: 20_000,
    cache_creation_input_tokens: 300,
  };
  return JSON.stringify({
    ...{ ...common, type: 'assistant', requestId: `req_${at}` },
    message: { ...said, content: [{ type: 'text', text: words }], usage },
  });
});
const ENDS = LINES.map((_, at) =>
  LINES.slice(0, at + 1).reduce((sum, line) => sum + Buffer.byteLength(line) + 1 + 4, 0),
);
const quoted = (value) => `'${JSON.stringify(value).replaceAll("'", "''")}'`;
const numbered = (value) => (n) => `replace(${quoted(value)}, '{n}', lpad((${n})::text, 7, '0'))`;

const batch = (n) => `lines => ${numbered(LINES)(n)}::json, offsets => '{${[0, ...ENDS.slice(0, -1)]}}',
  redactions => '{"lines": {}, "by": {}, "skipped": {}}', file => ${numbered(`projects/-home-me-new/${SESSION}.jsonl`)(n)}::json #>> '{}',
  start => 0, "end" => ${ENDS.at(-1)}`;

const EVENT = {
  ...{
    session_id: SESSION,
    hook_event_name: 'PreToolUse',
    cwd: '/home/me/new',
    tool_name: 'Bash',
    tool_use_id: 'toolu_1',
  },
  tool_input: { command: 'cargo test' },
};
const attribute = (key, value) => ({ key, value: { stringValue: `${value}` } });
const LOGS = {
  resourceLogs: [
    {
      resource: { attributes: [attribute('service.name', 'claude-code')] },
      scopeLogs: [
        {
          scope: { name: 'com.anthropic.claude_code.events' },
          logRecords: [1, 2, 3].map((sequence) => ({
            timeUnixNano: `${Date.now()}000000`,
            body: { stringValue: 'claude_code.api_request' },
            attributes: [
              attribute('event.name', 'api_request'),
              attribute('event.sequence', sequence),
              attribute('session.id', SESSION),
              attribute('model', 'claude-opus-5'),
            ],
          })),
        },
      ],
    },
  ],
};

const ANALYTICS = (name) => ({ reads: [`${name} of 90 days, 100 users`] });

export const endpoints = ({ size }) => ({
  'POST /v1/transcripts': {
    caller: someone,
    with: batch,
    holds: `(answer ->> 'messages')::int = ${LINES.length}`,
    why: 'Twenty messages with their words, tool calls and usage are added to a dozen tables.',
  },
  'POST /v1/transcripts/files': {
    caller: someone,
    with: (n) =>
      `file => 'own session ' || ${n} || '/tool-results/a.txt', content => repeat('a line ', 500), bytes => 3500, redactions => 0`,
    holds: `answer ->> 'is_new' = 'true'`,
    why: 'The session is found by its owner and id.',
  },
  'GET /v1/conversations/{id}/transcript': {
    caller: someone,
    with: (n) => `id => ${conversation(n)}`,
    holds: `char_length(answer ->> 'text') > 1000`,
    why: 'The files of the conversation and their lines are found by their keys.',
  },
  'GET /v1/analytics/overview': ANALYTICS('overview'),
  'GET /v1/analytics/tools': ANALYTICS('tools'),
  'GET /v1/analytics/models': ANALYTICS('models'),
  'GET /v1/analytics/activity': ANALYTICS('activity'),
  'GET /v1/analytics/users': ANALYTICS('users'),
  'POST /v1/projects/{id}/reprice': {
    caller: owner,
    with: `project => ${ANALYSED}, dry_run => true`,
    holds: `(answer ->> 'records')::int > 0`,
    why: 'An owner asks for it once, after prices have changed.',
    grows:
      'It goes through all records of usage of the project, for two seconds at most in a call. A run that is no dry run also writes the records whose price has changed.',
    contends: 'It locks out uploads into the project, so that a hundred of them wait for each other.',
  },
  'GET /v1/search': {
    reads: ['search: a rare term', 'search: a common term', 'search: a rare term through all 101 projects'],
  },
  'GET /v1/search/suggest': { reads: ['suggestions'] },
  'GET /v1/search/similar/{message_id}': { reads: ['similar messages'] },
  'POST /v1/search/opened': {
    caller: someone,
    with: (n) => `search_id => ${search(n)}, message_id => ${message(n, 7)}`,
    holds: `answer ->> 'message_id' is not null`,
    why: BY_KEY,
  },
  'GET /v1/search/analytics': {
    caller: someone,
    with: (n) => `project => ${project(n)}`,
    holds: `jsonb_array_length(answer -> 'queries') > 0`,
    why: 'An owner’s report.',
    grows: 'It counts the project’s searches of 90 days.',
  },
  'GET /v1/conversations/{id}/thread': { reads: ['a page of 100 messages with their tool calls'] },
  'POST /v1/hooks': {
    caller: someone,
    with: (n) => `event => ${numbered(EVENT)(n)}::jsonb`,
    holds: 'answer',
    why: 'An event and its session’s state are rows of their own.',
  },
  'POST /v1/otlp/v1/logs': {
    caller: someone,
    with: (n) => `request => ${numbered(LOGS)(n)}::jsonb`,
    holds: `answer = '{"partialSuccess": {}}'::jsonb`,
    why: 'Three events and their session’s state are rows of their own.',
  },
  'DELETE /v1/projects/{id}': {
    caller: someone,
    with: (n) => `id => ${project(n)}`,
    holds: `(answer ->> 'conversations')::int = 1`,
    why: 'The project and its conversations are marked; a job deletes their rows.',
  },
  'DELETE /v1/conversations/{id}': {
    caller: someone,
    with: (n) => `id => ${conversation(n)}`,
    holds: `(answer ->> 'conversations')::int = 1`,
    why: 'The conversation is marked; a job deletes its rows.',
  },
  'POST /v1/projects/{id}/invitations': {
    caller: someone,
    with: (n) => `project_id => ${inviting(n)}, role => 'viewer', email => 'guest' || ${n} || '@example.org'`,
    holds: `answer ->> 'status' = 'invited'`,
    why: 'The project’s open invitations are counted by their index, and one is added.',
  },
  'GET /v1/invitations': {
    caller: invited,
    holds: `jsonb_array_length(answer -> 'invitations') = 1`,
    why: 'Invitations are found by the user.',
  },
  'POST /v1/invitations/{id}/accept': {
    caller: invited,
    with: (n) => `id => ${invitation(n)}`,
    holds: `answer ->> 'role' = 'viewer'`,
    why: BY_KEY,
  },
  'POST /v1/invitations/{id}/decline': {
    caller: invited,
    with: (n) => `id => ${invitation(n)}`,
    holds: `answer ->> 'status' = 'declined'`,
    why: BY_KEY,
  },
  'POST /v1/conversations/{id}/share': {
    caller: someone,
    with: (n) => `id => ${conversation(n)}`,
    holds: `answer ->> 'token' is not null`,
    why: BY_KEY,
  },
  'DELETE /v1/shares/{id}': {
    caller: someone,
    with: (n) => `id => ${link(n)}`,
    holds: `answer ->> 'revoked_at' is not null`,
    why: BY_KEY,
  },
  'GET /v1/shared/style.css': 'The edge answers it without the database.',
  'GET /v1/shared/{token}': {
    caller: { role: 'anon' },
    place: `select array(select private.base64url(${token('n')}) from generate_series(0, ${USERS - 1}) as n order by n) as tokens`,
    with: (n, { tokens }) => `token => ('{${tokens}}'::text[])[1 + ${n}]`,
    holds: `jsonb_array_length(answer -> 'messages') > 40`,
    why: 'The link is found by the hash of its token, and the first messages of its conversation by their index.',
  },
  'GET /v1/projects/{id}/audit': {
    caller: someone,
    with: (n) => `id => ${project(n)}`,
    holds: `(answer ->> 'intact')::boolean and answer ->> 'entries' = '${entriesOf(size)}'`,
    why: `An owner asks for it seldom. ${BLOCKS_OF_A_CHAIN}`,
    grows: 'It checks the whole chain of one project.',
  },
  'POST /v1/admin/audit/verify': {
    caller: { role: 'service_role' },
    holds: `answer -> 'faults' = '[]' and (answer ->> 'chains')::int >= ${USERS}`,
    why: `Operators ask for it seldom. ${BLOCKS_OF_A_CHAIN}`,
    grows: 'It checks a thousand chains in a call, from end to end.',
  },
  'POST /v1/jobs/seal_audit_head': 'Its function only checks the right to it. The work is the job’s, once a day.',
});

export const writes = () => ({
  'a project is added': {
    caller: someone,
    write: (n) => `insert into observatory.projects (name) values ('New ' || ${n})`,
    why: 'A row is added to the table and its indexes, and its owner to the members.',
  },
  'a conversation gets a title': {
    caller: someone,
    write: (n) => `update observatory.conversations set title = 'A title' where id = ${conversation(n)}`,
    why: BY_KEY,
  },
});

export const functions = () =>
  personCalls({ email: (n) => `'person' || ${n} || '@example.org'`, table: 'observatory.messages' });

const DAILY = 'The job’s, once a day: it writes a row for each project that has a new entry of the audit.';

export const steps = () => ({ 'edge.audit_head': DAILY, 'edge.audit_head_sealed': DAILY });
