// Deployments: from a user's workflow to one that serves in n8n, no matter what goes wrong between.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { token } from '../../../dev/issuer.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { startN8n } from '../support/n8n.js';

const AROUND = `import edge from './entry.js';
  export default { ...edge, async fetch(request, env, ctx) {
    if (new URL(request.url).pathname !== '/the-clock') return edge.fetch(request, env, ctx);
    await edge.scheduled({ cron: '*/5 * * * *', scheduledTime: Date.now(), type: 'scheduled' }, env, ctx);
    return new Response('done');
  } };`;

let n8n;
let edge;
const started = [];
/** An n8n and an edge in front of it. */
const both = async (options = {}) => {
  const other = await startN8n(options);
  const its = await startEdge({ N8N_URL: other.url, N8N_API_KEY: other.key }, [], AROUND);
  started.push(other, its);
  return { n8n: other, edge: its };
};
before(async () => {
  ({ n8n, edge } = await both());
});
after(async () => {
  for (const part of started.reverse()) await part.stop();
  await close();
});

const node = (name, type, parameters = {}, more = {}) => ({
  id: randomUUID(),
  name,
  type: `n8n-nodes-base.${type}`,
  typeVersion: 1,
  position: [0, 0],
  parameters,
  ...more,
});
const flow = (nodes) => ({
  name: 'Whatever',
  nodes,
  connections: Object.fromEntries(
    nodes
      .slice(0, -1)
      .map(({ name }, at) => [name, { main: [[{ node: nodes[at + 1].name, type: 'main', index: 0 }]] }]),
  ),
  settings: { executionOrder: 'v1' },
});
const hook = (path = `orders-${randomUUID()}`, method = 'POST') =>
  flow([
    node('Webhook', 'webhook', { path, httpMethod: method }, { webhookId: randomUUID(), typeVersion: 2 }),
    node('Set', 'set', { marker: path }, { typeVersion: 3.4 }),
  ]);
const clock = () =>
  flow([
    node('Every hour', 'scheduleTrigger', { rule: { interval: [{ field: 'hours' }] } }, { typeVersion: 1.2 }),
    node('Set', 'set', {}, { typeVersion: 3.4 }),
  ]);

/** A user with a workflow. */
const makeWorkflow = async (json = hook(), user = randomUUID()) => {
  const [project] = await sql('insert into clixen.projects (user_id, name) values ($1, $2) returning id', [
    user,
    randomUUID(),
  ]);
  const [workflow] = await sql(
    'insert into clixen.mvp_workflows (user_id, project_id, name, n8n_workflow_json) values ($1, $2, $3, $4) returning id',
    [user, project.id, 'Orders', json],
  );
  return { user, id: workflow.id, json };
};
const call = async (verb, { user, id }, { json, key, base = edge.url } = {}) =>
  ask(`/v1/workflows/${id}/${verb}`, {
    method: 'POST',
    base,
    token: await userToken(user),
    headers: { ...(json && { 'content-type': 'application/json' }), ...(key && { 'idempotency-key': key }) },
    ...(json && { body: JSON.stringify(json) }),
  });
const deploy = (workflow, options) => call('deploy', workflow, options);
const rollback = (workflow, options) => call('rollback', workflow, options);
const rows = ({ id }) =>
  sql('select to_jsonb(d) as row from clixen.deployments as d where workflow_id = $1 order by deployment_version', [
    id,
  ]).then((found) => found.map(({ row }) => row));
const now = async ({ id }) =>
  (await sql('select to_jsonb(w) as row from clixen.mvp_workflows as w where id = $1', [id]))[0].row;
const edit = ({ id }, json) => sql('update clixen.mvp_workflows set n8n_workflow_json = $2 where id = $1', [id, json]);
const inN8n = async (workflow, other = n8n) => other.workflows.get((await now(workflow)).n8n_workflow_id);
const slug = async (user) => (await sql('select slug from private.n8n_slugs where user_id = $1', [user]))[0].slug;
const expire = ({ id }) =>
  sql(
    `update private.deployment_runs set lease_until = now() - interval '1 second'
     where deployment_id in (select d.id from clixen.deployments as d where d.workflow_id = $1)`,
    [id],
  );
const finishAll = async (base = edge.url) => {
  const service = await token(made, { issuer: stack.issuer, role: 'service_role' });
  return ask('/v1/jobs/finish_deployments', { method: 'POST', base, token: service });
};

test('a workflow with a webhook is sent, published, probed, and says where it is', async () => {
  const workflow = await makeWorkflow(hook('orders'));
  // As the editor and GET give it: n8n would refuse these fields.
  await edit(workflow, { ...workflow.json, id: 'x', active: false, versionId: 'v', meta: {}, tags: [], pinData: {} });
  const answer = await deploy(workflow);
  assert.equal(answer.status, 200, answer.text);
  const url = `${n8n.url}/webhook/${await slug(workflow.user)}/orders`;
  const { body } = answer;
  assert.deepEqual([body.status, body.deployment_version, body.deployment_url], ['deployed', 1, url]);
  const there = await inN8n(workflow);
  assert.equal(body.n8n_workflow_id, there.id);
  assert.equal(there.active, true);
  assert.match(there.name, /^Orders \[[0-9a-f]{16}\]$/);
  assert.deepEqual(
    there.nodes.map(({ name }) => name),
    ['Webhook', 'Set'],
  );
  assert.equal((await fetch(url, { method: 'POST' })).status, 200);
  const row = await now(workflow);
  assert.deepEqual(
    [row.status, row.deployment_status, row.deployment_url, row.deployment_error],
    ['deployed', 'deployed', url, null],
  );
  assert.ok(row.last_deployed_at);
  const [deployment] = await rows(workflow);
  assert.deepEqual(deployment, body);
  assert.ok(deployment.completed_at && deployment.duration_ms >= 0);
});

test('one that runs by the clock has no address; a form has one', async () => {
  const workflow = await makeWorkflow(clock());
  const { status, body } = await deploy(workflow);
  assert.deepEqual([status, body.status, body.deployment_url], [200, 'deployed', null]);
  const form = await makeWorkflow(
    flow([
      node('Contact', 'formTrigger', { path: 'contact', formTitle: 'x' }, { webhookId: randomUUID(), typeVersion: 2 }),
      node('Set', 'set', {}, { typeVersion: 3.4 }),
    ]),
  );
  assert.equal((await deploy(form)).body.deployment_url, `${n8n.url}/form/${await slug(form.user)}/contact`);
});

