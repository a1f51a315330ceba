// The matrix: everything that the catalog and the routes list, times everybody, times every verb; what was decided beside what
// was found. A cell is blank where nothing was decided, and red where it was decided otherwise.
import { spawnSync } from 'node:child_process';
import pg from 'pg';
import { root } from '../dev/paths.js';
import { bundleText } from '../dev/systems.js';
import { exposed } from './catalog.js';
import { CREDENTIALS, credentials } from './credentials.js';
import { ANYBODY, PERSONAS, personas } from './personas.js';
import { embedded, executed, givenAway, Target, VERBS, writable } from './probes.js';

/** Through the edge, and past it: what the edge keeps out PostgREST and the database must keep out, too. */
export const LAYERS = ['edge', 'database'];

const AT_ONCE = 4;

let listed;
/** The routes that the bundle has, as its own code lists them. */
export const routes = () => {
  listed ??= listRoutes();
  return listed;
};

const listRoutes = () => {
  const args = ['run', '--quiet', '--locked', '--example', 'routes'];
  const done = spawnSync('cargo', args, { cwd: root, encoding: 'utf8', input: bundleText() });
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
      'fixture',
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

/** Whether two rows are the same, or both absent. */
const same = (one, other) => JSON.stringify(one ?? null) === JSON.stringify(other ?? null);

class Matrix {
  constructor({ system, systems, sql, pool, people, stopping }) {
    Object.assign(this, { system, systems, sql, pool, people, stopping, cells: [], endpoints: [] });
    this.target = new Target(system, sql);
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
      for (const layer of LAYERS) await this.verb({ relation, decision, verb, probe, layer });
    }
    // A policy may be right for a row as it is made, and wrong for what becomes of it.
    for (const state of Object.keys(decision.states ?? {})) {
      for (const verb of ['select', 'update', 'delete']) {
        await this.verb({ relation, decision, verb, probe: VERBS[verb], layer: 'database', state });
      }
    }
    await this.columns(relation, decision);
  }

  /** One verb, by everybody. A fixture serves until an attempt has changed its row. */
  async verb({ relation, decision, verb, probe, layer, state }) {
    const allowed = decision[layer]?.[verb] ?? decision[verb];
    const cell = { kind: 'relation', subject: relation.name, verb: state ? `${verb}, ${state}` : verb, layer };
    let fixture;
    for (const name of PERSONAS) {
      this.stopping?.throwIfAborted();
      fixture ??= await this.fixtureIn(state, relation, decision);
      const given = { relation, decision, ...fixture, layer, who: this.people[name], people: this.people };
      const { in: found, status, shown } = await probe(this.target, given);
      const leak = !decision.select?.includes(name) && shown.includes(fixture.marker);
      this.put({ ...cell, name, found, status, expected: allowed?.includes(name), leak });
      if (!same(await this.target.now(relation, fixture.row), fixture.before)) {
        await this.target.removeFixture(fixture);
        fixture = undefined;
      }
    }
    if (fixture) await this.target.removeFixture(fixture);
  }

  /** A fixture, in a state if one is named; `before` is its row as the relation shows it. */
  async fixtureIn(state, relation, decision) {
    const fixture = await this.target.addFixture(decision, this.people);
    if (state) fixture.row = await this.target.change(relation, fixture.row, decision.states[state]);
    return { ...fixture, before: await this.target.now(relation, fixture.row) };
  }

  async columns(relation, decision) {
    const fixture = await this.target.addFixture(decision, this.people);
    const { row } = fixture;
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
    await this.target.removeFixture(fixture);
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
      const embed = key.child === key.parent ? await this.embedOfItself(key, side) : undefined;
      // PostgREST has no words for it.
      if (embed === null) continue;
      const [from, into] = side === 'child' ? [child, parent] : [parent, child];
      // The child's fixture has a parent, which holds the marker. Reading changes neither.
      const fixture = await this.target.addFixture(decisions[0], this.people);
      const { row, marker } = fixture;
      const start = side === 'child' ? row : { ...row, ...(await this.parentOf(key, row, parent)) };
      const embeddedChild = side === 'parent' ? { key: decisions[0].key ?? child.key, row } : undefined;
      for (const layer of LAYERS) {
        for (const name of PERSONAS) {
          const reading = { from, into, embed, key: key.name, row: start, child: embeddedChild, marker };
          const given = { ...reading, who: this.people[name], layer };
          const { in: found, status, shown } = await embedded(this.target, given);
          const may = decisions.every((decision) => decision.select?.includes(name));
          const subject = `${from.name} embeds ${into.name}`;
          const leak = !decisions.some((decision) => decision.select?.includes(name)) && shown.includes(marker);
          this.put({ kind: 'embed', subject, verb: 'select', layer, name, found, status, expected: may, leak });
        }
      }
      await this.target.removeFixture(fixture);
    }
  }

  /** How PostgREST reads a table in itself: its children by the table's name, the parent by the key's column, if it has only one. */
  async embedOfItself(key, side) {
    if (side === 'parent') return key.child.split('.')[1];
    const columns = await this.sql(
      `select a.attname::text as name from pg_constraint as r join pg_attribute as a on a.attrelid = r.conrelid and a.attnum = any (r.conkey)
       where r.conname = $1 and r.conrelid = $2::regclass`,
      [key.name, key.child],
    );
    return columns.length === 1 ? columns[0].name : null;
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

  /** One function, by everybody. */
  async function(made) {
    const decision = this.decided.functions[made.name];
    if (!decision) {
      this.blank('function', made.name, 'execute');
      return;
    }
    for (const layer of decision.vouched ? [...LAYERS, 'vouched'] : LAYERS) {
      const cell =
        layer === 'vouched'
          ? { kind: 'function', subject: made.name, verb: 'execute, vouched for', layer: 'database' }
          : { kind: 'function', subject: made.name, verb: 'execute', layer };
      const allowed = decision[layer]?.execute ?? decision.execute;
      for (const name of layer === 'vouched' ? ANYBODY : PERSONAS) {
        this.stopping?.throwIfAborted();
        this.rows ??= await this.rowsOfOwner();
        const given = { made, decision, who: this.people[name], layer, rows: this.rows };
        const { in: found, status, untried, shown } = await executed(this.target, given);
        const leak = await this.shownOrChanged({ name, shown, may: decision.touches ?? [] });
        this.put({ ...cell, name, found, status, expected: allowed?.includes(name), untried, leak });
      }
    }
  }

  /**
   * A row of the owner's in every relation: a function with its definer's rights is the one way past the policies. They serve until
   * a call has changed one.
   */
  async rowsOfOwner() {
    const rows = [];
    for (const [name, decision] of Object.entries(this.decided.relations)) {
      const there = this.there.find((each) => each.name === name);
      const relation = there && { ...there, key: decision.key ?? there.key };
      if (relation) rows.push({ relation, decision, fixture: await this.target.addFixture(decision, this.people) });
    }
    // As they are now: one row may have counted another.
    const now = await this.target.allNow(rows);
    for (const [at, { fixture }] of rows.entries()) fixture.row = now[at];
    return rows;
  }

  async removeRows() {
    for (const { fixture } of [...(this.rows ?? [])].reverse()) await this.target.removeFixture(fixture);
    this.rows = undefined;
  }

  /** Whether a call has shown a row that its caller may not read, or changed one that the caller may not change. */
  async shownOrChanged({ name, shown, may }) {
    const now = await this.target.allNow(this.rows);
    const changed = this.rows.filter(({ fixture }, at) => !same(now[at], fixture.row));
    const leak =
      this.rows.some(({ decision, fixture }) => !decision.select?.includes(name) && shown.includes(fixture.marker)) ||
      changed.some(({ relation, decision }) => !decision.update?.includes(name) && !may.includes(relation.name));
    if (changed.length > 0) await this.removeRows();
    return leak;
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
 * Tries everything on a running system. It adds rows and removes them.
 * @param {{system: {edge_url: string, postgrest_url: string, database_url: string, issuer: string, keys: object}, systems: object, only?: RegExp, stopping?: AbortSignal, say?: (line: string) => void}} options
 * only: names of relations, functions and routes that are tried; the others are left out
 * @returns {Promise<{cells: object[], stale: string[]}>} cells: kind, subject, verb, layer, name, status, found, expected, verdict
 */
export const prove = async ({ system, systems, only, stopping, say = () => {} }) => {
  const pool = new pg.Pool({ connectionString: system.database_url, max: 10 });
  const sql = async (text, values) => (await pool.query(text, values)).rows;
  try {
    const people = await personas(system, sql);
    const matrix = new Matrix({ system, systems, sql, pool, people, stopping });
    const { relations, foreignKeys, functions } = await exposed(sql);
    const paths = routes();
    const wanted = (items, name) => items.filter((item) => only?.test(name(item)) ?? true);
    say(`${relations.length} relations, ${functions.length} functions, ${paths.length} routes`);
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
    // One after the other: they share the owner's rows.
    for (const made of wanted(functions, ({ name }) => name)) await matrix.function(made);
    await matrix.removeRows();
    const shown = await credentials(system, people);
    await each(
      wanted(paths, ({ method, path }) => `${method} ${path}`),
      (route) => matrix.route(route, shown),
    );
    const asking = paths.filter(({ calls }) => calls);
    for (const route of wanted(asking, ({ method, path }) => `${method} ${path}`)) {
      await matrix.endpoint(route, functions);
    }
    for (const { cleanUp } of Object.values(systems)) await cleanUp?.(sql, Object.values(people));
    const stale = matrix.stale({
      relations: relations.map(({ name }) => name),
      functions: functions.map(({ name }) => name),
      routes: paths.map(({ method, path }) => `${method} ${path}`),
      columns: Object.fromEntries(relations.map(({ name, columns }) => [name, columns])),
    });
    return { cells: matrix.cells, endpoints: matrix.endpoints, stale };
  } finally {
    await pool.end();
  }
};
