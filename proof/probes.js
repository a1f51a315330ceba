// One attempt each, judged by what it did to the database and not by its answer: a row that was read, made, changed or deleted.
import { randomUUID } from 'node:crypto';

const quoted = (name) =>
  name
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');

/** The condition that finds a row by its key, which is parameter `at`, and that parameter. */
const keyed = (relation, row, at = 1) => [
  relation.key
    .map((name) => `"${name}" = (jsonb_populate_record(null::${quoted(relation.name)}, $${at}::jsonb))."${name}"`)
    .join(' and '),
  Object.fromEntries(relation.key.map((name) => [name, row[name]])),
];

/** What the attempts are made on: the database as its owner sees it, and the two addresses. */
export class Target {
  /** @param {{edge_url: string, postgrest_url: string}} system @param {(text: string, values?: unknown[]) => Promise<object[]>} sql */
  constructor(system, sql) {
    this.bases = {
      edge: `${system.edge_url}/rest/v1`,
      database: system.postgrest_url,
      vouched: system.postgrest_url,
    };
    this.sql = sql;
  }

  /** Sends, as somebody, through the edge or past it. */
  async ask(who, layer, { schema, path, method = 'GET', json, headers = {} }) {
    const profile = method === 'GET' ? 'accept-profile' : 'content-profile';
    const response = await fetch(this.bases[layer] + path, {
      method,
      headers: {
        [profile]: schema,
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...who.headers[layer],
        ...headers,
      },
      body: json === undefined ? undefined : JSON.stringify(json),
    });
    const text = await response.text();
    return { status: response.status, text, shown: `${text}\n${[...response.headers].flat().join('\n')}` };
  }

  /** Puts a row into a table, past every policy; gives it whole, and notes it among what was made. */
  async add(table, row, made) {
    const names = Object.keys(row);
    const list = names.map((name) => `"${name}"`).join(', ');
    const [{ whole }] = await this.sql(
      `insert into ${quoted(table)} as t (${list})
       select ${list} from jsonb_populate_record(null::${quoted(table)}, $1) returning to_jsonb(t) as whole`,
      [row],
    );
    made.push([table, whole]);
    return whole;
  }

  /** Adds a row of the relation that belongs to the owner and holds a marker that nobody else may ever be shown. */
  async addFixture(decision, people) {
    const marker = `marker-${randomUUID()}`;
    const made = [];
    const row = await decision.fixture((table, values) => this.add(table, values, made), people, marker, this.sql);
    return { row, marker, made };
  }

  /** Removes the rows of a fixture, the last first. */
  async removeFixture({ made }) {
    for (const [table, whole] of [...made].reverse()) {
      if ('id' in whole) {
        const [where, key] = keyed({ name: table, key: ['id'] }, whole);
        await this.sql(`delete from ${quoted(table)} where ${where}`, [key]);
        continue;
      }
      const names = Object.keys(whole).filter((name) => name.endsWith('_id'));
      const key = Object.fromEntries(names.map((name) => [name, whole[name]]));
      await this.sql(`delete from ${quoted(table)} as t where to_jsonb(t) @> $1`, [key]);
    }
  }

  filter(relation, row) {
    return relation.key.map((name) => `${name}=eq.${encodeURIComponent(row[name])}`).join('&');
  }

  /** Brings a fixture's row into another state, past every policy; gives it whole. */
  async change(relation, row, state) {
    const table = quoted(relation.name);
    const list = Object.keys(state).map((name) => `"${name}"`);
    const [where, key] = keyed(relation, row);
    const fields = list.map((name) => `${name} = (jsonb_populate_record(null::${table}, $2)).${name}`);
    await this.sql(`update ${table} set ${fields.join(', ')} where ${where}`, [key, state]);
    return this.now(relation, row);
  }

  /** A row as it is now; nothing where it is gone. */
  async now(relation, row) {
    const [where, key] = keyed(relation, row);
    const [found] = await this.sql(`select to_jsonb(t) as row from ${quoted(relation.name)} as t where ${where}`, [
      key,
    ]);
    return found?.row;
  }

