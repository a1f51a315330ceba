// examples/send-sessions: a whole folder, everything once; run again, stopped half-way, moved, on a terminal and in a pipe.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { makeToken } from '../../core/support/api_tokens.js';
import { close, sql, stack, userToken } from '../../support/stack.js';
import {
  ask as asked,
  header,
  info,
  item,
  meta,
  opencodeSession,
  prompt,
  reply,
  response,
  turn,
} from '../support/agents.js';
import { conversation, messages, Session, toolCalls } from '../support/transcripts.js';

const SCRIPT = join(root, 'examples/send-sessions/send.js');
let folder;
let sub;
let token;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'rowgate-sessions-'));
  sub = randomUUID();
  ({ token } = await makeToken(await userToken(sub), { systems: ['observatory'], access: 'write' }));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));
after(close);

/** Runs the script. */
const run = (args = [folder], { kill, env = {} } = {}) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [SCRIPT, ...args], {
      env: { PATH: process.env.PATH, HOME: folder, ROWGATE_URL: stack.edge_url, ROWGATE_TOKEN: token, ...env },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    kill?.(child);
    child.on('close', (code) => resolve({ code, out, err }));
  });
const put = (path, content) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
};
const NOTHING = '0 files sent: 0 new messages, 0 tool calls, 0 secrets taken out, 0 lines skipped\n';

/** A folder of projects with everything that Claude Code puts there. */
const fill = () => {
  const main = new Session({ cwd: '/home/me/shop' });
  main.user('Start');
  const spilled = `/home/me/.claude/${dirname(main.file)}/${main.id}/tool-results/b1.txt`;
  main.tool(
    'Bash',
    { command: 'find' },
    { stdout: 'cut', persistedOutputPath: spilled },
    { output: 'cut', id: 'spilled' },
  );
  main.assistant([{ type: 'tool_use', id: 'starts', name: 'Agent', input: {} }]);
  const agent = new Session({ id: main.id, cwd: main.cwd, agent: 'one' });
  agent.user('Work');
  const beside = join(dirname(main.file), main.id);
  put(main.file, main.text);
  put(agent.file, agent.text);
  put(agent.file.replace('.jsonl', '.meta.json'), JSON.stringify({ agentType: 'Explore', toolUseId: 'starts' }));
  put(join(beside, 'tool-results/b1.txt'), 'the whole output');
  put(join(beside, 'subagents/workflows/r1/journal.jsonl'), '{"event":"started"}\n');
  put(join(beside, 'workflows/r1.json'), '{"status":"failed"}');
  const worker = new Session({ id: main.id, cwd: main.cwd, agent: 'two' });
  worker.user('Flow');
  put(join(beside, 'subagents/workflows/r1/agent-two.jsonl'), worker.text);
  const other = new Session({ cwd: '/home/me/other' });
  other.user('Hello');
  put(other.file, other.text);
  put(join(dirname(main.file), 'memory/notes.md'), 'no session');
  return { main, agent, other };
};

test('a folder is sent with everything in it, and running again sends nothing', async () => {
  const { main, other } = fill();
  const first = await run();
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /^8 files sent: 7 new messages, 2 tool calls, 0 secrets taken out, 0 lines skipped\n$/);
  const made = await conversation(sub, main.id);
  const agent = await conversation(sub, main.id, 'one');
  assert.deepEqual([agent.parent_conversation_id, agent.metadata.agent_type], [made.id, 'Explore']);
  assert.ok(await conversation(sub, main.id, 'two'));
  assert.equal((await conversation(sub, other.id)).project, 'other');
  const tools = Object.fromEntries((await toolCalls(made.id)).map((row) => [row.tool_use_id, row]));
  assert.deepEqual([tools.spilled.output, tools.starts.spawned_agent_id], ['the whole output', 'one']);
  const files = await sql('select path, kind from observatory.session_files where owner_id = $1 order by path', [sub]);
  assert.deepEqual(
    files.map(({ path, kind }) => [path, kind]),
    [
      ['subagents/agent-one.meta.json', 'meta'],
      ['subagents/workflows/r1/journal.jsonl', 'journal'],
      ['tool-results/b1.txt', 'tool_result'],
      ['workflows/r1.json', 'snapshot'],
    ],
  );
  const again = await run();
  assert.deepEqual([again.code, again.out, again.err], [0, NOTHING, '']);
});

