// Messages: who writes what, what stays, what is refused, and how much of a conversation goes along with a question.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';
import { as, close, sql } from '../../support/stack.js';
import { asMember, asOffice, codeOf, conversation, forget, say, tenant, world } from '../support/talk.js';

let here;
let there;
before(async () => {
  ({ here, there } = await world());
});
after(async () => {
  await forget();
  await close();
});

const INSERT = 'insert into assistant.messages (conversation_id, content) values ($1, $2) returning *';

test('who sees a conversation sees its messages', async () => {
  const closed = await world({ private_conversations: true });
  for (const [places, colleague] of [
    [{ here, there }, true],
    [closed, false],
  ]) {
    const row = await conversation(places.here.ada);
    const [{ id }] = await say(row, ['hello']);
    const sees = async (user) =>
      (await asMember(user, 'select id from assistant.messages where id = $1', [id])).length === 1;
    assert.deepEqual(
      [await sees(places.here.ada), await sees(places.here.admin), await sees(places.here.bea)],
      [true, true, colleague],
    );
    for (const user of Object.values(places.there).slice(1)) assert.equal(await sees(user), false);
  }
});

test('members add questions to their own conversations, and nothing else', async () => {
  const row = await conversation(here.ada);
  const [made] = await asMember(here.ada, INSERT, [row.id, 'a question']);
  assert.deepEqual([made.role, made.token_count, made.metadata], ['user', '4', {}]);
  const withRole = (role) =>
    codeOf(
      asMember(here.ada, 'insert into assistant.messages (conversation_id, role, content) values ($1, $2, $3)', [
        row.id,
        role,
        'x',
      ]),
    );
  assert.equal(await withRole('user'), null);
  for (const role of ['assistant', 'system']) assert.equal(await withRole(role), '42501', role);
  // A role that is none: a policy refuses it before the check does.
  assert.ok(['42501', 'messages_role'].includes(await withRole('tool')));
  // One's own only; what is foreign and what is absent answer alike, to admins, too.
  for (const user of [here.bea, here.admin, here.owner, there.ada, there.admin]) {
    assert.equal(await codeOf(asMember(user, INSERT, [row.id, 'x'])), '42501');
    assert.equal(await codeOf(asMember(user, INSERT, [randomUUID(), 'x'])), '42501');
  }
  for (const column of ['id', 'token_count', 'model_used', 'latency_ms', 'created_at']) {
    const text = `insert into assistant.messages (conversation_id, content, ${column}) values ($1, 'x', null)`;
    assert.equal(await codeOf(asMember(here.ada, text, [row.id])), '42501', column);
  }
});

test('what was said stays: members change metadata of their own conversations, and delete no message', async () => {
  const row = await conversation(here.ada);
  const [question, answer] = await say(row, ['a question', 'an answer']);
  const noted = (user, { id }) =>
    asMember(user, `update assistant.messages set metadata = '{"pinned": true}' where id = $1 returning id`, [id]);
  for (const message of [question, answer]) {
    assert.equal((await noted(here.ada, message)).length, 1);
    for (const user of [here.bea, here.admin, there.ada]) assert.deepEqual(await noted(user, message), []);
    for (const column of ['content', 'role', 'conversation_id', 'token_count', 'created_at']) {
      const text = `update assistant.messages set ${column} = ${column} where id = $1`;
      assert.equal(await codeOf(asMember(here.ada, text, [message.id])), '42501', column);
    }
    for (const user of [here.ada, here.admin, here.owner])
      assert.equal(await codeOf(asMember(user, 'delete from assistant.messages where id = $1', [message.id])), '42501');
  }
  // service_role may; the log has it, without the words.
  await asOffice(`update assistant.messages set content = 'corrected' where id = $1`, [question.id]);
  await asOffice('delete from assistant.messages where id = $1', [answer.id]);
  assert.deepEqual(
    await sql('select actor_role, operation, columns from private.audit_log where row_id = any ($1) order by id', [
      [question.id, answer.id],
    ]),
    [
      { actor_role: 'service_role', operation: 'UPDATE', columns: ['content'] },
      { actor_role: 'service_role', operation: 'DELETE', columns: null },
    ],
  );
  // With its conversation everything goes.
  await asMember(here.ada, 'delete from assistant.conversations where id = $1', [row.id]);
  assert.deepEqual(await sql('select id from assistant.messages where conversation_id = $1', [row.id]), []);
});

