// assistant: members ask their tenant's model; the edge alone begins, saves and ends a turn.
import { randomUUID } from 'node:crypto';
import { MEMBERS } from './tenants.js';

const ofEdge = { execute: [], database: { execute: ['edge'] } };
// No question: members are told so, everybody else that they are no member.
const begin = {
  arguments: () => ({ request: {} }),
  execute: [],
  vouched: { execute: MEMBERS },
  depends: 'that the edge keeps the sealed key to itself',
};

export default {
  relations: {},
  functions: {
    'assistant.begin_chat(jsonb)': begin,
    'assistant.begin_completion(jsonb)': begin,
    'assistant.list_models()': { execute: MEMBERS, depends: null },
    'assistant.find_model(text)': { arguments: () => ({ model: 'gpt-5-mini' }), execute: MEMBERS, depends: null },
    'edge.save_chat(uuid, text)': { arguments: (marker) => ({ turn: randomUUID(), content: marker }), ...ofEdge },
    'edge.end_chat(uuid, jsonb)': {
      arguments: (marker) => ({ turn: randomUUID(), outcome: { end: 'whole', content: marker } }),
      ...ofEdge,
    },
  },
  routes: {
    'POST /v1/chat': { body: (marker) => ({ message: marker }), call: ['user'] },
    'POST /v1/chat/completions': {
      body: (marker) => ({ model: 'gpt-5-mini', messages: [{ role: 'user', content: marker }] }),
      call: ['user'],
    },
    'GET /v1/models': { call: ['user'] },
    'GET /v1/models/{model}': { path: '/v1/models/gpt-5-mini', call: ['user'] },
  },
};
