// What listeners cost the database: how often an isolate polls it for them, and how long a poll takes, by the number of users.
import { setTimeout as sleep } from 'node:timers/promises';
import { rounded } from '../figures.js';
import { SIZES as LISTENERS, people, whileListening, withEdge, write } from './listeners.js';

export const SIZES = { ...LISTENERS, poll_seconds: 5 };

/** Polls a second, however many listen: two, and what a change or the machine adds. */
const MOST_A_SECOND = 2.5;
/** Times the milliseconds for each user that ten times the users may take. */
const MOST_GROWTH = 1.5;

/** The calls of edge.changes meanwhile, and their milliseconds. */
const counted = async (sql, body) => {
  const read = async () => {
    // What a backend has counted is written a moment later.
    await sleep(1500);
    await sql('select pg_stat_clear_snapshot()');
    const [row] = await sql(
      `select coalesce(sum(calls), 0)::float8 as calls, coalesce(sum(total_time), 0)::float8 as ms
       from pg_stat_user_functions where schemaname = 'edge' and funcname = 'changes'`,
    );
    return { ...row, at: performance.now() };
  };
  const before = await read();
  await body();
  const after = await read();
  const calls = after.calls - before.calls;
  return { a_second: (calls / (after.at - before.at)) * 1000, ms: (after.ms - before.ms) / calls };
};

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = ({ data, stack, stopping, options, say }) =>
  withEdge({ data, stack }, async ({ url, sql }) => {
    const { listeners, poll_seconds: seconds } = options;
    await sql(`alter system set track_functions = 'pl'`);
    await sql('select pg_reload_conf()');
    const found = [];
    const counts = [1, 10, 100, 1000].filter((count) => count <= listeners);
    for (const count of counts) {
      stopping.signal.throwIfAborted();
      const users = await people(stack, count);
      const figures = await whileListening(
        url,
        users,
        listeners,
        () => {},
        async () => {
          // A backend that has nothing to do writes what it has counted after ten seconds: here, how the listeners began.
          await sleep(12_000);
          const quiet = await counted(sql, () => sleep(seconds * 1000));
          const busy = await counted(sql, async () => {
            for (let n = 0; n < seconds * 2; n += 1) {
              // Something new for each of them in about every poll.
              await sql(
                `insert into clixen.projects (user_id, name) select u, gen_random_uuid() from unnest($1::uuid[]) as u`,
                [users.map(({ sub }) => sub)],
              );
              await sleep(500);
            }
          });
          const one = await counted(sql, async () => {
            for (let n = 0; n < seconds; n += 1) {
              await write(sql, users[0]);
              await sleep(1000);
            }
          });
          return { count, quiet, busy, one };
        },
      );
      say(
        `${figures.count} users: ${rounded(figures.quiet.ms)} ms a poll with nothing new, ${rounded(figures.busy.ms)} with something for each`,
      );
      found.push(figures);
    }
    const [alone] = found;
    const last = found.at(-1);
    const before = found.at(-2) ?? alone;
    const all = found.flatMap(({ quiet, busy, one }) => [quiet, busy, one]);
    const most = Math.max(...all.map((each) => each.a_second));
    const each = (key) => found.map((figures) => `${figures.count}: ${rounded(figures[key].ms)}`).join(', ');
    const growth = (key) => last[key].ms / last.count / (before[key].ms / before.count);
    return [
      {
        name: `polls a second, ${listeners} listeners of ${counts.join(', ')} users`,
        aim: `at most ${MOST_A_SECOND}`,
        reached: `${rounded(Math.min(...all.map((one) => one.a_second)))} to ${rounded(most)}`,
        met: most <= MOST_A_SECOND,
        rival: `each listener polls for itself as often: ${2 * listeners}`,
      },
      {
        name: 'a poll with something new for each user, in ms of the database by the number of users',
        aim: `linear: ${last.count} users take at most ${(MOST_GROWTH * last.count) / before.count} times as long as ${before.count}`,
        reached: `${each('busy')}; ${rounded((growth('busy') * last.count) / before.count)} times`,
        met: growth('busy') <= MOST_GROWTH,
      },
      {
        name: 'a poll with something new for one of the users, in ms of the database by the number of users',
        aim: `linear: ${last.count} users take at most ${(MOST_GROWTH * last.count) / before.count} times as long as ${before.count}`,
        reached: `${each('one')}; with nothing new ${each('quiet')}`,
        met: growth('one') <= MOST_GROWTH,
      },
    ];
  });
