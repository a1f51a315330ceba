// The hot reads of observatory, for npm run bench -- scale.
import { embedded, explainedBy, owned, selected, user } from '../scale/lists.js';
import { PROJECT as ANALYSED, CALLS, load as loadAnalysed } from './analytics.js';
import { load as loadBeside } from './beside.js';
import { conversation, EVERYWHERE, SIZES as FULL, load as loadRows, OWNER, PROJECT } from './load.js';
import { ROWS } from './search.js';

export const load = async ({ sql, client, size, say, signal }) => {
  const sizes = { messages: Math.ceil(FULL.messages * size), projects: Math.ceil(FULL.projects * size) };
  await loadRows(sql, { ...sizes, client, say, signal });
  await loadBeside(sql, { ...sizes, size, say });
  await loadAnalysed(sql, sizes, { say, signal });
  await sql(`select private.recount_rollups(${ANALYSED})`);
  for (const table of ['daily_rollups', 'activity_rollups', 'tool_rollups'])
    await sql(`vacuum analyze observatory.${table}`);
};

/** A user with a small project, and what endpoints.js makes for them. As SQL, `md5('user 1')::uuid` is the user. */
const FIRST = 'bb9836f5-e2ce-756d-059b-9a4556283bc0';
const OWN_PROJECT = `md5('own project 0')::uuid`;
const OWN_CONVERSATION = `md5('own conversation 0')::uuid`;

/** The policies' conditions, as an application would write them for one user. */
const conditions = (sub) => {
  const visible = `array(select m.project_id from observatory.project_members as m where m.user_id = '${sub}'
    and not exists (select from observatory.projects as p where p.id = m.project_id and p.deleted_at is not null offset 0))`;
  const hidden = `array(select c.id from observatory.conversations as c
    where c.project_id = any (${visible}) and c.deleted_at is not null)`;
  const owned_ = `array(select m.project_id from observatory.project_members as m where m.user_id = '${sub}' and m.role = 'owner')`;
  return {
    owned: `project_id = any (${owned_})`,
    projects: `((owner_id = '${sub}' and deleted_at is null) or id = any (${visible}))`,
    conversations: `project_id = any (${visible}) and deleted_at is null`,
    parts: `project_id = any (${visible}) and conversation_id <> all (${hidden})`,
    sums: `project_id = any (${visible})`,
    // No project's words have to be looked for.
    terms: `project_id = any (${visible}) and (kind <> 'word' or project_id <> all ('{}'::uuid[]))`,
  };
};

const read = (sub, name, table, kind, where, rest, more = {}) => ({
  name,
  claims: user(sub),
  query: selected({ from: `observatory.${table}`, conditions: [where], rest, ...more }),
  bare: selected({ from: `observatory.${table}`, conditions: [where, conditions(sub)[kind]], rest, ...more }),
});

const projects = (sub, name) =>
  read(sub, name, 'projects', 'projects', 'true', 'order by last_activity_at desc, id limit 50');
const conversations = (sub, name) =>
  read(
    sub,
    name,
    'conversations',
    'conversations',
    `project_id = ${PROJECT}`,
    'order by last_message_at desc, id desc limit 50',
  );
const part = (name, table, rest) => read(OWNER, name, table, 'parts', `conversation_id = ${conversation(7)}`, rest);

/** A page of messages with the tool calls that each of them made. */
const WITH_CALLS = (condition) =>
  selected({
    columns: 'm.id, m.role, m.content, e.list as tool_calls',
    from: `observatory.messages as m ${embedded({
      from: 'observatory.tool_calls as t',
      columns: 't.id, t.tool_name, t.status',
      on: `t.message_id = m.id and ${condition('t')}`,
      rest: 'order by t.started_at, t.id',
    })}`,
    conditions: [`m.conversation_id = ${conversation(7)}`, condition('m')],
    rest: 'order by m.seq, m.id limit 20',
  });
const partsOf = (table) =>
  conditions(OWNER).parts.replaceAll(/(?<!\w\.)(project_id = any|conversation_id <> all)/g, `${table}.$1`);

