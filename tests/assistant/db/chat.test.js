// The chat in the database: what a turn stores, sends, reserves and counts, however it ends and however often it is asked.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { as, close, sql, transaction } from '../../support/stack.js';
import {
  beginChat,
  beginCompletion,
  endChat,
  eventOf,
  forgetTurn,
  messagesOf,
  saveChat,
  turnOf,
} from '../support/chat.js';
import {
  budget,
  makeMember,
  makeTenant,
  metricsOf,
  refusal,
  removeTenants,
  runJob,
  signedIn,
} from '../support/usage.js';

const tenants = [];
const member = async (given, role) => {
  tenants.push(await makeTenant({ tokens: 100_000, ...given }));
  return makeMember(tenants.at(-1), role);
};
after(async () => {
  await removeTenants(tenants);
  await close();
});

const set = (tenant, fields) =>
  sql(
    `update assistant.tenants set ${Object.keys(fields)
      .map((name, at) => `${name} = $${at + 2}`)
      .join(', ')} where id = $1`,
    [tenant, ...Object.values(fields)],
  );
const codeOf = async (promise) => {
  const { status, code } = await refusal(promise);
  return [status, code];
};
const reserved = async ({ tenant }) => (await budget(tenant)).reserved;
const used = async ({ tenant }) => (await budget(tenant)).used;
const roles = async (conversation) => (await messagesOf(conversation)).map(({ role }) => role);
/** A reservation: a third of the bytes of what is sent, and the answer's limit. */
const amountOf = async (turn) =>
  Number((await sql('select amount from private.reservations where id = $1', [turn]))[0]?.amount ?? 0);

test('a question is stored, its turn reserved, and its answer stored and counted', async () => {
  const one = await member();
  await set(one.tenant, { temperature: 0.5, system_prompt: 'Be brief.', max_tokens: 300 });
  const begun = await beginChat(one, { message: '  How high is\tK2?\nIn metres.', max_tokens: 100 });
  assert.deepEqual(begun.body, {
    model: 'a-model',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: '  How high is\tK2?\nIn metres.' },
    ],
    temperature: 0.5,
    max_completion_tokens: 100,
  });
  assert.deepEqual(
    [begun.provider, begun.model, begun.tenant_id, begun.key, begun.stored, begun.stream],
    ['openai', 'a-model', one.tenant, null, null, true],
  );
  assert.match(begun.fields['RateLimit-Policy'], /^"minute";/);
  assert.equal(await amountOf(begun.turn), await reserved(one));
  assert.ok((await reserved(one)) > 100 && (await reserved(one)) < 200);
  const [{ title, user_id: owner }] = await sql('select title, user_id from assistant.conversations where id = $1', [
    begun.conversation_id,
  ]);
  assert.deepEqual([title, owner], ['How high is K2?', one.id]);

  assert.equal(await saveChat(begun.turn, 'It is 8'), true);
  const ended = await endChat(begun.turn, { content: 'It is 8,611 m high.', model: 'a-model-2026' });
  assert.deepEqual(ended, {
    answer_id: begun.answer_id,
    prompt_tokens: 20,
    completion_tokens: 5,
    is_estimated: false,
    finish_reason: 'stop',
    end: 'whole',
    is_new: true,
  });
  const [question, answer] = await messagesOf(begun.conversation_id);
  assert.deepEqual([question.id, question.role], [begun.question_id, 'user']);
  assert.deepEqual(answer, {
    id: begun.answer_id,
    role: 'assistant',
    content: 'It is 8,611 m high.',
    token_count: 5,
    model_used: 'a-model-2026',
    latency_ms: 900,
    metadata: {
      end: 'whole',
      question_id: question.id,
      finish_reason: 'stop',
      is_estimated: false,
      first_token_ms: 90,
      upstream_id: 'chatcmpl-1',
    },
  });
  assert.deepEqual(await budget(one.tenant), { limit: 100_000, used: 25, reserved: 0, left: 99_975 });
  assert.deepEqual(await eventOf(begun.turn), {
    user_id: one.id,
    provider: 'openai',
    // Neither has a price: the name that the provider gives.
    model: 'a-model-2026',
    prompt: 20,
    completion: 5,
    is_estimated: false,
    source: 'chat',
  });
  assert.equal((await turnOf(begun.turn)).said, null);
  assert.equal(await saveChat(begun.turn, 'too late'), false);
});

test('the next question goes along with what was said before, and no further than the tenant’s budget', async () => {
  const one = await member();
  const first = await beginChat(one, 'One');
  await endChat(first.turn, { content: 'Two' });
  const ask = async () => {
    const begun = await beginChat(one, { message: 'Three', conversation_id: first.conversation_id });
    return begun.body.messages.map(({ content }) => content);
  };
  assert.deepEqual(await ask(), ['One', 'Two', 'Three']);
  await set(one.tenant, { features: JSON.stringify({ history_tokens: 3 }) });
  assert.deepEqual(await ask(), ['Three']);
  for (const value of [-1, 1.5, 200_001, '8', null])
    assert.equal(
      (await refusal(set(one.tenant, { features: JSON.stringify({ history_tokens: value }) }))).code,
      'RG699',
      `${value}`,
    );
});

