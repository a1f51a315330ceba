// Projects of observatory: what they may be called, whose they are, and which one a session belongs to.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import { asUser, codeOf, person, project } from '../support/world.js';

after(close);

const add = (sub, fields) => {
  const names = Object.keys(fields);
  return asUser(
    sub,
    `insert into observatory.projects (${names.join(', ')}) values (${names.map((_, at) => `$${at + 1}`).join(', ')}) returning *`,
    Object.values(fields),
  );
};
const projectFor = async (owner, hint, cwd) =>
  (await sql('select private.project_for($1, $2, $3) as id', [owner, hint, cwd]))[0].id;
const nameOf = async (id) => (await sql('select name from observatory.projects where id = $1', [id]))[0].name;

test('a user makes a project, owns it, and is its first member', async () => {
  const me = person();
  const [made] = await add(me, { name: 'rowgate', root_path: '/home/me/rowgate' });
  assert.equal(made.owner_id, me);
  const members = await asUser(me, 'select user_id, role from observatory.project_members where project_id = $1', [
    made.id,
  ]);
  assert.deepEqual(members, [{ user_id: me, role: 'owner' }]);
  const paths = await asUser(me, 'select path from observatory.project_paths where project_id = $1', [made.id]);
  assert.deepEqual(paths, [{ path: '/home/me/rowgate' }]);
});

test('nobody makes a project for somebody else', async () => {
  assert.equal(await codeOf(add(person(), { name: 'x', owner_id: person() })), '42501');
});

for (const [why, fields, code] of [
  ['an empty name', { name: '' }, '23514'],
  ['a name of blanks', { name: '   ' }, '23514'],
  ['a name of 121 characters', { name: 'x'.repeat(121) }, '23514'],
  ['no name', { description: 'x' }, '23502'],
  ['a description of 2,001 characters', { name: 'x', description: 'x'.repeat(2001) }, '23514'],
  ['a root of 1,025 characters', { name: 'x', root_path: `/${'x'.repeat(1024)}` }, '23514'],
  ['settings that are no object', { name: 'x', settings: '[]' }, '23514'],
  ['settings of more than 16 KB', { name: 'x', settings: JSON.stringify({ x: randomUUID().repeat(500) }) }, '23514'],
]) {
  test(`a project with ${why} is refused`, async () => {
    assert.equal(await codeOf(add(person(), fields)), code);
  });
}

test('two spellings of a name are the same name, for one user', async () => {
  const me = person();
  await add(me, { name: 'Café' });
  assert.equal(await codeOf(add(me, { name: 'CAFÉ' })), null, 'É is no ASCII letter: its case counts');
  assert.equal(await codeOf(add(me, { name: 'Cafe\u0301' })), '23505');
  assert.equal(await codeOf(add(me, { name: 'C\u200Baf\u00e9' })), '23505');
  assert.equal(await codeOf(add(me, { name: 'cAFé' })), '23505');
  assert.equal(await codeOf(add(person(), { name: 'Café' })), null, 'another user has names of their own');
});

test('only the owner renames a project: nobody else can try names of the owner’s other projects', async () => {
  const [owner, editor, other] = [person(), person(), person()];
  const shared = await project(owner, { editor, owner: other });
  await add(owner, { name: 'A secret' });
  const rename = (who, name) =>
    asUser(who, 'update observatory.projects set name = $2 where id = $1 returning name', [shared, name]);
  for (const who of [editor, other])
    for (const name of ['A secret', 'Nobody’s']) assert.equal(await codeOf(rename(who, name)), 'RG666', name);
  const describe = `update observatory.projects set description = 'x' where id = $1 returning id`;
  assert.equal((await asUser(editor, describe, [shared])).length, 1);
  assert.deepEqual(await rename(owner, 'Renamed'), [{ name: 'Renamed' }]);
});

