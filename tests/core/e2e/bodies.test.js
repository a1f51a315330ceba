// Bodies of each length, both ways: they arrive whole and unmixed, as they come, or visibly broken off.
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { waitFor } from '../../../dev/process.js';
import { startEdge } from '../../support/edge.js';
import { withUpstream } from '../../support/fake_upstream.js';
import { ask, close, userToken } from '../../support/stack.js';

const KB = 1024;
const SHORT = 4 * KB;
const FIRST = 16 * KB;
const WHOLE = 128 * KB;
const PIECE = 408 * KB;

let token;
before(async () => {
  token = await userToken();
});
after(close);

/** An edge in front of an upstream. */
const withEdge = (answer, body, more = {}, manifests = undefined) =>
  withUpstream(answer, async (url) => {
    const edge = await startEdge({ POSTGREST_URL: url, ...more }, [], undefined, manifests);
    try {
      return await body(edge);
    } finally {
      await edge.stop();
    }
  });

const read = (edge, name, options = {}) =>
  fetch(`${edge.url}/rest/v1/projects?name=eq.${name}`, { headers: { authorization: `Bearer ${token}` }, ...options });

/** The name that a request asks for. */
const nameIn = (request) => /eq\.(\w+)/.exec(request.url)[1];

/** Bytes that differ from those of every other length, and from place to place. */
const bytesOf = (length) => {
  const words = Uint32Array.from({ length: Math.ceil(length / 4) }, (_, n) => Math.imul(n, 2_654_435_761) ^ length);
  return Buffer.from(words.buffer, 0, length);
};

/** Begins an answer of undeclared length, as PostgREST 12 does. */
const begin = (response) => response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();

test('answers of each length arrive whole, many at once', () => {
  const answer = (response, request) => {
    begin(response);
    response.end(bytesOf(Number(nameIn(request))));
  };
  return withEdge(
    answer,
    async (edge) => {
      const around = [SHORT, FIRST, WHOLE, WHOLE + FIRST, WHOLE + PIECE, 3 * PIECE].flatMap((size) => [
        size - 1,
        size,
        size + 1,
      ]);
      const short = Array.from({ length: 200 }, (_, n) => n);
      const lengths = [...short, ...around, 5_000_000];
      for (let round = 0; round < 5; round++) {
        await Promise.all(
          lengths.map(async (length) => {
            const response = await read(edge, length);
            const bytes = Buffer.from(await response.arrayBuffer());
            assert.deepEqual([response.status, bytes.length], [200, length]);
            assert.ok(bytes.equals(bytesOf(length)), `the bytes of ${length}`);
          }),
        );
      }
    },
    { LIMITS: JSON.stringify({ caller_connections: 0 }) },
  );
});

test('a slow client gets the same bytes as others', () => {
  const length = 8_000_000;
  const answer = (response) => {
    begin(response);
    response.end(bytesOf(length));
  };
  return withEdge(answer, async (edge) => {
    const clients = Array.from({ length: 4 }, async (_, n) => {
      const response = await read(edge, 'large');
      const chunks = [];
      for await (const chunk of response.body) {
        chunks.push(chunk);
        // As long as the buffers between are full, the edge waits in the middle of a write.
        if (chunks.length % 20 === n) await new Promise((resolve) => setTimeout(resolve, 25));
      }
      assert.ok(Buffer.concat(chunks).equals(bytesOf(length)), `client ${n}`);
    });
    await Promise.all(clients);
  });
});

// The timeout is for an edge that waits for ever.
test('an answer is passed on before its end has come', { timeout: 20_000 }, () => {
  const more = new Map();
  const answer = (response, request) => {
    const length = Number(nameIn(request));
    begin(response);
    response.write(bytesOf(length));
    more.set(length, () => response.end('the end'));
  };
  return withEdge(answer, async (edge) => {
    for (const length of [FIRST, 100 * KB, WHOLE, WHOLE + 10 * KB]) {
      const response = await read(edge, length);
      const reader = response.body.getReader();
      const { value } = await reader.read();
      assert.ok(value.byteLength > 0);
      // Only now, so that an edge that waits for the end waits for ever.
      more.get(length)();
      let received = value.byteLength;
      for (let step = await reader.read(); !step.done; step = await reader.read()) received += step.value.byteLength;
      assert.equal(received, length + 'the end'.length);
    }
  });
});

test('an answer that breaks off upstream is never a whole answer', () => {
  const answer = (response, request) => {
    const [length, pause] = nameIn(request).split('_').map(Number);
    begin(response);
    response.write(bytesOf(length), () => setTimeout(() => response.socket.destroy(), pause));
  };
  return withEdge(answer, async (edge) => {
    for (const length of [1, FIRST - 1, FIRST + 1, WHOLE - 1, WHOLE + 1, 2 * WHOLE, 5 * PIECE]) {
      for (const pause of [0, 50]) {
        const response = await read(edge, `${length}_${pause}`).catch(() => undefined);
        if (response === undefined || response.status === 502) continue;
        assert.equal(response.status, 200);
        await assert.rejects(response.arrayBuffer(), undefined, `${length} bytes, ${pause} ms`);
      }
    }
  });
});

