// Attacks by claims, each under the issuer's good signature: what is missing, of the wrong type, nearly right, too late.
import { CLAIMS, EXPIRED, MALFORMED, NOT_YET, passes, WHY } from './rows.js';

const now = () => Math.floor(Date.now() / 1000);
const shown = (changes) => JSON.stringify(changes, (_, value) => (value === undefined ? '(left out)' : value));

/** A maker of rows: these claims instead of the good ones. */
const wrongFor = (issuer) => (changes, code, differs) => [
  `${issuer.alg}: ${shown(changes)}`,
  issuer.token(changes),
  issuer.token(),
  code,
  differs,
];

const times = (issuer) => {
  const wrong = wrongFor(issuer);
  const late = now() + 900;
  const exp = (text, code, good, differs) => {
    const written = (value) => issuer.edited((json) => json.replace(/"exp":\d+/, `"exp":${value}`));
    return [`${issuer.alg}: exp written ${text}`, written(text), written(good), code, differs];
  };
  return [
    ...[undefined, null].map((value) => wrong({ exp: value }, CLAIMS, passes(WHY.noExp))),
    ...[`${late}`, 'never', '', true, false, [late], {}].map((value) => wrong({ exp: value }, MALFORMED)),
    exp('0', EXPIRED, late),
    exp('-1', EXPIRED, late),
    exp(`-${late}`, EXPIRED, late),
    exp(`${late - 1000}.5`, EXPIRED, `${late}.5`),
    exp('1e9', EXPIRED, '1e10'),
    exp('1e-400', EXPIRED, '40000000.0e2'),
    exp('-1e400', MALFORMED, '4e9'),
    exp('1e400', MALFORMED, '4e9', passes(WHY.unbounded)),
    exp('NaN', MALFORMED, late),
    exp('Infinity', MALFORMED, late),
    exp('0x7fffffff', MALFORMED, late),
    exp(`0${late}`, MALFORMED, late),
    exp(`+${late}`, MALFORMED, late),
    ...['never', `${late - 1000}`, true, [late - 1000], {}].flatMap((value) => [
      wrong({ nbf: value }, MALFORMED),
      wrong({ iat: value }, MALFORMED),
    ]),
  ];
};

const names = (issuer) => {
  const wrong = wrongFor(issuer);
  const { iss, audience: aud } = issuer;
  const others = [undefined, null, '', `${iss}/`, iss.slice(0, -1), iss.toUpperCase(), iss.replace('https', 'http')];
  return [
    ...[...others, `${iss}#`, 'https://elsewhere.test/'].map((value) =>
      wrong({ iss: value }, CLAIMS, passes(WHY.noIssuers)),
    ),
    // A text with a colon that is no URI is no issuer to PostgREST either.
    ...[` ${iss}`, `${iss} `, `${iss}\0`].map((value) => wrong({ iss: value }, CLAIMS)),
    ...[1, true, [iss], { iss }].map((value) => wrong({ iss: value }, MALFORMED)),
    ...[undefined, null].map((value) => wrong({ aud: value }, CLAIMS, passes(WHY.noAud))),
    ...['', 'Authenticated', 'authenticated ', 'authenticated/', 'other', 'other,authenticated'].map((value) =>
      wrong({ aud: value }, CLAIMS),
    ),
    ...[[], ['other'], ['Authenticated']].map((value) => wrong({ aud: value }, CLAIMS)),
    ...[1, true, { aud }, [1], [aud, 1], [[aud]], [null]].map((value) => wrong({ aud: value }, MALFORMED)),
  ];
};

const roles = (issuer) => {
  const wrong = wrongFor(issuer);
  return [
    wrong({ role: undefined }, CLAIMS, ['401 PGRST302', WHY.noRole]),
    wrong({ role: null }, CLAIMS, ['400 22023', WHY.roleAsJson]),
    ...['edge', 'postgres', 'authenticator', 'none'].map((role) => wrong({ role }, CLAIMS, ['403 42501', WHY.anyRole])),
    ...['', 'Authenticated', 'authenticated ', 'nobody', '"authenticated"', "x'; reset role; --"].map((role) =>
      wrong({ role }, CLAIMS, ['400 22023', WHY.anyRole]),
    ),
    ...[1, true, ['authenticated'], { role: 'authenticated' }].map((role) =>
      wrong({ role }, MALFORMED, ['400 22023', WHY.roleAsJson]),
    ),
  ];
};

