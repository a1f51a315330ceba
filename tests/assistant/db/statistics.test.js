// The newest rows of a tenant: they read no other tenant's, whatever the planner believes of the tables.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { close, sql, transaction } from '../../support/stack.js';
import { forget as forgetStatistics, planAsPostgrest, work } from '../../support/statistics.js';
import { forget, world } from '../support/talk.js';

let here;
let there;
before(async () => {
  ({ here, there } = await world());
});
after(async () => {
  await forget();
  await sql('vacuum full assistant.usage_metrics');
  await close();
});

/** Days of usage of a member. */
const addDays = (query, { tenant_id, id }, days, first) =>
  query(
    `insert into assistant.usage_metrics (tenant_id, user_id, date, created_at)
     select $1, $2, $4::date + n, $4::date + n from generate_series(1, $3::int) as n`,
    [tenant_id, id, days, first],
  );

const NEWEST = {
  'days of usage':
    'select * from assistant.usage_metrics where user_id is not null order by date desc, user_id limit 30',
  'rows of usage, by the time they were made':
    'select * from assistant.usage_metrics order by created_at desc limit 30',
};

for (const [name, text] of Object.entries(NEWEST))
  test(`the newest ${name} of a tenant are read without another tenant’s`, () =>
    transaction(async (query) => {
      await addDays(query, here.ada, 200, '2020-01-01');
      await query('analyze assistant.usage_metrics');
      // Whoever comes later is newer, and has more.
      await addDays(query, there.ada, 20_000, '2021-01-01');
      for (const statistics of ['stale', 'none', 'fresh']) {
        if (statistics === 'none') await forgetStatistics(query, ['assistant.usage_metrics']);
        if (statistics === 'fresh') await query('analyze assistant.usage_metrics');
        await query('savepoint asked');
        await planAsPostgrest(query);
        await query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
          JSON.stringify({ role: 'authenticated', sub: here.ada.auth_id }),
        ]);
        const { blocks, rows } = await work(query, text);
        assert.equal(rows, 30);
        assert.ok(blocks < 100, `${statistics}: ${blocks} blocks`);
        await query('rollback to asked');
      }
    }));
