// Load through the edge: batches of events, and leads. Callers have addresses of their own, as they have on the Internet.
import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SetupError } from '../../dev/setup.js';
import { wrk } from '../wrk.js';

const agent = new Agent({ keepAlive: true });

const post = (url, body, headers) =>
  new Promise((resolve, reject) => {
    const sent = request(url, {
      method: 'POST',
      agent,
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), ...headers },
    });
    sent.on('error', reject);
    sent.on('response', (answer) => {
      const chunks = [];
      answer.on('data', (chunk) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode, text: Buffer.concat(chunks).toString() }));
      answer.on('error', reject);
    });
    sent.end(body);
  });

let addresses = 0;
const address = () => {
  addresses += 1;
  return { 'cf-connecting-ip': `10.${(addresses >> 16) & 255}.${(addresses >> 8) & 255}.${addresses & 255}` };
};

/** Runs the work, so many at once, until time is up or there is enough of it. */
const many = async (at_once, going, work) => {
  const start = performance.now();
  await Promise.all(
    Array.from({ length: at_once }, async () => {
      while (going(performance.now() - start)) await work();
    }),
  );
  return performance.now() - start;
};

const uuidv7 = () => {
  const bytes = randomBytes(16);
  bytes.writeUIntBE(Date.now(), 0, 6);
  bytes[6] = (bytes[6] & 0x0f) | 0x70;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
};

/** A batch of forty sessions' events, made before the clock runs. */
const batch = () => {
  const sessions = Array.from({ length: 40 }, () => ({ id: randomUUID(), user: randomUUID() }));
  const event = (_, n) => {
    const { id, user } = sessions[n % sessions.length];
    return {
      id: uuidv7(),
      type: n % 12 < 8 ? 'page_view' : 'user_action',
      name: n % 12 < 8 ? 'page_view' : `action ${n % 20}`,
      session_id: id,
      ...(n % 3 === 0 && { user_id: user }),
      url: `https://shop.example/p/${n}`,
      properties: { path: `/p/${n % 300}`, price: n },
      occurred_at: new Date().toISOString(),
    };
  };
  return JSON.stringify(Array.from({ length: 500 }, event));
};

/** @param {{url: string, seconds?: number, most?: number, signal: AbortSignal}} options */
export const eventsThroughTheEdge = async ({ url, seconds, most, signal }) => {
  const count = most ? most / 500 : seconds * 60;
  const ready = Array.from({ length: count }, batch);
  let accepted = 0;
  const going = (ms) => !signal.aborted && ready.length > 0 && (most !== undefined || ms < seconds * 1000);
  const ms = await many(4, going, async () => {
    const { status, text } = await post(`${url}/v1/events`, ready.pop(), address());
    if (status !== 202) throw new SetupError(`A batch was answered ${status}: ${text}`);
    accepted += JSON.parse(text).accepted;
  });
  return { accepted, perSecond: (accepted / ms) * 1000 };
};

/** Connections that leads come over. */
export const LEAD_CONNECTIONS = 128;

/** Sends leads as fast as they are answered. */
const sendLeads = async ({ url, seconds, options = [], signal }) => {
  const domain = `${randomUUID()}.example`;
  const { refused, failed, ...numbers } = await wrk({
    script: join(import.meta.dirname, 'leads.lua'),
    connections: LEAD_CONNECTIONS,
    ...{ url, seconds, options, args: [domain], signal },
  });
  if (refused + failed > 0) throw new SetupError(`${refused} leads were refused, ${failed} got no answer.`);
  return { domain, ...numbers };
};

/** @param {{url: string, seconds: number, signal: AbortSignal}} options */
export const leadsThroughTheEdge = ({ url, ...more }) => sendLeads({ url: `${url}/v1/leads`, ...more });

/**
 * The rival: the same requests straight to PostgREST, which inserts each as one row of a table with a unique address. It has no edge, no
 * limits, no idempotency, no consent and no record of the submission, and the caller is the back office.
 */
