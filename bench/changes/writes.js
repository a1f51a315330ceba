// What the triggers of a tracked table add to a write of one row.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { median, rounded } from '../figures.js';

export const SIZES = { writes: 2000 };
export const only = 'migrated database';

const MOST_MS = 1;
const ROUNDS = 4;

/** Measures on a system of its own. @returns {Promise<object[]>} rows of the table */
export const measure = async ({ stack, stopping, options, say }) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    const sql = async (text, values) => (await client.query(text, values)).rows;
    // The disk is not what is measured.
    await sql('set synchronous_commit = off');
    const user = randomUUID();
    const [{ id }] = await sql(
      `insert into clixen.projects (user_id, name) values ($1, gen_random_uuid()) returning id`,
      [user],
    );
    const one = async () => {
      const times = [];
      for (let n = 0; n < options.writes / ROUNDS; n += 1) {
        stopping.signal.throwIfAborted();
        const begin = performance.now();
        await sql('update clixen.projects set description = $2 where id = $1', [id, `${n}`]);
        times.push(performance.now() - begin);
      }
      return times;
    };
    const triggers = (state) =>
      sql(
        ['insert', 'update', 'delete', 'truncate']
          .map((verb) => `alter table clixen.projects ${state} trigger projects_changes_${verb}`)
          .join('; '),
      );
    const found = { with: [], without: [] };
    await one();
    // In turns, so that a busy minute of the machine meets both.
    for (let round = 0; round < ROUNDS; round += 1) {
      await triggers('enable');
      found.with.push(...(await one()));
      await triggers('disable');
      found.without.push(...(await one()));
    }
    await triggers('enable');
    const added = median(found.with) - median(found.without);
    say(`${rounded(added)} ms`);
    return [
      {
        name: 'an update of one row of a tracked table: what its trigger adds',
        aim: `at most ${MOST_MS} ms`,
        reached: `${rounded(added)} ms`,
        met: added <= MOST_MS,
        rival: `the same update without it: ${rounded(median(found.without))} ms`,
      },
    ];
  } finally {
    await client.end();
  }
};
