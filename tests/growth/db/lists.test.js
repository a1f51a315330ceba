// What admins list: rows by the words of a list (status, source, type), leads by a part of their company's name. Row-level security lets
// an index serve a comparison only if it is leakproof, which those of enums and of parts of texts are not.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql, transaction } from '../../support/stack.js';
import { withoutStatistics, work } from '../../support/statistics.js';

after(close);

/** What is asked of a table, and the conditions that an index has to find. */
const LISTS = [
  ['marketing.leads', [`status = 'new'`]],
  ['marketing.leads', [`source = 'demo-request'`, `status = 'new'`]],
  ['onboarding.sessions', [`current_step = 'testing'`, `status = 'abandoned'`]],
  ['onboarding.step_activities', [`step = 'testing'`]],
  ['analytics.events', [`type = 'conversion'`]],
  ['analytics.event_aggregations', [`granularity = 'day'`, 'time_bucket > now()']],
  ['analytics.event_aggregations', [`event_name = 'page_view'`, `granularity = 'day'`, 'time_bucket > now()']],
  ['experiments.experiments', [`status = 'paused'`]],
];

const admin = { role: 'authenticated', claims: { sub: randomUUID(), app_metadata: { role: 'admin' } } };

test('an admin’s lists by a word of a list are found by an index', () =>
  transaction(async (query) => {
    // Of a handful of rows, which other tests have left, the planner may read this one to its end.
    await query('drop index onboarding.sessions_to_delete');
    await query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(admin.claims)]);
    await query('set local role authenticated');
    await query('set local enable_seqscan = off');
    for (const [table, conditions] of LISTS) {
      const lines = await query(`explain select * from ${table} where ${conditions.join(' and ')}`);
      const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
      const found = plan.match(/Index Cond: .*/g)?.join('\n') ?? '';
      for (const condition of conditions) assert.ok(found.includes(`(${condition}`), `${condition}\n${plan}`);
    }
  }));

/** Leads of companies of these names, each a second older than the one before. */
const addLeads = (names) =>
  sql(
    `insert into marketing.leads (email, email_normalized, email_domain, company_name, created_at)
     select a, a, 'lists.example', name, now() - make_interval(secs => n)
     from unnest($1::text[]) with ordinality as c (name, n), lateral (select gen_random_uuid() || '@lists.example' as a where n > 0) as address`,
    [names],
  );

const search = (who, ...values) =>
  as(who, async (query) =>
    (
      await query(
        `select company_name from marketing.leads_of_company(${values.map((_, at) => `$${at + 1}`).join(', ')})`,
        values,
      )
    ).map((row) => row.company_name),
  );

test('leads of a company are found by a part of its name, the latest first', async () => {
  const word = randomUUID().slice(0, 8);
  const names = [`Zoë ${word} AG`, `${word.toUpperCase()} 100% (a.b)*`, `${word} \\d_`, `Other`];
  await addLeads(names);
  try {
    assert.deepEqual(await search(admin, word), names.slice(0, 3));
    assert.deepEqual(await search(admin, `ZOË ${word}`), names.slice(0, 1));
    assert.deepEqual(await search(admin, '100% (A.B)*'), [names[1]]);
    assert.deepEqual(await search(admin, `${word} \\d_`), [names[2]]);
    assert.deepEqual(await search(admin, `${word}.`), [], 'a character stands for itself');
    assert.deepEqual(await search(admin, word, 2), names.slice(0, 2));
    assert.deepEqual(await search({ role: 'service_role' }, word, 1), names.slice(0, 1));
    for (const part of [null, '', 'ab'])
      await assert.rejects(search(admin, part), (error) => JSON.parse(error.message).code === 'RG514');
    await assert.rejects(
      search({ role: 'authenticated', claims: { sub: randomUUID() } }, word),
      (error) => JSON.parse(error.message).code === 'RG571',
    );
    await assert.rejects(search({ role: 'anon' }, word), { code: '42501' });
  } finally {
    await sql(`delete from marketing.leads where email_domain = 'lists.example'`);
  }
});