/** Messages of a session with a role, in order: [role, text]. */
const said = async (session) =>
  (await messages((await conversation(sub, session)).id))
    .filter(({ role, content }) => role !== null && content !== null)
    .map(({ role, content }) => [role, content]);
/** What is counted for each session: [session, source, responses, input, output]. */
const counted = async () =>
  (
    await sql(
      `select c.session_id, c.source, count(*)::int as responses, sum(u.input_tokens)::int as input, sum(u.output_tokens)::int as output
       from observatory.usage_records as u inner join observatory.conversations as c on c.id = u.conversation_id
       where u.owner_id = $1 group by 1, 2 order by min(u.occurred_at), 1`,
      [sub],
    )
  ).map((row) => Object.values(row));
const lines = (list) => list.map((one) => `${typeof one === 'string' ? one : JSON.stringify(one)}\n`).join('');

test('sessions of Codex are sent: rollouts, archived ones and forks, and what was added to them', async () => {
  const [one, fork, old] = [randomUUID(), randomUUID(), randomUUID()];
  const turns = [1, 2, 3].map((n) => `turn-${n}-${randomUUID()}`);
  const first = [meta(one), ...turn(turns[0], 1), ...turn(turns[1], 2)];
  const path = (id) => `.codex/sessions/2026/11/20/rollout-2026-11-20T10-00-00-${id}.jsonl`;
  put(path(one), lines(first));
  // A fork repeats its parent's turn with the times of the fork.
  put(
    path(fork),
    lines([meta(fork, { forked_from_id: one }), meta(one), ...turn(turns[0], 1, 5000), ...turn(turns[2], 2, 5100)]),
  );
  put(
    `.codex/archived_sessions/rollout-2026-11-01T10-00-00-${old}.jsonl`,
    lines([meta(old), ...turn(`turn-${old}`, 1)]),
  );
  put('.codex/history.jsonl', '{"no": "session"}\n');
  const sent = await run(['--codex']);
  assert.equal(sent.code, 0, sent.err);
  assert.match(sent.out, /^3 files sent: \d+ new messages, 5 tool calls, 0 secrets taken out, 0 lines skipped\n$/);
  assert.deepEqual(
    (await counted()).toSorted(),
    [
      [one, 'codex', 2, 120, 20],
      [fork, 'codex', 1, 60, 10],
      [old, 'codex', 1, 60, 10],
    ].toSorted(),
  );
  assert.deepEqual((await said(one)).slice(0, 2), [
    ['user', 'Prompt 1'],
    ['assistant', 'Answer 1'],
  ]);
  assert.equal((await conversation(sub, old)).project, 'app');
  assert.equal((await run(['--codex', join(folder, '.codex')])).out, NOTHING);
  appendFileSync(
    join(folder, path(one)),
    lines([item({ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'More' }] })]),
  );
  assert.match((await run(['--codex'])).out, /^1 files sent: 1 new messages, 0 tool calls, /);
  assert.deepEqual((await said(one)).at(-1), ['user', 'More']);
});

