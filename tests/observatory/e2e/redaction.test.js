// Redaction: fake keys of every kind, sent in every place, are found nowhere in the database; what only looks like one survives.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { dataFilesWith } from '../../support/data_files.js';
import { ask, close, sql, userToken } from '../../support/stack.js';
import { callsOf, hook } from '../support/live.js';
import { logs, record } from '../support/logs.js';
import { conversation, messages, Session, toolCalls } from '../support/transcripts.js';

after(close);

const { shapes, named, kept } = JSON.parse(readFileSync(join(root, 'tests/core/support/secrets.json'), 'utf8'));
/** Secrets as they stand in a text, and the part of each that must be found nowhere. */
const CORPUS = [
  ...shapes.map(({ secret }) => ({ text: `key ${secret} end`, secret })),
  ...named.map(({ before, secret, after: rest }) => ({ text: `${before}${secret}${rest}`, secret })),
];

/** What may be left of a secret in small letters: itself, and where that is long enough to mean it, without separators and its longest word. */
const tracesOf = (text) => {
  const words = text.toLowerCase().split(/[^a-z0-9]+/);
  const [longest] = words.toSorted((one, other) => other.length - one.length);
  return [text.toLowerCase(), ...[words.join(''), longest].filter((trace) => trace.length >= 12)];
};

/** Where in the database, and in the logs of the edge, of PostgREST and of PostgreSQL, one of the texts stands. */
const found = async (texts) => {
  const tables = await sql(
    `select c.oid::regclass::text as name from pg_catalog.pg_class as c
     where c.relkind in ('r', 'm') and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'`,
  );
  const traces = [...new Set(texts.flatMap(tracesOf))];
  const places = [];
  for (const { name } of tables)
    for (const { trace } of await sql(
      `select distinct s.trace from ${name} as r
      cross join lateral (
        select lower(r::text) || E'\\n' || regexp_replace(lower(r::text), '[^a-z0-9]+', '', 'g') as words offset 0
      ) as t
      cross join unnest($1::text[]) as s (trace)
      where strpos(t.words, s.trace) > 0`,
      [traces],
    ))
      places.push(`${name}: ${trace}`);
  const folder = join(process.env.ROWGATE_TEST_DATA, 'log');
  for (const log of readdirSync(folder)) {
    const words = readFileSync(join(folder, log), 'utf8').toLowerCase();
    for (const trace of traces) if (words.includes(trace)) places.push(`${log}: ${trace}`);
  }
  return places.filter((place) => !others.has(place));
};
/** Where other tests of the same system, such as those of the patterns, have left the same texts. */
const others = new Set();
before(async () => {
  for (const place of await found(CORPUS.map(({ secret }) => secret))) others.add(place);
});

/** Secrets that fit into names. */
const SHORT = shapes.filter(({ secret }) => /^[\w.-]{10,60}$/.test(secret)).slice(0, 12);
const IMAGE = Buffer.from(Array.from({ length: 3000 }, (_, n) => (n * 37) % 256)).toString('base64');
/** Hashes, ids, images and code. */
const LOOKALIKES = [
  '7d9f5a52-0f3b-4b5c-8d2a-6a1f0e9c8b7d',
  '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  'commit 3b18e512dba79e4c8300dd08aeb37f8e728b8dad',
  'index 83db48f..bf269f4 100644',
  'd41d8cd98f00b204e9800998ecf8427e  file.txt',
  `<img src="data:image/png;base64,${IMAGE}">`,
  'const sk = task-runner; let ghp_count = 3; if (AKIAs.length) { hf_hub_download() }',
  'sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==',
];

const post = (token, file, body, query = {}) =>
  ask(`/v1/transcripts?${new URLSearchParams({ file, ...query })}`, {
    ...{ token, method: 'POST', body, headers: { 'content-type': 'application/x-ndjson' } },
  });