const PLAIN_LEADS = `
  create table marketing.plain_leads (
    id uuid primary key default gen_random_uuid(), email text not null unique, first_name text, utm_source text, consent text, notes text,
    created_at timestamptz not null default now()
  );
  grant insert on marketing.plain_leads to service_role;
  notify pgrst, 'reload schema'`;

/** @param {{sql: Function, url: string, token: string, seconds: number, signal: AbortSignal}} options url: PostgREST's */
export const rowsThroughPostgrest = async ({ sql, url, token, ...more }) => {
  await sql(PLAIN_LEADS);
  const path = `${url}/plain_leads`;
  const headers = { authorization: `Bearer ${token}`, 'content-profile': 'marketing', prefer: 'return=minimal' };
  const attempt = () => post(path, '{"email": "first@example.org"}', headers);
  let tried = await attempt();
  // Until PostgREST has read the schema again.
  for (let n = 0; n < 100 && tried.status === 404; n += 1) {
    await sleep(100);
    tried = await attempt();
  }
  if (tried.status !== 201) throw new SetupError(`PostgREST answered ${tried.status}: ${tried.text}`);
  const options = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  return sendLeads({ url: path, options, ...more });
};

/** Senders of leads whose times are compared: an answer comes at the end of a step of 100 ms, so that one alone takes minutes. */
const SENDERS = 20;

/**
 * How long the answer takes for an address that is known, and for one that is new, in turns, by a few senders at once.
 * @param {{url: string, count: number, signal: AbortSignal}} options count: of either
 * @returns {Promise<{known: number[], fresh: number[]}>} milliseconds
 */
export const knownAndNew = async ({ url, count, signal }) => {
  const domain = `${randomUUID()}.example`;
  const send = async (name) => {
    const body = JSON.stringify({ email: `${name}@${domain}`, first_name: 'Zoë', consent: 'on' });
    const headers = { ...address(), 'idempotency-key': randomUUID(), accept: 'application/json' };
    const start = performance.now();
    const { status, text } = await post(`${url}/v1/leads`, body, headers);
    if (status !== 201) throw new SetupError(`A lead was answered ${status}: ${text}`);
    return performance.now() - start;
  };
  const times = { known: [], fresh: [] };
  const share = async (body) => {
    let next = 0;
    const sender = async () => {
      for (let n = next++; n < count && !signal.aborted; n = next++) await body(n);
    };
    await Promise.all(Array.from({ length: SENDERS }, sender));
  };
  await share((n) => send(`known${n}`));
  await share(async (n) => {
    // Each of them first as often as the other.
    for (const kind of n % 2 ? ['known', 'fresh'] : ['fresh', 'known']) times[kind].push(await send(`${kind}${n}`));
  });
  return times;
};

/** One delivery after the other, each of one message of a number that is known. */
export const webhooksThroughTheEdge = async ({ url, secret, number, count, signal }) => {
  const times = [];
  for (let n = 0; n < count && !signal.aborted; n += 1) {
    const messages = [
      {
        from: '16505550100',
        id: `wamid.${randomUUID()}`,
        timestamp: '1767225600',
        type: 'text',
        text: { body: 'Hello' },
      },
    ];
    const value = { messaging_product: 'whatsapp', metadata: { phone_number_id: number }, messages };
    const body = JSON.stringify({
      object: 'whatsapp_business_account',
      entry: [{ id: '1', changes: [{ field: 'messages', value }] }],
    });
    const signed = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`;
    const start = performance.now();
    const { status, text } = await post(`${url}/v1/whatsapp/webhook`, body, { 'x-hub-signature-256': signed });
    if (status !== 200) throw new SetupError(`A delivery was answered ${status}: ${text}`);
    // The first ones open connections.
    if (n >= 10) times.push(performance.now() - start);
  }
  return times;
};
