import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, onBehalf } from '../support/stack.js';

after(close);

const capture = (lead) =>
  as(onBehalf({ role: 'service_role' }), (query) => query('select marketing.capture_lead($1)', [JSON.stringify(lead)]));

const asked = (name, email) =>
  as({ role: 'service_role' }, async (query) => {
    const [{ answer }] = await query(`select marketing.${name}($1) as answer`, [email]);
    return answer;
  });

test('a person is found without a look through all leads or all events', async () => {
  const email = `${randomUUID()}@gdpr.example`;
  const named = { session_id: `s-${email}`, anonymous_id: `b-${email}` };
  await capture({ email, ...named });
  await capture({ email, session_id: `later ${email}`, anonymous_id: `later ${email}` });
  await as({ role: 'postgres', claims: { role: 'service_role' } }, async (query) => {
    await query('set local enable_seqscan = off');
    const through = async () => {
      const rows =
        await query(`select relid::regclass::text as name, seq_scan::int as count from pg_stat_xact_user_tables
        where relid = 'marketing.leads'::regclass or relid in (
          select inhrelid from pg_inherits where inhparent = 'analytics.events'::regclass
        )`);
      return Object.fromEntries(rows.map(({ name, count }) => [name, count]));
    };
    const before = await through();
    assert.ok(Object.keys(before).length > 3, 'leads, and a partition for each month');
    await query('select marketing.gdpr_export_user_data($1)', [email]);
    await query('select marketing.gdpr_delete_user_data($1)', [email]);
    assert.deepEqual(await through(), before);
  });
});

test('who is deleted is found as well', async () => {
  const email = `${randomUUID()}@gdpr.example`;
  await capture({ email });
  await as({ role: 'postgres' }, (query) =>
    query('update marketing.leads set deleted_at = now() where email_normalized = $1', [email]),
  );
  await capture({ email, first_name: 'Again' });
  assert.equal((await asked('gdpr_export_user_data', email))['marketing.leads'].length, 2);
  assert.equal((await asked('gdpr_delete_user_data', email)).erased['marketing.leads'], 2);
});

test('a form may name a session and a browser of any length, twice, and whoever shares its beginning is another', async () => {
  const [email, other] = [`${randomUUID()}@gdpr.example`, `${randomUUID()}@gdpr.example`];
  // Random, or the database would pack it into a small one.
  const long = () => Array.from({ length: 400 }, () => randomUUID().slice(0, 12)).join('');
  const lead = { email, session_id: long(), anonymous_id: long() };
  await capture(lead);
  await capture({ ...lead, session_id: long() });
  assert.equal((await asked('gdpr_export_user_data', email)).unproven.sessions, undefined, 'nobody else names it');
  await capture({ email: other, session_id: `${lead.session_id.slice(0, 1000)} and more` });
  assert.equal((await asked('gdpr_export_user_data', email)).unproven.sessions, undefined, 'only a beginning');
  await capture({ email: other, session_id: lead.session_id });
  assert.deepEqual((await asked('gdpr_export_user_data', email)).unproven.sessions, [lead.session_id]);
  assert.equal((await asked('gdpr_delete_user_data', email)).erased['marketing.leads'], 1);
});
