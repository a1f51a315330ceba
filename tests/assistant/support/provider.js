// A provider of language models for tests: OpenAI's `POST /chat/completions`, streamed. `ANSWERS` names for each answer the published
// behaviour that it follows. A question that is the name of an answer gets it; one that begins
// with `hold ` gets what the test writes, and one that begins with `broken twice ` is refused two times.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { waitFor } from '../../../dev/process.js';

const OPENAI = 'https://platform.openai.com/docs/api-reference/chat-streaming/streaming';
const STREAM_OPTIONS = 'https://platform.openai.com/docs/api-reference/chat/create (stream_options.include_usage)';
const OPENAI_ERRORS = 'https://platform.openai.com/docs/guides/error-codes';
const OPENROUTER = 'https://openrouter.ai/docs/api-reference/streaming';
const OPENROUTER_ERRORS = 'https://openrouter.ai/docs/api-reference/errors';
const SSE = 'https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream';

/** What most answers say, token by token. */
export const TOKENS = ['Paris', ' is', ' the', ' capital', ' — “la', ' capitale”', ' 😀', '.'];
export const TEXT = TOKENS.join('');
export const USAGE = { prompt_tokens: 21, completion_tokens: 8, total_tokens: 29 };

/** The connection breaks, or nothing more is sent. */
const CUT = Symbol('cut');
const STALL = Symbol('stall');

const DONE = 'data: [DONE]\n\n';
const event = (value) => `data: ${JSON.stringify(value)}\n\n`;
const chunk = ({ model }, choices, more = {}) => ({
  id: 'chatcmpl-B9MHDbslfkBeAs8l4bebGdFOJ6PeG',
  object: 'chat.completion.chunk',
  created: 1_764_201_600,
  model,
  service_tier: 'default',
  system_fingerprint: 'fp_44709d6fcb',
  choices,
  ...more,
});
const choice = (delta, finish_reason = null) => [{ index: 0, delta, logprobs: null, finish_reason }];

/** The chunks of a text as OpenAI sends them: the role first, the reason for the end last. `more` gives further members of each. */
const textChunks = (asked, { tokens = TOKENS, finish = 'stop', more = () => ({}) } = {}) => [
  chunk(asked, choice({ role: 'assistant', content: '', refusal: null }), more('')),
  ...tokens.map((content) => chunk(asked, choice({ content }), more(content))),
  chunk(asked, choice({}, finish), more('')),
];
const text = (asked, options) => textChunks(asked, options).map(event);

/** With `include_usage` every chunk has `usage: null`, and one more comes at the end that has it and no choice. */
const withUsage = (asked, usage = USAGE) => {
  if (!asked.stream_options?.include_usage) return [...text(asked), DONE];
  return [...text(asked, { more: () => ({ usage: null }) }), event(chunk(asked, [], { usage })), DONE];
};

/** A text with usage and without the end `[DONE]`, in pieces of other sizes than events. */
const cutUp = (asked, { separator = '\n', size }) => {
  const bytes = Buffer.from(withUsage(asked).join('').replaceAll('\n', separator));
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) => bytes.subarray(n * size, (n + 1) * size));
};

const json = (status, body, headers = {}) => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  pieces: () => [JSON.stringify(body)],
});
const error = (message, type, code, param = null) => ({ error: { message, type, param, code } });

/** Refuses a request with `stream_options`, and answers one without. */
const withoutOptions = (refusal) => (asked) =>
  asked.stream_options ? refusal : { pieces: () => [...text(asked), DONE] };

const CALL = { id: 'call_DdmO9pD3xa9XTPNJ32zg2hcA', type: 'function' };
const call = (index, fields) => choice({ tool_calls: [{ index, ...fields }] });

/** What becomes of an answer whose provider disconnects after two tokens. */
const DISCONNECTED = {
  source: `${OPENROUTER_ERRORS} (mid-stream errors: status 200, no [DONE])`,
  says: 'Paris is',
  usage: null,
  finish: 'error',
  end: 'error',
};

/**
 * Answers by name. `source`: where the behaviour is published. `pieces`: what is written, each on its own; `status` and `headers` unless it is
 * 200 and server-sent events; `by` gives all of this from the request. What the edge should make of it: `says` (TEXT unless given), `usage`
 * (USAGE unless given; null: not known), `finish` (`stop` unless given), `end` (`whole` unless given), `reasoning`.
 */
