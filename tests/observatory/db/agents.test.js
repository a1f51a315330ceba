// Other agents: Codex CLI's rollouts, Gemini CLI's chats and opencode's export, each with its own rules of counting.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql } from '../../support/stack.js';
import {
  ask,
  ask2,
  codex,
  header,
  info,
  info2,
  item,
  meta,
  opencodeSession,
  prompt,
  reply,
  reply2,
  response,
  tokens,
  totals,
  turn,
} from '../support/agents.js';
import { callsOf, conversationsOf, rowsOf, sendLines, somebody } from '../support/live.js';

after(close);

/** Messages of a session with a role, in the order of the file: [role, text]. */
const messagesOf = async (user, session) =>
  (
    await sql(
      `select m.role, m.content from observatory.messages as m
      inner join observatory.conversations as c on c.id = m.conversation_id
      where c.owner_id = $1 and c.session_id = $2 and m.role is not null order by m.seq, m.id`,
      [user, session],
    )
  ).map(({ role, content }) => [role, content]);

const usageOf = (user) =>
  rowsOf(
    `select jsonb_build_object('model', model, 'source', source, 'input', input_tokens, 'output', output_tokens,
      'cache_read', cache_read_tokens, 'cache_write', cache_creation_5m_tokens) as row
    from observatory.usage_records where owner_id = $1 order by api_message_id`,
    [user],
  );

/** What an upload has made, without ids and times of storage. */
const digest = async (user) => {
  const rows = await rowsOf(
    `select jsonb_build_object('entry', m.entry_uuid, 'parent', m.parent_uuid, 'type', m.entry_type, 'role', m.role, 'seq', m.seq,
      'content', m.content, 'copy', m.is_copy, 'session', c.session_id, 'at', m.occurred_at) as row
    from observatory.messages as m inner join observatory.conversations as c on c.id = m.conversation_id
    where m.owner_id = $1 order by c.session_id, m.entry_uuid`,
    [user],
  );
  return { rows, usage: await usageOf(user) };
};

/** Sends lines in parts of so many. */
const sendInParts = async (user, file, lines, size) => {
  let base = 0;
  for (let at = 0; at < lines.length; at += size) {
    const part = lines.slice(at, at + size);
    await sendLines(user, file, part, { base });
    base += part.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  }
};

// Codex

test('a rollout of Codex is a conversation with prompts, answers and tool calls', async () => {
  const { user, session } = somebody();
  const lines = [
    meta(session),
    item({ type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'Rules' }] }),
    item({
      type: 'message',
      role: 'user',
      content: [{ type: 'input_text', text: '<environment_context>\n</environment_context>' }],
    }),
    ...turn('turn-1', 1),
    item({
      type: 'custom_tool_call',
      name: 'apply_patch',
      input: '*** Begin Patch',
      call_id: 'call_patch',
      status: 'completed',
    }),
    item({
      type: 'custom_tool_call_output',
      call_id: 'call_patch',
      output: 'Exit code: 1\nWall time: 0.5 seconds\nOutput:\nno such file',
    }),
    item({ type: 'web_search_call', status: 'completed', action: { type: 'search', query: 'x' } }),
    codex('compacted', { message: 'What happened' }),
    codex('something_new', { a: 1 }),
  ];
  await sendLines(user, `rollout-2026-11-20T10-00-00-${session}.jsonl`, lines);
  const [conversation, ...more] = await conversationsOf(user, session);
  assert.deepEqual(more, []);
  assert.deepEqual(
    [conversation.source, conversation.title, conversation.cwd, conversation.cli_version, conversation.git_branch],
    ['codex', 'Prompt 1', '/home/me/app', '0.99.0', 'main'],
  );
  assert.deepEqual(await messagesOf(user, session), [
    ['system', 'Rules'],
    ['user', '<environment_context>\n</environment_context>'],
    ['user', 'Prompt 1'],
    ['assistant', null],
    ['user', null],
    ['assistant', 'Answer 1'],
    ['assistant', null],
    ['user', null],
    ['system', 'What happened'],
  ]);
  const calls = await callsOf(user, session);
  const shown = ({ tool_name, status, output, input, duration_ms }) => ({
    tool_name,
    status,
    output,
    input,
    duration_ms,
  });
  assert.deepEqual(shown(calls['call_turn-1']), {
    tool_name: 'shell',
    status: 'completed',
    output: 'a.txt\n',
    input: { command: ['ls'] },
    duration_ms: 1250,
  });
  assert.deepEqual(
    [calls.call_patch.tool_name, calls.call_patch.status, calls.call_patch.duration_ms],
    ['apply_patch', 'failed', 500],
  );
  assert.doesNotMatch(JSON.stringify(await digest(user)), /gAAAAA/);
});

