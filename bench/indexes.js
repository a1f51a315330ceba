// Indexes that are made after a load: that takes a third of the time of adding each row to them.
import pg from 'pg';

const DEFINITIONS = `
  select indexrelid::regclass::text as name, replace(pg_get_indexdef(indexrelid), ' ON ONLY ', ' ON ') as text,
    array(select a.attnum::int from pg_attribute as a where a.attrelid = indexrelid and a.attstattarget = 0) as without_statistics
  from pg_index where indrelid = any ($1::regclass[]) and not indisprimary and not indisunique`;

/** Makes indexes until there are no more left. */
const makeAll = async (sql, left, signal) => {
  await sql(`set maintenance_work_mem = '512MB'`);
  for (let next = left.shift(); next; next = left.shift()) {
    signal.throwIfAborted();
    await sql(next.text);
    for (const column of next.without_statistics)
      await sql(`alter index ${next.name} alter column ${column} set statistics 0`);
  }
  await sql('reset maintenance_work_mem');
};

/**
 * Calls the body on one connection, or on two at once: there are two cores.
 * @param {Function} sql of one connection
 * @param {import('pg').Client | undefined} client that of `sql`, of which another one is made
 * @param {(sql: Function) => Promise<void>} body
 */
export const onTwo = async (sql, client, body) => {
  if (!client) return body(sql);
  const { host, port, user, password, database } = client;
  const other = new pg.Client({ host, port, user, password, database });
  await other.connect();
  try {
    await Promise.all([body(sql), body(async (text, values) => (await other.query(text, values)).rows)]);
  } finally {
    await other.end();
  }
};

/**
 * Runs a body without the indexes of some tables, but with those of their constraints, and makes them again.
 * @param {Function} sql of one connection of the owner
 * @param {string[]} tables with their schemas
 * @param {() => Promise<void>} body
 * @param {{client?: import('pg').Client, say: Function, signal: AbortSignal}} options client: that of `sql`; with it two indexes are made at
 * once, as few kinds of them are made by several processes
 */
export const withoutIndexes = async (sql, tables, body, { client, say, signal }) => {
  const left = await sql(DEFINITIONS, [tables]);
  for (const { name } of left) await sql(`drop index ${name}`);
  await body();
  const start = performance.now();
  await onTwo(sql, client, (each) => makeAll(each, left, signal));
  say(`indexes: ${Math.round((performance.now() - start) / 1000)} s`);
};
