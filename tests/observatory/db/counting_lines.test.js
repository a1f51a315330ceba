// Counting from lines as Claude Code writes them, to the usage, costs and links that they become.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, sql } from '../../support/stack.js';
import { differences } from '../support/entries.js';
import { call, conversation, Session, send, sendSession } from '../support/transcripts.js';

after(close);

/** What a user's lines have counted: [id, part, kind, model, input, output, cache read, 5 minutes, an hour, searches]. */
const counted = async (sub) =>
  (
    await sql(
      `select api_message_id, part::int, kind, model, input_tokens::int as input, output_tokens::int as output, cache_read_tokens::int as read,
         cache_creation_5m_tokens::int as minutes, cache_creation_1h_tokens::int as hour, web_searches::int as searches
       from observatory.usage_records where owner_id = $1 order by api_message_id collate "C", part`,
      [sub],
    )
  ).map((row) => Object.values(row));
const usage = (input, output, more = {}) => ({ input_tokens: input, output_tokens: output, ...more });

test('what an advisor and a compaction of the API used are records beside the response, which leaves them out', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Go');
  const iterations = (output) => [
    { type: 'message', input_tokens: 100, output_tokens: output, cache_read_input_tokens: 0 },
    {
      ...{ type: 'advisor_message', model: 'claude-fable-5', input_tokens: 700, output_tokens: output * 2 },
      ...{ cache_read_input_tokens: 30, cache_creation_input_tokens: 50 },
      cache_creation: { ephemeral_5m_input_tokens: 20, ephemeral_1h_input_tokens: 30 },
    },
    { type: 'compaction', input_tokens: 9, output_tokens: 8 },
    { type: 'from_the_future', input_tokens: 5000, output_tokens: 5000 },
  ];
  // A response is written in several lines while it grows.
  for (const output of [5, 40])
    one.assistant('A part', { id: 'msg_a', usage: usage(100, output, { iterations: iterations(output) }) });
  await sendSession(sub, one, { size: 2 });
  assert.deepEqual(await counted(sub), [
    ['msg_a', 0, 'message', 'claude-opus-5', 100, 40, 0, 0, 0, 0],
    ['msg_a', 2, 'advisor', 'claude-fable-5', 700, 80, 30, 20, 30, 0],
    ['msg_a', 3, 'compaction', 'claude-opus-5', 9, 8, 0, 0, 0, 0],
  ]);
  const made = await conversation(sub, one.id);
  assert.deepEqual([Number(made.input_tokens), Number(made.output_tokens)], [809, 128]);
});

test('web searches of the command line are counted from the result, once, however often the lines come', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Search');
  one.tool(
    'WebSearch',
    { query: 'walrus' },
    { query: 'walrus', results: [{ tool_use_id: 'srv', content: [] }, 'text'], durationSeconds: 5.2, searchCount: 3 },
    { id: 'toolu_search' },
  );
  await sendSession(sub, one);
  await send(sub, 'elsewhere/copy.jsonl', one.text, { session: one.id });
  const found = await counted(sub);
  assert.deepEqual(
    found.map(([id, , kind, model, , , , , , searches]) => [id.slice(0, 4), kind, model, searches]),
    [
      ['msg_', 'message', 'claude-opus-5', 0],
      ['w:to', 'web_search', 'claude-opus-5', 3],
    ],
  );
});

test('searches that the API ran for a response count beside those of the command line, each once', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Search');
  // The lines of one response: its numbers grow.
  for (const web_search_requests of [0, 2, 2])
    one.assistant('Found', {
      id: 'msg_a',
      usage: usage(10, 5, { server_tool_use: { web_search_requests, web_fetch_requests: 9 } }),
    });
  one.tool('WebSearch', { query: 'walrus' }, { query: 'walrus', results: [], searchCount: 3 }, { id: 'toolu_search' });
  await sendSession(sub, one);
  await send(sub, 'elsewhere/copy.jsonl', one.text, { session: one.id });
  const found = (await counted(sub)).map(([id, , kind, , , , , , , searches]) => [
    kind === 'message' && id !== 'msg_a' ? 'caller of the tool' : id,
    kind,
    searches,
  ]);
  assert.deepEqual(found.toSorted(), [
    ['caller of the tool', 'message', 0],
    ['msg_a', 'message', 2],
    ['w:toolu_search', 'web_search', 3],
  ]);
  const { project_id: project } = await conversation(sub, one.id);
  const overview = await call({ role: 'authenticated', claims: { sub } }, 'analytics_overview', { project });
  assert.equal(overview.totals.web_searches, 5);
});

