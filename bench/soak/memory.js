// The memory of the processes while the soak runs. /proc/<pid>/smaps_rollup counts a page that several processes have in parts (PSS). What
// PostgreSQL's processes share are its buffers, which fill and stay full: they are counted apart from what each of the processes has for itself.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import WebSocket from 'ws';
import { family } from '../processes.js';

const MB = 1024;

/** Megabytes of a process, by the field's name; nothing where it has ended. */
const rollup = (pid) => {
  try {
    const lines = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').matchAll(/^(\w+): +(\d+) kB$/gm);
    return Object.fromEntries([...lines].map(([, name, kilobytes]) => [name, Number(kilobytes) / MB]));
  } catch {
    return {};
  }
};

const sum = (values) => values.reduce((total, value) => total + value, 0);

/**
 * What is watched: a name, and what it has now in megabytes.
 * @param {{edge: object, postgrest: object, postgres: object}} parts of dev/process.js
 */
export const memoryNow = ({ edge, postgrest, postgres }) => {
  const of = (part, field) => family(part.pid).map((pid) => rollup(pid)[field] ?? 0);
  const own = of(postgres, 'Pss_Anon');
  return {
    workerd: sum(of(edge, 'Pss')),
    PostgREST: sum(of(postgrest, 'Pss')),
    [TOGETHER]: sum(own),
    'PostgreSQL, the largest process’s own': Math.max(0, ...own),
    [SHARED]: sum(of(postgres, 'Pss_Shmem')),
    'PostgreSQL, processes': own.length,
  };
};

/**
 * Has workerd collect its garbage, which V8 puts off: it does not know what memory of workerd's hangs on its objects. What is left is in use.
 * @param {number} port of the inspector
 */
export const collectGarbage = async (port) => {
  const [{ webSocketDebuggerUrl: url }] = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
  const socket = new WebSocket(url);
  try {
    await once(socket, 'open');
    // Objects that an object held are free after the second time.
    for (const id of [1, 2]) {
      socket.send(JSON.stringify({ id, method: 'HeapProfiler.collectGarbage' }));
      await once(socket, 'message');
    }
  } finally {
    socket.terminate();
  }
};

/** What all processes of PostgreSQL have together. */
export const TOGETHER = 'PostgreSQL, its processes’ own';
/** What they share. It fills, up to what PostgreSQL reserves when it starts. */
export const SHARED = 'PostgreSQL, shared';
/** The names of what has to stay flat. */
export const FLAT = ['workerd', 'PostgREST', TOGETHER, 'PostgreSQL, the largest process’s own'];

/** The line through points, by least squares: its slope. */
const slope = (points) => {
  const [x, y] = [0, 1].map((at) => sum(points.map((point) => point[at])) / points.length);
  const above = sum(points.map(([px, py]) => (px - x) * (py - y)));
  const below = sum(points.map(([px]) => (px - x) ** 2));
  return below === 0 ? 0 : above / below;
};

/**
 * How much something has grown between two moments: a line through the lowest value of each twentieth of the time. What garbage collection
 * frees a moment later is no growth.
 * @param {{at: number, memory: object}[]} samples
 * @returns {{from: number, grown: number}} megabytes at the first moment, and by how much more at the last
 */
export const growth = (samples, name, from, to) => {
  const width = (to - from) / 20;
  const lowest = Array.from({ length: 20 }, (_, n) => {
    const some = samples.filter(({ at }) => at >= from + n * width && at < from + (n + 1) * width);
    return some.length === 0
      ? undefined
      : [from + (n + 0.5) * width, Math.min(...some.map(({ memory }) => memory[name]))];
  }).filter(Boolean);
  const rise = slope(lowest) * (to - from);
  const mean = sum(lowest.map(([, value]) => value)) / lowest.length;
  return { from: mean - rise / 2, grown: rise };
};
