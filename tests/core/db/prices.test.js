// Prices of models: the one of the day and of the call, what a call costs, and the list that is loaded.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { calcPrice, findProvider } from '@pydantic/genai-prices';
import { extra, PROVIDERS, priceList } from '../../../dev/price_list.js';
import { close, transaction } from '../../support/stack.js';

after(close);

/** Runs the body in a transaction that is rolled back, with these prices. */
const withPrices = (rows, body) =>
  transaction(async (query) => {
    for (const row of rows) {
      const names = Object.keys(row);
      await query(
        `insert into private.model_prices (${names.join(', ')}) values (${names.map((_, n) => `$${n + 1}`).join(', ')})`,
        Object.values(row),
      );
    }
    await body(query);
  });

const PRICE = {
  provider: 'made-up',
  model: 'large',
  effective_from: '2026-01-01',
  input_micro: 3_000_000,
  output_micro: 15_000_000,
};
const CACHED = { cache_read_micro: 300_000, cache_write_micro: 3_750_000, cache_write_1h_micro: 6_000_000 };
const SEARCH = { web_search_micro: 10_000_000 };

/** The cost of a call, by named arguments of private.price_of and the numbers of tokens. */
const cost = async (
  query,
  tokens,
  { model = 'large', at = '2026-06-01', input_tokens = 0, speed = 'standard', geo = 'global' } = {},
) => {
  const [{ cost: micro }] = await query(
    `select private.cost_micro(private.price_of('made-up', $1, $2, $3, $4, $5), ${tokens.map((n) => `${n}::bigint`).join(', ')}) as cost`,
    [model, at, input_tokens, speed, geo],
  );
  return micro === null ? null : Number(micro);
};

test('each kind of token has its own price, in micro-USD per million', () =>
  withPrices([{ ...PRICE, ...CACHED }], async (query) => {
    const kinds = [3_000_000, 15_000_000, 300_000, 3_750_000, 6_000_000];
    for (const [place, price] of kinds.entries()) {
      const tokens = kinds.map((_, n) => (n === place ? 1_000_000 : 0));
      assert.equal(await cost(query, tokens), price, `${place}`);
    }
    assert.equal(await cost(query, [1000, 500, 20_000, 100, 10]), 3000 + 7500 + 6000 + 375 + 60);
  }));

test('web searches are priced by the thousand', () =>
  withPrices([{ ...PRICE, ...CACHED, ...SEARCH }], async (query) => {
    assert.equal(await cost(query, [0, 0, 0, 0, 0, 1000]), 10_000_000);
    assert.equal(await cost(query, [1000, 0, 0, 0, 0, 3]), 3000 + 30_000);
  }));

test('a cost is rounded once, up, on the sum', () =>
  withPrices([{ ...PRICE, input_micro: 400_000, output_micro: 300_000, ...CACHED }], async (query) => {
    assert.equal(await cost(query, [0, 0]), 0);
    assert.equal(await cost(query, [1, 0]), 1);
    assert.equal(await cost(query, [1, 1]), 1, '0.4 + 0.3');
    assert.equal(await cost(query, [2, 1]), 2, '0.8 + 0.3');
    assert.equal(await cost(query, [5, 0]), 2, 'exactly 2');
  }));

test('numbers beyond 64 bits in between do no harm', () =>
  withPrices([{ ...PRICE, input_micro: 1_000_000_000_000 }], async (query) => {
    assert.equal(await cost(query, [1_000_000_000, 0]), 1_000_000_000_000_000);
  }));