test('providers are sent the limit by the name that they know, and never a larger one than the tenant’s', async () => {
  const one = await member({ provider: 'mistral' });
  await set(one.tenant, { max_tokens: 50 });
  assert.deepEqual((await beginChat(one, 'Hello')).body, {
    model: 'a-model',
    messages: [{ role: 'user', content: 'Hello' }],
    max_tokens: 50,
  });
  const asked = { messages: [{ role: 'user', content: 'Hello' }] };
  // The largest integers of programs stand for no limit.
  for (const most of [5000, 2 ** 31 - 1, Number.MAX_SAFE_INTEGER, 1e300]) {
    assert.equal((await beginChat(one, { message: 'Hello', max_tokens: most })).body.max_tokens, 50);
    assert.equal((await beginCompletion(one, { ...asked, max_tokens: most })).body.max_tokens, 50);
  }
  assert.equal((await beginCompletion(one, { ...asked, max_completion_tokens: 9 })).body.max_tokens, 9);
});

test('a tenant’s sealed key goes along', async () => {
  const one = await member();
  await sql(
    `insert into private.provider_keys (tenant_id, sealed, key_version, last_four) values ($1, 'sealed', 3, 'wxyz')`,
    [one.tenant],
  );
  assert.deepEqual((await beginChat(one, 'Hello')).key, { sealed: 'sealed', key_version: 3 });
});

test('no provider gets another one’s key, even if both change while a question begins', async () => {
  const one = await member();
  await beginChat(one, 'Hello');
  let pending;
  await transaction(async (query) => {
    await query('select from private.rate_limits where bucket = $1 for update', [`assistant ${one.tenant}`]);
    pending = beginChat(one, 'Hello');
    const waits = async () =>
      (await sql(`select from pg_stat_activity where wait_event_type = 'Lock' and query like '%begin_chat%'`)).length >
      0;
    while (!(await waits())) await sql('select pg_sleep(0.01)');
    await set(one.tenant, { llm_provider: 'mistral' });
    await sql(
      `insert into private.provider_keys (tenant_id, sealed, key_version, last_four) values ($1, 'mistral’s', 1, 'wxyz')`,
      [one.tenant],
    );
  });
  const { provider, key } = await pending;
  assert.deepEqual([provider, key], ['openai', null]);
});

test('a request that is none is refused with what is wrong, and leaves nothing', async () => {
  const one = await member();
  const id = randomUUID();
  for (const [request, details] of [
    [{}, 'message: a text'],
    [{ message: 1 }, 'message: a text'],
    [{ message: null }, 'message: a text'],
    [{ message: [{ type: 'text', text: 'Hello' }] }, 'message: a text'],
    [{ message: ' \n' }, 'message: is empty'],
    [{ message: 'x'.repeat(200_001) }, 'message: at most 200,000 characters'],
    [{ message: 'Hello', conversation: id }, 'no such field: conversation'],
    [{ message: 'Hello', conversation_id: 'mine' }, 'conversation_id: a UUID'],
    [{ message: 'Hello', conversation_id: 7 }, 'conversation_id: a UUID'],
    [{ message: 'Hello', title: '' }, 'title: a text of 1 to 200 characters'],
    [{ message: 'Hello', title: 7 }, 'title: a text of 1 to 200 characters'],
    [{ message: 'Hello', title: ' \n' }, 'title: is blank'],
    [{ message: 'Hello', title: 'New', conversation_id: id }, 'title: only for a new conversation'],
    [{ message: 'Hello', model: 'another' }, 'model: the tenant has a-model'],
    [{ message: 'Hello', model: {} }, 'model: a text'],
    ...[0, -1, 1.5, 0.5, '8', true].map((most) => [
      { message: 'Hello', max_tokens: most },
      'max_tokens: a whole number from 1',
    ]),
  ]) {
    const refused = await refusal(beginChat(one, request));
    assert.deepEqual([refused.status, refused.code, refused.details], [422, 'RG687', details]);
  }
  for (const request of [
    { message: 'Hello', files: [] },
    { message: 'Hello', attachments: [{ url: 'x' }] },
    { message: [{ type: 'image_url', image_url: { url: 'x' } }] },
    { message: 'data:image/png;base64,AAAA' },
    { message: '[{"type": "input_file"}]' },
  ])
    assert.deepEqual(await codeOf(beginChat(one, request)), [422, 'RG689'], JSON.stringify(request));
  assert.deepEqual(await codeOf(beginChat(one, { message: 'Hello', conversation_id: id })), [404, 'RG686']);
  assert.deepEqual(await sql('select from assistant.conversations where tenant_id = $1', [one.tenant]), []);
  assert.equal(await reserved(one), 0);
});

test('a member asks in their own conversations only, whoever sees them', async () => {
  const one = await member();
  const others = [await makeMember(one.tenant), await makeMember(one.tenant, 'admin'), await member()];
  const { conversation_id: conversation } = await beginChat(one, 'Mine');
  const absent = await refusal(beginChat(others[0], { message: 'Hello', conversation_id: randomUUID() }));
  for (const other of others)
    assert.deepEqual(await refusal(beginChat(other, { message: 'Hello', conversation_id: conversation })), absent);
  await set(one.tenant, { features: JSON.stringify({ private_conversations: true }) });
  for (const other of others)
    assert.deepEqual(await refusal(beginChat(other, { message: 'Hello', conversation_id: conversation })), absent);
  assert.deepEqual(await roles(conversation), ['user']);
  await beginChat(one, { message: 'Mine', conversation_id: conversation });
});

