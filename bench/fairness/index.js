// npm run bench -- fairness: how long one user's reads take beside an abusive caller, compared with the same reads beside processes
// outside PostgreSQL that burn as much CPU as the caller's requests do: one process for each thread that they keep busy.
import { fork, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { interruptible } from '../../dev/interrupt.js';
import { token as issue } from '../../dev/issuer.js';
import { SetupError } from '../../dev/setup.js';
import { settle, verdict } from '../aims.js';
import { keep, resultsOf } from '../document.js';
import { rounded } from '../figures.js';
import { machine, measuredOn, packageVersion } from '../machine.js';
import { cpuSeconds, family, threadSeconds } from '../processes.js';
import { withStand } from '../stand.js';
import { withBenchmarkSystem } from '../system.js';
import { attacks } from './attacks/index.js';
import { prepare } from './attacks/prepare.js';

const say = (line) => console.error(`[bench] ${line}`);

/** Times the reader's usual p99 that it may take beside an attack. */
const AIM = 2;

/** Seconds of each reader, and rounds. */
const USUAL = { seconds: 5, rounds: 3 };

/** All attacks, to know their names: each needs a token that can be split. */
const ATTACKS = attacks({ token: 'a.b.c' });

/** The attacks that `--only` names by parts of their names; all without one. */
const chosenOf = (only, all) => {
  if (only === '') return all;
  const parts = only.split(',').map((part) => part.trim());
  const unknown = parts.filter((part) => part === '' || !all.some(({ name }) => name.includes(part)));
  if (unknown.length > 0)
    throw new Error(`no attack has this in its name: ${unknown.map((part) => `“${part}”`).join(', ')}`);
  return all.filter(({ name }) => parts.some((part) => name.includes(part)));
};

const parsed = (flags) => {
  try {
    const options = {
      seconds: { type: 'string', default: `${USUAL.seconds}` },
      rounds: { type: 'string', default: `${USUAL.rounds}` },
      only: { type: 'string', default: '' },
    };
    const { values } = parseArgs({ args: flags, options });
    chosenOf(values.only, ATTACKS);
    return { seconds: Number(values.seconds), rounds: Number(values.rounds), only: values.only };
  } catch (error) {
    throw new SetupError(
      `${error.message}\nFlags: --seconds ${USUAL.seconds} --rounds ${USUAL.rounds} --only <parts of attacks' names, with commas between>.`,
    );
  }
};

/** Cores' worth of CPU that each process or thread has used between two calls of cpuSeconds or threadSeconds, by its id. */
const coresBetween = (before, after, seconds) =>
  new Map([...after].map(([id, used]) => [id, Math.max(0, used - (before.get(id) ?? 0)) / seconds]));

/** Answers that are none of those that an attack is to get. */
const others = (statuses, expected) =>
  sum(Object.entries(statuses).map(([status, count]) => (expected.map(String).includes(status) ? 0 : count)));

const sum = (values) => [...values].reduce((total, value) => total + value, 0);

const percentile = (values, part) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];

/**
 * Burns a part of a core until it is killed, every 10 ms. It counts its own CPU time: in the time of a clock it would burn less the
 * busier the machine is, and the abusive caller's processes do not.
 */
const BURNER = `const part = Number(process.argv[1]);
  const used = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
  const [start, before] = [performance.now(), used()];
  const turn = () => {
    const until = performance.now() + 100;
    while (used() - before < part * (performance.now() - start) && performance.now() < until);
    setTimeout(turn, 10 * (1 - part));
  };
  process.on('disconnect', () => process.exit());
  turn();`;

/**
 * Burns as much CPU as each thread of a list has used, in as many processes. Each has a session of its own, as each process of PostgreSQL
 * has: Linux shares the CPU out by sessions (autogroups), and the reader would preempt all burners of one session as if they were one.
 * @param {number[]} parts cores of each
 * @returns what the body returns, and the cores that were burnt meanwhile
 */
const burn = async (parts, body) => {
  const stdio = ['ignore', 'ignore', 'ignore', 'ipc'];
  const burners = parts
    .filter((part) => part > 0.01)
    .map((part) => spawn(process.execPath, ['-e', BURNER, `${Math.min(1, part)}`], { stdio, detached: true }));
  const used = () => cpuSeconds(burners.map(({ pid }) => pid));
  try {
    await sleep(300);
    const [usedBefore, from] = [used(), performance.now()];
    const result = await body();
    return { ...result, cores: sum(coresBetween(usedBefore, used(), (performance.now() - from) / 1000).values()) };
  } finally {
    for (const burner of burners) burner.kill('SIGKILL');
  }
};

class Bench {
  constructor({ parts, edges, postgrestUrl, signal, seconds }) {
    Object.assign(this, { parts: [...parts, ...edges.map(({ part }) => part)], postgrestUrl, signal, seconds });
  }

