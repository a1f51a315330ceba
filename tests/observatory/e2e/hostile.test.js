// What an attacker sends to observatory: ids of others in every place, odd values, tokens of another scope, deletions while something arrives.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { makeToken } from '../../core/support/api_tokens.js';
import { ask, close, sql, userToken } from '../../support/stack.js';
import { hook } from '../support/live.js';
import { logs, record } from '../support/logs.js';
import { conversation, messages, Session } from '../support/transcripts.js';

const ENDPOINTS = systems()
  .find(({ name }) => name === 'observatory')
  .endpoints.filter(({ access }) => access === 'user');

/** Somebody with a session of a prompt, a tool and an answer. */
const someone = async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  const one = new Session();
  one.user('Why does the walrus fail?');
  one.tool('Bash', { command: 'make' }, { stdout: 'no rule' }, { output: 'no rule' });
  const sent = await post(token, one.file, one.text);
  assert.equal(sent.status, 200, sent.text);
  const { conversation_id: id, project_id: project } = sent.body;
  return { sub, token, one, id, project, message: (await messages(id))[0].id };
};
const post = (token, file, body, query = {}) =>
  ask(`/v1/transcripts?${new URLSearchParams({ file, ...query })}`, {
    ...{ token, method: 'POST', body, headers: { 'content-type': 'application/x-ndjson' } },
  });

let ada;
let eve;
before(async () => {
  [ada, eve] = [await someone(), await someone()];
});
after(async () => {
  await sql('delete from observatory.projects where owner_id = any ($1)', [[ada.sub, eve.sub]]);
  await close();
});

/** Each endpoint that an id is given to, as a stranger asks it. */
const BY_ID = {
  'GET thread': ({ id }) => [`/v1/conversations/${id}/thread`],
  'GET transcript': ({ id }) => [`/v1/conversations/${id}/transcript`],
  'DELETE conversation': ({ id }) => [`/v1/conversations/${id}`, { method: 'DELETE' }],
  'POST share': ({ id }) => [`/v1/conversations/${id}/share`, { json: {} }],
  'POST share with bad options': ({ id }) => [`/v1/conversations/${id}/share`, { json: { expires_in_days: 0 } }],
  'GET search': ({ project }) => [`/v1/search?q=walrus&project=${project}`],
  'GET search of nothing': ({ project }) => [`/v1/search?q=***&project=${project}`],
  'GET suggest': ({ project }) => [`/v1/search/suggest?q=wal&project=${project}`],
  'GET similar': ({ message }) => [`/v1/search/similar/${message}`],
  'GET similar beyond the limit': ({ message }) => [`/v1/search/similar/${message}?limit=0`],
  'GET search analytics': ({ project }) => [`/v1/search/analytics?project=${project}`],
  'GET overview': ({ project }) => [`/v1/analytics/overview?project=${project}`],
  'GET overview of no days': ({ project }) => [`/v1/analytics/overview?project=${project}&from=x`],
  'GET tools': ({ project }) => [`/v1/analytics/tools?project=${project}`],
  'GET models': ({ project }) => [`/v1/analytics/models?project=${project}`],
  'GET activity': ({ project }) => [`/v1/analytics/activity?project=${project}`],
  'GET users': ({ project }) => [`/v1/analytics/users?project=${project}`],
  'POST reprice': ({ project }) => [`/v1/projects/${project}/reprice`, { json: { list: 'none@1' } }],
  'GET audit': ({ project }) => [`/v1/projects/${project}/audit`],
  'DELETE project': ({ project }) => [`/v1/projects/${project}`, { method: 'DELETE' }],
  'POST invitation': ({ project }) => [`/v1/projects/${project}/invitations`, { json: { role: 'x', email: 'x' } }],
  'POST transcript': ({ project }) => [
    `/v1/transcripts?file=${randomUUID()}.jsonl&project=${project}`,
    { method: 'POST', body: '{"type":"user"}\n', headers: { 'content-type': 'application/x-ndjson' } },
  ],
  'POST file': ({ project }) => [
    `/v1/transcripts/files?file=${randomUUID()}/tool-results/a&project=${project}`,
    { method: 'POST', body: 'x' },
  ],
  'POST opened': ({ message, search = randomUUID() }) => [
    '/v1/search/opened',
    { json: { search_id: search, message_id: message } },
  ],
};
for (const [name, request] of Object.entries(BY_ID)) {
  test(`${name}: what is another’s and what is not there have one answer`, async () => {
    const absent = { id: randomUUID(), project: randomUUID(), message: randomUUID() };
    const answers = [];
    for (const world of [ada, absent]) {
      const [path, options] = request(world);
      const { status, body } = await ask(path, { token: eve.token, ...options });
      answers.push([status, { ...body, request_id: undefined }]);
    }
    assert.equal(answers[0][0], 404, JSON.stringify(answers));
    assert.deepEqual(answers[0], answers[1]);
  });
}

