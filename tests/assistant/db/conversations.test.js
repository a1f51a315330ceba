// Conversations: who sees, makes, changes and deletes them, and what stays as it is.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { close, sql, transaction } from '../../support/stack.js';
import { asMember, asOffice, codeOf, conversation, forget, member, say, tenant, world } from '../support/talk.js';

let here;
let there;
before(async () => {
  ({ here, there } = await world());
});
after(async () => {
  await forget();
  await close();
});

const SEEN = 'select id from assistant.conversations where id = $1';
const sees = async (user, { id }, claims) => (await asMember(user, SEEN, [id], claims)).length === 1;
/** By whom a conversation is seen, of everybody in both tenants. */
const seenBy = async (row, [one, other]) => {
  const people = [
    ...['owner', 'admin', 'ada', 'bea'].map((name) => [name, one[name]]),
    ...['owner', 'admin', 'ada', 'bea'].map((name) => [`foreign ${name}`, other[name]]),
  ];
  const found = [];
  for (const [name, user] of people) if (await sees(user, row)) found.push(name);
  return found;
};

test('a conversation is seen in its tenant; where conversations are private, by its owner and admins', async () => {
  const open = await conversation(here.ada);
  assert.deepEqual(await seenBy(open, [here, there]), ['owner', 'admin', 'ada', 'bea']);
  const closed = await world({ private_conversations: true });
  const hidden = await conversation(closed.here.ada);
  assert.deepEqual(await seenBy(hidden, [closed.here, closed.there]), ['owner', 'admin', 'ada']);
  // The next statement follows the tenant's choice.
  await sql(`update assistant.tenants set features = '{}' where id = $1`, [closed.here.tenant.id]);
  assert.equal(await sees(closed.here.bea, hidden), true);
});

test('a member’s many conversations are listed and counted by an index, whatever the planner knows', async () => {
  await transaction(async (query) => {
    await query('set local session_replication_role = replica');
    await query(
      `insert into assistant.conversations (tenant_id, user_id, title, updated_at)
       select case when n % 20 < 10 then $1 else md5('tenant ' || n % 400)::uuid end, case n % 20 when 0 then $2 else md5('user ' || n % 4000)::uuid end,
         'A conversation', now() - n * interval '1 minute' from generate_series(1, 40000) as n`,
      [here.tenant.id, here.ada.id],
    );
    await query(`select set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ sub: here.ada.auth_id, role: 'authenticated' }),
    ]);
    const planOf = async (text) => {
      await query('set local role authenticated');
      const lines = await query(`explain (analyze, timing off) ${text}`, [here.ada.id]);
      await query('reset role');
      return lines.map((line) => line['QUERY PLAN']).join('\n');
    };
    const MINE = 'from assistant.conversations where user_id = $1 and not is_archived';
    for (const known of [
      'analyze assistant.conversations',
      `delete from pg_statistic where starelid = 'assistant.conversations'::regclass`,
    ]) {
      await query(known);
      const list = await planOf(`select * ${MINE} order by updated_at desc, id desc limit 50`);
      assert.doesNotMatch(list, /Sort/, list);
      assert.match(list, /Index Scan using conversations_recent\w* .*\(actual rows=50(\.00)? /, list);
      const count = await planOf(`select count(*) ${MINE}`);
      assert.match(count, /conversations_(recent_of|by)_user/, count);
      assert.doesNotMatch(count, /BitmapAnd|Seq Scan/, count);
    }
  });
});

test('a page of a tenant’s conversations is read in the order of an index, where the planner knows nothing of them', async () => {
  await transaction(async (query) => {
    await query('set local session_replication_role = replica');
    // Leaves no row and no block of an earlier test: the planner estimates a table by its blocks.
    await query('truncate assistant.conversations cascade');
    await query(
      `insert into assistant.conversations (tenant_id, user_id, title, updated_at)
       select $1, $2, 'A conversation', now() - n * interval '1 minute' from generate_series(1, 40000) as n`,
      [here.tenant.id, here.ada.id],
    );
    await query(`delete from pg_statistic where starelid = 'assistant.conversations'::regclass`);
    await query(`select set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ sub: here.bea.auth_id, role: 'authenticated' }),
    ]);
    await query('set local role authenticated');
    const lines = await query(
      `explain (analyze, timing off) select id from assistant.conversations
       where not is_archived and updated_at <= $1 and (updated_at < $1 or (updated_at = $1 and id < $2))
       order by updated_at desc, id desc limit 5`,
      [new Date(Date.now() - 10_000 * 60_000), randomUUID()],
    );
    const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
    assert.match(plan, /Index Scan using conversations_recent .*\(actual rows=5(\.00)? /, plan);
  });
});

