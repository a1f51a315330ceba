// What is known of the system that is soaked: users, and what the kinds of requests need.
import { randomUUID } from 'node:crypto';
import { token as issue, serviceKey } from '../../dev/issuer.js';
import { systems } from '../../dev/systems.js';
import { query } from '../query.js';
import { STRIPE } from '../stand.js';
import { send } from './client.js';
import { prepare } from './kinds/index.js';

const USERS = 200;
/** Users who listen to changes of theirs. */
const LISTENING = 20;

/** @param {{stack: object, edge: string}} system edge: its address */
export const worldOf = async ({ stack, edge }) => {
  const { keys, issuer } = stack;
  const users = [];
  for (let n = 0; n < USERS; n += 1) {
    const sub = randomUUID();
    users.push({ sub, token: await issue(keys, { issuer: issuer.issuer, sub, ttl: 7200 }) });
  }
  const world = {
    ...{ edge, users, keys, issuer: issuer.issuer, key: keys.publishable_key },
    systems: systems().map(({ name }) => name),
    service: await serviceKey(keys, issuer.issuer),
    whatsapp: keys.whatsapp_app_secret,
    stripe: STRIPE,
  };
  world.listened = world.systems.includes('clixen') ? users.slice(0, LISTENING).map(({ sub }) => sub) : [];
  const sql = (text, values) => query(stack.databaseUrl, text, values);
  const ask = async (given) => {
    const answer = await send(edge, given);
    if (answer.status < 200 || answer.status > 299) throw new Error(`${given.path}: ${answer.status} ${answer.text}`);
    return answer;
  };
  await prepare(world, sql, ask);
  return world;
};
