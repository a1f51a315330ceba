// The tables of docs/performance.md and docs/scaling.md are made of bench/results/: what stands between two marks,
// `<!-- figures: observatory search hooks -->` (a benchmark, and which of its parts) and `<!-- end -->`, is replaced by the figures of the last
// run. `<!-- figures: limits -->` has some figures of all benchmarks, `steps` the measurements that were made once, by hand, of the steps by
// which the edge became cheaper.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../dev/paths.js';
import { rounded } from './figures.js';
import { aims } from './gateway/aims.js';
import { limits } from './limits.js';
import { plots } from './plot.js';

/** The documents with such marks. */
export const DOCUMENTS = ['performance.md', 'scaling.md'].map((name) => join(root, 'docs', name));
export const PLOTS = join(root, 'docs', 'plots');
const MARKED = /(<!-- figures: ([\w -]+) -->\n)[\s\S]*?(<!-- end -->)/g;

/** What bench/results/ has of a benchmark. */
export const resultsOf = (name) => JSON.parse(readFileSync(join(root, 'bench', 'results', `${name}.json`), 'utf8'));

/** Long numbers in groups of three digits, but no commit whose name is all digits. */
const grouped = (text) =>
  `${text}`.replace(/(?<![.\d]|commit )\d{5,}\b/g, (digits) => Number(digits).toLocaleString('en'));

/** When, where and with which sizes something was measured. */
const measured = ({ date, commit, uncommitted, cores, cpu, memory_gb: gigabytes, system, workerd }, sizes) => {
  const machine = `${cores} cores (${cpu}), ${gigabytes} GB, ${system}, workerd ${workerd}`;
  const list = Object.entries(sizes).map(([name, size]) => `${name.replaceAll('_', ' ')} ${grouped(size)}`);
  return `${date.slice(0, 10)}, commit ${commit.slice(0, 7)}${uncommitted ? ' with changes' : ''}, ${machine}; ${list.join(', ')}.`;
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
    ['beside', 'p99, times that beside burnt CPU', 'p99, ms', 'cores', 'thread'],
    results.rows.map(({ name, ratio, met, p99, cores, thread, measured: when }) => [
      name,
      `${ratio}${when ? ` (${when})` : ''}${word(met)}`,
      ...[p99, cores, thread],
    ]),
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

/** Rows whose figures are curves, over the sizes. */
const areCurves = (rows) => rows.some(({ curve }) => curve);
/** 1/100, 1/10, 1. */
const fraction = (size) => (size < 1 ? `1/${Math.round(1 / size)}` : `${size}`);
const manyUsers = (count) => (count === '1' ? '1 user' : `${count} users`);

/** The plots of a benchmark: by file, those of its parts whose rows are curves. */
export const plotsOf = (name, results) =>
  Object.entries(results)
    .filter(([, part]) => Array.isArray(part?.rows) && areCurves(part.rows))
    .map(([part, { rows }]) => {
      const users = Object.keys(rows[0].curve.points[0].users);
      const text = plots({
        title: `${part}: milliseconds by the size`,
        series: users.map(manyUsers),
        axes: 'milliseconds, by the part of all rows',
        xLabels: rows[0].curve.points.map(({ size }) => [size, fraction(size)]),
        plots: rows.map(({ curve }) => ({
          name: curve.name,
          curves: users.map((count) => curve.points.map((point) => [point.size, point.users[count].ms])),
        })),
      });
      return { part, file: `${name}-${part}.svg`, text };
    });

/** Blocks at several sizes that are the same for a reader: a few levels of indexes. */
const FLAT = 1.35;
const FLAT_BLOCKS = 10;

/** What a curve does, in words. @param {{size: number, blocks: number}[]} points the smallest size first */
export const shapeOf = (points) => {
  const blocks = points.map((point) => point.blocks);
  const [least, most] = [Math.min(...blocks), Math.max(...blocks)];
  if (most <= Math.max(least * FLAT, least + FLAT_BLOCKS)) return 'Flat.';
  const [first, last] = [points[0], points.at(-1)];
  if (most > Math.max(first.blocks, last.blocks) * FLAT) return 'Most blocks in between.';
  if (last.blocks < first.blocks) return 'Fewer blocks with more rows.';
  return `${rounded(last.blocks / first.blocks)} times the blocks for ${rounded(last.size / first.size)} times the rows.`;
};

/** Curves as a table: one line each, with the figures from the smallest size to the largest one. */
const ofCurves = (rows) => {
  const [{ curve }] = rows;
  const users = Object.keys(curve.points[0].users);
  const sizes = curve.points.map(({ size }) => fraction(size)).join(', ');
  const marked = (list, isMissed) => list.map((value) => rounded(value)).join(', ') + (isMissed ? ': **MISSED**' : '');
  const lines = rows.map(({ curve: { name, points, missed, why } }) => [
    name,
    marked(
      points.map(({ blocks }) => blocks),
      missed.includes('blocks') || missed.includes('fewer rows'),
    ),
    ...users.map((count) =>
      marked(
        points.map((point) => point.users[count].ms),
        (count === '1' && missed.includes('time')) || (count === '10' && missed.includes('locks')),
      ),
    ),
    marked(
      [...users.slice(1).map((count) => points.at(-1).users[count]), points.at(-1).turns]
        .filter(Boolean)
        .map(({ perSecond }) => perSecond),
      missed.includes('users'),
    ),
    `${shapeOf(points)} ${why}`,
  ]);
  const head = [
    'what',
    `blocks at ${sizes}`,
    ...users.map((count) => `ms, ${manyUsers(count)}`),
    `calls/s of ${users.slice(1).join(' and ')} users at ${fraction(curve.points.at(-1).size)}, and of 10 in turns`,
    'why it bends',
  ];
  return table(
    head,
    lines.map((cells) => cells.map(grouped)),
  );
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
  if (name === 'limits')
    return table(
      ['part', 'what', 'reached', 'measured'],
      limits(resultsOf).map((row) => row.map(grouped)),
    );
  const results = resultsOf(name);
  if (name === 'steps')
    return parts.flatMap((part) => {
      const { measured: how, head, rows } = results[part];
      return [`${how}:`, '', ...table(head, rows), ''];
    });
  if (parts.length === 0) {
    const sizes = Object.fromEntries(SIZES[name].map((size) => [size, results[size]]));
    return [measured(results, sizes), '', ...(TABLES[name]?.(results) ?? ofRows(results.rows))];
  }
  return parts.flatMap((part) => {
    // A part that was not measured yet.
    if (!results[part]) return [];
    const { facts, sizes, rows } = results[part];
    const head = [`\`${part}\`: ${measured(facts, sizes)}`, ''];
    if (!areCurves(rows)) return [...head, ...ofRows(rows), ''];
    const images = plotsOf(name, { [part]: results[part] }).map(({ file }) => `![${part}](plots/${file})`);
    return [...head, ...images, '', ...ofCurves(rows), ''];
  });
};

/** A text with the figures of bench/results/ between its marks. */
export const withFigures = (text) =>
  text.replace(MARKED, (_, begin, mark, end) => `${begin}\n${figures(mark).join('\n').trimEnd()}\n\n${end}`);

/**
 * Keeps the results of a benchmark: in bench/results/, and in the documents.
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
  for (const { file: image, text } of plotsOf(name, results)) {
    mkdirSync(PLOTS, { recursive: true });
    writeFileSync(join(PLOTS, image), text);
  }
  for (const document of DOCUMENTS) writeFileSync(document, withFigures(readFileSync(document, 'utf8')));
  say(`written: ${file}.md, ${file}.json, ${DOCUMENTS.join(', ')}`);
};
