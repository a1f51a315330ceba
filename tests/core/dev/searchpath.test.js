// The check of `npm run lint` that no migration depends on a search path: that it is clean, and finds what it should.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { loadModule } from 'libpg-query';
import { EXCEPTIONS, faultsOf, searchPathFaults } from '../../../dev/searchpath.js';
import { migrationFiles } from '../../../dev/systems.js';

before(loadModule);

test('no migration depends on a search path', async () => {
  assert.deepEqual(await searchPathFaults(migrationFiles()), []);
  for (const reason of Object.values(EXCEPTIONS)) assert.ok(reason.length > 5);
});

const made = (options, body, language = 'plpgsql') =>
  `create function sample.faulty() returns int language ${language} ${options} as $$ ${body} $$`;
const pinned = `set search_path = ''`;

const FAULTS = {
  'a table': ['select * from projects', 'a statement names projects without its schema'],
  'a view': ['create view sample.v as select * from projects', 'a statement names projects without its schema'],
  'a new table': ['create table faulty (id int)', 'a statement names faulty without its schema'],
  'a function without a schema': [
    `create function faulty() returns int language sql ${pinned} as 'select 1'`,
    'function faulty names no schema',
  ],
  'no path': [made('', 'begin return 1; end'), "function sample.faulty does not set search_path = ''"],
  'another path': [
    made('set search_path = sample, pg_temp', 'begin return 1; end'),
    "function sample.faulty does not set search_path = ''",
  ],
  'a body in SQL': [
    made(pinned, 'select count(*) from projects', 'sql'),
    'function sample.faulty names projects without its schema',
  ],
  'a body that is parsed when it is made': [
    'create function sample.faulty() returns bigint language sql return (select count(*) from projects)',
    'function sample.faulty names projects without its schema',
  ],
  'a body in PL/pgSQL': [
    made(pinned, 'begin update projects set name = name; return 1; end'),
    'function sample.faulty names projects without its schema',
  ],
  'a block': ['do $$ begin delete from projects; end $$', 'a block names projects without its schema'],
  'a function made by a block': [
    `do $$ begin create function sample.faulty() returns int language sql as $f$ select 1 $f$; end $$`,
    "function sample.faulty does not set search_path = ''",
  ],
};

for (const [what, [text, fault]] of Object.entries(FAULTS)) {
  test(`it finds ${what}`, () => assert.deepEqual(faultsOf(text), [fault]));
}

test('rows of a statement are known to triggers, and to nothing else', () => {
  const body = 'begin update sample.projects as p set name = n.name from new_rows as n; return null; end';
  const fault = 'function sample.faulty names new_rows without its schema';
  assert.deepEqual(faultsOf(made(pinned, body)), [fault]);
  assert.deepEqual(faultsOf(made(pinned, body).replace('returns int', 'returns trigger')), []);
});

test('what looks like a table and is none is left alone', () => {
  const body = `declare wait int; begin
    -- from nowhere
    wait := extract(epoch from now());
    if 'delete from x' is distinct from wait::text then wait := 1; end if;
    with old as (select 1) select count(*) into strict wait from old;
    perform 1 from unnest(array[1]) as each for update skip locked;
    insert into sample.projects (name) values ('x') on conflict do update set name = 'y';
    return wait; end`;
  assert.deepEqual(faultsOf(made(pinned, body)), []);
  assert.deepEqual(faultsOf('with a as (select 1) select * from a, pg_class'), []);
});
