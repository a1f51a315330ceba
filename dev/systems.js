// The systems: their manifests, systems/<name>.toml, and the lists that commands, tests and the bundle take from them. The
// environment variable SYSTEMS chooses systems by name; without it all of them count.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { parse } from 'smol-toml';
import { chosenNames, MANIFESTS, manifestNames } from './chosen.js';
import { root } from './paths.js';
import { SetupError } from './setup.js';

/** The folder of the migrations. */
export const MIGRATIONS = join(root, 'migrations');

/**
 * More folders with manifests, each with a folder `migrations` and a file `proof.js` beside them: the system that the core's own
 * tests use, which is no part of the product. `npm test` sets the variable.
 */
const moreFolders = () => (process.env.ROWGATE_MORE_SYSTEMS ?? '').split(',').filter(Boolean);

/** The schema of the core that PostgREST serves and the data API does not. */
export const CORE_SCHEMA = 'edge';

/** The jobs of the core, which `src/jobs.rs` lists. */
export const CORE_JOBS = [
  { name: 'analyze_tables', cron: '*/5 * * * *', by: 'database' },
  { name: 'clean_api_tokens', cron: '17 3 * * *', by: 'database' },
  { name: 'clean_audit', cron: '7 * * * *', by: 'database' },
  { name: 'clean_changes', cron: '*/5 * * * *', by: 'database' },
  { name: 'clean_core', cron: '7 * * * *', by: 'database' },
  { name: 'release_reservations', cron: '*/5 * * * *', by: 'database' },
];

const read = (file) => {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new SetupError(`${relative(root, file)}: ${error.message.trimEnd()}`);
  }
};

const LISTS = { schemas: [], request_headers: [], variables: [], errors: [], jobs: [], endpoints: [] };

/** Digits from which on the product takes no numbers of migrations: they are for systems and plain tables of somebody's own. */
const OWN_FROM = '80';

/**
 * Schemas that are never served. The edge refuses them as well (src/config.rs reads the same file), but PostgREST would have served them
 * by then. A name that ends with `*` stands for all names that begin so.
 */
const RESERVED_SCHEMAS = readFileSync(join(MANIFESTS, 'reserved_schemas.txt'), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

const isReserved = (name) =>
  RESERVED_SCHEMAS.some((reserved) =>
    reserved.endsWith('*') ? name.startsWith(reserved.slice(0, -1)) : name === reserved,
  );

/** Why a schema cannot be served; undefined if it can. */
const schemaFault = (name) => {
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(name))
    return `"${name}" is no name of a schema: lower-case letters, digits and _, at most 63`;
  if (isReserved(name))
    return `${name} is a schema of the core, of PostgreSQL or of Supabase, which is never served. Name a schema of your own`;
  return undefined;
};

/** Why commands cannot use a manifest; undefined if they can. The bundle checks all of it (`compiled`). */
const manifestFault = ({ name, migrations, schemas }, file) => {
  if (`${name}.toml` !== basename(file)) return "name must be the file's name";
  if (typeof migrations !== 'string' || !/^\d\d$/.test(migrations) || migrations === '00')
    return 'migrations must be two digits, the first ones of the numbers of its migrations; 00 is the core';
  const [fault] = Array.isArray(schemas) ? schemas.map((schema) => schemaFault(`${schema}`)).filter(Boolean) : [];
  return fault && `schemas: ${fault}`;
};

/** The manifests of a folder. A list that a manifest leaves out is empty. */
const manifestsIn = (folder) =>
  manifestNames(folder).map((name) => {
    const file = join(folder, `${name}.toml`);
    const manifest = { ...LISTS, ...read(file) };
    const fault = manifestFault(manifest, file);
    if (fault) throw new SetupError(`${relative(root, file)}: ${fault}.`);
    return manifest;
  });

