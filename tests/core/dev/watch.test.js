// `npm run dev` while sources and manifests change, in a copy of the project: what is right is served, what is wrong is shown in the
// terminal.
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
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { build } from '../../../dev/build.js';
import { root } from '../../../dev/paths.js';
import { freePort, stopGroup, waitFor } from '../../../dev/process.js';
import { ask as request } from '../../support/stack.js';

const data = mkdtempSync(join(tmpdir(), 'rowgate-dev-'));
const copy = mkdtempSync(join(tmpdir(), 'rowgate-copy-'));
let port;
let running;

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

/** Starts `npm run dev` in the copy, in a process group of its own, as a terminal does. */
const start = (more = {}) => {
  const env = { ...process.env, ROWGATE_DATA: data, ROWGATE_PORT: `${port}`, ...more };
  delete env.CARGO_TARGET_DIR;
  const child = spawn('npm', ['run', 'dev'], { cwd: copy, detached: true, env });
  child.said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      child.said += text;
    });
  child.ended = new Promise((resolve) => child.once('close', resolve));
  running = child;
  return child;
};

/** Waits until the terminal shows what fits. */
const shown = async (child, pattern, seconds = 120) => {
  const ended = () => (child.exitCode === null ? undefined : 'npm run dev ended');
  try {
    await waitFor(`${pattern} in the terminal`, () => pattern.test(child.said), { seconds, given: ended });
  } catch (error) {
    const log = join(data, 'log', 'edge.log');
    error.message += `\nThe terminal shows:\n${child.said}`;
    if (existsSync(log)) error.message += `\nThe edge's log ends with:\n${readFileSync(log, 'utf8').slice(-5000)}`;
    throw error;
  }
};

const answer = (path) => request(path, { base: `http://127.0.0.1:${port}` });

const sourceWith = (text) =>
  readdirSync(join(copy, 'src'), { recursive: true })
    .filter((name) => name.endsWith('.rs'))
    .map((name) => join(copy, 'src', name))
    .find((file) => readFileSync(file, 'utf8').includes(text));

before(async () => {
  await copyProject();
  port = await freePort();
});

after(async () => {
  if (running) await stopGroup(running.pid, 'SIGINT', 30_000);
  for (const directory of [data, copy]) rmSync(directory, { recursive: true, force: true });
});

const manifest = (text) => writeFileSync(join(copy, 'systems', 'shelf.toml'), text);
const SHELF = `name = "shelf"
schemas = ["shelf"]
migrations = "81"

[[endpoints]]
method = "GET"
path = "/v1/shelf"
access = "open"
call = "shelf.count"
`;

test('a changed source is compiled and served; one that does not compile is shown, and the edge goes on serving', async () => {
  const child = start();
  await shown(child, /^ready http/m, 300);
  const [before_, changed] = ['No such endpoint', 'No endpoint of this name'];
  assert.match((await answer('/nothing')).text, new RegExp(before_));
  const file = sourceWith(before_);
  const source = readFileSync(file, 'utf8');
  writeFileSync(file, source.replace(before_, changed));
  const served = async () => (await answer('/nothing')).text.includes(changed);
  await waitFor('the changed text', served, { seconds: 120 });
  assert.ok(existsSync(join(copy, 'build', 'watch', 'entry.js')));
  assert.ok(!existsSync(join(copy, 'build', 'entry.js')), 'the release profile is for `npm run build`');

  writeFileSync(file, `${source}\nfn unfinished( {`);
  await shown(child, /error: .*\n(?:.*\n)*?\[build\] not built/);
  assert.match((await answer('/nothing')).text, new RegExp(changed));
  writeFileSync(file, source.replace(before_, changed));
  await shown(child, /\[dev\] the change is served/);
});

