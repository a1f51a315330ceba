// The Hono gateway with most of what the edge does besides verifying: an id, headers by allow-list both ways, a cap on rows, CORS by
// exact origin, no caching, a deadline, the end of the fetch when the client hangs up, Server-Timing and one line of log.
import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { requestId } from 'hono/request-id';
import { endTime, setMetric, startTime, timing } from 'hono/timing';
import { verify } from './verify.js';

const PREFIX = '/rest/v1';
const SENT = ['accept', 'authorization', 'content-type', 'if-none-match', 'prefer', 'range', 'x-client-info'];
const RELAYED = ['content-location', 'content-profile', 'content-range', 'content-type', 'etag', 'preference-applied'];
const DEADLINE_MS = 10_000;
const MAX_ROWS = 1000;

const chosen = (headers, names) =>
  Object.fromEntries(names.flatMap((name) => (headers.has(name) ? [[name, headers.get(name)]] : [])));

const app = new Hono();

app.use(requestId());
app.use(async (c, next) => {
  const start = Date.now();
  await next();
  const { method } = c.req;
  const line = { event: 'request', id: c.get('requestId'), method, status: c.res.status, ms: Date.now() - start };
  console.log(JSON.stringify(line));
});
app.use(timing({ total: false }));
app.use(cors({ origin: ['https://www.example.org'], exposeHeaders: RELAYED }));

app.use(`${PREFIX}/*`, async (c, next) => {
  startTime(c, 'verify');
  try {
    await verify(c.req.header('authorization'), c.env);
  } catch {
    return c.json({ message: 'the token is not good' }, 401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' });
  } finally {
    endTime(c, 'verify');
  }
  await next();
});

app.all(`${PREFIX}/*`, async (c) => {
  const { pathname, searchParams } = new URL(c.req.url);
  const { method, body, signal } = c.req.raw;
  if (method === 'GET') {
    const limit = Number(searchParams.get('limit') ?? MAX_ROWS);
    searchParams.set('limit', `${Math.min(limit, MAX_ROWS)}`);
  }
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), DEADLINE_MS);
  const start = Date.now();
  const answer = await fetch(`${c.env.POSTGREST_URL}${pathname.slice(PREFIX.length)}?${searchParams}`, {
    method,
    body,
    headers: { ...chosen(c.req.raw.headers, SENT), 'x-request-id': c.get('requestId') },
    redirect: 'manual',
    signal: AbortSignal.any([deadline.signal, signal]),
  });
  clearTimeout(timer);
  setMetric(c, 'upstream', Date.now() - start);
  return c.body(answer.body, answer.status, {
    ...chosen(answer.headers, RELAYED),
    'cache-control': 'private, no-store',
    'x-content-type-options': 'nosniff',
  });
});

export default app;