/** Pages of ten leads, each of which may be in a block of its own. */
const PAGES = {
  'the latest': 'deleted_at is null',
  'the latest new ones': `status = 'new'`,
  'the latest of a campaign': `utm_source = 'source 1' and utm_campaign = 'campaign 1'`,
};
const MAX_BLOCKS = 40;

/** Leads from one number to another: one in five is new, one in twenty is of a campaign. */
const ADD_LEADS = `insert into marketing.leads (email, email_normalized, email_domain, status, utm_source, utm_campaign, notes, company_name, created_at)
  select e, e, 'lists.example', (array['new', 'contacted', 'qualified', 'converted', 'lost'])[1 + n % 5], 'source ' || n % 2,
    'campaign ' || n % 20, repeat('x', 700), $3, now() - n * interval '30 seconds'
  from generate_series($1::int, $2::int) as n, lateral (select n || '@lists.example' as e) as address`;
const statisticsOf = (table) => ({
  stale: [],
  fresh: [`analyze ${table}`],
  none: withoutStatistics([table]),
});
const STATISTICS = statisticsOf('marketing.leads');

/** Leaves no row and no block of an earlier test: the planner estimates a table by its blocks. */
const EMPTY = 'truncate marketing.leads cascade';

test('a page of leads is read in order with any statistics', () =>
  transaction(async (query) => {
    await query(EMPTY);
    await query(ADD_LEADS, [1, 500, 'Acme']);
    await query('analyze marketing.leads');
    await query(ADD_LEADS, [501, 5000, 'Acme']);
    await query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(admin.claims)]);
    for (const [state, statements] of Object.entries(STATISTICS)) {
      for (const statement of statements) await query(statement);
      await query('set local role authenticated');
      for (const [name, condition] of Object.entries(PAGES)) {
        const text = `select * from marketing.leads where ${condition} order by created_at desc, id desc limit 10`;
        const { blocks, plan } = await work(query, text);
        assert.ok(blocks <= MAX_BLOCKS, `${name}, ${state} statistics: ${blocks} blocks\n${plan}`);
      }
      await query('reset role');
    }
  }));

test('the latest values of a metric are read in order with any statistics', () =>
  transaction(async (query) => {
    const table = 'analytics.metrics';
    await query(`truncate ${table}`);
    const add = (from, to) =>
      query(
        `insert into ${table} (name, value_numeric, description, timestamp)
         select 'metric ' || n % 10, n, repeat('x', 300), now() - n * interval '1 minute' from generate_series($1::int, $2::int) as n`,
        [from, to],
      );
    await add(1, 500);
    await query(`analyze ${table}`);
    await add(501, 20_000);
    await query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(admin.claims)]);
    for (const [state, statements] of Object.entries(statisticsOf(table))) {
      for (const statement of statements) await query(statement);
      await query('set local role authenticated');
      const { blocks, plan } = await work(
        query,
        `select * from ${table} where name = 'metric 7' order by timestamp desc limit 50`,
      );
      assert.ok(blocks <= 100, `${state} statistics: ${blocks} blocks\n${plan}`);
      await query('reset role');
    }
  }));

test('leads of a company are found by their name, whatever number of them the planner expects', () =>
  transaction(async (query) => {
    await query(EMPTY);
    await query(ADD_LEADS, [4501, 5000, 'Known of old']);
    await query('analyze marketing.leads');
    await query(ADD_LEADS, [1, 4500, 'Other']);
    // As a vacuum does: what the index has not sorted in yet, every search reads.
    await query(`select gin_clean_pending_list('marketing.leads_company_name')`);
    await query(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify(admin.claims)]);
    for (const [state, statements] of Object.entries(STATISTICS)) {
      for (const statement of statements) await query(statement);
      for (const part of ['known of', 'other']) {
        const text = `select * from marketing.leads_of_company('${part}')`;
        const { blocks, rows } = await work(query, text);
        assert.equal(rows, 50, part);
        assert.ok(blocks <= 300, `${part}, ${state} statistics: ${blocks} blocks`);
      }
    }
  }));
