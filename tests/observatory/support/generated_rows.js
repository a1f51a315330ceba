// Generated rows of the tables of observatory; $1 is how many rows. Values differ from row to row and fill what is optional.
import { rows as counting } from './rows/counting.js';
import { rows as ingest } from './rows/ingest.js';
import { rows as live } from './rows/live.js';
import { rows as people } from './rows/people.js';
import { rows as search } from './rows/search.js';
import { rows as sessions } from './rows/sessions.js';

/** Statements by table. */
export const rows = { ...ingest, ...live, ...people, ...sessions, ...search, ...counting };
