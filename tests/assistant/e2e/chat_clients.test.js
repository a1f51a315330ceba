// Clients of others, unmodified: the packages `openai` and `ai`, in Node and in Chromium from another origin; LibreChat's and Open WebUI's way
// of asking. With a user's token and with an API token, metered the same. CHAT_CLIENTS is a folder with other versions of the packages.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { build } from 'esbuild';
import { root } from '../../../dev/paths.js';
import { launch } from '../../support/browser.js';
import { assertHealthy } from '../../support/health_assert.js';
import { ask, close, sql, userToken } from '../../support/stack.js';
import { stopAi, stopOpenAi, useAi, useOpenAi } from '../support/chat_clients.js';
import { chat, company, heldQuestion, MODEL, messagesOf, settled, startChat } from '../support/chat_edge.js';
import { TEXT, TOKENS, USAGE } from '../support/provider.js';
import { makeMember } from '../support/world.js';

const folder = process.env.CHAT_CLIENTS ?? root;
const load = createRequire(join(folder, 'package.json'));
const { default: OpenAI } = load('openai');
const ai = load('ai');

let page;
let browser;
let server;
let provider;
let edge;
let stop;

/** The packages and what is done with them, as one script for a page. */
const script = async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import OpenAI from 'openai';
        import * as ai from 'ai';
        import * as uses from ${JSON.stringify(join(import.meta.dirname, '../support/chat_clients.js'))};
        globalThis.uses = uses;
        globalThis.packages = { OpenAI, ...ai };`,
      resolveDir: folder,
    },
    ...{ bundle: true, write: false, format: 'iife', platform: 'browser', target: 'es2023', logLevel: 'error' },
  });
  return outputFiles[0].text;
};

before(async () => {
  const text = await script();
  server = createServer(({ url }, response) => {
    const isScript = url === '/clients.js';
    response.setHeader('content-type', isScript ? 'text/javascript; charset=utf-8' : 'text/html');
    response.end(isScript ? text : '<!doctype html><title>an application</title><script src="/clients.js"></script>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${server.address().port}`;
  ({ provider, edge, stop } = await startChat({ variables: { ALLOWED_ORIGINS: origin } }));
  browser = await launch();
  page = await browser.newPage();
  await page.goto(origin);
});
after(async () => {
  try {
    await assertHealthy(edge);
  } finally {
    await browser?.close();
    server.closeAllConnections();
    server.close();
    await stop();
    await close();
  }
});

const USES = { useOpenAi, stopOpenAi, useAi, stopAi };

const PLACES = {
  Node: (name, options) => USES[name]({ OpenAI, ...ai }, options),
  Chromium: (name, options) =>
    page.evaluate(([use, given]) => globalThis.uses[use](globalThis.packages, given), [name, options]),
};

/** The tokens of a member that open the chat: one of the issuer's, and an API token for nothing else. */
const tokensOf = async (member) => {
  const token = await userToken(member.auth_id);
  const endpoints = ['POST /v1/chat', 'POST /v1/chat/completions', 'GET /v1/models', 'GET /v1/models/{model}'];
  const made = await ask('/v1/tokens', {
    base: edge.url,
    token,
    json: { name: 'a tool', endpoints, access: 'write' },
  });
  assert.equal(made.status, 201, made.text);
  return { 'a user’s token': token, 'an API token': made.body.token };
};

const OPENAI_SEEN = {
  models: [MODEL],
  model: MODEL,
  whole: [TEXT, 'stop', USAGE.total_tokens],
  streamed: { text: TEXT, tokens: TOKENS.length, usage: USAGE.total_tokens },
  tools: [
    ['call_DdmO9pD3xa9XTPNJ32zg2hcA', 'get_weather', '{"city":"Paris"}'],
    ['call_2', 'get_time', '{"zone":"CET"}'],
  ],
  system: 'assistant',
  errors: {
    model: ['NotFoundError', 404, 'model_not_found'],
    image: ['UnprocessableEntityError', 422, 'RG689'],
    provider: ['InternalServerError', 503, 'RG410'],
    busy: ['RateLimitError', 429, 'rate_limit_exceeded'],
    key: ['AuthenticationError', 401, 'invalid_api_key'],
  },
  middle: ['Paris is', 'APIError'],
};

