// Transcripts through the edge: with curl alone, as gzip, in pieces, with a token for nothing else, and of 87 MB.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { root } from '../../../dev/paths.js';
import { systems } from '../../../dev/systems.js';
import { makeToken } from '../../core/support/api_tokens.js';
import { startEdge } from '../../support/edge.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { ask as asked, header, info, opencodeSession, prompt, reply, response } from '../support/agents.js';
import { filesOf, random, stateOf } from '../support/file_sets.js';
import { conversation, messages, Session, toolCalls } from '../support/transcripts.js';

const MB = 1024 * 1024;
let edge;
before(async () => {
  // A machine with other work to do takes longer for a batch.
  edge = await startEdge({ LIMITS: JSON.stringify({ deadline_ms: 30_000 }) });
});
after(async () => {
  await edge.stop();
  await close();
});

const someone = async () => {
  const sub = randomUUID();
  return { sub, token: await userToken(sub) };
};
const short = (given) => {
  const one = new Session(given);
  one.user('Why does it fail?');
  one.tool('Bash', { command: 'make' }, { stdout: 'no rule' }, { output: 'no rule' });
  one.assistant('There is no rule.');
  return one;
};
/** Sends a body as the transcript of a session. */
const post = (token, file, body, { query = {}, headers, base } = {}) =>
  ask(`/v1/transcripts?${new URLSearchParams({ file, ...query })}`, {
    ...{ token, method: 'POST', body, ...(base && { base }) },
    headers: { 'content-type': 'application/x-ndjson', ...headers },
  });

test('a session that is sent is there, answered with what became of its lines', async () => {
  const { sub, token } = await someone();
  const one = short();
  const text = `${one.text.replace('\n', '\n{"broken\n')}{"torn": "li`;
  const answer = await post(token, one.file, text);
  assert.equal(answer.status, 200, answer.text);
  const { conversation_id, project_id, ...counts } = answer.body;
  assert.deepEqual(counts, {
    ...{
      lines: 6,
      offset: Buffer.byteLength(text),
      messages: 4,
      tool_calls: 1,
      duplicates: 0,
      progress: 0,
      unknown: 0,
    },
    ...{ skipped: { malformed: 1, unfinished: 1 }, redactions: 0, redacted: {} },
    next_offset: `${Buffer.byteLength(text) - '{"torn": "li'.length}`,
  });
  const made = await conversation(sub, one.id);
  assert.deepEqual([made.id, made.project_id], [conversation_id, project_id]);
  assert.equal((await messages(made.id)).length, 4);
});

test('gzip is the same, and what follows goes on at next_offset', async () => {
  const { sub, token } = await someone();
  const one = short();
  const bytes = Buffer.from(one.text);
  const first = await post(token, one.file, gzipSync(bytes.subarray(0, 900)), {
    headers: { 'content-encoding': 'gzip' },
  });
  assert.equal(first.status, 200, first.text);
  const next = Number(first.body.next_offset);
  assert.equal(next, bytes.lastIndexOf(10, 899) + 1);
  const refused = await post(token, one.file, bytes.subarray(900), { query: { offset: 900 } });
  assert.deepEqual([refused.status, refused.body.code, refused.body.details], [409, 'RG663', `${next}`]);
  const second = await post(token, one.file, bytes.subarray(next), { query: { offset: next } });
  assert.equal(second.status, 200, second.text);
  const { id } = await conversation(sub, one.id);
  assert.equal((await messages(id)).length, 4);
  assert.equal((await toolCalls(id))[0].output, 'no rule');
});

test('the line of the README sends a folder with nothing but curl, also from a home directory with odd characters', async () => {
  const { sub, token } = await someone();
  const home = mkdtempSync(join(tmpdir(), `rowgate curl + [1-3] {a,b} & é %20 #'"?$-`));
  try {
    const main = short();
    const agent = new Session({ id: main.id, cwd: main.cwd, agent: 'curled' });
    agent.user('Work');
    for (const one of [main, agent]) {
      const path = join(home, '.claude', one.file);
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, one.text);
    }
    const line = readFileSync(join(root, 'README.md'), 'utf8')
      .split('\n')
      .find((text) => text.includes('/v1/transcripts?file='));
    const run = spawnSync('sh', ['-c', line], {
      env: { ...process.env, HOME: home, TOKEN: token, EDGE: stack.edge_url },
      encoding: 'utf8',
    });
    assert.equal(run.status, 0, run.stderr);
    assert.equal((await messages((await conversation(sub, main.id)).id)).length, 4);
    assert.equal((await messages((await conversation(sub, main.id, 'curled')).id)).length, 1);
    const [{ path }] = await sql('select path from observatory.ingest_files where owner_id = $1 and agent_id is null', [
      sub,
    ]);
    assert.equal(path, main.file.replace('projects', '.'));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});

