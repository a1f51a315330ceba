// A process that sends requests of all kinds at a steady rate, whether or not earlier ones have been answered, and listens to changes. Its
// parent sends {world, rate}, then 'stop'; it gets each second what was answered and what was acknowledged.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { token as issue } from '../../dev/issuer.js';
import { listen } from '../../examples/changes/changes.js';
import { send } from './client.js';
import { kindsOf } from './kinds/index.js';

/** Milliseconds that the last requests have, and that listeners have to hear of the last changes. */
const LAST = 20_000;
const LAST_CHANGES = 5000;

/**
 * Users who come before the clock runs, and how many at once: more than the edge's cache of verified tokens holds (8,192). What fills up to
 * its bound is no leak.
 */
const CAME_BEFORE = 9000;
const AT_ONCE = 16;
/**
 * How often each kind is run before the clock runs. Each of PostgreSQL's ten connections stores a plan of what it has done six times, and they are
 * not asked equally often.
 */
const RUN_BEFORE = 160;
/** How many of these may be refused by 429, and are run again. */
const MAX_REFUSED = 100;

/** An answer that a kind does not expect. */
class Unexpected extends Error {
  constructor(fault, answer) {
    super(`${fault}: ${answer.status} ${answer.text}`);
    this.status = answer.status;
  }
}

class Traffic {
  answers = [];
  acknowledged = {};
  replaced = {};
  expected = new Map();
  received = new Set();
  open = new Set();
  stopped = new AbortController();

  constructor({ world, rate }) {
    Object.assign(this, { world, rate, kinds: kindsOf(world) });
  }

  /** The token of a user who has never come before. */
  #newcomer() {
    return issue(this.world.keys, { issuer: this.world.issuer, sub: randomUUID() });
  }

  async #fill() {
    let left = CAME_BEFORE;
    const fill = async () => {
      while (left > 0) {
        left -= 1;
        const { status, text } = await send(this.world.edge, { path: '/v1/tokens', token: await this.#newcomer() });
        if (status !== 200) throw new Error(`GET /v1/tokens: ${status} ${text}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, fill));
    const kinds = Array.from({ length: RUN_BEFORE }, () => this.kinds).flat();
    let refused = 0;
    const warm = async () => {
      for (let kind = kinds.pop(); kind; kind = kinds.pop()) {
        try {
          await kind.run(this.#tools(kind, 0));
        } catch (error) {
          // So many at once may have more than the caller's share of connections.
          if (!(error instanceof Unexpected) || error.status !== 429 || refused === MAX_REFUSED) throw error;
          refused += 1;
          kinds.unshift(kind);
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, warm));
    this.answers = [];
    // Nobody has listened yet.
    this.expected.clear();
  }

  get now() {
    return performance.now() - this.from;
  }

  /** What a kind's run is given. `due`: when its first request should be sent; those that follow an answer are due when it is there. */
  #tools({ name, group }, due) {
    let next = due;
    const ask = async ({ whole = () => true, expect, group: own = group, ...given }) => {
      const begun = next;
      const answer = await send(this.world.edge, given);
      next = this.now;
      const { status, code, retryAfter } = answer;
      const isGood = expect ? expect.includes(status) : status >= 200 && status < 300;
      const fault = isGood ? !whole(answer) && 'not whole' : 'refused';
      const where = `${given.method ?? 'GET'} ${given.path.split('?')[0].replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, '{id}')}`;
      this.answers.push({
        ...{ name, group: own, at: begun, ms: next - begun, ended: next },
        ...(fault && { fault, where, status, code, retryAfter, text: answer.text.slice(-300) }),
      });
      if (fault) throw new Unexpected(fault, answer);
      return answer;
    };
    return {
      ask,
      acknowledge: (what, ...keys) => {
        this.acknowledged[what] ??= [];
        this.acknowledged[what].push(...keys);
      },
      // Of a row that is written again only what was written last is there.
      replace: (what, row, key) => {
        this.replaced[what] ??= {};
        this.replaced[what][row] = key;
      },
      changed: (table, id) => this.expected.set(`${table} ${id}`, this.now),
      newcomer: () => this.#newcomer(),
    };
  }

  /** The kinds in turn, each as often as its share says. */
  #choose() {
    const all = this.kinds.reduce((sum, { share }) => sum + share, 0);
    for (const kind of this.kinds) kind.credit = (kind.credit ?? Math.random() * kind.share) + kind.share;
    const chosen = this.kinds.reduce((best, kind) => (kind.credit > best.credit ? kind : best));
    chosen.credit -= all;
    return chosen;
  }

  #begin(kind, due) {
    const running = kind.run(this.#tools(kind, due)).catch((error) => {
      if (error instanceof Unexpected) return;
      // A fault of the benchmark, or an answer of another form.
      this.answers.push({
        name: kind.name,
        group: kind.group,
        at: due,
        ms: 0,
        ended: this.now,
        fault: 'no such answer',
        text: error.stack,
      });
    });
    this.open.add(running);
    running.finally(() => this.open.delete(running));
  }

  async #offer() {
    let due = this.now;
    while (!this.stopped.signal.aborted) {
      // Not in step with anything else of the system.
      due += ((0.5 + Math.random()) * 1000) / this.rate;
      const wait = due - this.now;
      if (wait > 0) await sleep(wait);
      this.#begin(this.#choose(), due);
    }
  }

  /** Resolves once all streams have begun: an earlier change is in none of them. */
  async #listen() {
    const { edge, users, listened } = this.world;
    const table = 'clixen.projects';
    let allReady;
    const begun = new Promise((resolve) => {
      allReady = resolve;
    });
    const listeners = users
      .filter(({ sub }) => listened.includes(sub))
      .map(({ token }) =>
        listen({
          ...{ url: edge, token: () => token, table, signal: this.stopListening.signal },
          onEvent: ({ event, key }) => {
            if (event === 'ready') {
              this.ready = (this.ready ?? 0) + 1;
              if (this.ready === listened.length) allReady();
            } else if (key) this.received.add(`${table} ${key.id}`);
          },
        }),
      );
    if (listeners.length > 0) await begun;
    return listeners;
  }

  async run(stop) {
    this.stopListening = new AbortController();
    this.from = performance.now();
    await this.#fill();
    const listeners = await this.#listen();
    this.start = Date.now();
    this.from = performance.now();
    this.#report();
    const report = setInterval(() => this.#report(), 1000);
    const offering = this.#offer();
    await stop;
    this.stopped.abort();
    await offering;
    await Promise.race([Promise.allSettled([...this.open]), sleep(LAST)]);
    await sleep(LAST_CHANGES);
    this.stopListening.abort();
    await Promise.allSettled(listeners);
    clearInterval(report);
    for (const [what, rows] of Object.entries(this.replaced)) this.acknowledged[what] = Object.values(rows);
    this.#report();
    const missed = [...this.expected]
      .filter(([change]) => !this.received.has(change))
      .map(([change, at]) => `${change}, acknowledged after ${(at / 1000).toFixed(1)} s`);
    return { unanswered: this.open.size, ready: this.ready ?? 0, changes: this.expected.size, missed };
  }

  #report() {
    process.send({ start: this.start, answers: this.answers.splice(0), acknowledged: this.acknowledged });
    this.acknowledged = {};
  }
}

let stop;
const stopped = new Promise((resolve) => {
  stop = resolve;
});
// Its parent has gone, or has everything.
process.on('disconnect', () => process.exit());
process.on('message', async (message) => {
  if (message === 'stop') return stop();
  const last = await new Traffic(message).run(stopped);
  process.send({ last }, () => process.disconnect());
});
