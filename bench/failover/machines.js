// What users notice while each machine is killed in turn: refused requests, times, lost writes, and reads without their own writes.
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../dev/process.js';
import { p99, rounded } from '../figures.js';
import { startUsers } from './clients.js';
import { withCluster } from './cluster.js';

/** Seconds of each phase, users at once, milliseconds of a way between machines, and by which the standby applies what it gets later. */
export const SIZES = { seconds: 20, users: 12, latency: 5, lag: 500 };
export const only = 'behind the edge';

/** Seconds until a machine that was killed is started again, or until a standby takes the place of the primary. */
const ABSENT = 3;

const phasesOf = ({ postgrests, reads, primary, standby }) => {
  const restarted = (part) => async () => {
    await part.kill();
    await sleep(ABSENT * 1000);
    await part.start();
  };
  return [
    { name: 'nothing happens', happens: async () => {}, most: 0 },
    ...postgrests.map((part, n) => ({
      name: `PostgREST ${n + 1} of ${postgrests.length} is killed, and back after ${ABSENT} s`,
      happens: restarted(part),
      most: 1,
    })),
    {
      name: `the PostgREST of the standby is killed, and back after ${ABSENT} s`,
      happens: restarted(reads),
      most: 0,
    },
    {
      name: `the standby stops applying for ${ABSENT} s`,
      happens: async () => {
        await standby.query('select pg_wal_replay_pause()');
        await sleep(ABSENT * 1000);
        await standby.query('select pg_wal_replay_resume()');
      },
      most: 0,
    },
    {
      name: `the standby is killed, and back after ${ABSENT} s: writes wait for it`,
      happens: restarted(standby.part),
      most: ABSENT + 7,
    },
    {
      name: `the primary is killed, and the standby takes its place after ${ABSENT} s`,
      happens: async () => {
        await primary.part.kill();
        await sleep(ABSENT * 1000);
        await standby.query('select pg_promote()');
        await waitFor('the standby to take writes', async () => {
          const [{ follows }] = await standby.query('select pg_is_in_recovery() as follows');
          return !follows;
        });
      },
      most: ABSENT + 7,
    },
  ];
};

/** A phase as a row: the time after the kill until the last refused request must be at most `most` seconds. */
const rowOf = ({ name, most, begun }, seen) => {
  const of = (kind) => {
    const list = seen.filter((one) => one.kind === kind);
    const times = list.map(({ ms }) => ms);
    const statuses = list.filter(({ refused }) => refused).map(({ status }) => status);
    const kinds = statuses.length === 0 ? '' : ` (${[...new Set(statuses)].sort().join(', ')})`;
    return `${kind} p99 ${rounded(p99(times))} ms, ${statuses.length} of ${list.length} refused${kinds}`;
  };
  const refused = seen.filter((one) => one.refused).map(({ at }) => at);
  const last = refused.length === 0 ? 0 : (Math.max(...refused) - begun) / 1000;
  const reached = `${last === 0 ? 'none' : `the last after ${rounded(last)} s`}; ${of('reads')}; ${of('writes')}`;
  const aim = most === 0 ? 'no request is refused' : `no request is refused after ${most} s`;
  return { name, aim, reached, met: last <= most };
};

export const measure = async ({ data, stack, stopping, options, say }) =>
  withCluster({ data, stack, latencyMs: options.latency, lagMs: options.lag, say }, async (cluster) => {
    const seen = [];
    const { standby, edgeUrl, readUrl } = cluster;
    const note = (one) => seen.push({ ...one, at: performance.now() });
    const users = await startUsers({ edgeUrl, readUrl, stack, count: options.users, note });
    const rows = [];
    let reads = 0;
    let stale = 0;
    try {
      // Connections and caches of all parts.
      await sleep(5000);
      for (const phase of phasesOf(cluster)) {
        stopping.signal.throwIfAborted();
        seen.length = 0;
        const begun = performance.now();
        await phase.happens();
        await sleep(Math.max(0, options.seconds * 1000 - (performance.now() - begun)));
        rows.push(rowOf({ ...phase, begun }, [...seen]));
        reads += seen.filter(({ kind, refused }) => kind === 'reads' && !refused).length;
        stale += seen.filter((one) => one.stale).length;
        say(`${rows.at(-1).name}: ${rows.at(-1).reached}`);
      }
    } finally {
      await users.stop();
    }
    const lost = await users.lost(standby.query);
    return [
      ...rows,
      {
        name: 'acknowledged writes that are lost',
        aim: 'none',
        reached: `${lost} of ${users.written()}`,
        met: lost === 0,
      },
      {
        name: 'reads of a user without the user’s own last write',
        aim: 'none',
        reached: `${stale} of ${reads}`,
        met: stale === 0,
      },
      {
        name: 'the same read at the standby itself, right after a write: users who do not find it',
        aim: 'all: the standby is behind',
        reached: `${users.behind} of ${options.users}`,
        met: users.behind === options.users,
      },
    ];
  });
