// POST /v1/leads, from the request to the row.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { ask, close, edgeToken, freshEmail, made, sql, stack, userToken } from '../../support/stack.js';

after(close);
// Every test here comes from one address; the limit has tests of its own.
beforeEach(() => sql('truncate private.rate_limits'));

const RECEIVED = { status: 'received' };
const SITE = `http://localhost:3000`;

const lead = async (email) => {
  const rows = await sql('select * from marketing.leads where email_normalized = $1', [email.toLowerCase()]);
  assert.equal(rows.length, 1, `one row for ${email}`);
  return rows[0];
};

const submissions = (email) =>
  sql(
    `select i.submission from marketing.lead_interactions as i join marketing.leads as l on l.id = i.lead_id
     where l.email_normalized = $1 and i.interaction_type = 'submission' order by i.created_at`,
    [email.toLowerCase()],
  );

const FIELDS = {
  first_name: 'Zoë 😀 "O\'Brien" <b>&amp;',
  last_name: '王小明',
  company_name: 'ACME; drop table leads',
  phone_number: '+49 30 123',
  source: 'demo-request',
  notes: 'first line\nsecond line',
  interested_features: ['templates', 'inbox'],
  utm_source: 'newsletter',
  utm_campaign: 'spring',
  referrer: 'https://search.example/?q=a+b',
  consent: 'on',
  color: 'red & blue',
  employees: '12',
};

const entries = (fields) =>
  Object.entries(fields).flatMap(([name, value]) => [value].flat().map((each) => [name, each]));

const ENCODINGS = {
  JSON: (fields) => ({ headers: { 'content-type': 'application/json' }, body: JSON.stringify(fields) }),
  urlencoded: (fields) => ({ body: new URLSearchParams(entries(fields)) }),
  multipart: (fields) => {
    const body = new FormData();
    for (const [name, value] of entries(fields)) body.append(name, value);
    return { body };
  },
};

/** What Cloudflare, or the platform in its place, says of the connection. */
const PLATFORM = { 'cf-connecting-ip': '203.0.113.7' };

const post = (encoding, fields, headers = {}) => {
  const request = ENCODINGS[encoding](fields);
  return ask('/v1/leads', { method: 'POST', ...request, headers: { ...PLATFORM, ...request.headers, ...headers } });
};

test('three encodings of one form give the same row', async () => {
  const rows = [];
  for (const encoding of Object.keys(ENCODINGS)) {
    const email = freshEmail();
    const answer = await post(encoding, { email, ...FIELDS });
    assert.deepEqual([answer.status, answer.body], [201, RECEIVED], encoding);
    const {
      id,
      email: typed,
      email_normalized,
      first_touch,
      last_touch,
      created_at,
      updated_at,
      ...row
    } = await lead(email);
    for (const touch of [first_touch, last_touch]) assert.ok(Math.abs(Date.now() - new Date(touch.at)) < 60_000);
    rows.push(row);
  }
  assert.deepEqual(rows[1], rows[0], 'urlencoded as JSON');
  assert.deepEqual(rows[2], rows[0], 'multipart as JSON');
  const { consent, color, employees, ...columns } = FIELDS;
  for (const [name, value] of Object.entries(columns)) assert.deepEqual(rows[0][name], value, name);
  assert.deepEqual(rows[0].metadata, { color, employees });
  assert.equal(rows[0].opt_in_status, 'pending');
  assert.equal(rows[0].network, '203.0.113.0/24', 'a network, not an address');
  assert.equal(rows[0].status, 'new');
});

test('numbers and booleans of JSON are kept as the text a form would send', async () => {
  const email = freshEmail();
  await post('JSON', { email, employees: 12, beta: true, nested: { a: [1] }, nothing: null });
  assert.deepEqual((await lead(email)).metadata, { employees: '12', beta: 'true', nested: { a: [1] } });
});

