// Everything that a data request says is forwarded or refused. Nothing that would make it read or write less is dropped: parameters
// that are keys, preferences, conditional headers, names, filters that match everything.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { drop, make } from '../../support/fixtures.js';
import { rawRequest } from '../../support/raw_http.js';
import { ask, close, made, stack, userToken } from '../../support/stack.js';

const PROJECTS = '/rest/v1/projects';
const JSON_TYPE = { 'content-type': 'application/json' };
const key = made.publishable_key;

before(() =>
  make(
    `create function sample.test_key(apikey text, xmin text default '') returns text language sql stable
       as 'select apikey || xmin';
     create table sample."User" ("Full name" text primary key, "apikey" text);
     create table sample."Größe ä?%_'" (id int primary key);
     create function sample."Count it"("A b" int) returns int language sql stable as 'select "A b" + 1';
     insert into sample."User" values ('Ada "L"', 'one'), ('Bob', 'two');
     insert into sample."Größe ä?%_'" values (1), (2);
     alter table sample."User" enable row level security;
     alter table sample."Größe ä?%_'" enable row level security;
     create policy everybody on sample."User" to authenticated using (true);
     create policy everybody on sample."Größe ä?%_'" to authenticated using (true);
     grant select, insert, update, delete on sample."User", sample."Größe ä?%_'" to authenticated;
     grant execute on function sample.test_key(text, text), sample."Count it"(int) to authenticated`,
    '/rpc/test_key?apikey=x',
  ),
);
after(async () => {
  await drop(
    `drop table sample."User", sample."Größe ä?%_'"; drop function sample.test_key(text, text), sample."Count it"(int)`,
  );
  await close();
});

/** A user with three projects: a, b and c. */
const owner = async () => {
  const token = await userToken(randomUUID());
  const names = ['a', 'b', 'c'];
  const inserted = await ask(PROJECTS, { token, json: names.map((name) => ({ name })) });
  assert.equal(inserted.status, 201);
  const remaining = async () => {
    const { body } = await ask(`${PROJECTS}?select=name&order=name`, { token });
    return body.map(({ name }) => name).join('');
  };
  return { token, remaining };
};

test('an apikey in the query is a filter or an argument where the key came in a header', async () => {
  const { token, remaining } = await owner();
  const query = '?name=neq.a&apikey=eq.nobody';
  const direct = await ask(`/projects${query}`, { base: stack.postgrest_url, token, method: 'DELETE' });
  assert.deepEqual([direct.status, direct.body.code], [400, '42703']);
  for (const method of ['DELETE', 'PATCH', 'GET']) {
    const body = method === 'PATCH' ? '{"color":"#000000"}' : undefined;
    const answer = await ask(PROJECTS + query, { token, key, method, body, headers: body ? JSON_TYPE : {} });
    assert.deepEqual([answer.status, answer.body.code], [400, '42703'], method);
  }
  assert.equal(await remaining(), 'abc');
  const rows = await ask('/rest/v1/User?apikey=eq.two&select=apikey', { token, key });
  assert.deepEqual(rows.body, [{ apikey: 'two' }]);
  assert.equal((await ask('/rest/v1/rpc/test_key?apikey=x', { token, key })).body, 'x');
  assert.equal((await ask('/rest/v1/rpc/test_key?apikey=x&xmin=5', { token, key })).body, 'x5', 'any name will do');
  // In the query alone it is the key, and the key only.
  assert.deepEqual((await ask(`/rest/v1/User?apikey=eq.two`, { token })).body.code, 'RG202');
  assert.equal((await ask(`${PROJECTS}?select=name&apikey=${key}`, { token })).status, 200);
  const both = await ask(`/rest/v1/User?apikey=${key}&apikey=eq.two&select=apikey`, { token });
  assert.deepEqual(both.body, [{ apikey: 'two' }]);
});

