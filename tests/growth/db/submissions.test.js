// Every submission of a form is kept whole; the lead is their summary.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import { as, close, rowsRead, sql, transaction } from '../../support/stack.js';

after(close);
beforeEach(() => sql('truncate private.rate_limits'));

const fresh = () => `${randomUUID()}@submissions.example`;
const capture = (lead) => sql('select marketing.capture_lead($1)', [JSON.stringify(lead)]);
const lead = async (email) => (await sql('select * from marketing.leads where email_normalized = $1', [email]))[0];
const kept = (email) =>
  sql(
    `select i.submission, i.subject, i.created_by from marketing.lead_interactions as i join marketing.leads as l on l.id = i.lead_id
     where l.email_normalized = $1 and i.interaction_type = 'submission' order by i.created_at, i.id`,
    [email],
  );

test('what was sent between the first and the last is there', async () => {
  const email = fresh();
  const sent = [
    { email, first_name: 'Ada', source: 'newsletter-signup', consent: 'on', consent_version: 'v1', utm_source: 'one' },
    { email: email.toUpperCase(), first_name: 'Eve', notes: 'Second.', source: 'demo-request', color: 'red' },
    { email, first_name: 'Zoë', notes: 'Third.', source: 'contact-form', sizes: ['S', 'M'], _next: '/x', _ts: 'y' },
    { email, _gotcha: 'x', notes: 'cheap links' },
  ];
  for (const fields of sent) await capture(fields);
  const rows = (await kept(email)).map(({ submission }) => submission);
  const { _next, _ts, ...third } = sent[2];
  assert.deepEqual(
    rows.map(({ fields }) => fields),
    [sent[0], sent[1], third, sent[3]],
  );
  assert.deepEqual(
    rows.map(({ spam }) => spam),
    [undefined, undefined, undefined, 'honeypot'],
  );
  assert.deepEqual(
    rows.map(({ consent }) => consent),
    [{ given: true, version: 'v1' }, { given: false }, { given: false }, { given: false }],
  );
  assert.equal(rows[0].touch.utm_source, 'one');
  const summary = await lead(email);
  assert.deepEqual([summary.first_name, summary.submission_count, summary.submissions_dropped], ['Ada', '4', '0']);
});

test('an address as it was typed is kept beside the one that mail goes to', async () => {
  const id = randomUUID();
  await capture({ email: `Zoë-${id}@xn--mller-kva.example`, _typed_email: `Zoë-${id}@Müller.example`, a: 'b' });
  const row = await lead(`zoë-${id}@xn--mller-kva.example`);
  assert.equal(row.email, `Zoë-${id}@xn--mller-kva.example`);
  assert.deepEqual(row.metadata, { a: 'b' });
  const [{ submission }] = await kept(row.email_normalized);
  assert.deepEqual(submission.fields, { email: `Zoë-${id}@Müller.example`, a: 'b' });
});

test('the source is the strongest intent of all submissions, in any order', async () => {
  const order = ['newsletter-signup', 'website-form', 'contact-form', 'pricing-inquiry', 'demo-request'];
  const [{ sources }] = await sql('select marketing.lead_sources() as sources');
  assert.deepEqual(sources, order);
  for (const sent of [order, order.toReversed(), ['contact-form', 'demo-request', 'newsletter-signup']]) {
    await sql('truncate private.rate_limits');
    const email = fresh();
    for (const source of sent) await capture({ email, source });
    const row = await lead(email);
    assert.deepEqual(
      [row.source, row.first_touch.source, row.last_touch.source],
      ['demo-request', sent[0], sent.at(-1)],
      sent.join(),
    );
  }
  const email = fresh();
  await capture({ email, source: 'contact-form' });
  await capture({ email, source: 'demo-request', _gotcha: 'x' });
  assert.equal((await lead(email)).source, 'contact-form', 'a program has no intent');
});

test('beyond the cap of an address and day submissions are counted; programs take nobody’s place', async () => {
  const email = fresh();
  const submit = async (count, fields) => {
    for (let n = 0; n < count; n += 1) {
      await sql('truncate private.rate_limits');
      await capture({ email, n, ...fields });
    }
  };
  const counts = async () => {
    const { submission_count, submissions_dropped } = await lead(email);
    return [(await kept(email)).length, Number(submission_count), Number(submissions_dropped)];
  };
  await submit(8, { _gotcha: 'x' });
  assert.deepEqual(await counts(), [5, 8, 3]);
  await submit(22, {});
  assert.deepEqual(await counts(), [25, 30, 5]);
  await sql(
    `update marketing.lead_interactions set created_at = created_at - interval '1 day'
     where lead_id = (select id from marketing.leads where email_normalized = $1)`,
    [email],
  );
  await submit(1, {});
  assert.deepEqual(await counts(), [26, 31, 5], 'the next day the allowance is new');
});

test('a submission reads no other lead’s, even where the statistics favour it', async () => {
  const email = fresh();
  await capture({ email });
  const [{ id }] = await sql(
    `insert into marketing.leads (email, email_normalized, email_domain) values ($1, $1, 'submissions.example') returning id`,
    [fresh()],
  );
  await sql(
    `insert into marketing.lead_interactions (lead_id, interaction_type, submission)
     select $1, 'submission', '{"fields": {}}' from generate_series(1, 5000)`,
    [id],
  );
  try {
    for (const statistics of [
      'select 1',
      'analyze marketing.lead_interactions',
      'analyze marketing.lead_interactions',
    ]) {
      await sql(statistics);
      await transaction(async (query) => {
        const read = await rowsRead(query, `relid = 'marketing.lead_interactions'::regclass`, () =>
          query('select marketing.capture_lead($1)', [JSON.stringify({ email })]),
        );
        assert.ok(read < 50, `${read} rows were read`);
      });
    }
  } finally {
    await sql('delete from marketing.leads where id = $1', [id]);
  }
});

