// Turns of the chat: how much later their first token comes than through a Worker that only passes requests on, and how many a second there
// are. The rival asks the same provider in the same run, turn by turn, on workerd as the edge does.
import { fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import pg from 'pg';
import { AUDIENCE, token } from '../../dev/issuer.js';
import { freePort } from '../../dev/process.js';
import { workerd } from '../../dev/workerd.js';
import { median, p99, rounded } from '../figures.js';

export const SIZES = { turns: 1000, turn_seconds: 20 };
export const only = 'behind the edge';

/** Turns that are under way at once when they are counted by the second: those of so many members. */
const CONNECTIONS = 16;
const MAX_ADDED_MS = 20;
const MIN_PER_SECOND = 100;

const agent = new Agent({ keepAlive: true });

/** One turn: milliseconds to the first token and to the end. */
const turn = (url, headers, body) =>
  new Promise((resolve, reject) => {
    const start = performance.now();
    const sent = request(url, {
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
    });
    sent.on('error', reject);
    sent.on('response', (answer) => {
      let text = '';
      let first;
      answer.on('data', (piece) => {
        text += piece;
        if (first === undefined && text.includes('"first"')) first = performance.now() - start;
      });
      answer.on('error', reject);
      answer.on('end', () => {
        if (answer.statusCode === 200 && first !== undefined && text.endsWith('data: [DONE]\n\n'))
          resolve({ first, whole: performance.now() - start });
        else reject(new Error(`A turn was answered ${answer.statusCode}: ${text.slice(0, 500)}`));
      });
    });
    sent.end(body);
  });

/** A tenant with members: a token of each. */
const members = async ({ databaseUrl, keys, issuer }) => {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query(
      `with made as (
         insert into assistant.tenants (name, slug, llm_provider, llm_model, rate_limit_per_minute, daily_token_limit)
         values ('Measured', 'measured', 'openai', 'a-model', 100000, 1000000000) returning id
       )
       insert into assistant.users (tenant_id, auth_id, email)
       select made.id, gen_random_uuid(), n || '@example.org' from made, generate_series(1, $1::int) as n returning auth_id`,
      [CONNECTIONS],
    );
    return await Promise.all(rows.map(({ auth_id: sub }) => token(keys, { issuer: issuer.issuer, sub })));
  } finally {
    await client.end();
  }
};

/** What is compared: the edge with a new conversation each time, its endpoint in OpenAI's shape, which stores none, and the rival. */
const systemsOf = ({ edge, rival, tokens }) => {
  const question = () => `What is the capital of France? ${randomUUID()}`;
  const openAi = () =>
    JSON.stringify({ model: 'a-model', stream: true, messages: [{ role: 'user', content: question() }] });
  const bearer = (n) => ({ authorization: `Bearer ${tokens[n]}` });
  return {
    chat: (n) => turn(`${edge}/v1/chat`, bearer(n), JSON.stringify({ message: question() })),
    completions: (n) => turn(`${edge}/v1/chat/completions`, bearer(n), openAi()),
    rival: () => turn(`${rival}/`, {}, openAi()),
  };
};

/** Turns in turns, one at a time: the times to the first token, by system. */
const firstTokens = async (systems, count, signal) => {
  const times = Object.fromEntries(Object.keys(systems).map((name) => [name, []]));
  // The first of each compile and open connections.
  for (let n = -10; n < count && !signal.aborted; n += 1)
    for (const [name, ask] of Object.entries(systems)) {
      const { first } = await ask(Math.abs(n) % CONNECTIONS);
      if (n >= 0) times[name].push(first);
    }
  return times;
};

/** Turns that end in a second, over some connections. */
const perSecond = async (ask, seconds, signal) => {
  const start = performance.now();
  const isTime = () => !signal.aborted && performance.now() - start < seconds * 1000;
  let count = 0;
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async (_, n) => {
      while (isTime()) {
        await ask(n);
        count += 1;
      }
    }),
  );
  return (count / (performance.now() - start)) * 1000;
};

const rowsOf = ({ times, rates }) => {
  const added = (name) => median(times[name]) - median(times.rival);
  const shown = (name) => `${rounded(median(times[name]))} ms, p99 ${rounded(p99(times[name]))} ms`;
  const first = (name, what) => ({
    name: `${what}: how much later the first token comes`,
    aim: `at most ${MAX_ADDED_MS} ms`,
    reached: `${rounded(added(name))} ms (${shown(name)})`,
    met: added(name) <= MAX_ADDED_MS,
    rival: `a bare pass-through: ${shown('rival')}`,
  });
  const rate = (name, what) => ({
    name: `${what}: turns a second of one tenant`,
    aim: `at least ${MIN_PER_SECOND}`,
    reached: `${rounded(rates[name])}`,
    met: rates[name] >= MIN_PER_SECOND,
    rival: `a bare pass-through: ${rounded(rates.rival)}`,
  });
  const names = { chat: 'POST /v1/chat', completions: 'POST /v1/chat/completions' };
  return [first, rate].flatMap((row) => Object.entries(names).map(([name, what]) => row(name, what)));
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ data, stack, stopping, options, say }) => {
  const { keys, issuer, postgrestUrl } = stack;
  const provider = fork(join(import.meta.dirname, 'provider.js'));
  const parts = [];
  const start = async (name, rest) => {
    const { part, url } = workerd({
      ...{ data, name, port: await freePort(), logFile: join(data, 'log', `${name}.log`), say: () => {} },
      ...rest,
    });
    parts.push(part);
    await part.start();
    return url;
  };
  try {
    const [llm] = await once(provider, 'message');
    const roles = ['anon', 'authenticated', 'service_role'];
    const edge = await start('edge', {
      variables: {
        POSTGREST_URL: postgrestUrl,
        EDGE_SIGNING_KEY: keys.edge_signing_key,
        ISSUERS: JSON.stringify([{ issuer: issuer.issuer, audience: AUDIENCE, jwks_url: issuer.jwksUrl, roles }]),
        KEK_1: keys.kek_1,
        LLM_PROVIDER_URLS: `openai=${llm}`,
      },
    });
    const rival = await start('rival', {
      modules: { 'pass.js': join(import.meta.dirname, 'workers', 'pass.js') },
      variables: { PROVIDER_URL: llm, PROVIDER_KEY: 'a-key' },
    });
    const systems = systemsOf({ edge, rival, tokens: await members(stack) });
    say(`${options.turns} turns, one at a time`);
    const times = await firstTokens(systems, options.turns, stopping.signal);
    const rates = {};
    for (const [name, ask] of Object.entries(systems)) {
      say(`${options.turn_seconds} s of turns over ${CONNECTIONS} connections: ${name}`);
      rates[name] = await perSecond(ask, options.turn_seconds, stopping.signal);
    }
    stopping.signal.throwIfAborted();
    return rowsOf({ times, rates });
  } finally {
    for (const part of parts) await part.stop();
    provider.kill();
  }
};
