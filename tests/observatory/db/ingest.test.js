// Ingest: what becomes of the lines of a transcript, of every type, whole or broken, however they are sent.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql } from '../../support/stack.js';
import { differences } from '../support/entries.js';
import {
  batches,
  call,
  conversation,
  messages,
  RECORDS,
  RECORDS_WITHOUT_ID,
  refused,
  Session,
  send,
  sendSession,
  time,
  toolCalls,
  user,
} from '../support/transcripts.js';

after(close);

/** What differs from a recount in the projects of a user. */
const differencesOf = async (sub) => {
  const projects = await sql('select id from observatory.projects where owner_id = $1', [sub]);
  const found = await Promise.all(projects.map(({ id }) => differences({ project: id })));
  return found.filter(({ rollups, counters }) => rollups !== 0 || counters !== 0);
};

/** A session of a prompt, a tool and an answer. */
const short = (given) => {
  const one = new Session(given);
  one.user('Why does the build fail?');
  one.tool(
    'Bash',
    { command: 'make' },
    { stdout: 'no rule', interrupted: false },
    { output: 'no rule', id: 'toolu_a' },
  );
  one.assistant('There is no rule for it.', { stop: 'end_turn' });
  return one;
};
const fileOf = async (sub, name) =>
  (await sql('select * from observatory.ingest_files where owner_id = $1 and name = $2', [sub, name]))[0];

test('a session becomes a conversation with its messages and tool calls, in the project of its directory', async () => {
  const sub = randomUUID();
  const one = short({ cwd: '/home/me/shop' });
  const answer = await sendSession(sub, one);
  assert.equal(answer.messages, 4);
  assert.equal(answer.tool_calls, 1);
  assert.deepEqual([answer.duplicates, answer.progress, answer.unknown, answer.redactions], [0, 0, 0, 0]);
  assert.equal(answer.next_offset, `${Buffer.byteLength(one.text)}`);
  const made = await conversation(sub, one.id);
  assert.deepEqual(
    [made.project, made.source, made.cwd, made.cli_version, made.git_branch, made.model, made.title, made.title_source],
    ['shop', 'claude', '/home/me/shop', '2.1.240', 'main', 'claude-opus-5', 'Why does the build fail?', 'prompt'],
  );
  assert.deepEqual([made.started_at.toISOString(), made.last_message_at.toISOString()], [time(1), time(4)]);
  assert.deepEqual([made.id, made.project_id], [answer.conversation_id, answer.project_id]);
  const rows = await messages(made.id);
  assert.deepEqual(
    rows.map(({ role, content }) => [role, content]),
    [
      ['user', 'Why does the build fail?'],
      ['assistant', null],
      ['user', null],
      ['assistant', 'There is no rule for it.'],
    ],
  );
  assert.deepEqual(
    rows.map(({ entry_uuid }) => entry_uuid),
    one.records.map(({ uuid }) => uuid),
  );
  const [tool] = await toolCalls(made.id);
  assert.deepEqual(
    [tool.tool_name, tool.input, tool.output, tool.status, tool.message_id, tool.is_error],
    ['Bash', { command: 'make' }, 'no rule', 'completed', rows[1].id, false],
  );
  assert.deepEqual(await fileOf(sub, `${one.id}.jsonl`), {
    ...(await fileOf(sub, `${one.id}.jsonl`)),
    ...{ session_id: one.id, source: 'claude', generation: '1', lines: '4', line_no: '4', skipped: {}, errors: [] },
    ...{ byte_offset: `${Buffer.byteLength(one.text)}`, path: one.file, conversation_id: made.id },
  });
});

for (const [name, [type, more]] of Object.entries(RECORDS)) {
  test(`a record is stored: ${name}`, async () => {
    const sub = randomUUID();
    const one = new Session();
    one.user('First');
    const record = one.add(type, more);
    const answer = await sendSession(sub, one);
    assert.deepEqual([answer.skipped, answer.unknown], [{}, 0]);
    const [, row] = await messages(answer.conversation_id);
    assert.deepEqual(
      [row.entry_uuid, row.entry_type, row.parent_uuid, row.occurred_at.toISOString()],
      [record.uuid, type, record.parentUuid, record.timestamp],
    );
    assert.equal(row.role, ['user', 'assistant', 'system'].includes(type) ? type : null);
    assert.equal(row.is_meta, record.isMeta === true);
    if (more.subtype) assert.equal(row.metadata.subtype, more.subtype);
    if (more.attachment) assert.deepEqual(row.metadata.attachment, more.attachment);
    if (more.message?.id) assert.equal(row.api_message_id, more.message.id);
  });
}

for (const [name, record] of Object.entries(RECORDS_WITHOUT_ID)) {
  test(`a record without a uuid is stored under a hash of its line: ${name}`, async () => {
    const sub = randomUUID();
    const one = new Session();
    one.user('First');
    const line = one.raw({ ...record, sessionId: one.id });
    const answer = await sendSession(sub, one);
    assert.deepEqual([answer.skipped, answer.unknown], [{}, 0]);
    const [, row] = await messages(answer.conversation_id);
    const hash = createHash('sha256').update(JSON.stringify(line)).digest('hex').slice(0, 32);
    assert.deepEqual([row.entry_uuid, row.entry_type, row.role], [`h:${hash}`, record.type, null]);
    if (record.operation)
      assert.deepEqual([row.metadata.operation, row.content], [record.operation, record.content ?? null]);
  });
}

test('unknown types are kept as they are; progress is kept out of everything but the file', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('First');
  one.add('from-the-future', { payload: { deep: [1, { a: null }] } });
  one.add('progress', { data: { type: 'bash_progress' }, toolUseID: 't', parentToolUseID: 't' });
  one.raw({ kind: 'no type at all', sessionId: one.id });
  const answer = await sendSession(sub, one);
  assert.deepEqual([answer.unknown, answer.progress, answer.messages], [2, 1, 1]);
  const rows = await messages(answer.conversation_id);
  assert.deepEqual(
    rows.map(({ entry_type }) => entry_type),
    ['user', 'from-the-future', 'unknown'],
  );
  assert.deepEqual(rows[1].metadata, { payload: { deep: [1, { a: null }] } });
  const { text } = await call({ role: 'authenticated', claims: { sub } }, 'transcript_page', {
    id: answer.conversation_id,
  });
  assert.equal(text, one.text);
});

/** Characters that no compression makes fewer. */
const wild = (count) =>
  Array.from({ length: count }, () => String.fromCodePoint(0x4e00 + Math.floor(Math.random() * 20_000))).join('');

test('a line that no table can hold costs itself alone, in batches of any size, and stays in the file', async () => {
  for (const size of [500, 4, 1]) {
    const sub = randomUUID();
    const one = new Session();
    one.user('First');
    // A summary is found by the entry that it names.
    const [long, longer] = [wild(4000), wild(4500)];
    one.raw({ type: 'summary', summary: 'A', leafUuid: long });
    one.user('Second');
    one.assistant('Third');
    one.raw({ type: 'summary', summary: 'B', leafUuid: longer });
    one.user('Fourth');
    const answer = await sendSession(sub, one, { size });
    assert.deepEqual([answer.messages, answer.next_offset], [4, `${Buffer.byteLength(one.text)}`], `${size}`);
    const file = await fileOf(sub, `${one.id}.jsonl`);
    const places = [long, longer].map((text) =>
      Buffer.byteLength(one.text.slice(0, one.text.lastIndexOf('\n', one.text.indexOf(text)) + 1)),
    );
    assert.deepEqual(
      [file.skipped, file.errors, file.lines],
      [{ refused: 2 }, places.map((offset) => ({ offset, code: 'refused' })), '6'],
    );
    const rows = await messages(answer.conversation_id);
    assert.deepEqual(
      rows.map(({ content }) => content),
      ['First', 'Second', 'Third', 'Fourth'],
    );
    const page = await call({ role: 'authenticated', claims: { sub } }, 'transcript_page', {
      id: answer.conversation_id,
    });
    assert.equal(page.text, one.text);
    const again = await sendSession(sub, one, { size: 2 });
    assert.equal(again.messages, 0);
    assert.deepEqual([await fileOf(sub, `${one.id}.jsonl`), await differencesOf(sub)], [file, []]);
  }
});

