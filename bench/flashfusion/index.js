// npm run bench -- flashfusion: what flashfusion's speeds must be.
import { benchmarkOfParts } from '../parts.js';
import * as billing from './billing.js';
import * as keys from './keys.js';
import * as queue from './queue.js';
import * as usage from './usage.js';

export const run = benchmarkOfParts('flashfusion', { keys, queue, usage, billing });