/** Values that no endpoint may fail at. */
const ODD = [
  '',
  ' ',
  '0',
  '-1',
  '9223372036854775807',
  '9223372036854775808',
  '1e309',
  'NaN',
  'null',
  'true',
  '[]',
  '{}',
  'infinity',
  '-infinity',
  '294276-12-31',
  '4714-11-24 BC',
  '9999-12-31',
  '0001-01-01',
  '2026-02-30',
  'a\u0000b',
  '\ufffe\u202e',
  "'; drop table observatory.messages; --",
  '%00%ff%',
  '\\',
  '$1',
  '../../etc/passwd',
  '<script>alert(1)</script>',
  'x'.repeat(3000),
  // Cursors: of the form, with numbers that are times of no calendar.
  ...[
    '999999999999999999.16.999999999999999999.00000000-0000-0000-0000-000000000000',
    '-999999999999999999.0.-999999999999999999.00000000-0000-0000-0000-000000000000',
    '999999999999999999.00000000-0000-0000-0000-000000000000',
  ].map((text) => Buffer.from(text).toString('base64url')),
  '999999999999999999_00000000-0000-0000-0000-000000000000',
];
const PLACES = [
  (odd) => `/v1/search?q=${odd}`,
  ...['role', 'tool', 'from', 'to', 'cursor', 'limit', 'project'].map(
    (name) => (odd) => `/v1/search?q=walrus&${name}=${odd}`,
  ),
  (odd) => `/v1/search/suggest?q=${odd}`,
  (odd) => `/v1/search/suggest?q=wa&limit=${odd}`,
  (odd) => `/v1/search/similar/${odd || '%20'}`,
  (odd) => `/v1/search/similar/${ada.message}?limit=${odd}`,
  ...['cursor', 'limit'].map((name) => (odd) => `/v1/conversations/${ada.id}/thread?${name}=${odd}`),
  (odd) => `/v1/conversations/${odd || '%20'}/thread`,
  (odd) => `/v1/conversations/${ada.id}/transcript?file=${odd}`,
  ...['from', 'to', 'project'].map((name) => (odd) => `/v1/analytics/overview?${name}=${odd}`),
  (odd) => `/v1/analytics/tools?from=${odd}&to=${odd}`,
  (odd) => `/v1/projects/${odd || '%20'}/audit`,
  (odd) => `/v1/search/analytics?project=${odd}`,
];
test('odd values in addresses are refused or looked for, and nothing fails', async (t) => {
  for (const place of PLACES)
    await t.test(place('...'), async () => {
      for (const odd of ODD) {
        const path = place(encodeURIComponent(odd));
        const { status, text } = await ask(path, { token: ada.token });
        assert.ok(status < 500, `${path.slice(0, 200)} ${status} ${text}`);
      }
    });
});

test('odd arguments of uploads are refused or stored, and nothing fails', async () => {
  for (const odd of ODD) {
    for (const query of [{ offset: odd }, { project: odd }, { session: odd }, { source: odd }]) {
      const { status, text } = await post(ada.token, `${randomUUID()}.jsonl`, '{"type":"user"}\n', query);
      assert.ok(status < 500, `${JSON.stringify(query).slice(0, 200)} ${status} ${text}`);
    }
    const { status, text } = await post(ada.token, odd, '{"type":"user"}\n');
    assert.ok(status < 500, `file=${odd.slice(0, 200)} ${status} ${text}`);
  }
});

