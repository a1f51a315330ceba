// A person's data in clixen: all of it is exported and erased by the address of the profile, and nothing of anybody else.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, freshEmail, sql, transaction } from '../../support/stack.js';
import { add, claim, clear, deploy, open, projectWithChat, run } from '../support/rows.js';

after(async () => {
  await clear();
  await close();
});

/** A user with an address and a row in every table. */
const person = async () => {
  const email = freshEmail();
  const made = await projectWithChat();
  await sql('update clixen.user_profiles set email = $2 where id = $1', [made.sub, email]);
  await deploy(made.who, made.workflow.id);
  await add(made.who, 'telemetry_events', { event_type: 'x', event_category: 'auth' });
  return { ...made, email };
};
const tables = await sql('select t.relation::text as name, t.source, t.owner from private.clixen_tables() as t');
const names = tables.map(({ name }) => name);
const exported = async (email) => (await sql('select edge.export_person($1) as answer', [email]))[0].answer;
const countIn = async (query, { source, owner }, user) =>
  (await query(`select count(*)::int as n from ${source} where ${owner} = $1`, [user]))[0].n;
const countOf = (table, user) => countIn(sql, table, user);

test('every table of the schema is known, and the copies of what was deployed', async () => {
  const all = await sql(
    `select c.oid::regclass::text as name from pg_class as c where c.relnamespace = 'clixen'::regnamespace and c.relkind in ('r', 'p')`,
  );
  assert.deepEqual(names.toSorted(), [...all.map(({ name }) => name), 'private.deployment_runs'].toSorted());
});

test('an export has the rows of every table, and nobody else’s', async () => {
  const [{ email, workflow }, other] = [await person(), await person()];
  const found = await exported(email);
  for (const name of names) assert.equal(found[name]?.length, 1, name);
  assert.ok(!JSON.stringify(found).includes(other.sub));
  assert.deepEqual(found['clixen.mvp_workflows'][0].n8n_workflow_json, workflow.n8n_workflow_json);
  assert.deepEqual([found.mentions, found.left_off], [{}, {}]);
});

test('an erasure removes the rows of every table, and counts them', async () => {
  const [mine, other] = [await person(), await person()];
  const [{ receipt }] = await sql('select edge.erase_person($1) as receipt', [mine.email]);
  for (const table of tables) {
    if (table.name.startsWith('clixen.')) assert.equal(receipt.erased[table.name], 1, table.name);
    assert.equal(await countOf(table, mine.sub), 0, table.name);
    assert.equal(await countOf(table, other.sub), 1, `${table.name} of another`);
  }
  assert.deepEqual(await sql('select from private.n8n_slugs where user_id = $1', [mine.sub]), []);
  const again = await exported(mine.email);
  for (const name of names) assert.deepEqual(again[name], [], name);
});

test('a person’s own rows are no mentions; others’ are, and what a rollback would send is redacted, too', async () => {
  const [mine, other] = [await person(), await person()];
  for (const { who, workflow } of [mine, other]) {
    await run(who, 'update clixen.mvp_workflows set n8n_workflow_json = $1 where id = $2', [
      { to: mine.email },
      workflow.id,
    ]);
    await deploy(who, workflow.id);
  }
  for (const { who, session } of [mine, other])
    await add(who, 'mvp_chat_messages', { session_id: session.id, content: `write to ${mine.email}` });
  await run(mine.who, 'update clixen.mvp_workflows set original_prompt = $1 where user_id = $2', [
    mine.email,
    mine.sub,
  ]);
  const others = { 'clixen.mvp_chat_messages': 1, 'clixen.mvp_workflows': 1, 'private.deployment_runs': 1 };
  assert.deepEqual((await exported(mine.email)).mentions, others);
  const [{ receipt }] = await sql('select edge.erase_person($1, null, true) as receipt', [mine.email]);
  assert.deepEqual([receipt.erased_mentions, receipt.mentions], [others, {}]);
  const { id } = await open(other.who, other.workflow.id, 2);
  assert.deepEqual((await claim(id)).workflow, { to: '[erased]' });
});