test('changes that follow each other at once are built in turn, and the last is served', async () => {
  const file = sourceWith('No endpoint of this name');
  const source = readFileSync(file, 'utf8');
  const at = running.said.length;
  for (const name of ['one', 'two', 'three']) {
    writeFileSync(file, source.replace('No endpoint of this name', `No endpoint, says ${name}`));
    await sleep(150);
  }
  const served = async () => (await answer('/nothing')).text.includes('says three');
  await waitFor('the last change', served, { seconds: 120 });
  writeFileSync(file, source);
  await waitFor('the first text', async () => (await answer('/nothing')).text.includes('of this name'), {
    seconds: 120,
  });
  assert.doesNotMatch(running.said.slice(at), /not built/);
});

test('a manifest that cannot be read is shown, and the edge goes on serving', async () => {
  manifest('name = "shelf');
  await shown(running, /\[dev\] systems\/shelf\.toml: Invalid TOML/);
  assert.equal((await answer('/healthz')).status, 200);
  manifest(SHELF.replace('"shelf"', '"book"'));
  await shown(running, /\[dev\] systems\/shelf\.toml: name must be the file's name/);
  assert.equal((await answer('/healthz')).status, 200);
});

test('a manifest that the edge refuses is shown', async () => {
  // Without its schema, which PostgREST is to learn later.
  manifest(SHELF.replace('schemas = ["shelf"]\n', '').replace('"open"', '"users"'));
  await shown(running, /\[dev\] The edge is not configured: systems\/shelf\.toml: endpoints\[0\]\.access/);
  const refused = await answer('/healthz');
  assert.deepEqual([refused.status, refused.body.code], [500, 'RG901']);
});

test('a new system is served when its manifest is right and its migration is applied', async () => {
  running.said = '';
  writeFileSync(join(copy, 'migrations', '8101_shelf.sql'), '-- migrate:up\n-- migrate:down\n');
  manifest(SHELF);
  await shown(running, /the database lacks 1 of the migrations, such as 8101_shelf\.sql: run `npm run db:migrate`/);
  await shown(running, /PostgREST serves the schemas .*shelf/);
  await shown(running, /the change is served/);
  const { database_url: url } = JSON.parse(readFileSync(join(data, 'dev.json'), 'utf8'));
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(`create schema shelf; grant usage on schema shelf to anon;
    create function shelf.count() returns int language sql as 'select 3'; grant execute on function shelf.count() to anon; notify pgrst, 'reload schema'`);
  await client.end();
  await waitFor('the new endpoint', async () => (await answer('/v1/shelf')).status === 200);
  assert.equal((await answer('/v1/shelf')).body, 3);
});

test('with a manifest that the edge refuses a start fails at once and says why', async () => {
  await stopGroup(running.pid, 'SIGINT', 60_000);
  manifest(SHELF.replace('"open"', '"users"'));
  const child = start();
  assert.equal(await child.ended, 1, child.said);
  assert.match(child.said, /^The edge is not configured: systems\/shelf\.toml: endpoints\[0\]\.access/m);
  assert.doesNotMatch(child.said, /^ {4}at /m, 'no stack of calls');
});

test('wrong manifests and variables are refused before anything starts', async () => {
  const cases = [
    [{ SCHEMAS: 'private' }, SHELF, /^SCHEMAS: private is a schema of the core/m],
    [{ SYSTEMS: 'nosuch' }, SHELF, /^SYSTEMS: there is no nosuch\. Name some of/m],
    [{}, 'name = "shelf', /^systems\/shelf\.toml: Invalid TOML/m],
  ];
  for (const [more, text, said] of cases) {
    manifest(text);
    const child = start(more);
    assert.equal(await child.ended, 1);
    assert.match(child.said, said);
    assert.doesNotMatch(child.said, /starting|compiling/);
  }
});

test('Ctrl-C ends a start that is under way, and nothing is left', async () => {
  manifest(SHELF);
  const child = start();
  await shown(child, /\[dev\] starting/);
  await stopGroup(child.pid, 'SIGINT', 60_000);
  await child.ended;
  assert.match(child.said, /\[dev\] stopping\s+$/);
  assert.ok(!existsSync(join(data, 'run.json')));
});
