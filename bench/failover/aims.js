// What the benchmark has seen while machines were killed, as rows with aims.
import { p99, rounded } from '../figures.js';

/** Seconds without an answered write that are no stall in any phase. */
const MAX_STALL = 2;
/**
 * Part of all reads that the standby answers at least while nothing happens: of the users who do not write all the time, each reads from it for
 * two of seven seconds. Less than this are what was asked there before and is counted late, and what PostgREST asks for itself.
 */
const MIN_FROM_STANDBY = 0.1;

/** The longest time without an answered write, in milliseconds, also before the first and after the last one. */
const stallOf = ({ begun, ended }, seen) => {
  const answered = seen.filter(({ kind, refused }) => kind === 'writes' && !refused).map(({ at }) => at);
  const times = [begun, ...answered.sort((a, b) => a - b), ended];
  return Math.max(...times.slice(1).map((time, n) => time - times[n]));
};

/** Reads or writes in words. The p99 is that of answered requests only, the longest time that of all. */
const wordsOf = (kind, seen) => {
  const list = seen.filter((one) => one.kind === kind);
  if (list.length === 0) return `${kind}: none`;
  const statuses = list.filter(({ refused }) => refused).map(({ status }) => status);
  const kinds = statuses.length === 0 ? '' : ` (${[...new Set(statuses)].sort().join(', ')})`;
  const answered = list.filter(({ refused }) => !refused).map(({ ms }) => ms);
  const percentile = answered.length === 0 ? 'none answered' : `p99 ${rounded(p99(answered))} ms`;
  const longest = rounded(Math.max(...list.map(({ ms }) => ms)));
  return `${kind}: ${statuses.length} of ${list.length} refused${kinds}, ${percentile}, longest ${longest} ms`;
};

/**
 * A phase as a row: when the last request was refused, and for how long no write was answered. Each user waits for an answer before the next
 * request, so a stall is in too few requests to change a p99.
 * @param {{name: string, most: number, begun: number, ended: number}} phase most: seconds after its begin in which requests may be refused
 * @param {{kind: 'reads' | 'writes', status: number, ms: number, refused: boolean, at: number}[]} seen requests that ended in the phase
 */
export const phaseRow = (phase, seen) => {
  const { name, most, begun } = phase;
  const stall = stallOf(phase, seen) / 1000;
  const maxStall = Math.max(most, MAX_STALL);
  const refused = seen.filter((one) => one.refused).map(({ at }) => at);
  const last = refused.length === 0 ? 0 : (Math.max(...refused) - begun) / 1000;
  const refusals = refused.length === 0 ? 'none refused' : `the last refused after ${rounded(last)} s`;
  const words = ['reads', 'writes'].map((kind) => wordsOf(kind, seen)).join('; ');
  return {
    name,
    aim: `no request is refused${most === 0 ? '' : ` after ${most} s`}; at most ${maxStall} s without an answered write`,
    reached: `${refusals}; at most ${rounded(stall)} s without an answered write; ${words}`,
    met: last <= most && stall <= maxStall,
  };
};

/** Whether an answer to a read has no row, although the user has written one. */
export const isStale = ({ status, body }, last) =>
  status === 200 && last !== undefined && JSON.parse(body).length === 0;

/**
 * Acknowledged writes that are not in the database.
 * @param {{sub: string, acknowledged: string[]}[]} users
 * @param {{user_id: string, name: string}[]} rows of the database
 */
export const lostOf = (users, rows) => {
  const stored = new Set(rows.map(({ user_id: sub, name }) => `${sub} ${name}`));
  return users.flatMap(({ sub, acknowledged }) =>
    acknowledged.map((name) => `${sub} ${name}`).filter((row) => !stored.has(row)),
  );
};

/**
 * What users must never notice, and that they could have noticed it.
 * @param {{lost: number, written: number, stale: string[], reads: number, fromStandby: number, readsMeanwhile: number, behind: number, users: number}} found
 * written: acknowledged writes; stale: when each such read was answered; reads: answered ones of all phases; fromStandby: transactions that the standby ended while nothing happened, and
 * readsMeanwhile: the reads of that time; behind: users who did not find at the standby itself what they had just written
 */
export const endRows = ({ lost, written, stale, reads, fromStandby, readsMeanwhile, behind, users }) => [
  {
    name: 'acknowledged writes that are lost',
    aim: 'none',
    reached: `${lost} of ${written}`,
    met: lost === 0 && written > 0,
  },
  {
    name: 'reads of a user without the user’s own last write',
    aim: 'none',
    reached: `${stale.length} of ${reads}`,
    met: stale.length === 0 && reads > 0,
    ...(stale.length > 0 && { plan: stale.join('\n') }),
  },
  {
    name: 'reads through the edge that the standby answers while nothing happens: its transactions',
    aim: `at least ${MIN_FROM_STANDBY * 100} % of the reads`,
    reached: `${fromStandby} of ${readsMeanwhile}`,
    met: readsMeanwhile > 0 && fromStandby >= MIN_FROM_STANDBY * readsMeanwhile,
  },
  {
    name: 'the same read at the standby itself, right after a write: users who do not find it',
    aim: 'all: the standby is behind',
    reached: `${behind} of ${users}`,
    met: behind === users && users > 0,
  },
];
