// Attacks on how a token is written: header, three parts, base64, JSON, size.
import { createPublicKey } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { EncryptJWT } from 'jose';
import { part, signature } from '../issuers.js';
import { MALFORMED, mapped, NOT_ONE_BEARER, passes, WHY } from './rows.js';

const signed = (issuer, text) => `${text}.${part(signature(issuer.alg, issuer.key, text))}`;

/** Parameters that would have to be understood. */
const parameters = ({ es }) => {
  const under = (header, differs) => [JSON.stringify(header), es.token({}, header), es.token(), MALFORMED, differs];
  const unread = passes(WHY.unread);
  return [
    ...[['exp'], ['b64'], ['unknown'], ['alg'], [], 'exp', null, true, {}].map((crit) => under({ crit })),
    under({ crit: ['b64'], b64: true }),
    under({ crit: ['b64'], b64: false }),
    ...[false, true, null].map((b64) => under({ b64 }, unread)),
    ...['A256GCM', null].map((enc) => under({ enc }, unread)),
    ...['JWT', 'jwt', 'application/jwt'].map((cty) => under({ cty }, unread)),
    ...['dpop+jwt', 'secevent+jwt', 'logout+jwt', 'JOSE', 'JWE', 'jwt ', ''].map((typ) => under({ typ }, unread)),
    ...[1, ['JWT']].map((typ) => under({ typ })),
  ];
};

/** Payloads that such a parameter would make readable. In a JWS zip means nothing, and is not looked at. */
const processed = ({ es }) => {
  const unencoded = `${part(es.header({ b64: false, crit: ['b64'] }))}.{"exp":4000000000}`;
  const nested = es.raw(es.header({ cty: 'JWT' }), es.token());
  const packed = es.raw(es.header({ zip: 'DEF' }), deflateRawSync(JSON.stringify(es.payload())));
  return [
    ['an unencoded payload', signed(es, unencoded), es.token(), MALFORMED],
    ['a token in a token', nested, es.token(), MALFORMED],
    ['a packed payload', packed, es.token({}, { zip: 'DEF' }), MALFORMED],
  ];
};

/** Headers that are not one JSON object with each name once. */
const headers = ({ es }) => {
  const wrong = (name, text, differs) => [name, es.raw(text, es.payload()), es.token(), MALFORMED, differs];
  const json = JSON.stringify(es.header());
  const first = (text) => json.replace('{', `{${text},`);
  const last = (text) => json.replace('}', `,${text}}`);
  const taken = passes(WHY.firstOfTwo);
  return [
    ...['"alg":"none"', '"alg":"HS256"', '"\\u0061lg":"none"'].flatMap((text) => [
      wrong(`${text} before alg`, first(text)),
      wrong(`${text} after alg`, last(text), taken),
    ]),
    wrong('alg twice alike', first('"alg":"ES256"'), taken),
    wrong('two kids', first('"kid":"other"'), passes(WHY.allKeys)),
    wrong('two typs', first('"typ":"x"'), passes(WHY.unread)),
    ...['[]', '["ES256"]', '"ES256"', 'null', '1', '{', json.slice(0, -1), `${json}${json}`, `\ufeff${json}`].map(
      (text) => wrong(text, text),
    ),
    wrong('nothing', ''),
    wrong('invalid UTF-8', Buffer.from(first('"x":"\xff"'), 'latin1')),
    wrong('a NUL after it', `${json}\0`),
  ];
};

