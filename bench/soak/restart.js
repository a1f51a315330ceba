// The same while PostgreSQL is stopped half way, as an upgrade stops it, and started again.
import { setTimeout as sleep } from 'node:timers/promises';
import { backRows, driftRows, endRows, gapRows, report, sharedRow } from './aims.js';
import { soak } from './run.js';

export { accounts, cacheTokens, only, SIZES } from './steady.js';

/** Seconds for which PostgreSQL is away, and at most this part of the soak. */
const ABSENT = 5;
const PART = 0.04;

const restart = async ({ stack, note, seconds }) => {
  note('stops');
  await stack.postgres.part.stop();
  await sleep(Math.min(ABSENT, PART * seconds) * 1000);
  await stack.postgres.part.start();
  note('answers');
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async (system) => {
  const found = await soak(system, restart);
  return report(
    [...gapRows(found), ...backRows(found), sharedRow(found), ...driftRows(found), ...endRows(found)],
    system.say,
  );
};
