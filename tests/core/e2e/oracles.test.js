// Nobody learns whether a row exists that is not theirs: what is foreign and what is absent get the same answer, to the last
// header, for every table, every column and everybody who may not read it.
import assert from 'node:assert/strict';
import { randomBytes, randomInt, randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { waitFor } from '../../../dev/process.js';
import { exposed } from '../../../proof/catalog.js';
import { personas, USERS } from '../../../proof/personas.js';
import { Target } from '../../../proof/probes.js';
import { SYSTEMS } from '../../../proof/systems/index.js';
import { close, made, sql, stack } from '../../support/stack.js';

const systems = Object.values(SYSTEMS);
const relations = Object.assign({}, ...systems.map((system) => system.relations));
const functions = Object.assign({}, ...systems.map((system) => system.functions));
const target = new Target(stack, sql);
let people;
let catalog;

before(async () => {
  people = await personas({ ...stack, keys: made }, sql);
  catalog = await exposed(sql);
});
after(async () => {
  for (const { cleanUp } of systems) await cleanUp?.(sql, Object.values(people));
  await close();
});

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Another value of the same kind and length, which is nowhere. */
const other = (value) => {
  if (typeof value !== 'string') return value;
  // A UUIDv7 of the same time: the planner knows which months there are, and may say so.
  if (UUID.test(value)) return value[14] === '7' ? value.slice(0, 15) + randomUUID().slice(15) : randomUUID();
  const [local, domain] = value.split('@');
  if (domain === 'example.org') return `${other(local)}@${domain}`;
  if (/^[0-9]{10,}$/.test(value)) return value.replace(/[0-9]{9}$/, () => `${randomInt(1e8, 1e9)}`);
  // Where no hyphens may be, there are low lines.
  if (/^(marker|call)_/.test(value)) return other(value.replaceAll('_', '-')).replaceAll('-', '_');
  // A path begins with a slash.
  return /^\/?(marker|call)-/.test(value) ? value.replace(/[0-9a-f]{8}-.*$/, () => randomUUID()) : value;
};
const absent = (row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, other(value)]));

/** Ways to ask for a row, given a row: {path, method, json, headers}. */
const READS = {
  plain: {},
  'as one object': { accept: 'application/vnd.pgrst.object+json' },
  'as CSV': { accept: 'text/csv' },
  'an exact count': { prefer: 'count=exact' },
  'a planned count': { prefer: 'count=planned' },
  'an estimated count': { prefer: 'count=estimated' },
  'a range': { range: '0-0', 'range-unit': 'items' },
};
const WRITES = ['return=representation', 'return=minimal, count=exact', 'return=headers-only'];

const simple = (value) => ['string', 'number', 'boolean'].includes(typeof value);

/** What may be asked about a row, by name. */
const questions = (relation, decision, row) => {
  const byKey = `/${relation.relation}?${target.filter(relation, row)}`;
  const patch = (json, prefer) => ({ path: byKey, method: 'PATCH', json, headers: { prefer } });
  const all = { head: { path: byKey, method: 'HEAD' } };
  for (const [name, headers] of Object.entries(READS)) all[`read, ${name}`] = { path: byKey, headers };
  for (const column of relation.columns.filter((name) => simple(row[name]))) {
    const path = `/${relation.relation}?${column}=eq.${encodeURIComponent(row[column])}`;
    for (const prefer of ['count=exact', 'count=planned'])
      all[`filter ${column}, ${prefer}`] = { path, headers: { prefer } };
    all[`embedded filter ${column}`] = {
      path: `/${relation.relation}?or=(${column}.eq."${encodeURIComponent(`${row[column]}`.replace(/["\\]/g, '\\$&'))}")`,
    };
  }
  for (const prefer of WRITES) {
    all[`update, ${prefer}`] = patch(decision.change, prefer);
    all[`delete, ${prefer}`] = { path: byKey, method: 'DELETE', headers: { prefer } };
  }
  for (const column of relation.columns) {
    // An error of a value must not come sooner for a row that is there.
    for (const wrong of ['', 'x'.repeat(30_000), null, 'x']) {
      all[`update ${column} to what is wrong: ${JSON.stringify(wrong)?.slice(0, 9)}`] = patch(
        { [column]: wrong },
        'return=minimal',
      );
    }
  }
  const key = Object.fromEntries(relation.key.map((name) => [name, row[name]]));
  const whole = { ...decision.draft(people.stranger, `call-${randomUUID()}`, people), ...key };
  const conflict = relation.key.join(',');
  all.put = { path: byKey, method: 'PUT', json: whole };
  for (const resolution of ['merge-duplicates', 'ignore-duplicates']) {
    const headers = { prefer: `resolution=${resolution}` };
    all[`upsert, ${resolution}`] = {
      path: `/${relation.relation}?on_conflict=${conflict}`,
      method: 'POST',
      json: whole,
      headers,
    };
  }
  return all;
};

const SKIPPED = new Set(['date', 'x-request-id', 'server-timing', 'connection', 'keep-alive', 'content-length']);

