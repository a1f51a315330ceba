// Billing through the edge: Stripe's signature, events that arrive once, thin events and their objects, checkout and portal.
import assert from 'node:assert/strict';
import { createHmac, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { event, idOf, seconds, session, signature, startStripe, subscription, thinEvent } from '../support/stripe.js';

const SECRET = 'whsec_new';
const AROUND = `import edge from './entry.js';
  export default { ...edge, async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== '/the-clock') return edge.fetch(request, env, ctx);
    await edge.scheduled({ cron: '*/5 * * * *', scheduledTime: Date.now(), type: 'scheduled' }, env, ctx);
    return new Response('done');
  } };`;
const PRICE = `price_${idOf('e2e')}`;

let stripe;
let edge;
const started = [];
const start = async (variables) => {
  const made = await startEdge(variables, [], AROUND);
  started.push(made);
  return made;
};
before(async () => {
  stripe = await startStripe();
  started.push(stripe);
  edge = await start({
    STRIPE_WEBHOOK_SECRET: `whsec_old,${SECRET}`,
    STRIPE_API_KEY: stripe.key,
    STRIPE_URL: stripe.url,
    BILLING_RETURN_URL: 'https://app.example.org/billing?tab=1',
  });
  await sql(`insert into private.price_tiers (price_id, tier, plan_name) values ($1, 'pro', 'Pro')`, [PRICE]);
});
after(async () => {
  for (const part of started.reverse()) await part.stop();
  await sql('delete from private.price_tiers where price_id = $1', [PRICE]);
  await close();
});

/** Sends a body to the webhook, with the given header or one that is good. */
const send = (body, { header = signature(body, SECRET), base = edge.url, headers = {} } = {}) =>
  ask('/v1/billing/webhook', {
    base,
    method: 'POST',
    body,
    headers: {
      'content-type': 'application/json; charset=utf-8',
      ...(header !== null && { 'stripe-signature': header }),
      ...headers,
    },
  });
const deliver = async (sent) => {
  const answer = await send(JSON.stringify(sent));
  assert.equal(answer.status, 200, answer.text);
  return answer.body;
};
const stored = async ({ id }) => (await sql('select * from private.billing_events where event_id = $1', [id]))[0];
const count = async (id) =>
  (await sql('select count(*)::int as n from private.billing_events where event_id = $1', [id]))[0].n;
const userRow = async (user) => (await sql('select * from flashfusion.users where id = $1', [user]))[0];

test('a signature is good if one of the secrets made one of its v1, at most 300 seconds from now', async (t) => {
  const now = seconds();
  const fresh = () => JSON.stringify(event('unknown.type', { note: 'ü {"a": 1}  ' }));
  const only = (header) => /v1=([0-9a-f]+)/.exec(header)[1];
  const cases = {
    'the new secret': [200, (body) => signature(body, SECRET)],
    'the old secret, while it is rolled': [200, (body) => signature(body, 'whsec_old')],
    'both secrets': [200, (body) => signature(body, ['whsec_old', SECRET])],
    'a foreign v1 before ours': [200, (body) => signature(body, ['whsec_foreign', SECRET])],
    'another order, blanks, unknown schemes': [
      200,
      (body) => `v9=1, v0=00, v1=${only(signature(body, SECRET, now))} ,t=${now}`,
    ],
    'upper-case digits': [200, (body) => `t=${now},v1=${only(signature(body, SECRET, now)).toUpperCase()}`],
    '299 seconds ago': [200, (body) => signature(body, SECRET, seconds() - 299)],
    '299 seconds ahead': [200, (body) => signature(body, SECRET, seconds() + 299)],
    '302 seconds ago': ['RG216', (body) => signature(body, SECRET, seconds() - 302)],
    '302 seconds ahead': ['RG216', (body) => signature(body, SECRET, seconds() + 302)],
    'an old time put in the place of the signed one': [
      'RG215',
      (body) => signature(body, SECRET, now - 900).replace(/t=\d+/, `t=${now}`),
    ],
    'a foreign secret': ['RG215', (body) => signature(body, 'whsec_foreign')],
    'a secret with a blank after it': ['RG215', (body) => signature(body, `${SECRET} `)],
    'the empty secret': ['RG215', (body) => signature(body, '')],
    'both secrets as one': ['RG215', (body) => signature(body, `whsec_old,${SECRET}`)],
    'v0 only': ['RG215', (body) => signature(body, SECRET).replace('v1=', 'v0=')],
    'no time': ['RG215', (body) => signature(body, SECRET).replace(/t=\d+,/, '')],
    'two times': ['RG215', (body) => `t=${now},${signature(body, SECRET, now)}`],
    'no v1': ['RG215', () => `t=${now}`],
    'half of it': ['RG215', (body) => signature(body, SECRET).slice(0, -32)],
    'no hex': ['RG215', () => `t=${now},v1=${'z'.repeat(64)}`],
    'another body': ['RG215', (body) => signature(`${body} `, SECRET)],
    'the body alone': ['RG215', (body) => `t=${now},v1=${createHmac('sha256', SECRET).update(body).digest('hex')}`],
    nothing: ['RG215', () => ''],
    'no header': ['RG215', () => null],
  };
  for (const [name, [wanted, header]] of Object.entries(cases)) {
    await t.test(name, async () => {
      const body = fresh();
      const answer = await send(body, { header: header(body) });
      if (wanted === 200) {
        assert.equal(answer.status, 200, answer.text);
        assert.equal(await count(JSON.parse(body).id), 1);
      } else {
        assert.deepEqual([answer.status, answer.body.code], [400, wanted]);
        assert.equal(await count(JSON.parse(body).id), 0);
        assert.doesNotMatch(answer.text, /whsec|[0-9a-f]{64}/);
      }
    });
  }
});

test('a missing, blank or mistyped secret is named, and nothing is let in', async () => {
  const body = JSON.stringify(event('unknown.type', {}));
  for (const [secret, status, code, named] of [
    [undefined, 501, 'RG903', /STRIPE_WEBHOOK_SECRET/],
    ['', 501, 'RG903', /STRIPE_WEBHOOK_SECRET/],
    ['  ', 501, 'RG903', /STRIPE_WEBHOOK_SECRET/],
    [' , ', 500, 'RG901', /STRIPE_WEBHOOK_SECRET/],
    [`whsec_old,whsec_ ${SECRET}`, 500, 'RG901', /STRIPE_WEBHOOK_SECRET.*number 2/],
    ['whsec_a\twhsec_b', 500, 'RG901', /number 1/],
  ]) {
    const other = await start(secret === undefined ? {} : { STRIPE_WEBHOOK_SECRET: secret });
    for (const made of ['', ' ', secret ?? 'undefined', SECRET]) {
      const answer = await send(body, { base: other.url, header: signature(body, made) });
      assert.deepEqual([answer.status, answer.body.code], [status, code], `${secret}`);
      assert.match(answer.body.details, named);
      assert.doesNotMatch(answer.text, /whsec/);
    }
    // What needs no secret of Stripe's works.
    assert.equal(
      (await ask('/rest/v1/public_projects?limit=1', { base: other.url, token: await userToken() })).status,
      200,
    );
  }
  assert.equal(await count(JSON.parse(body).id), 0);
});

test('white space around a secret does no harm', async () => {
  const other = await start({ STRIPE_WEBHOOK_SECRET: ` ${SECRET} ,\n` });
  const body = JSON.stringify(event('unknown.type', {}));
  assert.equal((await send(body, { base: other.url })).status, 200);
});

test('credentials change nothing, and the functions are the edge’s', async () => {
  const body = JSON.stringify(event('unknown.type', {}));
  const answer = await send(body, { header: 't=1,v1=00', headers: { authorization: `Bearer ${stack.service_key}` } });
  assert.deepEqual([answer.status, answer.body.code], [400, 'RG215']);
  for (const [schema, name, args] of [
    ['flashfusion', 'take_billing_event', { event: JSON.parse(body) }],
    ['flashfusion', 'checkout_reference', { price: PRICE }],
    ['flashfusion', 'portal_reference', {}],
    ['edge', 'claim_billing_events', { most: 1 }],
    ['edge', 'finish_billing_event', { event_id: 'evt_1', status: 404 }],
  ]) {
    for (const token of [await userToken(), stack.service_key]) {
      for (const base of [edge.url, stack.postgrest_url]) {
        const path = base === edge.url ? `/rest/v1/rpc/${name}` : `/rpc/${name}`;
        const refused = await ask(path, { base, json: args, token, headers: { 'content-profile': schema } });
        assert.ok([403, 404, 406].includes(refused.status), `${name} ${refused.status} ${refused.text}`);
      }
    }
  }
});

test('a replayed event is answered 200 and counts once, also fifty at a time', async () => {
  const user = randomUUID();
  const customer = idOf('cus');
  await deliver(event('checkout.session.completed', session(user, customer)));
  const body = JSON.stringify(event('customer.subscription.deleted', subscription({ customer, status: 'canceled' })));
  const header = signature(body, SECRET);
  const answers = await Promise.all(Array.from({ length: 50 }, () => send(body, { header })));
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
  assert.equal(answers.filter((answer) => !answer.body.duplicate).length, 1);
  assert.equal((await send(body)).body.duplicate, true);
  const rows = await sql('select 1 from flashfusion.notifications where user_id = $1', [user]);
  assert.equal(rows.length, 1);
});

test('odd bodies are refused with 400 or stored, and never a failure of the server', async () => {
  for (const body of ['', '{', '[]', 'null', '"x"', '{"id": 1}', '\u0000', '{"a": "\ud800"}', '['.repeat(5000)]) {
    const answer = await send(body);
    assert.equal(answer.status, 400, `${body.slice(0, 20)} ${answer.text}`);
  }
  const sent = event('unknown.type', { note: 'NUL', number: 0 });
  const body = JSON.stringify(sent)
    .replace('NUL', '\\u0000')
    .replace('"number":0', '"number":123456789012345678901234567890');
  assert.equal((await send(body)).status, 200);
  assert.ok(await stored(sent));
  const large = await send(JSON.stringify(event('unknown.type', { note: 'x'.repeat(600_000) })));
  assert.equal(large.status, 413);
});

/** A user's tier, as that user sees it. */
const seen = async (user) => {
  const path = `/rest/v1/users?select=subscription_tier,api_usage_limit,api_usage_count`;
  const { body } = await ask(path, { base: edge.url, token: await userToken(user) });
  return body[0];
};

test('checkout, its events, the tier, and the portal: a story', async () => {
  const user = randomUUID();
  const token = await userToken(user);
  const post = (path, json, headers) => ask(path, { base: edge.url, token, json, headers });
  const none = await post('/v1/billing/portal', {});
  assert.deepEqual([none.status, none.body.code], [409, 'RG621']);
  const unknown = await post('/v1/billing/checkout', { price: 'price_of_nobody' });
  assert.deepEqual([unknown.status, unknown.body.code], [422, 'RG620']);
  assert.equal((await post('/v1/billing/checkout', {})).status, 400);

  const key = { 'idempotency-key': randomUUID() };
  stripe.calls.length = 0;
  const opened = await post('/v1/billing/checkout', { price: PRICE }, key);
  assert.equal(opened.status, 200, opened.text);
  assert.match(opened.body.url, /^https:\/\/checkout\.stripe\.com\/cs_test_/);
  assert.deepEqual(Object.keys(opened.body), ['url']);
  const [{ form, headers }] = stripe.calls;
  assert.deepEqual(Object.fromEntries(form), {
    mode: 'subscription',
    'line_items[0][price]': PRICE,
    'line_items[0][quantity]': '1',
    client_reference_id: user,
    'metadata[rg_user]': user,
    'subscription_data[metadata][rg_user]': user,
    success_url: 'https://app.example.org/billing?tab=1&checkout=success',
    cancel_url: 'https://app.example.org/billing?tab=1&checkout=canceled',
  });
  assert.equal(headers['stripe-version'], '2026-10-28.endive');
  // A key's second request opens nothing new; the same key of another user is another key.
  assert.deepEqual((await post('/v1/billing/checkout', { price: PRICE }, key)).body, opened.body);
  const others = await ask('/v1/billing/checkout', {
    base: edge.url,
    token: await userToken(),
    json: { price: PRICE },
    headers: key,
  });
  assert.notDeepEqual(others.body, opened.body);
  const reused = await post('/v1/billing/checkout', { price: 'price_other' }, key);
  assert.ok(['RG503', 'RG620'].includes(reused.body.code), reused.text);

  const customer = idOf('cus');
  const sub = subscription({ customer, price: PRICE, metadata: { rg_user: user } });
  await deliver(event('customer.subscription.created', sub));
  assert.equal((await seen(user)).subscription_tier, 'free');
  await deliver(event('checkout.session.completed', session(user, customer)));
  assert.deepEqual(await seen(user), { subscription_tier: 'pro', api_usage_limit: 50_000, api_usage_count: 0 });

  const again = await post('/v1/billing/checkout', { price: PRICE });
  assert.deepEqual([again.status, again.body.code], [409, 'RG623']);
  stripe.calls.length = 0;
  const portal = await post('/v1/billing/portal', {});
  assert.match(portal.body.url, /^https:\/\/billing\.stripe\.com\//);
  assert.deepEqual(Object.fromEntries(stripe.calls[0].form), {
    customer,
    return_url: 'https://app.example.org/billing?tab=1',
  });

  await deliver(event('customer.subscription.deleted', sub));
  assert.equal((await seen(user)).subscription_tier, 'free');
  // The next checkout is for the same customer.
  stripe.calls.length = 0;
  await post('/v1/billing/checkout', { price: PRICE });
  assert.equal(stripe.calls[0].form.get('customer'), customer);
  // The user reads the row, others do not.
  const read = async (bearer) =>
    (await ask('/rest/v1/billing?select=status,plan_name', { base: edge.url, token: bearer })).body;
  assert.deepEqual(await read(token), [{ status: 'canceled', plan_name: 'Pro' }]);
  assert.deepEqual(await read(await userToken()), []);
});

test('users change neither tier, limits, usage nor billing', async () => {
  const user = randomUUID();
  const token = await userToken(user);
  await ask('/rest/v1/rpc/ensure_user', { base: edge.url, token, json: {} });
  const before = await userRow(user);
  for (const base of [edge.url, stack.postgrest_url]) {
    const at = (path) => (base === edge.url ? `/rest/v1${path}` : path);
    for (const change of [
      ...[{ subscription_tier: 'enterprise' }, { api_usage_limit: 1e9 }, { api_usage_count: 0 }, { is_active: true }],
      ...[
        { full_name: 'X', subscription_tier: 'team' },
        { email: 'x@example.org' },
        { id: randomUUID() },
        { auth_id: randomUUID() },
      ],
    ]) {
      const headers = { 'content-profile': 'flashfusion' };
      const answer = await ask(at(`/users?id=eq.${user}`), {
        base,
        token,
        method: 'PATCH',
        body: JSON.stringify(change),
        headers: { ...headers, 'content-type': 'application/json' },
      });
      assert.ok([400, 403].includes(answer.status), `${JSON.stringify(change)} ${answer.status}`);
      const upsert = await ask(at('/users'), {
        base,
        token,
        json: { id: user, ...change },
        headers: { ...headers, prefer: 'resolution=merge-duplicates' },
      });
      assert.ok([400, 403].includes(upsert.status), `${JSON.stringify(change)} ${upsert.status}`);
    }
    const row = {
      user_id: user,
      subscription_id: idOf('sub'),
      plan_name: 'x',
      status: 'active',
      stripe_customer_id: 'cus_1',
      last_event_at: new Date(),
      metadata: { prices: [PRICE] },
    };
    assert.equal(
      (await ask(at('/billing'), { base, token, json: row, headers: { 'content-profile': 'flashfusion' } })).status,
      403,
    );
  }
  assert.deepEqual(await userRow(user), before);
});

test('the object of a thin event is fetched by the job from the configured address alone', async () => {
  const user = randomUUID();
  const customer = idOf('cus');
  await deliver(event('checkout.session.completed', session(user, customer)));
  await sql('select private.flashfusion_user($1)', [user]);
  const sub = subscription({ customer, price: PRICE });
  stripe.objects.set(`/v1/subscriptions/${sub.id}`, sub);
  const sent = thinEvent('v1.customer.subscription.active', sub);
  assert.equal((await deliver(sent)).outcome, 'not fetched');
  const lost = thinEvent('v1.customer.subscription.active', subscription());
  await deliver(lost);
  const evil = thinEvent('v1.customer.subscription.active', sub);
  evil.related_object.url = `http://127.0.0.1:9/v1/subscriptions/${sub.id}`;
  assert.equal((await deliver(evil)).outcome, 'ignored');
  stripe.calls.length = 0;
  await fetch(`${edge.url}/the-clock`);
  const asked = stripe.calls.filter(({ path }) => path.endsWith(sub.id));
  assert.deepEqual(
    asked.map(({ method, path }) => [method, path]),
    [['GET', `/v1/subscriptions/${sub.id}`]],
  );
  assert.equal((await stored(sent)).outcome, 'applied');
  assert.equal((await stored(lost)).outcome, 'gone');
  assert.equal((await seen(user)).subscription_tier, 'pro');
  // service_role can start it, nobody else.
  const run = (token) => ask('/v1/jobs/fetch_thin_events', { base: edge.url, method: 'POST', token });
  const { status, body } = await run(stack.service_key);
  assert.deepEqual([status, Object.keys(body).sort()], [200, ['failed', 'fetched']]);
  assert.equal((await run(await userToken())).status, 403);
  const [last] = await sql(
    `select error from private.job_runs where job = 'fetch_thin_events' order by id desc limit 1`,
  );
  assert.equal(last.error, null);
});

test('while Stripe fails, nothing is lost, and its key stands in no answer and no log', async () => {
  const customer = idOf('cus');
  const sub = subscription({ customer });
  stripe.objects.set(`/v1/subscriptions/${sub.id}`, sub);
  const sent = thinEvent('v1.customer.subscription.updated', sub);
  await deliver(sent);
  for (const answer of [
    'drop',
    { status: 500, body: {} },
    { status: 200, body: 'x' },
    { status: 401, body: { error: { message: stripe.key } } },
  ]) {
    stripe.behave(() => answer);
    await sql('update private.billing_events set due_at = now() where event_id = $1', [sent.id]);
    await fetch(`${edge.url}/the-clock`);
    const { outcome, processed_at: at, due_at: due } = await stored(sent);
    assert.match(outcome, /^not fetched/);
    assert.ok(at === null && due !== null);
    const failed = await ask('/v1/billing/checkout', {
      base: edge.url,
      token: await userToken(),
      json: { price: PRICE },
    });
    assert.deepEqual([failed.status, failed.body.code], [502, 'RG409']);
    assert.ok(!failed.text.includes(stripe.key));
  }
  stripe.behave();
  await sql('update private.billing_events set due_at = now() where event_id = $1', [sent.id]);
  await fetch(`${edge.url}/the-clock`);
  assert.equal((await stored(sent)).outcome, 'unknown customer');
  assert.ok(!JSON.stringify(edge.log()).includes(stripe.key));
});

test('without STRIPE_API_KEY thin events are stored and answered 200, and checkout names the variable', async () => {
  const other = await start({ STRIPE_WEBHOOK_SECRET: SECRET });
  const sent = thinEvent('v1.customer.subscription.updated', subscription());
  const answer = await send(JSON.stringify(sent), { base: other.url });
  assert.deepEqual([answer.status, answer.body.outcome], [200, 'not fetched']);
  assert.ok(await stored(sent));
  await fetch(`${other.url}/the-clock`);
  assert.equal((await stored(sent)).processed_at, null);
  for (const path of ['/v1/billing/checkout', '/v1/billing/portal']) {
    const refused = await ask(path, { base: other.url, token: await userToken(), json: { price: PRICE } });
    assert.deepEqual([refused.status, refused.body.code], [501, 'RG903']);
    assert.match(refused.body.details, /STRIPE_API_KEY/);
  }
});

test('the token of an erased user opens nothing', async () => {
  const user = randomUUID();
  const token = await userToken(user);
  await ask('/rest/v1/rpc/ensure_user', { base: edge.url, token, json: {} });
  await sql('select private.erase_account($1)', [user]);
  stripe.calls.length = 0;
  for (const path of ['/v1/billing/checkout', '/v1/billing/portal']) {
    const answer = await ask(path, { base: edge.url, token, json: { price: PRICE } });
    assert.deepEqual([answer.status, answer.body.code], [403, 'RG521'], path);
  }
  assert.equal(stripe.calls.length, 0);
});
