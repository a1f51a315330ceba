// Budgets: an amount is reserved before it is spent, and settled with what was spent.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, close, sql, transaction } from '../../support/stack.js';

const SCOPE = 'budgets_test.calls';

before(() =>
  sql(
    `insert into private.budget_rules (scope, period, limit_micro, description) values ($1, 'day', 100, 'For tests.')
    on conflict do nothing`,
    [SCOPE],
  ),
);

after(async () => {
  await sql('delete from private.budgets where scope = $1', [SCOPE]);
  await sql('delete from private.budget_rules where scope = $1', [SCOPE]);
  await close();
});

const reserve = async (owner, amount, { ttl = '1 minute', query = sql, scope = SCOPE } = {}) =>
  (await query('select private.reserve($1, $2, $3, $4::interval) as id', [scope, owner, amount, ttl]))[0].id;
const settle = async (id, actual, query = sql) =>
  (await query('select private.settle($1, $2) as settled', [id, actual]))[0].settled;
const release = async (id) => (await sql('select private.release($1) as released', [id]))[0].released;
const setBudget = (owner, period, limit, { zone = 'UTC', query = sql } = {}) =>
  query('select private.set_budget($1, $2, $3, $4, $5)', [SCOPE, owner, period, limit, zone]);
const budget = async (owner, query = sql) =>
  (await query('select private.budget_of($1, $2) as budget', [SCOPE, owner]))[0].budget;
const state = async (owner, query = sql) => {
  const { used, reserved, left } = await budget(owner, query);
  return { used, reserved, left };
};
const runJob = async () =>
  (await as({ role: 'edge' }, (query) => query(`select edge.run_job('release_reservations') as run`)))[0].run;

/** The refusal of a call: its code, its status and its Retry-After. */
const refusal = (promise) =>
  promise.then(
    () => assert.fail('it was accepted'),
    (error) => {
      assert.equal(error.code, 'PGRST', error.message);
      const { status, headers } = JSON.parse(error.detail);
      return { ...JSON.parse(error.message), status, headers, retryAfter: headers['Retry-After'] };
    },
  );

test('an amount is reserved, then settled with what was spent', async () => {
  const owner = randomUUID();
  assert.deepEqual(await state(owner), { used: 0, reserved: 0, left: 100 }, 'the rule, before the first call');
  const id = await reserve(owner, 40);
  assert.deepEqual(await state(owner), { used: 0, reserved: 40, left: 60 });
  assert.equal(await settle(id, 25), true);
  assert.deepEqual(await state(owner), { used: 25, reserved: 0, left: 75 });
});

test('a limit has room for what fits exactly and for nothing more', async () => {
  const owner = randomUUID();
  await reserve(owner, 100);
  assert.deepEqual((await refusal(reserve(owner, 1))).status, 429);
  assert.ok(await reserve(owner, 0), 'nothing always fits');
  const [{ count }] = await sql('select count(*)::int from private.reservations where owner = $1', [owner]);
  assert.equal(count, 2, 'what is refused leaves no reservation');
});

test('the refusal says how long the period lasts, which budget it is, and what is left', async () => {
  const owner = randomUUID();
  await reserve(owner, 70);
  const refused = await refusal(reserve(owner, 31));
  const [{ left }] = await sql(
    `select ceil(extract(epoch from (date_trunc('day', now() at time zone 'UTC') + interval '1 day') at time zone 'UTC' - now()))::int as left`,
  );
  assert.deepEqual([refused.status, refused.code], [429, 'RG574']);
  assert.equal(refused.details, `${SCOPE}: 30 of 100 left`);
  assert.ok(Math.abs(Number(refused.retryAfter) - left) <= 2, `${refused.retryAfter} ${left}`);
});

test('the refusal has the fields of rate limits: what is counted, how much is left, and when there is more', async () => {
  const owner = randomUUID();
  await reserve(owner, 70);
  const { headers, retryAfter } = await refusal(reserve(owner, 31));
  const { 'RateLimit-Policy': policy, RateLimit: state, ...older } = headers;
  assert.equal(policy, `"${SCOPE}";q=100;qu="calls";w=86400`);
  assert.equal(state, `"${SCOPE}";r=30;t=${retryAfter}`);
  assert.deepEqual(older, {
    'Retry-After': retryAfter,
    'RateLimit-Limit': '100',
    'RateLimit-Remaining': '30',
    'RateLimit-Reset': retryAfter,
  });
  await setBudget(owner, 'total', 5);
  const total = (await refusal(reserve(owner, 6))).headers;
  assert.deepEqual(total, {
    'RateLimit-Policy': `"${SCOPE}";q=5;qu="calls"`,
    // 70 are reserved still, and count in whichever period they are in.
    RateLimit: `"${SCOPE}";r=0`,
    'RateLimit-Limit': '5',
    'RateLimit-Remaining': '0',
  });
});

