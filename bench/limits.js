// What each part of a system reached in the benchmarks, for docs/scaling.md: figures of bench/results/.
import { rounded } from './figures.js';
import { measuredOn } from './machine.js';

/** The requests of the row that shows most of the parts: one row for a signed-in user. */
const READ = 'one row, repeated ES256, 128 connections';

const ofGateway = (figure) => (resultsOf) => {
  const results = resultsOf('gateway');
  const { systems } = results.rows.find(({ row }) => row === READ);
  return { facts: results, reached: figure(Object.fromEntries(systems.map((system) => [system.name, system]))) };
};

/** A row of a benchmark, by the beginning of its name. A row that was measured later than the others says when. */
const ofRow = (name, part, row) => (resultsOf) => {
  const results = resultsOf(name);
  const { facts, rows } = part ? results[part] : { facts: results, rows: results.rows };
  const found = rows.filter((each) => each.name.startsWith(row));
  if (found.length !== 1) throw new Error(`${name}: ${found.length} rows begin with ${row}`);
  const [{ reached, met, measured }] = found;
  return { facts, reached, met, measured };
};

/** The part, what was measured, and where its figure is. */
const LIMITS = [
  [
    'one core for workerd',
    'CPU of the edge for a forwarded read of one row; as many a second as one core has time for',
    ofGateway(({ rowgate }) => {
      const { median } = rowgate.cpu;
      return `${rounded(median / 1000)} ms; ${Math.round(1e6 / median)}/s`;
    }),
  ],
  [
    'edge, PostgREST and PostgreSQL',
    'the same read, 128 connections',
    ofGateway(({ rowgate }) => `${Math.round(rowgate.perSecond.median)}/s`),
  ],
  [
    'PostgREST and PostgreSQL',
    'the same read, without an edge',
    ofGateway(({ postgrest }) => `${Math.round(postgrest.perSecond.median)}/s`),
  ],
  ['all parts', 'leads through the edge', ofRow('growth', undefined, 'leads through the edge')],
  ['all parts', 'events through the edge, batches of 500', ofRow('growth', undefined, 'events through the edge')],
  [
    'all parts',
    'transcripts through the edge, 4 uploads at once',
    ofRow('observatory', 'ingest', 'ingest through the edge'),
  ],
  ['all parts', 'chats of one tenant, turns a second', ofRow('assistant', 'chat', 'POST /v1/chat: turns a second')],
  [
    'primary',
    'tasks claimed and completed, 16 workers, 1,000 users',
    ofRow('flashfusion', 'queue', 'claim and complete, 16 workers'),
  ],
  [
    'primary',
    'requests of one tenant that begin and end in its quota',
    ofRow('assistant', 'quota', 'requests of one tenant begin and end'),
  ],
  [
    'one isolate',
    'how much later 1,000 listeners of 1,000 users hear of a change',
    ofRow('changes', 'lag', 'one change a second, 1000 listeners of 1000 users'),
  ],
  [
    'three PostgRESTs and a standby',
    'the last refused request, the longest time without an answered write, and times of requests: nothing happens',
    ofRow('failover', 'machines', 'nothing happens'),
  ],
  [
    'three PostgRESTs and a standby',
    'the same: one PostgREST is killed',
    ofRow('failover', 'machines', 'PostgREST 1 of 3 is killed'),
  ],
  [
    'three PostgRESTs and a standby',
    'the same: the only synchronous standby is killed, and back after 3 s',
    ofRow('failover', 'machines', 'the standby is killed'),
  ],
  [
    'three PostgRESTs and a standby',
    'the same: the primary is killed, and the standby takes its place after 3 s',
    ofRow('failover', 'machines', 'the primary is killed'),
  ],
];

/**
 * The rows of the table.
 * @param {(name: string) => object} resultsOf of a benchmark
 * @returns {string[][]} part, what was measured, what was reached, when
 */
export const limits = (resultsOf) =>
  LIMITS.map(([part, what, find]) => {
    const { facts, reached, met, measured } = find(resultsOf);
    return [part, what, met === false ? `${reached}: **MISSED**` : reached, measured ?? measuredOn(facts)];
  });
