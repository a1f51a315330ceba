// The whole local system: PostgreSQL, migrations, PostgREST, token issuer, edge. Used by `npm run dev` and by the tests,
// which start one of their own in another directory.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { startAccounts } from './accounts/index.js';
import { edge } from './edge.js';
import { AUDIENCE, addressOf, keys, postgrestKeys, serve, serviceKey } from './issuer.js';
import { migrate, pending, reconfigurePostgrest } from './migrate.js';
import { answers, postgres } from './postgres.js';
import { postgrest } from './postgrest.js';
import { alive, freePort, startTime, stopGroup } from './process.js';
import { SetupError } from './setup.js';
import { plainSchemas, schemas, systems } from './systems.js';
import { workerd } from './workerd.js';

/** Ports that are tried first; a throw-away system takes any. */
const USUAL = { edge: [8787], issuer: [8788], postgrest: [8789], postgrestAdmin: [8790], postgres: [8791] };
const ANY = { edge: [], issuer: [], postgrest: [], postgrestAdmin: [], postgres: [] };

const readJson = (file) => (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined);

const runFile = (data) => join(data, 'run.json');

/** Notes the processes, so that a start after a crash finds what is left of them. */
const note = (data, parts) => {
  const processes = [process.pid, ...parts.map((part) => part.pid).filter(Boolean)];
  const lines = processes.map((pid) => ({ pid, started: startTime(pid) }));
  writeFileSync(runFile(data), JSON.stringify(lines), { mode: 0o600 });
};

/** Ends what a crashed run has left; refuses to start beside one that lives. */
const clearLeftovers = async (data, say) => {
  const left = (readJson(runFile(data)) ?? []).filter(
    ({ pid, started }) => alive(pid) && startTime(pid) === started && pid !== process.pid,
  );
  const [supervisor] = readJson(runFile(data)) ?? [];
  if (supervisor && left.some(({ pid }) => pid === supervisor.pid)) {
    throw new SetupError(`The stack in ${data} is already running (process ${supervisor.pid}). Stop it first.`);
  }
  for (const { pid } of left) {
    say(`ending process ${pid}, left by a run that crashed`);
    await stopGroup(pid, 'SIGINT', 5000);
  }
  rmSync(runFile(data), { force: true });
  rmSync(join(data, 'dev.json'), { force: true });
};

const edgePort = async (asked, usual) => {
  if (asked === undefined) return freePort(...usual.edge);
  const port = Number(asked);
  if ((await freePort(port)) !== port) {
    throw new SetupError(`ROWGATE_PORT: port ${asked} is taken. Choose another, or leave it out for any free one.`);
  }
  return port;
};

/** The address at which PostgREST logs in: the database's, as authenticator. */
export const authenticatorUrl = async (databaseUrl, password) => {
  if (process.env.AUTHENTICATOR_URL) return process.env.AUTHENTICATOR_URL;
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query(
      `select shobj_description('authenticator'::regrole, 'pg_authid') = 'made by rowgate 0001' as ours`,
    );
    if (!rows[0].ours) {
      throw new SetupError(
        'The role authenticator of this database is not from these migrations: set AUTHENTICATOR_URL to its address, ' +
          'or POSTGREST_URL to a running PostgREST.',
      );
    }
    await client.query(`alter role authenticator password ${client.escapeLiteral(password)}`);
  } finally {
    await client.end();
  }
  const url = new URL(databaseUrl);
  url.username = 'authenticator';
  url.password = password;
  return url.toString();
};

/** Origins that may call a local edge from a browser: its own, and the usual ones of front-end development servers. */
const localOrigins = (port) => {
  const ports = [port, 3000, 4173, 5173];
  const own = ports.flatMap((each) => [`http://127.0.0.1:${each}`, `http://localhost:${each}`]);
  return [...own, ...(process.env.ALLOWED_ORIGINS || '').split(',').filter(Boolean)].join(',');
};

/** One running system. */
class Stack {
  constructor({ data, say, failed, throwAway, accounts, cacheTokens, durable, signal }) {
    const ports = throwAway ? ANY : USUAL;
    Object.assign(this, {
      data,
      say,
      failed,
      throwAway,
      withAccounts: accounts,
      cacheTokens,
      durable,
      signal,
      ports,
      parts: [],
    });
  }

