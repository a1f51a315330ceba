// What a request may show at the door of a route.
import { randomUUID } from 'node:crypto';
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
];

/** The credentials' headers, by name. */
export const credentials = async ({ keys, issuer }, { edge }) => {
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
  };
};
