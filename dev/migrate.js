// Migrations by dbmate. Its own table is in the schema private, which PostgREST does not expose.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import pg from 'pg';
import { root } from './paths.js';
import { SetupError } from './setup.js';

/**
 * Runs dbmate.
 * @param {string} databaseUrl of a role that may create roles and schemas
 * @param {string[]} args its command and arguments
 * @param {{quiet?: boolean, directory?: string}} options
 */
export const dbmate = (databaseUrl, args, { quiet = false, directory = join(root, 'migrations') } = {}) => {
  const options = [
    '--no-dump-schema',
    '--migrations-dir',
    directory,
    '--migrations-table',
    'private.schema_migrations',
  ];
  const done = spawnSync(join(root, 'node_modules', '.bin', 'dbmate'), [...options, ...args], {
    cwd: root,
    encoding: 'utf8',
    // A migration that waits for a lock makes everybody behind it wait too.
    env: {
      PATH: process.env.PATH,
      DATABASE_URL: databaseUrl,
      PGOPTIONS: '-c lock_timeout=5s -c statement_timeout=10min',
    },
  });
  const said = `${done.stdout ?? ''}${done.stderr ?? ''}`.trim();
  if (done.status !== 0) throw new SetupError(`dbmate ${args.join(' ')} failed:\n${done.error?.message ?? said}`);
  if (!quiet && said) console.error(said);
  return said;
};

/** Tells a running PostgREST that the schema has changed. */
export const reloadPostgrest = async (databaseUrl) => {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query(`notify pgrst, 'reload schema'`);
  await client.end();
};

/** Applies what is pending. */
export const migrate = async (databaseUrl, options) => {
  dbmate(databaseUrl, ['--wait', 'migrate'], options);
  await reloadPostgrest(databaseUrl);
};

/** Rolls back the given number of migrations, or all. */
export const rollback = async (databaseUrl, count, options) => {
  const applied = dbmate(databaseUrl, ['status'], { ...options, quiet: true }).match(/^\[X\]/gm)?.length ?? 0;
  for (let left = Math.min(count === 'all' ? applied : count, applied); left > 0; left--) {
    dbmate(databaseUrl, ['rollback'], options);
  }
  await reloadPostgrest(databaseUrl);
};