/** A secret without what JSON or a line end would split. */
const plain = ({ secret }) => secret.split(/[\n"\\]/).sort((a, b) => b.length - a.length)[0];

test('what is looked for would be found, also as words of a search', async () => {
  const word = `zq${randomUUID().replaceAll('-', '')}`;
  const one = new Session();
  one.user(`See Part_${word.toUpperCase()}-end`);
  one.tool('Read', { file_path: `/src/${word}.rs` }, {}, { output: 'none' });
  assert.equal((await post(await userToken(randomUUID()), one.file, one.text)).status, 200);
  const places = await found([`part.${word}`]);
  for (const table of ['observatory.messages', 'private.message_search', 'observatory.search_terms'])
    assert.ok(places.includes(`${table}: ${word}`), `${table}: ${places}`);
});

test('keys of every kind are found nowhere, wherever in a session they stood, and all are counted', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const one = new Session({ cwd: `/home/me/${randomUUID()}` });
  let wanted = 0;
  for (const [at, { text }] of CORPUS.entries()) {
    const places = [
      () => one.user(`${text}\nand a second line: ${text}`),
      () => one.user(`é${text}`),
      () => one.assistant([{ type: 'thinking', thinking: text, signature: 'c2ln' }]),
      () =>
        one.tool('Write', { file_path: '/a', content: JSON.stringify({ text }) }, { stdout: text }, { output: text }),
      () => one.raw({ type: 'custom-title', customTitle: `${at}: ${text}`, sessionId: one.id }),
      () => one.add('from-the-future', { deep: { list: [text] }, [text]: 1 }),
      () => one.raw({ type: 'summary', summary: text, leafUuid: one.last }),
    ];
    for (const place of places) place();
    wanted += 2 + 1 + 1 + 3 + 1 + 2 + 1;
  }
  const answer = await post(token, one.file, one.text);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(answer.body.skipped, {});
  assert.ok(answer.body.redactions >= wanted, `${answer.body.redactions} of ${wanted}`);
  assert.equal(
    Object.values(answer.body.redacted).reduce((sum, count) => sum + count, 0),
    answer.body.redactions,
  );
  const made = await conversation(sub, one.id);
  const [{ n }] = await sql(
    'select sum(redaction_count)::int as n from observatory.messages where conversation_id = $1',
    [made.id],
  );
  assert.equal(n, answer.body.redactions);
  assert.deepEqual(await found(CORPUS.map(plain)), []);
});

/** A value below so many objects and lists. */
const deep = (value, levels) => (levels === 0 ? value : { env: { a: [deep(value, levels - 1)] } });
/** JSON in JSON in JSON. */
const asText = (value, times) => (times === 0 ? value : JSON.stringify({ json: asText(value, times - 1) }));
/** Secrets that only the name of a field tells, at many depths: objects, and the part of each that must be found nowhere. */
const NESTED = Array.from({ length: 12 }, (_, depth) => [
  { secret: `Deep-Pass-${depth}-x`, value: deep({ password: `Deep-Pass-${depth}-x` }, depth) },
  { secret: `Deep-Token-${depth}-abcdef`, value: deep({ DB_ACCESS_TOKEN: `Deep-Token-${depth}-abcdef` }, depth) },
  { secret: `text-pass-${depth}-x`, value: deep({ note: asText({ password: `text-pass-${depth}-x` }, depth % 4) }, 3) },
]).flat();
/** All of them in one value. */
const EVERYTHING = { texts: CORPUS.map(({ text }) => text), nested: NESTED.map(({ value }) => value) };
const SECRETS = [...CORPUS, ...NESTED].map(plain);

test('a field of JSON names a secret at any depth', async () => {
  const token = await userToken(randomUUID());
  const one = new Session();
  for (const { value } of NESTED) {
    one.tool('Write', value, value, { output: JSON.stringify(value) });
    one.add('from-the-future', { value });
  }
  const answer = await post(token, one.file, one.text);
  assert.equal(answer.status, 200, answer.text);
  assert.deepEqual(await found(NESTED.map(plain)), []);
});

test('keys of every kind in events of hooks are found nowhere, and all are counted', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const session = randomUUID();
  const send = async (event, fields) => {
    const answer = await ask('/v1/hooks', { token, json: hook(session, event, fields) });
    assert.equal(answer.status, 200, answer.text);
  };
  for (const [at, { text }] of CORPUS.entries()) {
    await send('UserPromptSubmit', { prompt: text });
    const tool = { tool_use_id: `toolu_${at}`, tool_input: { command: text, deep: deep([text], 4), [text]: 1 } };
    await send('PostToolUse', { ...tool, tool_response: { stdout: text, json: JSON.stringify({ text }) } });
  }
  for (const [at, { value }] of NESTED.entries())
    await send('PostToolUse', {
      tool_use_id: `toolu_n${at}`,
      tool_input: value,
      tool_response: { stdout: JSON.stringify(value) },
    });
  // More than is stored of an event, which is cut.
  await send('PostToolUse', {
    tool_use_id: 'toolu_all',
    tool_input: EVERYTHING,
    tool_response: { stdout: 'x'.repeat(70_000) },
  });
  for (const event of ['Stop', 'PostCompact', 'Notification', 'FromTheFuture'])
    await send(event, {
      last_assistant_message: EVERYTHING.texts.join('\n'),
      compact_summary: EVERYTHING.texts.join(' '),
      more: EVERYTHING,
    });
  await send('UserPromptSubmit', {
    cwd: `/home/me/${SHORT[0].secret}`,
    transcript_path: `/home/me/.claude/projects/-home-me-${SHORT[6].secret.replaceAll('_', '-')}/${SHORT[1].secret}.jsonl`,
  });
  assert.equal(Object.keys(await callsOf(sub, session)).length, CORPUS.length + NESTED.length + 1);
  const [{ n }] = await sql('select sum(redaction_count)::int as n from observatory.hook_events where owner_id = $1', [
    sub,
  ]);
  assert.ok(n >= CORPUS.length * 6, `${n}`);
  assert.deepEqual(await found([...SECRETS, ...SHORT.map(plain)]), []);
});

