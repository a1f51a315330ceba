// Which migration defines what, by PostgreSQL's own parser. `npm run lint` holds that each object is defined once; `npm run db:show`
// names the file of a definition.
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { loadModule, parseSync } from 'libpg-query';

const text = (node) => node.String.sval;
const dotted = (nodes) => nodes.map(text).join('.');
const relation = ({ schemaname, relname }) => (schemaname ? `${schemaname}.${relname}` : relname);

/** A type as a signature names it: without pg_catalog, which the parser adds. */
const typeName = ({ names, arrayBounds }) => {
  const parts = names.map(text).filter((part) => part !== 'pg_catalog');
  return parts.join('.') + (arrayBounds ? '[]' : '');
};

const INPUTS = ['FUNC_PARAM_IN', 'FUNC_PARAM_INOUT', 'FUNC_PARAM_VARIADIC', 'FUNC_PARAM_DEFAULT'];

const signature = ({ funcname, parameters = [] }) => {
  const types = parameters
    .map(({ FunctionParameter }) => FunctionParameter)
    .filter(({ mode }) => INPUTS.includes(mode))
    .map(({ argType }) => typeName(argType));
  return `${dotted(funcname)}(${types.join(', ')})`;
};

/** A function as a statement names it: without a list of arguments it is every function of the name. */
const function_ = ({ objname, objargs = [], args_unspecified: any = false }) =>
  any ? `${dotted(objname)}(*)` : `${dotted(objname)}(${objargs.map(({ TypeName }) => typeName(TypeName)).join(', ')})`;

/** Objects that a statement creates. */
const CREATES = {
  CreateSchemaStmt: ({ schemaname }) => ({ kind: 'schema', name: schemaname }),
  CreateStmt: (stmt) => ({ kind: 'table', name: relation(stmt.relation) }),
  CreateTableAsStmt: ({ into, objtype }) => ({
    kind: objtype === 'OBJECT_MATVIEW' ? 'materialized view' : 'table',
    name: relation(into.rel),
  }),
  ViewStmt: ({ view }) => ({ kind: 'view', name: relation(view) }),
  CreateSeqStmt: ({ sequence }) => ({ kind: 'sequence', name: relation(sequence) }),
  CreateEnumStmt: (stmt) => ({ kind: 'type', name: dotted(stmt.typeName) }),
  CreateDomainStmt: ({ domainname }) => ({ kind: 'type', name: dotted(domainname) }),
  CompositeTypeStmt: ({ typevar }) => ({ kind: 'type', name: relation(typevar) }),
  CreateFunctionStmt: (stmt) => ({ kind: 'function', name: signature(stmt) }),
  CreatePolicyStmt: ({ policy_name, table }) => ({ kind: 'policy', name: policy_name, on: relation(table) }),
  CreateTrigStmt: (stmt) => ({ kind: 'trigger', name: stmt.trigname, on: relation(stmt.relation) }),
  // It is in the schema of its table.
  IndexStmt: ({ idxname, relation: of }) => ({ kind: 'index', name: `${of.schemaname}.${idxname}` }),
};

const TABLE_KINDS = {
  OBJECT_TABLE: 'table',
  OBJECT_VIEW: 'view',
  OBJECT_MATVIEW: 'materialized view',
  OBJECT_INDEX: 'index',
  OBJECT_SEQUENCE: 'sequence',
};

const DROPS = {
  ...TABLE_KINDS,
  OBJECT_SCHEMA: 'schema',
  OBJECT_FUNCTION: 'function',
  OBJECT_TYPE: 'type',
  OBJECT_POLICY: 'policy',
  OBJECT_TRIGGER: 'trigger',
};

const dropped = (kind, object) => {
  if (kind === 'schema') return { kind, name: text(object) };
  if (kind === 'function') return { kind, name: function_(object.ObjectWithArgs) };
  if (kind === 'type') return { kind, name: typeName(object.TypeName) };
  const parts = object.List.items.map(text);
  if (kind !== 'policy' && kind !== 'trigger') return { kind, name: parts.join('.') };
  return { kind, name: parts.at(-1), on: parts.slice(0, -1).join('.') };
};

const granted = (kind, object) => (object.RangeVar ? { kind, name: relation(object.RangeVar) } : dropped(kind, object));

