// Generated rows of the tables of flashfusion, by part; $1 is how many rows. Values differ from row to row and fill what is optional.
import { rows as keys } from './rows/keys.js';
import { rows as money } from './rows/money.js';
import { rows as queue } from './rows/queue.js';

/** Statements by table. */
export const rows = { ...keys, ...queue, ...money };
