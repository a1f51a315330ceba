import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { generateTypes, typesFile } from '../../dev/types.js';
import { stack } from '../support/stack.js';

test('database.types.ts is what the migrations make', () => {
  assert.equal(readFileSync(typesFile, 'utf8'), generateTypes(stack.database_url), 'run `npm run db:types`');
});
