// npm run build: compiles the bundle unless it is up to date, and prints its size: cargo, wasm-bindgen, wasm-opt, esbuild.
// `npm run dev` serves a bundle of its own, in build/watch, without the optimisations that take long: wrangler runs this
// file with ROWGATE_PROFILE=watch whenever a source changes.
// It also prints what the Rust of each system weighs, as `npm run build -- --weights` has found out last: that builds the core and each
// system alone.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { chosenNames } from './chosen.js';
import { namedByLikeness } from './order.js';
import { root } from './paths.js';
import { main, run, SetupError, setup, wasmBindgen, wasmOpt } from './setup.js';

/**
 * Where each bundle goes: that of the profile `release`, that of `watch`, and one with the Rust of the core's own tests, which is compiled
 * as fast as that of `watch`.
 */
export const OUTPUT = {
  release: join(root, 'build'),
  watch: join(root, 'build', 'watch'),
  test: join(root, 'build', 'test'),
};

/** The Rust of the core's own tests: the feature `test-hooks`. */
const TEST_HOOKS = join(root, 'tests', 'core', 'system', 'hooks.rs');

/** The profile of Cargo.toml. */
const profileOf = (kind) => (kind === 'test' ? 'watch' : kind);

const TARGET = 'wasm32-unknown-unknown';
const MEND = 'The bundle does not build: see the errors above.';

/** What rustc's output and wasm-bindgen's wrappers use. New features of binaryen may be unknown to workerd. */
const FEATURES = [
  ...['bulk-memory', 'exception-handling', 'multivalue', 'mutable-globals', 'nontrapping-float-to-int'],
  ...['reference-types', 'sign-ext'],
];

/** The systems that have Rust: the cargo features beside the default one. */
const compiledSystems = () => {
  const [, list] = /^\[features\]\n(.*?)\n\n/ms.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8')) ?? [];
  return [...(list ?? '').matchAll(/^(\w+) = \[\]$/gm)].map(([, name]) => name);
};

/** The systems whose Rust is in the bundle. */
const rustOf = () => {
  const chosen = chosenNames();
  return compiledSystems().filter((name) => chosen?.includes(name) ?? true);
};

/**
 * The arguments of cargo that leave out the Rust of systems that the variable SYSTEMS does not choose. The watched bundle has all of
 * it, so that another choice compiles nothing: what it serves is up to the manifests.
 */
const featureArguments = (kind) => {
  if (kind === 'test') return ['--features', 'test-hooks'];
  return kind === 'watch' || rustOf().length === compiledSystems().length
    ? []
    : ['--no-default-features', '--features', rustOf().join()];
};

