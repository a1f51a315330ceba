// The chat: each published behaviour of a provider, in each format of an answer; errors; retries; what goes along and what is stored.
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { assertHealthy } from '../../support/health_assert.js';
import { ask, close, sql, userToken } from '../../support/stack.js';
import {
  chat,
  chatUi,
  company,
  conversationOf,
  dropOptions,
  eventsOf,
  heldQuestion,
  MODEL,
  makeOptions,
  messagesOf,
  OPTIONS_PATH,
  reserved,
  send,
  settled,
  startChat,
  storedAnswer,
  withOptions,
} from '../support/chat_edge.js';
import { ANSWERS, REFUSALS, TEXT, USAGE } from '../support/provider.js';
import { budget, readList } from '../support/usage.js';
import { makeConversation, makeMember } from '../support/world.js';

let provider;
let edge;
let stop;
before(async () => {
  await makeOptions();
  const closed = 'http://127.0.0.1:9/v1';
  ({ provider, edge, stop } = await startChat({ manifests: withOptions() }));
  provider.closed = closed;
});
after(async () => {
  try {
    await assertHealthy(edge);
  } finally {
    await stop();
    await dropOptions();
    await close();
  }
});

const expected = (name) => ({ says: TEXT, usage: USAGE, finish: 'stop', end: 'whole', calls: 1, ...ANSWERS[name] });
/** A third of a text's bytes, rounded up: what it counts where the provider does not say. */
const estimateOf = (text) => Math.ceil(Buffer.byteLength(text) / 3);
/** Short waits: one of the answers goes silent. */
const asked = (message) => [
  { request: { message }, options: { idle_ms: 1000, head_ms: 1000 } },
  { path: OPTIONS_PATH },
];
const question = () => `What is the capital of France? ${randomUUID()}`;

/** What has been used and what is stored fit what the provider has said. */
const assertSettled = async (tenant, name) => {
  const { says, usage, end, reasoning = '' } = expected(name);
  const [used, ...others] = await settled(tenant);
  assert.deepEqual(others, []);
  assert.deepEqual([used.source, used.is_estimated], ['chat', usage === null]);
  if (usage) assert.deepEqual([used.prompt, used.completion], [usage.prompt_tokens, usage.completion_tokens]);
  else {
    assert.ok(used.prompt > 0, 'a prompt is estimated');
    assert.equal(used.completion, estimateOf(says + reasoning));
  }
  assert.equal(await reserved(tenant), 0);
  const conversation = await conversationOf(tenant);
  const [asked_, answer, ...more] = await messagesOf(conversation.id);
  assert.deepEqual([asked_.role, asked_.content, more], ['user', name, []]);
  if (says === '') assert.equal(answer, undefined);
  else {
    assert.deepEqual([answer.role, answer.content, answer.metadata.end], ['assistant', says, end]);
    const counted = usage && reasoning === '' ? usage.completion_tokens : estimateOf(says);
    assert.equal(answer.token_count, Math.min(counted, Buffer.byteLength(says)));
    assert.ok(answer.latency_ms >= 0);
  }
  return { used, answer, conversation, question: asked_ };
};

for (const [name, { source }] of Object.entries(ANSWERS)) {
  test(`a provider’s answer: ${name}`, async () => {
    const { says, finish, end, calls, reasoning = '', code = '^RG41\\d$' } = expected(name);
    const { tenant, token } = await company();
    const before_ = provider.requests.length;
    const answer = await chat(edge, token, ...asked(name));
    assert.equal(answer.status, 200, `${source}: ${JSON.stringify(answer.body)}`);
    assert.match(answer.headers.get('content-type'), /^text\/event-stream/);
    assert.match(answer.headers.get('cache-control'), /no-store/);
    assert.equal(answer.headers.get('x-accel-buffering'), 'no');
    assert.equal(answer.text, says);
    assert.equal(answer.reasoning, reasoning);
    assert.equal(answer.done, true);
    const stored = await assertSettled(tenant, name);
    if (end === 'whole') {
      assert.deepEqual([answer.finish, answer.error], [finish, undefined]);
      const { prompt, completion } = stored.used;
      const { prompt_tokens, completion_tokens, total_tokens } = answer.usage;
      assert.deepEqual([prompt_tokens, completion_tokens, total_tokens], [prompt, completion, prompt + completion]);
    } else {
      assert.match(answer.error.code, new RegExp(code));
      assert.ok(answer.error.message.length > 10);
    }
    const { conversation_id, question_id, answer_id } = answer.rowgate;
    assert.deepEqual([conversation_id, question_id], [stored.conversation.id, stored.question.id]);
    if (stored.answer) assert.equal(answer_id, stored.answer.id);
    for (const chunk of answer.chunks.filter((each) => !each.error)) {
      assert.deepEqual([chunk.object, chunk.model], ['chat.completion.chunk', MODEL]);
      assert.ok(chunk.id && Number.isInteger(chunk.created) && Array.isArray(chunk.choices), JSON.stringify(chunk));
      assert.equal(chunk.obfuscation, undefined);
    }
    const requests = provider.requests.slice(before_);
    assert.deepEqual(
      requests.map(({ body }) => [body.stream, body.stream_options?.include_usage]),
      calls === 2
        ? [
            [true, true],
            [true, undefined],
          ]
        : [[true, true]],
    );
  });
}

