// assistant: members read their tenant and their colleagues; admins change the tenant's settings, never its limits.
import { randomBytes, randomUUID } from 'node:crypto';
import { HOLDERS } from '../../credentials.js';
import { USERS } from '../../personas.js';
import { byOffice, cleanUp, columns, MANAGERS, OFFICE, OWN, own, owner, READERS, tenant } from './tenants.js';

const providerKey = { path: `/v1/admin/tenants/${randomUUID()}/provider-key`, call: HOLDERS };
const CALLERS = { execute: [...USERS, 'service'] };

export default {
  relations: {
    'assistant.tenants': {
      alone: true,
      fixture: (_, people, marker, sql) => tenant(people, marker, sql),
      draft: (_, marker) => ({
        name: marker,
        slug: `s${randomUUID()}`,
        llm_provider: 'openai',
        llm_model: 'gpt-5-mini',
      }),
      change: { name: 'changed' },
      sample: { id: () => randomUUID() },
      owner: null,
      select: READERS,
      insert: OFFICE,
      'insert for another': null,
      update: MANAGERS,
      delete: OFFICE,
      columns: columns(
        [
          { insert: OFFICE, update: MANAGERS },
          ...['name', 'temperature', 'max_tokens', 'system_prompt', 'features', 'branding'],
        ],
        [
          byOffice,
          ...['id', 'slug', 'llm_provider', 'llm_model', 'rate_limit_per_minute', 'daily_token_limit', 'is_active'],
          ...['created_at', 'updated_at'],
        ],
      ),
    },
    'assistant.users': {
      alone: true,
      fixture: (_, people, marker, sql) => owner(people, marker, sql),
      // Functions invite.
      draft: (who, marker, people) => ({
        tenant_id: own(who, people).tenant,
        email: `${marker}@example.org`,
        name: marker,
      }),
      forAnother: (people, marker) => ({
        tenant_id: own(people.owner, people).tenant,
        email: `${marker}@example.org`,
        name: marker,
      }),
      change: { name: 'changed' },
      sample: { id: () => randomUUID(), auth_id: () => randomUUID() },
      owner: 'auth_id',
      'give away': OFFICE,
      select: READERS,
      insert: OFFICE,
      'insert for another': OFFICE,
      update: OWN,
      delete: OFFICE,
      columns: columns(
        [{ insert: OFFICE, update: OWN }, 'name', 'preferences'],
        [
          byOffice,
          ...['id', 'tenant_id', 'auth_id', 'email', 'role', 'is_active', 'last_active_at', 'created_at', 'updated_at'],
        ],
      ),
    },
  },
  functions: {
    'assistant.me()': CALLERS,
    'assistant.my_tenant()': CALLERS,
    'assistant.my_id()': CALLERS,
    'assistant.is_admin()': { execute: USERS },
    'assistant.create_tenant(jsonb)': {
      // No settings: it is called, and creates nothing.
      arguments: () => ({ tenant: {} }),
      execute: OFFICE,
      depends: null,
    },
    'assistant.change_tenant(uuid, jsonb)': {
      arguments: () => ({ tenant: randomUUID(), changes: {} }),
      execute: OFFICE,
      depends: null,
    },
    'assistant.invite_member(uuid, text, text, text)': {
      arguments: (_, rows) => ({
        tenant: rows['assistant.tenants'].id,
        email: 'no address',
        role: 'member',
        name: null,
      }),
      // Members are refused by 403; to everybody else it says that there is no such tenant.
      execute: [...USERS.filter((name) => !['owner', 'member'].includes(name)), 'service'],
      depends: null,
    },
    'assistant.change_member(uuid, text, boolean)': {
      arguments: () => ({ member: randomUUID(), role: 'member', is_active: null }),
      execute: ['viewer', "other tenant's admin", 'service'],
      depends: null,
    },
    'assistant.my_invitations()': { execute: USERS, depends: null },
    'assistant.join_tenant(uuid)': { arguments: () => ({ id: randomUUID() }), execute: USERS, depends: null },
    'assistant.leave_tenant(uuid)': {
      // Nobody's tenant. Who is in none is refused by 403.
      arguments: () => ({ tenant: randomUUID() }),
      execute: USERS.filter((name) => !['stranger', 'admin'].includes(name)),
      depends: null,
    },
    'assistant.set_provider_key(uuid, text, bigint, text, text, text, text)': {
      arguments: (_, rows) => ({
        tenant: rows['assistant.tenants'].id,
        sealed: `v1${[12, 48, 12, 60].map((bytes) => `.${randomBytes(bytes).toString('base64url')}`).join('')}`,
        key_version: 1,
        last_four: 'wxyz',
        prefix: 'sk-',
        hint: null,
        shape_warning: null,
      }),
      execute: [],
      vouched: { execute: [...USERS.filter((name) => !['owner', 'member'].includes(name)), 'service'] },
      depends: 'that the edge has sealed it',
    },
    'assistant.remove_provider_key(uuid)': {
      arguments: (_, rows) => ({ tenant: rows['assistant.tenants'].id }),
      execute: [...USERS.filter((name) => !['owner', 'member'].includes(name)), 'service'],
      depends: null,
    },
    'assistant.erase_user(uuid)': { arguments: () => ({ user_id: randomUUID() }), execute: OFFICE },
  },
  routes: {
    'POST /v1/admin/tenants': { body: () => ({}), call: ['service'] },
    'PATCH /v1/admin/tenants/{id}': { path: `/v1/admin/tenants/${randomUUID()}`, body: () => ({}), call: ['service'] },
    'POST /v1/admin/tenants/{id}/members': {
      path: `/v1/admin/tenants/${randomUUID()}/members`,
      body: (marker) => ({ email: `${marker}@example.org` }),
      call: HOLDERS,
    },
    'PATCH /v1/admin/members/{id}': {
      path: `/v1/admin/members/${randomUUID()}`,
      body: () => ({ role: 'member' }),
      call: HOLDERS,
    },
    'GET /v1/members/invitations': { call: ['user'] },
    'POST /v1/members/invitations/{id}/join': { path: `/v1/members/invitations/${randomUUID()}/join`, call: ['user'] },
    'POST /v1/members/leave': { call: ['user'] },
    'PUT /v1/admin/tenants/{id}/provider-key': { ...providerKey, body: () => ({ api_key: 'A'.repeat(48) }) },
    'DELETE /v1/admin/tenants/{id}/provider-key': providerKey,
  },
  cleanUp,
};
