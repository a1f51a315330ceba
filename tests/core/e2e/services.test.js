// The services behind the edge, over HTTP: what is handed on to them, and what comes back. Small servers stand in their places.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { token } from '../../../dev/issuer.js';
import { root } from '../../../dev/paths.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, made, stack, userToken } from '../../support/stack.js';
import { startService } from '../support/services.js';

const SITE = 'https://www.example.org';
const PROJECT_KEY = 'sb_publishable_0123456789abcdef';
let edge;
let project;
let own;
let service;
let user;

before(async () => {
  service = await startService();
  user = await userToken();
  const base = service.url;
  // As a Supabase project: one address, and the key of its gateway.
  project = await startEdge({
    SUPABASE_URL: base,
    SUPABASE_PUBLISHABLE_KEY: PROJECT_KEY,
    ALLOWED_ORIGINS: SITE,
    LIMITS: JSON.stringify({
      storage_bytes: 3_000_000,
      service_ms: 1000,
      storage_upload_ms: 1000,
      address_attempts: 0,
    }),
  });
  // As servers of one's own, without a gateway.
  own = await startEdge({ AUTH_URL: `${base}/`, STORAGE_URL: `${base}/files`, FUNCTIONS_URL: base });
  edge = await startEdge();
});
after(async () => {
  await Promise.all([edge, project, own].map((each) => each?.stop()));
  await service?.stop();
  await close();
});

const key = PROJECT_KEY;
const serviceToken = () => token(made, { issuer: stack.issuer, role: 'service_role' });
const to = (path, options = {}) => ask(path, { base: project.url, ...options });
const json =
  (value, status = 200, headers = {}) =>
  (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(value));
  };

test('a service that is not set up is 404 and says which variable is missing', async () => {
  const cases = [
    ['/auth/v1/settings', 'AUTH_URL'],
    ['/realtime/v1/websocket', 'REALTIME_URL'],
    ['/storage/v1/bucket', 'STORAGE_URL'],
    ['/functions/v1/hello', 'FUNCTIONS_URL'],
  ];
  for (const [path, variable] of cases) {
    const answer = await ask(path, { base: edge.url, key: made.publishable_key });
    assert.deepEqual([answer.status, answer.body.code], [404, 'RG103'], path);
    assert.ok(answer.body.details.includes(variable), answer.body.details);
  }
  // The other ones of this edge are set.
  const realtime = await ask('/realtime/v1/websocket', { base: own.url, key: made.publishable_key });
  assert.deepEqual([realtime.status, realtime.body.code], [404, 'RG103']);
});

test('paths, methods and headers go on by list, with the project’s key and the caller’s token', async () => {
  service.answers(json({ id: 1 }));
  const headers = {
    'x-supabase-api-version': '2024-01-01',
    'x-client-info': 'supabase-js',
    cookie: 'a=b',
    'x-other': 'c',
  };
  const answer = await to('/auth/v1/user?apikey=ignored&a=1', { key, token: user, headers });
  assert.deepEqual([answer.status, answer.body], [200, { id: 1 }]);
  const { method, url, headers: got } = service.last();
  assert.deepEqual([method, url], ['GET', '/auth/v1/user?a=1']);
  assert.equal(got.apikey, key);
  assert.equal(got.authorization, `Bearer ${user}`);
  assert.equal(got['x-supabase-api-version'], '2024-01-01');
  assert.equal(got['x-request-id'], answer.headers.get('x-request-id'));
  for (const absent of ['cookie', 'x-other', 'origin']) assert.equal(got[absent], undefined, absent);

  const anonymous = await to('/storage/v1/bucket', { key });
  assert.equal(anonymous.status, 200);
  assert.equal(service.last().headers.authorization, undefined, 'the gateway makes a token of the key');

  const there = service.received.length;
  for (const [path, status, options] of [
    ['/auth/v1/nothing', 404],
    ['/auth/v1/admin/users', 403, { token: user }],
    ['/auth/v1/user', 405, { method: 'PATCH' }],
    ['/auth/v1/user', 401, { key: undefined }],
    ['/auth/v1/user', 401, { token: `${user}x` }],
    ['/storage/v1/object/a/..%2f..%2fbucket', 404],
    ['/storage/v1/object/a/%2e%2e%5cb', 404],
  ]) {
    const refused = await to(path, { key, ...options });
    assert.equal(refused.status, status, path);
  }
  assert.equal(service.received.length, there, 'none of them was asked');
});

