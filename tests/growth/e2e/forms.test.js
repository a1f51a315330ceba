// The hosted form in a real browser with JavaScript switched off: open, fill, submit, see the thanks, find the row.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import axe from 'axe-core';
import { launch, screenshot } from '../../support/browser.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, freshEmail, sql, stack } from '../../support/stack.js';

const SIZES = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };
const LANGUAGES = JSON.parse(readFileSync(new URL('../../../src/systems/growth/texts.json', import.meta.url), 'utf8'));
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
  assert.match(await page.getByRole('alert').textContent(), /e-mail address is missing or not valid/);
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

test('who answers faster than a person can, or makes up a time, is kept as spam, and the answer does not show it', async () => {
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

const PAGES = [...SOURCES.map((source) => `/forms/${source}`), '/forms', '/forms/nope', '/forms/thanks'];
for (const path of [...PAGES, '/v1/leads/confirm?token=x', '/forms/contact-form?lang=de']) {
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
});

test('a form that is not there is a page for people, which names those that are, and an error for scripts', async () => {
  const { page, context } = await open('/forms/nope');
  assert.equal((await page.reload()).status(), 404);
  assert.equal(await page.getByRole('heading').textContent(), 'There is no such form');
  await page.getByRole('link', { name: 'Contact us' }).click();
  assert.equal(await page.getByRole('heading').textContent(), 'Contact us');
  await page.goto(`${stack.edge_url}/forms/`);
  assert.equal(await page.getByRole('link').count(), SOURCES.length);
  await context.close();
  const script = await ask('/forms/nope', { headers: { accept: 'application/json' } });
  assert.deepEqual([script.status, script.body.code], [404, 'RG101']);
});

test('the thanks lead back to where the visitor came from', async () => {
  const { page, context } = await open('/forms/newsletter-signup?lang=fr');
  await page.getByLabel('Adresse e-mail').fill(freshEmail());
  await page.getByRole('button').click();
  await page.waitForURL('**/forms/thanks?lang=fr');
  assert.equal(await page.getByRole('heading').textContent(), 'Merci');
  await page.getByRole('link', { name: 'Retour au formulaire' }).click();
  assert.ok(page.url().endsWith('/forms/newsletter-signup?lang=fr'), page.url());
  await context.close();
  const links = async (referer) => {
    const { text } = await ask('/forms/thanks', { headers: { referer } });
    return [...text.matchAll(/<a href="([^"]*)">/g)].map(([, address]) => address);
  };
  assert.deepEqual(await links('http://localhost:3000/somewhere?x=1'), ['http://localhost:3000/']);
  assert.deepEqual(await links('https://evil.example/'), ['/forms/website-form']);
  assert.deepEqual(await links('https://evil.example/forms/nope'), ['/forms/website-form']);
  assert.deepEqual(await links(''), ['/forms/website-form']);
});

test('a field that is wrong is named by its label, marked, and described', async () => {
  const { page, context } = await open('/forms/demo-request', SIZES.phone, { javaScriptEnabled: true });
  await page.getByLabel('E-mail address').fill(freshEmail());
  const long = 'Ada '.repeat(60).trim();
  await page.getByLabel('First name').fill(long);
  await page.getByRole('button').click();
  const alert = await page.getByRole('alert').textContent();
  assert.equal(alert.trim(), 'First name is too long. At most 200 characters fit.');
  const field = page.getByLabel('First name');
  assert.equal(await field.inputValue(), long, 'nothing was cut');
  const seen = await field.evaluate((input) => ({
    invalid: input.getAttribute('aria-invalid'),
    description: document.getElementById(input.getAttribute('aria-describedby')).textContent,
    border: getComputedStyle(input).borderTopWidth,
    other: getComputedStyle(document.getElementById('last_name')).borderTopWidth,
    marked: document.querySelectorAll('[aria-invalid]').length,
  }));
  assert.deepEqual(seen, {
    invalid: 'true',
    description: '⚠ First name is too long. At most 200 characters fit.',
    border: '3px',
    other: '1px',
    marked: 1,
  });
  await page.getByRole('alert').getByRole('link').click();
  assert.equal(await page.evaluate(() => document.querySelector(':target').id), 'first_name');
  await screenshot(page, 'form-fault-phone');
  await page.emulateMedia({ forcedColors: 'active' });
  const borders = await page.evaluate(() =>
    ['#first_name', '.alert', 'button', 'main'].map((name) => {
      const { borderTopWidth, borderTopStyle, borderTopColor, backgroundColor } = getComputedStyle(
        document.querySelector(name),
      );
      return borderTopStyle === 'solid' && borderTopWidth !== '0px' && borderTopColor !== backgroundColor;
    }),
  );
  assert.deepEqual(
    borders,
    [true, true, true, true],
    'in forced colours what is wrong and what can be pressed has a border',
  );
  await screenshot(page, 'form-forced-colours-phone');
  await page.evaluate(axe.source);
  assert.deepEqual(
    (await page.evaluate(() => globalThis.axe.run())).violations.map(({ id }) => id),
    [],
  );
  await context.close();
});

test('what is wrong with a field that the form has not can be mended, too', async () => {
  const email = freshEmail();
  const html = { accept: 'text/html' };
  const post = (fields) => ask('/v1/leads', { method: 'POST', body: new URLSearchParams(fields), headers: html });
  const phone = await post({ source: 'newsletter-signup', email, phone_number: '0'.repeat(60) });
  assert.equal(phone.status, 422);
  assert.match(phone.text, /<label for="phone_number">Phone number<\/label>/);
  assert.match(phone.text, /Phone number is too long\. At most 50 characters fit\./);
  assert.match(
    phone.text,
    /<input id="phone_number" name="phone_number" value="0{60}" type="tel"[^>]*aria-invalid="true"/,
  );
  const many = new URLSearchParams({ email });
  for (let n = 0; n < 51; n += 1) many.append('interested_features', `feature ${n}`);
  const features = await post(many);
  assert.equal(features.status, 422);
  assert.equal(
    features.text.match(/name="interested_features" value="feature \d+" type="checkbox" checked/g).length,
    51,
  );
  const others = await post({ email, color: 'red', story: 'x'.repeat(17_000) });
  assert.equal(others.status, 422);
  assert.match(others.text, /<label for="other-\d+">story<\/label>/);
  const source = await post({ email, source: 'nowhere' });
  assert.equal(source.status, 422);
  assert.match(source.text, /name="source" value="website-form"/, 'sent again it is taken');
});

test('nothing is cut by the page itself', async () => {
  for (const source of SOURCES) assert.ok(!(await ask(`/forms/${source}`)).text.includes('maxlength'), source);
});

test('password managers leave the trap for bots alone', async () => {
  const { text } = await ask('/forms/contact-form');
  const [trap] = /<input id="_gotcha"[^>]*>/.exec(text);
  for (const attribute of [
    'data-1p-ignore',
    'data-lpignore="true"',
    'data-bwignore',
    'autocomplete="off"',
    'tabindex="-1"',
  ]) {
    assert.ok(trap.includes(attribute), attribute);
  }
});

/** A text as HTML has it. */
const escaped = (text) => text.replaceAll('&', '&#38;').replaceAll("'", '&#39;');

test('every page speaks the language of its visitor, or the one that its address names', async () => {
  const page = (path, language, options = {}) =>
    ask(path, { ...options, headers: { accept: 'text/html', 'accept-language': language, ...options.headers } });
  const { code: first, ...english } = LANGUAGES[0];
  assert.equal(first, 'en');
  assert.deepEqual(
    LANGUAGES.map(({ code }) => code),
    ['en', 'de', 'fr', 'es'],
  );
  for (const { code, ...texts } of LANGUAGES) {
    const chosen = `${code}-XX,en;q=0.1`;
    const says = ({ text, headers }, words) => {
      assert.equal(headers.get('content-language'), code);
      assert.match(headers.get('vary'), /Accept-Language/);
      assert.ok(text.includes(`<html lang="${code}">`), code);
      for (const each of words) assert.ok(text.includes(escaped(each)), `${code}: ${each}`);
    };
    for (const source of SOURCES) {
      const { title, button } = texts.forms[source];
      says(await page(`/forms/${source}`, chosen), [title, button, texts.consent, texts.fields.email]);
      says(await page(`/forms/${source}?lang=${code}`, 'tlh'), [`action="/v1/leads?lang=${code}"`, title]);
    }
    says(await page('/forms/thanks', chosen), [texts.thanks_title, texts.thanks_text, texts.back_to_form]);
    says(await page('/forms/nope', chosen), [texts.not_found_title, texts.index_text]);
    says(await page('/forms', chosen), [texts.index_title]);
    says(await page('/v1/leads/confirm?token=x', chosen), [
      texts.confirm_title,
      texts.confirm_text,
      texts.confirm_button,
    ]);
    says(await page('/v1/leads/confirm?token=x', chosen, { method: 'POST' }), [
      texts.not_confirmed_title,
      texts.errors.link,
    ]);
    const body = new URLSearchParams({ email: 'x', source: 'contact-form' });
    const refused = await page(`/v1/leads?lang=${code}`, 'tlh', { method: 'POST', body });
    says(refused, [texts.errors.email, `${texts.error}: ${texts.forms['contact-form'].title}`]);
    // No text was forgotten and left in English.
    if (code === 'en') continue;
    for (const name of ['consent', 'thanks_text', 'confirm_text', 'not_found_title'])
      assert.notEqual(texts[name], english[name]);
    for (const [name, text] of Object.entries(texts.errors))
      assert.notEqual(text, english.errors[name], `${code} ${name}`);
  }
  assert.match((await page('/forms/website-form', 'tlh')).text, /<html lang="en">/);
});

test('the consent that was shown is kept: its wording, by language', async () => {
  for (const { code } of LANGUAGES) {
    const { text } = await ask(`/forms/newsletter-signup?lang=${code}`);
    assert.match(text, new RegExp(`name="consent_version" value="form-2-${code}"`));
  }
});

test('the owner’s name, site and privacy policy are on the pages where they are configured', async () => {
  const plain = await ask('/forms/contact-form');
  assert.ok(!plain.text.includes('<footer>'));
  const edge = await startEdge({
    OWNER_NAME: 'Ada & Söhne',
    OWNER_URL: 'https://www.example.org/',
    PRIVACY_URL: 'https://www.example.org/privacy?x=1&y=2',
  });
  try {
    const page = async (path) => (await ask(path, { base: edge.url })).text;
    for (const path of ['/forms/contact-form?lang=de', '/forms/thanks?lang=de', '/v1/leads/confirm?token=x&lang=de']) {
      const text = await page(path);
      assert.ok(text.includes('<a href="https://www.example.org/">Ada &#38; Söhne</a>'), path);
      assert.ok(text.includes('<a href="https://www.example.org/privacy?x=1&#38;y=2">Datenschutzerklärung</a>'), path);
    }
    assert.ok((await page('/forms/contact-form?lang=de')).includes('Ada &#38; Söhne darf mir dazu E-Mails schreiben.'));
    assert.ok((await page('/forms/thanks')).includes('<a href="https://www.example.org/">Back to Ada &#38; Söhne</a>'));
  } finally {
    await edge.stop();
  }
});

test('a form that the rate limiter in front refuses comes back with what was typed', async () => {
  const limiter = `import edge from './entry.js';
    export default { fetch: (request, env, context) =>
      edge.fetch(request, { ...env, RATE_LIMITER: { limit: async () => ({ success: false }) } }, context) };`;
  const edge = await startEdge({}, [], limiter);
  try {
    const body = new URLSearchParams({ source: 'contact-form', first_name: 'Zoë' });
    const refused = await ask('/v1/leads', { base: edge.url, method: 'POST', body, headers: { accept: 'text/html' } });
    assert.equal(refused.status, 429);
    assert.ok(refused.headers.get('retry-after'));
    assert.ok(
      refused.text.includes('value="Zoë"') && refused.text.includes('Please send the form again in 10 seconds'),
      refused.text,
    );
    const script = await ask('/v1/leads', { base: edge.url, method: 'POST', body });
    assert.deepEqual([script.status, script.body.code], [429, 'RG311']);
  } finally {
    await edge.stop();
  }
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
