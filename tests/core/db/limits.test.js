import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { productSystems } from '../../../dev/systems.js';
import { ownSql } from '../../support/own.js';
import { as, close, has, sql } from '../../support/stack.js';

after(close);

/** Whether all systems are chosen. */
const isWhole = productSystems().every(({ name }) => has(name));

const take = async (bucket, burst, refill) =>
  (await sql('select private.take_token($1, $2, $3::interval) as wait', [bucket, burst, refill]))[0].wait;

test('a bucket gives its burst at once, then says how long to wait', async () => {
  const bucket = randomUUID();
  for (let n = 0; n < 5; n++) assert.equal(await take(bucket, 5, '10 minutes'), null);
  const wait = await take(bucket, 5, '10 minutes');
  assert.ok(wait > 590 && wait <= 600, `${wait}`);
  assert.equal(await take(randomUUID(), 5, '10 minutes'), null, 'another bucket is full');
});

test('a refused call takes nothing, and time refills', async () => {
  const bucket = randomUUID();
  assert.equal(await take(bucket, 1, '1 minute'), null);
  for (let n = 0; n < 20; n++) assert.ok((await take(bucket, 1, '1 minute')) <= 60);
  await sql(`update private.rate_limits set tat = tat - interval '1 minute' where bucket = $1`, [bucket]);
  assert.equal(await take(bucket, 1, '1 minute'), null);
});

test('fifty at once get no more than the burst', async () => {
  const bucket = randomUUID();
  const waits = await Promise.all(Array.from({ length: 50 }, () => take(bucket, 7, '10 minutes')));
  assert.equal(waits.filter((wait) => wait === null).length, 7);
});

/** A seed after which random() makes the next call delete old buckets. */
const sweepingSeed = async () => {
  for (let seed = 0; seed < 1; seed += 0.01) {
    const [{ r }] = await sql('with seeded as materialized (select setseed($1)) select random() as r from seeded', [
      seed,
    ]);
    if (r < 0.125) return seed;
  }
  throw new Error('no seed makes a call sweep');
};

test('callers who sweep each other’s old buckets do not wait for each other', async () => {
  const seed = await sweepingSeed();
  const sweep = async (bucket) => {
    const call = `with seeded as materialized (select setseed($2)) select private.take_token($1, 5, '1 second') as wait from seeded`;
    return (await sql(call, [bucket, seed]))[0].wait;
  };
  // Slow inserts make the two calls overlap for sure; a deadlock rejects one of them.
  await sql(`create function private.injected_pause() returns trigger language plpgsql set search_path = ''
    as 'begin perform pg_sleep(0.3); return null; end'`);
  await sql(`create trigger injected_pause before insert on private.rate_limits
    for each statement execute function private.injected_pause()`);
  try {
    await sql('truncate private.rate_limits');
    const [first, second, third, fourth] = Array.from({ length: 4 }, () => randomUUID());
    // The one who takes `third` sweeps `first` and `second`; the one who takes `first` sweeps `third` and `fourth`.
    await sql('alter table private.rate_limits disable trigger injected_pause');
    await sql(
      `insert into private.rate_limits
      select bucket, now() - interval '1 hour' + n * interval '1 minute' from unnest($1::text[]) with ordinality as t (bucket, n)`,
      [[first, second, third, fourth]],
    );
    await sql('alter table private.rate_limits enable trigger injected_pause');
    const started = sweep(third);
    await sql('select pg_sleep(0.1)');
    assert.deepEqual(await Promise.all([started, sweep(first)]), [null, null]);
    const left = await sql('select bucket from private.rate_limits');
    assert.deepEqual(left.map(({ bucket }) => bucket).sort(), [first, third].sort(), 'the full buckets are gone');
  } finally {
    await sql('drop trigger injected_pause on private.rate_limits');
    await sql('drop function private.injected_pause()');
  }
});

