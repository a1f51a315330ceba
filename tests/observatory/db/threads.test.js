// Threads: parents, depths, branches, subagents, compactions and links to git, whatever order entries come in.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { close, sql, transaction } from '../../support/stack.js';
import { addCall, call, makeConversation, makeProject, refused, say, treeOf, upload } from '../support/search.js';

const owner = randomUUID();
let project;
before(async () => {
  project = await makeProject(owner);
});
after(async () => {
  await sql('delete from observatory.projects where owner_id = $1', [owner]);
  await close();
});

const conversation = (given) => makeConversation(project, owner, given);
const entry = (uuid, parent, more = {}) => ({ uuid, parent, ...more });
/** The tree of these entries, sent in parts. */
const tree = async (...parts) => {
  const made = await conversation();
  for (const part of parts) await upload(made, part);
  return treeOf(made);
};
/** With their places in the file. */
const placed = (entries) => entries.map((each, at) => ({ pos: at * 100, ...each }));

test('a message is below its parent, and one deeper', async () => {
  assert.deepEqual(await tree([entry('a', null), entry('b', 'a', { kind: 'assistant' }), entry('c', 'b')]), {
    a: [null, 0, 0],
    b: ['a', 1, 0],
    c: ['b', 2, 0],
  });
});

test('parents may come after their children, in any cut and order', async () => {
  const file = placed([entry('a', null), entry('b', 'a'), entry('c', 'b'), entry('d', 'c'), entry('e', 'd')]);
  const wanted = { a: [null, 0, 0], b: ['a', 1, 0], c: ['b', 2, 0], d: ['c', 3, 0], e: ['d', 4, 0] };
  const [a, b, c, d, e] = file;
  for (const parts of [
    [file],
    [[a], [b], [c], [d], [e]],
    [[e], [d], [c], [b], [a]],
    [[c], [a, e], [d], [b]],
    [
      [e, c, a],
      [d, b],
    ],
    [file, file],
  ])
    assert.deepEqual(await tree(...parts), wanted);
});

test('entries that are no messages are passed, however many there are and whenever they come', async () => {
  const progress = Array.from({ length: 30 }, (_, n) =>
    entry(`p${n}`, n === 0 ? 'a' : `p${n - 1}`, { kind: 'progress' }),
  );
  const file = placed([entry('a', null), ...progress, entry('b', 'p29', { kind: 'assistant' })]);
  const wanted = { a: [null, 0, 0], b: ['a', 1, 0] };
  assert.deepEqual(await tree(file), wanted);
  assert.deepEqual(await tree(file.slice(20), file.slice(0, 20)), wanted);
  assert.deepEqual(await tree([file.at(-1)], file.slice(0, 1), file.slice(10, 31), file.slice(1, 10)), wanted);
});

test('what names itself as its parent, or a parent that never comes, is a root', async () => {
  assert.deepEqual(
    await tree([
      entry('a', 'a'),
      entry('b', 'nowhere'),
      entry('c', 'b'),
      entry('p', 'p', { kind: 'progress' }),
      entry('d', 'p'),
    ]),
    {
      a: [null, 0, 0],
      b: [null, 0, 0],
      c: ['b', 1, 0],
      d: [null, 0, 0],
    },
  );
});

test('in a circle the first entry of the file is the root, in any order', async () => {
  const file = placed([entry('a', 'c'), entry('b', 'a'), entry('c', 'b'), entry('d', 'c')]);
  const [a, b, c, d] = file;
  const wanted = { a: [null, 0, 0], b: ['a', 1, 0], c: ['b', 2, 0], d: ['c', 3, 0] };
  for (const parts of [[file], [[a], [b], [c], [d]], [[d], [c], [b], [a]], [[b, d], [c], [a]], [[c], [a], [b, d]]])
    assert.deepEqual(await tree(...parts), wanted);
  // A circle through entries that are no messages.
  const links = placed([
    entry('a', 'q'),
    entry('p', 'a', { kind: 'progress' }),
    entry('q', 'p', { kind: 'progress' }),
    entry('b', 'q'),
  ]);
  assert.deepEqual(await tree(links), { a: [null, 0, 0], b: ['a', 1, 0] });
  // One of links alone.
  const loop = placed([entry('p', 'q', { kind: 'progress' }), entry('q', 'p', { kind: 'progress' }), entry('b', 'q')]);
  assert.deepEqual(await tree(loop), { b: [null, 0, 0] });
});