test('chats of Gemini are sent: lines, and documents that are written anew as a whole', async () => {
  const [one, document] = [randomUUID(), randomUUID()];
  const chat = (name) => `.gemini/tmp/a33c/chats/session-${name}`;
  put(chat(`${one}.jsonl`), lines([header(one), prompt('a1', 'Read it'), response('a2', 'It says so')]));
  const write = (more, messages_) =>
    put(chat(`${document}.json`), JSON.stringify({ ...header(document), ...more, messages: messages_ }, null, 2));
  write({}, [prompt('m1', 'Start'), response('m2', 'Half')]);
  put('.gemini/tmp/a33c/logs.json', '[]');
  const sent = await run(['--gemini']);
  assert.equal(sent.code, 0, sent.err);
  assert.match(sent.out, /^2 files sent: 4 new messages, 2 tool calls, 0 secrets taken out, 0 lines skipped\n$/);
  assert.deepEqual(await said(one), [
    ['user', 'Read it'],
    ['assistant', 'It says so'],
  ]);
  assert.equal((await run(['--gemini'])).out, NOTHING);
  // Its beginning has another length now, and a message has grown.
  write({ lastUpdated: '2026-11-20T11:00:00.000000Z', summary: 'A start' }, [
    prompt('m1', 'Start'),
    response('m2', 'Half and whole'),
    prompt('m3', 'And then?'),
    response('m4', 'Then that'),
  ]);
  const more = await run(['--gemini', join(folder, '.gemini')]);
  assert.match(more.out, /^1 files sent: 3 new messages, 1 tool calls, 0 secrets taken out, 0 lines skipped\n$/);
  assert.deepEqual(
    (await said(document)).filter(([role]) => role !== 'system'),
    [
      ['user', 'Start'],
      ['assistant', 'Half and whole'],
      ['user', 'And then?'],
      ['assistant', 'Then that'],
    ],
  );
  assert.deepEqual(
    (await counted()).toSorted(),
    [
      [one, 'gemini', 1, 63, 17],
      [document, 'gemini', 2, 126, 34],
    ].toSorted(),
  );
  assert.equal((await run(['--gemini'])).out, NOTHING);
});

test('exports of opencode are sent, a fork’s copies count once, and a later export adds what is new', async () => {
  const [parent, fork] = [opencodeSession(), opencodeSession()];
  const exported = (session, more, messages_) =>
    JSON.stringify({ ...info(session, more), messages: messages_ }, null, 2);
  const begin = [asked(parent, 'msg_1', 'Read it', 1), reply(parent, 'msg_2', 'It says so', 2)];
  put('parent.json', exported(parent, {}, begin));
  put(
    'fork.json',
    exported(fork, { title: 'Reading (fork #1)', time: { created: 1_795_600_000_008 } }, [
      asked(fork, 'msg_7', 'Read it', 1),
      reply(fork, 'msg_8', 'It says so', 2),
      asked(fork, 'msg_9', 'And then?', 9),
      reply(fork, 'msg_a', 'Nothing', 10),
    ]),
  );
  const args = ['--opencode', join(folder, 'parent.json'), '--opencode', join(folder, 'fork.json')];
  const sent = await run(args);
  assert.equal(sent.code, 0, sent.err);
  assert.match(sent.out, /^2 files sent: 6 new messages, 3 tool calls, 0 secrets taken out, 0 lines skipped\n$/);
  assert.deepEqual(
    (await counted()).toSorted(),
    [
      [parent, 'opencode', 1, 100, 15],
      [fork, 'opencode', 1, 100, 15],
    ].toSorted(),
  );
  assert.equal((await run(args)).out, NOTHING);
  put(
    'parent.json',
    exported(
      parent,
      { title: 'Reading and writing', time: { created: 1_795_600_000_000, updated: 1_795_600_100_000 } },
      [...begin, asked(parent, 'msg_3', 'Write it', 50), reply(parent, 'msg_4', 'Written', 51)],
    ),
  );
  assert.match((await run(args)).out, /^1 files sent: 2 new messages, 1 tool calls, /);
  assert.deepEqual(await said(parent), [
    ['user', 'Read it'],
    ['assistant', 'It says so'],
    ['user', 'Write it'],
    ['assistant', 'Written'],
  ]);
  assert.equal((await conversation(sub, parent)).title, 'Reading and writing');
});

