// Code generations and usage: what counts against a limit, what it costs, and that users can change neither.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { waitFor } from '../../../dev/process.js';
import { as, close, sql, transaction } from '../../support/stack.js';
import { call, makeUser, refused } from '../support/tasks.js';

const SERVICE = { role: 'service_role' };
const signedIn = (sub) => ({ role: 'authenticated', claims: { sub } });
let service;
let unpriced;
before(async () => {
  await sql(`update private.limit_rules set burst = 100000 where name = 'generations'`);
  const add = async (model) =>
    (
      await sql(
        `insert into flashfusion.ai_services (name, provider, model_name) values ('Priced', 'usage-test', $1) returning id`,
        [model],
      )
    )[0].id;
  service = await add('priced');
  unpriced = await add('unpriced');
  await sql(`insert into private.model_prices (provider, model, effective_from, input_micro, output_micro, cache_read_micro, cache_write_micro)
    values ('usage-test', 'priced', now() - interval '1 day', 3000000, 15000000, 300000, 3750000)`);
});
after(async () => {
  await sql(`update private.limit_rules set burst = 300 where name = 'generations'`);
  await sql(`delete from flashfusion.code_generations where ai_service_id = any ($1)`, [[service, unpriced]]);
  await sql(`delete from flashfusion.ai_services where provider = 'usage-test'`);
  await sql(`delete from private.model_prices where provider = 'usage-test'`);
  await close();
});

/** A user with a project. */
const maker = async (limit) => {
  const sub = await makeUser();
  if (limit !== undefined) await sql('update flashfusion.users set api_usage_limit = $2 where id = $1', [sub, limit]);
  const [{ id: project }] = await sql(
    `insert into flashfusion.projects (user_id, name) values ($1, 'Usage') returning id`,
    [sub],
  );
  return { sub, project };
};
const begin = ({ sub, project }, given = {}) =>
  as(signedIn(sub), async (query) => {
    const text = 'select * from flashfusion.start_generation($1, $2, $3)';
    return (await query(text, [given.project ?? project, given.service ?? service, 'Write a button']))[0];
  });
const end = (id, given) =>
  as(SERVICE, async (query) => {
    const names = Object.keys(given);
    const list = ['id => $1', ...names.map((name, at) => `${name} => $${at + 2}`)].join(', ');
    return (await query(`select * from flashfusion.finish_generation(${list})`, [id, ...Object.values(given)]))[0];
  });
const summary = (sub) => call(signedIn(sub), 'usage_summary', {});
const counted = async (sub) =>
  (await sql('select api_usage_count::int as n from flashfusion.users where id = $1', [sub]))[0].n;

test('a code generation reserves a call, and settles it with its tokens and its cost', async () => {
  const one = await maker();
  const made = await begin(one);
  assert.deepEqual([made.status, made.user_id], ['pending', one.sub]);
  assert.deepEqual(
    [(await summary(one.sub)).calls.reserved, (await summary(one.sub)).calls.used, await counted(one.sub)],
    [1, 0, 0],
  );
  const done = await end(made.id, {
    generated_code: '<button>',
    input_tokens: 1000,
    output_tokens: 333,
    cache_read_tokens: 7,
    cache_write_tokens: 1,
  });
  // 1000 * 3 + 333 * 15 + 7 * 0.3 + 1 * 3.75 = 8000.85 micro-USD, rounded up once.
  assert.deepEqual([done.status, Number(done.tokens_used), Number(done.cost_estimate)], ['completed', 1341, 8001]);
  const { events, tokens, cost_micro: cost, calls } = await summary(one.sub);
  assert.deepEqual([events, tokens, cost, calls.used, calls.reserved], [1, 1341, 8001, 1, 0]);
  assert.equal(await counted(one.sub), 1);
  const rows = await as(signedIn(one.sub), (query) => query('select * from flashfusion.usage_analytics'));
  assert.deepEqual(
    rows.map((row) => [row.event_type, Number(row.cost_incurred), row.event_data.is_priced]),
    [['code_generation', 8001, true]],
  );
  await assert.rejects(end(made.id, { input_tokens: 1 }), refused('RG612', 409), 'a second time');
  assert.equal(await counted(one.sub), 1);
});

