// `npm run db:verify` on a database of somebody's: read-only, in words, with a status for CI.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { root } from '../../../dev/paths.js';
import { startThrowAway } from '../../../dev/throwaway.js';

let system;
let owner;
let url;

before(async () => {
  system = await startThrowAway('verify-test', { only: 'migrated database' });
  const { databaseUrl } = system.stack;
  owner = new pg.Client({ connectionString: databaseUrl });
  await owner.connect();
  // Somebody who may write nothing: it has to be enough.
  await owner.query(
    `create role reader login password 'reader'; alter role reader set default_transaction_read_only = on`,
  );
  const address = new URL(databaseUrl);
  address.username = 'reader';
  address.password = 'reader';
  url = address.toString();
});
after(async () => {
  await owner?.end();
  await system?.stop();
});

const verify = async () => {
  const child = spawn(process.execPath, ['dev/db.js', 'verify'], {
    cwd: root,
    env: { ...process.env, DATABASE_URL: url },
  });
  let said = '';
  child.stdout.on('data', (text) => {
    said += text;
  });
  const status = await new Promise((resolve) => child.once('close', resolve));
  return { status, lines: said.split('\n').filter((line) => /^(missing|different|not from)/.test(line)), said };
};

test('a migrated database is as the migrations intend', async () => {
  const { status, said } = await verify();
  assert.equal(status, 0, said);
  assert.match(said, /^\d{3,} objects are as the migrations intend$/m);
});

test('every kind of difference is named, and ends with status 1', async () => {
  await owner.query(`
    alter table sample.projects add column faulty int;
    alter table sample.projects alter column color drop default;
    alter table sample.projects drop constraint projects_color;
    drop index sample.projects_created_at;
    drop policy owner_select on sample.projects;
    create policy faulty on sample.projects for select to authenticated using (true);
    create or replace function private.caller_key() returns text language sql set search_path = '' as $$ select 'x' $$;
    grant truncate on sample.projects to authenticated;
    grant execute on function private.is_email(text) to anon;
    grant usage on schema private to anon;
    alter table private.audit_log disable row level security;
    alter type sample.mood add value 'faulty';
    drop trigger projects_audit on sample.projects;
    create table sample_more.faulty (id int);
    alter table sample.projects disable trigger projects_filter;
    create rule faulty as on delete to sample.projects do also select 1;
    create sequence sample.faulty;
    alter role authenticated bypassrls;
    grant service_role to anon;
    create role somebody; alter function sample.erase_user(uuid) owner to somebody;
    create schema if not exists auth; create table auth.users (id uuid);
    create schema cron;
    create table cron.job (jobid bigint, schedule text, command text, database text, active boolean, jobname text);
    insert into cron.job values (1, '* * * * *', 'select 1', current_database(), true, 'rowgate faulty'),
      (2, '* * * * *', 'select 1', current_database(), true, 'somebody else''s');
    grant usage on schema cron to public; grant select on cron.job to public`);
  const { status, lines } = await verify();
  assert.equal(status, 1);
  assert.deepEqual(lines.sort(), [
    'different: column sample.projects.color',
    'different: function private.caller_key()',
    'different: function private.is_email(text)',
    'different: role anon',
    'different: role authenticated',
    'different: schema private',
    'different: table private.audit_log',
    'different: table sample.projects',
    'different: trigger auth.users rowgate_erase_account',
    'different: trigger auth.users rowgate_follow_account',
    'different: trigger sample.projects projects_filter',
    'different: type sample.mood',
    'missing: constraint sample.projects projects_color',
    'missing: index sample.projects_created_at',
    'missing: policy sample.projects owner_select',
    'missing: trigger sample.projects projects_audit',
    'not from the migrations: column sample.projects.faulty',
    'not from the migrations: column sample_more.faulty.id',
    'not from the migrations: job rowgate faulty',
    'not from the migrations: owner sample function sample.erase_user(uuid)',
    'not from the migrations: policy sample.projects faulty',
    'not from the migrations: rule sample.projects faulty',
    'not from the migrations: sequence sample.faulty',
    'not from the migrations: table sample_more.faulty',
  ]);
});
