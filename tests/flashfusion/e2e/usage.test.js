// Code generations through the edge: a limit with room for 37 lets exactly 37 of 200 pass, however they come.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { makeUser } from '../support/tasks.js';

let service;
before(async () => {
  await sql(`update private.limit_rules set burst = 100000 where name = 'generations'`);
  [{ id: service }] = await sql(
    `insert into flashfusion.ai_services (name, provider, model_name) values ('Limited', 'usage-e2e', 'one') returning id`,
  );
});
after(async () => {
  await sql(`update private.limit_rules set burst = 300 where name = 'generations'`);
  await sql('delete from flashfusion.code_generations where ai_service_id = $1', [service]);
  await sql('delete from flashfusion.ai_services where id = $1', [service]);
  await close();
});

const headers = { 'content-profile': 'flashfusion' };

test('200 generations over ten connections at a limit of 37: exactly 37 pass, ten times of ten', async () => {
  for (let run = 0; run < 10; run += 1) {
    const sub = await makeUser();
    await sql('update flashfusion.users set api_usage_limit = 37 where id = $1', [sub]);
    const [{ id: project }] = await sql(
      `insert into flashfusion.projects (user_id, name) values ($1, 'Usage') returning id`,
      [sub],
    );
    const token = await userToken(sub);
    const json = { project_id: project, ai_service_id: service, prompt: 'Write a button' };
    const answers = [];
    const connection = async () => {
      for (let n = 0; n < 20; ) {
        const answer = await ask('/rest/v1/rpc/start_generation', { token, json, headers });
        // One caller's share of PostgREST's connections: such a request has not been tried.
        if (['RG407', 'RG518'].includes(answer.body?.code)) continue;
        answers.push(answer);
        n += 1;
      }
    };
    await Promise.all(Array.from({ length: 10 }, connection));
    const passed = answers.filter(({ status }) => status === 200);
    assert.equal(passed.length, 37, `run ${run}`);
    for (const { status, body, headers: sent } of answers.filter((answer) => !passed.includes(answer))) {
      assert.deepEqual([status, body.code], [429, 'RG574']);
      assert.ok(Number(sent.get('retry-after')) > 0);
    }
    const finished = await ask('/rest/v1/rpc/finish_generation', {
      token: stack.service_key,
      json: { id: passed[0].body.id, generated_code: '<button>', input_tokens: 10, output_tokens: 5 },
      headers,
    });
    assert.equal(finished.status, 200, finished.text);
    const summary = await ask('/rest/v1/rpc/usage_summary', { token, json: {}, headers });
    assert.deepEqual([summary.body.calls.used, summary.body.calls.reserved, summary.body.calls.left], [1, 36, 0]);
  }
});

test('users end no generation through the edge', async () => {
  const refused = await ask('/rest/v1/rpc/finish_generation', {
    token: await userToken(),
    json: { id: service },
    headers,
  });
  assert.equal(refused.status, 403, refused.text);
});
