// onboarding: the holder of a session's token continues it through functions; admins may read and change nothing.
import { createHash } from 'node:crypto';
import { OPEN } from '../../credentials.js';
import { ANYBODY, VOUCHED } from '../../personas.js';

const STAFF = ['admin', 'service'];
const kept = {};
const hash = (token) => `\\x${createHash('sha256').update(token).digest('hex')}`;

/** The token of a session of the caller's own, beside one that is somebody else's. */
const ownToken = ({ id }) => `rgs_proof_${id}`;
const addSession = async (add, marker) => {
  const row = await add('onboarding.sessions', {
    session_token_hash: hash(marker),
    status: 'in_progress',
    user_agent: marker,
    business_data: { name: marker },
  });
  await add('onboarding.sessions', { session_token_hash: hash(ownToken(row)), status: 'in_progress' });
  return row;
};
const withToken = (more) => (word, fixtures) => ({
  session_token: ownToken(fixtures['onboarding.sessions']),
  ...more?.(word, fixtures),
});

export default {
  relations: {
    'onboarding.sessions': {
      fixture: (add, _, marker) => addSession(add, marker),
      draft: (_, marker) => ({ session_token_hash: hash(marker), business_data: { name: marker } }),
      change: { user_agent: 'changed' },
      states: {
        'when abandoned': { status: 'abandoned', abandoned_at: '2026-01-01T00:00:00Z' },
        'when completed': {
          status: 'completed',
          completed_at: '2026-01-01T00:00:00Z',
          business_info_completed_at: '2026-01-01T00:00:00Z',
          whatsapp_integration_completed_at: '2026-01-01T00:00:00Z',
          bot_setup_completed_at: '2026-01-01T00:00:00Z',
          testing_completed_at: '2026-01-01T00:00:00Z',
        },
      },
      // A session is its token's, and a token is no persona.
      owner: null,
      select: STAFF,
      insert: [],
      'insert for another': null,
      update: [],
      delete: [],
      columns: {
        id: kept,
        lead_id: kept,
        session_token_hash: kept,
        current_step: kept,
        status: kept,
        progress_percentage: kept,
        business_info_completed_at: kept,
        whatsapp_integration_completed_at: kept,
        bot_setup_completed_at: kept,
        testing_completed_at: kept,
        completed_at: kept,
        started_at: kept,
        last_activity_at: kept,
        abandoned_at: kept,
        user_agent: kept,
        network: kept,
        business_data: kept,
        whatsapp_config: kept,
        bot_config: kept,
        created_at: kept,
        updated_at: kept,
      },
    },
    'onboarding.step_activities': {
      fixture: async (add, _, marker) => {
        const { id } = await addSession(add, marker);
        return add('onboarding.step_activities', {
          session_id: id,
          step: 'business_info',
          activity_type: 'field_change',
          field_name: 'industry',
          field_value: marker,
          metadata: { word: marker },
        });
      },
      draft: (_, marker) => ({ step: 'testing', activity_type: 'field_change', field_value: marker }),
      change: { activity_type: 'changed' },
      states: { 'as an error': { activity_type: 'validation_error', error_message: 'wrong' } },
      owner: null,
      select: STAFF,
      insert: [],
      'insert for another': null,
      update: [],
      delete: [],
      columns: {
        id: kept,
        session_id: kept,
        step: kept,
        activity_type: kept,
        field_name: kept,
        field_value: kept,
        error_message: kept,
        time_spent_seconds: kept,
        metadata: kept,
        created_at: kept,
      },
    },
  },
  cleanUp: (sql) => sql(`delete from onboarding.sessions where business_data::text ~ 'call-'`),
  functions: {
    'onboarding.start(jsonb)': {
      // The address of an existing lead: the answer must not show that it exists.
      arguments: (word, fixtures) => ({
        session: { email: fixtures['marketing.leads'].email, business_data: { name: word } },
      }),
      depends: 'the network',
      ...VOUCHED,
    },
    // The session's token decides.
    'onboarding.progress(text)': { arguments: withToken(), execute: ANYBODY, depends: null },
    'onboarding.step(text, jsonb)': {
      arguments: withToken((word) => ({ change: { step: 'business_info', data: { name: word }, completed: true } })),
      execute: ANYBODY,
      depends: null,
    },
    'onboarding.activity(text, jsonb)': {
      // The id of another's session is of no use.
      arguments: withToken((_, fixtures) => ({
        activity: { activity_type: 'step_view', metadata: { session_id: fixtures['onboarding.sessions'].id } },
      })),
      execute: ANYBODY,
      depends: null,
    },
    'onboarding.abandon_inactive_sessions()': { execute: [] },
    'onboarding.activity_row(onboarding.sessions, jsonb, text)': { execute: [] },
    'onboarding.check_form(jsonb, text[], text)': { execute: [] },
    'onboarding.merged_data(jsonb, jsonb, text)': { execute: [] },
    'onboarding.names_secret(text)': { execute: [] },
    'onboarding.progress_of(onboarding.sessions)': { execute: [] },
    'onboarding.redacted(text)': { execute: [] },
    'onboarding.refuse_field(text, text, text)': { execute: [] },
    'onboarding.session_of(text, boolean)': { execute: [] },
    'onboarding.steps()': { execute: [] },
    'onboarding.step_field(jsonb, text[], text)': { execute: [] },
    'onboarding.text_field(jsonb, text, integer, text)': { execute: [] },
  },
  routes: {
    'POST /v1/onboarding/sessions': { body: () => ({}), call: OPEN },
    'GET /v1/onboarding/session': { call: ['session token'] },
    'PATCH /v1/onboarding/session': { body: () => ({ step: 'business_info' }), call: ['session token'] },
    'POST /v1/onboarding/activities': { body: () => ({ activity_type: 'step_view' }), call: ['session token'] },
  },
};
