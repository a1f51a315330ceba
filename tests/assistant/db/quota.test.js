// Quota of tenants: what fits passes and nothing more, however many ask at once; what is not ended is given back.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql, transaction } from '../../support/stack.js';
import {
  addEvents,
  begin,
  budget,
  end,
  event,
  makeMember,
  makeTenant,
  metricsOf,
  readList,
  refusal,
  removeTenants,
  runJob,
  SERVICE,
  today,
} from '../support/usage.js';

const tenants = [];
const member = async (given, role) => {
  tenants.push(await makeTenant(given));
  return makeMember(tenants.at(-1), role);
};
after(async () => {
  await removeTenants(tenants);
  await close();
});

const expire = async (reservation) => {
  await sql(`update private.reservations set expires_at = now() - interval '1 second' where id = $1`, [reservation]);
  assert.equal((await runJob('release_reservations')).error, null);
};

test('a request reserves what it may need, and is settled with what it has used', async () => {
  const one = await member({ tokens: 1000, rate: 60 });
  const { reservation, expires_at: until, fields } = await begin(one, 400);
  assert.ok(Date.parse(until) > Date.now() + 14 * 60_000);
  assert.deepEqual(await budget(one.tenant), { limit: 1000, used: 0, reserved: 400, left: 600 });
  assert.equal(fields['RateLimit-Policy'], '"minute";q=60;w=60, "day";q=1000;qu="tokens";w=86400');
  const { minute, day } = readList(fields.RateLimit);
  assert.deepEqual([minute.r, minute.t, day.r], [59, 1, 600]);
  assert.ok(day.t > 0 && day.t <= 86_400);
  assert.deepEqual(await end(reservation, 120, 30), {
    is_new: true,
    prompt_tokens: 120,
    completion_tokens: 30,
    total_tokens: 150,
    cost_micro: null,
  });
  assert.deepEqual(await budget(one.tenant), { limit: 1000, used: 150, reserved: 0, left: 850 });
  const { quota, own } = await today(one);
  assert.deepEqual([quota.used, quota.left, own.total_tokens, own.requests], [150, 850, 150, 1]);
});

test('an end that is sent again counts nothing and says the same; with other values it is 409', async () => {
  const one = await member();
  const { reservation } = await begin(one, 400);
  const answers = await Promise.all(Array.from({ length: 10 }, () => end(reservation, 120, 30)));
  assert.equal(answers.filter(({ is_new: isNew }) => isNew).length, 1);
  for (const { total_tokens: total } of answers) assert.equal(total, 150);
  for (const values of [
    [121, 30, 'a-model'],
    [120, 30, 'another'],
  ]) {
    const { status, code } = await refusal(end(reservation, ...values));
    assert.deepEqual([status, code], [409, 'RG685']);
  }
  assert.deepEqual((await budget(one.tenant)).used, 150);
  assert.deepEqual(Object.values(await metricsOf(one.tenant))[0], [120, 30, 150, 1, 0]);
});

test('of 200 requests at once exactly 37 pass where there is room for 37, those of a member that was never seen among them', async () => {
  for (let run = 0; run < 5; run += 1) {
    // Room for half a request more.
    const members = [await member({ tokens: 37 * 100 + 50 })];
    const { tenant } = members[0];
    for (let n = 1; n < 20; n += 1) members.push(await makeMember(tenant));
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, async (_, n) =>
        begin(n % 20 === 7 ? await makeMember(tenant) : members[n % 20], 100),
      ),
    );
    const passed = results.filter(({ status }) => status === 'fulfilled');
    assert.equal(passed.length, 37, `run ${run}`);
    for (const { reason } of results.filter(({ status }) => status === 'rejected')) {
      const { status, code, headers } = await refusal(Promise.reject(reason));
      assert.deepEqual([status, code], [429, 'RG683']);
      const { day } = readList(headers.RateLimit);
      assert.equal(day.r, 50);
      assert.ok(Number(headers['Retry-After']) >= day.t);
    }
    // What was refused has left nothing behind.
    const [{ count }] = await sql('select count(*)::int from private.usage_requests where tenant_id = $1', [tenant]);
    assert.equal(count, 37);
    assert.deepEqual(await budget(tenant), { limit: 3750, used: 0, reserved: 3700, left: 50 });
    // What ends with less makes room for one more, and no further one.
    await end(passed[0].value.reservation, 30, 20);
    await begin(members[0], 100);
    assert.equal((await refusal(begin(members[1], 100))).code, 'RG683');
  }
});