test('exports of several sessions to one file, one after the other, are those of several sessions', async () => {
  const sessions = [opencodeSession(), opencodeSession()];
  for (const [n, session] of sessions.entries()) {
    // As long as the other.
    put('export.json', JSON.stringify({ ...info(session), messages: [asked(session, 'msg_1', `Prompt ${n}`, 1)] }));
    const sent = await run(['--opencode', join(folder, 'export.json')]);
    assert.equal(sent.code, 0, sent.err);
    assert.match(sent.out, /^1 files sent: 1 new messages, /);
  }
  for (const [n, session] of sessions.entries()) assert.deepEqual(await said(session), [['user', `Prompt ${n}`]]);
});

test('folders of several agents are sent together, each as its own', async () => {
  const { other } = fill();
  const codexSession = randomUUID();
  put(`.codex/sessions/rollout-${codexSession}.jsonl`, lines([meta(codexSession), ...turn(`turn-${codexSession}`, 1)]));
  const session = opencodeSession();
  put('one.json', JSON.stringify({ ...info(session), messages: [asked(session, 'msg_1', 'Read it', 1)] }));
  const dry = await run([folder, '--codex', '--gemini', '--opencode', join(folder, 'one.json'), '--dry-run']);
  assert.match(dry.out, /\n10 files, /);
  const sent = await run([
    folder,
    '--codex',
    '--gemini',
    '--opencode',
    join(folder, 'one.json'),
    '--project',
    'Together',
  ]);
  assert.equal(sent.code, 0, sent.err);
  for (const [id, source] of [
    [other.id, 'claude'],
    [codexSession, 'codex'],
    [session, 'opencode'],
  ]) {
    const made = await conversation(sub, id);
    assert.deepEqual([made.source, made.project], [source, 'Together']);
  }
});

test('only what is new is sent', async () => {
  const { main } = fill();
  await run();
  const { length } = main.text;
  main.user('More');
  appendFileSync(join(folder, main.file), main.text.slice(length));
  // A line that is still being written.
  appendFileSync(join(folder, main.file), '{"type": "us');
  const dry = await run([folder, '--dry-run']);
  assert.match(
    dry.out,
    new RegExp(`^${main.file.replace('projects/', '')}  ${main.text.length - length + 12} bytes\n1 files`),
  );
  const next = await run();
  assert.equal(next.code, 0, next.err);
  assert.match(next.out, /^1 files sent: 1 new messages, /);
  appendFileSync(join(folder, main.file), 'er", "uuid": "late", "message": {"role": "user", "content": "Late"}}\n');
  assert.match((await run()).out, /^1 files sent: 1 new messages, /);
  const rows = await messages((await conversation(sub, main.id)).id);
  assert.deepEqual(
    rows.slice(-2).map(({ content }) => content),
    ['More', 'Late'],
  );
});

test('a session that was continued on two machines is sent from both, and then nothing is new', async () => {
  const one = new Session();
  for (let n = 0; n < 5; n += 1) one.user(`Before ${n}`);
  const machine = (name, count) => {
    const file = `${name}/${one.file}`;
    const made = new Session({ id: one.id, cwd: one.cwd, at: one.at });
    Object.assign(made, { records: [...one.records], last: one.last });
    const grow = (more) => {
      for (let n = 0; n < more; n += 1) made.user(`${name} ${made.records.length}`);
      put(file, made.text);
    };
    grow(count);
    return { made, grow, send: () => run([join(folder, name, 'projects')]) };
  };
  const [here, there] = [machine('here', 6), machine('there', 3)];
  const expect = async (sender, count) => {
    const { code, out, err } = await sender.send();
    assert.equal(code, 0, err);
    assert.ok(count === 0 ? out === NOTHING : out.startsWith(`1 files sent: ${count} new messages, `), out);
    assert.match(out, / 0 lines skipped\n$/);
  };
  await expect(here, 11);
  await expect(there, 3);
  for (const sender of [here, there]) await expect(sender, 0);
  there.grow(20);
  await expect(there, 20);
  here.grow(2);
  await expect(here, 2);
  for (const sender of [here, there]) await expect(sender, 0);
  const wanted = new Set([...here.made.records, ...there.made.records].map(({ uuid }) => uuid));
  const rows = await messages((await conversation(sub, one.id)).id);
  assert.deepEqual(new Set(rows.map(({ entry_uuid }) => entry_uuid)), wanted);
  assert.equal(rows.length, wanted.size);
});

