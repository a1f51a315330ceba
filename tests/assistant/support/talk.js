// Tenants with members, conversations and messages for tests.
import { sql } from '../../support/stack.js';
import { asServer, asUser, makeMember, makeTenant } from './world.js';

/** Inserts a row past every policy and returns it. */
const insert = async (table, row) => {
  const names = Object.keys(row);
  const [made] = await sql(
    `insert into ${table} (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')}) returning *`,
    Object.values(row),
  );
  return made;
};

const tenants = [];

/** A tenant, which forget() deletes. */
export const tenant = async (fields) => {
  const made = await makeTenant(fields);
  tenants.push(made.id);
  return made;
};

/** A member of a tenant who has joined. */
export const member = ({ id }, { role, ...fields } = {}) => makeMember(id, role, fields);

/** A conversation of a member's. */
export const conversation = (user, fields = {}) =>
  insert('assistant.conversations', {
    tenant_id: user.tenant_id,
    user_id: user.id,
    title: 'A conversation',
    ...fields,
  });

/**
 * Adds messages to a conversation, past every policy, and returns them in their order. A text is the user's and the assistant's by turns;
 * an object is what differs of the row.
 */
export const say = async ({ id }, texts) => {
  const made = [];
  for (const [at, given] of texts.entries()) {
    const own = typeof given === 'string' ? { content: given } : given;
    const role = at % 2 === 0 ? 'user' : 'assistant';
    made.push(await insert('assistant.messages', { conversation_id: id, role, ...own }));
  }
  return made;
};

/** Two tenants with the same people: an owner, an admin and two members each. */
export const world = async (features = {}) => {
  const one = async () => {
    const made = await tenant({ features });
    const people = {};
    for (const [name, role] of Object.entries({ owner: 'owner', admin: 'admin', ada: 'member', bea: 'member' }))
      people[name] = await member(made, { role, name });
    return { tenant: made, ...people };
  };
  return { here: await one(), there: await one() };
};

/** What a statement answers a member; errors are thrown. */
export const asMember = (user, text, values, claims) => asUser(user.auth_id, text, values, claims);

export const asOffice = asServer;

/** The code of the error that a promise is refused with, or its constraint; null if it is not refused. */
export const codeOf = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    return error.code === 'PGRST' ? JSON.parse(error.message).code : (error.constraint ?? error.code);
  }
};

/** Deletes the tenants of this file. */
export const forget = () => sql('delete from assistant.tenants where id = any ($1)', [tenants]);
