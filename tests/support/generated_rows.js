// Generated rows of every table, by the systems whose tests are here: each folder of tests/ may have a support/generated_rows.js.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../dev/paths.js';

const files = readdirSync(join(root, 'tests'))
  .map((system) => join(root, 'tests', system, 'support', 'generated_rows.js'))
  .filter((file) => existsSync(file));
const systems = await Promise.all(files.map((file) => import(file)));

/** Statements by table; $1 is how many rows. */
export const rows = Object.assign({}, ...systems.map((system) => system.rows));
