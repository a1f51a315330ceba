// examples/edge-client: a program that sends a lead by the types of the edge's description.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { sendLead } from '../../../examples/edge-client/leads.js';
import { close, freshEmail, sql, stack } from '../../support/stack.js';

after(close);

test('the example sends a lead, as a function and as a program', async () => {
  const [first, second] = [freshEmail(), freshEmail()];
  assert.equal(await sendLead(stack.edge_url, first), 'received');
  const args = ['examples/edge-client/leads.js', stack.edge_url, second];
  const done = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  assert.deepEqual([done.status, done.stdout], [0, 'received\n'], done.stderr);
  const [{ count }] = await sql('select count(*)::int as count from marketing.leads where email = any($1)', [
    [first, second],
  ]);
  assert.equal(count, 2);
});

test('a wrong address is an error with its code', () =>
  assert.rejects(sendLead(stack.edge_url, 'nobody'), /^Error: RG508: /));
