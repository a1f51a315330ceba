// A tenant's day is that of its time zone: what is used counts in it, also where clocks change.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import {
  addEvents,
  begin,
  budget,
  end,
  event,
  makeMember,
  makeTenant,
  readList,
  refusal,
  removeTenants,
  runJob,
  summary,
  today,
} from '../support/usage.js';

const tenants = [];
const admin = async (given) => {
  tenants.push(await makeTenant(given));
  return makeMember(tenants.at(-1), 'admin');
};
after(async () => {
  await removeTenants(tenants);
  await close();
});

/** The first and the last second of a day of 23 or 25 hours, by UTC, and the seconds beside it. */
const DAYS = {
  'Europe/Berlin': [
    ['2026-03-29', '2026-03-28T23:00:00Z', '2026-03-29T21:59:59Z', 23],
    ['2026-10-25', '2026-10-24T22:00:00Z', '2026-10-25T22:59:59Z', 25],
  ],
  'America/New_York': [
    ['2026-03-08', '2026-03-08T05:00:00Z', '2026-03-09T03:59:59Z', 23],
    ['2026-11-01', '2026-11-01T04:00:00Z', '2026-11-02T04:59:59Z', 25],
  ],
  'Australia/Lord_Howe': [
    ['2026-04-05', '2026-04-04T13:00:00Z', '2026-04-05T13:29:59Z', 24.5],
    ['2026-10-04', '2026-10-03T13:30:00Z', '2026-10-04T12:59:59Z', 23.5],
  ],
  'America/Havana': [
    ['2026-03-08', '2026-03-08T05:00:00Z', '2026-03-09T03:59:59Z', 23],
    ['2026-11-01', '2026-11-01T04:00:00Z', '2026-11-02T04:59:59Z', 25],
  ],
};

test('an event counts on the day of the tenant, to the second, where clocks change', async () => {
  for (const [zone, days] of Object.entries(DAYS)) {
    const one = await admin({ zone });
    for (const [, first, last] of days) {
      const outside = [new Date(Date.parse(first) - 1000), new Date(Date.parse(last) + 1000)];
      // Each with tokens of its own: another day may have as many events.
      await addEvents(
        [first, last, ...outside.map((at) => at.toISOString())].map((at, n) =>
          event(one, { at, prompt_tokens: 10 ** n, completion_tokens: 0 }),
        ),
      );
    }
    for (const [day, first, last, hours] of days) {
      const { days: found, time_zone: named } = await summary(one, day.slice(0, 7));
      assert.equal(named, zone);
      assert.equal(found.find((each) => each.day === day).prompt_tokens, 11, `${zone} ${day}`);
      const [{ start, end: until }] = await sql(
        `select private.period_start('day', $1, $2) as start, private.period_end('day', $1, $2) as end`,
        [first, zone],
      );
      // The budget's day is the same.
      assert.deepEqual(
        [start.getTime(), until.getTime() - 1000, (until - start) / 3_600_000],
        [Date.parse(first), Date.parse(last), hours],
        `${zone} ${day}`,
      );
    }
  }
});

test('a tenant’s budget, its fields and its day of now are those of its zone', async () => {
  for (const zone of ['Pacific/Kiritimati', 'America/Los_Angeles', 'Asia/Kathmandu']) {
    const one = await admin({ zone, tokens: 10 });
    const { reservation, fields } = await begin(one, 10);
    const [{ hours, left, date }] = await sql(
      `select extract(epoch from private.period_end('day', now(), $1) - private.period_start('day', now(), $1)) / 3600 as hours,
         extract(epoch from private.period_end('day', now(), $1) - now())::float8 as left, (now() at time zone $1)::date::text as date`,
      [zone],
    );
    assert.equal(readList(fields['RateLimit-Policy']).day.w, hours * 3600);
    assert.ok(Math.abs(readList(fields.RateLimit).day.t - left) < 30);
    const { headers } = await refusal(begin(one, 1));
    assert.ok(Math.abs(Number(headers['Retry-After']) - left) < 30);
    await end(reservation, 5, 5);
    const { date: shown, time_zone: named, quota, tenant } = await today(one);
    assert.deepEqual([shown, named, quota.left, tenant.total_tokens], [date, zone, 0, 10]);
  }
});

test('what is reserved before midnight and settled after it counts in the new day', async () => {
  const one = await admin({ tokens: 100 });
  await end((await begin(one, 60)).reservation, 60, 0);
  const { reservation } = await begin(one, 30);
  await sql(`update private.budgets set period_start = period_start - interval '1 day' where owner = $1`, [one.tenant]);
  assert.deepEqual(await budget(one.tenant), { limit: 100, used: 0, reserved: 30, left: 70 });
  assert.equal((await refusal(begin(one, 71))).code, 'RG683');
  // The first request of the new day finds nothing used.
  await begin(one, 5);
  assert.deepEqual(await budget(one.tenant), { limit: 100, used: 0, reserved: 35, left: 65 });
  await end(reservation, 20, 5);
  assert.deepEqual(await budget(one.tenant), { limit: 100, used: 25, reserved: 5, left: 70 });
});

test('a tenant that changes its zone keeps what it has used, and its earlier days', async () => {
  const one = await admin({ tokens: 100, zone: 'UTC' });
  await addEvents([event(one, { at: '2026-11-02T23:30:00Z' })]);
  await end((await begin(one, 60)).reservation, 60, 0);
  for (const zone of ['Pacific/Kiritimati', 'America/Los_Angeles', 'UTC', 'Asia/Tokyo']) {
    await sql(`update assistant.tenants set features = jsonb_build_object('time_zone', $2::text) where id = $1`, [
      one.tenant,
      zone,
    ]);
    assert.deepEqual(await budget(one.tenant), { limit: 100, used: 60, reserved: 0, left: 40 }, zone);
  }
  await addEvents([event(one, { at: '2026-11-02T23:30:00Z' })]);
  await runJob('fold_usage');
  const { days } = await summary(one, '2026-11');
  assert.deepEqual(
    days.filter(({ model }) => model === 'priced').map(({ day, requests }) => [day, requests]),
    [
      ['2026-11-02', 1],
      ['2026-11-03', 1],
    ],
  );
});

test('the month without a name is that of the tenant’s zone', async () => {
  const one = await admin({ zone: 'Pacific/Kiritimati' });
  const [{ month }] = await sql(`select to_char(now() at time zone 'Pacific/Kiritimati', 'YYYY-MM') as month`);
  assert.equal((await summary(one, null)).month, month);
  for (const bad of ['2026-13', '2026-1', '2026-11-01', 'now', '', '26-11', "2026-11'"]) {
    const { status, code } = await refusal(summary(one, bad));
    assert.deepEqual([status, code], [422, 'RG695'], bad);
  }
});