export const ANSWERS = {
  'usage last': { source: STREAM_OPTIONS, pieces: withUsage },
  'usage in an ordinary chunk': {
    source:
      'https://docs.mistral.ai/api/#tag/chat (streamed: `usage` in the chunk that has the finish_reason, without being asked for)',
    pieces: (asked) => {
      const chunks = textChunks(asked);
      return [...chunks.slice(0, -1).map(event), event({ ...chunks.at(-1), usage: USAGE }), DONE];
    },
  },
  'usage before the last chunk': {
    source: 'https://github.com/BerriAI/litellm/issues/17136',
    pieces: (asked) => {
      const events = text(asked);
      return [...events.slice(0, -1), event(chunk(asked, [], { usage: USAGE })), events.at(-1), DONE];
    },
  },
  'usage some time after the end of the text': {
    source: 'https://github.com/Mintplex-Labs/anything-llm/issues/5973',
    pieces: (asked) => [
      ...text(asked),
      ': ping\n\n',
      event(chunk(asked, [])),
      event(chunk(asked, [], { usage: USAGE })),
      DONE,
    ],
  },
  'usage in every chunk, growing': {
    source:
      'https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html (stream_options.continuous_usage_stats)',
    pieces: (asked) => {
      let completion_tokens = -1;
      const more = () => {
        completion_tokens = Math.min(completion_tokens + 1, USAGE.completion_tokens);
        return { usage: { prompt_tokens: 21, completion_tokens, total_tokens: 21 + completion_tokens } };
      };
      return [...text(asked, { more }), event(chunk(asked, [], { usage: null })), DONE];
    },
  },
  'usage without choices': {
    source: 'vLLM and servers like it: the chunk with usage has `choices: null`',
    pieces: (asked) => [...text(asked), event(chunk(asked, null, { usage: USAGE })), DONE],
  },
  'usage never': {
    source: `${OPENAI} (an interrupted or older server)`,
    usage: null,
    pieces: (asked) => [...text(asked), DONE],
  },
  'stream_options is 400': {
    source: 'Groq before it knew the option: https://github.com/BerriAI/litellm/issues/5803',
    usage: null,
    calls: 2,
    by: withoutOptions(
      json(400, error("property 'stream_options' is unsupported", 'invalid_request_error', null, 'stream_options')),
    ),
  },
  'stream_options is 422': {
    source: 'https://docs.mistral.ai/api/ (HTTPValidationError)',
    usage: null,
    calls: 2,
    by: withoutOptions(
      json(422, {
        object: 'error',
        message: {
          detail: [{ type: 'extra_forbidden', loc: ['body', 'stream_options'], msg: 'Extra inputs are not permitted' }],
        },
        type: 'invalid_request_error',
        code: null,
      }),
    ),
  },
  'keep-alive comments': {
    source: `${OPENROUTER} (": OPENROUTER PROCESSING")`,
    pieces: (asked) => [
      ': OPENROUTER PROCESSING\n\n',
      ...withUsage(asked).flatMap((each) => [': OPENROUTER PROCESSING\n\n', ':\n', each]),
    ],
  },
  'padding against guesses by length': {
    source: 'https://platform.openai.com/docs/api-reference/chat/create (stream_options.include_obfuscation)',
    pieces: (asked) => [
      ...text(asked, { more: (token) => ({ usage: null, obfuscation: 'k3Jq9xZ0aB'.slice(token.length) }) }),
      event(chunk(asked, [], { usage: USAGE, obfuscation: 'aB' })),
      DONE,
    ],
  },
  'filter results first': {
    source: 'https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming (prompt_filter_results)',
    pieces: (asked) => [
      event({
        ...chunk(asked, []),
        model: '',
        prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }],
      }),
      ...withUsage(asked),
    ],
  },
  'an error in mid-stream': {
    ...DISCONNECTED,
    pieces: (asked) => [
      ...text(asked).slice(0, 3),
      event(
        chunk(asked, choice({ content: '' }, 'error'), {
          error: { code: 502, message: 'Provider disconnected unexpectedly' },
        }),
      ),
    ],
  },
  'an error together with the first tokens': {
    ...DISCONNECTED,
    pieces: (asked) => [
      text(asked).slice(0, 3).join('') + event({ error: { code: 502, message: 'Provider disconnected unexpectedly' } }),
    ],
  },
  'the context is full in mid-stream': {
    source:
      'https://github.com/ggml-org/llama.cpp/blob/master/tools/server/server-context.cpp (send_error, without context shift)',
    says: 'Paris is',
    usage: null,
    finish: 'error',
    end: 'error',
    code: 'context_length_exceeded',
    pieces: (asked) => [
      ...text(asked).slice(0, 3),
      event({ error: { code: 500, message: 'Context size has been exceeded.', type: 'server_error' } }),
    ],
  },
  'an error instead of a chunk': {
    source: `${OPENAI_ERRORS} (streamed: an event with nothing but the error)`,
    says: 'Paris is',
    usage: null,
    finish: 'error',
    end: 'error',
    pieces: (asked) => [
      ...text(asked).slice(0, 3),
      event(error('The server had an error while processing your request. Sorry about that!', 'server_error', null)),
    ],
  },
  'no [DONE]': {
    source: `${OPENROUTER_ERRORS}; SSE ends where the connection ends: ${SSE}`,
    pieces: (asked) => withUsage(asked).slice(0, -1),
  },
  'no empty line at the end': {
    source: `an event that is not closed by an empty line is dropped, but providers end so: ${SSE}`,
    pieces: (asked) =>
      withUsage(asked)
        .slice(0, -1)
        .map((each, n, all) => (n === all.length - 1 ? each.trimEnd() : each)),
  },
  'byte by byte': {
    source: 'TCP: a chunk may end anywhere, in a character too',
    pieces: (asked) => cutUp(asked, { size: 1 }),
  },
  'all in one piece': {
    source: 'TCP: many events may come at once',
    pieces: (asked) => cutUp(asked, { size: 1_000_000 }),
  },
  'carriage returns': { source: SSE, pieces: (asked) => cutUp(asked, { separator: '\r\n', size: 7 }) },
  'data over several lines, other fields': {
    source: SSE,
    pieces: (asked) =>
      withUsage(asked).map((each, n) =>
        each === DONE
          ? `event: end\n${DONE}`
          : `id: ${n}\nretry: 100\nevent: message\n${JSON.stringify(JSON.parse(each.slice(6)), null, 1).replaceAll(/^/gm, 'data:')}\n\n`,
      ),
  },
  'one JSON object': {
    source: 'https://platform.openai.com/docs/api-reference/chat/object (servers that do not know `stream`)',
    by: ({ model }) =>
      json(200, {
        id: 'chatcmpl-1',
        object: 'chat.completion',
        created: 1_764_201_600,
        model,
        choices: [{ index: 0, message: { role: 'assistant', content: TEXT, refusal: null }, finish_reason: 'stop' }],
        usage: USAGE,
      }),
  },
  reasoning_content: {
    source: 'https://api-docs.deepseek.com/guides/reasoning_model',
    reasoning: 'The user asks for a city.',
    pieces: (asked) => [
      event(chunk(asked, choice({ role: 'assistant', content: null, reasoning_content: 'The user' }))),
      event(chunk(asked, choice({ content: null, reasoning_content: ' asks for a city.' }))),
      ...withUsage(asked).slice(1),
    ],
  },
  reasoning: {
    source: 'https://openrouter.ai/docs/use-cases/reasoning-tokens',
    reasoning: 'The user asks for a city.',
    pieces: (asked) => [
      event(
        chunk(asked, choice({ role: 'assistant', content: '', reasoning: 'The user asks', reasoning_details: [] })),
      ),
      event(chunk(asked, choice({ content: '', reasoning: ' for a city.' }))),
      ...withUsage(asked).slice(1),
    ],
  },
  'tool calls': {
    source:
      'https://platform.openai.com/docs/guides/function-calling#streaming (id and name in the first part only; joined by index)',
    says: '',
    finish: 'tool_calls',
    pieces: (asked) => [
      event(chunk(asked, call(0, { ...CALL, function: { name: 'get_weather', arguments: '' } }))),
      event(chunk(asked, call(0, { function: { arguments: '{"city":' } }))),
      event(chunk(asked, call(1, { ...CALL, id: 'call_2', function: { name: 'get_time', arguments: '' } }))),
      event(chunk(asked, call(1, { function: { arguments: '{"zone":"CET"}' } }))),
      event(chunk(asked, call(0, { function: { arguments: '"Paris"}' } }))),
      event(chunk(asked, choice({}, 'tool_calls'))),
      event(chunk(asked, [], { usage: USAGE })),
      DONE,
    ],
  },
  'cut short by max_tokens': {
    source: 'https://platform.openai.com/docs/api-reference/chat/object (finish_reason)',
    says: 'Paris is',
    finish: 'length',
    pieces: (asked) => [
      ...text(asked, { tokens: ['Paris', ' is'], finish: 'length' }),
      event(chunk(asked, [], { usage: USAGE })),
      DONE,
    ],
  },
  filtered: {
    source: 'https://platform.openai.com/docs/api-reference/chat/object (finish_reason)',
    says: 'Paris',
    finish: 'content_filter',
    pieces: (asked) => [
      ...text(asked, { tokens: ['Paris'], finish: 'content_filter' }),
      event(chunk(asked, [], { usage: USAGE })),
      DONE,
    ],
  },
  'nothing said': {
    source: OPENAI,
    says: '',
    pieces: (asked) => [...text(asked, { tokens: [] }), event(chunk(asked, [], { usage: USAGE })), DONE],
  },
  'the connection breaks': {
    source: 'TCP: a reset in the middle of a chunked body',
    says: 'Paris is',
    usage: null,
    finish: 'error',
    end: 'cut',
    pieces: (asked) => [...text(asked).slice(0, 3), CUT],
  },
  'it goes silent': {
    source: 'https://github.com/openai/openai-node/issues/1077 (a stream that stalls)',
    says: 'Paris is',
    usage: null,
    finish: 'error',
    end: 'slow',
    pieces: (asked) => [...text(asked).slice(0, 3), STALL],
  },
};