/** The finish reasons of the AI SDK. */
const UI_FINISH = { content_filter: 'content-filter', tool_calls: 'tool-calls' };

for (const name of Object.keys(ANSWERS)) {
  test(`the same as a UI message stream: ${name}`, async () => {
    const { says, finish, end, reasoning = '' } = expected(name);
    const { tenant, token } = await company();
    const [body, { path }] = asked(name);
    const { status, headers, parts, done } = await chatUi(edge, token, body, { path: `${path}?format=ui` });
    assert.equal(status, 200, JSON.stringify(parts));
    for (const [header, value] of Object.entries({
      'content-type': /^text\/event-stream/,
      'x-vercel-ai-ui-message-stream': /^v1$/,
      'x-accel-buffering': /^no$/,
      'cache-control': /no-store|no-cache/,
    }))
      assert.match(headers.get(header) ?? '', value, header);
    assert.equal(done, true);
    const { used, answer, conversation } = await assertSettled(tenant, name);
    const of = (type) => parts.filter((part) => part.type === type);
    const [start] = parts;
    assert.equal(start.type, 'start');
    if (answer) assert.equal(start.messageId, answer.id);
    const joinedOf = (type) =>
      of(type)
        .map(({ delta }) => delta)
        .join('');
    assert.equal(joinedOf('text-delta'), says);
    assert.equal(joinedOf('reasoning-delta'), reasoning);
    // Each part is begun before it goes on, and is ended.
    for (const kind of ['text', 'reasoning']) {
      const own = parts.filter(({ type }) => type.startsWith(`${kind}-`));
      if (own.length === 0) continue;
      assert.deepEqual([own[0].type, own.at(-1).type], [`${kind}-start`, `${kind}-end`]);
      assert.equal(new Set(own.map(({ id }) => id)).size, 1);
    }
    if (end === 'whole') {
      const last = parts.at(-1);
      assert.deepEqual([last.type, last.finishReason], ['finish', UI_FINISH[finish] ?? finish]);
      assert.equal(last.messageMetadata.conversation_id, conversation.id);
      assert.deepEqual(
        [last.messageMetadata.usage.prompt_tokens, last.messageMetadata.usage.completion_tokens],
        [used.prompt, used.completion],
      );
      assert.deepEqual(of('error'), []);
    } else {
      assert.equal(of('error').length, 1);
      assert.match(of('error')[0].errorText, /^The .* language model/);
    }
  });
}

test('a client that accepts JSON only gets one object, for the same price', async () => {
  const { tenant, token } = await company();
  const answer = await chat(
    edge,
    token,
    { message: 'usage last', title: 'France' },
    { headers: { accept: 'application/json' } },
  );
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { conversation, question: own, answer: stored } = await assertSettled(tenant, 'usage last');
  assert.equal(conversation.title, 'France');
  assert.deepEqual(answer.body, {
    conversation_id: conversation.id,
    question_id: own.id,
    answer_id: stored.id,
    content: TEXT,
    finish_reason: 'stop',
    usage: USAGE,
    end: 'whole',
    is_estimated: false,
    model: MODEL,
  });
});

