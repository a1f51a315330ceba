// All duties of the edge at a forwarded read, written by hand for this one case: what a Worker that does them can cost at the
// least. It has no framework, no other endpoint and none of the edge's checks of queries and preferences.
const PREFIX = '/rest/v1/';
const RELATION = /^[a-z_][a-z0-9_]{0,62}$/;
const PASSED = ['accept', 'accept-profile', 'content-type', 'if-none-match', 'prefer', 'range', 'x-client-info'];
const SHOWN = ['content-location', 'content-profile', 'content-range', 'content-type', 'etag', 'preference-applied'];
const DEADLINE_MS = 10_000;
const LEEWAY_MS = 30_000;
const MAX_ROWS = 1000;
const MAX_TOKENS = 8192;
const ORIGIN = 'https://www.example.org';

const utf8 = new TextEncoder();
const verifiedUntil = new Map();
let requests = 0;
let isolate;
let issuers;

const decoded = (part) => Uint8Array.from(atob(part.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
const parsed = (part) => JSON.parse(atob(part.replaceAll('-', '+').replaceAll('_', '/')));

/** Keys by issuer and `kid`, imported once. */
const trusted = async (env) => {
  const all = JSON.parse(env.ISSUERS).map(async ({ issuer, audience, jwks_url: url, secret }) => {
    if (secret) {
      const algorithm = { name: 'HMAC', hash: 'SHA-256' };
      const key = await crypto.subtle.importKey('raw', utf8.encode(secret), algorithm, false, ['verify']);
      return [issuer, { audience, alg: 'HS256', algorithm: 'HMAC', keyOf: () => key }];
    }
    const { keys } = await (await fetch(url)).json();
    const curve = { name: 'ECDSA', namedCurve: 'P-256' };
    const imported = keys.map(async (jwk) => [
      jwk.kid,
      await crypto.subtle.importKey('jwk', jwk, curve, false, ['verify']),
    ]);
    const byKid = Object.fromEntries(await Promise.all(imported));
    const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
    return [issuer, { audience, alg: 'ES256', algorithm, keyOf: (kid) => byKid[kid] }];
  });
  return Object.fromEntries(await Promise.all(all));
};

/** Whether a token is good; if so it is kept until it expires. */
const verify = async (token, env, now) => {
  issuers ??= await trusted(env);
  const [head, body, signature] = token.split('.');
  const [{ alg, kid }, { iss, aud, exp }] = [parsed(head), parsed(body)];
  const issuer = issuers[iss];
  const key = issuer?.keyOf(kid);
  if (!key || alg !== issuer.alg || aud !== issuer.audience || exp * 1000 + LEEWAY_MS < now) return false;
  const text = utf8.encode(`${head}.${body}`);
  if (!(await crypto.subtle.verify(issuer.algorithm, key, decoded(signature), text))) return false;
  if (verifiedUntil.size >= MAX_TOKENS) verifiedUntil.clear();
  verifiedUntil.set(token, exp * 1000 + LEEWAY_MS);
  return true;
};

/** Every answer has these headers. */
const always = (id, origin) => ({
  'cache-control': 'private, no-store',
  vary: 'Origin',
  'x-content-type-options': 'nosniff',
  'x-request-id': id,
  ...(origin === ORIGIN && { 'access-control-allow-origin': origin }),
});

const refused = (status, code, id, origin) =>
  new Response(JSON.stringify({ code, message: 'refused', details: null, hint: null }), {
    status,
    headers: { 'content-type': 'application/json', 'www-authenticate': 'Bearer', ...always(id, origin) },
  });

const respond = async ({ url, method, headers, body, signal }, env, id, start) => {
  const origin = headers.get('origin');
  const at = url.indexOf('/', 8);
  const mark = url.indexOf('?', at);
  const path = mark < 0 ? url.slice(at) : url.slice(at, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  const relation = path.startsWith(PREFIX) ? path.slice(PREFIX.length).replace(/^rpc\//, '') : '';
  if (!RELATION.test(relation)) return refused(404, 'no_such_path', id, origin);
  const authorization = headers.get('authorization') ?? '';
  if (!authorization.startsWith('Bearer ')) return refused(401, 'no_token', id, origin);
  const token = authorization.slice(7);
  const known = verifiedUntil.get(token);
  if (known === undefined ? !(await verify(token, env, start)) : known < start) {
    return refused(401, 'bad_token', id, origin);
  }
  const checked = Date.now();
  const sent = { authorization, 'x-request-id': id };
  for (const name of PASSED) {
    const value = headers.get(name);
    if (value !== null) sent[name] = value;
  }
  const capped = method !== 'GET' || /(?:^|&)limit=/.test(query) ? query : `${query}${query && '&'}limit=${MAX_ROWS}`;
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), DEADLINE_MS);
  signal.addEventListener('abort', () => deadline.abort());
  const answer = await fetch(`${env.POSTGREST_URL}/${path.slice(PREFIX.length)}?${capped}`, {
    ...{ method, headers: sent, body, redirect: 'manual', signal: deadline.signal },
  });
  clearTimeout(timer);
  const shown = always(id, origin);
  for (const name of SHOWN) {
    const value = answer.headers.get(name);
    if (value !== null) shown[name] = value;
  }
  shown['server-timing'] = `verify;dur=${checked - start}, upstream;dur=${Date.now() - checked}`;
  return new Response(answer.body, { status: answer.status, headers: shown });
};

export default {
  async fetch(request, env) {
    const start = Date.now();
    requests += 1;
    // Randomness is for requests only.
    isolate ??= crypto.randomUUID().replaceAll('-', '').slice(0, 16);
    const id = request.headers.get('x-request-id') ?? `${isolate}${requests.toString(16).padStart(16, '0')}`;
    const answer = await respond(request, env, id, start);
    const line = { event: 'request', id, method: request.method, status: answer.status, ms: Date.now() - start };
    console.log(JSON.stringify(line));
    return answer;
  },
};