test('a session is downloaded as the lines that were sent, whole or in pieces, without its secrets', async () => {
  const { token } = await someone();
  const key = `ghp_${'a1B2'.repeat(9)}`;
  const one = short();
  one.user(`The key is ${key}`);
  for (let n = 0; n < 30; n += 1) one.user(`${n} ${'word '.repeat(60_000)}`);
  const first = one.text.slice(0, 2_000_000);
  const { next_offset: next } = (await post(token, one.file, first)).body;
  const { conversation_id: id } = (
    await post(token, one.file, one.text.slice(Number(next)), { query: { offset: next } })
  ).body;
  const answer = await ask(`/v1/conversations/${id}/transcript`, { token });
  assert.equal(answer.status, 200);
  assert.match(answer.headers.get('content-type'), /^application\/x-ndjson/);
  assert.ok(answer.text === one.text.replace(key, '[redacted:github]'), `${answer.text.length} of ${one.text.length}`);
  const { token: other } = await someone();
  for (const path of [id, randomUUID()]) {
    const refused = await ask(`/v1/conversations/${path}/transcript`, { token: other });
    assert.deepEqual([refused.status, refused.body.code], [404, 'RG662']);
  }
});

test('an API token for this endpoint alone sends, and can do nothing else', async () => {
  const { sub, token } = await someone();
  const { token: limited } = await makeToken(token, { endpoints: ['POST /v1/transcripts'], access: 'write' });
  const one = short();
  const answer = await post(limited, one.file, one.text);
  assert.equal(answer.status, 200, answer.text);
  const { id } = await conversation(sub, one.id);
  assert.equal((await messages(id)).length, 4);
  for (const path of ['/rest/v1/messages', '/rest/v1/conversations', '/rest/v1/ingest_files'])
    assert.equal((await ask(path, { token: limited })).status, 403, path);
  const beside = await ask(`/v1/transcripts/files?file=${one.id}/tool-results/a.txt`, {
    token: limited,
    method: 'POST',
    body: 'x',
  });
  assert.equal(beside.status, 403, beside.text);
  const { token: reader } = await makeToken(token, { systems: ['observatory'], access: 'read' });
  assert.equal((await post(reader, one.file, one.text)).status, 403);
});

test('nobody sends without a token; a bad argument is refused before the body is read', async () => {
  const { token } = await someone();
  const one = short();
  assert.equal((await post(undefined, one.file, one.text)).status, 401);
  for (const [query, code] of [
    [{ offset: 'x' }, 'RG325'],
    [{ offset: '-1' }, 'RG664'],
    [{ source: 'cursor' }, 'RG665'],
    [{ project: randomUUID() }, 'RG660'],
  ]) {
    const { body } = await post(token, one.file, one.text, { query });
    assert.equal(body.code, code, JSON.stringify(query));
  }
  assert.equal((await ask('/v1/transcripts', { token, method: 'POST', body: one.text })).body.code, 'RG325');
  // No file has a NUL in its name.
  const odd = await post(token, `a\u0000${one.file}`, one.text);
  assert.deepEqual([odd.status, odd.body.code], [400, 'RG306'], odd.text);
});

