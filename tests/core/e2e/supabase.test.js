// @supabase/supabase-js, unmodified, against the edge: in Node, and in Chromium from another origin.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createClient as create } from '@supabase/supabase-js';
import { corsHeaders } from '@supabase/supabase-js/cors';
import ws from 'ws';
import { root } from '../../../dev/paths.js';
import { launch } from '../../support/browser.js';
import { startEdge } from '../../support/edge.js';
import { drop, make } from '../../support/fixtures.js';
import { ask, close, freshEmail, made, sql, stack, userToken } from '../../support/stack.js';
import { startProxy } from '../../support/tcp_proxy.js';
import { GONE, MADE, NOTES } from '../support/data_api_tables.js';
import { FILTERS, OPERATORS } from '../support/supabase_filters.js';
import { servePage, useInPage } from '../support/supabase_page.js';

const ORIGIN = 'http://localhost:5173';

// Node 20 has no WebSocket of its own, and the client wants one even where nobody listens to changes.
const createClient = (url, key, options) =>
  create(url, key, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: ws },
    ...options,
  });

/** A client of the token's holder; `options` as the library has them. */
const clientOf = (bearer, { url = stack.edge_url, schema = 'sample', ...options } = {}) =>
  createClient(url, made.publishable_key, {
    ...options,
    db: { ...options.db, schema },
    ...(bearer && { accessToken: async () => bearer }),
  });

const owner = randomUUID();
let token;
let signedIn;
let stranger;
let nobody;

before(async () => {
  await sql(GONE);
  await make(MADE, '/rpc/test_pairs');
  token = await userToken(owner);
  signedIn = clientOf(token);
  stranger = clientOf(await userToken());
  nobody = clientOf(undefined);
  const rows = Array.from({ length: 6 }, (_, n) => ({ name: `p${n}`, description: n % 2 ? `odd ${n}` : null }));
  const inserted = good(await signedIn.from('projects').insert(rows).select('id, name'));
  const ids = new Map(inserted.map(({ id, name }) => [name, id]));
  const written = good(
    await notes()
      .insert(NOTES.map(({ project, ...note }) => ({ ...note, project_id: ids.get(project) })))
      .select('id, title'),
  );
  const lines = written.flatMap(({ id, title }) =>
    ['x', 'y'].map((text) => ({ note_id: id, text: `${title}${text}` })),
  );
  good(await signedIn.from('test_lines').insert(lines));
  const other = good(await stranger.from('projects').insert({ name: 'p0' }).select('id').single());
  good(await stranger.from('test_notes').insert({ project_id: other.id, title: 'foreign', place: 1 }));
});
after(async () => {
  await drop(GONE);
  await close();
});

const projects = () => signedIn.from('projects');
const notes = () => signedIn.from('test_notes');
/** What the edge logged last, for an error that says only that the database cannot be reached. */
const logged = () =>
  readFileSync(join(process.env.ROWGATE_TEST_DATA, 'log', 'edge.log'), 'utf8')
    .split('\n')
    .slice(-12)
    .join('\n');
/** The data of an answer that is no error. */
const good = ({ data, error }) => {
  if (error?.code === 'RG401') assert.fail(`${error.message}. The edge's log ends with:\n${logged()}`);
  assert.equal(error, null);
  return data;
};
const titles = (answer) => good(answer).map(({ title }) => title);
const names = (answer) => good(answer).map(({ name }) => name);
/** Status and code of an answer that is an error. */
const refusal = ({ status, error }) => [status, error?.code];

const methods = (prototype) =>
  Object.getOwnPropertyNames(prototype).filter(
    (name) => name !== 'constructor' && typeof prototype[name] === 'function',
  );

test('every method of the client is used here: a new one needs a test', () => {
  const filter = Object.getPrototypeOf(notes().select());
  const transform = Object.getPrototypeOf(filter);
  const builder = Object.getPrototypeOf(transform);
  const own = readFileSync(new URL(import.meta.url), 'utf8');
  // It has this one for its types only.
  const filters = methods(filter).filter((name) => name !== 'throwOnError');
  assert.deepEqual(filters.sort(), Object.keys(FILTERS).sort());
  // What gives types only, or is no method of its users.
  const others = ['returns', 'overrideTypes', 'then', 'processResponse', 'cloneRequestState', 'decorateFetch'];
  const parts = [transform, builder, Object.getPrototypeOf(notes()), Object.getPrototypeOf(signedIn.rest)];
  const used = parts.flatMap(methods).filter((name) => !others.includes(name));
  assert.ok(used.length > 20, `${used}`);
  for (const name of used) assert.ok(own.includes(`.${name}(`), `${name} is not tested`);
  const source = join(root, 'node_modules', '@supabase', 'postgrest-js', 'src', 'PostgrestFilterBuilder.ts');
  const [, operators] = /type FilterOperator =([^=]+?)\n\n/.exec(readFileSync(source, 'utf8'));
  assert.deepEqual(operators.match(/\w+/g).sort(), Object.keys(OPERATORS).sort());
});

