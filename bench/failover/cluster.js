// Several machines on one: a PostgreSQL with a standby that has every acknowledged write, three PostgRESTs that follow the one which
// takes writes, one that reads from the standby, and the edge.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { AUDIENCE, postgrestKeys } from '../../dev/issuer.js';
import { postgres } from '../../dev/postgres.js';
import { postgrest } from '../../dev/postgrest.js';
import { freePort, waitFor } from '../../dev/process.js';
import { authenticatorUrl } from '../../dev/stack.js';
import { workerd } from '../../dev/workerd.js';
import { query } from '../query.js';
import { startBalancer } from './balancer.js';

/** The standby: a copy of the stopped primary, which it follows from there on, and applies what it gets so many milliseconds later. */
const startStandby = async ({ data, stack, lagMs, options }) => {
  const { keys, postgres: primary, databaseUrl } = stack;
  const { port: primaryPort } = new URL(databaseUrl);
  const directory = join(data, 'standby');
  mkdirSync(directory);
  await primary.part.stop();
  // With the owner: as root, PostgreSQL runs as another user.
  const { status } = spawnSync('cp', ['-a', join(data, 'postgres'), directory]);
  if (status !== 0) throw new Error(`the copy for the standby ended with status ${status}`);
  await primary.part.start();
  writeFileSync(join(directory, 'postgres', 'standby.signal'), '');
  const followed = `host=127.0.0.1 port=${primaryPort} user=postgres password=${keys.database_password} application_name=standby`;
  writeFileSync(
    join(directory, 'postgres', 'postgresql.auto.conf'),
    `primary_conninfo = '${followed}'\nrecovery_min_apply_delay = ${lagMs}\nhot_standby_feedback = on\nwal_receiver_timeout = '5s'\n`,
  );
  const port = await freePort();
  const standby = await postgres({
    ...{ data: directory, port, password: keys.database_password },
    ...options('standby'),
  });
  return { ...standby, port };
};

/**
 * Starts the machines, and stops them when the body has ended.
 * @param {{data: string, stack: object, latencyMs: number, lagMs: number, say: Function}} system
 * stack: of startStack, with PostgreSQL, migrations and issuer; its PostgREST is stopped
 */
export const withCluster = async ({ data, stack, latencyMs, lagMs, say }, body) => {
  const started = [];
  const closed = [];
  const start = async (part) => {
    started.push(part);
    await part.start();
  };
  const options = (name) => ({ say, logFile: join(data, 'log', `${name}.log`) });
  const { keys, databaseUrl, issuer } = stack;
  try {
    await stack.postgrest.part.stop();
    say('the standby: a copy of the primary');
    const standby = await startStandby({ data, stack, lagMs, options });
    await start(standby.part);
    await query(databaseUrl, `alter system set synchronous_standby_names = 'standby'`);
    await query(databaseUrl, 'select pg_reload_conf()');
    const replicating = () =>
      query(databaseUrl, `select from pg_stat_replication where sync_state = 'sync'`).then((rows) => rows.length === 1);
    await waitFor('the standby to follow', replicating);

    const login = await authenticatorUrl(databaseUrl, keys.authenticator_password);
    const { host } = new URL(databaseUrl);
    const addressOf = (hosts, session) => `${login.replace(host, hosts.join(','))}&target_session_attrs=${session}`;
    const machine = async (name, address) => {
      const [port, adminPort] = [await freePort(), await freePort()];
      const folder = join(data, name);
      mkdirSync(folder);
      const ports = { port, adminPort };
      const { part } = postgrest({
        ...{ data: folder, databaseUrl: address, ...ports, jwks: postgrestKeys(keys) },
        ...options(name),
      });
      await start(part);
      return { part, ...ports };
    };
    const servers = [host, `127.0.0.1:${standby.port}`];
    const writing = addressOf(servers, 'read-write');
    const writers = [];
    for (const n of [1, 2, 3]) writers.push(await machine(`postgrest-${n}`, writing));
    const reader = await machine('postgrest-reads', addressOf([...servers].reverse(), 'read-only'));
    const [primaryAddress, readAddress] = [
      await startBalancer(writers, latencyMs),
      await startBalancer([reader], latencyMs),
    ];
    closed.push(primaryAddress, readAddress);

    const roles = ['anon', 'authenticated', 'service_role'];
    const edge = workerd({
      data,
      port: await freePort(),
      variables: {
        POSTGREST_URL: primaryAddress.url,
        POSTGREST_READ_URL: readAddress.url,
        EDGE_SIGNING_KEY: keys.edge_signing_key,
        ISSUERS: JSON.stringify([{ issuer: issuer.issuer, audience: AUDIENCE, jwks_url: issuer.jwksUrl, roles }]),
        PUBLISHABLE_KEYS: keys.publishable_key,
        KEK_1: keys.kek_1,
        FINGERPRINT_KEY: keys.fingerprint_key,
        WHATSAPP_APP_SECRET: keys.whatsapp_app_secret,
        WHATSAPP_VERIFY_TOKEN: keys.whatsapp_verify_token,
      },
      ...options('edge'),
    });
    await start(edge.part);
    return await body({
      edgeUrl: edge.url,
      readUrl: readAddress.url,
      postgrests: writers.map(({ part }) => part),
      reads: reader.part,
      primary: { part: stack.postgres.part, query: (text, values) => query(databaseUrl, text, values) },
      standby: { part: standby.part, query: (text, values) => query(standby.url, text, values) },
    });
  } finally {
    for (const part of started.reverse()) await part.stop();
    for (const balancer of closed) await balancer.close();
  }
};
