// A Stripe that stands for the real one: the parts of its API that the edge uses, as documented (https://docs.stripe.com/api), and the
// events of a subscription's life in the forms of its API versions.
import { createHmac, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

export const VERSION = '2026-10-28.endive';

/** An id as Stripe makes them. */
export const idOf = (prefix) => `${prefix}_${randomUUID().replaceAll('-', '').slice(0, 24)}`;

/** Seconds since 1970. */
export const seconds = (date = Date.now()) => Math.floor(new Date(date).getTime() / 1000);

/** The header by which Stripe signs a body: one `v1` for each secret. */
export const signature = (body, secrets, time = seconds()) => {
  const one = (secret) => createHmac('sha256', secret).update(`${time}.${body}`).digest('hex');
  return [`t=${time}`, ...[secrets].flat().map((secret) => `v1=${one(secret)}`)].join(',');
};

const DAY = 86_400;

/** A subscription of today's form; `older: true`: of before March 2025, with the period at the top. */
export const subscription = ({ older = false, price = 'price_pro', starts = seconds(), ...more } = {}) => {
  const period = { current_period_start: starts, current_period_end: starts + 30 * DAY };
  const recurring = { interval: 'month', interval_count: 1, usage_type: 'licensed' };
  return {
    id: idOf('sub'),
    object: 'subscription',
    billing_mode: { type: older ? 'classic' : 'flexible' },
    cancel_at: null,
    cancel_at_period_end: false,
    created: starts,
    currency: 'eur',
    customer: idOf('cus'),
    items: {
      object: 'list',
      data: [
        {
          id: idOf('si'),
          object: 'subscription_item',
          ...(!older && period),
          price: {
            id: price,
            object: 'price',
            currency: 'eur',
            nickname: null,
            product: 'prod_1',
            recurring,
            unit_amount: 2000,
          },
          quantity: 1,
        },
      ],
      has_more: false,
    },
    livemode: false,
    metadata: {},
    pause_collection: null,
    status: 'active',
    trial_end: null,
    ...(older && period),
    ...more,
  };
};

/** A snapshot event. */
export const event = (type, object, { created = seconds(), previous, ...more } = {}) => ({
  id: idOf('evt'),
  object: 'event',
  api_version: VERSION,
  created,
  data: { object, ...(previous && { previous_attributes: previous }) },
  livemode: false,
  pending_webhooks: 1,
  request: { id: null, idempotency_key: null },
  type,
  ...more,
});

/** A thin event about an object. */
export const thinEvent = (type, { id, object }, { created = new Date().toISOString(), ...more } = {}) => ({
  id: idOf('evt_test'),
  object: 'v2.core.event',
  type,
  created,
  livemode: false,
  context: null,
  related_object: {
    id,
    type: object,
    url: `/v1/${{ subscription: 'subscriptions', invoice: 'invoices' }[object]}/${id}`,
  },
  ...more,
});

/** A completed checkout session that this system has opened for a user. */
export const session = (user, customer, more = {}) => ({
  id: idOf('cs_test'),
  object: 'checkout.session',
  client_reference_id: user,
  customer,
  metadata: { rg_user: user },
  mode: 'subscription',
  payment_status: 'paid',
  status: 'complete',
  ...more,
});

/** An invoice of a subscription; `older: true`: with the subscription at the top. */
export const invoice = ({ id, customer }, { older = false, ...more } = {}) => ({
  id: idOf('in'),
  object: 'invoice',
  amount_due: 2000,
  currency: 'eur',
  customer,
  hosted_invoice_url: 'https://invoice.stripe.com/i/1',
  ...(older
    ? { subscription: id }
    : {
        parent: {
          quote_details: null,
          subscription_details: { metadata: {}, subscription: id },
          type: 'subscription_details',
        },
      }),
  ...more,
});

/**
 * Starts one. `objects` is what GET finds, by path; `calls` what it was asked. `behave(hook)` puts a hook before every answer: it gets
 * `{method, path, form}` and gives nothing, `{status, body}` to answer in its place, or 'drop' to break the connection.
 */
export const startStripe = async ({ key = `sk_test_${randomUUID()}` } = {}) => {
  const objects = new Map();
  const sessions = new Map();
  const calls = [];
  let hook = () => undefined;
  const refusal = (status, code, message) => [status, { error: { type: 'invalid_request_error', code, message } }];
  const open = (kind, headers, form) => {
    const again = sessions.get(headers['idempotency-key']);
    // Stripe gives a repeated key its first answer, and refuses other parameters with it.
    if (again)
      return again.form === `${form}`
        ? [200, again.made]
        : refusal(400, 'idempotency_error', 'Keys can only be used with the same parameters');
    const id = idOf(kind === 'checkout' ? 'cs_test' : 'bps');
    const made = { id, url: `https://${kind === 'checkout' ? 'checkout' : 'billing'}.stripe.com/${id}` };
    if (headers['idempotency-key']) sessions.set(headers['idempotency-key'], { form: `${form}`, made });
    return [200, made];
  };
  const answer = ({ method, path, headers, form }) => {
    if (headers.authorization !== `Bearer ${key}`)
      return refusal(401, 'api_key_invalid', `Invalid API Key provided: ${headers.authorization}`);
    if (headers['stripe-version'] !== VERSION) return refusal(400, 'version', 'Unknown version');
    if (method === 'POST' && path === '/v1/checkout/sessions') {
      const wanted = ['mode', 'line_items[0][price]', 'client_reference_id', 'success_url'];
      const missing = wanted.find((name) => !form.get(name));
      return missing ? refusal(400, 'parameter_missing', missing) : open('checkout', headers, form);
    }
    if (method === 'POST' && path === '/v1/billing_portal/sessions')
      return form.get('customer') ? open('portal', headers, form) : refusal(400, 'parameter_missing', 'customer');
    if (method === 'GET' && objects.has(path)) return [200, objects.get(path)];
    return refusal(404, 'resource_missing', `No such object: ${path}`);
  };
  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method, headers } = request;
    const call = { method, path: request.url, headers, form: new URLSearchParams(Buffer.concat(chunks).toString()) };
    calls.push(call);
    const how = await hook(call);
    if (how === 'drop') return request.socket.destroy();
    const [status, body] = how?.status ? [how.status, how.body] : answer(call);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    key,
    objects,
    calls,
    behave: (next) => {
      hook = next ?? (() => undefined);
    },
    stop: () => {
      server.closeAllConnections();
      return new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
};
