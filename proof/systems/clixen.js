// clixen: what a user makes is that user's alone.
import { randomInt, randomUUID } from 'node:crypto';
import { HOLDERS } from '../credentials.js';
import { USERS, VOUCHED_USERS } from '../personas.js';

/** Functions of the schema `edge`: executed by the edge's own token, and at PostgREST only. */
const edges = { execute: [], database: { execute: ['edge'] } };
// A random id: for a deployment that exists, these functions show it to the edge, as they should.
const byId = () => ({ deployment_id: randomUUID() });

const OWN = ['owner', 'service'];
const MAKERS = [...USERS, 'service'];
const written = { insert: MAKERS, update: OWN };
// service_role mends what users may not touch.
const mended = { insert: ['service'], update: ['service'] };

/** Projects, sessions and workflows of everybody, to draft in. They stay until the end. */
const projects = new Map();
const sessions = new Map();
const workflows = new Map();
const everybodys = new WeakMap();
const make = async (people, sql) => {
  const one = async (text, values) => (await sql(`${text} returning id`, values))[0].id;
  for (const { sub } of Object.values(people)) {
    const project = await one(`insert into clixen.projects (user_id, name) values ($1, 'for drafts')`, [sub]);
    projects.set(sub, project);
    sessions.set(
      sub,
      await one('insert into clixen.mvp_chat_sessions (user_id, project_id) values ($1, $2)', [sub, project]),
    );
    workflows.set(
      sub,
      await one(`insert into clixen.mvp_workflows (user_id, project_id, name) values ($1, $2, 'for drafts')`, [
        sub,
        project,
      ]),
    );
  }
};
const withProjects = (people, sql) => {
  if (!everybodys.has(people)) everybodys.set(people, make(people, sql));
  return everybodys.get(people);
};

/** What only functions say of a workflow. */
const served = () => ({
  description: 'a workflow',
  n8n_workflow_id: `n8n${randomUUID()}`,
  original_prompt: 'a prompt',
  status: 'deployed',
  version: 3,
  deployment_status: 'deployed',
  deployment_url: 'https://n8n.example.org/webhook/1',
  deployment_error: 'an error',
  last_deployed_at: '2026-01-01T00:00:00Z',
  execution_count: 7,
  last_execution_at: '2026-01-01T00:00:00Z',
  avg_execution_time_ms: 70,
});

const id = () => randomUUID();
// The stranger has some already, and gives them to the stranger.
const GIVERS = ['stranger', 'service'];
// Everybody has one of these here, and reads its columns.
const readByAll = (columns) =>
  Object.fromEntries(Object.entries(columns).map(([name, says]) => [name, { read: MAKERS, ...says }]));
/** Of a view nobody may write. */
const shown = (names) => Object.fromEntries(names.map((name) => [name, {}]));

