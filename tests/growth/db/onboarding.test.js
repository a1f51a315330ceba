// Onboarding: the holder of a session's token continues that session and no other; no step can be skipped.
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { after, beforeEach, test } from 'node:test';
import {
  as,
  ask,
  close,
  edgeToken,
  freshEmail,
  onBehalf,
  sql,
  stack,
  transaction,
  userToken,
} from '../../support/stack.js';

after(close);

let visitor;
const stranger = () => ({ role: 'anon', claims: { edge: { addr: randomUUID(), net: '192.0.2.0/24' } } });
beforeEach(() => {
  // Limits count by address: each test has one of its own. Calls that are to meet must have several: those of one address
  // wait for each other at its limit already.
  visitor = stranger();
});

const call = async (name, args, who = visitor) => {
  const list = args.map((_, at) => `$${at + 1}`).join(', ');
  // The edge vouches for the start of a session; then its token decides.
  const caller = name === 'start' ? onBehalf(who) : who;
  const [{ answer }] = await as(caller, (query) => query(`select onboarding.${name}(${list}) as answer`, args));
  return answer;
};
const start = (session = {}, who) => call('start', [JSON.stringify(session)], who);
const progress = (token, who) => call('progress', [token], who);
const step = (token, change, who) => call('step', [token, JSON.stringify(change)], who);
const activity = (token, what, who) => call('activity', [token, JSON.stringify(what)], who);

const begun = async (session) => (await start(session)).session_token;
const hashOf = (token) => createHash('sha256').update(token).digest();
const rowOf = async (token) =>
  (await sql('select * from onboarding.sessions where session_token_hash = $1', [hashOf(token)]))[0];
const activitiesOf = (token) =>
  sql(
    `select a.* from onboarding.step_activities as a join onboarding.sessions as s on s.id = a.session_id
     where s.session_token_hash = $1 order by a.created_at`,
    [hashOf(token)],
  );
const age = (token, interval) =>
  sql(
    `update onboarding.sessions set started_at = started_at - $2::interval, last_activity_at = last_activity_at - $2::interval
     where session_token_hash = $1`,
    [hashOf(token), interval],
  );
const abandon = async (run = sql) => Number((await run('select onboarding.abandon_inactive_sessions() as n'))[0].n);

/** What a refused call said: its status, and the body that PostgREST makes of it. */
const refusal = async (promise) => {
  try {
    await promise;
  } catch (error) {
    if (error.code !== 'PGRST') throw error;
    return { status: JSON.parse(error.detail).status, ...JSON.parse(error.message) };
  }
  throw new assert.AssertionError({ message: 'it was not refused' });
};
const refused = async (promise, status, code, message) => {
  const found = await refusal(promise);
  assert.deepEqual([found.status, found.code], [status, code], message ?? JSON.stringify(found));
  return found;
};

const STEPS = ['business_info', 'whatsapp_integration', 'bot_setup', 'testing'];
const complete = async (token, steps = STEPS) => {
  let answer;
  for (const name of steps) answer = await step(token, { step: name, completed: true });
  return answer;
};

// Starting.

test('a start gives the token and where the session is', async () => {
  const answer = await start();
  assert.deepEqual(Object.keys(answer).sort(), ['session', 'session_token']);
  assert.match(answer.session_token, /^rgs_[0-9a-f]{64}$/);
  const { started_at, last_activity_at, ...rest } = answer.session;
  assert.equal(started_at, last_activity_at);
  assert.deepEqual(rest, {
    current_step: 'business_info',
    status: 'not_started',
    progress_percentage: 0,
    next_step: 'whatsapp_integration',
    steps: STEPS.map((name) => ({ step: name, completed_at: null })),
    completed_at: null,
    business_data: {},
    whatsapp_config: {},
    bot_config: {},
  });
  assert.deepEqual(await progress(answer.session_token), answer.session);
  assert.notEqual((await start()).session_token, answer.session_token);
});

test('what was typed before the start is kept, and then the session is in progress', async () => {
  const { session, session_token } = await start({ business_data: { name: 'Bäckerei', gone: null } });
  assert.deepEqual([session.status, session.business_data], ['in_progress', { name: 'Bäckerei' }]);
  assert.equal(session.current_step, 'business_info', 'it completes nothing');
  assert.deepEqual(await progress(session_token), session);
  assert.equal((await start({ business_data: {} })).session.status, 'not_started');
});

test('browser and network come from the request, and no more of the address than the edge vouches for', async () => {
  const headers = { 'user-agent': 'x'.repeat(2000), 'x-forwarded-for': '203.0.113.9' };
  const { session_token } = await start({}, { ...visitor, headers });
  const row = await rowOf(session_token);
  assert.deepEqual([row.user_agent.length, row.network], [512, '192.0.2.0/24']);
  const user = { role: 'authenticated', claims: { sub: randomUUID(), edge: { net: '10.0.0.0/8' } } };
  for (const who of [user, visitor, { role: 'service_role' }])
    await assert.rejects(
      as(who, (query) => query(`select onboarding.start('{}')`)),
      { code: '42501' },
      'only the edge vouches',
    );
});

test('the token is nowhere in the database, only its hash', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  const { session_token: token } = await start({ email: freshEmail() }, { ...visitor, headers });
  await step(token, { step: 'business_info', data: { a: 1 }, completed: true }, { ...visitor, headers });
  await activity(
    token,
    { activity_type: 'x', error_message: `${token} is wrong`, metadata: { [token]: token }, field_value: token },
    { ...visitor, headers },
  );
  await refused(step(token, { step: 'bot_setup', data: { note: token } }), 409, 'RG531');
  await refused(step(token, { step: 'business_info', data: { note: token } }), 422, 'RG535');
  const tables =
    await sql(`select format('%I.%I', n.nspname, c.relname) as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and n.nspname !~ '^pg_|^information_schema$'`);
  const found = [];
  for (const { name } of tables) {
    const rows = await sql(`select 1 from ${name} as t where t::text like $1`, [`%${token.slice(4)}%`]);
    if (rows.length > 0) found.push(name);
  }
  assert.deepEqual(found, []);
  const row = await rowOf(token);
  assert.deepEqual(row.session_token_hash, hashOf(token));
});

test('a start is not kept under its Idempotency-Key: each gives a session of its own', async () => {
  const headers = { 'idempotency-key': randomUUID() };
  const [first, second] = [await start({}, { ...visitor, headers }), await start({}, { ...visitor, headers })];
  assert.notEqual(first.session_token, second.session_token);
  assert.deepEqual(
    await sql('select * from private.idempotency_keys where key = $1', [headers['idempotency-key']]),
    [],
  );
});

