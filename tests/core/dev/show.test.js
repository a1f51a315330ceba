// `npm run db:show`: what an object is today, as SQL, and where its definition stands.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { catalog, differences } from '../../../dev/catalog.js';
import { root } from '../../../dev/paths.js';
import { show } from '../../../dev/show.js';
import { close, sql, stack } from '../../support/stack.js';

after(async () => {
  await sql('drop schema if exists shown cascade');
  await close();
});

const ask = (...args) =>
  spawnSync('npm', ['run', '--silent', 'db:show', '--', ...args], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, DATABASE_URL: stack.database_url },
  });

const OBJECTS = `
select n.nspname || '.' || c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition and n.nspname = any ($1) and c.relname <> 'schema_migrations'
union all
select format('%s.%s(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prokind in ('f', 'p') and n.nspname = any ($1)`;

test('every function, table and view is shown with the line of the migration that creates it', async () => {
  const made = await sql(
    `select nspname as name from pg_namespace where nspname !~ '^pg_' and nspname not in ('information_schema', 'public', 'extensions')`,
  );
  const objects = await sql(OBJECTS, [made.map(({ name }) => name)]);
  assert.ok(objects.length > 50, `${objects.length} objects`);
  for (const { name } of objects) {
    const text = await show(stack.database_url, name);
    const [, file, line] = /^-- (\S*migrations\/\S+?):(\d+)$/m.exec(text) ?? assert.fail(text);
    const lines = readFileSync(join(root, file), 'utf8')
      .split('\n')
      .slice(Number(line) - 1, Number(line) + 2);
    const [plain] = name.split('(');
    const [, table] = /private\.track_changes\(\s*'([\w.]+)'/.exec(lines.join('\n')) ?? [];
    if (table) {
      assert.equal(plain, `private.record_${table.replace('.', '_')}`);
      continue;
    }
    assert.match(lines.join('\n'), /\bcreate\b/, name);
    assert.ok(lines.join('\n').includes(plain), `${name} at ${file}:${line}: ${lines[0]}`);
  }
});

const SCHEMA = 'create schema shown; grant usage on schema shown to authenticated';
const MADE = `
create table shown.parents (id uuid primary key);
create table shown.things (
  id uuid primary key default gen_random_uuid(),
  parent_id uuid not null constraint things_parent references shown.parents (id) on delete cascade,
  "Odd name" text collate "C",
  number bigint generated always as identity,
  doubled int generated always as (1 + 1) stored,
  words text[] not null default '{}',
  constraint things_words check (cardinality(words) < 10)
);
comment on table shown.things is 'Somebody''s things.';
comment on column shown.things.words is 'Words; at most nine.';
create index things_words on shown.things using gin (words) where words <> '{}';
alter table shown.things enable row level security;
alter table shown.things force row level security;
create policy owner_select on shown.things for select to authenticated using (id is not null);
create policy owner_insert on shown.things as restrictive for insert to authenticated, anon with check (number > 0);
grant select, insert (parent_id, "Odd name"), update (words) on shown.things to authenticated;
create function shown.touch() returns trigger language plpgsql set search_path = '' as 'begin return new; end';
create trigger touched before update of words on shown.things for each row execute function shown.touch();
create view shown.all_things with (security_invoker = true) as select id, words from shown.things where number > 1;
comment on view shown.all_things is 'All.';
grant select on shown.all_things to authenticated;
create function shown.count(text, int default 2) returns bigint language sql stable security definer set search_path = ''
  as 'select count(*) from shown.things';
revoke execute on function shown.count(text, int) from public;
grant execute on function shown.count(text, int) to authenticated, service_role;
comment on function shown.count(text, int) is 'How many.';`;

test('what is shown makes the same again', async () => {
  const own = async () => new Map([...(await catalog(stack.database_url))].filter(([key]) => /^\w+ shown\b/.test(key)));
  const fill = async (statements) => {
    await sql(`drop schema if exists shown cascade; ${SCHEMA}`);
    await sql(statements);
    return own();
  };
  const wanted = await fill(MADE);
  const names = ['shown.parents', 'shown.touch', 'shown.things', 'shown.all_things', 'shown.count'];
  const texts = await Promise.all(names.map((name) => show(stack.database_url, name)));
  assert.match(texts[2], /^-- table shown.things\n-- in no migration\n/);
  const found = await fill(texts.join('\n'));
  assert.ok(wanted.size > 25, `${wanted.size}`);
  assert.deepEqual(differences(wanted, found), []);
});

test('the command takes a name without its schema where only one schema has it', async () => {
  await sql(`drop schema if exists shown cascade; ${SCHEMA}; ${MADE}`);
  const { status, stdout } = ask('all_things');
  assert.deepEqual([status, stdout.split('\n')[0]], [0, '-- view shown.all_things']);
  await sql('create function shown.parents() returns int language sql as $$ select 1 $$');
  const both = ask('shown.parents').stdout;
  assert.match(both, /^-- function shown.parents\(\)$/m);
  assert.match(both, /^-- table shown.parents$/m);
  assert.ok(!ask('shown.parents()').stdout.includes('-- table'));
});

test('an unknown or ambiguous name is refused in a sentence, with the names that are meant perhaps', async () => {
  await sql(`drop schema if exists shown cascade; ${SCHEMA}; ${MADE}`);
  const unknown = ask('shown.thigns');
  assert.equal(unknown.status, 1);
  assert.match(unknown.stderr, /^There is no function, table or view shown\.thigns\. Nearest: shown\.things, /m);
  assert.ok(!unknown.stderr.includes('at '), 'no stack of calls');
  await sql('create schema shown_too; create table shown_too.things (id int)');
  try {
    assert.match(ask('things').stderr, /^things is ambiguous: shown\.things, shown_too\.things\.$/m);
  } finally {
    await sql('drop schema shown_too cascade');
  }
  for (const args of [[], ['a', 'b']]) assert.match(ask(...args).stderr, /^Usage: npm run db:show -- /m);
});
