// Costs: a record is priced by the list of its time; what has no price is shown as unpriced; a later list changes a cost only when asked.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, afterEach, test } from 'node:test';
import { as, close, sql, transaction } from '../../support/stack.js';
import { call, conversation, differences, forget, makeProject, records, response, store } from '../support/entries.js';

const owners = [];
const project = async () => {
  const made = await makeProject();
  owners.push(made.owner);
  return made;
};
afterEach(async () => {
  await sql(`delete from private.model_prices where model like 'priced-%'`);
  await sql(`delete from private.model_rules where model like 'priced-%'`);
});
after(async () => {
  await forget(owners);
  await close();
});

const list = (rows) =>
  Promise.all(
    rows.map((given) => {
      const row = {
        provider: 'anthropic',
        model: 'priced-large',
        effective_from: '2020-01-01',
        input_micro: 3_000_000,
        ...given,
      };
      row.output_micro ??= 15_000_000;
      const names = Object.keys(row);
      return sql(
        `insert into private.model_prices (${names}) values (${names.map((_, n) => `$${n + 1}`)})`,
        Object.values(row),
      );
    }),
  );
const used = (model, tokens, given) => response(`msg_${randomUUID()}`, { model, tokens, ...given });
const costs = async (who) => (await records(who)).map(({ cost_micro_usd: cost }) => cost);
const reprice = ({ owner, project: id }, given = {}) =>
  as({ role: 'authenticated', claims: { sub: owner } }, async (query) => {
    const [{ receipt }] = await query('select observatory.reprice($1, $2, $3) as receipt', [
      id,
      given.list ?? null,
      given.dry_run ?? false,
    ]);
    return receipt;
  });
const refused = (code, status) => (error) => {
  assert.deepEqual([JSON.parse(error.message).code, JSON.parse(error.detail).status], [code, status]);
  return true;
};

test('each kind of token costs its own price, rounded up once', async () => {
  await list([{ cache_read_micro: 300_000, cache_write_micro: 3_750_000, cache_write_1h_micro: 6_000_000 }]);
  const who = await project();
  await store(who, 'one', [
    used('priced-large', { input: 1000, output: 333, cache_read: 7, cache_write_5m: 1, cache_write_1h: 2 }),
  ]);
  const [record] = await records(who);
  // 3000 + 4995 + 2.1 + 3.75 + 12 micro-USD.
  assert.equal(record.cost_micro_usd, 8013);
  assert.deepEqual([record.price.model, record.price.input_micro], ['priced-large', 3_000_000]);
  assert.equal((await conversation(who, 'one')).cost_micro_usd, 8013);
});

test('what has no price is unpriced, and never 0', async () => {
  await list([{}]);
  const who = await project();
  await store(who, 'one', [used('priced-unknown', { input: 1000 })]);
  assert.deepEqual(await costs(who), [null]);
  const row = await conversation(who, 'one');
  assert.deepEqual([row.cost_micro_usd, row.unpriced], [null, 1]);
  const rollups = () =>
    sql(
      `select model, cost_micro_usd::int as cost, unpriced::int from observatory.daily_rollups where project_id = $1 order by model`,
      [who.project],
    );
  assert.deepEqual(await rollups(), [{ model: 'priced-unknown', cost: null, unpriced: 1 }]);
  // A cache without a price, a variant and a place that are not listed, a day before the first price.
  await store(who, 'two', [
    used('priced-large', { input: 1000, cache_read: 1 }),
    used('priced-large', { input: 1000, variant: 'fast' }),
    used('priced-large', { input: 1000, geo: 'us' }),
    used('priced-large', { input: 1000 }, { at: '2019-12-31T00:00:00Z' }),
    used('priced-large', { input: 1000 }),
  ]);
  const two = await conversation(who, 'two');
  assert.deepEqual([two.cost_micro_usd, two.unpriced], [3000, 4]);
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
});

test('the price is the one of the record’s day, of its variant, and of its whole input', async () => {
  await list([
    {},
    { effective_from: '2026-01-10', input_micro: 2_000_000 },
    { above_tokens: 200_000, input_micro: 6_000_000 },
    { speed: 'fast', input_micro: 30_000_000 },
  ]);
  const who = await project();
  const at = (when, tokens) => used('priced-large', tokens, { at: when });
  await store(who, 'one', [
    at('2026-01-09T23:59:59Z', { input: 1_000_000 / 10 }),
    at('2026-01-10T00:00:00Z', { input: 1_000_000 / 10 }),
    at('2026-01-09T00:00:00Z', { input: 200_000 }),
    at('2026-01-09T00:00:00Z', { input: 200_001 }),
    at('2026-01-09T00:00:00Z', { input: 1000, variant: 'fast' }),
  ]);
  const found = await costs(who);
  assert.deepEqual(
    found.sort((a, b) => a - b),
    [30_000, 200_000, 300_000, 600_000, 1_200_006],
  );
});

