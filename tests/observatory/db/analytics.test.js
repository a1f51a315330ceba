// Analytics: what they sum up, for whom, and over which days.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, close, sql } from '../../support/stack.js';
import { call, forget, makeProject, prompt, response, store } from '../support/entries.js';

const NAMES = ['overview', 'tools', 'models', 'activity', 'users'];
let who;
let other;
const member = randomUUID();
const run = (sub, name, { project = null, from = null, to = null } = {}, claims = {}) =>
  as({ role: 'authenticated', claims: { sub, ...claims } }, async (query) => {
    const [{ answer }] = await query(`select observatory.analytics_${name}($1, $2, $3) as answer`, [project, from, to]);
    return answer;
  });
const refused = (code, status) => (error) => {
  assert.deepEqual([JSON.parse(error.message).code, JSON.parse(error.detail).status], [code, status]);
  return true;
};
const range = { from: '2026-03-01', to: '2026-03-31' };

before(async () => {
  [who, other] = [await makeProject(), await makeProject()];
  await sql(
    `insert into private.model_prices (provider, model, effective_from, input_micro, output_micro)
     values ('anthropic', 'analysed-priced', '2020-01-01', 1000000, 2000000)`,
  );
  const at = (day, hour = 10) => ({ at: `2026-03-${day}T${hour}:00:00Z` });
  const durations = [10, 20, 40, 80, 3000];
  await store(who, 'one', [
    prompt('Do it', at('02')),
    response('msg_1', { ...at('02'), model: 'analysed-priced', tokens: { input: 100, output: 50 } }),
    response('msg_1', { ...at('02'), model: 'analysed-priced', tokens: { input: 100, output: 60 } }),
    response('msg_2', { ...at('03', 23), model: 'analysed-unknown', tokens: { input: 5, cache_read: 15 } }),
    ...durations.flatMap((duration_ms, n) =>
      call('Bash', { ...at('03'), result: { duration_ms, is_error: n === 0 }, model: '<synthetic>' }),
    ),
    ...call('Agent', { ...at('04'), model: '<synthetic>', result: { agent_id: 'missing' } }),
  ]);
  await sql(
    `update observatory.conversations set started_at = '2026-03-02T10:00Z', last_message_at = '2026-03-04T10:00Z' where owner_id = $1`,
    [who.owner],
  );
  await store(other, 'two', [response('msg_3', { ...at('02'), model: 'analysed-priced', tokens: { input: 1000 } })]);
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'viewer')`, [
    who.project,
    member,
  ]);
});
after(async () => {
  await sql(`delete from private.model_prices where model like 'analysed-%'`);
  await forget([who.owner, other.owner]);
  await close();
});

test('the overview has raw and deduplicated sums, costs beside what has no price, and what is incomplete', async () => {
  const {
    totals,
    days,
    incomplete_conversations: incomplete,
    ...named
  } = await run(member, 'overview', { project: who.project, ...range });
  assert.deepEqual(named, { project_id: who.project, ...range });
  assert.equal(incomplete, 1);
  assert.deepEqual(totals, {
    ...{
      requests: 2,
      input_tokens: 105,
      output_tokens: 60,
      cache_read_tokens: 15,
      cache_creation_tokens: 0,
      total_tokens: 180,
    },
    ...{
      raw_tokens: 330,
      web_searches: 0,
      cost_micro_usd: 220,
      unpriced: 1,
      prompts: 1,
      messages: 16,
      tool_calls: 6,
      errors: 1,
    },
    ...{ sessions: 1, active_days: 3, users: 1 },
  });
  assert.deepEqual(
    days.map(({ day, requests, cost_micro_usd: cost, unpriced, tool_calls: calls }) => [
      day,
      requests,
      cost,
      unpriced,
      calls,
    ]),
    [
      ['2026-03-02', 1, 220, 0, 0],
      ['2026-03-03', 1, null, 1, 5],
      ['2026-03-04', 0, 0, 0, 1],
    ],
  );
});

test('models have their tokens, costs and cache hits', async () => {
  const { models, distinct_models: distinct } = await run(who.owner, 'models', { project: who.project, ...range });
  assert.equal(distinct, 2);
  assert.deepEqual(
    models.map(
      ({
        model,
        source,
        total_tokens: tokens,
        cost_micro_usd: cost,
        unpriced,
        cache_hit_rate: rate,
        last_day: day,
      }) => [...[model, source, tokens, cost, unpriced, rate, day]],
    ),
    [
      ['analysed-priced', 'claude', 160, 220, 0, 0, '2026-03-02'],
      ['analysed-unknown', 'claude', 20, null, 1, 0.75, '2026-03-03'],
    ],
  );
});

test('tools have their calls, errors and durations', async () => {
  const { tools } = await run(who.owner, 'tools', { project: who.project, ...range });
  const [bash, agent] = tools;
  assert.deepEqual(
    [bash.tool_name, bash.calls, bash.errors, bash.error_rate, bash.timed, bash.average_ms],
    ['Bash', 5, 1, 0.2, 5, 630],
  );
  // Within a factor of two of 40 and of 3,000.
  assert.ok(bash.p50_ms >= 20 && bash.p50_ms <= 80, `${bash.p50_ms}`);
  assert.ok(bash.p95_ms >= 2048 && bash.p95_ms <= 4096 && bash.p99_ms >= bash.p95_ms, `${bash.p95_ms}`);
  assert.deepEqual(
    [agent.tool_name, agent.calls, agent.timed, agent.average_ms, agent.p50_ms],
    ['Agent', 1, 0, null, null],
  );
});

test('activity is by day, and by hour of the week', async () => {
  const { days, hours } = await run(who.owner, 'activity', { project: who.project, ...range });
  assert.deepEqual(
    days.map(({ day, messages }) => [day, messages]),
    [
      ['2026-03-02', 3],
      ['2026-03-03', 11],
      ['2026-03-04', 2],
    ],
  );
  // 2026-03-03 is a Tuesday.
  assert.deepEqual(
    hours.find(({ weekday, hour }) => weekday === 2 && hour === 23),
    { weekday: 2, hour: 23, prompts: 0, messages: 1, tool_calls: 0 },
  );
});

test('users have what each of them did', async () => {
  const { users, distinct_users: distinct } = await run(member, 'users', { project: who.project, ...range });
  assert.equal(distinct, 1);
  const [{ user_id: user, requests, messages, active_days: days, last_day: last }] = users;
  assert.deepEqual([user, requests, messages, days, last], [who.owner, 2, 16, 3, '2026-03-04']);
});

test('days outside the range are left out, and both ends are in it', async () => {
  const on = async (from, to) => (await run(who.owner, 'overview', { project: who.project, from, to })).totals.requests;
  assert.deepEqual(
    [await on('2026-03-02', '2026-03-03'), await on('2026-03-03', '2026-03-03'), await on('2026-03-04', '2026-04-01')],
    [2, 1, 0],
  );
  const { from, to, totals, days } = await run(who.owner, 'overview', { project: who.project });
  assert.equal((Date.parse(to) - Date.parse(from)) / 86_400_000, 29, 'the last 30 days');
  assert.deepEqual([totals.requests, totals.cost_micro_usd, days], [0, 0, []]);
});

test('a range that is none is refused', async () => {
  for (const name of NAMES)
    for (const wrong of [
      { from: '2026-03-02', to: '2026-03-01' },
      { from: '2025-01-01', to: '2026-03-01' },
      { from: 'yesterday' },
      { to: '2026-02-30' },
      { to: '2026-3-1' },
      { from: "2026-01-01'--" },
      { from: 'infinity' },
    ])
      await assert.rejects(
        run(who.owner, name, { project: who.project, ...wrong }),
        refused('RG673', 422),
        JSON.stringify(wrong),
      );
});

test('nobody learns anything of a project that is not theirs, and without a project the caller’s own are meant', async () => {
  const stranger = randomUUID();
  for (const name of NAMES) {
    for (const project of [who.project, randomUUID()])
      await assert.rejects(run(stranger, name, { project, ...range }), refused('RG660', 404), name);
    await assert.rejects(run(other.owner, name, { project: who.project, ...range }), refused('RG660', 404), name);
    // A token of the API that opens another system.
    const api_token = { id: randomUUID(), systems: ['clixen'], endpoints: [], access: 'read' };
    await assert.rejects(
      run(who.owner, name, { project: who.project, ...range }, { api_token }),
      refused('RG660', 404),
      name,
    );
  }
  const requests = async (sub) => (await run(sub, 'overview', range)).totals.requests;
  assert.deepEqual([await requests(stranger), await requests(member), await requests(other.owner)], [0, 2, 1]);
});

test('an API token sees rows in the tables if its scope has the system', async () => {
  const seen = (systems) =>
    as(
      {
        role: 'authenticated',
        claims: { sub: who.owner, api_token: { id: randomUUID(), systems, endpoints: [], access: 'read' } },
      },
      async (query) => {
        const found = [];
        for (const table of ['project_members', 'conversations', 'messages', 'usage_records', 'daily_rollups'])
          found.push((await query(`select exists (select from observatory.${table}) as any`))[0].any);
        return new Set(found);
      },
    );
  assert.deepEqual([await seen(['observatory']), await seen(['assistant'])], [new Set([true]), new Set([false])]);
});

test('a member who is removed sees nothing at once, also in the tables', async () => {
  const removed = randomUUID();
  const add = `insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'viewer')`;
  await sql(add, [who.project, removed]);
  const seen = () =>
    as({ role: 'authenticated', claims: { sub: removed } }, async (query) => {
      const counts = [];
      for (const table of ['daily_rollups', 'activity_rollups', 'tool_rollups', 'usage_records'])
        counts.push((await query(`select count(*)::int as n from observatory.${table}`))[0].n);
      return counts.map((n) => n > 0);
    });
  assert.deepEqual(await seen(), [true, true, true, true]);
  await sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [who.project, removed]);
  assert.deepEqual(await seen(), [false, false, false, false]);
  for (const name of NAMES)
    await assert.rejects(run(removed, name, { project: who.project, ...range }), refused('RG660', 404));
});

test('the schema’s functions are for users only', async () => {
  for (const role of ['anon', 'service_role', 'edge'])
    for (const name of NAMES)
      await assert.rejects(
        as({ role, claims: {} }, (query) => query(`select observatory.analytics_${name}()`)),
        { code: '42501' },
      );
});
