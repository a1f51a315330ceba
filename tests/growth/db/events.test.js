// Events in the database: each once, in its month, and what they add up to.
import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { anything, batches, seed, spoiled } from '../../support/any_json.js';
import { as, close, onBehalf, rowsRead, sql, stack, transaction } from '../../support/stack.js';
import { aggregated, anEvent, freshCount, rollUp, uuidv7 } from '../support/events.js';

const DAY = 86_400_000;
const ANON = { role: 'anon', claims: { edge: { net: '192.0.2.0/24', addr: randomUUID(), country: 'DE' } } };
const SERVICE = { role: 'service_role' };

before(() => sql('truncate analytics.events, analytics.event_aggregations, private.event_actors'));
after(close);

const trackText = async (events, who = SERVICE) => {
  const [{ answer }] = await as(onBehalf(who), (run) =>
    run('select analytics.track_events($1::jsonb) as answer', [events]),
  );
  return answer;
};
const track = (events, who) => trackText(JSON.stringify(events), who);
const stored = async (id) =>
  (await sql('select *, tableoid::regclass::text as part from analytics.events where id = $1', [id]))[0];
const codes = async (event) => (await track([event])).rejected.map(({ code }) => code);

test('one, an array and an envelope are all batches', async () => {
  assert.deepEqual(await track(anEvent()), { accepted: 1, duplicates: 0, rejected: [] });
  assert.deepEqual(await track([anEvent(), anEvent()]), { accepted: 2, duplicates: 0, rejected: [] });
  assert.deepEqual(await track({ events: [anEvent()] }), { accepted: 1, duplicates: 0, rejected: [] });
  assert.deepEqual(await track([]), { accepted: 0, duplicates: 0, rejected: [] });
  for (const odd of ['x', 5, null]) await assert.rejects(track(odd), /RG540/);
  await assert.rejects(track(Array.from({ length: 501 }, () => anEvent())), /RG541/);
});

test('an event is stored with what the caller says, and with what only the edge knows', async () => {
  const event = anEvent({
    type: 'page_view',
    session_id: 's1',
    anonymous_id: 'a1',
    user_id: randomUUID(),
    properties: { plan: 'pro', deep: { list: [1, 'ü'] } },
    url: 'https://shop.example/?q=1',
    referrer: 'https://search.example/',
    country: 'XX',
    occurred_at: new Date(Date.now() - 60_000).toISOString(),
  });
  const seen = { device_type: 'mobile', browser: 'Safari', os: 'iOS', is_bot: false, region: 'Berlin' };
  await track([event], { role: 'anon', claims: { edge: { ...ANON.claims.edge, ...seen } } });
  const row = await stored(event.id);
  assert.equal(row.occurred_at.toISOString(), event.occurred_at);
  assert.deepEqual(
    [row.type, row.session_id, row.anonymous_id, row.user_id, row.properties, row.url],
    ['page_view', 's1', 'a1', event.user_id, event.properties, event.url],
  );
  assert.deepEqual(
    [row.country, row.device_type, row.browser, row.os, row.is_bot, row.region],
    ['DE', 'mobile', 'Safari', 'iOS', false, 'Berlin'],
  );
});

test('a signed-in user is the token’s, even if the event says otherwise', async () => {
  const sub = randomUUID();
  const event = anEvent({ user_id: randomUUID() });
  await track([event], { role: 'authenticated', claims: { sub } });
  assert.equal((await stored(event.id)).user_id, sub);
});

test('a server says where its users are; its own device is none of theirs', async () => {
  const event = anEvent({ country: 'FR', user_agent: 'Mozilla/5.0 (of the user)' });
  await track([event], { ...SERVICE, claims: { edge: { device_type: 'bot', is_bot: true, country: 'DE' } } });
  const row = await stored(event.id);
  assert.deepEqual(
    [row.country, row.device_type, row.is_bot, row.user_agent],
    ['FR', null, false, 'Mozilla/5.0 (of the user)'],
  );
});