test('an upload prices its records as each would be priced by itself', async () => {
  const pick = (...given) => given[Math.floor(Math.random() * given.length)];
  const day = (most) => new Date(Date.UTC(2026, 0, 1 + Math.floor(Math.random() * most))).toISOString();
  const seen = new Set();
  const prices = [];
  for (let n = 0; n < 60; n += 1) {
    const row = {
      ...{ model: pick('priced-a', 'priced-b'), speed: pick('standard', 'fast'), geo: pick('global', 'us') },
      ...{ effective_from: day(6), above_tokens: pick(0, 100, 200), input_micro: n * 1000, output_micro: n * 7000 },
      ...{
        cache_read_micro: pick(null, 11_000 * n),
        cache_write_micro: pick(null, 13_000 * n),
        web_search_micro: pick(null, n),
      },
    };
    const key = JSON.stringify([row.model, row.speed, row.geo, row.effective_from, row.above_tokens]);
    if (!seen.has(key)) prices.push(row);
    seen.add(key);
  }
  await list(prices);
  const who = await project();
  const tokens = () => ({
    ...{ input: pick(1, 99, 100, 101, 150, 199, 200, 201, 5000), output: pick(0, 10), cache_read: pick(0, 0, 1, 100) },
    ...{ cache_write_5m: pick(0, 0, 50), cache_write_1h: pick(0, 0, 0, 50), web_searches: pick(0, 0, 2) },
    ...{ variant: pick('', 'fast', 'batch'), geo: pick('', 'us') },
  });
  await store(
    who,
    'one',
    Array.from({ length: 300 }, () => used(pick('priced-a', 'priced-b', 'priced-unknown'), tokens(), { at: day(8) })),
  );
  const found = await sql(
    `select u.cost_micro_usd as stored, u.price as price, c.cost_micro as alone, c.price as its_price
     from observatory.usage_records as u
     cross join private.priced_model(u.source, u.model) as m
     cross join private.usage_cost(m.provider, m.listed, u.variant, u.geo, u.occurred_at, u.input_tokens, u.output_tokens,
       u.cache_read_tokens, u.cache_creation_5m_tokens, u.cache_creation_1h_tokens, u.web_searches) as c
     where u.project_id = $1`,
    [who.project],
  );
  assert.equal(found.length, 300);
  assert.ok(found.some(({ alone }) => alone !== null) && found.some(({ alone }) => alone === null));
  for (const { stored, price, alone, its_price } of found) assert.deepEqual([stored, price], [alone, its_price]);
});

test('names as agents and resellers write them find their price', async () => {
  await list([
    { model: 'priced-large' },
    { model: 'priced-4-20260101', input_micro: 1_000_000 },
    { model: 'priced-large', provider: 'aaa-reseller', input_micro: 9_000_000 },
  ]);
  await sql(
    `insert into private.model_rules (provider, place, model, kind, words) values ('anthropic', 9001, 'priced-large', 'equals', 'priced-large')`,
  );
  const who = await project();
  const names = {
    'priced-large': 3000,
    'priced-large[1m]': 3000,
    'priced-large-20251001': 3000,
    'priced-large-2025-10-01': 3000,
    'priced-large@20251001': 3000,
    'us.anthropic.priced-large-20251001-v1:0': 3000,
    'anthropic/priced-large': 3000,
    'priced-4-20260101': 1000,
    'priced-larger': null,
    'priced-large-20251001-preview': null,
  };
  for (const [name, wanted] of Object.entries(names)) {
    await store(who, name, [used(name, { input: 1000 })]);
    assert.equal((await conversation(who, name)).cost_micro_usd, wanted, name);
  }
});

test('a later list changes no past cost; the job prices what had no price', async () => {
  await list([{}]);
  const who = await project();
  await store(who, 'one', [used('priced-large', { input: 1000 }), used('priced-new', { input: 1000 })]);
  await sql(`update private.model_prices set input_micro = 9000000 where model = 'priced-large'`);
  await list([{ model: 'priced-new', input_micro: 1_000_000 }]);
  await sql('select private.price_usage()');
  const found = (await records(who)).map(({ model, cost_micro_usd: cost }) => [model, cost]);
  assert.deepEqual(found.sort(), [
    ['priced-large', 3000],
    ['priced-new', 1000],
  ]);
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  // Nothing has come since: it looks at nothing.
  const [{ looked }] = await sql('select private.price_usage()::int as looked');
  assert.equal(looked, 0);
});

test('the job passes over users whose upload is under way, and comes back to them', async () => {
  const who = await project();
  await store(who, 'one', [used('priced-new', { input: 1000 })]);
  await list([{ model: 'priced-new', input_micro: 1_000_000 }]);
  await transaction(async (query) => {
    await query('select private.lock_observatory_owner($1)', [who.owner]);
    await sql('select private.price_usage()');
    assert.deepEqual(await costs(who), [null]);
  });
  await sql('select private.price_usage()');
  assert.deepEqual(await costs(who), [1000]);
});

