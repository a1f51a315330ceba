// What has been decided: for the core, and by system. A relation, column, function or route that is nowhere here is a blank, and fails.
// A system's decisions are in <name>.js or <name>/index.js here; those about a schema of plain tables in <schema>.js.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../../dev/paths.js';
import { plainSchemas, productSystems, systems } from '../../dev/systems.js';
import edge from './edge.js';

const decided = async (name, folder) => {
  const here = join(root, 'proof', 'systems');
  const files = folder ? [join(root, folder, 'proof.js')] : [join(here, `${name}.js`), join(here, name, 'index.js')];
  const file = files.find((path) => existsSync(path));
  return file ? (await import(file)).default : { relations: {}, functions: {}, routes: {} };
};

const load = async () => {
  const found = { edge };
  for (const { name, folder } of systems()) found[name] = await decided(name, folder);
  for (const name of plainSchemas()) found[name] ??= await decided(name);
  return found;
};

export const SYSTEMS = await load();

/** Those of the core and of the product's systems, which docs/proof.md is about. */
export const PRODUCT = Object.fromEntries(
  Object.entries(SYSTEMS).filter(
    ([name]) => name === 'edge' || productSystems().some((system) => system.name === name),
  ),
);