test('what has no price is unpriced, and never free', () =>
  withPrices([{ ...PRICE, cache_read_micro: 300_000 }], async (query) => {
    assert.equal(await cost(query, [1000, 1000], { model: 'unknown' }), null, 'an unknown model');
    assert.equal(await cost(query, [0, 0], { model: 'unknown' }), null, 'also of no tokens');
    assert.equal(await cost(query, [1000, 1000], { at: '2025-12-31' }), null, 'before its first price');
    assert.equal(await cost(query, [1000, 1000], { speed: 'fast' }), null, 'another speed');
    assert.equal(await cost(query, [1000, 1000], { geo: 'us' }), null, 'another place');
    assert.equal(await cost(query, [1000, 1000, 1000, 1]), null, 'a cache without a price');
    assert.equal(await cost(query, [1000, 1000, 1000, 0, 1]), null, 'the other cache');
    assert.equal(await cost(query, [1000, 1000, 1000, 0, 0, 1]), null, 'a search');
    assert.equal(await cost(query, [1000, 1000, 1000]), 3000 + 15_000 + 300);
    assert.equal(await cost(query, ['null', 1000]), null, 'tokens that nobody has counted');
  }));

test('the price is the one of the day', () =>
  withPrices([PRICE, { ...PRICE, effective_from: '2026-07-01T00:00Z', input_micro: 2_000_000 }], async (query) => {
    assert.equal(await cost(query, [1_000_000, 0], { at: '2026-06-30T23:59:59Z' }), 3_000_000);
    assert.equal(await cost(query, [1_000_000, 0], { at: '2026-07-01T00:00Z' }), 2_000_000);
  }));

test('a long input costs more from the first token on, once it is longer than the band', () =>
  withPrices(
    [
      PRICE,
      { ...PRICE, above_tokens: 200_000, input_micro: 6_000_000 },
      { ...PRICE, above_tokens: 500_000, input_micro: 9_000_000 },
      { ...PRICE, effective_from: '2026-07-01T00:00Z', input_micro: 4_000_000 },
    ],
    async (query) => {
      const at = (input_tokens, day) => cost(query, [1_000_000, 0], { input_tokens, ...day });
      assert.equal(await at(0), 3_000_000);
      assert.equal(await at(200_000), 3_000_000, 'strictly above');
      assert.equal(await at(200_001), 6_000_000);
      assert.equal(await at(500_001), 9_000_000);
      assert.equal(await at(500_001, { at: '2026-08-01' }), 4_000_000, 'later prices have no band any more');
    },
  ));

test('variants of speed and place have prices of their own', () =>
  withPrices(
    [
      PRICE,
      { ...PRICE, speed: 'fast', input_micro: 6_000_000 },
      { ...PRICE, geo: 'us', input_micro: 3_300_000 },
      { ...PRICE, speed: 'fast', geo: 'us', input_micro: 6_600_000 },
    ],
    async (query) => {
      const at = (options) => cost(query, [1_000_000, 0], options);
      assert.equal(await at({}), 3_000_000);
      assert.equal(await at({ speed: 'fast' }), 6_000_000);
      assert.equal(await at({ geo: 'us' }), 3_300_000);
      assert.equal(await at({ speed: 'fast', geo: 'us' }), 6_600_000);
    },
  ));

test('a price in another unit and a negative number of tokens are mistakes', async () => {
  for (const fault of [{ input_micro: -1 }, { output_micro: 2e12 }, { cache_read_micro: -1 }, { above_tokens: -1 }]) {
    await assert.rejects(
      withPrices([{ ...PRICE, ...fault }], () => {}),
      { code: '23514' },
    );
  }
  await withPrices([PRICE], (query) => assert.rejects(cost(query, [-1, 0]), { code: '22023' }));
});

test('many rows add up: the sum of costs is the cost of each, summed', () =>
  withPrices([{ ...PRICE, ...CACHED }], async (query) => {
    const [{ sum, wanted }] = await query(`
      select sum(private.cost_micro(p, n % 977, n % 1009, n % 31)) as sum,
        sum(ceil(((n % 977) * 3000000::numeric + (n % 1009) * 15000000::numeric + (n % 31) * 300000) / 1000000)) as wanted
      from generate_series(1, 100000) as n, private.price_of('made-up', 'large', '2026-06-01') as p`);
    assert.equal(sum, wanted);
  }));