test('keys of every kind in logs of OpenTelemetry are found nowhere', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const session = randomUUID();
  assert.equal((await ask('/v1/hooks', { token, json: hook(session, 'UserPromptSubmit') })).status, 200);
  const records = CORPUS.flatMap(({ text }, at) => [
    record(
      session,
      'api_request',
      { model: text, 'agent.name': text, request_id: `req_${at}`, input_tokens: 1 },
      { sequence: 3 * at },
    ),
    record(
      session,
      'tool_result',
      { tool_name: text, tool_use_id: `toolu_${at}`, [text]: text },
      { sequence: 3 * at + 1 },
    ),
    { ...record(session, 'user_prompt', { prompt: text }, { sequence: 3 * at + 2 }), body: { stringValue: text } },
  ]);
  const secret = SHORT.map(({ secret: text }) =>
    record(text, 'api_request', { request_id: text, tool_use_id: text, model: text }),
  );
  for (const part of [records, secret]) {
    const answer = await ask('/v1/otlp/v1/logs', { token, json: logs(...part) });
    assert.equal(answer.status, 200, answer.text);
  }
  const [{ n }] = await sql('select count(*)::int as n from private.otel_events where owner_id = $1', [sub]);
  assert.ok(n >= records.length, `${n}`);
  assert.deepEqual(await found([...CORPUS, ...SHORT].map(plain)), []);
});

test('keys of every kind in files beside transcripts are found nowhere', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const one = new Session();
  one.user('Hello');
  assert.equal((await post(token, one.file, one.text)).status, 200);
  const files = {
    'tool-results/a.txt': EVERYTHING.texts.join('\n'),
    'tool-results/b.json': JSON.stringify(EVERYTHING),
    'tool-results/c.json': JSON.stringify(EVERYTHING, null, 2),
    'subagents/agent-one.meta.json': JSON.stringify({
      agentType: 'Explore',
      description: EVERYTHING.texts[0],
      ...EVERYTHING,
    }),
    'subagents/workflows/r1/journal.jsonl': `${JSON.stringify({ event: 'started', ...EVERYTHING })}\n`,
    'workflows/r1.json': JSON.stringify({ status: 'failed', result: EVERYTHING }),
  };
  for (const [path, body] of Object.entries(files)) {
    const answer = await ask(`/v1/transcripts/files?file=${one.id}/${path}`, { token, method: 'POST', body });
    assert.equal(answer.status, 200, answer.text);
    assert.ok(answer.body.redactions >= CORPUS.length, `${path}: ${answer.body.redactions}`);
  }
  assert.deepEqual(await found(SECRETS), []);
});

