// The documents hold together: links and anchors lead somewhere, paths and commands exist, and the pages list what the
// code has. They need not list what somebody's own systems have. Needs no running system: `node --test tests/core/dev/docs.test.js` is enough.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { parse } from 'smol-toml';
import { root } from '../../../dev/paths.js';
import { allSystems, CORE_JOBS, crons, jobs, productSystems } from '../../../dev/systems.js';

const read = (path) => readFileSync(join(root, path), 'utf8');
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\n').filter(Boolean);
/** Files of the repository, without those that are deleted but not yet committed. */
const deleted = new Set(git('ls-files', '--deleted'));
const files = git('ls-files', '--cached', '--others', '--exclude-standard').filter((file) => !deleted.has(file));
const folders = new Set(files.flatMap((file) => file.split('/').map((_, n, parts) => parts.slice(0, n).join('/'))));
/** All documents but the changelog, which names what was there at the time; results of benchmarks are made. */
const documents = files.filter(
  (file) => file.endsWith('.md') && file !== 'CHANGELOG.md' && !file.startsWith('bench/results/'),
);

/** A document without its blocks of code. */
const prose = (text) => text.replaceAll(/^```.*?^```$/gms, '').replaceAll(/^ {4}.*$/gm, '');

/** The anchors of a document, as GitHub makes them of its headings. */
const anchors = (text) => {
  const seen = new Map();
  return [...prose(text).matchAll(/^#{1,6} (.*)$/gm)].map(([, heading]) => {
    const slug = heading
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-');
    const times = seen.get(slug) ?? 0;
    seen.set(slug, times + 1);
    return times === 0 ? slug : `${slug}-${times}`;
  });
};

/** Faults of a document's links; `at` is its path. */
const brokenLinks = (text, at, documentOf = read) =>
  [
    ...prose(text)
      .replaceAll(/`[^`\n]*`/g, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .filter((target) => {
      const [path, anchor] = target.split('#');
      const file = path ? normalize(join(dirname(at), path)) : at;
      if (path && !files.includes(file) && !folders.has(file.replace(/\/$/, ''))) return true;
      return anchor !== undefined && !anchors(file === at ? text : documentOf(file)).includes(anchor);
    });

test('every relative link and anchor leads somewhere', () => {
  assert.deepEqual(
    documents.flatMap((at) => brokenLinks(read(at), at).map((target) => `${at}: ${target}`)),
    [],
  );
  const text =
    '# A `b` (c)\n\n[1](#a-b-c) [2](#nothing) [3](nothing.md) [4](README.md) [5](README.md#nothing) [6](https://x.invalid/)';
  assert.deepEqual(brokenLinks(text, 'x.md'), ['#nothing', 'nothing.md', 'README.md#nothing']);
});

/** Pages that a manifest names and that do not exist, or that no other document links. */
const lostPages = ({ name, docs = [] }) =>
  docs
    .filter(
      (page) =>
        !documents.includes(page) ||
        !documents.some(
          (at) =>
            at !== page &&
            [...read(at).matchAll(/\]\(([^)#\s]+)/g)].some(
              ([, target]) => normalize(join(dirname(at), target)) === page,
            ),
        ),
    )
    .map((page) => `systems/${name}.toml: ${page}`);

test('the pages of each system exist, and another document links them', () => {
  assert.deepEqual(allSystems().flatMap(lostPages), []);
  assert.deepEqual(lostPages({ name: 'x', docs: ['docs/nothing.md'] }), ['systems/x.toml: docs/nothing.md']);
});

/** Folders of the repository in which the documents name files. */
const TOP = new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]));
/** What commands make, and what belongs to other programs. */
const MADE = [/^build\b/, /^fuzz\/(artifacts|corpus)\b/, /^dev\/(null|shm)\b/, /^docs\/proof\.html$/];

/** Paths of the repository that a text names and that do not exist. A path may end in a placeholder: `src/systems/<name>/`. */
const missingPaths = (text) =>
  [...text.matchAll(/(?<![\w./:@<>-])(\.ci|[a-z]+)\/[\w./-]*/g)]
    .map(([path, top]) => [path.replace(/\.$/, '').replace(/\.\.\.?$/, ''), top])
    .filter(([path, top]) => TOP.has(top) && !MADE.some((made) => made.test(path)))
    .map(([path]) => path)
    .filter((path) => {
      const folder = path.replace(/\/$/, '');
      return !files.includes(path) && !folders.has(folder);
    });

/** Files that the documents name by their own name alone and that are no files of the repository. */
const OTHERS = new Set([
  'jwks.json',
  'dev.json',
  'run.json',
  'postgrest-jwks.json',
  'postgrest.conf',
  'rowgate.service',
  'thanks.html',
  'leads.csv',
  'export.json',
  'RRNN_subject.sql',
]);

/** File names in backticks that are not the end of a path of the repository. */
const missingFiles = (text) =>
  [...text.matchAll(/`([\w./{}-]*\.(?:rs|js|sql|json|toml|capnp|html|css|md|lua))`/g)]
    .map(([, name]) => name)
    .filter((name) => !OTHERS.has(name.split('/').at(-1)) && !MADE.some((made) => made.test(name)))
    .filter((name) => !files.some((file) => file === name || file.endsWith(`/${name}`)));

/** Paths that docs/your-own.md makes: a file that stands there, or one of the example, which is copied into the project. */
const isMade = (at, path) =>
  at === 'docs/your-own.md' &&
  (read(at).includes(`\n\`${path}\`:\n`) ||
    [...files, ...folders].includes(`examples/notes/${path.replace(/\/$/, '')}`));

