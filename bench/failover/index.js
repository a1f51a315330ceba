// npm run bench -- failover: several machines on one, of which one after the other is killed.
import { benchmarkOfParts } from '../parts.js';
import * as machines from './machines.js';

export const run = benchmarkOfParts('failover', { machines });