const lead = async (more = {}) => {
  const email = freshEmail();
  const row = { email, email_normalized: email, email_domain: 'example.org', company_name: `secret ${email}`, ...more };
  const names = Object.keys(row);
  const [{ id }] = await sql(
    `insert into marketing.leads (${names}) values (${names.map((_, at) => `$${at + 1}`)}) returning id`,
    Object.values(row),
  );
  return { id, email };
};

test('a known address links the session to its lead, and no answer shows it', async () => {
  const known = await lead();
  const deleted = await lead({ deleted_at: '2026-01-01' });
  const { session_token } = await start({ email: ` ${known.email.toUpperCase()} ` });
  assert.equal((await rowOf(session_token)).lead_id, known.id, 'however it is typed');
  assert.equal((await rowOf((await start({ email: deleted.email })).session_token)).lead_id, null);

  const face = (answer) => {
    const text = JSON.stringify(answer);
    return text.replaceAll(/rgs_[0-9a-f]{64}/g, 'TOKEN').replaceAll(/\d{4}-\d\d-\d\dT[\d:.+]*/g, 'TIME');
  };
  const [there, nowhere] = [await start({ email: known.email }), await start({ email: freshEmail() })];
  assert.equal(face(there), face(nowhere));
  for (const go of [progress, (token) => complete(token), (token) => activity(token, { activity_type: 'x' })]) {
    const [first, second] = [await go(there.session_token), await go(nowhere.session_token)];
    assert.equal(face(first), face(second));
    assert.doesNotMatch(JSON.stringify(first), /secret|example\.org/);
    assert.ok(!JSON.stringify(first).includes(known.id));
  }
});

test('an unknown address costs as many looks by an index as a known one, and no look through all leads', async () => {
  const known = await lead();
  for (const email of [known.email, freshEmail()]) {
    await as({ role: 'postgres', claims: { role: 'edge', ...onBehalf(visitor).claims } }, async (query) => {
      const looks = async () =>
        (
          await query(`select seq_scan::int as through, idx_scan::int as by_index
            from pg_stat_xact_user_tables where relid = 'marketing.leads'::regclass`)
        )[0];
      await query('set local enable_seqscan = off');
      const before = await looks();
      await query('select onboarding.start($1)', [JSON.stringify({ email })]);
      const after_ = await looks();
      // By the address; and of the foreign key, or what stands for it.
      assert.deepEqual([after_.through - before.through, after_.by_index - before.by_index], [0, 2], email);
    });
  }
});

test('a lead that is deleted meanwhile is not in the way of a start', async () => {
  const known = await lead();
  let starting;
  await transaction(async (query) => {
    await query('delete from marketing.leads where id = $1', [known.id]);
    starting = start({ email: known.email });
    await query('select pg_sleep(0.2)');
    await query('commit');
  });
  assert.equal((await rowOf((await starting).session_token)).lead_id, null);
});

test('a lead that goes leaves its sessions without it', async () => {
  const known = await lead();
  const { session_token } = await start({ email: known.email });
  await sql('delete from marketing.leads where id = $1', [known.id]);
  assert.equal((await rowOf(session_token)).lead_id, null);
});

test('a start that is not one is refused with what to do', async () => {
  const cases = [
    [[], 400, 'RG532'],
    [null, 400, 'RG532'],
    ['x', 400, 'RG532'],
    [5, 400, 'RG532'],
    [{ email: 'no address' }, 422, 'RG534'],
    [{ email: ['a@example.org'] }, 422, 'RG534'],
    [{ email: 5 }, 422, 'RG534'],
    [{ email: `${'x'.repeat(300)}@example.org` }, 422, 'RG534'],
    [{ email: 'x'.repeat(70_000) }, 413, 'RG533'],
    [{ business_data: [] }, 422, 'RG534'],
    [{ business_data: 'x' }, 422, 'RG534'],
    [{ business_data: { a: 'x'.repeat(33_000) } }, 413, 'RG533'],
    [{ business_data: { a: 'x'.repeat(70_000) } }, 413, 'RG533'],
    [{ lead_id: randomUUID() }, 422, 'RG534'],
    [{ status: 'completed' }, 422, 'RG534'],
    [{ current_step: 'complete' }, 422, 'RG534'],
    [{ progress_percentage: 100 }, 422, 'RG534'],
    [{ testing_completed_at: '2026-01-01' }, 422, 'RG534'],
    [{ whatsapp_config: {} }, 422, 'RG534'],
    [{ session_token: 'rgs_mine' }, 422, 'RG534'],
  ];
  for (const [session, status, code] of cases) {
    const found = await refused(start(session), status, code, JSON.stringify(session)?.slice(0, 80));
    assert.ok(found.message && found.hint, 'it says what to do');
  }
  await refused(call('start', [null]), 400, 'RG532');
  assert.equal((await start({ email: null, business_data: null })).session.status, 'not_started');
  assert.equal((await start({ email: '  ' })).session.status, 'not_started');
});

// Steps.

test('steps are done one after the other, and each goes on to the next', async () => {
  const token = await begun();
  const seen = [];
  for (const name of STEPS) {
    const answer = await step(token, { step: name, completed: true });
    seen.push([answer.current_step, answer.next_step, answer.progress_percentage, answer.status]);
    assert.ok(answer.steps.find((each) => each.step === name).completed_at);
    assert.deepEqual(await progress(token), answer);
  }
  assert.deepEqual(seen, [
    ['whatsapp_integration', 'bot_setup', 25, 'in_progress'],
    ['bot_setup', 'testing', 50, 'in_progress'],
    ['testing', 'complete', 75, 'in_progress'],
    ['complete', null, 100, 'completed'],
  ]);
  const row = await rowOf(token);
  assert.deepEqual(row.completed_at, row.testing_completed_at);
  const times = STEPS.map((name) => row[`${name}_completed_at`].getTime());
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
});

test('no step can be worked on or completed before all earlier ones are complete', async () => {
  const token = await begun();
  for (const [at, name] of STEPS.entries()) {
    for (const later of STEPS.slice(at + 1)) {
      for (const change of [{ completed: true }, { completed: false }, { data: {} }, {}]) {
        const found = await refused(step(token, { step: later, ...change }), 409, 'RG531');
        assert.ok(found.hint.includes(name) && found.details.includes(name), 'it names the step to do first');
      }
    }
    await step(token, { step: name, completed: true });
  }
});

