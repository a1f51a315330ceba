// An n8n that stands for the real one: its public API as documented (https://docs.n8n.io/api/), with closed schemas, versions that are
// published, webhooks that are registered apart from that, and everything that can go wrong.
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

const WORKFLOW = ['name', 'nodes', 'connections', 'settings', 'staticData', 'pinData'];
const NODE = [
  ...['id', 'name', 'webhookId', 'disabled', 'notesInFlow', 'notes', 'type', 'typeVersion', 'executeOnce'],
  ...['alwaysOutputData', 'retryOnFail', 'maxTries', 'waitBetweenTries', 'continueOnFail', 'onError', 'position'],
  ...['parameters', 'credentials', 'customTelemetryTags'],
];
const SETTINGS = [
  ...['saveExecutionProgress', 'saveManualExecutions', 'saveDataErrorExecution', 'saveDataSuccessExecution'],
  ...['executionTimeout', 'errorWorkflow', 'timezone', 'executionOrder', 'callerPolicy', 'callerIds', 'binaryMode'],
  ...['timeSavedMode', 'timeSavedPerExecution', 'redactionPolicy', 'availableInMCP', 'customTelemetryTags'],
  'credentialResolverId',
];
const TRIGGER = /trigger$|\.webhook$|\.cron$|\.interval$/i;

const extra = (value, known) => Object.keys(value).find((key) => !known.includes(key));
/** What n8n's rule of the structure of a workflow finds. */
const structure = ({ nodes, connections }) => {
  const names = new Set(nodes.map(({ name }) => name));
  if (names.size < nodes.length) return 'Workflow structure is invalid. Duplicate node name';
  if (new Set(nodes.map(({ id }) => id)).size < nodes.length)
    return 'Workflow structure is invalid. Nodes share the node ID';
  for (const [source, ports] of Object.entries(connections)) {
    if (!names.has(source)) return `Workflow structure is invalid. Connection source "${source}" does not exist`;
    for (const [port, outputs] of Object.entries(ports))
      for (const ends of outputs)
        for (const { node } of ends ?? [])
          if (!names.has(node))
            return `Workflow structure is invalid. connections.${source}.${port}: no node "${node}"`;
  }
  return undefined;
};

/** What is wrong with a body, in the words of n8n's validator. */
const fault = (body) => {
  for (const name of ['name', 'nodes', 'connections', 'settings'])
    if (!(name in body)) return `request/body must have required property '${name}'`;
  const closed = (at, value, known) => {
    const odd = extra(value, known);
    return odd && `request/body${at} must NOT have additional properties (${odd})`;
  };
  if (body.name.length < 1 || body.name.length > 128) return 'Workflow name must be 1 to 128 characters long.';
  return (
    structure(body) ??
    closed('', body, WORKFLOW) ??
    closed('/settings', body.settings, SETTINGS) ??
    body.nodes.map((node, at) => closed(`/nodes/${at}`, node, NODE)).find(Boolean)
  );
};

/** Where a node listens, by n8n's descriptions of its nodes: what an expression says is left as it is. */
const listening = ({ type, typeVersion, parameters, webhookId, disabled }) => {
  if (disabled) return [];
  const { path = '', options = {}, httpMethod = 'GET' } = parameters;
  const all = (methods, at) => [methods].flat().map((method) => [method, at]);
  switch (type) {
    case 'n8n-nodes-base.webhook':
      return all(httpMethod, path || webhookId);
    case 'n8n-nodes-base.formTrigger':
      return all(['GET', 'POST'], typeVersion < 2 ? `${path}/n8n-form` : path || options.path || webhookId);
    case '@n8n/n8n-nodes-langchain.mcpTrigger':
      if (typeVersion < 2) return [...all('GET', `${path}/sse`), ...all('POST', `${path}/messages`)];
      return all(['GET', 'POST', 'DELETE'], path || webhookId);
    case '@n8n/n8n-nodes-langchain.chatTrigger':
      return all(['GET', 'POST'], `${webhookId}/chat`);
    case 'n8n-nodes-base.githubTrigger':
      return all('POST', `${webhookId}/webhook`);
    default:
      return [];
  }
};
const webhooksOf = ({ nodes }) =>
  nodes.flatMap((node) =>
    listening(node).map(([method, at]) => {
      const path = `${at}`.trim().replace(/^\/|\/$/g, '');
      return { method, path: /(^|\/):/.test(path) ? `${node.webhookId}/${path}` : path };
    }),
  );

/**
 * Starts one. `workflows` is what it holds, by id; `calls` what it was asked. `behave(hook)` puts a hook before every answer: it gets
 * `{method, path, body}` and gives nothing, `{status, body}` to answer in its place, 'drop' to break the connection, 'hang' never to answer,
 * or 'drop after' and 'hang after' to do the work and then not answer.
 * @param {{key?: string, older?: boolean, deaf?: number}} options older: without publish; deaf: so many times it takes a workflow for active without its webhooks
 */
