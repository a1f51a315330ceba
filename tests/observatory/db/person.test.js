// A person's data in observatory: exported, erased, and a live token of an erased user writes nothing. Shared projects go on.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, sql, transaction } from '../../support/stack.js';
import { rows as generated } from '../support/generated_rows.js';
import { asUser, codeOf, conversation, person, project, somePrice, vouchedFor } from '../support/world.js';

after(close);

/** The tables with rows of users, from the catalog: [{name, owner}]. */
const tables = await sql(
  'select t.relation::text as name, t.owner::text as owner from private.observatory_tables() as t',
);

/** Gives a user a row in each of these tables: generated rows that have somebody in the column become the user's. */
const fill = async (query, user) => {
  for (const { name, owner } of tables) {
    const before = (await query(`select id from ${name}`)).map(({ id }) => id);
    await query(generated[name], [2]);
    await query('set local session_replication_role = replica');
    await query(
      `update ${name} set ${owner} = $1
       where id = (select id from ${name} where not id = any ($2) and ${owner} is not null limit 1)`,
      [user, before],
    );
    await query('set local session_replication_role = origin');
  }
  // Nobody inherits the project.
  await query('set local session_replication_role = replica');
  await query(
    `delete from observatory.project_members where user_id <> $1
     and project_id in (select p.id from observatory.projects as p where p.owner_id = $1)`,
    [user],
  );
  await query('set local session_replication_role = origin');
};
const countOf = async (query, { name, owner }, user) =>
  (await query(`select count(*)::int as n from ${name} where ${owner} = $1`, [user]))[0].n;
const erase = async (query, user) => (await query('select observatory.erase_user($1) as counts', [user]))[0].counts;
const exported = async (user) =>
  (await sql('select private.observatory_export($1) as rows', [JSON.stringify({ users: [user] })]))[0].rows;

test('every table of users is known, has rows made for it here, and finds a user’s rows by an index', async () => {
  for (const name of [
    'projects',
    'project_paths',
    'project_members',
    'project_invitations',
    'conversations',
    'messages',
    'tool_calls',
    'share_links',
  ])
    assert.ok(
      tables.some((table) => table.name === `observatory.${name}`),
      name,
    );
  assert.deepEqual(
    tables.filter(({ name }) => !generated[name]),
    [],
  );
  const missing = await sql(`select t.relation::text as name from private.observatory_tables() as t where not exists (
    select from pg_index as i join pg_attribute as a on a.attrelid = t.relation and a.attname = t.owner
    where i.indrelid = t.relation and i.indkey[0] = a.attnum and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) = '(deleted_at IS NULL)'))`);
  assert.deepEqual(missing, []);
});

test('an export has the rows of every table, and nobody else’s', async () => {
  const user = person();
  await transaction(async (query) => {
    await fill(query, user);
    const [{ rows }] = await query('select private.observatory_export($1) as rows', [
      JSON.stringify({ users: [user] }),
    ]);
    for (const { name } of tables) {
      assert.ok(rows[name].length > 0, name);
      const owners = tables.filter((table) => table.name === name).map(({ owner }) => owner);
      assert.ok(
        rows[name].every((row) => owners.some((owner) => row[owner] === user)),
        name,
      );
    }
    assert.deepEqual(rows.left_off, {});
  });
});

test('an erasure removes the rows of every table, and counts them', async () => {
  const user = person();
  await transaction(async (query) => {
    await fill(query, user);
    const counts = await erase(query, user);
    for (const table of tables) {
      assert.ok(counts[table.name] > 0, table.name);
      assert.equal(await countOf(query, table, user), 0, table.name);
    }
  });
});

test('an erased user’s receipts of pricing stay with a shared project, without the user', async () => {
  const [owner, editor] = [person(), person()];
  const id = await project(owner, { editor });
  await somePrice();
  await asUser(owner, 'select observatory.reprice($1)', [id]);
  const rows = await exported(owner);
  assert.deepEqual(
    rows['private.reprice_receipts'].map(({ user_id, project_id }) => [user_id, project_id]),
    [[owner, id]],
  );
  assert.equal((await erase(sql, owner))['private.reprice_receipts'], 1);
  assert.deepEqual(await sql('select user_id from private.reprice_receipts where project_id = $1', [id]), [
    { user_id: null },
  ]);
});