test('what PostgreSQL cannot store is replaced, in lines as in names', async () => {
  const { sub, token } = await someone();
  const one = new Session();
  const deep = JSON.parse(`${'['.repeat(300)}1${']'.repeat(300)}`);
  one.add('strange', { note: 'a\u0000b \ud800 c', 'key\u0000': 1, deep, n: 1 });
  one.user('a\u0000b \ud800 c');
  const answer = await post(token, one.file, one.text.replace('"n":1', '"n":1e400'));
  assert.deepEqual([answer.status, answer.body.skipped], [200, {}], answer.text);
  const [row, prompt] = await messages((await conversation(sub, one.id)).id);
  const { deep: text, ...rest } = row.metadata;
  assert.deepEqual(rest, { note: 'a\ufffdb \ufffd c', 'key\ufffd': 1, n: '1e400' });
  // Deeper than others read: the text of what was sent.
  assert.match(JSON.stringify(text), /\[{50}/);
  assert.equal(prompt.content, 'a\ufffdb \ufffd c');
});

test('a file beside a transcript is text, of at most 8 MB', async () => {
  const { token } = await someone();
  const send = (body, path = 'tool-results/a.txt') =>
    ask(`/v1/transcripts/files?file=${randomUUID()}/${path}`, { token, method: 'POST', body });
  const good = await send('out\u0000put');
  assert.deepEqual([good.status, good.body.kind, good.body.bytes], [200, 'tool_result', 7], good.text);
  const bad = await send(Buffer.from([0xff, 0xfe]));
  assert.deepEqual([bad.status, bad.body.code], [415, 'RG333']);
  assert.equal((await send('x'.repeat(9 * MB))).status, 413);
  assert.equal((await send('x'.repeat(7 * MB))).status, 200);
  assert.equal(
    (await ask('/v1/transcripts/files?file=a.txt', { token, method: 'POST', body: 'x' })).body.code,
    'RG664',
  );
});

test('a line of more than 8 MB is skipped, and costs no other line', async () => {
  const { sub, token } = await someone();
  const one = new Session();
  one.user('Before');
  one.user('x'.repeat(9 * MB));
  one.user('y'.repeat(7 * MB));
  one.user('After');
  const answer = await post(token, one.file, one.text);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual([answer.body.messages, answer.body.skipped], [3, { too_large: 1 }]);
  const rows = await messages((await conversation(sub, one.id)).id);
  assert.deepEqual([rows[0].content, rows[2].content, rows[1].metadata.content_bytes], ['Before', 'After', 7 * MB]);
});

test('a document of another agent with a thousand messages is one line', async () => {
  const session = opencodeSession();
  const messages_ = (one) => Array.from({ length: 500 }, (_, n) => one(n)).flat();
  const words = 'word '.repeat(100);
  const documents = {
    [`chats/session-${randomUUID()}.json`]: {
      ...header(randomUUID()),
      messages: messages_((n) => [prompt(`p${n}`, `Ask ${n}`), response(`r${n}`, `It says ${n} ${words}`)]),
    },
    [`${session}.json`]: {
      ...info(session),
      messages: messages_((n) => [
        asked(session, `p${n}`, `Ask ${n}`, 2 * n),
        reply(session, `r${n}`, `It says ${n} ${words}`, 2 * n + 1),
      ]),
    },
  };
  for (const [file, document] of Object.entries(documents)) {
    const { token } = await someone();
    const answer = await post(token, file, `${JSON.stringify(document)}\n`);
    assert.equal(answer.status, 200, `${file} ${answer.text}`);
    assert.deepEqual([answer.body.messages, answer.body.tool_calls], [1000, 500]);
  }
});

test('two uploads of one user at once both succeed', async () => {
  const { sub, token } = await someone();
  // On a busy machine one waits too long for the other, and is told when to come again.
  const send = async (one, tries = 10) => {
    const answer = await post(token, one.file, one.text);
    if (answer.status !== 429 || tries === 0) return answer;
    assert.equal(answer.body.code, 'RG674');
    await sleep(1000 * Number(answer.headers.get('retry-after')));
    return send(one, tries - 1);
  };
  const sessions = Array.from({ length: 2 }, () => {
    const one = new Session();
    for (let n = 0; n < 2000; n += 1) one.user(`Prompt ${n}`);
    return one;
  });
  const answers = await Promise.all(sessions.map((one) => send(one)));
  for (const { status, text } of answers) assert.equal(status, 200, text);
  for (const one of sessions) {
    const [{ n }] = await sql(
      'select count(*)::int as n from observatory.messages where owner_id = $1 and conversation_id = $2',
      [sub, (await conversation(sub, one.id)).id],
    );
    assert.equal(n, 2000);
  }
});

/** A body that comes in chunks of other sizes, cut anywhere. */
const chunked = (bytes, dice) => {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at === bytes.length) return controller.close();
      const size = 1 + dice.below(dice.chance(0.5) ? 200 : 20_000);
      controller.enqueue(bytes.subarray(at, at + size));
      at = Math.min(at + size, bytes.length);
    },
  });
};

