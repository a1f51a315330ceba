// Experiments: who is in which variant, who may know it, and what is made of it; checked against computations of its own.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { anything, batches, seed, spoiled } from '../../support/any_json.js';
import { as, ask, close, edgeToken, onBehalf, sql, stack, transaction, userToken } from '../../support/stack.js';

const ADMIN = { app_metadata: { role: 'admin' } };
const admin = { role: 'authenticated', claims: { sub: randomUUID(), ...ADMIN } };
/** Somebody without a token, at an address of their own: nobody's limit is anybody else's. */
const visitor = (country) => ({
  role: 'anon',
  claims: { edge: { addr: randomUUID(), net: '192.0.2.0/24', ...(country && { country }) } },
});
const user = (sub) => ({ role: 'authenticated', claims: { sub } });
const service = { role: 'service_role' };

let ownEvents;
before(async () => {
  const [{ there }] = await sql(`select to_regclass('analytics.events') is not null as there`);
  ownEvents = !there;
  if (ownEvents) {
    await sql(`create table analytics.events (
      id uuid, type text, name text, user_id uuid, session_id text, occurred_at timestamptz, is_bot boolean not null default false)`);
  }
});
after(async () => {
  await sql('delete from experiments.experiments');
  await sql(ownEvents ? 'drop table analytics.events' : `delete from analytics.events where session_id ~ '^test-'`);
  await close();
});

const CONTROL = { id: 'control', weight: 0.5 };
const TESTS = [
  { id: 'red', name: 'Red', weight: 0.25 },
  { id: 'blue', weight: 0.25 },
];

/** An experiment, as the database's owner makes it. */
const experiment = async (fields = {}) => {
  const row = { name: 'Colors', status: 'running', control_variant: CONTROL, test_variants: TESTS, ...fields };
  const names = Object.keys(row).join(', ');
  const [made] = await sql(
    `insert into experiments.experiments (${names})
    select ${names} from jsonb_populate_record(null::experiments.experiments, $1) returning *`,
    [row],
  );
  return made;
};
const over = (id) => sql('delete from experiments.experiments where id = $1', [id]);
const change = (id, fields, who) => {
  const list = Object.keys(fields).map((name) => `${name} = (jsonb_populate_record(x, $2)).${name}`);
  const statement = `update experiments.experiments as x set ${list.join(', ')} where id = $1 returning *`;
  const run = who ? (body) => as(who, body) : (body) => body(sql);
  return run(async (query) => (await query(statement, [id, fields]))[0]);
};

const assign = (who, { user_id = null, session_id = null, country = null } = {}) =>
  as(onBehalf(who), async (query) => {
    const [{ answer }] = await query('select experiments.auto_assign_experiments($1, $2, $3) as answer', [
      user_id,
      session_id,
      country,
    ]);
    return answer.assignments;
  });
/** A caller's assignment of one experiment. */
const assignment = async (who, unit, id) => (await assign(who, unit)).find(({ experiment_id }) => experiment_id === id);
const expose = (who, exposures, headers) =>
  as(onBehalf({ ...who, headers }), async (query) => {
    const [{ answer }] = await query('select experiments.record_exposures($1) as answer', [JSON.stringify(exposures)]);
    return answer;
  });
const results = (who, id) =>
  as(who, async (query) => (await query('select experiments.experiment_results($1) as answer', [id]))[0].answer);
const stored = (id) => sql('select * from experiments.assignments where experiment_id = $1 order by unit_key', [id]);

const refusal = (code, status) => (error) => {
  assert.equal(error.code, 'PGRST', error.message);
  assert.equal(JSON.parse(error.message).code, code, error.message);
  if (status) assert.equal(JSON.parse(error.detail).status, status);
  return true;
};

// An implementation of its own, from the description of GrowthBook's SDKs.
const fnv = (text) => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193) >>> 0;
  return hash;
};
const hashOf = (seed, value, version) =>
  version === 2 ? (fnv(`${fnv(seed + value)}`) % 10000) / 10000 : (fnv(value + seed) % 1000) / 1000;
const variantOf = (made, unit) => {
  const { namespace } = made;
  if (namespace) {
    const place = hashOf(`__${namespace.id}`, unit, 1);
    if (place < namespace.start || place >= namespace.end) return null;
  }
  const place = hashOf(made.hash_seed, unit, made.hash_version);
  const coverage = Number(made.traffic_percentage) / 100;
  let below = 0;
  for (const { id, weight } of [made.control_variant, ...made.test_variants]) {
    if (place >= below && place < below + coverage * weight) return id;
    below += weight;
  }
  return null;
};

const ALPHABET = [...'abcXYZ0189-_@. äßéñ漢字жあ🙂🇩🇪\u00a0\u200d'];
const randomText = (most) =>
  Array.from(
    { length: 1 + Math.floor(Math.random() * most) },
    () => ALPHABET[Math.floor(Math.random() * ALPHABET.length)],
  ).join('');

test('the hash gives the published vectors, and beyond ASCII what GrowthBook’s JavaScript gives', async () => {
  const vectors = [
    ['', 'a', 1, 0.22],
    ['seed', 'a', 2, 0.0505],
    ['foo', 'def', 2, 0.2019],
    // Of its own JavaScript.
    ['seed', 'josé', 2, 0.5199],
    ['seed', 'Ünal', 2, 0.3329],
    ['seed', '用户', 2, 0.536],
    ['seed', '👍', 2, 0.0852],
    ['seed', 'josé', 1, 0.803],
    ['seed', 'Ünal', 1, 0.435],
    ['seed', '用户', 1, 0.445],
    ['seed', '👍', 1, 0.258],
    ...[1, 2].flatMap((version) =>
      [
        ['', 'ä'],
        ['größe', 'Zoë'],
        ['漢字', 'あ'],
        ['🙂', '🇩🇪'],
        ['seed', ''],
      ].map(([seed, value]) => [seed, value, version, hashOf(seed, value, version)]),
    ),
  ];
  for (const [seed, value, version, wanted] of vectors) {
    const [{ hash }] = await sql('select experiments.hash($1, $2, $3) as hash', [seed, value, version]);
    assert.equal(hash, wanted, `${seed} ${value} ${version}`);
  }
  // Fixed, so that both implementations cannot drift together.
  const [fixed] = await sql(`select experiments.fnv1a32('') as empty, experiments.fnv1a32('a') as a,
    experiments.fnv1a32('foobar') as foobar, experiments.hash('', 'a', 3) as none`);
  assert.deepEqual(fixed, { empty: '2166136261', a: '3826002220', foobar: '3214735720', none: null });
});

test('ten thousand units are where another implementation puts them', async () => {
  const shapes = [
    {},
    { hash_version: 1, traffic_percentage: 37.5 },
    { hash_seed: 'größe 漢字', traffic_percentage: 12.34 },
    { namespace: { id: 'naïve', start: 0.1, end: 0.7 }, test_variants: [{ id: 'x', weight: 0.49 }] },
    {
      control_variant: { id: 'a', weight: 0.1 },
      test_variants: [
        { id: 'b', weight: 0.2 },
        { id: 'c', weight: 0.3 },
        { id: 'd', weight: 0.4 },
      ],
      traffic_percentage: 70,
    },
  ];
  for (const shape of shapes) {
    const made = await experiment({ ...shape, status: 'draft' });
    const units = Array.from({ length: 2000 }, () => randomText(40));
    const rows = await sql(
      `select private.variant_of(e, u.value, null) as variant from experiments.experiments as e,
      unnest($2::text[]) with ordinality as u (value, position) where e.id = $1 order by u.position`,
      [made.id, units],
    );
    for (const [at, { variant }] of rows.entries()) assert.equal(variant, variantOf(made, units[at]), units[at]);
    await over(made.id);
  }
});

test('units spread over the variants as the weights say', async () => {
  const made = await experiment({ status: 'draft' });
  const rows = await sql(
    `select private.variant_of(e, 'unit ' || n, null) as variant, count(*)::int as count
    from experiments.experiments as e, generate_series(1, 20000) as n where e.id = $1 group by 1`,
    [made.id],
  );
  const count = Object.fromEntries(rows.map(({ variant, count: n }) => [variant, n]));
  assert.ok(Math.abs(count.control - 10000) < 400, JSON.stringify(count));
  assert.ok(Math.abs(count.red - 5000) < 350, JSON.stringify(count));
  assert.equal(count.control + count.red + count.blue, 20000, 'a full coverage leaves out nobody');
  await over(made.id);
});

test('a unit gets the same variant each time, and it is stored once', async () => {
  const made = await experiment();
  const unit = { session_id: randomUUID(), country: 'de' };
  const first = await assignment(visitor(), unit, made.id);
  assert.deepEqual(first, {
    experiment_id: made.id,
    name: 'Colors',
    variant_id: variantOf(made, unit.session_id),
    bucket_version: 1,
    is_control: first.variant_id === 'control',
    source: 'hash',
  });
  assert.deepEqual(await assignment(visitor(), unit, made.id), { ...first, source: 'sticky' });
  const [row, ...more] = await stored(made.id);
  assert.deepEqual(more, []);
  assert.deepEqual(
    [row.unit_key, row.session_id, row.user_id, row.variant_id, row.source, row.country, row.exposure_count],
    [`session:${unit.session_id}`, unit.session_id, null, first.variant_id, 'hash', 'DE', '0'],
  );
  await over(made.id);
});

test('a repeated call writes no assignment', async () => {
  const made = await experiment();
  const unit = { session_id: randomUUID() };
  await assign(visitor(), unit);
  const version = () =>
    sql('select ctid::text, xmin::text, xmax::text from experiments.assignments where experiment_id = $1', [made.id]);
  const before_ = await version();
  for (let n = 0; n < 3; n++) await assign(visitor(), unit);
  assert.deepEqual(await version(), before_);
  await over(made.id);
});

test('fifty first calls at once store one row and tell one variant', async () => {
  const made = await Promise.all([experiment(), experiment(), experiment()]);
  const unit = { session_id: randomUUID() };
  const answers = await Promise.all(Array.from({ length: 50 }, () => assign(visitor(), unit)));
  for (const { id } of made) {
    const variants = answers.map((all) => all.find(({ experiment_id }) => experiment_id === id).variant_id);
    assert.equal(new Set(variants).size, 1);
    assert.equal((await stored(id)).length, 1);
    await over(id);
  }
});

