// The bundle as it would be deployed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { root } from '../../../dev/paths.js';
import { freePort, waitFor } from '../../../dev/process.js';
import { BUNDLE, workerd } from '../../../dev/workerd.js';
import { startEdge, variables } from '../../support/edge.js';
import { close, stack } from '../../support/stack.js';

after(close);

test('`wrangler deploy --dry-run` accepts the bundle without a warning, and it is small', () => {
  const output = mkdtempSync(join(tmpdir(), 'rowgate-bundle-'));
  try {
    const args = ['node_modules/wrangler/bin/wrangler.js', 'deploy', '--dry-run', '--outdir', output];
    const env = { ...process.env, WRANGLER_SEND_METRICS: 'false' };
    const done = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env, timeout: 300_000 });
    assert.equal(done.status, 0, `${done.error ?? ''} ${done.stderr}`);
    assert.doesNotMatch(done.stdout + done.stderr, /WARNING/);
    const files = readdirSync(output).filter((name) => /\.(js|wasm)$/.test(name));
    assert.ok(files.some((name) => name.endsWith('.wasm')));
    const packed = files.reduce((sum, name) => sum + gzipSync(readFileSync(join(output, name))).length, 0);
    // In KB of 1,024 bytes, as `npm run build` prints it.
    assert.ok(packed < 600 * 1024, `${packed} bytes gzipped`);
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
});

test('the names of functions are not in it: they are an eighth of its size', () => {
  assert.ok(!readFileSync(BUNDLE['index_bg.wasm'], 'latin1').includes('core::fmt::'));
});

test('what is only for the local stack is not in it', () => {
  const text = readdirSync(join(root, 'build'))
    .filter((name) => /\.(js|wasm)$/.test(name))
    .map((name) => readFileSync(join(root, 'build', name), 'latin1'))
    .join('');
  for (const word of ['DEV-ONLY', 'rgpub_dev', '127.0.0.1:8787', root]) assert.ok(!text.includes(word), word);
});

test('the tables of domain names are not in it: the runtime converts a host', async () => {
  const target = ['--target', 'wasm32-unknown-unknown', '--edges', 'normal'];
  const args = ['tree', '--locked', '--prefix', 'none', '--format', '{p}', ...target];
  const { stdout } = spawnSync('cargo', args, { cwd: root, encoding: 'utf8' });
  assert.match(stdout, /^idna_adapter /m);
  assert.doesNotMatch(stdout, /^icu_/m);
  // The address in the forms that IDNA maps to digits and dots.
  const wide = stack.postgrest_url.replace('127.0.0.1', '\uff11\uff12\uff17\u30020.0.\uff11');
  assert.notEqual(wide, stack.postgrest_url);
  const edge = await startEdge({ POSTGREST_URL: wide });
  try {
    assert.equal((await fetch(`${edge.url}/readyz`)).status, 200);
  } finally {
    await edge.stop();
  }
});

/** Runs the body with the bundle on workerd, with a text of one of its files replaced, and what is done around each request. */
const withChanged = async ({ file, from, to, around }, body) => {
  const data = mkdtempSync(join(tmpdir(), 'rowgate-changed-'));
  const text = readFileSync(BUNDLE[file], 'utf8');
  assert.equal(text.split(from).length, 2);
  const [changed, outer] = [join(data, `changed-${file}`), join(data, 'outer.js')];
  writeFileSync(
    changed,
    text.replace(from, () => to),
  );
  writeFileSync(
    outer,
    `import edge from './entry.js';
    export default { fetch: (request, ...rest) => { ${around}; return edge.fetch(request, ...rest); } };`,
  );
  const modules = { 'outer.js': outer, ...BUNDLE, [file]: changed };
  const logFile = join(data, 'log');
  const options = { data, port: await freePort(), modules, variables: variables(), logFile, say: () => {} };
  const { part, url } = workerd({ ...options, restart: false });
  await part.start();
  try {
    await body({ url, status: async (path) => (await fetch(url + path)).status });
  } finally {
    await part.stop();
    rmSync(data, { recursive: true, force: true });
  }
};

const FINISH = 'function finish(task,text,body){';
/** The bundle has no way to trap that is known: one is put into the function that answers every request. */
const TRAPPING = {
  ...{ file: 'entry.js', from: FINISH },
  to: `${FINISH} if (globalThis.trap) { globalThis.trap = false; throw new WebAssembly.RuntimeError('a trap'); }`,
  around: `globalThis.trap = new URL(request.url).search === '?trap'`,
};

test('a trap ends the request that it happens in, and the next is served', async () => {
  await withChanged(TRAPPING, async ({ status }) => {
    for (let n = 0; n < 3; n++) {
      assert.equal(await status('/healthz?trap'), 500);
      // Here it happens while the request waits for PostgREST.
      assert.equal(await status('/readyz?trap'), 500);
      assert.equal(await status('/healthz'), 200);
      assert.equal(await status('/readyz'), 200);
    }
  });
});

test('after a trap the next request is served, also if an answer to a lost request arrives before it', async () => {
  const around = `${TRAPPING.around};
    if (request.url.endsWith('/held')) return new Response(globalThis.held);
    globalThis.kept ??= globalThis.fetch;
    globalThis.fetch = !request.url.endsWith('?held') ? globalThis.kept : async (...sent) => {
      const answer = await globalThis.kept(...sent);
      globalThis.held = 'held';
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return answer;
    }`;
  await withChanged({ ...TRAPPING, around }, async ({ url, status }) => {
    const lost = status('/readyz?held');
    await waitFor('an answer to be held', async () => (await (await fetch(`${url}/held`)).text()) === 'held');
    assert.equal(await status('/healthz?trap'), 500);
    assert.equal(await lost, 500);
    for (const path of ['/healthz', '/readyz']) assert.equal(await status(path), 200);
  });
});

test('the numbers of requests begin again after the largest', async () => {
  const changed = { file: 'entry.js', from: 'let last=0;', to: 'let last = 2 ** 32 - 20;', around: '' };
  await withChanged(changed, async ({ status }) => {
    for (let n = 0; n < 20; n++) assert.equal(await status('/readyz'), 200);
  });
});

test('a refused request whose client hangs up in the middle of its body leaves nothing behind', async () => {
  const changed = {
    ...{ file: 'entry.js', from: 'const waiting=new Map;' },
    to: 'const waiting = new Map(); globalThis.waiting = waiting;',
    around: `if (request.url.endsWith('/waiting')) return new Response(String(globalThis.waiting.size))`,
  };
  await withChanged(changed, async ({ url }) => {
    const waiting = async () => Number(await (await fetch(`${url}/waiting`)).text());
    const { hostname, port } = new URL(url);
    const lines = ['POST /nowhere HTTP/1.1', `Host: ${hostname}`, 'Content-Length: 100000', '', '{'];
    const sockets = Array.from({ length: 20 }, () => connect(Number(port), hostname));
    for (const socket of sockets) socket.write(lines.join('\r\n'));
    await waitFor('all of them to be there', async () => (await waiting()) === sockets.length);
    for (const socket of sockets) socket.resetAndDestroy();
    await waitFor('them to be let go', async () => (await waiting()) === 0, { seconds: 10 });
  });
});
