// Turnstile in front of the leads: a service of Cloudflare's, in whose place a server stands that answers as its documentation
// says (https://developers.cloudflare.com/turnstile/get-started/server-side-validation/).
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, freshEmail, sql } from '../../support/stack.js';

const SECRET = '1x0000000000000000000000000000000AA';
const SITE = 'https://www.example.org';

let edge;
let server;
const asked = [];
const spent = new Map();
let answer = {};

before(async () => {
  server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const fields = Object.fromEntries(new URLSearchParams(body));
    asked.push({ method: request.method, type: request.headers['content-type'], ...fields });
    if (answer.status) {
      response.statusCode = answer.status;
      return response.end('no');
    }
    // The same again under the same key is answered the same; under another, or none, a token is good once.
    const again =
      spent.has(fields.response) && (!fields.idempotency_key || spent.get(fields.response) !== fields.idempotency_key);
    if (!spent.has(fields.response)) spent.set(fields.response, fields.idempotency_key);
    const good = fields.secret === SECRET && fields.response.startsWith('good') && !again;
    const said = good
      ? { success: true, hostname: 'www.example.org', action: 'lead', 'error-codes': [], ...answer }
      : { success: false, 'error-codes': [again ? 'timeout-or-duplicate' : 'invalid-input-response'] };
    response.setHeader('content-type', 'application/json');
    return response.end(JSON.stringify(said));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  edge = await startEdge({
    TURNSTILE_SECRET: SECRET,
    TURNSTILE_URL: `http://127.0.0.1:${server.address().port}/siteverify`,
    ALLOWED_ORIGINS: SITE,
  });
});
after(async () => {
  await edge?.stop();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await close();
});
beforeEach(async () => {
  answer = {};
  asked.length = 0;
  await sql('truncate private.rate_limits');
});

const post = async (fields, { page = false } = {}) => {
  const email = freshEmail();
  const body = new URLSearchParams({ email, ...fields });
  const headers = { accept: page ? 'text/html' : 'application/json' };
  const { status, body: json } = await ask('/v1/leads', { method: 'POST', body, headers, base: edge.url });
  const [row] = await sql('select is_spam, spam_reason, metadata from marketing.leads where email = $1', [email]);
  return { status, code: json?.code, row };
};
const token = (word) => ({ 'cf-turnstile-response': `${word} ${freshEmail()}` });

test('a good token lets the lead through and is not kept', async () => {
  const { status, row } = await post(token('good'));
  assert.equal(status, 201);
  assert.deepEqual(row, { is_spam: false, spam_reason: null, metadata: {} });
  assert.equal(asked.length, 1);
  assert.deepEqual(
    [asked[0].method, asked[0].type, asked[0].secret],
    ['POST', 'application/x-www-form-urlencoded', SECRET],
  );
});

test('a script without a good one is refused, and nothing is stored', async () => {
  const spentOne = token('good');
  await post(spentOne);
  for (const fields of [
    {},
    { 'cf-turnstile-response': '' },
    token('bad'),
    spentOne,
    { 'cf-turnstile-response': 'x'.repeat(3000) },
  ]) {
    assert.deepEqual(await post(fields), { status: 403, code: 'RG315', row: undefined });
  }
});

test('a retry after a lost answer needs no other token, and is one lead', async () => {
  const email = freshEmail();
  const body = JSON.stringify({ email, notes: 'once', ...token('good') });
  const headers = { 'content-type': 'application/json', 'idempotency-key': randomUUID() };
  const send = (more = {}) =>
    ask('/v1/leads', { method: 'POST', body, headers: { ...headers, ...more }, base: edge.url });
  for (let n = 0; n < 3; n += 1) assert.equal((await send()).status, 201);
  assert.equal(
    (await send({ 'idempotency-key': randomUUID() })).status,
    403,
    'a spent token is none under another key',
  );
  const rows = await sql('select submission_count::int as count from marketing.leads where email = $1', [email]);
  assert.deepEqual(rows, [{ count: 1 }]);
});

test('what was held is lost to nothing: not to a clean one after it, not to a look at it', async () => {
  const email = freshEmail();
  const send = (fields, page) =>
    ask('/v1/leads', {
      method: 'POST',
      body: new URLSearchParams({ email, ...fields }),
      headers: { accept: page ? 'text/html' : 'application/json' },
      base: edge.url,
    });
  assert.equal((await send({ notes: 'a long message', consent: 'on' }, true)).status, 303);
  const row = async () =>
    (
      await sql(
        'select is_spam, spam_reason, notes, opt_in_status, phone_number from marketing.leads where email = $1',
        [email],
      )
    )[0];
  assert.deepEqual(await row(), {
    is_spam: true,
    spam_reason: 'held',
    notes: 'a long message',
    opt_in_status: 'pending',
    phone_number: null,
  });
  assert.equal((await send({ phone_number: '+49 30 1', ...token('good') })).status, 201);
  assert.deepEqual(await row(), {
    is_spam: false,
    spam_reason: null,
    notes: 'a long message',
    opt_in_status: 'pending',
    phone_number: '+49 30 1',
  });
  assert.equal((await send({ notes: 'and another', company_name: 'X' }, true)).status, 303);
  assert.match((await row()).notes, /a long message\n\nand another/);
  assert.equal((await row()).is_spam, false);
});

test('what somebody has taken for spam no later post undoes', async () => {
  const email = freshEmail();
  const send = (fields) =>
    ask('/v1/leads', {
      method: 'POST',
      body: new URLSearchParams({ email, ...fields, ...token('good') }),
      base: edge.url,
    });
  await send({ notes: 'buy' });
  await sql(
    `update marketing.leads set is_spam = true, spam_reason = 'by hand', opt_in_status = 'revoked' where email = $1`,
    [email],
  );
  await send({ notes: 'buy more', consent: 'on' });
  const [row] = await sql(
    'select is_spam, spam_reason, notes, opt_in_status, submission_count::int as count, last_touch from marketing.leads where email = $1',
    [email],
  );
  assert.deepEqual(
    [row.is_spam, row.spam_reason, row.notes, row.opt_in_status, row.count],
    [true, 'by hand', 'buy', 'revoked', 2],
  );
  assert.equal(row.last_touch.fields.notes, 'buy more', 'and nothing is lost');
});

test('a token of another site or for something else is no good', async () => {
  const odd = [
    { hostname: 'evil.example' },
    { hostname: '' },
    { action: 'login' },
    // A widget without an action, and Cloudflare's keys for tests.
    { action: '' },
    { action: undefined },
    { action: null },
    { success: 'yes' },
  ];
  for (answer of odd) {
    assert.deepEqual(await post(token('good')), { status: 403, code: 'RG315', row: undefined }, JSON.stringify(answer));
  }
});

test('while Turnstile is down scripts are refused, and pages are held', async () => {
  answer = { status: 500 };
  assert.deepEqual(await post(token('good')), { status: 403, code: 'RG315', row: undefined });
  const { status, row } = await post(token('good'), { page: true });
  assert.equal(status, 303);
  assert.deepEqual(row, { is_spam: true, spam_reason: 'held', metadata: {} });
});

test('a page without scripts has no token: what it posts is held for somebody to look at', async () => {
  const { status, row } = await post({}, { page: true });
  assert.equal(status, 303);
  assert.deepEqual(row, { is_spam: true, spam_reason: 'held', metadata: {} });
  assert.equal(asked.length, 0);
});

test('a page with a bad token is shown the form again', async () => {
  assert.deepEqual(await post(token('bad'), { page: true }), { status: 403, code: undefined, row: undefined });
});
