// npm run db:migrate | db:status | db:rollback [n|all] | db:reset | db:seed | db:verify | db:types | db:show
// The database is DATABASE_URL, else that of the running stack, else the local stack's, started for the command alone.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { withDatabase } from './database.js';
import { isLocal } from './local.js';
import { root } from './paths.js';
import { main, SetupError, setup } from './setup.js';

const say = (line) => console.error(`[db] ${line}`);

/** Refuses a database that may be somebody's real one. */
const refuseRemote = (databaseUrl) => {
  if (!isLocal(databaseUrl)) {
    throw new SetupError(`This is for local databases only; this one is on ${new URL(databaseUrl).hostname}.`);
  }
};

/** Asks before data that may be somebody's is dropped. */
const wantYes = (databaseUrl, args) => {
  if (isLocal(databaseUrl) || args.includes('--yes')) return;
  const { hostname } = new URL(databaseUrl);
  throw new SetupError(`This drops tables with their data, on ${hostname}. Say --yes if that is what you want.`);
};

/** What stands before a command that could do harm. */
const GUARDS = { reset: refuseRemote, seed: refuseRemote, rollback: wantYes };

const reset = async (databaseUrl) => {
  const { migrate, reloadPostgrest } = await import('./migrate.js');
  const { default: pg } = await import('pg');
  const address = new URL(databaseUrl);
  const name = decodeURIComponent(address.pathname.slice(1));
  address.pathname = '/postgres';
  const client = new pg.Client({ connectionString: address.toString() });
  await client.connect();
  await client.query(`drop database if exists ${client.escapeIdentifier(name)} with (force)`);
  await client.query(`create database ${client.escapeIdentifier(name)}`);
  await client.end();
  await migrate(databaseUrl);
  await reloadPostgrest(databaseUrl);
  say(`${name} is empty`);
};

const seed = async (databaseUrl) => {
  const { sqlFilesOf } = await import('./systems.js');
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const file of sqlFilesOf(join(root, 'dev', 'seed'))) {
      await client.query(`begin;\n${readFileSync(file, 'utf8')}\ncommit;`);
      say(`sample data of ${basename(file)} loaded`);
    }
  } finally {
    await client.end();
  }
};

/** Compares the database with one that has just been migrated. */
const verify = async (databaseUrl) => {
  const { catalog, differences, ownPart, withAccounts } = await import('./catalog.js');
  const { withThrowAway } = await import('./throwaway.js');
  say('migrating a throw-away database to compare with');
  const intended = await withThrowAway('verify', { only: 'migrated database' }, async ({ stack }) =>
    ownPart(await catalog(stack.databaseUrl)),
  );
  const there = ownPart(await catalog(databaseUrl));
  const found = differences(withAccounts(intended, there), there);
  for (const line of found) console.log(line);
  if (found.length > 0) throw new SetupError(`${found.length} differences from what the migrations intend.`);
  console.log(`${intended.size} objects are as the migrations intend`);
};

const types = async (databaseUrl) => {
  const { edgeTypesFile, generateEdgeTypes, generateTypes, typesFile } = await import('./types.js');
  const { pending } = await import('./migrate.js');
  const missing = await pending(databaseUrl);
  if (missing.length > 0) {
    throw new SetupError(
      `This database lacks ${missing.length} of the migrations, such as ${missing[0]}, so its types would be incomplete. ` +
        'Run `npm run db:migrate` first.',
    );
  }
  writeFileSync(typesFile, generateTypes(databaseUrl));
  writeFileSync(edgeTypesFile, await generateEdgeTypes());
  say(`${typesFile} and ${edgeTypesFile} written`);
};

const COMMANDS = {
  migrate: async (url) => (await import('./migrate.js')).migrate(url),
  status: async (url) => console.log(await (await import('./migrate.js')).status(url)),
  rollback: async (url, args) => {
    const [count = '1', ...more] = args.filter((arg) => arg !== '--yes');
    if (more.length > 0 || (count !== 'all' && !/^[1-9]\d*$/.test(count))) {
      throw new SetupError('Usage: npm run db:rollback [-- n|all] [--yes]');
    }
    await (await import('./migrate.js')).rollback(url, count === 'all' ? count : Number(count));
  },
  reset,
  seed,
  verify,
  types,
  show: async (url, args) => {
    if (args.length !== 1) throw new SetupError('Usage: npm run db:show -- <function, table or view>');
    console.log(await (await import('./show.js')).show(url, args[0]));
  },
};

await main(async () => {
  const [name, ...rest] = process.argv.slice(2);
  const command = COMMANDS[name];
  if (!command) throw new SetupError(`Usage: npm run db:${Object.keys(COMMANDS).join(' | db:')}`);
  await setup();
  const guard = (databaseUrl) => GUARDS[name]?.(databaseUrl, rest);
  await withDatabase((databaseUrl) => command(databaseUrl, rest), { guard, say });
});