/** Systems in their order: the one whose schema is the default, then by the numbers of their migrations. No two have the same. */
const inOrder = (list) => {
  const refuse = (first, second, what) => {
    throw new SetupError(`systems/${second.name}.toml: ${what} of systems/${first.name}.toml.`);
  };
  list.forEach((system, at) => {
    const earlier = list.slice(0, at);
    const twin = earlier.find(({ migrations }) => migrations === system.migrations);
    if (twin) refuse(twin, system, `migrations = "${system.migrations}" is the number`);
    const other = system.default_schema && earlier.find(({ default_schema }) => default_schema);
    if (other) refuse(other, system, 'default_schema is the right');
  });
  const rank = ({ default_schema, migrations }) => `${default_schema ? 0 : 1}${migrations}`;
  return list.toSorted((a, b) => (rank(a) < rank(b) ? -1 : 1));
};

/** Whether a system is somebody's own, and not the product's. The project's documents and generated files do not list it. */
const isOwn = ({ migrations }) => migrations >= OWN_FROM;

/** All manifests, in their order. The first schema of the first one is the data API's default. */
export const allSystems = () => inOrder(manifestsIn(MANIFESTS));

/** The systems of the product. */
export const productSystems = () => allSystems().filter((system) => !isOwn(system));

/** The systems of the folders beside the product's. They are always chosen, and come first: their schema is the default. */
export const moreSystems = () =>
  moreFolders().flatMap((folder) => manifestsIn(join(root, folder)).map((system) => ({ ...system, folder })));

/**
 * The manifests of the chosen systems, in their order. The text `none`, or an empty one, chooses the core alone.
 * @param {string | undefined} chosen names separated by commas; undefined for all systems
 */
export const systems = (chosen = process.env.SYSTEMS) => {
  const names = chosenNames(chosen);
  const [all, more] = [allSystems(), moreSystems()];
  inOrder([...all, ...more]);
  return [...more, ...all.filter(({ name }) => names?.includes(name) ?? true)];
};

/** Schemas of plain tables, which no manifest names: the variable SCHEMAS. Refuses those that must not be served. */
export const plainSchemas = (named = process.env.SCHEMAS ?? '') => {
  const names = named
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean);
  const fault = names.map(schemaFault).find(Boolean);
  if (fault) throw new SetupError(`SCHEMAS: ${fault}.`);
  return [...new Set(names)];
};

/** Schemas that the data API serves: those of the systems, and those of plain tables. */
export const dataSchemas = (chosen = systems(), plain = plainSchemas()) => [
  ...new Set([...chosen.flatMap((system) => system.schemas), ...plain]),
];

/** Schemas that PostgREST exposes: those of the data API, and the core's. The first one is the default. */
export const schemas = (chosen = systems(), plain = plainSchemas()) => [...dataSchemas(chosen, plain), CORE_SCHEMA];

/** The scheduled jobs of the core and of the systems. */
export const jobs = (chosen = systems()) => [...CORE_JOBS, ...chosen.flatMap((system) => system.jobs)];

/** The crons of all jobs, each once. */
export const crons = (chosen = systems()) => [...new Set(jobs(chosen).map(({ cron }) => cron))].sort();

/** The variables of the systems. */
export const variables = (chosen = systems()) => chosen.flatMap((system) => system.variables);

/** The error codes of the systems. */
export const errors = (chosen = systems()) => chosen.flatMap((system) => system.errors);

/** The request headers that endpoints of the systems read. */
export const requestHeaders = (chosen = systems()) => chosen.flatMap((system) => system.request_headers);

/** The system that a migration or a file of sample data belongs to, by the digits that its name begins with. */
export const systemOf = (file, all = allSystems()) => all.find(({ migrations }) => file.startsWith(migrations))?.name;

/** Whether a file is taken: it belongs to a chosen system, or to none, as the core's and those of plain tables. */
const isTaken = (file, chosen, all) => {
  const owner = systemOf(file, all);
  return owner === undefined || chosen.some(({ name }) => name === owner);
};

/** Files of SQL of a folder that the chosen systems take, by name. */
export const sqlFilesOf = (folder, chosen = systems()) => {
  const all = allSystems();
  return readdirSync(folder)
    .filter((file) => file.endsWith('.sql') && isTaken(file, chosen, all))
    .sort()
    .map((file) => join(folder, file));
};

/** The migrations of the core, of the chosen systems and of plain tables, in their order. */
export const migrationFiles = (chosen = systems()) => {
  const more = chosen.filter(({ folder }) => folder).map(({ folder }) => join(root, folder, 'migrations'));
  const byName = (a, b) => (basename(a) < basename(b) ? -1 : 1);
  return [MIGRATIONS, ...more].flatMap((folder) => sqlFilesOf(folder, chosen)).sort(byName);
};

