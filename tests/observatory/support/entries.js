// Entries of transcripts for the tests of counting: as readers make them, stored as an upload stores them.
import { randomUUID } from 'node:crypto';
import { as, sql, transaction } from '../../support/stack.js';

/** A user with a project. */
export const makeProject = async (owner = randomUUID()) => {
  const [{ id }] = await sql(`insert into observatory.projects (owner_id, name) values ($1, $2) returning id`, [
    owner,
    `Project ${randomUUID()}`,
  ]);
  return { owner, project: id };
};

/** Deletes all that users have made. */
export const forget = async (owners) => {
  await sql('delete from observatory.projects where owner_id = any ($1)', [owners]);
};

let made = 0;
/** A time that grows from entry to entry. */
const next = () => {
  made += 1;
  return new Date(Date.UTC(2026, 0, 5) + made * 60_000).toISOString();
};

const entry = (given) => ({
  uuid: randomUUID(),
  at: next(),
  is_sidechain: false,
  is_meta: false,
  metadata: {},
  ...given,
});

/** A line of a response. `tokens` are named as readers name them. */
export const response = (api_id, { tokens = {}, ...given } = {}) =>
  entry({
    kind: 'assistant',
    role: 'assistant',
    api_id,
    model: 'counted-model',
    usage: { input: 0, output: 0, cache_read: 0, cache_write_5m: 0, cache_write_1h: 0, web_searches: 0, ...tokens },
    ...given,
  });

/** What a person wrote. */
export const prompt = (content, given) => entry({ kind: 'user', role: 'user', content, ...given });

/** A response that calls a tool, and the tool's result. */
export const call = (name, { id = `toolu_${randomUUID()}`, result = {}, ...given } = {}) => [
  response(`msg_${id}`, {
    blocks: [{ type: 'tool_use', id, name }],
    tools: [{ use: { id, name, input: {}, result } }],
    ...given,
  }),
  entry({
    kind: 'user',
    role: 'user',
    blocks: [{ type: 'tool_result', tool_use_id: id }],
    tools: [{ result: { id, is_error: false, output: 'done' } }],
    ...(result.searches && { usage: { web_searches: result.searches } }),
    ...(given.at && { at: given.at }),
  }),
];

/** The statements by which an upload stores entries of a conversation, in a transaction. */
const STORE = {
  conversation: `insert into observatory.conversations (owner_id, project_id, session_id, agent_id, source)
    values ($1, $2, $3, $4, $5) on conflict on constraint conversations_owner_session do nothing`,
  messages: `insert into observatory.messages (
      owner_id, project_id, conversation_id, entry_uuid, seq, entry_type, role, is_sidechain, is_meta, agent_id, api_message_id, model,
      content, content_blocks, input_tokens, output_tokens, cache_read_tokens, cache_creation_tokens, forked_from, occurred_at, metadata)
    select c.owner_id, c.project_id, c.id, e.uuid, e.pos, e.kind, e.role, e.is_sidechain, e.is_meta, e.agent, e.api_id, e.model, e.content,
      e.blocks, private.entry_count(e.usage -> 'input'), private.entry_count(e.usage -> 'output'),
      private.entry_count(e.usage -> 'cache_read'),
      private.entry_count(e.usage -> 'cache_write_5m') + private.entry_count(e.usage -> 'cache_write_1h'), e.forked_from,
      coalesce(e.at, now()), e.metadata
    from jsonb_populate_recordset(null::private.entry, $1) as e
    inner join observatory.conversations as c on c.owner_id = $2 and c.session_id = $3 and c.agent_id is not distinct from $4
    on conflict on constraint messages_entry do nothing`,
  tools: `insert into observatory.tool_calls as t (
      owner_id, project_id, conversation_id, message_id, tool_use_id, tool_name, status, is_error, started_at, duration_ms, duration_source,
      spawned_agent_id)
    select c.owner_id, c.project_id, c.id, m.id, u.tool #>> '{use,id}', u.tool #>> '{use,name}', 'completed',
      coalesce((u.tool #>> '{use,result,is_error}')::boolean, false), m.occurred_at, (u.tool #>> '{use,result,duration_ms}')::bigint,
      case when u.tool #> '{use,result,duration_ms}' is not null then 'result' end, u.tool #>> '{use,result,agent_id}'
    from jsonb_populate_recordset(null::private.entry, $1) as e
    inner join observatory.conversations as c on c.owner_id = $2 and c.session_id = $3 and c.agent_id is not distinct from $4
    inner join observatory.messages as m on m.conversation_id = c.id and m.entry_uuid = e.uuid
    cross join lateral jsonb_array_elements(e.tools) as u (tool)
    where u.tool ? 'use'
    on conflict on constraint tool_calls_use do nothing`,
  usage: `select private.count_usage($2, array(select e from jsonb_populate_recordset(null::private.entry, $1) as e))`,
  copies: `select private.settle_copies($2,
    array(select c.id from observatory.conversations as c where c.owner_id = $2 and c.session_id = $3 and c.agent_id is not distinct from $4),
    array(select e.uuid from jsonb_populate_recordset(null::private.entry, $1) as e))`,
};

/** Stores entries of a session, or of one of its agents, in a transaction of its own or in that of `query`. */
export const store = async (
  { owner, project },
  session,
  entries,
  { agent = null, source = 'claude', query: given } = {},
) => {
  const placed = JSON.stringify(entries.map((one, pos) => ({ pos, agent, ...one })));
  const run = given ? (body) => body(given) : (body) => as({ role: 'none' }, body);
  await run(async (query) => {
    await query('select private.lock_observatory_owner($1)', [owner]);
    await query(STORE.conversation, [owner, project, session, agent, source]);
    await query(STORE.messages, [placed, owner, session, agent]);
    await query(STORE.tools, [placed, owner, session, agent]);
    await query(STORE.usage, [placed, owner]);
    await query(STORE.copies, [placed, owner, session, agent]);
  });
};

