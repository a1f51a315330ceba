// The lock of an address does not show whether it is known. How long an answer takes is tested through the edge (tests/growth/e2e/timing.test.js).
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, onBehalf, transaction } from '../../support/stack.js';

after(close);

test('the lock of an address is taken for a known and for a new one', async () => {
  const known = `${randomUUID()}@timing.example`;
  await as(onBehalf({ role: 'anon' }), (query) =>
    query('select marketing.capture_lead($1)', [JSON.stringify({ email: known })]),
  );
  for (const email of [known, `un${known}`]) {
    const body = JSON.stringify({ email });
    await transaction(async (query) => {
      await query('select onboarding.start($1)', [body]);
      await assert.rejects(
        as(onBehalf({ role: 'anon' }), async (ask) => {
          await ask("set local lock_timeout = '200ms'");
          await ask('select marketing.capture_lead($1)', [body]);
        }),
        { code: '55P03' },
        email,
      );
    });
  }
});