test('keys of every kind that users write and look for past the edge’s endpoints are found nowhere', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const made = { prefer: 'return=representation' };
  const write = async (table, json, options = {}) => {
    const answer = await ask(`/rest/v1/${table}`, { token, json, headers: made, ...options });
    assert.ok([200, 201].includes(answer.status), `${table}: ${answer.text}`);
    return answer.body;
  };
  const settings = { ...EVERYTHING, texts: EVERYTHING.texts.slice(0, 20) };
  const [project] = await write('projects', {
    name: `a ${SHORT[0].secret}`,
    root_path: `/home/${SHORT[1].secret}`,
    settings,
  });
  const [talk] = await write('conversations', {
    project_id: project.id,
    session_id: SHORT[2].secret,
    title: SHORT[3].secret,
    cwd: SHORT[4].secret,
  });
  const place = { project_id: project.id, conversation_id: talk.id };
  const values = [
    ...CORPUS.map(({ text }) => [text, { text, [text]: [text] }]),
    ...NESTED.map(({ value }) => [JSON.stringify(value), value]),
  ];
  const rows = await write(
    'messages',
    values.map(([content, value]) => ({
      ...{ ...place, entry_uuid: randomUUID(), entry_type: 'user', role: 'user', content },
      ...{ content_blocks: [{ type: 'tool_use', input: value }], metadata: value },
    })),
  );
  await write(
    'tool_calls',
    values.map(([output, input], at) => ({
      ...place,
      tool_use_id: `t${at}`,
      tool_name: 'Bash',
      input,
      output,
      error_message: output.slice(0, 2000),
    })),
  );
  const json = { metadata: { nested: EVERYTHING.nested, texts: EVERYTHING.texts.slice(0, 60) } };
  await write(`messages?id=eq.${rows[0].id}`, json, { method: 'PATCH' });
  await write(
    `projects?id=eq.${project.id}`,
    { description: EVERYTHING.texts.join('\n').slice(0, 2000), metadata: { n: EVERYTHING.nested } },
    { method: 'PATCH' },
  );
  const link = await ask(`/v1/conversations/${talk.id}/share`, { token, json: { title: `of ${SHORT[5].secret}` } });
  assert.equal(link.status, 201, link.text);
  for (const [at, { secret }] of SHORT.entries()) {
    await write('project_paths', { project_id: project.id, path: `/srv/${at}/${secret}` });
    for (const fields of [{ q: secret }, { q: 'words', tool: secret }, { q: 'words', role: secret }]) {
      const answer = await ask(`/v1/search?${new URLSearchParams(fields)}`, { token });
      assert.equal(answer.status, 200, answer.text);
    }
  }
  const [own] = await sql('select id from observatory.project_paths where owner_id = $1 limit 1', [sub]);
  await write(`project_paths?id=eq.${own.id}`, { path: `/srv/${SHORT[6].secret}` }, { method: 'PATCH' });
  assert.deepEqual(await found([...SECRETS, ...SHORT.map(plain)]), []);
});

