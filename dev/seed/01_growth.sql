-- Sample leads of different kinds. Local databases only; loading them twice changes nothing.
insert into marketing.leads (
  email, email_normalized, email_domain, first_name, last_name, company_name, source, status, interested_features,
  utm_source, utm_campaign, notes, is_spam, spam_reason, spam_score, submission_count, opt_in_status, opted_in_at, created_at
)
values
  ('ada@lovelace.example', 'ada@lovelace.example', 'lovelace.example', 'Ada', 'Lovelace', 'Analytical Engines', 'demo-request', 'qualified', '{templates,inbox}', 'newsletter', 'spring', 'Would like to see templates.', false, null, 0, 2, 'confirmed', now() - interval '9 days', now() - interval '10 days'),
  ('grace@hopper.example', 'grace@hopper.example', 'hopper.example', 'Grace', 'Hopper', 'Flow-Matic', 'pricing-inquiry', 'contacted', '{analytics}', 'search', 'brand', 'Price for 40 seats?', false, null, 0, 1, 'none', null, now() - interval '6 days'),
  ('zoe@müller.example', 'zoe@müller.example', 'müller.example', 'Zoë', 'Müller', 'Bäckerei Müller', 'website-form', 'converted', '{}', null, null, 'Brötchen per WhatsApp?', false, null, 0, 1, 'pending', null, now() - interval '2 days'),
  ('news@reader.example', 'news@reader.example', 'reader.example', null, null, null, 'newsletter-signup', 'new', '{}', 'social', 'launch', null, false, null, 0, 1, 'confirmed', now() - interval '20 days', now() - interval '21 days'),
  ('customer@shop.example', 'customer@shop.example', 'shop.example', 'Kim', 'Park', 'Shop', 'contact-form', 'converted', '{inbox,analytics}', 'partner', 'fair', null, false, null, 0, 4, 'confirmed', now() - interval '60 days', now() - interval '70 days'),
  ('bot@spam.example', 'bot@spam.example', 'spam.example', null, null, null, 'website-form', 'new', '{}', null, null, 'Cheap links', true, 'honeypot', 100, 1, 'none', null, now() - interval '1 day')
on conflict (email_normalized) where deleted_at is null do nothing;
