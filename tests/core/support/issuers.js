// Token issuers of every kind side by side, for a test's own edge and PostgREST: keys, key sets, tokens.
import {
  constants,
  createHmac,
  createPublicKey,
  createSecretKey,
  generateKeyPairSync,
  randomBytes,
  randomUUID,
  sign,
} from 'node:crypto';
import { honest, startKeyServer } from './key_server.js';

/** A part of a token: text and bytes as they are, anything else as JSON. */
export const part = (value) =>
  Buffer.from(typeof value === 'string' || Buffer.isBuffer(value) ? value : JSON.stringify(value)).toString(
    'base64url',
  );

/** The signature of a text by any of JWS's algorithms, whether the edge takes it or not. */
export const signature = (alg, key, text) => {
  const data = Buffer.from(text);
  const hash = `sha${alg.slice(2, 5)}`;
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = constants;
  if (alg.startsWith('HS')) return createHmac(hash, key).update(data).digest();
  if (alg.startsWith('ES')) return sign(hash, data, { key, dsaEncoding: 'ieee-p1363' });
  if (alg.startsWith('RS')) return sign(hash, data, key);
  if (alg.startsWith('PS')) return sign(hash, data, { key, padding, saltLength });
  return sign(null, data, key);
};

/** A token of any header and payload, signed by any key. */
export const compact = (header, payload, alg, key) => {
  const text = `${part(header)}.${part(payload)}`;
  return `${text}.${part(signature(alg, key, text))}`;
};

const KINDS = {
  ES256: ['ec', { namedCurve: 'P-256' }],
  ES384: ['ec', { namedCurve: 'P-384' }],
  ES512: ['ec', { namedCurve: 'P-521' }],
  ES256K: ['ec', { namedCurve: 'secp256k1' }],
  ...Object.fromEntries(
    ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'].map((alg) => [alg, ['rsa', { modulusLength: 2048 }]]),
  ),
  RS256weak: ['rsa', { modulusLength: 1024 }],
  EdDSA: ['ed25519'],
  Ed448: ['ed448'],
};

