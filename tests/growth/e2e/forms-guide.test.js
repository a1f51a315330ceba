// docs/forms.md: its examples work in Chromium as they stand there, and its tables have what the database and the pages have.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from '../../../dev/paths.js';
import { launch } from '../../support/browser.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, freshEmail, sql } from '../../support/stack.js';

const guide = readFileSync(join(root, 'docs', 'forms.md'), 'utf8');
const [plainForm, fetchForm, beacon] = [...guide.matchAll(/^```html\n(.*?)^```$/gms)].map(([, html]) => html);

/** The part of the page under a heading, up to the next heading of its level or above. */
const section = (heading) => {
  const [level] = heading.split(' ');
  const [, rest] = guide.split(`\n${heading}\n`);
  assert.ok(rest, `docs/forms.md has "${heading}"`);
  return rest.split(new RegExp(`^#{1,${level.length}} `, 'm'))[0];
};
/** What stands in backticks in the first column of the tables of a text. */
const firstColumn = (text) =>
  [...text.matchAll(/^\| (.*?) \|/gm)].flatMap(([, cell]) => [...cell.matchAll(/`([^`]+)`/g)].map(([, word]) => word));

let browser;
let edge;
let server;
let site;
before(async () => {
  browser = await launch();
  const pages = {
    '/plain.html': plainForm,
    '/fetch.html': fetchForm,
    '/events.html': beacon,
    '/thanks.html': '<h1>Thanks</h1>',
  };
  server = createServer(({ url }, response) => {
    const html = pages[url.split('?')[0]];
    response.writeHead(html || url === '/favicon.ico' ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' });
    const here = (text) =>
      text.replaceAll('https://edge.example.org', edge.url).replaceAll('https://www.example.org', site);
    response.end(`<!doctype html><html lang="en"><title>shop</title>${here(html ?? '')}`);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  site = `http://127.0.0.1:${server.address().port}`;
  edge = await startEdge({ ALLOWED_ORIGINS: site });
});
after(async () => {
  await browser?.close();
  await edge?.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await close();
});
beforeEach(() => sql('truncate private.rate_limits'));

/** A page of the site, and what the browser complained about. */
const open = async (path) => {
  const context = await browser.newContext();
  const page = await context.newPage();
  const complaints = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  await page.goto(site + path);
  return { page, context, complaints };
};
const lead = async (email) => (await sql('select * from marketing.leads where email = $1', [email]))[0];

test('the form without a script stores a lead and leads to the page of thanks', async () => {
  const email = freshEmail();
  const { page, context, complaints } = await open('/plain.html');
  await page.getByLabel('E-mail address').fill(email);
  await page.getByLabel('First name').fill('Zoë');
  await page.getByLabel('Last name').fill('Müller');
  await page.getByLabel('Message').fill('one\ntwo');
  await page.getByLabel('Templates').check();
  await page.getByLabel('Team size').fill('12');
  await page.getByLabel('You may contact me').check();
  await page.getByRole('button', { name: 'Send' }).click();
  await page.waitForURL(`${site}/thanks.html`);
  const row = await lead(email);
  assert.deepEqual(
    [row.first_name, row.last_name, row.notes, row.interested_features, row.source, row.opt_in_status, row.is_spam],
    ['Zoë', 'Müller', 'one\ntwo', ['templates'], 'contact-form', 'pending', false],
  );
  assert.deepEqual([row.metadata, row.first_touch.consent_version], [{ team_size: '12' }, 'contact-2026-11']);
  assert.equal(row.landing_page, `${site}/`, 'a browser tells another origin no more of its address');
  assert.deepEqual(complaints, []);
  await context.close();
});

test('the form without a script comes back with what was typed if it is refused, and its trap is out of sight', async () => {
  const { page, context } = await open('/plain.html');
  assert.ok((await page.locator('[name=_gotcha]').boundingBox()).x < 0);
  await page.getByLabel('E-mail address').fill('name@localhost');
  await page.getByLabel('Message').fill('do not lose this');
  await page.getByLabel('Inbox').check();
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('alert').waitFor();
  assert.equal(await page.getByLabel('Message').inputValue(), 'do not lose this');
  const email = freshEmail();
  await page.getByLabel('E-mail address').fill(email);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.waitForURL(`${site}/thanks.html`);
  assert.deepEqual((await lead(email)).interested_features, ['inbox']);
  await context.close();
});

