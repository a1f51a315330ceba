-- Sample users, projects, a subscription, notifications, a deployment, an integration, a service, an agent and what it did, of two users.
-- Local databases only; loading it twice changes nothing.
select private.flashfusion_user('00000000-0000-4000-8000-000000000001', 'ada@example.org');
select private.flashfusion_user('00000000-0000-4000-8000-000000000002', 'grace@example.org');
update flashfusion.users as u set username = given.username, full_name = given.name, onboarding_completed = true
from (
  values
    ('00000000-0000-4000-8000-000000000001'::uuid, 'ada', 'Ada'),
    ('00000000-0000-4000-8000-000000000002'::uuid, 'grace', 'Grace')
) as given (id, username, name)
where u.id = given.id and u.username is null;

insert into flashfusion.projects (id, user_id, name, description, project_type, framework, template, deployment_url, status, config, features, is_public)
values
  (
    '00000000-0000-4000-8000-0000000003a1', '00000000-0000-4000-8000-000000000001', 'Recipe finder',
    'Finds recipes for what is in the fridge.', 'web', 'svelte', 'search', 'https://recipes.example.org', 'deployed', '{"language": "en"}',
    '["search", "photos"]', true
  ),
  (
    '00000000-0000-4000-8000-0000000003a2', '00000000-0000-4000-8000-000000000001', 'Invoices', null, 'api', 'fastapi', null, null,
    'draft', '{}', '[]', false
  ),
  (
    '00000000-0000-4000-8000-0000000003a3', '00000000-0000-4000-8000-000000000002', 'Support bot', 'Answers what is in the manual.', 'bot',
    null, 'chat', null, 'active', '{}', '["chat"]', false
  )
on conflict (id) do nothing;

insert into private.price_tiers (price_id, tier, plan_name)
values ('price_sample_pro', 'pro', 'Pro'), ('price_sample_team', 'team', 'Team')
on conflict (price_id) do nothing;
insert into private.billing_customers (stripe_customer_id, user_id)
values ('cus_sample', '00000000-0000-4000-8000-000000000001')
on conflict (stripe_customer_id) do nothing;
-- The tier follows.
insert into flashfusion.billing (
  user_id, subscription_id, stripe_customer_id, plan_name, billing_cycle, amount, currency, status, price_id, current_period_start,
  current_period_end, metadata, last_event_at
)
values (
  '00000000-0000-4000-8000-000000000001', 'sub_sample', 'cus_sample', 'Pro', 'month', 2000, 'eur', 'active', 'price_sample_pro',
  date_trunc('month', now()), date_trunc('month', now()) + interval '1 month', '{"prices": ["price_sample_pro"]}',
  date_trunc('month', now())
)
on conflict (subscription_id) do nothing;

select
  private.notify(
    '00000000-0000-4000-8000-000000000001', 'billing', 'sample welcome', 'Welcome to Pro', 'Your account has the limits of the tier Pro.', '/billing'
  ),
  private.notify(
    '00000000-0000-4000-8000-000000000002', 'info', 'sample first project', 'Your first project', 'Choose an agent that works on it.', '/agents'
  );

insert into flashfusion.deployments (id, project_id, user_id, deployment_target, deployment_url, status, deployed_at, is_production)
values (
  '00000000-0000-4000-8000-0000000003b1', '00000000-0000-4000-8000-0000000003a1', '00000000-0000-4000-8000-000000000001', 'static',
  'https://recipes.example.org', 'deployed', now(), true
)
on conflict (id) do nothing;
insert into flashfusion.integrations (id, user_id, integration_type, integration_name, config, status)
values (
  '00000000-0000-4000-8000-0000000003c1', '00000000-0000-4000-8000-000000000001', 'github', 'Recipes on GitHub', '{"repository": "ada/recipes"}', 'connected'
)
on conflict (id) do nothing;

insert into flashfusion.ai_services (id, name, provider, model_name, capabilities, context_window, supports_function_calling)
values (
  '00000000-0000-4000-8000-0000000003d1', 'Sample model', 'sample', 'sample-1', '["code", "text"]', 200000, true
)
on conflict do nothing;
insert into flashfusion.agents (id, name, type, capabilities, status, version)
values ('00000000-0000-4000-8000-0000000003e1', 'Reviewer', 'review', '["review"]', 'online', '1.0')
on conflict do nothing;
insert into flashfusion.agent_tasks (
  id, agent_id, project_id, user_id, task_type, task_data, status, result, started_at, completed_at, execution_time_ms
)
values (
  '00000000-0000-4000-8000-0000000003f1', '00000000-0000-4000-8000-0000000003e1', '00000000-0000-4000-8000-0000000003a1',
  '00000000-0000-4000-8000-000000000001', 'review.project', '{"depth": "quick"}', 'completed', '{"findings": 0}', now(), now(), 1200
)
on conflict do nothing;
insert into flashfusion.code_generations (
  id, project_id, user_id, ai_service_id, prompt, generated_code, file_path, language, generation_type, status, tokens_used, completed_at
)
select
  '00000000-0000-4000-8000-0000000003f2', '00000000-0000-4000-8000-0000000003a1', '00000000-0000-4000-8000-000000000001', s.id,
  'A function that adds two numbers', 'export const add = (a, b) => a + b;', 'src/add.js', 'javascript', 'code', 'completed', 42, now()
from flashfusion.ai_services as s where s.id = '00000000-0000-4000-8000-0000000003d1'
on conflict do nothing;
