// How late a thousand listeners hear of one change a second, of one user's and of a thousand users'. The rival has no edge and no stream:
// each listener asks PostgREST for the newest row once a second.
import { setTimeout as sleep } from 'node:timers/promises';
import { median, p99, rounded } from '../figures.js';
import { cpuTime } from '../machine.js';
import { SIZES as LISTENERS, people, send, whileListening, withEdge, write } from './listeners.js';

export const SIZES = { ...LISTENERS, changes: 15 };

const AIM_MS = 1500;
const SECOND = 1000;

/** About one change a second, of the users in turn; gives how many milliseconds later each listener of the user heard of it. */
const lags = async ({ sql, users, changes, signal }, listening) => {
  const written = new Map();
  const found = [];
  let due = performance.now();
  const onChange = (id) => {
    // The row's id is known when the statement is answered, which may be later than the first listener hears of it.
    const heard = performance.now();
    const note = (at) => found.push(Math.max(0, heard - at));
    if (written.has(id)) note(written.get(id));
    else early.set(id, [...(early.get(id) ?? []), note]);
  };
  const early = new Map();
  await listening(onChange, async () => {
    await sleep(2 * SECOND);
    due = performance.now();
    for (let n = 0; n < changes; n += 1) {
      signal.throwIfAborted();
      const before = performance.now();
      const id = await write(sql, users[n % users.length]);
      // From the moment in which it was committed, or a little earlier.
      written.set(id, before);
      for (const note of early.get(id) ?? []) note(before);
      // Not in step with the ticks of the edge.
      due += SECOND * (0.5 + Math.random());
      await sleep(Math.max(0, due - performance.now()));
    }
    await sleep(2 * SECOND);
  });
  return found;
};

const newest = async (url, token) => {
  const answer = await send(url, token, { 'accept-profile': 'clixen' });
  answer.setEncoding('utf8');
  let text = '';
  for await (const chunk of answer) text += chunk;
  // A user's requests at once are bounded (429), and PostgREST's connections, too (504): the listener asks again in a second.
  if ([429, 503, 504].includes(answer.statusCode)) return undefined;
  if (answer.statusCode !== 200) throw new Error(`PostgREST answers ${answer.statusCode}: ${text}`);
  return JSON.parse(text)[0]?.id;
};

/** Listeners that ask PostgREST themselves. */
const polling = (url, users, count) => async (onChange, body) => {
  let isOver = false;
  const each = async ({ token }) => {
    let known;
    await sleep(Math.random() * SECOND);
    while (!isOver) {
      const began = performance.now();
      const id = await newest(`${url}/projects?select=id&order=created_at.desc&limit=1`, token);
      if (id !== undefined && id !== known) {
        onChange(id);
        known = id;
      }
      await sleep(Math.max(0, SECOND - (performance.now() - began)));
    }
  };
  const all = Promise.all(Array.from({ length: count }, (_, n) => each(users[n % users.length])));
  await Promise.race([all, body()]);
  isOver = true;
  await all;
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = ({ data, stack, stopping, options, say }) =>
  withEdge({ data, stack }, async ({ url, sql }) => {
    const { listeners, changes } = options;
    const { signal } = stopping;
    const postgrest = stack.parts.find(({ name }) => name.startsWith('postgrest'));
    /** The lags, and the CPU of PostgREST in ms a second meanwhile. */
    const timed = async (users, listening) => {
      const [used, from] = [cpuTime(postgrest), performance.now()];
      const found = await lags({ sql, users, changes, signal }, listening);
      const cpu = used === undefined ? undefined : (cpuTime(postgrest) - used) / (performance.now() - from);
      const wanted = changes * (listeners / users.length);
      return { found, cpu, missed: Math.max(0, 1 - found.length / wanted) };
    };
    const shown = ({ found, cpu, missed }) =>
      `${rounded(median(found))} ms, p99 ${rounded(p99(found))} ms, ${rounded(100 * missed)} % not heard${cpu === undefined ? '' : `; PostgREST uses ${rounded(cpu)} ms of CPU a second`}`;
    const rows = [];
    for (const count of [1, listeners]) {
      const users = await people(stack, count);
      say(`${listeners} listeners of ${count} users`);
      const own = await timed(users, (onChange, body) => whileListening(url, users, listeners, onChange, body));
      say(shown(own));
      const rival = await timed(users, polling(stack.postgrestUrl, users, listeners));
      say(`polling: ${shown(rival)}`);
      rows.push({
        name: `one change a second, ${listeners} listeners of ${count === 1 ? 'one user' : `${count} users`}: how much later they hear of it`,
        aim: `median below ${AIM_MS} ms`,
        reached: shown(own),
        met: median(own.found) < AIM_MS && own.missed === 0,
        rival: `each asks PostgREST once a second: ${shown(rival)}`,
      });
    }
    return rows;
  });