test('filters of every kind', async (t) => {
  for (const [name, cases] of Object.entries(FILTERS)) {
    await t.test(name, async () => {
      assert.ok(cases.length > 0);
      for (const [build, wanted] of cases) {
        const answer = await build(notes().select('title')).order('title');
        assert.deepEqual(titles(answer), wanted, build.toString());
      }
    });
  }
});

test('operators of every kind, and their opposites', async (t) => {
  for (const [operator, [column, value, wanted]] of Object.entries(OPERATORS)) {
    await t.test(operator, async () => {
      const select = () => notes().select('title').order('title').not(column, 'is', null);
      assert.deepEqual(titles(await select().filter(column, operator, value)), wanted);
      const others = titles(await select()).filter((title) => !wanted.includes(title));
      assert.deepEqual(titles(await select().not(column, operator, value)), others);
      assert.deepEqual(titles(await select().filter(column, `not.${operator}`, value)), others);
    });
  }
});

test('select: columns, casts, order, limit, range', async () => {
  assert.deepEqual(names(await projects().select('name').order('name').limit(2)), ['p0', 'p1']);
  assert.deepEqual(names(await projects().select('name').order('name', { ascending: false }).range(1, 2)), [
    'p4',
    'p3',
  ]);
  const odd = projects().select('name').order('description', { nullsFirst: false }).order('name', { ascending: false });
  assert.deepEqual(names(await odd), ['p1', 'p3', 'p5', 'p4', 'p2', 'p0']);
  const picked = await notes()
    .select('t:title, place::text, k:data->k, s:data->>s, first:tags->0')
    .eq('title', 'n0')
    .single();
  assert.deepEqual(good(picked), { t: 'n0', place: '0', k: 1, s: 'x', first: 'a' });
  assert.deepEqual(good(await notes().select('data->in->x').eq('title', 'n1')), [{ x: [1, 2] }]);
  assert.deepEqual(titles(await notes().select('title').order('title').range(4, 99)), ['n4', 'n5']);
  assert.deepEqual(good(await notes().select('title').range(50, 60)), []);
  assert.deepEqual(good(await notes().select('title').limit(0)), []);
});

test('embeds', async (t) => {
  const of = (columns) => projects().select(columns).in('name', ['p0', 'p1', 'p3']).order('name');
  const byTitle = { referencedTable: 'test_notes' };
  const CASES = {
    'one to many': [
      of('name, test_notes(title)').order('title', byTitle),
      [
        { name: 'p0', test_notes: [{ title: 'n0' }, { title: 'n1' }, { title: 'n2' }] },
        { name: 'p1', test_notes: [{ title: 'n3' }, { title: 'n4' }] },
        { name: 'p3', test_notes: [] },
      ],
    ],
    'many to one': [
      notes().select('title, projects(name, description)').in('title', ['n0', 'n3']).order('title'),
      [
        { title: 'n0', projects: { name: 'p0', description: null } },
        { title: 'n3', projects: { name: 'p1', description: 'odd 1' } },
      ],
    ],
    'by an alias, with the foreign key as a hint': [
      notes().select('title, parent:projects!test_notes_project(label:name)').eq('title', 'n0'),
      [{ title: 'n0', parent: { label: 'p0' } }],
    ],
    'an inner join leaves out who has none': [
      of('name, test_notes!inner(title)').eq('test_notes.place', 1),
      [{ name: 'p0', test_notes: [{ title: 'n1' }] }],
    ],
    'a filter on what is embedded leaves the others': [
      of('name, test_notes(title)').gt('test_notes.place', 1).lt('test_notes.place', 4).order('title', byTitle),
      [
        { name: 'p0', test_notes: [{ title: 'n2' }] },
        { name: 'p1', test_notes: [{ title: 'n3' }] },
        { name: 'p3', test_notes: [] },
      ],
    ],
    'or on what is embedded': [
      of('name, test_notes(title)').or('place.eq.0,place.eq.4', byTitle),
      [
        { name: 'p0', test_notes: [{ title: 'n0' }] },
        { name: 'p1', test_notes: [{ title: 'n4' }] },
        { name: 'p3', test_notes: [] },
      ],
    ],
    'order and limit of what is embedded': [
      of('name, test_notes(title)')
        .order('place', { ...byTitle, ascending: false })
        .limit(1, byTitle),
      [
        { name: 'p0', test_notes: [{ title: 'n2' }] },
        { name: 'p1', test_notes: [{ title: 'n4' }] },
        { name: 'p3', test_notes: [] },
      ],
    ],
    'a range of what is embedded': [
      of('name, test_notes(title)').order('place', byTitle).range(1, 2, byTitle),
      [
        { name: 'p0', test_notes: [{ title: 'n1' }, { title: 'n2' }] },
        { name: 'p1', test_notes: [{ title: 'n4' }] },
        { name: 'p3', test_notes: [] },
      ],
    ],
    'those under an alias': [
      of('name, mine:test_notes(title)')
        .eq('mine.place', 0)
        .order('title', { referencedTable: 'mine' })
        .limit(5, { foreignTable: 'mine' }),
      [
        { name: 'p0', mine: [{ title: 'n0' }] },
        { name: 'p1', mine: [] },
        { name: 'p3', mine: [] },
      ],
    ],
    'spread into its row': [
      notes().select('title, ...projects(project:name)').eq('title', 'n3'),
      [{ title: 'n3', project: 'p1' }],
    ],
    'two levels': [
      projects()
        .select('name, test_notes!inner(title, test_lines(text))')
        .eq('test_notes.place', 1)
        .order('text', { referencedTable: 'test_notes.test_lines', ascending: false }),
      [{ name: 'p0', test_notes: [{ title: 'n1', test_lines: [{ text: 'n1y' }, { text: 'n1x' }] }] }],
    ],
    'two levels up, filtered and limited': [
      signedIn
        .from('test_lines')
        .select('text, test_notes!inner(title, projects!inner(name))')
        .eq('test_notes.projects.name', 'p1')
        .order('text')
        .limit(1),
      [{ text: 'n3x', test_notes: { title: 'n3', projects: { name: 'p1' } } }],
    ],
    'two filters on the same relation under two names': [
      projects()
        .select('name, low:test_notes(title), high:test_notes(title)')
        .eq('name', 'p0')
        .lt('low.place', 1)
        .gt('high.place', 1),
      [{ name: 'p0', low: [{ title: 'n0' }], high: [{ title: 'n2' }] }],
    ],
    'those without any': [of('name, test_notes()').is('test_notes', null), [{ name: 'p3' }]],
    'those with some': [of('name, test_notes()').not('test_notes', 'is', null), [{ name: 'p0' }, { name: 'p1' }]],
    'order by a column of the parent': [
      notes().select('title, projects(name)').order('projects(name)', { ascending: false }).order('title').limit(2),
      [
        { title: 'n5', projects: { name: 'p2' } },
        { title: 'n3', projects: { name: 'p1' } },
      ],
    ],
    'one object with its children': [
      projects().select('name, test_notes(title)').eq('name', 'p2').single(),
      { name: 'p2', test_notes: [{ title: 'n5' }] },
    ],
  };
  for (const [name, [query, wanted]] of Object.entries(CASES)) {
    await t.test(name, async () => assert.deepEqual(good(await query), wanted));
  }
  await t.test('nobody else’s rows are embedded', async () => {
    const answer = await stranger.from('projects').select('name, test_notes(title, projects(name))');
    assert.deepEqual(good(answer), [{ name: 'p0', test_notes: [{ title: 'foreign', projects: { name: 'p0' } }] }]);
  });
  await t.test('a note cannot be hung on another’s project', async () => {
    const own = good(await projects().select('id').eq('name', 'p0').single());
    const hung = await stranger.from('test_notes').insert({ project_id: own.id, title: 'hung' });
    assert.deepEqual(refusal(hung), [409, '23503']);
  });
  await t.test('what is no relation, and what is too deep', async () => {
    assert.deepEqual(refusal(await projects().select('name, entries(*)')), [400, 'PGRST200']);
    const four = 'test_notes(test_lines(test_notes(projects(name))))';
    assert.equal(good(await projects().select(four)).length, 6);
    assert.deepEqual(refusal(await projects().select(`test_notes(projects(${four}))`)), [400, 'RG313']);
  });
});

