// What looks odd and is nothing that the edge refuses. A row is [name, token, refused?]: both answer 200, unless `refused`
// has PostgREST's or PostgreSQL's verdict, which the edge relays, and the reason.
import { compact } from '../issuers.js';
import { WHY } from './rows.js';

const TYPES = ['jwt', 'at+jwt', 'application/at+jwt', 'application/jwt', undefined];
const LATE = [4e9, 253402300800, 2 ** 53, 2 ** 64, 1e25, 1e300];

/** Of one issuer's headers. */
const headers = (issuer) => {
  const { alg } = issuer;
  const under = (header) => [JSON.stringify(header), issuer.token({}, header)];
  const json = JSON.stringify(issuer.header());
  return [
    ...TYPES.map((typ) => under({ typ })),
    under({ kid: undefined }),
    ...['typ', 'kid'].map((name) => [...under({ [name]: null }), ['401 PGRST301', WHY.noNull]]),
    under({ cty: 'json' }),
    under({ x: { y: [1, null] }, nonce: 'n' }),
    ['header over several lines', issuer.raw(`${JSON.stringify(issuer.header(), null, 2)}\r\n`, issuer.payload())],
    ['a parameter’s name escaped', issuer.raw(json.replace('"alg"', '"\\u0061lg"'), issuer.payload())],
    [
      'alg escaped',
      issuer.raw(json.replace(alg, `\\u00${alg.charCodeAt(0).toString(16)}${alg.slice(1)}`), issuer.payload()),
    ],
  ];
};

/** Of one issuer's claims. */
const claims = (issuer) => {
  const now = Math.floor(Date.now() / 1000);
  const { sub } = issuer.payload();
  const beside = (json) => issuer.edited((text) => text.replace('{', `{${json},`));
  return [
    ['the audience among others', issuer.token({ aud: ['other', issuer.audience] })],
    ['the audience alone in a list', issuer.token({ aud: [issuer.audience] })],
    ['nbf and iat null', issuer.token({ nbf: null, iat: null })],
    ['no iat', issuer.token({ iat: undefined })],
    ['an iat before 1970', issuer.token({ iat: -1 })],
    ['times with fractions', issuer.token({ exp: now + 600.25, nbf: now - 0.5, iat: now - 0.125 })],
    ...LATE.map((exp) => [`exp ${exp}`, issuer.token({ exp })]),
    ['a user in capitals', issuer.token({ sub: sub.toUpperCase() })],
    [
      'a payload over several lines',
      issuer.raw(issuer.header(), `\t${JSON.stringify(issuer.payload(), null, '\t')}\r\n`),
    ],
    ['a claim’s name escaped', issuer.edited((text) => text.replace('"exp"', '"\\u0065xp"'))],
    ['text beyond ASCII', issuer.token({ name: 'Ödön 😀', 'ключ\u2028': 1 })],
    ['a claim that is not read, twice', beside('"x":1,"x":2')],
    ['a claim 1000 lists deep', beside(`"x":${'['.repeat(1000)}${']'.repeat(1000)}`)],
    ['half a surrogate pair, escaped', beside('"x":"\\ud800"'), ['401 PGRST301', WHY.noHalf]],
    ['a NUL, escaped', beside('"x":"\\u0000"'), ['400 22P05', WHY.noNul]],
  ];
};

/** Good tokens of every other algorithm, and of keys that share a name. */
const algorithms = ({ wide, es, unfit }) => {
  const by = (issuer, alg, key, kid) => compact(issuer.header({ alg, kid }), issuer.payload(), alg, key);
  return [
    ...Object.entries(wide.keys).flatMap(([alg, key]) => [
      [`${alg}`, by(wide, alg, key, alg)],
      [`${alg}, no kid`, by(wide, alg, key, undefined)],
    ]),
    ...wide.alike.map(([alg, key]) => [`${alg} of three keys with one name`, by(wide, alg, key, 'alike')]),
    ['P-384 without alg', by(es, 'ES384', unfit.p384, 'p384')],
    ['P-521 without alg', by(es, 'ES512', unfit.p521, 'p521')],
  ];
};

/** All of them. */
export const oddities = (issuers) => {
  const { es, rs, ed, hs, legacy } = issuers;
  const rows = [es, rs, ed, hs].flatMap((issuer) =>
    [...headers(issuer), ...claims(issuer)].map(([name, ...rest]) => [`${issuer.alg}: ${name}`, ...rest]),
  );
  const years = { iat: 1_700_000_000, exp: 2_000_000_000 };
  return [
    ...rows,
    ...algorithms(issuers),
    ['EdDSA by its newer name', ed.token({}, { alg: 'Ed25519' }), ['401 PGRST301', WHY.newName]],
    ['a legacy anon key', legacy.token(years)],
    ['a legacy service_role key', legacy.token({ ...years, role: 'service_role' })],
    ['a server’s token without a user', rs.token({ role: 'service_role', sub: undefined })],
    ['nobody’s token without a user', es.token({ role: 'anon', sub: undefined })],
  ];
};
