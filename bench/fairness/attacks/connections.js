// Abusive callers who hold connections: who read nothing, send slowly, hang up, or listen again and again.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { agent, open, unread, untilOver } from './open.js';
import { SLOW } from './requests.js';

/**
 * @param {object} target of prepare.js
 * @returns {{name: string, connections: number, statuses: (number | string)[], base: string, drive: (parts: {n: number, going: () => boolean, note: (status: number) => void}) => Promise<void>}[]}
 * drive: what one of the connections does until the attack is over; it notes the status of each answer
 */
export const connections = ({ edgeUrl: base, token, member, key }) => {
  const bearer = { authorization: `Bearer ${token}` };
  const one = (name, count, statuses, drive) => ({
    ...{ name: `${name}, ${count} at once`, connections: count, statuses, base, drive },
  });
  return [
    one(
      'long answers that one user does not read',
      30,
      [200, 429],
      unread(20_000, () => open(`${base}/rest/v1/mvp_chat_messages?limit=1000`, bearer)),
    ),
    one(
      'chats that one member does not read',
      14,
      [200, 429],
      unread(1000, () =>
        open(`${base}/v1/chat`, { authorization: `Bearer ${member}` }, { method: 'POST', body: '{"message":"Hello"}' }),
      ),
    ),
    one('bodies that one user sends byte by byte', 100, ['left', 408, 429], async ({ going, note }) => {
      while (going()) {
        const status = await new Promise((resolve) => {
          const headers = { ...bearer, 'content-type': 'application/json', 'content-length': 10_000 };
          const sent = request(`${base}/rest/v1/projects`, { agent, method: 'POST', headers }, (answer) => {
            answer.resume();
            resolve(answer.statusCode);
          });
          const slowly = setInterval(() => (going() ? sent.write(' ') : sent.destroy()), 200);
          // The end of the attack, or of an upload that took too long.
          sent.on('close', () => clearInterval(slowly));
          sent.on('error', () => resolve(going() ? 0 : 'left'));
        });
        note(status);
      }
    }),
    one('slow filters of one user who hangs up at once', 14, ['hung up'], async ({ going, note }) => {
      while (going()) {
        const headers = bearer;
        const sent = request(`${base}/rest/v1/projects?description=match.${SLOW}&select=id`, { agent, headers });
        sent.on('error', () => {});
        sent.end();
        await sleep(50);
        sent.socket?.resetAndDestroy();
        note('hung up');
      }
    }),
    one('listeners of one user who come again and again', 14, [200, 429], async ({ going, note }) => {
      while (going()) {
        const answer = await open(`${base}/v1/changes?table=clixen.projects`, bearer);
        note(answer?.statusCode ?? 0);
        if (answer?.statusCode === 200)
          await new Promise((resolve) => answer.once('data', resolve).once('close', resolve));
        else await sleep(20);
        answer?.destroy();
      }
    }),
    one('one user who listens, and changes many rows', 14, [204, 200, 429], async ({ n, going, note }) => {
      if (n < 10) {
        const answer = await open(`${base}/v1/changes?table=clixen.projects`, bearer);
        note(answer?.statusCode ?? 0);
        answer?.resume();
        await untilOver(going, Number.POSITIVE_INFINITY);
        answer?.destroy();
        return;
      }
      for (let turn = 0; going(); turn += 1) {
        const body = JSON.stringify({ color: `#${String(turn % 1_000_000).padStart(6, '0')}` });
        const answer = await open(`${base}/rest/v1/projects?name=like.p*`, bearer, { method: 'PATCH', body });
        note(answer?.statusCode ?? 0);
        answer?.resume();
        await new Promise((resolve) => (answer ? answer.once('close', resolve) : setTimeout(resolve, 20)));
      }
    }),
    one('WebSockets of one user', 20, [101], async ({ going, note }) => {
      const socket = new WebSocket(`${base.replace('http', 'ws')}/realtime/v1/websocket?apikey=${key}&vsn=2.0.0`, {
        headers: { 'cf-connecting-ip': '203.0.113.40' },
      });
      socket.on('error', () => note(0));
      const text = JSON.stringify([null, '1', 'phoenix', 'heartbeat', { x: 'x'.repeat(1000) }]);
      socket.on('open', () => socket.send(text));
      socket.on('message', () => {
        note(101);
        socket.send(text);
      });
      await untilOver(going, Number.POSITIVE_INFINITY);
      socket.terminate();
    }),
  ];
};
