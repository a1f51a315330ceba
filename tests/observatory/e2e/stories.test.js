// Whole stories of people, through the edge with the tokens that they would have, and past it where an attacker would try.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { codeOf, conversation, person, say, vouchedFor } from '../support/world.js';

after(close);

const email = () => `${randomUUID()}@example.org`;
/** Somebody with a token, whose address the issuer has verified. */
const somebody = async () => {
  const sub = person();
  const address = email();
  return { sub, address, token: await userToken(sub, { claims: { email: address, email_verified: true } }) };
};
const rest = (path, options) => ask(`/rest/v1/${path}`, options);
const made = async ({ token }, fields) => {
  const { status, body } = await rest('projects?select=id', {
    json: fields,
    token,
    headers: { prefer: 'return=representation' },
  });
  assert.equal(status, 201, JSON.stringify(body));
  return body[0].id;
};
const list = async ({ token }, path, base) => {
  const headers = { 'accept-profile': 'observatory' };
  return (await ask(base ? path : `/rest/v1/${path}`, { token, base, headers })).body;
};

test('a team: invited by address, works together, is parted, and the one who left sees nothing from then on', async () => {
  const [ada, grace, eve] = await Promise.all([somebody(), somebody(), somebody()]);
  const id = await made(ada, { name: 'rowgate', root_path: '/home/ada/rowgate' });
  const talk = await conversation(id, ada.sub, ['a question', 'an answer']);
  const invited = await ask(`/v1/projects/${id}/invitations`, {
    json: { email: grace.address.toUpperCase(), role: 'editor' },
    token: ada.token,
  });
  assert.deepEqual([invited.status, invited.text], [200, '{"status": "invited"}']);
  assert.deepEqual((await ask('/v1/invitations', { token: eve.token })).body, { invitations: [] });
  const { invitations } = (await ask('/v1/invitations', { token: grace.token })).body;
  assert.deepEqual([invitations.length, invitations[0].project], [1, 'rowgate']);
  const accept = (who) => ask(`/v1/invitations/${invitations[0].id}/accept`, { method: 'POST', token: who.token });
  assert.equal((await accept(eve)).body.code, 'RG671');
  assert.deepEqual((await accept(grace)).body, { project_id: id, role: 'editor' });

  assert.equal((await list(grace, `messages?conversation_id=eq.${talk}&select=content`)).length, 2);
  const titled = await rest(`conversations?id=eq.${talk}`, {
    method: 'PATCH',
    body: '{"title": "Found"}',
    token: grace.token,
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(titled.status, 204);
  assert.deepEqual(await list(ada, `conversations?id=eq.${talk}&select=title,title_source`), [
    { title: 'Found', title_source: 'custom' },
  ]);

  const removed = await rest(`project_members?project_id=eq.${id}&user_id=eq.${grace.sub}`, {
    method: 'DELETE',
    token: ada.token,
  });
  assert.equal(removed.status, 204);
  for (const path of [
    `messages?conversation_id=eq.${talk}`,
    `conversations?id=eq.${talk}`,
    `projects?id=eq.${id}`,
    `project_members?project_id=eq.${id}`,
  ]) {
    assert.deepEqual(await list(grace, path), [], path);
    assert.deepEqual(await list(grace, `/${path}`, stack.postgrest_url), [], `past the edge: ${path}`);
  }
  assert.equal((await ask(`/v1/conversations/${talk}/share`, { json: {}, token: grace.token })).body.code, 'RG662');
});

test('an address that is known and one that is not get byte for byte the same answer', async () => {
  const [ada, grace] = await Promise.all([somebody(), somebody()]);
  const id = await made(ada, { name: 'x' });
  await made(grace, { name: 'grace has an account' });
  const answers = [];
  for (const address of [grace.address, email(), grace.address])
    answers.push(
      await ask(`/v1/projects/${id}/invitations`, { json: { email: address, role: 'viewer' }, token: ada.token }),
    );
  assert.equal(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size, 1);
  const named = (answer) => [...answer.headers.keys()].sort().join();
  assert.equal(new Set(answers.map(named)).size, 1);
});

test('a stranger with the project’s id, the conversation’s id and PostgREST’s address finds nothing', async () => {
  const [ada, eve] = await Promise.all([somebody(), somebody()]);
  const id = await made(ada, { name: 'secret plans' });
  const talk = await conversation(id, ada.sub, ['the plan']);
  for (const token of [eve.token, undefined]) {
    for (const base of [undefined, stack.postgrest_url]) {
      for (const table of [
        'projects',
        'conversations',
        'messages',
        'tool_calls',
        'project_members',
        'project_paths',
        'share_links',
        'project_invitations',
      ]) {
        const { text } = await ask(`${base ? '' : '/rest/v1'}/${table}?select=*`, {
          token,
          base,
          headers: { 'accept-profile': 'observatory' },
        });
        assert.ok(
          !text.includes('secret plans') && !text.includes('the plan') && !text.includes(id),
          `${table}: ${text}`,
        );
      }
    }
  }
  const same = async (path, options) => {
    const [foreign, absent] = [
      await ask(path(talk, id), { token: eve.token, ...options }),
      await ask(path(randomUUID(), randomUUID()), { token: eve.token, ...options }),
    ];
    assert.deepEqual([foreign.status, foreign.text], [absent.status, absent.text], path('', ''));
    assert.equal(foreign.status, 404);
  };
  await same((conversation_) => `/v1/conversations/${conversation_}/share`, { json: {} });
  await same((conversation_) => `/v1/conversations/${conversation_}`, { method: 'DELETE' });
  await same((_, project_) => `/v1/projects/${project_}`, { method: 'DELETE' });
  await same((_, project_) => `/v1/projects/${project_}/audit`, {});
  await same((_, project_) => `/v1/projects/${project_}/invitations`, { json: { email: email(), role: 'owner' } });
});

test('a conversation with a status that there is not, or of a session that is there, is refused', async () => {
  const [ada, grace] = [await somebody(), await somebody()];
  const id = await made(ada, { name: 'recipes' });
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'editor')`, [
    id,
    grace.sub,
  ]);
  const add = async ({ token }, fields) => {
    const { status, body } = await rest('conversations', { token, json: { project_id: id, ...fields } });
    return [status, body?.code, body?.message?.match(/"(conversations_\w+)"/)?.[1]];
  };
  const bad = [400, '23514', 'conversations_status'];
  assert.deepEqual(await add(ada, { session_id: 's1', status: 'asleep' }), bad);
  for (const fields of [
    { session_id: 's1' },
    { session_id: 's1', agent_id: 'a1' },
    { session_id: 's2', status: 'idle' },
  ])
    assert.deepEqual(await add(ada, fields), [201, undefined, undefined]);
  // Of the whole project, whoever sends it.
  for (const fields of [{ session_id: 's1' }, { session_id: 's1', agent_id: 'a1' }])
    assert.deepEqual(await add(grace, fields), [409, '23505', 'conversations_project_session']);
  const change = await rest('conversations?session_id=eq.s2', {
    method: 'PATCH',
    token: ada.token,
    json: { status: '' },
  });
  assert.deepEqual([change.status, change.body.code], [400, '23514']);
  const rows = await list(ada, 'conversations?select=session_id,agent_id,status&order=session_id,agent_id.nullsfirst');
  assert.deepEqual(rows.map(Object.values), [
    ['s1', null, 'active'],
    ['s1', 'a1', 'active'],
    ['s2', null, 'idle'],
  ]);
});

test('a link: made, read without an account, outlives nothing that ends it', async () => {
  const ada = await somebody();
  const id = await made(ada, { name: 'x' });
  const talk = await conversation(id, ada.sub, ['why is it slow', 'an index is missing']);
  const { body: link, status } = await ask(`/v1/conversations/${talk}/share`, {
    json: { title: 'Speed' },
    token: ada.token,
  });
  assert.equal(status, 201);
  await say(talk, ['a later secret']);
  const seen = await ask(link.path);
  assert.equal(seen.body.title, 'Speed');
  assert.ok(!seen.text.includes('a later secret') && seen.text.includes('an index is missing'));
  const links = await list(ada, `share_links?id=eq.${link.id}&select=id,view_count`);
  assert.deepEqual(links, [{ id: link.id, view_count: 1 }]);
  assert.equal((await ask(`/v1/conversations/${talk}`, { method: 'DELETE', token: ada.token })).status, 200);
  assert.equal((await ask(link.path)).body.code, 'RG667');
});

test('a project is deleted: gone in the next request, its rows by the job', async () => {
  const ada = await somebody();
  const id = await made(ada, { name: 'x' });
  const talk = await conversation(id, ada.sub, ['x']);
  assert.deepEqual((await ask(`/v1/projects/${id}`, { method: 'DELETE', token: ada.token })).body, {
    conversations: 1,
  });
  assert.deepEqual(await list(ada, `messages?conversation_id=eq.${talk}`), []);
  for (let more = true; more; ) [{ more }] = await sql(`select (private.purge_observatory() > 0) as more`);
  assert.deepEqual(await sql('select id from observatory.messages where conversation_id = $1', [talk]), []);
  assert.deepEqual(await sql('select id from observatory.projects where id = $1', [id]), []);
});

test('an erased user’s token, still valid, writes nothing through any endpoint', async () => {
  const [ada, grace] = await Promise.all([somebody(), somebody()]);
  const id = await made(ada, { name: 'x' });
  const talk = await conversation(id, ada.sub, ['x']);
  await ask(`/v1/projects/${id}/invitations`, { json: { email: grace.address, role: 'editor' }, token: ada.token });
  const { invitations } = (await ask('/v1/invitations', { token: grace.token })).body;
  const erase = (sub) => ask('/rest/v1/rpc/erase_user', { json: { user_id: sub }, token: stack.service_key });
  assert.equal((await erase(ada.sub)).status, 200);
  assert.equal((await erase(grace.sub)).status, 200);
  for (const [path, options] of [
    ['/rest/v1/projects', { json: { name: 'again' } }],
    [`/v1/conversations/${talk}/share`, { json: {} }],
    [`/v1/projects/${id}/invitations`, { json: { email: email(), role: 'viewer' } }],
    [`/v1/projects/${id}`, { method: 'DELETE' }],
  ])
    assert.ok([403, 404].includes((await ask(path, { token: ada.token, ...options })).status), path);
  const { status } = await ask(`/v1/invitations/${invitations[0].id}/accept`, { method: 'POST', token: grace.token });
  assert.ok([403, 404].includes(status));
  assert.deepEqual(
    await sql('select id from observatory.project_members where user_id = any ($1)', [[ada.sub, grace.sub]]),
    [],
  );
});

test('an update or a delete without a filter touches nothing', async () => {
  const ada = await somebody();
  const id = await made(ada, { name: 'x' });
  for (const table of [
    'projects',
    'conversations',
    'messages',
    'tool_calls',
    'project_members',
    'project_paths',
    'project_invitations',
  ]) {
    const through = await rest(table, { method: 'DELETE', token: ada.token });
    const past = await ask(`/${table}`, {
      method: 'DELETE',
      token: ada.token,
      base: stack.postgrest_url,
      headers: { 'content-profile': 'observatory' },
    });
    assert.deepEqual([through.status, past.status], [400, 400], `${table} ${past.text}`);
  }
  assert.equal((await list(ada, `projects?id=eq.${id}`)).length, 1);
});

/** Stores a session as the edge does with an agent’s file, and gives the answer. */
const send = async ({ sub }, session, entries, project_ = null) => {
  const lines = entries.map((entry, n) =>
    JSON.stringify({
      uuid: `${session}-${n}`,
      parentUuid: n > 0 ? `${session}-${n - 1}` : null,
      sessionId: session,
      timestamp: new Date(Date.UTC(2026, 10, 1, 9, n)).toISOString(),
      cwd: '/home/ada/stories',
      version: '2.1.173',
      isSidechain: false,
      ...entry,
    }),
  );
  let end = 0;
  const offsets = lines.map((line) => {
    end += Buffer.byteLength(line) + 1;
    return end - Buffer.byteLength(line) - 1;
  });
  const [{ answer }] = await vouchedFor(
    sub,
    `select observatory.ingest_batch($1, $2, '{"skipped": {}, "lines": {}, "by": {}}', $3, $4, "end" => $5) as answer`,
    [JSON.stringify(lines), offsets, `projects/-home-ada-stories/${session}.jsonl`, project_, end],
  );
  return answer;
};
const prompt = (content) => ({ type: 'user', message: { role: 'user', content } });
const reply = (id, words) => ({
  type: 'assistant',
  requestId: `req_${id}`,
  message: {
    id: `msg_${id}`,
    role: 'assistant',
    model: 'claude-sonnet-4-5',
    content: [{ type: 'text', text: words }],
    usage: { input_tokens: 5, output_tokens: 7 },
  },
});

test('a session is sent, shared without its secrets, deleted and sent again', async () => {
  const ada = await somebody();
  const session = randomUUID();
  const key = `ghp_${'a1B2'.repeat(9)}`;
  const entries = [prompt(`My token is ${key}`), reply(session, 'It stands in /home/ada/stories/.env')];
  const first = await send(ada, session, entries);
  assert.deepEqual(await list(ada, `projects?id=eq.${first.project_id}&select=name,root_path`), [
    { name: 'stories', root_path: '/home/ada/stories' },
  ]);
  const { body: link } = await ask(`/v1/conversations/${first.conversation_id}/share`, { json: {}, token: ada.token });
  const seen = await ask(link.path);
  assert.ok(!seen.text.includes('ghp_') && !seen.text.includes('/home/ada'), seen.text);
  assert.deepEqual(
    seen.body.messages.map(({ parts }) => parts[0].text),
    ['My token is [redacted:github]', 'It stands in ~/stories/.env'],
  );

  assert.equal(
    (await ask(`/v1/conversations/${first.conversation_id}`, { method: 'DELETE', token: ada.token })).status,
    200,
  );
  assert.equal((await ask(link.path)).status, 404);
  const again = await send(ada, session, entries);
  assert.notEqual(again.conversation_id, first.conversation_id);
  assert.equal(again.messages, 2);
  for (let more = true; more; ) [{ more }] = await sql('select (private.purge_observatory() > 0) as more');
  assert.equal((await list(ada, `messages?conversation_id=eq.${again.conversation_id}&select=id`)).length, 2);
  assert.deepEqual(await sql('select id from observatory.conversations where id = $1', [first.conversation_id]), []);
});

test('an editor’s session goes into the shared project by their own directory, and leaves with them', async () => {
  const [ada, grace] = await Promise.all([somebody(), somebody()]);
  const id = await made(ada, { name: 'shared' });
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'editor')`, [
    id,
    grace.sub,
  ]);
  const path = await rest('project_paths', { json: { path: '/home/ada/stories', project_id: id }, token: grace.token });
  assert.equal(path.status, 201);
  const sent = await send(grace, randomUUID(), [prompt('hello')]);
  assert.equal(sent.project_id, id);
  assert.equal((await list(ada, `messages?conversation_id=eq.${sent.conversation_id}`)).length, 1);
  await sql(`update observatory.project_members set role = 'viewer' where project_id = $1 and user_id = $2`, [
    id,
    grace.sub,
  ]);
  const other = await send(grace, randomUUID(), [prompt('a viewer sends')]);
  assert.notEqual(other.project_id, id, 'a viewer’s sessions go elsewhere');
  assert.equal(await codeOf(send(grace, randomUUID(), [prompt('into')], id)), 'RG661');
});

