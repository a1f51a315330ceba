// Migrating a database of an earlier release, with data in every table, keeps the data: every row and every value. The earlier
// releases are the repository's tags `v*`; the mechanism itself is tried on made-up later migrations.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { migrate } from '../../../dev/migrate.js';
import { root } from '../../../dev/paths.js';
import { migrationFiles } from '../../../dev/systems.js';
import { startThrowAway } from '../../../dev/throwaway.js';
import { rows as generated } from '../../support/generated_rows.js';
import { ownSql } from '../../support/own.js';

const ROWS = 200;
/** Tables that hold one row. */
const SINGLE = ['private.event_watermark', 'private.connection_shares', 'private.pricing', 'private.change_positions'];
/** Tables of settings: a later migration may add rows of its own. */
const SETTINGS = [
  'private.limit_rules',
  'private.tiers',
  'private.key_services',
  'private.daily_allowances',
  'private.mention_places',
  'private.tracked_tables',
  'private.secrets',
  'private.jobs',
  'private.hooks',
  'private.sealed_columns',
  'private.secret_patterns',
];

let system;
let admin;
/** The migrations of today. */
let migrations;

before(async () => {
  system = await startThrowAway('upgrade', { only: 'database' });
  admin = new pg.Client({ connectionString: system.stack.databaseUrl });
  await admin.connect();
  migrations = join(system.data, 'migrations');
  mkdirSync(migrations);
  for (const file of migrationFiles()) cpSync(file, join(migrations, basename(file)));
});
after(async () => {
  await admin?.end();
  await system?.stop();
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

/** Makes a database, of another one where a template is named, and calls the body with its address and a connection. */
const withDatabase = async (name, template, body) => {
  await admin.query(`create database ${name} ${template ? `template ${template}` : ''}`);
  const address = new URL(system.stack.databaseUrl);
  address.pathname = `/${name}`;
  const client = new pg.Client({ connectionString: address.toString() });
  await client.connect();
  try {
    return await body(address.toString(), client);
  } finally {
    await client.end();
  }
};

const checksums = (client, tables) => Promise.all(tables.map((table) => checksum(client, table)));

/** A database of a release with generated rows in every table: its name, its tables, and their checksums. */
const released = (name, directory, statements) =>
  withDatabase(name, undefined, async (url, client) => {
    await migrate(url, { quiet: true, directory });
    const { rows: there } = await client.query(TABLES);
    // Tables of somebody's own system or of plain tables may have some.
    const tables = there.filter(({ name: table }) => statements[table] || !ownSql.includes(`create table ${table} `));
    const empty = tables.filter((table) => !statements[table.name]).map((table) => table.name);
    assert.deepEqual(empty, [], 'every table has generated rows: tests/<system>/support/generated_rows.js');
    for (const table of tables) await client.query(statements[table.name], [ROWS]);
    const sums = await checksums(client, tables);
    for (const [at, table] of tables.entries())
      assert.ok(sums[at].rows >= (SINGLE.includes(table.name) ? 1 : ROWS), table.name);
    return { name, tables, sums };
  });

/** Upgrades a copy of that database to other migrations, and asserts that it keeps every value. */
const upgrade = async ({ name, tables, sums }, directory) => {
  const copy = `${name}_upgraded`;
  try {
    await withDatabase(copy, name, async (url, client) => {
      await migrate(url, { quiet: true, directory });
      const found = await checksums(client, tables);
      for (const [at, table] of tables.entries()) {
        if (SETTINGS.includes(table.name)) assert.ok(found[at].rows >= sums[at].rows, table.name);
        else assert.deepEqual(found[at], sums[at], table.name);
      }
    });
  } finally {
    await admin.query(`drop database if exists ${copy} with (force)`);
  }
};

const git = (...args) => spawnSync('git', args, { cwd: root, maxBuffer: 2 ** 30 });

/** The releases, where this is a clone that has them. */
const releases = git('tag', '--list', 'v*').stdout?.toString().split('\n').filter(Boolean) ?? [];

for (const tag of releases) {
  test(`from ${tag}`, async () => {
    const directory = join(system.data, tag);
    mkdirSync(directory);
    const { stdout } = git('archive', tag, 'migrations', 'tests', 'dev', 'package.json');
    assert.equal(spawnSync('tar', ['-x', '-C', directory], { input: stdout }).status, 0);
    const { rows } = await import(join(directory, 'tests', 'support', 'generated_rows.js'));
    const release = await released(`release_${tag.replaceAll(/\W/g, '_')}`, join(directory, 'migrations'), rows);
    await upgrade(release, migrations);
  });
}

/** The migrations of today and one more. */
const withLater = (name, up) => {
  const directory = join(system.data, name);
  cpSync(migrations, directory, { recursive: true });
  writeFileSync(join(directory, '9999_later.sql'), `-- migrate:up\n${up}\n-- migrate:down\nselect 1;\n`);
  return directory;
};

let today;
test('every table has generated rows', async () => {
  today = await released('today', migrations, generated);
});

test('a later migration that expands keeps what a database of today has', () =>
  upgrade(
    today,
    withLater(
      'expands',
      `alter table private.audit_log add column made_up text not null default 'x';
       create index audit_log_made_up on private.audit_log (made_up);
       create table private.made_up (id int primary key);
       insert into private.limit_rules (name, burst, refill, shared) values ('made up', 1, '1 second', 1);`,
    ),
  ));

const LOSSES = {
  'changes a value': [
    `update private.idempotency_keys set key = key || ' ' where caller = 'caller 7';`,
    /private\.idempotency_keys/,
  ],
  'loses a row': [
    `delete from private.job_runs where id = (select min(id) from private.job_runs);`,
    /private\.job_runs/,
  ],
  'drops a column': ['alter table private.audit_log drop column request_id;', /request_id/],
  'loses a setting': [`delete from private.limit_rules where name = 'rule 7';`, /private\.limit_rules/],
};

for (const [name, [up, found]] of Object.entries(LOSSES)) {
  test(`a later migration that ${name} is found`, () =>
    assert.rejects(upgrade(today, withLater(name.replaceAll(' ', '-'), up)), found));
}
