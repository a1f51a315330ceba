// The isolation matrix: that all that is exposed has been decided, and holds. proof_finds.test.js: that it finds what is forgotten or wrong.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { productSystems } from '../../../dev/systems.js';
import { prove } from '../../../proof/matrix.js';
import { faults, html, markdown } from '../../../proof/report.js';
import { PRODUCT, SYSTEMS } from '../../../proof/systems/index.js';
import { close, made, stack } from '../../support/stack.js';

after(close);

test('everything that is exposed has been decided, and holds; docs/proof.md has its numbers', async () => {
  const result = await prove({ system: { ...stack, keys: made }, systems: SYSTEMS });
  assert.deepEqual(faults(result), []);
  assert.ok(result.cells.length > 1000);
  if (productSystems().every(({ name }) => name in SYSTEMS)) {
    const page = readFileSync(join(root, 'docs', 'proof.md'), 'utf8');
    assert.equal(page, markdown(result, PRODUCT), 'docs/proof.md: run `npm run proof`');
  }
  // The heat map has a square for each cell of its tables.
  const squares = html(result).match(/<td class="(in|out)"/g).length;
  assert.ok(squares > result.cells.length / 3, `${squares} squares of ${result.cells.length} attempts`);
  assert.ok(!/<td class="(red|blank)"/.test(html(result)));
});
