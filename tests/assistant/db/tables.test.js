// The tables of assistant as they were agreed on, and the sample data.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { close, sql, transaction } from '../../support/stack.js';

after(close);

/** By table: columns; indexes beside keys, those of mentions and those by tenant, which policies read; policies beside those that hold API tokens to their scope. */
const TABLES = {
  conversations: [8, 6, 4],
  feedback: [6, 5, 4],
  messages: [9, 5, 4],
  tenants: [15, 0, 2],
  usage_metrics: [10, 7, 3],
  users: [11, 5, 2],
};

test('six tables, with the columns, the 23 indexes and the 15 policies of activities that were agreed on', async () => {
  const rows = await sql(`select c.relname as name,
      (select count(*)::int from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
      (select count(*)::int from pg_index as i where i.indrelid = c.oid and i.indexrelid::regclass::text !~ '_(mentions|by_tenant)$'
        and not exists (select from pg_constraint as r where r.conindid = i.indexrelid and r.contype in ('p', 'u'))) as indexes,
      (select count(*)::int from pg_policy as y where y.polrelid = c.oid and y.polpermissive) as policies
    from pg_class as c where c.relnamespace = 'assistant'::regnamespace and c.relkind in ('r', 'p') order by 1`);
  assert.deepEqual(
    Object.fromEntries(rows.map(({ name, columns, indexes, policies }) => [name, [columns, indexes, policies]])),
    TABLES,
  );
  const activity = rows.filter(({ name }) => !['tenants', 'users'].includes(name));
  assert.equal(
    activity.reduce((sum, { indexes }) => sum + indexes, 0),
    23,
  );
  assert.equal(
    activity.reduce((sum, { policies }) => sum + policies, 0),
    15,
  );
});

test('the sample data is what was listed, and loading it twice leaves one copy', async () => {
  const file = readFileSync(join(root, 'dev', 'seed', '05_assistant.sql'), 'utf8');
  const names = ['tenants', 'users', 'conversations', 'messages', 'feedback', 'usage_metrics'];
  await transaction(async (query) => {
    const counts = async () => {
      const found = {};
      for (const name of names) found[name] = (await query(`select count(*)::int as n from assistant.${name}`))[0].n;
      return found;
    };
    const ids = `'00000000-0000-4000-8000-0000000005a' || n`;
    await query(`delete from assistant.tenants where id in (select (${ids})::uuid from generate_series(1, 3) as n)`);
    const before = await counts();
    await query(file);
    const once = await counts();
    await query(file);
    assert.deepEqual(await counts(), once);
    assert.deepEqual(
      names.map((name) => once[name] - before[name]),
      [3, 6, 7, 14, 7, 11],
    );
    const [{ days, settings }] = await query(`select count(distinct u.date)::int as days,
        (select count(distinct (t.features, t.llm_provider, t.daily_token_limit))::int from assistant.tenants as t where t.id = any (array_agg(u.tenant_id))) as settings
      from assistant.usage_metrics as u where u.tenant_id in (select (${ids})::uuid from generate_series(1, 3) as n)`);
    assert.deepEqual([days, settings], [3, 3]);
  });
});