test('a branch goes on through entries that stand before their parents', async () => {
  const answer = { kind: 'assistant' };
  const file = placed([
    entry('a', null),
    entry('b', 'a', answer),
    entry('left', 'b'),
    entry('other', 'b'),
    entry('y', 'x', answer),
    entry('x', 'left', answer),
    entry('z', 'y', answer),
  ]);
  const wanted = {
    a: [null, 0, 0],
    b: ['a', 1, 0],
    left: ['b', 2, 0],
    other: ['b', 2, 1],
    x: ['left', 3, 0],
    y: ['x', 4, 0],
    z: ['y', 5, 0],
  };
  for (const cut of [0, 4, 5, 6]) assert.deepEqual(await tree(file.slice(0, cut), file.slice(cut)), wanted);
});

test('after a compaction the thread goes on from the entry that it names', async () => {
  const file = placed([
    entry('a', null),
    entry('b', 'a', { kind: 'assistant' }),
    entry('boundary', null, { kind: 'system', role: 'system', logical_parent: 'b' }),
    entry('summary', 'boundary', { metadata: { is_compact_summary: true } }),
    entry('c', 'summary', { kind: 'assistant' }),
  ]);
  const wanted = {
    a: [null, 0, 0],
    b: ['a', 1, 0],
    boundary: ['b', 2, 0],
    summary: ['boundary', 3, 0],
    c: ['summary', 4, 0],
  };
  assert.deepEqual(await tree(file), wanted);
  assert.deepEqual(await tree(file.slice(2), file.slice(0, 2)), wanted);
});

test('an entry that a compaction preserves has the parent that stands last in the file', async () => {
  const made = await conversation();
  const compactMetadata = {
    preservedSegment: { headUuid: 'b', anchorUuid: 'boundary', tailUuid: 'c' },
    preservedMessages: { anchorUuid: 'boundary', uuids: ['b', 'c'] },
  };
  await upload(
    made,
    placed([
      entry('a', null),
      entry('b', 'a'),
      entry('c', 'b'),
      entry('boundary', null, { kind: 'system', role: 'system', logical_parent: 'c', metadata: { compactMetadata } }),
    ]),
  );
  await upload(made, [entry('b', 'boundary', { pos: 900 }), entry('d', 'c', { pos: 1000 })]);
  assert.deepEqual(await treeOf(made), {
    a: [null, 0, 0],
    b: ['boundary', 1, 0],
    c: ['b', 2, 0],
    boundary: [null, 0, 0],
    d: ['c', 3, 0],
  });
});

test('a prompt that was edited leaves a branch; the one with the latest message goes on', async () => {
  const file = placed([
    entry('a', null),
    entry('b', 'a', { kind: 'assistant' }),
    entry('c1', 'b'),
    entry('d1', 'c1', { kind: 'assistant' }),
    entry('c2', 'b'),
    entry('d2', 'c2', { kind: 'assistant' }),
  ]);
  const wanted = {
    a: [null, 0, 0],
    b: ['a', 1, 0],
    c1: ['b', 2, 1],
    d1: ['c1', 3, 1],
    c2: ['b', 2, 0],
    d2: ['c2', 3, 0],
  };
  assert.deepEqual(await tree(file), wanted);
  for (const cut of [1, 2, 3, 4, 5])
    assert.deepEqual(await tree(file.slice(0, cut), file.slice(cut)), wanted, `${cut}`);
  assert.deepEqual(await tree(...file.map((each) => [each])), wanted);
  // Going back to the first one makes that the main line.
  const back = [...file, entry('e', 'd1', { pos: 900 })];
  const turned = { ...wanted, c1: ['b', 2, 0], d1: ['c1', 3, 0], c2: ['b', 2, 1], d2: ['c2', 3, 1], e: ['d1', 4, 0] };
  assert.deepEqual(await tree(back), turned);
  assert.deepEqual(await tree(file, back.slice(6)), turned);
});

test('branches inside branches are numbered as they stand in the file', async () => {
  const file = placed([
    entry('a', null),
    entry('b1', 'a'),
    entry('c1', 'b1'),
    entry('c2', 'b1'),
    entry('b2', 'a'),
    entry('d', 'b2'),
  ]);
  const wanted = {
    a: [null, 0, 0],
    b1: ['a', 1, 1],
    c1: ['b1', 2, 2],
    c2: ['b1', 2, 1],
    b2: ['a', 1, 0],
    d: ['b2', 2, 0],
  };
  assert.deepEqual(await tree(file), wanted);
  assert.deepEqual(await tree(...file.map((each) => [each])), wanted);
});