/** Algorithms that are accepted beside those that have an issuer of their own. */
const WIDE = ['ES384', 'ES512', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'];

/** A private key. */
export const makeKey = (kind) => generateKeyPairSync(...KINDS[kind]).privateKey;

/** The public half of a private key as a JWK. */
export const publicJwk = (key, more = {}) => ({ ...createPublicKey(key).export({ format: 'jwk' }), ...more });

/** One issuer: one good key, and what its key set holds beside it. */
export class Issuer {
  /** @param {{iss: string, alg: string, key: object, kid?: string, claims?: object, roles?: string[], audience?: string, others?: object[]}} options */
  constructor(options) {
    Object.assign(
      this,
      { kid: 'main', claims: {}, roles: ['anon', 'authenticated', 'service_role'], others: [] },
      options,
    );
  }

  /** The key set that it serves, which the key of one with a secret is not in. */
  get jwks() {
    return { keys: [publicJwk(this.key, { kid: this.kid, alg: this.alg, use: 'sig' }), ...this.others] };
  }

  /** Its key as PostgREST is given it. */
  get trusted() {
    const { alg, key, kid } = this;
    return alg === 'HS256' ? { ...key.export({ format: 'jwk' }), kid, alg } : publicJwk(key, { kid, alg, use: 'sig' });
  }

  /** Its entry in the edge's ISSUERS. */
  get entry() {
    const { iss: issuer, audience, roles, alg, key, url } = this;
    const keys = alg === 'HS256' ? { secret: key.export().toString() } : { jwks_url: url };
    return { issuer, ...(audience && { audience }), roles, ...keys };
  }

  /** A good header, changed; what is undefined is left out. */
  header(changes = {}) {
    return { alg: this.alg, kid: this.kid, typ: 'JWT', ...changes };
  }

  /** Good claims of a new user, changed; what is undefined is left out. */
  payload(changes = {}) {
    const now = Math.floor(Date.now() / 1000);
    const { iss, audience: aud } = this;
    return { iss, aud, role: 'authenticated', sub: randomUUID(), iat: now, exp: now + 600, ...this.claims, ...changes };
  }

  /** A token that is good but for the changes, and signed by the good key in any case. */
  token(claims = {}, header = {}) {
    return this.raw(this.header(header), this.payload(claims));
  }

  /** Any header and payload, as text or bytes too, signed by the good key. */
  raw(header, payload) {
    return compact(header, payload, this.alg, this.key);
  }

  /** The same as a header with changed claims, whose JSON is changed as text. */
  edited(edit, claims = {}) {
    return this.raw(this.header(), edit(JSON.stringify(this.payload(claims))));
  }
}

/** Unfit keys that PostgREST cannot read: one of them in its set, and it takes the whole set's text for an HMAC secret. */
const UNREADABLE = ['k256', 'off-curve', 'weak-padded', 'ed448'];

const secretKey = () => createSecretKey(Buffer.from(randomBytes(48).toString('base64url')));

/** The modulus with zero octets in front, so that a short key looks long. */
const padded = (jwk) => {
  const n = Buffer.from(jwk.n, 'base64url');
  return { ...jwk, n: Buffer.concat([Buffer.alloc(256 - n.length), n]).toString('base64url') };
};

/** The keys that no token may be verified with, though a key set holds them. */
const unfitKeys = () => ({
  p384: makeKey('ES384'),
  p521: makeKey('ES512'),
  k256: makeKey('ES256K'),
  weak: makeKey('RS256weak'),
  weakPadded: makeKey('RS256weak'),
  forEncryption: makeKey('RS256'),
  forSigning: makeKey('RS256'),
  forRs512: makeKey('RS256'),
  forEs384: makeKey('ES256'),
  ed448: makeKey('Ed448'),
  oct: secretKey(),
});

/** All issuers, and the unfit keys. Nothing is served yet. */
const makeIssuers = () => {
  const unfit = unfitKeys();
  const rsa = makeKey('RS256');
  const secret = secretKey();
  const audience = 'authenticated';
  const es = new Issuer({
    iss: 'https://es.issuer.test/auth/v1',
    alg: 'ES256',
    key: makeKey('ES256'),
    audience,
    roles: ['anon', 'authenticated'],
    others: [
      publicJwk(unfit.p384, { kid: 'p384' }),
      publicJwk(unfit.p521, { kid: 'p521' }),
      publicJwk(unfit.k256, { kid: 'k256' }),
      publicJwk(unfit.forEs384, { kid: 'for-es384', alg: 'ES384' }),
      // A point that is not on the curve.
      { ...publicJwk(makeKey('ES256')), x: publicJwk(makeKey('ES256')).x, kid: 'off-curve' },
      { ...unfit.oct.export({ format: 'jwk' }), kid: 'oct', alg: 'HS256' },
    ],
  });
  const rs = new Issuer({
    iss: 'https://rs.issuer.test/',
    alg: 'RS256',
    key: rsa,
    audience,
    others: [
      publicJwk(unfit.weak, { kid: 'weak' }),
      padded(publicJwk(unfit.weakPadded, { kid: 'weak-padded' })),
      publicJwk(unfit.forEncryption, { kid: 'for-encryption', use: 'enc' }),
      publicJwk(unfit.forSigning, { kid: 'for-signing', key_ops: ['sign'] }),
      publicJwk(unfit.forRs512, { kid: 'for-rs512', alg: 'RS512' }),
      { ...publicJwk(rsa), e: 'AQ', kid: 'exponent-1' },
    ],
  });
  const ed = new Issuer({
    iss: 'https://ed.issuer.test/realms/main',
    alg: 'EdDSA',
    key: makeKey('EdDSA'),
    audience,
    others: [publicJwk(unfit.ed448, { kid: 'ed448' })],
  });
  // One that has a key for every other algorithm, two named alike that differ in type, and two that nobody can tell apart.
  const wideKeys = Object.fromEntries(WIDE.map((alg) => [alg, makeKey(alg)]));
  const twins = [
    ['ES256', makeKey('ES256')],
    ['ES256', makeKey('ES256')],
  ];
  const alike = [
    ['ES256', makeKey('ES256')],
    ['RS256', makeKey('RS256')],
    ['PS256', makeKey('PS256')],
  ];
  const wide = new Issuer({
    iss: 'https://wide.issuer.test/',
    alg: 'ES384',
    key: makeKey('ES384'),
    audience,
    others: [
      // RSA without alg serves RS256: the others name theirs.
      ...Object.entries(wideKeys).map(([alg, key]) => publicJwk(key, { kid: alg, ...(/^[RP]S/.test(alg) && { alg }) })),
      ...twins.map(([, key]) => publicJwk(key, { kid: 'twins' })),
      ...alike.map(([alg, key]) => publicJwk(key, { kid: 'alike', alg })),
    ],
  });
  Object.assign(wide, { keys: wideKeys, twins, alike });
  // Another one of the first one's kind, whose key has the same name.
  const twin = new Issuer({ iss: 'https://es2.issuer.test/auth/v1', alg: 'ES256', key: makeKey('ES256'), audience });
  // One that moves from a secret to keys has both for a while; its keys may say more.
  const iss = 'https://moving.issuer.test/auth/v1';
  const hs = new Issuer({ iss, alg: 'HS256', key: secret, kid: undefined, audience, roles: ['authenticated'] });
  const moved = new Issuer({ iss, alg: 'ES256', key: makeKey('ES256'), audience });
  // Supabase's legacy keys are signed by the secret that its users' tokens are signed by.
  const legacy = new Issuer({
    iss: 'supabase',
    alg: 'HS256',
    key: secret,
    kid: undefined,
    roles: ['anon', 'service_role'],
    claims: { ref: 'abcdefghijklmnopqrst', role: 'anon', sub: undefined },
  });
  return { es, rs, ed, wide, twin, hs, moved, legacy, unfit };
};

/** All issuers with their key sets served; close it in `after`. */
export const startIssuers = async () => {
  const { unfit, ...issuers } = makeIssuers();
  const server = await startKeyServer();
  for (const [name, issuer] of Object.entries(issuers)) {
    if (issuer.alg === 'HS256') continue;
    issuer.url = `${server.url}/${name}`;
    server.answers[`/${name}`] = honest(issuer.jwks.keys);
  }
  const distinct = Object.values(issuers).filter((issuer) => issuer !== issuers.legacy);
  return {
    ...issuers,
    unfit,
    server,
    /** For the edge. */
    entries: Object.values(issuers).map(({ entry }) => entry),
    /** For PostgREST: the good keys, and what it can read of the others. */
    trusted: [
      ...distinct.map(({ trusted }) => trusted),
      ...distinct.flatMap(({ others }) => others.filter(({ kid }) => !UNREADABLE.includes(kid))),
    ],
  };
};
