// The examples of the manifest about billing and notifications get answers that fit their schemas.
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { startEdge } from '../../support/edge.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { idOf, signature, startStripe } from '../support/stripe.js';

const SECRET = 'whsec_schemas';
const manifest = systems().find(({ name }) => name === 'flashfusion');
const endpoints = manifest.endpoints.filter(({ path }) =>
  /^\/v1\/(billing|notifications)\/|\/fetch_thin_events$/.test(path),
);
const PRICE = `price_${idOf('schemas')}`;

let stripe;
let edge;
before(async () => {
  stripe = await startStripe();
  edge = await startEdge({
    STRIPE_WEBHOOK_SECRET: SECRET,
    STRIPE_API_KEY: stripe.key,
    STRIPE_URL: stripe.url,
    BILLING_RETURN_URL: 'https://app.example.org/billing',
  });
  await sql(`insert into private.price_tiers (price_id, tier, plan_name) values ($1, 'pro', 'Pro')`, [PRICE]);
});
after(async () => {
  await edge?.stop();
  await stripe?.stop();
  await sql('delete from private.price_tiers where price_id = $1', [PRICE]);
  await sql(`delete from private.billing_events where event_id in ('evt_1', 'evt_2')`);
  await close();
});

/** A user who is a customer of Stripe's. */
const customer = async () => {
  const user = randomUUID();
  await sql('insert into private.billing_customers (stripe_customer_id, user_id) values ($1, $2)', [idOf('cus'), user]);
  return { token: await userToken(user) };
};

test('each example gets an answer that fits its schema', () =>
  sendExamples({ ...manifest, endpoints }, (path, options) => ask(path, { base: edge.url, ...options }), {
    'POST /v1/billing/webhook': async (example) => ({
      headers: { 'stripe-signature': signature(JSON.stringify(example), SECRET) },
    }),
    'POST /v1/billing/checkout': async () => ({ token: await userToken(), json: { price: PRICE } }),
    'POST /v1/billing/portal': customer,
    'POST /v1/jobs/fetch_thin_events': async () => ({ token: stack.service_key }),
    'POST /v1/notifications/read': async () => ({ token: await userToken() }),
  }));
