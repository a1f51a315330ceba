// What the benchmarks say of an aim that they miss.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { verdict } from '../../../bench/aims.js';
import { withFigures } from '../../../bench/document.js';
import { root } from '../../../dev/paths.js';

const settled = (rows) => {
  const script = `import { settle } from ${JSON.stringify(join(root, 'bench', 'aims.js'))}; settle(${JSON.stringify(rows)});`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
};

test('a benchmark that misses an aim ends with status 1 and names it', () => {
  assert.equal(settled([{ name: 'fast', met: true }]).status, 0);
  const { status, stderr } = settled([
    { name: 'fast', met: true },
    { name: 'slow', met: false },
    { name: 'never judged' },
  ]);
  assert.equal(status, 1);
  assert.match(stderr, /MISSED: slow/);
  assert.match(stderr, /MISSED: never judged/);
  assert.deepEqual([verdict(true), verdict(false), verdict(undefined)], ['reached', 'MISSED', 'MISSED']);
});

test('every benchmark has its aims judged', () => {
  const benchmarks = readdirSync(join(root, 'bench'), { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name !== 'results',
  );
  assert.ok(benchmarks.length >= 3);
  for (const { name } of benchmarks) {
    const files = readdirSync(join(root, 'bench', name)).filter((file) => file.endsWith('.js'));
    const own = files.map((file) => readFileSync(join(root, 'bench', name, file), 'utf8')).join('\n');
    // Those of parts are run, judged and written by one file.
    const isOfParts = own.includes('export const run = benchmarkOfParts(');
    const source = isOfParts ? readFileSync(join(root, 'bench', 'parts.js'), 'utf8') : own;
    assert.match(source, /settle\(|process\.exitCode = 1/, `${name}: bench/aims.js ends it with status 1`);
    assert.match(source, /MISSED|verdict\(/, `${name}: its table says MISSED`);
  }
});

test('the tables of docs/performance.md are the results of the benchmarks', () => {
  const text = readFileSync(join(root, 'docs', 'performance.md'), 'utf8');
  assert.equal(text, withFigures(text), 'a benchmark writes them: `npm run bench -- <name>`');
  const shown = new Set([...text.matchAll(/<!-- figures: (\w+)/g)].map(([, name]) => name));
  const kept = readdirSync(join(root, 'bench', 'results')).filter((file) => file.endsWith('.json'));
  assert.deepEqual([...shown].sort(), kept.map((file) => file.replace('.json', '')).sort(), 'every benchmark is shown');
  const changed = text.replace(/(\| one row, fresh ES256, 16 \| )\d+/, '$11');
  assert.notEqual(changed, text);
  assert.equal(withFigures(changed), text, 'a figure that differs is found');
});
