// A process that reads, one read after the other with 2 ms between: `reader.js <edge's address> <token> <seconds>`. Its parent gets each
// read's milliseconds, and how many were refused. The parent reads the logs of the system, which would count as waiting.
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from './send.js';

const [base, token, seconds] = process.argv.slice(2);
const agent = new Agent({ keepAlive: true });
const times = [];
let refused = 0;
const until = performance.now() + Number(seconds) * 1000;
while (performance.now() < until) {
  const { status, ms } = await send(agent, base, {
    path: '/rest/v1/projects?select=id,name&limit=1',
    headers: { authorization: `Bearer ${token}` },
  });
  if (status === 200) times.push(ms);
  else refused += 1;
  await sleep(2);
}
agent.destroy();
process.send({ times, refused }, () => process.disconnect());