test('no field skips a step', async () => {
  const token = await begun();
  const before = await rowOf(token);
  const skips = {
    ...{
      current_step: 'complete',
      next_step: null,
      status: 'completed',
      progress_percentage: 100,
      completed_at: '2026-01-01',
    },
    ...{ testing_completed_at: '2026-01-01', session_token_hash: 'x', lead_id: randomUUID(), id: randomUUID() },
    ...{ business_data: {}, bot_config: {}, whatsapp_config: {}, session: {}, steps: [] },
  };
  for (const [name, value] of Object.entries(skips)) {
    await refused(step(token, { step: 'business_info', [name]: value }), 422, 'RG534', name);
  }
  await refused(step(token, { step: 'complete', completed: true }), 422, 'RG534');
  assert.deepEqual(await rowOf(token), before, 'nothing was changed');
  // As data they are data.
  const answer = await step(token, { step: 'business_info', data: { status: 'completed', current_step: 'complete' } });
  assert.deepEqual(
    [answer.status, answer.current_step, answer.progress_percentage],
    ['in_progress', 'business_info', 0],
  );
  assert.deepEqual(answer.business_data, { status: 'completed', current_step: 'complete' });
});

test('the table itself knows the order of steps', async () => {
  const [{ id }] = await sql('insert into onboarding.sessions (session_token_hash) values ($1) returning id', [
    randomBytes(32),
  ]);
  const cases = [
    [`whatsapp_integration_completed_at = now()`, 'sessions_steps_in_order'],
    [
      `bot_setup_completed_at = now(), business_info_completed_at = now(), status = 'in_progress'`,
      'sessions_steps_in_order',
    ],
    [`status = 'completed'`, 'sessions_completed'],
    [`status = 'completed', completed_at = now()`, 'sessions_completed'],
    [`status = 'abandoned'`, 'sessions_abandoned'],
    [`abandoned_at = now()`, 'sessions_abandoned'],
    [`business_info_completed_at = now()`, 'sessions_not_started'],
    [`session_token_hash = 'x'`, 'sessions_token_hash_length'],
    [`business_data = '[]'`, 'sessions_business_data'],
  ];
  for (const [change, constraint] of cases) {
    await assert.rejects(
      sql(`update onboarding.sessions set ${change} where id = $1`, [id]),
      (error) => error.constraint === constraint,
      change,
    );
  }
  for (const column of ['current_step', 'progress_percentage']) {
    await assert.rejects(sql(`update onboarding.sessions set ${column} = default + ${column} where id = $1`, [id]));
    await assert.rejects(sql(`update onboarding.sessions set ${column} = null where id = $1`, [id]), { code: '428C9' });
  }
});

test('data is merged by its keys, in the column of its step', async () => {
  const token = await begun();
  await step(token, { step: 'business_info', data: { name: 'A', size: 1, address: { city: 'Berlin', zip: '1' } } });
  const { business_data } = await step(token, {
    step: 'business_info',
    data: { size: 2, name: null, address: { city: 'Bonn' }, open: [null] },
    completed: true,
  });
  assert.deepEqual(business_data, { size: 2, address: { city: 'Bonn' }, open: [null] });
  await step(token, { step: 'whatsapp_integration', data: { phone: '1' }, completed: true });
  const answer = await step(token, { step: 'bot_setup', data: { template: 'a' }, completed: true });
  assert.deepEqual(
    [answer.business_data, answer.whatsapp_config, answer.bot_config],
    [business_data, { phone: '1' }, { template: 'a' }],
  );
  await refused(step(token, { step: 'testing', data: { result: 'ok' } }), 422, 'RG534');
  assert.equal((await step(token, { step: 'testing', data: {} })).status, 'in_progress');
});

test('an earlier step can be worked on again, which completes and opens nothing', async () => {
  const token = await begun();
  await complete(token, STEPS.slice(0, 3));
  const before = await progress(token);
  const answer = await step(token, { step: 'business_info', data: { name: 'New' }, completed: false });
  assert.deepEqual([answer.current_step, answer.progress_percentage, answer.steps], ['testing', 75, before.steps]);
  assert.deepEqual(answer.business_data, { name: 'New' });
});

test('a change that is sent again changes nothing', async () => {
  const token = await begun();
  for (const name of STEPS) {
    const change = { step: name, completed: true, ...(name !== 'testing' && { data: { n: name } }) };
    const { last_activity_at: first, ...once } = await step(token, change);
    const { last_activity_at: second, ...again } = await step(token, change);
    assert.deepEqual(again, once);
    assert.ok(second >= first);
  }
  const done = await progress(token);
  for (const name of STEPS) assert.deepEqual(await step(token, { step: name, completed: true }), done);
  assert.deepEqual(await step(token, { step: 'bot_setup', data: { n: 'bot_setup' }, completed: true }), done);
  assert.deepEqual(await step(token, { step: 'bot_setup', data: { absent: null } }), done);
  for (const name of STEPS.slice(0, 3)) {
    await refused(step(token, { step: name, data: { n: 'other' } }), 409, 'RG537');
  }
  assert.deepEqual(await progress(token), done);
});