/** Runs the body in a transaction with the whole list loaded. */
const withList = (body) =>
  transaction(async (query) => {
    const list = await priceList();
    const [{ loaded }] = await load(query, list);
    await body(query, { ...list, loaded });
  });
const load = (query, { name, prices, rules }) =>
  query('select private.load_prices($1, $2, $3) as loaded', [name, JSON.stringify(prices), JSON.stringify(rules)]);

const DAYS = ['2024-05-01', '2026-03-12', '2026-03-14', '2026-10-20', '2026-11-27'];
/** Models by the providers and the names that transcripts have. */
const NAMES = {
  anthropic: [
    ...[
      'claude-3-5-haiku-20241022',
      'claude-3-7-sonnet-20250219',
      'claude-haiku-4-5-20251001',
      'claude-opus-4-20250514',
    ],
    ...['claude-opus-4-1-20250805', 'claude-opus-4-5-20251101', 'claude-opus-4-6', 'claude-opus-4-8', 'claude-opus-5'],
    ...[
      'claude-opus-5-5',
      'claude-sonnet-4-20250514',
      'claude-sonnet-4-5-20250929',
      'claude-sonnet-4-6',
      'claude-fable-5-1',
    ],
  ],
  openai: [
    ...[
      'gpt-4o-2024-08-06',
      'gpt-4o-mini',
      'gpt-4.1',
      'gpt-5',
      'gpt-5-mini',
      'gpt-5.1',
      'gpt-5.2',
      'gpt-5.3-codex',
      'o3',
      'o4-mini',
    ],
    ...['gpt-5.4', 'gpt-5.5', 'gpt-5.6-sol', 'gpt-6-luna', 'gpt-6-sol'],
  ],
  google: ['gemini-2.5-pro', 'gemini-2.5-flash', 'gemini-2.5-flash-lite', 'gemini-3-pro-preview', 'gemini-3.5-flash'],
  'x-ai': ['grok-4.3', 'grok-4-0709', 'grok-code-fast-1'],
  mistral: ['mistral-large-latest', 'codestral-latest', 'devstral-medium-latest'],
  moonshotai: ['kimi-k2-0905-preview'],
};

test('the list prices calls as the package itself does: models, days, and both sides of each band', () =>
  withList(async (query) => {
    const cases = [];
    for (const [provider, names] of Object.entries(NAMES)) {
      for (const name of names) {
        for (const day of DAYS) {
          for (const input of [1000, 128_000, 128_001, 199_999, 200_000, 200_001, 271_999, 272_000, 272_001, 900_000]) {
            const usage = { input_tokens: input, output_tokens: 777 };
            const found = calcPrice(usage, name, { providerId: provider, timestamp: new Date(`${day}T12:00:00Z`) });
            if (!found) continue;
            const has = (key) => found.model_price[key] !== undefined;
            const read = has('cache_read_mtok') ? 300 : 0;
            const write = has('cache_write_mtok') ? 200 : 0;
            const more = { ...usage, cache_read_tokens: read, cache_write_tokens: write };
            const at = calcPrice(more, name, { providerId: provider, timestamp: new Date(`${day}T12:00:00Z`) });
            cases.push({ provider, name, day: `${day}T12:00:00Z`, input, read, write, wanted: at.total_price * 1e6 });
          }
        }
      }
    }
    assert.ok(new Set(cases.map(({ name }) => name)).size >= 40, `${new Set(cases.map(({ name }) => name)).size}`);
    const rows = await query(
      `select c.*, private.cost_micro(private.price_of(m.provider, m.model, c.day, c.input), c.input - c.read - c.write, 777, c.read, c.write) as cost
       from jsonb_to_recordset($1) as c (provider text, name text, day timestamptz, input bigint, read bigint, write bigint, wanted numeric)
       left join lateral private.find_model(c.provider, c.name) as m on true`,
      [JSON.stringify(cases)],
    );
    assert.equal(rows.length, cases.length);
    for (const { provider, name, day, input, cost: found, wanted } of rows) {
      const case_ = `${provider} ${name}, ${day.toISOString()}, ${input}: ${found} for ${wanted}`;
      assert.ok(found !== null && Math.abs(Number(found) - Math.ceil(Number(wanted) - 1e-6)) < 1e-3, case_);
    }
  }));

