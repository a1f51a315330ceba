// Rows with sealed values in the tables of systems: each folder of tests/ whose system is served may have a support/sealed_rows.js.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../dev/paths.js';
import { systems } from '../../dev/systems.js';

const files = systems()
  .map(({ name }) => join(root, 'tests', name, 'support', 'sealed_rows.js'))
  .filter((file) => existsSync(file));
const all = await Promise.all(files.map((file) => import(file)));

/**
 * By table: `insert`, a statement that makes $1 rows under key 1 and returns their ids, and `parent`, the table that has the same ids. Where a test
 * can make no rows: `none`, the reason, and `forget`, a statement that removes what is sealed under any later key.
 */
export const sealedRows = Object.assign({}, ...all.map((system) => system.sealedRows));

/**
 * Ends a test that rewrapped every table to a key of its own: rows that belong to no test are sealed again under the system's key when they
 * are next needed, so that other tests can open them.
 */
export const forgetForeignSeals = async (sql) => {
  for (const { forget } of Object.values(sealedRows)) if (forget) await sql(forget);
};