test('a number of JSON that a float would change is kept as it was sent', async () => {
  const email = freshEmail();
  const phone = '16505550123165055501231';
  const body = `{"email": "${email}", "phone_number": ${phone}, "order": 9007199254740993, "fine": 1.5}`;
  const answer = await ask('/v1/leads', {
    method: 'POST',
    body,
    headers: { ...PLATFORM, 'content-type': 'application/json' },
  });
  assert.equal(answer.status, 201);
  const row = await lead(email);
  assert.equal(row.phone_number, phone);
  assert.deepEqual([row.metadata.order, row.metadata.fine], ['9007199254740993', '1.5']);
});

test('a script is answered 201 in JSON, a browser 303 to its page', async () => {
  const html = { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
  const script = await post('urlencoded', { email: freshEmail() }, { accept: 'application/json' });
  assert.deepEqual([script.status, script.body], [201, RECEIVED]);
  for (const encoding of ['urlencoded', 'multipart']) {
    const browser = await post(encoding, { email: freshEmail() }, html);
    assert.deepEqual([browser.status, browser.headers.get('location'), browser.text], [303, '/forms/thanks', '']);
  }
  const cases = [
    [`${SITE}/done?x=1`, `${SITE}/done?x=1`],
    ['https://evil.example/', '/forms/thanks'],
    [`${SITE}@evil.example/`, '/forms/thanks'],
    ['javascript:alert(1)', '/forms/thanks'],
    [`blob:${SITE}/x`, '/forms/thanks'],
  ];
  for (const [_next, location] of cases) {
    const browser = await post('urlencoded', { email: freshEmail(), _next }, html);
    assert.equal(browser.headers.get('location'), location, _next);
  }
});

test('new, repeated and spam are answered alike, and each is kept', async () => {
  const email = freshEmail();
  const answers = [
    await post('urlencoded', { email, first_name: 'Ada', utm_source: 'one' }),
    await post('urlencoded', {
      email: ` ${email.toUpperCase()} `,
      first_name: 'Eve',
      last_name: 'Lovelace',
      utm_source: 'two',
    }),
    await post('urlencoded', { email: freshEmail(), _gotcha: 'I am a bot' }),
  ];
  const seen = ({ status, text, headers }) => {
    const { date, 'x-request-id': id, ...rest } = Object.fromEntries(headers);
    return { status, text, rest };
  };
  assert.deepEqual(seen(answers[1]), seen(answers[0]));
  assert.deepEqual(seen(answers[2]), seen(answers[0]));
  assert.equal(answers[0].headers.get('server-timing'), null, 'the answer does not show how long the database took');
  const row = await lead(email);
  assert.equal(row.submission_count, '2');
  assert.equal(row.first_name, 'Ada', 'nobody overwrites what somebody else may have said');
  assert.equal(row.last_name, 'Lovelace', 'blanks are filled');
  assert.equal(row.utm_source, 'one');
  assert.equal(row.first_touch.utm_source, 'one');
  assert.equal(row.last_touch.utm_source, 'two');
  assert.equal(row.last_touch.fields.first_name, 'Eve', 'and still nothing is lost');
});

const JUNK = {
  _gotcha: 'x',
  first_name: 'SPAM',
  last_name: 'SPAM',
  company_name: 'BUY',
  phone_number: '666',
  notes: 'cheap links',
  utm_source: 'spam',
  interested_features: ['spam'],
  consent: 'on',
  more: 'spam',
};

test('a honeypot hit is kept as spam; the first clean submission takes the row over', async () => {
  const email = freshEmail();
  await post('urlencoded', { email, ...JUNK });
  const spam = await lead(email);
  assert.deepEqual(
    [spam.is_spam, spam.spam_reason, spam.spam_score, spam.opt_in_status],
    [true, 'honeypot', 100, 'none'],
  );
  assert.deepEqual([spam.notes, spam.company_name], ['cheap links', 'BUY'], 'and may be looked at');
  await post('urlencoded', { email, first_name: 'Ada', notes: 'real' });
  const clean = await lead(email);
  assert.deepEqual([clean.is_spam, clean.spam_reason, clean.submission_count], [false, null, '2']);
  // Random ids and times may hold any digits.
  const values = JSON.stringify(Object.values(clean)).replaceAll(
    /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9T:.-]{19,}/g,
    '',
  );
  assert.ok(!/spam|buy|cheap|666/i.test(values), values);
  assert.deepEqual([clean.first_name, clean.notes], ['Ada', 'real']);
});

