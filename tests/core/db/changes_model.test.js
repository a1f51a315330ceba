// The change feed against a model: for random tables, policies, audiences and cursors, polls for all listeners together answer what one listener
// after the other would find by itself, however the answers are cut into parts.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { below, pick, seed } from '../../support/any_json.js';
import { claimsOf } from '../../support/changes.js';
import { close, rowsRead, transaction } from '../../support/stack.js';

after(close);

const ROUNDS = 12;
const MAX_EVENTS = 20_000;
const TABLES = {
  // With an audience; without one; with one and a policy that reads other claims.
  'sample.feed_owned': { audience: `'{}'::uuid[]` },
  'sample.feed_open': {},
  'sample.feed_strict': { audience: `'{}'::uuid[]`, policy: `and ((select auth.jwt()) ->> 'aal') = 'aal2'` },
};

/** Tables that are tracked and have no rows yet. Users see the rows that `sample.feed_access` names. */
const makeTables = async (query) => {
  await query(`select pg_advisory_xact_lock(hashtextextended('rowgate change positions', 0));
    create table sample.feed_access (user_id uuid, id uuid); grant select on sample.feed_access to authenticated`);
  for (const [table, { audience, policy = '' }] of Object.entries(TABLES))
    await query(`create table ${table} (id uuid primary key);
      alter table ${table} enable row level security; alter table ${table} force row level security;
      create policy access_select on ${table} for select to authenticated using (
        exists (select from sample.feed_access as a where a.id = ${table}.id and a.user_id = (select auth.uid())) ${policy}
      );
      grant select on ${table} to authenticated;
      select private.track_changes('${table}', ${audience ? `$$${audience}$$` : 'null'})`);
};

/** Runs the body with a role and claims. */
const become = async (query, role, claims, body) => {
  await query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
    role,
    JSON.stringify(claims),
  ]);
  const result = await body();
  await query(`reset role; set local "request.jwt.claims" = ''`);
  return result;
};
const poll = (query, subscriptions) =>
  become(
    query,
    'edge',
    { role: 'edge' },
    async () => (await query('select edge.changes($1::jsonb) as answer', [JSON.stringify(subscriptions)]))[0].answer,
  );

/** Polls until all subscriptions have everything; gives the events of each, or its end. */
const drain = async (query, subscriptions) => {
  const found = subscriptions.map(() => ({ events: [] }));
  let open = subscriptions.map((subscription, at) => ({ subscription, at }));
  let polls = 0;
  while (open.length > 0) {
    polls += 1;
    const answers = await poll(
      query,
      open.map(({ subscription }) => subscription),
    );
    assert.equal(answers.length, open.length);
    const total = answers.reduce((sum, { events = [] }) => sum + events.length, 0);
    assert.ok(total <= MAX_EVENTS, `${total} events in an answer`);
    const before = JSON.stringify(open.map(({ subscription }) => subscription.since));
    open = open.filter(({ subscription, at }, place) => {
      const { end, position, has_more, events } = answers[place];
      if (end) found[at] = { end };
      else {
        for (const [, , , of] of events) assert.ok(of <= position, 'no event lies behind the position of its answer');
        found[at].events.push(...events);
        subscription.since = position;
      }
      return !end && has_more;
    });
    assert.ok(open.length === 0 || JSON.stringify(open.map((one) => one.subscription.since)) !== before, 'it goes on');
  }
  return { found, polls };
};

/** What one subscription has to get, by the rules in their simplest form. */
const expected = async (query, { claims, table, since }, { erased, deleted, newest }) => {
  const own = TABLES[table];
  if (!own) return { end: 'table' };
  if (erased.includes(claims.sub)) return { end: 'erased' };
  if (since < deleted) return { end: 'again' };
  const visible = await become(query, 'authenticated', claims, async () =>
    (await query(`select id from ${table}`)).map(({ id }) => id),
  );
  const rows = await query(
    `select c.verb, c.key, to_jsonb(c.at) as at, c.position::float8 as position, $3::uuid = any (c.audience) as is_named
     from private.changes as c where c.relation = $1::regclass and c.position > $2 and c.position <= $4 order by c.position, c.id`,
    [table, since, claims.sub, newest],
  );
  const showsDeletions = own.audience && !own.policy;
  const events = [];
  for (const { verb, key, at, position, is_named } of rows) {
    const event = (as) => events.push([as, key, at, position]);
    if (verb === 'reset') event(verb);
    else if (own.audience && !is_named) continue;
    else if (verb === 'delete') showsDeletions && event(verb);
    else if (visible.includes(key.id)) event(verb);
    else if (verb === 'update' && showsDeletions) event('delete');
  }
  return { events };
};

const positions = async (query) =>
  (
    await query('select last_assigned::float8 as newest, last_deleted::float8 as deleted from private.change_positions')
  )[0];

