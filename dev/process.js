// Child processes that are watched, started again when they die, and stopped by their own process group.
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from './setup.js';

/** The death within a minute at which the stack gives up; the pauses between are 2, 4, 8 and 16 s. */
const MAX_DEATHS = 5;

/** What Linux says of a process, after its name, which may contain spaces; nothing elsewhere. */
const linuxStat = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop().split(' ');
  } catch {
    return [];
  }
};

/** When a process began, as the system counts it: distinguishes it from a later one of the same number. */
export const startTime = (pid) =>
  linuxStat(pid)[19] ?? spawnSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { encoding: 'utf8' }).stdout?.trim();

/** Whether a process is there and not merely waiting for its parent to notice its end. */
export const alive = (pid) => {
  try {
    process.kill(pid, 0);
    return linuxStat(pid)[0] !== 'Z';
  } catch (error) {
    return error.code === 'EPERM';
  }
};

const signalGroup = (pid, signal) => {
  try {
    process.kill(-pid, signal);
    return true;
  } catch (error) {
    if (error.code === 'ESRCH') return false;
    throw error;
  }
};

/** Process groups of this process's parts. */
const groups = new Set();

// Where this process ends without having stopped them, they end with it.
process.on('exit', () => {
  for (const pid of groups) signalGroup(pid, 'SIGKILL');
});

/** Makes signals end this process as `process.exit` does, where nothing else handles them. */
export const exitOnSignals = () => {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    if (process.listenerCount(signal) === 0) process.once(signal, () => process.exit(1));
  }
};

/** Ends a process group: the signal, then SIGKILL for what is left of it after the grace period. */
export const stopGroup = async (pid, signal = 'SIGTERM', grace = 5000) => {
  signalGroup(pid, signal);
  const end = Date.now() + grace;
  while (signalGroup(pid, 0) && Date.now() < end) await sleep(20);
  signalGroup(pid, 'SIGKILL');
};

/**
 * A port that the operating system gives to no outgoing connection: those of Linux begin at 32768, of others at 49152. Another
 * system that starts at the same moment hardly picks the same one.
 */
const anyPort = () => 10_000 + Math.floor(Math.random() * 22_768);

/** A free port: the first of the wanted ones that is free, or any. */
export const freePort = async (...wanted) => {
  for (const port of [...wanted, ...Array.from({ length: 20 }, anyPort)]) {
    const found = await new Promise((resolve) => {
      const server = createServer();
      server.once('error', () => resolve(undefined));
      server.listen(port, '127.0.0.1', () => {
        const { port: bound } = server.address();
        server.close(() => resolve(bound));
      });
    });
    if (found) return found;
  }
  throw new Error('no free port');
};

/** Waits until a check holds; the error names what did not happen. */
export const waitFor = async (what, check, { seconds = 30, given = () => undefined } = {}) => {
  const end = Date.now() + seconds * 1000;
  for (;;) {
    if (await check()) return;
    const why = given();
    if (why) throw new SetupError(why);
    if (Date.now() > end) throw new SetupError(`${what} did not happen within ${seconds} s`);
    await sleep(50);
  }
};

/**
 * A part of the stack: one process that is started again when it dies by itself.
 * `ready` resolves when the part does its work. `say` gets a line for people, `line` each line that the process writes. The signal
 * ends the wait for a part that starts.
 */
export class Part {
  /** @param {{name: string, command: () => {file: string, args: string[], options?: object}, ready: (part: Part) => Promise<void>, stopSignal?: string, logFile: string, say: (line: string) => void, restart?: boolean, failed?: (part: Part, why: string) => void, line?: (text: string) => void, signal?: AbortSignal}} options */
  constructor(options) {
    Object.assign(this, { stopSignal: 'SIGTERM', restart: true, failed: () => {}, ...options });
    this.deaths = [];
    this.stopping = false;
  }

  /** The last lines of the log. */
  tail(lines = 12) {
    try {
      return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
    } catch {
      return '';
    }
  }

  async start() {
    this.stopping = false;
    this.#spawn();
    const { pid } = this;
    const given = () => {
      if (this.signal?.aborted) return 'Interrupted.';
      return this.pid === pid ? undefined : `${this.name} ended while it started:\n${this.tail()}`;
    };
    try {
      await this.ready(this, given);
    } catch (error) {
      if (!this.signal?.aborted) error.message += `\nIts log is ${this.logFile}`;
      throw error;
    }
  }

  #spawn() {
    const { file, args, options } = this.command();
    const log = openSync(this.logFile, 'a', 0o600);
    // It writes its log itself, unless somebody reads the lines.
    const output = this.line ? 'pipe' : log;
    const child = spawn(file, args, { stdio: ['ignore', output, output], ...options, detached: true });
    for (const stream of this.line ? [child.stdout, child.stderr] : []) {
      stream.on('data', (chunk) => writeSync(log, chunk));
      createInterface({ input: stream }).on('line', this.line);
    }
    this.child = child;
    this.pid = child.pid;
    if (child.pid) groups.add(child.pid);
    this.gone = new Promise((resolve) => {
      child.once('error', (error) => {
        writeSync(log, `${error.message}\n`);
        this.#ended(child, error.message);
        resolve();
      });
      child.once('exit', (code, signal) => {
        this.#ended(child, signal ? `was killed by ${signal}` : `ended with status ${code}`);
        resolve();
      });
      child.once('close', () => closeSync(log));
    });
  }

  #ended(child, how) {
    // What it started must not live on without it.
    if (child.pid) signalGroup(child.pid, 'SIGKILL');
    groups.delete(child.pid);
    if (this.child !== child) return;
    this.pid = undefined;
    if (this.stopping) return;
    const now = Date.now();
    this.deaths = [...this.deaths.filter((at) => now - at < 60_000), now];
    if (!this.restart || this.deaths.length >= MAX_DEATHS) {
      this.failed(this, `${this.name} ${how}`);
      return;
    }
    const seconds = 2 ** this.deaths.length;
    this.say(`${this.name} (process ${child.pid}) ${how}; it is started again in ${seconds} s (log: ${this.logFile})`);
    this.again = setTimeout(() => {
      this.start().then(
        () => this.say(`${this.name} is up again`),
        (error) => this.pid && this.say(error.message),
      );
    }, seconds * 1000);
  }

  /** Kills it as a crash would, without starting it again. */
  async kill() {
    this.stopping = true;
    if (this.pid) signalGroup(this.pid, 'SIGKILL');
    await this.gone;
  }

  async stop() {
    this.stopping = true;
    clearTimeout(this.again);
    const { pid } = this;
    if (!pid) return;
    await stopGroup(pid, this.stopSignal, 10_000);
    await this.gone;
  }
}
