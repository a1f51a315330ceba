// Deletion of conversations and projects: gone for everybody at once, and deleted in parts by a job.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { close, sql, transaction } from '../../support/stack.js';
import { asUser, codeOf, conversation, person, project } from '../support/world.js';

after(async () => {
  // What was rolled back takes room, which other tests would read.
  await sql('vacuum full observatory.conversations');
  await close();
});

const remove = (who, id) => asUser(who, 'select observatory.delete_conversation($1) as answer', [id]);
const removeProject = (who, id) => asUser(who, 'select observatory.delete_project($1) as answer', [id]);
const seen = async (who, table, column, id) =>
  (await asUser(who, `select id from observatory.${table} where ${column} = $1`, [id])).length;
const there = async (table, column, id) =>
  (await sql(`select count(*)::int as n from observatory.${table} where ${column} = $1`, [id]))[0].n;
const purge = async (most = 5000) => Number((await sql('select private.purge_observatory($1) as n', [most]))[0].n);
/** Until nothing is left to do. */
const purgeAll = async () => {
  for (let runs = 0; runs < 50; runs++) if ((await purge()) === 0) return;
};

test('a deleted conversation is gone for every member at once, with its subagents', async () => {
  const [owner, viewer] = [person(), person()];
  const id = await project(owner, { viewer });
  const talk = await conversation(id, owner, ['one', 'two'], { session_id: 'to-delete' });
  const agent = await conversation(id, owner, ['three'], {
    session_id: 'to-delete',
    agent_id: 'a1',
    parent_conversation_id: talk,
  });
  const deeper = await conversation(id, owner, ['four'], {
    session_id: 'to-delete',
    agent_id: 'a2',
    parent_conversation_id: agent,
  });
  const waiting = await conversation(id, owner, ['five'], { session_id: 'to-delete', agent_id: 'a3' });
  const other = await conversation(id, owner, ['six']);
  assert.deepEqual(await remove(owner, talk), [{ answer: { conversations: 4 } }]);
  for (const gone of [talk, agent, deeper, waiting]) {
    assert.equal(await seen(viewer, 'conversations', 'id', gone), 0);
    assert.equal(await seen(viewer, 'messages', 'conversation_id', gone), 0);
  }
  assert.equal(await seen(viewer, 'messages', 'conversation_id', other), 1);
  await purgeAll();
  for (const gone of [talk, agent, deeper, waiting]) {
    assert.equal(await there('conversations', 'id', gone), 0);
    assert.equal(await there('messages', 'conversation_id', gone), 0);
  }
  assert.equal(await there('messages', 'conversation_id', other), 1);
});

test('a deleted subagent takes those below it, and nothing above', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, [], { session_id: 's' });
  const agent = await conversation(id, owner, [], { session_id: 's', agent_id: 'a', parent_conversation_id: talk });
  const below = await conversation(id, owner, [], { session_id: 's', agent_id: 'b', parent_conversation_id: agent });
  await remove(owner, agent);
  assert.deepEqual(
    [
      await seen(owner, 'conversations', 'id', talk),
      await seen(owner, 'conversations', 'id', agent),
      await seen(owner, 'conversations', 'id', below),
    ],
    [1, 0, 0],
  );
});

test('a deleted session may be sent again, and is a new conversation', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, ['one'], { session_id: 'again' });
  await remove(owner, talk);
  const again = await conversation(id, owner, ['one'], { session_id: 'again' });
  await purgeAll();
  assert.deepEqual(
    [await there('conversations', 'id', talk), await seen(owner, 'messages', 'conversation_id', again)],
    [0, 1],
  );
});

test('who may delete a conversation: its sender, while they may write, and owners', async () => {
  const [owner, editor, other, viewer] = [person(), person(), person(), person()];
  const id = await project(owner, { editor: [editor, other], viewer });
  const talk = () => conversation(id, editor);
  assert.equal(await codeOf(remove(other, await talk())), 'RG666');
  assert.equal(await codeOf(remove(viewer, await talk())), 'RG661');
  assert.equal(await codeOf(remove(person(), await talk())), 'RG662');
  assert.equal(await codeOf(remove(editor, await talk())), null);
  assert.equal(await codeOf(remove(owner, await talk())), null);
  const mine = await talk();
  await asUser(owner, `update observatory.project_members set role = 'viewer' where project_id = $1 and user_id = $2`, [
    id,
    editor,
  ]);
  assert.equal(await codeOf(remove(editor, mine)), 'RG661');
});