  /** What a developer's environment sets of the edge's variables: services that it calls, limits. In tests an address at which nobody answers. */
  services() {
    if (this.throwAway) {
      const nowhere = 'http://127.0.0.1:9';
      const stripe = { STRIPE_WEBHOOK_SECRET: 'whsec_test', STRIPE_API_KEY: 'sk_test_nobody', STRIPE_URL: nowhere };
      return {
        N8N_URL: nowhere,
        N8N_API_KEY: 'nobody answers there',
        ...stripe,
        BILLING_RETURN_URL: `${nowhere}/billing`,
        LLM_PROVIDER_URLS: `openai=${nowhere}`,
      };
    }
    const { REALTIME_URL, STORAGE_URL, FUNCTIONS_URL, SUPABASE_PUBLISHABLE_KEY, LIMITS } = process.env;
    const given = { REALTIME_URL, STORAGE_URL, FUNCTIONS_URL, SUPABASE_PUBLISHABLE_KEY, LIMITS };
    for (const { name } of systems().flatMap(({ variables = [] }) => variables)) given[name] = process.env[name];
    return Object.fromEntries(Object.entries(given).filter(([, value]) => value));
  }

  options(name) {
    const failed = (part, why) => this.failed(part, why);
    return { say: this.say, failed, signal: this.signal, logFile: join(this.data, 'log', `${name}.log`) };
  }

  async add({ part, url }) {
    this.signal?.throwIfAborted();
    this.parts.push(part);
    try {
      await part.start();
    } finally {
      note(this.data, this.parts);
    }
    return url;
  }

  async start({ port, only, quiet = false }) {
    const { data } = this;
    mkdirSync(join(data, 'log'), { recursive: true, mode: 0o700 });
    await clearLeftovers(data, this.say);
    this.ours = true;
    this.keys = await keys(data);
    // A stack beside another: two that start at once would find the same ports free.
    if (port !== undefined) this.ports = ANY;
    if (only === undefined) this.port = await edgePort(port, this.ports);
    this.databaseUrl = await this.startPostgres();
    if (only === 'database') return;
    await migrate(this.databaseUrl, { quiet });
    if (only === 'migrated database') return;
    await this.startIssuer();
    this.postgrestUrl = await this.startPostgrest();
    if (only === 'behind the edge') return;
    this.edgeUrl = await this.startEdge();
    await this.describe();
  }

  async startPostgres() {
    if (process.env.DATABASE_URL) {
      if (!(await answers(process.env.DATABASE_URL))) {
        throw new SetupError('DATABASE_URL: this database does not answer. Start it, or correct the address.');
      }
      return process.env.DATABASE_URL;
    }
    const port = await freePort(...this.ports.postgres);
    const password = this.keys.database_password;
    this.postgres = await postgres({
      data: this.data,
      port,
      password,
      durable: this.durable,
      ...this.options('postgres'),
    });
    return this.add(this.postgres);
  }

  /** The issuer with its accounts: those of the development database. */
  async startIssuer() {
    const port = await freePort(...this.ports.issuer);
    if (this.withAccounts) {
      this.accounts = await startAccounts({
        made: this.keys,
        issuer: addressOf(port),
        databaseUrl: this.databaseUrl,
        origins: localOrigins(this.port).split(','),
        say: this.say,
      });
    }
    this.issuer = await serve(this.keys, { port, accounts: this.accounts });
  }

  async startPostgrest() {
    if (process.env.POSTGREST_URL) {
      this.say(`POSTGREST_URL is used; its jwt-secret must hold the keys of ${join(this.data, 'postgrest-jwks.json')}`);
      writeFileSync(join(this.data, 'postgrest-jwks.json'), JSON.stringify(postgrestKeys(this.keys)), { mode: 0o600 });
      return process.env.POSTGREST_URL;
    }
    this.served = schemas();
    this.postgrest = postgrest({
      data: this.data,
      served: this.served,
      databaseUrl: await authenticatorUrl(this.databaseUrl, this.keys.authenticator_password),
      port: await freePort(...this.ports.postgrest),
      adminPort: await freePort(...this.ports.postgrestAdmin),
      jwks: postgrestKeys(this.keys),
      cacheTokens: this.cacheTokens,
      ...this.options('postgrest'),
    });
    return this.add(this.postgrest);
  }