test('old buckets are swept by later calls', async () => {
  const old = Array.from({ length: 4 }, () => randomUUID());
  await sql(`insert into private.rate_limits select unnest($1::text[]), now() - interval '1 hour'`, [old]);
  for (let n = 0; n < 3; n++) await take(randomUUID(), 5, '1 second');
  assert.deepEqual(await sql('select * from private.rate_limits where bucket = any ($1)', [old]), []);
});

const fields = async (policies) =>
  (await sql('select private.rate_limit_fields($1) as fields', [JSON.stringify(policies)]))[0].fields;

test('the fields of rate limits are structured fields, and the older names describe the policy with the least left', async () => {
  const [minute, day] = [
    { name: 'minute', q: 60, w: 60, r: 12, t: 47.2 },
    { name: 'day', q: 100_000, unit: 'tokens', w: 82_800, r: 5300, t: 7200 },
  ];
  assert.deepEqual(await fields([minute, day]), {
    'RateLimit-Policy': '"minute";q=60;w=60, "day";q=100000;qu="tokens";w=82800',
    RateLimit: '"minute";r=12;t=48, "day";r=5300;t=7200',
    'RateLimit-Limit': '100000',
    'RateLimit-Remaining': '5300',
    'RateLimit-Reset': '7200',
  });
  assert.equal((await fields([{ ...minute, r: 1 }, day]))['RateLimit-Limit'], '60');
  assert.deepEqual(await fields([{ name: 'total', q: 0, r: 0 }]), {
    'RateLimit-Policy': '"total";q=0',
    RateLimit: '"total";r=0',
    'RateLimit-Limit': '0',
    'RateLimit-Remaining': '0',
  });
  // A string and an integer of RFC 9651 hold no other characters, and no more digits.
  const odd = await fields([{ name: 'a"b\\c\r\né', q: 1e15, unit: 'x";y', w: 0.5, r: -3, t: -1 }]);
  assert.equal(odd['RateLimit-Policy'], '"a\\"b\\\\c";q=999999999999999;qu="xy";w=1');
  assert.equal(odd.RateLimit, '"a\\"b\\\\c";r=0;t=0');
  assert.equal(await fields([]), null);
});

const caller = async (claims, role = 'anon') => {
  // As the definer functions see it: the owner, with the request's claims.
  const [row] = await as({ role: 'postgres', claims: { ...claims, role } }, (query) =>
    query('select private.caller_key() as key'),
  );
  return row.key;
};

test('the caller is the user, the address the edge vouches for, or nobody', async () => {
  const sub = randomUUID();
  const edge = { addr: 'abc', net: '192.0.2.0/24' };
  assert.equal(await caller({ sub }, 'authenticated'), `user ${sub}`);
  assert.equal(await caller({ edge }), 'addr abc');
  assert.equal(await caller({}), 'nobody');
  assert.equal(await caller({ edge, iss: 'https://issuer.example' }), 'nobody', 'an issuer cannot vouch');
  assert.equal(await caller({ edge }, 'service_role'), 'service');
  assert.equal(await caller({ sub: 'backoffice' }, 'service_role'), 'service', 'a sub that is no uuid is no user');
});

test('who exceeds a limit learns which one, and how long it takes to refill', async () => {
  const rule = `test_${randomUUID().slice(0, 8)}`;
  await sql(`insert into private.limit_rules (name, burst, refill, shared) values ($1, 3, '20 seconds', 1)`, [rule]);
  try {
    const call = (claims) =>
      as({ role: 'postgres', claims }, (query) => query('select private.limit_caller($1)', [rule])).then(
        () => undefined,
        (error) => JSON.parse(error.detail).headers,
      );
    const user = { sub: randomUUID(), role: 'authenticated' };
    for (let n = 0; n < 3; n++) assert.equal(await call(user), undefined);
    const wait = (headers) => headers['Retry-After'];
    const headers = await call(user);
    assert.equal(headers['RateLimit-Policy'], `"${rule}";q=3;w=60`);
    assert.equal(headers.RateLimit, `"${rule}";r=0;t=${wait(headers)}`);
    assert.equal(await call({ role: 'anon' }), undefined);
    assert.equal((await call({ role: 'anon' }))['RateLimit-Policy'], `"${rule}";q=1;w=20`, 'nobody in particular');
  } finally {
    await sql('delete from private.limit_rules where name = $1', [rule]);
  }
});