test('a root belongs to one project of a user, and to any number of users', async () => {
  const me = person();
  await add(me, { name: 'one', root_path: '/srv/app' });
  assert.equal(await codeOf(add(me, { name: 'two', root_path: '/srv/app' })), '23505');
  assert.equal(await codeOf(add(person(), { name: 'one', root_path: '/srv/app' })), null);
});

test('a project with a new root is known by it, and no more by the old one', async () => {
  const me = person();
  const [{ id }] = await add(me, { name: 'moved', root_path: '/old' });
  await asUser(me, `update observatory.projects set root_path = '/new' where id = $1`, [id]);
  const paths = await asUser(me, 'select path from observatory.project_paths where project_id = $1', [id]);
  assert.deepEqual(paths, [{ path: '/new' }]);
});

test('a project may have several directories, and a directory one project', async () => {
  const me = person();
  const id = await project(me);
  for (const path of ['/a', '/b'])
    await asUser(me, 'insert into observatory.project_paths (path, project_id) values ($1, $2)', [path, id]);
  assert.equal(await projectFor(me, null, '/b/sub'), id);
  const again = asUser(me, `insert into observatory.project_paths (path, project_id) values ('/a', $1)`, [
    await project(me),
  ]);
  assert.equal(await codeOf(again), '23505');
});

test('an editor has directories of their own, and cannot send the owner’s sessions elsewhere', async () => {
  const [owner, editor] = [person(), person()];
  const id = await project(owner, { editor }, { root_path: '/home/owner/app' });
  await asUser(editor, `insert into observatory.project_paths (path, project_id) values ('/home/editor/app', $1)`, [
    id,
  ]);
  assert.equal(await projectFor(editor, null, '/home/editor/app'), id);
  assert.deepEqual(
    await asUser(editor, 'select path from observatory.project_paths where project_id = $1', [id]),
    [{ path: '/home/editor/app' }],
    'others’ directories are not shown',
  );
  const grab = asUser(editor, `update observatory.projects set root_path = '/home/owner/secret' where id = $1`, [id]);
  assert.equal(await codeOf(grab), 'RG666');
  const other = asUser(
    editor,
    `insert into observatory.project_paths (owner_id, path, project_id) values ($1, '/x', $2)`,
    [owner, id],
  );
  assert.equal(await codeOf(other), '42501');
});

test('nobody sends their sessions into a project that they may not write in', async () => {
  const [owner, viewer] = [person(), person()];
  const id = await project(owner, { viewer });
  for (const who of [viewer, person()]) {
    const path = asUser(who, `insert into observatory.project_paths (path, project_id) values ('/x', $1)`, [id]);
    assert.equal(await codeOf(path), '42501');
  }
});

test('a secret in a project’s texts is not stored', async () => {
  const key = `ghp_${'a1B2'.repeat(9)}`;
  const [made] = await add(person(), { name: 'x', description: key, settings: JSON.stringify({ deep: [key] }) });
  assert.deepEqual([made.description, made.settings], ['[redacted:github]', { deep: ['[redacted:github]'] }]);
});

test('columns that are not the user’s are refused', async () => {
  const me = person();
  const id = await project(me);
  for (const change of [
    'owner_id = gen_random_uuid()',
    'deleted_at = now()',
    'last_activity_at = now()',
    'id = gen_random_uuid()',
  ])
    assert.equal(
      await codeOf(asUser(me, `update observatory.projects set ${change} where id = $1`, [id])),
      '42501',
      change,
    );
});

test('a session goes to the project of its directory, the nearest above first', async () => {
  const me = person();
  const outer = await project(me, {}, { root_path: '/home/me/code' });
  const inner = await project(me, {}, { root_path: '/home/me/code/app' });
  assert.equal(await projectFor(me, null, '/home/me/code/app/src'), inner);
  assert.equal(await projectFor(me, null, '/home/me/code/app'), inner);
  assert.equal(await projectFor(me, null, '/home/me/code/application'), outer, 'a longer name is another directory');
  assert.equal(await projectFor(me, '/home/me/code', '/home/me/code/app'), outer, 'what the sender says comes first');
});

