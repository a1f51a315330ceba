// How the hot statements of one system grow: at a hundredth, a tenth and all of its rows, asked by one user, by ten and by a hundred at once.
import pg from 'pg';
import { SetupError } from '../../dev/setup.js';
import { rounded } from '../figures.js';
import { growthRow, isHindered, isLocked, mayGrow, missesTime, takesLonger } from './aims.js';
import { checkedAnswer, explained, preparedReads } from './ask.js';
import { callOf, preparedCalls } from './endpoints.js';
import { owned, user } from './lists.js';
import { waiting, watchLocks, withUsers } from './users.js';

/** `full`: the largest size, as a part of the rows that the system's own benchmark loads; `seconds`: of each load, at least. */
export const SIZES = { full: 1, seconds: 0.2 };
export const only = 'migrated database';

/** Sizes, as parts of those rows, and users at once. */
const PARTS = [0.01, 0.1, 1];
export const USERS = [1, 10, 100];
/** Of so many it is seen whether they wait for locks of each other. */
const WATCHED = 10;
/** With more users a load lasts longer, as each of them has fewer answers. */
const TIMES = { 1: 1, 10: 1, 100: 2 };
/** Calls before the one whose blocks count: the first looks things up in the catalogs, and the sixth may find a plan for all values. */
const PLANNED = 6;
/** Of a hundred connections those that ask at a time, in turns, where a hundred users get much less than ten. */
const IN_TURNS = 10;
/**
 * Further loads of a statement whose users hinder each other or which takes longer than at the smallest size by the first ones: a short load
 * varies by a fifth. The middle one counts. Users hinder each other if each of the loads says so: who waits for a lock waits in each of them.
 */
const REPEATS = 2;

/**
 * How often what misses its aim is measured once more after all others of its size. The machine is shared: somebody else's minute does not come
 * again for the same statement, and a lock or a bad plan does. The last measurement counts.
 */
const LATER = 2;

/** Settings of the server while rows are loaded: fewer checkpoints, and no whole pages in the log after each of them. */
const LOADING = { max_wal_size: '8GB', full_page_writes: 'off' };

/** A copy of the migrated database, for the rows of one size. */
const NAME = 'bench_curves';

const READER = '00000000-0000-4000-8000-000000000001';

const connected = async (url, body) => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    return await body(client, async (text, values) => (await client.query(text, values)).rows);
  } finally {
    await client.end();
  }
};

const inDatabase = (url, name) => {
  const other = new URL(url);
  other.pathname = `/${name}`;
  return `${other}`;
};

/** A table whose rows the reads of one row find by their owner. */
const OWN_ROWS = `create schema bench;
  create table bench.notes (user_id uuid primary key, note text not null);
  insert into bench.notes select gen_random_uuid(), 'a note' from generate_series(1, 1000);
  insert into bench.notes values ('${READER}', 'a note');
  alter table bench.notes enable row level security, force row level security;
  create policy own on bench.notes for select to authenticated using (
    user_id = (select (current_setting('request.jwt.claims')::json ->> 'sub')::uuid));
  create function bench.own_note() returns jsonb language plpgsql stable as
    'begin return (select to_jsonb(n) from bench.notes as n); end';
  grant usage on schema bench to authenticated, service_role;
  grant select on bench.notes to authenticated, service_role;
  grant execute on function bench.own_note() to authenticated`;

/** The least that a signed-in user can ask: what more users cost here, the machine takes for their connections. */
const ONE_ROW = {
  ...owned(READER, { name: 'one row of the user’s own', from: 'bench.notes', rest: '' }),
  why: 'A row is found by its key. What more users cost here, the machine takes for their connections: the caches of its processors hold little of what each of them needs.',
};
/** The least that a function can do for a signed-in user. */
const ONE_ROW_BY_A_FUNCTION = {
  ...{ name: 'one row of the user’s own, by a function', claims: user(READER), isCall: true },
  query: 'select bench.own_note() as answer',
  why: 'The same row. What more users cost here, their connections cost each endpoint, whose function has plans and code of its own.',
};

/** A read of reads.js, in the form of a call. */
const asStatement = ({ claims, query, ...read }) => ({
  ...read,
  role: claims.role,
  claimsOf: () => `'${JSON.stringify(claims)}'`,
  queryOf: () => query,
});

/** Loads the rows of one size. */
const load = async (client, sql, { list, calls, ...how }) => {
  for (const [name, value] of Object.entries(LOADING)) await sql(`alter system set ${name} = '${value}'`);
  await sql('select pg_reload_conf()');
  await list.load({ sql, client, ...how });
  await calls.load?.({ sql, client, ...how });
  await client.query(OWN_ROWS);
  await sql('analyze');
  for (const name of Object.keys(LOADING)) await sql(`alter system reset ${name}`);
  await sql('select pg_reload_conf()');
  await sql('checkpoint');
};

/** What is asked at one size, each with the blocks that it reads. */
const statementsAt = async (url, { list, calls, endpoints, size, signal, say }) =>
  connected(url, async (client, sql) => {
    await load(client, sql, { list, calls, size, signal, say });
    const all = [ONE_ROW, ONE_ROW_BY_A_FUNCTION, ...list.reads({ size })];
    const reads = (await preparedReads(client, all)).map(asStatement);
    const statements = [...reads, ...(await preparedCalls(endpoints, calls, size, sql))];
    const made = [];
    for (const statement of statements) {
      signal.throwIfAborted();
      const first = await callOf(statement, sql);
      await checkedAnswer(client, first);
      // One that is told nothing, or of nothing, would look cheap.
      await checkedAnswer(client, await callOf(statement, sql, Math.max(...USERS) - 1));
      for (let n = 0; n < PLANNED; n += 1) await explained(client, first.claims, first.query);
      const { blocks } = await explained(client, first.claims, first.query);
      made.push({ ...statement, blocks });
    }
    return made;
  });