test('the costUSD of a line of an older version is not its cost, which comes from the price list', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Go');
  one.assistant('Done', { id: 'msg_old', model: 'nobody-lists-this', usage: usage(10, 5), costUSD: 1.25 });
  const answer = await sendSession(sub, one);
  assert.deepEqual(answer.skipped, {});
  const rows = await sql(
    'select api_message_id, total_tokens::int, cost_micro_usd from observatory.usage_records where owner_id = $1',
    [sub],
  );
  assert.deepEqual(rows, [{ api_message_id: 'msg_old', total_tokens: 15, cost_micro_usd: null }]);
  const page = await call({ role: 'authenticated', claims: { sub } }, 'transcript_page', {
    id: answer.conversation_id,
  });
  assert.equal(page.text, one.text);
});

test('what a subagent’s result says of its tokens is counted nowhere: the subagent’s own lines are', async () => {
  const sub = randomUUID();
  const main = new Session();
  main.user('Start');
  main.tool(
    'Agent',
    { prompt: 'x' },
    {
      ...{ status: 'completed', agentId: 'a1', resolvedModel: 'claude-haiku-4-5', totalToolUseCount: 3 },
      ...{ totalDurationMs: 4000, totalTokens: 99_999, usage: usage(90_000, 9_999), toolStats: { linesAdded: 4 } },
    },
    { id: 'toolu_agent' },
  );
  const agent = new Session({ id: main.id, cwd: main.cwd, agent: 'a1' });
  agent.user('Work');
  agent.assistant('Done', { id: 'msg_agent', usage: usage(11, 12), model: 'claude-haiku-4-5' });
  for (const one of [main, agent]) await sendSession(sub, one);
  const found = await counted(sub);
  const shown = found.map(
    ([id, , kind, model, input, output]) => `${id === 'msg_agent'} ${kind} ${model} ${input} ${output}`,
  );
  assert.deepEqual(shown.toSorted(), ['false message claude-opus-5 10 5', 'true message claude-haiku-4-5 11 12']);
  const [{ duration_ms: took }] = await sql(
    `select duration_ms::int from observatory.tool_calls where owner_id = $1 and tool_use_id = 'toolu_agent'`,
    [sub],
  );
  assert.equal(took, 4000);
});

test('numbers that no response can have are cut, so that their sums can be stored', async () => {
  const sub = randomUUID();
  const one = new Session();
  const most = 10 ** 15;
  const all = usage(most, most, { cache_read_input_tokens: most, cache_creation_input_tokens: most });
  for (let n = 0; n < 2400; n += 1) one.assistant('x', { id: `msg_${n}`, usage: all });
  const answer = await sendSession(sub, one);
  assert.equal(answer.messages, 2400);
  const [{ raw_tokens, project_id }] = await sql(
    'select raw_tokens, project_id from observatory.conversations where owner_id = $1',
    [sub],
  );
  assert.equal(Number(raw_tokens), 2400 * 4 * 10 ** 12);
  assert.deepEqual(await differences({ project: project_id }), { rollups: 0, counters: 0 });
});

test('cache writes are the larger of the total and its parts', async () => {
  const cases = [
    [
      {
        cache_creation_input_tokens: 0,
        cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 6 },
      },
      4,
      6,
    ],
    [
      {
        cache_creation_input_tokens: 100,
        cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 6 },
      },
      94,
      6,
    ],
    [
      {
        cache_creation_input_tokens: 10,
        cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 6 },
      },
      4,
      6,
    ],
    [{ cache_creation_input_tokens: 7 }, 7, 0],
    [{ cache_creation: { ephemeral_1h_input_tokens: 6 } }, 0, 6],
  ];
  const sub = randomUUID();
  const one = new Session();
  for (const [n, [more]] of cases.entries()) one.assistant('x', { id: `msg_${n}`, usage: usage(1, 1, more) });
  await sendSession(sub, one);
  assert.deepEqual(
    (await counted(sub)).map(([, , , , , , , minutes, hour]) => [minutes, hour]),
    cases.map(([, minutes, hour]) => [minutes, hour]),
  );
});

