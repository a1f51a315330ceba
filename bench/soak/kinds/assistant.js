// assistant: chats with a provider in a process of its own, conversations by the data API, usage.
import { randomUUID } from 'node:crypto';
import { pick, rows, write } from './tools.js';

const MEMBERS = 50;

/** A tenant whose members are some of the users. */
export const prepare = async (sql, { users }) => {
  const some = users.slice(-MEMBERS);
  const made = await sql(
    `with t as (
       insert into assistant.tenants (name, slug, llm_provider, llm_model, rate_limit_per_minute, daily_token_limit)
       values ('Soaked', 'soaked', 'openai', 'a-model', 100000, 1000000000) returning id
     )
     insert into assistant.users (tenant_id, auth_id, email)
     select t.id, u, u || '@example.org' from t, unnest($1::uuid[]) as u returning id, tenant_id as tenant, auth_id as sub`,
    [some.map(({ sub }) => sub)],
  );
  const tokens = Object.fromEntries(some.map(({ sub, token }) => [sub, token]));
  return { members: made.map((member) => ({ ...member, token: tokens[member.sub] })) };
};

export const stored = {
  conversations: 'select id::text from assistant.conversations',
  questions: `select content from assistant.messages where role = 'user'`,
  'usage events': 'select event_id from private.usage_events',
};

export const kinds = ({ assistant: { members }, service }) => {
  /** A whole answer, as it streams. */
  const whole = ({ text }) => text.endsWith('data: [DONE]\n\n');
  return [
    {
      name: 'POST /v1/chat',
      group: 'chat',
      share: 2,
      run: async ({ ask, acknowledge }) => {
        const message = `What is the capital of France? ${randomUUID()}`;
        await ask({ method: 'POST', path: '/v1/chat', token: pick(members).token, json: { message }, whole });
        acknowledge('questions', message);
      },
    },
    {
      name: 'POST /v1/chat/completions',
      group: 'chat',
      share: 1,
      run: ({ ask }) => {
        const json = { model: 'a-model', stream: true, messages: [{ role: 'user', content: randomUUID() }] };
        return ask({ method: 'POST', path: '/v1/chat/completions', token: pick(members).token, json, whole });
      },
    },
    {
      name: 'assistant: conversations',
      group: 'data API: reads',
      share: 4,
      run: ({ ask }) => ask(rows('assistant', 'conversations?order=updated_at.desc&limit=50', pick(members).token)),
    },
    {
      name: 'assistant: a conversation',
      group: 'data API: writes',
      share: 1,
      run: async ({ ask, acknowledge }) => {
        const { body } = await ask(
          write('assistant', 'POST', 'conversations', pick(members).token, { title: 'Soaked' }),
        );
        acknowledge('conversations', body[0].id);
      },
    },
    {
      name: 'POST /v1/usage/events',
      group: 'usage',
      share: 1,
      run: async ({ ask, acknowledge }) => {
        const { tenant, id } = pick(members);
        const one = {
          ...{ event_id: randomUUID(), tenant_id: tenant, user_id: id, at: new Date().toISOString() },
          ...{ provider: 'openai', model: 'a-model', prompt_tokens: 1200, completion_tokens: 300 },
        };
        const { body } = await ask({
          method: 'POST',
          path: '/v1/usage/events',
          token: service,
          json: { events: [one] },
        });
        if (body.accepted === 1) acknowledge('usage events', one.event_id);
      },
    },
    {
      name: 'GET /v1/usage/summary',
      group: 'usage',
      share: 1,
      run: ({ ask }) => ask({ path: '/v1/usage/summary', token: pick(members).token }),
    },
  ];
};
