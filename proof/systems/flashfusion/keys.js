// flashfusion: keys, deployments and integrations are their owner's alone. What is sealed of them nobody reads.
import { randomBytes, randomUUID } from 'node:crypto';
import { USERS, VOUCHED_USERS } from '../../personas.js';

/** Functions of the schema `edge`: executed by the edge's own token, and at PostgREST only. */
const edges = { execute: [], database: { execute: ['edge'] } };

const OWN = ['owner', 'service'];
const MAKERS = [...USERS, 'service'];
const byUsers = { insert: MAKERS, update: OWN };
const byOffice = { insert: ['service'], update: ['service'] };
/** Functions for workers: they refuse every caller without an API token, also one that the edge vouches for. */
const OPENED = { execute: [], vouched: { execute: [] } };
/** Columns that nobody writes by hand. */
const shown = (...names) => Object.fromEntries(names.map((name) => [name, {}]));
const each = (says, ...names) => Object.fromEntries(names.map((name) => [name, says]));

const keyRow = (user, marker) => ({
  id: randomUUID(),
  user_id: user,
  service_name: 'openai',
  key_alias: marker,
  last_four: 'wxyz',
  fingerprint: randomBytes(32).toString('hex'),
});
const sealed = () => ({
  sealed: `v1${[12, 48, 12, 60].map((bytes) => `.${randomBytes(bytes).toString('base64url')}`).join('')}`,
  key_version: 1,
});
/** What the edge says of a key that it has sealed. */
const ofKey = () => ({
  key_id: randomUUID(),
  ...sealed(),
  fingerprint: randomBytes(32).toString('hex'),
  prefix: 'sk-',
  last_four: 'wxyz',
});

/** Projects of everybody, to draft deployments in: they come and go with a fixture, since the other decisions know of none. */
const projects = new Map();
const withProjects = async (add, people, marker) => {
  for (const { sub } of Object.values(people))
    projects.set(sub, (await add('flashfusion.projects', { user_id: sub, name: `of ${marker}` })).id);
};