test('names are found however they are written, at their maker or at another provider', () =>
  withList(async (query) => {
    for (const [maker, name, wanted] of [
      ['anthropic', 'claude-sonnet-4-5-20250929', 'anthropic/claude-sonnet-4-5'],
      ['anthropic', ' Claude-Sonnet-4-5 ', 'anthropic/claude-sonnet-4-5'],
      ['anthropic', 'claude-sonnet-4-5-20250929[1m]', 'anthropic/claude-sonnet-4-5'],
      ['anthropic', 'claude-opus-4-5@20251101', 'anthropic/claude-opus-4-5'],
      ['anthropic', 'us.anthropic.claude-haiku-4-5-20251001-v1:0', 'anthropic/claude-haiku-4-5'],
      ['anthropic', 'anthropic.claude-haiku-4-5-20251001-v1:0', 'anthropic/claude-haiku-4-5'],
      ['anthropic', 'anthropic/claude-opus-5-5', 'anthropic/claude-opus-5-5'],
      ['anthropic', 'claude-haiku-5-5', 'anthropic/claude-haiku-5-5'],
      ['anthropic', 'claude-haiku-5-5-20261101', 'anthropic/claude-haiku-5-5'],
      ['anthropic', 'gpt-5-mini', 'openai/gpt-5-mini'],
      ['openai', 'gpt-4o-20240806', 'openai/gpt-4o'],
      ['openai', 'gemini-2.5-pro', 'google/gemini-2.5-pro'],
      ['openrouter', 'anthropic/claude-sonnet-4.5', 'openrouter/anthropic/claude-sonnet-4.5'],
      [null, 'claude-opus-4-8', 'anthropic/claude-opus-4-8'],
      ['nobody', 'claude-opus-4-8', 'anthropic/claude-opus-4-8'],
      ['anthropic', '<synthetic>', undefined],
      ['anthropic', 'claude', undefined],
      ['anthropic', `claude-${'x'.repeat(100_000)}`, undefined],
      ['anthropic', '', undefined],
      ['anthropic', null, undefined],
      [null, null, undefined],
    ]) {
      const [row] = await query('select * from private.find_model($1, $2)', [maker, name]);
      assert.equal(row && `${row.provider}/${row.model}`, wanted, `${maker} ${name?.slice(0, 60)}`);
    }
  }));

test('fast, batch, flex and priority have prices of their own, and each of a date is the usual one where nothing else is said', () =>
  withList(async (query, { prices }) => {
    const at = async (model, speed, tokens, input = 1000, day = '2026-11-27') => {
      const [{ cost: micro }] = await query(
        `select private.cost_micro(private.price_of('anthropic', $1, $2, $3, $4), ${tokens.join(', ')}) as cost`,
        [model, day, input, speed],
      );
      return micro === null ? null : Number(micro);
    };
    const million = [1_000_000, 0];
    assert.equal(await at('claude-opus-5-5', 'standard', million), 4_000_000);
    assert.equal(await at('claude-opus-5-5', 'fast', million), 8_000_000);
    assert.equal(await at('claude-opus-5-5', 'fast', [0, 0, 0, 0, 0, 1000]), 10_000_000, 'searches as usual');
    assert.equal(await at('claude-opus-5-5', 'batch', million), 2_000_000);
    assert.equal(await at('claude-opus-5-5', 'batch', million, 1000, '2026-10-13'), null, 'before its price is known');
    assert.equal(await at('claude-opus-4-5', 'fast', million), null);
    assert.equal(await at('claude-haiku-5-5', 'standard', million, 100_000), 100_000);
    assert.equal(await at('claude-haiku-5-5', 'standard', million, 100_001), 500_000);
    const speeds = new Set(prices.map(({ speed }) => speed));
    assert.deepEqual([...speeds].sort(), ['batch', 'fast', 'flex', 'priority', 'standard']);
  }));