test('a change that is not one is refused with what to do', async () => {
  const token = await begun();
  const cases = [
    [[], 400, 'RG532'],
    [null, 400, 'RG532'],
    ['business_info', 400, 'RG532'],
    [true, 400, 'RG532'],
    [{}, 422, 'RG534'],
    [{ step: null }, 422, 'RG534'],
    [{ step: '' }, 422, 'RG534'],
    [{ step: 1 }, 422, 'RG534'],
    [{ step: ['business_info'] }, 422, 'RG534'],
    [{ step: 'Business_Info' }, 422, 'RG534'],
    [{ step: 'x'.repeat(30_000) }, 422, 'RG534'],
    [{ step: 'x'.repeat(70_000) }, 413, 'RG533'],
    [{ completed: true }, 422, 'RG534'],
    [{ step: 'business_info', completed: 'true' }, 422, 'RG534'],
    [{ step: 'business_info', completed: 1 }, 422, 'RG534'],
    [{ step: 'business_info', completed: {} }, 422, 'RG534'],
    [{ step: 'business_info', data: [] }, 422, 'RG534'],
    [{ step: 'business_info', data: 'x' }, 422, 'RG534'],
    [{ step: 'business_info', data: 0 }, 422, 'RG534'],
    [{ step: 'business_info', date: {} }, 422, 'RG534'],
    [{ step: 'business_info', data: { a: { b: { c: { d: { e: { f: { g: { h: {} } } } } } } } } }, 422, 'nothing'],
    [{ step: 'business_info', data: { a: { b: { c: { d: { e: { f: { g: { h: { i: 1 } } } } } } } } } }, 422, 'RG534'],
    [{ step: 'business_info', data: JSON.parse(`{"a":${'['.repeat(1500)}1${']'.repeat(1500)}}`) }, 422, 'RG534'],
    [{ step: 'business_info', data: { a: 'x'.repeat(40_000) } }, 413, 'RG533'],
    [{ step: 'business_info', data: { a: 'x'.repeat(70_000) } }, 413, 'RG533'],
    [{ step: 'business_info', data: Object.fromEntries(Array.from({ length: 65 }, (_, n) => [n, n])) }, 413, 'RG533'],
    [{ step: 'business_info', [`x'"--${'y'.repeat(500)}`]: 1 }, 422, 'RG534'],
  ];
  const before = await rowOf(token);
  for (const [change, status, code] of cases) {
    if (code === 'nothing') {
      assert.ok(await step(token, change), 'eight levels are fine');
      await step(token, { step: 'business_info', data: { a: null } });
      continue;
    }
    const found = await refused(step(token, change), status, code, JSON.stringify(change)?.slice(0, 80));
    assert.ok(found.message && found.hint, 'it says what to do');
    assert.ok(JSON.stringify(found).length < 2000);
  }
  await refused(call('step', [token, null]), 400, 'RG532');
  assert.deepEqual((await rowOf(token)).business_data, before.business_data);
});

test('what is kept stays below its caps however it comes together', async () => {
  const token = await begun();
  const fields = (from, to) => Object.fromEntries(Array.from({ length: to - from }, (_, n) => [`f${from + n}`, n]));
  await step(token, { step: 'business_info', data: fields(0, 40) });
  await refused(step(token, { step: 'business_info', data: fields(40, 65) }), 413, 'RG533');
  await step(token, { step: 'business_info', data: fields(40, 64) });
  await step(token, { step: 'business_info', data: { f0: null, more: 1 } });
  const other = await begun();
  await step(other, { step: 'business_info', data: { a: 'x'.repeat(20_000) } });
  await refused(step(other, { step: 'business_info', data: { b: 'x'.repeat(20_000) } }), 413, 'RG533');
  await step(other, { step: 'business_info', data: { a: null, b: 'x'.repeat(20_000) } });
  assert.ok((await rowOf(other)).business_data.b);
});

test('no secret is kept in a configuration', async () => {
  const token = await begun();
  await complete(token, ['business_info']);
  const secret = (data) =>
    refused(step(token, { step: 'whatsapp_integration', data }), 422, 'RG535', JSON.stringify(data));
  const names = [
    ...[
      'access_token',
      'accessToken',
      'ACCESS-TOKEN',
      'Access Token',
      'token',
      'Token',
      'app_secret',
      'appSecret',
      'secret',
    ],
    ...[
      'client_secret',
      'password',
      'Passwort_password',
      'passwd',
      'pwd',
      'pin',
      'two_step_pin',
      'api_key',
      'apiKey',
      'apikey',
    ],
    ...[
      'private_key',
      'webhook_verify_token',
      'verifyToken',
      'refresh_token',
      'authorization',
      'bearer',
      'credentials',
    ],
    ...['cookie', 'system_user_access_token', 'accesstoken', 'access_token_2', 'meta.access_token', 'session_token'],
  ];
  for (const name of names) {
    const found = await secret({ [name]: 'x' });
    assert.ok(!found.details.includes('"x"') && found.hint.includes('account'), 'it says where they belong');
  }
  await secret({ a: { b: [{ c: { access_token: 'x' } }] } });
  await secret({ pin: 123456 });
  await secret({ token: { value: 'x' } });
  await secret({ note: `EAAG${'a1B2'.repeat(30)}` });
  await secret({ note: [`my token is eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln`] });
  assert.deepEqual((await rowOf(token)).whatsapp_config, {});
  const fine = {
    ...{ phone_number_id: '1', business_account_id: '2', has_access_token: true, token: null, app_secret_set: false },
    ...{
      max_tokens: 100,
      tokens: 5,
      display_name: 'The Secret Garden',
      shipping: 'spinning',
      keyword: 'monkey',
      passage: 1,
    },
  };
  const { whatsapp_config } = await step(token, { step: 'whatsapp_integration', data: fine, completed: true });
  const { token: _, ...kept } = fine;
  assert.deepEqual(whatsapp_config, kept);
  await refused(step(token, { step: 'bot_setup', data: { openai_api_key: 'sk-x' } }), 422, 'RG535');
  // A postal code goes by the same name as Meta's PIN.
  const other = await begun({ business_data: { pin: '560001' } });
  await refused(step(other, { step: 'business_info', data: { note: `EAAG${'a1B2'.repeat(30)}` } }), 422, 'RG535');
});

test('twenty changes at once lose nothing', async () => {
  const token = await begun();
  await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      step(token, { step: 'business_info', data: { [`f${n}`]: n }, completed: n % 2 === 0 }, stranger()),
    ),
  );
  const { business_data, current_step } = await progress(token);
  assert.equal(Object.keys(business_data).length, 20);
  assert.equal(current_step, 'whatsapp_integration');
});

test('a step waits for another’s call and sees what it has done', async () => {
  const token = await begun();
  // The second's transaction is the older one.
  let second;
  await new Promise((began) => {
    second = as(stranger(), async (query) => {
      began();
      await query('select pg_sleep(0.3)');
      const [{ answer }] = await query('select onboarding.step($1, $2) as answer', [
        token,
        '{"step": "whatsapp_integration", "completed": true}',
      ]);
      return answer;
    });
  });
  await as(visitor, async (query) => {
    await query('select pg_sleep(0.1)');
    await query('select onboarding.step($1, $2)', [
      token,
      '{"step": "business_info", "completed": true, "data": {"a": 1}}',
    ]);
    await query('select pg_sleep(0.5)');
  });
  const answer = await second;
  assert.deepEqual([answer.current_step, answer.business_data], ['bot_setup', { a: 1 }]);
  const [first, next] = answer.steps.map(({ completed_at }) => completed_at);
  assert.ok(first < next, 'completed after what it has waited for');
});

test('all steps at once, again and again: only in their order', async () => {
  const token = await begun();
  for (let round = 0; round < 4; round++) {
    await Promise.all(
      STEPS.map((name) =>
        step(token, { step: name, completed: true }, stranger()).catch((error) => assert.match(error.message, /RG531/)),
      ),
    );
  }
  assert.equal((await progress(token)).status, 'completed');
});