test('a call that the provider has not taken does not count; one without a price counts, and says so', async () => {
  const one = await maker();
  const failed = await end((await begin(one)).id, { error: 'The provider is overloaded' });
  assert.deepEqual([failed.status, failed.error_message], ['failed', 'The provider is overloaded']);
  assert.deepEqual([await counted(one.sub), (await summary(one.sub)).events], [0, 0]);
  const free = await end((await begin(one, { service: unpriced })).id, { input_tokens: 5, output_tokens: 5 });
  assert.equal(free.cost_estimate, null);
  assert.equal(await counted(one.sub), 1);
  const [row] = await sql(
    'select event_data, cost_incurred::int as cost from flashfusion.usage_analytics where user_id = $1',
    [one.sub],
  );
  assert.deepEqual([row.event_data.is_priced, row.cost], [false, 0]);
});

test('a generation whose row or project is deleted before its end counts all the same, once', async () => {
  const one = await maker(2);
  const [first, second] = [await begin(one), await begin(one)];
  const remove = (table, id) =>
    as(signedIn(one.sub), (query) => query(`delete from flashfusion.${table} where id = $1`, [id]));
  await remove('code_generations', first.id);
  await assert.rejects(begin(one), refused('RG574', 429), 'it frees no call');
  const done = await end(first.id, { generated_code: 'x', input_tokens: 1000 });
  assert.deepEqual([done.id, done.status, Number(done.cost_estimate)], [first.id, 'completed', 3000]);
  await remove('projects', one.project);
  await end(second.id, { input_tokens: 1000 });
  const { tokens, cost_micro: cost, calls } = await summary(one.sub);
  assert.deepEqual([tokens, cost, calls.used, calls.reserved, await counted(one.sub)], [2000, 6000, 2, 0, 2]);
  for (const { id } of [first, second]) await assert.rejects(end(id, { input_tokens: 1 }), refused('RG618', 404));
  const third = await maker(1);
  const { id } = await begin(third);
  await sql('select private.erase_account($1)', [third.sub]);
  await assert.rejects(end(id, { input_tokens: 1 }), refused('RG618', 404), 'of an erased user nothing is stored');
});

test('of 200 generations at once exactly 37 pass where there is room for 37', async () => {
  for (let run = 0; run < 3; run += 1) {
    const one = await maker(37);
    const results = await Promise.allSettled(Array.from({ length: 200 }, () => begin(one)));
    const passed = results.filter(({ status }) => status === 'fulfilled');
    assert.equal(passed.length, 37);
    for (const { reason } of results.filter(({ status }) => status === 'rejected')) refused('RG574', 429)(reason);
    // None of those that were refused has left a row.
    const rows = await sql('select from flashfusion.code_generations where user_id = $1', [one.sub]);
    assert.equal(rows.length, 37);
    // What ends frees nothing that was spent; what fails does.
    await end(passed[0].value.id, { input_tokens: 1 });
    await assert.rejects(begin(one), refused('RG574', 429));
    await end(passed[1].value.id, { error: 'none' });
    await begin(one);
    await assert.rejects(begin(one), refused('RG574', 429));
  }
});

test('the limit is that of the tier at the moment of the call', async () => {
  const one = await maker(1);
  await begin(one);
  await assert.rejects(begin(one), refused('RG574', 429));
  await sql('update flashfusion.users set api_usage_limit = 2 where id = $1', [one.sub]);
  await begin(one);
  await sql('update flashfusion.users set api_usage_limit = 0 where id = $1', [one.sub]);
  await assert.rejects(begin(one), refused('RG574', 429));
});

test('users change neither usage nor limits, and see only their own', async () => {
  const [one, other] = [await maker(5), await maker(5)];
  const made = await begin(one);
  await end(made.id, { input_tokens: 10 });
  for (const change of [
    'update flashfusion.users set api_usage_limit = 1000000 where id = $1',
    'update flashfusion.users set api_usage_count = 0 where id = $1',
    `update flashfusion.users set subscription_tier = 'enterprise' where id = $1`,
    'update flashfusion.usage_analytics set cost_incurred = 0 where user_id = $1',
    'delete from flashfusion.usage_analytics where user_id = $1',
    `insert into flashfusion.usage_analytics (user_id, event_type) values ($1, 'mine')`,
    'update flashfusion.code_generations set tokens_used = 0 where user_id = $1',
    `update flashfusion.code_generations set status = 'pending' where user_id = $1`,
    'update private.usage_totals set tokens = 0 where user_id = $1',
    'delete from private.generation_reservations where generation_id = $1',
  ]) {
    await assert.rejects(
      as(signedIn(one.sub), (query) => query(change, [one.sub])),
      { code: '42501' },
      change,
    );
  }
  // A rating is the user's; a deleted generation stays counted.
  await as(signedIn(one.sub), (query) =>
    query('update flashfusion.code_generations set quality_score = 8 where id = $1', [made.id]),
  );
  await as(signedIn(one.sub), (query) => query('delete from flashfusion.code_generations where id = $1', [made.id]));
  assert.deepEqual([(await summary(one.sub)).calls.used, (await summary(one.sub)).tokens], [1, 10]);
  assert.equal((await summary(other.sub)).tokens, 0);
  const seen = await as(signedIn(other.sub), (query) =>
    query('select id from flashfusion.usage_analytics union all select id from flashfusion.code_generations'),
  );
  assert.deepEqual(seen, []);
  await assert.rejects(begin(other, { project: one.project }), refused('RG614', 422));
  await assert.rejects(begin(other, { project: randomUUID() }), refused('RG614', 422), 'with the same answer');
  await assert.rejects(begin(other, { service: randomUUID() }), refused('RG619', 422));
  for (const who of [signedIn(one.sub), { role: 'anon' }]) {
    await assert.rejects(call(who, 'finish_generation', { id: made.id }), { code: '42501' });
  }
});

