// pgbench as a client: one in JavaScript that reads rows takes as much of the cores as the database.
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/**
 * Transactions a second of a script that runs again and again, over several connections. An error of a statement ends the run.
 * @param {string} databaseUrl
 * @param {{script: string, clients: number, seconds: number, signal: AbortSignal}} options
 */
export const perSecond = async (databaseUrl, { script, clients, seconds, signal }) => {
  const folder = await mkdtemp(join(tmpdir(), 'rowgate-bench-'));
  try {
    const file = join(folder, 'client.sql');
    await writeFile(file, script);
    const options = ['--no-vacuum', '--protocol=prepared', '--jobs=1', `--client=${clients}`, `--time=${seconds}`];
    const { stdout, stderr } = await promisify(execFile)('pgbench', [...options, `--file=${file}`, databaseUrl], {
      signal,
    });
    if (/\babort/i.test(stderr)) throw new Error(stderr);
    return Number(/^tps = ([\d.]+)/m.exec(stdout)[1]);
  } finally {
    await rm(folder, { recursive: true });
  }
};
