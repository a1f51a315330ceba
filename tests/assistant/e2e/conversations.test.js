// A conversation through supabase-js alone, unmodified: lists in pages, rename, archive, search in titles, questions, ratings, delete. And
// that another tenant's rows answer like rows that do not exist.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { createClient } from '@supabase/supabase-js';
import ws from 'ws';
import { makeToken } from '../../core/support/api_tokens.js';
import { ask, close, made, sql, stack, userToken } from '../../support/stack.js';
import { conversation, forget, member, say, tenant, world } from '../support/talk.js';

let here;
let there;

/** A client of the token's holder; without one, of the publishable key. */
const clientOf = (bearer) =>
  createClient(stack.edge_url, made.publishable_key, {
    auth: { persistSession: false, autoRefreshToken: false },
    realtime: { transport: ws },
    db: { schema: 'assistant' },
    ...(bearer && { accessToken: async () => bearer }),
  });
const of = async (user) => clientOf(await userToken(user.auth_id));

before(async () => {
  ({ here, there } = await world());
});
after(async () => {
  await forget();
  await close();
});

const good = ({ data, error, status }, what) => {
  assert.equal(error, null, `${what} ${status} ${JSON.stringify(error)}`);
  return data;
};

/** The list as docs/assistant.md has it: the page after a row, or the first one. */
const page = (client, last, limit = 10) => {
  const query = client
    .from('conversations')
    .select('id, title, updated_at')
    .eq('is_archived', false)
    .order('updated_at', { ascending: false })
    .order('id', { ascending: false })
    .limit(limit);
  if (!last) return query;
  const { updated_at: at, id } = last;
  return query.lte('updated_at', at).or(`updated_at.lt."${at}",and(updated_at.eq."${at}",id.lt.${id})`);
};

const pages = async (client, each = async () => {}) => {
  const found = [];
  for (let last, n = 0; ; n += 1) {
    const rows = good(await page(client, last), 'a page');
    found.push(...rows);
    if (rows.length < 10) return found;
    last = rows.at(-1);
    await each(n);
  }
};

test('the list comes in pages that leave nothing out and show nothing twice, with equal times, too', async () => {
  const company = await tenant();
  const client = await of(await member(company));
  // One statement: all have the same time.
  const rows = good(
    await client
      .from('conversations')
      .insert(Array.from({ length: 34 }, (_, n) => ({ title: `Conversation ${n}` })))
      .select('id'),
    'insert',
  );
  const found = await pages(client);
  assert.deepEqual(
    found.map(({ id }) => id),
    rows
      .map(({ id }) => id)
      .sort()
      .reverse(),
  );
  // What is written between two pages moves to the top, and takes nothing else along.
  const between = await pages(client, async (n) => {
    if (n === 0)
      good(await client.from('conversations').update({ title: 'moved' }).eq('id', found.at(-1).id), 'update');
  });
  const expected = found.map(({ id }) => id).filter((id) => id !== found.at(-1).id);
  assert.deepEqual(
    between.map(({ id }) => id),
    expected,
  );
  assert.equal(good(await page(client), 'the first page')[0].id, found.at(-1).id);
});

