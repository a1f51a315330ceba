// The benchmark of hot reads: that every system names its own, and that it judges them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { after, test } from 'node:test';
import pg from 'pg';
import { withoutIndexes } from '../../../bench/load.js';
import { growthRow, securityRow, statisticsRow } from '../../../bench/scale/aims.js';
import { measure as measureCurves } from '../../../bench/scale/curves.js';
import { callsOf, endpointsOf } from '../../../bench/scale/endpoints.js';
import { CORE, listsOf, user } from '../../../bench/scale/lists.js';
import { measure } from '../../../bench/scale/measure.js';
import { waiting, withUsers } from '../../../bench/scale/users.js';
import { root } from '../../../dev/paths.js';
import { productSystems } from '../../../dev/systems.js';
import { withThrowAway } from '../../../dev/throwaway.js';
import { close, sql } from '../../support/stack.js';

after(close);

const figures = (ms, blocks = 10) => ({ ms, blocks, planning: 0.1, rows: 5 });

test('every system has a list of its hot reads', async () => {
  const wanted = productSystems().map(({ name }) => name);
  const lists = new Map(await listsOf(productSystems()));
  assert.deepEqual([...lists.keys()], wanted, 'bench/<system>/reads.js');
  for (const [name, { load, reads }] of lists) {
    assert.equal(typeof load, 'function', name);
    const list = reads({ size: 0.1 });
    assert.ok(list.length >= 10, `${name}: ${list.length} reads`);
    assert.equal(new Set(list.map((read) => read.name)).size, list.length, `${name}: each name stands once`);
    for (const read of list) {
      const kind = read.place ? 'function' : 'string';
      assert.equal(typeof read.query, kind, `${name}: ${read.name}`);
      assert.ok(['anon', 'authenticated', 'service_role'].includes(read.claims.role), `${name}: ${read.name}`);
      // A function decides by itself who sees what.
      const isCall = kind === 'string' && /^select \w+\.\w+\(/.test(read.query);
      assert.equal(typeof read.bare, isCall ? 'undefined' : kind, `${name}: ${read.name}`);
      assert.match(read.why ?? '', /\.$/, `${name}: ${read.name} says why its curve bends`);
    }
  }
});

test('every system lists writes of the data API, of which each user writes a row', async () => {
  for (const { name } of productSystems()) {
    const { writes } = await callsOf(name);
    const list = Object.entries(writes());
    assert.ok(list.length >= 2, name);
    for (const [write, { why, ...made }] of list) {
      assert.match(why, /\.$/, `${name}: ${write}`);
      assert.match(made.write('7'), /^(insert into|update|delete from) /, `${name}: ${write}`);
    }
  }
});

/** What is wrong with a system's list of calls. */
const faultsOf = (endpoints, calls, reads) => {
  const list = calls.endpoints({ size: 0.1 });
  const named = new Map(reads.map((read) => [read.name, read]));
  const faultOf = (name, { call }) => {
    const entry = list[name];
    if (entry === undefined) return 'is not in the list';
    if (typeof entry === 'string') return entry.endsWith('.') ? undefined : 'says no sentence';
    if (entry.reads) {
      const isIt = (read) => named.get(read)?.query.startsWith(`select ${call}(`);
      return entry.reads.length > 0 && entry.reads.every(isIt) ? undefined : `no read asks ${call}`;
    }
    if (!call) return 'calls nothing, and is measured';
    if (!entry.holds) return 'does not say what its answer must hold';
    return entry.why?.endsWith('.') ? undefined : 'does not say why its curve bends';
  };
  const unknown = Object.keys(list).filter((name) => !endpoints.has(name));
  return [
    ...[...endpoints].map(([name, endpoint]) => [name, faultOf(name, endpoint)]),
    ...unknown.map((name) => [name, 'is no endpoint']),
  ].flatMap(([name, fault]) => (fault ? [`${name} ${fault}`] : []));
};

test('every endpoint of every manifest is measured, or the list says why not', async () => {
  for (const [name, list] of await listsOf([...productSystems(), { name: CORE }])) {
    const calls = await callsOf(name);
    const endpoints = endpointsOf(name);
    assert.ok(endpoints.size >= 5, name);
    const reads = list.reads({ size: 0.1 });
    assert.deepEqual(faultsOf(endpoints, calls, reads), [], name);
    for (const [made, entry] of Object.entries(calls.functions?.() ?? {}))
      assert.ok(typeof entry === 'string' || entry.holds, `${name}: ${made} does not say what its answer must hold`);
    // The same list without one of its entries, and with one too many.
    const { [[...endpoints.keys()][0]]: _, ...others } = calls.endpoints({ size: 0.1 });
    const changed = { endpoints: () => ({ ...others, 'GET /nowhere': 'Nothing.' }) };
    assert.deepEqual(faultsOf(endpoints, changed, reads), [
      `${[...endpoints.keys()][0]} is not in the list`,
      'GET /nowhere is no endpoint',
    ]);
  }
});

/** Tables and views of the data API that signed-in users may read. */
const READABLE = `select format('%I.%I', n.nspname, c.relname) as name from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
  where n.nspname = any ($1) and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
    and has_any_column_privilege('authenticated', c.oid, 'select') order by 1`;

test('every table that users may read is read by its system’s list', async () => {
  for (const { name, schemas } of productSystems()) {
    const [[, { reads }]] = await listsOf([{ name }]);
    const queries = reads({ size: 0.1 }).map(({ query }) => (typeof query === 'string' ? query : query({})));
    const read = new Set(
      queries.flatMap((query) => [...query.matchAll(/(?:from|join) (\w+\.\w+)/g)].map(([, it]) => it)),
    );
    const readable = await sql(READABLE, [schemas]);
    assert.ok(readable.length >= 4, name);
    assert.deepEqual(
      readable.map((table) => table.name).filter((table) => !read.has(table)),
      [],
      name,
    );
  }
});

test('row-level security may cost a fifth or, below a millisecond, a tenth of one', () => {
  const met = (user, bare) => securityRow('read', figures(user), figures(bare)).met;
  assert.deepEqual(
    [met(0.3, 0.2), met(0.31, 0.2), met(1.09, 0.99), met(1.2, 1), met(1.21, 1), met(6, 5), met(6.1, 5)],
    [...[true, false, true, true, false, true, false]],
  );
  const row = securityRow('read', figures(0.5, 31), figures(0.25, 28));
  assert.match(row.reached, /^2 times: 0\.5 ms, 31 blocks/);
  assert.match(row.rival, /0\.25 ms, 28 blocks/);
});

test('a plan that reads more and takes longer with other statistics misses its aim, and the run ends with status 1', () => {
  // The times are those of the two states, in which it takes a millisecond with fresh statistics.
  const row = (fresh, stale, none, ms = 2.1) =>
    statisticsRow('read', { fresh: figures(1, fresh), stale: figures(ms, stale), none: figures(ms, none) });
  assert.equal(row(30, 80, 30).met, true);
  assert.equal(row(30, 30, 81).met, false);
  assert.equal(row(30, 81, 30).met, false);
  assert.equal(row(30, 81, 4000, 2).met, true, 'more blocks that take no time are no fault');
  assert.equal(row(500, 1000, 20).met, true);
  assert.equal(row(500, 1001, 20).met, false);
  const ofRows = (blocks, rows) =>
    statisticsRow('read', { fresh: { ...figures(1, 70), rows: 300 }, none: { ...figures(2.1, blocks), rows } }).met;
  assert.equal(ofRows(300, 300), true, 'a block for each of the same rows');
  assert.equal(ofRows(301, 300), false);
  assert.equal(ofRows(300, 301), false, 'other rows are read');
  // Whatever it reads: a nested loop over rows that are in memory.
  const took = (fresh, none) => statisticsRow('read', { fresh: figures(fresh), none: figures(none) }).met;
  assert.deepEqual(
    [took(1, 3), took(1, 3.1), took(10, 30), took(10, 30.1), took(0.1, 1.1), took(0.1, 1.2)],
    [true, false, true, false, true, false],
  );
  const aims = JSON.stringify(join(root, 'bench', 'aims.js'));
  const script = `import { settle } from ${aims}; settle(${JSON.stringify([row(30, 4000, 30)])});`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /MISSED: read: statistics/);
});

