// The benchmark of hot reads: that every system names its own, and that it judges them.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { securityRow, statisticsRow } from '../../../bench/scale/aims.js';
import { listsOf, user } from '../../../bench/scale/lists.js';
import { measure } from '../../../bench/scale/measure.js';
import { root } from '../../../dev/paths.js';
import { productSystems } from '../../../dev/systems.js';
import { withThrowAway } from '../../../dev/throwaway.js';

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
    }
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

test('a plan that reads more with other statistics misses its aim, and the run ends with status 1', () => {
  const row = (fresh, stale, none) =>
    statisticsRow('read', { fresh: figures(1, fresh), stale: figures(1, stale), none: figures(1, none) });
  assert.equal(row(30, 80, 30).met, true);
  assert.equal(row(30, 30, 81).met, false);
  assert.equal(row(30, 81, 30).met, false);
  assert.equal(row(500, 1000, 20).met, true);
  assert.equal(row(500, 1001, 20).met, false);
  const aims = JSON.stringify(join(root, 'bench', 'aims.js'));
  const script = `import { settle } from ${aims}; settle(${JSON.stringify([row(30, 4000, 30)])});`;
  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  assert.equal(status, 1);
  assert.match(stderr, /MISSED: read: statistics/);
});

/**
 * Notes of a hundred people, a policy that is asked once a statement and one that is asked for each row; and a table whose first rows say that
 * each is another person's, while all later ones are one person's.
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
  insert into probe.grown select n, case when n <= 1000 then 'user ' || n else 'large' end, repeat(md5(n::text), 10) from generate_series(1, 5000) as n;
  create index on probe.grown (owner); create index on probe.once (owner); create index on probe.each (owner);
  alter table probe.once enable row level security; alter table probe.each enable row level security;
  create policy own on probe.once using (owner = (select probe.caller()));
  create function probe.is_mine(owner text) returns boolean language plpgsql stable as $$ begin return owner = probe.caller(); end $$;
  create policy own on probe.each using (probe.is_mine(owner));
  grant select on all tables in schema probe to authenticated, service_role`;

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
    ],
  };
  const rows = await withThrowAway('scale', { only: 'database' }, ({ stack }) =>
    measure({ stack, stopping, options: { size: 1 }, list, say: () => {} }),
  );
  const of = new Map(rows.map((row) => [row.name, row]));
  const { user: once, bare } = of.get('once: row-level security').figures;
  assert.deepEqual([once.rows, bare.rows], [50, 50]);
  assert.equal(of.get('each: row-level security').figures.user.rows, 5000);
  assert.equal(of.get('each: row-level security').met, false);
  assert.equal(of.get('once: statistics').met, true);
  assert.equal(of.get('latest: statistics').met, false);
  const { fresh, stale } = of.get('latest: statistics').figures;
  assert.ok(fresh.blocks < 10 && stale.blocks > 100, `${fresh.blocks} blocks, ${stale.blocks}`);
  assert.match(of.get('latest: statistics').plan, /grown_owner_idx/);
  const wrong = { ...list, reads: () => [{ ...read('once'), bare: 'select * from probe.once' }] };
  await assert.rejects(
    withThrowAway('scale', { only: 'database' }, ({ stack }) =>
      measure({ stack, stopping, options: { size: 1 }, list: wrong, say: () => {} }),
    ),
    /once: the condition that is written out gives 5000 other rows/,
  );
});
