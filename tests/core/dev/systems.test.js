// SYSTEMS: what the commands take of each system, and a database that has others.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
  RESERVED_SCHEMAS,
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
  const known = all.map(({ name }) => name).join(', ');
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
  const config = readFileSync(join(root, 'src', 'config.rs'), 'utf8');
  const [, list] = /fn is_reserved_schema.*?\[(.*?)\]/s.exec(config);
  assert.deepEqual(
    [...list.matchAll(/"(\w+)"/g)].map(([, name]) => name).sort(),
    RESERVED_SCHEMAS.toSorted(),
    'src/config.rs and dev/systems.js refuse the same',
  );
});

/** Reads manifests of a folder, by name. */
const readManifests = (manifests) => {
  const folder = mkdtempSync(join(tmpdir(), 'rowgate-manifests-'));
  const usual = process.env.ROWGATE_MORE_SYSTEMS;
  try {
    for (const [name, text] of Object.entries(manifests)) writeFileSync(join(folder, `${name}.toml`), text);
    process.env.ROWGATE_MORE_SYSTEMS = relative(root, folder);
    return systems('none');
  } finally {
    rmSync(folder, { recursive: true });
    if (usual === undefined) delete process.env.ROWGATE_MORE_SYSTEMS;
    else process.env.ROWGATE_MORE_SYSTEMS = usual;
  }
};

const WRONG_MANIFESTS = {
  'one.toml: name: must be the file’s name': { one: 'name = "two"\nmigrations = "81"' },
  'one.toml: Invalid TOML': { one: 'name = ' },
  'one.toml: migrations: the two digits': { one: 'name = "one"' },
  'one.toml: migrations: the two digits that': { one: 'name = "one"\nmigrations = "00"' },
  'one.toml: migrations: the two digits that the': { one: 'name = "one"\nmigrations = "1"' },
  'two.toml: migrations: 81 is taken by one': {
    one: 'name = "one"\nmigrations = "81"',
    two: 'name = "two"\nmigrations = "81"',
  },
  'one.toml: schemas: private is a schema of the core': {
    one: 'name = "one"\nmigrations = "81"\nschemas = ["one", "private"]',
  },
};

test('a manifest without a name, without numbers of its own, or with a reserved schema is refused', () => {
  assert.deepEqual(
    readManifests({ one: 'name = "one"\nmigrations = "81"' }).map(({ name }) => name),
    ['one'],
  );
  for (const [said, manifests] of Object.entries(WRONG_MANIFESTS))
    assert.throws(
      () => readManifests(manifests),
      ({ message }) => message.replaceAll("'", '’').includes(said) || assert.fail(`${said}: ${message}`),
    );
});

test('the data API’s default schema is the product’s, whatever one’s own systems are called', () => {
  const [first] = all;
  assert.ok(first.migrations < '80');
  assert.deepEqual(
    all.map(({ migrations }) => migrations >= '80'),
    all.map(({ migrations }) => migrations >= '80').toSorted(),
  );
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
      const refused = { message: new RegExp(`has the migrations of ${name}, which SYSTEMS leaves out.*db:reset`) };
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
