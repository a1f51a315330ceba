// The migrations on a database that is Supabase's already: applied by its role postgres, which is no superuser, without a change
// to what is there; accounts make and erase what is theirs.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { catalog, differences, ownPart, withAccounts } from '../../../dev/catalog.js';
import { migrate, rollback } from '../../../dev/migrate.js';
import { root } from '../../../dev/paths.js';
import { startThrowAway } from '../../../dev/throwaway.js';
import { has, stack as plain } from '../../support/stack.js';

// A server of its own: roles belong to the whole server.
let system;
let stack;
let url;
let owner;
let found;

/** What the project's own schemas and roles were, and what Supabase's. */
const theirs = (state) =>
  new Map(
    [...state].filter(
      ([key, definition]) =>
        // The triggers on auth.users are the migrations' one touch, and named after them.
        !/^trigger auth\.users rowgate_/.test(key) &&
        (/^(schema|table|column|constraint|index|policy|function|trigger) (auth|extensions)\b/.test(key) ||
          /^role (anon|authenticated|service_role)$/.test(key) ||
          (key.startsWith('default ') && !definition.includes('=X'))),
    ),
  );

before(async () => {
  system = await startThrowAway('supabase', { only: 'database' });
  stack = system.stack;
  owner = new pg.Client({ connectionString: stack.databaseUrl });
  await owner.connect();
  await owner.query(readFileSync(join(root, 'tests', 'core', 'support', 'supabase.sql'), 'utf8'));
  await owner.query(`grant create on database ${owner.escapeIdentifier(owner.database)} to postgres_of_supabase`);
  // Supabase's own belongs to the role that migrates there.
  await owner.query('alter publication supabase_realtime owner to postgres_of_supabase');
  const address = new URL(stack.databaseUrl);
  address.username = 'postgres_of_supabase';
  address.password = 'postgres';
  url = address.toString();
  found = await catalog(stack.databaseUrl);
});
after(async () => {
  await owner?.end();
  await system?.stop();
});

const query = async (text, values) => (await owner.query(text, values)).rows;

test('they apply, and leave Supabase’s own as it is', async () => {
  await migrate(url, { quiet: true });
  assert.deepEqual(differences(theirs(found), theirs(await catalog(stack.databaseUrl))), []);
  assert.ok(theirs(found).size > 25, `${theirs(found).size}`);
});

const published = async () =>
  (await query(`select tablename from pg_publication_tables where pubname = 'supabase_realtime' order by 1`)).map(
    ({ tablename }) => tablename,
  );

test('tables that clients subscribe to are in Supabase’s publication', async () => {
  const ofClixen = ['deployments', 'mvp_chat_messages', 'mvp_chat_sessions', 'mvp_workflows', 'projects'];
  const wanted = has('clixen') ? ofClixen : [];
  assert.deepEqual(await published(), wanted);
});

test('`db:verify` finds it as the migrations intend, and misses a trigger on auth.users that is gone', async () => {
  const intended = ownPart(await catalog(plain.database_url));
  const verified = async () => {
    const there = ownPart(await catalog(stack.databaseUrl));
    return differences(withAccounts(intended, there), there).map((line) => line.split('\n')[0]);
  };
  assert.deepEqual(await verified(), []);
  await owner.query('alter table auth.users rename to others; create table auth.users (like auth.others)');
  assert.deepEqual((await verified()).sort(), [
    'different: trigger auth.users rowgate_erase_account',
    'different: trigger auth.users rowgate_follow_account',
  ]);
  await owner.query('drop table auth.users; alter table auth.others rename to users');
});

test('Supabase’s own functions are the ones that policies use', async () => {
  const [{ count }] = await query(
    `select count(*)::int from pg_proc where pronamespace = 'auth'::regnamespace and obj_description(oid) like '%Made by rowgate%'`,
  );
  assert.equal(count, 0);
  const id = randomUUID();
  await owner.query('begin');
  try {
    await owner.query(`select set_config('role', 'authenticated', true), set_config('request.jwt.claims', $1, true)`, [
      JSON.stringify({ sub: id, role: 'authenticated' }),
    ]);
    await owner.query(`insert into sample.projects (name) values ('mine')`);
    assert.deepEqual(await query('select user_id, name from sample.projects'), [{ user_id: id, name: 'mine' }]);
  } finally {
    await owner.query('rollback');
  }
});

