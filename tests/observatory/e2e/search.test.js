// Search and threads through the edge: examples, filters, bad requests, API tokens, and people who come and go.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { addMember, makeConversation, makeProject, removeMember, say } from '../support/search.js';

const observatory = systems().find(({ name }) => name === 'observatory');
const mine = /^\/v1\/(search|conversations\/\{id\}\/thread)/;
const owner = randomUUID();
let token;
let project;
let conversation;
let message;
before(async () => {
  token = await userToken(owner);
  project = await makeProject(owner);
  conversation = await makeConversation(project, owner, { title: 'Sloths' });
  message = await say(conversation, {
    entry_type: 'assistant',
    role: 'assistant',
    content: 'The sloth reads src/mod/sloth_102.rs & sleeps',
    content_blocks: [{ type: 'tool_use', id: 'toolu_e' }],
    tools: [{ name: 'Read', id: 'toolu_e', file: 'src/mod/sloth_102.rs', output: 'x'.repeat(5000) }],
  });
  await say(conversation, 'Does the sloth read sloth_102.rs?');
});
after(async () => {
  await sql('delete from observatory.projects where owner_id = $1', [owner]);
  await sql('delete from observatory.search_history where user_id = $1', [owner]);
  await close();
});

const search = (fields, options = { token }) => ask(`/v1/search?${new URLSearchParams(fields)}`, options);

test('each example gets an answer that fits its schema', () =>
  sendExamples({ ...observatory, endpoints: observatory.endpoints.filter(({ path }) => mine.test(path)) }, ask, {
    'GET /v1/search': () => ({ token, path: '/v1/search?q=sloth' }),
    'GET /v1/search/suggest': () => ({ token, path: '/v1/search/suggest?q=sl' }),
    'GET /v1/search/similar/{message_id}': () => ({ token, path: `/v1/search/similar/${message.id}` }),
    'POST /v1/search/opened': async (example) => ({
      token,
      json: { ...example, search_id: (await search({ q: 'sloth' })).body.search_id, message_id: message.id },
    }),
    'GET /v1/search/analytics': () => ({ token, path: `/v1/search/analytics?project=${project}` }),
    'GET /v1/conversations/{id}/thread': () => ({ token, path: `/v1/conversations/${conversation.id}/thread` }),
  }));

test('a search is for its caller: filters, pages, and no copy on the way', async () => {
  const first = await search({ q: 'sloth', limit: 1 });
  assert.equal(first.status, 200, first.text);
  assert.match(first.headers.get('cache-control'), /no-store/);
  assert.deepEqual([first.body.count, first.body.results.length], [2, 1]);
  const second = await search({ q: 'sloth', limit: 1, cursor: first.body.next });
  assert.deepEqual([second.body.results.length, second.body.next, second.body.search_id], [1, null, null]);
  assert.notEqual(first.body.results[0].message_id, second.body.results[0].message_id);
  const ids = async (fields) => (await search(fields)).body.results.map(({ message_id }) => message_id);
  assert.deepEqual(await ids({ q: 'sloth', role: 'assistant' }), [message.id]);
  assert.deepEqual(await ids({ q: 'sloth', tool: 'Read' }), [message.id]);
  assert.deepEqual(await ids({ q: 'sloth', tool: 'Write' }), []);
  assert.deepEqual(await ids({ q: 'sloth', project, from: '2030-01-01T00:00:00Z' }), []);
  const found = (await search({ q: '"the sloth reads"' })).body.results.find(({ message_id: id }) => id === message.id);
  assert.ok(found.highlight.includes('<mark>') && found.highlight.includes('&amp;'), found.highlight);
});

test('what cannot be searched for is refused', async () => {
  for (const [fields, status, code] of [
    [{}, 400, 'RG325'],
    [{ q: '' }, 422, 'RG668'],
    [{ q: '***' }, 422, 'RG668'],
    [{ q: 'x'.repeat(600) }, 422, 'RG668'],
    [{ q: 'sloth', cursor: 'x' }, 400, 'RG669'],
    [{ q: 'sloth', limit: '0' }, 400, 'RG669'],
    [{ q: 'sloth', limit: 'x' }, 400, 'RG325'],
    [{ q: 'sloth', project: 'x' }, 400, 'RG325'],
    [{ q: 'sloth', project: randomUUID() }, 404, 'RG660'],
  ]) {
    const answer = await search(fields);
    assert.deepEqual([answer.status, answer.body?.code], [status, code], `${JSON.stringify(fields)} ${answer.text}`);
  }
  for (const fields of [{ q: 'sloth', from: 'not a time' }, { q: 'x'.repeat(10_240) }]) {
    const { status, text } = await search(fields);
    assert.ok(status >= 400 && status < 500, `${JSON.stringify(fields).slice(0, 40)} ${status} ${text}`);
  }
});

