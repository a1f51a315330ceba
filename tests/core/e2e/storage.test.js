// Files through the edge with @supabase/supabase-js, unmodified, in Node. The service is a small server that answers as Supabase Storage
// is documented to, or that of a project of your own (docs/services.md).
import assert from 'node:assert/strict';
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectTo } from 'node:net';
import { after, before, test } from 'node:test';
import { waitFor } from '../../../dev/process.js';
import { startEdge } from '../../support/edge.js';
import { close, userToken } from '../../support/stack.js';
import { files, images, refusals } from '../support/clients/storage.js';
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

test('images in another size: by a key, by everybody, by a signed address', needsStandIn, async () => {
  const seen = await images({ connect });
  assert.deepEqual(seen, Array(3).fill('files/pictures/a b.png 40x30 contain 50'));
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

/** How an upload in pieces ends: as it should, or before its end. */
const ENDS = {
  whole: (socket) => socket.write('0\r\n\r\n'),
  closed: (socket) => socket.destroy(),
  'half closed': (socket) => socket.end(),
  'not in chunks': (socket) => socket.write('zz\r\n'),
};

/** Sends an upload in pieces, without a declared length; gives the first line of the answer. */
const inPieces = async (path, pieces, end, token) => {
  const { hostname, port } = new URL(edge.url);
  const socket = connectTo(Number(port), hostname);
  socket.on('error', () => {});
  const head = ['Host: edge', `apikey: ${project.key}`, 'Content-Type: application/x', 'Transfer-Encoding: chunked'];
  if (token) head.push(`Authorization: Bearer ${token}`);
  socket.write([`POST /storage/v1/object/files/${path} HTTP/1.1`, ...head, '', ''].join('\r\n'));
  for (const piece of pieces) {
    socket.write(`${piece.length.toString(16)}\r\n`);
    socket.write(piece);
    await new Promise((resolve) => socket.write('\r\n', resolve));
  }
  ENDS[end](socket);
  if (end !== 'whole') return undefined;
  const [data] = await once(socket, 'data');
  socket.destroy();
  return `${data}`.split('\r\n')[0];
};

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
  for (const end of ['closed', 'half closed', 'not in chunks']) {
    const there = taken.length;
    await inPieces('cut.bin', [piece, piece, piece], end);
    await waitFor('the service to see it', () => taken.length > there);
    assert.equal(taken.at(-1).isWhole, false, end);
  }
  assert.match(await inPieces('cut.bin', Array(51).fill(piece), 'whole'), / 413 /);
  await waitFor('the service to see it', () => taken.length === 4);
  assert.equal(taken.at(-1).isWhole, false, 'too large');
  assert.match(await inPieces('cut.bin', [piece], 'whole'), / 200 /);
  assert.deepEqual([taken.at(-1).length, taken.at(-1).isWhole], [MB, true]);
});

/** Begins an upload of a declared length, and leaves. */
const leaveDeclared = async (path, token) => {
  const { hostname, port } = new URL(edge.url);
  const socket = connectTo(Number(port), hostname);
  socket.on('error', () => {});
  const head = ['Host: edge', `apikey: ${project.key}`, 'Content-Type: application/x', `Content-Length: ${10 * MB}`];
  head.push(`Authorization: Bearer ${token}`);
  const request = [`POST /storage/v1/object/files/${path} HTTP/1.1`, ...head, '', 'x'].join('\r\n');
  await new Promise((resolve) => socket.write(request, resolve));
  socket.destroy();
};

/** Uploads of a user whom nobody else is. */
const uploadsOf = async (path) => {
  const token = await userToken(randomUUID());
  const headers = { apikey: project.key, authorization: `Bearer ${token}`, 'content-type': 'application/x' };
  const ask = (address, more) => fetch(new URL(address, edge.url), { headers, ...more });
  return {
    token,
    upload: () =>
      ask(`/storage/v1/object/files/${path}`, { method: 'POST', body: new Blob(['x']).stream(), duplex: 'half' }),
    read: () => ask('/rest/v1/projects?limit=1'),
  };
};

/** Leaves amid uploads until the next one is refused, and sees that nothing else is. */
const leaveAgainAndAgain = async (leave) => {
  const path = `left-${randomUUID()}`;
  const [loud, quiet] = [await uploadsOf(path), await uploadsOf(path)];
  takeUploads(path);
  // The edge does not see those whose connection was closed before it was accepted.
  let answer;
  for (let n = 0; n < 10 && answer?.status !== 429; n++) {
    await Promise.all(Array.from({ length: 400 }, () => leave(path, loud.token)));
    answer = await loud.upload();
  }
  assert.deepEqual([answer.status, (await answer.json()).code], [429, 'RG407']);
  assert.ok(Number(answer.headers.get('retry-after')) > 0);
  assert.equal((await quiet.upload()).status, 200, 'another user');
  assert.equal((await loud.read()).status, 200, 'a read');
  // It goes after all that were booked before.
  await waitFor('an upload to be taken again', async () => (await loud.upload()).status === 200);
};

test('who leaves amid uploads in pieces again and again is refused after some', needsStandIn, () =>
  leaveAgainAndAgain((path, token) => inPieces(path, [Buffer.from('x')], 'closed', token)),
);

test('who leaves amid uploads of a declared length again and again is refused after some', needsStandIn, () =>
  leaveAgainAndAgain(leaveDeclared),
);

test(
  'uploads of one caller that begin together go one after the other, and none is refused',
  needsStandIn,
  async () => {
    const path = `together-${randomUUID()}`;
    const [taken, user, began] = [takeUploads(path), await uploadsOf(path), Date.now()];
    const statuses = await Promise.all(Array.from({ length: 40 }, async () => (await user.upload()).status));
    assert.deepEqual(statuses, Array(40).fill(200));
    assert.equal(taken.length, 40);
    // Each of undeclared length counts 64 ms; turns among all work would have let them wait for a second.
    const took = Date.now() - began;
    assert.ok(took > 2000, `${took} ms`);
  },
);

test('who hangs up amid a download ends it at the service', needsStandIn, async () => {
  let sent = 0;
  let head;
  project.storage.special.set('files/endless.bin', (_, response, received) => {
    head = received;
    response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': 1000 * MB });
    const chunk = Buffer.alloc(64 * 1024);
    const more = () => {
      let goesOn = true;
      while (goesOn && !response.destroyed) {
        goesOn = response.write(chunk);
        sent += chunk.length;
      }
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

test('a service that does not answer in time is 504, also after an upload', {
  ...needsStandIn,
  timeout: 60_000,
}, async () => {
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
