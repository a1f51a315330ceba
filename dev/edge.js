// The edge as a part: `wrangler dev`, local only, with its configuration in a file of the data directory. It serves the bundle
// of the profile `watch`, and builds and serves it again when a source changes.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { BUILD_FAILED, BUILT, OUTPUT } from './build.js';
import { root } from './paths.js';
import { Part, waitFor } from './process.js';
import { SetupError } from './setup.js';

const quoted = (text) => (/^[\w:/.,-]*$/.test(text) ? text : `'${text}'`);

/** Asks the edge whether it serves: true, false while it does not answer, or why it is not configured (RG901), as a text. */
const health = async (url) => {
  try {
    const answer = await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(60_000) });
    if (answer.ok) return true;
    const { code, message, details } = await answer.json();
    return code === 'RG901' && `${message}: ${details}`;
  } catch {
    return false;
  }
};

/** Reads wrangler's log. Calls `failed` with what a watched build said before it failed, and `reloaded` when another one is served. */
const watchedBuilds = ({ failed, reloaded }) => {
  let said = [];
  let isBuilt = true;
  return (text) => {
    const line = stripVTControlCharacters(text);
    const [, built] = /^\[custom build\] ?(.*)$/.exec(line) ?? [];
    if (line.includes('Local server updated and ready') && isBuilt) reloaded();
    // What npm says of the next build may come while one is under way.
    if (!built || built.startsWith('Running: ') || built.startsWith('> ')) return;
    // A build that was killed leaves its lines.
    said = [...said.slice(-500), built];
    if (built !== BUILT && built !== BUILD_FAILED) return;
    isBuilt = built === BUILT;
    if (!isBuilt) failed(said.join('\n'));
    said = [];
  };
};

/**
 * The part, not yet started. Says what is wrong with sources and manifests that have changed.
 * @param {{data: string, port: number, variables: Record<string, string>, config?: string, entry?: string, reloaded?: () => Promise<void>, logFile: string, say: Function, failed: Function, signal?: AbortSignal}} options
 * reloaded: called when sources or manifests have changed and are served
 */
export const edge = ({
  data,
  port,
  variables,
  config = join(root, 'wrangler.toml'),
  entry = join(OUTPUT.watch, 'entry.js'),
  reloaded = async () => {},
  say,
  ...rest
}) => {
  const file = join(data, 'edge.env');
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${quoted(value)}\n`);
  writeFileSync(file, lines.join(''), { mode: 0o600 });
  const url = `http://127.0.0.1:${port}`;
  /** The fault that was said last: a change of one file may start several builds. */
  let known;
  const tell = (fault) => {
    if (fault === undefined) say('the change is served');
    else if (fault !== known) say(fault);
    known = fault;
  };
  const line = watchedBuilds({
    failed: tell,
    reloaded: async () => {
      await reloaded().catch((error) => say(error.message));
      const found = await health(url);
      if (found) tell(found === true ? undefined : found);
    },
  });
  const part = new Part({
    name: 'edge',
    command: () => ({
      file: process.execPath,
      args: [
        join(root, 'node_modules', 'wrangler', 'bin', 'wrangler.js'),
        ...['dev', entry, '--config', config, '--local', '--ip', '127.0.0.1'],
        ...['--port', `${port}`, '--inspector-port', '0'],
        ...['--env-file', file, '--persist-to', join(data, 'wrangler'), '--show-interactive-dev-session=false'],
      ],
      options: {
        cwd: root,
        env: {
          ...process.env,
          ROWGATE_PROFILE: 'watch',
          // The pinned runtime instead of the older one that this wrangler brings.
          MINIFLARE_WORKERD_PATH: createRequire(import.meta.url)('workerd').default,
          WRANGLER_SEND_METRICS: 'false',
          CLOUDFLARE_CF_FETCH_ENABLED: 'false',
          FORCE_COLOR: '0',
        },
      },
    }),
    ready: (_, given) => {
      const serves = async () => {
        const found = await health(url);
        if (typeof found === 'string') throw new SetupError(found);
        return found;
      };
      return waitFor('the edge to answer', serves, { seconds: 300, given });
    },
    line,
    say,
    ...rest,
  });
  return { part, url };
};