test('counts: exact, planned, estimated, with and without rows', async () => {
  for (const count of ['exact', 'planned', 'estimated']) {
    const rows = await projects().select('name', { count }).limit(1);
    assert.equal(good(rows).length, 1);
    const head = await projects().select('*', { count, head: true });
    assert.deepEqual([head.status < 300, head.error, head.data], [true, null, null]);
    for (const { count: counted } of [rows, head]) {
      // A guess would be of everybody's rows.
      assert.equal(counted, 6);
    }
  }
  const inner = await projects()
    .select('name, test_notes!inner(title)', { count: 'exact', head: true })
    .gt('test_notes.place', 2);
  assert.deepEqual([inner.count, inner.error], [2, null]);
  const none = await projects().select('name', { count: 'exact' }).eq('name', 'none');
  assert.deepEqual([none.count, none.data, none.status], [0, [], 200]);
  const beyond = await projects().select('name', { count: 'exact' }).range(90, 99);
  assert.deepEqual(refusal(beyond), [416, 'PGRST103']);
});

test('one row, perhaps one row, CSV, rows without nulls', async () => {
  assert.equal(good(await projects().select('name').eq('name', 'p1').single()).name, 'p1');
  assert.deepEqual(refusal(await projects().select('name').eq('name', 'none').single()), [406, 'PGRST116']);
  assert.deepEqual(refusal(await projects().select('name').single()), [406, 'PGRST116']);
  assert.deepEqual(good(await projects().select('name').eq('name', 'p1').maybeSingle()), { name: 'p1' });
  assert.equal(good(await projects().select().eq('name', 'none').maybeSingle()), null);
  assert.deepEqual(refusal(await projects().select('name').maybeSingle()), [406, 'PGRST116']);
  assert.equal(good(await projects().select('name').order('name').limit(2).csv()), 'name\np0\np1');
  const csv = good(await notes().select('title, body, tags').eq('title', 'n3').csv());
  assert.equal(csv, 'title,body,tags\nn3,"Ünï, (par) 😀 & 100%","{""c, d"",e}"');
  assert.deepEqual(good(await notes().select('title, body, done').eq('title', 'n2').stripNulls()), [{ title: 'n2' }]);
  assert.deepEqual(good(await notes().select('title, body').eq('title', 'n2').stripNulls().single()), { title: 'n2' });
  // Without PostGIS there is none.
  assert.ok((await notes().select('title').geojson()).status >= 400);
});