test('each token reaches the client before the provider sends the next one', async () => {
  for (const format of ['', '?format=ui']) {
    const { token } = await company();
    const message = heldQuestion();
    // A token that is held back would be waited for without end.
    const signal = AbortSignal.timeout(20_000);
    const sent = send(edge, token, { message }, { path: `/v1/chat${format}`, signal });
    const held = await provider.held(message);
    held.begin();
    held.say('token 0');
    const response = await sent;
    assert.equal(response.status, 200);
    const events = eventsOf(response);
    const next = async (word) => {
      for (;;) {
        const { value, done } = await events.next();
        assert.equal(done, false);
        if (value.includes(`"${word}"`)) return;
      }
    };
    await next('token 0');
    for (let n = 1; n < 20; n += 1) {
      held.say(`token ${n}`);
      await next(`token ${n}`);
    }
    held.end();
    const rest = [];
    for await (const each of events) rest.push(each);
    assert.equal(rest.at(-1), '[DONE]');
  }
});

test('text that looks like events stays text', async () => {
  const { tenant, token } = await company();
  const message = heldQuestion();
  const sent = chat(edge, token, { message });
  const held = await provider.held(message);
  held.begin();
  const tokens = [
    '\n\ndata: [DONE]\n\n',
    '\r\n: x\r\n',
    'event: error\ndata: {"error":{}}\n\n',
    '\u2028\u0000"\\',
    '</script>',
  ];
  for (const each of tokens) held.say(each);
  held.end();
  const answer = await sent;
  assert.deepEqual([answer.done, answer.error], [true, undefined]);
  // PostgreSQL stores no NUL.
  const said = tokens.join('').replaceAll('\u0000', '');
  for (const each of [answer.text, (await storedAnswer(tenant)).content])
    assert.equal(each.replaceAll(/[\ufffd]/g, ''), said);
});

test('ten turns at once do not mix', async () => {
  const turns = await Promise.all(
    Array.from({ length: 10 }, async (_, n) => {
      const { tenant, token } = await company();
      const message = heldQuestion();
      const sent = chat(edge, token, { message });
      const held = await provider.held(message);
      held.begin();
      return { n, tenant, sent, held };
    }),
  );
  for (let round = 0; round < 5; round += 1) for (const { n, held } of turns) held.say(`${n} `);
  for (const { held } of turns) held.end();
  for (const { n, tenant, sent } of turns) {
    assert.equal((await sent).text, `${n} `.repeat(5));
    assert.equal((await storedAnswer(tenant)).content, `${n} `.repeat(5));
  }
});

const refused = async (tenant, answer, { status, code }) => {
  assert.deepEqual([answer.status, answer.body?.code], [status, code], JSON.stringify(answer.body));
  assert.deepEqual(Object.keys(answer.body).sort(), ['code', 'details', 'hint', 'message']);
  const conversation = await conversationOf(tenant);
  assert.deepEqual(
    (await messagesOf(conversation.id)).map(({ role }) => role),
    ['user'],
  );
  assert.deepEqual([await reserved(tenant), (await budget(tenant.id)).used], [0, 0]);
  assert.deepEqual(await sql('select 1 from private.usage_events where tenant_id = $1', [tenant.id]), []);
};

for (const [name, { source, status, code, retryAfter }] of Object.entries(REFUSALS)) {
  test(`a provider’s refusal is an ordinary error and costs nothing: ${name}`, async () => {
    for (const format of ['', '?format=ui']) {
      const { tenant, token } = await company();
      const key = `sk-proj-${randomBytes(24).toString('hex')}`;
      await giveKey(tenant, key);
      const [body, { path }] = asked(name);
      const answer = await chat(edge, token, body, { path: path + format });
      await refused(tenant, answer, { status, code });
      if (retryAfter) assert.equal(answer.headers.get('retry-after'), retryAfter, source);
      assert.equal(provider.requests.at(-1).headers.authorization, `Bearer ${key}`);
      assert.ok(!JSON.stringify(answer.body).includes(key), 'the key is not in the error');
      assert.ok(!readFileSync(edge.part.logFile, 'utf8').includes(key), 'the key is not in the log');
    }
  });
}

