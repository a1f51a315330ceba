// A process that does the same piece of work once a second, and sends the CPU time that it took: how fast the machine is at that moment, which
// other users of its processors change. CPU time leaves out the time in which the system under test has the processors.
import { setTimeout as sleep } from 'node:timers/promises';

const ROWS = Array.from({ length: 5000 }, (_, n) => ({ id: n, name: `row ${n}`, tags: ['a', 'b', `${n % 7}`] }));

const work = () => JSON.stringify(JSON.parse(JSON.stringify(ROWS)).sort((a, b) => b.name.localeCompare(a.name)));

for (;;) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  process.send((user + system) / 1000);
  await sleep(1000);
}