test('insert: one, many, with defaults and with nulls, returning and not', async () => {
  const { id } = good(await projects().select('id').eq('name', 'p5').single());
  const note = (title, more) => ({ project_id: id, title, ...more });
  const silent = await notes().insert(note('i0'));
  assert.deepEqual([silent.status, silent.data, silent.error], [201, null, null]);
  const one = await notes()
    .insert(note('i1', { data: { deep: [{ a: 'ä"\\' }] }, tags: ['x,y', '"'] }))
    .select('title, place, data, tags');
  assert.deepEqual(good(one), [{ title: 'i1', place: 7, data: { deep: [{ a: 'ä"\\' }] }, tags: ['x,y', '"'] }]);
  const many = await notes()
    .insert([note('i2'), note('i3', { place: 3 })], { defaultToNull: false, count: 'exact' })
    .select('title, place');
  assert.deepEqual(
    [many.count, many.data],
    [
      2,
      [
        { title: 'i2', place: 7 },
        { title: 'i3', place: 3 },
      ],
    ],
  );
  const nulls = await notes().insert([note('i4'), note('i5', { place: 3 })]);
  assert.deepEqual(refusal(nulls), [400, '23502'], 'a column that only some rows name is null in the others');
  assert.deepEqual(good(await notes().insert([]).select()), []);
  assert.equal(
    good(
      await notes()
        .insert(note('i6', { place: 6n }))
        .select('place, projects(name)')
        .single(),
    ).projects.name,
    'p5',
  );
  const rolled = await notes().insert(note('i7')).select('title').rollback();
  // Not PostgREST's to roll back: what would be kept is refused.
  assert.deepEqual(refusal(rolled), [400, 'RG309']);
  assert.equal(good(await notes().select('title').eq('title', 'i7')).length, 0);
  assert.deepEqual(good(await notes().delete({ count: 'exact' }).like('title', 'i%')), null);
});

test('upsert: merged, ignored, on the key and on another constraint', async () => {
  const { id } = good(await projects().select('id').eq('name', 'p5').single());
  const note = (title, more) => ({ project_id: id, user_id: owner, title, ...more });
  const onConflict = 'user_id,title';
  const first = good(
    await notes()
      .upsert(note('u0', { place: 1 }), { onConflict })
      .select('id, place')
      .single(),
  );
  const merged = await notes()
    .upsert(note('u0', { place: 2 }), { onConflict })
    .select('id, place, body')
    .single();
  assert.deepEqual(good(merged), { id: first.id, place: 2, body: null });
  const ignored = await notes()
    .upsert(note('u0', { place: 3 }), { onConflict, ignoreDuplicates: true })
    .select('place');
  assert.deepEqual(good(ignored), []);
  const byKey = await notes()
    .upsert({ ...note('u0'), id: first.id, place: 4 })
    .select('place')
    .single();
  assert.deepEqual(good(byKey), { place: 4 });
  const mixed = await notes()
    .upsert([note('u0', { place: 5 }), note('u1', { place: 6 })], { onConflict, count: 'exact' })
    .select('title, place');
  assert.deepEqual(
    [mixed.count, mixed.data],
    [
      2,
      [
        { title: 'u0', place: 5 },
        { title: 'u1', place: 6 },
      ],
    ],
  );
  const defaults = await notes()
    .upsert([note('u2', { place: 1 }), note('u3')], { onConflict, defaultToNull: false })
    .select('place');
  assert.deepEqual(good(defaults), [{ place: 1 }, { place: 7 }]);
  const nowhere = await notes().upsert(note('u0'), { onConflict: 'body' });
  assert.deepEqual(refusal(nowhere), [400, '42P10']);
  good(await notes().delete().like('title', 'u%'));
});

