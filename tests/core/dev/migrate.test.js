// `npm run db:migrate` on a database that other files have migrated: those of an earlier time, of another branch, or changed ones.
import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import pg from 'pg';
import { isLocal } from '../../../dev/local.js';
import { dbmate, migrate, rollback } from '../../../dev/migrate.js';
import { startThrowAway } from '../../../dev/throwaway.js';

let system;
let admin;
let url;
let directory;
let databases = 0;

before(async () => {
  system = await startThrowAway('migrate', { only: 'database' });
  admin = new pg.Client({ connectionString: system.stack.databaseUrl });
  await admin.connect();
  directory = join(system.data, 'migrations');
});
after(async () => {
  await admin?.end();
  await system?.stop();
});

const write = (name, up) =>
  writeFileSync(join(directory, name), `-- ${name}\n-- migrate:up\n${up}\n\n-- migrate:down\nselect 1;\n`);

// Each test has a new database with three migrations.
beforeEach(async () => {
  databases += 1;
  const name = `migrate_${databases}`;
  await admin.query(`create database ${name}`);
  const address = new URL(system.stack.databaseUrl);
  address.pathname = `/${name}`;
  url = address.toString();
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  write('0001_one.sql', 'create table public.one (id int);');
  write('0002_two.sql', 'create table public.two (id int);');
  write('0003_three.sql', 'create table public.three (id int);');
  await migrate(url, { quiet: true, directory });
});

const query = async (text) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
};
const tables = async () =>
  (
    await query(`select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1`)
  ).map(({ relname }) => relname);
const again = (to = url) => migrate(to, { quiet: true, directory });

/** The database by a name that is not this machine's; the parameter says where it really is. */
const elsewhere = () => {
  const address = new URL(url);
  address.hostname = 'db.example.org';
  address.searchParams.set('host', '127.0.0.1');
  return address.toString();
};

test('the same files again, and later ones, apply', async () => {
  await again();
  write('0004_four.sql', 'create table public.four (id int);');
  await again();
  assert.deepEqual(await tables(), ['four', 'one', 'three', 'two']);
  await rollback(url, 1, { quiet: true, directory });
  write('0004_four.sql', 'create table public.five (id int);');
  await again();
  assert.deepEqual(await tables(), ['five', 'four', 'one', 'three', 'two'], 'what was rolled back may change');
});

test('a squash is met by one sentence that names what differs, and nothing is applied', async () => {
  rmSync(join(directory, '0003_three.sql'));
  write('0002_two.sql', 'create table public.two (id bigint);');
  write('0004_four.sql', 'create table public.four (id int);');
  await assert.rejects(again(), (error) => {
    assert.equal(error.constructor.name, 'SetupError');
    assert.match(error.message, /^This database was migrated by other files than those in migrations\/:\n/);
    assert.match(
      error.message,
      /^ {2}0002_two\.sql has changed since it was applied\n {2}0003 is applied, and no file has this number\n/m,
    );
    assert.match(error.message, /Run `npm run db:reset`/);
    assert.ok(!error.message.includes('0001'));
    return true;
  });
  assert.deepEqual(await tables(), ['one', 'three', 'two']);
});

test('comments and empty lines of an applied file may change, its statements may not', async () => {
  write('0001_one.sql', '-- Another comment.\n\ncreate table public.one (id int);\n-- And one more.');
  await again();
  write('0001_one.sql', 'create table public.one (id int );');
  await assert.rejects(again(), /0001_one\.sql has changed/);
});

test('a local database without checksums is one of before', async () => {
  await query('alter table private.schema_migrations drop column checksum');
  const refused = /0001_one\.sql is applied, and no checksum says in which form[\s\S]*npm run db:reset/;
  await assert.rejects(again(), refused);
  await assert.rejects(rollback(url, 1, { quiet: true, directory }), refused, 'its down parts do not fit, either');
});

test('many differences are counted', async () => {
  for (let n = 10; n < 20; n += 1) await query(`insert into private.schema_migrations (version) values ('00${n}')`);
  await assert.rejects(again(), /0014 is applied, and no file has this number\n {2}and 5 more\n/);
});

test('for a database elsewhere the advice is not to empty it', async () => {
  write('0002_two.sql', 'create table public.two (id bigint);');
  await assert.rejects(again(elsewhere()), (error) => {
    assert.match(
      error.message,
      /0002_two\.sql has changed since it was applied\nNothing was changed\. It is on db\.example\.org/,
    );
    assert.match(error.message, /put what is to change into a new file/);
    assert.ok(!error.message.includes('db:reset'));
    return true;
  });
});

test('elsewhere files without a checksum are believed, and kept from then on', async () => {
  await query('update private.schema_migrations set checksum = null');
  await again(elsewhere()).catch((error) =>
    assert.match(error.message, /^dbmate/, 'dbmate does not heed the parameter'),
  );
  const rows = await query('select checksum from private.schema_migrations');
  assert.ok(rows.every(({ checksum }) => /^[0-9a-f]{64}$/.test(checksum)));
});

test('a migration that fails leaves the checksums of those before it', async () => {
  write('0004_four.sql', 'create table public.four (id int);');
  write('0005_five.sql', 'select 1 / 0;');
  await assert.rejects(again(), /division by zero/);
  write('0005_five.sql', 'create table public.five (id int);');
  await again();
  assert.deepEqual(await tables(), ['five', 'four', 'one', 'three', 'two']);
  assert.match(dbmate(url, ['status'], { quiet: true, directory }), /Pending: 0/);
});

test('a database is local where every host of its address is', () => {
  for (const local of ['127.0.0.1', 'localhost', '[::1]']) assert.ok(isLocal(`postgres://u:p@${local}:5432/d`), local);
  for (const remote of [
    'postgres://u:p@db.example.org/d',
    'postgres://u:p@127.0.0.2/d',
    'postgres://u:p@localhost/d?host=db.example.org',
    'postgres://u:p@localhost/d?hostaddr=192.0.2.1',
    'postgres://u:p@db.example.org/d?host=localhost',
  ])
    assert.ok(!isLocal(remote), remote);
});