for (const [place, use] of Object.entries(PLACES)) {
  for (const kind of ['a user’s token', 'an API token']) {
    test(`openai in ${place}, with ${kind}`, async () => {
      const { tenant, member } = await company();
      const token = (await tokensOf(member))[kind];
      const seen = await use('useOpenAi', { url: edge.url, token, model: MODEL });
      assert.deepEqual(seen, OPENAI_SEEN);
      const used = await settled(tenant, 5);
      assert.equal(used.length, 5, 'refusals cost nothing');
      for (const each of used) assert.deepEqual([each.source, each.user_id], ['chat', member.id]);
      assert.deepEqual(
        used.map(({ prompt, completion, is_estimated }) => (is_estimated ? 'estimated' : [prompt, completion])),
        [...Array.from({ length: 4 }, () => [USAGE.prompt_tokens, USAGE.completion_tokens]), 'estimated'],
      );
      assert.deepEqual(await sql('select 1 from assistant.conversations where tenant_id = $1', [tenant.id]), []);
    });

    test(`ai in ${place}, with ${kind}`, async () => {
      const { tenant, member } = await company();
      const token = (await tokensOf(member))[kind];
      const { seen, conversation, answers } = await use('useAi', { url: edge.url, token });
      assert.deepEqual(seen, {
        error: undefined,
        status: 'ready',
        roles: ['user', 'assistant', 'user', 'assistant'],
        texts: [TEXT, TEXT],
        usage: USAGE.total_tokens,
        conversations: 1,
        reasoning: ['The user asks for a city.', TEXT],
        middle: [
          'error',
          'Paris is',
          'The provider of the language model cannot be reached: The provider answered 502',
        ],
        refused: ['error', 'RG410'],
      });
      const messages = await messagesOf(conversation);
      assert.deepEqual(
        messages.map(({ content }) => content),
        [
          'What is the capital of France?',
          TEXT,
          'And of Spain?',
          TEXT,
          'reasoning',
          TEXT,
          'an error in mid-stream',
          'Paris is',
        ],
      );
      assert.deepEqual([messages[1].id, messages[3].id], answers, 'the message has the id that is stored');
      const used = await settled(tenant, 4);
      assert.equal(used.length, 4, JSON.stringify(used));
    });
  }

  for (const name of ['stopOpenAi', 'stopAi']) {
    test(`a client that stops in the middle: ${name}, in ${place}`, async () => {
      const { tenant, token } = await company();
      const message = heldQuestion();
      const used = use(name, { url: edge.url, token, model: MODEL, message });
      const held = await provider.held(message);
      held.begin();
      held.say('half');
      assert.equal(await used, 'half');
      held.say(' and half');
      held.end();
      const [one] = await settled(tenant);
      assert.deepEqual([one.prompt, one.completion, one.is_estimated], [21, 8, false]);
    });
  }
}