test('a bot changes nothing of a good lead but the count', async () => {
  const email = freshEmail();
  await post('urlencoded', { email, first_name: 'Ada' });
  const before = await lead(email);
  await post('urlencoded', { email, ...JUNK });
  const after_ = await lead(email);
  assert.equal(after_.submission_count, '2');
  const same = ({ submission_count, updated_at, ...rest }) => rest;
  assert.deepEqual(same(after_), same(before));
});

test('one person is found again by what their provider ignores', async () => {
  const name = `u${randomUUID().slice(0, 8)}`;
  for (const email of [`${name}@gmail.com`, `${name.slice(0, 3)}.${name.slice(3)}+shop@GoogleMail.com`]) {
    assert.equal((await post('JSON', { email })).status, 201);
  }
  assert.equal((await lead(`${name}@gmail.com`)).submission_count, '2');
  const tagged = `${name}+a@example.org`;
  await post('JSON', { email: tagged });
  assert.equal((await lead(tagged)).email, tagged, 'elsewhere a tag may be another person');
});

const odd = (email) => [{ email }, 422, 'RG508'];

test('addresses that people have are taken', async () => {
  const name = randomUUID();
  for (const email of [
    `${name}+tag@example.org`,
    `o'${name}@example.co.uk`,
    `zoë-${name}@müller.example`,
    `${name}@例え.テスト`,
    `${name}@xn--mller-kva.example`,
    `${name}@a-b.museum`,
    `!#$%&*/=?^_{|}~${name}@example.org`,
    `${name}@x.photography`,
  ]) {
    await sql('truncate private.rate_limits');
    const answer = await post('JSON', { email });
    assert.equal(answer.status, 201, `${email} ${answer.text}`);
    const ascii = email.replace('müller', 'xn--mller-kva').replace('例え.テスト', 'xn--r8jz45g.xn--zckzah');
    const row = await lead(ascii);
    assert.equal(row.email, ascii);
    const [{ submission }] = (await submissions(ascii)).slice(-1);
    assert.equal(submission.fields.email, email, 'what was typed is kept');
  }
});

test('nobody becomes somebody else by letters that look like theirs', async () => {
  const name = `u${randomUUID().slice(0, 8)}`;
  await post('JSON', { email: `${name}@gmail.com` });
  for (const email of [
    `${name}@gmaİl.com`,
    `${name}@gmaıl.com`,
    `${name}@gmail\u0307.com`,
    `İ${name}@gmail.com`,
    `${name}ı@gmail.com`,
  ]) {
    const answer = await post('JSON', { email, consent: 'on' });
    assert.equal(answer.status, 201, email);
  }
  for (const email of [
    `\u212a${name}@gmail.com`,
    `${name}\u034f@gmail.com`,
    `${name}\u3164@gmail.com`,
    `${name}\u{e0041}@gmail.com`,
  ]) {
    const answer = await post('JSON', { email, consent: 'on' });
    assert.deepEqual([answer.status, answer.body.code], [422, 'RG508'], JSON.stringify(email));
  }
  const row = await lead(`${name}@gmail.com`);
  assert.deepEqual([row.submission_count, row.opt_in_status], ['1', 'none']);
  // By IDNA these are the same domain.
  for (const email of [`${name}@ＧＭＡＩＬ.com`, `${name}@gmail。com`]) await post('JSON', { email });
  assert.equal((await lead(`${name}@gmail.com`)).submission_count, '3');
});

test('a domain in letters is found again in each way to write it, by onboarding and by an admin, too', async () => {
  const name = randomUUID();
  const typed = `${name}@Bücher.example`;
  for (const email of [typed, `${name}@bu\u0308cher.example`, `${name}@xn--bcher-kva.example`])
    await post('JSON', { email });
  const row = await lead(`${name}@xn--bcher-kva.example`);
  assert.equal(row.submission_count, '3');
  assert.equal((await ask('/v1/onboarding/sessions', { json: { email: typed } })).status, 201);
  const token = await userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });
  const { body } = await ask('/v1/admin/gdpr/export', { json: { email: typed }, token });
  assert.deepEqual([body['marketing.leads'].length, body['onboarding.sessions'].length], [1, 1]);
});

