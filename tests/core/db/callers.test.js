// Who calls, and what the edge vouches for: read from the verified claims, and believed of tokens that the edge has signed.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, transaction } from '../../support/stack.js';

after(close);

const SUB = randomUUID();
const SEEN = { addr: 'a', net: '192.0.2.0/24', country: 'DE' };
const ISSUER = 'https://issuer.example';

/** Claims, and what is made of them: the role that calls, whom a limit and an Idempotency-Key count for, what is vouched for. */
const CALLERS = {
  'nobody, through the edge': [{ role: 'anon', edge: SEEN }, ['anon', 'addr a', 'anon', SEEN]],
  'nobody, with an anon key of an issuer': [
    { role: 'anon', iss: ISSUER, edge: SEEN },
    ['anon', 'nobody', 'anon', null],
  ],
  'a user': [{ role: 'authenticated', sub: SUB, iss: ISSUER }, ['authenticated', `user ${SUB}`, SUB, null]],
  'a user with a claim of their own': [
    { role: 'authenticated', sub: SUB, iss: ISSUER, edge: { ...SEEN, caller: 'service_role' } },
    ['authenticated', `user ${SUB}`, SUB, null],
  ],
  'a user of an issuer without a name, with a claim of their own': [
    { role: 'authenticated', sub: SUB, edge: { ...SEEN, caller: 'service_role' } },
    ['authenticated', `user ${SUB}`, SUB, null],
  ],
  'a server': [{ role: 'service_role', iss: ISSUER }, ['service_role', 'service', 'service', null]],
  'the edge for nobody': [
    { role: 'edge', edge: { ...SEEN, caller: 'anon' } },
    ['anon', 'addr a', 'anon', { ...SEEN, caller: 'anon' }],
  ],
  'the edge for a user': [
    { role: 'edge', sub: SUB, edge: { ...SEEN, caller: 'authenticated' } },
    ['authenticated', `user ${SUB}`, SUB, { ...SEEN, caller: 'authenticated' }],
  ],
  'the edge for a server': [
    { role: 'edge', edge: { ...SEEN, caller: 'service_role' } },
    ['service_role', 'service', 'service', { ...SEEN, caller: 'service_role' }],
  ],
  'the edge itself': [{ role: 'edge' }, ['edge', 'nobody', 'anon', null]],
  'an issuer that signs for the edge’s role': [
    { role: 'edge', iss: ISSUER, edge: { ...SEEN, caller: 'service_role' } },
    ['edge', 'nobody', 'anon', null],
  ],
  'no request at all': [undefined, [null, 'nobody', 'anon', null]],
};

for (const [name, [claims, wanted]] of Object.entries(CALLERS)) {
  test(name, () =>
    transaction(async (query) => {
      await query(`select set_config('request.jwt.claims', $1, true)`, [claims ? JSON.stringify(claims) : '']);
      const [row] = await query(
        `select private.caller_role() as role, private.caller_key() as key, private.idempotency_caller() as idempotency,
         private.edge_claim() as vouched`,
      );
      assert.deepEqual([row.role, row.key, row.idempotency, row.vouched], wanted);
    }),
  );
}
