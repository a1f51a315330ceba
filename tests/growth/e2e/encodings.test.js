// Charsets of forms, gzip, and numbers: what browsers and libraries send comes in as it was meant, or is refused by name.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { launch } from '../../support/browser.js';
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

const row = async (email) => (await sql('select * from marketing.leads where email_normalized = $1', [email]))[0];

/** Bytes as `application/x-www-form-urlencoded` has them: every byte percent-encoded. */
const encoded = (bytes) => [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

const post = (body, type = 'application/x-www-form-urlencoded', headers = {}) =>
  ask('/v1/leads', { method: 'POST', body, headers: { 'content-type': type, ...headers } });

const latin = (text) => Buffer.from(text, 'latin1');
const URLENCODED = 'application/x-www-form-urlencoded';

/** Of each: the type, a `_charset_` where the form has one, the bytes of the name, the name. */
const CHARSETS = [
  [`${URLENCODED}; charset=windows-1252`, undefined, Buffer.from('Zo\xeb \x80', 'latin1'), 'Zoë €'],
  [`${URLENCODED}; charset=ISO-8859-1`, undefined, latin('Zoë'), 'Zoë'],
  [`${URLENCODED};charset="iso-8859-15"`, undefined, Buffer.from([0xa4, 0xe9]), '€é'],
  [URLENCODED, 'windows-1252', latin('Zoë'), 'Zoë'],
  [URLENCODED, 'windows-1251', Buffer.from([0xcf, 0xf0, 0xe8]), 'При'],
  [URLENCODED, 'Shift_JIS', Buffer.from([0x93, 0xfa, 0x96, 0x7b]), '日本'],
  [URLENCODED, 'gb18030', Buffer.from([0xd6, 0xd0]), '中'],
  [URLENCODED, 'EUC-KR', Buffer.from([0xc7, 0xd1]), '한'],
  [URLENCODED, 'utf-8', Buffer.from('Zoë'), 'Zoë'],
  [`${URLENCODED}; charset=windows-1251`, 'utf-8', Buffer.from('Zoë'), 'Zoë'],
  [URLENCODED, 'windows-1252', latin('é &#29579;&#128512;'), 'é 王😀'],
  // Nothing is declared, or nothing that anybody knows.
  [URLENCODED, undefined, Buffer.from('Zoë 😀'), 'Zoë 😀'],
  [URLENCODED, undefined, Buffer.from('Zo\xeb \x80', 'latin1'), 'Zoë €'],
  [URLENCODED, 'klingon', latin('Zoë'), 'Zoë'],
  [`${URLENCODED}; charset=utf-8`, undefined, latin('Zoë'), 'Zoë'],
];

test('a form is read in the charset that it declares, or in the one that fits', async () => {
  for (const [type, charset, bytes, wanted] of CHARSETS) {
    await sql('truncate private.rate_limits');
    const email = freshEmail();
    const own = charset ? `&_charset_=${charset}` : '';
    const answer = await post(`email=${email}&first_name=${encoded(bytes)}${own}`, type);
    assert.equal(answer.status, 201, `${type} ${charset} ${answer.text}`);
    const found = await row(email);
    assert.deepEqual([found.first_name, found.metadata], [wanted, {}], `${type} ${charset}`);
  }
});

test('bytes that are not percent-encoded are read, too', async () => {
  const email = freshEmail();
  assert.equal((await post(Buffer.concat([Buffer.from(`email=${email}&first_name=Zo`), latin('ë')]))).status, 201);
  assert.equal((await row(email)).first_name, 'Zoë');
});

test('a part of a multipart form has the charset that it, the form, or nobody names', async () => {
  const parts = (fields) => {
    const chunks = fields.flatMap(([name, value, type = '']) => [
      Buffer.from(`--XyZ\r\nContent-Disposition: form-data; name="${name}"${type}\r\n\r\n`, 'latin1'),
      Buffer.from(value),
      Buffer.from('\r\n'),
    ]);
    return Buffer.concat([...chunks, Buffer.from('--XyZ--\r\n')]);
  };
  const koi8 = Buffer.from([0xf0, 0xd2, 0xc9]);
  const cases = [
    [[['first_name', latin('Zoë')]], 'Zoë'],
    [[['first_name', koi8, '\r\nContent-Type: text/plain; charset=koi8-r']], 'При'],
    [
      [
        ['first_name', koi8],
        ['_charset_', 'koi8-r'],
      ],
      'При',
    ],
    [
      [
        ['first_name', 'Zoë'],
        ['größe', latin('Größe')],
      ],
      'Zoë',
      { größe: 'Größe' },
    ],
  ];
  for (const [fields, wanted, metadata = {}] of cases) {
    const email = freshEmail();
    const answer = await post(parts([['email', email], ...fields]), 'multipart/form-data; boundary=XyZ');
    assert.equal(answer.status, 201, answer.text);
    const found = await row(email);
    assert.deepEqual([found.first_name, found.metadata], [wanted, metadata]);
  }
});

test('JSON is read in the charset that it declares, and is UTF-8 where it declares none', async () => {
  const email = freshEmail();
  const json = (name) => JSON.stringify({ email, first_name: name });
  assert.equal((await post(latin(json('Zoë')), 'application/json; charset=iso-8859-1')).status, 201);
  assert.equal((await row(email)).first_name, 'Zoë');
  const mark = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), Buffer.from(json('x'))]);
  assert.equal((await post(mark, 'application/json')).status, 201, 'with a byte order mark');
  const refused = await post(latin(json('Zoë')), 'application/json');
  assert.deepEqual([refused.status, refused.body.code], [400, 'RG301']);
});