test('a session that moved to another folder is not sent again', async () => {
  const { other } = fill();
  await run();
  const before = await conversation(sub, other.id);
  mkdirSync(join(folder, 'projects/-elsewhere'), { recursive: true });
  renameSync(join(folder, other.file), join(folder, 'projects/-elsewhere', `${other.id}.jsonl`));
  assert.equal((await run()).out, NOTHING);
  assert.deepEqual(await conversation(sub, other.id), before);
});

test('stopped half-way, it goes on where it was', async () => {
  const one = new Session();
  for (let n = 0; n < 12_000; n += 1) one.user(`Prompt ${n} ${'x'.repeat(300)}`);
  put(one.file, one.text);
  const stored = async () =>
    Number(
      (await sql('select byte_offset from observatory.ingest_files where owner_id = $1', [sub]))[0]?.byte_offset ?? 0,
    );
  const kill = async (child) => {
    while (child.exitCode === null && (await stored()) < 1_000_000) await new Promise((done) => setTimeout(done, 20));
    child.kill('SIGKILL');
  };
  const first = await run([folder], { kill });
  assert.equal(first.code, null);
  const reached = await stored();
  assert.ok(reached >= 1_000_000 && reached < one.text.length, `${reached}`);
  // What was on its way is still stored, and holds up the next upload of the user meanwhile.
  for (let last = -1, now = reached; now !== last; now = await stored()) {
    last = now;
    await new Promise((done) => setTimeout(done, 2000));
  }
  const second = await run();
  assert.equal(second.code, 0, second.err);
  assert.equal(await stored(), one.text.length);
  const [{ n }] = await sql('select count(*)::int as n from observatory.messages where owner_id = $1', [sub]);
  assert.equal(n, 12_000);
});

test('with a token for the endpoints alone it sends everything again, and nothing is stored twice', async () => {
  fill();
  await run();
  const { token: limited } = await makeToken(await userToken(sub), {
    endpoints: ['POST /v1/transcripts', 'POST /v1/transcripts/files'],
    access: 'write',
  });
  const again = await run([folder], { env: { ROWGATE_TOKEN: limited } });
  assert.equal(again.code, 0, again.err);
  assert.match(again.out, /^8 files sent: 0 new messages, 0 tool calls, /);
});

test('a file that cannot be sent costs itself alone, and the exit code says so', async () => {
  const { main } = fill();
  put(join(dirname(main.file), main.id, 'tool-results/large.txt'), 'x'.repeat(9 * 1024 * 1024));
  put(join(dirname(main.file), main.id, 'tool-results/binary.txt'), Buffer.from([0xff, 0xfe, 0x00]));
  const answer = await run();
  assert.equal(answer.code, 1);
  assert.match(answer.err, /large\.txt: It has more than 8 MB\./);
  assert.match(answer.err, /binary\.txt: RG333: /);
  assert.match(answer.out, /^8 files sent: 7 new messages, .*; 2 files failed\n$/);
});

test('a document that cannot be read costs no other file, whosever it is', async () => {
  const { other } = fill();
  const session = randomUUID();
  const chat = (name) => `.gemini/tmp/a33c/chats/session-${name}`;
  put(chat('torn.json'), '{"sessionId": "x", "messages": [');
  put(chat('none.json'), 'null');
  put(chat('odd.json'), '{"messages": 5}');
  put(chat(`${session}.jsonl`), lines([header(session), prompt('a1', 'Read it')]));
  const missing = join(folder, 'missing.json');
  const answer = await run([folder, '--gemini', '--opencode', missing]);
  assert.equal(answer.code, 1);
  for (const name of ['torn.json', 'none.json', 'odd.json', 'missing.json'])
    assert.match(answer.err, new RegExp(`${name}: It cannot be read: `));
  assert.match(answer.out, /^9 files sent: .*; 4 files failed\n$/);
  assert.ok((await conversation(sub, other.id)) && (await conversation(sub, session)));
});