test('one bad event never loses the others, and says what is wrong with it', async () => {
  const good = [anEvent(), anEvent()];
  const bad = [
    [5, 'malformed'],
    [null, 'malformed'],
    [[], 'malformed'],
    ['too_large', 'too_large'],
    ['anything', 'malformed'],
    [anEvent({ name: undefined }), 'name_missing'],
    [anEvent({ name: ' ' }), 'name_missing'],
    [anEvent({ name: 5 }), 'name_missing'],
    [anEvent({ name: 'x'.repeat(121) }), 'name_too_long'],
    [anEvent({ type: 'purchase' }), 'type_unknown'],
    [anEvent({ type: 5 }), 'type_unknown'],
    [anEvent({ id: 'x' }), 'id_invalid'],
    [anEvent({ id: 5 }), 'id_invalid'],
    [anEvent({ user_id: 'somebody' }), 'user_id_invalid'],
    [anEvent({ session_id: 'x'.repeat(201) }), 'session_id_invalid'],
    [anEvent({ session_id: {} }), 'session_id_invalid'],
    [anEvent({ anonymous_id: ['x'] }), 'anonymous_id_invalid'],
    [anEvent({ properties: [] }), 'properties_invalid'],
    [anEvent({ properties: 'x' }), 'properties_invalid'],
    [anEvent({ metadata: 5 }), 'metadata_invalid'],
    [anEvent({ occurred_at: 'yesterday' }), 'time_invalid'],
    [anEvent({ occurred_at: '2026-02-31T00:00:00Z' }), 'time_invalid'],
    [anEvent({ occurred_at: '2026-13-01T00:00:00Z' }), 'time_invalid'],
    [anEvent({ occurred_at: '2026-11-21T24:61:00Z' }), 'time_invalid'],
    [anEvent({ occurred_at: '2026-11-21T12:00:00+99:99' }), 'time_invalid'],
    [anEvent({ occurred_at: true }), 'time_invalid'],
    [anEvent({ occurred_at: {} }), 'time_invalid'],
    [anEvent({ occurred_at: 1e300 }), 'time_invalid'],
    [anEvent({ timestamp: -1 }), 'time_invalid'],
    [anEvent({ occurred_at: new Date(Date.now() - 5 * DAY - 60_000).toISOString() }), 'too_old'],
    [anEvent({ occurred_at: '0000-01-01T00:00:00Z' }), 'time_invalid'],
    [anEvent({ occurred_at: '0001-01-01T00:00:00Z' }), 'too_old'],
    [anEvent({ properties: { x: 'x'.repeat(300_000) } }), 'too_large'],
    [anEvent({ id: uuidv7(Date.now() + 300 * DAY) }), 'id_time'],
  ];
  const events = [good[0], ...bad.map(([event]) => event), good[1]];
  const answer = await track(events);
  assert.equal(answer.accepted, 2);
  assert.deepEqual(
    answer.rejected,
    bad.map(([, code], at) => ({ index: at + 1, code })),
  );
  for (const { id } of good) assert.ok(await stored(id));
});

test('any JSON in any field of an event costs that event only, and the counts hold', async () => {
  const fields = [
    ...[
      'id',
      'type',
      'name',
      'user_id',
      'session_id',
      'anonymous_id',
      'properties',
      'metadata',
      'user_agent',
      'referrer',
    ],
    ...['url', 'country', 'occurred_at', 'timestamp', 'anything'],
  ];
  for (const list of batches(spoiled(anEvent, fields, anything(300)), 498, 4_000_000)) {
    const good = [anEvent(), anEvent()];
    const [first, last] = good.map((event) => JSON.stringify(event));
    const answer = await trackText(`[${first},${list.join(',')},${last}]`);
    const counted = answer.accepted + answer.duplicates + answer.rejected.length;
    assert.equal(counted, list.length + 2, `SEED=${seed}`);
    for (const { id } of good) assert.ok(await stored(id), `SEED=${seed}`);
  }
  await rollUp();
  assert.deepEqual(await aggregated(), await freshCount(), `SEED=${seed}`);
});

test('a number of many digits is kept as it was sent', async () => {
  const event = anEvent();
  const numbers = '{"a": 12345678901234567890123, "b": 0.1000000000000000055511151231257827, "c": -9007199254740993}';
  await trackText(`${JSON.stringify(event).slice(0, -1)},"properties":${numbers}}`);
  const [{ text }] = await sql('select properties::text as text from analytics.events where id = $1', [event.id]);
  assert.equal(text, numbers);
});

test('a batch that is sent again with its Idempotency-Key stores nothing, with ids or without', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  const [name, other] = [`test ${randomUUID()}`, `test ${randomUUID()}`];
  const batch = [{ name }, { name, id: randomUUID() }, { name, type: 'x' }];
  const from = (addr) => ({ ...ANON, claims: { edge: { ...ANON.claims.edge, addr } }, headers });
  const first = await track(batch, from('1'));
  assert.deepEqual(first, { accepted: 2, duplicates: 0, rejected: [{ index: 2, code: 'type_unknown' }] });
  // Also from another network.
  assert.deepEqual(await track(batch, from('2')), first);
  await assert.rejects(track([{ name: other }], from('1')), /RG503/);
  // A server's keys are its own, and so are each user's.
  assert.equal((await track([{ name: other }], { ...SERVICE, headers })).accepted, 1);
  const user = { role: 'authenticated', claims: { sub: randomUUID() }, headers };
  assert.deepEqual(
    await Promise.all([1, 2, 3].map(() => track([{ name: other }], user))),
    Array(3).fill({ accepted: 1, duplicates: 0, rejected: [] }),
  );
  const counts = await sql('select name, count(*)::int from analytics.events where name = any ($1) group by 1', [
    [name, other],
  ]);
  assert.deepEqual(
    counts.map(({ count }) => count),
    [2, 2],
  );
});