export default {
  relations: {
    'flashfusion.user_api_keys': {
      alone: true,
      fixture: (add, { owner }, marker) => add('flashfusion.user_api_keys', keyRow(owner.sub, marker)),
      // Functions make them.
      draft: ({ sub }, marker) => keyRow(sub, marker),
      forAnother: ({ owner }, marker) => keyRow(owner.sub, marker),
      change: { key_alias: 'changed' },
      states: {
        'when pending': { status: 'pending' },
        'when revoked': { status: 'revoked', is_active: false, revoked_at: '2026-01-01T00:00:00Z' },
      },
      owner: 'user_id',
      'give away': [],
      select: OWN,
      insert: [],
      'insert for another': [],
      update: ['owner'],
      delete: OWN,
      columns: {
        ...shown(
          'id',
          'user_id',
          'service_name',
          'created_at',
          'updated_at',
          'last_used_at',
          'usage_count',
          'key_prefix',
        ),
        ...shown('last_four', 'fingerprint', 'status', 'verified_at', 'expires_at', 'rotated_from', 'revoked_at'),
        ...each({ update: ['owner'] }, 'key_alias', 'agents', 'projects'),
        is_active: { update: OWN },
      },
    },
    'flashfusion.deployments': {
      alone: true,
      fixture: async (add, people, marker) => {
        await withProjects(add, people, marker);
        const { sub } = people.owner;
        return add('flashfusion.deployments', {
          user_id: sub,
          project_id: projects.get(sub),
          deployment_target: marker,
          error_message: marker,
          environment_variables: ['A_NAME'],
        });
      },
      draft: ({ sub }, marker) => ({ user_id: sub, project_id: projects.get(sub), deployment_target: marker }),
      forAnother: ({ owner }, marker) => ({
        user_id: owner.sub,
        project_id: projects.get(owner.sub),
        deployment_target: marker,
      }),
      sample: { user_id: ({ sub }) => sub, project_id: ({ sub }) => projects.get(sub) },
      change: { domain: 'changed.example.org' },
      states: { 'when deployed': { status: 'deployed' } },
      owner: 'user_id',
      'give away': [],
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: {
        ...each({ insert: MAKERS }, 'project_id', 'user_id'),
        deployment_target: { insert: MAKERS, update: ['service'] },
        ...each(byUsers, 'domain', 'deployment_config', 'is_production'),
        id: { insert: ['service'] },
        ...each(byOffice, 'deployment_url', 'status', 'build_logs', 'error_message', 'created_at', 'deployed_at'),
        ...shown('environment_variables', 'version'),
      },
    },
    'flashfusion.integrations': {
      alone: true,
      fixture: (add, { owner }, marker) =>
        add('flashfusion.integrations', {
          user_id: owner.sub,
          integration_type: 'github',
          integration_name: marker,
          credentials: ['a_name'],
        }),
      draft: ({ sub, role }, marker) => ({
        integration_type: 'github',
        integration_name: marker,
        ...(role === 'service_role' && { user_id: sub }),
      }),
      forAnother: ({ owner }, marker) => ({
        user_id: owner.sub,
        integration_type: 'github',
        integration_name: marker,
      }),
      sample: { user_id: ({ sub }) => sub },
      change: { integration_name: 'changed' },
      states: { 'when connected': { status: 'connected' } },
      owner: 'user_id',
      'give away': [],
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: {
        user_id: { insert: MAKERS },
        integration_type: { insert: MAKERS, update: ['service'] },
        ...each(byUsers, 'integration_name', 'config', 'sync_frequency', 'metadata'),
        id: { insert: ['service'] },
        updated_at: { update: ['service'] },
        ...each(byOffice, 'status', 'last_sync_at', 'created_at'),
        ...shown('credentials'),
      },
    },
  },
  functions: {
    'edge.key_to_verify(uuid)': { arguments: () => ({ key_id: randomUUID() }), ...edges },
    'edge.key_verified(uuid, boolean)': { arguments: () => ({ key_id: randomUUID(), is_valid: true }), ...edges },
    'flashfusion.add_key(text, text, uuid, text, bigint, text, text, text, text, text, text, text, uuid[], uuid[], boolean)':
      {
        arguments: (marker, fixtures) => ({
          service: 'openai',
          owner_id: fixtures['flashfusion.user_api_keys'].user_id,
          ...ofKey(),
          alias: marker,
        }),
        depends: 'that the edge has sealed it',
        ...VOUCHED_USERS,
      },
    'flashfusion.rotate_key(uuid, text, uuid, text, bigint, text, text, text, text, text, text, boolean)': {
      arguments: (_, fixtures) => ({
        replaces: fixtures['flashfusion.user_api_keys'].id,
        owner_id: fixtures['flashfusion.user_api_keys'].user_id,
        ...ofKey(),
      }),
      depends: 'that the edge has sealed it',
      ...VOUCHED_USERS,
    },
    'flashfusion.confirm_key(uuid)': {
      arguments: (_, fixtures) => ({ id: fixtures['flashfusion.user_api_keys'].id }),
      execute: USERS,
      depends: null,
    },
    'flashfusion.revoke_key(uuid)': {
      arguments: (_, fixtures) => ({ id: fixtures['flashfusion.user_api_keys'].id }),
      execute: USERS,
      depends: null,
    },
    'flashfusion.verify_key(uuid)': {
      arguments: (_, fixtures) => ({ id: fixtures['flashfusion.user_api_keys'].id }),
      execute: USERS,
      depends: null,
    },
    'flashfusion.open_key(uuid, uuid, uuid)': {
      arguments: (_, fixtures) => ({ key_id: fixtures['flashfusion.user_api_keys'].id }),
      depends: 'the worker’s API token',
      ...OPENED,
    },
    'flashfusion.open_environment(uuid)': {
      arguments: (_, fixtures) => ({ deployment_id: fixtures['flashfusion.deployments'].id }),
      depends: 'the worker’s API token',
      ...OPENED,
    },
    'flashfusion.open_credentials(uuid)': {
      arguments: (_, fixtures) => ({ integration_id: fixtures['flashfusion.integrations'].id }),
      depends: 'the worker’s API token',
      ...OPENED,
    },
    'flashfusion.set_environment(uuid, text, text, bigint, text[])': {
      arguments: (_, fixtures) => ({
        deployment_id: fixtures['flashfusion.deployments'].id,
        owner_id: fixtures['flashfusion.deployments'].user_id,
        ...sealed(),
        names: ['A_NAME', 'ANOTHER'],
      }),
      depends: 'that the edge has sealed it',
      ...VOUCHED_USERS,
    },
    'flashfusion.set_credentials(uuid, text, text, bigint, text[])': {
      arguments: (_, fixtures) => ({
        integration_id: fixtures['flashfusion.integrations'].id,
        owner_id: fixtures['flashfusion.integrations'].user_id,
        ...sealed(),
        names: ['a_name', 'another'],
      }),
      depends: 'that the edge has sealed it',
      ...VOUCHED_USERS,
    },
  },
  routes: {
    'POST /v1/keys': { body: () => ({}), call: ['user'] },
    'POST /v1/keys/{id}/rotate': { path: `/v1/keys/${randomUUID()}/rotate`, body: () => ({}), call: ['user'] },
    'POST /v1/keys/{id}/confirm': { path: `/v1/keys/${randomUUID()}/confirm`, call: ['user'] },
    'DELETE /v1/keys/{id}': { path: `/v1/keys/${randomUUID()}`, call: ['user'] },
    'POST /v1/keys/{id}/verify': { path: `/v1/keys/${randomUUID()}/verify`, call: ['user'] },
    // Opened by API tokens only.
    'POST /v1/keys/{id}/use': { path: `/v1/keys/${randomUUID()}/use`, call: [] },
    'POST /v1/deployments/{id}/environment/use': { path: `/v1/deployments/${randomUUID()}/environment/use`, call: [] },
    'POST /v1/integrations/{id}/credentials/use': {
      path: `/v1/integrations/${randomUUID()}/credentials/use`,
      call: [],
    },
    'PUT /v1/deployments/{id}/environment': {
      path: `/v1/deployments/${randomUUID()}/environment`,
      body: () => ({}),
      call: ['user'],
    },
    'PUT /v1/integrations/{id}/credentials': {
      path: `/v1/integrations/${randomUUID()}/credentials`,
      body: () => ({}),
      call: ['user'],
    },
  },
  cleanUp: async (sql, people) => {
    const subs = people.map(({ sub }) => sub);
    for (const table of ['user_api_keys', 'integrations'])
      await sql(`delete from flashfusion.${table} where user_id = any ($1)`, [subs]);
  },
};
