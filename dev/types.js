// TypeScript types: of the data API's schemas, by Supabase's own generator, in the form that supabase-js takes; and of the endpoints, made
// of their description in OpenAPI, in the form that openapi-fetch takes.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { core, description } from './openapi.js';
import { root } from './paths.js';
import { SetupError } from './setup.js';
import { dataSchemas, productSystems, systems } from './systems.js';

/** Where they are kept. */
export const typesFile = join(root, 'database.types.ts');
export const edgeTypesFile = join(root, 'edge.types.ts');

const HEADER = '// Made by `npm run db:types` from the migrations. Do not edit.\n\n';

/** Partitions of `analytics.events`: they come and go with the months, and are reached through their table only. */
const PARTITION = /^ {6}events_(\d{4}_\d{2}|undated): \{\n[\s\S]*?^ {6}\}\n/gm;

/** Schemas of the product: without those that only tests have. */
const productSchemas = () => dataSchemas(systems().filter(({ folder }) => !folder));

/** The types of a database. */
export const generateTypes = (databaseUrl, names = productSchemas()) => {
  const server = join(root, 'node_modules', '@supabase', 'postgres-meta', 'dist', 'server', 'server.js');
  const done = spawnSync(process.execPath, ['--no-warnings', server], {
    encoding: 'utf8',
    env: {
      PATH: process.env.PATH,
      PG_META_DB_URL: databaseUrl,
      PG_META_GENERATE_TYPES: 'typescript',
      PG_META_GENERATE_TYPES_INCLUDED_SCHEMAS: names.join(','),
      PG_META_GENERATE_TYPES_DETECT_ONE_TO_ONE_RELATIONSHIPS: 'true',
    },
  });
  if (done.status !== 0 || !done.stdout.includes('export type Database')) {
    throw new SetupError(`The types cannot be generated:\n${done.error?.message ?? done.stderr}`);
  }
  return HEADER + done.stdout.replace(PARTITION, '');
};

const EDGE_HEADER = '// Made by `npm run db:types` from the manifests. Do not edit.\n\n';

/** The types of the endpoints of the core and of the product's systems; the services behind the edge have supabase-js. */
export const generateEdgeTypes = async (manifests = productSystems()) => {
  const { default: openapiTS, astToString } = await import('openapi-typescript');
  return EDGE_HEADER + astToString(await openapiTS(description(manifests, [core(), ...manifests])));
};
