// Attacks on what makes a signature good: algorithms, keys, their names, and the signature itself.
import { createHash, createPublicKey, privateEncrypt, constants as rsa, sign } from 'node:crypto';
import { compact, makeKey, part, signature } from '../issuers.js';
import { bent, CLAIMS, MALFORMED, mapped, passes, SIGNATURE, WHY } from './rows.js';

const SPELLINGS = {
  none: 'none',
  None: 'None',
  NONE: 'NONE',
  nOnE: 'nOnE',
  'none and a space': 'none ',
  'none and a NUL': 'none\0',
  'lower case': 'es256',
  'mixed case': 'Es256',
  'a space after': 'ES256 ',
  'a space before': ' ES256',
  'a NUL after': 'ES256\0',
  'a full-width digit': 'ES25６',
  empty: '',
  'left out': undefined,
  null: null,
  'a number': 256,
  true: true,
  'a list': ['ES256'],
  'a list with none': ['none', 'ES256'],
  'an object': { name: 'ES256' },
};

/** `alg` in every spelling, each under a signature that is good, and none without one. */
const spellings = ({ es }) =>
  Object.entries(SPELLINGS).flatMap(([name, alg]) => {
    const signed = es.token({}, { alg });
    const bare = mapped(signed, { tail: () => '' });
    return [
      [`alg: ${name}`, signed, es.token(), MALFORMED],
      ...(name.includes('one') ? [[`alg: ${name}, no signature`, bare, es.token(), MALFORMED]] : []),
    ];
  });

/** What anybody knows of an issuer, as a secret. */
const publicSecrets = (issuer) => {
  const key = createPublicKey(issuer.key);
  const { x, y, n, ...rest } = key.export({ format: 'jwk' });
  const pem = key.export({ type: 'spki', format: 'pem' });
  const bytes = (text) => Buffer.from(text, 'base64url');
  return {
    'its PEM': pem,
    'its PEM without the last line break': pem.trimEnd(),
    'its DER': key.export({ type: 'spki', format: 'der' }),
    'its JWK as served': JSON.stringify(issuer.jwks.keys[0]),
    'its JWK, parameters only': JSON.stringify({ x, y, n, ...rest }),
    'its kid': issuer.kid,
    'its name': issuer.iss,
    nothing: '',
    ...(x && { 'its x, decoded': bytes(x), 'its x as text': x }),
    ...(y && { 'its point': Buffer.concat([Buffer.of(4), bytes(x), bytes(y)]) }),
    ...(n && { 'its modulus, decoded': bytes(n), 'its modulus as text': n }),
  };
};

const publicAsSecret = ({ es, rs, ed, moved }) =>
  [es, rs, ed, moved].flatMap((issuer) =>
    Object.entries(publicSecrets(issuer)).map(([name, secret]) => [
      `HS256 in the name of ${issuer.iss} with ${name} as the secret`,
      compact(issuer.header({ alg: 'HS256' }), issuer.payload(), 'HS256', secret),
      issuer.token(),
      SIGNATURE,
    ]),
  );

/** A good signature of one algorithm under the name of another. */
const misnamed = ({ es, rs, ed, hs, moved }) =>
  [
    [es, ['RS256', 'EdDSA', 'HS256', 'ES384', 'ES512'], ['ES256K']],
    [rs, ['ES256', 'EdDSA', 'HS256', 'PS256', 'RS384', 'RS512'], []],
    [ed, ['ES256', 'RS256', 'HS256'], ['Ed448']],
    [hs, ['ES256', 'RS256', 'EdDSA'], ['HS512']],
    [moved, ['RS256', 'EdDSA', 'HS256'], []],
  ].flatMap(([issuer, listed, unlisted]) =>
    [...listed, ...unlisted].map((alg) => [
      `${issuer.alg}’s signature of ${issuer.iss} under the name ${alg}`,
      issuer.token({}, { alg }),
      issuer.token(),
      listed.includes(alg) ? SIGNATURE : MALFORMED,
    ]),
  );