  get pids() {
    return this.parts.flatMap((part) => family(part.pid));
  }

  /** The reader, in a process of its own; at PostgREST, if it is to read there. */
  async read(token, edge, isDirect = false) {
    const flags = isDirect
      ? [this.postgrestUrl, token, `${this.seconds}`, 'direct']
      : [edge.url, token, `${this.seconds}`];
    const reader = fork(join(import.meta.dirname, 'reader.js'), flags);
    const stop = () => reader.kill('SIGKILL');
    this.signal.addEventListener('abort', stop);
    try {
      const { times, refused } = await new Promise((resolve, reject) => {
        reader.once('message', resolve);
        // After the last message, which may be read later than the process ends.
        reader.once('disconnect', () => reject(new Error('the reader ended without a result')));
      });
      return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), refused, count: times.length };
    } finally {
      this.signal.removeEventListener('abort', stop);
      stop();
      this.signal.throwIfAborted();
    }
  }

  /** The reader beside an attack; and how many cores each thread has kept busy, those of the attack's process included. */
  async beside(reader, edge, { name, isDirect }, target) {
    const attacker = fork(join(import.meta.dirname, 'attacker.js'), [name, JSON.stringify(target)]);
    const over = new Promise((resolve) => {
      attacker.once('message', resolve);
      attacker.once('disconnect', () => resolve({}));
    });
    try {
      await sleep(1500);
      const used = () => threadSeconds([...this.pids, attacker.pid]);
      const [usedBefore, from] = [used(), performance.now()];
      const read = await this.read(reader, edge, isDirect);
      const cores = coresBetween(usedBefore, used(), (performance.now() - from) / 1000);
      attacker.send('stop');
      // The isolate runs on the first thread of workerd.
      return { ...read, cores: [...cores.values()], thread: cores.get(edge.part.pid), statuses: await over };
    } finally {
      attacker.kill('SIGKILL');
    }
  }
}

/** Waits until the isolate rests, a minute at most: a stream of a service is read on after its client has hung up. */
const rested = async ({ part: { pid } }) => {
  const used = () => threadSeconds([pid]).get(pid) ?? 0;
  for (let second = 0; second < 60; second += 1) {
    const before = used();
    await sleep(1000);
    if (used() - before < 0.05) return;
  }
};

/** Calls the body with the address of the services behind the edge. */
const withServices = async (body) => {
  const service = fork(join(import.meta.dirname, 'service.js'));
  try {
    const [address] = await once(service, 'message');
    return await body(address);
  } finally {
    service.kill();
  }
};

const measured = async ({ stack, edge, guarded, stopping, options }) => {
  const { signal } = stopping;
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const sql = async (text, values) => (await client.query(text, values)).rows;
  try {
    const reader = randomUUID();
    await sql(`insert into clixen.projects (user_id, name) values ($1, 'own')`, [reader]);
    const token = await issue(stack.keys, { issuer: stack.issuer.issuer, sub: reader });
    const bench = new Bench({
      parts: stack.parts,
      edges: [edge, guarded],
      postgrestUrl: stack.postgrestUrl,
      signal,
      seconds: options.seconds,
    });
    await bench.read(token, guarded);
    await bench.read(token, edge);
    const usedBefore = cpuSeconds(bench.pids);
    const alone = await bench.read(token, edge);
    const own = sum(coresBetween(usedBefore, cpuSeconds(bench.pids), options.seconds).values());
    say(`alone: p50 ${rounded(alone.p50)} ms, p99 ${rounded(alone.p99)} ms, ${rounded(own)} cores`);
    const rows = [];
    const target = await prepare({ stack, edgeUrl: edge.url, guardedUrl: guarded.url, sql });
    for (const attack of chosenOf(options.only, attacks(target))) {
      const attacked = attack.base === guarded.url ? guarded : edge;
      // In turns, so that a busy minute of the machine meets both.
      const rounds = [];
      for (let round = 0; round < options.rounds; round += 1) {
        // A new day: what earlier attacks have written is not to refuse this one.
        await sql('truncate private.daily_usage');
        const beside = await bench.beside(token, attacked, attack, target);
        await sleep(2500);
        await rested(attacked);
        const all = sum(beside.cores);
        const cores = Math.max(0, all - own);
        const parts = beside.cores.map((each) => (each * cores) / all);
        rounds.push({ beside, cores, burnt: await burn(parts, () => bench.read(token, attacked, attack.isDirect)) });
      }
      const median = (of) => percentile(rounds.map(of), 0.5);
      const p99 = median(({ beside }) => beside.p99);
      const burntP99 = median(({ burnt }) => burnt.p99);
      const refused = sum(rounds.map(({ beside }) => beside.refused));
      const ratio = p99 / burntP99;
      const broken = sum(rounds.map(({ beside }) => others(beside.statuses, attack.statuses)));
      // Without its first status the attack did not do what its name says.
      const isReal = rounds.every(({ beside }) => beside.statuses[attack.statuses[0]] > 0);
      const row = {
        name: attack.name,
        p50: rounded(median(({ beside }) => beside.p50)),
        p99: rounded(p99),
        burnt_p99: rounded(burntP99),
        cores: rounded(median(({ cores }) => cores)),
        burnt_cores: rounded(median(({ burnt }) => burnt.cores)),
        thread: rounded(median(({ beside }) => beside.thread)),
        ratio: rounded(ratio),
        refused,
        broken,
        met: broken === 0 && isReal && (attack.aim === false ? null : ratio <= AIM && refused === 0),
        statuses: rounds.at(-1).beside.statuses,
      };
      rows.push(row);
      say(JSON.stringify(row));
    }
    return { alone, rows, order: attacks(target).map(({ name }) => name) };
  } finally {
    await client.end();
  }
};

