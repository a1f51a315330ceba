// What the tests of the chat share: an edge in front of a stand-in of a provider, tenants with members, and answers read as they come.
import { randomUUID } from 'node:crypto';
import { waitFor } from '../../../dev/process.js';
import { bundleText, systems } from '../../../dev/systems.js';
import { startEdge } from '../../support/edge.js';
import { drop, make } from '../../support/fixtures.js';
import { sql, userToken } from '../../support/stack.js';
import { messagesOf } from './chat.js';
import { startProvider } from './provider.js';
import { budget, runJob } from './usage.js';
import { forget, makeMember, makeTenant } from './world.js';

export { messagesOf };

export const MODEL = 'a-model';

const tenants = [];

/** A tenant with a member who has an account: {tenant, member, token}. `fields` are those of the tenant. */
export const company = async (fields = {}) => {
  const tenant = await makeTenant({
    llm_model: MODEL,
    rate_limit_per_minute: 100_000,
    daily_token_limit: 10_000_000,
    ...fields,
  });
  tenants.push(tenant);
  const member = await makeMember(tenant.id);
  return { tenant, member, token: await userToken(member.auth_id) };
};

/** A provider, and an edge that knows it as `openai`. `options` are those of startEdge, by name. `stop()` ends both. */
export const startChat = async ({ variables = {}, around, manifests, modules } = {}) => {
  const provider = await startProvider();
  const more = {
    LLM_PROVIDER_URLS: `openai=${provider.url}`,
    LIMITS: JSON.stringify({ caller_connections: 0 }),
    ...variables,
  };
  const edge = await startEdge(more, [], around, manifests, modules);
  return {
    provider,
    edge,
    stop: async () => {
      await edge.stop();
      await provider.stop();
      await forget(...tenants.splice(0));
    },
  };
};

/** The events of a body of server-sent events, as they come: each the text of its `data`. Comments are left out. */
export async function* eventsOf(response) {
  let text = '';
  const decoder = new TextDecoder();
  for await (const piece of response.body) {
    text += decoder.decode(piece, { stream: true });
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const lines = text.slice(0, end).split('\n');
      text = text.slice(end + 2);
      const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5).replace(/^ /, ''));
      if (data.length > 0) yield data.join('\n');
    }
  }
  if (text.trim() !== '') throw new Error(`the answer ends in the middle of an event: ${text}`);
}

