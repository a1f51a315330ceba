// npm test: lint, native Rust tests, then the tests of tests/ on a throw-away system of their own.
// With arguments it runs those test files only, or those of a folder: `npm test -- tests/growth`.
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from './build.js';
import { root } from './paths.js';
import { main, SetupError, setup } from './setup.js';

const run = (command, args, env = process.env) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env });
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(code === 0 ? undefined : (signal ?? `status ${code}`)));
  });

/** The test files that an argument names: itself, or all in a folder. */
const testFiles = (path) =>
  path.endsWith('.test.js')
    ? [path]
    : readdirSync(join(root, path), { recursive: true })
        .filter((name) => name.endsWith('.test.js'))
        .sort()
        .map((name) => join(path, name));

/** Runs the body with a system of its own, which is gone afterwards. */
const withStack = async (body) => {
  const { startStack } = await import('./stack.js');
  const data = mkdtempSync(join(tmpdir(), 'rowgate-test-'));
  // The tests' own parts, whatever the developer's environment says.
  for (const name of ['DATABASE_URL', 'POSTGREST_URL', 'EDGE_SIGNING_KEY', 'AUTHENTICATOR_URL'])
    delete process.env[name];
  try {
    console.error('[test] starting a throw-away system');
    const say = (line) => console.error(`[test] ${line}`);
    const stack = await startStack({ data, throwAway: true, quiet: true, say });
    try {
      return await body(data);
    } finally {
      await stack.stop();
    }
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
};

await main(async () => {
  setup({ build: true, browser: true });
  build();
  const chosen = process.argv.slice(2);
  const failed = [];
  const step = async (name, work) => {
    console.error(`[test] ${name}`);
    const why = await work();
    if (why) failed.push(`${name} (${why})`);
  };
  if (chosen.length === 0) {
    await step('lint', () => run(process.execPath, ['dev/lint.js']));
    await step('native Rust tests', () => run('cargo', ['test', '--locked', '--quiet']));
  }
  const tests = (chosen.length > 0 ? chosen : ['tests']).flatMap(testFiles);
  const args = ['--test', '--test-concurrency=1', '--test-timeout=600000', '--test-reporter=spec', ...tests];
  await step('database and end-to-end tests', () =>
    withStack((data) => run(process.execPath, args, { ...process.env, ROWGATE_TEST_DATA: data })),
  );
  if (failed.length > 0) throw new SetupError(`Failed: ${failed.join(', ')}.`);
});
