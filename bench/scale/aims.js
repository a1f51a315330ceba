// What hot reads have to reach.
import { rounded } from '../figures.js';

/** What row-level security may cost: so many times the same read without it or, where that takes less than a millisecond, so many more. */
const MOST_TIMES = 1.2;
const SHORT_MS = 1;
const MOST_MORE_MS = 0.1;

/** How many times the blocks another state of the statistics may cost, or how many blocks more. */
const MOST_TIMES_BLOCKS = 2;
const MOST_MORE_BLOCKS = 50;

const shown = ({ ms, blocks }) => `${rounded(ms)} ms, ${blocks} blocks`;

/**
 * The cost of row-level security: a row of the table.
 * @param {string} name of the read
 * @param {Figures} asUser
 * @param {Figures} bare
 * @typedef {{ms: number, planning: number, blocks: number, rows: number}} Figures medians; rows: read in tables
 */
export const securityRow = (name, asUser, bare) => ({
  name: `${name}: row-level security`,
  aim: `${MOST_TIMES} times, or ${MOST_MORE_MS} ms more below ${SHORT_MS} ms`,
  reached: `${rounded(asUser.ms / bare.ms)} times: ${shown(asUser)}, ${asUser.rows} rows read; planning ${rounded(asUser.planning)} ms`,
  met: asUser.ms <= bare.ms * MOST_TIMES || (bare.ms < SHORT_MS && asUser.ms - bare.ms <= MOST_MORE_MS),
  rival: `service_role, the condition written out: ${shown(bare)}, ${bare.rows} rows read; planning ${rounded(bare.planning)} ms`,
  figures: { user: asUser, bare },
});

/** Whether a state of the statistics costs about as much as fresh ones. */
export const isSteady = (fresh, other) =>
  other.blocks <= fresh.blocks * MOST_TIMES_BLOCKS || other.blocks - fresh.blocks <= MOST_MORE_BLOCKS;

/**
 * What the statistics of the moment do to a read: a row of the table.
 * @param {string} name of the read
 * @param {Record<string, Figures>} states by the state of the statistics, the fresh ones first
 */
export const statisticsRow = (name, states) => {
  const [fresh, ...others] = Object.values(states);
  return {
    name: `${name}: statistics`,
    aim: `at most ${MOST_TIMES_BLOCKS} times the blocks, or ${MOST_MORE_BLOCKS} more`,
    reached: Object.entries(states)
      .map(([state, figures]) => `${state}: ${shown(figures)}`)
      .join('; '),
    met: others.every((other) => isSteady(fresh, other)),
    figures: states,
  };
};
