// marketing: leads are the business's. The public leaves them through one function; admins read and work on them.
import { HOLDERS, OPEN } from '../../credentials.js';
import { ANYBODY, USERS, VOUCHED } from '../../personas.js';

const STAFF = ['admin', 'service'];
const worked = { update: STAFF };
// The right to a column is the role's, which admins share with all users; the policy, decided below, keeps their rows out.
const entered = { insert: [...USERS, 'service'] };
const written = { ...entered, update: STAFF };
const kept = {};

const LEAD_COLUMNS = [
  'id',
  'email',
  'email_normalized',
  'email_domain',
  'phone_number',
  'company_name',
  'first_name',
  'last_name',
  'source',
  'status',
  'notes',
  'interested_features',
  'utm_source',
  'utm_medium',
  'utm_campaign',
  'utm_content',
  'utm_term',
  'referrer',
  'landing_page',
  'first_touch',
  'last_touch',
  'user_agent',
  'network',
  'country_code',
  'region',
  'city',
  'submission_key',
  'metadata',
  'submission_count',
  'submissions_dropped',
  'spam_score',
  'spam_reason',
  'is_spam',
  'opt_in_status',
  'opted_in_at',
  'created_at',
  'updated_at',
  'deleted_at',
];

/** A lead that is there while the attempts are made: interactions need one. */
const LEAD = '00000000-0000-4000-8000-0000000000a1';

const address = (marker) => ({
  email: `${marker}@example.org`,
  email_normalized: `${marker}@example.org`,
  email_domain: 'example.org',
});

export default {
  relations: {
    'marketing.leads': {
      fixture: (add, _, marker) =>
        add('marketing.leads', {
          ...address(marker),
          notes: marker,
        }),
      draft: (_, marker) => address(marker),
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
        submissions_dropped: kept,
        spam_score: kept,
        spam_reason: worked,
        is_spam: worked,
        opt_in_status: worked,
        opted_in_at: kept,
        created_at: kept,
        updated_at: kept,
        deleted_at: worked,
      },
    },
    'marketing.lead_interactions': {
      fixture: async (add, _, marker, sql) => {
        await sql(
          `insert into marketing.leads (id, email, email_normalized, email_domain)
           values ($1, 'call-lead@example.org', 'call-lead@example.org', 'example.org') on conflict do nothing`,
          [LEAD],
        );
        const lead = await add('marketing.leads', address(marker));
        return add('marketing.lead_interactions', { lead_id: lead.id, interaction_type: 'note', description: marker });
      },
      draft: (_, marker) => ({ lead_id: LEAD, interaction_type: 'note', description: marker }),
      change: { description: 'changed' },
      states: { 'when open': { scheduled_at: '2027-01-01T00:00:00Z' } },
      sample: { lead_id: () => LEAD },
      owner: null,
      select: STAFF,
      insert: STAFF,
      'insert for another': null,
      update: STAFF,
      delete: STAFF,
      columns: {
        id: kept,
        lead_id: entered,
        interaction_type: written,
        subject: written,
        description: written,
        outcome: written,
        scheduled_at: written,
        completed_at: written,
        created_by: kept,
        metadata: written,
        submission: kept,
        created_at: kept,
      },
    },
    // A view of the leads, for one endpoint.
    'marketing.leads_csv': {
      key: ['id'],
      fixture: async (add, _, marker, sql) => {
        const lead = await add('marketing.leads', { ...address(marker), notes: marker });
        const [{ row }] = await sql('select to_jsonb(c) as row from marketing.leads_csv as c where id = $1', [lead.id]);
        return row;
      },
      draft: (_, marker) => address(marker),
      change: { notes: 'changed' },
      owner: null,
      select: STAFF,
      insert: [],
      'insert for another': null,
      update: [],
      delete: [],
      columns: Object.fromEntries([...LEAD_COLUMNS, 'cells'].map((name) => [name, kept])),
    },
  },
  cleanUp: (sql) => sql(`delete from marketing.leads where email ~ '^call-'`),
  functions: {
    'marketing.capture_lead(jsonb)': {
      arguments: (marker) => ({ lead: { email: `${marker}@example.org` } }),
      depends: 'Turnstile’s verdict, the form’s time stamp, network and place',
      ...VOUCHED,
      // An address that is known and one that is not.
      names: { relation: 'marketing.leads', arguments: ({ email }) => ({ lead: { email } }) },
    },
    'marketing.address_lock(text)': { execute: [] },
    'marketing.lead_consents(jsonb)': { execute: [] },
    'marketing.lead_features(jsonb)': { execute: [] },
    'marketing.lead_metadata(jsonb)': { execute: [] },
    'marketing.refuse_no_text(text)': { execute: [] },
    'marketing.text_of(jsonb)': { execute: [] },
    'marketing.lead_sources()': { execute: [] },
    'marketing.merge_lead(marketing.leads, uuid, boolean, text, jsonb)': { execute: [] },
    'marketing.confirmation_token(marketing.leads, timestamp with time zone)': { execute: [] },
    'marketing.pending_confirmations(integer, interval)': { execute: ['service'] },
    'marketing.renew_confirmation(uuid)': { execute: [] },
    'marketing.store_submission(uuid, marketing.leads, jsonb)': { execute: [] },
    'marketing.sent_fields(jsonb)': { execute: [] },
    'marketing.submissions_today(uuid, boolean)': { execute: [] },
    'marketing.with_single_texts(jsonb)': { execute: [] },
    'marketing.lead_field_names()': { execute: STAFF },
    // Its token is signed by the database.
    'marketing.confirm_lead(text)': { arguments: () => ({ token: 'x' }), execute: ANYBODY, depends: null },
    'marketing.cleanup_old_data()': { execute: [] },
    'marketing.leads_of_company(text, integer)': { arguments: () => ({ name: 'fixture' }), execute: STAFF },
    'marketing.only_admins()': { execute: STAFF },
    'marketing.gdpr_export_user_data(text, text[])': {
      arguments: (marker) => ({ email: `${marker}@example.org` }),
      execute: STAFF,
      depends: null,
    },
    'marketing.gdpr_delete_user_data(text, text[], boolean)': {
      arguments: (marker) => ({ email: `${marker}@example.org` }),
      execute: STAFF,
      depends: null,
    },
  },
  routes: {
    'POST /v1/leads': {
      body: (marker) => ({ email: `${marker}@example.org` }),
      // Open: no credential is needed, but one that is sent must be valid.
      call: OPEN,
    },
    'GET /v1/leads/confirm': { path: '/v1/leads/confirm?token=x', call: 'everybody' },
    'POST /v1/leads/confirm': { body: () => ({ token: 'x' }), call: 'everybody' },
    'GET /v1/admin/leads.csv': { call: HOLDERS },
    'GET /forms': { call: 'everybody' },
    'GET /forms/': { call: 'everybody' },
    'GET /forms/thanks': { call: 'everybody' },
    'GET /forms/style.css': { call: 'everybody' },
    'GET /forms/{source}': { path: '/forms/website-form', call: 'everybody' },
  },
};