test('keys that are written with escapes of JSON are found nowhere, by no way in, and not in what is downloaded', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const key = `ghp_${randomUUID().replaceAll('-', '')}Zz9q`;
  /** A text with each nth character as an escape. */
  const escaped = (text, every) =>
    [...text]
      .map((one, at) => (at % every === 0 ? `\\u00${one.charCodeAt(0).toString(16).padStart(2, '0')}` : one))
      .join('');
  const written = [escaped(key, 1), escaped(key, 5), escaped(key, 50)];
  // As they stand in JSON, and as they stand in JSON that is a text of JSON.
  const inJson = written.flatMap((one) => [one, one.replaceAll('\\', '\\\\')]);
  const json = (value, by) => JSON.stringify(value).replaceAll('KEY', by);
  /** The end of the key, however often it is encoded. */
  const traces = [key, ...written].flatMap((one) =>
    [1, 2, 4, 8, 16].map((slashes) => one.slice(-18).replaceAll('\\', '\\'.repeat(slashes))),
  );

  const one = new Session();
  one.user('Hello');
  for (const [at, by] of inJson.entries()) {
    one.user(`${at} KEY`);
    one.tool('Write', { content: 'KEY' }, { stdout: 'KEY' }, { output: 'the KEY' });
    one.raw({ type: 'summary', summary: `${at} KEY`, leafUuid: one.last });
    one.records = one.records.map((line) => (typeof line === 'string' ? line : json(line, by)));
  }
  const sent = await post(token, one.file, one.records.map((line) => `${line}\n`).join(''));
  assert.deepEqual([sent.status, sent.body.skipped], [200, {}], sent.text);
  assert.ok(sent.body.redactions >= 5 * inJson.length, sent.text);
  const made = await conversation(sub, one.id);
  const download = await ask(`/v1/conversations/${made.id}/transcript`, { token });
  assert.equal(download.status, 200, download.text);
  for (const trace of traces) assert.ok(!download.text.includes(trace), trace);
  assert.deepEqual(
    download.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).uuid),
    one.records.map((line) => JSON.parse(line).uuid),
  );

  const send = async (path, body, { type = 'application/json', status = 200 } = {}) => {
    const answer = await ask(path, { token, method: 'POST', body, headers: { 'content-type': type } });
    assert.equal(answer.status, status, answer.text);
  };
  const session = randomUUID();
  for (const [at, by] of inJson.entries()) {
    await send('/v1/hooks', json(hook(session, 'UserPromptSubmit', { prompt: `${at} KEY` }), by));
    const tool = { tool_use_id: `toolu_${at}`, tool_input: { command: 'KEY' }, tool_response: { stdout: 'KEY' } };
    await send('/v1/hooks', json(hook(session, 'PostToolUse', tool), by));
    const event = record(session, 'tool_result', { tool_name: 'KEY', tool_use_id: `o${at}` }, { sequence: at });
    await send('/v1/otlp/v1/logs', json(logs(event), by));
    const beside = `/v1/transcripts/files?file=${one.id}/tool-results/${at}.txt`;
    await send(beside, json({ a: 'KEY' }, by), { type: 'text/plain' });
    const row = { project_id: made.project_id, conversation_id: made.id, entry_type: 'user' };
    for (const fields of [{ content: 'KEY' }, { content: JSON.stringify({ a: by }) }, { metadata: { a: 'KEY' } }])
      await send('/rest/v1/messages', json({ ...row, entry_uuid: randomUUID(), ...fields }, by), { status: 201 });
  }
  assert.deepEqual(await found(traces), []);
  assert.notDeepEqual(dataFilesWith(one.id), [], 'what is looked for would be found');
  const [hex] = key.split('_').slice(1);
  for (const trace of [hex, hex.toLowerCase()]) assert.deepEqual(dataFilesWith(trace), []);
});

test('keys in names of files, of projects and of sessions are found nowhere', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const secrets = shapes.filter(({ secret }) => /^[\w.-]{10,100}$/.test(secret));
  for (const { secret } of secrets) {
    const one = new Session({ cwd: `/home/me/${secret}` });
    one.user('Hello');
    for (const [file, query] of [
      [`p/${secret}/${one.id}.jsonl`, {}],
      [`${secret}.jsonl`, { session: one.id }],
      [one.file, { project: `the ${secret}` }],
      [one.file, { session: secret }],
    ]) {
      const answer = await post(token, file, one.text, query);
      assert.ok(answer.status < 500, answer.text);
    }
    const beside = await ask(`/v1/transcripts/files?file=${one.id}/tool-results/${secret}.txt`, {
      token,
      method: 'POST',
      body: `a ${secret} b`,
    });
    assert.deepEqual([beside.status, beside.body.redactions], [200, 1], beside.text);
  }
  assert.deepEqual(await found(secrets.map(plain)), []);
});