test('a message of more blocks than a request has time to store costs itself alone', async () => {
  const sub = randomUUID();
  const one = new Session();
  const blocks = (count) => Array.from({ length: count }, (_, n) => ({ type: 'text', text: `${n}` }));
  one.user(blocks(5000));
  one.user(blocks(5001));
  one.user(Array.from({ length: 1_000_000 }, () => 1));
  one.user('Last');
  const answer = await sendSession(sub, one);
  assert.deepEqual([answer.messages, answer.skipped], [2, { refused: 2 }]);
});

test('texts that are too long for an index are cut, and cost no line', async () => {
  const sub = randomUUID();
  const one = new Session({ cwd: `/home/${wild(1500)}` });
  one.user('First', { gitBranch: wild(700) });
  one.tool('Read', { file_path: `/${wild(3000)}` }, {}, { id: 'read' });
  one.tool('Grep', { path: `/${'a'.repeat(3000)}` }, {}, { id: 'grep' });
  one.tool('Write', { content: '\u0001'.repeat(190_000) }, {}, { id: 'write' });
  one.tool(
    wild(300),
    {},
    {
      gitOperation: {
        commit: { sha: '0a1b2c3d', branch: wild(700) },
        pr: { number: 1, url: `https://a/${wild(1900)}` },
      },
    },
    { id: 'git' },
  );
  one.raw({ type: 'pr-link', sessionId: one.id, prNumber: 2, prUrl: `https://a/${wild(1900)}` });
  one.assistant('Last', {
    usage: { input_tokens: 1, iterations: [{ type: 'advisor_message', model: 'm'.repeat(300), input_tokens: 2 }] },
  });
  const answer = await sendSession(sub, one);
  assert.deepEqual([answer.skipped, answer.messages], [{}, 10]);
  const made = await conversation(sub, one.id);
  assert.equal(made.root_path, one.cwd.slice(0, 500));
  const calls = Object.fromEntries((await toolCalls(made.id)).map((row) => [row.tool_use_id, row]));
  assert.deepEqual(
    [calls.read.file_path.length, calls.grep.file_path.length, Object.keys(calls.write.input)],
    [500, 1024, ['cut']],
  );
  const links = await sql(
    'select kind, number::int, char_length(branch) as branch, url from observatory.git_links where conversation_id = $1 order by kind, number',
    [made.id],
  );
  assert.deepEqual(links, [
    { kind: 'commit', number: null, branch: 250, url: null },
    { kind: 'pr', number: 1, branch: null, url: null },
    { kind: 'pr', number: 2, branch: null, url: null },
  ]);
  const used = await sql(
    `select char_length(model) as model from observatory.usage_records where owner_id = $1 and kind = 'advisor'`,
    [sub],
  );
  assert.deepEqual(used, [{ model: 200 }]);
});

test('images and documents leave nothing but their size and their hash in a message', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.add(...RECORDS['user with blocks']);
  const { conversation_id: id } = await sendSession(sub, one);
  const [row] = await messages(id);
  assert.equal(row.content, 'See');
  assert.deepEqual(row.content_blocks, [
    { type: 'text', text: 'See' },
    ...[
      ['image', 'image/png', 'aGVsbG8='],
      ['document', 'application/pdf', 'JVBERi0='],
    ].map(([type, media_type, data]) => ({
      ...{ type, media_type, bytes: 6, sha256: createHash('sha256').update(data).digest('hex') },
    })),
  ]);
});

test('a broken line costs itself alone, and stands among the errors of its file', async () => {
  const sub = randomUUID();
  const one = short();
  const lines = one.text.trimEnd().split('\n');
  const text = [lines[0], '{"torn": "li', lines[1], '[]', '', '   ', lines[2], lines[3]]
    .map((line) => `${line}\n`)
    .join('');
  const answer = await send(sub, one.file, text);
  assert.deepEqual([answer.messages, answer.skipped], [4, { malformed: 2 }]);
  const file = await fileOf(sub, `${one.id}.jsonl`);
  assert.deepEqual([file.skipped, file.lines, file.line_no], [{ malformed: 2 }, '4', '6']);
  const [first] = text.split('[]');
  assert.deepEqual(file.errors, [
    { code: 'malformed', offset: lines[0].length + 1 },
    { code: 'malformed', offset: first.length },
  ]);
});

test('uploads of broken lines alone count for the day’s allowance, one row each', async () => {
  const sub = randomUUID();
  for (const name of ['one', 'two']) await send(sub, `/p/-home-me/${name}.jsonl`, '{"torn": "li\n[]\n');
  const used = () =>
    sql(`select rows::int from private.daily_usage where name = 'transcripts' and caller = 'user ' || $1`, [sub]);
  assert.deepEqual(await used(), [{ rows: 2 }]);
  await send(sub, `/p/-home-me/two.jsonl`, '{"torn": "li\n[]\n');
  assert.deepEqual(await used(), [{ rows: 2 }], 'what is known does not count');
});

test('CRLF, a byte order mark and no line feed at the end change nothing', async () => {
  const plain = short();
  const sub = randomUUID();
  const text = `\ufeff${plain.text.trimEnd().replaceAll('\n', '\r\n')}`;
  const answer = await send(sub, plain.file, text);
  assert.deepEqual([answer.messages, answer.tool_calls, answer.skipped], [4, 1, {}]);
  assert.equal(answer.next_offset, `${Buffer.byteLength(text)}`);
  const again = await send(sub, plain.file, `${text}\r\n`);
  assert.deepEqual([again.messages, again.duplicates, again.next_offset], [0, 4, `${Buffer.byteLength(text) + 2}`]);
});

test('a file that is cut anywhere goes on where it ended, and becomes the same', async () => {
  const one = short();
  const bytes = Buffer.from(one.text);
  const whole = randomUUID();
  const wanted = await messages((await sendSession(whole, one)).conversation_id);
  const seen = (rows) =>
    rows.map(({ entry_uuid, seq, content, parent_uuid }) => [entry_uuid, seq, content, parent_uuid]);
  // Every place of the first line and of its end, then every 97th.
  const cuts = [...Array(bytes.indexOf(10) + 3).keys(), ...Array.from({ length: 20 }, (_, n) => (n + 5) * 97)];
  for (const cut of cuts.filter(
    (at) => at > 0 && at < bytes.length && (at < 5 || at % 13 === 0 || at > bytes.indexOf(10) - 2),
  )) {
    const sub = randomUUID();
    const first = await send(sub, one.file, bytes.subarray(0, cut));
    const next = Number(first.next_offset);
    const end = bytes.lastIndexOf(10, cut - 1) + 1;
    // A line that lacks nothing but its line feed is whole.
    assert.ok(next === end || (next === cut && bytes[cut] === 10), `${cut}: ${next}`);
    const last = await send(sub, one.file, bytes.subarray(next), { offset: next });
    assert.deepEqual(last.skipped, {}, `${cut}`);
    const { id } = await conversation(sub, one.id);
    assert.deepEqual(seen(await messages(id)), seen(wanted), `${cut}`);
    assert.equal((await toolCalls(id))[0].output, 'no rule');
  }
});

test('lines after a gap are refused with the offset to go on from', async () => {
  const sub = randomUUID();
  const one = short();
  const bytes = Buffer.from(one.text);
  const end = bytes.indexOf(10) + 1;
  await send(sub, one.file, bytes.subarray(0, end));
  await assert.rejects(
    send(sub, one.file, bytes.subarray(end + 40), { offset: end + 40 }),
    refused('RG663', 409, `${end}`),
  );
  await assert.rejects(send(randomUUID(), one.file, bytes, { offset: 5 }), refused('RG663', 409, '0'));
});

