-- Two running experiments with assignments, as the hash makes them. Local databases only; loading them twice changes nothing.
insert into experiments.experiments (
  id, name, description, hypothesis, status, start_date, traffic_percentage, control_variant, test_variants, targeting_rules,
  namespace, primary_metric, created_at
)
values
  (
    'e0000000-0000-4000-8000-000000000001', 'Sign-up button', 'The button of the start page.', 'A verb gets more people to sign up.',
    'running', now() - interval '14 days', 100, '{"id": "control", "name": "Sign up", "weight": 0.5}',
    '[{"id": "start", "name": "Start for free", "weight": 0.5}]', '{}', null, 'signup_completed', now() - interval '15 days'
  ),
  (
    'e0000000-0000-4000-8000-000000000002', 'Pricing table', 'Three forms of the pricing page.', 'Fewer columns sell more.',
    'running', now() - interval '7 days', 80, '{"id": "control", "name": "Four columns", "weight": 0.34}',
    '[{"id": "three", "name": "Three columns", "weight": 0.33}, {"id": "two", "name": "Two columns", "weight": 0.33}]',
    '{"exclude_countries": ["US"]}', '{"id": "pricing", "start": 0, "end": 0.5}', 'demo_requested', now() - interval '8 days'
  )
on conflict (id) do nothing;

-- Some sessions have been given a variant, most of them have seen it, some more than once.
insert into experiments.assignments (
  id, experiment_id, unit_key, session_id, variant_id, bucket_version, country, assigned_at, first_exposure_at, last_exposure_at,
  exposure_count
)
select
  md5(e.id || ' ' || n)::uuid, e.id, 'session:sample-session-' || n, 'sample-session-' || n, placed.variant_id, e.bucket_version, 'DE',
  began.at, case when seen.times > 0 then began.at end,
  case when seen.times > 0 then began.at + make_interval(mins => (seen.times - 1) * 7) end, seen.times
from experiments.experiments as e
cross join generate_series(1, 400) as n
cross join lateral (select private.variant_of(e, 'sample-session-' || n, 'DE') as variant_id) as placed
cross join lateral (select e.start_date + make_interval(mins => n * 20) as at) as began
cross join lateral (select n % 4 as times) as seen
where e.id in ('e0000000-0000-4000-8000-000000000001', 'e0000000-0000-4000-8000-000000000002') and placed.variant_id is not null
on conflict (experiment_id, unit_key) do nothing;
