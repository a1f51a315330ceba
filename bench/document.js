// docs/performance.md is made of bench/results/: what stands between two marks, `<!-- figures: observatory search hooks -->` (a
// benchmark, and which of its parts) and `<!-- end -->`, is replaced by the figures of the last run.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../dev/paths.js';
import { rounded } from './figures.js';
import { aims } from './gateway/aims.js';

const DOCUMENT = join(root, 'docs', 'performance.md');
const MARKED = /(<!-- figures: ([\w -]+) -->\n)[\s\S]*?(<!-- end -->)/g;

const resultsOf = (name) => JSON.parse(readFileSync(join(root, 'bench', 'results', `${name}.json`), 'utf8'));

/** Long numbers in groups of three digits. */
const grouped = (text) => `${text}`.replace(/(?<![.\d])\d{5,}\b/g, (digits) => Number(digits).toLocaleString('en'));

/** When, where and with which sizes something was measured. */
const measured = ({ date, commit, cores, cpu, memory_gb: gigabytes, system, workerd }, sizes) => {
  const machine = `${cores} cores (${cpu}), ${gigabytes} GB, ${system}, workerd ${workerd}`;
  const list = Object.entries(sizes).map(([name, size]) => `${name.replaceAll('_', ' ')} ${grouped(size)}`);
  return `${date.slice(0, 10)}, commit ${commit.slice(0, 7)}, ${machine}; ${list.join(', ')}.`;
};

const table = (head, rows) => [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);

const word = (met) => (met === false ? ': **MISSED**' : '');

/** The rows of a benchmark or of one of its parts. */
const ofRows = (rows) => {
  const line = ({ name, aim, reached, met, rival, measured: when }) =>
    [name, aim, `${reached}${when ? ` (${when})` : ''}${word(met)}`, rival ?? ''].map(grouped);
  return table(['what', 'must reach', 'reached', 'rival'], rows.map(line));
};

const FAIRNESS = (results) =>
  table(
    ['beside', 'p99, times that beside burnt CPU'],
    results.rows.map(({ name, ratio, met }) => [name, `${ratio}${word(met)}`]),
  );

const RIVALS = ['fetch', 'duties', 'hono', 'hono-duties'];

/** The aims of the gateway's benchmark, each with how many rows reach it. */
const aimsOf = ({ rows, upstream_calls_of_refused: calls, first_answer_ms: first }) => {
  const byAim = new Map();
  for (const one of aims(rows, calls, first)) byAim.set(one.aim, [...(byAim.get(one.aim) ?? []), one]);
  const lines = [...byAim].map(([aim, list]) => {
    const met = list.filter((one) => one.met).length;
    if (list.length === 1) return [aim, list[0].reached + word(met === 1)];
    const ratios = list.map(({ reached }) => Number(reached)).sort((a, b) => a - b);
    const spread = `${ratios[0].toFixed(2)} to ${ratios.at(-1).toFixed(2)}`;
    return [aim, `on ${met} of ${list.length} rows: ${spread}${word(met === list.length)}`];
  });
  return table(['aim', 'reached'], lines);
};

const GATEWAY = (results) => {
  const { rows, first_answer_ms: first } = results;
  const head = [
    'row',
    ...['postgrest', 'rowgate', ...RIVALS].map((name) => `${name}/s`),
    ...RIVALS.slice(1).map((name) => `÷ ${name}`),
    ...['rowgate', ...RIVALS].map((name) => `${name} µs`),
    'µs ÷ duties',
  ];
  const lines = rows.map(({ row, systems }) => {
    const of = Object.fromEntries(systems.map((system) => [system.name, system]));
    const ratio = (name, figure) => of[name].rowgate_divided_by_it[figure].median.toFixed(2);
    return [
      row.replace(/ connections?$/, ''),
      ...['postgrest', 'rowgate', ...RIVALS].map((name) => Math.round(of[name].perSecond.median)),
      ...RIVALS.slice(1).map((name) => ratio(name, 'perSecond')),
      ...['rowgate', ...RIVALS].map((name) => Math.round(of[name].cpu.median)),
      ratio('duties', 'cpu'),
    ];
  });
  const starts = first.map(({ name, wall, cpu }) => [name, rounded(wall.median), rounded(cpu.median)]);
  return [
    ...table(head, lines),
    '',
    ...table(['first answer of a fresh isolate', 'ms', 'CPU ms'], starts),
    '',
    ...aimsOf(results),
  ];
};

const TABLES = { fairness: FAIRNESS, gateway: GATEWAY };

const SIZES = {
  gateway: ['rounds', 'seconds'],
  fairness: ['rounds', 'seconds'],
  growth: ['leads', 'events', 'sessions', 'seconds'],
  clixen: ['workflows', 'messages', 'validations'],
};

/** The figures that a mark asks for. */
const figures = (mark) => {
  const [name, ...parts] = mark.split(' ');
  const results = resultsOf(name);
  if (parts.length === 0) {
    const sizes = Object.fromEntries(SIZES[name].map((size) => [size, results[size]]));
    return [measured(results, sizes), '', ...(TABLES[name]?.(results) ?? ofRows(results.rows))];
  }
  return parts.flatMap((part) => {
    const { facts, sizes, rows } = results[part];
    return [`\`${part}\`: ${measured(facts, sizes)}`, '', ...ofRows(rows), ''];
  });
};

/** A text with the figures of bench/results/ between its marks. */
export const withFigures = (text) =>
  text.replace(MARKED, (_, begin, mark, end) => `${begin}\n${figures(mark).join('\n').trimEnd()}\n\n${end}`);

/**
 * Keeps the results of a benchmark: in bench/results/, and in docs/performance.md.
 * @param {string} name of the benchmark
 * @param {string} markdown all of it, for people
 * @param {object} results the same, for programs
 * @param {(line: string) => void} say
 */
export const keep = (name, markdown, results, say) => {
  const file = join(root, 'bench', 'results', name);
  mkdirSync(join(root, 'bench', 'results'), { recursive: true });
  writeFileSync(`${file}.md`, markdown);
  writeFileSync(`${file}.json`, `${JSON.stringify(results, null, 2)}\n`);
  // In the form that the lint wants of every file.
  spawnSync(join(root, 'node_modules', '.bin', 'biome'), ['format', '--write', `${file}.json`], { stdio: 'ignore' });
  writeFileSync(DOCUMENT, withFigures(readFileSync(DOCUMENT, 'utf8')));
  say(`written: ${file}.md, ${file}.json, ${DOCUMENT}`);
};