test('the main line of a response wins over a subagent’s that repeats it under another request, in either order', async () => {
  for (const isFirst of [true, false]) {
    const sub = randomUUID();
    const main = new Session();
    const line = main.assistant('Main', { id: 'msg_both', usage: usage(10, 20) });
    const agent = new Session({ id: main.id, cwd: main.cwd, agent: 'b' });
    agent.raw({
      ...{ ...line, uuid: randomUUID(), isSidechain: true, agentId: 'b', requestId: 'req_other' },
      message: { ...line.message, usage: usage(10, 500) },
    });
    for (const file of isFirst ? [main, agent] : [agent, main]) await sendSession(sub, file);
    assert.deepEqual(
      (await counted(sub)).map(([id, , , , , output]) => [id, output]),
      [['msg_both', 20]],
    );
    const [{ agent_id: owner }] = await sql(
      `select c.agent_id from observatory.usage_records as u inner join observatory.conversations as c on c.id = u.conversation_id where u.owner_id = $1`,
      [sub],
    );
    assert.equal(owner, null);
  }
});

test('how a response was served is kept for its price; an empty place is none', async () => {
  const sub = randomUUID();
  const one = new Session();
  for (const [n, more] of [
    { speed: 'fast', inference_geo: '' },
    { service_tier: 'batch', inference_geo: 'us' },
    { service_tier: 'standard', inference_geo: 'not_available', output_tokens_details: { thinking_tokens: 5 } },
  ].entries())
    one.assistant('x', { id: `msg_${n}`, usage: usage(1, 1, more) });
  await sendSession(sub, one);
  const rows = await sql(
    'select variant, geo from observatory.usage_records where owner_id = $1 order by api_message_id',
    [sub],
  );
  assert.deepEqual(rows, [
    { variant: 'fast', geo: '' },
    { variant: 'batch', geo: 'us' },
    { variant: '', geo: '' },
  ]);
});

test('a fork’s lines count once, and both files have their own raw sums', async () => {
  for (const isFirst of [true, false]) {
    const sub = randomUUID();
    const one = new Session();
    one.user('Go');
    one.assistant('There', { id: 'msg_1', usage: usage(10, 20) });
    const fork = new Session({ cwd: one.cwd, at: one.at + 10 });
    for (const record of one.records) fork.raw({ ...record, sessionId: fork.id });
    fork.last = one.last;
    fork.assistant('Further', { id: 'msg_2', usage: usage(30, 40) });
    for (const file of isFirst ? [one, fork] : [fork, one]) await sendSession(sub, file);
    assert.deepEqual(
      (await counted(sub)).map(([id, , , , input, output]) => [id, input, output]),
      [
        ['msg_1', 10, 20],
        ['msg_2', 30, 40],
      ],
    );
    const sums = async (session) => {
      const { raw_tokens: raw, input_tokens: input, message_count: count } = await conversation(sub, session);
      return [raw, input, count].map(Number);
    };
    assert.deepEqual(
      [await sums(one.id), await sums(fork.id)],
      [
        [30, 10, 2],
        [100, 30, 1],
      ],
    );
  }
});

test('commits and pull requests that a tool’s result or the agent names are linked to their call', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Ship it');
  one.tool(
    'Bash',
    { command: 'git commit && gh pr create' },
    {
      ...{ stdout: 'ok', stderr: '', interrupted: false },
      gitOperation: {
        commit: { sha: '0a1b2c3d', branch: 'main' },
        push: { branch: 'main' },
        pr: { number: 12, url: 'https://git.example.org/a/b/pull/12', action: 'created' },
      },
    },
    { id: 'toolu_git' },
  );
  one.raw({
    ...{ type: 'pr-link', sessionId: one.id, prNumber: 13, prUrl: 'https://git.example.org/a/b/pull/13' },
    prRepository: 'a/b',
  });
  await sendSession(sub, one);
  const { id } = await conversation(sub, one.id);
  const rows = await sql(
    `select l.kind, l.sha, l.branch, l.number::int, l.url, t.tool_use_id as call
     from observatory.git_links as l left join observatory.tool_calls as t on t.id = l.tool_call_id
     where l.conversation_id = $1 order by l.kind, l.number`,
    [id],
  );
  const none = { sha: null, branch: null, number: null, url: null };
  assert.deepEqual(rows, [
    { kind: 'commit', ...none, sha: '0a1b2c3d', branch: 'main', call: 'toolu_git' },
    { kind: 'pr', ...none, number: 12, url: 'https://git.example.org/a/b/pull/12', call: 'toolu_git' },
    { kind: 'pr', ...none, number: 13, url: 'https://git.example.org/a/b/pull/13', call: null },
    { kind: 'push', ...none, branch: 'main', call: 'toolu_git' },
  ]);
});

