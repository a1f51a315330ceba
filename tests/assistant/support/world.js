// Tenants, members and conversations for tests.
import { randomUUID } from 'node:crypto';
import { as, sql } from '../../support/stack.js';

/** What a statement answers an account; errors are thrown. */
export const asUser = (sub, text, values, claims = {}) =>
  as({ role: 'authenticated', claims: { sub, ...claims } }, (query) => query(text, values));

/** What a statement answers a server. */
export const asServer = (text, values) => as({ role: 'service_role' }, (query) => query(text, values));

/** What a statement answers when the edge vouches for an account. */
export const vouchedFor = (sub, text, values) =>
  as({ role: 'edge', claims: { sub, edge: { caller: 'authenticated' } } }, (query) => query(text, values));

/** The code of the error that a promise is refused with; null if it is not. */
export const codeOf = async (promise) => {
  try {
    await promise;
    return null;
  } catch (error) {
    return error.code === 'PGRST' ? JSON.parse(error.message).code : error.code;
  }
};

const insert = async (table, row) => {
  const names = Object.keys(row);
  const [{ made }] = await sql(
    `insert into ${table} as t (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')}) returning to_jsonb(t) as made`,
    Object.values(row),
  );
  return made;
};

/** A tenant; gives its row. */
export const makeTenant = (fields = {}) =>
  insert('assistant.tenants', {
    ...{ name: 'A tenant', slug: `t${randomUUID()}`, llm_provider: 'openai', llm_model: 'gpt-5-mini' },
    ...fields,
  });

/** A member with an account: the row, whose `auth_id` is the account. */
export const makeMember = (tenant_id, role = 'member', fields = {}) =>
  insert('assistant.users', {
    tenant_id,
    role,
    auth_id: randomUUID(),
    email: `${randomUUID()}@example.org`,
    ...fields,
  });

/** A conversation of a member's, with messages of these texts: by turns a question and an answer. */
export const makeConversation = async ({ id, tenant_id }, texts = [], fields = {}) => {
  const conversation = await insert('assistant.conversations', { tenant_id, user_id: id, ...fields });
  const messages = [];
  for (const [at, content] of texts.entries())
    messages.push(
      await insert('assistant.messages', {
        conversation_id: conversation.id,
        role: at % 2 === 0 ? 'user' : 'assistant',
        content,
        created_at: new Date(Date.now() + at),
      }),
    );
  return { ...conversation, messages };
};

export const makeFeedback = (message_id, user_id, fields = {}) =>
  insert('assistant.feedback', { message_id, user_id, rating: 1, ...fields });

export const makeUsage = (tenant_id, user_id, fields = {}) =>
  insert('assistant.usage_metrics', { tenant_id, user_id, date: '2026-01-01', ...fields });

/** Deletes tenants and all that they have. */
export const forget = (...tenants) =>
  sql('delete from assistant.tenants where id = any ($1)', [tenants.map(({ id }) => id)]);