test('patterns in a directory mean themselves', async () => {
  const me = person();
  const all = await project(me, {}, { root_path: '/%' });
  assert.notEqual(await projectFor(me, null, '/home/x'), all);
  assert.equal(await projectFor(me, null, '/%/x'), all);
});

test('directories of Windows are directories', async () => {
  const me = person();
  const id = await project(me, {}, { root_path: 'C:\\work\\app' });
  assert.equal(await projectFor(me, null, 'C:\\work\\app\\src'), id);
  assert.equal(await nameOf(await projectFor(me, null, 'D:\\other\\thing\\')), 'thing');
});

test('a session of an unknown directory makes a project, once', async () => {
  const me = person();
  const id = await projectFor(me, null, '/home/me/fresh/');
  assert.equal(await nameOf(id), 'fresh');
  assert.equal(await projectFor(me, null, '/home/me/fresh'), id);
  assert.equal(await projectFor(me, '/home/me/fresh', null), id);
});

test('a second directory of the same name has a number', async () => {
  const me = person();
  const names = [];
  for (const place of ['/a/app', '/b/app', '/c/App']) names.push(await nameOf(await projectFor(me, null, place)));
  assert.deepEqual(names, ['app', 'app 2', 'App 3']);
});

test('a hint without a separator is a name', async () => {
  const me = person();
  const id = await projectFor(me, 'My notes', '/somewhere/else');
  assert.equal(await nameOf(id), 'My notes');
  assert.equal(await projectFor(me, 'MY NOTES', null), id);
});

test('a session that says nothing of where it was goes to one project', async () => {
  const me = person();
  const id = await projectFor(me, null, null);
  assert.equal(await nameOf(id), 'Sessions');
  assert.equal(await projectFor(me, '', '  '), id);
});

test('a hint that is an id needs the right to write there', async () => {
  const [owner, editor, viewer] = [person(), person(), person()];
  const id = await project(owner, { editor, viewer });
  assert.equal(await projectFor(editor, id, '/x'), id);
  assert.equal(await codeOf(projectFor(viewer, id, '/x')), 'RG661');
  assert.equal(await codeOf(projectFor(person(), id, '/x')), 'RG660');
  assert.equal(await codeOf(projectFor(owner, randomUUID(), '/x')), 'RG660');
});

test('who may write no more sends sessions to a project of their own', async () => {
  const [owner, editor] = [person(), person()];
  const id = await project(owner, { editor });
  await asUser(editor, `insert into observatory.project_paths (path, project_id) values ('/home/editor/app', $1)`, [
    id,
  ]);
  await sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [id, editor]);
  const own = await projectFor(editor, null, '/home/editor/app');
  assert.notEqual(own, id);
  assert.equal((await sql('select owner_id from observatory.projects where id = $1', [own]))[0].owner_id, editor);
});

test('a secret in a hint does not become a name', async () => {
  assert.equal(await nameOf(await projectFor(person(), `ghp_${'a1B2'.repeat(9)}`, null)), '[redacted:github]');
});

test('any number of directories of one name make projects, each with a name of its own', async () => {
  const me = person();
  await sql(
    `insert into observatory.projects (owner_id, name)
     select $1, 'app' || case when n > 1 then ' ' || n else '' end from generate_series(1, 1100) as n`,
    [me],
  );
  const made = [];
  for (let n = 0; n < 3; n += 1) made.push(await projectFor(me, null, `/builds/${n}/app`));
  const names = await Promise.all(made.map(nameOf));
  assert.equal(new Set(names).size, 3);
  assert.ok(
    names.every((name) => /^app [0-9a-f]{8}$/.test(name)),
    names.join(),
  );
  assert.equal(await projectFor(me, null, '/builds/2/app'), made[2], 'it is known by its directory');
});