test('who is deactivated, or whose tenant is, sees, makes and changes nothing from the next statement on', async () => {
  const company = await tenant();
  const user = await member(company, { role: 'admin' });
  const row = await conversation(user);
  const makes = () => codeOf(asMember(user, `insert into assistant.conversations (title) values ('one more')`));
  const changes = () =>
    asMember(user, `update assistant.conversations set title = 'x' where id = $1 returning id`, [row.id]);
  assert.deepEqual([await sees(user, row), await makes(), (await changes()).length], [true, null, 1]);
  for (const [table, id] of [
    ['users', user.id],
    ['tenants', company.id],
  ]) {
    await sql(`update assistant.${table} set is_active = false where id = $1`, [id]);
    assert.deepEqual([await sees(user, row), (await changes()).length], [false, 0], table);
    assert.ok(['23502', '42501'].includes(await makes()), table);
    await sql(`update assistant.${table} set is_active = true where id = $1`, [id]);
    assert.equal(await sees(user, row), true);
  }
});

test('a member makes conversations in their own name and tenant only', async () => {
  const [made] = await asMember(here.ada, `insert into assistant.conversations (title) values ('mine') returning *`);
  assert.deepEqual([made.tenant_id, made.user_id, made.is_archived], [here.tenant.id, here.ada.id, false]);
  const insert = (user, tenant_id, user_id) =>
    codeOf(
      asMember(user, 'insert into assistant.conversations (tenant_id, user_id) values ($1, $2)', [tenant_id, user_id]),
    );
  assert.equal(await insert(here.ada, here.tenant.id, here.ada.id), null);
  for (const user of [here.ada, here.admin]) {
    assert.equal(await insert(user, here.tenant.id, here.bea.id), '42501', 'a colleague');
    assert.equal(await insert(user, there.tenant.id, there.bea.id), '42501', 'somebody of another tenant');
    assert.equal(await insert(user, there.tenant.id, user.id), '42501', 'oneself in another tenant');
    assert.equal(await insert(user, here.tenant.id, randomUUID()), '42501', 'nobody');
  }
  // The pair of ids is one key: service_role cannot mix two tenants either.
  const mixed = asOffice('insert into assistant.conversations (tenant_id, user_id) values ($1, $2)', [
    here.tenant.id,
    there.ada.id,
  ]);
  assert.equal(await codeOf(mixed), 'conversations_user');
});

test('null means the default, as a batch of PostgREST sends it', async () => {
  const [made] = await asMember(
    here.ada,
    'insert into assistant.conversations (title, metadata, is_archived) values (null, null, null) returning *',
  );
  assert.deepEqual([made.title, made.metadata, made.is_archived], ['New conversation', {}, false]);
});

test('owner and admins rename, archive and delete it, colleagues and strangers do not', async () => {
  const changes = [
    [`update assistant.conversations set title = 'renamed' where id = $1 returning id`, 'rename'],
    ['update assistant.conversations set is_archived = true where id = $1 returning id', 'archive'],
    ['delete from assistant.conversations where id = $1 returning id', 'delete'],
  ];
  for (const [text, what] of changes) {
    for (const user of [here.bea, there.owner, there.admin]) {
      const row = await conversation(here.ada);
      assert.deepEqual(await asMember(user, text, [row.id]), [], what);
      assert.deepEqual(await asMember(user, text, [randomUUID()]), [], `${what}, absent`);
    }
    for (const user of [here.ada, here.admin, here.owner]) {
      const row = await conversation(here.ada);
      assert.deepEqual(await asMember(user, text, [row.id]), [{ id: row.id }], what);
    }
  }
});

test('tenant and member of a conversation never change, for anybody', async () => {
  const row = await conversation(here.ada);
  const changes = [
    ['tenant_id', there.tenant.id],
    ['user_id', here.bea.id],
  ];
  for (const [column, value] of changes) {
    const text = `update assistant.conversations set ${column} = $2 where id = $1`;
    assert.equal(await codeOf(asMember(here.ada, text, [row.id, value])), '42501');
    assert.equal(await codeOf(asOffice(text, [row.id, value])), '42501');
    assert.equal(await codeOf(sql(text, [row.id, value])), '42501');
  }
  for (const column of ['id', 'created_at', 'updated_at'])
    assert.equal(
      await codeOf(
        asMember(here.ada, `update assistant.conversations set ${column} = ${column} where id = $1`, [row.id]),
      ),
      '42501',
      column,
    );
});