test('an address, and all anonymous callers together, write no more a day than they are allowed', async () => {
  await sql('truncate private.daily_usage');
  const allow = (numbers) =>
    sql(
      `update private.daily_allowances set (bytes, rows, all_bytes, all_rows) = ($1, $2, $3, $4) where name = 'events'`,
      ['bytes', 'rows', 'all_bytes', 'all_rows'].map((name) => numbers[name] ?? null),
    );
  const from = (addr) => ({ ...ANON, claims: { edge: { ...ANON.claims.edge, addr } } });
  const refusal = (what) => (error) => {
    const [{ code, details }, { status, headers }] = [JSON.parse(error.message), JSON.parse(error.detail)];
    assert.deepEqual([status, code, details], [429, 'RG517', `events: ${what}`]);
    const wait = Number(headers['Retry-After']);
    const left = 86_400 - ((Date.now() / 1000) % 86_400);
    assert.ok(Math.abs(wait - left) < 60, `${wait} s are said, ${left} s are left of the day`);
    return true;
  };
  const send = (addr, count = 10) =>
    track(
      Array.from({ length: count }, () => anEvent()),
      from(addr),
    );
  const [{ before }] = await sql(
    `select to_jsonb(a) as before from private.daily_allowances as a where name = 'events'`,
  );
  try {
    await allow({ rows: 15 });
    for (const _ of [1, 2]) assert.equal((await send('a')).accepted, 10, 'the batch that crosses the line is taken');
    await assert.rejects(send('a'), refusal('rows of one caller'));
    assert.equal((await send('b')).accepted, 10, 'another address');
    assert.equal((await track([anEvent()], { role: 'authenticated', claims: { sub: randomUUID() } })).accepted, 1);
    assert.equal((await track([anEvent()])).accepted, 1, 'service_role');

    await allow({ bytes: 5000 });
    const large = () => anEvent({ properties: { x: 'x'.repeat(6000) } });
    const mine = large();
    assert.equal((await track(mine, from('c'))).accepted, 1);
    await assert.rejects(track(large(), from('c')), refusal('bytes of one caller'));
    assert.equal((await send('d', 1)).accepted, 1);

    // 21 rows of addresses so far and two large ones; from as many connections as there may be.
    await allow({ all_rows: 200 });
    const answers = await Promise.allSettled(Array.from({ length: 60 }, (_, n) => send(`e${n}`)));
    for (const { reason } of answers) if (reason) refusal('rows of all anonymous callers')(reason);
    await assert.rejects(send('never seen'), refusal('rows of all anonymous callers'));
    assert.equal(
      (await track([anEvent()], { role: 'authenticated', claims: { sub: randomUUID() } })).accepted,
      1,
      'users',
    );
    await allow({ all_bytes: 1000 });
    await assert.rejects(send('never seen'), refusal('bytes of all anonymous callers'));
    const used = await sql(
      `select caller, sum(rows)::int as rows from private.daily_usage where name = 'events' group by 1`,
    );
    const rows = (fits) => used.filter(({ caller }) => fits(caller)).reduce((sum, each) => sum + each.rows, 0);
    assert.equal(
      rows((caller) => caller === 'anonymous'),
      rows((caller) => caller.startsWith('addr ')),
      'nothing is lost',
    );

    // A new day.
    await allow({ rows: 15, all_rows: 200 });
    await sql(`update private.daily_usage set day = day - 1`);
    assert.equal((await send('a')).accepted, 10);
    const [{ old }] = await sql(
      `select count(*)::int as old from private.daily_usage where day < (now() at time zone 'UTC')::date`,
    );
    for (let n = 0; n < old; n += 1) await send(`f${n}`, 1);
    const [{ left }] = await sql(
      `select count(*)::int as left from private.daily_usage where day < (now() at time zone 'UTC')::date`,
    );
    assert.equal(left, 0, 'yesterday is swept');
  } finally {
    await allow(before);
  }
});

test('what is known already, or sent again, uses nothing of the allowance', async () => {
  await sql('truncate private.daily_usage');
  const events = [anEvent(), anEvent()];
  const again = { ...ANON, headers: { 'idempotency-key': randomUUID() } };
  for (const who of [ANON, ANON, again, again]) await track(events, who);
  const [{ rows }] = await sql(`select sum(rows)::int as rows from private.daily_usage where caller like 'addr %'`);
  assert.equal(rows, 2);
});