const PROJECTS_OF_ALL = {
  why: 'One user is a member of every project.',
  grows: 'All their projects are looked up, and there are a hundred times as many.',
};
const CANDIDATES = {
  why: 'The index of words gives the matches of all projects; of those of the project at most a thousand are ranked.',
  grows: 'More messages match where there are more; which blocks they are in depends on the words.',
};
const COMMON = {
  why: 'Where few messages match, the index of words gives all of them; where many do, the latest are read by time until a thousand match.',
  grows: 'Which of the two is done, and how far back a thousand matches reach, depends on how many messages there are.',
  times: 10,
};
const SUMS = {
  why: 'The sums of each day are read, by user, model or tool.',
  grows:
    'At a hundredth of the size there are a hundred messages a day for a hundred users, so that few of them have used each model and each tool.',
  times: 4,
};
/** The same, by user: all of them have been active at any size. */
const SUMS_OF_USERS = 'The sums of each day are read, by user and model: as many rows at any size.';
const OF_A_FEW = {
  why: 'An index gives the newest ones.',
  grows: 'At a hundredth of the size the project has ten.',
  times: 5,
};
const SAID = {
  'the latest 50 projects of an owner': {
    why: 'An index gives the newest projects, of which the user’s are picked.',
    grows: 'The user has one in a hundred of the projects, and the newest of all are read until fifty are theirs.',
  },
  'the latest 50 projects of a member of all': PROJECTS_OF_ALL,
  'the latest 50 conversations of a project':
    'An index gives the newest ones; how many share a block depends on the order in which they were written last.',
  'the latest 50 conversations of all projects of a user': {
    why: 'An index gives those of each project, and all of them are sorted.',
    grows: 'At a hundredth of the size the user’s projects have fewer.',
  },
  'a project': 'A look-up of one row.',
  'the latest 50 failed calls of a project': 'The index of failed calls gives the newest ones.',
  'the same of a member of all projects': PROJECTS_OF_ALL,
  '100 messages of a conversation': 'An index gives the messages of a conversation.',
  '100 tool calls of a conversation': 'An index gives the calls of a conversation.',
  'a conversation': 'A look-up of one row.',
  'the second 10 of a project’s conversations, with their number': {
    why: 'An index gives them.',
    grows: 'All of them are counted.',
  },
  '20 messages of a conversation, each with its tool calls':
    'An index gives the messages, and another one the calls of each.',
  'the latest 50 records of usage of a conversation': 'An index gives the records of a conversation.',
  'the latest 50 searches of a user': 'An index gives the newest ones; it becomes a level deeper.',
  'the files of a conversation': 'An index gives the files of a conversation.',
  'the latest 50 links of a project': OF_A_FEW,
  'the latest 50 invitations of a project': OF_A_FEW,
  'the latest 50 commits of a project': 'An index gives the newest ones.',
  'the commits of a conversation': 'An index gives the commits of a conversation.',
  'the latest 50 events of a project': 'An index gives the newest ones.',
  'the latest 50 events of a conversation': 'An index gives the newest ones.',
  'the files beside a conversation': 'An index gives the files of a conversation.',
  'the 50 most used tools of a project': {
    why: 'An index gives the terms of the project.',
    grows: 'All of them are read. At a hundredth of the size a fifth of the users have sessions.',
    times: 5,
  },
  'the latest 50 notices of a user': 'An index gives the newest ones; at a hundredth of the size the user has ten.',
  'the notices that a user has not read, counted': {
    why: 'The index of unread notices has them.',
    grows: 'They are counted: the user has one in a hundred of the notices.',
  },
  'the directories of a user': 'An index gives the ten of the user.',
  'the members of a project':
    'A hundred members at any size. How many of them share a block depends on the order in which they were added.',
  'the sums of a project’s last 30 days': SUMS,
  'what each user did in a project in a week': 'The sums of each hour are read, by user.',
  'the tools of a project in a week': SUMS,
  'a page of 100 messages with their tool calls': {
    why: 'A page of one conversation, by its index.',
    grows: 'The calls of each message are looked up by an index, which becomes a level deeper.',
    times: 2,
  },
  'search: a rare term': {
    why: 'An index of words gives what matches in all projects; ten messages are the project’s.',
    grows: 'One small project in ten has the word.',
  },
  'search: a common term': COMMON,
  'search: two common words': COMMON,
  'search: a word that only foreign projects have': {
    why: 'An index of words gives what matches in all projects; the user sees none of it.',
    grows: 'One foreign project in a hundred has the word.',
  },
  'search: an identifier': CANDIDATES,
  'search: a common term, of one tool': COMMON,
  'search: a rare term through all 101 projects': CANDIDATES,
  'search: a rare term, by a member of all projects: the 200 most active': CANDIDATES,
  'search of a stranger with one small project: a term that the large one has a million times':
    'The project’s messages are read by their index: ten.',
  suggestions: {
    why: 'An index of names gives those with this beginning: some five hundred.',
    grows: 'Each is counted for every user who has had such a file: one at a hundredth of the size, then five.',
    times: 5,
  },
  'similar messages': CANDIDATES,
  ...Object.fromEntries(
    Object.entries({
      ...{ overview: SUMS_OF_USERS, models: SUMS, tools: SUMS },
      ...{ activity: SUMS_OF_USERS, users: SUMS_OF_USERS },
    }).map(([name, said]) => [`${name} of 90 days, 100 users`, said]),
  ),
};

