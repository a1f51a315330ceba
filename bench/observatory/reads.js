// The hot reads of observatory, for npm run bench -- scale.
import { user } from '../scale/lists.js';
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

export const reads = () => [
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
