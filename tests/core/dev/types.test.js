import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import pg from 'pg';
import { root } from '../../../dev/paths.js';
import { dataSchemas, productSystems } from '../../../dev/systems.js';
import { edgeTypesFile, generateEdgeTypes, generateTypes, typesFile } from '../../../dev/types.js';
import { has, stack } from '../../support/stack.js';

/** The file has the types of all systems of the product. */
const skip = productSystems().every(({ name }) => has(name)) ? false : 'SYSTEMS leaves some out';

test('database.types.ts is what the migrations make', { skip }, () => {
  const there = readFileSync(typesFile, 'utf8');
  // It may have the schemas of somebody's own systems as well.
  const listed = [...there.matchAll(/^ {2}(\w+): \{\n {4}Tables: \{/gm)].map(([, schema]) => schema);
  const names = [...new Set([...dataSchemas(productSystems(), []), ...listed])];
  assert.equal(there, generateTypes(stack.database_url, names), 'run `npm run db:types`');
});

test('edge.types.ts is what the manifests make', async () => {
  assert.equal(readFileSync(edgeTypesFile, 'utf8'), await generateEdgeTypes(), 'run `npm run db:types`');
});

test('code of supabase-js and of openapi-fetch compiles against them, and wrong code does not', () => {
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
    '--target',
    'es2022',
    '--types',
    'node',
    '--allowJs',
    '--checkJs',
    '--maxNodeModuleJsDepth',
    '0',
  ];
  const compile = (...files) => {
    const args = [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), ...options, ...files];
    return spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  };
  // What must not compile is marked in it, and an error where there is none is one.
  const done = compile(
    join('tests', 'core', 'support', 'typed.ts'),
    join('tests', 'core', 'support', 'typed_edge.ts'),
    join('examples', 'edge-client', 'leads.js'),
  );
  assert.equal(done.status, 0, done.stdout);
});

test('a database that lacks migrations gives no types', async () => {
  const address = new URL(stack.database_url);
  const client = new pg.Client({ connectionString: address.toString() });
  await client.connect();
  await client.query('create database types_test');
  try {
    address.pathname = '/types_test';
    const before = readFileSync(typesFile, 'utf8');
    const done = spawnSync(process.execPath, ['dev/db.js', 'types'], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, DATABASE_URL: address.toString() },
    });
    assert.equal(done.status, 1);
    assert.match(done.stderr, /lacks \d+ of the migrations, such as 0001_roles\.sql.*npm run db:migrate/);
    assert.equal(readFileSync(typesFile, 'utf8'), before);
  } finally {
    await client.query('drop database types_test');
    await client.end();
  }
});