test('only a running experiment assigns: status, switch and dates', async () => {
  const hour = (n) => new Date(Date.now() + n * 3600e3).toISOString();
  const cases = [
    [{}, true],
    [{ status: 'draft' }, false],
    [{ status: 'paused' }, false],
    [{ status: 'completed' }, false],
    [{ status: 'archived' }, false],
    [{ is_active: false }, false],
    [{ start_date: hour(1) }, false],
    [{ start_date: hour(-2), end_date: hour(-1) }, false],
    [{ start_date: hour(-2), end_date: hour(1) }, true],
  ];
  for (const [fields, runs] of cases) {
    const made = await experiment(fields);
    const session_id = randomUUID();
    assert.equal(Boolean(await assignment(visitor(), { session_id }, made.id)), runs, JSON.stringify(fields));
    const answer = await expose(visitor(), { session_id, exposures: [{ experiment_id: made.id }] });
    const wanted = runs ? { accepted: 1, rejected: [] } : { accepted: 0, rejected: [{ index: 0, code: 'RG554' }] };
    assert.deepEqual(answer, wanted, JSON.stringify(fields));
    await over(made.id);
  }
});

test('raising the coverage moves nobody, lowering it puts nobody out', async () => {
  const made = await experiment({ traffic_percentage: 20 });
  const sessions = Array.from({ length: 60 }, () => randomUUID());
  const variants = () =>
    Promise.all(sessions.map(async (session_id) => (await assignment(visitor(), { session_id }, made.id))?.variant_id));
  const at20 = await variants();
  const raised = await change(made.id, { traffic_percentage: 80 });
  assert.equal(raised.bucket_version, '1');
  const at80 = await variants();
  assert.ok(at80.filter(Boolean).length > at20.filter(Boolean).length);
  for (const [at, variant] of at20.entries()) if (variant) assert.equal(at80[at], variant);
  await change(made.id, { traffic_percentage: 0 });
  assert.deepEqual(await variants(), at80, 'sticky');
  assert.equal(await assignment(visitor(), { session_id: randomUUID() }, made.id), undefined);
  await over(made.id);
});

test('what moves units raises the bucket version, and old assignments are made anew', async () => {
  const moves = {
    weights: { control_variant: { id: 'control', weight: 0.4 }, test_variants: [{ id: 'red', weight: 0.6 }] },
    variants: { test_variants: [TESTS[0], { id: 'green', weight: 0.25 }] },
    order: { test_variants: [TESTS[1], TESTS[0]] },
    seed: { hash_seed: 'another' },
    'hash version': { hash_version: 1 },
    namespace: { namespace: { id: 'ns-moves', start: 0, end: 1 } },
    unit: { unit: 'user_id' },
  };
  const stays = {
    coverage: { traffic_percentage: 50 },
    'names of variants': { control_variant: { ...CONTROL, name: 'As it is' } },
    rules: { targeting_rules: { countries: ['DE'] } },
    'name and metric': { name: 'Other', primary_metric: 'buy', description: 'd' },
    pause: { status: 'paused' },
  };
  for (const [what, fields] of Object.entries(moves)) {
    const made = await experiment();
    assert.equal((await change(made.id, fields)).bucket_version, '2', what);
    await over(made.id);
    const draft = await experiment({ status: 'draft' });
    assert.equal((await change(draft.id, fields)).bucket_version, '1', `${what}, of a draft`);
    await over(draft.id);
    const paused = await experiment({ status: 'paused' });
    assert.equal((await change(paused.id, fields)).bucket_version, '2', `${what}, while paused`);
    await over(paused.id);
  }
  for (const [what, fields] of Object.entries(stays)) {
    const made = await experiment();
    assert.equal((await change(made.id, fields)).bucket_version, '1', what);
    await over(made.id);
  }

  const made = await experiment();
  const session_id = randomUUID();
  await assign(visitor(), { session_id });
  await expose(visitor(), { session_id, exposures: [{ experiment_id: made.id }] });
  const changed = await change(made.id, moves.weights);
  assert.equal(
    (await results(admin, made.id)).variants.reduce((sum, { units }) => sum + units, 0),
    0,
    'not mixed',
  );
  const now = await assignment(visitor(), { session_id }, made.id);
  assert.deepEqual([now.variant_id, now.bucket_version, now.source], [variantOf(changed, session_id), 2, 'hash']);
  const [row] = await stored(made.id);
  assert.deepEqual([row.bucket_version, row.exposure_count, row.first_exposure_at], ['2', '0', null]);
  // Nothing but the trigger sets it.
  assert.equal((await change(made.id, { bucket_version: 1 })).bucket_version, '2');
  await over(made.id);
});

test('only whose country fits may enter, and stays in wherever they go', async () => {
  const cases = [
    [{ countries: ['DE', 'AT'] }, { DE: true, at: true, FR: false, '': false }],
    [{ exclude_countries: ['US'] }, { US: false, us: false, FR: true, '': true }],
    [
      { countries: ['DE'], exclude_countries: ['DE'] },
      { DE: false, FR: false },
    ],
    [{}, { DE: true, '': true }],
  ];
  for (const [targeting_rules, countries] of cases) {
    const made = await experiment({ targeting_rules });
    for (const [country, fits] of Object.entries(countries)) {
      const found = await assignment(visitor(), { session_id: randomUUID(), country }, made.id);
      assert.equal(Boolean(found), fits, `${JSON.stringify(targeting_rules)} ${country}`);
    }
    await over(made.id);
  }
  const made = await experiment({ targeting_rules: { countries: ['DE'] } });
  const session_id = randomUUID();
  assert.ok(await assignment(visitor('DE'), { session_id }, made.id));
  assert.ok(await assignment(visitor('FR'), { session_id }, made.id), 'travels');
  assert.equal((await expose(visitor('FR'), { session_id, exposures: [{ experiment_id: made.id }] })).accepted, 1);
  await over(made.id);
});

test('what the edge says of the country counts, and what the caller says only without it', async () => {
  const made = await experiment({ targeting_rules: { countries: ['DE'] } });
  const unit = () => ({ session_id: randomUUID(), country: 'DE' });
  assert.equal(await assignment(visitor('FR'), unit(), made.id), undefined);
  assert.ok(await assignment(visitor('DE'), { session_id: randomUUID(), country: 'FR' }, made.id));
  assert.ok(await assignment(visitor(), unit(), made.id));
  const forged = { role: 'anon', claims: { iss: 'https://issuer.example', edge: { country: 'FR', addr: 'x' } } };
  assert.ok(await assignment(forged, unit(), made.id), 'an issuer’s token does not speak for the edge');
  const { session_id } = unit();
  const body = { session_id, country: 'DE', exposures: [{ experiment_id: made.id }] };
  assert.deepEqual(await expose(visitor('FR'), body), { accepted: 0, rejected: [{ index: 0, code: 'RG555' }] });
  assert.equal((await expose(visitor(), body)).accepted, 1);
  await over(made.id);
});

test('of a server the country that it sends counts: its own place is not its users’', async () => {
  const made = await experiment({ targeting_rules: { countries: ['FR'] } });
  const server = (country) => ({ ...service, claims: visitor(country).claims });
  for (const [place, country, isIn] of [
    ['DE', 'FR', true],
    ['FR', 'DE', false],
    ['FR', null, false],
  ]) {
    const session_id = randomUUID();
    const found = await assignment(server(place), { session_id, country }, made.id);
    assert.equal(Boolean(found), isIn, `${place} ${country}`);
    const exposed = { session_id: randomUUID(), ...(country && { country }), exposures: [{ experiment_id: made.id }] };
    assert.equal((await expose(server(place), exposed)).accepted, Number(isIn), `${place} ${country}`);
  }
  assert.ok((await stored(made.id)).every(({ country }) => country === 'FR'));
  await over(made.id);
});

test('a unit is in at most one experiment of a namespace, and every place of it is used', async () => {
  const first = await experiment({ namespace: { id: 'ns-page', start: 0, end: 0.4 } });
  const second = await experiment({ namespace: { id: 'ns-page', start: 0.4, end: 1 } });
  let [inFirst, inSecond] = [0, 0];
  for (let n = 0; n < 80; n++) {
    const session_id = randomUUID();
    const all = (await assign(visitor(), { session_id })).map(({ experiment_id }) => experiment_id);
    const [a, b] = [all.includes(first.id), all.includes(second.id)];
    assert.equal(Number(a) + Number(b), 1, session_id);
    inFirst += a;
    inSecond += b;
  }
  assert.ok(inFirst > 10 && inSecond > 20, `${inFirst} ${inSecond}`);
  await over(first.id);
  await over(second.id);
});

test('ranges of running experiments of one namespace do not overlap', async () => {
  const ns = (start, end, id = 'ns-taken') => ({ namespace: { id, start, end } });
  const first = await experiment(ns(0.2, 0.5));
  const free = [ns(0, 0.2), ns(0.5, 1), ns(0.3, 0.4, 'ns-other'), { ...ns(0.3, 0.4), status: 'draft' }, {}];
  for (const fields of free) await over((await experiment(fields)).id);
  for (const fields of [
    ns(0.2, 0.5),
    ns(0.1, 0.3),
    ns(0.4, 0.6),
    ns(0.3, 0.4),
    ns(0, 1),
    { ...ns(0.6, 1), unit: 'user_id' },
  ]) {
    await assert.rejects(experiment(fields), refusal('RG558', 409), JSON.stringify(fields));
  }
  const draft = await experiment({ ...ns(0.3, 0.6), status: 'draft' });
  await assert.rejects(change(draft.id, { status: 'running' }, admin), refusal('RG558', 409));
  await change(first.id, { status: 'paused' });
  await change(draft.id, { status: 'running' }, admin);
  await assert.rejects(change(first.id, { status: 'running' }, admin), refusal('RG558', 409));
  await change(first.id, ns(0, 0.3));
  await change(first.id, { status: 'running' });
  await assert.rejects(change(first.id, ns(0, 0.31)), refusal('RG558', 409), 'while it runs');
  await over(first.id);
  await over(draft.id);
});

test('of twenty who take one range at once, one gets it', async () => {
  const drafts = await Promise.all(
    Array.from({ length: 20 }, () => experiment({ status: 'draft', namespace: { id: 'ns-race', start: 0, end: 0.5 } })),
  );
  const started = await Promise.allSettled(drafts.map(({ id }) => change(id, { status: 'running' }, admin)));
  assert.equal(started.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const { reason } of started.filter(({ status }) => status === 'rejected')) refusal('RG558')(reason);
  for (const { id } of drafts) await over(id);
});

