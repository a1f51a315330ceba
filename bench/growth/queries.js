// What is asked of the database, with what must be reached, and a rival: the same answer without an index or without the
// aggregations.

const NO_INDEX =
  'set local enable_indexscan = off; set local enable_bitmapscan = off; set local enable_indexonlyscan = off;';

export const LOOKUP = ({ leads }) => ({
  name: `lead by e-mail, ${leads} leads`,
  aim: 'under 0.2 ms',
  most: 0.2,
  query: 'select * from marketing.leads where email_normalized = $1 and deleted_at is null',
  values: (n) => {
    const at = (n * 7919) % leads;
    return [`person${at}@domain${at % 5000}.example`];
  },
  times: 200,
  rival: { name: 'reading the table', settings: NO_INDEX },
});

/** Queries of a dashboard. Where a rival is named it counts the events themselves. */
export const DASHBOARD = [
  {
    name: 'dashboard: page views of each of 30 days',
    query: `select time_bucket, event_count, unique_users, unique_sessions from analytics.event_aggregations
      where event_name = 'page_view' and event_type = 'page_view' and granularity = 'day' and time_bucket > now() - interval '30 days' order by 1`,
    rival: {
      name: 'counting the events',
      query: `select date_trunc('day', occurred_at), count(*), count(distinct user_id), count(distinct session_id) from analytics.events
        where name = 'page_view' and type = 'page_view' and occurred_at > now() - interval '30 days' group by 1 order by 1`,
    },
  },
  {
    name: 'dashboard: active users by day, week and month',
    query: `select granularity, time_bucket, unique_users from analytics.event_aggregations
      where event_type is null and event_name is null and granularity in ('day', 'week', 'month') order by 1, 2`,
  },
  {
    name: 'dashboard: most frequent events this month',
    query: `select event_type, event_name, event_count, unique_sessions from analytics.event_aggregations
      where granularity = 'month' and time_bucket = date_trunc('month', now(), 'UTC') and event_name is not null order by event_count desc limit 20`,
  },
  {
    name: 'dashboard: page views by country, hour by hour, of 24 hours',
    query: `select time_bucket, dimensions ->> 'country', event_count from analytics.event_aggregations
      where event_name = 'page_view' and granularity = 'hour' and time_bucket > now() - interval '24 hours' and dimensions ? 'country' order by 1, 2`,
  },
  {
    name: 'dashboard: the latest 100 conversions',
    query: `select occurred_at, name, session_id, properties from analytics.events where type = 'conversion' order by occurred_at desc limit 100`,
  },
  {
    name: 'dashboard: what one session did',
    query: 'select occurred_at, name, properties from analytics.events where session_id = $1 order by occurred_at',
    values: (n) => [`session ${n * 911}`],
  },
  {
    name: 'dashboard: what one user did, the latest 100',
    query: `select occurred_at, name, session_id from analytics.events where user_id = md5($1)::uuid order by occurred_at desc limit 100`,
    values: (n) => [`user ${n * 3}`],
  },
].map((query) => ({ aim: 'under 20 ms', most: 20, values: () => [], ...query }));

export const STEP = ({ sessions }) => ({
  name: `onboarding step, ${sessions} sessions`,
  aim: 'under 1 ms',
  most: 1,
  query: `select onboarding.step($1, '{"step": "business_info", "data": {"industry": "retail"}}')`,
  values: (n) => [`rgs_${((n * 131) % sessions).toString(16).padStart(64, '0')}`],
  times: 200,
});
