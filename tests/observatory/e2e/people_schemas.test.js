// The examples of the manifest about projects, invitations, share links and audit chains get answers that fit their schemas.
import { randomUUID } from 'node:crypto';
import { after, test } from 'node:test';
import { systems } from '../../../dev/systems.js';
import { sendExamples } from '../../support/schemas.js';
import { ask, close, sql, stack, userToken } from '../../support/stack.js';
import { conversation, person, project } from '../support/world.js';

after(close);

const manifest = systems().find(({ name }) => name === 'observatory');
const endpoints = manifest.endpoints.filter(({ call, handler }) =>
  /invit|share|delete_|audit/.test(`${call ?? ''} ${handler ?? ''}`),
);

const owner = person();
const token = () => userToken(owner);
const invited = async () => {
  const guest = person();
  const [{ id }] = await sql(
    `insert into observatory.project_invitations (project_id, user_id, role, invited_by) values ($1, $2, 'editor', $3) returning id`,
    [await project(owner), guest, owner],
  );
  return { id, token: await userToken(guest) };
};
const shared = async () => {
  const talk = await conversation(await project(owner), owner, ['a question', 'an answer']);
  const { body } = await ask(`/v1/conversations/${talk}/share`, { json: {}, token: await token() });
  return body;
};

test('each example gets an answer that fits its schema', () =>
  sendExamples({ ...manifest, endpoints }, ask, {
    'DELETE /v1/projects/{id}': async () => ({ path: `/v1/projects/${await project(owner)}`, token: await token() }),
    'DELETE /v1/conversations/{id}': async () => ({
      path: `/v1/conversations/${await conversation(await project(owner), owner)}`,
      token: await token(),
    }),
    'POST /v1/projects/{id}/invitations': async () => ({
      path: `/v1/projects/${await project(owner)}/invitations`,
      token: await token(),
    }),
    'GET /v1/invitations': async () => ({ token: (await invited()).token }),
    'POST /v1/invitations/{id}/accept': async () => {
      const guest = await invited();
      return { path: `/v1/invitations/${guest.id}/accept`, token: guest.token };
    },
    'POST /v1/invitations/{id}/decline': async () => {
      const guest = await invited();
      return { path: `/v1/invitations/${guest.id}/decline`, token: guest.token };
    },
    'POST /v1/conversations/{id}/share': async () => ({
      path: `/v1/conversations/${await conversation(await project(owner), owner)}/share`,
      token: await token(),
    }),
    'DELETE /v1/shares/{id}': async () => ({ path: `/v1/shares/${(await shared()).id}`, token: await token() }),
    'GET /v1/shared/{token}': async () => ({ path: (await shared()).path }),
    'GET /v1/projects/{id}/audit': async () => ({
      path: `/v1/projects/${await project(owner)}/audit`,
      token: await token(),
    }),
    'POST /v1/admin/audit/verify': async () => ({ token: stack.service_key }),
    'POST /v1/jobs/seal_audit_head': async () => ({ token: stack.service_key }),
  }));

test('an address of an invitation may be in any script', async () => {
  const id = await project(owner);
  const { status, body } = await ask(`/v1/projects/${id}/invitations`, {
    json: { email: `${randomUUID()}@bücher.example`, role: 'viewer' },
    token: await token(),
  });
  if (status !== 200) throw new Error(JSON.stringify(body));
});
