// What an event of a hook takes, while the same user's transcript is uploaded.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { token } from '../../dev/issuer.js';
import { median, p99, rounded } from '../figures.js';

export const SIZES = { events: 1000 };
export const only = undefined;

/** Lines of a session, without end. */
function* lines(session) {
  for (let n = 0; ; n += 1)
    yield `${JSON.stringify({
      type: 'user',
      uuid: randomUUID(),
      parentUuid: null,
      sessionId: session,
      timestamp: new Date().toISOString(),
      cwd: '/home/me/app',
      message: { role: 'user', content: `Line ${n} ${'words of a message '.repeat(15)}` },
    })}\n`;
}

/** Uploads a transcript until it is aborted. */
const upload = (url, bearer, session, signal) => {
  const each = lines(session);
  const body = new ReadableStream({
    async pull(controller) {
      let part = '';
      for (let n = 0; n < 100; n += 1) part += each.next().value;
      controller.enqueue(Buffer.from(part));
      await sleep(5);
    },
  });
  return fetch(`${url}/v1/transcripts?file=${session}.jsonl`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/x-ndjson' },
    body,
    duplex: 'half',
    signal,
  }).catch(() => {});
};

/** One event after the other, as a session sends them: the times in milliseconds. */
const send = async (url, bearer, session, count, stopping) => {
  const times = [];
  for (let n = 0; n < count && !stopping.signal.aborted; n += 1) {
    const [hook_event_name, id] = [n % 2 === 0 ? 'PreToolUse' : 'PostToolUse', Math.floor(n / 2)];
    const body = JSON.stringify({
      ...{ session_id: session, hook_event_name, cwd: '/home/me/app', tool_name: 'Bash', tool_use_id: `toolu_${id}` },
      ...{ tool_input: { command: 'cargo test' }, tool_response: { stdout: 'ok\n'.repeat(300) }, duration_ms: 5 },
    });
    const start = performance.now();
    const answer = await fetch(`${url}/v1/hooks`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body,
    });
    await answer.text();
    if (answer.status !== 200) throw new Error(`An event was answered with ${answer.status}.`);
    times.push(performance.now() - start);
    // Below the limit of 1,200 a minute.
    await sleep(Math.max(0, 50 - (performance.now() - start)));
  }
  return times;
};

/**
 * @param {{stack: object, stopping: AbortController, options: object, say: Function}} parts
 */
export const measure = async ({ stack, options, stopping, say }) => {
  const bearer = await token(stack.keys, { issuer: stack.issuer.issuer, sub: randomUUID() });
  const rows = [];
  for (const [name, busy] of [
    ['one event of a hook, p99', false],
    ['the same beside an upload of the same user, p99', true],
  ]) {
    say(name);
    const session = randomUUID();
    const ended = new AbortController();
    const uploading = busy && upload(stack.edgeUrl, bearer, session, ended.signal);
    const times = await send(stack.edgeUrl, bearer, session, options.events, stopping);
    ended.abort();
    await uploading;
    const reached = rounded(p99(times));
    rows.push({
      name,
      aim: 'under 50 ms',
      reached: `${reached} ms (median ${rounded(median(times))} ms)`,
      met: reached < 50,
    });
  }
  return rows;
};
