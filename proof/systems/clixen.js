// clixen: what a user makes is that user's alone.
import { randomUUID } from 'node:crypto';
import { HOLDERS } from '../credentials.js';
import { USERS } from '../personas.js';

const OWN = ['owner', 'service'];
const MAKERS = [...USERS, 'service'];
const written = { insert: MAKERS, update: OWN };
// The back office mends what users may not touch.
const mended = { insert: ['service'], update: ['service'] };

export default {
  relations: {
    'clixen.user_profiles': {
      plant: async (add, { owner }, canary, sql) => {
        // A user has one: a call may have made it already.
        await sql('delete from clixen.user_profiles where id = $1', [owner.sub]);
        const row = { id: owner.sub, email: `${canary}@example.org`, full_name: canary };
        return add('clixen.user_profiles', row);
      },
      // Nobody but the back office makes one by hand: a function does.
      draft: ({ sub, role }, canary) => ({ id: role === 'service_role' ? randomUUID() : sub, full_name: canary }),
      states: { 'in another tier': { tier: 'enterprise' }, 'when onboarded': { onboarding_completed: true } },
      // The key is the user.
      owner: 'id',
      'give away': ['service'],
      change: { full_name: 'changed' },
      select: OWN,
      forAnother: (_, canary) => ({ id: randomUUID(), full_name: canary }),
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
      plant: (add, { owner }, canary) =>
        add('clixen.projects', { user_id: owner.sub, name: canary, description: canary }),
      draft: ({ sub, role }, canary) => ({ name: canary, ...(role === 'service_role' && { user_id: sub }) }),
      forAnother: ({ owner }, canary) => ({ name: canary, user_id: owner.sub }),
      sample: { user_id: ({ sub }) => sub },
      change: { name: 'changed' },
      states: { 'in another color': { color: '#000000', description: null }, 'with workflows': { workflow_count: 5 } },
      owner: 'user_id',
      'give away': ['service'],
      select: OWN,
      insert: MAKERS,
      'insert for another': OWN,
      update: OWN,
      delete: OWN,
      columns: {
        id: mended,
        user_id: { insert: MAKERS, update: ['service'] },
        name: written,
        description: written,
        color: written,
        workflow_count: mended,
        last_activity_at: mended,
        created_at: mended,
        updated_at: mended,
      },
    },
  },
  cleanUp: (sql, people) => sql('delete from clixen.user_profiles where id = any ($1)', [people.map(({ sub }) => sub)]),
  functions: {
    'clixen.ensure_user_profile()': { execute: USERS },
    'clixen.erase_user(uuid)': { arguments: () => ({ user_id: randomUUID() }), execute: ['service'] },
  },
  routes: {
    'POST /v1/workflows/validate': { body: () => ({}), call: HOLDERS },
  },
};
