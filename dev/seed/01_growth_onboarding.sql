-- Sample onboardings of the sample leads. Local databases only; loading them twice changes nothing. Nobody has their tokens.
insert into onboarding.sessions (
  id, lead_id, session_token_hash, status, business_info_completed_at, whatsapp_integration_completed_at, bot_setup_completed_at,
  testing_completed_at, completed_at, started_at, last_activity_at, abandoned_at, user_agent, network, business_data, whatsapp_config, bot_config
)
select
  journey.id::uuid, lead.id, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), journey.status,
  case when done > 0 then start + interval '4 minutes' end, case when done > 1 then start + interval '11 minutes' end,
  case when done > 2 then start + interval '19 minutes' end, case when done > 3 then start + interval '24 minutes' end,
  case when done > 3 then start + interval '24 minutes' end, start, start + journey.busy,
  case when journey.status = 'abandoned' then start + journey.busy + interval '2 hours' end,
  journey.user_agent, journey.network::inet, journey.business_data::jsonb, journey.whatsapp_config::jsonb, journey.bot_config::jsonb
from (
  values
    ('0b000000-0000-4000-8000-000000000001', 'customer@shop.example', 'completed', 4, interval '69 days', interval '24 minutes', 'Mozilla/5.0 (Macintosh)', '192.0.2.0/24',
      '{"name": "Shop", "industry": "retail", "company_size": "11-50", "country": "DE"}', '{"display_name": "Shop", "connection_method": "embedded_signup", "has_access_token": true}', '{"bot_template": "order_status", "language": "de"}'),
    ('0b000000-0000-4000-8000-000000000002', 'ada@lovelace.example', 'in_progress', 2, interval '40 minutes', interval '31 minutes', 'Mozilla/5.0 (X11; Linux x86_64)', '198.51.100.0/24',
      '{"name": "Analytical Engines", "industry": "manufacturing", "company_size": "1-10", "country": "GB"}', '{"display_name": "Analytical Engines", "connection_method": "manual", "has_access_token": true}', '{"bot_template": "faq"}'),
    ('0b000000-0000-4000-8000-000000000003', 'grace@hopper.example', 'abandoned', 1, interval '5 days', interval '13 minutes', 'Mozilla/5.0 (Windows NT 10.0)', '203.0.113.0/24',
      '{"name": "Flow-Matic", "industry": "software", "company_size": "51-200", "country": "US"}', '{"display_name": "Flow-Matic"}', '{}'),
    ('0b000000-0000-4000-8000-000000000004', 'zoe@müller.example', 'not_started', 0, interval '20 minutes', interval '0 minutes', 'Mozilla/5.0 (iPhone)', '2001:db8:1::/48', '{}', '{}', '{}'),
    -- Somebody who gave no address.
    ('0b000000-0000-4000-8000-000000000005', null, 'abandoned', 0, interval '3 days', interval '2 minutes', 'Mozilla/5.0 (Android 15)', null, '{"industry": "food"}', '{}', '{}')
) as journey (id, email, status, done, ago, busy, user_agent, network, business_data, whatsapp_config, bot_config)
cross join lateral (select now() - journey.ago as start) as times
left join marketing.leads as lead on lead.email_normalized = journey.email and lead.deleted_at is null
on conflict (id) do nothing;

insert into onboarding.step_activities (
  id, session_id, step, activity_type, field_name, field_value, error_message, time_spent_seconds, metadata, created_at
)
select
  md5('sample activity ' || happened.n)::uuid, session.id, happened.step, happened.activity_type, happened.field_name,
  happened.field_value, happened.error_message, happened.seconds, happened.metadata::jsonb, session.started_at + happened.after
from (
  values
    (1, 1, 'business_info', 'step_view', null, null, null, null, '{}', interval '5 seconds'),
    (2, 1, 'business_info', 'field_change', 'industry', 'retail', null, 6, '{}', interval '40 seconds'),
    (3, 1, 'business_info', 'field_change', 'company_name', '[redacted]', null, 11, '{}', interval '1 minute'),
    (4, 1, 'business_info', 'step_complete', null, null, null, 235, '{}', interval '4 minutes'),
    (5, 1, 'whatsapp_integration', 'step_view', null, null, null, null, '{}', interval '4 minutes 2 seconds'),
    (6, 1, 'whatsapp_integration', 'validation_error', 'phone_number', '[redacted]', '[redacted] is not a number that can receive a code', 15, '{"attempt": 1}', interval '6 minutes'),
    (7, 1, 'whatsapp_integration', 'help_opened', null, null, null, null, '{"article": "phone-number"}', interval '7 minutes'),
    (8, 1, 'whatsapp_integration', 'step_complete', null, null, null, 418, '{}', interval '11 minutes'),
    (9, 1, 'bot_setup', 'field_change', 'bot_template', 'order_status', null, 31, '{}', interval '12 minutes'),
    (10, 1, 'bot_setup', 'step_complete', null, null, null, 478, '{}', interval '19 minutes'),
    (11, 1, 'testing', 'test_message_sent', null, null, null, null, '{"delivered": true}', interval '21 minutes'),
    (12, 1, 'testing', 'step_complete', null, null, null, 300, '{}', interval '24 minutes'),
    (13, 2, 'business_info', 'step_view', null, null, null, null, '{}', interval '3 seconds'),
    (14, 2, 'business_info', 'step_complete', null, null, null, 230, '{}', interval '4 minutes'),
    (15, 2, 'whatsapp_integration', 'step_complete', null, null, null, 420, '{}', interval '11 minutes'),
    (16, 2, 'bot_setup', 'field_change', 'bot_template', 'faq', null, 12, '{}', interval '15 minutes'),
    (17, 2, 'bot_setup', 'validation_error', 'greeting', '[redacted]', 'At most 300 characters', 44, '{"length": 412}', interval '31 minutes'),
    (18, 3, 'business_info', 'step_complete', null, null, null, 240, '{}', interval '4 minutes'),
    (19, 3, 'whatsapp_integration', 'validation_error', 'phone_number', '[redacted]', 'The number is in use by another account', 51, '{"attempt": 1}', interval '8 minutes'),
    (20, 3, 'whatsapp_integration', 'validation_error', 'phone_number', '[redacted]', 'The number is in use by another account', 62, '{"attempt": 2}', interval '10 minutes'),
    (21, 3, 'whatsapp_integration', 'step_leave', null, null, null, 540, '{}', interval '13 minutes'),
    (22, 5, 'business_info', 'step_view', null, null, null, null, '{}', interval '2 seconds'),
    (23, 5, 'business_info', 'field_change', 'industry', 'food', null, 9, '{}', interval '2 minutes')
) as happened (n, journey, step, activity_type, field_name, field_value, error_message, seconds, metadata, after)
join onboarding.sessions as session on session.id = ('0b000000-0000-4000-8000-00000000000' || happened.journey)::uuid
on conflict (id) do nothing;
