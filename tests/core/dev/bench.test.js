// What the benchmarks say of an aim that they miss.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { verdict } from '../../../bench/aims.js';
import { DOCUMENTS, PLOTS, plotsOf, shapeOf, withFigures } from '../../../bench/document.js';
import { attacks } from '../../../bench/fairness/attacks/index.js';
import { run as fairness } from '../../../bench/fairness/index.js';
import { KNOWN } from '../../../bench/fairness/known.js';
import { plots } from '../../../bench/plot.js';
import { growthRow } from '../../../bench/scale/aims.js';
import { callsOf, isCall } from '../../../bench/scale/endpoints.js';
import { CORE, listsOf } from '../../../bench/scale/lists.js';
import { root } from '../../../dev/paths.js';
import { SetupError } from '../../../dev/setup.js';
import { productSystems } from '../../../dev/systems.js';

const settled = (rows) => {
  const script = `import { settle } from ${JSON.stringify(join(root, 'bench', 'aims.js'))}; settle(${JSON.stringify(rows)});`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
};

test('a benchmark that misses an aim ends with status 1 and names it', () => {
  assert.equal(settled([{ name: 'fast', met: true }]).status, 0);
  const { status, stderr } = settled([
    { name: 'fast', met: true },
    { name: 'slow', met: false },
    { name: 'never judged' },
  ]);
  assert.equal(status, 1);
  assert.match(stderr, /MISSED: slow/);
  assert.match(stderr, /MISSED: never judged/);
  assert.deepEqual([verdict(true), verdict(false), verdict(undefined)], ['reached', 'MISSED', 'MISSED']);
});