export default {
  relations: {
    'clixen.user_profiles': {
      alone: true,
      fixture: async (add, { owner }, marker, sql) => {
        // A user has one: a call may have made it already.
        await sql('delete from clixen.user_profiles where id = $1', [owner.sub]);
        const row = { id: owner.sub, email: `${marker}@example.org`, full_name: marker };
        return add('clixen.user_profiles', row);
      },
      // Nobody but service_role makes one by hand: a function does.
      draft: ({ sub, role }, marker) => ({ id: role === 'service_role' ? randomUUID() : sub, full_name: marker }),
      states: { 'in another tier': { tier: 'enterprise' }, 'when onboarded': { onboarding_completed: true } },
      // The key is the user.
      owner: 'id',
      'give away': ['service'],
      change: { full_name: 'changed' },
      select: OWN,
      forAnother: (_, marker) => ({ id: randomUUID(), full_name: marker }),
      insert: ['service'],
      'insert for another': ['service'],
      update: OWN,
      delete: ['service'],
      columns: {
        id: mended,
        email: mended,
        full_name: { insert: ['service'], update: OWN },
        avatar_url: { insert: ['service'], update: OWN },
        tier: mended,
        preferences: { insert: ['service'], update: OWN },
        onboarding_completed: { insert: ['service'], update: OWN },
        first_workflow_created_at: mended,
        first_deployment_at: mended,
        total_workflows_created: mended,
        total_deployments: mended,
        total_projects: mended,
        created_at: mended,
        updated_at: mended,
      },
    },
    'clixen.projects': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        await withProjects(people, sql);
        return add('clixen.projects', { user_id: people.owner.sub, name: marker, description: marker });
      },
      draft: ({ sub, role }, marker) => ({ name: marker, ...(role === 'service_role' && { user_id: sub }) }),
      forAnother: ({ owner }, marker) => ({ name: marker, user_id: owner.sub }),
      sample: { user_id: ({ sub }) => sub },
      change: { name: 'changed' },
      states: { 'in another color': { color: '#000000', description: null }, 'with workflows': { workflow_count: 5 } },
      owner: 'user_id',
      'give away': GIVERS,
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: readByAll({
        id: mended,
        user_id: { insert: MAKERS, update: ['service'] },
        name: written,
        description: written,
        color: written,
        workflow_count: mended,
        last_activity_at: mended,
        created_at: mended,
        updated_at: mended,
      }),
    },
    'clixen.mvp_workflows': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        await withProjects(people, sql);
        const { sub } = people.owner;
        return add('clixen.mvp_workflows', {
          user_id: sub,
          project_id: (await add('clixen.projects', { user_id: sub, name: `of ${marker}` })).id,
          name: marker,
          n8n_workflow_json: { name: marker },
          ...served(),
        });
      },
      draft: ({ sub }, marker) => ({ name: marker, project_id: projects.get(sub), user_id: sub }),
      forAnother: ({ owner }, marker) => ({ name: marker, project_id: projects.get(owner.sub), user_id: owner.sub }),
      sample: {
        user_id: ({ sub }) => sub,
        project_id: ({ sub }) => projects.get(sub),
        n8n_workflow_id: () => `n8n${randomInt(1e9)}`,
        // The others are said by functions only.
        status: () => 'validated',
      },
      change: { name: 'changed' },
      states: { 'as a draft': { status: 'draft' }, 'when archived': { status: 'archived' } },
      owner: 'user_id',
      'give away': GIVERS,
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: readByAll({
        id: mended,
        user_id: { insert: MAKERS, update: ['service'] },
        project_id: written,
        name: written,
        description: written,
        n8n_workflow_id: mended,
        n8n_workflow_json: written,
        original_prompt: written,
        status: written,
        version: mended,
        deployment_status: mended,
        deployment_url: mended,
        deployment_error: mended,
        last_deployed_at: mended,
        execution_count: mended,
        last_execution_at: mended,
        avg_execution_time_ms: mended,
        created_at: mended,
        updated_at: mended,
      }),
    },
    'clixen.mvp_chat_sessions': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        await withProjects(people, sql);
        const mine = { user_id: people.owner.sub };
        const project = await add('clixen.projects', { ...mine, name: `of ${marker}` });
        const workflow = await add('clixen.mvp_workflows', { ...mine, project_id: project.id, name: marker });
        return add('clixen.mvp_chat_sessions', {
          ...mine,
          project_id: project.id,
          workflow_id: workflow.id,
          title: marker,
          last_message_at: '2026-01-01T00:00:00Z',
          user_satisfied: true,
        });
      },
      draft: ({ sub }, marker) => ({ title: marker, project_id: projects.get(sub), user_id: sub }),
      forAnother: ({ owner }, marker) => ({ title: marker, project_id: projects.get(owner.sub), user_id: owner.sub }),
      sample: {
        user_id: ({ sub }) => sub,
        project_id: ({ sub }) => projects.get(sub),
        workflow_id: ({ sub }) => workflows.get(sub),
      },
      change: { title: 'changed' },
      states: { 'when completed': { status: 'completed' }, 'when archived': { status: 'archived' } },
      owner: 'user_id',
      'give away': GIVERS,
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: readByAll({
        id: mended,
        user_id: { insert: MAKERS, update: ['service'] },
        project_id: written,
        workflow_id: written,
        title: written,
        status: written,
        message_count: mended,
        last_message_at: mended,
        workflow_created: mended,
        workflow_deployed: mended,
        user_satisfied: written,
        created_at: mended,
        updated_at: mended,
      }),
    },
    'clixen.mvp_chat_messages': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        await withProjects(people, sql);
        const { owner } = people;
        const project = await add('clixen.projects', { user_id: owner.sub, name: `of ${marker}` });
        const session = await add('clixen.mvp_chat_sessions', {
          user_id: owner.sub,
          project_id: project.id,
          title: marker,
        });
        return add('clixen.mvp_chat_messages', {
          user_id: owner.sub,
          session_id: session.id,
          content: marker,
          agent_type: 'orchestrator',
          processing_time_ms: 5,
          tokens_used: 7,
        });
      },
      draft: ({ sub }, marker) => ({ content: marker, session_id: sessions.get(sub), user_id: sub }),
      forAnother: ({ owner }, marker) => ({ content: marker, session_id: sessions.get(owner.sub), user_id: owner.sub }),
      sample: { user_id: ({ sub }) => sub, session_id: ({ sub }) => sessions.get(sub) },
      change: { content: 'changed' },
      states: { 'from the assistant': { role: 'assistant' } },
      owner: 'user_id',
      'give away': ['service'],
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: {
        id: mended,
        session_id: { insert: MAKERS, update: ['service'] },
        user_id: { insert: MAKERS, update: ['service'] },
        content: written,
        role: { insert: MAKERS, update: ['service'] },
        agent_type: { insert: MAKERS, update: ['service'] },
        processing_time_ms: { insert: MAKERS, update: ['service'] },
        tokens_used: { insert: MAKERS, update: ['service'] },
        metadata: written,
        created_at: mended,
      },
    },
    'clixen.deployments': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        await withProjects(people, sql);
        const { owner } = people;
        const project = await add('clixen.projects', { user_id: owner.sub, name: `of ${marker}` });
        const workflow = { user_id: owner.sub, project_id: project.id, name: marker };
        const { id } = await add('clixen.mvp_workflows', workflow);
        return add('clixen.deployments', {
          user_id: owner.sub,
          workflow_id: id,
          deployment_version: 1,
          status: 'failed',
          error_message: marker,
          n8n_workflow_id: 'n8n1',
          n8n_response: { reason: 'key' },
          deployment_url: 'https://n8n.example.org/webhook/1',
          completed_at: '2026-01-01T00:00:00Z',
          duration_ms: 7,
        });
      },
      draft: ({ sub }, marker) => ({
        user_id: sub,
        workflow_id: workflows.get(sub),
        deployment_version: randomInt(2, 1e9),
        status: 'deployed',
        error_message: marker,
      }),
      forAnother: ({ owner }, marker) => ({
        user_id: owner.sub,
        workflow_id: workflows.get(owner.sub),
        deployment_version: randomInt(2, 1e9),
        status: 'deployed',
        error_message: marker,
      }),
      sample: { workflow_id: ({ sub }) => workflows.get(sub), deployment_version: () => randomInt(2, 1e9) },
      change: { error_message: 'changed' },
      states: { 'when deployed': { status: 'deployed', error_message: null } },
      owner: 'user_id',
      'give away': ['service'],
      select: OWN,
      insert: ['service'],
      'insert for another': ['service'],
      update: ['service'],
      delete: ['service'],
      columns: Object.fromEntries(
        [
          ...['id', 'user_id', 'workflow_id', 'n8n_workflow_id', 'deployment_version', 'status', 'n8n_response'],
          ...['error_message', 'deployment_url', 'started_at', 'completed_at', 'duration_ms', 'created_at'],
        ].map((name) => [name, mended]),
      ),
    },
    'clixen.mvp_project_summary': {
      alone: true,
      key: ['id'],
      fixture: async (add, people, marker, sql) => {
        await withProjects(people, sql);
        const { id: made } = await add('clixen.projects', { user_id: people.owner.sub, name: marker });
        const [{ row }] = await sql('select to_jsonb(s) as row from clixen.mvp_project_summary as s where id = $1', [
          made,
        ]);
        return row;
      },
      draft: (_, marker) => ({ name: marker }),
      change: { name: 'changed' },
      owner: null,
      select: OWN,
      insert: [],
      'insert for another': null,
      update: [],
      delete: [],
      columns: readByAll(
        shown([
          ...[
            'id',
            'user_id',
            'name',
            'description',
            'color',
            'workflow_count',
            'last_activity_at',
            'created_at',
            'updated_at',
          ],
          ...['open_deployments', 'failed_deployments', 'chat_count', 'last_message_at'],
          ...['last_workflow_id', 'last_workflow_name', 'last_workflow_updated_at'],
        ]),
      ),
    },
    'clixen.mvp_user_dashboard_stats': {
      alone: true,
      key: ['user_id'],
      fixture: async (add, { owner }, marker, sql) => {
        await sql('delete from clixen.user_profiles where id = $1', [owner.sub]);
        await add('clixen.user_profiles', { id: owner.sub, full_name: marker });
        const query = 'select to_jsonb(s) as row from clixen.mvp_user_dashboard_stats as s where user_id = $1';
        return (await sql(query, [owner.sub]))[0].row;
      },
      draft: ({ sub }, marker) => ({ user_id: sub, tier: marker }),
      change: { tier: 'enterprise' },
      owner: null,
      select: OWN,
      insert: [],
      'insert for another': null,
      update: [],
      delete: [],
      columns: shown([
        ...['user_id', 'tier', 'total_projects', 'total_workflows_created', 'total_deployments'],
        ...['first_workflow_created_at', 'first_deployment_at', 'draft_workflows', 'validated_workflows'],
        ...['deployed_workflows', 'failed_workflows', 'archived_workflows', 'open_deployments', 'active_chats'],
        ...['total_chats', 'last_activity_at'],
      ]),
    },
    'clixen.telemetry_events': {
      alone: true,
      fixture: (add, { owner }, marker) =>
        add('clixen.telemetry_events', {
          user_id: owner.sub,
          event_type: 'fixture',
          event_category: 'workflow',
          error_message: marker,
          project_id: randomUUID(),
          workflow_id: randomUUID(),
          session_id: randomUUID(),
          duration_ms: 5,
          success: false,
          user_agent: 'Mozilla',
          ip_address: '192.0.2.0/24',
          referer: 'https://www.example.org/',
        }),
      draft: ({ sub, role }, marker) => ({
        event_type: 'drafted',
        event_category: 'error',
        error_message: marker,
        ...(role === 'service_role' && { user_id: sub }),
      }),
      forAnother: ({ owner }, marker) => ({
        user_id: owner.sub,
        event_type: 'drafted',
        event_category: 'error',
        error_message: marker,
      }),
      sample: { user_id: ({ sub }) => sub },
      change: { error_message: 'changed' },
      states: { 'when it went well': { success: true } },
      owner: 'user_id',
      'give away': ['service'],
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: ['service'],
      delete: ['service'],
      columns: {
        ...Object.fromEntries(
          [
            ...['user_id', 'event_type', 'event_category', 'project_id', 'workflow_id', 'session_id', 'event_data'],
            ...['duration_ms', 'success', 'error_message'],
          ].map((name) => [name, { insert: MAKERS, update: ['service'] }]),
        ),
        ...Object.fromEntries(
          ['id', 'user_agent', 'ip_address', 'referer', 'created_at'].map((name) => [name, mended]),
        ),
      },
    },
  },
  cleanUp: async (sql, people) => {
    const subs = people.map(({ sub }) => sub);
    await sql('delete from clixen.user_profiles where id = any ($1)', [subs]);
    await sql('delete from clixen.projects where user_id = any ($1)', [subs]);
    await sql('delete from clixen.telemetry_events where user_id = any ($1)', [subs]);
  },
  functions: {
    'edge.claim_deployment(uuid)': { arguments: byId, ...edges },
    'edge.note_deployment(uuid, uuid, text)': {
      arguments: () => ({ ...byId(), lease: randomUUID(), n8n_workflow_id: 'n8n1' }),
      ...edges,
    },
    'edge.finish_deployment(uuid, uuid, jsonb)': {
      arguments: () => ({ ...byId(), lease: randomUUID(), outcome: { status: 'deployed' } }),
      ...edges,
    },
    'edge.unfinished_deployments(integer)': { arguments: () => ({ most: 1 }), ...edges },
    'edge.claim_removal(text)': { arguments: (marker) => ({ n8n_workflow_id: marker }), ...edges },
    'edge.removed_from_n8n(text, boolean)': {
      arguments: (marker) => ({ n8n_workflow_id: marker, is_out: true }),
      ...edges,
    },
    'edge.deployment_workflow(uuid, uuid, boolean)': {
      arguments: () => ({ ...byId(), lease: randomUUID(), before: false }),
      ...edges,
    },
    'edge.own_workflows(uuid, uuid, text[])': {
      arguments: (marker) => ({ ...byId(), lease: randomUUID(), named: [marker] }),
      ...edges,
    },
    'edge.called_workflow(uuid, uuid, text)': {
      arguments: (marker) => ({ ...byId(), lease: randomUUID(), n8n_workflow_id: marker }),
      ...edges,
    },
    'clixen.create_user_profile()': { execute: USERS },
    'clixen.erase_user(uuid)': { arguments: () => ({ user_id: randomUUID() }), execute: ['service'] },
    'clixen.get_or_create_default_project(uuid)': {
      arguments: (_, fixtures) => ({ user_id: fixtures['clixen.projects'].user_id }),
      // Others get 403: it is not theirs.
      execute: ['owner'],
    },
    'clixen.open_deployment(uuid, bigint)': {
      arguments: (_, fixtures) => ({ workflow_id: fixtures['clixen.mvp_workflows'].id }),
      execute: USERS,
      depends: null,
      // An owner's own, counted.
      touches: ['clixen.mvp_project_summary', 'clixen.mvp_user_dashboard_stats'],
    },
    'clixen.track_telemetry(jsonb)': {
      arguments: (marker) => ({ events: { event_type: 'called', event_category: 'error', error_message: marker } }),
      depends: 'the network',
      ...VOUCHED_USERS,
    },
    'clixen.record_execution(text, timestamp with time zone, bigint)': {
      arguments: (marker) => ({ n8n_workflow_id: marker, finished_at: '2026-01-01T00:00:00Z', duration_ms: 5 }),
      execute: ['service'],
    },
    'clixen.may_finish_deployments()': { execute: ['service'], depends: null },
  },
  routes: {
    'POST /v1/workflows/validate': { body: () => ({}), call: HOLDERS },
    'POST /v1/workflows/{id}/deploy': { path: `/v1/workflows/${id()}/deploy`, call: HOLDERS },
    'POST /v1/workflows/{id}/rollback': { path: `/v1/workflows/${id()}/rollback`, call: HOLDERS },
    'POST /v1/telemetry': { body: () => [], call: HOLDERS },
    'POST /v1/jobs/finish_deployments': { call: HOLDERS },
  },
};
