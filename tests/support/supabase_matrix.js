// The tables and views of a schema through supabase-js, unmodified: each verb, each column as a filter, each foreign key as an embed, and
// counts. What exists comes from the catalog, so that a new table is in the matrix; who may do what is the proof's to try.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import ws from 'ws';
import { as, close, made, sql, stack, userToken } from './stack.js';

const RELATIONS = `select c.relname as name, c.relkind = 'v' as is_view,
    array(select jsonb_build_object('name', a.attname, 'type', format_type(a.atttypid, null),
      'read', has_column_privilege('authenticated', c.oid, a.attnum, 'select'),
      'insert', has_column_privilege('authenticated', c.oid, a.attnum, 'insert'),
      'update', has_column_privilege('authenticated', c.oid, a.attnum, 'update'))
      from pg_attribute as a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped order by a.attnum) as columns,
    has_table_privilege('authenticated', c.oid, 'delete') as may_delete,
    has_any_column_privilege('anon', c.oid, 'select') as is_public
  from pg_class as c where c.relnamespace = $1::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition
  order by c.relname`;
/** Not those of a table to itself: PostgREST names such embeds by columns, and the proof tries them. */
const KEYS = `select r.conname as name, c.relname as child, p.relname as parent
  from pg_constraint as r join pg_class as c on c.oid = r.conrelid join pg_class as p on p.oid = r.confrelid
  where r.contype = 'f' and r.connamespace = $1::regnamespace and p.relnamespace = $1::regnamespace and not c.relispartition
    and r.conparentid = 0 and c.oid <> p.oid`;

const good = ({ data, error, status }, what) => {
  assert.equal(error, null, `${what} ${status} ${JSON.stringify(error)}`);
  return data;
};
const keyOf = ({ columns }) => (columns.some(({ name }) => name === 'id') ? 'id' : columns[0].name);

/** A client of the token's holder; without one, of the publishable key. */
const clientOf = (schema, bearer) =>
  createClient(stack.edge_url, made.publishable_key, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: ws },
    db: { schema },
    ...(bearer && { accessToken: async () => bearer }),
  });

/** A column is a filter, with each operator that fits its type. */
const filter = async (from, key, row, column) => {
  const value = row[column.name];
  const select = () => from().select(`${key}, ${column.name}`).eq(key, row[key]);
  const found = async (query) => good(await query, column.name).length;
  assert.ok((await found(select().order(column.name, { ascending: false, nullsFirst: true }).limit(9))) > 0);
  if (value === null) {
    assert.equal(await found(select().is(column.name, null)), 1);
    assert.equal(await found(select().not(column.name, 'is', null)), 0);
  } else if (column.type === 'jsonb') {
    assert.equal(await found(select().contains(column.name, JSON.stringify(value))), 1);
    assert.equal(await found(select().contains(column.name, '{"no": "such"}')), 0);
  } else if (column.type.endsWith('[]')) {
    assert.equal(await found(select().not(column.name, 'is', null)), 1);
  } else {
    assert.equal(await found(select().eq(column.name, value)), 1);
    assert.equal(await found(select().neq(column.name, value)), 0);
    // An empty text is no item of a list.
    if (value !== '') assert.equal(await found(select().in(column.name, [value])), 1);
    assert.equal(await found(select().gte(column.name, value).lte(column.name, value)), 1);
    assert.equal(await found(select().or(`${column.name}.is.null,${key}.eq.${row[key]}`)), 1);
    if (column.type === 'text') assert.equal(await found(select().ilike(column.name, `${value.slice(0, 3)}*`)), 1);
  }
};

/**
 * The tests of a schema. `fill(query, owner)` gives a user rows in every table, in a transaction; `erase(owner)` removes them. `unique` are
 * columns that a second row may not share with the first; `hasPublic` says that strangers see some rows; `refusals` are statuses with which
 * a rule may refuse to delete a row that the owner may delete otherwise.
 */
