// npm run build: the bundle, by worker-build, unless it is up to date; prints its size.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { root } from './paths.js';
import { main, SetupError, setup, toolEnvironment, workerBuild } from './setup.js';

const output = join(root, 'build');
const mark = join(output, '.inputs');

/** A hash of all that the bundle is made of. */
const inputs = () => {
  const sources = ['src', 'vendor']
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

/** What rustc and wasm-bindgen use of WebAssembly beyond its first version, and workerd knows. */
const FEATURES = [
  'bulk-memory',
  'exception-handling',
  'multivalue',
  'mutable-globals',
  'nontrapping-float-to-int',
  'reference-types',
  'sign-ext',
];

/** What the packages export for features that are not used here: no JavaScript asks for it, and all that it calls goes with it. */
const UNUSED = [
  '*containerstartupoptions*',
  '*intounderlyingbytesource*',
  '*intounderlyingsink*',
  '*minifyconfig*',
  '*r2range*',
];

const wasm = join(output, 'index_bg.wasm');

const wasmOpt = (from, to, passes) => {
  const flags = [...passes, ...FEATURES.map((name) => `--enable-${name}`)];
  const done = spawnSync(toolEnvironment().WASM_OPT_BIN, [...flags, from, '-o', to], { stdio: ['ignore', 2, 2] });
  if (done.status !== 0) throw new SetupError('wasm-opt cannot make the bundle small: see the errors above.');
};

/**
 * Gives the functions of JavaScript that the bundle imports short names: 4 KB. wasm-bindgen's have forty letters, half of them a
 * hash. Each stands once in the text of either side.
 */
const shorten = (text) => {
  const glue = join(output, 'index.js');
  let script = readFileSync(glue, 'utf8');
  let count = 0;
  const renamed = readFileSync(text, 'utf8').replace(/(\(import "\.\/index_bg\.js" )"(\w+)"/g, (_, start, name) => {
    const [before, after, ...more] = script.split(name);
    if (after === undefined || more.length > 0)
      throw new SetupError(`${name} stands not once in the bundle's index.js.`);
    const short = `_${(count++).toString(36)}`;
    script = before + short + after;
    return `${start}"${short}"`;
  });
  writeFileSync(text, renamed);
  writeFileSync(glue, script);
};

/**
 * Makes the bundle small. The functions' names, which worker-build keeps, are a tenth of it; a panic names its file and line
 * anyway. Before they are dropped they put the functions in order: those of one module and of one generic are alike, and compress
 * well side by side. The first kilobyte of memory is the far end of the stack, and no object lies there.
 */
const shrink = () => {
  const text = `${wasm}.wat`;
  // One at a time, for wasm-opt knows one pattern a run.
  for (const pattern of UNUSED) wasmOpt(wasm, wasm, ['--debuginfo', `--remove-exports=${pattern}`]);
  wasmOpt(wasm, text, ['-Os', '--low-memory-unused', '--reorder-functions-by-name', '--strip-debug', '-S']);
  shorten(text);
  wasmOpt(text, wasm, ['-Os', '--low-memory-unused', '--strip-producers']);
  rmSync(text);
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
    shrink();
    copyFileSync(join(root, 'src', 'entry.js'), join(output, 'entry.js'));
    writeFileSync(mark, wanted);
  }
  console.error(`[build] build/: ${(size() / 1024).toFixed(1)} KB gzipped`);
};

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith('dev/build.js')) await main(build);
