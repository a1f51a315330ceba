// Migrating from each earlier state, with data in it, keeps the data: every row and every value that was there.
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { migrate } from '../../../dev/migrate.js';
import { root } from '../../../dev/paths.js';
import { startStack } from '../../../dev/stack.js';
import { rows as generated } from '../../support/generated_rows.js';

const directory = mkdtempSync(join(tmpdir(), 'rowgate-upgrade-'));
const files = readdirSync(join(root, 'migrations')).sort();
const ROWS = 200;
/** Tables that hold one row. */
const SINGLE = ['private.event_watermark', 'private.connection_shares'];
let stack;
let admin;

before(async () => {
  stack = await startStack({ data: join(directory, 'data'), only: 'database', throwAway: true });
  admin = new pg.Client({ connectionString: stack.databaseUrl });
  await admin.connect();
});
after(async () => {
  await admin?.end();
  await stack?.stop();
  rmSync(directory, { recursive: true, force: true });
});

const TABLES = `select format('%I.%I', n.nspname, c.relname) as name,
    array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema', 'auth')
    and c.relname <> 'schema_migrations' order by 1`;

/** A number that changes with every value of these columns of a table, and how many rows there are. */
const checksum = async (client, { name, columns }) => {
  const list = columns.map((column) => `"${column}"`).join(', ');
  const { rows } = await client.query(
    `select count(*)::int as rows, coalesce(sum(hashtextextended(jsonb_build_array(${list})::text, 0)::numeric), 0)::text as sum from ${name}`,
  );
  return rows[0];
};

const withDatabase = async (name, body) => {
  await admin.query(`create database ${name}`);
  const address = new URL(stack.databaseUrl);
  address.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: address.toString() });
  await client.connect();
  try {
    await body(address.toString(), client);
  } finally {
    await client.end();
    await admin.query(`drop database ${name} with (force)`);
  }
};

for (let count = 1; count < files.length; count++) {
  test(`from ${files[count - 1]} to the last`, () =>
    withDatabase(`upgrade_${count}`, async (url, client) => {
      const earlier = join(directory, `${count}`);
      mkdirSync(earlier);
      for (const file of files.slice(0, count)) copyFileSync(join(root, 'migrations', file), join(earlier, file));
      await migrate(url, { quiet: true, directory: earlier });
      const { rows: tables } = await client.query(TABLES);
      const empty = [];
      for (const { name } of tables) {
        const statement = generated[name];
        if (!statement) empty.push(name);
        else await client.query(statement, [ROWS]);
      }
      assert.deepEqual(empty, [], 'every table has generated data: tests/<system>/support/generated_rows.js');
      const before_ = await Promise.all(tables.map((table) => checksum(client, table)));
      for (const [at, { name }] of tables.entries())
        assert.ok(before_[at].rows >= (SINGLE.includes(name) ? 1 : ROWS), name);
      await migrate(url, { quiet: true });
      const after_ = await Promise.all(tables.map((table) => checksum(client, table)));
      // A later migration may add rows of its own to a table of settings.
      const settings = tables.flatMap(({ name }, at) =>
        ['private.limit_rules', 'private.daily_allowances', 'private.mention_places', 'private.secrets'].includes(name)
          ? [at]
          : [],
      );
      for (const [at, { name }] of tables.entries()) {
        if (settings.includes(at)) assert.ok(after_[at].rows >= before_[at].rows);
        else assert.deepEqual(after_[at], before_[at], name);
      }
    }));
}

test('a checksum notices one changed value', () =>
  withDatabase('upgrade_changed', async (url, client) => {
    await migrate(url, { quiet: true });
    await client.query(generated['clixen.projects'], [ROWS]);
    const table = { name: 'clixen.projects', columns: ['id', 'name', 'description'] };
    const before_ = await checksum(client, table);
    await client.query(
      `update clixen.projects set description = 'x' where id = (select id from clixen.projects limit 1)`,
    );
    assert.notDeepEqual(await checksum(client, table), before_);
  }));