test('odd bodies are refused, and nothing fails', async () => {
  const { body: link } = await ask(`/v1/conversations/${ada.id}/share`, { token: ada.token, json: {} });
  const paths = [
    `/v1/conversations/${ada.id}/share`,
    `/v1/projects/${ada.project}/reprice`,
    `/v1/projects/${ada.project}/invitations`,
    '/v1/search/opened',
    '/v1/hooks',
    '/v1/otlp/v1/logs',
  ];
  const bodies = [
    ...['', '{', 'null', '[]', '5', '"x"', '{"a":1,"a":2}', '\u0000', `${'['.repeat(5000)}${']'.repeat(5000)}`],
    JSON.stringify({ title: 'a\u0000b\ud800', hide: [null, 1], include_later: 'x', expires_in_days: 1e30 }),
    JSON.stringify({ expires_in_days: 2 ** 53, list: 5, dry_run: {}, role: [], email: {}, user_id: 'x' }),
    JSON.stringify({ hide: Array.from({ length: 300 }, () => 'paths') }),
    JSON.stringify({ search_id: null, message_id: {}, session_id: [], hook_event_name: {} }),
  ];
  for (const path of paths)
    for (const body of bodies) {
      const headers = { 'content-type': 'application/json' };
      const { status, text } = await ask(path, { token: ada.token, method: 'POST', body, headers });
      assert.ok(status < 500, `${path} ${body.slice(0, 100)} ${status} ${text}`);
    }
  for (const odd of ODD) {
    for (const path of [
      `${link.path}?cursor=${encodeURIComponent(odd)}`,
      `/v1/shared/${encodeURIComponent(odd) || '%20'}`,
    ]) {
      const { status, text } = await ask(path);
      assert.ok(status < 500, `${path.slice(0, 200)} ${status} ${text}`);
    }
  }
});

test('a token for one endpoint opens no other one, and one that only reads writes by none', async () => {
  const { token: other } = await makeToken(ada.token, { endpoints: ['GET /v1/invitations'], access: 'write' });
  const { token: reader } = await makeToken(ada.token, { systems: ['observatory'], access: 'read' });
  const ids = { id: ada.id, message_id: ada.message };
  for (const { method, path } of ENDPOINTS) {
    const place = path.replaceAll(/\{(\w+)\}/g, (_, name) =>
      path.startsWith('/v1/projects') ? ada.project : ids[name],
    );
    const options = {
      method,
      ...(method === 'POST' && { body: '{}', headers: { 'content-type': 'application/json' } }),
    };
    if (path !== '/v1/invitations')
      assert.equal((await ask(`${place}?q=x&file=x`, { token: other, ...options })).status, 403, `${method} ${path}`);
    if (method !== 'GET')
      assert.equal((await ask(`${place}?file=x`, { token: reader, ...options })).status, 403, `${method} ${path}`);
  }
  assert.equal((await messages(ada.id)).length, 3);
});