test('a signed-in caller is their own user, even if they say otherwise', async () => {
  const made = await experiment({ unit: 'user_id' });
  const [sub, other] = [randomUUID(), randomUUID()];
  assert.equal((await assignment(user(sub), { user_id: other }, made.id)).variant_id, variantOf(made, sub));
  const [row] = await stored(made.id);
  assert.deepEqual([row.unit_key, row.user_id], [`user:${sub}`, sub]);
  await expose(user(sub), [{ experiment_id: made.id, user_id: other }]);
  assert.deepEqual(
    (await stored(made.id)).map((each) => [each.unit_key, each.exposure_count]),
    [[`user:${sub}`, '1']],
  );
  // service_role speaks for its users, whose ids are spelled as their tokens have them.
  assert.equal((await assignment(service, { user_id: sub }, made.id)).source, 'sticky');
  assert.equal((await assignment(service, { user_id: 'customer 7' }, made.id)).source, 'hash');
  assert.equal((await assignment(service, { user_id: 'customer 7' }, made.id)).source, 'sticky');
  await over(made.id);
});

test('a unit is hashed and unique exactly as it was sent', async () => {
  const units = [
    'a',
    'A',
    ' a',
    'a ',
    'é',
    'e\u0301',
    'İ',
    'i',
    'ı',
    'I',
    'ſ',
    's',
    'a\u200b',
    'a\u00ad',
    'K',
    '\u212a',
    'ﬁ',
    'fi',
  ];
  units.push(...[randomUUID()].flatMap((id) => [id, id.toUpperCase(), `{${id}}`]));
  for (const unit of ['session_id', 'user_id']) {
    const made = await experiment({ unit });
    for (const who of [visitor(), service]) {
      for (const value of units) {
        assert.equal((await assignment(who, { [unit]: value }, made.id)).variant_id, variantOf(made, value), value);
        await expose(who, [{ experiment_id: made.id, [unit]: value }]);
      }
    }
    const keys = (await stored(made.id)).map(({ unit_key }) => unit_key);
    const kinds = unit === 'session_id' ? ['session:'] : ['claimed:', 'user:'];
    assert.deepEqual(keys.sort(), kinds.flatMap((kind) => units.map((value) => kind + value)).sort());
    const staff = (value) =>
      as(admin, (query) => query('select experiments.override_assignment($1, $2, $3, $3)', [made.id, 'red', value]));
    for (const value of units) await staff(value);
    const overridden = (await stored(made.id)).filter(({ source }) => source === 'override');
    assert.deepEqual(
      overridden.map(({ unit_key }) => unit_key).sort(),
      units.map((value) => kinds.at(-1) + value).sort(),
    );
    await over(made.id);
  }
});

test('of all characters the control characters cannot be in a unit, in any locale', async () => {
  const [{ refused }] = await sql(
    `select array_agg(point order by point) as refused from generate_series(1, 1114111) as point
     where point not between 55296 and 57343 and not private.is_unit('a' || chr(point))`,
  );
  const wanted = Array.from({ length: 0xa0 }, (_, point) => point).filter((point) =>
    /\p{Cc}/u.test(String.fromCodePoint(point)),
  );
  assert.deepEqual(refused, wanted.slice(1));
});

test('a caller who guesses a user’s id gets the hash’s variant and nothing that is stored', async () => {
  const made = await experiment({ unit: 'user_id' });
  const sub = randomUUID();
  const variant = variantOf(made, sub);
  const another = ['control', 'red', 'blue'].find((id) => id !== variant);
  await as(admin, (query) => query('select experiments.override_assignment($1, $2, $3)', [made.id, another, sub]));
  assert.equal((await assignment(user(sub), {}, made.id)).variant_id, another, 'the user themselves');
  const guess = await assignment(visitor(), { user_id: sub }, made.id);
  assert.deepEqual([guess.variant_id, guess.source], [variant, 'hash']);
  assert.deepEqual(
    (await expose(visitor(), [{ experiment_id: made.id, user_id: sub, variant_id: another }])).rejected,
    [{ index: 0, code: 'RG556' }],
  );
  assert.equal((await expose(visitor(), [{ experiment_id: made.id, user_id: sub }])).accepted, 1);
  const [{ exposure_count }] = (await stored(made.id)).filter(({ unit_key }) => unit_key === `user:${sub}`);
  assert.equal(exposure_count, '0', 'the user’s row is not written');
  await over(made.id);
});

test('a name that anybody may type is sticky for the session that typed it, and for no other', async () => {
  const made = await experiment({ unit: 'user_id', targeting_rules: { countries: ['DE'] } });
  const mine = { user_id: 'ada@example.org', session_id: randomUUID() };
  assert.equal((await assignment(visitor('DE'), mine, made.id)).source, 'hash');
  assert.equal((await assignment(visitor('FR'), mine, made.id)).source, 'sticky');
  const others = [{ user_id: mine.user_id }, { user_id: mine.user_id, session_id: randomUUID() }];
  for (const unit of others) {
    assert.equal(await assignment(visitor('FR'), unit, made.id), undefined, 'as if nothing were stored');
    assert.equal((await assignment(visitor('DE'), unit, made.id)).source, 'hash');
    const exposed = await expose(visitor('FR'), { ...unit, exposures: [{ experiment_id: made.id }] });
    assert.deepEqual(exposed.rejected, [{ index: 0, code: 'RG555' }]);
  }
  assert.deepEqual(
    (await stored(made.id)).map(({ unit_key, session_id, user_id }) => [unit_key, session_id, user_id]),
    [[`claimed:${mine.user_id}`, mine.session_id, null]],
  );
  await over(made.id);
});

test('a unit is opaque: hashed and stored as it was sent', async () => {
  const made = await experiment({ unit: 'user_id' });
  const sub = randomUUID();
  const units = [sub, sub.toUpperCase(), 'Zo\u00eb', 'Zoe\u0308', 'zo\u00eb', ' Zo\u00eb', 'Zo\u200b\u00eb'];
  for (const unit of units) {
    const { source, variant_id } = await assignment(service, { user_id: unit }, made.id);
    assert.equal(source, 'hash', JSON.stringify(unit));
    if (/^[ -~]+$/.test(unit)) assert.equal(variant_id, variantOf(made, unit), unit);
  }
  assert.deepEqual(
    (await stored(made.id)).map(({ unit_key }) => unit_key).sort(),
    units.map((unit) => `user:${unit}`).sort(),
  );
  const another = ['control', 'red', 'blue'].find((id) => id !== variantOf(made, sub.toUpperCase()));
  await as(admin, (query) =>
    query('select experiments.override_assignment($1, $2, $3)', [made.id, another, sub.toUpperCase()]),
  );
  assert.equal((await assignment(service, { user_id: sub.toUpperCase() }, made.id)).variant_id, another);
  assert.equal((await assignment(service, { user_id: sub }, made.id)).variant_id, variantOf(made, sub));
  await over(made.id);
});

test('a session and a user of one name are two units, and nobody hangs a user on a session', async () => {
  const [bySession, byUser] = [await experiment(), await experiment({ unit: 'user_id' })];
  const id = randomUUID();
  await assign(visitor(), { session_id: id, user_id: id });
  assert.deepEqual(
    (await stored(bySession.id)).map((row) => [row.unit_key, row.user_id]),
    [[`session:${id}`, null]],
  );
  assert.deepEqual(
    (await stored(byUser.id)).map((row) => [row.unit_key, row.user_id]),
    [[`claimed:${id}`, id]],
  );
  const sub = randomUUID();
  await assign(user(sub), { session_id: 'test-own' });
  const own = (await stored(bySession.id)).find(({ session_id }) => session_id === 'test-own');
  assert.equal(own.user_id, sub, 'a user’s own session is erased with them');
  // Only who has what the experiment is for is in it.
  assert.equal(await assignment(visitor(), { session_id: randomUUID() }, byUser.id), undefined);
  assert.equal(await assignment(visitor(), { user_id: 'x' }, bySession.id), undefined);
  await over(bySession.id);
  await over(byUser.id);
});

test('a call for nobody, or with what is no id and no country, is refused', async () => {
  const long = 'x'.repeat(201);
  const cases = [
    {},
    { user_id: '', session_id: '' },
    { user_id: long, session_id: 's' },
    { session_id: long },
    { session_id: 'a\nb' },
    { user_id: 'a\u0007' },
    { session_id: 's', country: 'Germany' },
    { session_id: 's', country: 'D' },
    { session_id: 's', country: '1D' },
    { session_id: 's', country: 'ÄÖ' },
    { session_id: 's', country: "D'" },
  ];
  for (const unit of cases) await assert.rejects(assign(visitor(), unit), refusal('RG550', 422), JSON.stringify(unit));
  await assert.rejects(assign(user(randomUUID()), { user_id: long }), refusal('RG550', 422));
  assert.ok(Array.isArray(await assign(visitor(), { session_id: 'x'.repeat(200), country: 'T1' })));
});

test('an exposure counts from the first, and only later ones count again', async () => {
  const made = await experiment();
  await change(made.id, { start_date: new Date(Date.now() - 86400e3).toISOString() });
  const session_id = randomUUID();
  const at = (seconds) => new Date(Date.now() - 3600e3 + seconds * 1000).toISOString();
  const times = [at(10), at(20), at(30)];
  const send = (...some) =>
    expose(visitor(), { session_id, exposures: some.map((each) => ({ experiment_id: made.id, at: each })) });
  const row = async () => {
    const [found] = await stored(made.id);
    return [found.first_exposure_at.toISOString(), found.last_exposure_at.toISOString(), found.exposure_count];
  };
  assert.deepEqual(await send(times[1]), { accepted: 1, rejected: [] });
  assert.deepEqual(await row(), [times[1], times[1], '1'], 'computed elsewhere, stored here');
  await send(times[1]);
  assert.deepEqual(await row(), [times[1], times[1], '1'], 'sent again');
  await send(times[1], times[2], times[2]);
  assert.deepEqual(await row(), [times[1], times[2], '2']);
  await send(times[1], times[2]);
  assert.deepEqual(await row(), [times[1], times[2], '2'], 'sent again');
  await expose(visitor(), { session_id, exposures: [{ experiment_id: made.id }] });
  assert.equal((await row())[2], '3', 'now, without a time');
  await send(at(2 * 3600));
  const [, last] = await row();
  assert.ok(Date.parse(last) <= Date.now(), 'a clock that is fast');
  await over(made.id);

  const assigned = await experiment();
  await assign(visitor(), { session_id });
  await expose(visitor(), { session_id, exposures: [{ experiment_id: assigned.id, at: times[0] }] });
  const [late] = await stored(assigned.id);
  assert.deepEqual(late.first_exposure_at, late.assigned_at, 'nobody is exposed before they are assigned');
  await over(assigned.id);
});

