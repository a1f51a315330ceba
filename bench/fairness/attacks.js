// What an abusive caller does: requests by attack. The attacker's process and the benchmark read the same list.
import { randomUUID } from 'node:crypto';

/** Matches nothing, after a third of a second of backtracking a row: what a user can ask of rows of their own. */
const SLOW = encodeURIComponent('^(.*)(.*)(.*)(.*)x\\4\\3\\2\\1y$');

/** The text that SLOW is slow for. */
export const SLOW_FOR = `${'ab'.repeat(30)}x${'ba'.repeat(30)}cy`;

const leads = (address) => (n, turn) => ({
  path: '/v1/leads',
  method: 'POST',
  headers: { accept: 'application/json', 'cf-connecting-ip': address(n, turn) },
  body: JSON.stringify({ email: `fair${n}.${turn}.${randomUUID()}@example.org` }),
});

/**
 * @param {{edgeUrl: string, postgrestUrl: string, token: string, key: string}} target token: the abuser's
 * @returns {{name: string, connections: number, base: string, make: (connection: number, turn: number) => object}[]}
 */
export const attacks = ({ edgeUrl, postgrestUrl, token, key }) => {
  const bearer = { authorization: `Bearer ${token}` };
  const slow = `/projects?description=match.${SLOW}&select=id`;
  return [
    {
      name: 'slow filters of one user, 14 at once',
      connections: 14,
      base: edgeUrl,
      make: () => ({ path: `/rest/v1${slow}`, headers: bearer }),
    },
    {
      name: 'slow filters of one user, 14 at once, past the edge',
      connections: 14,
      base: postgrestUrl,
      make: () => ({ path: slow, headers: { ...bearer, 'accept-profile': 'clixen' } }),
    },
    {
      name: 'writes of one user that wait for each other, 14 at once',
      connections: 14,
      base: edgeUrl,
      make: () => ({
        path: '/rest/v1/projects',
        method: 'POST',
        headers: bearer,
        body: JSON.stringify(Array.from({ length: 200 }, () => ({ name: randomUUID() }))),
      }),
    },
    { name: 'leads of one address, 30 at once', connections: 30, base: edgeUrl, make: leads(() => '203.0.113.9') },
    {
      name: 'leads of many addresses, 30 at once',
      // Not one caller: what all anonymous callers together may take is a choice of the operator's.
      aim: false,
      connections: 30,
      base: edgeUrl,
      make: leads((n, turn) => `10.${n}.${(turn >> 8) & 255}.${turn & 255}`),
    },
    {
      name: 'refused posts of one address, 30 at once',
      connections: 30,
      base: edgeUrl,
      make: () => ({
        path: '/v1/leads',
        method: 'POST',
        headers: { accept: 'application/json', 'cf-connecting-ip': '203.0.113.10' },
        body: '{"email":"no address"}',
      }),
    },
    {
      name: 'anonymous reads of one address, 30 at once',
      connections: 30,
      base: edgeUrl,
      make: () => ({
        path: '/rest/v1/projects',
        headers: { apikey: key, 'cf-connecting-ip': '203.0.113.11' },
      }),
    },
  ];
};
