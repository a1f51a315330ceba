// The examples of the manifest about tenants, members and provider keys get answers that fit their schemas.
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, freshEmail, sql, stack, userToken } from '../../support/stack.js';
import { forget, makeMember, makeTenant } from '../support/world.js';

const tenants = [];
const slugs = [];
after(async () => {
  await forget(...tenants);
  await sql('delete from assistant.tenants where slug = any ($1)', [slugs]);
  await close();
});

const manifest = systems().find(({ name }) => name === 'assistant');
const endpoints = manifest.endpoints.filter(({ path }) => /\/(admin|members)\//.test(path));
const server = { token: stack.service_key };

const company = async () => {
  const tenant = await makeTenant();
  tenants.push(tenant);
  const { auth_id: owner } = await makeMember(tenant.id, 'owner');
  return { id: tenant.id, token: await userToken(owner) };
};
const invited = async () => {
  const { id } = await company();
  const email = freshEmail();
  const [member] = await sql('insert into assistant.users (tenant_id, email) values ($1, $2) returning id', [
    id,
    email,
  ]);
  return { id: member.id, token: await userToken(randomUUID(), { claims: { email, email_verified: true } }) };
};

test('each example gets an answer that fits its schema', () =>
  sendExamples({ ...manifest, endpoints }, ask, {
    // The slugs may be taken by the sample data of somebody's system.
    'POST /v1/admin/tenants': async (example) => {
      const slug = `${example.slug}-${randomUUID()}`;
      slugs.push(slug);
      return { ...server, json: { ...example, slug } };
    },
    'PATCH /v1/admin/tenants/{id}': async () => ({ path: `/v1/admin/tenants/${(await company()).id}`, ...server }),
    'POST /v1/admin/tenants/{id}/members': async () => {
      const { id, token } = await company();
      return { path: `/v1/admin/tenants/${id}/members`, token };
    },
    'PATCH /v1/admin/members/{id}': async () => {
      const { id, token } = await company();
      const member = await makeMember(id);
      return { path: `/v1/admin/members/${member.id}`, token };
    },
    'GET /v1/members/invitations': async () => ({ token: (await invited()).token }),
    'POST /v1/members/invitations/{id}/join': async () => {
      const { id, token } = await invited();
      return { path: `/v1/members/invitations/${id}/join`, token };
    },
    'POST /v1/members/leave': async (example) => {
      const { id } = await company();
      const { auth_id } = await makeMember(id);
      return { token: await userToken(auth_id), json: 'tenant_id' in example ? { tenant_id: id } : example };
    },
    'PUT /v1/admin/tenants/{id}/provider-key': async () => {
      const { id, token } = await company();
      return { path: `/v1/admin/tenants/${id}/provider-key`, token };
    },
    'DELETE /v1/admin/tenants/{id}/provider-key': async () => {
      const { id, token } = await company();
      return { path: `/v1/admin/tenants/${id}/provider-key`, token };
    },
  }));

test('an address of an invitation may be in any script', async () => {
  const { id, token } = await company();
  const json = { email: `${randomUUID()}@bücher.example` };
  const { status, body } = await ask(`/v1/admin/tenants/${id}/members`, { json, token });
  if (status !== 201 || !body.email.endsWith('@xn--bcher-kva.example')) throw new Error(JSON.stringify(body));
});
