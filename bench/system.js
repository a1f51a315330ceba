// The throw-away system that a benchmark measures: PostgreSQL waits for the disk, as in production.
import { SetupError } from '../dev/setup.js';
import { withThrowAway } from '../dev/throwaway.js';
import { query } from './query.js';

const COST = `select split_part(s, '=', 2) as cost from pg_roles, unnest(rolconfig) as s
  where rolname = 'authenticator' and s like 'random_page_cost=%'`;

/** Lets every connection plan as PostgREST's do, whose role says what it costs to read a block anywhere. */
const planAsPostgrest = async ({ databaseUrl }) => {
  const [said] = await query(databaseUrl, COST);
  if (!said) return;
  await query(databaseUrl, `alter system set random_page_cost = ${said.cost}`);
  await query(databaseUrl, 'select pg_reload_conf()');
};

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
        await planAsPostgrest(stack);
        return await body({ data, stack });
      } finally {
        say('stopping');
      }
    },
  );
};