/** A token of an issuer’s by any algorithm and key. */
const by = (issuer, alg, key, header = {}) => compact(issuer.header({ alg, ...header }), issuer.payload(), alg, key);

/** Good signatures of algorithms that are not on the list, by keys that the issuer publishes. */
const unlisted = ({ es, hs, unfit }) =>
  [
    ...['HS384', 'HS512'].map((alg) => [alg, hs, by(hs, alg, hs.key)]),
    ['ES256K', es, by(es, 'ES256K', unfit.k256, { kid: 'k256' }), ['401 PGRST301', 'it does not know the curve']],
  ].map(([alg, issuer, token, differs = passes(WHY.noAllowList)]) => [
    `${alg}, properly signed`,
    token,
    issuer.token(),
    MALFORMED,
    differs,
  ]);

/** Signatures of an algorithm by a key that serves another one of its type. */
const otherAlgorithms = ({ rs, wide }) => {
  const names = Object.keys(wide.keys);
  const row = (issuer, alg, kid, key) => [
    `${alg} by the key ${kid} of ${issuer.iss}`,
    by(issuer, alg, key, { kid }),
    issuer.token(),
    SIGNATURE,
    passes(WHY.anyKey),
  ];
  return [
    ...['PS256', 'PS384', 'PS512', 'RS384', 'RS512'].map((alg) => row(rs, alg, rs.kid, rs.key)),
    ...names
      .filter((alg) => /^[RP]S/.test(alg))
      .flatMap((kid) =>
        ['RS256', 'RS384', 'PS256', 'PS512']
          .filter((alg) => alg !== kid)
          .map((alg) => row(wide, alg, kid, wide.keys[kid])),
      ),
  ];
};

/** Keys of which a token could mean either: same name, same algorithm. */
const ambiguous = ({ wide }) =>
  wide.twins.flatMap(([alg, key], n) => [
    [
      `key ${n} of two named alike for ${alg}`,
      by(wide, alg, key, { kid: 'twins' }),
      wide.token(),
      SIGNATURE,
      passes(WHY.allKeys),
    ],
    [
      `key ${n} of two named alike for ${alg}, no kid`,
      by(wide, alg, key, { kid: undefined }),
      wide.token(),
      SIGNATURE,
      passes(WHY.allKeys),
    ],
  ]);

/** Under the exponent 1 a signature is the padded hash itself: anybody can write it. */
const exponentOne = (rs) => {
  const text = `${part(rs.header({ kid: 'exponent-1' }))}.${part(rs.payload())}`;
  const sha256 = Buffer.from('3031300d060960864801650304020105000420', 'hex');
  const info = Buffer.concat([sha256, createHash('sha256').update(text).digest()]);
  const filling = Buffer.alloc(256 - 3 - info.length, 0xff);
  return `${text}.${part(Buffer.concat([Buffer.of(0, 1), filling, Buffer.of(0), info]))}`;
};

