// The functions that a system's endpoints call, each with one call that the benchmark makes of it. bench/<system>/endpoints.js names them:
//
//   load({ sql, size, say })   loads rows that only these calls need, after the load of reads.js; optional
//   endpoints({ size })        gives, by method and path, one of
//     'a text'   why the endpoint is not measured
//     { reads }  names in reads.js that ask the endpoint's function
//     { with, caller, place, holds, ... }   a call:
//       with     the arguments of the function as SQL; or a function of `n`, the number of the user as SQL, from 0 to 99
//       caller   role: whom the edge has verified; sub: the user's id, as a function of `n`; edge: what else the edge vouches for. A text
//                that contains {n} has the number of the user there
//       place    a statement, asked by the owner of the database, whose row `with` gets as its second argument
//       holds    a condition on `answer`, as SQL, that the call must fulfil
//   writes()                   gives, by name, writes of the data API: { write, caller, ... }, where `write` is a function of `n`: the statement,
//                              which writes one row
//   functions()                gives, by name, functions that users call by the data API, each as a call above; or a text: why it is not measured
//   steps()                    gives, by name, functions that only the edge calls: later in an endpoint, or in a job, each as a call above; or
//                              names of reads.js that ask it; or a text: why it is not measured
//
// Calls are rolled back, so that the tables stay as they are. why, grows and contends are those of lists.js.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parse } from 'smol-toml';
import { root } from '../../dev/paths.js';
import { allSystems } from '../../dev/systems.js';
import { CORE, folderOf } from './lists.js';

const keyOf = ({ method, path }) => `${method} ${path}`;

/** The endpoints of a manifest, by method and path. */
export const endpointsOf = (name) => {
  const { endpoints } =
    name === CORE
      ? parse(readFileSync(join(root, 'src', 'endpoints', 'endpoints.toml'), 'utf8'))
      : allSystems().find((system) => system.name === name);
  return new Map(endpoints.map((endpoint) => [keyOf(endpoint), endpoint]));
};

/** The list of a system, or an empty one. */
export const callsOf = async (name) => {
  const file = join(folderOf(name), 'endpoints.js');
  return existsSync(file) ? import(pathToFileURL(file)) : { endpoints: () => ({}) };
};

/** Whether an entry of a list is a call: not a text, nor names of reads. */
export const isCall = (entry) => typeof entry !== 'string' && !entry.reads;

const quoted = (text) => `'${text.replaceAll("'", "''")}'`;

/** What the edge knows of every caller's connection: each user has another network. */
const SEEN = { net: '10.{n}.0.0/24', addr: 'address {n}', country: 'DE' };

/** The role of a call, and its claims as SQL of the number of the user. */
const identityOf = ({ identity }, { role = 'authenticated', sub, edge, ...more } = {}) => {
  const isEdge = identity === 'vouched' || identity === 'edge';
  const claims = {
    role: isEdge ? 'edge' : role,
    ...(sub && { sub: '{sub}' }),
    // A user's own token says nothing of the kind.
    ...((isEdge || !sub) && { edge: { ...(identity === 'vouched' && { caller: role }), ...SEEN, ...edge } }),
    ...more,
  };
  const text = quoted(JSON.stringify(claims));
  const numbered = (n) => `replace(${text}, '{n}', (${n})::text)`;
  return {
    role: claims.role,
    claimsOf: (n) => (sub ? `replace(${numbered(n)}, '{sub}', (${sub(n)})::text)` : numbered(n)),
  };
};

/** A call as one of its users makes it, in the form of a read. @param {number} [n] the number of the user */
export const callOf = async ({ claimsOf, queryOf, role, ...call }, sql, n = 0) => {
  const [{ claims }] = await sql(`select ${claimsOf(`${n}`)} as claims`);
  return { ...call, queryOf, claims: { ...JSON.parse(claims), role }, query: queryOf(`${n}`) };
};

/** A write of the data API as PostgREST makes it: it answers the rows. */
const answered = (write) => (n) =>
  `with written as (${write(n)} returning *) select jsonb_agg(w) as answer from written as w`;

/** The statements of a list's writes. The edge passes the user's own token on. */
const preparedWrites = (list) =>
  Object.entries(list).map(([name, { write, caller, ...rest }]) => ({
    ...{ name, ...rest, ...identityOf({}, caller), isWrite: true },
    queryOf: answered(write),
  }));

const argumentsOf = ({ with: args = '' }, row) => (typeof args === 'function' ? (n) => args(n, row) : () => args);

/** The statements of a list of functions, by the name of each. */
const preparedByName = (list, by, endpoint, asked) =>
  Object.entries(list)
    .filter(([, entry]) => isCall(entry))
    .map(([name, { with: args, caller, ...rest }]) => {
      const written = argumentsOf({ with: args });
      return {
        ...{ name: `${name}, by ${by}`, ...rest, ...identityOf(endpoint, caller), isCall: true },
        queryOf: (n) => asked(`${name}(${written(n)})`),
      };
    });

/** Of functions that users call. PostgREST answers the rows of one as an array. */
const preparedFunctions = (list) =>
  preparedByName(list, 'the data API', {}, (call) => `select jsonb_agg(f) as answer from ${call} as f`);

const preparedSteps = (list) =>
  preparedByName(list, 'the edge', { identity: 'edge' }, (call) => `select to_jsonb(${call}) as answer`);

/**
 * The statements of calls, as reads.js has those of reads.
 * @param {Map<string, object>} manifest of endpointsOf
 * @param {{endpoints: Function, writes?: Function, functions?: Function, steps?: Function}} calls of callsOf
 * @param {number} size
 * @param {Function} sql of the owner of the database
 */
export const preparedCalls = async (manifest, calls, size, sql) => {
  const { writes, functions, steps } = calls;
  const made = [
    ...preparedWrites(writes?.() ?? {}),
    ...preparedFunctions(functions?.() ?? {}),
    ...preparedSteps(steps?.() ?? {}),
  ];
  for (const [name, entry] of Object.entries(calls.endpoints({ size }))) {
    if (!isCall(entry)) continue;
    const { with: args, caller, place, ...rest } = entry;
    const endpoint = manifest.get(name);
    const [row] = place ? await sql(place) : [];
    const written = argumentsOf({ with: args }, row);
    made.push({
      ...{ name, ...rest, ...identityOf(endpoint, caller), isCall: true },
      queryOf: (n) => `select ${endpoint.call}(${written(n)}) as answer`,
    });
  }
  return made;
};
