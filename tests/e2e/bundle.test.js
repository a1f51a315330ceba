// The bundle as it would be deployed.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { root } from '../../dev/paths.js';

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
    assert.ok(packed < 300_000, `${packed} bytes gzipped`);
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
});

test('what is only for the local stack is not in it', () => {
  const text = readdirSync(join(root, 'build'))
    .filter((name) => /\.(js|wasm)$/.test(name))
    .map((name) => readFileSync(join(root, 'build', name), 'latin1'))
    .join('');
  for (const word of ['DEV-ONLY', 'rgpub_dev', '127.0.0.1:8787', root]) assert.ok(!text.includes(word), word);
});
