// Asks what a system's hot reads ask, as their callers.
import { SetupError } from '../../dev/setup.js';
import { median } from '../figures.js';

/** The claims of `service_role`, to which no policy applies. */
export const OFFICE = { role: 'service_role' };

/** Runs the body in a transaction with a role and claims, as PostgREST sets them, and rolls it back. */
export const as = async (client, claims, body) => {
  await client.query('begin');
  try {
    await client.query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
      claims.role,
      JSON.stringify(claims),
    ]);
    return await body();
  } finally {
    await client.query('rollback');
  }
};

/** Rows that a plan reads in tables, also those that it then passes over. */
const rowsRead = ({ Plans: below = [], ...node }) => {
  const seen = ['Actual Rows', 'Rows Removed by Filter', 'Rows Removed by Index Recheck'];
  const own = node['Relation Name'] === undefined ? 0 : seen.reduce((sum, key) => sum + (node[key] ?? 0), 0);
  return below.reduce((sum, each) => sum + rowsRead(each), own * (node['Actual Loops'] ?? 0));
};

/** What the server says of a statement that it has run. Blocks: of tables and indexes, wherever they were, and of temporary files. */
const figuresOf = ({
  rows: [
    {
      'QUERY PLAN': [plan],
    },
  ],
}) => {
  const kinds = ['Shared Hit Blocks', 'Shared Read Blocks', 'Temp Read Blocks', 'Temp Written Blocks'];
  return {
    ms: plan['Execution Time'],
    planning: plan['Planning Time'],
    blocks: kinds.reduce((sum, kind) => sum + plan.Plan[kind], 0),
    rows: rowsRead(plan.Plan),
  };
};

/** Asks once, and ends the run if the answer is not what the entry says, or if a write does not write one row. */
export const checkedAnswer = async (client, { name, claims, query, holds, isWrite }) => {
  if (isWrite) {
    const { rows } = await as(client, claims, () => client.query(query));
    if (rows[0].answer?.length !== 1) throw new SetupError(`${name}: it writes ${JSON.stringify(rows[0].answer)}.`);
  }
  if (!holds) return;
  const text = `select answer, coalesce(${holds}, false) as holds from (${query}) as asked`;
  const { rows } = await as(client, claims, () => client.query(text));
  if (!rows[0].holds) throw new SetupError(`${name}: the answer is ${JSON.stringify(rows[0].answer)}.`);
};

const EXPLAIN = 'explain (analyze, buffers, timing off, format json)';
export const explained = (client, claims, text) =>
  as(client, claims, async () => figuresOf(await client.query(`${EXPLAIN} ${text}`)));

export const medians = (found) =>
  Object.fromEntries(Object.keys(found[0]).map((key) => [key, median(found.map((each) => each[key]))]));

/** The statements of a read, with the place where it begins. */
const statementsOf = async (client, { name, place, claims, query, bare }) => {
  if (!place) return { query, bare };
  const { rows } = await as(client, claims, () => client.query(place));
  if (rows.length === 0) throw new SetupError(`${name}: there is no place to begin at; --size is too small.`);
  return { query: query(rows[0]), bare: bare?.(rows[0]) };
};

const sorted = ({ rows }) => rows.map((row) => JSON.stringify(row)).sort();

/** The rows of a read, which must be the same on both sides. */
const checkRows = async (client, { name, claims, query, bare, empty }) => {
  const ours = sorted(await as(client, claims, () => client.query(query)));
  if ((ours.length === 0) !== (empty === true)) throw new SetupError(`${name}: ${ours.length} rows were read.`);
  if (bare === undefined) return;
  const theirs = sorted(await as(client, OFFICE, () => client.query(bare)));
  if (ours.join('\n') !== theirs.join('\n'))
    throw new SetupError(`${name}: the condition that is written out gives ${theirs.length} other rows.`);
};

/** The plan, as text: of a function's call it shows nothing. */
export const planOf = async (client, { claims, query }) => {
  const { rows } = await as(client, claims, () => client.query(`explain (analyze, buffers) ${query}`));
  return rows.map((row) => row['QUERY PLAN']).join('\n');
};

/**
 * The reads of a list with their statements as texts, each asked once.
 * @param {import('pg').Client} client
 * @param {object[]} reads
 */
export const preparedReads = async (client, reads) => {
  const prepared = [];
  for (const read of reads) {
    const made = { ...read, ...(await statementsOf(client, read)) };
    await checkRows(client, made);
    prepared.push(made);
  }
  return prepared;
};