test('polls for all listeners answer what each would find alone', async () => {
  for (let round = 0; round < ROUNDS; round += 1)
    await transaction(async (query) => {
      await makeTables(query);
      const before = await positions(query);
      const users = Array.from({ length: 1 + below(6) }, () => randomUUID());
      const erased = users.filter(() => below(8) === 0);
      for (const user of erased) await query('select private.mark_erased($1)', [user]);
      const ids = Array.from({ length: 1 + below(20) }, () => randomUUID());
      for (const table of Object.keys(TABLES))
        await query(`insert into ${table} select unnest($1::uuid[])`, [ids.filter(() => below(4) > 0)]);
      await query('delete from private.changes where relation = any ($1::regclass[])', [Object.keys(TABLES)]);
      await query('insert into sample.feed_access select u, i from unnest($1::uuid[], $2::uuid[]) as a (u, i)', [
        ...[users, ids].map((list) => Array.from({ length: 40 }, () => pick(list))),
      ]);
      const base = before.newest + 100;
      await query('update private.change_positions set last_assigned = $1, last_deleted = $2', [
        base + 20,
        below(2) === 0 ? base + below(4) : before.deleted,
      ]);
      const changes = Array.from({ length: below(150) }, () => {
        const table = pick(Object.keys(TABLES));
        const verb = pick(['insert', 'update', 'update', 'delete', 'delete', below(5) === 0 ? 'reset' : 'update']);
        const isNamed = TABLES[table].audience && verb !== 'reset';
        return {
          relation: table,
          verb,
          key: verb === 'reset' ? null : { id: pick(ids) },
          // Some twice, and some that nobody listens for.
          audience: isNamed ? Array.from({ length: below(6) }, () => pick([...users, randomUUID()])) : null,
          position: below(6) === 0 ? null : base + below(21),
        };
      });
      await query(
        `insert into private.changes (relation, verb, key, audience, position)
         select c.relation::regclass, c.verb, c.key, c.audience, c.position from jsonb_to_recordset($1::jsonb)
           as c (relation text, verb text, key jsonb, audience uuid[], position bigint)`,
        [JSON.stringify(changes)],
      );
      await query('select private.assign_positions()');
      const now = await positions(query);
      const subscriptions = Array.from({ length: 1 + below(25) }, () => ({
        claims: claimsOf(pick([...users, randomUUID()]), pick([{}, { aal: 'aal1' }, { aal: 'aal2' }])),
        table: below(15) === 0 ? 'sample.user_profiles' : pick(Object.keys(TABLES)),
        since: pick([base - 50, base + below(21), now.newest]),
      }));
      const wanted = [];
      for (const one of subscriptions) wanted.push(await expected(query, one, { ...now, erased }));
      const { found } = await drain(
        query,
        subscriptions.map((one) => ({ ...one })),
      );
      assert.deepEqual(found, wanted, `SEED=${seed} round ${round}`);
    });
});

/** Many changes of a table at once: 1,000 a position. */
const manyChanges = async (query, table, count, key, audience) => {
  const { newest } = await positions(query);
  await query(
    `insert into private.changes (relation, verb, key, audience, position)
     select $1::regclass, 'insert', jsonb_build_object('id', $2::uuid), $3::uuid[], $4::bigint + 1 + n / 1000 from generate_series(0, $5::int - 1) as n`,
    [table, key, audience, newest, count],
  );
  await query('update private.change_positions set last_assigned = $1', [newest + 1 + Math.floor((count - 1) / 1000)]);
  return newest;
};

test('more than one answer takes comes in parts, with an audience and without one', () =>
  transaction(async (query) => {
    await makeTables(query);
    // So many that an answer cannot have all of one range: some subscriptions wait.
    const users = Array.from({ length: 24 }, () => randomUUID());
    const id = randomUUID();
    await query('insert into sample.feed_access select unnest($1::uuid[]), $2', [users, id]);
    for (const [table, audience, count] of [
      ['sample.feed_owned', users.slice(0, 20), 4500],
      ['sample.feed_open', null, 4500],
    ]) {
      await query(`insert into ${table} values ($1)`, [id]);
      await query('delete from private.changes where relation = $1::regclass', [table]);
      const since = await manyChanges(query, table, count, id, audience);
      const subscriptions = users.map((sub, at) => ({
        claims: claimsOf(sub),
        table,
        since: since + (at % 2 === 0 ? 0 : 3),
      }));
      const now = await positions(query);
      const wanted = [];
      for (const one of subscriptions) wanted.push(await expected(query, one, { ...now, erased: [] }));
      const { found, polls } = await drain(query, subscriptions);
      assert.ok(polls > 2, `${polls} polls`);
      assert.deepEqual(
        found.map(({ events }) => events.length),
        wanted.map(({ events }) => events.length),
      );
      assert.deepEqual(found, wanted);
    }
  }));

test('each change is read once for all listeners, not once for each', () =>
  transaction(async (query) => {
    await makeTables(query);
    // What others wrote before, without statistics.
    await query(
      `insert into private.changes (relation, verb, key, audience, position)
       select 'sample.feed_open', 'insert', jsonb_build_object('id', gen_random_uuid()), '{}', 1 + n / 100 from generate_series(1, 5000) as n`,
    );
    const read = async (count) => {
      const users = Array.from({ length: count }, () => randomUUID());
      const { newest: since } = await positions(query);
      await query(
        `insert into private.changes (relation, verb, key, audience, position)
         select 'sample.feed_owned', 'insert', jsonb_build_object('id', u), array[u], $2::bigint + 1 from unnest($1::uuid[]) as u`,
        [users, since],
      );
      await query('update private.change_positions set last_assigned = $1', [since + 1]);
      const subscriptions = users.map((sub) => ({ claims: claimsOf(sub), table: 'sample.feed_owned', since }));
      return rowsRead(query, `relname = 'changes' and schemaname = 'private'`, () => poll(query, subscriptions));
    };
    const [few, many] = [await read(20), await read(200)];
    assert.ok(many < 20 * few, `${few} rows read for 20 users with 20 changes, ${many} for 200 users with 200`);
    assert.ok(many < 5 * 200, `${many} rows read for 200 changes`);
  }));
