// examples/flashfusion/client.html, in Chromium, from another origin.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { launch } from '../../support/browser.js';
import { startEdge } from '../../support/edge.js';
import { close, made, sql, userToken } from '../../support/stack.js';
import { idOf, startStripe } from '../support/stripe.js';

const PRICE = `price_${idOf('page')}`;
let server;
let origin;
let stripe;
let edge;
let browser;

before(async () => {
  const page = readFileSync(join(root, 'examples/flashfusion/client.html'));
  const script = readFileSync(join(root, 'node_modules/@supabase/supabase-js/dist/umd/supabase.js'));
  server = createServer(({ url }, response) => {
    const isScript = url === '/supabase.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? script : page);
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  origin = `http://127.0.0.1:${server.address().port}`;
  stripe = await startStripe();
  edge = await startEdge({
    ALLOWED_ORIGINS: origin,
    STRIPE_WEBHOOK_SECRET: 'whsec_page',
    STRIPE_API_KEY: stripe.key,
    STRIPE_URL: stripe.url,
    BILLING_RETURN_URL: `${origin}/client.html`,
  });
  await sql(`insert into private.price_tiers (price_id, tier, plan_name) values ($1, 'pro', 'Pro')`, [PRICE]);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await edge?.stop();
  await stripe?.stop();
  server.closeAllConnections();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  await sql('delete from private.price_tiers where price_id = $1', [PRICE]);
  await close();
});

test('a user connects, adds projects, reads notifications and goes to the checkout', async () => {
  const user = randomUUID();
  await sql(`select private.notify($1, 'info', 'page', 'A key expires', 'In 30 days')`, [user]);
  const page = await browser.newPage();
  const faults = [];
  page.on('pageerror', (error) => faults.push(error.message));
  await page.route('https://checkout.stripe.com/**', (route) => route.fulfill({ body: 'the checkout' }));
  await page.goto(`${origin}/client.html`);
  await page.fill('[name=url]', edge.url);
  await page.fill('[name=key]', made.publishable_key);
  await page.fill('[name=token]', await userToken(user));
  await page.click('text=Connect');
  await page.waitForSelector('main:not([hidden])');
  assert.deepEqual(
    [await page.textContent('#tier'), await page.textContent('#usage'), await page.textContent('#subscription')],
    ['free', '0 of 1000', 'none'],
  );
  assert.deepEqual(await page.locator('#notifications li').allTextContents(), ['A key expires']);
  await page.click('#read');
  await page.waitForFunction(() => document.querySelectorAll('#notifications li').length === 0);

  await page.fill('#add [name=name]', '<b>One</b>');
  await page.click('#add button');
  await page.waitForSelector('#projects li');
  await page.fill('#add [name=name]', 'Two');
  await page.check('[name=is_public]');
  await page.click('#add button');
  await page.waitForFunction(() => document.querySelectorAll('#projects li').length === 2);
  assert.deepEqual(await page.locator('#projects li').allTextContents(), ['<b>One</b>', 'Two (public)']);

  await page.click('#portal');
  await page.waitForFunction(() => document.querySelector('#problem').textContent.startsWith('RG621'));
  await page.fill('#checkout [name=price]', PRICE);
  await page.click('#checkout button');
  await page.waitForURL('https://checkout.stripe.com/**');
  assert.equal(stripe.calls.at(-1).form.get('client_reference_id'), user);
  assert.deepEqual(faults, []);
  await page.close();
});