/** What each number of users waits for a statement. */
const loads = async (users, statement, counts, { seconds, signal, watcher }) => {
  const found = {};
  for (const count of counts) {
    const stopped = count === WATCHED ? watchLocks(watcher) : undefined;
    try {
      found[count] = await waiting(users.slice(0, count), statement, { seconds: seconds * TIMES[count], signal });
    } finally {
      const locked = await stopped?.();
      if (found[count] && stopped) found[count].locked = locked;
    }
  }
  return found;
};

const middle = (all) => [...all].sort((a, b) => a.perSecond - b.perSecond)[Math.floor(all.length / 2)];

const usersOf = async (users, { statement, smallest, ...options }) => {
  const load = async (counts) => {
    const found = { users: await loads(users, statement, counts, options) };
    if (counts.includes(100) && !statement.contends && isHindered(found))
      found.turns = await waiting(users, statement, {
        ...options,
        seconds: options.seconds * TIMES[100],
        atOnce: IN_TURNS,
      });
    return found;
  };
  const first = await load(USERS);
  const isLonger = smallest && takesLonger(smallest.users[1].ms, first.users[1].ms);
  const isFree = statement.contends || !(isHindered(first) || isLocked(first));
  const again = USERS.filter((count) => (count === 1 ? isLonger : !isFree));
  const all = [first];
  for (let n = 0; n < REPEATS && again.length > 0; n += 1) all.push(await load(again));
  const middles = Object.fromEntries(
    USERS.map((count) => [count, middle(all.map((each) => each.users[count]).filter(Boolean))]),
  );
  const free = !isFree && all.find((each) => !isHindered(each) && !isLocked(each));
  return free
    ? { ...free, users: { ...free.users, 1: middles[1] } }
    : { users: middles, turns: middle(all.map(({ turns }) => turns).filter(Boolean)) };
};

/** What is measured at one size: by the statement's name. */
const atSize = async (url, { seconds, curves, ...asked }) => {
  const { size, signal, say } = asked;
  const statements = await statementsAt(url, asked);
  // They need nearly all connections that there are: that of the load is closed by then.
  return withUsers(url, Math.max(...USERS), async (all, watcher) => {
    const found = new Map();
    const smallestOf = ({ name }) => curves.get(name)?.points[0];
    const note = async (statement) => {
      signal.throwIfAborted();
      const point = await usersOf(all, { statement, smallest: smallestOf(statement), seconds, signal, watcher });
      const { users } = point;
      const { blocks, why, grows, times, contends } = statement;
      found.set(statement.name, { point: { size, blocks, ...point }, said: { why, grows, times, contends } });
      const waits = USERS.map((count) => `${rounded(users[count].ms)} ms by ${count}`).join(', ');
      say(`${size} of the rows, ${statement.name}: ${blocks} blocks; ${waits}`);
    };
    for (const statement of statements) await note(statement);
    for (let n = 0; n < LATER; n += 1) {
      const isMissed = (statement) => {
        const { point } = found.get(statement.name);
        const smallest = smallestOf(statement);
        const ofRows = smallest ? mayGrow(statement, size / smallest.size) : 1;
        const isLonger = smallest && missesTime(smallest.users[1].ms, point.users[1].ms, ofRows);
        return isLonger || (!statement.contends && (isHindered(point) || isLocked(point)));
      };
      for (const statement of statements.filter(isMissed)) await note(statement);
    }
    return found;
  });
};

/**
 * Measures on a system of its own.
 * @param {{stack: object, stopping: AbortController, options: {full: number, seconds: number}, list: object, calls: object,
 * endpoints: Map<string, object>, say: Function}} parts list, calls, endpoints: what reads.js, endpoints.js and the manifest of a system have
 * @returns {Promise<object[]>} rows of the table
 */
export const measure = async ({ stack, stopping, options: { full, seconds }, ...lists }) => {
  const { signal } = stopping;
  const sizes = PARTS.filter((part) => part <= full);
  if (sizes.length === 0) throw new SetupError(`--full is at least ${PARTS[0]}.`);
  const migrated = new URL(stack.databaseUrl).pathname.slice(1);
  const server = inDatabase(stack.databaseUrl, 'postgres');
  const url = inDatabase(stack.databaseUrl, NAME);
  const curves = new Map();
  // It would take a core from what is measured; each load vacuums its tables.
  await connected(server, (_, sql) => sql('alter system set autovacuum = off'));
  await connected(server, (_, sql) => sql('select pg_reload_conf()'));
  for (const size of sizes) {
    await connected(server, (_, sql) => sql(`create database ${NAME} template ${migrated}`));
    for (const [statement, { point, said }] of await atSize(url, { ...lists, curves, size, seconds, signal })) {
      const points = [...(curves.get(statement)?.points ?? []), point];
      curves.set(statement, { points, said });
    }
    await connected(server, (_, sql) => sql(`drop database ${NAME} with (force)`));
  }
  return [...curves].map(([statement, { points, said }]) => growthRow(statement, points, said));
};
