// Rows at the sizes that the figures are about: leads, events as people make them, onboarding sessions.
import { withoutIndexes } from '../indexes.js';

const MILLION = 1_000_000;

const LEADS = `insert into marketing.leads (email, email_normalized, email_domain, source, status, utm_source, utm_campaign, company_name, created_at)
  select e, e, split_part(e, '@', 2), (marketing.lead_sources())[1 + n % 5], (array['new', 'contacted', 'qualified', 'converted', 'lost'])[1 + n % 5],
    'source ' || n % 20, 'campaign ' || n % 50, 'Company ' || n, now() - n * interval '30 seconds'
  from (select n, 'person' || n || '@domain' || n % 5000 || '.example' as e from generate_series($1::int, $2::int) as n) as l`;

// Sessions of twelve events, most of them page views; a third of the sessions signed in, and of a known browser.
const EVENTS = `insert into analytics.events (id, type, name, user_id, session_id, anonymous_id, properties, device_type, country, received_at, occurred_at)
  select (left(analytics.first_id(at)::text, 13) || '-7' || substr(md5(n::text), 1, 3) || '-8' || substr(md5(n::text), 4, 3) || '-' || substr(md5(n::text), 7, 12))::uuid,
    case when n % 12 < 8 then 'page_view' when n % 12 < 11 then 'user_action' else 'conversion' end,
    case when n % 12 < 8 then 'page_view' when n % 12 < 11 then 'action ' || n % 20 else 'conversion ' || n % 5 end,
    case when n / 12 % 3 = 0 then md5('user ' || n / 12 % greatest($4::int / 40, 1))::uuid end, 'session ' || n / 12, case when n / 12 % 3 = 0 then 'browser ' || n / 12 end,
    jsonb_build_object('path', '/p/' || n % 300, 'plan', n % 5), (array['desktop', 'mobile', 'tablet'])[1 + n / 12 % 3], (array['DE', 'FR', 'US', 'IN', 'BR'])[1 + n / 12 % 5], at, at
  from (select n, $3::timestamptz - n * (interval '30 days' / $4::int) as at from generate_series($1::int, $2::int) as n) as e`;

const SESSIONS = `insert into onboarding.sessions (session_token_hash, status, last_activity_at)
  select sha256(convert_to('rgs_' || lpad(to_hex(n), 64, '0'), 'UTF8')), 'in_progress', now() from generate_series($1::int, $2::int) as n`;

const inParts = async (total, size, work) => {
  for (let from = 0; from < total; from += size) await work(from, Math.min(from + size, total) - 1);
};

const part =
  (sql, { say, signal }, name, statement, more = []) =>
  async (from, to) => {
    signal.throwIfAborted();
    await sql(statement, [from, to, ...more]);
    say(`${name}: ${((to + 1) / MILLION).toFixed(2)} million`);
  };

/** Leads and sessions of onboarding. `say` gets the progress. */
export const loadLeads = async (sql, { leads, sessions, ...rest }) => {
  await inParts(leads, MILLION / 4, part(sql, rest, 'leads', LEADS));
  await inParts(sessions, MILLION / 4, part(sql, rest, 'onboarding sessions', SESSIONS));
  for (const table of ['marketing.leads', 'onboarding.sessions']) await sql(`vacuum analyze ${table}`);
};

/** Events of 30 days. */
export const loadEvents = async (sql, { events, ...rest }) => {
  const rows = () => inParts(events, MILLION / 4, part(sql, rest, 'events', EVENTS, [new Date(), events]));
  await withoutIndexes(sql, ['analytics.events'], rows, rest);
  await sql('vacuum analyze analytics.events');
};
