// The tables that clients are written for: their columns, what is unique, how they are indexed, and that policies decide about each verb.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import { asUser, codeOf, conversation, person, project } from '../support/world.js';

after(close);

const COLUMNS = {
  projects: 'id owner_id name root_path description settings metadata is_active last_activity_at created_at updated_at',
  conversations: `id project_id session_id agent_id parent_conversation_id source_path title title_source status model cli_version git_branch
    cwd message_count tool_call_count input_tokens output_tokens cache_read_tokens cache_creation_tokens cost_micro_usd started_at
    last_message_at ended_at metadata created_at updated_at`,
  messages: `id project_id conversation_id entry_uuid parent_uuid parent_id depth seq entry_type role is_sidechain is_meta agent_id
    api_message_id request_id model stop_reason content content_blocks input_tokens output_tokens cache_read_tokens cache_creation_tokens
    redaction_count occurred_at created_at metadata`,
  tool_calls: `id project_id conversation_id message_id tool_use_id tool_name input output output_truncated status is_error error_message
    started_at completed_at duration_ms duration_source file_path spawned_agent_id metadata`,
  project_members: 'project_id user_id role',
  share_links: 'id expires_at revoked_at',
  usage_records: 'owner_id api_message_id model cost_micro_usd',
  ingest_files: 'path byte_offset line_no errors',
  hook_events: 'session_id event payload',
  search_history: 'user_id query results',
  search_terms: 'project_id term uses',
  daily_rollups: 'project_id day model cost_micro_usd',
};
for (const [table, names] of Object.entries(COLUMNS)) {
  test(`${table} has its columns`, async () => {
    const rows = await sql(
      `select attname::text as name from pg_catalog.pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped`,
      [`observatory.${table}`],
    );
    const found = new Set(rows.map(({ name }) => name));
    assert.deepEqual(
      names.split(/\s+/).filter((name) => !found.has(name)),
      [],
    );
  });
}

/** What is unique, and how rows are found: as PostgreSQL writes the end of each index. */
const INDEXES = {
  projects: [
    'UNIQUE btree (owner_id, root_path)',
    /^UNIQUE btree \(owner_id, lower\(.*name/,
    'btree (owner_id, last_activity_at DESC, id)',
    /^gin \(name .*gin_trgm_ops\)/,
    'btree (owner_id) WHERE is_active',
  ],
  conversations: [
    'UNIQUE btree (project_id, session_id, agent_id) NULLS NOT DISTINCT',
    'btree (project_id, last_message_at DESC, id DESC)',
    'btree (session_id)',
    'btree (project_id, status)',
    'btree (parent_conversation_id, project_id) WHERE (parent_conversation_id IS NOT NULL)',
    /^gin \(to_tsvector\('simple'::regconfig, COALESCE\(title/,
    'btree (project_id, started_at)',
  ],
  messages: [
    'UNIQUE btree (conversation_id, entry_uuid)',
    'btree (conversation_id, seq, id, project_id)',
    'btree (project_id, occurred_at DESC, id DESC)',
    'btree (parent_id) WHERE (parent_id IS NOT NULL)',
    'btree (conversation_id, parent_uuid, project_id)',
    'btree (api_message_id) WHERE (api_message_id IS NOT NULL)',
    'brin (created_at)',
  ],
  tool_calls: [
    'UNIQUE btree (conversation_id, tool_use_id)',
    'btree (message_id, project_id)',
    'btree (project_id, tool_name, started_at DESC)',
    'btree (conversation_id, started_at, id, project_id)',
    'btree (project_id, started_at DESC) WHERE is_error',
    'btree (tool_name, duration_ms DESC) WHERE (duration_ms IS NOT NULL)',
    'btree (project_id, file_path) WHERE (file_path IS NOT NULL)',
  ],
};
for (const [table, wanted] of Object.entries(INDEXES)) {
  test(`${table} has its indexes`, async () => {
    const rows = await sql(
      `select case when i.indisunique then 'UNIQUE ' else '' end || regexp_replace(pg_get_indexdef(i.indexrelid), '^.* USING ', '') as text
       from pg_catalog.pg_index as i where i.indrelid = $1::regclass and i.indisvalid`,
      [`observatory.${table}`],
    );
    for (const one of wanted)
      assert.ok(
        rows.some(({ text }) => (typeof one === 'string' ? text.startsWith(one) : one.test(text))),
        `${one}\n${rows.map(({ text }) => text).join('\n')}`,
      );
  });
}

test('the words of messages have a GIN index, where nobody reads them past the functions', async () => {
  const [{ text, open }] = await sql(
    `select pg_get_indexdef('private.message_search_words'::regclass) as text,
       has_table_privilege('authenticated', 'private.message_search', 'select') as open`,
  );
  assert.match(text, /USING gin \(search\)/);
  assert.equal(open, false);
});

test('each verb on each of the four tables has a policy, and row-level security is forced', async () => {
  const rows = await sql(
    `select c.relname as table, c.relrowsecurity and c.relforcerowsecurity as forced, array(
       select p.polcmd::text from pg_catalog.pg_policy as p where p.polrelid = c.oid and p.polpermissive order by 1
     ) as verbs
     from pg_catalog.pg_class as c
     where c.oid = any (array['observatory.projects', 'observatory.conversations', 'observatory.messages', 'observatory.tool_calls']::regclass[])
     order by 1`,
  );
  assert.deepEqual(
    rows,
    ['conversations', 'messages', 'projects', 'tool_calls'].map((table) => ({
      table,
      forced: true,
      verbs: ['a', 'd', 'r', 'w'],
    })),
  );
});

test('JSON that users write to messages and tool calls has a size', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner);
  const insert = (table, row) => {
    const all = { project_id: id, conversation_id: talk, ...row };
    const names = Object.keys(all);
    return codeOf(
      asUser(
        owner,
        `insert into observatory.${table} (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')})`,
        Object.values(all),
      ),
    );
  };
  const json = (length) => JSON.stringify({ a: 'x'.repeat(length) });
  const message = (n) => ({ entry_uuid: `e${n}`, entry_type: 'user' });
  const toolCall = (n) => ({ tool_use_id: `t${n}`, tool_name: 'Read' });
  assert.equal(
    await insert('messages', { ...message(1), metadata: json(65_000), content_blocks: json(8_300_000) }),
    null,
  );
  assert.equal(await insert('messages', { ...message(2), metadata: json(66_000) }), '23514');
  assert.equal(await insert('messages', { ...message(3), content_blocks: json(8_400_000) }), '23514');
  assert.equal(await insert('tool_calls', { ...toolCall(1), metadata: json(65_000) }), null);
  assert.equal(await insert('tool_calls', { ...toolCall(2), metadata: json(66_000) }), '23514');
  await sql('delete from observatory.projects where id = $1', [id]);
});
