// /rest/v1: a signed-in user's own rows, through the edge.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { rawRequest } from '../../support/raw_http.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';

after(close);

const PROJECTS = '/rest/v1/projects';
const JSON_TYPE = { 'content-type': 'application/json' };
const RETURN = { prefer: 'return=representation' };

test('an owner inserts, selects, updates and deletes; nobody else sees any of it', async () => {
  const [a, b] = [randomUUID(), randomUUID()];
  const [owner, stranger] = [await userToken(a), await userToken(b)];

  const made_ = await ask(PROJECTS, { token: owner, json: { name: 'Mine' }, headers: RETURN });
  assert.equal(made_.status, 201);
  const [project] = made_.body;
  assert.deepEqual([project.user_id, project.name, project.workflow_count], [a, 'Mine', 0]);
  assert.equal(Object.keys(project).length, 9);
  const one = `${PROJECTS}?id=eq.${project.id}`;

  assert.deepEqual((await ask(one, { token: owner })).body, [project]);
  assert.deepEqual((await ask(PROJECTS, { token: stranger })).body, []);
  assert.deepEqual((await ask(one, { token: stranger })).body, []);
  const change = (token, fields) =>
    ask(one, { token, method: 'PATCH', body: JSON.stringify(fields), headers: { ...JSON_TYPE, ...RETURN } });
  assert.deepEqual((await change(stranger, { name: 'Theirs' })).body, []);
  assert.deepEqual((await ask(one, { token: stranger, method: 'DELETE', headers: RETURN })).body, []);
  const foreign = await ask(PROJECTS, { token: stranger, json: { name: 'x', user_id: a } });
  assert.deepEqual([foreign.status, foreign.body.code], [403, '42501']);

  const [changed] = (await change(owner, { name: 'Still mine', color: '#000000' })).body;
  assert.deepEqual([changed.name, changed.color], ['Still mine', '#000000']);
  assert.ok(changed.updated_at > project.updated_at);
  for (const fields of [{ workflow_count: 9 }, { user_id: b }, { id: randomUUID() }, { created_at: '2000-01-01' }]) {
    assert.equal((await change(owner, fields)).status, 403, JSON.stringify(fields));
  }
  assert.equal((await ask(one, { token: owner, method: 'DELETE' })).status, 204);
  assert.deepEqual((await ask(one, { token: owner })).body, []);
  const audit = await sql('select operation, actor, columns from private.audit_log where row_id = $1 order by id', [
    project.id,
  ]);
  assert.deepEqual(audit, [
    { operation: 'INSERT', actor: a, columns: null },
    { operation: 'UPDATE', actor: a, columns: ['color', 'name'] },
    { operation: 'DELETE', actor: a, columns: null },
  ]);
});

test('an id cannot be chosen, so none can be probed', async () => {
  const answer = await ask(PROJECTS, { token: await userToken(), json: { id: randomUUID(), name: 'x' } });
  assert.equal(answer.status, 403);
});

test('a write without a filter is refused', async () => {
  const token = await userToken();
  for (const query of ['', '?select=id', '?order=id&limit=1', '?sel%65ct=*', '?children.id=eq.1', '?apikey=x']) {
    for (const method of ['PATCH', 'DELETE']) {
      const answer = await ask(PROJECTS + query, { token, method, body: '{"name":"x"}', headers: JSON_TYPE });
      const wanted = query === '?apikey=x' ? [401, 'RG208'] : [400, 'RG307'];
      assert.deepEqual([answer.status, answer.body.code], wanted, method + query);
    }
  }
});

