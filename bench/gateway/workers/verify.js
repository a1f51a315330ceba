// Verification as it is usually written, with jose. It trusts the issuers of the same variable as the edge. Keys are fetched or
// imported once and kept.
import { createRemoteJWKSet, decodeJwt, jwtVerify } from 'jose';

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

/** Throws unless the token is good. */
export const verify = async (authorization, env) => {
  const token = authorization?.match(/^Bearer (\S+)$/i)?.[1] ?? '';
  trusted ??= await trustedIssuers(env);
  const { key, options } = trusted[decodeJwt(token).iss];
  return jwtVerify(token, key, options);
};
