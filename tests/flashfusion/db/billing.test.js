// Billing: a subscription's row and its user's tier show Stripe's latest state, in any order of events and after any repetition.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { waitFor } from '../../../dev/process.js';
import { anything } from '../../support/any_json.js';
import { as, close, onBehalf, sql, transaction } from '../../support/stack.js';
import { event, idOf, invoice, seconds, session, subscription, thinEvent } from '../support/stripe.js';

const PRICES = { pro: `price_pro_${idOf('x')}`, team: `price_team_${idOf('x')}` };

before(() =>
  sql(`insert into private.price_tiers (price_id, tier, plan_name) values ($1, 'pro', 'Pro'), ($2, 'team', 'Team')`, [
    PRICES.pro,
    PRICES.team,
  ]),
);
after(async () => {
  await sql('delete from private.price_tiers where price_id = any ($1)', [Object.values(PRICES)]);
  await close();
});

const edge = (body) => as({ role: 'edge' }, body);
/** Delivers an event as the edge does, and gives the answer. */
const deliver = (sent) =>
  edge(
    async (query) =>
      (await query('select flashfusion.take_billing_event($1) as answer', [JSON.stringify(sent)]))[0].answer,
  );
const outcome = async (sent) => (await deliver(sent)).outcome;
const stored = async ({ id }) => (await sql('select * from private.billing_events where event_id = $1', [id]))[0];
const rowOf = async ({ id }) =>
  (await sql('select to_jsonb(b) as row from flashfusion.billing as b where subscription_id = $1', [id]))[0]?.row;
const userRow = async (user) => (await sql('select * from flashfusion.users where id = $1', [user]))[0];
const tierOf = async (user) => (await userRow(user)).subscription_tier;
const notified = async (user) =>
  (await sql('select title from flashfusion.notifications where user_id = $1 order by title', [user])).map(
    ({ title }) => title,
  );

/** A user who has called once, and a customer. */
const someone = async () => {
  const user = randomUUID();
  await sql('select private.flashfusion_user($1)', [user]);
  return { user, customer: idOf('cus') };
};
/** The same after a checkout. */
const customer = async () => {
  const made = await someone();
  assert.equal(await outcome(event('checkout.session.completed', session(made.user, made.customer))), 'applied');
  return made;
};
const updated = 'customer.subscription.updated';

test('a subscription’s life is followed by its row, its user’s tier and limits, and notifications', async () => {
  const { user, customer: of } = await someone();
  const start = seconds('2026-11-01T00:00:00Z');
  const sub = subscription({
    customer: of,
    price: PRICES.pro,
    starts: start,
    status: 'trialing',
    trial_end: start + 86_400,
  });
  assert.equal(await outcome(event('customer.subscription.created', sub, { created: start })), 'unknown customer');
  assert.equal(await rowOf(sub), undefined);
  assert.equal(await tierOf(user), 'free');

  const opened = event('checkout.session.completed', session(user, of), { created: start + 1 });
  assert.equal(await outcome(opened), 'applied');
  const row = await rowOf(sub);
  assert.deepEqual(
    [row.user_id, row.status, row.plan_name, row.billing_cycle, row.amount, row.currency, row.price_id],
    [user, 'trialing', 'Pro', 'month', 2000, 'eur', PRICES.pro],
  );
  assert.deepEqual(
    [row.current_period_start, row.current_period_end, row.last_event_at, row.created_at].map((at) => seconds(at)),
    [start, start + 30 * 86_400, start, start],
  );
  assert.equal(row.stripe_customer_id, of);
  assert.deepEqual(await tierOf(user), 'pro');
  assert.equal((await userRow(user)).api_usage_limit, '50000');

  const say = (type, object, at, more) => outcome(event(type, object, { created: start + at, ...more }));
  assert.equal(await say('customer.subscription.trial_will_end', sub, 100), 'applied');
  const team = subscription({ ...sub, price: PRICES.team, status: 'active', items: undefined });
  team.items = subscription({ price: PRICES.team, starts: start }).items;
  assert.equal(await say(updated, team, 200), 'applied');
  assert.deepEqual([await tierOf(user), (await userRow(user)).api_usage_limit], ['team', '250000']);
  assert.equal(await say('invoice.payment_failed', invoice(sub), 300), 'applied');
  assert.equal(await say(updated, { ...team, status: 'past_due' }, 301), 'applied');
  assert.equal(await tierOf(user), 'team', 'while Stripe retries the payment');
  assert.equal((await rowOf(sub)).metadata.invoice.event, 'payment_failed');
  assert.equal(await say('invoice.paid', invoice(sub, { older: true }), 400), 'applied');
  assert.equal((await rowOf(sub)).metadata.invoice.event, 'paid');
  assert.equal(await say(updated, { ...team, status: 'unpaid' }, 500), 'applied');
  assert.deepEqual([await tierOf(user), (await userRow(user)).api_usage_limit], ['free', '1000']);
  assert.equal(await say(updated, { ...team, status: 'active' }, 600), 'applied');
  assert.equal(await say('customer.subscription.deleted', { ...team, status: 'active' }, 700), 'applied');
  assert.deepEqual([(await rowOf(sub)).status, await tierOf(user)], ['canceled', 'free']);
  assert.deepEqual(await notified(user), ['A payment failed', 'Your subscription has ended', 'Your trial ends soon']);
  const events = await sql(`select kind from private.security_events where user_id = $1 and kind = 'tier_changed'`, [
    user,
  ]);
  assert.equal(events.length, 5);
});