test('what is kept of a batch of which nothing is stored counts, too', async () => {
  await sql('truncate private.daily_usage');
  const refused = Array.from({ length: 500 }, () => 'malformed');
  const used = async () => {
    const [{ bytes, rows }] = await sql(
      `select coalesce(sum(bytes), 0)::int as bytes, coalesce(sum(rows), 0)::int as rows
       from private.daily_usage where caller like 'addr %'`,
    );
    assert.equal(rows, 0);
    return bytes;
  };
  await track(refused, ANON);
  assert.equal(await used(), 0, 'nothing is kept of it');
  const again = { ...ANON, headers: { 'idempotency-key': randomUUID() } };
  for (const _ of [1, 2]) await track(refused, again);
  const [{ kept }] = await sql(
    `select pg_column_size(answer || '{}')::int as kept from private.idempotency_keys where key = $1`,
    [again.headers['idempotency-key']],
  );
  assert.ok((await used()) >= kept && (await used()) < kept * 2, `${await used()} of ${kept}`);
});

test('times are read in every usual way', async () => {
  const at = Date.now() - 3_600_000;
  const iso = new Date(at).toISOString();
  const noon = new Date(Date.now() - DAY).toISOString().slice(0, 10);
  const cases = [
    [iso, iso],
    [at, iso],
    [`${noon}T10:00:00+02:00`, `${noon}T08:00:00.000Z`],
    [`${noon}T10:00Z`, `${noon}T10:00:00.000Z`],
    [`${noon} 10:00:00`, `${noon}T10:00:00.000Z`],
    [`${noon}T10:00:00.123456789Z`, `${noon}T10:00:00.123Z`],
    [`${noon}T10:00:00-0330`, `${noon}T13:30:00.000Z`],
  ];
  for (const [said, wanted] of cases) {
    const event = anEvent({ occurred_at: said });
    assert.deepEqual(await codes(event), [], `${said}`);
    assert.equal((await stored(event.id)).occurred_at.toISOString(), wanted, `${said}`);
  }
});

test('a clock that is ahead is put back to 24 hours, one that is behind is too old', async () => {
  const ahead = anEvent({ occurred_at: new Date(Date.now() + 3 * DAY).toISOString() });
  const soon = anEvent({ occurred_at: new Date(Date.now() + DAY - 60_000).toISOString() });
  const late = anEvent({ occurred_at: new Date(Date.now() - 5 * DAY + 60_000).toISOString() });
  assert.deepEqual(await track([ahead, soon, late]), { accepted: 3, duplicates: 0, rejected: [] });
  const off = (await stored(ahead.id)).occurred_at.getTime() - Date.now() - DAY;
  assert.ok(Math.abs(off) < 60_000, `${off}`);
  assert.equal((await stored(soon.id)).occurred_at.toISOString(), soon.occurred_at);
  const ofId = anEvent({ id: uuidv7(Date.now() + 20 * DAY) });
  assert.equal((await track(ofId)).accepted, 1);
  assert.ok((await stored(ofId.id)).occurred_at.getTime() < Date.now() + DAY + 60_000);
});

test('an event whose id is months ahead goes with its time, and no other event of that month does', async () => {
  const ahead = anEvent({ id: uuidv7(Date.now() + 40 * DAY) });
  const others = [anEvent(), anEvent({ id: uuidv7(Date.now() + 40 * DAY), occurred_at: new Date().toISOString() })];
  assert.equal((await track([ahead, ...others])).accepted, 3);
  const part = (await stored(ahead.id)).part;
  assert.match(part, /events_20/);
  await transaction(async (query) => {
    await query('delete from analytics.events_undated');
    await query('update analytics.events set occurred_at = $2 where id = $1', [
      others[1].id,
      new Date(Date.now() + 3 * DAY).toISOString(),
    ]);
    await query(`select analytics.delete_undated_events(now() + interval '25 hours')`);
    const left = await query('select id from analytics.events where id = any ($1) order by id', [
      [ahead.id, ...others.map(({ id }) => id)],
    ]);
    assert.deepEqual(left.map(({ id }) => id).sort(), others.map(({ id }) => id).sort());
  });
  await sql('delete from analytics.events where id = any ($1)', [[ahead.id, ...others.map(({ id }) => id)]]);
});

test('an id is stored once: in a batch, later, at once, in another month, and of any kind of UUID', async () => {
  const lastMonth = new Date(Date.now());
  lastMonth.setUTCDate(0);
  const ids = [
    uuidv7(),
    uuidv7(lastMonth.getTime()),
    randomUUID(),
    randomUUID().toUpperCase(),
    '00000000-0000-1000-8000-00000000abcd',
  ];
  const late = new Date(Date.now() - DAY).toISOString();
  const events = ids.map((id) => anEvent({ id, occurred_at: late }));
  assert.deepEqual(await track([...events, ...events]), { accepted: 5, duplicates: 5, rejected: [] });
  // A repetition with another time is the same event all the same.
  const again = events.map((event) => ({ ...event, occurred_at: new Date().toISOString() }));
  assert.deepEqual(await track(again), { accepted: 0, duplicates: 5, rejected: [] });
  const fresh = Array.from({ length: 40 }, (_, n) => anEvent(n % 2 ? { id: randomUUID() } : {}));
  const shuffled = () => [...fresh].sort(() => Math.random() - 0.5);
  const answers = await Promise.all(Array.from({ length: 20 }, () => track(shuffled())));
  const sum = (field) => answers.reduce((total, answer) => total + answer[field], 0);
  assert.deepEqual([sum('accepted'), sum('duplicates')], [40, 19 * 40]);
  const [{ count }] = await sql('select count(*)::int from analytics.events where name = any ($1)', [
    fresh.map(({ name }) => name),
  ]);
  assert.equal(count, 40);
});