/** A conversation's row. */
export const conversation = async ({ owner }, session, agent = null) =>
  (
    await sql(
      `select to_jsonb(c) as row from observatory.conversations as c
       where c.owner_id = $1 and c.session_id = $2 and c.agent_id is not distinct from $3`,
      [owner, session, agent],
    )
  )[0]?.row;

/** A user's usage records, by key, with the session that each counts for. */
export const records = async ({ owner }) =>
  (
    await sql(
      `select to_jsonb(u) || jsonb_build_object('session', c.session_id, 'agent', c.agent_id) as row
       from observatory.usage_records as u join observatory.conversations as c on c.id = u.conversation_id
       where u.owner_id = $1 order by u.api_message_id, u.part`,
      [owner],
    )
  ).map(({ row }) => row);

/** The entries of a session that are copies. */
export const copies = async ({ owner }, session) =>
  (
    await sql(
      `select m.entry_uuid from observatory.messages as m join observatory.conversations as c on c.id = m.conversation_id
       where m.owner_id = $1 and c.session_id = $2 and m.is_copy order by m.entry_uuid`,
      [owner, session],
    )
  ).map(({ entry_uuid }) => entry_uuid);

/** All that has been counted of a project, without ids and times of storing. */
export const state = async ({ project }) => {
  const parts = {
    conversations: `select to_jsonb(c) - array['id', 'created_at', 'updated_at', 'parent_conversation_id'] as row
      from observatory.conversations as c where c.project_id = $1 order by c.session_id, c.agent_id`,
    messages: `select jsonb_build_object('session', c.session_id, 'agent', c.agent_id, 'entry', m.entry_uuid, 'is_copy', m.is_copy) as row
      from observatory.messages as m join observatory.conversations as c on c.id = m.conversation_id
      where m.project_id = $1 order by c.session_id, c.agent_id, m.entry_uuid`,
    tool_calls: `select jsonb_build_object('session', c.session_id, 'call', t.tool_use_id, 'is_copy', t.is_copy) as row
      from observatory.tool_calls as t join observatory.conversations as c on c.id = t.conversation_id
      where t.project_id = $1 order by c.session_id, t.tool_use_id`,
    usage: `select to_jsonb(u) - array['id', 'created_at', 'conversation_id', 'message_id', 'priced_at']
        || jsonb_build_object('session', c.session_id, 'agent', c.agent_id, 'message', m.entry_uuid) as row
      from observatory.usage_records as u join observatory.conversations as c on c.id = u.conversation_id
      join observatory.messages as m on m.id = u.message_id and m.conversation_id = c.id
      where u.project_id = $1 order by u.api_message_id, u.part`,
    daily: `select to_jsonb(r) as row from observatory.daily_rollups as r where r.project_id = $1 order by r.day, r.user_id, r.model, r.source`,
    activity: `select to_jsonb(r) as row from observatory.activity_rollups as r where r.project_id = $1 order by r.day, r.hour, r.user_id`,
    tools: `select to_jsonb(r) as row from observatory.tool_rollups as r where r.project_id = $1 order by r.day, r.user_id, r.tool_name`,
  };
  const found = {};
  for (const [name, text] of Object.entries(parts)) found[name] = (await sql(text, [project])).map(({ row }) => row);
  return found;
};

/** How many rows of a project's rollups, and how many of its conversations' counters, differ from a recount. */
export const differences = async ({ project }) => {
  let wrong;
  await transaction(async (query) => {
    const [{ rollups }] = await query('select private.recount_rollups($1)::int as rollups', [project]);
    const [{ counters }] = await query(
      `select count(*)::int as counters from observatory.conversations as c,
       lateral (
         select count(*) filter (where not m.is_copy and m.role in ('user', 'assistant')) as messages,
           coalesce(sum(m.input_tokens + m.output_tokens + m.cache_read_tokens + m.cache_creation_tokens), 0) as raw
         from observatory.messages as m where m.conversation_id = c.id) as m,
       lateral (select count(*) as calls from observatory.tool_calls as t where t.conversation_id = c.id and not t.is_copy) as t,
       lateral (
         select coalesce(sum(u.input_tokens), 0) as input, coalesce(sum(u.output_tokens), 0) as output,
           coalesce(sum(u.cache_read_tokens), 0) as read, coalesce(sum(u.cache_creation_5m_tokens + u.cache_creation_1h_tokens), 0) as written,
           coalesce(sum(u.cost_micro_usd), 0) as cost, count(*) filter (where u.cost_micro_usd is null) as unpriced
         from observatory.usage_records as u where u.conversation_id = c.id) as u
       where c.project_id = $1 and (
         c.message_count, c.raw_tokens, c.tool_call_count, c.input_tokens, c.output_tokens, c.cache_read_tokens, c.cache_creation_tokens,
         coalesce(c.cost_micro_usd, 0), c.unpriced
       ) is distinct from (
         m.messages, m.raw::bigint, t.calls, u.input::bigint, u.output::bigint, u.read::bigint, u.written::bigint, u.cost::bigint, u.unpriced
       )`,
      [project],
    );
    wrong = { rollups, counters };
  });
  return wrong;
};