test('the runtime converts a domain as the crate idna does', async () => {
  const table = JSON.parse(readFileSync(join(root, 'tests', 'support', 'domains.json'), 'utf8'));
  const cases = table.filter(([typed]) => /@.*[^\0-\x7f]/s.test(typed));
  assert.ok(cases.length > 250);
  const check = async ([typed, wanted]) => {
    const name = randomUUID();
    const own = (email) => `${name}${email.slice(email.lastIndexOf('@'))}`;
    const answer = await post('JSON', { email: own(typed) });
    // The database takes no domain of one label or that ends with a number.
    const isTaken = wanted && (await sql('select private.is_email($1) as is', [own(wanted)]))[0].is;
    if (!isTaken) assert.match(`${answer.body.code}`, /^RG50[58]$/, JSON.stringify(typed));
    else assert.equal((await submissions(own(wanted))).length, 1, JSON.stringify(typed));
    return isTaken;
  };
  let taken = 0;
  for (let at = 0; at < cases.length; at += 10) {
    await sql('truncate private.rate_limits');
    const all = await Promise.all(cases.slice(at, at + 10).map(check));
    taken += all.filter(Boolean).length;
  }
  assert.ok(taken > 100, `${taken}`);
});

test('what was sent between the first and the last is kept, and an admin reads it', async () => {
  const email = freshEmail();
  const sent = ['Ada', 'Eve', 'Zoë'].map((first_name, n) => ({ email, first_name, notes: `Message ${n}`, n }));
  for (const [at, fields] of sent.entries()) await post(Object.keys(ENCODINGS)[at], fields);
  const token = await userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });
  const { id } = await lead(email);
  const headers = { 'accept-profile': 'marketing' };
  const path = `/rest/v1/lead_interactions?select=submission&interaction_type=eq.submission&lead_id=eq.${id}&order=created_at`;
  const { status, body } = await ask(path, { token, headers });
  assert.equal(status, 200);
  assert.deepEqual(
    body.map(({ submission: { fields } }) => [fields.first_name, fields.notes, String(fields.n)]),
    sent.map(({ first_name, notes, n }) => [first_name, notes, String(n)]),
  );
  assert.deepEqual((await ask(path, { token: await userToken(), headers })).body, []);
});

test('addresses with domains that are none are refused', async () => {
  const name = randomUUID();
  for (const email of [`${name}@mü_ller.example`, `${name}@-ü.example`, `${name}@ü`, `${name}@\u0301.example`]) {
    const answer = await post('JSON', { email });
    assert.deepEqual([answer.status, answer.body.code], [422, 'RG508'], email);
  }
});

test('bad input gets a 4xx that says what to do', async () => {
  const email = freshEmail();
  const cases = [
    [{ email: 'nope' }, 422, 'RG508'],
    [{}, 422, 'RG508'],
    [{ email: '' }, 422, 'RG508'],
    [{ email: 'a@b' }, 422, 'RG508'],
    [{ email: 'a b@example.org' }, 422, 'RG508'],
    [{ email: 'a@example..org' }, 422, 'RG508'],
    [{ email: 'a@b@example.org' }, 422, 'RG508'],
    ...['a..b@example.org', '.a@example.org', 'a@-example.org', 'a@exam!ple.org', 'a@127.0.0.10', 'a@#.##'].map(odd),
    ...['a\u200b@example.org', 'a\u202e@example.org', 'a@exa\u00admple.org', 'a@example.org\ufeff'].map(odd),
    ...['+@gmail.com', '...@gmail.com', '+x@outlook.com', 'a@example.o', `a@${'x'.repeat(64)}.org`].map(odd),
    [{ email, interested_features: ['x'.repeat(201)] }, 422, 'RG505'],
    [{ email, interested_features: Array.from({ length: 51 }, (_, n) => `f${n}`) }, 422, 'RG505'],
    [{ email, interested_features: [{ a: 1 }] }, 422, 'RG504'],
    [{ email: `${'a'.repeat(65)}@example.org` }, 422, 'RG508'],
    [{ email: { address: 'a@example.org' } }, 422, 'RG504'],
    [{ email, first_name: ['Ada', { last: 'Lovelace' }] }, 422, 'RG504'],
    [{ email, source: 'elsewhere' }, 422, 'RG509'],
    [{ email, first_name: 'x'.repeat(201) }, 422, 'RG505'],
    [{ email, ...Object.fromEntries(Array.from({ length: 51 }, (_, n) => [`f${n}`, 'x'])) }, 422, 'RG506'],
    [{ email, long: 'x'.repeat(17_000) }, 422, 'RG506'],
  ];
  for (const [fields, status, code] of cases) {
    await sql('truncate private.rate_limits');
    const answer = await post('JSON', fields);
    assert.deepEqual([answer.status, answer.body.code], [status, code], JSON.stringify(fields).slice(0, 60));
    assert.ok(answer.body.hint.length > 10);
  }
  assert.deepEqual(await sql('select from marketing.leads where email_normalized = $1', [email]), []);
});