test('an event lies in the month of its id', async () => {
  const event = anEvent();
  const undated = anEvent({ id: randomUUID() });
  await track([event, undated]);
  const month = new Date().toISOString().slice(0, 7).replace('-', '_');
  assert.equal((await stored(event.id)).part, `analytics.events_${month}`);
  const [{ part }] = await sql('select tableoid::regclass::text as part from analytics.events where name = $1', [
    undated.name,
  ]);
  assert.equal(part, 'analytics.events_undated');
});

test('a reader of all events, as a backup is, keeps a month from being dropped and nothing else, and no writer waits for it', async () => {
  const month = "(date_trunc('month', now() at time zone 'UTC') - interval '7 months')";
  await sql(`select analytics.make_partition(
      'events_' || to_char(${month}, 'YYYY_MM'), analytics.first_id(${month} at time zone 'UTC'),
      analytics.first_id((${month} + interval '1 month') at time zone 'UTC'))`);
  await sql(`insert into private.event_months (month) values (${month})`);
  const old = '00000000-0000-7000-8000-0000000000aa';
  await sql(
    `insert into analytics.events (id, type, name, occurred_at) values ($1, 'system', 'old', now() - interval '91 days')`,
    [old],
  );
  const job = async (name) => (await sql('select edge.run_job($1) as result', [name]))[0].result;
  const months = () => sql(`select from private.event_months where month = ${month}`);
  await transaction(async (query) => {
    await query('lock table analytics.events in access share mode');
    const event = anEvent();
    const writing = async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await as(onBehalf(SERVICE), async (run) => {
        // As the role edge has it.
        await run(`set local lock_timeout = '1s'`);
        await run('select analytics.track_events($1::jsonb)', [JSON.stringify([event])]);
      });
    };
    const [dropped] = await Promise.all([job('drop_event_partitions'), writing()]);
    assert.match(dropped.error, /^55P03/);
    assert.equal((await job('cleanup_old_data')).error, null);
    assert.equal(await stored(old), undefined);
    assert.ok(await stored(event.id));
  });
  assert.equal((await months()).length, 1);
  assert.equal((await job('drop_event_partitions')).error, null);
  assert.equal((await months()).length, 0);
});

/** Tables as the planner sees them right after most of their rows were deleted: many pages, hardly a row. */
const takeForEmpty = (query, table) =>
  query('update pg_class set reltuples = 1, relpages = 1000 where oid = $1::regclass', [table]);

for (const statistics of ['of now', 'of an empty table']) {
  test(`undated events that are not old are not read when old ones are deleted: statistics ${statistics}`, async () => {
    await transaction(async (query) => {
      await query(`insert into analytics.events (id, type, name, occurred_at)
        select analytics.undated_id(gen_random_uuid()), 'page_view', 'undated', now() - case when n <= 100 then interval '91 days' else '1 day' end
        from generate_series(1, 20000) as n`);
      await query('analyze analytics.events_undated');
      if (statistics !== 'of now') await takeForEmpty(query, 'analytics.events_undated');
      const drop = async () => {
        const blocks = async () => {
          const [{ fetched }] = await query(
            `select sum(pg_stat_get_xact_blocks_fetched(c.oid))::int as fetched from pg_class as c
             where c.oid = 'analytics.events_undated'::regclass
               or c.oid in (select indexrelid from pg_index where indrelid = 'analytics.events_undated'::regclass)`,
          );
          return fetched;
        };
        const before_ = await blocks();
        const [{ rows }] = await query(
          `select analytics.delete_undated_events(now() - interval '90 days')::int as rows`,
        );
        return { rows, read: (await blocks()) - before_ };
      };
      assert.equal((await drop()).rows, 100);
      await drop();
      const { rows, read } = await drop();
      assert.equal(rows, 0);
      assert.ok(read <= 40, `${read} blocks were read`);
    });
  });

  test(`counts whose actors are gone are not looked at again: statistics ${statistics}`, async () => {
    await transaction(async (query) => {
      const add = (days) =>
        query(
          `with made as (
             insert into analytics.event_aggregations (id, event_type, event_name, granularity, time_bucket, event_count)
             select gen_random_uuid(), 'system', 'old ' || n, 'hour', date_trunc('hour', now() - make_interval(days => $1)), 1
             from generate_series(1, 2000) as n
             returning id
           )
           insert into private.event_actors (aggregation_id, kind, actor) select made.id, 's', made.id from made`,
          [days],
        );
      const drop = async () => {
        let rows;
        const read = await rowsRead(query, `relname in ('event_aggregations', 'event_actors')`, async () => {
          [{ rows }] = await query(
            `select analytics.drop_old_counts(now() - interval '90 days', now() - interval '121 days')::int as rows`,
          );
        });
        return { rows, read };
      };
      for (const days of [400, 399, 2]) await add(days);
      await query('analyze analytics.event_aggregations, private.event_actors');
      if (statistics !== 'of now') {
        for (const table of ['analytics.event_aggregations', 'private.event_actors']) await takeForEmpty(query, table);
      }
      const first = await drop();
      assert.equal(first.rows, 4000);
      assert.ok(first.read <= 15_000, `${first.read} rows were read`);
      await add(130);
      const second = await drop();
      assert.equal(second.rows, 2000);
      assert.ok(second.read <= 7500, `${second.read} rows were read`);
      const third = await drop();
      assert.equal(third.rows, 0);
      assert.ok(third.read <= 50, `${third.read} rows were read`);
    });
  });
}