test('sent again, a file changes no row', async () => {
  const sub = randomUUID();
  const one = short();
  const { conversation_id: id } = await sendSession(sub, one);
  const state = async () => [
    await conversation(sub, one.id),
    await messages(id),
    await toolCalls(id),
    await fileOf(sub, `${one.id}.jsonl`),
  ];
  const before = await state();
  const again = await sendSession(sub, one, { size: 3 });
  assert.deepEqual([again.messages, again.tool_calls, again.duplicates], [0, 0, 4]);
  assert.deepEqual(await state(), before);
  // Under another name the lines are another file, but no other entries.
  const copy = await send(sub, 'backup/copy.jsonl', one.text, { session: one.id });
  assert.deepEqual([copy.messages, copy.tool_calls, copy.duplicates], [0, 0, 4]);
  assert.deepEqual([await conversation(sub, one.id), await messages(id), await toolCalls(id)], before.slice(0, 3));
});

test('a file that takes the place of another is read from its beginning, and known entries stay', async () => {
  const sub = randomUUID();
  const one = short();
  const { conversation_id: id } = await sendSession(sub, one);
  const other = new Session({ id: one.id, cwd: one.cwd });
  other.user('Another beginning');
  const text = other.text + one.text.split('\n').slice(1).join('\n');
  const answer = await send(sub, one.file, text);
  assert.deepEqual([answer.messages, answer.duplicates], [1, 3]);
  const file = await fileOf(sub, `${one.id}.jsonl`);
  assert.deepEqual([file.generation, file.byte_offset], ['2', `${Buffer.byteLength(text)}`]);
  assert.equal((await messages(id)).length, 5);
  const page = await call({ role: 'authenticated', claims: { sub } }, 'transcript_page', { id });
  assert.equal(page.text, text);
  const stored = await sql('select distinct generation from private.transcript_chunks where file_id = $1', [file.id]);
  assert.deepEqual(stored, [{ generation: '2' }]);
});

test('a session that moved to another folder is the same session, in the same project', async () => {
  const sub = randomUUID();
  const one = short({ cwd: '/home/me/first' });
  const before = await sendSession(sub, one);
  one.cwd = '/home/me/second';
  one.user('And now?');
  const after_ = await sendSession(sub, one, { project: '/home/me/second' });
  assert.deepEqual([after_.messages, after_.duplicates], [1, 4]);
  assert.deepEqual([after_.conversation_id, after_.project_id], [before.conversation_id, before.project_id]);
  const made = await conversation(sub, one.id);
  assert.deepEqual([made.project, made.cwd], ['first', '/home/me/second']);
  assert.equal((await fileOf(sub, `${one.id}.jsonl`)).path, one.file);
});

test('a project may have several root paths; a path in it is the project’s, too', async () => {
  const sub = randomUUID();
  const { project_id: project } = await sendSession(sub, short({ cwd: '/home/me/app' }));
  await sql(`insert into observatory.project_paths (owner_id, path, project_id) values ($1, '/mnt/code/app', $2)`, [
    sub,
    project,
  ]);
  for (const cwd of ['/mnt/code/app', '/mnt/code/app/src/deep', '/home/me/app/x'])
    assert.equal((await sendSession(sub, short({ cwd }))).project_id, project, cwd);
  for (const cwd of ['/mnt/code/application', '/mnt/code', '/home/me/ap'])
    assert.notEqual((await sendSession(sub, short({ cwd }))).project_id, project, cwd);
});

test('a session whose first lines name no directory goes where the sessions of its folder are', async () => {
  const sub = randomUUID();
  const known = short({ cwd: '/home/me/known' });
  const { project_id: project } = await sendSession(sub, known);
  const one = new Session({ cwd: known.cwd });
  one.raw({ type: 'mode', mode: 'normal', sessionId: one.id });
  assert.equal((await sendSession(sub, one)).project_id, project);
  const other = new Session({ cwd: '/elsewhere' });
  other.raw({ type: 'mode', mode: 'normal', sessionId: other.id });
  assert.notEqual((await sendSession(sub, other)).project_id, project);
});

test('the project that the sender names is a hint for new sessions: an id, a directory or a name', async () => {
  const sub = randomUUID();
  const named = await sendSession(sub, short({ cwd: '/tmp/x' }), { project: 'Shop' });
  assert.equal((await sendSession(sub, short({ cwd: '/tmp/y' }), { project: 'shop' })).project_id, named.project_id);
  const by = await sendSession(sub, short({ cwd: '/tmp/z' }), { project: named.project_id });
  assert.equal(by.project_id, named.project_id);
  await assert.rejects(sendSession(randomUUID(), short(), { project: named.project_id }), refused('RG660', 404));
  await assert.rejects(sendSession(sub, short(), { project: randomUUID() }), refused('RG660', 404));
});

test('members: editors send into a project, viewers do not, and whoever left it writes nothing more there', async () => {
  const [owner, editor, viewer] = [randomUUID(), randomUUID(), randomUUID()];
  const { project_id: project } = await sendSession(owner, short());
  await sql(
    `insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'editor'), ($1, $3, 'viewer')`,
    [project, editor, viewer],
  );
  const one = short();
  const sent = await sendSession(editor, one, { project });
  assert.equal(sent.project_id, project);
  await assert.rejects(sendSession(viewer, short(), { project }), refused('RG661', 403));
  await sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [project, editor]);
  one.user('More');
  await assert.rejects(sendSession(editor, one, { project }), refused('RG661', 403));
  assert.equal((await messages(sent.conversation_id)).length, 4);
});

