// The local token issuer: keys made at the first start and kept in the data directory, a JWKS, and tokens; with dev/accounts, sign-up and sign-in.
// DEV-ONLY: a project in production has Supabase Auth, Auth0, Keycloak or the like in its place.
import { createHash, createHmac, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, importJWK, SignJWT } from 'jose';
import { SetupError } from './setup.js';

/** What every token of a user names as its audience. */
export const AUDIENCE = 'authenticated';

const YEAR = 365 * 24 * 3600;

const write = (file, text) => {
  writeFileSync(`${file}.new`, text, { mode: 0o600 });
  renameSync(`${file}.new`, file);
};

const make = async () => {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(privateKey);
  const kid = createHash('sha256').update(jwk.x).digest('base64url').slice(0, 16);
  const secret = (bytes) => randomBytes(bytes).toString('base64url');
  return {
    note: 'DEV-ONLY keys of the local stack',
    issuer: { ...jwk, kid, alg: 'ES256', use: 'sig' },
    edge_signing_key: secret(32),
    publishable_key: `rgpub_dev_${secret(18)}`,
    database_password: secret(18),
    authenticator_password: secret(18),
  };
};

/** The stack's keys, made at the first call. */
export const keys = async (data) => {
  const file = join(data, 'keys.json');
  if (!existsSync(file)) {
    mkdirSync(data, { recursive: true, mode: 0o700 });
    write(file, `${JSON.stringify(await make(), null, 2)}\n`);
  }
  const found = JSON.parse(readFileSync(file, 'utf8'));
  // An existing PostgREST has a key of its own.
  if (process.env.EDGE_SIGNING_KEY) found.edge_signing_key = process.env.EDGE_SIGNING_KEY;
  // Made of another one, so that a data directory of an earlier version has them, too.
  const derived = (name) => createHmac('sha256', found.edge_signing_key).update(`DEV-ONLY ${name}`).digest('hex');
  found.kek_1 = process.env.KEK_1 || Buffer.from(derived('kek 1'), 'hex').toString('base64url');
  found.fingerprint_key =
    process.env.FINGERPRINT_KEY || Buffer.from(derived('fingerprints'), 'hex').toString('base64url');
  found.whatsapp_app_secret = process.env.WHATSAPP_APP_SECRET || derived('whatsapp app secret');
  found.whatsapp_verify_token = process.env.WHATSAPP_VERIFY_TOKEN || derived('whatsapp verify token');
  return found;
};

const publicKey = ({ issuer: { d: _, ...jwk } }) => jwk;

/** The set that the issuer publishes. */
export const jwks = (made) => ({ keys: [publicKey(made)] });

/** PostgREST's jwt-secret: the issuer's public keys and the edge's own. */
export const postgrestKeys = (made) => ({
  keys: [publicKey(made), { kty: 'oct', kid: 'edge', alg: 'HS256', use: 'sig', k: made.edge_signing_key }],
});

/**
 * A signed token.
 * @param {object} made the stack's keys
 * @param {{issuer: string, sub?: string, role?: string, claims?: object, ttl?: number}} options ttl in seconds
 */
export const token = async (made, { issuer, sub, role = 'authenticated', claims = {}, ttl = 3600 }) => {
  const now = Math.floor(Date.now() / 1000);
  const payload = { iss: issuer, aud: AUDIENCE, role, iat: now, exp: now + ttl, ...(sub && { sub }), ...claims };
  const header = { alg: 'ES256', kid: made.issuer.kid, typ: 'JWT' };
  return new SignJWT(payload).setProtectedHeader(header).sign(await importJWK(made.issuer, 'ES256'));
};

/** The back-office token of the local stack. */
export const serviceKey = (made, issuer) => token(made, { issuer, role: 'service_role', ttl: 10 * YEAR });

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

/** The issuer's address: what tokens name as `iss`. */
export const addressOf = (port) => `http://127.0.0.1:${port}`;

/**
 * Serves the JWKS and, where there are any, the accounts. Gives the server once it listens.
 * @param {object} made the stack's keys
 * @param {{port: number, host?: string, accounts?: {answer: Function}}} options accounts: of dev/accounts
 */
export const serve = async (made, { port, host = '127.0.0.1', accounts }) => {
  if (!LOOPBACK.includes(host)) {
    throw new SetupError(
      `The local issuer and its accounts are for development: they listen on 127.0.0.1, not on ${host}. ` +
        'Others sign in at an issuer for production, such as Supabase Auth.',
    );
  }
  const issuer = addressOf(port);
  const pages = {
    '/.well-known/jwks.json': jwks(made),
    // Where `supabase.auth.getClaims()` looks.
    '/auth/v1/.well-known/jwks.json': jwks(made),
    '/.well-known/openid-configuration': { issuer, jwks_uri: `${issuer}/.well-known/jwks.json` },
  };
  // A page of somebody's, whose name has been made to mean this machine, names itself as the host.
  const hosts = [...LOOPBACK, '[::1]'].map((name) => `${name}:${port}`);
  const server = createServer((request, response) => {
    const show = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (!hosts.includes(request.headers.host?.toLowerCase())) {
      return show(421, { message: `Ask for ${hosts[0]}: other hosts are not served` });
    }
    const page = pages[request.url];
    if (page) return show(200, page);
    const url = URL.canParse(request.url, issuer) ? new URL(request.url, issuer) : undefined;
    if (accounts && url?.pathname.startsWith('/auth/v1/')) return accounts.answer(request, response, url);
    return show(404, { message: `There is ${Object.keys(pages).join(' and ')}` });
  });
  await new Promise((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { issuer, jwksUrl: `${issuer}/.well-known/jwks.json`, close };
};