test('Codex: what was cached is a part of the input, repeated totals are no response, and without numbers of the last one the totals’ growth counts', async () => {
  const { user, session } = somebody();
  const lines = [
    meta(session),
    codex('turn_context', { turn_id: 'turn-1', cwd: '/home/me/app', model: 'gpt-5.5' }),
    tokens(null),
    tokens(totals(100, 40, 10), totals(100, 40, 10)),
    tokens(totals(100, 40, 10), totals(100, 40, 10)),
    tokens(totals(250, 140, 30)),
    codex('turn_context', { turn_id: 'turn-2', cwd: '/home/me/app', model: 'gpt-5.6' }),
    // Begun anew.
    tokens(totals(20, 0, 5)),
    tokens(totals(20, 0, 5)),
  ];
  await sendLines(user, `rollout-${session}.jsonl`, lines);
  const used = (model, input, cache_read, output) => ({
    model,
    source: 'codex',
    input,
    output,
    cache_read,
    cache_write: 0,
  });
  assert.deepEqual(await usageOf(user), [
    used('gpt-5.5', 60, 40, 10),
    used('gpt-5.5', 50, 100, 20),
    used('gpt-5.6', 20, 0, 5),
  ]);
});

test('Codex: a fork’s copy of its parent, with other times, counts once, in whatever order the two come', async (t) => {
  const ids = { parent: randomUUID(), fork: randomUUID(), second: randomUUID() };
  const [one, two, three, four] = [1, 2, 3, 4].map((n) => `turn-${n}-${randomUUID()}`);
  const parent = [meta(ids.parent), ...turn(one, 1), ...turn(two, 2)];
  // The fork has its own line, the parent's, and the parent's first turn with the time of the fork.
  const fork = [
    meta(ids.fork, { forked_from_id: ids.parent }),
    meta(ids.parent),
    ...turn(one, 1, 5000),
    ...turn(three, 2, 5100),
  ];
  // A fork of the fork.
  const second = [
    meta(ids.second, { forked_from_id: ids.fork }),
    meta(ids.fork, { forked_from_id: ids.parent }),
    ...turn(one, 1, 5500),
    ...turn(three, 2, 5500),
    ...turn(four, 3, 5600),
  ];
  const files = { parent, fork, second };
  let wanted;
  for (const order of [
    ['parent', 'fork', 'second'],
    ['second', 'fork', 'parent'],
    ['fork', 'parent', 'second', 'fork'],
  ]) {
    await t.test(order.join(', '), async () => {
      const { user } = somebody();
      for (const name of order) await sendLines(user, `rollout-${ids[name]}.jsonl`, files[name]);
      const usage = await usageOf(user);
      assert.equal(usage.length, 4);
      assert.deepEqual(
        usage.map(({ input, cache_read }) => [input, cache_read]),
        Array.from({ length: 4 }, () => [60, 40]),
      );
      const copies = await sql(
        `select c.session_id, count(*) filter (where m.is_copy)::int as copies, count(*)::int as all
        from observatory.messages as m inner join observatory.conversations as c on c.id = m.conversation_id
        where m.owner_id = $1 and m.role is not null group by c.session_id`,
        [user],
      );
      const found = Object.fromEntries(copies.map(({ session_id, ...rest }) => [session_id, rest]));
      wanted ??= {
        [ids.parent]: { copies: 0, all: 8 },
        [ids.fork]: { copies: 4, all: 8 },
        [ids.second]: { copies: 8, all: 12 },
      };
      assert.deepEqual(found, wanted);
    });
  }
});