test('the same session of two members of one project stays two conversations', async () => {
  const [owner, editor] = [randomUUID(), randomUUID()];
  const one = short();
  const first = await sendSession(owner, one);
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'editor')`, [
    first.project_id,
    editor,
  ]);
  const second = await sendSession(editor, one, { project: first.project_id });
  assert.notEqual(second.conversation_id, first.conversation_id);
  assert.notEqual(second.project_id, first.project_id);
  assert.deepEqual([second.messages, (await messages(first.conversation_id)).length], [4, 4]);
});

test('a session of a deleted project that is sent again is stored anew', async () => {
  const sub = randomUUID();
  const one = short();
  const first = await sendSession(sub, one);
  await sql('update observatory.projects set deleted_at = now() where id = $1', [first.project_id]);
  const second = await sendSession(sub, one);
  assert.deepEqual([second.messages, second.duplicates], [4, 0]);
  assert.notEqual(second.project_id, first.project_id);
  assert.equal((await conversation(sub, one.id)).id, second.conversation_id);
});

test('uuids that are none, very long ones, cycles and self-references are stored', async () => {
  const sub = randomUUID();
  const one = new Session();
  const long = 'x'.repeat(5000);
  for (const [uuid, parentUuid] of [
    ['user_001', null],
    ['user_001b', 'user_001'],
    ['self', 'self'],
    ['a', 'b'],
    ['b', 'a'],
    [long, 'never comes'],
    [7, long],
  ])
    one.raw({
      type: 'user',
      uuid,
      parentUuid,
      sessionId: one.id,
      timestamp: 'yesterday',
      message: { role: 'user', content: `${uuid}` },
    });
  const answer = await sendSession(sub, one);
  assert.deepEqual([answer.messages, answer.skipped], [7, {}]);
  const rows = await messages(answer.conversation_id);
  const hashed = `h:${createHash('sha256').update(long).digest('hex').slice(0, 32)}`;
  assert.deepEqual(
    rows.map(({ entry_uuid, parent_uuid }) => [entry_uuid, parent_uuid]),
    [
      ['user_001', null],
      ['user_001b', 'user_001'],
      ['self', 'self'],
      ['a', 'b'],
      ['b', 'a'],
      [hashed, 'never comes'],
      ['7', hashed],
    ],
  );
});

/** The thread of a conversation as its owner reads it: [content, parent's content or null], and what its compaction preserves. */
const threadOf = async (sub, id) => {
  const { messages: page } = await call({ role: 'authenticated', claims: { sub } }, 'thread', { id });
  const said = new Map(page.map((row) => [row.id, row.content]));
  return {
    tree: page.map(({ content, parent_id: parent }) => [content, said.get(parent) ?? null]),
    compaction: page.find((row) => row.compaction)?.compaction,
  };
};
const compactionOf = ({ compactMetadata: { trigger, preTokens, preservedSegment, preservedMessages } }) => ({
  ...{ trigger, pre_tokens: preTokens, preserved: preservedMessages.uuids },
  preserved_segment: {
    head_uuid: preservedSegment.headUuid,
    anchor_uuid: preservedSegment.anchorUuid,
    tail_uuid: preservedSegment.tailUuid,
  },
});

test('entries that a compaction preserves keep their place, and get the parent that is last in the file', async () => {
  for (const size of [500, 2, 1]) {
    const sub = randomUUID();
    const one = new Session();
    const [a, b, c] = [one.user('a'), one.assistant('b'), one.user('c')];
    const { boundary, summary } = one.compact([b, c]);
    one.records.at(-1).parentUuid = null;
    const answer = await sendSession(sub, one, { size });
    const rows = await messages(answer.conversation_id);
    assert.deepEqual(
      rows.map(({ entry_uuid, parent_uuid }) => [entry_uuid, parent_uuid]),
      [
        [a.uuid, null],
        [b.uuid, summary.uuid],
        [c.uuid, b.uuid],
        [boundary.uuid, null],
        [summary.uuid, boundary.uuid],
      ],
      `${size}`,
    );
    assert.equal(answer.duplicates, 2);
    const { compaction } = await threadOf(sub, answer.conversation_id);
    assert.deepEqual(compaction, compactionOf(boundary), `${size}`);
  }
});

test('entries that a compaction preserves may be written after its boundary only, with older times', async () => {
  for (const size of [500, 2, 1]) {
    const sub = randomUUID();
    const one = new Session();
    one.user('a');
    const preserved = [one.assistant('b'), one.user('c')];
    one.records.splice(-2);
    const { boundary } = one.compact(preserved);
    one.assistant('d');
    const answer = await sendSession(sub, one, { size });
    const { tree, compaction } = await threadOf(sub, answer.conversation_id);
    assert.deepEqual(
      tree,
      [
        ['a', null],
        // It goes on from c, which is below it now.
        ['Conversation compacted', null],
        ['Continued', 'Conversation compacted'],
        ['b', 'Continued'],
        ['c', 'b'],
        ['d', 'c'],
      ],
      `${size}`,
    );
    assert.deepEqual(compaction, compactionOf(boundary));
    assert.deepEqual(
      (await messages(answer.conversation_id)).map(({ occurred_at: at }) => at.toISOString()),
      one.records.map(({ timestamp }) => timestamp),
    );
    const made = await conversation(sub, one.id);
    assert.deepEqual([made.started_at.toISOString(), made.last_message_at.toISOString()], [time(1), time(one.at)]);
  }
});

test('a compaction that preserves more entries than its message has room for shows their segment', async () => {
  const sub = randomUUID();
  const one = new Session();
  for (let n = 0; n < 400; n += 1) one.user(`Prompt ${n}`);
  const { boundary } = one.compact([...one.records]);
  const { conversation_id: id, skipped } = await sendSession(sub, one);
  const { preserved, ...wanted } = compactionOf(boundary);
  assert.equal(preserved.length, 400);
  const [{ id: at }] = await sql(
    `select id from observatory.messages where conversation_id = $1 and metadata ->> 'subtype' = 'compact_boundary'`,
    [id],
  );
  const { text } = await call({ role: 'authenticated', claims: { sub } }, 'transcript_page', { id });
  assert.deepEqual([skipped, text], [{}, one.text]);
  const pages = [];
  for (let cursor; cursor !== null; cursor = pages.at(-1).next)
    pages.push(await call({ role: 'authenticated', claims: { sub } }, 'thread', { id, cursor }));
  const shown = pages.flatMap((page) => page.messages).find((row) => row.id === at);
  assert.deepEqual(shown.compaction, wanted);
});

test('titles: a person’s, then the agent’s, then a summary, then the first prompt; the name of a worktree is nobody’s', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Caveat: this is meta', { isMeta: true });
  one.user('<command-name>/clear</command-name>');
  const prompt = one.user('  Mend\n the   build ');
  const title = async () => {
    await sendSession(sub, one);
    const { title: text, title_source: source } = await conversation(sub, one.id);
    return [text, source];
  };
  assert.deepEqual(await title(), ['Mend the build', 'prompt']);
  one.raw({ type: 'summary', summary: 'Mending', leafUuid: prompt.uuid });
  assert.deepEqual(await title(), ['Mending', 'summary']);
  one.raw({ type: 'summary', summary: 'Of another session', leafUuid: randomUUID() });
  assert.deepEqual(await title(), ['Mending', 'summary']);
  one.raw({ type: 'ai-title', aiTitle: 'Mend it', sessionId: one.id });
  assert.deepEqual(await title(), ['Mend it', 'ai']);
  one.raw({ type: 'custom-title', customTitle: 'fix-build', sessionId: one.id });
  assert.deepEqual(await title(), ['fix-build', 'custom']);
  one.raw({ type: 'worktree-state', worktreeSession: { worktreeName: 'fix-build' }, sessionId: one.id });
  assert.deepEqual(await title(), ['Mend it', 'ai']);
  one.raw({ type: 'custom-title', customTitle: 'My build', sessionId: one.id });
  assert.deepEqual(await title(), ['My build', 'custom']);
  one.raw({ type: 'ai-title', aiTitle: 'Later', sessionId: one.id });
  assert.deepEqual(await title(), ['My build', 'custom']);
});

test('the prompt that is nearest to the beginning of its file gives the title, whichever file is sent first', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('<command-name>/clear</command-name>');
  one.user('Second line');
  await sendSession(sub, one);
  assert.equal((await conversation(sub, one.id)).title, 'Second line');
  const titleAfter = async (...prompts) => {
    const other = new Session({ id: one.id, cwd: one.cwd });
    for (const prompt of prompts) other.user(prompt);
    await send(sub, `projects/-home-me-app/${randomUUID()}.jsonl`, other.text);
    return (await conversation(sub, one.id)).title;
  };
  assert.equal(await titleAfter('<command-name>/clear</command-name>', '<b>', 'Third line'), 'Second line');
  assert.equal(await titleAfter('First line'), 'First line');
});

test('a title that a user writes stays, until the transcript has another one of a person', async () => {
  const sub = randomUUID();
  const one = short();
  const { conversation_id: id } = await sendSession(sub, one);
  await as({ role: 'authenticated', claims: { sub } }, (query) =>
    query(`update observatory.conversations set title = 'Mine' where id = $1`, [id]),
  );
  one.raw({ type: 'ai-title', aiTitle: 'Agent’s', sessionId: one.id });
  await sendSession(sub, one);
  assert.equal((await conversation(sub, one.id)).title, 'Mine');
  one.raw({ type: 'custom-title', customTitle: 'Renamed', sessionId: one.id });
  await sendSession(sub, one);
  assert.equal((await conversation(sub, one.id)).title, 'Renamed');
});

test('a summary in the file of a later session is the title of the session that it is about, whichever comes first', async () => {
  for (const order of [
    [0, 1],
    [1, 0],
  ]) {
    const sub = randomUUID();
    const one = short();
    const later = new Session({ cwd: one.cwd });
    later.raw({ type: 'summary', summary: 'About the first', leafUuid: one.records.at(-1).uuid });
    later.user('Something else');
    for (const index of order) await sendSession(sub, [one, later][index]);
    const titles = [await conversation(sub, one.id), await conversation(sub, later.id)].map(({ title }) => title);
    assert.deepEqual(titles, ['About the first', 'Something else'], `${order}`);
  }
});

test('tool calls: failed, refused by the user, interrupted, pending; the result names its error', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Go');
  one.tool('Bash', { command: 'a' }, 'Error: exit 1', { output: 'exit 1', isError: true, id: 'failed' });
  one.tool('Edit', { file_path: '/a.rs' }, 'User rejected tool use', { output: 'No', isError: true, id: 'rejected' });
  one.tool('Bash', { command: 'b' }, { stdout: '', interrupted: true }, { output: '', id: 'interrupted' });
  one.assistant([{ type: 'tool_use', id: 'pending', name: 'Read', input: { file_path: '/b.rs' } }]);
  one.user([
    {
      type: 'tool_result',
      tool_use_id: 'alone',
      content: [
        { type: 'text', text: 'x' },
        { type: 'text', text: 'y' },
      ],
    },
  ]);
  const { conversation_id: id } = await sendSession(sub, one);
  const rows = Object.fromEntries((await toolCalls(id)).map((row) => [row.tool_use_id, row]));
  assert.deepEqual(
    Object.fromEntries(Object.entries(rows).map(([key, { status, is_error }]) => [key, [status, is_error]])),
    {
      ...{ failed: ['failed', true], rejected: ['rejected', true], interrupted: ['interrupted', false] },
      ...{ pending: ['pending', false], alone: ['completed', false] },
    },
  );
  assert.deepEqual([rows.failed.error_message, rows.rejected.file_path], ['exit 1', '/a.rs']);
  assert.deepEqual([rows.alone.tool_name, rows.alone.output, rows.alone.message_id], ['unknown', 'x\ny', null]);
});

test('what a result says of its file, its task and its worktree is stored with the call', async () => {
  const patch = [{ oldStart: 1, oldLines: 1, newStart: 1, newLines: 1, lines: ['-a', '+b'] }];
  const gitDiff = { filename: 'edit.rs', status: 'modified', additions: 1, deletions: 1, changes: 2, patch: '@@' };
  // [tool, input, result, the call's file, its metadata].
  const cases = [
    [
      'Edit',
      { file_path: '/edit.rs', old_string: 'a', new_string: 'b' },
      { filePath: '/edit.rs', oldString: 'a', newString: 'b', structuredPatch: patch, gitDiff },
      '/edit.rs',
      { file_path: '/edit.rs' },
    ],
    // The path may be in the result alone.
    [
      'Write',
      {},
      { type: 'create', filePath: '/new.rs', content: 'b', structuredPatch: [] },
      '/new.rs',
      { file_path: '/new.rs' },
    ],
    [
      'Read',
      {},
      { type: 'text', file: { filePath: '/read.rs', content: 'a', numLines: 1, startLine: 1, totalLines: 1 } },
      '/read.rs',
      { file_path: '/read.rs' },
    ],
    ['TodoWrite', { todos: [{ content: 'x' }] }, { oldTodos: [], newTodos: [{ content: 'x' }] }, null, {}],
    [
      'Bash',
      { command: 'make', run_in_background: true },
      { stdout: '', stderr: '', interrupted: false, backgroundTaskId: 'b7f2' },
      null,
      { background_task_id: 'b7f2' },
    ],
    [
      'Agent',
      { prompt: 'x', isolation: 'worktree' },
      { status: 'completed', agentId: 'w1', worktreePath: '/trees/fix' },
      null,
      { agent_id: 'w1', agent_status: 'completed', worktree_path: '/trees/fix' },
    ],
  ];
  const sub = randomUUID();
  const one = new Session();
  for (const [name, input, result] of cases) one.tool(name, input, result, { id: name });
  const { conversation_id: id } = await sendSession(sub, one);
  const rows = Object.fromEntries((await toolCalls(id)).map((row) => [row.tool_use_id, row]));
  for (const [name, input, , file, facts] of cases) {
    const { result_entry: entry, ...metadata } = rows[name].metadata;
    assert.deepEqual([rows[name].input, rows[name].file_path, metadata], [input, file, facts], name);
    assert.ok(one.records.some(({ uuid, toolUseResult }) => uuid === entry && toolUseResult));
  }
  // Patches and lists are in the line alone.
  const page = await call({ role: 'authenticated', claims: { sub } }, 'transcript_page', { id });
  assert.equal(page.text, one.text);
});

test('the duration that a result names is the call’s, until a hook has measured it', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('Go');
  one.tool('Glob', { pattern: '*' }, { filenames: [], numFiles: 0, durationMs: 12 }, { id: 'timed' });
  one.tool('Bash', { command: 'x' }, { stdout: '' }, { id: 'untimed' });
  const { conversation_id: id } = await sendSession(sub, one);
  assert.deepEqual(
    (await toolCalls(id)).map(({ tool_use_id, duration_ms, duration_source }) => [
      tool_use_id,
      duration_ms,
      duration_source,
    ]),
    [
      ['timed', '12', 'result'],
      ['untimed', null, null],
    ],
  );
});

test('subagents at any depth hang below the conversation whose tool started them, in whatever order the files come', async () => {
  const agents = ['a', 'b', 'c', 'd', 'e'];
  /** A chain: each agent starts the next one. Of every second call only the .meta.json names the agent, as it has no result yet. */
  const build = () => {
    const main = new Session();
    const chain = [main, ...agents.map((agent) => new Session({ id: main.id, cwd: main.cwd, agent }))];
    for (const [depth, one] of chain.entries()) {
      const below = agents[depth];
      one.user(`Work of ${one.agent ?? 'the session'}`);
      if (depth % 2 === 1 && below)
        one.assistant([{ type: 'tool_use', id: `toolu_${below}`, name: 'Agent', input: { prompt: 'x' } }]);
      else if (below)
        one.tool(
          'Agent',
          { prompt: 'x' },
          { agentId: below, status: 'completed', totalTokens: 999, usage: { input_tokens: 999 } },
          { id: `toolu_${below}` },
        );
    }
    return chain;
  };
  const attach = (sub, one) => {
    const content = JSON.stringify({ agentType: 'Explore', toolUseId: `toolu_${one.agent}` });
    const file = one.file.replace('.jsonl', '.meta.json');
    return call(user(sub), 'attach_file', { file, content, bytes: content.length, redactions: 0 });
  };
  const inOrder = (chain) =>
    chain.flatMap((one) => [(sub) => sendSession(sub, one), ...(one.agent ? [(sub) => attach(sub, one)] : [])]);
  for (const [name, order] of Object.entries({
    'as they are written': inOrder,
    reversed: (chain) => inOrder(chain).reverse(),
    'transcripts before .meta.json': (chain) => [
      ...chain.map((one) => (sub) => sendSession(sub, one)),
      ...chain.slice(1).map((one) => (sub) => attach(sub, one)),
    ],
    'the odd ones first': (chain) => {
      const steps = inOrder(chain);
      return [...steps.filter((_, n) => n % 2 === 1), ...steps.filter((_, n) => n % 2 === 0)];
    },
  })) {
    const sub = randomUUID();
    const chain = build();
    for (const step of order(chain)) await step(sub);
    const rows = [];
    for (const { agent } of chain) rows.push(await conversation(sub, chain[0].id, agent ?? null));
    for (const [depth, row] of rows.entries()) {
      assert.equal(row.parent_conversation_id, rows[depth - 1]?.id ?? null, `${name}: ${depth}`);
      assert.deepEqual([row.missing_agents, row.project_id], ['0', rows[0].project_id], `${name}: ${depth}`);
      const status = depth % 2 === 1 ? 'pending' : 'completed';
      assert.deepEqual(
        (await toolCalls(row.id)).map((tool) => [tool.tool_use_id, tool.spawned_agent_id, tool.status]),
        agents[depth] ? [[`toolu_${agents[depth]}`, agents[depth], status]] : [],
        `${name}: ${depth}`,
      );
      const { agents: below } = await call({ role: 'authenticated', claims: { sub } }, 'thread', { id: row.id });
      assert.deepEqual(
        below.map((one) => [one.conversation_id, one.tool_use_id]),
        agents[depth] ? [[rows[depth + 1].id, `toolu_${agents[depth]}`]] : [],
        `${name}: ${depth}`,
      );
    }
    const [{ n: below }] = await sql('select count(*)::int as n from private.conversations_below($1)', [rows[0].id]);
    assert.equal(below, 6);
    assert.deepEqual(await differencesOf(sub), [], name);
  }
});

test('a conversation counts the subagents whose files have not come', async () => {
  const sub = randomUUID();
  const main = new Session();
  main.user('Start');
  main.tool('Agent', { prompt: 'x' }, { agentId: 'gone1', status: 'completed' });
  main.tool('Task', { prompt: 'y' }, { agentId: 'gone2', status: 'completed' });
  main.tool('Agent', { prompt: 'z' }, { agentId: 'running', status: 'async_launched' });
  // It runs on another machine, and leaves no file here.
  main.tool('Agent', { prompt: 'z' }, { agentId: 'far', status: 'remote_launched' });
  await sendSession(sub, main);
  assert.equal((await conversation(sub, main.id)).missing_agents, '3');
  const one = new Session({ id: main.id, cwd: main.cwd, agent: 'gone2' });
  one.user('Here');
  await sendSession(sub, one);
  assert.equal((await conversation(sub, main.id)).missing_agents, '2');
});

test('a subagent’s file beside the sessions, as older versions have it, belongs to the session of its lines', async () => {
  const sub = randomUUID();
  const main = short();
  await sendSession(sub, main);
  const agent = new Session({ id: main.id, cwd: main.cwd, agent: 'abc' });
  agent.user('Work');
  const answer = await send(sub, 'projects/-home-me/agent-abc.jsonl', agent.text);
  const made = await conversation(sub, main.id, 'abc');
  assert.equal(answer.conversation_id, made.id);
  assert.equal(made.parent_conversation_id, (await conversation(sub, main.id)).id);
});

test('a .meta.json names the tool that started a subagent, and comes before or after it', async () => {
  for (const order of [
    ['meta', 'main', 'agent'],
    ['agent', 'meta', 'main'],
    ['main', 'agent', 'meta'],
  ]) {
    const sub = randomUUID();
    const main = new Session();
    main.user('Start');
    // Still running: there is no result that names it.
    main.assistant([{ type: 'tool_use', id: 'toolu_m', name: 'Agent', input: { prompt: 'x' } }]);
    const agent = new Session({ id: main.id, cwd: main.cwd, agent: 'metaed' });
    agent.user('Work');
    const steps = {
      main: () => sendSession(sub, main),
      agent: () => sendSession(sub, agent),
      meta: () =>
        call(user(sub), 'attach_file', {
          file: agent.file.replace('.jsonl', '.meta.json'),
          content: JSON.stringify({ agentType: 'Explore', description: 'Looks', toolUseId: 'toolu_m' }),
          bytes: 70,
          redactions: 0,
        }),
    };
    for (const step of order) await steps[step]();
    const made = await conversation(sub, main.id, 'metaed');
    assert.deepEqual(
      made.metadata,
      { agent_type: 'Explore', description: 'Looks', tool_use_id: 'toolu_m' },
      `${order}`,
    );
    const parent = await conversation(sub, main.id);
    const [tool] = await toolCalls(parent.id);
    assert.deepEqual([tool.spawned_agent_id, made.parent_conversation_id], ['metaed', parent.id], `${order}`);
  }
});

test('an output in a file of its own completes its tool call, whichever comes first', async () => {
  for (const isFirst of [true, false]) {
    const sub = randomUUID();
    const main = new Session();
    main.user('Go');
    const path = `/home/me/.claude/projects/x/${main.id}/tool-results/b5.txt`;
    main.tool(
      'Bash',
      { command: 'find' },
      { stdout: 'cut', persistedOutputPath: path },
      { output: 'cut', id: 'spilled' },
    );
    const attach = () =>
      call(user(sub), 'attach_file', { file: path, content: 'the whole output', bytes: 16, redactions: 0 });
    if (isFirst) await attach();
    const { conversation_id: id } = await sendSession(sub, main);
    if (!isFirst) {
      const [before] = await toolCalls(id);
      assert.deepEqual([before.output, before.output_truncated], ['cut', true]);
      await attach();
    }
    const [tool] = await toolCalls(id);
    assert.deepEqual([tool.output, tool.output_truncated], ['the whole output', false], `${isFirst}`);
    assert.equal((await attach()).is_new, false);
  }
});

test('journals and snapshots of workflows are kept beside the session', async () => {
  const sub = randomUUID();
  const main = short();
  await sendSession(sub, main);
  for (const [path, kind] of [
    ['subagents/workflows/run1/journal.jsonl', 'journal'],
    ['workflows/run1.json', 'snapshot'],
    ['subagents/workflows/run1/agent-w.meta.json', 'meta'],
    ['tool-results/x.txt', 'tool_result'],
    ['notes.md', 'other'],
  ]) {
    const answer = await call(user(sub), 'attach_file', {
      ...{
        file: `projects/p/${main.id}/${path}`,
        session: main.id,
        content: '{"status": "failed"}',
        bytes: 20,
        redactions: 0,
      },
    });
    assert.deepEqual([answer.path, answer.kind, answer.is_new], [path, kind, true]);
  }
  await assert.rejects(
    call(user(sub), 'attach_file', { file: 'x.txt', content: '', bytes: 0, redactions: 0 }),
    refused('RG664', 422),
  );
});

test('texts, inputs and outputs that are very long are cut, and the line has them whole', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('é'.repeat(700_000));
  one.tool('Write', { file_path: '/a', content: 'c'.repeat(400_000) }, {}, { output: 'o'.repeat(300_000) });
  const { conversation_id: id } = await sendSession(sub, one);
  const [row] = await messages(id);
  assert.deepEqual([row.content.length, row.metadata.content_bytes], [262_144, 1_400_000]);
  const [tool] = await toolCalls(id);
  assert.deepEqual([tool.output.length, tool.output_truncated, Object.keys(tool.input)], [262_144, true, ['cut']]);
  const { text } = await call({ role: 'authenticated', claims: { sub } }, 'transcript_page', { id });
  assert.equal(text, one.text);
});

test('what is not a count in a line’s usage counts as nothing, and no line is refused for it', async () => {
  const sub = randomUUID();
  const one = new Session();
  for (const usage of [
    null,
    [],
    'x',
    { input_tokens: 'many', output_tokens: -5, cache_read_input_tokens: 1.9, cache_creation_input_tokens: null },
    { input_tokens: 1e300, cache_creation: 7, server_tool_use: [], iterations: {} },
    {
      output_tokens: 3,
      cache_creation_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 6 },
    },
  ])
    one.assistant('x', { usage });
  const { conversation_id: id, messages: count } = await sendSession(sub, one);
  assert.equal(count, 6);
  assert.deepEqual(
    (await messages(id)).map((row) =>
      [row.input_tokens, row.output_tokens, row.cache_read_tokens, row.cache_creation_tokens].map(Number),
    ),
    [
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 0, 0],
      [0, 0, 1, 0],
      [0, 0, 0, 0],
      [0, 3, 0, 10],
    ],
  );
});

test('lines whose fields have other types than they should are stored', async () => {
  const sub = randomUUID();
  const one = new Session();
  one.user('First');
  for (const more of [
    { message: 'text' },
    { message: { content: 7 } },
    {
      message: {
        role: 'user',
        content: [1, null, 'x', [], { type: 7 }, { type: 'tool_result' }, { type: 'tool_use', id: '' }],
      },
    },
    {
      message: { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: { a: 1 } }] },
      toolUseResult: [1],
    },
    { timestamp: '2026-02-30T10:00:00Z' },
    { timestamp: 5, cwd: {}, version: [], gitBranch: null, forkedFrom: 'x', isSidechain: 'yes', toolUseResult: null },
    {
      type: 'assistant',
      message: { content: [{ type: 'tool_use', id: 'u', name: null, input: 'x' }], model: {}, usage: 1 },
    },
    { type: 7 },
    { type: 'pr-link', prNumber: {}, prUrl: 5 },
    { type: 'worktree-state', worktreeSession: 5 },
    { type: 'system', subtype: {}, content: [] },
  ])
    one.add('user', more);
  const answer = await sendSession(sub, one);
  assert.deepEqual([answer.skipped, (await messages(answer.conversation_id)).length], [{}, 12]);
});

test('a time is read in the forms that agents write, and nothing else is a time', async () => {
  const forms = {
    '2026-11-20T10:00:01.234Z': '2026-11-20T10:00:01.234Z',
    '2024-02-29T23:59:59.999Z': '2024-02-29T23:59:59.999Z',
    '2026-11-20T10:00:01Z': '2026-11-20T10:00:01.000Z',
    '2026-11-20T10:00:01.123456Z': '2026-11-20T10:00:01.123Z',
    '2026-11-20 10:00:01+02:00': '2026-11-20T08:00:01.000Z',
    '2026-11-20T10:00:01.234+0200': '2026-11-20T08:00:01.234Z',
  };
  const none = [
    ...['2026-02-30T10:00:00.000Z', '2026-13-01T10:00:00.000Z', '2026-11-20T25:00:00.000Z', '2026-11-20T10:61:00.000Z'],
    ...['0999-11-20T10:00:01.234Z', '3000-01-01T10:00:01.234Z', '2026-11-20T10:00:01.234', '2026-11-20', 'yesterday'],
    ...['2026-11-20T10:00:01.2x4Z', ' 2026-11-20T10:00:01.23Z', 'infinity', 'now', 'epoch', ''],
  ];
  const read = async (text) => (await sql('select private.entry_time($1) as at', [text]))[0].at;
  for (const [text, at] of Object.entries(forms)) assert.equal((await read(text))?.toISOString(), at, text);
  for (const text of none) assert.equal(await read(text), null, text);
});

test('a source that nobody knows is refused; so is a file without a name', async () => {
  const sub = randomUUID();
  await assert.rejects(sendSession(sub, short(), { source: 'cursor' }), refused('RG665', 422));
  await assert.rejects(send(sub, '', short().text), refused('RG664', 422));
  await assert.rejects(send(sub, 'a/b/', short().text), refused('RG664', 422));
});

test('a file without lines makes nothing', async () => {
  const sub = randomUUID();
  const answer = await send(sub, `p/${randomUUID()}.jsonl`, '');
  assert.deepEqual([answer.messages, answer.next_offset], [0, '0']);
  assert.equal((await sql('select from observatory.projects where owner_id = $1', [sub])).length, 0);
});

test('users reach ingest by no way but the edge', async () => {
  const sub = randomUUID();
  for (const role of ['authenticated', 'anon', 'service_role']) {
    for (const text of [
      `select observatory.ingest_batch('[]', '{}', '{}', 'a')`,
      `select observatory.attach_file('a', 'b', 1, 0)`,
      `select private.store_entries('${sub}', '{}', '{}')`,
      'select * from private.transcript_chunks',
    ])
      await assert.rejects(
        as({ role, claims: { sub } }, (query) => query(text)),
        { code: '42501' },
        `${role}: ${text}`,
      );
    await assert.rejects(
      as({ role, claims: { sub } }, (query) =>
        query(`insert into observatory.ingest_files (owner_id) values ('${sub}')`),
      ),
      { code: '42501' },
    );
  }
  // The edge without a user.
  await assert.rejects(
    as({ role: 'edge', claims: {} }, (query) => query(`select observatory.ingest_batch('[]', '{}', '{}', 'a')`)),
    (error) => JSON.parse(error.message).code === 'RG520',
  );
});

test('strangers see neither files nor lines of a session; the page of a foreign id is that of an absent one', async () => {
  const sub = randomUUID();
  const { conversation_id: id } = await sendSession(sub, short());
  const stranger = { role: 'authenticated', claims: { sub: randomUUID() } };
  for (const table of ['ingest_files', 'session_files', 'messages', 'tool_calls', 'conversations'])
    assert.deepEqual(await as(stranger, (query) => query(`select * from observatory.${table}`)), [], table);
  for (const one of [id, randomUUID()])
    await assert.rejects(call(stranger, 'transcript_page', { id: one }), refused('RG662', 404));
});

test('the token of an erased user stores nothing', async () => {
  const sub = randomUUID();
  const { conversation_id: id } = await sendSession(sub, short());
  await sql('insert into private.erased_users (id) values ($1)', [sub]);
  const more = short();
  await assert.rejects(sendSession(sub, more), refused('RG521', 403));
  assert.equal((await messages(id)).length, 4);
});

test('pages of a download follow one another to the last line', async () => {
  const sub = randomUUID();
  const one = new Session();
  for (let n = 0; n < 9; n += 1) one.user(`${n}`.repeat(1_500_000));
  const { conversation_id: id } = await sendSession(sub, one, { size: 1 });
  let text = '';
  let after_ = null;
  let pages = 0;
  do {
    const page = await call({ role: 'authenticated', claims: { sub } }, 'transcript_page', { id, after: after_ });
    text += page.text;
    after_ = page.next;
    pages += 1;
  } while (after_);
  assert.equal(text, one.text);
  assert.ok(pages > 3, `${pages}`);
});

test('the session of a file beside it is the folder next to it, whatever the folders above are called', async () => {
  for (const [above, below] of [
    ['home/me/workflows/app', 'tool-results/a.txt'],
    ['home/me/tool-results/x/subagents/y', 'workflows/run1.json'],
    ['p', 'subagents/workflows/run1/journal.jsonl'],
    ['subagents/workflows/q', 'subagents/agent-a.meta.json'],
  ]) {
    const session = randomUUID();
    const answer = await call(user(randomUUID()), 'attach_file', {
      ...{ file: `${above}/${session}/${below}`, content: '{}', bytes: 2, redactions: 0 },
    });
    assert.equal(answer.path, below, above);
    const [{ session_id: found }] = await sql('select session_id from observatory.conversations where id = $1', [
      answer.conversation_id,
    ]);
    assert.equal(found, session, above);
  }
});

test('a path of any length names its file by its end', async () => {
  const sub = randomUUID();
  const one = short();
  const above = `${'long-folder/'.repeat(200)}`;
  const answer = await send(sub, `${above}${one.id}.jsonl`, one.text);
  assert.equal((await conversation(sub, one.id)).id, answer.conversation_id);
  assert.equal((await fileOf(sub, `${one.id}.jsonl`)).path.length, 1024);
  const beside = await call(user(sub), 'attach_file', {
    ...{ file: `${above}${one.id}/tool-results/a.txt`, content: 'x', bytes: 1, redactions: 0 },
  });
  assert.equal(beside.conversation_id, answer.conversation_id);
});

test('a session of which a file beside it comes first goes where the sessions of its folder are', async () => {
  const sub = randomUUID();
  const known = short({ cwd: '/home/me/known' });
  const { project_id: project } = await sendSession(sub, known);
  const one = short({ cwd: known.cwd });
  await call(user(sub), 'attach_file', {
    ...{ file: one.file.replace('.jsonl', '/tool-results/a.txt'), content: 'x', bytes: 1, redactions: 0 },
  });
  assert.equal((await sendSession(sub, one)).project_id, project);
});

test('a session whose directory is named after something else of it has come moves into the directory’s project, with everything', async (t) => {
  const cwd = () => `/home/me/${randomUUID()}`;
  const attach = (sub, one, path, content = '{}') =>
    call(user(sub), 'attach_file', {
      ...{ file: one.file.replace('.jsonl', `/${path}`), content, bytes: content.length, redactions: 0 },
    });
  const first = {
    'an output of a tool': (sub, one) => attach(sub, one, 'tool-results/a.txt'),
    'a .meta.json': (sub, one) => attach(sub, one, 'subagents/agent-a.meta.json'),
    'a journal as a file': (sub, one) => attach(sub, one, 'subagents/workflows/r1/journal.jsonl'),
    'a journal as a transcript': (sub, one) =>
      send(sub, one.file.replace('.jsonl', '/subagents/workflows/r1/journal.jsonl'), '{"event": "started"}\n'),
    'lines without a directory': (sub, one) =>
      send(sub, one.file, `${JSON.stringify({ type: 'mode', mode: 'normal', sessionId: one.id })}\n`),
    'lines of another session': (sub, one) =>
      send(sub, 'p/other.jsonl', `${JSON.stringify({ type: 'summary', summary: 'S', sessionId: one.id })}\n`),
  };
  for (const [name, before] of Object.entries(first)) {
    await t.test(name, async () => {
      const sub = randomUUID();
      const one = short({ cwd: cwd() });
      await before(sub, one);
      assert.equal((await conversation(sub, one.id)).project, 'Sessions');
      const text =
        name === 'lines without a directory'
          ? `${JSON.stringify({ type: 'mode', mode: 'normal', sessionId: one.id })}\n${one.text}`
          : one.text;
      const answer = await send(sub, one.file, text);
      const made = await conversation(sub, one.id);
      assert.deepEqual([made.root_path, made.is_unplaced, made.id], [one.cwd, false, answer.conversation_id]);
      assert.equal(answer.project_id, made.project_id);
      for (const table of [
        'conversations',
        'messages',
        'tool_calls',
        'session_files',
        'ingest_files',
        'usage_records',
      ]) {
        const rows = await sql(`select project_id from observatory.${table} where owner_id = $1`, [sub]);
        const elsewhere = rows.filter(({ project_id }) => project_id !== made.project_id);
        assert.equal(elsewhere.length, 0, table);
      }
      const [{ n: words }] = await sql(
        'select count(*)::int as n from private.message_search as s inner join observatory.messages as m on m.id = s.message_id where m.owner_id = $1 and s.project_id <> $2',
        [sub, made.project_id],
      );
      assert.equal(words, 0);
      assert.deepEqual(await differencesOf(sub), []);
      // From now on it stays where it is.
      one.cwd = cwd();
      one.user('Elsewhere');
      await send(sub, one.file, `${text}${JSON.stringify(one.records.at(-1))}\n`);
      assert.equal((await conversation(sub, one.id)).project_id, made.project_id);
    });
  }
});

test('a session whose project the sender has named stays there, whatever its lines name', async () => {
  const sub = randomUUID();
  const one = short();
  const { conversation_id: id } = await call(user(sub), 'attach_file', {
    ...{ file: one.file.replace('.jsonl', '/tool-results/a.txt'), content: 'x', bytes: 1, redactions: 0 },
    project: 'Sessions',
  });
  await sendSession(sub, one);
  assert.deepEqual([(await conversation(sub, one.id)).project, (await conversation(sub, one.id)).id], ['Sessions', id]);
});

/** A session that was continued on two machines: what both have, and the texts of the two files. */
const continued = (more = {}) => {
  const one = short(more);
  for (let n = 0; n < 20; n += 1) one.user(`Before ${n}`);
  const fork = (name, count) => {
    const other = new Session({ id: one.id, cwd: one.cwd, at: one.at });
    other.records = [...one.records];
    other.last = one.last;
    for (let n = 0; n < count; n += 1) {
      other.user(`${name} asks ${n}`);
      other.tool('Bash', { command: `${name} ${n}` }, { stdout: 'ok' }, { output: 'ok' });
    }
    return other;
  };
  return { one, here: fork('here', 6), there: fork('there', 4) };
};
const textsOf = async (sub, id) =>
  (await messages((await conversation(sub, id)).id)).map(({ entry_uuid }) => entry_uuid);

test('a session that was continued on two machines keeps what both have added, each once, in any order', async (t) => {
  const orders = [
    ['here', 'there'],
    ['there', 'here'],
    ['one', 'here', 'there', 'here', 'there'],
    ['here', 'one', 'there', 'one', 'here'],
  ];
  for (const size of [3, 500]) {
    for (const order of size === 3 ? orders.slice(2) : orders) {
      await t.test(`${order.join(', ')}, ${size} lines at once`, async () => {
        const sub = randomUUID();
        const files = continued();
        for (const name of order) await send(sub, files[name].file, files[name].text, { size });
        const uuids = new Set([...files.here.records, ...files.there.records].map(({ uuid }) => uuid));
        assert.deepEqual(new Set(await textsOf(sub, files.one.id)), uuids);
        const made = await conversation(sub, files.one.id);
        const branches = (await messages(made.id)).map(({ branch }) => branch);
        assert.deepEqual([...new Set(branches)].toSorted(), ['0', '1']);
        const calls = await toolCalls(made.id);
        assert.equal(calls.length, 1 + 6 + 4);
        assert.equal(made.output_tokens, `${5 * (2 + 6 + 4)}`);
        const page = await call({ role: 'authenticated', claims: { sub } }, 'transcript_page', { id: made.id });
        assert.deepEqual(
          page.text.trim().split('\n').toSorted(),
          [...new Set((files.here.text + files.there.text).trim().split('\n'))].toSorted(),
        );
        // Both go on.
        for (const name of ['there', 'here']) {
          const before = Buffer.byteLength(files[name].text);
          files[name].user(`${name} goes on`);
          const rest = Buffer.from(files[name].text).subarray(before);
          const answer = await send(sub, files[name].file, rest, { offset: before });
          assert.deepEqual([answer.messages, answer.next_offset], [1, `${before + rest.length}`]);
        }
        for (const name of ['here', 'there', 'one']) {
          const again = await send(sub, files[name].file, files[name].text, { size });
          assert.deepEqual([again.messages, again.tool_calls], [0, 0]);
        }
        const [{ n }] = await sql('select count(*)::int as n from observatory.ingest_files where owner_id = $1', [sub]);
        assert.equal(n, 2);
        assert.deepEqual(await differencesOf(sub), []);
      });
    }
  }
});

test('a piece of a file that differs from the one that is stored is refused with the offset to begin at, and costs nothing', async () => {
  const sub = randomUUID();
  const { here, there } = continued();
  await sendSession(sub, here);
  const bytes = Buffer.from(there.text);
  const at = bytes.lastIndexOf(10, bytes.length - 2) + 1;
  await assert.rejects(send(sub, there.file, bytes.subarray(at), { offset: at }), refused('RG663', 409, '0'));
  const [{ n }] = await sql('select count(*)::int as n from observatory.ingest_files where owner_id = $1', [sub]);
  assert.equal(n, 1);
});

test('a hundred files of one name may differ, and no more', async () => {
  const sub = randomUUID();
  const one = short();
  await sendSession(sub, one);
  const line = (n) => `${JSON.stringify({ ...one.records[1], uuid: randomUUID(), n })}\n`;
  const sendOther = (n) => send(sub, one.file, `${JSON.stringify(one.records[0])}\n${line(n)}`);
  for (let n = 1; n < 100; n += 1) assert.equal((await sendOther(n)).messages, 1);
  await assert.rejects(sendOther(100), refused('RG677', 422));
  // Known ones go on.
  one.user('More');
  assert.equal((await sendSession(sub, one)).messages, 1);
});

test('a file from which its agent has taken a line goes on with what it has then', async () => {
  const sub = randomUUID();
  const one = short();
  for (let n = 0; n < 5; n += 1) one.user(`Prompt ${n}`);
  await sendSession(sub, one);
  const uuids = new Set(one.records.map(({ uuid }) => uuid));
  one.records.splice(-2, 1);
  for (let n = 0; n < 5; n += 1) uuids.add(one.user(`After ${n}`).uuid);
  const answer = await sendSession(sub, one);
  assert.deepEqual([answer.messages, answer.skipped], [5, {}]);
  assert.deepEqual(new Set(await textsOf(sub, one.id)), uuids);
});

test('a session that is deleted between two batches of an upload is sent anew from its beginning, and is whole', async () => {
  for (const { named, hard } of [
    { named: true, hard: false },
    { named: true, hard: true },
    // The file of a subagent beside the sessions: its session stands in its lines only.
    { named: false, hard: true },
  ]) {
    const sub = randomUUID();
    const one = new Session(named ? {} : { agent: 'a1' });
    for (let n = 0; n < 6; n += 1) one.user(`Prompt ${n}`);
    const file = named ? one.file : 'projects/p/agent-a1.jsonl';
    const [first, ...rest] = batches(Buffer.from(one.text), { size: 2 });
    const store = (batch) => call(user(sub), 'ingest_batch', { ...batch, file, base: 0 });
    await store(first);
    if (hard) await sql('delete from observatory.conversations where owner_id = $1', [sub]);
    else
      await call({ role: 'authenticated', claims: { sub } }, 'delete_conversation', {
        id: (await conversation(sub, one.id)).id,
      });
    if (named) await assert.rejects(store(rest[0]), refused('RG663', 409, '0'));
    else for (const batch of rest) await store(batch);
    const answer = await send(sub, file, one.text, { size: 2 });
    const rows = await messages((await conversation(sub, one.id, one.agent)).id);
    assert.deepEqual(
      rows.map(({ content }) => content).toSorted(),
      Array.from({ length: 6 }, (_, n) => `Prompt ${n}`),
    );
    assert.equal(answer.next_offset, `${Buffer.byteLength(one.text)}`);
  }
});