test('what a page fills in is cut to its limit: nobody who sees the page could mend it', async () => {
  for (const encoding of Object.keys(ENCODINGS)) {
    const email = freshEmail();
    const address = `https://search.example/?q=${'ä'.repeat(3000)}`;
    const campaign = Object.fromEntries(
      ['source', 'medium', 'campaign', 'content', 'term'].map((name) => [`utm_${name}`, `${name}${'x'.repeat(250)}`]),
    );
    const sent = {
      email,
      ...campaign,
      referrer: address,
      landing_page: address,
      consent: 'on',
      consent_version: 'v'.repeat(300),
    };
    const answer = await post(encoding, sent);
    assert.equal(answer.status, 201, `${encoding} ${answer.text}`);
    const row = await lead(email);
    for (const [name, value] of Object.entries(campaign)) assert.equal(row[name], value.slice(0, 200), name);
    assert.deepEqual([row.referrer, row.landing_page], [address.slice(0, 2000), address.slice(0, 2000)]);
    assert.equal(row.first_touch.consent_version, 'v'.repeat(100));
  }
});

test('of a field with one value that is sent several times the last counts', async () => {
  for (const encoding of Object.keys(ENCODINGS)) {
    const email = freshEmail();
    const other = freshEmail();
    const sent = {
      email: [other, email, ''],
      first_name: ['', 'Ada'],
      last_name: ['Byron', 'Lovelace'],
      phone_number: ['+49 30 1', ' '],
      utm_source: ['a', 'b'],
      source: ['website-form', 'demo-request'],
      consent: ['0', '1'],
    };
    const answer = await post(encoding, sent);
    assert.equal(answer.status, 201, `${encoding} ${answer.text}`);
    const row = await lead(email);
    assert.deepEqual(
      [row.first_name, row.last_name, row.phone_number, row.utm_source, row.source, row.opt_in_status],
      ['Ada', 'Lovelace', '+49 30 1', 'b', 'demo-request', 'pending'],
    );
    assert.deepEqual(await sql('select from marketing.leads where email_normalized = $1', [other]), []);
  }
});

test('a consent is a yes in the words of forms, and nothing else', async () => {
  const yes = [
    'on',
    'yes',
    'true',
    'checked',
    'agree',
    'accepted',
    'ja',
    'oui',
    'si',
    'Sí',
    '1',
    ' YES. ',
    'I agree',
    true,
    1,
  ];
  const no = [
    '',
    '0',
    'no',
    'off',
    'false',
    'nein',
    'non',
    'null',
    'undefined',
    'yes or no',
    'x'.repeat(300),
    false,
    0,
    null,
    {},
  ];
  const lists = [
    [['0', '1'], 'pending'],
    [['1', '0'], 'none'],
    [['yes', ''], 'none'],
    [[], 'none'],
  ];
  const cases = [...yes.map((each) => [each, 'pending']), ...no.map((each) => [each, 'none']), ...lists];
  for (const [consent, wanted] of cases) {
    await sql('truncate private.rate_limits');
    const email = freshEmail();
    assert.equal((await post('JSON', { email, consent })).status, 201, JSON.stringify(consent));
    assert.equal((await lead(email)).opt_in_status, wanted, JSON.stringify(consent));
  }
});

