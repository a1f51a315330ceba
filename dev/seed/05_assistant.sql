-- Sample tenants of three different configurations, with their members, conversations, feedback and usage: 3 tenants, 6 users, 7
-- conversations, 14 messages, 7 ratings, 11 rows of usage. Local databases only; loading them twice changes nothing.
insert into assistant.tenants (
  id, name, slug, llm_provider, llm_model, temperature, max_tokens, system_prompt, features, rate_limit_per_minute, daily_token_limit,
  branding
) values
(
  '00000000-0000-4000-8000-0000000005a1', 'Example Recipes', 'example-recipes', 'openai', 'gpt-5-mini', null, 1024, null, '{}', 60, 100000,
  '{"color": "#0ea5e9"}'
),
(
  '00000000-0000-4000-8000-0000000005a2', 'Beispiel Kanzlei', 'beispiel-kanzlei', 'mistral', 'mistral-small-latest', 0.2, 4000,
  'Answer in German, and name the paragraph.', '{"private_conversations": true, "time_zone": "Europe/Berlin"}', 120, 500000, '{}'
),
(
  '00000000-0000-4000-8000-0000000005a3', 'Tiny Workshop', 'tiny-workshop', 'local', 'llama3.2', 1, 512, 'Answer in one sentence.',
  '{"time_zone": "America/New_York"}', 10, 5000, '{}'
)
on conflict do nothing;

-- One is invited, and has no account yet.
insert into assistant.users (id, tenant_id, auth_id, email, name, role, last_active_at) values
(
  '00000000-0000-4000-8000-0000000005b1', '00000000-0000-4000-8000-0000000005a1', '00000000-0000-4000-8000-000000000001',
  'ada@example.org', 'Ada', 'owner', '2026-11-20 09:00:00+00'
),
(
  '00000000-0000-4000-8000-0000000005b2', '00000000-0000-4000-8000-0000000005a1', '00000000-0000-4000-8000-000000000003',
  'linus@example.org', 'Linus', 'admin', '2026-11-21 09:00:00+00'
),
(
  '00000000-0000-4000-8000-0000000005b3', '00000000-0000-4000-8000-0000000005a1', '00000000-0000-4000-8000-000000000004',
  'edsger@example.org', 'Edsger', 'member', '2026-11-20 10:00:00+00'
),
(
  '00000000-0000-4000-8000-0000000005b4', '00000000-0000-4000-8000-0000000005a2', '00000000-0000-4000-8000-000000000002',
  'grace@example.org', 'Grace', 'owner', '2026-11-21 12:00:00+00'
),
('00000000-0000-4000-8000-0000000005b5', '00000000-0000-4000-8000-0000000005a2', null, 'barbara@example.org', 'Barbara', 'member', null),
(
  '00000000-0000-4000-8000-0000000005b6', '00000000-0000-4000-8000-0000000005a3', '00000000-0000-4000-8000-000000000005',
  'alan@example.org', 'Alan', 'owner', '2026-11-22 09:00:00+00'
)
on conflict do nothing;

-- Seven conversations of a question and an answer.
create temporary table sample_talks as
select
  t.n, t.title, t.is_archived, t.question, t.answer, t.model, t.at::timestamptz as at,
  ('00000000-0000-4000-8000-0000000005c' || t.n)::uuid as id, ('00000000-0000-4000-8000-0000000005b' || t.author)::uuid as user_id
from (
  values
    (1, 1, 'Bread without yeast', false, 'How do I bake bread without yeast?', 'With baking soda and something sour, such as buttermilk.', 'gpt-5-mini', '2026-11-20 09:00:00+00'),
    (2, 1, 'Conversions', true, 'How many grams are a cup of flour?', 'About 120 grams.', 'gpt-5-mini', '2026-11-21 09:10:00+00'),
    (3, 2, 'Menu for Friday', false, 'Suggest a menu for twelve people.', 'Leek soup, risotto, and baked apples.', 'gpt-5-mini', '2026-11-21 09:00:00+00'),
    (4, 3, 'New conversation', false, 'Is rhubarb a vegetable?', 'Yes, though it is cooked like a fruit.', 'gpt-5-mini', '2026-11-20 10:00:00+00'),
    (5, 4, 'Fristen', false, 'Wann verjährt eine Kaufpreisforderung?', 'Nach drei Jahren, § 195 BGB.', 'mistral-small-latest', '2026-11-20 11:00:00+00'),
    (6, 4, 'Formulierung', false, 'Formuliere eine Mahnung.', 'Sehr geehrte Damen und Herren, …', 'mistral-small-latest', '2026-11-21 12:00:00+00'),
    (7, 6, 'Screws', false, 'Which screw for oak?', 'A stainless one, with a pilot hole.', 'llama3.2', '2026-11-22 09:00:00+00')
) as t (n, author, title, is_archived, question, answer, model, at);

insert into assistant.conversations (id, tenant_id, user_id, title, is_archived, created_at, updated_at)
select t.id, u.tenant_id, t.user_id, t.title, t.is_archived, t.at, t.at + interval '2 seconds'
from sample_talks as t inner join assistant.users as u on u.id = t.user_id
on conflict do nothing;

insert into assistant.messages (id, conversation_id, role, content, token_count, model_used, latency_ms, created_at)
select ('00000000-0000-4000-8000-0000000005d' || t.n)::uuid, t.id, 'user', t.question, ceil(octet_length(t.question) / 3.0), null, null, t.at
from sample_talks as t
union all
select
  ('00000000-0000-4000-8000-0000000005e' || t.n)::uuid, t.id, 'assistant', t.answer, ceil(octet_length(t.answer) / 3.0), t.model,
  900 + 10 * t.n, t.at + interval '2 seconds'
from sample_talks as t
on conflict do nothing;

-- Each answer is rated by who asked.
insert into assistant.feedback (id, message_id, user_id, rating, comment, created_at)
select
  ('00000000-0000-4000-8000-0000000005f' || t.n)::uuid, ('00000000-0000-4000-8000-0000000005e' || t.n)::uuid, t.user_id,
  case when t.n in (2, 6) then -1 else 1 end, case t.n when 2 then 'It is 125 where I live.' when 6 then 'Not finished.' end,
  t.at + interval '1 minute'
from sample_talks as t
on conflict do nothing;
drop table sample_talks;

-- What six requests have used. The eleven sums by day are made of these events.
select private.record_usage(
  t.id, 'sample ' || u.n, ('00000000-0000-4000-8000-0000000005b' || u.member)::uuid, u.at::timestamptz, t.llm_provider, t.llm_model,
  u.prompt, u.completion, u.cost, source => 'import'
)
from (
  values
    (1, 1, 1, '2026-11-20 09:00:02+00', 120, 80, 190),
    (2, 1, 3, '2026-11-20 10:00:02+00', 90, 60, 143),
    (3, 1, 2, '2026-11-21 09:00:02+00', 150, 200, 438),
    (4, 2, 4, '2026-11-20 11:00:02+00', 200, 150, 65),
    (5, 2, 4, '2026-11-21 12:00:02+00', 180, 400, 138),
    (6, 3, 6, '2026-11-22 09:00:02+00', 60, 40, 0)
) as u (n, tenant, member, at, prompt, completion, cost)
inner join assistant.tenants as t on t.id = ('00000000-0000-4000-8000-0000000005a' || u.tenant)::uuid;
select private.fold_usage(t.id)
from assistant.tenants as t
where t.id in (
  '00000000-0000-4000-8000-0000000005a1', '00000000-0000-4000-8000-0000000005a2', '00000000-0000-4000-8000-0000000005a3'
);
