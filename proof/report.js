// The matrix for people: as text, as Markdown, and as a page with a heat map.
import { CREDENTIALS } from './credentials.js';
import { PERSONAS } from './personas.js';

const TITLES = {
  relation: [
    'Rows',
    'A row that belongs to the owner: who reads, inserts, updates or deletes it, or gives it to somebody else.',
  ],
  embed: ['Embedding', 'The same row, read through a foreign key.'],
  column: ['Columns', 'Who may read each, and write it in a row that they may write at all.'],
  function: [
    'Functions',
    'Who may call each; and that none shows the owner’s rows, or changes them, for somebody who may not do that.',
  ],
  route: ['Routes', 'Which credential each endpoint lets in; what happens then is the database’s to decide.'],
};
const MARKS = { out: '·', in: '✓', red: '✗', blank: '?' };
const WORDS = { out: 'kept out', in: 'let in, as meant', red: 'WRONG', blank: 'NOT DECIDED' };

const namesOf = (kind) => (kind === 'route' ? CREDENTIALS : PERSONAS);

/** The cells as lines of a table; what is the same through the edge and past it is one line. */
const lines = (cells) => {
  const found = new Map();
  for (const cell of cells) {
    const key = [cell.subject, cell.verb, cell.layer].join('|');
    if (!found.has(key)) found.set(key, { subject: cell.subject, verb: cell.verb, layer: cell.layer, cells: {} });
    found.get(key).cells[cell.name] = cell;
  }
  const alike = (a, b) => namesOf(a.kind).every((name) => a.cells[name]?.verdict === b.cells[name]?.verdict);
  const all = [...found.values()].sort((a, b) => (a.subject < b.subject ? -1 : a.subject > b.subject ? 1 : 0));
  return all.flatMap((line) => {
    const other = all.find((each) => each !== line && each.subject === line.subject && each.verb === line.verb);
    if (!other) return [line];
    if (alike(line, other)) return line.layer === 'edge' ? [line] : [];
    return [{ ...line, verb: line.layer === 'edge' ? line.verb : `${line.verb}, past the edge` }];
  });
};

/** The tables, by kind. */
export const tables = (cells) =>
  Object.entries(TITLES)
    .map(([kind, [title, about]]) => {
      const own = cells.filter((cell) => cell.kind === kind);
      return { kind, title, about, names: namesOf(kind), lines: lines(own) };
    })
    .filter((table) => table.lines.length > 0);

/** What is wrong with the way in which an endpoint asks the database. */
const FAULTS = {
  undecided: (subject, called) => `not decided: ${subject}: whether ${called} depends on what the edge verifies`,
  identity: (subject, called) =>
    `wrong: ${subject}: the edge calls as itself what depends on what it verifies, and nothing else; ${called} is called otherwise`,
  granted: (subject, called) =>
    `wrong: ${subject}: ${called} depends on what the edge verifies, and others than the edge may execute it`,
};

/** As whom the edge calls an endpoint's function. */
const IDENTITIES = { caller: 'the caller', vouched: 'the edge, for the caller', edge: 'the edge' };

/** Red and blank cells in words, and decisions about what is not there. */
export const faults = ({ cells, endpoints, stale }) => [
  ...cells
    .filter(({ verdict }) => verdict === 'red' || verdict === 'blank')
    .map(({ subject, verb, layer, name, verdict, found, leak, status, untried }) => {
      if (verdict === 'blank') return `not decided: ${subject}, ${verb}, ${name}`;
      const what = untried
        ? 'was not tried: PostgREST knows no function of these arguments'
        : leak
          ? 'was shown the fixture, or changed it'
          : status >= 500
            ? `status ${status}`
            : found
              ? 'was let in'
              : 'was kept out';
      return `wrong: ${subject}, ${verb}, ${name}, ${layer === 'edge' ? 'through' : 'past'} the edge: ${what}`;
    }),
  ...endpoints
    .filter(({ fault }) => fault)
    .map(({ subject, function: called, fault }) => FAULTS[fault](subject, called)),
  ...stale.map((name) => `decided, but not there: ${name}`),
];

const counts = (cells) => {
  const of = (wanted) => cells.filter(({ verdict }) => verdict === wanted).length;
  return `${cells.length} attempts: ${of('out')} kept out, ${of('in')} let in as meant, ${of('red')} wrong, ${of('blank')} not decided`;
};

const mark = (cell) => (cell ? MARKS[cell.verdict] : ' ');

const grid = (table, cells) => {
  const head = [table.title, '', ...table.names];
  const rows = table.lines.map((line, at) => [
    at > 0 && table.lines[at - 1].subject === line.subject ? '' : line.subject,
    line.verb,
    ...table.names.map((name) => cells(line.cells[name])),
  ]);
  return [head, ...rows];
};

