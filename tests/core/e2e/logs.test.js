// The log: one line for each request, with an error's code and name, and one for each failure of the edge itself. On workerd.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, userToken } from '../../support/stack.js';

let edge;
let token;

before(async () => {
  edge = await startEdge();
  token = await userToken();
});
after(async () => {
  await edge?.stop();
  await close();
});

/** The log's lines about one request, by their event. */
const lines = async (from, id, count = 1) => {
  const found = await from.logged((line) => line.id === id, count);
  assert.equal(found.length, count, JSON.stringify(found));
  return Object.fromEntries(found.map((line) => [line.event, line]));
};

const request = async (from, path, { headers, ...options } = {}) => {
  const id = `test-${randomUUID()}`;
  const answer = await ask(path, { base: from.url, ...options, headers: { 'x-request-id': id, ...headers } });
  assert.equal(answer.headers.get('x-request-id'), id);
  return { id, ...answer };
};

test('the line of a refused request has the code and the name of its error', async () => {
  const cases = [
    ['/nowhere', {}, 404, 'RG101', 'endpoint_not_found'],
    ['/rest/v1/projects', { token: 'a.b.c' }, 401, 'RG202', 'token_malformed'],
    ['/rest/v1/projects', { token, headers: { 'accept-profile': 'private' } }, 406, 'PGRST106', 'schema_not_served'],
    // The database raises this one.
    ['/v1/entries', { json: { email: 'nobody' } }, 422, 'RG598', 'entry_invalid'],
    // PostgreSQL's own codes have no name.
    ['/rest/v1/nothing', { token }, 404, '42P01', null],
    ['/rest/v1/projects?limit=1', { token }, 200, null, null],
  ];
  for (const [path, options, status, code, error] of cases) {
    const answer = await request(edge, path, options);
    assert.equal(answer.status, status, path);
    const line = (await lines(edge, answer.id)).request;
    assert.deepEqual([line.status, line.code, line.error], [status, code, error], path);
    if (code) assert.deepEqual(Object.keys(answer.body), ['code', 'message', 'details', 'hint']);
  }
});

test('a failure of the edge itself is logged with the request’s id and its cause, which the client does not get', async () => {
  // The address passes the check of its form, but no request can be built from it.
  const broken = await startEdge({ POSTGREST_URL: 'http://[' });
  try {
    const answer = await request(broken, '/v1/entries', { json: { email: 'a@example.org' } });
    assert.deepEqual([answer.status, answer.body.code, answer.body.details], [500, 'RG902', null]);
    const found = await lines(broken, answer.id, 2);
    assert.equal(found.internal_error.message, 'the call cannot be built');
    assert.ok(!answer.text.includes(found.internal_error.message));
    assert.deepEqual([found.request.code, found.request.error], ['RG902', 'internal_error']);
  } finally {
    await broken.stop();
  }
});

test('an answer that the runtime refuses is a failure of the edge, with the headers of every answer', async () => {
  // No known answer of the edge is refused, so this runtime refuses the status of a preflight's.
  const around = `import edge from './entry.js';
    const Accepting = Response;
    globalThis.Response = class extends Accepting {
      constructor(body, init) {
        if (init?.status === 204) throw new RangeError('no 204 today');
        super(body, init);
      }
    };
    export default edge;`;
  const origin = 'https://www.example.org';
  const refusing = await startEdge({ ALLOWED_ORIGINS: origin }, [], around);
  try {
    const answer = await request(refusing, '/healthz', { method: 'OPTIONS', headers: { origin } });
    assert.deepEqual([answer.status, answer.body?.code], [500, 'RG902'], answer.text);
    assert.equal(answer.headers.get('cache-control'), 'private, no-store');
    assert.equal(answer.headers.get('access-control-allow-origin'), origin);
    const { internal_error: line } = await lines(refusing, answer.id, 2);
    assert.deepEqual([line.message, line.runtime], ['the runtime does not accept the answer', 'no 204 today']);
    assert.ok(!answer.text.includes(line.message) && !answer.text.includes(line.runtime));
  } finally {
    await refusing.stop();
  }
});
