import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { generateTypes, typesFile } from '../../../dev/types.js';
import { stack } from '../../support/stack.js';

test('database.types.ts is what the migrations make', () => {
  assert.equal(readFileSync(typesFile, 'utf8'), generateTypes(stack.database_url), 'run `npm run db:types`');
});

test('code of supabase-js compiles against it, and wrong code does not', () => {
  const options = [
    '--noEmit',
    '--strict',
    '--skipLibCheck',
    '--module',
    'esnext',
    '--moduleResolution',
    'bundler',
    '--types',
    'node',
  ];
  const compile = (file) => {
    const args = [join(root, 'node_modules', 'typescript', 'bin', 'tsc'), ...options, file];
    return spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  };
  // What must not compile is marked in it, and an error where there is none is one.
  const done = compile(join('tests', 'core', 'support', 'typed.ts'));
  assert.equal(done.status, 0, done.stdout);
});