/** Stores a key for a tenant, as its admin does. */
const giveKey = async (tenant, api_key) => {
  const admin = await makeMember(tenant.id, 'admin');
  const answer = await ask(`/v1/admin/tenants/${tenant.id}/provider-key`, {
    base: edge.url,
    method: 'PUT',
    token: await userToken(admin.auth_id),
    json: { api_key },
  });
  assert.equal(answer.status, 200, answer.text);
};

test('the key of the tenant goes to its provider, and none where there is none', async () => {
  const { tenant, token } = await company();
  const message = question();
  await chat(edge, token, { message });
  assert.equal(provider.asked(message)[0].headers.authorization, undefined);
  const key = `sk-proj-${randomBytes(24).toString('hex')}`;
  await giveKey(tenant, key);
  const second = question();
  await chat(edge, token, { message: second });
  const { headers } = provider.asked(second)[0];
  assert.equal(headers.authorization, `Bearer ${key}`);
  // Nothing of the caller's goes along.
  assert.deepEqual(
    Object.keys(headers).filter((name) =>
      /cookie|apikey|x-forwarded|cf-|origin|referer|idempotency|x-request-id/.test(name),
    ),
    [],
  );
  assert.ok(!JSON.stringify(provider.asked(second)[0]).includes(token));
});

test('a provider without an address is 503 and names the variable; one that is not there is 503', async () => {
  const { tenant, token } = await company({ llm_provider: 'mistral' });
  const answer = await chat(edge, token, { message: question() });
  await refused(tenant, answer, { status: 503, code: 'RG410' });
  assert.match(JSON.stringify(answer.body), /LLM_PROVIDER_URLS/);
  const away = await startChat({ variables: { LLM_PROVIDER_URLS: 'openai=http://127.0.0.1:9/v1' } });
  try {
    const other = await company();
    await refused(other.tenant, await chat(away.edge, other.token, { message: question() }), {
      status: 503,
      code: 'RG410',
    });
  } finally {
    await away.edge.stop();
    await away.provider.stop();
  }
});

const keyed = (key, more = {}) => ({ headers: { 'idempotency-key': key, ...more } });

test('the same Idempotency-Key again gives the stored answer, asks nobody and costs nothing', async () => {
  const { tenant, token } = await company();
  const message = question();
  const key = randomUUID();
  const first = await chat(edge, token, { message }, keyed(key));
  assert.equal(first.status, 200);
  const before_ = await settled(tenant);
  for (let n = 0; n < 2; n += 1) {
    const again = await chat(edge, token, { message }, keyed(key));
    assert.deepEqual(
      [again.status, again.text, again.finish, again.usage, again.rowgate, again.done],
      [200, TEXT, 'stop', first.usage, first.rowgate, true],
    );
  }
  const ui = await chatUi(edge, token, { message }, keyed(key));
  assert.equal(
    ui.parts
      .filter(({ type }) => type === 'text-delta')
      .map(({ delta }) => delta)
      .join(''),
    TEXT,
  );
  assert.equal(ui.parts[0].messageId, first.rowgate.answer_id);
  const one = await chat(edge, token, { message }, keyed(key, { accept: 'application/json' }));
  assert.deepEqual([one.body.content, one.body.answer_id], [TEXT, first.rowgate.answer_id]);
  assert.equal(provider.asked(message).length, 1);
  assert.deepEqual(await settled(tenant), before_);
  assert.equal((await messagesOf(first.rowgate.conversation_id)).length, 2);
  const other = await chat(edge, token, { message: `${message}!` }, keyed(key));
  assert.deepEqual([other.status, other.body.code], [422, 'RG503']);
  // Another member's key is another key.
  const colleague = await makeMember(tenant.id);
  await chat(edge, await userToken(colleague.auth_id), { message }, keyed(key));
  assert.equal(provider.asked(message).length, 2);
});

test('ten of one key at once: one asks the provider, the others hear that it runs', async () => {
  const { tenant, token } = await company();
  const message = heldQuestion();
  const key = randomUUID();
  const all = Array.from({ length: 10 }, () => chat(edge, token, { message }, keyed(key)));
  const held = await provider.held(message);
  held.begin();
  held.say('once');
  // A member has three requests in the database at once: while the ten are under way, others may get 429.
  let running;
  for (let tries = 0; tries < 100 && (running?.status ?? 429) === 429; tries += 1) {
    running = await chat(edge, token, { message }, keyed(key));
    await sleep(20);
  }
  assert.equal(running.status, 409);
  assert.ok(Number(running.headers.get('retry-after')) > 0);
  held.end();
  const answers = await Promise.all(all);
  const good = answers.filter(({ status }) => status === 200);
  assert.ok(good.length >= 1);
  for (const { text } of good) assert.equal(text, 'once');
  assert.ok(answers.every(({ status }) => [200, 409, 429].includes(status)));
  assert.equal(provider.asked(message).length, 1);
  assert.equal((await settled(tenant)).length, 1);
  assert.equal((await chat(edge, token, { message }, keyed(key))).text, 'once');
});

