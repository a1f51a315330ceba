-- Sample events of 30 days: some 3,000, of 400 sessions, a third of them signed in; and a few figures. Local databases only;
-- loading them twice changes nothing. Sessions are those of the sample experiments, so that there are results to look at.
insert into analytics.events (id, type, name, user_id, session_id, anonymous_id, properties, url, device_type, browser, os, country, received_at, occurred_at)
select
  case
    -- Before the first month that has a partition an id cannot tell its time.
    when at < (select min(m.month) from private.event_months as m) then analytics.undated_id(md5(session || ' ' || step)::uuid)
    else (left(analytics.first_id(at)::text, 13) || '-7' || substr(md5(session || ' ' || step), 1, 3) || '-8' || substr(md5(session || ' ' || step), 4, 3)
      || '-' || substr(md5(session || ' ' || step), 7, 12))::uuid
  end,
  kind, name,
  case when session % 3 = 0 then md5('sample user ' || session % 40)::uuid end,
  'sample-session-' || session, 'sample-visitor-' || session % 150,
  jsonb_build_object('path', path, 'plan', (array['free', 'pro', 'team'])[1 + session % 3]),
  'https://www.example.org' || path, (array['desktop', 'mobile', 'tablet'])[1 + session % 3],
  (array['Chrome', 'Safari', 'Firefox'])[1 + session % 3], (array['Windows', 'iOS', 'Linux'])[1 + session % 3],
  (array['DE', 'FR', 'AT', 'CH'])[1 + session % 4], at, at
from generate_series(1, 400) as session
cross join lateral (
  values
    (1, 'page_view', 'page_view', '/', true), (2, 'page_view', 'page_view', '/pricing', true),
    (3, 'user_action', 'plan_compared', '/pricing', session % 2 = 0), (4, 'page_view', 'page_view', '/docs', true),
    (5, 'user_action', 'video_played', '/', session % 3 = 0), (6, 'page_view', 'page_view', '/sign-up', true),
    (7, 'user_action', 'form_started', '/sign-up', true), (8, 'conversion', 'signup_completed', '/sign-up', session % 5 = 0),
    (9, 'conversion', 'demo_requested', '/demo', session % 7 = 0), (10, 'system', 'session_ended', '/', true)
) as journey (step, kind, name, path, happens)
cross join lateral (
  select now() - interval '30 days' + (session * 7 % 400) * interval '107 minutes' + step * interval '40 seconds' as at
) as clock
where happens and at < now()
  and not exists (select from analytics.events as e where e.session_id = 'sample-session-1');

select analytics.process_pending_events();

insert into analytics.metrics (name, description, type, value_numeric, dimensions, tags, timestamp, granularity, source, aggregation, sample_count)
select 'answer_time_ms', 'Median time to the first answer on WhatsApp', 'gauge', 900 + n * 7 % 400, '{"channel": "whatsapp"}', '{sample}',
  date_trunc('day', now()) - make_interval(days => n), 'day', 'sample data', 'p50', 100 + n
from generate_series(1, 30) as n
where not exists (select from analytics.metrics as m where m.tags @> '{sample}');
