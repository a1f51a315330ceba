// Workflows are judged by the edge: each rule by a workflow that breaks it and a twin that does not, and what n8n exports.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { ask, close, made, userToken } from '../../support/stack.js';

after(close);

const validate = (json, { query = '', ...options } = {}) =>
  ask(`/v1/workflows/validate${query}`, { json, key: made.publishable_key, ...options });
const judged = async (json, query) => {
  const { status, body, text } = await validate(json, { query });
  assert.equal(status, 200, text);
  assert.deepEqual(Object.keys(body).sort(), ['errors', 'fixed', 'valid', 'warnings']);
  assert.equal(body.valid, body.errors.length === 0);
  return body;
};

const node = (name, type, more = {}) => ({
  id: randomUUID(),
  name,
  type: `n8n-nodes-base.${type}`,
  typeVersion: 1,
  position: [0, 0],
  parameters: {},
  ...more,
});
const link = (to, type = 'main', index = 0) => ({ node: to, type, index });

/** A webhook, and a Set that it starts. */
const sound = () => ({
  name: 'Sound',
  nodes: [
    node('Hook', 'webhook', { typeVersion: 2, webhookId: randomUUID(), parameters: { path: 'sound', options: {} } }),
    node('Set', 'set', { typeVersion: 3.4 }),
  ],
  connections: { Hook: { main: [[link('Set')]] } },
  settings: { executionOrder: 'v1' },
});

/** Puts a further node behind the Set, or beside it. */
const behind = (workflow, added, from = 'Set') => {
  workflow.nodes.push(added);
  workflow.connections[from] ??= { main: [[]] };
  workflow.connections[from].main[0].push(link(added.name));
};
const beside = (workflow, ...added) => workflow.nodes.push(...added);
const set = (field, value) => (workflow) => {
  workflow.nodes[1][field] = value;
};
const without = (field) => (workflow) => {
  delete workflow.nodes[1][field];
};
const parameters = (value) => (workflow) => {
  workflow.nodes[1].parameters = value;
};
const connections = (value) => (workflow) => {
  workflow.connections = value;
};
const settings = (value) => (workflow) => {
  workflow.settings = value;
};
const nested = (levels) => (levels === 0 ? 1 : { a: nested(levels - 1) });
const condition = (operator) => ({ leftValue: '={{ $json.a }}', rightValue: 'b', operator });
const filter = (...operators) => ({ conditions: { conditions: operators.map(condition), combinator: 'and' } });
const agent = (model) => (workflow) => {
  behind(workflow, { ...node('Agent', ''), type: '@n8n/n8n-nodes-langchain.agent', typeVersion: 2 });
  beside(workflow, { ...node('Model', ''), type: '@n8n/n8n-nodes-langchain.lmChatOpenAi' });
  model(workflow);
};
const branching = (type, typeVersion, parameters, output) => (workflow) => {
  behind(workflow, node('Branch', type, { typeVersion, parameters }));
  behind(workflow, node('End', 'noOp'));
  workflow.connections.Branch = { main: [...Array(output).fill([]), [link('End')]] };
};
const rules = (...operators) => ({ rules: { values: operators.map((operator) => filter(operator)) } });
const equals = { type: 'string', operation: 'equals' };
const twoHooks = (method) => (workflow) => {
  const parameters = { path: '/sound/', httpMethod: method };
  beside(workflow, node('Second', 'webhook', { webhookId: randomUUID(), parameters }));
  workflow.connections.Second = { main: [[link('Set')]] };
};
const merged = (numberInputs, index) => (workflow) => {
  beside(workflow, node('Merge', 'merge', { typeVersion: 3, parameters: { numberInputs } }));
  workflow.connections.Set = { main: [[link('Merge', 'main', index)]] };
};
// Made up, and in two parts, so that no scanner takes it for one.
const SECRET = ['sk-', 'proj-0123456789abcdefghij'].join('');
const header = (value) => parameters({ headerParameters: { parameters: [{ name: 'Authorization', value }] } });

/**
 * Code, path, what it is (`mended`: an error that `fixed` has not; `settled`: such a warning; `nothing runs`: a warning, but an error of a
 * deployment in which nothing would run; `deployed`: said of deployments only), what breaks the rule, and what
 * is much the same and does not.
 */
