// npm run build: the bundle, by worker-build, unless it is up to date; prints its size.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from './paths.js';
import { main, SetupError, setup, toolEnvironment, workerBuild } from './setup.js';

const output = join(root, 'build');
const mark = join(output, '.inputs');

/** A hash of all that the bundle is made of. */
const inputs = () => {
  const sources = ['src']
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const others = [
    'Cargo.toml',
    'Cargo.lock',
    'askama.toml',
    'rust-toolchain.toml',
    'package-lock.json',
    'dev/build.js',
    'dev/setup.js',
  ];
  const hash = createHash('sha256');
  for (const file of [...sources.sort(), ...others.map((name) => join(root, name))]) {
    hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
};

const size = () => {
  const files = readdirSync(output).filter((name) => name.endsWith('.wasm') || name.endsWith('.js'));
  const packed = files.map((name) => gzipSync(readFileSync(join(output, name)), { level: 9 }).length);
  return packed.reduce((sum, bytes) => sum + bytes, 0);
};

/** Builds the bundle into build/. */
export const build = () => {
  setup({ build: true });
  const wanted = inputs();
  if (!existsSync(mark) || readFileSync(mark, 'utf8') !== wanted) {
    console.error('[build] compiling the bundle (a minute or two, less the second time)');
    const options = { cwd: root, stdio: ['ignore', 2, 2], env: toolEnvironment() };
    const done = spawnSync(workerBuild(), ['--release'], options);
    if (done.status !== 0) throw new SetupError('The bundle does not build: see the errors above.');
    copyFileSync(join(root, 'src', 'entry.js'), join(output, 'entry.js'));
    writeFileSync(mark, wanted);
  }
  console.error(`[build] build/: ${(size() / 1024).toFixed(1)} KB gzipped`);
};

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith('dev/build.js')) await main(build);