/** Requests as tools send them, with the place where it can be read. */
const TOOLS = {
  LibreChat: {
    source:
      'https://www.librechat.ai/docs/configuration/librechat_yaml/object_structure/default_params; models.fetch of custom endpoints',
    headers: { 'user-agent': 'LibreChat/1.0', 'http-referer': 'https://librechat.ai', 'x-title': 'LibreChat' },
    body: {
      ...{ model: MODEL, temperature: 1, top_p: 1, presence_penalty: 0, frequency_penalty: 0 },
      ...{ user: '65f1c0ffee', stream: true, stream_options: { include_usage: true } },
      messages: [
        { role: 'system', name: 'Example', content: 'You are helpful.' },
        { role: 'user', content: 'hi how are you' },
      ],
    },
  },
  'Open WebUI': {
    source: 'open-webui/open-webui backend/open_webui/routers/openai.py: generate_chat_completion, send_get_request',
    headers: {
      'user-agent': 'Python/3.11 aiohttp/3.12.15',
      'x-openwebui-user-name': 'Ada%20L',
      'x-openwebui-user-id': '1',
      'x-openwebui-user-email': 'ada@example.org',
      'x-openwebui-user-role': 'user',
      'x-openwebui-chat-id': '2',
    },
    body: {
      ...{ model: MODEL, stream: true, stream_options: { include_usage: true } },
      messages: [
        { role: 'system', content: 'You are helpful.' },
        { role: 'user', content: [{ type: 'text', text: 'hi how are you', cache_control: { type: 'ephemeral' } }] },
      ],
    },
  },
  'Open WebUI, for a title': {
    source: 'open-webui/open-webui backend/open_webui/routers/tasks.py: generate_title',
    headers: { 'user-agent': 'Python/3.11 aiohttp/3.12.15' },
    body: {
      ...{ model: MODEL, stream: false, max_completion_tokens: 1000 },
      messages: [{ role: 'user', content: 'Generate a concise title' }],
      metadata: { task: 'title_generation', chat_id: '2' },
    },
  },
  LangChain: {
    source: 'langchain-ai/langchainjs libs/providers/langchain-openai: ChatOpenAI.invocationParams',
    headers: { 'user-agent': 'langchainjs-openai/1.0.0', 'x-stainless-lang': 'js', 'x-stainless-retry-count': '0' },
    body: {
      ...{ model: MODEL, n: 1, stream: true, stream_options: { include_usage: true }, parallel_tool_calls: true },
      tools: [{ type: 'function', function: { name: 'f', parameters: { type: 'object', properties: {} } } }],
      messages: [
        { role: 'user', content: 'weather?' },
        {
          role: 'assistant',
          content: '',
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'f', arguments: '{}' } }],
        },
        { role: 'tool', content: '{"degrees":7}', tool_call_id: 'call_1', name: 'f' },
      ],
    },
  },
};

for (const [name, { source, headers, body }] of Object.entries(TOOLS)) {
  test(`${name} asks`, async () => {
    const { tenant, member } = await company();
    for (const token of Object.values(await tokensOf(member))) {
      const models = await ask('/v1/models', { base: edge.url, token, headers });
      assert.deepEqual([models.status, models.body?.data[0].id], [200, MODEL], `${source}: ${models.text}`);
      const answer = await chat(edge, token, body, { path: '/v1/chat/completions', headers });
      assert.equal(answer.status, 200, `${source}: ${JSON.stringify(answer.body)}`);
      if (body.stream) assert.deepEqual([answer.text, answer.usage, answer.done], [TEXT, USAGE, true]);
      else assert.deepEqual([answer.body.choices[0].message.content, answer.body.usage], [TEXT, USAGE]);
    }
    const [first, second] = await settled(tenant, 2);
    assert.deepEqual(first, second, 'metered the same');
    const sent = provider.requests.at(-1);
    assert.equal(sent.headers['x-openwebui-user-email'], undefined, 'nothing about the user goes along');
    assert.equal(sent.body.user, undefined);
    assert.equal(sent.body.messages.length, body.messages.length);
  });
}

test('an API token that is for something else, or may only read, opens no chat', async () => {
  const { tenant } = await company();
  const member = await makeMember(tenant.id);
  const token = await userToken(member.auth_id);
  for (const scope of [
    { endpoints: ['GET /v1/models'], access: 'write' },
    { systems: ['assistant'], access: 'read' },
  ]) {
    const made = await ask('/v1/tokens', { base: edge.url, token, json: { name: 'narrow', ...scope } });
    assert.equal(made.status, 201, made.text);
    for (const [path, body] of [
      ['/v1/chat', { message: randomUUID() }],
      ['/v1/chat/completions', { model: MODEL, messages: [{ role: 'user', content: 'x' }] }],
    ]) {
      const answer = await chat(edge, made.body.token, body, { path });
      assert.deepEqual([answer.status, answer.body.code], [403, 'RG219'], path);
    }
  }
});

test('a member who is deactivated is out at the next request, with either token', async () => {
  const { member } = await company();
  const tokens = await tokensOf(member);
  for (const token of Object.values(tokens))
    assert.equal((await chat(edge, token, { message: 'usage last' })).status, 200);
  await sql('update assistant.users set is_active = false where id = $1', [member.id]);
  for (const token of Object.values(tokens)) {
    assert.equal((await chat(edge, token, { message: 'usage last' })).status, 403);
    assert.equal((await ask('/v1/models', { base: edge.url, token })).status, 403);
  }
});
