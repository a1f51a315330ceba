// The examples of the manifest about usage get answers that fit their schemas.
import { after, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, stack, userToken } from '../../support/stack.js';
import { addEvents, event, makeMember, makeTenant, removeTenants } from '../support/usage.js';

const manifest = systems().find(({ name }) => name === 'assistant');
const endpoints = manifest.endpoints.filter(({ path }) => path.startsWith('/v1/usage/'));
const tenants = [];
after(async () => {
  await removeTenants(tenants);
  await close();
});
const member = async (role) => {
  tenants.push(await makeTenant());
  return makeMember(tenants.at(-1), role);
};

test('each example gets an answer that fits its schema', () =>
  sendExamples({ ...manifest, endpoints }, ask, {
    'POST /v1/usage/events': async (example) => {
      const one = await member();
      const events = example.events.map((each) => ({ ...each, tenant_id: one.tenant, user_id: one.id }));
      return { token: stack.service_key, json: { ...example, events } };
    },
    'GET /v1/usage/summary': async () => {
      const admin = await member('admin');
      await addEvents([event(admin)]);
      return { token: await userToken(admin.sub), path: '/v1/usage/summary?month=2026-11' };
    },
  }));