/** Sends a turn, and gives the answer whose body is to be read. */
export const send = (edge, token, body, { path = '/v1/chat', headers = {}, signal } = {}) =>
  fetch(edge.url + path, {
    method: 'POST',
    signal,
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

/** The chunks of OpenAI's stream put together: {chunks, text, reasoning, toolCalls, finish, usage, rowgate, error, done}. */
export const joined = (events) => {
  const all = { chunks: [], text: '', reasoning: '', toolCalls: [], finish: null, usage: undefined, done: false };
  for (const data of events) {
    if (all.done) throw new Error(`after [DONE] came ${data}`);
    if (data === '[DONE]') {
      all.done = true;
      continue;
    }
    const chunk = JSON.parse(data);
    all.chunks.push(chunk);
    if (chunk.error) all.error = chunk.error;
    if (chunk.usage) all.usage = chunk.usage;
    for (const { delta = {}, finish_reason: finish } of chunk.choices ?? []) {
      all.text += delta.content ?? '';
      all.reasoning += delta.reasoning_content ?? delta.reasoning ?? '';
      for (const { index, id, function: part } of delta.tool_calls ?? []) {
        all.toolCalls[index] ??= { id, name: part.name, arguments: '' };
        all.toolCalls[index].arguments += part.arguments ?? '';
      }
      if (finish) all.finish = finish;
    }
    if (chunk.rowgate) all.rowgate = { ...all.rowgate, ...chunk.rowgate };
  }
  return all;
};

const whole = async (response) => {
  const events = [];
  for await (const each of eventsOf(response)) events.push(each);
  return events;
};

/** A turn to its end, as OpenAI's chunks: status, headers, and what `joined` gives; of a refusal the `body`. */
export const chat = async (edge, token, body, options = {}) => {
  const response = await send(edge, token, body, {
    ...options,
    headers: { accept: 'text/event-stream', ...options.headers },
  });
  const { status, headers } = response;
  const isStream = headers.get('content-type')?.startsWith('text/event-stream');
  return {
    status,
    headers,
    ...(isStream ? joined(await whole(response)) : { body: JSON.parse((await response.text()) || 'null') }),
  };
};

/** A turn to its end, as the AI SDK's UI message stream: status, headers, the parts, and whether `[DONE]` has come. */
export const chatUi = async (edge, token, body, options = {}) => {
  const response = await send(edge, token, body, { path: '/v1/chat?format=ui', ...options });
  const events = await whole(response);
  const done = events.at(-1) === '[DONE]';
  return {
    status: response.status,
    headers: response.headers,
    parts: events.slice(0, done ? -1 : undefined).map((data) => JSON.parse(data)),
    done,
  };
};

/** What a tenant has used, by event, once no turn of it is open: [{prompt, completion, is_estimated, source, model}]. */
export const settled = async (tenant, count = 1) => {
  let rows = [];
  await waitFor(
    `${count} turns to be settled`,
    async () => {
      rows = await sql(
        `select prompt_tokens::int as prompt, completion_tokens::int as completion, is_estimated, source, model, user_id
         from private.usage_events where tenant_id = $1 order by at, event_id`,
        [tenant.id],
      );
      return rows.length >= count;
    },
    { seconds: 20 },
  );
  return rows;
};

/** Tokens that turns of a tenant have reserved and that are neither used nor free. */
export const reserved = async (tenant) => {
  // What has ended counts as reserved until it is folded.
  await runJob('fold_usage');
  return (await budget(tenant.id)).reserved;
};

/** The only conversation of a tenant's. */
export const conversationOf = async (tenant) => {
  const rows = await sql('select id, title, user_id from assistant.conversations where tenant_id = $1', [tenant.id]);
  if (rows.length !== 1) throw new Error(`the tenant has ${rows.length} conversations`);
  return rows[0];
};

/** The answer that a tenant's only conversation has, once it is stored. */
export const storedAnswer = async (tenant) => {
  let found;
  await waitFor(
    'the answer to be stored',
    async () => {
      const { id } = await conversationOf(tenant);
      found = (await messagesOf(id)).find(({ role }) => role === 'assistant');
      return found !== undefined;
    },
    { seconds: 20 },
  );
  return found;
};

/** A question that the provider holds until the test answers it. */
export const heldQuestion = () => `hold ${randomUUID()}`;

const WRAPPED = `
  create function assistant.test_chat(request jsonb, options jsonb) returns jsonb language sql volatile set search_path = ''
    as 'select assistant.begin_chat(request) || options';
  revoke execute on function assistant.test_chat(jsonb, jsonb) from public;
  grant execute on function assistant.test_chat(jsonb, jsonb) to edge`;

/** The path of an endpoint like `/v1/chat` whose body is {request, options}: what the work with the provider is to do differently. */
export const OPTIONS_PATH = '/v1/test/chat';

/** Manifests with that endpoint, whose function `makeOptions` makes. */
export const withOptions = () =>
  bundleText(
    systems().map((system) => {
      if (system.name !== 'assistant') return system;
      const endpoint = {
        ...{ method: 'POST', path: OPTIONS_PATH, access: 'user', identity: 'vouched' },
        ...{ call: 'assistant.test_chat', stream: 'chat' },
        arguments: { request: { field: 'request', type: 'any' }, options: { field: 'options', type: 'any' } },
      };
      return { ...system, endpoints: [...system.endpoints, endpoint] };
    }),
  );
export const makeOptions = () => make(WRAPPED, '/rpc/test_chat?request=%7B%7D&options=%7B%7D', 'assistant');
export const dropOptions = () => drop('drop function assistant.test_chat(jsonb, jsonb)');
