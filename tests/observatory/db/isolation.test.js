// Nobody finds what is not theirs: in results, highlights, counts, suggestions, similar messages, threads and analytics, past the edge,
// and from the moment in which they are removed.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, close, sql } from '../../support/stack.js';
import {
  addCall,
  addMember,
  call,
  makeConversation,
  makeProject,
  refused,
  removeMember,
  say,
  user,
} from '../support/search.js';

const [owner, member, stranger, outsider] = Array.from({ length: 4 }, () => randomUUID());
/** A word of the owner's project, and the stranger's own project with the same other words. */
const SECRET = `s3cr3t${randomUUID().slice(0, 8)}`;
let project;
let conversation;
let message;
let own;
let ownMessage;

before(async () => {
  project = await makeProject(owner, { viewer: member });
  conversation = await makeConversation(project, owner, { title: `Title ${SECRET}` });
  message = await say(conversation, {
    entry_type: 'assistant',
    role: 'assistant',
    content: `shared words about walruses ${SECRET}`,
    content_blocks: [{ type: 'tool_use', id: `toolu_${SECRET}` }],
  });
  await addCall(message, { name: `Tool${SECRET}`, id: `toolu_${SECRET}`, file: `src/${SECRET}.rs`, output: SECRET });
  await sql('select private.index_messages(array[$1::uuid])', [message.id]);
  own = await makeProject(stranger);
  ownMessage = await say(await makeConversation(own, stranger), 'shared words about walruses of my own');
  // The member has found the word.
  const { search_id } = await call(member, 'search', { q: SECRET });
  await call(member, 'search_opened', { search_id, message_id: message.id });
});
after(async () => {
  await sql('delete from observatory.projects where owner_id = any ($1)', [[owner, stranger]]);
  await sql('delete from observatory.search_history where user_id = any ($1)', [[owner, member, stranger, outsider]]);
  await close();
});

/** Every function that shows texts of messages, as somebody calls it; `empty` is its answer to somebody who may see nothing of them. */
const CALLS = {
  search: { call: (sub) => call(sub, 'search', { q: 'walruses' }), sees: ({ results, count }) => [results, count] },
  'search by the word itself': {
    call: (sub) => call(sub, 'search', { q: SECRET }),
    sees: ({ results, count, is_capped: capped, next }) => [results, count, capped, next],
  },
  'search by tool': {
    call: (sub) => call(sub, 'search', { q: 'words', tool: `Tool${SECRET}` }),
    sees: ({ results, count }) => [results, count],
  },
  suggest: { call: (sub) => call(sub, 'suggest', { q: SECRET.slice(0, 6) }), sees: ({ suggestions }) => suggestions },
  'suggest a tool': { call: (sub) => call(sub, 'suggest', { q: 'tools3' }), sees: ({ suggestions }) => suggestions },
};
for (const [name, { call: ask, sees }] of Object.entries(CALLS)) {
  test(`${name}: members see it, strangers do not`, async () => {
    for (const sub of [owner, member])
      assert.ok(JSON.stringify(sees(await ask(sub))).includes(message.id) || name.startsWith('suggest'), sub);
    for (const sub of [owner, member]) assert.ok(JSON.stringify(await ask(sub)).includes(SECRET), sub);
    for (const sub of [stranger, outsider]) {
      const answer = JSON.stringify(await ask(sub));
      assert.ok(!answer.includes(SECRET) && !answer.includes(message.id) && !answer.includes(project), answer);
    }
  });
}

test('a stranger’s count, pages and ranks are those of a database without the others', async () => {
  const before_ = await call(stranger, 'search', { q: 'walruses' });
  assert.deepEqual([before_.count, before_.results.map(({ message_id }) => message_id)], [1, [ownMessage.id]]);
  for (let n = 0; n < 30; n += 1) await say(conversation, `walruses walruses ${n}`);
  const after_ = await call(stranger, 'search', { q: 'walruses' });
  assert.deepEqual({ ...after_, search_id: null }, { ...before_, search_id: null });
});