/** JWE, JSON serialisation, and other forms that are not three parts after one Bearer. */
const forms = async ({ es, rs }) => {
  const encrypted = (alg, key) =>
    new EncryptJWT(rs.payload()).setProtectedHeader({ alg, enc: 'A256GCM', kid: rs.kid }).encrypt(key);
  const good = es.token();
  const [head, body, tail] = good.split('.');
  const flattened = JSON.stringify({ payload: body, protected: head, signature: tail });
  const general = JSON.stringify({ payload: body, signatures: [{ protected: head, signature: tail }] });
  const malformed = {
    'JWE to the issuer’s public key': await encrypted('RSA-OAEP-256', createPublicKey(rs.key)),
    'JWE by a key of the attacker’s': await encrypted('dir', Buffer.alloc(32, 7)),
    'five parts': `${good}.x.y`,
    'four parts': `${good}.x`,
    'a dot after it': `${good}.`,
    'a dot before it': `.${good}`,
    'two dots together': `${head}..${body}.${tail}`,
    'two parts': `${head}.${body}`,
    'one part': head,
    'no header': `.${body}.${tail}`,
    'no payload': `${head}..${tail}`,
    'no parts': '..',
    'a detached payload': es.raw(es.header(), ''),
    'JSON serialisation in base64': part(flattened),
    'percent-encoded dots': good.replaceAll('.', '%2E'),
    'a percent-encoded letter': good.replace('e', '%65'),
    'in quotes': `"${good}"`,
    'in angle brackets': `<${good}>`,
    'a semicolon after it': `${good};`,
  };
  const notOne = {
    'JSON serialisation, flattened': flattened,
    'JSON serialisation, general': general,
    'the scheme twice': `Bearer ${good}`,
    'a space in it': `${head}. ${body}.${tail}`,
    'a tab in it': `${head}.\t${body}.${tail}`,
    'two tokens': `${good},${es.token()}`,
    'a character beyond ASCII': `${good}é`,
  };
  const rows = (tokens, code) => Object.entries(tokens).map(([name, token]) => [name, token, es.token(), code]);
  return [...rows(malformed, MALFORMED), ...rows(notOne, NOT_ONE_BEARER)];
};

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** The same octets with other bits left over in the last character, which base64 forbids. */
const loose = (text) => text.slice(0, -1) + ALPHABET[ALPHABET.indexOf(text.at(-1)) ^ 1];
const filled = (text) => text + '='.repeat((4 - (text.length % 4)) % 4);
const standard = (text) => text.replaceAll('-', '+').replaceAll('_', '/');

/** Header and payload of a length that leaves bits over in their last characters. */
const ragged = (es) => {
  for (let pad = ''; ; pad += 'x') {
    const parts = [part(es.header({ pad })), part(es.payload({ pad }))];
    if (parts.every((text) => text.length % 4 > 1)) return parts;
  }
};

/** A token each of whose last two parts has a character that the standard alphabet writes otherwise. */
const special = (es) => {
  for (;;) {
    const token = es.token({ pad: '~~~???>>>' });
    if (/[-_].*\..*[-_]/.test(token.slice(token.indexOf('.')))) return token;
  }
};

/** Other ways to write the octets. What is `signed so` has a good signature of just that text. */
const encodings = ({ es }) => {
  const [head, body] = ragged(es);
  const canonical = signed(es, `${head}.${body}`);
  const wrong = (name, token, twin = es.token()) => [name, token, twin, MALFORMED];
  const so = (name, text) => wrong(`${name}, signed so`, signed(es, text), canonical);
  const twice = signed(es, `${part(es.header())}.${part(part(es.payload()))}`);
  const [specialHead, specialBody] = special(es).split('.');
  return [
    wrong('padding after the signature', mapped(es.token(), { tail: filled })),
    wrong('bits left over in the signature', mapped(es.token(), { tail: loose })),
    wrong('the standard alphabet in the signature', mapped(special(es), { tail: standard }), special(es)),
    wrong('the standard alphabet, signed so', signed(es, `${specialHead}.${standard(specialBody)}`), special(es)),
    so('padding after the header', `${filled(head)}.${body}`),
    so('padding after the payload', `${head}.${filled(body)}`),
    so('bits left over in the header', `${loose(head)}.${body}`),
    so('bits left over in the payload', `${head}.${loose(body)}`),
    so('a character of no alphabet in the payload', `${head}.${body}!`),
    so('a lone character after the payload', `${head}.${body}${'A'.repeat((5 - (body.length % 4)) % 4)}`),
    wrong('a signature of one character', mapped(es.token(), { tail: () => 'A' })),
    wrong('a payload encoded twice, signed so', twice),
  ];
};

