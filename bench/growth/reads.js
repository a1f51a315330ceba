// The hot reads of growth, for npm run bench -- scale. Admins read everything, so that no condition is left to be written out.
import { onTwo, withoutIndexes } from '../load.js';
import { embedded, explainedBy, owned, selected, user } from '../scale/lists.js';
import { loadEvents, loadLeads } from './load.js';
import { DASHBOARD, LOOKUP } from './queries.js';

const FULL = { leads: 1_000_000, events: 10_000_000, sessions: 100_000 };
const sizesOf = (size) =>
  Object.fromEntries(Object.entries(FULL).map(([name, full]) => [name, Math.ceil(full * size)]));

/** The person who asks for what is held on them. Their form has named a session and a browser. */
export const PERSON = 'person7@domain7.example';

/** Each span of time, and whether the events of all names are summed up in it, too. */
const SPANS = { minute: false, hour: false, day: true, week: true, month: true };

/** How many events of a name a session has in a minute: half as many rows as events, from which all spans are counted. */
const VISITS = `create unlogged table private.bench_visits as
  select type, name, date_trunc('minute', occurred_at, 'UTC') as minute, substr(session_id, 9)::int as session, user_id, country, device_type,
    count(*) as events
  from analytics.events group by 1, 2, 3, 4, 5, 6, 7`;

const summed = ([span, ofAll]) => `
  insert into analytics.event_aggregations (id, event_type, event_name, granularity, time_bucket, event_count, unique_users, unique_sessions)
  select analytics.aggregation_id(type, name, '${span}', start), type, name, '${span}', start, sum(events), count(distinct user_id),
    count(distinct session)
  from (select *, date_trunc('${span}', minute, 'UTC') as start from private.bench_visits) as v
  group by grouping sets ((type, name, start)${ofAll ? ', (start)' : ''})`;

/** Hours by country, and by the kind of device. */
const BY_DIMENSION = `
  insert into analytics.event_aggregations (id, event_type, event_name, granularity, time_bucket, dimensions, event_count)
  select analytics.aggregation_id(type, name, 'hour', hour, dimensions::text), type, name, 'hour', hour, dimensions, events
  from (
    select type, name, hour, sum(events) as events,
      case grouping(country) when 0 then jsonb_build_object('country', country) else jsonb_build_object('device_type', device_type) end as dimensions
    from (select *, date_trunc('hour', minute, 'UTC') as hour from private.bench_visits) as v
    group by grouping sets ((type, name, hour, country), (type, name, hour, device_type))
  ) as d`;

/**
 * The sums that process_pending_events makes, from all events at once. Whom it has counted is left out (private.event_actors): only it and the
 * erasure of a person read that.
 */
const addUp = async (sql, { client, say, signal }) => {
  const begin = `set work_mem = '256MB'`;
  await sql(begin);
  await sql(VISITS);
  await sql('analyze private.bench_visits');
  const left = [...Object.entries(SPANS).map(summed), BY_DIMENSION];
  const rows = () =>
    onTwo(sql, client, async (each) => {
      await each(begin);
      for (let next = left.shift(); next; next = left.shift()) {
        signal.throwIfAborted();
        await each(next);
      }
    });
  await withoutIndexes(sql, ['analytics.event_aggregations'], rows, { client, say, signal });
  await sql('drop table private.bench_visits');
  await sql('reset work_mem');
  await sql('update private.event_watermark set ingest_seq = (select max(ingest_seq) from analytics.events)');
};

export const load = async ({ sql, client, size, say, signal }) => {
  const sizes = { ...sizesOf(size), client, say, signal };
  await loadLeads(sql, sizes);
  await sql(
    `update marketing.leads set metadata = named.fields, last_touch = jsonb_build_object('fields', named.fields)
     from (select jsonb_build_object('session_id', 'session 1002', 'anonymous_id', 'browser 1002') as fields) as named
     where email_normalized = $1`,
    [PERSON],
  );
  await loadEvents(sql, sizes);
  say('adding up what was loaded');
  await addUp(sql, { client, say, signal });
  await sql('vacuum analyze analytics.event_aggregations');
};

const ADMIN = user('00000000-0000-4000-8000-000000000001', { app_metadata: { role: 'admin' } });

/** A statement with its only value, which is a text, written into it. */
const filled = ({ query, values }) => query.replaceAll('$1', `'${values(1)[0]}'`);

const leads = (name, where, rest = 'order by created_at desc, id desc limit 50') => ({
  name,
  query: `select * from marketing.leads where ${where} ${rest}`,
});

/** Leads with the latest of what happened with them. */
const LEADS_WITH_INTERACTIONS = selected({
  columns: 'l.id, l.email, l.status, e.list as lead_interactions',
  from: `marketing.leads as l ${embedded({
    from: 'marketing.lead_interactions as i',
    columns: 'i.id, i.interaction_type, i.created_at',
    on: 'i.lead_id = l.id',
    rest: 'order by i.created_at desc limit 5',
  })}`,
  conditions: ['l.deleted_at is null'],
  rest: 'order by l.created_at desc, l.id desc limit 20',
});

/** md5('owner 7'), of endpoints.js. */
const OWNER = '8e3eb993-83d9-2050-8b11-39e950db60cc';
const TEMPLATES = (where) =>
  `select id, template_name, language, status from whatsapp.templates ${where} order by template_name, language`;

