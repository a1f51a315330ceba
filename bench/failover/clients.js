// Users who each write rows, and read each after it was written: half of them once, so that they always read from the primary, the others
// until long after that.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { token as issue } from '../../dev/issuer.js';
import { isStale, lostOf } from './aims.js';

/** Milliseconds between two requests of a user. */
const PAUSE = 20;
/** Milliseconds for which a user reads after a write: longer than the edge asks the primary for them. */
const READS = 7000;

const ask = async (url, options) => {
  const begun = performance.now();
  const since = () => performance.now() - begun;
  try {
    const answer = await fetch(url, options);
    const body = await answer.text();
    return { status: answer.status, body, ms: since() };
  } catch {
    return { status: 0, ms: since() };
  }
};

class User {
  sent = 0;
  acknowledged = [];

  constructor({ sub, token, edgeUrl, readUrl, note }) {
    Object.assign(this, {
      sub,
      note,
      readUrl: `${readUrl}/projects`,
      url: `${edgeUrl}/rest/v1/projects`,
      headers: { authorization: `Bearer ${token}` },
    });
  }

  async write() {
    this.sent += 1;
    const name = `row ${this.sent}`;
    const headers = { ...this.headers, 'content-type': 'application/json', prefer: 'return=minimal' };
    const { status, ms } = await ask(this.url, { method: 'POST', headers, body: JSON.stringify({ name }) });
    if (status === 201) {
      this.acknowledged.push(name);
      this.wrote = performance.now();
    }
    this.note({ kind: 'writes', status, ms, refused: status !== 201 });
  }

  /** Reads the user's last row. */
  async last(url, headers) {
    const last = this.acknowledged.at(-1);
    const { status, body, ms } = await ask(`${url}?name=eq.${last}&select=name`, { headers });
    return { status, ms, stale: isStale({ status, body }, last) };
  }

  async read() {
    const since = (performance.now() - this.wrote) / 1000;
    const { status, ms, stale } = await this.last(this.url, this.headers);
    this.note({ kind: 'reads', status, ms, refused: status !== 200, stale, since });
  }

  /** Whether the standby does not have yet what the user has just written. */
  async isBehind() {
    await this.write();
    const { stale } = await this.last(this.readUrl, { ...this.headers, 'accept-profile': 'clixen' });
    return stale;
  }
}

/**
 * Users who write and read until they are stopped.
 * @param {{edgeUrl: string, readUrl: string, stack: object, count: number, note: (seen: {kind: 'reads' | 'writes', status: number, ms: number, refused: boolean, stale?: boolean, since?: number}) => void}} options
 * @returns {Promise<{behind: number, stop: () => Promise<void>, written: () => number, lost: (sql: (text: string) => Promise<object[]>) => Promise<number>}>}
 * behind: how many users did not find a row that they had just written, when they asked the standby itself; written: acknowledged writes;
 * lost: how many of them are not in the database
 */
export const startUsers = async ({ edgeUrl, readUrl, stack, count, note }) => {
  const users = [];
  for (let n = 0; n < count; n += 1) {
    const sub = randomUUID();
    const token = await issue(stack.keys, { issuer: stack.issuer.issuer, sub });
    users.push(new User({ sub, token, edgeUrl, readUrl, note }));
  }
  const behind = (await Promise.all(users.map((user) => user.isBehind()))).filter(Boolean).length;
  let going = true;
  const working = users.map(async (user, n) => {
    // The first time shorter, each by another time: else all would write, and read from the standby, at the same moments.
    let reads = ((n % 2) * READS * n) / count;
    while (going) {
      await user.write();
      const until = performance.now() + reads;
      do {
        await user.read();
        await sleep(PAUSE);
      } while (going && performance.now() < until);
      reads = (n % 2) * READS;
    }
  });
  return {
    behind,
    stop: async () => {
      going = false;
      await Promise.all(working);
    },
    written: () => users.reduce((sum, { acknowledged }) => sum + acknowledged.length, 0),
    lost: async (sql) => lostOf(users, await sql('select user_id, name from clixen.projects')).length,
  };
};