/** All orders of a list. */
const orders = (list) =>
  list.length < 2 ? [list] : list.flatMap((one, at) => orders(list.toSpliced(at, 1)).map((rest) => [one, ...rest]));

/** What is to be the same whatever the order: without ids and the times at which it was written. */
const stateOf = async (user, sub) => {
  const {
    id: _,
    user_id: __,
    updated_at: ___,
    subscription_id: ____,
    stripe_customer_id: _____,
    ...row
  } = (await rowOf(sub)) ?? {};
  const { subscription_tier: tier, api_usage_limit: limit } = await userRow(user);
  delete row.metadata?.invoice?.id;
  const [{ left }] = await sql(
    'select count(*)::int as left from private.billing_events where customer_id = $1 and processed_at is null',
    [sub.customer],
  );
  return { row, tier, limit, left, titles: await notified(user) };
};

/** The events of one life, each at its own time, as functions of the subscription. */
const LIVES = {
  'a trial that becomes a subscription and ends': (user, sub) => [
    event('checkout.session.completed', session(user, sub.customer), { created: 1_790_000_000 }),
    event('customer.subscription.created', { ...sub, status: 'incomplete' }, { created: 1_790_000_001 }),
    event(updated, { ...sub, status: 'active' }, { created: 1_790_000_002, previous: { status: 'incomplete' } }),
    event('invoice.paid', invoice(sub), { created: 1_790_000_003 }),
    event('customer.subscription.deleted', { ...sub, status: 'canceled' }, { created: 1_790_000_004 }),
  ],
  'payments that fail, a pause, and payments again': (user, sub) => [
    event('checkout.session.completed', session(user, sub.customer), { created: 1_790_000_000 }),
    event('invoice.payment_failed', invoice(sub), { created: 1_790_000_001 }),
    event('customer.subscription.paused', { ...sub, status: 'paused' }, { created: 1_790_000_002 }),
    event('customer.subscription.resumed', { ...sub, status: 'active' }, { created: 1_790_000_003 }),
    event('invoice.paid', invoice(sub, { older: true }), { created: 1_790_000_004 }),
  ],
};
for (const [name, life] of Object.entries(LIVES)) {
  test(`all orders of one subscription’s events end in one state: ${name}`, async () => {
    const states = new Map();
    for (const order of orders([0, 1, 2, 3, 4])) {
      const { user, customer: of } = await someone();
      const sub = subscription({ customer: of, price: PRICES.pro, starts: 1_790_000_000 });
      const events = life(user, sub);
      for (const at of order) await deliver(events[at]);
      states.set(JSON.stringify(await stateOf(user, sub)), order);
    }
    assert.equal(states.size, 1, [...states].map(([state, order]) => `${order}: ${state}`).join('\n'));
    const [state] = [...states.keys()].map((text) => JSON.parse(text));
    assert.equal(state.left, 0);
    assert.ok(state.row.status && state.titles.length > 0, JSON.stringify(state));
  });
}

for (const [name, life] of Object.entries(LIVES)) {
  test(`delivered all at once, twice each, they end in the same state: ${name}`, async () => {
    const states = new Set();
    for (let round = 0; round < 20; round += 1) {
      const { user, customer: of } = await someone();
      const sub = subscription({ customer: of, price: PRICES.pro, starts: 1_790_000_000 });
      const events = life(user, sub);
      const answers = await Promise.all([...events, ...events].map(deliver));
      assert.equal(answers.filter(({ duplicate }) => duplicate).length, events.length);
      states.add(JSON.stringify(await stateOf(user, sub)));
    }
    assert.equal(states.size, 1, [...states].join('\n'));
    assert.equal(JSON.parse([...states][0]).left, 0);
  });
}

test('a repeated event changes nothing, and fifty at once are one', async () => {
  const { user, customer: of } = await customer();
  const sub = subscription({ customer: of, price: PRICES.pro });
  const ended = event('customer.subscription.deleted', { ...sub, status: 'canceled' });
  const answers = await Promise.all(Array.from({ length: 50 }, () => deliver(ended)));
  assert.equal(answers.filter(({ duplicate }) => !duplicate).length, 1);
  assert.deepEqual([...new Set(answers.map((answer) => answer.outcome))], ['applied']);
  assert.deepEqual(await notified(user), ['Your subscription has ended']);
  assert.equal((await stored(ended)).attempts, '1');
  assert.deepEqual(await deliver(ended), { received: true, duplicate: true, outcome: 'applied' });
});