test('what only looks like a secret survives in every way in', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const session = randomUUID();
  const texts = [...kept.filter((text) => text !== ''), ...LOOKALIKES];
  const value = (text) => ({ command: text, deep: deep({ hash: text, list: [text] }, 4) });
  for (const [at, text] of texts.entries()) {
    const event = hook(session, 'PostToolUse', {
      tool_use_id: `toolu_${at}`,
      tool_input: value(text),
      tool_response: { stdout: text },
    });
    assert.equal((await ask('/v1/hooks', { token, json: event })).status, 200);
  }
  const calls = await callsOf(sub, session);
  for (const [at, text] of texts.entries()) assert.deepEqual(calls[`toolu_${at}`].input, value(text), text);
  const short = texts.filter((text) => Buffer.byteLength(JSON.stringify(text)) < 500);
  const events = short.map((text, at) =>
    record(session, 'tool_result', { tool_name: text, tool_use_id: `o${at}` }, { sequence: at }),
  );
  assert.equal((await ask('/v1/otlp/v1/logs', { token, json: logs(...events) })).status, 200);
  const stored = await sql(
    `select attributes ->> 'tool_name' as name from private.otel_events where owner_id = $1 order by sequence`,
    [sub],
  );
  assert.deepEqual(
    stored.map(({ name }) => name),
    short,
  );
  const file = `${session}/tool-results/a.txt`;
  const body = texts.join('\n');
  const sent = await ask(`/v1/transcripts/files?${new URLSearchParams({ file })}`, { token, method: 'POST', body });
  assert.deepEqual([sent.status, sent.body.redactions], [200, 0], sent.text);
  const [{ content }] = await sql('select content from observatory.session_files where owner_id = $1', [sub]);
  assert.equal(content, body);
  const [talk] = await sql('select id, project_id from observatory.conversations where owner_id = $1', [sub]);
  const rows = await ask('/rest/v1/messages?select=content,metadata', {
    token,
    headers: { prefer: 'return=representation' },
    json: texts.map((text) => ({
      ...{ project_id: talk.project_id, conversation_id: talk.id, entry_uuid: randomUUID() },
      ...{ entry_type: 'user', role: 'user', content: text, metadata: value(text) },
    })),
  });
  assert.equal(rows.status, 201, rows.text);
  assert.deepEqual(
    rows.body,
    texts.map((text) => ({ content: text, metadata: value(text) })),
  );
});

test('what only looks like a secret survives: hashes, ids, images, code', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const texts = [...kept, randomUUID(), ...LOOKALIKES];
  const one = new Session();
  for (const text of texts) {
    one.user(text);
    one.tool('Bash', { command: text }, {}, { output: text });
  }
  one.user([{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: IMAGE } }]);
  const answer = await post(token, one.file, one.text);
  assert.deepEqual([answer.status, answer.body.redactions], [200, 0], answer.text);
  const { id } = await conversation(sub, one.id);
  const prompts = (await messages(id)).filter(({ role, content }) => role === 'user' && content !== null);
  assert.deepEqual(
    prompts.map(({ content }) => content),
    texts,
  );
  for (const { input, output } of await toolCalls(id)) assert.equal(output, input.command);
});

test('what users write past the edge loses its secrets, too', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const { body: project } = await ask('/rest/v1/projects?select=id', {
    ...{ token, json: { name: 'Direct' } },
    headers: { prefer: 'return=representation' },
  });
  const project_id = project[0].id;
  const marker = `ghp_${randomUUID().replaceAll('-', '')}Zz9q`;
  const { body: made } = await ask('/rest/v1/conversations?select=id', {
    ...{ token, json: { project_id, session_id: randomUUID(), title: `a ${marker}` } },
    headers: { prefer: 'return=representation' },
  });
  for (const [table, row] of [
    [
      'messages',
      {
        entry_uuid: randomUUID(),
        entry_type: 'user',
        content: marker,
        content_blocks: [{ text: marker }],
        metadata: { a: marker },
      },
    ],
    ['tool_calls', { tool_use_id: 't', tool_name: 'Bash', input: { a: [marker] }, output: marker }],
  ]) {
    const answer = await ask(`/rest/v1/${table}`, { token, json: { project_id, conversation_id: made[0].id, ...row } });
    assert.equal(answer.status, 201, answer.text);
  }
  assert.deepEqual(await found([marker]), []);
});
