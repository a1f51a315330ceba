// SYSTEMS: what the commands take of each system, and a database that has others.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { migrate, pending, rollback } from '../../../dev/migrate.js';
import { root } from '../../../dev/paths.js';
import {
  allSystems,
  dataSchemas,
  isOwnMigration,
  migrationFiles,
  plainSchemas,
  schemas,
  sqlFilesOf,
  systemOf,
  systems,
  testFolders,
} from '../../../dev/systems.js';
import { startThrowAway } from '../../../dev/throwaway.js';

// The tests choose by themselves.
delete process.env.SYSTEMS;

const product = (chosen) => systems(chosen).filter(({ folder }) => !folder);
const names = (files) => files.map((file) => basename(file));
const all = allSystems();

test('SYSTEMS names systems; none, or nothing, is the core alone; another name is refused with those that there are', () => {
  assert.deepEqual(product(undefined), all);
  for (const chosen of ['none', '', ' ']) assert.deepEqual(product(chosen), [], chosen);
  for (const { name } of all)
    assert.deepEqual(
      product(` ${name} `).map((system) => system.name),
      [name],
    );
  const known = all
    .map(({ name }) => name)
    .sort()
    .join(', ');
  assert.throws(() => systems('nosuch'), { message: new RegExp(`there is no nosuch\\. Name some of ${known}`) });
});

