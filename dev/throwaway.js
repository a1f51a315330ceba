// A throw-away system in a temporary folder, for the tests, the proof, benchmarks and comparisons. It uses parts of its own,
// whatever the developer's environment says.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitOnSignals } from './process.js';
import { startStack } from './stack.js';

/** Variables that would put a developer's own parts in the place of throw-away ones. */
const OTHER_PARTS = ['DATABASE_URL', 'POSTGREST_URL', 'EDGE_SIGNING_KEY', 'AUTHENTICATOR_URL'];

/**
 * Starts a throw-away system. `stop()` ends it and removes its folder.
 * @param {string} purpose a word for the folder's name
 * @param {{only?: string, accounts?: boolean, durable?: boolean, say?: Function, failed?: Function}} options as startStack takes them; durable: whether
 * PostgreSQL waits for the disk, as in production. Without it a crash of the machine loses data; a crash of PostgreSQL does not.
 */
export const startThrowAway = async (purpose, { durable = false, ...options } = {}) => {
  const data = mkdtempSync(join(tmpdir(), `rowgate-${purpose}-`));
  const remove = () => rmSync(data, { recursive: true, force: true });
  exitOnSignals();
  process.on('exit', remove);
  for (const name of OTHER_PARTS) delete process.env[name];
  try {
    const stack = await startStack({ data, throwAway: true, quiet: true, durable, ...options });
    const stop = async () => {
      await stack.stop();
      remove();
      process.off('exit', remove);
    };
    return { data, stack, stop };
  } catch (error) {
    remove();
    throw error;
  }
};

/** Calls the body with a throw-away system, which is stopped and removed afterwards. */
export const withThrowAway = async (purpose, options, body) => {
  const system = await startThrowAway(purpose, options);
  try {
    return await body(system);
  } finally {
    await system.stop();
  }
};
