// Users at once: each has a connection, over which the same statement is sent again and again. The connections stay for all statements of a
// size, as those of a pool. The messages are made once, and of the answers only the ends are looked for: a client that reads the rows takes as
// much of the cores as the database.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { SetupError } from '../../dev/setup.js';
import { median, p99 } from '../figures.js';

/** The number of a user in a statement, as SQL. */
export const EACH = '($1)::int';

const int16 = (value) => Buffer.from([value >> 8, value & 255]);
const int32 = (value) => Buffer.concat([int16(value >> 16), int16(value & 65535)]);
const text = (value) => Buffer.from(`${value}\0`);

/** A message of PostgreSQL's protocol. */
const message = (type, ...fields) => {
  const body = Buffer.concat(fields);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
};
const parse = (name, query) => message('P', text(name), text(query), int16(0));
const close = (name) => message('C', Buffer.from('S'), text(name));
const run = (name, values = []) => {
  const written = values.flatMap((value) => [int32(`${value}`.length), Buffer.from(`${value}`)]);
  const bind = message('B', text(''), text(name), int16(0), int16(values.length), ...written, int16(0));
  return Buffer.concat([bind, message('E', text(''), int32(0))]);
};

/** How a type of message begins. */
const ERROR = 'E'.charCodeAt(0);
const READY = 'Z'.charCodeAt(0);
const HEAD = 5;

/** One user. `answered(error)` is called at the end of each transaction. */
class User {
  #prepared = 0;
  #statement;
  #bytes;
  #head = Buffer.alloc(0);
  #skipped = 0;