/** Keys that are in the issuer's set and may not be used. */
const unfitKeys = ({ es, rs, ed, unfit }) => {
  const used = (issuer, kid, key) => by(issuer, issuer.alg, key, { kid });
  const any = passes(WHY.anyKey);
  return [
    ['a secret in the public key set', by(es, 'HS256', unfit.oct, { kid: 'oct' }), es.token(), SIGNATURE, any],
    ['P-384 for ES256', used(es, 'p384', unfit.p384), es.token(), SIGNATURE, any],
    ['secp256k1 for ES256', used(es, 'k256', unfit.k256), es.token(), SIGNATURE],
    ['a key for ES384 used for ES256', used(es, 'for-es384', unfit.forEs384), es.token(), SIGNATURE, any],
    ['a point that is not on the curve', used(es, 'off-curve', makeKey('ES256')), es.token(), SIGNATURE],
    ['Ed448 for EdDSA', used(ed, 'ed448', unfit.ed448), ed.token(), SIGNATURE],
    ['RSA of 1024 bits', used(rs, 'weak', unfit.weak), rs.token(), SIGNATURE, any],
    ['RSA of 1024 bits, no kid', used(rs, undefined, unfit.weak), rs.token({}, { kid: undefined }), SIGNATURE, any],
    ['RSA of 1024 bits, padded to 2048', used(rs, 'weak-padded', unfit.weakPadded), rs.token(), SIGNATURE],
    ['a key for encryption', used(rs, 'for-encryption', unfit.forEncryption), rs.token(), SIGNATURE, any],
    ['a key that may not verify', used(rs, 'for-signing', unfit.forSigning), rs.token(), SIGNATURE, any],
    ['a key for RS512 used for RS256', used(rs, 'for-rs512', unfit.forRs512), rs.token(), SIGNATURE, any],
    ['a public exponent of 1', exponentOne(rs), rs.token(), SIGNATURE, any],
  ];
};

/** Keys of nobody. */
const strangers = (issuers) =>
  ['es', 'rs', 'ed', 'hs', 'moved'].flatMap((name) => {
    const issuer = issuers[name];
    const key = issuer.alg === 'HS256' ? 'x'.repeat(64) : makeKey(issuer.alg);
    return [issuer.kid ?? 'any', undefined].map((kid) => [
      `a stranger’s ${issuer.alg} key in the name of ${issuer.iss}, kid ${kid}`,
      by(issuer, issuer.alg, key, { kid }),
      issuer.token({}, { kid }),
      SIGNATURE,
    ]);
  });

/** Keys of one issuer in the name of another, whose key may have the same kid. */
const crossed = ({ es, rs, ed, twin, hs, moved, legacy }) =>
  [
    [rs, es],
    [ed, es],
    [hs, es],
    [twin, es],
    [es, twin],
    [es, rs],
    [hs, rs],
    [hs, ed],
    [es, moved],
    [moved, es],
    [moved, legacy],
    [rs, legacy],
  ].map(([owner, named]) => [
    `${owner.alg} of ${owner.iss} in the name of ${named.iss}`,
    owner.token({ ...named.claims, iss: named.iss, aud: named.audience }),
    named.token(),
    SIGNATURE,
    passes(WHY.noIssuers),
  ]);

/** The edge's own key, another issuer's kid, and parts of different tokens put together. */
const borrowed = ({ es, hs }, { edgeKey, edgeKid }) => {
  const edges = (claims) =>
    compact({ alg: 'HS256', kid: edgeKid }, hs.payload(claims), 'HS256', Buffer.from(edgeKey, 'base64url'));
  const kid = { kid: es.kid };
  const nobody = { role: 'anon', sub: undefined };
  const claims = mapped(es.token(), { body: () => part(es.payload(nobody)) });
  const header = mapped(es.token(), { head: () => part(es.header({ typ: undefined })) });
  return [
    ['the edge’s own key in an issuer’s name', edges({}), hs.token(), SIGNATURE, passes(WHY.noIssuers)],
    ['the edge’s own key without an issuer', edges({ iss: undefined }), hs.token(), CLAIMS, passes(WHY.noIssuers)],
    [
      'HS256 under another issuer’s kid and name',
      hs.token({ iss: es.iss }, kid),
      hs.token({}, kid),
      SIGNATURE,
      passes(WHY.noIssuers),
    ],
    ['another token’s claims', claims, es.token(nobody), SIGNATURE],
    ['another token’s header', header, es.token({}, { typ: undefined }), SIGNATURE],
  ];
};

