// Meta's webhook through the edge: signed by the very bytes, kept once, applied.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, edgeToken, made, sql, stack } from '../../support/stack.js';
import {
  addAccount,
  addTemplate,
  delivery,
  EVENTS,
  freshIds,
  messages,
  signature,
  status,
  text,
} from '../support/whatsapp.js';

after(close);

const SECRET = made.whatsapp_app_secret;
const send = (payload, { secret = SECRET, header, base } = {}) => {
  const body = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload));
  const signed = header ?? signature(body, secret);
  const headers = { 'content-type': 'application/json', ...(signed && { 'x-hub-signature-256': signed }) };
  return ask('/v1/whatsapp/webhook', { method: 'POST', body, headers, ...(base && { base }) });
};
const inbox = (wamid) =>
  sql(`select field, payload, outcome from private.webhook_inbox where payload::text like '%' || $1 || '%'`, [wamid]);
const verify = (query, base = stack.edge_url) => fetch(`${base}/v1/whatsapp/webhook?${new URLSearchParams(query)}`);

test('Meta’s question is answered with its challenge, in plain text, if it knows the token', async () => {
  const good = {
    'hub.mode': 'subscribe',
    'hub.verify_token': made.whatsapp_verify_token,
    'hub.challenge': '1158201444',
  };
  const answer = await verify(good);
  assert.deepEqual([answer.status, await answer.text()], [200, '1158201444']);
  assert.match(answer.headers.get('content-type'), /^text\/plain/);
  for (const odd of [
    { ...good, 'hub.verify_token': 'x' },
    { ...good, 'hub.verify_token': '' },
    { ...good, 'hub.verify_token': `${good['hub.verify_token']}x` },
    { ...good, 'hub.verify_token': 'x\0' },
    { ...good, 'hub.mode': 'unsubscribe' },
    { 'hub.challenge': 'x' },
    {},
  ]) {
    const refused = await verify(odd);
    assert.equal(refused.status, 403, JSON.stringify(odd));
    assert.equal((await refused.json()).code, 'RG212');
  }
  const html = await verify({ ...good, 'hub.challenge': '<script>alert(1)</script>' });
  assert.match(html.headers.get('content-type'), /^text\/plain/);
  assert.equal(html.headers.get('x-content-type-options'), 'nosniff');
});

test('an account’s own verify token is as good', async () => {
  const ids = freshIds();
  const hash = createHash('sha256').update(`token ${ids.waba}`).digest();
  await addAccount(sql, ids, { webhook_verify_token_hash: `\\x${hash.toString('hex')}` });
  const answer = await verify({
    'hub.mode': 'subscribe',
    'hub.verify_token': `token ${ids.waba}`,
    'hub.challenge': 'c',
  });
  assert.deepEqual([answer.status, await answer.text()], [200, 'c']);
});

for (const event of EVENTS) {
  test(`${event.name}: stored once and applied`, async () => {
    const ids = freshIds();
    const account = await addAccount(sql, ids, event.account);
    if (event.template) await addTemplate(sql, account, ids, event.template === true ? {} : event.template);
    const payload = event.payload(ids);
    const before = await sql('select count(*)::int as count from private.webhook_inbox');
    for (let n = 0; n < 2; n += 1) {
      const { status: code, body } = await send(payload);
      assert.deepEqual([code, body], [200, { status: 'ok' }]);
    }
    const [{ count }] = await sql('select count(*)::int as count from private.webhook_inbox');
    assert.ok(count > before[0].count, 'it is kept');
  });
}

test('what is not signed by the app with the very bytes is refused, and nothing is stored', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const payload = delivery(ids.waba, messages(ids, { messages: [text(ids)] }), null);
  const good = signature(Buffer.from(JSON.stringify(payload)), SECRET);
  const cases = [
    { secret: `${SECRET}x` },
    { secret: '' },
    { header: '' },
    { header: good.replace('sha256=', 'sha1=') },
    { header: good.slice(0, -2) },
    { header: good.slice(0, -1) + (good.endsWith('0') ? '1' : '0') },
    { header: 'sha256=' },
    { header: good.replace('sha256=', '') },
  ];
  for (const options of cases) {
    const { status: code, body, headers } = await send(payload, options);
    assert.deepEqual([code, body.code], [401, 'RG211'], JSON.stringify(options));
    assert.ok(headers.get('www-authenticate'));
  }
  const spaced = await send(JSON.stringify(payload, null, 1), { header: good });
  assert.equal(spaced.status, 401, 'the same JSON in other bytes');
  assert.deepEqual(await inbox(ids.wamid), []);
  assert.equal((await send(payload)).status, 200);
  assert.equal((await inbox(ids.wamid)).length, 1);
});

test('twenty deliveries of one message at once are one', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const payload = delivery(ids.waba, messages(ids, { messages: [text(ids)] }), null);
  const answers = await Promise.all(Array.from({ length: 20 }, () => send(payload)));
  assert.deepEqual([...new Set(answers.map(({ status: code }) => code))], [200]);
  assert.equal((await inbox(ids.wamid)).length, 1);
});

