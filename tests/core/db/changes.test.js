// Changed rows in the database: what is stored of a write, who gets an event of it, and that nothing is lost between transactions.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import pg from 'pg';
import { claimsOf, listen, poll } from '../../support/changes.js';
import { as, close, edgeToken, sql, stack, transaction, userToken } from '../../support/stack.js';

after(close);

const add = async (user_id, query = sql) =>
  (await query('insert into sample.projects (user_id, name) values ($1, $2) returning id', [user_id, randomUUID()]))[0]
    .id;

/** A connection of its own, for a transaction that stays open. */
const connected = async (body) => {
  const client = new pg.Client({ connectionString: stack.database_url });
  await client.connect();
  try {
    return await body(async (text, values) => (await client.query(text, values)).rows);
  } finally {
    await client.end();
  }
};

test('an owner learns of an insert, an update and a delete, each once, and nobody else does', async () => {
  const [owner, other] = [randomUUID(), randomUUID()];
  const [mine, theirs] = [await listen(owner), await listen(other)];
  const id = await add(owner);
  assert.deepEqual(await mine.next(), [['insert', id]]);
  assert.deepEqual(await mine.next(), []);
  await sql(`update sample.projects set color = '#000000' where id = $1`, [id]);
  assert.deepEqual(await mine.next(), [['update', id]]);
  await sql('delete from sample.projects where id = $1', [id]);
  assert.deepEqual(await mine.next(), [['delete', id]]);
  assert.deepEqual(await theirs.next(), []);
});

test('a statement that changes nothing is no change, and a write that is rolled back neither', async () => {
  const owner = randomUUID();
  const id = await add(owner);
  const mine = await listen(owner);
  await sql('update sample.projects set workflow_count = workflow_count where id = $1', [id]);
  await transaction(async (query) => {
    await add(owner, query);
    await query('delete from sample.projects where id = $1', [id]);
  });
  assert.deepEqual(await mine.next(), []);
});

test('a row that gets another owner is deleted for the first one, and new for the second', async () => {
  const [owner, other, third] = [randomUUID(), randomUUID(), randomUUID()];
  const id = await add(owner);
  const listeners = [await listen(owner), await listen(other), await listen(third)];
  await sql('update sample.projects set user_id = $2 where id = $1', [id, other]);
  assert.deepEqual(await listeners[0].next(), [['delete', id]]);
  assert.deepEqual(await listeners[1].next(), [['update', id]]);
  assert.deepEqual(await listeners[2].next(), []);
  await sql('delete from sample.projects where id = $1', [id]);
  assert.deepEqual(await listeners[0].next(), [], 'the later deletion is not the first owner’s');
  assert.deepEqual(await listeners[1].next(), [['delete', id]]);
});

test('a row that came and went between two polls shows nothing but its end', async () => {
  const owner = randomUUID();
  const mine = await listen(owner);
  const id = await add(owner);
  await sql('delete from sample.projects where id = $1', [id]);
  assert.deepEqual(await mine.next(), [['delete', id]]);
});

test('a key that changes is a row less and a row more', async () => {
  const owner = randomUUID();
  const id = await add(owner);
  const mine = await listen(owner);
  const next = randomUUID();
  await sql('update sample.projects set id = $2 where id = $1', [id, next]);
  const events = await mine.next();
  assert.deepEqual(
    events.sort(),
    [
      ['delete', id],
      ['insert', next],
    ].sort(),
  );
});

test('a transaction that commits after a later one was read makes its events, once', () =>
  connected(async (late) => {
    const owner = randomUUID();
    const mine = await listen(owner);
    await late('begin');
    const first = await add(owner, late);
    const second = await add(owner);
    assert.deepEqual(await mine.next(), [['insert', second]]);
    await late('commit');
    assert.deepEqual(await mine.next(), [['insert', first]]);
    assert.deepEqual(await mine.next(), []);
  }));