test('an event of the same second is not older; an older one is', async (t) => {
  const at = seconds();
  const arrive = async (...events) => {
    const { customer: of } = await customer();
    const sub = subscription({ customer: of, price: PRICES.pro });
    for (const [type, change, created = at, previous] of events)
      await deliver(event(type, { ...sub, ...change }, { created, ...(previous && { previous }) }));
    return rowOf(sub);
  };
  const created = ['customer.subscription.created', { status: 'incomplete' }];
  const activated = [updated, { status: 'active' }, at, { status: 'incomplete' }];
  const ended = ['customer.subscription.deleted', { status: 'canceled' }];
  await t.test('a creation comes before an update', async () => {
    assert.equal((await arrive(created, activated)).status, 'active');
    assert.equal((await arrive(activated, created)).status, 'active');
  });
  await t.test('nothing comes after the end', async () => {
    assert.equal((await arrive(ended, activated)).status, 'canceled');
    assert.equal((await arrive(activated, ended)).status, 'canceled');
  });
  await t.test('of two updates the later one changed what the earlier one shows', async () => {
    const canceling = [updated, { status: 'active', cancel_at_period_end: true }, at, { cancel_at_period_end: false }];
    for (const order of [
      [activated, canceling],
      [canceling, activated],
    ])
      assert.deepEqual([(await arrive(...order)).cancel_at_period_end], [true]);
  });
  await t.test('of two updates that say nothing of each other the last to arrive counts', async () => {
    const [one, other] = ['past_due', 'unpaid'].map((status) => [updated, { status }, at]);
    assert.equal((await arrive(one, other)).status, 'unpaid');
    assert.equal((await arrive(other, one)).status, 'past_due');
  });
  await t.test('one second older is older', async () => {
    const older = [updated, { status: 'unpaid' }, at - 1];
    assert.equal((await arrive([updated, { status: 'active' }], older)).status, 'active');
    const { customer: of } = await customer();
    const sub = subscription({ customer: of });
    await deliver(event(updated, sub, { created: at }));
    assert.equal(await outcome(event(updated, { ...sub, status: 'unpaid' }, { created: at - 1 })), 'outdated');
  });
});

test('periods, prices and amounts are read in every form that Stripe has had', async (t) => {
  const { customer: of } = await customer();
  const read = async (sub) => {
    await deliver(event(updated, sub));
    return rowOf(sub);
  };
  const start = 1_790_000_000;
  const item = (changes) => ({ ...subscription({ starts: start }).items.data[0], ...changes });
  const items = (...data) => ({ object: 'list', data });
  await t.test(
    'the period spans those of all items, the amount is their sum, the best tier names the plan',
    async () => {
      const both = items(
        item({ current_period_start: start + 5, current_period_end: start + 100, quantity: 3 }),
        item({
          current_period_start: start + 9,
          current_period_end: start + 900,
          price: {
            id: PRICES.team,
            currency: 'eur',
            recurring: { interval: 'month', interval_count: 3 },
            unit_amount: 500,
          },
        }),
      );
      const row = await read(subscription({ customer: of, items: both }));
      assert.deepEqual([row.current_period_start, row.current_period_end].map(seconds), [start + 5, start + 900]);
      assert.deepEqual(
        [row.amount, row.price_id, row.plan_name, row.billing_cycle],
        [6500, PRICES.team, 'Team', '3 months'],
      );
      assert.deepEqual(row.metadata.prices, ['price_pro', PRICES.team]);
    },
  );
  await t.test('before March 2025 the subscription had the period', async () => {
    const row = await read(subscription({ customer: of, older: true, starts: start }));
    assert.deepEqual([row.current_period_start, row.current_period_end].map(seconds), [start, start + 30 * 86_400]);
  });
  await t.test('long before, it had one plan', async () => {
    const plan = {
      id: PRICES.pro,
      amount: 900,
      currency: 'usd',
      interval: 'year',
      interval_count: 1,
      nickname: 'Gold',
    };
    const sub = {
      ...subscription({ customer: of, older: true }),
      items: undefined,
      plan,
      quantity: 2,
      currency: undefined,
    };
    const row = await read(sub);
    assert.deepEqual([row.amount, row.currency, row.billing_cycle, row.plan_name], [1800, 'usd', 'year', 'Pro']);
  });
  await t.test('a metered or graduated price has no amount', async () => {
    const price = {
      id: 'price_metered',
      nickname: 'Metered',
      recurring: { interval: 'month', usage_type: 'metered' },
      unit_amount: 5,
    };
    const row = await read(
      subscription({ customer: of, items: items(item({}), item({ price, quantity: undefined })) }),
    );
    assert.deepEqual([row.amount, row.plan_name], [null, 'price_pro']);
  });
  await t.test('with flexible billing a cancellation sets cancel_at only', async () => {
    const sub = subscription({ customer: of, starts: start });
    assert.equal((await read({ ...sub, cancel_at: start + 30 * 86_400 })).cancel_at_period_end, true);
    assert.equal((await read({ ...sub, cancel_at: start + 90 * 86_400 })).cancel_at_period_end, false);
  });
  await t.test('expanded objects are read like their ids', async () => {
    const sub = subscription({ customer: of });
    const row = await read({ ...sub, customer: { id: of, object: 'customer', email: 'jo@example.org' } });
    assert.equal(row.stripe_customer_id, of);
  });
});