test('Codex: the first totals of a fork are its parent’s, and a subagent’s session is not its parent’s', async () => {
  const { user, session } = somebody();
  const parent = randomUUID();
  await sendLines(user, `rollout-${session}.jsonl`, [
    meta(session, { session_id: parent, parent_thread_id: parent, thread_source: 'subagent' }),
    codex('turn_context', { turn_id: `turn-${session}`, cwd: '/home/me/app', model: 'gpt-5.6' }),
    tokens(totals(90_000, 0, 4000)),
    tokens(totals(90_100, 60, 4010)),
    codex('event_msg', { type: 'thread_name_updated', name: 'A name' }),
  ]);
  assert.deepEqual(
    (await usageOf(user)).map(({ input, cache_read, output }) => [input, cache_read, output]),
    [[40, 60, 10]],
  );
  const [conversation] = await conversationsOf(user, session);
  assert.deepEqual([conversation.title, conversation.title_source], ['A name', 'ai']);
  assert.deepEqual(await conversationsOf(user, parent), []);
});

test('Codex: in parts of any size a rollout becomes the same rows', async () => {
  const { session } = somebody();
  const lines = [meta(session), ...turn('turn-a', 1), ...turn('turn-b', 2), ...turn('turn-c', 3)];
  let wanted;
  for (const size of [lines.length, 1, 2, 3, 7]) {
    const { user } = somebody();
    await sendInParts(user, `rollout-${session}.jsonl`, lines, size);
    const made = await digest(user);
    wanted ??= made;
    assert.deepEqual(made, wanted, `parts of ${size}`);
  }
  assert.equal(wanted.usage.length, 3);
});

test('Codex: odd lines are stored and harm nothing', async () => {
  const { user, session } = somebody();
  const lines = [
    meta(session),
    JSON.stringify({ type: 'response_item' }),
    JSON.stringify({ type: 'response_item', payload: 'text' }),
    JSON.stringify({
      timestamp: 'yesterday',
      type: 'response_item',
      payload: { type: 'message', role: 5, content: { a: 1 } },
    }),
    item({ type: 'function_call', name: '', arguments: '{broken', call_id: '' }),
    item({ type: 'function_call', name: 'x', arguments: 5, call_id: 'call_5' }),
    item({ type: 'function_call_output', call_id: 'call_5', output: '{"output": broken' }),
    item({
      type: 'function_call_output',
      call_id: 'call_6',
      output: { content: [{ type: 'input_text', text: 'words' }], success: false },
    }),
    item({ type: 'reasoning', summary: 'none' }),
    tokens({ input_tokens: -5, output_tokens: '7', cached_input_tokens: 1e20 }),
    JSON.stringify({ payload: {} }),
    JSON.stringify({ type: '', payload: null }),
    '{}',
  ];
  const answer = await sendLines(user, `rollout-${session}.jsonl`, lines);
  const [{ n }] = await sql('select count(*)::int as n from observatory.messages where owner_id = $1', [user]);
  assert.equal(n, lines.length, JSON.stringify(answer));
  const calls = await callsOf(user, session);
  assert.deepEqual(
    [calls.call_5.output, calls.call_6.output, calls.call_6.is_error],
    ['{"output": broken', 'words', true],
  );
  assert.deepEqual(await usageOf(user), []);
});

// Gemini

