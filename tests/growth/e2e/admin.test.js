// What admins have beside the data API: leads as a file, and everything on a person, to be handed out or erased.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { withUpstream } from '../../support/fake_upstream.js';
import { ask, close, edgeToken, freshEmail, made, sql, stack, userToken } from '../../support/stack.js';
import { aggregated, anEvent, freshCount, rollUp } from '../support/events.js';
import { addAccount, delivery, freshIds, messages, signature, text } from '../support/whatsapp.js';

after(close);
beforeEach(() => sql('truncate private.rate_limits'));

const admin = () => userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });
const csv = (query, token) => ask(`/v1/admin/leads.csv${query}`, { token });

/** RFC 4180, as a reader that knows nothing of the writer has it. */
const parsed = (file) => {
  const rows = [[]];
  const cells = /("(?:[^"]|"")*"|[^,\r\n]*)(,|\r\n|$)/gy;
  for (let match = cells.exec(file); match && cells.lastIndex <= file.length; match = cells.exec(file)) {
    const [, cell, end] = match;
    rows.at(-1).push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end === '') break;
    if (end === '\r\n') rows.push([]);
  }
  const [header, ...lines] = rows.filter((row) => row.length > 1);
  return lines.map((line) => Object.fromEntries(header.map((name, at) => [name, line[at]])));
};

test('leads as CSV: every cell as it is, and none a formula', async () => {
  const domain = `${randomUUID()}.example`;
  const odd = {
    first_name: '=HYPERLINK("http://evil.example","x")',
    last_name: 'O"Neil, Zoë 😀',
    company_name: '+1',
    phone_number: '-5',
    notes: 'line one\nline "two", three\n=4',
    utm_source: '@SUM(1)',
    utm_medium: 'a=b',
    utm_campaign: '\u00a0\u200b\ufeff=cmd()',
  };
  await ask('/v1/leads', { json: { email: `x@${domain}`, interested_features: ['b', 'a'], ...odd } });
  const { status, text: file, headers } = await csv(`?email_domain=eq.${domain}`, await admin());
  assert.equal(status, 200);
  assert.match(headers.get('content-type'), /^text\/csv/);
  assert.match(headers.get('content-disposition'), /attachment; filename="leads.csv"/);
  assert.equal(headers.get('cache-control'), 'private, no-store');
  const [row, ...others] = parsed(file);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [
      row.email,
      row.first_name,
      row.last_name,
      row.company_name,
      row.phone_number,
      row.notes,
      row.utm_source,
      row.utm_medium,
      row.utm_campaign,
    ],
    [
      `x@${domain}`,
      `'${odd.first_name}`,
      odd.last_name,
      "'+1",
      "'-5",
      odd.notes,
      "'@SUM(1)",
      'a=b',
      `'${odd.utm_campaign}`,
    ],
  );
  assert.equal(row.interested_features, 'b; a');
  assert.match(row.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  const columns = await sql(
    `select column_name as name from information_schema.columns where table_schema = 'marketing' and table_name = 'leads'`,
  );
  for (const name of Object.keys(row))
    assert.ok(
      columns.some((column) => column.name === name),
      name,
    );
});

