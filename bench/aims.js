// Whether what was to be reached was reached: a word in each table, and the run's status.

/** The word of a row's table. @param {boolean} met */
export const verdict = (met) => (met ? 'reached' : 'MISSED');

/**
 * Ends the run with status 1 if an aim was missed, once everything is printed and written.
 * @param {{name: string, met: boolean}[]} rows
 * @returns {number} how many were missed
 */
export const settle = (rows) => {
  const missed = rows.filter(({ met }) => met !== true);
  for (const { name } of missed) console.error(`[bench] MISSED: ${name}`);
  if (missed.length > 0) process.exitCode = 1;
  return missed.length;
};
