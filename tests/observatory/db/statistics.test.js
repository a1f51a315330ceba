// Reads and calls of one conversation or one project: they read no other rows, whatever the planner believes of the tables.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, rowsRead, sql, transaction } from '../../support/stack.js';
import { forget, planAsPostgrest, work } from '../../support/statistics.js';

after(async () => {
  // What was rolled back takes room, which would change the plans of other tests.
  await sql('vacuum full observatory.tool_calls');
  await close();
});

const [owner, project] = [randomUUID(), randomUUID()];
/** What every read of a project asks, too. */
const PROJECT = ['observatory.projects', 'observatory.project_members', 'observatory.conversations'];
const session = (n) => `session ${n}`;

/** From here on the transaction's statements are the user's, or the edge's for the user. */
const become = (query, role = 'authenticated') =>
  query(`select set_config('role', $1, true), set_config('request.jwt.claims', $2, true)`, [
    role,
    JSON.stringify({ role, sub: owner, ...(role === 'edge' && { edge: { caller: 'authenticated' } }) }),
  ]);

/** A project of the owner's, with so many conversations. */
const fill = async (query, conversations) => {
  await query('set local session_replication_role = replica');
  await query(`insert into observatory.projects (id, owner_id, name) values ($1, $2, 'Large')`, [project, owner]);
  await query(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'owner')`, [
    project,
    owner,
  ]);
  return query(
    `insert into observatory.conversations (project_id, owner_id, session_id)
     select $1, $2, 'session ' || n from generate_series(1, $3::int) as n returning id`,
    [project, owner, conversations],
  ).then((rows) => rows.map(({ id }) => id));
};

/** So many calls of tools in each of the conversations. */
const addCalls = (query, conversations, each) =>
  query(
    `insert into observatory.tool_calls (project_id, conversation_id, owner_id, tool_use_id, tool_name, file_path, started_at)
     select $1, c.id, $2, 'toolu_' || n, 'Read', 'src/file_' || n || '.rs', now() - n * interval '1 second'
     from unnest($3::uuid[]) as c (id), generate_series(1, $4::int) as n`,
    [project, owner, conversations, each],
  );

/** The calls of a few sessions were all that there was when the planner learned of them. */
const fillLater = async (query) => {
  const all = await fill(query, 104);
  await addCalls(query, all.slice(0, 4), 250);
  await query('analyze observatory.tool_calls');
  await addCalls(query, all.slice(4), 200);
  await query('set local session_replication_role = default');
};

test('messages with the calls that each has made are read without the other calls of the project', () =>
  transaction(async (query) => {
    const all = await fill(query, 101);
    await addCalls(query, all, 200);
    await query(
      `insert into observatory.messages (project_id, conversation_id, owner_id, entry_uuid, entry_type, role, content, seq)
       select $1, $2, $3, gen_random_uuid(), 'assistant', 'assistant', 'text', n from generate_series(1, 100) as n`,
      [project, all[0], owner],
    );
    await query(
      `update observatory.tool_calls as t set message_id = m.id from observatory.messages as m
       where m.conversation_id = $1 and t.conversation_id = $1 and t.tool_use_id = 'toolu_' || m.seq`,
      [all[0]],
    );
    await forget(query, [...PROJECT, 'observatory.messages', 'observatory.tool_calls']);
    await become(query);
    const { blocks } = await work(
      query,
      `select m.id, e.list from observatory.messages as m
       left join lateral (
         select json_agg(r) as list from (select t.id from observatory.tool_calls as t where t.message_id = m.id order by t.started_at) as r
       ) as e on true
       where m.conversation_id = '${all[0]}' order by m.seq limit 20`,
    );
    assert.ok(blocks <= 500, `${blocks} blocks`);
  }));

test('a file of a session’s is compared with no calls of other sessions', () =>
  transaction(async (query) => {
    await fillLater(query);
    await become(query, 'edge');
    const attached = (content) =>
      `select observatory.attach_file(file => '${session(104)}/tool-results/a.txt', content => '${content}', bytes => 1, redactions => 0)`;
    const { blocks } = await work(query, attached('one'));
    assert.ok(blocks <= 300, `${blocks} blocks`);
  }));

test('when a conversation is deleted, calls of others are not counted', () =>
  transaction(async (query) => {
    await fillLater(query);
    const [{ id }] = await query(
      `insert into observatory.conversations (project_id, owner_id, session_id) values ($1, $2, 'another') returning id`,
      [project, owner],
    );
    await become(query);
    const deleted = (conversation) => `select observatory.delete_conversation('${conversation}')`;
    const { blocks } = await work(query, deleted(id));
    assert.ok(blocks <= 400, `${blocks} blocks`);
  }));

test('what stands beside a conversation is found without the rest of the project', () =>
  transaction(async (query) => {
    const all = await fill(query, 500);
    const rows = `from unnest($3::uuid[]) as c (id), generate_series(1, 50) as n order by c.id, n`;
    const statements = {
      git_links: `(project_id, conversation_id, kind, sha) select $1, c.id, 'commit', md5($2::uuid::text || c.id || n) ${rows}`,
      hook_events: `(project_id, conversation_id, owner_id, session_id, event) select $1, c.id, $2, 'session', 'Stop' ${rows}`,
      usage_records: `(project_id, conversation_id, owner_id, api_message_id, entry_uuid, kind, model, source, occurred_at)
        select $1, c.id, $2, c.id || ' ' || n, 'entry ' || n, 'message', 'a model', 'claude', now() - n * interval '1 minute' ${rows}`,
    };
    for (const [table, text] of Object.entries(statements))
      await query(`insert into observatory.${table} ${text}`, [project, owner, all]);
    await forget(query, [...PROJECT, ...Object.keys(statements).map((name) => `observatory.${name}`)]);
    await become(query);
    const found = [];
    for (const table of Object.keys(statements))
      found.push([
        table,
        (await work(query, `select * from observatory.${table} where conversation_id = '${all[7]}'`)).blocks,
      ]);
    assert.deepEqual(
      found.filter(([, blocks]) => blocks > 40),
      [],
    );
  }));

test('the latest rows of a project are read in order without statistics', () =>
  transaction(async (query) => {
    const [conversation] = await fill(query, 1);
    const at = `now() - n * interval '1 minute'`;
    const statements = {
      git_links: `(project_id, conversation_id, kind, sha, at) select $1, $2, 'commit', md5(n::text), ${at}`,
      hook_events: `(project_id, conversation_id, owner_id, session_id, event, at) select $1, $2, $2, 'session', 'Stop', ${at}`,
    };
    for (const [table, text] of Object.entries(statements))
      await query(`insert into observatory.${table} ${text} from generate_series(1, 20000) as n`, [
        project,
        conversation,
      ]);
    await forget(query, [...PROJECT, ...Object.keys(statements).map((name) => `observatory.${name}`)]);
    await become(query);
    await planAsPostgrest(query);
    for (const [table, where] of [
      ['git_links', `and kind = 'commit'`],
      ['git_links', ''],
      ['hook_events', ''],
    ]) {
      const text = `select * from observatory.${table} where project_id = '${project}' ${where} order by at desc limit 50`;
      const { rows, plan } = await work(query, text);
      assert.equal(rows, 50);
      assert.doesNotMatch(plan, /Sort/, text);
    }
  }));

test('the tools of a project are found without its files', () =>
  transaction(async (query) => {
    await fill(query, 1);
    await query(
      `insert into observatory.search_terms (project_id, user_id, kind, term)
       select $1, u.id, case when n <= 5 then 'tool' else 'file' end, 'term ' || n
       from (select gen_random_uuid() as id from generate_series(1, 20)) as u, generate_series(1, 500) as n`,
      [project],
    );
    await query('analyze observatory.search_terms');
    await become(query);
    const text = `select * from observatory.search_terms where project_id = '${project}' and kind = 'tool' order by uses desc limit 50`;
    const { blocks } = await work(query, text);
    assert.ok(blocks <= 100, `${blocks} blocks`);
  }));

test('the projects of a member are found by their keys, also with statistics of one owner’s projects only', () =>
  transaction(async (query) => {
    await query('set local session_replication_role = replica');
    const add = (by, count) =>
      query(
        `insert into observatory.projects (id, owner_id, name)
         select gen_random_uuid(), ${by}, 'Project ' || n from generate_series(1, $1::int) as n`,
        [count],
      );
    await add(`'${randomUUID()}'`, 1000);
    await query('analyze observatory.projects');
    await add('gen_random_uuid()', 5000);
    await query(
      `insert into observatory.project_members (project_id, user_id, role)
       select id, $1, 'viewer' from observatory.projects order by id limit 300`,
      [owner],
    );
    await become(query);
    const text = 'select * from observatory.projects order by last_activity_at desc, id limit 50';
    const { rows, plan } = await work(query, text);
    assert.equal(rows, 50);
    assert.match(plan, /projects_pkey/);
    assert.doesNotMatch(plan, /Seq Scan/);
  }));

test('a deleted project whose conversations are deleted, too, has the job read no conversations of others', () =>
  transaction(async (query) => {
    await query('set local session_replication_role = replica');
    await fill(query, 5000);
    const [{ id }] = await query(
      `insert into observatory.projects (owner_id, name, deleted_at) select gen_random_uuid(), 'Deleted', now() returning id`,
    );
    await query(
      `insert into observatory.conversations (project_id, owner_id, session_id, deleted_at)
       select $1, gen_random_uuid(), 'deleted ' || n, now() from generate_series(1, 5) as n`,
      [id],
    );
    await query('set local session_replication_role = default');
    for (const statistics of ['fresh', 'none']) {
      if (statistics === 'fresh') await query(`analyze ${PROJECT}`);
      else await forget(query, PROJECT);
      const read = await rowsRead(query, `relname = 'conversations' and schemaname = 'observatory'`, () =>
        query('select private.purge_observatory(0)'),
      );
      assert.ok(read < 50, `${statistics}: ${read} conversations`);
    }
  }));

test('that nothing is deleted is found without reading what is not', () =>
  transaction(async (query) => {
    await query('set local session_replication_role = replica');
    await query(
      `insert into observatory.projects (owner_id, name) select gen_random_uuid(), 'Other ' || n from generate_series(1, 5000) as n`,
    );
    await fill(query, 5000);
    await query('set local session_replication_role = default');
    // The analysis keeps autovacuum away, which would wait for what the transaction changes in the catalogue.
    for (const statistics of ['fresh', 'none']) {
      if (statistics === 'fresh') await query(`analyze ${PROJECT}`);
      else await forget(query, PROJECT);
      await query('savepoint asked');
      await become(query);
      for (const call of ['visible_projects', 'editable_projects', 'owned_projects', 'hidden_conversations']) {
        const { blocks } = await work(query, `select observatory.${call}()`);
        assert.ok(blocks < 30, `${statistics}, ${call}: ${blocks} blocks`);
      }
      await query('rollback to asked');
      const { blocks } = await work(query, 'select private.has_deleted()');
      assert.ok(blocks < 30, `${statistics}, has_deleted: ${blocks} blocks`);
    }
  }));
