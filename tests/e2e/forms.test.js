// The hosted form in a real browser with JavaScript switched off: open, fill, submit, see the thanks, find the row.
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import axe from 'axe-core';
import { launch, screenshot } from '../support/browser.js';
import { ask, close, freshEmail, sql, stack } from '../support/stack.js';

const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };
const SOURCES = ['website-form', 'demo-request', 'newsletter-signup', 'pricing-inquiry', 'contact-form'];

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser.close();
  await close();
});
beforeEach(() => sql('truncate private.rate_limits'));

/** What a person needs at the least to fill in a form, in milliseconds. */
const LEAST = 2000;

const open = async (path, viewport = SIZES.phone, options = {}) => {
  const context = await browser.newContext({ viewport, javaScriptEnabled: false, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => complaints.push(message.text()));
  await page.goto(stack.edge_url + path);
  return { page, complaints, context };
};

for (const [size, viewport] of Object.entries(SIZES)) {
  test(`on a ${size}: fill, submit, see the thanks, find the row`, async () => {
    const email = freshEmail();
    const { page, complaints, context } = await open('/forms/demo-request', viewport);
    await screenshot(page, `form-${size}`);
    await page.getByLabel('E-mail address').fill(email);
    await page.getByLabel('First name').fill('Zoë "Z" <b>');
    await page.getByLabel('Message').fill('one\ntwo & three');
    await page.getByLabel('You may contact me').check();
    await sleep(LEAST);
    await page.getByRole('button', { name: 'Request a demo' }).click();
    await page.waitForURL('**/forms/thanks');
    assert.equal(await page.getByRole('heading').textContent(), 'Thank you');
    await screenshot(page, `thanks-${size}`);
    const [row] = await sql('select * from marketing.leads where email = $1', [email]);
    assert.deepEqual(
      [row.first_name, row.notes, row.source, row.opt_in_status, row.is_spam],
      ['Zoë "Z" <b>', 'one\ntwo & three', 'demo-request', 'pending', false],
    );
    assert.match(row.user_agent, /Chrome/);
    assert.match(row.landing_page, /\/forms\/demo-request$/);
    assert.deepEqual(complaints, [], 'the content security policy lets the page do all it needs');
    await context.close();
  });
}

test('what the server refuses is shown on the form, with what was typed', async () => {
  const { page, context } = await open('/forms/contact-form');
  // The browser's own check passes this one.
  await page.getByLabel('E-mail address').fill('name@localhost');
  await page.getByLabel('Message').fill('do not lose </textarea><script>this</script>');
  await page.getByRole('button', { name: 'Send' }).click();
  assert.match(await page.getByRole('alert').textContent(), /e-mail address is missing or not one/);
  assert.equal(await page.getByLabel('E-mail address').inputValue(), 'name@localhost');
  assert.equal(await page.getByLabel('Message').inputValue(), 'do not lose </textarea><script>this</script>');
  assert.equal(await page.getByRole('heading').textContent(), 'Contact us');
  await screenshot(page, 'form-error-phone');
  const email = freshEmail();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.waitForURL('**/forms/thanks');
  const [row] = await sql('select notes, source, landing_page from marketing.leads where email = $1', [email]);
  assert.deepEqual(row, {
    notes: 'do not lose </textarea><script>this</script>',
    source: 'contact-form',
    landing_page: `${stack.edge_url}/forms/contact-form`,
  });
  await context.close();
});

test('a refused form of another site comes back with every field it had', async () => {
  const body = new URLSearchParams({ email: 'odd', color: 'red', consent: 'no', phone_number: '1', _gotcha: 'x' });
  for (const feature of ['a', 'b']) body.append('interested_features', feature);
  const { status, text } = await ask('/v1/leads', { method: 'POST', body, headers: { accept: 'text/html' } });
  assert.equal(status, 422);
  for (const part of [
    'name="color" value="red"',
    'name="phone_number" value="1"',
    'name="interested_features" value="b"',
  ]) {
    assert.ok(text.includes(part), part);
  }
  assert.ok(!text.includes('checked'), 'a no is no yes');
  assert.ok(!text.includes('name="_gotcha" value') && !/value="x"/.test(text));
});

test('a link’s campaign and next page go along with the form', async () => {
  const email = freshEmail();
  const { page, context } = await open(
    '/forms/newsletter-signup?utm_source=mail%20%22x%22&utm_campaign=may&status=won&_next=https://evil.example/',
  );
  await page.getByLabel('E-mail address').fill(email);
  await page.getByRole('button', { name: 'Sign up' }).click();
  await page.waitForURL('**/forms/thanks');
  const [row] = await sql('select utm_source, utm_campaign, status, metadata from marketing.leads where email = $1', [
    email,
  ]);
  assert.deepEqual(row, { utm_source: 'mail "x"', utm_campaign: 'may', status: 'new', metadata: {} });
  await context.close();
});

test('who answers faster than a person can, or makes up a time, is kept as spam, and is told nothing of it', async () => {
  const posted = async (stamp) => {
    const email = freshEmail();
    const body = new URLSearchParams({ email, ...(stamp && { _ts: stamp }) });
    const { status, text } = await ask('/v1/leads', { method: 'POST', body });
    const [row] = await sql('select is_spam, spam_reason, metadata from marketing.leads where email = $1', [email]);
    return [status, text, row.is_spam, row.spam_reason, row.metadata];
  };
  const received = '{"status":"received"}';
  const stamp = /name="_ts" value="([^"]+)"/.exec((await ask('/forms/website-form')).text)[1];
  assert.deepEqual(await posted(stamp), [201, received, true, 'too-fast', {}]);
  await sleep(LEAST);
  assert.deepEqual(await posted(stamp), [201, received, false, null, {}]);
  assert.deepEqual(await posted(stamp.replace(/^\d+/, '1000000000000')), [201, received, true, 'forged-stamp', {}]);
  assert.deepEqual(await posted('x'), [201, received, true, 'forged-stamp', {}]);
  assert.deepEqual(await posted(), [201, received, false, null, {}], 'a form of one’s own has none');
});

