// The lists of hot reads. Each system has its own, in bench/<system>/reads.js:
//
//   SIZE                                       of `npm run bench -- scale --part <system>`, where a tenth of the rows does not do
//   load({ sql, client, size, say, signal })   loads rows: all that the system's benchmark loads, times `size`, and analyses the tables
//   reads({ size })                            gives the list:
//     name     what is asked
//     query    its statement; or, with `place`, a function of the row that `place` gives
//     place    a statement that finds where the read begins, asked as the same caller
//     claims   of the caller's token, the same for all users at once. A function that limits its callers belongs into endpoints.js, where each
//              user has an address: here they would all wait for one row of private.rate_limits
//     bare     the same for service_role, with the conditions of the policies written out: the same rows. Not for a function, which
//              decides by itself who sees what
//     empty    nothing is found
//     why      why its curve bends as it does, or stays flat: a sentence for readers of docs/performance.md
//     grows    why it must read more where there are more rows: then it may grow as the rows do, and no faster
//     times    with grows: how many times as much it may read at most, where something else bounds it than the rows
//     contends why a hundred users at once hinder each other: then their calls a second have no aim
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root } from '../../dev/paths.js';

/** The core's name among the lists. */
export const CORE = 'core';

/** Where the lists of a system are. */
export const folderOf = (name) => join(root, 'bench', ...(name === CORE ? ['scale', CORE] : [name]));
const fileOf = (name) => join(folderOf(name), 'reads.js');

/**
 * The lists of those systems that have one.
 * @param {{name: string}[]} systems
 * @returns {Promise<[string, {load: Function, reads: Function}][]>} by the system's name
 */
export const listsOf = async (systems) =>
  Promise.all(
    systems
      .map(({ name }) => name)
      .filter((name) => existsSync(fileOf(name)))
      .map(async (name) => [name, await import(pathToFileURL(fileOf(name)))]),
  );

/**
 * Reads with what is said of their curves.
 * @param {object[]} reads
 * @param {Record<string, string | {why: string, grows?: string, times?: number, contends?: string}>} said by the name of the read; a text is its `why`
 */
export const explainedBy = (reads, said) =>
  reads.map((read) => ({
    ...read,
    ...(typeof said[read.name] === 'string' ? { why: said[read.name] } : said[read.name]),
  }));

/** Why the curve of a statement about one row is flat. */
export const BY_KEY = 'The row is found by its key.';

/** The claims of a signed-in user. */
export const user = (sub, more = {}) => ({ role: 'authenticated', sub, ...more });

/** A select of the rows that meet all of the conditions. counted: with the number of all of them, as `Prefer: count=exact` asks for it. */
export const selected = ({ from, conditions = [], rest = '', columns = '*', counted }) => {
  const all = conditions.filter(Boolean).join(' and ');
  const rows = `from ${from}${all && ` where ${all}`}`;
  return `select ${counted ? `(select count(*) ${rows}) as total, ` : ''}${columns} ${rows} ${rest}`.trim();
};

/**
 * What PostgREST joins for an embedded relation of many rows, as `e`; `e.list` has them.
 * @param {{from: string, columns: string, on: string, rest?: string}} relation on: the condition of the join
 */
export const embedded = ({ from, columns, on, rest = '' }) =>
  `left join lateral (select coalesce(json_agg(r), '[]') as list from (select ${columns} from ${from} where ${on} ${rest}) as r) as e on true`;

/**
 * A read of a table whose policy is `user_id = auth.uid()`.
 * @param {string} sub the user
 * @param {{name: string, from: string, where?: string, rest?: string, columns?: string, counted?: boolean, key?: string}} read rest: what
 * follows the condition; key: the column of the owner
 */
export const owned = (sub, { name, where, key = 'user_id', ...read }) => {
  const query = (...conditions) => selected({ ...read, conditions });
  return { name, claims: user(sub), query: query(where), bare: query(`${key} = '${sub}'`, where) };
};

/**
 * The same with relations that are embedded in it.
 * @param {string} sub the user
 * @param {string} name of the read
 * @param {(own: (table: string) => string) => string} query the statement; `own` gives the policy's condition on a table
 */
export const ownedWith = (sub, name, query) => ({
  name,
  claims: user(sub),
  query: query(() => 'true'),
  bare: query((table) => `${table}.user_id = '${sub}'`),
});