test('nothing escapes the watermark: what is written slowly is counted when it is there', async () => {
  await rollUp();
  const slow = new pg.Client({ connectionString: stack.database_url });
  await slow.connect();
  try {
    const first = anEvent();
    const second = anEvent();
    await slow.query('begin');
    await slow.query('select analytics.track_events($1::jsonb)', [JSON.stringify([first])]);
    // It has its number and is not committed; the next one has a higher number.
    const counting = track([second]).then(() => rollUp());
    await new Promise((resolve) => setTimeout(resolve, 300));
    await slow.query('commit');
    await counting;
    await rollUp();
    const rows = await sql(
      `select event_count::int from analytics.event_aggregations where granularity = 'day' and event_name = any ($1)`,
      [[first.name, second.name]],
    );
    assert.deepEqual(
      rows.map(({ event_count: count }) => count),
      [1, 1],
    );
  } finally {
    await slow.end();
  }
});

test('a slow batch does not block other batches, and does not stop the counting', async () => {
  await rollUp();
  const connect = async (options) => {
    const client = new pg.Client({ connectionString: stack.database_url, options });
    await client.connect();
    return client;
  };
  const slow = [await connect(), await connect()];
  // As the role edge has it.
  const job = await connect('-c lock_timeout=1s');
  const run = async () => (await job.query('select analytics.process_pending_events()::int as rows')).rows[0].rows;
  const begin = async (client) => {
    const event = anEvent();
    await client.query('begin');
    await client.query('insert into analytics.events (id, type, name, occurred_at) values ($1, $2, $3, now())', [
      event.id,
      event.type,
      event.name,
    ]);
    return event;
  };
  const counted = async ({ name }) => {
    const [row] = await sql(
      `select sum(event_count)::int as count from analytics.event_aggregations where granularity = 'day' and event_name = $1`,
      [name],
    );
    return row.count ?? 0;
  };
  try {
    const first = await begin(slow[0]);
    const running = run();
    await new Promise((resolve) => setTimeout(resolve, 200));
    const fast = anEvent();
    const began = Date.now();
    await track([fast]);
    assert.ok(Date.now() - began < 600, `${Date.now() - began} ms`);
    assert.equal(await running, 0);
    assert.deepEqual([await counted(first), await counted(fast)], [0, 0]);
    // Another slow one has begun when the first one ends.
    const second = await begin(slow[1]);
    await slow[0].query('commit');
    const upto = await run();
    assert.equal(await counted(first), 1, `${upto} rows`);
    await slow[1].query('commit');
    await rollUp();
    assert.deepEqual([await counted(first), await counted(fast), await counted(second)], [1, 1, 1]);
  } finally {
    for (const client of [...slow, job]) await client.end();
  }
  assert.deepEqual(await aggregated(), await freshCount());
});

test('two runs at once count nothing twice', async () => {
  await rollUp();
  await track(Array.from({ length: 300 }, (_, n) => anEvent({ session_id: `s${n % 7}` })));
  await Promise.all([rollUp(), rollUp(), rollUp(), rollUp()]);
  assert.equal(await rollUp(), 0);
  assert.deepEqual(await aggregated(), await freshCount());
});

/** Numbers from a seed, so that a failure can be had again. */
const generator = (seed) => {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state % below;
  };
};

