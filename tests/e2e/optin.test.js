// Double opt-in: a consent is asked for by the form, confirmed by the link of a message, and written down as a hash.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { launch, screenshot } from '../support/browser.js';
import { ask, close, freshEmail, made, sql, stack, userToken } from '../support/stack.js';

let browser;
before(async () => {
  browser = await launch();
});
after(async () => {
  await browser.close();
  await close();
});
beforeEach(() => sql('truncate private.rate_limits'));

const admin = () => userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });

/** Posts a form with a consent; gives the token of the link that a mailer would send. */
const asked = async (email = freshEmail(), more = {}) => {
  const { status } = await ask('/v1/leads', { json: { email, consent: 'on', consent_version: 'v7', ...more } });
  assert.equal(status, 201);
  const pending = await ask('/rest/v1/rpc/pending_confirmations', {
    json: { most: 1000 },
    token: stack.service_key,
    headers: { 'content-profile': 'marketing' },
  });
  assert.equal(pending.status, 200, pending.text);
  return pending.body.find((each) => each.email === email)?.token;
};

const confirm = (token, accept = 'application/json') =>
  ask(`/v1/leads/confirm?token=${encodeURIComponent(token)}`, { headers: { accept } });

const lead = async (email) => (await sql('select * from marketing.leads where email = $1', [email]))[0];
const records = (email) =>
  sql(
    `select action, text_version, channel from private.consent_records
     where address_hash = private.address_hash(marketing.normalize_email($1)) order by id`,
    [email],
  );

test('a link confirms the address of its lead, as often as it is opened', async () => {
  const email = freshEmail();
  const token = await asked(email);
  assert.equal((await lead(email)).opt_in_status, 'pending');
  for (let n = 0; n < 3; n += 1) {
    const { status, body, headers } = await confirm(token);
    assert.deepEqual([status, body], [200, { status: 'confirmed' }]);
    assert.equal(headers.get('cache-control'), 'private, no-store');
  }
  const row = await lead(email);
  assert.equal(row.opt_in_status, 'confirmed');
  assert.ok(Date.now() - row.opted_in_at.getTime() < 60_000);
  assert.deepEqual(await records(email), [
    { action: 'requested', text_version: 'v7', channel: 'email' },
    { action: 'confirmed', text_version: 'link', channel: 'email' },
  ]);
  assert.equal(await asked(email), undefined, 'who has confirmed is not asked again');
});

test('in a browser it is a page', async () => {
  const email = freshEmail();
  const token = await asked(email);
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, javaScriptEnabled: false });
  const page = await context.newPage();
  const answer = await page.goto(`${stack.edge_url}/v1/leads/confirm?token=${token}`);
  assert.equal(answer.status(), 200);
  assert.equal(await page.getByRole('heading').textContent(), 'Address confirmed');
  await screenshot(page, 'confirmed-phone');
  const bad = await page.goto(`${stack.edge_url}/v1/leads/confirm?token=${token}x`);
  assert.equal(bad.status(), 400);
  assert.equal(await page.getByRole('heading').textContent(), 'Address not confirmed');
  await screenshot(page, 'not-confirmed-phone');
  await context.close();
});

test('a link that is forged, of another, old, or of a lead that is gone is one and the same no', async () => {
  const email = freshEmail();
  const token = await asked(email);
  const bytes = Buffer.from(token, 'base64url');
  const changed = (at, value) => {
    const copy = Buffer.from(bytes);
    copy[at] ^= value;
    return copy.toString('base64url');
  };
  const [old] = await sql(
    `select marketing.confirmation_token(l, now() - interval '1 second') as token from marketing.leads as l where email = $1`,
    [email],
  );
  const gone = freshEmail();
  const ofGone = await asked(gone);
  await sql('update marketing.leads set deleted_at = now() where email = $1', [gone]);
  // A link is for the address it was sent to.
  const moved = freshEmail();
  const ofMoved = await asked(moved);
  await sql(`update marketing.leads set email_normalized = 'x' || email_normalized where email = $1`, [moved]);
  const tokens = [
    '',
    'x',
    token.slice(0, -1),
    `${token}A`,
    `${token}=`,
    changed(0, 1),
    changed(20, 1),
    changed(23, 255),
    changed(43, 1),
    Buffer.alloc(44).toString('base64url'),
    Buffer.alloc(44, 255).toString('base64url'),
    old.token,
    ofGone,
    ofMoved,
    '\0',
    "' or true --",
  ];
  const answers = new Set();
  for (const each of tokens) {
    const { status, text } = await confirm(each);
    assert.equal(status, 400, each);
    answers.add(text);
  }
  assert.equal(answers.size, 1);
  assert.match([...answers][0], /RG512/);
  assert.equal((await lead(email)).opt_in_status, 'pending');
  assert.equal((await confirm(token)).status, 200);
});

test('spam and forms without a consent get no link', async () => {
  assert.equal(await asked(freshEmail(), { _gotcha: 'x' }), undefined);
  assert.equal(await asked(freshEmail(), { consent: 'no' }), undefined);
  assert.equal(await asked(freshEmail(), { consent: undefined }), undefined);
});

test('nobody but the back office learns of links', async () => {
  await asked();
  const headers = { 'content-profile': 'marketing' };
  for (const token of [await admin(), await userToken()]) {
    const { status } = await ask('/rest/v1/rpc/pending_confirmations', { json: {}, token, headers });
    assert.equal(status, 403);
  }
  const { status } = await ask('/rest/v1/rpc/pending_confirmations', { json: {}, key: made.publishable_key, headers });
  assert.equal(status, 403);
});

test('a consent is taken back by an admin, given by nobody but its person, and asked for again by the form', async () => {
  const email = freshEmail();
  const first = await asked(email);
  await confirm(first);
  const token = await admin();
  const change = (opt_in_status) =>
    ask(`/rest/v1/leads?email=eq.${encodeURIComponent(email)}`, {
      method: 'PATCH',
      body: JSON.stringify({ opt_in_status }),
      token,
      headers: { 'content-profile': 'marketing', 'content-type': 'application/json' },
    });
  assert.equal((await change('revoked')).status, 204);
  for (const status of ['confirmed', 'pending', 'none']) {
    const answer = await change(status);
    assert.deepEqual([answer.status, answer.body.code], [403, 'RG513']);
  }
  assert.equal((await lead(email)).opt_in_status, 'revoked');
  assert.equal((await confirm(first)).status, 400, 'an old link gives nothing back');
  assert.equal((await lead(email)).opt_in_status, 'revoked');
  const again = await asked(email);
  assert.equal((await confirm(first)).status, 400, 'nor after a new request');
  assert.ok(again);
  assert.equal((await confirm(again)).status, 200);
  assert.deepEqual(
    (await records(email)).map(({ action }) => action),
    ['requested', 'confirmed', 'revoked', 'requested', 'confirmed'],
  );
});

test('the records can be read by nobody and changed by nobody', async () => {
  await assert.rejects(sql('delete from private.consent_records'), /append-only/);
  await assert.rejects(sql(`update private.consent_records set action = 'confirmed'`), /append-only/);
  const [row] = await sql('select octet_length(address_hash) as length from private.consent_records limit 1');
  assert.equal(row.length, 32);
});