test('only active members of active tenants begin; what has begun ends all the same', async () => {
  const one = await member();
  const other = await makeMember(one.tenant);
  const [first, second] = [await beginChat(one, 'One'), await beginChat(other, 'Two')];
  const asked = { messages: [{ role: 'user', content: 'Hello' }] };
  await sql('update assistant.users set is_active = false where id = $1', [one.id]);
  assert.deepEqual(await codeOf(beginChat(one, 'More')), [403, 'RG680']);
  assert.deepEqual(await codeOf(beginCompletion(one, asked)), [403, 'RG680']);
  assert.equal(await saveChat(first.turn, 'An'), true);
  assert.equal((await endChat(first.turn)).is_new, true);
  await set(one.tenant, { is_active: false });
  assert.deepEqual(await codeOf(beginChat(other, 'More')), [403, 'RG680']);
  assert.equal((await endChat(second.turn)).answer_id, second.answer_id);
  assert.equal(await used(one), 50);
  assert.deepEqual(await codeOf(beginChat({ sub: randomUUID() }, 'Hello')), [403, 'RG680']);
});

test('nobody but the edge calls these functions, and past it nobody reads a turn', async () => {
  const one = await member();
  const { turn } = await beginChat(one, 'One');
  for (const who of [{ role: 'anon' }, signedIn(one), { role: 'service_role' }])
    for (const text of [
      `select assistant.begin_chat('{"message": "Hello"}')`,
      `select assistant.begin_completion('{"messages": [{"role": "user", "content": "Hello"}]}')`,
      `select edge.save_chat('${turn}', 'forged')`,
      `select edge.end_chat('${turn}', '{"end": "whole", "content": "forged"}')`,
      'select * from private.chat_turns',
    ])
      await assert.rejects(
        as(who, (query) => query(text)),
        { code: '42501' },
        `${who.role}: ${text}`,
      );
});

test('members find the tenant’s model in OpenAI’s form, and nobody else finds one', async () => {
  const one = await member();
  const list = async (who) => (await as(who, (query) => query('select assistant.list_models() as list')))[0].list;
  const { object, data } = await list(signedIn(one));
  assert.equal(object, 'list');
  assert.deepEqual(
    data.map(({ created, ...rest }) => [typeof created, rest]),
    [['number', { id: 'a-model', object: 'model', owned_by: 'openai' }]],
  );
  assert.deepEqual(await codeOf(list(signedIn({ sub: randomUUID() }))), [403, 'RG680']);
  const find = async (who, model) =>
    (await as(who, (query) => query('select assistant.find_model($1) as found', [model])))[0].found;
  assert.deepEqual(await find(signedIn(one), 'a-model'), data[0]);
  for (const model of ['A-MODEL', 'a-model ', '', null])
    assert.deepEqual(await codeOf(find(signedIn(one), model)), [404, 'RG688'], String(model));
  assert.deepEqual(await codeOf(find(signedIn({ sub: randomUUID() }), 'a-model')), [403, 'RG680']);
  for (const who of [{ role: 'anon' }, { role: 'service_role' }])
    for (const asked of [list, find]) await assert.rejects(asked(who, 'a-model'), { code: '42501' });
});

test('a repeated request gets the stored answer and costs nothing', async () => {
  const one = await member({ rate: 2 });
  const key = randomUUID();
  const first = await beginChat(one, 'One', { key });
  const running = await refusal(beginChat(one, 'One', { key }));
  assert.deepEqual([running.status, running.code, running.headers['Retry-After']], [409, 'RG684', '5']);
  await endChat(first.turn, { content: 'The answer', completion_tokens: null });
  for (let n = 0; n < 5; n += 1) {
    const again = await beginChat(one, 'One', { key });
    assert.deepEqual([again.turn, again.question_id, again.body], [first.turn, first.question_id, undefined]);
    assert.deepEqual(again.stored, {
      answer_id: first.answer_id,
      content: 'The answer',
      model: 'a-model',
      prompt_tokens: 20,
      completion_tokens: 4,
      is_estimated: true,
      finish_reason: 'stop',
      end: 'whole',
    });
  }
  assert.deepEqual(await roles(first.conversation_id), ['user', 'assistant']);
  assert.deepEqual([await reserved(one), await used(one)], [0, 24]);
  assert.deepEqual(await codeOf(beginChat(one, 'Another', { key })), [422, 'RG503']);
  assert.deepEqual(await codeOf(beginChat(one, { message: 'One', max_tokens: 9 }, { key })), [422, 'RG503']);
  // Somebody else's key of the same name is another one.
  const other = await makeMember(one.tenant);
  assert.notEqual((await beginChat(other, 'One', { key })).conversation_id, first.conversation_id);
});

test('of ten retries at once one asks, and the others learn that it is being answered', async () => {
  const one = await member();
  for (let run = 0; run < 5; run += 1) {
    const key = randomUUID();
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => beginChat(one, 'One', { key })));
    const [{ value: begun }, ...more] = results.filter(({ status }) => status === 'fulfilled');
    assert.deepEqual(more, []);
    for (const { reason } of results.filter(({ status }) => status === 'rejected'))
      assert.deepEqual(await codeOf(Promise.reject(reason)), [409, 'RG684']);
    assert.deepEqual(await roles(begun.conversation_id), ['user']);
    await endChat(begun.turn);
    const retries = await Promise.all(Array.from({ length: 10 }, () => beginChat(one, 'One', { key })));
    for (const { stored } of retries) assert.equal(stored.answer_id, begun.answer_id);
    assert.equal(await reserved(one), 0);
  }
});

