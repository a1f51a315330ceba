// Changes of the tables of clixen: their owners get events of them, and nobody else does.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { listen, tracked } from '../../support/changes.js';
import { close, sql } from '../../support/stack.js';
import { owner, projectWithChat, run } from '../support/rows.js';

after(close);

const TABLES = ['clixen.mvp_chat_sessions', 'clixen.mvp_workflows', 'clixen.projects'];

test('these tables are tracked', async () => assert.deepEqual(await tracked(sql, 'clixen'), TABLES));

test('what an owner makes, changes and deletes makes events for the owner alone', async () => {
  const [who, other] = [owner(), owner()];
  const listeners = async (sub) => Promise.all(TABLES.map((table) => listen(sub, table)));
  const [mine, theirs] = [await listeners(who.claims.sub), await listeners(other.claims.sub)];
  const { project, workflow, session } = await projectWithChat(who);
  const next = (list) => Promise.all(list.map((each) => each.next()));
  // A message and a workflow update what they belong to in the same moments.
  const [sessions, workflows, projects] = await next(mine);
  for (const [events, { id }] of [
    [sessions, session],
    [workflows, workflow],
    [projects, project],
  ]) {
    assert.deepEqual(events[0], ['insert', id]);
    for (const event of events.slice(1)) assert.deepEqual(event, ['update', id]);
  }
  for (const [table, { id }, at] of [
    ['mvp_chat_sessions', session, 0],
    ['mvp_workflows', workflow, 1],
    ['projects', project, 2],
  ]) {
    const column = table === 'mvp_chat_sessions' ? 'title' : 'name';
    await run(who, `update clixen.${table} set ${column} = $1 where id = $2`, [randomUUID(), id]);
    assert.deepEqual((await next(mine))[at], [['update', id]], table);
  }
  await run(who, 'delete from clixen.projects where id = $1', [project.id]);
  assert.deepEqual(
    (await next(mine)).map((events) => events.at(-1)),
    [session, workflow, project].map(({ id }) => ['delete', id]),
    'what goes with the project has its events as well',
  );
  assert.deepEqual(await next(theirs), [[], [], []]);
});
