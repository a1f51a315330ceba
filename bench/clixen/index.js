// npm run bench -- clixen: what clixen's speeds must be.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root } from '../../dev/paths.js';
import { SetupError } from '../../dev/setup.js';
import { interruptible } from '../interrupt.js';
import { machine, packageVersion } from '../machine.js';
import { withStack } from '../stack.js';
import { validations } from './validate.js';

const say = (line) => console.error(`[bench] ${line}`);

/** What the figures are about. */
const SIZES = { validations: 2000 };

const parsed = (flags) => {
  const string = (value) => ({ type: 'string', default: `${value}` });
  try {
    const options = Object.fromEntries(Object.entries(SIZES).map(([name, size]) => [name, string(size)]));
    const { values } = parseArgs({ args: flags, options });
    return Object.fromEntries(Object.entries(values).map(([name, text]) => [name, Number(text)]));
  } catch (error) {
    throw new SetupError(`${error.message}\nFlags: --validations 2000.`);
  }
};

const at = (values, part) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))];
const rounded = (ms) => Number(ms.toPrecision(3));

const measured = async ({ stack, stopping, options }) => {
  const { signal } = stopping;
  const rows = [];
  const add = (row) => {
    rows.push(row);
    say(`${row.name}: ${row.reached} (${row.aim})`);
  };
  const key = stack.keys.publishable_key;
  const asked = { url: stack.edgeUrl, key, part: stack.edge.part, times: options.validations, signal };
  const { bytes, judged, parsed, refused } = await validations(asked);
  signal.throwIfAborted();
  const median = ({ times }) => at(times, 0.5);
  add({
    name: `validating a workflow of 200 nodes, ${Math.round(bytes / 1024)} KB`,
    aim: 'under 5 ms',
    reached:
      `${rounded(judged.cpu - refused.cpu)} ms of CPU, of which ${rounded(parsed.cpu - refused.cpu)} ms to parse it and ` +
      `${rounded(judged.cpu - parsed.cpu)} ms to judge it and to write and send \`fixed\`; the whole request ${rounded(median(judged))} ms ` +
      `(p99 ${rounded(at(judged.times, 0.99))} ms), the same bytes read and refused ${rounded(median(refused))} ms`,
  });
  return { rows };
};

const markdown = ({ facts, options, rows }) => {
  const list = Object.entries({ ...facts, ...options }).map(
    ([name, value]) => `- ${name.replaceAll('_', ' ')}: ${value}`,
  );
  const table = rows.map(({ name, aim, reached }) => `| ${name} | ${aim} | ${reached} |`);
  return `${['# Clixen', '', ...list, '', '| what | must reach | reached |', '|---|---|---|', ...table].join('\n')}\n`;
};

/**
 * Runs the benchmark.
 * @param {string[]} flags of the command line
 */
export const run = async (flags) => {
  const options = parsed(flags);
  await interruptible(async (stopping) => {
    const { rows } = await withStack({ stopping, say }, (parts) => measured({ ...parts, stopping, options }));
    const facts = { ...machine(), workerd: packageVersion('workerd') };
    const text = markdown({ facts, options, rows });
    console.log(text);
    if (Object.keys(SIZES).some((size) => options[size] !== SIZES[size])) {
      say('sizes were chosen: bench/results/ is left as it is');
      return;
    }
    const name = join(root, 'bench', 'results', 'clixen');
    writeFileSync(`${name}.md`, text);
    writeFileSync(`${name}.json`, `${JSON.stringify({ ...facts, ...options, rows }, null, 2)}\n`);
    say(`written: ${name}.md, ${name}.json`);
  });
};