test('a conversation is begun, continued, rated, renamed, archived, found and deleted', async () => {
  const client = await of(here.ada);
  const id = good(await client.rpc('my_id'), 'who I am');
  assert.equal(id, here.ada.id);
  const begun = good(await client.from('conversations').insert({}).select().single(), 'begin');
  assert.deepEqual([begun.title, begun.user_id, begun.tenant_id], ['New conversation', id, here.tenant.id]);

  const asked = { conversation_id: begun.id, role: 'user', content: 'How do I boil an egg?' };
  const question = good(await client.from('messages').insert(asked).select().single(), 'ask');
  const [answer] = await say(begun, [{ role: 'assistant', content: 'In water.', model_used: 'gpt-5-mini' }]);
  const rate = (fields) =>
    client
      .from('feedback')
      .upsert({ message_id: answer.id, ...fields }, { onConflict: 'message_id,user_id' })
      .select();
  good(await rate({ rating: -1, comment: 'For how long?' }), 'rate');
  const [rated] = good(await rate({ rating: 1, comment: null }), 'rate again');
  assert.deepEqual([rated.rating, rated.comment, rated.user_id], [1, null, id]);
  const thread = good(
    await client
      .from('messages')
      .select('id, role, content, feedback(rating, user_id), conversation:conversations(title)')
      .eq('conversation_id', begun.id)
      .order('created_at')
      .order('id'),
    'read',
  );
  const title = { title: 'New conversation' };
  assert.deepEqual(thread, [
    { id: question.id, role: 'user', content: asked.content, feedback: [], conversation: title },
    {
      id: answer.id,
      role: 'assistant',
      content: 'In water.',
      feedback: [{ rating: 1, user_id: id }],
      conversation: title,
    },
  ]);

  const own = () => client.from('conversations').select('id, title').eq('user_id', id);
  const change = (fields) => client.from('conversations').update(fields).eq('id', begun.id).select().single();
  assert.equal(good(await change({ title: '100% Ägg_' }), 'rename').title, '100% Ägg_');
  const search = (words) => own().ilike('title', `%${words.replace(/[\\%_]/g, '\\$&')}%`);
  for (const [words, count] of [
    ['100%', 1],
    ['ägg_', 1],
    ['%', 1],
    ['gg%', 0],
    ['1_0', 0],
    ['\\', 0],
  ])
    assert.equal(good(await search(words), words).length, count, words);
  good(await change({ is_archived: true }), 'archive');
  const listed = async (archived) =>
    good(await own().eq('is_archived', archived), 'list').some((row) => row.id === begun.id);
  assert.deepEqual([await listed(false), await listed(true)], [false, true]);

  const gone = await client.from('conversations').delete({ count: 'exact' }).eq('id', begun.id);
  assert.deepEqual([gone.error, gone.count], [null, 1]);
  assert.deepEqual(good(await client.from('messages').select('id').eq('conversation_id', begun.id), 'messages'), []);
});