test('an exposure that is sent again with its Idempotency-Key gives the same answer and changes nothing', async () => {
  const made = await experiment();
  const headers = { 'idempotency-key': randomUUID() };
  const body = { session_id: randomUUID(), exposures: [{ experiment_id: made.id }, { experiment_id: randomUUID() }] };
  const first = await expose(visitor(), body, headers);
  assert.deepEqual(first, { accepted: 1, rejected: [{ index: 1, code: 'RG554' }] });
  assert.deepEqual(await expose(visitor(), body, headers), first);
  assert.equal((await stored(made.id))[0].exposure_count, '1');
  await assert.rejects(expose(visitor(), { ...body, session_id: 'x' }, headers), refusal('RG503', 422));
  await over(made.id);
});

test('forty who send the same exposures in another order neither wait for ever nor count twice', async () => {
  const made = await Promise.all(Array.from({ length: 6 }, () => experiment()));
  const session_id = randomUUID();
  const at = new Date().toISOString();
  const exposures = made.map(({ id }) => ({ experiment_id: id, at }));
  const answers = await Promise.all(
    Array.from({ length: 40 }, (_, n) => {
      const turned = n % 2 ? exposures : [...exposures].reverse();
      return n % 5 === 0 ? assign(visitor(), { session_id }) : expose(visitor(), { session_id, exposures: turned });
    }),
  );
  for (const answer of answers) if (!Array.isArray(answer)) assert.deepEqual(answer, { accepted: 6, rejected: [] });
  for (const { id } of made) {
    const rows = await stored(id);
    assert.deepEqual(
      rows.map(({ exposure_count }) => exposure_count),
      ['1'],
    );
    await over(id);
  }
});

test('a bad exposure is reported with its index and loses no other', async () => {
  const made = await experiment({ targeting_rules: { countries: ['DE'] } });
  const byUser = await experiment({ unit: 'user_id' });
  const session_id = randomUUID();
  const right = variantOf(made, session_id);
  const wrong = ['control', 'red', 'blue'].find((id) => id !== right);
  const ok = { experiment_id: made.id, session_id };
  const day = (n) => new Date(Date.now() + n * 86400e3).toISOString();
  const cases = [
    [ok, null],
    [{ ...ok, variant_id: right }, null],
    [{ ...ok, variant_id: null, user_id: null, at: null }, null],
    [{ ...ok, experiment_id: made.id.toUpperCase(), at: day(0.5) }, null],
    [{ ...ok, at: '2026-01-01' }, 'RG551'],
    [{ ...ok, at: 'yesterday' }, 'RG551'],
    [{ ...ok, at: 'infinity' }, 'RG551'],
    [{ ...ok, at: '2026-13-45T99:00:00Z' }, 'RG551'],
    [{ ...ok, at: '9999-12-31T23:59:59.999999999Z' }, 'RG551'],
    [{ ...ok, at: '0000-00-00T00:00:00Z' }, 'RG551'],
    [{ ...ok, at: '2026-01-01T00:00:00+99:99' }, 'RG551'],
    [{ ...ok, at: 1e300 }, 'RG551'],
    [{ ...ok, at: {} }, 'RG551'],
    [{ ...ok, at: day(-6) }, 'RG551'],
    [{ ...ok, at: day(2) }, 'RG551'],
    [null, 'RG551'],
    [1, 'RG551'],
    ['x', 'RG551'],
    [[], 'RG551'],
    [[ok], 'RG551'],
    [{}, 'RG551'],
    [{ session_id }, 'RG551'],
    [{ ...ok, experiment_id: 'x' }, 'RG551'],
    [{ ...ok, experiment_id: 7 }, 'RG551'],
    [{ ...ok, experiment_id: {} }, 'RG551'],
    [{ ...ok, experiment_id: randomUUID() }, 'RG554'],
    [{ ...ok, session_id: {} }, 'RG551'],
    [{ ...ok, session_id: true }, 'RG551'],
    [{ ...ok, session_id: 1.5 }, 'RG551'],
    [{ ...ok, session_id: 'a\u0085' }, 'RG550'],
    [{ ...ok, variant_id: [right] }, 'RG551'],
    [{ ...ok, session_id: 'x'.repeat(201) }, 'RG550'],
    [{ experiment_id: made.id }, 'RG550'],
    [{ experiment_id: byUser.id, session_id }, 'RG550'],
    [{ ...ok, variant_id: wrong }, 'RG556'],
    [{ ...ok, variant_id: 'no such' }, 'RG556'],
    [{ ...ok, variant_id: 1 }, 'RG556'],
  ];
  const answer = await expose(
    visitor('DE'),
    cases.map(([exposure]) => exposure),
  );
  const rejected = cases.flatMap(([, code], index) => (code ? [{ index, code }] : []));
  assert.deepEqual(answer, { accepted: cases.length - rejected.length, rejected });
  assert.equal((await stored(made.id)).length, 1);
  const elsewhere = await expose(visitor('FR'), [{ ...ok, session_id: randomUUID() }, ok]);
  assert.deepEqual(elsewhere, { accepted: 1, rejected: [{ index: 0, code: 'RG555' }] });
  await over(made.id);
  await over(byUser.id);
});

test('any JSON in any field of an exposure costs that exposure only', async () => {
  const made = await experiment();
  const good = () => ({ experiment_id: made.id, session_id: randomUUID() });
  const fields = ['experiment_id', 'variant_id', 'user_id', 'session_id', 'at', 'anything'];
  for (const list of batches(spoiled(good, fields, anything(300)), 98, 60_000)) {
    const [first, last] = [good(), good()];
    const text = `[${JSON.stringify(first)},${list.join(',')},${JSON.stringify(last)}]`;
    const [{ answer }] = await as(onBehalf(visitor()), (query) =>
      query('select experiments.record_exposures($1) as answer', [text]),
    );
    assert.equal(answer.accepted + answer.rejected.length, list.length + 2, `SEED=${seed}`);
    const rows = await sql('select exposure_count from experiments.assignments where session_id = any ($1)', [
      [first.session_id, last.session_id],
    ]);
    assert.deepEqual(rows, [{ exposure_count: '1' }, { exposure_count: '1' }], `SEED=${seed}`);
  }
  await results(admin, made.id);
  await over(made.id);
});

test('an address makes no more assignments a day than are allowed, and gets those that it has', async () => {
  const made = await experiment();
  const [who, another, once] = [visitor(), visitor(), randomUUID()];
  await sql(`update private.daily_allowances set rows = 3 where name = 'experiments'`);
  try {
    const units = [once, randomUUID(), randomUUID()].map((session_id) => ({ session_id }));
    for (const unit of units) await assign(who, unit);
    await assert.rejects(assign(who, { session_id: randomUUID() }), refusal('RG517', 429));
    await assert.rejects(expose(who, [{ experiment_id: made.id, session_id: randomUUID() }]), refusal('RG517', 429));
    assert.equal((await assignment(who, { session_id: once }, made.id)).source, 'sticky');
    assert.equal((await expose(who, [{ experiment_id: made.id, session_id: once }])).accepted, 1);
    assert.ok(await assignment(another, { session_id: randomUUID() }, made.id));
  } finally {
    await sql(`update private.daily_allowances set rows = 500000 where name = 'experiments'`);
  }
  await over(made.id);
});

test('answers that are stored for an Idempotency-Key count against the day’s bytes', async () => {
  const made = await experiment();
  const [who, once] = [visitor(), randomUUID()];
  const bad = Array(100).fill({});
  const keyed = () => expose(who, bad, { 'idempotency-key': randomUUID() });
  await assign(who, { session_id: once });
  try {
    await sql(`update private.daily_allowances set bytes = 1000 where name = 'experiments'`);
    assert.equal((await keyed()).rejected.length, 100);
    await assert.rejects(keyed(), refusal('RG517', 429));
    // What stores no answer is still taken.
    assert.equal((await expose(who, bad)).rejected.length, 100);
    assert.equal((await expose(who, [{ experiment_id: made.id, session_id: once }])).accepted, 1);
  } finally {
    await sql(`update private.daily_allowances set bytes = 104857600 where name = 'experiments'`);
  }
  await over(made.id);
});

test('what is no list of exposures, or too many, is refused whole', async () => {
  for (const body of [null, 1, 'x', true, {}, { exposures: {} }, { exposures: null }, { exposures: [], country: 5 }]) {
    await assert.rejects(expose(visitor(), body), refusal('RG551', 400), JSON.stringify(body));
  }
  await assert.rejects(expose(visitor(), { exposures: [], country: 'Germany' }), refusal('RG550', 422));
  await assert.rejects(expose(visitor(), Array(101).fill({})), refusal('RG552', 413));
  await assert.rejects(expose(visitor(), [{ note: 'x'.repeat(524288) }]), refusal('RG552', 413));
  assert.deepEqual(await expose(visitor(), []), { accepted: 0, rejected: [] });
  assert.equal((await expose(visitor(), Array(100).fill({}))).rejected.length, 100);
});

test('the limit holds one address, and both functions share it', async () => {
  await transaction(async (run) => {
    await run(`update private.limit_rules set burst = 3, shared = 2, refill = '1 hour' where name = 'experiments'`);
    const claims = (edge) =>
      run(`select set_config('request.jwt.claims', $1, true)`, [JSON.stringify({ role: 'anon', edge })]);
    const attempt = async (statement) => {
      await run('savepoint attempt');
      try {
        await run(statement);
        return 'taken';
      } catch (error) {
        await run('rollback to savepoint attempt');
        return JSON.parse(error.message).code;
      }
    };
    const calls = [
      `select experiments.auto_assign_experiments(null, 's')`,
      `select experiments.record_exposures('[]')`,
    ];
    await claims({ addr: randomUUID() });
    const one = [];
    for (let n = 0; n < 5; n++) one.push(await attempt(calls[n % 2]));
    assert.deepEqual(one, ['taken', 'taken', 'taken', 'RG501', 'RG501']);
    await claims({ addr: randomUUID() });
    assert.equal(await attempt(calls[0]), 'taken', 'another address');
    await run(`delete from private.rate_limits where bucket = 'experiments nobody'`);
    await claims(undefined);
    const nobody = [];
    for (let n = 0; n < 3; n++) nobody.push(await attempt(calls[n % 2]));
    assert.deepEqual(nobody, ['taken', 'taken', 'RG501'], 'callers whom nobody vouches for');
  });
});