/** A page of the export as the edge asks for it. */
const exported = ({ at, id }) => {
  const query = `select id, created_at, cells, metadata from marketing.leads_csv
    where created_at <= '${at}' and (created_at < '${at}' or (created_at = '${at}' and id < '${id}'))
    order by created_at desc, id desc limit 200`;
  return { name: 'a page of the export of leads, in its middle', claims: ADMIN, query, bare: query };
};
const MIDDLE_OF_LEADS = (size) =>
  `select created_at::text as at, id from marketing.leads order by created_at desc, id desc offset ${Math.ceil((FULL.leads * size) / 2)} limit 1`;

const NEWEST = 'An index gives the newest ones.';
const SAID = {
  'the second page of a campaign’s leads, with their number': {
    why: 'The index of campaigns gives them.',
    grows: 'All of them are counted: in a large table, from the index alone.',
  },
  'the latest 20 leads, each with what happened with them': NEWEST,
  'the latest 20 sessions of onboarding': NEWEST,
  'the experiments': 'A table of a few rows, which does not grow.',
  'the experiments of a session': 'An index gives the session’s; there are as many as experiments.',
  'what happened in a session of onboarding': 'An index gives the activities of one session.',
  'the latest 100 values of a metric': NEWEST,
  'the templates of an owner': 'An index gives the accounts of one owner, and one the templates of each.',
  'a page of the export of leads, in its middle': 'An index gives the page from its first row on.',
  'the accounts of an owner': 'An index gives the accounts of one owner.',
  'the latest 50 leads': NEWEST,
  'the latest 50 new leads':
    'An index gives the newest ones; how many share a block depends on where there was room for the new versions of changed leads.',
  'leads of a campaign': 'The index of campaigns gives the newest ones.',
  'leads of a company': {
    why: 'The words of a name are looked up in an index.',
    grows: 'More names have these letters where there are more leads.',
  },
  'a lead by address': 'A look-up of one row.',
  'dashboard: page views of each of 30 days': 'Sums of days: thirty rows at any size.',
  'dashboard: active users by day, week and month': 'Sums: some forty rows at any size.',
  'dashboard: most frequent events this month': 'Sums of months: as many rows as there are names of events.',
  'dashboard: page views by country, hour by hour, of 24 hours': 'Sums of hours: as many rows as countries and hours.',
  'dashboard: the latest 100 conversions': NEWEST,
  'dashboard: what one session did': 'The events of a session are found by their index; there are twelve.',
  'dashboard: what one user did, the latest 100': NEWEST,
  'everything that is held on a person': {
    why: 'Each table is asked by its indexes of addresses, sessions and mentions.',
    contends: 'Exports and erasures go one at a time.',
  },
};

const list = ({ size }) => [
  ...[
    leads('the latest 50 leads', 'deleted_at is null'),
    leads('the latest 50 new leads', `status = 'new'`),
    leads('leads of a campaign', `utm_source = 'source 7' and utm_campaign = 'campaign 7'`),
    {
      name: 'the second page of a campaign’s leads, with their number',
      query: selected({
        ...{ from: 'marketing.leads', conditions: [`utm_source = 'source 7' and utm_campaign = 'campaign 7'`] },
        ...{ rest: 'order by created_at desc, id desc limit 50 offset 50', counted: true },
      }),
    },
    { name: 'the latest 20 leads, each with what happened with them', query: LEADS_WITH_INTERACTIONS },
    {
      name: 'the latest 20 sessions of onboarding',
      query: 'select id, status, current_step, started_at from onboarding.sessions order by started_at desc limit 20',
    },
    // Of endpoints.js.
    { name: 'the experiments', query: 'select * from experiments.experiments order by created_at desc, id' },
    {
      name: 'the experiments of a session',
      query: `select experiment_id, variant_id, assigned_at, exposure_count from experiments.assignments where session_id = 'session 7' order by experiment_id`,
    },
    {
      name: 'what happened in a session of onboarding',
      query: `select * from onboarding.step_activities where session_id = (
        select id from onboarding.sessions order by session_token_hash limit 1) order by created_at, id`,
    },
    {
      name: 'the latest 100 values of a metric',
      query: `select * from analytics.metrics where name = 'metric 7' order by timestamp desc limit 100`,
    },
    { name: 'a lead by address', query: filled(LOOKUP(sizesOf(size))) },
    ...DASHBOARD.map((each) => ({ name: each.name, query: filled(each) })),
  ].map((read) => ({ ...read, claims: ADMIN, bare: read.query })),
  owned(OWNER, {
    name: 'the accounts of an owner',
    from: 'whatsapp.accounts',
    columns: 'id, phone_number, display_name, is_verified',
    rest: 'order by created_at, id',
    key: 'owner_id',
  }),
  {
    name: 'the templates of an owner',
    claims: user(OWNER),
    query: TEMPLATES(''),
    bare: TEMPLATES(`where account_id in (select a.id from whatsapp.accounts as a where a.owner_id = '${OWNER}')`),
  },
  {
    ...exported({}),
    place: MIDDLE_OF_LEADS(size),
    query: (row) => exported(row).query,
    bare: (row) => exported(row).bare,
  },
  {
    name: 'leads of a company',
    claims: ADMIN,
    query: `select * from marketing.leads_of_company('company 777', 20)`,
    bare: leads('', `company_name ilike '%company 777%'`, 'order by created_at desc, id desc limit 20').query,
  },
  {
    name: 'everything that is held on a person',
    claims: { role: 'service_role' },
    query: `select marketing.gdpr_export_user_data('${PERSON}')`,
  },
];

export const reads = ({ size }) => explainedBy(list({ size }), SAID);
