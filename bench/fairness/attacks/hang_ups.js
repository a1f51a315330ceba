// Abusive callers who hang up in the middle of an answer or a body, or stop sending; and answers that have no end.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { agent, glance, open, untilOver } from './open.js';

const MB = 1024 * 1024;
const PIECE = 'x'.repeat(3 * MB);
/** The body of an upload that is just too long to be read whole before it is sent (`MAX_WHOLE_BYTES` in src/message.rs). */
const SHORT = 'x'.repeat(150_000);
/** The beginning of a body of 1,000,000 bytes: the edge has to hold it until the rest comes. */
const LARGE = `{"message":"${'x'.repeat(900_000)}`;
/** Columns that make 70 MB: over `answer_bytes`. */
export const COLUMNS = Array.from({ length: 14 }, (_, n) => `c${n}:content`).join(',');

/** Sends a part of a body, and no more. Gives the answer's status; 'left' if the caller hung up before it, after so many milliseconds. */
const begin = (url, headers, part, milliseconds, going) =>
  new Promise((resolve) => {
    let hasLeft = false;
    const sent = request(url, { agent, method: 'POST', headers }, (answer) => {
      answer.on('error', () => {}).resume();
      resolve(answer.statusCode);
      sent.destroy();
    });
    // A refusal may close the connection before all is sent.
    sent.on('error', () => resolve(hasLeft ? 'left' : 'closed'));
    sent.write(part);
    untilOver(() => going() && !sent.destroyed, milliseconds).then(() => {
      hasLeft = true;
      sent.destroy();
    });
  });

/** What an answer is, read to its end or until the attack is over: its status, or that it broke off. */
const readOn = async (answer, going) => {
  let isOver = false;
  const ended = new Promise((resolve) =>
    answer.once('end', () => resolve(answer.statusCode)).once('close', () => resolve('broken off')),
  );
  answer.resume();
  untilOver(() => going() && !answer.closed, Number.POSITIVE_INFINITY).then(() => {
    isOver = true;
    answer.destroy();
  });
  const how = await ended;
  return isOver && !going() ? 'left' : how;
};

/**
 * @param {object} target of prepare.js
 * @returns {object[]} as of connections.js
 */
export const hangUps = ({ edgeUrl: base, token, member, endless }) => {
  const bearer = { authorization: `Bearer ${token}` };
  const chat = { authorization: `Bearer ${member}`, 'content-type': 'application/json', 'content-length': 1_000_000 };
  const text = { ...bearer, 'content-type': 'text/plain' };
  const pieces = { ...text, 'transfer-encoding': 'chunked' };
  const one = (name, connections, statuses, drive) => ({
    ...{ name: `${name}, ${connections} at once`, connections, statuses, base, drive },
  });
  /** Reads the beginning of an answer, and hangs up. */
  const glances =
    (path) =>
    async ({ going, note }) => {
      while (going()) {
        const answer = await open(`${base}${path}`, bearer);
        note(answer?.statusCode ?? 0);
        if (answer?.statusCode === 200) await glance(answer, 0);
        else await sleep(20);
        answer?.destroy();
      }
    };
  /** Leaves amid uploads. */
  const breaksOff =
    (headers, body) =>
    async ({ n, going, note }) => {
      for (let turn = 0; going(); turn += 1) {
        const url = `${base}/storage/v1/object/files/${n}-${turn}`;
        const status = await begin(url, headers, body, 100, going);
        note(status);
        if (status !== 'left') await sleep(20);
      }
    };
  return [
    one(
      'long answers of one user who hangs up in the middle',
      14,
      [200, 429],
      glances('/rest/v1/mvp_chat_messages?limit=1000'),
    ),
    one(
      'downloads from storage of one user who hangs up in the middle',
      14,
      [200, 429],
      glances('/storage/v1/object/authenticated/files/a'),
    ),
    one('answers over the limit of one user', 14, ['broken off', 429, 'left'], async ({ going, note }) => {
      while (going()) {
        const answer = await open(`${base}/rest/v1/mvp_chat_messages?limit=1000&select=${COLUMNS}`, bearer);
        note(answer ? await readOn(answer, going) : 0);
        if (answer?.statusCode !== 200) await sleep(20);
      }
    }),
    one('chats of one member whose provider does not end', 14, [200, 429], async ({ going, note }) => {
      while (going()) {
        const headers = { authorization: `Bearer ${endless}` };
        const answer = await open(`${base}/v1/chat`, headers, { method: 'POST', body: '{"message":"Hello"}' });
        note(answer?.statusCode ?? 0);
        if (answer) await readOn(answer, going);
        if (answer?.statusCode !== 200) await sleep(20);
      }
    }),
    one('large bodies of one user that pause', 240, [503, 'left', 429], async ({ going, note }) => {
      while (going()) {
        note(await begin(`${base}/v1/chat`, chat, LARGE, Number.POSITIVE_INFINITY, going));
        await untilOver(going, 1000);
      }
    }),
    one('large bodies of one user who hangs up', 20, ['left', 503, 429], async ({ going, note }) => {
      while (going()) {
        const status = await begin(`${base}/v1/chat`, chat, LARGE, 300, going);
        note(status);
        if (status !== 'left') await sleep(20);
      }
    }),
    one('uploads of one user to storage that break off', 14, ['left', 429], breaksOff(pieces, PIECE)),
    one(
      'uploads of one user to storage that break off before their declared length',
      14,
      ['left', 429],
      breaksOff({ ...text, 'content-length': PIECE.length + 1 }, PIECE),
    ),
    one(
      'short uploads of one user to storage that break off',
      14,
      ['left', 429],
      breaksOff({ ...text, 'content-length': SHORT.length + 1 }, SHORT),
    ),
  ];
};
