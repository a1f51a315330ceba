// Usage events and their sums: in any number, repeated and in any order, daily and monthly sums equal the events.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { as, close, onBehalf, sql, transaction } from '../../support/stack.js';
import { timesCalled } from '../../support/statistics.js';
import {
  addEvents,
  begin,
  budget,
  daysOf,
  end,
  event,
  increment,
  makeMember,
  makeTenant,
  metricsOf,
  refusal,
  removeTenants,
  runJob,
  SERVICE,
  signedIn,
  summary,
  today,
} from '../support/usage.js';

const tenants = [];
const tenant = async (given) => {
  tenants.push(await makeTenant(given));
  return tenants.at(-1);
};

before(() =>
  sql(`insert into private.model_prices (provider, model, effective_from, input_micro, output_micro) values
    ('usage-tests', 'priced', '2026-01-01', 250000, 2000000),
    ('usage-tests', 'priced', '2026-11-10', 500000, 4000000),
    ('usage-tests', 'other', '2026-01-01', 1, 1)`),
);
after(async () => {
  await removeTenants(tenants);
  await sql(`delete from private.model_prices where provider = 'usage-tests'`);
  await close();
});

const COST = {
  priced: (at, p, c) => (at >= '2026-11-10' ? Math.ceil(0.5 * p + 4 * c) : Math.ceil(0.25 * p + 2 * c)),
  other: (_, p, c) => Math.ceil((p + c) / 1e6),
};

/** What the sums of events must be, made without the functions of the product. */
const wanted = (events) => {
  const metrics = {};
  const days = {};
  const add = (all, key, amounts) => {
    all[key] = (all[key] ?? amounts.map(() => 0)).map((sum, at) => sum + amounts[at]);
  };
  for (const { user_id: user, at, model, prompt_tokens: p, completion_tokens: c } of events) {
    const cost = COST[model]?.(at, p, c);
    const day = at.slice(0, 10);
    for (const who of ['all', ...(user ? [user] : [])]) {
      add(metrics, `${day} ${who}`, [p, c, p + c, 1, cost ?? 0]);
      add(days, `${day} ${who} ${model}`, [p, c, 1, cost ?? 0, cost === undefined ? 1 : 0]);
    }
  }
  return { metrics, days };
};
const checked = async (of, events) => {
  const { metrics, days } = wanted(events);
  assert.deepEqual(await metricsOf(of), metrics);
  assert.deepEqual(await daysOf(of), days);
};

/** Numbers from a seed. */
const dice = (seed) => {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
};

test('a call of 100 tokens at 0.25 $ per million costs 25 micro-USD, by the prices of its own day', async () => {
  const member = await makeMember(await tenant());
  await addEvents([
    event(member, { prompt_tokens: 100, completion_tokens: 0 }),
    event(member, { prompt_tokens: 100, completion_tokens: 0, at: '2026-11-10T00:00:00Z' }),
    event(member, { prompt_tokens: 100, completion_tokens: 0, model: 'unknown' }),
  ]);
  const { days } = await summary(member, '2026-11');
  assert.deepEqual(
    days.map(({ day, model, cost_micro: cost, unpriced, requests }) => [day, model, cost, unpriced, requests]),
    [
      ['2026-11-02', 'priced', 25, 0, 1],
      ['2026-11-02', 'unknown', 0, 1, 1],
      ['2026-11-10', 'priced', 50, 0, 1],
    ],
  );
});