test('malformed and oversized bodies are refused before the database', async () => {
  const raw = (body, type = 'application/json') =>
    ask('/v1/leads', { method: 'POST', body, headers: { 'content-type': type } });
  const chunked = new Blob(['x'.repeat(200 * 1024)]).stream();
  const cases = [
    [await raw('{"email":'), 400, 'RG301'],
    [await raw('[]'), 400, 'RG301'],
    [await raw('{"email":"a@b.cd","email":"e@f.gh"}'), 400, 'RG301'],
    [await raw('{"email":"a@b.cd","x":{"a":1,"a":2}}'), 400, 'RG301'],
    [await raw('{"a":"\\ud800"}'), 400, 'RG301'],
    [await raw('{"a":"\\u0000"}'), 400, 'RG301'],
    [await raw(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])), 400, 'RG301'],
    [await raw('{"a":'.repeat(10_000)), 400, 'RG301'],
    [await raw('email=%00', 'application/x-www-form-urlencoded'), 400, 'RG301'],
    [await raw('x', 'multipart/form-data'), 400, 'RG301'],
    [await raw('a@b.cd', 'text/plain'), 415, 'RG303'],
    [await raw('x'.repeat(65 * 1024)), 413, 'RG302'],
    [
      await ask('/v1/leads', {
        method: 'POST',
        body: chunked,
        duplex: 'half',
        headers: { 'content-type': 'application/json' },
      }),
      413,
      'RG302',
    ],
    [
      await raw('{}').then(() => ask('/v1/leads', { json: {}, headers: { 'idempotency-key': 'x'.repeat(256) } })),
      400,
      'RG309',
    ],
  ];
  for (const [answer, status, code] of cases) assert.deepEqual([answer.status, answer.body?.code], [status, code]);
});

test('a body that stalls is given up after ten seconds', async () => {
  const { request } = await import('node:http');
  const answer = await new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'transfer-encoding': 'chunked' };
    const sent = request(`${stack.edge_url}/v1/leads`, { method: 'POST', headers }, (response) => {
      let text = '';
      response.on('data', (chunk) => {
        text += chunk;
      });
      response.on('end', () => {
        sent.destroy();
        resolve({ status: response.statusCode, body: JSON.parse(text) });
      });
    });
    sent.once('error', reject);
    sent.write('{"email":');
  });
  assert.deepEqual([answer.status, answer.body.code], [408, 'RG310']);
});

test('a retry with its Idempotency-Key changes nothing, another body is refused', async () => {
  const email = freshEmail();
  const headers = { 'idempotency-key': randomUUID() };
  const answers = await Promise.all(Array.from({ length: 20 }, () => post('JSON', { email, n: 1 }, headers)));
  for (const answer of answers) assert.deepEqual([answer.status, answer.body], [201, RECEIVED]);
  assert.equal((await lead(email)).submission_count, '1');
  const other = await post('JSON', { email, n: 2 }, headers);
  assert.deepEqual([other.status, other.body.code], [422, 'RG503']);
});

test('a lead of any size is bounded at the function, too', async () => {
  const large = await ask('/rpc/capture_lead', {
    base: stack.postgrest_url,
    token: await edgeToken({ role: 'edge' }),
    headers: { 'content-profile': 'marketing' },
    json: { lead: { email: freshEmail(), _next: 'x'.repeat(900_000) } },
  });
  assert.deepEqual([large.status, large.body.code], [413, 'RG510']);
});

