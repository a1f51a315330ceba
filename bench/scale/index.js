// npm run bench -- scale: what the hot reads of every system cost under row-level security, and whether their plans hang on the
// statistics of the moment.
import { productSystems, systems } from '../../dev/systems.js';
import { benchmarkOfParts } from '../parts.js';
import { listsOf } from './lists.js';
import { measure } from './measure.js';

/** `size`: what is loaded, as a part of the rows that each system's own benchmark loads. */
const SIZES = { size: 0.1 };

/** A part for each system, on a database of its own. */
const parts = Object.fromEntries(
  (await listsOf(systems())).map(([name, list]) => [
    name,
    { SIZES, only: 'migrated database', measure: (parts) => measure({ ...parts, list }) },
  ]),
);

export const run = benchmarkOfParts(
  'scale',
  parts,
  productSystems().map(({ name }) => name),
);