test('while another session assigns positions, a poll waits for nothing and misses nothing', () =>
  connected(async (assigning) => {
    const owner = randomUUID();
    const mine = await listen(owner);
    const id = await add(owner);
    await assigning('begin');
    await assigning('select private.assign_positions()');
    assert.deepEqual(await mine.next(false), [], 'they are not committed');
    await assigning('commit');
    assert.deepEqual(await mine.next(), [['insert', id]]);
  }));

test('positions whose transaction is rolled back are assigned again', () =>
  connected(async (assigning) => {
    const owner = randomUUID();
    const mine = await listen(owner);
    const id = await add(owner);
    await assigning('begin');
    await assigning('select private.assign_positions()');
    await assigning('rollback');
    assert.deepEqual(await mine.next(), [['insert', id]]);
  }));

test('many rows of one statement come in parts, each once', async () => {
  const owner = randomUUID();
  const mine = await listen(owner);
  const rows = await sql(
    `insert into sample.projects (user_id, name) select $1, 'row ' || n from generate_series(1, 10000) as n returning id`,
    [owner],
  );
  const events = [];
  let parts = 0;
  for (let hasMore = true; hasMore; parts++) {
    const [answer] = await poll([mine.subscription()]);
    hasMore = answer.has_more;
    events.push(...mine.take(answer));
    assert.ok(answer.events.length <= 2000);
  }
  assert.ok(parts > 1);
  assert.deepEqual(events.map(([, id]) => id).sort(), rows.map(({ id }) => id).sort());
  await sql('delete from sample.projects where user_id = $1', [owner]);
});

test('one poll answers for many users, each with what is theirs', async () => {
  const users = Array.from({ length: 30 }, () => randomUUID());
  const listeners = [];
  for (const sub of users) listeners.push(await listen(sub));
  const ids = {};
  for (const sub of users.slice(0, 20)) ids[sub] = await add(sub);
  const answers = await poll(listeners.map((each) => each.subscription()));
  users.forEach((sub, at) => {
    assert.deepEqual(listeners[at].take(answers[at]), ids[sub] ? [['insert', ids[sub]]] : []);
  });
});

test('without an audience the policies are checked for each listener, and nobody gets deletions', async () => {
  const admin = await listen(randomUUID(), 'sample_more.entries', { app_metadata: { role: 'admin' } });
  const user = await listen(randomUUID(), 'sample_more.entries', { user_metadata: { role: 'admin' } });
  const [{ id }] = await sql(`insert into sample_more.entries (email) values ($1) returning id`, [
    `${randomUUID()}@example.org`,
  ]);
  assert.deepEqual(await admin.next(), [['insert', id]]);
  await sql('delete from sample_more.entries where id = $1', [id]);
  assert.deepEqual(await admin.next(), []);
  assert.deepEqual(await user.next(), []);
});

test('a policy that fails for one user does not stop the others', async () => {
  const [owner, broken] = [randomUUID(), randomUUID()];
  await sql(`create policy faulty on sample.projects as restrictive for select to authenticated
    using (((select auth.jwt()) ->> 'faulty')::int is null)`);
  try {
    const [mine, faulty] = [await listen(owner), await listen(broken, 'sample.projects', { faulty: 'no number' })];
    const id = await add(owner);
    await add(broken);
    const [failed, good] = await poll([faulty.subscription(), mine.subscription()]);
    assert.deepEqual(failed, { end: 'failed' });
    assert.deepEqual(mine.take(good), [['insert', id]]);
  } finally {
    await sql('drop policy faulty on sample.projects');
  }
});