  /** Many rows as they are now, by one query: the same relations at each call. */
  async allNow(rows) {
    const found = rows.map(({ relation, fixture }, at) => keyed(relation, fixture.row, at + 1));
    const list = rows.map(
      ({ relation }, at) => `(select to_jsonb(t) from ${quoted(relation.name)} as t where ${found[at][0]} limit 1)`,
    );
    const text = `select array[${list.join(', ')}] as rows`;
    const [{ rows: now }] = await this.sql({ name: 'all rows', text, values: found.map(([, key]) => key) });
    return now;
  }
}

const held = (row, marker) => JSON.stringify(row ?? null).includes(marker);

/** The rows of an answer; an error has none. */
const rowsOf = ({ status, text }) => (status < 300 ? JSON.parse(text) : []);

/** The verbs of a relation: each gives `{in, status, shown}`. */
export const VERBS = {
  select: async (target, { relation, row, who, layer, marker }) => {
    const path = `/${relation.relation}?${target.filter(relation, row)}`;
    const answer = await target.ask(who, layer, { schema: relation.schema, path });
    return { ...answer, in: rowsOf(answer).length > 0 || answer.text.includes(marker) };
  },
  insert: (target, given) => inserted(target, given, (word) => given.decision.draft(given.who, word, given.people)),
  'insert for another': (target, given) =>
    inserted(target, given, (word) => given.decision.forAnother(given.people, word)),
  update: async (target, { relation, decision, row, who, layer }) => {
    const path = `/${relation.relation}?${target.filter(relation, row)}`;
    const answer = await target.ask(who, layer, {
      schema: relation.schema,
      path,
      method: 'PATCH',
      json: decision.change,
    });
    const now = await target.now(relation, row);
    const changed = Object.entries(decision.change).every(([name, value]) => `${now?.[name]}` === `${value}`);
    return { ...answer, in: changed };
  },
  delete: async (target, { relation, row, who, layer }) => {
    const path = `/${relation.relation}?${target.filter(relation, row)}`;
    const answer = await target.ask(who, layer, { schema: relation.schema, path, method: 'DELETE' });
    return { ...answer, in: (await target.now(relation, row)) === undefined };
  },
};

const inserted = async (target, { relation, who, layer }, make) => {
  const id = randomUUID();
  const word = `draft-${id}`;
  const path = `/${relation.relation}`;
  const json = make(word);
  const answer = await target.ask(who, layer, { schema: relation.schema, path, method: 'POST', json });
  // Found by its word, or by the id in it where the row has no text: others may be adding rows meanwhile.
  const made = `${quoted(relation.name)} as t where to_jsonb(t)::text like $1`;
  const [{ there }] = await target.sql(`select count(*)::int as there from ${made}`, [`%${id}%`]);
  if (there > 0) await target.sql(`delete from ${made}`, [`%${id}%`]);
  return { ...answer, in: there > 0 };
};

/** Whether an embedded row, or one of a list of them, is this one by its key. */
const isAmong = (found, { key, row }) =>
  [found ?? []].flat().some((each) => key.every((name) => JSON.stringify(each[name]) === JSON.stringify(row[name])));

/** Reads the fixture's row through a foreign key, in either direction; `child` is the row that a parent embeds. */
export const embedded = async (target, { from, into, embed, key, row, child, who, layer, marker }) => {
  const path = `/${from.relation}?select=*,embedded:${embed ?? `${into.relation}!${key}`}(*)&${target.filter(from, row)}`;
  const answer = await target.ask(who, layer, { schema: from.schema, path });
  const isShown = (each) => (child ? isAmong(each.embedded, child) : held(each.embedded, marker));
  return { ...answer, in: rowsOf(answer).some(isShown) };
};

/** Statuses of who may not. A function that is refused its arguments has been called. */
const KEPT_OUT = [401, 403];
/** What PostgREST says where it knows no such function: nothing was tried. */
const UNKNOWN = 'PGRST202';
/** What the edge says of a schema that it does not serve. */
const NOT_SERVED = 'PGRST106';

