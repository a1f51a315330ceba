// experiments: the business's. Functions give the public its own variants; admins make experiments and read their results.
import { randomUUID } from 'node:crypto';
import { HOLDERS, OPEN } from '../../credentials.js';
import { USERS, VOUCHED } from '../../personas.js';

const STAFF = ['admin', 'service'];
// The right to a column is the role's, which admins share with all users; that no row of a user's gets in is the policy's doing,
// and is decided below, for the table.
const written = { insert: [...USERS, 'service'], update: STAFF };
const kept = {};

const variants = {
  control_variant: { id: 'control', weight: 0.5 },
  test_variants: [{ id: 'test', weight: 0.5 }],
};

export default {
  relations: {
    'experiments.experiments': {
      fixture: (add, _, marker) => add('experiments.experiments', { name: marker, description: marker, ...variants }),
      draft: (_, marker) => ({ name: marker, ...variants }),
      change: { description: 'changed' },
      states: {
        'while running': { status: 'running' },
        'when archived': { status: 'archived' },
        'when switched off': { is_active: false },
      },
      // It belongs to the business, not to the admin who made it.
      owner: null,
      select: STAFF,
      insert: STAFF,
      'insert for another': null,
      update: STAFF,
      delete: [],
      columns: {
        id: kept,
        name: written,
        description: written,
        hypothesis: written,
        is_active: written,
        traffic_percentage: written,
        control_variant: written,
        test_variants: written,
        targeting_rules: written,
        start_date: written,
        end_date: written,
        status: written,
        results: kept,
        winner_variant_id: written,
        hash_seed: written,
        hash_version: written,
        bucket_version: kept,
        namespace: written,
        unit: written,
        primary_metric: written,
        created_by: kept,
        created_at: kept,
        updated_at: kept,
      },
    },
    'experiments.assignments': {
      fixture: async (add, { owner }, marker) => {
        // The name of a running experiment is public.
        const row = { name: 'Runs', description: marker, ...variants, status: 'running', unit: 'user_id' };
        const experiment = await add('experiments.experiments', row);
        return add('experiments.assignments', {
          experiment_id: experiment.id,
          unit_key: `user:${owner.sub}`,
          // Not the one in the key: what is hidden of two answers that are compared must not overlap.
          user_id: randomUUID(),
          session_id: marker,
          variant_id: 'test',
          bucket_version: 1,
        });
      },
      draft: ({ sub }, marker) => ({
        unit_key: `user:${sub}`,
        session_id: marker,
        variant_id: 'test',
        bucket_version: 1,
      }),
      change: { variant_id: 'control' },
      states: {
        'when exposed': {
          first_exposure_at: '2026-01-01T00:00:00Z',
          last_exposure_at: '2026-01-01T00:00:00Z',
          exposure_count: 1,
        },
      },
      // Users get their variant from a function, and see no row.
      owner: null,
      select: STAFF,
      insert: [],
      'insert for another': null,
      update: [],
      delete: [],
      columns: {
        id: kept,
        experiment_id: kept,
        unit_key: kept,
        user_id: kept,
        session_id: kept,
        variant_id: kept,
        bucket_version: kept,
        source: kept,
        assigned_at: kept,
        first_exposure_at: kept,
        last_exposure_at: kept,
        exposure_count: kept,
        country: kept,
      },
    },
  },
  cleanUp: (sql) => sql(`delete from experiments.assignments where session_id ~ '^call-'`),
  functions: {
    'experiments.auto_assign_experiments(text, text, text)': {
      arguments: (marker) => ({ session_id: marker }),
      depends: 'the country',
      ...VOUCHED,
    },
    'experiments.record_exposures(jsonb)': {
      arguments: (marker, fixtures) => ({
        exposures: [{ experiment_id: fixtures['experiments.assignments'].experiment_id, session_id: marker }],
      }),
      depends: 'the country',
      ...VOUCHED,
      // A user's own exposure is counted in the user's own row.
      touches: ['experiments.assignments'],
    },
    'experiments.experiment_results(uuid)': {
      arguments: (_, fixtures) => ({ experiment_id: fixtures['experiments.experiments'].id }),
      execute: STAFF,
      depends: null,
    },
    'experiments.override_assignment(uuid, text, text, text)': {
      arguments: (marker, fixtures) => ({
        experiment_id: fixtures['experiments.assignments'].experiment_id,
        user_id: marker,
        variant_id: 'control',
      }),
      execute: STAFF,
    },
    'experiments.fnv1a32(text)': { execute: [] },
    'experiments.hash(text, text, integer)': { execute: [] },
  },
  routes: {
    'POST /v1/experiments/assign': { body: (marker) => ({ session_id: marker }), call: OPEN },
    'POST /v1/experiments/exposures': { body: () => [], call: OPEN },
    'GET /v1/experiments/{id}/results': { path: `/v1/experiments/${randomUUID()}/results`, call: HOLDERS },
  },
};
