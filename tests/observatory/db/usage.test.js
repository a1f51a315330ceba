// Usage records: each response of a model counts once for its user, whatever lines and files repeat it.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql } from '../../support/stack.js';
import {
  call,
  conversation,
  differences,
  forget,
  makeProject,
  prompt,
  records,
  response,
  store,
} from '../support/entries.js';

const owners = [];
const project = async () => {
  const made = await makeProject();
  owners.push(made.owner);
  return made;
};
after(async () => {
  await forget(owners);
  await close();
});

const total = ({ input_tokens: a, output_tokens: b, cache_read_tokens: c, cache_creation_tokens: d }) => a + b + c + d;

test('a response in five lines whose output grows counts once, with the last of its numbers', async () => {
  const who = await project();
  const lines = [1, 2, 30, 200, 512].map((output) =>
    response('msg_1', { tokens: { input: 10, output, cache_read: 1000, cache_write_5m: 100, cache_write_1h: 50 } }),
  );
  await store(who, 'one', lines);
  const [record, ...others] = await records(who);
  assert.deepEqual(others, []);
  assert.deepEqual(
    [record.input_tokens, record.output_tokens, record.cache_read_tokens, record.cache_creation_5m_tokens],
    [10, 512, 1000, 100],
  );
  assert.deepEqual([record.cache_creation_1h_tokens, record.total_tokens, record.kind], [50, 1672, 'message']);
  // The lines as they stand add up to five times the input; both sums are there.
  const row = await conversation(who, 'one');
  assert.equal(total(row), 1672);
  assert.equal(row.raw_tokens, 5 * 1160 + 745);
});

test('the copy of the main conversation wins over a subagent’s, also with fewer tokens', async () => {
  for (const mainFirst of [true, false]) {
    const who = await project();
    const main = () => store(who, 'one', [response('msg_1', { tokens: { output: 5 }, request_id: 'req_1' })]);
    const side = () =>
      store(who, 'one', [response('msg_1', { tokens: { output: 50 }, request_id: 'req_2', is_sidechain: true })], {
        agent: 'a',
      });
    for (const send of mainFirst ? [main, side] : [side, main]) await send();
    const found = await records(who);
    assert.deepEqual(
      found.map(({ output_tokens: output, agent, is_sidechain: side_ }) => [output, agent, side_]),
      [[5, null, false]],
    );
    assert.equal((await conversation(who, 'one', 'a')).output_tokens, 0);
    assert.equal((await conversation(who, 'one', 'a')).raw_tokens, 50);
  }
});

test('of two subagents’ copies the one with more tokens wins', async () => {
  const who = await project();
  for (const [agent, output] of [
    ['a', 5],
    ['b', 50],
    ['c', 20],
  ])
    await store(who, 'one', [response('msg_1', { tokens: { output }, is_sidechain: true })], { agent });
  assert.deepEqual(
    (await records(who)).map(({ agent, output_tokens: output }) => [agent, output]),
    [['b', 50]],
  );
  assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
});

test('the same lines in any order and any parts make the same records', async () => {
  const at = Date.parse('2026-02-01T00:00:00Z');
  const lines = Array.from({ length: 24 }, (_, n) =>
    response(`msg_${n % 5}`, {
      uuid: `entry-${n}`,
      at: new Date(at + (n % 7) * 1000).toISOString(),
      is_sidechain: n % 3 === 0,
      tokens: { output: (n * 7) % 11, input: n % 2 },
    }),
  );
  const shape = ({ api_message_id: id, entry_uuid, output_tokens: output, input_tokens: input, occurred_at: when }) => [
    id,
    entry_uuid,
    output,
    input,
    when,
  ];
  let wanted;
  for (let run = 0; run < 30; run += 1) {
    const who = await project();
    const mixed = run === 0 ? [...lines] : lines.map((line) => [Math.random(), line]).sort(([a], [b]) => a - b);
    const rest = run === 0 ? mixed : mixed.map(([, line]) => line);
    while (rest.length > 0) {
      const part = rest.splice(0, 1 + Math.floor(Math.random() * 6));
      await store(who, 'one', part);
      // Some are sent again.
      if (Math.random() < 0.3) await store(who, 'one', part);
    }
    const found = (await records(who)).map(shape);
    wanted ??= found;
    assert.deepEqual(found, wanted, `run ${run}`);
    assert.deepEqual(await differences(who), { rollups: 0, counters: 0 });
  }
});

test('what is sent again changes no row', async () => {
  const who = await project();
  const lines = [
    ...call('Bash'),
    response('msg_1', { tokens: { output: 3, extra: [{ n: 1, kind: 'advisor', model: 'b', output: 4 }] } }),
  ];
  await store(who, 'one', lines);
  const versions = () =>
    sql('select xmin::text, ctid::text from observatory.usage_records where owner_id = $1 order by id', [who.owner]);
  const before = await versions();
  await store(who, 'one', lines);
  assert.deepEqual(await versions(), before);
});

