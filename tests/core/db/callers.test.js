// Who calls, and what the edge vouches for: read from the verified claims, and believed of tokens that the edge has signed.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, has, transaction } from '../../support/stack.js';

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

/** Of claims: the user, whether they are an admin, and whether their API token, if they have used one, opens the system to read and to write. */
const made = ({ user = null, admin = false, read = true, write = true } = {}) => [user, admin, read, write];
const withToken = (api_token) => JSON.stringify({ role: 'authenticated', sub: SUB, api_token });
const withRole = (app_metadata) => JSON.stringify({ role: 'authenticated', app_metadata });
const CONDITIONS = [
  ['', made()],
  ['{}', made()],
  ['[]', made()],
  ['"text"', made()],
  [JSON.stringify({ sub: SUB }), made({ user: SUB })],
  [JSON.stringify({ sub: SUB.toUpperCase() }), made({ user: SUB })],
  ...[
    'no uuid',
    '',
    null,
    7,
    [SUB],
    `{${SUB}}`,
    SUB.replaceAll('-', ''),
    ` ${SUB}`,
    `${SUB}\n`,
    `${SUB}0`,
    SUB.slice(1),
    SUB.replace('-', '0'),
    `g${SUB.slice(1)}`,
    `-${SUB.slice(1)}`,
    `${SUB.slice(0, -1)}-`,
    `${SUB.slice(0, 7)}-${SUB.slice(7, 8)}${SUB.slice(9)}`,
    `${SUB.slice(0, -1)}\n`,
    '-'.repeat(36),
    `é${SUB.slice(1)}`,
  ].map((sub) => [JSON.stringify({ sub }), made()]),
  [withRole({ role: 'admin' }), made({ admin: true })],
  ...[{ role: 'Admin' }, { role: ['admin'] }, { role: null }, {}, ['role', 'admin'], 'admin', null].map((fields) => [
    withRole(fields),
    made(),
  ]),
  [JSON.stringify({ role: 'admin', user_metadata: { role: 'admin' } }), made()],
  [withToken({ systems: ['sample'], access: 'write' }), made({ user: SUB })],
  // The name is in the text, and no API token.
  [JSON.stringify({ sub: SUB, email: 'api_token@example.org' }), made({ user: SUB })],
  [JSON.stringify(['api_token']), made()],
  ...[
    { systems: ['sample'], access: 'read' },
    { systems: ['other', 'sample'] },
    { systems: [], access: 'read', call: { system: 'sample' } },
  ].map((token) => [withToken(token), made({ user: SUB, write: false })]),
  [withToken({ systems: ['other'], access: 'write', call: { system: 'sample' } }), made({ user: SUB })],
  ...[
    { systems: ['other'], access: 'write' },
    { systems: ['other'], access: 'write', call: { system: 'other' } },
    { access: 'write' },
    { systems: 'other', access: 'write' },
    {},
    [],
    [{ systems: ['sample'], access: 'write' }],
    'sample',
    null,
  ].map((token) => [withToken(token), made({ user: SUB, read: false, write: false })]),
];
const ASKED = `select auth.uid() as "user", private.is_admin() as admin, private.scope_allows('sample', 'read') as read,
  private.scope_allows('sample', 'write') as write, private.user_in_scope('sample', 'read') as reader,
  private.user_in_scope('sample', 'write') as writer`;

test('what conditions of policies make of claims', () =>
  transaction(async (query) => {
    for (const [claims, wanted] of CONDITIONS) {
      await query(`select set_config('request.jwt.claims', $1, true)`, [claims]);
      const [row] = await query(ASKED);
      assert.deepEqual([row.user, row.admin, row.read, row.write], wanted, claims);
      assert.deepEqual([row.reader, row.writer], [row.read ? row.user : null, row.write ? row.user : null], claims);
    }
    await query(`select set_config('request.jwt.claims', 'no json', true)`);
    await assert.rejects(query(ASKED), { code: '22P02' });
  }));

test('conditions of policies about claims are in the plan itself, not calls', () =>
  transaction(async (query) => {
    await query('set local role authenticated');
    const tables = ['sample.projects', 'sample_more.entries', ...(has('observatory') ? ['observatory.projects'] : [])];
    for (const table of tables) {
      const lines = await query(`explain (verbose, costs off) select id from ${table}`);
      const plan = lines.map((line) => line['QUERY PLAN']).join('\n');
      assert.match(plan, /InitPlan/);
      // The rest is called for claims of an API token only.
      assert.doesNotMatch(plan, /(auth\.uid|private\.(?!token_allows)\w+)\(/);
    }
  }));