/** The paths that the source of a client names behind its own address, with a name in each place that it fills in. */
const pathsIn = (folder) => {
  const place = join(root, 'node_modules', '@supabase', folder);
  const files = readdirSync(place).filter((name) => /\.m?js$/.test(name));
  const found = files.flatMap((name) => [
    ...readFileSync(join(place, name), 'utf8').matchAll(/`\$\{\w+\.url\}(\/[^`?]*)/g),
  ]);
  const filled = found.map(([, path]) =>
    path
      .replaceAll(/\$\{renderPath\}/g, 'object')
      .replaceAll(/\$\{queryString.*/g, '')
      .replaceAll(/\$\{[^}]*(\}|$)/g, 'x'),
  );
  return [...new Set(filled)];
};

test('each path that the clients of supabase-js name is one of the edge', async () => {
  const auth = pathsIn('auth-js/dist/module').map((path) => `/auth/v1${path}`);
  const storage = pathsIn('storage-js/dist').map(
    (path) => `/storage/v1${/^\/[A-Z]/.test(path) ? '/vector' : ''}${path}`,
  );
  assert.ok(auth.length > 40 && storage.length > 25, `${auth.length} ${storage.length}`);
  const unknown = [];
  // A preflight is 404 for a path that the edge does not have.
  for (const path of [...auth, ...storage]) {
    if ((await to(path, { method: 'OPTIONS' })).status !== 204) unknown.push(path);
  }
  assert.deepEqual(unknown, []);
  assert.equal((await to('/auth/v1/nothing', { method: 'OPTIONS' })).status, 404);
});

test('servers of one’s own get no key; storage gets the edge’s token for callers without one', async () => {
  service.answers(json({}));
  await ask('/auth/v1/settings', { base: own.url, key: made.publishable_key });
  assert.deepEqual([service.last().url, service.last().headers.apikey], ['/settings', undefined]);
  assert.equal(service.last().headers.authorization, undefined);
  await ask('/storage/v1/bucket', { base: own.url, key: made.publishable_key });
  const { url, headers } = service.last();
  assert.equal(url, '/files/bucket');
  const claims = JSON.parse(Buffer.from(headers.authorization.split('.')[1], 'base64url'));
  assert.equal(claims.role, 'anon');
});

test('a Realtime of one’s own has its WebSocket in a folder, and the rest beside it', async () => {
  // https://supabase.com/docs/guides/self-hosting: its gateway leads /realtime/v1/ to /socket, and /realtime/v1/api to /api.
  const folder = await startEdge({ REALTIME_URL: `${service.url}/socket` });
  try {
    service.answers((response) => response.writeHead(202).end());
    const options = { base: folder.url, key: made.publishable_key, json: { messages: [] } };
    assert.equal((await ask('/realtime/v1/api/broadcast', options)).status, 202);
    assert.equal(service.last().url, '/api/broadcast');
    const headers = { upgrade: 'websocket', connection: 'upgrade' };
    await new Promise((resolve) => {
      const opening = request(`${folder.url}/realtime/v1/websocket?apikey=${made.publishable_key}`, { headers });
      opening.on('response', resolve).on('error', resolve).end();
    });
    assert.equal(service.last().url, `/socket/websocket?apikey=${made.publishable_key}`);
  } finally {
    await folder.stop();
  }
});

test('no back-office token comes from a browser, and servers use theirs', async () => {
  service.answers(json({ users: [] }, 200, { 'x-total-count': '0', link: '</admin/users?page=2>; rel="next"' }));
  const secret = await serviceToken();
  const server = await to('/auth/v1/admin/users', { key, token: secret });
  assert.equal(server.status, 200);
  assert.equal(service.last().headers.authorization, `Bearer ${secret}`);
  assert.equal(server.headers.get('x-total-count'), '0');
  const there = service.received.length;
  for (const options of [{ token: secret, key }, { key: secret }]) {
    for (const path of ['/auth/v1/user', '/auth/v1/admin/users', '/storage/v1/bucket', '/functions/v1/hello']) {
      const refused = await to(path, { ...options, headers: { origin: SITE } });
      assert.deepEqual([refused.status, refused.body.code], [403, 'RG209'], path);
    }
  }
  assert.equal(service.received.length, there);
});

