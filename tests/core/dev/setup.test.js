// What the set-up runs: its output reaches a reader that is no terminal, such as wrangler, in whole lines.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { root } from '../../../dev/paths.js';

/** The pieces in which a pipe gets what a command writes that the set-up runs. */
const piecesOf = async (code) => {
  const command = `import { run } from ${JSON.stringify(join(root, 'dev', 'setup.js'))};
    await run(process.execPath, ['-e', ${JSON.stringify(code)}], 'Mend it.');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', command], { stdio: ['ignore', 'pipe', 'pipe'] });
  const pieces = [];
  child.stderr.on('data', (piece) => pieces.push(`${piece}`));
  const [status] = await once(child, 'close');
  return { pieces, status };
};

test('a line that is written in pieces is passed on whole', async () => {
  const { pieces, status } = await piecesOf(`
    process.stderr.write('error');
    setTimeout(() => process.stderr.write(': unclosed\\n  --> src/a.rs\\n'), 200);
    setTimeout(() => process.stdout.write('the last, without an end'), 400);`);
  assert.equal(status, 0);
  for (const piece of pieces) assert.match(piece, /\n$/);
  assert.equal(pieces.join(''), 'error: unclosed\n  --> src/a.rs\nthe last, without an end\n');
});

test('a command that fails is named, after all that it said', async () => {
  const { pieces, status } = await piecesOf(`console.error('said'); process.exitCode = 3;`);
  assert.equal(status, 1);
  assert.match(pieces.join(''), /^said\n[\s\S]*failed: it ended with status 3\.\n\s*Mend it\./);
});