test('the form with fetch says what happened, and stores the campaign', async () => {
  const email = freshEmail();
  const { page, context, complaints } = await open('/fetch.html?utm_source=mail&utm_campaign=may&other=x');
  const status = page.getByRole('status');
  const submit = async (address, said) => {
    await page.getByLabel('E-mail address').fill(address);
    await page.getByRole('button', { name: 'Send' }).click();
    await status.filter({ hasText: said }).waitFor();
  };
  await page.getByLabel('Message').fill('hello');
  await page.getByLabel('You may contact me').check();
  await submit(email, 'Thank you. We have received your message.');
  const row = await lead(email);
  assert.deepEqual(
    [row.notes, row.source, row.opt_in_status, row.utm_source, row.utm_campaign, row.metadata],
    ['hello', 'contact-form', 'pending', 'mail', 'may', {}],
  );
  assert.equal(row.landing_page, page.url());
  assert.deepEqual(complaints, []);
  await submit('name@localhost', 'Please check your e-mail address.');
  await submit(`${'a'.repeat(250)}@example.org`, 'Shorten email.');
  await sql(
    `insert into private.rate_limits (bucket, tat)
     select 'leads ' || key, now() + interval '1 hour'
     from (select split_part(bucket, 'leads ', 2) as key from private.rate_limits where bucket like 'leads %') as used
     on conflict (bucket) do update set tat = excluded.tat`,
  );
  await submit(freshEmail(), /^Please send it again in \d+ seconds\.$/);
  await context.close();
});

test('a second press after a lost answer makes no second submission', async () => {
  const email = freshEmail();
  const { page, context } = await open('/fetch.html');
  // The lead is stored, and its answer is lost.
  let lost = 0;
  await page.route('**/v1/leads', async (route) => {
    if (route.request().method() !== 'POST' || lost > 0) return route.continue();
    lost += 1;
    await route.fetch();
    return route.abort();
  });
  await page.getByLabel('E-mail address').fill(email);
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('status').filter({ hasText: 'The message was not sent.' }).waitFor();
  assert.equal((await lead(email)).submission_count, '1');
  await page.getByRole('button', { name: 'Send' }).click();
  await page.getByRole('status').filter({ hasText: 'Thank you.' }).waitFor();
  assert.equal((await lead(email)).submission_count, '1');
  await context.close();
});

test('the page with events sends them as it goes away', async () => {
  const { page, context, complaints } = await open(`/events.html?${randomUUID()}`);
  const url = page.url();
  await page.getByRole('button', { name: 'Request a demo' }).click();
  await page.goto('about:blank');
  const stored = () =>
    sql(
      'select name, type, session_id, properties, browser from analytics.events where url = $1 order by occurred_at, name',
      [url],
    );
  let rows = [];
  for (let tries = 0; tries < 50 && rows.length < 2; tries += 1) {
    rows = await stored();
    if (rows.length < 2) await sleep(100);
  }
  assert.deepEqual(
    rows.map(({ name, type }) => [name, type]),
    [
      ['page viewed', 'page_view'],
      ['demo requested', 'user_action'],
    ],
  );
  assert.deepEqual(rows[0].properties, { title: 'shop' });
  assert.ok(rows[0].session_id && rows[0].session_id === rows[1].session_id);
  assert.equal(rows[0].browser, 'Chrome');
  assert.deepEqual(complaints, []);
  await context.close();
});

test('the tables list every field that the database knows, and the sources in its order', async () => {
  const [{ source }] = await sql(`select pg_get_functiondef('marketing.lead_metadata(jsonb)'::regprocedure) as source`);
  const [, known] = /known constant text\[\] := array\[(.*?)\]/s.exec(source);
  const names = [...known.matchAll(/'([^']+)'/g)].map(([, name]) => name);
  assert.ok(names.length > 15);
  // The edge alone reads it, and takes it out.
  const documented = firstColumn(section('## Fields of a lead')).filter((name) => name !== '_charset_');
  assert.deepEqual(documented.sort(), names.sort());
  const [{ sources }] = await sql('select marketing.lead_sources() as sources');
  const [row] = section('## Fields of a lead').match(/^\| `source` .*$/m);
  const shown = [...row.matchAll(/`([a-z]+-[a-z]+)`/g)].map(([, name]) => name);
  assert.deepEqual(shown, sources);
});