test('unknown fields and events are kept as they came', async () => {
  const ids = freshIds();
  const payload = delivery(ids.waba, {
    field: 'a_field_of_2030',
    value: { deep: [1, { id: ids.wamid }], ключ: '😀' },
    extra: true,
  });
  assert.equal((await send(payload)).status, 200);
  const [row] = await inbox(ids.wamid);
  assert.equal(row.field, 'a_field_of_2030');
  assert.deepEqual(row.payload.value, payload.entry[0].changes[0].value);
});

test('a message that the database could not store is stored with what cannot be replaced', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const body = JSON.stringify(
    delivery(ids.waba, messages(ids, { messages: [{ ...text(ids), text: { body: 'NUL ? half ?' } }] }), null),
  )
    .replace('NUL ?', 'NUL \\u0000')
    .replace('half ?', 'half \\ud83d');
  assert.equal((await send(body)).status, 200);
  const [row] = await inbox(ids.wamid);
  assert.ok(JSON.stringify(row.payload).includes('NUL \ufffd half \ufffd'));
});

test('numbers that no reader would keep are stored as the text that was sent', async () => {
  const numbers = [
    '16505550123165055501231',
    '9007199254740993',
    '1e400',
    '-1e-400',
    '1e131072',
    '1e99999999999',
    '9'.repeat(200_000),
  ];
  for (const number of numbers) {
    const ids = freshIds();
    await addAccount(sql, ids);
    const body = JSON.stringify(
      delivery(
        ids.waba,
        messages(ids, { messages: [{ ...text(ids), from: '?', order: { total: '?', fine: 1.5 } }] }),
        null,
      ),
    ).replaceAll('"?"', number);
    assert.equal((await send(body)).status, 200, number.slice(0, 20));
    const [row] = await inbox(ids.wamid);
    const [message] = row.payload.value.messages;
    assert.deepEqual([message.from, message.order], [number, { total: number, fine: 1.5 }]);
    assert.equal(row.outcome, 'applied');
  }
});

test('what is nested more deeply than the database reads is stored as a text', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const deep = '['.repeat(20_000) + ']'.repeat(20_000);
  const body = JSON.stringify(
    delivery(
      ids.waba,
      messages(ids, { messages: [{ ...text(ids), new: '?' }, text(ids, { id: `${ids.wamid}2` })] }),
      null,
    ),
  );
  assert.equal((await send(body.replace('"?"', deep))).status, 200);
  const rows = await inbox(ids.wamid);
  assert.equal(rows.length, 2);
  let value = rows.map(({ payload }) => payload.value.messages[0].new).find(Boolean);
  let depth = 0;
  for (; Array.isArray(value); [value] = value) depth += 1;
  assert.equal(value, deep.slice(depth, -depth));
});

test('a delivery whose numbers are written at length is taken', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  // The longest that one byte more can make of them.
  const body = JSON.stringify(delivery(ids.waba, messages(ids, { messages: [{ ...text(ids), list: '?' }] }), null));
  const list = `[${Array.from({ length: 580_000 }, () => '1e20').join()}]`;
  assert.equal((await send(body.replace('"?"', list))).status, 200);
  assert.equal((await inbox(ids.wamid)).length, 1);
});

test('what is signed and is no delivery is refused in words', async () => {
  for (const [payload, code] of [
    ['{', 400],
    ['[]', 400],
    ['{"object":"page","entry":[]}', 400],
    [Buffer.from([0x22, 0xff, 0x22]), 400],
    [`{"x":"${'x'.repeat(3 * 1024 * 1024)}"}`, 413],
  ]) {
    assert.equal((await send(payload)).status, code);
  }
});

test('nobody but the edge hands a delivery to the database', async () => {
  const headers = { 'content-profile': 'whatsapp', 'content-type': 'application/json' };
  const body = JSON.stringify({ payload: delivery('1', []) });
  for (const token of [stack.service_key, await edgeToken({ role: 'anon' })]) {
    const answer = await fetch(`${stack.postgrest_url}/rpc/receive_webhook`, {
      method: 'POST',
      body,
      headers: { ...headers, authorization: `Bearer ${token}` },
    });
    assert.ok([401, 403].includes(answer.status), `${answer.status}`);
  }
});

test('where it is not set up it says which variable is missing', async () => {
  const edge = await startEdge({ WHATSAPP_APP_SECRET: '', WHATSAPP_VERIFY_TOKEN: '' });
  try {
    const { status: code, body } = await send('{}', { base: edge.url });
    assert.deepEqual([code, body.code], [501, 'RG903']);
    assert.match(body.details, /WHATSAPP_APP_SECRET/);
    assert.equal(
      (await verify({ 'hub.mode': 'subscribe', 'hub.verify_token': '', 'hub.challenge': 'x' }, edge.url)).status,
      403,
    );
  } finally {
    await edge.stop();
  }
});

test('a hundred statuses are taken in one delivery', async () => {
  const ids = freshIds();
  await addAccount(sql, ids);
  const statuses = Array.from({ length: 100 }, (_, n) => status(ids, { id: `${ids.wamid}${n}` }));
  const { status: code } = await send(delivery(ids.waba, messages(ids, { statuses }), null));
  assert.equal(code, 200);
  assert.equal((await inbox(ids.wamid)).length, 100);
});
