// The systems: their manifests, systems/<name>.toml, and the lists that commands, tests and the bundle take from them. The
// environment variable SYSTEMS chooses systems by name; without it all of them count.
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { root } from './paths.js';
import { SetupError } from './setup.js';

/** The folder of the manifests. */
export const MANIFESTS = join(root, 'systems');

/** The schema of the core that PostgREST serves and the data API does not. */
export const CORE_SCHEMA = 'edge';

/** The jobs of the core, which `src/jobs.rs` lists. */
export const CORE_JOBS = [
  { name: 'clean_audit', cron: '17 3 * * *', by: 'database' },
  { name: 'clean_core', cron: '17 3 * * *', by: 'database' },
];

const read = (file) => {
  try {
    return parse(readFileSync(join(MANIFESTS, file), 'utf8'));
  } catch (error) {
    throw new SetupError(`systems/${file}: ${error.message}`);
  }
};

/** All manifests, by name. A list that a manifest leaves out is empty. */
export const allSystems = () => {
  const files = readdirSync(MANIFESTS).filter((file) => file.endsWith('.toml'));
  return files.sort().map((file) => {
    const manifest = read(file);
    if (`${manifest.name}.toml` !== file) throw new SetupError(`systems/${file}: name must be the file's name.`);
    const lists = { schemas: [], request_headers: [], variables: [], errors: [], jobs: [], endpoints: [] };
    return { ...lists, ...manifest };
  });
};

/**
 * The manifests of the chosen systems, by name. The text `none`, or an empty one, chooses the core alone.
 * @param {string | undefined} chosen names separated by commas; undefined for all systems
 */
export const systems = (chosen = process.env.SYSTEMS) => {
  const all = allSystems();
  if (chosen === undefined) return all;
  const names = chosen.split(',').map((name) => name.trim());
  const wanted = names.filter((name) => name !== '' && name !== 'none');
  const unknown = wanted.filter((name) => !all.some((system) => system.name === name));
  if (unknown.length > 0) {
    const known = all.map(({ name }) => name).join(', ');
    throw new SetupError(
      `SYSTEMS: there is no ${unknown.join(', ')}. Name some of ${known}, or none for the core alone.`,
    );
  }
  return all.filter(({ name }) => wanted.includes(name));
};

/** Schemas that PostgREST exposes: those of the systems, and the core's. The first one is the default. */
export const schemas = (chosen = systems()) => [...chosen.flatMap((system) => system.schemas), CORE_SCHEMA];

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

/** Whether a migration belongs to the core or to one of the systems, by the first two digits of its file's name. */
export const isMigrationOf = (file, chosen = systems()) =>
  ['00', ...chosen.map(({ migrations }) => migrations)].includes(file.slice(0, 2));

const without = (object, ...names) =>
  Object.fromEntries(Object.entries(object).filter(([name]) => !names.includes(name)));

/** A manifest without what only people and tools read. */
const forTheEdge = (manifest) => ({
  ...without(manifest, 'about', 'migrations'),
  variables: manifest.variables.map((variable) => without(variable, 'about')),
  endpoints: manifest.endpoints.map((endpoint) => without(endpoint, 'about', 'request', 'response', 'examples')),
});

/** The manifests as one JSON text for the edge. */
export const bundleText = (chosen = systems()) => JSON.stringify(chosen.map(forTheEdge));

/** A JavaScript module whose default export is the text. */
export const moduleOf = (text) => `export default ${JSON.stringify(text)};\n`;

/** Writes the module `systems.js` into a directory, at once, so that no reader finds half of it. Gives its path. */
export const writeSystems = (directory, chosen = systems()) => {
  const file = join(directory, 'systems.js');
  mkdirSync(directory, { recursive: true });
  writeFileSync(`${file}.new`, moduleOf(bundleText(chosen)));
  renameSync(`${file}.new`, file);
  return file;
};
