// What hot reads have to reach.
import { rounded } from '../figures.js';

/** What row-level security may cost: so many times the same read without it or, where that takes less than a millisecond, so many more. */
const MOST_TIMES = 1.2;
const SHORT_MS = 1;
const MOST_MORE_MS = 0.1;

/**
 * How many times the blocks another state of the statistics may cost, or how many blocks more. Or a block for each row, where
 * the same rows are read: how many rows share a block depends on the order in which they came. More blocks are a fault only if they take
 * time, too.
 */
const MOST_TIMES_BLOCKS = 2;
const MOST_MORE_BLOCKS = 50;
const MOST_MORE_STATE_MS = 1;
/** The time that it may take whatever its blocks: a nested loop over rows that are in memory reads few. */
const MOST_TIMES_STATE = 3;
const STATISTICS_AIM = `${MOST_TIMES_STATE} times the time, and ${MOST_TIMES_BLOCKS} times the blocks, ${MOST_MORE_BLOCKS} more, or one for each of the same rows; or ${MOST_MORE_STATE_MS} ms more`;

export const shown = ({ ms, blocks }) => `${rounded(ms)} ms, ${blocks} blocks`;

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

const readsAsMuch = (fresh, other) =>
  other.blocks <= Math.max(fresh.blocks * MOST_TIMES_BLOCKS, fresh.blocks + MOST_MORE_BLOCKS) ||
  (other.blocks <= fresh.rows && other.rows <= fresh.rows);

/** Whether a state of the statistics costs about as much as fresh ones. @param {Figures} fresh @param {Figures} other */
export const isSteady = (fresh, other) =>
  other.ms <= fresh.ms + MOST_MORE_STATE_MS || (readsAsMuch(fresh, other) && other.ms <= fresh.ms * MOST_TIMES_STATE);

/**
 * What the statistics of the moment do to a read: a row of the table.
 * @param {string} name of the read
 * @param {Record<string, Figures>} states by the state of the statistics, the fresh ones first
 */
export const statisticsRow = (name, states) => {
  const [fresh, ...others] = Object.values(states);
  return {
    name: `${name}: statistics`,
    aim: STATISTICS_AIM,
    reached: Object.entries(states)
      .map(([state, figures]) => `${state}: ${shown(figures)}`)
      .join('; '),
    met: others.every((other) => isSteady(fresh, other)),
    figures: states,
  };
};

/**
 * How many times the blocks a statement may read where there are ten or a hundred times the rows: an index of ten million rows is half as deep
 * again as one of a hundred thousand. Or so many blocks more, which are a few levels of several indexes.
 */
const MAX_GROWTH = 1.5;
const MAX_MORE_BLOCKS = 50;
/** The same of the time: the blocks of a small database stay in the processor's caches, those of a large one do not. */
const MAX_GROWTH_MS = 2;
const MAX_MORE_MS = 0.3;
/** What a hundred users at once must get of the calls a second that ten get who ask over as many connections. */
const MIN_OF_TEN = 0.7;
/** The part of their time that ten users may wait for locks of each other. */
const MAX_LOCKED = 0.1;

export const GROWTH_AIM = `at most ${MAX_GROWTH} times the blocks and ${MAX_GROWTH_MS} times the time, or ${MAX_MORE_BLOCKS} blocks and ${MAX_MORE_MS} ms more`;
/** The same of what must grow, beside how many times the rows there are. */
const GROWS_AIM = `at most ${MAX_GROWTH} times the blocks and ${MAX_GROWTH_MS} times the time, for each of the rows`;
const FEWER_AIM = 'no more with fewer rows';
export const USERS_AIM = `100 users get at least ${MIN_OF_TEN} of the calls a second of 10 at a time, over as many connections; 10 wait for locks at most ${MAX_LOCKED} of their time`;

/** Whether a statement takes one user longer than at the smallest size. @param {number} from milliseconds there @param {number} ms */
export const takesLonger = (from, ms, times = MAX_GROWTH_MS) => ms > Math.max(from * times, from + MAX_MORE_MS);

/** The same of a statement that may grow as the rows do. @param {number} ofRows how many times the rows there are */
export const missesTime = (from, ms, ofRows) => takesLonger(from, ms, ofRows * MAX_GROWTH_MS);

