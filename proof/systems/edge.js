// What belongs to no system: the edge's own functions, health, and the data API's routes themselves.
import { HOLDERS } from '../credentials.js';

const data = (path, body) => ({ path, body, call: HOLDERS });

export default {
  relations: {},
  functions: {
    // The edge does not serve the schema: even its own token opens it at PostgREST only.
    'edge.ready()': { execute: [], database: { execute: ['edge'] } },
    'edge.running_experiments()': {
      execute: [],
      database: { execute: ['edge'] },
    },
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