const tryReserve = async (owner, amount) =>
  (await sql(`select r.* from private.try_reserve($1, $2, $3, '1 minute') as r`, [SCOPE, owner, amount]))[0];

test('an attempt says what is left, and refuses without an error', async () => {
  const owner = randomUUID();
  const first = await tryReserve(owner, 60);
  assert.ok(first.reservation);
  assert.deepEqual([first.left, first.limit_].map(Number), [40, 100]);
  assert.equal(first.ends_at - first.starts_at, 86_400_000);
  assert.ok(first.starts_at <= new Date() && new Date() < first.ends_at);
  const second = await tryReserve(owner, 41);
  assert.deepEqual([second.reservation, Number(second.left)], [null, 40]);
  assert.deepEqual(await state(owner), { used: 0, reserved: 60, left: 40 }, 'and has changed nothing');
  await sql(`update private.budgets set used = 100, period_start = period_start - interval '1 day' where owner = $1`, [
    owner,
  ]);
  const later = await tryReserve(owner, 41);
  assert.deepEqual([later.reservation, Number(later.left)], [null, 40], 'what was used a day ago is not counted');
  assert.deepEqual(later.starts_at, first.starts_at);
});

// Clocks change at midnight in Cairo and Havana, by half an hour on Lord Howe, and Apia has skipped a day.
const DAYS = [
  ['Europe/Berlin', '2026-03-29T12:00Z', '2026-03-28T23:00Z', '2026-03-29T22:00Z', 23],
  ['Europe/Berlin', '2026-10-25T12:00Z', '2026-10-24T22:00Z', '2026-10-25T23:00Z', 25],
  ['America/New_York', '2026-03-08T05:00Z', '2026-03-08T05:00Z', '2026-03-09T04:00Z', 23],
  ['America/New_York', '2026-11-02T04:59:59Z', '2026-11-01T04:00Z', '2026-11-02T05:00Z', 25],
  ['Australia/Lord_Howe', '2026-10-04T00:00Z', '2026-10-03T13:30Z', '2026-10-04T13:00Z', 23.5],
  ['Australia/Lord_Howe', '2026-04-04T23:00Z', '2026-04-04T13:00Z', '2026-04-05T13:30Z', 24.5],
  ['Pacific/Apia', '2011-12-30T09:00Z', '2011-12-29T10:00Z', '2011-12-30T10:00Z', 24],
  ['Pacific/Apia', '2011-12-30T10:00Z', '2011-12-30T10:00Z', '2011-12-31T10:00Z', 24],
  ['Africa/Cairo', '2024-04-26T12:00Z', '2024-04-25T22:00Z', '2024-04-26T21:00Z', 23],
  ['Africa/Cairo', '2024-10-31T20:30Z', '2024-10-30T21:00Z', '2024-10-31T22:00Z', 25],
  ['America/Havana', '2024-11-03T04:30Z', '2024-11-03T04:00Z', '2024-11-04T05:00Z', 25],
  ['America/Havana', '2024-11-03T05:30Z', '2024-11-03T04:00Z', '2024-11-04T05:00Z', 25],
  ['Atlantic/Azores', '2024-10-26T12:00Z', '2024-10-26T00:00Z', '2024-10-27T00:00Z', 24],
];

test('a day begins and ends by the clocks of its time zone, also where they change', async () => {
  for (const [zone, at, start, end, hours] of DAYS) {
    const [day] = await sql('select private.period_start($1, $2, $3) as start, private.period_end($1, $2, $3) as end', [
      'day',
      at,
      zone,
    ]);
    const wanted = [start, end].map((text) => new Date(text).toISOString());
    assert.deepEqual([day.start.toISOString(), day.end.toISOString()], wanted, `${zone} ${at}`);
    assert.equal((day.end - day.start) / 3_600_000, hours, `${zone} ${at}`);
  }
});