test('staff put a unit into a variant, which wins and counts nowhere', async () => {
  const made = await experiment({ traffic_percentage: 0 });
  const session_id = randomUUID();
  const override = (who, variant, fields = {}) =>
    as(who, async (query) => {
      const { id = made.id, user_id = null, session = session_id } = fields;
      const rows = await query('select experiments.override_assignment($1, $2, $3, $4) as answer', [
        id,
        variant,
        user_id,
        session,
      ]);
      return rows[0].answer;
    });
  assert.deepEqual(await override(admin, 'blue'), { variant_id: 'blue' });
  const found = await assignment(visitor(), { session_id }, made.id);
  assert.deepEqual([found.variant_id, found.source], ['blue', 'override']);
  const counted = async () => (await results(admin, made.id)).variants.reduce((sum, { units }) => sum + units, 0);
  assert.equal((await expose(visitor(), { session_id, exposures: [{ experiment_id: made.id }] })).accepted, 1);
  assert.equal(await counted(), 0);
  await change(made.id, { hash_seed: 'anew' });
  assert.equal(
    (await assignment(visitor(), { session_id }, made.id)).source,
    'override',
    'in a new bucket version, too',
  );
  assert.equal((await expose(visitor(), { session_id, exposures: [{ experiment_id: made.id }] })).accepted, 1);
  assert.equal(await counted(), 0);
  const audit = await sql(
    `select l.actor, l.operation from private.audit_log as l join experiments.assignments as a on a.id::text = l.row_id
    where l.relation = 'experiments.assignments' and a.experiment_id = $1 order by l.id limit 1`,
    [made.id],
  );
  assert.deepEqual(audit, [{ actor: admin.claims.sub, operation: 'INSERT' }]);
  assert.deepEqual(await override(service, null), { variant_id: null });
  assert.equal(await assignment(visitor(), { session_id }, made.id), undefined);
  assert.deepEqual(await override(admin, null, { session: 'none there' }), { variant_id: null });

  await assert.rejects(override(user(randomUUID()), 'blue'), refusal('RG571', 403));
  await assert.rejects(override(visitor(), 'blue'), /permission denied/);
  await assert.rejects(override(admin, 'blue', { id: randomUUID() }), refusal('RG554', 404));
  await assert.rejects(override(admin, 'blue', { id: null }), refusal('RG554', 404));
  await assert.rejects(override(admin, 'green'), refusal('RG557', 422));
  for (const session of [null, '', 'x'.repeat(201), 'a\tb'])
    await assert.rejects(override(admin, 'blue', { session }), refusal('RG550', 422));

  // A variant that is no more leaves its units to the hash.
  await override(admin, 'blue');
  const changed = await change(made.id, { test_variants: [{ id: 'green', weight: 0.5 }], traffic_percentage: 100 });
  const now = await assignment(visitor(), { session_id }, made.id);
  assert.deepEqual([now.variant_id, now.source], [variantOf(changed, session_id), 'hash']);
  await over(made.id);
});

test('an experiment is valid or refused in words', async () => {
  const v = (id, weight, more) => ({ id, weight, ...more });
  const tests = (...all) => ({ test_variants: all });
  const bad = [
    [{ test_variants: {} }, 'array'],
    [{ test_variants: [] }, '1 to 19'],
    [{ test_variants: null }, 'array'],
    [tests(...Array.from({ length: 20 }, (_, n) => v(`${n}`, 0.025))), '1 to 19'],
    [{ control_variant: [] }, 'object'],
    [{ control_variant: 'control' }, 'object'],
    [tests('red'), 'object'],
    [tests(null), 'object'],
    [tests(v('a', 0.5, { value: 1 })), 'nothing else'],
    [tests({ weight: 0.5 }), 'The id'],
    [tests(v(5, 0.5)), 'The id'],
    [tests(v('', 0.5)), 'The id'],
    [tests(v('x'.repeat(61), 0.5)), 'The id'],
    [tests(v('a\nb', 0.5)), 'The id'],
    [tests(v('a', 0.5, { name: 5 })), 'The name'],
    [tests(v('a', 0.5, { name: '' })), 'The name'],
    [tests(v('a', 0.5, { name: 'x'.repeat(121) })), 'The name'],
    [tests({ id: 'a' }), 'number'],
    [tests(v('a', '0.5')), 'number'],
    [tests(v('a', null)), 'number'],
    [tests(v('a', 0)), '0.0001'],
    [tests(v('a', -0.5)), '0.0001'],
    [tests(v('a', 1e300)), '0.0001'],
    [tests(v('a', 1e-300)), '0.0001'],
    [tests(v('control', 0.5)), 'different'],
    [tests(v('a', 0.25), v('a', 0.25)), 'different'],
    [tests(v('a', 0.6)), 'add up'],
    [tests(v('a', 0.4)), 'add up'],
    [tests(v('a', 0.500001)), 'add up'],
    [{ status: 'over' }, 'status must be draft, running'],
    [{ winner_variant_id: 'green' }, 'winner'],
    [{ winner_variant_id: '' }, 'winner'],
    [{ targeting_rules: [] }, 'object'],
    [{ targeting_rules: 'DE' }, 'object'],
    [{ targeting_rules: { country: ['DE'] } }, 'nothing else'],
    [{ targeting_rules: { countries: 'DE' } }, 'array'],
    [{ targeting_rules: { countries: [] } }, '1 to 300'],
    [{ targeting_rules: { countries: ['de'] } }, 'capital'],
    [{ targeting_rules: { exclude_countries: ['DE', 5] } }, 'capital'],
    [{ targeting_rules: { exclude_countries: [null] } }, 'capital'],
    [{ namespace: 'page' }, 'object'],
    [{ namespace: ['page', 0, 1] }, 'object'],
    [{ namespace: { id: 'n', start: 0, end: 1, more: 1 } }, 'nothing else'],
    [{ namespace: { start: 0, end: 1 } }, 'id'],
    [{ namespace: { id: '', start: 0, end: 1 } }, 'id'],
    [{ namespace: { id: 'n', end: 1 } }, 'numbers'],
    [{ namespace: { id: 'n', start: '0', end: 1 } }, 'numbers'],
    [{ namespace: { id: 'n', start: 0.5, end: 0.5 } }, 'below end'],
    [{ namespace: { id: 'n', start: 0.6, end: 0.5 } }, 'below end'],
    [{ namespace: { id: 'n', start: -0.1, end: 0.5 } }, 'below end'],
    [{ namespace: { id: 'n', start: 0, end: 1.1 } }, 'below end'],
    [{ namespace: { id: 'n', start: 1e-300, end: 1 } }, 'below end'],
    [{ namespace: { id: 'n', start: 0, end: 1e300 } }, 'below end'],
  ];
  for (const [fields, word] of bad) {
    await assert.rejects(experiment({ status: 'draft', ...fields }), (error) => {
      refusal('RG557', 422)(error);
      assert.match(JSON.parse(error.message).details, new RegExp(word), JSON.stringify(fields));
      return true;
    });
  }
  const constraints = [
    [{ name: '' }, 'experiments_name_length'],
    [{ name: 'x'.repeat(121) }, 'experiments_name_length'],
    [{ description: 'x'.repeat(5001) }, 'experiments_description_length'],
    [{ hypothesis: 'x'.repeat(5001) }, 'experiments_hypothesis_length'],
    [{ traffic_percentage: 100.5 }, 'experiments_traffic_percentage'],
    [{ traffic_percentage: -1 }, 'experiments_traffic_percentage'],
    [{ hash_version: 3 }, 'experiments_hash_version'],
    [{ hash_seed: '' }, 'experiments_hash_seed_length'],
    [{ primary_metric: '' }, 'experiments_primary_metric_length'],
    [{ start_date: '2026-02-01Z', end_date: '2026-01-01Z' }, 'experiments_dates'],
    [{ control_variant: { id: 'control', weight: 0.5, name: '\u{10FFFF}'.repeat(120) } }, null],
  ];
  for (const [fields, constraint] of constraints) {
    const made = experiment({ status: 'draft', ...fields });
    if (constraint) await assert.rejects(made, (error) => error.constraint === constraint, JSON.stringify(fields));
    else await over((await made).id);
  }
  const good = [
    { control_variant: v('a', 0.33), ...tests(v('b', 0.33), v('c', 0.33)) },
    { control_variant: v('a', 0.3333333333), ...tests(v('b', 0.3333333333), v('c', 0.3333333334)) },
    { control_variant: v('a', 0.05), ...tests(...Array.from({ length: 19 }, (_, n) => v(`${n}`, 0.05))) },
    { winner_variant_id: 'red' },
    { targeting_rules: { countries: ['DE', 'T1'], exclude_countries: ['US'] } },
    { namespace: { id: 'ns-good', start: 0, end: 1 } },
  ];
  for (const fields of good) await over((await experiment({ status: 'draft', ...fields })).id);
  const made = await experiment({ status: 'draft' });
  assert.equal(made.hash_seed, made.id);
  assert.deepEqual([made.hash_version, made.traffic_percentage, made.unit], [2, '100.00', 'session_id']);
  await over(made.id);
});

test('an experiment goes its way and no other, and keeps what it has found', async () => {
  const STATUSES = ['draft', 'running', 'paused', 'completed', 'archived'];
  const ways = {
    draft: ['running', 'archived'],
    running: ['paused', 'completed'],
    paused: ['running', 'completed', 'archived'],
    completed: ['archived'],
    archived: [],
  };
  for (const from of STATUSES) {
    for (const to of STATUSES) {
      const made = await experiment({ status: from });
      if (to === from || ways[from].includes(to)) await change(made.id, { status: to }, admin);
      else await assert.rejects(change(made.id, { status: to }, admin), refusal('RG559', 409), `${from} ${to}`);
      await over(made.id);
    }
  }
  const draft = await experiment({ status: 'draft', primary_metric: 'buy' });
  assert.equal(draft.start_date, null);
  assert.notEqual((await change(draft.id, { status: 'running' })).start_date, null);
  const session_id = randomUUID();
  await expose(visitor(), { session_id, exposures: [{ experiment_id: draft.id }] });
  const live = await results(admin, draft.id);
  const done = await change(draft.id, { status: 'completed', winner_variant_id: 'red' }, admin);
  assert.notEqual(done.end_date, null);
  assert.deepEqual(done.results, { ...live, status: 'completed', computed_at: done.results.computed_at });
  assert.equal(
    done.results.variants.reduce((sum, { units }) => sum + units, 0),
    1,
  );
  await assert.rejects(change(draft.id, { hash_seed: 'x' }, admin), refusal('RG559', 409));
  await assert.rejects(change(draft.id, { winner_variant_id: 'x' }, admin), refusal('RG557', 422));
  const archived = await change(draft.id, { status: 'archived', winner_variant_id: 'blue', name: 'Old' }, admin);
  assert.deepEqual(archived.results, done.results);
  await over(draft.id);
});