test('one key, fifty at once: one does the work, all get its answer', async () => {
  const key = randomUUID();
  const once = () =>
    as({ role: 'postgres', headers: { 'idempotency-key': key } }, async (query) => {
      const [{ stored }] = await query(`select private.idempotency_begin('test', '{"a": 1}') as stored`);
      if (stored) return { stored };
      await query('select pg_sleep(0.05)');
      const answer = { did: randomUUID() };
      await query(`select private.idempotency_end('test', $1)`, [JSON.stringify(answer)]);
      return { did: answer };
    });
  const results = await Promise.all(Array.from({ length: 50 }, once));
  const [winner] = results.filter(({ did }) => did);
  assert.equal(results.filter(({ did }) => did).length, 1);
  for (const { stored } of results.filter((result) => result.stored)) assert.deepEqual(stored, winner.did);
});

test('one key with another body is refused, and is free again after a day', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  const begin = (body) =>
    as({ role: 'postgres', headers }, async (query) => {
      const [{ stored }] = await query(`select private.idempotency_begin('test', $1) as stored`, [
        JSON.stringify(body),
      ]);
      if (!stored) await query(`select private.idempotency_end('test', '"done"')`);
      return stored;
    });
  assert.equal(await begin({ a: 1, b: 2 }), null);
  assert.equal(await begin({ b: 2, a: 1 }), 'done', 'the order of fields is no difference');
  await assert.rejects(
    begin({ a: 2 }),
    (error) => error.code === 'PGRST' && JSON.parse(error.message).code === 'RG503',
  );
  await sql(`update private.idempotency_keys set expires_at = now() - interval '1 second' where key = $1`, [
    headers['idempotency-key'],
  ]);
  assert.equal(await begin({ a: 2 }), null);
});

test('a failed write frees its key', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  await assert.rejects(
    as({ role: 'postgres', headers }, async (query) => {
      await query(`select private.idempotency_begin('test', '{}')`);
      throw new Error('the write fails');
    }),
  );
  const [{ stored }] = await as({ role: 'postgres', headers }, (query) =>
    query(`select private.idempotency_begin('test', '{}') as stored`),
  );
  assert.equal(stored, null);
});

test('users of one key are apart from each other', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  for (const sub of [randomUUID(), randomUUID()]) {
    const [{ stored }] = await as({ role: 'postgres', claims: { sub }, headers }, (query) =>
      query(`select private.idempotency_begin('test', jsonb_build_object('sub', $1::text)) as stored`, [sub]),
    );
    assert.equal(stored, null);
  }
});

test('the audit log takes no change for a year, not even from its owner', async () => {
  await sql(`insert into private.audit_log (operation, relation) values ('INSERT', 'sample.projects')`);
  for (const statement of [
    'update private.audit_log set actor = null',
    'delete from private.audit_log',
    'truncate private.audit_log',
  ]) {
    await assert.rejects(sql(statement), /append-only/, statement);
  }
});

test('a change that changes nothing is not in the audit log', async () => {
  const sub = randomUUID();
  const [{ id }] = await sql(`insert into sample.projects (user_id, name) values ($1, 'Same') returning id`, [sub]);
  const change = (name) => sql('update sample.projects set name = $2 where id = $1', [id, name]);
  for (const name of ['Same', 'Same', 'Other', 'Other']) await change(name);
  const rows = await sql(`select operation, columns from private.audit_log where row_id = $1 order by id`, [id]);
  assert.deepEqual(rows, [
    { operation: 'INSERT', columns: null },
    { operation: 'UPDATE', columns: ['name'] },
  ]);
});

