// clixen's speeds in the database: as the user themselves, under row-level security, at the sizes that they are about.
import pg from 'pg';
import { SetupError } from '../../dev/setup.js';
import { median, p99, rounded } from '../figures.js';
import { load, USER } from './load.js';
import { INDEXED, PROMISED } from './queries.js';

/** Runs the body in a transaction as PostgREST would; jobs of the edge's run as the functions' owner. */
const as = async (client, { role = 'authenticated', settings }, body) => {
  await client.query('begin');
  try {
    if (settings) await client.query(settings);
    if (role !== 'edge') {
      const claims = { role, ...(role === 'authenticated' && { sub: USER }) };
      await client.query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
        role,
        JSON.stringify(claims),
      ]);
    }
    return await body();
  } finally {
    await client.query('rollback');
  }
};

/** Milliseconds inside the server, planning included: of a plan that is run, without what shows it. */
const times = async (client, row, count) => {
  const found = [];
  for (let n = 0; n < count; n += 1) {
    const { rows } = await as(client, row, () =>
      client.query(`explain (analyze, timing off, format json) ${row.query}`),
    );
    const [plan] = rows[0]['QUERY PLAN'];
    // The first few read from disk.
    if (n >= 3) found.push(plan['Planning Time'] + plan['Execution Time']);
  }
  return found;
};

const plan = async (client, row) => {
  const { rows } = await as(client, row, () => client.query(`explain (analyze, buffers) ${row.query}`));
  return rows.map((row) => row['QUERY PLAN']).join('\n');
};

const indexes = async (client) => {
  const { rows } = await client.query(
    `select c.relname as name from pg_index as i join pg_class as c on c.oid = i.indexrelid
     where c.relnamespace = 'clixen'::regnamespace and c.relname !~ '_mentions$' and not exists (select from pg_constraint as k where k.conindid = c.oid) order by 1`,
  );
  return rows.map(({ name }) => name);
};

/**
 * Measures on a system of its own.
 * @param {{stack: object, stopping: AbortController, options: {workflows: number, messages: number}, say: Function}} parts
 * @returns {Promise<object[]>} rows: {name, aim, reached, rival?, plan}
 */
export const database = async ({ stack, stopping, options, say }) => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  try {
    await load(async (text, values) => (await client.query(text, values)).rows, {
      ...options,
      say,
      signal: stopping.signal,
    });
    const rows = [];
    for (const row of [...PROMISED, ...INDEXED]) {
      stopping.signal.throwIfAborted();
      const { name, aim, most, rival, index } = row;
      const found = await times(client, row, 30);
      const made = {
        name,
        aim,
        reached: `${rounded(median(found))} ms, p99 ${rounded(p99(found))} ms`,
        plan: await plan(client, row),
      };
      if (rival) {
        const slow = median(await times(client, { ...row, ...rival }, 8));
        made.rival = `${rival.name}: ${rounded(slow)} ms, ${rounded(slow / median(found))} times as long`;
      }
      const uses = index === undefined || made.plan.includes(` ${index} `) || made.plan.includes(` ${index}\n`);
      made.met = uses && (most === undefined || median(found) < most);
      rows.push(made);
      say(`${name}: ${made.reached} (${aim})${made.rival ? `; ${made.rival}` : ''}`);
    }
    const named = [...PROMISED, ...INDEXED].map(({ index }) => index);
    for (const index of await indexes(client))
      if (!named.includes(index)) throw new SetupError(`Nothing is asked for the sake of the index ${index}.`);
    return rows;
  } finally {
    await client.end();
  }
};
