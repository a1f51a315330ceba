-- Sample profiles, projects, workflows, chats, a deployment and telemetry of two users. Local databases only; loading them twice
-- changes nothing.
insert into clixen.projects (user_id, name, description, color)
values
  ('00000000-0000-4000-8000-000000000001', 'Shop automations', 'Orders, invoices and returns.', '#0ea5e9'),
  ('00000000-0000-4000-8000-000000000001', 'Newsletter', null, '#22c55e'),
  ('00000000-0000-4000-8000-000000000002', 'Support', 'Tickets from e-mail and chat.', '#f97316')
on conflict do nothing;

select private.make_profile('00000000-0000-4000-8000-000000000001', 'ada@example.org');
select private.make_profile('00000000-0000-4000-8000-000000000002', 'grace@example.org');

insert into clixen.mvp_workflows (id, user_id, project_id, name, description, original_prompt, status, n8n_workflow_json)
select flow.id::uuid, p.user_id, p.id, flow.name, flow.description, flow.prompt, flow.status, flow.json::jsonb
from (
  values
    (
      '00000000-0000-4000-8000-0000000000a1', 'Shop automations', 'New orders to Slack', 'Tells the team of each order.',
      'Tell us in Slack when an order comes in.', 'draft',
      '{"name": "New orders to Slack", "nodes": [
        {"id": "00000000-0000-4000-8000-0000000000b1", "name": "Order comes in", "type": "n8n-nodes-base.webhook", "typeVersion": 2,
          "position": [0, 0], "webhookId": "00000000-0000-4000-8000-0000000000c1", "parameters": {"path": "orders", "httpMethod": "POST"}},
        {"id": "00000000-0000-4000-8000-0000000000b2", "name": "Tell the team", "type": "n8n-nodes-base.slack", "typeVersion": 2.2,
          "position": [220, 0], "parameters": {"resource": "message", "text": "={{ $json.body.total }}"}}
      ], "connections": {"Order comes in": {"main": [[{"node": "Tell the team", "type": "main", "index": 0}]]}},
      "settings": {"executionOrder": "v1"}}'
    ),
    (
      '00000000-0000-4000-8000-0000000000a2', 'Newsletter', 'Weekly digest', null, 'Every Monday at nine, mail me last week''s sign-ups.',
      'validated',
      '{"name": "Weekly digest", "nodes": [
        {"id": "00000000-0000-4000-8000-0000000000b3", "name": "Every Monday", "type": "n8n-nodes-base.scheduleTrigger", "typeVersion": 1.2,
          "position": [0, 0], "parameters": {"rule": {"interval": [{"field": "weeks", "triggerAtDay": [1], "triggerAtHour": 9}]}}},
        {"id": "00000000-0000-4000-8000-0000000000b4", "name": "Mail me", "type": "n8n-nodes-base.emailSend", "typeVersion": 2.1,
          "position": [220, 0], "parameters": {"toEmail": "ada@example.org", "subject": "Sign-ups"}}
      ], "connections": {"Every Monday": {"main": [[{"node": "Mail me", "type": "main", "index": 0}]]}},
      "settings": {"executionOrder": "v1"}}'
    ),
    ('00000000-0000-4000-8000-0000000000a3', 'Support', 'Sort tickets', null, 'Sort incoming tickets by urgency.', 'draft', '{}')
) as flow (id, project, name, description, prompt, status, json)
join clixen.projects as p on p.name = flow.project and p.user_id in (
  '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'
)
on conflict (id) do nothing;

insert into clixen.mvp_chat_sessions (id, user_id, project_id, workflow_id, title, status, user_satisfied)
select chat.id::uuid, w.user_id, w.project_id, w.id, chat.title, chat.status, chat.satisfied::boolean
from (
  values
    ('00000000-0000-4000-8000-0000000000d1', '00000000-0000-4000-8000-0000000000a1', 'Orders in Slack', 'completed', true),
    ('00000000-0000-4000-8000-0000000000d2', '00000000-0000-4000-8000-0000000000a3', 'Sorting tickets', 'active', null)
) as chat (id, workflow, title, status, satisfied)
join clixen.mvp_workflows as w on w.id = chat.workflow::uuid
on conflict (id) do nothing;

insert into clixen.mvp_chat_messages (id, session_id, user_id, content, role, agent_type, processing_time_ms, tokens_used)
select message.id::uuid, s.id, s.user_id, message.content, message.role::clixen.chat_role, message.agent::clixen.agent_type, message.ms, message.tokens
from (
  values
    ('00000000-0000-4000-8000-0000000000e1', '00000000-0000-4000-8000-0000000000d1', 'Tell us in Slack when an order comes in.', 'user', null, null, null),
    ('00000000-0000-4000-8000-0000000000e2', '00000000-0000-4000-8000-0000000000d1', 'Here is a workflow: a webhook and a message.', 'assistant', 'workflow_designer', 2100, 940),
    ('00000000-0000-4000-8000-0000000000e3', '00000000-0000-4000-8000-0000000000d2', 'Sort incoming tickets by urgency.', 'user', null, null, null)
) as message (id, session, content, role, agent, ms, tokens)
join clixen.mvp_chat_sessions as s on s.id = message.session::uuid
on conflict (id) do nothing;

insert into clixen.deployments (id, user_id, workflow_id, deployment_version, status, error_message, completed_at, duration_ms)
select '00000000-0000-4000-8000-0000000000f1', w.user_id, w.id, 1, 'failed', 'POST workflows: n8n answered 401 unauthorized', now(), 420
from clixen.mvp_workflows as w
where w.id = '00000000-0000-4000-8000-0000000000a1'
on conflict (id) do nothing;

insert into clixen.telemetry_events (id, user_id, event_type, event_category, workflow_id, success, duration_ms)
values
  (
    '00000000-0000-4000-8000-000000000101', '00000000-0000-4000-8000-000000000001', 'workflow_validated', 'workflow',
    '00000000-0000-4000-8000-0000000000a1', true, 4
  ),
  (
    '00000000-0000-4000-8000-000000000102', '00000000-0000-4000-8000-000000000001', 'workflow_deployed', 'deployment',
    '00000000-0000-4000-8000-0000000000a1', false, 420
  )
on conflict (id) do nothing;
