// A throw-away system for a benchmark.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SetupError } from '../dev/setup.js';
import { startStack } from '../dev/stack.js';

/**
 * Calls the body with a system of its own, which is gone afterwards.
 * @param {{stopping: AbortController, only?: string, say: Function}} options only: as startStack takes it
 */
export const withStack = async ({ stopping, only, say }, body) => {
  const data = mkdtempSync(join(tmpdir(), 'rowgate-bench-'));
  // Parts of its own, whatever the developer's environment says.
  for (const name of ['DATABASE_URL', 'POSTGREST_URL', 'EDGE_SIGNING_KEY', 'AUTHENTICATOR_URL']) {
    delete process.env[name];
  }
  try {
    say('starting a throw-away PostgreSQL and PostgREST');
    const failed = (part, why) => stopping.abort(new SetupError(`${why}. Its log ends with:\n${part.tail()}`));
    const stack = await startStack({ data, only, throwAway: true, quiet: true, say, failed });
    try {
      stopping.signal.throwIfAborted();
      return await body({ data, stack });
    } finally {
      say('stopping');
      await stack.stop();
    }
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
};