test('an erased user’s token begins no generation', async () => {
  const one = await maker(5);
  await sql('select private.mark_erased($1)', [one.sub]);
  await assert.rejects(begin(one), refused('RG521', 403));
});

test('usage adds up, however many write at once', async () => {
  const users = [randomUUID(), randomUUID(), randomUUID()];
  const uses = Array.from({ length: 1200 }, (_, n) => ({
    sub: users[n % 3],
    tokens: (n * 7919) % 5000,
    cost: (n * 104_729) % 1_000_003,
  }));
  const left = [...uses];
  const worker = async () => {
    for (let use = left.pop(); use; use = left.pop())
      await sql('select private.spend($1, null, $2, $3, $4)', [use.sub, 'test', use.tokens, use.cost]);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  for (const sub of users) {
    const mine = uses.filter((use) => use.sub === sub);
    const wanted = { events: 400, tokens: 0, cost: 0 };
    for (const { tokens, cost } of mine) {
      wanted.tokens += tokens;
      wanted.cost += cost;
    }
    const [totals] = await sql(
      `select sum(events)::int as events, sum(tokens)::int as tokens, sum(cost_micro)::float8 as cost from private.usage_totals where user_id = $1`,
      [sub],
    );
    const [rows] = await sql(
      `select count(*)::int as events, sum(api_tokens_used)::int as tokens, sum(cost_incurred)::float8 as cost
       from flashfusion.usage_analytics where user_id = $1`,
      [sub],
    );
    assert.deepEqual(totals, wanted);
    assert.deepEqual(rows, wanted);
  }
});

test('in a new month the calls of a user count from 0', async () => {
  const [one, other] = [await maker(5), await maker(5)];
  for (const user of [one, other]) await end((await begin(user)).id, { input_tokens: 1 });
  await sql(
    `update private.budgets set period_start = period_start - interval '1 month' where scope = 'flashfusion.calls' and owner = $1`,
    [one.sub],
  );
  await sql('select private.clean_usage()');
  assert.deepEqual([await counted(one.sub), await counted(other.sub)], [0, 1]);
  assert.equal((await summary(one.sub)).calls.used, 0);
});

test('partitions are there for months to come, and old ones go', async () => {
  // The month may have changed since the system was set up.
  await sql('select private.make_usage_partitions()');
  assert.deepEqual(await sql('select private.make_usage_partitions()::int as made'), [{ made: 0 }]);
  const [{ ahead }] = await sql(
    `select to_regclass('private.usage_analytics_' || to_char((now() at time zone 'UTC') + interval '3 months', 'YYYY_MM')) as ahead`,
  );
  assert.ok(ahead);
  await sql(`create table private.usage_analytics_2020_01 partition of flashfusion.usage_analytics
    for values from ('2020-01-01 00:00:00+00') to ('2020-02-01 00:00:00+00')`);
  // A reader of all months, such as a backup, keeps no caller waiting for longer than a caller waits.
  await transaction(async (query) => {
    await query('lock table flashfusion.usage_analytics in access share mode');
    const writing = async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      await transaction(async (write) => {
        await write(`set local lock_timeout = '1s'`);
        await write('lock table flashfusion.usage_analytics in row exclusive mode');
      });
    };
    const [{ result }] = (await Promise.all([sql(`select edge.run_job('clean_usage') as result`), writing()]))[0];
    assert.match(result.error, /^55P03/);
  });
  assert.deepEqual(await sql('select private.clean_usage()::int as dropped'), [{ dropped: 1 }]);
  assert.deepEqual(await sql(`select to_regclass('private.usage_analytics_2020_01') as name`), [{ name: null }]);
});