test('nobody takes another’s address: expressions and ids are made the owner’s, and what is no path is refused', async () => {
  const victim = await makeWorkflow(hook('pay'));
  assert.equal((await deploy(victim)).status, 200);
  const address = `${await slug(victim.user)}/pay`;
  const thief = await makeWorkflow(hook(`=${address}`));
  assert.equal((await deploy(thief)).status, 200);
  const [taken] = (await inN8n(thief)).nodes;
  assert.equal(taken.parameters.path, `=${await slug(thief.user)}/${address}`);
  for (const path of [[address], 5, { toString: address }, '../../rest/login', 'a?b', 'a%2e', './a']) {
    const { status, body } = await deploy(await makeWorkflow(hook(path)));
    assert.deepEqual([status, body.code], [422, 'RG317'], JSON.stringify(path));
    assert.match(body.details, /webhook_path_invalid/);
  }
  const methods = await deploy(await makeWorkflow(hook('x', ['GET', 'BREW'])));
  assert.match(methods.body.details, /webhook_method_unknown/);
  // An id that another workflow has is this one's own all the same.
  const same = await makeWorkflow();
  same.json.nodes[0].webhookId = victim.json.nodes[0].webhookId;
  await edit(same, same.json);
  await deploy(same);
  assert.notEqual((await inN8n(same)).nodes[0].webhookId, (await inN8n(victim)).nodes[0].webhookId);
});

test('credentials and workflows of others are left out, unless they are shared', async () => {
  const json = hook();
  json.nodes[1].credentials = { slackApi: { id: '1', name: 'Ours' }, httpBasicAuth: { id: '2', name: 'Theirs' } };
  json.settings = { executionOrder: 'v1', errorWorkflow: 'another', callerPolicy: 'any', timezone: 'Europe/Berlin' };
  const workflow = await makeWorkflow(json);
  await deploy(workflow);
  assert.deepEqual((await inN8n(workflow)).nodes[1].credentials, {});
  const settings = { executionOrder: 'v1', timezone: 'Europe/Berlin', callerPolicy: 'none' };
  assert.deepEqual((await inN8n(workflow)).settings, settings);
  const sharing = await startEdge({ N8N_URL: n8n.url, N8N_API_KEY: n8n.key, N8N_CREDENTIALS: '7, 1' });
  started.push(sharing);
  assert.equal((await deploy(workflow, { base: sharing.url })).status, 200);
  assert.deepEqual((await inN8n(workflow)).nodes[1].credentials, { slackApi: { id: '1', name: 'Ours' } });
});

/** A trigger of any type, and a Set that it starts. */
const trigger = (type, parameters, more = {}) =>
  flow([
    { ...node('Start', ''), typeVersion: 2, webhookId: randomUUID(), ...more, type, parameters },
    node('Set', 'set', {}, { typeVersion: 3.4 }),
  ]);
const FORM = 'n8n-nodes-base.formTrigger';
const MCP = '@n8n/n8n-nodes-langchain.mcpTrigger';
const CHAT = '@n8n/n8n-nodes-langchain.chatTrigger';
/** Wherever n8n takes a path from: the type, its parameters with a path in them, and more of the node. */
const PATHS = [
  ['n8n-nodes-base.webhook', (path) => ({ path })],
  ['n8n-nodes-base.webhook', (path) => ({ path: `=${path}` })],
  ['n8n-nodes-base.webhook', (path) => ({ path: `={{ '${path}' }}` })],
  [FORM, (path) => ({ path }), { typeVersion: 1 }],
  [FORM, (path) => ({ path })],
  [FORM, (path) => ({ path: '', options: { path } }), { typeVersion: 2.2 }],
  [FORM, (path) => ({ options: { path: `={{ '${path}' }}` } }), { typeVersion: 2.3 }],
  [FORM, (path) => ({ path: `={{ '${path}' }}`, options: { path } }), { typeVersion: 2.2 }],
  [MCP, (path) => ({ path }), { typeVersion: 1 }],
  [MCP, (path) => ({ path: `/${path}/` })],
  [MCP, (path) => ({ path: `=${path}` })],
  [CHAT, (path) => ({ public: true, path, options: { path } }), { typeVersion: 1.1 }],
  ['n8n-nodes-other.hookTrigger', (path) => ({ path, options: { path: `=${path}` } })],
];
for (const [type, parameters, more] of PATHS)
  test(`${type} with ${JSON.stringify({ ...more, ...parameters('…') })} stays behind its owner's slug`, async () => {
    const victim = await makeWorkflow(hook('pay'));
    await deploy(victim);
    const address = `${await slug(victim.user)}/pay`;
    const thief = await makeWorkflow(trigger(type, parameters(address), more));
    const { status, text } = await deploy(thief);
    assert.equal(status, 200, text);
    const there = await inN8n(thief);
    const own = await slug(thief.user);
    const [{ parameters: sent, webhookId }] = there.nodes;
    for (const path of [sent.path, sent.options?.path].filter((given) => given !== undefined && given !== ''))
      assert.match(path, new RegExp(`^=?${own}/`));
    for (const [at, id] of n8n.registered)
      if (id === there.id) assert.match(at, new RegExp(`^[A-Z]+ (=?${own}/|${webhookId})`));
    assert.notEqual(webhookId, thief.json.nodes[0].webhookId);
  });