test('a conversation that is absent, foreign or deleted has one answer', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner);
  const ask = async (who, id) => {
    try {
      await remove(who, id);
    } catch (error) {
      return error.message;
    }
  };
  const answers = [await ask(person(), talk), await ask(owner, randomUUID())];
  await remove(owner, talk);
  answers.push(await ask(owner, talk));
  assert.equal(new Set(answers).size, 1);
});

test('a deleted project is gone at once, with all that is in it, and its name and directories are free', async () => {
  const [owner, editor] = [person(), person()];
  const id = await project(owner, { editor }, { name: 'gone', root_path: '/home/me/gone' });
  await asUser(editor, `insert into observatory.project_paths (path, project_id) values ('/home/you/gone', $1)`, [id]);
  const talk = await conversation(id, editor, ['one']);
  assert.equal(await codeOf(removeProject(editor, id)), 'RG666');
  assert.equal(await codeOf(removeProject(person(), id)), 'RG660');
  assert.deepEqual(await removeProject(owner, id), [{ answer: { conversations: 1 } }]);
  for (const who of [owner, editor]) {
    assert.equal(await seen(who, 'projects', 'id', id), 0);
    assert.equal(await seen(who, 'conversations', 'id', talk), 0);
    assert.equal(await seen(who, 'messages', 'conversation_id', talk), 0);
    assert.equal(await seen(who, 'project_members', 'project_id', id), 0);
  }
  assert.equal(await codeOf(removeProject(owner, id)), 'RG660', 'twice');
  const again = await sql(`select private.project_for($1, null, '/home/me/gone') as id`, [owner]);
  assert.notEqual(again[0].id, id, 'a new project, not the deleted one');
  assert.equal((await sql('select name from observatory.projects where id = $1', [again[0].id]))[0].name, 'gone');
  await purgeAll();
  assert.equal(await there('projects', 'id', id), 0);
  assert.equal(await there('messages', 'conversation_id', talk), 0);
});

test('a project of ten thousand conversations is deleted within the time of a request, by a session that has changed single ones', () =>
  transaction(async (query) => {
    const owner = person();
    const id = await project(owner);
    await query('set local session_replication_role = replica');
    const made = await query(
      `insert into observatory.conversations (project_id, owner_id, session_id)
       select $1, $2, 'session ' || n from generate_series(1, 10000) as n returning id`,
      [id, owner],
    );
    await query('set local session_replication_role = default');
    // PL/pgSQL stores the plans of its statements.
    for (const { id: one } of made.slice(0, 8))
      await query(`update observatory.conversations set title = 'One' where id = $1`, [one]);
    await query(`select set_config('request.jwt.claims', $1, true), set_config('role', 'authenticated', true)`, [
      JSON.stringify({ role: 'authenticated', sub: owner }),
    ]);
    await query(`set local statement_timeout = '8s'`);
    const [{ answer }] = await query('select observatory.delete_project($1) as answer', [id]);
    assert.equal(answer.conversations, 10_000);
  }));

test('what comes into a project while it is deleted goes with it', async () => {
  const owner = person();
  const id = await project(owner);
  await removeProject(owner, id);
  const late = await conversation(id, owner, ['late']);
  await purgeAll();
  assert.deepEqual([await there('projects', 'id', id), await there('conversations', 'id', late)], [0, 0]);
});

test('a large deletion is done in parts, and says whether there is more', async () => {
  const owner = person();
  const talk = await conversation(
    await project(owner),
    owner,
    Array.from({ length: 25 }, (_, n) => `message ${n}`),
  );
  await purgeAll();
  await remove(owner, talk);
  assert.equal(await purge(10), 10);
  assert.equal(await there('messages', 'conversation_id', talk), 15);
  assert.equal(await purge(10), 10);
  assert.equal(await purge(10), 6, 'five messages and the conversation');
  assert.equal(await purge(10), 0);
});