/** Calls a function. */
export const executed = async (target, { made, decision, who, layer, rows }) => {
  const fixtures = Object.fromEntries(rows.map(({ relation, fixture: { row } }) => [relation.name, row]));
  const blank = Object.fromEntries(made.arguments.map((name) => [name, null]));
  const json = decision.arguments?.(`call-${randomUUID()}`, fixtures) ?? blank;
  const path = `/rpc/${made.function}`;
  const answer = await target.ask(who, layer, { schema: made.schema, path, method: 'POST', json });
  const refused = KEPT_OUT.includes(answer.status) || answer.text.includes(NOT_SERVED);
  return { ...answer, in: !refused, untried: answer.text.includes(UNKNOWN) };
};

/**
 * Whether a statement was refused for want of a right, by a function's word of 401 or 403, or because nobody can write the column.
 * Any other error came after the right had been granted, a policy's too.
 */
const isRefusal = ({ code, message, detail }) =>
  ['428C9', '0A000'].includes(code) ||
  (code === '42501' && /^permission denied/.test(message)) ||
  (code === 'PGRST' && KEPT_OUT.includes(JSON.parse(detail).status));

/**
 * Whether somebody can give rows of the owner's to somebody else, in a transaction that is rolled back and in which everybody
 * may write the column of the owner: then the policies alone stand in the way. Without a condition, for reading a column would
 * bring the policies of `select` into it.
 */
export const givenAway = async (connection, { relation, decision, who, people }) => {
  const table = quoted(relation.name);
  await connection.query('begin');
  try {
    await connection.query(`grant update on ${table} to anon, authenticated, edge`);
    const claims = { sub: who.sub, role: who.role, ...who.claims };
    await connection.query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
      who.role,
      JSON.stringify(claims),
    ]);
    const { rowCount } = await connection.query(`update ${table} set "${decision.owner}" = $1`, [people.stranger.sub]);
    return rowCount > 0;
  } catch (error) {
    if (!error.code) throw error;
    // Any other rule that was broken was broken by a row that could be written.
    return error.code !== '42501';
  } finally {
    await connection.query('rollback');
  }
};

/**
 * Which columns somebody may write, in a transaction of the database's that is rolled back: 'insert' and 'update' by column.
 * It is what PostgREST would do in this persona's name: its role and claims, a statement with that one column.
 */
export const writable = async (connection, { relation, decision, row, who, people }) => {
  const table = quoted(relation.name);
  const query = (text, values) => connection.query(text, values);
  const attempt = async (text, values) => {
    try {
      const { rowCount } = await query(text, values);
      return rowCount > 0;
    } catch (error) {
      return !isRefusal(error);
    } finally {
      // The savepoint stays.
      await query('rollback to savepoint attempt');
    }
  };
  const found = [];
  await query('begin');
  try {
    const claims = { sub: who.sub, role: who.role, ...who.claims };
    await query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
      who.role,
      JSON.stringify(claims),
    ]);
    await query('savepoint attempt');
    const draft = decision.draft(who, `draft-${randomUUID()}`, people);
    const [where, key] = keyed(relation, row, 2);
    for (const column of relation.columns) {
      const own = column in draft ? draft : { ...draft, [column]: decision.sample?.[column]?.(who) ?? row[column] };
      const list = Object.keys(own)
        .map((name) => `"${name}"`)
        .join(', ');
      const insert = `insert into ${table} (${list}) select ${list} from jsonb_populate_record(null::${table}, $1)`;
      found.push({ column, verb: 'insert', in: await attempt(insert, [own]) });
      const update = `update ${table} set "${column}" = (jsonb_populate_record(null::${table}, $1))."${column}" where ${where}`;
      found.push({ column, verb: 'update', in: await attempt(update, [row, key]) });
      // Of any row that this persona finds there.
      found.push({ column, verb: 'read', in: await attempt(`select "${column}" from ${table} limit 1`, []) });
    }
  } finally {
    await query('rollback');
  }
  return found;
};
