// Rows at the sizes that the figures are about: a thousand tenants of ten members, a million conversations, ten million messages. One
// tenant has 50,000 of the conversations, one of its members 1,000, and one of these 10,000 messages.
import { inParts, REPLICA, withoutIndexes } from '../load.js';

/** Rows for each statement. */
const PART = 250_000;
export const TENANTS = 1_000;
/** Members of each tenant. */
export const MEMBERS = 10;
/** Messages of each conversation, and of the longest one. */
const LENGTH = 10;
const LONGEST = 10_000;
/** One conversation of so many is of the first tenant, and of the member who reads. */
const OF_TENANT = 20;
const OF_READER = 1_000;

export const SIZES = { messages: 10_000_000, feedback: 300_000 };

/** How many ratings there are. With more, a member would rate some messages twice. */
export const ratingsOf = ({ messages, feedback }) => Math.min(feedback, Math.floor(messages / 3));

/** The account of the member who reads; of a colleague, who is an admin; of a member of another tenant, and of one without conversations. */
export const READER = '00000000-0000-4000-8000-000000000001';
export const ADMIN = '00000000-0000-4000-8000-000000000002';
export const STRANGER = '00000000-0000-4000-8000-000000000003';
export const NEWCOMER = '00000000-0000-4000-8000-000000000004';

/** Ids, as SQL. */
export const tenant = (t) => `md5('tenant ' || ${t})::uuid`;
export const member = (t, u) => `md5('member ' || ${t} || ' ' || ${u})::uuid`;
/** As private.uuid_v7 makes them: later ones are greater. */
const inOrder = (word, n) => `(lpad(to_hex((${n})::bigint), 12, '0') || substr(md5('${word} ' || (${n})), 13))::uuid`;
export const conversation = (k) => inOrder('conversation', k);
export const message = (n) => inOrder('message', n);

/** The longest conversation: one of the reader's. */
export const LONG = conversation(OF_READER);

/** Which conversation a message is in; $3 is how many messages there are. */
const PLACE = `case when g.n >= $3::bigint - ${LONGEST} then ${OF_READER} else g.n / ${LENGTH} end`;
/** When a conversation began; its messages follow every two minutes. The longest one goes on until now. */
const began = (k, all) => `now() - (${all} / ${LENGTH} - ${k}) * interval '30 seconds' - interval '1 hour'`;

/** Those of the first tenant are as old and as new as those of all others. */
const CONVERSATIONS = `
insert into assistant.conversations (id, tenant_id, user_id, title, is_archived, created_at, updated_at)
select ${conversation('g.k')}, ${tenant('o.t')}, ${member('o.t', 'o.u')},
  (array['Holiday plans', 'Draft of the report', 'A question about SQL', 'Recipe for soup', 'Translation'])[1 + (g.k + g.k / ${OF_READER}) % 5] || ' ' || g.k,
  g.k / ${OF_TENANT} % 10 = 9, ${began('g.k', '$3::bigint')}, ${began('g.k', '$3::bigint')} + interval '18 minutes'
from generate_series($1::bigint, $2::bigint) as g (k),
  lateral (
    select case when g.k % ${OF_TENANT} = 0 then 0 else 1 + g.k % ${TENANTS - 2} end as t,
      case when g.k % ${OF_READER} = 0 then 0 when g.k % ${OF_TENANT} = 0 then 1 + g.k / ${OF_TENANT} % ${MEMBERS - 1} else g.k / ${TENANTS} % ${MEMBERS} end as u
  ) as o`;

