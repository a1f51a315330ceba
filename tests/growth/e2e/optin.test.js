// Double opt-in: a consent is asked for by the form, confirmed by the link of a message, and written down as a hash.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { launch, screenshot } from '../../support/browser.js';
import { ask, close, freshEmail, made, sql, stack, userToken } from '../../support/stack.js';

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

/** What the mailer is handed. */
const handed = async (json = { most: 1000 }) => {
  const headers = { 'content-profile': 'marketing' };
  const pending = await ask('/rest/v1/rpc/pending_confirmations', { json, token: stack.service_key, headers });
  assert.equal(pending.status, 200, pending.text);
  return pending.body;
};

const submit = async (email, more = {}) => {
  const { status } = await ask('/v1/leads', { json: { email, consent: 'on', consent_version: 'v7', ...more } });
  assert.equal(status, 201);
};

/** Posts a form with a consent; gives the token of the link that a mailer would send. */
const asked = async (email = freshEmail(), more = {}) => {
  await submit(email, more);
  return (await handed()).find((each) => each.email === email)?.token;
};

/** What the button of the page does. */
const confirm = (token, accept = 'application/json') =>
  ask('/v1/leads/confirm', { method: 'POST', body: new URLSearchParams({ token }), headers: { accept } });

const lead = async (email) => (await sql('select * from marketing.leads where email = $1', [email]))[0];
const records = (email) =>
  sql(
    `select action, text_version, channel from private.consent_records
     where address_hash = private.address_hash(private.normalize_email($1)) order by id`,
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

test('in a browser it is a page with one button, which confirms', async () => {
  const email = freshEmail();
  const token = await asked(email);
  const context = await browser.newContext({ viewport: { width: 390, height: 844 }, javaScriptEnabled: false });
  const page = await context.newPage();
  const press = async (link) => {
    const shown = await page.goto(`${stack.edge_url}/v1/leads/confirm?token=${link}`);
    assert.equal(shown.status(), 200);
    assert.equal(await page.getByRole('heading').textContent(), 'Confirm your address');
    await screenshot(page, 'confirm-phone');
    const answer = page.waitForResponse((response) => response.request().method() === 'POST');
    await page.getByRole('button').click();
    return (await answer).status();
  };
  assert.equal(await press(`${token}x`), 400);
  assert.equal(await page.getByRole('heading').textContent(), 'Address not confirmed');
  await screenshot(page, 'not-confirmed-phone');
  assert.equal((await lead(email)).opt_in_status, 'pending');
  assert.equal(await press(token), 200);
  assert.equal(await page.getByRole('heading').textContent(), 'Address confirmed');
  await screenshot(page, 'confirmed-phone');
  assert.equal((await lead(email)).opt_in_status, 'confirmed');
  await context.close();
});

test('a machine that opens the link confirms nothing', async () => {
  const email = freshEmail();
  const token = await asked(email);
  const link = `/v1/leads/confirm?token=${token}`;
  const machines = [
    { method: 'GET' },
    { method: 'HEAD' },
    { method: 'GET', headers: { 'sec-purpose': 'prefetch', accept: 'text/html' } },
    { method: 'GET', headers: { accept: 'application/json' } },
    { method: 'OPTIONS' },
  ];
  for (const options of machines) {
    const { status } = await ask(link, options);
    assert.ok(status < 300, `${options.method} ${status}`);
    assert.equal((await lead(email)).opt_in_status, 'pending', JSON.stringify(options));
  }
  assert.deepEqual((await records(email)).length, 1);
  assert.equal(
    (await ask(link, { method: 'POST' })).status,
    200,
    'a button of one’s own may leave the token in the address',
  );
  assert.equal((await lead(email)).opt_in_status, 'confirmed');
  const other = freshEmail();
  assert.equal((await ask('/v1/leads/confirm', { json: { token: await asked(other) } })).status, 200, 'or send JSON');
  assert.equal((await lead(other)).opt_in_status, 'confirmed');
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
  const dated = (at) => {
    const copy = Buffer.from(bytes);
    copy.writeBigInt64BE(at, 16);
    return copy.toString('base64url');
  };
  const tokens = [
    ...[
      2n ** 63n - 1n,
      -(2n ** 63n),
      -1n,
      0n,
      253_402_300_799n,
      253_402_300_800n,
      9_999_999_999_999n,
      -300_000_000_000n,
    ].map(dated),
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

test('the mailer is handed each address once, the first that asked first; what it has lost it may ask for again', async () => {
  await handed();
  const emails = Array.from({ length: 5 }, freshEmail);
  for (const email of emails) await submit(email);
  const of = (list) => list.map(({ email }) => email);
  assert.deepEqual(of(await handed({ most: 2 })), emails.slice(0, 2));
  assert.deepEqual(of(await handed({ most: 2 })), emails.slice(2, 4));
  assert.deepEqual(of(await handed({ most: 2 })), emails.slice(4));
  assert.deepEqual(await handed(), []);
  assert.deepEqual(await handed({ again_after: '1 hour' }), [], 'not yet');
  const age = (email, by) =>
    sql(
      `update private.confirmation_requests set handed_at = handed_at - $2::interval, requested_at = requested_at - $2::interval
       where lead_id = (select id from marketing.leads where email = $1)`,
      [email, by],
    );
  await age(emails[3], '2 hours');
  const late = freshEmail();
  await submit(late);
  assert.deepEqual(of(await handed({ again_after: '1 hour' })), [late, emails[3]], 'what is new comes first');
  for (let times = 2; times < 5; times += 1) {
    await age(emails[3], '2 hours');
    assert.deepEqual(of(await handed({ again_after: '1 hour' })), times < 3 ? [emails[3]] : [], `${times + 1} times`);
  }
  await age(emails[4], '8 days');
  await handed();
  const [{ count }] = await sql(
    `select count(*)::int from private.confirmation_requests where lead_id = (select id from marketing.leads where email = $1)`,
    [emails[4]],
  );
  assert.equal(count, 0, 'after seven days nobody is written to');
});

test('addresses that nobody ever confirms do not keep new ones from their message', async () => {
  const domain = `${randomUUID()}.example`;
  await sql(
    `insert into marketing.leads (email, email_normalized, email_domain, opt_in_status)
     select a, a, $1, 'pending' from (select 'dead' || n || '@' || $1 as a from generate_series(1, 1500) as n) as l`,
    [domain],
  );
  const email = freshEmail();
  await submit(email);
  const first = await handed();
  assert.equal(first.length, 1000);
  const second = await handed();
  assert.ok(second.some((each) => each.email === email));
  const everybody = [...first, ...second].map((each) => each.email);
  assert.equal(new Set(everybody).size, everybody.length, 'nobody twice');
  await sql('delete from marketing.leads where email_domain = $1', [domain]);
});

test('two mailers at once are handed different addresses', async () => {
  await handed();
  const emails = Array.from({ length: 6 }, freshEmail);
  for (const email of emails) await submit(email);
  const lists = await Promise.all(Array.from({ length: 6 }, () => handed({ most: 1 })));
  const found = lists.flat().map(({ email }) => email);
  assert.equal(new Set(found).size, found.length);
  const rest = (await handed()).map(({ email }) => email);
  assert.deepEqual([...found, ...rest].sort(), [...emails].sort());
});

test('who asks again after a day gets another message, and the link of the first ends', async () => {
  const email = freshEmail();
  const first = await asked(email);
  assert.equal(await asked(email), undefined, 'not on the same day: nobody is flooded by a form');
  const age = (column) =>
    sql(
      `update private.confirmation_requests set ${column} = ${column} - interval '25 hours'
       where lead_id = (select id from marketing.leads where email = $1)`,
      [email],
    );
  await age('requested_at');
  const second = await asked(email);
  assert.ok(second);
  assert.equal((await confirm(first)).status, 400);
  // After the request has ended.
  await sql(
    `delete from private.confirmation_requests where lead_id = (select id from marketing.leads where email = $1)`,
    [email],
  );
  const third = await asked(email);
  assert.equal((await confirm(second)).status, 400);
  assert.equal((await confirm(third)).status, 200);
  assert.deepEqual(
    (await records(email)).map(({ action }) => action),
    ['requested', 'requested', 'requested', 'confirmed'],
  );
  assert.equal(await asked(email), undefined);
});

test('mail goes to what was typed, with the domain in ASCII', async () => {
  const id = randomUUID();
  await submit(`Zoë.${id}+Shop@GMAIL.com`);
  await submit(`zoë.${id}@Müller.example`);
  const emails = (await handed()).map(({ email }) => email);
  for (const email of [`Zoë.${id}+Shop@GMAIL.com`, `zoë.${id}@xn--mller-kva.example`])
    assert.ok(emails.includes(email), email);
});

test('spam and forms without a consent get no link', async () => {
  assert.equal(await asked(freshEmail(), { _gotcha: 'x' }), undefined);
  assert.equal(await asked(freshEmail(), { consent: 'no' }), undefined);
  assert.equal(await asked(freshEmail(), { consent: undefined }), undefined);
});

test('a held or deleted lead that is released after its request has ended is asked, once', async () => {
  const token = await admin();
  const change = async (email, fields) => {
    const { status } = await ask(`/rest/v1/leads?email=eq.${encodeURIComponent(email)}`, {
      method: 'PATCH',
      body: JSON.stringify(fields),
      token,
      headers: { 'content-profile': 'marketing', 'content-type': 'application/json' },
    });
    assert.equal(status, 204);
  };
  const hide = {
    held: (email) => sql(`update marketing.leads set is_spam = true, spam_reason = 'held' where email = $1`, [email]),
    deleted: (email) => change(email, { deleted_at: new Date().toISOString() }),
  };
  const release = {
    'staff clear is_spam': ['held', (email) => change(email, { is_spam: false })],
    'a clean submission without a consent': ['held', (email) => submit(email, { consent: undefined })],
    'a clean submission with one': ['held', (email) => submit(email)],
    'staff restore it': ['deleted', (email) => change(email, { deleted_at: null })],
  };
  const seen = async (email) => (await handed()).filter((each) => each.email === email).map((each) => each.token);
  for (const [how, [hidden, releasing]] of Object.entries(release)) {
    const email = freshEmail();
    await submit(email);
    await hide[hidden](email);
    await sql(
      `update private.confirmation_requests set requested_at = now() - interval '8 days'
       where lead_id = (select id from marketing.leads where email = $1)`,
      [email],
    );
    assert.deepEqual(await seen(email), [], how);
    await releasing(email);
    const [link, ...more] = await seen(email);
    assert.ok(link && more.length === 0, how);
    assert.deepEqual(await seen(email), [], how);
    const actions = (await records(email)).map(({ action }) => action);
    assert.deepEqual(actions, ['requested', 'requested'], how);
    assert.equal((await confirm(link)).status, 200, how);
  }
  // Within the seven days the request is still there: one message.
  const email = freshEmail();
  await submit(email);
  await hide.held(email);
  await change(email, { is_spam: false });
  assert.equal((await seen(email)).length, 1);
  assert.equal((await records(email)).length, 1);
  // A lead without a request for consent is not asked for one.
  const silent = freshEmail();
  await submit(silent, { consent: undefined });
  await hide.held(silent);
  await change(silent, { is_spam: false });
  assert.deepEqual([await seen(silent), await records(silent)], [[], []]);
});

test('nobody but service_role learns of links', async () => {
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