test('every path of the repository that the documents name exists', () => {
  const own = documents.filter((file) => file !== 'docs/proof.md');
  assert.deepEqual(
    own.flatMap((at) =>
      [...missingPaths(read(at)), ...missingFiles(read(at))]
        .filter((path) => !isMade(at, path))
        .map((path) => `${at}: ${path}`),
    ),
    [],
  );
  const text =
    'See src/nothing.rs, `migrations/` and tests/core/ (not /v1/tests/x). `docs/README.md` https://x.invalid/src/x';
  assert.deepEqual(missingPaths(text), ['src/nothing.rs', 'docs/README.md']);
  assert.deepEqual(missingFiles('`config.rs` `nothing.rs` `package.json`'), ['nothing.rs']);
});

test('every npm command that the documents name exists', () => {
  const { scripts } = JSON.parse(read('package.json'));
  const named = (text) =>
    [...text.matchAll(/npm run (?:-s )?([a-z][a-z:]*)((?:\|[a-z:]+)*)/g)].flatMap(([, first, more]) => {
      // `npm run db:migrate|status` names db:migrate and db:status.
      const prefix = first.includes(':') ? `${first.split(':')[0]}:` : '';
      return [
        first,
        ...more
          .split('|')
          .filter(Boolean)
          .map((name) => (name.includes(':') ? name : prefix + name)),
      ];
    });
  const unknown = (text) => named(text).filter((name) => !scripts[name]);
  assert.deepEqual(
    documents.flatMap((at) => unknown(read(at)).map((name) => `${at}: npm run ${name}`)),
    [],
  );
  assert.deepEqual(unknown('npm run dev, npm run db:migrate|nothing, npm run -s token, npm run other'), [
    'db:nothing',
    'other',
  ]);
  const documented = new Set(documents.flatMap((at) => named(read(at))));
  const { test: _, ...others } = scripts;
  assert.deepEqual(
    Object.keys(others).filter((name) => !documented.has(name)),
    [],
    'and each that exists is named somewhere',
  );
});

test('every error code that the documents name is in errors.md, or in the manifest of the example', () => {
  const listed = new Set([...read('docs/errors.md').matchAll(/^\| (RG\d{3})\b/gm)].map(([, code]) => code));
  assert.ok(listed.size > 80);
  const example = files.filter((file) => file.startsWith('examples/') && file.endsWith('.toml'));
  for (const file of example) for (const [, code] of read(file).matchAll(/^code = "(RG\d{3})"/gm)) listed.add(code);
  const unknown = documents.flatMap((at) =>
    [...read(at).matchAll(/\bRG\d{3}\b/g)].filter(([code]) => !listed.has(code)).map(([code]) => `${at}: ${code}`),
  );
  assert.deepEqual(unknown, []);
});

const configuration = read('docs/configuration.md');
/** The part of configuration.md under a heading of the second level. */
const section = (name) => {
  const [, rest] = configuration.split(`\n## ${name}\n`);
  assert.ok(rest, `configuration.md has "${name}"`);
  return rest.split('\n## ')[0];
};
const rows = (text) =>
  [...text.matchAll(/^\| (.*) \|$/gm)]
    .map(([, cells]) => cells.split(/\s*\|\s*/))
    .filter(([first]) => first.startsWith('`'));
const names = (cell) => [...cell.matchAll(/`([\w-]+)`/g)].map(([, name]) => name);