  /** After a change of manifests: PostgREST serves their schemas, and migrations that the database lacks are named. */
  async followManifests() {
    const served = schemas();
    if (`${served}` === `${this.served}`) return;
    this.served = served;
    const missing = await pending(this.databaseUrl);
    if (missing.length > 0) {
      this.say(
        `the database lacks ${missing.length} of the migrations, such as ${missing[0]}: run \`npm run db:migrate\``,
      );
    }
    if (!this.postgrest) return this.say(`PostgREST needs db-schemas = "${served.join(', ')}"`);
    this.postgrest.configure(served);
    await reconfigurePostgrest(this.databaseUrl);
    this.say(`PostgREST serves the schemas ${served.join(', ')}`);
  }

  async startEdge() {
    const { port } = this;
    const { issuer, jwksUrl } = this.issuer;
    const roles = ['anon', 'authenticated', 'service_role'];
    // wrangler restarts a developer's edge when a file changes, and its proxy then answers 503 by itself: not for tests.
    const start = this.throwAway ? workerd : edge;
    this.edge = start({
      data: this.data,
      name: 'edge',
      port,
      variables: {
        POSTGREST_URL: this.postgrestUrl,
        EDGE_SIGNING_KEY: this.keys.edge_signing_key,
        ISSUERS: JSON.stringify([{ issuer, audience: AUDIENCE, jwks_url: jwksUrl, roles }]),
        PUBLISHABLE_KEYS: this.keys.publishable_key,
        ALLOWED_ORIGINS: localOrigins(port),
        ...(this.accounts && { AUTH_URL: this.accounts.url }),
        ...(plainSchemas().length > 0 && { SCHEMAS: plainSchemas().join(',') }),
        KEK_1: this.keys.kek_1,
        FINGERPRINT_KEY: this.keys.fingerprint_key,
        ...this.services(),
        WHATSAPP_APP_SECRET: this.keys.whatsapp_app_secret,
        WHATSAPP_VERIFY_TOKEN: this.keys.whatsapp_verify_token,
      },
      ...(!this.throwAway && { reloaded: () => this.followManifests() }),
      ...this.options('edge'),
    });
    return this.add(this.edge);
  }

  /** Writes dev.json, the description of the running system for other programs. */
  async describe() {
    this.description = {
      edge_url: this.edgeUrl,
      postgrest_url: this.postgrestUrl,
      database_url: this.databaseUrl,
      issuer: this.issuer.issuer,
      jwks_url: this.issuer.jwksUrl,
      anon_key: this.keys.publishable_key,
      service_key: await serviceKey(this.keys, this.issuer.issuer),
    };
    writeFileSync(join(this.data, 'dev.json'), `${JSON.stringify(this.description, null, 2)}\n`, { mode: 0o600 });
  }

  async stop() {
    // A part that was started again has another process.
    for (const part of [...this.parts].reverse()) await part.stop();
    await this.issuer?.close();
    await this.accounts?.close();
    // A start that was refused leaves the running system's notes alone.
    if (!this.ours) return;
    rmSync(runFile(this.data), { force: true });
    rmSync(join(this.data, 'dev.json'), { force: true });
  }
}

/**
 * Starts a system.
 * @param {{data: string, port?: string, only?: 'database' | 'migrated database' | 'behind the edge', throwAway?: boolean, accounts?: boolean, cacheTokens?: boolean, durable?: boolean, quiet?: boolean, say?: (line: string) => void, failed?: (part: object, why: string) => void, signal?: AbortSignal}} options
 * accounts: whether the issuer has accounts, in tables of its own; cacheTokens: of postgrest.js; signal: ends a start that is under way
 */
export const startStack = async ({
  data,
  say = () => {},
  failed = () => {},
  throwAway = false,
  accounts = !throwAway,
  cacheTokens = true,
  durable = true,
  signal,
  ...options
}) => {
  const stack = new Stack({ data, say, failed, throwAway, accounts, cacheTokens, durable, signal });
  try {
    await stack.start(options);
    return stack;
  } catch (error) {
    await stack.stop();
    throw error;
  }
};
