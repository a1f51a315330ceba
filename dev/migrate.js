// Migrations by dbmate. Its own table is in the schema private, which PostgREST does not expose; a column of it has a checksum of
// each file as it was applied, so that a file that changed afterwards is noticed.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import pg from 'pg';
import { isLocal } from './local.js';
import { root } from './paths.js';
import { SetupError } from './setup.js';
import { migrationFiles, systemOf } from './systems.js';

/** Calls the body with a folder of the migrations: the given one, or one of copies of the chosen systems' files. */
const withDirectory = async ({ directory, ...options }, body) => {
  if (directory) return body({ ...options, directory });
  const copies = mkdtempSync(join(tmpdir(), 'rowgate-migrations-'));
  try {
    for (const file of migrationFiles()) copyFileSync(file, join(copies, basename(file)));
    return await body({ ...options, directory: copies });
  } finally {
    rmSync(copies, { recursive: true, force: true });
  }
};

/**
 * Runs dbmate.
 * @param {string} databaseUrl of a role that may create roles and schemas
 * @param {string[]} args its command and arguments
 * @param {{quiet?: boolean, directory?: string}} options
 */
export const dbmate = (databaseUrl, args, { quiet = false, directory }) => {
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

const withClient = async (databaseUrl, body) => {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    return await body(client);
  } finally {
    await client.end();
  }
};

/** Tells a running PostgREST that the schema has changed. */
export const reloadPostgrest = async (databaseUrl) => {
  await withClient(databaseUrl, (client) => client.query(`notify pgrst, 'reload schema'`));
};

/** Makes a running PostgREST read its configuration and the schema again. */
export const reconfigurePostgrest = async (databaseUrl) => {
  await withClient(databaseUrl, (client) =>
    client.query(`notify pgrst, 'reload config'; notify pgrst, 'reload schema'`),
  );
};

/** The statements of an up part as a checksum: lines that are empty or only a comment do not count. */
const checksumOf = (migration) => {
  const [up] = migration.split(/^-- migrate:down/m);
  const lines = up.split('\n').map((line) => line.trimEnd());
  const statements = lines.filter((line) => line !== '' && !/^\s*--/.test(line));
  return createHash('sha256').update(statements.join('\n')).digest('hex');
};

/** The files of a directory by version, each with its checksum. */
const filesOf = (directory) =>
  new Map(
    readdirSync(directory)
      .filter((name) => /^\d+.*\.sql$/.test(name))
      .map((name) => [
        /^\d+/.exec(name)[0],
        { name, checksum: checksumOf(readFileSync(join(directory, name), 'utf8')) },
      ]),
  );

/** The applied versions with their checksums; nothing where the database has never been migrated. */
const appliedIn = async (client) => {
  const { rows } = await client.query(`select to_regclass('private.schema_migrations') is not null as there`);
  if (!rows[0].there) return undefined;
  // dbmate alone stores no checksum.
  const { rows: applied } = await client.query(
    `select version, to_jsonb(m) ->> 'checksum' as checksum from private.schema_migrations as m order by version`,
  );
  return applied;
};

/**
 * What a database has applied that the files are not: migrations that were removed, renamed or changed afterwards. Without a
 * checksum a local database counts as different; another one is trusted.
 */
const differingFrom = (files, applied, local) =>
  applied.flatMap(({ version, checksum }) => {
    const file = files.get(version);
    if (!file) return [`${version} is applied, and no file has this number`];
    if (checksum === null) return local ? [`${file.name} is applied, and no checksum says in which form`] : [];
    return checksum === file.checksum ? [] : [`${file.name} has changed since it was applied`];
  });

const MAX_NAMED = 5;

/** Refuses a database that was migrated by other files. */
const refuseOthers = (databaseUrl, differing) => {
  const more = differing.length - MAX_NAMED;
  const list = [...differing.slice(0, MAX_NAMED), ...(more > 0 ? [`and ${more} more`] : [])];
  const what = `This database was migrated by other files than those in migrations/:\n${list.map((line) => `  ${line}`).join('\n')}`;
  if (isLocal(databaseUrl)) {
    throw new SetupError(
      `${what}\nRun \`npm run db:reset\`: it empties the local database and applies the files of today. ` +
        'Or put the files back, such as by switching to the branch that made it. ' +
        'A migration is removed in this order: `npm run db:rollback`, then the file.',
    );
  }
  throw new SetupError(
    `${what}\nNothing was changed. It is on ${new URL(databaseUrl).hostname}, so it is not made anew: check out the release that ` +
      'migrated it, and put what is to change into a new file. docs/operations.md, "Changing a released schema", has the steps.',
  );
};

