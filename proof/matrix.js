// The matrix: everything that the catalog and the routes list, times everybody, times every verb; what was decided beside what
// was found. A cell is blank where nothing was decided, and red where it was decided otherwise.
import { spawnSync } from 'node:child_process';
import pg from 'pg';
import { root } from '../dev/paths.js';
import { exposed } from './catalog.js';
import { CREDENTIALS, credentials } from './credentials.js';
import { ANYBODY, PERSONAS, personas } from './personas.js';
import { Bench, embedded, executed, givenAway, VERBS, writable } from './probes.js';

/** Through the edge, and past it: what the edge keeps out PostgREST and the database must keep out, too. */
export const LAYERS = ['edge', 'database'];

const AT_ONCE = 4;

/** The routes that the bundle has, told by its own code. */
const routes = () => {
  const args = ['run', '--quiet', '--locked', '--example', 'routes'];
  const done = spawnSync('cargo', args, { cwd: root, encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`the routes cannot be listed:\n${done.stderr}`);
  return JSON.parse(done.stdout);
};

const merged = (systems, kind) => Object.assign({}, ...Object.values(systems).map((system) => system[kind]));

/** What a decision may say; anything else would be overlooked. */
const SAYS = {
  relations: [
    ...[
      'alone',
      'key',
      'plant',
      'states',
      'draft',
      'forAnother',
      'change',
      'sample',
      'owner',
      'columns',
      'edge',
      'database',
    ],
    ...['select', 'insert', 'insert for another', 'update', 'delete', 'give away'],
  ],
  functions: ['arguments', 'execute', 'names', 'touches', 'edge', 'database', 'vouched', 'depends'],
  routes: ['path', 'body', 'call'],
};
const COLUMN_SAYS = ['read', 'insert', 'update'];

/** Words of decisions that say nothing, and what two systems have decided. */
const overlooked = (systems) =>
  Object.entries(SAYS).flatMap(([kind, known]) => {
    const all = Object.values(systems).flatMap((system) => Object.entries(system[kind] ?? {}));
    const twice = all.map(([name]) => name).filter((name, at, names) => names.indexOf(name) !== at);
    const words = all.flatMap(([name, decision]) => [
      ...Object.keys(decision)
        .filter((key) => !known.includes(key))
        .map((key) => `${key}, of ${name}`),
      ...Object.entries(decision.columns ?? {}).flatMap(([column, says]) =>
        Object.keys(says)
          .filter((key) => !COLUMN_SAYS.includes(key))
          .map((key) => `${key}, of ${name}.${column}`),
      ),
    ]);
    return [...twice.map((name) => `${name}, by two systems`), ...words];
  });

const judged = (cell) => {
  const { expected, found, status, leak, untried } = cell;
  if (expected === undefined) return { ...cell, verdict: 'blank' };
  if (leak || untried || status >= 500 || expected !== found) return { ...cell, verdict: 'red' };
  return { ...cell, verdict: found ? 'in' : 'out' };
};

class Matrix {
  constructor({ system, systems, sql, pool, people }) {
    Object.assign(this, { system, systems, sql, pool, people, cells: [], endpoints: [] });
    this.bench = new Bench(system, sql);
    this.decided = {
      relations: merged(systems, 'relations'),
      functions: merged(systems, 'functions'),
      routes: merged(systems, 'routes'),
    };
  }

  put(cell) {
    this.cells.push(judged(cell));
  }

  /** One relation: its verbs, its columns. */
  async relation(made) {
    const decision = this.decided.relations[made.name];
    // A view has no key that the catalog knows.
    const relation = { ...made, key: decision?.key ?? made.key };
    if (!decision || relation.key.length === 0) {
      for (const verb of Object.keys(VERBS)) this.blank('relation', relation.name, verb);
      for (const column of relation.columns) this.blank('column', `${relation.name}.${column}`, 'write');
      return;
    }
    for (const [verb, probe] of Object.entries(VERBS)) {
      // Where a row has nobody's name in it, that has to be said.
      if (decision[verb] === null) continue;
      if (verb === 'insert for another' && !decision.forAnother) {
        this.blank('relation', relation.name, verb);
        continue;
      }
      for (const layer of LAYERS) {
        for (const name of PERSONAS) await this.verb({ relation, decision, verb, probe, layer, name });
      }
    }
    // A policy may be right for a row as it is made, and wrong for what becomes of it.
    for (const state of Object.keys(decision.states ?? {})) {
      for (const verb of ['select', 'update', 'delete']) {
        const given = { relation, decision, verb, probe: VERBS[verb], layer: 'database', state };
        for (const name of PERSONAS) await this.verb({ ...given, name });
      }
    }
    await this.columns(relation, decision);
  }

  async verb({ relation, decision, verb, probe, layer, name, state }) {
    const allowed = decision[layer]?.[verb] ?? decision[verb];
    const planted = await this.bench.plant(decision, this.people);
    if (state) planted.row = await this.bench.change(relation, planted.row, decision.states[state]);
    const given = { relation, decision, ...planted, layer, who: this.people[name], people: this.people };
    const { in: found, status, told } = await probe(this.bench, given);
    await this.bench.uproot(planted);
    const mayRead = decision.select?.includes(name);
    this.put({
      ...{
        kind: 'relation',
        subject: relation.name,
        verb: state ? `${verb}, ${state}` : verb,
        layer,
        name,
        found,
        status,
      },
      expected: allowed?.includes(name),
      leak: !mayRead && told.includes(planted.canary),
    });
  }

  async columns(relation, decision) {
    const planted = await this.bench.plant(decision, this.people);
    const { row } = planted;
    for (const name of PERSONAS) {
      const who = this.people[name];
      const given = { relation, decision, row, who, people: this.people };
      const found = who.role ? await this.inConnection((connection) => writable(connection, given)) : [];
      for (const column of relation.columns) {
        const decidedOf = decision.columns?.[column];
        for (const verb of ['read', 'insert', 'update']) {
          const is = found.find((each) => each.column === column && each.verb === verb)?.in ?? false;
          const allowed = decidedOf?.[verb] ?? (verb === 'read' ? decision.select : []);
          const expected = decidedOf && allowed?.includes(name);
          this.put({
            kind: 'column',
            subject: `${relation.name}.${column}`,
            verb,
            layer: 'database',
            name,
            found: is,
            expected,
          });
        }
      }
    }
    await this.givingAway({ relation, decision });
    await this.bench.uproot(planted);
  }

  /** Where a row has an owner: who can make it somebody else's. */
  async givingAway({ relation, decision }) {
    if (decision.owner === null) return;
    for (const name of PERSONAS) {
      const who = this.people[name];
      const given = { relation, decision, who, people: this.people };
      const cell = { kind: 'relation', subject: relation.name, verb: 'give away', layer: 'edge', name };
      if (decision.owner === undefined) this.put(cell);
      else {
        const found = who.role !== undefined && (await this.inConnection((connection) => givenAway(connection, given)));
        this.put({ ...cell, found, expected: (decision['give away'] ?? []).includes(name) });
      }
    }
  }

  async inConnection(body) {
    const connection = await this.pool.connect();
    try {
      return await body(connection);
    } finally {
      connection.release();
    }
  }

  /** One foreign key, read from the child's side and from the parent's. */
  async foreignKey(key, relations) {
    const [child, parent] = [key.child, key.parent].map((name) => relations.find((each) => each.name === name));
    const decisions = [child, parent].map(({ name }) => this.decided.relations[name]);
    // Blanks of their own relations already.
    if (!decisions.every(Boolean)) return;
    for (const side of ['child', 'parent']) {
      const [from, into] = side === 'child' ? [child, parent] : [parent, child];
      for (const layer of LAYERS) {
        for (const name of PERSONAS) {
          // The child's row is planted together with its parent's, and both hold the word.
          const planted = await this.bench.plant(decisions[0], this.people);
          const { row, canary } = planted;
          const start = side === 'child' ? row : { ...row, ...(await this.parentOf(key, row, parent)) };
          const given = { from, into, key: key.name, row: start, canary, who: this.people[name], layer };
          const { in: found, status, told } = await embedded(this.bench, given);
          await this.bench.uproot(planted);
          const may = decisions.every((decision) => decision.select?.includes(name));
          const subject = `${from.name} embeds ${into.name}`;
          const leak = !decisions.some((decision) => decision.select?.includes(name)) && told.includes(canary);
          this.put({ kind: 'embed', subject, verb: 'select', layer, name, found, status, expected: may, leak });
        }
      }
    }
  }

  async parentOf(key, row, parent) {
    const [found] = await this.sql(
      `select array_agg(a.attname::text order by k.at) as child, array_agg(b.attname::text order by k.at) as parent
       from pg_constraint r, unnest(r.conkey, r.confkey) with ordinality as k (child, parent, at)
       join pg_attribute a on true join pg_attribute b on true
       where r.conname = $1 and r.conrelid = $2::regclass and a.attrelid = r.conrelid and a.attnum = k.child
         and b.attrelid = r.confrelid and b.attnum = k.parent`,
      [key.name, key.child],
    );
    const conditions = found.parent.map((name, at) => `"${name}"::text = $${at + 1}`).join(' and ');
    const values = found.child.map((name) => `${row[name]}`);
    const [made] = await this.sql(`select to_jsonb(t) as row from ${parent.name} as t where ${conditions}`, values);
    return made.row;
  }

  async function(made) {
    const decision = this.decided.functions[made.name];
    if (!decision) {
      this.blank('function', made.name, 'execute');
      return;
    }
    for (const layer of decision.vouched ? [...LAYERS, 'vouched'] : LAYERS) {
      // The owner has a row in every relation: a definer's function is the one way past the policies.
      let rows = await this.rowsOfOwner();
      for (const name of layer === 'vouched' ? ANYBODY : PERSONAS) {
        const allowed = decision[layer]?.execute ?? decision.execute;
        const given = { made, decision, who: this.people[name], layer, rows };
        const { in: found, status, untried, told } = await executed(this.bench, given);
        const leak = await this.toldOrChanged({ rows, name, told, may: decision.touches ?? [] });
        const cell =
          layer === 'vouched'
            ? { kind: 'function', subject: made.name, verb: 'execute, vouched for', layer: 'database', name }
            : { kind: 'function', subject: made.name, verb: 'execute', layer, name };
        this.put({ ...cell, found, status, expected: allowed?.includes(name), untried, leak });
        rows = await this.untouched(rows);
      }
      await this.uprooted(rows);
    }
  }

  /** The rows for the next one who tries: the same, or new ones where one has been changed or is gone. */
  async untouched(rows) {
    for (const { relation, planted } of rows) {
      const now = await this.bench.now(relation, planted.row);
      if (JSON.stringify(now) !== JSON.stringify(planted.row)) {
        await this.uprooted(rows);
        return this.rowsOfOwner();
      }
    }
    return rows;
  }

  async uprooted(rows) {
    for (const { planted } of [...rows].reverse()) await this.bench.uproot(planted);
  }

  async rowsOfOwner() {
    const rows = [];
    for (const [name, decision] of Object.entries(this.decided.relations)) {
      const there = this.there.find((each) => each.name === name);
      const relation = there && { ...there, key: decision.key ?? there.key };
      if (relation) rows.push({ relation, decision, planted: await this.bench.plant(decision, this.people) });
    }
    // As they are now: one row may have counted another.
    for (const { relation, planted } of rows) planted.row = await this.bench.now(relation, planted.row);
    return rows;
  }

  /** Whether a call has told of a row that its caller may not read, or changed one that the caller may not change. */
  async toldOrChanged({ rows, name, told, may }) {
    for (const { relation, decision, planted } of rows) {
      if (!decision.select?.includes(name) && told.includes(planted.canary)) return true;
      if (decision.update?.includes(name) || may.includes(relation.name)) continue;
      const now = await this.bench.now(relation, planted.row);
      if (JSON.stringify(now) !== JSON.stringify(planted.row)) return true;
    }
    return false;
  }

  /**
   * What a purpose endpoint asks the database: whether the answer depends on what the edge has verified has to be decided. If it
   * does, the edge calls the function as itself, and nobody else may.
   */
  async endpoint({ method, path, calls }, functions) {
    const endpoint = { subject: `${method} ${path}`, ...calls };
    this.endpoints.push(endpoint);
    const made = functions.find(({ schema, function: name }) => `${schema}.${name}` === calls.function);
    const decision = made && this.decided.functions[made.name];
    endpoint.depends = decision?.depends;
    if (endpoint.depends === undefined) endpoint.fault = 'undecided';
    else if ((endpoint.depends === null) !== (calls.identity === 'caller')) endpoint.fault = 'identity';
    else if (endpoint.depends !== null) {
      const [{ others }] = await this.sql(
        `select array(
          select r from unnest(array['anon', 'authenticated', 'service_role']) as r where has_function_privilege(r, $1::regprocedure, 'execute')
        ) as others`,
        [made.name],
      );
      if (others.length > 0) endpoint.fault = 'granted';
    }
  }

  async route({ method, path: pattern }, shown) {
    const subject = `${method} ${pattern}`;
    const decision = this.decided.routes[subject];
    if (!decision) {
      this.blank('route', subject, 'call', CREDENTIALS);
      return;
    }
    for (const name of CREDENTIALS) {
      const body = decision.body?.(`call-${crypto.randomUUID()}`);
      const sent = body && JSON.stringify(body);
      const credential = typeof shown[name] === 'function' ? shown[name](sent ?? '') : shown[name];
      const headers = { ...(body && { 'content-type': 'application/json' }), ...credential };
      const url = this.system.edge_url + (decision.path ?? pattern);
      const answer = await fetch(url, { method, headers, body: sent, redirect: 'manual' });
      const text = await answer.text();
      // What the edge's second stage says is about the credential, and so is what onboarding says of a session's token;
      // everything else is not.
      const found = !/"code":"(RG2\d\d|RG530)"/.test(text);
      const expected = decision.call === 'everybody' || decision.call?.includes(name);
      this.put({ kind: 'route', subject, verb: 'call', layer: 'edge', name, found, status: answer.status, expected });
    }
  }

  blank(kind, subject, verb, names = PERSONAS) {
    for (const name of names) this.put({ kind, subject, verb, layer: 'edge', name });
  }

  /** What was decided about something that is not there: a name that was changed, or a leftover. */
  stale(there) {
    const known = new Set([...PERSONAS, ...CREDENTIALS]);
    const absent = Object.keys(this.decided).flatMap((kind) =>
      Object.keys(this.decided[kind]).filter((name) => !there[kind].includes(name)),
    );
    const columns = Object.entries(this.decided.relations).flatMap(([name, decision]) => {
      const own = there.columns[name] ?? [];
      return Object.keys(decision.columns ?? {})
        .filter((column) => !own.includes(column))
        .map((column) => `${name}.${column}`);
    });
    const lists = Object.values(this.decided).flatMap((all) =>
      Object.entries(all).flatMap(([name, one]) => named(name, one)),
    );
    const strangers = lists.filter(([, who]) => !known.has(who)).map(([name, who]) => `${who}, of ${name}`);
    return [...new Set([...absent, ...columns, ...strangers, ...overlooked(this.systems)])];
  }
}

/** Lists of a decision that hold columns or relations. */
const NO_PERSONAS = ['key', 'touches'];

/** The names in a decision's lists, with what was decided. */
const named = (name, value) => {
  if (Array.isArray(value)) return value.map((who) => [name, who]);
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, one]) => (NO_PERSONAS.includes(key) ? [] : named(name, one)));
};

