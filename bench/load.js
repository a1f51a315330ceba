// Loads many rows: in parts, over two connections, and without indexes, which are made afterwards: that takes a third of the time of adding
// each row to them.
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

/** Without triggers and foreign keys. */
export const REPLICA = 'set session_replication_role = replica';

/**
 * Runs a statement for all parts of so many rows: its $1 and $2 are the first and the last number of a part, from 0.
 * @param {Function} sql of one connection
 * @param {{name: string, statement: string, total: number, part: number, more?: unknown[], begin?: string, client?: import('pg').Client, say: Function, signal: AbortSignal}} rows
 * more: values from $3 on; begin: what each connection runs before; client: as onTwo takes it
 */
export const inParts = async (sql, { name, statement, total, part, more = [], begin, client, say, signal }) => {
  const start = performance.now();
  let next = 0;
  await onTwo(sql, client, async (each) => {
    if (begin) await each(begin);
    for (let from = next; from < total; from = next) {
      signal.throwIfAborted();
      next = Math.min(from + part, total);
      await each(statement, [from, next - 1, ...more]);
    }
  });
  say(`${name}: ${total}, ${Math.round((performance.now() - start) / 1000)} s`);
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