test('an account is erased: the sessions go, what others sent stays, and the file is not known any more', async () => {
  const [ada, grace] = await Promise.all([somebody(), somebody()]);
  const session = randomUUID();
  const sent = await send(ada, session, [prompt('mine')]);
  await sql(`insert into observatory.project_members (project_id, user_id, role) values ($1, $2, 'editor')`, [
    sent.project_id,
    grace.sub,
  ]);
  const theirs = await send(grace, randomUUID(), [prompt('hers')], sent.project_id);
  assert.equal(theirs.project_id, sent.project_id);
  assert.equal(
    (await ask('/rest/v1/rpc/erase_user', { json: { user_id: ada.sub }, token: stack.service_key })).status,
    200,
  );
  assert.deepEqual(await sql('select id from observatory.conversations where owner_id = $1', [ada.sub]), []);
  assert.deepEqual(await sql('select id from observatory.ingest_files where owner_id = $1', [ada.sub]), []);
  assert.equal((await list(grace, `messages?conversation_id=eq.${theirs.conversation_id}`)).length, 1);
  assert.deepEqual(await list(grace, `projects?id=eq.${sent.project_id}&select=owner_id`), [{ owner_id: grace.sub }]);
  assert.equal(await codeOf(send(ada, session, [prompt('again')])), 'RG521');
});