test('what n8n would work out, unwrap or add to an empty path is refused, or made the owner’s', async () => {
  const victim = await makeWorkflow(hook('pay'));
  await deploy(victim);
  const path = `${await slug(victim.user)}/pay`;
  const rl = (value) => ({ __rl: true, mode: 'id', value });
  for (const [type, parameters, more] of [
    [FORM, { options: `={{ {path: '${path}'} }}` }],
    [FORM, { options: rl({ path }) }],
    [FORM, { options: { path: rl(path) } }],
    [FORM, { options: { path: [path] } }],
    [MCP, { path: rl(path) }],
    ['n8n-nodes-other.hookTrigger', { path: rl(path) }],
    ['n8n-nodes-other.hookTrigger', { path: [path] }],
    ['n8n-nodes-other.hookTrigger', { options: `={{ {path: '${path}'} }}` }],
  ]) {
    const { status, body } = await deploy(await makeWorkflow(trigger(type, parameters, more)));
    assert.deepEqual([status, body.code], [422, 'RG317'], JSON.stringify(parameters));
    assert.match(body.details, /webhook_path_invalid/);
  }
  const waiting = (options) => {
    const json = hook();
    json.nodes.push(
      node('Wait', 'wait', { resume: 'webhook', options }, { typeVersion: 1.1, webhookId: randomUUID() }),
    );
    json.connections.Set = { main: [[{ node: 'Wait', type: 'main', index: 0 }]] };
    return makeWorkflow(json);
  };
  for (const webhookSuffix of [path, `={{ '${path}' }}`, rl(path), '..']) {
    const { status, body } = await deploy(await waiting({ webhookSuffix }));
    assert.deepEqual([status, body.code], [422, 'RG317'], JSON.stringify(webhookSuffix));
    assert.match(body.details, /webhook_suffix_invalid/);
  }
  const resumed = await waiting({ webhookSuffix: 'approve' });
  assert.equal((await deploy(resumed)).status, 200);
  assert.equal((await inN8n(resumed)).nodes[2].parameters.options.webhookSuffix, 'approve');
  // n8n would take "/sse" and "/n8n-form" for the paths of these, one for everybody.
  for (const [type, more] of [
    [MCP, { typeVersion: 1 }],
    [FORM, { typeVersion: 1 }],
    [FORM, { typeVersion: 2.2 }],
  ])
    for (const _ of ['one', 'another']) {
      const { status, text } = await deploy(await makeWorkflow(trigger(type, {}, more)));
      assert.equal(status, 200, text);
    }
  // Stores in n8n's memory differ by their key alone.
  const stored = hook();
  const store = (name, parameters) => ({
    ...node(name, ''),
    type: '@n8n/n8n-nodes-langchain.vectorStoreInMemory',
    typeVersion: 1.2,
    parameters,
  });
  stored.nodes.push(store('A', { memoryKey: rl('theirs') }), store('B', {}), store('C', { memoryKey: '={{ "x" }}' }));
  const keeper = await makeWorkflow(stored);
  assert.equal((await deploy(keeper)).status, 200);
  const own = await slug(keeper.user);
  assert.deepEqual(
    (await inN8n(keeper)).nodes.slice(2).map(({ parameters: { memoryKey } }) => memoryKey.value ?? memoryKey),
    [`${own}/theirs`, `${own}/vector_store_key`, `=${own}/{{ "x" }}`],
  );
});

test('a user keeps a slug, which cannot be derived from public values, until the user is erased', async () => {
  const workflow = await makeWorkflow(hook('orders'));
  const first = (await deploy(workflow)).body;
  const own = await slug(workflow.user);
  assert.match(own, /^u[0-9a-f]{24}$/);
  const other = await makeWorkflow(hook('more'), workflow.user);
  assert.equal((await deploy(other)).body.deployment_url, `${n8n.url}/webhook/${own}/more`);
  assert.equal((await deploy(workflow)).body.deployment_url, first.deployment_url);
  const service = await token(made, { issuer: stack.issuer, role: 'service_role' });
  const erased = await ask('/rest/v1/rpc/erase_user', {
    token: service,
    headers: { 'content-profile': 'clixen' },
    json: { user_id: workflow.user },
  });
  assert.equal(erased.status, 200, erased.text);
  assert.deepEqual(await sql('select 1 from private.n8n_slugs where user_id = $1', [workflow.user]), []);
});

/** One that others may run. */
const callee = (more = {}) => {
  const json = flow([
    node('When called', 'executeWorkflowTrigger', {}, { typeVersion: 1.1 }),
    node('Set', 'set', {}, { typeVersion: 3.4 }),
    node('Every hour', 'scheduleTrigger', { rule: { interval: [{ field: 'hours' }] } }, { typeVersion: 1.2 }),
  ]);
  json.connections = Object.fromEntries(
    ['When called', 'Every hour'].map((name) => [name, { main: [[{ node: 'Set', type: 'main', index: 0 }]] }]),
  );
  return { ...json, settings: { executionOrder: 'v1', ...more } };
};
/** How a node names a workflow, and where the id is then. */
const CALLS = {
  'executeWorkflow 1': [(id) => node('Call', 'executeWorkflow', { workflowId: id }), ['workflowId']],
  'executeWorkflow 1.2': [
    (id) =>
      node('Call', 'executeWorkflow', { workflowId: { __rl: true, mode: 'list', value: id } }, { typeVersion: 1.2 }),
    ['workflowId', 'value'],
  ],
  executeWorkflowTool: [
    (id) => node('Call', 'executeWorkflowTool', { workflowId: { __rl: true, mode: 'id', value: id } }),
    ['workflowId', 'value'],
  ],
  toolWorkflow: [
    (id) => ({
      ...node('Call', '', { source: 'database', workflowId: { __rl: true, mode: 'id', value: id } }),
      type: '@n8n/n8n-nodes-langchain.toolWorkflow',
      typeVersion: 2.2,
    }),
    ['workflowId', 'value'],
  ],
  retrieverWorkflow: [
    (id) => ({
      ...node('Call', '', { workflowId: id }),
      type: '@n8n/n8n-nodes-langchain.retrieverWorkflow',
    }),
    ['workflowId'],
  ],
};
const calling = (call) => {
  const json = hook();
  json.nodes.push(call);
  json.connections.Set = { main: [[{ node: 'Call', type: 'main', index: 0 }]] };
  return json;
};
for (const [how, [call, place]] of Object.entries(CALLS))
  test(`${how} runs the owner's own workflows only, and n8n lets it`, async () => {
    const run = await makeWorkflow(callee());
    const { n8n_workflow_id: id } = (await deploy(run)).body;
    assert.deepEqual((await inN8n(run)).settings, { executionOrder: 'v1', callerPolicy: 'none' });
    // By its id here, or in n8n.
    for (const named of [run.id, id]) {
      const caller = await makeWorkflow(calling(call(named)), run.user);
      const { status, text } = await deploy(caller);
      assert.equal(status, 200, text);
      const there = await inN8n(caller);
      assert.equal(
        place.reduce((value, name) => value[name], there.nodes[2].parameters),
        id,
      );
      assert.ok(n8n.lets(there.id, id));
    }
    const stranger = await makeWorkflow(calling(call(id)));
    const before_ = n8n.calls.length;
    const { status, body } = await deploy(stranger);
    assert.deepEqual([status, body.code], [422, 'RG317']);
    assert.match(body.details, /workflow_not_yours/);
    assert.equal(n8n.calls.length, before_);
    // Nobody learns whether there is one.
    const none = 'A'.repeat(id.length);
    await edit(stranger, calling(call(none)));
    const absent = await deploy(stranger);
    assert.equal(absent.body.details.replace(none, id), body.details);
    // And nobody whom the database does not name is let in, no matter what the node says.
    const other = await makeWorkflow(callee());
    const { n8n_workflow_id: foreign } = (await deploy(other)).body;
    assert.ok(!n8n.lets(foreign, id));
  });