test('links that browsers follow need no key, and redirects are handed back', async () => {
  // https://supabase.com/docs/guides/auth/social-login: authorize leads to the provider, callback and verify back to the site.
  service.answers((response) => {
    response.writeHead(302, { location: `${SITE}/account#access_token=x`, 'set-cookie': 'a=b' });
    response.end();
  });
  for (const path of ['/auth/v1/authorize?provider=github', '/auth/v1/callback?code=x', '/auth/v1/verify?token=x']) {
    const answer = await to(path, { token: user });
    assert.deepEqual([answer.status, answer.headers.get('location')], [302, `${SITE}/account#access_token=x`], path);
    assert.equal(answer.headers.get('set-cookie'), null);
    assert.equal(service.last().url, path);
    assert.equal(service.last().headers.authorization, undefined, 'no credential goes with it');
  }
});

test('files that everybody may read need no key; ranges and caching pass', async () => {
  const file = randomBytes(300_000);
  // https://supabase.com/docs/guides/storage/serving/downloads and RFC 9110, section 14.
  service.answers((response, request) => {
    const range = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '');
    const [from, to] = range ? [Number(range[1]), Number(range[2])] : [0, file.length - 1];
    const part = file.subarray(from, to + 1);
    response.writeHead(range ? 206 : 200, {
      'content-type': 'image/png',
      'cache-control': 'max-age=3600',
      etag: '"x"',
      'accept-ranges': 'bytes',
      'content-length': part.length,
      ...(range && { 'content-range': `bytes ${from}-${to}/${file.length}` }),
    });
    response.end(request.method === 'HEAD' ? undefined : part);
  });
  const fetched = async (path, options) => {
    const answer = await fetch(project.url + path, options);
    return { answer, bytes: Buffer.from(await answer.arrayBuffer()) };
  };
  for (const path of [
    '/storage/v1/object/public/a/b%20c.png',
    '/storage/v1/render/image/public/a/b.png?width=5',
    '/storage/v1/object/sign/a/b.png?token=x',
  ]) {
    const { answer, bytes } = await fetched(path, { headers: { origin: SITE } });
    assert.equal(answer.status, 200);
    assert.ok(bytes.equals(file));
    assert.equal(service.last().url, path);
    assert.equal(answer.headers.get('cache-control'), 'max-age=3600');
    assert.equal(answer.headers.get('content-length'), `${file.length}`);
    assert.equal(answer.headers.get('access-control-allow-origin'), SITE);
  }
  const part = await fetched('/storage/v1/object/public/a/b', { headers: { range: 'bytes=10-19' } });
  assert.equal(part.answer.status, 206);
  assert.equal(part.answer.headers.get('content-range'), `bytes 10-19/${file.length}`);
  assert.ok(part.bytes.equals(file.subarray(10, 20)));
  const head = await fetched('/storage/v1/object/public/a/b', { method: 'HEAD' });
  assert.equal(head.answer.headers.get('content-length'), `${file.length}`);
  const known = await fetched('/storage/v1/object/public/a/b', { headers: { 'if-none-match': '"x"' } });
  assert.equal(known.answer.status, 304);
});

test('uploads stream through, up to a limit of their own', async () => {
  service.answers(json({ Key: 'a/b' }));
  const file = randomBytes(2_500_000);
  const headers = {
    'x-upsert': 'true',
    'cache-control': 'max-age=60',
    'content-type': 'image/png',
    'x-metadata': 'e30=',
  };
  const sent = await to('/storage/v1/object/a/b', { method: 'POST', key, token: user, body: file, headers });
  assert.equal(sent.status, 200);
  const got = service.last();
  assert.ok(got.body.equals(file));
  for (const [name, value] of Object.entries(headers)) assert.equal(got.headers[name], value, name);
  const form = new FormData();
  form.append('', new Blob([file.subarray(0, 1000)]), 'b.png');
  await to('/storage/v1/object/a/b', { method: 'PUT', key, token: user, body: form });
  assert.match(service.last().headers['content-type'], /^multipart\/form-data; boundary=/);
  const zipped = { ...headers, 'content-encoding': 'gzip' };
  await to('/storage/v1/object/a/c', {
    method: 'POST',
    key,
    token: user,
    body: file.subarray(0, 5000),
    headers: zipped,
  });
  assert.ok(service.last().body.equals(file.subarray(0, 5000)), 'an encoded file is stored as it is');
  assert.equal(service.last().headers['content-encoding'], 'gzip');
  const there = service.received.length;
  const large = await to('/storage/v1/object/a/b', { method: 'POST', key, token: user, body: randomBytes(3_000_001) });
  assert.deepEqual([large.status, large.body.code], [413, 'RG302']);
  assert.equal(service.received.length, there);
});