test('odd paths, schemas, headers and methods are refused with their code', async () => {
  const token = await userToken();
  const cases = [
    ['/rest/v1/Projects', {}, 404, '42P01'],
    ['/rest/v1/pro%6aects', {}, 200, undefined],
    ['/rest/v1/projects%2Fx', {}, 400, 'RG304'],
    ['/rest/v1/rpc%2Fready', {}, 400, 'RG304'],
    ['/rest/v1/%70rojects%22', {}, 404, '42P01'],
    ['/rest/v1/', {}, 404, 'RG101'],
    ['/rest/v1/projects/x', {}, 404, 'RG101'],
    ['/rest/v1/rpc/a/b', {}, 404, 'RG101'],
    ['/rest/v1', {}, 404, 'RG101'],
    ['/nowhere', {}, 404, 'RG101'],
    ['/v1/entries', {}, 405, 'RG102'],
    ['/rest/v1/projects', { method: 'PURGE' }, 405, 'RG102'],
    ['/rest/v1/projects', { headers: { 'accept-profile': 'private' } }, 406, 'PGRST106'],
    ['/rest/v1/projects', { headers: { 'accept-profile': 'edge' } }, 406, 'PGRST106'],
    ['/rest/v1/projects', { headers: { 'accept-profile': 'public' } }, 406, 'PGRST106'],
    ['/rest/v1/projects', { headers: { accept: 'application/vnd.pgrst.plan+json' } }, 406, 'RG308'],
    [`/rest/v1/projects?name=eq.${'x'.repeat(16_400)}`, {}, 414, 'RG305'],
    ['/rest/v1/projects?name=eq.%ff', {}, 400, 'RG306'],
    ['/rest/v1/projects?name=eq.%00', {}, 400, 'RG306'],
    ['/rest/v1/nothing', {}, 404, '42P01'],
  ];
  for (const [path, options, status, code] of cases) {
    const answer = await ask(path, { token, ...options });
    assert.deepEqual(
      [answer.status, answer.body?.code],
      [status, code],
      `${path.slice(0, 40)} ${JSON.stringify(options)}`,
    );
    assert.match(answer.headers.get('x-request-id'), /^[0-9a-f]{32}$/);
  }
  const { headers } = await ask('/v1/entries');
  assert.equal(headers.get('allow'), 'POST, OPTIONS');
});

test('bodies over a megabyte are refused, under it they go through', async () => {
  const token = await userToken();
  const body = (bytes) =>
    JSON.stringify(Array.from({ length: 90 }, (_, n) => ({ name: `p${n}`, description: 'x'.repeat(bytes / 90) })));
  const large = await ask(PROJECTS, { token, method: 'POST', body: body(1_200_000), headers: JSON_TYPE });
  assert.deepEqual([large.status, large.body.code], [413, 'RG302']);
  const fits = await ask(PROJECTS, { token, method: 'POST', body: body(170_000), headers: JSON_TYPE });
  assert.equal(fits.status, 201);
  const chunks = new Blob([body(170_000).replaceAll('"p', '"q')]).stream();
  const chunked = await ask(PROJECTS, { token, method: 'POST', body: chunks, duplex: 'half', headers: JSON_TYPE });
  assert.equal(chunked.status, 201, 'without a declared length, too');
});

test('reads: ranges, counts, CSV, single objects, HEAD, conditional answers', async () => {
  const token = await userToken();
  await ask(PROJECTS, { token, json: Array.from({ length: 5 }, (_, n) => ({ name: `p${n}` })) });
  const get = (query, headers, rest) => ask(PROJECTS + query, { token, headers, ...rest });
  const counted = await get('?select=name&order=name', { prefer: 'count=exact', range: '1-2', 'range-unit': 'items' });
  assert.deepEqual([counted.status, counted.headers.get('content-range')], [206, '1-2/5']);
  assert.deepEqual(counted.body, [{ name: 'p1' }, { name: 'p2' }]);
  assert.equal((await get('?select=name&order=name&limit=2', { accept: 'text/csv' })).text, 'name\np0\np1');
  const single = { accept: 'application/vnd.pgrst.object+json' };
  assert.deepEqual((await get('?select=name&name=eq.p3', single)).body, { name: 'p3' });
  assert.deepEqual([(await get('', single)).status, (await get('', single)).body.code], [406, 'PGRST116']);
  const head = await get('', { prefer: 'count=exact' }, { method: 'HEAD' });
  assert.deepEqual([head.status, head.headers.get('content-range'), head.text], [200, '0-4/5', '']);
  assert.equal(head.headers.get('cache-control'), 'private, no-store');
});