for (const path of [...SOURCES.map((source) => `/forms/${source}`), '/forms/thanks', '/v1/leads/confirm?token=x']) {
  test(`axe finds no fault with ${path}`, async () => {
    for (const viewport of Object.values(SIZES)) {
      const { page, context } = await open(path, viewport, {
        javaScriptEnabled: true,
        extraHTTPHeaders: { accept: 'text/html' },
      });
      // Evaluated, not loaded: the page's policy lets no script in.
      await page.evaluate(axe.source);
      const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
      assert.deepEqual(
        violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
        [],
      );
      assert.ok(passes.length > 10, `${passes.length} rules were looked at`);
      await context.close();
    }
  });
}

test('axe finds no fault with a refused form, and does find one that is there', async () => {
  const { page, context } = await open('/forms/contact-form', SIZES.phone, { javaScriptEnabled: true });
  await page.getByLabel('E-mail address').fill('name@localhost');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('alert').waitFor();
  await page.evaluate(axe.source);
  const faults = async () => (await page.evaluate(() => globalThis.axe.run())).violations.map(({ id }) => id);
  assert.deepEqual(await faults(), []);
  await page.evaluate(() => document.querySelector('label[for=email]').remove());
  assert.ok((await faults()).includes('label'));
  await context.close();
});

test('the browser itself holds back an empty or odd address', async () => {
  const { page, context } = await open('/forms/newsletter-signup');
  await page.getByRole('button', { name: 'Sign up' }).click();
  assert.ok(page.url().endsWith('/forms/newsletter-signup'));
  await context.close();
});

test('by keyboard alone, in order, without the trap for bots', async () => {
  const email = freshEmail();
  const { page, context } = await open('/forms/newsletter-signup');
  await page.keyboard.press('Tab');
  await page.keyboard.type(email);
  await page.keyboard.press('Tab');
  await page.keyboard.type('Ada');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await page.keyboard.press('Tab');
  await sleep(LEAST);
  await page.keyboard.press('Enter');
  await page.waitForURL('**/forms/thanks');
  const [row] = await sql('select first_name, is_spam from marketing.leads where email = $1', [email]);
  assert.deepEqual(row, { first_name: 'Ada', is_spam: false });
  await context.close();
});

test('every source has a form that fits a phone and names each of its inputs', async () => {
  for (const source of SOURCES) {
    const { page, context } = await open(`/forms/${source}`, SIZES.phone, { javaScriptEnabled: true });
    const found = await page.evaluate(() => ({
      wide: document.documentElement.scrollWidth > window.innerWidth,
      unnamed: [...document.querySelectorAll('input:not([type=hidden]), textarea')].filter(
        (input) => !input.labels.length,
      ).length,
      language: document.documentElement.lang,
      headings: document.querySelectorAll('h1').length,
      scripts: document.scripts.length,
      trap: document.querySelector('#_gotcha').getBoundingClientRect().right <= 0,
    }));
    assert.deepEqual(found, { wide: false, unnamed: 0, language: 'en', headings: 1, scripts: 0, trap: true }, source);
    await context.close();
  }
  assert.equal((await ask('/forms/other')).status, 404);
});

test('a form of an allowed site comes back to that site', async () => {
  const { createServer } = await import('node:http');
  const email = freshEmail();
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/html');
    response.end(`<form action="${stack.edge_url}/v1/leads" method="post" enctype="multipart/form-data">
      <input name="email" value="${email}"><input name="_next" value="http://localhost:${server.address().port}/done">
      <input name="cv" type="file"><button>Go</button></form>${request.url}`);
  });
  // One of the ports whose origins a local edge allows.
  const port = await [5173, 4173, 3000].reduce(
    async (found, each) =>
      (await found) ??
      new Promise((resolve) =>
        server.once('error', () => resolve(undefined)).listen(each, 'localhost', () => resolve(each)),
      ),
    undefined,
  );
  assert.ok(port, 'one of the ports 3000, 4173 and 5173 must be free');
  try {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    await page.goto(`http://localhost:${port}/`);
    await page.getByRole('button', { name: 'Go' }).click();
    await page.waitForURL('**/done');
    assert.equal((await sql('select from marketing.leads where email = $1', [email])).length, 1);
    await context.close();
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('the pages forbid what they do not need', async () => {
  const { headers } = await ask('/forms/website-form');
  const policy = headers.get('content-security-policy');
  for (const part of ["default-src 'none'", "style-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"]) {
    assert.ok(policy.includes(part), part);
  }
  assert.ok(!policy.includes('unsafe'));
});
