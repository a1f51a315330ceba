// Callers who ask PostgREST itself, beside a reader who does so, too: what its runtime lets one caller do to another without the edge. They
// have no aim, and say how much of a row of the same name is PostgREST's.
import { COLUMNS } from './hang_ups.js';
import { FILTERS } from './requests.js';

const CONNECTIONS = 14;

/**
 * @param {object} target of prepare.js
 * @returns {object[]} as of connections.js; `isDirect`: the reader asks PostgREST, too
 */
export const direct = ({ postgrestUrl: base, token }) => {
  const headers = { authorization: `Bearer ${token}`, 'accept-profile': 'clixen' };
  const one = (name, pathOf) => ({
    ...{
      name: `${name}, ${CONNECTIONS} at once, at PostgREST itself`,
      connections: CONNECTIONS,
      statuses: [200, 429],
      base,
    },
    ...{ make: (...turn) => ({ path: pathOf(...turn), headers }), isDirect: true, aim: false },
  });
  return [
    one('long answers of one user', () => '/mvp_chat_messages?limit=1000'),
    one(
      'filters with a thousand values of one user',
      (n, turn) => `/projects?name=in.(${FILTERS[(n + turn) % FILTERS.length]})`,
    ),
    one('answers over the limit of one user', () => `/mvp_chat_messages?limit=1000&select=${COLUMNS}`),
  ];
};
