// Migrations that are no part of the product: of the core's tests, and of systems and plain tables of somebody's own.
import { readFileSync } from 'node:fs';
import { isOwnMigration, migrationFiles } from '../../dev/systems.js';

/** Their text. */
export const ownSql = migrationFiles()
  .filter(isOwnMigration)
  .map((file) => readFileSync(file, 'utf8'))
  .join('\n');