/** Refuses a database that has systems which are not chosen: they would neither be served nor be rolled back in order. */
const refuseOtherSystems = (databaseUrl, files, applied) => {
  const left = [
    ...new Set(applied.filter(({ version }) => !files.has(version)).map(({ version }) => systemOf(version))),
  ].filter(Boolean);
  if (left.length === 0) return;
  const them = left.length === 1 ? 'it' : 'them';
  const reset = isLocal(databaseUrl)
    ? ` Or set ROWGATE_DATA to another directory, whose database has no systems yet. Or run \`npm run db:reset\`: it empties this database, with the data of ${left.join(' and ')}.`
    : '';
  throw new SetupError(
    `This database has the migrations of ${left.join(' and ')}, which SYSTEMS leaves out. ` +
      `Add ${them} to SYSTEMS.${reset}`,
  );
};

/** Refuses a database to which today's files do not belong: neither their up parts nor their down parts fit it. */
const refuseDiffering = (databaseUrl, files) =>
  withClient(databaseUrl, async (client) => {
    const applied = (await appliedIn(client)) ?? [];
    refuseOtherSystems(databaseUrl, files, applied);
    const differing = differingFrom(files, applied, isLocal(databaseUrl));
    if (differing.length > 0) refuseOthers(databaseUrl, differing);
  });

/** Stores the checksums of files that have been applied. */
const keepChecksums = async (client, files) => {
  const { rows } = await client.query(
    `select from pg_attribute where attrelid = 'private.schema_migrations'::regclass and attname = 'checksum' and not attisdropped`,
  );
  if (rows.length === 0) await client.query('alter table private.schema_migrations add column checksum text');
  const list = [...files].map(([version, { checksum }]) => ({ version, checksum }));
  await client.query(
    `update private.schema_migrations as m set checksum = f.checksum
     from jsonb_to_recordset($1::jsonb) as f (version text, checksum text) where f.version = m.version and m.checksum is null`,
    [JSON.stringify(list)],
  );
};

/** Attaches the triggers to auth.users, which may have appeared after the migrations. */
const attachAccountTriggers = (databaseUrl) =>
  withClient(databaseUrl, async (client) => {
    const { rows } = await client.query(
      `select to_regprocedure('private.attach_account_triggers()') is not null as known`,
    );
    if (rows[0].known) await client.query('select private.attach_account_triggers()');
  });

/**
 * Applies what is pending.
 * @param {string} databaseUrl
 * @param {{quiet?: boolean, directory?: string}} options
 */
export const migrate = async (databaseUrl, given = {}) => {
  await withDirectory(given, async (options) => {
    const files = filesOf(options.directory);
    await refuseDiffering(databaseUrl, files);
    try {
      dbmate(databaseUrl, ['migrate'], options);
    } finally {
      // Where one fails, those before it are applied.
      await withClient(databaseUrl, async (client) => {
        if (await appliedIn(client)) await keepChecksums(client, files);
      });
    }
  });
  await attachAccountTriggers(databaseUrl);
  await reloadPostgrest(databaseUrl);
};

/** What dbmate says of each migration, whether it is applied. */
export const status = (databaseUrl, given = {}) =>
  withDirectory(given, (options) => dbmate(databaseUrl, ['status'], { ...options, quiet: true }));

/** The migrations of the chosen systems that a database does not have. */
export const pending = async (databaseUrl) => {
  const applied = await withClient(databaseUrl, async (client) => (await appliedIn(client)) ?? []);
  const versions = new Set(applied.map(({ version }) => version));
  return migrationFiles()
    .map((file) => basename(file))
    .filter((file) => !versions.has(/^\d+/.exec(file)?.[0]));
};

/** Rolls back the given number of migrations, or all. */
export const rollback = async (databaseUrl, count, given = {}) => {
  await withDirectory(given, async (options) => {
    await refuseDiffering(databaseUrl, filesOf(options.directory));
    const applied = dbmate(databaseUrl, ['status'], { ...options, quiet: true }).match(/^\[X\]/gm)?.length ?? 0;
    for (let left = Math.min(count === 'all' ? applied : count, applied); left > 0; left--) {
      dbmate(databaseUrl, ['rollback'], options);
    }
  });
  await reloadPostgrest(databaseUrl);
};
