// clixen: what a user makes is that user's alone.
import { USERS } from '../personas.js';

const OWN = ['owner', 'service'];
const MAKERS = [...USERS, 'service'];
const written = { insert: MAKERS, update: OWN };
// The back office mends what users may not touch.
const mended = { insert: ['service'], update: ['service'] };

export default {
  relations: {
    'clixen.projects': {
      plant: (add, { owner }, canary) =>
        add('clixen.projects', { user_id: owner.sub, name: canary, description: canary }),
      draft: ({ sub, role }, canary) => ({ name: canary, ...(role === 'service_role' && { user_id: sub }) }),
      forAnother: ({ owner }, canary) => ({ name: canary, user_id: owner.sub }),
      sample: { user_id: ({ sub }) => sub },
      change: { name: 'changed' },
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
  functions: {},
  routes: {},
};
