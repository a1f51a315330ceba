// Rows of one user in every table of the schema, made of the generated rows.
import { rows as generated } from './generated_rows.js';

/** The tables that have rows of users, from the catalog. */
export const ownedTables = async (query) => {
  const rows = await query('select t::text as name from private.flashfusion_tables() as t');
  return [...rows.map(({ name }) => name), 'flashfusion.users'];
};

/** The column with the user. */
export const keyOf = (table) => (table === 'flashfusion.users' ? 'id' : 'user_id');

/** Gives a user a row in each of these tables, in a transaction: generated rows become the user's, and those of the user's project. */
export const fillFor = async (query, tables, user, address) => {
  // The operator's catalogues, to which rows of users refer.
  for (const table of ['flashfusion.ai_services', 'flashfusion.agents']) {
    if (!generated[table] || (await query(`select 1 from ${table} limit 1`)).length > 0) continue;
    await query(generated[table], [5]);
  }
  for (const table of tables) {
    if (!generated[table]) continue;
    const before = (await query(`select id from ${table}`)).map(({ id }) => id);
    await query(generated[table], [1]);
    // Without foreign keys: a parent is another user's for a moment.
    await query('set local session_replication_role = replica');
    await query(`update ${table} set ${keyOf(table)} = $1 where not id = any ($2)`, [user, before]);
    await query('set local session_replication_role = origin');
  }
  await query('update flashfusion.users set email = $2 where id = $1', [user, address]);
  const inProjects = await query(
    `select a.attrelid::regclass::text as name from pg_attribute as a
     where a.attname = 'project_id' and a.attrelid = any ($1::regclass[])`,
    [tables],
  );
  await query('set local session_replication_role = replica');
  for (const { name } of inProjects)
    await query(
      `update ${name} set project_id = (select p.id from flashfusion.projects as p where p.user_id = $1 order by p.created_at limit 1)
       where user_id = $1`,
      [user],
    );
  await query('set local session_replication_role = origin');
  await query(
    `insert into private.api_key_secrets (key_id, user_id, sealed, key_version)
     select k.id, k.user_id, 'v1.' || repeat('a', 16) || '.' || repeat('b', 64) || '.' || repeat('c', 16) || '.' || repeat('d', 40), 1
     from flashfusion.user_api_keys as k where k.user_id = $1`,
    [user],
  );
};
