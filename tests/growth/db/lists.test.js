// What admins list: rows by the words of a list (status, source, type), leads by a part of their company's name. Row-level security lets
// an index serve a comparison only if it is leakproof, which those of enums and of parts of texts are not.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql } from '../../support/stack.js';

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

test('an admin’s lists by a word of a list are found by an index', async () => {
  await as(admin, async (query) => {
    await query('set local enable_seqscan = off');
    for (const [table, conditions] of LISTS) {
      const lines = await query(`explain select * from ${table} where ${conditions.join(' and ')}`);
      const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
      const found = plan.match(/Index Cond: .*/g)?.join('\n') ?? '';
      for (const condition of conditions) assert.ok(found.includes(`(${condition}`), `${condition}\n${plan}`);
    }
  });
});

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
