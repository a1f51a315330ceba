// npm run bench -- soak: traffic of all systems at a steady rate, and what it does to memory, errors and times; and the same while
// PostgreSQL restarts.
import { systems } from '../../dev/systems.js';
import { benchmarkOfParts } from '../parts.js';
import * as restart from './restart.js';
import * as steady from './steady.js';

export const run = benchmarkOfParts('soak', systems().length === 0 ? {} : { steady, restart });