test('titles have 1 to 200 characters, not blanks only; metadata is an object of at most 16 KB', async () => {
  const insert = (title, metadata) =>
    codeOf(
      asMember(here.ada, 'insert into assistant.conversations (title, metadata) values ($1, $2)', [
        title,
        JSON.stringify(metadata),
      ]),
    );
  assert.equal(await insert('é'.repeat(200), {}), null);
  assert.equal(await insert('é'.repeat(201), {}), 'conversations_title');
  for (const blank of ['', ' ', ' \t\n ']) assert.equal(await insert(blank, {}), 'conversations_title');
  assert.equal(await insert('x', []), 'conversations_metadata');
  assert.equal(await insert('x', { text: 'x'.repeat(16_400) }), 'conversations_metadata');
});

test('a change and a new message move it to the top; a rating does not', async () => {
  const row = await conversation(here.ada, { updated_at: '2020-01-01', created_at: '2020-01-01' });
  const now = async () =>
    (await sql('select updated_at from assistant.conversations where id = $1', [row.id]))[0].updated_at;
  const [message] = await say(row, ['hello']);
  assert.deepEqual(await now(), message.created_at);
  await sql(`update assistant.conversations set updated_at = '2020-01-01' where id = $1`, [row.id]);
  await asMember(here.ada, 'insert into assistant.feedback (message_id, rating) values ($1, 1)', [message.id]);
  assert.deepEqual(await now(), new Date('2020-01-01T00:00:00Z'));
  await asMember(here.ada, 'update assistant.conversations set is_archived = true where id = $1', [row.id]);
  assert.ok((await now()) > message.created_at);
  // An imported message of an earlier time does not move it back.
  const before = await now();
  await say(row, [{ content: 'earlier', created_at: '2019-01-01' }]);
  assert.deepEqual(await now(), before);
});

test('what admins change and delete is in the audit log, once and without any text', async () => {
  const row = await conversation(here.ada, { title: 'a secret title' });
  await say(row, ['one', 'two']);
  await asMember(here.admin, `update assistant.conversations set title = 'x' where id = $1`, [row.id]);
  await asMember(here.admin, 'delete from assistant.conversations where id = $1', [row.id]);
  const log = await sql(
    `select actor, operation, relation, columns from private.audit_log where row_id = $1 or row_id in ($2) order by id`,
    [row.id, row.id],
  );
  assert.deepEqual(log, [
    { actor: here.admin.auth_id, operation: 'UPDATE', relation: 'assistant.conversations', columns: ['title'] },
    { actor: here.admin.auth_id, operation: 'DELETE', relation: 'assistant.conversations', columns: null },
  ]);
  const [{ count }] = await sql(
    `select count(*)::int from private.audit_log where relation = 'assistant.messages' and actor = $1`,
    [here.admin.auth_id],
  );
  assert.equal(count, 0, 'messages that go with it are not listed one by one');
});

test('the account of an erased user does nothing with a token that still lives', async () => {
  const company = await tenant();
  const user = await member(company);
  const row = await conversation(user);
  // Marked, but its rows are there still: the middle of an erasure.
  await sql('insert into private.erased_users (id) values ($1)', [user.auth_id]);
  try {
    for (const text of [
      `insert into assistant.conversations (title) values ('x')`,
      `update assistant.conversations set title = 'x' where id = '${row.id}'`,
      `insert into assistant.messages (conversation_id, content) values ('${row.id}', 'x')`,
    ])
      assert.equal(await codeOf(asMember(user, text)), 'RG521', text);
  } finally {
    await sql('delete from private.erased_users where id = $1', [user.auth_id]);
  }
});

test('a member has a daily allowance for what they write, which the messages of a turn count once', async () => {
  const company = await tenant();
  const user = await member(company);
  const used = async () =>
    (
      await sql(`select rows::int from private.daily_usage where name = 'assistant' and caller = $1`, [
        `user ${user.auth_id}`,
      ])
    )[0]?.rows ?? 0;
  const [{ id }] = await asMember(user, `insert into assistant.conversations (title) values ('x') returning id`);
  assert.equal(await used(), 1);
  await asMember(user, `insert into assistant.messages (conversation_id, content) values ($1, 'x')`, [id]);
  assert.equal(await used(), 2);
  await asMember(user, `update assistant.conversations set title = 'y' where id = $1`, [id]);
  assert.equal(await used(), 3);
  await sql(`update private.daily_usage set rows = 100000 where name = 'assistant' and caller = $1`, [
    `user ${user.auth_id}`,
  ]);
  const more = asMember(user, `insert into assistant.messages (conversation_id, content) values ($1, 'x')`, [id]);
  assert.equal(await codeOf(more), 'RG517');
});
