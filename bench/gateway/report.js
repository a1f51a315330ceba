// From measured rounds to medians, spread and ratios; the table, and the two files of results.
import { settle, verdict } from '../aims.js';
import { keep } from '../document.js';
import { aims, OURS } from './aims.js';
import { STARTS } from './first.js';

const METRICS = ['perSecond', 'p50', 'p99', 'cpu'];

const median = (numbers) => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const rounded = (number) => Number(number.toPrecision(4));

const summary = (numbers) => ({
  median: rounded(median(numbers)),
  min: rounded(Math.min(...numbers)),
  max: rounded(Math.max(...numbers)),
});

/** PostgREST's own CPU is not measured, and no process's where the system does not tell. */
const eachMetric = (rounds, make) =>
  Object.fromEntries(
    METRICS.filter((metric) => rounds[0][metric] !== undefined).map((metric) => [metric, make(metric)]),
  );

/** Ours divided by theirs, round by round: what disturbs a round disturbs both. */
const ratio = (ours, theirs, metric) => summary(ours.map((round, at) => round[metric] / theirs[at][metric]));

/** The results of a run, by row. */
const results = (run) =>
  run.rows.map((row) => {
    const rounds = (system) => run.cells.get(run.key(row, system));
    const ours = rounds({ name: OURS });
    const systems = run.systems.map((system) => {
      const theirs = rounds(system);
      const numbers = eachMetric(theirs, (metric) => summary(theirs.map((round) => round[metric])));
      const requests = theirs.reduce((sum, round) => sum + round.requests, 0);
      const other = system.name !== OURS;
      return {
        ...{ name: system.name, requests, ...numbers },
        ...(other && { rowgate_divided_by_it: eachMetric(theirs, (metric) => ratio(ours, theirs, metric)) }),
      };
    });
    return { row: row.name, status: row.status, answer_bytes: row.status < 400 ? row.length : undefined, systems };
  });

const shown = (number) => (number >= 100 ? number.toFixed(0) : number.toPrecision(3));

const spread = ({ median: middle, min, max }) => `${shown(middle)} (${shown(min)}–${shown(max)})`;

const line = (row, { name, perSecond, p50, p99, cpu, rowgate_divided_by_it: ratios }) => [
  row,
  name,
  ...[perSecond, p50, p99].map(spread),
  cpu ? spread(cpu) : '',
  ...METRICS.map((metric) => ratios?.[metric]?.median.toFixed(2) ?? ''),
];

/** A Markdown table that is readable as text too. */
const table = ([head, ...lines]) => {
  const widths = head.map((_, at) => Math.max(...[head, ...lines].map((cells) => cells[at].length)));
  const text = (cells) => `| ${cells.map((cell, at) => cell.padEnd(widths[at])).join(' | ')} |`;
  return [text(head), `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...lines.map(text)].join('\n');
};

const measurements = (rows) => {
  const ratios = ['req/s', 'p50', 'p99', 'CPU'].map((metric) => `rowgate ÷ it, ${metric}`);
  const head = [
    'row',
    'system',
    'req/s (min–max)',
    'p50 ms (min–max)',
    'p99 ms (min–max)',
    'CPU µs/request (min–max)',
    ...ratios,
  ];
  return table([head, ...rows.flatMap(({ row, systems }) => systems.map((system, at) => line(at ? '' : row, system)))]);
};

const aimed = (list) =>
  table([['aim', 'reached', ''], ...list.map(({ name, reached, met }) => [name, reached, verdict(met)])]);

const upstream = (calls) => {
  const lines = calls.map(({ name, requests, calls: made }) => [name, `${requests}`, `${made}`]);
  return table([['system', 'refused requests', 'calls of PostgREST'], ...lines]);
};

const markdown = ({ facts, rounds, seconds, rows, calls, first }) => `# Gateway

${rounds} rounds of ${seconds} s per cell (three times that for 10 MB), interleaved. Medians of the rounds, with least and most;
ratios are made in each round, then their median is taken: above 1 is better for req/s, below 1 for latencies and CPU.

Systems: PostgREST itself, and in front of it \`rowgate\`, \`fetch\` (a bare JavaScript pass-through), \`duties\` (the edge's
duties at a forwarded read, written by hand for this case alone), \`hono\` (Hono with jose, verifying the same tokens) and \`hono-duties\` (the same with most of the edge's other duties: id,
allow-lists, CORS, deadline, hang-ups, timing, a line of log; no limits of body, query or queue), each alone in a workerd. The edge
and \`duties\` keep verified tokens; both Hono Workers verify each again. CPU is the Worker's process's own, user and system. Load by wrk with one thread. No answer was of another status
than its row's, and none was missing.

${Object.entries(facts)
  .map(([name, value]) => `- ${name.replaceAll('_', ' ')}: ${value}`)
  .join('\n')}

${measurements(rows)}

From the start of workerd to the first answer, one row with a token of HS256, ${STARTS} starts of each in turn:

${firstTable(first)}

What was to be reached:

${aimed(aims(rows, calls, first))}
${calls ? `\nCalls of PostgREST for refused tokens, counted between the Workers and PostgREST:\n\n${upstream(calls)}\n` : ''}`;

/** The first answers, in milliseconds. */
const firstResults = (first) =>
  first?.map(({ name, wall, cpu }) => ({
    ...{ name, wall: summary(wall) },
    ...(cpu[0] !== undefined && { cpu: summary(cpu) }),
  }));

const firstTable = (first) =>
  table([
    ['system', 'first answer, ms (min–max)', 'CPU ms (min–max)'],
    ...first.map(({ name, wall, cpu }) => [name, spread(wall), cpu ? spread(cpu) : '']),
  ]);

/** Prints the table. A whole run is kept in bench/results/; one of some rows replaces nothing there. */
export const report = ({ facts, options, run, calls }) => {
  const { rounds, seconds, only } = options;
  const rows = results(run);
  const first = firstResults(run.first);
  if (rows.length > 0) console.log(measurements(rows));
  if (first) console.log(`\n${firstTable(first)}`);
  if (calls) console.log(`\n${upstream(calls)}`);
  const list = aims(rows, calls, first);
  if (list.length > 0) console.log(`\n${aimed(list)}`);
  settle(list);
  if (only) {
    console.error('[bench] rows were chosen by --only: bench/results/ is left as it is');
    return;
  }
  const kept = { ...facts, rounds, seconds, upstream_calls_of_refused: calls, first_answer_ms: first, rows };
  keep('gateway', markdown({ facts, rounds, seconds, rows, calls, first }), kept, (line) =>
    console.error(`[bench] ${line}`),
  );
};
