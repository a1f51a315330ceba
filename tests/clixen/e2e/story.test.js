// clixen, as its users meet it: the whole story by an unmodified supabase-js client, and telemetry.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import ws from 'ws';
import { startEdge } from '../../support/edge.js';
import { ask, close, made, sql, userToken } from '../../support/stack.js';
import { startN8n } from '../support/n8n.js';

let n8n;
let edge;
before(async () => {
  n8n = await startN8n();
  edge = await startEdge({ N8N_URL: n8n.url, N8N_API_KEY: n8n.key });
});
after(async () => {
  await edge?.stop();
  await n8n?.stop();
  await close();
});

const signedIn = async (sub = randomUUID()) => {
  const bearer = await userToken(sub);
  const client = createClient(edge.url, made.publishable_key, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: ws },
    accessToken: async () => bearer,
  }).schema('clixen');
  const post = (path, json, headers = {}) => ask(path, { base: edge.url, token: bearer, json, headers });
  return { sub, client, post };
};
/** What a call of the client gave; its error ends the test. */
const given = async (asked) => {
  const { data, error } = await asked;
  assert.equal(error, null, JSON.stringify(error));
  return data;
};

/** What an assistant might write at its first attempt: most of what goes wrong in the field is the missing prefix. */
const drafted = {
  name: 'New orders to Slack',
  nodes: [
    {
      id: '1',
      name: 'Order comes in',
      type: 'webhook',
      typeVersion: 2,
      position: [0, 0],
      parameters: { path: 'orders', httpMethod: 'POST' },
    },
    {
      id: '2',
      name: 'Tell the team',
      type: 'nodes-base.slack',
      typeVersion: 2.2,
      position: [220, 0],
      parameters: { resource: 'message', text: '={{ $json.body.total }}' },
    },
  ],
  connections: { 'Order comes in': { main: [[{ node: '2', type: 'main', index: 0 }]] } },
  settings: {},
};

test('the whole story: from the first call to a workflow that serves, and what the dashboard says of it', async () => {
  const { client, post, sub } = await signedIn();
  const first = await Promise.all(Array.from({ length: 20 }, () => given(client.rpc('get_or_create_default_project'))));
  const [project] = first;
  assert.deepEqual([...new Set(first.map(({ id }) => id))], [project.id]);
  const profile = await given(client.from('user_profiles').select().single());
  assert.deepEqual([profile.id, profile.tier, profile.total_projects], [sub, 'free', 1]);

  const session = await given(
    client.from('mvp_chat_sessions').insert({ project_id: project.id, title: 'Orders' }).select().single(),
  );
  await given(
    client.from('mvp_chat_messages').insert([
      { session_id: session.id, content: 'Tell us in Slack when an order comes in.', role: 'user' },
      {
        session_id: session.id,
        content: 'Here it is.',
        role: 'assistant',
        agent_type: 'workflow_designer',
        tokens_used: 900,
      },
    ]),
  );
  const page = await given(
    client
      .from('mvp_chat_messages')
      .select('content, role')
      .eq('session_id', session.id)
      .order('created_at')
      .order('id')
      .limit(50),
  );
  assert.deepEqual(
    page.map(({ role }) => role),
    ['user', 'assistant'],
  );

  const found = await post('/v1/workflows/validate?deploy=true', drafted);
  assert.equal(found.status, 200, found.text);
  assert.equal(found.body.valid, false);
  assert.ok(
    found.body.errors.every(({ code, path, message, fix }) => code && typeof path === 'string' && message && fix),
  );
  const mended = await post('/v1/workflows/validate?deploy=true', found.body.fixed);
  assert.deepEqual([mended.body.valid, mended.body.errors], [true, []]);

  const workflow = await given(
    client
      .from('mvp_workflows')
      .insert({
        project_id: project.id,
        name: 'New orders to Slack',
        original_prompt: 'Tell us in Slack when an order comes in.',
        n8n_workflow_json: mended.body.fixed,
        status: 'validated',
      })
      .select()
      .single(),
  );
  await given(client.from('mvp_chat_sessions').update({ workflow_id: workflow.id }).eq('id', session.id));
  const deployed = await post(`/v1/workflows/${workflow.id}/deploy`, {}, { 'idempotency-key': randomUUID() });
  assert.equal(deployed.status, 200, deployed.text);
  assert.equal((await fetch(deployed.body.deployment_url, { method: 'POST' })).status, 200);

  const stored = await post('/v1/telemetry', [
    {
      event_type: 'workflow_deployed',
      event_category: 'deployment',
      workflow_id: workflow.id,
      success: true,
      duration_ms: 812.5,
    },
    { event_type: 'chat_opened', event_category: 'engagement', session_id: session.id },
  ]);
  assert.deepEqual([stored.status, stored.body], [202, { accepted: 2, duplicates: 0, rejected: [] }]);

  const [embedded] = await given(
    client.from('projects').select('name, mvp_workflows(count), mvp_chat_sessions(title, mvp_chat_messages(content))'),
  );
  assert.deepEqual(embedded.mvp_workflows, [{ count: 1 }]);
  assert.equal(embedded.mvp_chat_sessions[0].mvp_chat_messages.length, 2);
  const stats = await given(client.from('mvp_user_dashboard_stats').select().single());
  assert.deepEqual(
    [
      stats.total_projects,
      stats.total_workflows_created,
      stats.total_deployments,
      stats.deployed_workflows,
      stats.active_chats,
    ],
    [1, 1, 1, 1, 1],
  );
  const summary = await given(client.from('mvp_project_summary').select().eq('id', project.id).single());
  assert.deepEqual(
    [summary.workflow_count, summary.chat_count, summary.last_workflow_id, summary.failed_deployments],
    [1, 1, workflow.id, 0],
  );
  const chat = await given(client.from('mvp_chat_sessions').select().eq('id', session.id).single());
  assert.deepEqual([chat.message_count, chat.workflow_created, chat.workflow_deployed], [2, true, true]);
  const history = await given(
    client.from('deployments').select('status, deployment_version').eq('workflow_id', workflow.id),
  );
  assert.deepEqual(history, [{ status: 'deployed', deployment_version: 1 }]);
});