test('update and delete: returning, counted, of nothing, of a foreign row, of everything', async () => {
  const { id } = good(await projects().select('id').eq('name', 'p5').single());
  good(await notes().insert(['d0', 'd1', 'd2'].map((title) => ({ project_id: id, title }))));
  const updated = await notes()
    .update({ place: 9, data: { a: 1 } }, { count: 'exact' })
    .like('title', 'd%')
    .select('place, data');
  assert.deepEqual([updated.count, updated.data[0]], [3, { place: 9, data: { a: 1 } }]);
  const silent = await notes().update({ place: 8 }).eq('title', 'd0');
  assert.deepEqual([silent.status, silent.data, silent.error], [204, null, null]);
  const embedded = await notes().update({ body: null }).eq('title', 'd0').select('place, projects(name)').single();
  assert.deepEqual(good(embedded), { place: 8, projects: { name: 'p5' } });
  const ordered = await notes().update({ place: 1 }).like('title', 'd%').order('title').limit(1).select('title');
  assert.deepEqual(good(ordered), [{ title: 'd0' }]);
  const none = await notes().update({ place: 1 }, { count: 'exact' }).eq('title', 'none').select();
  assert.deepEqual([none.count, none.data], [0, []]);
  const foreign = await stranger.from('test_notes').update({ place: 0 }).eq('title', 'd0').select();
  assert.deepEqual(good(foreign), [], 'a row that is not yours is none');
  assert.deepEqual(good(await stranger.from('test_notes').delete().eq('title', 'd0').select()), []);
  for (const forgotten of [
    notes().delete(),
    notes().update({ place: 0 }),
    projects().delete(),
    projects().update({ name: 'x' }),
  ]) {
    assert.deepEqual(refusal(await forgotten), [400, 'RG307']);
  }
  // PostgREST knows of it from version 12.2 on; one that does not refuses, for what is not held to must not look so.
  const bounded = await notes().update({ place: 0 }).like('title', 'd%').maxAffected(1);
  assert.ok(bounded.status === 400, `${bounded.status}`);
  assert.deepEqual(good(await notes().select('title').eq('place', 0).like('title', 'd%')), []);
  const removed = await notes().delete({ count: 'exact' }).in('title', ['d1', 'd2']).select('title').order('title');
  assert.deepEqual([removed.count, removed.data], [2, [{ title: 'd1' }, { title: 'd2' }]]);
  const quiet = await notes().delete().eq('title', 'd0');
  assert.deepEqual([quiet.status, quiet.data], [204, null]);
});

// This PostgREST filters a function's rows by selected columns only.
test('rpc: by POST and GET, scalars, rows with filters and embeds, nothing, heads', async () => {
  const rpc = (...call) => signedIn.rpc(...call);
  assert.equal(good(await rpc('test_add', { a: 1, b: 2 })), 3);
  assert.equal(good(await rpc('test_add', { a: 1 }, { get: true })), 2);
  assert.equal(good(await rpc('test_add', { a: 1, b: undefined }, { get: true })), 2);
  assert.equal(good(await rpc('test_total', { numbers: [1, 2, 3] })), 6);
  assert.equal(good(await rpc('test_total', { numbers: [1, 2, 3] }, { get: true })), 6);
  assert.deepEqual(good(await rpc('test_echo', { value: { a: [null, 'ä'] } })), { a: [null, 'ä'] });
  for (const options of [{}, { get: true }]) {
    const rows = await rpc('test_notes_of', { project: 'p0' }, options)
      .select('title, place')
      .gt('place', 0)
      .order('title', { ascending: false });
    assert.deepEqual(titles(rows), ['n2', 'n1']);
    const paged = await rpc('test_notes_of', { project: 'p0' }, { ...options, count: 'exact' })
      .select('title')
      .order('title')
      .range(1, 1);
    assert.deepEqual([paged.count, titles(paged)], [3, ['n1']]);
    const embedded = await rpc('test_notes_of', { project: 'p1' }, options)
      .select('title, projects(name), test_lines(text)')
      .eq('title', 'n3')
      .single();
    assert.deepEqual([embedded.data.projects.name, embedded.data.test_lines.length], ['p1', 2]);
  }
  assert.equal(good(await rpc('test_first')).title, 'n0');
  assert.deepEqual(good(await rpc('test_pairs').gte('v', 2).order('v', { ascending: false }).limit(1)), [
    { k: 'three', v: 3 },
  ]);
  assert.equal(good(await rpc('test_pairs').select('k').limit(2).csv()), 'k\none\ntwo');
  const nothing = await rpc('test_nothing');
  assert.deepEqual([nothing.status, nothing.data, nothing.error], [204, null, null]);
  const head = await rpc('test_pairs', {}, { head: true, count: 'exact' });
  assert.deepEqual([head.count, head.data, head.error], [3, null, null]);
  const posted = await rpc('test_echo', { value: { a: 1 } }, { head: true });
  assert.equal(posted.error, null, 'what no address can hold is posted');
  const cached = await rpc('test_nothing', {}, { get: true });
  assert.equal(cached.error, null);
});

test('rpc: what a function refuses keeps its status and its words', async () => {
  const refuse = (state) => signedIn.rpc('test_refuse', { state });
  const cases = [
    ['P0001', 400],
    ['23505', 409],
    ['42501', 403],
    ['PT404', 404],
    ['PT429', 429],
    ['22023', 400],
  ];
  for (const [state, status] of cases) {
    const answer = await refuse(state);
    const { error } = answer;
    assert.deepEqual(
      [...refusal(answer), error.message, error.details, error.hint],
      [status, state, 'refused', 'the details', 'the hint'],
    );
  }
  const own = await refuse('PGRST');
  assert.deepEqual([own.status, own.error], [418, { code: 'X1', message: 'own words', details: 'd', hint: 'h' }]);
  const failed = await refuse('XX000');
  assert.deepEqual(refusal(failed), [502, 'RG403'], 'a failure of the server’s own is not for clients');
  assert.ok(!JSON.stringify(failed.error).includes('the details'));
  assert.deepEqual(refusal(await signedIn.rpc('test_add', { a: 1, c: 2 })), [404, 'PGRST202']);
  assert.deepEqual(refusal(await signedIn.rpc('test_add', { a: 'x' })), [400, '22P02']);
  assert.deepEqual(refusal(await signedIn.rpc('nothing')), [404, 'PGRST202']);
  assert.deepEqual(refusal(await nobody.rpc('test_add', { a: 1 })), [403, '42501']);
});

