// Jobs: asked for by the edge's clock, run once at a time, and written down.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { parse } from 'smol-toml';
import { root } from '../../../dev/paths.js';
import { startEdge } from '../../support/edge.js';
import { ask, close, edgeToken, rowsRead, sql, stack, transaction } from '../../support/stack.js';
import { aggregated, anEvent, freshCount } from '../support/events.js';

const AROUND = `import edge from './entry.js';
  export default { ...edge, async fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname !== '/the-clock') return edge.fetch(request, env, ctx);
    await edge.scheduled({ cron: url.searchParams.get('cron'), scheduledTime: Date.now(), type: 'scheduled' }, env, ctx);
    return new Response('done');
  } };`;
const { crons } = parse(readFileSync(join(root, 'wrangler.toml'), 'utf8')).triggers;

let edge;
before(async () => {
  edge = await startEdge({}, [], AROUND);
});
after(async () => {
  await edge?.stop();
  await close();
});

const tick = async (cron) =>
  assert.equal((await fetch(`${edge.url}/the-clock?cron=${encodeURIComponent(cron)}`)).status, 200);
const runs = (job) =>
  sql(
    'select rows::int, error, skipped, finished_at >= started_at as ordered from private.job_runs where job = $1 order by id',
    [job],
  );
const last = async (job) => (await runs(job)).at(-1);

test('every cron of wrangler.toml runs the jobs that are listed for it, and each run leaves a row', async () => {
  const jobs = await sql('select name, schedule from private.jobs');
  assert.deepEqual(new Set(jobs.map(({ schedule }) => schedule)), new Set(crons));
  for (const cron of crons) {
    const due = jobs.filter(({ schedule }) => schedule === cron).map(({ name }) => name);
    const before_ = await Promise.all(due.map(runs));
    await tick(cron);
    for (const [at, job] of due.entries()) {
      const now = await runs(job);
      assert.ok(now.length > before_[at].length, job);
      const { error, ordered } = now.at(-1);
      assert.deepEqual([error, ordered], [null, true], job);
    }
  }
  await edge.logged(({ event, job, error }) => event === 'job' && job === 'cleanup_old_data' && error === null);
  await tick('1 2 3 4 5');
  await edge.logged(({ event }) => event === 'unknown_cron');
});

test('jobs run in an isolate that has served no request', async () => {
  const silent = AROUND.replace('return edge.fetch(request, env, ctx)', `return new Response('up')`);
  assert.notEqual(silent, AROUND);
  const fresh = await startEdge({}, [], silent);
  try {
    const before_ = await runs('process_pending_events');
    await fetch(`${fresh.url}/the-clock?cron=${encodeURIComponent('*/5 * * * *')}`);
    const now = await runs('process_pending_events');
    assert.ok(now.length > before_.length);
    assert.equal(now.at(-1).error, null);
  } finally {
    await fresh.stop();
  }
});

test('events that were sent are counted by the clock, to the last one', async () => {
  const events = Array.from({ length: 40 }, (_, n) => anEvent({ name: 'by the clock', session_id: `s${n % 5}` }));
  assert.equal((await ask('/v1/events', { json: events })).status, 202);
  await tick('*/5 * * * *');
  assert.ok((await runs('process_pending_events')).some(({ rows }) => rows >= 40));
  assert.deepEqual(await aggregated(), await freshCount());
  const [row] = await sql(`select event_count::int, unique_sessions::int from analytics.event_aggregations
    where granularity = 'month' and event_name = 'by the clock'`);
  assert.deepEqual(row, { event_count: 40, unique_sessions: 5 });
});

test('what lies about is put away: abandoned sign-ups, and what is past 90 days', async () => {
  const { body } = await ask('/v1/onboarding/sessions', { json: { business_data: { name: 'idle' } } });
  assert.equal(body.session.status, 'in_progress');
  await sql(
    `update onboarding.sessions set last_activity_at = now() - interval '3 hours' where business_data ->> 'name' = 'idle'`,
  );
  await tick('7 * * * *');
  const status = async () =>
    (await sql(`select status from onboarding.sessions where business_data ->> 'name' = 'idle'`))[0]?.status;
  assert.equal(await status(), 'abandoned');
  await tick('7 * * * *');
  assert.equal(await status(), 'abandoned', 'for a while');
  await sql(
    `update onboarding.sessions set last_activity_at = now() - interval '91 days' where business_data ->> 'name' = 'idle'`,
  );
  await sql(`insert into marketing.leads (email, email_normalized, email_domain, is_spam, created_at, updated_at)
    select a, a, 'old.example', spam, now() - interval '100 days', now() - interval '100 days'
    from (values ('spam@old.example', true), ('good@old.example', false)) as l (a, spam)`);
  await sql(
    `insert into private.job_runs (job, started_at, finished_at) values ('old', now() - interval '100 days', now())`,
  );
  await tick('7 * * * *');
  assert.equal(await status(), undefined);
  const left = await sql(`select email::text from marketing.leads where email_domain = 'old.example'`);
  assert.deepEqual(left, [{ email: 'good@old.example' }]);
  assert.deepEqual(await runs('old'), []);
});