  constructor(client, number) {
    const { stream } = client.connection;
    Object.assign(this, { client, stream, number, answered: () => {} });
    stream.removeAllListeners('data');
    stream.on('data', (chunk) => this.#read(chunk));
    client.on('error', (error) => this.answered(error.message));
  }

  /** A request as PostgREST makes it of a call: a transaction with role and claims. It is rolled back. */
  ask(statement) {
    const before = this.#statement === statement ? [] : this.#prepare(statement);
    this.stream.write(before.length > 0 ? Buffer.concat([...before, this.#bytes]) : this.#bytes);
  }

  #prepare(statement) {
    const { role, claimsOf, queryOf } = statement;
    const claims = `select set_config('role', '${role}', true), set_config('request.jwt.claims', ${claimsOf(EACH)}, true)`;
    const query = queryOf(EACH);
    const values = (sql) => (sql.includes(EACH) ? [this.number] : []);
    const parts = [run('begin'), run('claims', values(claims)), run('query', values(query)), run('rollback')];
    this.#bytes = Buffer.concat([...parts, message('S')]);
    this.#statement = statement;
    this.#prepared += 1;
    const once =
      this.#prepared === 1
        ? [parse('begin', 'begin'), parse('rollback', 'rollback')]
        : [close('claims'), close('query')];
    return [...once, parse('claims', claims), parse('query', query)];
  }

  #read(chunk) {
    const data = this.#head.length > 0 ? Buffer.concat([this.#head, chunk]) : chunk;
    let at = this.#skipped;
    let isReady = false;
    let error;
    while (data.length - at >= HEAD) {
      const length = 1 + data.readInt32BE(at + 1);
      if (data[at] === ERROR) error = data.toString('utf8', at + HEAD, at + length).replaceAll('\0', ' ');
      isReady ||= data[at] === READY;
      at += length;
    }
    this.#skipped = Math.max(0, at - data.length);
    this.#head = data.subarray(at);
    if (error || isReady) this.answered(error);
  }
}

/** Calls the body with so many users and a client for `watchLocks`. Their connections are closed afterwards. */
export const withUsers = async (url, count, body) => {
  const watcher = new pg.Client({ connectionString: url });
  const clients = [];
  try {
    await watcher.connect();
    for (let n = 0; n < count; n += 1) {
      const client = new pg.Client({ connectionString: url });
      clients.push(client);
      await client.connect();
    }
    return await body(
      clients.map((client, number) => new User(client, number)),
      watcher,
    );
  } finally {
    for (const { connection } of clients) connection.stream.destroy();
    await watcher.end();
  }
};

/** Milliseconds between two looks at what users wait for. */
const LOOK_MS = 15;
const LOCKED = `select count(*) filter (where wait_event_type = 'Lock')::float8 as locked, count(*)::float8 as busy
  from pg_stat_activity where datname = current_database() and state = 'active' and pid <> pg_backend_pid()`;

/**
 * Looks again and again, until it is stopped, at how many users' statements wait for a lock that another one has.
 * @param {pg.Client} client a connection of its own
 * @returns {() => Promise<number>} stops, and gives the part of the users' time that they waited so
 */
export const watchLocks = (client) => {
  let isOver = false;
  const looking = (async () => {
    let [locked, busy] = [0, 0];
    while (!isOver) {
      const { rows } = await client.query(LOCKED);
      locked += rows[0].locked;
      busy += rows[0].busy;
      await sleep(LOOK_MS);
    }
    return busy > 0 ? locked / busy : 0;
  })();
  return () => {
    isOver = true;
    return looking;
  };
};

/** Answers that a load must have, whatever the time. */
const MIN_ANSWERS = 5;
/** A load in which not every user has got two answers by then ends, and its first answers count; without these it ends the run. */
const MAX_SECONDS = 180;

/**
 * What some users wait for a statement, all of them asking again and again, from when each has got a first answer: what looks things up in the
 * catalogs is not measured.
 * @param {User[]} users
 * @param {{name: string, role: string, claimsOf: Function, queryOf: Function}} statement
 * @param {{seconds: number, signal: AbortSignal, atOnce?: number}} options seconds: at least; atOnce: so many of the users ask at once, all of them
 * in turns, otherwise all at once
 * @returns {Promise<{ms: number, p99: number, perSecond: number}>} ms: the median
 */
export const waiting = (users, statement, { seconds, signal, atOnce = users.length }) =>
  new Promise((resolve, reject) => {
    const begun = performance.now();
    const first = [];
    const took = [];
    // Users without a first answer, and without a second one.
    const [waitingFirst, waitingSecond] = [new Set(users), new Set(users)];
    let start;
    let last;
    let isOver = false;
    const idle = users.slice(atOnce);
    let open = atOnce;
    const fail = (why) => {
      isOver = true;
      reject(signal.aborted ? signal.reason : new SetupError(`${statement.name}: ${why}`));
    };
    const note = (user, now) => {
      if (start === undefined) {
        if (waitingFirst.delete(user)) first.push(now - user.asked);
        if (waitingFirst.size === 0) start = now;
        return;
      }
      took.push(now - user.asked);
      last = now;
      waitingSecond.delete(user);
      isOver = now - start >= seconds * 1000 && took.length >= MIN_ANSWERS && waitingSecond.size === 0;
    };
    const found = (answers, seconds) => ({
      ms: median(answers),
      p99: p99(answers),
      perSecond: answers.length / seconds,
    });
    const measured = () =>
      waitingSecond.size === 0 ? found(took, (last - start) / 1000) : found(first, (start - begun) / 1000);
    const answered = (user, error) => {
      const now = performance.now();
      if (error || signal.aborted) return fail(error);
      if (!isOver) note(user, now);
      if (!isOver && now - begun > MAX_SECONDS * 1000) {
        if (waitingFirst.size > 0)
          return fail(`${users.length} users have not had an answer each within ${MAX_SECONDS} seconds.`);
        isOver = true;
      }
      idle.push(user);
      if (!isOver) return ask(idle.shift());
      open -= 1;
      if (open === 0) resolve(measured());
    };
    const ask = (user) => {
      user.asked = performance.now();
      user.ask(statement);
    };
    for (const user of users) user.answered = (error) => answered(user, error);
    for (const user of users.slice(0, atOnce)) ask(user);
  });
