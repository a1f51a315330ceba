// What a statement costs of which a stranger gets nothing: about the same whether there is a foreign conversation or none. Otherwise its time would
// say.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, close, sql } from '../../support/stack.js';
import { work } from '../../support/statistics.js';
import { makeConversation, makeProject, user } from '../support/search.js';

const LENGTH = 500;
/** Blocks: those of the conversation's entries in an index. */
const MAX_MORE = 16;

const [owner, stranger, outsider] = [randomUUID(), randomUUID(), randomUUID()];
let long;

/** Messages and calls of a conversation, as an upload stores them. */
const fill = async ({ id, project_id, owner_id }, length) => {
  await sql(
    `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, entry_type, role, content, seq)
     select $1, $2, $3, 'entry ' || n, 'user', (array['user', 'assistant'])[1 + n % 2], repeat('text ', 200), n * 1000
     from generate_series(1, $4::int) as n`,
    [project_id, id, owner_id, length],
  );
  await sql(
    `insert into observatory.tool_calls (project_id, conversation_id, owner_id, tool_use_id, tool_name, output, started_at)
     select $1, $2, $3, 'call ' || n, 'Read', repeat('text ', 200), now() - n * interval '1 second' from generate_series(1, $4::int) as n`,
    [project_id, id, owner_id, length],
  );
};

before(async () => {
  const [theirs, own] = [await makeProject(owner), await makeProject(stranger)];
  long = await makeConversation(theirs, owner);
  await fill(long, LENGTH);
  for (let n = 0; n < 50; n += 1)
    await fill(await makeConversation(n % 2 ? theirs : own, n % 2 ? owner : stranger), 80);
  for (const table of ['projects', 'project_members', 'conversations', 'messages', 'tool_calls'])
    await sql(`vacuum analyze observatory.${table}`);
});
after(async () => {
  await sql('delete from observatory.projects where owner_id = any ($1)', [[owner, stranger]]);
  await close();
});

const reads = {
  'messages of a conversation':
    'select * from observatory.messages where conversation_id = $1 order by seq, id limit 100',
  'messages of a conversation, the last ones':
    'select * from observatory.messages where conversation_id = $1 order by seq desc, id desc limit 100',
  'messages of a conversation, without an order': 'select * from observatory.messages where conversation_id = $1',
  'messages of a conversation, counted': 'select count(*) from observatory.messages where conversation_id = $1',
  'messages of a conversation, by time':
    'select * from observatory.messages where conversation_id = $1 order by occurred_at limit 50',
  'prompts of a conversation': `select * from observatory.messages where conversation_id = $1 and role = 'user' order by seq, id`,
  'messages of several conversations': `select * from observatory.messages
    where conversation_id = any (array[$1, '${randomUUID()}']::uuid[]) order by seq, id limit 100`,
  'a change of messages': `update observatory.messages set metadata = '{}' where conversation_id = $1`,
  'tool calls of a conversation':
    'select * from observatory.tool_calls where conversation_id = $1 order by started_at, id limit 100',
  'tool calls of a conversation, counted': 'select count(*) from observatory.tool_calls where conversation_id = $1',
  'a conversation': 'select * from observatory.conversations where id = $1',
};

test('of a foreign conversation, a stranger’s statement does no more than of one that is not there', async () => {
  for (const [name, text] of Object.entries(reads))
    for (const sub of [stranger, outsider])
      await as(user(sub), async (query) => {
        const [absent, foreign] = [await work(query, text, [randomUUID()]), await work(query, text, [long.id])];
        assert.ok(
          Math.abs(foreign.blocks - absent.blocks) <= MAX_MORE,
          `${name}: ${foreign.blocks} blocks, and ${absent.blocks} of an absent one\n${foreign.plan}\n${absent.plan}`,
        );
      });
});

test('the same statements find what is there for those who may see it', async () => {
  for (const [name, text] of Object.entries(reads)) {
    if (!text.startsWith('select')) continue;
    await as(user(owner), async (query) => assert.ok((await work(query, text, [long.id])).rows > 0, name));
  }
});
