// The kinds of requests of the chosen systems. Each file in this folder has, for one system:
//
//   prepare(sql, {users, ask})  makes rows that requests need, and gives what the kinds must know of them
//   kinds(world)                the list: a name, the group whose p99 is compared, the share of all that begin, and run(tools), which sends one
//                               request or several that follow each other, and says what was acknowledged; a request may have a group of its own
//   stored                      by what is acknowledged, the statement that finds its keys
import * as assistant from './assistant.js';
import * as clixen from './clixen.js';
import * as core from './core.js';
import * as flashfusion from './flashfusion.js';
import * as growth from './growth.js';
import * as observatory from './observatory.js';

const ALL = { growth, clixen, flashfusion, observatory, assistant };

/** The parts of the chosen systems, the core's first. */
const parts = (systems) => [['core', core], ...Object.entries(ALL).filter(([name]) => systems.includes(name))];

/** @param {object} world what is known of the system; gets a field for each part */
export const prepare = async (world, sql, ask) => {
  for (const [name, part] of parts(world.systems)) world[name] = await part.prepare(sql, { ...world, ask });
};

export const kindsOf = (world) => parts(world.systems).flatMap(([, part]) => part.kinds(world));

export const storedOf = (world) => Object.assign({}, ...parts(world.systems).map(([, part]) => part.stored));
