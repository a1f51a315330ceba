// A process that attacks until its parent sends a message: `attacker.js <attack's name> <target in JSON>`. Its parent gets the statuses.
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { attacks } from './attacks/index.js';
import { send } from './send.js';

const [name, target] = process.argv.slice(2);
const { base, connections, make, drive } = attacks(JSON.parse(target)).find((attack) => attack.name === name);
const agent = new Agent({ keepAlive: true, maxSockets: connections });
const statuses = {};
let going = true;
process.on('message', () => {
  going = false;
});
const note = (status) => {
  statuses[status] = (statuses[status] ?? 0) + 1;
};
const sendOn = async (n) => {
  for (let turn = 0; going; turn += 1) {
    const { status } = await send(agent, base, make(n, turn));
    note(status);
    // An endless loop of refusals would measure the load generator.
    if ([0, 429, 503].includes(status)) await sleep(20);
  }
};
await Promise.all(
  Array.from({ length: connections }, (_, n) => (drive ? drive({ n, going: () => going, note }) : sendOn(n))),
);
agent.destroy();
process.send(statuses, () => process.disconnect());