test('a workflow within a node runs own workflows only, and has no credentials of others', async () => {
  const run = await makeWorkflow(callee());
  const { n8n_workflow_id: id } = (await deploy(run)).body;
  const inner = (workflowId) => ({
    // n8n would run it as the workflow of this id, and let in whom these settings let in.
    id: 'theirs',
    settings: { callerPolicy: 'any', errorWorkflow: 'theirs', timezone: 'UTC' },
    staticData: {},
    nodes: [
      node('Call', 'executeWorkflow', { workflowId }),
      node('Slack', 'slack', {}, { credentials: { slackApi: { id: '1', name: 'Theirs' } } }),
    ],
    connections: {},
  });
  const within = (workflow) =>
    calling(node('Call', 'executeWorkflow', { source: 'parameter', workflowJson: JSON.stringify(workflow) }));
  const caller = await makeWorkflow(within(inner(run.id)), run.user);
  const deployed = await deploy(caller);
  assert.equal(deployed.status, 200, deployed.text);
  const sent = JSON.parse((await inN8n(caller)).nodes[2].parameters.workflowJson);
  assert.deepEqual([sent.nodes[0].parameters.workflowId, sent.nodes[1].credentials], [id, {}]);
  assert.deepEqual(Object.keys(sent).sort(), ['connections', 'nodes', 'settings']);
  assert.deepEqual(sent.settings, { timezone: 'UTC' });
  for (const workflow of [inner(id), { nodes: [node('Rows', 'dataTable')], connections: {} }]) {
    const { status, body } = await deploy(await makeWorkflow(within(workflow)));
    assert.deepEqual([status, body.code], [422, 'RG317']);
    assert.match(body.details, /workflow_not_yours|instance_shared/);
  }
});

test('fields that become another’s once JavaScript copies them are taken out', async () => {
  const json = trigger(FORM, JSON.parse('{"options": {"__proto__": {"path": "theirs"}}}'), { typeVersion: 2.2 });
  json.nodes[1].credentials = JSON.parse('{"__proto__": {"id": "7", "slackApi": {"id": "2"}}}');
  const sharing = await startEdge({ N8N_URL: n8n.url, N8N_API_KEY: n8n.key, N8N_CREDENTIALS: '7' });
  started.push(sharing);
  const workflow = await makeWorkflow(json);
  const { status, text } = await deploy(workflow, { base: sharing.url });
  assert.equal(status, 200, text);
  assert.ok(!JSON.stringify((await inN8n(workflow)).nodes).includes('__proto__'));
});

test('what an instance keeps for everybody is refused', async () => {
  for (const [type, parameters, typeVersion = 1] of [
    ['dataTable', { dataTableId: { __rl: true, mode: 'id', value: 'theirs' } }],
    ['dataTableTool', {}],
    ['evaluation', { source: 'dataTable', dataTableId: { __rl: true, mode: 'id', value: 'theirs' } }, 4.7],
    ['messageAnAgent', { agentId: { __rl: true, mode: 'id', value: 'theirs' } }],
  ]) {
    const { status, body } = await deploy(await makeWorkflow(calling(node('Call', type, parameters, { typeVersion }))));
    assert.deepEqual([status, body.code], [422, 'RG317'], type);
    assert.match(body.details, /instance_shared/);
  }
});

test('who may run a workflow: nobody, or own workflows, or those of them that are listed', async () => {
  const user = randomUUID();
  const caller = await makeWorkflow(hook(), user);
  const other = await makeWorkflow(hook(), user);
  const [first, second] = [(await deploy(caller)).body.n8n_workflow_id, (await deploy(other)).body.n8n_workflow_id];
  const foreign = (await deploy(await makeWorkflow(hook()))).body.n8n_workflow_id;
  const settings = async (json) => {
    const workflow = await makeWorkflow(json, user);
    assert.equal((await deploy(workflow)).status, 200);
    const there = await inN8n(workflow);
    await sql('delete from clixen.mvp_workflows where id = $1', [workflow.id]);
    const { callerPolicy, callerIds } = there.settings;
    return [callerPolicy, callerIds?.split(',').sort().join()];
  };
  const both = [first, second].sort().join();
  assert.deepEqual(await settings(hook()), ['none', undefined]);
  assert.deepEqual(await settings({ ...hook(), settings: { callerPolicy: 'any' } }), ['none', undefined]);
  assert.deepEqual(await settings(callee({ callerPolicy: 'none' })), ['none', undefined]);
  for (const callerPolicy of ['any', 'workflowsFromSameOwner', undefined])
    assert.deepEqual(await settings(callee({ callerPolicy })), ['workflowsFromAList', both], callerPolicy);
  for (const [callerIds, wanted] of [
    [`${foreign}, ${first}`, first],
    [`${caller.id},${other.id}`, both],
  ])
    assert.deepEqual(await settings(callee({ callerPolicy: 'workflowsFromAList', callerIds })), [
      'workflowsFromAList',
      wanted,
    ]);
  assert.deepEqual(await settings(callee({ callerPolicy: 'workflowsFromAList', callerIds: foreign })), [
    'none',
    undefined,
  ]);
});

test('a workflow that runs itself, or handles its own errors, is let in from the first deployment on', async () => {
  const again = callee();
  again.nodes.push(node('Again', 'executeWorkflow', { workflowId: '={{ $workflow.id }}' }));
  again.connections.Set = { main: [[{ node: 'Again', type: 'main', index: 0 }]] };
  const failing = hook();
  failing.nodes.push(node('On error', 'errorTrigger'), node('Note it', 'noOp'));
  failing.connections['On error'] = { main: [[{ node: 'Note it', type: 'main', index: 0 }]] };
  for (const json of [again, failing]) {
    const workflow = await makeWorkflow(json);
    for (const _ of ['first', 'second']) {
      const { status, body, text } = await deploy(workflow);
      assert.equal(status, 200, text);
      assert.ok(n8n.lets(body.n8n_workflow_id, body.n8n_workflow_id));
    }
  }
});