test('a tenant’s minute has as many requests as its rate, and a refused one takes none', async () => {
  const one = await member({ rate: 30 });
  const other = await makeMember(one.tenant);
  const results = await Promise.allSettled(Array.from({ length: 50 }, (_, n) => begin(n % 2 ? one : other, 1)));
  const passed = results.filter(({ status }) => status === 'fulfilled').length;
  // One every two seconds comes back meanwhile.
  assert.ok(passed >= 30 && passed <= 32, `${passed}`);
  const { status, code, headers } = await refusal(
    Promise.reject(results.find(({ status: state }) => state === 'rejected').reason),
  );
  assert.deepEqual([status, code], [429, 'RG682']);
  const { minute, day } = readList(headers.RateLimit);
  assert.deepEqual([minute.r, minute.t], [0, Number(headers['Retry-After'])]);
  assert.ok(minute.t >= 1 && minute.t <= 2);
  assert.ok(day.r > 0);
  assert.deepEqual([headers['RateLimit-Limit'], headers['RateLimit-Remaining']], ['30', '0']);
  const [{ left }] = await sql(
    `select extract(epoch from tat - clock_timestamp())::float8 as left from private.rate_limits where bucket = $1`,
    [`assistant ${one.tenant}`],
  );
  assert.ok(left <= 60, `${left}`);
});

test('a request that is refused for its tokens takes none of the minute', async () => {
  const one = await member({ tokens: 10, rate: 5 });
  for (let n = 0; n < 20; n += 1) assert.equal((await refusal(begin(one, 11))).code, 'RG683');
  for (let n = 0; n < 5; n += 1) await begin(one, 1);
});

test('what a crash has left between begin and end is given back; an end that comes later still counts', async () => {
  const one = await member({ tokens: 1000 });
  const [lost, late] = [await begin(one, 500), await begin(one, 500)];
  assert.equal((await refusal(begin(one, 1))).code, 'RG683');
  await expire(lost.reservation);
  await expire(late.reservation);
  assert.equal((await budget(one.tenant)).left, 1000);
  await end(late.reservation, 300, 100);
  assert.deepEqual(await budget(one.tenant), { limit: 1000, used: 400, reserved: 0, left: 600 });
});

test('what has ended and is not in the sums yet makes room for those who need it, and is given back to nobody twice', async () => {
  const one = await member({ tokens: 1000 });
  const ended = [await begin(one, 500), await begin(one, 500)];
  await transaction(async (query) => {
    // Another request is folding.
    await query('select private.lock_usage($1)', [one.tenant]);
    for (const { reservation } of ended) await end(reservation, 10, 10);
    assert.equal((await budget(one.tenant)).left, 0);
  });
  // More than folding would free: refused, and nothing is folded.
  assert.equal((await refusal(begin(one, 961))).code, 'RG683');
  assert.equal((await budget(one.tenant)).reserved, 1000);
  await begin(one, 960);
  assert.deepEqual(await budget(one.tenant), { limit: 1000, used: 40, reserved: 960, left: 0 });
  for (const { reservation } of ended) assert.equal((await end(reservation, 10, 10)).is_new, false);
  assert.equal((await budget(one.tenant)).used, 40);
});

test('ends that others have kept from the sums are added by the next request that begins, when the first is a quarter of a second old', async () => {
  const one = await member({ tokens: 1_000_000 });
  const pending = async () =>
    (await sql('select count(*)::int as n from private.usage_pending where tenant_id = $1', [one.tenant]))[0].n;
  const age = (ago) =>
    sql('update private.usage_pending set since = now() - $2::interval where tenant_id = $1', [one.tenant, ago]);
  const begun = [];
  for (let n = 0; n < 60; n += 1) begun.push(await begin(one, 100));
  await transaction(async (query) => {
    await query('select private.lock_usage($1)', [one.tenant]);
    for (const { reservation } of begun.splice(0, 58)) await end(reservation, 10, 10);
  });
  // Young ones wait; an end among them leaves them to the next request that begins.
  await age('-1 hour');
  await begin(one, 100);
  await end(begun.pop().reservation, 10, 10);
  assert.equal(await pending(), 59);
  await age('-1 hour');
  await begin(one, 100);
  assert.equal(await pending(), 59);
  assert.deepEqual(await budget(one.tenant), { limit: 1_000_000, used: 0, reserved: 6200, left: 993_800 });
  await age('1 second');
  await begin(one, 100);
  assert.equal(await pending(), 0);
  assert.deepEqual(await budget(one.tenant), { limit: 1_000_000, used: 59 * 20, reserved: 400, left: 998_420 });
});