test('a turn that a provider has refused may be tried again under its key; the question is stored once', async () => {
  const { tenant, token } = await company();
  const key = randomUUID();
  const message = `broken twice ${randomUUID()}`;
  for (let n = 0; n < 2; n += 1)
    await refused(tenant, await chat(edge, token, { message }, keyed(key)), REFUSALS.broken);
  const third = await chat(edge, token, { message }, keyed(key));
  assert.deepEqual([third.status, third.text], [200, TEXT]);
  const conversation = await conversationOf(tenant);
  assert.deepEqual(
    (await messagesOf(conversation.id)).map(({ content }) => content),
    [message, TEXT],
  );
  assert.equal((await settled(tenant)).length, 1);
  assert.equal(provider.asked(message).length, 3);
});

test('what was said of an answer that broke off is stored, and a retry gives it', async () => {
  const { tenant, token } = await company();
  const key = randomUUID();
  const first = await chat(edge, token, { message: 'the connection breaks' }, keyed(key));
  assert.equal(first.text, 'Paris is');
  await assertSettled(tenant, 'the connection breaks');
  const before_ = provider.asked('the connection breaks').length;
  const again = await chat(edge, token, { message: 'the connection breaks' }, keyed(key));
  assert.deepEqual([again.status, again.text, again.rowgate], [200, 'Paris is', first.rowgate]);
  assert.equal(provider.asked('the connection breaks').length, before_);
});

test('the conversation so far and the system prompt go along; other conversations do not', async () => {
  const { tenant, member, token } = await company({
    system_prompt: 'Answer briefly.',
    temperature: 0.3,
    max_tokens: 77,
  });
  await makeConversation(member, ['Something else', 'An answer elsewhere']);
  const first = question();
  const begun = await chat(edge, token, { message: first });
  const second = question();
  const { conversation_id } = begun.rowgate;
  const next = await chat(edge, token, { message: second, conversation_id });
  assert.equal(next.rowgate.conversation_id, conversation_id);
  const { body } = provider.asked(second)[0];
  assert.deepEqual(body.messages, [
    { role: 'system', content: 'Answer briefly.' },
    { role: 'user', content: first },
    { role: 'assistant', content: TEXT },
    { role: 'user', content: second },
  ]);
  assert.deepEqual([body.model, body.temperature, body.max_completion_tokens], [MODEL, 0.3, 77]);
  assert.equal((await messagesOf(conversation_id)).length, 4);
  const fewer = question();
  await chat(edge, token, { message: fewer, max_tokens: 5, model: MODEL });
  assert.equal(provider.asked(fewer)[0].body.max_completion_tokens, 5);
  assert.equal((await settled(tenant, 3)).length, 3);
});