test('admins read and edit experiments and read assignments; nobody else sees or writes any', async () => {
  const made = await experiment();
  await assign(visitor(), { session_id: 'test-private' });
  const tables = ['experiments.experiments', 'experiments.assignments'];
  const columns = `(name, control_variant, test_variants, namespace, status)`;
  const values = `('n', '${JSON.stringify(CONTROL)}', '${JSON.stringify(TESTS)}', null, 'draft')`;
  for (const table of tables) {
    assert.equal((await as(admin, (query) => query(`select * from ${table}`))).length > 0, true);
    assert.equal((await as(service, (query) => query(`select * from ${table}`))).length > 0, true);
    assert.deepEqual(await as(user(randomUUID()), (query) => query(`select * from ${table}`)), []);
    const boast = { role: 'authenticated', claims: { sub: randomUUID(), user_metadata: { role: 'admin' } } };
    assert.deepEqual(await as(boast, (query) => query(`select * from ${table}`)), []);
    for (const who of [visitor(), { role: 'edge' }])
      await assert.rejects(
        as(who, (query) => query(`select * from ${table}`)),
        /permission denied/,
      );
    for (const who of [admin, service]) {
      await assert.rejects(
        as(who, (query) => query(`delete from ${table}`)),
        /permission denied/,
      );
    }
  }
  for (const statement of [
    'update experiments.assignments set variant_id = variant_id',
    `insert into experiments.assignments (experiment_id, unit_key, variant_id, bucket_version) values ('${made.id}', 'user:x', 'red', 1)`,
    'update experiments.experiments set bucket_version = 9',
    `update experiments.experiments set results = '{}'`,
    'update experiments.experiments set created_by = null',
    `insert into experiments.experiments (id) values ('${randomUUID()}')`,
  ]) {
    for (const who of [admin, service])
      await assert.rejects(
        as(who, (query) => query(statement)),
        /permission denied/,
        statement,
      );
  }
  const [own] = await as(admin, (query) =>
    query(`insert into experiments.experiments ${columns} values ${values} returning *`),
  );
  assert.equal(own.created_by, admin.claims.sub);
  await assert.rejects(
    as(user(randomUUID()), (query) => query(`insert into experiments.experiments ${columns} values ${values}`)),
    /row-level security/,
  );
  assert.deepEqual(
    await as(user(randomUUID()), (query) => query(`update experiments.experiments set name = 'x' returning id`)),
    [],
  );
  assert.equal((await change(made.id, { name: 'Edited' }, admin)).name, 'Edited');
  const audit = await sql(
    `select operation, columns from private.audit_log where relation = 'experiments.experiments' and row_id = $1 and operation = 'UPDATE'`,
    [made.id],
  );
  assert.deepEqual(audit, [{ operation: 'UPDATE', columns: ['name'] }]);
  await over(own.id);
  await over(made.id);
});

test('a stranger does not learn which namespace is taken', async () => {
  const made = await experiment({ namespace: { id: 'ns-secret', start: 0, end: 1 } });
  const insert = (who, id) =>
    as(who, (query) =>
      query(
        `insert into experiments.experiments (name, status, control_variant, test_variants, namespace) values ('n', 'running', $1, $2, $3)`,
        [CONTROL, JSON.stringify(TESTS), { id, start: 0, end: 1 }],
      ),
    );
  for (const id of ['ns-secret', 'ns-free']) await assert.rejects(insert(user(randomUUID()), id), /row-level security/);
  await assert.rejects(insert(admin, 'ns-secret'), refusal('RG558'));
  await over(made.id);
});

test('results are for admins, and an experiment that is not there is not found', async () => {
  const made = await experiment();
  for (const who of [admin, service]) assert.equal((await results(who, made.id)).experiment_id, made.id);
  const boast = { role: 'authenticated', claims: { sub: randomUUID(), user_metadata: { role: 'admin' } } };
  for (const who of [user(randomUUID()), boast]) {
    for (const id of [made.id, randomUUID()]) await assert.rejects(results(who, id), refusal('RG571', 403));
  }
  for (const who of [visitor(), { role: 'edge' }]) await assert.rejects(results(who, made.id), /permission denied/);
  for (const id of [randomUUID(), null]) await assert.rejects(results(admin, id), refusal('RG554', 404));
  await over(made.id);
});

/** A UUID of version 7: the table of events is partitioned by the time in it. */
const uuid7 = (at) => {
  const hex = at.getTime().toString(16).padStart(12, '0') + randomBytes(10).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};
const happened = ({ name = 'buy', user_id = null, session_id = null, at, is_bot = false }) =>
  sql(
    `insert into analytics.events (id, type, name, user_id, session_id, occurred_at, is_bot) values ($1, 'conversion', $2, $3, $4, $5, $6)`,
    [uuid7(at), name, user_id, session_id, at, is_bot],
  );

test('a conversion is the metric’s event of a human, at or after the first exposure and before the end', async () => {
  const from = Date.now() - 600e3;
  const t = (seconds) => new Date(from + seconds * 1000);
  const one = { id: 'one', weight: 0.5 };
  const cases = [
    ['no event', [], 0],
    ['at the exposure', [{ at: t(0) }], 1],
    ['after it', [{ at: t(5) }], 1],
    ['twice', [{ at: t(5) }, { at: t(6) }], 1],
    ['before and after', [{ at: t(-5) }, { at: t(5) }], 1],
    ['before it only', [{ at: t(-1) }], 0],
    ['another name', [{ at: t(5), name: 'look' }], 0],
    ['a bot', [{ at: t(5), is_bot: true }], 0],
    ['after the end', [{ at: t(120) }], 0],
  ];
  for (const unit of ['session_id', 'user_id']) {
    const made = await experiment({ unit, primary_metric: 'buy', test_variants: [one] });
    await sql(`update experiments.experiments set start_date = $2, end_date = $3 where id = $1`, [
      made.id,
      t(-60),
      t(100),
    ]);
    // Exposed before the others, so that what they did before their own exposure is looked at, too; and of a user without a uuid,
    // so that sessions are.
    await sql(
      `insert into experiments.assignments (experiment_id, unit_key, session_id, variant_id, bucket_version, assigned_at,
        first_exposure_at, last_exposure_at, exposure_count)
      values ($1, $2, 'test-early', 'control', 1, $3, $3, $3, 1)`,
      [made.id, unit === 'user_id' ? 'user:customer' : 'session:test-early', t(-50)],
    );
    let wanted = 0;
    for (const [what, events, converts] of cases) {
      const id = unit === 'user_id' ? randomUUID() : `test-${randomUUID()}`;
      await sql(
        `insert into experiments.assignments (experiment_id, unit_key, user_id, session_id, variant_id, bucket_version,
          assigned_at, first_exposure_at, last_exposure_at, exposure_count)
        values ($1, $2, $3, $4, 'one', 1, $5, $5, $5, 1)`,
        [
          made.id,
          `${unit === 'user_id' ? 'user' : 'session'}:${id}`,
          unit === 'user_id' ? id : null,
          // Somebody else's events of the user's session are not the user's.
          unit === 'user_id' ? 'test-shared' : id,
          t(0),
        ],
      );
      for (const event of events)
        await happened({ [unit]: id, ...(unit === 'user_id' && { session_id: 'test-shared' }), ...event });
      wanted += converts;
      const { variants } = await results(admin, made.id);
      assert.deepEqual(variants[1].conversions, wanted, `${unit}: ${what}`);
    }
    // Whom nothing was shown does not count.
    const hidden = unit === 'user_id' ? randomUUID() : `test-${randomUUID()}`;
    await happened({ [unit]: hidden, session_id: unit === 'user_id' ? 'test-x' : hidden, at: t(5) });
    await sql(
      `insert into experiments.assignments (experiment_id, unit_key, user_id, session_id, variant_id, bucket_version)
      values ($1, $2, $3, $4, 'one', 1)`,
      [
        made.id,
        `${unit === 'user_id' ? 'user' : 'session'}:${hidden}`,
        unit === 'user_id' ? hidden : null,
        unit === 'user_id' ? null : hidden,
      ],
    );
    const { variants } = await results(admin, made.id);
    assert.deepEqual([variants[1].units, variants[1].conversions, variants[0].units], [cases.length, wanted, 1]);
    await over(made.id);
  }
});

test('a user whose id is no uuid converts in the session that they were assigned in', async () => {
  const made = await experiment({ unit: 'user_id', primary_metric: 'buy' });
  const unit = { user_id: 'customer 9', session_id: `test-${randomUUID()}` };
  await expose(visitor(), { ...unit, exposures: [{ experiment_id: made.id }] });
  await happened({ session_id: unit.session_id, at: new Date() });
  const { variants } = await results(admin, made.id);
  assert.equal(
    variants.reduce((sum, { conversions }) => sum + conversions, 0),
    1,
  );
  await over(made.id);
});

/** Fills an experiment of two or more variants with [units, conversions] of each. */
const filled = async (counts, fields = {}) => {
  const made = await experiment({ primary_metric: `metric-${randomUUID()}`, ...fields });
  const ids = [made.control_variant, ...made.test_variants].map(({ id }) => id);
  const at = new Date(Date.now() - 60e3);
  for (const [index, [units, conversions]] of counts.entries()) {
    await sql(
      `insert into experiments.assignments (experiment_id, unit_key, session_id, variant_id, bucket_version, assigned_at,
        first_exposure_at, last_exposure_at, exposure_count)
      select $1, 'session:test-' || $2 || $3 || n, 'test-' || $2 || $3 || n, $3, 1, $4, $4, $4, 1 from generate_series(1, $5::int) as n`,
      [made.id, made.id, ids[index], at, units],
    );
    await sql(
      `insert into analytics.events (id, type, name, session_id, occurred_at, is_bot)
      select (substr($5, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid, 'conversion', $1, 'test-' || $2 || $3 || n, $4, false
      from generate_series(1, $6::int) as n`,
      [made.primary_metric, made.id, ids[index], at, uuid7(at), conversions],
    );
  }
  return made;
};

