// Asks the assistant, in a browser or in Node 20: no library.

/** An error that the edge has answered, by its code: docs/errors.md. `retryAfter`: seconds, if trying again can help. */
export class ChatError extends Error {
  constructor({ code, message, details, hint }, retryAfter) {
    super([message, details, hint].filter(Boolean).join('. '));
    this.code = code;
    this.retryAfter = retryAfter && Number(retryAfter);
  }
}

/** The data of server-sent events, as they come. */
async function* eventsOf(body) {
  let text = '';
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split('\n\n');
    text = events.pop();
    for (const event of events) if (event.startsWith('data: ')) yield event.slice('data: '.length);
  }
}

/**
 * Asks a question and gives the answer in parts: `{text}` with what is said next, and at the end `{conversation, usage}`.
 * @param {{url: string, token: string, message: string, conversation?: string, key?: string, signal?: AbortSignal}} question `conversation`: the one
 * to go on with; without it a new one begins. `key`: sent again with the same one, the question is not asked or paid for twice.
 */
export async function* ask({ url, token, message, conversation, key = crypto.randomUUID(), signal }) {
  const response = await fetch(`${url}/v1/chat`, {
    method: 'POST',
    signal,
    headers: {
      accept: 'text/event-stream',
      authorization: `Bearer ${token}`,
      'content-type': 'application/json',
      'idempotency-key': key,
    },
    body: JSON.stringify({ message, conversation_id: conversation }),
  });
  if (!response.ok) throw new ChatError(await response.json(), response.headers.get('retry-after'));
  const end = {};
  for await (const data of eventsOf(response.body)) {
    if (data === '[DONE]') {
      yield end;
      return;
    }
    const { choices, usage, rowgate, error } = JSON.parse(data);
    if (error) throw new ChatError(error);
    if (rowgate) end.conversation = rowgate.conversation_id;
    if (usage) end.usage = usage;
    const text = choices[0]?.delta?.content;
    if (text) yield { text };
  }
  throw new Error('The connection broke off. Ask again with the same key: the answer is stored.');
}
