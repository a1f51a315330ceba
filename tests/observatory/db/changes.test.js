// Changes of conversations: the members of the project hear of them, as long as they are members and the conversation is there.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { listen, tracked } from '../../support/changes.js';
import { close, sql } from '../../support/stack.js';
import { asUser, conversation, person, project } from '../support/world.js';

after(close);

const TABLE = 'observatory.conversations';

test('conversations are tracked', async () => assert.deepEqual(await tracked(sql, 'observatory'), [TABLE]));

test('all members hear of a conversation, and nobody else does', async () => {
  const people = { owner: person(), viewer: person(), stranger: person() };
  const id = await project(people.owner, { viewer: people.viewer });
  await project(people.stranger);
  const listeners = {};
  for (const [name, user] of Object.entries(people)) listeners[name] = await listen(user, TABLE);
  const heard = async () => {
    const found = {};
    for (const [name, one] of Object.entries(listeners)) found[name] = await one.next();
    return found;
  };
  const talk = await conversation(id, people.owner);
  const inserted = [['insert', talk]];
  assert.deepEqual(await heard(), { owner: inserted, viewer: inserted, stranger: [] });
  await sql(`update observatory.conversations set title = 'Another' where id = $1`, [talk]);
  const changed = [['update', talk]];
  assert.deepEqual(await heard(), { owner: changed, viewer: changed, stranger: [] });
  await asUser(people.owner, 'select observatory.delete_conversation($1)', [talk]);
  const gone = [['delete', talk]];
  assert.deepEqual(await heard(), { owner: gone, viewer: gone, stranger: [] }, 'deleted is what nobody sees any more');
  await sql('delete from observatory.conversations where id = $1', [talk]);
  assert.deepEqual(
    await heard(),
    { owner: [], viewer: [], stranger: [] },
    'the job that deletes its row makes no event',
  );
});

test('who is no member any more hears nothing of what comes then', async () => {
  const [owner, viewer] = [person(), person()];
  const id = await project(owner, { viewer });
  const talk = await conversation(id, owner);
  const theirs = await listen(viewer, TABLE);
  await sql(`update observatory.conversations set title = 'Before' where id = $1`, [talk]);
  assert.deepEqual(await theirs.next(), [['update', talk]]);
  await sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [id, viewer]);
  await sql(`update observatory.conversations set title = 'After' where id = $1`, [talk]);
  await conversation(id, owner);
  await sql('delete from observatory.conversations where id = $1', [talk]);
  assert.deepEqual(await theirs.next(), []);
});