test('messages of one statement keep their order', async () => {
  const row = await conversation(here.ada);
  await asMember(
    here.ada,
    `insert into assistant.messages (conversation_id, content, metadata)
     select $1, 'number ' || n, null from generate_series(1, 300) as n`,
    [row.id],
  );
  const found = await sql('select content from assistant.messages where conversation_id = $1 order by created_at, id', [
    row.id,
  ]);
  assert.deepEqual(
    found.map(({ content }) => content),
    Array.from({ length: 300 }, (_, n) => `number ${n + 1}`),
  );
});

test('batches that name the same conversations in another order do not wait for each other without end', async () => {
  const rows = [];
  for (let n = 0; n < 6; n += 1) rows.push((await conversation(here.ada)).id);
  const batch = (ids) =>
    asMember(
      here.ada,
      `insert into assistant.messages (conversation_id, content) select i, 'x' from unnest($1::uuid[]) as i`,
      [ids],
    );
  const many = Array.from({ length: 40 }, (_, n) => batch(n % 2 ? rows : [...rows].reverse()));
  const codes = await Promise.all(many.map(codeOf));
  assert.deepEqual(
    codes.filter((code) => code === '40P01'),
    [],
  );
});

const PART = (type, more) =>
  JSON.stringify([
    { type: 'text', text: 'look' },
    { type, ...more },
  ]);

test('attachments are refused with a sentence, however they come; texts about them are not', async () => {
  const row = await conversation(here.ada);
  const insert = (content, metadata = {}) => [
    'insert into assistant.messages (conversation_id, content, metadata) values ($1, $2, $3)',
    [row.id, content, JSON.stringify(metadata)],
  ];
  const refused = [
    insert('see the file', { attachments: [{ url: 'https://example.org/a.png' }] }),
    insert('see the file', { experimental_attachments: [] }),
    insert('see the file', { files: ['a.pdf'] }),
    insert(PART('image_url', { image_url: { url: 'data:image/png;base64,AAAA' } })),
    insert(PART('input_image', { image_url: 'https://example.org/a.png' })),
    insert(PART('file', { mediaType: 'application/pdf', url: 'https://example.org/a.pdf' })),
    insert(` \n${PART('input_audio', { input_audio: { data: 'AAAA', format: 'wav' } })}`),
    insert('data:image/png;base64,iVBORw0KGgo='),
  ];
  for (const [text, values] of refused) {
    for (const ask of [(given, list) => asMember(here.ada, given, list), asOffice]) {
      await assert.rejects(ask(text, values), (error) => {
        const { code, message } = JSON.parse(error.message);
        assert.deepEqual([code, message], ['RG689', 'Attachments are not supported: send text'], values[1]);
        assert.equal(JSON.parse(error.detail).status, 422);
        return true;
      });
    }
  }
  // Nor later.
  const [{ id }] = await asMember(here.ada, INSERT, [row.id, 'x']);
  const later = `update assistant.messages set metadata = '{"attachments": []}' where id = $1`;
  assert.equal(await codeOf(asMember(here.ada, later, [id])), 'RG689');
  const texts = [
    'What is {"type": "image_url"}?',
    '[{"a": 1}]',
    '[{"type": "text", "text": "hi"}]',
    '[{"type": "image_url"',
    `${'['.repeat(30_000)}{`,
    `[{${'"a":['.repeat(20_000)}`,
    '[{"type": "image_url", "x": "\\u0000"}]',
    'data: the new oil',
    '[ { not JSON',
  ];
  for (const content of texts)
    assert.equal(await codeOf(asMember(here.ada, ...insert(content))), null, content.slice(0, 40));
});