test('a shared project goes on under another owner, else the longest-standing editor', async () => {
  const [owner, second, editor, later] = [person(), person(), person(), person()];
  const id = await project(owner, { editor: [editor, later] }, { name: 'shared', root_path: '/home/owner/shared' });
  const mine = await conversation(id, owner, ['mine']);
  const theirs = await conversation(id, editor, ['theirs']);
  const other = await project(owner, { editor, owner: second });
  await erase(sql, owner);
  const heirs = await sql('select id, owner_id, root_path from observatory.projects where id = any ($1)', [
    [id, other],
  ]);
  assert.deepEqual(Object.fromEntries(heirs.map((row) => [row.id, [row.owner_id, row.root_path]])), {
    [id]: [editor, null],
    [other]: [second, null],
  });
  assert.deepEqual(
    await asUser(editor, 'select role from observatory.project_members where project_id = $1 and user_id = $2', [
      id,
      editor,
    ]),
    [{ role: 'owner' }],
  );
  const left = await sql('select id from observatory.conversations where id = any ($1)', [[mine, theirs]]);
  assert.deepEqual(left, [{ id: theirs }]);
});

test('an heir who has a project of the name gets it under another', async () => {
  const [owner, editor] = [person(), person()];
  await project(editor, {}, { name: 'app' });
  const id = await project(owner, { editor }, { name: 'app' });
  await erase(sql, owner);
  assert.deepEqual(await sql('select name, owner_id from observatory.projects where id = $1', [id]), [
    { name: 'app 2', owner_id: editor },
  ]);
});

test('a project that nobody else writes in goes, also where others read it', async () => {
  const [owner, viewer] = [person(), person()];
  const id = await project(owner, { viewer });
  await erase(sql, owner);
  assert.deepEqual(await sql('select id from observatory.projects where id = $1', [id]), []);
});

test('a member who is erased leaves nothing in projects of others', async () => {
  const [owner, editor] = [person(), person()];
  const id = await project(owner, { editor });
  const talk = await conversation(id, editor, ['theirs']);
  await asUser(editor, `insert into observatory.project_paths (path, project_id) values ('/home/editor', $1)`, [id]);
  await sql(
    `insert into observatory.project_invitations (project_id, email_key, role, invited_by) values ($1, 'ada@example.org', 'viewer', $2)`,
    [id, editor],
  );
  await sql(
    `insert into observatory.project_members (project_id, user_id, role, added_by) values ($1, gen_random_uuid(), 'viewer', $2)`,
    [id, editor],
  );
  await erase(sql, editor);
  for (const [table, column] of [
    ['project_members', 'user_id'],
    ['project_members', 'added_by'],
    ['project_invitations', 'invited_by'],
    ['project_paths', 'owner_id'],
    ['conversations', 'owner_id'],
  ])
    assert.deepEqual(await sql(`select id from observatory.${table} where ${column} = $1`, [editor]), [], table);
  assert.deepEqual(await sql('select id from observatory.messages where conversation_id = $1', [talk]), []);
  assert.equal((await sql('select id from observatory.projects where id = $1', [id])).length, 1);
});

test('a live token of an erased user writes nothing, by any way', async () => {
  const user = person();
  const id = await project(user);
  const talk = await conversation(id, user, ['one']);
  await erase(sql, user);
  const attempts = {
    project: () => asUser(user, `insert into observatory.projects (name) values ('again')`),
    conversation: () =>
      asUser(user, `insert into observatory.conversations (project_id, session_id) values ($1, 'x')`, [id]),
    delete: () => asUser(user, 'select observatory.delete_conversation($1)', [talk]),
    share: () => asUser(user, 'select observatory.share($1)', [talk]),
    invite: () => vouchedFor(user, 'select observatory.invite($1, $2, $3)', [id, 'viewer', 'x@example.org']),
    path: () => asUser(user, `insert into observatory.project_paths (path, project_id) values ('/x', $1)`, [id]),
    update: () => asUser(user, `update observatory.projects set name = 'x' where id = $1`, [id]),
  };
  for (const [name, attempt] of Object.entries(attempts)) assert.notEqual(await codeOf(attempt()), null, name);
  assert.deepEqual(await sql('select id from observatory.projects where owner_id = $1', [user]), []);
});

test('what is too much for one transaction is hidden at once, and deleted by the job', async () => {
  const user = person();
  const id = await project(user);
  const talk = await conversation(id, user);
  await sql(
    `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, entry_type, seq)
     select $1, $2, $3, 'e' || n, 'user', n from generate_series(1, 50001) as n`,
    [id, talk, user],
  );
  const counts = await erase(sql, user);
  assert.equal(counts['observatory.messages'], 50001);
  assert.deepEqual(
    await asUser(user, 'select id from observatory.messages where conversation_id = $1 limit 1', [talk]),
    [],
  );
  for (let runs = 0; runs < 100; runs++) {
    const [{ n }] = await sql('select private.purge_observatory()::int as n');
    if (n === 0) break;
  }
  for (const table of tables) assert.equal(await countOf(sql, table, user), 0, table.name);
});