test('what an advisor used is a record of its own, under its own model', async () => {
  const who = await project();
  const extra = [
    {
      n: 2,
      kind: 'advisor',
      model: 'advisor-model',
      input: 7,
      output: 8,
      cache_read: 9,
      cache_write_5m: 0,
      cache_write_1h: 0,
    },
  ];
  await store(who, 'one', [response('msg_1', { tokens: { input: 1, output: 2, extra } })]);
  assert.deepEqual(
    (await records(who)).map(({ part, kind, model, total_tokens: tokens }) => [part, kind, model, tokens]),
    [
      [0, 'message', 'counted-model', 3],
      [2, 'advisor', 'advisor-model', 24],
    ],
  );
});

test('a synthetic message is no response, and a line without numbers is none', async () => {
  const who = await project();
  await store(who, 'one', [
    response('msg_1', { model: '<synthetic>', tokens: { output: 5 } }),
    { ...response('msg_2'), usage: null },
    prompt('Hello'),
  ]);
  assert.deepEqual(await records(who), []);
  assert.equal((await conversation(who, 'one')).message_count, 3);
});

test('a response without an id counts by its entry', async () => {
  const who = await project();
  const line = response(null, { tokens: { output: 5 } });
  await store(who, 'one', [line, response(null, { tokens: { output: 6 } })]);
  await store(who, 'one', [line]);
  assert.deepEqual((await records(who)).map(({ output_tokens: output }) => output).sort(), [5, 6]);
});

test('web searches are counted from the result of the tool, under the model that asked', async () => {
  const who = await project();
  const lines = call('WebSearch', { id: 'toolu_1', model: 'asking-model', result: { searches: 3 } });
  await store(who, 'one', lines);
  const [response_, search] = await records(who);
  assert.deepEqual([response_.kind, response_.web_searches], ['message', 0]);
  assert.deepEqual(
    [search.api_message_id, search.kind, search.web_searches, search.model, search.total_tokens],
    ['w:toolu_1', 'web_search', 3, 'asking-model', 0],
  );
  const [rollup] = await sql(
    'select sum(requests)::int as requests, sum(web_searches)::int as searches from observatory.daily_rollups where project_id = $1',
    [who.project],
  );
  assert.deepEqual(rollup, { requests: 1, searches: 3 });
});

test('a conversation says how many of its subagents’ files are missing, until they come', async () => {
  const who = await project();
  const lines = [
    ...call('Agent', { result: { agent_id: 'a' } }),
    ...call('Agent', { result: { agent_id: 'b' } }),
    ...call('Agent', { result: { agent_id: 'a' } }),
  ];
  await store(who, 'one', lines);
  const missing = async () => (await conversation(who, 'one')).missing_agents;
  assert.equal(await missing(), 2);
  await store(who, 'another', [prompt('Hello')], { agent: 'a' });
  assert.equal(await missing(), 2, 'another session’s agent');
  await store(who, 'one', [prompt('Hello', { is_sidechain: true })], { agent: 'a' });
  assert.equal(await missing(), 1);
  await store(who, 'one', [prompt('Hello', { is_sidechain: true })], { agent: 'b' });
  assert.equal(await missing(), 0);
  await sql(`delete from observatory.conversations where owner_id = $1 and agent_id = 'a' and session_id = 'one'`, [
    who.owner,
  ]);
  assert.equal(await missing(), 1, 'deleted again');
});

test('the numbers of one user’s response do not touch another user’s', async () => {
  const [one, other] = [await project(), await project()];
  await store(one, 'one', [response('msg_1', { tokens: { output: 5 } })]);
  await store(other, 'one', [response('msg_1', { tokens: { output: 50 } })]);
  assert.deepEqual([(await records(one))[0].output_tokens, (await records(other))[0].output_tokens], [5, 50]);
});

test('members read records, strangers see none, and nobody writes them', async () => {
  const who = await project();
  await store(who, 'one', [response('msg_1', { tokens: { output: 5 } })]);
  const count = (sub) =>
    as({ role: 'authenticated', claims: { sub } }, async (query) => {
      const [{ n }] = await query('select count(*)::int as n from observatory.usage_records');
      return n;
    });
  const member = randomUUID();
  assert.deepEqual([await count(who.owner), await count(member)], [1, 0]);
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'viewer')`, [
    who.project,
    member,
  ]);
  assert.equal(await count(member), 1);
  await sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [who.project, member]);
  assert.equal(await count(member), 0, 'at once');
  await sql(`update observatory.conversations set deleted_at = now() where owner_id = $1`, [who.owner]);
  assert.equal(await count(who.owner), 0, 'of a deleted conversation');
  for (const [role, sub] of [
    ['authenticated', who.owner],
    ['service_role', undefined],
    ['edge', who.owner],
  ]) {
    for (const statement of [
      'update observatory.usage_records set cost_micro_usd = 0',
      'delete from observatory.usage_records',
      `update observatory.daily_rollups set cost_micro_usd = 0`,
      'delete from observatory.activity_rollups',
      'delete from observatory.tool_rollups',
      `select private.count_usage('${who.owner}', '{}')`,
    ])
      await assert.rejects(
        as({ role, claims: { sub } }, (query) => query(statement)),
        { code: '42501' },
        `${role}: ${statement}`,
      );
  }
});
