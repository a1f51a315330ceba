// Changes of conversations: the member who began one hears of it while they are an active member.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { listen, tracked } from '../../support/changes.js';
import { close, sql } from '../../support/stack.js';
import { asMember, conversation, forget, say, world } from '../support/talk.js';

after(async () => {
  await forget();
  await close();
});

const TABLE = 'assistant.conversations';

test('conversations are tracked', async () => assert.deepEqual(await tracked(sql, 'assistant'), [TABLE]));

test('events of a conversation go to the member who began it, in no other tenant and to no other member', async () => {
  const { here, there } = await world({ private_conversations: true });
  const people = { ada: here.ada, bea: here.bea, foreign: there.ada };
  const listeners = {};
  for (const [name, user] of Object.entries(people)) listeners[name] = await listen(user.auth_id, TABLE);
  const heard = async () => {
    const found = {};
    for (const [name, one] of Object.entries(listeners)) found[name] = await one.next();
    return found;
  };
  const row = await conversation(here.ada);
  assert.deepEqual(await heard(), { ada: [['insert', row.id]], bea: [], foreign: [] });
  await say(row, ['A question', 'An answer']);
  assert.deepEqual(
    (await heard()).ada.map(([verb, id]) => [verb, id]),
    [
      ['update', row.id],
      ['update', row.id],
    ],
  );
  await asMember(here.ada, 'delete from assistant.conversations where id = $1', [row.id]);
  assert.deepEqual(await heard(), { ada: [['delete', row.id]], bea: [], foreign: [] });
});

test('a member who is deactivated gets nothing of what comes then', async () => {
  const { here } = await world();
  const mine = await listen(here.ada.auth_id, TABLE);
  await sql('update assistant.users set is_active = false where id = $1', [here.ada.id]);
  const row = await conversation(here.ada);
  await sql(`update assistant.conversations set title = 'x' where id = $1`, [row.id]);
  await sql('delete from assistant.conversations where id = $1', [row.id]);
  assert.deepEqual(await mine.next(), []);
});
