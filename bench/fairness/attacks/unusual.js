// Abusive callers who come by the less usual ways: HEAD, retries, unknown keys, bodies without a length, services behind the edge, streams
// that are left or not read.
import { randomBytes, randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { agent, glance, open, unread, untilOver } from './open.js';

const MB = 1024 * 1024;
const guess = (bytes) => randomBytes(bytes).toString('base64url');
const from = (last) => ({ 'cf-connecting-ip': `203.0.113.${last}` });
const FILE = 'x'.repeat(5 * MB);
const LONG = `{"object":"${'x'.repeat(2.9 * MB)}"}`;

/** Those that send whole requests and read whole answers. */
const whole = ({ edgeUrl: base, token, key, bearer, conversation, link }) => {
  const one = (name, connections, statuses, make) => ({
    ...{ name: `${name}, ${connections} at once`, connections, statuses, base, make },
  });
  const get = (path, headers = bearer) => ({ path, headers });
  const post = (path, body, headers) => ({ method: 'POST', path, body, headers });
  const [, claims] = token.split('.');
  const unknown = () =>
    `${Buffer.from(JSON.stringify({ alg: 'ES256', typ: 'JWT', kid: guess(9) })).toString('base64url')}.${claims}.${guess(64)}`;
  return [
    one('tokens of unknown keys, always another', 30, [401, 429], () =>
      get('/rest/v1/projects', { authorization: `Bearer ${unknown()}`, ...from(50) }),
    ),
    // A key for each tenth of a second: the first request does the work, the others wait for it and get its answer.
    one('one Idempotency-Key of one address', 30, [201, 429], () => {
      const at = Math.floor(Date.now() / 100);
      return post('/v1/leads', JSON.stringify({ email: `again${at}@example.org` }), {
        ...{ accept: 'application/json', 'idempotency-key': `again-${at}`, ...from(51) },
      });
    }),
    one('HEAD with counts of one user', 14, [200, 429], () => ({
      ...{ method: 'HEAD', path: '/rest/v1/mvp_chat_messages?select=id' },
      headers: { ...bearer, prefer: 'count=exact' },
    })),
    one('conditions in each other of one user', 14, [400, 429], () =>
      get(`/rest/v1/projects?or=${'(and'.repeat(1900)}`),
    ),
    one('the description of the data API, asked for by one user', 14, [200, 429], () => get('/openapi.json')),
    one('refresh tokens, guessed', 14, [400, 429], () =>
      post('/auth/v1/token?grant_type=refresh_token', JSON.stringify({ refresh_token: guess(9) }), {
        apikey: key,
        ...from(52),
      }),
    ),
    one('long webhooks with wrong signatures', 14, [401, 429], () =>
      post('/v1/whatsapp/webhook', LONG, {
        'x-hub-signature-256': `sha256=${randomBytes(32).toString('hex')}`,
        ...from(53),
      }),
    ),
    one('a shared conversation, read again and again', 30, [200, 429], () =>
      get(`${link}`, { accept: 'application/json', ...from(54) }),
    ),
    one('downloads of a transcript of one user', 14, [200, 429], () =>
      get(`/v1/conversations/${conversation}/transcript`),
    ),
    one('uploads of one user to storage', 14, [200, 429], () =>
      post(`/storage/v1/object/files/${randomUUID()}`, FILE, { ...bearer, 'content-type': 'text/plain' }),
    ),
    one('uploads of unknown length of one user to storage', 14, [200, 429], () =>
      post(`/storage/v1/object/files/${randomUUID()}`, FILE, {
        ...bearer,
        'content-type': 'text/plain',
        'transfer-encoding': 'chunked',
      }),
    ),
    one('pieces of a resumable upload of one user to storage', 14, [200, 429], () => ({
      ...{ method: 'PATCH', path: '/storage/v1/upload/resumable/a', body: FILE },
      headers: {
        ...bearer,
        'content-type': 'application/offset+octet-stream',
        'tus-resumable': '1.0.0',
        'upload-offset': '0',
      },
    })),
    one('downloads of one user from storage', 14, [200, 429], () => get('/storage/v1/object/authenticated/files/a')),
    one('slow functions of one user', 30, [200, 429], () => post('/functions/v1/slow', '{}', bearer)),
  ];
};

/** The id of the first event of a listener. */
const firstId = async (url, headers) => {
  const answer = await open(url, headers);
  if (answer?.statusCode !== 200) return undefined;
  let text = '';
  for await (const chunk of answer) {
    text += chunk;
    const [, id] = /^id: (\S+)$/m.exec(text) ?? [];
    if (id) return id;
  }
  return undefined;
};

/** Those that do something else with their connections. */
const held = ({ edgeUrl: base, member, key, bearer }) => {
  const one = (name, connections, statuses, drive) => ({
    ...{ name: `${name}, ${connections} at once`, connections, statuses, base, drive },
  });
  const changes = `${base}/v1/changes?table=clixen.projects`;
  const changeMany = async (turn, note) => {
    const body = JSON.stringify({ color: `#${String(turn % 1_000_000).padStart(6, '0')}` });
    const answer = await open(`${base}/rest/v1/projects?name=like.p*`, bearer, { method: 'PATCH', body });
    note(answer?.statusCode ?? 0);
    answer?.resume();
    await new Promise((resolve) => (answer ? answer.once('close', resolve) : setTimeout(resolve, 20)));
  };
  const socket = (last) =>
    new WebSocket(`${base.replace('http', 'ws')}/realtime/v1/websocket?apikey=${key}&vsn=2.0.0`, {
      headers: from(last),
    });
  return [
    one('bodies of unknown length of one user', 14, [413, 429, 'left'], async ({ going, note }) => {
      while (going()) {
        const status = await new Promise((resolve) => {
          const headers = { ...bearer, 'content-type': 'application/json' };
          const sent = request(`${base}/rest/v1/projects`, { agent, method: 'POST', headers }, (answer) => {
            answer.resume();
            answer.on('close', () => resolve(answer.statusCode));
          });
          // A refusal may close the connection before all is sent.
          sent.on('error', () => resolve('left'));
          for (let n = 0; n < 32; n += 1) sent.write('x'.repeat(64 * 1024));
          sent.end();
        });
        note(status);
      }
    }),
    one('halves of lines that one user sends', 14, [429, 408, 'left'], async ({ going, note }) => {
      while (going()) {
        const status = await new Promise((resolve) => {
          const path = `/v1/transcripts?file=projects/-home-me-half/${randomUUID()}.jsonl`;
          const headers = { ...bearer, 'content-type': 'application/x-ndjson' };
          const sent = request(`${base}${path}`, { agent, method: 'POST', headers }, (answer) => {
            answer.resume();
            answer.on('close', () => resolve(answer.statusCode));
          });
          sent.on('error', () => resolve('left'));
          sent.write(`{"half":"${'x'.repeat(60_000)}`);
          untilOver(going, Number.POSITIVE_INFINITY).then(() => sent.destroy());
        });
        note(status);
        await sleep(20);
      }
    }),
    one('chats of one member who hangs up', 14, [200, 429], async ({ going, note }) => {
      while (going()) {
        const headers = { authorization: `Bearer ${member}` };
        const answer = await open(`${base}/v1/chat`, headers, { method: 'POST', body: '{"message":"Hello"}' });
        note(answer?.statusCode ?? 0);
        if (answer?.statusCode === 200) await glance(answer, 0);
        else await sleep(20);
        answer?.destroy();
      }
    }),
    one(
      'one user who listens and reads nothing, and changes many rows',
      14,
      [204, 200, 429],
      async ({ n, going, note }) => {
        if (n < 10) return unread(20_000, () => open(changes, bearer))({ going, note });
        for (let turn = 0; going(); turn += 1) await changeMany(turn, note);
      },
    ),
    one('listeners of one user who ask for all that they missed', 10, [200, 204, 429], async ({ n, going, note }) => {
      const id = await firstId(changes, bearer);
      for (let turn = 0; n === 0 && turn < 50 && going(); turn += 1) await changeMany(turn, note);
      while (going()) {
        const answer = await open(`${changes}${id ? `&since=${encodeURIComponent(id)}` : ''}`, bearer);
        note(answer?.statusCode ?? 0);
        if (answer?.statusCode === 200) await glance(answer.resume(), 300);
        else await sleep(20);
      }
    }),
    one('WebSockets of one address, opened again and again', 14, [101, 429], async ({ going, note }) => {
      while (going()) {
        const each = socket(55);
        note(
          await new Promise((resolve) => {
            each.on('open', () => resolve(101));
            each.on('unexpected-response', (_, answer) => resolve(answer.statusCode));
            each.on('error', () => resolve(0));
          }),
        );
        each.terminate();
        await sleep(5);
      }
    }),
    one('WebSockets of one address that read nothing', 14, [101, 'refused'], async ({ going, note }) => {
      const text = JSON.stringify([null, '1', 'phoenix', 'heartbeat', { x: 'x'.repeat(20_000) }]);
      while (going()) {
        const each = socket(56);
        each.on('error', () => {});
        const isOpen = await new Promise((resolve) =>
          each.on('open', () => resolve(true)).on('close', () => resolve(false)),
        );
        note(isOpen ? 101 : 'refused');
        if (isOpen) each.pause();
        while (going() && each.readyState === WebSocket.OPEN) {
          if (each.bufferedAmount < MB) each.send(text);
          await sleep(5);
        }
        each.terminate();
        await untilOver(going, 100);
      }
    }),
  ];
};

/** @param {object} target of prepare.js */
export const unusual = (target) => {
  const bearer = { authorization: `Bearer ${target.token}` };
  return [...whole({ ...target, bearer }), ...held({ ...target, bearer })];
};