const SUB = '11111111-1111-4111-8111-111111111111';

const subjects = (issuer) => {
  const wrong = wrongFor(issuer);
  const odd = [`{${SUB}}`, SUB.replaceAll('-', ''), `urn:uuid:${SUB}`, `${SUB} `, ` ${SUB}`, `${SUB}\n`];
  const others = [undefined, null, '', 'ada', 'auth0|1', `${SUB.slice(0, -1)}g`, `${SUB}0`, SUB.replace('1', '１')];
  return [
    ...[...others, ...odd].map((sub) => wrong({ sub }, CLAIMS, passes(WHY.noSub))),
    wrong({ sub: `${SUB}\0` }, CLAIMS, ['400 22P05', WHY.noNul]),
    ...[1, true, [SUB], { sub: SUB }].map((sub) => wrong({ sub }, MALFORMED)),
  ];
};

/** What each issuer may assert. */
const assertions = ({ es, rs, hs, moved, legacy }) => {
  const service = { role: 'service_role' };
  const none = passes(WHY.noIssuers);
  const user = { role: 'authenticated', sub: SUB };
  return [
    ['service_role of an issuer that may not', es.token(service), rs.token(service), CLAIMS, none],
    [
      'service_role by a secret, which only its issuer’s keys may say',
      hs.token(service),
      moved.token(service),
      CLAIMS,
      none,
    ],
    ['a user of the legacy keys’ issuer', legacy.token(user), legacy.token(service), CLAIMS, none],
    ['a user’s token as of the legacy keys’ issuer', hs.token({ iss: legacy.iss }), hs.token(), CLAIMS, none],
    ['a legacy key as of the users’ issuer', legacy.token({ iss: hs.iss }), legacy.token(), CLAIMS, none],
    ['a legacy key with an audience', legacy.token({ aud: 'authenticated' }), legacy.token(), CLAIMS, none],
    ['a legacy key’s issuer in capitals', legacy.token({ iss: 'Supabase' }), legacy.token(), CLAIMS, none],
    ['a legacy key without exp', legacy.token({ exp: undefined }), legacy.token(), CLAIMS, passes(WHY.noExp)],
    ['a legacy key that has expired', legacy.token({ exp: 1 }), legacy.token({ exp: 4e9 }), EXPIRED],
    ['a legacy edge key', legacy.token({ role: 'edge' }), legacy.token(service), CLAIMS, ['403 42501', WHY.anyRole]],
  ];
};

/** All of these, by what they go for. */
export const claims = (issuers) => {
  const { es, rs, ed, hs } = issuers;
  const all = [es, rs, ed, hs];
  return {
    'exp, nbf and iat': all.flatMap(times),
    'iss and aud': all.flatMap(names),
    role: all.flatMap(roles),
    sub: all.flatMap(subjects),
    'what an issuer may assert': assertions(issuers),
  };
};

/** Clocks that differ: to be made and sent within one second, near its start. */
export const skews = (issuer) => {
  const at = now();
  const pair = (attack, twin, code) => [
    `${issuer.alg}: ${shown(attack)} beside ${shown(twin)}`.replaceAll(/\d{9,}/g, (time) => `now${time - at}`),
    issuer.token(attack),
    issuer.token(twin),
    code,
  ];
  return [31, 59, 61].flatMap((by) => [
    pair({ exp: at - by }, { exp: at - 29 }, EXPIRED),
    pair({ nbf: at + by }, { nbf: at + 29 }, NOT_YET),
    pair({ iat: at + by }, { iat: at + 29 }, NOT_YET),
    // The other way about each is good.
    pair({ exp: at - by }, { exp: at + by }, EXPIRED),
    pair({ nbf: at + by }, { nbf: at - by }, NOT_YET),
    pair({ iat: at + by }, { iat: at - by }, NOT_YET),
  ]);
};
