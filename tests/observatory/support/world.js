// People, projects and conversations for tests on the database.
import { randomUUID } from 'node:crypto';
import { as, sql } from '../../support/stack.js';

/** What a statement answers a user; errors are thrown. */
export const asUser = (sub, text, values, claims = {}) =>
  as({ role: 'authenticated', claims: { sub, ...claims } }, (query) => query(text, values));

/** What a statement answers when the edge vouches for a user. */
export const vouchedFor = (sub, text, values, claims = {}) =>
  as({ role: 'edge', claims: { sub, edge: { caller: 'authenticated' }, ...claims } }, (query) => query(text, values));

/** The code of the error that a promise is refused with; null if it is not. */
export const codeOf = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    return error.code === 'PGRST' ? JSON.parse(error.message).code : error.code;
  }
};

/** A user who has just signed up. */
export const person = () => randomUUID();

/** A project of a user, with members by role: {viewer: id, editor: id}. */
export const project = async (owner, members = {}, fields = {}) => {
  const row = { owner_id: owner, name: `Project ${randomUUID()}`, ...fields };
  const names = Object.keys(row);
  const [{ id }] = await sql(
    `insert into observatory.projects (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')}) returning id`,
    Object.values(row),
  );
  for (const [role, users] of Object.entries(members))
    for (const user of [users].flat())
      await sql('insert into observatory.project_members (project_id, user_id, role) values ($1, $2, $3)', [
        id,
        user,
        role,
      ]);
  return id;
};

/** A conversation with messages of these texts; by turns of the user and the assistant. */
export const conversation = async (project_id, owner, texts = [], fields = {}) => {
  const row = { project_id, owner_id: owner, session_id: randomUUID(), title: 'A conversation', ...fields };
  const names = Object.keys(row);
  const [{ id }] = await sql(
    `insert into observatory.conversations (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')}) returning id`,
    Object.values(row),
  );
  await say(id, texts);
  return id;
};

/** Adds messages of these texts to a conversation; an object is what differs of the row. */
export const say = async (id, texts) => {
  const [{ project_id, owner_id, n }] = await sql(
    `select c.project_id, c.owner_id, (select count(*)::int from observatory.messages as m where m.conversation_id = c.id) as n
     from observatory.conversations as c where c.id = $1`,
    [id],
  );
  for (const [at, given] of texts.entries()) {
    const seq = n + at;
    const role = seq % 2 === 0 ? 'user' : 'assistant';
    const own = typeof given === 'string' ? { content: given } : given;
    const row = {
      project_id,
      conversation_id: id,
      owner_id,
      entry_uuid: randomUUID(),
      entry_type: role,
      role,
      seq,
      ...own,
    };
    const names = Object.keys(row);
    await sql(
      `insert into observatory.messages (${names.join(', ')}) values (${names.map((_, place) => `$${place + 1}`).join(', ')})`,
      Object.values(row),
    );
  }
};

/** Makes sure that there is a price, so that an owner may have records priced again. */
export const somePrice = () =>
  sql(
    `insert into private.model_prices (provider, model, effective_from, input_micro, output_micro)
     values ('nobody', 'nothing', '2020-01-01', 1, 1) on conflict do nothing`,
  );

/** Deletes the projects of these users. */
export const forget = (users) => sql('delete from observatory.projects where owner_id = any ($1)', [users]);
