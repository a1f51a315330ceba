// A worker process for the tests: the one of the example, with tasks that may kill it.
import { setTimeout as sleep } from 'node:timers/promises';
import { work } from '../../../examples/flashfusion/worker.js';

const { agent, leaseSeconds, name, token, url } = JSON.parse(process.argv[2]);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());

await work({
  url,
  token,
  name,
  leaseSeconds,
  quantity: 20,
  only: { agents: [agent] },
  signal: stop.signal,
  handle: async ({ id, task_data: { poison, ms } }, signal) => {
    if (poison) process.kill(process.pid, 'SIGKILL');
    if (ms) await sleep(ms, undefined, { signal }).catch(() => {});
    return { by: name, id };
  },
});
