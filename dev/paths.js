// Where things are. Imports nothing that has to be installed.
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');

/** Built tools, shared by all clones of this user. */
export const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'rowgate');

/** The local stack's data: ROWGATE_DATA, or .rowgate in the project. */
export const dataDirectory = () => resolve(root, process.env.ROWGATE_DATA || '.rowgate');
