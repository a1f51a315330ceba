// Files through the edge with @supabase/supabase-js, unmodified, in Node. The service is a small server that answers as Supabase Storage
// is documented to, or that of a project of your own (docs/services.md).
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { after, before, test } from 'node:test';
import { waitFor } from '../../../dev/process.js';
import { startEdge } from '../../support/edge.js';
import { close } from '../../support/stack.js';
import { files, refusals } from '../support/clients/storage.js';
import { clients, isReal, needsStandIn, needsVariable, startProject } from '../support/project.js';
import { storage } from '../support/storage.js';

const SITE = 'https://www.example.org';
const MB = 1024 * 1024;
const LIMIT = 50 * MB;
let project;
let edge;

before(async () => {
  project = await startProject({ storage: storage() });
  const limits = { storage_bytes: LIMIT, ...(!isReal && { service_ms: 1500 }) };
  edge = await startEdge({ ...project.variables, ALLOWED_ORIGINS: SITE, LIMITS: JSON.stringify(limits) });
});
after(async () => {
  await edge?.stop();
  await project?.stop();
  await close();
});

const connect = (options) => clients(edge.url, project.key, SITE)(options);
const bucket = () => connect().storage.from('files');

test('files: upload, replace, read whole, in part and as a stream, sign, list, copy, move, remove', {
  ...needsVariable('SUPABASE_TEST_BUCKET'),
}, async () => {
  const text = 'The quick brown fox: ä 😀';
  const size = Buffer.byteLength(text);
  const seen = await files({ connect, bucket: process.env.SUPABASE_TEST_BUCKET ?? 'files', folder: randomUUID() });
  assert.deepEqual(seen, {
    uploaded: [true, true, 36],
    duplicate: [null, 'StorageApiError', '409', 'The resource already exists'],
    info: [size, 'text/x-test', { n: 2 }],
    exists: [true, false],
    downloaded: text,
    streamed: text,
    missing: [null, 'StorageApiError', '404', 'Object not found'],
    public: [200, null, text],
    part: [206, `bytes 4-8/${size}`, 'quick'],
    signed: ['attachment; filename=c.txt;', text],
    unsigned: [400, 'InvalidJWT'],
    several: [text, 'Either the object does not exist or you do not have access to it', null],
    listed: [
      ['a b.txt', true],
      ['copies', false],
      ['moved.txt', true],
    ],
    page: [['copies', false]],
    removed: 3,
    left: [],
  });
});

test('refusals are the service’s own', needsStandIn, async () => {
  assert.deepEqual(await refusals({ connect }), [
    [null, 'StorageApiError', '403', 'new row violates row-level security policy'],
    [null, 'StorageApiError', '404', 'Bucket not found'],
    [null, 'StorageApiError', '403', 'new row violates row-level security policy'],
  ]);
  const large = await bucket().upload('large.bin', new Uint8Array(LIMIT + 1));
  assert.deepEqual([large.error.status, large.error.statusCode], [413, 'RG302']);
});

/** Takes uploads without keeping them, and gives what it has heard of each: length and digest. */
const takeUploads = (path) => {
  const taken = [];
  project.storage.special.set(`files/${path}`, async (request, response) => {
    const digest = createHash('sha256');
    let length = 0;
    try {
      for await (const chunk of request) {
        length += chunk.length;
        digest.update(chunk);
      }
    } catch {
      taken.push({ length, isWhole: false });
      return;
    }
    taken.push({ length, isWhole: request.complete, digest: digest.digest('hex') });
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"Id":"1","Key":"x"}');
  });
  return taken;
};

const sha = (bytes) => createHash('sha256').update(bytes).digest('hex');

test('large uploads pass at flat memory', needsStandIn, async () => {
  const taken = takeUploads('large.bin');
  const bytes = randomBytes(30 * MB);
  const round = async () => {
    const sent = await Promise.all([1, 2, 3].map(() => bucket().upload('large.bin', bytes)));
    for (const { error } of sent) assert.equal(error, null);
    return edge.megabytes();
  };
  const before = await round();
  let most = before;
  for (let n = 0; n < 2; n++) most = Math.max(most, await round());
  assert.ok(most - before < 40, `${before} MB, then ${most} MB, for 270 MB of uploads`);
  assert.ok(most < 300, `${most} MB`);
  assert.equal(taken.length, 9);
  for (const { digest } of taken) assert.equal(digest, sha(bytes));
});