test('roll-ups equal a fresh count of the events, for any events in any order', async () => {
  await sql('truncate analytics.events, analytics.event_aggregations, private.event_actors');
  const seed = Number(process.env.SEED ?? randomInt(2 ** 31));
  const pick = generator(seed);
  const users = Array.from({ length: 6 }, () => randomUUID());
  const known = [];
  for (let round = 0; round < 25; round += 1) {
    const batch = Array.from({ length: pick(60) }, () => {
      // A part of them comes again.
      if (known.length > 0 && pick(5) === 0) return known[pick(known.length)];
      const at = Date.now() - pick(5 * DAY - 60_000) + pick(2) * pick(DAY);
      const event = {
        id: pick(3) ? uuidv7(at) : randomUUID(),
        type: ['page_view', 'conversion'][pick(2)],
        name: `n${pick(4)}`,
        ...(pick(3) && { session_id: `s${pick(9)}` }),
        ...(pick(2) && { user_id: users[pick(users.length)] }),
        ...(pick(2) && { country: ['DE', 'FR'][pick(2)] }),
        occurred_at: new Date(at).toISOString(),
      };
      known.push(event);
      return event;
    });
    const half = pick(batch.length + 1);
    await Promise.all([
      track(batch.slice(0, half)),
      track(batch.slice(half)),
      ...(pick(3) ? [rollUp(1 + pick(40))] : []),
    ]);
    if (pick(4) === 0) {
      await rollUp();
      assert.deepEqual(await aggregated(), await freshCount(), `seed ${seed}, round ${round}`);
    }
  }
  await rollUp();
  const wanted = await freshCount();
  assert.ok(wanted.length > 300, `${wanted.length}`);
  assert.deepEqual(await aggregated(), wanted, `seed ${seed}`);
});

test('a minute with many events is not read again for the next ones, nor when one of it is forgotten', async () => {
  await rollUp();
  const minute = `date_trunc('minute', now(), 'UTC')`;
  await transaction(async (query) => {
    const add = (from, to) =>
      query(
        `insert into analytics.events (id, type, name, user_id, session_id, occurred_at)
         select analytics.undated_id(gen_random_uuid()), 'page_view', 'busy', md5('u' || n % 300)::uuid, 's' || n % 500,
           ${minute} + n % 60 * interval '1 second'
         from generate_series($1::int, $2::int) as n`,
        [from, to],
      );
    const isEvents = `relid in (select inhrelid from pg_inherits where inhparent = 'analytics.events'::regclass)`;
    const counted = async (statement) => {
      let rows;
      const read = await rowsRead(query, isEvents, async () => {
        [{ rows }] = await query(statement);
      });
      return { rows, read };
    };
    const busy = async () => {
      const [row] = await query(
        `select event_count::int, unique_users::int, unique_sessions::int from analytics.event_aggregations
         where granularity = 'minute' and event_name = 'busy'`,
      );
      return Object.values(row);
    };
    await add(1, 20_000);
    await query('analyze analytics.events_undated');
    // A part of a run may end with its time.
    for (let rows = 1; rows > 0; ) [{ rows }] = await query('select analytics.process_pending_events()::int as rows');
    assert.deepEqual(await busy(), [20_000, 300, 500]);
    await query(`insert into analytics.events (id, type, name, session_id, occurred_at)
      select analytics.undated_id(gen_random_uuid()), 'page_view', 'busy', 'other ' || n % 10, ${minute} from generate_series(1, 100) as n`);
    const { rows, read } = await counted('select analytics.process_pending_events()::int as rows');
    assert.equal(rows, 100);
    assert.ok(read <= 5000, `${read} events were read for 100`);
    assert.deepEqual(await busy(), [20_100, 300, 510]);
    const forgotten = await counted(
      `select private.forget_events(array(select id from analytics.events where session_id = 'other 3'))::int as rows`,
    );
    assert.equal(forgotten.rows, 10);
    assert.ok(forgotten.read <= 5000, `${forgotten.read} events were read for 10`);
    assert.deepEqual(await busy(), [20_090, 300, 509]);
  });
});

test('what is forgotten is counted no more', async () => {
  const ids = (await sql('select id from analytics.events order by md5(id::text)')).map(({ id }) => id);
  for (const part of [ids.slice(0, 1), ids.slice(1, 60), ids.slice(60, 61), ids.slice(61, 300)]) {
    const [{ gone }] = await sql('select private.forget_events($1::uuid[])::int as gone', [part]);
    assert.equal(gone, part.length);
    assert.deepEqual(await aggregated(), await freshCount());
  }
  // Some that nobody has counted yet.
  await track(Array.from({ length: 30 }, (_, n) => anEvent({ session_id: `late${n % 3}`, name: 'late' })));
  const late = (await sql(`select id from analytics.events where name = 'late' limit 10`)).map(({ id }) => id);
  await sql('select private.forget_events($1::uuid[])', [late]);
  await rollUp();
  assert.deepEqual(await aggregated(), await freshCount());
});