const at = '2026-02-01T00:00:00.000Z';
const ARTEFACTS = {
  'tools at once': [
    entry('t1', 'b', { blocks: [{ type: 'tool_result', tool_use_id: 'x' }], content: null }),
    entry('t2', 'b', { blocks: [{ type: 'tool_result', tool_use_id: 'y' }], content: null }),
  ],
  'a hook’s output beside a prompt': [entry('t1', 'b', { is_meta: true }), entry('t2', 'b')],
  'an attachment beside a prompt': [entry('t1', 'b', { kind: 'attachment', role: null }), entry('t2', 'b')],
  'an answer in parts': [entry('t1', 'b', { kind: 'assistant' }), entry('t2', 'b', { kind: 'assistant' })],
  'a prompt that was replayed': [entry('t1', 'b', { content: 'same', at }), entry('t2', 'b', { content: 'same', at })],
  'the output of a command': [
    entry('t1', 'b', { content: '<local-command-stdout>x</local-command-stdout>' }),
    entry('t2', 'b'),
  ],
  'a summary': [entry('t1', 'b', { metadata: { is_compact_summary: true } }), entry('t2', 'b')],
  'what a tool has put in': [entry('t1', 'b', { metadata: { source_tool_use: 'x' } }), entry('t2', 'b')],
};
for (const [name, pair] of Object.entries(ARTEFACTS)) {
  test(`${name} is no branch`, async () => {
    const found = await tree(
      placed([entry('a', null), entry('b', 'a', { kind: 'assistant' }), ...pair, entry('z', 't2')]),
    );
    assert.deepEqual([...new Set(Object.values(found).map(([, , branch]) => branch))], [0]);
  });
}

test('a page has a hundred messages, each once, in the order of the file', async () => {
  const made = await conversation();
  await upload(
    made,
    Array.from({ length: 250 }, (_, n) => entry(`m${n}`, n === 0 ? null : `m${n - 1}`)),
  );
  const seen = [];
  let cursor;
  const sizes = [];
  do {
    const page = await call(owner, 'thread', { id: made.id, cursor });
    sizes.push(page.messages.length);
    seen.push(...page.messages.map(({ entry_uuid: uuid }) => uuid));
    assert.equal('agents' in page, cursor === undefined);
    cursor = page.next ?? undefined;
  } while (cursor);
  assert.deepEqual([sizes, seen], [[100, 100, 50], Array.from({ length: 250 }, (_, n) => `m${n}`)]);
  assert.equal((await call(owner, 'thread', { id: made.id, limit: 7 })).messages.length, 7);
  for (const cursor_ of ['', 'x', 'MS4y', '../..'])
    await assert.rejects(call(owner, 'thread', { id: made.id, cursor: cursor_ }), refused('RG669', 400));
  for (const limit of [0, 201])
    await assert.rejects(call(owner, 'thread', { id: made.id, limit }), refused('RG669', 400));
});

test('a page stays below a megabyte, however large its messages are', async () => {
  const made = await conversation();
  await upload(
    made,
    Array.from({ length: 100 }, (_, n) => entry(`m${n}`, null, { content: 'é'.repeat(100_000) })),
  );
  let cursor;
  let count = 0;
  do {
    const page = await call(owner, 'thread', { id: made.id, cursor });
    assert.ok(Buffer.byteLength(JSON.stringify(page)) < 900_000);
    assert.ok(page.messages.every(({ is_cut: cut, content }) => cut && content.length === 8001));
    count += page.messages.length;
    cursor = page.next ?? undefined;
  } while (cursor);
  assert.equal(count, 100);
});

test('subagents stand at the calls that started them, three deep', async () => {
  const main = await conversation();
  const agents = [];
  let parent = main;
  for (const name of ['one', 'two', 'three']) {
    const message = await say(parent, {
      entry_type: 'assistant',
      role: 'assistant',
      content: 'start',
      content_blocks: [{ type: 'tool_use', id: `toolu_${name}` }],
      tools: [{ name: 'Agent', id: `toolu_${name}`, input: { prompt: null, deep: [null] }, agent: name }],
    });
    const agent = await conversation({
      session: main.session_id,
      agent: name,
      parent: parent.id,
      title: `Agent ${name}`,
    });
    agents.push({ agent, message });
    parent = agent;
  }
  await say(parent, 'at the bottom');
  let at_ = main.id;
  for (const { agent, message } of agents) {
    const { messages, agents: below } = await call(owner, 'thread', { id: at_ });
    assert.deepEqual(
      below.map((one) => [one.conversation_id, one.tool_use_id]),
      [[agent.id, `toolu_${agent.agent_id}`]],
    );
    const found = messages.find(({ id }) => id === message.id).tool_calls[0];
    assert.deepEqual([found.agent.conversation_id, found.input], [agent.id, { prompt: null, deep: [null] }]);
    at_ = agent.id;
  }
  assert.equal((await call(owner, 'thread', { id: at_ })).messages[0].content, 'at the bottom');
});

