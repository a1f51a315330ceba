// The throw-away system that a benchmark measures: PostgreSQL waits for the disk, as in production.
import { SetupError } from '../dev/setup.js';
import { withThrowAway } from '../dev/throwaway.js';

/**
 * Calls the body with a system of its own, which is stopped and removed afterwards. A part that dies ends the benchmark.
 * @param {{stopping: AbortController, only?: string, accounts?: boolean, cacheTokens?: boolean, say: Function}} options only, accounts,
 * cacheTokens: as startStack takes
 * them
 */
export const withBenchmarkSystem = ({ stopping, only, accounts, cacheTokens, say }, body) => {
  say('starting a throw-away PostgreSQL and PostgREST');
  const failed = (part, why) => stopping.abort(new SetupError(`${why}. Its log ends with:\n${part.tail()}`));
  return withThrowAway(
    'bench',
    { only, accounts, cacheTokens, durable: true, say, failed },
    async ({ data, stack }) => {
      try {
        stopping.signal.throwIfAborted();
        return await body({ data, stack });
      } finally {
        say('stopping');
      }
    },
  );
};