const CASES = [
  ['too_deep', '', 'error', parameters(nested(62)), parameters(nested(61))],
  ['too_deep', '', 'error', parameters(nested(123)), parameters(nested(61))],
  [
    'too_many_nodes',
    '/nodes',
    'error',
    (w) => beside(w, ...Array.from({ length: 499 }, (_, n) => node(`Note ${n}`, 'stickyNote'))),
    (w) => beside(w, ...Array.from({ length: 498 }, (_, n) => node(`Note ${n}`, 'stickyNote'))),
  ],
  [
    'node_name_too_long',
    '/nodes/1/name',
    'error',
    set('name', 'x'.repeat(256)),
    (w) => {
      w.nodes[1].name = 'x'.repeat(255);
      w.connections.Hook.main[0][0].node = w.nodes[1].name;
    },
  ],
  [
    'too_many_connections',
    '/connections',
    'error',
    connections({ Hook: { main: [Array.from({ length: 5001 }, () => link('Set'))] } }),
    connections({ Hook: { main: [Array.from({ length: 5000 }, () => link('Set'))] } }),
  ],
  [
    'more_findings',
    '',
    'warning',
    connections({ Hook: { main: [Array.from({ length: 2000 }, (_, n) => link(`gone ${n}`))] } }),
    connections({ Hook: { main: [Array.from({ length: 20 }, (_, n) => link(`gone ${n}`))] } }),
  ],
  ...[undefined, '', 5, null].map((name) => [
    'name_missing',
    '/name',
    'mended',
    (w) => Object.assign(w, { name }),
    (w) => Object.assign(w, { name: 'x' }),
  ]),
  [
    'name_too_long',
    '/name',
    'mended',
    (w) => Object.assign(w, { name: '🚀'.repeat(129) }),
    (w) => Object.assign(w, { name: '🚀'.repeat(128) }),
  ],
  ...[undefined, null, {}, 'none'].map((nodes) => [
    'nodes_missing',
    '/nodes',
    'error',
    (w) => Object.assign(w, { nodes }),
  ]),
  ...[undefined, null, []].map((none) => [
    'connections_missing',
    '/connections',
    'mended',
    (w) => {
      w.nodes.pop();
      w.connections = none;
    },
    (w) => {
      w.nodes.pop();
      w.connections = {};
    },
  ]),
  ...['none', 5, [link('Set')]].map((none) => ['connections_invalid', '/connections', 'error', connections(none)]),
  ...[undefined, null, [], 'v1'].map((none) => ['settings_missing', '/settings', 'mended', settings(none)]),
  ['settings_empty', '/settings', 'settled', settings({}), settings({ timezone: 'Europe/Berlin' })],
  ...['color', 'workerPoolOverrideProduction', 'workerPoolOverrideManual', 'workerPoolOverrideEvaluation'].map(
    (name) => ['setting_unknown', `/settings/${name}`, 'settled', settings({ [name]: 'red' })],
  ),
  ...[
    ['saveDataErrorExecution', 'sometimes', 'none'],
    ['saveDataSuccessExecution', true, 'all'],
    ['executionTimeout', '3600', 3600],
    ['saveExecutionProgress', 'DEFAULT', true],
    ['timezone', 1, 'UTC'],
    ['errorWorkflow', null, 'abc'],
    ['errorWorkflow', { id: 'abc' }, 'abc'],
    ['callerPolicy', null, 'none'],
    ['timeSavedMode', 'guessed', 'dynamic'],
    ['binaryMode', 'both', 'combined'],
    ['credentialResolverId', 5, 'abc'],
    ['customTelemetryTags', { key: 'a', value: 'b' }, [{ key: 'a', value: 'b' }]],
    ['customTelemetryTags', ['a'], []],
    ['customTelemetryTags', [{ key: 'a', value: 1 }], [{ key: 'a', value: '1' }]],
    ['customTelemetryTags', [{ key: 'a', value: 'b', more: 'c' }], []],
  ].map(([name, wrong, right]) => [
    'setting_invalid',
    `/settings/${name}`,
    'mended',
    settings({ executionOrder: 'v1', [name]: wrong }),
    settings({ executionOrder: 'v1', [name]: right }),
  ]),
  ...[
    ['callerPolicy', 'everybody', 'workflowsFromAList'],
    ['redactionPolicy', 'some', 'manual-only'],
  ].map(([name, wrong, right]) => [
    'setting_invalid',
    `/settings/${name}`,
    'error',
    settings({ [name]: wrong }),
    settings({ [name]: right }),
  ]),
  ...[null, 'Set', 5, []].map((item) => ['node_invalid', '/nodes/2', 'error', (w) => beside(w, item)]),
  ['node_id_missing', '/nodes/1/id', 'mended', without('id'), set('id', 'any')],
  ['node_id_missing', '/nodes/1/id', 'mended', set('id', 2), set('id', '2')],
  [
    'node_id_duplicate',
    '/nodes/1/id',
    'mended',
    (w) => {
      w.nodes[1].id = w.nodes[0].id;
    },
  ],
  ['node_name_missing', '/nodes/2/name', 'mended', (w) => beside(w, node('', 'stickyNote'))],
  [
    'node_name_missing',
    '/nodes/1/name',
    'mended',
    (w) => {
      w.nodes[1].name = 7;
      w.connections.Hook.main[0][0].node = '7';
    },
  ],
  ['node_name_duplicate', '/nodes/2/name', 'mended', (w) => beside(w, node('Set', 'stickyNote'))],
  ['node_name_duplicate', '/nodes/2/name', 'error', (w) => beside(w, node('Set', 'code'))],
  ['node_type_missing', '/nodes/1/type', 'error', without('type')],
  ['node_type_missing', '/nodes/1/type', 'error', set('type', 5)],
  ...['HTTP Request', 'n8n-nodes-base.', '.set', 'base/set'].map((type) => [
    'node_type_invalid',
    '/nodes/1/type',
    'error',
    set('type', type),
  ]),
  ...['nodes-base.set', 'set', 'nodes-langchain.code', 'n8n-nodes-langchain.code', 'lmChatOpenAi'].map((type) => [
    'node_type_prefix',
    '/nodes/1/type',
    'mended',
    set('type', type),
    set('type', 'n8n-nodes-base.code'),
  ]),
  ['node_type_unknown', '/nodes/1/type', 'warning', set('type', 'n8n-nodes-puppeteer.puppeteer')],
  ...[undefined, null, '2.1', 0, -1, 'v2', {}].map((version) => [
    'node_type_version_missing',
    '/nodes/1/typeVersion',
    'mended',
    set('typeVersion', version),
    set('typeVersion', 0.5),
  ]),
  ...[undefined, [1], [1, 2, 3], ['1', '2'], { x: 1, y: 2 }].map((position) => [
    'node_position_invalid',
    '/nodes/1/position',
    'mended',
    set('position', position),
    set('position', [-1.5, 0]),
  ]),
  ...[undefined, null, []].map((none) => [
    'node_parameters_missing',
    '/nodes/1/parameters',
    'mended',
    parameters(none),
  ]),
  ...['a', [1], 5].map((wrong) => ['node_parameters_invalid', '/nodes/1/parameters', 'error', parameters(wrong)]),
  ['node_field_unknown', '/nodes/1/color', 'settled', set('color', 'red'), set('notes', 'red')],
  ['node_field_invalid', '/nodes/1/disabled', 'mended', set('disabled', 'true'), set('disabled', true)],
  ['node_field_invalid', '/nodes/1/maxTries', 'mended', set('maxTries', '3'), set('maxTries', 3)],
  ['node_field_invalid', '/nodes/1/disabled', 'error', set('disabled', 'yes'), set('disabled', false)],
  ['node_field_invalid', '/nodes/1/notes', 'error', set('notes', 5), set('notes', '5')],
  // n8n's API knows no null in a node.
  ...['disabled', 'notes', 'webhookId', 'credentials', 'customTelemetryTags'].map((field) => [
    'node_field_invalid',
    `/nodes/1/${field}`,
    'mended',
    set(field, null),
  ]),
  ...[{ tag: [{ key: 'a' }] }, { tag: {} }, { tags: [] }, [{ key: 'a', value: 'b' }]].map((tags) => [
    'node_field_invalid',
    '/nodes/1/customTelemetryTags',
    'error',
    set('customTelemetryTags', tags),
    set('customTelemetryTags', { tag: [{ key: 'a', value: 'b' }] }),
  ]),
  ['node_field_invalid', '/nodes/1/credentials', 'error', set('credentials', 'mine'), set('credentials', {})],
  [
    'connection_stale',
    '/connections/Gone',
    'mended',
    (w) => Object.assign(w.connections, { Gone: { main: [[]] } }),
    (w) => Object.assign(w.connections, { Set: { main: [[]] } }),
  ],
  [
    'connection_source_unknown',
    '/connections/a~1b~0c',
    'error',
    (w) => Object.assign(w.connections, { 'a/b~c': { main: [[link('Set')]] } }),
    (w) => {
      w.nodes[0].name = 'a/b~c';
      w.connections = { 'a/b~c': { main: [[link('Set')]] } };
    },
  ],
  [
    'connection_target_unknown',
    '/connections/Hook/main/0/1/node',
    'error',
    (w) => w.connections.Hook.main[0].push(link('?')),
  ],
  [
    'connection_by_id',
    '/connections/Hook/main/0/0/node',
    'mended',
    (w) => {
      w.connections.Hook.main[0][0].node = w.nodes[1].id;
    },
  ],
  [
    'connection_by_id',
    '/connections/hook-id',
    'mended',
    (w) => {
      w.nodes[0].id = 'hook-id';
      w.connections = { 'hook-id': { main: [[link('Set')]] } };
    },
  ],
  [
    'connection_name_inexact',
    '/connections/Hook/main/0/0/node',
    'mended',
    connections({ Hook: { main: [[link(' SET')]] } }),
  ],
  ['connection_shape', '/connections/Hook/main', 'mended', connections({ Hook: { main: [link('Set')] } })],
  ['connection_shape', '/connections/Hook/main/0/0', 'mended', connections({ Hook: { main: [['Set']] } })],
  ['connection_shape', '/connections/Hook', 'mended', connections({ Hook: [[link('Set')]] })],
  ['connection_shape', '/connections/Hook/main', 'error', connections({ Hook: { main: [link('Set'), link('Set')] } })],
  ['connection_shape', '/connections/Hook/main', 'error', connections({ Hook: { main: 'Set' } })],
  ['connection_shape', '/connections/Hook', 'error', connections({ Hook: 'Set' })],
  ['connection_shape', '/connections/Hook/main/0/0', 'error', connections({ Hook: { main: [[5]] } })],
  // n8n takes a source without ports and a port without outputs, but no null and nothing of the wrong kind.
  ...[null, []].map((ports) => [
    'connection_shape',
    '/connections/Set',
    'mended',
    (w) => Object.assign(w.connections, { Set: ports }),
    (w) => Object.assign(w.connections, { Set: {} }),
  ]),
  ...[null, {}, { 0: [] }, [{}], [[null]], [[[]]]].map((outputs) => [
    'connection_shape',
    '/connections/Hook/ai_tool',
    'mended',
    (w) => Object.assign(w.connections.Hook, { ai_tool: outputs }),
    (w) => Object.assign(w.connections.Hook, { ai_tool: [] }),
  ]),
  [
    'connection_incomplete',
    '/connections/Hook/main/0/0',
    'mended',
    connections({ Hook: { main: [[{ node: 'Set' }]] } }),
  ],
  [
    'connection_incomplete',
    '/connections/Hook/main/0/0',
    'mended',
    connections({ Hook: { main: [[link('Set', 'main', '0')]] } }),
  ],
  ['connection_port_unknown', '/connections/Hook/0', 'mended', connections({ Hook: { 0: [[link('Set')]] } })],
  ['connection_port_unknown', '/connections/Hook/Main', 'mended', connections({ Hook: { Main: [[link('Set')]] } })],
  ['connection_port_unknown', '/connections/Hook/output', 'error', connections({ Hook: { output: [[link('Set')]] } })],
  [
    'connection_type_unknown',
    '/connections/Hook/main/0/0/type',
    'mended',
    connections({ Hook: { main: [[link('Set', '0')]] } }),
  ],
  [
    'connection_type_differs',
    '/connections/Hook/main/0/0/type',
    'warning',
    connections({ Hook: { main: [[link('Set', 'ai_tool')]] } }),
  ],
  ...[-1, 0.5, 'first', {}].map((index) => [
    'connection_index_invalid',
    '/connections/Hook/main/0/0/index',
    'error',
    connections({ Hook: { main: [[link('Set', 'main', index)]] } }),
  ]),
  ...[
    ['if', 2.2, filter(equals), 2, 1],
    ['set', 3.4, {}, 1, 0],
    ['splitInBatches', 3, {}, 2, 1],
    ['switch', 3.2, rules(equals, equals), 2, 1],
    ['switch', 3.2, { ...rules(equals, equals), options: { fallbackOutput: 'extra' } }, 3, 2],
    ['switch', 3, { mode: 'expression', numberOutputs: 3 }, 3, 2],
    // Who knows how many an expression makes.
    ['switch', 3, { mode: 'expression', numberOutputs: 1 }, 4, 0],
  ].map(([type, version, values, wrong, right]) => [
    'connection_output_unknown',
    `/connections/Branch/main/${wrong}/0`,
    'error',
    branching(type, version, values, wrong),
    branching(type, version, values, right),
  ]),
  [
    'connection_output_unknown',
    '/connections/Branch/main/1/0',
    'error',
    branching('httpRequest', 4.2, {}, 1),
    (w) => {
      branching('httpRequest', 4.2, {}, 1)(w);
      w.nodes[2].onError = 'continueErrorOutput';
    },
  ],
  [
    'connection_input_unknown',
    '/connections/Hook/main/0/0',
    'error',
    connections({ Hook: { main: [[link('Set', 'main', 1)]] } }),
  ],
  ['connection_input_unknown', '/connections/Set/main/0/0', 'error', merged(3, 3), merged(3, 2)],
  ['connection_input_unknown', '/connections/Set/main/0/0', 'error', merged(undefined, 2), merged('={{ 3 }}', 2)],
  [
    'connection_into_trigger',
    '/connections/Set/main/0/0',
    'warning',
    (w) => Object.assign(w.connections, { Set: { main: [[link('Hook')]] } }),
  ],
  [
    'no_executable_node',
    '/nodes',
    'error',
    (w) => Object.assign(w, { nodes: [node('Note', 'stickyNote')], connections: {} }),
    (w) => Object.assign(w, { nodes: [w.nodes[0], node('Note', 'stickyNote')], connections: {} }),
  ],
  ['no_executable_node', '/nodes', 'error', (w) => Object.assign(w, { nodes: [], connections: {} })],
  [
    'node_alone',
    '/nodes/0',
    'error',
    (w) => Object.assign(w, { nodes: [w.nodes[1]], connections: {} }),
    (w) => Object.assign(w, { nodes: [w.nodes[0]], connections: {} }),
  ],
  ['connections_none', '/connections', 'nothing runs', connections({})],
  [
    'connections_none',
    '/connections',
    'warning',
    // Each answers by itself.
    (w) => {
      w.nodes[1] = node('Other', 'webhook', { webhookId: randomUUID(), parameters: { path: 'other' } });
      w.connections = {};
    },
  ],
  [
    'node_disconnected',
    '/nodes/2',
    'warning',
    (w) => beside(w, node('Code', 'code')),
    (w) => beside(w, node('Code', 'code', { disabled: true })),
  ],
  [
    'node_disconnected',
    '/nodes/1',
    'nothing runs',
    (w) => {
      beside(w, node('A', 'code'), node('B', 'code'));
      w.connections = { A: { main: [[link('B')]] } };
    },
  ],
  ['trigger_disconnected', '/nodes/2', 'warning', (w) => beside(w, node('By hand', 'manualTrigger'))],
  [
    'node_unreachable',
    '/nodes/1',
    'nothing runs',
    (w) => {
      beside(w, node('A', 'code'));
      w.connections = { Set: { main: [[link('A')]] } };
    },
  ],
  [
    'node_unreachable',
    '/nodes/3',
    'warning',
    (w) => {
      beside(w, node('Off', 'scheduleTrigger', { disabled: true }), node('A', 'code'));
      w.connections.Off = { main: [[link('A')]] };
    },
    (w) => {
      beside(w, node('On', 'scheduleTrigger'), node('A', 'code'));
      w.connections.On = { main: [[link('A')]] };
    },
  ],
  [
    'node_unreachable',
    '/nodes/2',
    'warning',
    (w) => {
      beside(w, node('A', 'code'), node('B', 'code'));
      w.connections.A = { main: [[link('B')]] };
    },
    (w) => {
      behind(w, node('A', 'code'));
      behind(w, node('B', 'code'), 'A');
    },
  ],
  ...['manualTrigger', 'start'].map((type) => [
    'trigger_missing',
    '/nodes',
    'deploy',
    (w) => Object.assign(w.nodes[0], { type: `n8n-nodes-base.${type}` }),
    (w) => Object.assign(w.nodes[0], { type: 'n8n-nodes-base.scheduleTrigger' }),
  ]),
  ['trigger_missing', '/nodes', 'deploy', (w) => Object.assign(w.nodes[0], { disabled: true })],
  [
    'ai_model_missing',
    '/nodes/2',
    'error',
    agent((w) => Object.assign(w.connections, { Agent: { ai_languageModel: [[link('Model', 'ai_languageModel')]] } })),
    agent((w) => Object.assign(w.connections, { Model: { ai_languageModel: [[link('Agent', 'ai_languageModel')]] } })),
  ],
  [
    'ai_model_missing',
    '/nodes/2',
    'error',
    agent((w) => {
      w.connections.Model = { ai_languageModel: [[link('Agent', 'ai_languageModel')]] };
      w.nodes[3].disabled = true;
    }),
    agent((w) => {
      w.connections.Model = { ai_languageModel: [[link('Agent', 'ai_languageModel')]] };
      beside(w, { ...w.nodes[3], id: randomUUID(), name: 'Spare', disabled: true });
      w.connections.Spare = { ai_languageModel: [[link('Agent', 'ai_languageModel')]] };
    }),
  ],
  ...[
    {},
    undefined,
    null,
    'equals',
    { type: 'string' },
    { operation: 'equals' },
    { type: 'equals', operation: 'equals' },
  ].map((operator) => [
    'conditions_invalid',
    '/nodes/2/parameters/conditions/conditions/0',
    'error',
    (w) => behind(w, node('If', 'if', { typeVersion: 2, parameters: filter(operator) })),
    (w) => behind(w, node('If', 'if', { typeVersion: 1, parameters: filter(operator) })),
  ]),
  [
    'conditions_invalid',
    '/nodes/2/parameters/conditions',
    'error',
    (w) => behind(w, node('Filter', 'filter', { typeVersion: 2, parameters: { conditions: { string: [] } } })),
    (w) => behind(w, node('Filter', 'filter', { typeVersion: 2, parameters: { conditions: '={{ $json.a }}' } })),
  ],
  [
    'conditions_invalid',
    '/nodes/2/parameters/rules/values/1/conditions/conditions/0',
    'error',
    (w) => behind(w, node('Switch', 'switch', { typeVersion: 3.2, parameters: rules(equals, {}) })),
    (w) => behind(w, node('Switch', 'switch', { typeVersion: 3.2, parameters: rules(equals, '={{ $json.a }}') })),
  ],
  ...[undefined, ''].map((webhookId) => [
    'webhook_id_missing',
    '/nodes/0/webhookId',
    'deploy mended',
    (w) => Object.assign(w.nodes[0], { webhookId }),
  ]),
  [
    'webhook_path_missing',
    '/nodes/0/parameters/path',
    'deploy mended',
    (w) => Object.assign(w.nodes[0], { parameters: {} }),
    (w) => Object.assign(w.nodes[0], { parameters: { path: '={{ $json.path }}' } }),
  ],
  ['webhook_path_duplicate', '/nodes/2/parameters/path', 'error', twoHooks('GET'), twoHooks('POST')],
  // n8n has one list of paths for webhooks, forms and MCP servers.
  ...[
    ['n8n-nodes-base.formTrigger', 2, { path: 'sound' }, { path: 'silence' }],
    ['n8n-nodes-base.formTrigger', 2.2, { options: { path: '/sound' } }, { options: { path: 'silence' } }],
    ['@n8n/n8n-nodes-langchain.mcpTrigger', 2, { path: 'sound' }, { path: 'silence' }],
    ['@n8n/n8n-nodes-langchain.mcpTrigger', 1, { path: 'sound' }, { path: 'sound' }],
  ].map(([type, typeVersion, same, other], at) => [
    'webhook_path_duplicate',
    '/nodes/2/parameters/path',
    'error',
    (w) => {
      beside(w, { ...node('Second', ''), type, typeVersion, webhookId: randomUUID(), parameters: same });
      if (at === 3) w.nodes[0].parameters.path = 'sound/sse';
    },
    (w) => beside(w, { ...node('Second', ''), type, typeVersion, webhookId: randomUUID(), parameters: other }),
  ]),
  [
    'webhook_id_duplicate',
    '/nodes/3/webhookId',
    'mended',
    (w) => beside(w, ...['A', 'B'].map((name) => node(name, 'githubTrigger', { webhookId: 'w' }))),
    (w) => beside(w, ...['A', 'B'].map((name) => node(name, 'githubTrigger', { webhookId: name }))),
  ],
  ...[
    { path: 5 },
    { options: '={{ {path: "sound"} }}' },
    { options: { path: ['a'] } },
    { options: { path: '../a' } },
  ].map((wrong) => [
    'webhook_path_invalid',
    `/nodes/2/parameters/${Object.entries(wrong).map(([name, value]) => (value.path ? `${name}/path` : name))}`,
    'error',
    (w) => beside(w, node('Form', 'formTrigger', { typeVersion: 2.2, webhookId: randomUUID(), parameters: wrong })),
    (w) =>
      beside(
        w,
        node('Form', 'formTrigger', {
          typeVersion: 2.2,
          webhookId: randomUUID(),
          parameters: { options: { path: '={{ $now }}' } },
        }),
      ),
  ]),
  [
    'webhook_path_missing',
    '/nodes/2/parameters/path',
    'deploy mended',
    (w) => beside(w, { ...node('MCP', ''), type: '@n8n/n8n-nodes-langchain.mcpTrigger', webhookId: randomUUID() }),
  ],
  ...['a/b', '..', 'a?b', 5, ['a']].map((webhookSuffix) => [
    'webhook_suffix_invalid',
    '/nodes/2/parameters/options/webhookSuffix',
    'deploy',
    (w) => behind(w, node('Wait', 'wait', { typeVersion: 1.1, parameters: { options: { webhookSuffix } } })),
    (w) => behind(w, node('Wait', 'wait', { typeVersion: 1.1, parameters: { options: { webhookSuffix: 'a.b' } } })),
  ]),
  ...[
    ['executeWorkflow', { workflowId: '={{ $json.id }}' }],
    ['executeWorkflow', { workflowId: { __rl: true, mode: 'id', value: '={{ $json.id }}' } }],
    ['executeWorkflow', { source: 'url', workflowUrl: 'https://example.org/workflow.json' }],
    ['executeWorkflow', { source: 'localFile', workflowPath: '/etc/workflow.json' }],
    ['executeWorkflow', { source: '={{ "url" }}' }],
    ['executeWorkflow', { source: 'parameter', workflowJson: '={{ $json }}' }],
    [
      'executeWorkflow',
      {
        source: 'parameter',
        workflowJson: JSON.stringify({
          nodes: [{ type: 'n8n-nodes-base.executeWorkflow', parameters: { workflowId: '={{ 1 }}' } }],
        }),
      },
    ],
    ['executeWorkflowTool', { workflowId: '={{ $json.id }}' }],
  ].map(([type, values]) => [
    'workflow_call_unknown',
    '/nodes/2/parameters',
    'deployed',
    (w) => behind(w, node('Call', type, { typeVersion: 1.2, parameters: values })),
    (w) => behind(w, node('Call', type, { typeVersion: 1.2, parameters: { workflowId: '={{ $workflow.id }}' } })),
  ]),
  [
    'instance_shared',
    '/nodes/2',
    'deployed warning',
    (w) => behind(w, node('Rows', 'dataTable', { parameters: { dataTableId: { __rl: true, value: 'x' } } })),
    (w) => behind(w, node('Rows', 'dataTable', { disabled: true })),
  ],
  ...[5, ['a'], '../a', 'a/./b', 'a?b', 'a#b', 'a\\b', 'a%2fb', 'a\nb'].map((path) => [
    'webhook_path_invalid',
    '/nodes/0/parameters/path',
    'error',
    (w) => {
      w.nodes[0].parameters.path = path;
    },
    (w) => {
      w.nodes[0].parameters.path = 'orders/:id/über sicht_1.2~x';
    },
  ]),
  ...['BREW', 'get', 5, ['GET', 'X']].map((method) => [
    'webhook_method_unknown',
    '/nodes/0/parameters/httpMethod',
    'error',
    (w) => {
      w.nodes[0].parameters.httpMethod = method;
    },
    (w) => {
      w.nodes[0].parameters.httpMethod = ['GET', '={{ $json.method }}'];
    },
  ]),
  ['webhook_path_duplicate', '/nodes/2/parameters/path', 'error', twoHooks(['PUT', 'GET']), twoHooks('={{ "GET" }}')],
  [
    'secret_in_parameters',
    '/nodes/1/parameters/text',
    'warning',
    parameters({ text: `use ${SECRET}` }),
    parameters({ text: 'task-0123456789abcdefghijklmnop' }),
  ],
  [
    'secret_in_parameters',
    '/nodes/1/parameters/headerParameters/parameters/0',
    'warning',
    header('Bearer 0123456789abcdef'),
    header('=Bearer {{ $json.token }}'),
  ],
];

