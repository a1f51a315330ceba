// The commands of docs/clixen.md, as they stand there, against an n8n that stands for the real one.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEdge } from '../../support/edge.js';
import { followPage } from '../../support/page_commands.js';
import { close, sql } from '../../support/stack.js';
import { startN8n } from '../support/n8n.js';

const USER = '00000000-0000-4000-8000-0000000000aa';
let n8n;
let edge;
before(async () => {
  n8n = await startN8n();
  edge = await startEdge({ N8N_URL: n8n.url, N8N_API_KEY: n8n.key });
});
after(async () => {
  const gone = await sql('select id from clixen.mvp_workflows where user_id = $1', [USER]);
  await sql('delete from clixen.projects where user_id = $1', [USER]);
  await sql('delete from clixen.user_profiles where id = $1', [USER]);
  await sql('delete from private.n8n_removals where workflow_id = any($1)', [gone.map(({ id }) => id)]);
  await edge?.stop();
  await n8n?.stop();
  await close();
});

test('who follows the page has a workflow that serves, a chat about it, and telemetry', async () => {
  const { status, count, printed, errors } = await followPage('docs/clixen.md', edge.url);
  assert.equal(status, 0, `${printed.join('')}\n${errors}`);
  assert.ok(count >= 4, `${count} blocks`);
  assert.match(printed[0], /"status": ?"deployed"/);
  const [workflow] = await sql(
    'select status, deployment_status, deployment_url from clixen.mvp_workflows where user_id = $1',
    [USER],
  );
  assert.deepEqual([workflow.status, workflow.deployment_status], ['deployed', 'deployed']);
  assert.equal((await fetch(workflow.deployment_url, { method: 'POST' })).status, 200);
  const [session] = await sql(
    'select message_count::int as messages, workflow_deployed from clixen.mvp_chat_sessions where user_id = $1',
    [USER],
  );
  assert.deepEqual(session, { messages: 2, workflow_deployed: true });
  assert.match(printed.at(-2), /"accepted": ?1/);
});
