import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { catalog, configuration, differences } from '../../../dev/catalog.js';
import { migrate, rollback, status } from '../../../dev/migrate.js';
import { startStack } from '../../../dev/stack.js';
import { migrationFiles } from '../../../dev/systems.js';

// A server of its own: roles belong to the whole server.
const data = mkdtempSync(join(tmpdir(), 'rowgate-migrations-'));
const directory = join(data, 'migrations');
const files = migrationFiles();
let stack;
const states = [];

before(async () => {
  stack = await startStack({ data, only: 'database', throwAway: true });
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  // Supabase's, which one migration adds tables to.
  await client.query('create publication supabase_realtime');
  await client.end();
});

after(async () => {
  await stack.stop();
  rmSync(data, { recursive: true, force: true });
});

/** Everything that the migrations make: objects, and the rows that they write. */
const stateOf = async (url) => new Map([...(await catalog(url)), ...(await configuration(url))]);

/** Left behind on purpose: dbmate's schema, and extensions that others may use. */
const withoutRest = (state) =>
  new Map([...state].filter(([key]) => key !== 'schema private' && !key.startsWith('extension ')));

test('every migration goes up, down to exactly what was before it, and up again', async () => {
  const { mkdirSync } = await import('node:fs');
  mkdirSync(directory);
  const options = { quiet: true, directory };
  states.push(await stateOf(stack.databaseUrl));
  for (const file of files) {
    copyFileSync(file, join(directory, basename(file)));
    await migrate(stack.databaseUrl, options);
    states.push(await stateOf(stack.databaseUrl));
  }
  for (let count = files.length; count > 0; count--) {
    assert.notDeepEqual(differences(states[count - 1], states[count]), [], `${files[count - 1]} changes something`);
    await rollback(stack.databaseUrl, 1, options);
    const found = await stateOf(stack.databaseUrl);
    assert.deepEqual(
      differences(withoutRest(states[count - 1]), withoutRest(found)),
      [],
      `down of ${files[count - 1]}`,
    );
  }
  await migrate(stack.databaseUrl, options);
  assert.deepEqual(differences(states.at(-1), await stateOf(stack.databaseUrl)), []);
});

test('all of them down and up again at once', async () => {
  await rollback(stack.databaseUrl, 'all', { quiet: true });
  assert.match(await status(stack.databaseUrl), new RegExp(`Pending: ${files.length}`));
  await migrate(stack.databaseUrl, { quiet: true });
  assert.deepEqual(differences(states.at(-1), await stateOf(stack.databaseUrl)), []);
});

test('the comparison notices a column, a grant, a policy, a function body, comments and a row', async () => {
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  await client.query(`
    alter table sample.projects add column faulty int;
    grant truncate on sample.projects to authenticated;
    drop policy owner_select on sample.projects;
    create or replace function private.caller_key() returns text language sql as $$ select 'x' $$;
    comment on type sample.mood is 'faulty';
    comment on index sample.projects_created_at is 'faulty';
    alter sequence sample.numbers cache 7;
    delete from private.limit_rules where name = 'entries';`);
  await client.end();
  const found = differences(states.at(-1), await stateOf(stack.databaseUrl)).map((line) => line.split('\n')[0]);
  assert.deepEqual(found, [
    'missing: policy sample.projects owner_select',
    'missing: row private.limit_rules {"name": "entries", "burst": 30, "refill": "00:00:02", "shared": 30}',
    'not from the migrations: column sample.projects.faulty',
    'different: function private.caller_key()',
    'different: index sample.projects_created_at',
    'different: sequence sample.numbers',
    'different: table sample.projects',
    'different: type sample.mood',
  ]);
});
