// Experiments through the edge: assigned, exposed, measured; and assigned on while the database is away.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, beforeEach, test } from 'node:test';
import { anything, seed, UNSTORABLE } from '../../support/any_json.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';
import { anEvent } from '../support/events.js';

const admin = () => userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } });
const HALVES = { control_variant: { id: 'control', weight: 0.5 }, test_variants: [{ id: 'test', weight: 0.5 }] };

before(() => sql(`update experiments.experiments set is_active = false`));
after(close);
beforeEach(() => sql('truncate private.rate_limits'));

/** A running experiment, made as an admin makes it. */
const running = async (more = {}) => {
  const token = await admin();
  const headers = {
    'content-profile': 'experiments',
    'content-type': 'application/json',
    prefer: 'return=representation',
  };
  const made_ = await ask('/rest/v1/experiments', {
    json: { name: `test ${randomUUID()}`, ...HALVES, ...more },
    token,
    headers,
  });
  assert.equal(made_.status, 201, made_.text);
  const [{ id }] = made_.body;
  const started = await ask(`/rest/v1/experiments?id=eq.${id}`, {
    method: 'PATCH',
    body: '{"status":"running"}',
    token,
    headers,
  });
  assert.equal(started.status, 200, started.text);
  return started.body[0];
};
const assign = (json, options) => ask('/v1/experiments/assign', { json, ...options });
const variantOf = async (id, unit, options) =>
  (await assign(unit, options)).body.assignments.find((each) => each.experiment_id === id)?.variant_id;
const expose = (json) => ask('/v1/experiments/exposures', { json });

test('a unit gets its variant, the same one each time, and is counted once it has seen it', async () => {
  const { id } = await running({ primary_metric: 'bought' });
  const session = randomUUID();
  const first = await assign({ session_id: session });
  assert.equal(first.status, 200);
  const mine = first.body.assignments.find((each) => each.experiment_id === id);
  assert.ok(['control', 'test'].includes(mine.variant_id));
  for (let n = 0; n < 3; n += 1) assert.equal(await variantOf(id, { session_id: session }), mine.variant_id);
  const { status, body } = await expose({
    session_id: session,
    exposures: [{ experiment_id: id }, { experiment_id: randomUUID() }, { experiment_id: 5 }],
  });
  assert.equal(status, 200);
  assert.equal(body.accepted, 1);
  assert.deepEqual(
    body.rejected.map(({ index }) => index),
    [1, 2],
  );
  await ask('/v1/events', { json: anEvent({ type: 'conversion', name: 'bought', session_id: session }) });
  const results = await ask(`/v1/experiments/${id}/results`, { token: await admin() });
  assert.equal(results.status, 200);
  const variant = results.body.variants.find((each) => each.variant_id === mine.variant_id);
  assert.deepEqual([variant.units, variant.conversions, variant.rate], [1, 1, 1]);
  assert.equal(results.body.sample_ratio.alarm, false);
});

test('what is no unit is refused', async () => {
  for (const json of [
    {},
    { session_id: '' },
    { session_id: 'x'.repeat(201) },
    { session_id: 'a\tb' },
    [],
    5,
    { session_id: 's', country: 'Germany' },
  ]) {
    const { status, body } = await assign(json);
    assert.deepEqual([status, body.code], [422, 'RG550'], JSON.stringify(json));
  }
  assert.equal((await ask('/v1/experiments/assign', { method: 'POST', body: 'x' })).status, 415);
});

test('raising the coverage moves nobody', async () => {
  const { id } = await running({ traffic_percentage: 30 });
  const sessions = Array.from({ length: 120 }, () => randomUUID());
  // Of an address each: one has only a share of the line.
  const from = (n) => ({ headers: { 'cf-connecting-ip': `203.0.113.${n}` } });
  const all = () => Promise.all(sessions.map((session_id, n) => variantOf(id, { session_id }, from(n))));
  const narrow = await all();
  const token = await admin();
  for (const traffic of [60, 100]) {
    await ask(`/rest/v1/experiments?id=eq.${id}`, {
      method: 'PATCH',
      body: JSON.stringify({ traffic_percentage: traffic }),
      token,
      headers: { 'content-profile': 'experiments', 'content-type': 'application/json' },
    });
    await sql('truncate private.rate_limits');
    const wide = await all();
    for (const [at, variant] of narrow.entries()) if (variant) assert.equal(wide[at], variant);
  }
  assert.ok(narrow.filter(Boolean).length < 70);
});

