import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import pg from 'pg';
import { as, close, onBehalf, sql, stack, transaction } from '../support/stack.js';

after(close);

/** The milliseconds that a call took inside the database. How long it may take at most is no business of a test. */
const took = async (query, call, values) => {
  const statement = `select extract(epoch from clock_timestamp() - before.at) * 1000 as ms
    from (select clock_timestamp() as at offset 0) as before,
      lateral (select ${call} as answer where before.at is not null offset 0) as called
    where called.answer is not null`;
  return Number((await query(statement, values))[0].ms);
};

test('a step is waited for to its end, from wherever in it', async () => {
  for (const spent of [0, 0.05, 0.5, 1, 1.9, 2.5, 3.99, 4.8, 4.99]) {
    const [{ late }] = await sql(
      `with start as materialized (select clock_timestamp() - $1 * interval '1 millisecond' as at),
         waited as materialized (select at, private.wait_for_step(at, interval '5 milliseconds')::text as done from start)
       select extract(epoch from clock_timestamp() - at) * 1000 - 5 as late from waited where done is not null`,
      [spent],
    );
    assert.ok(Number(late) >= 0, `${spent} ms were spent, and it was ${-late} ms too early`);
  }
});

test('a lead is answered at a step, new, known or spam, with and without consent', async () => {
  const email = `${randomUUID()}@timing.example`;
  const leads = {
    new: { email },
    known: { email, first_name: 'Zoë', notes: 'Again.' },
    'known, with consent': { email, consent: 'on' },
    'known, from a program': { email, _gotcha: 'x' },
    'new, from a program': { email: `bot-${email}`, _gotcha: 'x' },
  };
  for (const [name, lead] of Object.entries(leads)) {
    const ms = await as(onBehalf({ role: 'anon' }), (query) =>
      took(query, 'marketing.capture_lead($1)', [JSON.stringify(lead)]),
    );
    assert.ok(ms >= 5, `${name}: ${ms} ms`);
  }
});

test('a session of onboarding is answered at a step, whether or not its address is a lead’s', async () => {
  const email = `${randomUUID()}@timing.example`;
  await as(onBehalf({ role: 'anon' }), (query) =>
    query('select marketing.capture_lead($1)', [JSON.stringify({ email })]),
  );
  for (const address of [email, `un${email}`]) {
    const start = JSON.stringify({ email: address });
    const ms = await as(onBehalf({ role: 'anon' }), (query) => took(query, 'onboarding.start($1)', [start]));
    assert.ok(ms >= 5, `${address}: ${ms} ms`);
  }
});

test('the first answer of a connection comes at a larger step: it has everything to compile', async () => {
  const email = `${randomUUID()}@timing.example`;
  for (const lead of [{ email }, { email, notes: 'Known by now.' }]) {
    const client = new pg.Client({ connectionString: stack.database_url });
    await client.connect();
    try {
      const ask = async (text, values) => (await client.query(text, values)).rows;
      const ms = await took(ask, 'marketing.capture_lead($1)', [JSON.stringify(lead)]);
      assert.ok(ms >= 50, `${ms} ms`);
      const [{ compiled }] = await ask(`select current_setting('rowgate.capture_lead', true) as compiled`);
      assert.equal(compiled, 'yes', 'only the first');
    } finally {
      await client.end();
    }
  }
  const [{ submission_count: count }] = await sql(
    'select submission_count::int from marketing.leads where email_normalized = $1',
    [email],
  );
  assert.equal(count, 2, 'what is tried out to be compiled is undone');
  const [{ count: noted }] = await sql(
    `select count(*)::int from private.audit_log as a join marketing.leads as l on l.id::text = a.row_id
     where l.email_normalized = $1`,
    [email],
  );
  assert.equal(noted, 1, 'and not written down');
});

test('whoever waits for a known lead waits for a new one, too', async () => {
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
