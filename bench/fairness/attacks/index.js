// What an abusive caller does. The attacker's process and the benchmark read the same list.
import { connections } from './connections.js';
import { direct } from './direct.js';
import { guesses } from './guesses.js';
import { hangUps } from './hang_ups.js';
import { requests } from './requests.js';
import { unusual } from './unusual.js';

/** @param {object} target of prepare.js */
export const attacks = (target) => [
  ...requests(target),
  ...connections(target),
  ...unusual(target),
  ...hangUps(target),
  ...guesses(target),
  ...direct(target),
];