test('every benchmark has its aims judged', () => {
  const benchmarks = readdirSync(join(root, 'bench'), { withFileTypes: true }).filter(
    (entry) => entry.isDirectory() && entry.name !== 'results',
  );
  assert.ok(benchmarks.length >= 3);
  for (const { name } of benchmarks) {
    const files = readdirSync(join(root, 'bench', name)).filter((file) => file.endsWith('.js'));
    const own = files.map((file) => readFileSync(join(root, 'bench', name, file), 'utf8')).join('\n');
    // Those of parts are run, judged and written by one file.
    const isOfParts = own.includes('export const run = benchmarkOfParts(');
    const source = isOfParts ? readFileSync(join(root, 'bench', 'parts.js'), 'utf8') : own;
    assert.match(source, /settle\(|process\.exitCode = 1/, `${name}: bench/aims.js ends it with status 1`);
    assert.match(source, /MISSED|verdict\(/, `${name}: its table says MISSED`);
  }
});

test('the tables of docs/performance.md are the results of the benchmarks', () => {
  const text = readFileSync(join(root, 'docs', 'performance.md'), 'utf8');
  assert.equal(text, withFigures(text), 'a benchmark writes them: `npm run bench -- <name>`');
  const shown = new Set([...text.matchAll(/<!-- figures: (\w+)/g)].map(([, name]) => name));
  const kept = readdirSync(join(root, 'bench', 'results')).filter((file) => file.endsWith('.json'));
  assert.deepEqual([...shown].sort(), kept.map((file) => file.replace('.json', '')).sort(), 'every benchmark is shown');
  const changed = text.replace(/(\| one row, fresh ES256, 16 \| )\d+/, '$11');
  assert.notEqual(changed, text);
  assert.equal(withFigures(changed), text, 'a figure that differs is found');
  assert.ok(DOCUMENTS.length > 1);
  for (const document of DOCUMENTS) {
    const other = readFileSync(document, 'utf8');
    assert.match(other, /<!-- figures: /, document);
    assert.equal(other, withFigures(other), `${document}: a benchmark writes it`);
  }
});

/** What may stand in the prose: limits and settings that are constants of the code, and aims. */
const CONSTANTS = [
  'is limited to 600 KB gzipped',
  'each way takes 5 ms.',
  "wal_receiver_timeout = '5s'",
  'and 5 ms each way',
  'takes over 1 ms more than with fresh statistics',
  'at most 1.5 times the blocks',
  'or 50 blocks and 0.3 ms more.',
  'shows it every 15 ms.',
  'at most 1.35 times the smallest',
];

/** Figures with a unit in a text, beside what is made of the results, command lines and the constants. */
const figuresInProse = (text, constants) => {
  const made = text.replaceAll(/<!-- figures: [\s\S]*?<!-- end -->/g, '').replaceAll(/^ {4}.*$/gm, '');
  const prose = constants.reduce((left, constant) => left.replace(constant, ''), made.replaceAll(/\s+/g, ' '));
  return [...prose.matchAll(/\d[\d.,]*\s?(?:ms|µs|s|%|times|[KMG]B|\/s|a second|minutes)(?!\w)/g)].map(
    ([figure]) => figure,
  );
};

test('the prose of the documents of figures has none of its own', () => {
  const texts = DOCUMENTS.map((document) => readFileSync(document, 'utf8'));
  const all = texts.join('\n');
  assert.deepEqual(figuresInProse(all, CONSTANTS), []);
  for (const constant of CONSTANTS) assert.ok(figuresInProse(constant, []).length > 0, constant);
  for (const constant of CONSTANTS)
    assert.ok(
      figuresInProse(
        all,
        CONSTANTS.filter((other) => other !== constant),
      ).length > 0,
      `${constant}: not there`,
    );
  const planted = ['It takes 0.4 ms.', 'It is 3.8 times as long.', '12,000/s', '7 MB a minute', '12 % less'];
  for (const figure of planted)
    assert.equal(
      figuresInProse(`${all}\n${figure}`, CONSTANTS).length,
      1,
      `${figure}: a figure that is added is found`,
    );
});

const scaleResults = () => JSON.parse(readFileSync(join(root, 'bench', 'results', 'scale.json'), 'utf8'));

/** The names of all statements that the lists of a system have. */
const statementsOf = async (name, list) => {
  const { endpoints, writes = () => ({}), functions = () => ({}), steps = () => ({}) } = await callsOf(name);
  const namesOf = (entries) =>
    Object.entries(entries)
      .filter(([, entry]) => isCall(entry))
      .map(([call]) => call);
  const ofSteps = namesOf(steps()).map((call) => `${call}, by the edge`);
  const ofFunctions = namesOf(functions()).map((call) => `${call}, by the data API`);
  const reads = list.reads({ size: 1 });
  const all = [
    ...reads.map((read) => read.name),
    ...Object.keys(writes()),
    ...ofFunctions,
    ...ofSteps,
    ...namesOf(endpoints({ size: 1 })),
  ];
  return {
    all: all.sort(),
    secured: reads
      .filter(({ bare }) => bare)
      .map((read) => read.name)
      .sort(),
  };
};

test('the recorded figures of growth in cost are those of all statements of the lists, and of nothing else', async () => {
  const results = scaleResults();
  const namesOf = (part, kind) =>
    results[part].rows
      .filter(({ name }) => name.endsWith(`: ${kind}`))
      .map(({ name }) => name.slice(0, -kind.length - 2))
      .filter((name) => !name.startsWith('one row of the user’s own'))
      .sort();
  for (const [name, list] of await listsOf([...productSystems(), { name: CORE }])) {
    const { all, secured } = await statementsOf(name, list);
    assert.deepEqual(namesOf(`curves-${name}`, 'growth'), all, `npm run bench -- scale --part curves-${name}`);
    assert.deepEqual(namesOf(name, 'statistics'), all, `npm run bench -- scale --part ${name}`);
    assert.deepEqual(namesOf(name, 'row-level security'), secured, name);
  }
});

/** Half a unit of the last of a figure's three digits. */
const halfOfLast = (figure) => 10 ** (Math.floor(Math.log10(figure)) - 2) / 2;

/**
 * A point as it may have been before its figures were rounded, where they are best for the aim: a run is judged before that, and
 * 7190 of 10,300 may have been 0.7 of them.
 */
const unrounded = ({ users, ...point }) => {
  const [ten, hundred] = [users[10].perSecond, users[100].perSecond];
  return {
    ...point,
    users: {
      ...users,
      10: { ...users[10], perSecond: ten - halfOfLast(ten) },
      100: { ...users[100], perSecond: hundred + halfOfLast(hundred) },
    },
  };
};

test('every curve is judged by the aims of now', () => {
  const curves = Object.values(scaleResults()).flatMap(({ rows }) => rows.filter(({ curve }) => curve));
  assert.ok(curves.length > 200);
  for (const { met, aim, curve } of curves) {
    const said = [curve.points, curve.points.map(unrounded)].map((points) => {
      const judged = growthRow(curve.name, points, curve);
      return JSON.stringify([judged.met, judged.aim, judged.curve.missed]);
    });
    assert.ok(said.includes(JSON.stringify([met, aim, curve.missed])), curve.name);
  }
});

test('what a curve does is said by its blocks', () => {
  const shape = (...blocks) => shapeOf(blocks.map((each, n) => ({ size: 10 ** (n - 2), blocks: each })));
  assert.equal(shape(10, 20, 20), 'Flat.');
  assert.equal(shape(100, 120, 135), 'Flat.');
  assert.equal(shape(100, 120, 136), '1.36 times the blocks for 100 times the rows.');
  assert.equal(shape(804, 163, 164), 'Fewer blocks with more rows.');
  assert.equal(shape(344, 1136, 409), 'Most blocks in between.');
});

test('every abusive caller names the answers that it is to get', () => {
  const all = attacks({ token: 'a.b.c' });
  assert.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const { name, statuses } of all) assert.ok(statuses.length > 0, name);
});

/** What the titles of tests of abusive callers say. */
const ABUSE =
  /hangs? up|hung up|hang-up|guess|flood|forged|endless|byte by byte|in turns|thousand times|again and again|one caller|(one|a) user has|does? not read|(reads|takes) nothing|fill the (isolate|memory)|at most a share/i;

/** The titles of the tests of a file, as they are written there. */
const titlesOf = (file) =>
  [...readFileSync(file, 'utf8').matchAll(/\btest\(\s*(['"`])((?:\\.|(?!\1).)*)\1/gs)].map(([, , title]) => title);

test('every test of an abusive caller has its attack in the benchmark of fairness, or a reason why there is none', () => {
  const names = new Set(attacks({ token: 'a.b.c' }).map(({ name }) => name.replace(/, \d+ at once/, '')));
  const folder = join(root, 'tests');
  for (const [file, known] of Object.entries(KNOWN)) {
    const titles = new Set(titlesOf(join(folder, file)));
    for (const [title, attacked] of Object.entries(known)) {
      assert.ok(titles.has(title), `${file}: no test “${title}”`);
      if (!Array.isArray(attacked)) continue;
      assert.ok(attacked.length > 0, title);
      for (const name of attacked) assert.ok(names.has(name), `${title}: no attack “${name}”`);
    }
  }
  const stories = readdirSync(folder, { recursive: true }).filter((file) => /e2e\/[^/]*\.test\.js$/.test(file));
  assert.ok(stories.length > 50);
  const missing = stories.flatMap((file) =>
    titlesOf(join(folder, file))
      .filter((title) => ABUSE.test(title) && !Object.hasOwn(KNOWN[file] ?? {}, title))
      .map((title) => `${file}: ${title}`),
  );
  assert.deepEqual(missing, [], 'bench/fairness/known.js names them');
});

test('the benchmark of fairness measures nothing if it does not know an attack that it is to measure', async () => {
  for (const only of ['no such caller', 'leads of one address,no such caller', 'leads of one address,'])
    await assert.rejects(fairness(['--only', only]), (error) => {
      assert.ok(error instanceof SetupError);
      assert.match(error.message, /no attack has this in its name: “(no such caller)?”/);
      return true;
    });
});

test('the plots are those of the results, and each is shown', () => {
  const text = readFileSync(join(root, 'docs', 'performance.md'), 'utf8');
  const results = JSON.parse(readFileSync(join(root, 'bench', 'results', 'scale.json'), 'utf8'));
  const made = plotsOf('scale', results);
  assert.deepEqual(existsSync(PLOTS) ? readdirSync(PLOTS).sort() : [], made.map(({ file }) => file).sort());
  for (const { file, text: svg } of made) {
    assert.equal(readFileSync(join(PLOTS, file), 'utf8'), svg, `${file}: a benchmark writes it`);
    assert.match(text, new RegExp(`\\(plots/${file}\\)`));
  }
});

test('a plot shows every curve, on the same axes, and escapes its names', () => {
  const made = {
    title: 'a & b',
    series: ['1 user', '10 users'],
    axes: 'milliseconds',
    xLabels: [
      [0.01, '1/100'],
      [1, '1'],
    ],
    plots: [
      {
        name: 'one <b>',
        curves: [
          [
            [0.01, 0.1],
            [1, 10],
          ],
          [
            [0.01, 1],
            [1, 10],
          ],
        ],
      },
      {
        name: 'two',
        curves: [
          [
            [0.01, 10],
            [1, 10],
          ],
          [
            [0.01, 0.1],
            [1, 0.1],
          ],
        ],
      },
    ],
  };
  const svg = plots(made);
  assert.equal(plots(made), svg);
  const lines = [...svg.matchAll(/<polyline points="([^"]+)"/g)].map(([, points]) =>
    points.split(' ').map((point) => point.split(',').map(Number)),
  );
  assert.equal(lines.length, 4);
  const [first, second, third, fourth] = lines;
  assert.ok(first[0][0] < first[1][0] && first[0][1] > first[1][1], 'more is further right, and longer is higher');
  assert.deepEqual(first[1], second[1]);
  assert.equal(third[0][1], first[1][1], 'the second plot has the axes of the first');
  assert.equal(fourth[0][1], first[0][1]);
  assert.match(svg, /<title>a &amp; b<\/title>/);
  assert.match(svg, />one &lt;b&gt;</);
  for (const [, label] of made.xLabels) assert.match(svg, new RegExp(`>${label}<`));
});