test('a statement may read half as much again at a hundred times the rows, and a hundred users get what ten get', () => {
  const usersOf = (ms, rates) =>
    Object.fromEntries([1, 10, 100].map((count, n) => [count, { ms, p99: ms, perSecond: rates[n] }]));
  const point = (size, blocks, ms, rates = [100, 200, 200], inTurns = undefined) => ({
    ...{ size, blocks, users: usersOf(ms, rates) },
    ...(inTurns ? { turns: { perSecond: inTurns } } : {}),
  });
  const missed = (first, last, said = {}) =>
    growthRow('read', [point(0.01, ...first), point(1, ...last)], said).curve.missed;
  assert.deepEqual(missed([200, 1], [300, 2]), []);
  assert.deepEqual(missed([200, 1], [301, 2]), ['blocks']);
  assert.deepEqual(missed([10, 0.2], [60, 0.5]), []);
  assert.deepEqual(missed([10, 0.2], [61, 0.51]), ['blocks', 'time']);
  assert.deepEqual(missed([200, 1], [200, 2.1]), ['time']);
  const between = growthRow('read', [point(0.01, 10, 1), point(0.1, 286, 1), point(1, 10, 1)], {});
  assert.deepEqual(between.curve.missed, ['blocks']);
  // What must grow does so for each of the rows.
  assert.deepEqual(missed([10, 1], [1500, 200], { grows: 'All of it is counted.' }), []);
  assert.deepEqual(missed([10, 1], [1501, 201], { grows: 'All of it is counted.' }), ['blocks', 'time']);
  assert.deepEqual(missed([100, 1], [600, 8], { grows: 'Up to four.', times: 4 }), []);
  assert.deepEqual(missed([100, 1], [601, 8.1], { grows: 'Up to four.', times: 4 }), ['blocks', 'time']);
  const behind = [100, 200, 139];
  assert.deepEqual(missed([10, 1], [10, 1, behind]), ['users']);
  assert.deepEqual(missed([10, 1, behind], [10, 1]), ['users']);
  // Ten that ask over a hundred connections in turns get less, too: what is missing is what connections cost.
  assert.deepEqual(missed([10, 1], [10, 1, behind, 198]), []);
  assert.deepEqual(missed([10, 1], [10, 1, behind, 199]), ['users']);
  assert.deepEqual(missed([10, 1], [10, 1, [100, 200, 140], 300]), []);
  assert.deepEqual(missed([10, 1], [10, 1, behind], { contends: 'They wait for each other.' }), []);
  const locked = growthRow(
    'read',
    [
      {
        ...point(1, 10, 1),
        users: { ...usersOf(1, [100, 100, 100]), 10: { ms: 9, p99: 9, perSecond: 100, locked: 0.8 } },
      },
    ],
    {},
  );
  assert.deepEqual(locked.curve.missed, ['locks']);
  // A bad plan for a small table.
  assert.deepEqual(missed([4890, 20], [5, 0.1]), ['fewer rows']);
  assert.deepEqual(missed([34, 0.1], [5, 0.1]), []);
  const row = growthRow('read', [point(0.01, 10, 1), point(1, 100, 1)], { why: 'It grows.', grows: 'It must.' });
  assert.deepEqual([row.met, row.curve.why], [true, 'It grows. It must.']);
});