test('resumable uploads go on through the edge', async () => {
  // https://tus.io/protocols/resumable-upload: the place of an upload is the server's own address, which clients then use.
  service.answers((response, request) => {
    if (request.method === 'POST') {
      response.writeHead(201, { location: `${service.url}/storage/v1/upload/resumable/abc`, 'tus-resumable': '1.0.0' });
    } else if (request.method === 'PATCH') {
      response.writeHead(204, { 'upload-offset': '5', 'tus-resumable': '1.0.0' });
    } else {
      response.writeHead(200, { 'upload-offset': '5', 'upload-length': '9', 'tus-resumable': '1.0.0' });
    }
    response.end();
  });
  const tus = { 'tus-resumable': '1.0.0' };
  const create = {
    ...tus,
    'upload-length': '9',
    'upload-metadata': 'bucketName YQ==',
    'x-upsert': 'true',
    origin: SITE,
  };
  const begun = await to('/storage/v1/upload/resumable', { method: 'POST', key, token: user, headers: create });
  assert.deepEqual([begun.status, begun.headers.get('location')], [201, '/storage/v1/upload/resumable/abc']);
  assert.match(begun.headers.get('access-control-expose-headers'), /\blocation\b.*\bupload-offset\b/);
  for (const name of ['tus-resumable', 'upload-length', 'upload-metadata', 'x-upsert'])
    assert.equal(service.last().headers[name], create[name]);
  const piece = { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' };
  const place = begun.headers.get('location');
  const sent = await to(place, { method: 'PATCH', key, token: user, headers: piece, body: 'abcde' });
  assert.deepEqual([sent.status, sent.headers.get('upload-offset')], [204, '5']);
  assert.equal(`${service.last().body}`, 'abcde');
  const asked = await to(place, { method: 'HEAD', key, token: user, headers: tus });
  assert.deepEqual([asked.headers.get('upload-offset'), asked.headers.get('upload-length')], ['5', '9']);
});

test('a resumable upload to a signed address needs no key', async () => {
  // https://supabase.com/docs/guides/storage/uploads/resumable-uploads#presigned-uploads: the signature is all that the client has.
  service.answers((response) => {
    const location = `${service.url}/storage/v1/upload/resumable/sign/abc`;
    response.writeHead(201, { location, 'tus-resumable': '1.0.0' }).end();
  });
  const headers = { 'tus-resumable': '1.0.0', 'x-signature': 'x.y.z', 'upload-length': '5' };
  const created = await to('/storage/v1/upload/resumable/sign', { method: 'POST', token: user, headers });
  const place = created.headers.get('location');
  assert.deepEqual([created.status, place], [201, '/storage/v1/upload/resumable/sign/abc']);
  assert.equal(service.last().headers['x-signature'], 'x.y.z');
  assert.equal(service.last().headers.authorization, undefined, 'no credential goes with it');
  for (const method of ['HEAD', 'PATCH', 'DELETE']) {
    assert.equal((await to(place, { method, headers })).status, 201, method);
    assert.deepEqual([service.last().method, service.last().url], [method, place]);
  }
});

test('what an answer depends on is said to caches, and no uploaded document runs', async () => {
  const answers = [
    // Images are made in a format that the client takes: https://supabase.com/docs/guides/storage/serving/image-transformations.
    [{ 'content-type': 'image/webp', vary: 'Accept' }, 'Accept, Origin', null],
    [{ 'content-type': 'image/png, text/html' }, 'Origin', 'sandbox'],
    [{ 'content-type': 'text/html x' }, 'Origin', 'sandbox'],
    [{ 'content-type': 'application/rss+xml' }, 'Origin', 'sandbox'],
  ];
  for (const [headers, vary, policy] of answers) {
    service.answers((response) => response.writeHead(200, headers).end('<script>1</script>'));
    const answer = await to('/storage/v1/render/image/public/a/b');
    assert.deepEqual([answer.headers.get('vary'), answer.headers.get('content-security-policy')], [vary, policy]);
    assert.equal(answer.headers.get('x-content-type-options'), 'nosniff');
  }
});

test('functions get any method, and stream their answers', async () => {
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  service.answers(async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write('data: 1\n\n');
    await held;
    response.end('data: 2\n\n');
  });
  const headers = { 'x-region': 'eu-west-1', apikey: key };
  const answer = await fetch(`${project.url}/functions/v1/hello/deep?x=1`, { method: 'POST', body: '{}', headers });
  const reader = answer.body.getReader();
  assert.equal(Buffer.from((await reader.read()).value).toString(), 'data: 1\n\n', 'it comes before the end');
  release();
  assert.equal(Buffer.from((await reader.read()).value).toString(), 'data: 2\n\n');
  assert.deepEqual(
    [service.last().url, service.last().headers['x-region']],
    ['/functions/v1/hello/deep?x=1', 'eu-west-1'],
  );
  // https://supabase.com/docs/guides/functions/status-codes: a function's own errors are for its caller.
  service.answers(json({ mine: true }, 503, { 'x-relay-error': 'true' }));
  const failed = await to('/functions/v1/hello', { method: 'DELETE' });
  assert.deepEqual([failed.status, failed.body], [503, { mine: true }]);
  assert.equal(failed.headers.get('x-relay-error'), 'true');
  service.answers((response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<script>1</script>'));
  const page = await to('/functions/v1/page');
  assert.equal(page.headers.get('content-security-policy'), 'sandbox');
});

test('a refusal of a service is its own, and its failure has the edge’s form', async () => {
  // https://supabase.com/docs/guides/auth/debugging/error-codes
  const refusal = { code: 400, error_code: 'invalid_credentials', msg: 'Invalid login credentials' };
  service.answers(json(refusal, 400, { 'x-supabase-api-version': '2024-01-01' }));
  const options = { key, json: { email: 'ada@example.org', password: 'x' } };
  const refused = await to('/auth/v1/token?grant_type=password', options);
  assert.deepEqual([refused.status, refused.body], [400, refusal]);
  assert.equal(refused.headers.get('x-supabase-api-version'), '2024-01-01');
  service.answers((response) => response.writeHead(503).end('upstream connect error'));
  const down = await to('/auth/v1/settings', { key });
  assert.deepEqual([down.status, down.body.code, down.body.details], [503, 'RG415', 'auth']);
  assert.ok(down.headers.get('retry-after'));
  service.answers(() => {});
  const slow = await to('/storage/v1/bucket', { key });
  assert.deepEqual([slow.status, slow.body.code, slow.body.details], [504, 'RG416', 'storage']);
  const away = await startEdge({ AUTH_URL: 'http://127.0.0.1:9' });
  try {
    const answer = await ask('/auth/v1/settings', { base: away.url, key: made.publishable_key });
    assert.deepEqual([answer.status, answer.body.code], [503, 'RG415']);
  } finally {
    await away.stop();
  }
});

/** A service that answers each connection with some bytes and ends it. */
const startRaw = async () => {
  const state = { bytes: '' };
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(state.bytes));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => new Promise((resolve) => server.close(resolve));
  return { state, stop, url: `http://127.0.0.1:${server.address().port}` };
};

test('garbage, a broken answer and a false encoding are errors, never a whole answer', async () => {
  const raw = await startRaw();
  const broken = await startEdge({ STORAGE_URL: raw.url, FUNCTIONS_URL: raw.url });
  const paths = ['/storage/v1/object/public/a/b', '/functions/v1/hello'];
  try {
    for (const bytes of ['', 'garbage\r\n\r\n', 'HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n']) {
      raw.state.bytes = bytes;
      for (const path of paths) {
        const { status, body, headers } = await ask(path, { base: broken.url });
        assert.deepEqual([status, body?.code], [503, 'RG415'], `${bytes} ${path}`);
        assert.ok(headers.get('retry-after'));
      }
    }
    for (const bytes of [
      'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n',
      'HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain',
      `HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8b\x08short12`,
    ]) {
      raw.state.bytes = Buffer.from(bytes, 'latin1');
      for (const path of paths) {
        const whole = fetch(broken.url + path).then((answer) => answer.ok && answer.text());
        await assert.rejects(whole, { name: 'TypeError' }, `${bytes} ${path}`);
      }
    }
  } finally {
    await broken.stop();
    await raw.stop();
  }
});

test('what a gateway before a service says has the edge’s form, and a function’s statuses are its own', async () => {
  // https://developers.cloudflare.com/support/troubleshooting/http-status-codes/cloudflare-5xx-errors/
  const page = (status) => (response) => response.writeHead(status, { 'content-type': 'text/html' }).end('<h1>no</h1>');
  for (const [status, ...wanted] of [
    [502, 503, 'RG415'],
    [504, 504, 'RG416'],
    [521, 503, 'RG415'],
    [522, 503, 'RG415'],
    [524, 504, 'RG416'],
    [530, 503, 'RG415'],
  ]) {
    service.answers(page(status));
    const answer = await to('/auth/v1/settings', { key });
    assert.deepEqual([answer.status, answer.body.code], wanted, `${status}`);
    assert.equal((await to('/functions/v1/hello')).status, status);
  }
});

test('attempts to sign in are held by account and by address, and renewals are not', async () => {
  service.answers(json({}));
  const held = await startEdge({
    AUTH_URL: service.url,
    LIMITS: JSON.stringify({ address_attempts: 8, account_attempts: 3 }),
  });
  const from = (address, path, body) =>
    ask(path, { base: held.url, key: made.publishable_key, json: body, headers: { 'cf-connecting-ip': address } });
  const sign = '/auth/v1/token?grant_type=password';
  try {
    const statuses = [];
    for (let n = 0; n < 5; n++)
      statuses.push(
        (await from(`203.0.113.${n}`, sign, { email: n % 2 ? 'ADA@example.org' : 'ada@example.org' })).status,
      );
    assert.deepEqual(statuses, [200, 200, 200, 429, 429], 'one account, from five addresses');
    const refused = await from('203.0.113.9', '/auth/v1/recover', { email: 'ada@example.org' });
    assert.deepEqual([refused.status, refused.body.code], [429, 'RG334']);
    assert.ok(Number(refused.headers.get('retry-after')) > 0);
    assert.equal(refused.headers.get('x-supabase-api-version'), '2024-01-01', 'so that auth-js has the code');
    assert.equal((await from('203.0.113.9', sign, { email: 'bob@example.org' })).status, 200, 'another account');
    // Auth takes all of these for one account (supabase/auth: formatPhoneNumber, and Go's strings.ToLower).
    for (const spellings of [
      [{ phone: '+4912345' }, { phone: '49 123 45' }, { phone: '4912345' }, { phone: '+4 9 1 2 3 4 5' }],
      [
        { email: 'ii@example.org' },
        { email: 'İi@example.org' },
        { email: 'iİ@example.org' },
        { email: 'İI@example.org' },
      ],
    ]) {
      const seen = [];
      for (const [n, spelling] of spellings.entries())
        seen.push((await from(`198.51.100.${n}`, sign, spelling)).status);
      assert.deepEqual(seen, [200, 200, 200, 429], JSON.stringify(spellings));
    }
    const many = [];
    for (let n = 0; n < 10; n++) many.push((await from('203.0.113.77', sign, { email: `u${n}@example.org` })).status);
    assert.deepEqual(many, [...Array(8).fill(200), 429, 429], 'ten accounts, from one address');
    const renewed = await from('203.0.113.77', '/auth/v1/token?grant_type=refresh_token', { refresh_token: 'x' });
    assert.equal(renewed.status, 200);
    const there = service.received.length;
    const odd = await from('203.0.113.8', sign, { email: 'a@example.org', Email: 'ada@example.org' });
    assert.deepEqual([odd.status, odd.body.code], [400, 'RG301']);
    assert.equal(service.received.length, there);
  } finally {
    await held.stop();
  }
});

test('what a signed-in user guesses counts for that user, whatever account the body names', async () => {
  service.answers(json({}));
  const held = await startEdge({ AUTH_URL: service.url, LIMITS: JSON.stringify({ account_attempts: 3 }) });
  try {
    const guess = async (method, path, body) => {
      const bearer = await userToken();
      const statuses = [];
      for (let n = 0; n < 5; n++) {
        const headers = { 'cf-connecting-ip': `203.0.113.${n}` };
        const answer = await ask(path, { base: held.url, token: bearer, method, json: body(n), headers });
        statuses.push(answer.status);
      }
      return statuses;
    };
    const most = [200, 200, 200, 429, 429];
    const code = (n) => ({ challenge_id: 'c', code: `00000${n}`, email: `u${n}@example.org` });
    assert.deepEqual(await guess('POST', '/auth/v1/factors/f/verify', code), most);
    const disguised = await guess('POST', '/auth/v1/factors/f/verify?grant_type=refresh_token', code);
    assert.deepEqual(disguised, most, 'sessions are renewed at /token only');
    for (const secret of ['nonce', 'NONCE', 'current_password', 'current_paſſword']) {
      const body = (n) => ({ password: 'new', [secret]: `00000${n}`, email: `${randomUUID()}@example.org` });
      assert.deepEqual(await guess('PUT', '/auth/v1/user', body), most, secret);
    }
    const data = () => ({ data: { theme: 'dark' } });
    assert.deepEqual(await guess('PUT', '/auth/v1/user', data), Array(5).fill(200), 'nothing is guessed');
  } finally {
    await held.stop();
  }
});

test('codes that name no account are held together, from all addresses', async () => {
  service.answers(json({}));
  const held = await startEdge({ AUTH_URL: service.url, LIMITS: JSON.stringify({ address_attempts: 2 }) });
  try {
    let addresses = 0;
    const send = (path, options = {}) => {
      addresses += 1;
      const headers = { 'cf-connecting-ip': `203.0.113.${addresses}` };
      return ask(path, { base: held.url, key: made.publishable_key, headers, ...options });
    };
    const verify = '/auth/v1/verify';
    const byHash = () => send(verify, { json: { type: 'email', token_hash: `${addresses}` } });
    const byLink = () => send(`${verify}?type=email&token=${addresses}`, { key: undefined });
    const statuses = [];
    for (let n = 0; n < 11; n++) statuses.push((await byHash()).status, (await byLink()).status);
    assert.deepEqual(statuses, [...Array(20).fill(200), 429, 429]);
    const signedIn = await send(verify, { token: user, json: { token_hash: 'x', email: 'decoy@example.org' } });
    assert.equal(signedIn.status, 429);
    const named = await send(verify, { json: { type: 'email', email: 'ada@example.org', token: '123456' } });
    assert.equal(named.status, 200);
    assert.equal((await send('/auth/v1/signup', { json: {} })).status, 200, 'a person without an account');
    const headers = { 'cf-connecting-ip': '203.0.113.200' };
    const server = await send(verify, { token: await serviceToken(), json: { token_hash: 'x' }, headers });
    assert.equal(server.status, 200);
  } finally {
    await held.stop();
  }
});

test('the address of the client goes on, and what a client says of it does not', async () => {
  service.answers(json({}));
  const headers = { 'cf-connecting-ip': '203.0.113.5', 'x-forwarded-for': '198.51.100.1' };
  await to('/auth/v1/settings', { key, headers });
  assert.equal(service.last().headers['x-forwarded-for'], '203.0.113.5');
});

test('a project is two variables: the data API gets its key, and the issuer is its own', async () => {
  service.answers(json([]));
  const whole = await startEdge({
    POSTGREST_URL: '',
    ISSUERS: '',
    SUPABASE_URL: service.url,
    SUPABASE_PUBLISHABLE_KEY: key,
  });
  try {
    const rows = await ask('/rest/v1/anything', { base: whole.url, key });
    assert.deepEqual([rows.status, rows.body], [200, []]);
    assert.match(service.last().url, /^\/rest\/v1\/anything\?/);
    assert.equal(service.last().headers.apikey, key);
    // The project's own users: the keys are asked for where it has them.
    service.answers(json({ keys: [] }));
    const issuer = `${service.url}/auth/v1`;
    const theirs = await ask('/rest/v1/anything', {
      base: whole.url,
      key,
      token: await userToken(undefined, { issuer }),
    });
    assert.equal(service.last().url, '/auth/v1/.well-known/jwks.json');
    assert.ok([401, 503].includes(theirs.status), theirs.text);
    const foreign = await ask('/rest/v1/anything', { base: whole.url, key, token: user });
    assert.deepEqual([foreign.status, foreign.body.code], [401, 'RG206']);
  } finally {
    await whole.stop();
  }
  for (const secret of ['sb_secret_0123456789abcdefgh', await serviceToken()]) {
    const refusing = await startEdge({ SUPABASE_URL: service.url, SUPABASE_PUBLISHABLE_KEY: secret });
    try {
      const { status, body } = await ask('/healthz', { base: refusing.url });
      assert.deepEqual([status, body.code], [500, 'RG901']);
      assert.match(body.details, /SUPABASE_PUBLISHABLE_KEY/);
    } finally {
      await refusing.stop();
    }
  }
});