/** Objects that a statement changes or drops, with the word for it. */
const CHANGES = {
  AlterTableStmt: (stmt) => [
    { kind: TABLE_KINDS[stmt.objtype] ?? 'table', name: relation(stmt.relation), how: 'alters' },
  ],
  AlterPolicyStmt: ({ policy_name, table }) => [
    { kind: 'policy', name: policy_name, on: relation(table), how: 'alters' },
  ],
  AlterFunctionStmt: ({ func }) => [{ kind: 'function', name: function_(func), how: 'alters' }],
  AlterEnumStmt: (stmt) => [{ kind: 'type', name: dotted(stmt.typeName), how: 'alters' }],
  AlterDomainStmt: (stmt) => [{ kind: 'type', name: dotted(stmt.typeName), how: 'alters' }],
  RenameStmt: ({ renameType, relationType, relation: of, object, subname }) => {
    if (renameType === 'OBJECT_FUNCTION')
      return [{ kind: 'function', name: function_(object.ObjectWithArgs), how: 'renames' }];
    if (!of) return [];
    if (renameType === 'OBJECT_POLICY' || renameType === 'OBJECT_TRIGGER')
      return [{ kind: DROPS[renameType], name: subname, on: relation(of), how: 'renames' }];
    return [
      { kind: TABLE_KINDS[renameType] ?? TABLE_KINDS[relationType] ?? 'table', name: relation(of), how: 'renames' },
    ];
  },
  GrantStmt: ({ is_grant, targtype, objtype, objects = [] }) => {
    const kind = DROPS[objtype];
    const how = is_grant ? 'grants' : 'revokes';
    if (!kind) return [];
    // On all tables or functions of a schema.
    if (targtype === 'ACL_TARGET_ALL_IN_SCHEMA')
      return objects.map((schema) => ({ kind, name: `${text(schema)}.*`, how }));
    return targtype === 'ACL_TARGET_OBJECT' ? objects.map((object) => ({ ...granted(kind, object), how })) : [];
  },
  CommentStmt: ({ objtype, object }) => {
    const kind = objtype === 'OBJECT_COLUMN' ? 'column' : DROPS[objtype];
    if (kind === 'column')
      return [{ kind: 'table', name: object.List.items.slice(0, -1).map(text).join('.'), how: 'comments on' }];
    return kind ? [{ ...dropped(kind, object), how: 'comments on' }] : [];
  },
  DropStmt: ({ removeType, objects }) => {
    const kind = DROPS[removeType];
    return kind ? objects.map((object) => ({ ...dropped(kind, object), how: 'drops' })) : [];
  },
};

const label = ({ kind, name, on }) => `${kind} ${name}${on ? ` on ${on}` : ''}`;

/** Relations share one space of names, and `alter table` takes views, too. */
const RELATIONS = ['table', 'view', 'materialized view', 'sequence'];
const key = ({ kind, name, on }) => `${RELATIONS.includes(kind) ? 'relation' : kind} ${name} ${on ?? ''}`;

/**
 * What the up part of a migration creates and changes.
 * @param {string} migration its text
 * @returns {{kind: string, name: string, on?: string, how: string, replace: boolean, line: number}[]} `how`: creates, alters, renames,
 * drops, grants, revokes, comments on; the name of a function has the types of its arguments
 */
export const definitionsOf = (migration) => {
  const [up] = migration.split(/^-- migrate:down/m);
  const bytes = Buffer.from(up);
  return parseSync(up).stmts.flatMap(({ stmt, stmt_location = 0 }) => {
    const [type] = Object.keys(stmt);
    // The location is a count of bytes, before the comments that stand above a statement.
    const before = bytes.subarray(0, stmt_location).toString();
    const above = up.slice(before.length).match(/^(\s|--.*\n)*/)[0];
    const line = `${before}${above}`.split('\n').length;
    const created = CREATES[type]?.(stmt[type]);
    if (created) return [{ ...created, how: 'creates', replace: stmt[type].replace === true, line }];
    return (CHANGES[type]?.(stmt[type]) ?? []).map((change) => ({ ...change, replace: false, line }));
  });
};

/** The definitions of migrations in their order, each with its file's name. */
export const allDefinitions = async (files) => {
  await loadModule();
  return files.flatMap((path) =>
    definitionsOf(readFileSync(path, 'utf8')).map((found) => ({ ...found, file: basename(path), path })),
  );
};

/** The files of releases: a later file may define their objects again. docs/operations.md, "Changing a released schema". */
export const RELEASED = [];

/** What no file does even with its own objects. */
const ONCE = ['renames', 'drops'];

/**
 * Objects that are not defined once, in words: what a second statement creates, renames or drops, and what another file alters,
 * comments on, or gives policies and rights. Triggers and indexes may stand in another file than their table: a subject brings its
 * own, and the table's definition does not change.
 */
export const redefinitions = async (files, released = RELEASED) => {
  const definitions = await allDefinitions(files);
  const first = new Map();
  const faults = [];
  const mayChange = (file, made) => released.includes(made.file) && !released.includes(file);
  /** What a name with a star stands for: every object of the kind that fits. */
  const meant = (found) => {
    if (!found.name.endsWith('*') && !found.name.endsWith('(*)')) return [first.get(key(found))].filter(Boolean);
    const start = key({ ...found, name: found.name.replace(/\*\)?$/, '') }).trimEnd();
    return [...first].filter(([name]) => name.startsWith(start)).map(([, made]) => made);
  };
  for (const found of definitions) {
    const { how, file, line, replace } = found;
    const made = first.get(key(found));
    const at = `${file}:${line}`;
    if (how === 'creates') {
      if (made && !mayChange(file, made))
        faults.push(`${at} ${replace ? 'replaces' : 'creates'} ${label(found)}, which ${made.file} creates`);
      else first.set(key(found), found);
      const table = found.kind === 'policy' && first.get(key({ kind: 'table', name: found.on }));
      if (table && table.file !== file && !mayChange(file, table))
        faults.push(`${at} creates ${label(found)}, which ${table.file} creates`);
    } else {
      const others = meant(found).filter(
        (each) => (each.file !== file || ONCE.includes(how)) && !mayChange(file, each),
      );
      for (const each of others) faults.push(`${at} ${how} ${label(each)}, which ${each.file} creates`);
    }
  }
  return faults;
};