const MESSAGES = `
insert into assistant.messages (id, conversation_id, role, content, token_count, model_used, latency_ms, created_at)
select ${message('g.n')}, ${conversation('p.k')}, (array['user', 'assistant'])[1 + g.n % 2],
  'Message ' || g.n || ' ' || repeat(md5(g.n::text) || ' ', 5), 70, case when g.n % 2 = 1 then 'gpt-5-mini' end,
  case when g.n % 2 = 1 then 400 + g.n % 3000 end,
  case when p.k = ${OF_READER} and g.n >= $3::bigint - ${LONGEST} then now() - ($3::bigint - g.n) * interval '1 second'
    else ${began('p.k', '$3::bigint')} + g.n % ${LENGTH} * interval '2 minutes' end
from generate_series($1::bigint, $2::bigint) as g (n), lateral (select ${PLACE} as k) as p`;

/** Ratings of answers, spread over all; the first answer has one of each member of its tenant. */
const FEEDBACK = `
insert into assistant.feedback (message_id, user_id, rating, comment, created_at)
select m.id, case when g.f < ${MEMBERS} then ${member(0, 'g.f')} else c.user_id end, case when g.f % 4 = 0 then -1 else 1 end,
  case when g.f % 3 = 0 then 'A comment of some length, number ' || g.f end, m.created_at + interval '1 minute'
from generate_series($1::bigint, $2::bigint) as g (f)
inner join assistant.messages as m
  on m.id = case when g.f < ${MEMBERS} then ${message(1)} else ${message(`(g.f * ($3::bigint / $4::bigint)) / 2 * 2 + 1`)} end
inner join assistant.conversations as c on c.id = m.conversation_id`;

/**
 * Loads everything, without triggers and foreign keys, and makes the indexes afterwards.
 * @param {Function} sql of one connection
 * @param {{messages: number, feedback: number, client?: import('pg').Client, say: Function, signal: AbortSignal}} options client: that of `sql`
 */
export const load = async (sql, { messages, feedback, client, say, signal }) => {
  const parts = (name, total, statement, more) =>
    inParts(sql, { name, statement, total, part: PART, more, begin: REPLICA, client, say, signal });
  const conversations = Math.ceil(messages / LENGTH);
  await sql(REPLICA);
  await sql('set synchronous_commit = off');
  await sql(
    `insert into assistant.tenants (id, name, slug, llm_provider, llm_model)
     select ${tenant('t')}, 'Tenant ' || t, 'tenant-' || t, 'openai', 'gpt-5-mini' from generate_series(0, ${TENANTS - 1}) as t`,
  );
  await sql(
    `insert into assistant.users (id, tenant_id, auth_id, email, name, role)
     select ${member('t', 'u')}, ${tenant('t')},
       case when t = 0 and u = 0 then '${READER}' when t = 0 and u = 1 then '${ADMIN}' when t = 1 and u = 0 then '${STRANGER}'
         when t = ${TENANTS - 1} and u = 0 then '${NEWCOMER}'
         else md5('account ' || t || ' ' || u) end::uuid,
       'member-' || u || '@tenant-' || t || '.example.org', 'Member ' || u, case when u = 1 then 'admin' else 'member' end
     from generate_series(0, ${TENANTS - 1}) as t, generate_series(0, ${MEMBERS - 1}) as u`,
  );
  const tables = ['assistant.conversations', 'assistant.messages', 'assistant.feedback'];
  const rows = async () => {
    await parts('conversations', conversations, CONVERSATIONS, [messages]);
    await parts('messages', messages, MESSAGES, [messages]);
    await sql(
      `update assistant.conversations as c set updated_at = (select max(m.created_at) from assistant.messages as m where m.id >= $1 and m.conversation_id = c.id)
       where c.id = ${LONG}`,
      [(await sql(`select ${message(`${messages - LONGEST}`)} as id`))[0].id],
    );
    const ratings = ratingsOf({ messages, feedback });
    await parts('feedback', ratings, FEEDBACK, [messages, ratings]);
  };
  await withoutIndexes(sql, tables, rows, { client, say, signal });
  await sql('set session_replication_role = default');
  await sql('set synchronous_commit = on');
  for (const table of ['tenants', 'users', 'conversations', 'messages', 'feedback'])
    await sql(`vacuum analyze assistant.${table}`);
};