test('the fields are those that private.rate_limit_fields makes', async () => {
  const moment = '2026-11-02T12:00:00Z';
  const later = (seconds) => new Date(Date.parse(moment) + seconds * 1000).toISOString();
  const cases = [
    // rate, seconds until the bucket is empty, wait, tokens, left, day's seconds before and after
    [[60, 1, null, 1000, 600], 43_200, 43_200, { r: 59, t: 0 }],
    [[60, -5, null, 1000, 1000], 1, 86_399, { r: 60, t: 0 }],
    [[30, 60, 2, 1000, 10], 3600, 79_200, { r: 0, t: 2 }],
    [[7, 40.5, null, 0, 0], 50_000, 40_000, { r: 2, t: 7 }],
    [[100_000, 0.004, null, '1000000000000000', '1000000000000000'], 86_399, 0.4, { r: 99_993, t: 1 }],
    [[4, 31, null, 2, 1], 10, 20, { r: 1, t: 1 }],
  ];
  for (const [[rate, used, wait, tokens, left], before, rest, { r, t }] of cases) {
    const [{ own, made }] = await sql(
      `select private.quota_fields($1, $2, $3, $4, $5, $6, $7, $8) as own, private.rate_limit_fields(jsonb_build_array(
         jsonb_build_object('name', 'minute', 'q', $1::bigint, 'w', 60, 'r', $9::bigint, 't', $10::bigint),
         jsonb_build_object('name', 'day', 'q', $5::bigint, 'unit', 'tokens', 'w', $11::bigint, 'r', $6::bigint, 't', $12::bigint)
       )) as made`,
      [
        rate,
        later(used),
        moment,
        wait,
        tokens,
        left,
        later(-before),
        later(rest),
        r,
        t,
        Math.round(before + rest),
        Math.ceil(rest),
      ],
    );
    assert.deepEqual(own, made, JSON.stringify([rate, used, wait, tokens, left]));
  }
});

test('an end is stored though somebody holds a row of the sums; it is added up afterwards', async () => {
  const one = await member({ tokens: 1000 });
  await end((await begin(one, 100)).reservation, 10, 0);
  const { reservation } = await begin(one, 100);
  await transaction(async (query) => {
    await query('select from assistant.usage_metrics where tenant_id = $1 for update', [one.tenant]);
    await as(SERVICE, async (run) => {
      await run(`set local lock_timeout = '200ms'`);
      await run('select assistant.end_request($1, 20, 0, $2)', [reservation, 'a-model']);
    });
    assert.deepEqual(await budget(one.tenant), { limit: 1000, used: 10, reserved: 100, left: 890 });
    assert.equal((await today(one)).own.total_tokens, 30);
  });
  assert.equal((await runJob('fold_usage')).error, null);
  assert.deepEqual(await budget(one.tenant), { limit: 1000, used: 30, reserved: 0, left: 970 });
  assert.deepEqual(Object.values(await metricsOf(one.tenant))[0], [30, 0, 30, 2, 0]);
});

test('a request that has used more than it reserved counts in full, and the next one is refused', async () => {
  const one = await member({ tokens: 100 });
  await end((await begin(one, 10)).reservation, 100, 50);
  assert.deepEqual(await budget(one.tenant), { limit: 100, used: 150, reserved: 0, left: 0 });
  assert.equal((await refusal(begin(one, 1))).code, 'RG683');
});

test('a new limit counts at once', async () => {
  const one = await member({ tokens: 100 });
  await end((await begin(one, 60)).reservation, 60, 0);
  await sql('update assistant.tenants set daily_token_limit = 50 where id = $1', [one.tenant]);
  assert.equal((await refusal(begin(one, 1))).code, 'RG683');
  await sql('update assistant.tenants set daily_token_limit = 70 where id = $1', [one.tenant]);
  await begin(one, 10);
  await sql('update assistant.tenants set daily_token_limit = 0 where id = $1', [one.tenant]);
  assert.equal((await refusal(begin(one, 1))).code, 'RG683');
});

test('tenants are let in one by one: what one uses is nothing to another', async () => {
  const [one, other] = [await member({ tokens: 100, rate: 2 }), await member({ tokens: 100, rate: 2 })];
  await begin(one, 100);
  assert.equal((await refusal(begin(one, 1))).code, 'RG683');
  await begin(other, 1);
  await begin(other, 1);
  assert.equal((await refusal(begin(other, 1))).code, 'RG682');
  assert.deepEqual((await budget(other.tenant)).reserved, 2);
});

