// An edge of a test's own, on bare workerd, in front of the system's PostgREST or of a proxy to it.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../dev/process.js';
import { moduleOf } from '../../dev/systems.js';
import { BUNDLE, workerd } from '../../dev/workerd.js';
import { made, stack } from './stack.js';

/** The variables of the system's own edge. */
export const variables = (more = {}) => ({
  POSTGREST_URL: stack.postgrest_url,
  EDGE_SIGNING_KEY: made.edge_signing_key,
  ISSUERS: JSON.stringify([
    {
      issuer: stack.issuer,
      audience: 'authenticated',
      jwks_url: stack.jwks_url,
      roles: ['anon', 'authenticated', 'service_role'],
    },
  ]),
  PUBLISHABLE_KEYS: made.publishable_key,
  KEK_1: made.kek_1,
  FINGERPRINT_KEY: made.fingerprint_key,
  WHATSAPP_APP_SECRET: made.whatsapp_app_secret,
  WHATSAPP_VERIFY_TOKEN: made.whatsapp_verify_token,
  ...more,
});

/**
 * Starts an edge with further variables, bindings in workerd's own words, and a module of the given text around the bundle's
 * `entry.js`. Stop it in `after`. `manifests` are served in place of the systems' own: a list, or the text itself. `modules` are those of
 * another bundle.
 * `log()` gives the lines of JSON that stand in its log now. `logged(fits, count)` waits for `count` lines that fit (1 unless given), at most five
 * seconds, and gives them. `megabytes()` gives the memory of its process.
 */
export const startEdge = async (
  more = {},
  bindings = [],
  around = undefined,
  manifests = undefined,
  modules = BUNDLE,
) => {
  const data = mkdtempSync(join(tmpdir(), 'rowgate-edge-'));
  const logFile = join(data, 'log');
  const outer = join(data, 'outer.js');
  if (around) writeFileSync(outer, around);
  const bundle = { ...modules };
  if (manifests !== undefined) {
    bundle['systems.js'] = join(data, 'systems.js');
    writeFileSync(
      bundle['systems.js'],
      moduleOf(typeof manifests === 'string' ? manifests : JSON.stringify(manifests)),
    );
  }
  const { part, url } = workerd({
    data,
    modules: around ? { 'outer.js': outer, ...bundle } : bundle,
    port: await freePort(),
    variables: variables(more),
    bindings,
    logFile,
    say: () => {},
  });
  await part.start();
  const log = () =>
    readFileSync(logFile, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line));
  return {
    url,
    part,
    log,
    // A line may be written after the answer has come, and errors take another way into the file than other lines: the order says nothing.
    logged: async (fits, count = 1) => {
      for (let tries = 0; ; tries += 1) {
        const found = log().filter(fits);
        if (found.length >= count) return found;
        if (tries === 50) throw new Error(`the log has ${found.length} of ${count} lines for ${fits}`);
        await sleep(100);
      }
    },
    megabytes: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${part.pid}/status`, 'utf8'))[1]) / 1024,
    stop: async () => {
      await part.stop();
      rmSync(data, { recursive: true, force: true });
    },
  };
};
