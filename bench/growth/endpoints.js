// The calls of growth's endpoints, for npm run bench -- scale.
import { randomUUID } from 'node:crypto';
import { onTwo, withoutIndexes } from '../load.js';
import { PERSON } from './reads.js';

const ADMIN = '00000000-0000-4000-8000-000000000001';
const anybody = { role: 'anon' };
const admin = { sub: () => `'${ADMIN}'`, app_metadata: { role: 'admin' } };

/**
 * At full size: accounts of WhatsApp, five templates of each, and their received messages; units of an experiment; activities of onboarding; and
 * values of metrics.
 */
const FULL = { accounts: 100_000, inbox: 500_000, units: 1_000_000, activities: 1_000_000, metrics: 1_000_000 };
/** Users at once. */
const USERS = 100;
const SEALED = `v1${`.${'A'.repeat(40)}`.repeat(4)}`;

const EXPERIMENT = '00000000-0000-4000-8000-0000000000e1';
const EXPERIMENTS = `insert into experiments.experiments (id, name, status, control_variant, test_variants, primary_metric, start_date, unit, hash_seed)
  select case n when 1 then '${EXPERIMENT}' else md5('experiment ' || n)::uuid end, 'Experiment ' || n, 'running', '{"id": "control", "weight": 0.5}',
    '[{"id": "other", "weight": 0.5}]', 'conversion 1', now() - interval '30 days', 'session_id', 'seed ' || n
  from generate_series(1, 5) as n`;
/** Each session in which events are, half of them exposed. */
const UNITS = `insert into experiments.assignments (
    experiment_id, unit_key, session_id, variant_id, bucket_version, assigned_at, first_exposure_at, last_exposure_at, exposure_count)
  select '${EXPERIMENT}', 'session:session ' || n, 'session ' || n, case n / 2 % 2 when 0 then 'control' else 'other' end,
    1, now() - interval '20 days', e.at, e.at, (n % 2)::int
  from generate_series(1, $1::int) as n, lateral (select case n % 2 when 1 then now() - interval '20 days' end as at) as e`;

const account = (n) => `md5('account ' || ${n})::uuid`;
const ACCOUNTS = `insert into whatsapp.accounts (
    id, owner_id, business_account_id, phone_number_id, phone_number, is_verified, webhook_verify_token_hash)
  select ${account('n')}, md5('owner ' || n)::uuid, (10000000 + n)::text, (20000000 + n)::text, '+1555' || 1000000 + n, true,
    sha256(convert_to('verify token ' || n, 'UTF8'))
  from generate_series(0, $1::int - 1) as n`;
const TEMPLATES = `insert into whatsapp.templates (account_id, template_name, language, status, body_text, last_event_at, updated_at)
  select ${account('n')}, 'template_' || t, 'en', case n % 50 when 0 then 'REJECTED' else 'APPROVED' end, 'Hello {{1}}, your order is on its way.',
    e.at, e.at
  from generate_series(0, $1::int - 1) as n, generate_series(1, 5) as t, lateral (select now() - n * interval '1 minute' as at) as e`;
const TOKENS = `insert into private.whatsapp_access_tokens (account_id, sealed, key_version)
  select ${account('n')}, '${SEALED}', 1 from generate_series(0, $1::int - 1) as n`;
const INBOX = `insert into private.webhook_inbox (source, dedupe_key, happened_at, field, event, phone_number_id, payload, outcome, applied_at)
  select 'whatsapp', 'message ' || n, now() - n * interval '5 seconds', 'messages', 'message', (20000000 + n % 1000)::text,
    jsonb_build_object('from', '1650' || 1000000 + n % 50000, 'text', 'Does it come in another color?'), 'applied', now()
  from generate_series(1, $1::int) as n`;

/** Ten activities of each of the first sessions. */
const ACTIVITIES = `insert into onboarding.step_activities (session_id, step, activity_type, field_name, time_spent_seconds, created_at)
  select s.id, 'business_info', (array['step_view', 'field_focus', 'field_change', 'step_leave'])[1 + n % 4], 'field ' || n, n, now() - n * interval '5 seconds'
  from (select id from onboarding.sessions order by session_token_hash limit greatest($1::int / 10, 1)) as s, generate_series(1, 10) as n`;
/** Values of a hundred metrics, by country. */
const METRICS = `insert into analytics.metrics (name, value_numeric, dimensions, tags, timestamp, granularity, time_window_start, source, aggregation)
  select 'metric ' || n % 100, n, jsonb_build_object('country', (array['DE', 'FR', 'US', 'IN', 'BR'])[1 + n / 100 % 5]), array['nightly'], t.at,
    'hour', t.at, 'warehouse', 'sum'
  from generate_series(1, $1::int) as n, lateral (select now() - n * interval '10 seconds' as at) as t`;

const TABLES = [
  'experiments.assignments',
  'whatsapp.accounts',
  'whatsapp.templates',
  'private.whatsapp_access_tokens',
  'private.webhook_inbox',
  'onboarding.step_activities',
  'analytics.metrics',
];