test('a chat of Gemini is a conversation, whether its messages stand in lines, in patches or in one object', async (t) => {
  const messages = () => [
    prompt('m1', 'Read it'),
    response('m2', 'It says so'),
    { ...prompt('m3', 'quota'), type: 'error' },
  ];
  const shapes = {
    lines: (session) => [header(session), ...messages()],
    patches: (session) => [
      header(session),
      { $set: { messages: messages().slice(0, 1) } },
      { $set: { messages: messages() } },
      { $set: { lastUpdated: 'x' } },
    ],
    'one object': (session) => [{ ...header(session), messages: messages() }],
    'a line, then all of it': (session) => [header(session), messages()[0], { $set: { messages: messages() } }],
  };
  for (const [name, shape] of Object.entries(shapes)) {
    await t.test(name, async () => {
      const { user, session } = somebody();
      await sendLines(
        user,
        `chats/session-${session}.jsonl`,
        shape(session).map((line) => JSON.stringify(line)),
      );
      const [conversation] = await conversationsOf(user, session);
      assert.deepEqual([conversation.source, conversation.title], ['gemini', 'Read it']);
      assert.deepEqual(await messagesOf(user, session), [
        ['user', 'Read it'],
        ['assistant', 'It says so'],
        ['system', 'quota'],
      ]);
      // Cached is a part of the input, thoughts and the input of tools are not in the other numbers.
      assert.deepEqual(await usageOf(user), [
        { model: 'gemini-3-pro', source: 'gemini', input: 63, output: 17, cache_read: 40, cache_write: 0 },
      ]);
      const call = (await callsOf(user, session))['tool-m2'];
      assert.deepEqual(
        [call.tool_name, call.status, call.output, call.input],
        ['read_file', 'completed', 'contents', { file_path: '/home/me/app/a.txt' }],
      );
    });
  }
});

test('Gemini: a message that was written before its numbers counts them when they come, once', async () => {
  const { user, session } = somebody();
  const early = response('m2', 'It', {
    tokens: undefined,
    toolCalls: [{ id: 'tool-m2', name: 'read_file', args: {}, status: 'executing' }],
  });
  const lines = [
    header(session),
    prompt('m1', 'Read it'),
    early,
    { $set: { messages: [prompt('m1', 'Read it'), response('m2', 'It says so')] } },
  ];
  await sendInParts(
    user,
    `session-${session}.jsonl`,
    lines.map((line) => JSON.stringify(line)),
    2,
  );
  assert.deepEqual(
    (await usageOf(user)).map(({ input, output }) => [input, output]),
    [[63, 17]],
  );
  assert.equal((await callsOf(user, session))['tool-m2'].status, 'completed');
});

test('Gemini: messages follow one another, also where one is written again or taken away', async () => {
  const { user, session } = somebody();
  const lines = [
    header(session),
    prompt('m1', 'One'),
    response('m2', 'Two', { tokens: undefined }),
    response('m2', 'Two and more'),
    prompt('m3', 'Three'),
    { $rewindTo: 'm3' },
    prompt('m4', 'Another three'),
    {
      $set: {
        messages: [
          prompt('m1', 'One'),
          response('m2', 'Two and more'),
          prompt('m4', 'Another three'),
          response('m5', 'Four', { toolCalls: [] }),
        ],
      },
    },
  ].map((line) => JSON.stringify(line));
  let wanted;
  for (const size of [lines.length, 1, 3]) {
    const { user: other } = size === lines.length ? { user } : somebody();
    await sendInParts(other, `session-${session}.jsonl`, lines, size);
    const made = await sql(
      'select entry_uuid as id, parent_uuid as parent, content from observatory.messages where owner_id = $1 and role is not null order by entry_uuid',
      [other],
    );
    wanted ??= made;
    assert.deepEqual(made, wanted, `parts of ${size}`);
  }
  assert.deepEqual(wanted, [
    { id: 'm1', parent: null, content: 'One' },
    { id: 'm2', parent: 'm1', content: 'Two and more' },
    { id: 'm3', parent: 'm2', content: 'Three' },
    { id: 'm4', parent: 'm2', content: 'Another three' },
    { id: 'm5', parent: 'm4', content: 'Four' },
  ]);
});

test('Gemini: odd lines are stored and harm nothing', async () => {
  const { user, session } = somebody();
  const lines = [
    header(session),
    { $set: 5 },
    { $set: { messages: 'none', summary: 'A summary' } },
    { $set: { messages: [5, null, { id: 5 }, { type: 'gemini' }] } },
    { $rewindTo: 'm1' },
    {
      id: 'm9',
      type: 'gemini',
      content: [{ text: 'a' }, 'b', 5, { inlineData: {} }],
      thoughts: 'none',
      toolCalls: {},
      tokens: [],
    },
    { id: '' },
    {},
  ];
  await sendLines(
    user,
    `session-${session}.jsonl`,
    lines.map((line) => JSON.stringify(line)),
  );
  assert.deepEqual((await messagesOf(user, session)).at(-1), ['assistant', 'a\nb\n[image]']);
  const [conversation] = await conversationsOf(user, session);
  assert.deepEqual([conversation.title, conversation.title_source], ['A summary', 'summary']);
  assert.deepEqual(await usageOf(user), []);
});