// Tokens.

test('a token that is wrong, expired, of nobody or absent gets one answer, no matter what comes with it', async () => {
  const token = await begun();
  const expired = await begun();
  await age(expired, '30 days 1 second');
  const row = await rowOf(token);
  const hex = row.session_token_hash.toString('hex');
  const bad = {
    absent: null,
    empty: '',
    blank: ' ',
    wrong: `rgs_${randomBytes(32).toString('hex')}`,
    expired,
    'the id': row.id,
    'the hash': hex,
    'the hash as the table shows it': `\\x${hex}`,
    'the hash as a token': `rgs_${hex}`,
    'the hash in base64': row.session_token_hash.toString('base64'),
    'in upper case': token.toUpperCase(),
    'with a blank': `${token} `,
    'cut off': token.slice(0, -1),
    'a pattern': 'rgs_%',
    long: 'x'.repeat(500_000),
    odd: `'; drop table x; -- \u{1f600}`,
  };
  const face = refusal(progress(`rgs_${'0'.repeat(64)}`));
  assert.deepEqual(
    [(await face).status, (await face).code, (await face).message],
    [401, 'RG530', 'The session token is missing or not good'],
  );
  for (const [name, value] of Object.entries(bad)) {
    assert.deepEqual(await refusal(progress(value)), await face, `progress, ${name}`);
    for (const body of [{ step: 'business_info', completed: true }, [], null]) {
      assert.deepEqual(await refusal(step(value, body)), await face, `step, ${name}`);
      assert.deepEqual(await refusal(activity(value, body)), await face, `activity, ${name}`);
    }
  }
  assert.deepEqual(await rowOf(token), row);
  assert.equal((await progress(token)).status, 'not_started');
});

test('a token is good for thirty days from the start, however busy it is', async () => {
  const token = await begun();
  await age(token, '29 days 23 hours');
  await activity(token, { activity_type: 'step_view' });
  assert.ok(await progress(token));
  await age(token, '1 hour');
  await activity(token, { activity_type: 'step_view' }).then(
    () => assert.fail('it lives'),
    (error) => assert.match(error.message, /RG530/),
  );
});

test('a token works on its own session only', async () => {
  const [mine, other] = [
    await begun({ business_data: { owner: 'me' } }),
    await begun({ business_data: { owner: 'them' } }),
  ];
  const [before, { id }] = [await rowOf(other), await rowOf(other)];
  await complete(mine, ['business_info', 'whatsapp_integration']);
  await activity(mine, { activity_type: 'field_change', metadata: { session_id: id } });
  await refused(activity(mine, { activity_type: 'field_change', session_id: id }), 422, 'RG534');
  assert.deepEqual((await progress(mine)).business_data, { owner: 'me' });
  assert.deepEqual(await rowOf(other), before);
  assert.deepEqual(await activitiesOf(other), []);
});

test('the token decides, not who brings it', async () => {
  const token = await begun();
  const somebody = { role: 'authenticated', claims: { sub: randomUUID() } };
  await step(token, { step: 'business_info', completed: true }, somebody);
  assert.equal((await progress(token, { role: 'service_role' })).progress_percentage, 25);
  await refused(progress('rgs_x', { role: 'service_role' }), 401, 'RG530');
});

// Activities.

test('activities are kept in their order, with what they say', async () => {
  const token = await begun();
  assert.deepEqual(await activity(token, { activity_type: 'step_view' }), { accepted: 1 });
  const list = [
    { activity_type: 'field_focus', step: 'bot_setup', field_name: 'bot_template', time_spent_seconds: 1.6 },
    {
      activity_type: 'field_change',
      field_name: 'industry',
      field_value: 'retail',
      metadata: { a: 'b', n: 1, t: true, z: null },
    },
    {
      activity_type: 'validation_error',
      field_name: 'address.street[0]',
      error_message: 'Too short',
      step: 'complete',
    },
    { activity_type: 'our_own_kind', time_spent_seconds: 1e300 },
  ];
  assert.deepEqual(await activity(token, list), { accepted: 4 });
  const [times] = await sql(
    `select count(distinct a.created_at)::int as count from onboarding.step_activities as a
     join onboarding.sessions as s on s.id = a.session_id where s.session_token_hash = $1`,
    [hashOf(token)],
  );
  assert.equal(times.count, 5);
  const rows = (await activitiesOf(token)).map(({ id, session_id, created_at, ...rest }) =>
    Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== null)),
  );
  assert.deepEqual(rows, [
    { step: 'business_info', activity_type: 'step_view', metadata: {} },
    {
      step: 'bot_setup',
      activity_type: 'field_focus',
      field_name: 'bot_template',
      time_spent_seconds: '2',
      metadata: {},
    },
    {
      ...{ step: 'business_info', activity_type: 'field_change', field_name: 'industry', field_value: 'retail' },
      metadata: { a: 'b', n: 1, t: true, z: null },
    },
    {
      ...{ step: 'complete', activity_type: 'validation_error', field_name: 'address.street[0]' },
      ...{ error_message: 'Too short', metadata: {} },
    },
    { step: 'business_info', activity_type: 'our_own_kind', time_spent_seconds: '86400', metadata: {} },
  ]);
  assert.equal((await progress(token)).status, 'in_progress');
});

test('what people typed is not kept, but for choices out of a list', async () => {
  const token = await begun();
  const values = [
    ['company_name', 'Secret GmbH', '[redacted]'],
    ['email', 'ada@lovelace.example', '[redacted]'],
    ['Industry', 'retail', '[redacted]'],
    [null, 'retail', '[redacted]'],
    ['phone', 4930123456, '[redacted]'],
    ['phone', '', '[redacted]'],
    ['phone', null, null],
    ['industry', 'retail', 'retail'],
    ['company_size', 11, '11'],
    ['language', true, 'true'],
    ['use_case', `write to ada@lovelace.example`, 'write to [redacted]'],
    ['use_case', 'x'.repeat(500), 'x'.repeat(200)],
  ];
  await activity(
    token,
    values.map(([field_name, field_value]) => ({ activity_type: 'field_change', field_name, field_value })),
  );
  assert.deepEqual(
    (await activitiesOf(token)).map(({ field_value }) => field_value),
    values.map(([, , kept]) => kept),
  );
  // Random ids may hold any digits.
  const words = (await activitiesOf(token)).map(({ id, session_id, ...rest }) => rest);
  assert.doesNotMatch(JSON.stringify(words), /Secret|lovelace|4930/);
});

