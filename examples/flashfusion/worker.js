// A worker of flashfusion: takes tasks, keeps them by heartbeats, and ends them. It needs nothing but Node 20.
//
//   ROWGATE_URL=http://127.0.0.1:8787 ROWGATE_TOKEN=<a worker's API token> node examples/flashfusion/worker.js
//
// Start as many as you like, on as many machines. One may die at any moment: when its lease ends, its tasks are tried again.
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The worker no longer has the task: another one may. Its result must not be used. */
export class LeaseLost extends Error {}

/** Calls one of the workers' endpoints. A request that failed on its way is repeated: all of them may be sent twice. */
const caller = ({ url, token }) => {
  const call = async (name, body, attempt = 1) => {
    try {
      const response = await fetch(`${url}/v1/workers/${name}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: JSON.stringify(body),
      });
      const answer = await response.json();
      if (response.ok) return answer;
      if (answer.code === 'RG611') throw new LeaseLost(answer.message);
      if (response.status < 500 && response.status !== 429) throw new Error(`${answer.code}: ${answer.message}`);
      if (attempt >= 5) throw new Error(`${answer.code}: ${answer.message}`);
    } catch (error) {
      if (!(error instanceof TypeError) || attempt >= 5) throw error;
    }
    await sleep(100 * 2 ** attempt);
    return call(name, body, attempt + 1);
  };
  return call;
};

/** Carries out one task, and keeps its lease meanwhile. */
const carryOut = async (call, task, { handle, leaseSeconds, say }) => {
  const held = { id: task.id, lease_token: task.lease_token };
  const stop = new AbortController();
  // Three heartbeats a lease: two may get lost.
  const beat = setInterval(
    async () => {
      try {
        const { cancel_requested: cancelled } = await call('heartbeat', { ...held, lease_seconds: leaseSeconds });
        if (cancelled) stop.abort(new Error('Cancelled by its owner'));
      } catch (error) {
        stop.abort(error);
      }
    },
    (leaseSeconds * 1000) / 3,
  );
  try {
    const result = await handle(task, stop.signal);
    stop.signal.throwIfAborted();
    await call('complete', { ...held, result });
    say(`completed ${task.id}`);
  } catch (error) {
    if (error instanceof LeaseLost) return say(`lost ${task.id}`);
    await call('fail', { ...held, error: error.message }).catch((failure) =>
      say(`lost ${task.id}: ${failure.message}`),
    );
    say(`failed ${task.id}: ${error.message}`);
  } finally {
    clearInterval(beat);
  }
};

/**
 * Works until the signal: what has begun is finished.
 * @param {{url: string, token: string, name: string, handle: (task: object, signal: AbortSignal) => Promise<unknown>,
 *   signal: AbortSignal, quantity?: number, leaseSeconds?: number, only?: {agents?: string[], types?: string[]}, say?: Function}} options
 */
export const work = async ({ quantity = 5, leaseSeconds = 30, only = {}, say = console.log, ...options }) => {
  const call = caller(options);
  while (!options.signal.aborted) {
    const { tasks } = await call('claim', { worker: options.name, quantity, lease_seconds: leaseSeconds, ...only });
    await Promise.all(tasks.map((task) => carryOut(call, task, { ...options, leaseSeconds, say })));
    // Nothing to do: ask again in a second, and not all workers at once.
    if (tasks.length === 0)
      await sleep(500 + Math.random() * 1000, undefined, { signal: options.signal }).catch(() => {});
  }
};

/** What this example does with a task: it counts the letters of `task_data.text`. */
const countLetters = async ({ task_data: { text } }) => {
  if (typeof text !== 'string') throw new Error('task_data.text is missing');
  return { letters: text.length };
};

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort());
  await work({
    url: process.env.ROWGATE_URL ?? 'http://127.0.0.1:8787',
    token: process.env.ROWGATE_TOKEN,
    name: process.env.WORKER_NAME ?? `worker ${process.pid}`,
    handle: countLetters,
    signal: stop.signal,
  });
}
