// The examples of the endpoints of tasks, workers and the catalogue get answers that fit their schemas.
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { claim, clear, enqueue, makeAgent, makeUser } from '../support/tasks.js';

const flashfusion = systems().find(({ name }) => name === 'flashfusion');
const mine = /^\/v1\/(services|agents|tasks|workers)\b/;

after(async () => {
  await sql(`delete from flashfusion.agent_tasks where task_type = 'review'`);
  await clear();
  await close();
});

/** A leased task, named in the example's place. */
const leased = async (example) => {
  const agent = await makeAgent();
  await enqueue(await makeUser(), agent);
  const [{ id, lease_token }] = await claim(agent);
  return { token: stack.service_key, json: { ...example, id, lease_token } };
};
const queued = async () => {
  const [sub, agent] = [await makeUser(), await makeAgent()];
  const { id } = await enqueue(sub, agent);
  return { token: await userToken(sub), path: `/v1/tasks/${id}/cancel` };
};

test('each example gets an answer that fits its schema', () =>
  sendExamples({ ...flashfusion, endpoints: flashfusion.endpoints.filter(({ path }) => mine.test(path)) }, ask, {
    'POST /v1/tasks': async (example) => ({
      token: await userToken(),
      json: { ...example, agent_id: await makeAgent() },
    }),
    'POST /v1/tasks/{id}/cancel': queued,
    'POST /v1/workers/claim': () => ({ token: stack.service_key }),
    'POST /v1/workers/heartbeat': leased,
    'POST /v1/workers/complete': leased,
    'POST /v1/workers/complete-batch': async (example) => {
      const { token, json } = await leased(example.tasks[0]);
      return { token, json: { tasks: [json] } };
    },
    'POST /v1/workers/fail': leased,
    'POST /v1/workers/snooze': leased,
    'POST /v1/workers/pause': async (example) => ({
      token: stack.service_key,
      json: { ...example, agent_id: await makeAgent(), user_id: randomUUID() },
    }),
  }));
