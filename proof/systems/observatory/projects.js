// Projects of everybody, with a session, a message and a tool call in each, to draft in. They stay until the end.
import { USERS } from '../../personas.js';

/** Users make rows in their own project; service_role in any. */
export const MAKERS = [...USERS, 'service'];
/** `owner` owns the fixtures' projects, `member` is a viewer there, and `viewer` has been one. */
export const READERS = ['owner', 'member', 'service'];
export const OWN = ['owner', 'service'];
// The stranger has some already, and gives them to the stranger.
export const GIVERS = ['stranger', 'service'];
export const written = { insert: MAKERS, update: OWN };
/** Written once, when a row is made. */
export const made = { insert: MAKERS, update: ['service'] };
// service_role mends what users may not touch.
export const mended = { insert: ['service'], update: ['service'] };
export const changed = { insert: ['service'], update: OWN };
// Everybody has one of these here, and reads its columns.
export const readByAll = (columns) =>
  Object.fromEntries(Object.entries(columns).map(([name, says]) => [name, { read: MAKERS, ...says }]));
/** Functions that the edge's own token executes, and at PostgREST only. */
export const edges = { execute: [], database: { execute: ['edge'] } };

const drafts = new Map();
const everybodys = new WeakMap();
const make = async (people, sql) => {
  const one = async (text, values) => (await sql(`${text} returning id`, values))[0].id;
  for (const { sub } of Object.values(people)) {
    const project = await one(`insert into observatory.projects (owner_id, name) values ($1, 'for drafts')`, [sub]);
    await sql(`insert into observatory.project_paths (owner_id, path, project_id) values ($1, '/for/drafts', $2)`, [
      sub,
      project,
    ]);
    const conversation = await one(
      `insert into observatory.conversations (owner_id, project_id, session_id, title) values ($1, $2, 'for drafts', 'for drafts')`,
      [sub, project],
    );
    const message = await one(
      `insert into observatory.messages (owner_id, project_id, conversation_id, entry_uuid, entry_type)
       values ($1, $2, $3, 'for drafts', 'user')`,
      [sub, project, conversation],
    );
    await sql(
      `insert into observatory.tool_calls (owner_id, project_id, conversation_id, message_id, tool_use_id, tool_name)
       values ($1, $2, $3, $4, 'for drafts', 'Read')`,
      [sub, project, conversation, message],
    );
    drafts.set(sub, { project, conversation, message });
  }
};
/** Makes them once for these people. */
export const withProjects = (people, sql) => {
  if (!everybodys.has(people)) everybodys.set(people, make(people, sql));
  return everybodys.get(people);
};
/** What somebody drafts in: ids of a project, a conversation and a message. */
export const own = ({ sub }) => drafts.get(sub);

/** A shared project of the owner's: `member` is a viewer of it, `viewer` was one. */
export const shared = async (add, people, marker, sql) => {
  await withProjects(people, sql);
  const project = await add('observatory.projects', { owner_id: people.owner.sub, name: marker, description: marker });
  await add('observatory.project_members', {
    project_id: project.id,
    user_id: people.member.sub,
    role: 'viewer',
    display_name: marker,
  });
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'viewer')`, [
    project.id,
    people.viewer.sub,
  ]);
  await sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [
    project.id,
    people.viewer.sub,
  ]);
  return project;
};

/** A conversation in it: of a subagent, below another one. */
export const conversation = async (add, people, marker, sql) => {
  const { id } = await shared(add, people, marker, sql);
  const row = { project_id: id, owner_id: people.owner.sub, session_id: marker, title: marker };
  const parent = await add('observatory.conversations', row);
  return add('observatory.conversations', { ...row, agent_id: 'agent', parent_conversation_id: parent.id });
};

/** A message in it, below another one. */
export const message = async (add, people, marker, sql) => {
  const { id, project_id } = await conversation(add, people, marker, sql);
  const row = { project_id, conversation_id: id, owner_id: people.owner.sub, entry_type: 'user', content: marker };
  const parent = await add('observatory.messages', { ...row, entry_uuid: `above ${marker}` });
  const made = await add('observatory.messages', { ...row, entry_uuid: marker, parent_id: parent.id });
  // So that a search could find it.
  await sql('select private.index_messages(array[$1::uuid])', [made.id]);
  return made;
};

/** Deletes them. */
export const cleanUp = async (sql, people) => {
  await sql('delete from observatory.projects where owner_id = any ($1)', [people.map(({ sub }) => sub)]);
};