test('answers, attachments and writes without a filter are refused with a sentence', async () => {
  const client = await of(here.ada);
  const { id } = await conversation(here.ada);
  const send = (fields) => client.from('messages').insert({ conversation_id: id, content: 'x', ...fields });
  const role = await send({ role: 'assistant' });
  assert.deepEqual([role.status, role.error.code], [403, '42501']);
  const parts = [
    { type: 'text', text: 'What is this?' },
    { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
  ];
  for (const fields of [{ content: parts }, { metadata: { attachments: ['a.png'] } }]) {
    const { status, error } = await send(fields);
    assert.deepEqual(
      [status, error.code, error.message, error.hint],
      [
        ...[422, 'RG689', 'Attachments are not supported: send text'],
        'Send content as plain text, without images, audio or other files.',
      ],
    );
  }
  const column = await send({ attachments: ['a.png'] });
  assert.deepEqual([column.status, column.error.code], [400, 'PGRST204']);
  assert.match(column.error.message, /attachments/);
  const all = await client.from('conversations').update({ title: 'x' });
  assert.equal(all.error.code, 'RG307');
  assert.equal((await client.from('messages').delete().eq('conversation_id', id)).error.code, '42501');
  const long = await client.from('feedback').insert({ message_id: randomUUID(), rating: 5 });
  assert.ok(['42501', '23514'].includes(long.error.code));
});

test('a row of another tenant answers like one that does not exist, byte for byte', async () => {
  const row = await conversation(here.ada);
  const [message] = await say(row, ['a question']);
  const [{ id: rating }] = await sql(
    'insert into assistant.feedback (message_id, user_id, rating) values ($1, $2, 1) returning id',
    [message.id, here.ada.id],
  );
  const token = await userToken(there.admin.auth_id);
  const prefer = { prefer: 'return=representation, count=exact' };
  const json = (method, body) => ({
    method,
    headers: { ...prefer, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  /** Paths with the id of a conversation, a message and a rating. */
  const requests = [
    (c) => [`/rest/v1/conversations?id=eq.${c}`, { headers: prefer }],
    (c) => [`/rest/v1/conversations?id=eq.${c}&select=*,messages(*,feedback(*))`, { headers: prefer }],
    (c) => [`/rest/v1/messages?conversation_id=eq.${c}&select=*,conversations(*)`, { headers: prefer }],
    (_, m) => [`/rest/v1/messages?id=eq.${m}&select=*,feedback!inner(*)`, { headers: prefer }],
    (_, m) => [`/rest/v1/feedback?message_id=eq.${m}&select=*,messages(*),users(*)`, { headers: prefer }],
    (c) => [`/rest/v1/conversations?id=eq.${c}`, json('PATCH', { title: 'taken' })],
    (c) => [`/rest/v1/conversations?id=eq.${c}`, { method: 'DELETE', headers: prefer }],
    (_, m) => [`/rest/v1/messages?id=eq.${m}`, json('PATCH', { metadata: {} })],
    (_, m) => [`/rest/v1/messages?id=eq.${m}`, { method: 'DELETE', headers: prefer }],
    (_, __, f) => [`/rest/v1/feedback?id=eq.${f}`, json('PATCH', { rating: -1 })],
    (_, __, f) => [`/rest/v1/feedback?id=eq.${f}`, { method: 'DELETE', headers: prefer }],
    (c) => ['/rest/v1/messages', json('POST', { conversation_id: c, content: 'x' })],
    (_, m) => ['/rest/v1/feedback', json('POST', { message_id: m, rating: 1 })],
    (_, m) => [
      '/rest/v1/feedback?on_conflict=message_id,user_id',
      {
        ...json('POST', { message_id: m, user_id: here.ada.id, rating: -1 }),
        headers: { prefer: 'resolution=merge-duplicates', 'content-type': 'application/json' },
      },
    ],
  ];
  for (const base of [stack.edge_url, stack.postgrest_url]) {
    for (const request of requests) {
      const answers = [];
      for (const ids of [
        [row.id, message.id, rating],
        [randomUUID(), randomUUID(), randomUUID()],
      ]) {
        const [path, options] = request(...ids);
        const answer = await ask(base === stack.edge_url ? path : path.replace('/rest/v1', ''), {
          base,
          token,
          ...options,
          headers: { 'accept-profile': 'assistant', 'content-profile': 'assistant', ...options.headers },
        });
        assert.ok(answer.status < 500, answer.text);
        answers.push([answer.status, answer.text, answer.headers.get('content-range')]);
      }
      assert.deepEqual(answers[0], answers[1], request(row.id, message.id, rating)[0]);
    }
  }
  const [{ title }] = await sql('select title from assistant.conversations where id = $1', [row.id]);
  assert.equal(title, 'A conversation');
  assert.deepEqual(await sql('select rating from assistant.feedback where id = $1', [rating]), [{ rating: '1' }]);
});

test('an API token opens the lists to its scope: to read, or to write, too', async () => {
  const owner = await userToken(here.ada.auth_id);
  const tokenFor = async (scope) => (await makeToken(owner, scope)).token;
  const { id } = await conversation(here.ada);
  const read = clientOf(await tokenFor({ systems: ['assistant'], access: 'read' }));
  assert.equal(good(await read.from('conversations').select('id').eq('id', id), 'read').length, 1);
  const refused = await read.from('messages').insert({ conversation_id: id, content: 'x' });
  assert.ok([403, 405].includes(refused.status), JSON.stringify(refused.error));
  const write = clientOf(await tokenFor({ systems: ['assistant'], access: 'write' }));
  good(await write.from('messages').insert({ conversation_id: id, content: 'x' }), 'write');
  const endpoint = clientOf(await tokenFor({ endpoints: ['GET /v1/tokens'], access: 'read' }));
  assert.equal((await endpoint.from('conversations').select('id')).status, 403);
});