test('what is not the caller’s or not a turn is refused, and nothing is stored', async () => {
  const { tenant, member, token } = await company({ features: { private_conversations: true } });
  const colleague = await makeMember(tenant.id);
  const elsewhere = await company();
  const foreign = await makeConversation(elsewhere.member);
  const others = await makeConversation(colleague);
  const closed = await makeMember(tenant.id, 'member', { is_active: false });
  const gone = await company({ is_active: false });
  const before_ = provider.requests.length;
  const message = question();
  const notFound = (await chat(edge, token, { message, conversation_id: randomUUID() })).body;
  assert.equal(notFound.code.startsWith('RG'), true);
  for (const [what, body, status, who = token] of [
    ['another tenant’s conversation', { message, conversation_id: foreign.id }, 404],
    ['a colleague’s conversation', { message, conversation_id: others.id }, 404],
    ['no conversation', { message, conversation_id: randomUUID() }, 404],
    ['no uuid', { message, conversation_id: 'x' }, 422],
    ['no message', {}, 422],
    ['an empty message', { message: '' }, 422],
    ['white space', { message: ' \n ' }, 422],
    ['a message that is no text', { message: ['a'] }, 422],
    ['a message that is too long', { message: 'x'.repeat(200_001) }, 422],
    ['another model', { message, model: 'gpt-99' }, 422],
    ['a field that does not exist', { message, mesage: 'x' }, 422],
    ['an attachment', { message, attachments: [{ url: 'https://example.org/a.png' }] }, 422],
    ['no tokens', { message, max_tokens: 0 }, 422],
    ['a list', [message], 400],
    ['a member who is deactivated', { message }, 403, await userToken(closed.auth_id)],
    ['a member of a closed tenant', { message }, 403, gone.token],
    ['nobody’s member', { message }, 403, await userToken()],
    ['no token', { message }, 401, 'x'],
  ]) {
    const answer = await chat(edge, who, body);
    assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer.body)}`);
    if (status === 404) assert.deepEqual(answer.body, notFound, what);
  }
  assert.equal(provider.requests.length, before_);
  assert.deepEqual(await sql('select 1 from assistant.messages where conversation_id = $1', [foreign.id]), []);
  assert.deepEqual(await sql('select 1 from assistant.conversations where user_id = $1', [member.id]), []);
  assert.deepEqual((await budget(tenant.id)).used, 0);
});

test('a tenant without room is 429; an answer has the RateLimit fields, too', async () => {
  const { token } = await company({ rate_limit_per_minute: 1 });
  const passed = await chat(edge, token, { message: question() });
  assert.deepEqual(Object.keys(readList(passed.headers.get('ratelimit'))), ['minute', 'day']);
  assert.equal(readList(passed.headers.get('ratelimit-policy')).minute.q, 1);
  const second = await chat(edge, token, { message: question() });
  assert.deepEqual([second.status, second.body.code], [429, 'RG682']);
  assert.ok(Number(second.headers.get('retry-after')) > 0);
  assert.equal(readList(second.headers.get('ratelimit')).minute.r, 0);
  const poor = await company({ daily_token_limit: 10 });
  const none = await chat(edge, poor.token, { message: question() });
  assert.deepEqual([none.status, none.body.code], [429, 'RG683']);
  assert.deepEqual(await sql('select 1 from assistant.conversations where tenant_id = $1', [poor.tenant.id]), []);
});

const COMPLETIONS = { path: '/v1/chat/completions' };
const user = (content) => ({ model: MODEL, messages: [{ role: 'user', content }] });

for (const [name, { source }] of Object.entries(ANSWERS)) {
  // Its pause cannot be shortened here.
  if (name === 'it goes silent') continue;
  test(`OpenAI’s endpoint, streamed and whole: ${name}`, async () => {
    const { says, usage, finish, end, reasoning = '', code } = expected(name);
    const { tenant, token } = await company();
    const options = { ...user(name), stream: true, stream_options: { include_usage: true } };
    const streamed = await chat(edge, token, options, COMPLETIONS);
    assert.equal(streamed.status, 200, `${source}: ${JSON.stringify(streamed.body)}`);
    assert.deepEqual([streamed.text, streamed.done, streamed.rowgate], [says, true, undefined]);
    const whole = await chat(edge, token, user(name), COMPLETIONS);
    const [first, second] = await settled(tenant, 2);
    assert.deepEqual([first.prompt, first.completion], [second.prompt, second.completion], 'metered the same');
    assert.equal(first.is_estimated, usage === null);
    assert.deepEqual(await sql('select 1 from assistant.conversations where tenant_id = $1', [tenant.id]), []);
    if (end !== 'whole') {
      assert.match(streamed.error.code, new RegExp(code ?? '^RG41\\d$'));
      if (code) assert.deepEqual([whole.status, whole.body.error.code], [422, code]);
      else assert.ok(whole.status >= 500 || whole.status === 429, JSON.stringify(whole));
      assert.equal(typeof whole.body.error.message, 'string');
      return;
    }
    assert.deepEqual([streamed.finish, whole.status, whole.body.object], [finish, 200, 'chat.completion']);
    const [{ message, finish_reason }] = whole.body.choices;
    assert.deepEqual([message.role, message.content ?? '', finish_reason], ['assistant', says, finish]);
    assert.equal(message.reasoning_content ?? message.reasoning ?? '', reasoning);
    const numbers = [first.prompt, first.completion, first.prompt + first.completion];
    for (const { prompt_tokens, completion_tokens, total_tokens } of [streamed.usage, whole.body.usage])
      assert.deepEqual([prompt_tokens, completion_tokens, total_tokens], numbers);
    if (name === 'tool calls') {
      const calls = [
        { id: 'call_DdmO9pD3xa9XTPNJ32zg2hcA', name: 'get_weather', arguments: '{"city":"Paris"}' },
        { id: 'call_2', name: 'get_time', arguments: '{"zone":"CET"}' },
      ];
      assert.deepEqual(streamed.toolCalls, calls);
      assert.deepEqual(
        message.tool_calls.map(({ id, type, function: called }) => ({ id, type, ...called })),
        calls.map((call) => ({ ...call, type: 'function' })),
      );
    }
  });
}

test('without include_usage a stream has no chunk with usage, as OpenAI’s', async () => {
  const { tenant, token } = await company();
  const answer = await chat(edge, token, { ...user(question()), stream: true }, COMPLETIONS);
  assert.deepEqual([answer.text, answer.usage], [TEXT, undefined]);
  assert.ok(answer.chunks.every(({ choices }) => choices.length > 0));
  assert.deepEqual((await settled(tenant))[0].completion, USAGE.completion_tokens);
});

test('OpenAI’s fields go along by name, others do not; the tenant’s system prompt comes first', async () => {
  const { token } = await company({ system_prompt: 'You are Example’s.', temperature: 0.9 });
  const text = question();
  const tools = [{ type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' } } }];
  const passed = {
    ...{ temperature: 0.1, top_p: 0.5, presence_penalty: 0.2, frequency_penalty: 0.3, seed: 7, stop: ['x'], tools },
    ...{ tool_choice: 'auto', response_format: { type: 'json_object' } },
  };
  const messages = [
    { role: 'developer', content: 'Be kind.' },
    { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
    {
      role: 'assistant',
      content: null,
      tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }],
    },
    { role: 'tool', tool_call_id: 'call_1', content: '42' },
    { role: 'user', content: text },
  ];
  const answer = await chat(
    edge,
    token,
    { model: MODEL, messages, ...passed, max_completion_tokens: 9, n: 1, user: 'a', metadata: { a: 'b' }, store: true },
    COMPLETIONS,
  );
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { body } = provider.asked(text)[0];
  for (const [name, value] of Object.entries(passed)) assert.deepEqual(body[name], value, name);
  assert.equal(body.max_completion_tokens, 9);
  assert.deepEqual(body.messages[0], { role: 'system', content: 'You are Example’s.' });
  assert.equal(body.messages.length, messages.length + 1);
  assert.deepEqual(body.messages.at(-2).tool_call_id, 'call_1');
  for (const name of ['user', 'metadata', 'store']) assert.equal(body[name], undefined, name);
});

test('what OpenAI’s endpoint refuses, it refuses in OpenAI’s shape', async () => {
  const { tenant, token } = await company();
  const before_ = provider.requests.length;
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
  for (const [what, body, status, code] of [
    ['another model', { ...user('x'), model: 'gpt-99' }, 404, 'model_not_found'],
    ['an image', user([{ type: 'text', text: 'see' }, image]), 422, 'RG689'],
    ['no messages', { model: MODEL }, 422],
    ['an empty list', { model: MODEL, messages: [] }, 422],
    ['a role that does not exist', { model: MODEL, messages: [{ role: 'admin', content: 'x' }] }, 422],
    ['two answers', { ...user('x'), n: 2 }, 422],
  ]) {
    const answer = await chat(edge, token, body, COMPLETIONS);
    assert.equal(answer.status, status, `${what}: ${JSON.stringify(answer.body)}`);
    const { message, type, code: own } = answer.body.error;
    assert.ok(typeof message === 'string' && message.length > 10, what);
    assert.equal(type, 'invalid_request_error', what);
    if (code) assert.equal(own, code, what);
  }
  assert.equal(provider.requests.length, before_);
  assert.equal((await budget(tenant.id)).used, 0);
  const unknown = await chat(edge, 'x', user('x'), COMPLETIONS);
  const { code: ofKey, error: badKey } = unknown.body;
  assert.deepEqual(
    [unknown.status, badKey.type, badKey.code, ofKey],
    [401, 'authentication_error', 'invalid_api_key', 'RG202'],
  );
  const poor = await company({ daily_token_limit: 1 });
  const none = await chat(edge, poor.token, user('x'), COMPLETIONS);
  const { code: ofQuota, error: spent } = none.body;
  assert.deepEqual(
    [none.status, spent.type, spent.code, ofQuota],
    [429, 'insufficient_quota', 'insufficient_quota', 'RG683'],
  );
  const busy = await company({ rate_limit_per_minute: 1 });
  const asked = [];
  for (let n = 0; n < 2; n += 1) asked.push(await chat(edge, busy.token, user(question()), COMPLETIONS));
  const { code: ofRate, error: limited } = asked[1].body;
  assert.deepEqual(
    [asked[0].status, asked[1].status, limited.type, limited.code, ofRate],
    [200, 429, 'rate_limit_error', 'rate_limit_exceeded', 'RG682'],
  );
});

test('the fields of a schema keep their order on the way to the provider, which answers in it', async () => {
  const { token } = await company();
  const text = question();
  const properties = { zulu: { type: 'string' }, alpha_and_more: { type: 'number' }, b: { type: 'string' } };
  const schema = { type: 'object', properties, required: Object.keys(properties), additionalProperties: false };
  const tools = [{ type: 'function', function: { parameters: schema, name: 'f', strict: true } }];
  const response_format = { type: 'json_schema', json_schema: { strict: true, schema, name: 'an_answer' } };
  const answer = await chat(edge, token, { ...user(text), tools, response_format }, COMPLETIONS);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  const { body } = provider.asked(text)[0];
  assert.equal(JSON.stringify(body.tools), JSON.stringify(tools));
  assert.equal(JSON.stringify(body.response_format), JSON.stringify(response_format));
});

for (const [name, { status, retryAfter, openai }] of Object.entries(REFUSALS)) {
  if (name === 'no head') continue;
  test(`a provider’s refusal in OpenAI’s shape: ${name}`, async () => {
    const { tenant, token } = await company();
    for (const stream of [false, true]) {
      const answer = await chat(edge, token, { ...user(name), stream }, COMPLETIONS);
      assert.equal(answer.status, status, JSON.stringify(answer.body));
      assert.equal(typeof answer.body.error.message, 'string');
      if (openai) assert.equal(answer.body.error.code, openai);
      if (retryAfter) assert.equal(answer.headers.get('retry-after'), retryAfter);
    }
    assert.deepEqual([await reserved(tenant), (await budget(tenant.id)).used], [0, 0]);
  });
}

test('the list of models has the tenant’s', async () => {
  const { token } = await company();
  const list = await ask('/v1/models', { base: edge.url, token });
  assert.equal(list.status, 200, list.text);
  const { object, data } = list.body;
  assert.deepEqual([object, data.length, data[0].id, data[0].object], ['list', 1, MODEL, 'model']);
  assert.ok(Number.isInteger(data[0].created) && typeof data[0].owned_by === 'string');
  const one = await ask(`/v1/models/${MODEL}`, { base: edge.url, token });
  assert.deepEqual([one.status, one.body], [200, data[0]]);
  const other = await ask('/v1/models/gpt-99', { base: edge.url, token });
  assert.deepEqual([other.status, other.body.code, other.body.error.code], [404, 'RG688', 'model_not_found']);
  const slashed = await company({ llm_model: 'a-company/a-model' });
  const found = await ask('/v1/models/a-company%2Fa-model', { base: edge.url, token: slashed.token });
  assert.deepEqual([found.status, found.body.id], [200, 'a-company/a-model']);
  assert.equal((await ask('/v1/models', { base: edge.url, token: await userToken() })).status, 403);
  assert.equal((await ask('/v1/models', { base: edge.url })).status, 401);
});

test('no key, question or answer is in the log', () => {
  const log = readFileSync(edge.part.logFile, 'utf8');
  for (const word of ['capital of France', 'Paris', 'sk-proj-', 'Answer briefly']) assert.ok(!log.includes(word), word);
});
