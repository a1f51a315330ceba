// Deletion of conversations and projects: gone for everybody at once, and deleted in parts by a job.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import { asUser, codeOf, conversation, person, project } from '../support/world.js';

after(close);

const remove = (who, id) => asUser(who, 'select observatory.delete_conversation($1) as answer', [id]);
const removeProject = (who, id) => asUser(who, 'select observatory.delete_project($1) as answer', [id]);
const seen = async (who, table, column, id) =>
  (await asUser(who, `select id from observatory.${table} where ${column} = $1`, [id])).length;
const there = async (table, column, id) =>
  (await sql(`select count(*)::int as n from observatory.${table} where ${column} = $1`, [id]))[0].n;
const purge = async (most = 5000) => Number((await sql('select private.purge_observatory($1) as n', [most]))[0].n);
/** Until nothing is left to do. */
const purgeAll = async () => {
  for (let runs = 0; runs < 50; runs++) if ((await purge()) === 0) return;
};

test('a deleted conversation is gone for every member at once, with its subagents', async () => {
  const [owner, viewer] = [person(), person()];
  const id = await project(owner, { viewer });
  const talk = await conversation(id, owner, ['one', 'two'], { session_id: 'to-delete' });
  const agent = await conversation(id, owner, ['three'], {
    session_id: 'to-delete',
    agent_id: 'a1',
    parent_conversation_id: talk,
  });
  const deeper = await conversation(id, owner, ['four'], {
    session_id: 'to-delete',
    agent_id: 'a2',
    parent_conversation_id: agent,
  });
  const waiting = await conversation(id, owner, ['five'], { session_id: 'to-delete', agent_id: 'a3' });
  const other = await conversation(id, owner, ['six']);
  assert.deepEqual(await remove(owner, talk), [{ answer: { conversations: 4 } }]);
  for (const gone of [talk, agent, deeper, waiting]) {
    assert.equal(await seen(viewer, 'conversations', 'id', gone), 0);
    assert.equal(await seen(viewer, 'messages', 'conversation_id', gone), 0);
  }
  assert.equal(await seen(viewer, 'messages', 'conversation_id', other), 1);
  await purgeAll();
  for (const gone of [talk, agent, deeper, waiting]) {
    assert.equal(await there('conversations', 'id', gone), 0);
    assert.equal(await there('messages', 'conversation_id', gone), 0);
  }
  assert.equal(await there('messages', 'conversation_id', other), 1);
});

test('a deleted subagent takes those below it, and nothing above', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, [], { session_id: 's' });
  const agent = await conversation(id, owner, [], { session_id: 's', agent_id: 'a', parent_conversation_id: talk });
  const below = await conversation(id, owner, [], { session_id: 's', agent_id: 'b', parent_conversation_id: agent });
  await remove(owner, agent);
  assert.deepEqual(
    [
      await seen(owner, 'conversations', 'id', talk),
      await seen(owner, 'conversations', 'id', agent),
      await seen(owner, 'conversations', 'id', below),
    ],
    [1, 0, 0],
  );
});

test('a deleted session may be sent again, and is a new conversation', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, ['one'], { session_id: 'again' });
  await remove(owner, talk);
  const again = await conversation(id, owner, ['one'], { session_id: 'again' });
  await purgeAll();
  assert.deepEqual(
    [await there('conversations', 'id', talk), await seen(owner, 'messages', 'conversation_id', again)],
    [0, 1],
  );
});

test('who may delete a conversation: its sender, while they may write, and owners', async () => {
  const [owner, editor, other, viewer] = [person(), person(), person(), person()];
  const id = await project(owner, { editor: [editor, other], viewer });
  const talk = () => conversation(id, editor);
  assert.equal(await codeOf(remove(other, await talk())), 'RG666');
  assert.equal(await codeOf(remove(viewer, await talk())), 'RG661');
  assert.equal(await codeOf(remove(person(), await talk())), 'RG662');
  assert.equal(await codeOf(remove(editor, await talk())), null);
  assert.equal(await codeOf(remove(owner, await talk())), null);
  const mine = await talk();
  await asUser(owner, `update observatory.project_members set role = 'viewer' where project_id = $1 and user_id = $2`, [
    id,
    editor,
  ]);
  assert.equal(await codeOf(remove(editor, mine)), 'RG661');
});