test('a system takes the migrations, the sample data and the tests of its own; a number of no system is always taken', () => {
  const everything = sqlFilesOf(join(root, 'migrations'), all);
  const core = sqlFilesOf(join(root, 'migrations'), []);
  assert.deepEqual(
    names(core),
    names(everything).filter((file) => systemOf(file) === undefined),
  );
  assert.ok(names(core).every((file) => file.startsWith('00') || isOwnMigration(file)));
  for (const system of all) {
    const own = names(sqlFilesOf(join(root, 'migrations'), [system])).filter((file) => !names(core).includes(file));
    assert.ok(own.length > 0 && own.every((file) => file.startsWith(system.migrations)), system.name);
    assert.deepEqual(
      names(sqlFilesOf(join(root, 'dev', 'seed'), [system])).filter((file) => !file.startsWith(system.migrations)),
      [],
    );
    const tests = testFolders([system]);
    assert.equal(tests.includes(`tests/${system.name}`), existsSync(join(root, 'tests', system.name)));
    assert.equal(tests.length, testFolders([]).length + 1);
  }
  const folder = mkdtempSync(join(tmpdir(), 'rowgate-systems-'));
  try {
    for (const file of ['8001_plain.sql', `${all[0].migrations}99_other.sql`]) writeFileSync(join(folder, file), '');
    assert.deepEqual(names(sqlFilesOf(folder, [])), ['8001_plain.sql']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('no two systems have a schema, a number of migrations or a path in common', () => {
  const taken = (list) => list.filter((one, at) => list.indexOf(one) !== at);
  const everything = systems();
  assert.deepEqual(taken(everything.flatMap((system) => system.schemas)), []);
  assert.deepEqual(taken(everything.map(({ migrations }) => migrations)), []);
  const paths = everything.flatMap(({ endpoints }) => endpoints.map(({ method, path }) => `${method} ${path}`));
  assert.deepEqual(taken(paths), []);
});

test('a manifest that commands cannot use is refused: its name, its number of migrations, a reserved schema, a second default', () => {
  const usual = process.env.ROWGATE_MORE_SYSTEMS;
  const folder = mkdtempSync(join(tmpdir(), 'rowgate-systems-'));
  process.env.ROWGATE_MORE_SYSTEMS = relative(root, folder);
  const [first] = all;
  const cases = [
    ['name = "books"\nmigrations = "98"', null],
    ['name = "books', /books\.toml: Invalid TOML/],
    ['name = "shelf"\nmigrations = "98"', /name must be the file's name/],
    ['name = "books"', /migrations must be two digits/],
    ['name = "books"\nmigrations = 98', /migrations must be two digits/],
    ['name = "books"\nmigrations = "9"', /migrations must be two digits/],
    ['name = "books"\nmigrations = "0"', /migrations must be two digits/],
    ['name = "books"\nmigrations = "00"', /00 is the core/],
    [
      `name = "books"\nmigrations = "${first.migrations}"`,
      new RegExp(`"${first.migrations}" is the number of systems/${first.name}.toml`),
    ],
    ['name = "books"\nmigrations = "98"\ndefault_schema = true', /default_schema is the right of/],
    ['name = "books"\nmigrations = "98"\nschemas = ["books", "private"]', /schemas: private is a schema of the core/],
  ];
  try {
    for (const [fields, words] of cases) {
      writeFileSync(join(folder, 'books.toml'), `${fields}\n`);
      if (words) assert.throws(() => systems('none'), { message: words }, fields);
      else
        assert.deepEqual(
          systems('none').map(({ name }) => name),
          ['books'],
        );
    }
  } finally {
    if (usual === undefined) delete process.env.ROWGATE_MORE_SYSTEMS;
    else process.env.ROWGATE_MORE_SYSTEMS = usual;
    rmSync(folder, { recursive: true });
  }
});

test('a new system does not change the default schema', () => {
  assert.ok(all[0].default_schema, 'the first system says that it has the default schema');
  const numbers = all.slice(1).map(({ migrations }) => migrations);
  assert.deepEqual(numbers, numbers.toSorted());
});

test('PostgREST serves the schemas of the systems, of SCHEMAS and the core’s', () => {
  assert.deepEqual(plainSchemas(' shop, stock,,shop'), ['shop', 'stock']);
  assert.deepEqual(schemas([]), [...plainSchemas(), 'edge']);
  assert.deepEqual(dataSchemas(all), [...all.flatMap((system) => system.schemas), ...plainSchemas()]);
});

test('SCHEMAS: what is no name or a reserved schema is refused, as the edge refuses it', () => {
  const wrong = [
    'private',
    'public',
    'auth',
    'edge',
    'pg_catalog',
    'vault',
    'storage',
    'Library',
    'a-b',
    '1st',
    'a"b',
    'ä',
    'x'.repeat(64),
  ];
  for (const name of wrong)
    assert.throws(() => plainSchemas(`shop,${name}`), { message: /^SCHEMAS: / }, `${name} is accepted`);
  assert.throws(() => plainSchemas('private'), {
    message: /private is a schema of the core.*Name a schema of your own\.$/,
  });
});

let system;
let url;
before(async () => {
  system = await startThrowAway('systems', { only: 'database' });
  url = system.stack.databaseUrl;
});
after(() => system?.stop());

/** Calls the body with another choice of systems. */
const chosen = async (text, body) => {
  const usual = process.env.SYSTEMS;
  process.env.SYSTEMS = text;
  try {
    return await body();
  } finally {
    if (usual === undefined) delete process.env.SYSTEMS;
    else process.env.SYSTEMS = usual;
  }
};

test('each system can be migrated alone, and others be added; a database with more than is chosen is refused', async () => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  const there = async () => {
    const wanted = all.flatMap((each) => each.schemas);
    const { rows } = await client.query('select nspname as name from pg_namespace where nspname = any ($1)', [wanted]);
    return rows.map(({ name }) => name).sort();
  };
  try {
    await chosen('none', () => migrate(url, { quiet: true }));
    assert.deepEqual(await there(), []);
    for (const { name, schemas: own } of all) {
      await chosen(name, async () => {
        assert.ok((await pending(url)).length > 0);
        await migrate(url, { quiet: true });
        assert.deepEqual(await pending(url), []);
        assert.deepEqual(await there(), own.toSorted());
      });
      const refused = {
        message: new RegExp(`has the migrations of ${name}, which SYSTEMS leaves out.*ROWGATE_DATA.*db:reset`),
      };
      await chosen('none', async () => {
        await assert.rejects(migrate(url, { quiet: true }), refused);
        await assert.rejects(rollback(url, 1, { quiet: true }), refused);
      });
      await chosen(name, () => rollback(url, 'all', { quiet: true }));
    }
    // One after the other, the one with the higher numbers first.
    const inOrder = all.toSorted((a, b) => (a.migrations < b.migrations ? 1 : -1)).map(({ name }) => name);
    for (const count of inOrder.keys())
      await chosen(inOrder.slice(0, count + 1).join(), () => migrate(url, { quiet: true }));
    assert.deepEqual(await there(), all.flatMap((each) => each.schemas).sort());
    assert.equal(migrationFiles(systems()).length > 0, true);
  } finally {
    await client.end();
  }
});