test('periods of a zone follow each other without a gap, at each time of a year', async () => {
  for (const zone of [
    'UTC',
    'Europe/Berlin',
    'Australia/Lord_Howe',
    'America/Havana',
    'Africa/Cairo',
    'Asia/Kathmandu',
  ]) {
    for (const [period, step] of Object.entries({ day: '30 minutes', month: '5 hours', year: '5 hours' })) {
      const gaps = await sql(
        `select moment from generate_series(timestamptz '2025-12-31T00:00Z', '2027-01-02T00:00Z', $3::interval) as moment,
           lateral (select private.period_start($1, moment, $2) as first, private.period_end($1, moment, $2) as last) as p
         where not (p.first <= moment and moment < p.last)
           or private.period_start($1, p.last, $2) <> p.last
           or private.period_end($1, p.first, $2) <> p.last`,
        [period, zone, step],
      );
      assert.deepEqual(gaps, [], `${zone} ${period}`);
    }
  }
});

test('an hour that clocks show twice is two hours', async () => {
  for (const at of ['2026-10-25T00:30Z', '2026-10-25T01:30Z']) {
    const [hour] = await sql(
      `select private.period_start('hour', $1, 'Europe/Berlin') as start, private.period_end('hour', $1, 'Europe/Berlin') as end`,
      [at],
    );
    assert.deepEqual([new Date(at) - hour.start, hour.end - hour.start], [1_800_000, 3_600_000], at);
  }
});

/** When the day of now ends in a zone. */
const endOfDay = async (zone) =>
  (await sql(`select private.period_end('day', now(), $1) as end`, [zone]))[0].end.toISOString();
const endOf = async (owner) => new Date((await budget(owner)).ends_at).toISOString();

test('a budget of a time zone counts by its clocks; a zone that does not exist is refused', async () => {
  const owner = randomUUID();
  await setBudget(owner, 'day', 10, { zone: 'Pacific/Kiritimati' });
  await reserve(owner, 10);
  assert.equal(await endOf(owner), await endOfDay('Pacific/Kiritimati'));
  assert.equal((await budget(owner)).time_zone, 'Pacific/Kiritimati');
  const { headers } = await refusal(reserve(owner, 1));
  assert.match(headers['RateLimit-Policy'], /;w=86400$/);
  await assert.rejects(setBudget(owner, 'day', 10, { zone: 'Mars/Olympus' }), { code: '22023' });
});

test('a change of the time zone keeps what is used, and gains no period', async () => {
  const zones = ['Etc/GMT+12', 'Pacific/Kiritimati', 'Etc/GMT+1', 'Asia/Tokyo', 'UTC', 'America/New_York'];
  const owner = randomUUID();
  await setBudget(owner, 'day', 100);
  await settle(await reserve(owner, 60), 60);
  const first = await endOf(owner);
  for (const zone of [...zones, ...zones]) {
    await setBudget(owner, 'day', 100, { zone });
    assert.deepEqual(await state(owner), { used: 60, reserved: 0, left: 40 }, zone);
    const end = await endOf(owner);
    assert.ok(end >= first, `${zone}: ${end} is before ${first}`);
    assert.ok(new Date(end) - Date.now() <= 50 * 3_600_000, `${zone}: ${end} is late`);
    const id = await reserve(owner, 40);
    assert.equal((await refusal(reserve(owner, 1))).status, 429, zone);
    await release(id);
    assert.equal(await endOf(owner), end, 'and calls do not change it');
  }
  // The next period of the new zone starts at 0.
  await sql(`update private.budgets set period_start = period_start - interval '3 days' where owner = $1`, [owner]);
  assert.deepEqual(await state(owner), { used: 0, reserved: 0, left: 100 });
});

