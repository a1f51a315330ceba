// docs/your-own.md, followed word for word in a fresh clone of the repository: its files are written, its commands run, and what they
// print is compared. The bundle was built before the files existed, and is not built again. With everything of the page in place the
// tests of documents, types, layers and tables are green.
import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from '../../../dev/build.js';
import { root } from '../../../dev/paths.js';
import { freePort, stopGroup, waitFor } from '../../../dev/process.js';

const clone = mkdtempSync(join(tmpdir(), 'rowgate-your-own-'));
let port;
let running;
let page;

/** Commands that share one shell's variables, as a reader's terminal does. */
const shell = {};

/** Neither the choice of systems nor the parts of these tests. */
const environment = () => {
  const { SYSTEMS: _, SCHEMAS: __, ROWGATE_MORE_SYSTEMS: ___, ROWGATE_TEST_DATA: ____, ...others } = process.env;
  // The proof compiles a program that lists the routes: from what is compiled already.
  const target = process.env.CARGO_TARGET_DIR || join(root, 'target');
  return { ...others, ...shell, ROWGATE_PORT: `${port}`, CARGO_TARGET_DIR: target };
};

/** Runs a command in the clone. Gives its output, which a failure shows. */
const bash = (command) => {
  const done = spawnSync('bash', ['-c', command], { cwd: clone, encoding: 'utf8', env: environment() });
  assert.equal(done.status, 0, `${command}\n${done.stdout}\n${done.stderr}`);
  return done;
};

const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' });

before(async () => {
  delete process.env.SYSTEMS;
  await build('watch');
  await build();
  port = await freePort();
  git('clone', '--quiet', root, clone);
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
  cpSync(join(root, 'build'), join(clone, 'build'), { recursive: true });
  // Compiles only what differs: sources that are not committed.
  bash('ROWGATE_PROFILE=watch npm run build && npm run build');
  page = readFileSync(join(clone, 'docs', 'your-own.md'), 'utf8');
});
after(async () => {
  if (running) await stopGroup(running.pid, 'SIGINT', 30_000);
  rmSync(clone, { recursive: true, force: true });
});

/** The page as steps: a file to write, a block of commands with what they print, what `npm run dev` prints, or a part of the example. */
const steps = () => {
  const found = [];
  for (const [, path, language, text] of page.matchAll(/(?:^`(\S+)`:\n\n)?^```(\w+)\n(.*?)^```$/gms)) {
    if (language === 'console') found.push({ commands: text });
    else if (language === 'text') found.push({ printed: text });
    else found.push(path ? { path, text } : { shown: text });
  }
  return found;
};

/** What the page says that a command prints, as the source of an expression: `...` is any text, and any lines where it is a line. */
const expected = (lines) => {
  const escaped = (line) =>
    line
      .split('...')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('[^\\n]*');
  return lines.map((line) => (line === '...' ? '(?:[^\\n]*\\n)*?' : `${escaped(line)}\\n`)).join('');
};

const startDev = async (command) => {
  running = spawn('bash', ['-c', `exec ${command}`], { cwd: clone, detached: true, env: environment() });
  running.said = '';
  for (const stream of [running.stdout, running.stderr])
    stream.on('data', (text) => {
      running.said += text;
    });
  await printed(/^ready http/m);
  assert.doesNotMatch(running.said, /Compiling/);
};

/** Waits until `npm run dev` has printed what fits. */
const printed = (pattern) => {
  const given = () => (running.exitCode === null ? undefined : running.said);
  return waitFor(`${pattern} in the terminal`, () => pattern.test(running.said), { seconds: 300, given });
};

const execute = (command, wanted) => {
  const [, exported, value] = /^export ([A-Z]+)=(\S+)$/.exec(command) ?? [];
  if (exported) {
    shell[exported] = value;
    return;
  }
  const [, assigned, inner] = /^([A-Z]+)=\$\((.*)\)$/.exec(command) ?? [];
  const { stdout } = bash((inner ?? command).replaceAll('127.0.0.1:8787', `127.0.0.1:${port}`));
  if (assigned) shell[assigned] = stdout.trim();
  else if (wanted.length > 0)
    assert.match(`${stdout.trimEnd()}\n`, new RegExp(`^${expected(wanted)}$`), `${command}\n${stdout}`);
};

/** Whether PostgREST knows the function of the form: the edge's refusal of an empty suggestion is the function's. */
const isKnown = async () =>
  (await fetch(`http://127.0.0.1:${port}/v1/notes/suggestions`, { method: 'POST' })).status === 422;

const follow = async (commands) => {
  const [, ...blocks] = commands.trimEnd().split(/^\$ /m);
  for (const block of blocks) {
    const [command, ...wanted] = block.trimEnd().split('\n');
    if (command === 'npm run dev') await startDev(command);
    else {
      execute(command, wanted);
      // PostgREST reads the schema again within a second. A reader takes longer to type the next command.
      if (command === 'npm run db:migrate') await waitFor('the new function', isKnown);
    }
  }
};

/** Tests that look through everything that there is, and would miss what the page has made. */
const TESTS = [
  ...['docs', 'layers', 'schemas', 'systems', 'types'].map((name) => `tests/core/dev/${name}.test.js`),
  ...['catalog', 'jobs', 'limits', 'upgrade'].map((name) => `tests/core/db/${name}.test.js`),
  'tests/core/e2e/operations.test.js',
];

/** Asks about foreign and absent rows of the tables that the page has made. Those of all systems would take two minutes. */
const testForeignRows = () => {
  const { stdout } = bash(`npm test -- tests/core/e2e/oracles.test.js --test-name-pattern='^(library|notes)\\.'`);
  for (const table of ['library.books', 'notes.notes', 'notes.suggestions'])
    assert.match(stdout, new RegExp(`^✔ ${table}: foreign or absent, the same answer`, 'm'), stdout);
};

/** The last step before the page removes what it has made. */
const isRemoval = ({ commands }) => commands?.includes('db:rollback');

test('a newcomer who follows the page gets what it says, compiles nothing, and leaves the tests green', async (t) => {
  if (git('status', '--porcelain') !== '')
    t.diagnostic('Uncommitted changes are not tested here: this is a clone of HEAD.');
  const bundles = [join(clone, 'build', 'index_bg.wasm'), join(clone, 'build', 'watch', 'index_bg.wasm')];
  const built = () => bundles.map((path) => [statSync(path).mtimeMs, statSync(path).size]);
  const before_ = built();
  for (const step of steps()) {
    if (isRemoval(step)) {
      await t.test('the tests of all that there is', () => bash(`npm test -- ${TESTS.join(' ')}`));
      await t.test('the test of foreign and absent rows', testForeignRows);
    }
    if (step.commands) await t.test(step.commands.split('\n')[0], () => follow(step.commands));
    else if (step.printed)
      for (const line of step.printed.trim().split('\n')) await printed(new RegExp(expected([line]), 'm'));
    else if (step.path) {
      mkdirSync(dirname(join(clone, step.path)), { recursive: true });
      writeFileSync(join(clone, step.path), step.text);
    }
  }
  assert.deepEqual(built(), before_, 'the bundle is the one that was built before');
  assert.ok(!existsSync(join(clone, 'systems', 'notes.toml')), 'the page has removed the system again');
});

test('what the page shows of the example is what the example has', () => {
  const folder = join(root, 'examples', 'notes');
  const example = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'utf8'));
  const shown = steps().filter((step) => step.shown);
  assert.ok(shown.length > 1);
  for (const { shown: text } of shown)
    assert.ok(
      example.some((file) => file.includes(text.trim())),
      text,
    );
});