const SHAPES = {
  'left out': (sig) => sig.subarray(0, 0),
  'shortened by an octet': (sig) => sig.subarray(0, -1),
  'cut in half': (sig) => sig.subarray(0, sig.length / 2),
  'lengthened by a zero': (sig) => Buffer.concat([sig, Buffer.of(0)]),
  'lengthened by a zero in front': (sig) => Buffer.concat([Buffer.of(0), sig]),
  doubled: (sig) => Buffer.concat([sig, sig]),
  'of zeros': (sig) => Buffer.alloc(sig.length),
  'of ones': (sig) => Buffer.alloc(sig.length, 255),
  'in hexadecimal': (sig) => Buffer.from(sig.toString('hex')),
  'with its first bit flipped': (sig) => Buffer.concat([Buffer.of(sig[0] ^ 128), sig.subarray(1)]),
  'with its last bit flipped': (sig) => Buffer.concat([sig.subarray(0, -1), Buffer.of(sig.at(-1) ^ 1)]),
};

/** Signatures of every algorithm bent out of shape. */
const shapes = ({ es, rs, ed, hs, wide }) =>
  [es, rs, ed, hs, wide].flatMap((issuer) =>
    Object.entries(SHAPES).map(([name, change]) => [
      `${issuer.alg}: a signature ${name}`,
      bent(issuer.token(), change),
      issuer.token(),
      SIGNATURE,
      issuer === rs && name.endsWith('in front') ? passes(WHY.rsaNumber) : undefined,
    ]),
  );

const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const octets = (number) => Buffer.from(number.toString(16).padStart(64, '0'), 'hex');

/** An ECDSA signature with its two numbers changed. */
const withNumbers = (token, change) =>
  bent(token, (sig) => {
    const [r, s] = [sig.subarray(0, 32), sig.subarray(32)].map((half) => BigInt(`0x${half.toString('hex')}`));
    return Buffer.concat(change(r, s).map(octets));
  });

/** Signatures that one algorithm makes possible. */
const signatures = ({ es, rs, hs }) => {
  const text = (issuer) => `${part(issuer.header())}.${part(issuer.payload())}`;
  const signed = (issuer, make) => {
    const data = text(issuer);
    return `${data}.${part(make(Buffer.from(data)))}`;
  };
  const sha256 = (data) => createHash('sha256').update(data).digest();
  const unnamed = (data) => privateEncrypt({ key: rs.key, padding: rsa.RSA_PKCS1_PADDING }, sha256(data));
  const numbers = (change) => withNumbers(es.token(), change);
  // Negating s gives the other good signature of the same text: bent, but no forgery.
  const other = numbers((r, s) => [r, ORDER - s]);
  return [
    ['ES256: in DER', signed(es, (data) => sign('sha256', data, es.key)), es.token(), SIGNATURE],
    ['ES256: r = s = 0', numbers(() => [0n, 0n]), es.token(), SIGNATURE],
    ['ES256: r = 0', numbers((_, s) => [0n, s]), es.token(), SIGNATURE],
    ['ES256: s = 0', numbers((r) => [r, 0n]), es.token(), SIGNATURE],
    ['ES256: r = s = 1', numbers(() => [1n, 1n]), es.token(), SIGNATURE],
    ['ES256: r and s the curve’s order', numbers(() => [ORDER, ORDER]), es.token(), SIGNATURE],
    ['ES256: r and s exchanged', numbers((r, s) => [s, r]), other, SIGNATURE],
    ['ES256: SHA-384', signed(es, (data) => signature('ES384', es.key, data)), es.token(), SIGNATURE],
    ['RS256: a hash without its name', signed(rs, unnamed), rs.token(), SIGNATURE],
    ['RS256: SHA-1', signed(rs, (data) => sign('sha1', data, rs.key)), rs.token(), SIGNATURE],
    ['RS256: PSS', signed(rs, (data) => signature('PS256', rs.key, data)), rs.token(), SIGNATURE],
    ['HS256: SHA-512', signed(hs, (data) => signature('HS512', hs.key, data)), hs.token(), SIGNATURE],
    [
      'HS256: SHA-512, first half',
      signed(hs, (d) => signature('HS512', hs.key, d).subarray(0, 32)),
      hs.token(),
      SIGNATURE,
    ],
  ];
};