test('a compaction shows what it was about, and which entries it preserves, as its transcript names them', async () => {
  const segment = { headUuid: 'x', anchorUuid: 'summary', tailUuid: 'y' };
  const messages = { anchorUuid: 'summary', uuids: ['x', 'y'], allUuids: ['x', 'y', 'z'] };
  const preserved_segment = { head_uuid: 'x', anchor_uuid: 'summary', tail_uuid: 'y' };
  const cases = [
    [{}, {}],
    [{ preservedMessages: messages }, { preserved: ['x', 'y'] }],
    [{ preservedSegment: segment }, { preserved_segment }],
    [
      { preservedSegment: segment, preservedMessages: messages },
      { preserved: ['x', 'y'], preserved_segment },
    ],
    [{ preservedMessages: { uuids: 'x' }, preservedSegment: 'x' }, {}],
  ];
  for (const [noted, wanted] of cases) {
    const made = await conversation();
    const metadata = { compactMetadata: { trigger: 'auto', preTokens: 155_000, ...noted } };
    await upload(made, [entry('boundary', null, { kind: 'system', role: 'system', metadata })]);
    const [{ compaction }] = (await call(owner, 'thread', { id: made.id })).messages;
    assert.deepEqual(compaction, { trigger: 'auto', pre_tokens: 155_000, ...wanted });
  }
});

test('commits, pushes and pull requests that a tool made are linked once', async () => {
  const made = await conversation();
  const message = await say(made, {
    entry_type: 'assistant',
    role: 'assistant',
    content_blocks: [{ type: 'tool_use', id: 'toolu_g' }],
  });
  const { id: callId } = await addCall(message, { name: 'Bash', id: 'toolu_g' });
  const git = {
    commit: { sha: '0a1b2c3d', branch: 'main' },
    push: { branch: 'main' },
    pr: { number: 12, url: 'https://git.example.org/pull/12', action: 'created' },
  };
  const result = { result: { id: 'toolu_g', is_error: false, output: 'done', facts: { git } } };
  const entries = [
    entry('r', null, { tools: [result], content: null }),
    entry('l', null, {
      kind: 'pr-link',
      role: null,
      facts: { pr: { number: 13, url: 'https://git.example.org/pull/13', repository: 'a/b' } },
    }),
    entry('bad', null, {
      tools: [
        {
          result: {
            id: 'toolu_x',
            facts: { git: { commit: { sha: 'not hex' }, push: 'x', pr: { number: -1, url: 'javascript:alert(1)' } } },
          },
        },
      ],
    }),
  ];
  await upload(made, entries);
  await upload(made, entries);
  const { git: links } = await call(owner, 'thread', { id: made.id });
  assert.deepEqual(
    links
      .map(({ at: _, ...link }) => link)
      .toSorted((a, b) => `${a.kind} ${a.number}`.localeCompare(`${b.kind} ${b.number}`)),
    [
      { kind: 'commit', sha: '0a1b2c3d', branch: 'main', tool_call_id: callId },
      { kind: 'pr', number: 12, url: 'https://git.example.org/pull/12', tool_call_id: callId },
      { kind: 'pr', number: 13, url: 'https://git.example.org/pull/13' },
      { kind: 'push', branch: 'main', tool_call_id: callId },
    ],
  );
});

test('a file of two thousand entries that stand in the opposite order has one line', async () => {
  const made = await conversation();
  const entries = Array.from({ length: 2000 }, (_, n) =>
    entry(`m${n}`, n === 0 ? null : `m${n - 1}`, { pos: (2000 - n) * 100 }),
  ).reverse();
  for (let from = 0; from < 2000; from += 500) await upload(made, entries.slice(from, from + 500));
  const [{ deep, roots }] = await sql(
    `select max(depth)::int as deep, count(*) filter (where parent_id is null)::int as roots from observatory.messages where conversation_id = $1`,
    [made.id],
  );
  assert.deepEqual([deep, roots], [1999, 1]);
});

