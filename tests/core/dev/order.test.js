// The order of functions in the bundle. Needs no running system: `node --test tests/core/dev/order.test.js` is enough.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { namedByLikeness } from '../../../dev/order.js';
import { root } from '../../../dev/paths.js';

const directory = mkdtempSync(join(tmpdir(), 'rowgate-order-'));
after(() => rmSync(directory, { recursive: true, force: true }));

const binaryen = (command, ...args) => {
  const done = spawnSync(join(root, 'node_modules', '.bin', command), args, { cwd: directory, encoding: 'utf8' });
  assert.equal(done.status, 0, done.stderr);
};

/** Bodies of two kinds, in turn, that differ in a number. */
const KINDS = [
  (n) => `(i32.xor (i32.mul (local.get 0) (i32.const 100003)) (i32.const ${n}))`,
  (n) => `(i32.sub (i32.rotl (i32.const 70007) (local.get 0)) (i32.const ${n}))`,
];
const COUNT = 12;
const repeated = (body) => Array.from({ length: 10 }, () => `(local.set 0 ${body})`).join('\n');
const functions = Array.from({ length: COUNT }, (_, n) => {
  const body = repeated(KINDS[n % 2](n));
  return `(func $some${n} (export "some${n}") (param i32) (result i32) ${body} (call $told (local.get 0)) (local.get 0))`;
});
const TEXT = `(module
  (import "e" "told" (func $told (param i32)))
  (import "e" "table" (table 1 funcref))
  (import "e" "memory" (memory 1 2))
  (import "e" "global" (global i32))
  (import "e" "tag" (tag (param i32)))
  ${functions.join('\n')}
  (data (i32.const 0) "name"))`;

/** What the functions of a module give and tell the outside. */
const results = (bytes) => {
  const said = [];
  const e = {
    told: (value) => said.push(value),
    table: new WebAssembly.Table({ initial: 1, element: 'anyfunc' }),
    memory: new WebAssembly.Memory({ initial: 1, maximum: 2 }),
    global: 7,
    tag: new WebAssembly.Tag({ parameters: ['i32'] }),
  };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e });
  const given = Array.from({ length: COUNT }, (_, n) => exports[`some${n}`](n + 1));
  return { given, said };
};

test('functions that are alike become neighbours, and the module does the same as before', () => {
  const [source, module, ordered] = ['source.wat', 'module.wasm', 'ordered.wasm'].map((name) => join(directory, name));
  writeFileSync(source, TEXT);
  const features = ['--enable-exception-handling', '--enable-reference-types'];
  binaryen('wasm-as', source, '-g', '-o', module, ...features);
  const before = readFileSync(module);
  const named = namedByLikeness(before);
  const ranks = [...named.toString('latin1').matchAll(/function(\d{6})/g)].map(([, rank]) => Number(rank));
  assert.deepEqual(
    ranks.toSorted((a, b) => a - b),
    [...ranks.keys()],
    'each function has a name of its own',
  );
  const kinds = [...ranks.keys()].toSorted((a, b) => ranks[a] - ranks[b]).map((at) => at % 2);
  assert.deepEqual(
    kinds,
    kinds.toSorted((a, b) => a - b),
    'each kind is together',
  );
  assert.deepEqual(namedByLikeness(before), named, 'the same module gets the same order');
  writeFileSync(module, named);
  binaryen('wasm-opt', module, '-o', ordered, '--reorder-functions-by-name', ...features);
  assert.deepEqual(results(readFileSync(ordered)), results(before));
  assert.ok(!readFileSync(ordered, 'latin1').includes('function0'), 'the names are gone');
});