// CF-Connecting-IP is not among them: Cloudflare overwrites it, and it is where the address comes from.
test('too many from one address are held off, with any forwarding headers', async () => {
  const statuses = [];
  for (let n = 0; n < 40; n++) {
    const answer = await post(
      'JSON',
      { email: freshEmail() },
      { 'x-forwarded-for': `192.0.2.${n}`, 'x-real-ip': `192.0.2.${n}` },
    );
    statuses.push(answer.status);
    if (answer.status === 429) {
      assert.equal(answer.body.code, 'RG501');
      assert.ok(Number(answer.headers.get('retry-after')) >= 1);
    }
  }
  const accepted = statuses.filter((status) => status === 201).length;
  assert.ok(accepted >= 30 && accepted < 40, `${accepted} of 40`);
  const user = await ask('/v1/leads', { json: { email: freshEmail() }, token: await userToken() });
  assert.equal(user.status, 201, 'a signed-in user has a limit of their own');
});

test('a bad token is refused, not taken for nobody', async () => {
  const answer = await ask('/v1/leads', { json: { email: freshEmail() }, token: 'a.b.c' });
  assert.deepEqual([answer.status, answer.body.code], [401, 'RG202']);
});

test('at PostgREST itself only the edge calls the function, and nothing else is there', async () => {
  const base = stack.postgrest_url;
  const profile = { 'accept-profile': 'marketing', 'content-profile': 'marketing' };
  const anon = await edgeToken({ role: 'anon' });
  const call = { base, headers: profile, token: anon };
  const capture = async (token, email = freshEmail()) => {
    const { status, body } = await ask('/rpc/capture_lead', { ...call, token, json: { lead: { email } } });
    return [status, body.code ?? body];
  };
  const edge = await edgeToken({ role: 'edge', edge: { caller: 'anon', addr: randomUUID() } });
  assert.deepEqual(await capture(edge), [200, RECEIVED]);
  assert.deepEqual(await capture(edge, 'nope'), [422, 'RG508']);
  for (const token of [anon, await userToken(), stack.service_key])
    assert.deepEqual(await capture(token), [403, '42501']);
  assert.equal((await ask('/leads', call)).status, 403);
  assert.equal((await ask('/rpc/sent_fields', { ...call, json: { lead: {} } })).status, 403);
  assert.equal((await ask('/leads', { base })).status, 401, 'without a token');
  assert.equal(
    (await ask('/limit_rules', { base, token: anon, headers: { 'accept-profile': 'private' } })).status,
    406,
  );
  assert.equal(
    (await ask('/rpc/ready', { base, token: anon, json: {}, headers: { 'content-profile': 'edge' } })).status,
    403,
  );
});

test('only an admin reads leads; user_metadata makes nobody one', async () => {
  const email = freshEmail();
  await post('JSON', { email });
  const path = `/rest/v1/leads?select=email,status&email=eq.${email}`;
  const headers = { 'accept-profile': 'marketing', 'content-profile': 'marketing' };
  const admin = await userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });
  const fake = await userToken(randomUUID(), { claims: { user_metadata: { role: 'admin' }, role_: 'admin' } });
  assert.deepEqual((await ask(path, { token: admin, headers })).body, [{ email, status: 'new' }]);
  assert.deepEqual((await ask(path, { token: fake, headers })).body, []);
  assert.deepEqual((await ask(path, { token: await userToken(), headers })).body, []);
  const anonymous = await ask(path, { key: made.publishable_key, headers });
  assert.deepEqual([anonymous.status, anonymous.body.hint, anonymous.body.details], [403, null, null]);
  const patch = {
    method: 'PATCH',
    body: '{"status":"contacted"}',
    headers: { ...headers, 'content-type': 'application/json' },
  };
  assert.equal((await ask(path, { ...patch, token: fake })).status, 204);
  assert.equal((await lead(email)).status, 'new');
  await ask(path, { ...patch, token: admin });
  assert.equal((await lead(email)).status, 'contacted');

  const wrong = await ask(path, { ...patch, body: '{"status":"won"}', token: admin });
  assert.deepEqual(
    [wrong.status, wrong.body],
    [
      400,
      {
        code: '23514',
        message: 'a lead breaks the rule leads_status',
        details: null,
        hint: 'Send new, contacted, qualified, converted or lost as status.',
      },
    ],
  );
  assert.equal((await lead(email)).status, 'contacted');
});