test('errors and metadata are kept without addresses, numbers and tokens', async () => {
  const token = await begun();
  const words = [
    ['ada@lovelace.example is taken', '[redacted] is taken'],
    ['<Ada.B+c@lovelace.example>, "x@y"', '<[redacted]>, "[redacted]"'],
    ['ada%40lovelace.example ada＠lovelace.example zoë@müller.example', '[redacted] [redacted] [redacted]'],
    ['mailto:ada@lovelace.example', 'mailto:[redacted]'],
    ['+49 (30) 123-4567 is no number', '[redacted] is no number'],
    ['tel 0049301234567', 'tel [redacted]'],
    ['030/1234.567', '[redacted]'],
    ['4111 1111 1111 1111', '[redacted]'],
    ['at most 200 of 1000, not 123456', 'at most 200 of 1000, not 123456'],
    [`${token} and EAAG${'x1'.repeat(40)}`, '[redacted] and [redacted]'],
    ['Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIi.c2ln', 'Bearer [redacted]'],
    ['Too short', 'Too short'],
  ];
  await activity(
    token,
    words.map(([error_message]) => ({ activity_type: 'validation_error', error_message, metadata: { error_message } })),
  );
  for (const [at, row] of (await activitiesOf(token)).entries()) {
    assert.equal(row.error_message, words[at][1]);
    assert.deepEqual(row.metadata, { error_message: words[at][1] });
  }
  const other = await begun();
  await activity(other, {
    activity_type: 'x',
    error_message: `${'y'.repeat(495)} ada@lovelace.example`,
    metadata: { 'a@b.example': 1 },
  });
  const [row] = await activitiesOf(other);
  assert.equal(row.error_message.length, 500, 'cut after it was redacted');
  assert.doesNotMatch(row.error_message, /ada/);
  assert.deepEqual(row.metadata, { '[redacted]': 1 });
});

test('an activity that is not one is refused with its place, and those beside it are not kept', async () => {
  const token = await begun();
  const cases = [
    [null, 400, 'RG532'],
    ['x', 400, 'RG532'],
    [5, 400, 'RG532'],
    [[], 400, 'RG532'],
    [Array.from({ length: 51 }, () => ({ activity_type: 'x' })), 400, 'RG532'],
    [[null], 400, 'RG532'],
    [[[]], 400, 'RG532'],
    [[['x']], 400, 'RG532'],
    [{}, 422, 'RG534'],
    ...[null, 5, '', 'Step View', 'x-y', '1x', 'X', 'x'.repeat(51), ['x'], {}].map((activity_type) => [
      { activity_type },
      422,
      'RG534',
    ]),
    ...[
      { step: 'other' },
      { step: 5 },
      { step: {} },
      { field_name: 'a b' },
      { field_name: 'ada@lovelace.example' },
      { field_name: 'x'.repeat(101) },
      { field_name: 5 },
      { field_value: {} },
      { field_value: [] },
      { error_message: {} },
      { error_message: 5 },
      { time_spent_seconds: '5' },
      { time_spent_seconds: -1 },
      { time_spent_seconds: -1e300 },
      { time_spent_seconds: [] },
      { time_spent_seconds: true },
      { metadata: [] },
      { metadata: 'x' },
      { metadata: 5 },
      { metadata: { a: {} } },
      { metadata: { a: [] } },
      { metadata: { a: 'x'.repeat(1100) } },
      { created_at: '2020-01-01' },
      { id: randomUUID() },
    ].map((more) => [{ activity_type: 'x', ...more }, 422, 'RG534']),
    [{ activity_type: 'x', error_message: 'x'.repeat(70_000) }, 413, 'RG533'],
  ];
  for (const [what, status, code] of cases) {
    const found = await refused(activity(token, what), status, code, JSON.stringify(what)?.slice(0, 80));
    assert.ok(found.message && found.hint, 'it says what to do');
  }
  await refused(call('activity', [token, null]), 400, 'RG532');
  const { details } = await refused(
    activity(token, [{ activity_type: 'x' }, { activity_type: 'x', step: 'other' }]),
    422,
    'RG534',
  );
  assert.equal(details, 'In activity 1');
  assert.deepEqual(await activitiesOf(token), []);
  assert.equal((await rowOf(token)).status, 'not_started');
});

test('a list that is sent again under its Idempotency-Key is kept once', async () => {
  const [token, other] = [await begun(), await begun()];
  const who = { ...visitor, headers: { 'idempotency-key': randomUUID() } };
  const list = [{ activity_type: 'a' }, { activity_type: 'b' }];
  const answers = await Promise.all(
    Array.from({ length: 20 }, () => activity(token, list, { ...stranger(), headers: who.headers })),
  );
  for (const answer of answers) assert.deepEqual(answer, { accepted: 2 });
  assert.equal((await activitiesOf(token)).length, 2);
  await refused(activity(token, [{ activity_type: 'c' }], who), 422, 'RG503');
  assert.deepEqual(
    await activity(other, [{ activity_type: 'c' }], who),
    { accepted: 1 },
    'keys are each session’s own',
  );
  await activity(token, list);
  assert.equal((await activitiesOf(token)).length, 4, 'without a key each is new');
});

test('a session holds two thousand activities, however many are sent at once', async () => {
  const token = await begun();
  await sql(
    `insert into onboarding.step_activities (session_id, step, activity_type) select $1, 'testing', 'x' from generate_series(1, 1990)`,
    [(await rowOf(token)).id],
  );
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, () =>
      activity(token, [{ activity_type: 'x' }, { activity_type: 'x' }, { activity_type: 'x' }], stranger()),
    ),
  );
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 3);
  assert.equal((await activitiesOf(token)).length, 1999);
  await refused(activity(token, [{ activity_type: 'x' }, { activity_type: 'x' }]), 409, 'RG536');
  await activity(token, { activity_type: 'x' });
  await refused(activity(token, { activity_type: 'x' }), 409, 'RG536');
  assert.ok((await complete(token)).completed_at, 'steps go on');
});

// Sessions that nobody goes on with.

