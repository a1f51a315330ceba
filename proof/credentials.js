// What a request may show at the door of a route.
import { createHmac, randomUUID } from 'node:crypto';
import { token } from '../dev/issuer.js';

/** All of them, in the order of the tables. */
export const CREDENTIALS = [
  'none',
  'anon key',
  'another key',
  'user',
  'expired token',
  'forged token',
  "another issuer's token",
  'no Bearer token',
  "the edge's token",
  'service',
  'service from a browser',
  'session token',
  "another's session token",
  "Meta's signature",
  "another's signature",
];

/** Who gets past the door of a route that wants a key or a token. */
export const HOLDERS = ['anon key', 'user', 'service', 'session token'];

/** Credentials that a route without a required key lets in: none at all, or a valid key or token. */
export const OPEN = [...HOLDERS, 'none', "another's session token", "Meta's signature", "another's signature"];

/** `X-Hub-Signature-256` as an app with the secret makes it. */
export const hubSignature = (secret, body) => ({
  'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
});

/** The credentials' headers by name, or what makes them of a request's body. */
export const credentials = async ({ keys, issuer }, { edge, 'session holder': holder }) => {
  const bearer = (text) => ({ authorization: `Bearer ${text}` });
  const user = (options) => token(keys, { issuer, sub: randomUUID(), ...options });
  const good = await user();
  const service = bearer(await token(keys, { issuer, role: 'service_role' }));
  const [header, claims, signature] = good.split('.');
  const forged = `${header}.${claims}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`;
  return {
    none: {},
    'anon key': { apikey: keys.publishable_key },
    'another key': { apikey: 'rgpub_proof_aaaaaaaaaaaaaaaa' },
    user: bearer(good),
    'expired token': bearer(await user({ ttl: -3600 })),
    'forged token': bearer(forged),
    "another issuer's token": bearer(await user({ issuer: 'https://issuer.invalid' })),
    'no Bearer token': { authorization: `Token ${good}` },
    "the edge's token": edge.headers.database,
    service,
    'service from a browser': { ...service, origin: 'https://www.example.org' },
    'session token': holder.headers.edge,
    "another's session token": { 'x-session-token': `rgs_${'0'.repeat(64)}` },
    "Meta's signature": (body) => hubSignature(keys.whatsapp_app_secret, body),
    "another's signature": (body) => hubSignature(`${keys.whatsapp_app_secret}x`, body),
  };
};
