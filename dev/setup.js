// Installs what a fresh clone lacks: npm packages, the wasm target, wasm-bindgen, for tests a browser. Each step runs
// once, says what it does, and says how to mend it if it cannot. Imports nothing that has to be installed.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { cache, root } from './paths.js';

/** The package that compiles to wasm-bindgen. */
const BINDGEN = join('dev', 'bindgen');

/** An error whose message is all that its reader needs. */
export class SetupError extends Error {}

const say = (text) => console.error(`[setup] ${text}`);

/**
 * Runs a command to its end, its output on standard error.
 * @param {string} mend what its user can do if it fails
 */
export const run = async (command, args, mend, options = {}) => {
  // A terminal is shown progress. Other readers get whole lines: wrangler takes each piece that it reads for a line, and cargo writes
  // "error" and what follows it in two pieces.
  const output = process.stderr.isTTY ? 2 : 'pipe';
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', output, output], ...options });
  for (const input of [child.stdout, child.stderr].filter(Boolean))
    createInterface({ input }).on('line', (line) => console.error(line));
  const why = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => {
      const end = () => resolve(code === 0 ? undefined : `it ended with ${signal ?? `status ${code}`}`);
      child.once('close', end);
      // What the command has left running, such as a cache of compilers, may keep its output open.
      setTimeout(() => {
        for (const stream of [child.stdout, child.stderr]) stream?.destroy();
        end();
      }, 2000).unref();
    });
  });
  if (why) throw new SetupError(`\`${command} ${args.join(' ')}\` failed: ${why}.\n${mend}`);
};

/** Waits for all of them, so that nothing runs on after an error; then throws the first one's. */
const all = async (work) => {
  const failed = (await Promise.allSettled(work)).find(({ status }) => status === 'rejected');
  if (failed) throw failed.reason;
};

const capture = (command, args) => {
  const done = spawnSync(command, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return done.status === 0 ? done.stdout.trim() : undefined;
};

const node = () => {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 3)) {
    throw new SetupError(`Node 20.3 or newer is needed; this is ${process.versions.node}. Install a newer one.`);
  }
};

const packages = async () => {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const mark = join(root, 'node_modules', '.rowgate-lock');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return;
  say('installing npm packages (about a minute)');
  await run('npm', ['ci', '--no-fund', '--no-audit'], 'Check that npm reaches its registry, then run this again.');
  writeFileSync(mark, wanted);
};

const wasmTarget = async () => {
  const directory = capture('rustc', ['--print', 'target-libdir', '--target', 'wasm32-unknown-unknown']);
  if (directory === undefined) {
    throw new SetupError('Rust is needed: install it with rustup, see https://rustup.rs, then run this again.');
  }
  if (existsSync(directory)) return;
  say('adding the Rust target wasm32-unknown-unknown');
  await run(
    'rustup',
    ['target', 'add', 'wasm32-unknown-unknown'],
    'Install Rust with rustup and check that it reaches its server.',
  );
};

const executable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const allOnPath = (name) =>
  (process.env.PATH || '')
    .split(delimiter)
    .map((directory) => join(directory, name))
    .filter(executable);

const onPath = (name) => allOnPath(name)[0];

/** The version of a crate in Cargo.lock. */
const locked = (crate) => {
  const found = readFileSync(join(root, 'Cargo.lock'), 'utf8').match(`name = "${crate}"\nversion = "(.*)"`);
  if (!found) throw new SetupError(`Cargo.lock does not name ${crate}. Restore it from the repository.`);
  return found[1];
};

/** A command on the PATH whose `--version` begins with the text. npm puts the commands of its packages there as well. */
const onPathOf = (name, version) =>
  allOnPath(name)
    .filter((path) => !path.includes('node_modules'))
    .find((path) => `${capture(path, ['--version'])} `.startsWith(`${version} `));

/** The project's own wasm-bindgen in the user's cache, by version and source. */
const cachedBindgen = () => {
  const source = ['Cargo.toml', join('src', 'main.rs')].map((name) => readFileSync(join(root, BINDGEN, name)));
  const hash = createHash('sha256').update(Buffer.concat(source)).digest('hex').slice(0, 12);
  return join(cache, 'tools', `bindgen-${locked('wasm-bindgen')}-${hash}`);
};

/** wasm-bindgen of the version in Cargo.lock: the command on the PATH, or the project's own. */
export const wasmBindgen = () => onPathOf('wasm-bindgen', `wasm-bindgen ${locked('wasm-bindgen')}`) ?? cachedBindgen();

/** wasm-opt: the command on the PATH if it is of the npm package's version (it runs faster), or the npm package's. */
export const wasmOpt = () => {
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules', 'binaryen', 'package.json'), 'utf8'));
  const wanted = `wasm-opt version ${version.split('.')[0]}`;
  return onPathOf('wasm-opt', wanted) ?? join(root, 'node_modules', '.bin', 'wasm-opt');
};

const bindgen = async () => {
  const place = wasmBindgen();
  if (existsSync(place)) return;
  say('compiling wasm-bindgen (half a minute, once per user)');
  // Compiled beside its place and moved there whole: a run that is cut off leaves nothing that looks finished.
  const target = `${place}.${process.pid}`;
  mkdirSync(target, { recursive: true });
  try {
    const mend = 'Check that cargo reaches its registry and that a C compiler (cc) is installed, then run this again.';
    const args = ['build', '--quiet', '--locked', '--profile', 'watch', '--package', 'rowgate-bindgen'];
    await run('cargo', [...args, '--target-dir', target], mend);
    renameSync(join(target, 'watch', 'rowgate-bindgen'), place);
  } finally {
    rmSync(target, { recursive: true, force: true });
  }
};

/** The browser for tests: CHROMIUM_BIN, or the system's. */
export const chromium = () => {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
  return process.env.CHROMIUM_BIN || names.map(onPath).find(Boolean) || (executable(mac) ? mac : undefined);
};

const browser = async () => {
  if (chromium()) return;
  const mend = 'Install Chromium (Debian: apt-get install chromium) or set CHROMIUM_BIN to a Chromium or Chrome.';
  if (process.getuid?.() !== 0 || !onPath('apt-get')) throw new SetupError(`The tests need a browser. ${mend}`);
  say('installing the Debian package chromium (about a minute)');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-qq'], mend, { env });
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'], mend, {
    env,
  });
};

/**
 * Installs what is missing.
 * @param {{build?: boolean, browser?: boolean}} needs besides the npm packages: what builds the bundle; a browser
 * @param {() => Promise<void>} meanwhile work that needs cargo and no npm package, done at the same time
 */
export const setup = async (needs = {}, meanwhile = async () => {}) => {
  node();
  if (needs.build) await wasmTarget();
  await all([packages(), needs.build && bindgen(), meanwhile()]);
  if (needs.browser) await browser();
};

/** Runs a command's main function; a set-up error is shown as its sentence, anything else with its stack. */
export const main = async (body) => {
  try {
    await body();
  } catch (error) {
    console.error(error instanceof SetupError ? `\n${error.message}` : error);
    process.exitCode = 1;
  }
};
