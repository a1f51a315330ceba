// Nothing happens but traffic: no error, no growth, no drift.
import { driftRows, endRows, errorRow, memoryRows, report, sharedRow } from './aims.js';
import { soak } from './run.js';

/** Seconds of the soak, a tenth of which is called a minute here, and requests that begin in a second. */
export const SIZES = { seconds: 600, rate: 60 };
export const only = 'behind the edge';
export const accounts = true;
// What operations.md says of PostgREST 12.0.2.
export const cacheTokens = false;

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async (system) => {
  const found = await soak(system);
  const { postgresErrors } = found;
  const rows = [
    errorRow(found),
    {
      name: 'errors in the log of PostgreSQL',
      aim: 'none',
      reached: `${postgresErrors.length}`,
      met: postgresErrors.length === 0,
      ...(postgresErrors.length > 0 && {
        plan: [...new Set(postgresErrors.map((line) => line.replace(/^.*?(ERROR|FATAL|PANIC)/, '$1')))]
          .slice(0, 20)
          .join('\n'),
      }),
    },
    ...memoryRows(found),
    sharedRow(found),
    ...driftRows(found),
    ...endRows(found),
  ];
  return report(rows, system.say);
};
