// What a purpose endpoint makes of a function's result, and of a body that it reads: whole or in pieces, short or long, with a
// declared length or without one.
import assert from 'node:assert/strict';
import { createServer, request as send } from 'node:http';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { ask, close, schemaOfTests, userToken } from '../../support/stack.js';

const KB = 1024;
const JSON_TYPE = 'application/json; charset=utf-8';
/** Endpoints that differ in what becomes of the result. */
const ANSWERS = { ok: 200, created: 201, accepted: 202, no_content: 204 };

const manifest = {
  name: 'results',
  schemas: [schemaOfTests],
  endpoints: Object.keys(ANSWERS).map((answer) => ({
    ...{ method: 'POST', path: `/v1/results/${answer}`, access: 'key', call: `${schemaOfTests}.any`, answer },
    arguments: { body: { body: 'value' } },
  })),
};

let edge;
let token;
/** What the upstream answers next, and the bodies that it got. */
let next;
const got = [];

const upstream = createServer(async (request, response) => {
  const pieces = [];
  for await (const piece of request) pieces.push(piece);
  got.push(Buffer.concat(pieces).toString());
  next(response);
});

before(async () => {
  token = await userToken();
  await new Promise((resolve) => upstream.listen(0, '127.0.0.1', resolve));
  const POSTGREST_URL = `http://127.0.0.1:${upstream.address().port}`;
  edge = await startEdge({ POSTGREST_URL }, [], undefined, [manifest]);
});
after(async () => {
  await edge?.stop();
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
  await close();
});

const post = (answer, json = {}) => ask(`/v1/results/${answer}`, { base: edge.url, token, json });

/** Answers with a text in pieces, as PostgREST 12 does, or with its length, as newer ones do. */
const saying =
  (text, { declared = false, type = JSON_TYPE, status = 200 } = {}) =>
  (response) => {
    response.writeHead(status, {
      ...(type && { 'content-type': type }),
      ...(declared && { 'content-length': Buffer.byteLength(text) }),
    });
    for (let at = 0; at < text.length; at += 10_000) response.write(text.slice(at, at + 10_000));
    response.end();
  };

test('a result passes as PostgREST wrote it, at any length', async () => {
  const exact = '{"b": 1, "a": 12345678901234567890.123456789, "c": [1.0, "ä", 1e400]}';
  const texts = [exact, 'null', '"x"', ...[16, 100, 1000].map((size) => JSON.stringify('x'.repeat(size * KB)))];
  for (const text of texts) {
    for (const declared of [false, true]) {
      next = saying(text, { declared });
      for (const [answer, status] of Object.entries(ANSWERS)) {
        const found = await post(answer);
        const wanted = status === 204 ? [status, '', null] : [status, text, JSON_TYPE];
        assert.deepEqual([found.status, found.text, found.headers.get('content-type')], wanted);
        assert.equal(found.headers.get('cache-control'), 'private, no-store');
      }
    }
  }
});

test('a result that is none, too large, broken off or not declared as JSON', async () => {
  const tooLarge = JSON.stringify('x'.repeat(1024 * KB));
  const brokenOff = (response) => {
    response.writeHead(200, { 'content-type': JSON_TYPE, 'content-length': 100 });
    response.write('{"a":');
    setTimeout(() => response.destroy(), 50);
  };
  for (const [answer, ...wanted] of [
    [saying('', { status: 204, type: undefined }), 200, 'null'],
    [saying(tooLarge), 502, 'RG408'],
    [saying(tooLarge, { declared: true }), 502, 'RG408'],
    [brokenOff, 502, 'RG403'],
    [saying('<html>', { type: 'text/html' }), 502, 'RG403'],
    [saying('{"b": 1}', { type: 'text/plain' }), 200, '{"b":1}'],
  ]) {
    next = answer;
    const { status, text, body } = await post('ok');
    assert.deepEqual([status, status === 200 ? text : body.code], wanted);
  }
});

test('a body is read to its end, with a declared length or without one', async () => {
  next = saying('1');
  for (const size of [1, 16, 100, 900]) {
    const json = { text: 'ä'.repeat((size * KB) / 2) };
    const body = Buffer.from(JSON.stringify(json));
    for (const declared of [true, false]) {
      got.length = 0;
      const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
      if (declared) headers['content-length'] = body.length;
      const status = await new Promise((resolve, reject) => {
        const request = send(`${edge.url}/v1/results/ok`, { method: 'POST', headers }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode));
        });
        request.on('error', reject);
        for (let at = 0; at < body.length; at += 9_999) request.write(body.subarray(at, at + 9_999));
        request.end();
      });
      assert.equal(status, 200);
      assert.deepEqual(JSON.parse(got[0]), { body: json });
    }
  }
});
