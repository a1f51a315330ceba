// wrk, the load generator: installed where it can be, one burst of load, its numbers.
import { spawn, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from '../dev/setup.js';

const BURST = join(import.meta.dirname, 'wrk.lua');

/** wrk's version, or nothing if it is not there. It ends with status 1 after telling it. */
export const wrkVersion = () => spawnSync('wrk', ['-v'], { encoding: 'utf8' }).stdout?.match(/^wrk\s+(\S+)/)?.[1];

const apt = (...args) => {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return spawnSync('apt-get', [...args], { stdio: ['ignore', 2, 2], env }).status === 0;
};

/** Sees to it that there is a wrk. */
export const needWrk = () => {
  if (wrkVersion()) return;
  const mend = 'Install wrk (Debian: apt-get install wrk; macOS: brew install wrk), then run this again.';
  const hasApt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0;
  if (process.getuid?.() !== 0 || !hasApt) throw new SetupError(`The benchmark needs the load generator wrk. ${mend}`);
  console.error('[setup] installing the Debian package wrk');
  const installed = apt('update', '-qq') && apt('install', '-y', '-qq', '--no-install-recommends', 'wrk');
  if (!installed || !wrkVersion()) throw new SetupError(`The package wrk could not be installed. ${mend}`);
};

const spawned = (args, signal) =>
  new Promise((resolve, reject) => {
    const child = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'pipe'], signal });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output += chunk;
      });
    }
    // One that was started is waited for, even after it was asked to stop.
    child.once('error', (error) => child.pid ?? reject(error));
    child.once('close', (code) => resolve({ code, output }));
  });

/**
 * Runs a script of wrk's, of which a line is its numbers in JSON.
 * @param {{script: string, url: string, connections: number, seconds: number, options?: string[], args?: string[], signal: AbortSignal}} how
 * options: more of wrk's; args: what the script's init gets
 */
export const wrk = async ({ script, url, connections, seconds, options = [], args = [], signal }) => {
  // One thread: it can send far more than any of the systems answer, and leaves them the cores. The time-out lets the
  // largest answers finish.
  const how = ['-t', '1', '-c', `${connections}`, '-d', `${seconds}s`, '--timeout', '30s', '-s', script];
  const { code, output } = await spawned([...how, ...options, url, '--', ...args], signal);
  signal.throwIfAborted();
  const line = output.split('\n').find((each) => each.startsWith('{'));
  if (code !== 0 || !line) throw new Error(`wrk ended with status ${code}:\n${output}`);
  return JSON.parse(line);
};

/**
 * One burst of load. Files are written into the directory, which the caller removes.
 * @param {{url: string, method?: string, headers?: Record<string, string>, body?: string, tokens: string[], addresses?: boolean, connections: number, seconds: number, directory: string, signal: AbortSignal}} options
 * tokens: one is sent again and again; of several each is sent once, and running out of them is an error; addresses: each request names
 * another client's address
 * @returns {Promise<{requests: number, bytes: number, perSecond: number, p50: number, p99: number, refused: number, failed: number}>}
 * p50 and p99 in milliseconds; bytes read; refused: answers of status 400 and more; failed: what got no answer
 */
export const burst = async ({
  method = 'GET',
  headers = {},
  body = '',
  tokens,
  addresses = false,
  directory,
  ...how
}) => {
  const files = { tokens: join(directory, 'wrk-tokens'), body: join(directory, 'wrk-body') };
  writeFileSync(files.tokens, tokens.join('\n'), { mode: 0o600 });
  writeFileSync(files.body, body);
  const options = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const { exhausted, ...numbers } = await wrk({
    ...{ script: BURST, options, args: [method, files.tokens, files.body, addresses ? 'addresses' : ''] },
    ...how,
  });
  if (exhausted) throw new Error(`${tokens.length} tokens were not enough for ${how.seconds} s`);
  return numbers;
};