/** A hash of all files that the bundle is made of and that fit, whichever systems' Rust is taken. */
const inputs = (fits = () => true) => {
  const sources = ['src', join('dev', 'bindgen'), join('dev', 'idna_adapter')]
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const others = [
    'Cargo.toml',
    'Cargo.lock',
    'askama.toml',
    join('systems', 'reserved_schemas.txt'),
    'rust-toolchain.toml',
    'package-lock.json',
    'dev/build.js',
    'dev/order.js',
    'dev/setup.js',
  ];
  const hash = createHash('sha256');
  for (const file of [...sources.sort(), ...others.map((name) => join(root, name))].filter(fits)) {
    hash.update(file.slice(root.length)).update('\0').update(readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
};

/** The commit whose sources are compiled, with `-dirty` where files differ from it. */
const commit = () => {
  const done = spawnSync('git', ['describe', '--always', '--dirty', '--exclude', '*'], { cwd: root, encoding: 'utf8' });
  return done.status === 0 ? done.stdout.trim() : 'an unknown commit';
};

/**
 * What the Rust of each system weighs: the difference between the bundle of the core alone and that of the core with the system.
 * The sizes of bundles are remembered, each with the sources it was built of, until `--weights` or another choice of systems
 * builds them again.
 */
const weights = (output, sources, bytes) => {
  const file = join(output, '.weights.json');
  const sizes = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  if (sizes[rustOf().join()]?.sources !== sources) sizes[rustOf().join()] = { bytes, sources, commit: commit() };
  writeFileSync(file, JSON.stringify(sizes));
  const core = sizes[''];
  const kilobytes = (count) => `${(count / 1024).toFixed(1)} KB`;
  const more = compiledSystems()
    .filter((name) => core && sizes[name]?.sources === core.sources)
    .map((name) => `${name} ${kilobytes(sizes[name].bytes - core.bytes)}`);
  if (more.length === 0) return 'what each system weighs: npm run build -- --weights';
  const of = core.sources === sources ? '' : ` at ${core.commit}`;
  return `the core ${kilobytes(core.bytes)}, ${more.join(', ')}${of}`;
};

const size = (output) => {
  const files = ['index_bg.wasm', 'index.js', 'entry.js', 'systems.js'];
  const packed = files.map((name) => gzipSync(readFileSync(join(output, name)), { level: 9 }).length);
  return packed.reduce((sum, bytes) => sum + bytes, 0);
};

const targetDirectory = () => resolve(root, process.env.CARGO_TARGET_DIR || 'target');

const compile = (kind) => {
  const features = featureArguments(kind);
  const args = ['build', '--locked', '--lib', '--profile', profileOf(kind), '--target', TARGET, ...features];
  // By it the Rust knows the manifests that it has compiled itself: nothing but Rust counts, or cargo would compile it again.
  const sources = `${inputs((file) => /\.rs$|Cargo\.|reserved_schemas/.test(file))} ${features.join(' ')}`;
  const env = { ...process.env, ROWGATE_SOURCES: sources };
  return run('cargo', [...args, '--target-dir', targetDirectory()], MEND, { env });
};

/** Makes index.js and index_bg.wasm of the compiled library. */
const bind = async (kind, directory) => {
  const library = join(targetDirectory(), TARGET, profileOf(kind), 'rowgate.wasm');
  const args = [library, '--out-dir', directory, '--out-name', 'index', '--target', 'module', '--no-typescript'];
  // The module starts afresh after a trap (tests/core/e2e/bundle.test.js).
  await run(wasmBindgen(), [...args, '--experimental-reset-state-function', '--force-enable-abort-handler'], MEND);
};

/**
 * The largest function that wasm-opt copies into its only caller. The usual limit is none: it makes functions of 50 KB, which compress
 * worse, and of which the first request of an isolate waits for a compiler to translate all, though it needs a part.
 */
const MAX_INLINED = 10;

/**
 * Optimises the module, then brings its functions into an order that compresses well: wasm-opt orders by names, and the names, an eighth
 * of the bundle, go then. Nothing lies in the first KB of the memory: it is the end of the stack, which overflows there.
 */
const optimise = async (directory) => {
  const module = join(directory, 'index_bg.wasm');
  const rewrite = (...args) =>
    run(wasmOpt(), [module, '-o', module, ...args, ...FEATURES.map((name) => `--enable-${name}`)], MEND);
  await rewrite('-Os', `--one-caller-inline-max-function-size=${MAX_INLINED}`, '--low-memory-unused');
  writeFileSync(module, namedByLikeness(readFileSync(module)));
  await rewrite('--reorder-functions-by-name');
};

const esbuild = (args) =>
  run(join(root, 'node_modules', '.bin', 'esbuild'), [...args, '--format=esm', '--log-level=warning'], MEND);

/** Joins the generated JavaScript and the snippets of packages into one minified file. `entry.js` goes without its comments. */
const bundle = async (directory) => {
  const file = join(directory, 'index.js');
  // The runtime knows no source-phase imports: there an import of WebAssembly gives the module itself.
  const generated = readFileSync(file, 'utf8').replace('import source ', 'import ');
  // wasm-bindgen names entry.js several times where functions of Rust call the same one of it; every bundler would warn.
  writeFileSync(file, generated.replace(/^\s*"\.\/entry\.js": \w+,\n(?=[\s\S]*"\.\/entry\.js": )/gm, ''));
  const args = ['--bundle', '--minify', '--external:./index_bg.wasm'];
  // The manifests are no part of the bundle: it serves those that stand beside it.
  args.push('--external:./systems.js', '--external:./entry.js');
  await esbuild([file, ...args, `--outfile=${file}`, '--allow-overwrite']);
  await esbuild([join(root, 'src', 'entry.js'), '--minify-whitespace', `--outfile=${join(directory, 'entry.js')}`]);
};

/** Makes the bundle aside and puts it in its place when it is whole. */
const assemble = async (kind) => {
  mkdirSync(OUTPUT[kind], { recursive: true });
  const directory = mkdtempSync(join(OUTPUT[kind], '.new-'));
  try {
    await bind(kind, directory);
    if (kind === 'release') await optimise(directory);
    await bundle(directory);
    for (const name of ['index_bg.wasm', 'index.js', 'entry.js']) {
      renameSync(join(directory, name), join(OUTPUT[kind], name));
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

/** Refuses wrong manifests and variables before anything is compiled; in a fresh clone, where no manifest can be read yet, afterwards. */
const checkSystems = async () => {
  chosenNames();
  if (!existsSync(join(root, 'node_modules', 'smol-toml'))) return;
  const { schemas } = await import('./systems.js');
  schemas();
};

/**
 * Builds a bundle.
 * @param {'release' | 'watch' | 'test'} kind which one
 */
export const build = async (kind = 'release') => {
  const output = OUTPUT[kind];
  if (!output) throw new SetupError(`ROWGATE_PROFILE: release or watch, not ${kind}.`);
  await checkSystems();
  const mark = join(output, '.inputs');
  const sources = inputs();
  const more = kind === 'test' ? [createHash('sha256').update(readFileSync(TEST_HOOKS)).digest('hex')] : [];
  const wanted = [sources, ...more, ...featureArguments(kind)].join(' ');
  const stale = !existsSync(mark) || readFileSync(mark, 'utf8') !== wanted;
  if (stale) {
    const time = kind === 'release' ? 'a minute or two, less the second time' : 'a minute, seconds the second time';
    console.error(`[build] compiling the bundle (${time})`);
  }
  await setup({ build: true }, () => stale && compile(kind));
  await checkSystems();
  const { writeSystems } = await import('./systems.js');
  const { writeDocuments } = await import('./openapi.js');
  if (stale) {
    rmSync(mark, { force: true });
    await assemble(kind);
    writeFileSync(mark, wanted);
  }
  // `npm run dev` shows what is wrong with a manifest, and so does the edge that it runs.
  writeSystems(output, undefined, kind === 'release' ? output : undefined);
  let documents;
  try {
    documents = writeDocuments(output);
  } catch (error) {
    // A release's manifests have been checked. Here the edge may refuse one, and says why better than this.
    if (kind === 'release') throw error;
    console.error(`[build] the description of the API could not be made: ${error.message}`);
    documents = writeDocuments(output, []);
  }
  const bytes = size(output);
  console.error(`[build] ${output.slice(root.length + 1)}/: ${(bytes / 1024).toFixed(1)} KB gzipped`);
  const beside = statSync(documents).size;
  console.error(`[build] beside it documents.bin, read when it is asked for: ${(beside / 1024).toFixed(1)} KB gzipped`);
  if (kind === 'release') console.error(`[build] ${weights(output, sources, bytes)}`);
};

/** How long a watched build waits for its turn. */
const TURN_MINUTES = 10;

/** What a watched build prints at its end. */
export const BUILT = '[build] done';
export const BUILD_FAILED = '[build] not built: the edge goes on serving what was built before';

/**
 * The build that wrangler starts when a file has changed, also while another one runs: they take turns. It does not fail where a bundle
 * is there: wrangler would keep every request waiting until a build succeeds.
 */
const buildAgain = async () => {
  let release;
  try {
    const { lock } = await import('proper-lockfile');
    mkdirSync(OUTPUT.watch, { recursive: true });
    const retries = { retries: TURN_MINUTES * 60 * 20, minTimeout: 50, maxTimeout: 50 };
    // A machine that slept lets the lock grow old: then two builds may run at once.
    release = await lock(OUTPUT.watch, { retries, onCompromised: () => {} });
    await build('watch');
    console.error(BUILT);
  } catch (error) {
    if (!existsSync(join(OUTPUT.watch, 'systems.js'))) throw error;
    console.error(error instanceof SetupError ? error.message : error);
    console.error(BUILD_FAILED);
  } finally {
    await release?.().catch(() => {});
  }
};

/** Builds the core alone and each system alone with the core, and at last what is chosen, so that what each weighs is known. */
const buildEach = async () => {
  const { SYSTEMS: usual, ...others } = process.env;
  for (const name of ['none', ...compiledSystems()]) {
    const env = { ...others, SYSTEMS: name };
    const done = spawnSync(process.execPath, [import.meta.filename ?? process.argv[1]], {
      cwd: root,
      stdio: 'inherit',
      env,
    });
    if (done.status !== 0) throw new SetupError(`SYSTEMS=${name} npm run build failed.`);
  }
  await build();
};

if (process.argv[1] === import.meta.filename || process.argv[1]?.endsWith('dev/build.js')) {
  const { ROWGATE_PROFILE, WRANGLER_COMMAND } = process.env;
  const isWatched = ROWGATE_PROFILE === 'watch' && WRANGLER_COMMAND === 'dev';
  const chosen = () => (isWatched ? buildAgain() : build(ROWGATE_PROFILE));
  await main(process.argv.includes('--weights') ? buildEach : chosen);
}
