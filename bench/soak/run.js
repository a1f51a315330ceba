// A soak: traffic of all kinds for some time, the jobs, memory and CPU meanwhile, and what is there afterwards.
import { fork } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { platform } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, waitFor } from '../../dev/process.js';
import { SetupError } from '../../dev/setup.js';
import { schemas, systems } from '../../dev/systems.js';
import { cpuSeconds, family } from '../processes.js';
import { query } from '../query.js';
import { withStand } from '../stand.js';
import { send } from './client.js';
import { storedOf } from './kinds/index.js';
import { collectGarbage, memoryNow } from './memory.js';
import { worldOf } from './world.js';

/** Milliseconds between two looks at the memory. */
const LOOK = 2000;
/** Looks between two collections of workerd's garbage. */
const COLLECT = 8;
/** Minutes of ten at which the jobs of every five minutes run, and those of every hour and day. */
const OFTEN = [1.5, 3.5, 6.5, 8.5];
const RARELY = [6.5];

const isOften = (cron) => cron.startsWith('*/5');

/** Runs jobs: those of the database as cron does, those of the edge by their endpoints. Gives those that failed. */
const runJobs = async ({ stack, world, often }) => {
  const sql = (text, values) => query(stack.databaseUrl, text, values);
  const failed = [];
  const note = (job, error) => failed.push(`${job}: ${error}`);
  const jobs = await sql('select name, schedule from private.jobs order by name');
  for (const { name } of jobs.filter(({ schedule }) => isOften(schedule) === often)) {
    for (let result = { more: true }; result.more; ) {
      [{ result }] = await sql('select edge.run_job($1) as result', [name]);
      if (result.error) note(name, result.error);
    }
  }
  const own = systems().flatMap(({ jobs: list = [] }) => list.filter(({ by }) => by === 'edge'));
  for (const { name } of own.filter(({ cron }) => isOften(cron) === often)) {
    const answer = await send(world.edge, { method: 'POST', path: `/v1/jobs/${name}`, token: world.service });
    if (answer.status !== 200) note(name, `${answer.status} ${answer.text}`);
  }
  return failed;
};

/** Acknowledged keys that are not in the database, by what they are. */
const missing = async (sql, stored, acknowledged) => {
  const found = {};
  for (const [what, keys] of Object.entries(acknowledged)) {
    const lost = await sql(`select key from unnest($1::text[]) as key except ${stored[what]}`, [keys]);
    if (lost.length > 0) found[what] = lost.map(({ key }) => key);
  }
  return found;
};

/** Milliseconds until PostgREST knows of a new table, which it hears of by NOTIFY. */
const reloaded = async ({ sql, stack, world }) => {
  const [schema] = schemas().filter((name) => name !== 'edge');
  const table = `${schema}.soak_probe`;
  await sql(`create table ${table} (id bigint); grant select on ${table} to service_role`);
  const from = performance.now();
  await sql(`notify pgrst, 'reload schema'`);
  const headers = { 'accept-profile': schema };
  await waitFor(
    'PostgREST to read the schema again',
    async () => {
      const { status } = await send(stack.postgrestUrl, { path: '/soak_probe', headers, token: world.service });
      return status === 200;
    },
    { seconds: 60 },
  );
  return performance.now() - from;
};

const linesOf = (file) => readFileSync(file, 'utf8').split('\n').filter(Boolean);

/** What the edge's log says beside requests that were answered, and how often. */
const events = (file) => {
  const found = {};
  for (const line of linesOf(file).filter((text) => text.startsWith('{'))) {
    const { event, status, code } = JSON.parse(line);
    const name = event === 'request' ? status >= 500 && `${status} ${code}` : event;
    if (name) found[name] = (found[name] ?? 0) + 1;
  }
  return found;
};

/**
 * Soaks.
 * @param {{data: string, stack: object, stopping: AbortController, options: {seconds: number, rate: number}, say: Function}} system
 * @param {(parts: {stack: object, note: (name: string) => void}) => Promise<void>} happens what is done half way
 */