/** As text for a terminal. */
export const text = ({ cells }) => {
  const parts = tables(cells).map((table) => {
    const rows = grid(table, mark);
    const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
    return rows
      .map((row) =>
        row
          .map((cell, at) => cell.padEnd(widths[at]))
          .join('  ')
          .trimEnd(),
      )
      .join('\n');
  });
  const legend = Object.entries(MARKS).map(([verdict, sign]) => `${sign} ${WORDS[verdict]}`);
  return `${parts.join('\n\n')}\n\n${legend.join('   ')}\n${counts(cells)}`;
};

/** The system whose decisions a cell belongs to. */
const systemOf = ({ kind, subject }, systems) => {
  const name = { embed: subject.split(' ')[0], column: subject.replace(/\.[^.]*$/, '') }[kind] ?? subject;
  const found = Object.entries(systems).find(([, system]) =>
    ['relations', 'functions', 'routes'].some((each) => name in (system[each] ?? {})),
  );
  return found?.[0];
};

/** Numbers of attempts in groups: each line has the group, how many subjects, and how many attempts ended how. */
const summary = (cells, groupOf) => {
  const groups = new Map();
  for (const cell of cells) {
    const group = groupOf(cell);
    if (!groups.has(group)) groups.set(group, { subjects: new Set(), total: 0, in: 0, out: 0 });
    const found = groups.get(group);
    found.subjects.add(`${cell.kind} ${cell.subject}`);
    found.total += 1;
    if (cell.verdict in found) found[cell.verdict] += 1;
  }
  return [...groups].map(([group, { subjects, total, in: let_in, out }]) =>
    [group, subjects.size, total, let_in, out].join(' | '),
  );
};

const PERSONAS_IN_WORDS = `| persona | is |
| --- | --- |
| none | a request without key or token |
| anon key | a request with the publishable key; past the edge, the token that the edge makes for it |
| session holder | the same with the token of an onboarding session |
| owner | the user to whom the row belongs |
| member, viewer, deactivated | users of the owner's tenant, where a system has tenants; the last was one |
| stranger, other tenant's admin | users who have nothing to do with the owner |
| admin | a user with \`app_metadata.role = admin\`; every user claims the same in \`user_metadata\`, which must never count |
| edge | the edge's own token, which nobody outside has; *vouched for* is the token that it makes where it calls on a user's behalf |
| service | a server's token of role \`service_role\` |`;

/**
 * As docs/proof.md: what was tried of the given systems, as whom, and the counts. It changes where an attempt or its outcome does.
 */
export const markdown = (result, systems) => {
  const cells = result.cells.filter((cell) => systemOf(cell, systems));
  const endpoints = result.endpoints.filter(({ subject }) => systemOf({ kind: 'route', subject }, systems));
  const kinds = Object.entries(TITLES).filter(([kind]) => cells.some((cell) => cell.kind === kind));
  return `# Proof

Who may do what is decided in [proof/systems/](../proof/systems/), one file for each system: for every table, view, column, function
and route the personas that are let in. \`npm run proof\` tries all of it on a running system, as every persona, through the edge and
again at PostgREST past it, and judges each attempt by what it did to the database. The list of what exists comes from the database's
catalog and from the bundle, so whatever is new fails the tests until it is decided.

${counts(cells)}.

## What is tried

| what | subjects | attempts | let in, as meant | kept out |
| --- | --- | --- | --- | --- |
${kinds
  .map(
    ([kind, [title]]) =>
      `| ${
        summary(
          cells.filter((cell) => cell.kind === kind),
          () => title,
        )[0]
      } |`,
  )
  .join('\n')}

${kinds.map(([, [title, about]]) => `- **${title}.** ${about}`).join('\n')}

| system | subjects | attempts | let in, as meant | kept out |
| --- | --- | --- | --- | --- |
${Object.keys(systems)
  .map((system) => cells.filter((cell) => systemOf(cell, systems) === system))
  .filter((own) => own.length > 0)
  .map((own) => `| ${summary(own, (cell) => systemOf(cell, systems))[0]} |`)
  .join('\n')}

## As whom

${PERSONAS_IN_WORDS}

Routes are tried with credentials instead: ${CREDENTIALS.join(', ')}.

## How to read it

\`npm run proof\` prints one table for each kind and writes \`docs/proof.html\`, the same as a heat map, which is not
committed.
${Object.entries(MARKS)
  .map(([verdict, sign]) => `\`${sign}\` ${WORDS[verdict]}`)
  .join(', ')}. Where edge and database differ on purpose, a line of its own says "past the edge".