test('results are for admins, of experiments that there are', async () => {
  const { id } = await running();
  assert.equal((await ask(`/v1/experiments/${id}/results`)).status, 401);
  assert.equal((await ask(`/v1/experiments/${id}/results`, { key: made.publishable_key })).status, 403);
  const user = await ask(`/v1/experiments/${id}/results`, { token: await userToken() });
  assert.equal(user.status, 403);
  const token = await admin();
  const absent = await ask(`/v1/experiments/${randomUUID()}/results`, { token });
  assert.deepEqual([absent.status, absent.body.code], [404, 'RG554']);
  assert.equal((await ask('/v1/experiments/x/results', { token })).status, 404);
});

/** Texts of every script, as ids of units may be. */
const SCRIPTS = ['a', 'Z', '9', '-', 'é', 'ß', 'ж', '王', '😀', 'ﷺ', '\u{1F468}\u200D\u{1F469}', ' ', '"', '\\'];
const someUnit = () =>
  Array.from(
    { length: 1 + Math.floor(Math.random() * 24) },
    () => SCRIPTS[Math.floor(Math.random() * SCRIPTS.length)],
  ).join('');

test('odd input is answered alike by the database and, while it is away, by the edge', {
  timeout: 170_000,
}, async () => {
  await sql(`update experiments.experiments set is_active = false`);
  for (const unit of ['session_id', 'user_id']) await running({ unit, hash_seed: `Saat ü 王 ${unit}` });
  await running({ targeting_rules: { countries: ['DE'] } });
  const proxy = await startProxy(Number(new URL(stack.postgrest_url).port));
  const away = await startEdge({ POSTGREST_URL: proxy.url });
  try {
    await assign({ session_id: 'first' }, { base: away.url });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await proxy.close();
    const values = [...anything(200), ...UNSTORABLE].filter((value) => value.length < 15_000);
    const bodies = [
      ...values,
      // A unit that is in stays in: each is seen with one country only.
      ...values.flatMap((value, n) => [
        `{"user_id":${value},"country":"de"}`,
        `{"session_id":${value},"country":"de"}`,
        `{"session_id":"unit ${n}","country":${value}}`,
        `{"country":${value}}`,
      ]),
      ...[
        '{"session_id":"a","session_id":"a"}',
        '{"session_id":"a","country":"DE","x":1}',
        '{"user_id":"a","session_id":{}}',
        '',
        '{',
        '[{"session_id":"a"}]',
      ],
    ];
    // Several, for each has a limit of calls.
    const users = await Promise.all(Array.from({ length: 8 }, () => userToken()));
    let addresses = 0;
    const answered = async (body, base, token) => {
      addresses += 1;
      const headers = {
        'content-type': 'application/json',
        'cf-connecting-ip': `10.1.${addresses >> 8}.${addresses & 255}`,
      };
      const { status, body: answer } = await ask('/v1/experiments/assign', {
        method: 'POST',
        body,
        base,
        token,
        headers,
      });
      const shown = answer.assignments?.map(({ name, variant_id, is_control }) => [name, variant_id, is_control]);
      return [status, answer.code, shown];
    };
    const seen = new Set();
    const left = [...bodies];
    const worker = async () => {
      for (let body = left.pop(); body !== undefined; body = left.pop()) {
        for (const token of [undefined, users[left.length % users.length]]) {
          const [there, alone] = [await answered(body, stack.edge_url, token), await answered(body, away.url, token)];
          assert.deepEqual(alone, there, `SEED=${seed} ${body.slice(0, 200)}`);
          seen.add(there[0]);
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    assert.deepEqual([...seen].sort(), [200, 400, 422]);
    for (const body of ['{"session_id":{}}', '{"user_id":["a"]}', '{"session_id":true}', '{"session_id":1.5}']) {
      assert.deepEqual((await answered(body, stack.edge_url)).slice(0, 2), [422, 'RG550'], body);
    }
    // Past what the edge refuses the database has the same rules of its own.
    const texts = values
      .filter((value) => value.startsWith('"') && !UNSTORABLE.includes(value))
      .map((value) => JSON.parse(value));
    for (const text of texts) {
      const [{ fault }] = await sql('select (private.experiment_units(null, $1)).fault', [text]);
      const [status] = await answered(JSON.stringify({ session_id: text }), away.url);
      assert.equal(fault === null, status === 200, `${JSON.stringify(text)}: ${fault}, ${status}`);
    }
  } finally {
    await away.stop();
    await proxy.close();
    await sql(`update experiments.experiments set is_active = false`);
  }
});

test('ids that are numbers are kept to the last digit, and are one unit however they come', async () => {
  const { id } = await running();
  const [one, other] = ['12345678901234567890123', '12345678901234567890124'];
  const post = (path, body) => ask(path, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  for (const session of [one, other]) {
    assert.equal((await post('/v1/experiments/assign', `{"session_id":${session}}`)).status, 200);
    for (const body of [
      `{"session_id":${session},"exposures":[{"experiment_id":"${id}"}]}`,
      `[{"experiment_id":"${id}","session_id":${session}},{"experiment_id":"${id}","session_id":1e3}]`,
    ]) {
      const { status, body: answer } = await post('/v1/experiments/exposures', body);
      assert.deepEqual([status, answer.accepted, answer.rejected.length], [200, 1, body.startsWith('[') ? 1 : 0], body);
    }
  }
  const rows = await sql('select unit_key from experiments.assignments where experiment_id = $1 order by 1', [id]);
  assert.deepEqual(rows, [{ unit_key: `session:${one}` }, { unit_key: `session:${other}` }]);
});

test('while the database is away the edge’s own hash says the same, of 100,000 units', {
  timeout: 170_000,
}, async () => {
  await sql(`update experiments.experiments set is_active = false`);
  const prefix = randomUUID();
  // Twenty experiments of every kind.
  await sql(
    `insert into experiments.experiments (name, hash_seed, hash_version, traffic_percentage, control_variant, test_variants, namespace, targeting_rules, status)
     select $1 || n, case when n % 3 = 0 then 'Saat ü 王 ' || n else 'seed ' || n end, 1 + n % 2, (array[100, 33.33, 7.5, 99.99])[1 + n % 4],
       case when n % 2 = 0 then '{"id": "control", "weight": 0.3333}' else '{"id": "control", "weight": 0.1}' end::jsonb,
       case when n % 2 = 0 then '[{"id": "b", "weight": 0.3333}, {"id": "c", "weight": 0.3333}]' else '[{"id": "b", "weight": 0.7}, {"id": "c", "weight": 0.2}]' end::jsonb,
       case when n % 5 = 0 then jsonb_build_object('id', 'ns ' || $1, 'start', n * 0.05, 'end', n * 0.05 + 0.25) end,
       case when n % 7 = 0 then '{"countries": ["DE", "FR"]}' when n % 7 = 1 then '{"exclude_countries": ["DE"]}' else '{}' end::jsonb, 'running'
     from generate_series(0, 19) as n`,
    [prefix],
  );
  const proxy = await startProxy(Number(new URL(stack.postgrest_url).port));
  const edge = await startEdge({ POSTGREST_URL: proxy.url });
  try {
    await assign({ session_id: 'first' }, { base: edge.url });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await proxy.close();
    const units = Array.from({ length: 5000 }, (_, n) => ({
      session_id: `${n} ${someUnit()}`,
      country: ['DE', 'FR', 'US', null][n % 4],
    }));
    const seen = new Map();
    const left = [...units];
    const worker = async () => {
      for (let unit = left.pop(); unit; unit = left.pop()) {
        const { status, body } = await assign(unit, { base: edge.url });
        assert.equal(status, 200);
        seen.set(unit.session_id, body.assignments.map(({ name, variant_id: variant }) => `${name} ${variant}`).sort());
      }
    };
    await Promise.all(Array.from({ length: 40 }, worker));
    const wanted = await sql(
      `select u.unit ->> 'session_id' as unit, coalesce(array_agg(e.name || ' ' || v.variant order by e.name || ' ' || v.variant collate "C") filter (where v.variant is not null), '{}') as all
       from jsonb_array_elements($1::jsonb) as u (unit) cross join experiments.experiments as e
       cross join lateral (select private.variant_of(e, u.unit ->> 'session_id', u.unit ->> 'country') as variant) as v
       where e.name like $2 || '%' group by 1`,
      [JSON.stringify(units), prefix],
    );
    assert.equal(seen.size, 5000);
    let assigned = 0;
    for (const { unit, all } of wanted) {
      assert.deepEqual(seen.get(unit), [...all].sort(), unit);
      assigned += all.length;
    }
    assert.ok(assigned > 30_000 && assigned < 90_000, `${assigned} of 100,000`);
    // A user's token is the user, also then.
    const sub = randomUUID();
    const bad = await assign({ session_id: '' }, { base: edge.url });
    assert.deepEqual([bad.status, bad.body.code], [422, 'RG550'], 'what the database refuses is refused without it');
    const expired = await expose({ session_id: sub, exposures: [] });
    assert.equal(expired.status, 200, 'through the other edge, whose database is there');
    const gone = await ask('/v1/experiments/exposures', { json: { session_id: sub, exposures: [] }, base: edge.url });
    assert.equal(gone.status, 503, 'and nothing is said to be stored');
  } finally {
    await edge.stop();
    await proxy.close();
    await sql(`update experiments.experiments set is_active = false`);
  }
});