/**
 * Notes of a hundred people, a policy that is asked once a statement and one that is asked for each row; and a table whose first rows say that
 * each is another person's, while all later ones are one person's; and the same without statistics of the persons.
 */
const PROBE = `
  create role authenticated; create role service_role bypassrls;
  create schema probe; grant usage on schema probe to authenticated, service_role;
  create function probe.caller() returns text language sql stable
    as $$ select current_setting('request.jwt.claims')::json ->> 'sub' $$;
  create table probe.once (id int primary key, owner text, words text);
  create table probe.each (id int primary key, owner text, words text);
  insert into probe.once select n, 'user ' || n % 100, md5(n::text) from generate_series(1, 5000) as n;
  insert into probe.each select * from probe.once;
  create table probe.grown (id int primary key, owner text, words text);
  insert into probe.grown select n, case when n <= 1000 then 'user ' || n else 'large' end, repeat(md5(n::text), 10) from generate_series(1, 50000) as n;
  create table probe.uncounted (like probe.grown including indexes);
  alter table probe.uncounted alter column owner set statistics 0;
  insert into probe.uncounted select * from probe.grown where id <= 5000; create index on probe.uncounted (owner);
  create index on probe.grown (owner); create index on probe.once (owner); create index on probe.each (owner);
  alter table probe.once enable row level security; alter table probe.each enable row level security;
  create policy own on probe.once using (owner = (select probe.caller()));
  create function probe.is_mine(owner text) returns boolean language plpgsql stable as $$ begin return owner = probe.caller(); end $$;
  create policy own on probe.each using (probe.is_mine(owner));
  create function probe.latest(owner text) returns jsonb language plpgsql stable security definer as $$ begin return (
    select jsonb_agg(l.id) from (select g.id from probe.grown as g where g.owner = latest.owner order by g.id desc limit 10) as l); end $$;
  grant select on all tables in schema probe to authenticated, service_role; grant update on probe.once to authenticated`;