test('a session in which nothing happens for two hours is abandoned, and comes back with the next step or activity', async () => {
  const [idle, untouched, done] = [await begun({ business_data: { a: 1 } }), await begun(), await begun()];
  const recent = [await begun({ business_data: { a: 1 } }), await begun()];
  await complete(done);
  for (const token of [idle, untouched, done]) await age(token, '2 hours 1 second');
  for (const token of recent) await age(token, '1 hour 59 minutes');
  assert.ok((await abandon()) >= 2);
  const states = [];
  for (const token of [idle, untouched, ...recent, done]) states.push((await progress(token)).status);
  assert.deepEqual(states, ['abandoned', 'abandoned', 'in_progress', 'not_started', 'completed']);
  const row = await rowOf(idle);
  assert.ok(row.abandoned_at > row.last_activity_at);
  assert.equal((await progress(idle)).status, 'abandoned', 'reading is no activity');
  assert.equal(await abandon(), 0, 'once');

  const back = await step(idle, { step: 'business_info', data: { b: 2 } });
  assert.deepEqual([back.status, back.business_data], ['in_progress', { a: 1, b: 2 }]);
  assert.equal((await rowOf(idle)).abandoned_at, null);
  await activity(untouched, { activity_type: 'step_view' });
  const again = await rowOf(untouched);
  assert.deepEqual([again.status, again.abandoned_at], ['in_progress', null]);
  assert.equal(await abandon(), 0);
  await activity(done, { activity_type: 'step_view', step: 'complete' });
  assert.equal((await progress(done)).status, 'completed');
});

test('two runs at once abandon each session once, and leave alone who is at work', async () => {
  await abandon();
  const working = await begun({ business_data: { a: 1 } });
  const hashes = Array.from({ length: 2500 }, () => randomBytes(32));
  await sql(
    `insert into onboarding.sessions (session_token_hash, status, started_at, last_activity_at)
     select hash, (array['in_progress', 'not_started'])[1 + (n % 2)::int], now() - interval '1 day', now() - interval '1 day'
     from unnest($1::bytea[]) with ordinality as t (hash, n)`,
    [hashes],
  );
  await age(working, '1 day');
  let found;
  const run = () =>
    as({ role: 'postgres' }, async (query) => {
      await query(`set local lock_timeout = '5s'`);
      return abandon(query);
    });
  await as(visitor, async (query) => {
    await query('select onboarding.step($1, $2)', [working, '{"step": "business_info", "completed": true}']);
    found = await Promise.all([run(), run(), run()]);
  });
  assert.equal(found[0] + found[1] + found[2], 2500, `${found}`);
  assert.equal((await progress(working)).status, 'in_progress');
  await sql('delete from onboarding.sessions where session_token_hash = any ($1)', [hashes]);
});

test('no request abandons sessions', async () => {
  for (const role of ['anon', 'authenticated', 'edge', 'service_role']) {
    await assert.rejects(
      as({ role, claims: { app_metadata: { role: 'admin' } } }, (query) => abandon(query)),
      /permission denied for (function|schema)/,
      role,
    );
  }
});

// Limits.

test('an address writes no more a day than is allowed, and may still read', async () => {
  const token = await begun();
  await sql(`update private.daily_allowances set rows = 4 where name = 'onboarding'`);
  try {
    await step(token, { step: 'business_info', data: { industry: 'x' } });
    await activity(token, [{ activity_type: 'click' }, { activity_type: 'click' }]);
    await refused(start(), 429, 'RG517');
    await refused(step(token, { step: 'business_info' }), 429, 'RG517');
    await refused(activity(token, { activity_type: 'click' }), 429, 'RG517');
    assert.equal((await progress(token)).current_step, 'business_info');
    assert.ok((await start({}, stranger())).session_token, 'another address');
  } finally {
    await sql(`update private.daily_allowances set rows = 50000 where name = 'onboarding'`);
  }
});

test('starting is limited by address, and so is what a token’s holder does', async () => {
  const results = await Promise.all(
    Array.from({ length: 40 }, () =>
      start().then(
        () => 'in',
        (error) => JSON.parse(error.message).code,
      ),
    ),
  );
  const count = (what) => results.filter((each) => each === what).length;
  assert.ok(count('in') >= 30 && count('in') <= 33 && count('in') + count('RG501') === 40, `${results}`);
  const other = { role: 'anon', claims: { edge: { addr: randomUUID() } } };
  const { session_token: token } = await start({}, other);
  const calls = Array.from(
    { length: 160 },
    (_, n) => [progress, (t, w) => activity(t, { activity_type: 'x' }, w)][n % 2],
  );
  const answers = await Promise.all(
    calls.map((each) =>
      each(token, visitor).then(
        () => 'in',
        (error) => JSON.parse(error.message).code,
      ),
    ),
  );
  const through = answers.filter((each) => each === 'in').length;
  assert.ok(through >= 120 && through < 160, `${through}`);
  assert.ok(await progress(token, other), 'another address goes on');
});

// Who reads.

const reads = (who, table) => as(who, (query) => query(`select * from onboarding.${table}`));

test('admins and service_role read sessions and activities, and nobody else', async () => {
  const token = await begun();
  await activity(token, { activity_type: 'x' });
  const admin = { role: 'authenticated', claims: { sub: randomUUID(), app_metadata: { role: 'admin' } } };
  const posing = {
    role: 'authenticated',
    claims: { sub: randomUUID(), user_metadata: { role: 'admin' }, role: 'authenticated' },
  };
  for (const table of ['sessions', 'step_activities']) {
    assert.ok((await reads(admin, table)).length > 0);
    assert.ok((await reads({ role: 'service_role' }, table)).length > 0);
    assert.deepEqual(await reads(posing, table), []);
    for (const role of ['anon', 'edge']) await assert.rejects(reads({ role }, table), { code: '42501' });
  }
});

test('nobody writes either table', async () => {
  const token = await begun();
  await activity(token, { activity_type: 'x' });
  const statements = [
    `insert into onboarding.sessions (session_token_hash) values (sha256('x'))`,
    `update onboarding.sessions set status = 'completed'`,
    'delete from onboarding.sessions',
    `insert into onboarding.step_activities (session_id, step, activity_type) select id, 'testing', 'x' from onboarding.sessions`,
    `update onboarding.step_activities set activity_type = 'y'`,
    'delete from onboarding.step_activities',
    'select * from private.onboarding_plain_fields',
  ];
  const everybody = [{ role: 'anon' }, { role: 'edge' }, { role: 'service_role' }];
  everybody.push({ role: 'authenticated', claims: { sub: randomUUID(), app_metadata: { role: 'admin' } } });
  for (const who of everybody) {
    for (const statement of statements) {
      await assert.rejects(
        as(who, (query) => query(statement)),
        { code: '42501' },
        `${who.role}: ${statement}`,
      );
    }
  }
});

// Through PostgREST itself.