/** An answer without what differs between two requests anyway: the row's own values, ids and times. */
const face = async (who, layer, schema, { path, method = 'GET', json, headers = {} }, row) => {
  const answer = await fetch(target.bases[layer] + path, {
    method,
    redirect: 'manual',
    headers: {
      [['GET', 'HEAD'].includes(method) ? 'accept-profile' : 'content-profile']: schema,
      ...(json !== undefined && { 'content-type': 'application/json' }),
      ...who.headers[layer],
      ...headers,
    },
    body: json === undefined ? undefined : JSON.stringify(json),
  });
  const values = Object.values(row).filter((value) => typeof value === 'string' && value.length > 20);
  const plain = (text) => {
    let found = text;
    for (const value of values) found = found.replaceAll(value, 'VALUE').replaceAll(encodeURIComponent(value), 'VALUE');
    return found;
  };
  const shown = [...answer.headers]
    .filter(([name]) => !SKIPPED.has(name))
    .map(([name, value]) => `${name}: ${plain(value)}`);
  return `${answer.status}\n${shown.join('\n')}\n${plain(await answer.text())}`;
};

const OUTSIDERS = ['anon key', ...USERS];
const outsidersOf = (decision) => OUTSIDERS.filter((each) => !decision.select.includes(each));

/** Asks everybody's questions about a fixture's row and about one that is not there; gives those whose answers differ. */
const tellsApart = async (name, columns) => {
  const decision = relations[name];
  const found = catalog.relations.find((each) => each.name === name);
  const relation = { ...found, key: decision.key ?? found.key, columns: columns ?? found.columns };
  const fixture = await target.addFixture(decision, people);
  const { row, marker } = fixture;
  const nowhere = absent(row);
  const differences = [];
  let asked = 0;
  const outsider = async (layer, who) => {
    const [foreign, missing] = [row, nowhere].map((each) => questions(relation, decision, each));
    for (const question of Object.keys(foreign)) {
      // The planner guesses from statistics of all rows. Past the edge it can be asked (docs/operations.md); the edge does not ask.
      if (layer === 'database' && /planned|estimated/.test(question)) continue;
      const first = await face(people[who], layer, relation.schema, foreign[question], row);
      const second = await face(people[who], layer, relation.schema, missing[question], nowhere);
      if (first !== second) differences.push(`${who}, ${layer}: ${question}: ${first} / ${second}`);
      if (first.includes(marker) || first.startsWith('5')) differences.push(`${who}, ${layer}: ${question}: ${first}`);
      asked += 1;
    }
  };
  try {
    await Promise.all(outsidersOf(decision).map((who) => outsider('database', who)));
    // The edge adds nothing that knows of rows: one of each kind will do.
    const some = ['anon key', 'stranger'].filter((who) => outsidersOf(decision).includes(who));
    await Promise.all(some.map((who) => outsider('edge', who)));
    if (!(await target.now(relation, row))) differences.push('it is gone');
    return { differences, asked };
  } finally {
    await target.removeFixture(fixture);
    await sql(`delete from ${name} as t where t::text ~ 'call-'`);
  }
};

/** Inserts rows that share one value with a foreign row, and rows that do not; gives the columns that differ. */
const collides = async (name) => {
  const decision = relations[name];
  const relation = catalog.relations.find((each) => each.name === name);
  const fixture = await target.addFixture(decision, people);
  const { row } = fixture;
  const differences = [];
  try {
    for (const outsider of outsidersOf(decision)) {
      const who = people[outsider];
      for (const column of relation.columns.filter((each) => typeof row[each] === 'string')) {
        const insert = async (value) => {
          const word = `call-${randomBytes(8).toString('hex')}`;
          const json = { ...decision.draft(who, word, people), [column]: value };
          const request = { path: `/${relation.relation}`, method: 'POST', json };
          return (await face(who, 'database', relation.schema, request, { word, value })).replaceAll(word, 'WORD');
        };
        const [shared, fresh] = [await insert(row[column]), await insert(other(row[column]))];
        if (shared !== fresh) differences.push(`${outsider}: ${column}: ${shared} / ${fresh}`);
      }
    }
    return differences;
  } finally {
    await target.removeFixture(fixture);
    await sql(`delete from ${name} as t where t::text ~ '(call|marker)-'`);
  }
};

// What everybody may read has no outsiders.
for (const name of Object.keys(relations).filter((each) => outsidersOf(relations[each]).length > 0)) {
  test(`${name}: foreign or absent, the same answer`, async (t) => {
    const { differences, asked } = await tellsApart(name);
    assert.deepEqual(differences, []);
    t.diagnostic(`${asked} questions, each twice`);
  });

  test(`${name}: a row of one’s own that shares a value with a foreign one, the same answer`, async () => {
    assert.deepEqual(await collides(name), []);
  });
}

