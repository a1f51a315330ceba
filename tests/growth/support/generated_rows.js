// Generated rows of the tables of growth, as one statement each; $1 is how many rows. Values differ from row to row and fill what is
// optional.

/** Statements by table. */
export const rows = {
  'marketing.leads': `insert into marketing.leads (
      email, email_normalized, email_domain, phone_number, company_name, first_name, last_name, source, status, notes,
      interested_features, utm_source, utm_medium, utm_campaign, utm_content, utm_term, referrer, landing_page, first_touch,
      last_touch, user_agent, network, country_code, region, city, submission_key, metadata, submission_count, spam_score,
      spam_reason, is_spam, opt_in_status, opted_in_at, created_at, updated_at, deleted_at)
    select 'Person' || n || '@Example.org', 'person' || n || '@example.org', 'example.org', '+49 30 ' || n, 'Company ' || n, 'First ' || n,
      'Last ' || n, (marketing.lead_sources())[1 + n % 5], (array['new', 'contacted', 'qualified', 'converted', 'lost'])[1 + n % 5],
      repeat('Notes ' || n || E'\\n', 5), array['a', 'b ' || n], 'source ' || n % 7, 'cpc', 'campaign ' || n % 3, 'content', 'term ü ' || n,
      'https://example.org/?n=' || n, 'https://www.example.org/' || n, jsonb_build_object('n', n), jsonb_build_object('n', -n),
      'Mozilla/5.0 ' || n, ('192.0.' || n % 256 || '.0/24')::inet, 'DE', 'Berlin', 'Berlin', 'key ' || n,
      jsonb_build_object('size', n, 'color', 'red'), n, n % 101, case when n % 9 = 0 then 'honeypot' end, n % 9 = 0,
      (array['none', 'pending', 'confirmed', 'revoked'])[1 + n % 4], timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-03' + make_interval(mins => n),
      case when n % 11 = 0 then timestamptz '2026-02-01' end
    from generate_series(1, $1::int) as n`,
  'onboarding.sessions': `insert into onboarding.sessions (
      lead_id, session_token_hash, status, business_info_completed_at, whatsapp_integration_completed_at, bot_setup_completed_at,
      testing_completed_at, completed_at, started_at, last_activity_at, abandoned_at, user_agent, network, business_data,
      whatsapp_config, bot_config, created_at, updated_at)
    select leads.ids[1 + n % cardinality(leads.ids)], sha256(convert_to('token ' || n, 'UTF8')), status,
      case when status <> 'not_started' then at end, case when status <> 'not_started' then at + interval '1 minute' end,
      case when status = 'completed' then at + interval '2 minutes' end, case when status = 'completed' then at + interval '3 minutes' end,
      case when status = 'completed' then at + interval '3 minutes' end, at, at + interval '5 minutes',
      case when status = 'abandoned' then at + interval '3 hours' end, 'Mozilla/5.0 ' || n, ('192.0.' || n % 256 || '.0/24')::inet,
      jsonb_build_object('name', 'Company ' || n), jsonb_build_object('phone', n), jsonb_build_object('template', 'ü ' || n),
      at, at + interval '6 minutes'
    from generate_series(1, $1::int) as n, (select array_agg(id order by id) as ids from marketing.leads) as leads,
      lateral (select (array['not_started', 'in_progress', 'completed', 'abandoned'])[1 + n % 4] as status, timestamptz '2026-01-01' + make_interval(mins => n) as at) as own`,
  'onboarding.step_activities': `insert into onboarding.step_activities (
      session_id, step, activity_type, field_name, field_value, error_message, time_spent_seconds, metadata, created_at)
    select sessions.ids[1 + n % cardinality(sessions.ids)], (onboarding.steps())[1 + n % 5],
      (array['step_view', 'field_change', 'validation_error'])[1 + n % 3], 'field_' || n, '[redacted]', 'Error ' || n, n,
      jsonb_build_object('n', n), timestamptz '2026-01-01' + make_interval(secs => n)
    from generate_series(1, $1::int) as n, (select array_agg(id order by id) as ids from onboarding.sessions) as sessions`,
  'private.onboarding_plain_fields': `insert into private.onboarding_plain_fields (field_name)
    select 'field_' || n from generate_series(1, $1::int) as n`,
  // Accounts of their own: this table is filled before whatsapp.accounts.
  'private.whatsapp_access_tokens': `with made as (
      insert into whatsapp.accounts (business_account_id, phone_number_id, phone_number, owner_id)
      select (1000000 + n)::text, (2000000 + n)::text, '+49 30 1' || n + 100000, gen_random_uuid() from generate_series(1, $1::int) as n
      returning id, phone_number_id::bigint - 2000000 as n
    )
    insert into private.whatsapp_access_tokens (account_id, sealed, key_version, updated_at)
    select id, 'sealed ' || n, 1 + n % 3, timestamptz '2026-01-01' + make_interval(mins => n::int) from made`,
  'private.whatsapp_clocks': `with made as (
      insert into whatsapp.accounts (business_account_id, phone_number_id, phone_number, owner_id)
      select (3000000 + n)::text, (4000000 + n)::text, '+49 30 2' || n + 100000, gen_random_uuid() from generate_series(1, $1::int) as n
      returning id, phone_number_id::bigint - 4000000 as n
    )
    insert into private.whatsapp_clocks (account_id, subject, kind, happened_at)
    select id, id, (array['tier', 'name', 'standing'])[1 + n % 3], timestamptz '2026-01-01' + make_interval(mins => n::int) from made`,
  'private.webhook_inbox': `insert into private.webhook_inbox (
      source, dedupe_key, received_at, happened_at, field, event, business_account_id, phone_number_id, people, payload, applied_at,
      outcome, attempts)
    select 'whatsapp', 'wamid.' || n, timestamptz '2026-01-02' + make_interval(mins => n), timestamptz '2026-01-01' + make_interval(mins => n),
      (array['messages', 'account_update'])[1 + n % 2], 'event ' || n, (1000000 + n)::text, (2000000 + n)::text,
      array[(491500000000 + n)::text], jsonb_build_object('field', 'messages', 'value', jsonb_build_object('n', n)),
      timestamptz '2026-01-03' + make_interval(mins => n), (array['applied', 'unknown account'])[1 + n % 2], n
    from generate_series(1, $1::int) as n`,
  'whatsapp.accounts': `insert into whatsapp.accounts (
      lead_id, owner_id, business_account_id, phone_number_id, phone_number, display_name, webhook_verify_token_hash, is_verified,
      is_active, verification_status, quality_rating, messaging_limit_tier, throughput_level, name_status, messages_sent_today,
      messages_limit_daily, last_message_sent_at, last_webhook_at, created_at, updated_at)
    select (select id from marketing.leads order by id offset n % 7 limit 1), gen_random_uuid(), (5000000 + n)::text, (6000000 + n)::text,
      '+49 30 3' || n + 100000, 'Shop ' || n, sha256(n::text::bytea), n % 2 = 0, n % 3 = 0, 'APPROVED',
      (array['GREEN', 'YELLOW', 'RED'])[1 + n % 3], (array['TIER_250', 'TIER_2K'])[1 + n % 2], 'STANDARD', 'APPROVED', n, 1000 + n,
      timestamptz '2026-01-04' + make_interval(mins => n), timestamptz '2026-01-05' + make_interval(mins => n),
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-03' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'whatsapp.templates': `insert into whatsapp.templates (
      account_id, template_name, category, language, status, header_type, header_content, body_text, footer_text, buttons, components,
      whatsapp_template_id, quality_score, rejected_reason, previous_category, parameter_format, last_event_at, created_at, updated_at)
    select a.id, 'template_' || n, (array['MARKETING', 'UTILITY'])[1 + n % 2], (array['en_US', 'de'])[1 + n % 2],
      (array['APPROVED', 'REJECTED', 'DRAFT'])[1 + n % 3], 'TEXT', 'Header ' || n, 'Body {{1}} ' || n, 'Footer ' || n,
      jsonb_build_array(jsonb_build_object('type', 'URL', 'n', n)), jsonb_build_array(jsonb_build_object('type', 'BODY', 'n', n)),
      (7000000 + n)::text, 'GREEN', case when n % 3 = 1 then 'SCAM' end, 'UTILITY', 'POSITIONAL',
      timestamptz '2026-01-04' + make_interval(mins => n), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-03' + make_interval(mins => n)
    from generate_series(1, $1::int) as n, (select id from whatsapp.accounts order by id limit 1) as a`,
  'experiments.experiments': `insert into experiments.experiments (
      name, description, hypothesis, is_active, traffic_percentage, control_variant, test_variants, targeting_rules, start_date,
      end_date, status, results, winner_variant_id, hash_seed, hash_version, bucket_version, namespace, unit, primary_metric,
      created_by, created_at, updated_at)
    select 'Experiment ' || n, 'Description ' || n, 'Hypothesis ' || n, n % 3 > 0, n % 101, '{"id": "control", "weight": 0.5}',
      jsonb_build_array(jsonb_build_object('id', 'test ' || n, 'name', 'Test ' || n, 'weight', 0.5)),
      jsonb_build_object('countries', jsonb_build_array(chr(65 + n % 26) || 'A')), timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-03-01' + make_interval(mins => n), (array['draft', 'running', 'paused', 'completed', 'archived'])[1 + n % 5],
      jsonb_build_object('n', n), case when n % 2 = 0 then 'test ' || n end, 'seed ' || n, 1 + n % 2, n,
      jsonb_build_object('id', 'namespace ' || n, 'start', 0.1, 'end', 0.9), (enum_range(null::experiments.unit_kind))[1 + n % 2],
      'metric ' || n, gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02'
    from generate_series(1, $1::int) as n`,
  'experiments.assignments': `with made as (
      insert into experiments.experiments (name, control_variant, test_variants)
      values ('Assigned', '{"id": "a", "weight": 0.5}', '[{"id": "b", "weight": 0.5}]') returning id
    )
    insert into experiments.assignments (
      experiment_id, unit_key, user_id, session_id, variant_id, bucket_version, source, assigned_at, first_exposure_at,
      last_exposure_at, exposure_count, country)
    select made.id, 'user:' || n, gen_random_uuid(), 'session ' || n, 'b', n, (enum_range(null::experiments.assignment_source))[1 + n % 2],
      timestamptz '2026-01-01' + make_interval(mins => n), timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2026-01-03' + make_interval(mins => n), n, chr(65 + n % 26) || 'A'
    from made, generate_series(1, $1::int) as n`,
  'marketing.lead_interactions': `with lead as (
      insert into marketing.leads (email, email_normalized, email_domain)
      select a, a, 'example.org' from (select gen_random_uuid() || '@example.org' as a) as address returning id)
    insert into marketing.lead_interactions (
      lead_id, interaction_type, subject, description, outcome, scheduled_at, completed_at, created_by, metadata, created_at)
    select lead.id, (array['call', 'email', 'note'])[1 + n % 3], 'Subject ' || n, 'Description ' || n, 'Outcome ' || n,
      timestamptz '2026-02-01' + make_interval(hours => n), case when n % 2 = 0 then timestamptz '2026-03-01' end, gen_random_uuid(),
      jsonb_build_object('n', n), timestamptz '2026-01-01' + make_interval(mins => n)
    from lead, generate_series(1, $1::int) as n`,
  'private.confirmation_requests': `with lead as (
      insert into marketing.leads (email, email_normalized, email_domain)
      select a, a, 'example.org' from (select gen_random_uuid() || '@example.org' as a from generate_series(1, $1::int)) as address returning id)
    insert into private.confirmation_requests (lead_id, requested_at, times_handed, handed_at)
    select lead.id, timestamptz '2026-01-01' + make_interval(mins => n::int), n % 3, case when n % 3 > 0 then timestamptz '2026-01-02' end
    from (select id, row_number() over () as n from lead) as lead`,
  'private.consent_records': `insert into private.consent_records (address_hash, action, channel, text_version, at)
    select sha256(n::text::bytea), (array['requested', 'confirmed', 'revoked'])[1 + n % 3], 'email', 'v' || n,
      timestamptz '2026-01-01' + make_interval(mins => n) from generate_series(1, $1::int) as n`,
  'analytics.events': `insert into analytics.events (
      id, type, name, user_id, user_is_verified, session_id, anonymous_id, properties, metadata, user_agent, referrer, url, device_type,
      browser, os, country, region, is_bot, received_at, occurred_at)
    select analytics.undated_id(md5(n::text)::uuid), (array['page_view', 'user_action', 'conversion', 'system'])[1 + n % 4], 'event ' || n % 20,
      gen_random_uuid(), n % 2 = 0, 'session ' || n % 50, 'anonymous ' || n, jsonb_build_object('n', n), jsonb_build_object('m', n), 'Mozilla ' || n,
      'https://example.org/' || n, 'https://www.example.org/' || n, (array['desktop', 'mobile', 'tablet', 'bot', 'other'])[1 + n % 5],
      'Browser ' || n, 'System ' || n, 'DE', 'Berlin', n % 9 = 0, timestamptz '2026-01-02' + make_interval(mins => n),
      timestamptz '2026-01-01' + make_interval(mins => n)
    from generate_series(1, $1::int) as n`,
  'private.event_months': `insert into private.event_months (month)
    select (date '1900-01-01' + make_interval(months => n))::date from generate_series(1, $1::int) as n`,
  'private.event_actors': `insert into private.event_actors (aggregation_id, kind, actor)
    select gen_random_uuid(), (array['u', 's'])[1 + n % 2]::"char", gen_random_uuid() from generate_series(1, $1::int) as n`,
  'private.event_watermark': `update private.event_watermark set ingest_seq = $1::int`,
  'analytics.metrics': `insert into analytics.metrics (
      name, description, type, value_numeric, value_json, dimensions, tags, timestamp, time_window_start, time_window_end, granularity,
      source, aggregation, sample_count, created_at)
    select 'metric ' || n, 'Description ' || n, (array['counter', 'gauge', 'histogram', 'ratio'])[1 + n % 4], n / 3.0,
      jsonb_build_object('n', n), jsonb_build_object('country', n), array['a', 'b ' || n], timestamptz '2026-01-01' + make_interval(mins => n),
      timestamptz '2026-01-01', timestamptz '2026-01-02' + make_interval(mins => n), 'day', 'source ' || n, 'avg', n, timestamptz '2026-01-03'
    from generate_series(1, $1::int) as n`,
  'private.users_to_forget': `insert into private.users_to_forget (user_id, at)
    select gen_random_uuid(), timestamptz '2026-01-01' + make_interval(mins => n) from generate_series(1, $1::int) as n`,
  'analytics.event_aggregations': `insert into analytics.event_aggregations (
      id, event_type, event_name, time_bucket, granularity, event_count, unique_users, unique_sessions, dimensions, created_at, updated_at)
    select gen_random_uuid(), (array['page_view', 'user_action', 'conversion', 'system'])[1 + n % 4], 'event ' || n, timestamptz '2026-01-01', 'hour', n, n % 7, n % 9,
      jsonb_build_object('country', 'DE'), timestamptz '2026-01-02' + make_interval(mins => n), timestamptz '2026-01-03'
    from generate_series(1, $1::int) as n`,
};