test('results of an experiment that is over stay as they were, also when its events are gone', async () => {
  const half = { control_variant: { id: 'a', weight: 0.5 }, test_variants: [{ id: 'b', weight: 0.5 }] };
  for (const way of [
    ['completed', 'archived'],
    ['paused', 'archived'],
  ]) {
    const made = await filled(
      [
        [20, 5],
        [20, 10],
      ],
      half,
    );
    const { variants } = await results(admin, made.id);
    assert.deepEqual(
      variants.map(({ conversions }) => conversions),
      [5, 10],
    );
    await change(made.id, { status: way[0] }, admin);
    if (way[0] === 'completed') await sql('delete from analytics.events where name = $1', [made.primary_metric]);
    await change(made.id, { status: way[1], name: 'Renamed' }, admin);
    await sql('delete from analytics.events where name = $1', [made.primary_metric]);
    const after_ = await results(admin, made.id);
    assert.deepEqual([after_.variants, after_.status, after_.name], [variants, 'archived', 'Renamed'], `${way}`);
    await over(made.id);
  }
});

test('assignments of an experiment go ninety days after its results were stored, without those of staff', async () => {
  const [ended, late, running] = [
    await experiment({
      status: 'completed',
      results: { computed_at: new Date(Date.now() - 91 * 864e5), variants: [] },
    }),
    await experiment({ status: 'archived', results: { computed_at: new Date(Date.now() - 89 * 864e5), variants: [] } }),
    await experiment(),
  ];
  for (const { id } of [ended, late, running])
    await sql(
      `insert into experiments.assignments (experiment_id, unit_key, session_id, variant_id, bucket_version, source, assigned_at)
       select $1, 'session:test-' || $2 || s, 'test-' || $2 || s, 'red', 1, s::experiments.assignment_source, now() - interval '200 days'
       from unnest(array['hash', 'override']) as s`,
      [id, id],
    );
  await sql('select marketing.cleanup_old_data()');
  const sources = async ({ id }) => (await stored(id)).map(({ source }) => source);
  assert.deepEqual(await sources(ended), ['override']);
  assert.deepEqual(await sources(late), ['hash', 'override']);
  assert.deepEqual(await sources(running), ['hash', 'override']);
  assert.deepEqual((await results(admin, ended.id)).variants, []);
  for (const { id } of [ended, late, running]) await over(id);
});

test('results say since when conversions are counted, where earlier events may have been deleted', async () => {
  const half = { control_variant: { id: 'a', weight: 0.5 }, test_variants: [{ id: 'b', weight: 0.5 }] };
  const made = await filled(
    [
      [3, 1],
      [3, 2],
    ],
    half,
  );
  assert.equal((await results(admin, made.id)).conversions_since, null);
  const first = (days) =>
    sql(
      `update experiments.assignments set first_exposure_at = now() - make_interval(days => $2)
       where experiment_id = $1 and session_id = (select min(session_id) from experiments.assignments where experiment_id = $1)`,
      [made.id, days],
    );
  await first(89);
  assert.equal((await results(admin, made.id)).conversions_since, null);
  await first(91);
  const { conversions_since: since } = await results(admin, made.id);
  assert.ok(Math.abs(Date.now() - 90 * 864e5 - new Date(since)) < 60e3, since);
  const done = await change(made.id, { status: 'completed' }, admin);
  assert.ok(done.results.conversions_since >= since);
  await over(made.id);
});

test('results are counted without temporary files, whatever memory the database gives a statement', async () => {
  const half = { control_variant: { id: 'a', weight: 0.5 }, test_variants: [{ id: 'b', weight: 0.5 }] };
  const counts = { a: [3000, 2000], b: [3000, 2500] };
  const made = await filled(Object.values(counts), half);
  await transaction(async (query) => {
    await query(`set local work_mem = '64kB'`);
    // Workers look cheap, as they do where there are millions of rows.
    for (const name of ['parallel_setup_cost', 'parallel_tuple_cost', 'min_parallel_table_scan_size'])
      await query(`set local ${name} = 0`);
    const count = `select private.experiment_counts(x) as found from experiments.experiments as x where x.id = '${made.id}'`;
    const [{ 'QUERY PLAN': plans }] = await query(`explain (analyze, buffers, format json) ${count}`);
    assert.equal(plans[0].Plan['Temp Written Blocks'], 0);
    assert.deepEqual((await query(count))[0].found.variants, counts);
  });
  await over(made.id);
});

/** The integral of a function, by Simpson. */
const integral = (f, from, to, steps = 20000) => {
  const h = (to - from) / steps;
  let sum = f(from) + f(to);
  for (let n = 1; n < steps; n++) sum += f(from + n * h) * (n % 2 ? 4 : 2);
  return (sum * h) / 3;
};
const twoSided = (z) =>
  2 * integral((x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI), Math.abs(z), Math.abs(z) + 40);

/** The chance that B is above A, by summing densities on a grid. */
const chance = (winA, loseA, winB, loseB) => {
  const N = 40000;
  const sd = (a, b) => Math.sqrt((a * b) / ((a + b) ** 2 * (a + b + 1)));
  const ends = [winA / (winA + loseA), winB / (winB + loseB)].flatMap((mean, at) => {
    const width = 14 * (at ? sd(winB, loseB) : sd(winA, loseA));
    return [mean - width, mean + width];
  });
  const [from, to] = [Math.max(0, Math.min(...ends)), Math.min(1, Math.max(...ends))];
  const density = (a, b) => {
    const logs = Array.from({ length: N }, (_, n) => {
      const x = from + ((n + 0.5) / N) * (to - from);
      return (a - 1) * Math.log(x) + (b - 1) * Math.log1p(-x);
    });
    const most = logs.reduce((one, other) => Math.max(one, other));
    const plain = logs.map((log) => Math.exp(log - most));
    const total = plain.reduce((one, other) => one + other);
    return plain.map((each) => each / total);
  };
  const [a, b] = [density(winA, loseA), density(winB, loseB)];
  let [below, sum] = [0, 0];
  for (let n = 0; n < N; n++) {
    sum += b[n] * (below + a[n] / 2);
    below += a[n];
  }
  return sum;
};

const near = (found, wanted, error, what) =>
  assert.ok(Math.abs(found - wanted) <= error, `${what}: ${found} for ${wanted}`);

test('the statistics of a variant are those of a computation of its own', async () => {
  const half = { control_variant: { id: 'a', weight: 0.5 }, test_variants: [{ id: 'b', weight: 0.5 }] };
  const cases = [
    [
      [1000, 100],
      [1000, 121],
    ],
    [
      [1000, 121],
      [1000, 100],
    ],
    [
      [20, 1],
      [25, 6],
    ],
    [
      [300, 0],
      [310, 4],
    ],
    [
      [50, 50],
      [40, 40],
    ],
    [
      [50, 50],
      [45, 40],
    ],
    [
      [5000, 600],
      [5050, 690],
    ],
    [
      [3, 0],
      [2, 2],
    ],
  ];
  for (const counts of cases) {
    const made = await filled(counts, half);
    const { variants } = await results(admin, made.id);
    const name = JSON.stringify(counts);
    const [[nA, xA], [nB, xB]] = counts;
    for (const [at, [n, x]] of counts.entries()) {
      const { units, conversions, rate, interval, is_control } = variants[at];
      assert.deepEqual([units, conversions, rate, is_control], [n, x, x / n, at === 0], name);
      // The ends of Wilson's interval are the rates of which this one is 1.96 standard errors away.
      for (const p of [interval.low, interval.high]) {
        if (p > 0 && p < 1) near(Math.abs(x / n - p) / Math.sqrt((p * (1 - p)) / n), 1.959963984540054, 1e-9, name);
      }
      assert.ok(interval.low <= rate && rate <= interval.high && interval.low >= 0 && interval.high <= 1, name);
    }
    const [a, b] = variants;
    assert.deepEqual([a.difference, a.chance_to_win], [null, null]);
    const pooled = (xA + xB) / (nA + nB);
    if (pooled === 1) assert.deepEqual([b.difference.z, b.difference.p_value], [null, null]);
    else {
      const z = (xB / nB - xA / nA) / Math.sqrt(pooled * (1 - pooled) * (1 / nA + 1 / nB));
      near(b.difference.z, z, 1e-9, name);
      near(b.difference.p_value, twoSided(z), 1e-9, name);
    }
    near(b.difference.absolute, xB / nB - xA / nA, 1e-12, name);
    assert.equal(b.difference.relative === null, xA === 0);
    assert.ok(b.difference.low <= b.difference.absolute && b.difference.absolute <= b.difference.high, name);
    near(b.chance_to_win, chance(1 + xA, 1 + nA - xA, 1 + xB, 1 + nB - xB), 2e-4, name);
    await over(made.id);
  }
});

test('the chance to win is right at every size', async () => {
  const cases = [
    [1, 1, 1, 1],
    [1, 2, 2, 1],
    [51, 3, 52, 2],
    [101, 901, 121, 881],
    [60, 1000, 5000, 90000],
    [5000, 90000, 60, 1000],
    [10001, 90001, 10201, 89801],
    [100001, 900001, 100601, 899401],
    [100601, 899401, 100001, 900001],
    [400000, 500, 399900, 480],
    [1, 1000001, 6, 1000001],
  ];
  for (const given of cases) {
    const [{ found }] = await sql('select private.chance_to_win($1, $2, $3, $4) as found', given);
    near(found, chance(...given), 1e-4, JSON.stringify(given));
    const [a, b, c, d] = given;
    const [{ other }] = await sql('select private.chance_to_win($1, $2, $3, $4) as other', [c, d, a, b]);
    near(found + other, 1, 1e-8, JSON.stringify(given));
  }
  const [ends] = await sql(`select private.chance_to_win(6, 1000000, 100000, 900000) as sure,
    private.chance_to_win(100000, 900000, 6, 1000000) as never, private.chance_to_win(300000, 700000, 400000, 600000) as yes,
    private.chance_to_win(400000, 600000, 300000, 700000) as no,
    private.chance_to_win(5001, 995001, 2001, 2001) as far, private.chance_to_win(2001, 2001, 5001, 995001) as near`);
  for (const [name, wanted] of Object.entries({ sure: 1, never: 0, yes: 1, no: 0, far: 1, near: 0 }))
    near(ends[name], wanted, 1e-12, name);
  // Exact values of small ones: P(B > A) of Beta(2, 1) against Beta(1, 1) is 2/3, of Beta(3, 1) 3/4.
  const [small] = await sql(
    'select private.chance_to_win(1, 1, 2, 1) as two, private.chance_to_win(1, 1, 3, 1) as three',
  );
  near(small.two, 2 / 3, 1e-10, '2/3');
  near(small.three, 3 / 4, 1e-10, '3/4');
});

