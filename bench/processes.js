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

/** Seconds of CPU that each process has used, by its id. */
export const cpuSeconds = (pids) =>
  new Map(
    pids.map((pid) => {
      try {
        const [, fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
        const [user, system] = fields.split(' ').slice(11, 13).map(Number);
        return [pid, (user + system) / HZ];
      } catch {
        return [pid, 0];
      }
    }),
  );