test('a question that got no answer is asked again under its key, once, and is stored once', async () => {
  const one = await member();
  const key = randomUUID();
  const ends = [{ end: 'refused' }, { end: 'unreachable' }, { end: 'error' }, { end: 'hung_up' }];
  let conversation;
  for (const [at, { end }] of ends.entries()) {
    const tried = await Promise.allSettled(Array.from({ length: 4 }, () => beginChat(one, 'One', { key })));
    const [begun, ...more] = tried.filter(({ status }) => status === 'fulfilled').map(({ value }) => value);
    assert.deepEqual([more.length, begun.stored], [0, null], end);
    conversation ??= begun.conversation_id;
    assert.equal(begun.conversation_id, conversation);
    assert.deepEqual(begun.body.messages, [{ role: 'user', content: 'One' }]);
    const nothing = {
      content: '',
      tool_calls: [],
      prompt_tokens: null,
      completion_tokens: null,
      finish_reason: null,
      model: null,
    };
    const ended = await endChat(begun.turn, { end, ...nothing });
    assert.equal(ended.answer_id, null);
    // Who was not reached, or has refused, has used nothing; others may have read the question.
    assert.deepEqual([ended.prompt_tokens > 0, ended.is_estimated], [at > 1, at > 1], end);
    assert.equal(await reserved(one), 0);
  }
  assert.deepEqual(await roles(conversation), ['user']);
  const before = await used(one);
  const { turn } = await beginChat(one, 'One', { key });
  await endChat(turn, { content: 'At last' });
  assert.equal((await beginChat(one, 'One', { key })).stored.content, 'At last');
  assert.deepEqual(await roles(conversation), ['user', 'assistant']);
  assert.equal(await used(one), before + 25);
});

test('a repeated question goes along with what was said before it, not with what came later', async () => {
  const one = await member();
  const key = randomUUID();
  const first = await beginChat(one, 'Before');
  await endChat(first.turn, { content: 'Answer' });
  const conversation_id = first.conversation_id;
  const refused = await beginChat(one, { message: 'Refused', conversation_id }, { key });
  await endChat(refused.turn, { end: 'refused', content: '', prompt_tokens: null, completion_tokens: null });
  await endChat((await beginChat(one, { message: 'Later', conversation_id })).turn, { content: 'Later answer' });
  const again = await beginChat(one, { message: 'Refused', conversation_id }, { key });
  assert.deepEqual(
    again.body.messages.map(({ content }) => content),
    ['Before', 'Answer', 'Refused'],
  );
  // The question itself goes along, whatever its author has marked it as.
  await endChat(again.turn, { end: 'refused', content: '', prompt_tokens: null, completion_tokens: null });
  await as(signedIn(one), (query) =>
    query(`update assistant.messages set metadata = '{"superseded": true}' where id = $1`, [refused.question_id]),
  );
  const { body } = await beginChat(one, { message: 'Refused', conversation_id }, { key });
  assert.equal(body.messages.at(-1).content, 'Refused');
});

test('an API token asks if its scope has the system or the endpoint', async () => {
  const one = await member();
  const scope = { id: randomUUID(), systems: [], endpoints: [], access: 'write' };
  const asked = (claim) => beginChat(one, 'Hello', { api_token: { ...scope, ...claim } });
  for (const claim of [{ systems: ['assistant'] }, { call: { system: 'assistant' } }])
    assert.equal((await asked(claim)).tenant_id, one.tenant);
  for (const claim of [{}, { systems: ['clixen'] }, { call: { system: 'clixen' } }])
    assert.deepEqual(await codeOf(asked(claim)), [403, 'RG680']);
});

test('an empty answer that came whole is an answer', async () => {
  const one = await member();
  const key = randomUUID();
  const { turn } = await beginChat(one, 'One', { key });
  const ended = await endChat(turn, { content: '', finish_reason: 'content_filter' });
  assert.deepEqual([ended.answer_id, ended.end], [null, 'whole']);
  const { stored } = await beginChat(one, 'One', { key });
  assert.deepEqual([stored.content, stored.answer_id, stored.finish_reason], ['', null, 'content_filter']);
});