test('an error workflow is the owner’s own, and is let in; one that was taken out is out', async () => {
  const errors = flow([node('On error', 'errorTrigger'), node('Set', 'set', {}, { typeVersion: 3.4 })]);
  const handler = await makeWorkflow(errors);
  const { n8n_workflow_id: id } = (await deploy(handler)).body;
  const json = hook();
  const failing = await makeWorkflow({ ...json, settings: { errorWorkflow: handler.id } }, handler.user);
  const { status, body, text } = await deploy(failing);
  assert.equal(status, 200, text);
  assert.equal((await inN8n(failing)).settings.errorWorkflow, id);
  assert.ok(n8n.lets(body.n8n_workflow_id, id));
  await edit(failing, json);
  assert.equal((await deploy(failing)).status, 200);
  assert.equal((await inN8n(failing)).settings.errorWorkflow, '');
  const stranger = await makeWorkflow({ ...hook(), settings: { errorWorkflow: id } });
  assert.equal((await deploy(stranger)).status, 200);
  assert.equal((await inN8n(stranger)).settings.errorWorkflow, undefined);
});

test('a wrapped workflow is deployed as the one that is in it', async () => {
  const json = hook('wrapped');
  const workflow = await makeWorkflow({ data: json });
  const { status, body, text } = await deploy(workflow);
  assert.equal(status, 200, text);
  assert.equal(body.deployment_url, `${n8n.url}/webhook/${await slug(workflow.user)}/wrapped`);
});

test('two users have webhooks of one path, and a variable in it', async () => {
  const [one, other] = [await makeWorkflow(hook('same')), await makeWorkflow(hook('same'))];
  for (const workflow of [one, other]) assert.equal((await deploy(workflow)).status, 200);
  const variable = await makeWorkflow(hook('orders/:id'));
  const { body } = await deploy(variable);
  const [{ webhookId }] = (await inN8n(variable)).nodes;
  assert.notEqual(webhookId, variable.json.nodes[0].webhookId);
  assert.equal(body.deployment_url, `${n8n.url}/webhook/${webhookId}/${await slug(variable.user)}/orders/:id`);
});

test('sent again it takes the place of what is there', async () => {
  const workflow = await makeWorkflow();
  await deploy(workflow);
  const first = await inN8n(workflow);
  await edit(workflow, hook('another'));
  assert.equal((await now(workflow)).status, 'draft');
  const { status, body } = await deploy(workflow);
  assert.deepEqual([status, body.deployment_version, body.n8n_workflow_id], [200, 2, first.id]);
  assert.match((await inN8n(workflow)).nodes[0].parameters.path, /another$/);
  // Taken out by hand in n8n it is made anew.
  const headers = { 'x-n8n-api-key': n8n.key };
  await fetch(`${n8n.url}/api/v1/workflows/${first.id}`, { method: 'DELETE', headers });
  const third = await deploy(workflow);
  assert.equal(third.status, 200, third.text);
  assert.notEqual(third.body.n8n_workflow_id, first.id);
});

test('one Idempotency-Key deploys once, however often and at once it is sent', async () => {
  const workflow = await makeWorkflow();
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 10 }, () => deploy(workflow, { key })));
  assert.ok(answers.some(({ status }) => status === 200));
  for (const { status, text } of answers) assert.ok([200, 202].includes(status), text);
  const again = await deploy(workflow, { key });
  assert.deepEqual([again.status, again.body.status], [200, 'deployed']);
  assert.equal((await rows(workflow)).length, 1);
  const mark = workflow.id.replaceAll('-', '').slice(0, 16);
  assert.equal([...n8n.workflows.values()].filter(({ name }) => name.includes(mark)).length, 1);
  const other = await deploy(await makeWorkflow(hook(), workflow.user), { key });
  assert.deepEqual([other.status, other.body.code], [422, 'RG503']);
});

test('one deployment at a time: a second one is refused with a reason', async () => {
  const workflow = await makeWorkflow();
  let meanwhile;
  n8n.behave(({ method, path }) => {
    if (method === 'POST' && path.endsWith('/publish')) {
      n8n.behave();
      meanwhile = deploy(workflow);
    }
  });
  assert.equal((await deploy(workflow)).status, 200);
  const { status, body, headers } = await meanwhile;
  // It may also have come when all was over.
  if (status !== 200) {
    assert.deepEqual([status, body.code], [409, 'RG524']);
    assert.ok(headers.get('retry-after'));
  }
});

test('what n8n would not run is not sent, and the row says why', async () => {
  const workflow = await makeWorkflow(flow([node('By hand', 'manualTrigger'), node('Set', 'set')]));
  const before_ = n8n.calls.length;
  const { status, body } = await deploy(workflow);
  assert.deepEqual([status, body.code], [422, 'RG317'], JSON.stringify(body));
  assert.equal(n8n.calls.length, before_);
  const [row] = await rows(workflow);
  assert.equal(row.status, 'failed');
  assert.equal(row.n8n_response.reason, 'invalid');
  assert.ok(row.n8n_response.errors.length > 0 && row.error_message.length > 0);
  const after_ = await now(workflow);
  assert.deepEqual([after_.status, after_.deployment_status], ['failed', 'failed']);
  assert.ok(after_.deployment_error);
});

/** What n8n does, the answer to the caller, and the reason in the row. */
const FAULTS = {
  'a webhook path in use': [
    () => ({ status: 409, body: { message: 'There is a conflict with one of the webhooks.' } }),
    409,
    'RG318',
    'conflict',
  ],
  'a body that n8n refuses': [
    () => ({ status: 400, body: { message: 'request/body/nodes/0 is odd' } }),
    422,
    'RG319',
    'rejected',
  ],
  'a key that n8n does not know': [() => ({ status: 401, body: { message: 'unauthorized' } }), 502, 'RG405', 'key'],
  'a failure of n8n': [() => ({ status: 500, body: { message: 'boom' } }), 502, 'RG405', 'unreachable'],
  'an answer that is none': [() => ({ status: 200, body: 'none' }), 502, 'RG405', 'unreachable'],
  'a connection that breaks': [() => 'drop', 502, 'RG405', 'unreachable'],
};
for (const [what, [behaviour, status, code, reason]] of Object.entries(FAULTS)) {
  test(`${what}: the answer and the row say so, and the next attempt repairs it`, async () => {
    const workflow = await makeWorkflow();
    n8n.behave(({ method, path }) => (method === 'POST' && path === '/api/v1/workflows' ? behaviour() : undefined));
    const answer = await deploy(workflow);
    n8n.behave();
    assert.deepEqual([answer.status, answer.body.code], [status, code], answer.text);
    assert.ok(!answer.text.includes(n8n.key));
    const [row] = await rows(workflow);
    assert.deepEqual([row.status, row.n8n_workflow_id, row.n8n_response.reason], ['failed', null, reason]);
    assert.ok(row.error_message);
    const again = await deploy(workflow);
    assert.deepEqual([again.status, again.body.deployment_version], [200, 2], again.text);
    assert.equal((await rows(workflow))[0].status, 'failed');
  });
}