const list = () => [
  projects(OWNER, 'the latest 50 projects of an owner'),
  projects(EVERYWHERE, 'the latest 50 projects of a member of all'),
  conversations(OWNER, 'the latest 50 conversations of a project'),
  conversations(EVERYWHERE, 'the same of a member of all projects'),
  read(
    OWNER,
    'the latest 50 conversations of all projects of a user',
    'conversations',
    'conversations',
    'true',
    'order by last_message_at desc, id desc limit 50',
  ),
  read(OWNER, 'a project', 'projects', 'projects', `id = ${PROJECT}`, ''),
  read(
    OWNER,
    'the latest 50 failed calls of a project',
    'tool_calls',
    'parts',
    `project_id = ${ANALYSED} and is_error`,
    'order by started_at desc limit 50',
  ),
  part('100 messages of a conversation', 'messages', 'order by seq, id limit 100'),
  part('100 tool calls of a conversation', 'tool_calls', 'order by started_at, id limit 100'),
  read(OWNER, 'a conversation', 'conversations', 'conversations', `id = ${conversation(7)}`, ''),
  read(
    OWNER,
    'the second 10 of a project’s conversations, with their number',
    'conversations',
    'conversations',
    `project_id = ${PROJECT}`,
    'order by last_message_at desc, id desc limit 10 offset 10',
    { counted: true },
  ),
  {
    name: '20 messages of a conversation, each with its tool calls',
    claims: user(OWNER),
    query: WITH_CALLS(() => 'true'),
    bare: WITH_CALLS(partsOf),
  },
  read(
    OWNER,
    'the latest 50 records of usage of a conversation',
    'usage_records',
    'parts',
    `conversation_id = md5('analysed conversation 7')::uuid`,
    'order by occurred_at desc, id desc limit 50',
  ),
  // Of beside.js.
  read(
    OWNER,
    'the latest 50 commits of a project',
    'git_links',
    'parts',
    `project_id = ${PROJECT} and kind = 'commit'`,
    'order by at desc, id desc limit 50',
  ),
  part('the commits of a conversation', 'git_links', 'order by at, id'),
  read(
    OWNER,
    'the latest 50 events of a project',
    'hook_events',
    'parts',
    `project_id = ${PROJECT}`,
    'order by at desc limit 50',
  ),
  part('the latest 50 events of a conversation', 'hook_events', 'order by at desc limit 50'),
  read(
    OWNER,
    'the files beside a conversation',
    'session_files',
    'parts',
    `conversation_id = ${conversation(7)}`,
    'order by path',
    { columns: 'id, path, kind, bytes, updated_at' },
  ),
  read(
    OWNER,
    'the 50 most used tools of a project',
    'search_terms',
    'terms',
    `project_id = ${PROJECT} and kind = 'tool'`,
    'order by uses desc, id limit 50',
  ),
  owned(FIRST, {
    name: 'the latest 50 notices of a user',
    from: 'observatory.notices',
    rest: 'order by created_at desc, id desc limit 50',
  }),
  owned(FIRST, {
    name: 'the notices that a user has not read, counted',
    from: 'observatory.notices',
    where: 'read_at is null',
    columns: 'count(*)',
  }),
  owned(FIRST, {
    name: 'the directories of a user',
    from: 'observatory.project_paths',
    key: 'owner_id',
    rest: 'order by path',
  }),
  // Of endpoints.js.
  owned(FIRST, {
    name: 'the latest 50 searches of a user',
    from: 'observatory.search_history',
    rest: 'order by at desc, id desc limit 50',
  }),
  read(FIRST, 'the files of a conversation', 'ingest_files', 'parts', `conversation_id = ${OWN_CONVERSATION}`, ''),
  read(
    FIRST,
    'the latest 50 links of a project',
    'share_links',
    'parts',
    `project_id = ${OWN_PROJECT}`,
    'order by created_at desc, id limit 50',
  ),
  read(
    FIRST,
    'the latest 50 invitations of a project',
    'project_invitations',
    'owned',
    `project_id = ${OWN_PROJECT}`,
    'order by created_at desc, id limit 50',
  ),
  read(
    OWNER,
    'the members of a project',
    'project_members',
    'sums',
    `project_id = ${PROJECT}`,
    'order by user_id limit 100',
  ),
  read(
    OWNER,
    'the sums of a project’s last 30 days',
    'daily_rollups',
    'sums',
    `project_id = ${ANALYSED} and day >= current_date - 29`,
    '',
  ),
  read(
    OWNER,
    'what each user did in a project in a week',
    'activity_rollups',
    'sums',
    `project_id = ${ANALYSED} and day >= current_date - 6`,
    'order by day, hour limit 1000',
  ),
  read(
    OWNER,
    'the tools of a project in a week',
    'tool_rollups',
    'sums',
    `project_id = ${ANALYSED} and day >= current_date - 6`,
    'order by day, tool_name limit 1000',
  ),
  // What the functions of endpoints answer.
  ...[...ROWS, ...Object.entries(CALLS).map(([name, call]) => ({ name, ...call }))]
    .filter(({ query }) => query.startsWith('select observatory.'))
    .map(({ name, query, as: sub = OWNER }) => ({ name, claims: user(sub), query })),
];

export const reads = () => explainedBy(list(), SAID);
