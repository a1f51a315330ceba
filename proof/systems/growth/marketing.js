// marketing: leads are the business's. The public leaves them through one function; admins read and work on them.
import { USERS } from '../../personas.js';

const STAFF = ['admin', 'service'];
const worked = { update: STAFF };
const kept = {};

export default {
  relations: {
    'marketing.leads': {
      plant: (add, _, canary) =>
        add('marketing.leads', {
          email: `${canary}@example.org`,
          email_normalized: `${canary}@example.org`,
          email_domain: 'example.org',
          notes: canary,
        }),
      draft: (_, canary) => ({
        email: `${canary}@example.org`,
        email_normalized: `${canary}@example.org`,
        email_domain: 'example.org',
      }),
      change: { notes: 'changed' },
      states: {
        'as spam': { is_spam: true, spam_score: 100 },
        'when lost': { status: 'lost' },
        'when deleted': { deleted_at: '2026-01-01T00:00:00Z' },
      },
      // A lead is nobody's.
      owner: null,
      select: STAFF,
      insert: [],
      'insert for another': null,
      update: STAFF,
      delete: [],
      columns: {
        id: kept,
        email: kept,
        email_normalized: kept,
        email_domain: kept,
        phone_number: worked,
        company_name: worked,
        first_name: worked,
        last_name: worked,
        source: kept,
        status: worked,
        notes: worked,
        interested_features: worked,
        utm_source: kept,
        utm_medium: kept,
        utm_campaign: kept,
        utm_content: kept,
        utm_term: kept,
        referrer: kept,
        landing_page: kept,
        first_touch: kept,
        last_touch: kept,
        user_agent: kept,
        network: kept,
        country_code: kept,
        region: kept,
        city: kept,
        submission_key: kept,
        metadata: kept,
        submission_count: kept,
        spam_score: kept,
        spam_reason: worked,
        is_spam: worked,
        opt_in_status: kept,
        opted_in_at: kept,
        created_at: kept,
        updated_at: kept,
        deleted_at: worked,
      },
    },
  },
  cleanUp: (sql) => sql(`delete from marketing.leads where email ~ '^call-'`),
  functions: {
    'marketing.capture_lead(jsonb)': {
      arguments: (canary) => ({ lead: { email: `${canary}@example.org` } }),
      execute: ['anon key', ...USERS, 'service'],
      // An address that is known and one that is not.
      names: { relation: 'marketing.leads', arguments: ({ email }) => ({ lead: { email } }) },
    },
    'marketing.is_email(text)': { execute: [] },
    'marketing.lead_features(jsonb)': { execute: [] },
    'marketing.lead_metadata(jsonb)': { execute: [] },
    'marketing.lead_text(jsonb, text, integer)': { execute: [] },
    'marketing.merge_lead(marketing.leads, boolean, jsonb)': { execute: [] },
    'marketing.normalize_email(text)': { execute: [] },
  },
  routes: {
    'POST /v1/leads': {
      body: (canary) => ({ email: `${canary}@example.org` }),
      // Open: whoever shows nothing needs nothing; what is shown must be good.
      call: ['none', 'anon key', 'user', 'service'],
    },
    'GET /forms/thanks': { call: 'everybody' },
    'GET /forms/style.css': { call: 'everybody' },
    'GET /forms/{source}': { path: '/forms/website-form', call: 'everybody' },
  },
};