test('a client that hangs up in the middle of a long answer ends it upstream', () => {
  let open = 0;
  const answer = (response) => {
    begin(response);
    open += 1;
    const timer = setInterval(() => response.write(bytesOf(100 * KB)), 5);
    response.on('close', () => {
      clearInterval(timer);
      open -= 1;
    });
  };
  return withEdge(answer, async (edge) => {
    const clients = Array.from({ length: 20 }, async () => {
      const controller = new AbortController();
      const response = await read(edge, 'endless', { signal: controller.signal });
      const reader = response.body.getReader();
      for (let received = 0; received < 2 * WHOLE; ) received += (await reader.read()).value.byteLength;
      controller.abort();
    });
    await Promise.all(clients);
    await waitFor('the answers upstream to be given up', () => open === 0);
  });
});

/** Notes the bodies that arrive, with the length that each declares. */
const noting = (bodies) => (response, request) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    bodies.push([Number(request.headers['content-length']), Buffer.concat(chunks)]);
    response.writeHead(201).end();
  });
  request.on('aborted', () => bodies.push('aborted'));
};

const headers = () => ({ authorization: `Bearer ${token}`, 'content-type': 'application/json' });

test('uploads of each length arrive whole, with the length that they declare', () => {
  const bodies = [];
  return withEdge(noting(bodies), async (edge) => {
    const lengths = [1, FIRST, WHOLE - 1, WHOLE, WHOLE + 1, 900 * KB];
    const send = (length) =>
      fetch(`${edge.url}/rest/v1/projects`, { method: 'POST', headers: headers(), body: bytesOf(length) });
    const answers = await Promise.all([...lengths, ...lengths].map(send));
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map(() => 201),
    );
    for (const [declared, bytes] of bodies) {
      assert.equal(declared, bytes.length);
      assert.ok(bytes.equals(bytesOf(declared)), `the bytes of ${declared}`);
    }
    const arrived = bodies.map(([declared]) => declared).sort((a, b) => a - b);
    assert.deepEqual(
      arrived,
      lengths.flatMap((length) => [length, length]),
    );
  });
});

/** Sends a head and a part of the body that it declares, and waits for the answer or hangs up. */
const sendPart = (edge, declared, part, hangsUp) =>
  new Promise((resolve) => {
    const { hostname, port } = new URL(edge.url);
    const lines = ['POST /rest/v1/projects HTTP/1.1', `Host: ${hostname}`, `Content-Length: ${declared}`];
    for (const [name, value] of Object.entries(headers())) lines.push(`${name}: ${value}`);
    const socket = connect(Number(port), hostname, () => {
      socket.write(`${[...lines, 'Connection: close', '', ''].join('\r\n')}`);
      socket.write(part, () => hangsUp && setTimeout(() => socket.destroy(), 200));
    });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(Number(text.split(' ')[1]) || undefined));
  });

test('an upload of which a part does not arrive is 408 and no whole body upstream', () => {
  const bodies = [];
  return withEdge(
    noting(bodies),
    async (edge) => {
      for (const declared of [100, WHOLE, WHOLE + 1]) {
        const part = bytesOf(declared - 1);
        assert.equal(await sendPart(edge, declared, part, false), 408, `${declared}`);
        assert.equal(await sendPart(edge, declared, part, true), undefined, `${declared}, hung up`);
      }
      await edge.logged(({ status }) => status === 408, 3);
      assert.deepEqual(
        bodies.filter((body) => body !== 'aborted'),
        [],
      );
    },
    { LIMITS: JSON.stringify({ upload_ms: 700 }) },
  );
});

/** An endpoint that reads its body whole. */
const WHOLE_BODIES = {
  name: 'whole_bodies',
  schemas: ['sample_more'],
  request_headers: [],
  variables: [],
  errors: [],
  jobs: [],
  endpoints: [
    {
      method: 'POST',
      path: '/v1/whole',
      access: 'user',
      call: 'sample_more.test_whole',
      body_limit: '3 MB',
      arguments: { note: { field: 'note' } },
    },
  ],
};

test('small packed bodies that become large ones cannot fill the isolate', () => {
  const held = [];
  let isHeld = true;
  const answer = (response) => {
    const end = () => response.writeHead(200, { 'content-type': 'application/json' }).end('1');
    if (isHeld) held.push(end);
    else end();
  };
  return withEdge(
    answer,
    async (edge) => {
      const body = gzipSync(JSON.stringify({ note: 'x'.repeat(2900 * KB) }));
      assert.ok(body.length < 4 * KB, `${body.length}`);
      const send = async (packed = body) => {
        const packing = { 'content-type': 'application/json', 'content-encoding': 'gzip' };
        const sent = { method: 'POST', body: packed, headers: packing, base: edge.url };
        return ask('/v1/whole', { ...sent, token: await userToken() });
      };
      let refused = 0;
      const answers = Array.from({ length: 20 }, async () => {
        const { status, body, headers } = await send();
        if (status === 200) return;
        assert.deepEqual([status, body.code], [503, 'RG314']);
        assert.ok(headers.get('retry-after'));
        refused += 1;
      });
      // They count until they are answered.
      await waitFor('each to be refused or at the database', () => refused + held.length === 20);
      assert.ok(held.length > 0 && held.length <= 5, `${held.length} at the database`);
      isHeld = false;
      assert.equal((await send(gzipSync('{"note":"short"}'))).status, 200, 'short ones go on');
      for (const end of held) end();
      await Promise.all(answers);
      assert.equal((await send()).status, 200, 'and the room is free again');
    },
    { LIMITS: JSON.stringify({ caller_connections: 0, deadline_ms: 60_000 }) },
    [WHOLE_BODIES],
  );
});