test('a change of the time zone gains no period where nothing is used yet, nor before the first call of a day', async () => {
  const zones = Array.from({ length: 27 }, (_, n) => `Etc/GMT${n < 12 ? '+' : '-'}${Math.abs(12 - n)}`);
  for (const zone of zones) {
    const [fresh, stale] = [randomUUID(), randomUUID()];
    await setBudget(fresh, 'day', 100);
    await setBudget(stale, 'day', 100);
    await settle(await reserve(stale, 100), 100);
    await sql(`update private.budgets set period_start = period_start - interval '1 day' where owner = $1`, [stale]);
    for (const owner of [fresh, stale]) {
      const first = await endOf(owner);
      await setBudget(owner, 'day', 100, { zone });
      assert.deepEqual(await state(owner), { used: 0, reserved: 0, left: 100 }, zone);
      const end = await endOf(owner);
      assert.ok(end >= first, `${zone}: ${end} is before ${first}`);
      assert.ok(new Date(end) - Date.now() <= 50 * 3_600_000, `${zone}: ${end} is late`);
      await settle(await reserve(owner, 100), 100);
      assert.equal(await endOf(owner), end, 'and calls do not change it');
    }
  }
  // Without a change the day of now is the one that counts.
  const owner = randomUUID();
  await setBudget(owner, 'day', 100, { zone: 'Asia/Tokyo' });
  await sql(`update private.budgets set period_start = period_start - interval '1 day' where owner = $1`, [owner]);
  await setBudget(owner, 'day', 50, { zone: 'Asia/Tokyo' });
  assert.equal(await endOf(owner), await endOfDay('Asia/Tokyo'));
});

test('a rule’s time zone is that of its owners', async () => {
  const scope = 'budgets_test.zoned';
  await sql(
    `insert into private.budget_rules (scope, period, limit_micro, description, time_zone)
    values ($1, 'day', 100, 'For tests.', 'Asia/Tokyo')`,
    [scope],
  );
  try {
    const owner = randomUUID();
    const of = async () => (await sql('select private.budget_of($1, $2) as budget', [scope, owner]))[0].budget;
    const before = await of();
    await reserve(owner, 1, { scope });
    const after = await of();
    for (const { time_zone, ends_at } of [before, after]) {
      assert.deepEqual([time_zone, new Date(ends_at).toISOString()], ['Asia/Tokyo', await endOfDay('Asia/Tokyo')]);
    }
  } finally {
    await sql('delete from private.budgets where scope = $1', [scope]);
    await sql('delete from private.budget_rules where scope = $1', [scope]);
  }
});

test('a budget without a period never refills, so there is no time to wait for', async () => {
  const owner = randomUUID();
  await setBudget(owner, 'total', 5);
  await reserve(owner, 5);
  const refused = await refusal(reserve(owner, 1));
  assert.deepEqual([refused.status, refused.retryAfter], [429, undefined]);
  assert.equal((await budget(owner)).ends_at, null);
});

test('a repeated settle counts nothing, with any amount', async () => {
  const owner = randomUUID();
  const id = await reserve(owner, 10);
  const settled = await Promise.all(Array.from({ length: 10 }, (_, n) => settle(id, 10 + n)));
  assert.equal(settled.filter(Boolean).length, 1);
  const { used, reserved } = await state(owner);
  assert.equal(reserved, 0);
  assert.equal(used, 10 + settled.indexOf(true));
  assert.equal(await release(id), false, 'nor does a release afterwards');
  assert.equal(await settle(randomUUID(), 1), false, 'nor an unknown reservation');
  assert.deepEqual((await state(owner)).used, used);
});

test('reservations of several owners are settled together, each once', async () => {
  const [one, other] = [randomUUID(), randomUUID()];
  const ids = [await reserve(one, 10), await reserve(one, 20), await reserve(other, 30)];
  const settleAll = async (amounts, extra = []) =>
    Number((await sql('select private.settle_all($1, $2) as n', [[...ids, ...extra], amounts]))[0].n);
  assert.equal(await settleAll([1, 2, 3, 4, 5], [randomUUID(), ids[0]]), 3);
  const used = (await state(one)).used;
  assert.ok(used === 3 || used === 7, 'of an id that is there twice, one amount');
  assert.deepEqual(await state(other), { used: 3, reserved: 0, left: 97 });
  assert.equal(await settleAll([1, 2, 3]), 0);
  await assert.rejects(settleAll([1, null, 3]), { code: '22023' });
  // Two that settle the same ones, in opposite orders, do not wait for each other for ever.
  const again = [await reserve(one, 10), await reserve(other, 10)];
  const both = await Promise.all(
    [again, again.toReversed()].map((order) => sql('select private.settle_all($1, $2) as n', [order, [1, 1]])),
  );
  assert.equal(
    both.reduce((sum, [{ n }]) => sum + Number(n), 0),
    2,
  );
});