// opencode

test('an export of opencode is a conversation, in lines or as one object', async (t) => {
  const shapes = {
    lines: (session) => [info(session), ask(session, 'msg_1', 'Read it', 1), reply(session, 'msg_2', 'It says so', 2)],
    'one object': (session) => [
      { ...info(session), messages: [ask(session, 'msg_1', 'Read it', 1), reply(session, 'msg_2', 'It says so', 2)] },
    ],
    'lines of version 2': (session) => [info2(session), ask2('msg_1', 'Read it', 1), reply2('msg_2', 'It says so', 2)],
    'one object of version 2': (session) => [
      { ...info2(session), messages: [ask2('msg_1', 'Read it', 1), reply2('msg_2', 'It says so', 2)] },
    ],
  };
  for (const [name, shape] of Object.entries(shapes)) {
    await t.test(name, async () => {
      const { user } = somebody();
      const session = opencodeSession();
      await sendLines(
        user,
        `${session}.jsonl`,
        shape(session).map((line) => JSON.stringify(line)),
      );
      const [conversation] = await conversationsOf(user, session);
      assert.deepEqual(
        [conversation.source, conversation.cwd, conversation.model, conversation.title, conversation.title_source],
        ['opencode', '/home/me/app', 'claude-opus-5', 'Reading', 'ai'],
      );
      assert.deepEqual(await messagesOf(user, session), [
        ['user', 'Read it'],
        ['assistant', 'It says so'],
      ]);
      // What the cache has read and written stands beside the input, reasoning beside the output.
      assert.deepEqual(await usageOf(user), [
        { model: 'claude-opus-5', source: 'opencode', input: 100, output: 15, cache_read: 40, cache_write: 20 },
      ]);
      const { call_2: call } = await callsOf(user, session);
      assert.deepEqual(
        [call.tool_name, call.status, call.output, call.duration_ms],
        ['bash', 'completed', 'a.txt', 250],
      );
    });
  }
});

/** Whether the messages of a user's sessions are copies, by session, and what usage counts. */
const countedIn = async (user) => {
  const rows = await sql(
    `select c.session_id, array_agg(m.is_copy order by m.seq) as copies
    from observatory.messages as m inner join observatory.conversations as c on c.id = m.conversation_id
    where m.owner_id = $1 and m.role is not null group by c.session_id`,
    [user],
  );
  const copies = Object.fromEntries(rows.map((row) => [row.session_id, row.copies]));
  return { copies, output: (await usageOf(user)).map(({ output }) => output) };
};

for (const [version, say, answer, about] of [
  ['1', ask, reply, info],
  ['2', (_, ...given) => ask2(...given), (_, ...given) => reply2(...given), info2],
])
  for (const isFirst of [false, true])
    test(`opencode ${version}: a fork’s copies, which have new ids, count once; it is sent ${isFirst ? 'first' : 'last'}`, async () => {
      const { user } = somebody();
      // Ids of later sessions sort first.
      const [fork, parent] = [opencodeSession(), opencodeSession()].toSorted();
      const mark = { fork: { sessionID: parent, boundary: { type: 'before', messageID: 'msg_3' } } };
      const files = [
        [
          about(parent),
          say(parent, 'msg_1', 'Read it', 1),
          answer(parent, 'msg_2', 'It says so', 2),
          say(parent, 'msg_3', 'Write it', 30),
          answer(parent, 'msg_4', 'Written', 31),
        ],
        [
          about(fork, {
            title: 'Reading (fork #1)',
            time: { created: 1_795_600_000_008 },
            ...(version === '2' && mark),
          }),
          say(fork, 'msg_7', 'Read it', 1),
          answer(fork, 'msg_8', 'It says so', 2),
          say(fork, 'msg_9', 'And then?', 9),
          answer(fork, 'msg_a', 'Nothing', 10),
        ],
      ];
      for (const lines of isFirst ? files.toReversed() : files)
        await sendLines(
          user,
          `${lines[0].info.id}.jsonl`,
          lines.map((line) => JSON.stringify(line)),
        );
      assert.deepEqual(await countedIn(user), {
        copies: { [parent]: [false, false, false, false], [fork]: [true, true, false, false] },
        output: [15, 15, 15],
      });
      const [{ forked_from: of }] = await conversationsOf(user, fork);
      assert.equal(of, version === '2' ? parent : null);
    });

