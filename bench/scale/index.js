// npm run bench -- scale: what the hot reads of every system cost under row-level security, whether their plans hang on the statistics of
// the moment, and how they and the functions of endpoints grow.
import { productSystems, systems } from '../../dev/systems.js';
import { benchmarkOfParts } from '../parts.js';
import * as curves from './curves.js';
import { callsOf, endpointsOf } from './endpoints.js';
import { CORE, listsOf } from './lists.js';
import { measure } from './measure.js';

/** What is loaded, as a part of the rows that each system's own benchmark loads; lists.js: `SIZE`. */
const SIZE = 0.1;

/** What a benchmark of one system is given. */
const listedOf = async ([name, list]) => ({ list, calls: await callsOf(name), endpoints: endpointsOf(name) });

const curvesOf = (system) => [
  `curves-${system[0]}`,
  { ...curves, measure: async (parts) => curves.measure({ ...parts, ...(await listedOf(system)) }) },
];

/** Two parts for each system, and for the core. */
const lists = await listsOf([...systems(), { name: CORE }]);
const parts = Object.fromEntries(
  lists.flatMap(([name, list]) => [
    [
      name,
      {
        SIZES: { size: list.SIZE ?? SIZE },
        only: 'migrated database',
        measure: async (parts) => measure({ ...parts, ...(await listedOf([name, list])) }),
      },
    ],
    curvesOf([name, list]),
  ]),
);

export const run = benchmarkOfParts(
  'scale',
  parts,
  [...productSystems(), { name: CORE }].flatMap(({ name }) => [name, `curves-${name}`]),
);