test('a call that spent more than it reserved counts in full, and the next one is refused', async () => {
  const owner = randomUUID();
  await settle(await reserve(owner, 10), 150);
  assert.deepEqual(await state(owner), { used: 150, reserved: 0, left: 0 });
  assert.equal((await refusal(reserve(owner, 1))).details, `${SCOPE}: 0 of 100 left`);
});

test('a released amount is free again', async () => {
  const owner = randomUUID();
  const id = await reserve(owner, 100);
  assert.equal(await release(id), true);
  assert.deepEqual(await state(owner), { used: 0, reserved: 0, left: 100 });
});

test('an expired reservation counts until the job releases it; what is settled later still counts', async () => {
  const owner = randomUUID();
  const ids = [await reserve(owner, 30), await reserve(owner, 30), await reserve(owner, 30, { ttl: '1 hour' })];
  await sql(`update private.reservations set expires_at = now() - interval '1 second' where id = any ($1)`, [
    ids.slice(0, 2),
  ]);
  assert.equal((await refusal(reserve(owner, 11))).status, 429, 'expired, not released');
  assert.equal((await runJob()).error, null);
  assert.deepEqual(await state(owner), { used: 0, reserved: 30, left: 70 });
  await runJob();
  assert.deepEqual(await state(owner), { used: 0, reserved: 30, left: 70 }, 'a second run changes nothing');
  assert.equal(await settle(ids[0], 20), true);
  assert.deepEqual(await state(owner), { used: 20, reserved: 30, left: 50 });
  assert.equal(await settle(ids[0], 20), false);
  await sql(`update private.reservations set released_at = now() - interval '8 days' where id = $1`, [ids[1]]);
  await runJob();
  const [{ count }] = await sql('select count(*)::int from private.reservations where owner = $1', [owner]);
  assert.equal(count, 1, 'the job deletes what was released a week ago');
});

test('a budget that a request holds is left to the next run of the job', async () => {
  const owner = randomUUID();
  await sql(`update private.reservations set expires_at = now() - interval '1 second' where id = $1`, [
    await reserve(owner, 30),
  ]);
  await transaction(async (query) => {
    await query('select from private.budgets where owner = $1 for update', [owner]);
    assert.deepEqual([(await runJob()).error, (await state(owner)).reserved], [null, 30]);
  });
  await runJob();
  assert.equal((await state(owner)).reserved, 0);
});

test('a new period starts at 0, and what is still reserved counts in it', async () => {
  const owner = randomUUID();
  await settle(await reserve(owner, 60), 60);
  const id = await reserve(owner, 30);
  await sql(`update private.budgets set period_start = period_start - interval '1 day' where owner = $1`, [owner]);
  assert.deepEqual(await state(owner), { used: 0, reserved: 30, left: 70 });
  assert.equal((await refusal(reserve(owner, 71))).status, 429);
  await reserve(owner, 70);
  assert.deepEqual(await state(owner), { used: 0, reserved: 100, left: 0 });
  await settle(id, 30);
  assert.deepEqual(await state(owner), { used: 30, reserved: 70, left: 0 });
  await sql(`update private.budgets set period_start = period_start - interval '1 day' where owner = $1`, [owner]);
  const [open] = await sql('select id from private.reservations where owner = $1', [owner]);
  await settle(open.id, 5);
  assert.deepEqual(await state(owner), { used: 5, reserved: 0, left: 95 }, 'a settlement starts it, too');
});

test('an owner’s own limit replaces the rule; another period starts at 0', async () => {
  const owner = randomUUID();
  await settle(await reserve(owner, 90), 90);
  await setBudget(owner, 'day', 500);
  assert.deepEqual(await state(owner), { used: 90, reserved: 0, left: 410 });
  await setBudget(owner, 'month', 50);
  assert.deepEqual(await state(owner), { used: 0, reserved: 0, left: 50 });
  const { period, ends_at } = await budget(owner);
  const [{ end }] = await sql(
    `select (date_trunc('month', now() at time zone 'UTC') + interval '1 month') at time zone 'UTC' as end`,
  );
  assert.deepEqual([period, new Date(ends_at).getTime()], ['month', end.getTime()]);
});

test('first calls of a new owner, all at once, pass no more than fit', async () => {
  for (let run = 0; run < 5; run += 1) {
    const owner = randomUUID();
    const calls = await Promise.allSettled(Array.from({ length: 60 }, () => reserve(owner, 9)));
    assert.equal(calls.filter(({ status }) => status === 'fulfilled').length, 11);
    assert.equal((await state(owner)).reserved, 99);
  }
});