test('what the provider has not counted is estimated, and marked so', async () => {
  const one = await member();
  const ask = async (outcome) => {
    const begun = await beginChat(one, 'A question');
    const prompt = Number((await turnOf(begun.turn)).prompt_estimate);
    assert.equal(
      prompt,
      Math.ceil(Buffer.byteLength(JSON.stringify(begun.body).replaceAll(/(?<=[:,])(?=["{[\d])/g, ' ')) / 3),
    );
    const ended = await endChat(begun.turn, outcome);
    const event = await eventOf(begun.turn);
    assert.deepEqual(
      [event.prompt, event.completion, event.is_estimated],
      [ended.prompt_tokens, ended.completion_tokens, ended.is_estimated],
    );
    const [, answer] = await messagesOf(begun.conversation_id);
    assert.equal(answer?.metadata.is_estimated ?? ended.is_estimated, ended.is_estimated);
    return [
      ended.prompt_tokens === prompt ? 'prompt' : ended.prompt_tokens,
      ended.completion_tokens,
      ended.is_estimated,
    ];
  };
  const unknown = { prompt_tokens: null, completion_tokens: null, content: 'Grüße!' };
  assert.deepEqual(await ask({ ...unknown, end: 'hung_up' }), ['prompt', 3, true]);
  assert.deepEqual(await ask({ ...unknown, reasoning: 'x'.repeat(300) }), ['prompt', 103, true]);
  assert.deepEqual(await ask({ ...unknown, content: '', end: 'cut' }), ['prompt', 0, true]);
  assert.deepEqual(await ask({ ...unknown, prompt_tokens: 7 }), [7, 3, true]);
  assert.deepEqual(await ask({ ...unknown, completion_tokens: 9 }), ['prompt', 9, true]);
  assert.deepEqual(await ask({ prompt_tokens: 0, completion_tokens: 0 }), [0, 0, false]);
  // What is no number of tokens.
  for (const strange of [-1, 1.5, '12', 1e15, [], {}, true])
    assert.deepEqual(await ask({ ...unknown, prompt_tokens: strange, completion_tokens: strange }), [
      'prompt',
      3,
      true,
    ]);
});

test('reasoning counts as usage, and not as a part of the answer’s text', async () => {
  const one = await member();
  const countOf = async (outcome) => {
    const begun = await beginChat(one, 'One');
    await endChat(begun.turn, { content: 'Twelve bytes', completion_tokens: 905, ...outcome });
    assert.equal((await eventOf(begun.turn)).completion, 905);
    return (await messagesOf(begun.conversation_id))[1].token_count;
  };
  assert.equal(await countOf({ reasoning_tokens: 900 }), 5);
  // A text has a token at least: this completion does not include the reasoning.
  for (const reasoning_tokens of [905, 5000]) assert.equal(await countOf({ reasoning_tokens }), 4);
  assert.equal(await countOf({ reasoning: 'Let me think.' }), 4);
  assert.equal(await countOf({}), 12);
});

test('an end that comes again counts nothing and says the same, and so do ends at once', async () => {
  const one = await member();
  const { turn, conversation_id: conversation } = await beginChat(one, 'One');
  const answers = await Promise.all(Array.from({ length: 10 }, () => endChat(turn)));
  assert.equal(answers.filter(({ is_new: isNew }) => isNew).length, 1);
  for (const { is_new: _, ...rest } of answers)
    assert.deepEqual({ is_new: true, ...rest }, { ...answers[0], is_new: true });
  const late = await endChat(turn, { content: 'Something else', prompt_tokens: 999, end: 'cut' });
  assert.deepEqual([late.is_new, late.prompt_tokens, late.end], [false, 20, 'whole']);
  assert.deepEqual(
    (await messagesOf(conversation)).map(({ content }) => content),
    ['One', 'An answer'],
  );
  assert.deepEqual(Object.values(await metricsOf(one.tenant)), Array(2).fill([20, 5, 25, 1, 0]));
  assert.deepEqual(await codeOf(endChat(randomUUID())), [422, 'RG694']);
  for (const end of ['lost', 'over', null]) assert.deepEqual(await codeOf(endChat(turn, { end })), [422, 'RG694']);
});

test('of ends at once that differ the first one counts, and all say what it was', async () => {
  const one = await member();
  for (let run = 0; run < 5; run += 1) {
    const { turn } = await beginCompletion(one, { messages: [{ role: 'user', content: 'Hello' }] });
    const answers = await Promise.all(Array.from({ length: 8 }, (_, n) => endChat(turn, { completion_tokens: n })));
    const { completion } = await eventOf(turn);
    assert.deepEqual(
      answers.map(({ completion_tokens: said }) => said),
      Array(8).fill(completion),
    );
    assert.equal(answers.filter(({ is_new: isNew }) => isNew).length, 1);
  }
});

test('a turn of which the edge tells no more is ended with what was saved; a later end changes nothing', async () => {
  const one = await member();
  const key = randomUUID();
  const begun = await beginChat(one, 'One', { key });
  await saveChat(begun.turn, 'Half an');
  await forgetTurn(begun.turn, '1 minute');
  assert.equal((await runJob('end_lost_turns')).error, null);
  assert.equal((await turnOf(begun.turn)).ended_at, null);
  await forgetTurn(begun.turn, '2 minutes');
  assert.equal((await runJob('end_lost_turns')).rows > 0, true);
  const [, answer] = await messagesOf(begun.conversation_id);
  assert.deepEqual([answer.content, answer.metadata.end, answer.metadata.is_estimated], ['Half an', 'lost', true]);
  const [prompt, completion] = [Number((await turnOf(begun.turn)).prompt_estimate), 3];
  assert.deepEqual([await reserved(one), await used(one)], [0, prompt + completion]);
  const late = await endChat(begun.turn, { content: 'Half an answer' });
  assert.deepEqual([late.is_new, late.end, late.completion_tokens], [false, 'lost', completion]);
  assert.equal((await messagesOf(begun.conversation_id))[1].content, 'Half an');
  assert.equal(await used(one), prompt + completion);
  assert.equal((await beginChat(one, 'One', { key })).stored.end, 'lost');
});

test('a turn that was lost before the edge told of it is free; one that waited for its first word is not', async () => {
  const one = await member();
  const [crashed, waiting] = [await beginChat(one, 'One'), await beginChat(one, 'Two')];
  await saveChat(waiting.turn, '');
  for (const { turn } of [crashed, waiting]) await forgetTurn(turn);
  assert.equal((await runJob('end_lost_turns')).error, null);
  const prompt = Number((await turnOf(waiting.turn)).prompt_estimate);
  assert.deepEqual([await reserved(one), await used(one)], [0, prompt]);
  assert.equal(await eventOf(crashed.turn), undefined);
  assert.deepEqual(await roles(waiting.conversation_id), ['user']);
});

test('a repeated request gets what was saved of a lost turn, and asks again if nothing was said', async () => {
  const one = await member();
  const [empty, half] = [randomUUID(), randomUUID()];
  const [nothing, some] = [await beginChat(one, 'One', { key: empty }), await beginChat(one, 'Two', { key: half })];
  await saveChat(some.turn, 'Half');
  for (const { turn } of [nothing, some]) await forgetTurn(turn);
  assert.deepEqual(await codeOf(beginChat(one, 'One', { key: empty })), [409, 'RG684']);
  assert.equal((await runJob('end_lost_turns')).error, null);
  const again = await beginChat(one, 'One', { key: empty });
  assert.deepEqual([again.stored, again.conversation_id], [null, nothing.conversation_id]);
  assert.deepEqual(await roles(nothing.conversation_id), ['user']);
  const { stored } = await beginChat(one, 'Two', { key: half });
  assert.deepEqual([stored.content, stored.end, stored.is_estimated], ['Half', 'lost', true]);
});

test('the job leaves a turn whose conversation is in use to its next run', async () => {
  const one = await member();
  const [held, free] = [await beginChat(one, 'One'), await beginChat(one, 'Two')];
  for (const { turn } of [held, free]) await forgetTurn(turn);
  await transaction(async (query) => {
    await query('select from assistant.conversations where id = $1 for update', [held.conversation_id]);
    assert.equal((await runJob('end_lost_turns')).error, null);
  });
  assert.deepEqual([(await turnOf(held.turn)).ending, (await turnOf(free.turn)).ending], [null, 'lost']);
  assert.equal((await runJob('end_lost_turns')).error, null);
  assert.equal((await turnOf(held.turn)).ending, 'lost');
});

test('an answer reaches a conversation that was archived meanwhile', async () => {
  const one = await member();
  const begun = await beginChat(one, 'One');
  await sql('update assistant.conversations set is_archived = true where id = $1', [begun.conversation_id]);
  assert.equal((await endChat(begun.turn)).answer_id, begun.answer_id);
  await beginChat(one, { message: 'Two', conversation_id: begun.conversation_id });
  assert.deepEqual(await roles(begun.conversation_id), ['user', 'assistant', 'user']);
});

test('of a conversation that is deleted meanwhile nothing stays but what was used', async () => {
  const one = await member();
  const key = randomUUID();
  const begun = await beginChat(one, 'One', { key });
  await saveChat(begun.turn, 'A secret');
  await as(signedIn(one), (query) =>
    query('delete from assistant.conversations where id = $1', [begun.conversation_id]),
  );
  assert.equal((await turnOf(begun.turn)).said, null);
  assert.equal(await saveChat(begun.turn, 'A secret of'), true);
  assert.equal((await turnOf(begun.turn)).said, null);
  assert.deepEqual(await codeOf(beginChat(one, 'One', { key })), [404, 'RG686']);
  const ended = await endChat(begun.turn, { content: 'A secret of theirs' });
  assert.deepEqual([ended.answer_id, ended.prompt_tokens], [null, 20]);
  assert.equal(await used(one), 25);
  assert.deepEqual(await sql('select from assistant.messages where id = $1', [begun.answer_id]), []);
  assert.deepEqual(await codeOf(beginChat(one, 'One', { key })), [404, 'RG686']);
});

test('of a member who is erased meanwhile nothing stays but what the tenant has used; of a tenant, nothing', async () => {
  const one = await member();
  const begun = await beginChat(one, 'One');
  await saveChat(begun.turn, 'A secret');
  await as({ role: 'service_role' }, (query) => query('select assistant.erase_user($1)', [one.sub]));
  const { said, user_id: user } = await turnOf(begun.turn);
  assert.deepEqual([said, user], [null, null]);
  assert.equal((await endChat(begun.turn)).answer_id, null);
  assert.equal(await used(one), 25);
  const other = await makeMember(one.tenant);
  const last = await beginChat(other, 'Two');
  await removeTenants([one.tenant]);
  assert.equal(await saveChat(last.turn, 'More'), false);
  assert.deepEqual(await codeOf(endChat(last.turn)), [422, 'RG694']);
});

test('a member who leaves for another tenant gets nothing of the old one by an old key', async () => {
  const one = await member();
  const key = randomUUID();
  const begun = await beginChat(one, 'One', { key });
  await endChat(begun.turn, { content: 'The old tenant’s' });
  await sql('update assistant.users set auth_id = null, is_active = false where id = $1', [one.id]);
  tenants.push(await makeTenant());
  const [{ id }] = await sql(
    `insert into assistant.users (tenant_id, auth_id, email) values ($1, $2, $3) returning id`,
    [tenants.at(-1), one.sub, `${one.sub}@example.org`],
  );
  assert.deepEqual(await codeOf(beginChat({ ...one, id }, 'One', { key })), [404, 'RG686']);
});

test('of 200 questions at once exactly 37 pass where there is room for 37, and the others are not stored', async () => {
  // What a question may need, by one that is asked before.
  const probe = await member();
  const amount = await amountOf((await beginChat(probe, 'Hello')).turn);
  for (let run = 0; run < 3; run += 1) {
    const members = [await member({ tokens: 37 * amount + Math.floor(amount / 2) })];
    const { tenant } = members[0];
    for (let n = 1; n < 20; n += 1) members.push(await makeMember(tenant));
    const results = await Promise.allSettled(
      Array.from({ length: 200 }, async (_, n) =>
        beginChat(n % 20 === 7 ? await makeMember(tenant) : members[n % 20], 'Hello'),
      ),
    );
    const passed = results.filter(({ status }) => status === 'fulfilled').map(({ value }) => value);
    assert.equal(passed.length, 37, `run ${run}`);
    for (const { reason } of results.filter(({ status }) => status === 'rejected')) {
      const { status, code, headers } = await refusal(Promise.reject(reason));
      assert.deepEqual([status, code], [429, 'RG683']);
      assert.match(headers.RateLimit, /^"minute";/);
    }
    const [{ conversations, messages }] = await sql(
      `select count(distinct c.id)::int as conversations, count(m.id)::int as messages
       from assistant.conversations as c left join assistant.messages as m on m.conversation_id = c.id where c.tenant_id = $1`,
      [tenant],
    );
    assert.deepEqual([conversations, messages], [37, 37]);
    await Promise.all(passed.map(({ turn }) => endChat(turn)));
    assert.equal((await runJob('fold_usage')).error, null);
    assert.deepEqual(await budget(tenant), {
      limit: 37 * amount + Math.floor(amount / 2),
      used: 37 * 25,
      reserved: 0,
      left: 37 * amount + Math.floor(amount / 2) - 37 * 25,
    });
  }
});

test('questions, ends, deletions and lost turns at once end without a deadlock, and add up', async () => {
  const members = [await member({ tokens: 10_000_000 })];
  const { tenant } = members[0];
  for (let n = 1; n < 6; n += 1) members.push(await makeMember(tenant));
  const shared = await Promise.all(members.map(async (one) => (await beginChat(one, 'First')).conversation_id));
  const left = Array.from({ length: 240 }, (_, n) => n);
  const worker = async () => {
    for (let n = left.pop(); n !== undefined; n = left.pop()) {
      const one = members[n % members.length];
      const own = n % 3 === 0 ? { conversation_id: shared[n % members.length] } : {};
      const begun = await beginChat(one, { message: `Question ${n}`, ...own });
      const work = [saveChat(begun.turn, 'An')];
      // Some are lost, with or without a word.
      if (n % 5 > 1) work.push(endChat(begun.turn), endChat(begun.turn));
      else work.push((n % 5 ? saveChat(begun.turn, 'An') : work[0]).then(() => forgetTurn(begun.turn)));
      if (n % 3 === 1)
        work.push(
          as(signedIn(one), (query) =>
            query('delete from assistant.conversations where id = $1', [begun.conversation_id]),
          ),
        );
      if (n % 7 === 0) work.push(runJob('end_lost_turns'));
      await Promise.all(work);
    }
  };
  await Promise.all(Array.from({ length: 12 }, worker));
  for (const { id } of await sql('select id from private.chat_turns where tenant_id = $1 and ended_at is null', [
    tenant,
  ]))
    await forgetTurn(id);
  for (let run = 0; run < 3; run += 1) assert.equal((await runJob('end_lost_turns')).error, null);
  assert.equal((await runJob('fold_usage')).error, null);
  const [{ open, counted }] = await sql(
    `select (select count(*)::int from private.chat_turns where tenant_id = $1 and ended_at is null) as open,
       (select sum(prompt_tokens + completion_tokens)::int from private.usage_events where tenant_id = $1) as counted`,
    [tenant],
  );
  const { used: spent, reserved: still } = await budget(tenant);
  assert.deepEqual([open, still, spent], [0, 0, counted]);
  const [{ ends }] = await sql(
    `select array_agg(distinct ending order by ending) as ends from private.chat_turns where tenant_id = $1`,
    [tenant],
  );
  assert.deepEqual(ends, ['lost', 'whole']);
});

test('a chat completion goes to the provider with what changes its answer, and leaves no text here', async () => {
  const one = await member();
  await set(one.tenant, { temperature: 0.5, system_prompt: 'Be brief.' });
  const tools = [{ type: 'function', function: { name: 'add', parameters: {} } }];
  const begun = await beginCompletion(one, {
    model: 'a-model',
    messages: [
      { role: 'developer', content: 'Rules', name: 'office' },
      { role: 'user', content: [{ type: 'text', text: 'Add', cache_control: { type: 'ephemeral' } }], id: 7 },
      // As OpenAI answers, and programs send it again.
      {
        role: 'assistant',
        content: null,
        refusal: null,
        name: null,
        tool_calls: [{ id: 'call_1', type: 'function', function: {} }],
      },
      { role: 'tool', content: '3', tool_call_id: 'call_1' },
      { role: 'assistant', content: 'Three', refusal: null, tool_calls: null },
      { role: 'user', content: 'Why?' },
    ],
    ...{ temperature: 1, top_p: 0.9, stop: ['.'], seed: 4, tools, response_format: { type: 'json_object' } },
    ...{ max_tokens: 80, n: 1, user: 'ada@example.org', metadata: { a: 1 }, store: true, service_tier: 'priority' },
    ...{ stream: true, stream_options: { include_usage: true }, chat_id: 'x', reasoning_effort: null },
  });
  assert.deepEqual(begun.body, {
    model: 'a-model',
    messages: [
      { role: 'system', content: 'Be brief.' },
      { role: 'developer', content: 'Rules', name: 'office' },
      { role: 'user', content: [{ type: 'text', text: 'Add' }] },
      { role: 'assistant', content: null, tool_calls: [{ id: 'call_1', type: 'function', function: {} }] },
      { role: 'tool', content: '3', tool_call_id: 'call_1' },
      { role: 'assistant', content: 'Three' },
      { role: 'user', content: 'Why?' },
    ],
    ...{ temperature: 1, top_p: 0.9, stop: ['.'], seed: 4, tools, response_format: { type: 'json_object' } },
    max_completion_tokens: 80,
  });
  assert.deepEqual(
    [begun.conversation_id, begun.question_id, begun.answer_id, begun.stream, begun.include_usage],
    [null, null, null, true, true],
  );
  await saveChat(begun.turn, 'Forty characters of an answer of theirs.');
  const { said, said_estimate: estimate } = await turnOf(begun.turn);
  assert.deepEqual([said, Number(estimate)], [null, 14]);
  const ended = await endChat(begun.turn, { content: 'Three' });
  assert.deepEqual([ended.answer_id, ended.prompt_tokens, ended.completion_tokens], [null, 20, 5]);
  assert.deepEqual(await sql('select from assistant.conversations where tenant_id = $1', [one.tenant]), []);
  const plain = await beginCompletion(one, {
    messages: [{ role: 'user', content: 'Hello' }],
    model: null,
    stream: null,
  });
  assert.deepEqual([plain.stream, plain.include_usage, plain.body.temperature], [false, false, 0.5]);
  await endChat(plain.turn, { content: '', tool_calls: [{ id: 'c' }], prompt_tokens: null, completion_tokens: null });
  assert.equal((await eventOf(plain.turn)).completion, 5);
});

test('a chat completion that is none is refused with what is wrong', async () => {
  const one = await member();
  const hello = { role: 'user', content: 'Hello' };
  const part = (type, rest) => ({ messages: [{ role: 'user', content: [{ type, ...rest }] }] });
  for (const [request, status, code, details] of [
    [{}, 422, 'RG687', 'messages: an array of 1 to 2,000 messages'],
    [{ messages: [] }, 422, 'RG687', 'messages: an array of 1 to 2,000 messages'],
    [{ messages: 'Hello' }, 422, 'RG687', 'messages: an array of 1 to 2,000 messages'],
    [{ messages: [hello, 'Hello'] }, 422, 'RG687', 'messages[1]: an object with role and content'],
    [
      { messages: [{ content: 'Hello' }] },
      422,
      'RG687',
      'messages[0]: role: system, developer, user, assistant or tool',
    ],
    [{ messages: [{ role: 'user' }] }, 422, 'RG687', 'messages[0]: content: a text'],
    [{ messages: [{ role: 'user', content: {} }] }, 422, 'RG687', 'messages[0]: content: a text'],
    [part('text', { text: 7 }), 422, 'RG687', 'messages[0]: content: a text, or parts of type text'],
    [part('surprise', {}), 422, 'RG687', 'messages[0]: content: a text, or parts of type text'],
    [part('image_url', { image_url: { url: 'x' } }), 422, 'RG689', null],
    [part('input_audio', {}), 422, 'RG689', null],
    [{ messages: [hello], audio: { voice: 'x' } }, 422, 'RG689', null],
    [{ messages: [hello], modalities: ['text', 'audio'] }, 422, 'RG687', 'modalities: text only'],
    [{ messages: [hello], n: 2 }, 422, 'RG687', 'n: one answer for a request'],
    [{ messages: [hello], functions: [] }, 422, 'RG687', 'functions: send tools'],
    ...['web_search', { type: 'web_search' }, { type: 'web_search_preview', function: {} }, {}, null].map((tool) => [
      { messages: [hello], tools: [tool] },
      422,
      'RG687',
      'tools: an array of tools of type function or custom',
    ]),
    [{ messages: [hello], tools: {} }, 422, 'RG687', 'tools: an array of tools of type function or custom'],
    [{ messages: [hello], max_tokens: 0 }, 422, 'RG687', 'max_tokens: a whole number from 1'],
    [{ messages: [hello], stream: 'yes' }, 422, 'RG687', 'stream: true or false'],
    [{ messages: [hello], model: 'gpt-4' }, 404, 'RG688', 'The tenant has a-model'],
  ]) {
    const refused = await refusal(beginCompletion(one, request));
    assert.deepEqual(
      [refused.status, refused.code, refused.details ?? null],
      [status, code, details],
      JSON.stringify(request),
    );
  }
  assert.equal(await reserved(one), 0);
});

test('a person’s turns are in their export, and are forgotten after two days', async () => {
  const one = await member();
  const [old, fresh] = [await beginChat(one, 'One'), await beginChat(one, 'Two')];
  await saveChat(fresh.turn, 'So far');
  const [{ found }] = await sql('select private.assistant_export($1) as found', [JSON.stringify({ users: [one.sub] })]);
  assert.deepEqual(found['private.chat_turns'].map(({ said }) => said).toSorted(), ['So far', null]);
  await sql(`update private.chat_turns set started_at = now() - interval '49 hours' where id = $1`, [old.turn]);
  assert.equal((await runJob('clean_chat_turns')).error, null);
  assert.deepEqual(
    (await sql('select id from private.chat_turns where tenant_id = $1', [one.tenant])).map(({ id }) => id),
    [fresh.turn],
  );
});
