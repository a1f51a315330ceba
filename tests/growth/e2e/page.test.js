// The commands of docs/growth.md, as they stand there.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { followPage } from '../../support/page_commands.js';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';

const OWNER = '00000000-0000-4000-8000-0000000000aa';
after(async () => {
  await sql(`delete from whatsapp.accounts where owner_id = $1`, [OWNER]);
  await sql(`update experiments.experiments set is_active = false where name = 'Price page'`);
  await sql(`delete from onboarding.sessions where business_data ->> 'company' = 'Analytical Engines'`);
  await close();
});

test('who follows the page has an onboarding, an experiment with a conversion, and a verified account', async () => {
  const { status, count, printed, errors } = await followPage('docs/growth.md', stack.edge_url);
  assert.equal(status, 0, `${printed.join('')}\n${errors}`);
  assert.ok(count >= 6, `${count} blocks`);
  const [session] = await sql(
    `select current_step, progress_percentage as progress from onboarding.sessions where business_data ->> 'size' = '12'`,
  );
  assert.deepEqual(session, { current_step: 'whatsapp_integration', progress: 25 });
  const [{ id }] = await sql(
    `select id from experiments.experiments where name = 'Price page' order by created_at desc limit 1`,
  );
  const admin = await userToken(undefined, { claims: { app_metadata: { role: 'admin' } } });
  const results = await ask(`/v1/experiments/${id}/results`, { token: admin });
  const [units, conversions] = ['units', 'conversions'].map((name) =>
    results.body.variants.reduce((sum, variant) => sum + variant[name], 0),
  );
  assert.deepEqual([units, conversions], [1, 1]);
  const [account] = await sql(
    `select a.is_verified, count(t.id)::int as templates, count(k.*)::int as tokens
     from whatsapp.accounts as a
     left join whatsapp.templates as t on t.account_id = a.id
     left join private.whatsapp_access_tokens as k on k.account_id = a.id
     where a.owner_id = $1 group by a.id`,
    [OWNER],
  );
  assert.deepEqual(account, { is_verified: true, templates: 1, tokens: 1 });
});
