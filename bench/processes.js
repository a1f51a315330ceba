// What the system says of processes: which belong together, and the CPU that each has used.
import { readdirSync, readFileSync } from 'node:fs';

const HZ = 100;

/** Processes below this one, itself included. */
export const family = (pid) => {
  const parents = new Map();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const [, fields] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ');
      const parent = Number(fields.split(' ')[1]);
      parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const all = [pid];
  for (const each of all) all.push(...(parents.get(each) ?? []));
  return all;
};

/** Seconds of CPU in a `stat` of /proc; 0 if what it was about has ended. */
const secondsIn = (file) => {
  try {
    const [, fields] = readFileSync(file, 'utf8').split(') ');
    const [user, system] = fields.split(' ').slice(11, 13).map(Number);
    return (user + system) / HZ;
  } catch {
    return 0;
  }
};

/** Seconds of CPU that each process has used, by its id. */
export const cpuSeconds = (pids) => new Map(pids.map((pid) => [pid, secondsIn(`/proc/${pid}/stat`)]));

const threads = (pid) => {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
};

/** Seconds of CPU that each thread of these processes has used, by its id. The first thread of a process has the process's id. */
export const threadSeconds = (pids) =>
  new Map(
    pids.flatMap((pid) =>
      threads(pid).map((thread) => [Number(thread), secondsIn(`/proc/${pid}/task/${thread}/stat`)]),
    ),
  );
