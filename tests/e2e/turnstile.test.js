// Turnstile in front of the leads: a service of Cloudflare's, in whose place a server stands that answers as its documentation
// says (https://developers.cloudflare.com/turnstile/get-started/server-side-validation/).
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { startEdge } from '../support/edge.js';
import { ask, close, freshEmail, sql } from '../support/stack.js';

const SECRET = '1x0000000000000000000000000000000AA';
const SITE = 'https://www.example.org';

let edge;
let server;
const asked = [];
const spent = new Set();
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
    const again = spent.has(fields.response);
    spent.add(fields.response);
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

test('a token of another site or for something else is no good', async () => {
  for (const odd of [{ hostname: 'evil.example' }, { hostname: '' }, { action: 'login' }, { success: 'yes' }]) {
    answer = odd;
    assert.equal((await post(token('good'))).status, 403, JSON.stringify(odd));
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