test('a key that n8n refuses is a security event, and is in no log', async () => {
  const workflow = await makeWorkflow();
  const wrong = `wrong-${randomUUID()}`;
  const its = await startEdge({ N8N_URL: n8n.url, N8N_API_KEY: wrong });
  started.push(its);
  const answer = await deploy(workflow, { base: its.url });
  assert.deepEqual([answer.status, answer.body.code], [502, 'RG405']);
  const [event] = await sql(`select kind from private.security_events where user_id = $1`, [workflow.user]);
  assert.deepEqual(event, { kind: 'n8n_refused_key' });
  // The stand-in repeats the key, as a proxy before n8n might.
  await its.logged(({ event }) => event === 'request');
  const kept = [await rows(workflow), await now(workflow), its.log(), answer.text];
  assert.ok(!JSON.stringify(kept).includes(wrong));
  n8n.behave(({ method }) =>
    method === 'POST' ? { status: 400, body: { message: `no, ${n8n.key} at request/body` } } : undefined,
  );
  const repeated = await deploy(await makeWorkflow());
  n8n.behave();
  assert.match(repeated.body.details, /no, … at request/);
});

test('what was made before the answer was lost is found again, not made twice', async () => {
  const workflow = await makeWorkflow();
  n8n.behave(({ method, path }) => (method === 'POST' && path === '/api/v1/workflows' ? 'drop after' : undefined));
  assert.equal((await deploy(workflow)).status, 502);
  n8n.behave();
  // Renamed meanwhile, and another user's beside it whose name looks like it.
  await sql(`update clixen.mvp_workflows set name = 'Renamed' where id = $1`, [workflow.id]);
  const mark = workflow.id.replaceAll('-', '').slice(0, 16);
  const like = [...n8n.workflows.values()].filter(({ name }) => name.includes(mark));
  assert.equal(like.length, 1);
  const other = await makeWorkflow();
  await sql('update clixen.mvp_workflows set name = $2 where id = $1', [other.id, `Orders [${mark}]`]);
  assert.equal((await deploy(other)).status, 200);
  const again = await deploy(workflow);
  assert.deepEqual([again.status, again.body.n8n_workflow_id], [200, like[0].id]);
  assert.equal((await inN8n(workflow)).name, `Renamed [${mark}]`);
  assert.notEqual((await now(other)).n8n_workflow_id, like[0].id);
});

test('a list of n8n that cannot be read is a failure, and nothing is made twice', async () => {
  const workflow = await makeWorkflow();
  const isCreation = ({ method, path }) => method === 'POST' && path === '/api/v1/workflows';
  n8n.behave((request) => (isCreation(request) ? 'drop after' : undefined));
  assert.equal((await deploy(workflow)).status, 502);
  const mark = workflow.id.replaceAll('-', '').slice(0, 16);
  const copies = () => [...n8n.workflows.values()].filter(({ name }) => name.includes(mark));
  const [{ id, name }] = copies();
  const listed = (...data) => ({ data, nextCursor: null });
  for (const body of [
    ...[undefined, 'none', [], {}, { data: null, nextCursor: null }, { data: {}, nextCursor: null }],
    ...[
      listed(5),
      listed([]),
      listed({ id, name: 5 }),
      listed({ id: 5, name }),
      listed({ id, name, isArchived: 'no' }),
    ],
    ...[listed({ name }), listed({ id: '../credentials', name }), listed({ id: 'other', name: {} }, { id, name })],
  ]) {
    const isList = ({ method, path }) => method === 'GET' && path === '/api/v1/workflows';
    n8n.behave((request) => (isList(request) ? { status: 200, body } : undefined));
    const { status, body: answer } = await deploy(workflow);
    const wanted = [502, 'RG405', "n8n's answer cannot be read"];
    assert.deepEqual([status, answer.code, answer.details], wanted, JSON.stringify(body));
    assert.equal(copies().length, 1, JSON.stringify(body));
  }
  n8n.behave();
  const found = await deploy(workflow);
  assert.deepEqual([found.status, found.body.n8n_workflow_id], [200, id], found.text);
});

test('an older n8n knows activate only', async () => {
  const older = await both({ older: true });
  const workflow = await makeWorkflow();
  const { status, body } = await deploy(workflow, { base: older.edge.url });
  assert.deepEqual([status, body.status], [200, 'deployed']);
  assert.equal(older.n8n.count('POST', /\/activate$/), 1);
});

test('active without its webhooks: off and on again, and a failure if that does not help', async () => {
  const deaf = await both({ deaf: 1 });
  const workflow = await makeWorkflow();
  const { status, text } = await deploy(workflow, { base: deaf.edge.url });
  assert.equal(status, 200, text);
  assert.equal(deaf.n8n.count('POST', /\/publish$/), 2);
  assert.equal(deaf.n8n.count('POST', /\/unpublish$/), 1);

  const never = await both({ deaf: 99 });
  const other = await makeWorkflow();
  const answer = await deploy(other, { base: never.edge.url });
  assert.deepEqual([answer.status, answer.body.code], [502, 'RG405']);
  assert.equal((await rows(other))[0].n8n_response.reason, 'not_registered');
  // Nothing runs of which the row says that it does not.
  assert.equal((await inN8n(other, never.n8n)).active, false);
});

test('a failure leaves what serves as it is', async () => {
  const workflow = await makeWorkflow();
  const first = (await deploy(workflow)).body;
  await edit(workflow, hook('next'));
  n8n.behave(({ method }) => (method === 'PUT' ? { status: 400, body: { message: 'no' } } : undefined));
  assert.equal((await deploy(workflow)).status, 422);
  n8n.behave();
  const row = await now(workflow);
  assert.deepEqual([row.deployment_status, row.deployment_url], ['failed', first.deployment_url]);
  assert.notEqual(row.status, 'failed');
});

test('an update that does not come up is taken back: what served before serves again', async () => {
  const workflow = await makeWorkflow(hook('one'));
  const first = (await deploy(workflow)).body;
  await edit(workflow, hook('two'));
  // n8n takes the second for inactive, however often it is asked.
  n8n.behave(({ method, path }) => {
    const there = n8n.workflows.get(first.n8n_workflow_id);
    const isSecond = there.nodes[0].parameters.path.endsWith('two');
    return method === 'GET' && path.endsWith(first.n8n_workflow_id) && isSecond
      ? { status: 200, body: { active: false } }
      : undefined;
  });
  const answer = await deploy(workflow);
  n8n.behave();
  assert.deepEqual([answer.status, answer.body.code], [502, 'RG405']);
  assert.match(answer.body.details, /the version before serves again/);
  assert.match((await inN8n(workflow)).published[0].parameters.path, /one$/);
  assert.equal((await fetch(first.deployment_url, { method: 'POST' })).status, 200);
  const row = await now(workflow);
  assert.deepEqual([row.deployment_status, row.deployment_url], ['failed', first.deployment_url]);
});

