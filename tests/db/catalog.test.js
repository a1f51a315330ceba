// Rules that hold for every table and function, whatever system it belongs to. A new one that breaks a rule fails here.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { close, sql } from '../support/stack.js';

after(close);

const SCHEMAS = `n.nspname in ('clixen', 'marketing', 'edge', 'private')`;

test('every table has row-level security, enabled and forced', async () => {
  const found =
    await sql(`select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and ${SCHEMAS} and c.relname <> 'schema_migrations'
      and not (c.relrowsecurity and c.relforcerowsecurity)`);
  assert.deepEqual(found, []);
});

test('anon, edge and public have no privilege on any table or column', async () => {
  const found = await sql(`select c.oid::regclass::text as name, a.privilege_type
    from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_attribute t on t.attrelid = c.oid,
    lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(t.attacl)) as a
    where ${SCHEMAS} and a.grantee in (0, 'anon'::regrole, 'edge'::regrole)`);
  assert.deepEqual(found, []);
});

test('every verb that is granted has a policy', async () => {
  const found = await sql(`select distinct c.oid::regclass::text as name, a.privilege_type as verb
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    left join pg_attribute t on t.attrelid = c.oid,
    lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(t.attacl)) as a
    where ${SCHEMAS} and a.grantee = 'authenticated'::regrole
      and not exists (
        select from pg_policy p where p.polrelid = c.oid and 'authenticated'::regrole = any (p.polroles)
          and p.polcmd = case a.privilege_type
            when 'SELECT' then 'r' when 'INSERT' then 'a' when 'UPDATE' then 'w' when 'DELETE' then 'd' end)`);
  assert.deepEqual(found, []);
});

test('a function is executable by those it is granted to and nobody else', async () => {
  const rows =
    await sql(`select p.oid::regprocedure::text as name, string_agg(a.grantee::regrole::text, ' ' order by a.grantee::regrole::text) as who
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace,
      aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
    where ${SCHEMAS} and a.grantee <> p.proowner group by 1 order by 1`);
  assert.deepEqual(
    rows.map(({ name, who }) => `${name}: ${who}`),
    ['edge.ready(): edge', 'marketing.capture_lead(jsonb): anon authenticated service_role'],
  );
});

test('every function pins its search path', async () => {
  const found =
    await sql(`select p.oid::regprocedure::text as name from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where ${SCHEMAS} and not 'search_path=""' = any (coalesce(p.proconfig, '{}'))`);
  assert.deepEqual(found, []);
});

test('every table that a request may update or delete refuses to be written without a filter', async () => {
  const found = await sql(`select distinct c.oid::regclass::text as name
    from pg_class c join pg_namespace n on n.oid = c.relnamespace left join pg_attribute t on t.attrelid = c.oid,
    lateral (select * from aclexplode(c.relacl) union all select * from aclexplode(t.attacl)) as a
    where ${SCHEMAS} and a.privilege_type in ('UPDATE', 'DELETE')
      and a.grantee in ('anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole)
      and not exists (
        select from pg_trigger g where g.tgrelid = c.oid and g.tgfoid = 'private.require_filter'::regproc
          and g.tgenabled = 'O' and g.tgtype & 27 = 26)`);
  assert.deepEqual(found, []);
});

test('every foreign key is indexed', async () => {
  const found = await sql(`select r.conname from pg_constraint r join pg_namespace n on n.oid = r.connamespace
    where r.contype = 'f' and ${SCHEMAS} and not exists (
      select from pg_index i where i.indrelid = r.conrelid and (i.indkey::int2[])[0:cardinality(r.conkey) - 1] @> r.conkey)`);
  assert.deepEqual(found, []);
});

test('every table says what it is for', async () => {
  const found =
    await sql(`select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p') and ${SCHEMAS} and c.relname <> 'schema_migrations' and obj_description(c.oid) is null`);
  assert.deepEqual(found, []);
});

test('leads have their nine indexes, projects their three', async () => {
  const rows = await sql(`select tablename, count(*)::int as count from pg_indexes
    where schemaname in ('marketing', 'clixen') and indexname not like '%_pkey' and indexname <> 'projects_id_user_id'
    group by 1 order by 1`);
  assert.deepEqual(rows, [
    { tablename: 'leads', count: 9 },
    { tablename: 'projects', count: 3 },
  ]);
});
