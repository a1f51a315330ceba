// The edge as a part: `wrangler dev`, local only, with its configuration in a file of the data directory. It serves the bundle
// of the profile `watch`, and builds and serves it again when a source changes.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { OUTPUT } from './build.js';
import { root } from './paths.js';
import { Part, waitFor } from './process.js';

const quoted = (text) => (/^[\w:/.,-]*$/.test(text) ? text : `'${text}'`);

/**
 * The part, not yet started.
 * @param {{data: string, port: number, variables: Record<string, string>, config?: string, entry?: string, logFile: string, say: Function, failed: Function}} options
 */
export const edge = ({
  data,
  port,
  variables,
  config = join(root, 'wrangler.toml'),
  entry = join(OUTPUT.watch, 'entry.js'),
  ...rest
}) => {
  const file = join(data, 'edge.env');
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${quoted(value)}\n`);
  writeFileSync(file, lines.join(''), { mode: 0o600 });
  const url = `http://127.0.0.1:${port}`;
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
      const asked = () =>
        fetch(`${url}/healthz`).then(
          (answer) => answer.ok,
          () => false,
        );
      return waitFor('the edge to answer', asked, { seconds: 300, given });
    },
    ...rest,
  });
  return { part, url };
};
