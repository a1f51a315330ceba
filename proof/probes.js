// One attempt each, judged by what it did and not by what it was told: a row that was read, made, changed or is gone.
import { randomUUID } from 'node:crypto';

/** The condition that finds a row by its key, its values numbered from a place on, and the values. */
const keyed = (relation, row, first = 1) => [
  relation.key.map((name, at) => `"${name}"::text = $${at + first}`).join(' and '),
  relation.key.map((name) => `${row[name]}`),
];

const quoted = (name) =>
  name
    .split('.')
    .map((part) => `"${part}"`)
    .join('.');

/** What the attempts are made on: the database as its owner sees it, and the two addresses. */
export class Bench {
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
    return { status: response.status, text, told: `${text}\n${[...response.headers].flat().join('\n')}` };
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

  /** A row of the relation that belongs to the owner and holds a word that nobody else may ever be told. */
  async plant(decision, people) {
    const canary = `canary-${randomUUID()}`;
    const made = [];
    const row = await decision.plant((table, values) => this.add(table, values, made), people, canary, this.sql);
    return { row, canary, made };
  }

  /** Removes what was planted, the last first. */
  async uproot({ made }) {
    for (const [table, whole] of [...made].reverse()) {
      const names = 'id' in whole ? ['id'] : Object.keys(whole).filter((name) => name.endsWith('_id'));
      const key = Object.fromEntries(names.map((name) => [name, whole[name]]));
      await this.sql(`delete from ${quoted(table)} as t where to_jsonb(t) @> $1`, [key]);
    }
  }

  filter(relation, row) {
    return relation.key.map((name) => `${name}=eq.${encodeURIComponent(row[name])}`).join('&');
  }

  /** Brings a planted row into another state, past every policy; gives it whole. */
  async change(relation, row, state) {
    const table = quoted(relation.name);
    const list = Object.keys(state).map((name) => `"${name}"`);
    const [where, values] = keyed(relation, row);
    const fields = list.map(
      (name) => `${name} = (jsonb_populate_record(null::${table}, $${values.length + 1})).${name}`,
    );
    await this.sql(`update ${table} set ${fields.join(', ')} where ${where}`, [...values, state]);
    return this.now(relation, row);
  }

  async now(relation, row) {
    const [where, values] = keyed(relation, row);
    const [found] = await this.sql(
      `select to_jsonb(t) as row from ${quoted(relation.name)} as t where ${where}`,
      values,
    );
    return found?.row;
  }
}

const held = (row, canary) => JSON.stringify(row ?? null).includes(canary);

/** The rows of an answer; an error has none. */
const rowsOf = ({ status, text }) => (status < 300 ? JSON.parse(text) : []);

/** The verbs of a relation: each gives `{in, status, told}`. */
export const VERBS = {
  select: async (bench, { relation, row, who, layer, canary }) => {
    const path = `/${relation.relation}?${bench.filter(relation, row)}`;
    const answer = await bench.ask(who, layer, { schema: relation.schema, path });
    return { ...answer, in: rowsOf(answer).length > 0 || answer.text.includes(canary) };
  },
  insert: (bench, given) => inserted(bench, given, (word) => given.decision.draft(given.who, word, given.people)),
  'insert for another': (bench, given) =>
    inserted(bench, given, (word) => given.decision.forAnother(given.people, word)),
  update: async (bench, { relation, decision, row, who, layer }) => {
    const path = `/${relation.relation}?${bench.filter(relation, row)}`;
    const answer = await bench.ask(who, layer, {
      schema: relation.schema,
      path,
      method: 'PATCH',
      json: decision.change,
    });
    const now = await bench.now(relation, row);
    const changed = Object.entries(decision.change).every(([name, value]) => `${now?.[name]}` === `${value}`);
    return { ...answer, in: changed };
  },
  delete: async (bench, { relation, row, who, layer }) => {
    const path = `/${relation.relation}?${bench.filter(relation, row)}`;
    const answer = await bench.ask(who, layer, { schema: relation.schema, path, method: 'DELETE' });
    return { ...answer, in: (await bench.now(relation, row)) === undefined };
  },
};

const inserted = async (bench, { relation, who, layer }, make) => {
  const word = `draft-${randomUUID()}`;
  const path = `/${relation.relation}`;
  const json = make(word);
  const answer = await bench.ask(who, layer, { schema: relation.schema, path, method: 'POST', json });
  // Found by its word: others may be adding rows meanwhile.
  const made = `${quoted(relation.name)} as t where to_jsonb(t)::text like $1`;
  const [{ there }] = await bench.sql(`select count(*)::int as there from ${made}`, [`%${word}%`]);
  if (there > 0) await bench.sql(`delete from ${made}`, [`%${word}%`]);
  return { ...answer, in: there > 0 };
};

/** Reads the planted row through a foreign key, in either direction. */
export const embedded = async (bench, { from, into, key, row, who, layer, canary }) => {
  const path = `/${from.relation}?select=*,embedded:${into.relation}!${key}(*)&${bench.filter(from, row)}`;
  const answer = await bench.ask(who, layer, { schema: from.schema, path });
  return { ...answer, in: rowsOf(answer).some((each) => held(each.embedded, canary)) };
};

/** Statuses of who may not. A function that is refused its arguments has been called. */
const KEPT_OUT = [401, 403];
/** What PostgREST says where it knows no such function: nothing was tried. */
const UNKNOWN = 'PGRST202';
/** What the edge says of a schema that it does not serve. */
const NOT_SERVED = 'PGRST106';

/** Calls a function. */
export const executed = async (bench, { made, decision, who, layer, rows }) => {
  const planted = Object.fromEntries(rows.map(({ relation, planted: { row } }) => [relation.name, row]));
  const blank = Object.fromEntries(made.arguments.map((name) => [name, null]));
  const json = decision.arguments?.(`call-${randomUUID()}`, planted) ?? blank;
  const path = `/rpc/${made.function}`;
  const answer = await bench.ask(who, layer, { schema: made.schema, path, method: 'POST', json });
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
    await query('savepoint attempt');
    try {
      const { rowCount } = await query(text, values);
      return rowCount > 0;
    } catch (error) {
      return !isRefusal(error);
    } finally {
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
    const draft = decision.draft(who, `draft-${randomUUID()}`, people);
    const [where, values] = keyed(relation, row, 2);
    for (const column of relation.columns) {
      const own = column in draft ? draft : { ...draft, [column]: decision.sample?.[column]?.(who) ?? row[column] };
      const list = Object.keys(own)
        .map((name) => `"${name}"`)
        .join(', ');
      const insert = `insert into ${table} (${list}) select ${list} from jsonb_populate_record(null::${table}, $1)`;
      found.push({ column, verb: 'insert', in: await attempt(insert, [own]) });
      const update = `update ${table} set "${column}" = (jsonb_populate_record(null::${table}, $1))."${column}" where ${where}`;
      found.push({ column, verb: 'update', in: await attempt(update, [row, ...values]) });
      // Of any row that this persona finds there.
      found.push({ column, verb: 'read', in: await attempt(`select "${column}" from ${table} limit 1`, []) });
    }
  } finally {
    await query('rollback');
  }
  return found;
};