test('a submission is written by a form only', async () => {
  const email = fresh();
  await capture({ email });
  const { id } = await lead(email);
  const admin = { role: 'authenticated', claims: { sub: randomUUID(), app_metadata: { role: 'admin' } } };
  await assert.rejects(
    as(admin, (query) =>
      query(`insert into marketing.lead_interactions (lead_id, interaction_type) values ($1, 'submission')`, [id]),
    ),
    { constraint: 'lead_interactions_submission' },
  );
  for (const change of [`interaction_type = 'call'`, `submission = '{}'`])
    await assert.rejects(
      as(admin, (query) => query(`update marketing.lead_interactions set ${change} where lead_id = $1`, [id])),
      (error) => error.constraint === 'lead_interactions_submission' || error.code === '42501',
      change,
    );
});

test('the rules of leads, interactions and consents hold for operators, too', async () => {
  const email = fresh();
  await capture({ email, consent: 'on' });
  const { id } = await lead(email);
  const [interaction] = await sql('select id from marketing.lead_interactions where lead_id = $1', [id]);
  const large = (bytes) => `jsonb_build_object('a', repeat('a', ${bytes}))`;
  for (const [table, row, rule, change] of [
    ['leads', id, 'email_length', `email = 'a@'`],
    ['leads', id, 'email_length', `email = repeat('a', 255)`],
    ['leads', id, 'source', `source = 'nowhere'`],
    ['leads', id, 'status', `status = 'won'`],
    ['leads', id, 'country_code', `country_code = 'xx'`],
    ['leads', id, 'spam_score', 'spam_score = 101'],
    ['leads', id, 'opt_in_status', `opt_in_status = 'maybe'`],
    ['leads', id, 'submission_count', 'submission_count = 0'],
    ['leads', id, 'submissions_dropped', 'submissions_dropped = 2'],
    ['leads', id, 'submissions_dropped', 'submissions_dropped = -1'],
    ['lead_interactions', interaction.id, 'type', `interaction_type = 'A call'`],
    [
      'lead_interactions',
      interaction.id,
      'type',
      `interaction_type = (select string_agg(md5(n::text), '') from generate_series(1, 400) as n)`,
    ],
    ['lead_interactions', interaction.id, 'subject_length', `subject = repeat('a', 301)`],
    ['lead_interactions', interaction.id, 'description_length', `description = repeat('a', 20001)`],
    ['lead_interactions', interaction.id, 'outcome_length', `outcome = repeat('a', 2001)`],
    ['lead_interactions', interaction.id, 'metadata', `metadata = '[]'`],
    ['lead_interactions', interaction.id, 'metadata', `metadata = ${large(16384)}`],
    ['lead_interactions', interaction.id, 'submission', 'submission = null'],
    ['lead_interactions', interaction.id, 'submission', `submission = '[]'`],
    ['lead_interactions', interaction.id, 'submission', `submission = ${large(131072)}`],
  ])
    await assert.rejects(
      sql(`update marketing.${table} set ${change} where id = $1`, [row]),
      { code: '23514', constraint: `${table}_${rule}` },
      change,
    );
  for (const [rule, action, channel, version] of [
    ['action', 'guessed', 'email', 'v1'],
    ['channel', 'requested', 'E-mail', 'v1'],
    ['text_version', 'requested', 'email', ''],
    ['text_version', 'requested', 'email', 'v'.repeat(101)],
  ])
    await assert.rejects(
      sql(`insert into private.consent_records (address_hash, action, channel, text_version) values ('', $1, $2, $3)`, [
        action,
        channel,
        version,
      ]),
      { code: '23514', constraint: `consent_records_${rule}` },
      rule,
    );
});

test('the largest lead that is taken is kept whole', async () => {
  const email = fresh();
  const fields = { email, notes: 'x'.repeat(5000), _gotcha: '"'.repeat(20_000), long: '\u0001'.repeat(2_500) };
  await capture(fields);
  assert.deepEqual((await kept(email))[0].submission.fields, fields);
});

test('every submission is handed out with its person, and goes with them', async () => {
  const email = fresh();
  await capture({ email, session_id: `first ${email}` });
  await capture({ email, session_id: `second ${email}`, phone_number: '+49 30 1' });
  await capture({ email, session_id: `third ${email}` });
  await transaction(async (query) => {
    await query(`select set_config('request.jwt.claims', '{"role": "service_role"}', true)`);
    const [{ person }] = await query(`select private.person($1, null) as person`, [email]);
    assert.deepEqual(person.unproven.phones, ['+49 30 1']);
    for (const name of ['first', 'second', 'third'])
      assert.ok(person.systems.growth.sessions.includes(`${name} ${email}`), name);
    const [{ given }] = await query('select marketing.gdpr_export_user_data($1) as given', [email]);
    assert.equal(given['marketing.lead_interactions'].length, 3);
    const [{ receipt }] = await query('select marketing.gdpr_delete_user_data($1) as receipt', [email]);
    assert.equal(receipt.erased['marketing.lead_interactions'], 3);
  });
  const other = fresh();
  await capture({ email: other, session_id: `second ${email}` });
  const [{ person }] = await sql('select private.person($1, null) as person', [email]);
  assert.deepEqual(person.unproven.sessions, [`second ${email}`], 'which somebody else names, too');
});