/**
 * Whether a hundred users hinder each other. `turns`, if it was measured: the same hundred connections, ten of which ask at a time. What each
 * call finds in the processor's caches is the same then, and nobody waits for ninety others.
 * @param {{users: Users, turns?: {perSecond: number}}} found
 */
export const isHindered = ({ users, turns }) =>
  users[100].perSecond < MIN_OF_TEN * Math.min(users[10].perSecond, turns?.perSecond ?? Number.POSITIVE_INFINITY);

/** Whether ten users wait for locks of each other: one after the other, a hundred get as much as ten. @param {{users: Users}} found */
export const isLocked = ({ users }) => users[10].locked > MAX_LOCKED;

/** How many times what a statement costs may become. @param {number} ofRows how many times the rows there are */
export const mayGrow = ({ grows, times = Number.POSITIVE_INFINITY }, ofRows) => (grows ? Math.min(ofRows, times) : 1);

/** What a curve misses of its aims, in words. */
const missedBy = (points, { grows, times, contends }) => {
  const [first, ...larger] = points;
  // What must grow may grow as the rows do; for each of them, as any other: indexes become deeper, and the blocks leave the caches.
  const ofRows = ({ size }) => mayGrow({ grows, times }, size / first.size);
  const readsMore = (point) =>
    point.blocks > Math.max(first.blocks * ofRows(point) * MAX_GROWTH, first.blocks + MAX_MORE_BLOCKS);
  const from = first.users[1].ms;
  const asState = ({ blocks, users }) => ({ blocks, rows: 0, ms: users[1].ms });
  // A plan that is bad for small tables only: more rows cost less.
  const isWorse = (point, at) => points.slice(at + 1).some((more) => !isSteady(asState(more), asState(point)));
  return [
    points.some(isWorse) && 'fewer rows',
    larger.some(readsMore) && 'blocks',
    larger.some((point) => missesTime(from, point.users[1].ms, ofRows(point))) && 'time',
    !contends && points.some(isHindered) && 'users',
    !contends && points.some(isLocked) && 'locks',
  ].filter(Boolean);
};

const shortened = ({ users, turns, ...point }) => {
  const figures = ([count, { ms, p99, perSecond, locked }]) => [
    count,
    {
      ...{ ms: rounded(ms), p99: rounded(p99), perSecond: rounded(perSecond) },
      ...(locked !== undefined && { locked: rounded(locked) }),
    },
  ];
  const inTurns = turns ? { turns: { perSecond: rounded(turns.perSecond) } } : {};
  return { ...point, users: Object.fromEntries(Object.entries(users).map(figures)), ...inTurns };
};

/**
 * How a statement grows: a row of the table.
 * @param {string} name of the statement
 * @param {{size: number, blocks: number, users: Users, turns?: {perSecond: number}}[]} points the smallest size first; users: by how many there
 * are at once; turns: as in isHindered
 * @typedef {Record<number, {ms: number, p99: number, perSecond: number, locked?: number}>} Users locked: as users.js gives it
 * @param {{why?: string, grows?: string, contends?: string}} said of the statement (lists.js)
 */
export const growthRow = (name, points, { why, grows, times, contends }) => {
  const shown = points.map(({ size, blocks, users }) => {
    const times = Object.values(users).map(({ ms }) => rounded(ms));
    return `${size}: ${blocks} blocks, ${times.join(' / ')} ms`;
  });
  const missed = missedBy(points, { grows, times, contends });
  const most = times ? `, as if they were at most ${times} times as many` : '';
  const aims = [grows ? `${GROWS_AIM}${most}` : GROWTH_AIM, FEWER_AIM, ...(contends ? [] : [USERS_AIM])];
  return {
    name: `${name}: growth`,
    aim: aims.join('; '),
    reached: [shown.join('; '), ...(missed.length ? [`missed: ${missed.join(', ')}`] : [])].join('; '),
    met: missed.length === 0,
    curve: {
      ...{
        name,
        points: points.map(shortened),
        missed,
        grows: Boolean(grows),
        ...(times && { times }),
        contends: Boolean(contends),
      },
      why: [why, grows, contends].filter(Boolean).join(' '),
    },
  };
};
