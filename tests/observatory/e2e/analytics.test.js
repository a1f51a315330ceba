// Analytics and repricing through the edge: each example gets an answer that fits its schema, and strangers get nothing.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, sql, userToken } from '../../support/stack.js';
import { call, forget, makeProject, prompt, response, store } from '../support/entries.js';

const observatory = systems().find(({ name }) => name === 'observatory');
const mine = ({ path }) => path.startsWith('/v1/analytics/') || path.endsWith('/reprice');
const ABSENT = '00000000-0000-4000-8000-000000000000';
let who;
let token;
before(async () => {
  who = await makeProject();
  token = await userToken(who.owner);
  await sql(
    `insert into private.model_prices (provider, model, effective_from, input_micro, output_micro)
     values ('anthropic', 'measured-priced', '2020-01-01', 1000000, 2000000)`,
  );
  const at = new Date(Date.now() - 3_600_000).toISOString();
  await store(who, 'one', [
    prompt('Do it', { at }),
    response('msg_1', { at, model: 'measured-priced', tokens: { input: 100, output: 60 } }),
    ...call('Bash', { at, model: 'measured-unknown', tokens: { output: 1 }, result: { duration_ms: 12 } }),
  ]);
});
after(async () => {
  await sql(`delete from private.model_prices where model like 'measured-%'`);
  await forget([who.owner]);
  await close();
});

test('each example gets an answer that fits its schema', () =>
  sendExamples({ ...observatory, endpoints: observatory.endpoints.filter(mine) }, ask, {
    ...Object.fromEntries(
      observatory.endpoints
        .filter(({ path }) => path.startsWith('/v1/analytics/'))
        .map(({ path }) => [`GET ${path}`, () => ({ token, path: `${path}?project=${who.project}` })]),
    ),
    'POST /v1/projects/{id}/reprice': () => ({ token, path: `/v1/projects/${who.project}/reprice` }),
  }));

test('the overview counts, and shows what has no price as unpriced', async () => {
  const { status, body, text } = await ask(`/v1/analytics/overview?project=${who.project}`, { token });
  assert.equal(status, 200, text);
  const { requests, total_tokens: tokens, cost_micro_usd: cost, unpriced } = body.totals;
  assert.deepEqual([requests, tokens, cost, unpriced], [2, 161, 220, 1]);
  const models = await ask(`/v1/analytics/models?project=${who.project}`, { token });
  assert.deepEqual(
    models.body.models.map(({ model, cost_micro_usd: amount }) => [model, amount]),
    [
      ['measured-priced', 220],
      ['measured-unknown', null],
    ],
  );
});

test('strangers get 404 for a project that is there as for one that is not', async () => {
  const stranger = await userToken();
  const answers = [];
  for (const id of [who.project, ABSENT]) {
    for (const path of ['overview', 'tools', 'models', 'activity', 'users'])
      answers.push(await ask(`/v1/analytics/${path}?project=${id}`, { token: stranger }));
    answers.push(await ask(`/v1/projects/${id}/reprice`, { token: stranger, json: {} }));
  }
  for (const { status, body } of answers) assert.deepEqual([status, body.code], [404, 'RG660']);
});

test('a range that is none, and an id that is none, are refused', async () => {
  const range = await ask(`/v1/analytics/tools?project=${who.project}&from=2026-02-30`, { token });
  assert.deepEqual([range.status, range.body.code], [422, 'RG673']);
  const id = await ask('/v1/analytics/tools?project=none', { token });
  assert.deepEqual([id.status, id.body.code], [400, 'RG325']);
  const nobody = await ask(`/v1/analytics/tools?project=${who.project}`);
  assert.equal(nobody.status, 401);
});

test('a receipt says what repricing changed', async () => {
  await sql(`update private.model_prices set input_micro = 2000000 where model = 'measured-priced'`);
  const reprice = (json) => ask(`/v1/projects/${who.project}/reprice`, { token, json });
  const dry = await reprice({ dry_run: true });
  assert.deepEqual([dry.body.changed, dry.body.before_micro, dry.body.after_micro], [1, 220, 320]);
  const done = await reprice({});
  assert.deepEqual([done.status, done.body.changed, done.body.finished], [200, 1, true]);
  const { body } = await ask(`/v1/analytics/overview?project=${who.project}`, { token });
  assert.equal(body.totals.cost_micro_usd, 320);
  const unknown = await reprice({ list: 'none@0' });
  assert.deepEqual([unknown.status, unknown.body.code], [422, 'RG676']);
});
