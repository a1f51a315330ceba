// Abusive callers who send whole requests and read whole answers, one after the other on each connection.
import { randomBytes, randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { unknownToken } from '../../../tests/core/support/unknown_token.js';
import { logs, record } from '../../../tests/observatory/support/logs.js';

/** Matches nothing, after a third of a second of backtracking a row: what a user can ask of rows of their own. */
export const SLOW = encodeURIComponent('^(.*)(.*)(.*)(.*)x\\4\\3\\2\\1y$');

/** The text that SLOW is slow for. */
export const SLOW_FOR = `${'ab'.repeat(30)}x${'ba'.repeat(30)}cy`;

const leads = (address) => (n, turn) => ({
  path: '/v1/leads',
  method: 'POST',
  headers: { accept: 'application/json', 'cf-connecting-ip': address(n, turn) },
  body: JSON.stringify({ email: `fair${n}.${turn}.${randomUUID()}@example.org` }),
});

const MB = 1024 * 1024;
const json = { 'content-type': 'application/json' };
const lines = { 'content-type': 'application/x-ndjson' };
const guess = (bytes) => randomBytes(bytes).toString('base64url');
const from = (last) => ({ 'cf-connecting-ip': `203.0.113.${last}` });

/** As deep as a body of 60 KB can be. */
const DEEP = `{"email":"deep@example.org","a":${'['.repeat(29_000)}${']'.repeat(29_000)}}`;
/** 64 KB that become 64 MB, in lines that are read one by one. */
const BOMB = gzipSync(Buffer.alloc(64 * MB, `${JSON.stringify({ type: 'x'.repeat(1000) })}\n`));
/** 60 KB: a lead may have so many. */
const PACKED = gzipSync(Buffer.alloc(60 * MB));
const LARGE = JSON.stringify({ name: 'x'.repeat(2 * MB) });

/** Made once: to make them takes more CPU than to answer them. */
export const FILTERS = Array.from({ length: 20 }, () => Array.from({ length: 1000 }, () => guess(6)).join(','));

/** A session of a coding agent that nobody has sent yet, of so many lines. */
const transcript = (count) => {
  const session = randomUUID();
  const line = () => {
    const message = { role: 'user', content: `${guess(40)} why does the build fail `.repeat(5) };
    const base = { uuid: randomUUID(), parentUuid: null, sessionId: session, cwd: '/home/me/abuse' };
    return JSON.stringify({ type: 'user', ...base, timestamp: new Date().toISOString(), message });
  };
  return { session, body: `${Array.from({ length: count }, line).join('\n')}\n` };
};
const TRANSCRIPTS = Array.from({ length: 20 }, () => transcript(500));

const COLUMNS = Array.from({ length: 400 }, () => 'name').join(',');
const EMBEDS = Array.from({ length: 20 }, (_, n) => `e${n}:mvp_chat_sessions(id)`).join(',');
const FIELDS = `email=fields@example.org&${Array.from({ length: 9000 }, (_, n) => `f${n}=1`).join('&')}`.slice(
  0,
  60_000,
);
const LOGS = Array.from({ length: 20 }, () => {
  const session = randomUUID();
  return JSON.stringify(
    logs(...Array.from({ length: 1000 }, (_, n) => record(session, 'tool_result', {}, { sequence: n }))),
  );
});

const event = () => ({ type: 'page_view', name: 'page_view', session_id: guess(9), properties: { n: guess(60) } });

const workflow = JSON.stringify({
  name: 'Large',
  nodes: Array.from({ length: 200 }, (_, n) => ({
    ...{ id: `n${n}`, name: `Node ${n}`, type: 'n8n-nodes-base.set', typeVersion: 3.4, position: [n, n] },
    parameters: { assignments: { assignments: [{ id: 'a', name: 'a', value: '={{ $json.a }}', type: 'string' }] } },
  })),
  connections: Object.fromEntries(
    Array.from({ length: 199 }, (_, n) => [
      `Node ${n}`,
      { main: [[{ node: `Node ${n + 1}`, type: 'main', index: 0 }]] },
    ]),
  ),
  settings: { executionOrder: 'v1' },
});

/** Those that the tests of single parts know. */
const more = ({ edgeUrl: base, token, key, worker, member, project, agent, workflowId, bearer }) => {
  const [head, claims] = token.split('.');
  const one = (name, connections, statuses, make) => ({
    ...{ name: `${name}, ${connections} at once`, connections, statuses, base, make },
  });
  const post = (path, body, headers) => ({ method: 'POST', path, body, headers });
  const hook = () => {
    const session_id = randomUUID();
    const place = { transcript_path: `/home/me/.claude/projects/-home-me/${session_id}.jsonl`, cwd: '/home/me' };
    const tool = { tool_name: 'Bash', tool_use_id: 'toolu_1', tool_input: { command: 'true' } };
    return JSON.stringify({ session_id, ...place, hook_event_name: 'PreToolUse', ...tool });
  };
  const embeds =
    '/rest/v1/projects?select=*,mvp_workflows(*,deployments(*)),mvp_chat_sessions(*,mvp_chat_messages(*))&limit=1000';
  return [
    one('embedded relations of one user', 14, [200, 429], () => ({ path: embeds, headers: bearer })),
    one('long answers of one user', 14, [200, 429], () => ({
      path: '/rest/v1/mvp_chat_messages?limit=1000',
      headers: bearer,
    })),
    one('filters with a thousand values of one user', 14, [200, 429], (n, turn) => ({
      path: `/rest/v1/projects?name=in.(${FILTERS[(n + turn) % FILTERS.length]})`,
      headers: bearer,
    })),
    one('bodies over the limit of one user', 14, [413, 429], () => post('/rest/v1/projects', LARGE, bearer)),
    one('deep JSON of one address', 30, [400, 429], () => post('/v1/leads', DEEP, from(20))),
    one('packed leads that become a thousand times as large of one address', 14, [413, 429], () =>
      post('/v1/leads', PACKED, { ...from(57), 'content-encoding': 'gzip' }),
    ),
    one('large batches of events of one address', 14, [202, 429], () =>
      post('/v1/events', JSON.stringify(Array.from({ length: 200 }, event)), from(21)),
    ),
    one('workflows to validate of one address', 14, [200, 429], () =>
      post('/v1/workflows/validate', workflow, { apikey: key, ...from(22) }),
    ),
    one('forged tokens, always another', 30, [401, 429], () => ({
      path: '/rest/v1/projects',
      headers: { authorization: `Bearer ${head}.${claims}.${guess(64)}`, ...from(23) },
    })),
    one('API tokens that nobody has made, always another', 30, [401, 429], () => ({
      path: '/rest/v1/projects',
      headers: { authorization: `Bearer ${unknownToken()}`, ...from(24) },
    })),
    one('webhooks with wrong signatures', 30, [401, 429], () =>
      post('/v1/whatsapp/webhook', '{"object":"whatsapp_business_account","entry":[]}', {
        ...json,
        ...{ 'x-hub-signature-256': `sha256=${randomBytes(32).toString('hex')}`, ...from(25) },
      }),
    ),
    one('links of shared conversations, guessed', 30, [404, 429], () => ({
      path: `/v1/shared/${guess(32)}`,
      headers: { accept: 'application/json', ...from(26) },
    })),
    one('passwords, guessed', 14, [400, 429], () =>
      post('/auth/v1/token?grant_type=password', JSON.stringify({ email: 'ada@example.org', password: guess(9) }), {
        apikey: key,
        ...from(27),
      }),
    ),
    one('tasks claimed in a loop by one worker', 14, [200, 429], () =>
      post('/v1/workers/claim', '{"worker":"greedy","quantity":10}', { authorization: `Bearer ${worker}` }),
    ),
    one('tasks of one user', 14, [201, 429], () =>
      post('/v1/tasks', JSON.stringify({ agent_id: agent, task_type: 'x' }), bearer),
    ),
    one('selects with a cast that is refused behind four hundred columns, of one user', 14, [400, 429], () => ({
      path: `/rest/v1/projects?select=id::regclass,${COLUMNS}`,
      headers: bearer,
    })),
    one('twenty embedded relations beside each other of one user', 14, [200, 429], () => ({
      path: `/rest/v1/projects?limit=1000&select=${EMBEDS}`,
      headers: bearer,
    })),
    one('forms with thousands of fields of one address', 14, [400, 429], () =>
      post('/v1/leads', FIELDS, { 'content-type': 'application/x-www-form-urlencoded', ...from(58) }),
    ),
    one('logs of a thousand events of one user', 14, [200, 429], (n, turn) =>
      post('/v1/otlp/v1/logs', LOGS[(n + turn) % LOGS.length], bearer),
    ),
    one('records priced anew, again and again, of one owner', 14, [200, 429], () =>
      post(`/v1/projects/${project}/reprice`, '{"dry_run":true}', bearer),
    ),
    one('deployments of one user to a slow n8n', 14, [409, 502, 429], () =>
      post(`/v1/workflows/${workflowId}/deploy`, '{}', bearer),
    ),
    one('hooks of one user', 30, [200, 429], () => post('/v1/hooks', hook(), bearer)),
    one('transcripts of one user', 14, [200, 429], (n, turn) => {
      const { session, body } = TRANSCRIPTS[(n + turn) % TRANSCRIPTS.length];
      return post(`/v1/transcripts?file=projects/-home-me-${n}-${turn}/${session}.jsonl`, body, {
        ...lines,
        ...bearer,
      });
    }),
    one('gzip that becomes a thousand times as large of one user', 14, [200, 429], (n, turn) =>
      post(`/v1/transcripts?file=projects/-home-me-${n}-${turn}/${randomUUID()}.jsonl`, BOMB, {
        ...{ ...lines, 'content-encoding': 'gzip', ...bearer },
      }),
    ),
    one('searches of one user', 14, [200, 429], () => ({
      path: `/v1/search?project=${project}&q=${encodeURIComponent('why does the build fail')}`,
      headers: bearer,
    })),
    one('chats of one member', 14, [200, 429], () =>
      post('/v1/chat', JSON.stringify({ message: guess(9) }), { authorization: `Bearer ${member}` }),
    ),
  ];
};

/**
 * @param {object} target of prepare.js
 * @returns {{name: string, connections: number, statuses: (number | string)[], base: string, make: (connection: number, turn: number) => object}[]}
 * statuses: what it is answered; the first one in each round
 */
export const requests = (target) => {
  const { edgeUrl, postgrestUrl, token, key } = target;
  const bearer = { authorization: `Bearer ${token}` };
  const slow = `/projects?description=match.${SLOW}&select=id`;
  return [
    {
      name: 'slow filters of one user, 14 at once',
      statuses: [429, 200, 504],
      connections: 14,
      base: edgeUrl,
      make: () => ({ path: `/rest/v1${slow}`, headers: bearer }),
    },
    {
      name: 'slow filters of one user, 14 at once, past the edge',
      statuses: [429, 200, 500],
      connections: 14,
      base: postgrestUrl,
      make: () => ({ path: slow, headers: { ...bearer, 'accept-profile': 'clixen' } }),
    },
    {
      name: 'writes of one user that wait for each other, 14 at once',
      statuses: [201, 429],
      connections: 14,
      base: edgeUrl,
      make: () => ({
        path: '/rest/v1/projects',
        method: 'POST',
        headers: bearer,
        body: JSON.stringify(Array.from({ length: 200 }, () => ({ name: randomUUID() }))),
      }),
    },
    {
      name: 'leads of one address, 30 at once',
      statuses: [201, 429],
      connections: 30,
      base: edgeUrl,
      make: leads(() => '203.0.113.9'),
    },
    {
      name: 'leads of many addresses, 30 at once',
      statuses: [201, 429],
      // Not one caller: what all anonymous callers together may take is a choice of the operator's.
      aim: false,
      connections: 30,
      base: edgeUrl,
      make: leads((n, turn) => `10.${n}.${(turn >> 8) & 255}.${turn & 255}`),
    },
    {
      name: 'refused posts of one address, 30 at once',
      statuses: [422, 429],
      connections: 30,
      base: edgeUrl,
      make: () => ({
        path: '/v1/leads',
        method: 'POST',
        headers: { accept: 'application/json', 'cf-connecting-ip': '203.0.113.10' },
        body: '{"email":"no address"}',
      }),
    },
    {
      name: 'anonymous reads of one address, 30 at once',
      statuses: [200, 429],
      connections: 30,
      base: edgeUrl,
      make: () => ({
        path: '/rest/v1/agents?select=id,name',
        headers: { apikey: key, 'accept-profile': 'flashfusion', 'cf-connecting-ip': '203.0.113.11' },
      }),
    },
    ...more({ ...target, bearer }),
  ];
};