test('what users write counts against a daily allowance; with `direct`, what triggers and functions write for them does not', async () => {
  const sub = randomUUID();
  const user = (text, values) => as({ role: 'authenticated', claims: { sub } }, (query) => query(text, values));
  const used = async () =>
    (await sql(`select rows::int from private.daily_usage where name = 'sample' and caller = $1`, [`user ${sub}`]))[0]
      ?.rows;
  await sql('insert into sample.user_profiles (id) values ($1)', [sub]);
  assert.equal(await used(), undefined);
  // The trigger that counts the project writes the profile, too.
  await user(`insert into sample.projects (name) values ('One'), ('Two')`);
  assert.equal(await used(), 2);
  await user(`update sample.user_profiles set full_name = 'Ada' where id = $1`, [sub]);
  assert.equal(await used(), 3);
  await sql(`update private.daily_allowances set rows = 4 where name = 'sample'`);
  try {
    await user(`update sample.user_profiles set full_name = 'Bea' where id = $1`, [sub]);
    await assert.rejects(
      user(`update sample.user_profiles set full_name = 'Cai' where id = $1`, [sub]),
      ({ message }) => JSON.parse(message).code === 'RG517',
    );
    // service_role has no allowance.
    await sql(`update sample.user_profiles set full_name = 'Dan' where id = $1`, [sub]);
  } finally {
    await sql(`update private.daily_allowances set rows = 100000 where name = 'sample'`);
  }
});

test('docs/configuration.md has the limits, allowances and shares that the migrations set', async () => {
  const [, part] = readFileSync(join(root, 'docs', 'configuration.md'), 'utf8').split(
    '\n## Settings in the database\n',
  );
  const [rules, allowances, shares] = part
    .split('\n## ')[0]
    .split(/^\*\*`private\./m)
    .slice(1);
  const rows = (text) =>
    [...text.matchAll(/^\| `([\w-]+)`[^|]*\| (.*) \|$/gm)].map(([, name, cells]) => [name, ...cells.split(/ *\| */)]);
  const wanted = await sql(
    `select name, burst::text, extract(epoch from refill)::float8 || ' s' as refill, shared::text from private.limit_rules`,
  );
  /** The page lists every system's of the product; a database has those of the chosen ones, of the core's tests and of systems of one's own. */
  const compare = (documented, there) => {
    const isListed = (name) => documented.some(([other]) => other === name);
    const own = there.filter(([name]) => isListed(name) || !ownSql.includes(`'${name}'`)).sort();
    const names = own.map(([name]) => name);
    const left = isWhole ? [] : documented.filter(([name]) => !names.includes(name));
    assert.deepEqual(documented.filter((row) => !left.includes(row)).sort(), own);
  };
  compare(
    rows(rules),
    wanted.map((rule) => [rule.name, rule.burst, rule.refill, rule.shared]),
  );
  const number = (n) => Number(n).toLocaleString('en-US');
  const megabytes = (n) => (n >= 2 ** 30 ? `${n / 2 ** 30} GB` : `${n / 2 ** 20} MB`);
  const amount = (bytes, count) =>
    [bytes && megabytes(Number(bytes)), count && `${number(count)} rows`].filter(Boolean).join(', ');
  const allowed = await sql('select name, bytes, rows, all_bytes, all_rows from private.daily_allowances');
  compare(
    rows(allowances).map(([name, one, all]) => [name, one, all]),
    allowed.map((row) => [row.name, amount(row.bytes, row.rows), amount(row.all_bytes, row.all_rows)]),
  );
  const [{ caller, anonymous }] = await sql('select caller, anonymous from private.connection_shares');
  assert.ok(shares.includes(`(\`caller\`, ${caller})`) && shares.includes(`(\`anonymous\`, ${anonymous})`), shares);
});
