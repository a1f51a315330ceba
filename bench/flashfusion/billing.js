// Notifications of a user with 100,000, as the user under row-level security; and Stripe's events, each in a transaction of its own.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { event, idOf, session, subscription } from '../../tests/flashfusion/support/stripe.js';
import { median, rounded } from '../figures.js';

export const SIZES = { notifications: 100_000, events: 100_000 };
export const only = 'migrated database';

const RUNS = 40;

/** Users with notifications: of the first all are read but one in a hundred, the second has read none. Others have a thousand. */
export const USERS = Array.from({ length: 102 }, () => randomUUID());
export const loadNotifications = async (client, count) => {
  for (const [at, user] of USERS.entries()) {
    await client.query(
      `insert into flashfusion.notifications (user_id, title, message, is_read, read_at, created_at)
       select $1, 'Title ' || n, 'A message of usual length that says what has happened, number ' || n, is_read,
         case when is_read then now() end, now() - make_interval(mins => n)
       from generate_series(1, $2::int) as n, lateral (select n % 100 <> 0 and $3) as r (is_read)`,
      [user, at < 2 ? count : 1000, at !== 1],
    );
  }
  await client.query('vacuum analyze flashfusion.notifications');
};

const as = async (client, user, body) => {
  await client.query('begin');
  try {
    await client.query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'authenticated', sub: user }),
    ]);
    return await body();
  } finally {
    await client.query('rollback');
  }
};

/** Milliseconds inside the server, planning included, and the plan. */
const measured = async (client, user, query) => {
  const times = [];
  for (let n = 0; n < RUNS; n += 1) {
    const { rows } = await as(client, user, () => client.query(`explain (analyze, timing off, format json) ${query}`));
    const [plan] = rows[0]['QUERY PLAN'];
    if (n >= 3) times.push(plan['Planning Time'] + plan['Execution Time']);
  }
  const { rows } = await as(client, user, () => client.query(`explain (analyze, buffers) ${query}`));
  return { ms: median(times), plan: rows.map((row) => row['QUERY PLAN']).join('\n') };
};

const LISTS = {
  'the newest 50 unread, one in a hundred is': [0, 'not is_read'],
  'the same as is_read=eq.false': [0, 'is_read = false'],
  'the same as is_read=is.false': [0, 'is_read is false'],
  'the newest 50 unread, all are': [1, 'not is_read'],
};

/** Delivers events one after the other, and gives the milliseconds of each. */
const deliver = async (client, events) => {
  const times = [];
  for (const one of events) {
    const text = JSON.stringify(one);
    const start = performance.now();
    await client.query('select flashfusion.take_billing_event($1)', [text]);
    times.push(performance.now() - start);
  }
  return times;
};

/** @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, stopping, options, say }) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const rows = [];
  const add = (name, aim, most, ms, plan) =>
    rows.push({ name, aim, reached: `${rounded(ms)} ms`, met: ms < most, ...(plan && { plan }) });
  try {
    say(`loading ${options.notifications} notifications for each of two users`);
    await loadNotifications(client, options.notifications);
    for (const [name, [at, condition]] of Object.entries(LISTS)) {
      stopping.signal.throwIfAborted();
      const query = `select * from flashfusion.notifications where ${condition} order by created_at desc limit 50`;
      const { ms, plan } = await measured(client, USERS[at], query);
      add(`notifications of a user with ${options.notifications}: ${name}`, 'under 2 ms', 2, ms, plan);
    }

    say(`loading ${options.events} events`);
    await client.query(
      `insert into private.billing_events (event_id, type, created, payload, processed_at, kind, customer_id, outcome)
       select 'evt_old_' || n, 'customer.subscription.updated', now(), jsonb_build_object('n', n), now(), 'snapshot', 'cus_old_' || n % 1000, 'applied'
       from generate_series(1, $1::int) as n`,
      [options.events],
    );
    await client.query('vacuum analyze private.billing_events');
    await client.query(
      `insert into private.price_tiers (price_id, tier, plan_name) values ('price_pro', 'pro', 'Pro')`,
    );
    const user = randomUUID();
    await client.query('select private.flashfusion_user($1)', [user]);
    const sub = subscription({ customer: idOf('cus') });
    await deliver(client, [event('checkout.session.completed', session(user, sub.customer))]);
    const updates = Array.from({ length: 300 }, (_, n) =>
      event('customer.subscription.updated', {
        ...sub,
        status: n % 2 ? 'active' : 'past_due',
        metadata: { filler: 'x'.repeat(3000) },
      }),
    );
    stopping.signal.throwIfAborted();
    add(
      `one event that changes a subscription, ${options.events} stored, committed to disk`,
      'under 10 ms',
      10,
      median(await deliver(client, updates)),
    );
    add('the same event again', 'under 5 ms', 5, median(await deliver(client, updates)));
    return rows;
  } finally {
    await client.end();
  }
};
