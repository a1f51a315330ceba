// What belongs to no system: the edge's own functions, health, and the data API's routes themselves.
import { randomUUID } from 'node:crypto';
import { HOLDERS } from '../credentials.js';

const data = (path, body) => ({ path, body, call: HOLDERS });

/** Executed by the edge's own token, and at PostgREST only. */
const edges = { execute: [], database: { execute: ['edge'] } };
const STAFF = ['admin', 'service'];
const staff = { execute: [], database: { execute: STAFF, depends: null } };
const byAddress = (marker) => ({ email: `${marker}@example.org` });
// A random id: for a deployment that exists, these functions show it to the edge, as they should.
const byId = () => ({ deployment_id: randomUUID() });

export default {
  relations: {},
  functions: {
    // The edge does not serve the schema: even its own token opens it at PostgREST only.
    'edge.ready()': { execute: [], database: { execute: ['edge'] } },
    'edge.running_experiments()': {
      execute: [],
      database: { execute: ['edge'] },
    },
    'edge.claim_deployment(uuid)': { arguments: byId, ...edges },
    'edge.note_deployment(uuid, uuid, text)': {
      arguments: () => ({ ...byId(), lease: randomUUID(), n8n_workflow_id: 'n8n1' }),
      ...edges,
    },
    'edge.finish_deployment(uuid, uuid, jsonb)': {
      arguments: () => ({ ...byId(), lease: randomUUID(), outcome: { status: 'deployed' } }),
      ...edges,
    },
    'edge.unfinished_deployments(integer)': { arguments: () => ({ most: 1 }), ...edges },
    'edge.removed_from_n8n(text, boolean)': {
      arguments: (marker) => ({ n8n_workflow_id: marker, is_out: true }),
      ...edges,
    },
    'edge.deployment_workflow(uuid, uuid, boolean)': {
      arguments: () => ({ ...byId(), lease: randomUUID(), before: false }),
      ...edges,
    },
    'edge.own_workflows(uuid, uuid, text[])': {
      arguments: (marker) => ({ ...byId(), lease: randomUUID(), named: [marker] }),
      ...edges,
    },
    'edge.called_workflow(uuid, uuid, text)': {
      arguments: (marker) => ({ ...byId(), lease: randomUUID(), n8n_workflow_id: marker }),
      ...edges,
    },
    'edge.note_job(text, bigint, bigint, text)': {
      arguments: (marker) => ({ job: marker, took_ms: 1, rows: 0, error: null }),
      ...edges,
    },
    // The caller's own token opens them.
    'edge.export_person(text, text[])': { arguments: byAddress, ...staff },
    'edge.erase_person(text, text[], boolean)': { arguments: byAddress, ...staff },
    'edge.run_job(text)': {
      arguments: () => ({ job: 'abandon_inactive_sessions' }),
      execute: [],
      database: { execute: ['edge'] },
    },
  },
  routes: {
    'GET /healthz': { call: 'everybody' },
    'GET /readyz': { call: 'everybody' },
    'GET /rest/v1/{relation}': data('/rest/v1/projects?limit=0'),
    'POST /rest/v1/{relation}': data('/rest/v1/projects', () => ({})),
    'PATCH /rest/v1/{relation}': data('/rest/v1/projects?name=eq.nothing', () => ({ name: 'nothing' })),
    'PUT /rest/v1/{relation}': data('/rest/v1/projects?id=eq.nothing', () => ({})),
    'DELETE /rest/v1/{relation}': data('/rest/v1/projects?name=eq.nothing'),
    'GET /rest/v1/rpc/{function}': data('/rest/v1/rpc/nothing'),
    'POST /rest/v1/rpc/{function}': data('/rest/v1/rpc/nothing', () => ({})),
  },
};
