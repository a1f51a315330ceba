// Projects with members, conversations and messages for the tests of search and threads, written as an upload writes them.
import { randomUUID } from 'node:crypto';
import { as, sql } from '../../support/stack.js';

export const user = (sub = randomUUID()) => ({ role: 'authenticated', claims: { sub } });

/** Calls a function of the schema by named arguments as a user, and gives its result. */
export const call = (sub, name, given = {}) =>
  as(user(sub), async (query) => {
    const names = Object.keys(given).filter((key) => given[key] !== undefined);
    const list = names.map((key, at) => `"${key}" => $${at + 1}`).join(', ');
    return (
      await query(
        `select observatory.${name}(${list}) as result`,
        names.map((key) => given[key]),
      )
    )[0].result;
  });

/** A refusal by code and status. */
export const refused = (code, status) => (error) => {
  if (error.code !== 'PGRST') throw error;
  const found = [JSON.parse(error.message).code, JSON.parse(error.detail).status];
  if (found[0] !== code || found[1] !== status) throw new Error(`refused with ${found}: ${error.message}`);
  return true;
};

/** A project of an owner's, with members by role. */
export const makeProject = async (owner, members = {}) => {
  const [{ id }] = await sql('insert into observatory.projects (owner_id, name) values ($1, $2) returning id', [
    owner,
    `Project ${randomUUID()}`,
  ]);
  for (const [role, sub] of Object.entries(members)) await addMember(id, sub, role);
  return id;
};
export const addMember = (project, sub, role = 'viewer') =>
  sql('insert into observatory.project_members (project_id, user_id, role) values ($1, $2, $3)', [project, sub, role]);
export const removeMember = (project, sub) =>
  sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [project, sub]);

/** A conversation: of a session, or of a subagent in it. */
export const makeConversation = async (project, owner, given = {}) =>
  (
    await sql(
      `insert into observatory.conversations (project_id, owner_id, session_id, agent_id, parent_conversation_id, title)
       values ($1, $2, $3, $4, $5, $6) returning *`,
      [project, owner, given.session ?? randomUUID(), given.agent ?? null, given.parent ?? null, given.title ?? null],
    )
  )[0];

let minutes = 0;

/** A message, and its vector: a text, or columns. Each is a minute later than the one before. */
export const say = async (conversation, given) => {
  minutes += 1;
  const columns = {
    project_id: conversation.project_id,
    conversation_id: conversation.id,
    owner_id: conversation.owner_id,
    entry_uuid: randomUUID(),
    entry_type: 'user',
    role: 'user',
    occurred_at: new Date(Date.UTC(2026, 0, 1) + minutes * 60_000),
    ...(typeof given === 'string' ? { content: given } : given),
  };
  const { tools, ...row } = columns;
  const names = Object.keys(row);
  const values = names.map((name) =>
    name.startsWith('content_b') || name === 'metadata' ? JSON.stringify(row[name]) : row[name],
  );
  const [made] = await sql(
    `insert into observatory.messages (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')}) returning *`,
    values,
  );
  for (const tool of tools ?? []) await addCall(made, tool);
  await sql('select private.index_messages(array[$1::uuid])', [made.id]);
  return made;
};

/** A call of a message's. */
export const addCall = async (message, { name = 'Read', id = randomUUID(), ...given }) =>
  (
    await sql(
      `insert into observatory.tool_calls (
         project_id, conversation_id, owner_id, message_id, tool_use_id, tool_name, input, output, file_path, spawned_agent_id
       ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) returning *`,
      [
        message.project_id,
        message.conversation_id,
        message.owner_id,
        message.id,
        id,
        name,
        JSON.stringify(given.input ?? {}),
        given.output ?? null,
        given.file ?? null,
        given.agent ?? null,
      ],
    )
  )[0];

/**
 * Stores entries of a conversation as an upload does: messages, and for `progress` only its link. Each: {uuid, parent, ...}. An entry's
 * place in the list is its place in the file, unless it has a `pos`.
 */
export const upload = async (conversation, entries, query = sql) => {
  const rows = entries.map((entry, at) => ({
    pos: at * 100,
    kind: 'user',
    role: ['progress', 'system'].includes(entry.kind) ? null : (entry.kind ?? 'user'),
    at: new Date(Date.UTC(2026, 1, 1) + (entry.pos ?? at * 100) * 1000).toISOString(),
    session: conversation.session_id,
    agent: conversation.agent_id,
    is_sidechain: false,
    is_meta: false,
    content: `text of ${entry.uuid}`,
    ...entry,
  }));
  const { id, project_id, owner_id, session_id, agent_id } = conversation;
  const place = { session: session_id, agent: agent_id, conversation_id: id, project_id };
  await query(
    `select private.store_messages($2, $3, null, array(select e from jsonb_populate_recordset(null::private.entry, $1::jsonb) as e))`,
    [JSON.stringify(rows), owner_id, JSON.stringify([place])],
  );
  await query(
    `select private.link_entries(array[$2::uuid], array(
       select e from jsonb_populate_recordset(null::private.entry, $1::jsonb) as e))`,
    [JSON.stringify(rows), conversation.id],
  );
};

/** The tree of a conversation: {uuid: [parent's uuid, depth, branch]}. */
export const treeOf = async (conversation, query = sql) => {
  const rows = await query(
    `select m.entry_uuid as uuid, p.entry_uuid as parent, m.depth::int as depth, m.branch::int as branch
     from observatory.messages as m left join observatory.messages as p on p.id = m.parent_id
     where m.conversation_id = $1 order by m.seq, m.id`,
    [conversation.id],
  );
  return Object.fromEntries(rows.map(({ uuid, parent, depth, branch }) => [uuid, [parent, depth, branch]]));
};