/** What is around a workflow: the code, where it is found, what it is, and the text that is sent. */
const WRAPPED = [
  ['byte_order_mark', '', 'settled', (text) => `\uFEFF${text}`],
  ['workflow_wrapped', '', 'settled', (text) => `[${text}]`],
  ['workflow_wrapped', '', 'settled', (text) => `{"data": ${text}}`],
  ['workflow_wrapped', '', 'settled', (text) => `{"workflow": ${text}, "meta": {}}`],
  ['workflow_wrapped', '', 'settled', (text) => `{"data": [${text}], "nextCursor": null}`],
];

const has = (findings, code) => findings.find((finding) => finding.code === code);
const codes = (findings) => findings.map(({ code, path }) => `${code} ${path}`);

for (const [code, path, what, breaks, keeps = () => {}] of CASES) {
  test(`${code} (${what}) is found at ${path || 'the whole'}, and not in its twin`, async () => {
    const broken = sound();
    breaks(broken);
    const found = await judged(broken);
    const isError = ['error', 'mended'].includes(what);
    const isOfDeployment = what.startsWith('deployed');
    if (isOfDeployment) assert.ok(!has([...found.errors, ...found.warnings], code), 'n8n itself takes it');
    const verdict = isOfDeployment ? await judged(broken, '?deploy=true') : found;
    const finding = has(isError || what === 'deployed' ? verdict.errors : verdict.warnings, code);
    assert.ok(finding, JSON.stringify({ ...verdict, fixed: undefined }));
    assert.deepEqual(Object.keys(finding).sort(), ['code', 'fix', 'message', 'path']);
    assert.equal(finding.path, path);
    for (const words of [finding.message, finding.fix]) {
      assert.match(words, /^(["`A-Z]|n8n).*\.$/s);
      assert.doesNotMatch(words, /\{\}|""/);
    }
    const mended = ['mended', 'settled', 'deploy mended'].includes(what);
    assert.equal(finding.fix.startsWith('Take `fixed`, or '), mended, finding.fix);
    if (mended) {
      const { errors, warnings } = await judged(found.fixed, '?deploy=true');
      assert.deepEqual(codes(errors), []);
      assert.ok(!has(warnings, code));
    } else if (what === 'error' && found.fixed !== null) {
      assert.ok(has((await judged(found.fixed)).errors, code), 'what is not mended stays');
    }
    const deployed = await judged(broken, '?deploy=true');
    const blocks = ['deploy', 'deploy mended', 'deployed', 'nothing runs'].includes(what) || isError;
    assert.ok(has(blocks ? deployed.errors : deployed.warnings, code));
    const twin = sound();
    keeps(twin);
    const { errors, warnings } = await judged(twin, '?deploy=true');
    assert.ok(!has([...errors, ...warnings], code), JSON.stringify({ errors, warnings }));
  });
}

for (const [at, [code, path, , around]] of WRAPPED.entries())
  test(`${code} (${at}): the workflow is judged as it is, and that is said`, async () => {
    const workflow = sound();
    const sent = { method: 'POST', body: around(JSON.stringify(workflow)) };
    const headers = { 'content-type': 'application/json' };
    const { status, body, text } = await validate(undefined, { ...sent, headers });
    assert.equal(status, 200, text);
    assert.deepEqual([body.valid, body.errors], [true, []]);
    const { fixed, warnings } = await judged(workflow);
    assert.deepEqual(body.fixed, fixed);
    assert.deepEqual(codes(body.warnings), [`${code} ${path}`, ...codes(warnings)]);
    assert.ok(body.warnings[0].fix.startsWith('Take `fixed`, or '));
  });

test('settings of every n8n that there is go on, and those that no n8n has any more do not', async () => {
  const workflow = sound();
  const known = {
    ...{ executionOrder: 'v1', timeSavedMode: 'fixed', timeSavedPerExecution: 2, binaryMode: 'separate' },
    ...{ credentialResolverId: 'abc', customTelemetryTags: [{ key: 'a', value: 'b' }] },
  };
  workflow.settings = { ...known, workerPoolOverrideManual: 'x' };
  assert.deepEqual((await judged(workflow)).fixed.settings, known);
});

test('every code is tried', () => {
  const docs = readFileSync(join(root, 'docs', 'errors.md'), 'utf8');
  const [, rest] = docs.split("## Findings of a workflow's validation");
  const [section] = rest.split('\n## ');
  const documented = [...section.matchAll(/^\| `(\w+)` \| (.+?) \|/gm)];
  assert.deepEqual(
    [...new Set([...CASES, ...WRAPPED].map(([code]) => code))].sort(),
    documented.map(([, code]) => code).sort(),
  );
  // And said to be what it is.
  const words = {
    ...{ error: 'error', mended: 'error', warning: 'warning', settled: 'warning' },
    ...{ 'nothing runs': 'warning; error with `deploy` if nothing could run', deployed: 'error with `deploy`' },
    'deployed warning': 'warning with `deploy`',
  };
  for (const [, code, level] of documented) {
    let levels = new Set(
      [...CASES, ...WRAPPED]
        .filter(([tried]) => tried === code)
        .map(([, , what]) => words[what] ?? 'warning; error with `deploy`'),
    );
    // What is a warning elsewhere.
    if (levels.has(words['nothing runs'])) levels = new Set([words['nothing runs']]);
    assert.deepEqual([...levels], [level], code);
  }
});

test('a sound workflow has nothing to be said about', async () => {
  const { valid, errors, warnings, fixed } = await judged(sound(), '?deploy=true');
  assert.deepEqual({ valid, errors, warnings }, { valid: true, errors: [], warnings: [] });
  assert.deepEqual(Object.keys(fixed).sort(), ['connections', 'name', 'nodes', 'settings']);
});

test('`fixed` is the workflow, mended, and no more than n8n takes', async () => {
  const ids = [randomUUID(), randomUUID()];
  const sent = {
    id: 'abc',
    active: true,
    versionId: 'v',
    meta: {},
    tags: [],
    pinData: { A: [] },
    shared: [],
    name: 'Typical',
    nodes: [
      {
        id: ids[0],
        name: 'A',
        type: 'nodes-base.scheduleTrigger',
        typeVersion: 1.2,
        position: [0, 0],
        parameters: { rule: {} },
        createdAt: 'x',
        disabled: null,
      },
      {
        id: ids[1],
        name: 'B',
        type: 'slack',
        typeVersion: '2.3',
        position: [1.5, -2],
        parameters: { text: '={{ $json }}' },
        credentials: { slackApi: { id: '1', name: 'S' } },
      },
    ],
    connections: { [ids[0]]: { 0: [[{ node: 'b', type: '0' }]] }, B: { main: [[]] } },
    settings: { saveManualExecutions: 'true', timezone: null },
  };
  const { errors, fixed } = await judged(sent);
  assert.deepEqual(fixed, {
    name: 'Typical',
    nodes: [
      {
        id: ids[0],
        name: 'A',
        type: 'n8n-nodes-base.scheduleTrigger',
        typeVersion: 1.2,
        position: [0, 0],
        parameters: { rule: {} },
      },
      {
        id: ids[1],
        name: 'B',
        type: 'n8n-nodes-base.slack',
        typeVersion: 2.3,
        position: [1.5, -2],
        parameters: { text: '={{ $json }}' },
        credentials: { slackApi: { id: '1', name: 'S' } },
      },
    ],
    connections: { A: { main: [[{ node: 'B', type: 'main', index: 0 }]] } },
    settings: { saveManualExecutions: true },
  });
  assert.ok(errors.every(({ fix }) => fix.startsWith('Take `fixed`')));
  assert.deepEqual((await judged(fixed)).errors, []);
});

test('a secret is not repeated', async () => {
  const workflow = sound();
  parameters({ text: SECRET, header: { name: 'x-api-key', value: 'my-private-value-1' } })(workflow);
  const { warnings } = await judged(workflow);
  assert.equal(warnings.filter(({ code }) => code === 'secret_in_parameters').length, 2);
  assert.doesNotMatch(JSON.stringify(warnings), /sk-proj|my-private/);
});

const folder = join(root, 'tests', 'clixen', 'workflows');
// What nothing but an editor or another workflow starts.
const BY_HAND = ['loop-batches', 'newer-settings', 'switch-expression'];
for (const file of readdirSync(folder)) {
  const name = file.replace('.json', '');
  test(`${name}, as n8n exports it, has no errors and goes on whole`, async () => {
    const workflow = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    const { errors, warnings, fixed } = await judged(workflow);
    assert.deepEqual(errors, []);
    assert.deepEqual(fixed.nodes, workflow.nodes);
    const ends = (connections) =>
      Object.entries(connections).flatMap(([source, ports]) =>
        Object.entries(ports).flatMap(([port, outputs]) =>
          outputs.flatMap((ends, output) =>
            (ends ?? []).map((end) => JSON.stringify([source, port, output, end.node, end.type, end.index])),
          ),
        ),
      );
    assert.deepEqual(ends(fixed.connections).sort(), ends(workflow.connections).sort());
    // Of what is usual nothing is said: but of types that are not n8n's own, and of settings that its API does not take.
    const usual = ['node_type_unknown', 'setting_unknown', ...(BY_HAND.includes(name) ? ['trigger_missing'] : [])];
    assert.deepEqual(
      warnings.filter(({ code }) => !usual.includes(code)),
      [],
    );
    const deployed = await judged(workflow, '?deploy=true');
    assert.deepEqual(
      deployed.errors.map(({ code }) => code),
      BY_HAND.includes(name) ? ['trigger_missing'] : [],
    );
  });
}

test('what is no JSON object is refused as everywhere', async () => {
  const json = { 'content-type': 'application/json' };
  const raw = (body, headers = json) => validate(undefined, { method: 'POST', body, headers });
  for (const [body, headers, status, code] of [
    ['[]', json, 400, 'RG301'],
    ['[{"nodes": []}, {"nodes": []}]', json, 400, 'RG301'],
    ['[[[[{"nodes": []}]]]]', json, 400, 'RG301'],
    ['"x"', json, 400, 'RG301'],
    ['{', json, 400, 'RG301'],
    ['', json, 400, 'RG301'],
    ['{"name": 1, "name": 2}', json, 400, 'RG301'],
    ['{"nodes": "\\u0000"}', json, 400, 'RG301'],
    [`{"a":${'['.repeat(200)}${']'.repeat(200)}}`, json, 400, 'RG301'],
    ['{}', { 'content-type': 'text/plain' }, 415, 'RG303'],
    [JSON.stringify({ a: 'x'.repeat(1024 * 1024) }), json, 413, 'RG302'],
  ]) {
    const answer = await raw(body, headers);
    assert.equal(answer.status, status, body.slice(0, 40));
    assert.equal(answer.body.code, code);
  }
  assert.equal((await raw('{}')).body.valid, false);
});

test('it takes a key or a token', async () => {
  assert.equal((await validate(sound(), { key: undefined })).body.code, 'RG207');
  assert.equal((await validate(sound(), { key: undefined, token: await userToken() })).status, 200);
  assert.equal((await validate(undefined, { method: 'GET' })).status, 405);
});
