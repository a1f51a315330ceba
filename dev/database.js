// The database that a command is about: DATABASE_URL, else that of the running stack, else the local stack's, started for the
// command alone.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { dataDirectory } from './paths.js';
import { SetupError } from './setup.js';

const running = () => {
  const file = join(dataDirectory(), 'dev.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).database_url : undefined;
};

/**
 * Calls the body with the database's address, once the guard has let it pass.
 * @param {(databaseUrl: string) => Promise<any>} body
 * @param {{guard?: (databaseUrl: string) => void, say: Function}} options
 */
export const withDatabase = async (body, { guard = () => {}, say }) => {
  const { answers } = await import('./postgres.js');
  const known = process.env.DATABASE_URL || running();
  if (known) guard(known);
  if (known && (await answers(known))) return body(known);
  if (process.env.DATABASE_URL) {
    throw new SetupError('DATABASE_URL: this database does not answer. Start it, or correct the address.');
  }
  const { startStack } = await import('./stack.js');
  say('starting the local PostgreSQL for this command');
  const stack = await startStack({ data: dataDirectory(), only: 'database', say });
  try {
    return await body(stack.databaseUrl);
  } finally {
    await stack.stop();
  }
};