test('the description of the API is not served', async () => {
  const answer = await signedIn.rest.getOpenApiSpec();
  assert.deepEqual(refusal(answer), [404, 'RG101']);
});

test('rpc of the public, and a schema chosen per call', async () => {
  const email = freshEmail();
  await sql('truncate private.rate_limits');
  const { data, error } = await nobody.schema('sample_more').rpc('say', { word: 'hello' });
  assert.deepEqual([data, error], ['hello', null]);
  const refused = await nobody.schema('sample_more').rpc('say', { word: 'x' });
  assert.deepEqual([...refusal(refused), refused.error.hint.split(';')[0]], [401, 'RG599', 'Send another one']);
  await sql('insert into sample_more.entries (email) values ($1)', [email]);
  const admin = clientOf(await userToken(randomUUID(), { claims: { app_metadata: { role: 'admin' } } }));
  const leads = () => admin.schema('sample_more').from('entries');
  assert.deepEqual(good(await leads().select('email').eq('email', email)), [{ email }]);
  const changed = await leads().update({ status: 'contacted' }).eq('email', email).select('status').single();
  assert.deepEqual(good(changed), { status: 'contacted' });
  assert.deepEqual(good(await admin.from('projects').select()), [], 'and the client’s own schema is as it was');
  for (const schema of ['private', 'edge', 'public', 'auth', 'pg_catalog']) {
    for (const asked of [signedIn.schema(schema).from('projects').select(), signedIn.schema(schema).rpc('ready')]) {
      const answer = await asked;
      assert.deepEqual(refusal(answer), [406, 'PGRST106'], schema);
      assert.ok(!answer.error.details.includes('edge'), 'nor is it said which others there are');
    }
  }
});

test('errors: of names, types, constraints, rights', async () => {
  const { id } = good(await projects().select('id').eq('name', 'p5').single());
  const cases = [
    [projects().select('nothing'), 400, '42703'],
    [projects().select().eq('nothing', 1), 400, '42703'],
    [projects().select().order('nothing'), 400, '42703'],
    [projects().insert({ nothing: 1 }), 400, 'PGRST204'],
    [projects().insert([{ nothing: 1 }]), 400, 'PGRST204'],
    [projects().update({ nothing: 1 }).eq('name', 'p0'), 400, 'PGRST204'],
    [signedIn.from('nothing').select(), 404, '42P01'],
    [signedIn.from('Projects').select(), 404, '42P01'],
    [projects().select().eq('id', 'x'), 400, '22P02'],
    [notes().select().eq('place', 'x'), 400, '22P02'],
    [notes().select().contains('span', 'x'), 400, '22P02'],
    [notes().select().or('place.eq.1,'), 400, 'PGRST100'],
    [notes().select().regexMatch('title', '('), 400, '2201B'],
    [notes().select().like('place', '1%'), 404, '42883'],
    [projects().insert({ name: 'P1' }), 409, '23505'],
    [projects().insert({ name: '' }), 400, '23514'],
    [projects().insert({ color: '#000000' }), 400, '23502'],
    [notes().insert({ project_id: id, title: 'e', place: -1 }), 400, '23514'],
    [notes().insert({ project_id: randomUUID(), title: 'e' }), 409, '23503'],
    [notes().insert({ project_id: id, title: 'e', place: 3_000_000_000 }), 400, '22003'],
    [projects().insert({ name: 'e', workflow_count: 1 }), 403, '42501'],
    [projects().insert({ name: 'e', user_id: randomUUID() }), 403, '42501'],
    [signedIn.schema('sample_more').from('entries').insert({ email: 'x' }), 403, '42501'],
    [nobody.from('projects').select(), 403, '42501'],
    [nobody.from('test_notes').select(), 403, '42501'],
  ];
  for (const [query, status, code] of cases) {
    const answer = await query;
    assert.deepEqual(refusal(answer), [status, code], JSON.stringify(answer.error));
    assert.deepEqual([answer.data, answer.count], [null, null]);
    assert.deepEqual(Object.keys(answer.error).sort(), ['code', 'details', 'hint', 'message']);
  }
});

test('without a session the key alone is nobody; unknown keys and bad tokens are refused', async () => {
  const unknown = createClient(stack.edge_url, 'rgpub_unknown_0123456789', { db: { schema: 'sample' } });
  assert.deepEqual(refusal(await unknown.from('projects').select()), [401, 'RG208']);
  const expired = clientOf(await userToken(owner, { ttl: -60 }));
  assert.deepEqual(refusal(await expired.from('projects').select()), [401, 'RG204']);
  const forged = clientOf(`${token.slice(0, -4)}AAAA`);
  assert.deepEqual(refusal(await forged.from('projects').insert({ name: 'x' })), [401, 'RG203']);
  const elsewhere = createClient(stack.edge_url, made.publishable_key);
  assert.deepEqual(refusal(await elsewhere.from('projects').select()), [406, 'PGRST106'], 'there is no schema public');
  const service = createClient(stack.edge_url, stack.service_key, { db: { schema: 'sample' } });
  assert.equal(good(await service.from('projects').select('id').limit(1)).length, 1);
});

