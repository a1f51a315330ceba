// npm run bench -- fairness: how long one user's reads take beside an abusive caller, compared with the same reads beside a process
// outside PostgreSQL that burns as much CPU as the caller's requests do.
import { fork, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { token as issue } from '../../dev/issuer.js';
import { root } from '../../dev/paths.js';
import { SetupError } from '../../dev/setup.js';
import { interruptible } from '../interrupt.js';
import { machine, packageVersion } from '../machine.js';
import { withStack } from '../stack.js';
import { attacks, SLOW_FOR } from './attacks.js';
import { send } from './send.js';

const say = (line) => console.error(`[bench] ${line}`);

/** Times the reader's usual p99 that it may take beside an attack. */
const AIM = 2;
const HZ = 100;

const parsed = (flags) => {
  try {
    const options = { seconds: { type: 'string', default: '10' }, only: { type: 'string', default: '' } };
    const { values } = parseArgs({ args: flags, options });
    return { seconds: Number(values.seconds), only: values.only };
  } catch (error) {
    throw new SetupError(`${error.message}\nFlags: --seconds 10 --only <part of an attack's name>.`);
  }
};

/** Processes below this one, itself included. */
const family = (pid) => {
  const parents = new Map();
  for (const name of readdirSync('/proc').filter((each) => /^\d+$/.test(each))) {
    try {
      const [, fields] = readFileSync(`/proc/${name}/stat`, 'utf8').split(') ');
      const parent = Number(fields.split(' ')[1]);
      parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const all = [pid];
  for (const each of all) all.push(...(parents.get(each) ?? []));
  return all;
};

/** Seconds of CPU that processes have used. */
const cpuSeconds = (pids) =>
  pids.reduce((sum, pid) => {
    try {
      const [, fields] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ');
      const [user, system] = fields.split(' ').slice(11, 13).map(Number);
      return sum + (user + system) / HZ;
    } catch {
      return sum;
    }
  }, 0);

const percentile = (values, part) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];

/** Burns so many cores' worth of CPU in processes of its own, in slices of 10 ms. */
const burn = async (cores, body) => {
  const script = `const part = Number(process.argv[1]);
    const turn = () => { const until = performance.now() + 10 * part; while (performance.now() < until); setTimeout(turn, 10 * (1 - part)); };
    turn();`;
  const parts = [];
  for (let left = cores; left > 0.02; left -= 1) parts.push(Math.min(1, left));
  const burners = parts.map((part) => spawn(process.execPath, ['-e', script, `${part}`], { stdio: 'ignore' }));
  try {
    await sleep(300);
    return await body();
  } finally {
    for (const burner of burners) burner.kill('SIGKILL');
  }
};

class Bench {
  constructor({ stack, sql, signal, seconds }) {
    Object.assign(this, { stack, sql, signal, seconds });
  }

  get pids() {
    return this.stack.parts.flatMap((part) => family(part.pid));
  }

  /** The reader: one read after the other, with 2 ms between. */
  async read(token) {
    const agent = new Agent({ keepAlive: true });
    const times = [];
    let failed = 0;
    const until = performance.now() + this.seconds * 1000;
    while (performance.now() < until && !this.signal.aborted) {
      const { status, ms } = await send(agent, this.stack.edgeUrl, {
        path: '/rest/v1/projects?select=id,name&limit=1',
        headers: { authorization: `Bearer ${token}` },
      });
      if (status === 200) times.push(ms);
      else failed += 1;
      await sleep(2);
    }
    agent.destroy();
    this.signal.throwIfAborted();
    return { p50: percentile(times, 0.5), p99: percentile(times, 0.99), failed, count: times.length };
  }

  /** The reader beside an attack; and how many cores the attack, its process included, has kept busy. */
  async beside(reader, name, target) {
    const attacker = fork(join(import.meta.dirname, 'attacker.js'), [name, JSON.stringify(target)]);
    const over = new Promise((resolve) => {
      attacker.once('message', resolve);
      attacker.once('exit', () => resolve({}));
    });
    try {
      await sleep(1500);
      const used = () => cpuSeconds([...this.pids, attacker.pid]);
      const [usedBefore, from] = [used(), performance.now()];
      const read = await this.read(reader);
      const cores = (used() - usedBefore) / ((performance.now() - from) / 1000);
      attacker.send('stop');
      return { ...read, cores, statuses: await over };
    } finally {
      attacker.kill('SIGKILL');
    }
  }
}

const rounded = (value) => Number(value.toPrecision(3));

const measured = async ({ stack, stopping, options }) => {
  const { signal } = stopping;
  const client = new pg.Client({ connectionString: stack.databaseUrl });
  await client.connect();
  const sql = async (text, values) => (await client.query(text, values)).rows;
  try {
    const reader = randomUUID();
    await sql(`insert into clixen.projects (user_id, name) values ($1, 'own')`, [reader]);
    const token = await issue(stack.keys, { issuer: stack.issuer.issuer, sub: reader });
    const bench = new Bench({ stack, sql, signal, seconds: options.seconds });
    await bench.read(token);
    const usedBefore = cpuSeconds(bench.pids);
    const alone = await bench.read(token);
    const own = (cpuSeconds(bench.pids) - usedBefore) / options.seconds;
    say(`alone: p50 ${rounded(alone.p50)} ms, p99 ${rounded(alone.p99)} ms, ${rounded(own)} cores`);
    const rows = [];
    const abuser = randomUUID();
    await sql(
      `insert into clixen.projects (user_id, name, description) select $1, 'p' || n, $2 from generate_series(1, 40) as n`,
      [abuser, SLOW_FOR],
    );
    const target = {
      edgeUrl: stack.edgeUrl,
      postgrestUrl: stack.postgrestUrl,
      token: await issue(stack.keys, { issuer: stack.issuer.issuer, sub: abuser }),
      key: stack.keys.publishable_key,
    };
    for (const attack of attacks(target).filter(({ name }) => name.includes(options.only))) {
      const beside = await bench.beside(token, attack.name, target);
      await sleep(2500);
      const cores = Math.max(0, beside.cores - own);
      const burnt = await burn(cores, () => bench.read(token));
      const ratio = beside.p99 / burnt.p99;
      const met = ratio <= AIM && beside.failed === 0;
      const row = {
        name: attack.name,
        p50: rounded(beside.p50),
        p99: rounded(beside.p99),
        burnt_p99: rounded(burnt.p99),
        cores: rounded(cores),
        ratio: rounded(ratio),
        failed: beside.failed,
        met,
        statuses: beside.statuses,
      };
      rows.push(row);
      say(JSON.stringify(row));
    }
    return { alone, rows };
  } finally {
    await client.end();
  }
};

const markdown = ({ facts, options, alone, rows }) => {
  const list = Object.entries({ ...facts, ...options }).map(
    ([name, value]) => `- ${name.replaceAll('_', ' ')}: ${value}`,
  );
  const table = rows.map(
    ({ name, p50, p99, burnt_p99: burnt, cores, ratio, failed, met }) =>
      `| ${name} | ${p50} | ${p99} | ${cores} | ${burnt} | ${ratio} | ${failed} | ${met ? 'reached' : 'MISSED'} |`,
  );
  return `${[
    '# Fairness',
    '',
    ...list,
    `- the reader alone: p50 ${rounded(alone.p50)} ms, p99 ${rounded(alone.p99)} ms`,
    '',
    `One user's reads, beside an abusive caller and beside a process that burns as much CPU outside PostgreSQL. Aim: p99 at most ${AIM} times, no read refused.`,
    '',
    '| beside | p50 ms | p99 ms | cores | p99 ms, CPU burnt outside | ratio | refused | aim |',
    '|---|---|---|---|---|---|---|---|',
    ...table,
  ].join('\n')}\n`;
};

/**
 * Runs the benchmark.
 * @param {string[]} flags of the command line
 */
export const run = async (flags) => {
  const options = parsed(flags);
  await interruptible(async (stopping) => {
    const { alone, rows } = await withStack({ stopping, say }, (parts) => measured({ ...parts, stopping, options }));
    const facts = { ...machine(), workerd: packageVersion('workerd') };
    const text = markdown({ facts, options, alone, rows });
    console.log(text);
    if (rows.some(({ met }) => !met)) process.exitCode = 1;
    if (options.only) {
      say('one attack was chosen: bench/results/ is left as it is');
      return;
    }
    const name = join(root, 'bench', 'results', 'fairness');
    writeFileSync(`${name}.md`, text);
    writeFileSync(`${name}.json`, `${JSON.stringify({ ...facts, ...options, alone, rows }, null, 2)}\n`);
    say(`written: ${name}.md, ${name}.json`);
  });
};
