// What the parts of the benchmark share: an edge that has room for all listeners, and the listeners.
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import pg from 'pg';
import { AUDIENCE, token as issue } from '../../dev/issuer.js';
import { freePort } from '../../dev/process.js';
import { workerd } from '../../dev/workerd.js';

export const TABLE = 'clixen.projects';
export const SIZES = { listeners: 1000 };

const agent = new Agent({ keepAlive: true, maxSockets: Infinity });

/** Calls the body with an edge of its own and a connection to the database. */
export const withEdge = async ({ data, stack }, body) => {
  const { keys, issuer, postgrestUrl } = stack;
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  const roles = ['anon', 'authenticated', 'service_role'];
  const { part, url } = workerd({
    ...{ data, name: 'edge', port: await freePort(), logFile: join(data, 'log', 'listeners.log'), say: () => {} },
    variables: {
      POSTGREST_URL: postgrestUrl,
      EDGE_SIGNING_KEY: keys.edge_signing_key,
      ISSUERS: JSON.stringify([{ issuer: issuer.issuer, audience: AUDIENCE, jwks_url: issuer.jwksUrl, roles }]),
      LIMITS: JSON.stringify({ listeners: 100_000, user_listeners: 100_000 }),
    },
  });
  try {
    await client.connect();
    await part.start();
    return await body({ url, sql: async (text, values) => (await client.query(text, values)).rows });
  } finally {
    await part.stop();
    await client.end();
  }
};

/** So many users with their tokens. */
export const people = async ({ keys, issuer }, count) => {
  const made = [];
  for (let n = 0; n < count; n += 1) {
    const sub = randomUUID();
    made.push({ sub, token: await issue(keys, { issuer: issuer.issuer, sub, ttl: 3600 }) });
  }
  return made;
};

/** A request; gives its answer, whose body is not read. */
export const send = (url, token, headers = {}) =>
  new Promise((resolve, reject) => {
    const sent = request(url, { agent, headers: { authorization: `Bearer ${token}`, ...headers } }, resolve);
    sent.on('error', reject).end();
  });

/** Opens a stream; `onChange` is called with the key of each row. It is open when the promise is settled. */
const listen = async (url, token, onChange) => {
  const response = await send(`${url}/v1/changes?table=${TABLE}`, token);
  if (response.statusCode !== 200) throw new Error(`a listener is refused: ${response.statusCode}`);
  response.setEncoding('utf8');
  await new Promise((resolve, reject) => {
    let text = '';
    response.on('error', () => {});
    response.once('close', () => reject(new Error('a stream has ended')));
    response.on('data', (chunk) => {
      const blocks = (text + chunk).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) {
        if (/^event: ready$/m.test(block)) resolve();
        else {
          const id = /^data: .*"id":"([^"]+)"/m.exec(block)?.[1];
          if (id) onChange(id);
        }
      }
    });
  });
  return () => response.destroy();
};

/** Calls the body while so many listeners listen, a number of them for each of the people. */
export const whileListening = async (url, users, count, onChange, body) => {
  const open = [];
  try {
    // A few at a time, as pages open.
    for (let n = 0; n < count; n += 20) {
      const some = Array.from({ length: Math.min(20, count - n) }, (_, at) => users[(n + at) % users.length]);
      open.push(...(await Promise.all(some.map(({ token }) => listen(url, token, onChange)))));
    }
    return await body();
  } finally {
    for (const close of open) close();
  }
};

/** Writes a row of a user; gives its id. */
export const write = async (sql, { sub }) =>
  (await sql(`insert into clixen.projects (user_id, name) values ($1, gen_random_uuid()) returning id`, [sub]))[0].id;