/** Sends a part of a file, again if too many of the user's are under way. */
const sendPart = async (token, { file, project, bytes }, offset, end, dice) => {
  for (;;) {
    const part = bytes.subarray(offset, end);
    const isPacked = dice.chance(0.3);
    const answer = await ask(`/v1/transcripts?${new URLSearchParams({ file, project, offset })}`, {
      ...{ token, base: edge.url, method: 'POST', duplex: 'half' },
      body: chunked(isPacked ? gzipSync(part) : part, dice),
      headers: { 'content-type': 'application/x-ndjson', ...(isPacked && { 'content-encoding': 'gzip' }) },
    });
    if (answer.status === 429) {
      await sleep(50);
      continue;
    }
    assert.equal(answer.status, 200, answer.text);
    return Number(answer.body.next_offset);
  }
};
const sendInParts = async (token, one, dice) => {
  const { length } = one.bytes;
  const cuts = Array.from({ length: dice.below(5) }, () => dice.below(length)).sort((a, b) => a - b);
  let offset = 0;
  for (const cut of [...cuts, length]) if (cut > offset) offset = await sendPart(token, one, offset, cut, dice);
};

test('files in random pieces, of which one comes twice at once, make the same rows as whole ones', async (t) => {
  const first = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
  for (let seed = first; seed < first + (process.env.SEED ? 1 : 5); seed += 1) {
    await t.test(`SEED=${seed}`, async () => {
      const dice = random(seed);
      // More lines than the edge puts into one batch.
      const files = filesOf(dice, { progress: 600 });
      const [whole, other] = [await someone(), await someone()];
      for (const { file, project, bytes } of files) {
        const answer = await post(whole.token, file, bytes, { base: edge.url, query: { project } });
        assert.equal(answer.status, 200, answer.text);
      }
      // All at once; each sender has numbers of its own, so that which one is first changes none of them.
      await Promise.all(
        [files[0], ...dice.shuffle(files)].map((one, at) => sendInParts(other.token, one, random(seed * 1000 + at))),
      );
      assert.deepEqual(await stateOf(other.sub), await stateOf(whole.sub));
    });
  }
});

test('a file of 87 MB passes at flat memory', async (t) => {
  const { sub, token } = await someone();
  const make = (megabytes) => {
    const one = new Session();
    while (one.records.length < 100) one.assistant(`Answer ${one.records.length} ${'word '.repeat(4000)}`);
    const piece = one.text;
    const texts = [];
    for (let bytes = 0, n = 0; bytes < megabytes * MB; n += 1) {
      // Every line is new: another uuid.
      const text = piece.replace(
        /"uuid":"(.{8})/g,
        (_, id) => `"uuid":"${n.toString(16).padStart(4, '0')}${id.slice(0, 4)}`,
      );
      texts.push(text);
      bytes += text.length;
    }
    return { file: one.file, body: Buffer.from(texts.join('')), id: one.id };
  };
  let most = 0;
  const watched = async (one) => {
    most = 0;
    const watching = setInterval(() => {
      most = Math.max(most, edge.megabytes());
    }, 50);
    try {
      const answer = await post(token, one.file, one.body, { base: edge.url });
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.offset, one.body.length);
      return answer.body;
    } finally {
      clearInterval(watching);
    }
  };
  // The runtime's own memory grows with its first megabytes of any body.
  await watched(make(8));
  await watched(make(8));
  const usual = most;
  const large = make(87);
  const began = Date.now();
  const answer = await watched(large);
  t.diagnostic(
    `${large.body.length / MB} MB in ${(Date.now() - began) / 1000} s, ${answer.messages} messages; ${usual} MB for 8 MB, then ${most} MB`,
  );
  assert.ok(most - usual < 60, `${usual} MB for 8 MB, then ${most} MB for 87 MB`);
  const { id } = await conversation(sub, large.id);
  const [{ n }] = await sql('select count(*)::int as n from observatory.messages where conversation_id = $1', [id]);
  assert.equal(n, answer.messages);
});

test('the examples of the manifest get answers that fit their schemas', async () => {
  const observatory = systems().find(({ name }) => name === 'observatory');
  const { token } = await someone();
  const manifest = {
    ...observatory,
    endpoints: observatory.endpoints
      .filter(({ path }) => /^\/v1\/transcripts|\/transcript$/.test(path))
      // A body that is no JSON has no examples.
      .map((endpoint) => (endpoint.request?.contentType ? { ...endpoint, request: undefined } : endpoint)),
  };
  await sendExamples(manifest, ask, {
    'POST /v1/transcripts': () => ({ path: `/v1/transcripts?file=${randomUUID()}.jsonl`, token }),
    'GET /v1/conversations/{id}/transcript': async () => {
      const one = short();
      const { body } = await post(token, one.file, one.text);
      return { path: `/v1/conversations/${body.conversation_id}/transcript`, token };
    },
    'POST /v1/transcripts/files': () => ({
      path: `/v1/transcripts/files?file=${randomUUID()}/tool-results/a.txt`,
      token,
      body: 'x',
    }),
  });
});
