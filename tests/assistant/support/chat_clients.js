// What applications do with the packages `openai` and `ai`, as Node and a page of another origin do it alike: nothing here is Node's or the
// browser's own. Each function gives what there is to see.

const PARIS = 'What is the capital of France?';

/** The class of an error of `openai`, with its status and code. */
const failure = async (promise) => {
  try {
    await promise;
    return undefined;
  } catch (error) {
    // A bundler may rename a class.
    return [error.constructor.name.replace(/^_/, ''), error.status, error.code];
  }
};

/** `openai`: models, an answer, streams, tools, errors, a stop. */
export const useOpenAi = async ({ OpenAI }, { url, token, model }) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: token, dangerouslyAllowBrowser: true, maxRetries: 0 });
  const ask = (content, more) =>
    client.chat.completions.create({ model, messages: [{ role: 'user', content }], ...more });
  const seen = {};
  seen.models = (await client.models.list()).data.map(({ id }) => id);
  seen.model = (await client.models.retrieve(model)).id;
  const whole = await ask(PARIS);
  seen.whole = [whole.choices[0].message.content, whole.choices[0].finish_reason, whole.usage.total_tokens];
  seen.streamed = { text: '', tokens: 0 };
  for await (const { choices, usage } of await ask(PARIS, { stream: true, stream_options: { include_usage: true } })) {
    const content = choices[0]?.delta?.content;
    if (content) {
      seen.streamed.text += content;
      seen.streamed.tokens += 1;
    }
    if (usage) seen.streamed.usage = usage.total_tokens;
  }
  const tools = [
    { type: 'function', function: { name: 'get_weather', parameters: { type: 'object', properties: {} } } },
  ];
  const runner = client.chat.completions.stream({ model, messages: [{ role: 'user', content: 'tool calls' }], tools });
  const { choices } = await runner.finalChatCompletion();
  seen.tools = choices[0].message.tool_calls.map(({ id, function: called }) => [id, called.name, called.arguments]);
  seen.system = (
    await client.chat.completions.create({
      model,
      messages: [
        { role: 'developer', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: PARIS }] },
        { role: 'assistant', content: 'Paris.' },
        { role: 'user', content: 'And of Spain?' },
      ],
      temperature: 0.2,
      max_completion_tokens: 50,
    })
  ).choices[0].message.role;
  seen.errors = {
    model: await failure(ask(PARIS, { model: 'gpt-99' })),
    image: await failure(ask([{ type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } }])),
    provider: await failure(ask('broken')),
    busy: await failure(ask('too many')),
    key: await failure(client.withOptions({ apiKey: 'no.such.token' }).models.list()),
  };
  const broken = await ask('an error in mid-stream', { stream: true });
  let before = '';
  const middle = await failure(
    (async () => {
      for await (const chunk of broken) before += chunk.choices[0]?.delta?.content ?? '';
    })(),
  );
  seen.middle = [before, middle?.[0]];
  return seen;
};

/** Begins an answer with `openai` and stops in the middle: what was read until then. */
export const stopOpenAi = async ({ OpenAI }, { url, token, model, message }) => {
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: token, dangerouslyAllowBrowser: true, maxRetries: 0 });
  const stream = await client.chat.completions.create({
    model,
    stream: true,
    messages: [{ role: 'user', content: message }],
  });
  let text = '';
  for await (const { choices } of stream) {
    text += choices[0]?.delta?.content ?? '';
    if (text.length > 0) stream.controller.abort();
  }
  return text;
};

/** A chat of the AI SDK without a framework: the state that `useChat` keeps in React is an object here. */
const makeChat = ({ AbstractChat, DefaultChatTransport }, { url, token }) => {
  class Chat extends AbstractChat {
    constructor(init) {
      const state = {
        status: 'ready',
        error: undefined,
        messages: [],
        pushMessage: (message) => {
          state.messages = [...state.messages, message];
        },
        popMessage: () => {
          state.messages = state.messages.slice(0, -1);
        },
        replaceMessage: (at, message) => {
          state.messages = state.messages.with(at, message);
        },
        snapshot: (value) => structuredClone(value),
      };
      super({ ...init, state });
    }
  }
  const chat = new Chat({
    transport: new DefaultChatTransport({
      api: `${url}/v1/chat?format=ui`,
      headers: { authorization: `Bearer ${token}` },
      // The server has the conversation: only the question goes along, and which conversation it belongs to.
      prepareSendMessagesRequest: ({ messages, headers }) => ({
        headers,
        body: {
          message: messages
            .at(-1)
            .parts.map(({ text }) => text)
            .join(''),
          conversation_id: messages.findLast(({ metadata }) => metadata)?.metadata.conversation_id,
        },
      }),
    }),
  });
  return chat;
};

const textOf = ({ parts }, type = 'text') =>
  parts
    .filter((part) => part.type === type)
    .map(({ text }) => text)
    .join('');

/** `ai`: two turns of a conversation, reasoning, an answer that breaks off, a refusal. */
export const useAi = async (ai, { url, token }) => {
  const chat = makeChat(ai, { url, token });
  const seen = {};
  await chat.sendMessage({ text: PARIS });
  await chat.sendMessage({ text: 'And of Spain?' });
  seen.error = chat.error?.message;
  seen.status = chat.status;
  seen.roles = chat.messages.map(({ role }) => role);
  seen.texts = chat.messages.filter(({ role }) => role === 'assistant').map((message) => textOf(message));
  seen.usage = chat.lastMessage.metadata?.usage.total_tokens;
  const conversations = chat.messages.flatMap(({ metadata }) => metadata?.conversation_id ?? []);
  seen.conversations = new Set(conversations).size;
  const conversation = conversations[0];
  const answers = chat.messages.filter(({ role }) => role === 'assistant').map(({ id }) => id);
  await chat.sendMessage({ text: 'reasoning' });
  seen.reasoning = [textOf(chat.lastMessage, 'reasoning'), textOf(chat.lastMessage)];
  await chat.sendMessage({ text: 'an error in mid-stream' });
  seen.middle = [chat.status, textOf(chat.lastMessage), chat.error?.message];
  const other = makeChat(ai, { url, token });
  await other.sendMessage({ text: 'broken' });
  seen.refused = [other.status, other.error?.message.match(/RG\d{3}/)?.[0]];
  return { seen, conversation, answers };
};

/** Begins an answer with `ai` and stops in the middle. */
export const stopAi = async (ai, { url, token, message }) => {
  const chat = makeChat(ai, { url, token });
  const sent = chat.sendMessage({ text: message });
  while (textOf(chat.lastMessage ?? { parts: [] }) === '' || chat.lastMessage.role !== 'assistant')
    await new Promise((resolve) => setTimeout(resolve, 20));
  await chat.stop();
  await sent;
  return textOf(chat.lastMessage);
};