test('only active members of an active tenant begin, and no amount is negative', async () => {
  const one = await member();
  const stranger = await member();
  const code = async (promise) => (await refusal(promise)).code;
  assert.equal(await code(begin({ tenant: randomUUID(), id: one.id }, 1)), 'RG691');
  assert.equal(await code(begin({ tenant: one.tenant, id: stranger.id }, 1)), 'RG692');
  assert.equal(await code(begin({ tenant: one.tenant, id: null }, 1)), 'RG692');
  for (const estimate of [-1, null, '9223372036854775807']) assert.equal(await code(begin(one, estimate)), 'RG694');
  const { reservation } = await begin(one, 1);
  for (const values of [
    [-1, 0],
    [0, -1],
    [null, 0],
    [0, '9223372036854775807'],
    [0, 0, ''],
    [0, 0, null],
    [0, 0, 'm'.repeat(201)],
  ])
    assert.equal(await code(end(reservation, ...values)), 'RG694', JSON.stringify(values));
  assert.equal(await code(end(randomUUID(), 1, 1)), 'RG694');
  const invited = await makeMember(one.tenant);
  await sql('update assistant.users set auth_id = null where id = $1', [invited.id]);
  assert.equal(await code(begin(invited, 1)), 'RG692');
  await sql('update assistant.users set is_active = false where id = $1', [one.id]);
  assert.equal(await code(begin(one, 1)), 'RG692');
  // What has begun is ended all the same.
  assert.equal((await end(reservation, 5, 5)).is_new, true);
  await sql('update assistant.tenants set is_active = false where id = $1', [stranger.tenant]);
  assert.equal(await code(begin(stranger, 1)), 'RG691');
});

test('a request of a member who is deleted meanwhile counts for the tenant; of a deleted tenant nothing stays', async () => {
  const one = await member({ tokens: 1000 });
  const [first, second] = [await begin(one, 100), await begin(one, 100)];
  await sql('delete from assistant.users where id = $1', [one.id]);
  await end(first.reservation, 50, 0);
  assert.deepEqual(
    Object.keys(await metricsOf(one.tenant)).map((key) => key.split(' ')[1]),
    ['all'],
  );
  assert.equal((await budget(one.tenant)).used, 50);
  await removeTenants([one.tenant]);
  assert.equal((await refusal(end(second.reservation, 50, 0))).code, 'RG694');
  for (const table of ['private.budgets', 'private.reservations'])
    assert.deepEqual(await sql(`select from ${table} where owner = $1`, [one.tenant]), [], table);
  for (const table of ['private.usage_events', 'private.usage_days', 'assistant.usage_metrics'])
    assert.deepEqual(await sql(`select from ${table} where tenant_id = $1`, [one.tenant]), [], table);
});

test('requests that begin, end and end again at once, of several tenants, add up', async () => {
  const members = await Promise.all([member({ tokens: 20_000 }), member({ tokens: 20_000 })]);
  const left = Array.from({ length: 300 }, (_, n) => n);
  const used = [0, 0];
  const worker = async () => {
    for (let n = left.pop(); n !== undefined; n = left.pop()) {
      const which = n % 2;
      let begun;
      try {
        begun = await begin(members[which], 200);
      } catch (error) {
        assert.equal((await refusal(Promise.reject(error))).code, 'RG683');
        continue;
      }
      // Some are never ended.
      if (n % 10 === 0) continue;
      await Promise.all([end(begun.reservation, 100, 20), end(begun.reservation, 100, 20)]);
      used[which] += 120;
      if (n % 25 === 0) await addEvents([event(members[which])]);
      const { used: now, reserved, limit } = await budget(members[which].tenant);
      assert.ok(now + reserved <= limit);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  assert.equal((await runJob('fold_usage')).error, null);
  for (const [which, { tenant }] of members.entries()) {
    const [{ open }] = await sql(
      'select coalesce(sum(amount), 0)::int as open from private.reservations where owner = $1',
      [tenant],
    );
    const { used: now, reserved } = await budget(tenant);
    assert.deepEqual([now, reserved], [used[which], open]);
  }
});

test('old requests are forgotten', async () => {
  const one = await member();
  const [old, fresh] = [await begin(one, 1), await begin(one, 1)];
  await sql(`update private.usage_requests set started_at = now() - interval '9 days' where id = $1`, [
    old.reservation,
  ]);
  assert.equal((await runJob('clean_usage_requests')).error, null);
  const rows = await sql('select id from private.usage_requests where tenant_id = $1', [one.tenant]);
  assert.deepEqual(
    rows.map(({ id }) => id),
    [fresh.reservation],
  );
});