test('a list loaded again changes nothing; a later one changes its rows, keeps old ones, and leaves the operator’s alone', () =>
  withList(async (query, list) => {
    const count = list.prices.length;
    assert.deepEqual(list.loaded, { added: count, changed: 0, kept: 0, models: list.loaded.models });
    assert.ok(list.loaded.models > 1000 && count > 1200);
    const [again] = await load(query, list);
    assert.deepEqual(again.loaded, { added: 0, changed: 0, kept: count, models: list.loaded.models });

    await query(`update private.model_prices set list = 'own', input_micro = 1
      where provider = 'anthropic' and model = 'claude-opus-5' and speed = 'standard'`);
    const later = {
      name: 'a later list',
      prices: list.prices
        .filter(
          ({ model, above_tokens }) => model !== 'claude-2' && !(model === 'claude-sonnet-4-5' && above_tokens > 0),
        )
        .map((row) => (row.model === 'claude-opus-4-5' ? { ...row, output_micro: row.output_micro + 1 } : row)),
      rules: list.rules.filter(({ model }) => model !== 'claude-2'),
    };
    const changed = later.prices.filter(({ model }) => model === 'claude-opus-4-5').length;
    const [{ loaded }] = await load(query, later);
    assert.deepEqual([loaded.added, loaded.changed], [0, changed]);
    const rows =
      await query(`select model, input_micro::int as input, list, above_tokens::int as above from private.model_prices
      where provider = 'anthropic' and speed = 'standard' and model in ('claude-2', 'claude-opus-5', 'claude-opus-4-5', 'claude-sonnet-4-5') order by model`);
    assert.deepEqual(
      rows.map(({ model, list: from, above }) => [model, from, above]),
      [
        ['claude-2', list.name, 0],
        ['claude-opus-4-5', 'a later list', 0],
        ['claude-opus-5', 'own', 0],
        ['claude-sonnet-4-5', list.name, 0],
      ],
      'a retired model keeps its price, and a band that is no more is gone',
    );
    assert.equal(rows[2].input, 1);
    assert.deepEqual(await query(`select * from private.find_model('anthropic', 'claude-2')`), []);
  }));

test('a bad list is refused whole', () =>
  withList(async (query, list) => {
    const bad = { ...list, prices: [...list.prices, { ...list.prices[0], model: 'new', input_micro: -1 }] };
    await query('savepoint before');
    await assert.rejects(load(query, bad), { code: '23514' });
    await query('rollback to before');
    const [{ count }] = await query(`select count(*)::int as count from private.model_prices where model = 'new'`);
    assert.equal(count, 0);
  }));

test('what stands in extra.json is what the package lacks', () => {
  for (const { id, models } of extra().providers) {
    assert.ok(PROVIDERS.includes(id));
    const known = new Map(findProvider({ providerId: id }).models.map((model) => [model.id, model]));
    for (const model of models) {
      assert.equal(model.match !== undefined, !known.has(model.id), `${id}/${model.id}: the package has it now`);
      assert.equal(known.get(model.id)?.price_variants, undefined, `${id}/${model.id}: the package has its speeds now`);
    }
  }
});

test('no request role may read or write prices', async () => {
  for (const role of ['anon', 'authenticated', 'edge', 'service_role', 'authenticator']) {
    for (const statement of [
      'select from private.model_prices',
      'delete from private.model_prices where true',
      `select private.price_of('a', 'b')`,
      'select from private.model_rules',
      `select private.find_model('a', 'b')`,
      `select private.load_prices('a', '[]', '[]')`,
    ]) {
      await transaction(async (run) => {
        await run(`set local role ${role}`);
        await assert.rejects(run(statement), { code: '42501' }, `${role}: ${statement}`);
      });
    }
  }
});