test('a line that is too long to be sent is named, and what stands before it is sent', async () => {
  const one = new Session();
  one.user('Before');
  const text = one.text;
  one.user('After');
  put(one.file, `${text}{"long":"${'x'.repeat(65 * 1024 * 1024)}"}\n${one.text.slice(text.length)}`);
  const answer = await run();
  assert.deepEqual(
    [answer.code, answer.out],
    [1, '0 files sent: 0 new messages, 0 tool calls, 0 secrets taken out, 0 lines skipped; 1 files failed\n'],
  );
  assert.match(answer.err, new RegExp(`: The line at byte ${text.length} has more than 64 MB\\.`));
  assert.equal((await messages((await conversation(sub, one.id)).id)).length, 1);
});

test('a folder of sessions whose own name is subagents is sent once', async () => {
  const one = new Session({ agent: 'a1' });
  one.user('Work');
  put(`projects/subagents/${one.id}/subagents/agent-a1.jsonl`, one.text);
  assert.match((await run()).out, /^1 files sent: 1 new messages, /);
  assert.equal((await run()).out, NOTHING);
});

for (const name of ['workflows', 'tool-results']) {
  test(`sessions of a project whose folder is called ${name} are sent, with what belongs to them`, async () => {
    const one = new Session();
    one.user('Start');
    const agent = new Session({ id: one.id, agent: 'a1' });
    agent.user('Work');
    for (const above of ['', 'deep/']) {
      put(`projects/${above}${name}/${one.id}.jsonl`, one.text);
      put(`projects/${above}${name}/${one.id}/subagents/agent-a1.jsonl`, agent.text);
      put(`projects/${above}${name}/${one.id}/tool-results/b1.txt`, 'the whole output');
      put(`projects/${above}${name}/memory/notes.md`, 'no session');
      const sent = await run();
      assert.deepEqual([sent.code, sent.err], [0, '']);
      // In the other folder they are the same files.
      if (above) assert.equal(sent.out, NOTHING);
      else assert.match(sent.out, /^3 files sent: 2 new messages, /);
    }
    const files = await sql('select session_id, path from observatory.session_files where owner_id = $1', [sub]);
    assert.deepEqual(files, [{ session_id: one.id, path: 'tool-results/b1.txt' }]);
    assert.equal((await messages((await conversation(sub, one.id)).id)).length, 1);
  });
}

test('without a token, or with a bad one, it says what is missing', async () => {
  fill();
  assert.deepEqual((await run([folder], { env: { ROWGATE_TOKEN: '' } })).code, 2);
  const bad = await run([folder], { env: { ROWGATE_TOKEN: 'nonsense' } });
  assert.equal(bad.code, 1);
  assert.match(bad.err, /RG20\d/);
  assert.equal((await run(['--unknown'])).code, 2);
  assert.equal((await run(['--help'])).code, 0);
});

test('in a pipe there is no bar; on a terminal there is one', async () => {
  fill();
  const piped = await run();
  assert.equal(piped.err, '');
  const again = await run([folder, '--quiet']);
  assert.deepEqual([again.out, again.err], ['', '']);
  const { main } = fill();
  // script(1) gives a program a terminal; it is in bsdutils, an essential package of Debian.
  const child = spawn('script', ['-qec', `${process.execPath} ${SCRIPT} ${folder}`, '/dev/null'], {
    env: { PATH: process.env.PATH, HOME: folder, ROWGATE_URL: stack.edge_url, ROWGATE_TOKEN: token, TERM: 'xterm' },
  });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += chunk;
  });
  const code = await new Promise((done, failed) => {
    child.on('error', failed);
    child.on('close', done);
  });
  assert.equal(code, 0, out);
  assert.match(out, /\[#+-*\] +\d+ % {2}/);
  assert.ok(await conversation(sub, main.id));
});