test('opencode: a session that a tool started is no fork, and names the session of the tool', async () => {
  const { user } = somebody();
  const [parent, child] = [opencodeSession(), opencodeSession()];
  const title = 'Child session - 2026-11-20T10:00:00.000Z';
  for (const [session, more, at] of [
    [parent, {}, 1],
    [child, { parentID: parent, title }, 100],
  ])
    await sendLines(
      user,
      `${session}.jsonl`,
      [info(session, more), ask(session, 'msg_1', 'Read it', at), reply(session, 'msg_2', 'Done', at + 1)].map((line) =>
        JSON.stringify(line),
      ),
    );
  assert.deepEqual(await countedIn(user), {
    copies: { [parent]: [false, false], [child]: [false, false] },
    output: [15, 15],
  });
  const [{ forked_from: of, title_source: by }] = await conversationsOf(user, child);
  assert.deepEqual([of, by], [null, 'prompt']);
  const rows = await sql(
    `select m.forked_from, m.metadata ->> 'parent_session' as parent from observatory.messages as m
    inner join observatory.conversations as c on c.id = m.conversation_id
    where c.owner_id = $1 and c.session_id = $2 order by m.seq`,
    [user, child],
  );
  assert.deepEqual(
    rows.map((row) => [row.forked_from, row.parent]),
    [
      [null, parent],
      [null, null],
      [null, null],
    ],
  );
});

test('opencode: a response that grows is one, and what a compaction used counts', async () => {
  const { user } = somebody();
  const session = opencodeSession();
  const usage = (output) => ({ tokens: { input: 100, output, reasoning: 0, cache: { read: 0, write: 0 } } });
  const send = (file, ...messages) =>
    sendLines(
      user,
      `${file}.jsonl`,
      [info2(session), ask2('msg_1', 'Read it', 1), ...messages].map((line) => JSON.stringify(line)),
    );
  await send(session, reply2('msg_2', 'It', 2, usage(1)));
  const { model } = reply2('msg_3', '', 3);
  const compaction = { id: 'msg_3', type: 'compaction', status: 'completed', summary: 'In short', recent: '', model };
  await send(`${session}-again`, reply2('msg_2', 'It says so', 2, usage(10)), {
    ...compaction,
    ...{ time: { created: 1_795_600_000_009 }, ...usage(7) },
  });
  assert.deepEqual(await messagesOf(user, session), [
    ['user', 'Read it'],
    ['assistant', 'It says so'],
    ['assistant', 'In short'],
  ]);
  assert.deepEqual((await countedIn(user)).output.toSorted(), [10, 7]);
});

test('opencode: odd lines are stored and harm nothing', async () => {
  const { user } = somebody();
  const session = opencodeSession();
  const lines = [
    info(session, { time: 'x', title: '' }),
    { info: { sessionID: session, role: 'assistant', tokens: 'none', cost: 0 }, parts: 'none' },
    {
      info: { sessionID: session, role: 'user', time: { created: 'x' } },
      parts: [5, { type: 'tool' }, { type: 'text' }],
    },
    { info: 5 },
    { messages: 'none' },
    { type: 'assistant', content: [5, { type: 'tool', state: { content: 5 } }], time: 5, tokens: 5, model: { id: 5 } },
    { type: 'compaction', time: { created: 'y' } },
    { type: 'user', text: 5, time: 5 },
    {},
  ];
  await sendLines(
    user,
    `${session}.jsonl`,
    lines.map((line) => JSON.stringify(line)),
  );
  const [{ n }] = await sql('select count(*)::int as n from observatory.messages where owner_id = $1', [user]);
  assert.equal(n, lines.length);
});