test('everybody reads the prices of active services, and of nothing else', async () => {
  const price = (who, row) =>
    as(who, async (query) => {
      const text = 'select flashfusion.price(jsonb_populate_record(null::flashfusion.ai_services, $1)) as price';
      return (await query(text, [JSON.stringify(row)]))[0].price;
    });
  const [row] = await sql('select to_jsonb(s) as row from flashfusion.ai_services as s where id = $1', [service]);
  const forged = { ...row.row, id: unpriced };
  for (const who of [{ role: 'anon' }, signedIn(randomUUID()), SERVICE]) {
    assert.equal((await price(who, row.row)).input_micro, 3_000_000);
    assert.equal(await price(who, forged), null, 'the row that is stored counts');
    assert.equal(await price(who, { provider: 'usage-test', model_name: 'priced', is_active: true }), null);
  }
  await sql('update flashfusion.ai_services set is_active = false where id = $1', [service]);
  try {
    assert.equal(await price({ role: 'anon' }, row.row), null);
    assert.equal((await price(SERVICE, row.row)).input_micro, 3_000_000);
  } finally {
    await sql('update flashfusion.ai_services set is_active = true where id = $1', [service]);
  }
});

test('an address is stored as its network', async () => {
  const sub = randomUUID();
  await sql(`select private.spend($1, null, 'test', 0, 0, '{}', inet '203.0.113.77')`, [sub]);
  await sql(`select private.spend($1, null, 'test', 0, 0, '{}', inet '2001:db8:1:2:3::4')`, [sub]);
  const rows = await sql('select ip_address from flashfusion.usage_analytics where user_id = $1 order by 1', [sub]);
  assert.deepEqual(
    rows.map(({ ip_address: address }) => address),
    ['203.0.113.0/24', '2001:db8:1::/48'],
  );
});

test('an erasure that meets the end of a generation waits for it', async () => {
  const one = await maker();
  const made = await begin(one);
  let erased;
  await as(SERVICE, async (query) => {
    await query('reset role');
    // As finish_generation begins.
    await query('select from flashfusion.code_generations where id = $1 for update', [made.id]);
    erased = sql('select private.erase_flashfusion_users(array[$1::uuid]) as counts', [one.sub]);
    await waitFor('the erasure to wait', async () => {
      const [{ n }] = await sql(
        `select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'erase_flashfusion_users'`,
      );
      return n > 0;
    });
    await query('select flashfusion.finish_generation($1, input_tokens => 5)', [made.id]);
  });
  const [{ counts }] = await erased;
  assert.deepEqual([counts['flashfusion.code_generations'], counts['flashfusion.usage_analytics']], [1, 1]);
});

test('a generation that no worker ends within a day fails, and its call is free; until then it is reserved', async () => {
  const one = await maker(1);
  const made = await begin(one);
  const later = (hours) =>
    sql(
      `with earlier as (update private.generation_reservations set created_at = created_at - make_interval(hours => $2)
         where generation_id = $1 returning reservation)
       update private.reservations as r set expires_at = r.expires_at - make_interval(hours => $2)
       from earlier as e where r.id = e.reservation`,
      [made.id, hours],
    );
  const pass = () => sql('select private.fail_generations(), private.release_reservations()');
  await later(23);
  await pass();
  await assert.rejects(begin(one), refused('RG574', 429));
  await later(1);
  await pass();
  const [row] = await sql('select status, error_message from flashfusion.code_generations where id = $1', [made.id]);
  assert.deepEqual(row, { status: 'failed', error_message: 'No worker has ended it within a day.' });
  await assert.rejects(end(made.id, { input_tokens: 1 }), refused('RG612', 409));
  assert.equal((await begin(one)).status, 'pending');
  // One whose row was deleted leaves nothing behind.
  await sql('delete from flashfusion.code_generations where user_id = $1', [one.sub]);
  await sql(`update private.generation_reservations set created_at = now() - interval '2 days' where user_id = $1`, [
    one.sub,
  ]);
  await pass();
  assert.deepEqual(await sql('select from private.generation_reservations where user_id = $1', [one.sub]), []);
  assert.equal((await begin(one)).status, 'pending');
});