test('a message has 1 to 200,000 characters, and metadata of at most 64 KB', async () => {
  const row = await conversation(here.ada);
  const insert = (content, metadata = {}) =>
    codeOf(
      asMember(here.ada, 'insert into assistant.messages (conversation_id, content, metadata) values ($1, $2, $3)', [
        row.id,
        content,
        JSON.stringify(metadata),
      ]),
    );
  assert.equal(await insert('é'.repeat(200_000)), null);
  assert.equal(await insert('é'.repeat(200_001)), 'messages_content');
  assert.equal(await insert(''), 'messages_content');
  assert.equal(await insert(' \n\t '), 'messages_question');
  assert.equal(await insert('x', { text: 'x'.repeat(65_600) }), 'messages_metadata');
  assert.equal(await insert('x', []), 'messages_metadata');
});

const ADD = 'select private.add_message($1, $2, $3, $4, $5, $6, $7, $8) as id';

test('a message of a turn is stored once, and cut where it is too long', async () => {
  const row = await conversation(here.ada);
  const id = randomUUID();
  const values = [row.id, id, 'assistant', 'an answer', 7, 'gpt-5-mini', 1200, { finish: 'stop' }];
  assert.deepEqual(await sql(ADD, values), [{ id }]);
  assert.deepEqual(await sql(ADD, values.with(3, 'another answer')), [{ id: null }]);
  const [stored] = await sql('select * from assistant.messages where id = $1', [id]);
  assert.deepEqual(
    [stored.content, stored.token_count, stored.model_used, stored.latency_ms, stored.metadata],
    ['an answer', '7', 'gpt-5-mini', '1200', { finish: 'stop' }],
  );
  // An answer without a word is none.
  for (const empty of ['', null]) assert.deepEqual(await sql(ADD, values.with(1, null).with(3, empty)), [{ id: null }]);
  const [{ id: long }] = await sql(ADD, values.with(1, null).with(3, 'é'.repeat(200_001)));
  assert.deepEqual(
    await sql('select char_length(content) as length, metadata from assistant.messages where id = $1', [long]),
    [{ length: 200_000, metadata: { finish: 'stop', truncated: true } }],
  );
});

const history = async ({ id }, budget) => (await sql('select private.history($1, $2) as found', [id, budget]))[0].found;
const contents = async (row, budget) => (await history(row, budget)).map(({ content }) => content);
/** A message of so many tokens. */
const of = (role, content, token_count, more = {}) => ({ role, content, token_count, ...more });

