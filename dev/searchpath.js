// Part of `npm run lint`: no statement and no function of a migration depends on a search path. Parsed by PostgreSQL's own parser;
// the bodies of PL/pgSQL, which it does not take apart, are read for the words that tables follow.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { loadModule, parseSync } from 'libpg-query';

/** What may do without, and why. */
export const EXCEPTIONS = {
  'auth.jwt': 'one statement of built-in functions, which the planner puts into policies; a setting would prevent that',
  'auth.uid': 'likewise',
  'auth.role': 'likewise',
};

const name = (parts) => parts.map((part) => part.String.sval).join('.');

/** Every object of a tree that has a key: fields of a fixed type stand in it without their type's name. */
const having = (tree, key) => {
  if (tree === null || typeof tree !== 'object') return [];
  return [...(key in tree ? [tree] : []), ...Object.values(tree).flatMap((value) => having(value, key))];
};

/** Relations that a statement names without their schema; names that its `with` has given are no relations. */
const unqualified = (tree) => {
  const own = new Set(having(tree, 'ctename').map(({ ctename }) => ctename));
  return having(tree, 'relname')
    .filter(({ schemaname, relname }) => !schemaname && !own.has(relname))
    .map(({ relname }) => relname);
};

/** What no table follows, though the word before it says so. */
const NO_TABLES = new Set(['lateral', 'set', 'skip', 'nowait', 'of', 'strict']);

/** The same of a PL/pgSQL body. */
const unqualifiedIn = (body) => {
  const plain = body
    .replace(/--.*$/gm, '')
    .replace(/'(?:[^']|'')*'/g, "''")
    .replace(/\b(extract|substring|trim|overlay)\s*\([^()]*(\([^()]*\))?[^()]*\)/gi, '')
    .replace(/\bdistinct\s+from\b/gi, '');
  const own = new Set(
    [...plain.matchAll(/(?:\bwith(?:\s+recursive)?|,)\s+([a-z_]\w*)\s+as\s+(?:materialized\s+)?\(/gi)].map(
      ([, word]) => word,
    ),
  );
  const found = plain.matchAll(
    /\b(?:from|join|update|insert\s+into|delete\s+from|truncate)\s+(?:only\s+)?([a-z_]\w*)\b(?!\s*[.(])/gi,
  );
  return [...found].map(([, word]) => word).filter((word) => !own.has(word) && !NO_TABLES.has(word.toLowerCase()));
};

/** The rows of a statement, as our triggers name them: they are found before any relation is looked for. */
const TRANSITION_TABLES = new Set(['new_rows', 'old_rows']);

const option = (options, wanted) => options.find(({ DefElem }) => DefElem.defname === wanted)?.DefElem.arg;

const pinned = (options) =>
  options.some(({ DefElem: { defname, arg } }) => {
    const set = defname === 'set' && arg.VariableSetStmt;
    return set && set.name === 'search_path' && set.args?.length === 1 && set.args[0].A_Const?.sval?.sval === '';
  });

const ofFunction = ({ funcname, options, returnType, sql_body: parsed }) => {
  const called = name(funcname);
  const language = option(options, 'language')?.String.sval;
  const body = option(options, 'as')?.List.items[0].String.sval ?? '';
  const isTrigger = returnType?.names.at(-1).String.sval === 'trigger';
  const relations = (language === 'sql' ? unqualified(parsed ?? parseSync(body)) : unqualifiedIn(body)).filter(
    (relation) => !(isTrigger && TRANSITION_TABLES.has(relation)),
  );
  return [
    ...(funcname.length < 2 ? [`function ${called} names no schema`] : []),
    ...(parsed || pinned(options) || called in EXCEPTIONS ? [] : [`function ${called} does not set search_path = ''`]),
    ...relations.map((relation) => `function ${called} names ${relation} without its schema`),
  ];
};

/** The body of a `do`, and the functions that it makes. */
const ofBlock = ({ args }) => {
  const body = option(args, 'as').String.sval;
  const made = [...body.matchAll(/create function [\s\S]*?\$f\$[\s\S]*?\$f\$/g)].flatMap(([text]) => faultsOf(text));
  return [
    ...made,
    ...unqualifiedIn(body.replace(/\$f\$[\s\S]*?\$f\$/g, '')).map(
      (relation) => `a block names ${relation} without its schema`,
    ),
  ];
};

/** Catalogs are found whatever the path: pg_catalog is always searched, and first. */
const isCatalog = (fault) => /names pg_\w+ without/.test(fault);

/**
 * What of a migration's up part depends on a search path, in words.
 * @param {string} text
 */
export const faultsOf = (text) => {
  const { stmts } = parseSync(text);
  const found = stmts.flatMap(({ stmt }) => {
    const [kind] = Object.keys(stmt);
    if (kind === 'CreateFunctionStmt') return ofFunction(stmt[kind]);
    if (kind === 'DoStmt') return ofBlock(stmt[kind]);
    return unqualified(stmt).map((relation) => `a statement names ${relation} without its schema`);
  });
  return found.filter((fault) => !isCatalog(fault));
};

/** The faults of migrations, by file. */
export const searchPathFaults = async (files) => {
  await loadModule();
  return files.flatMap((file) => {
    const [up] = readFileSync(file, 'utf8').split(/^-- migrate:down/m);
    return faultsOf(up).map((fault) => `${basename(file)}: ${fault}`);
  });
};