test('what other agents’ tools were asked and answered is searched', async () => {
  const { user } = somebody();
  const word = `w${randomUUID().slice(0, 8)}`;
  const [one, other] = [randomUUID(), opencodeSession()];
  const result = [{ functionResponse: { response: { output: `gemini answered ${word}` } } }];
  const tool = { id: 'tool-1', name: 'read_file', args: { file_path: `${word}a.txt` }, status: 'success', result };
  const part = reply(other, 'msg_2', 'It', 2);
  part.parts[3].state.output = `opencode answered ${word}`;
  const files = {
    [`session-${one}.jsonl`]: [
      header(one),
      prompt('m1', 'Go'),
      response('m2', 'It', { toolCalls: [tool], thoughts: [] }),
    ],
    [`${other}.jsonl`]: [info(other), ask(other, 'msg_1', 'Go', 1), part],
  };
  for (const [file, lines] of Object.entries(files))
    await sendLines(
      user,
      file,
      lines.map((line) => JSON.stringify(line)),
    );
  const found = async (q) =>
    (
      await as({ role: 'authenticated', claims: { sub: user } }, (query) =>
        query('select observatory.search($1) as found', [q]),
      )
    )[0].found.results.map(({ highlight }) => highlight.replaceAll(/<.?mark>/g, '').includes(word));
  assert.deepEqual(await found(word), [true, true]);
  assert.deepEqual(await found(`${word}a.txt`), [true]);
});

test('Gemini: a message of more than a megabyte is cut once, and sent again it changes nothing', async () => {
  const { user, session } = somebody();
  const lines = [header(session), prompt('m1', 'Go'), response('m2', 'x'.repeat(1_500_000))];
  const texts = lines.map((line) => JSON.stringify(line));
  const row = () =>
    sql(
      `select xmin::text, octet_length(content) as bytes, created_at from observatory.messages where owner_id = $1 and entry_uuid = 'm2'`,
      [user],
    );
  await sendLines(user, `session-${session}.jsonl`, texts);
  const [before] = await row();
  assert.equal(before.bytes, 1_048_576);
  await sendLines(user, `copy-${session}.jsonl`, texts);
  assert.deepEqual(await row(), [before]);
});

test('a line of more messages and calls than a request has time to store costs itself alone', async (t) => {
  const numbers = (count) => Array.from({ length: count }, (_, n) => n);
  const calls = (count) => numbers(count).map((n) => ({ id: `c${n}`, name: 'ls', args: {}, status: 'success' }));
  const sessions = {
    Gemini: {
      session: () => randomUUID(),
      file: (session) => `session-${session}.jsonl`,
      lines: (session) => [
        header(session),
        { $set: { messages: numbers(5001).map((n) => prompt(`m${n}`, `${n}`)) } },
        { ...response('m', 'It says so'), toolCalls: calls(5000) },
        prompt('last', 'Last'),
      ],
    },
    opencode: {
      session: opencodeSession,
      file: (session) => `${session}.jsonl`,
      lines: (session) => [
        info(session),
        { messages: numbers(5001).map((n) => ask(session, `msg_${n}`, `${n}`, n)) },
        {
          ...reply(session, 'msg', 'It says so', 1),
          parts: numbers(5000).map((n) => ({
            type: 'tool',
            callID: `c${n}`,
            tool: 'ls',
            state: { status: 'completed', output: '' },
          })),
        },
        ask(session, 'msg_last', 'Last', 9),
      ],
    },
  };
  for (const [name, { session, file, lines }] of Object.entries(sessions))
    await t.test(name, async () => {
      const { user } = somebody();
      const id = session();
      const answer = await sendLines(
        user,
        file(id),
        lines(id).map((line) => JSON.stringify(line)),
      );
      assert.deepEqual(answer.skipped, { refused: 2 });
      assert.deepEqual(await messagesOf(user, id), [['user', 'Last']]);
    });
});