test('messages and tool calls that the data API writes stand in their thread', async () => {
  const ada = await somebody();
  const project_id = await made(ada, { name: 'written' });
  const insert = async (table, rows, who = ada) => {
    const { status, body } = await rest(`${table}?select=id`, {
      json: rows,
      token: who.token,
      headers: { prefer: 'return=representation' },
    });
    assert.equal(status, 201, JSON.stringify(body));
    return body.map(({ id }) => id);
  };
  const begin = async () => (await insert('conversations', { project_id, session_id: randomUUID() }))[0];
  const talk = await begin();
  const message = (entry_uuid, parent_uuid, more = {}) => ({
    ...{
      project_id,
      conversation_id: talk,
      entry_uuid,
      parent_uuid,
      entry_type: 'user',
      role: 'user',
      content: entry_uuid,
    },
    ...more,
  });
  const answer = { entry_type: 'assistant', role: 'assistant' };
  await insert('messages', message('a', null));
  await insert('messages', message('b', 'a', answer));
  // In one statement, the child first; and one that waits for its parent.
  await insert('messages', [message('d', 'c'), message('c', 'b')]);
  await insert('messages', message('f', 'e', answer));
  await insert('messages', message('e', 'd'));
  const thread = async () => (await ask(`/v1/conversations/${talk}/thread`, { token: ada.token })).body.messages;
  const tree = async () => {
    const found = await thread();
    const names = Object.fromEntries(found.map(({ id, entry_uuid }) => [id, entry_uuid]));
    return Object.fromEntries(
      found.map(({ entry_uuid, parent_id, depth, branch }) => [entry_uuid, [names[parent_id] ?? null, depth, branch]]),
    );
  };
  const line = { a: [null, 0, 0], b: ['a', 1, 0], c: ['b', 2, 0], d: ['c', 3, 0], e: ['d', 4, 0], f: ['e', 5, 0] };
  assert.deepEqual(await tree(), line);
  // An edited prompt: the later one goes on.
  await insert('messages', message('c2', 'b'));
  assert.deepEqual(await tree(), {
    ...line,
    ...{ c: ['b', 2, 1], d: ['c', 3, 1], e: ['d', 4, 1], f: ['e', 5, 1], c2: ['b', 2, 0] },
  });
  // service_role may name the parent itself.
  const [above] = (await thread()).filter(({ entry_uuid }) => entry_uuid === 'c2');
  await insert('messages', message('g', null, { owner_id: ada.sub, parent_id: above.id, depth: 3 }), {
    token: stack.service_key,
  });
  assert.deepEqual((await tree()).g, ['c2', 3, 0]);

  const call = (tool_use_id, more) => ({ project_id, conversation_id: talk, tool_use_id, tool_name: 'Read', ...more });
  await insert('tool_calls', call('one', { message_id: above.id }));
  const [found] = (await thread()).filter(({ tool_calls }) => tool_calls);
  assert.deepEqual([found.entry_uuid, found.tool_calls.map(({ tool_use_id }) => tool_use_id)], ['c2', ['one']]);
  // Only to a message of its conversation: another one, of oneself or of others, is as one that is not there.
  const bob = await somebody();
  const elsewhere = await conversation(await made(bob, { name: 'of another' }), bob.sub, ['theirs']);
  const own = await begin();
  await insert('messages', { ...message('x', null), conversation_id: own });
  const foreign = await sql('select id from observatory.messages where conversation_id = any ($1)', [[elsewhere, own]]);
  assert.equal(foreign.length, 2);
  for (const { id } of [...foreign, { id: randomUUID() }]) {
    const refused = await rest('tool_calls', { json: call(randomUUID(), { message_id: id }), token: ada.token });
    assert.equal(refused.status, 403, JSON.stringify(refused.body));
  }
});
