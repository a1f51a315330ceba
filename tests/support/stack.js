// What the tests know of the throw-away system that dev/test.js started.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import pg from 'pg';
import { keys, token } from '../../dev/issuer.js';
import { exitOnSignals } from '../../dev/process.js';
import { systems } from '../../dev/systems.js';

const data = process.env.ROWGATE_TEST_DATA;
if (!data)
  throw new Error('Run the tests with `npm test`, or one file with `npm test -- tests/growth/e2e/leads.test.js`.');

// A test file that is interrupted ends the parts that it has started.
exitOnSignals();

/** dev.json of the system. */
export const stack = JSON.parse(readFileSync(join(data, 'dev.json'), 'utf8'));

/** The system's keys: for tokens that the issuer or the edge would make. */
export const made = await keys(data);

/** A user's token. */
export const userToken = (sub = randomUUID(), options = {}) => token(made, { issuer: stack.issuer, sub, ...options });

/** A token as only the edge can make it. */
export const edgeToken = (claims) => {
  const now = Math.floor(Date.now() / 1000);
  const secret = Buffer.from(made.edge_signing_key, 'base64url');
  return new SignJWT({ aud: 'authenticated', iat: now, exp: now + 60, ...claims })
    .setProtectedHeader({ alg: 'HS256', kid: 'edge' })
    .sign(secret);
};

/**
 * What the edge makes of a caller when it vouches for them: a call of its own role, with the caller's role, the verified user and
 * what it has seen (`claims.edge`).
 */
export const onBehalf = ({ role, claims = {}, headers }) => {
  const { sub, edge, ...others } = claims;
  return {
    role: 'edge',
    claims: {
      ...others,
      ...(role === 'authenticated' && { sub }),
      edge: { caller: role, ...edge },
    },
    headers,
  };
};

const pool = new pg.Pool({ connectionString: stack.database_url, max: 60 });
pool.on('error', () => {});

/** Rows of a query, asked as the database's owner. */
export const sql = async (text, values) => (await pool.query(text, values)).rows;

/** Closes what this file opened. Call it in `after`. */
export const close = () => pool.end();

/**
 * Runs the body in one transaction as a request of PostgREST's would be: role, claims and headers set. It is committed,
 * or rolled back when the body throws.
 */
export const as = async ({ role, claims = {}, headers = {} }, body) => {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query(
      `select set_config('role', $1, true), set_config('request.jwt.claims', $2, true),
      set_config('request.headers', $3, true)`,
      [role, JSON.stringify({ role, ...claims }), JSON.stringify(headers)],
    );
    const result = await body(async (text, values) => (await client.query(text, values)).rows);
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
};

/**
 * How many rows of tables are read while the body runs, in a transaction.
 * @param {Function} query the transaction's
 * @param {string} tables a condition on pg_stat_xact_user_tables
 * @param {() => Promise<unknown>} body
 */
export const rowsRead = async (query, tables, body) => {
  const read = async () => {
    const text = `select coalesce(sum(seq_tup_read + coalesce(idx_tup_fetch, 0)), 0)::float8 as read from pg_stat_xact_user_tables where ${tables}`;
    return (await query(text))[0].read;
  };
  // The counters also have what earlier transactions of the connection did a moment ago.
  const before = await read();
  await body();
  return (await read()) - before;
};

/** Runs the body in one transaction as the database's owner, and rolls it back. */
export const transaction = async (body) => {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await body(async (text, values) => (await client.query(text, values)).rows);
  } finally {
    await client.query('rollback');
    client.release();
  }
};

/** Whether a system of the product is chosen: a test that needs it is left out otherwise. */
export const has = (name) => systems().some((system) => system.name === name);

/** Options of a test that needs a system of the product. */
export const needs = (name) => ({ skip: has(name) ? false : `SYSTEMS leaves out ${name}` });

const [, folder] = /\btests\/([^/]+)\//.exec(process.argv[1]) ?? [];

/** The schema that requests of this file to the data API mean: the first of its system. The core's tests have the first of all. */
export const schemaOfTests = (systems().find(({ name }) => name === folder) ?? systems()[0])?.schemas[0];

/** The edge takes the first schema where none is named. */
const profile = (path) =>
  path.startsWith('/rest/v1/') && schemaOfTests !== systems()[0]?.schemas[0]
    ? { 'accept-profile': schemaOfTests, 'content-profile': schemaOfTests }
    : {};

/** One request to the edge. The body of a JSON answer is parsed. */
export const ask = async (path, { json, token: bearer, key, headers = {}, base = stack.edge_url, ...rest } = {}) => {
  const response = await fetch(base + path, {
    redirect: 'manual',
    ...(json !== undefined && { method: 'POST', body: JSON.stringify(json) }),
    ...rest,
    headers: {
      ...profile(path),
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...(bearer && { authorization: `Bearer ${bearer}` }),
      ...(key && { apikey: key }),
      ...headers,
    },
  });
  const text = await response.text();
  const isJson = /[/+]json/.test(response.headers.get('content-type') ?? '');
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson && text ? JSON.parse(text) : undefined,
  };
};

/** An address that no other test uses. */
export const freshEmail = () => `${randomUUID()}@example.org`;
