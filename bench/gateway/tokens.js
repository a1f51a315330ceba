// Tokens of two issuers: the stack's own (ES256, by its JWKS) and one with a shared secret (HS256).
import { createHmac, createPrivateKey, randomBytes, sign } from 'node:crypto';
import { AUDIENCE } from '../../dev/issuer.js';

const HOURS = 3600;

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Signs for one user, with both algorithms. */
export class Tokens {
  #made = 0;

  /** @param {{keys: object, issuer: {issuer: string, jwksUrl: string}, sub: string}} options keys: the stack's */
  constructor({ keys, issuer, sub }) {
    this.sub = sub;
    this.secret = randomBytes(32).toString('base64url');
    const privateKey = createPrivateKey({ key: keys.issuer, format: 'jwk' });
    this.kinds = {
      ES256: {
        header: { alg: 'ES256', kid: keys.issuer.kid, typ: 'JWT' },
        issuer: { issuer: issuer.issuer, jwks_url: issuer.jwksUrl },
        sign: (text) => sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }),
      },
      HS256: {
        header: { alg: 'HS256', kid: 'bench', typ: 'JWT' },
        issuer: { issuer: 'https://hs256.bench.invalid', secret: this.secret },
        sign: (text) => createHmac('sha256', this.secret).update(text).digest(),
      },
    };
  }

  /** The edge's variable ISSUERS. */
  get issuers() {
    const roles = ['authenticated'];
    return Object.values(this.kinds).map(({ issuer }) => ({ ...issuer, audience: AUDIENCE, roles }));
  }

  /** The key that PostgREST needs besides those that it has. */
  get postgrestKey() {
    return { kty: 'oct', kid: 'bench', alg: 'HS256', use: 'sig', k: Buffer.from(this.secret).toString('base64url') };
  }

  /** A token like no other. */
  one(algorithm) {
    const { header, issuer, sign: signed } = this.kinds[algorithm];
    const now = Math.floor(Date.now() / 1000);
    const times = { iat: now, exp: now + 6 * HOURS };
    this.#made += 1;
    const claims = {
      iss: issuer.issuer,
      aud: AUDIENCE,
      role: 'authenticated',
      sub: this.sub,
      ...times,
      jti: `${this.#made}`,
    };
    const text = `${encode(header)}.${encode(claims)}`;
    return `${text}.${signed(text).toString('base64url')}`;
  }

  /** Tokens that nobody has seen. */
  fresh(algorithm, count) {
    return Array.from({ length: count }, () => this.one(algorithm));
  }

  /** A token with one bit of its signature flipped. */
  forged(algorithm) {
    const [header, claims, signature] = this.one(algorithm).split('.');
    const bytes = Buffer.from(signature, 'base64url');
    bytes[10] ^= 1;
    return `${header}.${claims}.${bytes.toString('base64url')}`;
  }

  /** Forged tokens that nobody has seen. */
  freshForged(algorithm, count) {
    const [header, good, signature] = this.one(algorithm).split('.');
    const claims = JSON.parse(Buffer.from(good, 'base64url'));
    const { length } = Buffer.from(signature, 'base64url');
    return Array.from({ length: count }, (_, number) =>
      [header, encode({ ...claims, jti: `forged ${number}` }), randomBytes(length).toString('base64url')].join('.'),
    );
  }
}
