// Rows at the sizes that the figures are about: leads, events as people make them, onboarding sessions.
import { inParts, withoutIndexes } from '../load.js';

/** Rows for each statement. */
const PART = 250_000;

const LEADS = `insert into marketing.leads (email, email_normalized, email_domain, source, status, utm_source, utm_campaign, company_name, created_at)
  select e, e, split_part(e, '@', 2), (marketing.lead_sources())[1 + n % 5], (array['new', 'contacted', 'qualified', 'converted', 'lost'])[1 + n % 5],
    'source ' || n % 20, 'campaign ' || n % 50, 'Company ' || n, now() - n * interval '30 seconds'
  from (select n, 'person' || n || '@domain' || n % 5000 || '.example' as e from generate_series($1::int, $2::int) as n) as l`;

// Sessions of twelve events, most of them page views; a third of the sessions signed in, and of a known browser. What repeats is made once.
const EVENTS = `with kinds as materialized (
    select k, case when k % 12 < 8 then 'page_view' when k % 12 < 11 then 'user_action' else 'conversion' end as type,
      case when k % 12 < 8 then 'page_view' when k % 12 < 11 then 'action ' || k % 20 else 'conversion ' || k % 5 end as name,
      jsonb_build_object('path', '/p/' || k, 'plan', k % 5) as properties
    from generate_series(0, 299) as k
  )
  insert into analytics.events (id, type, name, user_id, session_id, anonymous_id, properties, device_type, country, received_at, occurred_at)
  select (lpad(to_hex((extract(epoch from $3::timestamptz) * 1000)::bigint - n * 2592000000 / $4::int), 12, '0') || '7' || left(hash, 3) || '8' || substr(hash, 4, 15))::uuid,
    k.type, k.name, case when s % 3 = 0 then md5('user ' || s % greatest($4::int / 40, 1))::uuid end, 'session ' || s, case when s % 3 = 0 then 'browser ' || s end,
    k.properties, (array['desktop', 'mobile', 'tablet'])[1 + s % 3], (array['DE', 'FR', 'US', 'IN', 'BR'])[1 + s % 5], at, at
  from (
    select n, n / 12 as s, md5(n::text) as hash, $3::timestamptz - n * (interval '30 days' / $4::int) as at
    from generate_series($1::bigint, $2::bigint) as n offset 0
  ) as e inner join kinds as k on k.k = n % 300`;

const SESSIONS = `insert into onboarding.sessions (session_token_hash, status, last_activity_at)
  select sha256(convert_to('rgs_' || lpad(to_hex(n), 64, '0'), 'UTF8')), 'in_progress', now() from generate_series($1::int, $2::int) as n`;

/** Leads and sessions of onboarding. `say` gets the progress; client: that of `sql`, where two statements may run at once. */
export const loadLeads = async (sql, { leads, sessions, ...rest }) => {
  const tables = ['marketing.leads', 'onboarding.sessions'];
  const rows = async () => {
    await inParts(sql, { ...rest, total: leads, name: 'leads', statement: LEADS, part: PART });
    await inParts(sql, { ...rest, total: sessions, name: 'onboarding sessions', statement: SESSIONS, part: PART });
  };
  await withoutIndexes(sql, tables, rows, rest);
  for (const table of tables) await sql(`vacuum analyze ${table}`);
};

/** Events of 30 days. */
export const loadEvents = async (sql, { events, ...rest }) => {
  const more = [new Date(), events];
  const rows = () => inParts(sql, { ...rest, total: events, name: 'events', statement: EVENTS, part: PART, more });
  await withoutIndexes(sql, ['analytics.events'], rows, rest);
  await sql('vacuum analyze analytics.events');
};