test('throwOnError throws what would have been the error', async () => {
  await assert.rejects(async () => await projects().select('nothing').throwOnError(), {
    name: 'PostgrestError',
    code: '42703',
    message: 'column projects.nothing does not exist',
  });
  await assert.rejects(async () => await notes().delete().throwOnError(), { code: 'RG307' });
  assert.equal((await projects().select('name').throwOnError()).data.length, 6);
});

test('explain is refused', async () => {
  for (const options of [
    {},
    { format: 'json' },
    { analyze: true, verbose: true, settings: true, buffers: true, wal: true },
  ]) {
    assert.deepEqual(refusal(await projects().select().explain(options)), [406, 'RG308']);
  }
  assert.deepEqual(refusal(await signedIn.rpc('test_pairs').explain()), [406, 'RG308']);
});

test('headers of one’s own', async () => {
  const bearer = `Bearer ${await userToken()}`;
  assert.deepEqual(good(await projects().select().setHeader('Authorization', bearer)), [], 'another user has none');
  const berlin = await projects().select('created_at').limit(1).single().setHeader('Prefer', 'timezone=Europe/Berlin');
  assert.match(good(berlin).created_at, /\+0[12]:00$/);
  const ranged = await projects().select('name').order('name').setHeader('Range', '1-2');
  assert.deepEqual(names(ranged), ['p1', 'p2']);
});

test('abortSignal gives a request up, before and in flight; so does the client’s own time limit', async () => {
  const shape = ({ data, error, status }) => [data, status, error.code, error.message.split(':')[0]];
  const before_ = await projects().select().abortSignal(AbortSignal.abort());
  assert.deepEqual(shape(before_), [null, 0, '', 'AbortError']);
  assert.match(before_.error.hint, /aborted/);
  // Short: the database finishes them, and each one holds a connection of the three that the user has.
  const controller = new AbortController();
  const start = performance.now();
  const asked = signedIn.rpc('test_sleep', { seconds: 2 }).abortSignal(controller.signal);
  setTimeout(() => controller.abort(), 200);
  assert.deepEqual(shape(await asked), [null, 0, '', 'AbortError']);
  const impatient = clientOf(token, { db: { timeout: 200 } });
  assert.deepEqual(shape(await impatient.rpc('test_sleep', { seconds: 2 })), [null, 0, '', 'AbortError']);
  assert.ok(performance.now() - start < 3000);
  assert.equal(good(await projects().select('name')).length, 6, 'and the client serves on');
});

test('the client retries reads that were answered 503, after Retry-After; writes never', async () => {
  const proxy = await startProxy(new URL(stack.postgrest_url).port);
  const edge = await startEdge({ POSTGREST_URL: proxy.url });
  try {
    const calls = [];
    const spy = async (input, init) => {
      const answer = await fetch(input, init);
      const sent = new Headers(init.headers);
      calls.push([answer.status, sent.get('x-retry-count'), answer.headers.get('retry-after')]);
      return answer;
    };
    const client = clientOf(token, { url: edge.url, global: { fetch: spy } });
    /** Refuses so many connections of the edge's, none of which it still has. */
    const refuse = (count) => {
      for (const socket of proxy.open) socket.destroy();
      proxy.refuse = count;
      calls.length = 0;
    };
    assert.equal(good(await client.from('projects').select('name')).length, 6);
    // The edge itself sends a read twice.
    refuse(3);
    const start = performance.now();
    assert.equal(good(await client.from('projects').select('name')).length, 6);
    assert.deepEqual(calls, [
      [503, null, '1'],
      [200, '1', null],
    ]);
    assert.ok(performance.now() - start >= 1000, 'it waited for Retry-After');
    refuse(2);
    assert.deepEqual(refusal(await client.from('projects').select('name').retry(false)), [503, 'RG401']);
    assert.equal(calls.length, 1);
    for (const write of [client.from('projects').insert({ name: 'retried' }), client.rpc('test_add', { a: 1 })]) {
      refuse(1);
      assert.deepEqual(refusal(await write), [503, 'RG401']);
      assert.equal(calls.length, 1);
    }
    assert.deepEqual(good(await projects().select().eq('name', 'retried')), []);
  } finally {
    await edge.stop();
    await proxy.close();
  }
});

