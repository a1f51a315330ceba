// The first answer of a fresh isolate: from the start of workerd to the first answer, and the process's CPU until then.
import { readdirSync, readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from '../../dev/setup.js';

/** The row's name. */
export const FIRST = 'first answer of a fresh isolate';
/** How often each Worker is started. */
export const STARTS = 20;
/** Milliseconds after which a Worker that does not answer ends the benchmark. */
const MAX_MS = 20_000;
/** Milliseconds between two attempts to connect. */
const PAUSE_MS = 1;

/** Milliseconds of CPU of a process's threads. More exact than `cpuTime`: a start takes few of its hundredths of a second. */
const cpuOf = (pid) => {
  if (platform() !== 'linux') return undefined;
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const [running] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ');
    return Number(running);
  });
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e6;
};

/** One start. The Worker's own `ready` is replaced: it asks too seldom to measure anything. */
const once = async ({ name, part }, url, options) => {
  const begin = performance.now();
  let answer;
  part.ready = async (_, given) => {
    while (!answer) {
      answer = await fetch(url, options).catch(() => undefined);
      const why = given() ?? (performance.now() - begin > MAX_MS ? `${name} does not answer` : undefined);
      if (why) throw new SetupError(why);
      if (!answer) await sleep(PAUSE_MS);
    }
    await answer.arrayBuffer();
  };
  await part.start();
  const made = { wall: performance.now() - begin, cpu: cpuOf(part.pid) };
  await part.stop();
  if (answer.status !== 200) throw new SetupError(`${name}: the first answer is ${answer.status} instead of 200.`);
  return made;
};

/**
 * Starts the Workers in turn. They are stopped before, and stopped afterwards.
 * @param {{name: string, url: string, part: object}[]} workers
 * @param {{addressOf: (worker: object) => string, token: () => string, signal: AbortSignal}} request what each is asked first
 * @returns {Promise<{name: string, wall: number[], cpu: number[]}[]>} milliseconds
 */
export const firstAnswers = async (workers, { addressOf, token, signal }) => {
  for (const { part } of workers) await part.stop();
  const measured = workers.map(({ name }) => ({ name, wall: [], cpu: [] }));
  for (let number = 0; number < STARTS; number += 1) {
    for (const [at] of workers.entries()) {
      signal.throwIfAborted();
      // Each round begins with another Worker.
      const turn = (at + number) % workers.length;
      const worker = workers[turn];
      const { wall, cpu } = await once(worker, addressOf(worker), { headers: { authorization: `Bearer ${token()}` } });
      measured[turn].wall.push(wall);
      measured[turn].cpu.push(cpu);
    }
  }
  return measured;
};
