// npm run bench -- observatory: what observatory's speeds must be.
import { benchmarkOfParts } from '../parts.js';
import * as analytics from './analytics.js';
import * as hooks from './hooks.js';
import * as ingest from './ingest.js';
import * as search from './search.js';

export const run = benchmarkOfParts('observatory', { analytics, hooks, ingest, search });