test('a preference that protects is honoured or refused, however it is written', async () => {
  const { token, remaining } = await owner();
  for (const prefer of [
    'max-affected=1',
    'handling=strict, max-affected=1',
    'handling=strict;max-affected=1',
    'Handling=strict, Max-Affected=1',
    'HANDLING = "strict" , max-affected = "1"',
    'handling=lenient, max-affected=1',
    'handling=strict, max-affected=1, timezone=UTC',
    'max-affected=1;foo=bar',
    'return=minimal; max-affected=1',
    'max-affected=one',
    'tx=rollback',
    'Tx = "rollback"',
    'return=representation;tx=rollback',
    'return="minimal',
  ]) {
    for (const [method, query] of [
      ['DELETE', '?name=neq.none'],
      ['PATCH', '?name=neq.none'],
      ['POST', ''],
    ]) {
      const body = method === 'POST' ? '{"name":"d"}' : '{"color":"#123456"}';
      const headers = { ...JSON_TYPE, prefer };
      const answer = await ask(PROJECTS + query, { token, method, headers, ...(method !== 'DELETE' && { body }) });
      const where = `${method} ${prefer}: ${answer.text}`;
      assert.equal(answer.status, 400, where);
      assert.ok(['RG309', 'PGRST122'].includes(answer.body.code), where);
    }
  }
  // On several lines they are one list.
  const headers = [`Authorization: Bearer ${token}`, 'Prefer: return=minimal', 'Prefer: Max-Affected=1'];
  const lines = await rawRequest(stack.edge_url, `DELETE ${PROJECTS}?name=neq.none HTTP/1.1`, { headers });
  assert.equal(lines.status, 400, lines.text);
  assert.equal(await remaining(), 'abc');
  const { body } = await ask(`${PROJECTS}?select=color&color=eq.%23123456`, { token });
  assert.deepEqual(body, []);
  const counted = await ask(PROJECTS, { token, headers: { prefer: 'Count=Exact' } });
  assert.equal(counted.headers.get('content-range'), '0-2/3');
  const returned = await ask(`${PROJECTS}?name=eq.a`, {
    token,
    method: 'DELETE',
    headers: { prefer: 'Return = "representation"' },
  });
  assert.equal(returned.body[0].name, 'a');
});