\`npm run proof -- projects\` tries what has the word in its name.

A red cell is one of four: somebody was let in who was not meant to be; somebody was kept out who was; an answer showed a row to
somebody who may not read it; or a call changed a row that its caller may not change. \`tests/core/e2e/proof.test.js\` runs the whole
matrix and compares this page; \`tests/core/e2e/proof_finds.test.js\` shows for each kind of fault that the matrix finds it.

## Endpoints

What each purpose endpoint asks the database, as whom, and what that function's answer depends on of what the edge has verified or seen.

| Endpoint | function | called as | depends on |
| --- | --- | --- | --- |
${endpoints.map(({ subject, function: called, identity, depends }) => `| ${subject} | ${called} | ${IDENTITIES[identity]} | ${depends ?? 'nothing'} |`).join('\n')}

\`GET /v1/changes\` is not in the table: it calls no function of its own for a request. The edge calls \`edge.changes\` as itself for all listeners
of an isolate together, with the claims that it has verified of each, and the function becomes each of these users.
`;
};

const escaped = (words) => words.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

const STYLE = `
:root { color-scheme: light dark; --out: #cfe8d5; --in: #9cc3ee; --red: #d11; --blank: #fff; --ink: #1b2430; --soft: #5b6675; --paper: #fbfcfd; --line: #e3e8ee; }
@media (prefers-color-scheme: dark) { :root { --out: #1d4029; --in: #1f4f86; --blank: #111; --ink: #e8edf3; --soft: #98a5b5; --paper: #10151b; --line: #253040; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 2.5rem clamp(1rem, 4vw, 4rem); font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
h1 { margin: 0; font-size: 1.9rem; letter-spacing: -.02em; }
h2 { margin: 2.75rem 0 .25rem; font-size: 1.2rem; }
p { max-width: 62rem; color: var(--soft); margin: .35rem 0 1rem; }
.sum { font-size: 1.05rem; color: var(--ink); }
.legend { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; padding: 0; list-style: none; }
.legend i { display: inline-block; width: 1.5rem; height: 1.1rem; margin-right: .4rem; border-radius: 3px; vertical-align: -3px; text-align: center; font-style: normal; line-height: 1.1rem; font-size: .8rem; }
.scroll { overflow-x: auto; }
table { border-collapse: separate; border-spacing: 2px; font-size: .86rem; }
thead th { height: 7.5rem; vertical-align: bottom; padding: 0 0 .4rem; font-weight: 500; }
thead th span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
tbody th { text-align: left; font-weight: 500; white-space: nowrap; padding: 0 .9rem 0 0; font-family: ui-monospace, monospace; font-size: .8rem; }
tbody th.verb { color: var(--soft); font-weight: 400; font-family: inherit; }
td { width: 2.1rem; min-width: 2.1rem; height: 1.55rem; text-align: center; border-radius: 4px; color: var(--ink); }
td:hover { outline: 2px solid var(--ink); }
.out { background: var(--out); color: transparent; }
.in { background: var(--in); }
.red { background: var(--red); color: #fff; font-weight: 700; }
.blank { background: repeating-linear-gradient(45deg, var(--blank) 0 4px, #e9a400 4px 8px); font-weight: 700; }
`;

/** As docs/proof.html: one file that needs nothing else. */
export const html = ({ cells }) => {
  const square = (line, name) => {
    const cell = line.cells[name];
    if (!cell) return '<td></td>';
    const title = `${line.subject}, ${line.verb}, ${name}: ${WORDS[cell.verdict]}`;
    return `<td class="${cell.verdict}" title="${escaped(title)}">${MARKS[cell.verdict]}</td>`;
  };
  const row = (table) => (line, at) => {
    const first = at === 0 || table.lines[at - 1].subject !== line.subject;
    const squares = table.names.map((name) => square(line, name)).join('');
    const subject = first ? escaped(line.subject) : '';
    return `<tr${first ? ' class="first"' : ''}><th scope="row">${subject}</th><th class="verb">${escaped(line.verb)}</th>${squares}</tr>`;
  };
  const section = (table) => `<h2>${table.title}</h2>
<p>${escaped(table.about)}</p>
<div class="scroll"><table>
<thead><tr><th></th><th></th>${table.names.map((name) => `<th scope="col"><span>${escaped(name)}</span></th>`).join('')}</tr></thead>
<tbody>
${table.lines.map(row(table)).join('\n')}
</tbody></table></div>`;
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Rowgate: proof of isolation</title>
<style>${STYLE}</style>
<h1>Proof of isolation</h1>
<p class="sum">${counts(cells)}.</p>
<p>Each square is an attempt on a running system, through the edge and again at PostgREST past it, judged by what it did to the database.
Made by <code>npm run proof</code>.</p>
<ul class="legend">
${Object.entries(WORDS)
  .map(([verdict, words]) => `<li><i class="${verdict}">${MARKS[verdict]}</i>${words}</li>`)
  .join('\n')}
</ul>
${tables(cells).map(section).join('\n')}
</html>
`;
};