test('a body with GET or HEAD is ignored, as PostgREST ignores it', async () => {
  const { request } = await import('node:http');
  const token = await userToken();
  for (const method of ['GET', 'HEAD']) {
    const status = await new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': 2 };
      const sent = request(stack.edge_url + PROJECTS, { method, headers }, (answer) =>
        resolve(answer.resume().statusCode),
      );
      sent.once('error', reject).end('{}');
    });
    assert.equal(status, 200, method);
  }
});

test('a created row is found where Location says', async () => {
  const token = await userToken();
  const created = await ask(PROJECTS, { token, json: { name: 'x' }, headers: { prefer: 'return=headers-only' } });
  const location = created.headers.get('location');
  assert.match(location, /^\/rest\/v1\/projects\?id=eq\./);
  assert.equal((await ask(location, { token })).body[0].name, 'x');
});

test('Server-Timing has the durations, and a trace id is forwarded', async () => {
  const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const { headers, status } = await ask(PROJECTS, { token: await userToken(), headers: { traceparent } });
  assert.equal(status, 200);
  assert.match(headers.get('server-timing'), /^verify;dur=\d+, scope;dur=\d+, upstream;dur=\d+$/);
});

test('nothing of PostgREST but the listed headers is answered', async () => {
  const { headers } = await ask(PROJECTS, { token: await userToken() });
  assert.equal(headers.get('server'), null);
  assert.equal(headers.get('www-authenticate'), null);
});

test('without key or token: 401 in the words that supabase-js users know', async () => {
  const bare = await ask(PROJECTS);
  assert.equal(bare.status, 401);
  assert.equal(bare.body.message, 'No API key found in request');
  assert.equal(bare.headers.get('www-authenticate'), 'Bearer');
  const key = made.publishable_key;
  assert.equal((await ask(PROJECTS, { key })).status, 403, 'nobody in particular has no right on projects');
  assert.equal((await ask(`${PROJECTS}?apikey=${key}`)).status, 403);
  assert.equal((await ask(PROJECTS, { key, token: key })).status, 403);
});

test('the service key reads everything, but not from a browser', async () => {
  const key = stack.service_key;
  await ask(PROJECTS, { token: await userToken(), json: { name: 'anyone’s' } });
  const server = await ask(`${PROJECTS}?select=id&limit=1`, { key, token: key });
  assert.deepEqual([server.status, server.body.length], [200, 1]);
  const user = await userToken();
  const read = (presented, sent) => {
    const [first, query = ''] = presented;
    const lines = [...first, ...sent].map(([name, value]) => `${name}: ${value}`);
    return rawRequest(stack.edge_url, `GET ${PROJECTS}?select=id&limit=1${query} HTTP/1.1`, { headers: lines });
  };
  const bearer = (token) => ['authorization', `Bearer ${token}`];
  const places = {
    'in both places': [[['apikey', key], bearer(key)]],
    'as the bearer': [[['apikey', made.publishable_key], bearer(key)]],
    'as the key': [[['apikey', key]]],
    'as the key beside a user’s token': [[['apikey', key], bearer(user)]],
    'as the key in the address beside a user’s token': [[bearer(user)], `&apikey=${key}`],
  };
  const browsers = [
    ['origin', 'http://localhost:3000'],
    ['sec-fetch-site', 'same-origin'],
    ['sec-fetch-dest', 'empty'],
  ];
  for (const [place, presented] of Object.entries(places)) {
    // Node's fetch sends Sec-Fetch-Mode.
    const server_ = await read(presented, [['sec-fetch-mode', 'cors']]);
    assert.equal(server_.status, 200, `${place}: ${server_.text}`);
    for (const sent of browsers) {
      const browser = await read(presented, [sent]);
      assert.equal(browser.status, 403, `${place}, ${sent}`);
      assert.match(browser.text, /"code":"RG209"/);
    }
  }
});