test('a skewed sample raises the alarm, with any number of variants', async () => {
  const even = (count) => ({ units: count, weights: count.map(() => 1 / count.length) });
  const cases = [
    [even([5100, 4900]), false, 4],
    [even([5200, 4800]), true, 16],
    [even([5000, 5000]), false, 0],
    [even([3400, 3300, 3300]), false, 2],
    [even([3600, 3200, 3200]), true, 32],
    [{ units: [9000, 1000], weights: [0.9, 0.1] }, false, 0],
    [{ units: [5000, 5000], weights: [0.9, 0.1] }, true, null],
    // Weights that leave some out are compared by their shares.
    [{ units: [500, 500, 500], weights: [0.33, 0.33, 0.33] }, false, 0],
    [even([0, 0]), false, null],
  ];
  for (const [{ units, weights }, alarm, chi] of cases) {
    const [{ found }] = await sql('select private.sample_ratio($1, $2) as found', [units, weights]);
    const name = JSON.stringify(units);
    assert.equal(found.alarm, alarm, name);
    assert.equal(found.degrees_of_freedom, units.length - 1);
    if (chi !== null) near(found.chi_square, chi, 1e-6, name);
  }
  // One degree: a squared normal. Two: an exponential. Three: both.
  for (const x of [0.1, 1, 3.84, 10.83, 25]) {
    const q = async (k) => (await sql('select private.gamma_q($1::float8 / 2, $2::float8 / 2) as q', [k, x]))[0].q;
    near(await q(1), twoSided(Math.sqrt(x)), 1e-10, `${x}`);
    near(await q(2), Math.exp(-x / 2), 1e-12, `${x}`);
    near(await q(3), twoSided(Math.sqrt(x)) + Math.sqrt((2 * x) / Math.PI) * Math.exp(-x / 2), 1e-10, `${x}`);
  }
  const made = await filled(
    [
      [520, 0],
      [480, 0],
    ],
    {
      control_variant: { id: 'a', weight: 0.6 },
      test_variants: [{ id: 'b', weight: 0.4 }],
    },
  );
  const { sample_ratio } = await results(admin, made.id);
  near(sample_ratio.chi_square, 80 ** 2 / 600 + 80 ** 2 / 400, 1e-9, 'of an experiment');
  assert.equal(sample_ratio.alarm, true);
  await over(made.id);
});

test('an experiment without a metric, or without units, has no rates', async () => {
  const made = await experiment();
  const empty = await results(admin, made.id);
  for (const { units, conversions, rate, interval, difference } of empty.variants)
    assert.deepEqual([units, conversions, rate, interval, difference], [0, null, null, null, null]);
  assert.deepEqual(empty.sample_ratio, { chi_square: null, degrees_of_freedom: 2, p_value: null, alarm: false });
  assert.deepEqual(Object.keys(empty).sort(), [
    'bucket_version',
    'computed_at',
    'conversions_since',
    'experiment_id',
    'name',
    'primary_metric',
    'sample_ratio',
    'status',
    'unit',
    'variants',
  ]);
  await over(made.id);
});

test('two hundred thousand units are counted within the time of a request', async () => {
  const made = await experiment({ primary_metric: 'test-many' });
  await transaction(async (run) => {
    await run('set local session_replication_role = replica');
    await run('set local statement_timeout = 120000');
    await run(
      `insert into experiments.assignments (experiment_id, unit_key, session_id, variant_id, bucket_version, first_exposure_at, last_exposure_at, exposure_count)
      select $1, 'session:' || n, 'test-' || n, (array['control', 'control', 'red', 'blue'])[1 + n % 4], 1, now() - interval '1 minute', now(), 1
      from generate_series(1, 200000) as n`,
      [made.id],
    );
    const id = uuid7(new Date());
    await run(
      `insert into analytics.events (id, type, name, session_id, occurred_at, is_bot)
      select (substr($1, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid, 'conversion', 'test-many', 'test-' || n * 5, now(), false
      from generate_series(1, 40000) as n`,
      [id],
    );
    await run('set local session_replication_role = origin');
    await run('analyze experiments.assignments');
    await run(`select set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ role: 'authenticated', ...ADMIN }),
    ]);
    const count = async () => {
      const [{ answer }] = await run('select experiments.experiment_results($1) as answer', [made.id]);
      assert.deepEqual(
        answer.variants.map(({ units, conversions }) => [units, conversions]),
        [
          [100000, 20000],
          [50000, 10000],
          [50000, 10000],
        ],
      );
    };
    const from = Date.now();
    await count();
    const took = Date.now() - from;
    console.log(`      200,000 units: ${took} ms`);
    assert.ok(took < 8000, `${took} ms`);
    // As the planner knows tables of a smaller day.
    const tables = `select 'experiments.assignments'::regclass union all select inhrelid from pg_inherits where inhparent = 'analytics.events'::regclass`;
    await run('reset role');
    await run(`delete from pg_statistic where starelid in (${tables})`);
    await run(`update pg_class set reltuples = 10 where oid in (${tables})`);
    await count();
  });
  await over(made.id);
});

test('twenty running experiments are assigned in a few milliseconds', async () => {
  const made = await Promise.all(Array.from({ length: 20 }, () => experiment()));
  const median = async (unit) => {
    const times = [];
    await as(onBehalf(service), async (query) => {
      for (let n = 0; n < 40; n++) {
        const [{ took }] = await query(
          `with t as materialized (select clock_timestamp() as at), c as materialized (
            select jsonb_array_length(experiments.auto_assign_experiments(null, $1) -> 'assignments') as n from t
          ) select extract(epoch from clock_timestamp() - t.at) * 1000 as took from t, c where c.n >= 20`,
          [unit(n)],
        );
        times.push(Number(took));
      }
    });
    return times.sort((a, b) => a - b)[20];
  };
  const fresh = await median((n) => `test-${randomUUID()}-${n}`);
  const known = await median(() => 'test-known');
  console.log(`      twenty experiments: ${fresh.toFixed(2)} ms first, ${known.toFixed(2)} ms again`);
  // The usual ones are far below; a machine that does something else meanwhile is not the function's fault.
  assert.ok(known < 5 && fresh < 20, `${fresh} ${known}`);
  for (const { id } of made) await over(id);
});

test('bad input that comes by PostgREST is refused with 4xx', async () => {
  const anon = await edgeToken({ role: 'edge', edge: { caller: 'anon', addr: randomUUID(), net: '192.0.2.0/24' } });
  const staff = await userToken(randomUUID(), { claims: ADMIN });
  const post = (path, body, token) =>
    ask(path, {
      base: stack.postgrest_url,
      method: 'POST',
      body,
      token,
      headers: {
        'content-type': 'application/json',
        'content-profile': 'experiments',
        prefer: 'return=representation',
      },
    });
  const deep = '['.repeat(5000) + ']'.repeat(5000);
  const calls = [
    ...[
      '{"exposures": 1}',
      '{"exposures": null}',
      `{"exposures": ${deep}}`,
      '{"exposures": [{"experiment_id": "\\u0000"}]}',
      '[]',
      '{}',
      'x',
      '{"exposures": [1e999999]}',
    ].map((body) => ['/rpc/record_exposures', body, anon]),
    ...[
      '{"session_id": {}}',
      '{"session_id": ["a"]}',
      '{"session_id": null}',
      '{"session_id": "\\u0000"}',
      '{"country": 5, "session_id": "s"}',
      '{"no": 1}',
    ].map((body) => ['/rpc/auto_assign_experiments', body, anon]),
    ...['{"experiment_id": "x"}', '{"experiment_id": 5}', '{"experiment_id": null}', '{}'].map((body) => [
      '/rpc/experiment_results',
      body,
      staff,
    ]),
    ...[
      { traffic_percentage: 1e300 },
      { traffic_percentage: 'NaN' },
      { hash_version: 1e9 },
      { start_date: '99999999-01-01' },
      { status: 'none' },
      { unit: 5 },
      { control_variant: null },
      { name: {}, control_variant: 5 },
      { test_variants: [{ id: 'x', weight: 1e308 }] },
      { is_active: 'perhaps' },
      { bucket_version: 5 },
    ].map((fields) => [
      '/experiments',
      JSON.stringify({ name: 'n', control_variant: CONTROL, test_variants: TESTS, ...fields }),
      staff,
    ]),
  ];
  for (const [path, body, token] of calls) {
    const answer = await post(path, body, token);
    const label = `${path} ${body.slice(0, 80)}: ${answer.status} ${answer.text}`;
    // An object in a text's place is taken as its text; one bad exposure is reported and loses no other.
    const fine = /session_id": [{[]|exposures": \[/.test(body);
    assert.ok(answer.status < 500 && (fine || answer.status >= 400), label);
  }
  const made = await post(
    '/experiments',
    JSON.stringify({ name: 'n', control_variant: CONTROL, test_variants: TESTS }),
    staff,
  );
  assert.equal(made.status, 201, made.text);
  for (const [method, body] of [
    ['PATCH', '{"name": "x"}'],
    ['DELETE', undefined],
  ]) {
    const all = await ask('/experiments', {
      base: stack.postgrest_url,
      method,
      body,
      token: staff,
      headers: { 'content-type': 'application/json', 'content-profile': 'experiments' },
    });
    assert.ok([400, 403].includes(all.status), `${method}: ${all.text}`);
  }
});

test('the sample data loads twice and is there once', async () => {
  const text = readFileSync(join(root, 'dev', 'seed', '01_growth_experiments.sql'), 'utf8');
  await transaction(async (run) => {
    const state = async () =>
      (
        await run(`select (select count(*)::int from experiments.experiments where status = 'running') as running,
          count(*)::int as rows, count(first_exposure_at)::int as exposed, md5(string_agg(a::text, '' order by id)) as sum
        from experiments.assignments as a`)
      )[0];
    await run('delete from experiments.experiments');
    await run(text);
    const once = await state();
    assert.equal(once.running, 2);
    assert.ok(once.rows > 300 && once.exposed > 100 && once.exposed < once.rows, JSON.stringify(once));
    await run(text);
    assert.deepEqual(await state(), once);
    const rows = await run(`select a.variant_id, a.session_id, to_jsonb(e) as experiment
      from experiments.assignments as a join experiments.experiments as e on e.id = a.experiment_id`);
    for (const { variant_id, session_id, experiment: made } of rows)
      assert.equal(variantOf(made, session_id), variant_id);
  });
});