test('a pause ends the tier by status, whichever way it came; paused collection leaves it', async () => {
  const { user, customer: of } = await customer();
  const sub = subscription({ customer: of, price: PRICES.pro });
  const say = async (type, change) => {
    await deliver(event(type, { ...sub, ...change }));
    const row = await rowOf(sub);
    return [
      row.status,
      await tierOf(user),
      row.metadata.pause_collection?.behavior,
      row.metadata.paused?.subscription?.type,
    ];
  };
  const collection = { behavior: 'void', resumes_at: seconds() + 9000 };
  assert.deepEqual(await say(updated, { pause_collection: collection }), ['active', 'pro', 'void', undefined]);
  assert.deepEqual(await say('customer.subscription.paused', { status: 'paused' }), [
    'paused',
    'free',
    undefined,
    undefined,
  ]);
  assert.deepEqual(await say('customer.subscription.resumed', {}), ['active', 'pro', undefined, undefined]);
  const asked = { status: 'paused', status_details: { paused: { subscription: { type: 'requested' } } } };
  assert.deepEqual(await say(updated, asked), ['paused', 'free', undefined, 'requested']);
});

test('an unknown status is kept as it is, and gives no tier', async () => {
  const { user, customer: of } = await customer();
  const sub = subscription({ customer: of, price: PRICES.pro });
  await deliver(event(updated, sub));
  assert.equal(await tierOf(user), 'pro');
  await deliver(event(updated, { ...sub, status: 'hibernating' }));
  assert.deepEqual([(await rowOf(sub)).status, await tierOf(user)], ['hibernating', 'free']);
});

test('each documented status gives a tier or none', async () => {
  const wanted = {
    ...{ trialing: 'pro', active: 'pro', past_due: 'pro' },
    ...{ canceled: 'free', unpaid: 'free', incomplete: 'free', incomplete_expired: 'free', paused: 'free' },
  };
  for (const [status, tier] of Object.entries(wanted)) {
    const { user, customer: of } = await customer();
    const sub = subscription({ customer: of, price: PRICES.pro, status });
    assert.equal(await outcome(event(updated, sub)), 'applied');
    assert.deepEqual([(await rowOf(sub)).status, await tierOf(user)], [status, tier]);
  }
});

test('of several subscriptions the best counts, and a change of the table of prices reaches its users', async () => {
  const { user, customer: of } = await customer();
  const [pro, team, other] = [PRICES.pro, PRICES.team, `price_new_${idOf('x')}`].map((price) =>
    subscription({ customer: of, price }),
  );
  await deliver(event(updated, other));
  assert.equal(await tierOf(user), 'free', 'a price that gives no tier');
  await deliver(event(updated, pro));
  await deliver(event(updated, team));
  assert.equal(await tierOf(user), 'team');
  await deliver(event('customer.subscription.deleted', team));
  assert.equal(await tierOf(user), 'pro');
  const [price] = (await rowOf(other)).metadata.prices;
  await sql(`insert into private.price_tiers (price_id, tier, plan_name) values ($1, 'enterprise', 'All')`, [price]);
  assert.equal(await tierOf(user), 'enterprise');
  await sql('delete from private.price_tiers where price_id = $1', [price]);
  assert.equal(await tierOf(user), 'pro');
  await transaction(async (query) => {
    await query(`update private.tiers set api_usage_limit = 7 where tier = 'pro'`);
    const [{ api_usage_limit: limit }] = await query('select api_usage_limit from flashfusion.users where id = $1', [
      user,
    ]);
    assert.equal(limit, '7');
  });
});

test('a change of a price takes no lock for each of its subscribers, and passes those whose subscriptions have ended', async () => {
  const { user, customer: of } = await customer();
  const price = `price_many_${idOf('x')}`;
  await deliver(event(updated, subscription({ customer: of, price })));
  await transaction(async (query) => {
    await query('set local session_replication_role = replica');
    await query(
      `insert into flashfusion.billing (user_id, subscription_id, plan_name, status, stripe_customer_id, last_event_at, metadata)
       select gen_random_uuid(), 'sub_many_' || n, 'Many', case when n <= 10000 then 'active' else 'canceled' end, 'cus_many', now(),
         jsonb_build_object('prices', jsonb_build_array($1::text))
       from generate_series(1, 12000) as n`,
      [price],
    );
    await query('set local session_replication_role = origin');
    await query(`insert into private.price_tiers (price_id, tier, plan_name) values ($1, 'team', 'Many')`, [price]);
    const [{ locks }] = await query(
      'select count(*)::int as locks from pg_locks where pid = pg_backend_pid() and locktype = $1',
      ['advisory'],
    );
    assert.equal(locks, 0);
    const [row] = await query('select subscription_tier as tier from flashfusion.users where id = $1', [user]);
    assert.equal(row.tier, 'team');
  });
});

