// What must hold of an edge after everything that was done to it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

/** What a panic of the bundle, an exception of its glue or a crash of the runtime writes. Clients' broken HTTP is logged, too. */
const CRASH = /RuntimeError|unreachable|panicked|Uncaught (?!exception: kj\/compat\/http)|\*\*\* (Fatal|Received)/;

/** Lines of an edge's log that tell of a crash. Its own lines are JSON and may hold such words as data. */
export const crashes = (text) => text.split('\n').filter((line) => !line.startsWith('{') && CRASH.test(line));

/** Asserts that an edge has not panicked, has never died, and still answers. */
export const assertHealthy = async ({ url, part }) => {
  assert.deepEqual(crashes(readFileSync(part.logFile, 'utf8')), []);
  assert.deepEqual(part.deaths, []);
  assert.equal((await fetch(`${url}/healthz`)).status, 200);
};