export const load = async ({ sql, client, size, say, signal }) => {
  const part = (name) => Math.max(USERS, Math.ceil(FULL[name] * size));
  await sql('set session_replication_role = replica');
  // Leads that have asked for messages and not confirmed yet.
  await sql(`update marketing.leads set opt_in_status = 'pending' where email_normalized = any (
    array(select 'person' || n || '@domain' || n % 5000 || '.example' from generate_series(0, ${USERS - 1}) as n))`);
  await sql(EXPERIMENTS);
  const left = [
    [UNITS, 'units'],
    [ACCOUNTS, 'accounts'],
    [TEMPLATES, 'accounts'],
    [TOKENS, 'accounts'],
    [INBOX, 'inbox'],
    [ACTIVITIES, 'activities'],
    [METRICS, 'metrics'],
  ];
  const rows = () =>
    onTwo(sql, client, async (each) => {
      await each('set session_replication_role = replica');
      for (let next = left.shift(); next; next = left.shift()) {
        signal.throwIfAborted();
        await each(next[0], [part(next[1])]);
      }
    });
  await withoutIndexes(sql, TABLES, rows, { client, say, signal });
  await sql('set session_replication_role = default');
  for (const table of ['marketing.leads', ...TABLES]) await sql(`vacuum analyze ${table}`);
  say('experiments, accounts of WhatsApp, activities and metrics');
};

/** JSON with the number of the user in the place of {n}, as SQL. */
const numbered = (value) => (n) => `replace('${JSON.stringify(value)}', '{n}', (${n})::text)::jsonb`;
const named = (name, value) => {
  const json = numbered(value);
  return (n) => `${name} => ${json(n)}`;
};

const LEAD = {
  email: 'somebody{n}@new.example',
  first_name: 'Ada',
  company_name: 'Analytical Engines',
  notes: 'Please call me.',
  utm_source: 'source 7',
};
const EVENTS = Array.from({ length: 10 }, (_, n) => ({
  name: 'page_view',
  type: 'page_view',
  session_id: 'session of user {n}',
  properties: { path: `/p/${n}` },
}));
const CHANGES = {
  messaging_product: 'whatsapp',
  metadata: { display_phone_number: '15551000000', phone_number_id: '{phone}' },
  messages: [
    {
      from: '16501234567',
      id: `wamid.${randomUUID()}{n}`,
      timestamp: '1751247548',
      type: 'text',
      text: { body: 'Hello' },
    },
  ],
};
const WEBHOOK = {
  object: 'whatsapp_business_account',
  entry: [{ id: '{account}', changes: [{ field: 'messages', value: CHANGES }] }],
};
/** A message to the account of the user. */
const delivered = (n) =>
  `replace(replace(${numbered(WEBHOOK)(n)}::text, '{phone}', (20000000 + ${n})::text), '{account}', (10000000 + ${n})::text)::jsonb`;
const session = (n) => `session_token => 'rgs_' || lpad(to_hex(${n}), 64, '0')`;

const PAGE = 'The edge answers it without the database.';

