// Generated rows of the tables of assistant; $1 is how many rows. Values differ from row to row and fill what is optional.
import { rows as people } from './rows/people.js';
import { rows as talk } from './rows/talk.js';
import { rows as usage } from './rows/usage.js';

/** Statements by table. */
export const rows = { ...people, ...talk, ...usage };