const each = async (items, work) => {
  const left = [...items];
  const worker = async () => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
};

/**
 * Tries everything on a running system. It plants rows and removes them.
 * @param {{system: {edge_url: string, postgrest_url: string, database_url: string, issuer: string, keys: object}, systems: object, only?: RegExp, say?: (line: string) => void}} options
 * only: names of relations, functions and routes that are tried; of others nothing is said
 * @returns {Promise<{cells: object[], stale: string[]}>} cells: kind, subject, verb, layer, name, status, found, expected, verdict
 */
export const prove = async ({ system, systems, only, say = () => {} }) => {
  const pool = new pg.Pool({ connectionString: system.database_url, max: 10 });
  const sql = async (text, values) => (await pool.query(text, values)).rows;
  try {
    const people = await personas(system, sql);
    const matrix = new Matrix({ system, systems, sql, pool, people });
    const { relations, foreignKeys, functions } = await exposed(sql);
    const listed = routes();
    const wanted = (items, name) => items.filter((item) => only?.test(name(item)) ?? true);
    say(`${relations.length} relations, ${functions.length} functions, ${listed.length} routes`);
    const tried = wanted(relations, ({ name }) => name);
    const isAlone = ({ name }) => matrix.decided.relations[name]?.alone === true;
    await each(
      tried.filter((relation) => !isAlone(relation)),
      (relation) => matrix.relation(relation),
    );
    // Those of which a user has only one row, and those in which one user's writes wait for each other, and not for long.
    for (const relation of tried.filter(isAlone)) await matrix.relation(relation);
    await each(
      wanted(foreignKeys, ({ child }) => child),
      (key) => matrix.foreignKey(key, relations),
    );
    matrix.there = relations;
    // One after the other: each plants rows of the same owner.
    for (const made of wanted(functions, ({ name }) => name)) await matrix.function(made);
    const shown = await credentials(system, people);
    await each(
      wanted(listed, ({ method, path }) => `${method} ${path}`),
      (route) => matrix.route(route, shown),
    );
    const asking = listed.filter(({ calls }) => calls);
    for (const route of wanted(asking, ({ method, path }) => `${method} ${path}`)) {
      await matrix.endpoint(route, functions);
    }
    for (const { cleanUp } of Object.values(systems)) await cleanUp?.(sql, Object.values(people));
    const stale = matrix.stale({
      relations: relations.map(({ name }) => name),
      functions: functions.map(({ name }) => name),
      routes: listed.map(({ method, path }) => `${method} ${path}`),
      columns: Object.fromEntries(relations.map(({ name, columns }) => [name, columns])),
    });
    return { cells: matrix.cells, endpoints: matrix.endpoints, stale };
  } finally {
    await pool.end();
  }
};
