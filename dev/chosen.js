// Which systems the variable SYSTEMS chooses, by the names of the manifests alone. Imports nothing that has to be installed.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.js';
import { SetupError } from './setup.js';

/** The folder of the manifests. */
export const MANIFESTS = join(root, 'systems');

/** The names of a folder's manifests: those of the files. */
export const manifestNames = (folder = MANIFESTS) =>
  (existsSync(folder) ? readdirSync(folder) : [])
    .filter((file) => file.endsWith('.toml'))
    .map((file) => file.slice(0, -'.toml'.length))
    .sort();

/**
 * The names of the chosen systems; undefined for all of them. The text `none`, or an empty one, chooses the core alone.
 * @param {string | undefined} chosen names separated by commas
 */
export const chosenNames = (chosen = process.env.SYSTEMS) => {
  if (chosen === undefined) return undefined;
  const wanted = chosen
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'none');
  const all = manifestNames();
  const unknown = wanted.filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    throw new SetupError(
      `SYSTEMS: there is no ${unknown.join(', ')}. Name some of ${all.join(', ')}, or none for the core alone.`,
    );
  }
  return wanted;
};
