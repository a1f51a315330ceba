// The examples of the manifest about the chat get answers that fit their schemas.
import { after, before, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close } from '../../support/stack.js';
import { company, startChat } from '../support/chat_edge.js';
import { makeConversation } from '../support/world.js';

const manifest = systems().find(({ name }) => name === 'assistant');
const endpoints = manifest.endpoints.filter(({ path }) => /^\/v1\/(chat|models)/.test(path));

let chat;
before(async () => {
  chat = await startChat();
});
after(async () => {
  await chat?.stop();
  await close();
});

test('each example gets an answer that fits its schema', async () => {
  const { member, token } = await company({ llm_model: 'gpt-5-mini' });
  const { id } = await makeConversation(member);
  const base = { base: chat.edge.url, token };
  await sendExamples({ ...manifest, endpoints }, ask, {
    'POST /v1/chat': async (example) => ({
      ...base,
      json: { ...example, ...(example.conversation_id && { conversation_id: id }) },
      headers: { accept: 'application/json' },
    }),
    // The schema is that of an answer that is no stream.
    'POST /v1/chat/completions': async (example) => ({ ...base, json: { ...example, stream: false } }),
    'GET /v1/models': async () => base,
    'GET /v1/models/{model}': async () => ({ ...base, path: '/v1/models/gpt-5-mini' }),
  });
});
