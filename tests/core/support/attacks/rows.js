// What a row of the table of attacks is, why PostgREST may differ, and what many rows need.
//
// A row is [name, attack, twin, code, differs?]. The edge answers the attack 401 with the code, and the twin, the nearest
// good token, 200. PostgREST answers the attack `401 PGRST301` and the twin 200, unless `differs` has its verdict and the
// reason. Where that verdict is another refusal the two still agree; where it is 200 only the edge stands in the way.
import { part } from '../issuers.js';

export const NOT_ONE_BEARER = 'RG201';
export const MALFORMED = 'RG202';
export const SIGNATURE = 'RG203';
export const EXPIRED = 'RG204';
export const NOT_YET = 'RG205';
export const CLAIMS = 'RG206';

export const WHY = {
  noIssuers: 'PostgREST knows no issuers: any key of its set will do for any iss',
  allKeys: 'PostgREST tries every key of its set, with any kid',
  noAllowList: 'PostgREST takes every algorithm that one of its keys can do',
  anyKey: 'PostgREST uses every key it is given: of any size, and for any use, key_ops and alg',
  unread: 'PostgREST does not look at this parameter',
  firstOfTwo: 'of two members of one name PostgREST takes the first',
  rsaNumber: 'PostgREST reads an RSA signature as a number',
  noLimit: 'PostgREST has no limit',
  noExp: 'PostgREST needs no exp',
  unbounded: 'PostgREST counts without bounds',
  noSub: 'PostgREST needs no sub, and no UUID',
  noAud: 'PostgREST lets an absent audience pass',
  anyRole:
    'PostgREST takes any role; the database refuses one that is none, that it may not become, or that may nothing',
  roleAsJson: 'PostgREST takes what is no text as its JSON; the database refuses it',
  noRole: 'without a role the token is nobody’s, and nobody may nothing',
  noNul: 'PostgreSQL holds no NUL in JSON',
  noNull: 'PostgREST takes null for a value here, and it is no text',
  noHalf: 'PostgREST reads every claim, and half a pair is no text',
  newName: 'PostgREST 12 does not know this name',
};

/** PostgREST lets it pass. */
export const passes = (why) => ['200', why];

/** A token with its parts changed as text. */
export const mapped = (token, { head = (x) => x, body = (x) => x, tail = (x) => x }) => {
  const [first, second, third] = token.split('.');
  return [head(first), body(second), tail(third)].join('.');
};

/** A token with its signature's bytes changed. */
export const bent = (token, change) => mapped(token, { tail: (text) => part(change(Buffer.from(text, 'base64url'))) });