test('PostgREST is asked for the limit in the one form that all of its versions enforce or refuse', async () => {
  const seen = [];
  const server = createServer((request, response) => {
    seen.push(request.headers.prefer);
    response.writeHead(204, { 'preference-applied': 'handling=strict, max-affected=2' }).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const edge = await startEdge({ POSTGREST_URL: `http://127.0.0.1:${server.address().port}` });
  try {
    const token = await userToken();
    const send = (path, method, prefer) =>
      ask(`/rest/v1/${path}`, { base: edge.url, token, method, headers: { prefer } });
    const kept = await send('projects?id=eq.1', 'DELETE', 'Max-Affected="2", return=minimal');
    assert.deepEqual([kept.status, kept.headers.get('preference-applied')], [204, 'handling=strict, max-affected=2']);
    await send('rpc/anything', 'POST', 'handling=lenient, max-affected=2');
    await send('projects?id=eq.1', 'GET', 'max-affected=2, tx=commit');
    assert.deepEqual(seen, [
      'max-affected=2, return=minimal, handling=strict',
      'max-affected=2, handling=strict',
      'tx=commit',
    ]);
  } finally {
    await edge.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a limit on a write is handed on only to a PostgREST that heeds it', async () => {
  const { token, remaining } = await owner();
  const query = '?name=in.(a,b)&order=name&limit=1';
  const real = await ask(PROJECTS + query, { token, method: 'DELETE' });
  assert.deepEqual([real.status, await remaining()], [204, 'bc'], real.text);
  const seen = [];
  let version;
  const server = createServer((request, response) => {
    seen.push(`${request.method} ${request.headers.authorization ? 'with' : 'without'} a token`);
    response.writeHead(204, version ? { server: version } : {}).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const edge = await startEdge({ POSTGREST_URL: `http://127.0.0.1:${server.address().port}` });
  try {
    for (version of ['postgrest/13.0.0', 'postgrest/14.1 (abc)', 'postgrest/120.1', 'cloudflare', undefined]) {
      for (const limit of ['limit=1', 'offset=1', 'order=name&limit=x']) {
        const answer = await ask(`${PROJECTS}?name=eq.a&${limit}`, { base: edge.url, token, method: 'DELETE' });
        assert.deepEqual([answer.status, answer.body.code], [400, 'RG324'], `${version} ${limit}`);
      }
    }
    assert.deepEqual([...new Set(seen)], ['GET without a token']);
    version = 'postgrest/12.2.12';
    const kept = await ask(`${PROJECTS}${query}`, { base: edge.url, token, method: 'DELETE' });
    assert.deepEqual([kept.status, seen.at(-1)], [204, 'DELETE with a token']);
  } finally {
    await edge.stop();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test('a write that depends on a version is refused: rows have none', async () => {
  const { token, remaining } = await owner();
  for (const headers of [
    { 'if-match': '"x"' },
    { 'if-none-match': '*' },
    { 'if-unmodified-since': 'Wed, 21 Oct 2015 07:28:00 GMT' },
  ]) {
    for (const method of ['PATCH', 'DELETE']) {
      const body = method === 'PATCH' ? '{"color":"#123456"}' : undefined;
      const answer = await ask(`${PROJECTS}?name=eq.a`, { token, method, body, headers: { ...JSON_TYPE, ...headers } });
      assert.deepEqual([answer.status, answer.body.code], [412, 'RG323'], JSON.stringify(headers));
    }
  }
  assert.equal(await remaining(), 'abc');
  assert.equal((await ask(PROJECTS, { token, headers: { 'if-none-match': '"x"' } })).status, 200);
});

test('a condition that no row can fail is no filter', async () => {
  const { token, remaining } = await owner();
  for (const query of [
    'id=not.in.()',
    'name=like(all).{}',
    'name=not.eq(any).{}',
    'or=(id.not.in.())',
    'not.and=(id.in.(),name.eq.x)',
    'or=(name.eq.a,id.not.in.(""))',
    'or=(description.is.null,description.not.is.null)',
    'or=(name.eq.a,name.neq.a)',
    'name=like.*',
    'name=ilike.%25%25',
    'name=match.',
    'name=gte.',
    'created_at=gte.-infinity',
    'id=not.in.()&name=like.*',
    'children.id=eq.1&id=not.in.()',
  ]) {
    for (const method of ['DELETE', 'PATCH']) {
      const body = method === 'PATCH' ? '{"color":"#123456"}' : undefined;
      const answer = await ask(`${PROJECTS}?${query}`, { token, method, body, headers: JSON_TYPE });
      assert.deepEqual([answer.status, answer.body.code], [400, 'RG307'], `${method} ${query}: ${answer.text}`);
    }
  }
  assert.equal(await remaining(), 'abc');
  const narrow = await ask(`${PROJECTS}?name=like.*&name=in.(a,b)`, { token, method: 'DELETE' });
  assert.deepEqual([narrow.status, await remaining()], [204, 'c']);
});

test('tables, columns and functions may have any name', async () => {
  const token = await userToken();
  const headers = { prefer: 'return=representation' };
  const user = '/rest/v1/User';
  const all = await ask(`${user}?select="Full name"&order="Full name"`, { token });
  assert.deepEqual(all.body, [{ 'Full name': 'Ada "L"' }, { 'Full name': 'Bob' }]);
  assert.equal(all.headers.get('content-location'), '/rest/v1/User?order=%22Full%20name%22&select=%22Full%20name%22');
  const one = await ask(`${user}?Full name=eq.Ada "L"`, { token });
  assert.equal(one.body[0].apikey, 'one', 'blanks need no quotation marks');
  const added = await ask(user, {
    token,
    json: { 'Full name': "Cy O'Neil", apikey: 'three' },
    headers: { prefer: 'return=headers-only' },
  });
  assert.equal(added.headers.get('location'), '/rest/v1/User?Full%20name=eq.Cy%20O%27Neil');
  assert.equal((await ask(added.headers.get('location'), { token })).body[0].apikey, 'three');
  const removed = await ask(`${user}?"Full name"=eq.Cy O'Neil`, { token, method: 'DELETE', headers });
  assert.equal(removed.body.length, 1);
  const odd = `/rest/v1/${encodeURIComponent("Größe ä?%_'")}`;
  const sizes = await ask(`${odd}?select=id&order=id`, { token });
  assert.deepEqual(sizes.body, [{ id: 1 }, { id: 2 }]);
  const content = sizes.headers.get('content-location');
  assert.deepEqual((await ask(content, { token })).body, sizes.body, content);
  const made_ = await ask(odd, { token, json: { id: 3 }, headers: { prefer: 'return=headers-only' } });
  const location = made_.headers.get('location');
  assert.deepEqual((await ask(location, { token, method: 'DELETE', headers })).body, [{ id: 3 }], location);
  assert.equal((await ask('/rest/v1/rpc/Count%20it', { token, json: { 'A b': 1 } })).body, 2);
  assert.equal((await ask('/rest/v1/rpc/Count%20it?A%20b=2', { token })).body, 3);
  for (const name of [
    '%2e%2e%2fready',
    'a%2Fb',
    'rpc%2Ftest_key',
    'a%5Cb',
    'a%0Ab',
    'x'.repeat(64),
    `%C3%A4`.repeat(32),
  ]) {
    const answer = await ask(`/rest/v1/${name}`, { token });
    assert.deepEqual([answer.status, answer.body.code], [400, 'RG304'], name);
  }
});

test('an address may have 16 KB, of which a quotation mark is one', async () => {
  const token = await userToken();
  const read = (name) =>
    rawRequest(stack.edge_url, `GET ${PROJECTS}?name=in.(${name}) HTTP/1.1`, {
      headers: [`Authorization: Bearer ${token}`],
    });
  const room = 16 * 1024 - `${PROJECTS}name=in.()`.length;
  for (const name of ['x'.repeat(room), "'".repeat(room), 'a,'.repeat(room / 2)]) {
    assert.equal((await read(name)).status, 200, `${name.slice(0, 2)}...`);
    const over = await read(`${name}xx`);
    assert.equal(over.status, 414, over.text.slice(0, 300));
  }
});
