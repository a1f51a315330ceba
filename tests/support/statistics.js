// What the planner may believe of tables, and what a statement then reads: in a transaction that is rolled back.

/**
 * Statements after which nothing is known of tables, as if they had been analysed when they were empty.
 * @param {string[]} tables with their schemas
 */
export const withoutStatistics = (tables) => {
  const list = tables.map((table) => `'${table}'::regclass`);
  return [
    `delete from pg_statistic where starelid in (${list})`,
    `delete from pg_statistic_ext_data where stxoid in (select oid from pg_statistic_ext where stxrelid in (${list}))`,
    `update pg_class set reltuples = -1, relpages = 0, relallvisible = 0
     where oid in (${list}) or oid in (select indexrelid from pg_index where indrelid in (${list}))`,
  ];
};

/** Has the planner know nothing of these tables, to the end of the transaction. */
export const forget = async (query, tables) => {
  for (const statement of withoutStatistics(tables)) await query(statement);
};

/** Has the planner reckon as in PostgREST's sessions, to the end of the transaction. */
export const planAsPostgrest = (query) =>
  query(
    `select set_config(split_part(s, '=', 1), split_part(s, '=', 2), true) from pg_roles, unnest(rolconfig) as s
     where rolname = 'authenticator' and s like 'random_page_cost=%'`,
  );

/**
 * How many blocks a statement reads, without its planning, how many rows it gives, and its plan as text.
 * The least of four executions, each of which is undone: the first one makes the plans of the functions that it calls, and after another session's
 * change of the catalogue (autovacuum's, too) they are made again.
 */
export const work = async (query, text, parameters = []) => {
  const found = [];
  for (let time = 0; time < 4; time += 1) {
    await query('savepoint executed');
    const [{ 'QUERY PLAN': plans }] = await query(
      `explain (analyze, buffers, timing off, format json) ${text}`,
      parameters,
    );
    await query('rollback to executed');
    const [{ Plan: plan }] = plans;
    found.push({
      blocks: plan['Shared Hit Blocks'] + plan['Shared Read Blocks'],
      rows: plan['Actual Rows'],
      plan: JSON.stringify(plan, null, 1),
    });
  }
  return found.reduce((least, other) => (other.blocks < least.blocks ? other : least));
};

/**
 * How many blocks of tables and indexes a statement reads, and the code of its refusal: EXPLAIN shows nothing of a statement that fails. The least
 * of seven executions, each of which is undone: PL/pgSQL plans each of the first five for its values, and the planner reads ends of indexes.
 */
export const blocksRead = async (query, text, parameters = []) => {
  const counted = async () =>
    (
      await query(
        `select sum(pg_stat_get_xact_blocks_fetched(oid))::int as blocks from pg_class where oid >= 16384 and relkind in ('r', 'i', 't')`,
      )
    )[0].blocks;
  const found = [];
  for (let time = 0; time < 7; time += 1) {
    await query('savepoint executed');
    const before = await counted();
    let code = null;
    try {
      await query(text, parameters);
    } catch (error) {
      if (error.code !== 'PGRST') throw error;
      code = JSON.parse(error.message).code;
    }
    await query('rollback to executed');
    found.push({ code, blocks: (await counted()) - before });
  }
  return found.reduce((least, other) => (other.blocks < least.blocks ? other : least));
};

/** How often a function is called by what `body` asks, in a transaction: of earlier ones, too, a connection keeps counts for a second. */
export const timesCalled = async (query, signature, body) => {
  const counted = async () =>
    (await query(`select coalesce(pg_stat_get_xact_function_calls($1::regprocedure), 0)::int as calls`, [signature]))[0]
      .calls;
  await query(`set local track_functions = 'all'`);
  const before = await counted();
  await body();
  return (await counted()) - before;
};