/** Sends an upload in pieces, without a declared length; gives the answer, or none for one that is broken off. */
const inPieces = (path, pieces, { broken = false } = {}) =>
  new Promise((resolve) => {
    const headers = { apikey: project.key, 'content-type': 'application/octet-stream' };
    const request = httpRequest(`${edge.url}/storage/v1/object/files/${path}`, { method: 'POST', headers });
    request.on('error', () => resolve(undefined));
    request.on('response', async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve({ status: response.statusCode, ...JSON.parse(text) });
    });
    const next = () => {
      const piece = pieces.shift();
      if (piece) request.write(piece, next);
      else if (broken) request.destroy();
      else request.end();
    };
    next();
  });

test('uploads that declare no length are streamed, up to the limit', needsStandIn, async () => {
  const taken = takeUploads('pieces.bin');
  const bytes = randomBytes(30 * MB);
  const round = async () => {
    const stream = () => new Blob([bytes]).stream();
    const sent = await Promise.all([1, 2].map(() => bucket().upload('pieces.bin', stream(), { duplex: 'half' })));
    for (const { error } of sent) assert.equal(error, null);
    return edge.megabytes();
  };
  const before = await round();
  let most = before;
  for (let n = 0; n < 2; n++) most = Math.max(most, await round());
  assert.equal(taken.length, 6);
  for (const { digest } of taken) assert.equal(digest, sha(bytes));
  assert.ok(most - before < 40 && most < 300, `${before} MB, then ${most} MB, for 180 MB of uploads`);
});

test('an upload that breaks off or is too large is cut off at the service, too', needsStandIn, async () => {
  const taken = takeUploads('cut.bin');
  const piece = randomBytes(MB);
  assert.equal(await inPieces('cut.bin', [piece, piece, piece], { broken: true }), undefined);
  await waitFor('the service to see it', () => taken.length === 1);
  const large = await inPieces('cut.bin', Array(51).fill(piece));
  assert.deepEqual([large.status, large.code], [413, 'RG302']);
  await waitFor('the service to see it', () => taken.length === 2);
  assert.deepEqual(
    taken.map(({ isWhole }) => isWhole),
    [false, false],
  );
  const good = await inPieces('cut.bin', [piece]);
  assert.deepEqual([good.status, taken[2].length, taken[2].isWhole], [200, MB, true]);
});

test('who hangs up amid a download ends it at the service', needsStandIn, async () => {
  let sent = 0;
  let head;
  project.storage.special.set('files/endless.bin', (_, response, received) => {
    head = received;
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': 1000 * MB });
    const chunk = Buffer.alloc(64 * 1024);
    const more = () => {
      while (!response.destroyed && response.write(chunk)) sent += chunk.length;
    };
    response.on('drain', more);
    more();
  });
  const leaving = new AbortController();
  const { data } = await bucket().download('endless.bin', {}, { signal: leaving.signal }).asStream();
  const reader = data.getReader();
  assert.ok((await reader.read()).value.length > 0);
  leaving.abort();
  await waitFor('the service to see it', () => head.isGone);
  assert.equal(head.isAnswered, false);
  assert.ok(sent < 200 * MB, `${sent} bytes`);
});

test('a service that does not answer in time is 504, also after an upload', needsStandIn, async () => {
  project.storage.special.set('files/slow.bin', (request) => request.resume());
  const read = await bucket().download('slow.bin');
  const written = await bucket().upload('slow.bin', new Uint8Array(300_000));
  for (const { error } of [read, written]) {
    assert.deepEqual(
      [error.status, error.statusCode, error.message],
      [504, 'RG416', 'The service behind this path did not answer in time'],
    );
  }
});