test('runs that overlap do no harm, and say so', async () => {
  await ask('/v1/events', { json: Array.from({ length: 200 }, () => anEvent()) });
  const before_ = (await runs('process_pending_events')).length;
  await Promise.all(Array.from({ length: 8 }, () => tick('*/5 * * * *')));
  const now = (await runs('process_pending_events')).slice(before_);
  assert.ok(now.length >= 8, `${now.length}`);
  for (const { error } of now) assert.equal(error, null);
  assert.ok(now.some(({ skipped }) => !skipped));
  await tick('*/5 * * * *');
  assert.deepEqual(await aggregated(), await freshCount());
});

/** Tables as the planner sees them right after most of their rows were deleted: many pages, hardly a row. */
const takeForEmpty = (tables) =>
  sql(`update pg_class set reltuples = 1, relpages = 1000 where relkind = 'r' and oid::regclass::text like $1`, [
    tables,
  ]);

test('a flood of events of a name each holds nobody up', async () => {
  const batch = () => Array.from({ length: 500 }, () => anEvent());
  for (let n = 0; n < 12; n += 1)
    assert.equal(
      (await ask('/v1/events', { json: batch(), headers: { 'cf-connecting-ip': '203.0.113.9' } })).status,
      202,
    );
  await takeForEmpty('analytics.events_2%');
  await transaction(async (query) => {
    let rows;
    const read = await rowsRead(query, `relid::regclass::text like 'analytics.events_2%'`, async () => {
      [{ rows }] = await query('select analytics.process_pending_events()::int as rows');
    });
    assert.ok(rows >= 1000, `${rows}`);
    assert.ok(read < 20 * rows, `${read} events were read for ${rows}: each name has to read its own`);
  });
  await tick('*/5 * * * *');
  assert.equal((await last('process_pending_events')).error, null);
  assert.deepEqual(await aggregated(), await freshCount());
});

test('a backlog is worked off in parts, and no part of it keeps partitions from being made', async () => {
  await sql(`insert into onboarding.sessions (session_token_hash, status, last_activity_at)
    select sha256(('backlog ' || n)::bytea), 'in_progress', now() - interval '5 hours' from generate_series(1, 12000) as n`);
  await sql(`insert into marketing.leads (email, email_normalized, email_domain, is_spam, created_at, updated_at)
    select a, a, 'backlog.example', true, now() - interval '100 days', now() - interval '100 days'
    from (select n || '@backlog.example' as a from generate_series(1, 12000) as n) as l`);
  const before_ = (await runs('cleanup_old_data')).length;
  await takeForEmpty('onboarding.sessions');
  await takeForEmpty('marketing.leads');
  await tick('7 * * * *');
  const idle = await sql(
    `select from onboarding.sessions where status = 'in_progress' and last_activity_at < now() - interval '2 hours'`,
  );
  assert.equal(idle.length, 0);
  assert.equal((await sql(`select from marketing.leads where email_domain = 'backlog.example'`)).length, 0);
  assert.ok((await runs('cleanup_old_data')).length >= before_ + 3, 'in several runs');
  await sql(`delete from onboarding.sessions where status = 'abandoned'`);
});

test('one that fails leaves why, and the next one is run all the same', async () => {
  await sql(`alter function onboarding.abandon_inactive_sessions() rename to renamed`);
  try {
    await tick('7 * * * *');
    assert.match((await last('abandon_inactive_sessions')).error, /^42883/);
  } finally {
    await sql(`alter function onboarding.renamed() rename to abandon_inactive_sessions`);
  }
  await tick('7 * * * *');
  assert.equal((await last('abandon_inactive_sessions')).error, null);
});

test('npm run jobs runs one by hand', async () => {
  const run = (...args) =>
    spawnSync(process.execPath, ['dev/jobs.js', ...args], {
      cwd: root,
      encoding: 'utf8',
      env: { ...process.env, DATABASE_URL: stack.database_url },
      timeout: 60_000,
    });
  await ask('/v1/events', { json: [anEvent(), anEvent()] });
  const done = run('process_pending_events');
  assert.equal(done.status, 0, done.stderr);
  assert.match(done.stdout, /^process_pending_events: \d+ rows$/m);
  assert.match(done.stdout, /^process_pending_events: 0 rows$/m, 'until there is no more');
  const wrong = run('nothing');
  assert.equal(wrong.status, 1);
  assert.match(wrong.stderr, /There is no such job.*cleanup_old_data/);
  assert.equal(run().status, 1);
});

test('nobody but the edge asks for a job', async () => {
  for (const token of [stack.service_key, await edgeToken({ role: 'anon' })]) {
    const answer = await fetch(`${stack.postgrest_url}/rpc/run_job`, {
      method: 'POST',
      body: '{"job":"cleanup_old_data"}',
      headers: { 'content-profile': 'edge', 'content-type': 'application/json', authorization: `Bearer ${token}` },
    });
    assert.ok([401, 403, 404].includes(answer.status), `${answer.status}`);
  }
});