test('an owner has costs computed again, and gets a receipt that adds up', async () => {
  await list([{}]);
  const who = await project();
  await store(who, 'one', [
    ...[100, 200, 300].map((input) => used('priced-large', { input })),
    used('priced-new', { input: 1000 }),
    used('priced-gone', { input: 1 }),
  ]);
  await sql(`update private.model_prices set input_micro = 1000000 where model = 'priced-large'`);
  await list([{ model: 'priced-new' }]);
  const wanted = { records: 5, changed: 4, newly_priced: 1, unpriced: 1, before_micro: 1800, after_micro: 3600 };
  const pick = (receipt) => Object.fromEntries(Object.keys(wanted).map((name) => [name, receipt[name]]));
  const dry = await reprice(who, { dry_run: true });
  assert.deepEqual([pick(dry), dry.dry_run, dry.finished], [wanted, true, true]);
  assert.equal((await conversation(who, 'one')).cost_micro_usd, 1800, 'a dry run changes nothing');
  const receipt = await reprice(who);
  assert.deepEqual([pick(receipt), receipt.dry_run, receipt.finished], [wanted, false, true]);
  const row = await conversation(who, 'one');
  assert.deepEqual([row.cost_micro_usd, row.unpriced], [3600, 1]);
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  const again = await reprice(who);
  assert.deepEqual([again.changed, again.before_micro, again.after_micro], [0, 3600, 3600]);
  // A record whose price is gone keeps its cost.
  await sql(`delete from private.model_prices where model = 'priced-large'`);
  assert.deepEqual((await reprice(who)).after_micro, 3600);
  const [{ receipts }] = await sql(
    'select count(*)::int as receipts from private.reprice_receipts where project_id = $1',
    [who.project],
  );
  assert.equal(receipts, 4);
});

test('a dry run deletes the receipts of earlier dry runs, and no other', async () => {
  await list([{}]);
  const who = await project();
  await store(who, 'one', [used('priced-large', { input: 1 })]);
  const made = [await reprice(who, { dry_run: true }), await reprice(who)].map(({ id }) => id);
  await sql(`update private.reprice_receipts set at = now() - interval '25 hours' where id = any ($1)`, [made]);
  made.push((await reprice(who, { dry_run: true })).id, (await reprice(who, { dry_run: true })).id);
  const left = await sql('select id from private.reprice_receipts where project_id = $1 order by id', [who.project]);
  assert.deepEqual(
    left.map(({ id }) => id),
    made.slice(1),
  );
});

test('what one call does not finish, the next one or the job does', async () => {
  await list([{}]);
  const who = await project();
  await store(
    who,
    'one',
    Array.from({ length: 10 }, () => used('priced-large', { input: 1000 })),
  );
  await sql(`update private.model_prices set input_micro = 1000000 where model = 'priced-large'`);
  const [{ id }] = await sql(
    'insert into private.reprice_receipts (project_id, user_id, is_dry_run) values ($1, $2, false) returning id',
    [who.project, who.owner],
  );
  await sql('select private.reprice_some($1, 4)', [id]);
  assert.equal((await costs(who)).filter((cost) => cost === 1000).length, 4);
  const receipt = await reprice(who);
  assert.deepEqual([receipt.id, receipt.records, receipt.changed, receipt.finished], [id, 10, 10, true]);
  await sql(`update private.model_prices set input_micro = 2000000 where model = 'priced-large'`);
  await sql('insert into private.reprice_receipts (project_id, is_dry_run) values ($1, false)', [who.project]);
  await sql('select private.price_usage()');
  assert.deepEqual(new Set(await costs(who)), new Set([2000]));
});

test('web searches cost what a thousand of them cost', async () => {
  await list([{ web_search_micro: 10_000_000 }, { model: 'priced-offline' }]);
  const who = await project();
  await store(who, 'one', call('WebSearch', { model: 'priced-large', result: { searches: 3 } }));
  assert.equal((await conversation(who, 'one')).cost_micro_usd, 30_000);
  // Where searches have no price, they are unpriced, and the response is not.
  await store(
    who,
    'two',
    call('WebSearch', { model: 'priced-offline', tokens: { input: 1000 }, result: { searches: 3 } }),
  );
  const row = await conversation(who, 'two');
  assert.deepEqual([row.cost_micro_usd, row.unpriced], [3000, 1]);
});

test('a user has costs computed again so often, and no more', async () => {
  await list([{}]);
  const who = await project();
  const refusals = [];
  for (let n = 0; n < 100 && refusals.length === 0; n += 1)
    await reprice(who, { dry_run: true }).catch((error) => refusals.push(error));
  assert.ok(refused('RG501', 429)(refusals[0]));
  await reprice(await project());
});

test('only owners of a project have costs computed again', async () => {
  await list([{}]);
  const who = await project();
  const [editor, stranger] = [randomUUID(), randomUUID()];
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'editor')`, [
    who.project,
    editor,
  ]);
  await assert.rejects(reprice({ ...who, owner: editor }), refused('RG666', 403));
  await assert.rejects(reprice({ ...who, owner: stranger }), refused('RG660', 404));
  await assert.rejects(
    reprice({ owner: stranger, project: randomUUID() }),
    refused('RG660', 404),
    'the same as of an absent one',
  );
  await assert.rejects(reprice(who, { list: 'no-such-list@1' }), refused('RG676', 422));
});