/** Adds 30 rows to each table whose rows a conversation takes along; gives how many that are. */
const addRows = async (query, project_id, talk, owner) => {
  const [{ id: file }] = await query(
    `insert into observatory.ingest_files (owner_id, project_id, conversation_id, session_id, name, path, source)
     values ($1, $2, $3, 's', 'file', 'file', 'claude') returning id`,
    [owner, project_id, talk],
  );
  const rows = {
    'private.transcript_chunks (file_id, generation, start_offset, end_offset, body)': `'${file}', 1, n, n, 'x'`,
    'private.entry_links (conversation_id, entry_uuid, parent_uuid)': `'${talk}', 'e' || n, 'p'`,
    'observatory.hook_events (owner_id, session_id, project_id, conversation_id, event)': `'${owner}', 's', '${project_id}', '${talk}', 'Stop'`,
    'observatory.usage_records (owner_id, project_id, conversation_id, api_message_id, kind, source, model, occurred_at, entry_uuid)': `'${owner}', '${project_id}', '${talk}', 'm' || n, 'message', 'claude', 'a model', now(), 'e' || n`,
    'observatory.tool_calls (owner_id, project_id, conversation_id, tool_use_id, tool_name)': `'${owner}', '${project_id}', '${talk}', 't' || n, 'Read'`,
  };
  for (const [places, values] of Object.entries(rows))
    await query(`insert into ${places} select ${values} from generate_series(1, 30) as n`);
  return Object.keys(rows).length * 30 + 1;
};

test('what a conversation takes along is deleted in parts, too', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, ['one']);
  const rows = await addRows(sql, id, talk, owner);
  await purgeAll();
  await remove(owner, talk);
  const parts = [];
  for (let part = await purge(20); part > 0; part = await purge(20)) parts.push(part);
  assert.ok(
    parts.every((part) => part <= 20),
    `${parts}`,
  );
  // And the message, and the conversation.
  assert.equal(
    parts.reduce((sum, part) => sum + part, 0),
    rows + 2,
  );
  assert.equal(await there('conversations', 'id', talk), 0);
});

test('every table whose rows a conversation or a project takes along is deleted in parts', async () => {
  const missing = await sql(
    `select c.conrelid::regclass::text as relation
     from pg_constraint as c
     where c.contype = 'f' and c.confdeltype = 'c'
       and (
         c.confrelid = 'observatory.conversations'::regclass
         and strpos(pg_get_functiondef('private.purge_conversation'::regproc), c.conrelid::regclass::text) = 0
         or c.confrelid = 'observatory.projects'::regclass
         and strpos(pg_get_functiondef('private.purge_project'::regproc), c.conrelid::regclass::text) = 0
       )
     order by 1`,
  );
  // Few of a project, and the project's conversations, which come before it.
  assert.deepEqual(
    missing.map(({ relation }) => relation),
    [
      'observatory.conversations',
      'observatory.project_invitations',
      'observatory.project_members',
      'observatory.project_paths',
      'private.stale_terms',
    ],
  );
});

test('a conversation or a project that cannot be deleted keeps no other', async () => {
  await purgeAll();
  const owner = person();
  const id = await project(owner);
  const talks = await Promise.all(
    Array.from({ length: 6 }, async () => conversation(await project(owner), owner, ['x'])),
  );
  const empty = await project(owner);
  for (const talk of talks) await remove(owner, talk);
  for (const gone of [id, empty]) await removeProject(owner, gone);
  await transaction(async (query) => {
    await query(
      `create function pg_temp.refuse() returns trigger language plpgsql as $$ begin raise 'no' using errcode = tg_argv[0]; end $$`,
    );
    const refuse = async (relation, refused, code) =>
      query(
        `create trigger refused before delete on observatory.${relation} for each row when (old.id = '${refused}')
         execute function pg_temp.refuse('${code}')`,
      );
    await refuse('conversations', talks[2], '23503');
    await refuse('projects', id, '23503');
    await query('select private.purge_observatory()');
    const left = await query(
      `select c.id from observatory.conversations as c where c.id = any ($1)
       union all select p.id from observatory.projects as p where p.id = any ($2)`,
      [talks, [id, empty]],
    );
    assert.deepEqual(
      left.map((row) => row.id),
      [talks[2], id],
    );
    // As a statement that runs out of time: what was done before stays.
    await query('drop trigger refused on observatory.conversations');
    await refuse('conversations', talks[2], '57014');
    assert.equal((await query('select private.purge_observatory() as n'))[0].n, '0');
  });
  await purgeAll();
});

