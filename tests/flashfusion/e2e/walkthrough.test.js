// The first steps of docs/flashfusion.md, word for word: commands in one shell, and what they print.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { close, sql, stack } from '../../support/stack.js';
import { clear } from '../support/tasks.js';

after(async () => {
  await sql(`delete from flashfusion.agent_tasks where task_type = 'count'`);
  await sql(`delete from flashfusion.agents where name like 'Counter %'`);
  await clear();
  await close();
});

const page = readFileSync(join(root, 'docs', 'flashfusion.md'), 'utf8');
const [, section] = /^## From an agent to a result\n(.*?)^## /ms.exec(page);
/** Each command with what it prints. */
const steps = [...section.matchAll(/^```console\n(.*?)^```$/gms)].flatMap(([, text]) =>
  text
    .trimEnd()
    .split(/^\$ /m)
    .slice(1)
    .map((block) => block.trimEnd().split('\n')),
);
const escaped = (text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

test('who follows the page gets what it says', async () => {
  assert.ok(steps.length > 12, `${steps.length} commands`);
  // The worker takes tasks of all agents: there must be no others.
  await clear();
  await sql('delete from private.task_backlog');
  const mark = 'END OF STEP';
  const script = steps.map(([command]) => `${command}\necho "${mark}"`).join('\n');
  const done = spawnSync('bash', ['-c', script.replaceAll('http://127.0.0.1:8787', stack.edge_url)], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ROWGATE_DATA: process.env.ROWGATE_TEST_DATA },
  });
  const printed = done.stdout.split(`${mark}\n`);
  for (const [at, [command, ...wanted]] of steps.entries()) {
    const lines = wanted.map((line) => line.split('...').map(escaped).join('[^\\n]*'));
    assert.match(
      printed[at].trimEnd(),
      new RegExp(`^${lines.join('\\n')}$`),
      `${command}\n${printed[at]}\n${done.stderr}`,
    );
  }
});