export const startN8n = async ({ key = randomUUID(), older = false, deaf = 0 } = {}) => {
  const workflows = new Map();
  const registered = new Map();
  const calls = [];
  let hook = () => undefined;
  let deafness = deaf;
  const hanging = new Set();

  const unregister = (id) => {
    for (const [at, owner] of registered) if (owner === id) registered.delete(at);
  };
  const publish = (workflow) => {
    if (!workflow.nodes.some(({ type, disabled }) => TRIGGER.test(type) && !disabled && !/manualTrigger$/.test(type)))
      return [400, { message: 'Workflow cannot be activated because it has no trigger node' }];
    const wanted = webhooksOf(workflow).map(({ method, path }) => `${method} ${path}`);
    if (wanted.some((at) => registered.has(at) && registered.get(at) !== workflow.id))
      return [409, { message: 'There is a conflict with one of the webhooks.' }];
    unregister(workflow.id);
    if (deafness > 0) deafness -= 1;
    else for (const at of wanted) registered.set(at, workflow.id);
    workflow.active = true;
    workflow.activeVersionId = workflow.versionId;
    workflow.published = structuredClone(workflow.nodes);
    return [200, workflow];
  };
  const unpublish = (workflow) => {
    unregister(workflow.id);
    workflow.active = false;
    workflow.activeVersionId = null;
    return [200, workflow];
  };
  const list = (query) => {
    const size = Math.min(Number(query.get('limit') ?? 100), 250);
    const from = query.get('cursor') ? Number(Buffer.from(query.get('cursor'), 'base64').toString()) : 0;
    const all = [...workflows.values()].filter(({ name }) => name.includes(query.get('name') ?? ''));
    const nextCursor = from + size < all.length ? Buffer.from(`${from + size}`).toString('base64') : null;
    return [200, { data: all.slice(from, from + size), nextCursor }];
  };
  const store = (id, body) => {
    const now = new Date().toISOString();
    const before = workflows.get(id);
    const made = { createdAt: now, active: false, activeVersionId: null, isArchived: false, ...before, ...body };
    // n8n keeps the settings that an update leaves out.
    made.settings = { ...before?.settings, ...body.settings };
    Object.assign(made, { id, updatedAt: now, versionId: randomUUID(), meta: null, triggerCount: 0, tags: [] });
    workflows.set(id, made);
    return [200, made];
  };
  const api = (method, [id, verb], query, body) => {
    if (id === undefined) {
      if (method === 'GET') return list(query);
      if (method !== 'POST') return [405, { message: `${method} method not allowed` }];
      const wrong = fault(body);
      return wrong ? [400, { message: wrong }] : store(randomUUID().replaceAll('-', '').slice(0, 16), body);
    }
    const newer = { publish, unpublish };
    const verbs = older ? {} : newer;
    const work = { activate: publish, deactivate: unpublish, ...verbs }[verb];
    if (verb !== undefined && !work) return [older && verb in newer ? 405 : 404, { message: 'not found' }];
    const workflow = workflows.get(id);
    if (!workflow) return [404, { message: 'Not Found' }];
    if (work) return method === 'POST' ? work(workflow) : [405, { message: 'not allowed' }];
    if (method === 'GET') return [200, workflow];
    if (method === 'DELETE') {
      unregister(id);
      workflows.delete(id);
      return [200, workflow];
    }
    const wrong = fault(body);
    return wrong ? [400, { message: wrong }] : store(id, body);
  };

  const server = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const url = new URL(request.url, 'http://n8n.test');
    const body = text ? JSON.parse(text) : undefined;
    const { method } = request;
    const path = url.pathname;
    calls.push({ method, path, query: url.search, body, headers: request.headers });
    const how = await hook({ method, path, body });
    const stop = (word) => {
      if (word === 'drop') request.socket.destroy();
      else hanging.add(response);
    };
    if (how === 'drop' || how === 'hang') return stop(how);
    const answer = () => {
      if (path.startsWith('/webhook/')) {
        const at = path.slice('/webhook/'.length);
        const methods = [...registered.keys()]
          .filter((each) => each.endsWith(` ${at}`))
          .map((each) => each.split(' ')[0]);
        if (method !== 'OPTIONS') return [methods.includes(method) ? 200 : 404, {}];
        return [204, undefined, { 'access-control-allow-methods': ['OPTIONS', ...methods].join(', ') }];
      }
      const [, rest] = /^\/api\/v1\/workflows(?:\/(.+))?$/.exec(path) ?? [];
      if (!path.startsWith('/api/v1/workflows')) return [404, { message: 'not found' }];
      if (request.headers['x-n8n-api-key'] !== key)
        return [401, { message: `unauthorized: ${request.headers['x-n8n-api-key']}` }];
      return api(method, rest?.split('/') ?? [], url.searchParams, body);
    };
    const [status, made, headers = {}] = how?.status ? [how.status, how.body] : answer();
    if (typeof how === 'string') return stop(how.split(' ')[0]);
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(made === undefined ? undefined : JSON.stringify(made));
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    key,
    workflows,
    registered,
    calls,
    behave: (next) => {
      hook = next ?? (() => undefined);
    },
    /** Whether n8n would let one workflow run another: a rule of the one that is run. */
    lets: (caller, callee) => {
      const { callerPolicy = 'workflowsFromSameOwner', callerIds = '' } = workflows.get(callee).settings;
      if (callerPolicy === 'workflowsFromAList') return callerIds.split(',').some((id) => id.trim() === caller);
      return callerPolicy !== 'none';
    },
    /** How often it was asked for something, such as 'POST /api/v1/workflows'. */
    count: (method, pattern) => calls.filter((call) => call.method === method && pattern.test(call.path)).length,
    stop: () => {
      for (const response of hanging) response.destroy();
      server.closeAllConnections();
      return new Promise((resolve) => {
        server.close(resolve);
      });
    },
  };
};
