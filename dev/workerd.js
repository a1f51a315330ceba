// A Worker as a part on workerd itself, as on a machine without Cloudflare: no wrangler, and no proxy in front of it.
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { root } from './paths.js';
import { Part, waitFor } from './process.js';

const RUNTIME = createRequire(import.meta.url)('workerd').default;

/** The runtime keeps two open files for each connection: the usual limit of a process would end it at a few hundred. */
const WITH_OPEN_FILES = 'ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"; exec "$0" "$@"';

const text = (value) => JSON.stringify(value);

/** The modules of a bundle in a folder, in the order in which workerd wants them: the entry first. */
export const bundleIn = (folder) =>
  Object.fromEntries(
    ['entry.js', 'index.js', 'index_bg.wasm', 'systems.js', 'documents.bin'].map((name) => [
      name,
      join(root, folder, name),
    ]),
  );

/** The bundle's modules. */
export const BUNDLE = bundleIn('build');

/** What wrangler.toml says of the runtime. */
const runtime = () => parse(readFileSync(join(root, 'wrangler.toml'), 'utf8'));

const KINDS = { wasm: 'wasm', bin: 'data' };
const moduleKind = (name) => KINDS[name.split('.').at(-1)] ?? 'esModule';

const configuration = ({ port, modules, variables, bindings }) => {
  const all = [
    '(name = "HEAD_REQUESTS", service = "heads")',
    ...Object.entries(variables).map(([name, value]) => `(name = ${text(name)}, text = ${text(value)})`),
    ...bindings,
  ];
  const { compatibility_date: date, compatibility_flags: flags = [] } = runtime();
  const list = (items) => `[${items.join(', ')}]`;
  const names = Object.keys(modules);
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    # Redirects are not followed and addresses come from the configuration, so that private ones are no danger.
    (name = "network", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
    # Connections of their own for HEAD: PostgREST 12 closes a connection after each answer to it.
    (name = "heads", network = (allow = ["public", "private"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = ${list(names.map((name) => `(name = ${text(name)}, ${moduleKind(name)} = embed ${text(name)})`))},
  compatibilityDate = ${text(date)},
  compatibilityFlags = ${list(flags.map(text))},
  bindings = ${list(all)},
  globalOutbound = "network",
);
`;
};

/**
 * The part, not yet started. Without modules it is the bundle.
 * @param {{data: string, name?: string, port: number, modules?: Record<string, string>, variables: Record<string, string>, bindings?: string[], path?: string, inspector?: number, logFile: string, say: Function, failed?: Function}} options
 * modules: file by name; bindings: further ones in workerd's own words; path: what is asked to see whether it is up;
 * inspector: the port at which V8's debugging protocol is spoken, on this machine
 */
export const workerd = ({
  data,
  name = 'workerd',
  port,
  modules = BUNDLE,
  variables,
  bindings = [],
  path = '/healthz',
  inspector,
  ...rest
}) => {
  const directory = join(data, name);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const [file, from] of Object.entries(modules)) cpSync(from, join(directory, file));
  const file = join(directory, 'config.capnp');
  writeFileSync(file, configuration({ port, modules, variables, bindings }), { mode: 0o600 });
  const url = `http://127.0.0.1:${port}`;
  const inspecting = inspector ? [`--inspector-addr=127.0.0.1:${inspector}`] : [];
  const part = new Part({
    name,
    command: () => ({
      file: '/bin/sh',
      args: ['-c', WITH_OPEN_FILES, RUNTIME, 'serve', ...inspecting, file],
      options: {},
    }),
    ready: (_, given) => {
      const asked = () =>
        fetch(url + path).then(
          (answer) => answer.arrayBuffer().then(() => true),
          () => false,
        );
      return waitFor(`${name} to answer`, asked, { given });
    },
    ...rest,
  });
  return { part, url };
};
