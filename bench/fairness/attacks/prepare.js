// What the abusive callers have: rows of their own that are slow to filter, long to read and expensive to embed, a project of transcripts with
// a shared conversation, two tenants, a workflow, an agent, and the token of a worker.
import { randomUUID } from 'node:crypto';
import { token as issue, serviceKey } from '../../../dev/issuer.js';
import { SLOW_FOR } from './requests.js';

const PROJECTS = 40;

const node = (name, type, typeVersion, parameters) => ({
  ...{ id: name, name, type: `n8n-nodes-base.${type}`, typeVersion, position: [0, 0], parameters },
});
const WORKFLOW = JSON.stringify({
  ...{ name: 'Slow', settings: { executionOrder: 'v1' } },
  connections: { Hourly: { main: [[{ node: 'Set', type: 'main', index: 0 }]] } },
  nodes: [
    node('Hourly', 'scheduleTrigger', 1.2, { rule: { interval: [{ field: 'hours' }] } }),
    node('Set', 'set', 3.4, {}),
  ],
});

/** A project of transcripts with so many messages, sent as an agent does, and a link of its conversation. */
const transcripts = async (edgeUrl, token) => {
  const session = randomUUID();
  const line = () =>
    JSON.stringify({
      ...{ type: 'user', uuid: randomUUID(), parentUuid: null, sessionId: session, cwd: '/home/me/searched' },
      ...{
        timestamp: new Date().toISOString(),
        message: { role: 'user', content: `why does the build fail ${randomUUID()}` },
      },
    });
  const body = Array.from({ length: 5000 }, line).join('\n');
  const answer = await fetch(`${edgeUrl}/v1/transcripts?file=projects/-home-me-searched/${session}.jsonl`, {
    ...{ method: 'POST', body },
    headers: { 'content-type': 'application/x-ndjson', authorization: `Bearer ${token}` },
  });
  if (!answer.ok) throw new Error(`transcripts: ${answer.status} ${await answer.text()}`);
  const { project_id: project, conversation_id: conversation } = await answer.json();
  const shared = await fetch(`${edgeUrl}/v1/conversations/${conversation}/share`, {
    ...{ method: 'POST', body: '{}' },
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
  });
  if (!shared.ok) throw new Error(`a link: ${shared.status} ${await shared.text()}`);
  return { project, conversation, link: (await shared.json()).path };
};

/**
 * Makes them.
 * @param {{stack: object, edgeUrl: string, guardedUrl: string, sql: Function}} system guardedUrl: of an edge that asks Turnstile about leads
 * @returns {Promise<object>} what attacks are given
 */
export const prepare = async ({ stack, edgeUrl, guardedUrl, sql }) => {
  const { issuer } = stack.issuer;
  const abuser = randomUUID();
  const token = await issue(stack.keys, { issuer, sub: abuser });
  await sql(
    `with p as (
       insert into clixen.projects (user_id, name, description) select $1, 'p' || n, $2 from generate_series(1, $3::int) as n returning id
     ), s as (insert into clixen.mvp_chat_sessions (user_id, project_id) select $1, id from p, generate_series(1, 5) returning id)
     insert into clixen.mvp_chat_messages (user_id, session_id, content) select $1, s.id, repeat('x', 5000) from s, generate_series(1, 5)`,
    [abuser, SLOW_FOR, PROJECTS],
  );
  const [{ auth_id: member }] = await sql(
    `with t as (
       insert into assistant.tenants (name, slug, llm_provider, llm_model, rate_limit_per_minute, daily_token_limit)
       values ('Abused', 'abused', 'openai', 'a-model', 100000, 1000000000) returning id
     )
     insert into assistant.users (tenant_id, auth_id, email) select id, gen_random_uuid(), 'abuser@example.org' from t returning auth_id`,
  );
  const [{ auth_id: endless }] = await sql(
    `with t as (
       insert into assistant.tenants (name, slug, llm_provider, llm_model, rate_limit_per_minute, daily_token_limit)
       values ('Endless', 'endless', 'endless', 'a-model', 100000, 1000000000) returning id
     )
     insert into assistant.users (tenant_id, auth_id, email) select id, gen_random_uuid(), 'endless@example.org' from t returning auth_id`,
  );
  const [{ id: agent }] = await sql(
    `insert into flashfusion.agents (name, type) values ('Greedy', 'tester') returning id`,
  );
  await sql(`insert into flashfusion.users (id, subscription_tier) values ($1, 'enterprise')`, [abuser]);
  await sql(`insert into private.model_prices (provider, model, effective_from, input_micro, output_micro)
    values ('anthropic', 'claude-opus-5', '2020-01-01', 5000000, 25000000)`);
  const [{ id: workflowId }] = await sql(
    `insert into clixen.mvp_workflows (user_id, project_id, name, n8n_workflow_json)
     select $1, id, 'Slow', $2 from clixen.projects where user_id = $1 limit 1 returning id`,
    [abuser, WORKFLOW],
  );
  const made = await fetch(`${edgeUrl}/v1/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await serviceKey(stack.keys, issuer)}` },
    body: JSON.stringify({ name: 'greedy', endpoints: ['POST /v1/workers/claim'], access: 'write' }),
  });
  if (!made.ok) throw new Error(`the token of a worker: ${made.status} ${await made.text()}`);
  return {
    ...{ edgeUrl, guardedUrl, postgrestUrl: stack.postgrestUrl, token, key: stack.keys.publishable_key },
    ...{ agent, workflowId },
    worker: (await made.json()).token,
    member: await issue(stack.keys, { issuer, sub: member }),
    endless: await issue(stack.keys, { issuer, sub: endless }),
    ...(await transcripts(edgeUrl, token)),
  };
};