test('events in any order, in batches and alone, repeated and at once: the sums equal the events', async () => {
  for (let seed = 1; seed <= 8; seed += 1) {
    const roll = dice(seed * 7919);
    const ids = [await tenant(), await tenant()];
    const members = [];
    for (const id of ids)
      members.push(await makeMember(id), await makeMember(id), await makeMember(id, 'admin'), { tenant: id });
    const events = Array.from({ length: 60 }, (_, n) =>
      event(members[roll(members.length)], {
        // Ids are a tenant's own: both have these.
        event_id: `event ${n % 40} ${n >= 40 ? 'b' : 'a'}`,
        at: `2026-11-${String(8 + roll(4)).padStart(2, '0')}T${String(roll(24)).padStart(2, '0')}:00:00Z`,
        model: ['priced', 'other', 'unknown'][roll(3)],
        prompt_tokens: roll(100_000),
        completion_tokens: roll(5000),
      }),
    );
    const sent = [...events, ...events.filter(() => roll(2) === 0), ...events.filter(() => roll(3) === 0)]
      .map((one) => [roll(1000), one])
      .sort(([a], [b]) => a - b)
      .map(([, one]) => one);
    const batches = [];
    while (sent.length > 0) batches.push(sent.splice(0, 1 + roll(15)));
    const left = [...batches];
    const sender = async () => {
      for (let batch = left.pop(); batch; batch = left.pop()) {
        const { accepted, duplicates, rejected } = await addEvents(batch);
        assert.deepEqual([accepted + duplicates, rejected], [batch.length, []]);
      }
    };
    await Promise.all([sender(), sender(), sender(), sender()]);
    // What a request has left to another one.
    assert.equal((await runJob('fold_usage')).error, null);
    for (const id of ids)
      await checked(
        id,
        events.filter(({ tenant_id: of }) => of === id),
      );
    // An admin's month is the tenant's.
    const all = wanted(events.filter(({ tenant_id: of }) => of === ids[0])).metrics;
    const { totals, of } = await summary(members[2], '2026-11');
    const sums = Object.entries(all).filter(([key]) => key.endsWith(' all'));
    assert.deepEqual(
      [of, totals.total_tokens, totals.requests, totals.cost_micro],
      ['tenant', ...[2, 3, 4].map((at) => sums.reduce((sum, [, amounts]) => sum + amounts[at], 0))],
    );
  }
});

test('what is stored and not in the sums yet is in every answer', async () => {
  const id = await tenant();
  const [member, admin] = [await makeMember(id), await makeMember(id, 'admin')];
  const at = new Date().toISOString();
  const month = at.slice(0, 7);
  await transaction(async (query) => {
    // Somebody is folding.
    await query('select private.lock_usage($1)', [id]);
    await addEvents([event(member, { at })]);
    assert.deepEqual(await metricsOf(id), {});
    assert.equal((await summary(member, month)).totals.total_tokens, 150);
    assert.equal((await summary(admin, month)).totals.requests, 1);
    const { own, tenant: whole } = await today(admin);
    assert.deepEqual([own.requests, whole.requests, (await today(member)).own.requests], [0, 1, 1]);
  });
  assert.equal((await runJob('fold_usage')).rows >= 1, true);
  assert.equal((await summary(member, month)).totals.total_tokens, 150);
  assert.equal((await today(member)).tenant, null, 'only admins see what the tenant has used');
});

test('the same id with other values is 409, and nothing of the request is kept', async () => {
  const member = await makeMember(await tenant());
  const first = event(member);
  await addEvents([first]);
  const changes = [
    { prompt_tokens: 101 },
    { completion_tokens: 0 },
    { model: 'other' },
    { provider: 'somebody' },
    { at: '2026-11-02T09:00:00.000001Z' },
    { user_id: null },
  ];
  for (const change of changes) {
    const fresh = event(member);
    const { status, code, details } = await refusal(addEvents([fresh, { ...first, ...change }]));
    assert.deepEqual([status, code, details], [409, 'RG685', `["${first.event_id}"]`], JSON.stringify(change));
    assert.deepEqual(await sql('select from private.usage_events where event_id = $1', [fresh.event_id]), []);
  }
  // The same instant, written in another way.
  const { duplicates } = await addEvents([{ ...first, at: '2026-11-02T10:00:00.000+01:00' }]);
  assert.equal(duplicates, 1);
  // Within one batch, too.
  const twice = event(member);
  assert.deepEqual(await addEvents([twice, twice]), { accepted: 1, duplicates: 1, rejected: [] });
  const odd = event(member);
  assert.equal((await refusal(addEvents([odd, { ...odd, model: 'other' }]))).code, 'RG685');
  await checked(member.tenant, [first, twice]);
});

test('a write that failed and is sent again counts once', async () => {
  const member = await makeMember(await tenant());
  const one = event(member);
  for (let failed = 0; failed < 3; failed += 1)
    await assert.rejects(
      as(SERVICE, async (query) => {
        await query('select assistant.add_usage_events($1)', [JSON.stringify([one])]);
        throw new Error('the connection broke');
      }),
      /broke/,
    );
  assert.deepEqual(await metricsOf(member.tenant), {});
  assert.equal((await addEvents([one])).accepted, 1);
  assert.equal((await addEvents([one])).duplicates, 1);
  await checked(member.tenant, [one]);
});