test('an event that meets a change of its price gives the tier that the change has set', async () => {
  const price = `price_meets_${idOf('x')}`;
  const waiting = () =>
    sql(
      `select from pg_stat_activity where wait_event_type = 'Lock' and query ~ '(take_billing_event|flashfusion_user|tier_meets)'`,
    );
  const insert = `insert into private.price_tiers (price_id, tier, plan_name) values ($1, 'pro', 'Meets') /* tier_meets */`;
  try {
    await sql(insert, [price]);
    const { user, customer: of } = await customer();
    const sub = subscription({ customer: of, price });
    // The change comes first.
    let delivered;
    await as({ role: 'edge' }, async (query) => {
      await query('reset role');
      await query(`update private.price_tiers set tier = 'team' where price_id = $1`, [price]);
      delivered = outcome(event(updated, sub));
      await waitFor('the event to wait', async () => (await waiting()).length > 0);
    });
    assert.equal(await delivered, 'applied');
    assert.equal(await tierOf(user), 'team');
    // The event comes first.
    const { user: second, customer: theirs } = await customer();
    let changed;
    await edge(async (query) => {
      await query('select flashfusion.take_billing_event($1)', [
        JSON.stringify(event(updated, subscription({ customer: theirs, price }))),
      ]);
      changed = sql(`update private.price_tiers set tier = 'enterprise' where price_id = $1 /* tier_meets */`, [price]);
      await waitFor('the change to wait', async () => (await waiting()).length > 0);
    });
    await changed;
    assert.deepEqual([await tierOf(second), await tierOf(user)], ['enterprise', 'enterprise']);
    // A user's row that is made anew meanwhile.
    await sql('delete from flashfusion.users where id = $1', [user]);
    let renewed;
    await transaction(async (query) => {
      await query('select private.flashfusion_user($1)', [user]);
      renewed = sql(`update private.price_tiers set tier = 'pro' where price_id = $1 /* tier_meets */`, [price]);
      await waitFor('the change to wait', async () => (await waiting()).length > 0);
      await query('commit');
    });
    await renewed;
    assert.equal(await tierOf(user), 'pro');
  } finally {
    await sql('delete from private.price_tiers where price_id = $1', [price]);
  }
});

test('a customer is only the user’s for whom this system has opened the session', async () => {
  const { user, customer: of } = await someone();
  const sub = subscription({ customer: of, price: PRICES.team });
  await deliver(event('customer.subscription.created', sub));
  // A payment link takes any reference from its address.
  const foreign = session(user, of, { metadata: {} });
  assert.equal(await outcome(event('checkout.session.completed', foreign)), 'ignored');
  for (const more of [
    { client_reference_id: 'x' },
    { client_reference_id: null },
    { status: 'open' },
    { customer: null },
  ])
    assert.equal(await outcome(event('checkout.session.completed', session(user, of, more))), 'ignored');
  assert.equal(await tierOf(user), 'free');
  assert.equal(await outcome(event('checkout.session.completed', session(user, of))), 'applied');
  assert.equal(await tierOf(user), 'team');
  // The customer stays the first user's.
  const { user: second } = await someone();
  const again = event('checkout.session.completed', session(second, of));
  assert.equal(await outcome(again), 'customer of another user');
  assert.deepEqual([await tierOf(second), await tierOf(user)], ['free', 'team']);
});

test('a user who completes two checkouts is told once, and the portal leads to each active subscription', async () => {
  const { user, customer: first } = await customer();
  const second = idOf('cus');
  const portal = () =>
    as(
      onBehalf({ role: 'authenticated', claims: { sub: user } }),
      async (query) => (await query('select flashfusion.portal_reference() as answer'))[0].answer.customer,
    );
  const [one, two] = [first, second].map((of) =>
    subscription({ customer: of, price: PRICES.pro, status: 'incomplete' }),
  );
  const say = (sub, change, type = updated) => outcome(event(type, { ...sub, ...change }));
  await say(one, {}, 'customer.subscription.created');
  await say(one, { status: 'active' });
  assert.equal(await outcome(event('checkout.session.completed', session(user, second))), 'applied');
  await sql(
    `update private.billing_customers set created_at = now() + interval '1 second' where stripe_customer_id = $1`,
    [second],
  );
  // A customer without a subscription.
  assert.equal(await portal(), first);
  await say(two, {}, 'customer.subscription.created');
  assert.deepEqual(await notified(user), []);
  for (let n = 0; n < 2; n += 1) await say(two, { status: 'active' });
  await say(one, { status: 'past_due' });
  assert.deepEqual(await notified(user), ['You have more than one subscription']);
  assert.equal(await portal(), second);
  await say(two, { status: 'active', cancel_at_period_end: true });
  assert.equal(await portal(), first);
  await say(one, { status: 'canceled' });
  assert.equal(await portal(), second);
  await say(two, { status: 'canceled' });
  assert.equal(await portal(), second);
});

