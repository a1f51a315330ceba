// Installs what a fresh clone lacks: npm packages, the wasm target, the wasm tools, for tests a browser. Each step runs
// once, says what it does, and says how to mend it if it cannot. Imports nothing that has to be installed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cache, root } from './paths.js';

/** Pinned: wasm-bindgen's tool must be of the version that Cargo.toml pins for the library. */
const TOOLS = [
  { crate: 'wasm-bindgen-cli', version: '0.2.129', bin: 'wasm-bindgen', minutes: 3 },
  { crate: 'worker-build', version: '0.8.7', bin: 'worker-build', minutes: 5 },
];

/** An error whose message is all that its reader needs. */
export class SetupError extends Error {}

const say = (text) => console.error(`[setup] ${text}`);

const run = (command, args, mend, options = {}) => {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2], ...options });
  if (done.status !== 0) {
    const why = done.error ? done.error.message : `it ended with ${done.signal ?? `status ${done.status}`}`;
    throw new SetupError(`set-up step \`${command} ${args.join(' ')}\` failed: ${why}.\n${mend}`);
  }
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

const packages = () => {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const mark = join(root, 'node_modules', '.rowgate-lock');
  if (existsSync(mark) && readFileSync(mark, 'utf8') === wanted) return;
  say('installing npm packages (about a minute)');
  run('npm', ['ci', '--no-fund', '--no-audit'], 'Check that npm reaches its registry, then run this again.');
  writeFileSync(mark, wanted);
};

const wasmTarget = () => {
  const directory = capture('rustc', ['--print', 'target-libdir', '--target', 'wasm32-unknown-unknown']);
  if (directory === undefined) {
    throw new SetupError('Rust is needed: install it with rustup, see https://rustup.rs, then run this again.');
  }
  if (existsSync(directory)) return;
  say('adding the Rust target wasm32-unknown-unknown');
  run(
    'rustup',
    ['target', 'add', 'wasm32-unknown-unknown'],
    'Install Rust with rustup and check that it reaches its server.',
  );
};

const toolPath = ({ crate, version, bin }) => join(cache, 'tools', `${crate}-${version}`, 'bin', bin);

const tool = (wanted) => {
  const { crate, version, minutes } = wanted;
  if (existsSync(toolPath(wanted))) return;
  say(`building ${crate} ${version} (about ${minutes} minutes, once per user)`);
  // Built beside its place and moved there whole, so that a run that is cut off leaves nothing that looks finished.
  const place = join(cache, 'tools', `${crate}-${version}`);
  const building = `${place}.${process.pid}`;
  mkdirSync(building, { recursive: true });
  try {
    const mend = 'Check that cargo reaches its registry and that a C compiler (cc) is installed, then run this again.';
    run('cargo', ['install', crate, '--version', version, '--locked', '--root', building], mend);
    if (!existsSync(toolPath(wanted))) renameSync(building, place);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
};

const executable = (path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

const onPath = (name) =>
  (process.env.PATH || '')
    .split(delimiter)
    .map((directory) => join(directory, name))
    .find(executable);

/** The browser for tests: CHROMIUM_BIN, or the system's. */
export const chromium = () => {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
  return process.env.CHROMIUM_BIN || names.map(onPath).find(Boolean) || (executable(mac) ? mac : undefined);
};

const browser = () => {
  if (chromium()) return;
  const mend = 'Install Chromium (Debian: apt-get install chromium) or set CHROMIUM_BIN to a Chromium or Chrome.';
  if (process.getuid?.() !== 0 || !onPath('apt-get')) throw new SetupError(`The tests need a browser. ${mend}`);
  say('installing the Debian package chromium (about a minute)');
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], mend, { env });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'fonts-dejavu-core'], mend, { env });
};

/** The environment in which worker-build uses the tools installed here and downloads nothing. */
export const toolEnvironment = () => ({
  ...process.env,
  WASM_BINDGEN_BIN: toolPath(TOOLS[0]),
  WASM_OPT_BIN: join(root, 'node_modules', '.bin', 'wasm-opt'),
  ESBUILD_BIN: join(root, 'node_modules', '.bin', 'esbuild'),
});

/** worker-build's path. */
export const workerBuild = () => toolPath(TOOLS[1]);

/**
 * Installs what is missing.
 * @param {{build?: boolean, browser?: boolean}} needs besides the npm packages: the tools that build the bundle; a browser
 */
export const setup = (needs = {}) => {
  node();
  packages();
  if (needs.build) {
    wasmTarget();
    for (const wanted of TOOLS) tool(wanted);
  }
  if (needs.browser) browser();
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