const SLOWER = `select case
  when pg_backend_pid() = (select min(pid) from pg_stat_activity where datname = current_database()) then pg_sleep(0.01)
end from probe.once where id = 1`;

test('a policy that reads every row, and a plan that hangs on the statistics, are found', async () => {
  const stopping = new AbortController();
  const claims = user('user 7');
  const read = (table) => ({
    name: table,
    claims,
    query: `select * from probe.${table} order by id`,
    bare: `select * from probe.${table} where owner = 'user 7' order by id`,
  });
  const list = {
    load: async ({ sql }) => sql(PROBE),
    reads: () => [
      read('once'),
      read('each'),
      {
        name: 'latest',
        claims: { role: 'service_role' },
        query: `select id from probe.grown where owner = 'large' order by id desc limit 10`,
      },
      {
        // One of the two connections takes longer.
        name: 'slower',
        claims: { role: 'service_role' },
        query: SLOWER,
        bare: SLOWER,
      },
      {
        name: 'uncounted',
        claims: { role: 'service_role' },
        query: `select id from probe.uncounted where owner = 'large' order by id desc limit 1`,
      },
    ],
  };
  const calls = {
    endpoints: () => ({
      'GET /latest': {
        caller: { sub: () => `'large'` },
        with: `owner => 'large'`,
        holds: 'jsonb_array_length(answer) = 10',
      },
      'GET /none': 'It asks nothing.',
    }),
    writes: () => ({
      'the latest is changed': {
        caller: { sub: () => `'user 7'` },
        write: () => `update probe.once set words = 'changed' where id = 4907`,
      },
    }),
  };
  const endpoints = new Map([
    ['GET /latest', { call: 'probe.latest' }],
    ['GET /none', {}],
  ]);
  const rows = await withThrowAway('scale', { only: 'database' }, ({ stack }) =>
    measure({ stack, stopping, options: { size: 1 }, list, calls, endpoints, say: () => {} }),
  );
  const of = new Map(rows.map((row) => [row.name, row]));
  const { user: once, bare } = of.get('once: row-level security').figures;
  assert.deepEqual([once.rows, bare.rows], [50, 50]);
  assert.equal(of.get('each: row-level security').figures.user.rows, 5000);
  assert.equal(of.get('each: row-level security').met, false);
  assert.equal(of.get('slower: row-level security').met, true, 'each side runs on both connections');
  assert.equal(of.get('once: statistics').met, true);
  assert.equal(of.get('latest: statistics').met, false);
  assert.equal(of.get('uncounted: statistics').met, true, 'a column without statistics has no stale ones either');
  assert.equal(of.get('GET /latest: statistics').met, false, 'the same in a function');
  assert.equal(of.get('the latest is changed: statistics').met, true);
  const { fresh, stale } = of.get('latest: statistics').figures;
  assert.ok(fresh.blocks < 10 && stale.blocks > 100, `${fresh.blocks} blocks, ${stale.blocks}`);
  assert.match(of.get('latest: statistics').plan, /grown_owner_idx/);
  const wrong = { ...list, reads: () => [{ ...read('once'), bare: 'select * from probe.once' }] };
  await assert.rejects(
    withThrowAway('scale', { only: 'database' }, ({ stack }) =>
      measure({ stack, stopping, options: { size: 1 }, list: wrong, calls, endpoints, say: () => {} }),
    ),
    /once: the condition that is written out gives 5000 other rows/,
  );
});

