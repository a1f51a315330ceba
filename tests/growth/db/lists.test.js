// Admins list rows by the words of a list: their status, source, type. Row-level security lets an index serve a comparison only if it is
// leakproof, which that of enums is not.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close } from '../../support/stack.js';

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
  ['experiments.experiments', [`status = 'running'`]],
];

test('an admin’s lists by a word of a list are found by an index', async () => {
  const admin = { role: 'authenticated', claims: { sub: randomUUID(), app_metadata: { role: 'admin' } } };
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