const onBehalfClaims = () => ({ role: 'edge', ...onBehalf(visitor).claims });
const rpc = async (name, body, { token, ...rest } = {}) =>
  ask(`/rpc/${name}`, {
    base: stack.postgrest_url,
    token: token ?? (await edgeToken(name === 'start' ? onBehalfClaims() : { role: 'anon', ...visitor.claims })),
    method: 'POST',
    body: typeof body === 'string' ? body : JSON.stringify(body),
    ...rest,
    headers: { 'content-type': 'application/json', 'content-profile': 'onboarding', 'accept-profile': 'onboarding' },
  });

test('PostgREST answers a whole onboarding', async () => {
  const started = await rpc('start', { session: { email: freshEmail() } });
  assert.equal(started.status, 200, started.text);
  const { session_token } = started.body;
  for (const name of STEPS) {
    const answer = await rpc('step', { session_token, change: { step: name, completed: true } });
    assert.equal(answer.status, 200, answer.text);
  }
  const noted = await rpc('activity', { session_token, activity: [{ activity_type: 'step_view' }] });
  assert.deepEqual([noted.status, noted.body], [200, { accepted: 1 }]);
  const read = await rpc('progress', { session_token });
  assert.deepEqual([read.status, read.body.status], [200, 'completed']);
  const wrong = await rpc('progress', { session_token: 'rgs_x' });
  assert.deepEqual([wrong.status, wrong.body.code], [401, 'RG530']);
});

test('a token in a URL is refused, for every caller', async () => {
  const token = await begun();
  const people = [await edgeToken({ role: 'anon', ...visitor.claims }), await userToken(), stack.service_key];
  const change = encodeURIComponent('{"step":"business_info","completed":true}');
  const paths = [
    `progress?session_token=${token}`,
    `step?session_token=${token}&change=${change}`,
    `activity?session_token=${token}&activity=${encodeURIComponent('{"activity_type":"x"}')}`,
  ];
  for (const bearer of people) {
    for (const path of paths) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await rpc(path, undefined, { method, token: bearer, body: undefined });
        assert.equal(answer.status, 405, `${method} ${path}: ${answer.text}`);
      }
    }
  }
  assert.equal((await rowOf(token)).status, 'not_started');
});

test('odd JSON never makes a 5xx', async () => {
  const token = await begun();
  const odd = [
    ...['', 'x', '{', '[]', 'null', '5', '"x"', '{}', '[{}]', '{"a":1}', '\u0000', '{"session_token":null}'],
    ...['{"session_token":[],"change":{}}', '{"session_token":{},"change":[]}', '{"session_token":5,"change":5}'],
  ];
  const values = [
    ...[
      'null',
      '[]',
      '""',
      '5',
      '1e400',
      '1e999999',
      '-0',
      '"\\u0000"',
      '"\\ud800"',
      '{"step":"\\u0000"}',
      '{"a":{"\\u0000":1}}',
    ],
    ...['{"step":"business_info","step":"testing","completed":true}', '{"step":"business_info","data":{"a":1e400}}'],
    ...['{"step":"business_info","data":{"\\ud800":1}}', '{"step":"business_info","completed":null,"data":null}'],
    `${'['.repeat(20_000)}${']'.repeat(20_000)}`,
    `{"step":"business_info","data":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
    `{"activity_type":"x","time_spent_seconds":1e400,"metadata":{"n":1e400}}`,
    `{"activity_type":"x","time_spent_seconds":1e999999}`,
    `[${'{"activity_type":"x"},'.repeat(49)}{"activity_type":5}]`,
    `{"step":"business_info","data":{"a":"${'x'.repeat(3_000_000)}"}}`,
    `{"activity_type":"${'x'.repeat(3_000_000)}"}`,
    `[${'1,'.repeat(100_000)}1]`,
  ];
  const bodies = [
    ...odd.flatMap((body) => ['start', 'progress', 'step', 'activity'].map((name) => [name, body])),
    ...values.flatMap((value) => [
      ['start', `{"session":${value}}`],
      ['start', `{"session":{"business_data":${value},"email":${value}}}`],
      ['step', `{"session_token":"${token}","change":${value}}`],
      ['activity', `{"session_token":"${token}","activity":${value}}`],
      ['progress', `{"session_token":${value}}`],
    ]),
  ];
  const faults = [];
  for (const [name, body] of bodies) {
    const answer = await rpc(name, body, {
      token: await edgeToken({ role: name === 'start' ? 'edge' : 'anon', edge: { addr: randomUUID() } }),
    });
    if (answer.status >= 500)
      faults.push(`${answer.status} ${name} ${body.slice(0, 60)}: ${answer.text.slice(0, 200)}`);
  }
  assert.deepEqual(faults, []);
  assert.equal((await progress(token)).current_step, 'business_info');
});

test('a name in the network claim that is none is the edge’s fault alone, and users cannot make it', async () => {
  const { session_token } = await start(
    {},
    { role: 'anon', claims: { iss: 'https://issuer.example', edge: { net: 'x' } } },
  );
  assert.equal((await rowOf(session_token)).network, null);
});

// What is looked for is found by an index.

test('tokens, leads, idle sessions and errors are found by their indexes', async () => {
  const questions = {
    sessions_token_hash: `select * from onboarding.sessions where session_token_hash = sha256('x') for no key update`,
    sessions_lead_id: `select * from onboarding.sessions where lead_id = '${randomUUID()}'`,
    sessions_last_activity_at: `select id from onboarding.sessions where status = 'in_progress' and last_activity_at < now() order by last_activity_at limit 5`,
    sessions_step: `select id from onboarding.sessions where current_step = 'business_info' and status = 'not_started'`,
    sessions_started_at: 'select id from onboarding.sessions order by started_at desc limit 5',
    sessions_completed_at: 'select id from onboarding.sessions where completed_at > now()',
    step_activities_session: `select count(*) from onboarding.step_activities where session_id = '${randomUUID()}'`,
    step_activities_type: `select count(*) from onboarding.step_activities where step = 'testing' and activity_type = 'x' and created_at > now()`,
    step_activities_errors: `select field_name, count(*) from onboarding.step_activities where activity_type = 'validation_error' group by 1`,
  };
  await transaction(async (query) => {
    await query('set local enable_seqscan = off');
    for (const [index, question] of Object.entries(questions)) {
      const plan = (await query(`explain ${question}`)).map((row) => row['QUERY PLAN']).join('\n');
      assert.match(plan, new RegExp(`\\b${index}\\b`), plan);
    }
  });
});