test('what is foreign and what is absent are refused in the same words', async () => {
  const pairs = {
    thread: [(id) => ({ id }), conversation.id],
    similar: [(id) => ({ message_id: id }), message.id],
    search: [(id) => ({ q: 'walruses', project: id }), project],
    suggest: [(id) => ({ q: 'wal', project: id }), project],
    search_analytics: [(id) => ({ project: id }), project],
  };
  const refusal = (sub, name, given) =>
    call(sub, name, given).then(
      (answer) => assert.fail(JSON.stringify(answer)),
      ({ code, message: words, detail }) => [code, words, detail],
    );
  for (const [name, [given, id]] of Object.entries(pairs))
    for (const sub of [stranger, outsider])
      assert.deepEqual(await refusal(sub, name, given(id)), await refusal(sub, name, given(randomUUID())), name);
  // A bad query is not looked at before the project.
  assert.deepEqual(
    await refusal(stranger, 'search', { q: '', project }),
    await refusal(stranger, 'search', { q: '', project: randomUUID() }),
  );
  const { search_id } = await call(stranger, 'search', { q: 'walruses' });
  assert.deepEqual(
    await refusal(stranger, 'search_opened', { search_id, message_id: message.id }),
    await refusal(stranger, 'search_opened', { search_id, message_id: randomUUID() }),
  );
  const [{ id: foreign }] = await sql('select id from observatory.search_history where user_id = $1', [member]);
  assert.deepEqual(
    await refusal(stranger, 'search_opened', { search_id: foreign, message_id: ownMessage.id }),
    await refusal(stranger, 'search_opened', { search_id: randomUUID(), message_id: ownMessage.id }),
  );
});

test('similar messages are those of one’s own projects', async () => {
  const near = await say(conversation, `shared words about walruses ${SECRET} again`);
  const seen = (await call(member, 'similar', { message_id: message.id })).results.map(({ message_id }) => message_id);
  assert.ok(seen.includes(near.id));
  const { results } = await call(stranger, 'similar', { message_id: ownMessage.id });
  assert.ok(!JSON.stringify(results).includes(SECRET));
});

test('a cursor of another’s search shows nothing of it', async () => {
  for (let n = 0; n < 5; n += 1) await say(conversation, `cursor ${SECRET}`);
  const { next } = await call(owner, 'search', { q: SECRET, limit: 2 });
  assert.ok(next);
  const { results, count } = await call(stranger, 'search', { q: SECRET, cursor: next });
  assert.deepEqual([results, count], [[], 0]);
  const thread = await call(owner, 'thread', { id: conversation.id, limit: 2 });
  await assert.rejects(call(stranger, 'thread', { id: conversation.id, cursor: thread.next }), refused('RG662', 404));
});

test('a member who is removed finds nothing from that moment on, and one who is added finds at once', async () => {
  const sub = randomUUID();
  const counts = async () => [
    (await call(sub, 'search', { q: SECRET })).count > 0,
    (await call(sub, 'suggest', { q: SECRET.slice(0, 6) })).suggestions.some(({ kind }) => kind !== 'search'),
    await call(sub, 'thread', { id: conversation.id }).then(
      () => true,
      () => false,
    ),
    await call(sub, 'similar', { message_id: message.id }).then(
      () => true,
      () => false,
    ),
  ];
  assert.deepEqual(await counts(), [false, false, false, false]);
  await addMember(project, sub);
  assert.deepEqual(await counts(), [true, true, true, true]);
  await removeMember(project, sub);
  assert.deepEqual(await counts(), [false, false, false, false]);
  // In a transaction that began before, too: each statement sees who is a member now.
  await addMember(project, sub);
  await as(user(sub), async (query) => {
    const find = async () => (await query('select observatory.search($1) as found', [SECRET]))[0].found.count;
    assert.ok((await find()) > 0);
    await removeMember(project, sub);
    assert.equal(await find(), 0);
  });
  // A search of the project that was noted meanwhile is not suggested.
  await sql(`insert into observatory.search_history (user_id, project_id, query, results) values ($1, $2, $3, 1)`, [
    sub,
    project,
    SECRET,
  ]);
  assert.deepEqual((await call(sub, 'suggest', { q: SECRET.slice(0, 6) })).suggestions, []);
});

