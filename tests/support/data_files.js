import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Paths of the files below the folder of this run (tables, write-ahead log, logs) whose bytes contain `word`. */
export function dataFilesWith(word) {
  return readdirSync(process.env.ROWGATE_TEST_DATA, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => contentOf(path).includes(word));
}

/** PostgreSQL deletes temporary files, caches and old segments at any time, also between the listing and the reading. */
function contentOf(path) {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error.code === 'ENOENT') return '';
    throw error;
  }
}
