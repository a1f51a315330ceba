// npm run bench -- clixen: what clixen's speeds must be. Plans are kept beside the figures.
import { parseArgs } from 'node:util';
import { interruptible } from '../../dev/interrupt.js';
import { SetupError } from '../../dev/setup.js';
import { settle, verdict } from '../aims.js';
import { keep } from '../document.js';
import { machine, packageVersion } from '../machine.js';
import { withBenchmarkSystem } from '../system.js';
import { database } from './database.js';
import { validation } from './validate.js';

const say = (line) => console.error(`[bench] ${line}`);

/** What the figures are about: rows of all users together, requests. */
const SIZES = { workflows: 1_000_000, messages: 1_000_000, validations: 2000 };

const parsed = (flags) => {
  const options = Object.fromEntries(
    Object.entries(SIZES).map(([name, size]) => [name, { type: 'string', default: `${size}` }]),
  );
  try {
    const { values } = parseArgs({ args: flags, options });
    return Object.fromEntries(Object.entries(values).map(([name, text]) => [name, Number(text)]));
  } catch (error) {
    throw new SetupError(
      `${error.message}\nFlags: --workflows 1000000 --messages 1000000, each at least 300000; --validations 2000.`,
    );
  }
};

const markdown = ({ facts, options, rows }) => {
  const list = Object.entries({ ...facts, ...options }).map(
    ([name, value]) => `- ${name.replaceAll('_', ' ')}: ${value}`,
  );
  const table = rows.map(
    ({ name, aim, reached, met, rival }) => `| ${name} | ${aim} | ${reached} | ${verdict(met)} | ${rival ?? ''} |`,
  );
  const plans = rows.filter(({ plan }) => plan).map(({ name, plan }) => `## ${name}\n\n\`\`\`\n${plan}\n\`\`\``);
  return `${['# Clixen', '', ...list, '', '| what | must reach | reached | aim | rival |', '|---|---|---|---|---|', ...table, '', ...plans].join('\n')}\n`;
};

/**
 * Runs the benchmark.
 * @param {string[]} flags of the command line
 */
export const run = async (flags) => {
  const options = parsed(flags);
  await interruptible(async (stopping) => {
    const measured = (only, body) =>
      withBenchmarkSystem({ stopping, only, say }, (parts) => body({ ...parts, stopping, options, say }));
    const rows = [...(await measured(undefined, validation)), ...(await measured('migrated database', database))];
    const facts = { ...machine(), workerd: packageVersion('workerd') };
    const text = markdown({ facts, options, rows });
    console.log(text.split('\n## ')[0]);
    settle(rows);
    if (Object.keys(SIZES).some((size) => options[size] !== SIZES[size])) {
      say('sizes were chosen: bench/results/ is left as it is');
      return;
    }
    keep('clixen', text, { ...facts, ...options, rows }, say);
  });
};
