// sample: what has been decided. A user's rows are that user's alone.
import { randomUUID } from 'node:crypto';
import { OPEN } from '../../../proof/credentials.js';
import { ANYBODY, USERS, VOUCHED } from '../../../proof/personas.js';

const OWN = ['owner', 'service'];
const MAKERS = [...USERS, 'service'];
const written = { insert: MAKERS, update: OWN };
// service_role mends what users may not touch.
const mended = { insert: ['service'], update: ['service'] };

// Everybody has a project, and reads its columns.
const everybodys = new WeakMap();
const make = async (people, sql) => {
  for (const { sub } of Object.values(people))
    await sql(`insert into sample.projects (user_id, name) values ($1, 'for drafts')`, [sub]);
};
const withProjects = (people, sql) => {
  if (!everybodys.has(people)) everybodys.set(people, make(people, sql));
  return everybodys.get(people);
};
const readByAll = (columns) =>
  Object.fromEntries(Object.entries(columns).map(([name, says]) => [name, { read: MAKERS, ...says }]));

export default {
  relations: {
    'sample.projects': {
      alone: true,
      fixture: async (add, people, marker, sql) => {
        await withProjects(people, sql);
        return add('sample.projects', { user_id: people.owner.sub, name: marker, description: marker });
      },
      draft: ({ sub, role }, marker) => ({ name: marker, ...(role === 'service_role' && { user_id: sub }) }),
      forAnother: ({ owner }, marker) => ({ name: marker, user_id: owner.sub }),
      sample: { user_id: ({ sub }) => sub },
      change: { name: 'changed' },
      states: { 'in another color': { color: '#000000', description: null }, 'with workflows': { workflow_count: 5 } },
      owner: 'user_id',
      'give away': ['stranger', 'service'],
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
    'sample.user_profiles': {
      alone: true,
      fixture: async (add, { owner }, marker, sql) => {
        await sql('delete from sample.user_profiles where id = $1', [owner.sub]);
        return add('sample.user_profiles', { id: owner.sub, email: `${marker}@example.org`, full_name: marker });
      },
      draft: ({ sub, role }, marker) => ({ id: role === 'service_role' ? randomUUID() : sub, full_name: marker }),
      states: { 'in another tier': { tier: 'enterprise' } },
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
        tier: mended,
        total_projects: mended,
        created_at: mended,
      },
    },
    'sample_more.entries': {
      fixture: (add, _, marker) => add('sample_more.entries', { email: `${marker}@example.org` }),
      draft: (_, marker) => ({ email: `${marker}@example.org` }),
      change: { status: 'contacted' },
      owner: null,
      select: ['admin', 'service'],
      insert: [],
      'insert for another': null,
      update: ['admin', 'service'],
      delete: ['service'],
      columns: {
        id: { update: ['service'] },
        email: { update: ['service'] },
        status: { update: ['admin', 'service'] },
        submission_count: { update: ['service'] },
        created_at: { update: ['service'] },
      },
    },
  },
  cleanUp: async (sql, people) => {
    const subs = people.map(({ sub }) => sub);
    await sql('delete from sample.user_profiles where id = any ($1)', [subs]);
    await sql('delete from sample.projects where user_id = any ($1)', [subs]);
  },
  functions: {
    'sample.erase_user(uuid)': { arguments: () => ({ user_id: randomUUID() }), execute: ['service'] },
    'sample_more.field_of(jsonb, text)': { execute: [] },
    'sample_more.say(text, jsonb)': { arguments: () => ({ word: 'hello' }), execute: ANYBODY, depends: null },
    'sample_more.add_entries(jsonb, bigint)': {
      arguments: (marker) => ({ entries: [{ email: `${marker}@example.org` }], first_line: 1 }),
      execute: ['service'],
      depends: null,
    },
    'sample.count_projects()': { execute: USERS, depends: null },
    'sample.add_project(text)': { arguments: (marker) => ({ name: marker }), execute: USERS, depends: null },
    'sample_more.opened()': { arguments: () => ({}), depends: 'the caller', ...VOUCHED },
    'sample_more.spend(uuid, bigint)': {
      arguments: () => ({ owner: randomUUID(), amount: 1 }),
      execute: ['service'],
      depends: null,
    },
    'sample_more.add_entry(jsonb)': {
      arguments: (marker) => ({ entry: { email: `${marker}@example.org` } }),
      depends: 'the network',
      ...VOUCHED,
    },
  },
  routes: {
    'POST /v1/entries/lines': { body: (marker) => ({ email: `${marker}@example.org` }), call: ['service'] },
    'GET /v1/samples/count': { call: ['user'] },
    'POST /v1/samples/add': { body: (marker) => ({ name: marker }), call: ['user'] },
    'POST /v1/opened': { body: () => ({}), call: [] },
    'POST /v1/worker': { body: () => ({}), call: ['service'] },
    'POST /v1/spend': { body: () => ({ owner: randomUUID(), amount: 1 }), call: ['service'] },
    'POST /v1/entries': { body: (marker) => ({ email: `${marker}@example.org` }), call: OPEN },
  },
};