test('a workflow that cannot be read ends in a row, and keeps no other from being finished', async () => {
  const deep = `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`;
  for (const json of ['{"nodes": [1e400]}', deep]) {
    const workflow = await makeWorkflow();
    await sql('update clixen.mvp_workflows set n8n_workflow_json = $2::text::jsonb where id = $1', [workflow.id, json]);
    const { status, body } = await deploy(workflow);
    assert.deepEqual([status, body.code], [422, 'RG317']);
    assert.equal((await rows(workflow))[0].n8n_response.reason, 'invalid');
  }
  // One that fails in the job comes first.
  const stuck = [await makeWorkflow(), await makeWorkflow()];
  for (const [at, { user, id, json }] of stuck.entries())
    await sql(
      `with d as (
         insert into clixen.deployments (user_id, workflow_id, deployment_version, status, started_at)
         values ($1, $2, 1, 'deploying', now() - make_interval(mins => $4)) returning id
       )
       insert into private.deployment_runs (deployment_id, workflow_id, workflow, workflow_version, lease_until)
       select id, $2, $3::text::jsonb, 1, now() - interval '1 second' from d`,
      [user, id, at === 0 ? '{"nodes": [1e400]}' : JSON.stringify(json), 20 - at],
    );
  assert.equal((await finishAll()).status, 200);
  assert.deepEqual(
    (await rows(stuck[0])).map(({ status }) => status),
    ['failed'],
  );
  assert.deepEqual(
    (await rows(stuck[1])).map(({ status }) => status),
    ['deployed'],
  );
});

/** Makes a removal the first one of the next run, which ends a few only: other tests leave some. */
const comesFirst = (column, value) =>
  sql(`update private.n8n_removals set due_at = now() - interval '1 year' where ${column} = $1`, [value]);

test('an archived workflow is taken down, and made anew when it is deployed again', async () => {
  const workflow = await makeWorkflow();
  const { n8n_workflow_id: id } = (await deploy(workflow)).body;
  await sql(`update clixen.mvp_workflows set status = 'archived' where id = $1`, [workflow.id]);
  const row = await now(workflow);
  assert.deepEqual([row.deployment_status, row.deployment_url, row.n8n_workflow_id], ['not_deployed', null, null]);
  await comesFirst('n8n_workflow_id', id);
  await finishAll();
  assert.ok(!n8n.workflows.has(id));
  await sql(`update clixen.mvp_workflows set status = 'draft' where id = $1`, [workflow.id]);
  const again = await deploy(workflow);
  assert.equal(again.status, 200, again.text);
  assert.notEqual(again.body.n8n_workflow_id, id);
});

/** A workflow that was deployed and is archived, and that the next run removes from n8n after those before it; and its id in n8n. */
const archived = async () => {
  const workflow = await makeWorkflow();
  const { n8n_workflow_id: id } = (await deploy(workflow)).body;
  await sql(`update clixen.mvp_workflows set status = 'archived' where id = $1`, [workflow.id]);
  await comesFirst('n8n_workflow_id', id);
  const restore = () => sql(`update clixen.mvp_workflows set status = 'draft' where id = $1`, [workflow.id]);
  return { workflow, id, restore };
};
/** Runs the job, and something while it removes a workflow from n8n. */
const whileRemoved = async (id, work) => {
  let done;
  n8n.behave(async ({ method, path }) => {
    if (method === 'DELETE' && path.endsWith(`/${id}`)) done = await work();
  });
  await finishAll();
  n8n.behave();
  assert.ok(!n8n.workflows.has(id));
  return done;
};

test('what is deployed again while the job removes others is not removed', async () => {
  const [first, second] = [await archived(), await archived()];
  const again = await whileRemoved(first.id, async () => {
    await second.restore();
    return deploy(second.workflow);
  });
  assert.deepEqual([again.status, again.body.n8n_workflow_id], [200, second.id], again.text);
  assert.equal((await inN8n(second.workflow))?.active, true);
  assert.deepEqual(await sql('select from private.n8n_removals where n8n_workflow_id = $1', [second.id]), []);
});

test('what is deployed again while n8n removes it is made anew afterwards', async () => {
  const { workflow, id, restore } = await archived();
  const again = await whileRemoved(id, async () => {
    await restore();
    return deploy(workflow);
  });
  assert.deepEqual([again.status, again.body.status], [202, 'pending'], again.text);
  await expire(workflow);
  await finishAll();
  const row = await now(workflow);
  assert.deepEqual([row.deployment_status, row.n8n_workflow_id === id], ['deployed', false]);
  assert.equal((await inN8n(workflow))?.active, true);
});

test('what n8n made and nobody heard of is taken out with the workflow, too, or when it is archived', async () => {
  for (const end of [
    'delete from clixen.mvp_workflows where id = $1',
    `update clixen.mvp_workflows set status = 'archived' where id = $1`,
  ]) {
    const workflow = await makeWorkflow();
    n8n.behave(({ method, path }) => (method === 'POST' && path === '/api/v1/workflows' ? 'drop after' : undefined));
    assert.equal((await deploy(workflow)).status, 502);
    n8n.behave();
    const mark = workflow.id.replaceAll('-', '').slice(0, 16);
    const there = () => [...n8n.workflows.values()].filter(({ name }) => name.includes(mark)).length;
    assert.equal(there(), 1);
    await sql(end, [workflow.id]);
    await comesFirst('workflow_id', workflow.id);
    await finishAll();
    assert.equal(there(), 0, end);
  }
});

test('a version that is named where none is taken is not overlooked', async () => {
  const workflow = await makeWorkflow();
  const { status, body } = await deploy(workflow, { json: { deployment_version: 1 } });
  assert.deepEqual([status, body.code], [400, 'RG301']);
  assert.equal((await deploy(workflow, { json: {} })).status, 200);
});

