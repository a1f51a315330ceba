// The gateway as it is usually written: Hono, jose, and the request handed on. It trusts the issuers of the same variable
// as the edge. Keys are fetched or imported once and kept.
import { Hono } from 'hono';
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';

const PREFIX = '/rest/v1';

const hmacKey = (secret) =>
  crypto.subtle.importKey('raw', new TextEncoder().encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, [
    'verify',
  ]);

const trust = async ({ issuer, audience, jwks_url, secret }) => ({
  key: jwks_url ? createRemoteJWKSet(new URL(jwks_url)) : await hmacKey(secret),
  options: {
    issuer,
    audience,
    algorithms: [jwks_url ? 'ES256' : 'HS256'],
    requiredClaims: ['exp'],
    clockTolerance: 30,
  },
});

/** What is needed to verify a token, by its issuer's name; made at the first request. */
let trusted;

const trustedIssuers = async (env) => {
  const made = JSON.parse(env.ISSUERS).map(async (each) => [each.issuer, await trust(each)]);
  return Object.fromEntries(await Promise.all(made));
};

const verify = async (authorization, env) => {
  const token = authorization?.match(/^Bearer (\S+)$/i)?.[1] ?? '';
  trusted ??= await trustedIssuers(env);
  const { key, options } = trusted[decodeJwt(token).iss];
  return jwtVerify(token, key, options);
};

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