test('what others have sent to a project that goes may be too much for one transaction, too', async () => {
  const [user, former] = [person(), person()];
  const id = await project(user);
  const talk = await conversation(id, former);
  await sql(
    `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, entry_type, seq)
     select $1, $2, $3, 'e' || n, 'user', n from generate_series(1, 50001) as n`,
    [id, talk, former],
  );
  await erase(sql, user);
  const left = await sql('select deleted_at is not null as is_hidden from observatory.conversations where id = $1', [
    talk,
  ]);
  assert.deepEqual(left, [{ is_hidden: true }]);
  for (let runs = 0; runs < 100; runs++) {
    const [{ n }] = await sql('select private.purge_observatory()::int as n');
    if (n === 0) break;
  }
  assert.deepEqual(await sql('select id from observatory.messages where owner_id = $1', [former]), []);
  assert.deepEqual(await sql('select id from observatory.projects where id = $1', [id]), []);
});

test('rows of any table are too much for one transaction', async () => {
  const user = person();
  const id = await project(user);
  const talk = await conversation(id, user, ['one']);
  await sql(
    `insert into observatory.hook_events (owner_id, session_id, project_id, conversation_id, event)
     select $1, 's', case when n > 3 then $2::uuid end, case when n > 3 then $3::uuid end, 'Stop' from generate_series(1, 50003) as n`,
    [user, id, talk],
  );
  await erase(sql, user);
  const left = await sql('select count(*)::int as n from observatory.hook_events where owner_id = $1', [user]);
  assert.deepEqual(left, [{ n: 50000 }], 'hidden; those without a conversation are gone');
  for (let runs = 0; runs < 100; runs++) {
    const [{ n }] = await sql('select private.purge_observatory()::int as n');
    if (n === 0) break;
  }
  for (const table of tables) assert.equal(await countOf(sql, table, user), 0, table.name);
});

test('an export of many messages has the latest, and says how many it leaves off', async () => {
  const user = person();
  const id = await project(user);
  const talk = await conversation(id, user);
  await sql(
    `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, entry_type, seq)
     select $1, $2, $3, 'e' || n, 'user', n from generate_series(1, 10003) as n`,
    [id, talk, user],
  );
  const rows = await exported(user);
  assert.equal(rows['observatory.messages'].length, 10000);
  assert.deepEqual(rows.left_off, { 'observatory.messages': 3 });
  await sql('delete from observatory.projects where id = $1', [id]);
});

test('what a person did stays in audit chains, and the receipt says so', async () => {
  const user = person();
  const [{ id }] = await asUser(user, `insert into observatory.projects (name) values ('x') returning id`);
  const kept = async () =>
    (await sql('select private.observatory_kept($1) as kept', [JSON.stringify({ users: [user] })]))[0].kept;
  assert.deepEqual(await kept(), { 'private.observatory_audit': 2 });
  await erase(sql, user);
  const [{ answer }] = await sql('select private.check_audit_chain($1) as answer', [id]);
  assert.equal(answer.intact, true);
});

test('an invitation of an address is found and erased with the address', async () => {
  const owner = person();
  const email = `${randomUUID()}@example.org`;
  const id = await project(owner);
  await vouchedFor(owner, 'select observatory.invite($1, $2, $3)', [id, 'viewer', email]);
  const [{ answer }] = await sql('select private.mentions(array[$1]) as answer', [email]);
  assert.equal(answer['observatory.project_invitations'], 1);
  await sql('select private.erase_mentions(array[$1])', [email]);
  assert.deepEqual(await sql('select id from observatory.project_invitations where project_id = $1', [id]), []);
});

test('a person’s own texts that name them are no mentions by others', async () => {
  const user = person();
  const email = `${randomUUID()}@example.org`;
  const talk = await conversation(await project(user), user, [`I am ${email}`]);
  const [{ rows }] = await sql('select private.observatory_rows_of($1) as rows', [
    JSON.stringify({ users: [user], emails: [email], phones: [] }),
  ]);
  const own = await sql('select id from observatory.messages where conversation_id = $1', [talk]);
  assert.deepEqual(
    rows['observatory.messages'],
    own.map(({ id }) => id),
  );
});