/** Where the edge dies: n8n does the step and never answers. */
const CRASHES = {
  'before n8n has it': ['hang', (method, path) => method === 'POST' && path === '/api/v1/workflows'],
  'after n8n has it': ['hang after', (method, path) => method === 'POST' && path === '/api/v1/workflows'],
  'before it is published': ['hang', (_, path) => path.endsWith('/publish')],
  'after it is published': ['hang after', (_, path) => path.endsWith('/publish')],
  'at the probe': ['hang', (method) => method === 'OPTIONS'],
};
for (const [where, [how, at]] of Object.entries(CRASHES)) {
  test(`an edge that dies ${where}: the job finds it and finishes it, once`, async () => {
    const dying = await both();
    const workflow = await makeWorkflow();
    const reached = new Promise((resolve) => {
      dying.n8n.behave(({ method, path }) => {
        if (!at(method, path)) return undefined;
        resolve();
        return how;
      });
    });
    const asked = deploy(workflow, { base: dying.edge.url }).catch(() => 'lost');
    await reached;
    process.kill(dying.edge.part.pid, 'SIGKILL');
    assert.equal(await asked, 'lost');
    dying.n8n.behave();
    const [row] = await rows(workflow);
    assert.ok(['pending', 'deploying'].includes(row.status));

    const live = await startEdge({ N8N_URL: dying.n8n.url, N8N_API_KEY: dying.n8n.key }, [], AROUND);
    started.push(live);
    // Not while the lease holds.
    await finishAll(live.url);
    assert.notEqual((await rows(workflow))[0].status, 'deployed');
    await expire(workflow);
    assert.equal((await fetch(`${live.url}/the-clock`)).status, 200);
    const [done] = await rows(workflow);
    assert.deepEqual([done.id, done.status], [row.id, 'deployed']);
    assert.equal(dying.n8n.workflows.size, 1);
    assert.equal(dying.n8n.registered.size, 1);
    const [run] = await sql(
      `select rows::int, error from private.job_runs where job = 'finish_deployments' order by id desc limit 1`,
    );
    assert.ok(run.rows >= 1);
    assert.equal(run.error, null);
  });
}

test('a deployment that nobody is at any more gives way to the next', async () => {
  const workflow = await makeWorkflow();
  await sql(
    `with d as (insert into clixen.deployments (user_id, workflow_id, deployment_version, status) values ($1, $2, 1, 'deploying') returning id)
     insert into private.deployment_runs (deployment_id, workflow_id, workflow, workflow_version, lease_until) select id, $2, '{}', 1, now() - interval '1 second' from d`,
    [workflow.user, workflow.id],
  );
  const { status, body } = await deploy(workflow);
  assert.deepEqual([status, body.deployment_version], [200, 2]);
  assert.deepEqual(
    (await rows(workflow)).map((row) => row.status),
    ['failed', 'deployed'],
  );
});

test('rolled back: an earlier version serves, and what came after it says so', async () => {
  const workflow = await makeWorkflow(hook('one'));
  const path = async () => (await inN8n(workflow)).published[0].parameters.path.split('/')[1];
  for (const version of ['one', 'two', 'three']) {
    await edit(workflow, hook(version));
    assert.equal((await deploy(workflow)).status, 200);
  }
  assert.equal(await path(), 'three');
  const before_ = await rollback(workflow);
  assert.deepEqual([before_.status, before_.body.deployment_version], [200, 4], before_.text);
  assert.equal(await path(), 'two');
  const first = await rollback(workflow, { json: { deployment_version: 1 } });
  assert.equal(first.status, 200, first.text);
  assert.equal(await path(), 'one');
  assert.deepEqual(
    (await rows(workflow)).map(({ status }) => status),
    ['deployed', 'rolled_back', 'rolled_back', 'rolled_back', 'deployed'],
  );
  // The draft is the user's, and is not what serves.
  assert.equal((await now(workflow)).status, 'draft');
  assert.equal((await now(workflow)).n8n_workflow_json.nodes[0].parameters.path, 'three');
  for (const deployment_version of [99, 0, -1, 'one', null]) {
    const { status } = await rollback(workflow, { json: { deployment_version } });
    assert.equal(status, deployment_version === 99 ? 404 : 400, `${deployment_version}`);
  }
  const never = await rollback(await makeWorkflow());
  assert.deepEqual([never.status, never.body.code], [404, 'RG525']);
});

test('another’s workflow and none at all are one answer, and n8n hears nothing', async () => {
  const workflow = await makeWorkflow();
  const calls = n8n.calls.length;
  const stranger = randomUUID();
  const answers = [];
  for (const id of [workflow.id, randomUUID()])
    for (const verb of ['deploy', 'rollback']) answers.push(await call(verb, { user: stranger, id }));
  for (const { status, body } of answers) {
    assert.equal(status, 404);
    assert.deepEqual(body, answers[0].body);
  }
  assert.equal(n8n.calls.length, calls);
  assert.deepEqual(await rows(workflow), []);
});

test('an archived workflow is not deployed', async () => {
  const workflow = await makeWorkflow();
  await sql(`update clixen.mvp_workflows set status = 'archived' where id = $1`, [workflow.id]);
  const { status, body } = await deploy(workflow);
  assert.deepEqual([status, body.code], [409, 'RG523']);
});

test('a deleted workflow is taken out of n8n', async () => {
  const workflow = await makeWorkflow();
  const { n8n_workflow_id: id } = (await deploy(workflow)).body;
  await sql('delete from clixen.mvp_workflows where id = $1', [workflow.id]);
  await comesFirst('n8n_workflow_id', id);
  n8n.behave(({ method }) => (method === 'DELETE' ? { status: 500, body: {} } : undefined));
  assert.equal((await finishAll()).status, 200);
  assert.ok(n8n.workflows.has(id));
  n8n.behave();
  await comesFirst('n8n_workflow_id', id);
  const { status, body } = await finishAll();
  assert.equal(status, 200);
  assert.ok(body.removals >= 1);
  assert.ok(!n8n.workflows.has(id));
  assert.deepEqual(await sql('select 1 from private.n8n_removals where n8n_workflow_id = $1', [id]), []);
});

test('the job is for service_role only', async () => {
  const user = await ask('/v1/jobs/finish_deployments', { method: 'POST', base: edge.url, token: await userToken() });
  assert.equal(user.status, 403);
  assert.equal((await finishAll()).status, 200);
});

test('without an n8n the endpoint says which variable is missing, and opens nothing', async () => {
  const without = await startEdge();
  started.push(without);
  const workflow = await makeWorkflow();
  const { status, body } = await deploy(workflow, { base: without.url });
  assert.deepEqual([status, body.code, body.details], [501, 'RG903', 'N8N_URL is not set']);
  assert.deepEqual(await rows(workflow), []);
});
