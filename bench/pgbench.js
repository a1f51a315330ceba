// pgbench as a client: one in JavaScript takes as much of the cores as the database.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { median, p99 } from './figures.js';

/**
 * Runs a script again and again, over several connections. An error of a statement ends the run.
 * @param {string} databaseUrl
 * @param {{script: string, clients: number, seconds: number, signal: AbortSignal}} options
 * @param {(output: {stdout: string, folder: string}) => unknown} read what the run gives; `folder` has a log of each transaction
 */
const pgbench = async (databaseUrl, { script, clients, seconds, signal }, read) => {
  const folder = await mkdtemp(join(tmpdir(), 'rowgate-bench-'));
  try {
    const file = join(folder, 'client.sql');
    await writeFile(file, script);
    const options = ['--no-vacuum', '--protocol=prepared', '--jobs=1', `--client=${clients}`, `--time=${seconds}`];
    const log = ['--log', `--log-prefix=${join(folder, 'log')}`];
    const { stdout, stderr } = await promisify(execFile)(
      'pgbench',
      [...options, ...log, `--file=${file}`, databaseUrl],
      { signal },
    );
    if (/\babort/i.test(stderr)) throw new Error(stderr);
    return await read({ stdout, folder });
  } finally {
    await rm(folder, { recursive: true });
  }
};

/** Transactions a second. Its options are those of pgbench() above. */
export const perSecond = (databaseUrl, options) =>
  pgbench(databaseUrl, options, ({ stdout }) => Number(/^tps = ([\d.]+)/m.exec(stdout)[1]));

/** The transactions of a log: each one's client, and when it began and ended, in milliseconds. */
const transactionsOf = async (folder) => {
  const names = (await readdir(folder)).filter((name) => name.startsWith('log.'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts
    .flatMap((text) => text.trimEnd().split('\n'))
    .filter(Boolean)
    .map((line) => {
      const [client, , took, , second, microsecond] = line.split(' ').map(Number);
      const end = second * 1000 + microsecond / 1000;
      return { client, end, begin: end - took / 1000 };
    });
};

/**
 * How long a transaction takes, and how many there are in a second, from when each connection has made its first one: connecting and
 * looking things up in the catalogs is not measured. Its options are those of pgbench() above.
 * @returns {Promise<{ms: number, p99: number, perSecond: number} | undefined>} ms: the median; undefined if the time is too short for a
 * second transaction of each connection
 */
export const latency = (databaseUrl, options) =>
  pgbench(databaseUrl, options, async ({ folder }) => {
    const all = await transactionsOf(folder);
    const firsts = new Map();
    for (const { client, end } of all) if (!(firsts.get(client) <= end)) firsts.set(client, end);
    if (firsts.size < options.clients) return undefined;
    const start = Math.max(...firsts.values());
    const took = all.filter(({ begin }) => begin >= start).map(({ begin, end }) => end - begin);
    if (took.length < options.clients) return undefined;
    const ended = all.filter(({ end }) => end > start);
    const last = ended.reduce((latest, { end }) => Math.max(latest, end), start);
    return { ms: median(took), p99: p99(took), perSecond: (1000 * ended.length) / (last - start) };
  });
