// The hot reads of assistant, for npm run bench -- scale.
import { withoutIndexes } from '../load.js';
import { embedded, explainedBy, selected, user } from '../scale/lists.js';
import {
  ADMIN,
  conversation,
  SIZES as FULL,
  LONG,
  load as loadRows,
  member,
  message,
  READER,
  STRANGER,
} from './load.js';
import { loadSums, SIZES as SUMS } from './summaries.js';

/**
 * All rows. Of a table without statistics the planner expects that one tenant in two hundred has a row; a tenth of the rows would have it
 * expect fewer conversations of a tenant than a page has.
 */
export const SIZE = 1;

/** The sums by day that the data API serves. */
const METRICS = `insert into assistant.usage_metrics (tenant_id, user_id, date, total_tokens, prompt_tokens, completion_tokens, request_count, estimated_cost)
  select tenant_id, user_id, day, sum(prompt_tokens + completion_tokens), sum(prompt_tokens), sum(completion_tokens), sum(requests), sum(cost_micro)
  from private.usage_days group by 1, 2, 3`;

export const load = async ({ sql, client, size, say, signal }) => {
  const sizes = { messages: Math.ceil(FULL.messages * size), feedback: Math.ceil(FULL.feedback * size) };
  await loadRows(sql, { ...sizes, client, say, signal });
  await loadSums(sql, Math.ceil(SUMS.days * size), signal);
  await sql('set session_replication_role = replica');
  await withoutIndexes(sql, ['assistant.usage_metrics'], () => sql(METRICS), { client, say, signal });
  await sql('set session_replication_role = default');
  await sql('vacuum analyze assistant.usage_metrics');
};

/** The policies' conditions, as an application would write them for one account: of messages and feedback, once for their conversation. */
const conditions = (account) => {
  const mine = (
    what,
  ) => `(select ${what} from assistant.users as u inner join assistant.tenants as t on t.id = u.tenant_id
    where u.auth_id = '${account}' and u.is_active and t.is_active)`;
  const conversations = (c) => `${c}.tenant_id = ${mine('u.tenant_id')} and (
    not ${mine(`coalesce((t.features ->> 'private_conversations')::boolean, false)`)}
    or ${c}.user_id = ${mine('u.id')} or ${mine(`u.role in ('admin', 'owner')`)})`;
  const messages = (id) =>
    `exists (select from assistant.conversations as own where own.id = ${id} and ${conversations('own')})`;
  const feedback = (id) =>
    `exists (select from assistant.messages as said inner join assistant.conversations as own on own.id = said.conversation_id
      where said.id = ${id} and ${conversations('own')})`;
  return {
    tenant: mine('u.tenant_id'),
    id: mine('u.id'),
    admin: mine(`u.role in ('admin', 'owner')`),
    ...{ conversations, messages, feedback },
  };
};

const LATEST = 'order by c.updated_at desc, c.id desc';
const beyond = ({ at, id }) =>
  `not c.is_archived and c.updated_at <= '${at}' and (c.updated_at < '${at}' or (c.updated_at = '${at}' and c.id < '${id}'))`;

/** A read of a table `x`, of which `condition(x)` says which rows the account sees. */
const read = (name, account, from, condition, where, rest, { counted, columns, ...more } = {}) => ({
  name,
  claims: user(account),
  query: selected({ from, conditions: [where], rest, columns, counted }),
  bare: selected({ from, conditions: [where, condition], rest, columns, counted }),
  ...more,
});

const conversations = (name, account, where, rest = `${LATEST} limit 50`, more = {}) =>
  read(name, account, 'assistant.conversations as c', conditions(account).conversations('c'), where, rest, more);

/** A conversation with its last messages. */
const withMessages = (own) =>
  selected({
    columns: 'c.id, c.title, e.list as messages',
    from: `assistant.conversations as c ${embedded({
      from: 'assistant.messages as m',
      columns: 'm.id, m.role, m.content, m.created_at',
      on: 'm.conversation_id = c.id',
      rest: 'order by m.created_at desc, m.id desc limit 20',
    })}`,
    conditions: [`c.id = ${conversation(0)}`, own.conversations('c')],
  });
const EVERYTHING = { conversations: () => 'true' };

const longest = (name, account, more) =>
  read(
    name,
    account,
    'assistant.messages as m',
    conditions(account).messages(LONG),
    `m.conversation_id = ${LONG}`,
    'order by m.created_at desc, m.id desc limit 100',
    more,
  );