/** Whether a migration is of somebody's own system or plain tables. */
export const isOwnMigration = (file) => basename(file) >= OWN_FROM;

/** The folders of tests: the core's, what tests share, and one for each chosen system that has one. */
export const testFolders = (chosen = systems()) => {
  const all = allSystems().map(({ name }) => name);
  const left = all.filter((name) => !chosen.some((system) => system.name === name));
  const folders = readdirSync(join(root, 'tests'), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return folders
    .map(({ name }) => name)
    .filter((name) => !left.includes(name))
    .map((name) => join('tests', name));
};

const without = (object, ...names) =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));

/** A manifest without what only people and tools read. */
const forTheEdge = (manifest) => ({
  ...without(manifest, 'about', 'migrations', 'default_schema', 'docs', 'folder', 'definitions'),
  variables: manifest.variables.map((variable) => without(variable, 'about')),
  endpoints: manifest.endpoints.map((endpoint) =>
    without(endpoint, 'about', 'request', 'response', 'errors', 'statuses'),
  ),
});

/** The manifests as one JSON text for the edge. */
export const bundleText = (chosen = systems()) => JSON.stringify(chosen.map(forTheEdge));

/** A JavaScript module whose default export is the text. */
export const moduleOf = (text) => `export default ${JSON.stringify(text)};\n`;

/** A Worker that has the bundle check the manifests beside it and prints what it makes of them. */
const COMPILER = `import { compileManifests } from './index.js';
import manifests from './systems.js';
export default { test: () => console.log(JSON.stringify(compileManifests(manifests))) };
`;

const compilerConfiguration = (modules) => {
  const kind = (name) => (name.endsWith('.wasm') ? 'wasm' : 'esModule');
  const { compatibility_date: date } = parse(readFileSync(join(root, 'wrangler.toml'), 'utf8'));
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [(name = "main", worker = .main)]);
const main :Workerd.Worker = (
  modules = [${modules.map((name) => `(name = "${name}", ${kind(name)} = embed "${name}")`).join(', ')}],
  compatibilityDate = "${date}",
);
`;
};

/**
 * The compact form of manifests, which a bundle's own Rust makes after it has checked them; the edge need not check it again. Refuses
 * wrong ones.
 * @param {string} bundle the directory of the bundle
 * @param {string} text the manifests as JSON
 */
export const compiled = (bundle, text) => {
  const modules = ['compiler.js', 'index.js', 'entry.js', 'index_bg.wasm', 'systems.js'];
  const directory = mkdtempSync(join(tmpdir(), 'rowgate-manifests-'));
  try {
    for (const name of modules.slice(1, -1)) copyFileSync(join(bundle, name), join(directory, name));
    writeFileSync(join(directory, 'compiler.js'), COMPILER);
    writeFileSync(join(directory, 'systems.js'), moduleOf(text));
    const config = join(directory, 'config.capnp');
    writeFileSync(config, compilerConfiguration(modules));
    const runtime = createRequire(import.meta.url)('workerd').default;
    const { status, stdout, stderr } = spawnSync(runtime, ['test', config], { encoding: 'utf8' });
    if (status !== 0 || stdout === '') throw new SetupError(`The bundle cannot check the manifests.\n${stderr}`);
    const made = JSON.parse(stdout);
    if (made.startsWith('!')) throw new SetupError(`${made.slice(1)}.`);
    return made;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

/**
 * Writes the module `systems.js` into a directory, at once, so that no reader finds half of it. Gives its path.
 * @param {string} directory where to write it
 * @param {object[]} chosen the manifests
 * @param {string | undefined} bundle the directory of the bundle that checks them; without it the edge does, whenever it starts
 */
export const writeSystems = (directory, chosen = systems(), bundle = undefined) => {
  const file = join(directory, 'systems.js');
  const json = bundleText(chosen);
  const text = bundle ? compiled(bundle, json) : json;
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${file}.new`, moduleOf(text));
  renameSync(`${file}.new`, file);
  return file;
};
