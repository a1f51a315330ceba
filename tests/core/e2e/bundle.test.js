// The bundle as it would be deployed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { root } from '../../../dev/paths.js';
import { freePort } from '../../../dev/process.js';
import { BUNDLE, workerd } from '../../../dev/workerd.js';
import { variables } from '../../support/edge.js';
import { close } from '../../support/stack.js';

after(close);

test('`wrangler deploy --dry-run` accepts the bundle, and it is small', () => {
  const output = mkdtempSync(join(tmpdir(), 'rowgate-bundle-'));
  try {
    const args = ['node_modules/wrangler/bin/wrangler.js', 'deploy', '--dry-run', '--outdir', output];
    const env = { ...process.env, WRANGLER_SEND_METRICS: 'false' };
    const done = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', env, timeout: 120_000 });
    assert.equal(done.status, 0, done.stderr);
    const files = readdirSync(output).filter((name) => /\.(js|wasm)$/.test(name));
    assert.ok(files.some((name) => name.endsWith('.wasm')));
    const packed = files.reduce((sum, name) => sum + gzipSync(readFileSync(join(output, name))).length, 0);
    assert.ok(packed < 600_000, `${packed} bytes gzipped`);
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

test('a trap ends the request that it happens in, and the next is served', async () => {
  const data = mkdtempSync(join(tmpdir(), 'rowgate-trap-'));
  // The bundle has no way to trap that is known: one is put into the log, to which every request writes.
  const log = 'console.log(';
  const trap = `((text) => { if (globalThis.trap) { globalThis.trap = false; throw new WebAssembly.RuntimeError('a trap'); } ${log}text); })(`;
  const generated = readFileSync(BUNDLE['index.js'], 'utf8');
  assert.equal(generated.split(log).length, 2);
  const changed = join(data, 'changed.js');
  writeFileSync(changed, generated.replace(log, trap));
  const outer = join(data, 'outer.js');
  const arm = `globalThis.trap = new URL(request.url).search === '?trap'`;
  writeFileSync(
    outer,
    `import edge from './entry.js'; export default { fetch: (request, ...rest) => (${arm}, edge.fetch(request, ...rest)) };`,
  );
  const logFile = join(data, 'log');
  const modules = { 'outer.js': outer, ...BUNDLE, 'index.js': changed };
  const options = { data, port: await freePort(), modules, variables: variables(), logFile, say: () => {} };
  const { part, url } = workerd({ ...options, restart: false });
  await part.start();
  try {
    const status = async (path) => (await fetch(url + path)).status;
    for (let n = 0; n < 3; n++) {
      assert.equal(await status('/healthz?trap'), 500);
      // Here it happens while the request waits for PostgREST.
      assert.equal(await status('/readyz?trap'), 500);
      assert.equal(await status('/healthz'), 200);
      assert.equal(await status('/readyz'), 200);
    }
  } finally {
    await part.stop();
    rmSync(data, { recursive: true, force: true });
  }
});