/** Messages of a conversation, a budget, and what goes along. */
const HISTORIES = {
  'everything, in its order, where the budget holds it': [
    [of('user', 'q1', 10), of('assistant', 'a1', 10), of('user', 'q2', 10)],
    30,
    ['q1', 'a1', 'q2'],
  ],
  'whole messages only': [
    [
      of('user', 'q1', 10),
      of('assistant', 'a1', 10),
      of('user', 'q2', 10),
      of('assistant', 'a2', 10),
      of('user', 'q3', 10),
    ],
    49,
    ['q2', 'a2', 'q3'],
  ],
  'no answer without its question': [
    [of('user', 'q1', 100), of('assistant', 'a1', 10), of('user', 'q2', 10)],
    50,
    ['q2'],
  ],
  'no two answers without their questions': [
    [of('user', 'q1', 100), of('assistant', 'a1', 1), of('assistant', 'a1b', 1), of('user', 'q2', 10)],
    50,
    ['q2'],
  ],
  'the newest always, however long it is': [
    [of('user', 'q1', 1), of('assistant', 'a1', 1), of('user', 'q2', 5000)],
    10,
    ['q2'],
  ],
  'nothing older than the first that does not fit': [
    [
      of('user', 'q1', 1),
      of('assistant', 'a1', 1),
      of('user', 'q2', 90),
      of('assistant', 'a2', 5),
      of('user', 'q3', 5),
    ],
    50,
    ['q3'],
  ],
  'questions that nobody answered': [
    [of('user', 'q1', 10), of('user', 'q2', 10), of('user', 'q3', 10)],
    20,
    ['q2', 'q3'],
  ],
  'no answer that a later one has replaced': [
    [
      of('user', 'q1', 10),
      of('assistant', 'a1', 1000, { metadata: { superseded: true } }),
      of('assistant', 'a1b', 10),
      of('user', 'q2', 10),
    ],
    30,
    ['q1', 'a1b', 'q2'],
  ],
  'instructions before a question, but not before an answer': [
    [
      of('user', 'q0', 100),
      of('system', 's0', 1),
      of('assistant', 'a0', 1),
      of('system', 's1', 1),
      of('user', 'q1', 1),
    ],
    50,
    ['s1', 'q1'],
  ],
  'an estimate where nobody has counted: a token is three bytes': [
    [of('user', 'é'.repeat(30), null), of('assistant', 'a1', 10), of('user', 'q2', 10)],
    40,
    ['é'.repeat(30), 'a1', 'q2'],
  ],
  'and one byte more does not fit': [
    [of('user', `${'é'.repeat(30)}x`, null), of('assistant', 'a1', 10), of('user', 'q2', 10)],
    40,
    ['q2'],
  ],
  'the newest, with no budget at all': [[of('user', 'q1', 1), of('user', 'q2', 1)], 0, ['q2']],
  'an answer that is the only message': [[of('assistant', 'a1', 1)], 10, ['a1']],
  'of an empty conversation, nothing': [[], 100, []],
};

for (const [name, [messages, budget, wanted]] of Object.entries(HISTORIES)) {
  test(`history: ${name}`, async () => {
    const row = await conversation(here.ada);
    await say(row, messages);
    assert.deepEqual(await contents(row, budget), wanted);
  });
}

test('history: the system prompt of the tenant comes first and costs nothing of the budget', async () => {
  const company = await tenant({ system_prompt: 'Be brief. '.repeat(100) });
  const [user] = await sql(`insert into assistant.users (tenant_id, email) values ($1, $2) returning *`, [
    company.id,
    `${randomUUID()}@example.org`,
  ]);
  const row = await conversation(user);
  await say(row, [of('user', 'q1', 10), of('assistant', 'a1', 10), of('user', 'q2', 10)]);
  assert.deepEqual(await history(row, 30), [
    { role: 'system', content: 'Be brief. '.repeat(100) },
    { role: 'user', content: 'q1' },
    { role: 'assistant', content: 'a1' },
    { role: 'user', content: 'q2' },
  ]);
  await sql(`update assistant.tenants set system_prompt = '' where id = $1`, [company.id]);
  assert.deepEqual(await contents(row, 30), ['q1', 'a1', 'q2']);
});

test('history: reads as far as the budget goes, not the whole conversation', async () => {
  const row = await conversation(here.ada);
  await sql(
    `insert into assistant.messages (conversation_id, role, content, token_count)
     select $1, (array['assistant', 'user'])[1 + n % 2], 'message ' || n, 10 from generate_series(1, 5001) as n`,
    [row.id],
  );
  assert.deepEqual(await contents(row, 30), ['message 4999', 'message 5000', 'message 5001']);
  // Without an end by tokens, it ends by their number.
  assert.equal((await history(row, 1_000_000)).length, 499);
});

test('nobody calls these functions in a request', async () => {
  for (const role of ['anon', 'authenticated', 'service_role', 'edge'])
    for (const text of [
      `select private.history('${randomUUID()}', 1)`,
      `select private.add_message('${randomUUID()}', null, 'user', 'x')`,
    ])
      assert.equal(
        await codeOf(as({ role, claims: { sub: here.ada.auth_id } }, (query) => query(text))),
        '42501',
        `${role}: ${text}`,
      );
});