test('a conversation that is absent, foreign or deleted has one answer', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner);
  const ask = async (who, id) => {
    try {
      await remove(who, id);
    } catch (error) {
      return error.message;
    }
  };
  const answers = [await ask(person(), talk), await ask(owner, randomUUID())];
  await remove(owner, talk);
  answers.push(await ask(owner, talk));
  assert.equal(new Set(answers).size, 1);
});

test('a deleted project is gone at once, with all that is in it, and its name and directories are free', async () => {
  const [owner, editor] = [person(), person()];
  const id = await project(owner, { editor }, { name: 'gone', root_path: '/home/me/gone' });
  await asUser(editor, `insert into observatory.project_paths (path, project_id) values ('/home/you/gone', $1)`, [id]);
  const talk = await conversation(id, editor, ['one']);
  assert.equal(await codeOf(removeProject(editor, id)), 'RG666');
  assert.equal(await codeOf(removeProject(person(), id)), 'RG660');
  assert.deepEqual(await removeProject(owner, id), [{ answer: { conversations: 1 } }]);
  for (const who of [owner, editor]) {
    assert.equal(await seen(who, 'projects', 'id', id), 0);
    assert.equal(await seen(who, 'conversations', 'id', talk), 0);
    assert.equal(await seen(who, 'messages', 'conversation_id', talk), 0);
    assert.equal(await seen(who, 'project_members', 'project_id', id), 0);
  }
  assert.equal(await codeOf(removeProject(owner, id)), 'RG660', 'twice');
  const again = await sql(`select private.project_for($1, null, '/home/me/gone') as id`, [owner]);
  assert.notEqual(again[0].id, id, 'a new project, not the deleted one');
  assert.equal((await sql('select name from observatory.projects where id = $1', [again[0].id]))[0].name, 'gone');
  await purgeAll();
  assert.equal(await there('projects', 'id', id), 0);
  assert.equal(await there('messages', 'conversation_id', talk), 0);
});

test('what comes into a project while it is deleted goes with it', async () => {
  const owner = person();
  const id = await project(owner);
  await removeProject(owner, id);
  const late = await conversation(id, owner, ['late']);
  await purgeAll();
  assert.deepEqual([await there('projects', 'id', id), await there('conversations', 'id', late)], [0, 0]);
});

test('a large deletion is done in parts, and says whether there is more', async () => {
  const owner = person();
  const talk = await conversation(
    await project(owner),
    owner,
    Array.from({ length: 25 }, (_, n) => `message ${n}`),
  );
  await purgeAll();
  await remove(owner, talk);
  assert.equal(await purge(10), 10);
  assert.equal(await there('messages', 'conversation_id', talk), 15);
  assert.equal(await purge(10), 10);
  assert.equal(await purge(10), 6, 'five messages and the conversation');
  assert.equal(await purge(10), 0);
});

test('a deletion waits for no upload: the job leaves out who is uploading', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner, ['one']);
  await purgeAll();
  await remove(owner, talk);
  const { default: pg } = await import('pg');
  const { stack } = await import('../../support/stack.js');
  const client = new pg.Client({ connectionString: stack.database_url });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('select private.lock_observatory_owner($1)', [owner]);
    assert.equal(await purge(), 0);
    await client.query('rollback');
    assert.equal(await purge(), 2);
  } finally {
    await client.end();
  }
});

test('deleting by the data API takes everything below along', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, ['one', 'two']);
  await asUser(owner, 'delete from observatory.projects where id = $1', [id]);
  for (const [table, column, value] of [
    ['conversations', 'id', talk],
    ['messages', 'conversation_id', talk],
    ['project_members', 'project_id', id],
  ])
    assert.equal(await there(table, column, value), 0, table);
});

test('nobody stands in the way of a deletion by taking the name that it gives a session', async () => {
  const [owner, editor] = [person(), person()];
  const id = await project(owner, { editor });
  const talks = [await conversation(id, owner, ['one']), await conversation(id, owner, ['two'])];
  for (const talk of talks)
    await asUser(editor, 'insert into observatory.conversations (project_id, session_id) values ($1, $2)', [
      id,
      `deleted:${talk}`,
    ]);
  assert.equal(await codeOf(remove(owner, talks[0])), null);
  assert.equal(await codeOf(removeProject(owner, id)), null);
});