test('a policy that takes too long for one user does not stop the others', async () => {
  const [owner, slow] = [randomUUID(), randomUUID()];
  await sql(`create policy slow on sample.projects as restrictive for select to authenticated
    using (((select auth.jwt()) ->> 'slow') is null or (select pg_sleep(60)) is not null)`);
  try {
    const mine = await listen(owner);
    const late = await listen(slow, 'sample.projects', { slow: true });
    const id = await add(owner);
    await add(slow);
    const list = [mine, late, mine].map((listener) => listener.subscription());
    await sql('select private.assign_positions()');
    const answers = await as({ role: 'edge' }, async (query) => {
      await query(`set local statement_timeout = '5s'`);
      return (await query('select edge.changes($1::jsonb) as answer', [JSON.stringify(list)]))[0].answer;
    });
    assert.deepEqual(answers[1], { end: 'failed' });
    assert.deepEqual(answers[2], { position: mine.since, has_more: true, events: [] }, 'it waits for the next poll');
    assert.deepEqual(mine.take(answers[0]), [['insert', id]]);
    // One that begins is refused, like a request of the data API that takes too long.
    const opening = as({ role: 'edge' }, async (query) => {
      await query(`set local statement_timeout = '1s'`);
      await query('select edge.changes($1::jsonb, true)', [JSON.stringify([late.subscription()])]);
    });
    await assert.rejects(opening, (error) => error.code === '57014');
  } finally {
    await sql('drop policy slow on sample.projects');
  }
});

test('only users listen, and no claim of their own opens more', async () => {
  const open = (claims) => poll([{ claims, table: 'sample.projects' }]);
  for (const claims of [{}, { role: 'authenticated' }, { role: 'service_role', sub: randomUUID() }, claimsOf(null)])
    await assert.rejects(open(claims), (error) => JSON.parse(error.message).code === 'RG520');
  // The edge's claim, and that of servers, in a user's own token.
  const owner = randomUUID();
  const other = await listen(randomUUID(), 'sample.projects', {
    edge: { caller: 'service_role' },
    app_metadata: { role: 'service_role' },
  });
  await add(owner);
  assert.deepEqual(await other.next(), []);
});