test('the same batch twenty times at once counts once, and overlapping batches do not wait in a circle', async () => {
  const member = await makeMember(await tenant());
  const events = Array.from({ length: 30 }, () => event(member));
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) => addEvents(n % 2 === 0 ? events : [...events].reverse())),
  );
  assert.equal(
    answers.reduce((sum, { accepted }) => sum + accepted, 0),
    30,
  );
  await runJob('fold_usage');
  await checked(member.tenant, events);
});

test('one malformed event costs only itself, and is named', async () => {
  const id = await tenant();
  const [member, stranger] = [await makeMember(id), await makeMember(await tenant())];
  const good = [event(member), event(member, { at: '2026-11-02T09:00:00.123+05:30' })];
  const bad = {
    malformed: 'text',
    event_id_invalid: event(member, { event_id: '' }),
    tenant_id_invalid: event(member, { tenant_id: 'x' }),
    tenant_unknown: event(member, { tenant_id: randomUUID() }),
    user_id_invalid: event(member, { user_id: 7 }),
    user_unknown: event(member, { user_id: stranger.id }),
    at_invalid: event(member, { at: '2026-02-30T00:00:00Z' }),
    provider_invalid: event(member, { provider: 'a provider' }),
    model_invalid: event(member, { model: 'm'.repeat(201) }),
    prompt_tokens_invalid: event(member, { prompt_tokens: -1 }),
    completion_tokens_invalid: event(member, { completion_tokens: '5' }),
    field_unknown: event(member, { userid: member.id }),
  };
  const more = [
    ['at_invalid', event(member, { at: '2026-11-02T09:00:00' })],
    ['at_invalid', event(member, { at: '2126-11-02T09:00:00Z' })],
    ['at_invalid', event(member, { at: 1_700_000_000 })],
    ['at_invalid', event(member, { at: null })],
    ['prompt_tokens_invalid', event(member, { prompt_tokens: 1e12 })],
    ['prompt_tokens_invalid', event(member, { prompt_tokens: 1.5 })],
  ];
  const document = readFileSync(join(root, 'docs', 'errors.md'), 'utf8');
  const [, section] = document.split('## Codes inside the answer to a batch of usage events');
  for (const code of Object.keys(bad)) assert.ok(section?.split('\n## ')[0].includes(`\`${code}\``), code);
  const listed = [...Object.entries(bad), ...more];
  const { accepted, rejected } = await addEvents([good[0], ...listed.map(([, one]) => one), good[1]]);
  assert.equal(accepted, 2);
  assert.deepEqual(
    rejected,
    listed.map(([code], at) => ({ index: at + 1, code })),
  );
  await checked(id, [good[0], { ...good[1], at: '2026-11-02' }]);
  for (const events of [[], Array(1001).fill(good[0])])
    assert.deepEqual((await refusal(addEvents(events))).code, 'RG694', `${events.length}`);
});

test('an increment is in every sum, as an event of its own', async () => {
  const id = await tenant({ zone: 'America/New_York' });
  const [member, admin] = [await makeMember(id), await makeMember(id, 'owner')];
  await increment(id, member, '2026-11-01', 10, 5, 7);
  await increment(id, null, '2026-11-01', 1, 1, 2);
  assert.deepEqual(await metricsOf(id), {
    [`2026-11-01 ${member.id}`]: [10, 5, 15, 1, 7],
    '2026-11-01 all': [11, 6, 17, 2, 9],
  });
  assert.equal((await summary(admin, '2026-11')).totals.total_tokens, 17);
  for (const [amounts, on] of [
    [[-1, 0, 0], '2026-11-01'],
    [[0, -1, 0], '2026-11-01'],
    [[0, 0, -1], '2026-11-01'],
    [[0, null, 0], '2026-11-01'],
    [[0, 0, 0], '2126-11-01'],
  ])
    assert.equal((await refusal(increment(id, member, on, ...amounts))).code, 'RG694', `${amounts} ${on}`);
  const other = await makeMember(await tenant());
  assert.equal((await refusal(increment(id, other, '2026-11-01', 1, 1, 1))).code, 'RG692');
  assert.equal((await refusal(increment(randomUUID(), null, '2026-11-01', 1, 1, 1))).code, 'RG691');
  await Promise.all(Array.from({ length: 40 }, () => increment(id, member, '2026-11-02', 1, 2, 3)));
  await runJob('fold_usage');
  assert.deepEqual((await metricsOf(id))[`2026-11-02 ${member.id}`], [40, 80, 120, 40, 120]);
});

