// Notifications: one for each key, the user's own to read, to mark and to delete, and quick to list among 100,000.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, ask, close, sql, userToken } from '../../support/stack.js';

after(close);

const notify = async (user, key, more = {}) => {
  const { kind = 'info', title = 'Title', message = 'Message', url = null, metadata = {} } = more;
  const rows = await sql('select private.notify($1, $2, $3, $4, $5, $6, $7) as id', [
    user,
    kind,
    key,
    title,
    message,
    url,
    metadata,
  ]);
  return rows[0].id;
};
const of = (user) => sql('select * from flashfusion.notifications where user_id = $1 order by created_at, id', [user]);
const read = async (user, json) => ask('/v1/notifications/read', { token: await userToken(user), json });

test('a key notifies a user once, at whatever speed, and another user, too', async () => {
  const [one, other] = [randomUUID(), randomUUID()];
  const ids = await Promise.all(Array.from({ length: 20 }, () => notify(one, 'key 30 days')));
  assert.equal(ids.filter(Boolean).length, 1);
  assert.ok(await notify(other, 'key 30 days'));
  assert.ok(await notify(one, 'key 20 days'));
  const [first, second] = [await notify(one, null), await notify(one, null)];
  assert.notEqual(first, second);
  assert.equal((await of(one)).length, 4);
});

test('a notification never fails what it reports: long texts are cut', async () => {
  const user = randomUUID();
  await notify(user, 'long', { title: 'ü'.repeat(900), message: 'x'.repeat(9000) });
  const [row] = await of(user);
  assert.deepEqual([row.title.length, row.message.length], [200, 2000]);
});

test('an action leads to an https address or a path of the application, nowhere else', async () => {
  const user = randomUUID();
  for (const url of ['https://example.org/x', '/billing', '/', null]) assert.ok(await notify(user, null, { url }), url);
  for (const url of ['http://example.org', 'javascript:alert(1)', '//evil.example', '/\\evil.example', 'billing', ''])
    await assert.rejects(notify(user, null, { url }), /notifications_action_url/, url);
});

test('users mark their own as read, some or all; those of others are passed over', async () => {
  const [user, other] = [randomUUID(), randomUUID()];
  const [a, b, c] = [await notify(user, 'a'), await notify(user, 'b'), await notify(user, 'c')];
  const foreign = await notify(other, 'd');
  assert.deepEqual((await read(user, { ids: [a, foreign, randomUUID()] })).body, { read: 1, more: false });
  const rows = Object.fromEntries((await of(user)).map((row) => [row.id, row]));
  assert.ok(rows[a].is_read && rows[a].read_at);
  assert.deepEqual([rows[b].is_read, rows[c].read_at], [false, null]);
  assert.equal((await of(other))[0].is_read, false);
  assert.deepEqual((await read(user, { ids: [a] })).body, { read: 0, more: false });
  assert.deepEqual((await read(user, { all: true })).body, { read: 2, more: false });
  assert.equal((await of(other))[0].is_read, false);
  for (const odd of [
    {},
    { all: false },
    { ids: [a], all: true },
    { ids: Array.from({ length: 1001 }, () => randomUUID()) },
  ]) {
    const { status, body } = await read(user, odd);
    assert.deepEqual([status, body.code], [422, 'RG640'], JSON.stringify(odd).slice(0, 50));
  }
  for (const odd of [{ ids: ['x'] }, { ids: 'x' }, { ids: { a: 1 } }, { all: 'yes' }])
    assert.equal(Math.floor((await read(user, odd)).status / 100), 4, JSON.stringify(odd));
  assert.equal((await ask('/v1/notifications/read', { json: { all: true } })).status, 401);
});

test('users write nothing but is_read', async () => {
  const user = randomUUID();
  const id = await notify(user, 'own');
  const patch = async (change) =>
    (
      await ask(`/rest/v1/notifications?id=eq.${id}`, {
        token: await userToken(user),
        method: 'PATCH',
        body: JSON.stringify(change),
        headers: { 'content-type': 'application/json' },
      })
    ).status;
  for (const column of [
    'title',
    'message',
    'type',
    'user_id',
    'read_at',
    'created_at',
    'dedupe_key',
    'metadata',
    'action_url',
  ])
    assert.equal(await patch({ [column]: null }), 403, column);
  assert.equal(await patch({ is_read: true }), 204);
  assert.ok((await of(user))[0].read_at);
  assert.equal(await patch({ is_read: false }), 204);
  assert.equal((await of(user))[0].read_at, null);
  const made = await ask('/rest/v1/notifications', {
    token: await userToken(user),
    json: { user_id: user, title: 'x', message: 'x' },
  });
  assert.equal(made.status, 403);
});

test('an erased user gets none, and marks none', async () => {
  const user = randomUUID();
  await notify(user, 'before');
  await sql('select private.erase_account($1)', [user]);
  assert.equal(await notify(user, 'after'), null);
  assert.deepEqual(await of(user), []);
  const { status, body } = await read(user, { all: true });
  assert.deepEqual([status, body.code], [403, 'RG521']);
});

test('the list of unread ones is read from its index, and from no more than it shows', async () => {
  const user = randomUUID();
  await sql(
    `insert into flashfusion.notifications (user_id, title, message, is_read, read_at, created_at)
     select $1, 'Title', 'Message', n % 100 <> 0, case when n % 100 <> 0 then now() end, now() - make_interval(mins => n)
     from generate_series(1, 20000) as n`,
    [user],
  );
  await sql('analyze flashfusion.notifications');
  try {
    for (const condition of ['not is_read', 'is_read = false', 'is_read is false']) {
      await as({ role: 'authenticated', claims: { sub: user } }, async (query) => {
        const plan = await query(
          `explain (analyze, format json) select * from flashfusion.notifications where ${condition} order by created_at desc limit 50`,
        );
        const text = JSON.stringify(plan);
        assert.match(text, /"Index Name":"notifications_unread(_is)?"/, condition);
        assert.doesNotMatch(text, /"Sort"|Rows Removed by Filter":[1-9]/, condition);
      });
    }
  } finally {
    await sql('delete from flashfusion.notifications where user_id = $1', [user]);
  }
});

test('the job deletes what was read 90 days ago or is a year old, and nothing else', async () => {
  const user = randomUUID();
  const add = (name, age, readAge) =>
    sql(
      `insert into flashfusion.notifications (user_id, title, message, created_at, is_read, read_at)
       values ($1, $2, 'x', now() - make_interval(days => $3), $4::int is not null, now() - make_interval(days => $4))`,
      [user, name, age, readAge],
    );
  await add('old and read', 100, 91);
  await add('old and just read', 100, 1);
  await add('old and unread', 100, null);
  await add('a year and unread', 366, null);
  await add('new and read', 10, 1);
  const [{ run }] = await as({ role: 'edge' }, (query) => query(`select edge.run_job('clean_notifications') as run`));
  assert.equal(run.error, null);
  assert.deepEqual((await of(user)).map(({ title }) => title).sort(), [
    'new and read',
    'old and just read',
    'old and unread',
  ]);
});
