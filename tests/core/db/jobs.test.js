// private.jobs: each system lists its jobs there, and edge.run_job calls nothing else.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { root } from '../../../dev/paths.js';
import { close, sql, transaction } from '../../support/stack.js';

after(close);

const { crons } = /^crons = (?<crons>\[.*\])$/m.exec(readFileSync(join(root, 'wrangler.toml'), 'utf8')).groups;

test('every job has a function, a description, and a schedule that the edge is called by', async () => {
  const jobs = await sql(
    `select name, function, schedule, description, private.internal_function(function, '', 'bigint') as call from private.jobs`,
  );
  assert.ok(jobs.length > 0);
  for (const { name, function: called, schedule, description, call } of jobs) {
    assert.equal(call, called, name);
    assert.ok(JSON.parse(crons).includes(schedule), name);
    assert.match(description, /\w.*\.$/, name);
  }
});

test('no request role may read or write the jobs', async () => {
  for (const role of ['anon', 'authenticated', 'edge', 'service_role', 'authenticator']) {
    for (const statement of ['select from private.jobs', `delete from private.jobs where true`]) {
      await transaction(async (run) => {
        await run(`set local role ${role}`);
        await assert.rejects(run(statement), { code: '42501' }, `${role}: ${statement}`);
      });
    }
  }
});

/** Lists a job in a transaction that is rolled back, and runs it. */
const tryJob = async (called, statement = 'select 1') => {
  let result;
  await transaction(async (run) => {
    await run(statement);
    await run(
      `insert into private.jobs (name, function, schedule, description) values ('made_up', $1, '7 * * * *', 'Made up.')`,
      [called],
    );
    [{ result }] = await run(`select edge.run_job('made_up') as result`);
    const [noted] = await run('select job, rows::int, error, skipped from private.job_runs order by id desc limit 1');
    assert.deepEqual(noted, { job: 'made_up', rows: result.rows, error: result.error, skipped: false });
  });
  return result;
};

const FUNCTION = (more = '', returns = 'bigint') =>
  `create function private.made_up(${more}) returns ${returns} language sql set search_path = '' as 'select 7::bigint'`;

test('a job’s function gives its rows', async () => {
  const expected = { job: 'made_up', rows: 7, more: false, error: null, skipped: false };
  assert.deepEqual(await tryJob('private.made_up', FUNCTION()), expected);
  assert.deepEqual(await tryJob('private.made_up', FUNCTION('most bigint default 5')), expected);
});

test('any other function is not called', async () => {
  const others = {
    'it does not exist': 'select 1',
    'it takes an argument': FUNCTION('most bigint'),
    'it gives something else': FUNCTION('', 'text').replace('7::bigint', `''7''::text`),
    'it gives a set': FUNCTION('', 'setof bigint'),
    'a request role may execute it': `${FUNCTION()}; grant execute on function private.made_up() to edge`,
    'everybody may execute it': `${FUNCTION()}; grant execute on function private.made_up() to public`,
    'it belongs to another role': `${FUNCTION()}; alter function private.made_up() owner to service_role`,
  };
  for (const [why, statement] of Object.entries(others)) {
    const { rows, more, error } = await tryJob('private.made_up', statement);
    assert.match(error ?? 'called', /^42883: private\.made_up\(\) is no function of a job/, why);
    assert.deepEqual([rows, more], [0, false], why);
  }
});

test('a job names a function, not a statement', async () => {
  for (const called of [
    'made_up',
    'private.made_up()',
    'private.made_up(); drop table x',
    'private."made_up"',
    'a.b.c',
  ]) {
    await assert.rejects(tryJob(called, FUNCTION()), { constraint: 'jobs_function' }, called);
  }
});

test('tables that were never analysed get statistics, once', async () => {
  const table = 'private.made_up_rows';
  await sql(`create table ${table} (n int) with (autovacuum_enabled = off)`);
  try {
    const known = async () => {
      const [row] = await sql(
        `select (select n_distinct from pg_stats where schemaname || '.' || tablename = $1) as values,
           pg_stat_get_analyze_count($1::regclass)::int as times`,
        [table],
      );
      return row;
    };
    await sql('select private.analyze_tables(10000)');
    assert.deepEqual(await known(), { values: null, times: 0 }, 'it has no rows');
    await sql(`insert into ${table} select n % 7 from generate_series(1, 1000) as n`);
    for (let n = 0; n < 2; n += 1) {
      await sql('select private.analyze_tables(10000)');
      assert.deepEqual(await known(), { values: 7, times: 1 });
    }
    const [{ result }] = await sql(`select edge.run_job('analyze_tables') as result`);
    assert.equal(result.error, null);
  } finally {
    await sql(`drop table ${table}`);
  }
});
