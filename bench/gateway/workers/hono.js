// The gateway as it is usually written: Hono, jose, and the request handed on.
import { Hono } from 'hono';
import { verify } from './verify.js';

const PREFIX = '/rest/v1';

const app = new Hono();

app.use(`${PREFIX}/*`, async (c, next) => {
  try {
    await verify(c.req.header('authorization'), c.env);
  } catch {
    return c.json({ message: 'the token is not good' }, 401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' });
  }
  await next();
});

app.all(`${PREFIX}/*`, (c) => {
  const { pathname, search } = new URL(c.req.url);
  return fetch(c.env.POSTGREST_URL + pathname.slice(PREFIX.length) + search, c.req.raw);
});

export default app;