test('telemetry keeps the network of its sender and the words of the browser, and is read by its user alone', async () => {
  const { client, sub } = await signedIn();
  const { client: stranger } = await signedIn();
  const send = async (body, kind, more = {}) =>
    ask('/v1/telemetry', {
      base: edge.url,
      method: 'POST',
      body,
      token: await userToken(sub),
      headers: {
        'content-type': kind,
        'user-agent': 'Mozilla/5.0 (test)',
        referer: 'https://app.example.org/',
        ...more,
      },
    });
  const event = (id) => JSON.stringify({ id, event_type: 'page_opened', event_category: 'engagement' });
  const [a, b] = [randomUUID(), randomUUID()];
  const lines = await send(`${event(a)}\n${event(b)}\n{broken\n${event(a)}\n`, 'application/x-ndjson', {
    'cf-connecting-ip': '203.0.113.77',
  });
  assert.deepEqual(
    [lines.status, lines.body],
    [202, { accepted: 2, duplicates: 1, rejected: [{ index: 2, code: 'malformed' }] }],
  );
  const beacon = await send(`[${event(b)}]`, 'text/plain;charset=UTF-8', { 'cf-connecting-ip': '2001:db8:1:2::3' });
  assert.deepEqual(beacon.body, { accepted: 0, duplicates: 1, rejected: [] });
  await send(event(randomUUID()), 'application/json', { 'cf-connecting-ip': '2001:db8:1:2::3' });
  const rows = await given(
    client.from('telemetry_events').select('ip_address, user_agent, referer').order('created_at'),
  );
  assert.deepEqual(
    rows.map(({ ip_address }) => ip_address),
    ['203.0.113.0/24', '203.0.113.0/24', '2001:db8:1::/48'],
  );
  for (const row of rows)
    assert.deepEqual([row.user_agent, row.referer], ['Mozilla/5.0 (test)', 'https://app.example.org/']);
  assert.deepEqual(await given(stranger.from('telemetry_events').select()), []);
  assert.equal((await send('<xml/>', 'text/xml')).status, 415);
  const nobody = await ask('/v1/telemetry', { base: edge.url, key: made.publishable_key, json: [] });
  assert.equal(nobody.status, 403);
});

test('executions are counted by service_role, each once', async () => {
  const { client, sub } = await signedIn();
  const [project] = await sql(`insert into clixen.projects (user_id, name) values ($1, 'x') returning id`, [sub]);
  const id = `n8n${randomUUID()}`;
  await sql(`insert into clixen.mvp_workflows (user_id, project_id, name, n8n_workflow_id) values ($1, $2, 'x', $3)`, [
    sub,
    project.id,
    id,
  ]);
  const run = (duration_ms, at) => ({ n8n_workflow_id: id, finished_at: at, duration_ms });
  const { error } = await client.rpc('record_execution', run(100, '2026-01-01T00:00:00Z'));
  assert.equal(error.code, '42501');
  const service = await userToken(undefined, { role: 'service_role' });
  const record = (json) =>
    ask('/rest/v1/rpc/record_execution', { token: service, json, headers: { 'content-profile': 'clixen' } });
  await Promise.all(
    Array.from({ length: 10 }, (_, n) => record(run(100 * (n + 1), `2026-01-0${(n % 9) + 1}T00:00:00Z`))),
  );
  const [row] = await given(
    client.from('mvp_workflows').select('execution_count, avg_execution_time_ms, last_execution_at'),
  );
  assert.equal(row.execution_count, 10);
  assert.ok(Math.abs(row.avg_execution_time_ms - 550) <= 5, `${row.avg_execution_time_ms}`);
  assert.equal(new Date(row.last_execution_at).toISOString(), '2026-01-09T00:00:00.000Z');
});
