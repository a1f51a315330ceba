// A benchmark that consists of parts, each on a system of its own: its flags, its table, its results. Plans are kept beside the figures.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { interruptible } from '../dev/interrupt.js';
import { root } from '../dev/paths.js';
import { SetupError } from '../dev/setup.js';
import { settle, verdict } from './aims.js';
import { keep } from './document.js';
import { machine, packageVersion } from './machine.js';
import { withBenchmarkSystem } from './system.js';

const say = (line) => console.error(`[bench] ${line}`);

/** The part and the sizes that the flags name. */
const parsed = (parts, defaults, flags) => {
  const sizes = Object.fromEntries(Object.keys(defaults).map((name) => [name, { type: 'string' }]));
  try {
    const { values } = parseArgs({ args: flags, options: { ...sizes, part: { type: 'string' } } });
    const { part, ...texts } = values;
    if (part !== undefined && !Object.hasOwn(parts, part)) throw new Error(`There is no part ${part}.`);
    const chosen = Object.fromEntries(Object.entries(texts).map(([name, text]) => [name, Number(text)]));
    for (const [name, size] of Object.entries(chosen))
      if (!(size > 0)) throw new Error(`--${name} is a number above 0.`);
    return { part, chosen };
  } catch (error) {
    const shown = Object.keys(defaults).map((name) => `--${name} <number>`);
    throw new SetupError(
      `${error.message}\nFlags: ${[`--part ${Object.keys(parts).join('|')}`, ...shown].join(', ')}.`,
    );
  }
};

/** One part's figures, with the machine and the time of its run. */
const sectionOf = (name, { facts, sizes, rows }) => {
  const list = Object.entries({ ...facts, ...sizes }).map(([key, value]) => `- ${key.replaceAll('_', ' ')}: ${value}`);
  const table = rows.map(
    ({ name: what, aim, reached, met, rival }) =>
      `| ${what} | ${aim} | ${reached} | ${verdict(met)} | ${rival ?? ''} |`,
  );
  const plans = rows
    .filter(({ plan }) => plan)
    .map(({ name: what, plan }) => `### ${what}\n\n\`\`\`\n${plan}\n\`\`\`\n`);
  const head = ['| what | must reach | reached | aim | rival |', '|---|---|---|---|---|'];
  return [`## ${name}`, '', ...list, '', ...head, ...table, '', ...plans].join('\n');
};

/**
 * Puts the figures of the parts that ran beside those of the other parts, which stay as they are.
 * @param {string} name of the benchmark
 * @param {Record<string, {facts: object, sizes: object, rows: object[]}>} measured by part
 * @param {string[]} order of the parts
 */
const keepParts = (name, measured, order) => {
  const file = join(root, 'bench', 'results', `${name}.json`);
  const known = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const all = { ...known, ...measured };
  const kept = Object.fromEntries(order.filter((part) => all[part]).map((part) => [part, all[part]]));
  const title = `# ${name[0].toUpperCase()}${name.slice(1)}`;
  const sections = Object.entries(kept).map(([part, figures]) => sectionOf(part, figures));
  keep(name, `${[title, ...sections].join('\n\n').trimEnd()}\n`, kept, say);
};

/**
 * A benchmark's `run`, which takes the flags of the command line: `--part`, and a flag for each size. Parts that ran at their own sizes
 * replace their figures in bench/results/<name>.md and .json.
 * @param {string} name of the benchmark
 * @param {Record<string, {SIZES: Record<string, number>, only?: string, accounts?: boolean, cacheTokens?: boolean, measure: Function}>} parts SIZES: flags and their
 * defaults; only, accounts, cacheTokens: as startStack takes them; measure() returns the rows of the table
 * @param {string[]} order of the parts in the results; of those that are not among `parts`, earlier figures stay
 */
export const benchmarkOfParts = (name, parts, order = Object.keys(parts)) => {
  const defaults = Object.assign({}, ...Object.values(parts).map(({ SIZES }) => SIZES));
  return (flags) => {
    if (Object.keys(parts).length === 0) throw new SetupError('SYSTEMS leaves nothing that could be measured.');
    const { part, chosen } = parsed(parts, defaults, flags);
    return interruptible(async (stopping) => {
      const measured = {};
      let isWhole = true;
      for (const [each, { SIZES, only, accounts, cacheTokens, measure }] of Object.entries(parts)) {
        if (part !== undefined && each !== part) continue;
        say(`part ${each}`);
        const options = { ...defaults, ...SIZES, ...chosen };
        const rows = await withBenchmarkSystem({ stopping, only, accounts, cacheTokens, say }, (system) =>
          measure({ ...system, stopping, options, say }),
        );
        const sizes = Object.fromEntries(Object.keys(SIZES).map((size) => [size, options[size]]));
        isWhole &&= Object.entries(SIZES).every(([size, usual]) => options[size] === usual);
        measured[each] = { facts: { ...machine(), workerd: packageVersion('workerd') }, sizes, rows };
        console.log(sectionOf(each, measured[each]).split('\n### ')[0]);
      }
      settle(Object.values(measured).flatMap(({ rows }) => rows));
      if (isWhole) keepParts(name, measured, order);
      else say('sizes were chosen: bench/results/ is left as it is');
    });
  };
};