test('requests and imported events of many at once add up', async () => {
  const id = await tenant();
  const members = await Promise.all(Array.from({ length: 5 }, () => makeMember(id)));
  const day = new Date().toISOString().slice(0, 10);
  const at = `${day}T00:00:00Z`;
  const left = Array.from({ length: 200 }, (_, n) => n);
  const worker = async () => {
    for (let n = left.pop(); n !== undefined; n = left.pop()) {
      const member = members[n % 5];
      if (n % 4 === 0) await addEvents([event(member, { at, provider: 'openai', model: 'a-model' })]);
      else await end((await begin(member, 500)).reservation, 100, 50);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  await runJob('fold_usage');
  const found = await metricsOf(id);
  assert.deepEqual(found[`${day} all`], [20_000, 10_000, 30_000, 200, 0]);
  for (const { id: user } of members) assert.deepEqual(found[`${day} ${user}`], [4000, 2000, 6000, 40, 0]);
  // Only what was reserved counts against the day.
  assert.deepEqual(await budget(id), { limit: 1_000_000, used: 22_500, reserved: 0, left: 977_500 });
});

test('each event of a batch is judged once', async () => {
  const one = await makeMember(await tenant());
  const events = [...Array.from({ length: 5 }, () => event(one)), { ...event(one), at: 'noon' }];
  await transaction(async (query) => {
    const calls = await timesCalled(query, 'private.usage_event_fault(jsonb)', () =>
      query('select assistant.add_usage_events($1)', [JSON.stringify({ events })]),
    );
    assert.equal(calls, events.length);
  });
});

test('events do not change; a member who is deleted leaves the tenant’s sums as they are', async () => {
  const id = await tenant();
  const [leaving, staying] = [await makeMember(id), await makeMember(id)];
  const events = [event(leaving), event(staying), event(leaving, { model: 'other' })];
  await addEvents(events);
  for (const change of ['prompt_tokens = 1', 'user_id = null, model = model || 1', `day = day + 1`, 'cost_micro = 0'])
    await assert.rejects(
      sql(`update private.usage_events set ${change} where tenant_id = $1`, [id]),
      { code: '42501' },
      change,
    );
  const before = await metricsOf(id);
  await transaction(async (query) => {
    await query('select private.lock_usage($1)', [id]);
    // Not in the sums when the member goes.
    await addEvents([event(leaving)]);
  });
  await sql('delete from assistant.users where id = $1', [leaving.id]);
  await runJob('fold_usage');
  const all = before['2026-11-02 all'];
  assert.deepEqual(await metricsOf(id), {
    '2026-11-02 all': [
      all[0] + 100,
      all[1] + 50,
      all[2] + 150,
      all[3] + 1,
      all[4] + COST.priced('2026-11-02', 100, 50),
    ],
    [`2026-11-02 ${staying.id}`]: before[`2026-11-02 ${staying.id}`],
  });
  const rows = await sql('select user_id from private.usage_events where tenant_id = $1', [id]);
  assert.deepEqual(
    rows.map(({ user_id: user }) => user).filter((user) => user !== null),
    [staying.id],
  );
});

test('members who are deleted while their usage is counted stop nothing', async () => {
  const id = await tenant();
  for (let run = 0; run < 10; run += 1) {
    const members = await Promise.all(Array.from({ length: 4 }, () => makeMember(id)));
    const events = members.flatMap((member) =>
      Array.from({ length: 10 }, (_, n) => event(member, { at: `2026-11-${11 + (n % 5)}T00:00:00Z` })),
    );
    await addEvents(events.slice(0, 20));
    const done = await Promise.allSettled([
      addEvents(events.filter((_, at) => at % 2 === 0)),
      addEvents(events.filter((_, at) => at % 2 === 1)),
      ...members.map((member) => sql('delete from assistant.users where id = $1', [member.id])),
      runJob('fold_usage'),
    ]);
    for (const { reason } of done.filter(({ status }) => status === 'rejected')) {
      // An event whose member is gone by the time it is written.
      assert.ok(['23503'].includes(reason.code), `${reason.code} ${reason.message}`);
    }
    assert.equal(done.at(-1).value?.error ?? null, null);
  }
  await runJob('fold_usage');
  const [sums] = await sql(
    `select (select sum(prompt_tokens) from private.usage_events where tenant_id = $1)::int as events,
       (select sum(prompt_tokens) from assistant.usage_metrics where tenant_id = $1 and user_id is null)::int as metrics,
       (select sum(prompt_tokens) from private.usage_days where tenant_id = $1 and user_id is null)::int as days`,
    [id],
  );
  assert.deepEqual([sums.metrics, sums.days], [sums.events, sums.events]);
});

test('members read the rows of their own usage, admins and owners those of their tenant, and nobody those of another', async () => {
  const [here, there] = [await tenant(), await tenant()];
  const people = {};
  for (const role of ['member', 'admin', 'owner']) people[role] = await makeMember(here, role);
  const foreign = await makeMember(there, 'owner');
  const idle = await makeMember(here);
  await addEvents([...Object.values(people), foreign].map((one) => event(one)));
  const rows = async (one) =>
    (await as(signedIn(one), (query) => query('select tenant_id, user_id from assistant.usage_metrics')))
      .map(({ tenant_id: of, user_id: user }) => `${of} ${user}`)
      .toSorted();
  const all = [null, ...Object.values(people).map(({ id }) => id)].map((id) => `${here} ${id}`).toSorted();
  assert.deepEqual(await rows(people.member), [`${here} ${people.member.id}`]);
  assert.deepEqual(await rows(idle), []);
  assert.deepEqual(await rows(people.admin), all);
  assert.deepEqual(await rows(people.owner), all);
  assert.deepEqual(await rows(foreign), [null, foreign.id].map((id) => `${there} ${id}`).toSorted());
  await sql('update assistant.users set is_active = false where id = $1', [people.admin.id]);
  assert.deepEqual(await rows(people.admin), []);
});

test('nobody but service_role writes usage', async () => {
  const admin = await makeMember(await tenant(), 'owner');
  const calls = [
    () => addEvents([event(admin)], signedIn(admin)),
    () => increment(admin.tenant, admin, '2026-11-01', 1, 1, 1, signedIn(admin)),
    () => begin(admin, 1, signedIn(admin)),
    () => end(randomUUID(), 1, 1, 'a-model', signedIn(admin)),
    () => addEvents([event(admin)], { role: 'anon' }),
    () => addEvents([event(admin)], onBehalf({ role: 'service_role' })),
    () => addEvents([event(admin)], { role: 'edge' }),
  ];
  for (const attempt of calls) await assert.rejects(attempt(), { code: '42501' });
  await addEvents([event(admin)]);
  for (const change of [
    'update assistant.usage_metrics set request_count = 0 where tenant_id = $1',
    'delete from assistant.usage_metrics where tenant_id = $1',
    `insert into assistant.usage_metrics (tenant_id, date) values ($1, '2026-01-01')`,
  ]) {
    await assert.rejects(
      as(signedIn(admin), (query) => query(change, [admin.tenant])),
      { code: '42501' },
      change,
    );
  }
  await assert.rejects(
    as(SERVICE, (query) => query('delete from assistant.usage_metrics where tenant_id = $1', [admin.tenant])),
    { code: '42501' },
  );
});

test('a sum of tokens is what its parts are', async () => {
  const id = await tenant();
  await assert.rejects(
    sql(`insert into assistant.usage_metrics (tenant_id, date, total_tokens) values ($1, '2026-01-01', 1)`, [id]),
    { constraint: 'usage_metrics_total' },
  );
});

test('an event is found by its key, also where the planner believes that a tenant has few', async () => {
  await transaction(async (query) => {
    await query('set local session_replication_role = replica');
    const fill = (tenants, count) =>
      query(
        `insert into private.usage_events (
           tenant_id, event_id, at, day, provider, model, prompt_tokens, completion_tokens, source, payload_hash)
         select md5('tenant ' || n % $1)::uuid, 'event ' || $1 || ' ' || n, now(), current_date, 'openai', 'a-model', 1, 1, 'request',
           sha256('x') from generate_series(1, $2::int) as n`,
        [tenants, count],
      );
    await query('delete from private.usage_events');
    await fill(500, 500);
    await query('analyze private.usage_events');
    await fill(2, 20_000);
    const lines = await query(
      `explain select * from private.usage_events where tenant_id = md5('tenant ' || 1)::uuid and event_id = 'event 2 1'`,
    );
    const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
    assert.match(plan, /Index Scan using usage_events_pkey/, plan);
  });
});