const INDEX = 'An index gives the newest rows; it becomes a level deeper.';
const OR_SORTED = 'An index gives the newest rows; those of a small table are read and sorted.';
const OF_TENANT = 'A tenant has ten members at any size.';
const MONTH = {
  why: 'Sums by day and model are read.',
  grows: 'A day of a tenant has more models where there are more rows.',
  times: 6,
};
const SAID = {
  'a member’s latest 50 conversations': INDEX,
  'the latest 50 conversations of a tenant': OR_SORTED,
  'a page of 50 of them, far down': OR_SORTED,
  'the second 5 of a member’s, with their number': 'An index gives all of the member’s, which are counted.',
  'a conversation with its last 20 messages': 'A look-up of a conversation and of its ten messages: it has no more.',
  'a member with their tenant': 'A look-up of two rows.',
  'the latest 30 rows of usage': {
    why: 'An index gives the newest days of the tenant; the policy leaves out the rows of its other members.',
    grows: 'In a small table these rows share their blocks.',
    times: 3,
  },
  'search in the titles of a member’s conversations': {
    why: 'All of the member’s conversations are read: the index in order has only those that are not archived.',
    grows: 'At a hundredth of the size the member has ten conversations.',
  },
  'the latest 100 of a conversation’s 10,000 messages': INDEX,
  'the same of an admin, of a colleague’s conversation': INDEX,
  'the same of a stranger: none': 'The conversation is looked up and not seen.',
  'the feedback of a message': 'A message has ten ratings at any size.',
  'the tenant': 'A look-up of one row.',
  'the members of a tenant': OF_TENANT,
  'usage of a month, of a tenant': MONTH,
  'usage of a month, of a member': MONTH,
  'usage of the day': 'The sums of one day are read, by model.',
  'the tenant’s language model': 'A look-up of one row.',
};

const list = ({ size }) => [
  conversations('a member’s latest 50 conversations', READER, `c.user_id = ${member(0, 0)} and not c.is_archived`),
  conversations('the latest 50 conversations of a tenant', READER, 'not c.is_archived'),
  {
    name: 'a page of 50 of them, far down',
    claims: user(READER),
    place: `select c.updated_at::text as at, c.id from assistant.conversations as c where not c.is_archived ${LATEST}
      offset ${Math.floor((FULL.messages * size) / 500)} limit 1`,
    query: (row) => conversations('', READER, beyond(row)).query,
    bare: (row) => conversations('', READER, beyond(row)).bare,
  },
  conversations(
    'search in the titles of a member’s conversations',
    READER,
    `c.user_id = ${member(0, 0)} and c.title ilike '%SOUP%'`,
  ),
  conversations(
    'the second 5 of a member’s, with their number',
    READER,
    `c.user_id = ${member(0, 0)} and not c.is_archived`,
    `${LATEST} limit 5 offset 5`,
    { counted: true },
  ),
  {
    name: 'a conversation with its last 20 messages',
    claims: user(READER),
    query: withMessages(EVERYTHING),
    bare: withMessages(conditions(READER)),
  },
  read(
    'a member with their tenant',
    READER,
    'assistant.users as m left join assistant.tenants as t on t.id = m.tenant_id',
    `m.tenant_id = ${conditions(READER).tenant}`,
    `m.id = ${member(0, 0)}`,
    '',
    { columns: 'm.*, row_to_json(t) as tenant' },
  ),
  read(
    'the latest 30 rows of usage',
    READER,
    'assistant.usage_metrics as m',
    `m.tenant_id = ${conditions(READER).tenant} and (m.user_id = ${conditions(READER).id} or ${conditions(READER).admin})`,
    'm.user_id is not null',
    'order by m.date desc, m.user_id limit 30',
  ),
  longest('the latest 100 of a conversation’s 10,000 messages', READER),
  longest('the same of an admin, of a colleague’s conversation', ADMIN),
  longest('the same of a stranger: none', STRANGER, { empty: true }),
  read(
    'the feedback of a message',
    READER,
    'assistant.feedback as f',
    conditions(READER).feedback(message(1)),
    `f.message_id = ${message(1)}`,
    'order by f.created_at, f.id',
  ),
  read('the tenant', READER, 'assistant.tenants as t', `t.id = ${conditions(READER).tenant}`, 'true', ''),
  read(
    'the members of a tenant',
    READER,
    'assistant.users as m',
    `m.tenant_id = ${conditions(READER).tenant}`,
    'true',
    'order by m.name, m.id limit 50',
  ),
  ...[
    ['usage of a month, of a tenant', ADMIN, 'select assistant.usage_summary(null)'],
    ['usage of a month, of a member', READER, 'select assistant.usage_summary(null)'],
    ['usage of the day', ADMIN, 'select assistant.current_day_usage()'],
    ['the tenant’s language model', READER, 'select assistant.list_models()'],
  ].map(([name, account, query]) => ({ name, claims: user(account), query })),
];

export const reads = ({ size }) => explainedBy(list({ size }), SAID);