/** Refusals by name: what the provider answers, and which status and code the edge makes of it. */
export const REFUSALS = {
  'wrong key': {
    source: OPENAI_ERRORS,
    by: (_, key) =>
      json(
        401,
        error(
          `Incorrect API key provided: ${key}. You can find your API key at https://platform.openai.com/account/api-keys.`,
          'invalid_request_error',
          'invalid_api_key',
        ),
      ),
    status: 502,
    code: 'RG412',
  },
  'not allowed': {
    source: OPENAI_ERRORS,
    by: () =>
      json(
        403,
        error(
          'Country, region, or territory not supported',
          'request_forbidden',
          'unsupported_country_region_territory',
        ),
      ),
    status: 502,
    code: 'RG412',
  },
  'no such model': {
    source: OPENAI_ERRORS,
    by: ({ model }) =>
      json(
        404,
        error(
          `The model \`${model}\` does not exist or you do not have access to it.`,
          'invalid_request_error',
          'model_not_found',
        ),
      ),
    status: 502,
    code: 'RG412',
  },
  'too long': {
    source: OPENAI_ERRORS,
    by: () =>
      json(
        400,
        error(
          "This model's maximum context length is 8192 tokens.",
          'invalid_request_error',
          'context_length_exceeded',
          'messages',
        ),
      ),
    status: 422,
    code: 'RG417',
    openai: 'context_length_exceeded',
  },
  'too long, of vLLM': {
    source:
      'https://github.com/vllm-project/vllm/blob/v0.6.0/vllm/entrypoints/openai/serving_engine.py (_validate_input)',
    by: () =>
      json(400, {
        object: 'error',
        message:
          "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens in the messages, Please reduce the length of the messages.",
        type: 'BadRequestError',
        param: null,
        code: 400,
      }),
    status: 422,
    code: 'RG417',
    openai: 'context_length_exceeded',
  },
  'not a field': {
    source: OPENAI_ERRORS,
    by: () => json(400, error("Invalid type for 'tools[0]'", 'invalid_request_error', 'invalid_type', 'tools[0]')),
    status: 422,
    code: 'RG414',
  },
  'too many': {
    source: `${OPENAI_ERRORS} (429, Retry-After)`,
    by: () =>
      json(429, error('Rate limit reached for requests', 'requests', 'rate_limit_exceeded'), { 'retry-after': '17' }),
    status: 429,
    code: 'RG413',
    retryAfter: '17',
  },
  broken: {
    source: OPENAI_ERRORS,
    by: () => json(500, error('The server had an error while processing your request', 'server_error', null)),
    status: 503,
    code: 'RG410',
  },
  'a page of a proxy': {
    source: 'a load balancer in front of a provider: 503 with HTML',
    by: () => ({
      status: 503,
      headers: { 'content-type': 'text/html' },
      pieces: () => ['<html><h1>503 Service Unavailable</h1>'],
    }),
    status: 503,
    code: 'RG410',
  },
  'an error before the text': {
    source: `${OPENROUTER_ERRORS} (status 200, the first event is the error)`,
    by: () => ({
      pieces: () => [event({ error: { code: 429, message: 'Rate limit exceeded: free-models-per-min' } })],
    }),
    status: 429,
    code: 'RG413',
  },
  'a redirect': {
    source:
      'https://www.rfc-editor.org/rfc/rfc9110#name-307-temporary-redirect (never followed: the key would go along)',
    by: () => ({ status: 307, headers: { location: '/v1/elsewhere' }, pieces: () => [] }),
    status: 502,
    code: 'RG412',
  },
  'no head': {
    source: 'a provider that is overloaded accepts the connection and answers nothing',
    by: () => ({ status: 0, pieces: () => [] }),
    status: 504,
    code: 'RG411',
  },
};

