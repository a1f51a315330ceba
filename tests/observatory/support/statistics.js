// What the planner may believe of tables, in a transaction that is rolled back.

/** Nothing is known of these tables of observatory, as if they had been analysed when they were empty. */
export const forget = async (query, names) => {
  const tables = names.map((name) => `'observatory.${name}'::regclass`);
  await query(`delete from pg_statistic where starelid in (${tables})`);
  await query(
    `update pg_class set reltuples = -1, relpages = 0, relallvisible = 0
     where oid in (${tables}) or oid in (select indexrelid from pg_index where indrelid in (${tables}))`,
  );
};

/** How many blocks a statement reads, without its planning and without what a connection does once. */
export const blocksOf = async (query, first, second = first) => {
  await query(`explain (analyze, timing off) ${first}`);
  const [{ 'QUERY PLAN': plans }] = await query(`explain (analyze, buffers, timing off, format json) ${second}`);
  return plans[0].Plan['Shared Hit Blocks'] + plans[0].Plan['Shared Read Blocks'];
};
