// npm run bench -- changes: how late listeners hear of a change, and what they and the writes cost the database.
import { benchmarkOfParts } from '../parts.js';
import * as lag from './lag.js';
import * as polls from './polls.js';
import * as writes from './writes.js';

export const run = benchmarkOfParts('changes', { lag, polls, writes });
