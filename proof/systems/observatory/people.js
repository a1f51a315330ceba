// observatory: projects are shared with their members; owners decide who that is.
import { randomUUID } from 'node:crypto';
import { ANYBODY, USERS } from '../../personas.js';
import {
  changed,
  cleanUp,
  conversation,
  edges,
  GIVERS,
  MAKERS,
  mended,
  OWN,
  own,
  READERS,
  readByAll,
  shared,
  written,
} from './projects.js';

const byId = () => ({ id: randomUUID() });
/** Who is told that there is no such project: a stranger is not kept out of the function. */
const NOT_FOUND = USERS.filter((name) => !['owner', 'member'].includes(name));
const link = (conversation_id, project_id, { sub }, marker) => ({
  ...{
    conversation_id,
    project_id,
    created_by: sub,
    title: marker,
    expires_at: new Date(Date.now() + 864e5).toISOString(),
  },
});

export default {
  relations: {
    'observatory.projects': {
      alone: true,
      fixture: shared,
      draft: ({ sub, role }, marker) => ({ name: marker, ...(role === 'service_role' && { owner_id: sub }) }),
      forAnother: ({ owner }, marker) => ({ name: marker, owner_id: owner.sub }),
      sample: { owner_id: ({ sub }) => sub, root_path: () => '/a/root' },
      change: { description: 'changed' },
      states: { 'when it is not active': { is_active: false } },
      owner: 'owner_id',
      'give away': GIVERS,
      select: READERS,
      insert: MAKERS,
      'insert for another': ['service'],
      update: OWN,
      delete: OWN,
      columns: readByAll({
        ...Object.fromEntries(['name', 'root_path', 'description', 'settings'].map((name) => [name, written])),
        ...Object.fromEntries(['metadata', 'is_active'].map((name) => [name, changed])),
        ...Object.fromEntries(
          ['id', 'owner_id', 'last_activity_at', 'created_at', 'updated_at', 'deleted_at'].map((name) => [
            name,
            mended,
          ]),
        ),
      }),
    },
    // Whose sessions go where: each user's own affair, also in a shared project.
    'observatory.project_paths': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const project = await shared(add, people, marker, sql);
        return add('observatory.project_paths', {
          owner_id: people.owner.sub,
          path: `/${marker}`,
          project_id: project.id,
        });
      },
      draft: (who, marker) => ({
        path: `/${marker}`,
        project_id: own(who).project,
        ...(who.role === 'service_role' && { owner_id: who.sub }),
      }),
      forAnother: ({ owner }, marker) => ({ path: `/${marker}`, project_id: own(owner).project, owner_id: owner.sub }),
      sample: { owner_id: ({ sub }) => sub },
      change: { path: '/changed' },
      owner: 'owner_id',
      'give away': GIVERS,
      select: OWN,
      insert: MAKERS,
      'insert for another': ['service'],
      update: OWN,
      delete: OWN,
      columns: readByAll({ path: written, project_id: written, id: mended, owner_id: mended, created_at: mended }),
    },
    'observatory.project_members': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const project = await shared(add, people, marker, sql);
        const query =
          'select to_jsonb(m) as row from observatory.project_members as m where project_id = $1 and user_id = $2';
        return (await sql(query, [project.id, people.member.sub]))[0].row;
      },
      // An invitation makes them.
      draft: (who, marker) => ({
        project_id: own(who).project,
        user_id: crypto.randomUUID(),
        role: 'viewer',
        display_name: marker,
      }),
      forAnother: ({ owner, stranger }, marker) => ({
        project_id: own(owner).project,
        user_id: stranger.sub,
        role: 'viewer',
        display_name: marker,
      }),
      change: { role: 'editor' },
      owner: 'user_id',
      'give away': GIVERS,
      select: READERS,
      insert: ['service'],
      'insert for another': ['service'],
      update: OWN,
      // Everybody may leave.
      delete: READERS,
      columns: readByAll({
        ...Object.fromEntries(['id', 'project_id', 'user_id', 'added_by', 'created_at'].map((name) => [name, mended])),
        role: changed,
        display_name: changed,
      }),
    },
    'observatory.project_invitations': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const project = await shared(add, people, marker, sql);
        return add('observatory.project_invitations', {
          ...{
            project_id: project.id,
            email_key: `${marker}@example.org`,
            role: 'viewer',
            invited_by: people.owner.sub,
          },
        });
      },
      // A function makes them.
      draft: (who, marker) => ({
        ...{ project_id: own(who).project, email_key: `${marker}@example.org`, role: 'viewer', invited_by: who.sub },
      }),
      forAnother: ({ owner }, marker) => ({
        ...{
          project_id: own(owner).project,
          email_key: `${marker}@example.org`,
          role: 'viewer',
          invited_by: owner.sub,
        },
      }),
      change: { role: 'editor' },
      owner: null,
      select: OWN,
      insert: ['service'],
      'insert for another': ['service'],
      update: ['service'],
      delete: OWN,
      columns: Object.fromEntries(
        [
          ...[
            'id',
            'project_id',
            'email_key',
            'user_id',
            'role',
            'invited_by',
            'created_at',
            'expires_at',
            'accepted_at',
          ],
          'declined_at',
        ].map((name) => [name, { read: OWN, ...mended }]),
      ),
    },
    'observatory.share_links': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        const { id, project_id } = await conversation(add, people, marker, sql);
        return add('observatory.share_links', link(id, project_id, people.owner, marker));
      },
      // A function makes them, and their tokens.
      draft: (who, marker) => link(own(who).conversation, own(who).project, who, marker),
      forAnother: ({ owner }, marker) => link(own(owner).conversation, own(owner).project, owner, marker),
      change: { include_later: true },
      states: { 'when it is revoked': { revoked_at: '2026-01-01T00:00:00Z' } },
      owner: 'created_by',
      'give away': ['service'],
      select: READERS,
      insert: ['service'],
      'insert for another': ['service'],
      update: ['service'],
      delete: ['service'],
      columns: Object.fromEntries(
        [
          ...['id', 'project_id', 'conversation_id', 'created_by', 'title', 'hide', 'include_later', 'expires_at'],
          ...['revoked_at', 'created_at'],
        ].map((name) => [name, { read: READERS, ...mended }]),
      ),
    },
  },
  functions: {
    'observatory.visible_projects()': { execute: USERS },
    'observatory.editable_projects()': { execute: USERS },
    'observatory.owned_projects()': { execute: USERS },
    'observatory.hidden_conversations()': { execute: USERS },
    'observatory.unchecked_words()': { execute: USERS },
    'observatory.invite(uuid, text, text, uuid)': {
      arguments: (marker, rows) => ({
        project_id: rows['observatory.projects'].id,
        role: 'viewer',
        email: `${marker}@example.org`,
      }),
      execute: [],
      // Of the owner's project only its owner.
      vouched: { execute: ['owner', ...NOT_FOUND] },
      depends: 'the rate',
    },
    'observatory.my_invitations()': { execute: USERS, depends: null },
    'observatory.accept_invitation(uuid)': { arguments: byId, execute: USERS, depends: null },
    'observatory.decline_invitation(uuid)': { arguments: byId, execute: USERS, depends: null },
    // Of what is there, others would delete or share it: an id that nobody has.
    'observatory.delete_project(uuid)': { arguments: byId, execute: USERS, depends: null },
    'observatory.delete_conversation(uuid)': { arguments: byId, execute: USERS, depends: null },
    'observatory.share(uuid, text, jsonb, boolean, bigint)': { arguments: byId, execute: USERS, depends: null },
    'observatory.revoke_share(uuid)': { arguments: byId, execute: USERS, depends: null },
    'observatory.view_count(observatory.share_links)': { arguments: () => ({ link: null }), execute: USERS },
    'observatory.shared(text, text, text)': {
      arguments: () => ({ token: 'A'.repeat(43) }),
      depends: 'the rate',
      ...edges,
      vouched: { execute: ANYBODY },
    },
    'observatory.verify_audit(uuid)': { arguments: byId, execute: USERS, depends: null },
    'observatory.may_seal_audit_head()': { execute: ['service'], depends: null },
    'observatory.erase_user(uuid)': { arguments: () => ({ user_id: randomUUID() }), execute: ['service'] },
    'edge.audit_head()': edges,
    'edge.audit_head_sealed(uuid, text, bigint)': {
      arguments: () => ({ id: randomUUID(), sealed: 'v1', key_version: 1 }),
      ...edges,
    },
    'observatory.audit_heads(uuid, text, uuid)': { execute: ['service'], depends: null },
  },
  routes: {
    'DELETE /v1/projects/{id}': { path: `/v1/projects/${randomUUID()}`, call: ['user'] },
    'DELETE /v1/conversations/{id}': { path: `/v1/conversations/${randomUUID()}`, call: ['user'] },
    'POST /v1/projects/{id}/invitations': {
      path: `/v1/projects/${randomUUID()}/invitations`,
      body: (marker) => ({ email: `${marker}@example.org`, role: 'viewer' }),
      call: ['user'],
    },
    'GET /v1/invitations': { call: ['user'] },
    'POST /v1/invitations/{id}/accept': { path: `/v1/invitations/${randomUUID()}/accept`, call: ['user'] },
    'POST /v1/invitations/{id}/decline': { path: `/v1/invitations/${randomUUID()}/decline`, call: ['user'] },
    'POST /v1/conversations/{id}/share': {
      path: `/v1/conversations/${randomUUID()}/share`,
      body: () => ({}),
      call: ['user'],
    },
    'DELETE /v1/shares/{id}': { path: `/v1/shares/${randomUUID()}`, call: ['user'] },
    'GET /v1/shared/style.css': { call: 'everybody' },
    'GET /v1/shared/{token}': { path: `/v1/shared/${'A'.repeat(43)}`, call: 'everybody' },
    'GET /v1/projects/{id}/audit': { path: `/v1/projects/${randomUUID()}/audit`, call: ['user'] },
    'POST /v1/admin/audit/verify': { call: ['service'] },
    'POST /v1/jobs/seal_audit_head': { call: ['service'] },
  },
  cleanUp,
};