test('a page stays below a megabyte, however many and long its calls are, and its pages have all messages', async () => {
  const made = await conversation();
  const tools = (n) =>
    Array.from({ length: 20 }, (_, k) => ({
      name: 'Bash',
      id: `toolu_big_${n}_${k}`,
      output: '\u001b[0m'.repeat(1000),
    }));
  for (let n = 0; n < 12; n += 1)
    await say(made, {
      entry_type: 'assistant',
      role: 'assistant',
      content: '\u0007'.repeat(9000),
      seq: n,
      tools: tools(n),
    });
  let cursor;
  let count = 0;
  do {
    const page = await call(owner, 'thread', { id: made.id, cursor });
    assert.ok(Buffer.byteLength(JSON.stringify(page)) < 900_000, `${Buffer.byteLength(JSON.stringify(page))}`);
    count += page.messages.length;
    cursor = page.next ?? undefined;
  } while (cursor);
  assert.equal(count, 12);
});

test('a page has at most two hundred calls, of a message with more the first two hundred', async () => {
  const made = await conversation();
  for (const [seq, calls] of [90, 90, 90, 1000, 3].entries()) {
    const message = await say(made, { entry_type: 'assistant', role: 'assistant', content: 'calls', seq });
    await sql(
      `insert into observatory.tool_calls (project_id, conversation_id, owner_id, message_id, tool_use_id, tool_name, started_at)
       select $1, $2, $3, $4, $5 || ' ' || n, 'Read', '2026-01-01'::timestamptz + n * interval '1 second' from generate_series(1, $6::int) as n`,
      [made.project_id, made.id, owner, message.id, String(seq), calls],
    );
  }
  const pages = [];
  let cursor;
  do {
    const page = await call(owner, 'thread', { id: made.id, cursor });
    pages.push(page.messages.map(({ tool_calls }) => [tool_calls.length, tool_calls.at(-1).tool_use_id]));
    cursor = page.next ?? undefined;
  } while (cursor);
  assert.deepEqual(pages, [
    [
      [90, '0 90'],
      [90, '1 90'],
    ],
    [[90, '2 90']],
    [[200, '3 200']],
    [[3, '4 3']],
  ]);
});

/** The tree of entries that are sent in batches, each in the time that a request has. */
const treeInTime = async (entries) => {
  const made = await conversation();
  let found;
  await transaction(async (query) => {
    await query('analyze observatory.messages');
    await query(`set local statement_timeout = '8s'`);
    for (let at = 0; at < entries.length; at += 500) await upload(made, entries.slice(at, at + 500), query);
    found = await treeOf(made, query);
  });
  return found;
};

test('a batch of lines that form a circle is stored', async () => {
  const count = 500;
  const entries = Array.from({ length: count }, (_, n) => entry(`n${n}`, `n${(n + count - 1) % count}`));
  const found = await treeInTime(entries);
  assert.deepEqual(
    Object.values(found),
    entries.map((_, n) => [n === 0 ? null : `n${n - 1}`, n, 0]),
  );
});

test('hundreds of circles with lines below them each have one root', async () => {
  const names = Array.from({ length: 120 }, (_, n) => n);
  const found = await treeInTime(
    names.flatMap((n) => [
      entry(`below${n}`, `c${n}`),
      entry(`a${n}`, `c${n}`),
      entry(`b${n}`, `a${n}`),
      entry(`c${n}`, `b${n}`),
    ]),
  );
  for (const n of names)
    assert.deepEqual(
      [found[`a${n}`], found[`b${n}`], found[`c${n}`], found[`below${n}`]],
      [
        [null, 0, 0],
        [`a${n}`, 1, 0],
        [`b${n}`, 2, 0],
        [`c${n}`, 3, 0],
      ],
    );
});

test('a thousand prompts each of which was edited, one below the other, are stored', async () => {
  const count = 1000;
  const entries = Array.from({ length: count }, (_, n) => [
    entry(`left${n}`, n === 0 ? 'first' : `on${n - 1}`),
    entry(`on${n}`, n === 0 ? 'first' : `on${n - 1}`),
  ]);
  const found = await treeInTime(placed([entry('first', null), ...entries.flat()]));
  for (let n = 0; n < count; n += 1) {
    const parent = n === 0 ? 'first' : `on${n - 1}`;
    assert.deepEqual(
      [found[`left${n}`], found[`on${n}`]],
      [
        [parent, n + 1, n + 1],
        [parent, n + 1, 0],
      ],
    );
  }
});