const markdown = ({ facts, options, alone, rows }) => {
  const list = Object.entries({ ...facts, ...options }).map(
    ([name, value]) => `- ${name.replaceAll('_', ' ')}: ${value}`,
  );
  const table = rows.map(
    ({ burnt_p99: burnt, burnt_cores: burntCores, statuses, met, measured, ...row }) =>
      `| ${[
        ...[row.name, row.p50, row.p99, row.cores, row.thread, burnt, burntCores, row.ratio, row.refused, row.broken],
        Object.entries(statuses)
          .map(([status, count]) => `${count} × ${status}`)
          .join(', '),
        `${met === null ? 'no aim' : verdict(met)}${measured ? ` (${measured})` : ''}`,
      ].join(' | ')} |`,
  );
  return `${[
    '# Fairness',
    '',
    ...list,
    `- the reader alone: p50 ${rounded(alone.p50)} ms, p99 ${rounded(alone.p99)} ms`,
    '',
    `One user's reads, beside an abusive caller and beside processes that burn as much CPU outside PostgreSQL, one for each thread that the caller keeps busy: medians of the rounds. The isolate's thread is the part of a core that it is busy, for caller and reader. Aim: p99 at most ${AIM} times, no read refused, and the answers that the attack is to get (broken: others); none for leads of many addresses, which are not one caller, and none at PostgREST itself, where caller and reader ask PostgREST without the edge.`,
    '',
    "| beside | p50 ms | p99 ms | cores | the isolate's thread | p99 ms, CPU burnt outside | cores burnt | ratio | refused | broken | answers of the last round | aim |",
    '|---|---|---|---|---|---|---|---|---|---|---|---|',
    ...table,
  ].join('\n')}\n`;
};

/** The results of the last whole run, with the rows of `--only` in place of theirs; those say when they were measured. */
const withRows = (rows, order, run) => {
  const { rounds, seconds, alone, rows: before, ...facts } = resultsOf('fairness');
  const newer = new Map(rows.map((row) => [row.name, { ...row, measured: measuredOn(run) }]));
  const known = new Map([...before.map((row) => [row.name, row]), ...newer]);
  return { facts, options: { rounds, seconds }, alone, rows: order.flatMap((name) => known.get(name) ?? []) };
};

/**
 * Runs the benchmark.
 * @param {string[]} flags of the command line
 */
export const run = async (flags) => {
  const options = parsed(flags);
  await interruptible(async (stopping) => {
    const { alone, rows, order } = await withBenchmarkSystem(
      { stopping, only: 'behind the edge', accounts: true, say },
      (system) =>
        withServices((address) => {
          const more = {
            ...{ REALTIME_URL: address, STORAGE_URL: address, FUNCTIONS_URL: address },
            N8N_URL: `${address}/slow`,
          };
          const providers = [`endless=${address}/endless`];
          const turnstile = { TURNSTILE_SECRET: 'nobody', TURNSTILE_URL: `${address}/siteverify` };
          const stand = { ...system, more, providers, say };
          return withStand(stand, (edge) =>
            withStand({ ...stand, name: 'guarded edge', more: { ...more, ...turnstile } }, (guarded) =>
              measured({ ...system, edge, guarded, stopping, options }),
            ),
          );
        }),
    );
    const facts = { ...machine(), workerd: packageVersion('workerd') };
    const text = markdown({ facts, options, alone, rows });
    console.log(text);
    settle(rows.filter(({ met }) => met !== null));
    if (options.rounds !== USUAL.rounds || options.seconds !== USUAL.seconds) {
      say('not the usual run: bench/results/ is left as it is');
      return;
    }
    const { only, ...sizes } = options;
    const results = only ? withRows(rows, order, facts) : { facts, options: sizes, alone, rows };
    keep(
      'fairness',
      markdown(results),
      { ...results.facts, ...results.options, alone: results.alone, rows: results.rows },
      say,
    );
  });
};
