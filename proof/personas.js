// Who tries. Each has credentials for the edge, and for PostgREST itself, where an attacker may know the address.
import { randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';
import { token } from '../dev/issuer.js';

/** Signed-in users: of the owner's tenant, of another, of none. */
export const USERS = ['owner', 'member', 'viewer', 'stranger', "other tenant's admin", 'admin', 'deactivated'];

/** All of them, in the order of the tables. */
export const PERSONAS = ['none', 'anon key', 'session holder', ...USERS, 'edge', 'service'];

/** Who may call what is open: PostgREST wants a token, and the edge's own belongs to no caller. */
export const ANYBODY = ['anon key', 'session holder', ...USERS, 'service'];

/** Who calls a function that only the edge may call: the edge, and on its word anybody. */
export const VOUCHED = { execute: [], database: { execute: ['edge'] }, vouched: { execute: ANYBODY } };

/** The same of a function for users: on its own behalf the edge does not call it. */
export const VOUCHED_USERS = { execute: [], vouched: { execute: USERS } };

/** The edge's own token, which nobody outside has: that it is signed well is no reason to serve it more than it needs. */
const edgeToken = (keys, claims) => {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ aud: 'authenticated', iat: now, exp: now + 600, ...claims })
    .setProtectedHeader({ alg: 'HS256', kid: 'edge' })
    .sign(Buffer.from(keys.edge_signing_key, 'base64url'));
};

const bearer = (text) => ({ authorization: `Bearer ${text}` });

/** A session of onboarding, where growth is there: its token is all that its holder has. */
const sessionToken = async (sql) => {
  const [{ known }] = await sql(`select to_regprocedure('onboarding.start(jsonb)') is not null as known`);
  if (!known) return {};
  const [{ started }] = await sql(`select onboarding.start('{}') as started`);
  return { 'x-session-token': started.session_token };
};

/**
 * The personas, by name: their id, the role and claims that the database sees, and their headers for `edge` and `database`, and
 * for `vouched`: at PostgREST with the token that the edge makes where it calls on their behalf.
 * @param {{keys: object, issuer: string}} system
 * @param {(text: string) => Promise<object[]>} sql as the database's owner
 */
export const personas = async ({ keys, issuer }, sql) => {
  const apikey = { apikey: keys.publishable_key };
  const network = { edge: { net: '192.0.2.0/24', addr: 'proof' } };
  const vouched = async (caller, sub) =>
    bearer(await edgeToken(keys, { role: 'edge', sub, edge: { ...network.edge, caller } }));
  const user = async (name, app_metadata = {}) => {
    const sub = randomUUID();
    // What a user writes of themselves must never count.
    const claims = { app_metadata, user_metadata: { role: 'admin', tenant_role: 'admin' } };
    const signed = bearer(await token(keys, { issuer, sub, claims }));
    return [
      name,
      {
        sub,
        role: 'authenticated',
        claims,
        headers: { edge: { ...apikey, ...signed }, database: signed, vouched: await vouched('authenticated', sub) },
      },
    ];
  };
  const other = (name, role, headers, claims = {}) => [name, { sub: randomUUID(), role, claims, headers }];
  const edge = bearer(await edgeToken(keys, { role: 'edge' }));
  const service = bearer(await token(keys, { issuer, role: 'service_role' }));
  const anon = bearer(await edgeToken(keys, { role: 'anon', ...network }));
  const session = await sessionToken(sql);
  return Object.fromEntries([
    other('none', undefined, { edge: {}, database: {} }),
    other('anon key', 'anon', { edge: apikey, database: anon, vouched: await vouched('anon') }, network),
    other(
      'session holder',
      'anon',
      {
        edge: { ...apikey, ...session },
        database: { ...anon, ...session },
        vouched: { ...(await vouched('anon')), ...session },
      },
      network,
    ),
    ...(await Promise.all(USERS.map((name) => user(name, name === 'admin' ? { role: 'admin' } : {})))),
    other('edge', 'edge', { edge: { ...apikey, ...edge }, database: edge }),
    other('service', 'service_role', {
      edge: { ...apikey, ...service },
      database: service,
      vouched: await vouched('service_role'),
    }),
  ]);
};