test('fields of lines that have no column are kept beside the message', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Go', { promptSource: 'typed', sessionKind: 'bg', permissionMode: 'plan' });
  one.assistant('There', { effort: 'high', advisorModel: 'claude-fable-5' });
  one.user('Context', { isVisibleInTranscriptOnly: true });
  const { conversation_id: id } = await sendSession(sub, one);
  const rows = await sql('select metadata from observatory.messages where conversation_id = $1 order by seq', [id]);
  assert.deepEqual(
    rows.map(({ metadata }) => metadata),
    [
      { prompt_source: 'typed', session_kind: 'bg', permission_mode: 'plan' },
      { effort: 'high', advisor_model: 'claude-fable-5' },
      { is_transcript_only: true },
    ],
  );
});

test('a session that was deleted and is sent again counts once, before and after the job', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Go');
  one.tool('Bash', { command: 'ls' }, { stdout: 'x' });
  one.assistant('There', { id: 'msg_1', usage: usage(10, 20) });
  const { conversation_id: id, project_id: project } = await sendSession(sub, one);
  const shown = async () => {
    const row = await conversation(sub, one.id);
    return [row.message_count, row.tool_call_count, row.output_tokens, row.raw_tokens].map(Number);
  };
  const [wanted, records] = [await shown(), await counted(sub)];
  await call({ role: 'authenticated', claims: { sub } }, 'delete_conversation', { id });
  const again = await sendSession(sub, one);
  assert.notEqual(again.conversation_id, id);
  assert.deepEqual([await shown(), await counted(sub)], [wanted, records]);
  for (let runs = 0; runs < 20; runs += 1) await sql('select private.purge_observatory()');
  assert.deepEqual([await shown(), await counted(sub)], [wanted, records]);
  assert.deepEqual(await differences({ project }), { rollups: 0, counters: 0 });
  const [{ n }] = await sql('select count(*)::int as n from observatory.messages where owner_id = $1', [sub]);
  assert.equal(n, one.records.length);
});

test('the agent that writes the summary of a compaction, and one of a workflow, are subagents whose responses count', async () => {
  const sub = randomUUID();
  const main = new Session();
  main.user('Go');
  main.assistant('Going', { id: 'msg_main', usage: usage(10, 1) });
  await sendSession(sub, main);
  const folder = main.file.replace('.jsonl', '/subagents');
  for (const [agent, path] of [
    ['acompact-0f3a', 'agent-acompact-0f3a.jsonl'],
    ['w1', 'workflows/run1/agent-w1.jsonl'],
  ]) {
    const one = new Session({ id: main.id, cwd: main.cwd, agent });
    one.user('Summarise');
    one.assistant('Done', { id: `msg_${agent}`, usage: usage(20, 2) });
    await send(sub, `${folder}/${path}`, one.text);
    const made = await conversation(sub, main.id, agent);
    assert.equal(made.parent_conversation_id, (await conversation(sub, main.id)).id, path);
  }
  assert.deepEqual(
    (await counted(sub)).map(([id, , kind, , input, output]) => [id, kind, input, output]),
    [
      ['msg_acompact-0f3a', 'message', 20, 2],
      ['msg_main', 'message', 10, 1],
      ['msg_w1', 'message', 20, 2],
    ],
  );
  const { missing_agents: missing, project_id: project } = await conversation(sub, main.id);
  assert.equal(missing, '0', 'no tool has started them');
  assert.deepEqual(await differences({ project }), { rollups: 0, counters: 0 });
});