test('names that become one without the person, or too long, keep no project as it is', () =>
  transaction(async (query) => {
    const [sub, other] = [randomUUID(), randomUUID()];
    const projects = [
      [sub, 'x q7@x.io'],
      [sub, 'x q7%40x.io'],
      [sub, `${'y'.repeat(112)} q7@x.io`],
      [other, 'x q7@x.io'],
    ];
    for (const project of projects) await query('insert into clixen.projects (user_id, name) values ($1, $2)', project);
    const [{ answer }] = await query(`select edge.erase_person('q7@x.io', null, true) as answer`);
    assert.deepEqual([answer.erased_mentions, answer.mentions], [{ 'clixen.projects': 4 }, {}]);
    const names = async (user) =>
      (await query('select name from clixen.projects where user_id = $1 order by name', [user])).map(
        ({ name }) => name,
      );
    assert.deepEqual(await names(other), ['x [erased]']);
    const [first, second, third] = await names(sub);
    assert.match(
      `${first}, ${second}, ${third}`,
      /^x (\[erased\], x [0-9a-f]{5}|[0-9a-f]{5}, x \[erased\]), y{112} [0-9a-f]{5}$/,
    );
  }));

test('what an export leaves off is counted', () =>
  transaction(async (query) => {
    const [sub, email] = [randomUUID(), freshEmail()];
    await query('insert into clixen.user_profiles (id, email) values ($1, $2)', [sub, email]);
    await query(
      `insert into clixen.telemetry_events (user_id, event_type, event_category, duration_ms, created_at)
       select $1, 'x', 'auth', n, now() - make_interval(secs => n) from generate_series(1, 10001) as n`,
      [sub],
    );
    const [project] = await query(`insert into clixen.projects (user_id, name) values ($1, 'x') returning id`, [sub]);
    await query(
      `insert into clixen.mvp_workflows (user_id, project_id, name, n8n_workflow_json)
       select $1, $2, 'x', jsonb_build_object('a', repeat('x', 1500000)) from generate_series(1, 17) as n`,
      [sub, project.id],
    );
    const [{ answer }] = await query('select edge.export_person($1) as answer', [email]);
    assert.deepEqual(answer.left_off, { 'clixen.mvp_workflows': 1, 'clixen.telemetry_events': 1 });
    assert.equal(answer['clixen.telemetry_events'].length, 10000);
    assert.deepEqual(
      [0, 9999].map((n) => answer['clixen.telemetry_events'][n].duration_ms),
      [1, 10000],
    );
  }));

test('an erasure goes on in parts, however much a user has made', () =>
  transaction(async (query) => {
    const [sub, email] = [randomUUID(), freshEmail()];
    await query('insert into clixen.user_profiles (id, email) values ($1, $2)', [sub, email]);
    await query(
      `insert into clixen.telemetry_events (user_id, event_type, event_category) select $1, 'x', 'auth' from generate_series(1, 20001)`,
      [sub],
    );
    const [project] = await query(`insert into clixen.projects (user_id, name) values ($1, 'x') returning id`, [sub]);
    const sessions = await query(
      `insert into clixen.mvp_chat_sessions (user_id, project_id) select $1, $2 from generate_series(1, 2001) returning id`,
      [sub, project.id],
    );
    await query(
      `insert into clixen.mvp_chat_messages (user_id, session_id, content) select $1, $2, 'x' from generate_series(1, 10001)`,
      [sub, sessions[0].id],
    );
    const left = [];
    for (let more = true; more; ) {
      const [{ answer }] = await query('select edge.erase_person($1) as answer', [email]);
      left.push(answer.left);
      more = Object.keys(answer.left).length > 0;
    }
    assert.deepEqual(left, [
      { 'clixen.telemetry_events': 1 },
      { 'clixen.mvp_chat_messages': 1 },
      { 'clixen.mvp_chat_sessions': 1 },
      {},
    ]);
    for (const table of tables) assert.equal(await countIn(query, table, sub), 0, table.name);
  }));

test('an export or erasure reads no table from end to end', async () => {
  const { email } = await person();
  await transaction(async (query) => {
    const scans = async () =>
      (
        await query(`select coalesce(sum(seq_scan), 0)::int as n from pg_stat_xact_user_tables
          where schemaname = 'clixen' or relname in ('deployment_runs', 'n8n_slugs')`)
      )[0].n;
    // Foreign keys keep the plans of this connection's earlier deletions, which were made with other settings.
    await query('discard plans');
    const before = await scans();
    await query('select edge.export_person($1)', [email]);
    await query('select edge.erase_person($1)', [email]);
    assert.equal(await scans(), before);
  });
});