/** DER: a tag, a length, contents. */
const der = (tag, ...contents) => {
  const body = Buffer.concat(contents);
  const length = body.length < 128 ? Buffer.of(body.length) : Buffer.of(0x82, body.length >> 8, body.length & 255);
  return Buffer.concat([Buffer.of(tag), length, body]);
};

/** A certificate of a P-256 key, signed by itself. */
const certificate = (key) => {
  const algorithm = der(0x30, Buffer.from('06082a8648ce3d040302', 'hex'));
  const nobody = der(0x30);
  const validity = der(0x30, der(0x17, Buffer.from('260101000000Z')), der(0x17, Buffer.from('460101000000Z')));
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  const contents = der(0x30, der(2, Buffer.of(1)), algorithm, nobody, validity, nobody, spki);
  return der(0x30, contents, algorithm, der(3, Buffer.of(0), sign('sha256', contents, key)));
};

/** An attacker's key, or where it is, in the header. The good twin has the same there: it is never looked at. */
const references = ({ es }, { attacker: { key, url, jwk } }) => {
  const x509 = certificate(key);
  const thumbprint = (hash) => createHash(hash).update(x509).digest('base64url');
  const headers = [
    { jku: `${url}/jwks` },
    { jku: `${es.url}/../attacker` },
    { x5u: `${url}/x5u` },
    { x5c: [x509.toString('base64')] },
    { x5t: thumbprint('sha1') },
    { 'x5t#S256': thumbprint('sha256') },
    { jwk },
  ];
  return headers.flatMap((header) =>
    [undefined, jwk.kid, es.kid].map((kid) => [
      `${JSON.stringify(header).slice(0, 60)} with kid ${kid}`,
      by(es, 'ES256', key, { ...header, kid }),
      es.token({}, header),
      SIGNATURE,
    ]),
  );
};

const KIDS = {
  unknown: 'unknown',
  empty: '',
  'in capitals': 'MAIN',
  'with a space after': 'main ',
  'with a NUL after': 'main\0',
  'a path': '../../../../dev/null',
  SQL: "x' union select 'key' --",
  'a command': 'main|/usr/bin/true',
  'an address': 'http://127.0.0.1/jwks',
  'a name of the runtime': '__proto__',
  '128 long': 'k'.repeat(128),
};

/** Names of keys that are not the key's, under its good signature. */
const kids = ({ es }) => {
  const unlike = (name, kid, code, differs) => [`kid: ${name}`, es.token({}, { kid }), es.token(), code, differs];
  const file = compact({ alg: 'HS256', kid: '/dev/null' }, es.payload(), 'HS256', '');
  return [
    ...Object.entries(KIDS).map(([name, kid]) => unlike(name, kid, SIGNATURE, passes(WHY.allKeys))),
    ...[129, 4000].map((n) => unlike(`${n} long`, 'k'.repeat(n), MALFORMED, passes(WHY.allKeys))),
    ...[1, true, ['main'], { kid: 'main' }].map((kid) => unlike(JSON.stringify(kid), kid, MALFORMED)),
    ['kid: a file, whose contents are the secret', file, es.token(), SIGNATURE],
  ];
};

/** All of these, by what they go for. */
export const keys = (issuers, options) => ({
  'alg in every spelling': spellings(issuers),
  'what is public as the secret': publicAsSecret(issuers),
  'a signature under another algorithm’s name': misnamed(issuers),
  'algorithms that are not on the list': unlisted(issuers),
  'keys of the set that may not be used': [...unfitKeys(issuers), ...otherAlgorithms(issuers), ...ambiguous(issuers)],
  'keys of others': [...strangers(issuers), ...crossed(issuers), ...borrowed(issuers, options)],
  'bent signatures': [...shapes(issuers), ...signatures(issuers)],
  'keys in the header': references(issuers, options),
  'names of keys': kids(issuers),
});
