// The hot reads of observatory, for npm run bench -- scale.
import { explainedBy, user } from '../scale/lists.js';
import { PROJECT as ANALYSED, CALLS, load as loadAnalysed } from './analytics.js';
import { conversation, EVERYWHERE, SIZES as FULL, load as loadRows, OWNER, PROJECT } from './load.js';
import { ROWS } from './search.js';

export const load = async ({ sql, size, say, signal }) => {
  const sizes = { messages: Math.ceil(FULL.messages * size), projects: Math.ceil(FULL.projects * size) };
  await loadRows(sql, { ...sizes, say, signal });
  await loadAnalysed(sql, sizes, { say, signal });
  await sql(`select private.recount_rollups(${ANALYSED})`);
  for (const table of ['daily_rollups', 'activity_rollups', 'tool_rollups'])
    await sql(`vacuum analyze observatory.${table}`);
};

/** The policies' conditions, as an application would write them for one user. */
const conditions = (sub) => {
  const visible = `array(select m.project_id from observatory.project_members as m where m.user_id = '${sub}'
    and not exists (select from observatory.projects as p where p.id = m.project_id and p.deleted_at is not null offset 0))`;
  const hidden = `array(select c.id from observatory.conversations as c
    where c.project_id = any (${visible}) and c.deleted_at is not null)`;
  return {
    projects: `((owner_id = '${sub}' and deleted_at is null) or id = any (${visible}))`,
    conversations: `project_id = any (${visible}) and deleted_at is null`,
    parts: `project_id = any (${visible}) and conversation_id <> all (${hidden})`,
    sums: `project_id = any (${visible})`,
  };
};

const read = (sub, name, table, kind, where, rest) => ({
  name,
  claims: user(sub),
  query: `select * from observatory.${table} where ${where} ${rest}`,
  bare: `select * from observatory.${table} where ${where} and ${conditions(sub)[kind]} ${rest}`,
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

const PROJECTS_OF_ALL = {
  why: 'One user is a member of every project.',
  grows: 'All their projects are looked up, and there are a hundred times as many.',
};
const CANDIDATES = {
  why: 'An index of words gives what matches, and at most a thousand of it are ranked.',
  grows: 'At a hundredth of the size fewer messages match than a search looks at.',
};
const RANKED = {
  ...CANDIDATES,
  contends: 'Two cores rank what a hundred users have found.',
};
const SUMS = 'Sums of ninety days are read, by day and user: as many rows at any size.';
const SAID = {
  'the latest 50 projects of an owner': {
    why: 'An index gives the newest projects, of which the user’s are picked.',
    grows: 'The user has one in a hundred of the projects.',
  },
  'the latest 50 projects of a member of all': PROJECTS_OF_ALL,
  'the latest 50 conversations of a project': {
    why: 'An index gives the newest ones.',
    grows: 'The user has one in a hundred of the projects, and which those are is looked up first.',
  },
  'the same of a member of all projects': PROJECTS_OF_ALL,
  '100 messages of a conversation': {
    why: 'An index gives the messages of a conversation.',
    grows: 'The user has one in a hundred of the projects, and which those are is looked up first.',
  },
  '100 tool calls of a conversation': {
    why: 'An index gives the calls of a conversation.',
    grows: 'The user has one in a hundred of the projects, and which those are is looked up first.',
  },
  'the members of a project': 'A hundred members at any size.',
  'the sums of a project’s last 30 days': SUMS,
  'a page of 100 messages with their tool calls': 'A page of one conversation, by its index.',
  'search: a rare term': 'An index of words gives the ten messages that match.',
  'search: a common term': CANDIDATES,
  'search: two common words': CANDIDATES,
  'search: a word that only foreign projects have': {
    why: 'An index of words gives what matches in all projects; the user sees none of it.',
    grows: 'One foreign project in a hundred has the word.',
  },
  'search: an identifier': CANDIDATES,
  'search: a common term, of one tool': CANDIDATES,
  'search: a rare term through all 101 projects': RANKED,
  'search: a rare term, by a member of all projects: the 200 most active': RANKED,
  'search of a stranger with one small project: a term that the large one has a million times':
    'The project’s messages are read by their index: ten.',
  suggestions: { why: 'An index of names gives those with this beginning.', grows: 'There are more such names.' },
  'similar messages': RANKED,
  ...Object.fromEntries(
    ['overview', 'models', 'tools', 'activity', 'users'].map((name) => [`${name} of 90 days, 100 users`, SUMS]),
  ),
};

const list = () => [
  projects(OWNER, 'the latest 50 projects of an owner'),
  projects(EVERYWHERE, 'the latest 50 projects of a member of all'),
  conversations(OWNER, 'the latest 50 conversations of a project'),
  conversations(EVERYWHERE, 'the same of a member of all projects'),
  part('100 messages of a conversation', 'messages', 'order by seq, id limit 100'),
  part('100 tool calls of a conversation', 'tool_calls', 'order by started_at, id limit 100'),
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
  // What the functions of endpoints answer.
  ...[...ROWS, ...Object.entries(CALLS).map(([name, call]) => ({ name, ...call }))]
    .filter(({ query }) => query.startsWith('select observatory.'))
    .map(({ name, query, as: sub = OWNER }) => ({ name, claims: user(sub), query })),
];

export const reads = () => explainedBy(list(), SAID);
