// The systems that are compared: PostgREST itself, and five Workers in front of it, each alone in a workerd of its own.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { freePort } from '../../dev/process.js';
import { SetupError } from '../../dev/setup.js';
import { systems, writeSystems } from '../../dev/systems.js';
import { BUNDLE, workerd } from '../../dev/workerd.js';

const PREFIX = '/rest/v1';

/** The path of the edge's plain endpoint. */
export const ENDPOINT = '/v1/bench';

/** The edge among the systems. */
const EDGE = 'rowgate';

/** Where a system is asked for a row: the edge may have an endpoint for what the others pass on. */
export const addressOf = (row, system) =>
  row.endpoint && system.name === EDGE ? `${new URL(row.endpoint, system.url)}` : system.url + row.path;

const source = (name) => join(import.meta.dirname, 'workers', `${name}.js`);

/** A Hono Worker with its libraries in one file, as wrangler would deploy it. */
const bundled = async (name, directory) => {
  const outfile = join(directory, `${name}.js`);
  const conditions = ['workerd', 'worker', 'browser'];
  const options = { bundle: true, format: 'esm', target: 'es2022', minify: true, conditions, logLevel: 'warning' };
  await build({ entryPoints: [source(name)], outfile, ...options });
  return { name, modules: { [`${name}.js`]: outfile } };
};

/** The manifests of the systems, with a plain endpoint in clixen's. */
const manifests = () => {
  const plain = {
    ...{ method: 'POST', path: ENDPOINT, access: 'key', call: 'clixen.bench_plain' },
    arguments: { id: { field: 'id', type: 'uuid' }, page: { field: 'page', type: 'integer' } },
  };
  return systems().map((system) =>
    system.name === 'clixen' ? { ...system, endpoints: [...system.endpoints, plain] } : system,
  );
};

/** The Workers: name and modules. */
const workers = async (directory) => [
  {
    name: EDGE,
    modules: { ...BUNDLE, 'systems.js': writeSystems(directory, manifests(), dirname(BUNDLE['index.js'])) },
  },
  { name: 'fetch', modules: { 'fetch.js': source('fetch') } },
  { name: 'duties', modules: { 'duties.js': source('duties') } },
  await bundled('hono', directory),
  await bundled('hono-duties', directory),
];

/** workerd writes what Workers log straight into a file: no process beside it shall work for one system only. */
const command = (config, logFile) => () => ({
  file: '/bin/sh',
  args: ['-c', 'exec "$0" serve "$1" >>"$2" 2>&1', createRequire(import.meta.url)('workerd').default, config, logFile],
});

const part = async ({ name, modules }, { data, variables, failed }) => {
  const logFile = join(data, 'log', `${name}.log`);
  return workerd({
    ...{ data, name, modules, variables, failed, logFile },
    port: await freePort(),
    command: command(join(data, name, 'config.capnp'), logFile),
    // A Worker that is started again in the middle would spoil the numbers.
    restart: false,
    say: () => {},
  });
};

/**
 * Runs the body with the Workers in front of an upstream.
 * @param {{data: string, upstream: string, keys: object, tokens: import('./tokens.js').Tokens, stopping: AbortController}} options
 * @param {(workers: {name: string, url: string}[]) => Promise<T>} body
 * @returns {Promise<T>} @template T
 */
export const withWorkers = async ({ data, upstream, keys, tokens, stopping }, body) => {
  const variables = {
    POSTGREST_URL: upstream,
    EDGE_SIGNING_KEY: keys.edge_signing_key,
    ISSUERS: JSON.stringify(tokens.issuers),
    // The load is one user's, on as many connections as there are: more than a user's share, here and in the database.
    LIMITS: JSON.stringify({ caller_connections: 0, address_connections: 0, anonymous_connections: 0 }),
  };
  const failed = (dead, why) => stopping.abort(new SetupError(`${why}. Its log ends with:\n${dead.tail()}`));
  const started = [];
  try {
    const running = [];
    for (const worker of await workers(data)) {
      const made = await part(worker, { data, variables, failed });
      started.push(made.part);
      await made.part.start();
      running.push({ name: worker.name, url: made.url + PREFIX, part: made.part });
    }
    return await body(running);
  } finally {
    for (const each of started.reverse()) await each.stop();
  }
};