test('configuration.md lists each variable that the edge reads, and no other', () => {
  const [code] = read('src/config.rs').split('#[cfg(test)]');
  const variables = [...code.matchAll(/\b(?:optional|required|list)\(\s*"([A-Z][A-Z0-9_]*)"/g)].map(([, name]) => name);
  assert.ok(variables.length > 10);
  variables.push(...productSystems().flatMap((system) => system.variables.map(({ name }) => name)));
  assert.ok(code.includes('format!("KEK_{version}")'), 'sealing keys are numbered');
  const documented = rows(section('Variables')).flatMap(([name]) => names(name));
  assert.deepEqual(documented.sort(), [...new Set([...variables, 'KEK_1', 'KEK_2'])].sort());
  const required = rows(section('Variables'))
    .filter(([, needed]) => needed.startsWith('yes'))
    .flatMap(([name]) => names(name));
  assert.deepEqual(
    required.sort(),
    [...new Set([...code.matchAll(/\brequired\(\s*"([A-Z_]+)"/g)].map(([, name]) => name))].sort(),
  );
  const bindings = [...read('src/platform/mod.rs').matchAll(/const [A-Z_]+: &str = "([A-Z][A-Z_]+)";/g)].map(
    ([, name]) => name,
  );
  assert.deepEqual(
    rows(section('Bindings')).flatMap(([name]) => names(name)),
    bindings,
  );
});

test('configuration.md lists each limit, with its default and its bound', () => {
  const code = read('src/config.rs');
  const [, defaults] = /impl Default for Limits \{.*?Self \{\n(.*?)\n {8}\}/s.exec(code);
  const product = (text) =>
    text
      .replaceAll('_', '')
      .split('*')
      .map(Number)
      .reduce((a, b) => a * b);
  const [, times] = /let times = \[(.*?)\]/s.exec(code);
  const [, longest] = /times\.iter\(\)\.all\(\|ms\| \(1\.\.=([\d_]+)\)/.exec(code);
  const bounds = new Map([
    ...[...code.matchAll(/\(limits\.(\w+), [01], ([\d_ *]+)\)/g)].map(([, name, most]) => [
      name,
      String(product(most)),
    ]),
    ...[...times.matchAll(/limits\.(\w+)/g)].map(([, name]) => [name, String(product(longest))]),
  ]);
  const limits = [...defaults.matchAll(/(\w+): ([\d_ *]+),/g)].map(([, name, value]) => [
    name,
    String(product(value)),
    bounds.get(name) ?? '',
  ]);
  assert.ok(limits.length > 8 && bounds.size > 8);
  assert.deepEqual(
    rows(section('Limits')).map(([name, value, most]) => [names(name)[0], value, most]),
    limits,
  );
});

test('configuration.md lists the limit of each endpoint that has one', () => {
  const core = parse(read('src/endpoints/endpoints.toml'));
  const limited = [core, ...productSystems()]
    .flatMap(({ endpoints }) => endpoints)
    .filter(({ limit }) => limit)
    .map(({ method, path, limit: { per_minute, burst = per_minute, shared = burst } }) => [
      `\`${method} ${path}\``,
      ...[per_minute, burst, shared].map(String),
    ]);
  assert.ok(limited.length > 8);
  assert.deepEqual(rows(section('Limits of endpoints')).sort(), limited.sort());
});

test('operations.md lists the variables of each system', () => {
  const [, table] = read('docs/operations.md').split('\n## What each system needs\n');
  const listed = new Map([...table.matchAll(/^\| (\w+) \| (.*) \|$/gm)].map(([, name, cells]) => [name, names(cells)]));
  for (const { name, variables, endpoints } of productSystems()) {
    const wanted = variables.map((variable) => variable.name);
    if (endpoints.some(({ seal }) => seal)) wanted.push('KEK_1');
    assert.deepEqual(
      wanted.filter((variable) => !listed.get(name)?.includes(variable)),
      [],
      name,
    );
  }
});

test('configuration.md lists each variable that the commands and tests read from the environment', () => {
  // Of the platform, of npm, of wrangler and of the tests themselves.
  const others = ['PATH', 'npm_lifecycle_event', 'WRANGLER_COMMAND', 'ROWGATE_TEST_DATA'];
  const readers = files.filter(
    (file) => /^(dev|proof|bench|tests)\/.*\.js$/.test(file) && !file.endsWith('docs.test.js'),
  );
  const used = readers.flatMap((file) => [
    ...[...read(file).matchAll(/process\.env\.(\w+)/g)].map(([, name]) => name),
    ...[...read(file).matchAll(/const \{ ([A-Z_, ]+) \} = process\.env/g)].flatMap(([, list]) => list.split(', ')),
    // Passed on by name: process.env[name].
    ...[...read(file).matchAll(/'(N8N_[A-Z_]+)'/g)].map(([, name]) => name),
  ]);
  const documented = rows(section('The local system')).flatMap(([name]) => names(name));
  assert.deepEqual(documented.sort(), [...new Set(used)].filter((name) => !others.includes(name)).sort());
});

test('architecture.md lists each endpoint', () => {
  const sources = files.filter((file) => /^src\/endpoints\/.*\.rs$/.test(file)).map(read);
  const routes = sources.flatMap((code) =>
    [...code.matchAll(/Method::([A-Z]+),\s*"(\/[^"]+)"/g)].map(([, method, path]) => ({ method, path })),
  );
  assert.ok(routes.length > 3);
  routes.push(...productSystems().flatMap((system) => system.endpoints.map(({ method, path }) => ({ method, path }))));
  assert.ok(routes.length > 20);
  const text = read('docs/architecture.md');
  // A table may write several methods before one path, and leave out what the paths of a row have in common.
  const cells = [...text.matchAll(/^\| (`.*?) \|/gm)].map(([, cell]) => cell);
  const covered = ({ method, path }) =>
    cells.some((cell) => {
      const last = `/${path.split('/').at(-1)}`;
      const first = /\/[a-z0-9]+\/[a-z0-9]+/.exec(path)?.[0] ?? path;
      return cell.includes(method) && (cell.includes(path) || (cell.includes(first) && cell.includes(`\`${last}\``)));
    });
  // The style sheet and the other spelling of the list belong to the pages.
  const pages = ['/forms/', '/forms/style.css'];
  assert.deepEqual(
    routes.filter((route) => !pages.includes(route.path) && !covered(route)),
    [],
  );
  assert.ok(!covered({ method: 'POST', path: '/v1/nothing' }));
});

test('operations.md has a line of cron for each job, and wrangler.toml has the same crons', () => {
  const all = jobs(productSystems());
  const own = [...read('src/jobs.rs').matchAll(/\bjob\("[^"]+", "(\w+)"\)/g)].map(([, name]) => name);
  assert.deepEqual(
    CORE_JOBS.map(({ name }) => name),
    own,
    'dev/systems.js has the jobs of the core',
  );
  const [, list] = /^crons = \[(.*)\]$/m.exec(read('wrangler.toml'));
  const configured = [...list.matchAll(/"([^"]+)"/g)].map(([, cron]) => cron).sort();
  assert.deepEqual(configured, cronsWith(configured));
  const lines = read('docs/operations.md').split('\n');
  const missing = all.filter(
    ({ cron, name }) =>
      !lines.some((line) => line.startsWith(`    ${cron} `) && new RegExp(`\\b${name}\\b`).test(line)),
  );
  assert.ok(all.length >= 7);
  assert.deepEqual(missing, []);
});

/** The crons of the product's jobs, and those of the given ones that jobs of somebody's own have. */
const cronsWith = (configured) =>
  [...new Set([...crons(productSystems()), ...crons(allSystems()).filter((cron) => configured.includes(cron))])].sort();

const RECORD = /^docs\/decisions\/\d{4}-[a-z0-9-]+\.md$/;

test('every decision has a number, a status, a date and its parts, and stands in the index', () => {
  const records = files.filter((file) => RECORD.test(file)).sort();
  assert.ok(records.length > 20);
  assert.deepEqual(
    files.filter((file) => file.startsWith('docs/decisions/') && !RECORD.test(file)),
    ['docs/decisions/README.md'],
  );
  const index = read('docs/decisions/README.md');
  const numbers = new Set();
  for (const file of records) {
    const text = read(file);
    const number = /\d{4}/.exec(file)[0];
    assert.ok(!numbers.has(number), `${file}: the number is taken`);
    numbers.add(number);
    const [, title] =
      new RegExp(`^# ${number}: (.+)\n`).exec(text) ?? assert.fail(`${file}: the title is "# ${number}: ..."`);
    const [, status] =
      /^Status: (accepted|superseded by \[\d{4}\]\(\d{4}-[a-z0-9-]+\.md\))\. Date: \d{4}-\d{2}-\d{2}\.$/m.exec(text) ??
      assert.fail(`${file}: "Status: accepted. Date: YYYY-MM-DD."`);
    for (const part of ['Context', 'Decision', 'Rejected', 'Consequences'])
      assert.match(text, new RegExp(`^## ${part}\n\n\\S`, 'm'), `${file}: ## ${part}`);
    const [word] = status.split(' ');
    assert.ok(
      index.includes(`| [${number}](${file.split('/').at(-1)}) | ${title} | ${word}`),
      `README.md lists ${file}`,
    );
  }
  const listed = [...index.matchAll(/^\| \[\d{4}\]\(([^)]+)\)/gm)].map(([, name]) => `docs/decisions/${name}`);
  assert.deepEqual(listed, records);
});