test('nobody but the edge polls, at PostgREST either', async () => {
  const list = JSON.stringify([{ claims: claimsOf(randomUUID()), table: 'sample.projects' }]);
  for (const role of ['anon', 'authenticated', 'service_role'])
    for (const text of ['select edge.changes($1::jsonb)', 'select edge.new_changes($1::jsonb, false)'])
      await assert.rejects(
        as({ role, claims: { sub: randomUUID() } }, (query) => query(text, [list])),
        { code: '42501' },
      );
  const post = async (token) => {
    const response = await fetch(`${stack.postgrest_url}/rpc/changes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-profile': 'edge', 'content-type': 'application/json' },
      body: JSON.stringify({ subscriptions: JSON.parse(list) }),
    });
    return [response.status, await response.json()];
  };
  const [refused] = await post(await userToken());
  assert.equal(refused, 403);
  const [service] = await post(stack.service_key);
  assert.equal(service, 403);
  const [good, [answer]] = await post(await edgeToken({ role: 'edge' }));
  assert.deepEqual([good, answer.events], [200, []], 'the role that PostgREST connects with may become the user');
});

test('a table that is not tracked, or is not there, is refused with the list of those that are', async () => {
  for (const table of ['sample.user_profiles', 'sample.nothing', 'private.changes', 'pg_catalog.pg_class', 'projects'])
    await assert.rejects(poll([{ claims: claimsOf(randomUUID()), table }], true), (error) => {
      const { code, details } = JSON.parse(error.message);
      return code === 'RG590' && details.includes('sample.projects');
    });
  const [answer] = await poll([{ claims: claimsOf(randomUUID()), table: 'sample.nothing' }]);
  assert.deepEqual(answer, { end: 'table' });
});

test('an erased user gets nothing more, and no trace of them is stored', async () => {
  const owner = randomUUID();
  const mine = await listen(owner);
  await add(owner);
  await sql('select private.mark_erased($1)', [owner]);
  await sql('delete from sample.projects where user_id = $1', [owner]);
  assert.deepEqual(await poll([mine.subscription()]), [{ end: 'erased' }]);
  await assert.rejects(poll([mine.subscription()], true), (error) => JSON.parse(error.message).code === 'RG521');
  const [{ count }] = await sql(
    'select count(*)::int as count from private.changes as c where strpos(c::text, $1) > 0',
    [owner],
  );
  assert.equal(count, 0);
});

test('changes are deleted after a day, and a listener that needs older ones has to read anew', async () => {
  const owner = randomUUID();
  const mine = await listen(owner);
  const id = await add(owner);
  await mine.next();
  const behind = mine.since - 1;
  await sql(`update private.changes set position = position - 86400000000 - 60000000 where key ->> 'id' = $1`, [id]);
  const stays = await add(owner);
  await sql('select private.clean_changes()');
  const rows = await sql(`select key ->> 'id' as id from private.changes where key ->> 'id' = any ($1)`, [[id, stays]]);
  assert.deepEqual(rows, [{ id: stays }]);
  const day = 86_400_000_000;
  await assert.rejects(
    poll([{ ...mine.subscription(), since: behind - day - 120_000_000 }], true),
    (error) => JSON.parse(error.message).code === 'RG591',
  );
  assert.deepEqual(await mine.next(), [['insert', stays]], 'a cursor of today is good');
});

test('a table is tracked only if its keys name nobody and its policies hold', () =>
  transaction(async (query) => {
    const refusals = {
      'unfit columns of its key: name': `create table sample.unfit (name text primary key); grant select on sample.unfit to authenticated`,
      'unfit columns of its key: id': 'create table sample.unfit (id uuid primary key)',
      'it has no primary key': 'create table sample.unfit (id uuid)',
      'not enabled and forced':
        'create table sample.unfit (id uuid primary key); grant select on sample.unfit to authenticated',
    };
    for (const [why, made] of Object.entries(refusals)) {
      await query(`savepoint one; ${made}`);
      await assert.rejects(query(`select private.track_changes('sample.unfit', 'array[id]')`), (error) =>
        error.message.includes(why),
      );
      await query('rollback to one');
    }
    await query(`savepoint one; create table sample.fit (id uuid primary key); grant select on sample.fit to authenticated;
      alter table sample.fit enable row level security; alter table sample.fit force row level security`);
    await assert.rejects(query(`select private.track_changes('sample.fit', 'array[owner]')`), { code: '42703' });
    await query('rollback to one; create table sample.fit ()');
    await assert.rejects(query(`select private.untrack_changes('sample.fit')`), /sample\.fit is not tracked/);
    await query('rollback to one');
  }));

test('a key of several columns, columns that users do not see, and types without an order', () =>
  transaction(async (query) => {
    const sub = randomUUID();
    await query(`create table sample.fit (place int, "key" bigint, user_id uuid, hidden text, shown json, at point, primary key (place, "key"));
      alter table sample.fit enable row level security; alter table sample.fit force row level security;
      create policy owner_select on sample.fit for select to authenticated using (user_id = (select auth.uid()));
      grant select (place, "key", user_id, shown, at) on sample.fit to authenticated;
      select private.track_changes('sample.fit', 'array[user_id]')`);
    await query(`insert into sample.fit values (1, 9007199254740993, $1, 'a', '{}', '(1,1)')`, [sub]);
    await query(`update sample.fit set hidden = 'b'`);
    await query(`update sample.fit set shown = '{"a": 1}'`);
    await query(`update sample.fit set at = '(2,2)'`);
    const rows = await query(
      `select verb, key::text as key from private.changes where relation = 'sample.fit'::regclass order by id`,
    );
    const key = '{"key": 9007199254740993, "place": 1}';
    assert.deepEqual(
      rows,
      ['insert', 'update', 'update'].map((verb) => ({ verb, key })),
    );
    const [{ since }] = await query('select last_assigned::float8 as since from private.change_positions');
    await query(`set local role edge`);
    const [{ answer }] = await query('select edge.changes($1::jsonb)::text as answer', [
      JSON.stringify([{ claims: claimsOf(sub), table: 'sample.fit', since }]),
    ]);
    assert.match(answer, /"insert", \{"key": 9007199254740993, "place": 1\}/);
    await query(`reset role; truncate sample.fit`);
    const [{ verb }] = await query(
      `select verb from private.changes where relation = 'sample.fit'::regclass order by id desc limit 1`,
    );
    assert.equal(verb, 'reset');
    await query(`select private.untrack_changes('sample.fit')`);
    const left = await query(`select from pg_trigger where tgrelid = 'sample.fit'::regclass`);
    assert.equal(left.length, 0);
  }));
