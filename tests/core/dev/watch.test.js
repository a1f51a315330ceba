// `npm run dev` while its sources change, in a copy of the project.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { after, test } from 'node:test';
import { build } from '../../../dev/build.js';
import { root } from '../../../dev/paths.js';
import { freePort, stopGroup, waitFor } from '../../../dev/process.js';

const data = mkdtempSync(join(tmpdir(), 'rowgate-dev-'));
const copy = mkdtempSync(join(tmpdir(), 'rowgate-copy-'));
let running;

after(async () => {
  if (running) await stopGroup(running.pid, 'SIGINT', 30_000);
  for (const directory of [data, copy]) rmSync(directory, { recursive: true, force: true });
});

/** Copies the project, and the packages that are compiled for its watched bundle, with their times, which cargo reads. */
const copyProject = async () => {
  await build('watch');
  const left = new Set(['.git', '.rowgate', '.wrangler', 'build', 'node_modules', 'target']);
  cpSync(root, copy, { recursive: true, filter: (path) => !left.has(relative(root, path)) });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  const target = process.env.CARGO_TARGET_DIR || join(root, 'target');
  for (const part of ['watch', join('wasm32-unknown-unknown', 'watch')]) {
    const filter = (path) => !path.endsWith('/incremental');
    const options = { recursive: true, preserveTimestamps: true, filter };
    cpSync(join(target, part), join(copy, 'target', part), options);
  }
};

const sourceWith = (text) =>
  readdirSync(join(copy, 'src'), { recursive: true })
    .filter((name) => name.endsWith('.rs'))
    .map((name) => join(copy, 'src', name))
    .find((file) => readFileSync(file, 'utf8').includes(text));

test('a changed source is compiled and served', async () => {
  await copyProject();
  const port = await freePort();
  const env = { ...process.env, ROWGATE_DATA: data, ROWGATE_PORT: `${port}` };
  delete env.CARGO_TARGET_DIR;
  running = spawn('npm', ['run', 'dev'], { cwd: copy, detached: true, env });
  let said = '';
  for (const stream of [running.stdout, running.stderr])
    stream.on('data', (text) => {
      said += text;
    });
  const given = () => (running.exitCode === null ? undefined : said);
  await waitFor('the ready line', () => /^ready http/m.test(said), { seconds: 300, given });

  const [before, changed] = ['No such endpoint', 'No endpoint of this name'];
  const answer = () => fetch(`http://127.0.0.1:${port}/nothing`).then((reply) => reply.text(), String);
  assert.match(await answer(), new RegExp(before));
  const file = sourceWith(before);
  const source = readFileSync(file, 'utf8');
  writeFileSync(file, source.replace(before, changed));
  const served = async () => (await answer()).includes(changed);
  await waitFor('the changed text', served, { seconds: 120 });

  assert.ok(existsSync(join(copy, 'build', 'watch', 'entry.js')));
  assert.ok(!existsSync(join(copy, 'build', 'entry.js')), 'the release profile is for `npm run build`');
});