test('deleted projects and conversations are found by nobody', async () => {
  const lost = await makeProject(owner);
  const gone = await makeConversation(lost, owner);
  const word = `gone${randomUUID().slice(0, 8)}`;
  const { id } = await say(gone, { content: word, tools: [{ name: 'Edit', file: `${word}.rs` }] });
  assert.equal((await call(owner, 'search', { q: word })).count, 1);
  await sql('update observatory.projects set deleted_at = now() where id = $1', [lost]);
  assert.equal((await call(owner, 'search', { q: word })).count, 0);
  assert.deepEqual(
    (await call(owner, 'suggest', { q: word.slice(0, 6) })).suggestions.filter(({ kind }) => kind !== 'search'),
    [],
  );
  await assert.rejects(call(owner, 'thread', { id: gone.id }), refused('RG662', 404));
  await assert.rejects(call(owner, 'similar', { message_id: id }), refused('RG670', 404));
  await assert.rejects(call(owner, 'search', { q: word, project: lost }), refused('RG660', 404));
});

test('tables of words are closed to requests, past the edge as well', async () => {
  for (const role of ['anon', 'authenticated', 'service_role', 'edge'])
    for (const text of [
      'select * from private.message_search',
      `select private.search_hits(array['${project}'::uuid], 'walruses', null, null, null)`,
      `select private.search_text(m) from observatory.messages as m`,
      `select private.index_vectors(array['${message.id}'::uuid])`,
    ])
      await assert.rejects(
        as({ role, claims: { sub: stranger } }, (query) => query(text)),
        { code: '42501' },
        `${role}: ${text}`,
      );
  for (const table of ['search_terms', 'search_history', 'git_links', 'messages']) {
    const rows = await as(user(stranger), (query) => query(`select t::text as text from observatory.${table} as t`));
    // What the stranger has typed is their own.
    const shown = rows.filter(({ text }) => !(table === 'search_history' && text.includes(stranger)));
    assert.ok(
      shown.every(({ text }) => !text.includes(SECRET) && !text.includes(project)),
      table,
    );
  }
  for (const [text, values] of [
    ['update observatory.search_history set query = $1', ['x']],
    ['insert into observatory.search_history (user_id, query, results) values ($1, $2, 1)', [stranger, 'x']],
    [
      `insert into observatory.search_terms (project_id, user_id, kind, term) values ($1, $2, 'word', 'x')`,
      [own, stranger],
    ],
    ['delete from observatory.search_terms where project_id = $1', [own]],
    [
      `insert into observatory.git_links (project_id, conversation_id, kind) values ($1, $2, 'pr')`,
      [own, ownMessage.conversation_id],
    ],
  ])
    await assert.rejects(
      as(user(stranger), (query) => query(text, values)),
      { code: '42501' },
      text,
    );
});

test('an API token without the system’s scope finds nothing, and one that only reads finds', async () => {
  const scoped = (systems, access = 'read') => ({
    role: 'authenticated',
    claims: { sub: owner, api_token: { id: randomUUID(), systems, endpoints: [], access } },
  });
  const count = (who) =>
    as(who, async (query) => (await query('select observatory.search($1) as found', [SECRET]))[0].found.count);
  assert.equal(await count(scoped(['flashfusion'])), 0);
  assert.ok((await count(scoped(['observatory']))) > 0);
});

test('the token of an erased user finds nothing and leaves nothing', async () => {
  const sub = randomUUID();
  const lost = await makeProject(sub);
  await say(await makeConversation(lost, sub), 'what an erased user has said');
  await sql('select private.mark_erased($1)', [sub]);
  await assert.rejects(call(sub, 'search', { q: 'erased' }), refused('RG521', 403));
  assert.deepEqual(await sql('select from observatory.search_history where user_id = $1', [sub]), []);
  await sql('delete from observatory.projects where id = $1', [lost]);
});

test('every function that reads past policies here is tried above', async () => {
  const rows = await sql(
    `select p.proname as name from pg_proc as p
     where p.pronamespace = 'observatory'::regnamespace and p.prosecdef and p.prosrc ~ 'message_search|search_terms|search_history|search_hits|shown_hits|thread_calls'`,
  );
  assert.deepEqual(rows.map(({ name }) => name).sort(), [
    'search',
    'search_analytics',
    'search_opened',
    'similar',
    'suggest',
    'thread',
  ]);
});
