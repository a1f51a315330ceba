-- Sample WhatsApp accounts of converted leads, with templates. Local databases only; loading them twice changes nothing.
insert into whatsapp.accounts (
  lead_id, owner_id, business_account_id, phone_number_id, phone_number, display_name, is_verified, verification_status,
  quality_rating, messaging_limit_tier, throughput_level, name_status, messages_sent_today, messages_limit_daily,
  last_message_sent_at, last_webhook_at, created_at
)
select l.id, a.owner_id::uuid, a.business_account_id, a.phone_number_id, a.phone_number, a.display_name, a.is_verified,
  a.verification_status, a.quality_rating, a.messaging_limit_tier, a.throughput_level, a.name_status, a.messages_sent_today,
  a.messages_limit_daily, now() - a.sent_ago, now() - a.sent_ago, now() - interval '30 days'
from (
  values
    ('customer@shop.example', '00000000-0000-4000-8000-000000000001', '102290129340398', '106540352242922', '+1 555-078-3881', 'Shop', true, 'APPROVED', 'GREEN', 'TIER_2K', 'STANDARD', 'APPROVED', 118, 2000, interval '20 minutes'),
    ('customer@shop.example', '00000000-0000-4000-8000-000000000001', '102290129340398', '106540352242923', '+1 555-078-3882', 'Shop Support', true, 'APPROVED', 'YELLOW', 'TIER_2K', 'STANDARD', 'PENDING', 9, 2000, interval '3 hours'),
    ('zoe@müller.example', '00000000-0000-4000-8000-000000000002', '102290129340777', '106540352242777', '+49 30 5550123', 'Bäckerei Müller', false, null, null, null, null, null, 0, null, null)
) as a (
  email, owner_id, business_account_id, phone_number_id, phone_number, display_name, is_verified, verification_status,
  quality_rating, messaging_limit_tier, throughput_level, name_status, messages_sent_today, messages_limit_daily, sent_ago
)
join marketing.leads as l on l.email_normalized = a.email and l.deleted_at is null
on conflict do nothing;

insert into whatsapp.templates (
  account_id, template_name, category, language, status, header_type, header_content, body_text, footer_text, buttons, components,
  whatsapp_template_id, quality_score, rejected_reason, parameter_format, last_event_at
)
select a.id, t.template_name, t.category, t.language, t.status, t.header_type, t.header_content, t.body_text, t.footer_text,
  t.buttons::jsonb,
  jsonb_build_array(jsonb_build_object('type', 'BODY', 'text', t.body_text)),
  t.whatsapp_template_id, t.quality_score, t.rejected_reason, 'POSITIONAL',
  case when t.status <> 'DRAFT' then now() - interval '5 days' end
from (
  values
    ('106540352242922', 'order_confirmation', 'UTILITY', 'en_US', 'APPROVED', 'TEXT', 'Your order is confirmed!', 'Thank you, {{1}}! Your order number is {{2}}.', 'Shop', '[{"type": "URL", "text": "See it", "url": "https://shop.example/orders/{{1}}"}]', '1689556908129832', 'GREEN', null),
    ('106540352242922', 'order_confirmation', 'UTILITY', 'de', 'APPROVED', 'TEXT', 'Bestellung bestätigt', 'Danke, {{1}}! Ihre Bestellnummer ist {{2}}.', 'Shop', '[]', '1689556908129833', 'UNKNOWN', null),
    ('106540352242922', 'spring_sale', 'MARKETING', 'en_US', 'PAUSED', null, null, 'Spring is here, {{1}}: 20% off until Sunday.', 'Reply STOP to opt out', '[{"type": "QUICK_REPLY", "text": "STOP"}]', '1689556908129834', 'RED', null),
    ('106540352242922', 'login_code', 'AUTHENTICATION', 'en_US', 'REJECTED', null, null, '{{1}}{{2}}', null, '[]', '1689556908129835', null, 'INVALID_FORMAT'),
    ('106540352242777', 'opening_hours', 'UTILITY', 'de', 'DRAFT', null, null, 'Wir haben morgen von {{1}} bis {{2}} geöffnet.', null, '[]', null, null, null)
) as t (
  phone_number_id, template_name, category, language, status, header_type, header_content, body_text, footer_text, buttons,
  whatsapp_template_id, quality_score, rejected_reason
)
join whatsapp.accounts as a on a.phone_number_id = t.phone_number_id
  and a.owner_id in ('00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002')
on conflict (account_id, template_name, language) do nothing;