test('the lists of hosted forms and languages are those that are served', async () => {
  const listed = firstColumn(section('## Hosted forms')).filter((name) => name !== '<source>');
  const { text } = await ask('/forms', { headers: { accept: 'text/html' } });
  const served = [...text.matchAll(/href="\/forms\/([a-z-]+)"/g)].map(([, name]) => name);
  assert.deepEqual(listed.sort(), served.sort());
  const [, languages] = /`\?lang=(.*?)in the link/.exec(section('## Hosted forms'));
  const codes = [...languages.matchAll(/\b[a-z]{2}\b/g)].map(([code]) => code).filter((code) => code !== 'or');
  assert.deepEqual(codes, ['en', 'de', 'fr', 'es']);
  for (const code of codes) {
    const page = await ask(`/forms/contact-form?lang=${code}`);
    assert.ok(page.text.includes(`<html lang="${code}">`) && page.text.includes(`value="form-2-${code}"`), code);
  }
});

test('the edge gives the answers that the tables list', async () => {
  const post = (fields, options = {}) =>
    ask('/v1/leads', { method: 'POST', body: new URLSearchParams(fields), base: edge.url, ...options });
  const html = { headers: { accept: 'text/html' } };
  const email = freshEmail();
  const json = (body, headers = {}) => ({
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json', ...headers },
  });
  const long = (length) => 'x'.repeat(length);
  const cases = [
    [{ email }, {}, 201],
    [{ email }, html, 303],
    [{ email: 'x' }, {}, 422, 'RG508'],
    [{ email: 'x' }, html, 422],
    [{ email: `${long(250)}@example.org` }, {}, 422, 'RG505'],
    ...['first_name', 'last_name', 'company_name'].map((name) => [{ email, [name]: long(201) }, {}, 422, 'RG505']),
    [{ email, phone_number: long(51) }, {}, 422, 'RG505'],
    [{ email, notes: long(5001) }, {}, 422, 'RG505'],
    [{ email, interested_features: long(201) }, {}, 422, 'RG505'],
    [{ email, source: 'other' }, {}, 422, 'RG509'],
    [{ email, mine: long(17_000) }, {}, 422, 'RG506'],
    [{}, json({ email, first_name: {} }), 422, 'RG504'],
    [{}, json([]), 400, 'RG301'],
    [{ email }, { headers: { 'idempotency-key': long(256) } }, 400, 'RG309'],
    [{ email }, { headers: { authorization: 'Bearer x.y.z' } }, 401, 'RG202'],
    [{}, { body: long(65_537), headers: { 'content-type': 'application/json' } }, 413, 'RG302'],
    [{}, { body: 'email=x', headers: { 'content-type': 'text/plain' } }, 415, 'RG303'],
    [{}, { body: 'email=x', headers: { 'content-type': 'text/plain', accept: 'text/html' } }, 415],
    [{ email }, { headers: { 'content-encoding': 'br' } }, 415, 'RG330'],
  ];
  const table = section('## Answers of `POST /v1/leads`');
  for (const [fields, options, status, code] of cases) {
    await sql('truncate private.rate_limits');
    const answer = await post(fields, options);
    const what = JSON.stringify([fields, options]).slice(0, 120);
    assert.deepEqual([answer.status, answer.body?.code], [status, code], what);
    assert.match(table, new RegExp(`^\\| [0-9, ]*${status}[0-9, ]* \\|`, 'm'), 'the table has this status');
    if (options === html && status === 422) assert.match(answer.text, /role="alert"/);
  }
  assert.deepEqual((await post({ email })).body, { status: 'received' });
  const events = (body, headers = {}) => ask('/v1/events', { method: 'POST', body, base: edge.url, headers });
  const name = `test ${randomUUID()}`;
  const batch = await events(JSON.stringify({ events: [{ name, id: randomUUID() }, { type: 'page_view' }] }));
  assert.deepEqual(
    [batch.status, batch.body],
    [202, { accepted: 1, duplicates: 0, rejected: [{ index: 1, code: 'name_missing' }] }],
  );
  const lines = await events(`{"name":"${name}"}\n{"name":"${name}"}`, { 'content-type': 'application/x-ndjson' });
  assert.equal(lines.body.accepted, 2);
  for (const [body, headers, status, code] of [
    ['x', {}, 400, 'RG301'],
    [`[${Array(501).fill('{"name":"a"}')}]`, {}, 413, 'RG541'],
    [' '.repeat(513 * 1024), {}, 413, 'RG302'],
    ['{}', { 'content-type': 'text/html' }, 415, 'RG303'],
  ]) {
    const answer = await events(body, headers);
    assert.deepEqual([answer.status, answer.body?.code], [status, code]);
  }
});