const questionIn = ({ messages = [] }) => {
  const content = messages.findLast(({ role }) => role === 'user')?.content;
  return typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('');
};

/**
 * Starts a provider on loopback. `url` is its base; `requests` has what it was sent: {path, headers, body, question, closed}. `held(question)` gives
 * the answer to a question that begins with `hold `, once it has come: the test writes `event`s to it and ends it.
 */
export const startProvider = async () => {
  const provider = { requests: [], usage: USAGE };
  const held = new Map();
  let paused;
  /** From now on nothing is answered until `resume`. */
  provider.pause = () => {
    paused = new Promise((resolve) => {
      provider.resume = resolve;
    });
  };

  const send = async (response, { status = 200, headers, pieces }, asked) => {
    if (status === 0) return;
    response.writeHead(status, headers ?? { 'content-type': 'text/event-stream; charset=utf-8' });
    response.flushHeaders();
    for (const piece of pieces(asked)) {
      if (piece === STALL) return;
      if (piece === CUT) {
        await turn();
        response.destroy();
        return;
      }
      response.write(piece);
      await turn();
    }
    response.end();
  };

  const answer = async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const { url: path, method, headers } = request;
    const body = parts.length > 0 ? JSON.parse(Buffer.concat(parts)) : undefined;
    const record = { path, method, headers, body, question: body && questionIn(body), closed: false };
    provider.requests.push(record);
    response.on('error', () => {});
    response.on('close', () => {
      record.closed = true;
    });
    if (method !== 'POST' || path !== '/v1/chat/completions')
      return send(response, json(404, error(`Invalid URL (${method} ${path})`, 'invalid_request_error', null)), body);
    const { question } = record;
    await paused;
    if (question.startsWith('hold ')) {
      held.set(question, {
        record,
        response,
        /** Sends the head; the first token comes with the first `say`. */
        begin: () => {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          response.flushHeaders();
        },
        say: (content) => response.write(event(chunk(body, choice({ content })))),
        comment: () => response.write(': still there\n\n'),
        finish: () => response.write(event(chunk(body, choice({}, 'stop')))),
        finalUsage: (usage = provider.usage) => {
          response.write(event(chunk(body, [], { usage })));
          response.end(DONE);
        },
        end() {
          this.finish();
          this.finalUsage();
        },
      });
      return undefined;
    }
    const refuses = question.startsWith('broken twice ') && provider.asked(question).length < 3;
    const given = (refuses && REFUSALS.broken) ||
      ANSWERS[question] ||
      REFUSALS[question] || { pieces: (asked) => withUsage(asked, provider.usage) };
    const key = headers.authorization?.replace(/^Bearer /, '');
    return send(response, given.by ? given.by(body, key) : given, body);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((fault) => {
      provider.fault = fault;
      response.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  provider.url = `http://127.0.0.1:${server.address().port}/v1`;
  provider.held = async (question) => {
    await waitFor(`the provider to be asked: ${question}`, () => held.has(question));
    return held.get(question);
  };
  /** The requests with a question. */
  provider.asked = (question) => provider.requests.filter((request) => request.question === question);
  provider.stop = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    if (provider.fault) throw provider.fault;
  };
  return provider;
};