test('a call that reads every row, and one of which only one at a time goes on, miss their aims', async () => {
  const stopping = new AbortController();
  // Roles are of all databases: those of the first size are there.
  const schema = `
    do $$ begin
      create role authenticated; create role service_role bypassrls; create role edge;
    exception when duplicate_object then null; end $$;
    create schema probe; grant usage on schema probe to authenticated, edge;
    create table probe.notes (id int primary key, owner text, words text); grant select, insert on probe.notes to authenticated;
    create function probe.by_key(id int) returns jsonb language sql stable security definer
      as $$ select to_jsonb(n) from probe.notes as n where n.id = by_key.id $$;
    create function probe.by_owner(owner text) returns jsonb language sql stable security definer
      as $$ select jsonb_agg(n) from probe.notes as n where n.owner = by_owner.owner $$;
    create function probe.one_at_a_time() returns jsonb language plpgsql security definer as $$
      begin
        perform pg_advisory_xact_lock(1), count(*) from generate_series(1, 2000);
        return '{}';
      end $$;
    create function probe.add(words text) returns jsonb language plpgsql security definer as $$
      begin
        insert into probe.notes values (-1 - (current_setting('request.jwt.claims')::json ->> 'sub')::int, add.words, add.words);
        return jsonb_build_object('caller', current_setting('request.jwt.claims')::json, 'role', current_setting('role'));
      end $$`;
  const rows = `insert into probe.notes select n, 'owner ' || n, repeat('x', 100) from generate_series(1, $1::int) as n`;
  const list = {
    load: async ({ sql, size }) => {
      await sql(schema);
      await sql(rows, [1_000_000 * size]);
    },
    reads: () => [],
  };
  const caller = { sub: (n) => `'1' || ${n}` };
  const calls = {
    endpoints: () => ({
      'GET /key': { with: (n) => `id => 1 + ${n}`, caller, why: 'By key.' },
      'GET /owner': { with: `owner => 'owner 7'`, caller, why: 'No index.', contends: 'It takes long.' },
      'POST /lock': { caller, why: 'A lock of all.' },
      'POST /add': {
        caller,
        with: (n) => `words => 'at 12:30, {"a":true} ' || ${n}`,
        holds: `answer -> 'caller' ->> 'sub' in ('10', '199') and answer -> 'caller' -> 'edge' ->> 'caller' = 'authenticated' and answer ->> 'role' = 'edge'`,
        why: 'A row.',
      },
      'GET /none': 'It asks nothing.',
    }),
    writes: () => ({
      'a note is added': {
        caller,
        write: (n) => `insert into probe.notes values (-1 - ${n}, '', 'at 12:30')`,
        why: 'A row.',
      },
    }),
  };
  const endpoints = new Map([
    ['GET /key', { call: 'probe.by_key' }],
    ['GET /owner', { call: 'probe.by_owner' }],
    ['POST /lock', { call: 'probe.one_at_a_time' }],
    ['POST /add', { call: 'probe.add', identity: 'vouched' }],
    ['GET /none', {}],
  ]);
  const found = await withThrowAway('curves', { only: 'database' }, ({ stack }) =>
    measureCurves({
      ...{ stack, stopping, list, calls, endpoints, say: () => {} },
      options: { full: 0.1, seconds: 0.2 },
    }),
  );
  assert.deepEqual(
    found.map(({ name }) => name),
    [
      ...['one row of the user’s own', 'one row of the user’s own, by a function'],
      ...['a note is added', 'GET /key', 'GET /owner', 'POST /lock', 'POST /add'],
    ].map((name) => `${name}: growth`),
  );
  const of = new Map(found.map((row) => [row.name, row.curve]));
  const blocksOf = (name) => of.get(name).points.map(({ blocks }) => blocks);
  assert.deepEqual(
    of.get('GET /key: growth').points.map(({ size }) => size),
    [0.01, 0.1],
  );
  assert.ok(blocksOf('GET /key: growth')[1] < 10, `${blocksOf('GET /key: growth')}`);
  assert.ok(of.get('GET /owner: growth').missed.includes('blocks'), `${blocksOf('GET /owner: growth')}`);
  assert.ok(!of.get('GET /key: growth').missed.includes('blocks'));
  const lockedOf = (name) => of.get(name).points.map(({ users }) => users[10].locked);
  assert.ok(of.get('POST /lock: growth').missed.includes('locks'), `${lockedOf('POST /lock: growth')}`);
  assert.deepEqual(lockedOf('GET /key: growth'), [0, 0]);
  for (const { points } of of.values())
    for (const { users } of points)
      for (const { ms, p99, perSecond } of Object.values(users)) assert.ok(ms > 0 && p99 >= ms && perSecond > 0);
  // Neither the first user gets another answer, nor the last one.
  for (const [holds, answered] of [
    [`answer ->> 'id' <> '1'`, /GET \/key: the answer is \{"id":1,/],
    [`answer ->> 'id' = '1'`, /GET \/key: the answer is \{"id":100,/],
  ]) {
    const wrong = { endpoints: () => ({ 'GET /key': { ...calls.endpoints()['GET /key'], holds } }) };
    await assert.rejects(
      withThrowAway('curves', { only: 'database' }, ({ stack }) =>
        measureCurves({
          ...{ stack, stopping, list, calls: wrong, endpoints, say: () => {} },
          options: { full: 0.01, seconds: 0.2 },
        }),
      ),
      answered,
    );
  }
  // It fails for the last of a hundred users alone.
  const failing = {
    endpoints: () => ({ 'GET /key': { ...calls.endpoints()['GET /key'], with: (n) => `id => 1 / (99 - ${n})` } }),
  };
  await assert.rejects(
    withThrowAway('curves', { only: 'database' }, ({ stack }) =>
      measureCurves({
        ...{ stack, stopping, list, calls: failing, endpoints, say: () => {} },
        options: { full: 0.01, seconds: 0.2 },
      }),
    ),
    /GET \/key: .*division by zero/,
  );
});

test('of users who ask in turns no more ask at once than are let to, and each of them does', () =>
  withThrowAway('turns', { only: 'database' }, async ({ stack }) => {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    const [count, atOnce] = [12, 3];
    try {
      // A sequence goes on, whether its transaction is rolled back or not.
      await client.query(`create role authenticated; create schema probe; create sequence probe.crowded;
        do $$ begin for n in 0..11 loop execute format('create sequence probe.user_%s', n); end loop; end $$`);
      await client.query(
        'grant usage on schema probe to authenticated; grant usage on all sequences in schema probe to authenticated',
      );
      const statement = {
        name: 'turns',
        role: 'authenticated',
        claimsOf: () => `'{}'`,
        queryOf: (n) => `select nextval('probe.user_' || ${n}), pg_sleep(0.01),
          (select nextval('probe.crowded') from pg_locks where locktype = 'virtualxid' having count(*) > ${atOnce})`,
      };
      const { signal } = new AbortController();
      const crowded = async () => (await client.query('select is_called from probe.crowded')).rows[0].is_called;
      await withUsers(stack.databaseUrl, count, async (users) => {
        await waiting(users, statement, { seconds: 0.3, signal, atOnce });
        assert.equal(await crowded(), false);
        for (let n = 0; n < count; n += 1) {
          const { rows } = await client.query(`select last_value::int as calls from probe.user_${n}`);
          assert.ok(rows[0].calls >= 2, `user ${n}: ${rows[0].calls} calls`);
        }
        await waiting(users, statement, { seconds: 0.3, signal });
        assert.equal(await crowded(), true);
      });
    } finally {
      await client.end();
    }
  }));

test('a load without indexes leaves them as they were', async () => {
  const all = `select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as text, indisvalid, array(
      select attstattarget from pg_attribute where attrelid = indexrelid order by attnum) as targets
    from pg_index where indrelid in ('public.notes'::regclass, 'public.events'::regclass) order by 1`;
  await withThrowAway('indexes', { only: 'database' }, async ({ stack }) => {
    const client = new pg.Client({ connectionString: stack.databaseUrl });
    await client.connect();
    const sql = async (text, values) => (await client.query(text, values)).rows;
    try {
      await sql(`
        create table public.notes (id int primary key, number text unique, words text[]);
        create index on public.notes using gin (words) with (fastupdate = off);
        create index notes_lower on public.notes (lower(number), id desc) where id > 7;
        alter index notes_lower alter column 1 set statistics 0;
        create table public.events (id int, at date, primary key (id, at)) partition by range (at);
        create table public.events_old partition of public.events for values from ('2020-01-01') to ('2021-01-01');
        create index events_at on public.events (at)`);
      const before = await sql(all);
      assert.equal(before.length, 6);
      for (const how of [{}, { client }]) {
        let during;
        const body = async () => {
          during = await sql(all);
        };
        const { signal } = new AbortController();
        await withoutIndexes(sql, ['public.notes', 'public.events'], body, { ...how, say: () => {}, signal });
        assert.deepEqual(
          during.map(({ name }) => name),
          ['events_pkey', 'notes_number_key', 'notes_pkey'],
        );
        assert.deepEqual(await sql(all), before);
        const [{ count }] = await sql(
          `select count(*)::int as count from pg_index where indrelid = 'public.events_old'::regclass`,
        );
        assert.equal(count, 2, 'a partition has its own');
      }
    } finally {
      await client.end();
    }
  });
});