export const soak = async ({ data, stack, stopping, options, say }, happens = async () => {}) => {
  if (platform() !== 'linux')
    throw new SetupError('The soak reads the memory of processes in /proc, which only Linux has.');
  const inspector = await freePort();
  return withStand({ data, stack, inspector, say }, async ({ part: edge, url }) => {
    say('loading what the requests need');
    const world = await worldOf({ stack, edge: url });
    const { signal } = stopping;
    const sql = (text, values) => query(stack.databaseUrl, text, values);
    const parts = { edge, postgrest: stack.postgrest.part, postgres: stack.postgres.part };
    const found = { answers: [], acknowledged: {}, samples: [], pace: [], moments: {}, failedJobs: [] };
    const logs = { postgres: join(data, 'log', 'postgres.log'), edge: join(data, 'log', 'edge.log') };
    const before = linesOf(logs.postgres).length;
    const used = () => cpuSeconds(Object.values(parts).flatMap(({ pid }) => (pid ? family(pid) : [])));

    const traffic = fork(join(import.meta.dirname, 'traffic.js'));
    const pace = fork(join(import.meta.dirname, 'pace.js'));
    let start;
    const now = () => Date.now() - start;
    let begun;
    const hasBegun = new Promise((resolve) => {
      begun = resolve;
    });
    const over = new Promise((resolve, reject) => {
      traffic.on('message', (message) => {
        if (message.last) return resolve(message.last);
        start = message.start;
        begun();
        found.answers.push(...message.answers);
        for (const [what, keys] of Object.entries(message.acknowledged))
          found.acknowledged[what] = [...(found.acknowledged[what] ?? []), ...keys];
      });
      traffic.once('disconnect', () => reject(new Error('the traffic ended without a result')));
    });
    over.catch(() => {});
    pace.on('message', (ms) => found.pace.push({ at: now(), ms }));
    const minute = (options.seconds * 1000) / 10;
    const until = async (at) => {
      if (at > now()) await sleep(at - now(), undefined, { signal });
    };
    const jobsAt = (minutes, often) =>
      minutes.map(async (at) => {
        await until(at * minute);
        found.failedJobs.push(...(await runJobs({ stack, world, often })));
      });
    const look = async () => {
      while (now() < options.seconds * 1000) {
        if (found.samples.length % COLLECT === 0) await collectGarbage(inspector);
        // Not while one of them is away.
        if (Object.values(parts).every(({ pid }) => pid))
          found.samples.push({ at: now(), memory: memoryNow(parts), cpu: used() });
        await sleep(LOOK, undefined, { signal });
      }
    };
    const halfWay = async () => {
      await until(5 * minute);
      await happens({
        stack,
        seconds: options.seconds,
        note: (name) => {
          found.moments[name] = now();
        },
      });
    };
    const tell = async () => {
      for (let n = 1; n <= 10; n += 1) {
        await until(n * minute);
        const faults = found.answers.filter(({ fault }) => fault).length;
        say(
          `${n} of 10: ${found.answers.length} requests, ${faults} refused; ${JSON.stringify(found.samples.at(-1)?.memory, (_, value) => (typeof value === 'number' ? Math.round(value) : value))}`,
        );
      }
    };
    try {
      say('filling caches of tokens and plans');
      traffic.send({ world, rate: options.rate });
      await Promise.race([hasBegun, over]);
      const all = Promise.all([look(), tell(), halfWay(), ...jobsAt(OFTEN, true), ...jobsAt(RARELY, false)]);
      await Promise.race([all, over]);
      traffic.send('stop');
      const last = await over;
      signal.throwIfAborted();
      return {
        ...found,
        ...last,
        minute,
        // In megabytes.
        reserved: Number((await sql(`select setting from pg_settings where name = 'shared_memory_size'`))[0].setting),
        missing: await missing(sql, storedOf(world), found.acknowledged),
        reloadedMs: await reloaded({ sql, stack, world }),
        listeners: world.listened.length,
        events: events(logs.edge),
        postgresErrors: linesOf(logs.postgres)
          .slice(before)
          .filter((line) => /(ERROR|FATAL|PANIC): /.test(line)),
      };
    } finally {
      traffic.kill('SIGKILL');
      pace.kill('SIGKILL');
    }
  });
};