test('a form of an old page comes in whole, and comes back whole where it is refused', async () => {
  const server = createServer((_, response) => {
    response.setHeader('content-type', 'text/html; charset=windows-1252');
    response.end(
      latin(`<form action="${stack.edge_url}/v1/leads" method="post"><input type="hidden" name="_charset_">
      <label>E <input name="email"></label><label>N <input name="first_name"></label>
      <label>M <textarea name="notes"></textarea></label><button>Go</button></form>`),
    );
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const context = await browser.newContext({ javaScriptEnabled: false });
    const page = await context.newPage();
    const email = freshEmail();
    await page.goto(`http://127.0.0.1:${server.address().port}/`);
    await page.getByLabel('E').fill('name@localhost');
    await page.getByLabel('N').fill('Zoë € 王');
    await page.getByLabel('M').fill('größer\nals');
    await page.getByRole('button').click();
    await page.getByRole('alert').waitFor();
    assert.equal(await page.getByLabel('First name').count(), 1);
    assert.equal(await page.getByLabel('First name').inputValue(), 'Zoë € 王');
    assert.equal(await page.getByLabel('Message').inputValue(), 'größer\nals');
    await page.getByLabel('E-mail address').fill(email);
    await page.getByRole('button').click();
    await page.waitForURL('**/forms/thanks');
    const found = await row(email);
    assert.deepEqual([found.first_name, found.notes], ['Zoë € 王', 'größer\nals']);
    await context.close();
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('what was typed is shown again, no matter what was wrong', async () => {
  const html = { accept: 'text/html' };
  const part = (name, more = '') => `--XyZ\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`;
  const multipart = 'multipart/form-data; boundary=XyZ';
  const file = `${part('first_name')}Zoë\r\n${part('cv', '; filename="a.txt"')}hello\r\n${part('notes')}kept\r\n--XyZ--\r\n`;
  const cases = [
    ['first_name=Zo%eb&notes=kept', URLENCODED, 422, 'E-mail'],
    ['first_name=Zo%c3%ab&notes=ke%00pt', URLENCODED, 400, 'could not read'],
    [file, multipart, 400, 'without the file'],
    [`${part('first_name')}Zoë\r\n${part('notes')}kept`, multipart, 400, 'could not read'],
    ['first_name=Zoë\r\nnotes=kept\r\n', 'text/plain', 415, 'could not read'],
    [`first_name=Zo%c3%ab&notes=kept&x=${'y'.repeat(70_000)}`, URLENCODED, 413, 'more than we can accept'],
  ];
  for (const [body, type, status, words] of cases) {
    const answer = await post(body, type, html);
    assert.equal(answer.status, status, type);
    assert.match(answer.headers.get('content-type'), /text\/html/);
    assert.ok(answer.text.includes(words), `${words}: ${answer.text}`);
    assert.ok(answer.text.includes('value="Zoë"') && answer.text.includes('\nkept</textarea>'), answer.text);
  }
  const unread = await post(`first_name=Zoe&x=${'y'.repeat(300_000)}`, URLENCODED, html);
  assert.equal(unread.status, 413);
  assert.match(unread.text, /Go back in your browser/, 'nobody keeps as much as that');
});

test('gzip is read wherever the edge reads a body', async () => {
  const gzip = { 'content-encoding': 'gzip' };
  const zipped = (path, json, { type = 'application/json', ...options } = {}) =>
    ask(path, {
      method: 'POST',
      body: gzipSync(typeof json === 'string' ? json : JSON.stringify(json)),
      ...options,
      headers: { 'content-type': type, ...gzip, ...options.headers },
    });
  const email = freshEmail();
  assert.equal((await zipped('/v1/leads', { email, first_name: 'Ada' })).status, 201);
  assert.equal((await row(email)).first_name, 'Ada');
  const form = freshEmail();
  assert.equal((await zipped('/v1/leads', `email=${form}`, { type: URLENCODED })).status, 201);
  const events = Array.from({ length: 3 }, (_, n) => ({ type: 'user_action', name: `zipped-${n}` }));
  const tracked = await zipped('/v1/events', events);
  assert.deepEqual([tracked.status, tracked.body.accepted], [202, 3], tracked.text);
  assert.equal((await zipped('/v1/onboarding/sessions', {})).status, 201);
  // The signature is of what the body stands for, as with every framework that unzips.
  const payload = JSON.stringify({ object: 'whatsapp_business_account', entry: [] });
  const signature = createHmac('sha256', made.whatsapp_app_secret).update(payload).digest('hex');
  const hook = await zipped('/v1/whatsapp/webhook', payload, {
    headers: { 'x-hub-signature-256': `sha256=${signature}` },
  });
  assert.equal(hook.status, 200, hook.text);
});

test('what cannot be unzipped, or becomes too large, is refused', async () => {
  const send = (path, body, coding, options = {}) =>
    ask(path, {
      method: 'POST',
      body,
      ...options,
      headers: { 'content-type': 'application/json', 'content-encoding': coding, ...options.headers },
    });
  const bomb = gzipSync(
    JSON.stringify([{ type: 'user_action', name: 'x', properties: { x: 'x'.repeat(20_000_000) } }]),
  );
  assert.ok(bomb.length < 100_000);
  const json = JSON.stringify({ email: freshEmail() });
  const cases = [
    ['/v1/events', bomb, 'gzip', 413, 'RG302'],
    ['/v1/leads', gzipSync(' '.repeat(70_000)), 'gzip', 413, 'RG302'],
    ['/v1/leads', json, 'gzip', 400, 'RG301'],
    ['/v1/leads', gzipSync(json).subarray(0, -12), 'gzip', 400, 'RG301'],
    ['/v1/leads', brotliCompressSync(json), 'br', 415, 'RG330'],
    ['/v1/leads', gzipSync(gzipSync(json)), 'gzip, gzip', 415, 'RG330'],
    ['/v1/leads', json, 'compress', 415, 'RG330'],
  ];
  for (const [path, body, coding, status, code] of cases) {
    const answer = await send(path, body, coding);
    assert.deepEqual([answer.status, answer.body?.code], [status, code], `${path} ${coding} ${answer.text}`);
    if (status === 415) assert.equal(answer.headers.get('accept-encoding'), 'gzip');
  }
  assert.equal((await send('/v1/leads', json, 'identity')).status, 201);
  const relayed = await send('/rest/v1/projects', gzipSync('{"name":"x"}'), 'gzip', {
    token: await userToken(),
    headers: { 'content-profile': 'sample' },
  });
  assert.deepEqual(
    [relayed.status, relayed.body.code, relayed.headers.get('accept-encoding')],
    [415, 'RG330', 'identity'],
    'PostgREST reads bodies as they are',
  );
});

test('a number of JSON has the digits that were sent', async () => {
  const email = freshEmail();
  const body = `{"email":"${email}","phone_number":49301234567890123456789,"huge":1e400,
    "nested":{"id":12345678901234567890,"big":123456789012345678901234}}`;
  assert.equal((await post(body, 'application/json')).status, 201);
  const found = await row(email);
  assert.equal(found.phone_number, '49301234567890123456789');
  const { huge, nested } = found.metadata;
  assert.deepEqual([huge, nested.big], ['1e400', '123456789012345678901234']);
  const [{ id }] = await sql(`select metadata #>> '{nested,id}' as id from marketing.leads where email = $1`, [email]);
  assert.equal(id, '12345678901234567890', 'what a number holds stays one');
  const session = await ask('/v1/onboarding/sessions', { json: {} });
  const headers = { 'x-session-token': session.body.session_token, 'content-type': 'application/json' };
  const step = await ask('/v1/onboarding/session', {
    method: 'PATCH',
    headers,
    body: '{"step":"business_info","data":{"number":49301234567890123456789},"completed":false}',
  });
  assert.equal(step.status, 200, step.text);
  const [{ data }] = await sql(
    `select business_data::text as data from onboarding.sessions order by started_at desc limit 1`,
  );
  assert.match(data, /"number": "49301234567890123456789"/);
});