/** As Supabase's own auth server does it. */
const asAuth = async (text, values) => {
  await owner.query('set role supabase_auth_admin');
  try {
    return (await owner.query(text, values)).rows;
  } finally {
    await owner.query('reset role');
  }
};

test('a sign-up makes a profile; a deleted account is erased with all that is theirs, and nobody else’s', async () => {
  const [one, two] = [randomUUID(), randomUUID()];
  await asAuth(
    'insert into auth.users (id, email, raw_user_meta_data, email_confirmed_at) values ($1, $2, $3, now()), ($4, $5, $6, null)',
    [...[one, 'one@example.org', { tier: 'enterprise', full_name: 'x' }], ...[two, null, null]],
  );
  const profiles = () =>
    query('select id, email, tier, total_projects from sample.user_profiles order by email nulls last');
  assert.deepEqual(await profiles(), [
    { id: one, email: 'one@example.org', tier: 'free', total_projects: '0' },
    { id: two, email: null, tier: 'free', total_projects: '0' },
  ]);
  for (const id of [one, one, two]) {
    await query('insert into sample.projects (user_id, name) values ($1, $2)', [id, randomUUID()]);
  }
  assert.deepEqual(
    (await profiles()).map(({ total_projects }) => total_projects),
    ['2', '1'],
  );
  await query(
    `insert into private.idempotency_keys (operation, caller, key, request_hash, expires_at) values ('x', $1, 'k', '', now()), ('x', $2, 'k', '', now())`,
    [one, two],
  );
  await asAuth('delete from auth.users where id = $1', [one]);
  assert.deepEqual(
    (await profiles()).map(({ id }) => id),
    [two],
  );
  assert.deepEqual(await query('select user_id from sample.projects'), [{ user_id: two }]);
  assert.deepEqual(await query('select caller from private.idempotency_keys'), [{ caller: two }]);
});

test('an address may be known already, may change, and may be none', async () => {
  const [known, id] = [randomUUID(), randomUUID()];
  const email = async () => (await query('select email from sample.user_profiles where id = $1', [id]))[0].email;
  await query('insert into sample.user_profiles (id, email) values ($1, $2)', [known, 'Taken@example.org']);
  await asAuth('insert into auth.users (id, email) values ($1, $2)', [id, 'taken@example.org']);
  assert.equal(await email(), null, 'anybody may sign up with an address');
  await asAuth('update auth.users set email_confirmed_at = now() where id = $1', [id]);
  assert.equal(await email(), 'taken@example.org');
  await asAuth('update auth.users set email = $2 where id = $1', [id, 'new@example.org']);
  assert.equal(await email(), 'new@example.org');
  await asAuth('update auth.users set email = $2 where id = $1', [id, 'no address']);
  assert.equal(await email(), null);
});

test('they roll back to what Supabase had, and apply again', async () => {
  await rollback(url, 'all', { quiet: true });
  assert.deepEqual(differences(theirs(found), theirs(await catalog(stack.databaseUrl))), []);
  await migrate(url, { quiet: true });
});

test('accounts that appear after the migrations are followed as soon as `db:migrate` runs again', async () => {
  await asAuth('drop trigger if exists rowgate_follow_account on auth.users');
  await asAuth('drop trigger if exists rowgate_erase_account on auth.users');
  const followed = () =>
    query(
      `select tgname as name from pg_trigger where tgrelid = 'auth.users'::regclass and tgname ~ '^rowgate_' order by 1`,
    );
  assert.deepEqual(await followed(), []);
  for (let times = 0; times < 2; times += 1) {
    await migrate(url, { quiet: true });
    assert.deepEqual(await followed(), [{ name: 'rowgate_erase_account' }, { name: 'rowgate_follow_account' }]);
  }
});
