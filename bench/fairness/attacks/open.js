// Requests whose answers are not read, or not to their end.
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

/** A connection for each request. */
export const agent = new Agent({ keepAlive: false, maxSockets: Infinity });

/** Sends a request without a body, and gives its answer, whose body is not read; nothing where it broke. */
export const open = (url, headers, { method = 'GET', body } = {}) =>
  new Promise((resolve) => {
    const given = body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length };
    const sent = request(url, { agent, method, headers: { ...given, ...headers } }, (answer) => {
      answer.on('error', () => {});
      resolve(answer);
    });
    sent.on('error', () => resolve(undefined));
    sent.end(body);
  });

/** Waits, but not for longer than the attack goes on. */
export const untilOver = async (going, milliseconds) => {
  const until = performance.now() + milliseconds;
  while (going() && performance.now() < until) await sleep(100);
};

/** Reads the first bytes of an answer, for so many milliseconds, and leaves. */
export const glance = async (answer, milliseconds) => {
  await new Promise((resolve) => answer.once('data', resolve).once('close', resolve));
  await sleep(milliseconds);
  answer.destroy();
};

/** What one connection does that does not read its answers, each for so many milliseconds. */
export const unread =
  (milliseconds, make) =>
  async ({ going, note }) => {
    while (going()) {
      const answer = await make();
      note(answer?.statusCode ?? 0);
      await untilOver(going, answer?.statusCode === 200 ? milliseconds : 100);
      answer?.destroy();
    }
  };