test('a first call whose budget another one makes at the same moment is not refused while there is room', async () => {
  const owner = randomUUID();
  // A call that has found no budget to update waits here before it looks for the budget again.
  await sql(`create function private.test_wait() returns trigger language plpgsql as $$
    begin
      if current_setting('application_name') = 'held' then perform pg_advisory_xact_lock(7, 7); end if;
      return null;
    end $$`);
  await sql(`create trigger test_wait after update on private.budgets
    for each statement execute function private.test_wait()`);
  try {
    let held;
    await transaction(async (query) => {
      await query('select pg_advisory_xact_lock(7, 7)');
      held = transaction(async (inside) => {
        await inside(`set local application_name = 'held'`);
        assert.ok(await reserve(owner, 1, { query: inside }));
      });
      const waits = `select from pg_locks where locktype = 'advisory' and classid = 7 and objid = 7 and not granted`;
      while ((await sql(waits)).length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
      await reserve(owner, 1);
    });
    await held;
  } finally {
    await sql('drop function private.test_wait() cascade');
  }
});

test('reserving, settling and releasing at once ends with a sum that adds up and no deadlock', async () => {
  const owner = randomUUID();
  await setBudget(owner, 'day', 1000);
  const spent = await Promise.all(
    Array.from({ length: 100 }, async (_, n) => {
      const id = await reserve(owner, 7).catch(() => null);
      if (id === null || n % 10 === 0) return 0;
      if (n % 3 === 0) await runJob();
      const done = await Promise.all([settle(id, 3), n % 2 ? release(id) : settle(id, 3)]);
      return done[0] || n % 2 === 0 ? 3 : 0;
    }),
  );
  const { used, reserved } = await state(owner);
  const [{ open }] = await sql('select sum(amount)::int as open from private.reservations where owner = $1', [owner]);
  assert.deepEqual([used, reserved], [spent.reduce((sum, each) => sum + each, 0), open]);
});

test('amounts and times that make no sense are refused', async () => {
  const owner = randomUUID();
  const faults = [
    [-1, '1 minute'],
    [null, '1 minute'],
    ['9223372036854775807', '1 minute'],
    [1, '0 seconds'],
    [1, '-1 minute'],
    [1, null],
    [1, '8 days'],
  ];
  for (const [amount, ttl] of faults) await assert.rejects(reserve(owner, amount, { ttl }), { code: '22023' });
  const id = await reserve(owner, 1);
  for (const actual of [-1, null, '9223372036854775807'])
    await assert.rejects(settle(id, actual), { code: '22023' }, `${actual}`);
  await assert.rejects(reserve(owner, 1, { scope: 'budgets_test.nothing' }), { code: 'P0002' });
});

test('an erased user has no budget and gets none, also while the erasure is under way', async () => {
  const owner = randomUUID();
  await reserve(owner, 10);
  await sql('select private.erase_account($1)', [owner]);
  const [{ count }] = await sql(
    `select (select count(*) from private.budgets where owner = $1) + (select count(*) from private.reservations where owner = $1) as count`,
    [owner],
  );
  assert.equal(Number(count), 0);
  assert.deepEqual((await refusal(reserve(owner, 10))).code, 'RG521');

  const other = randomUUID();
  await transaction(async (query) => {
    await query('select private.erase_account($1)', [other]);
    assert.equal((await refusal(reserve(other, 10))).code, 'RG521');
  });
});

test('no request role may read or write budgets, or call their functions', async () => {
  const statements = [
    'select from private.budgets',
    'select from private.reservations',
    'update private.budget_rules set limit_micro = 1',
    `select private.reserve('${SCOPE}', gen_random_uuid(), 1, '1 minute')`,
    `select private.try_reserve('${SCOPE}', gen_random_uuid(), 1, '1 minute')`,
    'select private.settle(gen_random_uuid(), 1)',
    `select private.set_budget('${SCOPE}', gen_random_uuid(), 'day', 1)`,
  ];
  for (const role of ['anon', 'authenticated', 'edge', 'service_role', 'authenticator']) {
    for (const statement of statements) {
      await transaction(async (run) => {
        await run(`set local role ${role}`);
        await assert.rejects(run(statement), { code: '42501' }, `${role}: ${statement}`);
      });
    }
  }
});
