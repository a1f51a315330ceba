// growth: what has been decided, by schema.
import { merged } from '../merged.js';
import analytics from './analytics.js';
import experiments from './experiments.js';
import marketing from './marketing.js';
import onboarding from './onboarding.js';
import whatsapp from './whatsapp.js';

/** Functions of the schema `edge`: executed by the edge's own token, and at PostgREST only. */
const edge = {
  functions: { 'edge.running_experiments()': { execute: [], database: { execute: ['edge'] } } },
};

export default merged([marketing, onboarding, analytics, experiments, whatsapp, edge]);