/** What the first of two claims of one name does to PostgREST. */
const DOUBLED = {
  iss: passes(WHY.noIssuers),
  aud: undefined,
  sub: passes(WHY.firstOfTwo),
  role: ['403 42501', WHY.firstOfTwo],
  exp: undefined,
};

/** Payloads that are not one JSON object in UTF-8 with each name once. */
const payloads = ({ es, hs }) =>
  [es, hs].flatMap((issuer) => {
    const claims = issuer.payload();
    const { iss, aud, sub, role, exp } = claims;
    const json = JSON.stringify(claims);
    const beside = (text) => json.replace('{', `{${text},`);
    const after = (text) => json.replace('}', `,${text}}`);
    const latin1 = (text) => Buffer.from(text, 'latin1');
    const wrong = (name, payload, differs) => [
      `${issuer.alg}: ${name}`,
      issuer.raw(issuer.header(), payload),
      issuer.token(),
      MALFORMED,
      differs,
    ];
    return [
      wrong('UTF-16, little-endian', Buffer.from(json, 'utf16le')),
      wrong('UTF-16, big-endian', Buffer.from(json, 'utf16le').swap16()),
      wrong('a byte-order mark', `\ufeff${json}`),
      wrong('invalid UTF-8 in a claim that is read', latin1(json.replace(sub, '\xff'))),
      wrong('invalid UTF-8 in a claim that is not read', latin1(beside('"x":"\xff"'))),
      wrong('an overlong encoding', latin1(beside('"x":"\xc0\xae"'))),
      wrong('a surrogate in UTF-8', latin1(beside('"x":"\xed\xa0\x80"'))),
      wrong('a NUL after it', `${json}\0`),
      wrong('a NUL in a text', beside('"x":"\0"')),
      wrong('a line break in a text', beside('"x":"\n"')),
      wrong('a second document after it', `${json}${json}`),
      wrong('a comment', beside('/* x */"x":1')),
      wrong('a comma too many', after('').replace(',}', ',}')),
      wrong('single quotes', json.replaceAll('"', "'")),
      wrong('not closed', json.slice(0, -1)),
      wrong('empty', ''),
      wrong('a list of the claims', JSON.stringify([iss, aud, sub, role, exp, null, null])),
      wrong('a list with the object', `[${json}]`),
      wrong('a text', JSON.stringify(json)),
      ...['1', 'null', 'true', '{}{'].map((text) => wrong(text, text)),
      ...Object.entries(DOUBLED).flatMap(([name, differs]) => [
        wrong(`${name} twice, the good one last`, beside(`"${name}":"edge"`), differs),
        wrong(`${name} twice, the good one first`, after(`"${name}":"edge"`), passes(WHY.firstOfTwo)),
      ]),
      wrong('exp twice, once escaped', after('"\\u0065xp":1'), passes(WHY.firstOfTwo)),
    ];
  });

/** A token of so many bytes, or as few less as can be had. */
const sized = (issuer, length) => {
  for (let pad = length; ; pad -= 1) {
    const token = issuer.token({ pad: 'x'.repeat(pad) });
    if (token.length <= length) return token;
  }
};

const sizes = ({ es, rs, hs }) =>
  [es, rs, hs].map((issuer) => {
    // Some lengths cannot be: the first above 8192 that can.
    let length = 8193;
    while (sized(issuer, length).length <= 8192) length += 1;
    return [
      `${issuer.alg}: ${length} bytes`,
      sized(issuer, length),
      sized(issuer, 8192),
      MALFORMED,
      passes(WHY.noLimit),
    ];
  });

/** All of these, by what they go for. */
export const shapes = async (issuers) => ({
  'parameters of the header': [...parameters(issuers), ...processed(issuers)],
  'headers that are not one object': headers(issuers),
  'forms that are not three parts': await forms(issuers),
  'encodings that are not the one': encodings(issuers),
  'payloads that are not one object': payloads(issuers),
  size: sizes(issuers),
});
