// Rows of one user in every table of the schema, made of the generated rows and joined by their foreign keys.
import { rows as generated } from './generated_rows.js';

const KEYS = `select r.conrelid::regclass::text as child, r.confrelid::regclass::text as parent,
    array(select a.attname::text from unnest(r.conkey) with ordinality as k (n, at)
      join pg_attribute as a on a.attrelid = r.conrelid and a.attnum = k.n order by k.at) as columns,
    array(select a.attname::text from unnest(r.confkey) with ordinality as k (n, at)
      join pg_attribute as a on a.attrelid = r.confrelid and a.attnum = k.n order by k.at) as referenced
  from pg_constraint as r
  where r.contype = 'f' and r.connamespace = 'observatory'::regnamespace and r.conrelid::regclass::text like 'observatory.%'`;
const OWNERS = ['owner_id', 'user_id', 'created_by', 'invited_by'];

/** The tables of the schema, each after those that it refers to. */
const inOrder = (names, keys) => {
  const left = new Set(names);
  const sorted = [];
  while (left.size > 0) {
    const free = [...left].filter((name) =>
      keys.every(({ child, parent }) => child !== name || parent === name || !left.has(parent)),
    );
    for (const name of free) left.delete(name);
    sorted.push(...free);
  }
  return sorted;
};

/**
 * Gives a user two rows in every table: the second one below the first, where rows of a table refer to each other. `query` is a
 * transaction's.
 */
export const fillFor = async (query, user) => {
  const tables = await query(`select c.oid::regclass::text as name,
      array(select a.attname::text from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
    from pg_class as c where c.relnamespace = 'observatory'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition`);
  const keys = await query(KEYS);
  const made = {};
  for (const name of inOrder(
    tables.map((table) => table.name),
    keys,
  )) {
    const { columns } = tables.find((table) => table.name === name);
    const before = (await query(`select ctid::text from ${name}`)).map(({ ctid }) => ctid);
    await query(generated[name], [2]);
    // Without foreign keys and triggers: a parent is another user's for a moment.
    await query('set local session_replication_role = replica');
    const found = await query(
      `select ctid::text, to_jsonb(t) as row from ${name} as t where not ctid::text = any ($1) limit 2`,
      [before],
    );
    made[name] = [];
    for (const { ctid, row } of found) {
      const change = {};
      for (const owner of OWNERS.filter((column) => columns.includes(column) && row[column] !== null))
        change[owner] = user;
      // Of a key to the same table only what no other key has.
      const ofTable = keys.filter(({ child }) => child === name);
      for (const { parent, columns: own, referenced } of ofTable.toSorted((one) => (one.parent === name ? 1 : -1))) {
        const above = made[parent][0] ?? {};
        for (const [at, column] of own.entries())
          if (parent !== name || !(column in change)) change[column] = above[referenced[at]] ?? null;
      }
      if (name === 'observatory.project_members') Object.assign(change, { user_id: user, role: 'owner' });
      // One project, in which the user is a member once.
      if (['observatory.project_members', 'observatory.projects'].includes(name) && made[name].length > 0) continue;
      const list = Object.keys(change).map(
        (column) => `"${column}" = (jsonb_populate_record(null::${name}, $2))."${column}"`,
      );
      const set = list.length > 0 ? list.join(', ') : `"${columns[0]}" = "${columns[0]}"`;
      const [changed] = await query(
        `update ${name} as t set ${set} where ctid = $1::tid and $2::jsonb is not null returning to_jsonb(t) as row`,
        [ctid, JSON.stringify(change)],
      );
      made[name].push(changed.row);
    }
    await query('set local session_replication_role = origin');
  }
  return made;
};