test('words are looked for in parts, in the turns of their projects', async () => {
  await purgeAll();
  const owner = person();
  const [large, small] = [await project(owner), await project(owner)];
  for (const [id, words] of [
    [large, 450],
    [small, 3],
  ])
    await sql(
      `insert into observatory.search_terms (project_id, user_id, kind, term) select $1, $2, 'word', 'nowhere' || n from generate_series(1, $3) as n`,
      [id, owner, words],
    );
  await conversation(small, owner, ['It is nowhere2 to be found']);
  await sql(`select private.index_vectors(array(select m.id from observatory.messages as m where m.project_id = $1))`, [
    small,
  ]);
  await sql('select private.doubt_words($1)', [[large, small]]);
  await sql(
    `update private.stale_terms set waiting_at = case when project_id = $1 then now() - interval '1 minute' else now() end`,
    [large],
  );
  const left = async () => [
    await there('search_terms', 'project_id', large),
    await there('search_terms', 'project_id', small),
  ];
  const look = async () => Number((await sql('select private.delete_stale_terms(300, 60) as n'))[0].n);
  assert.equal(await look(), 300);
  assert.deepEqual(await left(), [153, 1], '200 of the first, all of the second, and 97');
  assert.deepEqual(
    await sql('select project_id from private.stale_terms where project_id = any ($1)', [[large, small]]),
    [{ project_id: large }],
  );
  await sql(
    `insert into observatory.search_terms (project_id, user_id, kind, term) values ($1, $2, 'word', 'a new one')`,
    [large, owner],
  );
  await sql('select private.doubt_words($1)', [[large]]);
  assert.equal(await look(), 154, 'the rest, and once more, as messages were deleted meanwhile');
  assert.deepEqual(await left(), [0, 1]);
  assert.deepEqual(
    await sql('select project_id from private.stale_terms where project_id = any ($1)', [[large, small]]),
    [],
  );
});

test('a deletion waits for no upload: the job leaves out who is uploading', async () => {
  const owner = person();
  const talk = await conversation(await project(owner), owner, ['one']);
  await purgeAll();
  await remove(owner, talk);
  const { default: pg } = await import('pg');
  const { stack } = await import('../../support/stack.js');
  const client = new pg.Client({ connectionString: stack.database_url });
  await client.connect();
  try {
    await client.query('begin');
    await client.query('select private.lock_observatory_owner($1)', [owner]);
    assert.equal(await purge(), 0);
    await client.query('rollback');
    assert.equal(await purge(), 2);
  } finally {
    await client.end();
  }
});

test('deleting by the data API takes everything below along', async () => {
  const owner = person();
  const id = await project(owner);
  const talk = await conversation(id, owner, ['one', 'two']);
  await asUser(owner, 'delete from observatory.projects where id = $1', [id]);
  for (const [table, column, value] of [
    ['conversations', 'id', talk],
    ['messages', 'conversation_id', talk],
    ['project_members', 'project_id', id],
  ])
    assert.equal(await there(table, column, value), 0, table);
});

test('nobody stands in the way of a deletion by taking the name that it gives a session', async () => {
  const [owner, editor] = [person(), person()];
  const id = await project(owner, { editor });
  const talks = [await conversation(id, owner, ['one']), await conversation(id, owner, ['two'])];
  for (const talk of talks)
    await asUser(editor, 'insert into observatory.conversations (project_id, session_id) values ($1, $2)', [
      id,
      `deleted:${talk}`,
    ]);
  assert.equal(await codeOf(remove(owner, talks[0])), null);
  assert.equal(await codeOf(removeProject(owner, id)), null);
});