export const supabaseMatrix = async ({ schema, fill, erase, unique = [], hasPublic = false, refusals = [409] }) => {
  const owner = randomUUID();
  const relations = await sql(RELATIONS, [schema]);
  const keys = await sql(KEYS, [schema]);
  const nobody = clientOf(schema);
  let signedIn;
  let stranger;
  /** What the owner sees of each relation: one row. */
  const rowsOf = {};

  before(async () => {
    await as({ role: 'none' }, (query) => fill(query, owner));
    signedIn = clientOf(schema, await userToken(owner));
    stranger = clientOf(schema, await userToken());
  });
  after(async () => {
    await erase(owner);
    await close();
  });

  for (const relation of relations) {
    const { name, columns } = relation;
    const from = () => signedIn.from(name);
    const key = keyOf(relation);

    test(`${name}: select, with every column, filter, order, range, count`, async (t) => {
      const all = good(await from().select('*').order(key).limit(5), name);
      assert.ok(all.length > 0, 'the owner sees a row');
      const [row] = all;
      rowsOf[name] = row;
      assert.deepEqual(
        Object.keys(row),
        columns.map((column) => column.name),
      );
      await t.test('counts', async () => {
        for (const count of ['exact', 'planned', 'estimated']) {
          const answer = await from().select('*', { count, head: true });
          assert.ok(answer.error === null && answer.count >= (count === 'exact' ? 1 : 0), count);
        }
        const page = await from().select(key, { count: 'exact' }).order(key).range(0, 0);
        assert.deepEqual([page.data.length, page.status], [1, page.count > 1 ? 206 : 200]);
        assert.deepEqual(good(await from().select(key).range(5000, 5001), 'beyond the end'), []);
      });
      // Without an id there may be more rows of the key.
      if (key !== 'id' && good(await from().select(key).eq(key, row[key]), key).length > 1) return;
      await t.test('one row', async () => {
        const one = () => from().select('*').eq(key, row[key]);
        assert.deepEqual(good(await one().limit(1).single()), row);
        assert.deepEqual(good(await one().limit(1).maybeSingle()), row);
        assert.equal((await one().limit(1).csv()).error, null);
      });
      for (const column of columns) await t.test(`by ${column.name}`, () => filter(from, key, row, column));
    });

    test(`${name}: others see what is public, and nobody what is not`, async () => {
      const row = rowsOf[name];
      const theirs = await stranger.from(name).select('*', { count: 'exact' }).eq(key, row[key]);
      const anons = await nobody.from(name).select('*', { count: 'exact' }).eq(key, row[key]);
      if (hasPublic && relation.is_public) {
        assert.deepEqual([theirs.count, anons.count], [1, 1], JSON.stringify(anons.error));
      } else if (hasPublic) {
        assert.ok([0, 1].includes(theirs.count));
        if (columns.some((column) => column.name === 'user_id')) assert.deepEqual(theirs.data, []);
        assert.ok([401, 403].includes(anons.status) || anons.data?.length === 1, `${anons.status}`);
      } else {
        const all = await stranger.from(name).select('*', { count: 'exact' });
        assert.deepEqual([all.data, all.count, theirs.data], [[], 0, []]);
        assert.ok([401, 403].includes(anons.status), `${anons.status}`);
      }
    });

    if (relation.is_view) {
      test(`${name}: a view is read only`, async () => {
        const change = { [key]: randomUUID() };
        for (const answer of [
          await from().insert(change),
          await from().update(change).eq(key, randomUUID()),
          await from().delete().eq(key, randomUUID()),
        ])
          assert.ok([400, 403, 405].includes(answer.status), `${answer.status}`);
      });
      continue;
    }

    test(`${name}: insert, upsert, update and delete work where they are granted, column by column`, async () => {
      const row = rowsOf[name];
      const granted = columns.filter((column) => column.insert).map((column) => column.name);
      const fresh = (column) =>
        unique.includes(column) && row[column] !== null ? `fresh ${randomUUID()}` : row[column];
      const mine =
        granted.length > 0
          ? Object.fromEntries(granted.map((column) => [column, fresh(column)]))
          : { [key]: randomUUID() };
      const inserted = await from().insert(mine).select();
      const upserted = await from().upsert(mine).select();
      if (granted.length > 0) {
        assert.deepEqual([inserted.status, inserted.data?.length], [201, 1], JSON.stringify(inserted.error));
        // A row that exists may be refused in words of its own.
        assert.ok(upserted.status < 500, JSON.stringify(upserted.error));
      } else {
        assert.deepEqual([inserted.error?.code, upserted.error?.code], ['42501', '42501']);
      }
      for (const { name: column, update } of columns) {
        const change = { [column]: row[column] };
        const answer = await from().update(change, { count: 'exact' }).eq(key, row[key]);
        if (update) assert.deepEqual([answer.error, answer.count >= 1], [null, true], column);
        else assert.ok(['42501', '428C9'].includes(answer.error?.code), `${column} ${JSON.stringify(answer.error)}`);
        const theirs = await stranger.from(name).update(change, { count: 'exact' }).eq(key, row[key]);
        assert.ok(theirs.error || theirs.count === 0, `a stranger, ${column}`);
      }
      const theirs = await stranger.from(name).delete({ count: 'exact' }).eq(key, row[key]);
      assert.ok(theirs.error || theirs.count === 0);
      assert.ok((await nobody.from(name).delete().eq(key, row[key])).status >= 400);
      // What a rule refuses is not restored: the rows go last.
    });
  }

  for (const { name, child, parent } of keys) {
    test(`${child} and ${parent} embed each other by ${name}`, async () => {
      const up = await signedIn.from(child).select(`*, embedded:${parent}!${name}(*)`).limit(10);
      const above = good(up, 'parent').find(({ embedded }) => embedded !== null);
      assert.ok(above);
      const down = await signedIn
        .from(parent)
        .select(`*, embedded:${child}!${name}!inner(*)`, { count: 'exact' })
        .limit(10);
      assert.ok(good(down, 'children').length > 0 && down.count > 0 && down.data[0].embedded.length > 0);
      const select = stranger.from(child).select(`*, embedded:${parent}!${name}(*)`);
      const none = await (hasPublic ? select.eq('id', above.id) : select);
      assert.ok(none.error || none.data.length === 0);
    });
  }

  test('rows are deleted where that is granted', async () => {
    for (const relation of relations.filter(({ is_view: isView }) => !isView).toReversed()) {
      const { name } = relation;
      const key = keyOf(relation);
      const answer = await signedIn.from(name).delete({ count: 'exact' }).eq(key, rowsOf[name][key]);
      if (relation.may_delete)
        assert.ok(answer.error === null || refusals.includes(answer.status), `${name} ${JSON.stringify(answer.error)}`);
      else assert.equal(answer.error?.code, '42501', name);
    }
  });
};
