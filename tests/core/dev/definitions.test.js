// The check of `npm run lint` that each object is defined once: that it passes today, and finds what it should.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { loadModule } from 'libpg-query';
import { definitionsOf, redefinitions } from '../../../dev/definitions.js';
import { migrationFiles, sqlFilesOf } from '../../../dev/systems.js';

const directory = mkdtempSync(join(tmpdir(), 'rowgate-definitions-'));
before(loadModule);
after(() => rmSync(directory, { recursive: true, force: true }));

test('each object of the migrations is defined once', async () => {
  assert.deepEqual(await redefinitions(migrationFiles()), []);
});

const FIRST = `-- 0001: shops.
-- migrate:up
create schema shop;

create table shop.orders (id uuid primary key, total int, constraint total_positive check (total > 0));
comment on table shop.orders is 'What was bought.';
comment on column shop.orders.total is 'In cents.';
alter table shop.orders enable row level security;
create policy owner_select on shop.orders for select to authenticated using (true);
grant select on shop.orders to authenticated;
create index orders_total on shop.orders (total);
grant usage on schema shop to authenticated;
create type shop.state as enum ('open', 'paid');
create view shop.open_orders as select * from shop.orders;
create function shop.price(item text, out net int) returns int language sql as 'select 1';
create function shop.touch() returns trigger language plpgsql as 'begin return new; end';
create trigger touched before update on shop.orders for each row execute function shop.touch();

-- migrate:down
drop schema shop cascade;
`;

/** A later file's statements, and what is wrong with them. */
const FAULTS = {
  'create or replace function shop.price(text) returns int language sql as $$ select 2 $$':
    'replaces function shop.price(text)',
  'create or replace view shop.open_orders as select 1 as x': 'replaces view shop.open_orders',
  'create table shop.orders (id int)': 'creates table shop.orders',
  'create policy owner_select on shop.orders for select to anon using (true)': [
    'creates policy owner_select on shop.orders',
    'creates policy owner_select on shop.orders',
  ],
  'create policy other_select on shop.orders for select to anon using (true)':
    'creates policy other_select on shop.orders',
  'alter policy owner_select on shop.orders using (false)': 'alters policy owner_select on shop.orders',
  'create or replace trigger touched before insert on shop.orders for each row execute function shop.touch()':
    'replaces trigger touched on shop.orders',
  'drop trigger touched on shop.orders': 'drops trigger touched on shop.orders',
  'drop policy owner_select on shop.orders': 'drops policy owner_select on shop.orders',
  'alter table shop.orders add column note text': 'alters table shop.orders',
  'alter table shop.orders drop constraint total_positive': 'alters table shop.orders',
  'alter table shop.orders rename column total to sum': 'renames table shop.orders',
  'alter view shop.open_orders set (security_invoker = true)': 'alters view shop.open_orders',
  'drop function shop.price(text)': 'drops function shop.price(text)',
  'drop function shop.price': 'drops function shop.price(text)',
  'grant execute on function shop.price to anon': 'grants function shop.price(text)',
  'grant select on all tables in schema shop to anon': ['grants table shop.orders', 'grants view shop.open_orders'],
  'revoke execute on all functions in schema shop from anon': [
    'revokes function shop.price(text)',
    'revokes function shop.touch()',
  ],
  "alter function shop.price(text) set search_path = ''": 'alters function shop.price(text)',
  'drop table shop.orders': 'drops table shop.orders',
  'drop index shop.orders_total': 'drops index shop.orders_total',
  'create index orders_total on shop.orders (id)': 'creates index shop.orders_total',
  "alter type shop.state add value 'lost'": 'alters type shop.state',
  'grant update on shop.orders to anon': 'grants table shop.orders',
  'revoke select on shop.orders from authenticated': 'revokes table shop.orders',
  'grant execute on function shop.price(text) to anon': 'grants function shop.price(text)',
  "comment on table shop.orders is 'x'": 'comments on table shop.orders',
  "comment on column shop.orders.total is 'x'": 'comments on table shop.orders',
  "comment on function shop.price(text) is 'x'": 'comments on function shop.price(text)',
};

const files = () => sqlFilesOf(directory);

const faultsWith = (second, name = '0002_more.sql') => {
  writeFileSync(join(directory, '0001_shop.sql'), FIRST);
  writeFileSync(join(directory, name), second);
  return redefinitions(files());
};

for (const [statement, wrong] of Object.entries(FAULTS)) {
  test(`it finds: ${statement}`, async () => {
    const found = await faultsWith(`-- migrate:up\n\n-- A comment.\n${statement};\n\n-- migrate:down\nselect 1;\n`);
    const wanted = [wrong].flat().map((words) => `0002_more.sql:4 ${words}, which 0001_shop.sql creates`);
    assert.deepEqual(found, wanted);
  });
}

test('a later file may define what a released one does again, once', async () => {
  const later = Object.keys(FAULTS).filter((statement) => !statement.startsWith('create table'));
  for (const statement of later) {
    await faultsWith(`-- migrate:up\n${statement};\n`);
    assert.deepEqual(await redefinitions(files(), ['0001_shop.sql']), [], statement);
    assert.equal((await redefinitions(files(), ['0001_shop.sql', '0002_more.sql'])).length > 0, true, statement);
  }
  const twice =
    '-- migrate:up\ncreate or replace function shop.price(text) returns int language sql as $$ select 2 $$;\n';
  await faultsWith(twice);
  writeFileSync(join(directory, '0003_again.sql'), twice);
  assert.deepEqual(await redefinitions(files(), ['0001_shop.sql']), [
    '0003_again.sql:2 replaces function shop.price(text), which 0002_more.sql creates',
  ]);
  rmSync(join(directory, '0003_again.sql'));
});

test('a second definition in the same file is one too many', async () => {
  const found = await faultsWith('-- migrate:up\nselect 1;', '0002_more.sql');
  assert.deepEqual(found, []);
  const again = `${FIRST.split('-- migrate:down')[0]}create or replace function shop.price(text) returns int language sql as 'select 2';\n`;
  writeFileSync(join(directory, '0001_shop.sql'), again);
  assert.deepEqual(await redefinitions(files()), [
    '0001_shop.sql:19 replaces function shop.price(text), which 0001_shop.sql creates',
  ]);
});

test('what a file attaches of its own is no second definition, nor is a function of other arguments', async () => {
  const fine = `-- migrate:up
create table shop.refunds (id uuid primary key);
alter table shop.refunds add constraint small check (true);
create function shop.price(item text, number int) returns int language sql as 'select 2';
create function shop.count() returns trigger language plpgsql as 'begin return new; end';
create trigger counted after insert on shop.orders for each row execute function shop.count();
create index orders_by_id on shop.orders (id, total);
-- migrate:down
drop table shop.refunds, shop.orders;
`;
  assert.deepEqual(await faultsWith(fine), []);
});

test('a definition has the line of its first word', () => {
  const found = definitionsOf(FIRST);
  const at = (wanted) => found.find(({ name, how }) => name === wanted && how === 'creates').line;
  assert.deepEqual([at('shop'), at('shop.orders'), at('shop.price(text)'), at('touched')], [3, 5, 15, 17]);
});