test('it finds an id that may be chosen, and a row that is seen', async () => {
  await sql('grant insert (id) on sample.projects to authenticated');
  try {
    const found = await collides('sample.projects');
    assert.ok(found.some((line) => line.startsWith('stranger: id: 409')));
  } finally {
    await sql('revoke insert (id) on sample.projects from authenticated');
  }
  await sql('create policy faulty on sample.projects for select to authenticated using (true)');
  try {
    const { differences } = await tellsApart('sample.projects', []);
    for (const question of ['head', 'read, as CSV', 'read, an exact count']) {
      assert.ok(
        differences.some((line) => line.startsWith(`stranger, database: ${question}: `)),
        question,
      );
    }
  } finally {
    await sql('drop policy faulty on sample.projects');
  }
});

test('it finds a foreign key by which a parent can be guessed', async () => {
  const draft = (_, word) => ({ word });
  const table = (name, more) => `create table sample.${name} (id uuid primary key default gen_random_uuid(),
      user_id uuid default auth.uid(), word text ${more});
    alter table sample.${name} enable row level security;
    create policy owner_select on sample.${name} for select to authenticated using (user_id = (select auth.uid()));
    create policy owner_insert on sample.${name} for insert to authenticated with check (user_id = (select auth.uid()));
    grant select, insert (word ${more && ', parent_id'}) on sample.${name} to authenticated;`;
  await sql(table('oracle_parents', ''));
  await sql(table('oracle_children', ', parent_id uuid references sample.oracle_parents on delete cascade'));
  const known = async () => {
    await sql(`notify pgrst, 'reload schema'`);
    const answer = await target.ask(people.stranger, 'database', {
      schema: 'sample',
      path: '/oracle_children?select=oracle_parents(word)&limit=0',
    });
    return answer.status === 200;
  };
  try {
    await waitFor('PostgREST to know it', known);
    relations['sample.oracle_children'] = {
      fixture: async (add, { owner }, marker) => {
        const { id } = await add('sample.oracle_parents', { user_id: owner.sub, word: marker });
        return add('sample.oracle_children', { user_id: owner.sub, parent_id: id, word: marker });
      },
      draft,
      select: ['owner', 'service'],
    };
    catalog = await exposed(sql);
    const found = await collides('sample.oracle_children');
    assert.ok(
      found.some((line) => line.startsWith('stranger: parent_id: 201') && line.includes('/ 409')),
      found.join('\n').slice(0, 1000) || 'nothing',
    );
  } finally {
    delete relations['sample.oracle_children'];
    await sql(`drop table sample.oracle_children, sample.oracle_parents; notify pgrst, 'reload schema'`);
    catalog = await exposed(sql);
  }
});

for (const [name, { names, vouched, execute }] of Object.entries(functions).filter(([, decision]) => decision.names)) {
  test(`${name}: a call that names an existing or an absent row, the same answer`, async () => {
    const { schema, function: called } = catalog.functions.find((each) => each.name === name);
    const fixture = await target.addFixture(relations[names.relation], people);
    const { row } = fixture;
    try {
      const layer = vouched ? 'vouched' : 'database';
      for (const outsider of (vouched?.execute ?? execute).filter((each) => each !== 'service')) {
        const ask = (given) =>
          face(
            people[outsider],
            layer,
            schema,
            { path: `/rpc/${called}`, method: 'POST', json: names.arguments(given) },
            given,
          );
        assert.equal(await ask(row), await ask(absent(row)), outsider);
      }
    } finally {
      await target.removeFixture(fixture);
      await sql(`delete from ${names.relation} as t where t::text ~ 'marker-'`);
    }
  });
}

// At PostgREST itself the planner's guess cannot be forbidden (docs/decisions/0013-counts-are-exact-for-users.md): it is the edge that never asks for it.
test('a count does not tell what others have, for each kind of count', async () => {
  const owner = randomUUID();
  const color = '#0facad';
  await sql(
    `insert into sample.projects (user_id, name, color) select $1, 'call-' || n, $2 from generate_series(1, 2000) as n`,
    [owner, color],
  );
  await sql('analyze sample.projects');
  try {
    const count = async (layer, value, prefer) => {
      const path = `/projects?color=eq.${encodeURIComponent(value)}`;
      const answer = await face(people.stranger, layer, 'sample', { path, headers: { prefer } }, { value });
      return answer.match(/content-range: (.*)/)[1];
    };
    const planned = async (value) => Number((await count('database', value, 'count=planned')).split('/')[1]);
    const [guess, ofNone] = [await planned(color), await planned('#fedcba')];
    // How much it says depends on what else is in the table.
    assert.ok(guess > 3 * ofNone, `${guess}, ${ofNone}: the planner knows of them`);
    for (const prefer of ['count=planned', 'count=estimated', 'count=exact', 'count=exact, count=planned']) {
      for (const value of [color, '#fedcba'])
        assert.equal(await count('edge', value, prefer), '*/0', `${prefer} ${value}`);
    }
  } finally {
    await sql('delete from sample.projects where user_id = $1', [owner]);
    await sql('analyze sample.projects');
  }
});
