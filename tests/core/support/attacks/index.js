// Every attack on tokens, by what it goes for. What a row is stands in rows.js.
import { claims } from './claims.js';
import { keys } from './keys.js';
import { shapes } from './shapes.js';

export { skews } from './claims.js';
export { oddities } from './oddities.js';

/**
 * @param {object} issuers of startIssuers
 * @param {{edgeKey: string, edgeKid: string, attacker: {key: object, jwk: object, url: string}}} options
 * edgeKey: the edge's own key and its name; attacker: a key of the attacker's, and where it is served
 */
export const attacks = async (issuers, options) => ({
  ...keys(issuers, options),
  ...(await shapes(issuers)),
  ...claims(issuers),
});
