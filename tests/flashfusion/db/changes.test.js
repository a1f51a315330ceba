// Changes of the tables of flashfusion: their owners get events of them, and nobody else does.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { listen, tracked } from '../../support/changes.js';
import { as, close, sql } from '../../support/stack.js';

after(close);

const TABLES = ['flashfusion.code_generations', 'flashfusion.notifications', 'flashfusion.projects'];

test('these tables are tracked', async () => assert.deepEqual(await tracked(sql, 'flashfusion'), TABLES));

test('writes of an owner’s rows make events for the owner alone', async () => {
  const [sub, other] = [randomUUID(), randomUUID()];
  const listeners = async (user) => Promise.all(TABLES.map((table) => listen(user, table)));
  const [mine, theirs] = [await listeners(sub), await listeners(other)];
  const next = (list) => Promise.all(list.map((each) => each.next()));
  const own = (text, values) => as({ role: 'authenticated', claims: { sub } }, (query) => query(text, values));

  const [project] = await own(`insert into flashfusion.projects (name) values ('A project') returning id`);
  const [service] = await sql(
    `insert into flashfusion.ai_services (name, provider, model_name) values ('Service', 'changes', $1) returning id`,
    [randomUUID()],
  );
  const [generation] = await sql(
    `insert into flashfusion.code_generations (project_id, user_id, ai_service_id, prompt) values ($1, $2, $3, 'Write it') returning id`,
    [project.id, sub, service.id],
  );
  const [notification] = await sql(`select private.notify($1, 'info', null, 'Title', 'Message', null, '{}') as id`, [
    sub,
  ]);
  const rows = [generation, notification, project];
  const each = (verb) => rows.map(({ id }) => [[verb, id]]);
  assert.deepEqual(await next(mine), each('insert'));
  await sql(`update flashfusion.code_generations set status = 'completed' where id = $1`, [generation.id]);
  await own(`update flashfusion.notifications set is_read = true where id = $1`, [notification.id]);
  await own(`update flashfusion.projects set name = 'Another name' where id = $1`, [project.id]);
  assert.deepEqual(await next(mine), each('update'));
  await own('delete from flashfusion.notifications where id = $1', [notification.id]);
  await own('delete from flashfusion.projects where id = $1', [project.id]);
  assert.deepEqual(await next(mine), each('delete'), 'what goes with the project has its events as well');
  assert.deepEqual(await next(theirs), [[], [], []]);
});

test('a user whom service_role has deactivated gets the changes that they may read', async () => {
  const sub = randomUUID();
  await sql(`insert into flashfusion.users (id, email, is_active) values ($1, $2, false)`, [sub, `${sub}@example.org`]);
  const mine = await listen(sub, 'flashfusion.notifications');
  const [{ id }] = await sql(`select private.notify($1, 'info', null, 'Title', 'Message', null, '{}') as id`, [sub]);
  assert.deepEqual(await mine.next(), [['insert', id]]);
});
