// docs/your-own.md, followed word for word in a copy of the project: its files are written, its commands run, and what they print is
// compared. The bundle was built before the files existed, and is not built again.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from '../../../dev/build.js';
import { root } from '../../../dev/paths.js';
import { freePort, stopGroup, waitFor } from '../../../dev/process.js';

const page = readFileSync(join(root, 'docs', 'your-own.md'), 'utf8');
const copy = mkdtempSync(join(tmpdir(), 'rowgate-your-own-'));
let port;
let running;

/** Neither the choice of systems nor the parts of these tests. */
const environment = () => {
  const { SYSTEMS: _, SCHEMAS: __, ROWGATE_MORE_SYSTEMS: ___, ROWGATE_TEST_DATA: ____, ...others } = process.env;
  // The proof compiles a program that lists the routes: from what is compiled already.
  const target = process.env.CARGO_TARGET_DIR || join(root, 'target');
  return { ...others, ROWGATE_PORT: `${port}`, CARGO_TARGET_DIR: target };
};

before(async () => {
  await build('watch');
  await build();
  port = await freePort();
  const left = new Set(['.git', '.rowgate', '.wrangler', 'node_modules', 'target']);
  cpSync(root, copy, { recursive: true, filter: (path) => !left.has(relative(root, path)), preserveTimestamps: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
});
after(async () => {
  if (running) await stopGroup(running.pid, 'SIGINT', 30_000);
  rmSync(copy, { recursive: true, force: true });
});

/** The page as steps: a file to write, or a block of commands with what they print. */
const steps = () => {
  const found = [];
  for (const [, path, language, text] of page.matchAll(/(?:^`(\S+)`:\n\n)?^```(\w+)\n(.*?)^```$/gms)) {
    if (language === 'console') found.push({ commands: text });
    else found.push({ path, text });
  }
  return found;
};

/** What the page says that a command prints, as an expression: `...` is any text, and any lines where it is a line. */
const expected = (lines) => {
  const escaped = (line) =>
    line
      .split('...')
      .map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('[^\\n]*');
  return new RegExp(`^${lines.map((line) => (line === '...' ? '(?:[^\\n]*\\n)*?' : `${escaped(line)}\\n`)).join('')}$`);
};

/** Commands that share one shell's variables, as a reader's terminal does. */
const shell = {};

const startDev = async (command) => {
  if (running) await stopGroup(running.pid, 'SIGINT', 60_000);
  running = spawn('bash', ['-c', `exec ${command.replace('SCHEMAS', 'env SCHEMAS')}`], {
    cwd: copy,
    detached: true,
    env: environment(),
  });
  let said = '';
  for (const stream of [running.stdout, running.stderr])
    stream.on('data', (text) => {
      said += text;
    });
  const given = () => (running.exitCode === null ? undefined : said);
  await waitFor('the ready line', () => /^ready http/m.test(said), { seconds: 300, given });
  assert.doesNotMatch(said, /Compiling/);
};

const execute = (command, wanted) => {
  const assigned = /^([A-Z]+)=\$\((.*)\)$/.exec(command);
  const text = (assigned?.[2] ?? command).replaceAll('127.0.0.1:8787', `127.0.0.1:${port}`);
  const done = spawnSync('bash', ['-c', text], { cwd: copy, encoding: 'utf8', env: { ...environment(), ...shell } });
  const printed = `${command}\n${done.stdout}\n${done.stderr}`;
  assert.equal(done.status, 0, printed);
  if (assigned) shell[assigned[1]] = done.stdout.trim();
  else if (wanted.length > 0) assert.match(`${done.stdout.trimEnd()}\n`, expected(wanted), printed);
};

const follow = async (commands) => {
  const [, ...blocks] = commands.trimEnd().split(/^\$ /m);
  for (const block of blocks) {
    const [command, ...wanted] = block.trimEnd().split('\n');
    if (command.endsWith('npm run dev')) await startDev(command);
    else execute(command, wanted);
  }
};

test('a newcomer who follows the page gets what it says, and compiles nothing', async (t) => {
  const bundles = [join(copy, 'build', 'index_bg.wasm'), join(copy, 'build', 'watch', 'index_bg.wasm')];
  const built = () => bundles.map((path) => [statSync(path).mtimeMs, statSync(path).size]);
  const before_ = built();
  for (const { path, text, commands } of steps()) {
    if (commands) await t.test(commands.split('\n')[0], () => follow(commands));
    else if (path) {
      mkdirSync(dirname(join(copy, path)), { recursive: true });
      writeFileSync(join(copy, path), text);
    }
  }
  assert.deepEqual(built(), before_, 'the bundle is the one that was built before');
});

test('what the page shows of the example is what the example has', () => {
  const manifest = readFileSync(join(root, 'examples', 'notes', 'systems', 'notes.toml'), 'utf8');
  const shown = steps().filter(({ path, commands }) => !path && !commands);
  assert.ok(shown.length > 0);
  for (const { text } of shown) assert.ok(manifest.includes(text.trim()), text);
});
