// npm run bench -- assistant: what assistant's speeds must be.
import { benchmarkOfParts } from '../parts.js';
import * as chat from './chat.js';
import * as lists from './lists.js';
import * as quota from './quota.js';
import * as summaries from './summaries.js';

export const run = benchmarkOfParts('assistant', { lists, quota, summaries, chat });