test('nobody searches without being signed in', async () => {
  for (const path of [
    '/v1/search?q=sloth',
    '/v1/search/suggest?q=sl',
    `/v1/search/similar/${message.id}`,
    `/v1/conversations/${conversation.id}/thread`,
  ])
    for (const options of [{}, { key: made.publishable_key }])
      assert.equal((await ask(path, options)).status, 401, path);
});

test('a member finds, and a removed member does not: from the next request on', async () => {
  const sub = randomUUID();
  const guest = await userToken(sub);
  const paths = [
    `/v1/search?q=sloth&project=${project}`,
    `/v1/search/similar/${message.id}`,
    `/v1/conversations/${conversation.id}/thread`,
  ];
  const statuses = async () => {
    const found = [];
    for (const path of paths) found.push((await ask(path, { token: guest })).status);
    return found;
  };
  assert.deepEqual(await statuses(), [404, 404, 404]);
  await addMember(project, sub);
  assert.deepEqual(await statuses(), [200, 200, 200]);
  await removeMember(project, sub);
  assert.deepEqual(await statuses(), [404, 404, 404]);
  const { body } = await search({ q: 'sloth' }, { token: guest });
  assert.deepEqual([body.results, body.count, body.next], [[], 0, null]);
  const { body: suggested } = await ask('/v1/search/suggest?q=sloth', { token: guest });
  assert.ok(suggested.suggestions.every(({ kind }) => kind === 'search'));
});

test('an API token that only reads searches, and notes nothing; one of another system finds nothing', async () => {
  const make = async (json) => {
    const answer = await ask('/v1/tokens', { token, json: { name: 'search', ...json } });
    assert.equal(answer.status, 201, answer.text);
    return answer.body.token;
  };
  const notes = async () =>
    Number((await sql('select count(*) as n from observatory.search_history where user_id = $1', [owner]))[0].n);
  const earlier = await notes();
  const reading = await make({ systems: ['observatory'], access: 'read' });
  const answer = await search({ q: 'sloth reads' }, { token: reading });
  assert.deepEqual([answer.status, answer.body?.search_id, answer.body?.count], [200, null, 2], answer.text);
  assert.equal(await notes(), earlier);
  const one = await make({ endpoints: ['GET /v1/search'], access: 'write' });
  assert.equal((await search({ q: 'sloth' }, { token: one })).body.count, 2);
  assert.equal((await ask('/v1/search/suggest?q=sl', { token: one })).status, 403);
  const other = await make({ systems: ['sample'], access: 'write' });
  assert.equal((await search({ q: 'sloth' }, { token: other })).status, 403);
});

test('past the edge, at PostgREST itself, search is the same and vectors are not there', async () => {
  const at = (path, json) =>
    ask(path, { base: stack.postgrest_url, token, json, headers: { 'content-profile': 'observatory' } });
  const found = await at('/rpc/search', { q: 'sloth' });
  assert.deepEqual([found.status, found.body?.count], [200, 2], found.text);
  const stranger = await userToken();
  const nothing = await ask('/rpc/search', {
    base: stack.postgrest_url,
    token: stranger,
    json: { q: 'sloth' },
    headers: { 'content-profile': 'observatory' },
  });
  assert.equal(nothing.body.count, 0);
  for (const name of ['message_search', 'search_hits']) assert.equal((await at(`/rpc/${name}`, {})).status, 404);
});

test('a NUL in a parameter is 400, as in the data API', async () => {
  const token = await userToken(randomUUID());
  for (const path of [
    '/v1/search?q=a%00b',
    '/v1/search?q=a&role=%00',
    '/v1/search/suggest?q=ab%00',
    `/v1/conversations/${randomUUID()}/thread?cursor=%00`,
    '/v1/analytics/overview?from=2026-01-01%00',
  ]) {
    const { status, body } = await ask(path, { token });
    assert.deepEqual([status, body.code], [400, 'RG306'], path);
  }
  const sent = await ask('/v1/transcripts?file=a%00.jsonl', { token, method: 'POST', body: '{}\n' });
  assert.deepEqual([sent.status, sent.body.code], [400, 'RG306']);
  const beside = await ask('/v1/transcripts/files?file=a/tool-results/b%00.txt', { token, method: 'POST', body: 'x' });
  assert.deepEqual([beside.status, beside.body.code], [400, 'RG306']);
});