test('a checkout reads none of the subscriptions that have ended', async () => {
  const { user } = await someone();
  await transaction(async (query) => {
    await query('set local session_replication_role = replica');
    await query(
      `insert into flashfusion.billing (user_id, subscription_id, plan_name, status, stripe_customer_id, last_event_at)
       select case when n <= 500 then $1::uuid else gen_random_uuid() end, 'sub_ended_' || n, repeat('x', 250), 'canceled', 'cus_ended', now()
       from generate_series(1, 5000) as n`,
      [user],
    );
    await query('set local session_replication_role = origin');
    await query('analyze flashfusion.billing');
    await query(`select set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'edge', sub: user, edge: { caller: 'authenticated' } }),
    ]);
    const found = [];
    for (let n = 0; n < 5; n += 1) {
      const [row] = await query(
        `explain (analyze, buffers, timing off, format json) select flashfusion.checkout_reference('${PRICES.pro}')`,
      );
      const [{ Plan: plan }] = row['QUERY PLAN'];
      found.push(plan['Shared Hit Blocks'] + plan['Shared Read Blocks']);
    }
    assert.ok(Math.min(...found) <= 25, `${found} blocks`);
  });
});

test('a thin event is stored, and its object is fetched by its path only', async (t) => {
  const claimOf = async (sent) => {
    const found = await edge((query) => query('select edge.claim_billing_events(100) as claimed'));
    return found[0].claimed.find(({ event_id: id }) => id === sent.id);
  };
  const finish = (sent, status, object) =>
    edge(
      async (query) =>
        (
          await query('select edge.finish_billing_event($1, $2, $3) as outcome', [
            sent.id,
            status,
            object && JSON.stringify(object),
          ])
        )[0].outcome,
    );
  const dueNow = (sent) => sql('update private.billing_events set due_at = now() where event_id = $1', [sent.id]);

  await t.test('the fetched state is applied', async () => {
    const { user, customer: of } = await customer();
    const sub = subscription({ customer: of, price: PRICES.pro });
    const sent = thinEvent('v1.customer.subscription.active', sub);
    assert.deepEqual(await deliver(sent), { received: true, duplicate: false, outcome: 'not fetched' });
    assert.deepEqual(await deliver(sent), { received: true, duplicate: true, outcome: 'not fetched' });
    assert.equal((await stored(sent)).created.toISOString(), sent.created);
    assert.deepEqual(await claimOf(sent), { event_id: sent.id, path: `v1/subscriptions/${sub.id}` });
    assert.equal(await claimOf(sent), undefined, 'nobody else gets it meanwhile');
    assert.equal(await finish(sent, 200, sub), 'applied');
    assert.deepEqual([(await rowOf(sub)).status, await tierOf(user)], ['active', 'pro']);
    assert.equal(await finish(sent, 200, { ...sub, status: 'unpaid' }), 'ignored', 'once');
    assert.equal(await deliver(sent).then((answer) => answer.duplicate), true);
  });
  await t.test('an event that came while it was fetched makes it be fetched again', async () => {
    const { customer: of } = await customer();
    const sub = subscription({ customer: of });
    await deliver(event('customer.subscription.created', sub, { created: seconds() - 10 }));
    const sent = thinEvent('v1.customer.subscription.updated', sub);
    await deliver(sent);
    assert.ok(await claimOf(sent));
    await deliver(event(updated, { ...sub, status: 'past_due' }));
    assert.equal(await finish(sent, 200, sub), 'not fetched');
    assert.equal((await rowOf(sub)).status, 'past_due');
    assert.ok(await claimOf(sent));
    assert.equal(await finish(sent, 200, { ...sub, status: 'unpaid' }), 'applied');
    assert.equal((await rowOf(sub)).status, 'unpaid');
  });
  await t.test('a failure is tried again later, what is gone is not', async () => {
    const sub = subscription();
    const sent = thinEvent('v1.customer.subscription.updated', sub);
    await deliver(sent);
    for (const status of [0, 401, 500]) {
      await dueNow(sent);
      assert.ok(await claimOf(sent));
      assert.equal(await finish(sent, status), 'not fetched');
      assert.ok((await stored(sent)).due_at > new Date());
    }
    assert.match((await stored(sent)).outcome, /status 500/);
    await dueNow(sent);
    await claimOf(sent);
    assert.equal(await finish(sent, 404), 'gone');
    const { processed_at: at, due_at: due } = await stored(sent);
    assert.ok(at && due === null);
  });
  await t.test('another object than the one that was named is none', async () => {
    const sent = thinEvent('v1.customer.subscription.updated', subscription());
    await deliver(sent);
    assert.equal(await finish(sent, 200, subscription()), 'not fetched');
  });
  await t.test('of an unknown customer it is fetched anew once the customer is known', async () => {
    const { user, customer: of } = await someone();
    const sub = subscription({ customer: of, price: PRICES.pro });
    const sent = thinEvent('v1.customer.subscription.created', sub);
    await deliver(sent);
    await claimOf(sent);
    assert.equal(await finish(sent, 200, sub), 'unknown customer');
    assert.deepEqual([(await stored(sent)).fetched, await claimOf(sent)], [null, undefined]);
    await deliver(event('checkout.session.completed', session(user, of)));
    assert.ok(await claimOf(sent));
    assert.equal(await finish(sent, 200, sub), 'applied');
    assert.equal(await tierOf(user), 'pro');
  });
  await t.test('invoices are fetched, too; what is not about billing is stored and ignored', async () => {
    const { user, customer: of } = await customer();
    const sub = subscription({ customer: of });
    await deliver(event(updated, sub));
    const bill = invoice(sub);
    const sent = thinEvent('v1.invoice.payment_failed', bill);
    await deliver(sent);
    await claimOf(sent);
    assert.equal(await finish(sent, 200, bill), 'applied');
    assert.deepEqual(await notified(user), ['A payment failed']);
    for (const type of ['v2.core.account.created', 'v1.charge.captured'])
      assert.equal(await outcome(thinEvent(type, sub)), 'ignored', type);
    assert.equal(
      await outcome({ ...thinEvent('v1.customer.subscription.updated', sub), related_object: null }),
      'ignored',
    );
  });
  await t.test('a snapshot and its thin twin notify once', async () => {
    const { user, customer: of } = await customer();
    const sub = subscription({ customer: of, status: 'canceled' });
    const snapshot = event('customer.subscription.deleted', sub);
    await deliver(snapshot);
    const sent = thinEvent('v1.customer.subscription.deleted', sub, { snapshot_event: snapshot.id });
    await deliver(sent);
    await claimOf(sent);
    assert.equal(await finish(sent, 200, sub), 'applied');
    assert.deepEqual(await notified(user), ['Your subscription has ended']);
  });
  await t.test('an address, or a path that leads elsewhere, is not followed', async () => {
    const sub = subscription();
    for (const url of [
      ...[
        'https://evil.example/v1/subscriptions/sub_1',
        '//evil.example/v1/x',
        '/v3/subscriptions/sub_1',
        'v1/subscriptions/sub_1',
      ],
      ...[
        '/v1/../secrets/sub_1',
        '/v1/subscriptions/sub_1?expand=x',
        '/v1/subscriptions/sub_1#x',
        '/v1/a@evil.example/b',
        '/v1//x',
        '/v1/a%2fb',
        '',
      ],
    ]) {
      const sent = thinEvent('v1.customer.subscription.updated', sub);
      sent.related_object.url = url;
      assert.equal(await outcome(sent), 'ignored', url);
      assert.equal((await stored(sent)).path, null);
    }
  });
});

test('a subscription whose last event was lost is fetched after its period', async () => {
  const { user, customer: of } = await customer();
  const start = seconds() - 34 * 86_400;
  const sub = subscription({ customer: of, price: PRICES.pro, starts: start });
  await deliver(event(updated, sub, { created: start }));
  const fresh = subscription({ customer: of, price: PRICES.pro, starts: start + 2 * 86_400 });
  await deliver(event(updated, fresh, { created: start }));
  const claim = async () =>
    (await edge((query) => query('select edge.claim_billing_events(100) as claimed')))[0].claimed;
  const recheck = async () => {
    await edge((query) => query(`select edge.run_job('recheck_subscriptions')`));
    // Those of other tests wait.
    await sql(
      `update private.billing_events set due_at = now() + interval '1 hour' where event_id ~ '^recheck_' and customer_id <> $1`,
      [of],
    );
    return (await claim()).filter(({ path }) => path.endsWith(sub.id) || path.endsWith(fresh.id));
  };
  const [due, ...others] = await recheck();
  assert.deepEqual([due.path, others], [`v1/subscriptions/${sub.id}`, []]);
  assert.deepEqual(await recheck(), [], 'not while it is under way');
  await edge((query) => query('select edge.finish_billing_event($1, 200, $2)', [due.event_id, JSON.stringify(sub)]));
  assert.equal((await recheck()).length, 1, 'again, the next day');
  await edge((query) =>
    query('select edge.finish_billing_event($1, 200, $2)', [
      due.event_id,
      JSON.stringify({ ...sub, status: 'canceled' }),
    ]),
  );
  assert.deepEqual(
    [(await rowOf(sub)).status, (await rowOf(sub)).last_event_at],
    ['canceled', new Date(start * 1000).toISOString().replace('.000Z', '+00:00')],
  );
  assert.deepEqual(await recheck(), []);
  assert.equal(await tierOf(user), 'pro', 'by the other one');
});

test('what fails is stored, undoes nothing of others, and is tried again', async () => {
  const { user, customer: of } = await customer();
  const sub = subscription({ customer: of, price: PRICES.pro });
  const sent = event(updated, sub);
  // Another request of the user's holds the user's lock.
  await transaction(async (query) => {
    await query('select private.lock_flashfusion_user($1)', [user]);
    assert.deepEqual(await deliver(sent), { received: true, duplicate: false, outcome: 'failed' });
  });
  const failed = await stored(sent);
  assert.match(failed.outcome, /^failed: PGRST .*RG631/);
  assert.ok(failed.processed_at === null && failed.due_at > failed.received_at);
  const retry = async () => (await edge((query) => query(`select edge.run_job('retry_billing_events') as run`)))[0].run;
  await retry();
  assert.equal((await stored(sent)).processed_at, null, 'it is not due');
  await sql('update private.billing_events set due_at = now() where event_id = $1', [sent.id]);
  assert.ok((await retry()).rows >= 1);
  assert.equal((await stored(sent)).outcome, 'applied');
  assert.equal(await tierOf(user), 'pro');
});

test('a repeated delivery of an event that failed tries it again', async () => {
  const { user, customer: of } = await customer();
  const sent = event(updated, subscription({ customer: of, price: PRICES.pro }));
  await transaction(async (query) => {
    await query('select private.lock_flashfusion_user($1)', [user]);
    await deliver(sent);
  });
  assert.deepEqual(await deliver(sent), { received: true, duplicate: true, outcome: 'applied' });
  assert.equal(await tierOf(user), 'pro');
});

test('what is no event is refused, and whatever else stands in an event is stored', async () => {
  const code = async (sent) => {
    try {
      await deliver(sent);
      return undefined;
    } catch (error) {
      return JSON.parse(error.message).code;
    }
  };
  for (const odd of [
    null,
    1,
    'x',
    [],
    {},
    { ...event('x', {}), id: 'a b' },
    { ...event('x', {}), object: 'charge' },
    { ...event('x', {}), type: 7 },
  ])
    assert.equal(await code(odd), 'RG622', JSON.stringify(odd));
  const types = [
    'checkout.session.completed',
    updated,
    'invoice.paid',
    'customer.subscription.deleted',
    'unknown.type',
  ];
  const { customer: of } = await customer();
  const values = anything(400);
  for (const [round, value] of values.entries()) {
    const base = [
      session(randomUUID(), of),
      subscription({ customer: of }),
      invoice({ id: idOf('sub'), customer: of }),
    ][round % 3];
    const fields = Object.keys(base);
    const odd = { ...base, [fields[round % fields.length]]: 'ODD' };
    const sent = event(types[round % types.length], round % 7 === 0 ? 'ODD' : odd);
    if (round % 4 === 0) sent.created = 'ODD';
    const text = JSON.stringify(sent).replaceAll('"ODD"', () => value);
    const [{ answer }] = await edge((query) => query('select flashfusion.take_billing_event($1) as answer', [text]));
    assert.equal(answer.received, true);
    assert.notEqual(answer.outcome, 'failed', `${text} ${(await stored(sent)).outcome}`);
  }
});

test('of an erased user the subscription’s record stays, and nothing personal is stored any more', async () => {
  const { user, customer: of } = await customer();
  const sub = subscription({ customer: of, price: PRICES.pro });
  await deliver(event(updated, sub));
  await sql('select private.erase_account($1)', [user]);
  const sent = event('customer.subscription.deleted', { ...sub, customer: { id: of, email: 'jo@example.org' } });
  assert.equal(await outcome(sent), 'applied');
  assert.equal((await rowOf(sub)).status, 'canceled');
  assert.deepEqual((await stored(sent)).payload, {});
  assert.deepEqual(await notified(user), []);
});

test('of a checkout that completes after the erasure nothing personal is stored, nor of what its customer does; operators see the subscription', async () => {
  const { user, customer: of } = await someone();
  const sub = subscription({ customer: of, price: PRICES.pro });
  const email = `${randomUUID()}@example.org`;
  await sql('select private.erase_account($1)', [user]);
  const sent = [
    event('payment_method.attached', { id: idOf('pm'), customer: of, billing_details: { email } }),
    event('customer.subscription.created', { ...sub, customer: { id: of, email } }),
    event('checkout.session.completed', session(user, of, { customer_details: { email } })),
    event('invoice.paid', invoice(sub, { customer_email: email })),
    event('customer.subscription.deleted', { ...sub, customer: { id: of, email } }),
  ];
  const outcomes = [];
  for (const one of sent.slice(0, 4)) outcomes.push(await outcome(one));
  assert.deepEqual(outcomes, ['ignored', 'unknown customer', 'erased user', 'applied']);
  const running = await sql(
    `select b.stripe_customer_id, b.subscription_id from flashfusion.billing as b
     inner join private.erased_users as e on e.id = b.user_id where b.user_id = $1 and b.status in ('active', 'trialing', 'past_due')`,
    [user],
  );
  assert.deepEqual(running, [{ stripe_customer_id: of, subscription_id: sub.id }]);
  assert.equal(await outcome(sent.at(-1)), 'applied');
  assert.equal((await rowOf(sub)).status, 'canceled');
  for (const one of sent) assert.deepEqual((await stored(one)).payload, {}, one.type);
  assert.equal(await userRow(user), undefined);
  assert.deepEqual(await notified(user), []);
  // The customer of somebody else stays theirs.
  const { user: other, customer: theirs } = await customer();
  const strange = event('checkout.session.completed', session(user, theirs, { customer_details: { email } }));
  assert.equal(await outcome(strange), 'erased user');
  assert.deepEqual((await stored(strange)).payload, {});
  assert.deepEqual(await sql('select user_id from private.billing_customers where stripe_customer_id = $1', [theirs]), [
    { user_id: other },
  ]);
});