export const endpoints = () => ({
  'POST /v1/leads': {
    caller: anybody,
    with: named('lead', LEAD),
    holds: `answer ->> 'status' = 'received'`,
    why: 'The address is looked up by its index, and a row goes into the table and its indexes.',
  },
  'GET /v1/leads/confirm': PAGE,
  'POST /v1/leads/confirm': {
    caller: anybody,
    place: `select array(select marketing.confirmation_token(l, now() + interval '1 day') from marketing.leads as l
      where l.opt_in_status = 'pending' order by l.id limit ${USERS}) as tokens`,
    with: (n, { tokens }) => `token => ('{${tokens}}'::text[])[1 + ${n}]`,
    holds: `answer ->> 'status' = 'confirmed'`,
    why: 'The token names the lead, which is found by its key. Its new version costs each index an entry, unless there happens to be room for it in the same block.',
  },
  'GET /forms': PAGE,
  'GET /forms/': PAGE,
  'GET /forms/thanks': PAGE,
  'GET /forms/style.css': PAGE,
  'GET /forms/{source}': PAGE,
  'POST /v1/onboarding/sessions': {
    caller: anybody,
    with: named('session', { email: 'person{n}@domain{n}.example', business_data: { industry: 'retail' } }),
    holds: `answer ->> 'session_token' like 'rgs_%'`,
    why: 'The lead is looked up by its address, and a row is added.',
  },
  'GET /v1/onboarding/session': {
    caller: anybody,
    with: session,
    holds: `answer ->> 'status' = 'in_progress'`,
    why: 'The session is found by the hash of its token.',
  },
  'PATCH /v1/onboarding/session': {
    caller: anybody,
    with: (n) => `${session(n)}, change => '{"step": "business_info", "data": {"industry": "retail"}}'`,
    holds: `answer #>> '{steps,0,step}' = 'business_info'`,
    why: 'The session is found by the hash of its token.',
  },
  'POST /v1/onboarding/activities': {
    caller: anybody,
    with: (n) => `${session(n)}, activity => '{"activity_type": "step_view"}'`,
    holds: `answer ->> 'accepted' = '1'`,
    why: 'The session is found by the hash of its token, its activities by their index.',
  },
  'POST /v1/events': {
    caller: anybody,
    with: named('events', EVENTS),
    holds: `(answer ->> 'accepted')::int = 10`,
    why: 'Ten rows are added; those that sum them up do so later.',
  },
  'POST /v1/experiments/assign': {
    caller: anybody,
    with: (n) => `session_id => 'session of user ' || ${n}`,
    holds: `jsonb_array_length(answer -> 'assignments') = 5`,
    why: 'Each of five running experiments is looked up by the unit, and gets a row.',
  },
  'POST /v1/experiments/exposures': {
    caller: anybody,
    with: named('exposures', { session_id: 'session 1{n}', exposures: [{ experiment_id: EXPERIMENT }] }),
    holds: `answer -> 'rejected' = '[]'`,
    why: 'The assignment is found by the experiment and the unit.',
  },
  'GET /v1/experiments/{id}/results': {
    caller: admin,
    with: `experiment_id => '${EXPERIMENT}'`,
    holds: `(answer #>> '{variants,0,units}')::int > 0`,
    why: 'An admin’s report.',
    grows:
      'It counts all units of the experiment and the events that are its metric. At full size their blocks do not fit into the shared buffers and are copied from the operating system; with none of theirs there, the smaller sizes take about twice as long.',
    contends: 'A call keeps a core busy; nobody asks for it a hundred times at once.',
  },
  'GET /v1/whatsapp/webhook': {
    caller: anybody,
    // The accounts that were made last: a search through all of them would find the first ones at once.
    place: 'select count(*) from whatsapp.accounts',
    with: (n, { count }) => `token => 'verify token ' || ${count} - 1 - ${n}`,
    holds: 'answer',
    why: 'The account is found by the hash of its token.',
  },
  'POST /v1/whatsapp/webhook': {
    caller: anybody,
    with: (n) => `payload => ${delivered(n)}`,
    holds: `answer ->> 'applied' = '1'`,
    why: 'A row goes into the inbox; its account is found by its number.',
  },
  'PUT /v1/whatsapp/accounts/{id}/access-token': {
    caller: { sub: (n) => `md5('owner ' || ${n})::uuid` },
    with: (n) =>
      `account_id => ${account(n)}, owner_id => (md5('owner ' || ${n})::uuid)::text, sealed => '${SEALED}', key_version => 1`,
    holds: `answer ->> 'updated_at' is not null`,
    why: 'The account and its token are found by the account’s key.',
  },
  'DELETE /v1/whatsapp/accounts/{id}/access-token': {
    caller: { sub: (n) => `md5('owner ' || ${n})::uuid` },
    with: (n) => `account_id => ${account(n)}`,
    holds: 'answer',
    why: 'The account and its token are found by the account’s key.',
  },
  'GET /v1/admin/leads.csv':
    'It gives all leads, a page at a time by their key: its cost is their number by definition.',
});

/** A lead of the first ones. */
const lead = (n) => `'person' || ${n} || '@domain' || ${n} % 5000 || '.example'`;

export const writes = () => ({
  'a lead is qualified': {
    caller: admin,
    write: (n) =>
      `update marketing.leads set status = 'qualified' where email_normalized = ${lead(n)} and deleted_at is null`,
    why: 'The lead is found by its address.',
  },
  'a call with a lead is noted': {
    caller: admin,
    write: (n) => `insert into marketing.lead_interactions (lead_id, interaction_type, subject)
      select l.id, 'call', 'A call' from marketing.leads as l where l.email_normalized = ${lead(n)} and l.deleted_at is null`,
    why: 'The lead is found by its address, and a row is added.',
  },
});

export const functions = () => ({
  'experiments.override_assignment': {
    caller: admin,
    with: (n) => `experiment_id => '${EXPERIMENT}', variant_id => 'other', session_id => 'session ' || 1000 + ${n}`,
    holds: `answer -> 0 ->> 'variant_id' = 'other'`,
    why: 'The experiment and the session’s assignment are found by their keys.',
  },
  'marketing.lead_field_names': 'It reads all leads once, before an export that does the same.',
  'marketing.gdpr_delete_user_data': {
    caller: admin,
    with: `email => '${PERSON}'`,
    holds: `answer -> 0 -> 'kept' is not null`,
    why: 'Each table is asked by its indexes of addresses, sessions and mentions, and what is found is deleted.',
    contends: 'Exports and erasures go one at a time.',
  },
});

export const steps = () => ({
  'edge.running_experiments': 'The edge asks once a minute, and few experiments run at once.',
});