test('a viewer changes nothing by any endpoint', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'viewer')`, [
    ada.project,
    sub,
  ]);
  for (const [path, options, code] of [
    [`/v1/projects/${ada.project}/reprice`, { json: {} }, 'RG666'],
    [`/v1/projects/${ada.project}/invitations`, { json: { role: 'viewer', email: 'a@example.org' } }, 'RG666'],
    [`/v1/projects/${ada.project}/audit`, {}, 'RG666'],
    [`/v1/search/analytics?project=${ada.project}`, {}, 'RG666'],
    [`/v1/projects/${ada.project}`, { method: 'DELETE' }, 'RG666'],
    [`/v1/conversations/${ada.id}/share`, { json: {} }, 'RG661'],
    [`/v1/conversations/${ada.id}`, { method: 'DELETE' }, 'RG661'],
  ]) {
    const answer = await ask(path, { token, ...options });
    assert.deepEqual([answer.status, answer.body.code], [403, code], path);
  }
  const sent = await post(token, `${randomUUID()}.jsonl`, '{"type":"user"}\n', { project: ada.project });
  assert.deepEqual([sent.status, sent.body.code], [403, 'RG661']);
});

test('with another’s session id a stranger makes a session of their own, and changes nothing of the other’s', async () => {
  const state = async () => [
    await conversation(ada.sub, ada.one.id),
    await messages(ada.id),
    await sql('select * from observatory.tool_calls where owner_id = $1', [ada.sub]),
    await sql('select * from observatory.hook_events where owner_id = $1', [ada.sub]),
    await sql('select * from observatory.usage_records where owner_id = $1', [ada.sub]),
  ];
  const before_ = await state();
  const [{ tool_use_id: use }] = before_[2];
  for (const event of [
    hook(ada.one.id, 'UserPromptSubmit', { cwd: ada.one.cwd }),
    hook(ada.one.id, 'PostToolUse', { cwd: ada.one.cwd, tool_use_id: use, tool_response: 'forged' }),
    hook(ada.one.id, 'SessionEnd', { cwd: ada.one.cwd }),
  ])
    assert.equal((await ask('/v1/hooks', { token: eve.token, json: event })).status, 200);
  const request = before_[4][0].api_message_id;
  const forged = logs(
    record(ada.one.id, 'tool_result', { tool_use_id: use, duration_ms: 1 }),
    record(
      ada.one.id,
      'api_request',
      { request_id: `req_${request}`, model: 'x', cost_usd_micros: 1 },
      { sequence: 2 },
    ),
    record(ada.one.id, 'retention_sweep', { transcripts_deleted: 9, period_days: 0 }, { sequence: 3 }),
  );
  assert.equal((await ask('/v1/otlp/v1/logs', { token: eve.token, json: forged })).status, 200);
  const sent = await post(eve.token, ada.one.file, ada.one.text.replaceAll('walrus', 'forgery'));
  assert.equal(sent.status, 200, sent.text);
  assert.notEqual(sent.body.conversation_id, ada.id);
  const file = await ask(`/v1/transcripts/files?file=${ada.one.id}/tool-results/a.txt`, {
    ...{ token: eve.token, method: 'POST', body: 'forged' },
  });
  assert.equal(file.body.conversation_id, sent.body.conversation_id);
  assert.deepEqual(await state(), before_);
  assert.deepEqual(await sql('select from observatory.notices where user_id = $1', [ada.sub]), []);
});

test('a conversation that is deleted while it is sent begins anew, whole', async () => {
  const { sub, token } = await someone();
  const one = new Session();
  for (let n = 0; n < 4000; n += 1) one.user(`Prompt ${n} ${'word '.repeat(50)}`);
  const bytes = Buffer.from(one.text);
  const half = bytes.indexOf(10, bytes.length / 2) + 1;
  const first = await post(token, one.file, bytes.subarray(0, half));
  assert.equal(first.status, 200, first.text);
  const old = first.body.conversation_id;
  assert.equal((await ask(`/v1/conversations/${old}`, { token, method: 'DELETE' })).status, 200);
  const late = await post(token, one.file, bytes.subarray(half), { offset: half });
  assert.deepEqual([late.status, late.body.code, late.body.details], [409, 'RG663', '0']);

  // While it arrives.
  const arriving = post(token, one.file, bytes);
  let now;
  for (let tries = 0; !now && tries < 4000; tries += 1) {
    now = await conversation(sub, one.id);
    await new Promise((done) => setTimeout(done, 5));
  }
  const removed = await ask(`/v1/conversations/${now.id}`, { token, method: 'DELETE' });
  assert.ok([200, 404, 429].includes(removed.status), removed.text);
  const answer = await arriving;
  assert.ok([200, 409].includes(answer.status), answer.text);
  const whole = await post(token, one.file, bytes);
  assert.equal(whole.status, 200, whole.text);
  const [{ n }] = await sql(
    `select count(*)::int as n from observatory.messages as m inner join observatory.conversations as c on c.id = m.conversation_id
     where c.owner_id = $1 and c.session_id = $2 and c.deleted_at is null`,
    [sub, one.id],
  );
  assert.equal(n, 4000);
  const { text } = await ask(`/v1/conversations/${whole.body.conversation_id}/transcript`, { token });
  assert.ok(text === one.text);
  assert.equal((await ask(`/v1/conversations/${old}/thread`, { token })).status, 404);
});

test('a shared conversation is read to its end, however large its messages are', async () => {
  const { token } = await someone();
  const one = new Session();
  for (let n = 0; n < 45; n += 1)
    one.tool('Bash', { command: 'x'.repeat(30_000) }, { stdout: 'y' }, { output: '\u001b[0m"'.repeat(6_000) });
  const { body } = await post(token, one.file, one.text);
  const { body: link } = await ask(`/v1/conversations/${body.conversation_id}/share`, { token, json: {} });
  let seen = 0;
  let cursor = '';
  do {
    const page = await ask(`${link.path}${cursor && `?cursor=${cursor}`}`);
    assert.equal(page.status, 200, page.text.slice(0, 300));
    seen += page.body.messages.length;
    cursor = page.body.next;
  } while (cursor);
  assert.equal(seen, 45);
});

test('what a removed member has opened is embedded for nobody', async () => {
  const sub = randomUUID();
  const token = await userToken(sub);
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'viewer')`, [
    ada.project,
    sub,
  ]);
  const { body } = await ask('/v1/search?q=walrus', { token });
  await ask('/v1/search/opened', { token, json: { search_id: body.search_id, message_id: ada.message } });
  const embedded = async () =>
    (await ask('/rest/v1/search_history?select=query,messages(content),projects(name)', { token })).body;
  assert.match(JSON.stringify(await embedded()), /Why does the walrus fail/);
  await sql('delete from observatory.project_members where project_id = $1 and user_id = $2', [ada.project, sub]);
  assert.deepEqual(await embedded(), [{ query: 'walrus', messages: null, projects: null }]);
});