test('custom fields are a cell of JSON, or a column each; a byte order mark is had on request', async () => {
  const domain = `${randomUUID()}.example`;
  const mark = randomUUID().slice(0, 8);
  const [color, odd] = [`color ${mark}`, `=odd "${mark}", ü`];
  await ask('/v1/leads', { json: { email: `a@${domain}`, [color]: 'red', status: 'mine' } });
  await ask('/v1/leads', { json: { email: `b@${domain}`, [color]: ' \u200b=2', [odd]: ['S', 'M'], nested: { a: 1 } } });
  const token = await admin();
  const path = `?email_domain=eq.${domain}`;
  const [b, a] = parsed((await csv(path, token)).text);
  assert.deepEqual(JSON.parse(a.metadata), { [color]: 'red', status: 'mine' });
  assert.deepEqual(JSON.parse(b.metadata), { [color]: ' \u200b=2', [odd]: ['S', 'M'], nested: { a: 1 } });
  assert.deepEqual([a.status, a.submissions_dropped], ['new', '0']);

  // Names of fields that the most leads have: nobody else's are left out by these.
  await sql(
    `insert into marketing.leads (email, email_normalized, email_domain, metadata)
     select a, a, 'many.' || $1, jsonb_build_object($2::text, 'x', $3::text, 'y')
     from (select n || '@many.' || $1 as a from generate_series(1, 50) as n) as l`,
    [domain, color, odd],
  );
  const answer = await fetch(`${stack.edge_url}/v1/admin/leads.csv${path}&fields=columns&bom=true`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  assert.deepEqual([...bytes.subarray(0, 3)], [0xef, 0xbb, 0xbf]);
  const [b2, a2] = parsed(bytes.toString().slice(1));
  assert.deepEqual([a2[`metadata.${color}`], b2[`metadata.${color}`]], ['red', "' \u200b=2"]);
  assert.deepEqual([a2[`metadata.${odd}`], b2[`metadata.${odd}`]], ['', 'S; M']);
  const left = (row) => ({ ...(row.metadata && JSON.parse(row.metadata)) });
  const named = (row, name) => row[`metadata.${name}`] ?? left(row)[name];
  assert.equal(named(a2, 'status'), 'mine');
  assert.deepEqual([a2.status, left(a2)[color]], ['new', undefined]);
  for (const query of ['fields=all', 'bom=1', 'fields=', 'bom']) {
    const { status, body } = await csv(`${path}&${query}`, token);
    assert.deepEqual([status, body.code], [400, 'RG306'], query);
  }
  assert.equal((await csv(`${path}&fields=columns`, await userToken())).status, 403);
  await sql(`delete from marketing.leads where email_domain = 'many.' || $1`, [domain]);
});

test('thousands of leads come whole and once, page after page, while others come and go', async () => {
  const domain = `${randomUUID()}.example`;
  await sql(
    `insert into marketing.leads (email, email_normalized, email_domain, created_at)
     select a, a, $1, timestamptz '2026-01-01' + (n / 7) * interval '1 second'
     from (select n, 'n' || n || '@' || $1 as a from generate_series(1, 3210) as n) as l`,
    [domain],
  );
  const token = await admin();
  const response = await fetch(`${stack.edge_url}/v1/admin/leads.csv?email_domain=eq.${domain}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  let file = '';
  let pieces = 0;
  const decoder = new TextDecoder();
  for await (const piece of response.body) {
    file += decoder.decode(piece, { stream: true });
    pieces += 1;
    if (pieces === 1)
      await sql(
        `insert into marketing.leads (email, email_normalized, email_domain) values ('late@' || $1, 'late@' || $1, $1)`,
        [domain],
      );
  }
  const emails = parsed(file).map(({ email }) => email);
  assert.equal(emails.length, 3210);
  assert.equal(new Set(emails).size, 3210);
  assert.ok(pieces > 3, `${pieces} pieces`);
  await sql('delete from marketing.leads where email_domain = $1', [domain]);
});

test('each page of an export begins at a time that an index finds', async () => {
  const domain = `${randomUUID()}.example`;
  await sql(
    `insert into marketing.leads (email, email_normalized, email_domain, created_at)
     select a, a, $1, timestamptz '2026-01-01' + n * interval '1 second'
     from (select n, 'n' || n || '@' || $1 as a from generate_series(1, 450) as n) as l`,
    [domain],
  );
  const pages = [];
  const passOn = async (response, { url, headers: { authorization, 'accept-profile': profile } }) => {
    const { pathname, searchParams } = new URL(url, stack.postgrest_url);
    if (pathname.endsWith('/leads_csv')) pages.push(searchParams);
    const answer = await fetch(stack.postgrest_url + url, { headers: { authorization, 'accept-profile': profile } });
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') });
    response.end(await answer.text());
  };
  await withUpstream(passOn, async (POSTGREST_URL) => {
    const edge = await startEdge({ POSTGREST_URL });
    try {
      const path = `/v1/admin/leads.csv?email_domain=eq.${domain}`;
      const { text: file } = await ask(path, { base: edge.url, token: await admin() });
      assert.equal(parsed(file).length, 450);
    } finally {
      await edge.stop();
    }
  });
  // The condition on a page's first row is an `or`, which no index serves.
  const times = pages.map((query) => query.get('created_at'));
  assert.equal(times.length, 3);
  assert.equal(times[0], null);
  for (const [at, time] of times.slice(1).entries()) {
    const [, first] = /created_at\.lt\."([^"]+)"/.exec(pages[at + 1].get('or'));
    assert.equal(time, `lte.${first}`);
  }
  await sql('delete from marketing.leads where email_domain = $1', [domain]);
});

test('filters are those of the data API; what is not a filter is refused', async () => {
  const domain = `${randomUUID()}.example`;
  for (const [name, source] of [
    ['a', 'demo-request'],
    ['b', 'contact-form'],
    ['c', 'demo-request'],
  ])
    await ask('/v1/leads', { json: { email: `${name}@${domain}`, source } });
  const token = await admin();
  const emails = async (query) =>
    parsed((await csv(`?email_domain=eq.${domain}${query}`, token)).text).map(({ email }) => email[0]);
  assert.deepEqual(await emails('&source=eq.demo-request'), ['c', 'a']);
  assert.deepEqual(await emails('&or=(email.like.a*,email.like.b*)'), ['b', 'a']);
  assert.deepEqual(await emails('&email=eq.nobody'), []);
  for (const query of ['?select=id', '?order=email', '?limit=5', '?offset=1']) {
    const { status, body } = await csv(query, token);
    assert.deepEqual([status, body.code], [400, 'RG306'], query);
  }
  assert.equal((await csv('?nothing=eq.1', token)).status, 400);
  for (const query of ['?ctid=eq.(0,1)', '?or=(tableoid.gt.0,email.eq.a)']) {
    const { status, body } = await csv(query, token);
    assert.deepEqual([status, body.code], [400, 'RG322'], query);
  }
});

test('the file is for admins', async () => {
  for (const token of [
    await userToken(),
    await userToken(randomUUID(), { claims: { user_metadata: { role: 'admin' } } }),
  ]) {
    const { status, body } = await csv('', token);
    assert.deepEqual([status, body.code], [403, 'RG571']);
  }
  assert.equal((await csv('')).status, 401);
  assert.equal((await ask('/v1/admin/leads.csv', { key: made.publishable_key })).status, 403);
});

/** A person who is everywhere: lead, interaction, onboarding, events, assignments, messages. */
const everywhere = async () => {
  const email = freshEmail();
  const session = `session ${randomUUID()}`;
  const anonymous = `anonymous ${randomUUID()}`;
  const ids = freshIds();
  await ask('/v1/leads', {
    json: {
      email: email.toUpperCase(),
      phone_number: `+${ids.user}`,
      session_id: session,
      anonymous_id: anonymous,
      consent: 'on',
      first_name: 'Zoë',
    },
  });
  const [lead] = await sql('select id from marketing.leads where email_normalized = $1', [email]);
  await sql(
    `insert into marketing.lead_interactions (lead_id, interaction_type, subject) values ($1, 'call', 'secret subject')`,
    [lead.id],
  );
  const { body } = await ask('/v1/onboarding/sessions', { json: { email, business_data: { name: 'Zoë' } } });
  await ask('/v1/onboarding/activities', {
    json: { activity_type: 'step_view' },
    headers: { 'content-type': 'application/json', 'x-session-token': body.session_token },
  });
  const sub = randomUUID();
  const token = await userToken(sub, { claims: { email } });
  await sql('insert into sample.user_profiles (id, email) values ($1, $2)', [sub, email]);
  const mine = [
    anEvent({ session_id: session, name: 'by session' }),
    anEvent({ anonymous_id: anonymous, name: 'by anonymous id' }),
    anEvent({ properties: { email: email.toUpperCase() }, name: 'by address' }),
  ];
  await ask('/v1/events', { json: mine });
  await ask('/v1/events', { json: [anEvent({ name: 'signed in', session_id: `other ${session}` })], token });
  await ask('/v1/events', { json: [anEvent({ name: 'same session later', session_id: `other ${session}` })] });
  await addAccount(sql, ids, { lead_id: lead.id });
  const payload = JSON.stringify(delivery(ids.waba, messages(ids, { messages: [text(ids)] }), null));
  const headers = {
    'content-type': 'application/json',
    'x-hub-signature-256': signature(payload, made.whatsapp_app_secret),
  };
  assert.equal((await ask('/v1/whatsapp/webhook', { method: 'POST', body: payload, headers })).status, 200);
  const [experiment] = await sql(`select id from experiments.experiments where status = 'running' limit 1`);
  if (experiment) {
    await sql(
      `insert into experiments.assignments (experiment_id, unit_key, session_id, variant_id, bucket_version, source)
       select id, 'session:' || $2, $2, control_variant ->> 'id', bucket_version, 'hash' from experiments.experiments where id = $1`,
      [experiment.id, session],
    );
  }
  return { email, lead, sub, session, ids, phones: [`+${ids.user}`] };
};

const WORK = {
  'marketing.leads': 1,
  // What was written down, and what was sent.
  'marketing.lead_interactions': 2,
  'onboarding.sessions': 1,
  'onboarding.step_activities': 1,
  'analytics.events': 5,
  'private.webhook_inbox': 1,
};

const experiment = async () => {
  const [{ count }] = await sql(`select count(*)::int as count from experiments.experiments where status = 'running'`);
  if (count === 0)
    await sql(`insert into experiments.experiments (name, control_variant, test_variants, status)
      values ('for gdpr', '{"id": "a", "weight": 0.5}', '[{"id": "b", "weight": 0.5}]', 'running')`);
};

test('everything on a person is handed out, and nothing of anybody else', async () => {
  await experiment();
  const person = await everywhere();
  const other = await everywhere();
  const { status, body } = await ask('/v1/admin/gdpr/export', {
    json: { email: person.email.toUpperCase(), phones: person.phones },
    token: await admin(),
  });
  assert.equal(status, 200);
  for (const [table, count] of Object.entries({ ...WORK, 'experiments.assignments': 1, 'whatsapp.accounts': 1 })) {
    assert.equal(body[table].length, count, table);
  }
  assert.equal(body['private.consent_records'].length, 1);
  assert.equal(body['marketing.leads'][0].first_name, 'Zoë');
  const shown = JSON.stringify(body);
  assert.ok(!shown.includes(other.email) && !shown.includes(other.lead.id) && !shown.includes(other.session));
  for (const secret of ['session_token_hash', 'webhook_verify_token_hash', 'address_hash'])
    assert.ok(!shown.includes(secret), secret);
});

test('phone numbers may be numbers; an export or an erasure that could not be whole is refused', async () => {
  await experiment();
  const person = await everywhere();
  const token = await admin();
  const exported = async (phones) =>
    (await ask('/v1/admin/gdpr/export', { json: { email: person.email, phones }, token })).body;
  const digits = person.phones[0].slice(1);
  const asText = await exported([digits]);
  const asNumber = await ask('/v1/admin/gdpr/export', {
    method: 'POST',
    body: `{"email": "${person.email}", "phones": [${digits}]}`,
    headers: { 'content-type': 'application/json' },
    token,
  });
  assert.deepEqual(Object.keys(asNumber.body), Object.keys(asText));
  assert.equal(asNumber.body['whatsapp.accounts'].length, asText['whatsapp.accounts'].length);
  for (const json of [
    { email: person.email, phones: digits },
    { email: person.email, phones: [{}] },
    { email: person.email, phones: [null] },
    { email: person.email, mentions: 'true' },
  ]) {
    for (const action of 'mentions' in json ? ['erase'] : ['erase', 'export']) {
      const refused = await ask(`/v1/admin/gdpr/${action}`, { json, token });
      assert.deepEqual([refused.status, refused.body.code], [400, 'RG301'], JSON.stringify(json));
    }
  }
  assert.equal((await exported(person.phones))['marketing.leads'].length, 1, 'and nothing was erased');
});

test('a person is erased everywhere, the receipt counts truly, and others are untouched', async () => {
  await experiment();
  const person = await everywhere();
  const other = await everywhere();
  await rollUp();
  const token = await admin();
  const email = ` ${person.email} `.trim();
  const before_ = await ask('/v1/admin/gdpr/export', { json: { email: other.email, phones: other.phones }, token });
  const { status, body } = await ask('/v1/admin/gdpr/erase', { json: { email, phones: person.phones }, token });
  assert.equal(status, 200);
  // Other systems may count as well: nothing, since they have nothing of this person.
  const some = (counts) => Object.fromEntries(Object.entries(counts).filter(([, count]) => count !== 0));
  assert.deepEqual(some(body.erased), { ...WORK, 'experiments.assignments': 1, 'sample.user_profiles': 1 });
  assert.deepEqual(some(body.kept), { 'private.consent_records': 1, 'whatsapp.accounts': 1 });
  // Nowhere in any table, of any name.
  const tables =
    await sql(`select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and not c.relispartition and n.nspname in ('marketing', 'onboarding', 'analytics', 'experiments', 'private')`);
  // The log of changes has ids of users, whose accounts are another system's; limits are swept within minutes, allowances after a day.
  const passing = ['private.audit_log', 'private.rate_limits', 'private.daily_usage'];
  for (const { name } of tables.filter((table) => !passing.includes(table.name))) {
    for (const word of [person.email, person.session, person.sub, person.ids.user]) {
      const found = await sql(`select from ${name} as t where strpos(lower(t::text), lower($1)) > 0`, [word]);
      assert.equal(found.length, 0, `${word} is still in ${name}`);
    }
  }
  assert.deepEqual(await aggregated(), await freshCount(), 'and is counted no more');
  const after_ = await ask('/v1/admin/gdpr/export', { json: { email: other.email, phones: other.phones }, token });
  const same = ({ exported_at: _, ...rest }) => rest;
  assert.deepEqual(same(after_.body), same(before_.body));
  const again = await ask('/v1/admin/gdpr/erase', { json: { email }, token });
  assert.deepEqual([...new Set(Object.values(again.body.erased))], [0]);
  assert.deepEqual(some(again.body.kept), { 'private.consent_records': 1 }, 'the proof of consent survives as a hash');
});

test('GDPR requests are for admins, about an address', async () => {
  for (const path of ['/v1/admin/gdpr/export', '/v1/admin/gdpr/erase']) {
    const email = freshEmail();
    await ask('/v1/leads', { json: { email } });
    const refused = [
      [await userToken(), 403, 'RG571'],
      [await userToken(randomUUID(), { claims: { user_metadata: { role: 'admin' } } }), 403, 'RG571'],
    ];
    for (const [token, status, code] of refused) {
      const answer = await ask(path, { json: { email }, token });
      assert.deepEqual([answer.status, answer.body.code], [status, code]);
    }
    assert.equal((await ask(path, { json: { email } })).status, 401);
    assert.equal((await ask(path, { json: { email }, key: made.publishable_key })).status, 403);
    assert.equal((await sql('select from marketing.leads where email = $1', [email])).length, 1);
    const token = await admin();
    for (const json of [{}, { email: 5 }, { email: 'x' }, { email: '' }, [], 5]) {
      const answer = await ask(path, { json, token });
      assert.deepEqual([answer.status, answer.body.code], [422, 'RG572'], JSON.stringify(json));
    }
    const past = await fetch(`${stack.postgrest_url}/rpc/gdpr_delete_user_data`, {
      method: 'POST',
      body: JSON.stringify({ email }),
      headers: {
        'content-type': 'application/json',
        'content-profile': 'marketing',
        authorization: `Bearer ${await edgeToken({ role: 'anon' })}`,
      },
    });
    assert.equal(past.status, 403);
  }
});

test('nobody gets at another’s data by naming it in a form or an event', async () => {
  const victim = await everywhere();
  const attacker = freshEmail();
  const session = `other ${victim.session}`;
  const fields = { email: attacker, phone_number: victim.phones[0], session_id: session, consent: 'on' };
  assert.equal((await ask('/v1/leads', { json: fields })).status, 201);
  await ask('/v1/events', {
    json: [anEvent({ session_id: session, properties: { email: attacker }, name: 'fixture' })],
  });
  const sub = randomUUID();
  await sql('insert into sample.user_profiles (id, email) values ($1, $2)', [sub, attacker]);
  // A user's id that an anonymous event claims, in the session of somebody else.
  await ask('/v1/events', { json: [anEvent({ session_id: victim.session, user_id: sub, name: 'claimed' })] });
  const token = await admin();
  const exported = await ask('/v1/admin/gdpr/export', { json: { email: attacker }, token });
  assert.equal(exported.status, 200);
  assert.deepEqual(exported.body['analytics.events'].map(({ name }) => name).sort(), ['claimed', 'fixture']);
  assert.deepEqual(exported.body['private.webhook_inbox'], []);
  assert.deepEqual(exported.body.unproven, { phones: victim.phones, sessions: [session] });
  const erased = await ask('/v1/admin/gdpr/erase', { json: { email: attacker }, token });
  assert.equal(erased.body.erased['analytics.events'], 2);
  const still = await ask('/v1/admin/gdpr/export', { json: { email: victim.email, phones: victim.phones }, token });
  assert.equal(still.body['analytics.events'].length, 5);
  assert.equal(still.body['private.webhook_inbox'].length, 1);
});

test('units that are named by the address are found, and accounts that stay are listed', async () => {
  await experiment();
  const email = freshEmail();
  await ask('/v1/leads', { json: { email } });
  await ask('/v1/experiments/assign', { json: { user_id: email, session_id: email } });
  await sql(`update experiments.experiments set is_active = true`);
  await ask('/v1/experiments/assign', { json: { user_id: email, session_id: email } });
  await ask('/v1/events', {
    json: [
      anEvent({ session_id: email }),
      anEvent({ properties: { user: { email } } }),
      anEvent({ properties: { Email: email } }),
    ],
  });
  const { body } = await ask('/v1/admin/gdpr/erase', { json: { email }, token: await admin() });
  assert.equal(body.erased['analytics.events'], 3);
  assert.ok(body.erased['experiments.assignments'] >= 1);
  for (const table of ['experiments.assignments', 'analytics.events', 'marketing.leads'])
    assert.equal((await sql(`select from ${table} as t where strpos(t::text, $1) > 0`, [email])).length, 0, table);
});

test('what only mentions a person is counted, and erased where the admin says so', async () => {
  const email = freshEmail();
  const other = freshEmail();
  const name = `mention ${randomUUID()}`;
  const link = `https://shop.example/reset?email=${encodeURIComponent(email)}&x=1`;
  const said = [
    anEvent({ name, url: link }),
    anEvent({ name, referrer: link }),
    anEvent({ name, properties: { deep: { list: [{ mail: email.toUpperCase() }] } } }),
    anEvent({ name: `for ${email}` }),
  ];
  await ask('/v1/events', { json: said });
  await sql(
    `insert into analytics.events (id, type, name, metadata, occurred_at)
     values (analytics.undated_id(gen_random_uuid()), 'system', $1, jsonb_build_object('email', $2::text), now())`,
    [name, email],
  );
  await ask('/v1/leads', { json: { email: other, notes: `My colleague is ${email}, call them.` } });
  const sub = randomUUID();
  await sql('insert into sample.user_profiles (id, email, full_name) values ($1, $2, $3)', [
    sub,
    other,
    `Jane, ${email}`,
  ]);
  await rollUp();
  const token = await admin();
  const everything = {
    'analytics.events': 5,
    'sample.user_profiles': 1,
    'marketing.lead_interactions': 1,
    'marketing.leads': 1,
  };
  const mentions = ({ body }) => {
    const { 'analytics.event_aggregations': counted, ...rest } = body.mentions;
    return rest;
  };
  const exported = await ask('/v1/admin/gdpr/export', { json: { email }, token });
  assert.deepEqual(mentions(exported), everything);
  for (const mentioned of ['true', 1, []]) {
    const refused = await ask('/v1/admin/gdpr/erase', { json: { email, mentions: mentioned }, token });
    assert.deepEqual([refused.status, refused.body.code], [400, 'RG301']);
  }
  for (const json of [{ email }, { email, mentions: false }, { email, mentions: null }]) {
    const kept = await ask('/v1/admin/gdpr/erase', { json, token });
    assert.equal(kept.status, 200);
    assert.deepEqual([mentions(kept), kept.body.erased_mentions], [everything, {}]);
  }
  const erased = await ask('/v1/admin/gdpr/erase', { json: { email, mentions: true }, token });
  assert.deepEqual(erased.body.mentions, {});
  for (const [table, count] of Object.entries(everything))
    assert.equal(erased.body.erased_mentions[table], count, table);
  const [lead] = await sql('select notes from marketing.leads where email_normalized = $1', [other]);
  assert.equal(lead.notes, 'My colleague is [erased], call them.');
  const [profile] = await sql('select email, full_name from sample.user_profiles where id = $1', [sub]);
  assert.deepEqual([profile.email, profile.full_name], [other, 'Jane, [erased]']);
  assert.equal((await sql('select from analytics.events where name = any ($1)', [[name, `for ${email}`]])).length, 0);
  assert.deepEqual(await aggregated(), await freshCount(), 'and is counted no more');
});

test('a person of whom there is much is handed out whole', async () => {
  const email = freshEmail();
  await sql(
    `insert into analytics.events (id, type, name, properties, occurred_at)
     select analytics.undated_id(gen_random_uuid()), 'page_view', 'much', jsonb_build_object('email', $1::text, 'x', repeat('y', 20000)), now()
     from generate_series(1, 1000)`,
    [email],
  );
  const { status, body } = await ask('/v1/admin/gdpr/export', { json: { email }, token: await admin() });
  assert.equal(status, 200);
  assert.equal(body['analytics.events'].length, 1000);
  await sql(`delete from analytics.events where name = 'much'`);
});