/** Names of headers that the libraries set in their own code. */
const headersOf = (library) => {
  const text = readFileSync(join(root, 'node_modules', '@supabase', library, 'dist', 'index.mjs'), 'utf8');
  const set = [...text.matchAll(/headers\.(?:set|append)\(\s*"([\w-]+)"/gi)].map(([, name]) => name);
  return [...set, ...[...text.matchAll(/headers\["([\w-]+)"\] =/g)].map(([, name]) => name)];
};

test('a browser may send every header that the client sends, and every method', async () => {
  const { headers } = await ask('/rest/v1/projects', {
    method: 'OPTIONS',
    headers: { origin: ORIGIN, 'access-control-request-method': 'POST' },
  });
  const list = (text) => text.toLowerCase().split(/, */);
  const allowed = list(headers.get('access-control-allow-headers'));
  const sent = [
    ...list(corsHeaders['Access-Control-Allow-Headers']),
    ...headersOf('supabase-js'),
    ...headersOf('postgrest-js'),
  ];
  assert.ok(sent.length > 12, `${sent}`);
  assert.deepEqual(
    sent.filter((name) => !allowed.includes(name.toLowerCase())),
    [],
  );
  const methods_ = list(headers.get('access-control-allow-methods'));
  for (const method of list(corsHeaders['Access-Control-Allow-Methods'])) assert.ok(methods_.includes(method), method);
});

test('the same client in Chromium, from another origin', async (t) => {
  const page_ = await servePage();
  const proxy = await startProxy(new URL(stack.postgrest_url).port);
  const edge = await startEdge({ ALLOWED_ORIGINS: `http://localhost:${page_.port}`, POSTGREST_URL: proxy.url });
  const browser = await launch();
  const options = { url: edge.url, key: made.publishable_key, bearer: token, prefix: `b-${randomUUID()}-`, slow: 5 };
  try {
    const page = await browser.newPage();
    await page.goto(`http://localhost:${page_.port}/`);
    await t.test('everything through real preflights', async () => {
      const seen = await page.evaluate(useInPage, options);
      const { prefix } = options;
      assert.deepEqual(seen.counted, [206, 6, 2]);
      assert.deepEqual(seen.head, [200, 6, null]);
      assert.deepEqual(seen.embedded, [1, [{ name: 'p2', test_notes: [{ title: 'n5' }] }]]);
      assert.deepEqual(seen.inserted, [201, { title: `${prefix}1`, body: 'ä 😀' }]);
      assert.deepEqual(seen.upserted, [201, 2, [{ place: 1 }, { place: 2 }]]);
      assert.deepEqual(seen.updated, [204, 1, null]);
      assert.deepEqual(seen.rpc, [3, 2]);
      assert.deepEqual(seen.rows, [{ title: `${prefix}2`, place: 3 }]);
      assert.equal(seen.csv, `title,place\n${prefix}1,1\n${prefix}2,3`);
      assert.deepEqual(seen.removed, [204, 2]);
      assert.deepEqual([seen.refused[0], seen.refused[1].code], [409, '23505']);
      assert.match(seen.refused[1].message, /projects_user_name/);
      assert.deepEqual(seen.none, [406, 'PGRST116']);
      assert.deepEqual(seen.aborted, [0, 'AbortError', 'Request was aborted (timeout or manual cancellation)']);
      const { 'server-timing': timing, ...headers } = seen.headers;
      assert.deepEqual(headers, {
        'content-range': '0-0/6',
        'x-request-id': 'from-a-browser-1',
        'preference-applied': 'count=exact',
        'content-profile': 'sample',
      });
      assert.match(timing, /^verify;dur=\d+, scope;dur=\d+, upstream;dur=\d+$/);
      assert.deepEqual(seen.missing, [400, 'PostgREST; error=42703']);
      assert.deepEqual(seen.challenged, [401, 'Bearer error="invalid_token"', 'RG202']);
      const preflights = await edge.logged(({ method }) => method === 'OPTIONS', 5);
      assert.ok(preflights.every(({ status }) => status === 204));
    });

    await t.test('a retry after the time that the edge names, which the page can read', async () => {
      for (const socket of proxy.open) socket.destroy();
      proxy.refuse = 3;
      const retry = async ({ url, key, bearer }) => {
        const client = globalThis.supabase.createClient(url, key, {
          db: { schema: 'sample' },
          accessToken: async () => bearer,
        });
        const start = performance.now();
        const { data, error } = await client.from('projects').select('name');
        return { count: data?.length, error, took: performance.now() - start };
      };
      const { count, error, took } = await page.evaluate(retry, options);
      assert.deepEqual([count, error], [6, null]);
      assert.ok(took >= 1000, `${took} ms`);
      assert.equal(proxy.refuse, 0);
    });

    await t.test('a page of an origin that is not on the list reads nothing and writes nothing', async () => {
      const name = `stranger ${randomUUID()}`;
      const attempt = async ({ url, key, bearer, name: given }) => {
        const client = globalThis.supabase.createClient(url, key, {
          db: { schema: 'sample' },
          accessToken: async () => bearer,
        });
        const read = await client.from('projects').select('name').retry(false);
        const written = await client.from('projects').insert({ name: given });
        const plain = await fetch(`${url}/healthz`).then(
          () => 'read',
          () => 'blocked',
        );
        return [read.status, read.data, written.status, plain];
      };
      // The same server under a name that is another origin.
      await page.goto(`http://127.0.0.1:${page_.port}/`);
      assert.deepEqual(await page.evaluate(attempt, { ...options, name }), [0, null, 0, 'blocked']);
      assert.deepEqual(await sql('select 1 from sample.projects where name = $1', [name]), []);
      await page.goto(`http://localhost:${page_.port}/`);
      assert.deepEqual(await page.evaluate(attempt, { ...options, name }), [
        200,
        (await projects().select('name')).data.filter((row) => row.name !== name),
        201,
        'read',
      ]);
      good(await projects().delete().eq('name', name));
    });
  } finally {
    await browser.close();
    await edge.stop();
    await proxy.close();
    await page_.close();
  }
});