test('a day has 24 hours, in any time zone of the session', async () => {
  // The night in which Berlin's clocks go back.
  const [{ id }] = await sql(
    `insert into analytics.events (id, type, name, session_id, occurred_at)
     select analytics.undated_id(gen_random_uuid()), 'page_view', 'night', 'night', at
     from unnest(array['2026-10-25T12:00:00Z', '2026-10-26T00:30:00Z']::timestamptz[]) as at returning id`,
  );
  await rollUp();
  const client = new pg.Client({ connectionString: stack.database_url });
  await client.connect();
  try {
    await client.query(`set timezone = 'Europe/Berlin'`);
    await client.query('select private.forget_events(array[$1::uuid])', [id]);
  } finally {
    await client.end();
  }
  assert.deepEqual(await aggregated(), await freshCount());
});

test('events and what they add up to are for admins', async () => {
  for (const table of ['analytics.events', 'analytics.event_aggregations', 'analytics.metrics']) {
    const user = { role: 'authenticated', claims: { sub: randomUUID(), user_metadata: { role: 'admin' } } };
    assert.deepEqual(await as(user, (run) => run(`select * from ${table}`)), []);
    await assert.rejects(
      as(ANON, (run) => run(`select * from ${table}`)),
      /permission denied/,
    );
    const admin = { role: 'authenticated', claims: { sub: randomUUID(), app_metadata: { role: 'admin' } } };
    const rows = await as(admin, (run) => run(`select count(*)::int as count from ${table}`));
    assert.equal(rows.length, 1);
    for (const who of [user, admin, SERVICE])
      await assert.rejects(
        as(who, (run) => run(`update ${table} set created_at = now() where true`)),
        /permission denied|does not exist/,
      );
  }
});

test('what is past retention is forgotten: minutes, and who was in a bucket; the counts stay', async () => {
  await rollUp();
  const counts = async () =>
    (
      await sql(
        `select granularity, sum(event_count)::int as events, sum(unique_users)::int as users from analytics.event_aggregations group by 1`,
      )
    ).filter(({ granularity }) => granularity !== 'minute');
  const before_ = await counts();
  assert.ok(before_.length === 4);
  const [{ gone }] = await sql(
    `select analytics.drop_old_counts(now() + interval '2 days', now() + interval '40 days')::int as gone`,
  );
  assert.ok(gone > 100, `${gone}`);
  assert.deepEqual(await sql('select from private.event_actors'), []);
  assert.deepEqual(await sql(`select from analytics.event_aggregations where granularity = 'minute'`), []);
  assert.deepEqual(await counts(), before_);
  // What is gone would be missed by other files.
  await sql(`update private.event_watermark set actors_deleted_to = '-infinity'`);
  await sql('truncate analytics.events, analytics.event_aggregations, private.event_actors');
});

test('partitions are made ahead, and those that are past retention go', async () => {
  const months = async () =>
    (await sql(`select to_char(month, 'YYYY_MM') as month from private.event_months order by 1`)).map(
      ({ month }) => month,
    );
  const parts = async () =>
    (
      await sql(`select right(inhrelid::regclass::text, 7) as month from pg_inherits where inhparent = 'analytics.events'::regclass
      and inhrelid::regclass::text <> 'analytics.events_undated' order by 1`)
    ).map(({ month }) => month);
  // The month may have changed since the system was set up.
  await sql('select analytics.make_event_partitions()');
  const [{ this_month, last_month }] = await sql(
    `select to_char(now() at time zone 'UTC', 'YYYY_MM') as this_month,
       (date_trunc('month', now() at time zone 'UTC') - interval '1 month')::date::text as last_month`,
  );
  const at_first = await months();
  assert.deepEqual(await parts(), at_first);
  assert.ok(at_first.length >= 5, 'last month, this one, three ahead');
  const [{ made }] = await sql('select analytics.make_event_partitions(5)::int as made');
  assert.equal(made, 2);
  assert.equal((await sql('select analytics.make_event_partitions(5)::int as made'))[0].made, 0);
  assert.deepEqual(await parts(), await months());
  const old_id = uuidv7(new Date(new Date().setUTCDate(0)).getTime());
  const late = new Date(Date.now() - DAY).toISOString();
  await track([anEvent({ id: old_id, occurred_at: late })]);
  await sql(`select analytics.drop_event_partitions(date_trunc('month', now() at time zone 'UTC') at time zone 'UTC')`);
  assert.equal(await stored(old_id), undefined);
  assert.deepEqual(await months(), [...at_first.filter((month) => month >= this_month), ...(await months()).slice(-2)]);
  assert.deepEqual(await parts(), await months());
  const old = anEvent({ id: uuidv7(Date.UTC(2026, 0, 5)), occurred_at: new Date().toISOString() });
  assert.deepEqual(await codes(old), ['id_time']);
  // The month that is gone would be missed by other files.
  await sql(
    `select analytics.make_partition('events_' || to_char($1::timestamp, 'YYYY_MM'),
       analytics.first_id($1::timestamp at time zone 'UTC'), analytics.first_id(($1::timestamp + interval '1 month') at time zone 'UTC'))`,
    [last_month],
  );
  await sql('insert into private.event_months (month) values ($1)', [last_month]);
});
