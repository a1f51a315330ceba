// notes: who may do what. `npm run proof` tries all of it. A table, column, function or endpoint that is missing here is a fault.
import { OPEN } from '../credentials.js';
import { USERS, VOUCHED } from '../personas.js';

const OWN = ['owner', 'service'];
const MAKERS = [...USERS, 'service'];
const STAFF = ['admin', 'service'];
const byOffice = { insert: ['service'], update: ['service'] };

export default {
  relations: {
    'notes.notes': {
      // A row that belongs to the owner and holds the marker, by which the proof finds it in answers.
      fixture: (add, { owner }, marker) => add('notes.notes', { user_id: owner.sub, text: marker }),
      // A row as somebody would insert it: for themselves, and for the owner.
      draft: ({ sub, role }, marker) => ({ text: marker, ...(role === 'service_role' && { user_id: sub }) }),
      forAnother: ({ owner }, marker) => ({ text: marker, user_id: owner.sub }),
      change: { text: 'changed' },
      sample: { user_id: ({ sub }) => sub },
      owner: 'user_id',
      'give away': ['service'],
      select: OWN,
      insert: MAKERS,
      'insert for another': ['service'],
      update: OWN,
      delete: OWN,
      columns: {
        id: byOffice,
        user_id: byOffice,
        text: { insert: MAKERS, update: OWN },
        created_at: byOffice,
      },
    },
    'notes.suggestions': {
      fixture: (add, _, marker) => add('notes.suggestions', { suggestion: marker }),
      draft: (_, marker) => ({ suggestion: marker }),
      change: { suggestion: 'changed' },
      owner: null,
      select: STAFF,
      insert: [],
      'insert for another': null,
      update: [],
      delete: ['service'],
      columns: { id: {}, suggestion: {}, created_at: {} },
    },
  },
  functions: {
    'notes.latest(integer)': { arguments: () => ({ count: 3 }), execute: USERS, depends: null },
    'notes.suggest(text)': { arguments: (marker) => ({ suggestion: marker }), depends: 'the network', ...VOUCHED },
  },
  routes: {
    'GET /v1/notes/latest': { call: ['user'] },
    'POST /v1/notes/suggestions': { body: (marker) => ({ suggestion: marker }), call: OPEN },
  },
  cleanUp: (sql) => sql('delete from notes.suggestions where created_at is not null'),
};
