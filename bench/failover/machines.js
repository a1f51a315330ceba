// What users notice while each machine is killed in turn: refused requests, stalls, lost writes, and reads without their own writes.
import { setTimeout as sleep } from 'node:timers/promises';
import { waitFor } from '../../dev/process.js';
import { rounded } from '../figures.js';
import { endRows, phaseRow } from './aims.js';
import { startUsers } from './clients.js';
import { withCluster } from './cluster.js';

/** Seconds of each phase, users at once, milliseconds of a way between machines, and by which the standby applies what it gets later. */
export const SIZES = { seconds: 20, users: 12, latency: 5, lag: 500 };
export const only = 'behind the edge';

/** Seconds until a machine that was killed is started again, or until a standby takes the place of the primary. */
const ABSENT = 3;
/** Seconds for which the standby applies nothing: longer than the edge reads a user's own writes from the primary. */
const PAUSED = 9;

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
      name: `the standby stops applying for ${PAUSED} s`,
      happens: async () => {
        await standby.query('select pg_wal_replay_pause()');
        await sleep(PAUSED * 1000);
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

/** Transactions that the standby has ended since it was started: one for each read that it answers. A connection tells of them a second later. */
const transactionsOf = async (standby) => {
  const [{ ended }] = await standby.query(
    'select xact_commit::integer as ended from pg_stat_database where datname = current_database()',
  );
  return ended;
};

export const measure = async ({ data, stack, stopping, options, say }) =>
  withCluster({ data, stack, latencyMs: options.latency, lagMs: options.lag, say }, async (cluster) => {
    const seen = [];
    const { standby, edgeUrl, readUrl } = cluster;
    const note = (one) => seen.push({ ...one, at: performance.now() });
    const users = await startUsers({ edgeUrl, readUrl, stack, count: options.users, note });
    const rows = [];
    let reads = 0;
    const stale = [];
    /** Gives how many reads were answered in the phase. */
    const run = async (phase) => {
      stopping.signal.throwIfAborted();
      seen.length = 0;
      const begun = performance.now();
      await phase.happens();
      await sleep(Math.max(0, options.seconds * 1000 - (performance.now() - begun)));
      const list = [...seen];
      rows.push(phaseRow({ ...phase, begun, ended: performance.now() }, list));
      const answered = list.filter(({ kind, refused }) => kind === 'reads' && !refused);
      reads += answered.length;
      for (const { at, since } of answered.filter((one) => one.stale))
        stale.push(
          `${phase.name}: ${rounded((at - begun) / 1000)} s after its begin, ${rounded(since)} s after the write`,
        );
      say(`${rows.at(-1).name}: ${rows.at(-1).reached}`);
      return answered.length;
    };
    const meanwhile = {};
    try {
      // Connections and caches of all parts.
      await sleep(5000);
      const [quiet, ...others] = phasesOf(cluster);
      const before = await transactionsOf(standby);
      meanwhile.reads = await run(quiet);
      meanwhile.fromStandby = (await transactionsOf(standby)) - before;
      for (const phase of others) await run(phase);
    } finally {
      await users.stop();
    }
    const lost = await users.lost(standby.query);
    const found = {
      ...{ lost, written: users.written(), stale, reads, behind: users.behind, users: options.users },
      ...{ fromStandby: meanwhile.fromStandby, readsMeanwhile: meanwhile.reads },
    };
    return [...rows, ...endRows(found)];
  });
