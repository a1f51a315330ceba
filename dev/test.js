// npm test: lint, native Rust tests, then the tests of tests/, on two throw-away systems at once.
// With arguments it runs those test files only, or those of a folder: `npm test -- tests/growth`. Options go on to node, such as
// `--test-name-pattern=<expression>`. The variable SYSTEMS leaves systems and their tests out.
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { build } from './build.js';
import { interruptible } from './interrupt.js';
import { root } from './paths.js';
import { main, SetupError, setup } from './setup.js';

/**
 * Started first: the longest, so that no system is left alone with one of them, and those that look through every table, while the
 * tables are small.
 */
const FIRST = [
  'tests/core/e2e/proof.test.js',
  'tests/core/e2e/proof_finds.test.js',
  'tests/core/e2e/erased.test.js',
  'tests/core/e2e/read_only.test.js',
  'tests/core/e2e/oracles.test.js',
  'tests/growth/db/gdpr.test.js',
  'tests/core/e2e/faults.test.js',
  'tests/observatory/e2e/redaction.test.js',
  'tests/core/e2e/streams.test.js',
  'tests/core/e2e/load.test.js',
  'tests/core/dev/dev.test.js',
  'tests/core/dev/your_own.test.js',
  'tests/growth/e2e/optin.test.js',
  'tests/growth/e2e/forms.test.js',
  'tests/growth/e2e/leads.test.js',
  'tests/growth/e2e/experiments.test.js',
  'tests/growth/db/experiments.test.js',
  'tests/core/db/migrations.test.js',
];

/** Those whose edge has the Rust of the core's own tests. */
const WITH_TEST_HOOKS = ['tests/core/e2e/stream_hooks.test.js'];

const MAX_SYSTEMS = 2;

/** For one test file: the longest takes eight of them on a busy machine. */
const MAX_MINUTES = 25;

/** Options for each test file. */
const OPTIONS = process.argv.slice(2).filter((argument) => argument.startsWith('-'));

/** The test files that an argument names: itself, or all in a folder. */
const testFiles = (path) =>
  path.endsWith('.test.js')
    ? [path]
    : readdirSync(join(root, path), { recursive: true })
        .filter((name) => name.endsWith('.test.js'))
        .map((name) => join(path, name));

const place = (file) => (FIRST.includes(file) ? FIRST.indexOf(file) : FIRST.length);
const inOrder = (files) => files.toSorted((a, b) => place(a) - place(b) || (a < b ? -1 : 1));

/** Runs a command; gives why it failed, and what it wrote. Without `live` nothing is shown. */
const run = (command, args, { signal, env = process.env, live = true } = {}) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env, signal });
    const pieces = [];
    const read = (from, to) =>
      from.on('data', (piece) => {
        pieces.push(piece);
        if (live) to.write(piece);
      });
    read(child.stdout, process.stdout);
    read(child.stderr, process.stderr);
    const done = (failure) => resolve({ failure, written: Buffer.concat(pieces).toString() });
    child.once('error', (error) => done(error.message));
    child.once('close', (code, signal_) => done(code === 0 ? undefined : (signal_ ?? `status ${code}`)));
  });

const COUNTS = ['tests', 'pass', 'fail', 'cancelled', 'skipped', 'todo'];

/** The runner's own summary of one file, as numbers. */
const countsOf = (written) =>
  Object.fromEntries(
    COUNTS.map((name) => [name, Number(written.match(new RegExp(`^ℹ ${name} (\\d+)$`, 'm'))?.[1] ?? 0)]),
  );

/** The runner's own list of what failed in one file, with the messages. */
const failingOf = (written) => written.split('✖ failing tests:\n')[1]?.trim() ?? written.slice(-2000);

/** Runs test files, one after the other, on each of the systems. Gives the names of those that failed. */
const runFiles = async (files, systems, { signal }) => {
  const queue = inOrder(files);
  const results = [];
  const alone = systems.length === 1;
  const work = async ({ data }) => {
    for (let file = queue.shift(); file && !signal.aborted; file = queue.shift()) {
      const args = ['--test-reporter=spec', ...OPTIONS, file];
      const env = { ...process.env, ROWGATE_TEST_DATA: data };
      const start = performance.now();
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(MAX_MINUTES * 60_000)]);
      const { failure, written } = await run(process.execPath, args, { signal: inTime, env, live: alone });
      const seconds = (performance.now() - start) / 1000;
      results.push({ file, failure, seconds, failing: failingOf(written), ...countsOf(written) });
      console.error(`[test] ${file} (${results.length} of ${files.length}, ${seconds.toFixed(1)} s)`);
      if (!alone) process.stdout.write(written);
    }
  };
  const start = performance.now();
  await Promise.all(systems.map(work));
  signal.throwIfAborted();
  const slowest = results.toSorted((a, b) => b.seconds - a.seconds).slice(0, alone ? 3 : 10);
  for (const { file, seconds } of slowest) console.error(`[test] ${seconds.toFixed(1)} s ${file}`);
  const sum = (name) => results.reduce((total, result) => total + result[name], 0);
  for (const name of COUNTS) console.log(`ℹ ${name} ${sum(name)}`);
  console.log(`ℹ duration_ms ${Math.round(performance.now() - start)}`);
  const failed = results.filter(({ failure }) => failure);
  // Again at the end: what was printed for each file is far up by now.
  for (const { file, failing } of failed) console.log(`\n${file} failed:\n${failing}`);
  return failed.map(({ file }) => file);
};

/** Calls the body with throw-away systems, which are stopped and removed afterwards. */
const withSystems = async (count, say, body) => {
  const { startThrowAway } = await import('./throwaway.js');
  const starts = await Promise.allSettled(Array.from({ length: count }, () => startThrowAway('test', { say })));
  const systems = starts.flatMap(({ value }) => value ?? []);
  try {
    const failed = starts.find(({ reason }) => reason);
    if (failed) throw failed.reason;
    return await body(systems);
  } finally {
    await Promise.all(systems.map((system) => system.stop()));
  }
};

/** The core's own tests have a system of their own, so that they need none of the product. */
process.env.ROWGATE_MORE_SYSTEMS = join('tests', 'core', 'system');

await main(async () => {
  await setup({ build: true, browser: true });
  await build();
  const chosen = process.argv.slice(2).filter((argument) => !OPTIONS.includes(argument));
  const { testFolders } = await import('./systems.js');
  const files = (chosen.length > 0 ? chosen : testFolders()).flatMap(testFiles);
  // Before any test: one of them has cargo build the bundle of `watch` to the same place.
  if (files.some((file) => WITH_TEST_HOOKS.includes(file))) await build('test');
  const failed = [];
  await interruptible(async ({ signal }) => {
    const step = async (name, command, args) => {
      console.error(`[test] ${name}`);
      const { failure } = await run(command, args, { signal });
      signal.throwIfAborted();
      if (failure) failed.push(`${name} (${failure})`);
    };
    if (chosen.length === 0) {
      await step('lint', process.execPath, ['dev/lint.js']);
      await step('native Rust tests', 'cargo', ['test', '--locked', '--quiet']);
    }
    const count = Math.min(MAX_SYSTEMS, availableParallelism(), files.length);
    console.error(`[test] starting ${count === 1 ? 'a throw-away system' : `${count} throw-away systems`}`);
    const say = (line) => console.error(`[test] ${line}`);
    await withSystems(count, say, async (systems) => failed.push(...(await runFiles(files, systems, { signal }))));
  });
  if (failed.length > 0) throw new SetupError(`Failed: ${failed.join(', ')}.`);
});
