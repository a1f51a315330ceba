// A process that reads, one read after the other with 2 ms between: `reader.js <address> <token> <seconds>`, of the edge or,
// with `direct` behind, of PostgREST. Its parent gets each read's milliseconds, and how many were refused. The parent reads the logs of the
// system, which would count as waiting.
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { send } from './send.js';

const [base, token, seconds, direct] = process.argv.slice(2);
const path = `${direct ? '' : '/rest/v1'}/projects?select=id,name&limit=1`;
const headers = { authorization: `Bearer ${token}`, ...(direct && { 'accept-profile': 'clixen' }) };
const agent = new Agent({ keepAlive: true });
const times = [];
let refused = 0;
const until = performance.now() + Number(seconds) * 1000;
while (performance.now() < until) {
  const { status, ms } = await send(agent, base, { path, headers });
  if (status === 200) times.push(ms);
  else refused += 1;
  await sleep(2);
}
agent.destroy();
process.send({ times, refused }, () => process.disconnect());
